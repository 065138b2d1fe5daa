# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.https`, against servers on this machine.
"""

from __future__ import annotations

import fcntl
import json
import logging
import re
import socket
import ssl
import subprocess
import sys
import termios
import threading
import time

from array import array
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import pytest

from consentkit.exceptions import TransportError
from consentkit.transports import Outcome, transport_from_url
from consentkit.transports.https import HTTPSTransport
from tests.transports.conformance import (
    PLANTED,
    TransportConformance,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.servers import (
    answer,
    good_document,
    say,
    take_all,
)


DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY

JSON_HEADER = "Content-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def _library(library):
    """
    Run each test with each HTTP library.
    """


@pytest.fixture
def connect():
    """
    Give what makes a transport; all are closed in the end.
    """
    made = []

    def make(url, **options):
        made.append(HTTPSTransport(url, **{"timeout_seconds": 5.0, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def talk(serve_raw, connect):
    """
    Give what sends one batch to a server with a script.
    """

    def send(script, batch=None, **options):
        server = serve_raw(script)
        return connect(server.url, **options).send(batch or make_batch())

    return send


class TestConformance(TransportConformance):
    """
    Tests for `HTTPSTransport` with the reference receiver behind it.
    """

    pytestmark = pytest.mark.need_extra("receiver")

    @pytest.fixture
    def store(self, tmp_path):
        """
        Give the receiver's store.
        """
        from consentkit.receiver import Store

        store = Store(tmp_path / "store.db")
        yield store
        store.close()

    @pytest.fixture
    def transport(self, store):
        """
        Give a transport to a receiver that asks for a token.
        """
        from consentkit.receiver import make_app, serve

        app = make_app(store, token="s3cret")
        with (
            serve(app) as server,
            HTTPSTransport(server.url, token="s3cret") as transport,
        ):
            yield transport

    @pytest.fixture
    def held(self, store):
        """
        Look into the store.
        """
        return lambda: {one.record.id for one in store.records()}

    def test_what_arrives_is_what_was_sent(self, transport, store):
        """
        A record comes out of the store as it went into the transport.
        """
        batch = make_batch(make_record(value={"a": ["é猫", 1.5, None, True]}))

        transport.send(batch)

        [stored] = store.records()
        assert stored.record.as_json() == batch.records[0].as_json()
        assert stored.batch == batch.id
        assert stored.erase == batch.erase


class TestURL:
    """
    Tests for the addresses that an `HTTPSTransport` takes.
    """

    @pytest.mark.parametrize(
        "url",
        [
            "https://collect.example.com",
            "https://collect.example.com/v1/",
            "https://collect.example.com:8443/v1",
            "https://192.0.2.7/v1",
            "https://[2001:db8::1]/v1",
            "http://127.0.0.1/v1",
            "http://127.8.9.10:8080",
            "http://[::1]:8080/v1",
            "http://localhost/v1",
        ],
    )
    def test_is_taken(self, url):
        """
        HTTPS to anywhere and HTTP to this machine are taken.
        """
        made = transport_from_url(url)

        assert isinstance(made, HTTPSTransport)
        assert url.startswith(made.name)

    @pytest.mark.parametrize(
        "url",
        [
            "http://collect.example.com/v1",
            "http://10.0.0.1/v1",
            "http://0.0.0.0/v1",
            "http://128.0.0.1/v1",
            "http://localhost.example.com/v1",
            "http://127.0.0.1.example.com/v1",
            "http://127.1/v1",
            "http://[::ffff:127.0.0.1]/v1",
            "http://[::2]/v1",
        ],
    )
    def test_plain_http_to_elsewhere_is_refused(self, url):
        """
        Without encryption nothing goes to another machine, and the message
        names the cure.

        Shows WP-ENC-1 and GP-PROT-1.
        """
        with pytest.raises(TransportError, match="use https://"):
            HTTPSTransport(url)

    @pytest.mark.parametrize(
        "url",
        [
            "https://me:hunter2@collect.example.com/v1",
            "https://hunter2@collect.example.com/v1",
            "https://collect.example.com/v1?key=hunter2",
            "https://collect.example.com/v1#hunter2",
            "https://collect.example.com:hunter2/v1",
            "https://collect.example.com:0/hunter2",
            "https://collect.example.com:99999/hunter2",
            "https://collect.example.com\\@hunter2/v1",
            "https://collect.example.com/hunter2 v1",
            "https://collect.example.com/\thunter2",
            "https://[hunter2/v1",
            "https:///hunter2",
            "https:hunter2",
            "ftp://hunter2",
            "hunter2",
            "",
        ],
    )
    def test_others_are_refused_without_repeating_them(self, url):
        """
        No message or context repeats a URL that may hold a secret.
        """
        with pytest.raises(TransportError) as caught:
            HTTPSTransport(url)

        assert "hunter2" not in str(caught.value)
        assert caught.value.__context__ is None

    def test_name_and_repr_hold_no_secret(self):
        """
        Path and token show in neither name nor repr.
        """
        made = HTTPSTransport("https://a.example/p4th", token="t0ken")

        assert made.name == "https://a.example"
        assert repr(made) == "<HTTPSTransport https://a.example>"


class TestOptions:
    """
    Tests for what an `HTTPSTransport` is made with.
    """

    @pytest.mark.parametrize("token", ["", "a b", "é", "a\r\nX: y", "\x7f"])
    def test_tokens_that_no_header_takes(self, token):
        """
        A token that could not be sent, or would add a header, is refused
        and not repeated.
        """
        with pytest.raises(TransportError, match="visible ASCII") as caught:
            HTTPSTransport("https://a.example", token=token)

        assert not token or token not in str(caught.value)

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
    def test_timeouts_that_are_none(self, seconds):
        """
        A transfer always has an end.
        """
        with pytest.raises(TransportError, match="positive"):
            HTTPSTransport("https://a.example", timeout_seconds=seconds)

    @pytest.mark.parametrize("verify", [False, True])
    def test_trust_cannot_be_switched_off(self, verify):
        """
        A boolean is not a way to say whom to trust.

        Shows WP-ENC-1.
        """
        with pytest.raises(TransportError, match="CA certificates"):
            HTTPSTransport("https://a.example", verify=verify)

    def test_a_context_must_check(self):
        """
        An SSL context that checks nothing is refused.

        Shows WP-ENC-1.
        """
        context = ssl.create_default_context()
        context.check_hostname = False
        with pytest.raises(TransportError, match="host names"):
            HTTPSTransport("https://a.example", verify=context)

    def test_a_client_has_its_own_trust(self):
        """
        A client and a trust cannot both be given.
        """
        with pytest.raises(TransportError, match="to the client"):
            HTTPSTransport(
                "https://a.example", client=object(), verify="ca.pem"
            )


class TestRequest:
    """
    Tests for what leaves.
    """

    def test_batch(self, serve_raw, connect):
        """
        A batch is posted as JSON under its id, with nothing else of this
        installation.
        """
        server = serve_raw()
        batch = make_batch()

        reply = connect(server.url, token="t0ken").send(batch)

        [request] = server.requests
        length = request.headers.pop("Content-Length")
        version = request.headers.pop("User-Agent")
        assert reply.problem == ""
        assert request.line == "POST /v1/batches HTTP/1.1"
        assert request.json() == json.loads(json.dumps(batch.as_json()))
        assert int(length) == len(request.body)
        assert re.fullmatch(r"consentkit/[0-9.]+", version)
        assert request.headers == {
            "Host": f"127.0.0.1:{server.port}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": "Bearer t0ken",
            "Connection": "keep-alive",
            "Content-Type": "application/json",
            "Idempotency-Key": batch.id,
        }

    def test_erasure(self, serve_raw, connect):
        """
        An erasure is posted as JSON under its id.
        """
        server = serve_raw()
        erasure = make_erasure()

        reply = connect(server.url).erase(erasure)

        [request] = server.requests
        assert reply.outcomes == {erasure.id: DELIVERED}
        assert request.line == "POST /v1/erasures HTTP/1.1"
        assert request.headers["Idempotency-Key"] == erasure.id
        assert "Authorization" not in request.headers
        assert request.json() == dict(erasure.as_json())

    def test_one_connection_serves_many(self, serve_raw, connect):
        """
        The connection is kept between transfers.
        """
        server = serve_raw()
        transport = connect(server.url)

        for _ in range(3):
            assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2

        assert server.connections == 1

    def test_a_connection_that_went_stale_is_made_anew(
        self, serve_raw, connect
    ):
        """
        A connection that the backend closed in between does no harm.
        """

        def once(conn, request):
            take_all(conn, request)
            conn.shutdown(socket.SHUT_RDWR)

        server = serve_raw(once)
        transport = connect(server.url)
        for _ in range(3):
            assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
            time.sleep(0.05)

        assert server.connections == 3

    def test_cookies_are_not_kept(self, serve_raw, connect):
        """
        A cookie that the backend sets never comes back.
        """

        def script(conn, request):
            headers = JSON_HEADER + "Set-Cookie: id=7; Path=/\r\n"
            conn.sendall(answer(good_document(request), headers=headers))

        server = serve_raw(script)
        transport = connect(server.url)
        transport.send(make_batch())
        transport.send(make_batch())

        assert all("Cookie" not in one.headers for one in server.requests)

    def test_nothing_is_logged_of_it(self, talk, caplog):
        """
        Neither what is sent nor what is answered gets into a log.
        """
        caplog.set_level(logging.DEBUG)

        talk(say({"secret": "answered-7A"}), token="t0ken-9")

        assert PLANTED not in caplog.text
        assert "answered-7A" not in caplog.text
        assert "t0ken-9" not in caplog.text


class TestAnswers:
    """
    Tests for answers with status 200: only a clear one delivers.
    """

    def test_outcome_for_each_record(self, talk):
        """
        Stored, duplicate and rejected are told apart, and the reasons are
        counted.
        """
        records = [make_record() for _ in range(4)]
        words = ["stored", "duplicate", "rejected", "rejected"]
        batch = make_batch(*records)
        rows = [
            {"id": record.id, "outcome": word, "reason": "expired"}
            for record, word in zip(records, words, strict=True)
        ]

        reply = talk(say({"batch": batch.id, "outcomes": rows}), batch)

        assert [one.value for one in outcomes(reply)] == [
            "delivered",
            "duplicate",
            "rejected",
            "rejected",
        ]
        assert reply.problem.endswith("rejected 2 records (expired: 2)")

    @pytest.mark.parametrize(
        "row", [{}, {"outcome": "later"}, {"outcome": 7}, {"outcome": []}]
    )
    def test_an_outcome_that_is_not_known(self, talk, row):
        """
        A record without a known outcome is tried again, the others not.
        """
        batch = make_batch()
        one, two = (record.id for record in batch.records)
        rows = [{"id": one, "outcome": "stored"}, {"id": two, **row}]

        reply = talk(say({"batch": batch.id, "outcomes": rows}), batch)

        assert reply.outcomes == {one: DELIVERED, two: RETRY}
        assert "nothing clear of 1 of 2 records" in reply.problem

    def test_a_record_that_is_left_out(self, talk):
        """
        A record that the answer does not name is tried again.
        """
        batch = make_batch()
        one, two = (record.id for record in batch.records)
        rows = [{"id": one, "outcome": "stored"}]

        reply = talk(say({"batch": batch.id, "outcomes": rows}), batch)

        assert reply.outcomes == {one: DELIVERED, two: RETRY}
        assert "nothing clear of 1 of 2 records" in reply.problem

    @pytest.mark.parametrize(
        "make",
        [
            lambda b: {"batch": "other", "outcomes": []},
            lambda b: {"outcomes": []},
            lambda b: {"batch": b.id},
            lambda b: {"batch": b.id, "outcomes": {}},
            lambda b: {"batch": b.id, "outcomes": [7]},
            lambda b: {"batch": b.id, "outcomes": [{"outcome": "stored"}]},
            lambda b: {
                "batch": b.id,
                "outcomes": [{"id": "strange", "outcome": "stored"}],
            },
            lambda b: {
                "batch": b.id,
                "outcomes": [
                    {"id": b.records[0].id, "outcome": "stored"},
                    {"id": b.records[0].id, "outcome": "rejected"},
                ],
            },
            lambda b: [b.id],
            lambda b: "stored",
            lambda b: None,
        ],
        ids=range(11),
    )
    def test_an_answer_that_does_not_fit(self, talk, make):
        """
        An answer for something else delivers nothing and loses nothing.
        """
        batch = make_batch()

        reply = talk(say(make(batch)), batch)

        assert outcomes(reply) == [RETRY] * 2
        assert reply.problem.startswith("http://127.0.0.1")
        assert "check the" in reply.problem

    @pytest.mark.parametrize(
        "body",
        [b"", b"OK", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a": NaN'],
    )
    def test_a_body_that_is_no_json(self, talk, body):
        """
        Nonsense in place of JSON delivers nothing.
        """
        reply = talk(say(body))

        assert outcomes(reply) == [RETRY] * 2
        assert "no JSON object; check the URL" in reply.problem

    def test_a_rejection_repeats_no_text_of_the_backend(self, talk):
        """
        A reason that is more than a short code is not shown.
        """
        batch = make_batch(make_record())
        row = {"outcome": "rejected", "reason": f"bad value {PLANTED}"}
        rows = [{"id": batch.records[0].id, **row}]

        reply = talk(say({"batch": batch.id, "outcomes": rows}), batch)

        assert outcomes(reply) == [Outcome.REJECTED]
        assert "no reason: 1" in reply.problem
        assert PLANTED not in reply.problem

    @pytest.mark.parametrize(
        ("headers", "said"),
        [
            ("Content-Type: text/html\r\n", "answered with text/html"),
            ("Content-Type: \x01<b>\r\n", "something else"),
            ("", "something else"),
            (
                JSON_HEADER + "Content-Encoding: gzip\r\n",
                "encoding that was not asked for",
            ),
        ],
    )
    def test_another_type_than_json(self, talk, headers, said):
        """
        A page of a portal or a proxy is not taken for an answer.
        """

        def script(conn, request):
            conn.sendall(answer(good_document(request), headers=headers))

        reply = talk(script)

        assert outcomes(reply) == [RETRY] * 2
        # The libraries may refuse a control character themselves.
        assert said in reply.problem or "\x01" in headers

    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: 99999999999\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"Connection: close\r\n\r\n",
        ],
    )
    def test_a_body_without_end(self, talk, head):
        """
        No more than 1 MiB of an answer is read.
        """
        sent = 0

        def script(conn, request):
            nonlocal sent
            line = b"HTTP/1.1 200 OK\r\n" + JSON_HEADER.encode()
            conn.sendall(line + head)
            part = b" " * 65536
            if b"chunked" in head:
                part = b"10000\r\n" + part + b"\r\n"
            while True:
                conn.sendall(part)
                sent += len(part)

        reply = talk(script, timeout_seconds=20)

        assert outcomes(reply) == [RETRY] * 2
        assert "more than 1 MiB" in reply.problem
        assert sent < 32 * 1024 * 1024

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"erasure": "other", "outcome": "erased"},
            {"outcome": "erased"},
            {"outcome": "rejected"},
            {"outcome": ["erased"]},
            [],
        ],
    )
    def test_erasures_need_a_clear_word(self, serve_raw, connect, document):
        """
        An erasure counts as carried out only if the backend says so.
        """
        erasure = make_erasure()
        if isinstance(document, dict) and document:
            document = {"erasure": erasure.id, **document}
            if document["outcome"] == "erased":
                document["erasure"] = "other"
        server = serve_raw(say(document))

        reply = connect(server.url).erase(erasure)

        assert reply.outcomes == {erasure.id: RETRY}
        assert "check the" in reply.problem


class TestStatuses:
    """
    Tests for answers that are no success: none of them loses a record.
    """

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (201, "status 200"),
            (202, "status 200"),
            (204, "status 200"),
            (400, "format 1"),
            (401, "check the token"),
            (403, "check the token"),
            (404, "check the URL"),
            (405, "check the URL"),
            (408, "check that the backend is well"),
            (409, "check that the backend is well"),
            (410, "check the URL"),
            (413, "too large"),
            (415, "receiver"),
            (418, "check that the backend is well"),
            (422, "check that the backend is well"),
            (429, "pause"),
            (451, "check that the backend is well"),
            (500, "check that the backend is well"),
            (502, "check that the backend is well"),
            (503, "pause"),
            (504, "check that the backend is well"),
        ],
    )
    def test_is_tried_again(self, talk, status, said):
        """
        Each names the status and the cure, for batches and erasures.
        """
        script = say(PLANTED, status=f"{status} {PLANTED[:7]}")
        if status == 204:
            script = lambda conn, _: conn.sendall(  # noqa: E731
                b"HTTP/1.1 204 Nothing\r\n\r\n"
            )

        reply = talk(script)

        assert outcomes(reply) == [RETRY] * 2
        assert f"answered {status}; " in reply.problem
        assert said in reply.problem
        assert PLANTED[:7] not in reply.problem
        assert reply.too_large is (status == 413)
        assert reply.retry_after_seconds is None

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
    def test_redirects_are_not_followed(self, serve_raw, connect, status):
        """
        A redirect is no success and no way: nothing goes to its target.

        Shows GP-PROT-1: a downgrade by redirect is refused.
        """
        target = serve_raw()
        where = f"Location: {target.url}/batches\r\n"
        server = serve_raw(say(status=f"{status} Moved", headers=where))

        reply = connect(server.url).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert reply.problem.endswith(
            "answered with a redirect to 127.0.0.1, which is not followed; "
            "set the transport's URL to the final address"
        )
        assert target.connections == 0

    @pytest.mark.parametrize(
        ("location", "shown"),
        [
            ("https://b.example/x?secret", "b.example"),
            ("https://me:secret@b.example/", "b.example"),
            ("/secret", "http://127.0.0.1"),
            ("https://[secret", "another address"),
            ("https://se cret/", "another address"),
            ("https://secret%0a.example/", "another address"),
        ],
    )
    def test_redirects_show_no_more_than_a_host(self, talk, location, shown):
        """
        Only a clean host name of the target is shown.
        """
        headers = f"Location: {location}\r\n"

        reply = talk(say(status="302 Found", headers=headers))

        assert f"a redirect to {shown}" in reply.problem
        assert "secret" not in reply.problem

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0", 0),
            ("7", 7),
            (" 120 ", 120),
            ("999999999", 86400),
            ("9" * 15, 86400),
            ("9" * 500, None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("٣", None),
            ("Wed, 99 Foo 2026 00:00:00 GMT", None),
            ("Wed, 21 Oct 1925 07:28:00 GMT", 0),
            ("Wed, 21 Oct 9925 07:28:00 GMT", 86400),
        ],
    )
    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after(self, talk, status, text, seconds):
        """
        A pause in seconds or as a date is passed on, a day at most; nonsense
        is ignored.
        """

        def script(conn, request):
            head = f"HTTP/1.1 {status} Later\r\nRetry-After: {text}\r\n"
            conn.sendall(head.encode() + b"Content-Length: 0\r\n\r\n")

        assert talk(script).retry_after_seconds == seconds

    def test_retry_after_goes_by_the_clock_of_the_backend(self, talk):
        """
        A date is taken relative to the backend's own date, if it tells that.
        """
        then = 1_000_000_000
        headers = f"Date: {formatdate(then, usegmt=True)}\r\n"
        headers += f"Retry-After: {formatdate(then + 90, usegmt=True)}\r\n"

        reply = talk(say(status="503 Later", headers=headers))

        assert reply.retry_after_seconds == 90

    def test_retry_after_by_the_local_clock(self, talk):
        """
        A date without the backend's own is taken relative to this clock.
        """
        then = formatdate(time.time() + 100, usegmt=True)

        reply = talk(say(status="429 L", headers=f"Retry-After: {then}\r\n"))

        assert reply.retry_after_seconds is not None
        assert 90 < reply.retry_after_seconds < 101


class TestTrouble:
    """
    Tests for backends that do not answer as HTTP has it.
    """

    def test_refused(self, connect):
        """
        A port where nobody listens means try again, with the cure.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

        transport = connect(f"http://127.0.0.1:{port}")
        answers = [
            transport.send(make_batch()),
            transport.erase(make_erasure()),
        ]

        for reply in answers:
            assert set(outcomes(reply)) == {RETRY}
            assert reply.problem == (
                f"http://127.0.0.1:{port}: it refuses the connection; "
                "check that the backend runs and that the port is right"
            )

    def test_a_name_that_is_not_known(self, connect):
        """
        A host that does not exist means try again, with the cure.
        """
        reply = connect("https://collect.invalid/v1").send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "check the URL" in reply.problem

    def test_hangs(self, serve_raw, connect):
        """
        A backend that never answers costs the timeout and no more.
        """
        server = serve_raw(lambda conn, _: server.go.wait(20))

        start = time.monotonic()
        reply = connect(server.url, timeout_seconds=0.3).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "within 0.3 seconds" in reply.problem
        assert time.monotonic() - start < 2

    @pytest.mark.parametrize(
        "start",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX-Drip: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nX: y\r\n\r\n",
        ],
    )
    def test_drips(self, serve_raw, connect, start):
        """
        An answer that comes byte by byte costs the timeout and no more.
        """

        def script(conn, request):
            conn.sendall(start)
            while not server.go.wait(0.02):
                conn.sendall(b"H")

        server = serve_raw(script)
        begun = time.monotonic()
        reply = connect(server.url, timeout_seconds=0.4).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        if start:
            assert "within 0.4 seconds" in reply.problem
        assert time.monotonic() - begun < 2

    def test_never_reads(self, serve_raw, connect):
        """
        A backend that takes no bytes costs the timeout and no more.
        """
        server = serve_raw(on_connect=lambda conn: server.go.wait(20))
        batch = make_batch(make_record(value="x" * 20_000_000))

        begun = time.monotonic()
        reply = connect(server.url, timeout_seconds=0.5).send(batch)

        assert outcomes(reply) == [RETRY]
        assert time.monotonic() - begun < 3

    @pytest.mark.parametrize(
        "text",
        [
            b"\x00\x01\x02 garbage \r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 300_000,
            b"",
        ],
    )
    def test_garbage(self, serve_raw, connect, text):
        """
        What is no HTTP, or too long a header, delivers nothing.
        """

        def script(conn, request):
            conn.sendall(text)
            conn.shutdown(socket.SHUT_WR)

        reply = connect(serve_raw(script).url).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "does not speak HTTP" in reply.problem

    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: 5000\r\n\r\n{",
            b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        ],
    )
    def test_closes_within_the_body(self, serve_raw, connect, head):
        """
        An answer that breaks off delivers nothing.
        """

        def script(conn, request):
            line = b"HTTP/1.1 200 OK\r\n" + JSON_HEADER.encode()
            conn.sendall(line + head)
            conn.shutdown(socket.SHUT_RDWR)

        reply = connect(serve_raw(script).url).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "the connection broke" in reply.problem

    def test_is_well_again(self, serve_raw, connect):
        """
        After any trouble the same transport delivers the same batch.
        """
        troubles = iter([b"garbage\r\n\r\n", answer(b"x"), b""])

        def script(conn, request):
            trouble = next(troubles, None)
            if trouble is None:
                take_all(conn, request)
            else:
                conn.sendall(trouble)
                conn.shutdown(socket.SHUT_RDWR)

        server = serve_raw(script)
        transport, batch = connect(server.url), make_batch()

        said = [outcomes(transport.send(batch))[0] for _ in range(4)]

        assert said == [RETRY, RETRY, RETRY, DELIVERED]
        keys = {one.headers["Idempotency-Key"] for one in server.requests}
        assert keys == {batch.id}

    def test_an_early_refusal_of_a_big_body(self, serve_raw, connect):
        """
        A backend that says 413 before it has read all is understood.
        """

        def early(conn):
            conn.recv(1000)
            conn.sendall(answer(status="413 Large"))
            while conn.recv(65536):
                pass

        server = serve_raw(on_connect=early)
        batch = make_batch(make_record(value="x" * 20_000_000))

        reply = connect(server.url).send(batch)

        assert outcomes(reply) == [RETRY]
        assert reply.too_large


class TestTLS:
    """
    Tests for whom an `HTTPSTransport` trusts.
    """

    def test_an_unknown_authority_is_refused(
        self, serve_raw, connect, certificates
    ):
        """
        A certificate of nobody we know gets no byte of the batch.

        Shows WP-ENC-1.
        """
        server = serve_raw(tls=certificates)

        reply = connect(server.url).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "its certificate is not trusted" in reply.problem
        assert "pass that as verify" in reply.problem
        assert server.requests == []

    @pytest.mark.parametrize("form", [str, None, "context"])
    def test_an_authority_of_our_own_is_trusted(
        self, serve_raw, connect, certificates, form
    ):
        """
        With the CA's certificate, as a file or a context, it delivers.

        Shows WP-ENC-1.
        """
        server = serve_raw(tls=certificates)
        verify = certificates / "ca.pem"
        if form is str:
            verify = str(verify)
        elif form == "context":
            verify = ssl.create_default_context(cafile=verify)

        transport = connect(server.url, verify=verify)

        assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
        assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
        assert server.connections == 1

    def test_the_certificate_of_another_host_is_refused(
        self, serve_raw, connect, other_certificates
    ):
        """
        A certificate that a trusted CA gave to another host is refused.

        Shows WP-ENC-1.
        """
        server = serve_raw(tls=other_certificates)

        transport = connect(server.url, verify=other_certificates / "ca.pem")

        assert outcomes(transport.send(make_batch())) == [RETRY] * 2
        assert server.requests == []

    def test_a_port_without_tls(self, serve_raw, connect):
        """
        A backend that speaks no TLS gets no byte of the batch.
        """
        server = serve_raw()

        url = server.url.replace("http:", "https:")
        reply = connect(url, timeout_seconds=0.5).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert server.requests == []

    def test_a_ca_file_that_is_missing(self, connect, tmp_path):
        """
        A file that is not there is named as what is missing.
        """
        transport = connect("https://127.0.0.1:9", verify=tmp_path / "no.pem")

        reply = transport.send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "a file that verify names is missing" in reply.problem


class TestProxies:
    """
    Tests for proxies from the environment.
    """

    def test_this_machine_is_reached_directly(
        self, serve_raw, connect, monkeypatch
    ):
        """
        What goes to this machine never goes through a proxy.
        """
        server, proxy = serve_raw(), serve_raw()
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

        reply = connect(server.url).send(make_batch())

        assert outcomes(reply) == [DELIVERED] * 2
        assert proxy.connections == 0

    def test_others_are_reached_through_it(
        self, serve_raw, connect, monkeypatch, other_certificates
    ):
        """
        The proxy makes a tunnel, and sees nothing of what goes through.
        """
        backend = serve_raw(tls=other_certificates)
        seen = []

        def tunnel(conn, request):
            seen.append(request)
            conn.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            with socket.create_connection(("127.0.0.1", backend.port)) as far:
                there = threading.Thread(target=_pump, args=(conn, far))
                there.start()
                seen.append(_pump(far, conn))
                there.join()

        proxy = serve_raw(tunnel)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        transport = connect(
            "https://backend.example/v1",
            verify=other_certificates / "ca.pem",
            token="t0ken",
        )

        reply = transport.send(make_batch())

        assert outcomes(reply) == [DELIVERED] * 2
        assert seen[0].line == "CONNECT backend.example:443 HTTP/1.1"
        assert "t0ken" not in str(seen[0].headers)

    def test_a_proxy_that_refuses(self, serve_raw, connect, monkeypatch):
        """
        The problem names the proxy's settings, without its credentials.
        """
        proxy = serve_raw(say(status="403 No"))
        monkeypatch.setenv(
            "HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{proxy.port}"
        )

        reply = connect("https://backend.example/v1").send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "check HTTPS_PROXY" in reply.problem
        assert "hunter2" not in reply.problem


def _pump(source: socket.socket, target: socket.socket) -> bytes:
    seen = b""
    try:
        while data := source.recv(65536):
            seen += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return seen


class TestCancel:
    """
    Tests for cutting a transfer short from another thread.
    """

    def start(self, transport, batch=None):
        """
        Send in a thread; give it and where its answer will be.
        """
        answers = []

        def work():
            answers.append(transport.send(batch or make_batch()))

        thread = threading.Thread(target=work)
        thread.start()
        return thread, answers

    def cancel(self, transport, thread):
        """
        Cancel, and give how many seconds it took until both returned.
        """
        begun = time.monotonic()
        transport.cancel()
        thread.join(10)
        assert not thread.is_alive()
        return time.monotonic() - begun

    @pytest.mark.parametrize("is_tls", [False, True])
    @pytest.mark.parametrize("is_reused", [False, True])
    def test_while_waiting_for_the_answer(
        self, serve_raw, connect, certificates, is_tls, is_reused
    ):
        """
        A send that waits for the backend returns at once, and the next one
        works.
        """

        def script(conn, request):
            if len(server.requests) == (2 if is_reused else 1):
                server.there.set()
                conn.recv(1)
            else:
                take_all(conn, request)

        server = serve_raw(script, tls=certificates if is_tls else None)
        verify = certificates / "ca.pem" if is_tls else None
        transport = connect(server.url, timeout_seconds=20, verify=verify)
        if is_reused:
            assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
        thread, answers = self.start(transport)
        assert server.there.wait(10)

        seconds = self.cancel(transport, thread)

        assert seconds < 0.5
        assert outcomes(answers[0]) == [RETRY] * 2
        assert "cancelled" in answers[0].problem
        assert outcomes(transport.send(make_batch())) == [DELIVERED] * 2
        assert server.connections == 2

    def test_while_the_body_leaves(self, serve_raw, connect):
        """
        When `cancel()` has returned, not even what the system had buffered
        leaves any more.
        """
        got: list[int] = []

        def slow(conn):
            server.there.set()
            server.go.wait(20)
            with suppress(OSError):
                while data := conn.recv(65536):
                    got.append(len(data))

        server = serve_raw(on_connect=slow)
        batch = make_batch(make_record(value="x" * 30_000_000))
        transport = connect(server.url, timeout_seconds=20)
        thread, answers = self.start(transport, batch)
        assert server.there.wait(10)
        time.sleep(0.3)  # let the buffers fill

        seconds = self.cancel(transport, thread)
        arrived = array("i", [0])
        fcntl.ioctl(server.accepted[0], termios.FIONREAD, arrived)
        server.close()

        assert seconds < 1
        assert outcomes(answers[0]) == [RETRY]
        assert 0 < arrived[0] < 30_000_000
        assert sum(got) == arrived[0]

    def test_during_the_handshake(self, serve_raw, connect):
        """
        A send that waits for TLS returns at once.
        """

        def mute(conn):
            server.there.set()
            server.go.wait(20)

        server = serve_raw(on_connect=mute)
        transport = connect(
            server.url.replace("http:", "https:"), timeout_seconds=20
        )
        thread, answers = self.start(transport)
        assert server.there.wait(10)
        time.sleep(0.05)

        assert self.cancel(transport, thread) < 0.5
        assert outcomes(answers[0]) == [RETRY] * 2

    def test_during_the_connection(self, connect):
        """
        A send that waits for a connection returns at once, and nothing
        leaves when the connection comes about after all.
        """
        with socket.socket() as listener, socket.socket() as filler:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            # With its queue full, the system lets nobody else in.
            filler.connect(listener.getsockname())
            port = listener.getsockname()[1]
            transport = connect(f"http://127.0.0.1:{port}", timeout_seconds=9)
            thread, answers = self.start(transport)
            time.sleep(0.3)

            seconds = self.cancel(transport, thread)

            assert seconds < 0.5
            assert outcomes(answers[0]) == [RETRY] * 2
            listener.settimeout(9)
            listener.accept()[0].close()
            came, _ = listener.accept()
            with came:
                came.settimeout(9)
                with suppress(ConnectionError):
                    assert came.recv(100) == b""

    def test_waiting_in_line(self, serve_raw, connect):
        """
        Whoever waits for another transfer to end is cut too.
        """

        def script(conn, request):
            server.there.set()
            conn.recv(1)

        server = serve_raw(script)
        transport = connect(server.url, timeout_seconds=20)
        first, one = self.start(transport)
        assert server.there.wait(10)
        second, two = self.start(transport)
        time.sleep(0.1)

        assert self.cancel(transport, first) < 0.5
        second.join(1)

        assert outcomes(one[0]) == outcomes(two[0]) == [RETRY] * 2
        assert len(server.requests) == 1

    def test_closing_cuts_too(self, serve_raw, connect):
        """
        `close()` ends a transfer under way, and what comes after is not
        sent.
        """

        def script(conn, request):
            server.there.set()
            conn.recv(1)

        server = serve_raw(script)
        transport = connect(server.url, timeout_seconds=20)
        thread, answers = self.start(transport)
        assert server.there.wait(10)

        transport.close()
        thread.join(1)
        late = transport.send(make_batch())

        assert outcomes(answers[0]) == [RETRY] * 2
        assert outcomes(late) == [RETRY] * 2
        assert "the transport is closed" in late.problem
        assert len(server.requests) == 1

    def test_leaves_no_thread_behind(self, serve_raw, connect):
        """
        After transfers, cut or not, their threads are gone.
        """

        def script(conn, request):
            server.there.set()
            conn.recv(1)

        server = serve_raw(script)
        transport = connect(server.url, timeout_seconds=20)
        thread, _ = self.start(transport)
        assert server.there.wait(10)
        self.cancel(transport, thread)

        names = [one.name for one in threading.enumerate()]
        assert "consentkit-transfer" not in names


class TestClient:
    """
    Tests for a client of the app's own.
    """

    def test_is_used_and_left_open(self, library, serve_raw, connect):
        """
        The app's client sends, without its cookies, and stays open.
        """
        httpx = __import__(library)
        server = serve_raw()
        with httpx.Client(
            headers={"X-App": "1"}, cookies={"id": "7"}, follow_redirects=True
        ) as client:
            transport = connect(server.url, client=client)
            reply = transport.send(make_batch())
            transport.close()
            assert not client.is_closed

        [request] = server.requests
        assert outcomes(reply) == [DELIVERED] * 2
        assert request.headers["X-App"] == "1"
        assert request.headers["User-Agent"].startswith("consentkit/")
        assert "Cookie" not in request.headers

    def test_may_be_a_mock(self, library, connect):
        """
        A client with a transport of the library's own for tests works.
        """
        httpx = __import__(library)

        def handle(request):
            rows = [
                {"id": one["id"], "outcome": "stored"}
                for one in json.loads(request.content)["records"]
            ]
            batch = request.headers["Idempotency-Key"]
            return httpx.Response(200, json={"batch": batch, "outcomes": rows})

        with httpx.Client(transport=httpx.MockTransport(handle)) as client:
            transport = connect("https://a.example/v1", client=client)
            reply = transport.send(make_batch())

        assert outcomes(reply) == [DELIVERED] * 2

    def test_never_follows(self, library, serve_raw, connect):
        """
        A client that follows redirects does not do so for us.

        Shows GP-PROT-1.
        """
        httpx = __import__(library)
        target = serve_raw()
        headers = f"Location: {target.url}/batches\r\n"
        server = serve_raw(say(status="307 Moved", headers=headers))

        with httpx.Client(follow_redirects=True) as client:
            reply = connect(server.url, client=client).send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert target.connections == 0

    def test_that_raises_anything(self, connect):
        """
        Whatever a client raises means try again, without its text.
        """

        class Broken:
            def build_request(self, *args, **options):
                raise SystemExit(PLANTED)

        reply = connect("https://a.example", client=Broken()).send(
            make_batch()
        )

        assert outcomes(reply) == [RETRY] * 2
        assert "SystemExit" in reply.problem
        assert PLANTED not in reply.problem

    def test_without_any_library(self, connect, monkeypatch):
        """
        With no HTTP library installed, the problem says what to install.
        """
        monkeypatch.setitem(sys.modules, "httpx2", None)
        monkeypatch.setitem(sys.modules, "httpx", None)

        reply = connect("http://127.0.0.1:9").send(make_batch())

        assert outcomes(reply) == [RETRY] * 2
        assert "pip install 'consentkit[httpx2]'" in reply.problem


class TestProcess:
    """
    Tests that need a process of their own.
    """

    def run(self, code: str, library: str, *args: str) -> str:
        """
        Run *code* in a fresh interpreter and give what it prints.
        """
        if library == "httpx":
            code = "import sys\nsys.modules['httpx2'] = None\n" + code
        ran = subprocess.run(
            [sys.executable, "-c", code, *args],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def test_nothing_heavy_is_imported_before_the_first_send(self, library):
        """
        Neither the module nor a new transport imports an HTTP library or
        TLS, or starts a thread.
        """
        code = (
            "import sys, threading\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "made = HTTPSTransport('https://a.example', token='x')\n"
            "made.cancel()\n"
            "made.close()\n"
            "heavy = {'httpx', 'httpcore', 'httpcore2', 'ssl', 'h11'}\n"
            "print(heavy & set(sys.modules), threading.active_count())\n"
        )

        assert self.run(code, library) == "set() 1"

    def test_the_maintained_library_is_preferred(self, library, serve_raw):
        """
        httpx2 is taken where it is installed, httpx otherwise; never both.
        """
        code = (
            "import sys\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "with HTTPSTransport(sys.argv[1]) as transport:\n"
            "    assert not transport.send(batch).problem\n"
            "names = [n for n in ('httpx', 'httpx2') if sys.modules.get(n)]\n"
            "print(*names)\n"
        )

        assert self.run(code, library, serve_raw().url) == library

    def test_a_forked_child_has_a_connection_of_its_own(
        self, library, serve_raw
    ):
        """
        Parent and child go on sending, each on its own connection.
        """
        code = (
            "import os, sys\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "def send():\n"
            "    batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "    assert not transport.send(batch).problem\n"
            "transport = HTTPSTransport(sys.argv[1])\n"
            "send()\n"
            "child = os.fork()\n"
            "send()\n"
            "if child == 0:\n"
            "    transport.close()\n"
            "    os._exit(0)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "send()\n"
            "transport.close()\n"
            "print('fine')\n"
        )
        server = serve_raw()

        assert self.run(code, library, server.url) == "fine"
        assert len(server.requests) == 4
        assert server.connections == 2

    def test_a_fork_during_a_transfer(self, library, serve_raw):
        """
        A child that is forked while a transfer holds the locks can send.
        """
        code = (
            "import os, sys, threading, time\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "def send():\n"
            "    batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "    return transport.send(batch).problem\n"
            "transport = HTTPSTransport(sys.argv[1])\n"
            "thread = threading.Thread(target=send)\n"
            "thread.start()\n"
            "time.sleep(0.5)\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    transport.cancel()\n"
            "    os._exit(1 if send() else 0)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "assert thread.is_alive()\n"
            "transport.cancel()\n"
            "thread.join(5)\n"
            "print('fine')\n"
        )

        def script(conn, request):
            if len(server.requests) == 1:
                conn.recv(1)
            else:
                take_all(conn, request)

        server = serve_raw(script)

        assert self.run(code, library, server.url) == "fine"

    def test_a_client_is_not_taken_over_a_fork(self, library, serve_raw):
        """
        In a child the app's own client is left alone, and the cure is named.
        """
        code = (
            "import os, sys\n"
            "from consentkit.transports._http import _library\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "def send():\n"
            "    batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "    return transport.send(batch).problem\n"
            "client = _library().Client()\n"
            "transport = HTTPSTransport(sys.argv[1], client=client)\n"
            "assert not send()\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    os._exit(7 if 'in the child process' in send() else 1)\n"
            "assert os.waitpid(child, 0)[1] == 7 << 8\n"
            "assert not send()\n"
            "client.close()\n"
            "print('fine')\n"
        )
        server = serve_raw()

        assert self.run(code, library, server.url) == "fine"
        assert len(server.requests) == 2

    def test_a_program_ends_while_the_backend_hangs(self, library, serve_raw):
        """
        A transfer under way does not keep the interpreter from ending.
        """
        code = (
            "import sys, threading, time\n"
            "from consentkit.transports.https import HTTPSTransport\n"
            "from consentkit.outbox.records import Batch\n"
            "batch = Batch(id='b', recipient='r', erase='', records=())\n"
            "transport = HTTPSTransport(sys.argv[1], timeout_seconds=50)\n"
            "threading.Thread(target=transport.send, args=(batch,), "
            "daemon=True).start()\n"
            "time.sleep(0.5)\n"
            "print('fine')\n"
        )
        server = serve_raw(lambda conn, _: conn.recv(1))

        begun = time.monotonic()
        assert self.run(code, library, server.url) == "fine"
        assert time.monotonic() - begun < 10


def test_descriptors_are_not_leaked(serve_raw, connect):
    """
    Transfers that are delivered, refused, broken or cut leave no open file.
    """
    troubles = iter([answer(b"x"), b"", b"garbage\r\n\r\n", None] * 5)

    def script(conn, request):
        trouble = next(troubles)
        if trouble is None:
            take_all(conn, request)
        else:
            conn.sendall(trouble)
            conn.shutdown(socket.SHUT_RDWR)

    server = serve_raw(script)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with HTTPSTransport(server.url) as transport:
        for _ in range(20):
            transport.send(make_batch())
    deadline = time.monotonic() + 5
    while len(list(Path("/proc/self/fd").iterdir())) > before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
