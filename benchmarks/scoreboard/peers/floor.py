# SPDX-License-Identifier: MIT
"""
The floor: the thinnest pipeline whose events are encrypted and outlive
``kill -9`` that we know how to write. It checks nothing, asks nobody, bounds
nothing and cannot forget; no product can be much faster.
"""

from __future__ import annotations

import mmap
import os
import threading
import time

from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import Options, Peer


_WINDOW: Final = 4 * 1024 * 1024

#: How many times it looks for more, before it sends a batch that is not full.
_PATIENCE: Final = 25


class Floor(Peer):
    """
    One copy into a mapped file for each event, without a call of the system;
    one thread that sends what stands there and notes how far it is.
    """

    distributions = ("cryptography", "orjson", "zstandard")
    statement = (
        "import http.client, threading, orjson, zstandard; "
        "from cryptography.hazmat.primitives.ciphers.aead import AESGCM"
    )
    note = "no product: durable and encrypted, and nothing else"

    def start(self, options: Options) -> None:
        """
        Open the file and start the thread.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._encode = import_module("orjson").dumps
        packer = import_module("zstandard").ZstdCompressor(level=1)
        self._compress = packer.compress
        self._port = options.port
        self._batch_size = options.batch_size or 500
        cipher = AESGCM(_key_in(options.data_dir / "key"))
        self._encrypt, self._decrypt = cipher.encrypt, cipher.decrypt
        flags = os.O_RDWR | os.O_CREAT
        self._file = os.open(options.data_dir / "events", flags, 0o600)
        self._place = os.open(options.data_dir / "sent", flags, 0o600)
        self._sent = int.from_bytes(os.pread(self._place, 8, 0), "little")
        # What is there already ends where a window ends.
        self._base = os.lseek(self._file, 0, os.SEEK_END)
        self._open_window()
        self._prefix = os.urandom(4)
        self._numbers = count()
        self._lock = threading.Lock()
        self._is_hurried = False
        threading.Thread(target=self._send_all, daemon=True).start()

    def _open_window(self) -> None:
        os.posix_fallocate(self._file, self._base, _WINDOW)
        self._window = mmap.mmap(self._file, _WINDOW, offset=self._base)
        self._at = 0

    def capture(self, event: Event) -> None:
        """
        Encode, encrypt and copy: a mapped page is the system's from then on.
        """
        plain = self._encode((event, time.time_ns()))
        with self._lock:
            nonce = self._prefix + next(self._numbers).to_bytes(8, "little")
            entry = nonce + self._encrypt(nonce, plain, None)
            start = self._at + 4
            end = start + len(entry)
            if end > _WINDOW:
                self._window.close()
                self._base += _WINDOW
                self._open_window()
                start, end = 4, 4 + len(entry)
            self._window[start:end] = entry
            # Last, as it makes the entry count.
            self._window[start - 4 : start] = len(entry).to_bytes(4, "little")
            self._at = end

    def flush(self) -> None:
        """
        Wait until the thread has sent it all.
        """
        self._is_hurried = True
        end = time.monotonic() + 60
        while self._sent < self._base + self._at and time.monotonic() < end:
            time.sleep(0.001)
        self._is_hurried = False

    def _send_all(self) -> None:
        from http.client import HTTPConnection

        line = HTTPConnection("127.0.0.1", self._port, timeout=10)
        waited = 0
        while True:
            entries, next_place = self._read()
            is_full = len(entries) == self._batch_size or self._is_hurried
            if not entries or not (is_full or waited == _PATIENCE):
                waited = waited + 1 if entries else 0
                time.sleep(0.002)
                continue
            open_one = self._decrypt
            plain = [open_one(e[:12], e[12:], None) for e in entries]
            body = self._compress(b"[" + b",".join(plain) + b"]")
            try:
                line.request("POST", "/", body, {"Content-Encoding": "zstd"})
                line.getresponse().read()
            except OSError:
                line.close()
                time.sleep(0.1)
                continue
            os.pwrite(self._place, next_place.to_bytes(8, "little"), 0)
            self._sent = next_place
            waited = 0

    def _read(self) -> tuple[list[bytes], int]:
        """
        Read what one batch takes, and tell where the next one begins.
        """
        base, place = self._base, self._sent
        most = min(self._batch_size * 600, _WINDOW - place % _WINDOW)
        raw = os.pread(self._file, most, place)
        entries: list[bytes] = []
        at = 0
        while len(entries) < self._batch_size:
            start = at + 4
            size = int.from_bytes(raw[at:start], "little")
            if not size or start + size > len(raw):
                break
            at = start + size
            entries.append(raw[start:at])
        if not entries and place < base:
            # The rest of this window is empty, and the next one begun.
            self._sent = place + _WINDOW - place % _WINDOW
        return entries, place + at


def _key_in(path: Path) -> bytes:
    if not path.exists():
        path.write_bytes(os.urandom(32))
    return path.read_bytes()


PEER = Floor
