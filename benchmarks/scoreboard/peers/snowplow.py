# SPDX-License-Identifier: MIT
"""
Snowplow's tracker, with the emitter that sends from a thread.
"""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import Options, Peer, silence


_SCHEMA = "iglu:com.example/checkout_completed/jsonschema/1-0-0"


class Snowplow(Peer):
    """
    Base64 is off, so that the sink can count.
    """

    distributions = ("snowplow-tracker",)
    statement = (
        "from snowplow_tracker import AsyncEmitter, Tracker, SelfDescribing"
    )
    emitter: ClassVar[str] = "AsyncEmitter"

    def start(self, options: Options) -> None:
        """
        Make the tracker.
        """
        import snowplow_tracker

        silence("snowplow_tracker", "urllib3")
        self._sdk: Any = snowplow_tracker
        asked = {
            "buffer_capacity": options.queue_size,
            "batch_size": options.batch_size,
        }
        settings: dict[str, Any] = {k: v for k, v in asked.items() if v}
        emitter = getattr(self._sdk, self.emitter)(options.url, **settings)
        self._tracker: Any = self._sdk.Tracker(
            "shop", emitter, encode_base64=False
        )

    def capture(self, event: Event) -> None:
        """
        Track the event.
        """
        _, user, properties = event
        subject = self._sdk.Subject()
        subject.set_user_id(user)
        described = self._sdk.SelfDescribingJson(_SCHEMA, properties)
        self._tracker.track(
            self._sdk.SelfDescribing(
                event_json=described, event_subject=subject
            )
        )

    def flush(self) -> None:
        """
        Send what is left, and wait.
        """
        self._tracker.flush()


PEER = Snowplow
