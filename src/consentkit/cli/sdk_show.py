# SPDX-License-Identifier: MIT
"""
``consentkit sdk show``: all that is known of one SDK.
"""

from __future__ import annotations

import argparse

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import attrs

from consentkit.cli._common import Style, add_json, near, print_json, wrapped
from consentkit.cli._sdks import add_entries, entries_of


if TYPE_CHECKING:
    from consentkit.registry.model import (
        SDKEntry,
        SDKField,
        SDKHost,
        SDKMobile,
        SDKPackage,
        SDKSwitch,
    )


__all__ = ["add"]

_METHODS: Final = {
    "embedded_sdk": "runs inside the app",
    "sdk_collection": "collects by itself",
    "sdk_local_collection": "collects by itself, on the device",
}
_REQUIREMENTS: Final = {
    "listed": "always",
    "optional": "optional",
    "user_authorised": "if the person authorises it",
}


def add(actions: Any) -> None:
    """
    Add the action to those of ``consentkit sdk``.
    """
    show = actions.add_parser(
        "show",
        help="print all that is known of one SDK",
        description="Print all that is known of one SDK: who runs it, what "
        "it collects on which platform and whether that is optional, whom it "
        "sends to, its own switches, and what is odd about its description.",
    )
    show.add_argument("sdk", metavar="ID", help="id of the SDK")
    add_entries(show)
    add_json(show)
    show.set_defaults(run=_show)


def _show(arguments: argparse.Namespace) -> int:
    own, entries = entries_of(arguments.sdks)
    entry = entries.get(arguments.sdk)
    if entry is None:
        cure = near(arguments.sdk, entries, where="'consentkit sdk list'")
        msg = f"there is no SDK {arguments.sdk!r}; {cure}"
        raise ValueError(msg)
    if arguments.json:
        print_json(
            {
                **attrs.asdict(entry),
                "types": entry.types,
                "gaps": entry.gaps,
                "own": entry.id in own,
            }
        )
        return 0
    print("\n".join(_lines(entry, Style())))
    return 0


def _lines(entry: SDKEntry, style: Style) -> Iterator[str]:
    yield f"{style.bold(entry.name)} ({entry.id})"
    for name, value in _facts(entry):
        yield from wrapped(f"{name:<12}{value}", 2, 14)
    for title, lines in (
        ("Python package", _package_lines(entry.package)),
        ("on phones", _mobile_lines(entry.mobile)),
        ("collects", _field_lines(entry.fields)),
        ("uses permissions", _permission_lines(entry)),
        ("sends to", _host_lines(entry)),
        ("its own switches", _switch_lines(entry.switches)),
        ("claims", _listed(entry.claims)),
        ("odd", _listed(entry.anomalies)),
        ("missing", _listed(entry.gaps)),
        ("not known", _unknown_lines(entry)),
    ):
        found = [*lines]
        if found:
            yield ""
            yield style.bold(title)
            yield from found


def _facts(entry: SDKEntry) -> Iterator[tuple[str, str]]:
    entity = "" if entry.operator_is_legal_entity else " (not a full name)"
    sends = "yes" if entry.transmits else "no"
    if entry.local_only:
        sends = "no, all of it is said to stay on the device"
    stated = "" if entry.platforms_stated else " (not stated)"
    for name, value in (
        ("operator", f"{entry.operator}{entity}"),
        ("category", entry.category),
        ("purposes", ", ".join(entry.purposes)),
        ("method", _METHODS[entry.method]),
        ("sends", sends),
        ("platforms", f"{', '.join(entry.platforms)}{stated}"),
        ("inside of", entry.parent),
        ("part of", entry.host),
        ("starts if", entry.start_condition),
        ("policy", entry.privacy_policy),
        ("site", entry.official_site),
        ("ended by", entry.shutdown),
        ("erasure", entry.erasure),
    ):
        if value:
            yield name, value


def _package_lines(package: SDKPackage | None) -> Iterator[str]:
    if package is None:
        return
    first, *others = package.distributions
    read = [f"{first} {package.version}", *package.also_read]
    rows = (
        ("installed", ", ".join((first, *others))),
        ("read", ", ".join(name.replace("==", " ") for name in read)),
        ("imported", ", ".join(package.imports)),
        ("set up by", ", ".join(package.setup)),
        ("made later", ", ".join(package.handles)),
        ("default in", "; ".join(package.defaults)),
        ("closed by", ", ".join(package.ends)),
        ("waits in", ", ".join(package.queues)),
        ("only wraps", ", ".join(package.neutral)),
    )
    for name, value in rows:
        if value:
            yield from wrapped(f"{name:<12}{value}", 2, 14)
    yield (
        "  kept from loading before its permit"
        if package.gated
        else "  loads without a permit, with its own switches set"
    )
    if package.native:
        yield "  sends from outside of Python, which nothing here can stop"


def _mobile_lines(mobile: SDKMobile | None) -> Iterator[str]:
    if mobile is None:
        return
    for name, values in (
        ("Gradle", mobile.gradle),
        ("CocoaPods", mobile.pods),
        ("Swift", mobile.swift),
        ("classes", mobile.classes),
        ("said at", mobile.sources),
    ):
        if values:
            yield from wrapped(f"{name:<12}{', '.join(values)}", 2, 14)


def _field_lines(fields: tuple[SDKField, ...]) -> Iterator[str]:
    """
    Give the fields of each set of platforms, what has no choice first.
    """

    def order(field: SDKField) -> tuple[tuple[str, ...], int]:
        return field.platforms, [*_REQUIREMENTS].index(field.requirement)

    for platforms, of_them in groupby(
        sorted(fields, key=order), key=lambda field: field.platforms
    ):
        yield f"  on {', '.join(platforms)}"
        for requirement, group in groupby(
            of_them, key=lambda field: field.requirement
        ):
            yield f"    {_REQUIREMENTS[requirement]}"
            for field in group:
                types = ", ".join(field.types) or "no type of the vocabulary"
                yield from wrapped(f"{field.term}: {types}", 6, 8)
                for line in filter(None, (_remarks(field), field.source)):
                    yield from wrapped(line, 8)


def _remarks(field: SDKField) -> str:
    said = [field.note.rstrip(".")] if field.note else []
    said += ["the words are loose"] * field.ambiguous
    said += ["said to stay on the device"] * field.local_only
    return "; ".join(said)


def _permission_lines(entry: SDKEntry) -> Iterator[str]:
    for used in entry.permissions:
        told = _REQUIREMENTS[used.requirement]
        yield f"  {used.permission} on {used.platform}: {told}"


def _host_lines(entry: SDKEntry) -> Iterator[str]:
    for host in entry.hosts:
        yield f"  {host.name}{_where(host)}"
        for line in filter(None, (host.note, host.source)):
            yield from wrapped(line, 6)
    if entry.own_host:
        yield "  a host that the app names"


def _where(host: SDKHost) -> str:
    region = f" in {host.region}" if host.region else ""
    return f"{region}{'' if host.default else ', if it is told to'}"


def _switch_lines(switches: tuple[SDKSwitch, ...]) -> Iterator[str]:
    for switch in switches:
        value = f" = {switch.value}" if switch.value else ""
        yield from wrapped(f"{switch.kind}: {switch.name}{value}", 2, 6)
        for line in filter(None, (switch.note, switch.source)):
            yield from wrapped(line, 6)


def _unknown_lines(entry: SDKEntry) -> Iterator[str]:
    for unknown in entry.unknown:
        yield from wrapped(f"- {unknown.key}: {unknown.reason}", 2, 4)


def _listed(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        yield from wrapped(f"- {text}", 2, 4)
