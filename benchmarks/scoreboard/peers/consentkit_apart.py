# SPDX-License-Identifier: MIT
"""
consentkit with a process of its own that delivers, as ``consentkit outbox
flush --every`` is one: the app captures, and has its interpreter to itself.

That process is there before the app begins, as a service is.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time

from pathlib import Path
from typing import Any

from benchmarks.scoreboard.peers.base import Options
from benchmarks.scoreboard.peers.consentkit import ConsentKit


#: Seconds between two flushes, and between two looks whether all is gone.
_REST_SECONDS = 0.05
_LOOK_SECONDS = 0.005


class Apart(ConsentKit):
    """
    The app's side.
    """

    note = "the same, delivered by another process"

    def start(self, options: Options) -> None:
        """
        Open the kit, and wait for the process beside.
        """
        from benchmarks.peer_driver import Driver

        self._driver = Driver()
        self._driver.deliver_every = None
        self._driver.start(options)
        self.capture = self._driver.capture  # type: ignore[method-assign]
        # It ends with its input, which ends with this process.
        self._beside = subprocess.Popen(  # noqa: S603 - of ours
            [
                sys.executable,
                "-m",
                __name__,
                options.url,
                str(options.data_dir),
                str(options.batch_size or 0),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        ready: Any = self._beside.stdout
        ready.readline()

    def flush(self) -> None:
        """
        Wait until the other process has sent all.
        """
        while self.waiting():
            time.sleep(_LOOK_SECONDS)

    def processor_beside(self) -> float:
        """
        Tell what the other process took.
        """
        stat = Path(f"/proc/{self._beside.pid}/stat").read_text("ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


PEER = Apart


def main(url: str, data_dir: str, batch_size: str) -> None:
    """
    Deliver until the input ends.
    """
    from benchmarks.peer_driver import Driver

    driver = Driver()
    driver.deliver_every = None
    driver.start(
        Options(
            url=url,
            data_dir=Path(data_dir),
            batch_size=int(batch_size) or None,
        )
    )
    driver.kit.flush()
    os.write(1, b"\n")
    while not select.select([sys.stdin], [], [], _REST_SECONDS)[0]:
        driver.kit.flush(patient=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
