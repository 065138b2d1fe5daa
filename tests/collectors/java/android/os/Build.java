// SPDX-License-Identifier: MIT
package android.os;

import stubs.Phone;

public class Build {
    public static final String BRAND = "acme";
    public static final String MANUFACTURER = "Acme";
    public static final String MODEL = "Acme One";
    public static final String DISPLAY = "AP1A.240505.004";
    public static final String SERIAL = "ABC123OLD";

    public static class VERSION {
        public static int SDK_INT = 34;
        public static final String RELEASE = "14";
    }

    public static String getSerial() {
        return Phone.guarded("serial", "READ_PRIVILEGED_PHONE_STATE");
    }
}
