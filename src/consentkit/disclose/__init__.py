# SPDX-License-Identifier: MIT
"""
How do people see all this?

What a policy and the choices under it come to, written out: for the person
by `consentkit.disclose.changes` and `consentkit.disclose.collected`, for
whoever answers for the processing by `consentkit.disclose.assessment`.
"""

from __future__ import annotations

from consentkit.disclose.assessment import assessment
from consentkit.disclose.changes import ChangeNotice, change_notice
from consentkit.disclose.collected import Collected, collected


__all__ = [
    "ChangeNotice",
    "Collected",
    "assessment",
    "change_notice",
    "collected",
]
