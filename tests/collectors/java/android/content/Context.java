// SPDX-License-Identifier: MIT
package android.content;

import android.app.ActivityManager;
import android.app.NotificationManager;
import android.content.pm.ApplicationInfo;
import android.content.pm.PackageManager;
import android.content.res.Resources;
import android.location.LocationManager;
import android.net.ConnectivityManager;
import android.net.wifi.WifiManager;
import android.os.BatteryManager;
import android.telephony.TelephonyManager;
import stubs.Phone;

public class Context {
    private static final LocationManager LOCATION = new LocationManager();

    public Object getSystemService(String name) {
        if (Phone.missingServices.contains(name)) {
            return null;
        }
        switch (name) {
            case "phone":
                return new TelephonyManager();
            case "wifi":
                return new WifiManager();
            case "connectivity":
                return new ConnectivityManager();
            case "location":
                return LOCATION;
            case "activity":
                return new ActivityManager();
            case "batterymanager":
                return new BatteryManager();
            case "notification":
                return new NotificationManager();
            default:
                return null;
        }
    }

    public int checkSelfPermission(String permission) {
        Phone.hang();
        return Phone.granted.contains(permission) ? 0 : -1;
    }

    public ContentResolver getContentResolver() {
        return new ContentResolver();
    }

    public String getPackageName() {
        return "com.example.camera";
    }

    public PackageManager getPackageManager() {
        return new PackageManager();
    }

    public ApplicationInfo getApplicationInfo() {
        ApplicationInfo info = new ApplicationInfo();
        info.targetSdkVersion = Phone.targetSdk;
        return info;
    }

    public Resources getResources() {
        return new Resources();
    }
}
