# SPDX-License-Identifier: MIT

"""
Tests for the camera app of the demo: that it lives by its policy, with every
source and every answer seen from outside.
"""

from __future__ import annotations

import asyncio
import json
import logging

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from attrs import evolve

import consentkit

from consentkit.cli.demo import _import_story, example_folder
from consentkit.gate import Reason
from consentkit.policy import Category, load_policy
from consentkit.seal import KeyRing, make_open_key
from consentkit.testing.transport import make_batch, make_record
from consentkit.transports import pack
from consentkit.transports.memory import MemoryTransport
from tests.support import MAC, MAC_MD5, PLACE, SHARE_CODE, Spies


pytestmark = pytest.mark.need_extra("demo")

HERE = example_folder()

SOME_ID = "01936b2e-5d00-7c3a-9f00-0c1d2e3f4a5b"


@pytest.fixture(scope="module")
def story() -> ModuleType:
    """
    Give the module that tells the story.
    """
    module = _import_story(HERE)
    assert isinstance(module, ModuleType)
    return module


@pytest.fixture
def app(story: ModuleType, tmp_path: Path) -> Iterator[Any]:
    """
    Give the app on spies and on a backend in memory.
    """
    spies = Spies(app_name="Kankan", app_version="1", os_version="12")
    backend = MemoryTransport()
    with consentkit.open(
        HERE / "policy.toml",
        transport=backend,
        seal_for=make_open_key(1).seal_key.text,
        data_dir=tmp_path / "data",
        sources=spies,
    ) as kit:
        made = story.CameraApp(kit)
        made.spies, made.backend = spies, backend
        yield made
        made.log.handlers.clear()


def everything(app: Any) -> list[Any]:
    """
    Do all that the app can do.
    """
    return [
        *app.bind_camera(1),
        *app.improve(),
        *app.open_share(),
        app.place_for_statistics(),
        *map(app.start_sdk, ("alipay", "umeng", "getui", "qiniu", "pangle")),
    ]


def say_yes(app: Any, *elements: str) -> None:
    """
    Say yes as an adult, to each after its notice.
    """
    app.kit.consent.declare_age(adult=True)
    for element in elements:
        app.kit.consent.show(element)
        app.kit.consent.grant(element, method="confirm")


class TestPolicy:
    """
    Tests for the policy document.
    """

    @pytest.mark.obligation("WP-TP-1")
    def test_has_what_the_demo_is_about(self) -> None:
        """
        It has core functions, clipboard, logs, product improvement and 27
        third-party SDKs, each its own decision.
        """
        policy = load_policy(HERE / "policy.toml")
        kinds = [f.category for f in policy.functions.values()]

        assert kinds.count(Category.CORE) >= 10
        assert {"clipboard", "logs", "product_improvement"} <= set(
            policy.functions
        )
        assert len({f.sdk for f in policy.functions.values() if f.sdk}) == 27

    @pytest.mark.obligation("WP-HASH-1")
    def test_promises_md5_of_imei_and_mac(self) -> None:
        """
        IMEI and MAC address leave as MD5, as published.
        """
        policy = load_policy(HERE / "policy.toml")
        clauses = policy.functions["product_improvement"].clauses

        for type_ in ("imei", "mac_address"):
            assert clauses[type_].protection.name.value == "md5"


class TestFiles:
    """
    Tests for the files that come with it.
    """

    def test_licence_stands_beside_the_track(self) -> None:
        """
        The recorded track comes with its licence, and a note that names it.
        """
        assert "track.gpx" in (HERE / "NOTICE").read_text("utf-8")
        assert (HERE / "LICENSE.Apache-2.0").stat().st_size > 10_000

    def test_log_holds_what_is_looked_for(self, story: ModuleType) -> None:
        """
        What the demo looks for at the backend is in the log that it ships,
        so that finding none says something.
        """
        log = (HERE / "app.log.txt").read_text("utf-8")
        found = set(story._PERSONAL.findall(log))

        assert len(found) == story._PERSONAL.pattern.count("|") + 1


class TestSilence:
    """
    Before any choice.
    """

    @pytest.mark.obligation("WP-CONS-1", "WP-ADD-1", "WP-ADD-2")
    def test_all_is_refused(self, app: Any, tmp_path: Path) -> None:
        """
        All that it does is refused, no source is read, no file is made and
        nothing is sent.
        """
        answers = everything(app)
        app.write_log("code sent to 13905550148")
        app.kit.flush()

        assert answers
        assert {type(a) for a in answers} == {consentkit.Refusal}
        assert app.spies.reads == 0
        assert app.handler.counts.refused == 1
        assert app.backend.records == []
        assert not [p for p in tmp_path.rglob("*") if p.suffix != ".lock"][1:]

    @pytest.mark.obligation("WP-CONS-2")
    def test_using_it_is_no_consent(self, app: Any) -> None:
        """
        Using all functions puts nothing into the ledger.
        """
        everything(app)

        assert app.kit.consent.history() == ()


class TestUse:
    """
    After some choices.
    """

    @pytest.mark.obligation("WP-BIND-2")
    def test_place_serves_the_wifi_only(self, app: Any) -> None:
        """
        The place is given for finding the Wi-Fi, coarse, and refused for
        statistics in the same second.
        """
        say_yes(app, "bind_device", "bind_device/location_precise")
        places = [
            a for a in app.bind_camera(1) if isinstance(a, consentkit.Location)
        ]
        refused = app.place_for_statistics()

        (place,) = places
        assert place.cell_km == 2
        assert (place.latitude, place.longitude) != (
            PLACE.latitude,
            PLACE.longitude,
        )
        assert refused.reason is Reason.UNDECLARED_PURPOSE
        assert app.spies["location_precise"].reads == 1

    @pytest.mark.obligation("WP-HASH-1")
    def test_mac_leaves_as_md5(self, app: Any) -> None:
        """
        What arrives is the MD5 of the MAC address, and never the address.
        """
        say_yes(app, "product_improvement")
        app.improve()
        app.kit.flush()

        sent = json.dumps([r.as_json() for r in app.backend.records])
        assert MAC_MD5 in sent
        assert MAC not in sent
        assert MAC.replace(":", "").lower() not in sent.lower()

    @pytest.mark.obligation("WP-ADD-1")
    def test_clipboard_gives_the_code_alone(self, app: Any) -> None:
        """
        Opening a share takes the share code.
        """
        assert app.open_share()[0].reason is Reason.NOT_ASKED
        say_yes(app, "clipboard")

        assert app.open_share()[0].value == SHARE_CODE

    def test_logs_are_scrubbed(self, app: Any) -> None:
        """
        A log line arrives without what is personal in it.
        """
        say_yes(app, "logs")
        app.write_log("code sent to 13905550148")
        app.kit.flush()

        (record,) = app.backend.records
        assert "13905550148" not in json.dumps(record.as_json())
        assert "code sent to <" in json.dumps(record.as_json())

    @pytest.mark.obligation("WP-TP-1")
    def test_sdks_are_decided_one_by_one(self, app: Any) -> None:
        """
        A yes to one SDK starts that one alone.
        """
        say_yes(app, "umeng")
        started = {
            sdk
            for sdk in ("alipay", "umeng", "getui", "qiniu", "pangle")
            if app.start_sdk(sdk)
        }

        assert started == {"umeng"}

    @pytest.mark.obligation("WP-ADD-3")
    def test_withdrawal(self, app: Any) -> None:
        """
        After a withdrawal nothing of the function is read, waits or arrives.
        """
        say_yes(app, "product_improvement")
        app.improve()
        reads = app.spies.reads
        app.kit.consent.withdraw("product_improvement")
        after = app.improve()
        app.kit.flush()

        assert {type(a) for a in after} == {consentkit.Refusal}
        assert app.spies.reads == reads
        assert app.backend.records == []

    def test_own_log_stays_out_of_others(self, app: Any) -> None:
        """
        The app's lines go to its handler, and to none above it.
        """
        seen: list[logging.LogRecord] = []

        class Above(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                seen.append(record)

        above = Above()
        logging.getLogger().addHandler(above)
        try:
            app.write_log("code sent to 13905550148")
        finally:
            logging.getLogger().removeHandler(above)

        assert seen == []


class TestFigures:
    """
    Tests for the verdict.
    """

    KEPT: dict[str, int] = {  # noqa: RUF012 - a constant of this class
        "refused_before_choice": 9,
        "tried_before_choice": 9,
        "captured": 6,
        "delivered": 3,
        "destroyed_on_withdrawal": 2,
        "delivered_before_withdrawal": 1,
        "refused_after_withdrawal": 4,
        "raw_identifiers_looked_for": 7,
    }

    def test_kept(self, story: ModuleType) -> None:
        """
        A run in which all is accounted for keeps the promise.
        """
        figures = story.Figures(**self.KEPT)

        assert figures.kept_promise
        assert figures.broken == ()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("refused_before_choice", 8),
            ("reads_before_choice", 1),
            ("files_before_choice", 1),
            ("duplicates", 1),
            ("duplicates", -1),
            ("captured", 7),
            ("delivered", 2),
            ("destroyed_on_withdrawal", 0),
            ("after_withdrawal", 1),
            ("refused_after_withdrawal", 0),
            ("raw_identifiers_looked_for", 0),
            ("raw_identifiers_seen_by_backend", 1),
        ],
    )
    def test_broken(self, name: str, value: int, story: ModuleType) -> None:
        """
        Each single figure that is off breaks the promise.
        """
        figures = story.Figures(**{**self.KEPT, name: value})

        assert not figures.kept_promise
        assert figures.broken

    def test_nothing_happened(self, story: ModuleType) -> None:
        """
        A run in which nothing happens keeps no promise.
        """
        assert not story.Figures().kept_promise


class TestWire:
    """
    Tests for what listens in front of the backend.
    """

    def test_loses_the_first_answer_and_keeps_all(
        self, story: ModuleType, tmp_path: Path
    ) -> None:
        """
        The first batch is answered with 503 although the backend has it;
        bodies and headers of every request are kept, and what is sealed is
        read as the backend reads it.
        """
        keys = KeyRing.new(tmp_path / "keys.json")
        sent = make_batch(make_record(id=SOME_ID))
        batch = pack(evolve(sent, seal_for=keys.current.seal_key)).body

        async def backend(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b""})

        async def post(wire: Any) -> int:
            answers: list[Any] = []

            async def receive() -> Any:
                return {"type": "http.request", "body": batch}

            async def send(message: Any) -> None:
                answers.append(message)

            scope = {
                "type": "http",
                "path": "/v1/batches",
                "raw_path": b"/v1/batches",
                "query_string": b"",
                "headers": [(b"x-told", b"more")],
            }
            await wire(scope, receive, send)
            return int(answers[0]["status"])

        wire = story.Wire(backend, keys)
        assert asyncio.run(post(wire)) == 503
        assert asyncio.run(post(wire)) == 200
        assert [r["id"] for r in wire.records()] == [SOME_ID, SOME_ID]
        assert b"x-told: more" in wire.heads
