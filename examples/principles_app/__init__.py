# SPDX-License-Identifier: MIT
"""
The example of a policy that was written as principles.
"""
