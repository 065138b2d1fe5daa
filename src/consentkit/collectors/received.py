# SPDX-License-Identifier: MIT
"""
What somebody else hands over about a person, read as any other source.

It comes in by one door. The policy has to name the party among those that
supply data; of what is handed over the listed types are taken, and the rest
is dropped before anything sees it. The person's consent comes first, as for
every read: without a permit the values lie in memory until they are replaced.

What it does not hold: whether the party told the truth about where it has
them from. Somebody has to have checked what `Provenance` refers to.

Source: PIPL Article 23; GDPR Article 14.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from attrs import frozen

from consentkit.collectors.source import Source, Unavailable
from consentkit.gate import Permit
from consentkit.ledger.entries import Act, Actor
from consentkit.policy.model import Policy
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["Provenance", "ReceivedSource"]

_OWN = frozenset({Actor.PERSON, Actor.GUARDIAN})


@frozen(kw_only=True)
class Provenance:
    """
    Where data on a person comes from; nothing is taken without it.

    Its text says all of it: pass ``str(provenance)`` as *attested* of the
    use, where the function asks for it, and it is on record.

    Attributes:
        party: Id of the party that hands it over.

        purposes: What the person let it be used for there; ids of purposes.

        obtained: When the party got it.

        reference: Where the proof of its lawful source is filed.

    Raises:
        ValueError: If one of them says nothing.
    """

    party: str
    purposes: tuple[str, ...]
    obtained: date
    reference: str

    def __attrs_post_init__(self) -> None:
        words = load_vocabulary().purposes
        if not self.purposes or not set(self.purposes) <= set(words):
            msg = "purposes must name what it may be used for, by id"
            raise ValueError(msg)
        if not self.party.strip() or not self.reference.strip():
            msg = "party and reference must say where it comes from"
            raise ValueError(msg)

    def __str__(self) -> str:
        return (
            f"from {self.party}, obtained {self.obtained.isoformat()} for "
            f"{', '.join(self.purposes)}; {self.reference}"
        )


class ReceivedSource(Source[Any]):
    """
    What one party has handed over last; give it to `consentkit.open`.

    Args:
        policy: Its table ``indirect`` names who supplies data.

        party: Id of the party.

        data_types: The closed list of what is taken from it.

    Raises:
        ValueError: If the policy takes nothing from others, or not from
            this party.
    """

    name = "what others have handed over"
    touches: str = "nothing: what was handed over lies in memory"
    timeout_seconds: float | None = None  # nothing waits

    def __init__(
        self, policy: Policy, party: str, data_types: Iterable[str]
    ) -> None:
        indirect = policy.document.indirect
        if indirect is None or not indirect.allowed:
            msg = f"the policy {policy.id} takes no data from others"
            raise ValueError(msg)
        if party not in indirect.recipients:
            msg = f"the policy {policy.id} takes no data from {party!r}"
            raise ValueError(msg)
        self.id: str = f"received_{party}"
        self.party = party
        self.data_types: frozenset[str] = frozenset(data_types)
        #: One assignment is whole in every thread.
        self._held: tuple[Mapping[str, object], Provenance] | None = None

    def put(
        self, values: Mapping[str, object], provenance: Provenance
    ) -> tuple[str, ...]:
        """
        Take what is handed over, in place of what there was before.

        Args:
            values: By data type. What is not on the list is dropped.

            provenance: Where they come from.

        Returns:
            The types that were taken.

        Raises:
            ValueError: If they come from another party.
        """
        if provenance.party != self.party:
            msg = f"this is the door of {self.party!r} alone"
            raise ValueError(msg)
        taken = {t: v for t, v in values.items() if t in self.data_types}
        self._held = MappingProxyType(taken), provenance
        return tuple(taken)

    def clear(self) -> None:
        """
        Let go of what was handed over.
        """
        self._held = None

    def _read(self, permit: Permit, **_: Any) -> Any:
        held = self._held
        data_type = permit.clause.type
        if held is None or data_type not in held[0]:
            return Unavailable(data_type, "it was not handed over")
        values, provenance = held
        if permit.purpose not in provenance.purposes and not _is_own(permit):
            return Unavailable(
                data_type,
                f"it was not given to {self.party} for {permit.purpose}",
            )
        return values[data_type]


def _is_own(permit: Permit) -> bool:
    """
    Tell whether the person said yes here, and nobody in their place.
    """
    return all(
        entry.act is Act.GRANTED and entry.by in _OWN
        for entry in permit.entries.values()
    )
