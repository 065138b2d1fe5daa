# SPDX-License-Identifier: MIT
"""
Numbers over many people: the only thing here that is called anonymous.

A group of fewer than a least number is left out, whole: neither its number
nor that of all together is told, as the difference would be the number that
is missing.

What it does not hold against: two counts of nearly the same people. Their
difference may be one person; count rarely, and never for a choice of people
that somebody else makes.

Source: WP29 Opinion 05/2014, sections 2.2 and 3.2; PIPL Article 73.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.together import together
from consentkit.exceptions import UnprotectedError


if TYPE_CHECKING:
    from consentkit.outbox.records import Record


__all__ = ["FEWEST", "Aggregate", "aggregate", "is_exempt"]

_SEAL: Final = object()

#: No group may be smaller. In a group of two each knows the other.
FEWEST: Final = 3


@final
class Aggregate:
    """
    How many people there are, by label; only `aggregate` makes one.

    Attributes:
        counts: People by label, labels sorted; no number is below *least*.

        least: The least number of people that is told.

        suppressed: Whether a group was left out.

        privacy_class: ``anonymous``.
    """

    __slots__ = ("_seal", "counts", "least", "suppressed")

    counts: Mapping[str, int]
    least: int
    suppressed: bool

    def __init__(self, *, seal: object = None, **fields: Any) -> None:
        if seal is not _SEAL:
            msg = "only aggregate() makes what is anonymous"
            raise UnprotectedError(msg)
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_seal", seal)

    def __init_subclass__(cls) -> NoReturn:
        msg = "an aggregate cannot be subclassed"
        raise UnprotectedError(msg)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = "an aggregate cannot be changed"
        raise UnprotectedError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        msg = "an aggregate cannot be changed"
        raise UnprotectedError(msg)

    def __repr__(self) -> str:
        return (
            f"<Aggregate: {len(self.counts)} groups of {self.least} or more>"
        )

    @property
    def privacy_class(self) -> PrivacyClass:
        """
        What it may be called.
        """
        return PrivacyClass.ANONYMOUS


def aggregate(
    records: Iterable[Record],
    by: Callable[[Record], str],
    *,
    least: int = 10,
) -> Aggregate:
    """
    Count the people behind *records*, by a label of each record.

    Records that can be linked count as one person: see
    `consentkit.anonymise.together.together`. Somebody with two devices may
    count as two.

    Args:
        records: All that there are.

        by: Gives a record's label, such as the model of the device.

        least: The least number of people that is told.

    Raises:
        ValueError: If *least* is below `FEWEST`.

        UnprotectedError: If a record is called more than it is.
    """
    if least < FEWEST:
        msg = f"least is {least}; take {FEWEST} or more"
        raise ValueError(msg)
    people: dict[str, int] = {}
    for group in together(records):
        for label in {by(record) for record in group.records}:
            people[label] = people.get(label, 0) + 1
    counts = {k: n for k, n in sorted(people.items()) if n >= least}
    return Aggregate(
        seal=_SEAL,
        counts=MappingProxyType(counts),
        least=least,
        suppressed=len(counts) < len(people),
    )


def is_exempt(what: object) -> bool:
    """
    Tell whether the rules on personal information leave *what* alone.

    An `Aggregate` is exempt and nothing else: a record is of one device,
    whatever was done to it.
    """
    return type(what) is Aggregate and getattr(what, "_seal", None) is _SEAL
