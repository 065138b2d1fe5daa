# SPDX-License-Identifier: MIT
"""
Asking in a terminal: one decision at a time, yes and no alike.

Silence is not an answer: an empty line, the end of the input and an
interrupt are recorded as ``deferred``, and leave everything as it was.
"""

from __future__ import annotations

import textwrap

from collections.abc import Callable, Iterable
from enum import Enum

from consentkit.consent.choices import Consent
from consentkit.consent.entries import Act
from consentkit.policy.model import Clause, Policy, split_element


__all__ = ["Answer", "ask", "notice"]

_WIDTH = 72


class Answer(Enum):
    """
    What the person said.
    """

    YES = "yes"
    NO = "no"
    LATER = "later"


_ANSWERS = {
    "y": Answer.YES,
    "yes": Answer.YES,
    "n": Answer.NO,
    "no": Answer.NO,
    "": Answer.LATER,
    "l": Answer.LATER,
    "later": Answer.LATER,
}

_ON_REFUSAL = {
    "service_unavailable": "without it the product cannot be used",
    "function_unavailable": "without it only this function is missing",
    "degraded": "without it everything still works",
}


def notice(policy: Policy, element: str) -> str:
    """
    Give the text that a person sees before deciding on *element*.
    """
    name, data_type = split_element(element)
    function = policy.functions[name]
    if data_type:
        clauses = [function.clauses[data_type]]
        title = f"{function.name}: {data_type}"
    else:
        clauses = [c for c in function.clauses.values() if not c.separate]
        title = f"{function.name} ({function.category.value})"
    lines = [title, "-" * len(title)]
    lines += textwrap.wrap(function.text, _WIDTH)
    lines += [_collects(clause, policy) for clause in clauses]
    if function.sdk:
        lines.append(f"  starts the third-party SDK {function.sdk}")
    lines.append(f"If you say no: {_ON_REFUSAL[function.on_refusal]}.")
    return "\n".join(lines)


def _collects(clause: Clause, policy: Policy) -> str:
    names = [policy.recipients[r].name for r in clause.recipients]
    text = (
        f"{clause.type} ({clause.protection.name.value}), kept "
        f"{clause.retention}, to {', '.join(names)}"
    )
    return textwrap.fill(
        text, _WIDTH, initial_indent="  - ", subsequent_indent="    "
    )


def ask(
    consent: Consent,
    policy: Policy,
    elements: Iterable[str],
    *,
    read: Callable[[str], str],
    write: Callable[[str], object],
    language: str = "",
) -> dict[str, Answer]:
    """
    Ask about each of *elements*, and record the answers.

    A separate type is asked about only where its function is granted.

    Args:
        consent: Where the answers go.

        policy: Where the texts come from.

        elements: What to ask about, in this order.

        language: Language of the texts; the policy's own if empty.

        read: Shows a prompt and gives the answer, as `input` does.

        write: Shows a text, as `print` does.

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
        write(notice(policy, element))
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
