# SPDX-License-Identifier: MIT
"""
A function in use: the only place where values are read and captured.
"""

from __future__ import annotations

import math
import re
import threading

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from functools import partial
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

import attrs

from attrs import frozen

from consentkit._sqlite import waiting_at_most
from consentkit.consent.state import CLOSED_TO_BASES
from consentkit.exceptions import (
    DeadPermitError,
    MissingExtraError,
    StoreError,
)
from consentkit.gate import (
    ATTESTATION,
    MOMENTARY,
    Permit,
    Reason,
    Refusal,
)
from consentkit.policy.model import (
    EventSpec,
    Function,
    Pending,
    Policy,
    Protection,
    ProtectionName,
)
from consentkit.policy.scope import Atom


if TYPE_CHECKING:
    from consentkit._events import EventPath
    from consentkit.anonymise.digests import PseudonymKeys
    from consentkit.anonymise.grid import Cell
    from consentkit.anonymise.observations import (
        ClipboardText,
        Device,
        DeviceValue,
        Location,
        LogLine,
    )
    from consentkit.anonymise.protect import Protected
    from consentkit.anonymise.series import HeldPlace
    from consentkit.collectors.logs import LogHandler
    from consentkit.collectors.source import Source, Unavailable
    from consentkit.consent.state import State
    from consentkit.kit import Kit
    from consentkit.outbox.draft import Draft
    from consentkit.outbox.held import Held
    from consentkit.outbox.room import Full
    from consentkit.typing import JSON


__all__ = ["Basis", "Kept", "Use", "needs_answer"]

T = TypeVar("T")

_entered: ContextVar[tuple[object, ...]] = ContextVar(
    "consentkit_uses", default=()
)

# How long a refusal is remembered: less than the 50 ms within which a choice
# of another process is to be seen.
_REFUSED_FOR_SECONDS: Final = 0.005

# How long a read waits for a ledger that another process holds: the person
# waits for it, mostly in the thread of the app's window.
_LEDGER_SECONDS: Final = 0.5

# What a crash may take from the count of what one use has obtained.
_COUNTED_AT_MOST: Final = 1_000

_LOCATION: Final = ("location_coarse", "location_precise")
_CLIPBOARD: Final = "clipboard_share_code"
_LOGS: Final = ("service_log", "operation_log", "crash_log", "failure_info")
# What the other methods read.
_NOT_DEVICE: Final = frozenset({*_LOCATION, _CLIPBOARD, *_LOGS})


class _Observation(Protocol):
    def protected_values(self) -> tuple[Protected, ...]: ...


@frozen(kw_only=True)
class Kept:
    """
    What a capture kept; it is true in a condition.

    Attributes:
        ids: Ids of the records, stable for ever.

        is_durable: Whether they outlive this process. Not while the disk is
            full or takes no writes: then they wait in memory for it.

        refused: What of the observation was not kept, and why.
    """

    ids: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()
    is_durable: bool = True


@frozen(kw_only=True)
class Basis:
    """
    A lawful basis other than consent, for one use.

    Where software cannot know whether a basis applies, somebody has to
    answer for it by name.

    Attributes:
        id: Id of the basis in the vocabulary.

        person: Who vouches for it.

        reason: Why it applies.

        reference: The law and article, the document, or where and when it
            was published.

        until: When it ends.
    """

    id: str
    person: str = ""
    reason: str = ""
    reference: str = ""
    until: datetime | None = None

    def missing(self, policy: Policy, now: datetime) -> tuple[str, ...]:
        """
        Name what it has to say under *policy* and does not.
        """
        cases = [c for c in policy.exemptions if c.basis == self.id]
        needed = ["reference"] if self.id in _PUBLISHED else []
        if any(case.attested for case in cases):
            needed = list(ATTESTATION)
        missing = [name for name in needed if not getattr(self, name)]
        if self.until is not None and _in_utc(self.until) <= now:
            missing.append("until")
        return tuple(missing)

    def facts(self) -> dict[str, str]:
        """
        Give what the ledger keeps of it.
        """
        facts = {
            "basis": self.id,
            "person": self.person,
            "reason": self.reason,
            "reference": self.reference,
            "until": _in_utc(self.until).isoformat() if self.until else "",
        }
        return {name: text for name, text in facts.items() if text}


def _in_utc(at: datetime) -> datetime:
    """
    Read a time without a zone as that of this machine.
    """
    try:
        return at.astimezone(UTC)
    except (OverflowError, ValueError):  # at an end of the calendar
        return at.replace(tzinfo=UTC)


# Reasons that only mean that somebody has to answer.
_UNANSWERED: Final = frozenset(
    {
        Reason.NOT_ASKED,
        Reason.NOT_ANSWERED,
        Reason.SEPARATE_CONSENT_NEEDED,
        Reason.RECIPIENT_CONSENT_NEEDED,
        Reason.ABROAD_CONSENT_NEEDED,
    }
)

# Of a consent that holds all the same.
_STOPPED: Final = frozenset({Reason.PAUSED, Reason.MASKED})

# Another event of the same class may be none.
_OF_THE_VALUE: Final = frozenset(
    {
        Reason.UNDECLARED_EVENT,
        Reason.OUTBOX_FULL,
        Reason.OUTBOX_UNUSABLE,
        Reason.LEDGER_UNREADABLE,
        Reason.NO_VALUE,
    }
)

# What was published was published somewhere.
_PUBLISHED: Final = frozenset({"legally_disclosed", "self_disclosed"})


def needs_answer(refusal: Refusal) -> bool:
    """
    Tell whether nothing but the person's answer is missing.
    """
    return _UNANSWERED.issuperset((refusal.reason, *refusal.also))


class Use:
    """
    A function in use; made by `Kit.use`, entered with ``with``.
    """

    def __init__(
        self,
        kit: Kit,
        function: str,
        *,
        purpose: str | None,
        act: str = "",
        attested: str = "",
        basis: Basis | None = None,
    ) -> None:
        self._kit = kit
        self.function = function
        self.purpose = purpose
        self.act = act
        self.attested = attested
        self.basis = basis
        #: By what it is used for: hash of the entry that records the use
        #: of the basis.
        self._recorded: dict[tuple[str, ...], str] = {}
        self._has_attested = False
        #: By data type and recipient: until when, at which generation of
        #: choices, and what.
        self._refused: dict[
            tuple[str, str | None], tuple[float, int, Refusal]
        ] = {}
        #: The same by class of event and recipient.
        self._refused_events: dict[
            tuple[object, ...], tuple[float, int, Refusal]
        ] = {}
        #: What was obtained and is not written down yet; as of the tally.
        self._obtained: dict[tuple[str, str, str], tuple[int, date, date]] = {}
        #: By path: of which day it was last, as what it counts, the date.
        self._counting: dict[
            EventPath, tuple[int, tuple[str, str, str], date]
        ] = {}
        self._thread = 0
        self._open = False

    def __repr__(self) -> str:
        return f"<Use of {self.function}: {'open' * self._open or 'closed'}>"

    def __enter__(self) -> Self:
        _entered.set((*_entered.get(), self))
        self._thread = threading.get_ident()
        self._open = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        _entered.set(tuple(u for u in _entered.get() if u is not self))
        self._write_down()

    def _in_use(self) -> bool:
        # The context says which task, the thread is asked too: a context
        # may be copied into another thread.
        return (
            self._open
            and self in _entered.get()
            and self._thread == threading.get_ident()
        )

    def permit(
        self, data_type: str, *, recipient: str | None = None
    ) -> Permit | Refusal:
        """
        Ask the gate about one data type, now.
        """
        basis = self._use_basis(data_type, recipient)
        if isinstance(basis, Refusal):
            return basis
        generation = self._kit.consent.generation
        answer = self._decide(
            data_type, self.purpose, recipient, basis, self._holds
        )
        if isinstance(answer, Refusal):
            if answer.reason not in MOMENTARY:
                until = monotonic() + _REFUSED_FOR_SECONDS
                known = (until, generation, answer)
                self._refused[data_type, recipient] = known
            return answer
        return self._attest(answer)

    def _attest(self, permit: Permit) -> Permit | Refusal:
        """
        Put on record what the person vouched for, once for this use.
        """
        if not permit.function.attest or self._has_attested:
            return permit
        try:
            self._kit.consent.record_attestation(
                self.function, self.attested, of=permit.entry
            )
        except DeadPermitError:
            reason, problem = Reason.CONSENT_CHANGED, ""
        except StoreError as error:
            reason, problem = Reason.LEDGER_UNREADABLE, str(error)
        else:
            self._has_attested = True
            return permit
        return self._no(reason, permit.clause.type, problem)

    def _still_refused(
        self, data_type: str, recipient: str | None
    ) -> Refusal | None:
        """
        Give the refusal of a moment ago, so that asking again is cheap.

        A yes in another process is seen a moment later; a no is seen at
        once, as a permit is never remembered.
        """
        known = self._refused.get((data_type, recipient))
        if known is None:
            return None
        until, generation, refusal = known
        if monotonic() < until and generation == self._kit.consent.generation:
            return refusal
        return None

    def _decide(
        self,
        data_type: str,
        purpose: str | None,
        recipient: str | None,
        basis: str,
        holds: Callable[[Permit], bool] | None = None,
        *,
        again: bool = False,
    ) -> Permit | Refusal:
        return self._kit.decide(
            self.function,
            data_type,
            purpose=purpose,
            recipient=recipient,
            in_use=self._in_use(),
            act=bool(self.act),
            attested=bool(self.attested),
            again=again,
            basis=basis,
            holds=holds,
        )

    def _use_basis(
        self, data_type: str, recipient: str | None
    ) -> str | Refusal:
        """
        Put the use of another basis on record, once for this use and what
        it is used for.
        """
        basis = self.basis
        atom = self._atom(data_type, recipient)
        if basis is None or atom is None or self._kit.is_closed:
            return ""  # what stands in the way is said by the gate
        known = self._recorded.get(self._needed(atom), "")
        if known or self._said_no(atom):
            return known  # where nothing is used, the gate says why not
        reason = self._against_basis(basis, atom)
        detail = basis.id
        if reason is None and self._in_use():
            try:
                entry = self._kit.consent.record_basis(
                    self.function, self._facts(basis, atom)
                )
            except StoreError as error:
                reason, detail = Reason.LEDGER_UNREADABLE, str(error)
            else:
                self._recorded[self._needed(atom)] = entry.hash
                return entry.hash
        return self._no(reason or Reason.NOT_IN_USE, data_type, detail)

    def _atom(self, data_type: str, recipient: str | None) -> Atom | None:
        """
        Name what is asked for in full, if the policy declares the type.
        """
        found = self._kit.policy.functions.get(self.function)
        clause = found.clauses.get(data_type) if found else None
        if clause is None:
            return None
        return Atom(
            data_type,
            clause.purposes[0] if self.purpose is None else self.purpose,
            clause.recipients[0] if recipient is None else recipient,
        )

    def _needed(self, atom: Atom) -> tuple[str, ...]:
        """
        Name what a consent to *atom* would take; a no to any of it counts.
        """
        found = self._kit.policy.functions[self.function]
        return found.needs(atom.data_type, atom.recipient)

    def _facts(self, basis: Basis, atom: Atom) -> dict[str, str]:
        parts = " ".join(self._needed(atom)[1:])
        return basis.facts() | ({"parts": parts} if parts else {})

    def _said_no(self, atom: Atom) -> bool:
        """
        Tell whether a no, or what counts as one, closes *atom* to any basis.
        """
        choices = self._kit.gate().state.choices
        return any(
            choices[element].status in CLOSED_TO_BASES
            or choices[element].cause
            for element in self._needed(atom)
        )

    def _against_basis(self, basis: Basis, atom: Atom) -> Reason | None:
        """
        Find what stands against a basis, before anything is recorded.
        """
        gate = self._kit.gate()
        found = gate.policy.functions[self.function]
        if not gate.lists(basis.id, found, atom):
            return Reason.BASIS_NOT_LISTED
        needed = basis.missing(gate.policy, self._kit.now())
        return Reason.BASIS_NOT_ATTESTED if needed else None

    def _holds(self, permit: Permit) -> bool:
        return self._in_use() and self._kit.still_granted(permit)

    # Reading

    def device(
        self, *data_types: str, recipient: str | None = None
    ) -> Device | Refusal:
        """
        Read properties and identifiers of the device.

        Args:
            data_types: Which ones; by default all that the policy declares
                for the function and the device can tell.

            recipient: For whom; by default each clause's first recipient.

        Returns:
            What was learnt; or the first refusal, if nothing was permitted.
        """
        from consentkit.anonymise.observations import (
            Device,
            DeviceValue,
        )
        from consentkit.collectors.source import (
            Unavailable,
        )

        if not data_types:
            decided = self._kit.decide_function(self.function)
            declared = self.function in self._kit.policy.functions
            # On another basis the gate decides type by type.
            if isinstance(decided, Refusal) and not (self.basis and declared):
                return decided
        values: list[DeviceValue] = []
        unavailable: list[Unavailable] = []
        refused: list[Refusal] = []
        for data_type in data_types or self._device_types():
            got = self._read(data_type, recipient)
            if isinstance(got, Refusal):
                refused.append(got)
            elif isinstance(got, Unavailable):
                unavailable.append(got)
            else:
                values.append(DeviceValue(protected=got, value=got.value))
        if refused and not values and not unavailable:
            return refused[0]
        return Device(
            values=tuple(values),
            unavailable=tuple(unavailable),
            refused=tuple(refused),
        )

    def _device_types(self) -> tuple[str, ...]:
        """
        List the declared types that a device source gives.
        """
        found = self._kit.policy.functions[self.function]
        return tuple(
            t
            for t, clause in found.clauses.items()
            if t not in _NOT_DEVICE
            and self._kit.source(t, clause.read_from) is not None
        )

    def location(
        self,
        data_type: str | None = None,
        *,
        recipient: str | None = None,
    ) -> Location | Unavailable | Refusal:
        """
        Read where the device is, in the form that the policy promises.

        Args:
            data_type: ``location_coarse`` or ``location_precise``; by
                default the first that the policy declares.

            recipient: For whom; by default the clause's first recipient.

        Raises:
            ValueError: If *data_type* is another one.
        """
        chosen = data_type or self._declared(_LOCATION)
        if chosen not in _LOCATION:
            msg = f"location() reads {' or '.join(_LOCATION)}; use device()"
            raise ValueError(msg)
        refused = self._still_refused(chosen, recipient)
        if refused is not None:
            return refused
        from consentkit.anonymise.observations import (
            Location,
        )
        from consentkit.anonymise.protect import Protected
        from consentkit.collectors.source import (
            Unavailable,
        )

        beside: dict[str, Any] = {}
        got = self._read(chosen, recipient, beside=beside)
        if not isinstance(got, Protected):
            return got
        place: Any = got.value
        if not isinstance(place, dict):
            return Unavailable(chosen, "only that there is one may be known")
        return Location(
            protected=got,
            latitude=place["latitude"],
            longitude=place["longitude"],
            cell_km=place.get("cell_km"),
            noise_km=place.get("noise_km"),
            **beside,
        )

    def clipboard(
        self, scene: str, *, recipient: str | None = None
    ) -> ClipboardText | Unavailable | Refusal:
        """
        Take what the policy declares from the clipboard, and nothing else.

        Call it from the person's own act and nowhere else.

        Args:
            scene: The situation, as the policy names it.

            recipient: For whom; by default the clause's first recipient.
        """
        from consentkit.anonymise.observations import (
            ClipboardText,
        )
        from consentkit.anonymise.protect import Protected
        from consentkit.collectors.source import (
            Unavailable,
        )

        got = self._read(_CLIPBOARD, recipient, scene=scene)
        if not isinstance(got, Protected):
            return got
        taken: Any = got.value
        if not isinstance(taken, dict):
            return Unavailable(
                _CLIPBOARD, "only that there is one may be known"
            )
        return ClipboardText(
            protected=got, intent=taken["intent"], value=taken["value"]
        )

    def logs(self, **options: Any) -> LogHandler | Refusal:
        """
        Give a handler that scrubs and captures log records.

        It captures while the function is permitted, in whatever thread
        logs, until it is closed or this use ends.

        Args:
            options: What `consentkit.collectors.logs.LogHandler` takes.
        """
        permit = self.permit(self._declared(_LOGS))
        if isinstance(permit, Refusal):
            return permit
        return self._kit.log_handler(
            self.function,
            purpose=self.purpose,
            while_open=lambda: self._open,
            **options,
        )

    def log_line_if_permitted(
        self, data_type: str | None, fields: Callable[[], Any]
    ) -> LogLine | Refusal:
        """
        Scrub one log record of the app.

        Args:
            data_type: Which log type of the policy it is; by default the
                first that the function declares.

            fields: Gives the text, or a mapping whose texts are scrubbed;
                not called without a permit.
        """
        from consentkit.anonymise.observations import (
            LogLine,
        )
        from consentkit.anonymise.protect import protect
        from consentkit.collectors.source import (
            Unavailable,
        )

        permit = self.permit(data_type or self._declared(_LOGS))
        if isinstance(permit, Refusal):
            return permit
        type_ = permit.clause.type
        got = self._or_refusal(
            type_,
            lambda: protect(permit, fields(), **self._means()),
        )
        if isinstance(got, Refusal):
            return got
        self._count(permit)
        if isinstance(got, Unavailable):
            return self._no(Reason.STAYS_ON_DEVICE, permit.clause.type)
        value: Any = got.value
        text = value.get("message", "") if isinstance(value, dict) else value
        return LogLine(protected=got, text=text)

    def _declared(self, data_types: Sequence[str]) -> str:
        """
        Choose the first of *data_types* that the function declares.
        """
        found = self._kit.policy.functions.get(self.function)
        for data_type in data_types:
            if found is not None and data_type in found.clauses:
                return data_type
        return data_types[0]

    def _read(
        self,
        data_type: str,
        recipient: str | None,
        *,
        scene: str = "",
        beside: dict[str, Any] | None = None,
    ) -> Protected | Unavailable | Refusal:
        """
        Decide, read, protect: the raw value goes no further than this.

        Args:
            data_type: What is read.

            recipient: For whom.

            scene: The situation, where the policy names some.

            beside: Gets what may be known of a place beside it.
        """
        permit = self.permit(data_type, recipient=recipient)
        if isinstance(permit, Refusal):
            return permit
        if permit.clause.scenes and scene not in permit.clause.scenes:
            return self._no(Reason.UNDECLARED_SCENE, data_type, scene)
        if permit.clause.protection.name is ProtectionName.DROP:
            return self._no(Reason.STAYS_ON_DEVICE, data_type)
        from consentkit.anonymise.protect import protect
        from consentkit.collectors.source import Unavailable

        source = self._kit.source(data_type, permit.clause.read_from)
        if source is None:
            named = permit.clause.read_from
            wanted = f"source {named!r}" if named else "source"
            return Unavailable(data_type, f"no {wanted} gives it here")

        def read() -> Protected | Unavailable | Refusal:
            if not self._kit.claim_read(permit):
                return self._no(Reason.TOO_OFTEN, data_type)
            before = source.reads
            try:
                if permit.clause.scenes:
                    raw = self._read_in_scene(permit, source, scene)
                else:
                    raw = source.read(permit)
            except MissingExtraError as error:
                # The others are read all the same, and the reason names it.
                raw = Unavailable(data_type, str(error))
            finally:
                if source.reads > before:
                    self._count(permit)
            if isinstance(raw, Unavailable | Refusal):
                return raw
            if beside is not None:
                beside.update(_beside(raw, permit.clause.protection))
            return protect(permit, raw, places=self._place, **self._means())

        return self._or_refusal(data_type, read)

    def give(
        self,
        data_type: str,
        *raw: object,
        recipient: str,
        local: bool = False,
    ) -> Protected | Unavailable | Refusal:
        """
        Protect a value for somebody who is not sent records: an SDK.

        Args:
            data_type: What it is.

            raw: The app's own value; without it the value is read.

            recipient: For whom.

            local: Whether it stays on the device.
        """
        if not raw:
            got = self._read(data_type, recipient)
        else:
            permit = self.permit(data_type, recipient=recipient)
            if isinstance(permit, Refusal):
                return permit
            got = self._or_refusal(
                data_type, lambda: self._protected(permit, raw[0])
            )
        if isinstance(got, Refusal) or not hasattr(got, "protection"):
            return got
        if got.protection is ProtectionName.LOCAL_ONLY and not local:
            return self._no(Reason.STAYS_ON_DEVICE, data_type)
        return got

    def _protected(
        self, permit: Permit, raw: object
    ) -> Protected | Unavailable | Refusal:
        if permit.clause.protection.name is ProtectionName.DROP:
            return self._no(Reason.STAYS_ON_DEVICE, permit.clause.type)
        from consentkit.anonymise.protect import protect

        got = protect(permit, raw, places=self._place, **self._means())
        self._count(permit)
        return got

    def _read_in_scene(
        self, permit: Permit, source: Source[Any], scene: str
    ) -> Any:
        """
        Put on record that it is read, read it, and record what came of it.

        What cannot be put on record is not read.
        """
        from consentkit.collectors._record import on_record
        from consentkit.collectors.source import Unavailable

        consent, data_type = self._kit.consent, permit.clause.type
        before = source.reads
        try:
            with waiting_at_most(_LEDGER_SECONDS):
                begun = consent.record_read(
                    self.function, data_type, scene, of=permit.entry
                )
            try:
                with on_record(permit):
                    raw = source.read(permit, scene=scene)
            except BaseException:
                found = False if source.reads > before else None
                trouble = suppress(StoreError, DeadPermitError)
                with trouble, waiting_at_most(_LEDGER_SECONDS):
                    consent.record_read_end(begun, found=found)
                raise
            found = not isinstance(raw, Unavailable)
            is_read = found or source.reads > before
            with waiting_at_most(_LEDGER_SECONDS):
                consent.record_read_end(
                    begun, found=found if is_read else None
                )
        except StoreError as error:
            problem = str(error)
        else:
            return raw
        return self._no(Reason.LEDGER_UNREADABLE, data_type, problem)

    def _count(self, permit: Permit) -> None:
        """
        Count what was obtained: it is what was really collected.
        """
        today = self._kit.now().date()
        key = (permit.entry.subject, self.function, permit.clause.type)
        n, first, _ = self._obtained.get(key, (0, today, today))
        self._obtained[key] = (n + 1, first, today)
        if n + 1 == _COUNTED_AT_MOST:
            self._write_down()

    def _count_quickly(self, path: EventPath) -> None:
        known = self._counting.get(path)
        if known is None or known[0] != path.day:
            permit = path.permit
            key = (permit.entry.subject, self.function, permit.clause.type)
            known = (path.day, key, self._kit.now().date())
            self._counting[path] = known
        _, key, today = known
        n, first, _ = self._obtained.get(key, (0, today, today))
        self._obtained[key] = (n + 1, first, today)
        if n + 1 == _COUNTED_AT_MOST:
            self._write_down()

    def _write_down(self) -> None:
        """
        Put on the tally what was obtained.
        """
        if self._obtained:
            counted, self._obtained = self._obtained, {}
            # Where the disk takes nothing, nothing of it is kept either.
            with suppress(StoreError):
                self._kit.store.tally.add(counted)

    def _or_refusal(
        self, data_type: str, make: Callable[[], T]
    ) -> T | Refusal:
        """
        Do what needs a permit and a store; trouble with these is a *no*.
        """
        detail = ""
        try:
            return make()
        except DeadPermitError:
            # The person withdrew between the decision and the read, or
            # stopped it for a time.
            now = self._kit.decide_function(self.function)
            if isinstance(now, Refusal) and now.reason in _STOPPED:
                return self._no(now.reason, data_type, now.detail)
            reason = Reason.CONSENT_CHANGED
        except StoreError as error:
            reason, detail = Reason.OUTBOX_UNUSABLE, str(error)
        return self._no(reason, data_type, detail)

    def _means(self, at: datetime | None = None) -> Mapping[str, Any]:
        """
        Give what protecting needs beside the value.
        """
        return {
            "secret": self._secret,
            "at": at or self._kit.now(),
            "budget": self._kit.budget,
        }

    def _secret(self, permit: Permit) -> PseudonymKeys | None:
        # Asked for each value: the grant may have ended in any process.
        lane = self._kit.store.lane(permit)
        return None if lane is None else lane.keys

    def _place(
        self,
        permit: Permit,
        side_km: float,
        choose: Callable[[Cell | None], Cell],
    ) -> HeldPlace | None:
        # The outbox is opened for a place only.
        return self._kit.store.places.hold(permit, side_km, choose)

    def _no(
        self, reason: Reason, data_type: str = "", detail: str = ""
    ) -> Refusal:
        return Refusal(
            reason=reason,
            function=self.function,
            data_type=data_type,
            purpose=self.purpose or "",
            detail=detail,
        )

    # Capturing

    def capture(
        self, what: _Observation | object, *, recipient: str | None = None
    ) -> Kept | Refusal:
        """
        Keep an observation, or an event of the app's own, for delivery.

        When it returns `Kept`, the record outlives a crash. The gate is
        asked again: the consent that a value was read under must still
        hold. It never touches the network and never raises for what the
        disk does.

        Args:
            what: What a read of this function returned, or an instance of
                an attrs class that the policy declares as an event, named
                as the class in ``snake_case``.

            recipient: For whom, for an event; an observation has its own.

        Raises:
            TypeError: If *what* is neither.
        """
        kind: Any = type(what)
        refusal = self._refused_just_now(kind, recipient)
        if refusal is not None:
            return refusal
        kept = self._kept_quickly(kind, what, recipient)
        if kept is not None:
            return kept
        from consentkit.collectors.source import (
            Unavailable,
        )

        if isinstance(what, Refusal):
            return what
        if isinstance(what, Unavailable):
            return self._no(Reason.NO_VALUE, what.data_type, what.reason)
        if hasattr(what, "protected_values"):
            return self._keep(what.protected_values())
        if not attrs.has(kind):
            msg = (
                "capture() takes what a read returned, or an instance of an "
                f"attrs class; {kind.__name__} is neither"
            )
            raise TypeError(msg)
        state = self._kit.gate().state
        names = tuple(a.name for a in attrs.fields(kind))
        event = self._event(
            _snake_case(kind.__name__),
            partial(_fields_of, what, names),
            recipient,
        )
        del what  # as it is raw, no frame from here on holds it
        return self._keep_event(kind, state, event, recipient)

    def capture_event(
        self,
        name: str,
        fields: Mapping[str, object],
        *,
        recipient: str | None = None,
    ) -> Kept | Refusal:
        """
        Keep an event of the app's own, as `capture` keeps an instance of its
        class.

        It is for an app whose events are dictionaries already; a refused one
        costs no object.

        Args:
            name: Of the event, as the policy declares it.

            fields: Exactly the fields that it declares, by name.

            recipient: For whom.

        Raises:
            TypeError: If *name* is no text, or *fields* no mapping.

        .. versionadded:: 26.1.0
        """
        if type(name) is str:
            refusal = self._refused_just_now(name, recipient)
            if refusal is not None:
                return refusal
            kept = self._kept_quickly(name, fields, recipient)
            if kept is not None:
                return kept
        if type(name) is not str or not isinstance(fields, Mapping):
            msg = (
                "capture_event() takes the name of an event and a mapping of "
                f"its fields, not {type(name).__name__} and "
                f"{type(fields).__name__}"
            )
            raise TypeError(msg)
        state = self._kit.gate().state
        event = self._event(name, partial(dict, fields), recipient)
        del fields  # as it is raw, no frame from here on holds it
        return self._keep_event(name, state, event, recipient)

    def _keep_event(
        self,
        kind: object,
        state: State,
        event: tuple[tuple[Protected], EventSpec] | Refusal,
        recipient: str | None,
    ) -> Kept | Refusal:
        key = self.function, self.purpose, kind, recipient
        if isinstance(event, Refusal):
            self._note_refusal(key, event)
            return event
        kept = self._keep(*event)
        if kept:
            self._note_path(key, state, *event)
        return kept

    def _refused_just_now(
        self, kind: object, recipient: str | None
    ) -> Refusal | None:
        known = self._refused_events.get((kind, recipient))
        if (
            known is not None
            and monotonic() < known[0]
            and known[1] == self._kit.consent.generation
        ):
            return known[2]
        return None

    def _note_refusal(self, key: tuple[object, ...], refusal: Refusal) -> None:
        """
        Remember for a moment that events of a class are refused, so that
        telling the next is cheap.
        """
        found = self._kit.policy.functions.get(self.function)
        if (
            refusal.reason in MOMENTARY
            or refusal.reason in _OF_THE_VALUE
            or (found is not None and found.pending is not Pending.DROP)
        ):
            return
        until = monotonic() + _REFUSED_FOR_SECONDS
        generation = self._kit.consent.generation
        self._refused_events[key[2:]] = (until, generation, refusal)

    def _kept_quickly(
        self, kind: object, event: object, recipient: str | None
    ) -> Kept | Refusal | None:
        """
        Keep *event* as the one before it, if there is nothing else to it.

        Args:
            kind: Its class, or its name where it is a mapping.

            event: What is told.

            recipient: For whom.
        """
        kit = self._kit
        path = kit.event_paths.get(
            (self.function, self.purpose, kind, recipient)
        )
        if (
            path is None
            or self.basis is not None
            or not self._in_use()
            or kit.is_closed
            or kit.consent.state() is not path.state
        ):
            return None
        try:
            made = path.keep(event, kit.given_time())
        except StoreError as error:
            problem = str(error)
        else:
            if made is None:
                return None
            self._count_quickly(path)
            return Kept(ids=(made,))
        return self._no(
            Reason.OUTBOX_UNUSABLE, path.permit.clause.type, problem
        )

    def _note_path(
        self,
        key: tuple[object, ...],
        state: State,
        values: tuple[Protected],
        spec: EventSpec,
    ) -> None:
        """
        Remember how an event was kept, for the next of its class.
        """
        from consentkit._events import EventPath, is_usual
        from consentkit.outbox.rows import encode

        kit, permit = self._kit, values[0].permit
        lane = kit.store.opened(permit)
        if (
            lane is None
            or self.basis is not None
            or not is_usual(permit)
            or kit.gate().state is not state
        ):
            return
        kind = self._kind(values[0], spec)
        number = lane.numbers.get(encode(kind))
        known = kit.event_paths.get(key)
        if number is None or (
            known is not None and known.is_of(state, lane, number)
        ):
            return  # it only had to be measured how much has room
        kit.event_paths[key] = EventPath(
            state,
            permit,
            spec,
            lane,
            number,
            kit.store,
            is_mapping=isinstance(key[2], str),
        )

    def _event(
        self,
        name: str,
        read: Callable[[], Mapping[str, object]],
        recipient: str | None,
    ) -> tuple[tuple[Protected], EventSpec] | Refusal:
        from consentkit.anonymise.protect import (
            protect_event,
        )

        found = self._kit.policy.functions.get(self.function)
        spec = found.events.get(name) if found else None
        if spec is None:
            decided = self._kit.decide_function(self.function)
            if isinstance(decided, Refusal):
                return decided
            return self._no(Reason.UNDECLARED_EVENT, detail=name)
        permit = self.permit(spec.type, recipient=recipient)
        fields = read()
        if isinstance(permit, Refusal):
            return self._hold(permit, found, spec, fields, recipient)
        made = self._or_refusal(
            spec.type,
            lambda: protect_event(permit, spec, fields, **self._means()),
        )
        if isinstance(made, Refusal):
            return made
        if isinstance(made, str):
            return self._no(
                Reason.UNDECLARED_EVENT, spec.type, f"{name}: {made}"
            )
        self._count(permit)
        return (made,), spec

    def _hold(
        self,
        refusal: Refusal,
        function: Function | None,
        spec: EventSpec,
        fields: Mapping[str, object],
        recipient: str | None,
    ) -> Refusal:
        """
        Hold an event where only the person's answer is missing.
        """
        if (
            function is None
            or function.pending is Pending.DROP
            or not needs_answer(refusal)
            or self._is_stopped(function, spec.type, refusal.recipient)
        ):
            return refusal
        from consentkit.anonymise.protect import clean_event
        from consentkit.anonymise.series import time_of
        from consentkit.outbox.held import Held
        from consentkit.outbox.records import new_id

        clause = function.clauses[spec.type]
        value = clean_event(clause, spec, fields)
        if isinstance(value, str):
            detail = f"{spec.name}: {value}"
            return self._no(Reason.UNDECLARED_EVENT, spec.type, detail)
        at = self._kit.now()
        cut = time_of(at, clause.protection)
        longest = at + timedelta(seconds=self._kit.limits.held_seconds)
        held = Held(
            id=new_id(cut),
            function=self.function,
            event=spec.name,
            value=value,
            at=at,
            expires=min(clause.retention.after(at), longest),
            purpose=self.purpose or "",
            recipient=recipient or "",
            act=self.act,
            attested=self.attested,
            terms=function.terms,
            seen=self._kit.last_entry(),
        )
        try:
            is_held = self._kit.hold(held, function.pending)
        except StoreError:
            is_held = False
        return attrs.evolve(refusal, held=is_held)

    def _is_stopped(
        self, function: Function, data_type: str, recipient: str
    ) -> bool:
        """
        Tell whether a signal or a pause would stop a yes too.
        """
        choices = self._kit.gate().state.choices
        needed = function.needs(data_type, recipient)
        return any(choices[element].cause for element in needed)

    def promote(self, held: Held) -> Kept | Refusal:
        """
        Keep an event that was held until the person said yes.
        """
        from consentkit.anonymise.protect import seal_event

        found = self._kit.policy.functions.get(self.function)
        spec = found.events.get(held.event) if found else None
        if spec is None:
            return self._no(Reason.UNDECLARED_EVENT, detail=held.event)
        permit = self.permit(spec.type, recipient=held.recipient or None)
        if isinstance(permit, Refusal):
            return permit
        if found is None or held.terms != found.terms:
            # It was cleaned for another promise than the one agreed to.
            return self._no(Reason.TERMS_CHANGED, spec.type)
        if permit.clause != found.clauses[spec.type]:
            return self._no(Reason.TERMS_CHANGED, spec.type)
        event = self._or_refusal(
            spec.type,
            lambda: seal_event(
                permit, spec, held.value, **self._means(held.at)
            ),
        )
        if isinstance(event, Refusal):
            return event
        if isinstance(event, str):
            detail = f"{held.event}: {event}"
            return self._no(Reason.UNDECLARED_EVENT, spec.type, detail)
        self._count(permit)
        draft = self._draft(event, spec, held=held)
        if isinstance(draft, Refusal):
            return draft
        told = self._kit.store.keep([draft], now=self._kit.now())
        return self._kept([draft], told, [])

    def _keep(
        self, values: tuple[Protected, ...], spec: EventSpec | None = None
    ) -> Kept | Refusal:
        drafts: list[Draft] = []
        refused: list[Refusal] = []
        for value in values:
            made = self._draft(value, spec)
            if isinstance(made, Refusal):
                refused.append(made)
            else:
                drafts.append(made)
        try:
            told = self._kit.store.keep(drafts, now=self._kit.now())
        except StoreError as error:
            problem = str(error)
        else:
            return self._kept(drafts, told, refused)
        return self._no(Reason.OUTBOX_UNUSABLE, detail=problem)

    def _kept(
        self,
        drafts: list[Draft],
        told: tuple[str | Reason | Full, ...],
        refused: list[Refusal],
    ) -> Kept | Refusal:
        ids = []
        for draft, said in zip(drafts, told, strict=True):
            if isinstance(said, str):
                ids.append(said)
                continue
            reason, detail = Reason.OUTBOX_FULL, ""
            if isinstance(said, Reason):
                reason = said
            else:
                detail = said.bound
            if reason is Reason.NO_VALUE:
                detail = "the place is in the cell that was told"
            elif reason is Reason.OUTBOX_UNUSABLE:
                detail = self._kit.store.trouble
            refused.append(self._no(reason, draft.permit.clause.type, detail))
        if ids:
            return Kept(
                ids=tuple(ids),
                refused=tuple(refused),
                is_durable=not self._kit.store.is_in_memory(ids),
            )
        if refused:
            return refused[0]
        return self._no(Reason.NO_VALUE)

    def _draft(
        self,
        value: Protected,
        spec: EventSpec | None = None,
        *,
        held: Held | None = None,
    ) -> Draft | Refusal:
        """
        Gate *value* once more, and say what is to be kept.
        """
        from consentkit.anonymise.protect import (
            check_protected,
        )
        from consentkit.anonymise.series import time_of
        from consentkit.outbox.draft import Draft
        from consentkit.outbox.rows import milliseconds, written

        permit = check_protected(value).permit
        data_type = permit.clause.type
        if permit.function.id != self.function:
            return self._no(
                Reason.UNDECLARED_FUNCTION,
                data_type,
                f"it was read for {permit.function.id}",
            )
        needed = permit.function.needs(data_type, permit.recipient)
        now = self._decide(
            data_type,
            permit.purpose,
            permit.recipient,
            self._recorded.get(needed, ""),
            # It was read in time; keeping it is no second read.
            again=True,
        )
        if isinstance(now, Refusal):
            return now
        if now.grant != permit.grant:
            return self._no(Reason.CONSENT_CHANGED, data_type)
        if value.protection in (
            ProtectionName.LOCAL_ONLY,
            ProtectionName.DROP,
        ):
            return self._no(Reason.STAYS_ON_DEVICE, data_type)
        protection = value.permit.clause.protection
        at = time_of(held.at if held else self._kit.now(), protection)
        told = value.value
        if spec is not None and isinstance(told, dict):
            told = [told[name] for name in spec.fields]
        return Draft(
            permit=now,
            kind=self._kind(value, spec),
            text=written(told),
            time=milliseconds(at),
            expires=milliseconds(permit.clause.retention.after(at)),
            id=held.id if held else "",
            news=value.news,
        )

    def _kind(
        self, value: Protected, spec: EventSpec | None
    ) -> dict[str, JSON]:
        from consentkit.outbox.rows import kind_of

        permit = value.permit
        return kind_of(
            function=self.function,
            data_type=permit.clause.type,
            purpose=permit.purpose,
            protection=value.protection.value,
            privacy_class=value.privacy_class.value,
            policy_version=permit.policy_version,
            event=spec.name if spec else "",
            fields=tuple(spec.fields) if spec else (),
        )


def _beside(raw: object, protection: Protection) -> dict[str, Any]:
    """
    Give how exact and of when a fix is, no finer than its place is told.
    """
    from consentkit.anonymise.series import time_of
    from consentkit.collectors.location import Fix

    if not isinstance(raw, Fix):
        return {}
    accuracy, at = raw.accuracy_m, raw.time
    if accuracy and protection.name is ProtectionName.GRID:
        # Of a data base of places, an odd number would name the place.
        step = 10.0 ** (math.floor(math.log10(accuracy)) - 1)
        accuracy = round(math.ceil(accuracy / step) * step, 6)
    return {
        "accuracy_m": accuracy,
        "time": None if at is None else time_of(at, protection),
    }


def _fields_of(event: object, names: Iterable[str]) -> dict[str, object]:
    return {name: getattr(event, name) for name in names}


def _snake_case(name: str) -> str:
    parts = r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
    return re.sub(parts, "_", name).lower()
