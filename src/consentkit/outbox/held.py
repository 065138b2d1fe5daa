# SPDX-License-Identifier: MIT
"""
What an app told while the person had not answered yet.

Only the app's own events are held, in the form in which they would have been
kept; no source is read before an answer. The answer promotes or destroys
them. In memory they are bounded and never written; in quarantine they are
sealed on disk, under a key of each function that an answer destroys.
"""

from __future__ import annotations

import json
import os

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consentkit._sqlite import Database, make_private_folder
from consentkit.exceptions import UnwritableError
from consentkit.typing import JSON


__all__ = ["Held", "Quarantine"]

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12

_SCHEMA: Final = """\
CREATE TABLE held (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    function TEXT NOT NULL,
    sealed BLOB NOT NULL,
    expires INTEGER NOT NULL
);

CREATE INDEX held_of ON held (function, n)"""


@frozen(kw_only=True)
class Held:
    """
    One event that waits for an answer.

    Attributes:
        id: The id that its record will have.

        value: Its fields, checked and scrubbed.

        at: When it was told.

        expires: When it is dropped if nobody has answered.

        act, attested: What the person did and vouched for then.

        terms: Digest of the function's promise at that time.

        seen: Place of the person's newest entry at that time: a later no
            ends it, whatever the clock said.
    """

    id: str
    function: str
    event: str
    value: Mapping[str, JSON] = field(repr=False)
    at: datetime
    expires: datetime
    purpose: str = ""
    recipient: str = ""
    act: str = ""
    attested: str = ""
    terms: str = ""
    seen: int = 0

    def as_json(self) -> str:
        """
        Write it down.
        """
        return json.dumps(
            {
                "id": self.id,
                "function": self.function,
                "event": self.event,
                "value": dict(self.value),
                "at": self.at.isoformat(),
                "expires": self.expires.isoformat(),
                "purpose": self.purpose,
                "recipient": self.recipient,
                "act": self.act,
                "attested": self.attested,
                "terms": self.terms,
                "seen": self.seen,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Held:
        """
        Read it back.

        Raises:
            ValueError: If *text* is not one.
        """
        try:
            raw = json.loads(text)
            at = datetime.fromisoformat(raw.pop("at"))
            expires = datetime.fromisoformat(raw.pop("expires"))
            return cls(**raw, at=at, expires=expires)
        except (KeyError, TypeError, AttributeError, RecursionError):
            msg = "not a held event"
            raise ValueError(msg) from None


class Quarantine:
    """
    Held events on disk, sealed function by function.

    No file is made before the first event.

    Args:
        path: Its file.

        keys: Folder of the keys, one for each function.
    """

    def __init__(self, path: Path, *, keys: Path) -> None:
        self.path = path
        self._keys = keys
        self._db = Database(path, schema=_SCHEMA, version=1)

    def exists(self) -> bool:
        """
        Tell whether anything was ever held.
        """
        return self._db.exists()

    def put(self, held: Held, *, most: int) -> bool:
        """
        Hold one event durably; tell whether there was room.

        Raises:
            StoreError: If it cannot be stored.
        """
        with self._db.writing() as db:
            (count,) = db.execute("SELECT COUNT(*) FROM held").fetchone()
            if count >= most:
                return False
            key = self._load(held.function) or self._make(held.function)
            nonce = os.urandom(_NONCE_BYTES)
            sealed = AESGCM(key).encrypt(
                nonce, held.as_json().encode(), _bound(held.id, held.function)
            )
            db.execute(
                "INSERT INTO held (id, function, sealed, expires) "
                "VALUES (?, ?, ?, ?)",
                (
                    held.id,
                    held.function,
                    nonce + sealed,
                    int(held.expires.timestamp()),
                ),
            )
        return True

    def functions(self) -> tuple[str, ...]:
        """
        List the functions of which something is held.

        Raises:
            StoreError: If the file cannot be read.
        """
        if not self.exists():
            return ()
        with self._db.reading() as db:
            rows = db.execute("SELECT DISTINCT function FROM held").fetchall()
        return tuple(name for (name,) in rows)

    def of(self, function: str) -> tuple[Held, ...]:
        """
        Open what is held of *function*, oldest first.

        What cannot be opened is left out: without its key it is gone.

        Raises:
            StoreError: If the file cannot be read.
        """
        key = self._load(function)
        if key is None or not self.exists():
            return ()
        with self._db.reading() as db:
            rows = db.execute(
                "SELECT id, sealed FROM held WHERE function = ? ORDER BY n",
                (function,),
            ).fetchall()
        opened = []
        for id_, sealed in rows:
            with suppress(InvalidTag, TypeError, ValueError):
                plain = AESGCM(key).decrypt(
                    sealed[:_NONCE_BYTES],
                    sealed[_NONCE_BYTES:],
                    _bound(id_, function),
                )
                opened.append(Held.from_json(plain.decode()))
        return tuple(opened)

    def leave(self, function: str, ids: Iterable[str]) -> None:
        """
        Drop all that is held of *function* but for some events.

        Raises:
            StoreError: If it cannot be done; call it again.
        """
        left = frozenset(ids)
        if not left:
            self.destroy([function])
            return
        with self._db.writing() as db:
            rows = db.execute(
                "SELECT id FROM held WHERE function = ?", (function,)
            ).fetchall()
            db.executemany(
                "DELETE FROM held WHERE id = ?",
                [row for row in rows if row[0] not in left],
            )
        self._db.checkpoint()

    def destroy(self, functions: Iterable[str]) -> None:
        """
        Destroy all that is held of *functions*: the keys first.

        Raises:
            StoreError: If it cannot be destroyed; call it again.
        """
        if not self.exists():
            return
        named = tuple(functions)
        for function in named:
            self._shred(self._file(function))
        with self._db.writing() as db:
            db.executemany(
                "DELETE FROM held WHERE function = ?", [(f,) for f in named]
            )
        self._db.checkpoint()

    def expire(self, now: datetime) -> None:
        """
        Drop what nobody has answered in time.

        Raises:
            StoreError: If the file cannot be written.
        """
        if not self.exists():
            return
        moment = int(now.timestamp())
        with self._db.reading() as db:
            due = db.execute(
                "SELECT 1 FROM held WHERE expires <= ? LIMIT 1", (moment,)
            ).fetchone()
        if due is None:
            return
        with self._db.writing() as db:
            db.execute("DELETE FROM held WHERE expires <= ?", (moment,))
        self._db.checkpoint()

    def close(self) -> None:
        """
        Close the file.
        """
        self._db.close()

    # Keys

    def _file(self, function: str) -> Path:
        # Not ``.key``: those of the outbox are destroyed by their name.
        return self._keys / f"held-{function}.secret"

    def _load(self, function: str) -> bytes | None:
        try:
            key = bytes.fromhex(self._file(function).read_text("ascii"))
        except (OSError, ValueError):
            return None
        return key if len(key) == _KEY_BYTES else None

    def _make(self, function: str) -> bytes:
        key = os.urandom(_KEY_BYTES)
        make_private_folder(self._keys)
        path = self._file(function)
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
        flags |= getattr(os, "O_NOFOLLOW", 0)
        try:
            handle = os.open(path, flags, 0o600)
            try:
                os.write(handle, key.hex().encode())
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            problem = f"the key cannot be stored ({error.strerror})"
        else:
            return key
        raise UnwritableError(
            path,
            problem=problem,
            cure="choose a data folder that this user may write to",
        )

    def _shred(self, path: Path) -> None:
        # Zeros help on plain disks, and harm nowhere.
        with suppress(OSError), path.open("r+b") as file:
            file.write(b"0" * _KEY_BYTES * 2)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            problem = f"a key cannot be destroyed ({error.strerror})"
        else:
            return
        raise UnwritableError(
            path, problem=problem, cure="let this user write to its folder"
        )


def _bound(id_: str, function: str) -> bytes:
    return f"consentkit held 1\0{id_}\0{function}".encode()
