# SPDX-License-Identifier: MIT
"""
Checkpoints: what a ledger was at one moment, signed, in a few lines of text.

A checkpoint names the ledger, how many entries it has and the root of their
tree. It is written as a signed note, which tools in other languages read.

Source: C2SP signed-note, C2SP tlog-checkpoint (https://c2sp.org), RFC 8032
for Ed25519.
"""

from __future__ import annotations

import base64
import binascii
import re

from hashlib import sha256
from typing import Final

from attrs import frozen

from consentkit.exceptions import ProofError


__all__ = [
    "Checkpoint",
    "Signature",
    "SignedCheckpoint",
    "VerifyKey",
    "decode_base64",
    "encode_base64",
    "key_id",
    "parse_checkpoint",
]

_HASH_BYTES: Final = 32
_ED25519: Final = b"\x01"
_NAME: Final = re.compile(r"[^\s+]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,15}")
_NOTE_CHARACTERS: Final = 65_536
_SIGNATURES: Final = 100


def encode_base64(value: bytes) -> str:
    """
    Write bytes in base64.
    """
    return base64.b64encode(value).decode()


def decode_base64(text: str, *, what: str) -> bytes:
    """
    Read base64 in the one spelling that it has.

    Args:
        text: The base64.

        what: What it is, for the error.

    Raises:
        ProofError: If it is spelt in any other way.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = None
    if value is None or encode_base64(value) != text:
        msg = f"{what} is not base64"
        raise ProofError(msg)
    return value


def key_id(name: str, public: bytes) -> bytes:
    """
    Compute the id of an Ed25519 key, four bytes.
    """
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


@frozen(kw_only=True)
class VerifyKey:
    """
    The public half of a ledger's key: whoever has it can check a receipt.

    Attributes:
        name: Name of the key, in its signatures.

        public: The Ed25519 key, 32 bytes.
    """

    name: str
    public: bytes

    def __str__(self) -> str:
        kind = encode_base64(_ED25519 + self.public)
        return f"{self.name}+{self.id.hex()}+{kind}"

    @classmethod
    def parse(cls, text: str) -> VerifyKey:
        """
        Read a key as `str` writes it: name, id and key, with ``+`` between.

        Raises:
            ProofError: If it is not such a key.
        """
        name, _, rest = text.partition("+")
        digits, _, encoded = rest.partition("+")
        raw = decode_base64(encoded, what="the key")
        if raw[:1] != _ED25519 or len(raw) != 1 + _HASH_BYTES:
            msg = "the key is not of Ed25519"
            raise ProofError(msg)
        key = cls(name=name, public=raw[1:])
        if not _is_name(name) or key.id.hex() != digits:
            msg = "the key's name and id do not belong to it"
            raise ProofError(msg)
        return key

    @property
    def id(self) -> bytes:
        """
        The key's id, four bytes.
        """
        return key_id(self.name, self.public)

    def verify(self, signature: bytes, text: str) -> None:
        """
        See that this key has signed *text*.

        Raises:
            ProofError: If it has not.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (
            Ed25519PublicKey,
        )

        try:
            key = Ed25519PublicKey.from_public_bytes(self.public)
            key.verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            msg = f"a signature of {self.name} is wrong"
            raise ProofError(msg) from None


@frozen(kw_only=True)
class Checkpoint:
    """
    What a ledger was at one moment.

    Attributes:
        origin: Which ledger.

        size: How many entries it had.

        root: Root of the tree over them, 32 bytes.

        extensions: More lines, of whoever made it; never empty ones.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """
        What is signed.
        """
        lines = (self.origin, str(self.size), encode_base64(self.root))
        return "".join(f"{line}\n" for line in (*lines, *self.extensions))


@frozen(kw_only=True)
class Signature:
    """
    One line of a signed note.

    Attributes:
        name, key_id: Of the key.

        value: The signature; for Ed25519 of 64 bytes.
    """

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        encoded = encode_base64(self.key_id + self.value)
        return f"\N{EM DASH} {self.name} {encoded}\n"


@frozen(kw_only=True)
class SignedCheckpoint:
    """
    A checkpoint with its signatures, which may be of several keys.
    """

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    @property
    def note(self) -> str:
        """
        The signed note, as it is stored and handed on.
        """
        return f"{self.checkpoint.text}\n{''.join(map(str, self.signatures))}"

    def verify(self, key: VerifyKey) -> Checkpoint:
        """
        Give the checkpoint, if *key* has signed it.

        Signatures of other keys are of no account.

        Raises:
            ProofError: If it has not.
        """
        found = [
            one.value
            for one in self.signatures
            if one.name == key.name and one.key_id == key.id
        ]
        if not found:
            msg = f"the checkpoint has no signature of {key.name}"
            raise ProofError(msg)
        for signature in found:
            key.verify(signature, self.checkpoint.text)
        return self.checkpoint


def parse_checkpoint(note: str) -> SignedCheckpoint:
    """
    Read a signed note that holds a checkpoint; no signature is verified.

    Raises:
        ProofError: If it is not exactly of that form.
    """
    if len(note) > _NOTE_CHARACTERS:
        msg = "a checkpoint is shorter"
        raise ProofError(msg)
    text, blank, signed = note.rpartition("\n\n")
    if not blank or not signed.endswith("\n"):
        msg = "a checkpoint is some lines, a blank one, and signatures"
        raise ProofError(msg)
    if any((c < " " and c != "\n") or "\ud800" <= c <= "\udfff" for c in note):
        msg = "a checkpoint has no control characters"
        raise ProofError(msg)
    lines = signed[:-1].split("\n")
    if len(lines) > _SIGNATURES:
        msg = f"a checkpoint has at most {_SIGNATURES} signatures"
        raise ProofError(msg)
    return SignedCheckpoint(
        checkpoint=_body(text.split("\n")),
        signatures=tuple(map(_signature, lines)),
    )


def _body(lines: list[str]) -> Checkpoint:
    if len(lines) < 3 or "" in lines:
        msg = "a checkpoint has an origin, a size and a root"
        raise ProofError(msg)
    origin, size, encoded, *extensions = lines
    root = decode_base64(encoded, what="the checkpoint's root")
    if not _SIZE.fullmatch(size) or len(root) != _HASH_BYTES:
        msg = "the checkpoint's size or root is none"
        raise ProofError(msg)
    return Checkpoint(
        origin=origin,
        size=int(size),
        root=root,
        extensions=tuple(extensions),
    )


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "\N{EM DASH}" or not _is_name(name):
        msg = "a signature is a dash, a name and base64"
        raise ProofError(msg)
    raw = decode_base64(encoded, what="a signature")
    if len(raw) <= 4:
        msg = "a signature has an id and a value"
        raise ProofError(msg)
    return Signature(name=name, key_id=raw[:4], value=raw[4:])


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.isprintable()
