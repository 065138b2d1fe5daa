# SPDX-License-Identifier: MIT

"""
Personal data in mappings, lists, JSON bodies and exceptions.
"""

from __future__ import annotations

import json

from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.nested import (
    DENIED_KEYS,
    LIMIT_ITEMS,
    scrub_exception,
    scrub_value,
)
from consentkit.anonymise.scrub import DROPPED, Scrubber


PHONE = "13812345678"
SCRUBBER = Scrubber()


class TestValue:
    """
    Nested values.
    """

    @pytest.mark.obligation("WP-LOG-1")
    def test_everything_is_walked(self):
        """
        Mappings, lists, tuples, sets, bytes and numbers are looked into, and
        shapes stay.
        """
        given = {
            "user": {"mail": ["ann@example.com", "none"], "age": 31},
            "to": ({PHONE}, PHONE.encode()),
            "called": int(PHONE),
            "ok": True,
            "none": None,
            "ratio": 0.5,
        }

        assert scrub_value(given) == {
            "user": {"mail": ["<EMAIL>", "none"], "age": 31},
            "to": [["<MOBILE_CN>"], "<MOBILE_CN>"],
            "called": "<MOBILE_CN>",
            "ok": True,
            "none": None,
            "ratio": 0.5,
        }

    def test_the_given_value_is_not_changed(self):
        """
        What was given belongs to the caller.
        """
        given = {"a": [PHONE]}
        scrub_value(given)

        assert given == {"a": [PHONE]}

    @pytest.mark.parametrize("key", sorted(DENIED_KEYS))
    def test_denied_keys(self, key):
        """
        Under a telling name everything goes, whatever its form and shape.
        """
        for name in (key, f"X-{key.title()}", f"user_{key}_2"):
            made = scrub_value({name: "ab", "x": {name: {"y": [1, "z"]}}})

            assert made == {
                name: "<SECRET_VALUE>",
                "x": {name: "<SECRET_VALUE>"},
            }

    def test_denied_keys_in_other_spellings(self):
        """
        Capitals, hyphens, blanks and full stops hide no name.
        """
        made = scrub_value({"Set-Cookie": "a", "api.Key": "b", "API KEY": "c"})

        assert set(made.values()) == {"<SECRET_VALUE>"}

    def test_a_name_helps_to_find(self):
        """
        Values are scrubbed with their names before them.
        """
        assert scrub_value({"phone": "010-65529988", "n": "010-65529988"}) == {
            "phone": "<PHONE>",
            "n": "010-65529988",
        }
        assert scrub_value({"tel": [1065529988]}) == {"tel": ["<PHONE>"]}

    def test_keys_are_scrubbed(self):
        """
        A key that is a value is replaced, too.
        """
        assert scrub_value({"ann@example.com": 1}) == {"<EMAIL>": 1}

    def test_json_in_a_text(self):
        """
        A body that is JSON is walked, and is JSON again.
        """
        body = json.dumps(
            {"password": "ab", "to": [{"mail": "a@example.com"}]}
        )

        made: Any = scrub_value({"body": f" {body}"})

        assert json.loads(made["body"]) == {
            "password": "<SECRET_VALUE>",
            "to": [{"mail": "<EMAIL>"}],
        }

    def test_what_looks_like_json(self):
        """
        A text that only begins like JSON is scrubbed as text.
        """
        assert scrub_value(f"{{ to {PHONE}") == "{ to <MOBILE_CN>"

    def test_other_objects(self):
        """
        Of an object nothing is kept but its class: it is not asked for text.
        """

        class Person:
            def __repr__(self):
                raise AssertionError

        assert scrub_value([Person(), object]) == ["<Person>", "<type>"]

    def test_what_raises_is_dropped(self):
        """
        A mapping that fails takes all with it, and nothing of it is told.
        """

        class Broken(dict):
            def items(self):
                raise RuntimeError(PHONE)

        assert scrub_value({"a": Broken(b=1)}) == DROPPED

    def test_loops_and_depth(self):
        """
        A value that holds itself ends.
        """
        given: dict[str, Any] = {"phone": PHONE}
        given["again"] = given

        made = json.dumps(scrub_value(given))

        assert PHONE not in made
        assert DROPPED in made

    def test_size(self):
        """
        Past so many items nothing is kept.
        """
        made: Any = scrub_value([PHONE] * (LIMIT_ITEMS + 50))

        assert len(made) <= LIMIT_ITEMS + 1
        assert made[-1] == DROPPED

    @pytest.mark.obligation("WP-LOG-1")
    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            (
                [["authorization", "Basic YQ=="], ["accept", "x"]],
                [["authorization", "<SECRET_VALUE>"], ["accept", "x"]],
            ),
            ([(b"cookie", b"a=1")], [["cookie", "<SECRET_VALUE>"]]),
            (
                {"name": "password", "value": "abc"},
                {"name": "password", "value": "<SECRET_VALUE>"},
            ),
            ({"name": "ann", "value": 7}, {"name": "ann", "value": 7}),
            ({"pin": 4711}, {"pin": "<SECRET_VALUE>"}),
            ({"spin": 4711}, {"spin": 4711}),
            ({"phone": ["139", "0555", "0148"]}, {"phone": ["<MOBILE_CN>"]}),
            (["4111", "1111", "1111", "1111"], ["<BANK_CARD>"]),
            ({"n": [100, 200, 300]}, {"n": [100, 200, 300]}),
            ("13905550148".encode("utf-16-le"), "<MOBILE_CN>"),
        ],
    )
    def test_pairs_and_parts(self, value, kept):
        """
        A name beside a value tells of it; groups of one number count as one.
        """
        assert scrub_value(value) == kept

    def test_huge_numbers(self):
        """
        Numbers that no text can hold, or that are none, are not kept.
        """
        made: Any = scrub_value([10**5000, float("nan"), float("inf"), 7])

        assert made == [None if it is None else it for it in made]
        assert made[1:] == [None, None, 7]
        assert isinstance(made[0], str)

    @pytest.mark.obligation("WP-LOG-1")
    @given(
        st.recursive(
            st.just(PHONE) | st.just(f"to {PHONE}!") | st.none(),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.text(max_size=5), inner, max_size=4)
                | inner.map(json.dumps)
            ),
            max_leaves=12,
        )
    )
    def test_nothing_is_left_at_any_place(self, value):
        """
        Wherever a value stands, it is found; the result is JSON.
        """
        assert PHONE not in json.dumps(scrub_value(value, scrubber=SCRUBBER))


class TestException:
    """
    Exceptions with their causes.
    """

    @pytest.mark.obligation("WP-LOG-2")
    def test_messages_causes_notes_and_groups(self):
        """
        None of message, note, cause, context and members of a group shows a
        value, and no local does.
        """
        local = "s3ntinel-local"
        try:
            try:
                msg = f"no {PHONE}"
                raise ValueError(msg)
            except ValueError as error:
                error.add_note("mail ann@example.com")
                msg = "all 203.0.113.7"
                inner = [OSError("token=s3ntinelS3cret")]
                raise ExceptionGroup(msg, inner) from error
        except ExceptionGroup as error:
            made = scrub_exception(error)

        for value in (PHONE, "ann@", "203.0", "s3ntinel", local):
            assert value not in made
        assert "ValueError: no <MOBILE_CN>" in made
        assert "mail <EMAIL>" in made
        assert "all <IPV4>" in made
        assert "OSError: token=<SECRET_VALUE>" in made
        assert "in test_messages_causes_notes_and_groups" in made
        assert "which led to:" in made

    def test_home_folders(self):
        """
        A path of a frame shows no user's name.
        """
        code = compile("1 / 0", "/home/sentinelperson/a.py", "exec")
        try:
            exec(code)
        except ZeroDivisionError as error:
            made = scrub_exception(error)

        assert '"/home/<USERNAME_PATH>/a.py", line 1, in <module>' in made

    @pytest.mark.obligation("WP-LOG-2")
    @pytest.mark.parametrize(
        "error",
        [
            SyntaxError("bad", ("a.cfg", 3, 1, "Dear sentinel diary", 3, 5)),
            IndentationError("bad", ("a.cfg", 3, 1, "Dear sentinel diary")),
            SyntaxError("bad", ("a.cfg", None, None, "Dear sentinel diary")),
        ],
        ids=["error", "indentation", "no line"],
    )
    def test_what_was_to_be_read_as_code(self, error):
        """
        A syntax error has the line with it that it is about, which may be
        anything: its place and its class are told, and not the line.
        """
        inside = scrub_exception(ExceptionGroup("all", [error]))
        error.add_note("while loading")
        made = scrub_exception(error)

        assert "sentinel" not in made + inside
        assert "^" not in made
        assert f"{type(error).__name__}: bad" in made
        assert "a.cfg" in made
        assert made.endswith("while loading")

    def test_a_real_syntax_error(self):
        """
        So it is where Python itself raises one.
        """
        with pytest.raises(SyntaxError) as caught:
            compile("Dear sentinel diary", "/srv/a.cfg", "exec")

        made = scrub_exception(caught.value)

        assert "sentinel" not in made
        assert 'File "/srv/a.cfg", line 1\n' in made
        assert made.endswith("SyntaxError: invalid syntax")

    def test_an_exception_that_cannot_be_told(self):
        """
        If its own text raises, nothing of it is kept but that.
        """

        class BadError(Exception):
            def __str__(self):
                raise RuntimeError(PHONE)

        assert PHONE not in scrub_exception(BadError())
