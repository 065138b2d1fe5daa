# SPDX-License-Identifier: MIT
"""
Rules on what functions collect, and whether they need it.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from typing import Final

from consentkit.policy.lint._needs import (
    BLANKET,
    IDENTIFYING,
    OF_TYPES,
    SECONDARY,
    family,
)
from consentkit.policy.lint._prose import is_blank
from consentkit.policy.lint.model import Context, Severity, Spot, rule
from consentkit.policy.model import Clause, ProtectionName
from consentkit.policy.vocabulary import DataType


_STAYS: Final = frozenset({ProtectionName.DROP, ProtectionName.LOCAL_ONLY})
# Ids of the vocabulary that stand for "whatever it is".
_LOOSE: Final = frozenset(
    {
        "device_configuration",
        "device_settings",
        "device_unique_id",
        "function_specific_info",
        "hardware_info",
        "partner_supplied_info",
        "registration_info",
    }
)
# Words, beside a type's own name, that tell of its family.
_SAYS: Final = {
    "account": r"passw|code|token|密码|验证码|口令",
    "behaviour": r"brows|visit|history|page|浏览|访问",
    "biometric": r"face|facial|voice|finger|person|stranger|recogni[sz]"
    r"|biometr|人脸|面部|声纹|指纹|陌生人|生物",
    "clipboard": r"clipboard|剪贴板|剪切板",
    "communication": r"messag|mail|call|convers|correspond|chat|talk|support"
    r"|write to us|短信|通话|邮件|聊天|客服|消息",
    "contact": r"contact|address book|通讯录|联系人",
    "health": r"health|健康",
    "identity": r"\bid\b|identit|passport|licen[cs]e|document|minor|student"
    r"|real name|证件|身份|护照|驾驶|学籍|未成年",
    "iot_device": r"recogni[sz]|describ|event|识别|事件",
    "location": r"place|locat|where|position|region|city|位置|地点|定位|城市",
    "media": r"video|footage|record|picture|photo|image|screenshot|audio"
    r"|voice|speak|talk|watch|视频|录像|录音|截图|图片|照片|画面|语音",
    "network": r"wi-?fi|network|bluetooth|station|无线|网络|蓝牙|基站",
    "payment": r"pay|order|purchas|bank|card|transact|coupon|packag|buy"
    r"|bought|credit|支付|订单|银行|交易|购买|优惠|套餐|余额",
}
_SMALL: Final = frozenset({"data", "information", "other", "with", "your"})


@rule(
    "on-refusal-missing",
    Severity.ERROR,
    title="a function that does not say what refusing costs",
    reason="Whoever decides has to know what a no costs; without it there is "
    "no choice.",
    source="GP-PRIN-1; T-39; PIPL Articles 16, 30",
)
def on_refusal_missing(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        if is_blank(function.on_refusal):
            yield Spot(
                path=f"{path}.on_refusal",
                message=f"{function.id!r} does not say what a refusal costs",
                cure="'function_unavailable' or 'degraded', where it is not "
                "core",
            )


@rule(
    "function-empty",
    Severity.WARNING,
    title="a function that names nothing it collects",
    reason="It is announced and its content is not, so nobody can agree to "
    "it, and nothing is collected for it.",
    source="T-46; T-70; PIPL Article 17",
)
def function_empty(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        if not (
            function.collects
            or function.events
            or function.sdk
            or function.permission
            or function.self_start
            or function.never_collects
        ):
            yield Spot(
                path=path,
                message=f"{function.id!r} collects nothing, starts nothing "
                "and uses no permission",
                cure="name what it collects; or, if that is nothing, what it "
                "never collects",
            )


@rule(
    "type-loose",
    Severity.WARNING,
    title="a type that stands for whatever it may be",
    reason="Consent to the unknown is none: a list has to be closed.",
    source="T-36; T-46; PIPL Articles 6, 17",
)
def type_loose(c: Context) -> Iterator[Spot]:
    for path, function, row, clause in c.clauses:
        if clause.type in _LOOSE and clause.protection.name not in _STAYS:
            yield Spot(
                path=f"{path}.{row.place_of(clause.type)}",
                message=f"{function.id!r} collects {clause.type!r}, which can "
                "be anything",
                cure="the exact types",
            )


@rule(
    "type-beyond-purpose",
    Severity.WARNING,
    title="a type that no purpose of its clause needs",
    reason="Only what a purpose needs may be collected for it.",
    source="XM-PROT-3; PR-NEC-1; T-70; PIPL Article 6; GDPR Article 5(1)(c); "
    "GB/T 41391-2022",
)
def type_beyond_purpose(c: Context) -> Iterator[Spot]:
    for path, function, _, clause in c.clauses:
        needed = OF_TYPES.get(clause.type)
        stays = clause.protection.name in _STAYS
        if needed is None or stays or needed.intersection(clause.purposes):
            continue
        yield Spot(
            path=path,
            message=f"no purpose of {function.id!r} needs {clause.type!r}: "
            f"{', '.join(clause.purposes)}",
            cure="leave it out, or name the purpose that does",
        )


@rule(
    "core-secondary",
    Severity.WARNING,
    title="a core function with a purpose that is not core",
    reason="Core is what the product cannot work without. Who refuses risk "
    "control or statistics loses these, and not the product.",
    source="T-15; PIPL Article 16; GB/T 35273-2020, Annex C",
)
def core_secondary(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        told = set(function.purposes)
        for row in function.collects:
            told.update(row.purposes)
        secondary = sorted(told & SECONDARY)
        if function.category == "core" and secondary:
            yield Spot(
                path=path,
                message=f"{function.id!r} is core, and serves "
                f"{', '.join(secondary)}",
                cure="a function of its own, that can be refused",
            )


@rule(
    "core-identifier",
    Severity.WARNING,
    title="a core function with an identifier that it does not need",
    reason="An identifier of the device follows its holder. Made core, "
    "nobody can refuse it.",
    source="T-15; PIPL Articles 6, 16; GB/T 41391-2022",
)
def core_identifier(c: Context) -> Iterator[Spot]:
    for path, function, _, clause in c.clauses:
        type_ = c.words.data_types[clause.type]
        if (
            function.category == "core"
            and type_.category == "device_identifier"
            and clause.protection.name not in _STAYS
            and not IDENTIFYING.intersection(clause.purposes)
        ):
            yield Spot(
                path=path,
                message=f"{function.id!r} is core, and no purpose of it "
                f"needs {clause.type!r}",
                cure="leave it out, or let people refuse it",
            )


@rule(
    "purpose-catch-all",
    Severity.WARNING,
    title="a blanket purpose across all functions",
    reason="What cuts across all functions serves them. Personalising, "
    "advertising or research with the data of all others is a purpose of its "
    "own that people decide on.",
    source="T-47; PIPL Articles 6, 14",
)
def purpose_catch_all(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        blanket = sorted(BLANKET.intersection(function.purposes))
        if function.category == "cross_cutting" and blanket:
            yield Spot(
                path=f"{path}.purposes",
                message=f"{function.id!r} cuts across all functions, and "
                f"serves {', '.join(blanket)}",
                cure="an additional function for each",
            )


@rule(
    "sensitive-unnamed",
    Severity.WARNING,
    title="a sensitive type that the question does not mention",
    reason="Whoever decides on something sensitive has to be told of it, of "
    "why it is needed and what it may do to them.",
    source="PIPL Articles 17, 30; GDPR Article 4(11)",
)
def sensitive_unnamed(c: Context) -> Iterator[Spot]:
    for path, function, _, clause in c.clauses:
        type_ = c.words.data_types[clause.type]
        called = clause.type in c.document.definitions.sensitive
        stays = clause.protection.name in _STAYS
        if (type_.sensitive or called) and not stays:
            told = f"{function.text} {function.acknowledge}"
            if not _mentions(told, type_):
                yield Spot(
                    path=path,
                    message=f"{function.id!r} collects {clause.type!r}, which "
                    "is sensitive, and its text does not mention it",
                    cure=f"name it in the text: {type_.name}",
                )


def _mentions(text: str, type_: DataType) -> bool:
    named = re.findall(r"[A-Za-z]{4,}", type_.name)
    words = [word for word in named if word.lower() not in _SMALL]
    if type_.name_zh:
        words += re.findall(r"[\u4e00-\u9fff]{2,}", type_.name_zh)
    patterns = [re.escape(w) for w in words]
    patterns += [_SAYS[type_.category]] if type_.category in _SAYS else []
    return any(re.search(p, text, re.IGNORECASE) for p in patterns)


@rule(
    "defined-never-collected",
    Severity.WARNING,
    title="a type that is named and that no function collects",
    reason="It is announced, and no function says what for. No gate opens "
    "for it.",
    source="T-70; T-57; PIPL Article 17",
)
def defined_never_collected(c: Context) -> Iterator[Spot]:
    used = {clause.type for _, _, _, clause in c.clauses}
    for _, table in c.functions:
        used.update(table.never_collects)
    for _, _, entry in c.sdks:
        used.update(entry.types)
    for name in ("sensitive", "personal"):
        listed = getattr(c.document.definitions, name)
        idle = [type_ for type_ in listed if type_ not in used]
        if idle:
            yield Spot(
                path=f"$.definitions.{name}",
                message=f"no function collects {', '.join(idle)}",
                cure="take it out, or say which function needs it",
            )


@rule(
    "term-unused",
    Severity.WARNING,
    title="a word that is defined and never used",
    reason="Either a rule for it is missing or the definition is a leftover.",
    source="T-57; practice",
)
def term_unused(c: Context) -> Iterator[Spot]:
    texts = [p.text.lower() for p in c.prose if p.key != "terms"]
    for i, term in enumerate(c.document.definitions.terms):
        word = re.split(r"[:：(（]", term)[0].strip().lower()
        if word and not any(word in text for text in texts):
            yield Spot(
                path=f"$.definitions.terms[{i}]",
                message=f"{term!r} is defined, and used nowhere",
                cure="take it out, or write the rule that needs it",
            )


@rule(
    "never-collects-broken",
    Severity.ERROR,
    title="a type is collected that is promised not to be",
    reason="The function's own list breaks its own promise.",
    source="WP-PAY-1; GDPR Article 5(1)(a)",
)
def never_collects_broken(c: Context) -> Iterator[Spot]:
    for path, function, _, clause in c.clauses:
        kept_out = clause.protection.name is ProtectionName.DROP
        if clause.type in function.never_collects and not kept_out:
            yield Spot(
                path=path,
                message=f"{function.id!r} collects {clause.type!r}, which it "
                "promises never to collect",
                cure="take out one of the two",
            )


@rule(
    "never-with-joinable",
    Severity.WARNING,
    title="data that is never to be joined, and can be",
    reason="Two functions whose data is promised to stay apart share a key "
    "or a purpose. Whoever has both can join them.",
    source="PR-USE-3; T-47; WP-COMB-4",
)
def never_with_joinable(c: Context) -> Iterator[Spot]:
    clauses = {f.id: f.clauses for f in c.policy.functions.values()}
    for path, function in c.functions:
        for i, other in enumerate(function.never_with):
            shared = sorted(
                type_
                for type_, clause in clauses[function.id].items()
                if _is_key(c, clause)
                and type_ in clauses[other]
                and _is_key(c, clauses[other][type_])
            )
            purposes = sorted(
                set(c.policy.functions[function.id].purposes)
                & set(c.policy.functions[other].purposes)
            )
            if shared or purposes:
                yield Spot(
                    path=f"{path}.never_with[{i}]",
                    message=f"{function.id!r} and {other!r} share "
                    f"{', '.join(shared + purposes)}",
                    cure="'keyed' makes keys that cannot be joined; and "
                    "purposes of their own",
                )


def _is_key(c: Context, clause: Clause) -> bool:
    type_ = c.words.data_types[clause.type]
    names = {ProtectionName.NONE, ProtectionName.MD5}
    who = {"direct", "device"}
    return clause.protection.name in names and type_.identifiability in who


@rule(
    "self-start-undeclared",
    Severity.WARNING,
    title="starts by itself, without saying why and how often",
    reason="An app that wakes up by itself needs a reason and a bound.",
    source="T-16; T-21; MIIT notices on self-start and linked start",
)
def self_start_undeclared(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        permissions = {function.permission} | {
            clause.permission
            for clause in c.policy.functions[function.id].clauses.values()
        }
        table = function.self_start
        if "self_start" in map(family, permissions) and table is None:
            yield Spot(
                path=path,
                message=f"{function.id!r} may start by itself, and does not "
                "say how often",
                cure="self_start = { purpose = ..., per_day = ... }",
            )
        if table is not None and not 1 <= table.per_day <= 24:
            yield Spot(
                path=f"{path}.self_start.per_day",
                message=f"{table.per_day} starts a day",
                cure="1 to 24",
            )


@rule(
    "self-start-forced",
    Severity.ERROR,
    title="self-start that is a must",
    reason="Without consent there is no start; so it cannot be a must.",
    source="T-16; MIIT notices on self-start and linked start",
)
def self_start_forced(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        if function.self_start and (
            function.category == "core" or function.default_on
        ):
            yield Spot(
                path=f"{path}.self_start",
                message=f"{function.id!r} starts the app by itself, and is "
                + ("core" if function.category == "core" else "on by default"),
                cure="an additional function, off until chosen",
            )
    said = re.compile(
        r"\bmust\b[^.;]{0,30}\b(?:self-?start|start (?:by )?itself)"
        r"|必须[^。；]{0,10}自启动",
        re.IGNORECASE,
    )
    for prose in c.said:
        found = said.search(prose.text)
        if found:
            yield Spot(
                path=prose.path,
                message=f"it says {found[0]!r}",
                cure="an additional function, off until chosen",
            )


@rule(
    "profiling-without-choice",
    Severity.WARNING,
    title="a picture of the person without a choice",
    reason="Decisions made by machine on a picture of somebody need a way "
    "without it.",
    source="PIPL Article 24; GDPR Articles 21, 22",
)
def profiling_without_choice(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        asks = {"consent", "separate_consent"}.intersection(function.basis)
        if function.profiling and (function.category == "core" or not asks):
            yield Spot(
                path=f"{path}.profiling",
                message=f"{function.id!r} builds a picture of the person, "
                "and cannot be refused",
                cure="an additional function, by consent",
            )
