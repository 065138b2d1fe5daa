# SPDX-License-Identifier: MIT

"""
Tests for the words of published lists: none is missing in either language.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from consentkit.anonymise.classes import PrivacyClass
from consentkit.disclose._words import LANGUAGES, Words, words_in
from consentkit.policy import Category, Policy, ProtectionName, load_policy
from consentkit.policy.model import Protection
from consentkit.policy.period import Period
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry import load_registry


EXAMPLES = sorted(
    (Path(__file__).parents[2] / "examples").glob("*/policy.toml")
)
WORDS = load_vocabulary()
ZH, EN = words_in("zh"), words_in("en")

# What is called the same in both languages.
_NAMES = frozenset({"android_id", "flash_cookie", "openudid", "wlan"})


def has_chinese(text: str) -> bool:
    """
    Tell whether there is a Chinese character in *text*.
    """
    return re.search("[\u4e00-\u9fff]", text) is not None


class TestVocabulary:
    """
    Names of the vocabulary, in both languages.
    """

    @pytest.mark.parametrize("kind", ["purposes", "bases", "modes"])
    def test_all_are_named(self, kind: Any) -> None:
        """
        Each purpose, basis and mode has a Chinese name and an English one.
        """
        for id_ in getattr(WORDS, kind):
            assert has_chinese(ZH.of(kind, id_)), id_
            assert not has_chinese(EN.of(kind, id_)), id_

    def test_an_embedded_sdk_may_collect_nothing(self) -> None:
        """
        That an SDK is embedded says in neither language that it collects;
        only the way of sharing that a policy calls so is anonymous.
        """
        assert ZH.of("modes", "embedded") == "嵌入第三方 SDK"
        assert EN.of("modes", "embedded") == "Embedded third-party SDK"
        for id_ in WORDS.modes:
            for words, name in ((ZH, "匿名"), (EN, "anonym")):
                calls = name in words.of("modes", id_)
                assert calls is (id_ == "aggregate_only"), id_

    @pytest.mark.parametrize("kind", ["data_types", "permissions"])
    def test_types_are_named(self, kind: Any) -> None:
        """
        Each data type and permission has both; few names are the same.
        """
        same = {
            id_
            for id_ in getattr(WORDS, kind)
            if not has_chinese(ZH.of(kind, id_))
        }

        assert all(ZH.of(kind, id_) for id_ in same)
        assert same <= _NAMES
        for id_ in getattr(WORDS, kind):
            assert not has_chinese(EN.of(kind, id_)), id_

    def test_no_two_are_called_the_same(self) -> None:
        """
        No two purposes have one Chinese name: a reader could not tell them
        apart.
        """
        names = [purpose.name_zh for purpose in WORDS.purposes.values()]

        assert len(set(names)) == len(names)

    def test_catalogue(self) -> None:
        """
        Whatever the shipped entries use has a name in both languages.
        """
        for entry in load_registry().values():
            for words in (ZH, EN):
                assert words.sdk_categories[entry.category]
                used = [
                    *(("data_types", t) for t in entry.types),
                    *(("purposes", p) for p in entry.purposes),
                    *(
                        ("permissions", p.permission)
                        for p in entry.permissions
                    ),
                ]
                for kind, id_ in used:
                    assert words.of(kind, id_) != id_, (entry.id, id_)  # type: ignore[arg-type]

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.parent.name)
    def test_examples(self, path: Path) -> None:
        """
        Whatever the examples use has a name in both languages.
        """
        policy = load_policy(path)
        for words in (ZH, EN):
            for recipient in policy.recipients.values():
                if recipient.mode != "controller":
                    assert words.of("modes", recipient.mode)
                assert (
                    words.country_of(
                        recipient.country, abroad=recipient.abroad
                    )
                    != recipient.country
                    or not recipient.country
                )
            for kind, id_ in _used(policy):
                assert words.of(kind, id_) != id_, id_  # type: ignore[arg-type]

    def test_what_nobody_knows(self) -> None:
        """
        What is in no vocabulary keeps its id.
        """
        assert ZH.of("data_types", "shoe_size") == "shoe_size"
        assert EN.country_of("NO", abroad=True) == "NO (abroad)"


def _used(policy: Policy) -> list[tuple[str, str]]:
    used = []
    for function in policy.functions.values():
        used += [("bases", b) for b in function.basis]
        used += [("purposes", p) for p in function.purposes]
        for clause in function.clauses.values():
            used.append(("data_types", clause.type))
            used += [("purposes", p) for p in clause.purposes]
            if clause.permission:
                used.append(("permissions", clause.permission))
    return used


class TestWords:
    """
    The headings and sentences.
    """

    def test_each_language_is_its_own(self) -> None:
        """
        Each word of the Chinese table is Chinese, and none of the English
        one is; both tables have the same keys.
        """
        for a in attrs.fields(Words):
            for words in (ZH, EN):
                for key, text in _texts(getattr(words, a.name)):
                    assert has_chinese(text) is (
                        words is ZH and key not in {"android", "ios"}
                    ) or a.name in {
                        "language",
                        "joint",
                        "clause",
                        "colon",
                        "brackets",
                    }, (
                        a.name,
                        key,
                    )
            kinds = {
                tuple(_keys(getattr(words, a.name))) for words in (ZH, EN)
            }
            assert a.name == "countries" or len(kinds) == 1, a.name

    def test_nothing_is_missing(self) -> None:
        """
        Each protection, class, category and kind of SDK has a word.
        """
        for words in (ZH, EN):
            assert words.protections.keys() == set(ProtectionName)
            assert words.classes.keys() == set(PrivacyClass)
            assert words.categories.keys() == {c.value for c in Category}
            assert words.sdk_categories.keys() == set(WORDS.partner_categories)

    @pytest.mark.parametrize("name", list(ProtectionName))
    def test_nothing_is_called_anonymous(self, name: ProtectionName) -> None:
        """
        Whatever is done to one value, no list calls it anonymous; an
        unkeyed digest is called undone by guessing.
        """
        for privacy_class in set(PrivacyClass) - {PrivacyClass.ANONYMOUS}:
            zh = ZH.form(Protection(name=name), privacy_class)
            en = EN.form(Protection(name=name), privacy_class)
            assert "匿名" not in zh.replace("并非匿名化", "")
            assert "anonym" not in en.replace("not anonymised", "")
        if name is ProtectionName.MD5:
            assert "穷举" in zh
            assert "去标识化" not in ZH.form(
                Protection(name=name), PrivacyClass.PSEUDONYMISED
            )
            assert "guessing" in en

    def test_a_place_names_its_square(self) -> None:
        """
        A square is told with its side.
        """
        grid = Protection(name=ProtectionName.GRID, cell_km=2.5)

        assert EN.form(grid, None) == "square of 2.5 km"
        assert ZH.form(grid, None) == "边长 2.5 公里的网格"

    @pytest.mark.parametrize(
        ("written", "en", "zh"),
        [
            ("P1D", "1 day", "1 天"),
            ("P1Y2M", "1 year 2 months", "1 年 2 个月"),
            ("PT10M", "10 minutes", "10 分钟"),
            (
                "P1DT1H1M1S",
                "1 day 1 hour 1 minute 1 second",
                "1 天 1 小时 1 分钟 1 秒",
            ),
        ],
    )
    def test_periods(self, written: str, en: str, zh: str) -> None:
        """
        A period is said in words, its largest unit first.
        """
        period = Period.parse(written)

        assert EN.period(period) == en
        assert ZH.period(period) == zh
        assert EN.period(period) == period.words

    def test_other_languages(self) -> None:
        """
        A language that there are no words in is refused by name.
        """
        assert LANGUAGES == ("zh", "en")
        with pytest.raises(
            ValueError, match="no words in 'fr'; one of zh, en"
        ):
            words_in("fr")


def _texts(value: object) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [("", value)]
    if isinstance(value, tuple):
        return [("", text) for text in value]
    assert isinstance(value, Mapping)
    return [
        (str(key), text)
        for key, inner in value.items()
        for _, text in _texts(inner)
    ]


def _keys(value: object) -> list[str]:
    return sorted(map(str, value)) if isinstance(value, Mapping) else []
