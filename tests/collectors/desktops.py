# SPDX-License-Identifier: MIT

"""
Window systems without a screen, and somebody in them who copies.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from pathlib import Path
from typing import Any


__all__ = ["SYSTEMS", "Desktop", "headless_sway", "wait_until", "xvfb"]


def wait_until(done) -> None:
    """
    Wait for a condition, thirty seconds at most.
    """
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextlib.contextmanager
def xvfb():
    """
    Run an X server without a screen; give its display.
    """
    read, write = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "64x64x24"],
        pass_fds=[write],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(write)
        try:
            with os.fdopen(read, encoding="ascii") as pipe:
                number = pipe.readline().strip()
            yield {"DISPLAY": f":{number}"}
        finally:
            server.terminate()


@contextlib.contextmanager
def headless_sway():
    """
    Run a Wayland compositor without a screen, which root may not.
    """
    folder = Path(tempfile.mkdtemp(prefix="ck"))
    folder.chmod(0o700)
    command = ["sway", "-c", "/dev/null"]
    if os.getuid() == 0:
        os.chown(folder, 65_534, 65_534)
        ids = ["--reuid=65534", "--regid=65534", "--clear-groups"]
        command = ["setpriv", *ids, *command]
    environ = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "WLR_BACKENDS": "headless",
        "WLR_LIBINPUT_NO_DEVICES": "1",
        "WLR_RENDERER": "pixman",
        "XDG_RUNTIME_DIR": str(folder),
    }
    with subprocess.Popen(
        command,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            wait_until((folder / "wayland-1").exists)
            yield {
                "WAYLAND_DISPLAY": "wayland-1",
                "XDG_RUNTIME_DIR": str(folder),
            }
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(folder, ignore_errors=True)


#: For each window system: what runs it, its tools, and how to copy.
SYSTEMS = {
    "x11": (
        xvfb,
        ["Xvfb", "xclip"],
        ["xclip", "-quiet", "-selection", "clipboard", "-i"],
        "-target",
    ),
    "wayland": (
        headless_sway,
        ["sway", "setpriv", "wl-copy", "wl-paste"],
        ["wl-copy", "--foreground"],
        "--type",
    ),
}


class Desktop:
    """
    A window system with somebody who copies.
    """

    def __init__(self, name, copy, kind):
        self.name = name
        self._copy = copy
        self._kind = kind
        self._owner: Any = None

    def copy(self, text: str | bytes, kind: str = "") -> Any:
        """
        Own the clipboard with *text*, and wait until it is so.
        """
        command = self._copy + ([self._kind, kind] if kind else [])
        data = text.encode() if isinstance(text, str) else text
        # Of another home, so that it is not taken for one of ours.
        environ = {**os.environ, "HOME": "/"}
        deadline = time.monotonic() + 30
        while True:
            self.stop()
            self._owner = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environ,
            )
            with self._owner.stdin as stdin:
                stdin.write(data)
            # A tool that begins while its forerunner ends may never own it.
            retry = time.monotonic() + 3
            while time.monotonic() < retry:
                if self.kinds(environ):
                    return self._owner
                time.sleep(0.05)
            assert time.monotonic() < deadline, "nobody owns the clipboard"

    def kinds(self, environ) -> bytes:
        """
        Ask for the kinds of what is copied.
        """
        if self.name == "x11":
            command = "xclip -selection clipboard -o -target TARGETS"
        else:
            command = "wl-paste --list-types"
        return subprocess.run(
            command.split(), capture_output=True, env=environ, check=False
        ).stdout

    def stop(self) -> None:
        """
        Let go of the clipboard.
        """
        if self._owner is not None:
            self._owner.kill()
            self._owner.wait()
            self._owner = None
