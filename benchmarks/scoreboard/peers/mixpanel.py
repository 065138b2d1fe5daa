# SPDX-License-Identifier: MIT
"""
Mixpanel's SDK, with the consumer that sends 50 at a time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import (
    Options,
    Peer,
    mount_as_https,
    silence,
)


class Mixpanel(Peer):
    """
    No thread: every fiftieth call sends, and waits for the answer.
    """

    distributions = ("mixpanel",)
    statement = "from mixpanel import BufferedConsumer, Mixpanel"
    note = "every 50th call waits for the network; 50 is its largest batch"

    def start(self, options: Options) -> None:
        """
        Make the client.
        """
        from mixpanel import BufferedConsumer, MixpanelException
        from mixpanel import Mixpanel as Client

        silence("urllib3")
        self._error: type[Exception] = MixpanelException
        size = {"max_size": options.batch_size} if options.batch_size else {}
        self._consumer: Any = BufferedConsumer(
            events_url=f"{options.url}/track", **size
        )
        mount_as_https(self._consumer._consumer._session, options.url)  # noqa: SLF001
        self._client: Any = Client("token", consumer=self._consumer)

    def capture(self, event: Event) -> None:
        """
        Track the event; what it raises leaves the event in its buffer.
        """
        name, user, properties = event
        with suppress(self._error):
            self._client.track(user, name, properties)

    def flush(self) -> None:
        """
        Send what is left.
        """
        with suppress(self._error):
            self._consumer.flush()

    def close(self) -> None:
        """
        Send what is left: it has no other end.
        """
        self.flush()


PEER = Mixpanel
