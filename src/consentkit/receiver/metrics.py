# SPDX-License-Identifier: MIT
"""
What a receiver did since it began, in numbers, as Prometheus reads them.

Every label is one of a few words that stand here. No id, name, address or
value is in one, so the numbers tell nothing of a person or a sender.

Durations are float seconds.

Source: Prometheus, "Exposition formats", text-based format 0.0.4.
"""

from __future__ import annotations

import threading

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen


__all__ = ["MEDIA_TYPE", "Metrics"]

#: What the text is called over HTTP.
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX: Final = "consentkit_receiver_"

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BYTES: Final = tuple(4**power for power in range(4, 13))

#: Why senders drop records, as far as it is shown by itself.
_REASONS: Final = frozenset(
    {
        "evicted",
        "expired",
        "outbox_full",
        "rejected",
        "undeliverable",
        "unreadable",
    }
)


@frozen(kw_only=True)
class _Kind:
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    gauge: bool = False

    @property
    def name(self) -> str:
        """
        What Prometheus calls it.
        """
        if self.gauge:
            return "gauge"
        return "histogram" if self.buckets else "counter"


_KINDS: Final[Mapping[str, _Kind]] = {
    "requests_total": _Kind(
        help="Requests answered.", labels=("route", "status")
    ),
    "requests_in_flight": _Kind(
        help="Requests that are worked on now.", gauge=True
    ),
    "request_bytes": _Kind(
        help="Bytes of a request's body, as it came.",
        labels=("route",),
        buckets=_BYTES,
    ),
    "request_seconds": _Kind(
        help="Seconds from the head of a request to its answer.",
        labels=("route",),
        buckets=_SECONDS,
    ),
    "messages_total": _Kind(
        help="Messages taken from a stream.", labels=("kind", "outcome")
    ),
    "message_bytes": _Kind(
        help="Bytes of a message's body, as it came.",
        labels=("kind",),
        buckets=_BYTES,
    ),
    "message_seconds": _Kind(
        help="Seconds from a message's arrival to its commit.",
        labels=("kind",),
        buckets=_SECONDS,
    ),
    "records_total": _Kind(
        help="Records, by what became of them.", labels=("outcome", "reason")
    ),
    "erasures_total": _Kind(help="Erasure requests.", labels=("outcome",)),
    "erased_records_total": _Kind(help="Records deleted by an erasure."),
    "expired_records_total": _Kind(help="Records deleted as they expired."),
    "drop_reports_total": _Kind(help="Drop reports.", labels=("outcome",)),
    "dropped_records_total": _Kind(
        help="Records that senders say they dropped.", labels=("reason",)
    ),
    "store_failures_total": _Kind(help="Times the store could not be used."),
}

_Labels = tuple[str, ...]


class Metrics:
    """
    Counters of one process; for several threads.

    .. versionadded:: 26.1.0
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[str, dict[_Labels, float]] = {
            name: {} if kind.labels else {(): 0}
            for name, kind in _KINDS.items()
        }
        self._spread: dict[str, dict[_Labels, list[int]]] = {
            name: {} for name, kind in _KINDS.items() if kind.buckets
        }

    def __repr__(self) -> str:
        return f"<Metrics, {len(_KINDS)} kinds>"

    def add(self, name: str, more: float = 1, **labels: str) -> None:
        """
        Count.

        Args:
            name: Without the common prefix.

            more: How much; below 0 for a gauge alone.

            labels: Words that stand in the code, never what came in.
        """
        key = tuple(labels[one] for one in _KINDS[name].labels)
        with self._lock:
            totals = self._totals[name]
            totals[key] = totals.get(key, 0) + more

    def observe(self, name: str, value: float, **labels: str) -> None:
        """
        Note a size or a duration.
        """
        kind = _KINDS[name]
        key = tuple(labels[one] for one in kind.labels)
        with self._lock:
            totals = self._totals[name]
            totals[key] = totals.get(key, 0) + value
            counts = self._spread[name].setdefault(
                key, [0] * (len(kind.buckets) + 1)
            )
            counts[bisect_left(kind.buckets, value)] += 1

    def add_dropped(self, drops: Mapping[str, int]) -> None:
        """
        Count what a sender says it dropped.

        Args:
            drops: How many by reason; a reason that is not known here, which
                comes from outside, is counted as ``other``.
        """
        for reason, count in drops.items():
            known = reason if reason in _REASONS else "other"
            self.add("dropped_records_total", count, reason=known)

    def total(self, name: str, **labels: str) -> float:
        """
        Give a sum over all series that have *labels*.
        """
        names = _KINDS[name].labels
        with self._lock:
            return sum(
                value
                for key, value in self._totals[name].items()
                if labels.items() <= dict(zip(names, key, strict=True)).items()
            )

    def text(self) -> str:
        """
        Write all of it down as Prometheus reads it.
        """
        with self._lock:
            return "".join(
                f"{line}\n" for name in _KINDS for line in self._lines(name)
            )

    def _lines(self, name: str) -> Iterator[str]:
        kind, full = _KINDS[name], _PREFIX + name
        yield f"# HELP {full} {kind.help}"
        yield f"# TYPE {full} {kind.name}"
        for key, total in sorted(self._totals[name].items()):
            pairs = list(zip(kind.labels, key, strict=True))
            if not kind.buckets:
                yield f"{full}{_braced(pairs)} {_number(total)}"
                continue
            so_far = 0
            counts = self._spread[name][key]
            for bound, count in zip(
                [*map(_number, kind.buckets), "+Inf"], counts, strict=True
            ):
                so_far += count
                yield f"{full}_bucket{_braced([*pairs, ('le', bound)])} {so_far}"
            yield f"{full}_sum{_braced(pairs)} {_number(total)}"
            yield f"{full}_count{_braced(pairs)} {so_far}"


def _braced(pairs: Sequence[tuple[str, str]]) -> str:
    # Words of the code need no escapes.
    inner = ",".join(f'{name}="{text}"' for name, text in pairs)
    return f"{{{inner}}}" if inner else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
