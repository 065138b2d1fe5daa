// SPDX-License-Identifier: MIT
package android.net.wifi;

import stubs.Phone;

public class WifiInfo {
    private static boolean isPlaced() {
        return Phone.granted.contains(
            "android.permission.ACCESS_FINE_LOCATION");
    }

    /** A constant for apps since Android 6. */
    public String getMacAddress() {
        return Phone.texts.getOrDefault("mac", "02:00:00:00:00:00");
    }

    public String getSSID() {
        return isPlaced() ? Phone.texts.get("ssid") : "<unknown ssid>";
    }

    public String getBSSID() {
        return isPlaced() ? Phone.texts.get("bssid") : "02:00:00:00:00:00";
    }
}
