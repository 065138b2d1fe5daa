// SPDX-License-Identifier: MIT
package android.location;

import android.os.Bundle;
import java.util.List;

/** As of Android 12, where all but the first have bodies. */
public interface LocationListener {
    void onLocationChanged(Location location);

    default void onLocationChanged(List<Location> locations) {
        for (Location location : locations) {
            onLocationChanged(location);
        }
    }

    default void onFlushComplete(int requestCode) {}

    default void onStatusChanged(String provider, int status, Bundle more) {}

    default void onProviderEnabled(String provider) {}

    default void onProviderDisabled(String provider) {}
}
