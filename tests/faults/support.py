# SPDX-License-Identifier: MIT
"""
What the fault tests build on: a policy, events, backends and processes.

Programs that a test runs in a fresh process import this module too.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen

import consentkit

from consentkit.outbox.records import Batch, Erasure, Record
from consentkit.policy import Policy, load_policy
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.receiver.store import Store
from consentkit.transports.base import Answer, Outcome, Transport


ROOT = Path(__file__).parents[2]
POLICY = Path(__file__).parent / "policy.toml"
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

_SAID = {
    "stored": Outcome.DELIVERED,
    "duplicate": Outcome.DUPLICATE,
    "rejected": Outcome.REJECTED,
}


@frozen
class Ticked:
    """
    An event of ``stats``.
    """

    n: int
    note: str = ""


@frozen
class Tocked:
    """
    An event of ``health`` and of ``shared``.
    """

    n: int


class Clock:
    """
    Time that passes when told to.
    """

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **delta: float) -> None:
        """
        Let time pass.
        """
        self.now += timedelta(**delta)


@cache
def the_policy() -> Policy:
    """
    Load `POLICY`, once for a process and what it forks.
    """
    return load_policy(POLICY)


def open_kit(
    data_dir: Path | str, *grants: str, **options: Any
) -> consentkit.Kit:
    """
    Open a kit under `POLICY` and grant elements.
    """
    kit = consentkit.open(the_policy(), data_dir=data_dir, **options)
    _opened.append(kit)
    for element in grants:
        kit.consent.show(element)
        kit.consent.grant(element)
    return kit


_opened: list[Any] = []


def close_all() -> None:
    """
    Close what a test has left open.
    """
    while _opened:
        _opened.pop().close()


def tick(kit: consentkit.Kit, *numbers: int, note: str = "") -> list[str]:
    """
    Capture events of ``stats``, and give the ids of what was kept.
    """
    with kit.use("stats") as use:
        made = [use.capture(Ticked(n, note)) for n in numbers]
    return [i for kept in made if kept for i in kept.ids]


def tock(
    kit: consentkit.Kit, *numbers: int, function: str = "health"
) -> list[str]:
    """
    Capture events of ``health`` or ``shared`` likewise.
    """
    with kit.use(function) as use:
        made = [use.capture(Tocked(n)) for n in numbers]
    return [i for kept in made if kept for i in kept.ids]


def number(record: Record) -> int:
    """
    Give the number that a test captured.
    """
    value: Any = record.value
    return int(value["n"])


class Backend(Transport):
    """
    The real receiver's store in one file, without a network between.

    It is for several processes. `before` and `after` are called around the
    moment at which the backend has a batch.
    """

    def __init__(self, path: Path | str) -> None:
        self.name = "backend"
        self._path = Path(path)
        self._store: Store | None = None
        self._pid = 0
        self.sent: list[Batch] = []
        self.asked: list[Erasure] = []
        self.cancelled = 0

    def before(self, batch: Batch) -> None:
        """
        Do nothing.
        """

    def after(self, batch: Batch) -> None:
        """
        Do nothing.
        """

    @property
    def store(self) -> Store:
        """
        What it has.
        """
        if self._store is None or self._pid != os.getpid():
            self._store, self._pid = Store(self._path), os.getpid()
            _opened.append(self._store)
        return self._store

    def _send(self, batch: Batch) -> Answer:
        self.before(batch)
        self.sent.append(batch)
        verdicts = self.store.put(batch, now=START)
        self.after(batch)
        return Answer(
            outcomes={i: _SAID[v.outcome] for i, v in verdicts.items()}
        )

    def _erase(self, erasure: Erasure) -> Answer:
        self.asked.append(erasure)
        self.store.erase(erasure.token, now=START)
        return Answer(outcomes={erasure.id: Outcome.DELIVERED})

    def cancel(self) -> None:
        """
        Count only.
        """
        self.cancelled += 1

    def close(self) -> None:
        """
        Close the store.
        """
        if self._store is not None:
            self._store.close()

    def records(self, function: str | None = None) -> list[Record]:
        """
        Give what it has, in order of arrival.
        """
        return [one.record for one in self.store.records(function)]

    def ids(self, function: str | None = None) -> list[str]:
        """
        Give the ids of what it has.
        """
        return [record.id for record in self.records(function)]


class Scripted(Transport):
    """
    A backend that answers as the test says, and keeps what came.

    Args:
        answer: Gives the outcome for each record, or an answer for all.
    """

    def __init__(self, answer: Any = Outcome.DELIVERED) -> None:
        self.name = "scripted"
        self.answer = answer
        self.batches: list[Batch] = []
        self.asked: list[Erasure] = []
        #: Kinds of what came, in order: ``send`` or ``erase``.
        self.order: list[str] = []
        self.closed = 0

    def _send(self, batch: Batch) -> Answer:
        self.batches.append(batch)
        self.order.append("send")
        said = self.answer(batch) if callable(self.answer) else self.answer
        if isinstance(said, Answer):
            return said
        return Answer(outcomes={r.id: said for r in batch.records})

    def _erase(self, erasure: Erasure) -> Answer:
        self.asked.append(erasure)
        self.order.append("erase")
        said = self.answer(erasure) if callable(self.answer) else self.answer
        if isinstance(said, Answer):
            return said
        return Answer(outcomes={erasure.id: said})

    def close(self) -> None:
        """
        Count.
        """
        self.closed += 1


class Stalling(Backend):
    """
    A backend that does not answer before it is told to, or is cancelled.

    Args:
        stall: ``before`` the backend has the batch, or ``after``.

        is_cuttable: Whether `cancel` ends the wait.
    """

    def __init__(
        self, path: Path, *, stall: str, is_cuttable: bool = True
    ) -> None:
        super().__init__(path)
        self._stall = stall
        self._is_cuttable = is_cuttable
        self.there = threading.Event()
        self.go = threading.Event()
        self.is_cut = False

    def before(self, batch: Batch) -> None:
        if self._stall == "before":
            self._wait()

    def after(self, batch: Batch) -> None:
        if self._stall == "after":
            self._wait()

    def _wait(self) -> None:
        self.there.set()
        self.go.wait(30)
        if self.is_cut:
            raise ConnectionError

    def cancel(self) -> None:
        super().cancel()
        if self._is_cuttable:
            self.is_cut = True
            self.go.set()


def run(
    program: str, *args: object, timeout_seconds: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """
    Run *program* in a fresh Python; fail with what it printed if it fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
        **options,
    )
    said = f"{done.returncode}\n{done.stdout}{done.stderr}"
    assert done.returncode == 0, said
    return done


def let_others_in(folder: Path) -> None:
    """
    Let other users pass through the test run's folders down to *folder*.
    """
    top = Path(tempfile.gettempdir())
    for parent in folder.parents:
        if parent == top or top not in parent.parents:
            return
        parent.chmod(0o755)


def forms(value: str) -> set[bytes]:
    """
    Write *value* in all forms in which it could lie somewhere.
    """
    plain = re.sub(r"[^0-9A-Za-z]", "", value)
    texts = {value, value.lower(), value.upper(), value.swapcase()}
    texts |= {plain, plain.lower(), plain.upper(), value[::-1], plain[::-1]}
    if re.fullmatch(r"[0-9A-Fa-f]{12}", plain):
        pairs = re.findall("..", plain)
        texts |= {
            separator.join(case)
            for separator in ":-."
            for case in (
                pairs,
                [p.lower() for p in pairs],
                [p.upper() for p in pairs],
                pairs[::-1],
            )
        }
    found: set[bytes] = set()
    for text in texts:
        raw = text.encode()
        found |= {raw, text.encode("utf-16-le"), text.encode("utf-16-be")}
        found |= {raw.hex().encode(), raw.hex().upper().encode()}
        # Inside a longer text, base64 shifts by one or two bytes; the ends
        # depend on the neighbours.
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + raw)
            found.add(coded[4 if shift else 0 : -4])
            found.add(base64.urlsafe_b64encode(b"\0" * shift + raw)[4:-4])
    return {form for form in found if len(form) >= 8}


def files(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """
    Give every file below *folders* with what is in it.
    """
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path, path.read_bytes()


def hits(needles: Iterable[bytes], *folders: Path) -> list[str]:
    """
    Say which of *needles* are in which files below *folders*.
    """
    wanted = list(needles)
    return [
        f"{path.name}: {needle!r}"
        for path, content in files(*folders)
        for needle in wanted
        if needle in content
    ]


# For programs of `run`, which have one thread when they fork.


def in_child(work: Any) -> int:
    """
    Call *work* in a forked child and give its exit status.

    0 is fine, 1 an exception, which is printed; -9 a ``kill -9``.
    """
    pid = start_child(work)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def start_child(work: Any) -> int:
    """
    Call *work* in a forked child and give its process id.
    """
    _warm_up()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


@cache
def _warm_up() -> None:
    """
    Import here what each child would import anew.
    """
    the_policy()
    load_vocabulary()


class DieAt:
    """
    Kill this process right before its *step*-th step that a crash may cut.

    Steps are statements of SQLite and what writes, syncs or removes files.
    It changes this process for good: for a forked child only.
    """

    def __init__(self, step: int) -> None:
        from consentkit._sqlite import Database

        self._left = step
        connect = Database._connect

        def traced(database: Database) -> Any:
            connection = connect(database)
            connection.set_trace_callback(self)
            return connection

        setattr(Database, "_connect", traced)  # noqa: B010 - for mypy
        for name in ("write", "fsync", "unlink"):
            self._wrap(name)

    def _wrap(self, name: str) -> None:
        real = getattr(os, name)

        def wrapped(*args: Any, **options: Any) -> Any:
            self()
            return real(*args, **options)

        setattr(os, name, wrapped)

    def __call__(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), 9)
