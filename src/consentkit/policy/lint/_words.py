# SPDX-License-Identifier: MIT
"""
Rules on the words of a document: placeholders and catch-alls.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

from consentkit.policy.lint._prose import sentences
from consentkit.policy.lint.model import Context, Severity, Spot, rule


_PLACEHOLDER: Final = re.compile(
    r"\b(?:TODO|TBD|FIXME|TBC)\b|\bX{3,}\b|某某|\bxx+(?=公司|平台|产品)"
    r"|(?i:\blorem ipsum\b)|_{3,}|\{\{.*?\}\}|\$\{.*?\}|%\(?s\)?(?!\w)"
    r"|@(?:[\w-]+\.)*example\.(?:com|net|org)\b"
    r"|//(?:[\w-]+\.)*example\.(?:com|net|org)\b"
    r"|(?i:according to (?:the )?actual (?:situation|circumstances|conditions))"
    r"|(?i:\[[^\[\]]*\b(?:adjust|modify|amend|insert|fill|replace|company"
    r" name|product name|your |date|name of|to be )[^\[\]]*\])"
    r"|(?i:<(?:your|company|product|name|date|insert)[^<>]*>)"
    r"|\[\s*(?:\.{3}|…)?\s*\]|(?i:\bplaceholder\b)"
    r"|根据实际情况(?:修改|调整|填写|补充)|【[^】]*(?:填写|修改|调整|补充|名称)[^】]*】"
    r"|请(?:填写|补充)|待(?:定|补充|填写)",
)
_CATCH_ALL: Final = re.compile(
    r"including,? but (?:is |are )?not limited to|including without limitation"
    r"|(?:and|or) (?:any |all )?other (?:\w+ )?(?:information|data|details"
    r"|contents?|purposes?|circumstances|situations|cases|uses|services|ways"
    r"|reasons|parties|means)"
    r"|(?:^|\b)other (?:\w+ )?(?:information|circumstances|disclosures|purposes"
    r"|situations|uses|cases)\b"
    r"|\bany other\b|\bwhatever\b|\band so (?:on|forth)\b|\band the like\b"
    r"|\betc\b|\bas (?:is )?(?:appropriate|needed|necessary|required)\b"
    r"|\b(?:where|when|if) (?:\w+ )?(?:necessary|needed|appropriate|required)\b"
    r"|\b(?:considers?|considered|deems?|deemed|sees?) (?:it )?(?:fit"
    r"|appropriate|necessary)\b"
    r"|包括但不限于|其[他它](?:\w{0,4})(?:信息|资料|数据|用途|目的|情形|情况)"
    r"|等(?:等|相关|其[他它])?(?:信息|资料|数据|内容)|等等|必要时|视情况|酌情"
    r"|认为(?:适当|合适|必要)",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"\b(?:no|not|never|nothing|nobody|none|neither|nor|without)\b[^.;]{0,60}"
    r"$|(?:不|无|没有|未)[^。；]{0,12}$",
    re.IGNORECASE,
)
_PRODUCT: Final = re.compile(
    r"\b([A-Z][\w-]{2,}) (?:[Pp]latform|[Aa]pp)\b"
    r"|《([^》]{2,12}?)(?:隐私政策|用户协议|平台)》"
)
# Words that begin a sentence or name a system, not a product.
_COMMON: Final = frozenset(
    [
        "additional",
        "all",
        "android",
        "any",
        "apple",
        "background",
        "basic",
        "both",
        "business",
        "client",
        "cloud",
        "core",
        "customer",
        "each",
        "every",
        "first",
        "google",
        "harmonyos",
        "iphone",
        "location",
        "microsoft",
        "mobile",
        "necessary",
        "new",
        "online",
        "open",
        "other",
        "our",
        "own",
        "related",
        "some",
        "such",
        "support",
        "that",
        "the",
        "their",
        "these",
        "third",
        "this",
        "those",
        "user",
        "users",
        "web",
        "wechat",
        "when",
        "which",
        "while",
        "windows",
        "your",
    ]
)


@rule(
    "placeholder",
    Severity.ERROR,
    title="a placeholder left in",
    reason="A pattern was published as it was.",
    source="T-32; practice",
)
def placeholder(c: Context) -> Iterator[Spot]:
    about = c.document.policy
    texts = [(prose.path, prose.text) for prose in c.prose]
    texts += [("$.policy.version", about.version), ("$.policy.url", about.url)]
    for path, text in texts:
        found = _PLACEHOLDER.search(text)
        if found:
            yield Spot(
                path=path,
                message=f"{found[0]!r} was to be filled in",
                cure="the words that belong there",
            )


@rule(
    "catch-all",
    Severity.WARNING,
    title="words that leave it open",
    reason="Consent to the unknown is none. Only what is declared exists: the "
    "words may stay as a quotation, and open no gate.",
    source="T-36; T-19; T-46; PIPL Articles 6, 14, 17",
)
def catch_all(c: Context) -> Iterator[Spot]:
    for prose in c.prose:
        if prose.key in {"excludes", "terms"}:
            continue
        for sentence in sentences(prose.text):
            found = _CATCH_ALL.search(sentence)
            if found and not _DENIED.search(sentence[: found.start()]):
                yield Spot(
                    path=prose.path,
                    message=f"{found[0]!r} leaves it open",
                    cure="a closed list",
                )
                break


@rule(
    "other-product",
    Severity.WARNING,
    title="another product's name",
    reason="A text copied from elsewhere speaks of somebody else's promises.",
    source="T-43; practice",
)
def other_product(c: Context) -> Iterator[Spot]:
    known = " ".join(_names(c)).lower()
    about = c.document.policy
    ours = re.findall(r"[A-Z][\w-]{3,}", f"{about.product} {about.title}")
    for prose in c.prose:
        if prose.path.startswith(("$.policy.", "$.scope.")):
            continue
        for found in _PRODUCT.finditer(prose.text):
            word = (found[1] or found[2]).lower()
            if word in known or word in _COMMON:
                continue
            like = [o for o in ours if _is_like(o.lower(), word)]
            hint = f", and like {like[0]!r}" if like else ""
            yield Spot(
                path=prose.path,
                message=f"{found[0]!r} is not the product's name{hint}",
                cure="the product's name, or say who that is",
            )
            break


def _is_like(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other).ratio() > 0.7


def _names(c: Context) -> Iterator[str]:
    """
    Give the names of all that the document or the registry knows.
    """
    d = c.document
    yield from (d.policy.product, d.policy.title)
    if d.controller:
        yield d.controller.name
    if d.scope:
        yield from (d.scope.covers, *d.scope.excludes)
    for _, party in c.recipients:
        yield from (party.name, *party.formerly)
    for _, function in c.functions:
        yield function.name
    for _, _, entry in c.sdks:
        yield from (entry.name, entry.operator)
