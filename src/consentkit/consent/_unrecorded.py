# SPDX-License-Identifier: MIT
"""
Noes that the ledger did not take, so that they hold all the same.

A ledger may be out of reach when somebody says no: its disk is full, its
server does not answer. The no holds in this process at once. So that it holds
in the others too, and after the next start, it is noted by an empty file,
which needs next to no room; the file goes as soon as the ledger has the no.
"""

from __future__ import annotations

import hashlib
import logging
import os

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Final

from consentkit._fork import Mutex
from consentkit._sqlite import make_private_folder
from consentkit.exceptions import UnwritableError


__all__ = ["Unrecorded"]

# How long the folder is not looked at again: less than the 50 ms within which
# a choice of another process is to be seen.
_LOOK_SECONDS: Final = 0.02

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Unrecorded:
    """
    The noes of all people of one data folder that no ledger has.

    Args:
        folder: Where they are noted; it is made with the first one. ``None``
            for this process alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._held: dict[str, str] = {}
        self._found: Mapping[str, str] = _NONE
        self._looked = -_LOOK_SECONDS
        # All people's kits share it.
        self._lock = Mutex()

    @staticmethod
    def name(person: str, element: str) -> str:
        """
        Name a no, so that it does not say whose it is and what it is about.
        """
        # Without a key: one would lie beside the files, and have to be made
        # when the disk is full. Whoever has the folder can try names of
        # people, as they can read them in the ledger; the file joins a person
        # with nothing but a no, never leaves the folder, and is gone as soon
        # as the ledger has the no.
        text = f"{len(person)} {person} {element}"
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:40]

    def names(self) -> Mapping[str, str]:
        """
        Give them: by name, which act it was.
        """
        if self._folder is not None:
            now = monotonic()
            if now - self._looked >= _LOOK_SECONDS:
                self._looked = now
                self._found = self._look(self._folder)
        if not self._held:
            return self._found
        return {**self._found, **self._held}

    def hold(self, names: Iterable[str], act: str) -> None:
        """
        Let noes hold in this process.
        """
        fresh = dict.fromkeys(names, act)
        with self._lock:
            self._held = {**self._held, **fresh}

    def keep(self, names: Iterable[str], act: str) -> None:
        """
        Let noes hold for the others and the next start too, if that can be.
        """
        if self._folder is None:
            return
        try:
            make_private_folder(self._folder)
            for name in names:
                path = self._folder / f"{name}.{act}"
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        except (OSError, UnwritableError) as error:
            logging.getLogger("consentkit").warning(
                "a no that the ledger did not take holds in this process "
                "alone: %s",
                error,
            )
        self._looked = -_LOOK_SECONDS

    def drop(self, names: Iterable[str]) -> None:
        """
        Let go of noes, as the ledger has them or a later yes.
        """
        gone = frozenset(names)
        with self._lock:
            left = {n: a for n, a in self._held.items() if n not in gone}
            self._held = left
        if self._folder is None:
            return
        for name, act in self._look(self._folder).items():
            if name in gone:
                with suppress(OSError):
                    os.unlink(self._folder / f"{name}.{act}")  # noqa: PTH108
        self._looked = -_LOOK_SECONDS

    @staticmethod
    def _look(folder: Path) -> Mapping[str, str]:
        # Where there is none, nothing is opened.
        if not os.path.exists(folder):  # noqa: PTH110 - never raises
            return _NONE
        try:
            files = os.listdir(folder)  # noqa: PTH208 - names alone
        except OSError:
            return _NONE
        found = {}
        for file in files:
            name, _, act = file.partition(".")
            found[name] = act
        return found
