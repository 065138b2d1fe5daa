# SPDX-License-Identifier: MIT
"""
A published list as a table for spreadsheets: one line for each data type.

Source: RFC 4180; OWASP, CSV Injection.
"""

from __future__ import annotations

import csv
import io

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from consentkit.consent._layout import plain
from consentkit.disclose._parts import notes_of, permissions_said, said_by_need
from consentkit.disclose._words import Words
from consentkit.disclose.lists import (
    CollectionList,
    SharedType,
    SharingList,
    ThirdParty,
)


__all__ = ["collection_csv", "sharing_csv"]

# A cell that begins so is a formula to some programs; the wide ones are, with
# the settings of East Asia.
_FORMULA: Final = tuple("=+-@＝＋－＠")

# Without it Excel takes UTF-8 for the code page of the machine.
_MARK: Final = "\ufeff"


def sharing_csv(made: SharingList, words: Words) -> str:
    """
    Write the list of what goes to third parties.

    A third party that is given nothing has one line, without a data type.
    """
    head = (
        words.number,
        words.name,
        words.operator,
        words.mode,
        words.country,
        words.scene,
        words.purpose,
        words.data_type,
        words.platform,
        words.need,
        words.de_identified,
        words.permissions,
        words.site,
        words.privacy_policy,
        words.said,
        words.notes,
    )
    return _written(head, _sharing_rows(made, words))


def collection_csv(made: CollectionList, words: Words) -> str:
    """
    Write the list of what is collected.
    """
    head = (
        words.scene,
        words.data_type,
        words.platform,
        words.need,
        words.purpose,
        words.recipient,
        words.de_identified,
        words.permission,
        words.retention,
        words.basis,
        words.notes,
    )
    return _written(head, _collection_rows(made, words))


def _sharing_rows(made: SharingList, words: Words) -> Iterator[list[str]]:
    functions = made.policy.functions
    for number, row in enumerate(made.rows, 1):
        before = [
            str(number),
            row.name,
            row.operator,
            words.of("modes", row.mode),
            words.country_of(row.country, abroad=row.abroad),
        ]
        after = [
            words.listed(
                permissions_said(
                    (p for p in row.permissions if p.sensitive), words
                )
            ),
            row.site,
            row.privacy_policy,
            words.clause.join(
                f"{head}{words.colon}{names}"
                for head, names in said_by_need(row.not_allowed, words)
            ),
            words.clause.join(notes_of(row, words)),
        ]
        for one in row.given:
            yield [
                *before,
                functions[one.function].name,
                *_given(one, words, is_of_sdk=bool(row.sdk)),
                *after,
            ]
        if not row.given:
            yield [*before, *_nothing(row, made, words), *after]


def _given(one: SharedType, words: Words, *, is_of_sdk: bool) -> list[str]:
    return [
        words.listed(words.of("purposes", p) for p in one.purposes),
        words.bracketed(
            words.of("data_types", one.type),
            words.sensitive if one.sensitive else "",
            words.not_handed if is_of_sdk and not one.handed else "",
        ),
        words.where(one.platforms),
        words.bracketed(
            words.needs[one.requirement],
            words.separate if one.separate else "",
        ),
        words.form(one.protection, one.privacy_class),
    ]


def _nothing(row: ThirdParty, made: SharingList, words: Words) -> list[str]:
    functions = made.policy.functions
    return [
        words.listed(functions[f].name for f in row.functions),
        words.listed(words.of("purposes", p) for p in row.purposes),
        words.none,
        "",
        "",
        "",
    ]


def _collection_rows(
    made: CollectionList, words: Words
) -> Iterator[list[str]]:
    names = {r.id: r.name for r in made.policy.recipients.values()}
    for scene in made.scenes:
        function = scene.function
        bases = words.listed(words.of("bases", b) for b in function.basis)
        for one in scene.types:
            need = words.needs["required" if one.required else "optional"]
            yield [
                function.name,
                words.bracketed(
                    words.of("data_types", one.type),
                    words.sensitive if one.sensitive else "",
                ),
                words.where(one.platforms),
                words.bracketed(need, words.separate if one.separate else ""),
                words.listed(words.of("purposes", p) for p in one.purposes),
                words.listed(names[r] for r in one.recipients)
                or words.to_nobody,
                words.form(
                    one.protection, one.privacy_class if one.leaves else None
                ),
                words.of("permissions", one.permission)
                if one.permission
                else words.none,
                words.period(one.retention),
                bases,
                "",
            ]
        if scene.sdk:
            yield [
                function.name,
                *[""] * 3,
                words.listed(
                    words.of("purposes", p) for p in function.purposes
                ),
                scene.sdk_name,
                *[""] * 3,
                bases,
                words.by_sdk,
            ]


def _written(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in (head, *rows):
        writer.writerow([_harmless(cell) for cell in row])
    return _MARK + out.getvalue()


def _harmless(cell: str) -> str:
    """
    Give *cell* on one line, and as a text to every program.
    """
    cell = plain(cell)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
