# SPDX-License-Identifier: MIT
"""
Proofs out of a tree whose nodes are stored, without going over its leaves.

Beside each entry stand the roots of the whole subtrees that it completes, as
`consentkit.ledger.tree.Frontier.add` gives them. So any node is one look-up, and a proof is as many as the
tree is high.

Source: RFC 6962 sections 2.1.1 and 2.1.2 for which nodes a proof has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from consentkit.ledger.tree import Frontier


__all__ = [
    "consistency_spans",
    "hash_of",
    "inclusion_spans",
    "places_of",
    "proof_of",
]

_HASH_BYTES: Final = 32

#: Leaves from one, up to before another.
Span = tuple[int, int]


def inclusion_spans(index: int, size: int) -> list[Span]:
    """
    Name what stands beside the way up from leaf *index*, from below.
    """
    spans: list[Span] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _half(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(size: int, new_size: int) -> list[Span]:
    """
    Name what proves that the tree of *new_size* begins with that of *size*.
    """
    spans: list[Span] = []
    start, end = 0, new_size
    is_whole = True  # whether what is left of the older tree is its root
    while size < end:
        middle = start + _half(end - start)
        if size <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
            is_whole = False
    if not is_whole:
        spans.append((start, end))
    return spans[::-1]


def _half(width: int) -> int:
    return 1 << ((width - 1).bit_length() - 1)


def _nodes_of(span: Span) -> Iterator[tuple[int, int]]:
    """
    Give height of, and number of the entry that completes, each node.
    """
    start, end = span
    while start < end:
        height = (end - start).bit_length() - 1
        start += 1 << height
        yield height, start


def places_of(spans: Iterable[Span]) -> set[int]:
    """
    Tell beside which entries the nodes of *spans* stand.
    """
    return {place for span in spans for _, place in _nodes_of(span)}


def proof_of(
    spans: Iterable[Span], stored: Mapping[int, bytes]
) -> list[bytes]:
    """
    Make the proof, of what is stored beside the entries of `places_of`.

    Where something is missing, so is the hash; no proof with it verifies.
    """
    return [hash_of(span, stored) for span in spans]


def hash_of(span: Span, stored: Mapping[int, bytes]) -> bytes:
    """
    Compute the root over the leaves of *span*.
    """
    hashes = [
        stored.get(place, b"")[height * _HASH_BYTES :][:_HASH_BYTES]
        for height, place in _nodes_of(span)
    ]
    return Frontier(span[1] - span[0], hashes).root()
