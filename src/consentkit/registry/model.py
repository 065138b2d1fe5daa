# SPDX-License-Identifier: MIT
"""
What is known of a third-party SDK, as a value.

Nothing here reads a file; `consentkit.registry.load` does. An entry repeats
what is published about an SDK. That it is declared does not make it true:
code of another party in the app can read the device by itself.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen


__all__ = [
    "SDKEntry",
    "SDKField",
    "SDKHost",
    "SDKPackage",
    "SDKPermission",
    "SDKSwitch",
]

Requirement = Literal["listed", "optional", "user_authorised"]
Platform = Literal["android", "ios", "web", "iot", "any"]


@frozen(kw_only=True)
class SDKField:
    """
    Something that an SDK is said to collect.

    Attributes:
        term: The words of its description.

        types: The data types that they stand for.

        platforms: Where it collects them.

        requirement: ``listed`` without a choice, ``optional`` (can be
            switched off), or ``user_authorised``.

        local_only: Whether it is promised to stay on the device.

        ambiguous: Whether the words are loose, so that *types* is their
            widest reading.

        source: The file of the package that shows it, or empty.
    """

    term: str
    types: tuple[str, ...]
    platforms: tuple[Platform, ...]
    requirement: Requirement
    local_only: bool = False
    ambiguous: bool = False
    note: str = ""
    source: str = ""


@frozen(kw_only=True)
class SDKPermission:
    """
    A permission of the operating system that an SDK uses.

    Attributes:
        permission: Id of the vocabulary.
    """

    permission: str
    platform: Platform
    requirement: Requirement


@frozen(kw_only=True)
class SDKHost:
    """
    A host that an SDK sends to.

    Attributes:
        name: Its name, or ``*.`` and the end of the names.

        region: Where it stands: a country of ISO 3166-1, ``EU``, or empty.

        default: Whether the SDK goes there without being told to.

        note: What it is for.

        source: The file of the package that names it, or empty.
    """

    name: str
    region: str = ""
    default: bool = True
    note: str = ""
    source: str = ""


@frozen(kw_only=True)
class SDKSwitch:
    """
    A way to keep an SDK from sending, that the SDK has itself.

    Attributes:
        kind: What is set: a variable of the ``environment``, an ``option``
            of the call that starts the SDK, a ``call``, or a ``file``.

        name: The variable, the option, the function or the file.

        value: What it is set to, as text; empty for a call.

        note: What it does, and what goes on all the same.

        source: The file of the package that reads it, or empty.
    """

    kind: Literal["environment", "option", "call", "file"]
    name: str
    value: str = ""
    note: str = ""
    source: str = ""


@frozen(kw_only=True)
class SDKPackage:
    """
    What an SDK is in Python, as one version of it was read.

    Attributes:
        distributions: Names to install it by, in their normal form; the
            first one holds the files that are named as sources.

        imports: Modules that it brings, such as ``google.cloud.storage``.

        version: The version that was read.

        native: Whether it sends from native code, or from a program of its
            own, which nothing in Python can see or stop.
    """

    distributions: tuple[str, ...]
    imports: tuple[str, ...]
    version: str
    native: bool = False


@frozen(kw_only=True)
class SDKEntry:
    """
    One third-party SDK; the keys of its data file are these attributes.

    Attributes:
        id: Stable name in ``snake_case``, and the stem of its file.

        operator: Who runs it, as its description says.

        operator_is_legal_entity: Whether that is the full name of a company
            or institution, not only a brand.

        category: One of the vocabulary's partner categories.

        purposes: Ids of the vocabulary.

        method: How the app works with it.

        transmits: Whether it sends personal data away.

        local_only: Whether all of it is promised to work on the device.

        platforms_stated: Whether its description names the platforms;
            otherwise they are taken from the kind of SDK.

        parent: The SDK that it comes inside of, or empty.

        host: The SDK that it is embedded in, or empty.

        start_condition: When it may start beside its consent, or empty.

        privacy_policy, official_site: Links, or empty. They are not fetched.

        claims: What is promised for it.

        anomalies: Gaps and contradictions of its description.

        package: What it is in Python, or ``None``.

        hosts: Whom it sends to, as far as its code or description names
            them.

        switches: Its own ways to keep it from sending.

        shutdown: The call that ends it, or empty.

        erasure: How its operator is asked to erase a person's data, or
            empty.
    """

    id: str
    name: str
    operator: str
    category: str
    purposes: tuple[str, ...]
    method: Literal["embedded_sdk", "sdk_collection", "sdk_local_collection"]
    transmits: bool
    platforms: tuple[Platform, ...]
    operator_is_legal_entity: bool = False
    platforms_stated: bool = False
    local_only: bool = False
    parent: str = ""
    host: str = ""
    start_condition: str = ""
    privacy_policy: str = ""
    official_site: str = ""
    claims: tuple[str, ...] = ()
    anomalies: tuple[str, ...] = ()
    fields: tuple[SDKField, ...] = ()
    permissions: tuple[SDKPermission, ...] = ()
    package: SDKPackage | None = None
    hosts: tuple[SDKHost, ...] = ()
    switches: tuple[SDKSwitch, ...] = ()
    shutdown: str = ""
    erasure: str = ""

    @property
    def types(self) -> tuple[str, ...]:
        """
        Every data type of its fields, once each, in their order.
        """
        return tuple(
            dict.fromkeys(type_ for f in self.fields for type_ in f.types)
        )

    @property
    def gaps(self) -> tuple[str, ...]:
        """
        What a person would have to be told before choosing, and is missing.
        """
        missing = []
        if not self.privacy_policy:
            missing.append("no link to its privacy policy")
        elif not self.privacy_policy.startswith("https://"):
            missing.append("the link to its privacy policy is not https")
        if self.transmits and not self.fields:
            missing.append("transmits, and lists no fields")
        return tuple(missing)
