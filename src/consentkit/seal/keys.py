# SPDX-License-Identifier: MIT
"""
Keys that envelopes are sealed for, and those that open them.

A public key travels as a key configuration of RFC 9458, 3 (oblivious HTTP),
which other tools read too; several of them as ``application/ohttp-keys``. As
text, in policies and on command lines, it is that in base64url.
"""

from __future__ import annotations

import os
import struct

from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen
from cryptography.exceptions import UnsupportedAlgorithm

from consentkit.exceptions import EnvelopeError


if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite


__all__ = [
    "AEAD",
    "HKDF_SHA256",
    "KEM",
    "OpenKey",
    "SealKey",
    "format_key_list",
    "make_open_key",
    "parse_key_list",
]

#: Number of the key derivation function in IANA's registry; there is one.
HKDF_SHA256: Final = 0x0001

_UNSUPPORTED: Final = (
    "the cryptography that is installed has no ML-KEM-768; install 48 or later"
)

_CONFIG: Final = struct.Struct(">BH")
_SUITE: Final = struct.Struct(">HH")
_LENGTH: Final = struct.Struct(">H")

_X25519_BYTES: Final = 32
_MLKEM_SEED_BYTES: Final = 64
_MLKEM_PUBLIC_BYTES: Final = 1184
_P256_BYTES: Final = 32


class KEM(Enum):
    """
    Key encapsulation, by its number in IANA's HPKE registry.

    `X25519` is the one that every HPKE library has; `P256` is for hardware
    that keeps keys; `MLKEM768_X25519` also holds against a quantum computer
    that comes later (draft-ietf-hpke-pq), at 1,088 bytes more an envelope.
    """

    P256 = 0x0010
    X25519 = 0x0020
    MLKEM768_X25519 = 0x647A


class AEAD(Enum):
    """
    Authenticated encryption, by its number in IANA's HPKE registry.
    """

    AES_256_GCM = 0x0002
    CHACHA20_POLY1305 = 0x0003


_PUBLIC_BYTES: Final = {
    KEM.X25519: _X25519_BYTES,
    KEM.P256: 65,
    KEM.MLKEM768_X25519: _MLKEM_PUBLIC_BYTES + _X25519_BYTES,
}

#: How many bytes of an envelope are the encapsulated key.
ENC_BYTES: Final = {
    KEM.X25519: _X25519_BYTES,
    KEM.P256: 65,
    KEM.MLKEM768_X25519: 1088 + _X25519_BYTES,
}


@frozen(kw_only=True)
class SealKey:
    """
    The public half of a recipient's key: who has it can seal, not open.

    Attributes:
        id: Number from 0 to 255 that the recipient tells its keys apart by.

        kem, aead: How it is used; the derivation is HKDF-SHA256.

        public: The key, as its KEM serialises it.

    Raises:
        EnvelopeError: If it is not a key.
    """

    id: int
    kem: KEM
    aead: AEAD
    public: bytes = field(repr=lambda key: f"<{len(key)} bytes>")
    #: Made once: what `cryptography` calls the key.
    _loaded: Any = field(init=False, repr=False, eq=False)

    @_loaded.default
    def _load(self) -> Any:
        if not 0 <= self.id <= 0xFF:
            problem = "the number of a key is 0 to 255"
            raise EnvelopeError(problem)
        problem = f"it is no key of {self.kem.name}"
        try:
            return _load_public(self.kem, self.public)
        except UnsupportedAlgorithm:
            problem = _UNSUPPORTED
        except ValueError:
            pass
        raise EnvelopeError(problem)

    @property
    def fingerprint(self) -> str:
        """
        First 8 bytes of SHA-256 of the public key, in hex.
        """
        return sha256(self.public).hexdigest()[:16]

    @property
    def text(self) -> str:
        """
        The key as a line of text, for a policy.
        """
        return urlsafe_b64encode(self.encode()).decode().rstrip("=")

    def __str__(self) -> str:
        return (
            f"key {self.id} {self.fingerprint} "
            f"({self.kem.name}, {self.aead.name})"
        )

    def encode(self) -> bytes:
        """
        Give its key configuration: RFC 9458, 3.1.
        """
        suite = _SUITE.pack(HKDF_SHA256, self.aead.value)
        return (
            _CONFIG.pack(self.id, self.kem.value)
            + self.public
            + _LENGTH.pack(len(suite))
            + suite
        )

    @classmethod
    def decode(cls, raw: bytes) -> SealKey:
        """
        Read a key configuration.

        Of several suites the first that is known here is taken: they stand
        in the recipient's order.

        Raises:
            EnvelopeError: If it is none, or of nothing that is known here.
        """
        problem = "it is no key configuration of RFC 9458"
        if len(raw) < _CONFIG.size:
            raise EnvelopeError(problem)
        number, kem_id = _CONFIG.unpack_from(raw)
        kem = next((kem for kem in KEM if kem.value == kem_id), None)
        if kem is None:
            problem = f"its KEM 0x{kem_id:04x} is not known here"
            raise EnvelopeError(problem)
        end = _CONFIG.size + _PUBLIC_BYTES[kem]
        suites = raw[end + _LENGTH.size :]
        if (
            len(raw) < end + _LENGTH.size
            or _LENGTH.unpack_from(raw, end)[0] != len(suites)
            or not suites
            or len(suites) % _SUITE.size
        ):
            raise EnvelopeError(problem)
        for kdf_id, aead_id in _SUITE.iter_unpack(suites):
            for aead in AEAD:
                if (kdf_id, aead_id) == (HKDF_SHA256, aead.value):
                    return cls(
                        id=number,
                        kem=kem,
                        aead=aead,
                        public=raw[_CONFIG.size : end],
                    )
        problem = "none of its suites is known here"
        raise EnvelopeError(problem)

    @classmethod
    def parse(cls, text: str) -> SealKey:
        """
        Read a key as `text` writes it.

        Raises:
            EnvelopeError: If it is not such a key.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            raw = urlsafe_b64decode(padded.encode("ascii"))
        except ValueError:
            raw = b""
        key = cls.decode(raw)
        if urlsafe_b64encode(key.encode()).decode().rstrip("=") != text:
            problem = "it is not written as keys are"
            raise EnvelopeError(problem)
        return key


@frozen(kw_only=True)
class OpenKey:
    """
    A recipient's key, with the private half that opens.

    Attributes:
        seal_key: Its public half.

        private: As its KEM serialises it: of X25519 and P-256 the 32 bytes
            of RFC 9180; of the hybrid the seed of ML-KEM (64 bytes, FIPS
            203) and the key of X25519.
    """

    seal_key: SealKey
    private: bytes = field(repr=False)

    def __str__(self) -> str:
        return str(self.seal_key)

    @property
    def loaded(self) -> Any:
        """
        The key as `cryptography` has it.
        """
        return _load_private(self.seal_key.kem, self.private)


def make_open_key(
    number: int,
    kem: KEM = KEM.X25519,
    aead: AEAD = AEAD.AES_256_GCM,
) -> OpenKey:
    """
    Make a new key for a recipient.

    Args:
        number: From 0 to 255; see `SealKey.id`.

        kem: Key encapsulation.

        aead: Encryption.
    """
    return open_key(number, kem, aead, _random_private(kem))


def open_key(number: int, kem: KEM, aead: AEAD, private: bytes) -> OpenKey:
    """
    Make the key that has this private half.

    Raises:
        EnvelopeError: If it is none.
    """
    problem = f"it is no private key of {kem.name}"
    try:
        public = _public_of(kem, private)
    except UnsupportedAlgorithm:
        problem = _UNSUPPORTED
    except ValueError:
        pass
    else:
        return OpenKey(
            seal_key=SealKey(id=number, kem=kem, aead=aead, public=public),
            private=private,
        )
    raise EnvelopeError(problem)


def format_key_list(keys: tuple[SealKey, ...]) -> bytes:
    """
    Write keys as ``application/ohttp-keys``: RFC 9458, 3.2.
    """
    raw = [key.encode() for key in keys]
    return b"".join(_LENGTH.pack(len(one)) + one for one in raw)


def parse_key_list(raw: bytes) -> tuple[SealKey, ...]:
    """
    Read ``application/ohttp-keys``, in the recipient's order.

    Keys of what is not known here are passed over, as the RFC says.

    Raises:
        EnvelopeError: If it is no such list, or none of it is known.
    """
    found: list[SealKey] = []
    at = 0
    while at < len(raw):
        end = at + _LENGTH.size
        size = _LENGTH.unpack_from(raw, at)[0] if end <= len(raw) else 0
        if not size or end + size > len(raw):
            problem = "it is no list of keys of RFC 9458"
            raise EnvelopeError(problem)
        try:
            found.append(SealKey.decode(raw[end : end + size]))
        except EnvelopeError as error:
            problem = str(error)
        at = end + size
    if found:
        return tuple(found)
    problem = "none of its keys is known here"
    raise EnvelopeError(problem)


def suite_of(kem: KEM, aead: AEAD) -> Suite:
    """
    Give the HPKE suite.
    """
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(
        getattr(hpke.KEM, kem.name),
        hpke.KDF.HKDF_SHA256,
        getattr(hpke.AEAD, aead.name),
    )


def _load_public(kem: KEM, raw: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, x25519

    if len(raw) != _PUBLIC_BYTES[kem]:
        msg = "its length is not that of its kind"
        raise ValueError(msg)
    if kem is KEM.X25519:
        return x25519.X25519PublicKey.from_public_bytes(raw)
    if kem is KEM.P256:
        curve = ec.SECP256R1()
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, raw)
    from cryptography.hazmat.primitives.asymmetric import mlkem
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

    first, second = raw[:_MLKEM_PUBLIC_BYTES], raw[_MLKEM_PUBLIC_BYTES:]
    return MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(first),
        x25519.X25519PublicKey.from_public_bytes(second),
    )


def _load_private(kem: KEM, raw: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, x25519

    if kem is KEM.X25519:
        return x25519.X25519PrivateKey.from_private_bytes(raw)
    if kem is KEM.P256:
        if len(raw) != _P256_BYTES:
            msg = "its length is not that of its kind"
            raise ValueError(msg)
        number = int.from_bytes(raw, "big")
        return ec.derive_private_key(number, ec.SECP256R1())
    from cryptography.hazmat.primitives.asymmetric import mlkem
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

    first, second = raw[:_MLKEM_SEED_BYTES], raw[_MLKEM_SEED_BYTES:]
    return MLKEM768X25519PrivateKey(
        mlkem.MLKEM768PrivateKey.from_seed_bytes(first),
        x25519.X25519PrivateKey.from_private_bytes(second),
    )


def _public_of(kem: KEM, private: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
    )

    if kem is KEM.MLKEM768_X25519:
        first = private[:_MLKEM_SEED_BYTES]
        second = private[_MLKEM_SEED_BYTES:]
        post = mlkem.MLKEM768PrivateKey.from_seed_bytes(first).public_key()
        pre = x25519.X25519PrivateKey.from_private_bytes(second).public_key()
        return post.public_bytes_raw() + pre.public_bytes_raw()
    public = _load_private(kem, private).public_key()
    if kem is KEM.P256:
        made: bytes = public.public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        return made
    raw: bytes = public.public_bytes_raw()
    return raw


def _random_private(kem: KEM) -> bytes:
    if kem is KEM.MLKEM768_X25519:
        return os.urandom(_MLKEM_SEED_BYTES + _X25519_BYTES)
    if kem is KEM.P256:
        from cryptography.hazmat.primitives.asymmetric import ec

        made = ec.generate_private_key(ec.SECP256R1())
        number = made.private_numbers().private_value
        return number.to_bytes(_P256_BYTES, "big")
    return os.urandom(_X25519_BYTES)
