# SPDX-License-Identifier: MIT
"""
What is known of a third-party SDK, as a value.

Nothing here reads a file; `consentkit.registry.load` does. An entry repeats
what is published about an SDK. That it is declared does not make it true:
code of another party in the app can read the device by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from attrs import frozen


__all__ = [
    "SDKEntry",
    "SDKField",
    "SDKHost",
    "SDKMobile",
    "SDKPackage",
    "SDKPermission",
    "SDKSwitch",
    "SDKUnknown",
]

# Members of the European Union. (Source: its list of member states, as of
# 2020-02-01; ISO 3166-1.)
_EU: Final = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES"),
        *("FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU"),
        *("LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)

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

        note: When it is collected, and what is left open.

        source: The file of the package that shows it, or empty;
            ``distribution:file`` where it is not of the first one.
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

        platform: Where it uses it.

        requirement: ``listed`` without a choice, ``optional`` (it works
            without), or ``user_authorised``.
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

        source: The file of the package that names it, or a link to where
            its operator does, or empty; as in `SDKField`.
    """

    name: str
    region: str = ""
    default: bool = True
    note: str = ""
    source: str = ""

    def may_stand_in(self, countries: Collection[str]) -> bool:
        """
        Tell whether its *region* is, or may be, one of *countries*.

        Args:
            countries: Codes of ISO 3166-1.

        Returns:
            Whether it is; true where the region is not known, and for ``EU``
            if one of *countries* is a member.
        """
        if self.region == "EU":
            return not _EU.isdisjoint(countries)
        return self.region in {"", *countries}


@frozen(kw_only=True)
class SDKSwitch:
    """
    A way to keep an SDK from sending, that the SDK has itself.

    Attributes:
        kind: What is set: a variable of the ``environment``, an ``option``
            of the call that starts the SDK, a ``call``, a ``file``, or a
            ``callback``: a function of the app that sees what is to be sent
            and may drop it.

        name: The variable, the option, the function, the file, or the option
            or call that takes the callback.

        value: What it is set to, as text; of a call its arguments, empty for
            none; of a callback an example that drops everything.

        note: What it does, and what goes on all the same.

        source: The file of the package that reads it, or empty; as in
            `SDKField`.
    """

    kind: Literal["environment", "option", "call", "file", "callback"]
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

        version: The version that was read, of the first distribution.

        native: Whether it sends from native code, or from a program of its
            own, which nothing in Python can see or stop.

        gated: Whether its modules are kept from loading before its permit.
            Not so of a library that is of use without what it sends: it
            loads, with its own off switches set.

        neutral: Modules that only wrap the code of others, such as
            ``sentry_sdk.integrations``: what passes through them is sent by
            whom they wrap. They need not be below *imports*.

        setup: Calls and classes that set it up, such as ``sentry_sdk.init``,
            with the modules where the app finds them. All are below
            *imports*.

        handles: Calls that give something to use later and send nothing, such
            as ``ldclient.get``, with as much in front as they need to be
            told from others. They are made with the permit.

        defaults: Calls that are given what they are to answer if nothing is
            known, with their arguments up to that one, such as
            ``variation(key, context, default)``, and as *handles* otherwise;
            ``async`` in front where the answer is awaited.

        ends: Methods of what *setup* gives that end it with its threads,
            such as ``shutdown``. They are called after a withdrawal, when
            nothing can be sent; with the next permit it is made anew.

        queues: Attributes of its classes that hold what waits to be sent,
            such as ``posthog.client.Client.queue``.

        also_read: Further *distributions* that hold sources, each as it was
            read: ``acme-core==1.2``. A source in one of them says so:
            ``acme-core:acme_core/send.py``.
    """

    distributions: tuple[str, ...]
    imports: tuple[str, ...]
    version: str
    native: bool = False
    gated: bool = True
    neutral: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    also_read: tuple[str, ...] = ()


@frozen(kw_only=True)
class SDKMobile:
    """
    What an SDK is called in builds for phones.

    Attributes:
        gradle: Artefacts for Android: a group, or a group and a name with a
            colon, such as ``com.acme:ads``.

        pods: Names in CocoaPods, without their subspecs.

        swift: Repositories on GitHub of Swift packages, such as
            ``acme/acme-ios``.

        classes: Beginnings of the full names of its classes on Android,
            each with a dot at its end, such as ``com.acme.ads.``

        sources: Links to where that is said.
    """

    gradle: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    swift: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@frozen(kw_only=True)
class SDKUnknown:
    """
    Something that was looked for, and is not known.

    Attributes:
        key: The key of the entry that is empty for that: ``privacy_policy``,
            ``hosts`` or ``switches``.

        reason: Where it was looked for, and what was found instead.
    """

    key: Literal["privacy_policy", "hosts", "switches"]
    reason: str


@frozen(kw_only=True)
class SDKEntry:
    """
    One third-party SDK; the keys of its data file are these attributes.

    Attributes:
        id: Stable name in ``snake_case``, and the stem of its file.

        name: What it is called.

        operator: Who runs it, as its description says.

        operator_is_legal_entity: Whether that is the full name of a company
            or institution, not only a brand.

        category: One of the vocabulary's partner categories.

        purposes: Ids of the vocabulary.

        method: How the app works with it.

        transmits: Whether it sends personal data away.

        local_only: Whether all of it is promised to work on the device.

        platforms: Where it runs; ``any`` is wherever Python does.

        platforms_stated: Whether its description names the platforms;
            otherwise they are taken from the kind of SDK.

        parent: The SDK that it comes inside of, or empty.

        host: The SDK that it is embedded in, or empty.

        replaces: Whether the app's own entry stands in for a shipped one of
            the same id; without it such an id is a fault.

        start_condition: When it may start beside its consent, or empty.

        privacy_policy, official_site: Links, or empty. They are not fetched.

        claims: What is promised for it.

        anomalies: Gaps and contradictions of its description.

        unknown: What was looked for, and is not known.

        fields: What it collects.

        permissions: What it uses of the operating system's.

        package: What it is in Python, or ``None``.

        mobile: What it is called in builds for phones, or ``None``.

        hosts: Whom it sends to, as far as its code or description names
            them.

        own_host: Whether the app, not the SDK, names the host that it sends
            to, as for a server of one's own; *hosts* may be empty then.

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
    replaces: bool = False
    start_condition: str = ""
    privacy_policy: str = ""
    official_site: str = ""
    claims: tuple[str, ...] = ()
    anomalies: tuple[str, ...] = ()
    unknown: tuple[SDKUnknown, ...] = ()
    fields: tuple[SDKField, ...] = ()
    permissions: tuple[SDKPermission, ...] = ()
    package: SDKPackage | None = None
    mobile: SDKMobile | None = None
    hosts: tuple[SDKHost, ...] = ()
    own_host: bool = False
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
