# SPDX-License-Identifier: MIT

"""
The world of an app in the long runs: the real receiver as a process, a bad
network before it, and what an app does by chance.

A run's own process has one thread, so that it may fork as many lives of the
app as it likes.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import consentkit

from consentkit.ledger import SQLiteLedger
from consentkit.outbox.records import Batch, Erasure
from consentkit.receiver.store import Store
from consentkit.seal import KeyRing
from consentkit.transports import Answer
from consentkit.transports.https import HTTPSTransport
from tests.faults.long.promises import (
    Arrived,
    Notes,
    Verdict,
    judge,
    read,
)
from tests.faults.support import (
    POLICY,
    ROOT,
    Ticked,
    Tocked,
    in_child,
    the_policy,
)


__all__ = [
    "FUNCTIONS",
    "App",
    "Bystander",
    "World",
    "refusals",
    "versions",
    "warm_up",
    "write_figures",
]

#: The functions that an app of these runs has, with the event of each.
FUNCTIONS: Final[Mapping[str, Callable[[int], object]]] = {
    "stats": Ticked,
    "health": Tocked,
    "shared": Tocked,
}
#: What a capture may say around a withdrawal.
_WITHDRAWN: Final = frozenset(
    {
        consentkit.Reason.NOT_ASKED,
        # A kill fell between the notice and the answer.
        consentkit.Reason.NOT_ANSWERED,
        consentkit.Reason.WITHDRAWN,
        consentkit.Reason.CONSENT_CHANGED,
    }
)
#: Which part of the captures asks no one whether it may.
_REFUSED: Final = 0.15
_START_SECONDS: Final = 30.0


class Bystander:
    """
    A process of the world that is no process of the app.

    Args:
        module: What ``python -m`` runs.

        arguments: What it is told.
    """

    def __init__(self, module: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            msg = f"it ended: {self._process.args!r}"
            raise RuntimeError(msg)
        return line

    def ask(self, line: str) -> str:
        """
        Say a line to it, and give the line that it answers.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """
        End it, and wait for that.
        """
        self._process.send_signal(how)
        self._process.communicate(timeout=_START_SECONDS)


class World:
    """
    Everything around the app, in one folder.

    Args:
        folder: Where all of it lies.

        seed: Of the network's chances.

        without: Faults that the network does not have.
    """

    def __init__(
        self, folder: Path, *, seed: int, without: Iterable[str] = ()
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.notes = folder / "notes.jsonl"
        self.keys = folder / "keys.json"
        self.store = folder / "received.sqlite3"
        self.log = folder / "exchanges.jsonl"
        #: What became of the records by the app's own word.
        self.counts = folder / "counts.json"
        KeyRing.new(self.keys)
        self._receiver, port = self._receive(0)
        self.port = port
        self._proxy = Bystander(
            *("tests.faults.proxy", "--to", port),
            *("--seed", seed, "--log", self.log),
            *(f"--without={name}" for name in without),
        )
        self.url = f"http://127.0.0.1:{self._proxy.said.strip()}/v1"

    def _receive(self, port: int) -> tuple[Bystander, int]:
        receiver = Bystander(
            *("consentkit", "receive", "--store", self.store),
            *("--port", port, "--keys", self.keys, "--sealed-only"),
        )
        url = receiver.said.split()[2].rstrip(",")
        return receiver, int(url.rsplit(":", 1)[1].split("/")[0])

    def kill_receiver(self) -> None:
        """
        Kill the receiver, and start another one in its place.
        """
        self._receiver.end()
        self._receiver, _ = self._receive(self.port)

    def heal(self) -> dict[str, int]:
        """
        Make the network a good one; tell how often each fault was done.
        """
        counts: dict[str, int] = json.loads(self._proxy.ask("heal"))
        return counts

    def hurt(self) -> None:
        """
        Make the network a bad one again.
        """
        self._proxy.ask("hurt")

    def end(self) -> None:
        """
        End the processes of the world.
        """
        self._proxy.end()
        self._receiver.end(signal.SIGTERM)

    def open(
        self,
        notes: Notes | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
        **options: Any,
    ) -> consentkit.Kit:
        """
        Open a kit as the app does, sealing for the two newest keys.
        """
        ring = KeyRing.load(self.keys)
        newest = [one.key.seal_key.text for one in ring.kept[:-3:-1]]
        everywhere = {
            recipient: _Noting(self.url, notes)
            for recipient in ("maker", "partner")
        }
        if clock is not None:
            options["clock"] = clock
        return consentkit.open(
            the_policy(),
            data_dir=self.data_dir,
            transport=everywhere,
            seal_for=dict.fromkeys(everywhere, newest),
            **options,
        )

    def audit(self, lives: int) -> tuple[Verdict, list[str]]:
        """
        Deliver everything over a good network, and judge.

        Args:
            lives: How many there were.

        Returns:
            The verdict, and what is left undone or in doubt.
        """
        self.heal()
        left = self.folder / f"left{lives}"
        notes = Notes(self.notes, life=lives - 1, actor="parent")
        status = in_child(lambda: left.write_text(self._deliver_all(notes)))
        notes.write(step="audited")
        lines = read(self.notes)
        verdict = judge(lines, self._arrived(), self._recorded(lines))
        doubts = left.read_text().splitlines() if status == 0 else ["failed"]
        if not self.is_ledger_intact():
            doubts.append("the ledger is not intact")
        self.hurt()
        return verdict, doubts

    def _deliver_all(self, notes: Notes) -> str:
        """
        Flush until nothing waits any more, with time for what waits by
        itself; tell what is left.
        """
        later = timedelta(0)
        for _ in range(60):
            kit = self.open(notes, clock=partial(_clock, later))
            report = kit.flush(timeout_seconds=60)
            erasures = kit.status().erasures
            kit.close()
            if not (report.waiting or report.problems or erasures):
                break
            later += timedelta(minutes=2)
        else:
            return f"{report!r}, {erasures} erasures"
        kit = self.open()
        self.counts.write_text(json.dumps(dict(kit.status().counts)))
        kit.close()
        return ""

    def _arrived(self) -> list[Arrived]:
        """
        Give what the receiver has.
        """
        store = Store(self.store)
        found: list[Any] = [one.record for one in store.records()]
        store.close()
        return [
            Arrived(id=one.id, function=one.function, number=one.value["n"])
            for one in found
        ]

    def _recorded(
        self, lines: Iterable[Mapping[str, Any]]
    ) -> list[tuple[int, str, str]]:
        """
        Give the choices in the ledger, each with the life that made it.
        """
        born = [one["at"] for one in lines if one.get("step") == "born"]
        ledger = SQLiteLedger(self.data_dir / "ledger.sqlite3")
        entries = ledger.entries()
        ledger.close()
        return [
            # An entry's time is cut to milliseconds.
            (
                sum(at <= one.at.timestamp() + 0.001 for at in born) - 1,
                one.act.value,
                one.element,
            )
            for one in entries
            if one.act.value in {"granted", "withdrawn"}
        ]

    def is_ledger_intact(self) -> bool:
        """
        Ask ``consentkit ledger verify``.
        """
        done = subprocess.run(
            [
                *(sys.executable, "-m", "consentkit", "ledger", "verify"),
                *("--policy", str(POLICY), "--data-dir", str(self.data_dir)),
            ],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


class _Noting(HTTPSTransport):
    """
    The real transport, which notes when it has a batch.
    """

    def __init__(self, url: str, notes: Notes | None) -> None:
        super().__init__(url, timeout_seconds=0.4)
        self._notes = notes

    def _send(self, batch: Batch) -> Answer:
        if self._notes is None:
            return super()._send(batch)
        facts = {"batch": batch.id, "to": batch.recipient, "ids": batch.ids}
        with self._notes.act("transfer", **facts) as found:
            answer = super()._send(batch)
            # Then its records go out anew, in others.
            found["dissolved"] = answer.too_large or answer.refused
        return answer

    def _erase(self, erasure: Erasure) -> Answer:
        if self._notes is None:
            return super()._erase(erasure)
        with self._notes.act("transfer"):
            return super()._erase(erasure)


class App:
    """
    What one thread of the app does, by chance.

    Args:
        world: Where it lives.

        life: Which start of the app it is.

        actor: Which process and thread.

        seed: Of its chances.

        is_alone: Whether nobody else makes choices meanwhile, so that what
            is permitted must be kept.

        never: Functions that it never withdraws.
    """

    def __init__(
        self,
        world: World,
        *,
        life: int,
        actor: str,
        seed: object,
        is_alone: bool,
        never: Collection[str] = (),
        kit: consentkit.Kit | None = None,
    ) -> None:
        self.world = world
        self.chance = random.Random(f"{seed}")
        self.notes = Notes(world.notes, life=life, actor=actor)
        self._is_alone = is_alone
        self._never = never
        self._numbers = iter(
            range(life * 1_000_000 + _place(actor) * 10_000, sys.maxsize)
        )
        self.kit: consentkit.Kit = kit  # type: ignore[assignment]

    def open(self) -> None:
        """
        Open the kit, and complete what the last life began.
        """
        every = self.chance.choice((None, None, 0.05))
        with self.notes.act("open"):
            self.kit = self.world.open(self.notes, deliver_every=every)
            # Opening is lazy; this is the first look at both files.
            self.kit.consent.state()

    def do(self, name: str) -> None:
        """
        Do the act of that name, and note what none should have raised.
        """
        try:
            getattr(self, name)()
        except Exception:
            self.notes.write(error=traceback.format_exc())

    def capture(self, function: str = "") -> None:
        """
        Capture one event, of a function by chance.
        """
        if not function:
            granted = self._functions(granted=True)
            is_refused = self.chance.random() < _REFUSED or not granted
            function = self.chance.choice(
                list(FUNCTIONS) if is_refused else granted
            )
        may = bool(self.kit.decide_function(function))
        number = next(self._numbers)
        note = "x" * self.chance.choice((0, 0, 0, 40, 400))
        event = FUNCTIONS[function](number)
        if isinstance(event, Ticked):
            event = Ticked(number, note)
        with self.notes.act("capture", function=function, n=number) as found:
            with self.kit.use(function) as use:
                kept = use.capture(event)
            if kept:
                found["id"] = kept.ids[0]
            else:
                found["refused"] = kept.reason.value
        is_odd = not kept and kept.reason not in _WITHDRAWN
        if is_odd or (self._is_alone and may is not bool(kept)):
            error = f"{function}: decided {may}, then {kept!r}"
            self.notes.write(error=error)

    def burst(self) -> None:
        """
        Capture several.
        """
        for _ in range(self.chance.randint(5, 20)):
            self.capture()

    def flush(self) -> None:
        """
        Deliver what waits, for a moment or for longer.
        """
        seconds = self.chance.choice((0.05, 0.3, 2.0))
        with self.notes.act("flush") as found:
            report = self.kit.flush(timeout_seconds=seconds)
            found["delivered"] = report.delivered
            found["rejected"] = report.rejected

    def withdraw(self) -> None:
        """
        Withdraw a function; nothing of it is kept from then on.
        """
        granted = [
            function
            for function in self._functions(granted=True)
            if function not in self._never
        ]
        if not granted:
            return
        function = self.chance.choice(granted)
        with self.notes.act("withdraw", function=function):
            self.kit.consent.withdraw(function)
        if self.kit.decide_function(function):
            self.notes.write(error=f"{function}: open after its withdrawal")
        self.capture(function)

    def grant(self) -> None:
        """
        Grant a function that is not granted, if there is one.
        """
        missing = self._functions(granted=False)
        if missing:
            function = self.chance.choice(missing)
            self.kit.consent.show(function)
            with self.notes.act("grant", function=function):
                self.kit.consent.grant(function)

    def rotate(self) -> None:
        """
        Give the receiver a new key, and open the kit anew to seal for it.
        """
        with self.notes.act("rotate"):
            KeyRing.load(self.world.keys).rotate(
                retired_before=datetime.now(UTC) - timedelta(seconds=30)
            )
        self.kit.close()
        self.open()

    def grant_some(self) -> None:
        """
        Grant until there is something to capture and to withdraw.
        """
        while not self._functions(granted=True):
            self.grant()

    def _functions(self, *, granted: bool) -> list[str]:
        return [
            function
            for function in FUNCTIONS
            if bool(self.kit.decide_function(function)) is granted
        ]


def _clock(later: timedelta) -> datetime:
    return datetime.now(UTC) + later


def _place(actor: str) -> int:
    """
    Give each actor of a life numbers of its own.
    """
    process, _, thread = actor.partition(".")
    return int(process) * 10 + int(thread or 0)


def warm_up() -> None:
    """
    Import what each life would import anew, and let nothing of the machine
    decide.
    """
    the_policy()
    with suppress(ImportError):
        importlib.import_module("httpx2")
    importlib.import_module("httpx")
    os.environ["CONSENTKIT_KEYSTORE"] = "file"
    for name in ("CI", "DO_NOT_TRACK", "CONSENTKIT_CONSENT"):
        os.environ.pop(name, None)


def versions() -> dict[str, str]:
    """
    Tell what a run ran on.
    """
    import platform

    return {
        "consentkit": consentkit.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def write_figures(path: Path | None, figures: Mapping[str, object]) -> None:
    """
    Print the figures, and keep them in a file if one is named.
    """
    text = json.dumps(figures, indent=2, default=dict)
    print(text)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def refusals(lines: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """
    Count the captures that were refused, by reason.
    """
    return Counter(one["refused"] for one in lines if "refused" in one)
