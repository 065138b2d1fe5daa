# SPDX-License-Identifier: MIT

"""
Rules of one's own: one record each, that cannot hang.
"""

from __future__ import annotations

import sys
import time

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.rulefile import VALIDATORS, read_rules
from consentkit.anonymise.scrub import (
    DROPPED,
    RULES,
    Rule,
    Scrubbed,
    Scrubber,
    scrub,
)
from consentkit.exceptions import MissingExtraError


BADGE = Rule(
    name="badge",
    type="BADGE",
    pattern=r"badge ([a-z]{4})",
    group=1,
    words=("badge",),
    folded=True,
)

DOCUMENT = """\
[[rules]]
name = "badge of our people"
type = "BADGE"
pattern = 'badge ([A-Z]{2}[0-9]{6})'
group = 1
words = ["badge"]

[[rules]]
name = "customer"
type = "CUSTOMER"
pattern = 'K[0-9]{8,12}'
validator = "luhn"
replacement = "[customer]"
"""


@pytest.mark.need_extra("re2")
class TestRule:
    """
    A record of one's own.
    """

    def test_it_is_one_more_record(self):
        """
        A rule is added beside ours, and its own type is in the span.
        """
        made = scrub("Badge ABCD of 13812345678", rules=[*RULES, BADGE])

        assert made.text == "Badge <BADGE> of <MOBILE_CN>"
        assert made.spans[0].type == "BADGE"

    @pytest.mark.parametrize("engine", ["re", "re2"])
    def test_it_goes_first(self, engine):
        """
        Where a rule of one's own and one of a pack overlap, its type stands.
        """
        mail = Rule(name="own mail", type="STAFF", pattern=r"\S+@corp\.test")
        scrubber = Scrubber(rules=[mail], engine=engine)

        assert scrubber.scrub("to ann@corp.test!").text == "to <STAFF>!"
        assert scrubber.rules[0] is mail

    def test_replacement_and_validator(self):
        """
        What stands in the place can be chosen, even nothing, and a second
        look can pass a match over or take a part.
        """
        rule = Rule(
            name="room",
            type="ROOM",
            pattern="room [0-9]+",
            validator=lambda text: 0 if text.endswith("0") else len(text),
            replacement="",
        )
        scrubber = Scrubber(packs=(), rules=[rule])

        assert scrubber.scrub("a room 12 b room 10").text == "a  b room 10"

    def test_an_optional_group_that_is_not_there(self):
        """
        A match without its group is passed over.
        """
        rule = Rule(name="r", type="R", pattern="x(y)?", group=1)

        assert Scrubber(packs=(), rules=[rule]).scrub("x xy").text == "x x<R>"

    @pytest.mark.parametrize("text", ["é" * 9 + "x1", "😀x1", "用户x1 x1"])
    def test_offsets_are_characters(self, text):
        """
        RE2 works on bytes; spans are characters all the same.
        """
        rule = Rule(name="r", type="R", pattern="x1")
        made = Scrubber(packs=(), rules=[rule]).scrub(text)

        assert made.text == text.replace("x1", "<R>")
        assert {text[it.start : it.end] for it in made.spans} == {"x1"}

    @pytest.mark.parametrize(
        "pattern", ["(a+)+$", r"^([a-z0-9_.]+)*@x$", r"\s+$", "(a|aa)*b"]
    )
    def test_it_cannot_hang(self, pattern):
        """
        Patterns that keep a backtracking engine busy for ages take no time.
        """
        rule = Rule(name="evil", type="EVIL", pattern=pattern)
        scrubber = Scrubber(packs=(), rules=[rule])
        began = time.monotonic()
        for body in ("a" * 8000, " " * 8000, "a." * 4000):
            scrubber.scrub(f"{body}!")

        assert time.monotonic() - began < 15

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"pattern": "(a"}, "missing \\)"),
            ({"pattern": "(?=a)b"}, "RE2 does not take"),
            ({"pattern": "a{2000}"}, "repetition"),
            ({"pattern": "\ud800"}, "half a character"),
            ({"group": 2}, "no group 2"),
            ({"group": -1}, "no group -1"),
            ({"type": "badge"}, "capitals"),
            ({"type": ""}, "capitals"),
            ({"words": ("Badge",)}, "lower case"),
            ({"words": ("",)}, "lower case"),
        ],
    )
    def test_what_is_wrong_is_said(self, changes, said):
        """
        An error names the rule and the fault, before any text is read.
        """
        options = {"name": "mine", "type": "T", "pattern": "x", **changes}

        with pytest.raises(ValueError, match=f"'mine': .*{said}"):
            Scrubber(rules=[Rule(**options)])

    def test_names_are_unique(self):
        """
        Two rules of one name could not be told apart in an error.
        """
        with pytest.raises(ValueError, match="another rule"):
            Scrubber(rules=[BADGE, BADGE])

    def test_no_rule(self):
        """
        Anything but a rule is refused by its class.
        """
        with pytest.raises(TypeError, match="not str"):
            scrub("x", rules=["x"])  # type: ignore[list-item]


class TestWithoutRE2:
    """
    Where the extra is missing.
    """

    def test_own_rules_are_refused(self, monkeypatch):
        """
        A rule of one's own is refused, never run on another engine; the
        error names the extra.
        """
        monkeypatch.setitem(sys.modules, "re2", None)
        monkeypatch.setattr("consentkit._fork._loaded", {})

        with pytest.raises(MissingExtraError, match=r"consentkit\[re2\]"):
            Scrubber(rules=[BADGE])
        with pytest.raises(MissingExtraError, match="google-re2"):
            read_rules(DOCUMENT)

    def test_ours_work(self, monkeypatch):
        """
        The packs need no extra.
        """
        monkeypatch.setitem(sys.modules, "re2", None)

        assert scrub("to ann@example.com").text == "to <EMAIL>"


@pytest.mark.need_extra("re2")
class TestFile:
    """
    Rules out of a TOML document.
    """

    def test_what_is_written_is_used(self):
        """
        Each key of a table does what the attribute of a rule does.
        """
        scrubber = Scrubber(rules=read_rules(DOCUMENT))

        made = scrubber.scrub("Badge AB123456, badge AB123456, K79927398713")

        assert made.text == "Badge AB123456, badge <BADGE>, [customer]"

    def test_all_faults_at_once(self):
        """
        Every fault is told, with its place.
        """
        text = DOCUMENT.replace("group = 1", "group = 3").replace(
            '"luhn"', '"moon"'
        )

        with pytest.raises(ValueError) as caught:
            read_rules(f"x = 1\n{text}")

        said = str(caught.value)
        assert "$.x: unknown key" in said
        badge, customer = "(rule 'badge of our people')", "(rule 'customer')"
        assert f"$.rules[0].group {badge}: pattern has no group 3" in said
        assert f"$.rules[1].validator {customer}: there is no 'moon'" in said

    def test_all_faults_of_a_table_at_once(self):
        """
        One table may have a fault at each key, and all are told; what cannot
        be judged because of another fault is not.
        """
        table = """
        [[rules]]
        name = ""
        type = "badge"
        pattern = "(?=a)"
        group = 7
        words = ["Badge"]
        validator = "moon"
        replacement = 1
        folded = "yes"
        nam = "x"
        """

        with pytest.raises(ValueError) as caught:
            read_rules(table)

        told = dict(
            it.split(" (rule ''): ", 1)
            for it in str(caught.value).split("; $")
        )
        assert {it.rpartition(".")[2] for it in told} == {
            *("name", "type", "pattern", "words", "validator"),
            *("replacement", "folded", "nam"),
        }
        assert "x" not in told.popitem()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("rules = 1", "no tables"),
            ("", "no tables"),
            ("rules = [1]", r"\$.rules\[0\]: not a table"),
            (
                "[[rules]]\nname = 'a'",
                r"rules\[0\].type \(rule 'a'\): missing",
            ),
            ("[[rules]]\nnam = 'a'", r"\$.rules\[0\].nam: unknown key"),
            ("[[rules]]\ngroup = true", "must be a whole number"),
            ("[[rules]]\nwords = 'a'", "must be a list"),
            ("[[rules]", "no TOML"),
            (DOCUMENT.replace('["badge"]', "[1]"), "list of texts"),
            (
                DOCUMENT + DOCUMENT,
                r"\[3\].name \(rule 'customer'\): two rules .*rules\[1\]$",
            ),
        ],
    )
    def test_faults(self, text, said):
        """
        What is no rule is said, with its place.
        """
        with pytest.raises(ValueError, match=said):
            read_rules(text)

    @pytest.mark.parametrize(
        ("name", "right", "wrong"),
        [
            ("iban", "DE89370400440532013000", "DE88370400440532013000"),
            ("ipv4", "203.0.113.9", "300.0.113.9"),
            ("ipv6", "2001:db8::1", "::1"),
            ("luhn", "79927398713", "79927398714"),
            ("mac", "00:1b:21:3c:4d:5e", "00:00:00:00:00:00"),
            ("phone", "0131 496 0123", "12"),
            ("secret", "hunter22", "null"),
        ],
    )
    def test_validators(self, name, right, wrong):
        """
        Each named second look accepts a right value and no wrong one.
        """
        assert VALIDATORS[name](right) == len(right)
        assert VALIDATORS[name](wrong) == 0
        assert len(VALIDATORS) == 7

    @pytest.mark.parametrize("name", VALIDATORS)
    @given(text=st.text(max_size=40) | st.text("0f:.-+ x", max_size=40))
    def test_validators_take_any_text(self, name, text):
        """
        A pattern may find what has another form than the second look that it
        names: that is no value, and no reason to drop a line.
        """
        size = VALIDATORS[name](text)

        assert type(size) is int
        assert 0 <= size <= len(text)


def fail(text: str) -> int:
    """
    Raise with the text, as code that nobody tried may.
    """
    raise LookupError(text)


@pytest.mark.need_extra("re2")
class TestRuleThatRaises:
    """
    A second look is the app's code, and may be wrong.
    """

    @pytest.mark.parametrize(
        ("validator", "raised"),
        [
            (fail, "LookupError"),
            (lambda text: len(text) > 3, "ValueError"),
            (lambda text: len(text) + 1, "ValueError"),
            (lambda _: -1, "ValueError"),
            (lambda _: None, "ValueError"),
            (lambda text: len(text) * 1.0, "ValueError"),
        ],
        ids=["raises", "yes", "more", "negative", "nothing", "float"],
    )
    @pytest.mark.parametrize("engine", ["re", "re2"])
    def test_line_is_dropped_and_rule_named(
        self, caplog, engine, validator, raised
    ):
        """
        The whole line goes; the reason, the count and the log name the rule,
        and nothing of the text.
        """
        rule = Rule(
            name="staff", type="STAFF", pattern="[a-z]{8}", validator=validator
        )
        scrubber = Scrubber(rules=[rule], engine=engine)

        made = scrubber.scrub("x sentinel 13812345678")

        reason = f"rule 'staff' raised {raised}"
        assert made == Scrubbed(DROPPED, (), dropped=True, reason=reason)
        assert reason in repr(made)
        assert scrubber.failures == {reason: 1}
        [record] = caplog.records
        assert record.name == "consentkit"
        assert reason in record.getMessage()
        assert "sentinel" not in f"{made!r}{caplog.text}{record.__dict__}"
        assert record.exc_info is None

    def test_behind_signs_that_nobody_sees(self):
        """
        The rule is named also where what it found was hidden.
        """
        rule = Rule(
            name="staff", type="STAFF", pattern="[a-z]{8}", validator=fail
        )

        made = Scrubber(rules=[rule]).scrub("x sent\u200binel")

        assert made.reason == "rule 'staff' raised LookupError"

    def test_log_is_told_now_and_then(self, caplog):
        """
        A rule that fails on each line is told at powers of ten; each rule is
        counted by itself, and other lines are scrubbed.
        """
        rules = [
            Rule(name=name, type="T", pattern=f"{name}[0-9]", validator=fail)
            for name in ("one", "two")
        ]
        scrubber = Scrubber(rules=rules)
        for number in range(120):
            assert scrubber.scrub(f"one{number}").dropped
        scrubber.scrub("two7")

        assert scrubber.scrub("to ann@example.com").text == "to <EMAIL>"
        assert scrubber.failures == {
            "rule 'one' raised LookupError": 120,
            "rule 'two' raised LookupError": 1,
        }
        told = [record.consentkit_dropped for record in caplog.records]
        assert told == [1, 10, 100, 1]

    def test_a_name_made_of_data_is_not_told(self, caplog):
        """
        The class of an exception can be made of anything while the app runs.
        """

        def fail_oddly(text):
            name = f"no {text}!"
            raise type(name, (Exception,), {})

        rule = Rule(name="r", type="T", pattern="x+", validator=fail_oddly)

        made = Scrubber(packs=(), rules=[rule]).scrub("xxx")

        assert made.reason == "rule 'r' raised an exception"
        assert "xxx" not in caplog.text
