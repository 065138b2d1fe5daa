// SPDX-License-Identifier: MIT
package android.net;

public class NetworkCapabilities {
    public boolean hasTransport(int transport) {
        return transport == 1;
    }
}
