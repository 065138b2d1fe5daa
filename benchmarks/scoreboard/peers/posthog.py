# SPDX-License-Identifier: MIT
"""
PostHog's SDK.
"""

from __future__ import annotations

from typing import Any

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import (
    Options,
    Peer,
    mount_as_https,
    silence,
)


class PostHog(Peer):
    """
    A queue of 10,000 by default; a thread sends.
    """

    distributions = ("posthog",)
    statement = "from posthog import Posthog"
    can_be_off = True

    def start(self, options: Options) -> None:
        """
        Make the client.
        """
        import posthog.request

        from posthog import Posthog

        silence("posthog", "urllib3")
        session: Any = posthog.request._session  # noqa: SLF001
        mount_as_https(session, options.url)
        asked = {
            "max_queue_size": options.queue_size,
            "flush_at": options.batch_size,
        }
        settings: dict[str, Any] = {k: v for k, v in asked.items() if v}
        self._client: Any = Posthog(
            "key", host=options.url, disabled=not options.enabled, **settings
        )

    def capture(self, event: Event) -> None:
        """
        Capture the event.
        """
        name, user, properties = event
        self._client.capture(name, distinct_id=user, properties=properties)

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


PEER = PostHog
