# SPDX-License-Identifier: MIT
"""
The ledger of an app: entries in one SQLite file, append-only and signed.

Here is only how it is stored. What an entry is, how entries are tied
together and what a checkpoint says is the same for every store.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Final, Literal, overload

from attrs import evolve, field, frozen

from consentkit._sqlite import Database
from consentkit.exceptions import ProofError, StoreError
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
from consentkit.ledger.drafts import (
    Appended,
    Draft,
    Plan,
    put_in_place,
)
from consentkit.ledger.entries import (
    GENESIS,
    LOCAL,
    Entry,
    entry_from_body,
)
from consentkit.ledger.receipt import Receipt, make_receipts
from consentkit.ledger.verify import (
    BreakError,
    Row,
    Trail,
    Verdict,
    judge,
    judge_trail,
)


__all__ = ["SQLiteLedger"]

_VERSION: Final = 1

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

# Bytes, so that a text that is none is an entry that was changed.
_ROWS: Final = (
    "SELECT seq, CAST(body AS BLOB), hash, subject FROM entries "
    "WHERE seq > ? ORDER BY seq"
)

_CURE: Final = (
    "restore the file from a backup; until then everything is refused"
)


@frozen
class _Seen:
    """
    What was verified, and how far it can be relied upon.

    Attributes:
        version: Tells whether another connection has written since.

        changes: Tells whether this one has.

        trail: Came to the last entry that was verified.

        anchor: What it was held against.

        known: Entries by subject, of those that were asked for.
    """

    version: object = None
    changes: int = 0
    trail: Trail = field(factory=Trail)
    anchor: SignedCheckpoint | None = None
    known: dict[str, tuple[Entry, ...]] = field(factory=dict)


class SQLiteLedger:
    """
    The entries of one data folder.

    No file is made before the first entry. With it, two more are made in
    the folder of *keys*: the key that signs, and the anchor.

    Args:
        path: The ledger's file.

        keys: Folder of its key and anchor; by default ``keys`` beside it.
    """

    def __init__(self, path: Path, *, keys: Path | None = None) -> None:
        folder = path.parent / "keys" if keys is None else keys
        self.path = path
        self._db = Database(path, schema=_SCHEMA, version=_VERSION)
        self._keeper = Keeper.of(folder, where=path, cure=_CURE)
        self._seen = _Seen()

    # Reading

    def entries(self, subject: str = LOCAL) -> tuple[Entry, ...]:
        """
        Read all entries of one subject, oldest first.

        The whole ledger is verified, and held against the anchor. What was
        verified before is not verified again unless another process has
        written, or the file was replaced.

        Args:
            subject: A tag that `subject` gave, or `LOCAL`.

        Raises:
            StoreError: If the file cannot be read, is damaged, or is of a
                newer format.
        """
        if not self._db.exists():
            self._seen = _Seen()
            return ()
        load_signatures()
        with self._db.reading() as connection:
            seen = self._seen
            if subject in seen.known and self._is_current(connection, seen):
                return seen.known[subject]
        with self._reading() as (connection, seen):
            return self._of(connection, seen, subject)

    def all_entries(self) -> tuple[Entry, ...]:
        """
        Read the entries of every subject, oldest first.

        Raises:
            StoreError: As `entries`.
        """
        if not self._db.exists():
            return ()
        with self._reading() as (connection, _):
            return tuple(
                entry_from_body(body.decode())
                for _, body, _, _ in connection.execute(_ROWS, (0,))
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
            head = _head(connection)
            anchor = None if head is None else self._keeper.anchor.read()
            seen = self._verified(connection, anchor)
            before = self._of(connection, seen, subject)
            trail = seen.trail.copy()
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
                head = _head(connection)
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
        self._db.checkpoint()
        return done > 0

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
        with self._reading() as (connection, _):
            head = _head(connection)
            return None if head is None else self._keeper.parsed(head[1])

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
            head = _head(connection)
            rows = connection.execute(_ROWS, (0,))
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
        wanted = None if places is None else list(places)
        if self._db.exists():
            with self._reading() as (connection, seen):
                head = _head(connection)
                if head is not None:
                    if wanted is None:
                        wanted = [*range(1, seen.trail.size + 1)]
                    rows = connection.execute(_ROWS, (0,))
                    return make_receipts(
                        [body for _, body, _, _ in rows],
                        wanted,
                        signed=self._keeper.parsed(head[1]),
                        key=self._keeper.signing_key().verify_key,
                        policy_of=lambda d: self._policy(connection, d),
                    )
        if wanted:
            msg = "the ledger has no entries"
            raise ValueError(msg)
        return ()

    def close(self) -> None:
        """
        Close the file.
        """
        self._db.close()
        self._seen = _Seen()

    # Within a transaction

    @contextmanager
    def _reading(self) -> Generator[tuple[Connection, _Seen]]:
        """
        Give one state of the file, verified.
        """
        load_signatures()
        with self._db.reading() as connection:
            # Before the snapshot is taken: an anchor that is there now is
            # not newer than what is read after it.
            anchor = self._keeper.anchor.read()
            with _snapshot(connection):
                yield connection, self._verified(connection, anchor)

    def _version(self, connection: Connection) -> object:
        # data_version tells of commits by others, the generation of a file
        # that was replaced; neither tells of our own.
        found = connection.execute("PRAGMA data_version").fetchone()
        return self._db.generation, found

    def _is_current(self, connection: Connection, seen: _Seen) -> bool:
        return (
            connection.total_changes == seen.changes
            and self._version(connection) == seen.version
        )

    def _verified(
        self, connection: Connection, anchor: SignedCheckpoint | None
    ) -> _Seen:
        """
        Verify what is not known to be verified, and remember it.
        """
        version, seen = self._version(connection), self._seen
        head = _head(connection)
        if head is None:
            if connection.execute(_ROWS, (0,)).fetchone() is not None:
                raise self._keeper.broken(1)
            return _Seen()
        if seen.version != version:
            seen = _Seen(version=version)
        checkpoint = self._keeper.parsed(head[1])
        news = [checkpoint]
        if anchor is not None and anchor != seen.anchor:
            news.append(anchor)
        marks = [one.checkpoint.size for one in news]
        if min(marks) < seen.trail.size:
            seen = _Seen(version=version)
        seen = self._followed(connection, seen, marks)
        key = self._keeper.signing_key().verify_key
        verdict = judge_trail(
            seen.trail,
            origin=head[0],
            head=checkpoint,
            key=key,
            anchors=[self._keeper.held(one, key) for one in news[1:]],
        )
        if not verdict.is_sound:
            raise self._keeper.damaged(verdict)
        self._seen = seen = evolve(
            seen, anchor=anchor, changes=connection.total_changes
        )
        return seen

    def _followed(
        self, connection: Connection, seen: _Seen, marks: list[int]
    ) -> _Seen:
        trail = seen.trail.copy(marks)
        rows = connection.execute(_ROWS, (trail.size,))
        known: dict[str, tuple[Entry, ...]] = {}
        try:
            if seen.known:
                # Own appends, and so a few.
                news = rows.fetchall()
                trail.follow(news)
                known = _with_news(seen.known, news)
            else:
                trail.follow(rows)
        except BreakError as error:
            raise self._keeper.broken(error.seq) from None
        return evolve(seen, trail=trail, known=known)

    def _of(
        self, connection: Connection, seen: _Seen, subject: str
    ) -> tuple[Entry, ...]:
        """
        Give the entries of one subject out of what was verified.
        """
        if subject not in seen.known:
            rows = connection.execute(
                "SELECT body FROM entries WHERE subject = ? ORDER BY seq",
                (subject,),
            )
            found = tuple(entry_from_body(body) for (body,) in rows)
            # A damaged index would hide some, such as a withdrawal.
            last = GENESIS
            for entry in found:
                if entry.prior != last:
                    raise self._keeper.broken(entry.seq)
                last = entry.hash
            if last != seen.trail.priors.get(subject, GENESIS):
                raise self._keeper.broken(seen.trail.size)
            seen.known[subject] = found
        return seen.known[subject]

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


def _head(connection: Connection) -> tuple[str, str] | None:
    row = connection.execute("SELECT origin, checkpoint FROM head").fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def _with_news(
    known: Mapping[str, tuple[Entry, ...]], rows: Iterable[Row]
) -> dict[str, tuple[Entry, ...]]:
    news: dict[str, list[Entry]] = {subject: [] for subject in known}
    for _, body, _, subject in rows:
        if subject in news:
            news[subject].append(entry_from_body(body.decode()))
    return {
        s: (*known[s], *more) if more else known[s] for s, more in news.items()
    }
