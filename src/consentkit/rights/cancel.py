# SPDX-License-Identifier: MIT
"""
Cancelling the account of an app with one user.

The person is warned first that it cannot be undone. From then on the service
stops and nothing of theirs is processed, though nothing is lost yet: until it
is completed they can choose to go on. Logging in is no such choice.

    cancelling = Cancellation(policy, folder)
    kit = consentkit.open(policy, data_dir=folder, signals=cancelling.read)
    show(cancelling.text)
    cancelling.request(kit, acknowledged=text_digest(cancelling.text))
    cancelling.go_on()              # or, when the time has come:
    cancelling.complete(kit)

When that is, and that the backend deletes what it has beside the records of
this app, is for whoever runs the service to see to.
"""

from __future__ import annotations

import json

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consentkit._files import make_file, read_file, sync_folder
from consentkit._stopfile import StopFile
from consentkit.exceptions import DamagedError
from consentkit.gate import Reason, Refusal
from consentkit.ledger.entries import text_digest


if TYPE_CHECKING:
    from consentkit.consent.choices import Withdrawal
    from consentkit.consent.signals import Signals
    from consentkit.kit import Kit
    from consentkit.policy.model import Policy


__all__ = ["Cancellation"]

_NAME: Final = "cancelling.json"


class Cancellation:
    """
    The signals of an app whose account can be cancelled.

    Args:
        policy: The app's; its right ``cancel_account`` says what follows.

        folder: The app's data folder, where the request is kept.

        around: Gives all other signals; those of the process and its device
            by default.
    """

    def __init__(
        self,
        policy: Policy,
        folder: Path | str,
        *,
        around: Callable[[], Signals] | None = None,
    ) -> None:
        self._policy = policy
        self._stop = StopFile(policy.id, Path(folder) / _NAME, around)

    def __repr__(self) -> str:
        state = "pending" if self._stop.is_there() else "not asked for"
        return f"<Cancellation of {self._policy.id}: {state}>"

    @property
    def text(self) -> str:
        """
        The warning that comes first, with what the policy says of it.
        """
        rows = [
            row
            for row in self._policy.document.rights
            if row.id == "cancel_account"
        ]
        said = [
            f"Cancel your account: {self._policy.title}.",
            "Once it is completed this cannot be undone.",
            "Until then the service stops, and you can choose to go on.",
        ]
        for row in rows:
            said += [row.effect] * bool(row.effect)
            said.append(f"Where: {row.channel}.")
            if row.deadline is not None:
                unit = row.deadline.unit.replace("_", " ")
                said.append(f"Within {row.deadline.value} {unit}s.")
        return "\n".join(said)

    def read(self) -> Signals:
        """
        Give the signals of now; while it is pending, all is forbidden.

        It is what `consentkit.open` takes for *signals*.
        """
        return self._stop.read()

    @property
    def since(self) -> datetime | None:
        """
        When it was asked for, or ``None`` where it is not pending.

        Raises:
            StoreError: If what is kept cannot be read.
        """
        text = read_file(self._stop.path, secret=False)
        if text is None:
            return None
        try:
            return datetime.fromisoformat(json.loads(text)["since"])
        except (ValueError, KeyError, TypeError):
            pass
        raise DamagedError(
            self._stop.path,
            problem="it does not say since when",
            cure="restore it from a backup; until then nothing is permitted",
        )

    def request(self, kit: Kit, *, acknowledged: str) -> datetime | Refusal:
        """
        Begin: the service stops, and nothing is lost yet.

        Args:
            kit: The app's, opened with these signals.

            acknowledged: SHA-256, in hex, of the warning that the person
                acknowledged, as of `text`.

        Returns:
            Since when it is pending; or the refusal, where they were not
            warned.

        Raises:
            StoreError: If it cannot be kept.
        """
        if acknowledged != text_digest(self.text):
            return Refusal(
                reason=Reason.NOT_ACKNOWLEDGED,
                function="",
                detail="that it cannot be undone",
            )
        since = self.since
        if since is None:
            since = kit.now()
            said = {"since": since.isoformat(), "warned": acknowledged}
            make_file(self._stop.path, json.dumps(said))
        return since

    def go_on(self) -> bool:
        """
        Stop it midway, by the person's choice; all is as it was.

        Returns:
            Whether there was something to stop: what was completed cannot
            be undone.
        """
        if not self._stop.is_there():
            return False
        self._let_go()
        return True

    def complete(self, kit: Kit) -> Withdrawal | None:
        """
        Complete it: what waits is destroyed, what was sent is asked back at
        the next flush, and nothing is granted any more.

        The person may register anew, and begins with nothing.

        Args:
            kit: The app's.

        Returns:
            What was done; ``None`` where it was not pending.

        Raises:
            StoreError: If it cannot be done; it stays pending.
        """
        if not self._stop.is_there():
            return None
        done = kit.consent.erase()
        # Nor is whoever comes next told what was read of the one before.
        kit.forget_reads()
        self._let_go()
        return done

    def _let_go(self) -> None:
        self._stop.path.unlink(missing_ok=True)
        sync_folder(self._stop.path.parent)
