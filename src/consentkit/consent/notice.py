# SPDX-License-Identifier: MIT
"""
The text that a person sees before deciding, made from the policy.

Whoever decides is told what is used in which form, for what, who gets it,
how long it is kept and what a no means; of what is sensitive also why it is
needed and what a leak may do.

Source: PIPL Articles 17, 23, 30 and 39.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from consentkit.consent._layout import columns, entry, wrap
from consentkit.policy.model import (
    ABROAD,
    Category,
    Clause,
    Function,
    Policy,
    Protection,
    ProtectionName,
    Recipient,
    split_element,
)
from consentkit.policy.period import Period
from consentkit.policy.vocabulary import DataType, load_vocabulary


__all__ = ["notice"]

_WIDTH: Final = 78
_INDENT: Final = 15

_KIND: Final = {
    Category.CORE: "A core function",
    Category.ADDITIONAL: "An additional function",
    Category.THIRD_PARTY: "A third party's function",
    Category.CROSS_CUTTING: "A function that serves all others",
}

_ON_REFUSAL: Final = {
    "service_unavailable": "the product cannot be used",
    "function_unavailable": "only this function is missing",
    "degraded": "everything still works",
    "unspecified": "the policy does not say; only this function is missing",
}

_FORM: Final = {
    ProtectionName.NONE: "as it is",
    ProtectionName.PRESENT: "only whether there is one",
    ProtectionName.MD5: "as its MD5, a pseudonym that guessing undoes",
    ProtectionName.KEYED: "as a pseudonym",
    ProtectionName.BUCKET: "as a range",
    ProtectionName.TRUNCATE: "cut down to its network",
    ProtectionName.GENERALISE: "as its main version",
    ProtectionName.SCRUB: "with personal details cut out",
    ProtectionName.KRR: "as an answer that is at times untrue, by chance",
}

_NO_SDKS: Final[Mapping[str, str]] = MappingProxyType({})


def notice(
    policy: Policy, element: str, *, sdks: Mapping[str, str] = _NO_SDKS
) -> str:
    """
    Give the text that a person sees before deciding on *element*.

    It fits 78 columns, and says what is used in which form, for what, who
    gets it, how long it is kept, and what a no means.

    Args:
        policy: Where the text comes from.

        element: A function's id, or ``function/data_type``.

        sdks: What to say of third-party SDKs, by their ids.
    """
    name, rest = split_element(element)
    function = policy.functions[name]
    if rest.startswith("@"):
        return _of_recipient(policy, function, rest[1:])
    data_type = rest
    if data_type:
        clauses = [function.clauses[data_type]]
        title = f"{function.name}: {_name(data_type, policy)}"
        kind = "A decision of its own"
        if _is_sensitive(policy, data_type):
            kind += ", because this is sensitive"
    else:
        clauses = [c for c in function.clauses.values() if not c.separate]
        title, kind = function.name, _KIND[function.category]
    head = wrap(title, _WIDTH)
    kind += f"; {policy.title}, version {policy.version}."
    lines = [*head, "-" * max(map(columns, head)), *wrap(kind, _WIDTH), ""]
    lines += [*wrap(function.text, _WIDTH), ""]
    for label, text in _facts(policy, function, clauses, data_type, sdks):
        lines += entry(label, text, indent=_INDENT, width=_WIDTH) or [""]
    return "\n".join(lines)


def _of_recipient(policy: Policy, function: Function, party: str) -> str:
    """
    Give the text for giving data to one recipient, at home or abroad.
    """
    abroad = party.endswith(ABROAD)
    recipient = policy.recipients[party.removesuffix(ABROAD)]
    title = f"{function.name}: {recipient.name}"
    kind = "A decision of its own, because another party gets your data"
    if abroad:
        kind = "A decision of its own, because your data leaves the country"
    head = wrap(title, _WIDTH)
    kind += f"; {policy.title}, version {policy.version}."
    lines = [*head, "-" * max(map(columns, head)), *wrap(kind, _WIDTH), ""]
    lines += [*wrap(function.text, _WIDTH), ""]
    clauses = [
        c
        for c in function.clauses.values()
        if recipient.id in c.recipients and c.protection.name not in _STAYS
    ]
    facts = [("goes to", _party(recipient))]
    if recipient.barred:
        facts.append(("", f"for now it gets nothing: {recipient.barred}"))
    for clause in clauses:
        group = _of_group(policy, [clause])
        facts += [fact for fact in group if fact[0] != "goes to"]
    if recipient.url:
        facts.append(("its policy", recipient.url))
    facts.append(("if refused", f"{recipient.name} gets nothing of this"))
    for label, text in facts:
        lines += entry(label, text, indent=_INDENT, width=_WIDTH) or [""]
    return "\n".join(lines)


def _facts(
    policy: Policy,
    function: Function,
    clauses: list[Clause],
    data_type: str,
    sdks: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """
    Give each fact with its label; one label may stand for several lines.
    """
    leaving = [c for c in clauses if c.protection.name not in _STAYS]
    groups: dict[object, list[Clause]] = {}
    for clause in leaving:
        promise = (clause.purposes, clause.recipients, clause.retention)
        groups.setdefault(promise, []).append(clause)
    for group in groups.values():
        yield from _of_group(policy, group)
        yield "", ""
    for protection, label in _STAYS.items():
        staying = [c for c in clauses if c.protection.name is protection]
        if staying:
            yield label, _names(staying, policy)
            if protection is ProtectionName.LOCAL_ONLY:
                yield "for", _purposes(*staying)
    more = sdks.get(function.sdk, "it reads and sends by itself")
    if function.sdk and not data_type:
        yield "starts", f"the third-party SDK {function.sdk}; {more}"
    elif not clauses:
        yield "uses", "nothing by itself"
    guards = dict.fromkeys(c.permission for c in clauses if c.permission)
    if guards:
        words = load_vocabulary().permissions
        names = ", ".join(words[g].name for g in guards)
        yield "your system", f"guards this too, and may ask: {names}"
    apart = [c for c in function.clauses.values() if c.separate]
    if apart and not data_type:
        yield "asked apart", _names(apart, policy)
    if data_type and _is_sensitive(policy, data_type):
        yield "if it leaks", _harm(data_type)
    for recipient in function.recipients.values():
        if recipient.url and not data_type and recipient.url not in more:
            yield "its policy", f"{recipient.name}: {recipient.url}"
    if function.acknowledge and not data_type:
        yield "read first", function.acknowledge
    if not data_type:
        yield from _switch(policy, function)
    yield "if refused", _ON_REFUSAL[function.on_refusal]


def _switch(policy: Policy, function: Function) -> Iterator[tuple[str, str]]:
    (table,) = (t for t in policy.document.functions if t.id == function.id)
    if table.default_on:
        yield "default", "on from the start; here it is off until you choose"
    if table.turn_off:
        yield "turned off", table.turn_off


_STAYS: Final = {
    ProtectionName.LOCAL_ONLY: "stays here",
    ProtectionName.DROP: "never read",
}


def _of_group(
    policy: Policy, clauses: list[Clause]
) -> Iterator[tuple[str, str]]:
    forms: dict[str, list[Clause]] = {}
    for clause in clauses:
        forms.setdefault(_form(clause.protection), []).append(clause)
    label = "uses"
    for form, alike in forms.items():
        yield label, f"{form}: {_names(alike, policy)}"
        label = ""
    first = clauses[0]
    yield "for", _purposes(first)
    yield "goes to", "; ".join(_recipients(policy, first))
    yield "kept", _period(first.retention)


def _purposes(*clauses: Clause) -> str:
    words = load_vocabulary().purposes
    ids = dict.fromkeys(p for clause in clauses for p in clause.purposes)
    return "; ".join(words[p].name for p in ids)


def _form(protection: Protection) -> str:
    match protection.name:
        case ProtectionName.GRID:
            square = f"a square of {protection.cell_km:g} km"
            if not protection.noise_km:
                return f"as {square}"
            return f"as {square}, some {protection.noise_km:g} km beside it"
        case ProtectionName.TAKE:
            *others, last = protection.intents
            intents = " or ".join(filter(None, [", ".join(others), last]))
            return f"only this out of it: {intents.replace('_', ' ')}"
        case name:
            return _FORM[name]


def _recipients(policy: Policy, clause: Clause) -> Iterator[str]:
    for id_ in clause.recipients:
        yield _party(policy.recipients[id_])


def _party(recipient: Recipient) -> str:
    where = f" ({recipient.country})" if recipient.country else ""
    return recipient.name + where


def _names(clauses: list[Clause], policy: Policy) -> str:
    return ", ".join(_name(clause.type, policy) for clause in clauses)


def _name(data_type: str, policy: Policy) -> str:
    term = _term(data_type)
    is_chinese = policy.language.lower().split("-")[0] == "zh"
    return (is_chinese and term.name_zh) or term.name


# What may happen to somebody whose data leaks, by the type's own nature.
# Source: PIPL Article 28: dignity, and safety of person and property.
_HARM: Final = {
    "direct": "others may learn who you are, and act in your name",
    "device": "others may recognise your device, and follow you",
    "quasi": "others may tell you apart, where you are or what you do",
    "content": "others may learn what you keep to yourself",
    "alone_no": "others may learn more of you together with other data",
    "aggregate": "little, as it is about many people",
}


def _harm(data_type: str) -> str:
    return _HARM[_term(data_type).identifiability]


def _is_sensitive(policy: Policy, data_type: str) -> bool:
    defined = policy.document.definitions.sensitive
    return _term(data_type).sensitive or data_type in defined


def _term(data_type: str) -> DataType:
    return load_vocabulary().data_types[data_type]


def _period(period: Period) -> str:
    years, months = divmod(period.months, 12)
    days, rest = divmod(period.seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = {
        "year": years,
        "month": months,
        "day": days,
        "hour": hours,
        "minute": minutes,
        "second": seconds,
    }
    return ", ".join(
        f"{number} {unit}{'s' * (number != 1)}"
        for unit, number in parts.items()
        if number
    )
