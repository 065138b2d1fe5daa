# SPDX-License-Identifier: MIT

"""
Gates and engines of the scrubber: faster, and never another answer.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.anonymise import _gates, _re2
from consentkit.anonymise._rule import PackRule
from consentkit.anonymise.scrub import PACKS, RULES, Scrubber
from consentkit.exceptions import MissingExtraError
from tests.anonymise.test_scrub import FOUND, HIDDEN, KEPT, WORST


class Ungated(Scrubber):
    """
    The reference: it tries every rule on every text.
    """

    @property
    def _gate(self):
        return lambda _: range(len(self._tried))


UNGATED = Ungated()
RE = Scrubber(engine="re")


def _nearly(line, at, sign):
    at %= len(line) + 1
    return line[:at] + sign + line[at + 1 :]


def _pieces():
    lines = [line.replace("⟦", "").replace("⟧", "") for _, line in FOUND]
    words = [word for rule in RULES for word in rule.words]
    known = st.sampled_from([*lines, *KEPT, *WORST, *words])
    return st.lists(
        known
        | st.builds(
            _nearly,
            st.sampled_from(lines),
            st.integers(0, 99),
            st.sampled_from(["", *"0aZ -.:+@=/\\", *HIDDEN]),
        )
        | st.text(max_size=12)
        | st.from_regex(r"[0-9 ().+-]{1,20}", fullmatch=True)
        | st.from_regex(r"[A-Za-zKİ]{1,4}[ =:.-]{0,2}", fullmatch=True),
        max_size=6,
    ).map("".join)


class TestSame:
    """
    One answer, whatever chooses the rules.
    """

    @given(_pieces())
    @settings(max_examples=400)
    def test_gates_change_nothing(self, text):
        """
        With gates and without, the same is found.
        """
        assert RE.scrub(text) == UNGATED.scrub(text)

    @pytest.mark.need_extra("re2")
    @given(_pieces())
    @settings(max_examples=400)
    def test_re2_changes_nothing(self, text):
        """
        With RE2 and without, the same is found.
        """
        assert Scrubber(engine="re2").scrub(text) == UNGATED.scrub(text)

    @pytest.mark.need_extra("re2")
    @pytest.mark.parametrize("rule", RULES, ids=lambda it: it.name)
    def test_each_rule_alone(self, rule):
        """
        No gate is too narrow for what its own rule finds, alone or with
        everything else at once.
        """
        gates = [_gates.make_re_gate([rule]), _gates.make_re2_gate([rule])]
        lines = [line.replace("⟦", "").replace("⟧", "") for _, line in FOUND]
        seen = 0
        for line in [*lines, *KEPT, " | ".join(lines)]:
            found: list = []
            rule.apply(line, line.lower(), 0, found)
            if found:
                seen += 1
                for gate in gates:
                    assert list(gate(line.lower())) == [0]

        assert seen

    @pytest.mark.need_extra("re2")
    def test_half_a_character(self):
        """
        A surrogate that nothing can encode is no way past a gate.
        """
        text = "\udc80 mail ann@example.com \ud800"

        assert (
            Scrubber(engine="re2").scrub(text).text
            == RE.scrub(text).text
            == "\udc80 mail <EMAIL> \ud800"
        )

    @given(
        st.lists(st.text("abs", min_size=1, max_size=4), max_size=8),
        st.text("abs", max_size=20),
    )
    def test_words_that_overlap(self, words, line):
        """
        The search for all words finds each that is there, also inside and
        across others.
        """
        rules = [
            PackRule(name=word, type="X", pattern=word, words=(word,))
            for word in words
        ]
        gate = _gates.make_re_gate(rules)

        assert set(gate(line)) == {
            at for at, word in enumerate(words) if word in line
        }


class TestChoice:
    """
    Which engine and which packs.
    """

    def test_auto_needs_nothing(self, monkeypatch):
        """
        Without RE2, *auto* works all the same.
        """
        monkeypatch.setattr(_re2, "is_there", lambda: False)

        made = Scrubber(engine="auto").scrub("to ann@example.com")

        assert made.text == "to <EMAIL>"

    def test_re2_that_is_missing_is_named(self, monkeypatch):
        """
        Who asks for RE2 and has none is told at once which extra brings it.
        """
        monkeypatch.setattr(_re2, "is_there", lambda: False)

        with pytest.raises(MissingExtraError, match=r"consentkit\[re2\]"):
            Scrubber(engine="re2")

    def test_unknown_engine(self):
        """
        Another engine is refused by name.
        """
        with pytest.raises(ValueError, match="'re2'"):
            Scrubber(engine="pcre")  # type: ignore[arg-type]

    def test_unknown_pack(self):
        """
        A pack that is none is refused, and the packs are named.
        """
        with pytest.raises(ValueError, match=r"'usa'.*china.*us"):
            Scrubber(packs=["usa"])

    @pytest.mark.parametrize("name", PACKS)
    def test_a_pack_alone(self, name):
        """
        One pack finds what is its own, and nothing of the others.
        """
        own = {rule.type for rule in PACKS[name].rules} | PACKS[name].numbers
        scrubber = Scrubber(packs=[name])
        lines = [line.replace("⟦", "").replace("⟧", "") for _, line in FOUND]

        found = {
            span.type for line in lines for span in scrubber.scrub(line).spans
        }

        # +1 and ten digits are a number of country 1, not one of China.
        assert found
        assert found - {"PHONE_INTL"} <= own

    def test_no_pack_finds_nothing(self):
        """
        Without packs and rules a text is as it was.
        """
        line = "13812345678 ann@example.com"

        assert Scrubber(packs=()).scrub(line).text == line

    def test_re2_is_imported_at_first_use(self):
        """
        Neither importing nor making a scrubber imports RE2.
        """
        program = (
            "import sys\n"
            "from consentkit.anonymise.scrub import Scrubber, scrub\n"
            "made = Scrubber(engine='auto')\n"
            "scrub('to ann@example.com')\n"
            "assert 're2' not in sys.modules\n"
        )

        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
