// SPDX-License-Identifier: MIT
package android.content.pm;

public class ApplicationInfo {
    public int targetSdkVersion;
}
