# SPDX-License-Identifier: MIT
"""
Asking in a terminal: one decision at a time, yes and no alike.

Silence is not an answer: an empty line, the end of the input and an
interrupt are recorded as ``deferred``, and leave everything as it was. A
program that dies while it asks leaves the notice on record, and no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from consentkit.consent._layout import columns, entry, wrap
from consentkit.consent.choices import Consent
from consentkit.consent.entries import Act
from consentkit.policy.model import (
    Category,
    Clause,
    Function,
    Policy,
    Protection,
    ProtectionName,
    split_element,
)
from consentkit.policy.period import Period
from consentkit.policy.vocabulary import DataType, load_vocabulary


__all__ = ["Answer", "ask", "notice"]

_WIDTH: Final = 78
_INDENT: Final = 15


class Answer(Enum):
    """
    What the person said.
    """

    YES = "yes"
    NO = "no"
    LATER = "later"


_ANSWERS: Final = {
    "y": Answer.YES,
    "yes": Answer.YES,
    "n": Answer.NO,
    "no": Answer.NO,
    "": Answer.LATER,
    "l": Answer.LATER,
    "later": Answer.LATER,
}

_KIND: Final = {
    Category.CORE: "A core function",
    Category.ADDITIONAL: "An additional function",
    Category.THIRD_PARTY: "A third party's function",
}

_ON_REFUSAL: Final = {
    "service_unavailable": "the product cannot be used",
    "function_unavailable": "only this function is missing",
    "degraded": "everything still works",
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
    name, data_type = split_element(element)
    function = policy.functions[name]
    if data_type:
        clauses = [function.clauses[data_type]]
        title = f"{function.name}: {_name(data_type, policy)}"
        kind = "A decision of its own"
        if _term(data_type).sensitive:
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
    if function.sdk and not data_type:
        more = sdks.get(function.sdk, "it reads and sends by itself")
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
    yield "if refused", _ON_REFUSAL[function.on_refusal]


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
    purposes = load_vocabulary().purposes
    first = clauses[0]
    yield "for", "; ".join(purposes[p].name for p in first.purposes)
    yield "goes to", "; ".join(_recipients(policy, first))
    yield "kept", _period(first.retention)


def _form(protection: Protection) -> str:
    match protection.name:
        case ProtectionName.GRID:
            return f"as a square of {protection.cell_km:g} km"
        case ProtectionName.TAKE:
            *others, last = protection.intents
            intents = " or ".join(filter(None, [", ".join(others), last]))
            return f"only this out of it: {intents.replace('_', ' ')}"
        case name:
            return _FORM[name]


def _recipients(policy: Policy, clause: Clause) -> Iterator[str]:
    for id_ in clause.recipients:
        recipient = policy.recipients[id_]
        where = f" ({recipient.country})" if recipient.country else ""
        yield recipient.name + where


def _names(clauses: list[Clause], policy: Policy) -> str:
    return ", ".join(_name(clause.type, policy) for clause in clauses)


def _name(data_type: str, policy: Policy) -> str:
    term = _term(data_type)
    is_chinese = policy.language.lower().split("-")[0] == "zh"
    return (is_chinese and term.name_zh) or term.name


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


def ask(
    consent: Consent,
    policy: Policy,
    elements: Iterable[str],
    *,
    read: Callable[[str], str],
    write: Callable[[str], object],
    language: str = "",
    sdks: Mapping[str, str] = _NO_SDKS,
) -> dict[str, Answer]:
    """
    Ask about each of *elements*, and record the answers.

    A separate type is asked about only where its function is granted.

    Args:
        consent: Where the answers go.

        policy: Where the texts come from.

        elements: What to ask about, in this order.

        read: Shows a prompt and gives the answer, as `input` does.

        write: Shows a text, as `print` does.

        language: Language of the texts; the policy's own if empty.

        sdks: As for `notice`.

    Returns:
        By element, what was answered; those that were not reached are not
        in it.

    Raises:
        StoreError: If an answer cannot be recorded.
    """
    answers: dict[str, Answer] = {}
    for element in elements:
        name, data_type = split_element(element)
        if data_type and not consent.state().choices[name].epoch:
            continue
        write("")
        write(notice(policy, element, sdks=sdks))
        consent.note(element, Act.NOTICE_SHOWN, method="terminal")
        answer = _answer(read, write)
        # An end of input leaves the rest unasked.
        answers[element] = answer or Answer.LATER
        _record(consent, element, answers[element], language)
        if answer is None:
            break
    return answers


def _answer(
    read: Callable[[str], str], write: Callable[[str], object]
) -> Answer | None:
    while True:
        try:
            said = read("Allow this? [yes/no/later] ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            write("")
            return None
        except UnicodeDecodeError:
            said = "?"  # bytes that are no text are no answer either
        if said in _ANSWERS:
            return _ANSWERS[said]
        write("Please answer yes, no or later.")


def _record(
    consent: Consent, element: str, answer: Answer, language: str
) -> None:
    match answer:
        case Answer.YES:
            consent.grant(element, method="terminal", language=language)
        case Answer.NO:
            consent.deny(element, method="terminal", language=language)
        case Answer.LATER:
            consent.note(element, Act.DEFERRED, method="terminal")
