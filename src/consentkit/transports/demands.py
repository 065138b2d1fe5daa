# SPDX-License-Identifier: MIT
"""
What purposes demand of the way that their records take, held against it.

A kit is not opened where a way falls short, and asks again before each
transfer: what a transport states may change while it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from attrs import frozen

from consentkit.exceptions import TransportError
from consentkit.policy.model import Policy, ProtectionName, Recipient
from consentkit.transports._passing import PassingTransport
from consentkit.transports.base import Answer, Outcome, Transport


if TYPE_CHECKING:
    from consentkit.outbox.drops import DropReport
    from consentkit.outbox.records import Batch, Erasure


__all__ = ["Demands", "demands_on", "held_to"]

#: What leaves the device in no form, whoever the recipients are.
_STAYS: Final = frozenset({ProtectionName.DROP, ProtectionName.LOCAL_ONLY})


@frozen(kw_only=True)
class Demands:
    """
    What the ways to one recipient have to be.

    Attributes:
        recipient: Its id.

        needs: In words of ``purposes.X.needs``, with the purposes that ask
            for each.

        regions: Countries in which a way to it may end; any, if empty.
    """

    recipient: str
    needs: Mapping[str, tuple[str, ...]]
    regions: tuple[str, ...] = ()

    def missing(self, transport: Transport, *, has_key: bool) -> Iterator[str]:
        """
        Say of each demand that *transport* does not meet what is missing,
        and what would be right.

        Args:
            transport: The way to this recipient.

            has_key: Whether there is a key to seal for.
        """
        for need, purposes in self.needs.items():
            said = self._lacks(need, transport, has_key=has_key)
            if said:
                yield (
                    f"the way to {self.recipient} ({transport.name}) is not "
                    f"as {', '.join(purposes)} needs it, {need!r}: {said}"
                )
        if "region" not in self.needs and self._strays(transport):
            yield (
                f"the way to {self.recipient} ({transport.name}) leaves the "
                f"regions of storage: {self._ends(transport)}"
            )

    def _lacks(self, need: str, transport: Transport, *, has_key: bool) -> str:
        if need == "sealed":
            return self._unsealed(transport, has_key=has_key)
        if need == "region":
            if self._strays(transport):
                return self._ends(transport)
            is_known = transport.region or need in transport.capabilities
            return "" if is_known else _CURES[need]
        return "" if need in transport.capabilities else _CURES[need]

    def _unsealed(self, transport: Transport, *, has_key: bool) -> str:
        if not transport.seals:
            return "this transport cannot send envelopes; choose one that can"
        if not has_key:
            return (
                "there is no key to seal for; pass seal_for="
                f"{{{self.recipient!r}: ...}}, a line that 'consentkit keys "
                "new FILE' prints"
            )
        return ""

    def _strays(self, transport: Transport) -> bool:
        return bool(
            self.regions
            and transport.region
            and transport.region not in self.regions
        )

    def _ends(self, transport: Transport) -> str:
        return (
            f"it ends in {transport.region}, and may end in "
            f"{', '.join(self.regions)} alone; choose another host, or "
            "declare in the policy where the data goes"
        )


_CURES: Final = {
    "encrypted": "it does not state that it is; take https: or another that "
    "speaks TLS, or where you know that it is, pass "
    'route(transport, capabilities={"encrypted"})',
    "no-address": "the backend learns the sender's address; send by a relay "
    "that keeps it to itself, and pass "
    'route(transport, capabilities={"no-address"})',
    "region": "nobody says where it ends; pass "
    'route(transport, region="CN"), with the country that it is',
}


def demands_on(policy: Policy, recipient: str) -> Demands:
    """
    Gather what *policy* demands of the ways to one of its recipients.
    """
    needs: dict[str, dict[str, None]] = {}
    for function in policy.functions.values() if policy.demands else ():
        for clause in function.clauses.values():
            if (
                recipient not in clause.recipients
                or clause.protection.name in _STAYS
            ):
                continue
            for purpose in clause.purposes:
                for need in policy.demands.get(purpose, ()):
                    needs.setdefault(need, {})[purpose] = None
    return Demands(
        recipient=recipient,
        needs={need: tuple(purposes) for need, purposes in needs.items()},
        regions=_regions(policy, policy.recipients[recipient]),
    )


def _regions(policy: Policy, party: Recipient) -> tuple[str, ...]:
    """
    Name the countries in which a way to *party* may end.
    """
    home = policy.document.storage.regions
    return (*home, party.country) if party.abroad else home


def held_to(
    policy: Policy,
    transports: Mapping[str, Transport],
    has_key: Mapping[str, object],
) -> Mapping[str, Transport]:
    """
    Hold each way against what *policy* demands of it.

    Args:
        policy: Of the app.

        transports: By recipient.

        has_key: By recipient, what is true where there is a key for it.

    Returns:
        The transports; those of which something is demanded send nothing
        when they do not meet it any more.

    Raises:
        TransportError: If one falls short; it tells of all that do.
    """
    made: dict[str, Transport] = {}
    missing: list[str] = []
    for recipient, transport in transports.items():
        demands = demands_on(policy, recipient)
        key = bool(has_key.get(recipient))
        missing += demands.missing(transport, has_key=key)
        made[recipient] = transport
        if demands.needs:
            made[recipient] = _HeldTransport(transport, demands)
    if missing:
        raise TransportError("\n".join(missing))
    return made


class _HeldTransport(PassingTransport):
    """
    Let *inner* send as long as it meets what is demanded of it.

    What it may not send waits: batches, requests to erase and reports of
    what was dropped.
    """

    def __init__(self, inner: Transport, demands: Demands) -> None:
        super().__init__(inner)
        self._demands = demands

    def __repr__(self) -> str:
        return repr(self._inner)

    def _send(self, batch: Batch) -> Answer:
        problem = self._problem(batch)
        return _later(batch.ids, problem) or self._inner.send(batch)

    def _erase(self, erasure: Erasure) -> Answer:
        problem = self._problem(erasure)
        return _later([erasure.id], problem) or self._inner.erase(erasure)

    def _report(self, report: DropReport) -> Answer:
        problem = self._problem(report)
        return _later([report.id], problem) or self._inner.report(report)

    def _problem(self, what: Batch | Erasure | DropReport) -> str:
        has_key = what.seal_for is not None
        return next(self._demands.missing(self._inner, has_key=has_key), "")


def _later(ids: list[str], problem: str) -> Answer | None:
    """
    Let what has a *problem* wait.
    """
    if not problem:
        return None
    return Answer(outcomes=dict.fromkeys(ids, Outcome.RETRY), problem=problem)
