# SPDX-License-Identifier: MIT
"""
What both lists say in the same way.
"""

from __future__ import annotations

import re

from collections.abc import Container, Iterable, Iterator
from typing import Final

from attrs import evolve

from consentkit.disclose._page import Fact, Table, Text, cell, text
from consentkit.disclose._words import Words
from consentkit.disclose.lists import (
    ListedPermission,
    SelfCollected,
    ThirdParty,
)
from consentkit.policy.model import Policy


__all__ = [
    "about",
    "link",
    "notes_of",
    "other_language",
    "permission_said",
    "permissions_said",
    "said_by_need",
    "without",
]

_LINK: Final = re.compile(r"https?://[^\s/?#@\\]+\.[^\s@\\]*", re.IGNORECASE)


def link(written: str, words: Words) -> Text:
    """
    Give a link that can be followed; what is none is told as what it is.
    """
    if not written.strip():
        return text(words.not_given)
    if _LINK.fullmatch(written):
        return text(written, href=written)
    return text(words.bracketed(written, words.not_a_link))


def notes_of(party: ThirdParty, words: Words) -> Iterator[str]:
    """
    Say what else there is to know of a third party.
    """
    if party.barred:
        yield f"{words.barred}{words.colon}{party.barred}"
    if party.inside:
        named = words.listed(party.inside)
        yield f"{words.comes_with}{words.colon}{named}"
    elif not party.known:
        yield words.unknown_sdk
    elif party.sdk and not party.starts and not party.barred:
        yield words.not_started
    if party.sdk and party.known and not party.operator_is_legal_entity:
        yield words.no_legal_entity


def permissions_said(
    permissions: Iterable[ListedPermission], words: Words
) -> Iterator[str]:
    """
    Name permissions, each with where and whether it is needed.
    """
    for one in permissions:
        yield words.bracketed(
            words.of("permissions", one.permission),
            words.where(one.platforms) if one.platforms else "",
            words.needs[one.requirement],
        )


def said_by_need(
    types: Iterable[SelfCollected], words: Words
) -> Iterator[tuple[str, str]]:
    """
    Put data types in rows by platform and by whether they are needed.

    Returns:
        Pairs of the platforms with that, and the names.
    """
    rows: dict[str, list[str]] = {}
    for one in types:
        head = words.bracketed(
            words.where(one.platforms), words.needs[one.requirement]
        )
        name = words.bracketed(
            words.of("data_types", one.type),
            words.local_only if one.local_only else "",
            words.loose if one.ambiguous else "",
        )
        rows.setdefault(head, []).append(name)
    for head, names in rows.items():
        yield head, words.listed(names)


def about(policy: Policy, platform: str, words: Words) -> Iterator[Fact]:
    """
    Say which document a list is made of.
    """
    lang = other_language(policy, words)
    owner = policy.controller
    yield Fact(label=words.app, value=cell(policy.title, lang=lang))
    yield Fact(label=words.version, value=cell(policy.version))
    yield Fact(label=words.in_force, value=cell(str(policy.effective)))
    yield Fact(label=words.controller, value=cell(owner.name, lang=lang))
    for label, said in (
        (words.contact, owner.contact),
        (words.address, owner.address),
    ):
        if said:
            yield Fact(label=label, value=cell(said, lang=lang))
    if policy.url:
        yield Fact(label=words.in_full, value=(link(policy.url, words),))
    if platform:
        said = words.platforms[platform]
        yield Fact(label=words.only_platform, value=cell(said))
    yield Fact(label=words.digest, value=cell(policy.digest))


def other_language(policy: Policy, words: Words) -> str:
    """
    Give the language of a policy where it is not the page's.
    """
    same = policy.language.partition("-")[0] == words.language[:2]
    return "" if same else policy.language


def permission_said(permission: str, words: Words) -> str:
    """
    Name a permission, or say that there is none.
    """
    return words.of("permissions", permission) if permission else words.none


def without(labels: Container[str], table: Table) -> Table:
    """
    Leave the columns with *labels* out of a table.
    """
    kept = [i for i, label in enumerate(table.head) if label not in labels]
    return evolve(
        table,
        head=tuple(table.head[i] for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for row in table.rows),
    )
