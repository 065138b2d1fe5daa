# SPDX-License-Identifier: MIT

"""
Envelopes: what is sealed opens for its recipient alone, unchanged.
"""

from __future__ import annotations

import os
import struct
import zlib

from hashlib import sha256

import pytest

from cryptography.hazmat.primitives import hpke
from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.seal import (
    AEAD,
    KEM,
    EnvelopeError,
    Head,
    OpenKey,
    UnknownKeyError,
    make_open_key,
    open_envelope,
    read_head,
    seal,
)
from consentkit.seal.padding import padded_length
from tests.seal.support import KEMS


BATCH = "01936b2e-6a10-7b11-8e00-a1b2c3d4e5f6"
HEAD = Head(
    kind="batch",
    id=BATCH,
    recipient="camera_maker",
    count=2,
    erase=sha256(b"token").hexdigest(),
)
SUITES = [(kem, aead) for kem in KEMS for aead in AEAD]
KEY = make_open_key(7)


def _ring(*keys: OpenKey) -> dict[int, OpenKey]:
    return {key.seal_key.id: key for key in keys}


def _sealed(plain: bytes, key: OpenKey = KEY) -> bytes:
    """
    Seal a plaintext of one's own, as somebody else's program might.
    """
    envelope = seal(b"", HEAD, key.seal_key)
    front = envelope[:9]
    end = 9 + struct.unpack(">H", front[7:])[0]
    info = b"consentkit envelope 1\0" + front
    info += sha256(envelope[9:end]).digest()
    suite = hpke.Suite(
        hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM
    )
    public = key.loaded.public_key()
    return envelope[:end] + suite.encrypt(plain, public, info=info)


class TestSeal:
    """
    There and back.
    """

    @pytest.mark.parametrize(("kem", "aead"), SUITES)
    def test_opens(self, kem: KEM, aead: AEAD) -> None:
        """
        In every suite, the recipient gets what was sealed, and who it was
        sealed for.
        """
        key = make_open_key(200, kem, aead)
        envelope = seal(b"a body", HEAD, key.seal_key)
        head, body = open_envelope(envelope, _ring(KEY, key))
        assert body == b"a body"
        assert (head.id, head.count) == (BATCH, 2)
        assert head.key == key.seal_key.fingerprint
        assert read_head(envelope) == head

    @given(st.binary(max_size=3000))
    @settings(max_examples=50)
    def test_any_body(self, body: bytes) -> None:
        """
        Any bytes come back as they were.
        """
        envelope = seal(body, HEAD, KEY.seal_key)
        assert open_envelope(envelope, _ring(KEY))[1] == body

    @pytest.mark.obligation("WP-DENC-1")
    @pytest.mark.obligation("WP-DENC-2")
    def test_every_byte_counts(self) -> None:
        """
        With any one byte changed, it does not open; nor cut short, nor with
        more behind it.
        """
        envelope = seal(b"a body of some bytes", HEAD, KEY.seal_key)
        for at in range(len(envelope)):
            changed = bytearray(envelope)
            changed[at] ^= 1 << (at % 8)
            with pytest.raises(EnvelopeError):
                open_envelope(bytes(changed), _ring(KEY))
            with pytest.raises(EnvelopeError):
                open_envelope(envelope[:at], _ring(KEY))
        with pytest.raises(EnvelopeError):
            open_envelope(envelope + b"\0", _ring(KEY))

    @pytest.mark.obligation("WP-DENC-2")
    def test_never_twice_the_same(self) -> None:
        """
        The same body for the same key gives other bytes each time.
        """
        made = {seal(b"a body", HEAD, KEY.seal_key) for _ in range(20)}
        assert len(made) == 20
        head_end = 9 + struct.unpack(">H", min(made)[7:9])[0]
        assert len({one[head_end:] for one in made}) == 20

    @pytest.mark.obligation("WP-DENC-2")
    @pytest.mark.obligation("GP-SHR-2")
    def test_for_another_key(self) -> None:
        """
        Who has another key is told so, even where it has the same number.
        """
        other = make_open_key(7)
        envelope = seal(b"a body", HEAD, other.seal_key)
        for ring in (_ring(KEY), {}):
            with pytest.raises(UnknownKeyError) as caught:
                open_envelope(envelope, ring)
            assert caught.value.fingerprint == other.seal_key.fingerprint

    @pytest.mark.obligation("WP-DENC-2")
    def test_bound_to_its_recipient(self) -> None:
        """
        An envelope for one recipient is not one for another under the same
        key: the head is part of what was sealed.
        """
        envelope = seal(b"a body", HEAD, KEY.seal_key)
        changed = envelope.replace(b"camera_maker", b"camera_faker")
        assert read_head(changed).recipient == "camera_faker"
        with pytest.raises(EnvelopeError):
            open_envelope(changed, _ring(KEY))

    def test_size_tells_little(self) -> None:
        """
        Bodies of other lengths give envelopes of a few lengths.
        """
        sizes = {
            len(seal(os.urandom(n), HEAD, KEY.seal_key))
            for n in range(3000, 3100)
        }
        assert len(sizes) <= 2

    def test_nothing_of_the_body_outside(self) -> None:
        """
        What carries the envelope sees the head, and no word of the body.
        """
        envelope = seal(b"planted" * 50, HEAD, KEY.seal_key)
        assert b"planted" not in envelope
        assert zlib.compress(b"planted" * 50)[2:10] not in envelope
        assert b"camera_maker" in envelope


class TestBadInput:
    """
    What others may send.
    """

    @pytest.mark.parametrize(
        "plain",
        [
            b"",
            b"\0\0\0",
            struct.pack(">I", 100) + b"x" * 4,
            struct.pack(">I", 2**32 - 1) + b"x" * 4,
            struct.pack(">I", 4) + b"junk",
            struct.pack(">I", 2) + b"\x03\0",  # not padded as told
        ],
        ids=["empty", "short", "less", "huge", "no deflate", "cut"],
    )
    def test_plaintext_of_no_format(self, plain: bytes) -> None:
        """
        What opens and is not of the format is refused.
        """
        padded = plain.ljust(padded_length(len(plain)), b"\0")
        if plain[-2:] == b"\x03\0":
            padded += b"\0"
        with pytest.raises(EnvelopeError):
            open_envelope(_sealed(padded), _ring(KEY))

    def test_hidden_bytes(self) -> None:
        """
        Padding is zeros, and nothing stands behind the compressed body.
        """
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = deflate.compress(b"body") + deflate.flush()
        plain = struct.pack(">I", len(packed)) + packed
        hidden = plain.ljust(padded_length(len(plain) + 9), b"!")
        with pytest.raises(EnvelopeError):
            open_envelope(_sealed(hidden), _ring(KEY))
        more = struct.pack(">I", len(packed) + 1) + packed + b"!"
        more = more.ljust(padded_length(len(more)), b"\0")
        with pytest.raises(EnvelopeError):
            open_envelope(_sealed(more), _ring(KEY))

    def test_bomb(self) -> None:
        """
        A body that opens to more than is allowed is refused before that.
        """
        envelope = seal(bytes(5_000_000), HEAD, KEY.seal_key)
        assert len(envelope) < 20_000
        with pytest.raises(EnvelopeError, match="more than 1000000 bytes"):
            open_envelope(envelope, _ring(KEY), most_bytes=1_000_000)
        assert len(open_envelope(envelope, _ring(KEY))[1]) == 5_000_000

    @pytest.mark.parametrize("size", [999_999, 1_000_000])
    def test_up_to_the_limit(self, size: int) -> None:
        """
        What is exactly as large as allowed opens.
        """
        envelope = seal(bytes(size), HEAD, KEY.seal_key)
        body = open_envelope(envelope, _ring(KEY), most_bytes=1_000_000)[1]
        assert len(body) == size

    @given(st.binary(max_size=300))
    def test_any_bytes(self, raw: bytes) -> None:
        """
        Whatever comes is opened or refused, and nothing else.
        """
        with pytest.raises(EnvelopeError):
            open_envelope(raw, _ring(KEY))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"kind": "parcel"},
            {"id": "1"},
            {"recipient": "höhe"},
            {"recipient": ""},
            {"count": 0},
            {"count": -1},
            {"count": True},
            {"erase": "ab"},
            {"erase": ""},
        ],
        ids=str,
    )
    def test_head_of_no_format(self, wrong: dict[str, object]) -> None:
        """
        A head that does not say what it has to is refused.
        """
        fields = {
            "kind": "batch",
            "id": BATCH,
            "recipient": "camera_maker",
            "count": 2,
            "erase": HEAD.erase,
        }
        envelope = _with_head(fields | wrong)
        with pytest.raises(EnvelopeError, match="head"):
            read_head(envelope)


def _with_head(fields: dict[str, object]) -> bytes:
    from consentkit.ledger.canonical import canonical_json

    full = fields | {"v": 1, "key": KEY.seal_key.fingerprint}
    raw = canonical_json(full).encode("utf-8")
    front = struct.pack(">BHHHH", 7, 0x20, 1, 2, len(raw))
    return front + raw + bytes(80)


class TestPadding:
    """
    Padmé.
    """

    @given(st.integers(0, 2**40))
    def test_costs_little(self, length: int) -> None:
        """
        It is never shorter, and at most 12 % longer.
        """
        padded = padded_length(length)
        assert length <= padded <= length * 1.12 + 1
        assert padded_length(padded) == padded

    def test_as_published(self) -> None:
        """
        Lengths that the paper's algorithm gives.
        """
        pairs = {0: 0, 1: 1, 9: 10, 25: 26, 26: 26, 121: 128, 3750: 3840}
        assert {n: padded_length(n) for n in pairs} == pairs
