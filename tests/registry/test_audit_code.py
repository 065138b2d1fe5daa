# SPDX-License-Identifier: MIT

"""
Tests for what an audit reads of code, and for its walk over a project.
"""

from __future__ import annotations

import json
import os
import sys

from pathlib import Path
from textwrap import dedent

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.registry.audit import Extent, Scope, audit
from tests.registry.projects import shown, write


RUN, OPTIONAL, DEVELOPMENT = Scope.RUN, Scope.OPTIONAL, Scope.DEVELOPMENT


def code(tmp_path: Path, text: str, name: str = "main.py") -> dict[str, str]:
    """
    Give the line and scope of each SDK that code imports, as text.
    """
    found = shown(write(tmp_path, {name: dedent(text)}))
    return {
        sdk: f"{shows[0].line} {shows[0].scope.value}"
        for sdk, shows in found.items()
    }


class TestImports:
    """
    Imports in code.
    """

    @pytest.mark.parametrize(
        "text",
        [
            "import posthog",
            "import os, posthog as p",
            "import posthog.client",
            "from posthog import Posthog",
            "from posthog.client import Client",
            "from posthog import *",
            "class A:\n    import posthog",
            "if 1:\n    pass\nelif 2:\n    import posthog",
            "match 1:\n    case 1:\n        import posthog",
            "with open('x') as f:\n    import posthog",
            "try:\n    pass\nfinally:\n    import posthog",
            "from importlib import import_module\nimport_module('posthog')",
            "import importlib\nx = [importlib.import_module('posthog.a')]",
            "__import__('posthog')",
            "@f(__import__('posthog'))\ndef g():\n    pass",
            "def g(a=__import__('posthog')):\n    pass",
            "import_module(name='posthog')",
        ],
    )
    def test_forms(self, tmp_path: Path, text: str) -> None:
        """
        Every form of an import is seen, wherever it stands.
        """
        line = next(
            i
            for i, part in enumerate(text.split("\n"), 1)
            if "posthog" in part
        )

        assert code(tmp_path, text) == {"posthog": f"{line} run"}

    @pytest.mark.parametrize(
        "text",
        [
            "from . import posthog",
            "from .posthog import x",
            "import posthogs",
            "from app import posthog",
            "'import posthog'",
            "# import posthog",
            "importlib.import_module('.posthog', 'app')",
            "import google.cloud",
        ],
    )
    def test_others(self, tmp_path: Path, text: str) -> None:
        """
        What only looks like the import of an SDK is none.
        """
        assert code(tmp_path, text) == {}

    @pytest.mark.parametrize(
        "text",
        [
            "import google.cloud.storage",
            "from google.cloud import storage",
            "from google.cloud.storage import Client",
        ],
    )
    def test_namespace(self, tmp_path: Path, text: str) -> None:
        """
        Of a namespace only the part that is the SDK counts.
        """
        assert list(code(tmp_path, text)) == ["google_cloud_storage"]

    @pytest.mark.parametrize(
        ("text", "scope"),
        [
            ("try:\n import posthog\nexcept ImportError:\n pass", "reachable"),
            ("try:\n import posthog\nexcept:\n pass", "reachable"),
            (
                "try:\n import posthog\nexcept (A, ModuleNotFoundError):\n x",
                "reachable",
            ),
            ("try:\n import posthog\nexcept KeyError:\n pass", "run"),
            ("try:\n x\nexcept ImportError:\n import posthog", "reachable"),
            (
                "try:\n import a\nexcept ImportError:\n import posthog",
                "reachable",
            ),
            ("try:\n x\nexcept KeyError:\n import posthog", "reachable"),
            (
                "try:\n import a\nexcept ImportError:\n x\nelse:\n import posthog",
                "reachable",
            ),
            (
                "try:\n x\nexcept Exception:\n y\nelse:\n import posthog",
                "run",
            ),
            (
                (
                    "try:\n import posthog\nexcept ImportError as e:\n"
                    " raise RuntimeError('pip install app[all]') from e"
                ),
                "reachable",
            ),
            (
                "with LazyImport('pip install posthog') as a:\n import posthog",
                "reachable",
            ),
            ("with lib.try_import() as a:\n import posthog", "reachable"),
            (
                (
                    "try:\n from posthog.client import A\n"
                    "except ImportError:\n from posthog import A"
                ),
                "run",
            ),
            (
                (
                    "try:\n from posthog import A\nexcept ImportError:\n"
                    " try:\n  from posthog.client import A\n"
                    " except ImportError:\n  A = None"
                ),
                "reachable",
            ),
            (
                "with contextlib.suppress(ImportError):\n import posthog",
                "reachable",
            ),
            ("def f():\n import posthog", "reachable"),
            ("class A:\n async def f(s):\n  import posthog", "reachable"),
            ("def f():\n def g():\n  __import__('posthog')", "reachable"),
            ("f = lambda: __import__('posthog')", "reachable"),
            (
                "def f():\n try:\n  import posthog\n except ImportError: x",
                "reachable",
            ),
            ("def f():\n import posthog\nimport posthog", "run"),
            ("if TYPE_CHECKING:\n x\nelse:\n import posthog", "run"),
            ("if not TYPE_CHECKING:\n import posthog", "run"),
            ("if TYPE_CHECKING or x:\n import posthog", "run"),
        ],
    )
    def test_scope(self, tmp_path: Path, text: str, scope: str) -> None:
        """
        What runs with its module is certain; what may be missing, stands in
        for something else, waits for an error or is in a function, can be
        reached. Where one of two imports of it has to work, it is certain.
        """
        assert code(tmp_path, text)["posthog"].split()[1] == scope

    @pytest.mark.parametrize(
        "text",
        [
            "if TYPE_CHECKING:\n import posthog",
            "if typing.TYPE_CHECKING:\n import posthog",
            "if TYPE_CHECKING:\n def f():\n  __import__('posthog')",
            "if not TYPE_CHECKING:\n x\nelse:\n import posthog",
        ],
    )
    def test_for_type_checkers(self, tmp_path: Path, text: str) -> None:
        """
        What only type checkers read is no use at all.
        """
        assert code(tmp_path, text) == {}

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("import posthog", ("error", "'posthog': used, import posthog")),
            (
                "def f():\n import posthog",
                (
                    "warning",
                    (
                        "'posthog': reachable, not certain, import posthog "
                        "(only in a function)"
                    ),
                ),
            ),
            (
                "try:\n import posthog\nexcept ImportError:\n x",
                (
                    "warning",
                    (
                        "'posthog': reachable, not certain, import posthog "
                        "(only if it is installed)"
                    ),
                ),
            ),
            (
                "try:\n import a\nexcept ImportError:\n import posthog",
                (
                    "warning",
                    (
                        "'posthog': reachable, not certain, import posthog "
                        "(only if something else is not installed)"
                    ),
                ),
            ),
            (
                "try:\n f()\nexcept KeyError:\n import posthog",
                (
                    "warning",
                    (
                        "'posthog': reachable, not certain, import posthog "
                        "(only after an error)"
                    ),
                ),
            ),
        ],
    )
    def test_weight(
        self, tmp_path: Path, text: str, told: tuple[str, str]
    ) -> None:
        """
        An SDK that is certain to be used is an error, one that may be is a
        warning that says so.
        """
        made = audit(write(tmp_path, {"main.py": text}))

        (finding,) = made.checked.findings
        assert (finding.severity.value, finding.message) == told

    def test_required_weighs_more(self, tmp_path: Path) -> None:
        """
        Where the project requires an SDK for all, it does not matter where
        it is imported.
        """
        files = {
            "requirements.txt": "posthog",
            "a.py": "def f():\n import posthog",
        }
        made = audit(write(tmp_path, files))

        (finding,) = made.checked.findings
        assert finding.severity.value == "error"
        assert finding.message.startswith("'posthog': used, requires posthog")

    def test_extra_of_an_unpacked_wheel(self, tmp_path: Path) -> None:
        """
        What an unpacked wheel asks for only with an extra is optional, and
        so is the code that it is for; what it asks for always is used.
        """
        files = {
            "acme-1.dist-info/METADATA": (
                "Metadata-Version: 2.4\nName: acme\nVersion: 1\n"
                "Provides-Extra: metrics\n"
                "Requires-Dist: sentry-sdk>=2; python_version >= '3.9'\n"
                "Requires-Dist: posthog (>=6) ; extra == 'metrics'\n"
                'Requires-Dist: mixpanel; extra == "metrics"\n'
                "Requires-Dist: bugsnag; extra == 'dev'\n\nAbout rollbar.\n"
                "Requires-Dist: rollbar\n"
            ),
            "acme/__init__.py": "import sentry_sdk\nimport posthog\n",
        }
        found = shown(write(tmp_path, files))

        assert {sdk: e[0].scope for sdk, e in found.items()} == {
            "sentry": RUN,
            "posthog": OPTIONAL,
            "mixpanel": OPTIONAL,
            "bugsnag": DEVELOPMENT,
        }
        assert [str(e) for e in found["posthog"]] == [
            "import posthog (required: extra 'metrics')",
            "requires posthog (extra 'metrics')",
        ]
        assert found["mixpanel"][0].place == "acme-1.dist-info/METADATA:7"

    @pytest.mark.parametrize(
        ("name", "scope"),
        [
            ("app/main.py", RUN),
            ("tests/a.py", DEVELOPMENT),
            ("app/test_a.py", DEVELOPMENT),
            ("docs/conf.py", DEVELOPMENT),
            ("conftest.py", DEVELOPMENT),
            ("app/testimony.py", RUN),
        ],
    )
    def test_place(self, tmp_path: Path, name: str, scope: Scope) -> None:
        """
        Tests, examples and tools of its makers are told from the app.
        """
        found = shown(write(tmp_path, {name: "import posthog"}))

        assert found["posthog"][0].scope is scope

    def test_required_as_optional(self, tmp_path: Path) -> None:
        """
        Code needs no more than the project requires: it serves the extra.
        """
        project = '[project.optional-dependencies]\nm = ["posthog"]\n'
        files = {"pyproject.toml": project, "a.py": "import posthog"}
        found = shown(write(tmp_path, files))["posthog"]

        assert {e.scope for e in found} == {OPTIONAL}
        assert str(found[0]) == "import posthog (required: extra 'm')"

    @pytest.mark.parametrize(
        "more",
        [
            {"requirements.txt": "posthog"},
            {
                "requirements.txt": "litellm",
                "pdm.lock": '[[package]]\nname = "litellm"\n'
                'dependencies = ["posthog"]\n[[package]]\nname = "posthog"',
            },
        ],
    )
    def test_required_all_the_same(
        self, tmp_path: Path, more: dict[str, str]
    ) -> None:
        """
        What is required elsewhere for all is not optional.
        """
        project = '[project.optional-dependencies]\nm = ["posthog"]\n'
        files = {"pyproject.toml": project, "a.py": "import posthog", **more}

        found = shown(write(tmp_path, files))["posthog"]

        assert str(found[0]) == "import posthog"
        assert found[0].scope is RUN

    def test_own_module(self, tmp_path: Path) -> None:
        """
        A module of the project's own is no SDK, and the name is noted.
        """
        files = {
            "posthog/__init__.py": "",
            "src/mixpanel.py": "",
            "main.py": "import posthog, mixpanel, rollbar",
        }
        made = audit(write(tmp_path, files))

        assert list(made.found) == ["rollbar"]
        assert [note.text for note in made.notes] == [
            f"has a module {name!r} of its own, as an SDK has"
            for name in ("posthog", "mixpanel")
        ]

    def test_not_own(self, tmp_path: Path) -> None:
        """
        A module inside of a package, or the importing file itself, does not
        stand in for an SDK.
        """
        files = {
            "app/__init__.py": "",
            "app/posthog.py": "import posthog",
            "jobs/mixpanel.py": "import mixpanel",
        }
        found = shown(write(tmp_path, files))

        assert list(found) == ["mixpanel", "posthog"]

    def test_computed(self, tmp_path: Path) -> None:
        """
        Imports by a computed name are counted, for nothing shows them.
        """
        text = "import importlib\nimportlib.import_module(name)\n"
        made = audit(write(tmp_path, {"main.py": text}))

        assert (made.unseen, dict(made.found)) == (1, {})

    def test_notebook(self, tmp_path: Path) -> None:
        """
        Cells of code are read, with what only their kernel takes.
        """
        cells = [
            {"cell_type": "markdown", "source": "import rollbar"},
            {"cell_type": "code", "source": ["%pip install x\n", "x = 1"]},
            {
                "cell_type": "code",
                "source": ["if x:\n", "    !ls\n", "import posthog\n"],
            },
        ]
        text = json.dumps({"cells": cells, "nbformat": 4})

        found = shown(write(tmp_path, {"a.ipynb": text}))

        assert [str(e) for e in found["posthog"]] == [
            "import posthog (cell 2)"
        ]
        assert list(found) == ["posthog"]

    def test_cannot_be_parsed(self, tmp_path: Path) -> None:
        """
        Of code of another Python its lines with imports count, and that is
        said.
        """
        text = b"import os\nprint 'x'\n  from posthog import a\n"
        made = audit(write(tmp_path, {"old.py": text}))

        assert [e.line for e in made.found["posthog"]] == [3]
        assert [n.text for n in made.notes] == [
            "cannot be parsed (line 2); only lines with imports count"
        ]

    @pytest.mark.parametrize(
        "raw",
        [
            b"# coding: latin-1\nx = '\xe9'\nimport posthog\n",
            b"\xef\xbb\xbfimport posthog\n",
            b"x = '\xff'\nimport posthog\n",
            b"\0\nimport posthog\n",
            b"# coding: nonsense\nimport posthog\n",
            b"import posthog\nx = " + b"(" * 5_000 + b"\n",
            b"import posthog\nx = " + b"-" * 50_000 + b"1\n",
            b"import posthog\r\n",
        ],
    )
    def test_odd_files(self, tmp_path: Path, raw: bytes) -> None:
        """
        Other encodings, broken ones and hostile nesting end no audit.
        """
        found = shown(write(tmp_path, {"main.py": raw}))

        assert list(found) == ["posthog"]

    @given(raw=st.binary(max_size=200))
    def test_any_bytes(
        self, raw: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """
        No file, whatever it holds, ends the audit.
        """
        names = (
            "a.py",
            "a.ipynb",
            "pyproject.toml",
            "requirements.txt",
            "setup.cfg",
            "setup.py",
            "poetry.lock",
            "Pipfile.lock",
            "environment.yml",
            "build.gradle",
            "Podfile.lock",
            "Package.resolved",
        )
        folder = tmp_path_factory.mktemp("any")
        files = dict.fromkeys(names, b"import posthog\n" + raw)

        assert audit(write(folder, files)).files > 0

    def test_not_run(self, tmp_path: Path) -> None:
        """
        No code of the project is run or imported, and no path changed.
        """
        mark = tmp_path / "ran"
        text = f"import posthog\nopen({str(mark)!r}, 'w')\n"
        names = ("setup.py", "main.py", "conftest.py", "posthog_x.py")
        before = (list(sys.path), set(sys.modules))
        shown(write(tmp_path, dict.fromkeys(names, text)))

        assert not mark.exists()
        assert "posthog" not in set(sys.modules) - before[1]
        assert sys.path == before[0]


class TestTree:
    """
    Walking over a project.
    """

    @pytest.mark.parametrize(
        "folder",
        [
            ".venv",
            "node_modules",
            ".git",
            "build",
            "dist",
            "lib/site-packages",
            "app.egg-info",
        ],
    )
    def test_skipped(self, tmp_path: Path, folder: str) -> None:
        """
        What is not the project's own is skipped, told, and read if asked.
        """
        write(tmp_path, {f"{folder}/a.py": "import posthog"})
        name = folder.rpartition("/")[2]

        made = audit(tmp_path)
        asked = audit(tmp_path, extent=Extent(include=[name]))

        assert (list(made.found), made.skipped) == ([], (name,))
        assert (list(asked.found), asked.skipped) == (["posthog"], ())

    def test_environment(self, tmp_path: Path) -> None:
        """
        An environment of any name is skipped.
        """
        files = {"here/pyvenv.cfg": "", "here/a.py": "import posthog"}

        assert audit(write(tmp_path, files)).skipped == ("here",)

    def test_package_called_build(self, tmp_path: Path) -> None:
        """
        A package is read, whatever its name.
        """
        files = {"build/__init__.py": "", "build/a.py": "import posthog"}

        assert list(shown(write(tmp_path, files))) == ["posthog"]

    def test_links(self, tmp_path: Path) -> None:
        """
        Links in a circle end, and one out of the project is noted.
        """
        outside = write(tmp_path / "out", {"b.py": "import rollbar"})
        project = write(tmp_path / "app", {"a.py": "import posthog"})
        (project / "loop").symlink_to(project, target_is_directory=True)
        (project / "out").symlink_to(outside, target_is_directory=True)
        (project / "self.py").symlink_to(project / "self.py")
        (project / "gone.py").symlink_to(project / "nothing.py")

        made = audit(project)

        assert list(made.found) == ["posthog"]
        assert [note.file for note in made.notes] == [
            "out",
            "gone.py",
            "self.py",
        ]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
    def test_pipe(self, tmp_path: Path) -> None:
        """
        A pipe is not waited for.
        """
        os.mkfifo(tmp_path / "a.py")

        made = audit(tmp_path)

        assert [note.text for note in made.notes] == ["is no plain file"]

    def test_huge(self, tmp_path: Path) -> None:
        """
        A huge file is named, and not read.
        """
        with (tmp_path / "a.py").open("wb") as stream:
            stream.truncate(5 * 1024 * 1024)

        (note,) = audit(tmp_path).notes

        assert note.text.startswith("is larger than")

    def test_deep(self, tmp_path: Path) -> None:
        """
        Folders are not followed without end.
        """
        folder = tmp_path
        for _ in range(70):
            folder /= "d"
        write(folder, {"a.py": "import posthog"})

        made = audit(tmp_path)

        assert list(made.found) == []
        assert [n.text for n in made.notes] == ["is nested too deeply"]

    @pytest.mark.parametrize(
        "name",
        ["pyproject.toml", "Pipfile", "poetry.lock", "libs.versions.toml"],
    )
    def test_deep_names(self, tmp_path: Path, name: str) -> None:
        """
        A name of thousands of parts, over which a parser sits for long, is
        not parsed.
        """
        write(tmp_path, {name: ".".join(["a"] * 5_000) + " = 1\n"})

        made = audit(tmp_path)

        assert [(n.file, n.text) for n in made.notes] == [
            (name, "is nested too deeply")
        ]

    def test_many_notes(self, tmp_path: Path) -> None:
        """
        A tree full of broken files gives no endless list.
        """
        write(tmp_path, {f"f{n}/setup.py": "def (" for n in range(300)})

        notes = audit(tmp_path).notes

        assert len(notes) == 201
        assert notes[-1].text == "more was not read"

    def test_progress(self, tmp_path: Path) -> None:
        """
        The progress begins at nothing and ends at all.
        """
        write(tmp_path, {f"a{n}.py": "" for n in range(120)})
        told: list[tuple[int, int]] = []

        audit(tmp_path, progress=lambda *step: told.append(step))

        assert told == [(0, 120), (50, 120), (100, 120), (120, 120)]
