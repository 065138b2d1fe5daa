// SPDX-License-Identifier: MIT
package android.app;

public class ActivityThread {
    public static Application application;

    public static Application currentApplication() {
        return application;
    }
}
