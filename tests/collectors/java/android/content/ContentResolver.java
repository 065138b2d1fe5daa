// SPDX-License-Identifier: MIT
package android.content;

public class ContentResolver {}
