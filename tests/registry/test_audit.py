# SPDX-License-Identifier: MIT

"""
Tests for what an audit concludes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import attrs
import pytest

from consentkit.registry import SDKEntry, load_registry
from consentkit.registry.audit import (
    RULES,
    Audit,
    AuditFinding,
    Declaration,
    Extent,
    audit,
)
from consentkit.registry.observed import Observed, Sighting
from tests.registry.projects import declare, found, write


AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ENTRIES = load_registry()


def one(made: Audit) -> AuditFinding:
    """
    Give the only finding.
    """
    (only,) = made.checked.findings
    assert isinstance(only, AuditFinding)
    return only


class TestUndeclared:
    """
    SDKs that are used, and that no function names.
    """

    def test_place(self, tmp_path: Path) -> None:
        """
        The finding stands where the app is nearest to the SDK, names the
        other files, and says what would be right.
        """
        files = {
            "app/main.py": "import os\nimport posthog\nimport posthog.a\n",
            "requirements.txt": "posthog\n",
            "tests/a.py": "import posthog\n",
        }
        made = audit(
            write(tmp_path, files), declaration=declare(tmp_path, "sentry")
        )
        first = next(
            f for f in made.checked.findings if f.rule == "sdk-undeclared"
        )

        assert isinstance(first, AuditFinding)
        assert (first.sdk, first.file, first.line) == (
            "posthog",
            "app/main.py",
            2,
        )
        assert first.message == (
            "'posthog': used, import posthog; also requirements.txt:1, "
            "tests/a.py:1"
        )
        assert first.cure == (
            "a function with sdk = 'posthog' in policy.toml, or do without it"
        )

    @pytest.mark.parametrize(
        ("files", "severity"),
        [
            ({"a.py": "import posthog"}, "error"),
            ({"requirements.txt": "posthog"}, "error"),
            ({"poetry.lock": '[[package]]\nname = "posthog"\n'}, "warning"),
            (
                {"a.py": "try:\n import posthog\nexcept ImportError: 1"},
                "warning",
            ),
            ({"tests/a.py": "import posthog"}, "note"),
            (
                {"tests/a.py": "import posthog", "a.py": "import posthog"},
                "error",
            ),
        ],
    )
    def test_severity(
        self, tmp_path: Path, files: dict[str, str], severity: str
    ) -> None:
        """
        The nearest place decides how much it weighs.
        """
        made = audit(write(tmp_path, files))

        assert found(made) == [("sdk-undeclared", severity, "posthog")]

    def test_sends_nothing(self, tmp_path: Path) -> None:
        """
        One that sends nothing is worth a note.
        """
        entry = attrs.evolve(ENTRIES["posthog"], transmits=False)
        made = audit(
            write(tmp_path, {"a.py": "import posthog"}),
            entries={"posthog": entry},
        )

        assert found(made) == [("sdk-undeclared", "note", "posthog")]

    def test_declared(self, tmp_path: Path) -> None:
        """
        One that a function names, with all that is known, is fine.
        """
        entry = ENTRIES["posthog"]
        declaration = declare(
            tmp_path, "posthog", purposes=list(entry.purposes)
        )
        made = audit(
            write(tmp_path, {"a.py": "import posthog"}),
            declaration=declaration,
        )

        assert found(made) == []
        assert made.declared == {"posthog": "uses_posthog"}

    def test_ignored(self, tmp_path: Path) -> None:
        """
        What is set aside is not lost.
        """
        made = audit(
            write(tmp_path, {"a.py": "import posthog"}),
            ignore=["sdk-undeclared"],
        )

        assert found(made) == []
        assert [f.rule for f in made.checked.ignored] == ["sdk-undeclared"]


class TestNested:
    """
    SDKs that come along inside of others.
    """

    def test_inside(self, tmp_path: Path) -> None:
        """
        What an SDK brings is in use with it, and has to be declared too.
        """
        (tmp_path / "build.gradle").write_text("api 'com.getui:gtsdk:3'")

        made = audit(
            tmp_path,
            declaration=declare(
                tmp_path, "getui", purposes=list(ENTRIES["getui"].purposes)
            ),
        )

        only = one(made)
        assert (only.rule, only.sdk) == ("sdk-undeclared", "zhuoxin_id")
        assert only.message == (
            "'zhuoxin_id': used, requires com.getui:gtsdk ('zhuoxin_id' is "
            "inside of it)"
        )


class TestUnused:
    """
    SDKs that are declared, and of which nothing was found.
    """

    def test_line(self, tmp_path: Path) -> None:
        """
        The finding stands at the line of the policy.
        """
        declaration = declare(tmp_path, "posthog")
        lines = declaration.text.splitlines()

        only = one(audit(tmp_path, declaration=declaration))

        assert only.rule == "sdk-unused"
        assert only.line is not None
        assert '"sdk" = "posthog"' in lines[only.line - 1]
        assert only.path == "$.functions[4].sdk"
        assert only.message == (
            "'uses_posthog' names 'posthog'; nothing of it was found"
        )

    @pytest.mark.parametrize("sdk", ["alipay", "nobody_knows_it"])
    def test_cannot_be_found(self, tmp_path: Path, sdk: str) -> None:
        """
        Where no name of it is known its absence says nothing.
        """
        only = one(audit(tmp_path, declaration=declare(tmp_path, sdk)))

        assert (only.rule, only.severity.value) == ("sdk-unused", "note")
        assert "so nothing could be found" in only.message


class TestLess:
    """
    SDKs that are declared with less than is known.
    """

    def _less(
        self,
        tmp_path: Path,
        entries: dict[str, SDKEntry] | None = None,
        **changes: Any,
    ) -> list[tuple[str, str]]:
        declaration = declare(tmp_path, "posthog", **changes)
        made = audit(
            write(tmp_path, {"a.py": "import posthog"}),
            declaration=declaration,
            entries=entries,
        )
        assert {f.rule for f in made.checked.findings} <= {"sdk-less"}
        return [(f.path, f.message) for f in made.checked.findings]

    def test_purposes(self, tmp_path: Path) -> None:
        """
        A purpose that the function does not tell is found.
        """
        purposes = list(ENTRIES["posthog"].purposes)

        assert self._less(tmp_path, purposes=purposes[:1]) == [
            (
                "$.functions[4].purposes",
                f"'posthog' serves {', '.join(purposes[1:])} too",
            )
        ]

    def test_types(self, tmp_path: Path) -> None:
        """
        A list of types that is not complete is found.
        """
        entry = ENTRIES["posthog"]
        listed = [{"type": entry.types[0], "protect": "drop"}]

        told = self._less(
            tmp_path, purposes=list(entry.purposes), collects=listed
        )

        assert [path for path, _ in told] == ["$.functions[4].collects"]
        for type_ in entry.types[1:]:
            assert type_ in told[0][1]

    def test_own_entry(self, tmp_path: Path) -> None:
        """
        An entry of the app's own that hides what is known is found.
        """
        entry = ENTRIES["posthog"]
        own = attrs.evolve(entry, fields=(), hosts=(), purposes=())

        told = self._less(
            tmp_path, {"posthog": own}, purposes=list(entry.purposes)
        )

        assert [message.partition(":")[0] for _, message in told] == [
            "its own entry lacks known types",
            "its own entry lacks known hosts",
            "its own entry lacks known purposes",
        ]


SIGHTING = Sighting(
    sdk="posthog",
    module="posthog.request",
    how="stack",
    kind="connect",
    host="us.i.posthog.com",
    port=443,
    permitted=True,
    declared=True,
    stopped=False,
)


class TestAgainst:
    """
    What was observed against what is declared.
    """

    def _judge(
        self, tmp_path: Path, *sightings: Sighting, declared: bool = True
    ) -> list[tuple[str, str, str]]:
        observed = Observed()
        for sighting in sightings:
            observed.add(sighting, at=AT)
        observed.write(tmp_path / "seen.json")
        project = write(tmp_path / "app", {"a.py": "import posthog"})
        purposes = list(ENTRIES["posthog"].purposes)
        made = audit(
            project,
            declaration=declare(project, "posthog", purposes=purposes)
            if declared
            else Declaration(),
            extent=Extent(observed=[tmp_path / "seen.json"]),
            ignore=["sdk-undeclared"],
        )
        findings: Any = made.checked.findings
        return [(f.rule, f.severity.value, f.message) for f in findings]

    def test_as_declared(self, tmp_path: Path) -> None:
        """
        What is declared, permitted and known is fine, and so is what
        belongs to no SDK.
        """
        host = next(h.name for h in ENTRIES["posthog"].hosts)
        mine = attrs.evolve(SIGHTING, sdk="", host="app.example")

        seen = attrs.evolve(SIGHTING, host=host)

        assert self._judge(tmp_path, seen, mine) == []

    @pytest.mark.parametrize(
        ("stopped", "severity", "words"),
        [
            (False, "error", "without a permit it"),
            (True, "warning", "it was stopped when, without a permit, it"),
        ],
    )
    def test_before_consent(
        self, tmp_path: Path, *, stopped: bool, severity: str, words: str
    ) -> None:
        """
        What went out without a permit is an error, and what was stopped a
        warning.
        """
        host = next(h.name for h in ENTRIES["posthog"].hosts)
        early = attrs.evolve(
            SIGHTING, host=host, permitted=False, stopped=stopped
        )

        assert self._judge(tmp_path, early, early, early) == [
            (
                "sdk-observed-before-consent",
                severity,
                f"'posthog': {words} connected to {host}:443 (3 times)",
            )
        ]

    def test_undeclared(self, tmp_path: Path) -> None:
        """
        An SDK that no function names is one finding, permitted or not.
        """
        host = next(h.name for h in ENTRIES["posthog"].hosts)
        early = attrs.evolve(SIGHTING, host=host, permitted=False)

        told = self._judge(tmp_path, early, declared=False)

        assert [t[:2] for t in told] == [("sdk-observed-undeclared", "error")]

    def test_host(self, tmp_path: Path) -> None:
        """
        A host is found that neither the entry names nor the one who saw it
        knew; a program or a library is no host.
        """
        unknown = attrs.evolve(SIGHTING, host="192.0.2.2", declared=False)
        other = attrs.evolve(unknown, kind="lookup", host="x.example", port=0)
        known = attrs.evolve(SIGHTING, host="192.0.2.1")
        program = attrs.evolve(unknown, kind="process", host="uname", port=0)
        library = attrs.evolve(program, kind="native", host="libc.so.6")

        told = self._judge(tmp_path, other, known, unknown, program, library)
        ((rule, severity, message),) = [
            t for t in told if t[0] != "sdk-observed-unseen"
        ]

        assert (rule, severity) == ("sdk-observed-undeclared-host", "warning")
        assert message == (
            "'posthog': its entry names no such host; it connected to "
            "192.0.2.2:443, looked up x.example"
        )

    def test_unseen(self, tmp_path: Path) -> None:
        """
        Programs and libraries that ran under a permit are noted; those that
        were stopped ran not, and those without a permit are worse.
        """
        program = attrs.evolve(SIGHTING, kind="process", host="sh", port=0)
        library = attrs.evolve(program, kind="native", host="libc.so.6")
        stopped = attrs.evolve(program, host="uname", stopped=True)
        early = attrs.evolve(program, host="cat", permitted=False)

        told = self._judge(tmp_path, program, program, library, stopped, early)

        assert [t[:2] for t in told] == [
            ("sdk-observed-before-consent", "error"),
            ("sdk-observed-unseen", "note"),
        ]
        assert told[0][2].endswith(" it started the program cat")
        assert told[1][2] == (
            "'posthog': started the program sh (2 times), loaded the library "
            "libc.so.6"
        )

    def test_wildcard(self, tmp_path: Path) -> None:
        """
        An entry may name the end of a host's name.
        """
        entry = next(
            e
            for e in ENTRIES.values()
            if any(h.name.startswith("*.") for h in e.hosts)
        )
        name = next(h.name for h in entry.hosts if h.name.startswith("*."))
        inside = attrs.evolve(
            SIGHTING, sdk=entry.id, host=f"a{name[1:]}", declared=False
        )
        alike = attrs.evolve(inside, host=f"evil{name[2:]}")

        told = self._judge(tmp_path, inside, alike)

        hosts = [m for r, _, m in told if r.endswith("undeclared-host")]
        assert len(hosts) == 1
        assert f"evil{name[2:]}" in hosts[0]
        assert f"a{name[1:]}" not in hosts[0]

    def test_not_unused(self, tmp_path: Path) -> None:
        """
        An SDK that was seen at work is in use, found in the files or not.
        """
        observed = Observed()
        observed.add(SIGHTING, at=AT)
        observed.write(tmp_path / "seen.json")
        entry = ENTRIES["posthog"]
        made = audit(
            write(tmp_path / "app", {"a.py": ""}),
            declaration=declare(
                tmp_path / "app", "posthog", purposes=list(entry.purposes)
            ),
            extent=Extent(observed=[tmp_path / "seen.json"]),
        )

        assert found(made) == []

    def test_many(self, tmp_path: Path) -> None:
        """
        A long list is cut, and its length told.
        """
        some = [
            attrs.evolve(SIGHTING, host=f"h{n}.example", declared=False)
            for n in range(9)
        ]

        ((_, _, message),) = self._judge(tmp_path, *some)

        assert message.endswith("connected to h4.example:443 and 4 more")


class TestRules:
    """
    The rules of an audit.
    """

    @pytest.mark.parametrize("rule", RULES.values(), ids=str)
    def test_rule(self, rule: Any) -> None:
        """
        Each has its reason and what it rests on.
        """
        assert rule.id.startswith("sdk-")
        assert rule.reason.endswith(".")
        assert rule.source

    def test_on_the_page(self) -> None:
        """
        The page of the documentation has each rule, and no other.
        """
        page = Path(__file__).parents[2] / "docs" / "sdk-audit.md"
        rows = [
            line.split("|")[1].strip().strip("`")
            for line in page.read_text("utf-8").splitlines()
            if line.startswith("| `sdk-")
        ]

        assert sorted(rows) == sorted(RULES)


class TestMobileEntries:
    """
    What entries are called in builds for phones.
    """

    @pytest.mark.parametrize(
        "sdk", [e.id for e in ENTRIES.values() if e.mobile is not None]
    )
    def test_found_again(self, tmp_path: Path, sdk: str) -> None:
        """
        Each name of an entry finds that entry, and no other.
        """
        mobile = ENTRIES[sdk].mobile
        assert mobile is not None
        lines = [
            f"implementation '{name if ':' in name else f'{name}:x'}:1'"
            for name in mobile.gradle
        ]
        pods = [f"pod '{name}'" for name in mobile.pods]
        files = {
            "build.gradle": "\n".join(lines),
            "Podfile": "\n".join(pods),
        }
        made = audit(write(tmp_path, files))

        inside = {e.id for e in ENTRIES.values() if e.parent == sdk}
        assert set(made.found) - inside == {sdk} & {sdk * bool(lines + pods)}
        assert len(made.found.get(sdk, ())) == len(lines) + len(pods)

    def test_faults(self, tmp_path: Path) -> None:
        """
        What is no name of an artefact, pod, package or class is refused.
        """
        from consentkit.exceptions import RegistryError
        from consentkit.registry import load_entries

        entry = """\
            schema = 1
            id = "acme"
            name = "Acme"
            operator = "Acme Ltd"
            category = "analytics"
            purposes = ["usage_statistics"]
            method = "embedded_sdk"
            transmits = true
            platforms = ["android"]

            [mobile]
            gradle = ["com.acme:ads:1"]
            pods = ["Acme/Core"]
            swift = ["acme"]
            classes = ["com.acme"]
            sources = ["acme.example"]
        """
        write(tmp_path, {"acme.toml": dedent(entry)})

        with pytest.raises(RegistryError) as caught:
            load_entries(tmp_path)

        told = str(caught.value)
        for key in ("gradle", "pods", "swift", "classes", "sources"):
            assert f"$.mobile.{key}[0]: expected" in told
