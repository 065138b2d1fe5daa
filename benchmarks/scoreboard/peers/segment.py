# SPDX-License-Identifier: MIT
"""
Segment's SDK.
"""

from __future__ import annotations

from typing import Any

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import Options, Peer, silence


class Segment(Peer):
    """
    A queue of 10,000 by default; a thread sends.
    """

    distributions = ("segment-analytics-python",)
    statement = "from segment.analytics import Client"
    can_be_off = True
    note = "switched off, it does all its work but the queueing"

    def start(self, options: Options) -> None:
        """
        Make the client.
        """
        from segment.analytics import Client

        silence("segment", "urllib3")
        asked = {
            "max_queue_size": options.queue_size,
            "upload_size": options.batch_size,
        }
        settings: dict[str, Any] = {k: v for k, v in asked.items() if v}
        self._client: Any = Client(
            "key", host=options.url, send=options.enabled, **settings
        )

    def capture(self, event: Event) -> None:
        """
        Track the event.
        """
        name, user, properties = event
        self._client.track(user, name, properties)

    def flush(self) -> None:
        """
        Wait until its queue is empty.
        """
        self._client.flush()

    def close(self) -> None:
        """
        Shut it down.
        """
        self._client.shutdown()


PEER = Segment
