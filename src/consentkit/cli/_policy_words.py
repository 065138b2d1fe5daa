# SPDX-License-Identifier: MIT
"""
Words of a policy for people: ids, periods and lists as they are said.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from consentkit.cli._common import count
from consentkit.policy.period import Period
from consentkit.policy.tables import UNSPECIFIED, DeadlineTable
from consentkit.policy.vocabulary import load_vocabulary


__all__ = [
    "OPEN",
    "about",
    "asked_again",
    "bases",
    "deadline",
    "in_words",
    "joined",
    "length",
    "names",
    "permission",
    "plainly",
    "purposes",
    "type_name",
    "yes_no",
]

#: What stands for what the author has left open.
OPEN: Final = "the text does not say"


def plainly(word: str) -> str:
    """
    Give an id as words; what the author left open says so.
    """
    return OPEN if word == UNSPECIFIED else word.replace("_", " ")


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
    return period.words


def deadline(stated: DeadlineTable | None) -> str:
    """
    Say by when something is answered, or nothing.
    """
    if stated is None:
        return ""
    unit = stated.unit.replace("_", " ")
    return f"{count(stated.value, unit)} from {stated.starts_at}"


def length(written: str) -> str:
    """
    Say a stated period in words; what the author left open says so.
    """
    if written == UNSPECIFIED:
        return OPEN
    return in_words(Period.parse(written))


def purposes(ids: Iterable[str]) -> str:
    """
    Name purposes.
    """
    known = load_vocabulary().purposes
    return ", ".join(known[p].name for p in ids)


def bases(ids: Iterable[str]) -> str:
    """
    Name lawful bases.
    """
    known = load_vocabulary().bases
    return ", ".join(known[b].name for b in ids)


def permission(id_: str) -> str:
    """
    Name a permission of the operating system.
    """
    return load_vocabulary().permissions[id_].name


def joined(*parts: str) -> str:
    """
    Put together what is said, with what is empty left out.
    """
    return "; ".join(part for part in parts if part)


def about(name: str, *values: str) -> str:
    """
    Name what *values* are, if there are any.
    """
    said = ", ".join(value for value in values if value)
    return f"{name}: {said}" if said else ""


def yes_no(answer: bool | None, yes: str, no: str) -> str:  # noqa: FBT001
    """
    Give the sentence for an answer, or nothing where there is none.
    """
    if answer is None:
        return ""
    return yes if answer else no


def names(types: Iterable[str], language: str) -> list[str]:
    """
    Name data types.
    """
    return [type_name(t, language) for t in types]


def asked_again(ask_again: str, valid_for: str) -> str:
    """
    Say how long answers hold.
    """
    return joined(
        about("A no rests for", ask_again and length(ask_again)),
        about("a yes lasts for", valid_for and length(valid_for)),
    )
