# SPDX-License-Identifier: MIT

"""
The code of the README is run as it stands.
"""

from __future__ import annotations

import re

from pathlib import Path

import pytest

import consentkit

from consentkit.policy import load_policy
from consentkit.transports.memory import MemoryTransport


README = Path(__file__).parents[2] / "README.md"

# What the README leaves out of the policy.
_HEAD = """\
schema = 1

[policy]
id = "readme"
title = "Policy of the README"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "maker"
name = "Maker Ltd."
contact = "privacy@maker.example"

"""


def block(language: str) -> str:
    """
    Give the only block of that language.
    """
    text = README.read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert isinstance(found, str)
    return found


class TestReadme:
    """
    Tests for the README.
    """

    @pytest.mark.need_extra("device")
    def test_ten_lines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Its code delivers what its policy promises, and its withdrawal takes
        that back.
        """
        (tmp_path / "policy.toml").write_text(_HEAD + block("toml"), "utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
        backend = MemoryTransport()
        real_open = consentkit.open
        monkeypatch.setattr(
            consentkit,
            "open",
            lambda policy, **options: real_open(
                policy, **{**options, "transport": backend}
            ),
        )
        code = block("python")
        collect, withdraw = re.split(r"(?m)^(?=kit\.consent\.withdraw)", code)
        names: dict[str, object] = {}

        exec(compile(collect, str(README), "exec"), names)
        kit = names["kit"]
        assert isinstance(kit, consentkit.Kit)
        sent = {r.data_type: r for r in backend.records}
        assert sent["os_version"].protection == "none"
        assert {r.function for r in backend.records} == {"bind_device"}
        if "mac_address" in sent:
            assert sent["mac_address"].protection == "keyed"
            assert ":" not in str(sent["mac_address"].value)

        exec(compile(withdraw, str(README), "exec"), names)
        assert kit.status().erasures == 1
        kit.flush()
        assert backend.records == []
        kit.close()

    def test_code_is_about_ten_lines(self) -> None:
        """
        The ten lines are about ten, and open with the URL of a backend.
        """
        lines = [x for x in block("python").splitlines() if x.strip()]

        assert len(lines) <= 11
        assert 'transport="https://' in block("python")

    def test_policy_has_no_fault(self, tmp_path: Path) -> None:
        """
        The part of a policy that it shows is right.
        """
        file = tmp_path / "policy.toml"
        file.write_text(_HEAD + block("toml"), "utf-8")

        assert set(load_policy(file).functions) == {"bind_device"}

    def test_short(self) -> None:
        """
        It stays under 150 lines.
        """
        text = README.read_text(encoding="utf-8")

        assert text.count("\n") < 150

    def test_links_lead_somewhere(self) -> None:
        """
        Every file that it links to is there.
        """
        text = README.read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^)#:]+)\)", text)

        assert links
        assert not [x for x in links if not (README.parent / x).exists()]
