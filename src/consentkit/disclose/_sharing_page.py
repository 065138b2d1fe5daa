# SPDX-License-Identifier: MIT
"""
The page of the list of what goes to third parties.
"""

from __future__ import annotations

from collections.abc import Iterator

from consentkit.disclose._page import (
    Cell,
    Fact,
    Page,
    Section,
    Table,
    cell,
    text,
)
from consentkit.disclose._parts import (
    about,
    link,
    notes_of,
    other_language,
    permission_said,
    permissions_said,
    said_by_need,
    without,
)
from consentkit.disclose._words import Words
from consentkit.disclose.lists import SharedType, SharingList, ThirdParty


__all__ = ["sharing_page"]


def sharing_page(made: SharingList, words: Words) -> Page:
    """
    Lay out the list of what goes to third parties.
    """
    page = _Sharing(made, words)
    return Page(
        title=words.sharing_title,
        language=words.language,
        caption=words.app,
        facts=tuple(about(made.policy, made.platform, words)),
        intro=words.sharing_intro,
        sections=tuple(page.sections()),
    )


class _Sharing:
    """
    The parts of the list of what goes to third parties.
    """

    def __init__(self, made: SharingList, words: Words) -> None:
        self._made = made
        self._words = words
        self._policy = made.policy
        self._lang = other_language(made.policy, words)
        # What is said of an SDK is written in English in the catalogue.
        self._foreign = "" if words.language == "en" else "en"

    def sections(self) -> Iterator[Section]:
        """
        Give the overview, and a section for each third party.
        """
        words = self._words
        rows = self._made.rows
        yield Section(
            heading=text(words.overview),
            anchor="overview",
            tables=(
                Table(
                    caption=words.overview,
                    head=(
                        words.name,
                        words.mode,
                        words.given_count,
                        words.said_count,
                    ),
                    rows=tuple(
                        self._overview(i, row) for i, row in enumerate(rows, 1)
                    ),
                ),
            ),
        )
        for i, row in enumerate(rows, 1):
            yield self._section(i, row)

    def _overview(self, number: int, row: ThirdParty) -> tuple[Cell, ...]:
        given = {one.type for one in row.given}
        said = {one.type for one in row.not_allowed}
        return (
            cell(
                text(
                    f"{number}. {row.name}",
                    lang=self._named(row),
                    href=f"#p{number}",
                )
            ),
            cell(self._words.of("modes", row.mode)),
            cell(str(len(given))),
            cell(str(len(said)) if row.sdk else "–"),
        )

    def _named(self, row: ThirdParty) -> str:
        return self._foreign if row.sdk and row.known else self._lang

    def _section(self, number: int, row: ThirdParty) -> Section:
        words = self._words
        tables = []
        if row.given:
            tables.append(self._given(row))
        if row.not_allowed:
            tables.append(
                Table(
                    caption=words.said,
                    head=(words.platform, words.data_type),
                    rows=tuple(
                        (cell(head), cell(names))
                        for head, names in said_by_need(row.not_allowed, words)
                    ),
                )
            )
        return Section(
            heading=text(f"{number}. {row.name}", lang=self._named(row)),
            anchor=f"p{number}",
            caption=text(row.name).words,
            facts=tuple(f for f in self._facts(row) if f.value),
            tables=tuple(tables),
            notes=cell(words.said_source if row.not_allowed else ""),
        )

    def _facts(self, row: ThirdParty) -> Iterator[Fact]:
        words, functions = self._words, self._policy.functions
        yield Fact(
            label=words.operator, value=cell(row.operator, lang=self._lang)
        )
        yield Fact(
            label=words.category,
            value=cell(words.sdk_categories.get(row.category, row.category)),
        )
        yield Fact(label=words.mode, value=cell(words.of("modes", row.mode)))
        yield Fact(
            label=words.country,
            value=cell(words.country_of(row.country, abroad=row.abroad)),
        )
        yield Fact(
            label=words.purpose,
            value=cell(
                words.listed(words.of("purposes", p) for p in row.purposes)
            ),
        )
        yield Fact(
            label=words.scene,
            value=cell(
                *(functions[f].name for f in row.functions), lang=self._lang
            ),
        )
        yield Fact(label=words.condition, value=self._condition(row))
        if not row.given:
            yield Fact(label=words.given, value=cell(words.given_nothing))
        for label, wanted in (
            (words.permissions, True),
            (words.other_permissions, False),
        ):
            named = permissions_said(
                (p for p in row.permissions if p.sensitive is wanted), words
            )
            yield Fact(label=label, value=cell(words.listed(named)))
        if row.sdk:
            yield Fact(label=words.site, value=(link(row.site, words),))
        yield Fact(label=words.contact, value=cell(row.contact))
        yield Fact(
            label=words.privacy_policy,
            value=(link(row.privacy_policy, words),),
        )
        yield Fact(
            label=words.claims, value=cell(*row.claims, lang=self._foreign)
        )
        yield Fact(label=words.notes, value=cell(*notes_of(row, words)))

    def _condition(self, row: ThirdParty) -> Cell:
        """
        Say when it is used, in the SDK's words or in the app's own names.
        """
        if row.start_condition:
            return cell(row.start_condition, lang=self._foreign)
        named = dict.fromkeys(
            condition.replace("_", " ")
            for function in row.functions
            for condition in self._policy.functions[function].requires
        )
        return cell(self._words.listed(named), lang=self._lang)

    def _given(self, row: ThirdParty) -> Table:
        words = self._words
        head = (
            words.data_type,
            words.platform,
            words.need,
            words.purpose,
            words.scene,
            words.de_identified,
            words.permission,
        )
        # What holds for all of it stands among the facts already.
        known = set()
        if all(set(one.purposes) == set(row.purposes) for one in row.given):
            known.add(words.purpose)
        if len(row.functions) == 1:
            known.add(words.scene)
        cells = [self._type(one, is_of_sdk=bool(row.sdk)) for one in row.given]
        return without(
            known, Table(caption=words.given, head=head, rows=tuple(cells))
        )

    def _type(self, one: SharedType, *, is_of_sdk: bool) -> tuple[Cell, ...]:
        words = self._words
        return (
            cell(
                words.of("data_types", one.type),
                words.sensitive if one.sensitive else "",
                words.not_handed if is_of_sdk and not one.handed else "",
            ),
            cell(words.where(one.platforms)),
            cell(
                words.needs[one.requirement],
                words.separate if one.separate else "",
            ),
            cell(words.listed(words.of("purposes", p) for p in one.purposes)),
            cell(self._policy.functions[one.function].name, lang=self._lang),
            cell(words.form(one.protection, one.privacy_class)),
            cell(permission_said(one.permission, words)),
        )
