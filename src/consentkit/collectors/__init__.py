# SPDX-License-Identifier: MIT
"""
What is the value?

Each collector is a typed reader of one family of data, on top of sources:
`consentkit.collectors.device`, `~consentkit.collectors.location`,
`~consentkit.collectors.clipboard` and `~consentkit.collectors.logs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from consentkit.collectors.source import Source, Unavailable


__all__ = ["Source", "Unavailable", "sources_by_type"]


def sources_by_type(
    own: Iterable[Source[Any]] = (),
) -> Mapping[str, Source[Any]]:
    """
    Choose a source for each data type; the app's own go first.

    Nothing is read, connected or started by choosing.
    """
    from consentkit.collectors.clipboard import (
        ClipboardSource,
    )
    from consentkit.collectors.device import (
        default_device_sources,
    )
    from consentkit.collectors.gpsd import GpsdSource

    built_in = (*default_device_sources(), GpsdSource(), ClipboardSource())
    chosen: dict[str, Source[Any]] = {}
    for source in (*own, *built_in):
        for data_type in source.data_types:
            chosen.setdefault(data_type, source)
    return chosen
