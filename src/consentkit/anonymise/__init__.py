# SPDX-License-Identifier: MIT
"""
What of a value may be known to whom?

`consentkit.anonymise.protect` turns a raw value into what its clause
promises; the techniques are pure functions in modules of their own.
"""

from __future__ import annotations

from consentkit.anonymise.classes import PrivacyClass


__all__ = ["PrivacyClass"]
