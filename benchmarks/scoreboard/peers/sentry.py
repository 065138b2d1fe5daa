# SPDX-License-Identifier: MIT
"""
Sentry's SDK: events as structured logs, the lightest way that it has.
"""

from __future__ import annotations

from typing import Any

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import Options, Peer, silence


class Sentry(Peer):
    """
    A buffer of 1,000 that cannot be larger; a thread sends.
    """

    distributions = ("sentry-sdk",)
    statement = "import sentry_sdk; import sentry_sdk.logger"
    can_be_off = True
    note = "structured logs, 100 at a time; its buffer is 1,000 at most"

    def start(self, options: Options) -> None:
        """
        Start the SDK; without an address it does nothing.
        """
        import sentry_sdk

        from sentry_sdk import logger

        silence("sentry_sdk.errors", "urllib3")
        address = f"http://key@127.0.0.1:{options.port}/1"
        dsn = address if options.enabled else None
        sentry_sdk.init(dsn=dsn, enable_logs=True)
        self._sdk: Any = sentry_sdk
        self._log: Any = logger.info

    def capture(self, event: Event) -> None:
        """
        Log the event.
        """
        name, user, properties = event
        self._log(name, attributes={"user": user, **properties})

    def flush(self) -> None:
        """
        Have it send.
        """
        self._sdk.flush(timeout=60)

    def close(self) -> None:
        """
        Close its client.
        """
        self._sdk.get_client().close()


PEER = Sentry
