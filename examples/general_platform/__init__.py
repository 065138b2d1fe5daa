# SPDX-License-Identifier: MIT
"""
The example of a general platform.
"""
