# SPDX-License-Identifier: MIT
"""
What a rule of the scrubber is.

`Rule` is the record that anybody may write: its pattern runs on RE2, whose
time grows with the length of the text and nothing else. `PackRule` is one of
ours: its pattern runs on the standard library's engine, is bounded, and is
fed its worst text by a test.
"""

from __future__ import annotations

import functools
import re

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from attrs import frozen

from . import _re2


__all__ = [
    "TYPES",
    "Found",
    "PackRule",
    "Rule",
    "Span",
    "check_rule",
    "faults_of",
]

#: What spans of the packs can be.
TYPES = frozenset(
    {
        "API_KEY",
        "BANK_CARD",
        "DEVICE_ID",
        "DRIVER_LICENSE",
        "EMAIL",
        "GEO_POINT",
        "HOST_IP",
        "IBAN",
        "IMEI",
        "IPV4",
        "IPV6",
        "JWT",
        "MAC",
        "MOBILE_CN",
        "NATIONAL_ID",
        "PHONE",
        "PHONE_INTL",
        "PLATE_CN",
        "RESIDENT_ID_CN",
        "SECRET_VALUE",
        "URL_CREDENTIALS",
        "USERNAME_PATH",
        "US_SSN",
    }
)

_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
_TYPE_SAID = (
    "must be capitals, digits and _, begin with a capital and have up to 32 "
    "characters"
)

#: Start, end, rank of the rule, type, what stands in its place.
Found = tuple[int, int, int, str, str]


class Span(NamedTuple):
    """
    Where something was found; never what.

    Attributes:
        start, end: Characters of the text that was given, *end* exclusive.

        type: Out of :data:`TYPES`, or of a rule of your own.
    """

    start: int
    end: int
    type: str


class _Match(Protocol):
    def span(self, group: int, /) -> tuple[int, int]: ...


@frozen(kw_only=True)
class Rule:
    """
    How one kind of personal data is found in a line.

    The pattern runs on RE2, so that no rule can hang; the extra ``re2``
    brings it. RE2 has neither look-around nor back-references.

    Attributes:
        name: Names the rule in errors and reports.

        type: What the span is: capitals, digits and ``_``, up to 32
            characters; out of :data:`TYPES` or your own.

        pattern: A regular expression in the syntax of RE2.

        group: Number of the group of *pattern* that is personal; a match
            without it is passed over.

        words: Lower-case texts of which a line must hold one, in whatever
            case, for *pattern* to be tried; empty for always. They make a
            rule fast.

        validator: Given the group's text, answers how many characters from
            its start are personal, 0 for none; None accepts all. It is your
            code: its time is not bounded. Where it raises, or answers with
            anything else, the whole text is dropped, and the reason names
            this rule.

        replacement: What stands in the place of the value; by default the
            type in pointed brackets.

        folded: Whether *pattern* is tried on the lower-case line.

        late: Whether a number known by its digits alone names the span
            where the two overlap.

    .. versionchanged:: 26.1.0
       *words* in the place of *gate*; patterns run on RE2.
    """

    name: str
    type: str
    pattern: str
    group: int = 0
    words: tuple[str, ...] = ()
    validator: Callable[[str], int] | None = None
    replacement: str | None = None
    folded: bool = False
    late: bool = False

    @functools.cached_property
    def find(self) -> Callable[[str], Iterator[_Match]]:
        """
        Find the matches of *pattern* in a line, the lower-case one for
        folded rules.
        """
        made: Callable[[str], Iterator[_Match]] = _re2.compile_pattern(
            self.pattern
        ).finditer
        return made

    @functools.cached_property
    def mark(self) -> str:
        """
        What stands in the place of the value.
        """
        made = self.replacement
        return f"<{self.type}>" if made is None else made

    @property
    def quick(self) -> str:
        """
        A pattern of RE2 that is in each lower-case line in which *pattern*
        can be; empty for any line.
        """
        return "|".join(_re2.escape(word) for word in self.words)

    @property
    def forms(self) -> tuple[str, ...]:
        """
        As *words*, but patterns that begin with plain text, looked for where
        each letter is ``a`` and each digit 0.
        """
        return ()

    @property
    def looks(self) -> tuple[Callable[[str], object], ...]:
        """
        Without RE2: one of them finds something in each lower-case line in
        which *pattern* can be, unless one of *words* or *forms* is there.
        """
        return ()

    def apply(
        self, line: str, lower: str, rank: int, found: list[Found]
    ) -> None:
        """
        Add what is in *line* to *found*.
        """
        view = lower if self.folded else line
        group, validator = self.group, self.validator
        for match in self.find(view):
            start, end = match.span(group)
            if start < 0:
                continue
            if validator:
                size = validator(view[start:end])
                # True is no 1: all but one character would stay.
                if type(size) is not int or not 0 <= size <= end - start:
                    msg = "a validator answers with a number of characters"
                    raise ValueError(msg)
                end = start + size
            if end > start:
                found.append((start, end, rank, self.type, self.mark))


@frozen(kw_only=True)
class PackRule(Rule):
    """
    A rule of ours, on the standard library's engine.

    Attributes:
        quick: As of `Rule`; by default made of *words*.

        forms: As of `Rule`.

        looks: As of `Rule`; where there are neither *words* nor *forms* nor
            these, *quick* has to begin with one fixed character, as `re`
            looks for that much faster.
    """

    quick: str = ""
    forms: tuple[str, ...] = ()
    looks: tuple[Callable[[str], object], ...] = ()

    def __attrs_post_init__(self) -> None:
        quick = self.quick or "|".join(map(_escaped, self.words))
        object.__setattr__(self, "quick", quick)

    @functools.cached_property
    def find(self) -> Callable[[str], Iterator[re.Match[str]]]:
        """
        Find the matches of *pattern* in a line, the lower-case one for
        folded rules.
        """
        # At first use: compiling takes longer than scrubbing 500 lines.
        return re.compile(self.pattern).finditer


def _escaped(word: str) -> str:
    return re.sub(r"([^\w\s])", r"\\\1", word)


def check_rule(rule: Any) -> None:
    """
    See to it that a rule can be used, and compile its pattern.

    Raises:
        MissingExtraError: If RE2 is needed and not installed.

        TypeError: If it is no rule.

        ValueError: If it is wrong; the message names the rule and the fault.
    """
    if not isinstance(rule, Rule):
        msg = f"a rule must be a Rule, not {type(rule).__name__}"
        raise TypeError(msg)
    if isinstance(rule, PackRule):
        return
    faults = [f"{key}: {fault}" for key, fault in faults_of(rule)]
    if faults:
        msg = f"rule {rule.name!r}: {'; '.join(faults)}"
        raise ValueError(msg)


def faults_of(rule: Rule) -> Iterator[tuple[str, str]]:
    """
    Give all that is wrong with a rule of one's own.

    Yields:
        The name of an attribute, and what is wrong with it.

    Raises:
        MissingExtraError: If RE2 is not installed.
    """
    if not rule.name:
        yield "name", "it is empty"
    if not _TYPE.fullmatch(rule.type):
        yield "type", _TYPE_SAID
    problem = _re2.problem_of(rule.pattern)
    if problem:
        yield "pattern", f"RE2 does not take it: {problem}"
    else:
        groups = _re2.compile_pattern(rule.pattern).groups
        if not 0 <= rule.group <= groups:
            yield "group", f"pattern has no group {rule.group}, but {groups}"
    if any(not word or word != word.lower() for word in rule.words):
        yield "words", "must be in lower case, and none empty"
