# SPDX-License-Identifier: MIT
"""
What one value may be called, by its type and by what was done to it.

What it is beside others is another question: see
`consentkit.anonymise.together`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from consentkit.anonymise.classes import PrivacyClass
from consentkit.policy.model import ProtectionName
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["class_of", "is_honest"]

# Whom a value of these points to, as it stands: a person or a device, or
# whomever a text is about.
_TELLING: Final = frozenset({"direct", "device", "content"})

# A value of these may name nobody, and may name somebody: who wrote it put
# in a name, as in "Ann Smith's laptop", or it is a face, a place (so is the
# address of an access point), or a list that tells of its holder.
_MAY_NAME: Final = frozenset(
    {
        "avatar",
        "bssid",
        "common_app_info",
        "device_name",
        "education_info",
        "follow_record",
        "industry_info",
        "installed_apps",
        "nickname",
        "place_of_origin",
        "running_processes",
        "search_history",
        "share_record",
        "smart_device_name",
        "ssid",
        "work_info",
    }
)

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
    ``anonymous``: a value belongs to one device. A protection that the
    vocabulary does not allow for the type counts for nothing: a range of
    IMEIs is no range, and the value is what it is as it stands.

    Args:
        data_type: Id of the vocabulary; one that is not in it is personal.

        protection: What was done to the value.
    """
    if protection not in _allowed().get(data_type, ()):
        protection = ProtectionName.NONE
    if protection in _BY_PROTECTION:
        return _BY_PROTECTION[protection]
    type_ = load_vocabulary().data_types.get(data_type)
    # Of a log, which the app wrote about itself, scrubbing leaves events; of
    # a name or a letter it leaves the name and the letter.
    events = protection is ProtectionName.SCRUB and (
        type_ is not None and type_.category == "log"
    )
    if type_ is None or type_.sensitive or data_type in _MAY_NAME:
        return PrivacyClass.PERSONAL
    if type_.identifiability in _TELLING and not events:
        return PrivacyClass.PERSONAL
    return PrivacyClass.LINKABLE


@cache
def _allowed() -> Mapping[str, frozenset[ProtectionName]]:
    """
    Give the protections that the vocabulary allows, by data type.
    """
    types = load_vocabulary().data_types.values()
    return {type_.id: type_.protections for type_ in types}


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
