# SPDX-License-Identifier: MIT
"""
What an audit finds, as values.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal

from attrs import frozen

from consentkit.policy.lint.check import Checked
from consentkit.policy.lint.model import Finding


__all__ = ["Audit", "AuditFinding", "Evidence", "Note", "Scope"]

Kind = Literal[
    "import",
    "requirement",
    "gradle",
    "pod",
    "swift",
    "class",
    "wheel",
    "lock",
    "installed",
    "tracker",
]

_SHOWS: Final[Mapping[Kind, str]] = {
    "import": "import",
    "requirement": "requires",
    "gradle": "requires",
    "pod": "requires",
    "swift": "requires",
    "class": "class",
    "tracker": "tracker",
    "wheel": "archive of",
    "lock": "locked",
    "installed": "installed",
}


class Scope(Enum):
    """
    How near something is to the app that people use, the nearest first.
    """

    #: The app itself asks for it, or imports it.
    RUN = "run"
    #: What the app asks for brings it.
    BROUGHT = "brought"
    #: Code of the app imports it, but only where a function is called, or if
    #: it happens to be installed.
    REACHABLE = "reachable"
    #: Only where somebody asks for it, as for an extra.
    OPTIONAL = "optional"
    #: Only for those who make the app: tests, examples, tools.
    DEVELOPMENT = "development"


@frozen(kw_only=True)
class Evidence:
    """
    One place that shows that an SDK is in a project.

    Attributes:
        kind: What shows it.

        name: As it stands there: a distribution, a module, the coordinates
            of an artefact, a pod, a class.

        file: Path within the project, with slashes; of what lies outside,
            its whole path.

        line: Line of the file, counted from 1, or ``None``.

        scope: How near it is to the app.

        note: What narrows it down, such as ``group 'dev'``, or empty.

        chain: Who asks for it: the distribution that does, who asks for
            that, and so on to the project's own requirement; empty where
            the project asks for it itself.
    """

    kind: Kind
    name: str
    file: str
    line: int | None = None
    scope: Scope = Scope.RUN
    note: str = ""
    chain: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """
        The file, and its line where it has one.
        """
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        via = "".join(f" <- {name}" for name in self.chain)
        note = f" ({self.note})" if self.note else ""
        return f"{_SHOWS[self.kind]} {self.name}{via}{note}"


@frozen(kw_only=True)
class Note:
    """
    Something that was not read, or only in part.

    Attributes:
        file: As in `Evidence`.

        text: What was left out, and why.
    """

    file: str
    text: str


@frozen(kw_only=True)
class AuditFinding(Finding):
    """
    A difference between what is used, what is declared and what is known.

    Attributes:
        sdk: Id of the SDK; empty for a tracker that has no entry.

        file: As in `Evidence`; the policy's where *path* is a place in it.
    """

    sdk: str = ""
    file: str = ""


@frozen(kw_only=True)
class Audit:
    """
    What was found in a project.

    Attributes:
        checked: The findings, the gravest first, and those set aside.

        found: What shows each SDK, by its id, the strongest first; ids in
            their order.

        declared: Ids of the functions of the policy by the SDK that they
            name.

        notes: What was not read.

        skipped: Names of the folders that were skipped, as is the default.

        unseen: How many imports have a name that is computed, so that the
            code alone does not tell it.

        files: How many files were read.
    """

    checked: Checked
    found: Mapping[str, tuple[Evidence, ...]]
    declared: Mapping[str, str]
    notes: tuple[Note, ...]
    skipped: tuple[str, ...]
    unseen: int
    files: int
