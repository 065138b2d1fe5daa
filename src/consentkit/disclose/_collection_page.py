# SPDX-License-Identifier: MIT
"""
The page of the list of what is collected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    other_language,
    permission_said,
    without,
)
from consentkit.disclose._words import Words
from consentkit.disclose.lists import CollectedType, CollectionList, Scene


__all__ = ["collection_page"]


def collection_page(made: CollectionList, words: Words) -> Page:
    """
    Lay out the list of what is collected.
    """
    page = _Collection(made, words)
    return Page(
        title=words.collection_title,
        language=words.language,
        caption=words.app,
        facts=tuple(about(made.policy, made.platform, words)),
        intro=words.collection_intro,
        sections=tuple(page.sections()),
    )


class _Collection:
    """
    The parts of the list of what is collected.
    """

    def __init__(self, made: CollectionList, words: Words) -> None:
        self._made = made
        self._words = words
        self._policy = made.policy
        self._lang = other_language(made.policy, words)
        self._may_be_shared = {
            words.purpose,
            words.recipient,
            words.permission,
            words.retention,
        }

    def sections(self) -> Iterator[Section]:
        """
        Give a section for each scene, and one for those of SDKs.
        """
        words = self._words
        number = 0
        for scene in self._made.scenes:
            if scene.types:
                number += 1
                yield self._section(number, scene)
        of_sdks = [scene for scene in self._made.scenes if scene.sdk]
        if of_sdks:
            yield Section(
                heading=text(words.by_sdk_title),
                anchor="sdks",
                tables=(
                    Table(
                        caption=words.by_sdk_title,
                        head=(words.scene, "SDK", words.purpose),
                        rows=tuple(self._of_sdk(scene) for scene in of_sdks),
                    ),
                ),
                notes=cell(words.by_sdk),
            )
        idle = [
            scene.function.name
            for scene in self._made.scenes
            if not scene.types and not scene.sdk
        ]
        if idle:
            yield Section(
                heading=text(words.nothing_collected),
                anchor="idle",
                notes=cell(words.listed(idle), lang=self._lang),
            )

    def _of_sdk(self, scene: Scene) -> tuple[Cell, ...]:
        words = self._words
        return (
            cell(scene.function.name, lang=self._lang),
            cell(scene.sdk_name),
            cell(
                words.listed(
                    words.of("purposes", p) for p in scene.function.purposes
                )
            ),
        )

    def _section(self, number: int, scene: Scene) -> Section:
        words, function = self._words, scene.function
        read = [one for one in scene.types if one.is_read]
        never = [one for one in scene.types if not one.is_read]
        facts = [
            Fact(
                label=words.category,
                value=cell(words.categories[function.category.value]),
            ),
            Fact(label=words.text, value=cell(function.text, lang=self._lang)),
            Fact(
                label=words.basis,
                value=cell(
                    words.listed(words.of("bases", b) for b in function.basis)
                ),
            ),
        ]
        tables = []
        if read:
            table = self._types(read)
            # What holds for all of it need not stand in each row.
            shared = {
                label: column[0]
                for label, *column in zip(table.head, *table.rows, strict=True)
                if label in self._may_be_shared and len(set(column)) == 1
            }
            facts += [Fact(label=k, value=v) for k, v in shared.items()]
            tables.append(without(shared, table))
        if never:
            named = (words.of("data_types", one.type) for one in never)
            facts.append(
                Fact(label=words.never_read, value=cell(words.listed(named)))
            )
        return Section(
            heading=text(f"{number}. {function.name}", lang=self._lang),
            anchor=f"s{number}",
            caption=text(function.name).words,
            facts=tuple(facts),
            tables=tuple(tables),
        )

    def _types(self, types: Sequence[CollectedType]) -> Table:
        words = self._words
        return Table(
            caption=words.data_type,
            head=(
                words.data_type,
                words.platform,
                words.need,
                words.purpose,
                words.recipient,
                words.de_identified,
                words.permission,
                words.retention,
            ),
            rows=tuple(self._type(one) for one in types),
        )

    def _type(self, one: CollectedType) -> tuple[Cell, ...]:
        words = self._words
        need = "required" if one.required else "optional"
        period = words.period(one.retention)
        often = one.frequency and words.period(one.frequency)
        recipients = (self._policy.recipients[r].name for r in one.recipients)
        return (
            cell(
                words.of("data_types", one.type),
                words.sensitive if one.sensitive else "",
            ),
            cell(words.where(one.platforms)),
            cell(
                words.needs[need],
                words.separate if one.separate else "",
                f"{words.frequency}{words.colon}{often}" if often else "",
            ),
            cell(words.listed(words.of("purposes", p) for p in one.purposes)),
            cell(*recipients, lang=self._lang)
            if one.leaves
            else cell(words.to_nobody),
            cell(
                words.form(
                    one.protection, one.privacy_class if one.leaves else None
                )
            ),
            cell(permission_said(one.permission, words)),
            cell(period),
        )
