# SPDX-License-Identifier: MIT

"""
Tests for the Merkle tree, against published proofs.
"""

from __future__ import annotations

import base64
import json

from pathlib import Path
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.exceptions import ProofError
from consentkit.ledger.tree import (
    Frontier,
    consistency_proof,
    inclusion_proofs,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)


VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (
        Path(__file__).parents[1]
        / "vectors"
        / "crypto"
        / "merkle_rfc6962.json"
    ).read_bytes()
)

# Refused here, though they pass there.
STRICTER = {
    # The roots are texts of another length than a hash.
    "sizes are equal (one) and proof is empty",
    # Of a tree without a leaf nothing can be shown.
    "subtree is empty sizes are equal (zero) subtree root valid proof is empty",
    "subtree is empty subtree root valid tree root random proof is empty",
}

LEAVES = [leaf_hash(bytes([n])) for n in range(64)]


def raw(text: str | None) -> bytes:
    """
    Decode what a vector holds.
    """
    return base64.b64decode(text or "")


def check(kind: str, case: dict[str, Any]) -> None:
    """
    Verify the proof of one vector.
    """
    proof = [raw(one) for one in case["proof"] or ()]
    start = case.get("start", 0)
    if "inclusion" in kind:
        size = case["end"] - start if "end" in case else case["treeSize"]
        verify_inclusion(
            raw(case["leafHash"]),
            index=case["leafIdx"] - start,
            size=size,
            proof=proof,
            root=raw(case["root"]),
        )
        return
    verify_consistency(
        start=start,
        size=case["end"] if "end" in case else case["size1"],
        root=raw(case["root1"]),
        new_size=case["size"] if "end" in case else case["size2"],
        new_root=raw(case["root2"]),
        proof=proof,
    )


class TestVectors:
    """
    Tests with the published proofs.
    """

    @pytest.mark.parametrize("kind", VECTORS)
    def test_proofs(self, kind: str) -> None:
        """
        Good proofs verify and bad ones do not, but for those that are named.
        """
        for case in VECTORS[kind]:
            if case["wantErr"] or case["desc"] in STRICTER:
                with pytest.raises(ProofError):
                    check(kind, case)
            else:
                check(kind, case)

    def test_all_of_them(self) -> None:
        """
        There are 257, and those that are named are among them.
        """
        cases = [case for kind in VECTORS.values() for case in kind]
        good = {case["desc"] for case in cases if not case["wantErr"]}

        assert len(cases) == 257
        assert good >= STRICTER


class TestTree:
    """
    Tests for roots and proofs of our own making.
    """

    def test_empty(self) -> None:
        """
        The root of no leaves is the hash of nothing (RFC 6962, 2.1).
        """
        assert tree_root([]).hex() == (
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        )

    @given(st.integers(1, 64), st.data())
    def test_inclusion(self, size: int, data: st.DataObject) -> None:
        """
        Each leaf of a tree of any size is proved, and no other leaf by it.
        """
        index = data.draw(st.integers(0, size - 1))
        leaves = LEAVES[:size]
        (proof,) = inclusion_proofs(leaves, [index])
        said: dict[str, Any] = {
            "size": size,
            "proof": proof,
            "root": tree_root(leaves),
        }

        verify_inclusion(leaves[index], index=index, **said)
        with pytest.raises(ProofError):
            verify_inclusion(leaf_hash(b"other"), index=index, **said)
        if size > 1:
            with pytest.raises(ProofError):
                verify_inclusion(
                    leaves[index], index=(index + 1) % size, **said
                )

    @given(st.integers(1, 64), st.data())
    def test_consistency(self, size: int, data: st.DataObject) -> None:
        """
        Each older tree is proved to be the beginning, and no other tree.
        """
        older = data.draw(st.integers(1, size))
        root, new_root = tree_root(LEAVES[:older]), tree_root(LEAVES[:size])
        proof = consistency_proof(LEAVES[:size], older)
        said: dict[str, Any] = {
            "size": older,
            "new_size": size,
            "proof": proof,
        }

        verify_consistency(root=root, new_root=new_root, **said)
        other = tree_root([*LEAVES[: older - 1], leaf_hash(b"other")])
        with pytest.raises(ProofError):
            verify_consistency(root=other, new_root=new_root, **said)

    @given(st.integers(0, 64), st.integers(0, 64))
    def test_frontier_grows_from_anywhere(self, size: int, more: int) -> None:
        """
        A frontier that was stored and taken up again comes to the same.
        """
        first = Frontier()
        for leaf in LEAVES[:size]:
            first.add(leaf)
        second = Frontier(first.size, tuple(first.hashes))
        for leaf in LEAVES[size : size + more]:
            second.add(leaf)

        assert second.root() == tree_root(LEAVES[: size + more])
        assert first.root() == tree_root(LEAVES[:size])

    def test_no_such_leaf(self) -> None:
        """
        Asking for what is not there is an error.
        """
        with pytest.raises(IndexError):
            list(inclusion_proofs(LEAVES[:3], [3]))
        for size in (0, 4):
            with pytest.raises(IndexError):
                consistency_proof(LEAVES[:3], size)
        with pytest.raises(ValueError):
            Frontier(3, [LEAVES[0]])

    def test_a_node_is_no_leaf(self) -> None:
        """
        Two hashes put together cannot be passed off as an entry.
        """
        node = tree_root(LEAVES[:2])

        assert leaf_hash(LEAVES[0] + LEAVES[1]) != node

    def test_hash_of_another_length(self) -> None:
        """
        What is no hash is refused before it is hashed.
        """
        with pytest.raises(ProofError, match="32 bytes"):
            verify_inclusion(b"x", index=0, size=1, proof=[], root=b"x")
