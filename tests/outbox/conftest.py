# SPDX-License-Identifier: MIT
"""
Nothing is left open.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.support import close_all


@pytest.fixture(autouse=True)
def _close_all() -> Iterator[None]:
    """
    Close the kits and stores of a test.
    """
    yield
    close_all()
