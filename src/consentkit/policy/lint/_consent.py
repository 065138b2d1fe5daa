# SPDX-License-Identifier: MIT
"""
Rules on how people are asked.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from consentkit.policy.lint._prose import is_blank, sentences
from consentkit.policy.lint.model import Context, Severity, Spot, rule
from consentkit.policy.period import Period
from consentkit.policy.tables import UNSPECIFIED


_CONSENTS: Final = frozenset(
    {"consent", "separate_consent", "guardian_consent"}
)
_NO_ACT: Final = re.compile(
    r"us(?:e|ing)\b|brows|scroll|continu|silen|visit|install|access"
    r"|clos(?:e|ing)|inactiv|使用|浏览|继续|沉默|安装|访问",
    re.IGNORECASE,
)
_IMPLIED: Final = re.compile(
    r"(?:by|when|if|once|where|beginning|begins?|start\w*|continu\w*)\b"
    r"[^.!?;]{0,60}\b(?:us(?:e|es|ing)|access\w*|brows\w*|visit\w*"
    r"|install\w*)\b[^.!?;]{0,60}\b(?:you|means?|shall|is|are|be)\b"
    r"[^.!?;]{0,30}\b(?:agree(?:d|s|ment)?|consent(?:ed|s)?|accept(?:ed|s)?)\b"
    r"|(?:使用|浏览|访问|安装|继续)[^。！？；]{0,30}"
    r"(?:即|视为|表示|代表|意味着)[^。！？；]{0,20}(?:同意|接受)",
    re.IGNORECASE,
)
# Asking again within this counts as often.
# Source: review practice of Chinese app stores.
_REST: Final = timedelta(hours=48)


@rule(
    "implied-consent",
    Severity.ERROR,
    title="something else than an act is taken for consent",
    reason="Consent is an informed, explicit act. Beginning to use an app is "
    "none, and nothing is ever granted by it.",
    source="T-03; PIPL Article 14; GDPR Article 4(11)",
)
def implied_consent(c: Context) -> Iterator[Spot]:
    cure = "an act of the person, such as a tick"
    for i, claimed in enumerate(c.document.consent.also_claimed):
        yield Spot(
            path=f"$.consent.also_claimed[{i}]",
            message=f"{claimed!r} is taken for consent",
            cure=cure,
        )
    act = c.document.consent.act
    if act and _NO_ACT.search(act):
        yield Spot(
            path="$.consent.act",
            message=f"{act!r} is no act of agreeing",
            cure=cure,
        )
    for prose in c.prose:
        if prose.key == "also_claimed":
            continue
        found = _IMPLIED.search(prose.text)
        if found:
            yield Spot(
                path=prose.path,
                message=f"it takes use for consent: {found[0]!r}",
                cure=cure,
            )


@rule(
    "act-missing",
    Severity.WARNING,
    title="no act that agrees",
    reason="A consent has to be shown later, with the act that gave it.",
    source="T-39; PIPL Article 14; GDPR Article 7(1)",
)
def act_missing(c: Context) -> Iterator[Spot]:
    if is_blank(c.document.consent.act):
        yield Spot(
            path="$.consent",
            message="the document does not say which act agrees",
            cure="consent.act, such as 'tick'",
        )


@rule(
    "preselected",
    Severity.ERROR,
    title="a box that is ticked before the person comes",
    reason="A box that somebody else has ticked shows no decision.",
    source="CJEU C-673/17 (Planet49); GDPR recital 32; Chinese rules on "
    "illegal collection by apps (2019)",
)
def preselected(c: Context) -> Iterator[Spot]:
    if c.document.consent.preselected:
        yield Spot(
            path="$.consent.preselected",
            message="the box is ticked before the person has decided",
            cure="leave it empty",
        )


@rule(
    "bundled-consent",
    Severity.ERROR,
    title="one act that agrees to several things",
    reason="A yes to all is a yes to nothing in particular.",
    source="T-20; PIPL Articles 14, 23, 29; GDPR Article 7(2); GB/T "
    "35273-2020, 5.3",
)
def bundled_consent(c: Context) -> Iterator[Spot]:
    if c.document.consent.bundled:
        yield Spot(
            path="$.consent.bundled",
            message="one act agrees to several things",
            cure="one decision for each function",
        )


@rule(
    "asked-at-first-open",
    Severity.WARNING,
    title="asked before it is needed",
    reason="At the first opening people cannot know what it is for. Ask when "
    "the function is first used.",
    source="T-31; Chinese rules on illegal collection by apps (2019)",
)
def asked_at_first_open(c: Context) -> Iterator[Spot]:
    cure = "ask_at = 'first_use'"
    for path, function in c.functions:
        if function.ask_at == "first_open":
            yield Spot(
                path=f"{path}.ask_at",
                message=f"{function.id!r} is asked for when the app is first "
                "opened",
                cure=cure,
            )
    for i, table in enumerate(c.document.permissions):
        if table.ask_at == "first_open":
            yield Spot(
                path=f"$.permissions[{i}].ask_at",
                message=f"the permission {table.id!r} is asked for when the "
                "app is first opened",
                cure=cure,
            )


@rule(
    "permission-bundled",
    Severity.ERROR,
    title="one permission asked for several functions at once",
    reason="Asked at the first opening, one tap would decide on functions "
    "that the person has not met yet.",
    source="T-20; T-31; GB/T 35273-2020, 5.3",
)
def permission_bundled(c: Context) -> Iterator[Spot]:
    for i, table in enumerate(c.document.permissions):
        if table.ask_at != "first_open":
            continue
        users = set(table.functions) | {
            function.id
            for _, function, _, clause in c.clauses
            if clause.permission == table.id
        }
        if len(users) > 1:
            yield Spot(
                path=f"$.permissions[{i}]",
                message=f"{table.id!r} is asked for at the first opening, for "
                f"{len(users)} functions at once: {', '.join(sorted(users))}",
                cure="ask for it when each is first used",
            )


@rule(
    "default-on",
    Severity.ERROR,
    title="on before a choice",
    reason="Silence is no consent: what needs a yes is off until then.",
    source="T-16; T-56; PIPL Article 14; GDPR Article 25(2)",
)
def default_on(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        if function.default_on and _CONSENTS.intersection(function.basis):
            yield Spot(
                path=f"{path}.default_on",
                message=f"{function.id!r} rests on consent, and is on before "
                "there is one",
                cure="off until chosen",
            )


@rule(
    "default-on-without-switch",
    Severity.WARNING,
    title="on by default, with no switch named",
    reason="A default that people cannot find is no choice.",
    source="T-56; PIPL Article 15",
)
def default_on_without_switch(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        if function.default_on and is_blank(function.turn_off):
            yield Spot(
                path=f"{path}.default_on",
                message=f"{function.id!r} is on by default, and the document "
                "does not say where it is turned off",
                cure="turn_off",
            )


@rule(
    "cookies-on-by-default",
    Severity.ERROR,
    title="cookies unless refused",
    reason="Silence is no consent: what is not necessary waits for a yes.",
    source="T-38; ePrivacy Directive, Article 5(3)",
)
def cookies_on_by_default(c: Context) -> Iterator[Spot]:
    cookies = c.document.cookies
    if cookies and cookies.used and cookies.default == "on":
        yield Spot(
            path="$.cookies.default",
            message="cookies are set unless they are refused",
            cure="off until chosen",
        )


@rule(
    "cookies-not-refusable",
    Severity.WARNING,
    title="cookies that nobody can refuse",
    reason="What is stored on the person's device is the person's choice.",
    source="ePrivacy Directive, Article 5(3); PIPL Article 15",
)
def cookies_not_refusable(c: Context) -> Iterator[Spot]:
    cookies = c.document.cookies
    if cookies and cookies.used and not cookies.refusable:
        silent = cookies.refusable is None
        yield Spot(
            path="$.cookies",
            message="whether cookies can be refused is not stated"
            if silent
            else "cookies are used and cannot be refused",
            cure="refusable = true, and a way to do it",
        )


@rule(
    "withdrawal-undescribed",
    Severity.WARNING,
    title="no way back",
    reason="Taking a consent back is as easy as giving it, so the text has "
    "to say where.",
    source="T-43; PIPL Article 15; GDPR Article 7(3)",
)
def withdrawal_undescribed(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        if function.turn_off and is_blank(function.turn_off):
            yield Spot(
                path=f"{path}.turn_off",
                message=f"where {function.id!r} is turned off is not stated",
                cure="the path in the app",
            )
    if any(
        "withdraw" in right.id.split("_") and not is_blank(right.channel)
        for right in c.document.rights
    ):
        return
    stuck = [
        function.id
        for _, function in c.functions
        if not function.turn_off and _CONSENTS.intersection(function.basis)
    ]
    if stuck:
        yield Spot(
            path="$.rights",
            message="where a consent is taken back is not stated for "
            f"{', '.join(stuck)}",
            cure="a right 'withdraw' with its channel, or turn_off",
        )


@rule(
    "consent-without-end",
    Severity.NOTE,
    title="a consent that lasts while the app is used",
    reason="Without an age or a reminder nobody thinks of it again.",
    source="T-45; practice",
)
def consent_without_end(c: Context) -> Iterator[Spot]:
    consent = c.document.consent
    if consent.lasts_until and not consent.valid_for:
        yield Spot(
            path="$.consent.lasts_until",
            message=f"a consent lasts until {consent.lasts_until!r}, with no "
            "term",
            cure="valid_for, such as P1Y, renews it",
        )


@rule(
    "nagging",
    Severity.WARNING,
    title="asked again and again",
    reason="A no that is asked away is none. A refusal rests for 48 hours at "
    "least.",
    source="Chinese rules on illegal collection by apps (2019) and app store "
    "review practice; EDPB Guidelines 03/2022",
)
def nagging(c: Context) -> Iterator[Spot]:
    again = re.compile(
        r"until (?:you|they) (?:agree|accept|allow)|every (?:time|launch)"
        r"|each (?:time|launch)[^.]{0,30}(?:ask|remind|prompt)"
        r"|直[到至](?:您|你|用户)?(?:同意|接受)|每次(?:启动|打开)",
        re.IGNORECASE,
    )
    places = [("$.consent", c.document.consent.ask_again)]
    places += [(path, f.ask_again) for path, f in c.functions]
    start = datetime(2001, 1, 1, tzinfo=UTC)
    for path, text in places:
        if not text or text == UNSPECIFIED:
            continue
        if Period.parse(text).after(start) < start + _REST:
            yield Spot(
                path=f"{path}.ask_again",
                message=f"a refusal is asked again after {text}",
                cure="P2D or more, or never",
            )
    for prose in c.prose:
        if prose.key not in {"text", "covers", "refuse"}:
            continue
        for sentence in sentences(prose.text):
            found = again.search(sentence)
            if found and re.search(
                r"ask|remind|prompt|show|agree|询问|提示|弹|同意",
                sentence,
                re.IGNORECASE,
            ):
                yield Spot(
                    path=prose.path,
                    message=f"it asks until there is a yes: {found[0]!r}",
                    cure="take the first no",
                )
                break
