# SPDX-License-Identifier: MIT
"""
What the gate would let pass if everybody had said yes to everything.

A list is a promise of what is done at most, so it is asked of the gate that
decides while the app runs, and cannot say anything else than that gate does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from consentkit.consent.state import Choice, State, Status
from consentkit.gate import Gate, Moment, OSPermission, Permit, Refusal
from consentkit.ledger.entries import GENESIS, Act, Entry, text_digest
from consentkit.policy.model import Clause, Function, Policy, ProtectionName
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry.model import SDKEntry


__all__ = [
    "PLATFORMS",
    "STAYS",
    "Asked",
    "Passes",
    "check_platform",
    "everywhere",
    "is_sensitive",
    "known",
]

#: Where an app may run, in the words of a policy.
PLATFORMS: Final = ("android", "ios", "web", "iot", "desktop")

#: What these leave does not leave the device.
STAYS: Final = frozenset({ProtectionName.DROP, ProtectionName.LOCAL_ONLY})


@frozen(kw_only=True)
class Passes:
    """
    For whom, why and where the gate lets one data type of a function pass.

    Attributes:
        platforms: Where; in the order of `PLATFORMS`.
    """

    clause: Clause
    recipient: str
    purposes: tuple[str, ...]
    platforms: tuple[str, ...]


class Asked:
    """
    Asks a gate at which everything was granted, and nothing is in the way.

    Args:
        policy: It need not be in force, and may be a template.

        platform: The only one that is asked about, or empty for all.
    """

    def __init__(self, policy: Policy, platform: str = "") -> None:
        self._policy = policy
        self._gate = Gate(policy=policy, state=_granted(policy))
        self._moments = {
            name: Moment(platform=name, os_permission=OSPermission.GRANTED)
            for name in ([platform] if platform else PLATFORMS)
        }

    def starts(self, function: Function) -> bool:
        """
        Tell whether the SDK of *function* may be started.
        """
        return not isinstance(self._gate.function(function.id), Refusal)

    def passes(self, function: Function) -> Iterator[Passes]:
        """
        Give what the gate lets pass, by data type and recipient.
        """
        for clause in function.clauses.values():
            for recipient in clause.recipients:
                found = self._ask(function.id, clause, recipient)
                if found is not None:
                    yield found

    def _ask(
        self, function: str, clause: Clause, recipient: str
    ) -> Passes | None:
        permitted = [
            (purpose, name)
            for purpose in clause.purposes
            for name, moment in self._moments.items()
            if isinstance(
                self._gate.decide(
                    function, clause.type, purpose, recipient, moment
                ),
                Permit,
            )
        ]
        if not permitted:
            return None
        return Passes(
            clause=clause,
            recipient=recipient,
            purposes=tuple(dict.fromkeys(p for p, _ in permitted)),
            platforms=tuple(
                name
                for name in self._moments
                if any(there == name for _, there in permitted)
            ),
        )


def _granted(policy: Policy) -> State:
    """
    Make the state of somebody who agreed to all of *policy*.

    It has no time, so that a policy that is not in force yet can be asked.
    """
    yes = Entry(
        seq=1,
        element="",
        terms="",
        at=datetime.min.replace(tzinfo=UTC),
        act=Act.GRANTED,
        method="none",
        policy=policy.id,
        version=policy.version,
        text=policy.digest,
        language=policy.language,
        prior=GENESIS,
        prev=GENESIS,
    )
    read = evolve(yes, act=Act.ACKNOWLEDGED)
    return State(
        choices=MappingProxyType(
            {
                element: Choice(
                    element=element, status=Status.GRANTED, entry=yes
                )
                for element in policy.elements
            }
        ),
        acknowledged={
            f.id: evolve(read, notice=text_digest(f.acknowledge))
            for f in policy.functions.values()
            if f.acknowledge
        },
    )


# What both lists share


def check_platform(platform: str) -> None:
    """
    Raise `ValueError` unless *platform* is one, or empty.
    """
    if platform and platform not in PLATFORMS:
        msg = f"no platform {platform!r}; one of {', '.join(PLATFORMS)}"
        raise ValueError(msg)


def known(entries: Mapping[str, SDKEntry] | None) -> Mapping[str, SDKEntry]:
    """
    Give *entries*, or the shipped ones.
    """
    if entries is not None:
        return entries
    from consentkit.registry.load import load_registry

    return load_registry()


def everywhere(platforms: tuple[str, ...], only: str = "") -> tuple[str, ...]:
    """
    Leave out the platforms where they are all that there are.
    """
    return () if not only and set(platforms) >= set(PLATFORMS) else platforms


def is_sensitive(data_type: str) -> bool:
    """
    Tell whether a data type is sensitive personal information.
    """
    found = load_vocabulary().data_types.get(data_type)
    return found is not None and found.sensitive
