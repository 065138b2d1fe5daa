// SPDX-License-Identifier: MIT
package android.content.res;

public class Configuration {
    public int orientation = 1;
}
