# SPDX-License-Identifier: MIT
"""
What a ledger does, wherever it is stored; and which store a URL names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import unquote

from consentkit.ledger.checkpoint import SignedCheckpoint, VerifyKey
from consentkit.ledger.drafts import Appended, Plan
from consentkit.ledger.entries import Entry
from consentkit.ledger.receipt import Receipt
from consentkit.ledger.verify import Verdict


if TYPE_CHECKING:
    from consentkit.ledger.postgresql import PostgreSQLLedger


__all__ = ["Ledger", "check_subject", "ledger_from_url"]

_ID_CHARACTERS = 1000


@runtime_checkable
class Ledger(Protocol):
    """
    Where choices are recorded: append-only, chained and signed.

    Each method raises `consentkit.exceptions.StoreError` where the store
    cannot be read or written; then nothing is recorded.
    """

    def mark(self) -> object:
        """
        Give something that is the very same while nothing was written.

        Neither an entry nor a person's tag; ``None`` where that cannot be
        told without reading. It is asked at each decision, so it is cheap.
        """
        ...

    def entries(self, subject: str) -> tuple[Entry, ...]:
        """
        Read all entries of one subject, oldest first, verified.

        What has not changed is given as the same object again.
        """
        ...

    def append_after(
        self,
        plan: Plan,
        *,
        subject: str,
        policies: Mapping[str, str] | None = None,
    ) -> Appended:
        """
        Append what *plan* decides on, in one durable commit.

        Nobody can append for *subject* between what the plan sees and what
        it does.
        """
        ...

    def policy(self, digest: str) -> str | None:
        """
        Give a policy document that an entry names, if it was archived.
        """
        ...

    def subject(self, id: str, *, make: bool = False) -> str | None:  # noqa: A002
        """
        Give the tag that stands for a person, made if asked for.
        """
        ...

    def erase_subject(self, id: str) -> bool:  # noqa: A002
        """
        Destroy what links a person to the entries about them.
        """
        ...

    def verify(self, anchors: Iterable[SignedCheckpoint] = ()) -> Verdict:
        """
        Check the whole ledger, and hold it against checkpoints.
        """
        ...

    def verify_key(self) -> VerifyKey | None:
        """
        Give the public key that its checkpoints are signed with.
        """
        ...

    def checkpoint(self) -> SignedCheckpoint | None:
        """
        Give the newest checkpoint, or ``None`` of an empty ledger.
        """
        ...

    def receipt(self, seq: int) -> Receipt:
        """
        Give the proof of one entry, for the person to keep.
        """
        ...

    def close(self) -> None:
        """
        Close it.
        """
        ...


def check_subject(id: str) -> None:  # noqa: A002
    """
    Check an app's own name of a person.

    Raises:
        ValueError: If *id* is empty or very long.
    """
    if not 0 < len(id) <= _ID_CHARACTERS:
        msg = f"a subject's id must have 1 to {_ID_CHARACTERS} characters"
        raise ValueError(msg)


def ledger_from_url(url: str, *, keys: Path) -> PostgreSQLLedger:
    """
    Give the ledger that *url* names.

    Args:
        url: Its store; ``?schema=NAME`` names another schema than
            ``consentkit``.

        keys: Folder for its key and anchor.

    Raises:
        ValueError: If no store has its scheme, or it cannot be read.

        MissingExtraError: If the extra ``postgresql`` is not installed.
    """
    if url.startswith(("postgres://", "postgresql://")):
        from consentkit.ledger.postgresql import PostgreSQLLedger

        place, schema = _schema_of(url)
        return PostgreSQLLedger(place, keys=keys, schema=schema)
    # Not shown: a password may be in it, wherever its parts end.
    msg = (
        "a ledger's URL begins with postgresql://; leave it out for a file "
        "in the data folder"
    )
    raise ValueError(msg)


def _schema_of(url: str) -> tuple[str, str]:
    """
    Take the schema out of a URL, as only we know that name.
    """
    place, _, query = url.partition("?")
    rest, schema = [], "consentkit"
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "schema":
            schema = unquote(value)
        elif part:
            rest.append(part)
    return "?".join([place, *["&".join(rest)] * bool(rest)]), schema
