# SPDX-License-Identifier: MIT

"""
What every test shares: a clean environment, and Hypothesis's profiles.
"""

from __future__ import annotations

import os

from collections.abc import Callable, Iterator

import hypothesis
import pytest

from consentkit.consent.environment import CI_VARIABLES
from tests import needs
from tests.obligations.marks import note


hypothesis.settings.register_profile("dev", max_examples=50)
hypothesis.settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")

_SIGNALS = (
    *CI_VARIABLES,
    "CONSENTKIT_CI",
    "CONSENTKIT_CONSENT",
    "CONSENTKIT_DEVICE_POLICY",
    "DO_NOT_TRACK",
)
_PROXIES = frozenset(
    {"all_proxy", "ftp_proxy", "http_proxy", "https_proxy", "no_proxy"}
)
# tox sets the first; a child is to find its encoding as it would outside.
_ENCODINGS = frozenset({"pythonioencoding", "pythonutf8"})


@pytest.fixture(autouse=True, scope="session")
def _no_signals() -> Iterator[None]:
    """
    Hide what says to kits that nobody sits here, or that stops something.

    The suite is then the same on a machine that builds software, also for
    fixtures that several tests share.
    """
    with pytest.MonkeyPatch.context() as patched:
        for name in _SIGNALS:
            patched.delenv(name, raising=False)
        # Nor do keys go into the key store of whoever runs the tests.
        patched.setenv("CONSENTKIT_KEYSTORE", "file")
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Hide settings of whoever runs the tests; the display stays.
    """
    for name in list(os.environ):
        hidden = name.lower() in _PROXIES | _ENCODINGS
        if hidden or name.startswith("CONSENTKIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CONSENTKIT_KEYSTORE", "file")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """
    Obey the markers *obligation* and *need_...*.
    """
    if isinstance(item, pytest.Function):
        note(item)
    if item.get_closest_marker("need_postgresql"):
        needs.need_postgresql()
    for mark in item.iter_markers("need_tool"):
        needs.need_tool(*mark.args)
    for mark in item.iter_markers("need_extra"):
        needs.need_extra(*mark.args)


@pytest.fixture
def need_tool() -> Callable[..., None]:
    """
    Give `tests.needs.need_tool`, to be called with names of programs.
    """
    return needs.need_tool


@pytest.fixture
def need_extra() -> Callable[..., None]:
    """
    Give `tests.needs.need_extra`, to be called with names of extras.
    """
    return needs.need_extra


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Start the test's own processes without coverage, which would be seen.
    """
    for name in list(os.environ):
        if name.startswith("COVERAGE_"):
            monkeypatch.delenv(name)
