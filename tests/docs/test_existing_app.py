# SPDX-License-Identifier: MIT

"""
Tests for the page that adds three lines to an app with SDKs: it is followed,
with the real SDKs, and a server counts what arrives.
"""

from __future__ import annotations

import subprocess
import sys
import time

from collections.abc import Iterator
from pathlib import Path

import pytest

from consentkit.cli import main
from tests.docs.blocks import DOCS, blocks_of


PAGE = "how-to/existing-app.md"

# Longer than PostHog's queue waits before it sends.
_QUEUED_SECONDS = 7


def test_policy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    The page's policy says all that is known of both SDKs: neither the check
    nor the audit of the page's files has anything to complain of.
    """
    blocks = blocks_of(DOCS / PAGE)
    for block in blocks:
        if block.name:
            (tmp_path / block.name).write_text(block.text, "utf-8")
    monkeypatch.chdir(tmp_path)

    assert main(["sdk", "check", "--strict"]) == 0
    told = capsys.readouterr().out.splitlines()[0]
    said = next(b for b in blocks if "$ consentkit sdk check" in b.text)
    assert told.startswith(said.text.splitlines()[1].removesuffix("..."))
    assert main(["sdk", "audit", "--strict"]) == 0
    assert capsys.readouterr().out.startswith(".: fine; 2 SDKs found")


class Followed:
    """
    What the page has its reader do, in a folder.

    Attributes:
        arrived: Where the server writes down what it got.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for block in blocks_of(DOCS / PAGE):
            if block.name:
                (folder / block.name).write_text(block.text, "utf-8")
        self.arrived = folder / "arrived.txt"
        with self.arrived.open("w") as out:
            self._server = self._run("listen.py", stdout=out)
        time.sleep(1)

    def _run(self, name: str, **options: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-u", name],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            **options,  # type: ignore[call-overload]
        )

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """
        Start the app.
        """
        return self._run(name, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def write(self, app: subprocess.Popen[bytes], *notes: str) -> None:
        """
        Type notes into the app.
        """
        assert app.stdin is not None
        for note in notes:
            app.stdin.write(f"{note}\n".encode())
        app.stdin.flush()

    def wait_for(self, *words: str, after: int = 0) -> bool:
        """
        Wait until something with each of *words* has arrived.
        """
        for _ in range(150):
            paths = self.paths[after:]
            if all(any(word in path for path in paths) for word in words):
                return True
            time.sleep(0.2)
        return False

    def consent(self, act: str) -> None:
        """
        Do what the page does in its fourth terminal.
        """
        for block in blocks_of(DOCS / PAGE):
            for line in block.text.splitlines():
                if line.startswith(f"consentkit consent {act} "):
                    subprocess.run(
                        [sys.executable, "-m", *line.split()],
                        cwd=self.folder,
                        check=True,
                        capture_output=True,
                        timeout=60,
                    )

    @property
    def paths(self) -> list[str]:
        """
        What arrived so far.
        """
        return self.arrived.read_text("utf-8").splitlines()

    def end(self) -> None:
        """
        End the server.
        """
        self._server.kill()
        self._server.communicate()


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    """
    The page's files, and its server.
    """
    made = Followed(tmp_path)
    yield made
    made.end()


@pytest.mark.need_extra("posthog", "sentry")
def test_page(followed: Followed) -> None:
    """
    The app as it is sends at once; with the three lines nothing arrives
    before the yes, both SDKs send after it, and nothing arrives after the
    withdrawal, nor when the app ends. The app says what it always says.
    """
    app = followed.start("app.py")
    followed.write(app, "one", "")
    app.communicate(timeout=60)
    assert followed.wait_for("batch", "envelope")
    before = len(followed.paths)

    app = followed.start("held.py")
    followed.write(app, "two", "three")
    time.sleep(_QUEUED_SECONDS)
    assert len(followed.paths) == before
    followed.consent("grant")
    assert len(followed.paths) == before
    followed.write(app, "four")
    assert followed.wait_for("batch", "envelope", after=before)
    followed.consent("withdraw")
    time.sleep(1)
    after = len(followed.paths)
    followed.write(app, "five", "six")
    time.sleep(_QUEUED_SECONDS)
    followed.write(app, "")
    out, err = app.communicate(timeout=60)

    assert len(followed.paths) == after
    assert app.returncode == 0
    assert out.decode().count("saved") == 5
    assert b"Traceback" not in err
