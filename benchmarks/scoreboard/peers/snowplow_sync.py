# SPDX-License-Identifier: MIT
"""
Snowplow's tracker, with the emitter that sends from the caller's thread.
"""

from __future__ import annotations

from benchmarks.scoreboard.peers.snowplow import Snowplow


class SnowplowSync(Snowplow):
    """
    The fastest delivery of all peers, at the caller's cost.
    """

    statement = "from snowplow_tracker import Emitter, Tracker, SelfDescribing"
    emitter = "Emitter"
    note = "each full batch waits for the network on the caller's thread"


PEER = SnowplowSync
