# SPDX-License-Identifier: MIT

"""
Tests for the JSON Schema of an SDK entry.
"""

from __future__ import annotations

import copy
import json
import runpy
import tomllib

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import attrs
import pytest

from consentkit.exceptions import RegistryError
from consentkit.registry import load_entries, load_registry
from consentkit.registry.model import (
    SDKEntry,
    SDKField,
    SDKHost,
    SDKMobile,
    SDKPackage,
    SDKPermission,
    SDKSwitch,
    SDKUnknown,
)
from consentkit.registry.schema import json_schema
from tests.support import to_toml


jsonschema = pytest.importorskip("jsonschema")

DOCS = Path(__file__).parents[2] / "docs"
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
KINDS = (
    *(SDKEntry, SDKField, SDKHost, SDKMobile),
    *(SDKPackage, SDKPermission, SDKSwitch, SDKUnknown),
)

#: An entry with every key.
FULL: dict[str, Any] = {
    "schema": 1,
    "id": "acme",
    "name": "Acme",
    "operator": "Acme Ltd.",
    "operator_is_legal_entity": True,
    "category": "analytics",
    "purposes": ["usage_statistics"],
    "method": "embedded_sdk",
    "transmits": True,
    "platforms": ["android", "any"],
    "platforms_stated": True,
    "local_only": False,
    "parent": "getui",
    "host": "umeng",
    "replaces": False,
    "start_condition": "on phones of Acme",
    "privacy_policy": "https://acme.example/privacy",
    "official_site": "https://acme.example",
    "claims": ["It keeps nothing."],
    "anomalies": ["It keeps all."],
    "unknown": [{"key": "switches", "reason": "Of what was read later."}],
    "own_host": True,
    "shutdown": "acme.stop()",
    "erasure": "by letter",
    "fields": [
        {
            "term": "number",
            "types": ["imei"],
            "platforms": ["android"],
            "requirement": "optional",
            "local_only": False,
            "ambiguous": True,
            "note": "Sometimes.",
            "source": "acme-core:acme_core/send.py",
        }
    ],
    "permissions": [
        {
            "permission": "camera",
            "platform": "android",
            "requirement": "listed",
        }
    ],
    "package": {
        "distributions": ["acme-sdk", "acme-core"],
        "imports": ["acme.sdk"],
        "version": "1.0",
        "native": True,
        "gated": False,
        "neutral": ["acme.sdk.hooks"],
        "setup": ["acme.sdk.init"],
        "handles": ["acme.sdk.get", "get_tracer"],
        "defaults": ["get_flag(key, default)", "async Client.get(default)"],
        "ends": ["shutdown"],
        "queues": ["acme.sdk.client.Client.queue"],
        "also_read": ["acme-core==1.2"],
    },
    "mobile": {
        "gradle": ["com.acme:ads"],
        "pods": ["Acme"],
        "swift": ["acme/acme-ios"],
        "classes": ["com.acme.ads."],
        "sources": ["https://acme.example/docs"],
    },
    "hosts": [
        {
            "name": "*.acme.example",
            "region": "DE",
            "default": False,
            "note": "Events.",
            "source": "acme/send.py",
        }
    ],
    "switches": [
        {
            "kind": "callback",
            "name": "acme.init(filter=...)",
            "value": "lambda event: None",
            "note": "Drops it.",
            "source": "acme/send.py",
        }
    ],
}


def places(
    tree: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    """
    Name every place below *tree*.
    """
    pairs: Any = ()
    if isinstance(tree, dict):
        pairs = tree.items()
    elif isinstance(tree, list):
        pairs = enumerate(tree)
    for step, value in pairs:
        yield (*path, step)
        yield from places(value, (*path, step))


def at(tree: Any, path: tuple[str | int, ...]) -> Any:
    """
    Give what is at *path*.
    """
    for step in path:
        tree = tree[step]
    return tree


PLACES = tuple(places(FULL))
TABLES = tuple(p for p in ((), *PLACES) if isinstance(at(FULL, p), dict))


def spelt(path: tuple[str | int, ...]) -> str:
    """
    Write *path* as the loader does, without its start.
    """
    return ".".join(map(str, path)) or "top"


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """
    Give the full entry with *value* at *path*.
    """
    tree = copy.deepcopy(FULL)
    at(tree, path[:-1])[path[-1]] = value
    return tree


def valid(tree: object) -> bool:
    """
    Tell whether the schema takes *tree*.
    """
    good: bool = VALIDATOR.is_valid(tree)
    return good


def refused(tree: dict[str, Any], folder: Path) -> bool:
    """
    Tell whether the loader finds a fault in *tree*.
    """
    (folder / "acme.toml").write_text(to_toml(tree), encoding="utf-8")
    try:
        load_entries(folder)
    except RegistryError:
        return True
    return False


class TestSchema:
    """
    Tests for what the schema says.
    """

    def test_is_one(self) -> None:
        """
        It is a schema of the draft that it names.
        """
        schema = json_schema()

        assert schema["$schema"] == VALIDATOR.META_SCHEMA["$id"]
        jsonschema.Draft202012Validator.check_schema(schema)

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    def test_every_key_is_explained(self, kind: type) -> None:
        """
        Each key of each class stands in it, with its line of the docstring.
        """
        schema = json_schema()
        table = schema["$defs"].get(kind.__name__, schema)
        names = [a.name for a in attrs.fields(kind)]

        assert table["description"]
        assert [k for k in table["properties"] if k != "schema"] == names
        for key in table["properties"].values():
            assert key["description"]
            assert "``" not in key["description"]

    def test_explanation_is_whole(self) -> None:
        """
        What goes on in further lines belongs to it, and what several keys
        have in common is said of each.
        """
        schema = json_schema()
        host = schema["$defs"]["SDKHost"]["properties"]

        assert host["source"]["description"] == (
            "The file of the package that names it, or a link to where its "
            "operator does, or empty; as in `SDKField`."
        )
        links = ("privacy_policy", "official_site")
        assert {schema["properties"][k]["description"] for k in links} == {
            "Links, or empty. They are not fetched."
        }

    def test_the_file_is_current(self) -> None:
        """
        The file that editors take is what ``docs/sdk_schema.py`` writes.
        """
        made = runpy.run_path(str(DOCS / "sdk_schema.py"))
        file = DOCS / "_static" / "sdk.schema.json"

        assert file.read_text("utf-8") == made["schema"]()
        assert json.loads(made["schema"]()) == json_schema()


class TestGood:
    """
    Tests for entries that the loader takes.
    """

    @pytest.mark.parametrize("sdk", list(load_registry()))
    def test_shipped(self, sdk: str) -> None:
        """
        Every shipped entry fits, as an editor has it open.
        """
        file = resources.files("consentkit.registry") / "data" / f"{sdk}.toml"
        tree = tomllib.loads(file.read_text(encoding="utf-8"))

        assert valid(tree), next(VALIDATOR.iter_errors(tree), None)

    def test_full(self, tmp_path: Path) -> None:
        """
        An entry with every key fits, and the loader takes it.
        """
        assert not refused(FULL, tmp_path)
        assert valid(FULL)
        keys = {p[-1] for p in PLACES if isinstance(p[-1], str)}
        assert keys == {"schema"} | {
            a.name for kind in KINDS for a in attrs.fields(kind)
        }


class TestBad:
    """
    Tests for entries that the loader refuses.
    """

    @pytest.mark.parametrize("path", PLACES, ids=spelt)
    def test_wrong_kind(
        self, path: tuple[str | int, ...], tmp_path: Path
    ) -> None:
        """
        A value of a kind that the key does not take is refused by both.
        """
        values = (7.5, True, [7], {"no_key": 1})
        wrong = [v for v in values if refused(changed(path, v), tmp_path)]

        assert len(wrong) >= 3
        assert [v for v in wrong if valid(changed(path, v))] == []

    @pytest.mark.parametrize("path", TABLES, ids=spelt)
    def test_key_that_is_none(
        self, path: tuple[str | int, ...], tmp_path: Path
    ) -> None:
        """
        A key that there is not is refused by both, in every table.
        """
        tree = changed((*path, "no_key"), "a word")

        assert refused(tree, tmp_path)
        assert not valid(tree)

    @pytest.mark.parametrize("path", TABLES, ids=spelt)
    def test_missing_key(
        self, path: tuple[str | int, ...], tmp_path: Path
    ) -> None:
        """
        A table is refused by both for the lack of the same keys.
        """
        for name in at(FULL, path):
            # Only an entry with artefacts has to say where that is said.
            if (*path, name) == ("mobile", "sources"):
                continue
            tree = copy.deepcopy(FULL)
            del at(tree, path)[name]
            assert valid(tree) is not refused(tree, tmp_path), name

    @pytest.mark.parametrize(
        ("path", "wrong"),
        [
            (("schema",), 2),
            (("id",), "Acme"),
            (("category",), "analytical"),
            (("purposes", 0), "use"),
            (("method",), "magic"),
            (("platforms",), []),
            (("platforms", 0), "atari"),
            (("fields", 0, "types", 0), "imie"),
            (("fields", 0, "requirement"), "always"),
            (("permissions", 0, "permission"), "cam"),
            (("hosts", 0, "name"), "https://acme.example"),
            (("hosts", 0, "name"), "localhost"),
            (("hosts", 0, "region"), "Germany"),
            (("switches", 0, "kind"), "prayer"),
            (("switches", 0, "name"), ""),
            (("package", "distributions", 0), "Acme_SDK"),
            (("package", "imports", 0), "acme-sdk"),
            (("package", "imports"), []),
            (("package", "neutral", 0), "acme/hooks"),
            (("package", "setup", 0), "acme.sdk.init()"),
            (("package", "handles", 0), "acme.sdk.get()"),
            (("package", "defaults", 0), "get_flag"),
            (("package", "defaults", 0), "get_flag()"),
            (("package", "defaults", 0), "get_flag(key,default)"),
            (("package", "ends", 0), "shutdown()"),
            (("package", "queues", 0), "acme.sdk.Client()"),
            (("package", "also_read", 0), "acme-core"),
            (("mobile", "gradle", 0), "a:b:c"),
            (("mobile", "classes", 0), "com.acme"),
            (("mobile", "sources", 0), "a book"),
        ],
    )
    def test_wrong_word(
        self, path: tuple[str | int, ...], wrong: object, tmp_path: Path
    ) -> None:
        """
        A word or name that the key does not take is refused by both.
        """
        tree = changed(path, wrong)

        assert refused(tree, tmp_path)
        assert not valid(tree)
