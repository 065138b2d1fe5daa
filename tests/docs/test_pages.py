# SPDX-License-Identifier: MIT

"""
What the pages show is run: files, commands and Python alike.
"""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, Block, Page, blocks_of, commands_of


#: Pages whose examples are run, and the page that each takes files from.
PAGES = {
    "adapters.md": None,
    "anonymisation.md": None,
    "collectors/logs.md": None,
    "consent.md": None,
    "formats.md": "tutorial.md",
    "how-to/add-an-sdk.md": None,
    "how-to/own-source.md": None,
    "how-to/own-transport.md": None,
    "how-to/policies.md": "policy-file.md",
    "how-to/promises-at-the-edges.md": None,
    "how-to/seal.md": None,
    "how-to/server-and-threads.md": "tutorial.md",
    "how-to/undo-md5.md": None,
    "ledger.md": "tutorial.md",
    "lists.md": None,
    "pending.md": None,
    "policy-check.md": None,
    "policy-diff.md": "policy-file.md",
    "policy-file.md": None,
    "registry.md": None,
    "scrubber.md": None,
    "sdk-audit.md": None,
    "signals.md": None,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    An empty folder that is the current one.
    """
    made = tmp_path / "empty"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def _write_policy_of(page: str) -> None:
    found = [
        block
        for block in blocks_of(DOCS / page)
        if block.name == "policy.toml"
    ]
    Path("policy.toml").write_text(found[-1].text, "utf-8")


@pytest.mark.need_tool("sh", "sed")
class TestPages:
    """
    Pages with examples.
    """

    @pytest.mark.parametrize("name", sorted(PAGES))
    def test_run(self, name: str, folder: Path) -> None:
        """
        What the page shows is what happens.
        """
        borrowed = PAGES[name]
        if borrowed is not None:
            _write_policy_of(borrowed)

        with Page(DOCS / name, folder) as page:
            assert page.run()

    def test_complete(self) -> None:
        """
        No page has an interactive example that is not run.
        """
        run = {"tutorial.md", "how-to/existing-app.md", *PAGES}
        with_examples = {
            path.relative_to(DOCS).as_posix()
            for path in DOCS.rglob("*.md")
            for block in blocks_of(path)
            if block.language == "pycon" or block.name
        }

        assert with_examples <= run


def _run(text: str, folder: Path) -> None:
    page = folder.parent / "page.md"
    page.write_text(text, "utf-8")
    with Page(page, folder, root=page.parent) as made:
        made.run()


@pytest.mark.need_tool("sh")
class TestRunner:
    """
    The runner itself finds what is wrong.
    """

    def test_console_differs(self, folder: Path) -> None:
        """
        A command that prints something else than is shown is found.
        """
        with pytest.raises(AssertionError, match=r"page\.md:2"):
            _run("```console\n$ echo one\ntwo\n```\n", folder)

    def test_console_prints_more(self, folder: Path) -> None:
        """
        A command that prints more than is shown is found.
        """
        with pytest.raises(AssertionError, match="it prints"):
            _run("```console\n$ echo one; echo two\none\n```\n", folder)

    def test_console_with_dots(self, folder: Path) -> None:
        """
        Dots stand for anything in a line, or for lines.
        """
        _run("```console\n$ echo 1 at 2\n1 ...\n```\n", folder)
        _run("```console\n$ printf '1\\n2\\n3\\n'\n...\n3\n```\n", folder)

    def test_pycon_differs(self, folder: Path) -> None:
        """
        A value that is another than is shown is found.
        """
        with pytest.raises(AssertionError, match="Expected"):
            _run("```pycon\n>>> 1 + 1\n3\n```\n", folder)

    def test_pycon_shares_names(self, folder: Path) -> None:
        """
        Names live as long as the page.
        """
        _run("```pycon\n>>> n = 1\n```\n\n```pycon\n>>> n\n1\n```\n", folder)

    def test_file(self, folder: Path) -> None:
        """
        A block with a caption is a file.
        """
        block = "```{code-block} toml\n:caption: a/b.toml\n\nc = 1\n```\n"

        _run(block, folder)

        assert Path("a/b.toml").read_text() == "c = 1\n"

    @pytest.mark.parametrize(
        ("language", "text"),
        [("python", "def"), ("toml", "a ="), ("json", "{")],
    )
    def test_syntax(self, folder: Path, language: str, text: str) -> None:
        """
        An example that is no Python, TOML or JSON is found.
        """
        with pytest.raises((SyntaxError, ValueError)):
            _run(f"```{language}\n{text}\n```\n", folder)

    def test_background(self, folder: Path) -> None:
        """
        A command that goes on is ended with its page.
        """
        _run(
            "```console\n$ python -uc 'import os, time; "
            'print(os.getpid(), file=open("pid", "w")); print("up"); '
            "time.sleep(60)' &\nup\n```\n",
            folder,
        )

        with pytest.raises(ProcessLookupError):
            os.kill(int(Path("pid").read_text()), 0)

    def test_continued(self) -> None:
        """
        A command may go on in the next line.
        """
        block = Block(
            page="", line=1, language="console", text="$ echo 1 \\\n>   2\n1 2"
        )

        (command,) = commands_of(block)

        assert (command.text, command.expected) == ("echo 1 2", "1 2")
