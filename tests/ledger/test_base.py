# SPDX-License-Identifier: MIT

"""
Tests for how a ledger is named.
"""

from __future__ import annotations

import sys

from pathlib import Path

import pytest

import consentkit

from consentkit.exceptions import MissingExtraError
from consentkit.ledger import Ledger, SQLiteLedger
from consentkit.ledger.base import ledger_from_url
from tests.support import SMALL


class TestLedgerFromURL:
    """
    Tests for `ledger_from_url`.
    """

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "mysql://ann:s3cret@x/y",
            "ledger.sqlite3",
            "ann:s3cret@x/y",
            "s3cret",
            "postgresql:ann:s3cret@x/y",
        ],
    )
    def test_unknown(self, url: str, tmp_path: Path) -> None:
        """
        A URL of no store is refused without being shown, as a password may
        be anywhere in it, and what there is is named.
        """
        with pytest.raises(ValueError, match="postgresql://") as caught:
            ledger_from_url(url, keys=tmp_path)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
    def test_missing_extra(
        self, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Without its library the cure is named.
        """
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(MissingExtraError, match=r"consentkit\[postgresql"):
            ledger_from_url(f"{scheme}://127.0.0.1/x", keys=tmp_path)

    def test_kit_takes_a_ledger(self, tmp_path: Path) -> None:
        """
        A kit uses the ledger that it is given.
        """
        ledger = SQLiteLedger(tmp_path / "a" / "ledger.sqlite3")
        with consentkit.open(SMALL, data_dir=tmp_path, ledger=ledger) as kit:
            kit.consent.grant("improve")

        assert isinstance(ledger, Ledger)
        assert len(ledger.entries()) == 1
        assert not (tmp_path / "ledger.sqlite3").exists()
        ledger.close()
