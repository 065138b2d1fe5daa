# SPDX-License-Identifier: MIT
"""
Asking in a terminal: one decision at a time, yes and no alike.

Silence is not an answer: an empty line, the end of the input and an
interrupt are recorded as ``deferred``, and leave everything as it was. A
program that dies while it asks leaves the notice on record, and no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from consentkit.consent.choices import Consent
from consentkit.consent.notice import notice
from consentkit.consent.state import Status
from consentkit.policy.model import Policy, split_element


__all__ = ["Answer", "ask"]

_NO_SDKS: Final[Mapping[str, str]] = MappingProxyType({})


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

    A decision beside a function is asked about only where that is granted.
    A no to what a new version adds leaves the older terms as they are.

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
        name, beside = split_element(element)
        if beside and not consent.state().permits(name):
            continue
        text = notice(policy, element, sdks=sdks)
        write("")
        write(text)
        consent.show(element, method="terminal", text=text, language=language)
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
        case Answer.NO if _is_widened(consent, element):
            consent.decline(element, method="terminal")
        case Answer.NO:
            consent.deny(element, method="terminal", language=language)
        case Answer.LATER:
            consent.defer(element, method="terminal")


def _is_widened(consent: Consent, element: str) -> bool:
    return consent.state().choices[element].status is Status.WIDENED
