# SPDX-License-Identifier: MIT
"""
What happened, when, on which text, and how can anyone check that?
"""

from __future__ import annotations

from consentkit.exceptions import ProofError
from consentkit.ledger.base import Ledger
from consentkit.ledger.checkpoint import (
    Checkpoint,
    Signature,
    SignedCheckpoint,
    VerifyKey,
    parse_checkpoint,
)
from consentkit.ledger.drafts import Appended, Place
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.ledger.postgresql import PostgreSQLLedger
from consentkit.ledger.receipt import Receipt, verify_receipt
from consentkit.ledger.signing import SigningKey, make_signing_key
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.ledger.verify import Verdict, VerdictKind


__all__ = [
    "Act",
    "Actor",
    "Appended",
    "Checkpoint",
    "Entry",
    "Ledger",
    "Place",
    "PostgreSQLLedger",
    "ProofError",
    "Receipt",
    "SQLiteLedger",
    "Signature",
    "SignedCheckpoint",
    "SigningKey",
    "Verdict",
    "VerdictKind",
    "VerifyKey",
    "make_signing_key",
    "parse_checkpoint",
    "verify_receipt",
]
