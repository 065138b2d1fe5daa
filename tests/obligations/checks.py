# SPDX-License-Identifier: MIT

"""
What the tests of the five documents look with.

A document is asked in two ways: its gate alone, which is pure and answers
for every clause at once, and a kit on spies, which is seen from outside:
sources that count, a backend that keeps, and the files on disk.
"""

from __future__ import annotations

import tomllib

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

from attrs import evolve, field, frozen

import consentkit

from consentkit.collectors.location import Fix
from consentkit.consent.state import State, fold
from consentkit.gate import FAVOURABLE, Gate, Moment, Permit, Refusal
from consentkit.ledger.entries import GENESIS, Act, Actor, Entry, text_digest
from consentkit.outbox.records import Batch, Erasure, Record
from consentkit.policy import Policy, load_policy, parse_policy
from consentkit.policy.model import ProtectionName
from consentkit.receiver.lookup import Lookup
from consentkit.receiver.store import Store
from consentkit.seal import make_open_key, open_envelope
from consentkit.transports.base import Answer, Outcome, Transport
from consentkit.transports.memory import MemoryTransport
from tests.faults.support import files, forms
from tests.support import IMEI, MAC, START, Clock, Spy, to_toml


__all__ = [
    "EXAMPLES",
    "Backend",
    "Question",
    "Said",
    "Seen",
    "Watched",
    "answers",
    "changed",
    "clause",
    "document",
    "gate_of",
    "hits",
    "key_for",
    "opened",
    "planted",
    "questions",
    "silo",
    "state_of",
    "table",
    "whole",
]

EXAMPLES = Path(__file__).parents[2] / "examples"
#: What the backend opens what was sealed by.
_KEY = make_open_key(1)


# The documents


@cache
def document(name: str) -> Policy:
    """
    Give the document of the example *name*, as it stands.
    """
    return load_policy(EXAMPLES / name / "policy.toml")


def changed(name: str, *changes: Callable[[dict[str, Any]], object]) -> Policy:
    """
    Give the document of *name* after *changes* to its tree.
    """
    path = EXAMPLES / name / "policy.toml"
    tree = tomllib.loads(path.read_text("utf-8"))
    for change in changes:
        change(tree)
    return parse_policy(to_toml(tree))


def table(tree: Mapping[str, Any], function: str) -> dict[str, Any]:
    """
    Find a function's table in the tree of a document.
    """
    return next(f for f in tree["functions"] if f["id"] == function)


def clause(
    tree: Mapping[str, Any], function: str, data_type: str
) -> dict[str, Any]:
    """
    Find a clause's table in the tree of a document.
    """
    rows = table(tree, function)["collects"]
    return next(row for row in rows if row["type"] == data_type)


# The gate alone


@frozen
class Said:
    """
    One thing that was said, for `state_of`.
    """

    element: str
    act: Act = Act.GRANTED
    by: Actor = Actor.PERSON
    facts: Mapping[str, str] = field(factory=dict)
    notice: str = ""


@frozen
class Question:
    """
    All that one permit is asked with.
    """

    function: str
    data_type: str
    purpose: str
    recipient: str


def questions(policy: Policy) -> tuple[Question, ...]:
    """
    List everything that the document lets an app ask for.
    """
    return tuple(
        Question(function.id, clause.type, purpose, recipient)
        for function in policy.functions.values()
        for clause in function.clauses.values()
        for purpose in clause.purposes
        for recipient in clause.recipients
    )


def whole(policy: Policy) -> tuple[Said, ...]:
    """
    Say all that can be said: an adult, who read and granted everything.
    """
    return (
        Said("", Act.AGE_DECLARED, facts={"age": "declared"}),
        *(
            Said(f.id, Act.ACKNOWLEDGED, notice=text_digest(f.acknowledge))
            for f in policy.functions.values()
            if f.acknowledge
        ),
        *(Said(element) for element in policy.elements),
    )


def state_of(
    policy: Policy,
    *said: Said | str,
    at: datetime | None = None,
    under: Policy | None = None,
) -> State:
    """
    Fold what was said, a minute apart, to the state under *policy*.

    Args:
        policy: The document in force.

        said: In order; a text is a grant of that element.

        at: The time; that of the last thing said by default.

        under: The document that it was said under, if an older one.
    """
    old = under or policy
    entries: list[Entry] = []
    acts = (Said(one) if isinstance(one, str) else one for one in said)
    for seq, one in enumerate(acts, start=1):
        function = one.element.partition("@")[0].partition("/")[0]
        found = old.functions.get(function)
        entries.append(
            Entry(
                seq=seq,
                at=START + timedelta(minutes=seq),
                act=one.act,
                by=one.by,
                method="tick",
                element=one.element,
                terms=found.terms if found else "",
                policy=old.id,
                version=old.version,
                text=old.digest,
                language=old.language,
                notice=one.notice,
                facts=one.facts,
                prev=entries[-1].hash if entries else GENESIS,
            )
        )
    return fold(entries, policy, at=at or START, archive={old.digest: old})


def gate_of(policy: Policy, *said: Said | str, **options: Any) -> Gate:
    """
    Make the gate for what was said; see `state_of`.
    """
    return Gate(policy=policy, state=state_of(policy, *said, **options))


def answers(
    gate: Gate,
    asked: Iterable[Question] | None = None,
    moment: Moment = FAVOURABLE,
) -> dict[Question, Permit | Refusal]:
    """
    Ask *gate* everything, or what is *asked*, each where it is collected.
    """
    return {
        q: gate.decide(
            q.function,
            q.data_type,
            q.purpose,
            q.recipient,
            moment=there(gate.policy, q.function, q.data_type, moment),
        )
        for q in (questions(gate.policy) if asked is None else asked)
    }


def there(
    policy: Policy, function: str, data_type: str, moment: Moment = FAVOURABLE
) -> Moment:
    """
    Give *moment* on a platform where the type is collected.
    """
    found = policy.functions.get(function)
    clause = found.clauses.get(data_type) if found else None
    if clause is None or not clause.platforms:
        return moment
    return evolve(moment, platform=clause.platforms[0])


def silo(policy: Policy, element: str) -> tuple[set[Question], set[Question]]:
    """
    Turn one switch off, and everything else on.

    Returns:
        What is refused then, and what by the document rests on that switch;
        the two are one where each switch is a silo of its own.
    """
    off = Said(element, Act.WITHDRAWN)
    made = answers(gate_of(policy, *whole(policy), off))
    refused = {
        q for q, answer in made.items() if not isinstance(answer, Permit)
    }
    resting = {
        q
        for q in made
        if element
        in policy.functions[q.function].needs(q.data_type, q.recipient)
    }
    return refused, resting


# A kit, seen from outside


def planted(policy: Policy) -> dict[str, tuple[object, str]]:
    """
    Make up a raw value for each data type of the document.

    Returns:
        By type the value, in a form that its protections take, and the text
        to search for.
    """
    protections: dict[str, set[ProtectionName]] = {}
    for function in policy.functions.values():
        for clause in function.clauses.values():
            protections.setdefault(clause.type, set()).add(
                clause.protection.name
            )
    return {
        type_: _plant(type_, names, number)
        for number, (type_, names) in enumerate(protections.items(), 100)
    }


def _plant(
    type_: str, names: set[ProtectionName], number: int
) -> tuple[object, str]:
    if type_ in ("imei", "mac_address"):
        value = IMEI if type_ == "imei" else MAC
        return value, value
    phone = f"13905550{number}"
    if type_ in ("location_coarse", "location_precise"):
        latitude = 48.8580000 + number / 1e7
        return Fix(latitude=latitude, longitude=2.2944813), str(latitude)
    if ProtectionName.BUCKET in names:
        return 70_000_000_000 + number, str(70_000_000_000 + number)
    if ProtectionName.TRUNCATE in names:
        return f"203.0.113.{number}", f"203.0.113.{number}"
    if ProtectionName.SCRUB in names or type_.endswith("number"):
        return phone, phone
    return f"planted-{type_}-{number}", f"planted-{type_}-{number}"


def hits(needles: Iterable[bytes], *folders: Path) -> list[str]:
    """
    Say which of *needles* are in which files below *folders*.

    Of a whole document there are thousands: each is looked for by its first
    eight bytes before.
    """
    wanted = list(needles)
    beginnings = {needle[:8] for needle in wanted}
    found = []
    for path, content in files(*folders):
        there = beginnings
        if len(beginnings) > 99:
            there = {b for b in beginnings if len(b) < 8}
            windows = range(len(content) - 7)
            there |= beginnings & {content[i : i + 8] for i in windows}
        found += [
            f"{path.name}: {needle!r}"
            for needle in wanted
            if needle[:8] in there and needle in content
        ]
    return found


@frozen
class Seen:
    """
    What an outsider sees of a kit.

    Attributes:
        reads: How often a source was read.

        waiting: How many records are in the outbox.

        sent: How many the backend has.

        ids: Their ids; what is asked back is taken out of it.
    """

    reads: int
    waiting: int
    sent: int
    ids: frozenset[str]


def key_for(policy: Policy) -> str | None:
    """
    Give a key to seal for, where *policy* has something sealed.
    """
    needs = {need for some in policy.demands.values() for need in some}
    return _KEY.seal_key.text if "sealed" in needs else None


def opened(body: bytes) -> bytes:
    """
    Open what was sealed for the key of `key_for`, as the backend does.
    """
    if body.startswith(b"{"):
        return body
    return open_envelope(body, {_KEY.seal_key.id: _KEY})[1]


class Watched:
    """
    A kit on a document, with a spy for each data type that it names.

    Attributes:
        kit: The kit.

        clock: Its time, which passes when told to.

        spies: By data type.

        wire: The backend of the controller.
    """

    def __init__(self, policy: Policy, folder: Path, **options: Any) -> None:
        plants = planted(policy)
        self.folder = folder
        self.clock = options.pop("clock", None) or Clock()
        self.spies = {t: Spy(t, value) for t, (value, _) in plants.items()}
        self.plants = {t: text for t, (_, text) in plants.items()}
        self.wire: Any = options.pop("wire", None) or MemoryTransport()
        self.kit = consentkit.open(
            policy,
            data_dir=folder,
            transport=self.wire,
            seal_for=options.pop("seal_for", key_for(policy)),
            sources=[*options.pop("sources", ()), *self.spies.values()],
            clock=self.clock,
            **options,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kit.close()

    def agree(self, *elements: str, method: str = "tick") -> None:
        """
        Show the notice of each element, and grant it.
        """
        for element in elements:
            self.kit.consent.show(element, method="dialog")
            self.kit.consent.grant(element, method=method)

    def take(self, function: str, data_type: str, **how: Any) -> Any:
        """
        Read one value and capture it, as an app does in one use.

        Returns:
            What reading gave where there is no value, else what capturing
            gave.
        """
        recipient = how.pop("recipient", None)
        with self.kit.use(function, **how) as use:
            if data_type in ("location_coarse", "location_precise"):
                got: Any = use.location(data_type, recipient=recipient)
            else:
                got = use.device(data_type, recipient=recipient)
            return use.capture(got) if got else got

    @property
    def needles(self) -> set[bytes]:
        """
        What to search the disk for; what no source gave is nowhere.
        """
        return {
            form
            for type_, spy in self.spies.items()
            if spy.reads
            for form in forms(self.plants[type_])
        }

    @property
    def seen(self) -> Seen:
        """
        What an outsider sees now.
        """
        return Seen(
            reads=sum(spy.reads for spy in self.spies.values()),
            waiting=self.kit.status().waiting,
            sent=len(self.wire.records),
            ids=frozenset(record.id for record in self.wire.records),
        )

    @contextmanager
    def nothing(self) -> Iterator[None]:
        """
        Check that nothing happens: no source is read, the outbox does not
        grow, the wire is silent, and no raw value is on disk.
        """
        before = self.seen
        yield
        self.kit.flush()
        after = self.seen
        assert after.reads == before.reads
        assert after.waiting <= before.waiting
        assert after.ids <= before.ids
        assert hits(self.needles, self.folder) == []

    @contextmanager
    def once(self) -> Iterator[None]:
        """
        Check that exactly one value is read, one record arrives, and the
        raw value is nowhere on disk.
        """
        before = self.seen
        yield
        self.kit.flush()
        after = self.seen
        assert after.reads == before.reads + 1
        assert len(after.ids - before.ids) == 1
        assert hits(self.needles, self.folder) == []


class Backend(Transport):
    """
    The store of the reference backend, on the clock of the test.

    It is reached without a network: what the way to it does has tests of
    its own.

    Attributes:
        store: The backend's store.
    """

    name = "the backend's store"
    #: What was sealed is opened before it is stored.
    seals = True
    capabilities = frozenset({"encrypted", "region"})

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.store = Store(folder / "backend.sqlite3")
        self.clock = clock
        self.batches: list[Batch] = []

    def _send(self, batch: Batch) -> Answer:
        self.batches.append(batch)
        said = self.store.put(batch, now=self.clock())
        outcomes = {
            "stored": Outcome.DELIVERED,
            "duplicate": Outcome.DUPLICATE,
            "rejected": Outcome.REJECTED,
        }
        return Answer(
            outcomes={i: outcomes[one.outcome] for i, one in said.items()}
        )

    def _erase(self, erasure: Erasure) -> Answer:
        self.store.erase(erasure.token, now=self.clock())
        return Answer(outcomes={erasure.id: Outcome.DELIVERED})

    def close(self) -> None:
        """
        Close the store.
        """
        self.store.close()

    @property
    def records(self) -> list[Record]:
        """
        What is stored now.
        """
        return [stored.record for stored in self.store.records()]

    def asked(
        self,
        policy: Policy,
        function: str,
        purpose: str,
        *,
        told: bool = False,
    ) -> Any:
        """
        Ask the store what *function* may use for *purpose*.

        Returns:
            The data types of the records, in order of arrival; or the
            refusal.
        """
        lookup = Lookup(self.store, policy, told=told, clock=self.clock)
        found = lookup.records(function, purpose)
        if isinstance(found, Refusal):
            return found
        return [stored.record.data_type for stored in found]
