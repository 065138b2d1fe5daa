# SPDX-License-Identifier: MIT
"""
``consentkit scrub``: personal data taken out of a file or a stream of lines.
"""

from __future__ import annotations

import argparse
import codecs
import io
import json
import os
import re
import sys
import textwrap
import time

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from attrs import define

from consentkit.anonymise.rulefile import read_rules
from consentkit.anonymise.scrub import (
    DROPPED,
    LIMIT_CHARACTERS,
    PACKS,
    Scrubbed,
    Scrubber,
    Span,
)
from consentkit.cli._common import count, unreadable, warn


__all__ = ["add_parser"]

_PACKS = "\n".join(
    textwrap.fill(
        f"{name:14} {pack.about}",
        width=78,
        initial_indent="  ",
        subsequent_indent=" " * 17,
    )
    for name, pack in PACKS.items()
)

_EPILOG = f"""\
packs:
{_PACKS}

Only the first {LIMIT_CHARACTERS:,} characters of a line are scrubbed and kept; the
rest of it is dropped and '<CUT>' stands there. A line that holds a NUL is
dropped whole. Names of people, addresses in words and secrets without a name
beside them have no form: they stay.

exit codes:
  0  every line was scrubbed
  1  some lines were dropped, as they could not be
  2  bad usage or input
"""

#: Characters that are read of a line at once; the rest is dropped unread.
_READ_CHARACTERS: Final = LIMIT_CHARACTERS + 2

#: Bytes looked at to tell in which encoding a text is.
_HEAD_BYTES: Final = 4096

#: Seconds between two lines of progress, and before the first.
_PROGRESS_SECONDS: Final = 0.5

_KEY_BEGINS = re.compile(
    r"---- ?begin [a-z0-9 ]{0,30}private key(?: block)? ?----", re.IGNORECASE
)
_KEY_ENDS = re.compile(
    r"---- ?end [a-z0-9 ]{0,30}private key(?: block)? ?----", re.IGNORECASE
)

#: What lines of a private key hold: letters as of base64 or a header.
_OF_KEY = re.compile(
    r"[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{2}={1,2}\s*\Z"
    r"|^\s*=?[A-Za-z0-9+/]{2,}={0,2}\s*\Z"
    r"|(?:Proc-Type|DEK-Info|Version|Comment|Subject|Hash): "
)

#: A private key has no more lines, and no more others between them.
_KEY_LINES: Final = 500
_OTHER_LINES: Final = 3


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    parser = commands.add_parser(
        "scrub",
        help="take personal data out of a file or a stream of lines",
        description="Replace the personal data in each line by its type.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="text to read; '-' or nothing is the standard input",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: text, and spans with start, end "
        "(characters of the line that was read) and type",
    )
    parser.add_argument(
        "--pack",
        action="append",
        choices=list(PACKS),
        metavar="PACK",
        help="rules to use, may be repeated (default: all packs)",
    )
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="FILE",
        help="rules of your own, as tables [[rules]] of TOML",
    )
    parser.add_argument(
        "--engine",
        choices=["re", "re2", "auto"],
        default="auto",
        help="what chooses the rules for a line; the spans are the same "
        "(default: auto, RE2 where it is installed)",
    )
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="of the input (default: UTF-8, or UTF-16 where it looks so)",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.encoding:
        _check_encoding(arguments.encoding)
    rules = ()
    if arguments.rules:
        problem = unreadable(arguments.rules)
        if problem:
            msg = f"{arguments.rules}: {problem}"
            raise ValueError(msg)
        rules = _rules_of(arguments.rules)
    scrubber = Scrubber(
        packs=arguments.pack or tuple(PACKS),
        rules=rules,
        engine=arguments.engine,
    )
    write = _write_json if arguments.json else _write_text
    lines = _Lines(scrubber)
    with _opened(arguments.file) as (stream, size):
        if size is None and isinstance(sys.stdout, io.TextIOWrapper):
            # Who follows a log wants each line at once.
            sys.stdout.reconfigure(line_buffering=True)
        progress = _Progress(size)
        for line in _read(stream, arguments.encoding):
            write(lines.scrub(line), line)
            progress.add(line, lines)
        progress.end()
    if lines.dropped:
        many = count(lines.dropped, "line")
        warn(f"{many} could not be scrubbed and {_was(lines.dropped)} dropped")
    return 1 if lines.dropped else 0


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _rules_of(path: Path) -> tuple:  # type: ignore[type-arg]
    try:
        return read_rules(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        msg = f"{path}: it is not in UTF-8"
    except ValueError as error:
        msg = f"{path}: {error}"
    raise ValueError(msg)


def _check_encoding(name: str) -> None:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except LookupError:
        msg = f"--encoding {name}: Python knows no such encoding of text"
    else:
        return
    raise ValueError(msg)


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """
    Open what is to be read, and give its size in bytes if it has one.
    """
    if name == "-":
        if sys.stdin is None:
            msg = "the standard input is closed; name a file"
            raise ValueError(msg)
        yield sys.stdin.buffer, None
        return
    path = Path(name)
    problem = unreadable(path)
    if problem:
        msg = f"{path}: {problem}"
        raise ValueError(msg)
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        yield stream, size or None


@define
class _Line:
    """
    A line that was read: as much of it as is scrubbed.
    """

    text: str
    end: str
    size: int
    is_long: bool = False


def _read(stream: BinaryIO, encoding: str | None) -> Iterator[_Line]:
    """
    Read lines of any length in bounded memory.
    """
    buffered = (
        stream
        if isinstance(stream, io.BufferedReader)
        else io.BufferedReader(stream)  # type: ignore[type-var]
    )
    name = encoding or _encoding_of(buffered.peek(_HEAD_BYTES)[:_HEAD_BYTES])
    text = io.TextIOWrapper(
        buffered, encoding=name, errors="replace", newline="\n"
    )
    try:
        while part := text.readline(_READ_CHARACTERS):
            line, size, tail = part, len(part), part[-2:]
            is_long = False
            while part and not part.endswith("\n"):
                # The rest of a line that is too long, or the end of all.
                part = text.readline(_READ_CHARACTERS)
                size += len(part)
                tail = (tail + part)[-2:]
                is_long = is_long or bool(part.rstrip("\r\n"))
            end = "\r\n" if tail == "\r\n" else "\n" * tail.endswith("\n")
            body = line.removesuffix("\n")
            if end == "\r\n" and not is_long:
                body = body.removesuffix("\r")
            yield _Line(body, end, size, is_long)
    finally:
        text.detach()


def _encoding_of(head: bytes) -> str:
    """
    Tell UTF-16 and UTF-32 by their mark or their zeros; else it is UTF-8.
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    half = len(head) // 2
    if half >= 4:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if odd * 10 >= half * 4 and even * 10 < half:
            return "utf-16-le"
        if even * 10 >= half * 4 and odd * 10 < half:
            return "utf-16-be"
    return "utf-8"


@define
class _Lines:
    """
    Scrubs line by line, and knows what goes over several of them.

    Attributes:
        found: Spans so far.

        dropped: Lines that could not be scrubbed.
    """

    scrubber: Scrubber
    found: int = 0
    dropped: int = 0
    _key_lines: int = 0
    _others: int = 0

    def scrub(self, line: _Line) -> Scrubbed:
        """
        Scrub one line.
        """
        made = self._scrub(line)
        self.found += len(made.spans)
        self.dropped += made.dropped
        return made

    def _scrub(self, line: _Line) -> Scrubbed:
        text = line.text
        if "\0" in text:
            return Scrubbed(DROPPED, (), dropped=True)
        if self._key_lines:
            self._key_lines -= 1
            is_end = bool(_KEY_ENDS.search(text))
            if is_end or _OF_KEY.search(text):
                self._key_lines *= not is_end
                self._others = 0
                span = Span(0, len(text), "SECRET_VALUE")
                return Scrubbed("<SECRET_VALUE>", (span,), cut=line.is_long)
            # A line of the log: a mark may stand there without a key.
            self._others += bool(text.strip())
            if self._others >= _OTHER_LINES:
                self._key_lines = 0
        begins = [*_KEY_BEGINS.finditer(text)] if "----" in text else []
        if (
            begins
            and not _KEY_ENDS.search(text, begins[-1].end())
            and any(it.type == "SECRET_VALUE" for it in self.scrubber.rules)
        ):
            self._key_lines, self._others = _KEY_LINES, 0
        # Of a line that goes on, more than the limit was read.
        return self.scrubber.scrub(text)


def _write_text(made: Scrubbed, line: _Line) -> None:
    sys.stdout.write(made.text + line.end)


def _write_json(made: Scrubbed, _: _Line) -> None:
    told: dict[str, object] = {
        "text": made.text,
        "spans": [
            {"start": it.start, "end": it.end, "type": it.type}
            for it in made.spans
        ],
    }
    if made.cut:
        told["cut"] = True
    if made.dropped:
        told["dropped"] = True
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    is_wide = encoding == "utf8"
    sys.stdout.write(f"{json.dumps(told, ensure_ascii=not is_wide)}\n")


class _Progress:
    """
    Tells how far it is, on a terminal that shows nothing else meanwhile.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._on = sys.stderr.isatty() and not sys.stdout.isatty()
        self._next = time.monotonic() + _PROGRESS_SECONDS
        self._lines = 0
        self._characters = 0
        self._shown = False

    def add(self, line: _Line, lines: _Lines) -> None:
        """
        Count a line, and tell if it is time to.
        """
        if not self._on:
            return
        self._lines += 1
        self._characters += line.size
        if self._lines % 256 == 0 and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PROGRESS_SECONDS
            self._tell(lines)

    def _tell(self, lines: _Lines) -> None:
        part = ""
        if self._size:
            # Characters are at most as many as bytes.
            part = f"{min(99, 100 * self._characters // self._size)} %, "
        sys.stderr.write(
            f"\r{part}{self._lines:,} lines, {lines.found:,} found\x1b[K"
        )
        sys.stderr.flush()
        self._shown = True

    def end(self) -> None:
        """
        Take the line away.
        """
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
