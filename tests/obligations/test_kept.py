# SPDX-License-Identifier: MIT

"""
What the five documents promise of how data is kept: for how long, behind
which key, and what is left of it when the person or the service ends.
"""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import stat
import sys
import threading

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attrs import evolve

from consentkit.cessation import Cessation, EndOfOperation, sign_end
from consentkit.cli import main
from consentkit.consent.signals import Signals
from consentkit.exceptions import (
    DamagedError,
    PolicyError,
    ProofError,
    StoreError,
)
from consentkit.gate import OSPermission, Refusal
from consentkit.ledger.entries import text_digest
from consentkit.ledger.signing import make_signing_key
from consentkit.outbox.records import Batch, Record
from consentkit.policy import Period, Policy
from consentkit.policy.lint import lint
from consentkit.policy.model import Clause, ProtectionName
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.receiver import make_app, serve
from consentkit.receiver.lookup import Lookup
from consentkit.receiver.store import Store
from consentkit.rights import Cancellation
from consentkit.seal import KeyRing
from consentkit.transports import route
from consentkit.transports.base import Answer
from tests.faults.support import forms
from tests.obligations.checks import (
    EXAMPLES,
    Backend,
    Question,
    Watched,
    changed,
    document,
    hits,
    questions,
    table,
)
from tests.support import MAC, START, Clock


WP = "camera_app"
KS = "design_platform"
XM = "business_mail"
PR = "principles_app"
GP = "general_platform"

#: Protections under which nothing is kept.
STAYS = (ProtectionName.DROP, ProtectionName.LOCAL_ONLY)
MOMENT = timedelta(milliseconds=1)
MAKER = make_signing_key()
#: No period here ends later.
LATEST = Period.parse("P3Y").after(START)


class Line(Backend):
    """
    The backend's store, behind a line that may be down.
    """

    is_up = True

    def _send(self, batch: Batch) -> Answer:
        if not self.is_up:
            return Answer(outcomes={}, problem="the line is down")
        return super()._send(batch)

    @property
    def disk(self) -> Path:
        """
        The folder with all that the backend keeps.
        """
        return self.store.path.parent


class Whole(Watched):
    """
    An app on a document whose person is of age and said yes to all of it.

    Nothing is in its way, and its records go to the backend *line*.
    """

    def __init__(
        self, policy: Policy, folder: Path, line: Line, **options: Any
    ) -> None:
        self.line = line
        super().__init__(
            policy,
            folder,
            wire=options.pop("wire", line),
            clock=line.clock,
            conditions=lambda _: True,
            os_permission=lambda _: OSPermission.GRANTED,
            **options,
        )
        for type_, spy in self.spies.items():
            if type_.endswith(("mac", "bssid")):
                spy.value = self.plants[type_] = MAC

    def agree_to_all(self) -> None:
        """
        Say yes to everything, after what has to come before.
        """
        self.kit.consent.declare_age(adult=True)
        for function in self.kit.policy.functions.values():
            if function.acknowledge:
                self.kit.consent.acknowledge(function.id)
        how = self.kit.policy.document.consent.act or "tick"
        self.agree(*self.kit.policy.elements, method=how)

    def take_all(self) -> dict[str, Clause]:
        """
        Read and capture all that is collected here.

        Returns:
            By id of each record the clause that it was kept under.
        """
        policy, kept = self.kit.policy, {}
        for q in questions(policy):
            clause = _clause(policy, q)
            if clause.protection.name in STAYS or clause.platforms:
                continue
            answer = self.take(
                q.function,
                q.data_type,
                act="pressed",
                purpose=q.purpose,
                recipient=q.recipient,
            )
            kept.update(dict.fromkeys(answer.ids if answer else (), clause))
        assert len(kept) > 9
        return kept

    @contextmanager
    def nothing_kept(self) -> Iterator[None]:
        """
        Check that one value is read, and that nothing is kept or sent.
        """
        before = self.seen
        yield
        self.kit.flush()
        assert self.seen == evolve(before, reads=before.reads + 1)
        assert hits(self.needles, self.folder) == []

    @property
    def waiting(self) -> set[str]:
        """
        Ids of what waits on the phone.
        """
        return {record.id for record in self.kit.store.inspect()}

    @property
    def arrived(self) -> set[str]:
        """
        Ids of what the backend has.
        """
        return {record.id for record in self.line.records}

    def ours(self, ids: dict[str, Clause]) -> set[str]:
        """
        Say which of *ids* went to the controller, whose backend this is.
        """
        assert self.waiting == set(ids)
        own = self.kit.policy.controller.id
        return {r.id for r in self.kit.store.inspect() if r.recipient == own}

    def texts(self) -> set[bytes]:
        """
        All that waits, as it would lie on a disk: what it was read as, and
        what it was made of that.
        """
        return {*self.needles, *_texts(self.kit.store.inspect())}


def _clause(policy: Policy, q: Question) -> Clause:
    return policy.functions[q.function].clauses[q.data_type]


def _texts(records: Any) -> set[bytes]:
    """
    Write what is in *records* in all forms in which it could lie somewhere.
    """
    texts = {
        value
        for record in records
        for value in _leaves(record.value)
        if isinstance(value, str)
    }
    return {form for text in texts for form in forms(text)}


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """
    Give a backend that nobody has sent anything to.
    """
    folder = tmp_path / "backend"
    folder.mkdir()
    with Line(folder, Clock()) as made:
        yield made


def _without_periods(tree: dict[str, Any]) -> None:
    tree.pop("retention", None)
    for function in tree["functions"]:
        function.pop("retention", None)
        for row in function.get("collects", ()):
            row.pop("retention", None)


def _long_in_force(tree: dict[str, Any]) -> None:
    tree["policy"].update(effective=date(2019, 1, 1))


# For how long

NAMES = [WP, KS, XM, PR, GP]


class TestPeriods:
    """
    Tests for how long data is kept.
    """

    @pytest.mark.obligation("WP-RET-1", "KS-RET-1", "XM-RET-1", "GP-RET-1")
    @pytest.mark.parametrize("name", NAMES)
    def test_none_is_without(self, name: str) -> None:
        """
        Each clause of the document has an end; without its periods it does
        not load, and each function that collects is named.
        """
        policy = document(name)
        for function in policy.functions.values():
            for clause in function.clauses.values():
                assert START < clause.retention.after(START) <= LATEST
        with pytest.raises(PolicyError, match="no period") as caught:
            changed(name, _without_periods)
        for i, function in enumerate(policy.functions.values()):
            assert (
                f"$.functions[{i}].collects[0].retention: no period"
                in str(caught.value)
            ) is bool(function.clauses)

    @pytest.mark.obligation("GP-RET-1")
    def test_nothing_irrelevant(self) -> None:
        """
        A type without a purpose does not load; one that its purposes do not
        need is found, and is not where one of them does.
        """
        with pytest.raises(PolicyError, match="no purpose"):
            changed(GP, lambda t: table(t, "security").pop("purposes"))

        def more(tree: dict[str, Any]) -> None:
            table(tree, "register")["collects"].append(
                {"type": "location_precise", "protect": "grid"}
            )
            table(tree, "register")["retention"] = "P1D"

        def beyond(policy: Policy) -> list[str]:
            found = lint(policy, today=START.date())
            return [f.message for f in found if f.rule == rule]

        rule = "type-beyond-purpose"
        assert beyond(document(GP)) == []
        (said,) = beyond(changed(GP, more))
        assert "'register'" in said
        assert "'location_precise'" in said

    @pytest.mark.obligation("WP-RET-1", "KS-RET-1", "XM-RET-1", "GP-RET-1")
    @pytest.mark.parametrize("name", NAMES)
    def test_nothing_waits_longer(
        self, name: str, line: Line, tmp_path: Path
    ) -> None:
        """
        What waits is on the phone until the last moment of its own period;
        then it goes unsent, and its bytes go too. What is sent in the last
        moment arrives.
        """
        line.is_up = False
        with Whole(document(name), tmp_path / "app", line) as app:
            app.agree_to_all()
            kept = app.take_all()
            ours = app.ours(kept)
            ends = {i: c.retention.after(START) for i, c in kept.items()}
            for end in sorted(set(ends.values())):
                line.clock.now = end - MOMENT
                app.kit.flush()
                assert app.waiting == {i for i in ends if ends[i] >= end}
                if end == max(ends.values()):
                    break
                line.clock.now = end
                app.kit.flush()
                assert app.waiting == {i for i in ends if ends[i] > end}
            last = {i for i in ours if ends[i] == end}
            line.is_up = True
            app.kit.flush()
            assert app.arrived == last
            line.clock.now = end
            app.kit.flush()
            assert app.arrived == last
            assert app.kit.status().waiting == 0
            gone = app.kit.status().counts["expired"]
            assert gone == len(kept) - len(last)

    @pytest.mark.obligation("WP-RET-1", "KS-RET-1", "XM-RET-1", "GP-RET-1")
    @pytest.mark.parametrize("name", NAMES)
    def test_purged_at_the_start(
        self, name: str, line: Line, tmp_path: Path
    ) -> None:
        """
        What ended while the app did not run goes at its next start, unsent;
        started a moment earlier, all of it would have been sent.
        """
        line.is_up = False
        with Whole(document(name), tmp_path / "app", line) as app:
            app.agree_to_all()
            kept = app.take_all()
            ours = app.ours(kept)
        ends = [c.retention.after(START) for c in kept.values()]
        shutil.copytree(tmp_path / "app", tmp_path / "twin")
        line.is_up = True
        line.clock.now = max(ends)
        with Whole(document(name), tmp_path / "app", line) as app:
            app.kit.flush()
            assert app.kit.status().waiting == 0
            assert app.arrived == set()
            assert app.kit.status().counts["expired"] == len(kept)
        line.clock.now = min(ends) - MOMENT
        with Whole(document(name), tmp_path / "twin", line) as app:
            app.kit.flush()
            assert app.arrived == ours

    @pytest.mark.obligation("WP-RET-1", "KS-RET-1", "XM-RET-1", "GP-RET-1")
    @pytest.mark.parametrize("name", NAMES)
    def test_nothing_is_stored_longer(
        self, name: str, line: Line, tmp_path: Path
    ) -> None:
        """
        The backend has each record until the last moment of its period; at
        the end it gives it to nobody, and the next purge leaves nothing of
        it in any file.
        """
        policy = document(name)
        with Whole(policy, tmp_path / "app", line) as app:
            app.agree_to_all()
            kept = app.take_all()
            ours = app.ours(kept)
            app.kit.flush()
            assert app.arrived == ours
            ends = {i: kept[i].retention.after(START) for i in ours}
            for end in sorted(set(ends.values())):
                line.clock.now = end - MOMENT
                assert line.store.purge(line.clock()) == 0
                assert app.arrived == {i for i in ours if ends[i] >= end}
                over = [r for r in line.records if ends[r.id] == end]
                left = [r for r in line.records if ends[r.id] > end]
                assert _given(line, policy, over) == {r.id for r in over}
                line.clock.now = end
                assert _given(line, policy, over) == set()
                there = tmp_path / "before"
                shutil.copytree(line.disk, there, dirs_exist_ok=True)
                assert line.store.purge(line.clock()) == len(over)
                assert app.arrived == {r.id for r in left}
                gone = _texts(over) - _texts(left)
                gone |= {r.id.encode() for r in over}
                assert hits(gone, there) != []
                assert hits(gone, line.disk) == []

    @pytest.mark.need_extra("receiver")
    @pytest.mark.parametrize(
        ("name", "function", "data_type"),
        [
            pytest.param(
                WP,
                "product_improvement",
                "device_model",
                marks=pytest.mark.obligation("WP-RET-1"),
            ),
            pytest.param(
                KS,
                "search",
                "search_history",
                marks=pytest.mark.obligation("KS-RET-1"),
            ),
            pytest.param(
                XM,
                "security",
                "device_model",
                marks=pytest.mark.obligation("XM-RET-1"),
            ),
            pytest.param(
                GP,
                "browse_search",
                "ip_address",
                marks=pytest.mark.obligation("GP-RET-1", "GP-RET-2"),
            ),
        ],
    )
    def test_a_receiver_purges_as_it_starts(
        self,
        name: str,
        function: str,
        data_type: str,
        line: Line,
        tmp_path: Path,
    ) -> None:
        """
        A receiver that starts deletes, by the real clock, what ended while
        none ran; what comes by its door today stays.
        """
        policy = changed(name, _long_in_force)
        line.clock.now = datetime(2020, 1, 31, tzinfo=UTC)
        with Whole(policy, tmp_path / "old", line) as app:
            app.agree_to_all()
            assert app.take(function, data_type, act="pressed")
            app.kit.flush()
        (old,) = line.records
        texts = {old.id.encode()}
        assert hits(texts, line.disk) != []
        line.clock.now = datetime.now(UTC)
        store = Purging(line.store.path)
        keys = KeyRing.new(tmp_path / "keys.json")
        with (
            serve(make_app(store, keys=keys, sealed_only=True)) as server,
            Whole(
                policy,
                tmp_path / "new",
                line,
                wire=route(server.url, region="CN"),
                seal_for=keys.current.seal_key.text,
            ) as app,
        ):
            assert store.purged.wait(60)
            assert hits(texts, line.disk) == []
            app.agree_to_all()
            assert app.take(function, data_type, act="pressed")
            (new,) = app.waiting
            assert app.kit.flush().delivered == 1
        store.close()
        assert app.arrived == {new}


def _given(line: Line, policy: Policy, records: list[Record]) -> set[str]:
    """
    Say which of *records* the backend gives to whom they were collected for.
    """
    lookup = Lookup(line.store, policy, clock=line.clock)
    given = set()
    for function, purpose in {(r.function, r.purpose) for r in records}:
        found = lookup.records(function, purpose)
        assert not isinstance(found, Refusal)
        given |= {stored.record.id for stored in found}
    return given & {r.id for r in records}


class Purging(Store):
    """
    A store that tells when it has been purged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.purged = threading.Event()

    def purge(self, now: datetime | None = None) -> int:
        """
        Purge, and tell.
        """
        gone = super().purge(now)
        self.purged.set()
        return gone


class TestMonth:
    """
    Tests for the one period that the general platform names.
    """

    PLACE = ("browse_search", "ip_address")

    @pytest.mark.obligation("GP-RET-2")
    def test_no_type_has_longer(self) -> None:
        """
        Whatever function takes them, browsing history and addresses have a
        month at most, from any day of a year on.
        """
        policy = document(GP)
        (rule,) = [
            r for r in policy.document.retention if r.id == "browsing_month"
        ]
        month = Period.parse(rule.period)
        assert {"browsing_history", "ip_address"} <= set(rule.types)
        found = [
            clause.retention
            for function in policy.functions.values()
            for clause in function.clauses.values()
            if clause.type in rule.types
        ]
        assert month in found
        for day in range(366):
            start = START + timedelta(days=day)
            for period in found:
                assert period.after(start) <= month.after(start)

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("2027-01-31T10:00:00Z", "2027-02-28T10:00:00Z"),
            ("2028-01-31T10:00:00Z", "2028-02-29T10:00:00Z"),
            ("2027-05-31T10:00:00Z", "2027-06-30T10:00:00Z"),
            ("2027-06-15T10:00:00Z", "2027-07-15T10:00:00Z"),
        ],
    )
    @pytest.mark.obligation("GP-RET-2")
    def test_a_calendar_month(
        self, start: str, end: str, line: Line, tmp_path: Path
    ) -> None:
        """
        From where somebody browsed is on the phone, and at the backend,
        until the same hour of the next month, or of its last day; then on
        neither.
        """
        line.clock.now = datetime.fromisoformat(start)
        over = datetime.fromisoformat(end)
        policy = document(GP)
        with (
            Whole(policy, tmp_path / "one", line) as sent,
            Whole(policy, tmp_path / "two", line) as waits,
        ):
            for app in (sent, waits):
                app.agree_to_all()
                assert app.take(*self.PLACE, act="pressed")
            sent.kit.flush()
            line.is_up = False
            line.clock.now = over - MOMENT
            waits.kit.flush()
            assert len(waits.waiting) == 1
            assert line.store.purge(line.clock()) == 0
            (record,) = line.records
            assert record.expires_at == over
            texts = _texts([record])
            assert hits(texts, line.disk) != []
            line.clock.now = over
            waits.kit.flush()
            assert waits.kit.status().waiting == 0
            assert line.store.purge(line.clock()) == 1
            assert hits(texts, line.disk) == []

    @pytest.mark.obligation("GP-RET-2")
    def test_history_is_not_even_kept(
        self, line: Line, tmp_path: Path
    ) -> None:
        """
        Of what was browsed the app gets each value, and nothing of it is on
        the phone's disk or on its way; of the address a network is.
        """
        with Whole(document(GP), tmp_path / "app", line) as app:
            app.agree_to_all()
            for function in ("browse_search", "device_and_logs"):
                with app.nothing_kept():
                    app.take(function, "browsing_history", act="pressed")
            with app.once():
                app.take(*self.PLACE)
            assert [r.value for r in line.records] == ["203.0.113.0/24"]

    @pytest.mark.obligation("GP-RET-2")
    def test_a_backup_brings_nothing_back(
        self, line: Line, tmp_path: Path
    ) -> None:
        """
        Where the backend's files, or the phone's, are restored from a copy
        of before the month's end, nothing of it is given to anybody or sent,
        and the next purge takes it out again.
        """
        policy = document(GP)
        phone, copy = tmp_path / "app", tmp_path / "copy"
        with Whole(policy, phone, line) as app:
            app.agree_to_all()
            assert app.take(*self.PLACE, act="pressed")
            app.kit.flush()
            assert app.take(*self.PLACE, act="pressed")
            records = line.records
            texts = _texts(records)
        line.close()
        shutil.copytree(phone, copy / "app")
        shutil.copytree(line.disk, copy / "backend")
        line.clock.now = Period.parse("P1M").after(line.clock.now)
        line.store.purge(line.clock())
        line.close()
        for folder in (phone, line.disk):
            shutil.rmtree(folder)
            shutil.copytree(copy / folder.name, folder)

        assert hits(texts, line.disk) != []
        assert {r.id for r in line.records} == {r.id for r in records}
        assert _given(line, policy, records) == set()
        assert line.store.purge(line.clock()) == 1
        assert hits(texts, line.disk) == []
        with Whole(policy, phone, line) as app:
            assert app.kit.flush().delivered == 0
            assert app.kit.status().waiting == 0
        assert line.records == []

    @pytest.mark.need_extra("receiver")
    @pytest.mark.skipif(
        sys.platform != "linux", reason="elsewhere loopback has one address"
    )
    @pytest.mark.obligation("GP-RET-2")
    def test_no_log_has_the_address(
        self,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """
        The address from which a person's app sends is seen by the receiver
        and is in no log, no file and nothing that it prints.
        """
        caplog.set_level(logging.DEBUG)
        store = Store(tmp_path / "backend.sqlite3")
        inner = make_app(store)
        came: list[Any] = []

        async def seeing(scope: Any, receive: Any, send: Any) -> None:
            came.append((scope.get("client") or [""])[0])
            await inner(scope, receive, send)

        with serve(seeing) as server:
            for method, route in (
                ("GET", "/healthz"),
                ("POST", "/v1/batches"),
                ("GET", "/nothing/here"),
            ):
                caller = http.client.HTTPConnection(
                    "127.0.0.1",
                    server.port,
                    timeout=20,
                    source_address=("127.0.0.77", 0),
                )
                caller.request(method, route, body=b"{")
                caller.getresponse().read()
                caller.close()
        store.close()

        assert came.count("127.0.0.77") == 3
        printed = "".join(capfd.readouterr())
        assert "127.0.0.77" not in caplog.text + printed
        assert hits({b"127.0.0.77"}, tmp_path) == []


# Behind which key


class TestAtRest:
    """
    Tests for what lies on the phone's disk.
    """

    @pytest.mark.obligation(
        "WP-SENS-3", "WP-ENC-1", "KS-SENS-3", "KS-PROT-1", "PR-SEC-1"
    )
    @pytest.mark.parametrize("name", [WP, KS, PR])
    def test_nothing_is_readable(
        self, name: str, line: Line, tmp_path: Path
    ) -> None:
        """
        With all that the document collects waiting, what is sensitive and
        what names somebody among it, no value is on disk in any form, raw or
        protected; all of it comes back out of these files with their key.
        """
        folder = tmp_path / "app"
        with Whole(document(name), folder, line) as app:
            app.agree_to_all()
            kept = app.take_all()
            types = load_vocabulary().data_types
            told = {c.type for c in kept.values()}
            assert any(types[t].sensitive for t in told)
            assert any(
                types[t].identifiability in ("direct", "device") for t in told
            )
            texts = app.texts()
            assert len(texts) > 10 * len(told)
            assert hits(texts, folder) == []
        assert hits(texts, folder) == []
        with Whole(document(name), folder, line) as app:
            found = list(app.kit.store.inspect())
            assert {r.id for r in found} == set(kept)
            assert {r.data_type for r in found} == told
            assert _texts(found) <= texts
            dump = tmp_path / "dump"
            dump.write_text("".join(str(r.as_json()) for r in found))
        assert hits(texts, dump.parent) != []

    @pytest.mark.obligation("WP-SENS-3", "KS-SENS-3", "KS-PROT-1", "PR-SEC-1")
    @pytest.mark.parametrize("name", [WP, KS, PR])
    def test_another_key_opens_nothing(
        self, name: str, line: Line, tmp_path: Path
    ) -> None:
        """
        With another key, or with none, nothing is read, sent or made up, and
        the error names the file; with its own all of it is sent.
        """
        folder = tmp_path / "app"
        with Whole(document(name), folder, line) as app:
            app.agree_to_all()
            ours = app.ours(app.take_all())
        (key,) = (folder / "keys").glob("*.key")
        own = key.read_text()
        one_bit_off = f"{int(own, 16) ^ 1:064x}"
        for wrong in (os.urandom(32).hex(), one_bit_off, own[:-2], None):
            if wrong is None:
                key.unlink()
            else:
                key.write_text(wrong)
            with Whole(document(name), folder, line) as app:
                with pytest.raises(DamagedError, match=str(folder)):
                    app.waiting  # noqa: B018
                assert app.kit.flush().problems
                assert app.arrived == set()
        key.write_text(own)
        key.chmod(0o600)
        with Whole(document(name), folder, line) as app:
            app.kit.flush()
            assert app.arrived == ours

    @pytest.mark.obligation("WP-SENS-3", "KS-SENS-3", "PR-SEC-1")
    @pytest.mark.parametrize("name", [WP, KS, PR])
    def test_the_key_is_apart(
        self, name: str, line: Line, tmp_path: Path
    ) -> None:
        """
        Where no key store of the system keeps the key, it is in one small
        file and in no other, whose form and bytes no file beside it has.
        """
        folder = tmp_path / "app"
        with Whole(document(name), folder, line) as app:
            app.agree_to_all()
            app.take_all()
            app.kit.flush()
            (key,) = (folder / "keys").glob("*.key")
            text = key.read_text().strip()
            needles = {text.encode(), bytes.fromhex(text)}
            assert hits(needles, key.parent) != []
            rest = tmp_path / "rest"
            shutil.copytree(folder, rest)
            (rest / "keys" / key.name).unlink()
            assert hits(needles, rest) == []

    @pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
    @pytest.mark.obligation("KS-PROT-1", "PR-SEC-1")
    @pytest.mark.parametrize("name", [WP, KS, PR])
    def test_only_this_user(
        self, name: str, line: Line, tmp_path: Path
    ) -> None:
        """
        Every file and folder is for this user alone, while it is in use and
        afterwards; where somebody opened the key to others, nothing is read
        until it is mended, and the error says how.
        """
        folder = tmp_path / "app"
        with Whole(document(name), folder, line) as app:
            app.agree_to_all()
            kept = app.take_all()
            _only_for_its_user(folder)
        _only_for_its_user(folder)
        (key,) = (folder / "keys").glob("*.key")
        key.chmod(0o640)
        with Whole(document(name), folder, line) as app:
            with pytest.raises(DamagedError, match="chmod 600"):
                app.waiting  # noqa: B018
            assert app.kit.flush().delivered == 0
        key.chmod(0o600)
        with Whole(document(name), folder, line) as app:
            assert app.waiting == set(kept)

    @pytest.mark.obligation("KS-PROT-1")
    def test_the_rest_is_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What no program keeps is printed for people: isolation, encryption
        and control of access.
        """
        main(["policy", "show", str(EXAMPLES / KS / "policy.toml")])
        shown = capsys.readouterr().out
        for measure in document(KS).document.storage.protection:
            assert measure in shown
        assert "network isolation" in shown


def _only_for_its_user(folder: Path) -> None:
    paths = [folder, *folder.rglob("*")]
    assert len(paths) > 4
    for path in paths:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path.name


class TestCut:
    """
    Tests for files that were damaged.
    """

    def _filled(self, folder: Path, line: Line) -> tuple[list[str], list[str]]:
        """
        Keep records, and give the ids of those in the table, and of those
        that are in the journal still.
        """
        with Whole(document(PR), folder, line) as app:
            app.agree_to_all()
            app.take_all()
            table = [r.id for r in app.kit.store.inspect()]
            for _ in range(4):
                assert app.take("analytics", "performance_data")
            (journal,) = (folder / "captured").iterdir()
            assert journal.stat().st_size
            shutil.copytree(folder, folder.with_name("full"))
            both = [r.id for r in app.kit.store.inspect()]
        shutil.rmtree(folder)
        folder.with_name("full").rename(folder)
        assert both[: len(table)] == table
        assert len(both) > len(table)
        return table, both[len(table) :]

    @pytest.mark.obligation("PR-SEC-1")
    def test_a_journal_at_each_byte(self, line: Line, tmp_path: Path) -> None:
        """
        Wherever what was captured last is cut off, the outbox opens, and has
        all that is whole in it and before it; nothing else, and it goes on.
        """
        start, folder = tmp_path / "start", tmp_path / "app"
        table, journal = self._filled(start, line)
        (name,) = (p.name for p in (start / "captured").iterdir())
        size = (start / "captured" / name).stat().st_size
        assert size % len(journal) == 0  # they are of one kind
        for length in range(size + 1):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(start, folder)
            os.truncate(folder / "captured" / name, length)
            whole = journal[: length * len(journal) // size]
            with Whole(document(PR), folder, line) as app:
                found = [r.id for r in app.kit.store.inspect()]
                assert found == [*table, *whole], length
        with Whole(document(PR), folder, line) as app:
            assert app.take("analytics", "performance_data")
            app.kit.flush()
            assert app.arrived > set(journal)

    @pytest.mark.obligation("PR-SEC-1")
    def test_a_journal_with_a_spoilt_byte(
        self, line: Line, tmp_path: Path
    ) -> None:
        """
        Whichever byte of an entry is changed behind its length, what is
        intact is kept and goes out, and the entry is counted; nothing is
        made up.
        """
        start, folder = tmp_path / "start", tmp_path / "app"
        table, journal = self._filled(start, line)
        (name,) = (p.name for p in (start / "captured").iterdir())
        content = (start / "captured" / name).read_bytes()
        # A length that was made longer takes what it reaches over with it.
        for at in range(4, len(content) // len(journal)):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(start, folder)
            spoilt = bytearray(content)
            spoilt[at] ^= 0x10
            (folder / "captured" / name).write_bytes(spoilt)
            with Whole(document(PR), folder, line) as app:
                assert app.waiting == {*table, *journal[1:]}, at
                app.kit.flush()
                assert app.kit.status().counts["unreadable"] == 1, at

    @staticmethod
    def _looked_into(app: Whole) -> tuple[list[object], StoreError | None]:
        try:
            return [r.value for r in app.kit.store.inspect()], None
        except StoreError as error:
            return [], error

    @pytest.mark.obligation("PR-SEC-1")
    def test_the_outbox_cut_off(self, line: Line, tmp_path: Path) -> None:
        """
        Wherever the outbox itself is cut off, what is there of it is saved,
        what is not is counted, and nothing is made up. Put back it has all.
        """
        start, folder = tmp_path / "start", tmp_path / "app"
        table, journal = self._filled(start, line)
        with Whole(document(PR), start, line) as app:
            whole = [r.value for r in app.kit.store.inspect()]
        size = (start / "outbox.sqlite3").stat().st_size
        saved = 0
        for length in (*range(0, size, 509), size - 1, size):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(start, folder)
            os.truncate(folder / "outbox.sqlite3", length)
            with Whole(document(PR), folder, line) as app:
                found, said = self._looked_into(app)
                assert said is None, length
                assert all(value in whole for value in found), length
                counts = app.kit.status().counts
                assert not length or found == whole or counts["unreadable"]
                saved += len(found) > 0
        assert saved > size // 509 // 8
        assert found == whole
        with Whole(document(PR), folder, line) as app:
            assert app.waiting == {*table, *journal}


# What is left of it


class Leaving(Whole):
    """
    An app whose account can be cancelled.
    """

    def __init__(self, policy: Policy, folder: Path, line: Line) -> None:
        self.cancelling = Cancellation(policy, folder, around=Signals)
        super().__init__(policy, folder, line, signals=self.cancelling.read)

    def cancel(self) -> None:
        """
        Show the warning, and begin.
        """
        digest = text_digest(self.cancelling.text)
        assert self.cancelling.request(self.kit, acknowledged=digest)


class TestCancelled:
    """
    Tests for what is left when an account is cancelled.
    """

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param(
                WP, marks=pytest.mark.obligation("WP-REG-5", "WP-CANC-2")
            ),
            pytest.param(KS, marks=pytest.mark.obligation("KS-DUR-2")),
            pytest.param(GP, marks=pytest.mark.obligation("GP-BAS-4")),
        ],
    )
    def test_nothing_is_left(
        self, name: str, line: Line, tmp_path: Path
    ) -> None:
        """
        From the request on nothing of the account is used; completed, it is
        deleted from the phone and from the backend, files and all, and what
        is late is not taken. Who stays, and who goes on midway, keeps all.
        """
        policy, folder = document(name), tmp_path / "leaves"
        with (
            Leaving(policy, tmp_path / "stays", line) as stays,
            Leaving(policy, folder, line) as leaves,
        ):
            for app in (stays, leaves):
                app.agree_to_all()
                app.take_all()
            theirs = leaves.waiting
            texts = _texts(leaves.kit.store.inspect()) - _texts(
                stays.kit.store.inspect()
            )
            stays.kit.flush()
            others = leaves.arrived
            leaves.kit.flush()
            sent = leaves.arrived - others
            assert sent
            assert sent <= theirs
            leaves.take_all()
            waits = leaves.waiting
            texts |= {i.encode() for i in sent}
            assert hits(texts, line.disk) != []

            leaves.cancel()
            with leaves.nothing():
                for q in questions(policy):
                    assert not leaves.take(
                        q.function, q.data_type, act="pressed"
                    )
            leaves.cancelling.go_on()
            assert leaves.waiting == waits
            assert leaves.arrived == others | sent
            leaves.cancel()
            done = leaves.cancelling.complete(leaves.kit)
            assert done is not None
            assert done.destroyed.records == len(waits)
            leaves.kit.flush()

            assert leaves.kit.status().waiting == 0
            assert leaves.arrived == others
            assert hits(texts, line.disk, folder) == []
            for late in line.batches:
                if not {r.id for r in late.records} <= others:
                    said = line.store.put(late, now=line.clock())
                    assert {v.reason for v in said.values()} == {"erased"}
            line.clock.tick(days=1)
            assert stays.take_all()


class TestStopped:
    """
    Tests for a person who stops using the camera, or the app.
    """

    @pytest.mark.obligation("WP-RET-4")
    def test_unbound_it_is_gone_at_once(
        self, line: Line, tmp_path: Path
    ) -> None:
        """
        When the camera is unbound nothing about it is read any more, and
        nothing of it is left on the phone or at the backend, no pseudonym
        either; all else is as it was.
        """
        resting = ("bind_device", "device_information")
        folder = tmp_path / "app"
        with Whole(document(WP), folder, line) as app:
            app.agree_to_all()
            app.take_all()
            app.kit.flush()
            app.take_all()
            about = [r for r in line.records if r.function in resting]
            others = {r.id for r in line.records} - {r.id for r in about}
            assert {r.function for r in about} == set(resting)
            texts = {r.id.encode() for r in about} | _texts(about) - _texts(
                r for r in line.records if r.function not in resting
            )
            assert hits(texts, line.disk) != []

            for function in resting:
                app.kit.consent.withdraw(function, method="unbound_camera")
            app.kit.flush()
            with app.nothing():
                for q in questions(document(WP)):
                    if q.function in resting:
                        assert not app.take(
                            q.function, q.data_type, act="pressed"
                        )

            assert others <= app.arrived
            assert not [r for r in line.records if r.function in resting]
            assert hits(texts, line.disk, folder) == []

    @pytest.mark.obligation("WP-RET-4")
    def test_not_opened_any_more(self, line: Line, tmp_path: Path) -> None:
        """
        Of who never opens the app again nothing is at the backend three
        years later, from a 29 February on, by its clock alone; before, there
        was. What waited on the phone is not sent then, and goes.
        """
        line.clock.now = datetime(2028, 2, 29, 9, tzinfo=UTC)
        policy, folder = document(WP), tmp_path / "app"
        (rule,) = [
            r
            for r in policy.document.retention
            if r.id == "use_stopped_or_unbound"
        ]
        latest = Period.parse(rule.period).after(line.clock.now)
        assert latest == datetime(2031, 2, 28, 9, tzinfo=UTC)
        for function in policy.functions.values():
            for clause in function.clauses.values():
                assert clause.retention.after(line.clock.now) <= latest
        with Whole(policy, folder, line) as app:
            app.agree_to_all()
            app.take_all()
            app.kit.flush()
            app.take_all()
            sent = line.records
        texts = _texts(sent) | {r.id.encode() for r in sent}
        line.clock.now = max(r.expires_at for r in sent) - MOMENT
        line.store.purge(line.clock())
        assert line.records
        assert hits(texts, line.disk) != []
        line.clock.now = latest
        line.store.purge(line.clock())
        assert line.records == []
        assert hits(texts, line.disk) == []
        # A clock that leaps by years is believed at a second start.
        for _ in range(2):
            with Whole(policy, folder, line) as app:
                assert app.kit.flush().delivered == 0
                waiting = app.kit.status().waiting
        assert waiting == 0
        assert line.records == []


class TestCeased:
    """
    Tests for the end of operation.
    """

    @pytest.mark.obligation("GP-CEASE-1")
    def test_stops_and_deletes(self, line: Line, tmp_path: Path) -> None:
        """
        At the maker's word everything stops on this document's app, what
        waits is destroyed, and the backend loses all that it has of it; the
        end of another app's operation changes nothing.
        """
        policy, folder = document(GP), tmp_path / "app"
        ending = Cessation(
            policy.id, folder, key=MAKER.verify_key, around=Signals
        )
        end = EndOfOperation(policy=policy.id, since=date(2026, 11, 20))
        other = EndOfOperation(policy=WP, since=date(2026, 11, 20))
        with Whole(policy, folder, line, signals=ending.read) as app:
            app.agree_to_all()
            app.take_all()
            app.kit.flush()
            texts = _texts(line.records)
            texts |= {r.id.encode() for r in line.records}
            with pytest.raises(ProofError):
                ending.deliver(app.kit, sign_end(other, MAKER))
            line.clock.tick(days=1)
            before = app.arrived
            app.take_all()
            app.kit.flush()
            assert app.arrived > before
            app.take_all()
            assert hits(texts, line.disk) != []

            ending.deliver(app.kit, sign_end(end, MAKER))
            app.kit.flush()

            with app.nothing():
                for q in questions(policy):
                    assert not app.take(q.function, q.data_type, act="pressed")
            assert app.kit.status().waiting == 0
            assert line.records == []
            assert hits(texts, line.disk, folder) == []
        with (
            Whole(policy, folder, line, signals=ending.read) as app,
            app.nothing(),
        ):
            assert not app.take("browse_search", "ip_address")
