# SPDX-License-Identifier: MIT
"""
All bounds of the receiver in one record.
"""

from __future__ import annotations

import math

from attrs import frozen


__all__ = ["RequestLimits"]


@frozen(kw_only=True)
class RequestLimits:
    """
    What one receiver takes at most; beyond, a sender is told to wait or to
    send less.

    Attributes:
        body_bytes: Most bytes of one request's body.

        opened_bytes: Most bytes that an envelope may open to.

        records: Most records of one batch.

        head_seconds: How long a sender may take for the head of a request.

        body_seconds: How long it may take for the body.

        requests: Most requests that are worked on at a time.

        connections: Most connections at a time.

        pause_seconds: How long a sender is asked to wait where there are
            too many requests.

    .. versionadded:: 26.1.0
    """

    body_bytes: int = 16 * 1024 * 1024
    opened_bytes: int = 16 * 1024 * 1024
    records: int = 10_000
    head_seconds: float = 30.0
    body_seconds: float = 30.0
    requests: int = 32
    connections: int = 1_000
    pause_seconds: int = 1

    def __attrs_post_init__(self) -> None:
        for name in RequestLimits.__annotations__:
            found = getattr(self, name)
            if not (math.isfinite(found) and found > 0):
                msg = f"{name} must be a positive number"
                raise ValueError(msg)
