# SPDX-License-Identifier: MIT
"""
Tests for tokens that no sender can show, and for those of the documentation.
"""

from __future__ import annotations

import re

from pathlib import Path
from typing import Any

import pytest

from consentkit.exceptions import TransportError
from consentkit.receiver import Metrics, make_app, make_consumer_app
from consentkit.transports.https import HTTPSTransport
from tests.cli.shell import run
from tests.faults.support import ROOT


pytestmark = pytest.mark.need_extra("receiver")

NEVER = [
    "",
    " ",
    "a long random text",
    "tab\there",
    "end\n",
    "schlüssel",
    "t\x7f",
    "x" * 4097,
]
VARIABLES = ["CONSENTKIT_RECEIVER_TOKEN", "CONSENTKIT_RECEIVER_METRICS_TOKEN"]


@pytest.mark.parametrize("token", NEVER)
class TestInAProgram:
    """
    Tests for `make_app` and `make_consumer_app`.
    """

    def test_is_refused_as_the_sender_does(self, store, token):
        """
        What a transport does not take is refused, and never repeated; each
        argument is named.
        """
        with pytest.raises(TransportError):
            HTTPSTransport("https://maker.example/v1", token=token)
        for name in ("token", "metrics_token"):
            with pytest.raises(ValueError, match=rf"^{name}: ") as caught:
                make_app(store, **{name: token})
            assert not token.strip() or token not in str(caught.value)

    def test_beside_a_stream(self, store, token):
        """
        So is a token for the numbers alone.
        """
        nobody: Any = None
        with pytest.raises(ValueError, match=r"^metrics_token: "):
            make_consumer_app(
                store, nobody, metrics=Metrics(), metrics_token=token
            )


class TestAsACommand:
    """
    Tests for ``consentkit receive``.
    """

    @pytest.mark.parametrize("token", ["", "a long random text", "schlüssel"])
    @pytest.mark.parametrize("variable", VARIABLES)
    def test_from_the_environment(self, tmp_path, variable, token):
        """
        The variable is named, one that is empty lets nobody in, and no file
        is made.
        """
        store = tmp_path / "r.sqlite3"
        done = run("receive", "--store", store, env={variable: token})

        assert done.returncode == 2
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert f"{variable}: a token must be" in line
        assert not token or token not in line
        assert not store.exists()

    @pytest.mark.parametrize("token", ["", "a long random text"])
    def test_from_the_command_line(self, tmp_path, token):
        """
        The option is named, whatever the environment says.
        """
        done = run(
            *("receive", "--store", tmp_path / "r", "--token", token),
            env={VARIABLES[0]: "s3cret"},
        )

        assert done.returncode == 2
        assert "--token: a token must be" in done.stderr
        assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "page",
    [*ROOT.glob("docs/receiver*.md"), *ROOT.glob("docs/transports/*.md")],
    ids=lambda page: page.stem,
)
def test_tokens_of_the_documentation(page: Path) -> None:
    """
    A token that stands in an example can be shown.
    """
    text = page.read_text()
    shown = re.findall(r'\btoken="([^"]*)"', text)
    shown += re.findall(
        r"^export CONSENTKIT_\w*TOKEN='([^']*)'", text, re.MULTILINE
    )

    for token in shown:
        HTTPSTransport("https://maker.example/v1", token=token).close()
