# SPDX-License-Identifier: MIT
"""
What the adapters share: deciding, the life of a real client, and its end.

An adapter stands where the SDK's client stood. For each call it names the
data type of every value; `Registry.share` decides and protects, and what is
text is scrubbed. Only then is there a real client: it lives for one `Lease`,
which ends with the consent, takes what waits with it, and does not come back.

Nothing here raises into the app, and nothing waits for the network in the
app's thread for longer than `STOP_SECONDS`, or `FLUSH_SECONDS` where the app
asks for that.

Obligations: WP-SDK-1 (what is too much is refused and reported), WP-SDK-2
(each SDK has its own decision), WP-SDK-4 (a withdrawal stops it).
"""

from __future__ import annotations

import atexit
import logging
import socket
import threading
import time

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from importlib.util import find_spec
from queue import SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, final
from uuid import UUID, uuid4
from weakref import WeakSet, finalize

from attrs import define, field, frozen

from consentkit._fork import Mutex
from consentkit.exceptions import MissingExtraError, SDKStoppedError
from consentkit.gate import Refusal
from consentkit.policy.model import ProtectionName


if TYPE_CHECKING:
    from consentkit.gate import Permit
    from consentkit.kit import Kit
    from consentkit.typing import JSON


__all__ = [
    "FLUSH_SECONDS",
    "STOP_SECONDS",
    "Adapter",
    "AdapterCounts",
    "Given",
    "Lease",
    "Parcel",
    "anonymous_id",
    "bounded",
    "scrubbed",
    "wait_for_queue",
]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("consentkit")

#: How long the end of a client, or the exit of the app, waits for the SDK.
STOP_SECONDS: Final = 2.0

#: How long an event waits until what was withdrawn before it is swept away.
_EMPTY_SECONDS: Final = 0.5

#: How long a flush that the app asks for waits.
FLUSH_SECONDS: Final = 10.0

#: What leaves a text as it was: it is scrubbed here.
_OPEN: Final = frozenset(
    {ProtectionName.NONE, ProtectionName.SCRUB, ProtectionName.TAKE}
)

#: More levels than this are left out.
_MOST_LEVELS: Final = 8


@frozen(kw_only=True)
class AdapterCounts:
    """
    What became of the calls of an adapter.

    Attributes:
        handed_over: Given to the SDK, with what of them may be given.

        anonymous: Of these, how many went without the person's id.

        refused: Let fall, because nothing of them may be given, or not
            enough to make sense.

        dropped: Calls of what no adapter carries, let fall.

        failed: Let fall, because the SDK or its set-up raised.
    """

    handed_over: int = 0
    anonymous: int = 0
    refused: int = 0
    dropped: int = 0
    failed: int = 0


# Values on their way


@define
class Parcel:
    """
    The values of one call, each with the data type that it is of.

    Attributes:
        values: By a name of our own.

        types: Data types, by the same name; empty where nothing declares
            one.

        identities: Names of those that stand for a person or a device.

        required: Names without which the call makes no sense.
    """

    values: dict[str, object] = field(factory=dict, repr=False)
    types: dict[str, str] = field(factory=dict)
    identities: set[str] = field(factory=set)
    required: set[str] = field(factory=set)
    _paths: dict[str, tuple[str, ...]] = field(factory=dict)

    def add(
        self,
        name: str,
        value: object,
        data_type: str,
        *,
        required: bool = False,
        identity: bool = False,
    ) -> None:
        """
        Add one value; ``None`` is none.
        """
        if required:
            self.required.add(name)
        if value is None:
            return
        self.values[name] = _plain(value)
        self.types[name] = data_type
        if identity:
            self.identities.add(name)

    def add_tree(
        self,
        section: str,
        tree: object,
        types: Mapping[str, str],
        *,
        prefix: str = "",
    ) -> None:
        """
        Add every leaf of a mapping.

        Args:
            section: What `Given.tree` gives them back under.

            tree: The mapping; of anything else nothing is added.

            types: Data types, by the name of a leaf or of a mapping above
                it, with full stops between levels.

            prefix: What stands before their names in *types*.
        """
        leaves: list[tuple[tuple[str, ...], object]] = []
        # A mapping of the app's own may raise anything.
        with suppress(Exception):
            leaves += _leaves(tree, ()) if isinstance(tree, Mapping) else ()
        for path, leaf in leaves:
            names = (*((prefix,) if prefix else ()), *path)
            name = "\0".join((section, *path))
            self.add(name, leaf, _type_of(names, types))
            self._paths[name] = (section, *path)

    def path(self, name: str) -> tuple[str, ...]:
        """
        Say where in a tree a value stood; empty for one that stood in none.
        """
        return self._paths.get(name, ())


def _leaves(
    tree: Mapping[Any, object], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in tree.items():
        # A key that is no text may write itself in any way.
        if not isinstance(key, str) or len(above) >= _MOST_LEVELS:
            continue
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _type_of(path: tuple[str, ...], types: Mapping[str, str]) -> str:
    for end in range(len(path), 0, -1):
        found = types.get(".".join(path[:end]))
        if found is not None:
            return found
    return ""


def _plain(value: object) -> object:
    """
    Give *value* as JSON has it, where it is a plain one.
    """
    match value:
        case Enum():
            return _plain(value.value)
        case datetime() | date():
            return value.isoformat()
        case UUID():
            return str(value)
        case Decimal():
            return float(value)
        case set() | frozenset() | tuple():
            return [_plain(one) for one in value]
        case _:
            return value


#: What begins the keys of a value that goes item by item.
_ITEM: Final = "\0"


def _itemised(value: object) -> object:
    """
    Give numbers and lists as ``scrub`` takes them: in a flat mapping.
    """
    match value:
        case bool() | int() | float():
            return {_ITEM: value}
        case list() if all(
            isinstance(one, str | bool | int | float) for one in value
        ):
            return {f"{_ITEM}{at}": one for at, one in enumerate(value)}
        case _:
            return value


def _from_items(value: Any) -> Any:
    """
    Undo `_itemised`.
    """
    if not isinstance(value, Mapping) or not all(
        key.startswith(_ITEM) for key in value
    ):
        return value
    return value[_ITEM] if _ITEM in value else [*value.values()]


@final
class Given:
    """
    What of a parcel may be given, protected and scrubbed.
    """

    def __init__(self, parcel: Parcel, values: Mapping[str, Any]) -> None:
        self._parcel = parcel
        self._values = values

    def __repr__(self) -> str:
        return f"<Given: {len(self._values)} values>"

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def get(self, name: str, default: Any = None) -> Any:
        """
        Give one value.
        """
        return self._values.get(name, default)

    def text(self, name: str) -> str | None:
        """
        Give one value as a text.
        """
        value = self._values.get(name)
        return None if value is None else str(value)

    def tree(self, section: str) -> dict[str, Any]:
        """
        Give a mapping again, with what is left of it.
        """
        made: dict[str, Any] = {}
        for name, value in self._values.items():
            path = self._parcel.path(name)
            if path[:1] != (section,):
                continue
            at = made
            for key in path[1:-1]:
                at = at.setdefault(key, {})
            at[path[-1]] = value
        return made


def scrubbed(name: str, value: object) -> JSON:
    """
    Take personal data and secrets out of a value, whatever its clause says.

    Args:
        name: What it stands under, which tells what it is.

        value: As the clause leaves it.
    """
    from consentkit.anonymise.nested import scrub_value
    from consentkit.collectors.logs import clear_text

    if isinstance(value, str):
        value = clear_text(value)
    made = scrub_value({name: value})
    assert isinstance(made, Mapping)  # noqa: S101 - as it was given
    return next(iter(made.values()))


def anonymous_id() -> str:
    """
    Make an id that stands for nobody, for one event.
    """
    return f"anonymous-{uuid4().hex}"


# The life of a real client


class _EndedError(SDKStoppedError, ConnectionAbortedError):
    """
    The consent that a client was made under has ended.
    """


_leases: WeakSet[Lease] = WeakSet()


@final
class Lease:
    """
    One life of an SDK's clients: from a permit to its end.

    It rests on the permit of every data type that was given so far. Where
    one of them ends, all that waits ends with it.

    Args:
        kit: The app's kit.

        sdk: Id of the SDK.

        function: Of the policy.

        recipient: Who the SDK gives to.
    """

    def __init__(
        self, kit: Kit, sdk: str, function: str, recipient: str
    ) -> None:
        self._kit = kit
        self._sdk = sdk
        self._function = function
        self._recipient = recipient
        self._ended = threading.Event()
        self._guard = Mutex()
        self._types: set[str] = set()
        #: By what they rest on: most types rest on the same.
        self._permits: dict[str, Permit] = {}
        self._clients: dict[Adapter, Any] = {}
        self._sockets: WeakSet[Any] = WeakSet()
        self._standby = _Standby()
        self._emptied: list[threading.Event] = []
        finalize(self, self._standby.end).atexit = False
        _leases.add(self)

    def __repr__(self) -> str:
        state = "ended" if self.has_ended else "live"
        return f"<Lease of {self._sdk}: {state}>"

    @property
    def has_ended(self) -> bool:
        """
        Whether it is known to have ended; nobody is asked.
        """
        return self._ended.is_set()

    @property
    def is_live(self) -> bool:
        """
        Whether all that it rests on still stands, in any process.
        """
        if self._ended.is_set():
            return False
        with self._guard:
            permits = [*self._permits.values()]
        try:
            stands = all(map(self._kit.still_granted, permits))
        except Exception:  # noqa: BLE001 - in doubt it is a no
            stands = False
        if not stands:
            # The thread that asks may be the SDK's own.
            self.end(wait=False)
        return stands and not self._ended.is_set()

    def check(self) -> None:
        """
        Raise if nothing may be sent any more.

        Raises:
            SDKStoppedError: It has ended.
        """
        if not self.is_live:
            raise _EndedError(self._sdk, "", "its permit has ended")

    def wait(self, seconds: float) -> bool:
        """
        Wait, and tell whether it has ended.
        """
        return self._ended.wait(seconds)

    def hold(self, opened: Any) -> None:
        """
        Remember a socket, to be shut at the end.
        """
        with self._guard:
            self._sockets.add(opened)
        if self._ended.is_set():
            _shut(opened)

    def cover(self, data_types: Collection[str]) -> bool:
        """
        Let it rest on the permits of *data_types* too.

        Returns:
            Whether there is one for each.
        """
        with self._guard:
            new = [t for t in data_types if t not in self._types]
        for data_type in new:
            permit = self._kit.decide(
                self._function,
                data_type,
                recipient=self._recipient,
                in_use=True,
                again=True,
            )
            if isinstance(permit, Refusal):
                return False
            with self._guard:
                self._types.add(data_type)
                self._permits.setdefault(permit.grant, permit)
        return True

    def client_of(self, adapter: Adapter) -> Any:
        """
        Give the real client of *adapter*, or ``None``.
        """
        with self._guard:
            return self._clients.get(adapter)

    def adopt(self, adapter: Adapter, client: Any) -> bool:
        """
        Take over a real client.

        Returns:
            Whether it may be used; else it has ended already.
        """
        with self._guard:
            if not self._ended.is_set():
                self._clients[adapter] = client
                return True
        self._emptied.append(_close(adapter, client, self._standby))
        return False

    def release(self, adapter: Adapter) -> Any:
        """
        Give a real client up.
        """
        with self._guard:
            return self._clients.pop(adapter, None)

    def end(self, *, wait: bool = True) -> None:
        """
        Let nothing out any more, and end the clients.

        What waits in the SDK's queues is dropped before its own shutdown,
        which would send it.

        Args:
            wait: Whether to wait for the SDK, for `STOP_SECONDS` at most.
        """
        # First of all: whatever else fails, no connection sends.
        self._ended.set()
        with self._guard:
            clients, self._clients = self._clients, {}
            sockets = [*self._sockets]
            self._sockets.clear()
        for one in sockets:
            _shut(one)
        emptied = [
            _close(adapter, client, self._standby)
            for adapter, client in clients.items()
        ]
        self._emptied.extend(emptied)
        if wait:
            _wait_for(emptied, STOP_SECONDS)

    def wait_until_empty(self) -> None:
        """
        Wait until what it ended with holds nothing that waits any more.

        What a client takes after that is not swept away with it.
        """
        _wait_for([*self._emptied], _EMPTY_SECONDS)

    @property
    def standby(self) -> _Standby:
        """
        A thread for what is left to do when the app ends.
        """
        return self._standby

    def finish_soon(self) -> threading.Event:
        """
        Begin to `finish`, where no thread can be started for it any more.

        Returns:
            What tells that it is done.
        """
        return self._standby.put(self.finish)

    def finish(self) -> None:
        """
        Let the SDK send what waits, and end.
        """
        with self._guard:
            clients = dict(self._clients)
        for adapter, client in clients.items():
            with suppress(Exception):
                adapter._drain(client, STOP_SECONDS)  # noqa: SLF001 - ours
        self.end(wait=False)


@final
class _Standby:
    """
    A thread for what is left to do when the interpreter ends.

    It is there from the start: from Python 3.12 on, none can be started then.
    """

    def __init__(self) -> None:
        self._acts: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(
            target=self._run, name="consentkit-end", daemon=True
        )
        # An app may have no more threads, or end already.
        with suppress(RuntimeError):
            self._thread.start()

    def put(self, act: Callable[[], object]) -> threading.Event:
        """
        Let it do *act*, and give what tells that it is done.
        """
        done = threading.Event()

        def run() -> None:
            try:
                act()
            finally:
                done.set()

        if threading.current_thread() is self._thread:
            run()
            return done
        if not self._thread.is_alive():
            # In a child of a fork there is none of its parent's.
            self._start()
        if self._thread.is_alive():
            self._acts.put(run)
        else:
            done.set()
        return done

    def end(self) -> None:
        """
        Let the thread end, after what it was given so far.
        """
        self._acts.put(None)

    def _run(self) -> None:
        while (act := self._acts.get()) is not None:
            with suppress(Exception):
                act()
            # Nothing of it is to be kept while there is no other.
            del act


def _shut(opened: Any) -> None:
    # Of the class below: TLS would say good-bye first, in this thread.
    with suppress(Exception):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


def _wait_for(events: list[threading.Event], seconds: float) -> None:
    end = time.monotonic() + seconds
    for event in events:
        event.wait(max(0.0, end - time.monotonic()))


def _close(
    adapter: Adapter, client: Any, standby: _Standby
) -> threading.Event:
    """
    Empty the queues of *client*, and shut it down.

    Returns:
        What tells that they are empty. Whoever withdraws waits for that
        only: no connection sends any more, and the SDK's own call may take
        its time.
    """
    is_empty = threading.Event()

    def act() -> None:
        try:
            adapter._empty(client)  # noqa: SLF001 - ours
        finally:
            is_empty.set()
            adapter._close(client)  # noqa: SLF001 - ours

    bounded(adapter._sdk, act, 0.0, standby=standby)  # noqa: SLF001 - ours
    return is_empty


def bounded(
    sdk: str,
    act: Callable[[], object],
    seconds: float = STOP_SECONDS,
    *,
    standby: _Standby | None = None,
) -> bool:
    """
    Call code of an SDK, and wait for it no longer than *seconds*.

    It goes on in a thread that holds up no exit: in *standby*, once none can
    be started.

    Returns:
        Whether it came to its end, without raising.
    """
    done: list[bool] = []

    def run() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - it may be anything
            _tell(sdk, error)
        else:
            done.append(True)

    thread = threading.Thread(target=run, name="consentkit", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # The interpreter ends.
        if standby is not None:
            standby.put(run).wait(seconds)
        return bool(done)
    thread.join(seconds)
    return bool(done)


def wait_for_queue(waiting: Any, seconds: float) -> None:
    """
    Wait until all of a `queue.Queue` is done, for *seconds* at most.
    """
    with waiting.all_tasks_done:
        waiting.all_tasks_done.wait_for(
            lambda: not waiting.unfinished_tasks, seconds
        )


def _tell(sdk: str, error: BaseException) -> None:
    logger.debug(
        "an adapter of an SDK let something fall",
        extra={
            "consentkit_sdk": sdk,
            "consentkit_error": type(error).__name__,
        },
    )


@atexit.register
def _at_exit() -> None:
    leases = [lease for lease in [*_leases] if not lease.has_ended]
    dones = [lease.finish_soon() for lease in leases]
    end = time.monotonic() + STOP_SECONDS
    for lease, done in zip(leases, dones, strict=True):
        done.wait(max(0.0, end - time.monotonic()))
        lease.end(wait=False)


@final
class _Live:
    """
    What the registry holds of an SDK that adapters have started.

    Several adapters of one SDK share it, each with a client of its own.
    """

    def __init__(
        self, kit: Kit, sdk: str, function: str, recipient: str
    ) -> None:
        self._terms = (kit, sdk, function, recipient)
        self._making = threading.RLock()
        self._lease: Lease | None = None
        self._stopped = threading.Event()

    def lease_for(self, adapter: Adapter) -> Lease | None:
        """
        Give the lease, with a client of *adapter* in it.
        """
        lease = self._lease
        if lease is not None:
            # Asked outside of the lock, which whoever withdraws may need.
            _ = lease.is_live
        with self._making:
            if self._stopped.is_set():
                return None
            lease = self._lease
            if lease is not None and lease.has_ended:
                lease.wait_until_empty()
                lease = None
            if lease is None:
                lease = self._lease = Lease(*self._terms)
            if lease.client_of(adapter) is None:
                client = adapter._make(lease)
                if not lease.adopt(adapter, client):
                    return None
        if self._stopped.is_set():
            # A withdrawal meanwhile has found nothing to end.
            lease.end()
            return None
        return lease

    def stop(self) -> None:
        """
        End; another start makes another.
        """
        self._stopped.set()
        lease = self._lease
        if lease is not None:
            lease.end()


# What stands in the place of an SDK's client

_current: ContextVar[Given | None] = ContextVar(
    "consentkit_adapter_given", default=None
)


class Adapter:
    """
    The base of the clients; each SDK has one below it.

    A subclass says in `_make` how a real client is made that sends only
    under its lease, and in its methods what of a call is of which data type.

    Args:
        kit: The app's kit; its policy has a function that names the SDK.

        properties: Data types of the app's own properties, by name; where a
            property is a mapping, with full stops: ``address.city``. What
            is not named is left out, and counted in `Registry.oversteps`.

        event: Data type of the event itself: that it happened, and what it
            is called. Nothing is sent without it.

        identity: Data type of the person's id. Without it events go with an
            id that stands for nobody and lives for one event.

    Raises:
        MissingExtraError: If the SDK is not installed.

        ValueError: If a data type is not in the vocabulary.
    """

    _sdk: ClassVar[str]
    _package: ClassVar[str]
    _module: ClassVar[str]
    #: Data types of what the SDK adds by itself, by name.
    _context: ClassVar[Mapping[str, str]] = MappingProxyType({})
    #: Names that the real client answers by itself, while there is one.
    _passed: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        kit: Kit,
        *,
        properties: Mapping[str, str] | None = None,
        event: str = "usage_record",
        identity: str = "user_id",
    ) -> None:
        if not _is_installed(self._module.partition(".")[0]):
            raise MissingExtraError(extra=self._sdk, package=self._package)
        self._kit = kit
        self._types: Mapping[str, str] = MappingProxyType(
            {**self._context, **(properties or {})}
        )
        self._event_type = event
        self._identity_type = identity
        _check_types((*self._types.values(), event, identity))
        self._function = next(
            (
                f.id
                for f in kit.policy.functions.values()
                if f.sdk == self._sdk
            ),
            "",
        )
        self._recipient = ""
        if self._function:
            controller = kit.policy.controller.id
            others = kit.policy.functions[self._function].recipients
            self._recipient = next(
                (id_ for id_ in others if id_ != controller), controller
            )
        self._guard = Mutex()
        self._counted: dict[str, int] = {}
        self._live: _Live | None = None
        self._undeclared: set[str] = set()
        self._is_closed = False
        self._has_warned = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of consentkit: {self.counts}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        client = self._client_now()
        if client is not None:
            if name in self._passed:
                return getattr(client, name)
            if not hasattr(client, name):
                msg = f"{type(client).__name__} has no {name!r}"
                raise AttributeError(msg)
        return self._let_fall

    @property
    def counts(self) -> AdapterCounts:
        """
        What became of the calls so far.
        """
        with self._guard:
            return AdapterCounts(**self._counted)

    # For subclasses

    def _make(self, lease: Lease) -> Any:
        """
        Make a real client, all of whose connections ask *lease*.
        """
        raise NotImplementedError

    def _empty(self, client: Any) -> None:  # noqa: ARG002 - as below
        """
        Drop all that waits in *client*, and in the SDK as a whole.
        """
        from consentkit.registry.load import load_registry
        from consentkit.registry.queues import empty_queues

        empty_queues(load_registry()[self._sdk])

    def _flush(self, client: Any) -> None:
        """
        Send what waits, by the SDK's own call.
        """

    def _drain(self, client: Any, seconds: float) -> None:
        """
        Let what waits be sent when the app ends, for *seconds* at most.

        A subclass that can do so starts no thread: from Python 3.12 on, none
        can be started then.
        """
        self._bounded(lambda: self._flush(client), seconds)

    def _close(self, client: Any) -> None:
        """
        Shut *client* down, by the SDK's own call.
        """

    def _let_fall(self, *_: object, **__: object) -> None:
        """
        Stand for a method that the adapter does not carry.
        """
        self._count("dropped")

    # Sending

    def _parcel(self, event: object = None) -> Parcel:
        """
        Begin with the event itself.
        """
        parcel = Parcel()
        parcel.add("event", event, self._event_type, required=True)
        return parcel

    def _add_identity(
        self,
        parcel: Parcel,
        value: object,
        *,
        name: str = "identity",
        required: bool = False,
    ) -> None:
        """
        Add what stands for the person.
        """
        plain = isinstance(value, str | int | float | UUID)
        parcel.add(
            name,
            (str(value) or None) if plain else None,
            self._identity_type,
            required=required,
            identity=True,
        )

    def _send(
        self, parcel: Parcel, call: Callable[[Any, Given], T]
    ) -> T | None:
        """
        Decide on *parcel*, and let *call* give what is left to the client.

        Args:
            parcel: The values.

            call: Gets the real client and what may be given.

        Returns:
            What *call* returned; ``None`` where nothing was given.
        """
        outcome: str = "failed"
        made: T | None = None
        try:
            outcome, made = self._decided(parcel, call)
        except Exception as error:  # noqa: BLE001 - no app breaks by it
            self._warn(error)
        self._count(outcome)
        return made

    def _decided(
        self, parcel: Parcel, call: Callable[[Any, Given], T]
    ) -> tuple[str, T | None]:
        if self._is_closed:
            return "refused", None
        generation = self._kit.consent.generation

        def hand_over(values: Mapping[str, Any]) -> tuple[str, T | None]:
            given = self._cleaned(parcel, values)
            missing = [n for n in parcel.required if n not in given]
            lease = None if missing else self._lease(parcel, values)
            # Decided before, and sent after another choice: not at all.
            if lease is None or generation != self._kit.consent.generation:
                return "refused", None
            client = lease.client_of(self)
            if client is None:
                return "refused", None
            before = _current.set(given)
            try:
                made = call(client, given)
            finally:
                _current.reset(before)
            if parcel.identities and not any(
                n in given for n in parcel.identities
            ):
                self._count("anonymous")
            return "handed_over", made

        shared = self._kit.registry.share(
            self._sdk, hand_over, values=self._raw(parcel), types=parcel.types
        )
        return (
            ("refused", None) if isinstance(shared, Refusal) else shared.value
        )

    def _lease(self, parcel: Parcel, values: Collection[str]) -> Lease | None:
        """
        Give the lease under which a client may have *values* now.
        """
        live = _Live(self._kit, self._sdk, self._function, self._recipient)
        started = self._kit.registry.start(
            self._sdk, lambda: live, stop=live.stop
        )
        if isinstance(started, Refusal):
            return None
        found: object = started.value
        if not isinstance(found, _Live):
            msg = f"{self._sdk} was started by the app itself"
            raise TypeError(msg)
        self._live = found
        lease = self._live.lease_for(self)
        types = {parcel.types[name] for name in values}
        return lease if lease is not None and lease.cover(types) else None

    def _protection(self, data_type: str) -> ProtectionName | None:
        found = self._kit.policy.functions.get(self._function)
        clause = found.clauses.get(data_type) if found else None
        return clause.protection.name if clause else None

    def _raw(self, parcel: Parcel) -> dict[str, object]:
        """
        Give the values in the form that their protections take.
        """
        return {
            name: _itemised(value)
            if self._protection(parcel.types[name]) is ProtectionName.SCRUB
            else value
            for name, value in parcel.values.items()
        }

    def _cleaned(self, parcel: Parcel, values: Mapping[str, Any]) -> Given:
        """
        Scrub what the clauses leave open.
        """
        made: dict[str, Any] = {}
        for name, protected in values.items():
            value = _from_items(protected)
            if self._protection(parcel.types[name]) in _OPEN:
                told = (parcel.path(name) or (name,))[-1]
                value = scrubbed(told, value)
                # An id that is an address or a number is no id any more.
                if name in parcel.identities and value != parcel.values[name]:
                    continue
            made[name] = value
        return Given(parcel, made)

    def _vetted(self, added: Mapping[str, object]) -> dict[str, Any]:
        """
        Decide on what the SDK has added by itself, inside of a call.

        Args:
            added: By the names that the SDK gives them.

        Returns:
            What of it may be given. What has no data type is removed
            without a word: the app has not given it.
        """
        parcel = Parcel()
        parcel.add_tree(
            "added",
            {n: v for n, v in added.items() if self._is_asked(n)},
            self._types,
        )
        if not parcel.values:
            return {}

        def hand_over(values: Mapping[str, Any]) -> dict[str, Any]:
            lease = self._lease(parcel, values)
            if lease is None:
                return {}
            return self._cleaned(parcel, values).tree("added")

        shared = self._kit.registry.share(
            self._sdk, hand_over, values=self._raw(parcel), types=parcel.types
        )
        return {} if isinstance(shared, Refusal) else shared.value

    def _is_asked(self, name: str) -> bool:
        """
        Tell whether to decide on something that the SDK adds each time.

        What the policy does not have is asked for, and so counted, once.
        """
        data_type = _type_of((name,), self._types)
        if not data_type or data_type in self._undeclared:
            return False
        if self._protection(data_type) is None:
            self._undeclared.add(data_type)
        return True

    @staticmethod
    def _given_now() -> Given | None:
        """
        Give what the call of this thread or task is about, in its middle.
        """
        return _current.get()

    # The life of the client

    def _client_now(self) -> Any:
        lease = self._lease_now()
        if lease is None or not lease.is_live:
            return None
        return lease.client_of(self)

    def _flush_now(self) -> None:
        """
        Send what waits, where that is permitted.
        """
        client = self._client_now()
        if client is not None:
            self._bounded(lambda: self._flush(client), FLUSH_SECONDS)

    def _shut_down(self) -> None:
        """
        Send what waits, and take nothing more.
        """
        self._flush_now()
        self._is_closed = True
        self._close_now()

    def _close_now(self) -> None:
        lease = self._lease_now()
        client = None if lease is None else lease.release(self)
        if client is not None:
            self._bounded(lambda: self._close(client))

    def _bounded(
        self, act: Callable[[], object], seconds: float = STOP_SECONDS
    ) -> bool:
        lease = self._lease_now()
        standby = None if lease is None else lease.standby
        return bounded(self._sdk, act, seconds, standby=standby)

    def _lease_now(self) -> Lease | None:
        live = self.__dict__.get("_live")
        return None if live is None else live._lease  # noqa: SLF001 - ours

    def _count(self, outcome: str) -> None:
        with self._guard:
            self._counted[outcome] = self._counted.get(outcome, 0) + 1

    def _warn(self, error: Exception) -> None:
        _tell(self._sdk, error)
        if self._has_warned:
            return
        self._has_warned = True
        cure = "see that its options are right"
        if isinstance(error, ImportError | LookupError | AttributeError):
            cure = f"install consentkit[{self._sdk}] as it is tested"
        logger.warning(
            "%s: an event was let fall with %s; %s",
            self._sdk,
            type(error).__name__,
            cure,
        )


def _is_installed(module: str) -> bool:
    """
    Tell whether *module* is there; it is not imported, which may already do
    something.
    """
    try:
        return find_spec(module) is not None
    except ValueError:
        # It is loaded, by a loader of the app's own.
        return True


def _check_types(names: Collection[str]) -> None:
    from consentkit.policy.vocabulary import load_vocabulary

    known = load_vocabulary().data_types
    for name in names:
        if name not in known:
            msg = f"no data type {name!r}: see `consentkit.policy.vocabulary`"
            raise ValueError(msg)
