# SPDX-License-Identifier: MIT
"""
The two lists that an app publishes: what goes to third parties, and what is
collected.

They are made of the document that the gate uses, and of its answers: a data
type is listed where the gate lets it pass once everything is granted, and
nowhere else. What an SDK says of itself stands apart, because its code can
read a device without asking anybody.

Source: PIPL Articles 17, 23 and 30; MIIT notice Xinguanhan (2021) 292, the
two lists of personal information; GB/T 35273-2020, 9.7.
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen

from consentkit.anonymise.classes import PrivacyClass
from consentkit.disclose._allowed import STAYS
from consentkit.policy.model import (
    Function,
    Policy,
    Protection,
    ProtectionName,
)
from consentkit.policy.period import Period


__all__ = [
    "SENSITIVE_PERMISSIONS",
    "CollectedType",
    "CollectionList",
    "ListedPermission",
    "Requirement",
    "Scene",
    "SelfCollected",
    "SharedType",
    "SharingList",
    "ThirdParty",
]

#: Whether something is needed.
Requirement = Literal["required", "optional", "user_authorised"]

#: Permissions that the operating system asks the person for.
#:
#: Source: Android, ``Manifest.permission``, protection level "dangerous";
#: Apple, App Tracking Transparency.
SENSITIVE_PERMISSIONS: Final = frozenset(
    {
        "app_tracking",
        "camera",
        "location",
        "location_coarse",
        "location_fine",
        "microphone",
        "notification",
        "phone",
        "phone_state",
        "storage",
        "storage_read",
        "storage_write",
    }
)


@frozen(kw_only=True)
class SharedType:
    """
    A data type that the app gives to a third party.

    Attributes:
        type: Id of the vocabulary.

        function: Id of the function in which it is given.

        purposes: Why; ids of the vocabulary, never empty.

        platforms: Where; everywhere if empty.

        requirement: ``required``; ``optional``, where the function or the
            SDK does without; or ``user_authorised``.

        sensitive: Whether it is sensitive personal information.

        separate: Whether the person decides on it by itself.

        permission: Permission of the operating system that it takes, or
            empty.

        protection: What is done to it before it is given.

        privacy_class: What it may be called then; never ``anonymous``.

        handed: Whether `consentkit.registry.Registry.share` hands it to the
            SDK itself, on one of the platforms: its entry lists it there
            for more than local use, and what it comes inside of is allowed
            too. Otherwise it only reaches the recipient by a way of the
            app's own.
    """

    type: str
    function: str
    purposes: tuple[str, ...]
    platforms: tuple[str, ...]
    requirement: Requirement
    sensitive: bool
    separate: bool
    permission: str
    protection: Protection
    privacy_class: PrivacyClass
    handed: bool


@frozen(kw_only=True)
class SelfCollected:
    """
    A data type that an SDK says it collects, and that the app's policy does
    not let it be given.

    Attributes:
        platforms: Where the SDK says so; everywhere if empty.

        local_only: Whether it is said to stay on the device.

        ambiguous: Whether the SDK's words are loose, and this is their
            widest reading.

        terms: The SDK's words.
    """

    type: str
    platforms: tuple[str, ...]
    requirement: Requirement
    local_only: bool
    ambiguous: bool
    terms: tuple[str, ...]


@frozen(kw_only=True)
class ListedPermission:
    """
    A permission of the operating system that goes with a third party.

    Attributes:
        permission: Id of the vocabulary.

        platforms: Where the SDK uses it; empty where the app itself does.

        sensitive: Whether it is one of `SENSITIVE_PERMISSIONS`.
    """

    permission: str
    platforms: tuple[str, ...]
    requirement: Requirement
    sensitive: bool


@frozen(kw_only=True)
class ThirdParty:
    """
    One row of the sharing list: somebody who gets data, or an SDK.

    Attributes:
        id: Of the SDK, or else of the recipient.

        sdk: Id of the SDK, or empty.

        recipient: Id of the recipient in the policy, or empty.

        operator: Who runs it: the full name that the SDK's entry gives, or
            else the policy's name of the recipient.

        operator_is_legal_entity: Whether that is known to be the full name
            of a company or institution.

        mode: How it comes to the data: a mode of the vocabulary.

        category: Kind of the SDK, or empty.

        contact: How people reach it, or empty.

        country: Where the data goes, ISO 3166-1 alpha-2, or empty.

        abroad: Whether that is outside the policy's regions of storage.

        barred: Why nothing may be given to it, or empty.

        functions: In which functions it gets data or is started; the first
            is the one that starts it.

        purposes: Why, over all of them.

        start_condition: When the SDK may start beside its consent, as its
            description says, or empty.

        starts: Whether the app can start the SDK at all; what only comes
            along inside another one is not started by the app, and what
            brings something along that no function names does not start.

        known: Whether the catalogue describes the SDK.

        inside: Ids of the SDKs of the policy that it comes with, where no
            function names it.

        given: What the app gives it: for all of them, and for nothing else,
            the gate gives a permit once everything is granted.

        not_allowed: What the SDK says that it collects beside that.

        permissions: What it uses of the operating system.

        site, privacy_policy: Links as they were written, maybe no links at
            all, or empty.

        claims: What is promised for it; nobody has checked that.
    """

    id: str
    sdk: str
    recipient: str
    name: str
    operator: str
    operator_is_legal_entity: bool
    mode: str
    category: str
    contact: str
    country: str
    abroad: bool
    barred: str
    functions: tuple[str, ...]
    purposes: tuple[str, ...]
    start_condition: str
    starts: bool
    known: bool
    inside: tuple[str, ...]
    given: tuple[SharedType, ...]
    not_allowed: tuple[SelfCollected, ...]
    permissions: tuple[ListedPermission, ...]
    site: str
    privacy_policy: str
    claims: tuple[str, ...]


@frozen(kw_only=True)
class SharingList:
    """
    The list of what goes to third parties.

    Attributes:
        policy: The document that it was made of.

        platform: The platform that it is for, or empty for all.

        rows: The SDKs in the order of the policy's functions, each followed
            by those that come with it; then the other recipients.

    .. versionadded:: 26.1.0
    """

    policy: Policy
    platform: str
    rows: tuple[ThirdParty, ...]


@frozen(kw_only=True)
class CollectedType:
    """
    A data type that the app collects in one scene.

    Attributes:
        purposes: Why; ids of the vocabulary, never empty.

        recipients: Who gets it, by id; nobody gets what stays on the device.

        platforms: Where; everywhere if empty.

        required: Whether the function cannot work without it.

        privacy_class: What it may be called once it is protected; ``None``
            of what is declared and never read.

        retention: How long it is kept.

        frequency: Shortest time between two reads, or ``None``.

        situations: Situations in which it may be read, for the clipboard.
    """

    type: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    platforms: tuple[str, ...]
    required: bool
    sensitive: bool
    separate: bool
    permission: str
    protection: Protection
    privacy_class: PrivacyClass | None
    retention: Period
    frequency: Period | None
    situations: tuple[str, ...]

    @property
    def is_read(self) -> bool:
        """
        Tell whether it is read at all.
        """
        return self.protection.name is not ProtectionName.DROP

    @property
    def leaves(self) -> bool:
        """
        Tell whether it leaves the device.
        """
        return self.protection.name not in STAYS


@frozen(kw_only=True)
class Scene:
    """
    One scene of the collection list: a function of the policy.

    Attributes:
        function: The function, with its name and its text.

        sdk: Id of the SDK that it starts, which collects by itself; see the
            sharing list. Empty where the app collects.

        sdk_name: What people call that SDK.

        types: What the app collects in it: for all of them, and for nothing
            else, the gate gives a permit once everything is granted. What
            is declared and never read is among them.
    """

    function: Function
    sdk: str
    sdk_name: str
    types: tuple[CollectedType, ...]


@frozen(kw_only=True)
class CollectionList:
    """
    The list of what is collected.

    Attributes:
        policy: The document that it was made of.

        platform: The platform that it is for, or empty for all.

        scenes: One for each function, in the order of the policy.

    .. versionadded:: 26.1.0
    """

    policy: Policy
    platform: str
    scenes: tuple[Scene, ...]
