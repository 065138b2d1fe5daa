# SPDX-License-Identifier: MIT
"""
The key that signs a ledger's checkpoints: one for each install.

It is a file of its own, made with the first entry. Whoever has it can write
another history; what that does not match is an anchor elsewhere.
"""

from __future__ import annotations

import os

from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import field, frozen

from consentkit._files import make_file, read_file
from consentkit.exceptions import DamagedError, ProofError
from consentkit.ledger.checkpoint import (
    Checkpoint,
    Signature,
    SignedCheckpoint,
    VerifyKey,
    decode_base64,
    encode_base64,
)


__all__ = ["KeyFile", "SigningKey", "make_signing_key"]

_ED25519: Final = b"\x01"
_SEED_BYTES: Final = 32
_HEAD: Final = "PRIVATE+KEY+"


@frozen(kw_only=True)
class SigningKey:
    """
    A key that signs checkpoints.

    Attributes:
        verify_key: Its public half.
    """

    verify_key: VerifyKey
    _seed: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"the key {self.verify_key.name}"

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """
        Read a key as `secret` writes it.

        Raises:
            ProofError: If it is not such a key.
        """
        if not text.startswith(_HEAD):
            msg = f"it does not begin with {_HEAD}"
            raise ProofError(msg)
        name, _, rest = text[len(_HEAD) :].partition("+")
        raw = decode_base64(rest.partition("+")[2], what="the key")
        if raw[:1] != _ED25519 or len(raw) != 1 + _SEED_BYTES:
            msg = "it is not of Ed25519"
            raise ProofError(msg)
        key = _key(name, raw[1:])
        if key.secret != text:
            msg = "its name and id do not belong to it"
            raise ProofError(msg)
        return key

    @property
    def secret(self) -> str:
        """
        The key as its file holds it: as the tools for signed notes do.
        """
        key = self.verify_key
        encoded = encode_base64(_ED25519 + self._seed)
        return f"{_HEAD}{key.name}+{key.id.hex()}+{encoded}"

    def sign(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        """
        Sign *checkpoint*.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (
            Ed25519PrivateKey,
        )

        key = Ed25519PrivateKey.from_private_bytes(self._seed)
        signature = Signature(
            name=self.verify_key.name,
            key_id=self.verify_key.id,
            value=key.sign(checkpoint.text.encode()),
        )
        return SignedCheckpoint(checkpoint=checkpoint, signatures=(signature,))


def make_signing_key() -> SigningKey:
    """
    Make a new key, with a name that tells nothing of anybody.
    """
    seed = os.urandom(_SEED_BYTES)
    # The name stands for the key and is as random as that.
    name = f"consentkit/{sha256(_public(seed)).hexdigest()[:16]}"
    return _key(name, seed)


def _key(name: str, seed: bytes) -> SigningKey:
    public = VerifyKey(name=name, public=_public(seed))
    return SigningKey(verify_key=public, seed=seed)


def _public(seed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
    )

    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.public_key().public_bytes_raw()


class KeyFile:
    """
    The file that holds the key, for this user only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> SigningKey | None:
        """
        Read the key, or give ``None`` where there is none.

        Raises:
            DamagedError: If it is not a key, or readable by others.
        """
        text = read_file(self.path, secret=True)
        if text is None:
            return None
        try:
            return _parse_line(text)
        except ProofError as error:
            problem = str(error)
        raise DamagedError(
            self.path,
            problem=f"this is not the key of the ledger: {problem}",
            cure="restore it from a backup",
        )

    def make(self) -> SigningKey:
        """
        Make a new key and store it durably.

        Raises:
            UnwritableError: If it cannot be stored.
        """
        key = make_signing_key()
        make_file(self.path, f"{key.secret}\n")
        return key


def _parse_line(text: str) -> SigningKey:
    if not text.endswith("\n"):
        msg = "it is not one line"
        raise ProofError(msg)
    return SigningKey.parse(text[:-1])
