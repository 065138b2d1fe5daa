# SPDX-License-Identifier: MIT
"""
What the board asks of everybody: to start, capture, flush and close.

Nothing but the standard library is imported here, as the import of an SDK is
measured.
"""

from __future__ import annotations

import logging

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from benchmarks.scoreboard.events import Event


__all__ = ["Options", "Peer", "mount_as_https", "silence"]


class Options(NamedTuple):
    """
    How an SDK is to be set up.

    Attributes:
        url: ``http://127.0.0.1:PORT``, where the sink is.

        data_dir: The only place for files; it outlives a restart.

        enabled: Whether it may work; else it is switched off as it offers.

        queue_size: How many events may wait; by default as the SDK has it.

        batch_size: How many events go out at once; likewise.
    """

    url: str
    data_dir: Path
    enabled: bool = True
    queue_size: int | None = None
    batch_size: int | None = None

    @property
    def port(self) -> int:
        """
        That of the sink.
        """
        return urlsplit(self.url).port or 0


class Peer:
    """
    One SDK, used as its own documentation shows.

    Attributes:
        distributions: What a user installs.

        statement: What a user imports.

        can_be_off: Whether it has a switch.

        settle_seconds: After a restart, how long what it kept may take to
            come.

        note: For the reader of the table.
    """

    distributions: ClassVar[tuple[str, ...]] = ()
    statement: ClassVar[str] = ""
    can_be_off: ClassVar[bool] = False
    settle_seconds: ClassVar[float] = 2.0
    note: ClassVar[str] = ""

    def start(self, options: Options) -> None:
        """
        Import the SDK, and make its client.
        """
        raise NotImplementedError

    def capture(self, event: Event) -> None:
        """
        Hand over one event, as an app does; this is what is timed.
        """
        raise NotImplementedError

    def flush(self) -> None:
        """
        Come back when what was captured is sent, or given up.
        """

    def close(self) -> None:
        """
        End in an orderly way.
        """

    def withdraw(self) -> None:
        """
        Take the consent back, where there is one.
        """
        raise NotImplementedError

    def waiting(self) -> int:
        """
        Tell how many events wait.
        """
        raise NotImplementedError

    def processor_beside(self) -> float:
        """
        Tell what processes beside this one took of the processor so far, in
        seconds.
        """
        return 0.0

    @classmethod
    def versions(cls) -> str:
        """
        Name what is installed, or nothing where something is missing.
        """
        try:
            found = [f"{name} {version(name)}" for name in cls.distributions]
        except PackageNotFoundError:
            return ""
        return ", ".join(found)


def silence(*names: str) -> None:
    """
    Keep an SDK's own complaints from the terminal, as a quiet app would.
    """
    for name in names:
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def mount_as_https(session: Any, url: str) -> None:
    """
    Let a session of ``requests`` treat the sink as it would treat TLS: some
    SDKs try again there alone.
    """
    session.mount("http://", session.get_adapter("https://" + url))
