# SPDX-License-Identifier: MIT

"""
The command line and what the documentation says of it agree.
"""

from __future__ import annotations

import argparse
import re
import shlex

from collections.abc import Iterator
from pathlib import Path

import pytest

from consentkit.cli import make_parser
from tests.docs.blocks import DOCS, blocks_of, commands_of


ROOT = DOCS.parent

#: Ends what is one command for the shell.
_STOPS = {"|", "||", "&&", ";", "&", ">", ">>", "<"}


def _shown() -> Iterator[tuple[str, list[str]]]:
    """
    Give every call of consentkit that a page shows, with its place.
    """
    for path in sorted([*DOCS.rglob("*.md"), ROOT / "README.md"]):
        for block in blocks_of(path, root=ROOT):
            if block.language not in {"console", "sh"}:
                continue
            lines = [c.text for c in commands_of(block)]
            for line in lines or block.text.splitlines():
                for call in _calls(line):
                    yield f"{block}", call


def _calls(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in _STOPS:
            if words and Path(words[0]).name == "consentkit":
                yield words[1:]
            words = []
        elif words or "=" not in word:  # before a command: a variable
            words.append(word)


def _commands(
    parser: argparse.ArgumentParser,
) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield inner
                yield from _commands(inner)


#: By what is called, the last place that shows it.
_SHOWN = {tuple(call): place for place, call in _shown()}


class TestShownCalls:
    """
    Calls of ``consentkit`` on the pages and in the README.
    """

    @pytest.mark.parametrize(
        "call", [pytest.param(call, id=" ".join(call)) for call in _SHOWN]
    )
    def test_call(self, call: tuple[str, ...]) -> None:
        """
        Each call that is shown is one that the parser takes.
        """
        try:
            arguments = make_parser().parse_args(call)
        except SystemExit:
            pytest.fail(f"{_SHOWN[call]}: consentkit {shlex.join(call)}")

        assert callable(arguments.run)

    def test_some(self) -> None:
        """
        There are calls to look at.
        """
        assert len(_SHOWN) > 5


class TestHelp:
    """
    The texts that the reference is written out of.
    """

    @pytest.mark.parametrize(
        "parser",
        [pytest.param(p, id=p.prog) for p in _commands(make_parser())],
    )
    def test_help(self, parser: argparse.ArgumentParser) -> None:
        """
        Each command says what it does, and each option what it is for.
        """
        said = parser.format_help()

        assert said.startswith("usage: ")
        assert parser.description or "ACTION" in said
        for action in parser._actions:
            if action.option_strings:
                assert action.help, action.option_strings

    def test_exit_codes(self) -> None:
        """
        Program and reference name the same exit codes.
        """
        page = (DOCS / "reference" / "cli.md").read_text("utf-8")
        in_page = re.findall(r"^\| (\d) \|", page, re.MULTILINE)
        in_help = re.findall(
            r"^  (\d)  ", make_parser().format_help(), re.MULTILINE
        )

        assert in_page == in_help == ["0", "1", "2"]
