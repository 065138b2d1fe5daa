# SPDX-License-Identifier: MIT
"""
What every store needs beside its entries: the key that signs, and the anchor.
"""

from __future__ import annotations

import os

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from attrs import frozen

from consentkit._fork import load
from consentkit._mac import hmac_sha256
from consentkit.exceptions import DamagedError, ProofError
from consentkit.ledger.anchor import AnchorFile, AnchorInMemory
from consentkit.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    VerifyKey,
    parse_checkpoint,
)
from consentkit.ledger.signing import KeyFile, SigningKey
from consentkit.ledger.verify import Verdict, VerdictKind


__all__ = [
    "Keeper",
    "checked_documents",
    "digest_of",
    "load_signatures",
    "new_key",
    "put",
    "tag_of",
]

_KEY_BYTES: Final = 32
_ORIGIN_BYTES: Final = 8

_T = TypeVar("_T")


def load_signatures() -> None:
    """
    Import what signs and verifies, before a lock is held.
    """
    load("cryptography.hazmat.primitives.asymmetric.ed25519")


def digest_of(body: str) -> str:
    """
    Give the SHA-256 of a document, in hex.
    """
    return sha256(body.encode()).hexdigest()


def checked_documents(policies: Mapping[str, str] | None) -> dict[str, str]:
    """
    Copy documents by their digests.

    Raises:
        ValueError: If one has another digest.
    """
    documents = dict(policies or {})
    for digest, body in documents.items():
        if digest_of(body) != digest:
            msg = f"the policy document has another digest than {digest}"
            raise ValueError(msg)
    return documents


def new_key() -> bytes:
    """
    Make the key of a subject.
    """
    return os.urandom(_KEY_BYTES)


def tag_of(id: str, key: bytes) -> str:  # noqa: A002 - the word of the ledger
    """
    Compute the tag that stands for a person.

    With the id in it, so that two rows cannot change places.
    """
    return hmac_sha256(key, b"consentkit subject 1\0" + id.encode()).hex()


def put(there: dict[str, _T], key: str, value: _T, *, most: int) -> None:
    """
    Put something at hand, in place of what was put there first.
    """
    if key not in there and len(there) >= most:
        there.pop(next(iter(there)), None)
    there[key] = value


@frozen(kw_only=True)
class Keeper:
    """
    The key and the anchor of one ledger, and what is said of damage to it.

    Attributes:
        where: The ledger, for errors.

        cure: What to do about damage.

        key_file: Where the key is, if *key* is ``None``.

        key: The key, if it is not in a file.

        anchor: The newest checkpoint, outside the ledger.
    """

    where: Path | str
    cure: str
    anchor: AnchorFile | AnchorInMemory
    key_file: KeyFile | None = None
    key: SigningKey | None = None

    @classmethod
    def of(
        cls, keys: Path | SigningKey, *, where: Path | str, cure: str
    ) -> Keeper:
        """
        Keep what is in the folder *keys*, or nothing but the key given.
        """
        if isinstance(keys, SigningKey):
            return cls(
                where=where, cure=cure, anchor=AnchorInMemory(), key=keys
            )
        return cls(
            where=where,
            cure=cure,
            # Not ``.key``: those of the outbox are destroyed by their name.
            key_file=KeyFile(keys / "ledger.signing"),
            anchor=AnchorFile(keys / "ledger.anchor"),
        )

    def known_key(self) -> SigningKey | None:
        """
        Give the key, or ``None`` where there is none yet.
        """
        return self.key or (self.key_file and self.key_file.load()) or None

    def signing_key(self) -> SigningKey:
        """
        Give the key of a ledger that was signed.

        Raises:
            DamagedError: If it is missing.
        """
        key = self.known_key()
        if key is not None:
            return key
        raise DamagedError(
            self.key_file.path if self.key_file else self.where,
            problem="the key of the ledger is missing",
            cure="restore it from a backup; moving the ledger away starts "
            "a new one, in which nothing is granted",
        )

    def begin(self) -> str:
        """
        Begin a ledger where there is none, and give it its name.

        Only one that was never written to, or is gone, comes here: the
        anchor, if there is one, is of the ledger before.
        """
        key = self.known_key()
        if key is None and self.key_file is not None:
            key = self.key_file.make()
        self.anchor.set_aside()
        name = (key or self.signing_key()).verify_key.name
        return f"{name}/{os.urandom(_ORIGIN_BYTES).hex()}"

    def earlier(self) -> dict[Path, SignedCheckpoint | None]:
        """
        Give the anchors of the ledgers before; ``None`` is not of the key.
        """
        aside = self.anchor.aside()
        if not aside:
            return {}
        anchor, key = self.anchor.read(), self.signing_key().verify_key
        found: dict[Path, SignedCheckpoint | None] = {}
        for path, signed in aside.items():
            found[path] = None
            if signed is None:
                continue
            with suppress(ProofError):
                name = signed.verify(key).origin
                found[path] = signed
                # Unless that ledger was put back, together with its anchor.
                if anchor is not None and anchor.checkpoint.origin == name:
                    del found[path]
        return found

    def held(self, anchor: SignedCheckpoint, key: VerifyKey) -> Checkpoint:
        """
        Give what the anchor says, if *key* has signed it.

        Raises:
            DamagedError: If it has not.
        """
        try:
            return anchor.verify(key)
        except ProofError as error:
            problem = str(error)
        raise DamagedError(
            self.anchor.path or self.where,
            problem=f"this is not the anchor of the ledger: {problem}",
            cure="restore it from a backup",
        )

    def parsed(self, note: str) -> SignedCheckpoint:
        """
        Read the checkpoint that the ledger holds.

        Raises:
            DamagedError: If it is none.
        """
        try:
            return parse_checkpoint(note)
        except ProofError as error:
            problem = str(error)
        raise DamagedError(
            self.where,
            problem=f"the newest checkpoint is damaged: {problem}",
            cure=self.cure,
        )

    def checked_policy(self, digest: str, body: object) -> str:
        """
        Give a document as it was archived.

        Raises:
            DamagedError: If it is another.
        """
        if isinstance(body, str) and digest_of(body) == digest:
            return body
        raise DamagedError(
            self.where,
            problem=f"the policy document {digest} was changed",
            cure=self.cure,
        )

    def checked_tag(self, id: str, tag: object, key: object) -> str:  # noqa: A002
        """
        Give the tag of a person, if the row is the one that was written.

        Raises:
            DamagedError: If it is another.
        """
        if isinstance(key, bytes):
            made = tag_of(id, key)
            if made == tag:
                return made
        raise DamagedError(
            self.where,
            problem="the link of a subject to its entries was changed",
            cure=self.cure,
        )

    def broken(self, number: int) -> DamagedError:
        """
        Say at which entry the chain breaks.
        """
        return DamagedError(
            self.where,
            problem=f"the chain breaks at entry {number}",
            cure=self.cure,
        )

    def damaged(self, verdict: Verdict) -> DamagedError:
        """
        Say what became of the ledger.
        """
        if verdict.kind is VerdictKind.CHANGED:
            return self.broken(verdict.index)
        return DamagedError(
            self.where, problem=f"the ledger is {verdict}", cure=self.cure
        )

    def verdict_of_none(
        self,
        given: tuple[SignedCheckpoint, ...],
        kept: SignedCheckpoint | None,
        row: object = None,
    ) -> Verdict:
        """
        Judge a ledger that was never written to, or is gone.

        Args:
            given: Anchors from elsewhere.

            kept: The anchor beside the keys.

            row: Something that is there nevertheless.
        """
        held = [*given] if kept is None else [*given, kept]
        if held:
            key = self.signing_key().verify_key
            for anchor in held:
                anchor.verify(key)
        had = max((one.checkpoint.size for one in held), default=0)
        kind = VerdictKind.UNANCHORED
        if had:
            kind = VerdictKind.TRUNCATED
        if row is not None:
            kind = VerdictKind.CHANGED
        return Verdict(
            kind=kind,
            has=0,
            index=int(kind is VerdictKind.CHANGED),
            had=had,
            anchors=len(held),
        )
