# SPDX-License-Identifier: MIT
"""
The system's journal: the lines of the app's own service, by ``journalctl``.

A journal holds what every program of the machine wrote. So a source names
one service, or is the one that systemd started this app as; and nothing from
before the consent is read.

Where reading ended is kept in a file beside the other data, for as long as
the consent lasts.

Obligation: WP-LOG-1 (free text is redacted before it is stored).

Source: ``journalctl(1)``, ``systemd.journal-fields(7)``, and the JSON of
systemd's `Journal Export Formats
<https://systemd.io/JOURNAL_EXPORT_FORMATS/>`__. Times are seconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import selectors
import shutil
import signal
import subprocess
import time

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, evolve, field, frozen

from consentkit._sqlite import make_private_folder
from consentkit.collectors._declared import check_declared
from consentkit.collectors.logs import LogKeeper
from consentkit.collectors.source import Source, Unavailable
from consentkit.consent._stops import Stop, lost_permissions, stops
from consentkit.exceptions import ConsentKitError, StoreError
from consentkit.gate import Permit, Reason, Refusal


if TYPE_CHECKING:
    from consentkit.kit import Kit


__all__ = [
    "JournalCapture",
    "JournalCounts",
    "JournalLine",
    "JournalLines",
    "JournalSource",
]

_TYPES: Final = (
    "service_log",
    "operation_log",
    "failure_info",
    "diagnostics_log",
)

# All that journalctl gets of the app's environment.
_VARIABLES: Final = ("HOME", "PATH", "XDG_RUNTIME_DIR")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]{0,254}")
_INVOCATION: Final = re.compile(r"[0-9a-f]{32}")
_CURSOR: Final = re.compile(r"[0-9a-z=;]{1,300}")
_CURSOR_IN_LINE: Final = re.compile(rb'"__CURSOR":"([0-9a-z=;]{1,300})"')

# Later the ledger tells from when to when it was so; or only the reading was
# stopped, and not the collection.
_TOLD_LATER: Final = frozenset(
    {
        Reason.CLOSED,
        Reason.LEDGER_UNREADABLE,
        Reason.PAUSED,
        Reason.TOO_OFTEN,
    }
)

# Bounds of one read.
_MOST_BYTES: Final = 16 * 1024 * 1024
_LONGEST_LINE_BYTES: Final = 262_144
_MOST_DROPPED: Final = 100_000

# Priorities of syslog (RFC 5424, 6.2.1) as Python calls them.
_LEVELS: Final = (
    *("CRITICAL", "CRITICAL", "CRITICAL", "ERROR"),
    *("WARNING", "INFO", "INFO", "DEBUG"),
)


@frozen(kw_only=True)
class JournalLine:
    """
    One line of the journal, as it was written.

    Attributes:
        message: Its text.

        level: How grave it is, in the words of `logging`.

        identifier: What its program calls itself.

        cursor: Where it stands.

        at_seconds: When the journal got it, in seconds since 1970.
    """

    message: str = field(repr=False)
    level: str
    identifier: str = field(repr=False)
    cursor: str
    at_seconds: float


@frozen(kw_only=True)
class JournalLines:
    """
    What one read gave.

    Attributes:
        lines: The lines, the oldest first.

        dropped: How many had no text, one in another encoding than UTF-8,
            or one of more than 4,096 bytes.

        cursor: Behind all that was read; empty if that was nothing.

        is_cut: Whether there may be more.
    """

    lines: tuple[JournalLine, ...] = ()
    dropped: int = 0
    cursor: str = ""
    is_cut: bool = False


@frozen(kw_only=True)
class JournalCounts:
    """
    What became of the lines.

    Attributes:
        captured: Kept, scrubbed.

        refused: Dropped, because the function was stopped when they were
            written, or the gate said no in the middle.

        failed: Dropped, because they could not be kept.

        dropped: See `JournalLines`.

        is_cut: Whether there may be more.

        reason: Why nothing was read, if that is so.
    """

    captured: int = 0
    refused: int = 0
    failed: int = 0
    dropped: int = 0
    is_cut: bool = False
    reason: str = ""


class JournalSource(Source[JournalLines]):
    """
    The journal of systemd, of one service only.

    Args:
        unit: The service, such as ``notes.service``. By default the one
            that systemd started this process as.

        user_unit: The same for a service of this user's own manager.

        identifier: What the program calls itself in the journal
            (``SYSLOG_IDENTIFIER``), of this user's programs only. Programs
            choose that freely: prefer a unit.

        files: Journal files to read in place of the machine's.

        most_lines: How many lines one read gives at most.

        deadline_seconds: How long one read may take, all in all.

    Raises:
        ValueError: If more than one service is named, or an argument is out
            of its range.
    """

    id: str = "journal"
    timeout_seconds: float | None = None  # it keeps its own
    name: str = "the journal, by journalctl"
    data_types: frozenset[str] = frozenset(_TYPES)
    touches: str = "the files of the journal, by the program journalctl"
    visible: str = ""
    platforms: frozenset[str] = frozenset({"desktop", "iot"})

    def __init__(
        self,
        *,
        unit: str = "",
        user_unit: str = "",
        identifier: str = "",
        files: Iterable[str | Path] = (),
        most_lines: int = 500,
        deadline_seconds: float = 5.0,
    ) -> None:
        named = {
            "_SYSTEMD_UNIT": unit,
            "_SYSTEMD_USER_UNIT": user_unit,
            "SYSLOG_IDENTIFIER": identifier,
        }
        given = {key: text for key, text in named.items() if text}
        if len(given) > 1:
            msg = "name one of unit, user_unit and identifier"
            raise ValueError(msg)
        if not all(_NAME.fullmatch(text) for text in given.values()):
            msg = "that is no name of a unit or a program"
            raise ValueError(msg)
        if not 0 < deadline_seconds < math.inf or most_lines < 1:
            msg = "deadline_seconds and most_lines must be positive"
            raise ValueError(msg)
        self._match = [f"{key}={text}" for key, text in given.items()]
        if identifier:
            self._match.append(f"_UID={os.getuid()}")
        self._files = [str(Path(file).absolute()) for file in files]
        self._most_lines = most_lines
        self._seconds = deadline_seconds

    @property
    def service(self) -> str:
        """
        What its lines have in common, as ``journalctl`` takes it; empty for
        what systemd started this process as.
        """
        return " ".join(self._match)

    def _matches(self) -> list[str]:
        if self._match:
            return self._match
        # Set by systemd for what it starts; ids of processes come back.
        own = os.environ.get("INVOCATION_ID", "")
        if not _INVOCATION.fullmatch(own):
            return []
        return [f"_SYSTEMD_INVOCATION_ID={own}"]

    def _read(
        self,
        permit: Permit,
        *,
        after: str = "",
        since_seconds: float | None = None,
        **_options: Any,
    ) -> JournalLines | Unavailable:
        """
        Read on.

        Args:
            permit: The gate's yes.

            after: Cursor of the last line that is known.

            since_seconds: Without a cursor, and at the earliest: seconds
                since 1970; by default the time of the consent.
        """
        type_ = permit.clause.type
        matches = self._matches()
        if not matches:
            return Unavailable(type_, "no service was named, and none is ours")
        program = shutil.which("journalctl")
        if program is None:
            return Unavailable(type_, "journalctl is not installed")
        since = _consented_at(permit)
        is_known = _CURSOR.fullmatch(after) is not None
        if since_seconds is not None and not is_known:
            since = max(since, since_seconds)
        command = [
            program,
            *("--output=json", "--no-pager", "--quiet"),
            "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER",
            *(f"--file={file}" for file in self._files),
        ]
        if is_known:
            command.append(f"--after-cursor={after}")
        else:
            command.append(f"--since=@{math.floor(since)}")
        reader = _Reader(self._most_lines, since)
        reason = reader.read([*command, *matches], self._seconds)
        found = reader.result()
        if reason and not found.cursor:
            return Unavailable(type_, reason)
        return evolve(found, is_cut=True) if reason else found


def _consented_at(permit: Permit) -> float:
    """
    Give the time from which on the permit's consent stands.
    """
    times = (entry.at.timestamp() for entry in permit.entries.values())
    return max(times, default=time.time())


class _Reader:
    """
    Reads lines of JSON from ``journalctl``, within bounds.
    """

    def __init__(self, most_lines: int, since: float) -> None:
        self._most = most_lines
        self._since = since
        self._lines: list[JournalLine] = []
        self._dropped = 0
        self._cursor = ""
        self._is_cut = False

    def result(self) -> JournalLines:
        return JournalLines(
            lines=tuple(self._lines),
            dropped=self._dropped,
            cursor=self._cursor,
            is_cut=self._is_cut,
        )

    def read(self, command: list[str], seconds: float) -> str:
        """
        Run *command*, and say why it gave less than all, if it did.
        """
        environ = {k: os.environ[k] for k in _VARIABLES if k in os.environ}
        deadline = time.monotonic() + seconds
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ | {"LC_ALL": "C.UTF-8"},
            start_new_session=True,
        ) as process:
            assert process.stdout is not None  # noqa: S101 - for mypy
            try:
                is_late = self._take_all(process.stdout.fileno(), deadline)
                if is_late:
                    return "journalctl was late"
                if self._is_cut:
                    return ""
                left = max(0.1, deadline - time.monotonic())
                status = process.wait(left)
            except subprocess.TimeoutExpired:
                return "journalctl was late"
            finally:
                # Its group is its own, until it is waited for.
                if process.returncode is None:
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)
        return f"journalctl failed (status {status})" if status else ""

    def _take_all(self, pipe: int, deadline: float) -> bool:
        """
        Take lines until the end, a bound or the deadline; tell if late.
        """
        rest, size, is_skipping = bytearray(), 0, False
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not self._is_cut:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    return True
                piece = os.read(pipe, 65_536)
                if not piece:
                    break
                size += len(piece)
                *whole, last = (bytes(rest) + piece).split(b"\n")
                for line in whole:
                    if is_skipping or len(line) > _LONGEST_LINE_BYTES:
                        self._drop(line)
                        is_skipping = False
                    else:
                        self._take(line)
                    if self._is_full():
                        break
                rest = bytearray(last)
                if len(rest) > _LONGEST_LINE_BYTES:
                    # The end is kept: the cursor may be anywhere.
                    is_skipping, rest = True, rest[-4096:]
                if size > _MOST_BYTES:
                    self._is_cut = True
        return False

    def _is_full(self) -> bool:
        self._is_cut = self._is_cut or (
            len(self._lines) >= self._most or self._dropped >= _MOST_DROPPED
        )
        return self._is_cut

    def _drop(self, line: bytes) -> None:
        self._dropped += 1
        found = _CURSOR_IN_LINE.search(line)
        if found is not None:
            self._cursor = found[1].decode()

    def _take(self, line: bytes) -> None:
        try:
            made = _line(json.loads(line))
        except (ValueError, RecursionError):
            made = None
        if made is None:
            self._drop(line)
            return
        self._cursor = made.cursor
        # The file of a cursor may have been copied from elsewhere.
        if made.at_seconds >= self._since:
            self._lines.append(made)


def _line(raw: Any) -> JournalLine | None:
    """
    Read one entry; ``None`` if it has no text that can be read.
    """
    match raw:
        case {
            "__CURSOR": str(cursor),
            "__REALTIME_TIMESTAMP": str(at),
            "MESSAGE": message,
        } if _CURSOR.fullmatch(cursor) and re.fullmatch("[0-9]{1,18}", at):
            text = _text(message)
        case _:
            return None
    if text is None:
        return None
    priority = raw.get("PRIORITY")
    known = isinstance(priority, str) and re.fullmatch("[0-7]", priority)
    return JournalLine(
        message=text,
        level=_LEVELS[int(priority)] if known else "INFO",
        identifier=_text(raw.get("SYSLOG_IDENTIFIER", "")) or "",
        cursor=cursor,
        at_seconds=int(at) / 1e6,
    )


def _text(value: Any) -> str | None:
    """
    Read a field: a text; the numbers of its bytes, if it is not printable;
    or several of these, if it was written several times.

    Only UTF-8 is read: in another encoding no rule would know a number.
    """
    match value:
        case str():
            return value
        case [int(), *_] if all(
            isinstance(n, int) and 0 <= n < 256 for n in value
        ):
            with suppress(UnicodeDecodeError):
                return bytes(value).decode()
            return None
        case [str() | list(), *_]:
            texts = [_text(one) for one in value if not _is_nested(one)]
            whole = [text for text in texts if text is not None]
            return "\n".join(whole) if len(whole) == len(value) else None
        case _:
            return None


def _is_nested(value: object) -> bool:
    return isinstance(value, list) and any(
        isinstance(one, list) for one in value
    )


@frozen(kw_only=True)
class _Place:
    """
    Where reading ended.

    Attributes:
        grant: The consent under which it was read.

        cursor: Behind the last line; empty if there is none.

        at_seconds: Time of the last line.

        floor_seconds: What is older is not kept.

        seq: Number of the newest choice that was known then.

        is_doubtful: Whether it was stopped since, nobody knows how long.
    """

    grant: str
    cursor: str = ""
    at_seconds: float | None = None
    floor_seconds: float = 0.0
    seq: int = 0
    is_doubtful: bool = False


class JournalCapture:
    """
    Captures lines of the journal, when told to, while that is permitted.

    Made by ``kit.journal()``. Each line is scrubbed like a line of
    `consentkit.collectors.logs.LogHandler`. What was written before the
    consent is never read, also after a withdrawal and a new consent. What was
    written while the function was stopped is passed over.

    Args:
        kit: The app's kit.

        function: The function of the policy that it collects for.

        source: Where the lines come from; by default the service that
            systemd started this process as.

        purpose: Why; by default the first purpose of the data type.

        data_type: What the policy calls it.

    Raises:
        ValueError: If the policy has no such function, or it does not
            collect *data_type*.
    """

    def __init__(
        self,
        kit: Kit,
        function: str,
        *,
        source: JournalSource | None = None,
        purpose: str | None = None,
        data_type: str = "service_log",
    ) -> None:
        check_declared(kit.policy, function, data_type)
        self._kit = kit
        self._function = function
        self._source = JournalSource() if source is None else source
        self._purpose = purpose
        self._data_type = data_type
        found = kit.policy.functions[function]
        recipient = found.clauses[data_type].recipients[0]
        self._elements = found.needs(data_type, recipient)
        # Two of one function may read two services.
        what = json.dumps([data_type, purpose, self._source.service])
        tag = hashlib.sha256(what.encode()).hexdigest()[:16]
        self._file = kit.data_dir / "journal" / f"{function}.{tag}.json"

    def __repr__(self) -> str:
        return f"<JournalCapture for {self._function}>"

    def capture(self) -> JournalCounts:
        """
        Read on from where the last call ended, and capture.

        It blocks for as long as the source's deadline, and as the disk
        takes. It raises nothing for what journal and disk do.
        """
        with self._kit.use(self._function, purpose=self._purpose) as use:
            permit = use.permit(self._data_type)
            if isinstance(permit, Refusal):
                self._stop(permit)
                return JournalCounts(reason=f"refused: {permit.reason.value}")
            try:
                place, _ = self._begin(permit)
                got = self._read(permit, place)
                # It may have been stopped while it was read.
                place, times = self._begin(permit)
            except StoreError:
                reason = Reason.LEDGER_UNREADABLE.value
                return JournalCounts(reason=f"refused: {reason}")
        if isinstance(got, Unavailable):
            return JournalCounts(reason=got.reason)
        return self._keep(got, place, times)

    def _begin(self, permit: Permit) -> tuple[_Place, tuple[Stop, ...]]:
        """
        Give where to read on, and when nothing was to be collected.

        Where it was stopped, and nobody knows for how long, that is now.
        """
        entries = self._kit.consent.history()
        times = stops(entries, self._kit.policy.id, self._elements)
        known = self._known()
        if known is not None and known.grant == permit.grant:
            place = known
        else:
            first = max(entry.seq for entry in permit.entries.values())
            place = _Place(grant=permit.grant, seq=first)
        news = [entry for entry in entries if entry.seq > place.seq]
        is_doubtful = (
            (known is not None and known.is_doubtful)
            or bool(lost_permissions(news, self._function))
            or any(stop.is_backwards and stop.end in news for stop in times)
        )
        if news:
            place = evolve(place, seq=news[-1].seq)
        if is_doubtful:
            floor = self._kit.now().timestamp()
            place = evolve(place, floor_seconds=floor, is_doubtful=False)
            self._write(place)
        return place, times

    def _read(
        self, permit: Permit, place: _Place
    ) -> JournalLines | Unavailable:
        after = place.cursor
        since = place.floor_seconds
        if place.at_seconds is not None:
            since = max(since, place.at_seconds + 1e-6)  # the last is known
        try:
            got = self._source.read(permit, after=after, since_seconds=since)
            if isinstance(got, Unavailable) and after:
                # The cursor may be one that the journal knows no more.
                got = self._source.read(permit, since_seconds=since)
        except ConsentKitError as error:
            reason = f"the source failed ({type(error).__name__})"
        else:
            return got
        return Unavailable(self._data_type, reason)

    def _keep(
        self, got: JournalLines, place: _Place, times: Sequence[Stop]
    ) -> JournalCounts:
        keeper = LogKeeper(
            self._kit,
            self._function,
            purpose=self._purpose,
            data_type=self._data_type,
        )
        cursor, last, passed = got.cursor, None, 0
        for line in got.lines:
            if _is_stopped(line, place, times):
                passed += 1
            elif keeper.keep(partial(_fields, line)) == "refused":
                cursor = "" if last is None else last.cursor
                break
            last = line
        self._remember(place, cursor, last)
        counts = keeper.counts
        return JournalCounts(
            captured=counts.captured,
            refused=counts.refused + passed,
            failed=counts.failed,
            dropped=got.dropped,
            is_cut=got.is_cut,
        )

    # Where it ended

    def _known(self) -> _Place | None:
        """
        Give where reading ended, if that is known.
        """
        try:
            known = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            known = None
        match known:
            case {
                "grant": str(grant),
                "cursor": str(cursor),
                "at_seconds": None | int() | float() as at,
                "floor_seconds": int() | float() as floor,
                "seq": int(seq),
                "is_doubtful": bool(is_doubtful),
            } if math.isfinite(at or 0) and math.isfinite(floor):
                return _Place(
                    grant=grant,
                    cursor=cursor,
                    at_seconds=at,
                    floor_seconds=floor,
                    seq=seq,
                    is_doubtful=is_doubtful,
                )
            case _:
                return None

    def _remember(
        self, place: _Place, cursor: str, last: JournalLine | None
    ) -> None:
        """
        Write down where reading ended, if the consent still stands.
        """
        if last is not None:
            place = evolve(place, at_seconds=last.at_seconds)
        place = evolve(place, cursor=cursor or place.cursor)
        with self._kit.use(self._function, purpose=self._purpose) as use:
            permit = use.permit(self._data_type)
        if not isinstance(permit, Refusal):
            if permit.grant == place.grant and place.cursor:
                self._write(place)
            return
        if self._may_come_back(permit):
            self._write(place)
        self._stop(permit)

    def _stop(self, refusal: Refusal) -> None:
        """
        Note that it is stopped, if the same consent may hold again.
        """
        if not self._may_come_back(refusal):
            with suppress(OSError):
                self._file.unlink()
        elif refusal.reason not in _TOLD_LATER:
            known = self._known() or _Place(grant="")
            if not known.is_doubtful:
                self._write(evolve(known, is_doubtful=True))

    def _may_come_back(self, refusal: Refusal) -> bool:
        """
        Tell whether what was granted was never taken back.
        """
        if refusal.reason in _TOLD_LATER:
            return True
        state = self._kit.consent.state()
        return bool(state.problem) or (
            refusal.reason is not Reason.EXPIRED
            and all(state.choices[e].grants for e in self._elements)
        )

    def _write(self, place: _Place) -> None:
        with suppress(OSError, ConsentKitError):
            make_private_folder(self._file.parent)
            new = self._file.with_suffix(f".{secrets.token_hex(4)}.new")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(new, flags, 0o600), "w") as file:
                json.dump(asdict(place), file)
            new.replace(self._file)


def _is_stopped(
    line: JournalLine, place: _Place, times: Sequence[Stop]
) -> bool:
    """
    Tell whether *line* is of a time in which nothing was to be collected.
    """
    if line.at_seconds < place.floor_seconds:
        return True
    return any(stop.holds_at(line.at_seconds) for stop in times)


def _fields(line: JournalLine) -> dict[str, Any]:
    return {
        "message": line.message,
        "level": line.level,
        "logger": line.identifier,
    }
