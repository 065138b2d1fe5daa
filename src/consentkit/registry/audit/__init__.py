# SPDX-License-Identifier: MIT
"""
Which SDKs does a project use, and which does it declare?
"""

from __future__ import annotations

from consentkit.registry.audit.judge import Declaration
from consentkit.registry.audit.model import (
    Audit,
    AuditFinding,
    Evidence,
    Note,
    Scope,
)
from consentkit.registry.audit.rules import RULES
from consentkit.registry.audit.run import Extent, audit
from consentkit.registry.audit.trackers import Tracker, load_trackers


__all__ = [
    "RULES",
    "Audit",
    "AuditFinding",
    "Declaration",
    "Evidence",
    "Extent",
    "Note",
    "Scope",
    "Tracker",
    "audit",
    "load_trackers",
]
