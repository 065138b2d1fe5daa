# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.receiver.app`, over HTTP.
"""

from __future__ import annotations

import http.client
import json
import logging
import sqlite3
import time

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from consentkit.outbox.records import new_id
from consentkit.receiver import Store, make_app, serve
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
    with serve(make_app(store, max_body_bytes=100_000)) as server:
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
