# SPDX-License-Identifier: MIT
"""
For tests of apps and of parts that others write; no app imports it.

`SourceConformance` and `BadSourceConformance` are what every source must do,
as tests to inherit from. They are written for pytest and need nothing of it:
with `unittest.TestCase` beside them, they run there too. `TransportConformance`
and its kin are the same for transports. `permit_for` gives a
permit of the real gate, `touched` tells what a piece of code has touched, and
`Sentinels` looks for planted values in whatever came out.
"""

from __future__ import annotations

from consentkit.testing.permits import permit_for
from consentkit.testing.sentinels import Sentinels, anatomy, logged
from consentkit.testing.source import BadSourceConformance, SourceConformance
from consentkit.testing.touches import touched
from consentkit.testing.transport import (
    Arrived,
    BadTransportConformance,
    StoreConformance,
    TransportConformance,
)


__all__ = [
    "Arrived",
    "BadSourceConformance",
    "BadTransportConformance",
    "Sentinels",
    "SourceConformance",
    "StoreConformance",
    "TransportConformance",
    "anatomy",
    "logged",
    "permit_for",
    "touched",
]
