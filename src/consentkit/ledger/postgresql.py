# SPDX-License-Identifier: MIT
"""
The ledger of a server: entries in PostgreSQL, append-only and signed.

A process keeps what it has read, and asks the database once in a *window*,
20 ms, whether anything is new: that is one row, for all people together.
Its own appends it sees at once, and those of others after a window at most.
An append that takes something away ends a window after its commit, so that
by then no process goes on with what it had read before.

Nothing is gone over in full to read one person's entries: their own chain
is, and a proof that its end stands in the tree that was signed.
"""

from __future__ import annotations

import threading
import time

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, overload

from consentkit._filelock import FileLock
from consentkit._fork import load, watch_forks
from consentkit.exceptions import MissingExtraError, StoreError
from consentkit.ledger._audit import ROWS, Audit, snapshot
from consentkit.ledger._keeper import (
    Keeper,
    checked_documents,
    load_signatures,
    new_key,
    tag_of,
)
from consentkit.ledger._tables import (
    AbsentError,
    Statements,
    UnsureError,
)
from consentkit.ledger._view import (
    WINDOW_SECONDS,
    Head,
    Seen,
    View,
    frontier_of,
    trail_of,
)
from consentkit.ledger.base import check_subject
from consentkit.ledger.checkpoint import SignedCheckpoint, VerifyKey
from consentkit.ledger.drafts import Appended, Draft, Plan, put_in_place
from consentkit.ledger.entries import (
    LOCAL,
    Act,
    Entry,
    entry_from_body,
)
from consentkit.ledger.receipt import Receipt, check_places, make_receipts
from consentkit.ledger.signing import SigningKey
from consentkit.ledger.tree import leaf_hash
from consentkit.ledger.verify import BreakError, Trail, Verdict


if TYPE_CHECKING:
    from consentkit.ledger._server import Connection, Server


__all__ = ["PostgreSQLLedger"]

_CURE: Final = (
    "restore the database from a backup; until then everything is refused"
)

# What gives, or only tells: everything else may take something away.
_GIVING: Final = frozenset(
    {
        Act.NOTICE_SHOWN,
        Act.DEFERRED,
        Act.GRANTED,
        Act.RESUMED,
        Act.ACKNOWLEDGED,
        Act.GUARDIAN_VERIFIED,
        Act.BASIS_USED,
    }
)


class PostgreSQLLedger:
    """
    The entries of one schema of a PostgreSQL database (14 or newer).

    Opening it connects nowhere. The tables are made with the first entry,
    unless `migrate` was called before.

    Args:
        url: The database, as ``postgresql://user@host/database``. What
            PostgreSQL's own clients read from the environment counts here,
            too.

        keys: The folder for the key that signs and the anchor; or the key
            itself, where several machines share it. Then the newest
            checkpoint is only remembered by the process.

        schema: Name of the schema.

        timeout_seconds: How long to wait for the server, each time.

        connections: How many connections this process may have.

    Raises:
        ValueError: If *url* or *schema* is none.

        MissingExtraError: If the extra ``postgresql`` is not installed.

    .. versionadded:: 26.1.0
    """

    def __init__(
        self,
        url: str,
        *,
        keys: Path | SigningKey,
        schema: str = "consentkit",
        timeout_seconds: float = 5.0,
        connections: int = 8,
    ) -> None:
        self._sql = Statements(schema)
        self._server = server_at(url, timeout_seconds, connections)
        self.name: str = f"{self._server.name} {schema}"
        self._keeper = Keeper.of(keys, where=self.name, cure=_CURE)
        self._keys = None if isinstance(keys, SigningKey) else keys
        self._view = View(self._keeper, self._sql)
        self._begin()
        watch_forks(self)

    def _begin(self) -> None:
        self._appending = threading.RLock()
        #: Documents that are there, by the ledger's name and their digest.
        self._archived: set[tuple[str, str]] = set()
        self._is_there = False
        self._view.begin()

    def __repr__(self) -> str:
        return f"<PostgreSQLLedger {self.name}>"

    def before_fork(self) -> None:
        """
        Nothing: what is under way stays with this process.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Begin anew in the child.
        """
        if in_child:
            self._begin()

    def migrate(self) -> None:
        """
        Make the tables, if they are not there.

        Where the app's own user may not do that, let its owner call this
        once.

        Raises:
            StoreError: If they cannot be made, or are of a newer format.
        """
        with self._made() as connection:
            self._view.head(connection)

    def exists(self) -> bool:
        """
        Tell whether the tables are there.

        Raises:
            StoreError: If the server cannot tell.
        """
        with self._using() as connection:
            return connection is not None

    # Reading

    def mark(self) -> object:
        """
        Give something that is the very same while nothing was written.

        Returns:
            ``None`` where the database has to be asked again, which is so
            every 20 ms.
        """
        is_fresh = time.monotonic() < self._view.fresh_until
        return self._view.seen if is_fresh else None

    def entries(self, subject: str = LOCAL) -> tuple[Entry, ...]:
        """
        Read all entries of one subject, oldest first, verified.

        Args:
            subject: A tag that `subject` gave, or `LOCAL`.

        Raises:
            StoreError: If they cannot be read, are damaged, or are of a
                newer format.
        """
        if time.monotonic() < self._view.fresh_until:
            known = self._view.known.get(subject)
            if known is not None:
                return known
        with self._reading() as connection:
            if connection is None:
                return ()
            return self._view.of(connection, subject)

    def all_entries(self) -> tuple[Entry, ...]:
        """
        Read the entries of every subject, oldest first, into memory.

        Raises:
            StoreError: As `entries`.
        """
        with self._reading() as connection:
            signed = self._view.seen.signed
            if connection is None or signed is None:
                return ()
            size = signed.checkpoint.size
            trail = Trail([size])
            with snapshot(connection):
                followed = self._audit(connection).followed(trail)
                try:
                    with closing(followed) as parts:
                        entries = [
                            entry_from_body(body.decode())
                            for rows in parts
                            for _, body, _, _ in rows
                        ]
                except BreakError as error:
                    raise self._keeper.broken(error.seq) from None
            if trail.roots.get(size) != signed.checkpoint.root:
                raise self._keeper.broken(min(size, trail.size))
            return tuple(entries)

    def policy(self, digest: str) -> str | None:
        """
        Give the policy document that an entry names, if it was archived.

        Args:
            digest: The entry's *text*.

        Returns:
            The canonical JSON of the policy.

        Raises:
            StoreError: If it cannot be read, or is not what was archived.
        """
        with self._reading() as connection:
            if connection is None:
                return None
            return self._view.policy(connection, digest)

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
        Where an entry may take something away, this waits until no process
        relies any more on what it read before.

        Args:
            plan: Takes the entries of *subject* so far, oldest first, and
                gives a draft for each new one; maybe none.

            subject: A tag that `subject` gave, or `LOCAL`.

            policies: Documents that the new entries name, by digest; kept
                with them.

        Raises:
            ValueError: If a draft makes no entry for its place, or a
                document has another digest.

            StoreError: If it cannot be recorded; then nothing is, unless
                the server went in the middle of the commit.
        """
        documents = checked_documents(policies)
        load_signatures()
        with self._one_at_a_time():
            done, signed = self._append(plan, subject, documents)
        if signed is not None:
            self._raise_anchor(signed)
        if any(entry.act not in _GIVING for entry in done.made):
            time.sleep(WINDOW_SECONDS)
        return done

    @contextmanager
    def _one_at_a_time(self) -> Generator[None]:
        """
        Let one thread of this process append: others only wait here, and
        leave the connections to those who read.
        """
        appending = self._appending
        if not appending.acquire(timeout=self._server.timeout_seconds):
            raise StoreError(
                self.name,
                problem="another thread is appending, and does not end",
                cure="see to the server, and try again",
            )
        try:
            yield
        finally:
            appending.release()

    def _append(
        self, plan: Plan, subject: str, documents: Mapping[str, str]
    ) -> tuple[Appended, SignedCheckpoint | None]:
        made: tuple[Entry, ...] = ()
        head = Head()
        failure: StoreError | None = None
        try:
            with self._writing() as (connection, old):
                before = self._view.of(connection, subject)
                trail = trail_of(old)
                if before:
                    trail.priors[subject] = before[-1].hash
                made = put_in_place(plan(before), trail, subject=subject)
                if not made:
                    return Appended(before=before, made=()), None
                origin = old.origin or self._keeper.begin()
                key = self._keeper.signing_key()
                signed = key.sign(trail.checkpoint(origin))
                head = Head.after(old, trail=trail, signed=signed)
                self._write(connection, old, head, made, documents)
        except StoreError as error:
            if not made or not isinstance(error, UnsureError):
                raise
            failure = error
        if failure is not None and not self._was_recorded(made):
            raise failure
        self._archived.update((head.origin, d) for d in documents)
        with self._view.lock:
            self._view.note_own(old, head, signed, subject, (*before, *made))
        return Appended(before=before, made=made), signed

    def _write(
        self,
        connection: Connection,
        old: Head,
        head: Head,
        made: tuple[Entry, ...],
        documents: Mapping[str, str],
    ) -> None:
        self._server.extend(connection)
        frontier = frontier_of(old)
        sql, last = self._sql, made[-1]
        # All at once, in one journey.
        with connection.pipeline():
            for entry in made:
                body = entry.body
                nodes = frontier.add(leaf_hash(body.encode()))
                connection.execute(
                    sql.add_entry,
                    (entry.seq, body, entry.hash, entry.subject, nodes),
                )
            connection.execute(
                sql.set_tail, (last.subject, last.seq, last.hash)
            )
            for digest, text in documents.items():
                if (head.origin, digest) not in self._archived:
                    connection.execute(sql.add_policy, (digest, text))
            connection.execute(
                sql.set_head,
                (head.origin, head.size, head.last, head.frontier, head.note),
            )
            connection.execute("COMMIT")

    def _was_recorded(self, made: tuple[Entry, ...]) -> bool:
        """
        See whether a commit that was cut off in the middle came through.

        It waits for whoever holds the head: perhaps that commit itself.
        """
        with self._writing() as (connection, _):
            row = connection.execute(self._sql.hash, (made[-1].seq,))
            return row.fetchone() == (made[-1].hash,)

    def _raise_anchor(self, signed: SignedCheckpoint) -> None:
        """
        Let the anchor be this checkpoint, unless a newer one is there.
        """
        try:
            self._keep(signed)
        except StoreError as error:
            problem = error
        else:
            return
        # What was recorded stands; the anchor is only older than it.
        import logging

        logging.getLogger("consentkit").warning("%s", problem)

    def _keep(self, signed: SignedCheckpoint) -> None:
        anchor, new = self._keeper.anchor, signed.checkpoint
        # Between threads and processes of this machine.
        lock = None if self._keys is None else self._keys / "ledger.lock"
        with _locked(lock, self._server.timeout_seconds):
            there = anchor.read()
            old = None if there is None else there.checkpoint
            if old is None or old.origin != new.origin or old.size < new.size:
                anchor.write(signed)

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
            ValueError: If *id* is empty, very long, or holds what
                PostgreSQL cannot store.

            StoreError: If it cannot be read or stored.
        """
        if time.monotonic() < self._view.fresh_until:
            known = self._view.tags.get(id)
            if known is not None:
                return known
            if not make and id in self._view.nobody:
                return None
        check_subject(id)
        _check_text(id)
        with self._reading() as connection:
            tag = (
                None if connection is None else self._view.tag(connection, id)
            )
        if tag is not None or not make:
            return tag
        with self._made() as connection:
            key = new_key()
            connection.execute(
                self._sql.add_subject, (tag_of(id, key), id, key)
            )
            # Another process may have been quicker.
            tag = self._view.tag(connection, id)
        if tag is None:
            raise StoreError(
                self.name,
                problem="the person was erased at the same moment",
                cure="try again",
            )
        return tag

    def erase_subject(self, id: str) -> bool:  # noqa: A002
        """
        Destroy what links a person to the entries about them.

        The entries stay, and so do all proofs; nothing tells any more whom
        they are about. A person of the same name starts anew. The files of
        the database hold the link until the next ``VACUUM``, and its log
        and backups for as long as they are kept.

        Returns:
            Whether there was such a link.

        Raises:
            StoreError: If it cannot be erased; call it again.
        """
        check_subject(id)
        _check_text(id)
        with self._reading() as connection:
            if connection is None:
                return False
            connection.execute("BEGIN")
            done = connection.execute(self._sql.erase, (id,)).rowcount
            connection.execute(self._sql.note_erasure)
            connection.execute("COMMIT")
        with self._view.lock:
            self._view.tags.clear()
            self._view.fresh_until = 0.0
        # Until no process relies on the link any more.
        time.sleep(WINDOW_SECONDS)
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
        with self._reading(anew=True):
            return self._view.seen.signed

    def verify(self, anchors: Iterable[SignedCheckpoint] = ()) -> Verdict:
        """
        Tell whether the ledger is what was written.

        All of it is read anew, in parts, and held against its own
        checkpoint, the anchor beside the keys, and *anchors*. Of each
        person the hash of the last entry is held in memory.

        Args:
            anchors: Checkpoints that were kept elsewhere, such as those of
                receipts.

        Raises:
            ProofError: If one of *anchors* was not signed by the key of
                this ledger.

            StoreError: If it cannot be read at all, or the key is missing.
        """
        load_signatures()
        given = tuple(anchors)
        kept = self._keeper.anchor.read()
        with self._using() as connection:
            if connection is None:
                return self._keeper.verdict_of_none(given, kept)
            with snapshot(connection):
                head = self._view.head(connection)
                return self._audit(connection).verdict(head, given, kept)

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

    def _audit(self, connection: Connection) -> Audit:
        return Audit(
            server=self._server,
            connection=connection,
            sql=self._sql,
            keeper=self._keeper,
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
        with self._reading(anew=True) as connection:
            signed = self._view.seen.signed
            size = 0 if signed is None else signed.checkpoint.size
            wanted = check_places(places, size)
            if connection is None or signed is None:
                return ()
            return tuple(self._receipts(connection, wanted, signed))

    def _receipts(
        self,
        connection: Connection,
        wanted: list[int],
        signed: SignedCheckpoint,
    ) -> Iterator[Receipt]:
        key = self._keeper.signing_key().verify_key
        for start in range(0, len(wanted), ROWS):
            part = wanted[start : start + ROWS]
            self._server.extend(connection)
            bodies: dict[int, str] = dict(
                connection.execute(self._sql.bodies, (part,)).fetchall()
            )
            proofs = self._view.proofs(
                connection, part, signed.checkpoint, bodies
            )
            yield from make_receipts(
                part,
                bodies,
                proofs,
                signed=signed,
                key=key,
                policy_of=lambda d: self._view.policy(connection, d),
            )

    def close(self) -> None:
        """
        Close the connections; they open again at the next use.
        """
        self._server.close()
        with self._view.lock:
            self._forget()

    def _forget(self) -> None:
        self._is_there = False
        self._archived.clear()
        self._view.settle(Seen())

    # Within a transaction

    @contextmanager
    def _using(self, *, make: bool = False) -> Generator[Connection | None]:
        """
        Give a connection, or ``None`` where there are no tables.

        Args:
            make: Whether to make them then.
        """
        load_signatures()
        try:
            with self._server.using() as connection:
                if not self._is_there:
                    row = connection.execute(self._sql.exists).fetchone()
                    self._is_there = row is not None and bool(row[0])
                if not self._is_there and make:
                    connection.execute(self._sql.migrate)
                    self._is_there = True
                yield connection if self._is_there else None
        except AbsentError:
            with self._view.lock:
                self._forget()
            raise

    @contextmanager
    def _reading(self, *, anew: bool = False) -> Generator[Connection | None]:
        """
        Give a connection, with `_seen` not older than a window.

        It gives ``None`` where there is no ledger.

        Args:
            anew: Whether to ask the database in any case.
        """
        with self._using() as connection:
            if connection is None:
                with self._view.lock:
                    self._forget()
            elif anew or time.monotonic() >= self._view.fresh_until:
                self._view.refresh(connection)
            yield connection

    @contextmanager
    def _made(self) -> Generator[Connection]:
        """
        Give a connection to tables that are there by then.
        """
        with self._using(make=True) as connection:
            assert connection is not None  # noqa: S101 - they were made
            yield connection

    @contextmanager
    def _writing(self) -> Generator[tuple[Connection, Head]]:
        """
        Hold the ledger, so that nobody else can append.
        """
        with self._made() as connection:
            connection.execute("BEGIN")
            head = self._view.head(connection, hold=True)
            with self._view.lock:
                # Nobody else can commit now, and so no anchor can be newer.
                anchor = self._keeper.anchor.read() if head.note else None
                self._view.advance(connection, head, anchor)
                self._view.check_last(connection, head)
            yield connection, head


def server_at(url: str, timeout_seconds: float, connections: int) -> Server:
    """
    Give the database of *url*; nothing is connected yet.

    Raises:
        ValueError: If it cannot be read.

        MissingExtraError: If the extra ``postgresql`` is not installed.
    """
    try:
        load("psycopg")
        module = load("consentkit.ledger._server")
    except ImportError:
        module = None
    if module is None:
        raise MissingExtraError(extra="postgresql", package="psycopg")
    server: Server = module.Server(
        url, timeout_seconds=timeout_seconds, connections=connections
    )
    return server


def _check_text(id: str) -> None:  # noqa: A002 - the word of the ledger
    try:
        is_text = b"\0" not in id.encode()
    except UnicodeEncodeError:
        is_text = False
    if not is_text:
        msg = "a subject's id must be text without NUL"
        raise ValueError(msg)


@contextmanager
def _locked(path: Path | None, seconds: float) -> Generator[None]:
    if path is None:
        yield
        return
    lock = FileLock(path)
    if not lock.acquire(timeout_seconds=seconds):
        raise StoreError(
            path,
            problem="another process holds the anchor, and does not end",
            cure="end that process",
        )
    try:
        yield
    finally:
        lock.release()
