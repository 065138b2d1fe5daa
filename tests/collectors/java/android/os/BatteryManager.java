// SPDX-License-Identifier: MIT
package android.os;

public class BatteryManager {
    public int getIntProperty(int id) {
        return id == 4 ? 61 : Integer.MIN_VALUE;
    }
}
