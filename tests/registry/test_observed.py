# SPDX-License-Identifier: MIT

"""
Tests for the record of what SDKs were seen to do.
"""

from __future__ import annotations

import json
import os
import re
import threading

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.exceptions import RegistryError
from consentkit.registry.observed import (
    MOST_SIGHTINGS,
    Observed,
    Sighting,
    load_observed,
)


AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SIGHTING = Sighting(
    sdk="sentry",
    module="sentry_sdk.transport",
    how="stack",
    kind="connect",
    host="o1.ingest.sentry.io",
    port=443,
    permitted=False,
    declared=True,
    stopped=True,
)


TIME = "a time with its zone, such as 2026-05-04T09:00:00+00:00"


def seen(observed: Observed) -> list[dict[str, Any]]:
    """
    Give the sightings as the file holds them.
    """
    found: list[dict[str, Any]] = observed.as_json()["sightings"]
    return found


class TestAdd:
    """
    Tests for `Observed.add`.
    """

    def test_counted(self) -> None:
        """
        The same thing is one sighting, with its count and its first and last
        time, in whatever order they come.
        """
        observed = Observed()
        for seconds in (5, 0, 9):
            observed.add(SIGHTING, at=AT + timedelta(seconds=seconds))

        (only,) = observed.observation().sightings
        assert (only.count, only.first) == (3, AT)
        assert only.last == AT + timedelta(seconds=9)

    @pytest.mark.parametrize("name", [a.name for a in attrs.fields(Sighting)])
    def test_distinct(self, name: str) -> None:
        """
        Things that differ in anything at all are two sightings.
        """
        other: Any = {
            "how": "host",
            "kind": "lookup",
            "host": "other.example",
            "port": 80,
        }.get(name, "other")
        if isinstance(getattr(SIGHTING, name), bool):
            other = not getattr(SIGHTING, name)
        observed = Observed()
        observed.add(SIGHTING, at=AT)
        observed.add(attrs.evolve(SIGHTING, **{name: other}), at=AT)

        assert len(observed) == 2

    def test_in_order(self) -> None:
        """
        Sightings stand in the order of their first times, all in UTC.
        """
        observed = Observed()
        later = attrs.evolve(SIGHTING, host="later.example")
        observed.add(later, at=AT + timedelta(hours=1))
        zone = timezone(timedelta(hours=8))
        observed.add(SIGHTING, at=AT.astimezone(zone))

        found = observed.observation()

        hosts = [s.host for s in found.sightings]
        assert hosts == ["o1.ingest.sentry.io", "later.example"]
        assert (found.first, found.last) == (AT, AT + timedelta(hours=1))
        assert seen(observed)[0]["first"] == "2026-11-20T12:00:00+00:00"

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
            "localhost",
            "LOCALHOST.",
            "db.localhost",
        ],
    )
    def test_loopback(self, host: str) -> None:
        """
        What does not leave the machine is not held.
        """
        observed = Observed()

        observed.add(attrs.evolve(SIGHTING, host=host), at=AT)

        assert seen(observed) == []

    @pytest.mark.parametrize(
        "host",
        [
            "https://acme.example/who?mail=ann@acme.example",
            "ann@acme.example",
            "acme.example/path",
            "a b",
            "x" * 300,
        ],
    )
    def test_no_url(self, host: str, tmp_path: Path) -> None:
        """
        What is more than a name or an address is not held, and the sighting
        is.
        """
        observed = Observed()
        observed.add(attrs.evolve(SIGHTING, host=host), at=AT)
        observed.write(tmp_path / "seen.json")

        assert [s["host"] for s in seen(observed)] == [""]
        assert host not in (tmp_path / "seen.json").read_text("utf-8")

    @pytest.mark.parametrize(
        ("command", "program"),
        [
            ("/usr/bin/git", "git"),
            ("git clone https://ann:secret@acme.example/x", "git"),
            ("C:\\tools\\curl.exe", "curl.exe"),
            ("", ""),
        ],
    )
    def test_program(self, command: str, program: str) -> None:
        """
        Of a command only the base name of its program is held.
        """
        observed = Observed()
        started = attrs.evolve(SIGHTING, kind="process", host=command, port=0)

        observed.add(started, at=AT)

        assert [s["host"] for s in seen(observed)] == [program]

    def test_one_name(self) -> None:
        """
        Spellings of one host are one sighting.
        """
        observed = Observed()
        for host in ("acme.example", "ACME.example", "acme.example."):
            observed.add(attrs.evolve(SIGHTING, host=host), at=AT)

        assert [s["count"] for s in seen(observed)] == [3]

    def test_overflow(self, tmp_path: Path) -> None:
        """
        At most so many distinct ones are held; the rest is counted, and
        those held go on to be.
        """
        observed = Observed()
        for number in range(MOST_SIGHTINGS + 3):
            observed.add(attrs.evolve(SIGHTING, port=number), at=AT)
        observed.add(attrs.evolve(SIGHTING, port=0), at=AT)

        observed.write(tmp_path / "seen.json")
        found = load_observed(tmp_path / "seen.json")

        assert (len(found.sightings), found.overflow) == (MOST_SIGHTINGS, 3)
        assert found.sightings[0].count == 2

    def test_threads(self) -> None:
        """
        None is lost when several threads see things at once.
        """
        observed = Observed()

        def see(number: int) -> None:
            for _ in range(500):
                observed.add(SIGHTING, at=AT)
                observed.add(attrs.evolve(SIGHTING, port=number), at=AT)

        threads = [threading.Thread(target=see, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sum(s["count"] for s in seen(observed)) == 8 * 2 * 500

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_fork(self, tmp_path: Path) -> None:
        """
        A child that is forked while another thread counts goes on counting,
        for itself.
        """
        observed = Observed()
        stop = threading.Event()

        def see() -> None:
            while not stop.is_set():
                observed.add(SIGHTING, at=AT)

        busy = threading.Thread(target=see)
        busy.start()
        other = attrs.evolve(SIGHTING, host="child.example")
        child = os.fork()
        if child == 0:
            observed.add(other, at=AT)
            observed.write(tmp_path / "child.json")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        stop.set()
        busy.join()

        found = load_observed(tmp_path / "child.json")
        assert status == 0
        assert "child.example" in {s.host for s in found.sightings}
        assert "child.example" not in {s["host"] for s in seen(observed)}

    def test_repr(self) -> None:
        """
        It shows counts, and no host.
        """
        observed = Observed()
        observed.add(SIGHTING, at=AT)

        assert repr(observed) == "<Observed: 1 sightings, 0 more>"


class TestFile:
    """
    Tests for `Observed.write` and `load_observed`.
    """

    @given(
        hosts=st.lists(st.text(max_size=80), max_size=5),
        seconds=st.integers(0, 10**6),
    )
    def test_round_trip(
        self,
        hosts: list[str],
        seconds: int,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        """
        What is written is what is read back, whatever was seen.
        """
        observed = Observed()
        for host in hosts:
            at = AT + timedelta(seconds=seconds)
            observed.add(attrs.evolve(SIGHTING, host=host), at=at)
        path = tmp_path_factory.mktemp("seen") / "seen.json"

        observed.write(path)

        assert load_observed(path) == observed.observation()

    def test_nothing_seen(self, tmp_path: Path) -> None:
        """
        A record of nothing is a record.
        """
        Observed().write(tmp_path / "seen.json")

        found = load_observed(tmp_path / "seen.json")

        assert (found.first, found.last, found.sightings) == (None, None, ())

    def test_replaced(self, tmp_path: Path) -> None:
        """
        The file is replaced as a whole, and is this user's alone.
        """
        path = tmp_path / "seen.json"
        path.write_text("old")
        path.chmod(0o644)

        Observed().write(path)

        assert path.stat().st_mode & 0o777 == 0o600
        assert [p.name for p in tmp_path.iterdir()] == ["seen.json"]

    def test_not_written(self, tmp_path: Path) -> None:
        """
        Where it cannot be put nothing is left behind.
        """
        (tmp_path / "seen.json").mkdir()

        with pytest.raises(OSError, match=re.escape("seen.json")):
            Observed().write(tmp_path / "seen.json")

        assert [p.name for p in tmp_path.iterdir()] == ["seen.json"]

    @pytest.fixture
    def value(self) -> dict[str, Any]:
        """
        Give what a good file holds.
        """
        observed = Observed()
        observed.add(SIGHTING, at=AT)
        return observed.as_json()

    def _faults(self, value: object, tmp_path: Path) -> list[str]:
        path = tmp_path / "seen.json"
        path.write_text(json.dumps(value), "utf-8")
        with pytest.raises(RegistryError) as caught:
            load_observed(path)
        first, *faults = str(caught.value).splitlines()
        assert first.startswith(f"{path}: ")
        return [fault.strip() for fault in faults]

    def test_all_faults(self, value: dict[str, Any], tmp_path: Path) -> None:
        """
        All faults are told at once, each with its place.
        """
        (row,) = value["sightings"]
        row |= {"count": True, "how": "guess", "first": "2026-11-20", "x": 1}
        row["\x1b[2J" + "y" * 99] = 1
        del value["python"]
        value["sightings"].append(3)

        assert self._faults(value, tmp_path) == [
            "$.python: is missing",
            "$.sightings[0].how: expected one of stack, host, ''",
            "$.sightings[0].count: expected a whole number",
            f"$.sightings[0].first: expected {TIME}",
            f"$.sightings[0]: unknown key: '\\x1b[2J{'y' * 36}'..., x",
            "$.sightings[1]: expected an object",
        ]

    @pytest.mark.parametrize(
        ("key", "wrong", "fault"),
        [
            ("port", 70_000, "expected 0 to 65535"),
            ("count", 0, "expected 1 or more"),
            ("last", "2026-11-19T00:00:00Z", "is before first"),
            ("host", "https://x.example/a", "expected a name or an address"),
            ("module", "a b", "expected a module, such as 'acme.sdk'"),
            ("sdk", "a" * 65, "expected the id of an SDK, such as 'acme'"),
            ("sdk", "a\nb", "expected the id of an SDK, such as 'acme'"),
            ("kind", "guess", "expected one of lookup, connect, datagram, "),
        ],
    )
    def test_value(
        self,
        value: dict[str, Any],
        tmp_path: Path,
        key: str,
        wrong: object,
        fault: str,
    ) -> None:
        """
        A value that cannot be is a fault.
        """
        value["sightings"][0][key] = wrong

        (told,) = self._faults(value, tmp_path)

        assert told.startswith(f"$.sightings[0].{key}: {fault}")

    @pytest.mark.parametrize("wrong", ["x", None, {}, 1])
    def test_no_array(
        self, value: dict[str, Any], tmp_path: Path, wrong: object
    ) -> None:
        """
        Sightings are an array, and nothing like one.
        """
        value["sightings"] = wrong

        faults = self._faults(value, tmp_path)

        assert faults == ["$.sightings: expected an array"]

    @pytest.mark.parametrize("schema", [2, True, None, "1", 1.0])
    def test_schema(
        self, value: dict[str, Any], tmp_path: Path, schema: object
    ) -> None:
        """
        Another schema is said to be one.
        """
        value["schema"] = schema

        (told,) = self._faults(value, tmp_path)

        assert told == "$.schema: expected 1, the one that is known"

    @pytest.mark.parametrize(
        "raw",
        [b"", b"[]", b"{", b"\xff\xfe", b'{"a": ' + b"[" * 100_000, b"1"],
    )
    def test_no_record(self, raw: bytes, tmp_path: Path) -> None:
        """
        What is no record at all is one clear error.
        """
        path = tmp_path / "seen.json"
        path.write_bytes(raw)

        with pytest.raises(RegistryError, match=r"is no JSON object"):
            load_observed(path)

    def test_python(self, value: dict[str, Any], tmp_path: Path) -> None:
        """
        What is no version of Python is a fault.
        """
        value["python"] = "\x1b" * 1_000

        assert self._faults(value, tmp_path) == [
            "$.python: expected a version, such as '3.13.1'"
        ]

    def test_pipe(self, tmp_path: Path) -> None:
        """
        A pipe is not waited for.
        """
        os.mkfifo(tmp_path / "seen.json")

        with pytest.raises(RegistryError, match=r"is no file that ends"):
            load_observed(tmp_path / "seen.json")

    def test_too_large(self, tmp_path: Path) -> None:
        """
        A huge file is refused before it is parsed.
        """
        path = tmp_path / "seen.json"
        with path.open("wb") as stream:
            stream.truncate(17 * 1024 * 1024)

        with pytest.raises(RegistryError, match=r"is larger than"):
            load_observed(path)
