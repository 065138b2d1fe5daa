# SPDX-License-Identifier: MIT
"""
Signals from outside, and what each of them stops.

A signal only ever narrows: none of them grants, and that one is silent opens
nothing. One resolver says what each stops, in one order, so that what
`Signals.rows` explains is what `Signals.masks` does.

Sources: https://donottrack.sh defines ``DO_NOT_TRACK=1`` and no other value;
the W3C's Global Privacy Control defines the header ``Sec-GPC``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

from attrs import field, frozen

from consentkit.consent.state import OPEN, State, Status
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.policy.model import (
    ABROAD,
    Category,
    Function,
    Policy,
    split_element,
)
from consentkit.policy.vocabulary import load_vocabulary


__all__ = [
    "Conflict",
    "DevicePolicy",
    "Signal",
    "SignalRow",
    "Signals",
    "gpc_from_header",
    "gpc_from_headers",
    "is_set",
]

_NO: Final = frozenset({"", "0", "f", "false", "n", "no", "off"})
_YES: Final = frozenset({"", "1", "on", "t", "true", "y", "yes"})
# Answers of an operating system under which nothing can be had.
_BARRED: Final = frozenset({"denied", "restricted"})

_ALL: Final = "*"
_SHOWN: Final = 40


class Signal(Enum):
    """
    Where a signal comes from, the strongest first.

    The order is that in which reasons are named; whatever one of them stops
    is stopped.
    """

    DEVICE_POLICY = "device_policy"
    OWN_VARIABLE = "consentkit_consent"
    DO_NOT_TRACK = "do_not_track"
    GPC = "gpc"
    OS_PERMISSION = "os_permission"
    CI = "ci"
    TERMINALS = "terminals"


@frozen(kw_only=True)
class SignalRow:
    """
    What one signal says of one element.

    Attributes:
        name: Value of its `Signal`.

        value: What was found, as it was written.

        effect: What that means, in a sentence for people.

        stops: Whether it stops the element.
    """

    name: str
    value: str
    effect: str
    stops: bool

    def __str__(self) -> str:
        mark = "NO" if self.stops else "-"
        return f"{mark:>4}  {self.name}, {self.value}: {self.effect}"


@frozen(kw_only=True)
class Conflict:
    """
    A signal and a person's yes that say different things.

    Attributes:
        element: What the yes was given to.

        signal: Value of the `Signal`.

        held: Which of them counts: ``signal`` or ``choice``.
    """

    element: str
    signal: str
    held: Literal["signal", "choice"]

    @property
    def facts(self) -> Mapping[str, str]:
        """
        What an entry ``signal_conflict`` says of it.
        """
        return {"signal": self.signal, "held": self.held}


@frozen(kw_only=True)
class DevicePolicy:
    """
    What the administrator of a device forbids on it.

    Attributes:
        place: The file that says so.

        forbidden: Functions and elements, or ``*`` for everything, by id of
            a policy; under an empty id, those of every app.

        problem: Why the file cannot be used, or empty. With a problem it
            forbids everything: somebody meant to forbid something.
    """

    place: str = ""
    forbidden: Mapping[str, frozenset[str]] = field(factory=dict)
    problem: str = ""

    def forbids(self, policy: str, element: str) -> bool:
        """
        Tell whether *element* of the policy with the id *policy* is out.
        """
        names = self.names(policy)
        return bool(
            self.problem or names & {_ALL, element, split_element(element)[0]}
        )

    def names(self, policy: str) -> frozenset[str]:
        """
        Give what it forbids an app with the policy of that id, by name.
        """
        here = (self.forbidden.get(key, frozenset()) for key in ("", policy))
        return frozenset().union(*here)


@frozen(kw_only=True)
class Signals:
    """
    What the world around an app says, at one time.

    Attributes:
        do_not_track: The variable ``DO_NOT_TRACK``, if it is set.

        own: The variable ``CONSENTKIT_CONSENT``, if it is set.

        gpc: Whether the person's browser sent Global Privacy Control;
            ``None`` where there is no browser.

        gpc_since: From when on it is known to be sent. Leave it out if that
            is not followed: then a yes is later than the signal if the
            ledger had noted their conflict before it.

        permissions: Answers of the operating system by id of a permission,
            as the values of `consentkit.OSPermission`; empty where the gate
            alone asks it.

        device: What administrators forbid on this device.

        ci: Whether this is a machine that builds and tests software.

        ci_for: The variable ``CONSENTKIT_CI``: ``id@version`` of the policy
            under which choices may be recorded there.

        terminals: Whether input, output and errors are all terminals.
    """

    do_not_track: str | None = None
    own: str | None = None
    gpc: bool | None = None
    gpc_since: datetime | None = None
    permissions: Mapping[str, str] = field(factory=dict)
    device: tuple[DevicePolicy, ...] = ()
    ci: bool = False
    ci_for: str = ""
    terminals: bool = True
    # What `masks` gave last, and for what: it is asked at each decision.
    _last: list[tuple[object, object, Mapping[str, tuple[str, ...]]]] = field(
        factory=list, init=False, eq=False, repr=False
    )

    def may_prompt(self) -> bool:
        """
        Tell whether somebody sits there who can be asked in a terminal.

        Where not, nothing is asked, and that nothing was answered is not
        recorded either.
        """
        return self.terminals and not self.ci

    def may_record(self, policy: Policy) -> bool:
        """
        Tell whether a choice that comes from a command may be recorded.

        On a machine that builds software it may only where a variable names
        the policy and its version: nobody reads a notice there.
        """
        named = f"{policy.id}@{policy.version}"
        return not self.ci or self.ci_for.strip() == named

    def masks(
        self, policy: Policy, entries: Iterable[Entry] = ()
    ) -> Mapping[str, tuple[str, ...]]:
        """
        Give what is stopped, and by what, as `fold` takes it.

        Args:
            policy: The policy in force.

            entries: Of the person; only a policy that lets a later choice
                go before Global Privacy Control looks at them.

        Returns:
            By element, the values of each `Signal` that stops it, the
            strongest first; nothing for what none of them stops.
        """
        looked_at = entries if self._asks_ledger(policy) else None
        for known, of, masks in self._last:
            if known is policy and of is looked_at:
                return masks
        made = self._masks(policy, entries)
        self._last[:] = [(policy, looked_at, made)]
        return made

    def _masks(
        self, policy: Policy, entries: Iterable[Entry]
    ) -> Mapping[str, tuple[str, ...]]:
        on = [signal for signal in Signal if self._is_on(signal)]
        over = self._over_gpc(policy, entries)
        stopped = {
            element: tuple(
                signal.value
                for signal in on
                if self._stops(signal, policy, element, over)
            )
            for element in (policy.elements if on else ())
        }
        return MappingProxyType({e: c for e, c in stopped.items() if c})

    def rows(
        self, policy: Policy, element: str, entries: Iterable[Entry] = ()
    ) -> tuple[SignalRow, ...]:
        """
        Explain what each signal says of *element*, the strongest first.

        Raises:
            KeyError: If the policy has no such element.
        """
        if element not in policy.elements:
            raise KeyError(element)
        over = self._over_gpc(policy, entries)
        return tuple(
            SignalRow(
                name=signal.value,
                value=self._value(signal, policy, element),
                effect=self._effect(signal, policy, element, over),
                stops=self._stops(signal, policy, element, over),
            )
            for signal in Signal
        )

    def conflicts(
        self, policy: Policy, entries: Iterable[Entry], state: State
    ) -> tuple[Conflict, ...]:
        """
        Find the conflicts that are to be recorded, each once.

        Args:
            policy: The policy in force.

            entries: Of the person.

            state: What they add up to.
        """
        if not self.gpc:
            return ()
        runs = _runs(entries, policy.id)
        over = self._over_gpc(policy, entries)
        found = []
        for element, choice in state.choices.items():
            yes = choice.status in OPEN or choice.status is Status.MASKED
            if not yes or not _by_gpc(policy, element):
                continue
            held: Literal["signal", "choice"] = (
                "choice" if element in over else "signal"
            )
            if runs.get(element, _Run()).noted != held:
                conflict = Conflict(
                    element=element, signal=Signal.GPC.value, held=held
                )
                found.append(conflict)
        return tuple(found)

    # What each of them says

    def _is_on(self, signal: Signal) -> bool:
        match signal:
            case Signal.DEVICE_POLICY:
                return bool(self.device)
            case Signal.OWN_VARIABLE:
                return self.own is not None and not _among(self.own, _YES)
            case Signal.DO_NOT_TRACK:
                return is_set(self.do_not_track)
            case Signal.GPC:
                return bool(self.gpc)
            case Signal.OS_PERMISSION:
                return bool(_BARRED.intersection(self.permissions.values()))
        return False

    def _stops(
        self,
        signal: Signal,
        policy: Policy,
        element: str,
        over: frozenset[str],
    ) -> bool:
        if not self._is_on(signal):
            return False
        match signal:
            case Signal.DEVICE_POLICY:
                return any(d.forbids(policy.id, element) for d in self.device)
            case Signal.OWN_VARIABLE | Signal.DO_NOT_TRACK:
                return _by_do_not_track(policy, element)
            case Signal.GPC:
                return element not in over and _by_gpc(policy, element)
        permission = _permission_of(policy, element)
        return self.permissions.get(permission) in _BARRED

    def _value(self, signal: Signal, policy: Policy, element: str) -> str:
        match signal:
            case Signal.DEVICE_POLICY:
                return ", ".join(d.place for d in self.device) or "none"
            case Signal.OWN_VARIABLE:
                return _shown(self.own)
            case Signal.DO_NOT_TRACK:
                return _shown(self.do_not_track)
            case Signal.GPC:
                return "no browser" if self.gpc is None else _on(self.gpc)
            case Signal.OS_PERMISSION:
                name = _permission_of(policy, element)
                answer = self.permissions.get(name, "not asked here")
                return f"{name}: {answer}" if name else "none needed"
            case Signal.CI:
                return _on(self.ci)
        return "all three" if self.terminals else "not all three"

    def _effect(
        self,
        signal: Signal,
        policy: Policy,
        element: str,
        over: frozenset[str],
    ) -> str:
        if signal is Signal.DEVICE_POLICY:
            return self._of_device(policy, element)
        if self._stops(signal, policy, element, over):
            return _STOPPED[signal]
        if signal is Signal.GPC and self.gpc and _by_gpc(policy, element):
            return "the person's later choice goes before it"
        if signal is Signal.CI and self.ci:
            return "nobody is asked"
        if signal is Signal.TERMINALS and not self.terminals:
            return "nobody is asked in a terminal"
        if self._is_on(signal):
            return "stops nothing of this"
        return "says nothing"

    def _of_device(self, policy: Policy, element: str) -> str:
        said = []
        for device in self.device:
            strange = device.forbidden.get(policy.id, frozenset()) - {
                _ALL,
                *policy.functions,
                *policy.elements,
            }
            if device.problem:
                said.append(
                    f"{device.problem}; it forbids everything until then"
                )
            elif device.forbids(policy.id, element):
                said.append(_STOPPED[Signal.DEVICE_POLICY])
            if strange:
                names = ", ".join(repr(name) for name in sorted(strange))
                said.append(f"names what this policy does not have: {names}")
        return "; ".join(said) or "forbids nothing of this"

    def _asks_ledger(self, policy: Policy) -> bool:
        return bool(self.gpc and policy.document.signals.choice_over_gpc)

    def _over_gpc(
        self, policy: Policy, entries: Iterable[Entry]
    ) -> frozenset[str]:
        """
        Name what a person said yes to in the knowledge of the signal.
        """
        if not self._asks_ledger(policy):
            return frozenset()
        return frozenset(
            element
            for element, run in _runs(entries, policy.id).items()
            if run.grant is not None
            and (
                run.informed
                if self.gpc_since is None
                else run.grant.at > self.gpc_since
            )
        )


_STOPPED: Final = {
    Signal.DEVICE_POLICY: "the administrator of this device forbids it",
    Signal.OWN_VARIABLE: "asks for no collection, so it is off",
    Signal.DO_NOT_TRACK: "asks for no tracking, so it is off",
    Signal.GPC: "objects to sale and sharing, so it is off",
    Signal.OS_PERMISSION: "the operating system does not allow it",
}


# What a document stops where it does not say otherwise


def _by_do_not_track(policy: Policy, element: str) -> bool:
    listed = policy.document.signals.do_not_track
    function = policy.function_of(element)
    if listed is not None:
        return function.id in listed
    return function.category is not Category.CORE


def _by_gpc(policy: Policy, element: str) -> bool:
    listed = policy.document.signals.gpc
    function = policy.function_of(element)
    if listed is not None:
        return function.id in listed
    party = element.partition("@")[2].removesuffix(ABROAD)
    # A processor abroad has no purposes of its own: that is no sale.
    if party and function.recipients[party].separate:
        return True
    return function.category is Category.THIRD_PARTY or _advertises(function)


def _advertises(function: Function) -> bool:
    clauses = function.clauses.values()
    purposes = {p for clause in clauses for p in clause.purposes}
    return not _advertising().isdisjoint(purposes.union(function.purposes))


@cache
def _advertising() -> frozenset[str]:
    """
    Name the purposes that are advertising by either outside vocabulary.
    """
    return frozenset(
        purpose.id
        for purpose in load_vocabulary().purposes.values()
        if purpose.fideslang.startswith("marketing.advertising")
        or purpose.dpv in {"Advertising", "TargetedAdvertising"}
    )


def _permission_of(policy: Policy, element: str) -> str:
    function = policy.function_of(element)
    clause = function.clauses.get(split_element(element)[1])
    return function.permission if clause is None else clause.permission


# What the ledger knows of a choice and Global Privacy Control


@frozen(kw_only=True)
class _Run:
    """
    What was said of an element since the last no.

    Attributes:
        grant: The last yes of the person's own.

        informed: Whether a conflict was on record before it.

        conflict: Whether one is on record now.

        noted: What held, by the conflict on record since the last yes.
    """

    grant: Entry | None = None
    informed: bool = False
    conflict: bool = False
    noted: str = ""


def _runs(entries: Iterable[Entry], policy: str) -> dict[str, _Run]:
    runs: dict[str, _Run] = {}
    for entry in entries:
        if entry.act is Act.ERASED:
            runs.clear()
        elif entry.policy == policy:
            before = runs.get(entry.element, _Run())
            runs[entry.element] = _run_after(before, entry)
    return runs


def _run_after(before: _Run, entry: Entry) -> _Run:
    known = before.conflict
    match entry.act:
        case Act.GRANTED if entry.by in (Actor.PERSON, Actor.GUARDIAN):
            return _Run(grant=entry, informed=known, conflict=known)
        case Act.SIGNAL_CONFLICT if (
            entry.facts.get("signal") == Signal.GPC.value
        ):
            return _Run(
                grant=before.grant,
                informed=before.informed,
                conflict=True,
                noted=entry.facts.get("held", ""),
            )
        case Act.REFUSED if entry.facts.get("of") == "widening":
            return before
        case Act.REFUSED | Act.WITHDRAWN | Act.OBJECTED | Act.INVALIDATED:
            return _Run()
    return before


# Headers and variables


def gpc_from_header(value: str | None) -> bool:
    """
    Read the value of a header ``Sec-GPC``.

    Only the character ``1`` is the signal. Gateways join repeated headers
    with a comma; one ``1`` among them is enough.

    Source: W3C Global Privacy Control, "The Sec-GPC header field"; RFC 9110,
    5.3 and 5.5.

    Args:
        value: Its value, or ``None`` where it was not sent.

    Returns:
        Whether the person asks not to have data sold or shared. ``False`` is
        no consent.
    """
    return value is not None and any(
        part.strip(" \t") == "1" for part in value.split(",")
    )


def gpc_from_headers(headers: Iterable[tuple[str, str]]) -> bool:
    """
    Read the signal out of all headers of a request, names in any case.
    """
    return any(
        gpc_from_header(value)
        for name, value in headers
        if name.lower() == "sec-gpc"
    )


def _among(value: str, words: frozenset[str]) -> bool:
    return value.strip().lower() in words


def is_set(value: str | None) -> bool:
    """
    Tell whether a variable says anything but an explicit no.

    What nobody defined counts as set: who sets it wants something to stop.
    """
    return value is not None and not _among(value, _NO)


def _on(signal: object) -> str:
    return "on" if signal else "off"


def _shown(value: str | None) -> str:
    if value is None:
        return "not set"
    return repr(value[:_SHOWN]) + "..." * (len(value) > _SHOWN)
