# SPDX-License-Identifier: MIT

"""
Tests for the formats of published lists: complete, equal, and harmless.
"""

from __future__ import annotations

import csv
import io
import json
import re

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from consentkit.disclose import (
    CollectionList,
    SharingList,
    as_data,
    collection_list,
    publish,
    sharing_list,
)
from consentkit.disclose._csv import _harmless
from consentkit.disclose._html import html
from consentkit.disclose._page import Fact, Page, Text
from consentkit.policy import Policy, load_policy
from consentkit.registry import SDKEntry, SDKField
from tests.support import small


CAMERA = Path(__file__).parents[2] / "examples/camera_app/policy.toml"

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

# Names that would be something else in one format or another.
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    '=HYPERLINK("https://evil.example")',
    "+1|cmd",
    "@SUM(A1)",
    "-2+3",
    "＝1+1",
    "a | b\n# Heading\n\n<b>",
    "[click](javascript:alert(1))",
    "`code` *strong* \\| ~~gone~~ $x$",
    "turned \u202e around\u0000\u0007\u200b",
    "&amp; &lt;",
)


def shared(**changes: Callable[[dict[str, Any]], object]) -> Policy:
    """
    Give the small policy, in which its SDK is given something.
    """

    def give(tree: dict[str, Any]) -> None:
        tree["functions"][-1]["collects"] = [
            {"type": "imei", "protect": "md5", "platforms": ["android"]},
            {
                "type": "location_precise",
                "protect": "grid",
                "permission": "location",
                "required": False,
            },
            {"type": "app_usage_time", "protect": "bucket"},
        ]

    return small(give=give, **changes)


def hostile(name: str) -> tuple[SharingList | CollectionList, ...]:
    """
    Make both lists of a policy and an entry in which *name* is everywhere.
    """

    def change(tree: dict[str, Any]) -> None:
        tree["policy"].update(title=name, url=f"javascript:{name}")
        tree["controller"].update(name=name, contact=name, address=name)
        for party in tree["recipients"]:
            party.update(name=name, contact=name, url=name, claims=[name])
        for function in tree["functions"]:
            function.update(name=name, text=name, requires=[name])

    entry = SDKEntry(
        id="umeng",
        name=name,
        operator=name,
        category="analytics",
        purposes=("usage_statistics",),
        method="embedded_sdk",
        transmits=True,
        platforms=("any",),
        parent="javascript:alert(1)",
        start_condition=name,
        official_site=f"https://acme.example/{name}",
        claims=(name,),
        fields=(
            SDKField(
                term=name,
                types=("imei", "imsi"),
                platforms=("any",),
                requirement="listed",
            ),
        ),
    )
    policy = shared(hostile=change)
    entries = {"umeng": entry}
    return sharing_list(policy, entries), collection_list(policy, entries)


def camera() -> tuple[SharingList | CollectionList, ...]:
    """
    Make both lists of the camera app.
    """
    policy = load_policy(CAMERA)
    return sharing_list(policy), collection_list(policy)


class Reader(HTMLParser):
    """
    Reads a page strictly: every tag is closed, in its turn.
    """

    _EMPTY = frozenset({"meta"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inside: list[tuple[str, ...]] = []
        self.words: dict[str, list[str]] = {}
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        assert len(dict(attrs)) == len(attrs), attrs
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tuple(self.open))
        if tag not in self._EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.words.setdefault(self.open[-1], []).append(data)

    def all_of(self, tag: str) -> list[dict[str, str | None]]:
        """
        Give the attributes of every *tag*.
        """
        return [attrs for name, attrs in self.tags if name == tag]


def cells_of(line: str) -> list[str]:
    """
    Split a row of a Markdown table where a bar is not escaped.
    """
    assert line.startswith("| ")
    assert line.endswith(" |")
    return re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]


def rows_of(text: str) -> list[list[str]]:
    """
    Read CSV as a spreadsheet does, without the mark in front.
    """
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


class TestHTML:
    """
    Tests for the format ``html``.
    """

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("which", [0, 1])
    def test_complete(self, which: int, language: Language) -> None:
        """
        The page says its language and title, each table has a caption and
        each of its headings a scope; each link on the page leads somewhere.
        """
        text = publish(camera()[which], format="html", language=language)
        page = Reader(text)

        assert text.startswith("<!DOCTYPE html>\n")
        (root,) = page.all_of("html")
        assert root["lang"] == {"zh": "zh-CN", "en": "en"}[language]
        assert page.words["title"] == page.words["h1"]
        tables = page.all_of("table")
        assert len(page.all_of("caption")) == len(tables) > 30
        assert all("scope" in head for head in page.all_of("th"))
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(set(ids)) == len(ids)
        places = [
            href[1:]
            for a in page.all_of("a")
            if (href := a["href"] or "").startswith("#")
        ]
        assert set(places) <= set(ids)
        assert bool(places) is (which == 0)
        for section in page.all_of("section"):
            assert section["aria-labelledby"] in ids

    @pytest.mark.parametrize("which", [0, 1])
    def test_needs_nothing_else(self, which: int) -> None:
        """
        The page loads nothing and runs nothing, and forbids that besides.
        """
        text = publish(camera()[which], format="html")
        page = Reader(text)

        assert {tag for tag, _ in page.tags} <= {
            *("html", "head", "meta", "title", "style", "body", "header"),
            *("main", "section", "h1", "h2", "p", "a", "span", "table"),
            *("caption", "thead", "tbody", "tr", "th", "td"),
        }
        loading = {"src", "srcset", "style", "action", "data", "background"}
        assert not loading & {key for _, attrs in page.tags for key in attrs}
        (style,) = page.words["style"]
        assert "url(" not in style
        assert "@import" not in style
        policy = next(
            attrs["content"]
            for attrs in page.all_of("meta")
            if attrs.get("http-equiv") == "Content-Security-Policy"
        )
        assert "default-src 'none'" in (policy or "")
        assert any(m.get("name") == "viewport" for m in page.all_of("meta"))
        assert "@media print" in style

    def test_other_language_is_marked(self) -> None:
        """
        What the policy says in English is marked so on a Chinese page, and
        not on an English one.
        """
        chinese = Reader(publish(camera()[1], format="html", language="zh"))
        english = Reader(publish(camera()[1], format="html", language="en"))

        marked = [a["lang"] for t, a in chinese.tags if "lang" in a]
        assert marked.count("en") > 50
        assert [a["lang"] for t, a in english.tags if "lang" in a] == ["en"]

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names(self, name: str) -> None:
        """
        A name is text wherever it stands: no tag, no attribute and no link
        comes of it, and nothing turns the text around.
        """
        tame = [
            [tag for tag, _ in Reader(publish(made, format="html")).tags]
            for made in hostile("Acme")
        ]
        for i, made in enumerate(hostile(name)):
            text, tags = publish(made, format="html"), tame[i]
            page = Reader(text)
            for attrs in page.all_of("a"):
                href = attrs["href"] or ""
                assert href.startswith(("#", "https://acme.example/"))
            # A site with blanks in it is no link: one tag less.
            seen = [tag for tag, _ in page.tags if tag not in {"a", "span"}]
            assert seen == [tag for tag in tags if tag not in {"a", "span"}]
            assert "\u202e" not in text
            assert "\u0000" not in text

    def test_links(self) -> None:
        """
        A link that works is one; what is none is told as it was written.
        """
        page = Reader(publish(camera()[0], format="html", language="en"))
        links = [a["href"] or "" for a in page.all_of("a")]

        assert "https://www.umeng.com/page/policy" in links
        assert "http://sdkdoc.beizi.biz/#/" in links
        assert not [link for link in links if "[[" in link]
        assert "[[ Link ]] (not a link)" in page.words["td"]

    @pytest.mark.parametrize(
        "link",
        [
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example/",
            "https://user@evil.example/",
            "https:/evil.example",
            "ftp://evil.example/",
            "https://evil.example/ x",
            "https://evil",
        ],
    )
    def test_no_links(self, link: str) -> None:
        """
        Nothing but a plain link of the web can be followed.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["recipients"][0]["url"] = link

        page = Reader(
            publish(sharing_list(small(change=change)), format="html")
        )

        assert link not in [a["href"] for a in page.all_of("a")]
        assert f"{link}（并非有效链接）" in page.words["td"]

    def test_links_of_a_page(self) -> None:
        """
        Even where something else got into a page as a link, it is text.
        """
        fact = Fact(
            label="x", value=(Text("press", href="javascript:alert(1)"),)
        )
        page = Page(
            title="x",
            language="en",
            caption="x",
            facts=(fact,),
            intro=(),
            sections=(),
        )

        assert Reader(html(page)).all_of("a") == []


class TestMarkdown:
    """
    Tests for the format ``markdown``.
    """

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("which", [0, 1])
    def test_complete(self, which: int, language: Language) -> None:
        """
        Each row of a table has as many cells as its head.
        """
        text = publish(camera()[which], format="markdown", language=language)

        assert text.startswith("# ")
        blocks = [b for b in text.split("\n\n") if b.startswith("| ")]
        assert len(blocks) > 30
        for block in blocks:
            assert len({len(cells_of(r)) for r in _rows(block)}) == 1

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names(self, name: str) -> None:
        """
        A name begins no heading, cell, link, tag or emphasis.
        """
        for made in hostile(name):
            text = publish(made, format="markdown")
            tame = publish(hostile("Acme")[0], format="markdown")
            lines = text.splitlines()

            for block in text.split("\n\n"):
                if block.startswith("| "):
                    assert len({len(cells_of(r)) for r in _rows(block)}) == 1
            if isinstance(made, SharingList):
                heads = [line for line in lines if line.startswith("#")]
                wanted = [
                    line for line in tame.splitlines() if line.startswith("#")
                ]
                assert len(heads) == len(wanted)
            bare = re.sub(r"\\.", "", text.replace("<br>", ""))
            bare = re.sub(r"\]\(<https://[^<>()\s]*>\)", "]", bare)
            assert "<" not in bare
            assert "](" not in bare
            assert "`" not in bare
            assert not re.search(r"(?<!\*)\*(?!\*)", bare)

    def test_links(self) -> None:
        """
        A link stands as one, and cannot be left early.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["recipients"][0]["url"] = "https://a.example/)>(|x"

        text = publish(sharing_list(small(change=change)), format="markdown")

        assert (
            r"[https://a.example/)\>(\|x](<https://a.example/%29%3E%28%7Cx>)"
            in text
        )


def _rows(block: str) -> list[str]:
    return [line for line in block.splitlines() if not set(line) <= set("| -")]


class TestCSV:
    """
    Tests for the format ``csv``.
    """

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("which", [0, 1])
    def test_opens(self, which: int, language: Language) -> None:
        """
        It begins with the mark by which Excel knows UTF-8, its lines end as
        RFC 4180 has them, each cell is quoted and each line is as long.
        """
        text = publish(camera()[which], format="csv", language=language)

        assert text.startswith('\ufeff"')
        assert text.endswith('"\r\n')
        assert "\n" not in text.replace("\r\n", "")
        rows = rows_of(text)
        assert len({len(row) for row in rows}) == 1
        assert len(rows) > 30
        assert len(set(rows[0])) == len(rows[0])

    def test_line_by_line(self) -> None:
        """
        Each data type has a line, with who gets it, and where.
        """
        head, *rows = rows_of(
            publish(sharing_list(shared()), format="csv", language="en")
        )
        told = [dict(zip(head, row, strict=True)) for row in rows]

        assert [
            (r["Name"], r["Personal information"], r["Platform"])
            for r in told[:3]
        ] == [
            (
                "Umeng SDK",
                "IMEI (International Mobile Equipment Identity)",
                "Android",
            ),
            (
                "Umeng SDK",
                (
                    "Precise location (GPS, latitude and longitude) "
                    "(sensitive personal information)"
                ),
                "all platforms",
            ),
            (
                "Umeng SDK",
                "Application usage time (not handed to the SDK itself)",
                "all platforms",
            ),
        ]
        place = told[1]
        assert place["Required or optional"] == (
            "optional (decided on by itself)"
        )
        assert place["De-identified in transfer"] == (
            "square of 2 km; de-identified, not anonymised"
        )
        assert "Location (optional)" in place["Sensitive permissions"]
        (apart,) = (key for key in head if "says that it also" in key)
        assert "IMSI" in place[apart]
        assert "IMEI" not in place[apart]

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names(self, name: str) -> None:
        """
        No cell is a formula to any program, and no name begins a line.
        """
        lines = []
        for made in hostile(name):
            rows = rows_of(publish(made, format="csv"))
            cells = [cell for row in rows for cell in row]

            assert not [c for c in cells if c[:1] in set("=+-@＝＋－＠\t\r")]
            assert len({len(row) for row in rows}) == 1
            lines.append(len(rows))
        assert lines == [
            len(rows_of(publish(made, format="csv")))
            for made in hostile("Acme")
        ]

    @given(st.text())
    @settings(deadline=None)
    def test_no_cell_is_a_formula(self, cell: str) -> None:
        """
        Whatever stands in a cell, it is on one line and no formula.
        """
        made = _harmless(cell)

        assert not made.startswith(tuple("=+-@＝＋－＠\t\r\n "))
        assert "\n" not in made
        assert "\r" not in made


class TestJSON:
    """
    Tests for the format ``json``.
    """

    @pytest.mark.parametrize("which", [0, 1])
    def test_both_languages_say_the_same(self, which: int) -> None:
        """
        The two languages differ in their labels only.
        """
        made = camera()[which]
        zh, en = (
            json.loads(publish(made, format="json", language=language))
            for language in LANGUAGES
        )

        assert zh["language"] == "zh-CN"
        assert zh != en
        assert _without_labels(zh) == _without_labels(en)
        assert as_data(made, language="en") == en

    def test_sharing(self) -> None:
        """
        What is given stands apart from what the SDK only says, with ids and
        labels.
        """
        made = sharing_list(shared())
        data = as_data(made, language="zh")
        umeng = data["third_parties"][0]

        assert data["list"] == "sharing"
        assert data["policy"]["digest"] == made.policy.digest
        assert umeng["mode"] == {
            "id": "embedded",
            "label": "嵌入第三方 SDK",
        }
        assert umeng["given"][0] == {
            "id": "imei",
            "label": "国际移动设备识别码 IMEI",
            "function": "umeng",
            "purposes": [{"id": "crash_analysis", "label": "查找崩溃原因"}],
            "platforms": ["android"],
            "requirement": {"id": "required", "label": "必选"},
            "sensitive": False,
            "separate": False,
            "permission": None,
            "protection": {
                "id": "md5",
                "label": "未加密钥的 MD5 摘要，可以被穷举还原",
            },
            "class": {
                "id": "pseudonymised",
                "label": "假名化处理，仍属于个人信息",
            },
            "handed": True,
        }
        apart = {one["id"] for one in umeng["not_allowed"]}
        assert "imsi" in apart
        assert not apart & {one["id"] for one in umeng["given"]}

    def test_collection(self) -> None:
        """
        Each scene has its types, and says what is not read and what stays.
        """
        scenes = as_data(collection_list(small()), language="en")["scenes"]
        connect = {one["id"]: one for one in scenes[0]["types"]}

        assert connect["device_name"]["is_read"] is False
        assert connect["device_name"]["class"] is None
        assert connect["wifi_password"]["leaves"] is False
        assert connect["location_precise"]["retention"] == "P1D"
        assert scenes[-1]["sdk"] == "umeng"


def _without_labels(value: Any) -> Any:
    if isinstance(value, dict):
        hidden = {"label", "language"} if "list" in value else {"label"}
        return {
            k: _without_labels(v) for k, v in value.items() if k not in hidden
        }
    if isinstance(value, list):
        return [_without_labels(item) for item in value]
    return value


class TestFormatsAgree:
    """
    All formats of one list say the same.
    """

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_names(self, language: Language) -> None:
        """
        Each label of a data type that JSON has, given or only said, is in
        the three others.
        """
        made = sharing_list(shared())
        data = as_data(made, language=language)
        labels = {
            one["label"]
            for party in data["third_parties"]
            for one in (*party["given"], *party["not_allowed"])
        }
        page = Reader(publish(made, format="html", language=language))
        shown = " ".join(w for words in page.words.values() for w in words)
        markdown = publish(made, format="markdown", language=language)
        table = publish(made, format="csv", language=language)

        assert len(labels) > 25
        for label in labels:
            assert label in shown
            assert label in re.sub(r"\\(.)", r"\1", markdown)
            assert label in table

    def test_unknown(self) -> None:
        """
        Another format or language is refused by name.
        """
        made = collection_list(small())

        with pytest.raises(ValueError, match="no format 'pdf'; one of html"):
            publish(made, format="pdf")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no words in 'fr'"):
            publish(made, language="fr")  # type: ignore[arg-type]
