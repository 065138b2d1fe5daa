# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.receiver.app`, over HTTP.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import re
import socket
import sqlite3
import threading
import time

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from attrs import evolve

from consentkit.exceptions import StoreError
from consentkit.outbox.records import new_id
from consentkit.receiver import RequestLimits, Store, Tenants, make_app, serve
from consentkit.seal import MEDIA_TYPE, Head, KeyRing, seal
from tests.transports.conformance import (
    PLANTED,
    make_batch,
    make_erasure,
    make_record,
)


pytestmark = pytest.mark.need_extra("receiver")


class Client:
    """
    A sender that may send anything.
    """

    def get(self, path, **headers):
        """
        Give status, headers and text of an answer.
        """
        conn = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            conn.request("GET", path, headers=headers)
            got = conn.getresponse()
            return got.status, got.headers, got.read().decode()
        finally:
            conn.close()

    def numbers(self):
        """
        Give the series of ``/metrics``, by name and labels.
        """
        _, _, text = self.get("/metrics")
        lines = [x for x in text.splitlines() if not x.startswith("#")]
        return {x.rpartition(" ")[0]: float(x.split()[-1]) for x in lines}

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port

    def ask(self, method, path, body=None, headers=None):
        """
        Give status, headers and JSON of the answer.
        """
        conn = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            conn.request(method, path, body, headers or {})
            got = conn.getresponse()
            return got.status, got.headers, json.loads(got.read())
        finally:
            conn.close()

    def post(self, path, document, **headers):
        """
        Post JSON; give status and JSON of the answer.
        """
        body = document
        if not isinstance(document, bytes):
            body = json.dumps(document).encode()
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        headers = {"Content-Type": "application/json", **headers}
        status, _, answer = self.ask("POST", path, body, headers)
        return status, answer

    def batch(self, document, **headers):
        """
        Post a batch.
        """
        return self.post("/v1/batches", document, **headers)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """
    Give a receiver for tests that do not mind what is stored already.
    """
    store = Store(tmp_path_factory.mktemp("shared") / "store.db")
    with serve(
        make_app(store, limits=RequestLimits(body_bytes=100_000))
    ) as server:
        yield Client(server.url)
    store.close()


@pytest.fixture
def client(store):
    """
    Give a receiver of its own, with *store*.
    """
    with serve(make_app(store)) as server:
        yield Client(server.url)


def good(*records, **changes):
    """
    Make the document of a good batch.
    """
    return {**make_batch(*records).as_json(), **changes}


class TestBatches:
    """
    Tests for ``POST /v1/batches``.
    """

    def test_answers_for_each_record(self, client, store):
        """
        New records are stored, and each is answered for.
        """
        document = good()

        status, answer = client.batch(document)

        assert status == 200
        assert answer == {
            "batch": document["batch"],
            "outcomes": [
                {"id": one["id"], "outcome": "stored"}
                for one in document["records"]
            ],
        }
        assert store.counts().records == 2

    def test_a_replay_is_answered_as_duplicate(self, client, store):
        """
        The same batch with the same key again stores nothing.
        """
        document = good()
        key = {"Idempotency_Key": document["batch"]}
        client.batch(document, **key)

        status, answer = client.batch(document, **key)

        assert status == 200
        assert [one["outcome"] for one in answer["outcomes"]] == [
            "duplicate",
            "duplicate",
        ]
        assert store.counts().records == 2

    def test_a_bad_record_does_not_spoil_the_others(self, client, store):
        """
        The bad one is rejected with its place and its fault, the others are
        stored.
        """
        document = good(*(make_record() for _ in range(3)))
        document["records"][1]["captured_at"] = f"{PLANTED} yesterday"

        status, answer = client.batch(document)

        ids = [one["id"] for one in document["records"]]
        assert status == 200
        assert answer["outcomes"] == [
            {"id": ids[0], "outcome": "stored"},
            {"id": ids[2], "outcome": "stored"},
            {
                "id": ids[1],
                "outcome": "rejected",
                "reason": "invalid",
                "path": "$.records[1].captured_at",
                "problem": "must be an instant in UTC, "
                "as 2026-01-31T12:00:00.000Z",
            },
        ]
        assert store.counts().records == 2
        assert store.counts().rejected == 1

    def test_expired_records_are_rejected(self, client):
        """
        A record that has expired on its way is rejected with that reason.
        """
        past = datetime.now(UTC) - timedelta(days=1)
        document = good(make_record(expires_at=past))

        _, answer = client.batch(document)

        [row] = answer["outcomes"]
        assert (row["outcome"], row["reason"]) == ("rejected", "expired")

    def test_expired_records_are_deleted(self, store):
        """
        The app deletes by itself what expires.
        """
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        app = make_app(store, purge_seconds=0.05)
        with serve(app) as server:
            Client(server.url).batch(good(make_record(expires_at=soon)))
            assert store.counts().records == 1
            deadline = time.monotonic() + 10
            while store.counts().records:
                assert time.monotonic() < deadline
                time.sleep(0.05)

        assert store.counts().expired == 1

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("function", ""),
            ("function", "a\nb"),
            ("function", "\ud83d"),
            ("function", "x" * 257),
            ("function", 7),
            ("data_type", None),
            ("purpose", []),
            ("recipient", "somebody else"),
            ("protection", {}),
            ("policy_version", True),
            ("class", "secret"),
            ("class", ["anonymous"]),
            ("class", "anonymous"),
            ("class", "de_identified"),
            ("value", 1e999),
            ("value", [[[{"a": float("inf")}]]]),
            ("captured_at", "2026-01-31"),
            ("captured_at", "2026-02-30T00:00:00Z"),
            ("captured_at", "2026-01-31T12:00:00+02:00"),
            ("captured_at", "2026-01-31T12:00:00"),
            ("captured_at", "２０２６-01-31T12:00:00Z"),
            ("expires_at", 1769860800),
            ("consent", "AB" * 32),
            ("consent", "ab" * 31),
        ],
    )
    def test_each_field_of_a_record_is_checked(self, shared, field, value):
        """
        A faulty field is named by its path, and its value is not repeated.
        """
        document = good(make_record())
        document["records"][0][field] = value
        body = json.dumps(document).replace("Infinity", "1e999").encode()

        status, answer = shared.batch(body)

        [row] = answer["outcomes"]
        assert status == 200
        assert row["outcome"] == "rejected"
        assert row["path"] == f"$.records[0].{field}"
        assert row["problem"]

    def test_a_worse_class_is_taken(self, shared):
        """
        A sender may call a value less than its protection gives.
        """
        status, answer = shared.batch(
            good(make_record(privacy_class="personal"))
        )

        [row] = answer["outcomes"]
        assert (status, row["outcome"]) == (200, "stored")

    def test_deep_values_are_rejected(self, shared):
        """
        A value nested beyond reason is rejected.
        """
        deep: object = 1
        for _ in range(40):
            deep = [deep]

        _, answer = shared.batch(good(make_record(value=deep)))

        assert answer["outcomes"][0]["path"] == "$.records[0].value"

    @pytest.mark.parametrize("key", ["function", "value", "class"])
    def test_missing_fields_are_named(self, shared, key):
        """
        A field that is missing is named.
        """
        document = good(make_record())
        del document["records"][0][key]

        _, answer = shared.batch(document)

        [row] = answer["outcomes"]
        assert row["path"] == f"$.records[0].{key}"
        assert row["problem"] == "is missing"

    def test_fields_that_are_not_known(self, shared):
        """
        A field beyond the format is a fault, and its name is not repeated.
        """
        document = good(make_record())
        document["records"][0][PLANTED] = 1

        _, answer = shared.batch(document)

        assert answer["outcomes"][0]["path"] == "$.records[0]"
        assert PLANTED not in json.dumps(answer, ensure_ascii=False)

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"format": 2}, "$.format"),
            ({"format": True}, "$.format"),
            ({"format": 1.0}, "$.format"),
            ({"batch": "x"}, "$.batch"),
            ({"batch": new_id().upper()}, "$.batch"),
            ({"recipient": ""}, "$.recipient"),
            ({"erase": "zz" * 32}, "$.erase"),
            ({"records": []}, "$.records"),
            ({"records": {}}, "$.records"),
            ({"records": [7]}, "$.records[0].id"),
            ({"records": [{"id": 7}]}, "$.records[0].id"),
            ({"records": [{"id": "../x"}]}, "$.records[0].id"),
            ({PLANTED: 1}, "$"),
        ],
        ids=range(13),
    )
    def test_a_faulty_batch_is_refused_as_a_whole(self, shared, changes, path):
        """
        The answer is 400 with one error that names the place.
        """
        status, answer = shared.batch(good(**changes))

        assert status == 400
        assert answer["error"]["path"] == path
        assert answer["error"]["problem"]
        assert PLANTED not in json.dumps(answer, ensure_ascii=False)

    def test_an_id_twice_is_refused(self, shared):
        """
        Two records of one id in a batch could not be answered for.
        """
        record = make_record()

        status, answer = shared.batch(good(record, record))

        assert status == 400
        assert answer["error"]["path"] == "$.records[1].id"

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"\xff",
            b"[]",
            b"7",
            b'{"format": NaN}',
            b"[" * 50_000,
            b"1" * 5000,
        ],
    )
    def test_what_is_no_json_object_is_refused(self, shared, body):
        """
        The answer is 400 with one error at the root.
        """
        status, answer = shared.batch(body)

        assert status == 400
        assert answer["error"]["path"].startswith("$")

    def test_another_key_than_the_id_is_refused(self, shared):
        """
        The key in the header must be that in the body.
        """
        status, answer = shared.batch(good(), Idempotency_Key=new_id())

        assert status == 400
        assert "Idempotency-Key" in answer["error"]["problem"]

    @pytest.mark.parametrize(
        "headers",
        [
            {"Content_Type": "text/plain"},
            {"Content_Type": ""},
            {"Content_Encoding": "gzip"},
        ],
        ids=range(3),
    )
    def test_another_type_is_refused(self, shared, headers):
        """
        What is not plain JSON by its header is refused with 415.
        """
        status, answer = shared.batch(good(), **headers)

        assert status == 415
        assert "application/json" in answer["error"]["problem"]

    def test_too_large_a_body(self, shared):
        """
        A body over the bound is refused with 413, and the sender learns it
        even if it writes on.
        """
        status, answer = shared.batch(b" " * 10_000_000)

        assert status == 413
        assert "100000 bytes" in answer["error"]["problem"]

    def test_a_body_at_the_bound(self, shared):
        """
        A body of just the bound is read.
        """
        document = good(make_record(value=""))
        spare = 100_000 - len(json.dumps(document))
        document["records"][0]["value"] = "x" * spare

        status, _ = shared.batch(document)

        assert status == 200


class TestErasures:
    """
    Tests for ``POST /v1/erasures``.
    """

    @pytest.mark.obligation("WP-BIND-4")
    def test_erases_and_bars(self, client, store):
        """
        Records of the grant go, and later ones are rejected.
        """
        other = make_batch(token="33" * 32)
        client.batch(good())
        client.batch(other.as_json())
        erasure = make_erasure()

        status, answer = client.post("/v1/erasures", erasure.as_json())
        _, late = client.batch(good())

        assert status == 200
        assert answer == {
            "erasure": erasure.id,
            "outcome": "erased",
            "records": 2,
        }
        assert [(r["outcome"], r["reason"]) for r in late["outcomes"]] == [
            ("rejected", "erased"),
            ("rejected", "erased"),
        ]
        left = {one.record.id for one in store.records()}
        assert left == {one.id for one in other.records}

    def test_again_is_already_done(self, client):
        """
        The same request again is answered as done, with the same number.
        """
        client.batch(good())
        erasure = make_erasure().as_json()
        client.post("/v1/erasures", erasure)

        status, answer = client.post("/v1/erasures", erasure)

        assert status == 200
        assert (answer["outcome"], answer["records"]) == ("already", 2)

    def test_another_token_erases_nothing(self, client, store):
        """
        Only the token that the batches were bound to entitles.
        """
        client.batch(good())

        _, answer = client.post(
            "/v1/erasures", make_erasure("12" * 32).as_json()
        )

        assert answer["records"] == 0
        assert store.counts().records == 2

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"format": 0}, "$.format"),
            ({"erasure": "x"}, "$.erasure"),
            ({"recipient": 7}, "$.recipient"),
            ({"token": "ab"}, "$.token"),
            ({"token": None}, "$.token"),
            ({"requested_at": "now"}, "$.requested_at"),
            ({"more": 1}, "$"),
        ],
        ids=range(7),
    )
    def test_each_field_is_checked(self, shared, changes, path):
        """
        A faulty request is refused with one error that names the place.
        """
        document = {**make_erasure().as_json(), **changes}

        status, answer = shared.post("/v1/erasures", document)

        assert status == 400
        assert answer["error"]["path"] == path


class TestToken:
    """
    Tests for the bearer token.
    """

    @pytest.mark.parametrize(
        ("shown", "status"),
        [
            ({}, 401),
            ({"Authorization": ""}, 401),
            ({"Authorization": "Bearer"}, 401),
            ({"Authorization": "Bearer s3cre"}, 401),
            ({"Authorization": "Bearer s3crett"}, 401),
            ({"Authorization": "Basic s3cret"}, 401),
            ({"Authorization": "s3cret"}, 401),
            ({"Authorization": "Bearer é"}, 401),
            ({"Authorization": "Bearer s3cret"}, 200),
        ],
        ids=range(9),
    )
    @pytest.mark.parametrize("path", ["/v1/batches", "/v1/erasures"])
    def test_is_asked_for(self, store, path, shown, status):
        """
        Without the right token nothing is stored or erased.
        """
        batch = make_batch()
        with serve(make_app(store, token="s3cret")) as server:
            client = Client(server.url)
            document = batch if "batch" in path else make_erasure()
            got, answer = client.post(path, document.as_json(), **shown)

        assert got == status
        if status == 401:
            assert "token" in answer["error"]["problem"]
            assert "s3cret" not in str(answer)
            assert store.counts().records == 0
            assert store.counts().erasures == 0

    def test_health_needs_none(self, store):
        """
        Whether it is well can be asked without the token.
        """
        with serve(make_app(store, token="s3cret")) as server:
            status, _, answer = Client(server.url).ask("GET", "/v1/health")

        assert (status, answer) == (200, {"status": "ok", "format": 1})


class TestTrouble:
    """
    Tests for what goes wrong.
    """

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/", 404),
            ("POST", "/batches", 404),
            ("GET", "/v1/batches", 405),
            ("DELETE", "/v1/erasures", 405),
            ("POST", "/v1/health", 405),
        ],
    )
    def test_other_routes(self, shared, method, path, status):
        """
        Where nothing is, the routes are named.
        """
        got, _, answer = shared.ask(method, path)

        assert got == status
        assert "/v1/batches" in answer["error"]["problem"]

    def test_a_store_that_cannot_be_used(self, client, store, caplog):
        """
        The answer is 503 with a pause, for senders to try again; no value
        gets into a log.
        """
        caplog.set_level(logging.DEBUG)
        with sqlite3.connect(store.path) as raw:
            raw.execute("DROP TABLE erased")
        raw.close()

        body = json.dumps(good()).encode()
        kind = {"Content-Type": "application/json"}
        asked = [
            client.ask("POST", "/v1/batches", body, kind),
            client.ask("GET", "/v1/health"),
        ]

        for status, headers, answer in asked:
            assert status == 503
            assert int(headers["Retry-After"]) > 0
            assert answer["error"]["problem"]
        assert PLANTED not in caplog.text

    def test_a_failure_of_its_own(self, store, caplog):
        """
        The answer is 500 in JSON, and neither it nor a log shows more.
        """
        caplog.set_level(logging.DEBUG)

        class Broken(Store):
            def put(self, batch, **options):
                raise ZeroDivisionError(PLANTED)

        broken = Broken(store.path)
        with serve(make_app(broken)) as server:
            status, answer = Client(server.url).batch(good())
        broken.close()

        assert status == 500
        assert answer["error"] == {
            "path": "",
            "problem": "the receiver failed",
        }
        assert PLANTED not in caplog.text


def report(**changes):
    """
    Make the document of a drop report.
    """
    return {
        "format": 1,
        "report": new_id(),
        "recipient": "controller",
        "from": "2026-11-20T12:00:00.000+00:00",
        "to": "2026-11-20T13:00:00.000+00:00",
        "drops": [
            {"function": "improve", "reason": "expired", "count": 3},
            {"function": "improve", "reason": "outbox_full", "count": 40},
        ],
        **changes,
    }


class TestDrops:
    """
    Tests for ``POST /v1/drops``.
    """

    def test_are_kept_once(self, client, store):
        """
        A report is stored, and called a duplicate when it comes again.
        """
        document = report()

        first = client.post("/v1/drops", document)
        second = client.post(
            "/v1/drops", document, Idempotency_Key=document["report"]
        )

        answer = {"report": document["report"], "outcome": "stored"}
        assert first == (200, answer)
        assert second == (200, {**answer, "outcome": "duplicate"})
        (kept,) = store.drops()
        assert kept.id == document["report"]
        assert [(d.function, d.reason, d.count) for d in kept.drops] == [
            ("improve", "expired", 3),
            ("improve", "outbox_full", 40),
        ]

    @pytest.mark.parametrize(
        ("changes", "path"),
        [
            ({"format": 2}, "$.format"),
            ({"report": "x"}, "$.report"),
            ({"recipient": ""}, "$.recipient"),
            ({"from": "now"}, "$.from"),
            ({"to": "2026-11-20T11:59:59Z"}, "$.to"),
            ({"drops": []}, "$.drops"),
            ({"drops": {}}, "$.drops"),
            ({"drops": [7]}, "$.drops[0]"),
            (
                {"drops": [{"function": "f", "reason": "full"}]},
                "$.drops[0].count",
            ),
            ({"more": 1}, "$"),
        ],
        ids=range(10),
    )
    def test_each_field_is_checked(self, shared, changes, path):
        """
        A faulty report is refused with one error that names the place.
        """
        status, answer = shared.post("/v1/drops", report(**changes))

        assert (status, answer["error"]["path"]) == (400, path)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("function", ""),
            ("reason", "Disk full"),
            ("reason", "x" * 65),
            ("reason", 1),
            ("count", 0),
            ("count", -1),
            ("count", 1.0),
            ("count", True),
            ("count", 2**53),
            ("more", 1),
        ],
    )
    def test_each_field_of_a_drop_is_checked(self, shared, field, value):
        """
        A faulty drop is named by its place.
        """
        document = report()
        document["drops"][1][field] = value

        status, answer = shared.post("/v1/drops", document)

        where = "$.drops[1]" + ("" if field == "more" else f".{field}")
        assert (status, answer["error"]["path"]) == (400, where)

    def test_a_drop_twice(self, shared):
        """
        One function and reason comes once in a report.
        """
        document = report()
        document["drops"] *= 2

        status, answer = shared.post("/v1/drops", document)

        assert (status, answer["error"]["path"]) == (400, "$.drops[2]")

    def test_are_opened(self, store, tmp_path):
        """
        A report may be sealed; its head has to say what is in it.
        """
        ring = KeyRing.new(tmp_path / "keys.json")
        document = report()
        body = json.dumps(document).encode()
        head = Head(
            kind="drops",
            id=document["report"],
            recipient=document["recipient"],
        )
        other = evolve(head, kind="erasure")

        with serve(make_app(store, keys=ring, sealed_only=True)) as server:
            client = Client(server.url)
            statuses = [
                client.post("/v1/drops", sealed, Content_Type=MEDIA_TYPE)[0]
                for sealed in (
                    seal(body, head, ring.current.seal_key),
                    seal(body, other, ring.current.seal_key),
                    body,
                )
            ]

        assert statuses == [200, 400, 400]
        assert len(store.drops()) == 1


class TestWatching:
    """
    Tests for what those ask who watch.
    """

    def test_live_and_ready(self, client):
        """
        A receiver with a store is live and ready.
        """
        assert client.ask("GET", "/healthz")[::2] == (200, {"status": "ok"})
        assert client.ask("GET", "/readyz")[::2] == (
            200,
            {"status": "ok", "format": 1},
        )

    def test_live_and_not_ready(self, client, store):
        """
        Without its store it lives, and is not ready.
        """
        with sqlite3.connect(store.path) as raw:
            raw.execute("DROP TABLE erased")
        raw.close()

        assert client.ask("GET", "/healthz")[0] == 200
        assert client.ask("GET", "/readyz")[0] == 503
        series = client.numbers()
        assert series["consentkit_receiver_store_failures_total"] == 1

    def test_numbers(self, client):
        """
        What became of all that came is counted by words that stand in the
        code, and no label holds anything of it.
        """
        document = good()
        client.batch(document)
        client.batch(document)
        past = datetime.now(UTC) - timedelta(days=1)
        client.batch(good(make_record(expires_at=past)))
        bad = good(make_record())
        bad["records"][0]["value"] = 1e999
        client.batch(json.dumps(bad).replace("Infinity", "1e999").encode())
        client.batch(b"{")
        client.post("/v1/erasures", make_erasure().as_json())
        client.batch(good())
        client.post("/v1/drops", report())
        odd = report(drops=[{"function": "f", "reason": "mine", "count": 7}])
        client.post("/v1/drops", odd)
        client.ask("GET", "/nowhere")

        series = {
            name.removeprefix("consentkit_receiver_"): number
            for name, number in client.numbers().items()
        }

        def of(name):
            return {k: v for k, v in series.items() if k.startswith(name)}

        assert of("records_total") == {
            'records_total{outcome="duplicate",reason=""}': 2,
            'records_total{outcome="rejected",reason="erased"}': 2,
            'records_total{outcome="rejected",reason="expired"}': 1,
            'records_total{outcome="rejected",reason="invalid"}': 1,
            'records_total{outcome="stored",reason=""}': 2,
        }
        assert of("requests_total") == {
            'requests_total{route="batches",status="200"}': 5,
            'requests_total{route="batches",status="400"}': 1,
            'requests_total{route="drops",status="200"}': 2,
            'requests_total{route="erasures",status="200"}': 1,
            'requests_total{route="other",status="404"}': 1,
        }
        assert of("erasures_total") == {'erasures_total{outcome="erased"}': 1}
        assert series["erased_records_total"] == 2
        assert of("dropped_records_total") == {
            'dropped_records_total{reason="expired"}': 3,
            'dropped_records_total{reason="other"}': 7,
            'dropped_records_total{reason="outbox_full"}': 40,
        }
        assert series["requests_in_flight"] == 0
        for name in ("request_seconds", "request_bytes"):
            assert series[f'{name}_count{{route="batches"}}'] == 6
            assert series[f'{name}_bucket{{route="batches",le="+Inf"}}'] == 6
        sizes = [v for k, v in series.items() if 'bytes_bucket{route="b' in k]
        assert sizes == sorted(sizes)
        text = client.get("/metrics")[2]
        assert PLANTED not in text
        assert document["batch"] not in text

    def test_numbers_are_read_by_prometheus_rules(self, client):
        """
        Each series has its help and its type before it, in the text format.
        """
        client.batch(good())

        status, headers, text = client.get("/metrics")

        assert status == 200
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert text.endswith("\n")
        kinds = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                kinds[name] = kind
            elif not line.startswith("#"):
                name = line.partition("{")[0].split()[0]
                base = re.sub("_(bucket|sum|count)$", "", name)
                assert kinds.get(name) in {"counter", "gauge"} or (
                    kinds[base] == "histogram"
                )
        assert all(
            name.endswith("_total") == (kind == "counter")
            for name, kind in kinds.items()
        )

    def test_numbers_behind_a_token(self, store):
        """
        With a token for the numbers nobody reads them without.
        """
        app = make_app(store, token="s3cret", metrics_token="w4tch")
        with serve(app) as server:
            client = Client(server.url)
            without = client.get("/metrics")
            senders = client.get("/metrics", Authorization="Bearer s3cret")
            ours = client.get("/metrics", Authorization="Bearer w4tch")

        assert [one[0] for one in (without, senders, ours)] == [401, 401, 200]

    def test_describes_itself(self, client):
        """
        ``/openapi.json`` names each route, and no other.
        """
        _, _, found = client.ask("GET", "/openapi.json")

        assert found["openapi"] == "3.1.0"
        for path, item in found["paths"].items():
            for method in item:
                status, _, _ = client.get(path)
                assert status == (405 if method == "post" else 200)
        _, _, answer = client.ask("GET", "/nowhere")
        named = re.findall(r"/[\w./]+", answer["error"]["problem"])
        assert sorted(named) == sorted(found["paths"])


class TestLimits:
    """
    Tests for the bounds of a request.
    """

    def test_too_many_records(self, store):
        """
        A batch of more records than the bound is refused as too large, so
        that the sender sends less.
        """
        app = make_app(store, limits=RequestLimits(records=2))
        with serve(app) as server:
            client = Client(server.url)
            most = client.batch(good())
            more = client.batch(good(*(make_record() for _ in range(3))))

        assert most[0] == 200
        assert more[0] == 413
        assert "2 records" in more[1]["error"]["problem"]
        assert store.counts().records == 2

    def test_too_many_at_a_time(self, store):
        """
        A request beyond the bound is asked to come again; when another one
        has been answered it is taken.
        """
        entered, leave = threading.Event(), threading.Event()

        class Slow(Store):
            def put(self, batch, **options):
                entered.set()
                assert leave.wait(30)
                return super().put(batch, **options)

        slow = Slow(store.path)
        app = make_app(slow, limits=RequestLimits(requests=1, pause_seconds=7))
        answers = []
        with serve(app) as server:
            client = Client(server.url)
            first = threading.Thread(
                target=lambda: answers.append(client.batch(good()))
            )
            first.start()
            assert entered.wait(30)
            body = json.dumps(good(*map(grant, range(500)))).encode()
            kind = {"Content-Type": "application/json"}
            status, headers, answer = client.ask(
                "POST", "/v1/batches", body, kind
            )
            leave.set()
            first.join(30)
            again, _ = client.batch(body)
        slow.close()

        assert status == 503
        assert headers["Retry-After"] == "7"
        assert "too many" in answer["error"]["problem"]
        assert answers[0][0] == 200
        assert again == 200

    def test_a_body_that_does_not_come(self, store):
        """
        A sender that stops in the middle is answered in time.
        """
        app = make_app(store, limits=RequestLimits(body_seconds=0.2))
        with (
            serve(app) as server,
            socket.create_connection(("127.0.0.1", server.port), 20) as sock,
        ):
            sock.sendall(
                b"POST /v1/batches HTTP/1.1\r\nHost: x\r\n"
                b"Content-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
            said = sock.recv(65536)

        assert said.startswith(b"HTTP/1.1 408 ")

    @pytest.mark.parametrize("head", [b"", b"POST /v1/batches HTTP/1.1\r\n"])
    def test_a_head_that_does_not_come(self, store, head):
        """
        A connection that says nothing, or half a head, is ended in time.
        """
        limits = RequestLimits(head_seconds=0.2)
        with (
            serve(make_app(store), limits=limits) as server,
            socket.create_connection(("127.0.0.1", server.port), 20) as sock,
        ):
            sock.sendall(head)
            assert sock.recv(65536) == b""

    @pytest.mark.parametrize("name", ["records", "body_seconds", "requests"])
    @pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
    def test_a_bound_is_a_positive_number(self, name, value):
        """
        What bounds nothing, or everything, is refused.
        """
        with pytest.raises(ValueError, match=name):
            RequestLimits(**{name: value})


def grant(_):
    """
    Make a record.
    """
    return make_record()


class TestTenants:
    """
    Tests for tokens of several senders.
    """

    TOKENS = ("maker-token", "other-token", "any-token")

    @pytest.fixture
    def file(self, tmp_path):
        """
        Give a file with three tenants.
        """
        maker, other, anybody = (
            hashlib.sha256(one.encode()).hexdigest() for one in self.TOKENS
        )
        path = tmp_path / "tenants.toml"
        path.write_text(
            f'[maker]\nsha256 = ["{maker}"]\nrecipients = ["controller"]\n'
            f'[other]\nsha256 = ["{other}"]\nrecipients = ["somebody"]\n'
            f'[any]\nsha256 = ["{anybody}"]\n'
        )
        return path

    @pytest.mark.parametrize(
        ("token", "status"),
        [
            ("maker-token", 200),
            ("other-token", 403),
            ("any-token", 200),
            ("no-token", 401),
            ("", 401),
        ],
    )
    @pytest.mark.parametrize("route", ["batches", "erasures", "drops"])
    def test_each_brings_its_own(self, store, file, route, token, status):
        """
        A token is good for the recipients of its tenant, and nothing is
        stored, erased or noted for another one.
        """
        documents = {
            "batches": good(),
            "erasures": make_erasure().as_json(),
            "drops": report(),
        }
        with serve(make_app(store, tenants=Tenants(file))) as server:
            got, answer = Client(server.url).post(
                f"/v1/{route}",
                documents[route],
                Authorization=f"Bearer {token}",
            )

        assert got == status
        counts = store.counts()
        done = [counts.records, counts.erasures, len(store.drops())]
        assert any(done) == (status == 200)
        if status == 403:
            assert answer["error"]["path"] == "$.recipient"
            assert "controller" not in str(answer)

    def test_beside_the_one_token(self, store, file):
        """
        The one token of all goes on beside those of tenants.
        """
        app = make_app(store, token="s3cret", tenants=Tenants(file))
        with serve(app) as server:
            client = Client(server.url)
            for token in ("s3cret", "maker-token"):
                shown = f"Bearer {token}"
                assert client.batch(good(), Authorization=shown)[0] == 200

    def test_a_token_is_taken_out(self, file):
        """
        A tenant that is taken out of the file is refused soon, and one that
        is put in is taken; a file that is half written changes nothing.
        """
        tenants = Tenants(file)
        assert tenants.of("maker-token").name == "maker"
        text = file.read_text()

        def look_again():
            tenants._until = 0.0  # as if a second had passed

        file.write_text(f"{text.partition('[other]')[0]}[other")
        look_again()
        assert tenants.of("other-token").name == "other"
        file.write_text(f"[other]{text.partition('[other]')[2]}")
        look_again()
        assert tenants.of("maker-token") is None
        file.write_text(text)
        look_again()
        assert tenants.of("maker-token").name == "maker"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "no tenant"),
            ("[", "not TOML"),
            ("a = 1", "a: must have"),
            ('[a]\nsha256 = ["xyz"]', "a.sha256"),
            ('[a]\nsha256 = "ab"', "a.sha256"),
            ("[a]\nrecipients = [1]", "a.recipients"),
            ("[a]\ntoken = 's3cret'", "a: must have"),
            (f'[a]\nsha256 = ["{"a" * 64}", "{"a" * 64}"]', "comes twice"),
        ],
        ids=range(8),
    )
    def test_a_faulty_file(self, tmp_path, text, problem):
        """
        A file of another form is named, with its fault.
        """
        path = tmp_path / "tenants.toml"
        path.write_text(text)

        with pytest.raises(StoreError, match=problem) as told:
            Tenants(path)
        assert "s3cret" not in str(told.value)

    def test_no_file(self, tmp_path):
        """
        A file that is not there is named.
        """
        with pytest.raises(StoreError, match="cannot be read"):
            Tenants(tmp_path / "gone.toml")
