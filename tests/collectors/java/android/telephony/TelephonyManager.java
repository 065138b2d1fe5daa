// SPDX-License-Identifier: MIT
package android.telephony;

import stubs.Phone;

public class TelephonyManager {
    public String getImei() {
        return Phone.guarded("imei", "READ_PRIVILEGED_PHONE_STATE");
    }

    public String getDeviceId() {
        return Phone.guarded("imei", "READ_PHONE_STATE");
    }

    public String getMeid() {
        return Phone.guarded("meid", "READ_PRIVILEGED_PHONE_STATE");
    }

    public String getSubscriberId() {
        return Phone.guarded("imsi", "READ_PRIVILEGED_PHONE_STATE");
    }

    public String getSimSerialNumber() {
        return Phone.guarded("iccid", "READ_PRIVILEGED_PHONE_STATE");
    }

    public String getLine1Number() {
        return Phone.guarded("number", "READ_PHONE_STATE");
    }

    public String getNetworkOperatorName() {
        return Phone.texts.get("operator");
    }

    public String getNetworkOperator() {
        return "46000";
    }

    public int getSimState() {
        return 5;
    }
}
