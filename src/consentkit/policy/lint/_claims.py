# SPDX-License-Identifier: MIT
"""
Rules on claims: what a text says of the data against what is done with it.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from typing import Final

from consentkit.policy.lint._prose import sentences
from consentkit.policy.lint.model import Context, Severity, Spot, rule
from consentkit.policy.model import Clause, ProtectionName
from consentkit.policy.tables import FunctionTable


_STAYS: Final = frozenset({ProtectionName.DROP, ProtectionName.LOCAL_ONLY})

# What names somebody by itself, and what does so no more: the most useful
# first.
_NAMING: Final = frozenset({"direct", "device"})
_UNNAMING: Final = (
    ProtectionName.KEYED,
    ProtectionName.PRESENT,
    ProtectionName.LOCAL_ONLY,
    ProtectionName.DROP,
)

# Holds its owner's name, often; no type of the vocabulary says that.
_NAMES: Final = frozenset({"device_name"})


@rule(
    "local-promise-broken",
    Severity.WARNING,
    title="said to stay on the device, and sent",
    reason="What is said to stay must have no way out.",
    source="WP-VID-5; T-23; GDPR Article 5(1)(a)",
)
def local_promise_broken(c: Context) -> Iterator[Spot]:
    stays = re.compile(
        r"(?:stays?|remains?|kept|stored|used|processed) (?:only )?(?:on|in) "
        r"(?:your|this|the) (?:phone|device|computer)\b(?: only)?"
        r"|never leaves? (?:your|this|the)|(?:not|never) (?:be )?(?:sent"
        r"|uploaded|transmitted)|(?:only|nowhere but) on (?:your|this|the) "
        r"(?:phone|device|computer)|nowhere else"
        r"|仅(?:在|保存在|存储在)?(?:您的)?(?:本机|本地|手机|设备)|不会?上传",
        re.IGNORECASE,
    )
    for path, function in c.functions:
        clauses = c.policy.functions[function.id].clauses.values()
        leaving = [x for x in clauses if x.protection.name not in _STAYS]
        found = stays.search(function.text)
        if found and leaving and len(leaving) == len(clauses):
            types = ", ".join(x.type for x in leaving)
            yield Spot(
                path=f"{path}.text",
                message=f"{function.id!r} says {found[0]!r}, and sends "
                f"{types}",
                cure="protect = 'local_only'",
            )
        elif clauses and not leaving and _others(c, function):
            yield Spot(
                path=f"{path}.recipients",
                message=f"nothing of {function.id!r} leaves the device, and "
                f"it names {', '.join(_others(c, function))}",
                cure="no recipients",
            )


def _others(c: Context, function: FunctionTable) -> list[str]:
    """
    Name who else gets data; an SDK that takes its own needs no clause.
    """
    owner = c.policy.controller.id
    return [r for r in function.recipients if r != owner and not function.sdk]


@rule(
    "other-purpose-training",
    Severity.WARNING,
    title="no other purpose, and AI is trained with it",
    reason="Training is another purpose, and a decision of its own.",
    source="T-08; PIPL Article 14",
)
def other_purpose_training(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"(?:no|any|for|serve[sd]? no) other (?:purpose|use)"
        r"|not (?:be )?used for any(?:thing)? (?:other|else)"
        r"|not (?:be )?used otherwise"
        r"|不(?:会|得)?用于(?:任何)?其[他它](?:用途|目的)",
        re.IGNORECASE,
    )
    training = {
        clause.type: function.id
        for _, function, _, clause in c.clauses
        if "ai_model_training" in clause.purposes
        and clause.protection.name not in _STAYS
    }
    kinds = {c.words.data_types[t].category for t in training}
    for prose in c.said:
        found = said.search(prose.text)
        if not found or not training:
            continue
        own = getattr(prose.owner, "collects", None)
        if own is not None and not kinds.intersection(
            c.words.data_types[type_].category
            for row in own
            for type_ in row.each
        ):
            continue
        yield Spot(
            path=prose.path,
            message=f"it says {found[0]!r}, and "
            f"{', '.join(sorted(set(training.values())))} trains AI models "
            f"with {', '.join(sorted(training))}",
            cure="training as a separate function, and words that leave "
            "room for it",
        )


@rule(
    "digest-called-anonymous",
    Severity.ERROR,
    title="a digest or an identifier called anonymous",
    reason="Who has the digest finds the number by guessing, in seconds; and "
    "an advertising identifier follows a person from app to app. Both are "
    "pseudonyms, and personal.",
    source="T-01; T-65; T-18; PIPL Article 73; GDPR recital 26; WP29 Opinion "
    "05/2014",
)
def digest_called_anonymous(c: Context) -> Iterator[Spot]:
    # The digest is named before what it is of.
    digests = [
        re.compile(
            r"\bmd5\b|\bsha-?(?:1|256)\b|\bhash\w*|\bdigests?\b"
            r"|摘要|哈希|散列",
            re.IGNORECASE,
        ),
        re.compile(
            r"\boaid\b|\bidfa\b|\bgaid\b|\bimei\b|\bmac address"
            r"|advertising identifier|device identifier|设备标识",
            re.IGNORECASE,
        ),
    ]
    anonymous = re.compile(
        r"(?<!open )\banonym(?!ous device id)\w*|匿名(?!设备标识)",
        re.IGNORECASE,
    )
    denied = re.compile(
        r"\b(?:not|never|no|isn't|aren't|nothing|neither)\b[^.;]{0,40}anonym"
        r"|(?:digests?|hash\w*|md5)\b[^.;]{0,40}\b(?:not|never|no)\b"
        r"|(?:不是|并非|不属于|不等于|不构成)[^。；]{0,10}匿名",
        re.IGNORECASE,
    )
    for prose in c.said:
        defines = prose.key == "anonymised"
        for sentence in sentences(prose.text):
            found = (digest.search(sentence) for digest in digests)
            told = next(filter(None, found), None)
            if told is None or denied.search(sentence):
                continue
            if defines or anonymous.search(sentence):
                yield Spot(
                    path=prose.path,
                    message=f"it calls {told[0]!r} anonymous",
                    cure="call it pseudonymised",
                )
                break


@rule(
    "digest-unkeyed",
    Severity.WARNING,
    title="a digest without a key",
    reason="The MD5 of an identifier is undone by guessing, and is the same "
    "everywhere, so that all who have it can join their data.",
    source="WP-HASH-4; T-01; NIST SP 800-188",
)
def digest_unkeyed(c: Context) -> Iterator[Spot]:
    for path, function, _, clause in c.clauses:
        if clause.protection.name is ProtectionName.MD5:
            yield Spot(
                path=f"{path}.protect",
                message=f"{function.id!r} sends the MD5 of {clause.type!r}",
                cure="'keyed'",
            )


@rule(
    "identifier-scrubbed",
    Severity.WARNING,
    title="a name, a number or an address that is only scrubbed",
    reason="The scrubber cuts out of a text what has a form. A name has none "
    "and leaves as it stands; of a number or an address that is cut out, "
    "nothing is left that is of use.",
    source="WP-DEF-1; PIPL Article 73; GDPR Article 4(5)",
)
def identifier_scrubbed(c: Context) -> Iterator[Spot]:
    for path, function, _, clause in c.clauses:
        type_ = c.words.data_types[clause.type]
        naming = type_.identifiability in _NAMING or type_.id in _NAMES
        if naming and clause.protection.name is ProtectionName.SCRUB:
            better = [
                f"'{n.value}'" for n in _UNNAMING if n in type_.protections
            ]
            told = "names somebody by itself"
            if type_.id in _NAMES:
                told = "often holds its owner's name"
            yield Spot(
                path=f"{path}.protect",
                message=f"{function.id!r} only scrubs {clause.type!r}, "
                f"which {told}",
                cure=f"one of {', '.join(better)}",
            )


@rule(
    "identifier-called-harmless",
    Severity.WARNING,
    title="identifiers that are said to identify nobody",
    reason="What singles out a device singles out its holder, and is "
    "personal by law.",
    source="T-02; T-69; PIPL Article 4; GDPR Article 4(1)",
)
def identifier_called_harmless(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"(?:do|does|can|will|is|are)(?: ?not|n't) (?:\w+ )?(?:involve|relate"
        r"|identify|reveal|linked|related)[^.;]{0,40}(?:identit|you\b|person"
        r"|anyone|anybody|individual)|identif(?:y|ies) nobody"
        r"|(?:不|无法|不能|不会)(?:涉及|识别|关联)[^。；]{0,12}(?:身份|个人|您)",
        re.IGNORECASE,
    )
    by_function = {
        f.id: sorted(t for t in f.clauses if _singles_out(c, f.clauses[t]))
        for f in c.policy.functions.values()
    }
    everything = sorted({t for types in by_function.values() for t in types})
    for prose in c.said:
        owner = getattr(prose.owner, "collects", None)
        types = everything
        if owner is not None:
            types = by_function[prose.owner.id]
        found = said.search(prose.text)
        if found and types:
            more = f" and {len(types) - 5} more" * (len(types) > 5)
            yield Spot(
                path=prose.path,
                message=f"it says {found[0]!r} of {', '.join(types[:5])}"
                f"{more}",
                cure="call them personal",
            )


def _singles_out(c: Context, clause: Clause) -> bool:
    type_ = c.words.data_types[clause.type]
    leaves = clause.protection.name not in _STAYS
    by_list = clause.type in {"installed_apps", "running_processes"}
    return leaves and (type_.identifiability == "device" or by_list)


@rule(
    "own-cipher",
    Severity.WARNING,
    title="a cipher of one's own",
    reason="Home-made ciphers break. What protects is public, vetted, and "
    "keeps nothing secret but the key.",
    source="T-60; Kerckhoffs's principle; OWASP ASVS, cryptography",
)
def own_cipher(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"\b(?:own|proprietary|self-developed|home-made|in-house|secret) "
        r"(?:\w+ )?(?:encryption|encrypt\w*|cipher|algorithm|cryptograph\w*)"
        r"|(?:自研|自有|自主研发|私有)[^。；]{0,6}(?:加密|密码算法)",
        re.IGNORECASE,
    )
    for prose in c.said:
        found = said.search(prose.text)
        if found:
            yield Spot(
                path=prose.path,
                message=f"it relies on {found[0]!r}",
                cure="a public standard, such as TLS 1.3 or HPKE",
            )


@rule(
    "warning-explained-away",
    Severity.WARNING,
    title="a warning of the system that is said to be false",
    reason="It tells people not to believe the one witness that they have. "
    "Who reads nothing can show it: every read is on record.",
    source="T-17; practice",
)
def warning_explained_away(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"\b(?:warning|alert|prompt|indicat)\w*\b[^.;]{0,60}\b(?:false|wrong"
        r"|inaccurate|incorrect|mistaken|misleading|misreport)\w*"
        r"|(?:false|wrong|mistaken|misleading) (?:warning|alert|prompt)\w*"
        r"|(?:提示|提醒|警告|告警)[^。；]{0,20}(?:误报|不准确|有误|错误)"
        r"|误报",
        re.IGNORECASE,
    )
    for prose in c.said:
        found = said.search(prose.text)
        if found:
            yield Spot(
                path=prose.path,
                message=f"it says {found[0]!r}",
                cure="leave it out, and show people what was read and when",
            )
