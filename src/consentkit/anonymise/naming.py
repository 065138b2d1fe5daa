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

# Whom a value of these points to, as it stands: a person or a device, or
# whomever a text is about.
_TELLING: Final = frozenset({"direct", "device", "content"})

# From the worst to the best that a value may be called.
_ORDER: Final = (
    PrivacyClass.PERSONAL,
    PrivacyClass.PSEUDONYMISED,
    PrivacyClass.LINKABLE,
    PrivacyClass.DE_IDENTIFIED,
    PrivacyClass.ANONYMOUS,
)

# What is left is of the one class, whatever the value was. The others, such
# as ``scrub`` and ``take``, leave what they do not find, or what they do.
_BY_PROTECTION: Final = MappingProxyType(
    {
        ProtectionName.MD5: PrivacyClass.PSEUDONYMISED,
        ProtectionName.KEYED: PrivacyClass.PSEUDONYMISED,
        ProtectionName.GRID: PrivacyClass.DE_IDENTIFIED,
        ProtectionName.BUCKET: PrivacyClass.DE_IDENTIFIED,
        ProtectionName.TRUNCATE: PrivacyClass.DE_IDENTIFIED,
        ProtectionName.GENERALISE: PrivacyClass.DE_IDENTIFIED,
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
    # Of a log, which the app wrote about itself, scrubbing leaves events; of
    # a name or a letter it leaves the name and the letter.
    events = protection is ProtectionName.SCRUB and (
        type_ is not None and type_.category == "log"
    )
    if type_ is None or type_.sensitive:
        return PrivacyClass.PERSONAL
    if type_.identifiability in _TELLING and not events:
        return PrivacyClass.PERSONAL
    return PrivacyClass.LINKABLE


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
    # What is of another type may be equal to whatever it likes.
    if type(claimed) is not PrivacyClass:
        return False
    honest = class_of(data_type, protection)
    return _ORDER.index(claimed) <= _ORDER.index(honest)
