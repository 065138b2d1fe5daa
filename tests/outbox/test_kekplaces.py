# SPDX-License-Identifier: MIT
"""
Where the outbox's key is, as far as that needs no key store.
"""

from __future__ import annotations

import pytest

from tests.faults.support import hits, open_kit, tick, tock


def numbers(kit) -> list[int]:
    """
    Open what waits, and give its numbers.
    """
    return sorted(record.value["n"] for record in kit.store.inspect())


class TestChoice:
    """
    ``CONSENTKIT_KEYSTORE``.
    """

    @pytest.mark.parametrize("value", ["fil", "FILE", "keyring", " "])
    def test_what_is_no_place(self, tmp_path, monkeypatch, value):
        """
        What it cannot be is told when the kit is opened, with what it can.
        """
        monkeypatch.setenv("CONSENTKIT_KEYSTORE", value)

        with pytest.raises(ValueError, match=r"CONSENTKIT_KEYSTORE.*'file'"):
            open_kit(tmp_path / "data")

    def test_file(self, tmp_path):
        """
        With ``file`` the key is a file, and the status says so.
        """
        kit = open_kit(tmp_path / "data", "stats")
        assert kit.status().kek is None
        tick(kit, 1)

        assert len(list((kit.data_dir / "keys").glob("*.key"))) == 1
        kek = kit.status().kek
        assert kek.place == "file"
        assert "other users" in kek.protects
        assert any("backups" in one for one in kek.leaves_open)


class TestMissing:
    """
    A key that is not there when it has to go.
    """

    def test_comes_back(self, tmp_path):
        """
        It is replaced at the first start that finds it again.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats", "health")
        tick(kit, 1)
        tock(kit, 2)
        kit.close()
        (path,) = (data_dir / "keys").glob("*.key")
        key = path.read_bytes()
        path.rename(tmp_path / "away")

        kit = open_kit(data_dir)
        assert kit.consent.withdraw("stats").destroyed.records == 1
        kit.close()
        open_kit(data_dir).close()
        assert list((data_dir / "keys").glob("*.key")) == []

        (tmp_path / "away").rename(path)
        assert numbers(open_kit(data_dir)) == [2]
        assert hits([key], tmp_path) == []

    def test_nothing_needs_it(self, tmp_path):
        """
        Where all is withdrawn, the outbox begins anew without it.
        """
        data_dir = tmp_path / "data"
        kit = open_kit(data_dir, "stats")
        tick(kit, 1)
        kit.close()
        (path,) = (data_dir / "keys").glob("*.key")
        path.unlink()

        kit = open_kit(data_dir)
        kit.consent.withdraw("stats")
        kit.consent.show("stats")
        kit.consent.grant("stats")
        tick(kit, 2)

        assert numbers(kit) == [2]
