// SPDX-License-Identifier: MIT
package android.util;

public class DisplayMetrics {
    public int widthPixels = 1080;
    public int heightPixels = 2400;
    public int densityDpi = 420;
}
