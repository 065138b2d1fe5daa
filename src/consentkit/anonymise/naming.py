# SPDX-License-Identifier: MIT
"""
What one value may be called, by its type and by what was done to it.

What it is beside others is another question: see
`consentkit.anonymise.together`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from consentkit.anonymise.classes import PrivacyClass
from consentkit.policy.model import ProtectionName
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["class_of", "is_honest"]

# From the worst to the best that a value may be called.
_ORDER: Final = (
    PrivacyClass.PERSONAL,
    PrivacyClass.PSEUDONYMISED,
    PrivacyClass.LINKABLE,
    PrivacyClass.DE_IDENTIFIED,
    PrivacyClass.ANONYMOUS,
)

_BY_PROTECTION: Final = MappingProxyType(
    {
        ProtectionName.MD5: PrivacyClass.PSEUDONYMISED,
        ProtectionName.KEYED: PrivacyClass.PSEUDONYMISED,
        ProtectionName.GRID: PrivacyClass.DE_IDENTIFIED,
        ProtectionName.BUCKET: PrivacyClass.DE_IDENTIFIED,
        ProtectionName.TRUNCATE: PrivacyClass.DE_IDENTIFIED,
        ProtectionName.GENERALISE: PrivacyClass.DE_IDENTIFIED,
        ProtectionName.SCRUB: PrivacyClass.LINKABLE,
        ProtectionName.TAKE: PrivacyClass.LINKABLE,
        ProtectionName.PRESENT: PrivacyClass.LINKABLE,
        ProtectionName.KRR: PrivacyClass.DE_IDENTIFIED,
    }
)


def class_of(data_type: str, protection: ProtectionName) -> PrivacyClass:
    """
    Name the class of one value by its type and its protection.

    No class is better for the recipient being who it is, and none is
    ``anonymous``: a value belongs to one device.

    Args:
        data_type: Id of the vocabulary; one that is not in it is personal.

        protection: What was done to the value.
    """
    if protection in _BY_PROTECTION:
        return _BY_PROTECTION[protection]
    type_ = load_vocabulary().data_types.get(data_type)
    if type_ is None or type_.identifiability in (
        "direct",
        "device",
        "content",
    ):
        return PrivacyClass.PERSONAL
    return PrivacyClass.PERSONAL if type_.sensitive else PrivacyClass.LINKABLE


def is_honest(
    claimed: PrivacyClass, data_type: str, protection: ProtectionName
) -> bool:
    """
    Tell whether a value may be called *claimed*: its class, or a worse one.

    Args:
        claimed: What it is called.

        data_type: Id of the vocabulary.

        protection: What was done to the value.
    """
    honest = class_of(data_type, protection)
    return _ORDER.index(claimed) <= _ORDER.index(honest)
