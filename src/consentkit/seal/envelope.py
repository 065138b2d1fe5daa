# SPDX-License-Identifier: MIT
"""
Envelopes: what is sent, sealed for its recipient, format 1.

::

    key id u8 | KEM u16 | KDF u16 | AEAD u16 | head length u16 | head
        | encapsulated key | ciphertext and tag

    head       one object of canonical JSON in ASCII: see `Head`
    info       "consentkit envelope 1" 0x00 | the first 9 bytes
                   | SHA-256(head)
    plaintext  length u32 | raw deflate of the body
                   | zeros up to the padded length

All numbers are big-endian. The head is readable for whoever carries the
envelope, and holds nothing of the person; a change of any byte keeps the
envelope from being opened. What is in it is compressed first: a batch holds
what one person agreed to for one recipient, and nobody chooses a text beside
somebody else's secret.

Base mode says nothing of the sender: who has the public key can seal. The
transport says who that is.

Source: RFC 9180 (HPKE, base mode, single shot), RFC 1951 (deflate).
"""

from __future__ import annotations

import re
import struct
import zlib

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from attrs import asdict, frozen
from cryptography.exceptions import InvalidTag

from consentkit.exceptions import EnvelopeError, UnknownKeyError
from consentkit.ledger.canonical import canonical_json, parse_canonical
from consentkit.seal.keys import (
    AEAD,
    ENC_BYTES,
    HKDF_SHA256,
    KEM,
    OpenKey,
    SealKey,
    suite_of,
)
from consentkit.seal.padding import padded_length


__all__ = ["MEDIA_TYPE", "Head", "open_envelope", "read_head", "seal"]

#: What an envelope is called over HTTP.
MEDIA_TYPE: Final = "application/vnd.consentkit.envelope"

#: The most that an envelope may open to, unless told otherwise.
MOST_BYTES: Final = 16 * 1024 * 1024

_FRONT: Final = struct.Struct(">BHHHH")
_LENGTH: Final = struct.Struct(">I")
_LABEL: Final = b"consentkit envelope 1\0"
_TAG_BYTES: Final = 16
_MOST_HEAD_BYTES: Final = 4096

_KINDS: Final = ("batch", "erasure", "drops")
_ID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")
_NAME: Final = re.compile(r"[!-~]{1,256}")


@frozen(kw_only=True)
class Head:
    """
    What anyone who carries an envelope can read of it.

    Attributes:
        kind: ``batch``, ``erasure`` or ``drops``.

        id: Idempotency key; of a batch that of the batch.

        recipient: Who it is for.

        count: How many records are in it; of what is no batch none.

        erase: Of a batch the SHA-256, in hex, of the token that later
            entitles to erase its records; else empty.

        key: Fingerprint of the key that it is sealed for.
    """

    kind: str
    id: str
    recipient: str
    count: int = 0
    erase: str = ""
    key: str = ""


_RULES: Final[Mapping[str, re.Pattern[str]]] = {
    "id": _ID,
    "recipient": _NAME,
    "key": _FINGERPRINT,
}


def seal(body: bytes, head: Head, key: SealKey) -> bytes:
    """
    Seal *body* for the recipient that has the private half of *key*.

    It costs about 0.1 ms, and the compression.

    Args:
        body: Up to 4 GiB.

        head: What stands outside; its `Head.key` is set here.

        key: Whom it is for.
    """
    raw_head = _write_head(head, key)
    front = _FRONT.pack(
        key.id, key.kem.value, HKDF_SHA256, key.aead.value, len(raw_head)
    )
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = deflate.compress(body) + deflate.flush()
    plain = _LENGTH.pack(len(packed)) + packed
    plain = plain.ljust(padded_length(len(plain)), b"\0")
    sealed = suite_of(key.kem, key.aead).encrypt(
        plain,
        key._loaded,  # noqa: SLF001 - of this room
        info=_info(front, raw_head),
    )
    return front + raw_head + sealed


def read_head(envelope: bytes) -> Head:
    """
    Read what stands outside, without a key; nothing of it is verified.

    Raises:
        EnvelopeError: If it is no envelope of format 1.
    """
    return _take_apart(envelope)[2]


def open_envelope(
    envelope: bytes,
    keys: Mapping[int, OpenKey],
    *,
    most_bytes: int = MOST_BYTES,
) -> tuple[Head, bytes]:
    """
    Open an envelope.

    Args:
        envelope: As it came.

        keys: By number.

        most_bytes: The most that it may open to; what would be more is
            refused before it is made.

    Returns:
        The head, verified now, and the body.

    Raises:
        UnknownKeyError: If it is sealed for another key.

        EnvelopeError: If it is none, or not as it was sealed.
    """
    front, raw_head, head, key_id, suite, rest = _take_apart(envelope)
    key = keys.get(key_id)
    if (
        key is None
        or key.seal_key.fingerprint != head.key
        or (key.seal_key.kem, key.seal_key.aead) != suite
    ):
        raise UnknownKeyError(head.key)
    try:
        plain = suite_of(*suite).decrypt(
            rest, key.loaded, info=_info(front, raw_head)
        )
    except (InvalidTag, ValueError):
        plain = None
    if plain is None:
        problem = "it does not open: it was changed on its way"
        raise EnvelopeError(problem)
    return head, _unpack(plain, most_bytes)


def _info(front: bytes, raw_head: bytes) -> bytes:
    return _LABEL + front + sha256(raw_head).digest()


def _write_head(head: Head, key: SealKey) -> bytes:
    fields = asdict(head) | {"key": key.fingerprint, "v": 1}
    return canonical_json(fields).encode("ascii")


def _take_apart(
    envelope: bytes,
) -> tuple[bytes, bytes, Head, int, tuple[KEM, AEAD], bytes]:
    problem = "it is no envelope"
    if len(envelope) < _FRONT.size:
        raise EnvelopeError(problem)
    key_id, kem_id, kdf_id, aead_id, size = _FRONT.unpack_from(envelope)
    kem = next((one for one in KEM if one.value == kem_id), None)
    aead = next((one for one in AEAD if one.value == aead_id), None)
    if kem is None or aead is None or kdf_id != HKDF_SHA256:
        problem = (
            f"its suite 0x{kem_id:04x}, 0x{kdf_id:04x}, 0x{aead_id:04x} is "
            "not known here"
        )
        raise EnvelopeError(problem)
    end = _FRONT.size + size
    least = end + ENC_BYTES[kem] + _TAG_BYTES + _LENGTH.size
    if size > _MOST_HEAD_BYTES or len(envelope) < least:
        raise EnvelopeError(problem)
    raw_head = envelope[_FRONT.size : end]
    head = _read_head(raw_head)
    front = envelope[: _FRONT.size]
    return front, raw_head, head, key_id, (kem, aead), envelope[end:]


def _read_head(raw: bytes) -> Head:
    problem = "its head is not of format 1"
    try:
        found: Any = parse_canonical(raw.decode("ascii"))
    except ValueError:
        found = None
    names = {"v", "kind", "id", "recipient", "count", "erase", "key"}
    if not isinstance(found, dict) or found.keys() != names:
        raise EnvelopeError(problem)
    is_batch = found["kind"] == "batch"
    count = found["count"]
    good = (
        type(found["v"]) is int
        and found["v"] == 1
        and found["kind"] in _KINDS
        and type(count) is int
        and (count > 0) == is_batch
        and isinstance(found["erase"], str)
        and (bool(_DIGEST.fullmatch(found["erase"])) or not found["erase"])
        and bool(found["erase"]) == is_batch
        and all(
            isinstance(found[name], str) and rule.fullmatch(found[name])
            for name, rule in _RULES.items()
        )
    )
    if not good:
        raise EnvelopeError(problem)
    del found["v"]
    return Head(**found)


def _unpack(plain: bytes, most_bytes: int) -> bytes:
    problem = "what is in it is not of format 1"
    if len(plain) < _LENGTH.size:
        raise EnvelopeError(problem)
    (size,) = _LENGTH.unpack_from(plain)
    end = _LENGTH.size + size
    if padded_length(end) != len(plain) or any(plain[end:]):
        raise EnvelopeError(problem)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflate.decompress(plain[_LENGTH.size : end], most_bytes)
    except zlib.error:
        body = None
    if body is None:
        raise EnvelopeError(problem)
    if not inflate.eof:
        if inflate.unconsumed_tail or len(body) >= most_bytes:
            problem = f"it opens to more than {most_bytes} bytes"
        raise EnvelopeError(problem)
    if inflate.unused_data:
        raise EnvelopeError(problem)
    return body
