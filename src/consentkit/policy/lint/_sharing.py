# SPDX-License-Identifier: MIT
"""
Rules on who else gets data, and on what grounds.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from typing import Final

from consentkit.policy.lint._prose import is_nobody, sentences
from consentkit.policy.lint.model import Context, Severity, Spot, rule
from consentkit.policy.tables import UNSPECIFIED, RecipientTable


# Somebody with ends of their own.
_OTHERS: Final = frozenset({"affiliate", "embedded", "shared"})
# Nobody in particular, so that there is no entity to name.
_NOBODY: Final = frozenset({"aggregate_only", "public", "transferred"})
_ENTITY: Final = re.compile(
    r"\b(?:co|corp|inc|ltd|llc|llp|plc|gmbh|ag|kg|ohg|se|sa|sas|sarl|srl|spa"
    r"|bv|nv|ab|as|oy|aps|pte|pty|kk|limited|company|corporation"
    r"|incorporated|foundation|university|academy|institute|association"
    r"|bank|ministry|bureau|office|e\.\s?v|s\.\s?a|b\.\s?v|n\.\s?v)\b"
    r"|公司|大学|学院|研究院|协会|基金会|银行|中心|株式会社",
    re.IGNORECASE,
)
_AUTHORITY: Final = re.compile(
    r"authorit|court|regulat|judicia|police|law|行政|司法|监管|法院",
    re.IGNORECASE,
)
_LAW: Final = re.compile(
    r"\bart(?:icle|\.)|\b§|\bsection \d|\b(?:law|act|code|regulation"
    r"|directive|gdpr|pipl)\b.*\d|第.{1,6}条|《",
    re.IGNORECASE,
)


@rule(
    "entity-missing",
    Severity.WARNING,
    title="a brand where a legal entity belongs",
    reason="Only an entity can be sued, audited or written to. A brand may "
    "be anybody's tomorrow.",
    source="WP-SDK-3; T-22; T-39; PIPL Articles 17, 23",
)
def entity_missing(c: Context) -> Iterator[Spot]:
    owner = c.document.controller
    if owner and not is_nobody(owner.name) and not _is_entity(owner.name):
        yield Spot(
            path="$.controller.name",
            message=f"{owner.name!r} is no legal entity by its name",
            cure="the full name",
        )
    known = {
        party
        for _, function, entry in c.sdks
        if entry.operator_is_legal_entity
        for party in function.recipients
    }
    for path, party in c.recipients:
        if party.mode in _NOBODY or party.id in known:
            continue
        if party.name == UNSPECIFIED:
            message = f"the text does not say who {party.id!r} is"
        elif not _is_entity(party.name):
            message = f"{party.name!r} is no legal entity by its name"
        else:
            continue
        yield Spot(path=f"{path}.name", message=message, cure="the full name")


def _is_entity(name: str) -> bool:
    return _ENTITY.search(name) is not None


@rule(
    "recipient-incomplete",
    Severity.WARNING,
    title="a recipient with gaps",
    reason="Before data is given to somebody, there is an agreement, an "
    "impact assessment, a country, and a way for people to reach them.",
    source="WP-TP-3; GP-SHR-1; GP-SDK-1; PIPL Articles 21, 23, 55; GDPR "
    "Article 28",
)
def recipient_incomplete(c: Context) -> Iterator[Spot]:
    for path, party in c.recipients:
        missing = list(_gaps(c, party))
        if missing:
            yield Spot(
                path=path,
                message=f"{party.id!r} has no {', no '.join(missing)}",
                cure="state them before production",
            )


def _gaps(c: Context, party: RecipientTable) -> Iterator[str]:
    if party.mode in _NOBODY:
        return
    if party.agreement is None:
        yield "agreement"
    tested = party.agreement and party.agreement.audited
    if party.mode == "embedded" and not tested:
        yield "date of a test of its SDK (agreement.audited)"
    if party.assessment is None and party.mode != "inbound":
        yield "impact assessment"
    if not party.country:
        yield "country"
    reached = party.contact or party.url
    for _, function, entry in c.sdks:
        if party.id in function.recipients:
            reached = reached or entry.privacy_policy
    if party.mode in _OTHERS and not reached:
        yield "contact"


@rule(
    "recipient-unnamed",
    Severity.WARNING,
    title="data goes to somebody without a name",
    reason="'Partners' cannot be agreed to: people have to know who gets "
    "their data.",
    source="T-36; PIPL Article 23; CJEU C-154/21 (Österreichische Post)",
)
def recipient_unnamed(c: Context) -> Iterator[Spot]:
    names = set(c.policy.recipients)
    for i, row in enumerate(c.document.sharing):
        if row.mode in {"public", "transferred"}:
            continue
        for j, name in enumerate(row.recipients):
            if name not in names and not _AUTHORITY.search(name):
                yield Spot(
                    path=f"$.sharing[{i}].recipients[{j}]",
                    message=f"{name!r} is nobody in particular",
                    cure="the id of one of recipients",
                )


@rule(
    "sharing-denied",
    Severity.WARNING,
    title="no sharing, it says, and there is some",
    reason="One clause undoes the other. The one that says no rules.",
    source="T-37; GDPR Article 5(1)(a)",
)
def sharing_denied(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"(?:(?:do|does|will|shall)(?: not|n't)|never|not) (?:be )?"
        r"(?:\w+ (?:or|and) )?(?:share|sell|sold|disclose|provide|give|given"
        r"|transfer)\w*\b[^.;]{0,80}(?:third part|other compan|business"
        r"|commercial|anyone|partner)"
        r"|(?:nothing|no (?:personal )?(?:data|information)) (?:is|will be) "
        r"(?:shared|sold|given)"
        r"|不(?:会)?(?:向|与)[^。；]{0,12}(?:第三方|他人|合作)[^。；]{0,8}"
        r"(?:共享|提供|分享|出售)",
        re.IGNORECASE,
    )
    unless = re.compile(
        r"without|unless|except|other than|only if|only with|除非|除外|未经"
        r"|事先",
        re.IGNORECASE,
    )
    parties = {p.id for _, p in c.recipients if p.mode in _OTHERS}
    getting = {
        party
        for function in c.policy.functions.values()
        for party in function.recipients
        if party in parties
    }
    getting |= {f.sdk for _, f in c.functions if f.sdk}
    for prose in c.said:
        for sentence in sentences(prose.text):
            found = said.search(sentence)
            if found and not unless.search(sentence) and getting:
                yield Spot(
                    path=prose.path,
                    message=f"it says {found[0]!r}, and data goes to "
                    f"{', '.join(sorted(getting))}",
                    cure="say to whom it goes",
                )
                break


@rule(
    "never-shares-broken",
    Severity.ERROR,
    title="a type goes to others that is promised not to",
    reason="The function's own recipients break its own promise.",
    source="XM-ADS-3; T-37; GDPR Article 5(1)(a)",
)
def never_shares_broken(c: Context) -> Iterator[Spot]:
    ours = {"controller", "entrusted"}
    for path, function, _, clause in c.clauses:
        if clause.type not in function.never_shares:
            continue
        if clause.protection.name.value in {"drop", "local_only"}:
            continue
        others = [
            party
            for party in clause.recipients
            if c.policy.recipients[party].mode not in ours
        ]
        if others:
            yield Spot(
                path=path,
                message=f"{function.id!r} gives {clause.type!r} to "
                f"{', '.join(others)}, which it promises to give to nobody",
                cure="take out one of the two",
            )


@rule(
    "deidentified-not-sharing",
    Severity.WARNING,
    title="sharing what is de-identified is said to be no sharing",
    reason="De-identified data names people again with what others have, "
    "and advertising networks have just that. Only what is anonymous is "
    "exempt.",
    source="T-50; PIPL Article 73; GDPR recital 26",
)
def deidentified_not_sharing(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"(?:is|are|does|do|need|shall|will|constitute\w*|count\w*|regarded"
        r"|considered)\b[^.;]{0,40}\b(?:not|no|without|outside)\b"
        r"|outside (?:these|this|the)|不(?:属于|需|视为|构成)|无需|无须",
        re.IGNORECASE,
    )
    word = re.compile(r"de-?identif|去标识", re.IGNORECASE)
    for prose in c.prose:
        if prose.key in {"deidentified", "anonymised"}:
            continue
        for sentence in sentences(prose.text):
            if word.search(sentence) and said.search(sentence):
                yield Spot(
                    path=prose.path,
                    message="it takes de-identified data out of the rules on "
                    "sharing",
                    cure="exempt only what is anonymous",
                )
                break
    for i, row in enumerate(c.document.sharing):
        if (
            row.mode == "aggregate_only"
            and "deidentified_dataset" in row.types
        ):
            yield Spot(
                path=f"$.sharing[{i}].types",
                message="what is de-identified is shared as if it were "
                "anonymous",
                cure="'anonymised_dataset' or 'aggregate_statistics' only",
            )
    for i, table in enumerate(c.document.exceptions):
        if "deidentified_dataset" in table.types:
            yield Spot(
                path=f"$.exceptions[{i}].types",
                message="what is de-identified is excused from consent",
                cure="exempt only what is anonymous",
            )


@rule(
    "exception-unlawful",
    Severity.ERROR,
    title="an exception that is no lawful basis",
    reason="What the operator considers appropriate is no basis in any law. "
    "Nothing is ever done on it.",
    source="T-36; T-58; XM-EXC-3; PIPL Article 13; GDPR Article 6",
)
def exception_unlawful(c: Context) -> Iterator[Spot]:
    message = "the operator's own discretion is no lawful basis"
    for i, table in enumerate(c.document.exceptions):
        if table.basis == "controller_discretion":
            yield Spot(
                path=f"$.exceptions[{i}].basis",
                message=message,
                cure="take it out",
            )
    for i, row in enumerate(c.document.sharing):
        for j, basis in enumerate(row.basis):
            if basis == "controller_discretion":
                yield Spot(
                    path=f"$.sharing[{i}].basis[{j}]",
                    message=message,
                    cure="take it out",
                )


@rule(
    "exception-open",
    Severity.WARNING,
    title="an exception that names no law",
    reason="'Other laws' is the easiest back door. It opens only with the "
    "law and the article named.",
    source="T-58; WP-EXC-5; PIPL Article 13(7)",
)
def exception_open(c: Context) -> Iterator[Spot]:
    for i, table in enumerate(c.document.exceptions):
        if table.basis == "other_law" and not _LAW.search(table.text):
            yield Spot(
                path=f"$.exceptions[{i}]",
                message="it excuses what other laws say, and names none",
                cure="the law and the article, in text",
            )


@rule(
    "exception-beyond-law",
    Severity.WARNING,
    title="an exception that the law does not have",
    reason="The law's list of bases is closed; a text cannot add one.",
    source="T-58; PIPL Article 13",
)
def exception_beyond_law(c: Context) -> Iterator[Spot]:
    if c.document.policy.jurisdiction != "CN":
        return
    for i, table in enumerate(c.document.exceptions):
        known = c.words.bases[table.basis]
        if not known.pipl and table.basis != "controller_discretion":
            yield Spot(
                path=f"$.exceptions[{i}].basis",
                message=f"{table.basis!r} is none of the bases of PIPL "
                "Article 13",
                cure="take it out, or name the basis that covers it",
            )


@rule(
    "scope-excludes-personal",
    Severity.WARNING,
    title="personal information that is put outside the document",
    reason="It is personal by law, whatever the text covers.",
    source="T-41; PIPL Articles 4, 27",
)
def scope_excludes_personal(c: Context) -> Iterator[Spot]:
    word = re.compile(
        r"informat|data\b|rating|record|violation|信息|数据|记录",
        re.IGNORECASE,
    )
    excludes = c.document.scope.excludes if c.document.scope else ()
    for i, text in enumerate(excludes):
        if word.search(text):
            yield Spot(
                path=f"$.scope.excludes[{i}]",
                message=f"{text!r} is put outside the document",
                cure="say what holds for it",
            )


@rule(
    "indirect-denied",
    Severity.ERROR,
    title="nothing comes from others, it says, and something does",
    reason="The exception is not marked, so the promise is broken.",
    source="T-67; T-68; WP-IND-1; PIPL Article 17; GDPR Article 14",
)
def indirect_denied(c: Context) -> Iterator[Spot]:
    indirect = c.document.indirect
    if indirect is None or indirect.allowed:
        return
    cure = "declare the source under indirect, or take it out"
    for path, party in c.recipients:
        if party.mode == "inbound":
            yield Spot(
                path=path,
                message=f"data comes from {party.id!r}, and none is said to "
                "come from others",
                cure=cure,
            )
    for i, way in enumerate(c.document.sharing):
        if way.mode == "inbound":
            yield Spot(
                path=f"$.sharing[{i}]",
                message="data comes from others, and none is said to",
                cure=cure,
            )
    for path, function, _, clause in c.clauses:
        if clause.type == "partner_supplied_info":
            yield Spot(
                path=path,
                message=f"{function.id!r} collects what partners supply, and "
                "nothing is said to come from others",
                cure=cure,
            )


@rule(
    "indirect-unnamed",
    Severity.WARNING,
    title="data comes from somebody without a name",
    reason="Where data comes from, and with what right, has to be told.",
    source="T-24; T-68; XM-IND-1; PIPL Article 17; GDPR Article 14(2)(f)",
)
def indirect_unnamed(c: Context) -> Iterator[Spot]:
    indirect = c.document.indirect
    inbound = {p.id for _, p in c.recipients if p.mode == "inbound"}
    if indirect is not None:
        inbound.update(indirect.recipients)
        if indirect.allowed and not inbound:
            yield Spot(
                path="$.indirect",
                message="data comes from others, and they are not named",
                cure="indirect.recipients",
            )
    logins = {"one_tap_login", "social_login"}
    for path, function in c.functions:
        told = logins.intersection(function.purposes)
        if told and function.collects and not inbound:
            yield Spot(
                path=path,
                message=f"{function.id!r} takes over a login from somebody "
                "else, who is not named as a source",
                cure="a recipient with mode 'inbound'",
            )
