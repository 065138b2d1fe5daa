# SPDX-License-Identifier: MIT
"""
Everybody on the board, one module each; what is added here is measured.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from benchmarks.scoreboard.peers.base import Options, Peer


__all__ = ["APART", "FLOOR", "NAMES", "OURS", "Options", "Peer", "load_peer"]

OURS: Final = "consentkit"
#: The same, delivered by another process.
APART: Final = "consentkit_apart"
FLOOR: Final = "floor"

#: In the order of the tables.
NAMES: Final = (
    OURS,
    APART,
    FLOOR,
    "amplitude",
    "mixpanel",
    "opentelemetry",
    "posthog",
    "segment",
    "sentry",
    "snowplow",
    "snowplow_sync",
)


def load_peer(name: str) -> type[Peer]:
    """
    Give the class of a peer; its SDK is imported when it starts.
    """
    module = import_module(f"benchmarks.scoreboard.peers.{name}")
    found: type[Peer] = module.PEER
    return found
