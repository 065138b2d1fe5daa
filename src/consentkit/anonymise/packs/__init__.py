# SPDX-License-Identifier: MIT
"""
The rules of the scrubber, one frozen record each, in packs.

A new rule is one more record. Patterns are bounded and use possessive
repeats where they can, so that none takes long on any line; a test feeds
each its worst.

Where a rule has *words* that begin with a letter, its *quick* begins with
one of them, or with `START` or `AFTER_DIGIT` before it: the gate on `re`
tries it where it finds the word. Its *forms* are patterns of a line's shape,
and begin with plain text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from consentkit.anonymise._rule import PackRule

from . import china, eu, international, secrets, uk, us


__all__ = ["PACKS", "RULES", "Pack"]


@frozen(kw_only=True)
class Pack:
    """
    Rules that belong together.

    Attributes:
        about: What they find, in a few words.

        rules: In this order: where two overlap, the span has the first
            one's type.

        numbers: Types that are known by digits alone, and found in one pass.
    """

    about: str
    rules: tuple[PackRule, ...]
    numbers: frozenset[str] = frozenset()


#: All packs by name, in the order in which their rules count.
PACKS: Final[Mapping[str, Pack]] = MappingProxyType(
    {
        "secrets": Pack(
            about="passwords, keys, tokens, cookies, users in URLs",
            rules=secrets.RULES,
        ),
        "international": Pack(
            about="mail, IP and MAC addresses, home folders, places, "
            "devices, phones, cards",
            rules=international.RULES,
            numbers=frozenset({"BANK_CARD", "DEVICE_ID", "IMEI"}),
        ),
        "china": Pack(
            about="mobile and resident identity numbers, plates",
            rules=china.RULES,
            numbers=frozenset({"MOBILE_CN", "RESIDENT_ID_CN"}),
        ),
        "us": Pack(
            about="phones, social security numbers, driver's licences",
            rules=us.RULES,
        ),
        "uk": Pack(
            about="phones, National Insurance and NHS numbers",
            rules=uk.RULES,
            numbers=frozenset({"PHONE"}),
        ),
        "eu": Pack(
            about="IBAN, national identity numbers",
            rules=eu.RULES,
            numbers=frozenset({"NATIONAL_ID"}),
        ),
    }
)

#: The rules of all packs.
RULES: Final[tuple[PackRule, ...]] = tuple(
    rule for pack in PACKS.values() for rule in pack.rules
)
