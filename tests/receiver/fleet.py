# SPDX-License-Identifier: MIT
"""
Several receivers as real processes, and senders that keep them busy.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import signal
import subprocess
import threading

from contextlib import suppress
from urllib.parse import urlsplit

from tests.cli.shell import COMMAND, environment


class Receiver:
    """
    ``consentkit receive`` in a process of its own.

    Args:
        arguments: What it is told beside the port.
    """

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "receive", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.url = ""

    def wait(self) -> None:
        """
        Wait until it listens.
        """
        line = self.process.stdout.readline()
        found = re.search(r" at (https?://\S+)/v1, ", line)
        assert found, line + self.process.stderr.read()
        self.url = found[1]

    def kill(self) -> None:
        """
        Kill it, so that nothing of it runs any more.
        """
        self.process.kill()
        self.process.wait(30)

    def end(self) -> str:
        """
        Tell it to end, and give what it said.
        """
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        assert (self.process.returncode, err) == (0, "")
        return out

    def end_loudly(self) -> str:
        """
        Tell it to end, and give what it complained of.
        """
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return err

    def numbers(self) -> dict[str, float]:
        """
        Give its ``/metrics``, by name and labels.
        """
        parts = urlsplit(self.url)
        conn = http.client.HTTPConnection(parts.hostname or "", parts.port)
        with suppress(ConnectionError):
            conn.request("GET", "/metrics")
            text = conn.getresponse().read().decode()
        conn.close()
        lines = [x for x in text.splitlines() if not x.startswith("#")]
        return {x.rpartition(" ")[0]: float(x.split()[-1]) for x in lines}

    def close(self) -> None:
        """
        Leave nothing of it.
        """
        with self.process:
            self.process.kill()


class Sender(threading.Thread):
    """
    Posts each batch to any receiver until one says that it is stored.

    Attributes:
        acknowledged: Ids of records that some receiver answered for.

        broken: How often no answer came.

        outcomes: How often each outcome was said.
    """

    def __init__(self, receivers, batches, seed: int) -> None:
        super().__init__(daemon=True)
        self._receivers = receivers
        self._batches = batches
        self._random = random.Random(seed)
        self.acknowledged: list[str] = []
        self.broken = 0
        self.outcomes: dict[str, int] = {}
        self.progress = threading.Event()

    def run(self) -> None:
        """
        Send all of it.
        """
        for number, batch in enumerate(self._batches):
            body = json.dumps(batch.as_json()).encode()
            while not self._post(body):
                self.broken += 1
            if number >= len(self._batches) // 3:
                self.progress.set()
        self.progress.set()

    def _post(self, body: bytes) -> bool:
        parts = urlsplit(self._random.choice(self._receivers).url)
        conn = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=60
        )
        kind = {"Content-Type": "application/json"}
        try:
            conn.request("POST", "/v1/batches", body, kind)
            got = conn.getresponse()
            answer = json.loads(got.read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            conn.close()
        if got.status != 200:
            return False
        for one in answer["outcomes"]:
            assert one["outcome"] in {"stored", "duplicate"}
            self.acknowledged.append(one["id"])
            said = one["outcome"]
            self.outcomes[said] = self.outcomes.get(said, 0) + 1
        return True
