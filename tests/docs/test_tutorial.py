# SPDX-License-Identifier: MIT

"""
The tutorial is run from an empty folder, and prints what it shows.
"""

from __future__ import annotations

import socket

from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, Page


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.need_extra("receiver")
@pytest.mark.need_tool("sh", "grep", "sed")
class TestTutorial:
    """
    ``docs/tutorial.md``.
    """

    def test_run(self, tmp_path: Path) -> None:
        """
        Every file, command and output of the tutorial is as it is shown.
        """
        folder = tmp_path / "empty"
        folder.mkdir()
        port = str(_free_port())
        path = DOCS / "tutorial.md"
        with Page(path, folder, replace={"8443": port}) as page:
            assert page.run() > 20

        assert not (folder / "data" / "received.sqlite3").exists()
        assert b"ann@notes.example" not in b"".join(
            file.read_bytes()
            for place in ("data", "sent")
            for file in (folder / place).rglob("*")
            if file.is_file()
        )
