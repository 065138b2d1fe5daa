# SPDX-License-Identifier: MIT
"""
The board's side of its processes: one sink, and a client for each act.

Each client has a folder of its own, for its data, its home and its temporary
files; all of them are gone when the board is.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self


__all__ = ["Board", "Client", "ClientError", "Sink"]

ROOT: Final = Path(__file__).parents[2]


class ClientError(Exception):
    """
    A client ended, or said nothing, where it should have told something.
    """


def environment(home: Path) -> dict[str, str]:
    """
    Give what a client is told of the world: little, and no proxies.
    """
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(home / "tmp"),
    }


def _module(name: str, *arguments: str) -> list[str]:
    whole = f"benchmarks.scoreboard.{name}"
    return [sys.executable, "-m", whole, *arguments]


class Sink:
    """
    The backend, in a process of its own.
    """

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ours
            _module("sink"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(home),
            cwd=home,
            text=True,
        )
        self.id = self._process.pid
        self.url = f"http://127.0.0.1:{self._answer()['port']}"
        self.run = 0

    def _answer(self) -> dict[str, int]:
        lines = self._process.stdout
        answer: dict[str, int] = json.loads(lines.readline() if lines else "")
        return answer

    def _ask(self, **words: object) -> dict[str, int]:
        lines = self._process.stdin
        if lines is not None:
            lines.write(json.dumps(words) + "\n")
            lines.flush()
        return self._answer()

    def begin(
        self, *, is_down: bool = False, delay_seconds: float = 0.0
    ) -> None:
        """
        Forget what came, and be like this from now on.
        """
        self.run = self.run % 900 + 1
        self._ask(run=self.run)
        self.turn(is_down=is_down, delay_seconds=delay_seconds)

    def turn(
        self, *, is_down: bool = False, delay_seconds: float = 0.0
    ) -> None:
        """
        Be like this from now on; by default well.
        """
        self._ask(is_down=is_down, delay_seconds=delay_seconds)

    def count(self) -> dict[str, int]:
        """
        Tell what has come.
        """
        return self._ask()

    def wait(
        self, events: int, *, settle_seconds: float, most_seconds: float
    ) -> dict[str, int]:
        """
        Wait until so many came, or none for a while, and tell what has come.
        """
        begun = changed = time.monotonic()
        known = -1
        while True:
            found, now = self.count(), time.monotonic()
            if found["events"] != known:
                known, changed = found["events"], now
            if (
                known >= events
                or now - changed > settle_seconds
                or now - begun > most_seconds
            ):
                return found
            time.sleep(0.1)

    def end(self) -> None:
        """
        End the process.
        """
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Client:
    """
    One process with one SDK, which tells facts and waits for words.
    """

    def __init__(self, told: dict[str, Any], home: Path) -> None:
        self._errors = home / "stderr"
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                _module("client", json.dumps(told)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(home),
                cwd=home,
                text=True,
                start_new_session=True,  # so that what it starts ends with it
            )
        self._facts: queue.SimpleQueue[dict[str, Any] | None]
        self._facts = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._facts.put(json.loads(line))
        self._facts.put(None)

    def facts(self, *, within_seconds: float) -> dict[str, Any]:
        """
        Wait for what it tells next.

        Raises:
            ClientError: If it tells nothing.
        """
        problem = f"it said nothing for {within_seconds:.0f} seconds"
        with suppress(queue.Empty):
            told = self._facts.get(timeout=within_seconds)
            if told is not None:
                return told
            problem = f"it ended: {self._last_words()}"
        self.end()
        raise ClientError(problem)

    def go_on(self) -> None:
        """
        Say the word that it waits for.
        """
        lines = self._process.stdin
        with suppress(BrokenPipeError):
            if lines is not None:
                lines.write("\n")
                lines.flush()

    def end(self, *, within_seconds: float = 0.0) -> bool:
        """
        Wait for its end, or else make it; tell whether it came by itself.
        """
        try:
            self._process.wait(timeout=within_seconds)
        except subprocess.TimeoutExpired:
            return False
        else:
            return True
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            with suppress(BrokenPipeError):
                if self._process.stdin is not None:
                    self._process.stdin.close()

    def _last_words(self) -> str:
        lines = self._errors.read_text("utf-8", "replace").split("\n")
        said = [line for line in lines if line.strip()]
        return said[-1][:200] if said else "it gave no reason"


class Board:
    """
    What all acts share: a folder, and the sink.

    Args:
        capture_seconds: When to give up on a caller that is held up.

        exit_seconds: When to kill a process that does not end.
    """

    def __init__(
        self, *, capture_seconds: int = 15, exit_seconds: int = 15
    ) -> None:
        self.capture_seconds = capture_seconds
        self.exit_seconds = exit_seconds
        self._folder = Path(tempfile.mkdtemp(prefix="scoreboard-"))
        self._homes = 0
        self.sink = Sink(self.new_home())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.sink.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_home(self) -> Path:
        """
        Make a folder for a client.
        """
        self._homes += 1
        home = self._folder / f"{self._homes:05d}"
        (home / "data").mkdir(parents=True)
        return home

    def client(
        self,
        act: str,
        peer: str,
        *,
        home: Path | None = None,
        **more: object,
    ) -> Client:
        """
        Start a client.

        Args:
            act: What it does: see `benchmarks.scoreboard.client`.

            peer: With which SDK.

            home: Its folder, if not a new one.

            more: What else it is told.
        """
        home = home or self.new_home()
        told = {
            "enabled": True,
            "queue_size": None,
            "batch_size": None,
            "per_second": None,
            "capture_seconds": self.capture_seconds,
            **more,
            "act": act,
            "peer": peer,
            "url": self.sink.url,
            "run": self.sink.run,
            "data_dir": str(home / "data"),
        }
        return Client(told, home)
