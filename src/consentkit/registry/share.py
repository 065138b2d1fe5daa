# SPDX-License-Identifier: MIT
"""
What is given to an SDK: each value by itself, declared, permitted, protected.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

from attrs import field, frozen

from consentkit.collectors.source import Unavailable
from consentkit.gate import Reason, Refusal
from consentkit.registry.model import SDKEntry


if TYPE_CHECKING:
    from consentkit.anonymise.protect import Protected
    from consentkit.use import Use


__all__ = ["Overstep", "Shared", "add_overstep", "share", "wanted_of"]

T = TypeVar("T")

#: Reasons that say that something was never declared.
_NEVER_DECLARED: Final = frozenset(
    {
        Reason.PLATFORM,
        Reason.STAYS_ON_DEVICE,
        Reason.UNDECLARED_DATA_TYPE,
        Reason.UNDECLARED_PURPOSE,
        Reason.UNDECLARED_RECIPIENT,
        Reason.UNDECLARED_SDK,
    }
)
_MOST_OVERSTEPS: Final = 1_000
_UNTYPED: Final = "undeclared"


@frozen(kw_only=True)
class Shared(Generic[T]):
    """
    What an SDK was given.

    Attributes:
        sdk: Its id.

        function: The function that it rests on.

        given: Names of what was given, in their order; never empty.

        left_out: Why the others were not, by name.

        value: What the app's own code returned that handed it over.
    """

    sdk: str
    function: str
    given: tuple[str, ...]
    left_out: Mapping[str, Refusal | Unavailable] = MappingProxyType({})
    value: T = field(repr=False, eq=False)


@frozen(kw_only=True)
class Overstep:
    """
    Something that an SDK was to be given, and that is not declared for it.

    Attributes:
        sdk: Its id.

        data_type: What it was; ``undeclared`` where it was of no data type,
            such as a property of an event that an adapter was not told of.

        reason: Why it was not given.

        detail: More on that.

        count: How often.

        first, last: When, in UTC.
    """

    sdk: str
    data_type: str
    reason: Reason
    detail: str
    count: int
    first: datetime
    last: datetime


def add_overstep(
    oversteps: dict[tuple[str, str, str], Overstep],
    sdk: str,
    data_type: str,
    refusal: Refusal,
) -> None:
    """
    Count *refusal* in *oversteps*, if it is one of something undeclared.
    """
    if refusal.reason not in _NEVER_DECLARED:
        return
    now = datetime.now(UTC)
    data_type = data_type or _UNTYPED
    key = sdk, data_type, refusal.reason.value
    before = oversteps.get(key)
    if before is not None:
        oversteps[key] = attrs.evolve(
            before, count=before.count + 1, last=max(now, before.last)
        )
    elif len(oversteps) < _MOST_OVERSTEPS:
        oversteps[key] = Overstep(
            sdk=sdk,
            data_type=data_type,
            reason=refusal.reason,
            detail=refusal.detail,
            count=1,
            first=now,
            last=now,
        )


def wanted_of(
    values: Collection[str], types: Mapping[str, str], read: Iterable[str]
) -> dict[str, str]:
    """
    Give the data types that are wanted, by name.

    Args:
        values: Names of what the app has.

        types: Data types of those that are not named after theirs.

        read: Data types to read.

    Raises:
        TypeError: If *types* or *read* does not name data types.
    """
    if isinstance(read, str | bytes):
        msg = "read: expected a list of data types, such as ['oaid'], no text"
        raise TypeError(msg)
    wanted = {name: types.get(name, name) for name in values}
    for name, data_type in wanted.items():
        _check_type(f"types[{name!r}]", data_type)
    for data_type in (read := [*read]):
        _check_type("read", data_type)
    return wanted | {data_type: data_type for data_type in read}


def _check_type(place: str, data_type: object) -> None:
    if not isinstance(data_type, str):
        what = type(data_type).__name__
        msg = f"{place}: expected a data type, such as 'oaid', not {what}"
        raise TypeError(msg)


def share(
    use: Use,
    entry: SDKEntry,
    *,
    recipient: str,
    platform: str,
    wanted: Mapping[str, str],
    values: Mapping[str, object],
    local: bool,
    hand_over: Callable[[Mapping[str, Any]], T],
    overstepped: Callable[[str, str, Refusal], None],
) -> Shared[T] | Refusal:
    """
    Decide on each of *wanted*, and hand over what may be given.

    Args:
        use: Of the SDK's function, not entered yet.

        entry: What is known of the SDK.

        recipient: Who the SDK gives to.

        platform: Where the app runs.

        wanted: Data types by name.

        values: What the app has, by name; the others are read.

        local: Whether what is given stays on the device.

        hand_over: Gets what may be given.

        overstepped: Told of each refusal.
    """
    given: dict[str, Any] = {}
    left_out: dict[str, Refusal | Unavailable] = {}
    with use:
        for name, data_type in wanted.items():
            got: Protected | Refusal | Unavailable | None
            got = _unlisted(
                entry, data_type, platform, use.function, local=local
            )
            if got is None:
                raw = (values[name],) if name in values else ()
                got = use.give(
                    data_type, *raw, recipient=recipient, local=local
                )
            if isinstance(got, Refusal):
                overstepped(entry.id, data_type, got)
            if isinstance(got, Refusal | Unavailable):
                left_out[name] = got
            else:
                given[name] = got.value
        if not given:
            return _nothing(use.function, left_out)
        # Still in use: a withdrawal in between was the last thing asked.
        return Shared(
            sdk=entry.id,
            function=use.function,
            given=tuple(given),
            left_out=MappingProxyType(left_out),
            value=hand_over(MappingProxyType(given)),
        )


def _nothing(
    function: str, left_out: Mapping[str, Refusal | Unavailable]
) -> Refusal:
    first = next(iter(left_out.values()), None)
    if isinstance(first, Refusal):
        return first
    return Refusal(
        reason=Reason.NO_VALUE,
        function=function,
        data_type=first.data_type if first else "",
        detail=first.reason if first else "nothing was to be given",
    )


def _unlisted(
    entry: SDKEntry,
    data_type: str,
    platform: str,
    function: str,
    *,
    local: bool,
) -> Refusal | None:
    """
    Say why *entry* does not let the SDK have *data_type* here.
    """
    fields = [f for f in entry.fields if data_type in f.types]
    here = [f for f in fields if {platform, "any"} & set(f.platforms)]
    if any(local or not (f.local_only or entry.local_only) for f in here):
        return None
    if here:
        reason, detail = Reason.STAYS_ON_DEVICE, "it is for local use only"
    elif fields:
        where = {p for f in fields for p in f.platforms}
        reason = Reason.PLATFORM
        detail = (
            f"the entry of {entry.id} lists it for {', '.join(sorted(where))}"
        )
    else:
        reason = Reason.UNDECLARED_DATA_TYPE
        detail = f"the entry of {entry.id} does not list it"
        if not data_type:
            detail = "it was given no data type"
    return Refusal(
        reason=reason, function=function, data_type=data_type, detail=detail
    )
