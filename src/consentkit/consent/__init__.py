# SPDX-License-Identifier: MIT
"""
What did this person choose, when, on which text?
"""

from __future__ import annotations

from consentkit.consent.age import AgeBand
from consentkit.consent.choices import Consent
from consentkit.consent.notice import notice
from consentkit.consent.prompt import Answer, ask
from consentkit.consent.results import Destroyed, Notice, Withdrawal
from consentkit.consent.state import Choice, State, Status, fold


__all__ = [
    "AgeBand",
    "Answer",
    "Choice",
    "Consent",
    "Destroyed",
    "Notice",
    "State",
    "Status",
    "Withdrawal",
    "ask",
    "fold",
    "notice",
]
