# SPDX-License-Identifier: MIT
"""
The policies that people agreed to, read from the ledger when needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from consentkit.exceptions import PolicyError
from consentkit.ledger.base import Ledger
from consentkit.policy.load import parse_canonical
from consentkit.policy.model import Policy


__all__ = ["Archive"]


class Archive(Mapping[str, Policy]):
    """
    Policies by their digests, the one in force among them.

    Args:
        policy: The one in force.

        ledger: Where the earlier ones are.
    """

    def __init__(self, policy: Policy, ledger: Ledger) -> None:
        self._policy = policy
        self._ledger = ledger
        self._known: dict[str, Policy | None] = {}

    def __getitem__(self, digest: str) -> Policy:
        if digest == self._policy.digest:
            return self._policy
        if digest not in self._known:
            self._known[digest] = self._read(digest)
        found = self._known[digest]
        if found is None:
            raise KeyError(digest)
        return found

    def _read(self, digest: str) -> Policy | None:
        text = self._ledger.policy(digest)
        if text is None:
            return None
        # A document that this version cannot read covers nothing.
        with suppress(PolicyError):
            return parse_canonical(text)
        return None

    def __iter__(self) -> Iterator[str]:
        return iter([self._policy.digest, *self._known])

    def __len__(self) -> int:
        return 1 + len(self._known)
