// SPDX-License-Identifier: MIT
package android.net;

public class Network {}
