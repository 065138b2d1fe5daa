# SPDX-License-Identifier: MIT
"""
An installation's id: random, resettable, and of no use to anybody else.

It is drawn from the system's randomness at the first read that is permitted,
and says nothing of the device. It is kept in a file of its own below the
app's data folder, which only this user may read (mode 0600).

How far it reaches is the app's choice, the least by default: each consent to
a recipient has its own, so that two recipients cannot join what they have,
nor one recipient what it got before a withdrawal and after a new yes.
"""

from __future__ import annotations

import hashlib
import re
import uuid

from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final

from consentkit._filelock import FileLock
from consentkit._sqlite import make_private_folder
from consentkit.collectors.source import Source, Unavailable
from consentkit.exceptions import DamagedError, StoreError, UnwritableError
from consentkit.gate import Permit
from consentkit.ledger._files import read_file, replace_file, sync_folder


__all__ = ["InstallationSource", "Scope"]

#: The id, and what consent it belongs to.
_LINE: Final = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}"
    r"-[0-9a-f]{12}) (?P<consent>[0-9a-f]{16})\n"
)


class Scope(Enum):
    """
    How far one id reaches.

    .. versionadded:: 26.1.0
    """

    #: One for each function and recipient, and a new one for each consent.
    CONSENT = "consent"
    #: One for each recipient, which outlives a withdrawal.
    RECIPIENT = "recipient"
    #: One for the whole app, which every recipient gets: they can join it.
    APP = "app"


class InstallationSource(Source[str]):
    """
    The source of ``guid``: a random id of this installation.

    All processes and threads of the app get the same, also those that read
    first at the same time. A file that is damaged, or that other users can
    read, is not used, and a new id is made in its place.

    Args:
        folder: Where the ids are kept; made at the first permitted read. By
            custom ``installation`` in the app's data folder.

        scope: How far an id reaches.

        timeout_seconds: How long a read waits for another process that is
            making the id.

    .. versionadded:: 26.1.0
    """

    id: str = "installation"
    name = "the installation's id"
    data_types: frozenset[str] = frozenset({"guid"})

    def __init__(
        self,
        folder: Path,
        *,
        scope: Scope = Scope.CONSENT,
        timeout_seconds: float = 5.0,
    ) -> None:
        self._folder = folder
        self._scope = scope
        self._timeout = timeout_seconds
        self.touches: str = f"a file in {folder}, made when it is missing"

    def reset(self) -> None:
        """
        Forget every id of this folder: the next read draws a new one.

        It needs no permit: it takes something away. Ids that were sent
        before stay with whoever got them.

        Raises:
            UnwritableError: If a file cannot be removed.
        """
        if not self._folder.is_dir():
            return
        lock = self._locked()
        try:
            for file in self._folder.glob("*.id"):
                _remove(file)
            sync_folder(self._folder)
        finally:
            lock.release()

    def _read(self, permit: Permit, **_options: Any) -> str | Unavailable:
        file = self._folder / f"{self._name(permit)}.id"
        of_one = self._scope is Scope.CONSENT
        consent = _digest(permit.grant if of_one else "")[:16]
        if known := _kept(file, consent):
            return known
        try:
            return self._make(file, consent)
        except StoreError:
            # The path often names the user; the reason does without.
            return Unavailable(
                permit.clause.type, "the data folder cannot be written to"
            )

    def _name(self, permit: Permit) -> str:
        """
        Name the file of a permit, without saying what it is for.
        """
        named: tuple[str, ...] = (self._scope.value,)
        if self._scope is not Scope.APP:
            named += (permit.recipient,)
        if self._scope is Scope.CONSENT:
            named += (permit.function.id,)
        return _digest(*named)

    def _make(self, file: Path, consent: str) -> str:
        make_private_folder(self._folder)
        lock = self._locked()
        try:
            if known := _kept(file, consent):
                return known  # another one was quicker
            made = str(uuid.uuid4())
            # That of an earlier consent is gone with this.
            replace_file(file, f"{made} {consent}\n")
            return made
        finally:
            lock.release()

    def _locked(self) -> FileLock:
        lock = FileLock(self._folder / "lock")
        if lock.acquire(timeout_seconds=self._timeout):
            return lock
        raise UnwritableError(
            self._folder,
            problem="another process keeps the lock",
            cure="end the process that hangs",
        )


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def _kept(file: Path, consent: str) -> str:
    """
    Give the id in a file, or nothing where there is none to be trusted.
    """
    with suppress(DamagedError):
        match = _LINE.fullmatch(read_file(file, secret=True) or "")
        if match and match["consent"] == consent:
            return match["id"]
    return ""


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        problem = f"the file cannot be removed ({error.strerror})"
    else:
        return
    raise UnwritableError(
        file, problem=problem, cure="remove it by hand"
    ) from None
