# SPDX-License-Identifier: MIT
"""
The file in which a recipient keeps the keys that open its envelopes.

One key is current: it is what senders are told to seal for. Older ones stay
for as long as what was sealed for them may still be on its way, which is the
age that an outbox lets records have; then they are destroyed, and nobody can
read what was recorded on the way, not even the recipient.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen

from consentkit._files import make_file, read_file, replace_file
from consentkit.exceptions import DamagedError, EnvelopeError, StoreError
from consentkit.seal.keys import AEAD, KEM, OpenKey, make_open_key, open_key


__all__ = ["KeptKey", "KeyRing"]

_FORMAT: Final = 1
_MOST_KEYS: Final = 256


@frozen(kw_only=True)
class KeptKey:
    """
    A key in the file.

    Attributes:
        made: When, in UTC.

        retired: Since when another one is current, or ``None``.
    """

    key: OpenKey
    made: datetime
    retired: datetime | None = None


@frozen(kw_only=True)
class KeyRing:
    """
    The keys of one file, the current one last.

    Raises:
        StoreError: From what reads or writes the file, if that cannot be
            done.
    """

    path: Path
    kept: tuple[KeptKey, ...] = field(repr=False)

    @property
    def current(self) -> OpenKey:
        """
        The key that senders are told.
        """
        return self.kept[-1].key

    @property
    def keys(self) -> Mapping[int, OpenKey]:
        """
        All keys, by number: what `consentkit.seal.open_envelope` takes.
        """
        return {one.key.seal_key.id: one.key for one in self.kept}

    @classmethod
    def new(
        cls,
        path: Path,
        *,
        kem: KEM = KEM.X25519,
        aead: AEAD = AEAD.AES_256_GCM,
        now: datetime | None = None,
    ) -> KeyRing:
        """
        Make a file with one new key, for this user only.

        Raises:
            StoreError: If there is such a file already, or none can be made.
        """
        first = KeptKey(key=make_open_key(1, kem, aead), made=_utc(now))
        if path.exists():
            raise StoreError(
                path,
                problem="there is a file already",
                cure="rotate its key, or name another file",
            )
        make_file(path, _text((first,)))
        return cls(path=path, kept=(first,))

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """
        Read a file.

        Raises:
            DamagedError: If it is none, or readable by others.
        """
        text = read_file(path, secret=True)
        if text is None:
            raise DamagedError(
                path,
                problem="there is no such file of keys",
                cure="make one: consentkit keys new FILE",
            )
        problem = ""
        try:
            kept = _read(text)
        except EnvelopeError as error:
            problem = str(error)
        except (LookupError, TypeError, ValueError, RecursionError):
            problem = "it is not as it was written"
        else:
            return cls(path=path, kept=kept)
        raise DamagedError(
            path,
            problem=f"these are no keys of ours: {problem}",
            cure="restore the file from a backup",
        )

    def rotate(
        self,
        *,
        kem: KEM | None = None,
        aead: AEAD | None = None,
        retired_before: datetime | None = None,
        now: datetime | None = None,
    ) -> KeyRing:
        """
        Put a new current key in the file.

        Args:
            kem: How it is used; by default as the last.

            aead: The same.

            retired_before: Keys that were retired before are destroyed; by
                default none is.

            now: The time.

        Returns:
            The keys as they are now.

        Raises:
            StoreError: If it cannot be written; then nothing has changed.
        """
        moment = _utc(now)
        last = self.kept[-1].key.seal_key
        rest = tuple(
            one if one.retired else evolve(one, retired=moment)
            for one in self.kept
            if one.retired is None
            or retired_before is None
            or one.retired >= retired_before
        )
        taken = {one.key.seal_key.id for one in rest}
        if len(taken) >= _MOST_KEYS:
            raise StoreError(
                self.path,
                problem=f"it holds {_MOST_KEYS} keys, which is all there are",
                cure="destroy the old ones: --forget-older-than DAYS",
            )
        number = (last.id + 1) % _MOST_KEYS
        while number in taken:
            number = (number + 1) % _MOST_KEYS
        fresh = KeptKey(
            key=make_open_key(number, kem or last.kem, aead or last.aead),
            made=moment,
        )
        replace_file(self.path, _text((*rest, fresh)))
        return evolve(self, kept=(*rest, fresh))


def _text(kept: tuple[KeptKey, ...]) -> str:
    rows = [
        {
            "id": one.key.seal_key.id,
            "kem": one.key.seal_key.kem.name,
            "aead": one.key.seal_key.aead.name,
            "private": one.key.private.hex(),
            "public": one.key.seal_key.text,
            "made": one.made.isoformat(),
            "retired": one.retired and one.retired.isoformat(),
        }
        for one in kept
    ]
    return json.dumps({"format": _FORMAT, "keys": rows}, indent=2) + "\n"


def _read(text: str) -> tuple[KeptKey, ...]:
    document: Any = json.loads(text)
    if document["format"] != _FORMAT:
        problem = "they are of another format than 1"
        raise EnvelopeError(problem)
    kept = tuple(map(_kept, document["keys"]))
    numbers = {one.key.seal_key.id for one in kept}
    if not kept or len(numbers) != len(kept) or kept[-1].retired:
        problem = "one key has to be current, and each a number of its own"
        raise EnvelopeError(problem)
    return kept


def _kept(found: Any) -> KeptKey:
    key = open_key(
        found["id"],
        KEM[found["kem"]],
        AEAD[found["aead"]],
        bytes.fromhex(found["private"]),
    )
    if key.seal_key.text != found["public"]:
        problem = "a public key does not belong to its private one"
        raise EnvelopeError(problem)
    retired = found["retired"]
    return KeptKey(
        key=key,
        made=datetime.fromisoformat(found["made"]),
        retired=None if retired is None else datetime.fromisoformat(retired),
    )


def _utc(at: datetime | None) -> datetime:
    return (at or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
