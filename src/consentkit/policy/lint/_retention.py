# SPDX-License-Identifier: MIT
"""
Rules on how long data is kept, and where.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from typing import Final

from consentkit.policy.lint.model import Context, Severity, Spot, rule
from consentkit.policy.period import Period
from consentkit.policy.tables import UNSPECIFIED, RetentionTable


_DELETE: Final = r"(?:delet\w*|eras\w*|destroy\w*|删除|销毁)"
_ANONYMISE: Final = r"(?:anonymi[sz]\w*|匿名化?)"
_EITHER: Final = re.compile(
    rf"{_DELETE}[^.;。；]{{0,40}}(?:\bor\b|或)[^.;。；]{{0,40}}{_ANONYMISE}"
    rf"|{_ANONYMISE}[^.;。；]{{0,40}}(?:\bor\b|或)[^.;。；]{{0,40}}{_DELETE}",
    re.IGNORECASE,
)
# A rule that runs from the end of an account says nothing of what is kept
# while the account lasts.
_ACCOUNT: Final = re.compile(r"account|cancel|closed|注销", re.IGNORECASE)
_WORLD: Final = re.compile(
    r"around the world|world-?wide|globally|any (?:other )?country"
    r"|other countries|全球|世界各地|境外任何",
    re.IGNORECASE,
)
_NONE_ABROAD: Final = re.compile(
    r"\s*(?:none|no\b|nothing|not?\s|never|不|无|没有)", re.IGNORECASE
)
_START: Final = datetime(2001, 1, 1, tzinfo=UTC)


def _length(period: Period) -> datetime:
    return period.after(_START)


def _parsed(text: str) -> Period | None:
    return Period.parse(text) if text and text != UNSPECIFIED else None


def _ends(rule_: RetentionTable) -> str:
    """
    Say how long a rule keeps, or nothing.
    """
    if rule_.period and rule_.period != UNSPECIFIED:
        return f"for {rule_.period}"
    if rule_.working_days is not None:
        return f"for {rule_.working_days} working days"
    return f"until {rule_.until}" if rule_.until else ""


@rule(
    "period-missing",
    Severity.WARNING,
    title="no period of retention",
    reason="People have to be told how long their data is kept. Where the "
    "text does not say, the library keeps it for a day at most.",
    source="T-39; PIPL Articles 17, 19; GDPR Article 13(2)(a)",
)
def period_missing(c: Context) -> Iterator[Spot]:
    cure = "a period such as P30D, or the event that ends it"
    for i, table in enumerate(c.document.retention):
        if not _ends(table):
            yield Spot(
                path=f"$.retention[{i}]",
                message=f"the rule {table.id!r} has no period",
                cure=cure,
            )
    for path, function in c.functions:
        if function.retention == UNSPECIFIED:
            yield Spot(
                path=f"{path}.retention",
                message=f"{function.id!r} does not say how long it keeps "
                "what it collects",
                cure=cure,
            )
        for i, row in enumerate(function.collects):
            if row.retention == UNSPECIFIED:
                yield Spot(
                    path=f"{path}.collects[{i}].retention",
                    message=f"{function.id!r} does not say how long it keeps "
                    + ", ".join(map(repr, row.each)),
                    cure=cure,
                )


@rule(
    "period-clash",
    Severity.WARNING,
    title="several periods for one type",
    reason="Two rules apply to one record, and the text does not say which. "
    "Until it does, the shorter one is taken.",
    source="T-06; PIPL Article 17",
)
def period_clash(c: Context) -> Iterator[Spot]:
    listed = list(enumerate(c.document.retention))
    for (i, one), (j, other) in combinations(listed, 2):
        shared = sorted(set(one.types) & set(other.types))
        ends = _ends(one), _ends(other)
        if (
            shared
            and all(ends)
            and ends[0] != ends[1]
            and one.starts_at == other.starts_at
        ):
            types = "everything" if "*" in shared else ", ".join(shared)
            yield Spot(
                path=f"$.retention[{j}]",
                message=f"{other.id!r} keeps {types} {ends[1]}, and "
                f"{one.id!r} ($.retention[{i}]) {ends[0]}, both from "
                f"{one.starts_at!r}",
                cure="one rule for each store, or other starts",
            )


@rule(
    "period-over-ceiling",
    Severity.ERROR,
    title="kept longer than the longest period stated",
    reason="The text promises a ceiling for everything, and a clause breaks "
    "it.",
    source="WP-RET-5; PIPL Article 19",
)
def period_over_ceiling(c: Context) -> Iterator[Spot]:
    general = [
        period
        for table in c.document.retention
        if "*" in table.types and not _ACCOUNT.search(table.starts_at)
        if (period := _parsed(table.period))
    ]
    ceiling = max(general, key=_length, default=None)
    if ceiling is None:
        return
    for path, function, _, clause in c.clauses:
        if _length(clause.retention) > _length(ceiling):
            yield Spot(
                path=f"{path}.retention",
                message=f"{function.id!r} keeps {clause.type!r} for "
                f"{clause.retention}, and nothing may be kept longer than "
                f"{ceiling}",
                cure=f"{ceiling} or less",
            )
    for i, table in enumerate(c.document.retention):
        period = _parsed(table.period)
        if "*" in table.types or period is None:
            continue
        if _length(period) > _length(ceiling):
            yield Spot(
                path=f"$.retention[{i}].period",
                message=f"{table.id!r} keeps for {period}, and nothing may "
                f"be kept longer than {ceiling}",
                cure=f"{ceiling} or less",
            )


@rule(
    "anonymise-as-way-out",
    Severity.WARNING,
    title="delete or anonymise, as the operator likes",
    reason="Anonymising is the cheap way out where it means hashing a key. "
    "It may stand beside deletion only where the result can be shown to be "
    "anonymous.",
    source="T-54; PIPL Articles 47, 73(4)",
)
def anonymise_as_way_out(c: Context) -> Iterator[Spot]:
    for prose in c.prose:
        if _EITHER.search(prose.text):
            yield Spot(
                path=prose.path,
                message="it leaves open whether data is deleted or anonymised",
                cure="delete; or say how it is made anonymous and by whom "
                "that is checked",
            )


@rule(
    "anonymised-then-deleted",
    Severity.WARNING,
    title="anonymised first and deleted later",
    reason="What is anonymous is nobody's data and need not be deleted: so "
    "it is de-identified only, and stays personal until it is deleted.",
    source="T-07; PIPL Article 73",
)
def anonymised_then_deleted(c: Context) -> Iterator[Spot]:
    for i, table in enumerate(c.document.retention):
        first = re.search(_ANONYMISE, table.at_start, re.IGNORECASE)
        last = re.search(_DELETE, table.at_expiry, re.IGNORECASE)
        if first and last:
            yield Spot(
                path=f"$.retention[{i}].at_start",
                message=f"{table.id!r} calls data anonymised that it deletes "
                "later",
                cure="call it de-identified",
            )


@rule(
    "storage-region-missing",
    Severity.WARNING,
    title="no place of storage",
    reason="Without it nobody can tell which recipients are abroad, and no "
    "decision on that is asked for.",
    source="T-39; PIPL Articles 39, 40; GB/T 35273-2020, 5.5",
)
def storage_region_missing(c: Context) -> Iterator[Spot]:
    if not c.document.storage.regions:
        yield Spot(
            path="$.storage",
            message="the document does not say in which country data is kept",
            cure="storage.regions, such as ['CN']",
        )


@rule(
    "abroad-without-words",
    Severity.ERROR,
    title="data goes abroad and the text does not say so",
    reason="Whoever decides on it has to know the place and the purpose.",
    source="WP-LOC-3; PIPL Articles 38, 39",
)
def abroad_without_words(c: Context) -> Iterator[Spot]:
    said = c.document.storage.cross_border
    reached = {r for _, _, _, clause in c.clauses for r in clause.recipients}
    for function in c.policy.functions.values():
        reached.update(function.recipients)
    for path, table in c.recipients:
        party = c.policy.recipients[table.id]
        if not party.abroad or table.id not in reached:
            continue
        if not said:
            yield Spot(
                path=f"{path}.country",
                message=f"{table.id!r} is in {table.country}, outside the "
                "regions of storage, and storage.cross_border says nothing",
                cure="say what goes there and why, or keep it inside",
            )
        elif _NONE_ABROAD.match(said):
            yield Spot(
                path=f"{path}.country",
                message=f"{table.id!r} is in {table.country}, and "
                "storage.cross_border says that nothing goes abroad",
                cure="change one of the two",
            )


@rule(
    "cross-border-open",
    Severity.WARNING,
    title="data may go anywhere",
    reason="A place that is not named cannot be agreed to, and the exception "
    "becomes the rule.",
    source="T-35; PIPL Article 39",
)
def cross_border_open(c: Context) -> Iterator[Spot]:
    for prose in c.prose:
        if prose.key in {"cross_border", "text"}:
            found = _WORLD.search(prose.text)
            if found:
                yield Spot(
                    path=prose.path,
                    message=f"{found[0]!r} names no country",
                    cure="name the countries and what goes there",
                )
