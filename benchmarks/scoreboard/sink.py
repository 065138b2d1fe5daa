# SPDX-License-Identifier: MIT
"""
The backend of everybody: it answers at once and counts afterwards.

It is a process of its own, so that what it does is not on a client's account.
It takes any POST on a port of the loopback interface, and keeps the body with
the time it came; the counting, with unpacking and opening, waits until
somebody asks. A line of JSON on standard input is a question or a command, a
line on standard output the answer; where the input ends, it ends.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
import threading
import time
import zlib

from contextlib import suppress
from typing import Any, Final

from benchmarks.peer_driver import open_body
from consentkit.seal import MEDIA_TYPE


_HOST: Final = "127.0.0.1"
#: What satisfies every SDK that looks at the answer.
_ANSWER: Final = b'{"status": 1, "code": 200, "errors": []}'


def unpack(body: bytes, encoding: str) -> bytes:
    """
    Undo a content encoding.
    """
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding == "zstd":
        from importlib import import_module

        whole = import_module("zstandard").ZstdDecompressor().decompressobj()
        plain: bytes = whole.decompress(body)
        return plain
    return body


class Count:
    """
    What has come of one run.
    """

    def __init__(self, run: int) -> None:
        self._reference = re.compile(rb"bid%03d(\d{7})" % run)
        self._lock = threading.Lock()
        self._kept: list[tuple[int, str, bytes]] = []
        self._seen: set[bytes] = set()
        self._told = {
            "requests": 0,
            "wire_bytes": 0,
            "sightings": 0,
            "unreadable": 0,
            "first_at": 0,
            "last_new_at": 0,
        }

    def keep(self, encoding: str, body: bytes) -> None:
        """
        Keep a body as it came, with its encoding or, of an envelope, type.
        """
        with self._lock:
            self._kept.append((time.monotonic_ns(), encoding, body))

    def tell(self) -> dict[str, int]:
        """
        Count what has come since the last time, and give all counts.

        ``events`` is how many different ones there are, ``sightings`` how
        many with those that came again; times are nanoseconds of the
        monotonic clock.
        """
        with self._lock:
            kept, self._kept = self._kept, []
        for at, encoding, body in kept:
            self._look(at, encoding, body)
        return {**self._told, "events": len(self._seen)}

    def _look(self, at: int, encoding: str, body: bytes) -> None:
        told = self._told
        told["requests"] += 1
        try:
            is_sealed = encoding == MEDIA_TYPE
            plain = open_body(body) if is_sealed else unpack(body, encoding)
            found = self._reference.findall(plain)
        except Exception:  # noqa: BLE001 - whatever an SDK sends
            told["unreadable"] += 1
            return
        if not found:
            return
        known = len(self._seen)
        self._seen.update(found)
        told["wire_bytes"] += len(body)
        told["sightings"] += len(found)
        told["first_at"] = told["first_at"] or at
        if len(self._seen) > known:
            told["last_new_at"] = at


class Sink:
    """
    The server, and what it is told to be like.
    """

    def __init__(self) -> None:
        self.count = Count(0)
        self.delay_seconds = 0.0
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> int:
        """
        Listen, on the same port as before, and tell which.
        """
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, _HOST, self._port, backlog=512, limit=2**24
            )
            self._port = self._server.sockets[0].getsockname()[1]
        return self._port

    async def shut(self) -> None:
        """
        Refuse every connection, and break off those that are open.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            self._writers.discard(writer)
            with suppress(OSError):
                writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        request, *lines = head.rstrip().split("\r\n")
        fields = dict(line.split(":", 1) for line in lines)
        named = {key: value.strip() for key, value in fields.items()}
        body = await reader.readexactly(int(named.get("content-length", 0)))
        if request.startswith("post"):
            kind = named.get("content-type", "")
            packed = named.get("content-encoding", "")
            self.count.keep(kind if kind == MEDIA_TYPE else packed, body)
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(_ANSWER), _ANSWER)
        )
        return named.get("connection") != "close"


def main() -> None:
    """
    Serve in one thread, and take commands in another.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    sink = Sink()

    def wait(step: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(step, loop).result()

    def say(**facts: object) -> None:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()

    say(port=wait(sink.open()))
    for line in sys.stdin:
        told = json.loads(line)
        if "run" in told:
            sink.count = Count(told["run"])
        if "is_down" in told:
            sink.delay_seconds = told["delay_seconds"]
            wait(sink.shut() if told["is_down"] else sink.open())
        say(**sink.count.tell())


if __name__ == "__main__":
    main()
