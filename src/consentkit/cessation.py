# SPDX-License-Identifier: MIT
"""
The end of operation: the maker says so once, signed, and everything stops.

The word may come by any way, a push message or a file of an update, as its
signature is what counts. It is kept beside the ledger, so that it holds over
restarts and without a network; nothing but a new installation undoes it.

    ending = Cessation("camera_app", folder, key=VerifyKey.parse("..."))
    kit = consentkit.open("policy.toml", data_dir=folder, signals=ending.read)
    ending.deliver(kit, note)       # when it comes
    ending.carry_out(kit)           # at each start, if a crash came between

What it does not hold: an app that is opened without these signals.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from consentkit._files import read_file, replace_file
from consentkit._stopfile import StopFile
from consentkit.exceptions import ProofError
from consentkit.ledger.checkpoint import (
    VerifyKey,
    decode_base64,
    encode_base64,
)


if TYPE_CHECKING:
    from consentkit.consent.signals import Signals
    from consentkit.kit import Kit
    from consentkit.ledger.signing import SigningKey


__all__ = ["Cessation", "EndOfOperation", "parse_end", "sign_end"]

# Beginning so, it can be taken for nothing else that this kind of key signs.
_HEAD: Final = "consentkit: end of operation, format 1"
_NAME: Final = "ceased.note"


@frozen(kw_only=True)
class EndOfOperation:
    """
    The maker's word that operation has ended.

    Attributes:
        policy: Id of the policy whose app has ended.

        since: The day, as the maker names it.
    """

    policy: str
    since: date

    @property
    def text(self) -> str:
        """
        What is signed.
        """
        return f"{_HEAD}\n{self.policy}\n{self.since.isoformat()}\n"


def sign_end(end: EndOfOperation, key: SigningKey) -> str:
    """
    Give the note that apps are told, signed by the maker.

    Args:
        end: What ends.

        key: The maker's; apps have its public half.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
    )

    encoded = key.secret.split("+", 4)[4]
    seed = decode_base64(encoded, what="the key")[1:]
    made = Ed25519PrivateKey.from_private_bytes(seed).sign(end.text.encode())
    return f"{end.text}\n{encode_base64(made)}\n"


def parse_end(note: str, key: VerifyKey) -> EndOfOperation:
    """
    Read a note, if *key* has signed it.

    Raises:
        ProofError: If it is no such note, or the signature is not the
            key's.
    """
    text, _, encoded = note.partition("\n\n")
    head, _, rest = text.partition("\n")
    policy, _, day = rest.partition("\n")
    try:
        end = EndOfOperation(policy=policy, since=date.fromisoformat(day))
    except ValueError:
        end = None
    if end is None or head != _HEAD or end.text != f"{text}\n":
        msg = "it is no note of an end of operation"
        raise ProofError(msg)
    key.verify(
        decode_base64(encoded.removesuffix("\n"), what="the signature"),
        end.text,
    )
    return end


class Cessation:
    """
    The signals of an app whose maker can say that operation has ended.

    Args:
        policy: Id of the app's policy.

        folder: The app's data folder, where the word is kept.

        key: The maker's key.

        around: Gives all other signals; those of the process and its device
            by default.
    """

    def __init__(
        self,
        policy: str,
        folder: Path | str,
        *,
        key: VerifyKey,
        around: Callable[[], Signals] | None = None,
    ) -> None:
        self._policy = policy
        self._key = key
        self._stop = StopFile(policy, Path(folder) / _NAME, around)

    def __repr__(self) -> str:
        state = "ended" if self._stop.is_there() else "not yet"
        return f"<Cessation of {self._policy}: {state}>"

    @property
    def ended(self) -> EndOfOperation | None:
        """
        What was delivered, or ``None``.

        Raises:
            ProofError: If what is kept is not the maker's word.

            StoreError: If it cannot be read.
        """
        note = read_file(self._stop.path, secret=False)
        return None if note is None else self._checked(note)

    def read(self) -> Signals:
        """
        Give the signals of now; with the end, everything is forbidden.

        It is what `consentkit.open` takes for *signals*. Where the word is
        there and cannot be read or verified, it counts.
        """
        return self._stop.read()

    def deliver(self, kit: Kit, note: str) -> EndOfOperation:
        """
        Take the maker's word, and carry it out.

        When it returns nothing is permitted any more, what waited is gone,
        what was sent is asked back at the next flush, and SDKs with a way to
        stop are stopped. Doing it twice changes nothing.

        Args:
            kit: The app's, opened with these signals.

            note: As `sign_end` makes it.

        Raises:
            ProofError: If it is not the maker's word on this app; then
                nothing happens.

            StoreError: If it cannot be kept or carried out; try again.
        """
        end = self._checked(note)
        replace_file(self._stop.path, note)
        self.carry_out(kit)
        return end

    def carry_out(self, kit: Kit) -> None:
        """
        Complete what a delivery began; nothing, where none was.

        Raises:
            StoreError: If it cannot be carried out; try again.
        """
        if not self._stop.is_there():
            return
        choices = kit.consent.state().choices
        for function in kit.policy.functions:
            if choices[function].grants:
                kit.consent.invalidate(function, reason="operation ended")
        if kit.store.exists():
            kit.store.discard(lambda _: True, reason="operation_ended")

    def _checked(self, note: str) -> EndOfOperation:
        end = parse_end(note, self._key)
        if end.policy != self._policy:
            msg = f"it is about another app than {self._policy}"
            raise ProofError(msg)
        return end
