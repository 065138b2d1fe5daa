# SPDX-License-Identifier: MIT
"""
Amplitude's SDK.
"""

from __future__ import annotations

import time

from contextlib import suppress
from typing import Any

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import Options, Peer, silence


class Amplitude(Peer):
    """
    Its threads send; its queue has no bound.
    """

    distributions = ("amplitude-analytics",)
    statement = "from amplitude import Amplitude, BaseEvent"
    can_be_off = True

    def start(self, options: Options) -> None:
        """
        Make the client.
        """
        from amplitude import Amplitude as Client
        from amplitude import BaseEvent, Config

        silence("amplitude")
        self._event: Any = BaseEvent
        batch = options.batch_size
        tuned = {"flush_queue_size": batch} if batch else {}
        settings = Config(server_url=options.url, **tuned)
        self._client: Any = Client("key", settings)
        self._client.configuration.opt_out = not options.enabled

    def capture(self, event: Event) -> None:
        """
        Track the event.
        """
        name, user, properties = event
        self._client.track(
            self._event(
                event_type=name, user_id=user, event_properties=properties
            )
        )

    def flush(self) -> None:
        """
        Wait for what it has handed to its threads.
        """
        for task in self._client.flush():
            with suppress(Exception):
                task.result(timeout=60)
        time.sleep(0.1)  # batches under way before are not among these

    def close(self) -> None:
        """
        Shut it down.
        """
        self._client.shutdown()


PEER = Amplitude
