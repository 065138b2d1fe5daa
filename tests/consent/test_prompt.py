# SPDX-License-Identifier: MIT

"""
Tests for `consentkit.consent.prompt`: the notice, and asking.
"""

from __future__ import annotations

import unicodedata

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.cli.demo import example_folder
from consentkit.consent import prompt
from consentkit.consent._layout import columns, wrap
from consentkit.consent.notice import notice
from consentkit.consent.prompt import Answer, ask
from consentkit.exceptions import StoreError
from consentkit.policy import load_policy
from tests.support import make_kit, small


def flat(text: str) -> str:
    """
    Give *text* on one line, as it is read.
    """
    return " ".join(text.split())


def typed(*lines: str | BaseException) -> Callable[[str], str]:
    """
    Give a reader to which these lines are typed; an exception is raised.
    """
    left = iter(lines)

    def read(_: str) -> str:
        line = next(left)
        if isinstance(line, BaseException):
            raise line
        return line

    return read


def renamed(**texts: str) -> Callable[[dict[str, Any]], None]:
    """
    Give a change of the first function's texts.
    """
    return lambda tree: tree["functions"][0].update(texts)


class TestNotice:
    """
    Tests for `notice`.
    """

    def test_tells_everything(self) -> None:
        """
        It tells what is used in which form, for what, who gets it, how long
        it is kept and what a no means.
        """
        shown = flat(notice(small(), "improve"))

        for words in (
            "Improve the product",
            "An additional function; A small policy, version 1.",
            "To count users, we use pseudonyms of this device.",
            "as its MD5, a pseudonym that guessing undoes: MAC address",
            "as a pseudonym: System ID",
            "only whether there is one: IMEI",
            "as a range: Application usage time",
            "for Count users and analyse use",
            "goes to Maker Ltd.; Helper GmbH (DE)",
            "kept 1 month",
            "if refused everything still works",
        ):
            assert words in shown

    def test_sensitive_type(self) -> None:
        """
        A sensitive type has a notice of its own, which says that it is
        sensitive, what it is for and what happens without (WP-SENS-4).
        """
        shown = flat(notice(small(), "connect/location_precise"))

        for words in (
            "Connect the camera: Precise location",
            "A decision of its own, because this is sensitive",
            "as a square of 2 km",
            "for Find and join a Wi-Fi network",
            "kept 1 day",
            "if refused only this function is missing",
        ):
            assert words in shown

    def test_sensitive_type_is_not_part_of_its_function(self) -> None:
        """
        The function's own notice only announces what is asked apart.
        """
        shown = flat(notice(small(), "connect"))

        assert "asked apart Precise location" in shown
        assert "square of 2 km" not in shown

    def test_what_never_leaves(self) -> None:
        """
        What stays on the device and what is never read are told apart from
        what leaves.
        """
        shown = flat(notice(small(), "connect"))

        assert "stays here Wi-Fi password" in shown
        assert "never read Device name" in shown

    def test_purpose_before_the_system_asks(self) -> None:
        """
        Purpose and the system's own question stand together, so that the
        purpose is known before the system prompts (WP-PERM-6).
        """
        shown = flat(notice(small(), "connect/location_precise"))

        purpose, _, rest = shown.partition("for Find and join")
        assert purpose
        assert "your system guards this too, and may ask: Location" in rest

    def test_purposes_that_differ(self) -> None:
        """
        Types with other purposes, recipients or periods are told apart.
        """
        policy = load_policy(example_folder() / "policy.toml")
        shown = notice(policy, "product_improvement")

        groups = shown.split("\n\n")
        (md5,) = [g for g in groups if "MD5" in g and "goes to" in g]
        assert "Count users and analyse use\n" in md5
        assert "crashes" not in md5

    def test_sdk(self) -> None:
        """
        An SDK is named, with what the caller knows of it (WP-TP-5).
        """
        bare = flat(notice(small(), "umeng"))
        assert "the third-party SDK umeng; it reads and sends" in bare

        told = notice(small(), "umeng", sdks={"umeng": "reads a lot"})
        assert "the third-party SDK umeng; reads a lot" in flat(told)

    def test_function_that_collects_nothing(self) -> None:
        """
        A function without clauses says that it uses nothing.
        """
        policy = load_policy(example_folder() / "policy.toml")

        assert "uses nothing by itself" in flat(notice(policy, "share_video"))

    @pytest.mark.parametrize("path", ["demo", "small"])
    def test_fits_78_columns(self, path: str) -> None:
        """
        Every notice fits a terminal of 80 columns.
        """
        file = example_folder() / "policy.toml"
        policy = load_policy(file) if path == "demo" else small()

        for element in policy.elements:
            lines = notice(policy, element).splitlines()
            assert max(map(columns, lines)) <= 78
            assert not any(line != line.rstrip() for line in lines)

    def test_chinese(self) -> None:
        """
        A Chinese text is broken by its columns, and names are Chinese where
        the policy is.
        """
        text = "为了列出您附近的网络，我们会使用您所在的位置。" * 6
        policy = small(
            text=renamed(text=text, name="连接摄像头"),
            language=lambda tree: tree["policy"].update(language="zh-Hans"),
        )
        shown = notice(policy, "connect/location_precise")

        chinese = [x for x in shown.splitlines() if x[:1] > "\u2e80"]
        assert len(chinese) > 3
        assert max(map(len, chinese)) <= 78 // 2
        assert text in shown.replace("\n", "")
        assert "精确位置信息" in shown
        # A line does not begin with what closes the one before.
        assert not any(x[:1] in "，。" for x in shown.splitlines() if x)

    def test_nothing_can_be_hidden(self) -> None:
        """
        A text cannot move the cursor, hide itself or turn around: such
        characters are shown as what they are not.
        """
        text = "Seen\x1b[8mhidden\x1b[2J\u202eback\u200b\x07 end"
        shown = notice(small(text=renamed(text=text)), "connect")

        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "Seen\ufffd[8mhidden" in shown
        kinds = {unicodedata.category(c) for c in shown} - {"Cc"}
        assert "Cf" not in kinds
        assert set(shown) & set(map(chr, range(32))) <= {"\n"}

    @pytest.mark.parametrize(
        ("period", "words"),
        [
            ("P1Y6M", "1 year, 6 months"),
            ("P2W", "14 days"),
            ("PT12H", "12 hours"),
            ("P1DT1H30M5S", "1 day, 1 hour, 30 minutes, 5 seconds"),
        ],
    )
    def test_periods_in_words(self, period: str, words: str) -> None:
        """
        How long it is kept is said in words.
        """
        policy = small(text=renamed(retention=period))

        assert f"kept {words}" in flat(notice(policy, "connect"))


class TestLayout:
    """
    Tests for the layout of lines.
    """

    @given(
        text=st.text(
            st.sampled_from("ab 连，。\U0001f600-\u0301"), max_size=99
        ),
        width=st.integers(min_value=4, max_value=40),
    )
    def test_nothing_is_lost_and_all_fits(self, text: str, width: int) -> None:
        """
        Lines hold every character that is not a blank, in order, and none
        is too wide; a closing sign may hang over.
        """
        lines = wrap(text, width)

        assert "".join("".join(lines).split()) == "".join(text.split())
        assert all(columns(line) <= width for line in lines)

    def test_long_word(self) -> None:
        """
        A word wider than a line is broken.
        """
        assert wrap("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]


class TestAsk:
    """
    Tests for `ask`.
    """

    @pytest.fixture
    def kit(self, tmp_path: Path) -> Iterable[Any]:
        """
        Give a kit of a person who decided nothing.
        """
        with make_kit(tmp_path / "data") as kit:
            yield kit

    def ask(
        self, kit: Any, *lines: str | BaseException, **options: Any
    ) -> dict[str, Answer]:
        """
        Ask about everything, or about *elements*.
        """
        self.shown: list[str] = []
        elements = options.pop("elements", kit.policy.elements)
        return ask(
            kit.consent,
            kit.policy,
            elements,
            read=typed(*lines),
            write=self.shown.append,
            **options,
        )

    def acts(self, kit: Any) -> list[tuple[str, str]]:
        """
        Give the ledger's acts.
        """
        return [(e.act.value, e.element) for e in kit.consent.history()]

    @pytest.mark.parametrize(
        ("line", "status"),
        [
            ("yes", "granted"),
            ("Y", "granted"),
            ("no", "refused"),
            (" N ", "refused"),
            ("later", "deferred"),
            ("l", "deferred"),
            ("", "deferred"),
        ],
    )
    def test_answers(self, line: str, status: str, kit: Any) -> None:
        """
        Yes and no are equally easy, and nothing typed is neither (R2).
        """
        self.ask(kit, line, elements=["logs"])

        assert kit.consent.state().choices["logs"].status.value == status
        assert kit.consent.history()[-1].method == "terminal"

    @pytest.mark.parametrize(
        "line",
        ["ja", "ok", "yes!", "1", "true", "nope", "yesno", "是", "\x1b[A"],
    )
    def test_anything_else_is_asked_again(self, line: str, kit: Any) -> None:
        """
        What is close to an answer is none (R2).
        """
        answers = self.ask(kit, line, "no", elements=["logs"])

        assert answers == {"logs": Answer.NO}
        assert "Please answer yes, no or later." in self.shown

    def test_what_is_no_text(self, kit: Any) -> None:
        """
        Bytes that are no text are asked again, and come up nowhere.
        """
        bad = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")
        answers = self.ask(kit, bad, "yes", elements=["logs"])

        assert answers == {"logs": Answer.YES}

    @pytest.mark.parametrize("end", [EOFError(), KeyboardInterrupt()])
    def test_end_leaves_the_rest_unasked(
        self, end: BaseException, kit: Any
    ) -> None:
        """
        The end of the input and an interrupt leave everything as it was
        (R2).
        """
        answers = self.ask(kit, "yes", "no", end)

        assert answers == {
            "connect": Answer.YES,
            "connect/location_precise": Answer.NO,
            "improve": Answer.LATER,
        }
        assert self.acts(kit)[-1] == ("deferred", "improve")
        statuses = kit.consent.state().choices
        assert statuses["paste"].status.value == "unknown"

    def test_later_takes_nothing_away(self, kit: Any) -> None:
        """
        No answer about what is granted leaves it granted (R2).
        """
        kit.consent.grant("logs")
        self.ask(kit, "", elements=["logs"])

        assert kit.consent.state().choices["logs"].epoch == 1

    def test_no_to_what_was_granted_withdraws(self, kit: Any) -> None:
        """
        A no is as strong at a second asking (WP-ADD-3).
        """
        kit.consent.grant("logs")
        self.ask(kit, "no", elements=["logs"])

        assert not kit.consent.state().choices["logs"].epoch

    def test_notice_is_recorded_before_the_answer(self, kit: Any) -> None:
        """
        The notice is shown, then on record, then the question is put
        (WP-SENS-4).
        """
        seen: list[Any] = []

        def read(_: str) -> str:
            seen.append((list(self.shown), self.acts(kit)))
            return "yes"

        self.shown = []
        ask(
            kit.consent,
            kit.policy,
            ["logs"],
            read=read,
            write=self.shown.append,
        )

        ((shown, acts),) = seen
        assert notice(kit.policy, "logs") in shown
        assert acts == [("notice_shown", "logs")]

    def test_notice_that_was_not_shown_is_not_recorded(self, kit: Any) -> None:
        """
        If the notice cannot be shown, there is no entry of it (R13).
        """

        def broken(_: str) -> None:
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            ask(
                kit.consent,
                kit.policy,
                ["logs"],
                read=typed("yes"),
                write=broken,
            )

        assert kit.consent.history() == ()

    def test_separate_types_come_after_their_function(self, kit: Any) -> None:
        """
        A separate type is asked about only if its function is granted
        (WP-SENS-2).
        """
        elements = ["connect", "connect/location_precise"]

        assert self.ask(kit, "no", elements=elements) == {"connect": Answer.NO}
        assert self.ask(kit, "yes", "yes", elements=elements) == {
            "connect": Answer.YES,
            "connect/location_precise": Answer.YES,
        }

    def test_one_yes_opens_one_element(self, kit: Any) -> None:
        """
        No answer counts for anything beside what was asked (WP-SENS-2,
        WP-ADD-1).
        """
        self.ask(kit, "yes", elements=["connect"])

        granted = [
            e for e, c in kit.consent.state().choices.items() if c.epoch
        ]
        assert granted == ["connect"]

    def test_language(self, kit: Any) -> None:
        """
        The language of the text is on record.
        """
        self.ask(kit, "yes", elements=["logs"], language="zh")

        assert kit.consent.history()[-1].language == "zh"

    def test_ledger_that_takes_nothing(self, tmp_path: Path) -> None:
        """
        An answer that cannot be recorded is no grant.
        """
        (tmp_path / "file").write_text("")
        with make_kit(tmp_path / "file" / "data") as kit:
            with pytest.raises(StoreError):
                self.ask(kit, "yes", elements=["logs"])

            assert not kit.consent.state().choices["logs"].epoch


class TestModule:
    """
    Tests for what the module offers.
    """

    def test_names(self) -> None:
        """
        Its public names are there.
        """
        assert {n for n in prompt.__all__ if hasattr(prompt, n)} == {
            "Answer",
            "ask",
        }
