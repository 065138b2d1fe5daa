# SPDX-License-Identifier: MIT

"""
Tests for checkpoints, signed notes and keys.
"""

from __future__ import annotations

import stat

from pathlib import Path

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.exceptions import DamagedError, ProofError, UnwritableError
from consentkit.ledger.anchor import AnchorFile
from consentkit.ledger.checkpoint import (
    Checkpoint,
    Signature,
    SignedCheckpoint,
    VerifyKey,
    decode_base64,
    parse_checkpoint,
)
from consentkit.ledger.signing import KeyFile, make_signing_key


KEY = make_signing_key()
ROOT = bytes(range(32))
CHECKPOINT = Checkpoint(origin="maker.example/log", size=7, root=ROOT)
NOTE = KEY.sign(CHECKPOINT).note

# The example of the documentation of golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.
"""
GO_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM="
)


class TestNote:
    """
    Tests for the form of a signed checkpoint.
    """

    def test_form(self) -> None:
        """
        It is origin, size, root, a blank line, and signatures (C2SP).
        """
        *body, blank, signature = NOTE.splitlines()

        assert body == [
            "maker.example/log",
            "7",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ]
        assert blank == ""
        assert signature.startswith(f"\u2014 {KEY.verify_key.name} ")

    def test_round_trip(self) -> None:
        """
        A note is read back, and its signature holds.
        """
        signed = parse_checkpoint(NOTE)

        assert signed.note == NOTE
        assert signed.verify(KEY.verify_key) == CHECKPOINT

    def test_several_signatures(self) -> None:
        """
        Others may sign too; each key finds its own signature.
        """
        witness = make_signing_key()
        both = SignedCheckpoint(
            checkpoint=CHECKPOINT,
            signatures=(
                *witness.sign(CHECKPOINT).signatures,
                *KEY.sign(CHECKPOINT).signatures,
                # Of a kind that this version does not know.
                Signature(name="later", key_id=b"abcd", value=b"x" * 99),
            ),
        )
        again = parse_checkpoint(both.note)

        assert again.verify(KEY.verify_key) == CHECKPOINT
        assert again.verify(witness.verify_key) == CHECKPOINT

    def test_extensions_are_signed(self) -> None:
        """
        Further lines are kept, and are a part of what is signed.
        """
        longer = attrs.evolve(CHECKPOINT, extensions=("seen 2026",))
        signed = KEY.sign(longer)
        other = signed.note.replace("2026", "2027")

        assert parse_checkpoint(signed.note).verify(KEY.verify_key) == longer
        with pytest.raises(ProofError, match="wrong"):
            parse_checkpoint(other).verify(KEY.verify_key)

    def test_unsigned_by_this_key(self) -> None:
        """
        A note without a signature of the key does not verify.
        """
        with pytest.raises(ProofError, match="no signature"):
            parse_checkpoint(NOTE).verify(make_signing_key().verify_key)

    def test_one_of_two_is_wrong(self) -> None:
        """
        A wrong signature of the key is not outweighed by a right one.
        """
        (right,) = KEY.sign(CHECKPOINT).signatures
        wrong = attrs.evolve(right, value=bytes(64))
        for pair in ((right, wrong), (wrong, right)):
            signed = SignedCheckpoint(checkpoint=CHECKPOINT, signatures=pair)
            with pytest.raises(ProofError):
                signed.verify(KEY.verify_key)

    @pytest.mark.parametrize(
        "note",
        [
            "",
            "\n\n",
            NOTE[:-1],
            NOTE + "\n",
            NOTE.replace("\n\n", "\n"),
            NOTE.replace("\n7\n", "\n07\n"),
            NOTE.replace("\n7\n", "\n-7\n"),
            NOTE.replace("\n7\n", "\n\u0667\n"),
            NOTE.replace("\n7\n", "\n\n7\n"),
            NOTE.replace("Hh8=", "Hh9="),
            NOTE.replace("Hh8=", "Hh8"),
            NOTE.replace("AAECAwQF", "", 1),
            NOTE.replace("\u2014", "-"),
            NOTE.replace("maker", "ma\x1bker"),
            NOTE.replace("maker", "ma\ud800ker"),
            NOTE.replace(KEY.verify_key.name, "two words"),
            "x" * 70_000,
            NOTE + NOTE.splitlines()[-1] * 0 + ("\u2014 a YWJjZGU=\n" * 101),
        ],
        ids=range(18),
    )
    def test_other_forms(self, note: str) -> None:
        """
        Whatever is not exactly of the form is refused, whoever signed it.
        """
        with pytest.raises(ProofError):
            parse_checkpoint(note)

    @given(st.data())
    def test_any_other_character(self, data: st.DataObject) -> None:
        """
        A note with one character changed is refused or does not verify.
        """
        place = data.draw(st.integers(0, len(NOTE) - 1))
        other = data.draw(
            st.characters(exclude_characters=NOTE[place], codec="utf-8")
        )
        changed = NOTE[:place] + other + NOTE[place + 1 :]

        with pytest.raises(ProofError):
            parse_checkpoint(changed).verify(KEY.verify_key)

    @given(st.text(max_size=200))
    def test_anything(self, text: str) -> None:
        """
        No text makes the reader fail in any other way.
        """
        with pytest.raises(ProofError):
            parse_checkpoint(text).verify(KEY.verify_key)


class TestVerifyKey:
    """
    Tests for the public half of a key.
    """

    def test_of_another_tool(self) -> None:
        """
        A key and a signature of Go's note package verify here.
        """
        key = VerifyKey.parse(GO_KEY)
        signature = decode_base64(GO_SIGNATURE, what="it")

        assert signature[:4] == key.id
        key.verify(signature[4:], GO_TEXT)
        assert str(key) == GO_KEY
        with pytest.raises(ProofError):
            key.verify(signature[4:], GO_TEXT.upper())

    @given(st.data())
    def test_any_other_character(self, data: st.DataObject) -> None:
        """
        A key with one character changed is refused.
        """
        place = data.draw(st.integers(0, len(GO_KEY) - 1))
        other = data.draw(
            st.characters(exclude_characters=GO_KEY[place], codec="utf-8")
        )

        with pytest.raises(ProofError):
            VerifyKey.parse(GO_KEY[:place] + other + GO_KEY[place + 1 :])

    @pytest.mark.parametrize("text", ["", "a", "a+b", "++", f"{GO_KEY}+"])
    def test_no_key(self, text: str) -> None:
        """
        What is no key is refused.
        """
        with pytest.raises(ProofError):
            VerifyKey.parse(text)


class TestKeyFile:
    """
    Tests for the file of the signing key.
    """

    @pytest.fixture
    def file(self, tmp_path: Path) -> KeyFile:
        """
        Give the place of a key that is not there yet.
        """
        return KeyFile(tmp_path / "keys" / "ledger.signing")

    def test_none_yet(self, file: KeyFile) -> None:
        """
        Looking for a key makes none.
        """
        assert file.load() is None
        assert not file.path.parent.exists()

    def test_is_stored(self, file: KeyFile) -> None:
        """
        A key that was made is there again, for this user only.
        """
        made = file.make()

        assert file.load() == made
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700

    def test_is_not_replaced(self, file: KeyFile) -> None:
        """
        Making a key never takes the place of one.
        """
        made = file.make()
        with pytest.raises(UnwritableError):
            file.make()

        assert file.load() == made

    def test_open_to_others(self, file: KeyFile) -> None:
        """
        A key that others can read is refused, with the cure.
        """
        file.make()
        file.path.chmod(0o644)

        with pytest.raises(DamagedError, match="chmod 600"):
            file.load()

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "",
            lambda text: text[:-1],
            lambda text: text.replace("PRIVATE", "PUBLIC"),
            lambda text: text.replace("consentkit/", "consentkit/0"),
            lambda text: text[:-6] + "AAAA=\n",
            lambda text: "\xff" + text,
        ],
        ids=range(6),
    )
    def test_no_key(self, file: KeyFile, change) -> None:
        """
        A file that is no key is damaged, and its content is not shown.
        """
        text = file.make().secret + "\n"
        file.path.write_text(change(text), encoding="latin-1")

        with pytest.raises(DamagedError) as caught:
            file.load()
        assert text[-40:-1] not in str(caught.value)

    def test_is_not_shown(self) -> None:
        """
        Neither `repr` nor `str` of a key shows its secret.
        """
        secret = KEY.secret.split("+", 4)[4]

        assert secret not in f"{KEY!r} {KEY}"


class TestAnchorFile:
    """
    Tests for the file of the anchor.
    """

    @pytest.fixture
    def file(self, tmp_path: Path) -> AnchorFile:
        """
        Give the place of an anchor that is not there yet.
        """
        return AnchorFile(tmp_path / "keys" / "ledger.anchor")

    def test_is_replaced(self, file: AnchorFile) -> None:
        """
        The newer takes the place of the older, and nothing else is left.
        """
        assert file.read() is None
        for size in (1, 2):
            file.write(KEY.sign(attrs.evolve(CHECKPOINT, size=size)))

        assert file.read().checkpoint.size == 2
        assert list(file.path.parent.iterdir()) == [file.path]

    def test_set_aside(self, file: AnchorFile) -> None:
        """
        An anchor of a ledger that is gone is kept under a number.
        """
        assert file.set_aside() is None
        for number in (1, 2):
            file.write(parse_checkpoint(NOTE))
            aside = file.set_aside()
            assert aside.name == f"ledger.anchor.{number}"
            assert aside.read_text(encoding="utf-8") == NOTE
        assert file.read() is None

    @pytest.mark.parametrize("content", [b"", b"\xff", NOTE.encode()[:-9]])
    def test_no_anchor(self, file: AnchorFile, content: bytes) -> None:
        """
        What is no anchor is not taken for an absent one.
        """
        file.path.parent.mkdir()
        file.path.write_bytes(content)

        with pytest.raises(DamagedError):
            file.read()
