# SPDX-License-Identifier: MIT
"""
Bad input: mutated policies, ledgers and receipts.

Each case is made from its number alone, so a failure names all that is needed
to see it again. CI runs a share; all of them run with

    pytest -m slow tests/faults/test_mutations.py
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import tomllib

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from attrs import evolve, frozen

import consentkit

from consentkit.consent.signals import Signals
from consentkit.consent.state import OPEN, State, fold
from consentkit.exceptions import PolicyError, ProofError, StoreError
from consentkit.gate import Gate, Permit
from consentkit.ledger import verify_receipt
from consentkit.ledger.entries import Act, Entry
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.policy import Policy, load_policy, parse_policy
from tests.faults.support import ROOT
from tests.support import SMALL, START, Clock, acts, say_yes, to_toml


SEED = "2026-11-22"

#: How many of each there are, and how many of these CI tries.
CASES = {"text": 30_000, "tree": 30_000, "ledger": 15_000, "receipt": 25_000}
SHARE = 20

EXAMPLES = tuple(sorted((ROOT / "examples").glob("*/policy.toml")))

# What stands in documents, and what is at the edge of what may.
ODD: tuple[Any, ...] = (
    "",
    " ",
    "*",
    "unspecified",
    "P1D",
    "P0D",
    "P9999999999Y",
    "none",
    "consent",
    "\x7f",
    "\u202e",
    "a" * 5_000,
    "../../etc/passwd",
    True,
    False,
    0,
    -1,
    2**63,
    10**40,
    0.0,
    float("nan"),
    float("inf"),
    [],
    [[]],
    {},
    {"name": "grid", "cell_km": 2},
    [{"id": "x"}],
    date(1, 1, 1),
    date(9999, 12, 31),
)


def numbers(kind: str) -> range:
    """
    Give the numbers of the cases that CI tries.
    """
    return range(0, CASES[kind], SHARE)


def chance(kind: str, number: int) -> random.Random:
    """
    Give the chance of one case.
    """
    return random.Random(f"{SEED}/{kind}/{number}")


def each(kind: str, chosen: range, folder: Path) -> None:
    """
    Judge cases, and name the first that is not as it should be.
    """
    for number in chosen:
        try:
            JUDGES[kind](folder, chance(kind, number))
        except Exception as error:
            msg = f"case {number} of {kind}: {type(error).__name__}: {error}"
            raise AssertionError(msg) from error


# Making cases


def mutated_bytes(raw: bytes, pick: random.Random) -> bytes:
    """
    Change some bytes or lines of *raw*.
    """
    made = bytearray(raw)
    for _ in range(pick.choice((1, 1, 1, 2, 5))):
        at = pick.randrange(len(made) + 1)
        match pick.randrange(8):
            case 0 if made:
                made[at - 1] ^= 1 << pick.randrange(8)
            case 1 if made:
                made[at - 1] = pick.randrange(256)
            case 2:
                del made[at:]
            case 3:
                made[at:at] = pick.randbytes(pick.randint(1, 8))
            case 4:
                del made[at : at + pick.randint(1, 40)]
            case _:
                made = bytearray(mutated_lines(bytes(made), pick))
    return bytes(made)


def mutated_lines(raw: bytes, pick: random.Random) -> bytes:
    """
    Take away, double or swap lines of *raw*.
    """
    lines = raw.split(b"\n")
    one, other = pick.randrange(len(lines)), pick.randrange(len(lines))
    match pick.randrange(4):
        case 0:
            del lines[one]
        case 1:
            lines.insert(other, lines[one])
        case 2:
            lines[one], lines[other] = lines[other], lines[one]
        case _:
            # The value of one key at another.
            key, _, _ = lines[one].partition(b"=")
            _, _, value = lines[other].partition(b"=")
            lines[one] = key + b"=" + value
    return b"\n".join(lines)


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """
    Give every container of *tree* with each key or index in it.
    """
    if isinstance(tree, dict | list):
        keys = tree if isinstance(tree, dict) else range(len(tree))
        for key in list(keys):
            yield tree, key
            yield from places(tree[key])


def mutate_tree(tree: Any, pick: random.Random) -> None:
    """
    Change some values or keys of *tree* in place.
    """
    for _ in range(pick.choice((1, 1, 1, 2, 4))):
        found = list(places(tree))
        if not found:
            return
        (holder, key), (other, there) = pick.choice(found), pick.choice(found)
        match pick.randrange(6):
            case 0:
                del holder[key]
            case 1:
                holder[key] = pick.choice(ODD)
            case 2:
                # A copy: a tree that holds itself is no document.
                holder[key] = copied(other[there])
            case 3:
                holder[key], other[there] = (
                    copied(other[there]),
                    copied(holder[key]),
                )
            case 4 if isinstance(holder, list):
                holder.insert(pick.randrange(len(holder) + 1), holder[key])
            case 4:
                holder[pick.choice(["", "id", f"{key}s", "é"])] = holder[key]
            case _:
                holder[key] = other_kind(holder[key])


def copied(value: Any) -> Any:
    """
    Copy a value of a document.
    """
    match value:
        case dict():
            return {k: copied(v) for k, v in value.items()}
        case list():
            return [copied(v) for v in value]
    return value


def other_kind(value: Any) -> Any:
    """
    Give a value that says the same in another type.
    """
    match value:
        case bool():
            return str(value).lower()
        case str():
            return [value]
        case int() | float():
            return str(value)
        case list():
            return {str(i): v for i, v in enumerate(value)}
        case dict():
            return list(value.values())
    return str(value)


# Policies


@frozen
class Agreed:
    """
    A policy, what a person chose under it, and what that permits.
    """

    raw: bytes
    policy: Policy
    entries: tuple[Entry, ...]
    permits: frozenset[tuple[str, ...]]


def permitted(policy: Policy, state: State) -> dict[tuple[str, ...], Permit]:
    """
    Ask the gate for all that *policy* declares.
    """
    gate = Gate(policy=policy, state=state)
    found: dict[tuple[str, ...], Permit] = {}
    for function in policy.functions.values():
        for clause in function.clauses.values():
            for purpose in clause.purposes:
                for recipient in clause.recipients:
                    asked = (function.id, clause.type, purpose, recipient)
                    answer = gate.decide(*asked)
                    if isinstance(answer, Permit):
                        found[asked] = answer
    return found


@cache
def agreed(path: Path) -> Agreed:
    """
    Have a person choose under the policy at *path*: yes to one element, no
    to the next, a yes that was taken back, and no answer.
    """
    raw = path.read_bytes()
    policy = parse_policy(raw.decode())
    yes, no = Act.GRANTED, Act.REFUSED
    answers = ((yes,), (yes,), (no,), (yes, Act.WITHDRAWN), ())
    steps = [
        (element, act)
        for n, element in enumerate(policy.elements)
        for act in answers[n % len(answers)]
    ]
    entries = acts(policy, *steps)
    state = fold(entries, policy, at=START)
    return Agreed(
        raw=raw,
        policy=policy,
        entries=entries,
        permits=frozenset(permitted(policy, state)),
    )


def judge_policy(raw: bytes, before: Agreed, folder: Path) -> bool:
    """
    See that a document is refused with all that it takes, or is a policy
    that permits nothing which the person's choices did not.

    Returns:
        Whether it is a policy.
    """
    path = folder / "policy.toml"
    path.write_bytes(raw)
    try:
        policy = load_policy(path)
    except PolicyError as error:
        check_faults(error, path)
        return False
    archive = {before.policy.digest: before.policy}
    state = fold(before.entries, policy, at=START, archive=archive)
    granted = {e.element for e in before.entries if e.act is Act.GRANTED}
    opened = {e for e, c in state.choices.items() if c.status in OPEN}
    assert opened <= granted, opened - granted
    beyond = permitted(policy, state).keys() - before.permits
    assert not beyond, beyond
    return True


def check_faults(error: PolicyError, path: Path) -> None:
    """
    See that an error names the file, and each fault its place and problem.
    """
    assert str(path) in str(error)
    assert error.faults
    for fault in error.faults:
        assert fault.path.startswith("$"), fault
        assert fault.problem, fault
        assert "Traceback" not in fault.problem, fault


def a_policy(pick: random.Random) -> Agreed:
    """
    Choose a policy to change; large ones seldom, as they take long.
    """
    large = pick.random() < 0.02 and EXAMPLES
    return agreed(pick.choice(EXAMPLES) if large else SMALL)


def judge_text(folder: Path, pick: random.Random) -> bool:
    """
    Judge a document whose text was changed.
    """
    before = a_policy(pick)
    return judge_policy(mutated_bytes(before.raw, pick), before, folder)


def judge_tree(folder: Path, pick: random.Random) -> bool:
    """
    Judge a document whose tables were changed.
    """
    before = a_policy(pick)
    tree = tomllib.loads(before.raw.decode())
    mutate_tree(tree, pick)
    raw = to_toml(tree).encode(errors="replace")
    return judge_policy(raw, before, folder)


# Ledgers


@frozen
class Written:
    """
    The files of a kit, and what they say.
    """

    files: dict[str, bytes]
    bodies: tuple[str, ...]
    opened: frozenset[str]
    policy: Policy
    receipts: tuple[str, ...]


@cache
def written() -> Written:
    """
    Write a ledger in which some consents stand and others do not any more.
    """
    import tempfile

    policy = parse_policy(SMALL.read_text("utf-8"))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        kit = open_kit(Path(folder), policy, clock=clock)
        for element in ("connect", "improve", "improve/imei", "logs"):
            if element in policy.elements:
                say_yes(kit.consent, element)
                clock.tick(minutes=1)
        kit.consent.withdraw("improve")
        kit.consent.deny("paste")
        clock.tick(minutes=1)
        kit.consent.withdraw("logs")
        entries = kit.consent.history()
        ledger = kit.ledger
        assert isinstance(ledger, SQLiteLedger)
        receipts = tuple(ledger.receipt(e.seq).text for e in entries)
        opened = opened_of(kit)
        kit.close()
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file()
        }
    return Written(
        files=files,
        bodies=tuple(e.body for e in entries),
        opened=opened,
        policy=policy,
        receipts=receipts,
    )


def open_kit(folder: Path, policy: Policy, **options: Any) -> consentkit.Kit:
    """
    Open a kit over a ledger, whatever became of it.
    """
    return consentkit.open(policy, data_dir=folder, signals=Signals, **options)


def opened_of(kit: consentkit.Kit) -> frozenset[str]:
    """
    Name what is granted.
    """
    choices = kit.consent.state().choices
    return frozenset(e for e, c in choices.items() if c.status in OPEN)


def mutate_ledger(folder: Path, pick: random.Random) -> None:
    """
    Change the files of a kit, as a bad disk or a bad person would.
    """
    for _ in range(pick.choice((1, 1, 1, 2))):
        path = folder / "ledger.sqlite3"
        if pick.random() < 0.15:
            path = pick.choice(sorted((folder / "keys").iterdir()))
        elif pick.random() < 0.7:
            # What is no database or no entry any more stays as it is.
            with suppress(sqlite3.Error, ValueError, TypeError, KeyError):
                edit_rows(path, pick)
            continue
        raw = path.read_bytes()
        path.write_bytes(mutated_bytes(raw, pick) if raw else b"\0")


def edit_rows(path: Path, pick: random.Random) -> None:
    """
    Change rows of a ledger past its triggers.
    """
    with closing(sqlite3.connect(path)) as db, db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        # A second change may find what the first has left.
        found = db.execute("SELECT seq, body FROM entries").fetchall()
        rows = {seq: body for seq, body in found if isinstance(body, str)}
        if rows:
            edit_entries(db, rows, pick)


def edit_entries(
    db: sqlite3.Connection, rows: dict[int, str], pick: random.Random
) -> None:
    """
    Do one thing to the entries, or to what stands beside them.
    """
    seq, other = pick.choice(list(rows)), pick.choice(list(rows))
    match pick.randrange(12):
        case 0:
            db.execute("DELETE FROM entries WHERE seq = ?", (seq,))
        case 1:
            db.execute("DELETE FROM entries WHERE seq >= ?", (seq,))
        case 2 | 3:
            raw = mutated_bytes(rows[seq].encode(), pick)
            put(db, seq, raw.decode(errors="replace"), pick)
        case 4 | 5:
            entry = json.loads(rows[seq])
            mutate_tree(entry, pick)
            with suppress(TypeError):
                text = json.dumps(
                    entry, sort_keys=True, separators=(",", ":"), default=str
                )
                put(db, seq, text, pick)
        case 6:
            # What was refused or taken back, as if it had been granted.
            text = rows[seq]
            for act in ("withdrawn", "refused", "notice_shown"):
                text = text.replace(f'"{act}"', '"granted"')
            put(db, seq, text, pick)
        case 7:
            put(db, seq, rows[other], pick)
        case 8:
            forge(db, rows, pick)
        case 9:
            value = pick.choice([None, 1, 1.5, b"\xff", "", "x" * 9_999])
            table, column = pick.choice(
                [
                    ("entries", "body"),
                    ("entries", "hash"),
                    ("entries", "subject"),
                    ("head", "origin"),
                    ("head", "checkpoint"),
                    ("policies", "body"),
                    ("policies", "digest"),
                ]
            )
            db.execute(f"UPDATE {table} SET {column} = ?", (value,))
        case 10:
            db.execute(f"PRAGMA user_version = {pick.choice([0, 2, 99])}")
        case _:
            table = pick.choice(["entries", "head", "policies", "subjects"])
            what = pick.choice(["DROP TABLE", "DELETE FROM"])
            db.execute(f"{what} {table}")


def put(
    db: sqlite3.Connection, seq: int, body: str, pick: random.Random
) -> None:
    """
    Put a body into a row, often with the hash that belongs to it.
    """
    db.execute("UPDATE entries SET body = ? WHERE seq = ?", (body, seq))
    if pick.random() < 0.7:
        digest = sha256(body.encode(errors="replace")).hexdigest()
        db.execute("UPDATE entries SET hash = ? WHERE seq = ?", (digest, seq))


def forge(
    db: sqlite3.Connection, rows: dict[int, str], pick: random.Random
) -> None:
    """
    Append a grant whose chain and hash are right; only no key signed it.
    """
    last = max(rows)
    entry = json.loads(rows[pick.choice(list(rows))])
    previous = sha256(rows[last].encode()).hexdigest()
    at = json.loads(rows[last])["at"]
    entry |= {"act": "granted", "at": at, "seq": last + 1}
    entry |= {"prev": previous, "prior": previous}
    if pick.random() < 0.5:
        entry["element"] = pick.choice(["improve", "logs", "paste"])
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    db.execute(
        "INSERT INTO entries (seq, body, hash, subject) VALUES (?, ?, ?, ?)",
        (last + 1, text, sha256(text.encode()).hexdigest(), "local"),
    )


def judge_ledger(folder: Path, pick: random.Random) -> bool:
    """
    See that a changed ledger is refused, or says what it said.

    Returns:
        Whether it is refused.
    """
    before = written()
    shutil.rmtree(folder, ignore_errors=True)
    for name, raw in before.files.items():
        path = folder / name
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        path.write_bytes(raw)
        path.chmod(0o600)
    mutate_ledger(folder, pick)
    with open_kit(folder, before.policy) as kit:
        opened = opened_of(kit)
        assert opened <= before.opened, opened - before.opened
        problem = kit.consent.state().problem
        bodies: tuple[str, ...] = ()
        with suppress(StoreError):
            bodies = tuple(e.body for e in kit.consent.history())
        assert problem or bodies in (before.bodies, ()), len(bodies)
        with suppress(StoreError, ProofError):
            assert isinstance(kit.ledger, SQLiteLedger)
            kit.ledger.verify()
        with kit.use("improve") as use:
            assert not use.permit("app_usage_time")
    return bool(problem)


# Receipts


def judge_receipt(_: Path, pick: random.Random) -> bool:
    """
    See that a changed receipt is refused, or proves what it did.

    Returns:
        Whether it is refused.
    """
    before = written()
    at = pick.randrange(len(before.receipts))
    text = before.receipts[at]
    key = verify_receipt(text).key
    if pick.random() < 0.5:
        raw = mutated_bytes(text.encode(), pick)
        text = raw.decode(errors="replace")
    else:
        tree = json.loads(text)
        if pick.random() < 0.3:
            other = json.loads(pick.choice(before.receipts))
            for name in pick.sample(list(tree), 2):
                tree[name] = other[name]
        else:
            mutate_tree(tree, pick)
        text = json.dumps(
            tree,
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            default=str,
        )
        text += "\n"
    refused = 0
    for given in (key, None):
        try:
            receipt = verify_receipt(text, key=given)
        except ProofError:
            refused += 1
        else:
            assert receipt.entry.body in before.bodies
            assert receipt.policy in ("", before.policy.canonical)
    return refused == 2


JUDGES: dict[str, Callable[[Path, random.Random], bool]] = {
    "text": judge_text,
    "tree": judge_tree,
    "ledger": judge_ledger,
    "receipt": judge_receipt,
}


class TestShare:
    """
    A share of all cases, the same each time.
    """

    @pytest.mark.parametrize("kind", JUDGES)
    def test_bad_input(self, tmp_path, kind):
        """
        What was changed gives a clear error, or permits and proves nothing
        that it did not before.
        """
        each(kind, numbers(kind), tmp_path)


class TestMutator:
    """
    The mutator itself makes what is of use, and the judge finds what is not
    as it should be.
    """

    @pytest.mark.parametrize(
        ("kind", "least", "most"),
        [
            ("text", 10, 100),
            ("tree", 10, 150),
            ("ledger", 1, 99),
            ("receipt", 1, 190),
        ],
    )
    def test_both_ways(self, tmp_path, kind, least, most):
        """
        Some of what was changed still stands, and some does not.
        """
        cases = range(100 if kind == "ledger" else 200)
        said = [JUDGES[kind](tmp_path, chance(kind, n)) for n in cases]

        assert least <= sum(said) <= most, sum(said)

    def test_what_they_begin_with(self, tmp_path):
        """
        Before any change the documents permit something, and the ledger has
        a consent that stands and one that does not.
        """
        for path in (SMALL, *EXAMPLES):
            assert judge_policy(agreed(path).raw, agreed(path), tmp_path)
            assert agreed(path).permits, path
        assert "connect" in written().opened
        assert "improve" not in written().opened

    def test_a_permit_is_found(self, tmp_path):
        """
        A permit that was not there before is found.
        """
        before = agreed(SMALL)
        steps = [(e, Act.GRANTED) for e in before.policy.elements]
        wide = evolve(before, entries=acts(before.policy, *steps))

        with pytest.raises(AssertionError):
            judge_policy(before.raw, wide, tmp_path)

    def test_a_consent_is_found(self, tmp_path, monkeypatch):
        """
        A consent that was not there before is found in a ledger.
        """

        def grant(folder: Path, _: random.Random) -> None:
            with open_kit(folder, written().policy) as kit:
                say_yes(kit.consent, "improve")

        monkeypatch.setitem(globals(), "mutate_ledger", grant)

        with pytest.raises(AssertionError):
            judge_ledger(tmp_path, chance("ledger", 0))


@pytest.mark.slow
class TestAll:
    """
    All 100,000 cases.
    """

    @pytest.mark.parametrize("part", range(10))
    @pytest.mark.parametrize("kind", JUDGES)
    def test_bad_input(self, tmp_path, kind, part):
        """
        Nothing that was changed permits or proves what it did not before.
        """
        each(kind, range(part, CASES[kind], 10), tmp_path)
