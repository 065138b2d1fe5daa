# SPDX-License-Identifier: MIT
"""
Keys: random, wrapped, bound to what they are for, and destroyed for good.
"""

from __future__ import annotations

import os

import pytest

from attrs import evolve
from cryptography.exceptions import InvalidTag

from consentkit.exceptions import DamagedError, UnwritableError
from consentkit.outbox.keys import KEK, KeyFolder, make_lane


def _lane(**changes):
    return evolve(
        make_lane(element="stats", grant="a" * 64, recipient="maker"),
        **changes,
    )


class TestLane:
    """
    `Lane`: what seals the records of one grant.
    """

    def test_round_trip(self):
        """
        What was sealed is opened with the same words beside it.
        """
        lane = _lane()
        sealed = lane.seal(b"plain", b"r 7")

        assert b"plain" not in sealed
        assert lane.open(sealed, b"r 7") == b"plain"

    @pytest.mark.parametrize(
        "changed", [{"beside": b"s 7"}, {"beside": b"r 8"}, {"element": "x"}]
    )
    def test_it_is_bound_to_its_place(self, changed):
        """
        A record that was moved, or given a longer life, is not opened.
        """
        lane = _lane()
        sealed = lane.seal(b"plain", b"r 7")
        element = changed.get("element", lane.element)

        with pytest.raises(InvalidTag):
            evolve(lane, element=element).open(
                sealed, changed.get("beside", b"r 7")
            )

    def test_one_word_cannot_pass_for_two(self):
        """
        The bound words are kept apart.
        """
        lane = _lane()
        sealed = lane.seal(b"plain", b"r 7")
        shifted = evolve(lane, element="stat", grant="s" + lane.grant)

        with pytest.raises(InvalidTag):
            shifted.open(sealed, b"r 7")

    def test_no_nonce_comes_twice(self):
        """
        Each seal has a random nonce, so that equal texts look different.
        """
        lane = _lane()
        sealed = {lane.seal(b"same", b"r 7") for _ in range(99)}

        assert len({one[:12] for one in sealed}) == 99

    def test_secrets_are_random_and_apart(self):
        """
        Two lanes of the same grant share nothing, nor do the secrets of
        one.
        """
        one, two = _lane(), _lane()
        secrets = {
            secret
            for lane in (one, two)
            for secret in (
                lane.data_key,
                lane.pseudonym_secret,
                lane.erasure_token,
            )
        }

        assert len(secrets) == 6
        assert {len(secret) for secret in secrets} == {32}

    def test_repr_shows_no_secret(self):
        """
        No secret is in the `repr`, raw or in hex.
        """
        lane = _lane()
        kek = KEK(id="1", key=os.urandom(32))
        text = repr((lane, kek))

        for secret in (lane.data_key, lane.pseudonym_secret, kek.key):
            assert secret.hex() not in text
            assert repr(secret) not in text


class TestKEK:
    """
    `KEK`: what wraps the lanes.
    """

    def test_round_trip(self):
        """
        A lane comes out of its wrapping as it was.
        """
        lane, kek = _lane(), KEK(id="1", key=os.urandom(32))
        words = {"element": "stats", "grant": "a" * 64, "recipient": "maker"}

        assert kek.unwrap(kek.wrap(lane), id=0, **words) == lane

    @pytest.mark.parametrize("word", ["element", "grant", "recipient"])
    def test_it_is_bound_to_its_grant(self, word):
        """
        The keys of one grant do not open as those of another.
        """
        lane, kek = _lane(), KEK(id="1", key=os.urandom(32))
        words = {"element": "stats", "grant": "a" * 64, "recipient": "maker"}
        words[word] = "other"

        with pytest.raises(InvalidTag):
            kek.unwrap(kek.wrap(lane), id=0, **words)

    def test_another_key_or_id(self):
        """
        Only the very KEK unwraps.
        """
        lane, kek = _lane(), KEK(id="1", key=os.urandom(32))
        words = {"element": "stats", "grant": "a" * 64, "recipient": "maker"}
        wrapped = kek.wrap(lane)
        for other in (evolve(kek, id="2"), evolve(kek, key=b"k" * 32)):
            with pytest.raises(InvalidTag):
                other.unwrap(wrapped, id=0, **words)


class TestFolder:
    """
    `KeyFolder`: where the KEK lies.
    """

    def test_round_trip(self, tmp_path):
        """
        A key that was made can be loaded, by another process too.
        """
        kek = KeyFolder(tmp_path / "keys").make()

        assert KeyFolder(tmp_path / "keys").load(kek.id) == kek

    @pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
    def test_it_is_for_its_owner_alone(self, tmp_path):
        """
        Folder and file are closed to others, whatever the umask.
        """
        old = os.umask(0)
        try:
            kek = KeyFolder(tmp_path / "keys").make()
        finally:
            os.umask(old)

        assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
        path = tmp_path / "keys" / f"{kek.id}.key"
        assert path.stat().st_mode & 0o777 == 0o600

    @pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
    def test_one_that_others_can_read(self, tmp_path):
        """
        Such a key is refused with the command that mends it, unless it is
        only read to be replaced.
        """
        folder = KeyFolder(tmp_path)
        kek = folder.make()
        (tmp_path / f"{kek.id}.key").chmod(0o604)

        with pytest.raises(DamagedError, match="chmod 600"):
            folder.load(kek.id)
        assert folder.load(kek.id, is_to_go=True) == kek

    @pytest.mark.parametrize(
        "content", [b"", b"zz" * 32, b"aa" * 31, b"\xff" * 64]
    )
    def test_one_that_is_no_key(self, tmp_path, content):
        """
        A file that holds no key is told of, without what it holds.
        """
        folder = KeyFolder(tmp_path)
        kek = folder.make()
        (tmp_path / f"{kek.id}.key").write_bytes(content)

        with pytest.raises(DamagedError, match="restore it") as caught:
            folder.load(kek.id)
        assert caught.value.path == tmp_path / f"{kek.id}.key"
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize("kek_id", ["missing", "../else", "a\0b", 7])
    def test_one_that_is_not_there(self, tmp_path, kek_id):
        """
        Whatever a damaged outbox names as its key, it is told of.
        """
        with pytest.raises(DamagedError):
            KeyFolder(tmp_path).load(kek_id)

    def test_keep_only(self, tmp_path):
        """
        All keys but one are destroyed, also those of a crash.
        """
        folder = KeyFolder(tmp_path)
        keks = [folder.make() for _ in range(3)]
        assert folder.ids() == {kek.id for kek in keks}

        folder.keep_only(keks[1].id)

        assert [p.stem for p in tmp_path.iterdir()] == [keks[1].id]
        assert folder.ids() == {keks[1].id}
        assert folder.load(keks[1].id) == keks[1]

    def test_destroying_overwrites(self, tmp_path):
        """
        The bytes of a destroyed key are overwritten before it is removed.
        """
        folder = KeyFolder(tmp_path / "keys")
        kek = folder.make()
        os.link(tmp_path / "keys" / f"{kek.id}.key", tmp_path / "second")

        folder.keep_only("another")

        assert (tmp_path / "second").read_bytes() == b"0" * 64

    def test_one_that_cannot_be_removed(self, tmp_path):
        """
        A key that cannot be destroyed is no silent success.
        """
        folder = KeyFolder(tmp_path)
        (tmp_path / "old.key").mkdir()

        with pytest.raises(UnwritableError, match="cannot be destroyed"):
            folder.keep_only("another")

    def test_a_folder_that_is_not_there(self, tmp_path):
        """
        Where there is no folder, there are no keys.
        """
        folder = KeyFolder(tmp_path / "keys")

        assert not folder.ids()
        folder.keep_only("any")
        assert not (tmp_path / "keys").exists()

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        """
        A file in the folder's place is told of.
        """
        (tmp_path / "keys").write_text("in the way")

        with pytest.raises(UnwritableError, match="keys"):
            KeyFolder(tmp_path / "keys").make()
