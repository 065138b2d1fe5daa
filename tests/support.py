# SPDX-License-Identifier: MIT

"""
What several tests build on: small policies, spies for sources, a clock.

The policy in ``vectors/policies/small.toml`` has one function of each kind;
`tables` gives it as a fresh tree that a test may change.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import tomllib

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import consentkit

from consentkit.collectors.clipboard import Take
from consentkit.collectors.location import Fix
from consentkit.collectors.source import Source
from consentkit.consent.choices import Consent
from consentkit.consent.state import fold
from consentkit.gate import Gate, Moment, OSPermission, Permit
from consentkit.ledger.entries import GENESIS, Act, Entry
from consentkit.policy import Policy, load_policy, parse_policy


__all__ = [
    "IMEI",
    "LOOK_SECONDS",
    "MAC",
    "MAC_MD5",
    "PLACE",
    "SHARE_CODE",
    "SMALL",
    "START",
    "Clock",
    "Spies",
    "Spy",
    "acts",
    "entries_in_file",
    "make_kit",
    "permit_for",
    "put_entries",
    "say_yes",
    "small",
    "tables",
    "to_toml",
]

SMALL = Path(__file__).parent / "vectors" / "policies" / "small.toml"

# Longer than a file is believed to be the one that it was.
LOOK_SECONDS = 0.06

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

# Planted values: made up, in the right form, and easy to search for.
MAC = "3C:5A:B4:01:23:45"
# MD5 of "3C5AB4012345", by md5sum.
MAC_MD5 = "b4dbaa117e2f646679a2d06b555b0e3a"
IMEI = "490154203237518"
PLACE = Fix(latitude=48.85837, longitude=2.29448)
SHARE_CODE = "kankan-share:Q7mB2xTf9LkD"


def tables() -> dict[str, Any]:
    """
    Give the small policy as a tree of TOML, the caller's own.
    """
    return tomllib.loads(SMALL.read_text(encoding="utf-8"))


def small(**changes: Callable[[dict[str, Any]], object]) -> Policy:
    """
    Give the small policy; each of *changes* is done to its tree before.
    """
    if not changes:
        return _small()
    tree = tables()
    for change in changes.values():
        change(tree)
    return parse_policy(to_toml(tree))


@cache
def _small() -> Policy:
    return load_policy(SMALL)


def to_toml(tree: Mapping[str, Any]) -> str:
    """
    Write *tree* as TOML: keys at the top, everything below inline.
    """
    return "".join(f"{_key(k)} = {_inline(v)}\n" for k, v in tree.items())


def _inline(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _key(value)
        case int() | float():
            return str(value)
        case date():
            return value.isoformat()
        case list():
            return f"[{', '.join(_inline(item) for item in value)}]"
        case dict():
            pairs = (f"{_key(k)} = {_inline(v)}" for k, v in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case _:
            msg = f"TOML has no {type(value).__name__}"
            raise TypeError(msg)


def _key(text: str) -> str:
    # The escapes of JSON are escapes of TOML; DEL must be one there.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


class Clock:
    """
    Time that passes when told to.
    """

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **delta: float) -> None:
        """
        Let time pass, or go back.
        """
        self.now += timedelta(**delta)


class Spy(Source[Any]):
    """
    A source of one data type that gives a planted value.
    """

    def __init__(self, data_type: str, value: object) -> None:
        self.name = f"spy of {data_type}"
        self.data_types = frozenset({data_type})
        self.value = value

    def _read(self, permit: Permit, **_: Any) -> Any:
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


class Spies:
    """
    A spy for each data type of the small policy that has a source.
    """

    def __init__(self, **values: object) -> None:
        planted: dict[str, object] = {
            "location_precise": PLACE,
            "network_status": "connected",
            "wifi_password": "correct horse battery",
            "device_name": "Ann's phone",
            "mac_address": MAC,
            "system_id": "6f1d3c58b0a94e7786d2f0a1c3e5b7d9",
            "imei": IMEI,
            "app_usage_time": 700,
            "clipboard_share_code": Take("share_code", SHARE_CODE),
            **values,
        }
        self.by_type = {t: Spy(t, v) for t, v in planted.items()}

    def __iter__(self) -> Iterator[Spy]:
        return iter(self.by_type.values())

    def __getitem__(self, data_type: str) -> Spy:
        return self.by_type[data_type]

    @property
    def reads(self) -> int:
        """
        How often any of them was read.
        """
        return sum(spy.reads for spy in self)


def make_kit(
    data_dir: Path,
    *grants: str,
    policy: Policy | None = None,
    spies: Spies | None = None,
    **options: Any,
) -> consentkit.Kit:
    """
    Open a kit under the small policy and grant elements.
    """
    kit = consentkit.open(
        policy or small(),
        data_dir=data_dir,
        sources=spies or Spies(),
        **options,
    )
    for element in grants:
        say_yes(kit.consent, element)
    return kit


def say_yes(consent: Consent, element: str, **options: Any) -> Entry:
    """
    Grant *element* as a person does, who was shown its notice.
    """
    consent.show(element)
    return consent.grant(element, **options)


def acts(
    policy: Policy, *steps: tuple[str, Act], terms: str | None = None
) -> tuple[Entry, ...]:
    """
    Make the chained entries of a person who acted so, a minute apart.

    Args:
        policy: What they acted on.

        steps: Element and act of each.

        terms: In place of the policy's present ones.
    """
    entries: list[Entry] = []
    for seq, (element, act) in enumerate(steps, start=1):
        function = policy.function_of(element)
        entries.append(
            Entry(
                seq=seq,
                at=START + timedelta(minutes=seq),
                act=act,
                method="app",
                element=element,
                terms=function.terms if terms is None else terms,
                policy=policy.id,
                version=policy.version,
                text=policy.digest,
                language=policy.language,
                prior=entries[-1].hash if entries else GENESIS,
                prev=entries[-1].hash if entries else GENESIS,
            )
        )
    return tuple(entries)


def permit_for(
    function: str,
    data_type: str,
    *,
    policy: Policy | None = None,
    recipient: str | None = None,
    again: bool = False,
) -> Permit:
    """
    Grant all of the policy and ask the real gate.

    Args:
        function: Id of the function.

        data_type: Id of the data type.

        policy: The small one by default.

        recipient: The clause's first by default.

        again: Whether all is withdrawn and granted once more before.
    """
    policy = policy or small()
    steps = [(e, Act.GRANTED) for e in policy.elements]
    if again:
        steps += [(e, Act.WITHDRAWN) for e in policy.elements] + steps
    gate = Gate(policy=policy, state=fold(acts(policy, *steps), policy))
    permit = gate.decide(
        function,
        data_type,
        recipient=recipient,
        moment=Moment(os_permission=OSPermission.GRANTED),
    )
    assert isinstance(permit, Permit), permit
    return permit


def entries_in_file(data_dir: Path) -> list[tuple[int, str, int, bytes]]:
    """
    Read what waits in an outbox past the library: lane, id, expiry in
    milliseconds, and what is sealed; oldest first.
    """
    found = []
    with closing(sqlite3.connect(data_dir / "outbox.sqlite3")) as db:
        rows = db.execute("SELECT body FROM bodies ORDER BY place").fetchall()
        done = dict(db.execute("SELECT name, done FROM journals").fetchall())
    bodies = [body for (body,) in rows]
    bodies += [
        path.read_bytes()[done.get(path.name, 0) :]
        for path in sorted((data_dir / "captured").glob("*"))
    ]
    for body in bodies:
        at = 0
        while at < len(body):
            size, lane, high, low, ends = struct.unpack_from(
                ">IIQQQ", body, at
            )
            at += 32
            name = str(UUID(int=high << 64 | low))
            found.append((lane, name, ends, body[at : at + size]))
            at += size
    return found


def put_entries(
    data_dir: Path, entries: Iterable[tuple[int, str, int, bytes]]
) -> None:
    """
    Put what `entries_in_file` gives in the place of what waits.
    """
    for path in (data_dir / "captured").glob("*"):
        path.unlink()
    with closing(sqlite3.connect(data_dir / "outbox.sqlite3")) as db, db:
        db.execute("DELETE FROM chunks")
        for place, (lane, name, ends, sealed) in enumerate(entries, 1):
            number = UUID(name).int
            halves = (number >> 64, number & (2**64 - 1))
            header = struct.pack(">IIQQQ", len(sealed), lane, *halves, ends)
            body = header + sealed
            db.execute("INSERT INTO bodies VALUES (?, ?)", (place << 20, body))
            db.execute(
                "INSERT INTO chunks VALUES (?, ?, NULL, 1, ?, ?, ?)",
                (place << 20, lane, ends, ends, len(body)),
            )
