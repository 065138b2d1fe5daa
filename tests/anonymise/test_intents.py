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
from urllib.parse import quote

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

import consentkit

from consentkit.anonymise import intents
from consentkit.anonymise.intents import (
    INTENTS,
    LIMIT_CHARACTERS,
    Take,
    take,
)
from consentkit.anonymise.scrub import scrub


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
    "http://", "https://a/hook/a", "https://a/?a=%2541", "a-share:", "￥", "￥aaaaaaaa", "口令#", "口令#aaaaaa", "验证码",
    "验证码 1234", "1234-", "1234 is your ", "G-1234 is your a ", "otp is ",
    "1234 is your aaaaaaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaaaa ",
    "邀请码 AAAA-", "invite code ", "invite code AAAAAAAAAAAA",
]  # fmt: skip


#: Links with a secret that the scrubber knows.
SECRET_LINKS = [
    "hooks.slack.com/services/T00000000/B00000000/" + "X" * 24,
    "discord.com/api/webhooks/123456789012345678/" + "aB3" * 20,
    "x.com/cb?access_key=abcd1234abcd1234",
    "x.com/?private_key=abc",
    "x.com/?secret_key=abc",
    "x.com/?PHPSESSID=abcdef0123456789abcdef",
    "x.com/?credential=xyz",
    "x.com/?x=npm_" + "aB3" * 12,
    "x.com/?x=hf_" + "aB3" * 11,
    "x.com/?x=SG." + "aB3" * 7 + "." + "aB3" * 14,
    "x.com/?iban=DE89370400440532013000",
    "x.com/?ssn=078-05-1120",
    "x.com/?u=ann@notes.example",
    "x.com/?tel=13905550148",
    "x.com/?mac=00:1B:44:11:3A:B7",
    "x.com/?ip=203.0.113.7",
    "203.0.113.7/?ip=203.0.113.9",
]


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
    @pytest.mark.parametrize("rest", SECRET_LINKS)
    def test_what_the_scrubber_finds_is_refused(self, rest):
        """
        Of a link in which the scrubber finds something nothing is taken,
        and its own text shows that it finds it.
        """
        link = f"https://{rest}"

        assert scrub(link).spans
        assert take(link, ["link"]) is None
        # So it is in a link to where it leads.
        assert take(f"https://x.com/?to={quote(link)}", ["link"]) is None

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize(
        "rest",
        [
            "?pass=hunter2",
            "?key=0123456789abcdef0123456789abcdef",
            "?key=0a1b2c3d-1111-2222-3333-444455556666",
            "?apikey_v2=abc",
            "?jwt=abc.def",
            "?bearer=abc",
            "?otp_code=1234",
            "?userotp=1234",
            "?oauth_verifier=abc",
            "?accessToken=abc",
            "?clientSecret=abc",
            "?X-Amz-Signature=abc",
            "?sv=2020&sig=abc%3D",
            "?%74oken=abc",
            "?u=https%253A%252F%252Fy.com%252Fr%253Ftoken%253Dabc",
            "?refresh=eyJhbGciOi",
            "?x=sk-proj-abc",
            ";jsessionid=abc",
            "#/me?access_token=abc",
            "bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/getMe",
            "bot/v2/hook/0a1b2c3d-1111-2222-3333-444455556666",
            "4111.1111.1111.1111",
            "?c=4111+1111+1111+1111",
            "?c=4111%201111%201111%201111",
            "?c=4111%2D1111%2D1111%2D1111",
            "?c=4111_1111_1111_1111",
            "?c=x4111111111111111y",
            "?tel=139.0555.0148",
            "?tel=%2B8613905550148",
            "?u=ann%40notes.example",
            "?%E5%AF%86%E7%A0%81=abcdef",
        ],
    )
    def test_in_the_spelling_of_links_too(self, rest):
        """
        A link that names a credential in its own words, or spells what the
        scrubber knows in its own way, is refused.
        """
        assert take(f"https://x.com/{rest}", ["link"]) is None

    @pytest.mark.parametrize(
        "rest",
        [
            "203.0.113.7/share/1",
            "192.168.1.20:8080/s/abc",
            "x.com/?invite_code=AB12CD34",
            "x.com/?author=bob&shopping=1&keyword=shoes&monkey=1",
            "x.com/?key=shoes",
            "x.com/?passenger=2&compass=1&pinned=1&spin=1",
            "x.com/?from=app&share_id=abcdef0123456789abcdef0123456789",
            "x.com/docs/hooks/use-callback-with-refs",
            "x.com/task-force/desk-top",
            "x.com/2026/05/06/12:30",
            "x.com/a_20260506_588705.jpg",
            "x.com/v1.2.3.4/y?ver=10.0.26100.1742",
            "x.com/%E4%BD%A0?q=%E5%A5%BD+%E4%BD%A0&a=100%&b=2",
            "x.com/watch?v=dQw4w9WgXcQ&si=AbCdEf123456&t=42",
        ],
    )
    def test_a_link_without_a_secret_is_taken(self, rest):
        """
        A link is taken whole, also to a server without a name.
        """
        link = f"https://{rest}"

        assert take(link, ["link"]) == Take("link", link)

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
        take("see https://x.com", ["link"])  # loads the scrubber
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
    def test_without_a_match_it_needs_no_package(self):
        """
        A bare interpreter, without site-packages, finds that there is
        nothing; of the package and attrs nothing is loaded.
        """
        loaded = run_alone("see you at six", [])

        assert not {"attr", "attrs", "consentkit"} & loaded

    @pytest.mark.obligation("WP-CLIP-2")
    def test_with_a_match_it_loads_the_rules(self):
        """
        For what it found it loads the scrubber, and little else.
        """
        folders = [
            Path(str(m.__file__)).parents[1] for m in (consentkit, attrs)
        ]
        loaded = run_alone("words, ck-share:SxXBWlznUleZ and more", folders)
        ours = {name for name in loaded if name.startswith("consentkit.")}

        assert "consentkit.anonymise.scrub" in ours
        assert not {"sqlite3", "cryptography", "asyncio"} & loaded
        assert {name.split(".")[1] for name in ours} <= {
            "_fork",
            "anonymise",
            "exceptions",
        }

    @pytest.mark.obligation("WP-CLIP-2")
    def test_without_the_rules_nothing_is_taken(self):
        """
        Where the scrubber cannot be loaded, nothing is given out.
        """
        with pytest.raises(subprocess.CalledProcessError):
            run_alone("words, ck-share:SxXBWlznUleZ and more", [])


def run_alone(text, folders):
    """
    Take from *text* in a bare interpreter; give what modules it has then.
    """
    program = (
        "import runpy, sys\n"
        f"sys.path += {[*map(str, folders)]!r}\n"
        f"here = runpy.run_path({intents.__file__!r})\n"
        "taken = here['take'](sys.stdin.read(), ['share_code'])\n"
        f"assert bool(taken) == {bool(folders)}\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "utf8", "-c", program],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert not done.stderr
    return {*done.stdout.split()}
