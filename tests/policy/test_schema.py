# SPDX-License-Identifier: MIT

"""
Tests for the JSON Schema of a policy document, and the page made with it.
"""

from __future__ import annotations

import copy
import json
import runpy
import tomllib

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.policy import Period, parse_policy
from consentkit.policy.document import _converter
from consentkit.policy.schema import (
    Key,
    json_schema,
    table_of,
    words_of,
)
from consentkit.policy.tables import Document, FieldSpec, FunctionTable
from tests.support import small, tables, to_toml


jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[2]
POLICIES = sorted(
    [
        *ROOT.glob("examples/*/policy.toml"),
        *ROOT.glob("tests/vectors/policies/*.toml"),
    ]
)
# What `structure` would make anew each time.
CONVERTER = _converter()
VALIDATOR = jsonschema.Draft202012Validator(json_schema())

#: A value of each kind that JSON has, none of which is a word or a period.
KINDS: tuple[Any, ...] = (True, 7.5, "no word", [7], {"no_key": 1})


def valid(tree: object) -> bool:
    """
    Tell whether the schema takes *tree*, dates written as in JSON.
    """
    text = json.dumps(tree, default=lambda moment: moment.isoformat())
    good: bool = VALIDATOR.is_valid(json.loads(text))
    return good


def refused(tree: dict[str, Any]) -> bool:
    """
    Tell whether the loader finds a fault in the shape of *tree*.
    """
    try:
        CONVERTER.structure(tree, Document)
    except Exception:
        return True
    return False


def full(kind: type) -> dict[str, Any]:
    """
    Make a table of *kind* that has every key.
    """
    made = {key.name: _value(key) for key in table_of(kind).keys}
    if kind is FunctionTable:
        # Of a row's data type and its data types, it has one.
        (row,) = made["collects"]
        made["collects"] = [
            {k: v for k, v in row.items() if k != left_out}
            for left_out in ("types", "type")
        ]
    return made


def _value(key: Key) -> Any:
    value: Any
    if key.kind is dict:
        return {"tries": "int", "outcome": ["ok", "timeout"]}
    if key.name == "schema":
        value = 1
    elif attrs.has(key.kind):
        value = full(key.kind)
        if key.names:
            return {words_of(key.names)[0]: value}
    elif key.kind is str:
        value = _word(key)
    else:
        samples: dict[type, Any] = {
            bool: True,
            int: 7,
            float: 2.5,
            date: date(2026, 4, 10),
        }
        value = samples[key.kind]
    return [value] if key.is_list else value


def _word(key: Key) -> str:
    if key.is_period:
        return "P1M"
    if key.is_country:
        return "CN"
    words = key.values or (words_of(key.words) if key.words else ("a word",))
    return words[0]


FULL = full(Document)


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


def spelt(path: tuple[str | int, ...]) -> str:
    """
    Write *path* as an id of a test.
    """
    return ".".join(map(str, path)) or "top"


PLACES = tuple(places(FULL))
#: Where a table stands; the fields of an event have names of the author's.
TABLES = tuple(
    p
    for p in ((), *PLACES)
    if isinstance(at(FULL, p), dict) and "fields" not in p
)


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """
    Give a document with *value* at *path*, full in the part around it.
    """
    needed = {"schema", "policy", "functions"}
    tree = {k: v for k, v in FULL.items() if k in {*needed, *path[:1]}}
    if path[:1] != ("functions",):
        tree["functions"] = []
    tree = copy.deepcopy(tree)
    at(tree, path[:-1])[path[-1]] = value
    return tree


def kinds() -> dict[type, None]:
    """
    Gather all classes of tables.
    """
    found: dict[type, None] = {}
    waiting: list[type] = [Document, FieldSpec]
    while waiting:
        kind = waiting.pop()
        found[kind] = None
        waiting += [k.kind for k in table_of(kind).keys if attrs.has(k.kind)]
    return found


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

    @pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
    def test_every_key_is_explained(self, kind: type) -> None:
        """
        Each key of each class stands in it, with its line of the docstring.
        """
        table = table_of(kind)

        assert table.text
        assert [k.name for k in table.keys] == [
            a.name for a in attrs.fields(kind)
        ]
        for key in table.keys:
            assert key.text
            assert "``" not in key.text

    def test_explanation_is_whole(self) -> None:
        """
        What goes on in further lines of the docstring belongs to it, and
        what is said of the next key does not.
        """
        schema = json_schema()["$defs"]["Function"]["properties"]

        assert schema["category"]["description"] == (
            "What refusing it costs. `cross_cutting` serves all others "
            "(logs, security) and is refused by itself all the same."
        )
        assert schema["ask_at"]["default"] == "first_use"

    def test_is_the_callers_own(self) -> None:
        """
        Who changes what was given changes no other's.
        """
        json_schema()["properties"].clear()

        assert json_schema()["properties"]


class TestGood:
    """
    Tests for documents that the loader takes.
    """

    @pytest.mark.parametrize(
        "path", POLICIES, ids=lambda p: f"{p.parent.name}-{p.stem}"
    )
    def test_policies(self, path: Path) -> None:
        """
        Every policy of the repository fits, as its editor has it open.
        """
        tree = tomllib.loads(path.read_text("utf-8"))

        assert valid(tree), next(VALIDATOR.iter_errors(tree), None)

    def test_canonical_form(self) -> None:
        """
        The form in which old versions are archived fits.
        """
        assert valid(json.loads(small().canonical))

    def test_full(self) -> None:
        """
        A document with every key fits, and has the shape that is asked for.
        """
        assert not refused(FULL)
        assert valid(FULL)

    @pytest.mark.parametrize(
        "protect", ["bucket", {"name": "grid", "cell_km": 10}]
    )
    def test_short_spelling(self, protect: object) -> None:
        """
        A protection is a name or a table.
        """
        place = ("functions", 0, "collects", 0, "protect")

        assert valid(changed(place, protect))

    @pytest.mark.parametrize(
        ("value", "good"),
        [
            (date(2026, 4, 10), True),
            ("2026-04-10", True),
            (datetime(2026, 4, 10, 12, 0), False),
            ("10 April 2026", False),
        ],
    )
    def test_date(self, value: object, *, good: bool) -> None:
        """
        A date is a day, not a time; the loader says the same.
        """
        tree = changed(("policy", "effective"), value)

        assert (valid(tree), refused(tree)) == (good, not good)

    def test_open(self) -> None:
        """
        What may be empty or not decided yet may be so in an editor.
        """
        function = ("functions", 0)

        assert valid(changed((*function, "retention"), "unspecified"))
        assert valid(changed((*function, "retention"), ""))
        assert valid(changed((*function, "permission"), ""))
        assert valid(changed(("retention", 0, "types"), ["*"]))


class TestBad:
    """
    Tests for documents that the loader refuses.
    """

    @pytest.mark.parametrize("part", list(FULL))
    def test_wrong_kind(self, part: str) -> None:
        """
        A value of a kind that the key does not take is refused by both.
        """
        for path in PLACES:
            if path[0] != part:
                continue
            wrong = [v for v in KINDS if refused(changed(path, v))]
            assert len(wrong) >= 3, path
            assert [v for v in wrong if valid(changed(path, v))] == [], path

    @pytest.mark.parametrize("path", TABLES, ids=spelt)
    def test_key_that_is_none(self, path: tuple[str | int, ...]) -> None:
        """
        A key that there is not is refused by both, in every table.
        """
        tree = changed((*path, "no_key"), "a word")

        assert refused(tree)
        assert not valid(tree)

    @pytest.mark.parametrize("path", TABLES, ids=spelt)
    def test_missing_key(self, path: tuple[str | int, ...]) -> None:
        """
        A table is refused by both for the lack of the same keys.
        """
        for name in at(FULL, path):
            left = {k: v for k, v in at(FULL, path).items() if k != name}
            tree = changed(path, left) if path else left
            assert valid(tree) is not refused(tree), name

    @pytest.mark.parametrize(
        ("path", "wrong"),
        [
            (("schema",), 2),
            (("policy", "effective"), "2026-4-1"),
            (("policy", "jurisdiction"), "China"),
            (("consent", "pending"), "wait"),
            (("functions", 0, "category"), "cor"),
            (("functions", 0, "retention"), "a month"),
            (("functions", 0, "retention"), "P0D"),
            (("functions", 0, "collects", 0, "type"), "mac_adress"),
            (("functions", 0, "collects", 0, "protect"), "md6"),
            (("functions", 0, "events", 0, "fields", "tries"), "enum"),
            (("functions", 0, "events", 0, "fields", "tries"), []),
            (("recipients", 0, "mode"), ""),
            (("storage", "regions"), ["cn"]),
        ],
    )
    def test_wrong_word(
        self, path: tuple[str | int, ...], wrong: object
    ) -> None:
        """
        A word that the key does not know is marked where it is typed.
        """
        assert not valid(changed(path, wrong))


class TestWords:
    """
    Tests that the schema and the loader know the same words.
    """

    @given(
        st.from_regex(
            r"P([0-9]{1,5}[YMWD]){0,4}(T([0-9]{1,9}[HMS]){0,3})?",
            fullmatch=True,
        )
        | st.text(alphabet="P1T0YMDHS ", max_size=8)
    )
    def test_periods(self, text: str) -> None:
        """
        What is a period to one is a period to the other.
        """
        known = text in ("", "unspecified")
        try:
            Period.parse(text)
        except ValueError:
            pass
        else:
            known = True

        assert valid(changed(("functions", 0, "retention"), text)) is known

    @pytest.mark.parametrize("kind", ["bool", "int", "float", "text"])
    def test_kinds_of_fields(self, kind: str) -> None:
        """
        The kinds that a field of an event may have are taken by both.
        """
        tree = tables()
        tree["functions"][0]["events"][0]["fields"] = {"one": kind}

        assert valid(tree)
        assert parse_policy(to_toml(tree))


class TestFiles:
    """
    Tests for what ``docs/schema.py`` writes.
    """

    @pytest.mark.parametrize(
        ("name", "maker"),
        [
            ("_static/policy.schema.json", "schema"),
            ("reference/policy-schema.md", "page"),
        ],
    )
    def test_current(self, name: str, maker: str) -> None:
        """
        The file is what the script would write now.
        """
        made = runpy.run_path(str(ROOT / "docs" / "schema.py"))[maker]()

        assert (ROOT / "docs" / name).read_text("utf-8") == made, (
            "run python docs/schema.py"
        )
