# SPDX-License-Identifier: MIT

"""
Tests for reading policy documents, and for what a function promises.
"""

from __future__ import annotations

import copy
import re

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.exceptions import PolicyError
from consentkit.policy import (
    Category,
    Fault,
    Period,
    ProtectionName,
    load_policy,
    parse_policy,
)
from tests.support import SMALL, small, tables, to_toml


ROOT = Path(__file__).parent.parent.parent
CAMERA = ROOT / "examples" / "camera_app" / "policy.toml"

Change = Callable[[dict[str, Any]], object]


def faults_of(change: Change) -> tuple[Fault, ...]:
    """
    Give the faults of the small policy after *change*.
    """
    with pytest.raises(PolicyError) as caught:
        small(change=change)
    return caught.value.faults


def put(value: object, *path: str | int) -> Change:
    """
    Make a change that puts *value* at *path*.
    """

    def change(tree: Any) -> None:
        *way, last = path
        for step in way:
            tree = tree[step]
        tree[last] = value

    return change


def cut(*path: str | int) -> Change:
    """
    Make a change that takes out what is at *path*.
    """

    def change(tree: Any) -> None:
        *way, last = path
        for step in way:
            tree = tree[step]
        del tree[last]

    return change


class TestGoodPolicy:
    """
    Tests for what a good document becomes.
    """

    def test_says_what_the_document_says(self) -> None:
        """
        Each part of the document stands in the value, by id and in order.
        """
        policy = load_policy(SMALL)

        assert (policy.id, policy.version) == ("small", "1")
        assert list(policy.functions) == [
            "connect",
            "improve",
            "paste",
            "logs",
            "umeng",
        ]
        assert policy.recipients["helper"].country == "DE"
        assert policy.recipients["maker"].mode == "controller"
        connect = policy.functions["connect"]
        assert connect.category is Category.CORE
        place = connect.clauses["location_precise"]
        assert place.protection.name is ProtectionName.GRID
        assert place.permission == "location"
        assert place.purposes == ("wifi_connection",)

    def test_clause_inherits_from_its_function(self) -> None:
        """
        Purposes, recipients and retention hold for each clause without.
        """
        clause = small().functions["improve"].clauses["mac_address"]

        assert clause.purposes == ("usage_statistics",)
        assert clause.recipients == ("maker", "helper")
        assert clause.retention == Period(months=1)

    def test_recipient_is_the_controller_unless_named(self) -> None:
        """
        A clause without recipients goes to nobody but the controller.
        """
        clause = small().functions["connect"].clauses["network_status"]

        assert clause.recipients == ("maker",)

    def test_sensitive_type_is_separate_by_itself(self) -> None:
        """
        A sensitive type needs its own decision without a word (WP-SENS-2).
        """
        connect = small().functions["connect"]

        assert connect.clauses["location_precise"].separate
        assert not connect.clauses["network_status"].separate
        assert connect.elements == ("connect", "connect/location_precise")

    def test_text_and_file_give_the_same(self) -> None:
        """
        A document in memory is read as one on disk.
        """
        text = SMALL.read_text(encoding="utf-8")

        assert parse_policy(text) == load_policy(str(SMALL))
        assert parse_policy(text).digest == load_policy(SMALL).digest

    def test_written_tree_gives_the_same(self) -> None:
        """
        The helper that writes changed documents writes the same document.
        """
        assert parse_policy(to_toml(tables())) == load_policy(SMALL)

    def test_example_is_a_good_policy(self) -> None:
        """
        The camera app's policy has no fault, and all third parties apart.
        """
        policy = load_policy(CAMERA)

        sdks = [f.sdk for f in policy.functions.values() if f.sdk]
        assert len(sdks) == len(set(sdks)) >= 5

    def test_is_frozen_all_the_way_down(self) -> None:
        """
        Nobody changes the promise once it is read.
        """
        policy: Any = small()

        for change in (
            lambda: setattr(policy, "version", "2"),
            lambda: policy.functions.pop("logs"),
            lambda: policy.recipients.clear(),
            lambda: policy.functions["logs"].clauses.clear(),
        ):
            with pytest.raises(AttributeError):
                change()

    def test_repr_is_short(self) -> None:
        """
        The repr names the policy and counts its functions.
        """
        assert repr(small()) == "<Policy small 1: 5 functions>"


def needing(purpose: str, *needs: str) -> Change:
    """
    Say what the way for a purpose has to be.
    """
    return put({purpose: {"needs": list(needs)}}, "purposes")


FAULTS: dict[str, tuple[Change, str, str, str]] = {
    "missing table": (
        cut("controller"),
        "$.controller",
        "missing",
        "say who answers for it",
    ),
    "missing key": (
        cut("functions", 1, "text"),
        "$.functions[1].text",
        "missing",
        "add this key",
    ),
    "misspelt key": (
        put("P1D", "functions", 0, "retentoin"),
        "$.functions[0].retentoin",
        "no such key",
        "did you mean 'retention'?",
    ),
    "number for text": (
        put(7, "policy", "title"),
        "$.policy.title",
        "expected a string, found an integer",
        "",
    ),
    "text for array": (
        put("consent", "functions", 1, "basis"),
        "$.functions[1].basis",
        "expected an array, found a string",
        "",
    ),
    "number in array": (
        put(["maker", 3], "functions", 1, "recipients"),
        "$.functions[1].recipients[1]",
        "expected a string, found an integer",
        "",
    ),
    "text for table": (
        put("maker", "controller"),
        "$.controller",
        "expected a table, found a string",
        "",
    ),
    "text for boolean": (
        put("no", "functions", 0, "collects", 0, "separate"),
        "$.functions[0].collects[0].separate",
        "expected a boolean, found a string",
        "",
    ),
    "text for date": (
        put("10 April 2026", "policy", "effective"),
        "$.policy.effective",
        "expected a date, such as 2026-04-10, found a string",
        "",
    ),
    "boolean for number": (
        put(True, "functions", 0, "collects", 0, "protect", "cell_km"),
        "$.functions[0].collects[0].protect.cell_km",
        "expected a number, found a boolean",
        "",
    ),
    "id with blanks": (
        put("My App", "policy", "id"),
        "$.policy.id",
        "'My App' is no id",
        "small letters",
    ),
    "empty text": (
        put("  ", "functions", 1, "text"),
        "$.functions[1].text",
        "an empty string",
        "",
    ),
    "unknown data type": (
        put("mac_adress", "functions", 1, "collects", 0, "type"),
        "$.functions[1].collects[0].type",
        "'mac_adress' is no data type",
        "did you mean 'mac_address'",
    ),
    "beginning of a data type": (
        put("phone", "functions", 1, "collects", 0, "type"),
        "$.functions[1].collects[0].type",
        "'phone' is no data type",
        "did you mean 'phone_number' or",
    ),
    "unknown purpose": (
        put(["wifi_conection"], "functions", 0, "purposes"),
        "$.functions[0].purposes[0]",
        "'wifi_conection' is no purpose",
        "did you mean 'wifi_connection'",
    ),
    "unknown recipient": (
        put(["maker", "helpr"], "functions", 1, "recipients"),
        "$.functions[1].recipients[1]",
        "'helpr' is no declared recipient",
        "did you mean 'helper'?",
    ),
    "unknown permission": (
        put("phon", "functions", 1, "collects", 2, "permission"),
        "$.functions[1].collects[2].permission",
        "'phon' is no permission",
        "did you mean 'phone'",
    ),
    "unknown basis": (
        put(["consnt"], "functions", 1, "basis"),
        "$.functions[1].basis[0]",
        "'consnt' is no lawful basis",
        "did you mean 'consent'",
    ),
    "basis that is a person's": (
        put(["national_security"], "functions", 1, "basis"),
        "$.functions[1].basis[0]",
        "needs the word of a named person",
        "'consent'",
    ),
    "no basis": (
        put([], "functions", 1, "basis"),
        "$.functions[1].basis",
        "no lawful basis",
        "consent",
    ),
    "unknown category": (
        put("extra", "functions", 1, "category"),
        "$.functions[1].category",
        "'extra' is no category",
        "one of additional, core, cross_cutting, third_party",
    ),
    "unknown effect": (
        put("degrade", "functions", 1, "on_refusal"),
        "$.functions[1].on_refusal",
        "'degrade' is no effect",
        "did you mean 'degraded'?",
    ),
    "unknown mode": (
        put("entrust", "recipients", 0, "mode"),
        "$.recipients[0].mode",
        "'entrust' is no mode of a recipient",
        "did you mean 'entrusted'?",
    ),
    "no country": (
        put("Germany", "recipients", 0, "country"),
        "$.recipients[0].country",
        "'Germany' is no country",
        "ISO 3166-1",
    ),
    "recipient twice": (
        put("helper", "recipients", 1, "id"),
        "$.recipients[1].id",
        "'helper' stands twice",
        "",
    ),
    "function twice": (
        put("connect", "functions", 1, "id"),
        "$.functions[1]",
        "'connect' stands twice",
        "",
    ),
    "type twice": (
        put("mac_address", "functions", 1, "collects", 1, "type"),
        "$.functions[1].collects[1]",
        "'mac_address' stands twice",
        "",
    ),
    "SDK twice": (
        put("umeng", "functions", 3, "sdk"),
        "$.functions[4].sdk",
        "is started by 'logs' too",
        "one decision",
    ),
    "no function": (
        put([], "functions"),
        "$.functions",
        "no function",
        "declare one",
    ),
    "no purpose": (
        cut("functions", 1, "purposes"),
        "$.functions[1].collects[0].purposes",
        "no purpose",
        "here or above",
    ),
    "no retention": (
        cut("functions", 1, "retention"),
        "$.functions[1].collects[0].retention",
        "no period",
        "such as P30D",
    ),
    "retention in words": (
        put("30 days", "functions", 1, "retention"),
        "$.functions[1].retention",
        "'30 days': expected an ISO 8601 duration",
        "",
    ),
    "no protection": (
        cut("functions", 1, "collects", 0, "protect"),
        "$.functions[1].collects[0].protect",
        "missing",
        "one of drop, keyed, local_only, md5, present",
    ),
    "unknown protection": (
        put("md4", "functions", 1, "collects", 0, "protect"),
        "$.functions[1].collects[0].protect.name",
        "'md4' is no protection",
        "did you mean 'md5'?",
    ),
    "protection of another type": (
        put("none", "functions", 1, "collects", 0, "protect"),
        "$.functions[1].collects[0].protect",
        "'none' does not protect 'mac_address'",
        "one of drop, keyed, local_only, md5, present",
    ),
    "cell too small": (
        put(0.5, "functions", 0, "collects", 0, "protect", "cell_km"),
        "$.functions[0].collects[0].protect.cell_km",
        "out of range",
        "2 to 500",
    ),
    "cell of no size": (
        put(float("nan"), "functions", 0, "collects", 0, "protect", "cell_km"),
        "$.functions[0].collects[0].protect.cell_km",
        "out of range",
        "2 to 500",
    ),
    "cells of a digest": (
        put(
            {"name": "md5", "cell_km": 3},
            "functions",
            1,
            "collects",
            0,
            "protect",
        ),
        "$.functions[1].collects[0].protect.cell_km",
        "only 'grid' has cells",
        "",
    ),
    "nothing to take": (
        put("take", "functions", 2, "collects", 0, "protect"),
        "$.functions[2].collects[0].protect.intents",
        "missing",
        "share_code",
    ),
    "unknown intent": (
        put(
            ["sharecode"],
            "functions",
            2,
            "collects",
            0,
            "protect",
            "intents",
        ),
        "$.functions[2].collects[0].protect.intents[0]",
        "'sharecode' is no intent",
        "did you mean 'share_code'",
    ),
    "intents of a digest": (
        put(
            {"name": "md5", "intents": ["link"]},
            "functions",
            1,
            "collects",
            0,
            "protect",
        ),
        "$.functions[1].collects[0].protect.intents",
        "only 'take' has intents",
        "",
    ),
    "clipboard without a scene": (
        cut("functions", 2, "collects", 0, "scenes"),
        "$.functions[2].collects[0].scenes",
        "missing",
        "situations",
    ),
    "scene of a network": (
        put(["share"], "functions", 0, "collects", 1, "scenes"),
        "$.functions[0].collects[1].scenes",
        "only the clipboard has scenes",
        "",
    ),
    "event of no type": (
        put("app_usage_tim", "functions", 1, "events", 0, "type"),
        "$.functions[1].events[0].type",
        "'app_usage_tim' is no data type",
        "did you mean 'app_usage_time' or",
    ),
    "event of no clause": (
        put("app_usage_overall", "functions", 1, "events", 0, "type"),
        "$.functions[1].events[0].type",
        "'app_usage_overall' is no type that is collected",
        "did you mean 'app_usage_time'?",
    ),
    "event under a digest": (
        put("mac_address", "functions", 1, "events", 0, "type"),
        "$.functions[1].events[0].type",
        "'md5', which protects 'mac_address', cannot protect",
        "'none', 'bucket' or 'scrub'",
    ),
    "field of no kind": (
        put("number", "functions", 1, "events", 0, "fields", "seconds"),
        "$.functions[1].events[0].fields.seconds",
        "'number' is no kind of a field",
        "one of bool, float, int, text",
    ),
    "enumeration of nothing": (
        put([], "functions", 1, "events", 0, "fields", "seconds"),
        "$.functions[1].events[0].fields.seconds",
        "an enumeration without values",
        "",
    ),
    "field that hides the event's name": (
        put("text", "functions", 1, "events", 0, "fields", "event"),
        "$.functions[1].events[0].fields.event",
        "no name for a field",
        "other than 'event'",
    ),
    "event twice": (
        put("binding_finished", "functions", 0, "events", 1, "name"),
        "$.functions[0].events[1]",
        "'binding_finished' stands twice",
        "",
    ),
    "newer format": (
        put(2, "schema"),
        "$.schema",
        "format 2 is newer than this consentkit",
        "upgrade consentkit",
    ),
    "no such format": (
        put(0, "schema"),
        "$.schema",
        "there is no format 0",
        "write schema = 1",
    ),
    "format in words": (
        put("1", "schema"),
        "$.schema",
        "expected an integer, found a string",
        "",
    ),
    "no format": (cut("schema"), "$.schema", "missing", "add this key"),
    "no such purpose": (
        needing("usage_statistic", "sealed"),
        "$.purposes.usage_statistic",
        "'usage_statistic' is no purpose",
        "did you mean 'usage_statistics'",
    ),
    "purpose of nothing": (
        needing("bank_transfer", "sealed"),
        "$.purposes.bank_transfer",
        "no function has this purpose",
        "or leave it out",
    ),
    "no such need": (
        needing("usage_statistics", "encrypted", "seald"),
        "$.purposes.usage_statistics.needs[1]",
        "'seald' is no need of a purpose",
        "did you mean 'sealed'",
    ),
    "region without regions": (
        needing("usage_statistics", "region"),
        "$.purposes.usage_statistics.needs",
        "'region', and nothing says which",
        'storage.regions, such as ["CN"]',
    ),
    "purpose without needs": (
        put({"usage_statistics": {}}, "purposes"),
        "$.purposes.usage_statistics.needs",
        "missing",
        "add this key",
    ),
    "misspelt key of a purpose": (
        put({"usage_statistics": {"needs": [], "needz": []}}, "purposes"),
        "$.purposes.usage_statistics.needz",
        "no such key",
        "did you mean 'needs'",
    ),
    "purpose that is no table": (
        put({"usage_statistics": "sealed"}, "purposes"),
        "$.purposes.usage_statistics",
        "expected a table, found a string",
        "",
    ),
}


class TestFaults:
    """
    Tests for faults: where, what is wrong, and what would be right.
    """

    @pytest.mark.parametrize("name", FAULTS)
    def test_names_place_problem_and_cure(self, name: str) -> None:
        """
        Each fault names its path, what is wrong, and what would be right.
        """
        change, path, problem, cure = FAULTS[name]

        found = [f for f in faults_of(change) if f.path == path]

        assert len(found) == 1
        assert problem in found[0].problem
        assert cure in found[0].cure
        assert str(found[0]).startswith(f"{path}: ")

    def test_reports_all_faults_of_the_shape_at_once(self) -> None:
        """
        Keys of wrong kinds are all named in one error, wherever they are.
        """

        def change(tree: dict[str, Any]) -> None:
            del tree["policy"]["title"]
            tree["controller"]["contact"] = 3
            tree["recipients"][1]["cuontry"] = "CN"
            tree["functions"][0]["collects"][1]["protect"] = 5
            tree["functions"][3]["basis"] = "consent"
            tree["extra"] = {}

        assert {fault.path for fault in faults_of(change)} == {
            "$.policy.title",
            "$.controller.contact",
            "$.recipients[1].cuontry",
            "$.functions[0].collects[1].protect",
            "$.functions[3].basis",
            "$.extra",
        }

    def test_reports_all_faults_of_the_words_at_once(self) -> None:
        """
        Words without a meaning are all named in one error, once each.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["policy"]["id"] = "Big"
            tree["recipients"][0]["mode"] = "nobody"
            tree["functions"][0]["collects"][0]["type"] = "imie"
            tree["functions"][1]["basis"] = ["because"]
            tree["functions"][3]["collects"][1]["retention"] = "soon"

        paths = [fault.path for fault in faults_of(change)]

        assert sorted(paths) == [
            "$.functions[0].collects[0].type",
            "$.functions[1].basis[0]",
            "$.functions[3].collects[1].retention",
            "$.policy.id",
            "$.recipients[0].mode",
        ]

    def test_error_reads_as_a_list(self, tmp_path: Path) -> None:
        """
        The error's text names the file, counts, and has a line a fault.
        """
        tree = tables()
        del tree["policy"]["title"]
        tree["schema_"] = 1
        file = tmp_path / "bad.toml"
        file.write_text(to_toml(tree), encoding="utf-8")

        with pytest.raises(PolicyError) as caught:
            load_policy(file)

        lines = str(caught.value).splitlines()
        assert caught.value.path == file
        assert lines[0] == f"{file}: 2 faults"
        assert lines[1].startswith("  $.")
        assert len(lines) == 3

    @pytest.mark.parametrize(
        "type_", ["facial_features", "location_precise", "wifi_password"]
    )
    def test_sensitive_type_is_never_ordinary(self, type_: str) -> None:
        """
        A sensitive type without its own decision is a fault (WP-SENS-1).
        """
        change = put(
            {
                "type": type_,
                "protect": "present",
                "separate": False,
            },
            "functions",
            1,
            "collects",
            0,
        )

        (fault,) = faults_of(change)

        assert fault.path == "$.functions[1].collects[0].separate"
        assert type_ in fault.problem
        assert "PIPL Article 29" in fault.problem
        assert fault.cure == "leave the key out"


class TestBadFiles:
    """
    Tests for files that hold no policy.
    """

    def _fault(self, file: Path) -> Fault:
        with pytest.raises(PolicyError) as caught:
            load_policy(file)
        assert caught.value.__context__ is None
        (fault,) = caught.value.faults
        return fault

    def test_missing_file(self, tmp_path: Path) -> None:
        """
        A file that is not there is named, with the cure.
        """
        fault = self._fault(tmp_path / "none.toml")

        assert "No such file" in fault.problem
        assert fault.cure == "name a policy document"

    def test_folder(self, tmp_path: Path) -> None:
        """
        A folder is no file.
        """
        assert "cannot be read" in self._fault(tmp_path).problem

    def test_name_that_no_file_can_have(self) -> None:
        """
        A NUL in the name is a fault like another.
        """
        assert "NUL" in self._fault(Path("a\0b")).problem

    def test_not_utf_8(self, tmp_path: Path) -> None:
        """
        Other encodings are named, with the place of the first wrong byte.
        """
        file = tmp_path / "latin.toml"
        file.write_bytes(b'title = "caf\xe9"\n')

        assert self._fault(file).problem == "not UTF-8 from byte 12 on"

    def test_byte_order_mark(self, tmp_path: Path) -> None:
        """
        TOML has none, and nobody sees it: it is named.
        """
        file = tmp_path / "marked.toml"
        file.write_text("schema = 1\n", encoding="utf-8-sig")

        assert self._fault(file).problem == (
            "begins with a byte order mark; save it as UTF-8 without one"
        )

    def test_not_toml(self, tmp_path: Path) -> None:
        """
        What is no TOML is named with its line.
        """
        file = tmp_path / "bad.toml"
        file.write_text("schema = 1\n\n[policy\nid = 3\n", encoding="utf-8")

        fault = self._fault(file)

        assert fault.problem.startswith("not TOML")
        assert "line 3" in fault.problem

    def test_too_large(self, tmp_path: Path) -> None:
        """
        A huge file is not parsed.
        """
        file = tmp_path / "huge.toml"
        file.write_bytes(b"#" * (8 * 1024 * 1024 + 1))

        assert self._fault(file).problem == "larger than 8 MiB"

    @pytest.mark.parametrize(
        "text",
        [
            "a = " + "[" * 100_000,
            "schema = " + "9" * 5_000,
            'title = "\ud800"',
            "",
            "\ufeff",
            "schema = 1",
            "functions = {}",
        ],
        ids=[
            "deep",
            "digits",
            "surrogate",
            "empty",
            "mark",
            "bare",
            "table",
        ],
    )
    def test_odd_text_gives_a_policy_error(self, text: str) -> None:
        """
        Whatever the text, the only error is that of a policy.
        """
        with pytest.raises(PolicyError) as caught:
            parse_policy(text)

        assert caught.value.faults
        assert caught.value.path is None
        assert str(caught.value).startswith("policy: ")


def _places(tree: object, path: tuple[Any, ...] = ()) -> Iterator[Any]:
    """
    List the path of every key and item of *tree*.
    """
    match tree:
        case dict():
            items: Any = tree.items()
        case list():
            items = enumerate(tree)
        case _:
            return
    for step, value in items:
        yield (*path, step)
        yield from _places(value, (*path, step))


PLACES = tuple(_places(tables()))

ODD = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.dates(),
        st.datetimes(),
        st.sampled_from(
            [
                "",
                "core",
                "consent",
                "md5",
                "grid",
                "take",
                "P1D",
                "maker",
                "imei",
                "location_precise",
                "connect",
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["id", "name", "type", "kind", "odd key"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=5,
)


class TestAnyDocument:
    """
    Tests that nothing but a policy or a `PolicyError` comes out.
    """

    def _check(self, text: str) -> None:
        try:
            policy = parse_policy(text)
        except PolicyError as error:
            faults = error.faults
        else:
            assert re.fullmatch("[0-9a-f]{64}", policy.digest)
            return
        assert faults
        for fault in faults:
            assert fault.path.startswith("$")
            assert fault.problem

    @pytest.mark.parametrize(
        "path", PLACES, ids=lambda p: ".".join(map(str, p))
    )
    def test_without_one_key(self, path: tuple[Any, ...]) -> None:
        """
        A good policy without one of its keys is a policy, or has faults.
        """
        tree = tables()
        cut(*path)(tree)

        self._check(to_toml(tree))

    @settings(deadline=None)
    @given(st.sampled_from(PLACES), ODD)
    def test_with_one_key_changed(
        self, path: tuple[Any, ...], value: object
    ) -> None:
        """
        A good policy with anything in one place is a policy, or has faults.
        """
        tree = tables()
        put(value, *path)(tree)

        self._check(to_toml(tree))

    @settings(deadline=None)
    @given(
        st.dictionaries(st.sampled_from([*tables(), "odd"]), ODD, max_size=5)
    )
    def test_made_of_anything(self, tree: dict[str, Any]) -> None:
        """
        Any TOML at all is a policy, or has faults.
        """
        self._check(to_toml(tree))

    @settings(deadline=None)
    @given(st.text(st.characters(), max_size=40))
    def test_of_any_text(self, text: str) -> None:
        """
        Any text at all, surrogates too, is a policy or has faults.
        """
        self._check(text)


TERMS: dict[str, Change] = {
    "basis": put(["consent", "contract"], "functions", 1, "basis"),
    "needs": needing("usage_statistics", "encrypted"),
    "sdk": put("getui", "functions", 1, "sdk"),
    "purposes": put(["advertising_targeting"], "functions", 1, "purposes"),
    "more purposes": put(
        ["usage_statistics", "advertising_targeting"],
        "functions",
        1,
        "purposes",
    ),
    "recipients": put(["maker"], "functions", 1, "recipients"),
    "retention": put("P2M", "functions", 1, "retention"),
    "data type": put("bssid", "functions", 1, "collects", 1, "type"),
    "less collected": cut("functions", 1, "collects", 2),
    "protection": put("keyed", "functions", 1, "collects", 0, "protect"),
    "permission": put("camera", "functions", 1, "collects", 2, "permission"),
    "separate": put(True, "functions", 1, "collects", 0, "separate"),
    "event": put("session_over", "functions", 1, "events", 0, "name"),
    "less events": cut("functions", 1, "events"),
    "field": put("int", "functions", 1, "events", 0, "fields", "seconds"),
    "more fields": put("int", "functions", 1, "events", 0, "fields", "n"),
}


# What is said to people, or about them, and asks for nothing.
WORDS: dict[str, Change] = {
    "name": put("Improve it", "functions", 1, "name"),
    "category": put("core", "functions", 1, "category"),
    "text": put("We count in better words.", "functions", 1, "text"),
    "on_refusal": put("function_unavailable", "functions", 1, "on_refusal"),
    "ask_again": put("P30D", "functions", 1, "ask_again"),
    "needs of others": needing("service_logging", "encrypted"),
}


class TestTerms:
    """
    Tests for the digest of what a function promises.
    """

    @pytest.mark.parametrize("name", TERMS)
    def test_change_with_anything_promised(self, name: str) -> None:
        """
        Whatever changes in a function's promise changes its terms.
        """
        before, after = small(), small(change=TERMS[name])
        old = before.functions["improve"].terms

        assert [*after.functions.values()][1].terms != old
        assert after.digest != before.digest

    @pytest.mark.parametrize("name", WORDS)
    def test_stay_with_other_words(self, name: str) -> None:
        """
        What is put in other words asks for nothing more; that it was is
        still told from the document.
        """
        before, after = small(), small(change=WORDS[name])

        assert after.functions["improve"].terms == (
            before.functions["improve"].terms
        )
        assert after.digest != before.digest

    @pytest.mark.parametrize(
        "change",
        [
            put(5.0, "functions", 0, "collects", 0, "protect", "cell_km"),
            put(["link"], "functions", 2, "collects", 0, "protect", "intents"),
            put(["share"], "functions", 2, "collects", 0, "scenes"),
            put(
                ["ok", "late"],
                "functions",
                0,
                "events",
                0,
                "fields",
                "outcome",
            ),
        ],
        ids=["cell", "intents", "scenes", "values"],
    )
    def test_change_with_parameters(self, change: Change) -> None:
        """
        The parameters of a protection are a part of the promise.
        """
        before, after = small(), small(change=change)
        changed = [
            id_
            for id_, function in before.functions.items()
            if function.terms != after.functions[id_].terms
        ]

        assert len(changed) == 1

    @pytest.mark.parametrize(
        "change",
        [
            put("Another Ltd.", "recipients", 0, "name"),
            put("shared", "recipients", 0, "mode"),
            put("US", "recipients", 0, "country"),
        ],
        ids=["name", "mode", "country"],
    )
    def test_change_with_who_gets_it(self, change: Change) -> None:
        """
        Another recipient under the same id is another promise, to those
        functions whose data it gets (WP-SHR-5).
        """
        before, after = small(), small(change=change)
        changed = [
            id_
            for id_, function in before.functions.items()
            if function.terms != after.functions[id_].terms
        ]

        assert changed == ["improve"]

    @pytest.mark.parametrize("name", TERMS)
    def test_stay_when_other_functions_change(self, name: str) -> None:
        """
        What changes in one function leaves the consent to others alone.
        """
        before, after = small(), small(change=TERMS[name])

        for id_ in ("connect", "paste", "logs", "umeng"):
            assert before.functions[id_].terms == after.functions[id_].terms

    @pytest.mark.parametrize(
        "change",
        [
            put("2", "policy", "version"),
            put("Another title", "policy", "title"),
            put("2 Long Road", "controller", "address"),
        ],
        ids=["version", "title", "address"],
    )
    def test_stay_with_the_frame(self, change: Change) -> None:
        """
        A new version with the same promise needs no new consent.
        """
        before, after = small(), small(change=change)

        assert before.digest != after.digest
        assert [f.terms for f in before.functions.values()] == [
            f.terms for f in after.functions.values()
        ]

    def test_do_not_depend_on_the_order_of_clauses(self) -> None:
        """
        The same clauses in another order are the same promise.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["functions"][1]["collects"].reverse()

        before, after = small(), small(change=change)

        assert (
            before.functions["improve"].terms
            == after.functions["improve"].terms
        )

    def test_are_the_same_for_equal_policies(self) -> None:
        """
        Two readings of one document give the same digests.
        """
        one, two = small(), small(change=copy.copy)

        assert one == two
        assert one.digest == two.digest
