# SPDX-License-Identifier: MIT
"""
What did the person ask for?

So far: `consentkit.rights.cancel`, the end of an account.
"""

from __future__ import annotations

from consentkit.rights.cancel import Cancellation


__all__ = ["Cancellation"]
