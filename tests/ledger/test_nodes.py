# SPDX-License-Identifier: MIT

"""
Tests for proofs out of stored nodes: the same as over all leaves.
"""

from __future__ import annotations

import pytest

from consentkit.exceptions import ProofError
from consentkit.ledger._nodes import (
    consistency_spans,
    hash_of,
    inclusion_spans,
    places_of,
    proof_of,
)
from consentkit.ledger.tree import (
    Frontier,
    consistency_proof,
    inclusion_proofs,
    leaf_hash,
    tree_root,
    verify_inclusion,
)


SIZES = [*range(1, 35), 63, 64, 65, 100]

LEAVES = [leaf_hash(str(number).encode()) for number in range(max(SIZES))]


def stored_of(size: int) -> dict[int, bytes]:
    """
    Give what stands beside each entry, by its place.
    """
    frontier = Frontier()
    return {
        place: frontier.add(leaf)
        for place, leaf in enumerate(LEAVES[:size], 1)
    }


class TestNodes:
    """
    Tests for what is stored.
    """

    def test_two_an_entry(self) -> None:
        """
        There are as many nodes as a tree has: one less than two a leaf for
        a whole tree.
        """
        stored = stored_of(64)

        assert sum(map(len, stored.values())) == 32 * (2 * 64 - 1)
        assert stored[64][-32:] == tree_root(LEAVES[:64])
        assert stored[7] == LEAVES[6]

    def test_frontier_grows(self) -> None:
        """
        The frontier becomes what adding the leaf makes it.
        """
        one, other = Frontier(), Frontier()
        for leaf in LEAVES:
            one.add(leaf)
            other.add(leaf)
            assert (one.size, one.hashes) == (other.size, other.hashes)


class TestProofs:
    """
    Tests for proofs that are made of it.
    """

    @pytest.mark.parametrize("size", SIZES)
    def test_inclusion(self, size: int) -> None:
        """
        A proof of each leaf is the one over all leaves, from few rows.
        """
        stored = stored_of(size)
        expected = inclusion_proofs(LEAVES[:size], range(size))
        for index, proof in enumerate(expected):
            spans = inclusion_spans(index, size)
            places = places_of(spans)
            few = {place: stored[place] for place in places}

            assert proof_of(spans, few) == proof
            assert len(places) <= 2 * size.bit_length()

    @pytest.mark.parametrize("size", SIZES)
    def test_consistency(self, size: int) -> None:
        """
        So is a proof of each older size.
        """
        stored = stored_of(size)
        for older in range(1, size + 1):
            spans = consistency_spans(older, size)
            few = {place: stored[place] for place in places_of(spans)}

            assert proof_of(spans, few) == consistency_proof(
                LEAVES[:size], older
            )

    @pytest.mark.parametrize("size", SIZES)
    def test_root(self, size: int) -> None:
        """
        The root of any beginning is there.
        """
        assert hash_of((0, size), stored_of(size)) == tree_root(LEAVES[:size])

    def test_missing(self) -> None:
        """
        Where something is missing, or too short, nothing is proved.
        """
        spans = inclusion_spans(2, 7)
        for stored in ({}, {**stored_of(7), 2: LEAVES[1]}):
            with pytest.raises(ProofError):
                verify_inclusion(
                    LEAVES[2],
                    index=2,
                    size=7,
                    proof=proof_of(spans, stored),
                    root=tree_root(LEAVES[:7]),
                )
