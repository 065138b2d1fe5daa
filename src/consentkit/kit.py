# SPDX-License-Identifier: MIT
"""
`Kit`: the one object that an app keeps. It wires the rooms together and has
no logic of its own.
"""

from __future__ import annotations

import copy

from collections.abc import (
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from consentkit._captures import (
    Crashes,
    make_journal_capture,
    make_log_handler,
    make_loguru_sink,
    make_structlog_processor,
)
from consentkit._consequences import Consequences, warn
from consentkit._filelock import FileLock
from consentkit._fork import Mutex, load
from consentkit._opening import (
    check_keystore,
    check_limits,
    check_seconds,
    check_sources,
    default_data_dir,
    ledger_of,
    policy_of,
    seal_keys_of,
    this_platform,
    transports_of,
)
from consentkit._outlet import Outlet
from consentkit._sqlite import make_private_folder
from consentkit._subjects import Subjects, with_gpc
from consentkit._surroundings import Surroundings, bounded
from consentkit._waiting import Waiting
from consentkit.consent._unrecorded import Unrecorded
from consentkit.consent.choices import Consent
from consentkit.consent.environment import SignalReader
from consentkit.consent.results import Withdrawal
from consentkit.consent.signals import (
    DevicePolicy,
    SignalRow,
    Signals,
)
from consentkit.consent.state import State
from consentkit.exceptions import DeadPermitError, StoreError
from consentkit.gate import (
    Gate,
    Moment,
    OSPermission,
    Permit,
    Reason,
    Refusal,
    check_permit,
)
from consentkit.ledger.base import Ledger, check_subject
from consentkit.ledger.entries import LOCAL, Entry
from consentkit.limits import Limits
from consentkit.policy.model import (
    Clause,
    Function,
    Pending,
    Policy,
    split_element,
)
from consentkit.registry.registry import Registry
from consentkit.use import Basis, Use
from consentkit.why import Explanation, explain


if TYPE_CHECKING:
    from consentkit._events import EventPath
    from consentkit.anonymise.budget import Budget
    from consentkit.anonymise.response import Spent
    from consentkit.collectors import Sources
    from consentkit.collectors.crash import CrashCapture
    from consentkit.collectors.journal import JournalCapture
    from consentkit.collectors.log_adapters import (
        LoguruSink,
        StructlogProcessor,
    )
    from consentkit.collectors.logs import LogHandler
    from consentkit.collectors.source import Source
    from consentkit.outbox import LaneStatus, OutboxStatus
    from consentkit.outbox.held import Held, Quarantine
    from consentkit.outbox.store import OutboxStore
    from consentkit.registry.model import SDKEntry
    from consentkit.seal import SealKey
    from consentkit.transports import Transport
    from consentkit.transports.delivery import FlushProgress, FlushReport
    from consentkit.transports.worker import Worker


__all__ = ["Kit", "default_data_dir", "open"]


_NO_SIGNALS = Signals(
    device=(
        DevicePolicy(place="signals", problem="the signals cannot be read"),
    )
)

# Imported late, as an app that only asks needs none of them; and at once, so
# that no thread is still importing one when another forks.
_NEEDED_IN_USE = (
    "consentkit._events",
    "consentkit.anonymise.observations",
    "consentkit.anonymise.protect",
    "consentkit.collectors.source",
    "consentkit.outbox.store",
)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _no_condition(_: str) -> bool:
    return False


def open(  # noqa: A001 - read as consentkit.open
    policy: str | Path | Policy,
    *,
    transport: str | Transport | Mapping[str, str | Transport] | None = None,
    seal_for: str
    | Sequence[str]
    | Mapping[str, str | Sequence[str]]
    | None = None,
    deliver_every: float | None = None,
    data_dir: str | Path | None = None,
    sources: Iterable[Source[Any] | str] = (),
    os_permission: Callable[[str], OSPermission] | None = None,
    conditions: Callable[[str], bool] = _no_condition,
    platform: str | None = None,
    sdk_entries: Mapping[str, SDKEntry] | None = None,
    clock: Callable[[], datetime] = _utc_now,
    limits: Limits | None = None,
    ledger: str | Ledger | None = None,
    signals: Callable[[], Signals] | None = None,
    strict: bool = False,
) -> Kit:
    """
    Open the kit of an app.

    It reads the policy and, where there is one, the ledger. It makes no
    file, starts no thread and connects nowhere.

    Args:
        policy: Path of the policy document, or a loaded one.

        transport: Where records go: a URL or a transport for the
            controller, or a mapping of recipients to these. ``None`` keeps
            them in the outbox.

        seal_for: The controller's public key, as ``consentkit keys new``
            prints it; or several, of which the first that it still has is
            used; or a mapping of recipients to these. What is sent is
            sealed for it, and readable for nobody on the way. Without one
            TLS alone protects it, up to where that ends.

        deliver_every: How many seconds a thread rests between two
            deliveries in the background; it starts with the first use. By
            default there is none, and what waits goes out with `Kit.flush`.

        data_dir: Folder for ledger, outbox and keys; by default one in the
            user's data folder, named by the policy's id.

        sources: Sources that go before the platform's usual ones: the
            app's own, or ids of built-in ones, such as ``"geoclue"``.

        os_permission: Tells what the operating system allows, by the
            policy's id of the permission. It is asked at each read, in a
            thread of its own, and has a second to answer; a `PermissionBook
            <consentkit.collectors.permissions.PermissionBook>` asks as its
            adapter wants. By default the platform's own permissions are asked: see
            `consentkit.collectors.permissions`.

        conditions: Tells whether a condition that a function ``requires``
            holds now, by the policy's name of it. By default none does.

        platform: Where the app runs: ``android``, ``ios``, ``web``,
            ``iot`` or ``desktop``; found out by default.

        sdk_entries: Entries of third-party SDKs; the shipped registry by
            default.

        clock: Gives the time, as an aware datetime.

        limits: Bounds of the outbox and of delivery.

        ledger: Where choices are recorded: a ``postgresql`` URL, or a
            ledger; by default a file in *data_dir*.

        signals: Gives the signals from outside; by default those of the
            process and its device: see `consentkit.consent.SignalReader`.

        strict: Whether to refuse a policy document in which the linter
            finds anything to mend: see ``consentkit policy check --strict``.

    Raises:
        PolicyError: If the policy cannot be read, has faults, or is a
            template.

        TransportError: If a transport is named wrongly, or is not what the
            policy demands of the way to its recipient: see
            `consentkit.transports.route`.

        ValueError: If a source, a recipient or a purpose is named wrongly,
            what should be a key is none, *deliver_every* is no time, or
            ``CONSENTKIT_KEYSTORE`` is no place for a key.
    """
    document = policy_of(policy, strict=strict)
    limits = limits or Limits()
    check_limits(document, limits)
    check_keystore()
    check_seconds("deliver_every", deliver_every)
    sources = tuple(sources)
    check_sources(sources)
    folder = default_data_dir(document) if data_dir is None else data_dir
    platform = platform or this_platform()
    return Kit(
        document,
        data_dir=Path(folder),
        transport=transport,
        seal_for=seal_keys_of(document, seal_for),
        deliver_every=deliver_every,
        sources=sources,
        os_permission=bounded(os_permission, platform),
        conditions=conditions,
        platform=platform,
        sdk_entries=sdk_entries,
        clock=clock,
        limits=limits,
        ledger=ledger_of(ledger, Path(folder)),
        signals=signals or SignalReader().read,
    )


class Kit:
    """
    The rooms of one app, wired together; made by `consentkit.open`.

    It may be used from several threads, survives a fork, and shares its
    data folder with other processes of the app.

    Attributes:
        policy: What the app promises.

        ledger: Where choices are recorded.

        consent: The person's choices.

        registry: The third-party SDKs that the policy names.

        data_dir: Folder of its files.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        data_dir: Path,
        transport: str | Transport | Mapping[str, str | Transport] | None,
        seal_for: Mapping[str, Sequence[SealKey]],
        deliver_every: float | None,
        sources: Iterable[Source[Any] | str],
        os_permission: Callable[[str], OSPermission],
        conditions: Callable[[str], bool],
        platform: str,
        sdk_entries: Mapping[str, SDKEntry] | None,
        clock: Callable[[], datetime],
        limits: Limits,
        ledger: Ledger,
        signals: Callable[[], Signals],
    ) -> None:
        self.policy = policy
        self.data_dir = data_dir
        self.limits = limits
        self._clock = clock
        self._asked = partial(
            Surroundings,
            platform=platform,
            os_permission=os_permission,
            conditions=conditions,
        )
        self._signals = signals
        self._sdk_entries = sdk_entries
        #: The kit that others for single subjects were made from.
        self._root = self
        self._own_sources = tuple(sources)
        self._platform = platform
        self._sources: Sources | None = None
        self._crashes = Crashes()
        self._subjects = Subjects(lambda tag: self._child(lambda _: tag, tag))
        self._outlet = Outlet(
            data_dir,
            transports=transports_of(policy, transport, seal_for),
            seal_for=seal_for,
            limits=limits,
            clock=self.now,
            may_send=lambda lane: self._of(lane.subject)._lets(lane),  # noqa: SLF001
            problem=lambda: self.gate().state.problem,
        )
        self._worker: Worker | None = None
        if deliver_every is not None:
            from consentkit.transports.worker import Worker

            self._worker = Worker(
                lambda: self._deliver(None, is_patient=True),
                every_seconds=deliver_every,
                captured=lambda: self._outlet.captured,
            )
        self._lock = Mutex()
        self._gate: Gate | None = None
        self._closed = False
        self.ledger = ledger
        self._unrecorded = Unrecorded(data_dir / "unrecorded")
        self._bind(lambda _: LOCAL, LOCAL)
        self._consequences.reconcile(
            lambda tag: self._of(tag)._standing()  # noqa: SLF001
        )

    def _bind(
        self, subject: Callable[[bool], str | None], person: str
    ) -> None:
        """
        Make this the kit of one subject.
        """
        self._gate = None
        #: How events were kept under the present choices.
        self.event_paths: dict[tuple[object, ...], EventPath] = {}
        self._budget: tuple[str, Budget] | None = None
        self._subject = subject
        self._waiting = Waiting(self, on_disk=self._root is self)
        self._consequences = Consequences(
            self,
            waiting=self._waiting,
            outlet=self._outlet,
            crashes=self._crashes,
            let_go=self._let_go,
        )
        self._surroundings = self._asked(
            lost=self._consequences.permission_lost
        )
        self.consent: Consent = Consent(
            policy=self.policy,
            ledger=self.ledger,
            clock=self.now,
            carry_out=self._consequences.carry_out,
            granted=self._consequences.granted,
            signals=self.signals,
            subject=subject,
            person=person,
            unrecorded=self._unrecorded,
            changed=self._consequences.changed,
            is_closed=lambda: self.is_closed,
        )
        self.registry: Registry = Registry(
            policy=self.policy,
            function=self.decide_function,
            attest=self._attest,
            use=self.use,
            platform=self._platform,
            entries=self._sdk_entries,
        )

    def signals(self) -> Signals:
        """
        Read the signals from outside, as they are now.
        """
        # Not with suppress(): each decision asks.
        try:
            found: object = self._signals()
        except Exception:  # noqa: BLE001 - it may be the app's
            found = None
        # In doubt everything is stopped.
        return found if isinstance(found, Signals) else _NO_SIGNALS

    def subject(
        self,
        id: str,  # noqa: A002 - the word of the ledger
        *,
        gpc: bool | None = None,
    ) -> Kit:
        """
        Give the kit of one person, where an app serves many.

        It shares policy, ledger, outbox and transports with this one, and
        has choices of its own. It costs little: make one for each request.

        Args:
            id: The app's own name of the person. The ledger keeps it apart
                from the entries, and can forget it: see `forget`.

            gpc: Whether the person's browser sends Global Privacy Control:
                see `consentkit.consent.gpc_from_header`.

        Raises:
            ValueError: If *id* is empty or very long.
        """
        ledger = self.ledger

        def tag(make: bool) -> str | None:  # noqa: FBT001
            return ledger.subject(id, make=make)

        check_subject(id)
        return self._child(tag, f"id {id}", gpc=gpc)

    def _child(
        self,
        subject: Callable[[bool], str | None],
        person: str,
        *,
        gpc: bool | None = None,
    ) -> Kit:
        made = copy.copy(self)
        if gpc is not None:
            around = self._root._signals  # noqa: SLF001 - the same class
            made._signals = with_gpc(around, gpc=gpc)  # noqa: SLF001
        made._bind(subject, person)  # noqa: SLF001 - made of the same class
        return made

    def _of(self, tag: str) -> Kit:
        """
        Give the kit of a subject by its tag, as lanes name it.
        """
        return self._root if tag == LOCAL else self._subjects.of(tag)

    def forget(self, id: str) -> Withdrawal:  # noqa: A002
        """
        Withdraw all that a person chose, and cut the link to them.

        What is recorded stays and stays provable; nothing tells any more
        whom it is about.

        Args:
            id: As for `subject`.

        Raises:
            ValueError: As `subject`.

            StoreError: If it cannot be done; call it again.
        """
        person = self.subject(id)
        done = person.consent.erase()
        person.forget_reads()
        self.ledger.erase_subject(id)
        return done

    def forget_reads(self) -> None:
        """
        Forget how often and when data of the person was read, and what
        answers at random have told: for somebody whose data is erased.

        Raises:
            StoreError: If it cannot be done; call it again.
        """
        self.budget.forget()
        tag = self._subject(False)
        if tag is not None:
            self.store.forget(tag)

    def __repr__(self) -> str:
        return f"<Kit {self.policy.id} {self.policy.version}>"

    def __enter__(self) -> Self:
        return self

    @property
    def is_closed(self) -> bool:
        """
        Whether nothing is decided or kept any more.
        """
        return self._closed or self._root._closed  # noqa: SLF001 - the same class

    def given_time(self) -> datetime | None:
        """
        Give the time, where it is not the system's.
        """
        return None if self._clock is _utc_now else self.now()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._root is self:
            self._crashes.leave(exc_type, exc, traceback)
        self.close()

    # Deciding

    def now(self) -> datetime:
        """
        Give the kit's time, in UTC.
        """
        return self._clock().astimezone(UTC)

    def gate(self) -> Gate:
        """
        Give the gate for the choices as they are now, over all processes.
        """
        state = self.consent.state()
        gate = self._gate
        if gate is None or gate.state is not state:
            self._gate = gate = Gate(policy=self.policy, state=state)
            self.event_paths = {}
            # Time, a signal or another process may have closed something.
            self._consequences.changed()
        return gate

    def decide(
        self,
        function: str,
        data_type: str,
        *,
        purpose: str | None = None,
        recipient: str | None = None,
        in_use: bool = False,
        act: bool = False,
        attested: bool = False,
        again: bool = False,
        basis: str = "",
        holds: Callable[[Permit], bool] | None = None,
    ) -> Permit | Refusal:
        """
        Decide on one data type of one function, now.

        Only a function in use gets a permit: see `use`. The operating system
        is asked last, where nothing else stands in the way.

        Args:
            function: Id of the function.

            data_type: Id of the data type.

            purpose: Why; the clause's first purpose by default.

            recipient: For whom; the clause's first recipient by default.

            in_use: Whether the function is in use by the caller.

            act: Whether the person just acted.

            attested: Whether the person vouched for what the function asks.

            again: Whether it is about what was read already, which no
                frequency forbids to keep.

            basis: Hash of the entry that records the use of another lawful
                basis, instead of consent.

            holds: Tells, whenever the permit is used, whether it still
                holds.
        """
        if self.is_closed:
            return Refusal(
                reason=Reason.CLOSED, function=function, data_type=data_type
            )
        gate, holds = self.gate(), holds or self.still_granted
        moment = self._moment(
            function,
            "" if again else data_type,
            in_use=in_use,
            act=act,
            attested=attested,
        )
        answer = gate.decide(
            function, data_type, purpose, recipient, moment, basis, holds
        )
        if isinstance(answer, Refusal):
            return answer
        clause, now = answer.clause, moment
        if not again and self._is_too_soon(function, clause):
            # An older promise of the clause may be rarer than the policy's.
            now = evolve(moment, too_soon=True)
        elif clause.permission:
            now = self._surroundings.ask(clause.permission, moment)
        if now is moment:
            return answer
        return gate.decide(
            function, data_type, purpose, recipient, now, basis, holds
        )

    def moment(
        self,
        function: str,
        data_type: str = "",
        *,
        in_use: bool,
        act: bool = False,
        attested: bool = False,
    ) -> Moment:
        """
        Gather what holds now, beside policy and choices.

        The operating system is asked, whatever else holds.
        """
        moment = self._moment(
            function, data_type, in_use=in_use, act=act, attested=attested
        )
        found = self.policy.functions.get(function)
        if found is None:
            return moment
        guarded = found.clauses.get(data_type, found)
        return self._surroundings.ask(guarded.permission, moment)

    def _moment(
        self,
        function: str,
        data_type: str = "",
        *,
        in_use: bool,
        act: bool,
        attested: bool,
    ) -> Moment:
        """
        Gather what can be known without asking the operating system.
        """
        found = self.policy.functions.get(function)
        clause = found.clauses.get(data_type) if found else None
        return self._surroundings.moment(
            found,
            in_use=in_use,
            act=act,
            attested=attested,
            too_soon=clause is not None
            and self._is_too_soon(function, clause),
        )

    def _is_too_soon(self, function: str, clause: Clause) -> bool:
        if clause.frequency is None or not self._outlet.exists():
            return False
        with suppress(StoreError):
            tag = self._subject(False)
            # Of whom nothing is on record nothing was read.
            return tag is not None and self.store.reads.is_too_soon(
                tag,
                function,
                clause.type,
                now=self.now(),
                period=clause.frequency,
            )
        # Where it cannot be known, nothing can be read either: see
        # `claim_read`.
        return False

    def claim_read(self, permit: Permit) -> bool:
        """
        Take the one read that the clause's frequency allows for now.

        Returns:
            Whether it was there to take.

        Raises:
            DeadPermitError: If the consent has ended meanwhile.

            StoreError: If it cannot be remembered; then nothing is read.
        """
        # Whoever is forgotten while in use has no read noted any more, and
        # nobody else has it.
        clause = check_permit(permit).clause
        return clause.frequency is None or self.store.reads.claim(
            permit.entry.subject,
            permit.function.id,
            clause.type,
            now=self.now(),
            period=clause.frequency,
        )

    def still_granted(self, permit: Permit) -> bool:
        """
        Tell whether the consent that *permit* rests on still stands.
        """
        state = self.consent.state()
        return not self.is_closed and all(
            entry.hash in state.sendable
            and (entry in state.bases or _decided(state, element, entry))
            for element, entry in permit.entries.items()
        )

    def decide_function(
        self,
        function: str,
        *,
        act: str | None = None,
        attested: str | None = None,
    ) -> Function | Refusal:
        """
        Decide whether *function* as a whole is declared and granted.

        Args:
            function: Id of the function.

            act: What the person just did, or empty for nothing; by default
                it is not asked for.

            attested: How the person vouched for what the function asks, or
                empty; by default it is not asked for.
        """
        if self.is_closed:
            return Refusal(reason=Reason.CLOSED, function=function)
        asks = self.moment if self._starts(function) else self._moment
        moment = asks(
            function,
            in_use=True,
            act=act != "",
            attested=attested != "",
        )
        return self.gate().function(function, moment=moment)

    def _starts(self, function: str) -> bool:
        """
        Tell whether *function* lets an SDK start that takes a permission of
        the system.
        """
        found = self.policy.functions.get(function)
        return found is not None and bool(found.sdk and found.permission)

    def why(
        self,
        function: str,
        data_type: str | None = None,
        recipient: str | None = None,
    ) -> Explanation:
        """
        Explain the decision: each condition, and whether it holds now.

        That a function must be in use, by whose act, is left out: it is
        about the moment of the call.
        """
        return explain(
            self.gate(),
            function,
            data_type,
            recipient=recipient,
            moment=self.moment(
                function,
                data_type or "",
                in_use=True,
                act=True,
                attested=True,
            ),
            signals=self._signal_rows(function),
            spent=self._spent(function),
        )

    def _attest(self, function: str, text: str) -> Entry:
        entry = self.gate().state.choices[function].entry
        if entry is None:
            msg = "the person was forgotten since"
            raise DeadPermitError(msg)
        return self.consent.record_attestation(function, text, of=entry)

    def _spent(self, function: str) -> tuple[Spent, ...]:
        with suppress(StoreError):
            return self.budget.spent(function)
        return ()

    @property
    def budget(self) -> Budget:
        """
        What answers at random have told of the person.
        """
        from consentkit.anonymise.budget import Budget

        tag = self._tag()
        if not tag:
            return Budget()  # of whom there is nothing yet
        # Whoever was forgotten, and comes again, has another tag.
        known = self._budget
        if known is None or known[0] != tag:
            folder = self.data_dir / "spent"
            if self._root is not self:
                # Not the person's id: that link is the ledger's to cut.
                folder /= tag[:32]
            self._budget = known = tag, Budget(folder)
        return known[1]

    def _tag(self) -> str:
        """
        Give the tag that stands for the person now, or nothing.
        """
        if self._root is self:
            return LOCAL
        # With the entries, as these are at hand until one is added.
        entries = self.consent.history()
        return entries[-1].subject if entries else ""

    def _signal_rows(self, function: str) -> tuple[SignalRow, ...]:
        if function not in self.policy.functions:
            return ()
        entries: tuple[Entry, ...] = ()
        with suppress(StoreError):
            entries = self.consent.history()
        return self.signals().rows(self.policy, function, entries)

    # Using

    def use(
        self,
        function: str,
        *,
        purpose: str | None = None,
        act: str = "",
        attested: str = "",
        basis: Basis | None = None,
    ) -> Use:
        """
        Say that *function* is in use, for the length of a ``with`` block.

        Only inside it, and only in the thread or task that entered it, may
        the function read and capture. Entering never fails: what is not
        permitted is refused call by call.

        Args:
            function: Id of the function.

            purpose: Why; by default each data type's first purpose.

            act: What the person just did, such as ``pressed_save``, where
                the function needs an act.

            attested: How the person vouched for what the function asks.

            basis: Another lawful basis than consent; its use goes into the
                ledger.
        """
        for name in _NEEDED_IN_USE:
            load(name)
        if self._worker is not None:
            self._worker.ensure()
        found = self.policy.functions.get(function)
        if found is not None and found.events:
            # So that no event waits for it; it takes a moment, once.
            load("consentkit.anonymise.protect").make_ready()
        return Use(
            self,
            function,
            purpose=purpose,
            act=act,
            attested=attested,
            basis=basis,
        )

    @contextmanager
    def asking(self) -> Generator[bool]:
        """
        Ask the person, in a ``with`` block, while nobody else does.

        One question at a time, over all processes of the app: who gets
        ``False`` shows nothing, as the person is being asked already.

        Raises:
            UnwritableError: If the data folder cannot be written to; then
                an answer could not be recorded either.
        """
        make_private_folder(self.data_dir)
        lock = FileLock(self.data_dir / "prompt.lock")
        is_first = lock.acquire(timeout_seconds=0)
        try:
            yield is_first
        finally:
            if is_first:
                lock.release()

    def log_handler(self, function: str, **options: Any) -> LogHandler:
        """
        Make a `logging.Handler` that scrubs and captures log records.

        It drops records quietly while *function* is not permitted.

        Args:
            function: Id of the function.

            options: What `consentkit.collectors.logs.LogHandler` takes.
        """
        return make_log_handler(self, function, **options)

    def structlog_processor(
        self, function: str, **options: Any
    ) -> StructlogProcessor:
        """
        Make a processor that captures a scrubbed copy of structlog's events.

        Args:
            function: Id of the function.

            options: What
                `consentkit.collectors.log_adapters.StructlogProcessor` takes.
        """
        return make_structlog_processor(self, function, **options)

    def loguru_sink(self, function: str, **options: Any) -> LoguruSink:
        """
        Make a sink that scrubs and captures loguru's records.

        Args:
            function: Id of the function.

            options: What `consentkit.collectors.log_adapters.LoguruSink`
                takes.
        """
        return make_loguru_sink(self, function, **options)

    def crash_capture(self, function: str, **options: Any) -> CrashCapture:
        """
        Make what captures crashes of the whole process; `start` it.

        Args:
            function: Id of the function; crashes deserve their own.

            options: What `consentkit.collectors.crash.CrashCapture` takes.

        Raises:
            ValueError: If this is the kit of one subject among others, the
                policy has no such function, or it collects no crashes.
        """
        if self._root is not self:
            msg = (
                "a crash is the whole process's: ask the app's own kit, "
                "not that of one subject"
            )
            raise ValueError(msg)
        return self._crashes.make(self, function, **options)

    def journal(self, function: str, **options: Any) -> JournalCapture:
        """
        Make what captures lines of the system's journal, when told to.

        Args:
            function: Id of the function.

            options: What `consentkit.collectors.journal.JournalCapture`
                takes.

        Raises:
            ValueError: If this is the kit of one subject among others, the
                policy has no such function, or it does not collect the data
                type.
        """
        if self._root is not self:
            msg = (
                "a journal is the whole service's: ask the app's own kit, "
                "not that of one subject"
            )
            raise ValueError(msg)
        return make_journal_capture(self, function, **options)

    def source(
        self, data_type: str, read_from: str = ""
    ) -> Source[Any] | None:
        """
        Give the source that *data_type* is read from, if there is one.

        Args:
            data_type: Of the vocabulary.

            read_from: Id of the source, where the policy names one.
        """
        if self._root is not self:
            return self._root.source(data_type, read_from)
        with self._lock:
            if self._sources is None:
                from consentkit.collectors import Sources

                self._sources = Sources(
                    self._own_sources, self._platform, folder=self.data_dir
                )
            return self._sources.of(data_type, read_from)

    # Delivering

    @property
    def store(self) -> OutboxStore:
        """
        The outbox; its file is made when the first record is kept.
        """
        return self._outlet.store

    def _lets(self, lane: LaneStatus) -> bool:
        """
        Ask the gate, and the app's conditions, whether a lane may go out.
        """
        function = self.policy.functions.get(split_element(lane.element)[0])
        return self.gate().lets_out(
            lane.element, lane.recipient, lane.grant
        ) and (function is None or not self._surroundings.unmet(function))

    def flush(
        self,
        *,
        timeout_seconds: float | None = None,
        progress: Callable[[FlushProgress], object] | None = None,
        patient: bool = False,
    ) -> FlushReport:
        """
        Deliver what waits, and report; it raises nothing.

        It blocks on the network: call it where that is welcome.

        Args:
            timeout_seconds: When to stop between two batches;
                ``limits.flush_seconds`` by default.

            progress: Called in this thread after each batch that a backend
                was tried with, with how far the flush is. If it raises, the
                flush goes on, the report says so, and it is not called
                again.

            patient: Whether to leave a backend alone after failures, for as
                long as the background thread would: for who flushes again
                and again.
        """
        return self._deliver(
            timeout_seconds, is_patient=patient, progress=progress
        )

    async def flush_async(
        self, *, timeout_seconds: float | None = None
    ) -> FlushReport:
        """
        Deliver what waits, beside the event loop; else as `flush`.

        Where the task is cancelled, the batch that is under way comes to its
        end, and what follows waits.

        Args:
            timeout_seconds: As of `flush`.

        .. versionadded:: 26.1.0
        """
        import asyncio

        return await asyncio.to_thread(
            self.flush, timeout_seconds=timeout_seconds
        )

    def _deliver(
        self,
        timeout_seconds: float | None,
        *,
        is_patient: bool,
        progress: Callable[[FlushProgress], object] | None = None,
    ) -> FlushReport:
        if self.is_closed:
            from consentkit.transports.delivery import FlushReport

            return FlushReport(problems=("the kit is closed",))
        # A permission that was taken away is noticed now at the latest.
        guarding = self._consequences.guarding()
        for permission in self._surroundings.look_again(guarding):
            self._consequences.discard_guarded(permission)
        try:
            self._waiting.settle()
        except StoreError as error:
            warn(error)
        return self._outlet.delivery.flush(
            timeout_seconds=timeout_seconds,
            is_patient=is_patient,
            progress=progress,
        )

    def status(self) -> OutboxStatus:
        """
        Tell what waits in the outbox.

        Raises:
            StoreError: If the outbox cannot be read.
        """
        return self.store.status()

    # Holding

    def hold(self, held: Held, pending: Pending) -> bool:
        """
        Hold an event until the person answers; tell whether it is held.

        Raises:
            StoreError: If it cannot be stored.
        """
        # Of what waits for an answer, nobody has asked the system yet.
        function = self.policy.functions[held.function]
        clause = function.clauses[function.events[held.event].type]
        return self._surroundings.lets(
            clause.permission
        ) and self._waiting.hold(held, pending)

    def last_entry(self) -> int:
        """
        Give the place of the person's newest entry in the ledger, or 0.
        """
        with suppress(StoreError):
            entries = self.consent.history()
            return entries[-1].seq if entries else 0
        return 0

    @property
    def quarantine(self) -> Quarantine:
        """
        Events that wait for an answer on disk, sealed.
        """
        return self._outlet.quarantine

    # Carrying out

    def _standing(self) -> frozenset[str] | None:
        """
        Name the grants that stand, or ``None`` if the ledger cannot tell.
        """
        state = self.consent.state()
        if state.problem:
            # Nothing is read or sent; what waits stays for the repair.
            return None
        # Of another policy's choices this one cannot tell.
        others = {
            entry.hash
            for entry in self.consent.history()
            if entry.policy != self.policy.id
        }
        return state.standing | others

    def close(self) -> None:
        """
        Close the files; nothing is sent, and nothing is lost.

        The kit of one subject only ends itself. A no is still taken
        afterwards, and carried out; what would open something raises
        `ClosedError <consentkit.exceptions.ClosedError>`.
        """
        self.registry.close()
        self._closed = True
        if self._root is not self:
            return
        self._outlet.close()
        if self._worker is not None:
            self._worker.end()
        self.ledger.close()

    def _let_go(self) -> None:
        """
        Close what a no opened once more, after the end.
        """
        if self._root._closed:  # noqa: SLF001 - the same class
            self._outlet.close()
            self.ledger.close()


def _decided(state: State, element: str, entry: Entry) -> bool:
    """
    Tell whether *entry* is still what decided on *element*.
    """
    choice = state.choices.get(element)
    return (
        choice is not None
        and choice.entry is not None
        and choice.entry.hash == entry.hash
    )
