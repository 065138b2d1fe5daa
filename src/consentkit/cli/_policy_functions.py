# SPDX-License-Identifier: MIT
"""
What a policy says of each of its functions, for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from consentkit.cli._common import Style, count
from consentkit.cli._policy_words import (
    about,
    asked_again,
    in_words,
    joined,
    names,
    plainly,
    purposes,
    type_name,
)
from consentkit.policy.model import (
    ABROAD,
    Clause,
    Function,
    Protection,
    ProtectionName,
    Recipient,
    split_element,
)
from consentkit.policy.tables import UNSPECIFIED, EventTable, FunctionTable
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["PENDING", "function_lines", "period_said"]

#: What comes of data before an answer.
PENDING: Final = {
    "drop": "",
    "memory": "What comes before the answer waits in memory.",
    "quarantine": "What comes before the answer waits, encrypted.",
}

_STAYS: Final = {
    ProtectionName.DROP: "is not even read",
    ProtectionName.LOCAL_ONLY: "stays on the device",
}


def function_lines(
    function: Function, table: FunctionTable, language: str, style: Style
) -> Iterator[str]:
    """
    Say what *function* is, what it collects and what holds for it.

    Args:
        function: As it is understood.

        table: As it is written.

        language: Of the document.

        style: Of the terminal.
    """
    title = style.bold(function.name)
    yield f"{title} ({function.id}, {plainly(function.category.value)})"
    yield f"  {function.text}"
    bases = load_vocabulary().bases
    yield f"  Lawful by: {'; '.join(bases[b].name for b in function.basis)}."
    yield f"  If refused: {plainly(function.on_refusal)}."
    yield from (
        f"  - {line}" for line in _collected(function, table, language)
    )
    apart = [_decision(e, function, language) for e in function.elements[1:]]
    yield from _indented(about("Decided on by themselves", *apart))
    for remark in _remarks(table, function, language):
        yield from _indented(remark)


def period_said(data_type: str, table: FunctionTable) -> str:
    """
    Give the period that *table* itself says for one of its data types.
    """
    for row in table.collects:
        if data_type in row.each:
            said: str = row.retention or table.retention
            return said
    return ""


def _indented(line: str) -> Iterator[str]:
    if line:
        yield f"  {line}"


# What it collects


def _collected(
    function: Function, table: FunctionTable, language: str
) -> Iterator[str]:
    # Types with the same terms are one line, as in a table of a policy.
    alike: dict[str, list[str]] = {}
    for clause in function.clauses.values():
        terms = _terms(clause, function, table)
        name = f"{type_name(clause.type, language)} ({clause.type})"
        alike.setdefault(terms, []).append(name)
    for terms, listed in alike.items():
        yield f"{', '.join(listed)}; {terms}"
    if not function.clauses:
        yield _nothing(function)


def _nothing(function: Function) -> str:
    """
    Say what a function does that collects nothing by itself.
    """
    sdk = function.sdk
    return joined(
        f"Starts the SDK {sdk}" if sdk else "Collects nothing",
        about("for", purposes(function.purposes)),
        about("to", *map(_party, function.recipients.values())) * bool(sdk),
        about("permission", plainly(function.permission)),
    )


def _terms(clause: Clause, function: Function, table: FunctionTable) -> str:
    stays = _STAYS.get(clause.protection.name, "")
    parties = (function.recipients[r] for r in clause.recipients)
    return joined(
        stays,
        about("for", purposes(clause.purposes)),
        "" if stays else about("to", *map(_party, parties)),
        "" if stays else f"kept: {_kept(clause, table)}",
        "" if stays else f"protected by: {_protected(clause.protection)}",
        about("permission", plainly(clause.permission)),
        about("only when", *map(plainly, clause.scenes)),
        about("only on", *clause.platforms),
        ""
        if clause.frequency is None
        else f"at most once in {in_words(clause.frequency)}",
        about("read from", clause.read_from),
        "" if clause.required else "the function works without it",
    )


def _kept(clause: Clause, table: FunctionTable) -> str:
    kept = in_words(clause.retention)
    if period_said(clause.type, table) == UNSPECIFIED:
        kept += " at most, since the text says no period"
    return kept


def _party(recipient: Recipient) -> str:
    country = recipient.country
    text = f"{recipient.name}{country and f' ({country})'}"
    if recipient.barred:
        text += f", which gets nothing: {recipient.barred}"
    return text


def _epoch(protection: Protection) -> str:
    return f", anew each {protection.epoch}" if protection.epoch else ""


def _of_place(protection: Protection) -> Iterator[str]:
    yield f"grid of {protection.cell_km:g} km"
    if protection.noise_km:
        yield f"moved by {protection.noise_km:g} km{_epoch(protection)}"
    if protection.on_change:
        yield "on a change of cell"


def _protected(protection: Protection) -> str:
    step = protection.time_step
    cut = f", time to {step.words}" if step else ""
    return f"{_technique(protection)}{cut}"


def _technique(protection: Protection) -> str:
    name = protection.name
    match name:
        case ProtectionName.NONE:
            return "nothing, as it is"
        case ProtectionName.GRID:
            return ", ".join(_of_place(protection))
        case ProtectionName.KRR:
            return (
                f"krr, an answer at random with epsilon "
                f"{protection.epsilon:g}{_epoch(protection)}"
            )
        case ProtectionName.KEYED:
            return f"keyed{_epoch(protection)}"
        case ProtectionName.TAKE:
            return f"take of {', '.join(protection.intents)}"
    said: str = name.value
    return said


# What holds for it


def _decision(element: str, function: Function, language: str) -> str:
    _, part = split_element(element)
    if part.startswith("@"):
        party = function.recipients[part[1:].removesuffix(ABROAD)]
        where = f" in {party.country}" * element.endswith(ABROAD)
        return f"giving to {party.name}{where} ({element})"
    return f"{type_name(part, language)} ({element})"


def _remarks(
    table: FunctionTable, function: Function, language: str
) -> Iterable[str]:
    start = table.self_start
    starts_sdk = bool(function.sdk and function.clauses)
    guards = {"", *(c.permission for c in function.clauses.values())}
    # What collects nothing has said its permission already.
    told = function.permission in guards or not function.clauses
    return (
        f"Starts the SDK {function.sdk}." * starts_sdk,
        about("Permission", "" if told else plainly(function.permission)),
        "Each use takes an act of yours." * function.user_act,
        about("Only while", *map(plainly, function.requires)),
        about("You vouch each time for", function.attest),
        about("Before, you acknowledge", function.acknowledge),
        "You are asked when the app is first opened."
        * (table.ask_at == "first_open"),
        about("You turn it off at", table.turn_off),
        "The text has it on before you choose; it is off until then."
        * table.default_on,
        about("Never collects", *names(table.never_collects, language)),
        about(
            "Never goes to third parties",
            *names(table.never_shares, language),
        ),
        about("Never joined with", *table.never_with),
        ""
        if start is None
        else "The app may start for it by itself, "
        f"{count(start.per_day, 'time')} a day at most: "
        f"{purposes([start.purpose])}",
        "Builds a picture of you." * function.profiling,
        "Needs no account." * (not table.account),
        "A choice of your account or organisation counts until your own."
        * function.inherits,
        "Not for minors." * (function.minors == "barred"),
        "Minors decide on it alone." * (function.minors == "alone"),
        PENDING[table.pending or "drop"],
        asked_again(table.ask_again, table.valid_for),
        *(_event(event, language) for event in table.events),
    )


def _event(event: EventTable, language: str) -> str:
    fields = (
        f"{name} ({', '.join(spec.values) or spec.kind})"
        for name, spec in sorted(event.fields.items())
    )
    name = type_name(event.type, language)
    told = f"The app notes {event.name}, as {name}"
    return joined(told, about("with", *fields))
