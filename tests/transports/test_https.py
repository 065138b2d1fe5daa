# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.https`: address, request and conformance.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import time

import pytest

from consentkit.exceptions import TransportError
from consentkit.testing import (
    Arrived,
    BadTransportConformance,
    TransportConformance,
)
from consentkit.transports import Outcome, transport_from_url
from consentkit.transports.https import HTTPSTransport
from tests.transports.conformance import (
    PLANTED,
    ErasingConformance,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.servers import (
    BrokenClient,
    answer,
    good_document,
    linger,
    say,
    take_all,
)


DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY

JSON_HEADER = "Content-Type: application/json\r\n"

pytestmark = pytest.mark.usefixtures("library")


def take_envelopes(conn, request):
    """
    Be a backend that has the key, and takes everything.
    """
    sent = Arrived(id=request.headers["Idempotency-Key"], body=request.body)
    conn.sendall(answer(good_document(sent.document)))


class TestConformance(TransportConformance):
    """
    `HTTPSTransport` keeps what every transport has to keep.
    """

    @pytest.fixture(autouse=True)
    def _server(self, serve_raw):
        self.server = serve_raw(take_envelopes)

    def make_transport(self):
        """
        Make a transport to the server.
        """
        return HTTPSTransport(self.server.url)

    def received(self):
        """
        Give what was posted, the first of each id.
        """
        found = {}
        for request in self.server.requests:
            id_ = request.headers["Idempotency-Key"]
            found.setdefault(id_, Arrived(id=id_, body=request.body))
        return list(found.values())


class TestTLS(TestConformance):
    """
    Over TLS too.
    """

    @pytest.fixture(autouse=True)
    def _server(self, serve_raw, certificates):
        self.certificates = certificates
        self.server = serve_raw(take_envelopes, tls=certificates)

    def make_transport(self):
        """
        Make a transport that trusts the server's authority.
        """
        ca = self.certificates / "ca.pem"
        return HTTPSTransport(self.server.url, verify=ca)

    @pytest.mark.obligation("GP-PROT-1", "WP-DENC-1")
    def test_delivers_envelopes(self):
        """
        Where TLS ends, what is sealed is still sealed.
        """
        super().test_delivers_envelopes()


class TestReceiver(ErasingConformance):
    """
    With the reference receiver behind it, which stores and erases.
    """

    pytestmark = pytest.mark.need_extra("receiver")

    @pytest.fixture(autouse=True)
    def _serve(self, tmp_path):
        from consentkit.receiver import Store, make_app, serve

        self.store = Store(tmp_path / "store.db")
        with serve(make_app(self.store, token="s3cret")) as self.server:
            yield
        self.store.close()

    def make_transport(self):
        """
        Make a transport with the token that the receiver asks for.
        """
        return HTTPSTransport(self.server.url, token="s3cret")

    def held(self):
        """
        Look into the store.
        """
        return {one.record.id for one in self.store.records()}

    def test_what_arrives_is_what_was_sent(self):
        """
        A record comes out of the store as it went into the transport.
        """
        batch = make_batch(make_record(value={"a": ["é猫", 1.5, None, True]}))

        with self.make_transport() as transport:
            transport.send(batch)

        [stored] = self.store.records()
        assert stored.record.as_json() == batch.records[0].as_json()
        assert stored.batch == batch.id
        assert stored.erase == batch.erase


class TestBadBackend(BadTransportConformance):
    """
    And where the backend is gone, hangs, or is another one.
    """

    within_seconds = 10.0

    @pytest.fixture(
        autouse=True, params=["gone", "silent", "nonsense", "portal"]
    )
    def _server(self, request, serve_raw):
        if request.param == "gone":
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
            return
        script = {
            "silent": linger,
            "nonsense": lambda conn, _: conn.sendall(b"\x15\x03\x03\r\n\r\n"),
            "portal": say(
                b"<p>Sign in first", headers="Content-Type: text/html\r\n"
            ),
        }[request.param]
        self.url = serve_raw(script).url

    def make_transport(self):
        """
        Make a transport to it.
        """
        return HTTPSTransport(self.url, timeout_seconds=0.4)


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

    @pytest.mark.obligation("WP-ENC-1", "GP-PROT-1")
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

    @pytest.mark.obligation("WP-ENC-1")
    @pytest.mark.parametrize("verify", [False, True])
    def test_trust_cannot_be_switched_off(self, verify):
        """
        A boolean is not a way to say whom to trust.
        """
        with pytest.raises(TransportError, match="CA certificates"):
            HTTPSTransport("https://a.example", verify=verify)

    @pytest.mark.obligation("WP-ENC-1")
    def test_a_context_must_check(self):
        """
        An SSL context that checks nothing is refused.
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
                "https://a.example", client=BrokenClient(), verify="ca.pem"
            )


class TestOneAnswerForAll:
    """
    Backends that say one thing of a whole batch.
    """

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ("stored", DELIVERED),
            ("duplicate", Outcome.DUPLICATE),
            ("rejected", RETRY),
            (7, RETRY),
        ],
    )
    def test_the_same_became_of_all(self, connect, serve_raw, said, expected):
        """
        One outcome may stand for all, but none that would drop them.
        """
        server = serve_raw(
            lambda conn, request: conn.sendall(
                answer(
                    {
                        "batch": request.headers["Idempotency-Key"],
                        "outcome": said,
                    }
                )
            )
        )
        batch = make_batch()
        told = connect(server.url).send(batch)
        assert dict(told.outcomes) == dict.fromkeys(batch.ids, expected)

    @pytest.mark.parametrize("status", [200, 202, 204])
    def test_any_success_is_one(self, connect, serve_raw, status):
        """
        With *plain_answers* a success is one, whatever it says; without, it
        is none.
        """
        server = serve_raw(say(b"", status=status))
        batch, erasure = make_batch(), make_erasure()
        plain = connect(server.url, plain_answers=True)
        assert set(plain.send(batch).outcomes.values()) == {DELIVERED}
        assert plain.erase(erasure).outcomes == {erasure.id: DELIVERED}
        strict = connect(server.url)
        assert set(strict.send(batch).outcomes.values()) == {RETRY}

    @pytest.mark.parametrize("status", [302, 401, 500])
    def test_what_is_none_is_tried_again(self, connect, serve_raw, status):
        """
        With *plain_answers* too, a redirect and a failure are no success.
        """
        server = serve_raw(say(b"", status=status))
        told = connect(server.url, plain_answers=True).send(make_batch())
        assert set(told.outcomes.values()) == {RETRY}


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
            conn.sendall(
                answer(good_document(request.json()), headers=headers)
            )

        server = serve_raw(script)
        transport = connect(server.url)
        transport.send(make_batch())
        transport.send(make_batch())

        assert all("Cookie" not in one.headers for one in server.requests)
        assert not transport._line._link.client().cookies

    def test_nothing_is_logged_of_it(self, talk, caplog):
        """
        Neither what is sent nor what is answered gets into a log.
        """
        caplog.set_level(logging.DEBUG)

        talk(say({"secret": "answered-7A"}), token="t0ken-9")

        assert PLANTED not in caplog.text
        assert "answered-7A" not in caplog.text
        assert "t0ken-9" not in caplog.text
