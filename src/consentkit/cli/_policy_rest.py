# SPDX-License-Identifier: MIT
"""
What a policy says beside its functions, for people: whom to turn to, what
one can ask for, who else gets data, and every sentence that stands in it.
"""

from __future__ import annotations

import json

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from consentkit.cli._common import count
from consentkit.policy.document import canonical
from consentkit.policy.model import Policy
from consentkit.policy.period import Period
from consentkit.policy.tables import (
    UNSPECIFIED,
    ClaimTable,
    ConsentTable,
    ContactTable,
    ControllerTable,
    DeadlineTable,
    Document,
    ExceptionTable,
    FunctionTable,
    MinorsTable,
    PermissionTable,
    RecipientTable,
    RetentionTable,
    RightTable,
    SharingTable,
)
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry.load import load_registry
from consentkit.registry.model import SDKEntry


__all__ = [
    "deadline",
    "function_remarks",
    "in_words",
    "plainly",
    "sections",
    "tables",
    "type_name",
]

_OPEN: Final = "the text does not say"
_DAY: Final = 86_400
_KINDS: Final = {
    "warning": "Warning: ",
    "claim": "Claimed, and not checked: ",
    "quotation": "The text reads: ",
    "notice": "",
}
_PENDING: Final = {
    "drop": "",
    "memory": "What comes before the answer waits in memory.",
    "quarantine": "What comes before the answer waits, encrypted.",
}

#: Tables that are told as they are written, beside what is worked out.
_AS_WRITTEN: Final = (
    "scope",
    "consent",
    "definitions",
    "permissions",
    "retention",
    "storage",
    "requests",
    "minors",
    "signals",
    "sharing",
    "changes",
    "cookies",
    "indirect",
    "security",
    "incident",
    "cessation",
    "texts",
    "archive",
)


def tables(policy: Policy) -> dict[str, Any]:
    """
    Give the other tables of *policy* as values for JSON.

    A key that stands at its default is left out, and so is a table that the
    document does not have.

    Returns:
        By name, the tables, and under ``sdks`` a row for each third-party
        SDK that a function may start.
    """
    written = json.loads(canonical(policy.document))
    told = {k: written[k] for k in _AS_WRITTEN if written.get(k)}
    return {
        **told,
        "recipients": written.get("recipients", []),
        "sdks": [
            _sdk_row(function.sdk)
            for function in policy.functions.values()
            if function.sdk
        ],
    }


def _sdk_row(sdk: str) -> dict[str, Any]:
    entry = _registry().get(sdk)
    if entry is None:
        return {"id": sdk, "known": False}
    return {
        "id": sdk,
        "known": True,
        "name": entry.name,
        "operator": entry.operator,
        "purposes": list(entry.purposes),
        "method": entry.method,
        "fields": [
            {"term": f.term, "types": list(f.types)} for f in entry.fields
        ],
        "permissions": sorted({p.permission for p in entry.permissions}),
        "privacy_policy": entry.privacy_policy,
        "claims": list(entry.claims),
        "gaps": list(entry.gaps),
    }


@cache
def _registry() -> Mapping[str, SDKEntry]:
    return load_registry()


# Words


def plainly(word: str) -> str:
    """
    Give an id as words; what the author left open says so.
    """
    return _OPEN if word == UNSPECIFIED else word.replace("_", " ")


def type_name(data_type: str, language: str) -> str:
    """
    Give the name of a data type, in Chinese for a Chinese document.
    """
    type_ = load_vocabulary().data_types.get(data_type)
    if type_ is None:
        return "everything" if data_type == "*" else data_type
    chinese = language.partition("-")[0] == "zh"
    return (chinese and type_.name_zh) or type_.name


def in_words(period: Period) -> str:
    """
    Say a period in words.
    """
    years, months = divmod(period.months, 12)
    days, rest = divmod(period.seconds, _DAY)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = (
        (years, "year"),
        (months, "month"),
        (days, "day"),
        (hours, "hour"),
        (minutes, "minute"),
        (seconds, "second"),
    )
    return " ".join(count(number, unit) for number, unit in parts if number)


def deadline(stated: DeadlineTable | None) -> str:
    """
    Say by when something is answered, or nothing.
    """
    if stated is None:
        return ""
    unit = stated.unit.replace("_", " ")
    return f"{count(stated.value, unit)} from {stated.starts_at}"


def _length(written: str) -> str:
    if written == UNSPECIFIED:
        return _OPEN
    return in_words(Period.parse(written))


def _purposes(ids: Iterable[str]) -> str:
    names = load_vocabulary().purposes
    return ", ".join(names[p].name for p in ids)


def _bases(ids: Iterable[str]) -> str:
    names = load_vocabulary().bases
    return ", ".join(names[b].name for b in ids)


def _permission(permission: str) -> str:
    return load_vocabulary().permissions[permission].name


def _joined(*parts: str) -> str:
    """
    Put together what is said, with what is empty left out.
    """
    return "; ".join(part for part in parts if part)


def _about(name: str, *values: str) -> str:
    """
    Name what *values* are, if there are any.
    """
    said = ", ".join(value for value in values if value)
    return f"{name}: {said}" if said else ""


def _yes_no(answer: bool | None, yes: str, no: str) -> str:  # noqa: FBT001
    if answer is None:
        return ""
    return yes if answer else no


# A function


def function_remarks(function: FunctionTable, language: str) -> list[str]:
    """
    Say what holds for a function beside what it collects.
    """
    start = function.self_start
    said = [
        "Each use takes an act of yours." * function.user_act,
        _about("Only while", *map(plainly, function.requires)),
        _about("You vouch each time for", function.attest),
        _about("Before, you acknowledge", function.acknowledge),
        _about("You turn it off at", function.turn_off),
        "The text has it on before you choose; it is off until then."
        * function.default_on,
        _about("Never collects", *_names(function.never_collects, language)),
        _about(
            "Never goes to third parties",
            *_names(function.never_shares, language),
        ),
        _about("Never joined with", *function.never_with),
        ""
        if start is None
        else "The app may start for it by itself, "
        f"{count(start.per_day, 'time')} a day at most: "
        f"{_purposes([start.purpose])}",
        "Builds a picture of you." * function.profiling,
        "Not for minors." * (function.minors == "barred"),
        _PENDING[function.pending or "drop"],
        _asked_again(function.ask_again, function.valid_for),
    ]
    return [line for line in said if line]


def _names(types: Iterable[str], language: str) -> list[str]:
    return [type_name(t, language) for t in types]


def _asked_again(ask_again: str, valid_for: str) -> str:
    return _joined(
        _about("A no rests for", ask_again and _length(ask_again)),
        _about("a yes lasts for", valid_for and _length(valid_for)),
    )


# Everything else


def sections(policy: Policy) -> Iterator[tuple[str, list[str]]]:
    """
    Give what *policy* says beside its functions.

    Returns:
        Titles with their lines, in the order in which they are read; none
        without lines.
    """
    told = _all_sections(policy.document, policy.language)
    for title, lines in told:
        kept = [line for line in lines if line]
        if kept:
            yield title, kept


def _all_sections(
    document: Document, language: str
) -> Iterator[tuple[str, Iterable[str]]]:
    parties = {r.id: r.name for r in document.recipients}
    yield "Whom to turn to", _controller(document.controller)
    yield "What you should know", _texts(document)
    yield "What it covers", _scope(document)
    yield "How you agree", _consent(document.consent)
    yield "What its words mean", _definitions(document, language)
    yield "Who else gets data", map(_recipient, document.recipients)
    yield "Ways in which data reaches others", _sharing(document, language)
    yield "Data from others", _indirect(document, parties)
    yield "Third-party SDKs", _sdks(document, language)
    yield (
        "Permissions of the operating system",
        map(_permission_row, document.permissions),
    )
    yield "Cookies and similar technologies", _cookies(document, language)
    yield "Without consent", _exceptions(document, language)
    yield "How long data is kept", _retention(document, language)
    yield "Where data is kept", _storage(document)
    yield "How data is protected", _security(document)
    yield "If something happens to it", _incident(document)
    yield "What people can ask for", _rights(document)
    yield "Children and minors", _minors(document.minors, language)
    yield "What signals from outside stop", _signals(document)
    yield "If this policy changes", _changes(document)
    yield "If operation ends", _cessation(document)
    yield "Older versions", _archive(document)
    yield "What the text does not say", document.unspecified


def _controller(owner: ControllerTable | None) -> Iterator[str]:
    if owner is None:
        return
    yield owner.name
    yield from (
        map(_contact, owner.contacts) if owner.contacts else (owner.contact,)
    )
    yield _about("address", owner.address, owner.postal_code)
    yield _about("responsible for personal information", owner.officer)
    yield _about("has taken over the promises of", *owner.continues)


def _contact(contact: ContactTable) -> str:
    return _joined(
        f"{contact.kind}: {contact.value}",
        _about("for", contact.audience),
        _about("answered", contact.hours),
    )


def _texts(document: Document) -> Iterator[str]:
    for text in document.texts:
        yield f"{_KINDS[text.kind]}{text.text}"


def _scope(document: Document) -> Iterator[str]:
    if document.scope is not None:
        yield document.scope.covers
        yield from (f"not: {e}" for e in document.scope.excludes)


def _consent(asked: ConsentTable) -> Iterator[str]:
    yield _about("by the act", plainly(asked.act))
    yield asked.covers
    for act in asked.also_claimed:
        yield f"the text also takes this for agreement, which it is not: {act}"
    yield _about("words that agree", asked.accept)
    yield _about("words that refuse", asked.refuse)
    yield _asked_again(asked.ask_again, asked.valid_for)
    yield _about("it lasts until", asked.lasts_until)
    yield _PENDING[asked.pending]


def _definitions(document: Document, language: str) -> Iterator[str]:
    words = document.definitions
    yield _about("sensitive", *_names(words.sensitive, language))
    yield _about("personal", *_names(words.personal, language))
    yield _about("de-identified", words.deidentified)
    yield _about("anonymised", words.anonymised)
    yield _about("deleted", words.deleted)
    yield _about("also defined", *words.terms)


def _recipient(party: RecipientTable) -> str:
    agreement, assessment = party.agreement, party.assessment
    mode = load_vocabulary().modes[party.mode].name
    return _joined(
        f"{party.name} ({party.id}), {mode}",
        _about("in", party.country),
        _about("formerly", *party.formerly),
        _about("contact", party.contact),
        party.url,
        _about("agreement", agreement.reference if agreement else ""),
        _about("assessment", assessment.reference if assessment else ""),
        _about("has accepted", *party.accepted),
        _about("has to accept", *party.requires),
        _about("claimed, and not checked", *party.claims),
    )


def _sharing(document: Document, language: str) -> Iterator[str]:
    parties = {r.id: r.name for r in document.recipients}
    for row in document.sharing:
        yield _sharing_row(row, parties, language)


def _sharing_row(
    row: SharingTable, parties: Mapping[str, str], language: str
) -> str:
    mode = load_vocabulary().modes[row.mode].name
    return _joined(
        _about(mode, *(parties.get(r, r) for r in row.recipients)),
        _about("only", *_names(row.types, language)),
        _about("lawful by", _bases(row.basis)),
        _about("provided", *row.conditions),
    )


def _indirect(document: Document, parties: Mapping[str, str]) -> Iterator[str]:
    taken = document.indirect
    if taken is not None:
        yield "some is taken" if taken.allowed else "none is taken"
        yield _about("from", *(parties.get(r, r) for r in taken.recipients))
        yield taken.rule


def _sdks(document: Document, language: str) -> Iterator[str]:
    said = document.sdks
    if said is not None and said.announced and not said.printed:
        yield "the text announces a list, and does not have it; this is ours"
    for function in document.functions:
        if not function.sdk:
            continue
        entry = _registry().get(function.sdk)
        if entry is None:
            yield f"{function.sdk}: the registry does not know it"
        else:
            yield _sdk(entry, language)


def _sdk(entry: SDKEntry, language: str) -> str:
    permissions = sorted({p.permission for p in entry.permissions})
    return _joined(
        f"{entry.name} ({entry.id}) of {entry.operator}",
        _about("for", _purposes(entry.purposes)),
        _about("how", plainly(entry.method)),
        _about("said to collect", *_fields(entry, language)),
        _about("permissions", *map(_permission, permissions)),
        entry.privacy_policy,
        _about("claimed, and not checked", *entry.claims),
        _about("gaps", *entry.gaps),
    )


def _fields(entry: SDKEntry, language: str) -> list[str]:
    return [
        _about(f.term, *_names(f.types, language)) or f.term
        for f in entry.fields
    ]


def _permission_row(row: PermissionTable) -> str:
    opened = row.ask_at == "first_open"
    when = "when the app is first opened" if opened else "at first use"
    return _joined(
        f"{_permission(row.id)} ({row.id})",
        _about("for", _purposes(row.purposes)),
        _about("used by", *row.functions),
        f"asked {when}" if row.asked else "not asked",
        "whether you can turn it off, the text does not say"
        if row.can_disable is None
        else _yes_no(
            row.can_disable, "you can turn it off", "you cannot turn it off"
        ),
        _about("what you lose", row.on_refusal),
    )


def _cookies(document: Document, language: str) -> Iterator[str]:
    cookies = document.cookies
    if cookies is None:
        return
    if not cookies.used:
        yield "none are used"
        return
    yield _about("used", *_names(cookies.technologies, language))
    yield "off until you choose" + (
        ", though the text has them on" * (cookies.default == "on")
    )
    yield _yes_no(
        cookies.refusable, "you can refuse them", "you cannot refuse them"
    )
    yield _about("for", *cookies.purposes)
    yield _about("functions that depend on them", *cookies.functions)
    yield _about("set by others", *cookies.third_parties)


def _exceptions(document: Document, language: str) -> Iterator[str]:
    for row in document.exceptions:
        yield _exception(row, language)


def _exception(row: ExceptionTable, language: str) -> str:
    return _joined(
        f"{_bases([row.basis])} ({', '.join(row.acts)})",
        row.text,
        _about("only of", *row.functions),
        _about("only", *_names(row.types, language)),
        _about("only for", _purposes(row.purposes)),
    )


def _retention(document: Document, language: str) -> Iterator[str]:
    for row in document.retention:
        yield _retention_row(row, language)


def _retention_row(row: RetentionTable, language: str) -> str:
    length = row.until and f"until {row.until}"
    if row.period:
        length = _length(row.period)
    elif row.working_days is not None:
        length = count(row.working_days, "working day")
    return _joined(
        f"{', '.join(_names(row.types, language))}: {length or _OPEN}, "
        f"from: {row.starts_at}",
        _about("then", row.at_start),
        _about("at the end", row.at_expiry),
        _about("longer", row.exception),
    )


def _storage(document: Document) -> Iterator[str]:
    kept = document.storage
    yield from kept.regions
    yield _about(
        "across borders", kept.cross_border and plainly(kept.cross_border)
    )
    yield _about("protected there by", *kept.protection)


def _security(document: Document) -> Iterator[str]:
    if document.security is not None:
        yield from document.security.measures
        yield from map(_claim, document.security.claims)


def _claim(claim: ClaimTable) -> str:
    until = "" if claim.expires is None else claim.expires.isoformat()
    return _joined(
        f"claimed, and not checked: {claim.name}",
        _about("evidence", claim.evidence or "none is named"),
        _about("until", until),
    )


def _incident(document: Document) -> Iterator[str]:
    said = document.incident
    if said is not None:
        yield _about("you are told", *said.contents)
        yield _about("by", *said.channels)
        yield _yes_no(
            said.report_to_authorities,
            "the authorities are told",
            "the authorities are not told",
        )


def _rights(document: Document) -> Iterator[str]:
    for row in document.rights:
        yield _right(row)
    asked = document.requests
    if asked is not None:
        yield _yes_no(
            asked.verification,
            "it is found out first who asks",
            "nobody has to prove who they are",
        )
        yield _about("fee", asked.fee)
        yield _about("refused only on these grounds", *asked.refused_on)


def _right(row: RightTable) -> str:
    by_when = deadline(row.deadline)
    return _joined(
        f"{plainly(row.id)}: {plainly(row.channel)}"
        f"{by_when and f', within {by_when}'}",
        _about("where", *row.grounds),
        _about("what follows", row.effect),
    )


def _minors(said: MinorsTable | None, language: str) -> Iterator[str]:
    if said is None:
        return
    if said.child_below is not None:
        to = "up to and with" if said.child_inclusive else "below"
        yield f"children: {to} {said.child_below}"
    if said.minor_below is not None:
        yield f"minors: below {said.minor_below}"
    yield "children may not use it" * said.child_barred
    yield _about("a guardian consents to each of", *said.guardian_for)
    if said.presumed_adult:
        yield "the text takes everybody for an adult; an unknown age is none"
    yield _about("found out with", *_names(said.types, language))
    yield said.rule
    yield _about("what came without consent", said.found_out)


def _signals(document: Document) -> Iterator[str]:
    said = document.signals
    if said.do_not_track is not None:
        yield _about("DO_NOT_TRACK", *(said.do_not_track or ("nothing",)))
    if said.gpc is not None:
        yield _about("Global Privacy Control", *(said.gpc or ("nothing",)))
    if said.choice_over_gpc:
        yield "your later yes goes before Global Privacy Control"


def _changes(document: Document) -> Iterator[str]:
    said = document.changes
    if said is not None:
        yield _yes_no(
            said.no_reduction,
            "your rights are not reduced without your consent",
            "your rights may be reduced without your consent",
        )
        yield _about("major is a change of", *map(plainly, said.major))
        yield _about("you are told by", *said.notice)
        yield _yes_no(
            said.archive,
            "older versions can be read",
            "older versions cannot be read",
        )


def _cessation(document: Document) -> Iterator[str]:
    said = document.cessation
    if said is not None:
        stops = said.stop_collecting
        yield _yes_no(
            stops, "collection stops at once", "collection may go on"
        )
        yield _about("you are told by", *said.notify)
        yield _about("the data", said.at_end)


def _archive(document: Document) -> Iterator[str]:
    for old in document.archive:
        since = "" if old.effective is None else f"{old.effective}"
        yield _joined(
            old.version, _about("from", since), f"SHA-256 {old.digest}"
        )
