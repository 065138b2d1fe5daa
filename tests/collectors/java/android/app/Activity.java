// SPDX-License-Identifier: MIT
package android.app;

import android.content.Context;
import stubs.Phone;

public class Activity extends Context {
    public boolean shouldShowRequestPermissionRationale(String permission) {
        return Phone.rationale.contains(permission);
    }
}
