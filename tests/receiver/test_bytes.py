# SPDX-License-Identifier: MIT
"""
Tests for raw bytes: whatever comes over a socket, the receiver goes on.

The bytes are random with fixed seeds; a failure names its seed.
"""

from __future__ import annotations

import json
import random
import re
import socket
import struct
import zlib

from contextlib import closing, suppress

import pytest

from attrs import evolve

from consentkit.receiver import Store
from consentkit.seal import KeyRing
from consentkit.transports import pack
from tests.receiver.fleet import Receiver
from tests.transports.conformance import make_batch, make_erasure


pytestmark = [
    pytest.mark.need_extra("receiver"),
    pytest.mark.usefixtures("unmeasured"),
]

POST = b"POST /v1/batches HTTP/1.1\r\nHost: x\r\n"

#: How long an answer may take.
SECONDS = 60.0


class Target:
    """
    A receiver in a process of its own, and its store.
    """

    def __init__(self, folder) -> None:
        self.keys = KeyRing.new(folder / "keys.json")
        self.file = folder / "received.sqlite3"
        self.receiver = Receiver(
            *("--store", self.file, "--keys", folder / "keys.json")
        )
        self.receiver.wait()
        host, _, port = self.receiver.url.rpartition("/")[2].partition(":")
        self.address = host, int(port)

    def say(self, *parts: bytes, half_close: bool = False) -> bytes:
        """
        Send bytes, and give all that is answered until it hangs up.
        """
        with socket.create_connection(self.address, SECONDS) as sock:
            with suppress(OSError):
                for part in parts:
                    sock.sendall(part)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            said = b""
            with suppress(ConnectionError):
                while part := sock.recv(65536):
                    said += part
                    if not half_close and is_whole(said):
                        break
        return said

    def leave(self, *parts: bytes) -> None:
        """
        Send bytes, and be gone.
        """
        with socket.create_connection(self.address, SECONDS) as sock:
            # Reset, in place of a tidy end.
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            with suppress(ConnectionError):
                for part in parts:
                    sock.sendall(part)

    def held(self) -> list[str]:
        """
        Give the ids of what is stored.
        """
        with closing(Store(self.file)) as store:
            return [one.record.id for one in store.records()]

    def check(self) -> None:
        """
        Show that it runs, and takes what is good.
        """
        assert self.receiver.process.poll() is None
        before = self.held()
        batch = make_batch()
        body = json.dumps(batch.as_json()).encode()
        assert status(self.say(head("batches", len(body)), body)) == 200
        new = [one.id for one in batch.records]
        assert sorted(self.held()) == sorted(before + new)


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """
    Give a running receiver for several tests.
    """
    made = Target(tmp_path_factory.mktemp("bytes"))
    yield made
    made.check()
    complaints = made.receiver.end_loudly()
    assert "Traceback" not in complaints, complaints


@pytest.fixture
def unchanged(target):
    """
    Give the receiver; afterwards its store is as before, and it runs.
    """
    before = target.held()
    yield target
    assert target.held() == before
    target.check()


def head(route, length, kind="application/json", more=""):
    """
    Write the head of a good request.
    """
    return (
        f"POST /v1/{route} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode()


def is_whole(said):
    """
    Tell whether an answer has come to its end.
    """
    first, _, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", first)
    return bool(length) and len(body) >= int(length[1])


def status(said):
    """
    Give the status of an answer; 0 if there is none.
    """
    if not said:
        return 0
    assert said.startswith(b"HTTP/1.1 "), said[:100]
    return int(said[9:12])


def good_body(**changes):
    """
    Make the bytes of a good batch.
    """
    return json.dumps({**make_batch().as_json(), **changes}).encode()


class TestGarbage:
    """
    Tests for what is no request.
    """

    @pytest.mark.parametrize("seed", range(40))
    def test_random_bytes(self, unchanged, seed):
        """
        Noise is refused, or hung up on.
        """
        noise = random.Random(seed)
        size = noise.choice([1, 10, 100, 5_000, 200_000])

        said = unchanged.say(noise.randbytes(size), half_close=True)

        assert status(said) in {0, 400}

    @pytest.mark.parametrize("seed", range(60))
    def test_a_request_with_bytes_changed(self, unchanged, seed):
        """
        A good request with some bytes of its head changed is answered, or
        hung up on; what is stored by it is stored whole.
        """
        noise = random.Random(seed)
        # An erasure of a grant that nobody has changes no record.
        body = json.dumps(make_erasure("ab" * 32).as_json()).encode()
        request = bytearray(head("erasures", len(body)) + body)
        for _ in range(noise.choice([1, 2, 8])):
            request[noise.randrange(len(request))] = noise.randrange(256)

        said = unchanged.say(bytes(request), half_close=True)

        assert status(said) in {0, 200, 400, 404, 405, 408, 413, 415, 501, 505}

    @pytest.mark.parametrize(
        "said",
        [
            b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            POST + b"Content-Length: -1\r\n\r\n",
            POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
            POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
            POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 22 + b"\r\n",
            POST + b"A : b\r\n\r\n",
            POST + b"A: b\0c\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ],
        ids=range(10),
    )
    def test_what_is_no_http(self, unchanged, said):
        """
        What breaks the rules of HTTP is 400, or 415 where it names no type;
        what could be HTTP of another version is nowhere. Nothing comes
        behind the answer to the last of it.
        """
        answer = unchanged.say(said, half_close=True)

        assert status(answer) in {400, 404, 415}
        assert answer.count(b"HTTP/1.1 ") <= 1 + said.startswith(b"PRI")

    def test_a_huge_header(self, unchanged):
        """
        A header without end is refused before it fills the memory.
        """
        piece = b"x" * 65_536
        parts = [b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: ", *[piece] * 64]

        assert status(unchanged.say(*parts)) in {0, 400}

    def test_very_many_headers(self, unchanged):
        """
        Headers without number are refused as well.
        """
        many = b"".join(b"a%d: b\r\n" % n for n in range(100_000))
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n"

        assert status(unchanged.say(request)) in {0, 400}

    def test_requests_behind_each_other(self, target):
        """
        Several requests in one piece are answered in order, each for itself.
        """
        bodies = [good_body(), b"{", good_body()]
        pieces = [head("batches", len(body)) + body for body in bodies]

        said = target.say(b"".join(pieces), half_close=True)

        # At a half-close only what was begun is answered.
        first = said.split(b"HTTP/1.1 ")[1:]
        assert [one[:3] for one in first][:1] == [b"200"]
        target.check()


class TestBodies:
    """
    Tests for a good head with another body.
    """

    @pytest.mark.parametrize("seed", range(40))
    @pytest.mark.parametrize("route", ["batches", "erasures", "drops"])
    def test_a_body_of_random_bytes(self, unchanged, route, seed):
        """
        A body of noise is 400, with its place.
        """
        noise = random.Random(seed)
        body = noise.randbytes(noise.choice([1, 30, 3_000]))

        said = unchanged.say(head(route, len(body)), body)

        assert status(said) == 400
        assert b'"path":"$"' in said

    @pytest.mark.parametrize("seed", range(40))
    def test_a_body_cut_off(self, unchanged, seed):
        """
        A batch that ends early stores nothing, whether its length is right
        or the sender leaves.
        """
        noise = random.Random(seed)
        body = good_body()
        cut = body[: noise.randrange(len(body))]

        assert status(unchanged.say(head("batches", len(cut)), cut)) == 400
        said = unchanged.say(head("batches", len(body)), cut, half_close=True)
        assert status(said) == 400
        unchanged.leave(head("batches", len(body)), cut)

    def test_a_sender_that_listens_on(self, target):
        """
        One that has said all, and closed its side, is answered.
        """
        body = good_body()

        said = target.say(head("batches", len(body)), body, half_close=True)

        assert status(said) == 200
        assert said.count(b'"stored"') == 2
        target.check()

    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
    def test_a_compressed_bomb(self, unchanged, coding):
        """
        What is compressed is refused, and not opened.
        """
        bomb = zlib.compress(b" " * 200_000_000, 9)
        more = f"Content-Encoding: {coding}\r\n"

        said = unchanged.say(head("batches", len(bomb), more=more), bomb)

        assert status(said) == 415

    def test_a_bomb_in_an_envelope(self, unchanged):
        """
        An envelope that opens to too much is refused, at little cost.
        """
        batch = make_batch()
        record = evolve(batch.records[0], value="x" * 60_000_000)
        batch = evolve(
            batch, records=(record,), seal_for=unchanged.keys.current.seal_key
        )
        parcel = pack(batch)
        assert len(parcel.body) < 200_000

        said = unchanged.say(
            head("batches", len(parcel.body), parcel.media_type), parcel.body
        )

        assert status(said) == 400
        assert b"opens to more than" in said

    @pytest.mark.parametrize("seed", range(60))
    def test_an_envelope_with_a_byte_changed(self, unchanged, seed):
        """
        An envelope of which any byte was changed, or the end is missing, is
        400 or names the key; nothing of it is stored.
        """
        noise = random.Random(seed)
        seal_for = unchanged.keys.current.seal_key
        parcel = pack(evolve(make_batch(), seal_for=seal_for))
        changed = bytearray(parcel.body)
        if seed % 3:
            changed[noise.randrange(len(changed))] ^= 1 << noise.randrange(8)
        else:
            del changed[noise.randrange(len(changed)) :]

        said = unchanged.say(
            head("batches", len(changed), parcel.media_type), bytes(changed)
        )

        assert status(said) in {400, 422}

    def test_an_envelope_at_another_door(self, unchanged):
        """
        A batch's envelope is no erasure request, and no drop report.
        """
        seal_for = unchanged.keys.current.seal_key
        parcel = pack(evolve(make_batch(), seal_for=seal_for))

        for route in ("erasures", "drops"):
            said = unchanged.say(
                head(route, len(parcel.body), parcel.media_type), parcel.body
            )
            assert status(said) == 400

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 200_000,
            '{"a":' * 100_000,
            "1" * 1_000_000,
            '{"format": 1e400}',
            '"' + "\\ud800" * 1_000 + '"',
            "{" + ",".join(f'"k{n}":1' for n in range(100_000)) + "}",
        ],
        ids=range(6),
    )
    def test_json_that_hurts(self, unchanged, text):
        """
        JSON that is deep, long or wide is 400.
        """
        body = text.encode()

        assert status(unchanged.say(head("batches", len(body)), body)) == 400

    def test_too_large(self, unchanged):
        """
        A body beyond the bound is 413, also in chunks without a length.
        """
        size = 17 * 1024 * 1024
        piece = b" " * 65_536
        pieces = [piece] * (size // len(piece))
        assert status(unchanged.say(head("batches", size), *pieces)) == 413

        chunked = (
            b"POST /v1/batches HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunks = [b"10000\r\n" + one + b"\r\n" for one in pieces]
        said = unchanged.say(chunked, *chunks, b"0\r\n\r\n")
        assert status(said) == 413
