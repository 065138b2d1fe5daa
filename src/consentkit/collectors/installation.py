# SPDX-License-Identifier: MIT
"""
An installation's id: random, resettable, and of no use to anybody else.

It is drawn from the system's randomness at the first read that is permitted,
and says nothing of the device. It is kept in a file of its own below the
app's data folder, which only this user may read (mode 0600).

How far it reaches is the app's choice, the least by default: each consent to
a recipient has its own, so that two recipients cannot join what they have,
nor one recipient what it got before a withdrawal and after a new yes.

It belongs to the machine and the folder that it was drawn for. On another
machine, or in a copy of the folder elsewhere, it is not used, and a new one is
drawn. Digests are all that is kept to know that: of the machine in the file's
name, of the place in the file.
"""

from __future__ import annotations

import hashlib
import re
import sys
import uuid

from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from consentkit._filelock import FileLock
from consentkit._files import read_file, replace_file, sync_folder
from consentkit._sqlite import make_private_folder
from consentkit.collectors.machine_id import read_machine_id
from consentkit.collectors.source import Source, Unavailable
from consentkit.exceptions import DamagedError, StoreError, UnwritableError
from consentkit.gate import Permit


__all__ = ["InstallationSource", "Scope"]

#: The id, what consent it belongs to, and where.
_LINE: Final = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}"
    r"-[0-9a-f]{12}) (?P<consent>[0-9a-f]{16}) "
    r"(?P<path>[0-9a-f]{16}) (?P<node>[0-9a-f]{16})\n"
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
    first at the same time. A file that is damaged, that other users can
    read, or that was copied here from another folder or machine, is not
    used, and a new id is made in its place.

    Args:
        folder: Where the ids are kept; made at the first permitted read. By
            custom ``installation`` in the app's data folder.

        root: Folder of the system's files, by which the machine is known.

        scope: How far an id reaches.

        timeout_seconds: How long a read waits for another process that is
            making the id.

    .. versionadded:: 26.1.0
    """

    id: str = "installation"
    timeout_seconds: float | None = None  # it keeps its own
    name = "the installation's id"
    data_types: frozenset[str] = frozenset({"guid"})

    def __init__(
        self,
        folder: Path,
        *,
        scope: Scope = Scope.CONSENT,
        root: Path = Path("/"),
        timeout_seconds: float = 5.0,
    ) -> None:
        self._folder = folder
        self._scope = scope
        self._root = root
        self._timeout = timeout_seconds
        self.touches: str = (
            f"a file in {folder}, made when it is missing; on Linux, to know "
            "a copy, /etc/machine-id and the files by which a container is "
            "known, /proc/1/environ among them"
        )

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
        here = _Here(self._folder)
        if known := _kept(file, consent, here):
            return known
        try:
            return self._make(file, consent, here)
        except StoreError:
            # The path often names the user; the reason does without.
            return Unavailable(
                permit.clause.type, "the data folder cannot be written to"
            )

    def _name(self, permit: Permit) -> str:
        """
        Name the file of a permit, without saying what it is for.
        """
        named: tuple[str, ...] = (self._machine(), self._scope.value)
        if self._scope is not Scope.APP:
            named += (permit.recipient,)
        if self._scope is Scope.CONSENT:
            named += (permit.function.id,)
        return _digest(*named)

    def _machine(self) -> str:
        """
        Name this machine; nothing in a container, whose image may change.
        """
        if not sys.platform.startswith("linux"):
            return ""
        found = read_machine_id(self._root)
        return found if isinstance(found, str) else ""

    def _make(self, file: Path, consent: str, here: _Here) -> str:
        make_private_folder(self._folder)
        lock = self._locked()
        try:
            if known := _kept(file, consent, here):
                return known  # another one was quicker
            made = str(uuid.uuid4())
            # That of an earlier consent, or of elsewhere, is gone with this.
            places = " ".join(here.digests(made).values())
            replace_file(file, f"{made} {consent} {places}\n")
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


@frozen
class _Here:
    """
    Where an id is read.
    """

    folder: Path

    def digests(self, id_: str) -> dict[str, str]:
        """
        Say where, in a way that another id says otherwise.
        """
        found = {"path": "", "node": ""}
        with suppress(OSError):
            found["path"] = str(self.folder.resolve())
            status = self.folder.stat()
            found["node"] = f"{status.st_dev} {status.st_ino}"
        return {
            name: _digest(id_, name, text)[:16] for name, text in found.items()
        }

    def is_of(self, match: re.Match[str]) -> bool:
        """
        Tell whether an id was drawn here.

        A folder that was moved is still the same one, and one that a backup
        has put back in its place is still there: one of both is enough.
        """
        digests = self.digests(match["id"])
        return any(digests[name] == match[name] for name in digests)


def _kept(file: Path, consent: str, here: _Here) -> str:
    """
    Give the id in a file, or nothing where there is none to be trusted.
    """
    with suppress(DamagedError):
        match = _LINE.fullmatch(read_file(file, secret=True) or "")
        if match and match["consent"] == consent and here.is_of(match):
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
