# SPDX-License-Identifier: MIT

"""
What tests of the registry share.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.acme import Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """
    An SDK of the tests' own, and an app that uses it.
    """
    with open_shop(tmp_path, monkeypatch) as opened:
        yield opened
