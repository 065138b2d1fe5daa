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
import unicodedata

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from attrs import Factory, define

from consentkit.anonymise.rulefile import read_rules
from consentkit.anonymise.scrub import (
    DROPPED,
    LIMIT_CHARACTERS,
    PACKS,
    Rule,
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

#: A text in UTF-8 may hold so many bytes that are none, and more of them if
#: they are less than a fifth.
_FEW_ERRORS: Final = 8

#: Why a line was dropped that no rule dropped.
_NUL: Final = "it holds a NUL"

#: Seconds between two lines of progress, and before the first.
_PROGRESS_SECONDS: Final = 0.5

_KEY_BEGINS = re.compile(
    r"---- ?begin [a-z0-9 ]{0,30}private key(?: block)? ?----", re.IGNORECASE
)
_KEY_ENDS = re.compile(
    r"---- ?end [a-z0-9 ]{0,30}private key(?: block)? ?----", re.IGNORECASE
)

_LONG_WORD = re.compile(r"[A-Za-z0-9+/]{32,}")
_RUN = re.compile("[a-z]+|[A-Z]+|[0-9]+|[+/]+")

_AFTER_WORD = r"(?:\\[nr]|[\"',;+)\]}\s]){0,8}\Z"

#: What else is a line of a private key: its last one, or a header.
_OF_KEY = re.compile(
    rf"[A-Za-z0-9+/]{{2}}={{1,2}}{_AFTER_WORD}"
    r"|^\s*=?[A-Za-z0-9+/]{2,}={0,2}\s*\Z"
    r"|(?:Proc-Type|DEK-Info|Version|Comment|Subject|Hash): "
)
_SHORT_WORD = re.compile(rf"[A-Za-z0-9+/]{{1,31}}{_AFTER_WORD}")

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
        action="append",
        default=[],
        metavar="FILE",
        help="rules of your own, as tables [[rules]] of TOML; may be repeated, "
        "and all of them hold",
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
        help="of the input (default: UTF-8, or UTF-16 and UTF-32 where it "
        "looks so)",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.encoding:
        _check_encoding(arguments.encoding)
    scrubber = Scrubber(
        packs=arguments.pack or tuple(PACKS),
        rules=_rules_of(arguments.rules),
        engine=arguments.engine,
    )
    write = _write_json if arguments.json else _write_text
    lines = _Lines(scrubber)
    with _opened(arguments.file) as (stream, size):
        if size is None and isinstance(sys.stdout, io.TextIOWrapper):
            # Who follows a log wants each line at once.
            sys.stdout.reconfigure(line_buffering=True)
        progress = _Progress(size)
        where = "standard input" if arguments.file == "-" else arguments.file
        for line in _read(stream, arguments.encoding, where):
            write(lines.scrub(line), line)
            progress.add(line, lines)
        progress.end()
    if lines.dropped:
        warn(_told(lines.dropped))
    return 1 if lines.dropped else 0


def _told(dropped: Counter[str]) -> str:
    """
    Say how many lines were dropped, and why.
    """
    many = dropped.total()
    was = "was" if many == 1 else "were"
    why = "; ".join(
        f"{count(number, 'line')}: {reason}"
        for reason, number in dropped.most_common()
    )
    return f"{count(many, 'line')} could not be scrubbed and {was} dropped ({why})"


def _rules_of(paths: Sequence[Path]) -> tuple[Rule, ...]:
    """
    Read the rules of all files.

    Raises:
        ValueError: If a file is wrong, or two of them have a rule of one
            name; all faults of all files are told.
    """
    made: list[Rule] = []
    faults: list[str] = []
    owners: dict[str, Path] = {}
    for path in paths:
        rules, fault = _rules_in(path)
        faults += [f"{path}: {fault}"] * bool(fault)
        for at, rule in enumerate(rules):
            owner = owners.setdefault(rule.name, path)
            if owner is not path:
                faults.append(
                    f"{path}: $.rules[{at}].name (rule {rule.name!r}): "
                    f"{owner} has a rule of this name; give it another"
                )
        made += rules
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(made)


def _rules_in(path: Path) -> tuple[tuple[Rule, ...], str]:
    """
    Give the rules of a file, or what is wrong with it.
    """
    fault = unreadable(path)
    if not fault:
        try:
            return read_rules(path.read_text(encoding="utf-8")), ""
        except UnicodeDecodeError:
            fault = "it is not in UTF-8"
        except ValueError as error:
            fault = str(error)
    return (), fault


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


def _read(
    stream: BinaryIO, encoding: str | None, where: str
) -> Iterator[_Line]:
    """
    Read lines of any length in bounded memory.

    Raises:
        ValueError: If its encoding has to be named.
    """
    buffered = (
        stream
        if isinstance(stream, io.BufferedReader)
        else io.BufferedReader(stream)  # type: ignore[type-var]
    )
    head = buffered.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    name = _encoding_of(head, encoding, where)
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


_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_CONTROLS: Final = bytes({*range(0x20)} - {*b"\t\n\r\x1b"})

#: In this order: text in UTF-32 can be read as UTF-16 with zeros.
_WITHOUT_MARK: Final = (
    ("utf-32", ("utf-32-le", "utf-32-be")),
    ("utf-16", ("utf-16-le", "utf-16-be")),
)


def _encoding_of(head: bytes, wanted: str | None, where: str) -> str:
    """
    Tell the encoding of a text by how it begins.

    Args:
        head: Its first bytes.

        wanted: What the caller named.

        where: Names the text in errors.

    Raises:
        ValueError: If it is not what was named, or nobody can tell: text
            that is read in a wrong encoding has no form that a rule knows.
    """
    mark = next((name for it, name in _MARKS if head.startswith(it)), None)
    if wanted is not None:
        family = codecs.lookup(wanted).name
        if family not in dict(_WITHOUT_MARK) or mark == family:
            return wanted
        found = _by_zeros(head, family)
        if found is None and head:
            msg = (
                f"{where}: no mark tells the order of the bytes; name it with "
                f"--encoding {family}-le or --encoding {family}-be"
            )
            raise ValueError(msg)
        return found or wanted
    found = mark or _by_zeros(head)
    if found is None and _is_no_utf8(head):
        msg = (
            f"{where}: it is neither in UTF-8 nor in UTF-16 or UTF-32; name "
            "its encoding, as in --encoding gbk or --encoding latin-1"
        )
        raise ValueError(msg)
    return found or "utf-8"


def _by_zeros(head: bytes, *families: str) -> str | None:
    """
    Tell UTF-16 and UTF-32 without a mark: text in them has zeros.
    """
    # A text in UTF-8 may hold a few: such lines are dropped. Of what is not
    # in ASCII, the other half of each letter is mostly no text at all.
    odd = len(head.translate(None, _CONTROLS)) * 10 <= len(head) * 9
    if not (families or odd or _errors_of(head, b"\0")):
        return None
    for family, names in _WITHOUT_MARK:
        if families and family not in families:
            continue
        plain = {name: _plain_letters(head, name) for name in names}
        best = max(plain, key=lambda name: plain[name])
        if 0 < plain[best] > min(plain.values()):
            return best
    return None


def _plain_letters(head: bytes, name: str) -> int:
    """
    Count the letters of ASCII in *head*; 0 if it is no text in that encoding.
    """
    try:
        text = codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return 0
    odd = sum(
        unicodedata.category(it) in {"Cc", "Cn", "Co"}
        and it not in "\t\n\r\x1b"
        for it in text
    )
    # Two letters of ASCII make one of Chinese.
    pairs = sum(
        0x20 <= a < 0x7F and 0x20 <= b < 0x7F
        for a, b in zip(head[::2], head[1::2], strict=False)
    )
    if odd * 10 > len(text) or pairs * 2 > len(text):
        return 0
    return sum(" " <= it <= "~" or it in "\t\n\r" for it in text)


def _errors_of(head: bytes, passed_over: bytes = b"") -> int:
    """
    Count what is no UTF-8 in *head*, but for a letter cut at its end.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(head.translate(None, passed_over)).count("\ufffd")


def _is_no_utf8(head: bytes) -> bool:
    errors = _errors_of(head)
    return errors >= _FEW_ERRORS and errors * 5 >= len(head)


@define
class _Lines:
    """
    Scrubs line by line, and knows what goes over several of them.

    Attributes:
        found: Spans so far.

        dropped: Lines that could not be scrubbed, by reason.
    """

    scrubber: Scrubber
    found: int = 0
    dropped: Counter[str] = Factory(Counter)
    _key_lines: int = 0
    _others: int = 0
    _before: str | None = None

    def scrub(self, line: _Line) -> Scrubbed:
        """
        Scrub one line.
        """
        made = self._scrub(line)
        self.found += len(made.spans)
        if made.dropped:
            self.dropped[made.reason] += 1
        return made

    def _scrub(self, line: _Line) -> Scrubbed:
        text = line.text
        if "\0" in text:
            return Scrubbed(DROPPED, (), dropped=True, reason=_NUL)
        if self._key_lines:
            self._key_lines -= 1
            is_end = bool(_KEY_ENDS.search(text))
            if is_end or self._is_of_key(text):
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
            self._before = None
        # Of a line that goes on, more than the limit was read.
        return self.scrubber.scrub(text)

    def _is_of_key(self, text: str) -> bool:
        """
        Tell whether *text* is one more line of a private key.
        """
        for word in _LONG_WORD.finditer(text):
            if _is_drawn(word[0]):
                self._before = _figureless(text[: word.start()])
                return True
        if _OF_KEY.search(text):
            return True
        # The last line of a key, where the log writes the same before each.
        before = self._before
        return (
            before is not None
            and _SHORT_WORD.match(text, len(before)) is not None
            and _figureless(text[: len(before)]) == before
        )


def _is_drawn(word: str) -> bool:
    """
    Tell whether a long word can be of a key: in names and paths, what follows
    is more often of one kind, and there are seldom figures; digits of base 16
    are of one case.
    """
    if word in {word.lower(), word.upper()}:
        return False
    share = len(_RUN.findall(word)) / len(word)
    return share >= (0.34 if re.search("[0-9]", word) else 0.5)


def _figureless(text: str) -> str:
    # Times and numbers of processes differ from line to line.
    return re.sub("[0-9]", "0", text)


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
        told["reason"] = made.reason
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
