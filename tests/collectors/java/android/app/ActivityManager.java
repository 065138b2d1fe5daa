// SPDX-License-Identifier: MIT
package android.app;

public class ActivityManager {
    public static class MemoryInfo {
        public long totalMem;

        public MemoryInfo() {}
    }

    public void getMemoryInfo(MemoryInfo info) {
        info.totalMem = 7_816_040_448L;
    }
}
