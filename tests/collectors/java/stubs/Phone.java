// SPDX-License-Identifier: MIT
package stubs;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** What the tests set: the state of a phone that does not exist. */
public class Phone {
    public static final Set<String> granted = new HashSet<>();
    public static final Set<String> rationale = new HashSet<>();
    public static final Map<String, String> texts = new HashMap<>();
    public static final Set<String> missingServices = new HashSet<>();
    public static String[] declared = new String[0];
    public static int targetSdk = 33;
    public static int listening = 0;
    public static int calls = 0;
    public static boolean notifications = true;
    public static boolean connected = true;
    public static volatile boolean hanging = false;

    public static void grant(String name) {
        granted.add("android.permission." + name);
    }

    public static void revoke(String name) {
        granted.remove("android.permission." + name);
    }

    public static void mayAskAgain(String name) {
        rationale.add("android.permission." + name);
    }

    public static void declare(String name) {
        String[] more = new String[declared.length + 1];
        System.arraycopy(declared, 0, more, 0, declared.length);
        more[declared.length] = "android.permission." + name;
        declared = more;
    }

    public static void set(String name, String value) {
        texts.put(name, value);
    }

    public static void lose(String service) {
        missingServices.add(service);
    }

    /** Guard as Android does; the text must never be shown to anybody. */
    public static String guarded(String name, String permission) {
        calls++;
        hang();
        if (!granted.contains("android.permission." + permission)) {
            throw new SecurityException("planted-" + texts.get(name));
        }
        return texts.get(name);
    }

    /** For as long as the test says, and two minutes at the most. */
    public static void hang() {
        try {
            for (int i = 0; hanging && i < 12_000; i++) {
                Thread.sleep(10);
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
