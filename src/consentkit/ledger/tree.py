# SPDX-License-Identifier: MIT
"""
A Merkle tree over entries: one root for all, short proofs for each.

Source: RFC 6962 section 2.1 for the hashes, RFC 9162 sections 2.1.3 and 2.1.4
for verifying proofs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Self

from consentkit.exceptions import ProofError


__all__ = [
    "Frontier",
    "consistency_proof",
    "inclusion_proofs",
    "leaf_hash",
    "tree_root",
    "verify_consistency",
    "verify_inclusion",
]

_HASH_BYTES: Final = 32


def leaf_hash(body: bytes) -> bytes:
    """
    Hash one leaf.
    """
    return sha256(b"\x00" + body).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """
    What is needed of a tree to make it grow, and to know its root.

    Attributes:
        size: How many leaves the tree has.

        hashes: Roots of the whole subtrees that it consists of, the
            largest first.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size: int = size
        self.hashes: list[bytes] = [*hashes]
        if len(self.hashes) != size.bit_count():
            msg = f"a tree of {size} leaves has another number of subtrees"
            raise ValueError(msg)

    def add(self, leaf: bytes) -> bytes:
        """
        Add the hash of the next leaf.

        Returns:
            Roots of the whole subtrees that it completes, the smallest
            first: the leaf itself, and one more for each time that its
            number can be halved.
        """
        hashes, size = self.hashes, self.size
        made = leaf
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            made += leaf
            size >>= 1
        hashes.append(leaf)
        self.size += 1
        return made

    def root(self) -> bytes:
        """
        Give the root of the tree as it is now.
        """
        if not self.hashes:
            return sha256().digest()
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = _node_hash(left, root)
        return root

    def copy(self) -> Self:
        """
        Give one that grows by itself.
        """
        return type(self)(self.size, self.hashes)


def tree_root(leaves: Iterable[bytes]) -> bytes:
    """
    Compute the root over the hashes of *leaves*.
    """
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root()


def inclusion_proofs(
    leaves: Sequence[bytes], indices: Iterable[int]
) -> Iterator[list[bytes]]:
    """
    Prove that leaves are in the tree, by the hashes beside their ways up.

    Args:
        leaves: Hashes of all leaves, in order.

        indices: Which of them, from 0.

    Raises:
        IndexError: If there is no such leaf.
    """
    levels = [leaves]
    while len(below := levels[-1]) > 1:
        pairs = zip(below[::2], below[1::2], strict=False)
        level = [_node_hash(left, right) for left, right in pairs]
        # A last one without a partner goes up as it is.
        levels.append([*level, *below[len(level) * 2 :]])
    for index in indices:
        if not 0 <= index < len(leaves):
            msg = f"no leaf {index} in a tree of {len(leaves)}"
            raise IndexError(msg)
        yield [
            level[beside]
            for height, level in enumerate(levels)
            if (beside := index >> height ^ 1) < len(level)
        ]


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """
    Prove that the tree of today begins with the one that had *size* leaves.

    Args:
        leaves: Hashes of all leaves, in order.

        size: Leaves of the older tree.

    Raises:
        IndexError: If there was no such tree.
    """
    if not 0 < size <= len(leaves):
        msg = f"a tree of {len(leaves)} never had {size} leaves"
        raise IndexError(msg)
    proof: list[bytes] = []
    is_whole = True  # whether what is left of the older tree is its root
    while size < len(leaves):
        half = 1 << ((len(leaves) - 1).bit_length() - 1)
        if size <= half:
            proof.append(tree_root(leaves[half:]))
            leaves = leaves[:half]
        else:
            proof.append(tree_root(leaves[:half]))
            leaves, size = leaves[half:], size - half
            is_whole = False
    if not is_whole:
        proof.append(tree_root(leaves))
    return proof[::-1]


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """
    See that *leaf* stands at *index* of the tree with *root*.

    Raises:
        ProofError: If it does not.
    """
    _check_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        msg = f"there is no leaf {index} in a tree of {size}"
        raise ProofError(msg)
    at, last = index, size - 1
    for beside in proof:
        if not last:
            break
        if at & 1 or at == last:
            leaf = _node_hash(beside, leaf)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            leaf = _node_hash(leaf, beside)
        at, last = at >> 1, last >> 1
    else:
        if not last and compare_digest(leaf, root):
            return
    msg = "the leaf is not in the tree"
    raise ProofError(msg)


def verify_consistency(
    *,
    size: int,
    root: bytes,
    new_size: int,
    new_root: bytes,
    proof: Sequence[bytes],
    start: int = 0,
) -> None:
    """
    See that the tree with *new_root* begins with the one that had *root*.

    Args:
        size: Leaves of the older tree, one at least.

        root: Root of the older tree.

        new_size: Leaves of the newer tree.

        new_root: Root of the newer tree.

        proof: What `consistency_proof` gave.

        start: First leaf of a subtree that ends before leaf *size*, in
            place of a whole older tree.

    Raises:
        ProofError: If it does not.
    """
    _check_hashes(root, new_root, *proof)
    width = size - start
    is_subtree = width > 0 and not start % (1 << (width - 1).bit_length())
    if not (start >= 0 and is_subtree and size <= new_size):
        msg = f"no tree of {new_size} began with one of {size}"
        raise ProofError(msg)
    first, last, end = start, size - 1, new_size - 1
    if last == end:
        shift = (first ^ last).bit_length()
    else:
        # Past what both trees have whole.
        ones = (~last & (last + 1)).bit_length() - 1
        shift = min(ones, (first ^ last).bit_length())
    first, last, end = first >> shift, last >> shift, end >> shift
    rest = list(proof)
    if first == last:
        old = new = root
    elif rest:
        old = new = rest.pop(0)
    else:
        msg = "the proof is too short"
        raise ProofError(msg)
    for beside in rest:
        if not end:
            msg = "the proof is too long"
            raise ProofError(msg)
        if last & 1 or last == end:
            if first < last:
                old = _node_hash(beside, old)
            new = _node_hash(beside, new)
            while last and not last & 1:
                first, last, end = first >> 1, last >> 1, end >> 1
        else:
            new = _node_hash(new, beside)
        first, last, end = first >> 1, last >> 1, end >> 1
    is_same = compare_digest(old, root) and compare_digest(new, new_root)
    if end or not is_same:
        msg = "the newer tree does not begin with the older one"
        raise ProofError(msg)


def _check_hashes(*hashes: bytes) -> None:
    if any(len(one) != _HASH_BYTES for one in hashes):
        msg = f"a hash has {_HASH_BYTES} bytes"
        raise ProofError(msg)
