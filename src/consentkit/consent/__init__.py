# SPDX-License-Identifier: MIT
"""
What did this person choose, when, on which text?
"""

from __future__ import annotations

from consentkit.consent.choices import Consent, Destroyed, Withdrawal
from consentkit.consent.entries import Act, Entry
from consentkit.consent.ledger import Ledger
from consentkit.consent.prompt import Answer, ask, notice
from consentkit.consent.state import Choice, State, Status, fold


__all__ = [
    "Act",
    "Answer",
    "Choice",
    "Consent",
    "Destroyed",
    "Entry",
    "Ledger",
    "State",
    "Status",
    "Withdrawal",
    "ask",
    "fold",
    "notice",
]
