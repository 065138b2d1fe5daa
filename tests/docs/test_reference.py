# SPDX-License-Identifier: MIT

"""
The reference names what is public, and nothing that is not there.
"""

from __future__ import annotations

import re

from importlib import import_module
from operator import attrgetter

import pytest

import consentkit

from tests.docs.blocks import DOCS


_ENTRY = re.compile(
    r"^\.\. auto(?:class|function|exception|data):: (\S+)", re.MULTILINE
)
_NAMES = frozenset(
    name
    for page in (DOCS / "reference").glob("*.md")
    for name in _ENTRY.findall(page.read_text("utf-8"))
)

#: Rooms whose public names are all in the reference.
_ROOMS = (
    "addresses",
    "anonymise",
    "anonymise.aggregate",
    "anonymise.naming",
    "anonymise.together",
    "cessation",
    "collectors",
    "collectors.android",
    "collectors.crash",
    "collectors.geoclue",
    "collectors.installation",
    "collectors.ios",
    "collectors.journal",
    "collectors.location",
    "collectors.log_adapters",
    "collectors.modem_manager",
    "collectors.network_manager",
    "collectors.permissions",
    "collectors.qt_clipboard",
    "collectors.qt_location",
    "collectors.received",
    "consent",
    "consent.core",
    "consent.environment",
    "consent.signals",
    "cookies",
    "disclose",
    "exceptions",
    "gate",
    "ledger",
    "limits",
    "outbox",
    "outbox.tally",
    "policy",
    "policy.diff",
    "policy.lint",
    "receiver",
    "receiver.lookup",
    "registry",
    "rights",
    "starts",
    "testing",
    "transports",
    "transports.guarded",
)


def _object(name: str) -> object:
    """
    Find what *name* stands for, as an import would.
    """
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            module = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return attrgetter(".".join(parts[end:]))(module)
    raise ModuleNotFoundError(name)


class TestReference:
    """
    ``docs/reference``.
    """

    def test_front(self) -> None:
        """
        Every name of the front has an entry, under that name.
        """
        public = {n for n in consentkit.__all__ if n != "__version__"}

        assert {f"consentkit.{name}" for name in public} <= _NAMES

    @pytest.mark.parametrize("room", _ROOMS)
    def test_room(self, room: str) -> None:
        """
        Every name of a room has an entry, here or at the front.
        """
        module = import_module(f"consentkit.{room}")
        entries = {id(_object(name)) for name in _NAMES}

        missing = [
            name
            for name in module.__all__
            if id(getattr(module, name)) not in entries
        ]

        assert missing == []

    @pytest.mark.parametrize("name", sorted(_NAMES))
    def test_there(self, name: str) -> None:
        """
        Every entry is of something that can be imported so.
        """
        assert _object(name) is not None
