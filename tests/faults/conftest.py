# SPDX-License-Identifier: MIT
"""
Long runs are left out unless asked for (``pytest -m slow``), and nothing is
left open.
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


def pytest_configure(config: pytest.Config) -> None:
    """
    Name the marker of long runs.
    """
    config.addinivalue_line("markers", "slow: takes minutes; run with -m slow")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """
    Leave long runs out of a run that does not ask for them.
    """
    if "slow" in str(config.getoption("-m")):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
