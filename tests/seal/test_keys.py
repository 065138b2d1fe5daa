# SPDX-License-Identifier: MIT

"""
Keys for envelopes: how they are written, read, kept and rotated.
"""

from __future__ import annotations

import os

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.exceptions import DamagedError, StoreError
from consentkit.seal import (
    AEAD,
    KEM,
    EnvelopeError,
    Head,
    KeyRing,
    SealKey,
    UnknownKeyError,
    format_key_list,
    make_open_key,
    open_envelope,
    parse_key_list,
    seal,
)
from tests.seal.support import HAS_MLKEM, KEMS


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SUITES = [(kem, aead) for kem in KEMS for aead in AEAD]
HEAD = Head(
    kind="erasure",
    id="01936b2e-6a10-7b11-8e00-a1b2c3d4e5f6",
    recipient="camera_maker",
)


class TestSealKey:
    """
    Public keys.
    """

    @pytest.mark.parametrize(("kem", "aead"), SUITES)
    def test_as_text(self, kem: KEM, aead: AEAD) -> None:
        """
        A key comes back from its text and from its configuration.
        """
        key = make_open_key(9, kem, aead).seal_key
        assert SealKey.parse(key.text) == key
        assert SealKey.decode(key.encode()) == key
        assert parse_key_list(format_key_list((key, key))) == (key, key)

    def test_of_the_rfc(self) -> None:
        """
        The key configuration that RFC 9458 prints is read; it allows AES-128
        first, which is passed over here.
        """
        raw = bytes.fromhex(
            "01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e"
            "79815500080001000100010003"
        )
        key = SealKey.decode(raw)
        assert (key.id, key.kem) == (1, KEM.X25519)
        assert key.aead is AEAD.CHACHA20_POLY1305

    def test_unknown_ones_are_passed_over(self) -> None:
        """
        In a list, keys of what is not known here are no error.
        """
        key = make_open_key(1).seal_key
        unknown = b"\x02\xff\xff" + bytes(20)
        raw = len(unknown).to_bytes(2, "big") + unknown
        assert parse_key_list(raw + format_key_list((key,))) == (key,)
        with pytest.raises(EnvelopeError, match="none of its keys"):
            parse_key_list(raw)

    @given(st.binary(max_size=80))
    def test_any_bytes(self, raw: bytes) -> None:
        """
        Whatever is no key is refused with one kind of error.
        """
        for read in (SealKey.decode, parse_key_list):
            with suppress(EnvelopeError):
                read(raw)

    @pytest.mark.parametrize("change", ["x", "=", " ", "é", "A"])
    def test_other_text(self, change: str) -> None:
        """
        A text is a key in one spelling only.
        """
        text = make_open_key(1).seal_key.text
        with pytest.raises(EnvelopeError):
            SealKey.parse(text + change)
        with pytest.raises(EnvelopeError):
            SealKey.parse(text[:-2])

    def test_point_off_the_curve(self) -> None:
        """
        What is no point of the curve is no key.
        """
        raw = b"\x01\0\x10\x04" + bytes(64) + b"\0\x04\0\x01\0\x02"
        with pytest.raises(EnvelopeError, match="no key of P256"):
            SealKey.decode(raw)

    def test_shows_no_secret(self) -> None:
        """
        No form of a key that is made for people holds its private half.
        """
        key = make_open_key(1)
        assert key.private.hex() not in f"{key} {key!r}"
        assert str(key.private) not in repr(key)
        assert key.seal_key.fingerprint in str(key)


class TestKeyRing:
    """
    The recipient's file.
    """

    def test_made_and_read(self, tmp_path: Path) -> None:
        """
        A new file has one key, is for its user alone, and comes back.
        """
        path = tmp_path / "keys.json"
        made = KeyRing.new(path, now=NOW)
        assert path.stat().st_mode & 0o777 == 0o600
        assert KeyRing.load(path) == made
        assert made.current.seal_key.id == 1
        assert made.current.private.hex() not in repr(made)

    def test_never_overwritten(self, tmp_path: Path) -> None:
        """
        A file that is there stays.
        """
        path = tmp_path / "keys.json"
        KeyRing.new(path)
        before = path.read_text()
        with pytest.raises(StoreError, match="there is a file already"):
            KeyRing.new(path)
        assert path.read_text() == before

    def test_rotation(self, tmp_path: Path) -> None:
        """
        After a rotation what was sealed before still opens, and new
        envelopes are for the new key.
        """
        first = KeyRing.new(tmp_path / "keys.json")
        old = seal(b"old", HEAD, first.current.seal_key)
        second = first.rotate()
        new = seal(b"new", HEAD, second.current.seal_key)
        assert second.current.seal_key.id == 2
        held = KeyRing.load(tmp_path / "keys.json").keys
        assert open_envelope(old, held)[1] == b"old"
        assert open_envelope(new, held)[1] == b"new"
        with pytest.raises(UnknownKeyError):
            open_envelope(new, first.keys)

    def test_an_old_key_is_destroyed(self, tmp_path: Path) -> None:
        """
        Once a key is forgotten, nobody opens what was sealed for it.
        """
        first = KeyRing.new(tmp_path / "keys.json", now=NOW)
        old = seal(b"old", HEAD, first.current.seal_key)
        second = first.rotate(now=NOW + timedelta(days=1))
        limit = NOW + timedelta(days=2)
        third = second.rotate(now=limit, retired_before=limit)
        assert [k.key.seal_key.id for k in third.kept] == [2, 3]
        held = KeyRing.load(tmp_path / "keys.json")
        with pytest.raises(UnknownKeyError):
            open_envelope(old, held.keys)
        secret = first.current.private.hex()
        assert secret not in (tmp_path / "keys.json").read_text()

    def test_numbers_go_round(self, tmp_path: Path) -> None:
        """
        After 255 comes 0; a number that is in use is passed over; and when
        all are, nothing changes.
        """
        ring = KeyRing.new(tmp_path / "keys.json", now=NOW)
        for _ in range(255):
            ring = ring.rotate(now=NOW)
        assert ring.current.seal_key.id == 0
        with pytest.raises(StoreError, match="256 keys"):
            ring.rotate(now=NOW)
        later = NOW + timedelta(days=1)
        ring = ring.rotate(now=later, retired_before=later)
        assert len(ring.kept) == 2

    @pytest.mark.skipif(not HAS_MLKEM, reason="cryptography 47 has none")
    def test_another_kind(self, tmp_path: Path) -> None:
        """
        A rotation may go over to another KEM, and stays with it.
        """
        ring = KeyRing.new(tmp_path / "keys.json")
        ring = ring.rotate(kem=KEM.MLKEM768_X25519).rotate()
        assert ring.current.seal_key.kem is KEM.MLKEM768_X25519
        envelope = seal(b"later", HEAD, ring.current.seal_key)
        assert open_envelope(envelope, ring.keys)[1] == b"later"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{}",
            '{"format": 2, "keys": []}',
            '{"format": 1, "keys": []}',
            '{"format": 1, "keys": [{}]}',
            "[" * 100_000,
        ],
        ids=["empty", "list", "object", "newer", "none", "no key", "deep"],
    )
    def test_damaged(self, tmp_path: Path, text: str) -> None:
        """
        What is no such file is named, with the cure, and left as it is.
        """
        path = tmp_path / "keys.json"
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(DamagedError) as caught:
            KeyRing.load(path)
        assert str(path) in str(caught.value)
        assert path.read_text() == text

    def test_swapped_halves(self, tmp_path: Path) -> None:
        """
        A public key that belongs to another private one is found.
        """
        path = tmp_path / "keys.json"
        ring = KeyRing.new(path)
        other = make_open_key(1).seal_key.text
        text = path.read_text().replace(ring.current.seal_key.text, other)
        path.write_text(text)
        with pytest.raises(DamagedError, match="does not belong"):
            KeyRing.load(path)

    @pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
    def test_readable_by_others(self, tmp_path: Path) -> None:
        """
        A file that others can read is not used.
        """
        path = tmp_path / "keys.json"
        KeyRing.new(path)
        path.chmod(0o644)
        with pytest.raises(DamagedError, match="chmod 600"):
            KeyRing.load(path)

    def test_none(self, tmp_path: Path) -> None:
        """
        Where there is no file, the command that makes one is named.
        """
        with pytest.raises(DamagedError, match="consentkit keys new"):
            KeyRing.load(tmp_path / "keys.json")
