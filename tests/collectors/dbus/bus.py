# SPDX-License-Identifier: MIT

"""
A system bus of a test's own, with fake services on it.

Each service is a process; all of them end with the test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


__all__ = ["PrivateBus", "private_bus"]

FAKES = Path(__file__).with_name("fakes.py")

CONFIG = """<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>consentkit-test</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{folder}/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    {policy}
  </policy>
</busconfig>
"""

SERVICE = """[D-BUS Service]
Name={name}
Exec={command}
"""


class PrivateBus:
    """
    A running bus, and what runs on it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix:path={folder}/bus"
        self.running: list[subprocess.Popen[Any]] = []
        self._journals = 0

    def start(self, name: str, *, kind: str = "plain", **told: Any) -> Path:
        """
        Start a fake service; give its journal when it answers.
        """
        journal = self._journal()
        told |= {"name": name, "kind": kind, "journal": str(journal)}
        self._run([sys.executable, str(FAKES), json.dumps(told)])
        until(lambda: "ready" in journal.read_text())
        return journal

    def offer(self, name: str, *, kind: str = "plain", **told: Any) -> Path:
        """
        Let the bus start a fake service when somebody calls it.
        """
        journal = self._journal()
        told |= {"name": name, "kind": kind, "journal": str(journal)}
        script = self.folder / f"start-{name}.py"
        script.write_text(
            f"import os\n"
            f"os.environ['DBUS_SYSTEM_BUS_ADDRESS'] = {self.address!r}\n"
            f"os.execv({sys.executable!r}, "
            f"{[sys.executable, str(FAKES), json.dumps(told)]!r})\n"
        )
        service = self.folder / "services" / f"{name}.service"
        command = f"{sys.executable} {script}"
        service.write_text(SERVICE.format(name=name, command=command))
        return journal

    def _journal(self) -> Path:
        self._journals += 1
        journal = self.folder / f"journal-{self._journals}"
        journal.touch()
        return journal

    def _run(self, command: list[str]) -> None:
        environ = {"DBUS_SYSTEM_BUS_ADDRESS": self.address}
        self.running.append(subprocess.Popen(command, env=environ))


def calls(journal: Path) -> list[list[Any]]:
    """
    Give what a fake service was asked: method, path, arguments.
    """
    lines = journal.read_text().splitlines()
    return [json.loads(line) for line in lines if line != '["ready"]']


def members(journal: Path) -> list[str]:
    """
    Give the methods that a fake service was asked.
    """
    return [call[0] for call in calls(journal)]


def until(holds: Any, *, seconds: float = 60.0) -> None:
    """
    Wait until something holds, and fail if it never does.
    """
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@contextmanager
def private_bus(policy: str = "") -> Iterator[PrivateBus]:
    """
    Run a bus; *policy* is more of its rules.
    """
    # Not pytest's folder: the path of a socket has 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="bus") as name:
        folder = Path(name)
        (folder / "services").mkdir()
        config = folder / "bus.conf"
        config.write_text(CONFIG.format(folder=folder, policy=policy))
        bus = PrivateBus(folder)
        daemon = subprocess.Popen(
            [
                "dbus-daemon",
                "--nofork",
                "--print-address=1",
                f"--config-file={config}",
            ],
            stdout=subprocess.PIPE,
        )
        try:
            assert daemon.stdout is not None
            assert daemon.stdout.readline(), "the bus did not start"
            yield bus
        finally:
            daemon.terminate()
            for process in bus.running:
                process.kill()
            for process in (daemon, *bus.running):
                process.wait(60)
            if daemon.stdout is not None:
                daemon.stdout.close()
