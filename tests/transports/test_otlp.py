# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.otlp`.

A real collector is a program of its own, in Go. In its place stands a server
that reads each request with OpenTelemetry's own Protobuf messages, as they
say that OTLP is to be read, and answers as the specification has it.
"""

from __future__ import annotations

import json
import os
import socket
import threading

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from attrs import evolve

from consentkit.exceptions import TransportError
from consentkit.seal import make_open_key
from consentkit.testing import (
    Arrived,
    BadTransportConformance,
    TransportConformance,
    logged,
)
from consentkit.transports import Outcome, transport_from_url
from consentkit.transports.otlp import OTLPTransport
from tests.faults.support import open_kit, tick
from tests.needs import need_extra
from tests.transports.conformance import (
    PLANTED,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.servers import RawServer, answer, linger, say


DELIVERED, REJECTED, RETRY = (
    Outcome.DELIVERED,
    Outcome.REJECTED,
    Outcome.RETRY,
)

need_extra("opentelemetry")


def read_logs(body):
    """
    Read a request, strictly, and give resource, scope and log records.
    """
    from google.protobuf.json_format import Parse
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

    request = Parse(body, logs_service_pb2.ExportLogsServiceRequest())
    [resource] = request.resource_logs
    [scope] = resource.scope_logs
    return resource.resource, scope.scope, list(scope.log_records)


def plain(value):
    """
    Give the Python value of an ``AnyValue``.
    """
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return named(value.kvlist_value.values)
    return getattr(value, kind)


def named(pairs):
    """
    Give attributes by their names, each of which is there once.
    """
    found = {one.key: plain(one.value) for one in pairs}
    assert len(found) == len(pairs)
    return found


def instant(nanos):
    """
    Write an instant as records have it.
    """
    at = datetime.fromtimestamp(nanos // 10**9, UTC)
    at = at.replace(microsecond=nanos % 10**9 // 1000)
    return at.isoformat(timespec="milliseconds")


def batch_of(id_, rows):
    """
    Put the batch together that log records were made of.
    """
    records, erases = [], set()
    for row in rows:
        fields = named(row.attributes)
        record = {"id": fields.pop("log.record.uid")}
        record |= {
            name.removeprefix("consentkit."): text
            for name, text in fields.items()
        }
        erases.add(record.pop("erase"))
        record["value"] = plain(row.body)
        record["captured_at"] = instant(row.time_unix_nano)
        records.append(record)
    [erase] = erases
    return {
        "format": 1,
        "batch": id_,
        "recipient": records[0]["recipient"],
        "erase": erase,
        "records": records,
    }


def document_of(request):
    """
    Put the batch or the request to erase together that was posted.
    """
    _, _, rows = read_logs(request.body)
    id_ = request.headers["Idempotency-Key"]
    if rows[0].event_name == "consentkit.record":
        return batch_of(id_, rows)
    [row] = rows
    fields = named(row.attributes)
    assert row.event_name == "consentkit.erasure"
    assert fields["log.record.uid"] == id_
    digest = sha256(bytes.fromhex(fields["consentkit.token"])).hexdigest()
    assert fields["consentkit.erase"] == digest
    return {
        "format": 1,
        "erasure": id_,
        "recipient": fields["consentkit.recipient"],
        "token": fields["consentkit.token"],
        "requested_at": instant(row.time_unix_nano),
    }


def take(conn, request):
    """
    Be a collector that takes everything.
    """
    assert request.headers["Content-Type"] == "application/json"
    read_logs(request.body)
    conn.sendall(answer({"partialSuccess": {}}))


def otlp(server: RawServer) -> str:
    """
    Give the URL of a server as one of OTLP.
    """
    return f"otlp+{server.url.removesuffix('/v1')}"


@pytest.fixture
def send(serve_raw):
    """
    Give what sends one batch or request to a server with a script.
    """

    def start(script, what=None, **options):
        with OTLPTransport(otlp(serve_raw(script)), **options) as made:
            what = what or make_batch()
            is_batch = hasattr(what, "records")
            return made.send(what) if is_batch else made.erase(what)

    return start


class TestConformance(TransportConformance):
    """
    `OTLPTransport` keeps what every transport has to keep, but for what OTLP
    does not have.
    """

    @pytest.fixture(autouse=True)
    def _server(self, serve_raw):
        self.server = serve_raw(take)

    def make_transport(self):
        """
        Make a transport to the collector.
        """
        return OTLPTransport(otlp(self.server))

    def received(self):
        """
        Put together what was posted, the first of each id.
        """
        found = {}
        for request in self.server.requests:
            document = document_of(request)
            id_ = request.headers["Idempotency-Key"]
            body = json.dumps(document).encode()
            found.setdefault(id_, Arrived(id=id_, body=body))
        return list(found.values())

    def test_keeps_the_promise_of_the_base(self):
        """
        It sends no parcels, and says so.
        """
        assert not self.make_transport().seals
        for name in ("send", "erase"):
            assert name not in vars(OTLPTransport)

    @pytest.mark.obligation("WP-DENC-1")
    def test_delivers_envelopes(self):
        """
        What is to be sealed is not sent: OTLP has no place for it.
        """
        key = make_open_key(1).seal_key
        with self.make_transport() as transport:
            answers = [
                transport.send(evolve(make_batch(), seal_for=key)),
                transport.erase(evolve(make_erasure(), seal_for=key)),
            ]
        for one in answers:
            assert set(outcomes(one)) == {RETRY}
            assert "cannot send envelopes" in one.problem
        assert self.server.connections == 0

    def test_odd_text(self):
        """
        Text of any kind is delivered; half a surrogate pair, which Protobuf
        does not have, as a question mark.
        """
        odd = "\u2028 \x7f 猫 \U0001f600 \ud83d \\ud83d \x00"
        batch = make_batch(make_record(value={"a\nb": odd}))
        with self.make_transport() as transport:
            answers = self._sent(transport, [batch])
        assert outcomes(answers[0]) == [DELIVERED]
        [arrived] = self.received()
        [record] = arrived.document["records"]
        assert record["value"] == {"a\nb": odd.replace("\ud83d", "?")}


class TestTLS(TestConformance):
    """
    Over TLS too.
    """

    @pytest.fixture(autouse=True)
    def _server(self, serve_raw, certificates):
        self.certificates = certificates
        self.server = serve_raw(take, tls=certificates)

    def make_transport(self):
        """
        Make a transport that trusts the collector's authority.
        """
        ca = self.certificates / "ca.pem"
        return OTLPTransport(otlp(self.server), verify=ca)

    @pytest.mark.obligation("GP-PROT-1")
    def test_another_host_s_certificate(self, serve_raw, other_certificates):
        """
        A certificate for another name is refused before anything leaves.
        """
        server = serve_raw(take, tls=other_certificates)
        ca = other_certificates / "ca.pem"
        with OTLPTransport(otlp(server), verify=ca) as transport:
            reply = transport.send(make_batch())
        assert outcomes(reply) == [RETRY] * 2
        assert "certificate" in reply.problem
        assert server.requests == []


class TestBadCollector(BadTransportConformance):
    """
    And where the collector is gone, hangs, or is something else.
    """

    within_seconds = 10.0

    @pytest.fixture(
        autouse=True,
        params=["gone", "silent", "nonsense", "portal", "another API"],
    )
    def _server(self, request, serve_raw):
        if request.param == "gone":
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            self.url = f"otlp+http://127.0.0.1:{port}"
            return
        script = {
            "silent": linger,
            "nonsense": lambda conn, _: conn.sendall(b"\x15\x03\x03\r\n\r\n"),
            "portal": say(
                b"<p>Sign in first", headers="Content-Type: text/html\r\n"
            ),
            "another API": say({"status": "ok"}),
        }[request.param]
        self.url = otlp(serve_raw(script))

    def make_transport(self):
        """
        Make a transport to it.
        """
        return OTLPTransport(self.url, timeout_seconds=0.4)


class TestURL:
    """
    Tests for the addresses that an `OTLPTransport` takes.
    """

    @pytest.mark.parametrize(
        "url",
        [
            "otlp+https://otel.example.com",
            "otlp+https://otel.example.com:4318/otlp/",
            "otlp+http://127.0.0.1:4318",
            "otlp+http://[::1]:4318",
        ],
    )
    def test_is_taken(self, url):
        """
        TLS to anywhere and no TLS to this machine are taken.
        """
        made = transport_from_url(url)
        assert isinstance(made, OTLPTransport)
        assert url.startswith(made.name)
        assert repr(made) == f"<OTLPTransport {made.name}>"

    @pytest.mark.obligation("WP-ENC-1", "GP-PROT-1")
    def test_without_tls(self):
        """
        Without encryption nothing goes to another machine.
        """
        with pytest.raises(TransportError, match=r"use otlp\+https://"):
            OTLPTransport("otlp+http://otel.example.com:4318")

    @pytest.mark.parametrize(
        "url",
        [
            "https://otel.example.com",
            "otlp+https://me:hunter2@otel.example.com",
            "otlp+https://otel.example.com/?key=hunter2",
            "otlp+https:hunter2",
            "otlp://hunter2",
            "",
        ],
    )
    def test_others_are_refused(self, url):
        """
        Another form is refused, and not repeated.
        """
        with pytest.raises(TransportError) as caught:
            OTLPTransport(url)
        assert "hunter2" not in str(caught.value)


class TestOptions:
    """
    Tests for what an `OTLPTransport` is made with.
    """

    def test_headers_and_service(self, serve_raw):
        """
        Headers of the app go beside ours, and its name into the resource.
        """
        server = serve_raw(take)
        with OTLPTransport(
            otlp(server),
            headers={"X-Api-Key": "k3y"},
            service_name="notes",
            token="t0ken",
        ) as transport:
            assert transport.send(make_batch()).problem == ""
        [request] = server.requests
        assert request.line == "POST /v1/logs HTTP/1.1"
        assert request.headers["X-Api-Key"] == "k3y"
        assert request.headers["Authorization"] == "Bearer t0ken"
        resource, scope, _ = read_logs(request.body)
        assert named(resource.attributes) == {"service.name": "notes"}
        assert scope.name == "consentkit"

    @pytest.mark.parametrize(
        ("headers", "said"),
        [
            ({"a b": "hunter2"}, "name of a header"),
            ({"": "hunter2"}, "name of a header"),
            ({"X-Key": "hunter2\r\nX: y"}, "value of X-Key"),
            ({"X-Key": ""}, "value of X-Key"),
            ({"content-TYPE": "hunter2"}, "content-TYPE is not yours"),
            ({"Host": "hunter2"}, "Host is not yours"),
            ({"X-Key": "hunter2", "x-key": "b"}, "x-key is given twice"),
            ({"authorization": "hunter2"}, "authorization is given twice"),
        ],
    )
    def test_headers_that_cannot_be_sent(self, headers, said):
        """
        A header that could not be sent, or is ours, is named; its value is
        not repeated.
        """
        with pytest.raises(TransportError, match=said) as caught:
            OTLPTransport(
                "otlp+https://otel.example.com", headers=headers, token="t"
            )
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("name", ["", "a\nb"])
    def test_service_names_that_are_none(self, name):
        """
        The name of the service is a text.
        """
        with pytest.raises(TransportError, match="service_name"):
            OTLPTransport("otlp+https://a.example", service_name=name)

    def test_no_secret_is_shown(self, send):
        """
        Neither token nor headers nor what was sent get into a problem, a
        repr or a log.
        """
        script = say({"code": 16, "message": PLANTED}, status="401 No")
        with logged() as log:
            reply = send(script, token="t0ken-9", headers={"X-Key": "k3y-9"})
        assert "check the token" in reply.problem
        shown = f"{reply} {log}"
        for secret in ("t0ken-9", "k3y-9", PLANTED):
            assert secret not in shown


class TestRequest:
    """
    Tests for what leaves.
    """

    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            False,
            0,
            2**63 - 1,
            -(2**63),
            4.25,
            1e300,
            "",
            [],
            {},
            [None, [{"a": [1, "b"]}]],
            {"a": None, "b": {"c": False}},
        ],
        ids=repr,
    )
    def test_values(self, serve_raw, value):
        """
        A value is told in OTLP's own types.
        """
        server = serve_raw(take)
        with OTLPTransport(otlp(server)) as transport:
            transport.send(make_batch(make_record(value=value)))
        [request] = server.requests
        [record] = document_of(request)["records"]
        assert record["value"] == value
        assert type(record["value"]) is type(value)

    def test_values_that_otlp_does_not_have(self, serve_raw):
        """
        A number of more than 64 bits, and what is nested deeper than parsers
        go, are texts of JSON.
        """
        deep: Any = {"a": 1}
        value = deep
        for _ in range(31):
            value = {"a": value}
        server = serve_raw(take)
        with OTLPTransport(otlp(server)) as transport:
            transport.send(make_batch(make_record(value=2**63)))
            transport.send(make_batch(make_record(value=value)))
        big, nested = (
            document_of(request)["records"][0]["value"]
            for request in server.requests
        )
        assert big == str(2**63)
        while isinstance(nested, dict):
            nested = nested["a"]
        told = json.loads(nested)
        while told != deep:
            told = told["a"]

    def test_log_record(self, serve_raw):
        """
        Names are those of the specification, of ours with our prefix; each
        record says which erasure is about it.
        """
        batch = make_batch()
        server = serve_raw(take)
        with OTLPTransport(otlp(server)) as transport:
            transport.send(batch)
        _, _, rows = read_logs(server.requests[0].body)
        row, record = rows[0], batch.records[0]
        assert row.event_name == "consentkit.record"
        assert row.observed_time_unix_nano == row.time_unix_nano
        assert named(row.attributes) == {
            "log.record.uid": record.id,
            "consentkit.function": "wifi_binding",
            "consentkit.data_type": "mac_address",
            "consentkit.purpose": "binding",
            "consentkit.recipient": "controller",
            "consentkit.protection": "md5",
            "consentkit.class": "pseudonymised",
            "consentkit.expires_at": record.as_json()["expires_at"],
            "consentkit.consent": record.consent,
            "consentkit.policy_version": "2020-08-12",
            "consentkit.erase": batch.erase,
        }

    def test_an_erasure_names_the_records(self, serve_raw):
        """
        What a request to erase is found by is what the records carry.
        """
        server = serve_raw(take)
        with OTLPTransport(otlp(server)) as transport:
            transport.send(make_batch(token="22" * 32))
            transport.erase(make_erasure("22" * 32))
        first, second = (
            {
                named(row.attributes)["consentkit.erase"]
                for row in read_logs(request.body)[2]
            }
            for request in server.requests
        )
        assert first == second


class TestAnswers:
    """
    Tests for what a collector answers.
    """

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"partialSuccess": {}},
            {"partialSuccess": None},
            {"partialSuccess": {"rejectedLogRecords": "0"}},
            {"partialSuccess": {"rejectedLogRecords": 0}, "later": 1},
        ],
        ids=str,
    )
    def test_full_success(self, send, document):
        """
        An empty message, in each form that it may have, is success.
        """
        reply = send(say(document))
        assert outcomes(reply) == [DELIVERED] * 2
        assert reply.problem == ""

    @pytest.mark.parametrize("count", ["1", 1], ids=repr)
    def test_some_are_rejected(self, send, count):
        """
        How many were rejected is told; all count as there, since some are,
        and an erasure is to follow.
        """
        part = {"rejectedLogRecords": count, "errorMessage": PLANTED}
        reply = send(say({"partialSuccess": part}))
        assert outcomes(reply) == [DELIVERED] * 2
        assert "rejected 1 of 2 records" in reply.problem
        assert PLANTED not in reply.problem

    def test_all_are_rejected(self, send):
        """
        That is final, as the specification has it.
        """
        reply = send(say({"partialSuccess": {"rejectedLogRecords": "2"}}))
        assert outcomes(reply) == [REJECTED] * 2
        assert reply.problem.endswith("rejected 2 of 2 records")

    def test_warning(self, send):
        """
        A warning is told, and not in its own words.
        """
        reply = send(say({"partialSuccess": {"errorMessage": PLANTED}}))
        assert outcomes(reply) == [DELIVERED] * 2
        assert "warning" in reply.problem
        assert PLANTED not in reply.problem

    @pytest.mark.parametrize(
        "document",
        [
            {"status": "ok"},
            {"partialSuccess": []},
            {"partialSuccess": "x"},
            {"partialSuccess": {"rejectedLogRecords": 3}},
            {"partialSuccess": {"rejectedLogRecords": -1}},
            {"partialSuccess": {"rejectedLogRecords": "-1"}},
            {"partialSuccess": {"rejectedLogRecords": 1.5}},
            {"partialSuccess": {"rejectedLogRecords": True}},
            {"partialSuccess": {"rejectedLogRecords": "9" * 40}},
            [],
        ],
        ids=str,
    )
    def test_nonsense(self, send, document):
        """
        What is no answer of OTLP means try again.
        """
        reply = send(say(document))
        assert outcomes(reply) == [RETRY] * 2
        assert "check the URL" in reply.problem

    def test_an_erasure_is_not_lost(self, send):
        """
        One that was rejected is tried again, whatever OTLP says of that.
        """
        part = {"rejectedLogRecords": "1"}
        reply = send(say({"partialSuccess": part}), make_erasure())
        assert outcomes(reply) == [RETRY]
        assert "consentkit.erasure" in reply.problem

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (204, "status 200"),
            (400, "takes OTLP/HTTP in JSON"),
            (401, "check the token and the headers"),
            (403, "check the token and the headers"),
            (404, "/v1/logs is added"),
            (413, "too large"),
            (415, "takes OTLP/HTTP in JSON"),
            (429, "asks for a pause"),
            (500, "check that the backend is well"),
            (503, "asks for a pause"),
        ],
    )
    @pytest.mark.parametrize("make", [make_batch, make_erasure])
    def test_refusals(self, send, status, said, make):
        """
        Nothing is lost by any of them, and each names the cure.
        """

        def script(conn, _):
            head = f"HTTP/1.1 {status} Oh\r\nContent-Length: 0\r\n\r\n"
            conn.sendall(head.encode())

        reply = send(script, make())
        assert set(outcomes(reply)) == {RETRY}
        assert f"answered {status}; " in reply.problem
        assert said in reply.problem

    def test_too_large(self, send):
        """
        A smaller batch is another request, so that may be tried.
        """
        assert send(say(status="413 Big")).too_large

    def test_bad_request_may_be_of_one_record(self, send):
        """
        After 400 the record that it is about is looked for.
        """
        status = {"code": 3, "message": PLANTED}
        reply = send(say(status, status="400 Bad Request"))
        assert reply.refused
        assert PLANTED not in reply.problem

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_pause(self, send, status):
        """
        Where OTLP lets be retried, the pause that is asked for is passed on.
        """
        script = say(status=f"{status} Later", headers="Retry-After: 7\r\n")
        assert send(script).retry_after_seconds == 7

    @pytest.mark.obligation("GP-PROT-1")
    def test_redirects_are_not_followed(self, serve_raw, send):
        """
        A redirect is no way: nothing goes to its target.
        """
        target = serve_raw(take)
        headers = f"Location: {target.url}/logs\r\n"
        reply = send(say(status="307 There", headers=headers))
        assert outcomes(reply) == [RETRY] * 2
        assert "redirect" in reply.problem
        assert target.connections == 0


class TestKit:
    """
    With an app in front.
    """

    def test_end_to_end(self, tmp_path, serve_raw):
        """
        Records arrive, and after a withdrawal the request that is about them;
        while the collector is down it waits.
        """
        down = threading.Event()

        def script(conn, request):
            if down.is_set():
                conn.sendall(answer(status="503 Later"))
            else:
                take(conn, request)

        server = serve_raw(script)
        kit = open_kit(tmp_path, "stats", transport=otlp(server))
        tick(kit, 1)
        tick(kit, 2)
        report = kit.flush()
        assert (report.delivered, report.problems) == (2, ())
        down.set()
        kit.consent.withdraw("stats")
        assert kit.flush().erased == 0
        down.clear()
        assert kit.flush().erased == 1
        kit.close()
        batch, _, erasure = map(document_of, server.requests)
        digest = sha256(bytes.fromhex(erasure["token"])).hexdigest()
        assert batch["erase"] == digest
        assert [row["value"]["n"] for row in batch["records"]] == [1, 2]


class TestProcesses:
    """
    Tests for collectors that go away, and for forks.
    """

    def test_comes_back(self, serve_raw):
        """
        What the collector had not answered for comes again, in the same
        words.
        """

        def once(conn, request):
            if len(server.requests) == 1:
                conn.shutdown(socket.SHUT_RDWR)
                return
            take(conn, request)

        server = serve_raw(once)
        batch = make_batch()
        with OTLPTransport(otlp(server)) as transport:
            first, second = transport.send(batch), transport.send(batch)
        assert outcomes(first) == [RETRY] * 2
        assert outcomes(second) == [DELIVERED] * 2
        one, other = server.requests
        assert one.body == other.body

    def test_fork(self, serve_raw):
        """
        A forked child sends on a connection of its own.
        """
        server = serve_raw(take)
        with OTLPTransport(otlp(server)) as transport:
            assert transport.send(make_batch()).problem == ""
            child = os.fork()
            if child == 0:
                # Threads of other tests may hold up what the first one imports.
                answers = (transport.send(make_batch()) for _ in range(3))
                os._exit(all(answer.problem for answer in answers))
            assert os.waitpid(child, 0)[1] == 0
            assert transport.send(make_batch()).problem == ""
        assert len(server.requests) == 3
        assert server.connections == 2
