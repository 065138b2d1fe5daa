# SPDX-License-Identifier: MIT
"""
The KEK of the outbox in the key store of the operating system.

That is what the library `keyring` finds, where it is one that seals what it
holds with the person's login: the Secret Service of a Linux desktop, KWallet,
macOS's keychain, Windows's vault. A key store cannot always list what it
holds, so a file ``ID.keystore`` is made before the key goes in, and deleted
after it is out: whatever is cut short, no key is left that nobody knows of.

A key store may ask the person to unlock it. It is waited for so long and no
longer, and after a failure it is left alone for a while, so that an app that
keeps records does not ask at each of them.
"""

from __future__ import annotations

import base64
import binascii
import importlib.util
import logging
import time

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final

from consentkit.collectors._deadline import Deadline, FailedCallError
from consentkit.exceptions import DamagedError, StoreError, UnwritableError
from consentkit.outbox.keys import (
    KEK,
    KEKPlace,
    Protection,
    make_kek,
    write_new,
)


__all__ = ["KeyStore"]

#: Under what name the keys stand in the key store, beside their id.
_SERVICE: Final = "consentkit outbox"

_KEY_BYTES: Final = 32

# Less than others wait for the outbox's file, which is locked meanwhile.
_WAIT_SECONDS: Final = 5.0

#: How long a key store that failed is not asked again.
_REST_SECONDS: Final = 30.0

#: Those that seal what they hold. Others of the library's, and of others,
#: keep nothing (``fail``, ``null``) or may keep it in the clear.
_REAL: Final = frozenset(
    {
        "keyring.backends.SecretService",
        "keyring.backends.Windows",
        "keyring.backends.kwallet",
        "keyring.backends.libsecret",
        "keyring.backends.macOS",
    }
)

_MOVE_AWAY: Final = (
    "without the key the waiting records cannot be read, and moving the "
    "outbox away starts a new one"
)


class KeyStore(KEKPlace):
    """
    The system's key store, as the place of the KEK of one outbox.

    Args:
        folder: Where the files are that say which keys are in it.
    """

    protection: ClassVar[Protection] = Protection(
        place="key store",
        protects=(
            "copies of the database alone",
            "other users",
            "stolen disks",
            "backups of the files",
        ),
        leaves_open=("programs of this user while the key store is unlocked",),
    )

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls: Deadline[tuple[str, str | None]] = Deadline(_ask)
        self._rests_until = 0.0

    def is_there(self) -> bool:
        """
        Tell whether there is a key store that protects, and the library.
        """
        if importlib.util.find_spec("keyring") is None:
            return False
        with suppress(_SilentError):
            return bool(self._call("", _look)[0])
        return False

    def holds(self, kek_id: str) -> bool:
        """
        Tell whether a KEK was put into the key store.
        """
        return self._note(kek_id).is_file()

    def make(self) -> KEK:
        """
        Make a new KEK and store it durably.

        Raises:
            StoreError: If it cannot be stored.
        """
        kek = make_kek()
        note = self._note(kek.id)
        text = base64.b64encode(kek.key).decode()
        try:
            name, _ = self._call("", _look)
            write_new(note, name)
            _, kept = self._call(name, _put, kek.id, text)
        except _SilentError as error:
            problem = str(error)
            if not error.is_late:
                # Nothing went in. What is late may still go in, and goes
                # with the next keys that go.
                with suppress(OSError):
                    note.unlink(missing_ok=True)
        else:
            if kept == text:
                return kek
            problem = "it does not give back what it was given"
        raise StoreError(
            note,
            problem=f"the key store of the system takes no key: {problem}",
            cure="unlock it, or set CONSENTKIT_KEYSTORE=file",
        )

    def load(self, kek_id: str, *, is_to_go: bool = False) -> KEK:
        """
        Read the KEK that the outbox names.

        Args:
            kek_id: Its id, in the outbox.

        Args:
            is_to_go: Whether it is only read to be replaced; then the key
                store is asked although it failed a moment ago.

        Raises:
            StoreError: If the key store is locked, not there, or another.

            DamagedError: If the key is not in it, or not a key.
        """
        if is_to_go:
            self._rests_until = 0.0
        text = self._given(kek_id, _get)
        key = b""
        with suppress(binascii.Error, ValueError):
            key = base64.b64decode(text or "", validate=True)
        if len(key) != _KEY_BYTES:
            raise DamagedError(
                self._note(kek_id),
                problem="the key of the outbox is not in the key store of "
                "the system; it was deleted there, or the data folder is a "
                "copy from another user or machine",
                cure=_MOVE_AWAY,
            )
        return KEK(id=kek_id, key=key)

    def ids(self) -> frozenset[str]:
        """
        Name all KEKs that may be in the key store.
        """
        return frozenset(p.stem for p in self._folder.glob("*.keystore"))

    def keep_only(self, kek_id: str) -> None:
        """
        Destroy every other KEK, what a crash left behind included.

        What a locked key store does not give up is tried again at the next
        start, and told to the log: what it wrapped is destroyed already.

        Raises:
            UnwritableError: If the note of one cannot be deleted.
        """
        for old in sorted(self.ids() - {kek_id}):
            try:
                self._given(old, _take_out)
            except StoreError as error:
                logging.getLogger("consentkit").warning(
                    "an old key waits to be destroyed: %s", error
                )
            else:
                self._forget(old)

    def _forget(self, kek_id: str) -> None:
        note = self._note(kek_id)
        try:
            note.unlink(missing_ok=True)
        except OSError as error:
            problem = f"a note cannot be deleted ({error.strerror})"
        else:
            return
        raise UnwritableError(
            note, problem=problem, cure="let this user write to its folder"
        )

    def _note(self, kek_id: str) -> Path:
        return self._folder / f"{kek_id}.keystore"

    def _given(self, kek_id: str, act: _Act) -> str | None:
        """
        Give what *act* finds in the key store that a KEK was put into.

        Raises:
            StoreError: If that is locked, not there, or another now.
        """
        note = self._note(kek_id)
        noted = ""
        with suppress(OSError, ValueError):
            noted = note.read_text("utf-8").strip()
        if importlib.util.find_spec("keyring") is None:
            raise StoreError(
                note,
                problem="the key of the outbox is in the key store of the "
                "system, and keyring is not installed",
                cure="install it with: pip install 'consentkit[keyring]'",
            )
        try:
            name, given = self._call(noted, act, kek_id)
        except _SilentError as error:
            problem = f"the key store of the system {error}"
        else:
            if name and (not noted or name == noted):
                return given
            now = f"now there is {name}" if name else "now there is none"
            problem = (
                f"the key of the outbox was put into the key store {noted}, "
                f"and {now}"
            )
        raise StoreError(
            note,
            problem=problem,
            cure="unlock the key store that it was put into, in the session "
            f"of this user, and try again; {_MOVE_AWAY}",
        )

    def _call(
        self, noted: str, act: _Act, *arguments: str
    ) -> tuple[str, str | None]:
        """
        Ask the key store, and wait for it so long and no longer.

        Raises:
            _SilentError: If it fails, does not answer, or failed just now.
        """
        if time.monotonic() < self._rests_until:
            said = "failed a moment ago, and is asked again in half a minute"
            raise _SilentError(said)
        try:
            found = self._calls.call(_WAIT_SECONDS, noted, act, arguments)
        except TimeoutError:
            said, is_late = "does not answer; is it locked?", True
        except FailedCallError as error:
            said, is_late = f"is locked or fails ({error.kind})", False
        else:
            self._rests_until = 0.0
            return found
        self._rests_until = time.monotonic() + _REST_SECONDS
        raise _SilentError(said, is_late=is_late)


class _SilentError(Exception):
    """
    The key store gave no answer.

    Attributes:
        is_late: Whether it may still do what it was asked for.
    """

    def __init__(self, said: str, *, is_late: bool = False) -> None:
        super().__init__(said)
        self.is_late = is_late


# What follows runs in the thread that is waited for.

_Act = Callable[..., str | None]


def _ask(
    noted: str, act: _Act, arguments: tuple[str, ...]
) -> tuple[str, str | None]:
    """
    Give the name of the key store, and what *act* gives on it.

    Where it is not the one that was *noted*, nothing is done with it.
    """
    store = _real_store()
    name = "" if store is None else type(store).__module__
    if store is None or (noted and noted != name):
        return name, None
    return name, act(store, *arguments)


def _real_store() -> Any:
    found = import_module("keyring").get_keyring()
    # A chain of several: one that protects, and no other of them.
    for store in getattr(found, "backends", None) or (found,):
        if type(store).__module__ in _REAL:
            return store
    return None


def _look(_: Any) -> None:
    return None


def _put(store: Any, kek_id: str, text: str) -> str | None:
    store.set_password(_SERVICE, kek_id, text)
    return _get(store, kek_id)


def _get(store: Any, kek_id: str) -> str | None:
    kept: str | None = store.get_password(_SERVICE, kek_id)
    return kept


def _take_out(store: Any, kek_id: str) -> None:
    if _get(store, kek_id) is not None:
        store.delete_password(_SERVICE, kek_id)
