# SPDX-License-Identifier: MIT
"""
The ledger of an app: entries in one SQLite file, append-only and signed.

Here is only how it is stored. What an entry is, how entries are tied
together and what a checkpoint says is the same for every store.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection, Error
from time import monotonic
from typing import Final, Literal, overload

from consentkit._sqlite import Database, Pulse
from consentkit.exceptions import ProofError, StoreError
from consentkit.ledger._file_view import ROWS, FileView, head_of
from consentkit.ledger._keeper import (
    Keeper,
    checked_documents,
    load_signatures,
    new_key,
    tag_of,
)
from consentkit.ledger.base import check_subject
from consentkit.ledger.checkpoint import (
    SignedCheckpoint,
    VerifyKey,
    parse_checkpoint,
)
from consentkit.ledger.drafts import Appended, Draft, Plan, put_in_place
from consentkit.ledger.entries import LOCAL, Entry, entry_from_body
from consentkit.ledger.receipt import (
    Receipt,
    check_places,
    make_receipts,
    proofs_of,
)
from consentkit.ledger.verify import Trail, Verdict, judge


__all__ = ["SQLiteLedger"]

_VERSION: Final = 1

# How long the pulse is relied upon.
_LOOK_SECONDS: Final = 0.05

_SCHEMA: Final = """\
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY CHECK (seq > 0),
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    subject TEXT NOT NULL
);

CREATE INDEX entries_of ON entries (subject, seq);

CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    origin TEXT NOT NULL,
    checkpoint TEXT NOT NULL
);

CREATE TABLE policies (
    digest TEXT PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE subjects (
    tag TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    key BLOB NOT NULL
);

CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TRIGGER entries_keep BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"""

_CURE: Final = (
    "restore the file from a backup; until then everything is refused"
)


class SQLiteLedger:
    """
    The entries of one data folder.

    No file is made before the first entry. With it, two more are made in
    the folder of *keys*: the key that signs, and the anchor.

    Args:
        path: The ledger's file.

        keys: Folder of its key and anchor; by default ``keys`` beside it.

        for_reading: Whether nothing will be written, as of a copy that was
            kept. Then it can be read from where nothing can be written, and
            whatever would write raises
            `consentkit.exceptions.UnwritableError`. An app does not decide
            by such a ledger: it could record no withdrawal.
    """

    def __init__(
        self,
        path: Path,
        *,
        keys: Path | None = None,
        for_reading: bool = False,
    ) -> None:
        folder = path.parent / "keys" if keys is None else keys
        self.path = path
        self._pulse = Pulse(path.with_suffix(".pulse"))
        self._db = Database(
            path,
            schema=_SCHEMA,
            version=_VERSION,
            for_reading=for_reading,
            pulse=self._pulse,
            is_private=True,
        )
        self._keeper = Keeper.of(folder, where=path, cure=_CURE)
        self._view = FileView(self._db, self._keeper)
        #: What `mark` gave last, the pulse before, and until when that is
        #: relied upon.
        self._quick: tuple[bytes, float, object] | None = None

    # Reading

    def mark(self) -> object:
        """
        Give something that is the very same while nothing was written.

        Returns:
            ``None`` before the first read, and where somebody wrote since.

        Raises:
            StoreError: If the file cannot be looked at.
        """
        pulse, now = self._pulse.read(), monotonic()
        quick = self._quick
        if quick is not None and quick[0] == pulse and now < quick[1]:
            return quick[2]
        self._quick = None
        found = self._db.look(self._look)
        if found is not None:
            pulse, mark = found
            if mark is not None and pulse is not None:
                self._quick = (pulse, now + _LOOK_SECONDS, mark)
            return mark
        return None

    def _look(self, connection: Connection) -> tuple[bytes | None, object]:
        # The pulse first: what is written in between is seen next time.
        self._pulse.look()
        return self._pulse.read(), self._view.mark(connection)

    def entries(self, subject: str = LOCAL) -> tuple[Entry, ...]:
        """
        Read all entries of one subject, oldest first.

        The whole ledger is verified, and held against the anchor. What was
        verified before is not verified again while the ledger goes on from
        there; `verify` reads all of it anew.

        Args:
            subject: A tag that `subject` gave, or `LOCAL`.

        Raises:
            StoreError: If the file cannot be read, is damaged, or is of a
                newer format.
        """
        if not self._db.exists():
            self._view.forget()
            return ()
        load_signatures()
        with self._db.reading() as connection:
            known = self._view.at_hand(connection, subject)
        if known is not None:
            return known
        with self._reading() as connection:
            return self._view.of(connection, subject)

    def all_entries(self) -> tuple[Entry, ...]:
        """
        Read the entries of every subject, oldest first.

        Raises:
            StoreError: As `entries`.
        """
        if not self._db.exists():
            return ()
        with self._reading(anew=True) as connection:
            return tuple(
                entry_from_body(body.decode())
                for _, body, _, _ in connection.execute(ROWS, (0,))
            )

    def policy(self, digest: str) -> str | None:
        """
        Give the policy document that an entry names, if it was archived.

        Args:
            digest: The entry's *text*.

        Returns:
            The canonical JSON of the policy.

        Raises:
            StoreError: If the file cannot be read, or the document is not
                what was archived.
        """
        if not self._db.exists():
            return None
        with self._db.reading() as connection:
            return self._policy(connection, digest)

    # Appending

    def append(self, *drafts: Draft) -> tuple[Entry, ...]:
        """
        Append an entry for each of *drafts*, in one durable commit.

        Raises:
            StoreError: If it cannot be recorded; then nothing is.
        """
        return self.append_after(lambda _: drafts).made

    def append_after(
        self,
        plan: Plan,
        *,
        subject: str = LOCAL,
        policies: Mapping[str, str] | None = None,
    ) -> Appended:
        """
        Append what *plan* decides on, in one durable commit.

        No process can append between what the plan sees and what it does.

        Args:
            plan: Takes the entries of *subject* so far, oldest first, and
                gives a draft for each new one; maybe none.

            subject: A tag that `subject` gave, or `LOCAL`.

            policies: Documents that the new entries name, by digest; kept
                with them.

        Raises:
            ValueError: If a draft makes no entry for its place, or a
                document has another digest.

            StoreError: If it cannot be recorded; then nothing is.
        """
        documents = checked_documents(policies)
        load_signatures()
        with self._db.writing() as connection:
            # Nobody else can commit now, and so no anchor can be newer.
            head = head_of(connection)
            anchor = None if head is None else self._keeper.anchor.read()
            self._view.advance(connection, anchor)
            before = self._view.of(connection, subject)
            trail = self._view.seen.trail.branch(subject)
            made = put_in_place(plan(before), trail, subject=subject)
            if made:
                origin = self._keeper.begin() if head is None else head[0]
                self._write(connection, trail, origin, made, documents)
        if made:
            self._raise_anchor(origin)
        return Appended(before=before, made=made)

    def _write(
        self,
        connection: Connection,
        trail: Trail,
        origin: str,
        made: Iterable[Entry],
        documents: Mapping[str, str],
    ) -> None:
        signed = self._keeper.signing_key().sign(trail.checkpoint(origin))
        connection.executemany(
            "INSERT INTO entries (seq, body, hash, subject) "
            "VALUES (?, ?, ?, ?)",
            ((e.seq, e.body, e.hash, e.subject) for e in made),
        )
        connection.executemany(
            "INSERT OR IGNORE INTO policies (digest, body) VALUES (?, ?)",
            documents.items(),
        )
        connection.execute(
            "INSERT OR REPLACE INTO head (one, origin, checkpoint) "
            "VALUES (1, ?, ?)",
            (origin, signed.note),
        )

    def _raise_anchor(self, origin: str) -> None:
        """
        Let the anchor be the newest checkpoint.

        After the commit, since an anchor of what was never committed would
        condemn the ledger; and inside a transaction of its own, so that two
        processes cannot put the older one last.
        """
        problem = None
        try:
            with self._db.writing() as connection:
                head = head_of(connection)
                if head is not None and head[0] == origin:
                    self._keeper.anchor.write(parse_checkpoint(head[1]))
        except (StoreError, ProofError) as error:
            problem = error
        if problem is not None:
            # What was recorded stands; the anchor is only older than it.
            import logging

            logging.getLogger("consentkit").warning("%s", problem)

    # Subjects

    @overload
    def subject(self, id: str, *, make: Literal[True]) -> str: ...

    @overload
    def subject(self, id: str, *, make: bool = ...) -> str | None: ...

    def subject(self, id: str, *, make: bool = False) -> str | None:  # noqa: A002
        """
        Give the tag that stands for a person in the entries.

        Args:
            id: The app's own name of the person. It is stored beside the
                entries, never in them.

            make: Whether to make a tag where there is none yet.

        Returns:
            The tag, or ``None`` where there is none.

        Raises:
            ValueError: If *id* is empty or very long.

            StoreError: If it cannot be read or stored.
        """
        check_subject(id)
        if self._db.exists():
            with self._db.reading() as connection:
                tag = self._tag(connection, id)
            if tag is not None:
                return tag
        if not make:
            return None
        with self._db.writing() as connection:
            # Another process may have been quicker.
            tag = self._tag(connection, id)
            if tag is None:
                key = new_key()
                tag = tag_of(id, key)
                connection.execute(
                    "INSERT INTO subjects (tag, id, key) VALUES (?, ?, ?)",
                    (tag, id, key),
                )
        return tag

    def erase_subject(self, id: str) -> bool:  # noqa: A002
        """
        Destroy what links a person to the entries about them.

        The entries stay, and so do all proofs; nothing tells any more whom
        they are about. A person of the same name starts anew.

        Returns:
            Whether there was such a link.

        Raises:
            StoreError: If it cannot be erased; call it again.
        """
        if not self._db.exists():
            return False
        with self._db.writing() as connection:
            done = connection.execute(
                "DELETE FROM subjects WHERE id = ?", (id,)
            ).rowcount
        # Even if an earlier call was cut short before this.
        if self._db.checkpoint():
            return done > 0
        raise StoreError(
            self.path,
            problem="another process reads the file, so that the link of a "
            "person that was erased is still in its log",
            cure="call it again, or end that process",
        )

    # Proving

    def verify_key(self) -> VerifyKey | None:
        """
        Give the public key of this ledger, or ``None`` before there is one.

        Raises:
            DamagedError: If the key's file is not one.
        """
        key = self._keeper.known_key()
        return None if key is None else key.verify_key

    def checkpoint(self) -> SignedCheckpoint | None:
        """
        Give the newest checkpoint, or ``None`` of an empty ledger.

        Whoever keeps it elsewhere can tell later if anything before it was
        changed or taken away.

        Raises:
            StoreError: As `entries`.
        """
        if not self._db.exists():
            return None
        with self._reading():
            return self._view.seen.signed

    def verify(self, anchors: Iterable[SignedCheckpoint] = ()) -> Verdict:
        """
        Tell whether the ledger is what was written.

        All of it is read anew, and held against its own checkpoint, the
        anchor beside the keys, and *anchors*.

        Args:
            anchors: Checkpoints that were kept elsewhere, such as those of
                receipts.

        Raises:
            ProofError: If one of *anchors* was not signed by the key of
                this ledger.

            StoreError: If the files cannot be read at all, or the key is
                missing.
        """
        load_signatures()
        given = tuple(anchors)
        kept = self._keeper.anchor.read()
        if not self._db.exists():
            return self._keeper.verdict_of_none(given, kept)
        with self._db.reading() as connection, _snapshot(connection):
            head = head_of(connection)
            rows = connection.execute(ROWS, (0,))
            if head is None:
                return self._keeper.verdict_of_none(
                    given, kept, rows.fetchone()
                )
            key = self._keeper.signing_key().verify_key
            held = [anchor.verify(key) for anchor in given]
            if kept is not None:
                held.append(self._keeper.held(kept, key))
            return judge(
                rows,
                origin=head[0],
                head=self._keeper.parsed(head[1]),
                key=key,
                anchors=held,
            )

    def earlier(self) -> dict[Path, SignedCheckpoint | None]:
        """
        Give what is known of the ledgers that were here before this one.

        A ledger that goes, or is emptied, begins anew. `verify` judges the
        new one; of the old one there is its last anchor, set aside.

        Returns:
            Newest checkpoints by the files that hold them, oldest first.
            ``None`` is a file that holds none of this ledger's key.

        Raises:
            DamagedError: If one of the files, or the key, cannot be read.
        """
        load_signatures()
        return self._keeper.earlier()

    def receipt(self, seq: int) -> Receipt:
        """
        Make the receipt of one entry, for the person to keep.

        Args:
            seq: Which entry.

        Raises:
            ValueError: If there is no such entry.

            StoreError: As `entries`.
        """
        (receipt,) = self.receipts([seq])
        return receipt

    def receipts(
        self, places: Iterable[int] | None = None
    ) -> tuple[Receipt, ...]:
        """
        Make the receipts of several entries, or of all.

        Args:
            places: Which entries, by their *seq*; all of them by default.

        Raises:
            ValueError: If there is no such entry.

            StoreError: As `entries`.
        """
        if not self._db.exists():
            check_places(places, 0)
            return ()
        with self._reading(anew=True) as connection:
            seen = self._view.seen
            wanted = check_places(places, seen.trail.size)
            if seen.signed is None:
                return ()
            rows = connection.execute(ROWS, (0,))
            bodies = [body for _, body, _, _ in rows]
            return tuple(
                make_receipts(
                    wanted,
                    {seq: bodies[seq - 1].decode() for seq in wanted},
                    proofs_of(bodies, wanted),
                    signed=seen.signed,
                    key=self._keeper.signing_key().verify_key,
                    policy_of=lambda d: self._policy(connection, d),
                )
            )

    def close(self) -> None:
        """
        Close the file.
        """
        self._db.close()
        self._view.forget()

    # Within a transaction

    @contextmanager
    def _reading(self, *, anew: bool = False) -> Generator[Connection]:
        """
        Give one state of the file, verified.

        Args:
            anew: Whether from its first entry in any case.
        """
        load_signatures()
        with self._db.reading() as connection:
            can_wait = not connection.in_transaction
            while True:
                # Before the snapshot is taken: an anchor that is there now
                # is not newer than what is read after it.
                anchor = self._keeper.anchor.read()
                with _snapshot(connection):
                    if not can_wait or not self._view.is_odd(connection):
                        self._view.advance(connection, anchor, anew=anew)
                        yield connection
                        return
                _wait_for_commit(connection)
                can_wait = False

    def _policy(self, connection: Connection, digest: str) -> str | None:
        row = connection.execute(
            "SELECT body FROM policies WHERE digest = ?", (digest,)
        ).fetchone()
        if row is None:
            return None
        return self._keeper.checked_policy(digest, row[0])

    def _tag(self, connection: Connection, id: str) -> str | None:  # noqa: A002
        row = connection.execute(
            "SELECT tag, key FROM subjects WHERE id = ?", (id,)
        ).fetchone()
        if row is None:
            return None
        return self._keeper.checked_tag(id, *row)


def _wait_for_commit(connection: Connection) -> None:
    """
    Wait until whoever is committing has done so.
    """
    # Where that cannot be told, as on a disk for reading, all is verified.
    with suppress(Error):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


@contextmanager
def _snapshot(connection: Connection) -> Generator[None]:
    """
    Let all reads inside see one state of the file.
    """
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
