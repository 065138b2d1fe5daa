// SPDX-License-Identifier: MIT
package android.provider;

import android.content.ContentResolver;
import stubs.Phone;

public class Settings {
    public static class Secure {
        public static String getString(ContentResolver resolver, String name) {
            return Phone.texts.get("secure." + name);
        }
    }

    public static class Global {
        public static String getString(ContentResolver resolver, String name) {
            return Phone.texts.get("global." + name);
        }
    }
}
