# SPDX-License-Identifier: MIT
"""
`Kit`: the one object that an app keeps. It wires the rooms together and has
no logic of its own.
"""

from __future__ import annotations

import os

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from consentkit._fork import Mutex, load
from consentkit.consent.choices import Consent, Destroyed
from consentkit.consent.ledger import Ledger
from consentkit.exceptions import StoreError, UnwritableError
from consentkit.gate import Gate, OSPermission, Permit, Reason, Refusal
from consentkit.limits import Limits
from consentkit.policy.load import load_policy
from consentkit.policy.model import Function, Policy
from consentkit.registry.registry import Registry
from consentkit.use import Use
from consentkit.why import Explanation, explain


if TYPE_CHECKING:
    from consentkit.collectors.logs import LogHandler
    from consentkit.collectors.source import Source
    from consentkit.outbox import OutboxStatus
    from consentkit.outbox.store import OutboxStore
    from consentkit.registry.model import SDKEntry
    from consentkit.transports import Transport
    from consentkit.transports.delivery import Delivery, FlushReport


__all__ = ["Kit", "default_data_dir", "open"]


# Imported late, as an app that only asks needs none of them; and at once, so
# that no thread is still importing one when another forks.
_NEEDED_IN_USE = (
    "consentkit.anonymise.observations",
    "consentkit.anonymise.protect",
    "consentkit.collectors.source",
    "consentkit.outbox.records",
)


def default_data_dir(policy: Policy) -> Path:
    """
    Name the folder for the files of *policy*, by the platform's custom.

    Raises:
        UnwritableError: If this user has no home folder to put it into.
    """
    from platformdirs import user_data_path

    folder = Path("~")
    with suppress(RuntimeError):
        folder = user_data_path("consentkit", appauthor=False)
    if folder.is_absolute():
        return folder / policy.id
    raise UnwritableError(
        folder,
        problem="this user has no home folder",
        cure="name a data folder: data_dir=..., --data-dir DIR or "
        "CONSENTKIT_DATA_DIR",
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _not_applicable(_: str) -> OSPermission:
    return OSPermission.NOT_APPLICABLE


def open(  # noqa: A001 - read as consentkit.open
    policy: str | Path | Policy,
    *,
    transport: str | Transport | Mapping[str, str | Transport] | None = None,
    data_dir: str | Path | None = None,
    sources: Iterable[Source[Any]] = (),
    os_permission: Callable[[str], OSPermission] = _not_applicable,
    sdk_entries: Mapping[str, SDKEntry] | None = None,
    clock: Callable[[], datetime] = _utc_now,
    limits: Limits | None = None,
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

        data_dir: Folder for ledger, outbox and keys; by default one in the
            user's data folder, named by the policy's id.

        sources: Sources that go before the built-in ones, such as the
            app's own.

        os_permission: Tells what the operating system allows, by the
            policy's id of the permission. It is asked at each read. By
            default nothing needs a permission, as on a Linux desktop.

        sdk_entries: Entries of third-party SDKs; the shipped registry by
            default.

        clock: Gives the time, as an aware datetime.

        limits: Bounds of the outbox and of delivery.

    Raises:
        PolicyError: If the policy cannot be read or has faults.

        TransportError: If a transport is named wrongly.
    """
    document = policy if isinstance(policy, Policy) else load_policy(policy)
    folder = default_data_dir(document) if data_dir is None else data_dir
    return Kit(
        document,
        data_dir=Path(folder),
        transport=transport,
        sources=sources,
        os_permission=os_permission,
        sdk_entries=sdk_entries,
        clock=clock,
        limits=limits or Limits(),
    )


class Kit:
    """
    The rooms of one app, wired together; made by `consentkit.open`.

    It may be used from several threads, survives a fork, and shares its
    data folder with other processes of the app.

    Attributes:
        policy: What the app promises.

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
        sources: Iterable[Source[Any]],
        os_permission: Callable[[str], OSPermission],
        sdk_entries: Mapping[str, SDKEntry] | None,
        clock: Callable[[], datetime],
        limits: Limits,
    ) -> None:
        self.policy = policy
        self.data_dir = data_dir
        self.limits = limits
        self._clock = clock
        self._os_permission = os_permission
        self._own_sources = tuple(sources)
        self._sources: Mapping[str, Source[Any]] | None = None
        self._transports = _by_recipient(policy, transport)
        self._store: OutboxStore | None = None
        self._delivery: Delivery | None = None
        self._lock = Mutex()
        self._gate: Gate | None = None
        self._closed = False
        self._ledger = Ledger(data_dir / "ledger.sqlite3")
        self.consent: Consent = Consent(
            policy=policy,
            ledger=self._ledger,
            clock=self.now,
            carry_out=self._carry_out,
        )
        self.registry: Registry = Registry(
            policy=policy, function=self.decide_function, entries=sdk_entries
        )
        self._reconcile()

    def __repr__(self) -> str:
        return f"<Kit {self.policy.id} {self.policy.version}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
        return gate

    def decide(
        self,
        function: str,
        data_type: str,
        *,
        purpose: str | None = None,
        recipient: str | None = None,
        in_use: bool = False,
        holds: Callable[[Permit], bool] | None = None,
    ) -> Permit | Refusal:
        """
        Decide on one data type of one function, now.

        Only a function in use gets a permit: see `use`.
        """
        if self._closed:
            return Refusal(
                reason=Reason.CLOSED, function=function, data_type=data_type
            )
        return self.gate().decide(
            function,
            data_type,
            purpose=purpose,
            recipient=recipient,
            os_permission=self._os_answer(function, data_type),
            in_use=in_use,
            holds=holds or self.still_granted,
        )

    def still_granted(self, permit: Permit) -> bool:
        """
        Tell whether the consent that *permit* rests on still stands.
        """
        choices = self.consent.state().choices
        function = choices.get(permit.function.id)
        choice = choices.get(permit.element)
        return (
            not self._closed
            and function is not None
            and function.epoch > 0
            and choice is not None
            and choice.epoch == permit.epoch
            and choice.entry is not None
            and choice.entry.hash == permit.entry.hash
        )

    def decide_function(self, function: str) -> Function | Refusal:
        """
        Decide whether *function* as a whole is declared and granted.
        """
        if self._closed:
            return Refusal(reason=Reason.CLOSED, function=function)
        return self.gate().function(function)

    def why(
        self,
        function: str,
        data_type: str | None = None,
        recipient: str | None = None,
    ) -> Explanation:
        """
        Explain the decision: each condition, and whether it holds now.

        That a function must be in use is left out: it is about the moment
        of the call.
        """
        return explain(
            self.gate(),
            function,
            data_type,
            recipient=recipient,
            os_permission=self._os_answer(function, data_type or ""),
        )

    def _os_answer(self, function: str, data_type: str) -> OSPermission:
        found = self.policy.functions.get(function)
        clause = found.clauses.get(data_type) if found else None
        if clause is None or not clause.permission:
            return OSPermission.NOT_APPLICABLE
        answer: object = None
        with suppress(Exception):
            answer = self._os_permission(clause.permission)
        # In doubt it refuses; a boolean, which says too little, is a doubt.
        if isinstance(answer, OSPermission):
            return answer
        return OSPermission.UNKNOWN

    # Using

    def use(self, function: str, *, purpose: str | None = None) -> Use:
        """
        Say that *function* is in use, for the length of a ``with`` block.

        Only inside it, and only in the thread or task that entered it, may
        the function read and capture. Entering never fails: what is not
        permitted is refused call by call.

        Args:
            function: Id of the function.

            purpose: Why; by default each data type's first purpose.
        """
        for name in _NEEDED_IN_USE:
            load(name)
        return Use(self, function, purpose=purpose)

    def log_handler(self, function: str, **options: Any) -> LogHandler:
        """
        Make a `logging.Handler` that scrubs and captures log records.

        It drops records quietly while *function* is not permitted.

        Args:
            function: Id of the function.

            options: What `consentkit.collectors.logs.LogHandler` takes.
        """
        from consentkit.collectors.logs import LogHandler

        return LogHandler(self, function, **options)

    def source(self, data_type: str) -> Source[Any] | None:
        """
        Give the source that *data_type* is read from, if there is one.
        """
        with self._lock:
            if self._sources is None:
                from consentkit.collectors import sources_by_type

                self._sources = sources_by_type(self._own_sources)
            return self._sources.get(data_type)

    # Delivering

    @property
    def store(self) -> OutboxStore:
        """
        The outbox; its file is made when the first record is kept.
        """
        with self._lock:
            if self._store is None:
                from consentkit.outbox.store import (
                    OutboxStore,
                )

                self._store = OutboxStore(
                    self.data_dir / "outbox.sqlite3",
                    keys=self.data_dir / "keys",
                    limits=self.limits,
                )
            return self._store

    def _deliverer(self) -> Delivery:
        store = self.store
        with self._lock:
            if self._delivery is None:
                from consentkit.transports.delivery import (
                    Delivery,
                )

                self._delivery = Delivery(
                    store=store,
                    transports=self._transports,
                    gate=self.gate,
                    clock=self.now,
                    limits=self.limits,
                    lock=self.data_dir / "delivery.lock",
                )
            return self._delivery

    def flush(self, *, timeout_seconds: float | None = None) -> FlushReport:
        """
        Deliver what waits, and report; it raises nothing.

        It blocks on the network: call it where that is welcome.

        Args:
            timeout_seconds: When to stop between two batches;
                ``limits.flush_seconds`` by default.
        """
        return self._deliverer().flush(timeout_seconds=timeout_seconds)

    def status(self) -> OutboxStatus:
        """
        Tell what waits in the outbox.

        Raises:
            StoreError: If the outbox cannot be read.
        """
        return self.store.status()

    def _has_outbox(self) -> bool:
        # Unlike `Path.exists`, it also says no where it may not look.
        return os.path.exists(  # noqa: PTH110
            self.data_dir / "outbox.sqlite3"
        )

    def _carry_out(
        self, elements: frozenset[str], grants: frozenset[str]
    ) -> tuple[Destroyed, tuple[str, ...]]:
        """
        Destroy what rested on *grants*, and stop the SDKs of *elements*.
        """
        destroyed = Destroyed()
        try:
            if grants:
                destroyed = self.store.destroy(grants, now=self.now())
                self._deliverer().cut_short(grants)
        finally:
            # Last, as it runs code of others; but whatever came before.
            running = tuple(
                sdk
                for element in sorted(elements)
                for sdk in self.registry.withdrawn(element)
            )
        return destroyed, running

    def _reconcile(self) -> None:
        """
        Complete a withdrawal that a crash cut short, before all else.
        """
        if not self._has_outbox():
            return
        try:
            self.store.expire(self.now())
            self.store.reconcile(self._standing, now=self.now())
        except StoreError as error:
            _warn(error)

    def _standing(self) -> frozenset[str] | None:
        """
        Name the grants that stand, or ``None`` if the ledger cannot tell.
        """
        state = self.consent.state()
        if state.problem:
            # Nothing is read or sent; what waits stays for the repair.
            return None
        return frozenset(
            grant
            for choice in state.choices.values()
            for grant in choice.grants
        )

    def close(self) -> None:
        """
        Close the files; nothing is sent, and nothing is lost.
        """
        self._closed = True
        if self._delivery is not None:
            self._delivery.close()
        if self._store is not None:
            self._store.close()
        self._ledger.close()


def _warn(error: StoreError) -> None:
    import logging

    logging.getLogger("consentkit").warning("%s", error)


def _by_recipient(
    policy: Policy,
    transport: str | Transport | Mapping[str, str | Transport] | None,
) -> Mapping[str, Transport]:
    if transport is None:
        return {}
    from consentkit.transports import transport_from_url

    named: Mapping[str, str | Transport]
    if isinstance(transport, Mapping):
        named = transport
    else:
        named = {policy.controller.id: transport}
    unknown = named.keys() - policy.recipients.keys()
    if unknown:
        msg = (
            f"the policy has no recipient {', '.join(sorted(unknown))}; "
            f"it has {', '.join(policy.recipients)}"
        )
        raise ValueError(msg)
    return {
        recipient: transport_from_url(t) if isinstance(t, str) else t
        for recipient, t in named.items()
    }
