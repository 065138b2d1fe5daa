// SPDX-License-Identifier: MIT
package android.location;

public class Location {
    public final double latitude;
    public final double longitude;
    public final float accuracy;
    public final long elapsedNanos;

    public Location(double latitude, double longitude, float accuracy,
                    double ageSeconds) {
        this.latitude = latitude;
        this.longitude = longitude;
        this.accuracy = accuracy;
        this.elapsedNanos = 1_000_000_000_000L - (long) (ageSeconds * 1e9);
    }

    public double getLatitude() {
        return latitude;
    }

    public double getLongitude() {
        return longitude;
    }

    public boolean hasAccuracy() {
        return accuracy >= 0;
    }

    public float getAccuracy() {
        return accuracy;
    }

    /** 2026-11-20 12:00:00.250 UTC. */
    public long getTime() {
        return 1_795_176_000_250L;
    }

    public long getElapsedRealtimeNanos() {
        return elapsedNanos;
    }
}
