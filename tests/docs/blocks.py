# SPDX-License-Identifier: MIT

"""
Fenced blocks of a page of the documentation, and running them for real.

What a block is for is said by its language:

- with ``:caption: NAME`` it is a file of that name, whatever the language;
- ``console``: lines after ``$`` are run by a shell, the others are compared
  with what it prints. A command that ends in ``&`` goes on in the background;
- ``pycon``: is run as a doctest, in one namespace for the whole page;
- ``python``: has to compile;
- ``toml`` and ``json``: have to parse.

Other blocks are for reading. In what is expected, ``...`` stands for
anything within a line, and a line of ``...`` alone for any lines.

All blocks of a page share one folder, which begins empty.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attrs import field, frozen

from consentkit.kit import Kit


__all__ = ["DOCS", "Block", "Page", "blocks_of", "commands_of"]

DOCS = Path(__file__).parents[2] / "docs"

_FENCE = re.compile(r"(?P<fence>`{3,})(?P<info>.*)")
_OPTION = re.compile(r":(?P<name>[a-z-]+):\s*(?P<value>.*)")
_SECONDS = 180
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@frozen(kw_only=True)
class Block:
    """
    One fenced block.

    Attributes:
        language: As it is highlighted.

        name: Its caption, or empty.

        line: Where its text begins, counted from 1.
    """

    page: str
    line: int
    language: str
    text: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(path: Path, *, root: Path = DOCS) -> tuple[Block, ...]:
    """
    Find the fenced blocks of a page, in order.
    """
    page = path.relative_to(root).as_posix()
    return tuple(_blocks(path.read_text("utf-8").splitlines(), page))


def _blocks(lines: list[str], page: str) -> Iterator[Block]:
    number = 0
    while number < len(lines):
        opened = _FENCE.fullmatch(lines[number])
        number += 1
        if opened is None:
            continue
        end = number
        while lines[end].rstrip() != opened["fence"]:
            end += 1
        info = opened["info"].split()
        start, options = number, {}
        if info[:1] == ["{code-block}"]:
            while option := _OPTION.fullmatch(lines[start]):
                options[option["name"]] = option["value"]
                start += 1
            while not lines[start]:
                start += 1
        yield Block(
            page=page,
            line=start + 1,
            language=info[-1] if info else "",
            text="\n".join(lines[start:end]) + "\n",
            name=options.get("caption", ""),
        )
        number = end + 1


@frozen
class _Command:
    """
    A command of a console block, and what it is to print.
    """

    line: int
    text: str
    expected: str


def commands_of(block: Block) -> Iterator[_Command]:
    """
    Split a console block into its commands.
    """
    command, line = "", 0
    output: list[str] = []
    for number, text in enumerate(block.text.splitlines(), block.line):
        if text.startswith("$ "):
            if command:
                yield _Command(line, command, "\n".join(output))
            command, output, line = text[2:], [], number
        elif command.endswith("\\"):
            command = f"{command[:-1]}{text.removeprefix('> ').lstrip()}"
        else:
            output.append(text)
    if command:
        yield _Command(line, command, "\n".join(output))


def _matches(expected: str, got: str) -> bool:
    parts = []
    for line in expected.rstrip().splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            pieces = (re.escape(p) for p in line.rstrip().split("..."))
            parts.append(r"[^\n]*".join(pieces) + r"[ \t]*\n")
    return re.fullmatch("".join(parts), got.rstrip() + "\n") is not None or (
        not expected.strip() and not got.strip()
    )


@frozen
class Page:
    """
    A page that is run in a folder of its own.

    Attributes:
        replace: Texts that are replaced in all blocks, such as a port.
    """

    path: Path
    folder: Path
    replace: Mapping[str, str] = field(factory=dict)
    root: Path = DOCS
    _names: dict[str, Any] = field(factory=lambda: {"__name__": "__page__"})
    _kits: dict[int, Kit] = field(factory=dict)
    _background: list[subprocess.Popen[str]] = field(factory=list)

    def __enter__(self) -> Self:
        self._make_programs()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for kit in self._kits.values():
            kit.close()
        for process in self._background:
            process.terminate()
            process.wait(_SECONDS)
            assert process.stdout is not None
            process.stdout.close()

    def run(self) -> int:
        """
        Run all blocks; give how many there were.

        Raises:
            AssertionError: If one does not do what the page shows.
        """
        blocks = blocks_of(self.path, root=self.root)
        for block in blocks:
            self._run(block)
        return len(blocks)

    def _run(self, block: Block) -> None:
        text = block.text
        for old, new in self.replace.items():
            text = text.replace(old, new)
        if block.name:
            self._write(block.name, text)
        match block.language:
            case "console":
                for command in commands_of(block):
                    self._command(block, command)
            case "pycon":
                self._doctest(block, text)
            case "python":
                compile(text, str(block), "exec")
            case "toml":
                tomllib.loads(text)
            case "json":
                json.loads(text)

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def _doctest(self, block: Block, text: str) -> None:
        test = doctest.DocTestParser().get_doctest(
            text, self._names, str(block), str(block), block.line - 1
        )
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=_FLAGS)
        runner.run(test, out=said.append, clear_globs=False)
        self._names.update(test.globs)
        # A page that reads well closes nothing.
        found = self._names.values()
        self._kits.update({id(x): x for x in found if isinstance(x, Kit)})
        assert not runner.failures, "".join(said)

    def _command(self, block: Block, command: _Command) -> None:
        text, expected = command.text, command.expected
        for old, new in self.replace.items():
            text, expected = text.replace(old, new), expected.replace(old, new)
        where = f"{block.page}:{command.line}: $ {text}"
        if text.endswith(" &"):
            got = self._start(text[:-2], len(expected.splitlines()))
        else:
            done = subprocess.run(
                ["/bin/sh", "-c", text],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                text=True,
                check=False,
            )
            got = done.stdout
        assert _matches(expected, got), (
            f"{where}\n--- the page shows\n{expected}\n--- it prints\n{got}"
        )

    def _start(self, text: str, lines: int) -> str:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {text}"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._background.append(process)
        assert process.stdout is not None
        deadline = time.monotonic() + _SECONDS
        got = ""
        while got.count("\n") < lines and time.monotonic() < deadline:
            line = process.stdout.readline()
            if not line:
                break
            got += line
        return got

    def _environment(self) -> dict[str, str]:
        programs = self.folder.parent / "bin"
        kept = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("COVERAGE_", "LANG", "SYSTEM", "TMP"))
        }
        return kept | {
            "COLUMNS": "80",
            "HOME": str(self.folder.parent / "home"),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "TZ": "UTC",
        }

    def _make_programs(self) -> None:
        """
        Put ``python`` and ``consentkit`` of this very Python on the path.
        """
        programs = self.folder.parent / "bin"
        programs.mkdir(exist_ok=True)
        me = shlex.quote(sys.executable)
        for name, more in (("python", ""), ("consentkit", "-m consentkit")):
            program = programs / name
            program.write_text(f'#!/bin/sh\nexec {me} {more} "$@"\n')
            program.chmod(0o755)
