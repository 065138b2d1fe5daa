// SPDX-License-Identifier: MIT
package android.content.pm;

public class PackageInfo {
    public String versionName;
    public String[] requestedPermissions;
}
