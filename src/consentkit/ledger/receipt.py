# SPDX-License-Identifier: MIT
"""
Receipts: the proof of one entry, which checks without us and without a net.

A receipt is one line of canonical JSON. It holds the entry, the way from it
up to a signed checkpoint, the key that signed, and the policy document that
the entry names. It shows that the entry stood in the ledger when the
checkpoint was made. It does not show whose key it is: compare that with one
from elsewhere. Nor does it show the time, which is what a device said.

For an erased subject it stays good, and names nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from attrs import field, frozen

from consentkit.exceptions import ProofError
from consentkit.ledger.canonical import canonical_json, parse_canonical
from consentkit.ledger.checkpoint import (
    SignedCheckpoint,
    VerifyKey,
    decode_base64,
    encode_base64,
    parse_checkpoint,
)
from consentkit.ledger.entries import Entry, entry_from_body
from consentkit.ledger.tree import (
    inclusion_proofs,
    leaf_hash,
    verify_inclusion,
)


__all__ = [
    "Receipt",
    "check_places",
    "make_receipts",
    "proofs_of",
    "verify_receipt",
]

_VERSION: Final = 1
_TYPE: Final = "consentkit receipt"
_CHARACTERS: Final = 4_000_000

#: What a receipt has, and of which kind it is.
_FIELDS: Final = {
    "checkpoint": str,
    "entry": dict,
    "key": str,
    "policy": str,
    "proof": list,
    "type": str,
    "v": int,
}


@frozen(kw_only=True)
class Receipt:
    """
    The proof of one entry.

    Attributes:
        entry: What is proved.

        proof: Hashes beside its way up the tree.

        signed: The checkpoint that it leads to.

        key: The key that signed it.

        policy: Canonical JSON of the policy document that the entry names,
            or empty where the ledger does not have it.
    """

    entry: Entry
    proof: tuple[bytes, ...] = field(repr=False)
    signed: SignedCheckpoint = field(repr=False)
    key: VerifyKey
    policy: str = field(default="", repr=False)

    @property
    def text(self) -> str:
        """
        The receipt as a file holds it, with the end of the line.
        """
        receipt = {
            "checkpoint": self.signed.note,
            "entry": parse_canonical(self.entry.body),
            "key": str(self.key),
            "policy": self.policy,
            "proof": [encode_base64(one) for one in self.proof],
            "type": _TYPE,
            "v": _VERSION,
        }
        return f"{canonical_json(receipt)}\n"


def check_places(places: Iterable[int] | None, size: int) -> list[int]:
    """
    Give the places of the entries that receipts are wanted of.

    Args:
        places: As they were asked for, or ``None`` for all.

        size: How many entries there are.

    Raises:
        ValueError: If there is no such entry.
    """
    wanted = [*(range(1, size + 1) if places is None else places)]
    for seq in wanted:
        if not 0 < seq <= size:
            msg = f"the ledger has no entry {seq}, it ends at {size}"
            raise ValueError(msg)
    return wanted


def proofs_of(
    bodies: Sequence[bytes], places: Sequence[int]
) -> dict[int, list[bytes]]:
    """
    Prove that entries are in the tree, out of the texts of all of them.
    """
    proofs = inclusion_proofs(
        [*map(leaf_hash, bodies)], [seq - 1 for seq in places]
    )
    return dict(zip(places, proofs, strict=True))


def make_receipts(
    places: Iterable[int],
    bodies: Mapping[int, str],
    proofs: Mapping[int, Sequence[bytes]],
    *,
    signed: SignedCheckpoint,
    key: VerifyKey,
    policy_of: Callable[[str], str | None],
) -> Iterator[Receipt]:
    """
    Make the receipts of some entries.

    Args:
        places: Which, in the order of the receipts.

        bodies: Their texts, by their places.

        proofs: Their proofs, by their places.

        signed: The checkpoint.

        key: The key that signed it.

        policy_of: Gives the document of a digest, if it is there.
    """
    documents: dict[str, str] = {}
    for seq in places:
        entry = entry_from_body(bodies[seq])
        if entry.text not in documents:
            documents[entry.text] = policy_of(entry.text) or ""
        yield Receipt(
            entry=entry,
            proof=tuple(proofs[seq]),
            signed=signed,
            key=key,
            policy=documents[entry.text],
        )


def verify_receipt(text: str, *, key: VerifyKey | None = None) -> Receipt:
    """
    Give what a receipt proves.

    Args:
        text: The receipt, as its file holds it.

        key: The key that must have signed it. Without one, that in the
            receipt is believed: then it only shows that entry, document and
            signature belong together.

    Raises:
        ProofError: If it is not a receipt, or does not hold.
    """
    raw = _parsed(text)
    try:
        body = canonical_json(raw["entry"])
        entry = entry_from_body(body)
    except ValueError:
        msg = "the receipt's entry is none of a ledger"
        raise ProofError(msg) from None
    own = VerifyKey.parse(raw["key"])
    if key is not None and key != own:
        msg = f"the receipt is of the key {own}, which is not {key}"
        raise ProofError(msg)
    signed = parse_checkpoint(raw["checkpoint"])
    checkpoint = signed.verify(own)
    proof = tuple(_hash(one) for one in raw["proof"])
    verify_inclusion(
        leaf_hash(body.encode()),
        index=entry.seq - 1,
        size=checkpoint.size,
        proof=proof,
        root=checkpoint.root,
    )
    policy: str = raw["policy"]
    if policy and sha256(policy.encode()).hexdigest() != entry.text:
        msg = "the receipt's policy is not the one that its entry names"
        raise ProofError(msg)
    return Receipt(
        entry=entry, proof=proof, signed=signed, key=own, policy=policy
    )


def _parsed(text: str) -> dict[str, Any]:
    if len(text) > _CHARACTERS or not text.endswith("\n"):
        msg = "a receipt is one line of JSON"
        raise ProofError(msg)
    try:
        raw = parse_canonical(text[:-1])
    except ValueError as error:
        problem = str(error)
    else:
        if not isinstance(raw, dict) or raw.get("type") != _TYPE:
            msg = "this is not a receipt of consentkit"
            raise ProofError(msg)
        if raw.get("v") != _VERSION:
            msg = f"the receipt is not of format {_VERSION}"
            raise ProofError(msg)
        if {name: type(value) for name, value in raw.items()} != _FIELDS:
            msg = f"a receipt has {', '.join(_FIELDS)}, and no more"
            raise ProofError(msg)
        return raw
    msg = f"the receipt cannot be read: {problem}"
    raise ProofError(msg)


def _hash(value: object) -> bytes:
    if not isinstance(value, str):
        msg = "a hash of the proof is not base64"
        raise ProofError(msg)
    return decode_base64(value, what="a hash of the proof")
