# SPDX-License-Identifier: MIT
"""
Keys of the outbox: one lane for each grant and recipient, wrapped by a KEK.

A lane's secrets are random, never derived, so that destroying them is final:
a data key for its records, a secret that pseudonyms are made from, and a
token that entitles to erase what was delivered. They are stored wrapped with
AES-256-GCM by one key-encryption key (KEK), which lies apart from them.
Destroying a lane also replaces the KEK, since an old page of the database
may still hold the wrapped lane.

The KEK lies in one of two places: here is the file, `keystore` is the
system's key store, and `kekplaces` chooses.

What this cannot do: flash storage, snapshots and backups may keep an old KEK
file.
"""

from __future__ import annotations

import os

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Final

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consentkit._mac import hmac_sha256
from consentkit._sqlite import make_private_folder
from consentkit.anonymise.digests import PseudonymKeys
from consentkit.exceptions import DamagedError, UnwritableError
from consentkit.outbox.rows import HEADER, Row, end_and_purpose


__all__ = [
    "KEK",
    "SEAL_BYTES",
    "KEKPlace",
    "KeyFolder",
    "Lane",
    "Protection",
    "make_kek",
    "make_lane",
    "write_new",
]

_KEY_BYTES = 32
_NONCE_BYTES = 12

#: By how much a sealed row is longer than what is in it.
SEAL_BYTES: Final = _NONCE_BYTES + 16


@frozen(kw_only=True)
class Lane:
    """
    What the records of one grant for one recipient are sealed with.

    Attributes:
        id: Number in the outbox, or 0 for one that is not stored yet.

        element, grant: What was granted, and the hash of the entry.

        keys: What pseudonyms are made with; they go where the lane goes.
    """

    id: int
    element: str
    grant: str
    recipient: str
    data_key: bytes = field(repr=False)
    pseudonym_secret: bytes = field(repr=False)
    erasure_token: bytes = field(repr=False)
    keys: PseudonymKeys = field(init=False, repr=False, eq=False)
    _cipher: AESGCM = field(init=False, repr=False, eq=False)
    _bound: bytes = field(init=False, repr=False, eq=False)

    @keys.default
    def _of_the_secret(self) -> PseudonymKeys:
        return PseudonymKeys(self.pseudonym_secret)

    @_cipher.default
    def _of_the_key(self) -> AESGCM:
        return AESGCM(self.data_key)

    @_bound.default
    def _of_the_lane(self) -> bytes:
        # Binding all that stands beside a row keeps rows from being swapped,
        # revived or sent to somebody else.
        parts = (self.element, self.grant, self.recipient)
        return "\0".join(("consentkit row 1", *parts, "")).encode()

    @property
    def erase(self) -> str:
        """
        SHA-256 of the erasure token, in hex: what batches carry.
        """
        return sha256(self.erasure_token).hexdigest()

    @property
    def reference(self) -> str:
        """
        What stands for the ledger entry at this recipient, in hex.

        The hash of the entry itself would let recipients join what they
        got; who has the lane's secret can show that the two belong
        together.
        """
        name = b"consentkit consent 1\0" + self.grant.encode()
        return hmac_sha256(self.pseudonym_secret, name).hex()

    @property
    def secrets(self) -> bytes:
        """
        The three secrets in one, for wrapping.
        """
        return self.data_key + self.pseudonym_secret + self.erasure_token

    def seal(self, plain: bytes, beside: bytes) -> bytes:
        """
        Encrypt one row; nonce first.

        Args:
            plain: What is in it.

            beside: What stands in the clear beside it.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, self._bound + beside)

    def open(self, sealed: bytes, beside: bytes) -> bytes:
        """
        Decrypt one row.

        Raises:
            InvalidTag: If it is not what was sealed.
        """
        return self._cipher.decrypt(
            sealed[:_NONCE_BYTES],
            sealed[_NONCE_BYTES:],
            self._bound + beside,
        )

    def open_all(self, body: bytes, after: int = 0) -> list[Row]:
        """
        Decrypt the entries of a body, as far as it goes.

        Args:
            body: Entries, as `consentkit.outbox.rows` says.

            after: In milliseconds since 1970; what expires until then is
                left out.

        Returns:
            Of each its row, whose text is empty where it is not what was
            sealed.
        """
        decrypt, bound = self._cipher.decrypt, self._bound
        unpack, front = HEADER.unpack_from, HEADER.size
        rows: list[Row] = []
        at, size = 0, len(body)
        while size - at > front:
            length, _, high, low, joined = unpack(body, at)
            start = at + front
            end = start + length
            if end > size:
                break
            expires, _ = end_and_purpose(joined)
            if expires > after:
                sealed = start + _NONCE_BYTES
                try:
                    plain = decrypt(
                        body[start:sealed],
                        body[sealed:end],
                        bound + body[at:start],
                    )
                except (InvalidTag, TypeError, ValueError):
                    plain = b""
                rows.append(Row(high, low, expires, plain))
            at = end
        return rows


def make_lane(*, element: str, grant: str, recipient: str) -> Lane:
    """
    Make a lane with new random secrets.
    """
    return Lane(
        id=0,
        element=element,
        grant=grant,
        recipient=recipient,
        data_key=os.urandom(_KEY_BYTES),
        pseudonym_secret=os.urandom(_KEY_BYTES),
        erasure_token=os.urandom(_KEY_BYTES),
    )


@frozen(kw_only=True)
class KEK:
    """
    The key that wraps every lane of one outbox.
    """

    id: str
    key: bytes = field(repr=False)

    def wrap(self, lane: Lane) -> bytes:
        """
        Encrypt the secrets of *lane*.
        """
        nonce = os.urandom(_NONCE_BYTES)
        bound = self._bound(lane.element, lane.grant, lane.recipient)
        return nonce + AESGCM(self.key).encrypt(nonce, lane.secrets, bound)

    def unwrap(
        self,
        wrapped: bytes,
        *,
        id: int,  # noqa: A002 - the lane's own word
        element: str,
        grant: str,
        recipient: str,
    ) -> Lane:
        """
        Decrypt the secrets of a lane.

        Raises:
            InvalidTag: If they were wrapped by another key, or changed.
        """
        nonce, body = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        bound = self._bound(element, grant, recipient)
        secrets = AESGCM(self.key).decrypt(nonce, body, bound)
        data, pseudonym, token = (
            secrets[i : i + _KEY_BYTES] for i in range(0, 96, _KEY_BYTES)
        )
        return Lane(
            id=id,
            element=element,
            grant=grant,
            recipient=recipient,
            data_key=data,
            pseudonym_secret=pseudonym,
            erasure_token=token,
        )

    def opens(self, row: Sequence[Any]) -> bool:
        """
        Tell whether a lane was wrapped by it.

        Args:
            row: Element, grant, recipient, subject and wrapped keys.
        """
        element, grant, recipient, _, wrapped = row[:5]
        with suppress(InvalidTag, TypeError, ValueError):
            self.unwrap(
                wrapped,
                id=0,
                element=element,
                grant=grant,
                recipient=recipient,
            )
            return True
        return False

    def _bound(self, element: str, grant: str, recipient: str) -> bytes:
        parts = ("consentkit lane 1", self.id, element, grant, recipient)
        return "\0".join(parts).encode()


def make_kek() -> KEK:
    """
    Make a KEK with a new random key, which is stored nowhere yet.
    """
    return KEK(id=os.urandom(8).hex(), key=os.urandom(_KEY_BYTES))


@frozen(kw_only=True)
class Protection:
    """
    Where the key of the outbox is, and what that is good for.

    Attributes:
        place: ``file`` or ``key store``.

        protects: Against what.

        leaves_open: What it does nothing against.

    .. versionadded:: 26.1.0
    """

    place: str
    protects: tuple[str, ...]
    leaves_open: tuple[str, ...]


class KEKPlace(ABC):
    """
    A place that holds KEKs; only one, but for the moment of a rotation.
    """

    #: What it is called, and what it protects against.
    protection: ClassVar[Protection]

    @abstractmethod
    def make(self) -> KEK:
        """
        Make a new KEK and store it durably.

        Raises:
            StoreError: If it cannot be stored.
        """

    @abstractmethod
    def load(self, kek_id: str, *, is_to_go: bool = False) -> KEK:
        """
        Read the KEK that the outbox names.

        Args:
            kek_id: Its id, in the outbox.

        Args:
            is_to_go: Whether it is only read to be replaced.

        Raises:
            StoreError: If it cannot be read now.

            DamagedError: If it is not there, or not a key.
        """

    @abstractmethod
    def ids(self) -> frozenset[str]:
        """
        Name all KEKs that there may be, what a crash left included.
        """

    @abstractmethod
    def keep_only(self, kek_id: str) -> None:
        """
        Destroy every other KEK, what a crash left behind included.

        Raises:
            UnwritableError: If one cannot be destroyed.
        """


class KeyFolder(KEKPlace):
    """
    The folder that holds the KEK as a file, for this user only.
    """

    protection: ClassVar[Protection] = Protection(
        place="file",
        protects=("copies of the database alone", "other users"),
        leaves_open=(
            "whoever can read the files of this user",
            "stolen disks that are not encrypted",
            "backups that hold the database and the key",
        ),
    )

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> KEK:
        """
        Make a new KEK and store it durably.

        Raises:
            UnwritableError: If it cannot be stored.
        """
        kek = make_kek()
        write_new(self._file(kek.id), kek.key.hex())
        return kek

    def load(self, kek_id: str, *, is_to_go: bool = False) -> KEK:
        """
        Read the KEK that the outbox names.

        Args:
            kek_id: Its id, in the outbox.

        Args:
            is_to_go: Whether it is only read to be replaced; then it does
                not matter who else can read it.

        Raises:
            DamagedError: If it is not there, not a key, or readable by
                others.
        """
        path = self._file(kek_id)
        try:
            # Windows keeps other users out by the folder's own rules.
            mode = path.stat().st_mode if os.name == "posix" else 0
            key = bytes.fromhex(path.read_text("ascii").strip())
        except (OSError, ValueError):
            mode, key = 0, b""
        if len(key) != _KEY_BYTES:
            raise DamagedError(
                path,
                problem="the key of the outbox is missing or unreadable",
                cure="restore it; without it the waiting records cannot be "
                "read, and moving the outbox away starts a new one",
            )
        if mode & 0o077 and not is_to_go:
            raise DamagedError(
                path,
                problem="the key can be read by other users",
                cure=f"run: chmod 600 {path}",
            )
        return KEK(id=kek_id, key=key)

    def ids(self) -> frozenset[str]:
        """
        Name all KEKs that are here, what a crash left included.
        """
        return frozenset(path.stem for path in self.path.glob("*.key"))

    def keep_only(self, kek_id: str) -> None:
        """
        Destroy every other KEK, what a crash left behind included.

        Raises:
            UnwritableError: If one cannot be destroyed.
        """
        for path in self.path.glob("*.key"):
            if path.name != f"{kek_id}.key":
                _destroy(path)
        _sync(self.path)

    def _file(self, kek_id: str) -> Path:
        return self.path / f"{kek_id}.key"


def write_new(path: Path, text: str) -> None:
    """
    Make a small file durably, for this user only, its folder included.

    Raises:
        UnwritableError: If it cannot be made; then nothing is left of it.
    """
    make_private_folder(path.parent)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags, 0o600)
        try:
            os.write(handle, text.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        _sync(path.parent)
    except OSError as error:
        problem = f"the key cannot be stored ({error.strerror})"
    else:
        return
    with suppress(OSError):
        path.unlink()
    raise UnwritableError(
        path,
        problem=problem,
        cure="choose a data folder that this user may write to",
    )


def _sync(folder: Path) -> None:
    if os.name != "posix":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _destroy(path: Path) -> None:
    # Zeros help on plain disks, and harm nowhere.
    with suppress(OSError), path.open("r+b") as file:
        file.write(b"0" * path.stat().st_size)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        problem = f"an old key cannot be destroyed ({error.strerror})"
    else:
        return
    raise UnwritableError(
        path, problem=problem, cure="let this user write to its folder"
    )
