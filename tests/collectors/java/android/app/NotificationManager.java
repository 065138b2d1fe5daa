// SPDX-License-Identifier: MIT
package android.app;

import stubs.Phone;

public class NotificationManager {
    public boolean areNotificationsEnabled() {
        return Phone.notifications;
    }
}
