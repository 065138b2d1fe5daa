# SPDX-License-Identifier: MIT
"""
What answers at random have told of a person, for the person to see.

Each answer tells a little, by its epsilon, and the little adds up over
values, epochs and recipients. Whoever agreed to answers at random may ask
how much it has become.

Units: epsilon in nats.
"""

from __future__ import annotations

import math
import os
import re
import shutil

from pathlib import Path

from consentkit._fork import Mutex
from consentkit._mac import hmac_sha256
from consentkit.anonymise.response import Spent


__all__ = ["Budget"]

# Of a file: function, data type, recipient, epoch, epsilon; and the tag.
_NAME = re.compile(
    r"([^~]+)~([^~]+)~([^~]+)~([^~]*)~([0-9]+(?:\.[0-9]+)?)~[0-9a-f]{16}"
)


class Budget:
    """
    What a person's answers at random have spent.

    It counts different answers only: the same value in the same epoch has
    the same answer, which tells nothing new. What was told stays told, so a
    withdrawal takes nothing away.

    It is a folder of empty files, one for each answer, so that several
    processes count together without a lock. A name tells the function, the
    type, the recipient, the epoch, epsilon and a tag; the tag is made with
    the grant's secret and says nothing once that is destroyed.

    Args:
        folder: Where they lie; made at the first answer. Without one it
            counts in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._names: set[str] = set()
        # A child must find it free, also where the disk was slow.
        self._lock = Mutex()

    def spend(
        self,
        value: str,
        *,
        key: bytes,
        epsilon: float,
        function: str,
        data_type: str,
        recipient: str,
        epoch: str = "",
    ) -> None:
        """
        Count an answer, before it is given.

        Args:
            value: The true value; only its tag under *key* is kept.

            key: That the answer was drawn with.

            epsilon: What the answer tells.

            function: Id of the function.

            data_type: Id of the data type.

            recipient: Who gets the answer.

            epoch: Name of the epoch, or empty.

        Raises:
            OSError: If it cannot be noted.
        """
        tag = hmac_sha256(key, f"answered {value}".encode())[:8]
        parts = (function, data_type, recipient, epoch, f"{epsilon:.6f}")
        name = "~".join((*map(_escaped, parts), tag.hex()))
        with self._lock:
            if name in self._names:
                return
            if self._folder is not None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_CREAT | os.O_WRONLY
                os.close(os.open(self._folder / name, flags, 0o600))
            self._names.add(name)

    def spent(self, function: str = "") -> tuple[Spent, ...]:
        """
        List what was spent, of one function or of all.

        Returns:
            One item for each function, data type, recipient and epoch, in
            the order of their names.
        """
        with self._lock:
            names = set(self._names)
        if self._folder is not None and self._folder.is_dir():
            names.update(path.name for path in self._folder.iterdir())
        found: dict[tuple[str, ...], list[float]] = {}
        for match in filter(None, map(_NAME.fullmatch, names)):
            *parts, epsilon = map(_unescaped, match.groups())
            if not function or parts[0] == function:
                found.setdefault(tuple(parts), []).append(float(epsilon))
        return tuple(
            Spent(
                function=parts[0],
                data_type=parts[1],
                recipient=parts[2],
                epoch=parts[3],
                answers=len(each),
                epsilon=round(math.fsum(each), 6),
            )
            for parts, each in sorted(found.items())
        )

    def forget(self) -> None:
        """
        Forget all of it, as the person is forgotten.
        """
        with self._lock:
            self._names.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __repr__(self) -> str:
        return f"<Budget: {len(self.spent())} counted>"


def _escaped(text: str) -> str:
    """
    Spell *text* so that every file system takes it.
    """
    return re.sub(r"[^0-9A-Za-z_.-]", lambda m: f"%{ord(m[0]):06x}", text)


def _unescaped(text: str) -> str:
    return re.sub(r"%([0-9a-f]{6})", lambda m: chr(int(m[1], 16)), text)
