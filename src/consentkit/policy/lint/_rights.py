# SPDX-License-Identifier: MIT
"""
Rules on who answers, what people can ask for, minors, and changes.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from typing import Final

from consentkit.policy.lint._prose import is_blank, is_nobody
from consentkit.policy.lint.model import Context, Severity, Spot, rule
from consentkit.policy.tables import UNSPECIFIED


_MAIL: Final = re.compile(r"[^\s@,;<>]{1,64}@(?P<host>[^\s@,;<>]{1,255})")
_HOST: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?P<top>[a-z]{2,}|xn--[a-z0-9-]+)",
    re.IGNORECASE,
)
_PHONE: Final = re.compile(r"[+(0-9][0-9+ ()./-]{3,}[0-9]")
_LINK: Final = re.compile(r"https?://[\w-]+(?:\.[\w-]+)+\S*")
# What is left of .com, .info or .cn when its end is cut off. Each is the
# domain of some country too, which is looked at.
_CUT: Final = {
    "bi": ".biz",
    "cm": ".com",
    "in": ".info or .inc",
    "inf": ".info",
    "ne": ".net",
    "og": ".org",
    "or": ".org",
}
# Rights that PIPL (44-50) and GDPR (7, 12-20, 77) give everybody.
_RIGHTS: Final = {
    "access": "see the data",
    "copy": "get a copy",
    "correct": "have it corrected",
    "delete": "have it deleted",
    "withdraw": "withdraw a consent",
    "restrict": "restrict or refuse processing",
    "portability": "move it elsewhere",
    "explain": "have the rules explained",
    "complain": "complain",
}
# At once, so that there is nothing to wait for.
_AT_ONCE: Final = frozenset({"withdraw"})
_MOST: Final = {"day": 30, "working_day": 22}


@rule(
    "template",
    Severity.WARNING,
    title="a template that is no policy yet",
    reason="It loads, and no app can be opened with it.",
    source="T-48; T-32; practice",
)
def template(c: Context) -> Iterator[Spot]:
    if c.document.policy.template:
        yield Spot(
            path="$.policy.template",
            message="the document is a template",
            cure="fill in what is open, and take the key out",
        )


@rule(
    "controller-missing",
    Severity.ERROR,
    title="nobody answers for it",
    reason="A consent to nobody is none.",
    source="T-48; T-39; PIPL Article 17; GDPR Article 13(1)(a)",
)
def controller_missing(c: Context) -> Iterator[Spot]:
    owner = c.document.controller
    if owner is None:
        yield Spot(
            path="$.controller",
            message="the document names no controller",
            cure="the full name of the legal entity, and how to reach it",
        )
    elif is_nobody(owner.name):
        yield Spot(
            path="$.controller.name",
            message=f"{owner.name!r} names nobody",
            cure="the full name of the legal entity",
        )


@rule(
    "controller-incomplete",
    Severity.WARNING,
    title="a controller without an address, an officer or an electronic "
    "contact",
    reason="People have to be able to write to it, and to whoever is "
    "responsible for their data.",
    source="T-39; PIPL Articles 17, 52; GDPR Article 13(1)(b)",
)
def controller_incomplete(c: Context) -> Iterator[Spot]:
    owner = c.document.controller
    if owner is None:
        return
    contacts = [owner.contact, *(x.value for x in owner.contacts)]
    online = any(
        _MAIL.search(text) or _LINK.search(text) for text in contacts
    ) or any(x.kind in {"form", "app", "email"} for x in owner.contacts)
    missing = [
        word
        for word, there in (
            ("postal address", not is_blank(owner.address)),
            ("officer for personal information", not is_blank(owner.officer)),
            ("electronic contact", online),
        )
        if not there
    ]
    if missing:
        yield Spot(
            path="$.controller",
            message=f"no {', no '.join(missing)}",
            cure="add them",
        )


@rule(
    "contact-unusable",
    Severity.WARNING,
    title="a contact that nobody can use",
    reason="A request that bounces is a right that is not there.",
    source="KS-CNT-1; T-43; PIPL Articles 17, 50",
)
def contact_unusable(c: Context) -> Iterator[Spot]:
    owner = c.document.controller
    if owner is None:
        return
    home = c.document.policy.jurisdiction
    if owner.contact and not is_blank(owner.contact):
        text = owner.contact
        if not any(p.search(text) for p in (_MAIL, _PHONE, _LINK)):
            yield Spot(
                path="$.controller.contact",
                message=f"{text!r} is no mail address, number or link",
                cure="such as privacy@maker.example",
            )
        for found in _MAIL.finditer(text):
            problem = _mail_problem(found["host"], home)
            if problem:
                yield Spot(
                    path="$.controller.contact",
                    message=f"{found[0]!r}: {problem}",
                    cure="the whole address",
                )
    for i, contact in enumerate(owner.contacts):
        problem = ""
        match contact.kind:
            case "email":
                mail = _MAIL.fullmatch(contact.value.strip())
                problem = "no mail address"
                if mail:
                    problem = _mail_problem(mail["host"], home)
            case "telephone":
                if not _PHONE.fullmatch(contact.value.strip()):
                    problem = "no telephone number"
            case "form":
                if not _LINK.fullmatch(contact.value.strip()):
                    problem = "no link"
            case _:
                if is_blank(contact.value):
                    problem = "nothing is stated"
        if problem:
            yield Spot(
                path=f"$.controller.contacts[{i}].value",
                message=f"{contact.value!r}: {problem}",
                cure="a contact that works",
            )


def _mail_problem(host: str, home: str) -> str:
    match = _HOST.fullmatch(host.rstrip("."))
    if match is None:
        return "its host is no domain"
    top = match["top"].lower()
    if top in _CUT and top != home.lower():
        return (
            f"its host looks cut off: .{top}, where {_CUT[top]} may be meant"
        )
    return ""


@rule(
    "rights-missing",
    Severity.WARNING,
    title="rights that the document does not describe",
    reason="The law grants them anyway, and they work under every document. "
    "But people have to be told.",
    source="T-33; PIPL Articles 17, 44-50; GDPR Articles 13(2), 15-22",
)
def rights_missing(c: Context) -> Iterator[Spot]:
    told = {part for r in c.document.rights for part in r.id.split("_")}
    needed = dict(_RIGHTS)
    if any("account_registration" in f.purposes for _, f in c.functions):
        needed["cancel"] = "cancel the account"
    missing = [text for id_, text in needed.items() if id_ not in told]
    if missing:
        yield Spot(
            path="$.rights",
            message=f"it does not say how people can {', '.join(missing)}",
            cure="a right each, with its channel and deadline",
        )


@rule(
    "right-without-channel",
    Severity.WARNING,
    title="a right, and no place to exercise it",
    reason="A right that nobody can reach is none.",
    source="T-33; T-43; PIPL Article 50",
)
def right_without_channel(c: Context) -> Iterator[Spot]:
    for i, right in enumerate(c.document.rights):
        if is_blank(right.channel):
            yield Spot(
                path=f"$.rights[{i}].channel",
                message=f"where {right.id!r} is exercised is not stated",
                cure="the path in the app, or a contact",
            )


@rule(
    "right-without-deadline",
    Severity.WARNING,
    title="a right without a deadline",
    reason="An answer that may take for ever is none.",
    source="T-33; T-51; GDPR Article 12(3); GB/T 35273-2020, 8.7",
)
def right_without_deadline(c: Context) -> Iterator[Spot]:
    for i, right in enumerate(c.document.rights):
        if right.deadline is None and right.id not in _AT_ONCE:
            yield Spot(
                path=f"$.rights[{i}]",
                message=f"by when {right.id!r} is answered is not stated",
                cure="deadline = { value = 15, unit = 'working_day' }",
            )


@rule(
    "deadline-long",
    Severity.WARNING,
    title="an answer that takes more than a month",
    reason="Requests are answered within thirty days.",
    source="GDPR Article 12(3); GB/T 35273-2020, 8.7",
)
def deadline_long(c: Context) -> Iterator[Spot]:
    for i, right in enumerate(c.document.rights):
        due = right.deadline
        if due is not None and due.value > _MOST.get(due.unit, due.value):
            yield Spot(
                path=f"$.rights[{i}].deadline",
                message=f"{right.id!r} is answered within {due.value} "
                f"{due.unit.replace('_', ' ')}s",
                cure="30 days or less",
            )


@rule(
    "minors-missing",
    Severity.WARNING,
    title="nothing on minors",
    reason="Everything of a child is sensitive, and a guardian decides.",
    source="T-39; T-57; PIPL Articles 28, 31; GDPR Article 8",
)
def minors_missing(c: Context) -> Iterator[Spot]:
    table = c.document.minors
    if table is None:
        yield Spot(
            path="$.minors",
            message="the document says nothing on children and minors",
            cure="both ages, and what holds for them",
        )


@rule(
    "minors-half-defined",
    Severity.WARNING,
    title="children or minors, defined and not used, or the reverse",
    reason="Which rule for whom cannot be told.",
    source="T-57; T-28; PIPL Article 31",
)
def minors_half_defined(c: Context) -> Iterator[Spot]:
    table = c.document.minors
    if table is None:
        return
    ages = {"child_below": table.child_below, "minor_below": table.minor_below}
    for name, age in ages.items():
        if age is None:
            yield Spot(
                path="$.minors",
                message=f"up to which age somebody is a {name[:5]} is not "
                "stated",
                cure=name,
            )
    if not (table.rule or table.child_barred or table.guardian_for):
        yield Spot(
            path="$.minors",
            message="ages are defined, and nothing holds for them",
            cure="rule, guardian_for or child_barred",
        )


@rule(
    "minors-ages-crossed",
    Severity.ERROR,
    title="a child's age above a minor's",
    reason="A child is a minor too. Somebody who is of age would need a "
    "guardian as a child.",
    source="T-28; PIPL Article 31",
)
def minors_ages_crossed(c: Context) -> Iterator[Spot]:
    table = c.document.minors
    if table is None or table.child_below is None or not table.minor_below:
        return
    child = table.child_below + table.child_inclusive
    if child > table.minor_below:
        yield Spot(
            path="$.minors.child_below",
            message=f"children are those below {child}, and minors only "
            f"those below {table.minor_below}: the child's bound lies above "
            "the minor's",
            cure="a child's age that is not above the minor's",
        )


@rule(
    "child-age-differs",
    Severity.NOTE,
    title="another age than the law's",
    reason="In China a child is somebody below 14: who is 14 is none.",
    source="T-28; PIPL Article 31",
)
def child_age_differs(c: Context) -> Iterator[Spot]:
    table = c.document.minors
    if table is None or c.document.policy.jurisdiction != "CN":
        return
    if table.child_below is None:
        return
    if table.child_below != 14 or table.child_inclusive:
        age = table.child_below
        who = f"{age} or younger" if table.child_inclusive else f"below {age}"
        yield Spot(
            path="$.minors.child_below",
            message=f"a child is here who is {who}",
            cure="14, not included; more protection is allowed",
        )


@rule(
    "presumed-adult",
    Severity.WARNING,
    title="everybody is presumed to be of age",
    reason="An unknown age would open everything. Unknown stays unknown.",
    source="T-29; PIPL Article 31",
)
def presumed_adult(c: Context) -> Iterator[Spot]:
    table = c.document.minors
    if table and table.presumed_adult:
        yield Spot(
            path="$.minors.presumed_adult",
            message="people are presumed to be capable adults",
            cure="ask for the age where it matters",
        )


@rule(
    "changes-missing",
    Severity.WARNING,
    title="nothing on how the document changes",
    reason="People agree to this text. What happens when it changes has to "
    "be told.",
    source="T-39; PIPL Articles 14, 17",
)
def changes_missing(c: Context) -> Iterator[Spot]:
    changes = c.document.changes
    if changes is None:
        yield Spot(
            path="$.changes",
            message="the document does not say how it may change",
            cure="major kinds, how they are told, and an archive",
        )
        return
    if changes.no_reduction is not True:
        yield Spot(
            path="$.changes",
            message="that rights are not reduced without consent is not "
            "stated",
            cure="no_reduction = true",
        )
    if not changes.notice:
        yield Spot(
            path="$.changes",
            message="how people are told of a major change is not stated",
            cure="notice, such as ['pop-up']",
        )


@rule(
    "major-changes-undefined",
    Severity.WARNING,
    title="no word on which changes are major",
    reason="A major change is told and asked for. Without a list nobody can "
    "tell which one is.",
    source="XM-VER-1; PIPL Article 14",
)
def major_changes_undefined(c: Context) -> Iterator[Spot]:
    changes = c.document.changes
    if changes is not None and not changes.major:
        yield Spot(
            path="$.changes",
            message="which changes are major is not stated",
            cure="major, such as ['purpose', 'recipients', 'rights']",
        )


@rule(
    "archive-missing",
    Severity.WARNING,
    title="no archive of old versions",
    reason="Who agreed to an older text has to be able to read it again.",
    source="T-39; KS-VER-4; PIPL Article 17",
)
def archive_missing(c: Context) -> Iterator[Spot]:
    changes = c.document.changes
    if changes is not None and changes.archive is not True:
        yield Spot(
            path="$.changes",
            message="that old versions can be read is not stated",
            cure="archive = true, and keep them",
        )


@rule(
    "incident-missing",
    Severity.WARNING,
    title="nothing on incidents",
    reason="After a leak people are told what happened, what it may do to "
    "them and what is done about it.",
    source="T-39; PIPL Article 57; GDPR Article 34",
)
def incident_missing(c: Context) -> Iterator[Spot]:
    if c.document.incident is None or not c.document.incident.contents:
        yield Spot(
            path="$.incident",
            message="what people are told after an incident is not stated",
            cure="contents and channels",
        )


@rule(
    "cessation-missing",
    Severity.NOTE,
    title="nothing on the end of operation",
    reason="When the service ends, collection stops and data is deleted.",
    source="PIPL Article 47; GB/T 35273-2020, 6.4",
)
def cessation_missing(c: Context) -> Iterator[Spot]:
    if c.document.cessation is None:
        yield Spot(
            path="$.cessation",
            message="what happens when operation ends is not stated",
            cure="stop_collecting, notify and at_end",
        )


@rule(
    "ban-without-rights",
    Severity.WARNING,
    title="people are shut out, and their rights with them",
    reason="Whoever cannot log in any more has the same rights, and needs "
    "another way to them.",
    source="T-52; PIPL Articles 44-50; GDPR Article 12(2)",
)
def ban_without_rights(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"\b(?:restrict|ban|block|suspend|clos|freez|froz|lock)\w*\b[^.,;]{0,30}"
        r"\b(?:for ever|forever|permanently|for good|for life)"
        r"|permanent(?:ly)? (?:restrict|ban|block|suspen|clos|freez|lock)\w*"
        r"|cannot be (?:unbanned|unblocked|unlocked)"
        r"|永久(?:性)?(?:封|冻结|限制|停用|关闭)|(?:不予|无法|不可)(?:解封|解冻)",
        re.IGNORECASE,
    )
    way = re.compile(
        r"without (?:an? |the |your )?(?:account|logging in|login)"
        r"|(?:cannot|can no longer|are unable to) log in|无需登录|无法登录时",
        re.IGNORECASE,
    )
    if any(way.search(prose.text) for prose in c.said):
        return
    for prose in c.said:
        found = said.search(prose.text)
        if found:
            yield Spot(
                path=prose.path,
                message=f"it says {found[0]!r}, and not how data is seen, "
                "copied or deleted without an account",
                cure="a channel that needs no login",
            )


@rule(
    "unspecified",
    Severity.WARNING,
    title="something that the author has not decided yet",
    reason="A default chosen by the library would be an invented promise. "
    "A document for production states it.",
    source="T-39; T-33",
)
def unspecified(c: Context) -> Iterator[Spot]:
    cure = "decide, write it where it belongs, and take it out of here"
    for i, item in enumerate(c.document.unspecified):
        yield Spot(
            path=f"$.unspecified[{i}]",
            message=f"left open: {item}",
            cure=cure,
        )
    for prose in c.prose:
        if prose.text.strip() == UNSPECIFIED and prose.key not in _ELSEWHERE:
            yield Spot(
                path=prose.path,
                message=f"{prose.key!r} is left open",
                cure="decide, and write it",
            )


# Reported by a rule of their own.
_ELSEWHERE: Final = frozenset(
    {"address", "channel", "name", "officer", "turn_off"}
)
