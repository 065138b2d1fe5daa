# SPDX-License-Identifier: MIT
"""
Fixtures for tests of the receiver.
"""

from __future__ import annotations

import pytest

from consentkit.receiver import Store
from tests.ledger.support import fresh_schema


@pytest.fixture
def store(tmp_path):
    """
    Give an empty store.
    """
    store = Store(tmp_path / "data" / "store.db")
    yield store
    store.close()


@pytest.fixture
def schema():
    """
    Give the name of a schema in PostgreSQL that is dropped after the test.
    """
    with fresh_schema() as name:
        yield name
