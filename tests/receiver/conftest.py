# SPDX-License-Identifier: MIT
"""
Fixtures for tests of the receiver.
"""

from __future__ import annotations

import pytest

from consentkit.receiver import Store


@pytest.fixture
def store(tmp_path):
    """
    Give an empty store.
    """
    store = Store(tmp_path / "data" / "store.db")
    yield store
    store.close()
