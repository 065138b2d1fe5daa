// SPDX-License-Identifier: MIT
package android.os;

public class Bundle {}
