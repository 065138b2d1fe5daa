# SPDX-License-Identifier: MIT
"""
Digests against the vectors of their standards, and keys that part domains.
"""

from __future__ import annotations

import hmac
import json

from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.digests import (
    derive_pseudonym_key,
    keyed_hex,
    md5_hex,
)


VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "identifiers.json").read_text(
        encoding="utf-8"
    )
)

names = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
secrets = st.binary(min_size=32, max_size=64)


def _hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """
    RFC 5869 written from its text, to compare with.
    """
    key = hmac.digest(salt or bytes(32), secret, "sha256")
    block = okm = b""
    counter = 1
    while len(okm) < length:
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        okm += block
        counter += 1
    return okm[:length]


class TestMD5:
    """
    `md5_hex()`
    """

    @pytest.mark.obligation("WP-HASH-1")
    @pytest.mark.parametrize(
        ("text", "digest"),
        [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "abcdefghijklmnopqrstuvwxyz",
                "c3fcd3d76192e4007dfb496cca67e13b",
            ),
            (
                (
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    "0123456789"
                ),
                "d174ab98d277d9f5a5611c2c9f419d9f",
            ),
            ("1234567890" * 8, "57edf4a22be3c955ac49da2e2107b67a"),
        ],
    )
    def test_vectors_of_rfc_1321(self, text, digest):
        """
        The digest is MD5, as anybody else computes it.
        """
        assert md5_hex(text) == digest

    @pytest.mark.obligation("WP-HASH-1")
    @pytest.mark.parametrize(
        "vector", VECTORS["vectors"], ids=lambda it: it["canonical"]
    )
    def test_identifiers(self, vector):
        """
        An IMEI and a MAC address give their known digests.
        """
        assert md5_hex(vector["canonical"]) == vector["md5_hex"]


class TestKeyed:
    """
    `keyed_hex()`
    """

    @pytest.mark.parametrize(
        ("key", "text", "digest"),
        [
            (
                b"\x0b" * 20,
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b",
            ),
            (
                b"\x0c" * 20,
                "Test With Truncation",
                "a3b6167473100ee06e0c796c2955552b",
            ),
            (
                b"\xaa" * 131,
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f",
            ),
            (
                b"\xaa" * 131,
                (
                    "This is a test using a larger than block-size key and a "
                    "larger than block-size data. The key needs to be hashed "
                    "before being used by the HMAC algorithm."
                ),
                "9b09ffa71b942fcb27635fbcd5b0e944",
            ),
        ],
    )
    def test_vectors_of_rfc_4231(self, key, text, digest):
        """
        Cases 1, 5, 6 and 7, whose keys are long enough and data is text.
        """
        assert keyed_hex(key, text) == digest

    @pytest.mark.parametrize(
        "vector", VECTORS["vectors"], ids=lambda it: it["canonical"]
    )
    def test_identifiers(self, vector):
        """
        The first half of an HMAC that another program computed.
        """
        digest = keyed_hex(bytes(range(32)), vector["canonical"])

        assert digest == vector["hmac_sha256_hex"][:32]

    def test_a_short_key_is_refused(self):
        """
        A key that could be guessed is refused, and not repeated.
        """
        with pytest.raises(ValueError, match="16 bytes") as caught:
            keyed_hex(b"Jefe", "what do ya want for nothing?")

        assert "Jefe" not in str(caught.value)


class TestKeys:
    """
    `derive_pseudonym_key()`
    """

    @pytest.mark.parametrize(
        ("secret", "salt", "info", "okm"),
        [
            (
                "0b" * 22,
                "000102030405060708090a0b0c",
                "f0f1f2f3f4f5f6f7f8f9",
                (
                    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4"
                    "c5bf34007208d5b887185865"
                ),
            ),
            (
                bytes(range(0x50)).hex(),
                bytes(range(0x60, 0xB0)).hex(),
                bytes(range(0xB0, 0x100)).hex(),
                (
                    "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19af"
                    "a97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9"
                    "aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
                ),
            ),
            (
                "0b" * 22,
                "",
                "",
                (
                    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c73"
                    "8d2d9d201395faa4b61a96c8"
                ),
            ),
        ],
    )
    def test_the_reference_here_is_hkdf(self, secret, salt, info, okm):
        """
        What the next test compares with passes appendix A of RFC 5869.
        """
        expected = bytes.fromhex(okm)

        assert expected == _hkdf(
            bytes.fromhex(secret),
            bytes.fromhex(salt),
            bytes.fromhex(info),
            len(expected),
        )

    @given(secrets, names, names, names, names)
    def test_it_is_hkdf_over_the_named_fields(self, secret, a, b, c, d):
        """
        Anybody with the secret can derive the key from the documented info.
        """
        key = derive_pseudonym_key(
            secret, controller=a, recipient=b, data_type=c, epoch=d
        )

        info = f"consentkit/pseudonym/1\0{a}\0{b}\0{c}\0{d}".encode()
        assert key == _hkdf(secret, b"", info, 32)

    @given(secrets, st.tuples(*[names] * 4), st.tuples(*[names] * 4))
    def test_no_two_domains_share_a_key(self, secret, one, other):
        """
        Pseudonyms of two recipients, types or epochs cannot be joined.
        """
        fields = ("controller", "recipient", "data_type", "epoch")
        keys = [
            derive_pseudonym_key(
                secret, **dict(zip(fields, values, strict=True))
            )
            for values in (one, other)
        ]

        assert (keys[0] == keys[1]) == (one == other)

    @pytest.mark.parametrize(
        "name", ["controller", "recipient", "data_type", "epoch"]
    )
    def test_nul_is_refused(self, name):
        """
        No field can pretend to be two.
        """
        fields = dict.fromkeys(
            ("controller", "recipient", "data_type", "epoch"), "x"
        )

        with pytest.raises(ValueError, match="NUL"):
            derive_pseudonym_key(bytes(32), **(fields | {name: "x\0y"}))

    def test_a_short_secret_is_refused(self):
        """
        Less than 32 bytes is no secret of ours.
        """
        with pytest.raises(ValueError, match="32 random bytes"):
            derive_pseudonym_key(
                bytes(31), controller="", recipient="", data_type="", epoch=""
            )
