# SPDX-License-Identifier: MIT
"""
Digests of identifiers, and the keys for those that have one.

What they give, in honest words: each result stands for one device and is
**pseudonymised**, never anonymous.

- :func:`md5_hex` is undone by anybody who can list the possible values: the
  IMEIs of a known model in seconds, without special tools. All recipients
  can join it with each other, for ever. It exists because policies demand
  it.

- :func:`keyed_hex` is undone only by who holds the key. With keys from
  :func:`derive_pseudonym_key`, recipients cannot join theirs, nor one
  recipient its own across epochs. If the key leaks, it is MD5 again.

Source:
    RFC 1321 (MD5), RFC 2104 (HMAC), RFC 5869 (HKDF), FIPS 180-4 (SHA-256);
    EDPB Guidelines 01/2025 on pseudonymisation, for one key per recipient.
"""

from __future__ import annotations

import hashlib

from consentkit._mac import hmac_sha256


__all__ = ["PseudonymKeys", "derive_pseudonym_key", "keyed_hex", "md5_hex"]

#: Bytes kept of an HMAC: 128 bits, at which no two devices will collide.
_KEPT_BYTES = 16

_SHORTEST_KEY_BYTES = 16

_SECRET_BYTES = 32

_INFO = b"consentkit/pseudonym/1"

# Keys that are at hand: of each epoch, type and use of one grant there is one.
_MOST_KEYS = 64


def md5_hex(canonical: str) -> str:
    """
    Digest an identifier with MD5, as 32 lower-case hexadecimal digits.

    Reversible by anybody who can list the possible values.

    Args:
        canonical: The identifier in its one spelling, see
            :func:`consentkit.anonymise.identifiers.canonical`.
    """
    digest = hashlib.md5(canonical.encode(), usedforsecurity=False)
    return digest.hexdigest()


def keyed_hex(key: bytes, canonical: str) -> str:
    """
    Digest an identifier with HMAC-SHA-256, as 32 hexadecimal digits.

    Args:
        key: The key, at least 16 bytes.

        canonical: The identifier in its one spelling, see
            :func:`consentkit.anonymise.identifiers.canonical`.

    Returns:
        The first 128 bits, in lower-case hexadecimal.

    Raises:
        ValueError: If *key* is too short to keep a secret.
    """
    if len(key) < _SHORTEST_KEY_BYTES:
        msg = f"`key` must have at least {_SHORTEST_KEY_BYTES} bytes"
        raise ValueError(msg)
    return hmac_sha256(key, canonical.encode())[:_KEPT_BYTES].hex()


def derive_pseudonym_key(
    secret: bytes,
    *,
    controller: str,
    recipient: str,
    data_type: str,
    epoch: str,
) -> bytes:
    """
    Derive the key for one recipient, data type and epoch.

    The same arguments give the same key; a difference in any of them gives
    a key that cannot be told from a random one. Destroying *secret*
    destroys all of them.

    Args:
        secret: The random secret of an installation and function, at least
            32 bytes.

        controller: Who answers for the data.

        recipient: Who gets the pseudonyms.

        data_type: An id of the vocabulary.

        epoch: The name of the period in which pseudonyms stay the same,
            for example ``"2026-11"``; ``""`` if they never change.

    Returns:
        32 bytes, for :func:`keyed_hex`.

    Raises:
        ValueError: If *secret* is too short, or a field holds a NUL, which
            parts them.

    Source:
        RFC 5869, with no salt and the fields as info.
    """
    if len(secret) < _SECRET_BYTES:
        msg = f"`secret` must have at least {_SECRET_BYTES} random bytes"
        raise ValueError(msg)
    fields = (controller, recipient, data_type, epoch)
    if any("\0" in field for field in fields):
        msg = "controller, recipient, data_type and epoch must hold no NUL"
        raise ValueError(msg)
    info = b"\0".join((_INFO, *(field.encode() for field in fields)))

    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(
        secret
    )


class PseudonymKeys:
    """
    The keys of one secret, each derived once.

    They are nowhere else, so they go where the secret goes: whoever drops
    this has neither.

    Args:
        secret: As for `derive_pseudonym_key`.
    """

    __slots__ = ("_keys", "_secret")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._keys: dict[tuple[str, ...], bytes] = {}

    def __repr__(self) -> str:
        return f"<PseudonymKeys: {len(self._keys)} at hand>"

    def key(
        self, *, controller: str, recipient: str, data_type: str, epoch: str
    ) -> bytes:
        """
        Give what `derive_pseudonym_key` gives.
        """
        fields = (controller, recipient, data_type, epoch)
        known = self._keys.get(fields)
        if known is None:
            known = derive_pseudonym_key(
                self._secret,
                controller=controller,
                recipient=recipient,
                data_type=data_type,
                epoch=epoch,
            )
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            self._keys[fields] = known
        return known
