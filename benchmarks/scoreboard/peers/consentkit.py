# SPDX-License-Identifier: MIT
"""
consentkit as it comes: nothing is switched off, and nothing is tuned but what
every peer is given too, the bound of the queue and the size of a batch.
"""

from __future__ import annotations

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import Options, Peer


class ConsentKit(Peer):
    """
    The same as what another harness is given.
    """

    distributions = ("consentkit",)
    statement = "import consentkit"
    can_be_off = True
    note = "gate, scrubbing, encryption at rest, sealed batches, durable"

    def start(self, options: Options) -> None:
        """
        Open the kit, with consent given or refused.
        """
        from benchmarks.peer_driver import Driver

        self._driver = Driver()
        self._driver.start(options)
        # On the instance, so that nothing stands between.
        self.capture = self._driver.capture  # type: ignore[method-assign]

    def capture(self, event: Event) -> None:
        """
        Capture; `start` puts the real one here.
        """
        self._driver.capture(event)

    def flush(self) -> None:
        """
        Send what waits.
        """
        self._driver.flush()

    def close(self) -> None:
        """
        Close the kit.
        """
        self._driver.close()

    def withdraw(self) -> None:
        """
        Withdraw the function's consent.
        """
        self._driver.kit.consent.withdraw("usage")

    def waiting(self) -> int:
        """
        Ask the outbox.
        """
        return self._driver.kit.status().waiting


PEER = ConsentKit
