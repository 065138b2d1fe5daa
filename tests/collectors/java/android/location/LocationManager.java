// SPDX-License-Identifier: MIT
package android.location;

import android.os.Bundle;
import android.os.Looper;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import stubs.Phone;

public class LocationManager {
    public static final Map<String, Location> known = new HashMap<>();
    public static final List<String> providers = new ArrayList<>();
    /** What a listener gets; nothing while this is null. */
    public static Location next;
    /** Whether the listener gets a list, as Android 12 does. */
    public static boolean asList;

    public static void know(String provider, Location location) {
        known.put(provider, location);
    }

    public static void turnOn(String provider) {
        providers.add(provider);
    }

    private static void check() {
        Phone.calls++;
        if (!Phone.granted.contains("android.permission.ACCESS_FINE_LOCATION")
            && !Phone.granted.contains(
                "android.permission.ACCESS_COARSE_LOCATION")) {
            throw new SecurityException("planted-48.85837");
        }
    }

    public List<String> getProviders(boolean enabledOnly) {
        return new ArrayList<>(providers);
    }

    public Location getLastKnownLocation(String provider) {
        check();
        return known.get(provider);
    }

    public void requestLocationUpdates(
            String provider, long minTimeMs, float minDistanceM,
            LocationListener listener, Looper looper) {
        check();
        Phone.listening++;
        Location location = next;
        new Thread(() -> {
            listener.onProviderEnabled(provider);
            listener.onStatusChanged(provider, 2, new Bundle());
            if (location != null && asList) {
                listener.onLocationChanged(List.of(location));
            } else if (location != null) {
                listener.onLocationChanged(location);
            }
        }).start();
    }

    public void removeUpdates(LocationListener listener) {
        Phone.listening = 0;
    }
}
