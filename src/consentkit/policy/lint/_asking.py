# SPDX-License-Identifier: MIT
"""
Rules on the words that people are asked with: dark patterns.

They look at words, in English and Chinese, so they can be wrong: all of them
warn, and a person decides.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from typing import Final

from consentkit.policy.lint._prose import Prose
from consentkit.policy.lint.model import Context, Severity, Spot, rule
from consentkit.policy.tables import FunctionTable, TextTable


_EDPB: Final = "EDPB Guidelines 03/2022 on deceptive design patterns"

_LATER: Final = re.compile(
    r"later|not now|maybe|skip|remind|以后|稍后|暂不|下次|跳过|再说",
    re.IGNORECASE,
)
_DETOUR: Final = re.compile(
    r"setting|manage|option|more|learn|customi[sz]e|设置|管理|更多|了解|选项",
    re.IGNORECASE,
)
_SHAME: Final = re.compile(
    r"don'?t care|do not care|hate|worse|limited experience|miss(?:ing)? out"
    r"|no,? i (?:don'?t|do not|prefer)|unsafe|unprotected|lose"
    r"|放弃|残忍|不在乎|失去|不要优惠",
    re.IGNORECASE,
)
_COAXING: Final = re.compile(
    r"recommend|best|enjoy|great|awesome|love|推荐|最佳|更好|畅享|尊享",
    re.IGNORECASE,
)
_GUILT: Final = re.compile(
    r"don'?t you care|we(?:'d| would| will|'ll) be (?:sad|sorry)"
    r"|sad to see|disappoint|please support us|help us survive"
    r"|are you (?:really )?sure you (?:want to|don'?t)|rely on (?:you|your)"
    r"|残忍|忍心|狠心|真的要(?:离开|拒绝|放弃)|求求",
    re.IGNORECASE,
)
_THREAT: Final = re.compile(
    r"(?:can ?not|can't|unable to|not able to|no longer) (?:be )?guarantee\w*"
    r"|(?:can ?not|can't) (?:ensure|vouch)"
    r"|at (?:your own )?risk|(?:will|may|might) be (?:suspended|blocked"
    r"|terminated|lost|insecure|unsafe)"
    r"|(?:无法|不能|难以)(?:为您|向您)?(?:保证|保障)|后果自负"
    r"|将?(?:会|被)(?:封禁|停用|暂停)",
    re.IGNORECASE,
)
_URGENCY: Final = re.compile(
    r"act now|last chance|only today|hurry|before it'?s too late"
    r"|limited[- ]time|right away|don'?t wait|expires? (?:soon|today)"
    r"|限时|最后机会|仅剩|过期不候|马上开启|立[即刻]开启|立[即刻]同意",
    re.IGNORECASE,
)
_DOUBLE: Final = re.compile(
    r"\b(?:untick|uncheck|deselect|clear the box|opt out)\b[^.!?;]{0,60}"
    r"\b(?:not|don'?t|no longer|stop|without|unless)\b"
    r"|\b(?:not|don'?t|never|unless)\b[^.!?;]{0,60}"
    r"\b(?:opt out|untick|uncheck|deselect|disagree|object|decline|refuse"
    r"|unwilling|disallow)\b[^.!?;]{0,20}\b(?:not|non|un\w+)\b"
    r"|\b(?:do not|don'?t) (?:disable|opt out|disallow|disagree|uncheck"
    r"|untick|turn off)\b"
    r"|不(?:要|想)?(?:不同意|拒绝不|禁止|关闭|取消)|取消勾选[^。]{0,20}不"
    r"|并非不|不是不",
    re.IGNORECASE,
)
_NO_SERVICE: Final = re.compile(
    r"(?:can ?not|can't|unable to|not be able to|may not|no longer) "
    r"(?:use|access|enjoy|continue (?:to use|using)) (?:the |our |this |any |"
    r"all )?(?:of )?(?:the |our )?(?:services?|products?|apps?\b|application"
    r"|platform|software)"
    r"|no (?:use of the )?service\b"
    r"|(?:无法|不能|不得)(?:继续)?使用(?:本|我们的|我们|全部|所有)?"
    r"(?:的)?(?:服务|产品|应用|软件|平台|APP)",
    re.IGNORECASE,
)
_LONG: Final = {"zh": 250}
_LONG_OTHERWISE: Final = 600


def _asks(c: Context) -> Iterator[Prose]:
    """
    Give the texts that are read while deciding.
    """
    for prose in c.prose:
        match prose.owner, prose.key:
            case (FunctionTable(), "text" | "acknowledge" | "attest"):
                yield prose
            case (TextTable(kind="warning" | "notice" | "quotation"), "text"):
                yield prose
            case _ if prose.path.startswith(("$.consent.", "$.permissions[")):
                yield prose


def _spots(
    c: Context, pattern: re.Pattern[str], what: str, cure: str
) -> Iterator[Spot]:
    for prose in _asks(c):
        found = pattern.search(prose.text)
        if found:
            yield Spot(
                path=prose.path, message=f"{what}: {found[0]!r}", cure=cure
            )


@rule(
    "refuse-missing",
    Severity.ERROR,
    title="a control to agree and none to refuse",
    reason="A question that can only be answered with yes is none.",
    source=f"PIPL Article 14; {_EDPB}",
)
def refuse_missing(c: Context) -> Iterator[Spot]:
    consent = c.document.consent
    if consent.accept.strip() and not consent.refuse.strip():
        yield Spot(
            path="$.consent.accept",
            message=f"people can say {consent.accept!r}, and nothing else",
            cure="consent.refuse, as short and as plain",
        )


@rule(
    "refuse-is-later",
    Severity.WARNING,
    title="a refusal that only puts off",
    reason="'Later' is no answer; it is asked again.",
    source=_EDPB,
)
def refuse_is_later(c: Context) -> Iterator[Spot]:
    refuse = c.document.consent.refuse
    found = _LATER.search(refuse)
    if found:
        yield Spot(
            path="$.consent.refuse",
            message=f"{refuse!r} puts off and refuses nothing",
            cure="a plain no, such as 'Refuse'",
        )


@rule(
    "refusing-is-harder",
    Severity.WARNING,
    title="agreeing looks better than refusing",
    reason="Both answers are one step away, in words of equal weight.",
    source=f"{_EDPB}; CNIL SAN-2021-023 and SAN-2021-024 (refusing as easy "
    "as accepting)",
)
def refusing_is_harder(c: Context) -> Iterator[Spot]:
    accept, refuse = c.document.consent.accept, c.document.consent.refuse
    if not refuse.strip():
        return
    if _DETOUR.search(refuse):
        why = "leads to more steps"
    elif _SHAME.search(refuse):
        why = "makes the person ashamed or afraid"
    elif len(refuse) > 2 * len(accept) + 10:
        why = f"is much longer than {accept!r}"
    elif _COAXING.search(accept) and not _COAXING.search(refuse):
        why = f"stands beside a coaxing {accept!r}"
    else:
        return
    yield Spot(
        path="$.consent.refuse",
        message=f"{refuse!r} {why}",
        cure="two plain words, such as 'Agree' and 'Refuse'",
    )


@rule(
    "guilt",
    Severity.WARNING,
    title="words that make the person feel guilty",
    reason="A yes out of pity is not freely given.",
    source=f"{_EDPB}; PIPL Article 5",
)
def guilt(c: Context) -> Iterator[Spot]:
    return _spots(c, _GUILT, "it plays on feelings", "say what it is for")


@rule(
    "threat",
    Severity.WARNING,
    title="words that make the person afraid to refuse",
    reason="A warning is easily taken, and coded, for a condition. Say what "
    "does not work without it, and no more.",
    source=f"T-44; PIPL Article 16; {_EDPB}",
)
def threat(c: Context) -> Iterator[Spot]:
    return _spots(
        c, _THREAT, "it threatens", "say what does not work without it"
    )


@rule(
    "urgency",
    Severity.WARNING,
    title="words that hurry",
    reason="An informed decision takes the time that it takes.",
    source=_EDPB,
)
def urgency(c: Context) -> Iterator[Spot]:
    return _spots(c, _URGENCY, "it hurries", "leave the time out of it")


@rule(
    "double-negative",
    Severity.WARNING,
    title="a question that has to be read twice",
    reason="Who cannot tell which answer means no has not decided.",
    source=f"{_EDPB}; GDPR Article 7(2); PIPL Article 14",
)
def double_negative(c: Context) -> Iterator[Spot]:
    return _spots(
        c, _DOUBLE, "two negations in one", "say what a yes lets happen"
    )


@rule(
    "refusal-costs-service",
    Severity.ERROR,
    title="refusing something additional costs the whole product",
    reason="A product may not be refused because somebody refuses data that "
    "it does not need.",
    source="T-30; PIPL Article 16; GDPR Article 7(4)",
)
def refusal_costs_service(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        if (
            function.category != "core"
            and function.on_refusal == "service_unavailable"
        ):
            yield Spot(
                path=f"{path}.on_refusal",
                message=f"refusing {function.id!r}, which is "
                f"{function.category}, costs the whole service",
                cure="'function_unavailable' or 'degraded'",
            )


@rule(
    "refusal-text-overreaches",
    Severity.WARNING,
    title="a text that says a refusal costs the whole product",
    reason="The general sentence swallows the particular one: refusing costs "
    "the function concerned only.",
    source="T-30; PIPL Article 16",
)
def refusal_text_overreaches(c: Context) -> Iterator[Spot]:
    for prose in _asks(c):
        if (
            isinstance(prose.owner, FunctionTable)
            and prose.owner.on_refusal == "service_unavailable"
        ):
            continue
        found = _NO_SERVICE.search(prose.text)
        if found:
            yield Spot(
                path=prose.path,
                message=f"it says more than a refusal costs: {found[0]!r}",
                cure="name the one function that does not work then",
            )


@rule(
    "text-long",
    Severity.NOTE,
    title="a question too long to be read",
    reason="What is too long is agreed to unread.",
    source="MIIT notice 292 (2021); GDPR Article 12(1)",
)
def text_long(c: Context) -> Iterator[Spot]:
    language = c.document.policy.language.partition("-")[0].lower()
    most = _LONG.get(language, _LONG_OTHERWISE)
    for path, function in c.functions:
        if len(function.text) > most:
            yield Spot(
                path=f"{path}.text",
                message=f"{function.id!r} is asked with {len(function.text)} "
                f"characters, and more than {most} are not read",
                cure="the question first; the rest in the document",
            )


@rule(
    "language",
    Severity.WARNING,
    title="texts in another language than the document says",
    reason="People have to be asked in a language that they were told.",
    source="GDPR Article 12(1); PIPL Article 17",
)
def language(c: Context) -> Iterator[Spot]:
    tag = c.document.policy.language
    if not re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*", tag):
        yield Spot(
            path="$.policy.language",
            message=f"{tag!r} is no language tag",
            cure="a tag of BCP 47, such as 'en' or 'zh-Hans'",
        )
        return
    chinese = tag.partition("-")[0].lower() == "zh"
    for path, function in c.functions:
        for key in ("name", "text"):
            text = getattr(function, key)
            has_chinese = re.search(r"[\u4e00-\u9fff]", text) is not None
            japanese = re.search(r"[\u3040-\u30ff]", text) is not None
            if chinese and not has_chinese and re.search(r"[A-Za-z]{3}", text):
                found = "not in Chinese"
            elif not chinese and has_chinese and not japanese:
                found = "in Chinese"
            else:
                continue
            if tag.lower().startswith("ja"):
                continue
            yield Spot(
                path=f"{path}.{key}",
                message=f"the document is in {tag!r}, and this is {found}",
                cure="one language a document",
            )
