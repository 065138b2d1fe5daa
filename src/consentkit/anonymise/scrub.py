# SPDX-License-Identifier: MIT
"""
Personal data taken out of log lines and messages.

Rules with validators and cheap gates, on the standard library's regular
expressions; no language model. What a rule finds is replaced by its type:
``mobile=13800138000`` becomes ``mobile=<MOBILE_CN>``.

In honest words: this finds what has a form. Names of people, addresses in
words, and secrets without a name beside them stay. A scrubbed line is
therefore never anonymous, and declared fields are better than free text.

Obligations: WP-LOG-1 (free text is redacted before it is stored), WP-LOG-2
(messages, paths and arguments of crashes are, too).
"""

from __future__ import annotations

import functools

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from . import _gates, _re2
from ._failures import Failures
from ._hidden import HiddenPass
from ._lazy import lazy
from ._numbers import NumberPass
from ._rule import TYPES, Found, Rule, Span, check_rule
from .packs import PACKS, RULES


__all__ = [
    "DROPPED",
    "LIMIT_CHARACTERS",
    "PACKS",
    "RULES",
    "TYPES",
    "Engine",
    "Rule",
    "Scrubbed",
    "Scrubber",
    "Span",
    "scrub",
]

#: Only so much of a text is kept; the rest is dropped, unread.
LIMIT_CHARACTERS = 8192

#: Stands for a line that could not be scrubbed.
DROPPED = "<UNSCRUBBED LINE DROPPED>"

#: How the rules to try are chosen: with the standard library, with RE2, or
#: with RE2 where it is installed. The spans are the same.
Engine = Literal["auto", "re", "re2"]

_Tried = Rule | NumberPass | HiddenPass

_CUT = " <CUT>"

#: Full-width ASCII, as typed in Chinese and Japanese, to plain ASCII; blanks
#: and dashes of every width; and the one sign that becomes a letter of ASCII
#: where it is made small.
_NARROW = (
    {0xFF01 + n: 0x21 + n for n in range(94)}
    | dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x3000), 0x20)
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212), 0x2D)
    | {0x212A: ord("K")}
)

_ASCII_LOWER = {n: n + 32 for n in range(ord("A"), ord("Z") + 1)}

#: Between the rules and those that are late.
_NUMBER_RANK = 10_000

_PART_OF_NUMBER = "0123456789 +-().,;:"


class Scrubbed(NamedTuple):
    """
    A text without what was found in it.

    Attributes:
        text: What may be kept.

        spans: What was replaced, in order, without overlaps.

        dropped: Whether a rule failed, so that nothing could be kept.

        cut: Whether the text was longer than :data:`LIMIT_CHARACTERS`.

        reason: Why it was dropped: the name of the rule that raised, and the
            class of what it raised. Empty if it was not dropped.

    .. versionchanged:: 26.1.0
       *reason*.
    """

    text: str
    spans: tuple[Span, ...]
    dropped: bool = False
    cut: bool = False
    reason: str = ""

    def __repr__(self) -> str:
        why = f", reason={self.reason!r}" * bool(self.reason)
        return (
            f"Scrubbed(spans={self.spans!r}, dropped={self.dropped!r}, "
            f"cut={self.cut!r}{why})"
        )


class _FailedError(Exception):
    """
    A rule raised; its only argument is the reason.
    """


# At twice the speed of a call of the class, and each line needs one.
_make = tuple.__new__


class Scrubber:
    """
    Takes personal data out of texts, by packs and rules of your choice.

    It holds no text and may be used by several threads. It fails closed: a
    text on which a rule raises is dropped, counted in *failures*, and told to
    the log now and then, by the name of the rule.

    Args:
        packs: Names out of :data:`PACKS`; by default all.

        rules: Rules of your own; where one overlaps a rule of a pack, the
            span has its type.

        engine: ``re2`` chooses the rules for a line in one pass of RE2, which
            the extra ``re2`` brings, and is several times faster; ``auto``
            does so where it is installed. The spans are the same.

    Raises:
        MissingExtraError: If *engine* or a rule needs RE2 and it is not
            installed.

        TypeError: If one of *rules* is no `Rule`.

        ValueError: If a pack or the engine is unknown, or a rule is wrong:
            the message names the rule and the fault, and no text.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        *,
        packs: Iterable[str] = tuple(PACKS),
        rules: Iterable[Rule] = (),
        engine: Engine = "re",
    ) -> None:
        names = [packs] if isinstance(packs, str) else [*packs]
        unknown = [name for name in names if name not in PACKS]
        if unknown:
            msg = (
                f"there is no pack {unknown[0]!r}; "
                f"the packs are {', '.join(PACKS)}"
            )
            raise ValueError(msg)
        chosen = [PACKS[name] for name in PACKS if name in names]
        own = tuple(rules)
        self._engine: Engine = _checked_engine(engine)
        self._failures = Failures()
        self._numbers = NumberPass(
            types=frozenset(it for pack in chosen for it in pack.numbers)
        )
        self._rules: tuple[Rule, ...] = own + tuple(
            rule for pack in chosen for rule in pack.rules
        )
        _check_rules(own)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """
        The rules in the order in which they count, beside the pass over
        numbers.
        """
        return self._rules

    @property
    def failures(self) -> dict[str, int]:
        """
        How many texts were dropped because a rule raised, by
        `Scrubbed.reason`.

        .. versionadded:: 26.1.0
        """
        return self._failures.counts

    def __repr__(self) -> str:
        return f"<Scrubber of {len(self._rules)} rules, {self._engine}>"

    @lazy
    def _gate(self) -> Callable[[str], Collection[int]]:
        # At first use: compiling takes longer than scrubbing 500 lines.
        tried = [it for it, _ in self._tried]
        wanted = self._engine
        if wanted == "auto":
            wanted = "re2" if _re2.is_there() else "re"
        if wanted == "re2":
            return _gates.make_re2_gate(tried)
        return _gates.make_re_gate(tried)

    @lazy
    def _tried(self) -> tuple[tuple[_Tried, int], ...]:
        ranked: list[tuple[_Tried, int]] = [
            (rule, rank + _NUMBER_RANK * rule.late)
            for rank, rule in enumerate(self._rules)
        ]
        if self._numbers.types:
            ranked.append((self._numbers, _NUMBER_RANK))
        if ranked:
            ranked.append((HiddenPass(find=self._find), 0))
        return tuple(ranked)

    def scrub(self, text: str) -> Scrubbed:
        """
        Replace the personal data in *text*: see `scrub`.

        Raises:
            TypeError: If *text* is not a string.
        """
        if not isinstance(text, str):
            msg = (  # type: ignore[unreachable]
                "`text` must be a string; decode bytes first"
            )
            raise TypeError(msg)
        try:
            if len(text) > LIMIT_CHARACTERS:
                head = _cut(text[:LIMIT_CHARACTERS])
                return _replaced(head, self._find(head), _CUT)
            found = self._find(text)
            if found:
                return _replaced(text, found)
            return _make(Scrubbed, (text, (), False, False, ""))
        except _FailedError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - nothing may pass
            reason = f"the scrubber raised {_class_of(error)}"
        self._failures.add(reason)
        return Scrubbed(DROPPED, (), dropped=True, reason=reason)

    def is_plain(self, text: str) -> bool:
        """
        Tell whether no rule need be tried on *text*, or on any line of it:
        a quick look, which may say no where nothing would be found.

        .. versionadded:: 26.1.0
        """
        return (
            text.isascii()
            and len(text) <= LIMIT_CHARACTERS
            and not self._gate(text.lower())
        )

    def _find(self, text: str) -> list[Found]:
        line = text if text.isascii() else text.translate(_NARROW)
        lower = line.lower()
        if len(lower) != len(line):  # one letter of Turkish becomes two
            lower = line.translate(_ASCII_LOWER)
        found: list[Found] = []
        tried = self._tried
        it: _Tried | None = None
        try:
            for at in self._gate(lower):
                it, rank = tried[at]
                it.apply(line, lower, rank, found)
        except _FailedError:
            raise
        except Exception as error:  # noqa: BLE001 - what it holds stays here
            # Not a rule: a gate, or the pass over numbers.
            rule = getattr(it, "name", "")
            where = f"rule {rule!r}" if rule else "the scrubber"
            reason = f"{where} raised {_class_of(error)}"
        else:
            return found
        raise _FailedError(reason)


class _OfRules(Scrubber):
    """
    Has these rules, and finds all numbers.
    """

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        super().__init__(packs=(), rules=rules)
        self._numbers = NumberPass()


def scrub(text: str, *, rules: Sequence[Rule] = RULES) -> Scrubbed:
    """
    Replace the personal data in *text* by its types.

    Fails closed: if a rule raises, whatever it is, the whole text is
    replaced by :data:`DROPPED`. A text over the limit is cut at a blank, so
    that no half of a value is left.

    Args:
        text: One line, or a short message of several.

        rules: The rules to use, beside the pass over numbers; where spans
            overlap, the merged span has the type of the first.

    Raises:
        MissingExtraError: If a rule of your own needs RE2 and it is not
            installed.

        TypeError: If *text* is not a string, or a rule is none.

        ValueError: If a rule is wrong: the message names it and the fault.
    """
    if rules is RULES:
        return default_scrubber().scrub(text)
    return _of(tuple(rules)).scrub(text)


@functools.cache
def default_scrubber() -> Scrubber:
    """
    Make the scrubber of all packs, once.
    """
    return Scrubber()


@functools.lru_cache(maxsize=16)
def _of(rules: tuple[Rule, ...]) -> Scrubber:
    return _OfRules(rules)


def _class_of(error: Exception) -> str:
    """
    Name a class as code does; one that was made of data has no such name.
    """
    name = type(error).__name__
    return name if name.isidentifier() and len(name) <= 64 else "an exception"


def _checked_engine(engine: Engine) -> Engine:
    if engine not in get_args(Engine):
        msg = "`engine` must be 'auto', 're' or 're2'"
        raise ValueError(msg)
    if engine == "re2":
        _re2.need()
    return engine


def _check_rules(rules: Sequence[Rule]) -> None:
    names: set[str] = set()
    for rule in rules:
        check_rule(rule)
        if rule.name in names:
            msg = f"rule {rule.name!r}: another rule has this name"
            raise ValueError(msg)
        names.add(rule.name)


def _cut(head: str) -> str:
    """
    Cut off the last word, and the figures before it.
    """
    words = head.rsplit(None, 1)
    return words[0].rstrip(_PART_OF_NUMBER) if len(words) == 2 else ""


def _replaced(text: str, found: list[Found], tail: str = "") -> Scrubbed:
    """
    Put marks in the places of what was found.

    What overlaps is one span, with the type of the first rule.
    """
    if not found:
        return Scrubbed(text + tail, (), cut=bool(tail))
    found.sort()
    spans: list[Span] = []
    kept, at = "", 0
    start, end, rank, kind, mark = found[0]
    for item in found[1:]:
        if item[0] < end:
            rank, kind, mark = min((rank, kind, mark), item[2:])
            end = max(end, item[1])
            continue
        spans.append(_make(Span, (start, end, kind)))
        kept += text[at:start] + mark
        at = end
        start, end, rank, kind, mark = item
    spans.append(_make(Span, (start, end, kind)))
    kept += f"{text[at:start]}{mark}{text[end:]}{tail}"
    return _make(Scrubbed, (kept, tuple(spans), False, bool(tail), ""))
