# SPDX-License-Identifier: MIT
"""
What a policy says beside its functions, for people: whom to turn to, what
one can ask for, who else gets data, and every sentence that stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any, Final

from consentkit.cli._common import count
from consentkit.cli._policy_functions import PENDING
from consentkit.cli._policy_words import (
    OPEN,
    about,
    asked_again,
    bases,
    deadline,
    joined,
    length,
    names,
    permission,
    plainly,
    purposes,
    yes_no,
)
from consentkit.policy.model import Policy
from consentkit.policy.tables import (
    AgreementTable,
    AssessmentTable,
    ClaimTable,
    ConsentTable,
    ContactTable,
    ControllerTable,
    Document,
    ExceptionTable,
    MinorsTable,
    PermissionTable,
    PolicyTable,
    RecipientTable,
    RetentionTable,
    RightTable,
    SharingTable,
)
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry.load import load_registry
from consentkit.registry.model import SDKEntry


__all__ = ["sdk_rows", "sections"]

_KINDS: Final = {
    "warning": "Warning: ",
    "claim": "Claimed, and not checked: ",
    "quotation": "The text reads: ",
    "notice": "",
}


def sdk_rows(policy: Policy) -> list[dict[str, Any]]:
    """
    Give a row for each third-party SDK that a function may start.
    """
    return [
        _sdk_row(function.sdk)
        for function in policy.functions.values()
        if function.sdk
    ]


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


# For people


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
    yield "About this document", _document(document.policy)
    yield "Whom to turn to", _controller(document.controller)
    yield "What you should know", _texts(document)
    yield "What it covers", _scope(document)
    yield "How you agree", _consent(document.consent)
    yield "What its words mean", _definitions(document, language)
    yield (
        "Who else gets data",
        (_recipient(party, language) for party in document.recipients),
    )
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
    yield "How data travels", _ways(document)
    yield "How data is protected", _security(document)
    yield "If something happens to it", _incident(document)
    yield "What people can ask for", _rights(document)
    yield "Children and minors", _minors(document.minors, language)
    yield "What signals from outside stop", _signals(document)
    yield "If this policy changes", _changes(document)
    yield "If operation ends", _cessation(document)
    yield "Older versions", _archive(document)
    yield "Sections of the text", _sections(document)
    yield "What the text does not say", document.unspecified


def _document(about_it: PolicyTable) -> Iterator[str]:
    yield about("product", about_it.product)
    yield about("last changed", _day(about_it.updated))
    yield about("language", about_it.language)
    yield about("under the law of", about_it.jurisdiction)
    for dates in about_it.dates:
        yield "the text prints: " + joined(
            about("updated", _day(dates.updated)),
            about("effective", _day(dates.effective)),
        )


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _controller(owner: ControllerTable | None) -> Iterator[str]:
    if owner is None:
        return
    yield owner.name
    yield owner.contact
    yield from map(_contact, owner.contacts)
    yield about("address", owner.address, owner.postal_code)
    yield about("responsible for personal information", owner.officer)
    yield about("has taken over the promises of", *owner.continues)


def _contact(contact: ContactTable) -> str:
    return joined(
        f"{contact.kind}: {contact.value}",
        about("for", contact.audience),
        about("answered", contact.hours),
    )


def _texts(document: Document) -> Iterator[str]:
    for text in document.texts:
        yield f"{_KINDS[text.kind]}{text.text}"


def _scope(document: Document) -> Iterator[str]:
    if document.scope is not None:
        yield document.scope.covers
        yield from (f"not: {e}" for e in document.scope.excludes)


def _consent(asked: ConsentTable) -> Iterator[str]:
    yield about("by the act", plainly(asked.act))
    yield asked.covers
    yield yes_no(
        asked.bundled,
        "the text lets one act agree to several things; each is asked for "
        "by itself all the same",
        "one act agrees to one thing",
    )
    if asked.preselected:
        yield "the text ticks the box before you come; that grants nothing"
    for act in asked.also_claimed:
        yield f"the text also takes this for agreement, which it is not: {act}"
    yield about("words that agree", asked.accept)
    yield about("words that refuse", asked.refuse)
    yield asked_again(asked.ask_again, asked.valid_for)
    yield about("it lasts until", asked.lasts_until)
    yield PENDING[asked.pending]


def _definitions(document: Document, language: str) -> Iterator[str]:
    words = document.definitions
    yield about("sensitive", *names(words.sensitive, language))
    yield about("personal", *names(words.personal, language))
    yield about("de-identified", words.deidentified)
    yield about("anonymised", words.anonymised)
    yield about("deleted", words.deleted)
    yield about("also defined", *words.terms)


def _recipient(party: RecipientTable, language: str) -> str:
    mode = load_vocabulary().modes[party.mode].name
    return joined(
        f"{party.name} ({party.id}), {mode}",
        about("in", party.country),
        about("formerly", *party.formerly),
        about("contact", party.contact),
        party.url,
        about("only for", purposes(party.purposes)),
        about("gets only", *names(party.types, language)),
        yes_no(
            party.separate,
            "giving to it is decided on by itself",
            "giving to it is no decision of its own",
        ),
        _agreement(party.agreement),
        _assessment(party.assessment),
        about("has accepted", *party.accepted),
        about("has to accept", *party.requires),
        about("gets nothing without", *party.on_file),
        about("gets nothing outside", *party.only_in),
        about("claimed, and not checked", *party.claims),
    )


def _agreement(bound: AgreementTable | None) -> str:
    if bound is None:
        return ""
    return about(
        "agreement",
        bound.reference,
        (bound.signed and f"signed {bound.signed}") or "",
        (bound.audited and f"audited {bound.audited}") or "",
    )


def _assessment(found: AssessmentTable | None) -> str:
    if found is None:
        return ""
    return about(
        "impact assessment",
        found.reference,
        f"{found.risk} risk",
        _day(found.made),
    )


def _sharing(document: Document, language: str) -> Iterator[str]:
    parties = {r.id: r.name for r in document.recipients}
    for row in document.sharing:
        yield _sharing_row(row, parties, language)


def _sharing_row(
    row: SharingTable, parties: Mapping[str, str], language: str
) -> str:
    mode = load_vocabulary().modes[row.mode].name
    return joined(
        about(mode, *(parties.get(r, r) for r in row.recipients)),
        about("only", *names(row.types, language)),
        about("lawful by", bases(row.basis)),
        about("provided", *row.conditions),
    )


def _indirect(document: Document, parties: Mapping[str, str]) -> Iterator[str]:
    taken = document.indirect
    if taken is not None:
        yield "some is taken" if taken.allowed else "none is taken"
        yield about("from", *(parties.get(r, r) for r in taken.recipients))
        yield taken.rule


def _sdks(document: Document, language: str) -> Iterator[str]:
    said = document.sdks
    if said is not None and said.announced and not said.printed:
        yield "the text announces a list, and does not have it; this is ours"
    for place in said.disclosures if said is not None else ():
        yield joined(
            f"the text's list {place.name!r}",
            about("of", *place.functions),
            about("types", *names(place.types, language)),
            about("permissions", *map(permission, place.permissions)),
        )
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
    return joined(
        f"{entry.name} ({entry.id}) of {entry.operator}",
        about("for", purposes(entry.purposes)),
        about("how", plainly(entry.method)),
        about("said to collect", *_fields(entry, language)),
        about("permissions", *map(permission, permissions)),
        entry.privacy_policy,
        about("claimed, and not checked", *entry.claims),
        about("gaps", *entry.gaps),
    )


def _fields(entry: SDKEntry, language: str) -> list[str]:
    return [
        about(f.term, *names(f.types, language)) or f.term
        for f in entry.fields
    ]


def _permission_row(row: PermissionTable) -> str:
    opened = row.ask_at == "first_open"
    when = "when the app is first opened" if opened else "at first use"
    return joined(
        f"{permission(row.id)} ({row.id})",
        about("for", purposes(row.purposes)),
        about("used by", *row.functions),
        f"asked {when}" if row.asked else "not asked",
        "whether you can turn it off, the text does not say"
        if row.can_disable is None
        else yes_no(
            row.can_disable, "you can turn it off", "you cannot turn it off"
        ),
        about("what you lose", row.on_refusal),
    )


def _cookies(document: Document, language: str) -> Iterator[str]:
    cookies = document.cookies
    if cookies is None:
        return
    if not cookies.used:
        yield "none are used"
        return
    yield about("used", *names(cookies.technologies, language))
    yield "off until you choose" + (
        ", though the text has them on" * (cookies.default == "on")
    )
    yield yes_no(
        cookies.refusable, "you can refuse them", "you cannot refuse them"
    )
    yield about("for", *cookies.purposes)
    yield about("functions that depend on them", *cookies.functions)
    yield about("set by others", *cookies.third_parties)
    yield about(
        "what they yield is kept as", *names([cookies.kept_as], language)
    )


def _exceptions(document: Document, language: str) -> Iterator[str]:
    for row in document.exceptions:
        yield _exception(row, language)


def _exception(row: ExceptionTable, language: str) -> str:
    return joined(
        f"{bases([row.basis])} ({', '.join(row.acts)})",
        about("only of", *row.functions),
        about("only", *names(row.types, language)),
        about("only for", purposes(row.purposes)),
        row.text,
    )


def _retention(document: Document, language: str) -> Iterator[str]:
    for row in document.retention:
        yield _retention_row(row, language)


def _retention_row(row: RetentionTable, language: str) -> str:
    kept = row.until and f"until {row.until}"
    if row.period:
        kept = length(row.period)
    elif row.working_days is not None:
        kept = count(row.working_days, "working day")
    return joined(
        f"{', '.join(names(row.types, language))}: {kept or OPEN}, "
        f"from: {row.starts_at}",
        about("then", row.at_start),
        about("at the end", row.at_expiry),
        about("longer", row.exception),
    )


def _storage(document: Document) -> Iterator[str]:
    kept = document.storage
    yield from kept.regions
    yield about(
        "across borders", kept.cross_border and plainly(kept.cross_border)
    )
    yield about("protected there by", *kept.protection)


_NEEDS: Final = {
    "encrypted": "encrypted, or over no network",
    "sealed": "sealed, so that the recipient alone can open it",
    "no-address": "without the address that it is sent from",
    "region": "within the places where data is kept, or to the country that "
    "is named",
}


def _ways(document: Document) -> Iterator[str]:
    for purpose, table in document.purposes.items():
        needs = "; ".join(_NEEDS[need] for need in table.needs)
        yield about(purposes([purpose]), needs)


def _security(document: Document) -> Iterator[str]:
    if document.security is not None:
        yield from document.security.measures
        yield from map(_claim, document.security.claims)


def _claim(claim: ClaimTable) -> str:
    until = "" if claim.expires is None else claim.expires.isoformat()
    return joined(
        f"claimed, and not checked: {claim.name}",
        about("evidence", claim.evidence or "none is named"),
        about("until", until),
    )


def _incident(document: Document) -> Iterator[str]:
    said = document.incident
    if said is not None:
        yield about("you are told", *said.contents)
        yield about("by", *said.channels)
        yield yes_no(
            said.report_to_authorities,
            "the authorities are told",
            "the authorities are not told",
        )


def _rights(document: Document) -> Iterator[str]:
    for row in document.rights:
        yield _right(row)
    asked = document.requests
    if asked is not None:
        yield yes_no(
            asked.verification,
            "it is found out first who asks",
            "nobody has to prove who they are",
        )
        yield about("fee", asked.fee)
        yield about("refused only on these grounds", *asked.refused_on)


def _right(row: RightTable) -> str:
    by_when = deadline(row.deadline)
    return joined(
        f"{plainly(row.id)}: {plainly(row.channel)}"
        f"{by_when and f', within {by_when}'}",
        about("where", *row.grounds),
        about("see section", row.section),
        about("what follows", row.effect),
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
    yield about("a guardian consents to each of", *said.guardian_for)
    if said.presumed_adult:
        yield "the text takes everybody for an adult; an unknown age is none"
    yield about("found out with", *names(said.types, language))
    yield said.rule
    yield about("what came without consent", said.found_out)


def _signals(document: Document) -> Iterator[str]:
    said = document.signals
    if said.do_not_track is not None:
        yield about("DO_NOT_TRACK", *(said.do_not_track or ("nothing",)))
    if said.gpc is not None:
        yield about("Global Privacy Control", *(said.gpc or ("nothing",)))
    if said.choice_over_gpc:
        yield "your later yes goes before Global Privacy Control"


def _changes(document: Document) -> Iterator[str]:
    said = document.changes
    if said is not None:
        yield yes_no(
            said.no_reduction,
            "your rights are not reduced without your consent",
            "your rights may be reduced without your consent",
        )
        yield about("major is a change of", *map(plainly, said.major))
        yield about("you are told by", *said.notice)
        yield yes_no(
            said.archive,
            "older versions can be read",
            "older versions cannot be read",
        )


def _cessation(document: Document) -> Iterator[str]:
    said = document.cessation
    if said is not None:
        stops = said.stop_collecting
        yield yes_no(stops, "collection stops at once", "collection may go on")
        yield about("you are told by", *said.notify)
        yield about("the data", said.at_end)


def _archive(document: Document) -> Iterator[str]:
    for old in document.archive:
        since = "" if old.effective is None else f"{old.effective}"
        yield joined(
            old.version, about("from", since), f"SHA-256 {old.digest}"
        )


def _sections(document: Document) -> Iterator[str]:
    yield from (f"{row.label}: {row.id}" for row in document.sections)
    for reference in document.references:
        yield f"the text says {reference.says!r}, and means {reference.means}"
