# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit receive``.
"""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import subprocess

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from consentkit.receiver import Store
from consentkit.transports.https import HTTPSTransport
from tests.cli.shell import COMMAND, Terminal, environment, run
from tests.support import MAC_MD5, make_kit


pytestmark = pytest.mark.need_extra("receiver")


@contextmanager
def receiving(
    *arguments: str | Path, env: dict[str, str | None] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """
    Run a receiver in a process of its own, and give it and its URL.
    """
    with subprocess.Popen(
        [*COMMAND, "receive", "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**(env or {})),
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"receiving at (https?://\S+/v1), ", line)
            assert found, line
            yield process, found[1]
        finally:
            process.kill()


def deliver(data: Path, transport: Any) -> Any:
    """
    Capture a MAC address and deliver it.
    """
    with make_kit(data, "improve", transport=transport) as kit:
        with kit.use("improve") as use:
            use.capture(use.device("mac_address"))
        return kit.flush()


class TestReceive:
    """
    Tests for ``receive``.
    """

    @pytest.mark.parametrize(
        "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    )
    def test_takes_what_a_kit_delivers(
        self, number: signal.Signals, tmp_path: Path
    ) -> None:
        """
        A kit of another process delivers to the URL that it prints; told to
        end, it ends cleanly and says what it keeps.
        """
        file = tmp_path / "received.sqlite3"
        with receiving("--store", file) as (process, url):
            report = deliver(tmp_path / "data", url)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)

        assert report.delivered == 1
        assert (process.returncode, err) == (0, "")
        assert out == f"stopped; 1 record in {file}\n"
        store = Store(file)
        (stored,) = store.records()
        store.close()
        assert stored.record.value == MAC_MD5

    @pytest.mark.obligation("WP-ADD-3")
    def test_erases(self, tmp_path: Path) -> None:
        """
        A withdrawal's erasure request takes the record out of the store.
        """
        file = tmp_path / "received.sqlite3"
        with receiving("--store", file) as (process, url):
            deliver(tmp_path / "data", url)
            with make_kit(tmp_path / "data", transport=url) as kit:
                kit.consent.withdraw("improve")
                assert kit.flush().erased == 1
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)

        assert out == f"stopped; 0 records in {file}\n"

    def test_token(self, tmp_path: Path) -> None:
        """
        With a token from the environment, only who shows it may send.
        """
        env: dict[str, str | None] = {"CONSENTKIT_RECEIVER_TOKEN": "s3cret"}
        with receiving("--store", tmp_path / "r", env=env) as (_, url):
            refused = deliver(tmp_path / "a", url)
            with HTTPSTransport(url, token="s3cret") as allowed:
                taken = deliver(tmp_path / "b", allowed)

        assert (refused.delivered, refused.waiting) == (0, 1)
        assert taken.delivered == 1

    def test_tenants(self, tmp_path: Path) -> None:
        """
        With a file of tenants, each sends for its recipients.
        """
        digest = hashlib.sha256(b"ours").hexdigest()
        text = f'[a]\nsha256 = ["{digest}"]\nrecipients = ["maker"]\n'
        file = tmp_path / "tenants.toml"
        file.write_text(text)
        other = tmp_path / "other.toml"
        other.write_text(text.replace("maker", "somebody"))

        taken = []
        for n, tenants in enumerate([file, other]):
            store = tmp_path / f"store{n}"
            arguments = ("--store", store, "--tenants", tenants)
            with (
                receiving(*arguments) as (_, url),
                HTTPSTransport(url, token="ours") as transport,
            ):
                taken.append(deliver(tmp_path / f"data{n}", transport))

        assert [one.delivered for one in taken] == [1, 0]
        assert taken[1].waiting == 1

    def test_numbers_behind_a_token(self, tmp_path: Path) -> None:
        """
        With a token for the numbers from the environment, they are given to
        who shows it.
        """
        env: dict[str, str | None] = {
            "CONSENTKIT_RECEIVER_METRICS_TOKEN": "w4tch"
        }
        with receiving("--store", tmp_path / "r", env=env) as (_, url):
            place = url.removesuffix("/v1") + "/metrics"
            refused = httpx.get(place)
            shown = httpx.get(place, headers={"Authorization": "Bearer w4tch"})

        assert refused.status_code == 401
        assert "consentkit_receiver_requests_total" in shown.text

    def test_received(self, tmp_path: Path) -> None:
        """
        What is kept is told in numbers, and as JSON, while it runs.
        """
        file = tmp_path / "received.sqlite3"
        with receiving("--store", file) as (_, url):
            deliver(tmp_path / "data", url)
            httpx.post(
                f"{url}/drops",
                json={
                    "format": 1,
                    "report": "01936b2e-7100-7e33-8b00-c1d2e3f4a5b6",
                    "recipient": "controller",
                    "from": "2026-02-01T08:00:00Z",
                    "to": "2026-02-01T09:00:00Z",
                    "drops": [
                        {"function": "improve", "reason": "x", "count": 7}
                    ],
                },
            ).raise_for_status()
            said = run("received", "--store", file)
            found = json.loads(
                run("received", "--store", file, "--json").stdout
            )

        assert said.stdout.startswith(f"1 record in 1 batch, kept in {file}\n")
        assert "7        controller  improve   x" in said.stdout
        assert found["records"] == 1
        assert found["functions"] == {"improve": 1}
        assert found["dropped"] == [
            {
                "recipient": "controller",
                "function": "improve",
                "reason": "x",
                "count": 7,
            }
        ]

    def test_received_makes_no_file(self, tmp_path: Path) -> None:
        """
        Looking into a store that is not there makes none.
        """
        ran = run("received", "--store", tmp_path / "gone.sqlite3")

        assert ran.returncode == 2
        assert "gone.sqlite3: no such file" in ran.stderr
        assert not list(tmp_path.iterdir())

    def test_interrupt_in_a_terminal(self, tmp_path: Path) -> None:
        """
        ^C in a terminal ends it with code 0 and no traceback.
        """
        with Terminal(
            "receive", "--port", "0", "--store", tmp_path / "r"
        ) as terminal:
            terminal.expect("receiving at http://127.0.0.1:")
            terminal.press("c")
            assert terminal.end() == 0

        assert "Traceback" not in terminal.screen
        assert "stopped; 0 records" in terminal.screen


class TestBadInput:
    """
    One line that names the place and the cure, code 2, and no file.
    """

    def said(self, folder: Path, *arguments: str | Path) -> str:
        """
        Run it in an empty folder and give its one line.
        """
        ran = run("receive", *arguments, cwd=folder)

        assert ran.returncode == 2
        assert ran.stdout == ""
        assert "Traceback" not in ran.stderr
        last = ran.stderr.splitlines()[-1]
        assert last.startswith("consentkit")
        return last

    def test_port_in_use(self, tmp_path: Path) -> None:
        """
        A port in use is named, with the way to another.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            said = self.said(tmp_path, "--port", str(port))

        assert f"127.0.0.1:{port}: cannot listen there" in said
        assert "--port 0" in said

    @pytest.mark.parametrize("port", ["-1", "65536", "http", "80.5", "²"])
    def test_no_port(self, port: str, tmp_path: Path) -> None:
        """
        What is no port is refused.
        """
        said = self.said(tmp_path, f"--port={port}")

        assert "0 to 65535" in said
        assert not list(tmp_path.iterdir())

    def test_reachable_without_tls(self, tmp_path: Path) -> None:
        """
        It does not listen to other machines without TLS.
        """
        said = self.said(tmp_path, "--host", "0.0.0.0", "--port", "0")

        assert "TLS" in said
        assert "--certificate" in said
        assert "--behind-proxy" in said
        assert not list(tmp_path.iterdir())

    def test_unknown_host(self, tmp_path: Path) -> None:
        """
        An address that is not this machine's is named.
        """
        said = self.said(
            tmp_path, "--host", "192.0.2.1", "--behind-proxy", "--port", "0"
        )

        assert "192.0.2.1:0: cannot listen there" in said

    def test_certificate(self, tmp_path: Path) -> None:
        """
        A certificate that is missing, or none, is named by its file.
        """
        said = self.said(tmp_path, "--certificate", "gone.pem")
        assert "gone.pem: no such file" in said

        (tmp_path / "none.pem").write_text("no certificate")
        said = self.said(tmp_path, "--certificate", "none.pem")
        assert "none.pem: no certificate with its key" in said

        said = self.said(tmp_path, "--key", "key.pem")
        assert "--certificate" in said or "without a certificate" in said
        assert [p.name for p in tmp_path.iterdir()] == ["none.pem"]

    def test_store(self, tmp_path: Path) -> None:
        """
        A store that cannot be is named before it listens.
        """
        said = self.said(tmp_path, "--store", tmp_path, "--port", "0")
        assert f"{tmp_path}: a folder" in said

        (tmp_path / "file").write_text("")
        store = tmp_path / "file" / "r.sqlite3"
        said = self.said(tmp_path, "--store", store, "--port", "0")
        assert str(tmp_path / "file") in said

        (tmp_path / "other").write_bytes(b"no database" * 99)
        said = self.said(tmp_path, "--store", "other", "--port", "0")
        assert "other: the file is damaged" in said

    def test_another_database(self, tmp_path: Path) -> None:
        """
        A URL that no store has is refused, and not repeated.
        """
        said = self.said(tmp_path, "--store", "mysql://u:s3cret@h/d")

        assert "postgresql://USER@HOST/DATABASE" in said
        assert "s3cret" not in said
        assert not list(tmp_path.iterdir())

    def test_tenants(self, tmp_path: Path) -> None:
        """
        A file of tenants that is missing, or faulty, is named before a store
        is made.
        """
        said = self.said(tmp_path, "--tenants", "gone.toml")
        assert "gone.toml: the file cannot be read" in said

        (tmp_path / "none.toml").write_text("a = 1")
        said = self.said(tmp_path, "--tenants", "none.toml")
        assert "none.toml: a: must have sha256 and recipients" in said
        assert [p.name for p in tmp_path.iterdir()] == ["none.toml"]

    @pytest.mark.parametrize("number", ["0", "-1", "many", "1.5"])
    def test_no_number(self, number: str, tmp_path: Path) -> None:
        """
        What is no number of requests is refused.
        """
        said = self.said(tmp_path, f"--requests={number}")

        assert "no number above 0" in said

    @pytest.mark.need_extra("nats")
    def test_a_stream(self, tmp_path: Path) -> None:
        """
        A stream's URL that cannot be used is one line; and what nobody will
        ask for is not set up.
        """
        said = self.said(tmp_path, "--from", "http://h/a", "--port", "0")
        assert "nats://host[:port]/SUBJECT" in said

        said = self.said(tmp_path, "--from", "nats://h/a", "--token", "x")
        assert "leave out --token" in said
