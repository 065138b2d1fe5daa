# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.https`: what the backend answers.
"""

from __future__ import annotations

import time

from email.utils import formatdate

import pytest

from consentkit.transports import Outcome
from tests.transports.conformance import (
    PLANTED,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)
from tests.transports.servers import (
    answer,
    good_document,
    say,
)


DELIVERED, RETRY = Outcome.DELIVERED, Outcome.RETRY

JSON_HEADER = "Content-Type: application/json\r\n"

pytestmark = pytest.mark.usefixtures("library")


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
            conn.sendall(
                answer(good_document(request.json()), headers=headers)
            )

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
        assert reply.refused is (status in {400, 409, 422, 500})
        assert reply.retry_after_seconds is None

    @pytest.mark.obligation("GP-PROT-1")
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
    def test_redirects_are_not_followed(self, serve_raw, connect, status):
        """
        A redirect is no success and no way: nothing goes to its target.

        A downgrade by redirect is refused.
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
            ("9" * 16, 86400),
            ("9" * 400, 86400),
            ("9" * 5000, 86400),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("٣", None),
            ("Wed, 99 Foo 2026 00:00:00 GMT", None),
            ("Wed, 21 Oct 1925 07:28:00 GMT", 0),
            ("Wed, 21 Oct 9925 07:28:00 GMT", 86400),
            ("Wed, 21 Oct 99925 07:28:00 GMT", 86400),
            (f"Wed, 21 Oct {'9' * 400} 07:28:00 GMT", 86400),
        ],
    )
    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_retry_after(self, talk, status, text, seconds):
        """
        A pause in seconds or as a date is passed on, a day at most however
        long it is; nonsense is ignored.
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

    def test_retry_after_beside_a_date_that_is_none(self, talk):
        """
        A backend whose own date is absurd, too, is given the longest pause.
        """
        absurd = "Wed, 21 Oct 99925 07:28:00 GMT"
        headers = f"Date: {absurd}\r\nRetry-After: {absurd}\r\n"

        reply = talk(say(status="503 Later", headers=headers))

        assert reply.retry_after_seconds == 86400

    def test_retry_after_by_the_local_clock(self, talk):
        """
        A date without the backend's own is taken relative to this clock.
        """
        then = formatdate(time.time() + 100, usegmt=True)

        reply = talk(say(status="429 L", headers=f"Retry-After: {then}\r\n"))

        assert reply.retry_after_seconds is not None
        assert 90 < reply.retry_after_seconds < 101
