# SPDX-License-Identifier: MIT
"""
Entries of the ledger: facts about choices, chained by their hashes.

Facts are stored and never changed; what they add up to is computed by
`consentkit.consent.state`.
"""

from __future__ import annotations

import hashlib
import json
import re

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Final, NamedTuple

from attrs import field, frozen


__all__ = [
    "GENESIS",
    "LOCAL",
    "Act",
    "Actor",
    "Entry",
    "Links",
    "entry_from_body",
    "links_of",
    "text_digest",
]

#: What the first entry of a ledger is chained to.
GENESIS = "0" * 64

#: The subject of a kit with one person.
LOCAL = "local"

_VERSION = 1
_FACT_CHARACTERS: Final = 1000
_NUMBER_LIMIT: Final = 2**53


class Act(Enum):
    """
    What happened.

    The first nine are acts of a person or a guardian; the rest is what
    became known or was done. An act tells nothing of the present: see
    `consentkit.Status`.
    """

    NOTICE_SHOWN = "notice_shown"
    DEFERRED = "deferred"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    PAUSED = "paused"
    RESUMED = "resumed"
    OBJECTED = "objected"
    ACKNOWLEDGED = "acknowledged"
    AGE_DECLARED = "age_declared"
    GUARDIAN_VERIFIED = "guardian_verified"
    IMPORTED = "imported"
    LINKED = "linked"
    UNLINKED = "unlinked"
    POLICY_ADOPTED = "policy_adopted"
    ATTESTED = "attested"
    BASIS_USED = "basis_used"
    READ = "read"
    READ_ENDED = "read_ended"
    SIGNAL_CONFLICT = "signal_conflict"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    ERASED = "erased"


class Actor(Enum):
    """
    Who or what acted.
    """

    PERSON = "person"
    GUARDIAN = "guardian"
    ACCOUNT = "account"
    ORGANISATION = "organisation"
    CONTROLLER = "controller"
    SYSTEM = "system"


def _frozen(facts: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(facts))


@frozen(kw_only=True)
class Entry:
    """
    One line of the ledger.

    Attributes:
        seq: Place in the ledger, from 1.

        at: When it was recorded (UTC, whole milliseconds), by this
            device's clock: a claim, not a proof.

        mono: Milliseconds of the machine's monotonic clock; orders what a
            clock that was set back leaves unclear.

        by: Who or what acted.

        method: How: ``app``, ``terminal``, ``tick``, ...

        subject: Whom it is about: `LOCAL`, or a tag that only the subject's
            key links to the person.

        element: Function or part of one that it is about, or empty for all.

        terms: Digest of the function's promise at that time, or empty.

        policy, version, text: Id, version and digest of the document that
            was in force.

        language: Language of the text that was shown.

        notice: SHA-256, in hex, of the text that was shown, or empty.

        facts: What else the act says, by short names: a cause, a basis with
            its attestation, where an import came from. Never a collected
            value.

        prior: Hash of the entry before it of the same subject, or
            `GENESIS`.

        prev: Hash of the entry before it in the ledger, or `GENESIS`.
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
    prior: str = GENESIS
    by: Actor = Actor.PERSON
    notice: str = ""
    facts: Mapping[str, str] = field(factory=dict, converter=_frozen)
    mono: int = 0
    subject: str = LOCAL
    v: int = _VERSION

    @property
    def body(self) -> str:
        """
        The canonical text that is stored and hashed: JSON of RFC 8785.

        Names are ASCII and numbers are whole, so that Python's sorted,
        compact output is that form; `links_of` checks that it is.
        """
        return json.dumps(
            {
                "act": self.act.value,
                "at": self.at.isoformat(timespec="milliseconds"),
                "by": self.by.value,
                "element": self.element,
                "facts": dict(self.facts),
                "language": self.language,
                "method": self.method,
                "mono": self.mono,
                "notice": self.notice,
                "policy": self.policy,
                "prev": self.prev,
                "prior": self.prior,
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


class Links(NamedTuple):
    """
    What ties an entry to the others; of each entry that is verified.

    Attributes:
        seq, prev, prior, subject: As of `Entry`.
    """

    seq: int
    prev: str
    prior: str
    subject: str


def links_of(body: str) -> Links:
    """
    Read only what ties an entry to the others, checking all of its text.

    It takes exactly the texts that `entry_from_body` takes, at many times
    the speed.

    Raises:
        ValueError: If the text is not exactly what an entry would write.
    """
    match = _BODY.fullmatch(body)
    if match is None:
        msg = "not an entry in its canonical form"
        raise ValueError(msg)
    at, facts, mono, prev, prior, seq, subject = match.groups()
    if facts:
        _check_facts(facts)
    datetime.fromisoformat(at)  # knows the length of each month
    if int(mono) >= _NUMBER_LIMIT or int(seq) >= _NUMBER_LIMIT:
        msg = "an entry with a number that is too large"
        raise ValueError(msg)
    return Links(int(seq), prev, prior, subject)


def text_digest(text: str) -> str:
    """
    Give the SHA-256 of a text that people were shown, in hex.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def entry_from_body(body: str) -> Entry:
    """
    Read an entry back from its canonical text.

    Raises:
        ValueError: If the text is not exactly what an entry would write.
    """
    links_of(body)
    raw = json.loads(body)
    entry = Entry(
        **{
            **raw,
            "act": Act(raw["act"]),
            "by": Actor(raw["by"]),
            "at": datetime.fromisoformat(raw["at"]).astimezone(UTC),
        }
    )
    # It is what the entry would write, and need not be written again.
    digest = hashlib.sha256(body.encode()).hexdigest()
    object.__setattr__(entry, "hash", digest)
    return entry


# The form of an entry's text: keys in order, no blanks, and each text escaped
# in the one way of RFC 8785, section 3.2.2.2. What may follow a repeated group
# begins with another sign than the group, so going back finds nothing, at once.
_PLAIN: Final = r'[^"\\\x00-\x1f\ud800-\udfff]*+'
_ESCAPE: Final = r'\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f]))'
_TEXT: Final = rf'"{_PLAIN}(?:{_ESCAPE}{_PLAIN})*"'
_NUMBER: Final = r"(0|[1-9][0-9]{0,15})"
_HASH: Final = r'"([0-9a-f]{64})"'
_TIME: Final = (
    r'"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3})'
    r'\+00:00"'
)
_FACT: Final = rf'"[a-z][a-z0-9_]{{0,31}}+":{_TEXT}'


def _one_of(words: type[Enum]) -> str:
    return f'"(?:{"|".join(word.value for word in words)})"'


_BODY: Final = re.compile(
    r"\{"
    rf'"act":{_one_of(Act)},"at":{_TIME},"by":{_one_of(Actor)},'
    rf'"element":{_TEXT},"facts":\{{((?:{_FACT}(?:,{_FACT})*)?)\}},'
    rf'"language":{_TEXT},"method":{_TEXT},"mono":{_NUMBER},'
    rf'"notice":{_TEXT},"policy":{_TEXT},"prev":{_HASH},"prior":{_HASH},'
    rf'"seq":{_NUMBER},"subject":"({LOCAL}|[0-9a-f]{{64}})",'
    rf'"terms":{_TEXT},"text":{_TEXT},"v":{_VERSION},"version":{_TEXT}'
    r"\}"
)


def _check_facts(facts: str) -> None:
    pairs = json.loads(f"{{{facts}}}", object_pairs_hook=list)
    names = [name for name, _ in pairs]
    if names != sorted(set(names)):
        msg = "an entry with facts that are not in order"
        raise ValueError(msg)
    if any(len(value) > _FACT_CHARACTERS for _, value in pairs):
        msg = "an entry with a fact that is not a short text"
        raise ValueError(msg)
