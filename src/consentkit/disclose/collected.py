# SPDX-License-Identifier: MIT
"""
What was really collected of a person, beside what the policy lists.

A policy says what may be read, on every system at once; what a phone or a
computer gives is less. This is made of what was counted at each read, so it
tells of this device alone, and nothing of what code did that asked nobody.

Source: PIPL Articles 7 and 44; GDPR Article 15(1).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import groupby

from attrs import field, frozen

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.together import Group, expected
from consentkit.consent._layout import columns, entry, plain, wrap
from consentkit.outbox.tally import Obtained
from consentkit.policy.model import Policy, ProtectionName
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["Collected", "collected"]

_WIDTH = 78
_INDENT = 15


@frozen(kw_only=True)
class Collected:
    """
    What was really collected, and what was not.

    Attributes:
        obtained: What was, by function and data type; none of them has zero
            *times*.

        unlisted: Those of them that this version of the policy does not list
            any more: as ``function/data_type``.

        never: What the policy lists and was never read here; written so too.

        elsewhere: Those of them that the policy lists for other platforms,
            so that they cannot be read here.

        together: What all of it is together for who can link it, by what
            the policy does to it; ``None`` where each is what it is by
            itself.

        because: The data types that make it so, sorted.

        text: All of it for people, in lines of at most 78 columns.

    .. versionadded:: 26.1.0
    """

    obtained: tuple[Obtained, ...]
    unlisted: tuple[str, ...]
    never: tuple[str, ...]
    elsewhere: tuple[str, ...]
    together: PrivacyClass | None
    because: tuple[str, ...]
    text: str = field(repr=False)


def collected(
    policy: Policy, obtained: Iterable[Obtained], *, platform: str = ""
) -> Collected:
    """
    Say what was really collected of a person on this device.

    Args:
        policy: The document in force.

        obtained: What was counted: ``kit.store.tally.of()``, of an app with
            one user.

        platform: Where the app runs, in the words of a policy; with it what
            the policy lists for others is told apart.

    .. versionadded:: 26.1.0
    """
    found = tuple(obtained)
    here = {(one.function, one.data_type) for one in found}
    listed = {
        (function.id, clause.type): clause.platforms
        for function in policy.functions.values()
        for clause in function.clauses.values()
    }
    never = [place for place in listed if place not in here]
    elsewhere = [
        place
        for place in never
        if platform and listed[place] and platform not in listed[place]
    ]
    unlisted = here - listed.keys()
    group = expected(
        (one.data_type, _protection(policy, one)) for one in found
    )
    counts = {
        "never here": len(never) - len(elsewhere),
        "not here": len(elsewhere),
    }
    return Collected(
        obtained=found,
        unlisted=_written(unlisted),
        never=_written(never),
        elsewhere=_written(elsewhere),
        together=group.privacy_class if group else None,
        because=group.because if group else (),
        text="\n".join(
            (
                *_head(policy, platform),
                *_obtained(policy, found, unlisted),
                *_together(group),
                *_counts(counts),
            )
        ),
    )


def _written(places: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted(f"{f}/{data_type}" for f, data_type in places))


def _head(policy: Policy, platform: str) -> Iterator[str]:
    head = wrap(f"What was collected: {policy.title}", _WIDTH)
    yield from head
    yield "-" * max(map(columns, head))
    where = f"this device ({platform})" if platform else "this device"
    yield from wrap(
        f"Counted on {where} at each read, whether or not anything was kept "
        "or sent.",
        _WIDTH,
    )
    yield ""


def _obtained(
    policy: Policy,
    obtained: tuple[Obtained, ...],
    unlisted: Container[tuple[str, str]],
) -> Iterator[str]:
    for function, rows in groupby(obtained, lambda one: one.function):
        known = policy.functions.get(function)
        yield plain(known.name if known else function)
        for one in rows:
            text = _told(one)
            if (function, one.data_type) in unlisted:
                text += "; no longer listed"
            times = f"{one.times} time{'s' * (one.times != 1)}"
            yield from _entry(times, text)
        yield ""
    if not obtained:
        yield "Nothing so far."
        yield ""


def _told(one: Obtained) -> str:
    known = load_vocabulary().data_types.get(one.data_type)
    name = f"{known.name} ({one.data_type})" if known else one.data_type
    days = one.first.isoformat()
    if one.last != one.first:
        days += f" to {one.last.isoformat()}"
    return f"{name}, {days}"


def _protection(policy: Policy, one: Obtained) -> ProtectionName:
    """
    Name what is done to a value before it leaves; nothing that is known of
    one that is not listed any more.
    """
    function = policy.functions.get(one.function)
    clause = function.clauses.get(one.data_type) if function else None
    return clause.protection.name if clause else ProtectionName.NONE


def _together(group: Group | None) -> Iterator[str]:
    if group is not None and group.privacy_class is not None:
        yield from wrap(
            f"What leaves of it is {group.privacy_class.value}, all of it, "
            f"for who can link it: by {', '.join(group.because)}.",
            _WIDTH,
        )
        yield ""


#: What is said of how much was not read, by its label.
_NOT_READ = {
    "never here": "that the policy lists",
    "not here": "that it lists for other platforms",
}


def _counts(counts: Mapping[str, int]) -> Iterator[str]:
    for label, number in counts.items():
        if number or label == "never here":
            yield from _entry(label, f"{number} {_NOT_READ[label]}")


def _entry(label: str, text: str) -> list[str]:
    return entry(label, text, indent=_INDENT, width=_WIDTH)
