# SPDX-License-Identifier: MIT
"""
What does the app promise?
"""

from __future__ import annotations

from consentkit.policy.fault import Fault
from consentkit.policy.load import load_policy, parse_canonical, parse_policy
from consentkit.policy.model import (
    Category,
    Clause,
    Controller,
    EventField,
    EventSpec,
    Exemption,
    Function,
    Minors,
    Pending,
    Policy,
    Protection,
    ProtectionName,
    Recipient,
)
from consentkit.policy.period import Period
from consentkit.policy.tables import Document
from consentkit.policy.vocabulary import Vocabulary, load_vocabulary


__all__ = [
    "Category",
    "Clause",
    "Controller",
    "Document",
    "EventField",
    "EventSpec",
    "Exemption",
    "Fault",
    "Function",
    "Minors",
    "Pending",
    "Period",
    "Policy",
    "Protection",
    "ProtectionName",
    "Recipient",
    "Vocabulary",
    "load_policy",
    "load_vocabulary",
    "parse_canonical",
    "parse_policy",
]
