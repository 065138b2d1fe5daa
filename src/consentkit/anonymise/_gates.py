# SPDX-License-Identifier: MIT
"""
Which rules are worth trying on a line: what makes the scrubber fast.

Most lines hold none of the words and forms that most rules need. A gate looks
at a line once and gives the few rules that can find something there. It may
name a rule too many, never one too few: with or without gates, and with
either engine, the spans are the same.
"""

from __future__ import annotations

import itertools
import re

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from . import _re2
from ._looks import AFTER_DIGIT, START, Look


__all__ = ["Gated", "make_re2_gate", "make_re_gate"]

#: A letter is an `a`, a digit a 0, a control character an `H`, and what is
#: not in ASCII, as UTF-8, a `W`.
_SHAPE = b"".join(
    (
        *(b"H" * 9, b"\t\n", b"H" * 21),
        *(bytes(range(0x20, 0x30)), b"0" * 10),
        *(bytes(range(0x3A, 0x61)), b"a" * 26),
        *(bytes(range(0x7B, 0x7F)), b"H", b"W" * 128),
    )
)

#: Given a lower-case line, gives the positions of the rules to try.
Gate = Callable[[str], Collection[int]]


class Gated(Protocol):
    """
    What a gate has to know of a rule.
    """

    @property
    def words(self) -> tuple[str, ...]: ...

    @property
    def quick(self) -> str: ...

    @property
    def forms(self) -> tuple[str, ...]: ...

    @property
    def looks(self) -> tuple[Callable[[str], object], ...]: ...


def make_re2_gate(rules: Sequence[Gated]) -> Gate:
    """
    Make a gate of one RE2 set: one pass over the line, whatever the rules.

    Raises:
        MissingExtraError: If RE2 is not installed.
    """
    match = _re2.make_set([rule.quick for rule in rules])

    def gate(lower: str) -> Collection[int]:
        # Half a surrogate pair cannot be encoded; no gate asks for one.
        return match(lower.encode("utf-8", "replace")) or ()

    return gate


def make_re_gate(rules: Sequence[Gated]) -> Gate:
    """
    Make a gate on the standard library: one search for all words, and looks
    that are asked only where the shape of a line allows for them.
    """
    words = _words(rules)
    find = re.compile(_tree(sorted(words)) if words else "(?!)").search
    looks: dict[tuple[str, bool], dict[str, set[int]]] = {}
    for head, of_shape, pattern, at in _patterns(rules):
        patterns = looks.setdefault((head, of_shape), {})
        patterns.setdefault(pattern, set()).add(at)
    asked = [(*head, *_joined(patterns)) for head, patterns in looks.items()]
    asked += [
        ("", False, look, ((bool, {at}),))
        for at, rule in enumerate(rules)
        for look in rule.looks
        if not isinstance(look, Look)
    ]

    def gate(lower: str) -> set[int]:
        opened: set[int] = set()
        match = find(lower)
        while match:
            start = match.start()
            for at, follows in words[match[0]].items():
                if at not in opened and follows(lower, start):
                    opened.add(at)
            # From the next character on: words may overlap.
            match = find(lower, start + 1)
        shape = _shape(lower)
        for head, of_shape, search, inside in asked:
            if head in shape:
                text = shape if of_shape else lower
                if search(text):
                    for closer, those in inside:
                        if closer(text):
                            opened |= those
        return opened

    return gate


#: Tell what has to follow where a word begins, for the rules that have it.
_Checks = dict[int, Callable[[str, int], object]]

_Search = Callable[[str], object]

#: What forms begin with: one question for many of them.
_CORES = ("000000", "000 000", "aa00", "00-000", ".0000")


def _shape(lower: str) -> str:
    return lower.encode("utf-8", "replace").translate(_SHAPE).decode()


def _is_plain(word: str) -> bool:
    # A letter of ASCII at the beginning lets `re` skip most of a line.
    return word.isascii() and word[0].isalpha()


def _words(rules: Sequence[Gated]) -> dict[str, _Checks]:
    """
    Find the rules of each word and of those that it begins with, for which it
    speaks: the longest is found.
    """
    own: dict[str, _Checks] = {}
    for at, rule in enumerate(rules):
        plain = [word for word in rule.words if _is_plain(word)]
        if plain:
            follows = _follows(rule.quick)
            for word in plain:
                own.setdefault(word, {})[at] = follows
    return {
        word: {
            at: follows
            for other, checks in own.items()
            if word.startswith(other)
            for at, follows in checks.items()
        }
        for word in own
    }


def _follows(quick: str) -> Callable[[str, int], object]:
    for before in (START, AFTER_DIGIT):
        quick = quick.removeprefix(before)
    return re.compile(quick).match


def _patterns(rules: Sequence[Gated]) -> Iterator[tuple[str, bool, str, int]]:
    """
    Give what to look for beside words that begin with a letter.

    Yields:
        A head, which the shape of a line must hold; whether the pattern is
        one of the shape; the pattern; the position of its rule.
    """
    for at, rule in enumerate(rules):
        others = [word for word in rule.words if not _is_plain(word)]
        for word in others:
            # Words of both kinds share a `quick` that is slow to search.
            mixed = len(others) < len(rule.words)
            yield (
                _head(word),
                False,
                re.escape(word) if mixed else rule.quick,
                at,
            )
        for form in rule.forms:
            plain = form.removeprefix("\\")
            cores = [core for core in _CORES if plain.startswith(core)]
            yield cores[0] if cores else form, True, form, at
        for look in rule.looks:
            if isinstance(look, Look):
                for head in look.heads:
                    yield head, False, look.pattern, at
        if not (rule.words or rule.forms or rule.looks):
            yield "", False, rule.quick, at


def _head(word: str) -> str:
    """
    Give the rarest of what the shape of *word* holds.
    """
    shape = _shape(word)
    return next((it for it in shape if it not in "0a :-.,"), shape)


def _joined(
    patterns: dict[str, set[int]],
) -> tuple[_Search, tuple[tuple[_Search, set[int]], ...]]:
    """
    Make one search for all *patterns*, and one for each.
    """
    if len(patterns) == 1:
        [(pattern, those)] = patterns.items()
        return re.compile(pattern).search, ((bool, those),)
    return re.compile("|".join(patterns)).search, tuple(
        (re.compile(it).search, those) for it, those in patterns.items()
    )


def _tree(words: Sequence[str], depth: int = 0) -> str:
    """
    Make a pattern that branches letter by letter, the longest word first:
    `re` leaves it soon.
    """
    branches = []
    for letter, group in itertools.groupby(
        (word for word in words if len(word) > depth), lambda it: it[depth]
    ):
        inside = list(group)
        longer = [word for word in inside if len(word) > depth + 1]
        branch = re.escape(letter)
        if longer:
            rest = _tree(longer, depth + 1)
            is_word = len(longer) < len(inside)
            branch += f"(?:{rest})?" if is_word else f"(?:{rest})"
        branches.append(branch)
    return "|".join(branches)
