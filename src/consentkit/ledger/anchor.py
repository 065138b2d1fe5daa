# SPDX-License-Identifier: MIT
"""
The anchor beside the keys: the newest checkpoint, outside the ledger's file.

Without it nobody could tell a ledger that lost its end from one that never
had more.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from consentkit._files import read_file, replace_file, sync_folder
from consentkit.exceptions import DamagedError, ProofError, UnwritableError
from consentkit.ledger.checkpoint import SignedCheckpoint, parse_checkpoint


__all__ = ["AnchorFile", "AnchorInMemory"]


class AnchorFile:
    """
    The file that holds the newest checkpoint.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> SignedCheckpoint | None:
        """
        Read the anchor, or give ``None`` where there is none.

        Raises:
            DamagedError: If it is not one.
        """
        note = read_file(self.path, secret=False)
        if note is None:
            return None
        try:
            return parse_checkpoint(note)
        except ProofError as error:
            problem = str(error)
        raise DamagedError(
            self.path,
            problem=f"this is not the anchor of the ledger: {problem}",
            cure="restore it from a backup",
        )

    def write(self, signed: SignedCheckpoint) -> None:
        """
        Let *signed* be the anchor, durably.

        The caller holds the ledger, so that no newer one is replaced.

        Raises:
            UnwritableError: If it cannot be stored; then the old one stays.
        """
        replace_file(self.path, signed.note)

    def set_aside(self) -> Path | None:
        """
        Keep the anchor of a ledger that is gone, as evidence of it.

        Returns:
            Where it is now, or ``None`` where there was none.

        Raises:
            UnwritableError: If it cannot be moved.
        """
        if not self.path.exists():
            return None
        number = 1
        while (aside := self._numbered(number)).exists():
            number += 1
        try:
            self.path.rename(aside)
        except OSError as error:
            problem = f"the old anchor cannot be set aside ({error.strerror})"
        else:
            sync_folder(self.path.parent)
            return aside
        raise UnwritableError(
            self.path,
            problem=problem,
            cure="let this user write to its folder",
        )

    def aside(self) -> dict[Path, SignedCheckpoint | None]:
        """
        Give what was set aside, oldest first; ``None`` is no anchor.

        Raises:
            DamagedError: If one cannot be read.
        """
        # By their names, as one may have been moved away.
        found = sorted(
            int(path.suffix[1:])
            for path in self.path.parent.glob(f"{self.path.name}.*")
            if path.suffix[1:].isdecimal()
        )
        notes: dict[Path, SignedCheckpoint | None] = {}
        for path in map(self._numbered, found):
            notes[path] = None
            with suppress(ProofError):
                notes[path] = parse_checkpoint(
                    read_file(path, secret=False) or ""
                )
        return notes

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


class AnchorInMemory:
    """
    The newest checkpoint that this process has seen, for as long as it lives.
    """

    path: Path | None = None

    def __init__(self) -> None:
        self._signed: SignedCheckpoint | None = None

    def read(self) -> SignedCheckpoint | None:
        """
        Give the anchor, or ``None`` where there is none.
        """
        return self._signed

    def write(self, signed: SignedCheckpoint) -> None:
        """
        Let *signed* be the anchor.
        """
        self._signed = signed

    def aside(self) -> dict[Path, SignedCheckpoint | None]:
        """
        Give nothing: what was set aside is forgotten.
        """
        return {}

    def set_aside(self) -> None:
        """
        Forget the anchor of a ledger that is gone.
        """
        self._signed = None
