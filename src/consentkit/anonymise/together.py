# SPDX-License-Identifier: MIT
"""
What records are together: a property of a device tells of nobody by itself,
and of somebody as soon as an identifier lies beside it.

So the class of a record is not its own alone. It is computed from all that
is held at one place, and anew when something is added, erased or expires: a
class that was stored would be wrong by then.

Source: GDPR Article 4(1), Recital 26; PIPL Article 4; WP29 Opinion 05/2014.
"""

from __future__ import annotations

import json

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.naming import class_of, is_honest
from consentkit.exceptions import UnprotectedError
from consentkit.policy.model import ProtectionName
from consentkit.policy.vocabulary import load_vocabulary


if TYPE_CHECKING:
    from consentkit.outbox.records import Record


__all__ = ["Group", "check_class", "expected", "together"]

_IDENTIFYING: Final = frozenset(
    {PrivacyClass.PERSONAL, PrivacyClass.PSEUDONYMISED}
)

# Types that each tell people apart a little, and together much.
_FEW: Final = 2

# What these protections leave of a value is where it was.
_PLACES: Final = frozenset(
    {ProtectionName.GRID.value, ProtectionName.TRUNCATE.value}
)

_NO_TIME: Final = datetime.fromtimestamp(0, UTC)

_BY_NAME: Final = {name.value: name for name in ProtectionName}

_STAYING: Final = frozenset({ProtectionName.DROP, ProtectionName.LOCAL_ONLY})

# Properties that are shared by many, each by itself. Eight of them gave 18
# bits: one browser out of 286,777.
# Source: Eckersley, "How Unique Is Your Web Browser?", 2010.
_MANY: Final = 8


@frozen(kw_only=True)
class Group:
    """
    Records of one holder that can be linked with each other.

    Attributes:
        records: In the order in which they were given.

        because: Data types that make all of it personal, sorted; empty where
            nothing does.

        since: From when on there is what identifies, or ``None``.

        until: When the last of it expires, or ``None``. From then on the
            rest is no more than what it is by itself.

        series: Data types of which it holds several places, sorted. Coarse
            places of one device with their times are a track, and a track
            is pseudonymised, however coarse each of them is.
    """

    records: tuple[Record, ...] = field(repr=False)
    because: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    series: tuple[str, ...] = ()

    @property
    def is_personal(self) -> bool:
        """
        Tell whether all of it is personal information now.
        """
        return bool(self.because)

    @property
    def privacy_class(self) -> PrivacyClass | None:
        """
        What all of it is together; ``None`` where each record is what it is
        by itself.
        """
        if not self.because:
            return None
        # A series that has nothing beside it stands for somebody unnamed.
        if set(self.because) <= set(self.series):
            return PrivacyClass.PSEUDONYMISED
        return PrivacyClass.PERSONAL

    @property
    def classes(self) -> Mapping[str, PrivacyClass]:
        """
        What each record may be called in this company, by its id.
        """
        return MappingProxyType({r.id: self._class(r) for r in self.records})

    def _class(self, record: Record) -> PrivacyClass:
        own = PrivacyClass(record.privacy_class)
        return own if own in _IDENTIFYING else self.privacy_class or own


def together(records: Iterable[Record]) -> tuple[Group, ...]:
    """
    Say which of *records* can be linked, and which are personal by that.

    Records are linked by the consent that they were kept under, which each
    of them names, and by an identifier of the same value. Give it all that
    one holder has: what is left out is taken for not there.

    Args:
        records: Of one holder, in any order.

    Returns:
        Each record in one group, in the order of their first records.
    """
    found = tuple(records)
    for record in found:
        check_class(record)
    leader: dict[object, object] = {}

    def leader_of(key: object) -> object:
        while (above := leader.setdefault(key, key)) != key:
            leader[key] = leader[above]
            key = above
        return key

    for record in found:
        first, *others = _links(record)
        for other in others:
            leader[leader_of(other)] = leader_of(first)
    groups: dict[object, list[Record]] = {}
    for record in found:
        first = next(_links(record))
        groups.setdefault(leader_of(first), []).append(record)
    return tuple(_group(tuple(group)) for group in groups.values())


@frozen(kw_only=True)
class _Expected:
    """
    What is asked of a record here, of one that is to come.
    """

    id: str
    data_type: str
    protection: str
    privacy_class: str
    value: None = None
    consent: str = "one"
    captured_at: datetime = _NO_TIME
    expires_at: datetime = _NO_TIME


def expected(
    promised: Iterable[tuple[str, ProtectionName]],
) -> Group | None:
    """
    Say beforehand what values would be together, if one holder had several
    of each and could link them all.

    Args:
        promised: Data types with what is done to them; those that stay on
            the device count for nothing.

    Returns:
        The group that they would be, if any of them leaves the device.
    """
    made: Any = (
        _Expected(
            id=f"{data_type} {number}",
            data_type=data_type,
            protection=protection.value,
            privacy_class=class_of(data_type, protection).value,
        )
        for data_type, protection in promised
        if protection not in _STAYING
        for number in range(_FEW)
    )
    return next(iter(together(made)), None)


def check_class(record: Record) -> Record:
    """
    Return *record* if it is called no better than what was done to it.

    Raises:
        UnprotectedError: If it claims more: a digest that is called
            anonymous, a value as it stands that is called de-identified.
    """
    claimed = PrivacyClass(record.privacy_class)
    protection = _BY_NAME.get(record.protection)
    # A text of somebody's own type is equal to whatever it likes.
    said = (record.data_type, record.protection, record.privacy_class)
    if (
        protection is not None
        and all(type(text) is str for text in said)
        and is_honest(claimed, record.data_type, protection)
    ):
        return record
    msg = (
        f"{record.data_type} with the protection {record.protection} may not "
        f"be called {claimed.value}"
    )
    raise UnprotectedError(msg)


def _links(record: Record) -> Iterator[object]:
    """
    Name what *record* can be linked by; its own id where there is nothing.
    """
    yield from record.consent.split() or (record.id,)
    term = load_vocabulary().data_types.get(record.data_type)
    if (
        term is not None
        and term.identifiability in ("direct", "device")
        and PrivacyClass(record.privacy_class) in _IDENTIFYING
    ):
        value = json.dumps(record.value, sort_keys=True)
        yield record.data_type, value


def _group(records: tuple[Record, ...]) -> Group:
    track = _series(records)
    telling = tuple(
        r
        for r in records
        if PrivacyClass(r.privacy_class) in _IDENTIFYING
        or r.data_type in track
    )
    if not telling:
        little = _of_kind(records, "quasi")
        plain = _of_kind(records, "alone_no")
        if len({r.data_type for r in little}) >= _FEW:
            telling = little
        elif len({r.data_type for r in (*little, *plain)}) >= _MANY:
            telling = (*little, *plain)
    return Group(
        records=records,
        because=tuple(sorted({r.data_type for r in telling})),
        since=min((r.captured_at for r in telling), default=None),
        until=max((r.expires_at for r in telling), default=None),
        series=tuple(sorted(track)),
    )


def _series(records: tuple[Record, ...]) -> frozenset[str]:
    """
    Name the data types of which there are several coarse places.

    Source: de Montjoye et al., "Unique in the Crowd" (2013): four places
    with their hours single out 95 of 100 people.
    """
    places = Counter(r.data_type for r in records if _is_place(r))
    return frozenset(type_ for type_, n in places.items() if n >= _FEW)


def _is_place(record: Record) -> bool:
    """
    Tell whether *record* says where its device was: a cell, a network, or
    the name of a place that it may leave.
    """
    if record.protection in _PLACES:
        return True
    term = load_vocabulary().data_types.get(record.data_type)
    return (
        term is not None
        and (term.category, term.persistence) == ("location", "ephemeral")
        and record.protection == ProtectionName.NONE.value
    )


def _of_kind(records: tuple[Record, ...], kind: str) -> tuple[Record, ...]:
    types = load_vocabulary().data_types
    return tuple(
        r
        for r in records
        if r.data_type in types and types[r.data_type].identifiability == kind
    )
