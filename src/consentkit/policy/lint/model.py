# SPDX-License-Identifier: MIT
"""
Rules and findings as values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from attrs import field, frozen

from consentkit.policy.lint._prose import Prose, prose_of
from consentkit.policy.model import Clause, Policy
from consentkit.policy.tables import (
    CollectsTable,
    Document,
    FunctionTable,
    RecipientTable,
)
from consentkit.policy.vocabulary import Vocabulary


if TYPE_CHECKING:
    from consentkit.registry.model import SDKEntry


__all__ = [
    "Context",
    "Finding",
    "Findings",
    "Rule",
    "Severity",
    "Spot",
    "rule",
]


class Severity(Enum):
    """
    How much a finding weighs.
    """

    #: It is certain that something is wrong.
    ERROR = "error"
    #: Something is missing or doubtful, and the author has to decide.
    WARNING = "warning"
    #: Worth knowing; it never blocks.
    NOTE = "note"


@frozen(kw_only=True)
class Spot:
    """
    What a rule finds: where, what is wrong, and what would be right.

    Attributes:
        path: Place in the document, such as ``$.functions[2].text``.

        message: What is wrong there.

        cure: What would be right; may be empty.
    """

    path: str
    message: str
    cure: str = ""


@frozen(kw_only=True)
class Finding:
    """
    Something that is wrong, missing or doubtful in a document.

    Attributes:
        rule: Id of the rule that found it.

        severity: How much it weighs.

        path: Place in the document, such as ``$.functions[2].text``.

        message: What is wrong there.

        cure: What would be right; may be empty.

        reason: Why that matters, the same for all findings of a rule.

        source: What the rule rests on: laws, practice, traps.

        line: Line of the file, counted from 1; ``None`` if there is no file
            or the document does not have the place.
    """

    rule: str
    severity: Severity
    path: str
    message: str
    cure: str = ""
    reason: str = ""
    source: tuple[str, ...] = ()
    line: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}, {self.path}" if self.line else self.path
        cure = f"; {self.cure}" * bool(self.cure)
        return f"{self.severity.value}: {place}: {self.message}{cure}"


class Findings(tuple[Finding, ...]):
    """
    Findings in the order of the document.
    """

    __slots__ = ()

    def blocking(self, *, strict: bool = False) -> Findings:
        """
        Keep those that a document must not have.

        Args:
            strict: Whether warnings count too, as for production.
        """
        bad = {Severity.ERROR}
        if strict:
            bad.add(Severity.WARNING)
        return Findings(f for f in self if f.severity in bad)

    def as_strict(self) -> Findings:
        """
        Turn every warning into an error.
        """
        return Findings(
            attrs.evolve(f, severity=Severity.ERROR)
            if f.severity is Severity.WARNING
            else f
            for f in self
        )


@frozen(kw_only=True)
class Context:
    """
    All that a rule may look at.

    Attributes:
        policy: The policy, with its document.

        words: The vocabulary.

        entries: What is known of third-party SDKs, by id.

        today: The day of the check.
    """

    policy: Policy
    words: Vocabulary
    entries: Mapping[str, SDKEntry]
    today: date

    @property
    def document(self) -> Document:
        """
        All that the policy says, as its authors wrote it.
        """
        return self.policy.document

    @cached_property
    def prose(self) -> tuple[Prose, ...]:
        """
        Every text of the document that is written for people.
        """
        return tuple(prose_of(self.document))

    @cached_property
    def said(self) -> tuple[Prose, ...]:
        """
        Those texts that speak for the document itself: what a recipient
        claims is said of that recipient alone.
        """
        return tuple(
            prose
            for prose in self.prose
            if not isinstance(prose.owner, RecipientTable)
        )

    @cached_property
    def functions(self) -> tuple[tuple[str, FunctionTable], ...]:
        """
        The functions with their places.
        """
        tables = self.document.functions
        return tuple(
            (f"$.functions[{i}]", table) for i, table in enumerate(tables)
        )

    @cached_property
    def clauses(
        self,
    ) -> tuple[tuple[str, FunctionTable, CollectsTable, Clause], ...]:
        """
        The clauses with their rows' places, as written and as understood.
        """
        return tuple(
            (
                f"{path}.collects[{i}]",
                table,
                row,
                self.policy.functions[table.id].clauses[data_type],
            )
            for path, table in self.functions
            for i, row in enumerate(table.collects)
            for data_type in row.each
        )

    @cached_property
    def recipients(self) -> tuple[tuple[str, RecipientTable], ...]:
        """
        The recipients with their places.
        """
        tables = self.document.recipients
        return tuple(
            (f"$.recipients[{i}]", table) for i, table in enumerate(tables)
        )

    @cached_property
    def sdks(self) -> tuple[tuple[str, FunctionTable, SDKEntry], ...]:
        """
        The functions that start an SDK which is known, with their places.
        """
        return tuple(
            (f"{path}.sdk", table, self.entries[table.sdk])
            for path, table in self.functions
            if table.sdk and table.sdk in self.entries
        )


Check = Callable[[Context], Iterable[Spot]]


@frozen(kw_only=True)
class Rule:
    """
    One check of a policy document.

    Attributes:
        id: Its name; stable, so that it can be ignored.

        title: What a document must not have, in a few words.

        severity: How much its findings weigh.

        reason: Why that matters.

        source: What it rests on: laws, standards, practice, and traps
            (``T-04``) that published policies were seen to hold.

        check: Finds the spots.
    """

    id: str
    title: str
    severity: Severity
    reason: str
    source: tuple[str, ...]
    check: Check = field(repr=False, eq=False)

    def findings(self, context: Context) -> Iterable[Finding]:
        """
        Give what it finds.
        """
        for spot in self.check(context):
            yield Finding(
                rule=self.id,
                severity=self.severity,
                path=spot.path,
                message=spot.message,
                cure=spot.cure,
                reason=self.reason,
                source=self.source,
            )


def rule(
    id_: str, severity: Severity, *, title: str, reason: str, source: str
) -> Callable[[Check], Rule]:
    """
    Make a rule out of the function that checks it.

    Args:
        id_: Its id.

        severity: How much its findings weigh.

        title: What a document must not have.

        reason: Why that matters.

        source: What it rests on, parted by semicolons.
    """

    def make(check: Check) -> Rule:
        return Rule(
            id=id_,
            title=title,
            severity=severity,
            reason=reason,
            source=tuple(part.strip() for part in source.split(";")),
            check=check,
        )

    return make
