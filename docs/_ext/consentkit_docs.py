# SPDX-License-Identifier: MIT

"""
Directives that write pages out of the package itself.

- ``command-line``: every command with its ``--help``;
- ``data-types``, ``purposes``, ``permissions``, ``bases``, ``modes``: the
  vocabulary as tables;
- ``refusal-reasons``: what a refusal may say.
"""

from __future__ import annotations

import argparse
import os

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def commands_of(
    parser: argparse.ArgumentParser,
) -> Iterator[argparse.ArgumentParser]:
    """
    Give *parser* and all parsers below it.
    """
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse tells nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for inner in action.choices.values():
                yield from commands_of(inner)


class CommandLine(SphinxDirective):
    """
    A section for each command.
    """

    def run(self) -> list[nodes.Node]:
        from consentkit.cli import make_parser

        # argparse fits its help to the terminal, and colours it.
        os.environ["COLUMNS"] = "80"
        os.environ["NO_COLOR"] = "1"
        return [self._section(parser) for parser in commands_of(make_parser())]

    def _section(self, parser: argparse.ArgumentParser) -> nodes.section:
        name = nodes.make_id(parser.prog)
        section = nodes.section(ids=[name], names=[name])
        section += nodes.title("", "", nodes.literal("", parser.prog))
        block = nodes.literal_block(parser.format_help(), parser.format_help())
        block["language"] = "text"
        section += block
        self.state.document.note_explicit_target(section, section)
        return section


class _Table(SphinxDirective):
    """
    A table that is written as Markdown and parsed like the page itself.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.table(self.rows())

    def table(self, rows: Iterable[Sequence[str]]) -> list[nodes.Node]:
        head, *body = rows
        lines = [_line(head), _line(["---"] * len(head)), *map(_line, body)]
        box = nodes.container()
        self.state.nested_parse(StringList(lines, ""), 0, box)
        return box.children


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def _code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words)


class DataTypes(_Table):
    """
    All data types, with a section for each category.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        from consentkit.policy import load_vocabulary

        types = load_vocabulary().data_types.values()
        made: list[nodes.Node] = []
        for category in dict.fromkeys(t.category for t in types):
            title = category.replace("_", " ").capitalize()
            name = nodes.make_id(f"data types {category}")
            section = nodes.section(ids=[name], names=[name])
            section += nodes.title("", title)
            rows = [_type_row(t) for t in types if t.category == category]
            section += self.table([_TYPE_HEAD, *rows])
            self.state.document.note_explicit_target(section, section)
            made.append(section)
        return made


_TYPE_HEAD = ("id", "name", "sensitive by", "may be protected by")


def _type_row(type_: Any) -> Sequence[str]:
    name = type_.name
    if type_.name_zh:
        name += f" ({type_.name_zh})"
    protections = sorted(p.value for p in type_.protections)
    grounds = ", ".join(type_.sensitive_under)
    return _code(type_.id), name, grounds, _code(*protections)


class Purposes(_Table):
    """
    All purposes.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        from consentkit.policy import load_vocabulary

        yield "id", "name", "in fideslang", "in DPV"
        for word in load_vocabulary().purposes.values():
            yield _code(word.id), word.name, word.fideslang, word.dpv


class Permissions(_Table):
    """
    All permissions of operating systems.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        from consentkit.policy import load_vocabulary

        yield "id", "name", "on Android", "on iOS"
        for word in load_vocabulary().permissions.values():
            names = ", ".join(word.android)
            yield _code(word.id), word.name, names, word.ios


class Bases(_Table):
    """
    All lawful bases.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        from consentkit.policy import load_vocabulary

        yield "id", "name", "PIPL", "a policy may name it"
        for word in load_vocabulary().bases.values():
            may = "yes" if word.automatic else "no: a named person decides"
            yield _code(word.id), word.name, word.pipl, may


class Modes(_Table):
    """
    All modes of recipients.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        from consentkit.policy import load_vocabulary

        yield "id", "name", "what it asks for"
        for word in load_vocabulary().modes.values():
            yield _code(word.id), word.name, word.meaning


class RefusalReasons(_Table):
    """
    All reasons of a refusal, in their order.
    """

    def rows(self) -> Iterable[Sequence[str]]:
        from consentkit.gate import _MEANING, Reason

        yield "reason", "in words"
        for reason in Reason:
            yield _code(reason.name), _MEANING[reason]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("command-line", CommandLine)
    app.add_directive("data-types", DataTypes)
    app.add_directive("purposes", Purposes)
    app.add_directive("permissions", Permissions)
    app.add_directive("bases", Bases)
    app.add_directive("modes", Modes)
    app.add_directive("refusal-reasons", RefusalReasons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
