# SPDX-License-Identifier: MIT
"""
Entries of the ledger: explicit acts of a person, chained by their hashes.

The bytes of an entry are JSON in a restricted profile (ASCII keys, no
floats, integers below 2**53) in which Python's sorted, compact output equals
the canonical form of RFC 8785.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property

from attrs import frozen


__all__ = ["GENESIS", "Act", "Entry", "entry_from_body"]

#: What the first entry of a ledger is chained to.
GENESIS = "0" * 64

_VERSION = 1
_NUMBERS = frozenset({"seq", "v"})


class Act(Enum):
    """
    What happened, named as the person's act.
    """

    NOTICE_SHOWN = "notice_shown"
    DEFERRED = "deferred"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@frozen(kw_only=True)
class Entry:
    """
    One line of the ledger.

    Attributes:
        seq: Place in the ledger, from 1.

        at: When it was recorded (UTC, whole milliseconds), by this
            device's clock: a claim, not a proof.

        method: How the person acted: ``app``, ``terminal``, ...

        element: Function, or function/data type for a separate decision.

        terms: Digest of the function's promise at that time.

        policy, version, text: Id, version and digest of the document whose
            text the person acted on.

        language: Language of that text.

        prev: Hash of the entry before, or `GENESIS`.
    """

    seq: int
    at: datetime
    act: Act
    method: str
    element: str
    terms: str
    policy: str
    version: str
    text: str
    language: str
    prev: str
    subject: str = "local"
    v: int = _VERSION

    @property
    def body(self) -> str:
        """
        The canonical text that is stored and hashed.
        """
        return json.dumps(
            {
                "act": self.act.value,
                "at": self.at.isoformat(timespec="milliseconds"),
                "element": self.element,
                "language": self.language,
                "method": self.method,
                "policy": self.policy,
                "prev": self.prev,
                "seq": self.seq,
                "subject": self.subject,
                "terms": self.terms,
                "text": self.text,
                "v": self.v,
                "version": self.version,
            },
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )

    @cached_property
    def hash(self) -> str:
        """
        SHA-256 of the body, in hex.
        """
        return hashlib.sha256(self.body.encode()).hexdigest()


def entry_from_body(body: str) -> Entry:
    """
    Read an entry back from its canonical text.

    Raises:
        ValueError: If the text is not exactly what an entry would write.
    """
    try:
        raw = json.loads(body)
    except RecursionError:
        raw = None
    if not isinstance(raw, Mapping):
        msg = "an entry is a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - one error for bad input
    for name, value in raw.items():
        # A boolean is an integer to Python, but not to JSON.
        if type(value) is not (int if name in _NUMBERS else str):
            msg = "an entry with a field of another kind"
            raise ValueError(msg)
    try:
        entry = Entry(
            **{
                **raw,
                "act": Act(raw["act"]),
                "at": datetime.fromisoformat(raw["at"]).astimezone(UTC),
            }
        )
    except (KeyError, TypeError, OverflowError) as error:
        msg = f"an entry with other fields ({type(error).__name__})"
        raise ValueError(msg) from None
    if entry.v != _VERSION or entry.body != body:
        msg = "an entry that is not in its canonical form"
        raise ValueError(msg)
    return entry
