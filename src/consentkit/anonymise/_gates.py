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

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from . import _re2


__all__ = ["Gated", "make_re2_gate", "make_re_gate"]

#: A letter is an `a`, a digit a 0.
_SHAPE = bytes(
    0x30 if 0x30 <= it < 0x3A else 0x61 if 0x61 <= it < 0x7B else it
    for it in range(256)
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
    Make a gate on the standard library: one search for all words, one for
    the forms of numbers, and a look for what has neither.
    """
    words: _Owners = {}
    forms: _Owners = {}
    looks: dict[Callable[[str], object], set[int]] = {}
    searches: dict[str, Callable[[str], object]] = {}
    always: set[int] = set()
    for at, rule in enumerate(rules):
        for word in rule.words:
            words.setdefault(word, set()).add(at)
        for form in rule.forms:
            forms.setdefault(form, set()).add(at)
        for look in rule.looks:
            looks.setdefault(look, set()).add(at)
        if rule.words or rule.forms or rule.looks:
            continue
        if rule.quick:
            search = searches.setdefault(
                rule.quick, re.compile(rule.quick).search
            )
            looks.setdefault(search, set()).add(at)
        else:
            always.add(at)
    # A letter of ASCII at the beginning lets `re` skip most of a line.
    plain = {it: those for it, those in words.items() if _is_plain(it)}
    others = {it: those for it, those in words.items() if it not in plain}
    wide = tuple(it for it in others.items() if not it[0].isascii())
    signs = tuple(it for it in others.items() if it[0].isascii())
    owners = _with_beginnings(plain)
    find = re.compile(_tree(sorted(plain))).search if plain else None
    nested = _by_core(forms)
    looked = tuple(looks.items())

    def gate(lower: str) -> set[int]:
        opened = always.copy()
        match = find and find(lower)
        while find and match:
            opened |= owners[match[0]]
            # From the next character on: words may overlap.
            match = find(lower, match.start() + 1)
        for sign, those in signs:
            if sign in lower:
                opened |= those
        if not lower.isascii():
            for word, those in wide:
                if word in lower:
                    opened |= those
        if nested:
            shape = lower.encode("utf-8", "replace").translate(_SHAPE)
            for core, inside in nested:
                if core in shape:
                    for has_form, owning in inside:
                        if has_form(shape):
                            opened |= owning
        for look, those in looked:
            if look(lower):
                opened |= those
        return opened

    return gate


def _is_plain(word: str) -> bool:
    return word.isascii() and word[0].isalpha()


#: Who asks for a word or a form.
_Owners = dict[str, set[int]]

#: What forms have in common: without it, none of them need be tried.
_CORES = ("aa00",)

_Search = Callable[[bytes], object]


def _by_core(
    forms: _Owners,
) -> tuple[tuple[bytes, tuple[tuple[_Search, frozenset[int]], ...]], ...]:
    """
    Put the forms below what they have in common, one search for each owner.
    """
    below: dict[str, dict[frozenset[int], list[str]]] = {}
    for form, those in forms.items():
        core = next((core for core in _CORES if core in form), form)
        owners = below.setdefault(core, {})
        owners.setdefault(frozenset(those), []).append(form)
    return tuple(
        (
            core.encode(),
            tuple(
                (_search("|".join(map(re.escape, group))), those)
                for those, group in owners.items()
            ),
        )
        for core, owners in below.items()
    )


def _search(pattern: str) -> _Search:
    return re.compile(pattern.encode()).search


def _with_beginnings(owners: _Owners) -> dict[str, frozenset[int]]:
    """
    Let each word speak for those that it begins with: the longest is found.
    """
    return {
        word: frozenset(
            at
            for other, those in owners.items()
            if word.startswith(other)
            for at in those
        )
        for word in owners
    }


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
