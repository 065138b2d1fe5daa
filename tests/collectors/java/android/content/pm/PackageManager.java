// SPDX-License-Identifier: MIT
package android.content.pm;

import stubs.Phone;

public class PackageManager {
    public int checkPermission(String permission, String packageName) {
        return Phone.granted.contains(permission) ? 0 : -1;
    }

    public PackageInfo getPackageInfo(String packageName, int flags) {
        PackageInfo info = new PackageInfo();
        info.versionName = "4.2.1";
        if ((flags & 4096) != 0 && Phone.declared.length > 0) {
            info.requestedPermissions = Phone.declared;
        }
        return info;
    }
}
