# SPDX-License-Identifier: MIT
"""
The declared part of a clipboard, and nothing else.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise import intents
from consentkit.anonymise.intents import (
    INTENTS,
    LIMIT_CHARACTERS,
    Take,
    take,
)


LABELLED = [
    json.loads(line)
    for line in (
        Path(__file__).parent.parent
        / "vectors"
        / "clipboard"
        / "clipboard_labelled.jsonl"
    )
    .read_text(encoding="utf-8")
    .splitlines()
]

ALL = tuple(INTENTS)

#: Beginnings of the patterns, over and over: their worst company.
WORST = [
    "a", "1", " ", "-", ".", "https://a", "https://a/", "https://a/'",
    "http://", "a-share:", "￥", "￥aaaaaaaa", "口令#", "口令#aaaaaa", "验证码",
    "验证码 1234", "1234-", "1234 is your ", "G-1234 is your a ", "otp is ",
    "1234 is your aaaaaaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaaaa ",
    "邀请码 AAAA-", "invite code ", "invite code AAAAAAAAAAAA",
]  # fmt: skip


def is_luhn(digits: str) -> bool:
    """
    Tell whether the check digit of a card is right.
    """
    doubled = [
        sum(divmod(2 * int(d), 10)) if place % 2 else int(d)
        for place, d in enumerate(reversed(digits))
    ]
    return sum(doubled) % 10 == 0


class TestLabelled:
    """
    Six hundred clipboards.
    """

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize("order", [ALL, ALL[::-1]], ids=["as is", "back"])
    def test_exactly_the_label_is_taken(self, order):
        """
        Every declared thing is taken as labelled, and from texts without one
        nothing is, in whichever order intents are tried.
        """
        wrong = []
        for row in LABELLED:
            taken = take(row["text"], order)
            found = (taken.intent, taken.value) if taken else ("none", None)
            if found != (row["intent"], row["value"]):
                wrong.append(row["text"])

        assert not wrong
        assert len(LABELLED) == 600

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize("name", ALL)
    def test_only_what_is_declared_is_taken(self, name):
        """
        With one intent declared, texts of the others give none.
        """
        others = [row for row in LABELLED if row["intent"] != name]

        assert not [row for row in others if take(row["text"], [name])]


class TestTake:
    """
    `take()`
    """

    @pytest.mark.parametrize(
        ("text", "intent", "value"),
        [
            ("您的验证码是：1234", "passcode", "1234"),
            ("登录密码为【882211】", "passcode", "882211"),
            ("OTP: 123456", "passcode", "123456"),
            ("Your one-time code: 55667788.", "passcode", "55667788"),
            (
                "123456 is your Example verification code",
                "passcode",
                "123456",
            ),
            ("see (https://x.com/a).", "link", "https://x.com/a"),
            (
                "https://en.x.org/wiki/A_(b)!",
                "link",
                "https://en.x.org/wiki/A_(b)",
            ),
            ("Invitation code is AB12-CD34.", "invite", "AB12-CD34"),
            ("口令：#ABC123#", "share_code", "#ABC123#"),
        ],
    )
    def test_other_wordings(self, text, intent, value):
        """
        Wordings that the labelled texts do not have.
        """
        taken = take(text, ALL)

        assert taken is not None
        assert (taken.intent, taken.value) == (intent, value)

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize(
        "text",
        [
            "验证码已发送至13812345678",
            "验证码 2024-05-06 前有效",
            "the code word is swordfish",
            "invite code please",
            "#ABCDEFGH# without its marker",
            "my passcode is 12:3045",
            "1234 is your new neighbour",
            "",
        ],
    )
    def test_look_alikes_stay(self, text):
        """
        Without marker and code together, nothing is taken.
        """
        assert take(text, ALL) is None

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize(
        "text",
        [
            "https://bob:hunter2@x.com/a",
            "https://bob@x.com/a",
            "https://x.com/reset?token=abcdef",
            "https://x.com/cb#access_token=abcdef",
            "https://x.com/cb?state=1&code=abcdef",
            "https://x.com/6222024740954611130",
            "https://x.com/110101199003070038",
            "https://x.com/a/eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
            "ck-share:AKIAABCDEFGHIJKLMNOP",
        ],
    )
    def test_secrets_in_the_place_of_a_code_are_refused(self, text):
        """
        A credential, card or identity number is never taken.
        """
        assert take(text, ALL) is None

    @pytest.mark.obligation("WP-CLIP-2")
    def test_a_bank_card_beside_a_code_stays(self):
        """
        Of a card and a code, only the code leaves.
        """
        text = "卡 6222024740954611130 验证码 491096，请勿泄露"

        taken = take(text, ["passcode"])

        assert taken == Take("passcode", "491096")

    @pytest.mark.obligation("WP-CLIP-2")
    @given(
        st.integers(10**14, 10**15 - 1),
        st.sampled_from(
            ["https://x.com/{}", "https://x.com/?q={}", "口令 #{}#"]
        ),
    )
    def test_every_card_is_refused(self, digits, text):
        """
        Whatever has a card's check digit (ISO/IEC 7812-1) stays, also where
        a code should stand; with another digit it is a code.
        """
        numbers = [f"{digits}{check}" for check in range(10)]
        (card,) = [number for number in numbers if is_luhn(number)]
        other = numbers[card == numbers[0]]

        assert take(text.format(card), ALL) is None
        assert take(text.format(other), ALL) is not None

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize(
        "text",
        [
            "legal winner thank year wave sausage worth useful legal yellow",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA",
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVv",
            "postgresql://app:hunter2@db.internal:5432/app",
            "GB29 NWBK 6016 1331 9268 19",
            "otpauth://totp/x:ann?secret=JBSWY3DPEHPK3PXP",
        ],
    )
    def test_secrets_without_a_marker_stay(self, text):
        """
        Seed phrases, keys, accounts and credentials have no intent's marker.
        """
        assert take(text, ALL) is None

    def test_the_repr_hides_the_value(self):
        """
        A take can be logged by mistake.
        """
        taken = take("验证码 491096", ["passcode"])

        assert repr(taken) == str(taken) == f"{taken}"
        assert "491096" not in repr(taken)

    def test_half_a_code_at_the_limit_is_none(self):
        """
        What the cut may have shortened is not taken for the whole.
        """
        code = "ck-share:abcdefgh"
        padding = " " * (LIMIT_CHARACTERS - len(code))

        assert take(padding[:-4] + code + "ijkl", ALL) is not None
        assert take(padding + code + "ijkl", ALL) is None
        assert take(padding + code, ALL) is not None

    def test_beyond_the_limit_nothing_is_looked_at(self):
        """
        Only the first 8,192 characters are matched.
        """
        assert take(" " * LIMIT_CHARACTERS + "验证码 491096", ALL) is None

    def test_an_unknown_intent_is_refused(self):
        """
        A misspelt declaration is the developer's fault, and is said.
        """
        with pytest.raises(ValueError, match="share_code"):
            take("", ["sharecode"])

    @given(st.text(), st.permutations(ALL))
    def test_what_is_taken_is_part_of_the_text(self, text, order):
        """
        Nothing is made up, whatever the clipboard holds.
        """
        taken = take(text, order)

        assert taken is None or (taken.value and taken.value in text)


class TestPatterns:
    """
    The intents as records.
    """

    @pytest.mark.parametrize("name", ALL)
    def test_names_are_keys(self, name):
        """
        An intent is found by its own name.
        """
        assert INTENTS[name].name == name

    @pytest.mark.parametrize("name", ALL)
    def test_repeats_are_bounded(self, name):
        """
        No pattern can run on: it has neither a star nor a plus repeat.
        """
        pattern = INTENTS[name].pattern
        outside = re.sub(r"\[(?:\\.|[^\]\\])*\]|\\.", "x", pattern)

        assert not re.search(r"\*|(?<![}?])\+", outside)

    @pytest.mark.parametrize("name", ALL)
    def test_the_worst_text_is_quick(self, name):
        """
        8 KiB of a pattern's own beginnings take under 100 ms (here 5) of the processor, however busy the machine is.
        """
        slowest = 0.0
        for fragment in WORST:
            text = (fragment * LIMIT_CHARACTERS)[:LIMIT_CHARACTERS]
            began = time.process_time()
            take(text, [name])
            list(re.finditer(INTENTS[name].pattern, text))
            slowest = max(slowest, time.process_time() - began)

        assert slowest < 0.1


class TestAlone:
    """
    The module as the helper process has it.
    """

    @pytest.mark.obligation("WP-CLIP-2")
    def test_it_runs_without_the_package(self):
        """
        A bare interpreter, without site-packages, can match; of the package
        and attrs nothing is loaded.
        """
        program = (
            "import runpy, sys\n"
            f"here = runpy.run_path({intents.__file__!r})\n"
            "taken = here['take'](sys.stdin.read(), ['share_code'])\n"
            "assert not {'attr', 'attrs', 'consentkit'} & set(sys.modules)\n"
            "sys.stdout.write(taken.value)\n"
        )

        done = subprocess.run(
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", program],
            input="secret words, ck-share:SxXBWlznUleZ and more",
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )

        assert done.stdout == "ck-share:SxXBWlznUleZ"
        assert not done.stderr
