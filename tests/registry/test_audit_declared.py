# SPDX-License-Identifier: MIT

"""
Tests for what an audit reads of requirements, lock files and environments.
"""

from __future__ import annotations

import json
import os

from pathlib import Path

import pytest

from consentkit.registry.audit import Extent, Scope, audit
from consentkit.registry.audit.installed import site_packages_of
from tests.registry.projects import shown, write


RUN, BROUGHT = Scope.RUN, Scope.BROUGHT
OPTIONAL, DEVELOPMENT = Scope.OPTIONAL, Scope.DEVELOPMENT

PYPROJECT = """\
[build-system]
requires = ["mixpanel"]

[project]
name = "app"
dependencies = [
  "httpx",
  "Sentry_SDK[flask]>=2 ; python_version > '3'",
]

[project.optional-dependencies]
metrics = ["posthog"]
dev = ["bugsnag"]

[dependency-groups]
lint = ["rollbar", {include-group = "x"}]
x = []
"""
POETRY = """\
[tool.poetry]
name = "app"

[tool.poetry.dependencies]
python = "^3.11"
sentry-sdk = "^2"
posthog = { version = "*", optional = true }
rollbar = { version = "*", markers = "sys_platform == 'win32'" }

[tool.poetry.extras]
metrics = ["posthog"]

[tool.poetry.group.test.dependencies]
bugsnag = "*"

[tool.poetry.dev-dependencies]
mixpanel = "*"
"""
SETUP_CFG = """\
[metadata]
name = app

[options]
install_requires =
    httpx
    sentry-sdk
tests_require =
    bugsnag

[options.extras_require]
metrics =
    posthog
"""
SETUP_PY = """\
from setuptools import setup

raise SystemExit("never run")
NEEDED = ["sentry-sdk", "httpx"]
setup(
    name="app",
    install_requires=NEEDED,
    tests_require=["bugsnag"],
    extras_require={"metrics": ["posthog"]},
)
"""
PIPFILE = """\
[packages]
sentry-sdk = "*"

[dev-packages]
bugsnag = "*"
"""
CONDA = """\
name: app
dependencies:
  - python=3.12
  - conda-forge::sentry-sdk>=2
  - pip:
    - posthog==3
"""
BRIEFCASE = """\
[tool.briefcase.app.app]
requires = ["sentry-sdk"]
test_requires = ["bugsnag"]

[tool.briefcase.app.app.android]
requires = ["posthog"]
build_gradle_dependencies = ["com.mixpanel.android:mixpanel-android:7.0"]
"""
TOOLS = """\
[tool.uv]
dev-dependencies = ["bugsnag"]
[tool.pdm.dev-dependencies]
test = ["rollbar"]
[tool.hatch.envs.x]
dependencies = ["mixpanel"]
"""
BUILDOZER = """\
[app]
title = App
requirements = python3,kivy,sentry-sdk==2.1
android.gradle_dependencies = "com.mixpanel.android:mixpanel-android:7.0"
"""


class TestDeclared:
    """
    Files in which a project asks for distributions.
    """

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            (
                "pyproject.toml",
                PYPROJECT,
                {
                    "sentry": (RUN, 8),
                    "posthog": (OPTIONAL, 12),
                    "bugsnag": (DEVELOPMENT, 13),
                    "rollbar": (DEVELOPMENT, 16),
                    "mixpanel": (DEVELOPMENT, 2),
                },
            ),
            (
                "pyproject.toml",
                POETRY,
                {
                    "sentry": (RUN, 6),
                    "posthog": (OPTIONAL, 7),
                    "rollbar": (RUN, 8),
                    "bugsnag": (DEVELOPMENT, 14),
                    "mixpanel": (DEVELOPMENT, 17),
                },
            ),
            (
                "setup.cfg",
                SETUP_CFG,
                {
                    "sentry": (RUN, 7),
                    "bugsnag": (DEVELOPMENT, 9),
                    "posthog": (OPTIONAL, 13),
                },
            ),
            (
                "setup.py",
                SETUP_PY,
                {
                    "sentry": (RUN, 4),
                    "bugsnag": (DEVELOPMENT, 8),
                    "posthog": (OPTIONAL, 9),
                },
            ),
            (
                "Pipfile",
                PIPFILE,
                {"sentry": (RUN, 2), "bugsnag": (DEVELOPMENT, 5)},
            ),
            (
                "environment.yml",
                CONDA,
                {"sentry": (RUN, 4), "posthog": (RUN, 6)},
            ),
            (
                "pyproject.toml",
                BRIEFCASE,
                {
                    "sentry": (RUN, 2),
                    "bugsnag": (DEVELOPMENT, 3),
                    "posthog": (RUN, 6),
                    "mixpanel": (RUN, 7),
                },
            ),
            (
                "buildozer.spec",
                BUILDOZER,
                {"sentry": (RUN, 3), "mixpanel": (RUN, 4)},
            ),
            (
                "pyproject.toml",
                TOOLS,
                {
                    "bugsnag": (DEVELOPMENT, 2),
                    "rollbar": (DEVELOPMENT, 4),
                    "mixpanel": (DEVELOPMENT, 6),
                },
            ),
        ],
    )
    def test_forms(
        self,
        tmp_path: Path,
        name: str,
        text: str,
        expected: dict[str, tuple[Scope, int]],
    ) -> None:
        """
        Each form is read, with the line and who needs it.
        """
        found = shown(write(tmp_path, {name: text}))

        assert {
            sdk: (shows[0].scope, shows[0].line)
            for sdk, shows in found.items()
        } == expected

    @pytest.mark.parametrize(
        "line",
        [
            "sentry-sdk",
            "sentry_sdk==2.0  # why",
            "  Sentry.SDK [flask] >= 2 ; python_version < '4'",
            "sentry-sdk @ https://files.example/sentry_sdk-2-py3.whl",
            "sentry-sdk==2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb",
            "sentry-sdk==2 --hash=sha256:aa",
            "-e git+https://code.example/sentry-python#egg=sentry-sdk",
        ],
    )
    def test_requirement(self, tmp_path: Path, line: str) -> None:
        """
        A line of a requirements file is read in any form.
        """
        write(tmp_path, {"requirements.txt": f"# for it\n{line}\nhttpx\n"})

        (only,) = shown(tmp_path)["sentry"]

        assert (only.name, only.line, only.scope) == ("sentry-sdk", 2, RUN)

    @pytest.mark.parametrize(
        "line",
        [
            "# sentry-sdk",
            "-c sentry-sdk",
            "--index-url https://sentry-sdk.example",
            "sentry-sdk-extras",
            "-e ./sentry-sdk",
        ],
    )
    def test_no_requirement(self, tmp_path: Path, line: str) -> None:
        """
        What only looks like one is none.
        """
        assert shown(write(tmp_path, {"requirements.txt": line})) == {}

    def test_included(self, tmp_path: Path) -> None:
        """
        Included files are read, in a circle too, and never from outside.
        """
        (tmp_path / "out.in").write_text("mixpanel\n")
        write(
            tmp_path / "app",
            {
                "requirements.txt": "-r base.in\n-r ../out.in\n",
                "base.in": "posthog\n--requirement=requirements.txt\n",
                "requirements-dev.txt": "-r requirements.txt\nbugsnag\n",
            },
        )

        made = audit(tmp_path / "app")

        assert {s: e[0].scope for s, e in made.found.items()} == {
            "posthog": RUN,
            "bugsnag": DEVELOPMENT,
        }
        assert "includes a file out of the project" in {
            note.text for note in made.notes
        }

    def test_compiled(self, tmp_path: Path) -> None:
        """
        Whoever asked for it is told where the file says so.
        """
        text = (
            "posthog==3\n    # via\n    #   litellm\n    #   other\n"
            "mixpanel==1  # via -r requirements.in\n"
            "rollbar==1\n    # via app (pyproject.toml)\n"
        )
        found = shown(write(tmp_path, {"requirements.txt": text}))

        assert {sdk: e[0].chain for sdk, e in found.items()} == {
            "posthog": ("litellm",),
            "mixpanel": (),
            "rollbar": (),
        }
        assert found["posthog"][0].scope is BROUGHT

    def test_places(self, tmp_path: Path) -> None:
        """
        What stands below tests or examples is for development only.
        """
        files = {
            "examples/requirements.txt": "posthog\n",
            "requirements/test.txt": "bugsnag\n",
            "requirements/base.txt": "rollbar\n",
        }
        found = shown(write(tmp_path, files))

        assert {sdk: e[0].scope for sdk, e in found.items()} == {
            "posthog": DEVELOPMENT,
            "bugsnag": DEVELOPMENT,
            "rollbar": RUN,
        }

    @pytest.mark.parametrize(
        ("name", "raw", "note"),
        [
            ("pyproject.toml", b"[", "is not what its name says"),
            ("setup.cfg", b"no section", "is not what its name says"),
            ("setup.py", b"def (", "is not what its name says at line 1"),
            ("setup.py", b"setup(install_requires=read())", "computed"),
            ("Pipfile.lock", b"[]", "is not what its name says"),
            ("poetry.lock", b"package = 3", "no lock file of a known form"),
            ("uv.lock", b"[[package]]\nname = 3\n", ""),
            ("requirements.txt", b"a\0b", "holds a NUL"),
            ("requirements.txt", b"\xff\xfe\x00", "holds a NUL"),
            ("environment.yml", b"dependencies: [a]", "in the plain form"),
            ("Package.resolved", b"{}", ""),
            ("libs.versions.toml", b"[libraries]\na = 3\n", "is not what"),
        ],
    )
    def test_broken(
        self, tmp_path: Path, name: str, raw: bytes, note: str
    ) -> None:
        """
        A file that is not what its name says is named, and the rest read.
        """
        write(tmp_path, {name: raw, "main.py": "import posthog\n"})

        made = audit(tmp_path)

        assert list(made.found) == ["posthog"]
        assert [n.file for n in made.notes if note and note in n.text] == (
            [name] if note else []
        )

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("requirements.txt", "a" + " " * 1_000_000 + "x\n"),
            ("requirements.txt", "a" + "." * 1_000_000 + "\n"),
            ("requirements.txt", "a  # via b\n" * 50_000),
            (
                "setup.cfg",
                "[options]\ninstall_requires =\n" + "  a\n" * 50_000,
            ),
            ("buildozer.spec", "[app]\nrequirements = " + "a," * 100_000),
            ("build.gradle", (" " * 1_900 + "'x\n") * 100),
            ("Podfile", ("pod" + " " * 1_900 + "\n") * 100),
            ("old.py", "print 'x'\n" + "import posthog\n" * 100_000),
        ],
        ids=range(8),
    )
    def test_hostile(self, tmp_path: Path, name: str, text: str) -> None:
        """
        A file that was made to cost time is read like any other.
        """
        made = audit(write(tmp_path, {name: text}))

        assert made.files == 1

    def test_itself(self, tmp_path: Path) -> None:
        """
        A project that is an SDK is not judged for it; one that holds a copy
        of an SDK is.
        """
        project = '[project]\nname = "posthog"\ndependencies = ["mixpanel"]\n'
        write(
            tmp_path / "a",
            {"pyproject.toml": project, "main.py": "import posthog"},
        )
        write(
            tmp_path / "b",
            {"vendor/pyproject.toml": project, "main.py": "import posthog"},
        )

        assert list(shown(tmp_path / "a")) == ["mixpanel"]
        assert list(shown(tmp_path / "b")) == ["mixpanel", "posthog"]

    def test_itself_unpacked(self, tmp_path: Path) -> None:
        """
        So is an archive of one that was unpacked, though templates in it ask
        for it; where several are installed, all are judged.
        """
        template = '[project]\nname = "page"\ndependencies = ["posthog"]\n'
        files = {"posthog/templates/pyproject.toml": template}
        metadata = "Metadata-Version: 2.1\nName: PostHog\n"
        wheel = {**files, "posthog-1.dist-info/METADATA": metadata}
        write(tmp_path / "wheel", wheel)
        write(tmp_path / "source", {**files, "PKG-INFO": metadata})
        more = {"mixpanel-1.dist-info/METADATA": "Name: mixpanel\n"}
        write(tmp_path / "several", {**wheel, **more})

        assert shown(tmp_path / "wheel") == {}
        assert shown(tmp_path / "source") == {}
        assert list(shown(tmp_path / "several")) == ["posthog"]


UV = """\
version = 1

[[package]]
name = "app"
version = "1"
source = { editable = "." }
dependencies = [{ name = "litellm" }]

[[package]]
name = "litellm"
version = "1"
dependencies = [
    { name = "openai" },
    { name = "tokenizers" },
]

[[package]]
name = "tokenizers"
version = "1"
dependencies = [{ name = "huggingface-hub" }]

[[package]]
name = "huggingface-hub"
version = "1"

[[package]]
name = "openai"
version = "1"
"""
POETRY_LOCK = """\
[[package]]
name = "litellm"
version = "1"

[package.dependencies]
tokenizers = "*"

[[package]]
name = "tokenizers"
version = "1"

[package.dependencies]
huggingface_hub = ">=0.1"

[[package]]
name = "huggingface-hub"
version = "1"
"""
PDM = """\
[[package]]
name = "litellm"
dependencies = ["tokenizers>=1; python_version > '3'"]

[[package]]
name = "tokenizers"
dependencies = ["huggingface-hub<2"]

[[package]]
name = "huggingface-hub"
"""
PYLOCK = """\
lock-version = "1.0"

[[packages]]
name = "litellm"
dependencies = [{ name = "tokenizers" }]

[[packages]]
name = "tokenizers"
dependencies = [{ name = "huggingface-hub" }]

[[packages]]
name = "huggingface-hub"
"""
NEEDS_LITELLM = '[project]\nname = "app"\ndependencies = ["litellm"]\n'


class TestLocked:
    """
    Lock files, and by which chain something came in.
    """

    @pytest.mark.parametrize(
        ("name", "text", "line"),
        [
            ("uv.lock", UV, 23),
            ("poetry.lock", POETRY_LOCK, 16),
            ("pdm.lock", PDM, 10),
            ("pylock.toml", PYLOCK, 12),
            ("pylock.prod.toml", PYLOCK, 12),
        ],
    )
    def test_chain(
        self, tmp_path: Path, name: str, text: str, line: int
    ) -> None:
        """
        Each form tells who asked for what came along.
        """
        write(tmp_path, {"pyproject.toml": NEEDS_LITELLM, name: text})

        (only,) = shown(tmp_path)["huggingface_hub"]

        assert (only.scope, only.line) == (BROUGHT, line)
        assert only.chain == ("tokenizers", "litellm")
        assert str(only) == ("locked huggingface-hub <- tokenizers <- litellm")

    def test_of_development(self, tmp_path: Path) -> None:
        """
        What only tools of its makers bring is for development.
        """
        project = '[dependency-groups]\ndev = ["litellm"]\n'
        write(tmp_path, {"pyproject.toml": project, "poetry.lock": PDM})

        (only,) = shown(tmp_path)["huggingface_hub"]

        assert only.scope is DEVELOPMENT

    def test_not_reached(self, tmp_path: Path) -> None:
        """
        What nothing asks for is told, with that said.
        """
        lock = '[[package]]\nname = "posthog"\n'
        (only,) = shown(write(tmp_path, {"poetry.lock": lock}))["posthog"]

        assert only.note == "nothing that was read asks for it"

    def test_circle(self, tmp_path: Path) -> None:
        """
        Distributions that ask for each other end.
        """
        lock = (
            '[[package]]\nname = "litellm"\ndependencies = ["posthog"]\n'
            '[[package]]\nname = "posthog"\ndependencies = ["litellm"]\n'
        )
        write(tmp_path, {"pyproject.toml": NEEDS_LITELLM, "pdm.lock": lock})

        assert shown(tmp_path)["posthog"][0].chain == ("litellm",)

    def test_pipfile_lock(self, tmp_path: Path) -> None:
        """
        A lock file of Pipenv tells what is for development.
        """
        lock = {"default": {"posthog": {}}, "develop": {"bugsnag": {}}}
        text = json.dumps(lock, indent=4)
        found = shown(write(tmp_path, {"Pipfile.lock": text}))

        assert {s: (e[0].scope, e[0].line) for s, e in found.items()} == {
            "posthog": (BROUGHT, 3),
            "bugsnag": (DEVELOPMENT, 6),
        }


def _install(site: Path, name: str, *requires: str) -> None:
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = [f"Requires-Dist: {text}" for text in requires]
    text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", *lines, ""])
    (info / "METADATA").write_text(text)


class TestInstalled:
    """
    What is installed beside a project.
    """

    def test_chain(self, tmp_path: Path) -> None:
        """
        What is installed is told with the chain that brought it.
        """
        site, project = tmp_path / "site", tmp_path / "app"
        _install(site, "litellm", "tokenizers>=1", "posthog; extra == 'x'")
        _install(site, "tokenizers", "huggingface-hub (<2)")
        _install(site, "huggingface-hub")
        _install(site, "rollbar")
        write(project, {"pyproject.toml": NEEDS_LITELLM})

        found = shown(project, extent=Extent(site_packages=[site]))

        assert set(found) == {"litellm", "huggingface_hub", "rollbar"}
        assert found["huggingface_hub"][0].chain == ("tokenizers", "litellm")
        assert "nothing that was read" in found["rollbar"][0].note

    def test_broken(self, tmp_path: Path) -> None:
        """
        A distribution without a name is noted, and no failure.
        """
        site = tmp_path / "site"
        (site / "bad-1.dist-info").mkdir(parents=True)
        (site / "bad-1.dist-info" / "METADATA").write_bytes(b"\xff\0\n")
        (site / "worse-1.dist-info").mkdir()
        _install(site, "posthog")

        made = audit(tmp_path / "site", extent=Extent(site_packages=[site]))

        assert list(made.found) == ["posthog"]
        assert any("without a name" in note.text for note in made.notes)

    @pytest.mark.parametrize(
        "name", ["METADATA", "PKG-INFO", "requires.txt", ""]
    )
    @pytest.mark.parametrize("kind", ["dist-info", "egg-info"])
    def test_pipes(self, tmp_path: Path, kind: str, name: str) -> None:
        """
        A pipe in the place of metadata, or of a wheel, is not waited for.
        """
        (tmp_path / "project").mkdir()
        site, wheels = tmp_path / "site", tmp_path / "wheels"
        odd = site / f"odd-1.{kind}" / name
        odd.parent.mkdir(parents=True)
        wheels.mkdir()
        os.mkfifo(odd)
        os.mkfifo(wheels / "odd-1-py3-none-any.whl")

        made = audit(
            tmp_path / "project",
            extent=Extent(site_packages=[site], wheelhouses=[wheels]),
        )

        assert [note.text.split(":")[0] for note in made.notes] == [
            "is no plain file",
            "is no plain file",
        ]

    def test_python(self, tmp_path: Path) -> None:
        """
        An environment is found by its program, which is not run.
        """
        site = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
        site.mkdir(parents=True)
        (tmp_path / "env" / "pyvenv.cfg").touch()
        (tmp_path / "env" / "bin").mkdir()
        program = tmp_path / "env" / "bin" / "python"
        program.symlink_to("/nowhere/python3.12")

        assert site_packages_of(program) == [site]
        assert site_packages_of(tmp_path / "env") == [site]
        with pytest.raises(ValueError, match="no installed packages"):
            site_packages_of(tmp_path)

    def test_this_python(self, tmp_path: Path) -> None:
        """
        What this very Python has is read by real metadata.
        """
        import sys

        site = site_packages_of(Path(sys.executable))

        made = audit(tmp_path, extent=Extent(site_packages=site))

        assert made.notes == ()
