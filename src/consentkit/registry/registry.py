# SPDX-License-Identifier: MIT
"""
The only door through which a third-party SDK starts.

What it holds: an SDK's initialiser is not called before the function that
names it is granted, each SDK is decided on by itself, and a withdrawal calls
the SDK's own way to stop.

What it cannot hold: Python has no power over native code. An SDK that was
started may read the device by itself, and one without a *stop* runs until
the app is restarted; `Registry.withdrawn` names those, so that the app can
say so. `Registry.enforce` goes further, and says in `Registry.gaps` where it
ends.
"""

from __future__ import annotations

import logging
import threading

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    Protocol,
    TypeVar,
    final,
)

import attrs

from attrs import field, frozen

from consentkit._fork import Mutex, watch_forks
from consentkit.exceptions import DeadPermitError, StoreError
from consentkit.gate import MOMENTARY, Reason, Refusal
from consentkit.policy.model import Function, Policy
from consentkit.registry.model import SDKEntry


if TYPE_CHECKING:
    from consentkit.registry.observed import Observed
    from consentkit.registry.share import Overstep, Shared
    from consentkit.registry.watch import Imports, Level, Watch
    from consentkit.use import Use


__all__ = ["Registry", "Started"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("consentkit")

#: How long an answer waits for the stop that another thread has begun.
_PATIENCE_SECONDS: Final = 10.0


@frozen(kw_only=True)
class Started(Generic[T]):
    """
    An SDK that was started under a permit.

    Attributes:
        sdk: Its id.

        function: The function that it rests on.

        value: What the app's initialiser returned.
    """

    sdk: str
    function: str
    value: T = field(repr=False, eq=False)


@frozen
class _Running:
    """
    A started SDK, with its way to stop where it has one.
    """

    started: Started[Any]
    stop: Callable[[], object] | None


class _Stopping:
    """
    A stop that is under way, in the thread that made this.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._ended = threading.Event()

    def wait(self) -> None:
        """
        Wait for it, unless it is this thread's own.
        """
        if self._thread != threading.get_ident():
            # A stop may wait for this very thread.
            self._ended.wait(_PATIENCE_SECONDS)

    def end(self) -> None:
        """
        Let those go on that wait.
        """
        self._ended.set()


class _Ask(Protocol):
    """
    The gate's answer for a function.
    """

    def __call__(
        self,
        function: str,
        *,
        act: str | None = ...,
        attested: str | None = ...,
    ) -> Function | Refusal: ...


class _UseOf(Protocol):
    """
    Puts a function in use.
    """

    def __call__(
        self,
        function: str,
        *,
        purpose: str | None = ...,
        act: str = ...,
        attested: str = ...,
    ) -> Use: ...


@final
class Registry:
    """
    Starts third-party SDKs, each under the consent to its own function.

    It may be used from several threads. An initialiser runs at most once at
    a time for each SDK, and never holds up another SDK or a withdrawal.

    Args:
        policy: Its functions name the SDKs.

        function: The gate's answer for a function, asked at each start.

        attest: Puts on record how the person vouched for a function.

        use: Puts a function in use.

        platform: Where the app runs.

        entries: What is known of each SDK, by id; the shipped entries when
            not given. They are looked at when an SDK is started.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        function: _Ask,
        attest: Callable[[str, str], object],
        use: _UseOf,
        platform: str,
        entries: Mapping[str, SDKEntry] | None = None,
    ) -> None:
        self._policy = policy
        self._ask = function
        self._attest = attest
        self._use = use
        self._platform = platform
        self._entries = entries
        self._watch: Watch | None = None
        #: What was permitted when the kit was closed, and was not taken back
        #: since; until then ``None``.
        self._last: frozenset[str] | None = None
        self._oversteps: dict[tuple[str, str, str], Overstep] = {}
        self._functions: Mapping[str, str] = MappingProxyType(
            {f.sdk: f.id for f in policy.functions.values() if f.sdk}
        )
        #: Held over code of the app, which a fork cannot wait for.
        self._starting = self._locks()
        self._guard = Mutex()
        watch_forks(self)
        self._running: dict[str, _Running] = {}
        #: Those that ended and may run all the same.
        self._left: set[str] = set()
        #: Those that are being stopped, each by a thread.
        self._stopping: dict[str, _Stopping] = {}

    def _locks(self) -> Mapping[str, threading.RLock]:
        return {sdk: threading.RLock() for sdk in self._functions}

    def before_fork(self) -> None:
        """
        Nothing: a start or a stop that is under way goes on.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        Go on in the child without the starts and stops of other threads.
        """
        if in_child:
            self._starting = self._locks()
            self._stopping.clear()

    def __repr__(self) -> str:
        return (
            f"<Registry: {len(self.running)} of {len(self._functions)} "
            f"SDKs running>"
        )

    @property
    def running(self) -> tuple[str, ...]:
        """
        Ids of the SDKs that were started and not stopped, oldest first.
        """
        with self._guard:
            return tuple(self._running)

    def start(
        self,
        sdk: str,
        initialise: Callable[[], T],
        *,
        stop: Callable[[], object] | None = None,
        act: str | None = None,
        attested: str | None = None,
        without: Collection[str] = (),
    ) -> Started[T] | Refusal:
        """
        Call *initialise* if the policy and the person let this SDK start.

        An SDK that runs already is not started again: the first result is
        returned, and *initialise* and *stop* are not used.

        SDKs that come inside of it start with it, so they need their own
        decisions, unless *initialise* turns them off.

        Args:
            sdk: Id of the SDK in the registry.

            initialise: The app's own code. Its exceptions are not caught,
                and leave the SDK not started.

            stop: Called when the consent is withdrawn. Without it the SDK
                runs until the app is restarted.

            act: What the person just did, where the function needs an act.

            attested: How the person vouched for what the function asks.

            without: Ids of SDKs inside of it that *initialise* turns off.

        Returns:
            What was started, or why it was not. Where the person withdrew
            while *initialise* ran, the SDK is stopped again and the answer
            is the refusal.
        """
        function = self._functions.get(sdk)
        if function is None:
            return _undeclared(sdk, "no function of the policy names it")
        if sdk not in self._known():
            return _undeclared(function, f"no registry entry for {sdk}")
        inside = self._inside_of(sdk, without)
        if inside is not None:
            return inside
        with self._starting[sdk]:
            answer = self._ask(
                function, act=act or "", attested=attested or ""
            )
            with self._guard:
                running = self._running.get(sdk)
            if not isinstance(answer, Refusal):
                if running is not None:
                    return running.started
                if answer.attest:
                    try:
                        self._attest(function, attested or "")
                    except DeadPermitError:
                        return Refusal(
                            reason=Reason.CONSENT_CHANGED, function=function
                        )
                    except StoreError as error:
                        return Refusal(
                            reason=Reason.LEDGER_UNREADABLE,
                            function=function,
                            detail=str(error),
                        )
                value = initialise()
                started = Started(sdk=sdk, function=function, value=value)
                with self._guard:
                    self._running[sdk] = _Running(started, stop)
                    self._left.discard(sdk)
                # A withdrawal meanwhile found nothing to stop: ask again.
                answer = self._ask(function)
        # Nor does it run on after a no in another process.
        if isinstance(answer, Refusal):
            return self._undo(sdk, answer)
        return started

    def share(
        self,
        sdk: str,
        hand_over: Callable[[Mapping[str, Any]], T],
        *,
        values: Mapping[str, object] | None = None,
        types: Mapping[str, str] | None = None,
        read: Iterable[str] = (),
        local: bool = False,
        purpose: str | None = None,
        act: str = "",
        attested: str = "",
    ) -> Shared[T] | Refusal:
        """
        Give an SDK what it may be given, and nothing else.

        Each value is decided on by itself: the SDK's entry must list its
        data type for this platform, and the policy must have a clause for
        it and the person's yes. It is protected as the clause says before
        *hand_over* sees it. What may not be given is left out, and counted
        where it was never declared: see `oversteps`.

        Args:
            sdk: Id of the SDK in the registry.

            hand_over: Called once with what may be given, by name, if that
                is anything. Its exceptions are not caught.

            values: What the app has, by name.

            types: Data types of the values, by name; where it has none, the
                name is one.

            read: Data types to read by the kit's own sources.

            local: Whether what is given stays on the device; some fields
                may be given only so.

            purpose: Why; by default each data type's first purpose.

            act: What the person just did, where the function needs an act.

            attested: How the person vouched for what the function asks.

        Returns:
            What was given and what was left out; or why nothing may be
            given.

        Raises:
            TypeError: If *types* or *read* does not name data types.
        """
        from consentkit.registry.share import share, wanted_of

        given = dict(values or {})
        wanted = wanted_of(given, types or {}, read)
        function = self._functions.get(sdk)
        if function is None:
            return _undeclared(sdk, "no function of the policy names it")
        entry = self._known().get(sdk)
        if entry is None:
            return _undeclared(function, f"no registry entry for {sdk}")
        for outer in (entry.parent, entry.host):
            # It is reached only through the one that it comes inside of.
            rests_on = self._functions.get(outer)
            if outer and rests_on is None:
                return _undeclared(function, f"no function names {outer}")
            answer = self._ask(rests_on) if rests_on else None
            if isinstance(answer, Refusal):
                return answer
        shared = share(
            self._use(function, purpose=purpose, act=act, attested=attested),
            entry,
            recipient=self._recipient(function),
            platform=self._platform,
            wanted=wanted,
            values=given,
            local=local,
            hand_over=hand_over,
            overstepped=self._overstepped,
        )
        if isinstance(shared, Refusal):
            self._overstepped(sdk, shared.data_type, shared)
        return shared

    def _recipient(self, function: str) -> str:
        """
        Name who the SDK gives to: who is called as it is, or is embedded.
        """
        controller = self._policy.controller.id
        found = self._policy.functions[function]
        others = [
            r for id_, r in found.recipients.items() if id_ != controller
        ]
        named = (r.id for r in others if r.id == found.sdk)
        embedded = (r.id for r in others if r.mode == "embedded")
        anybody = (r.id for r in others)
        return (*named, *embedded, *anybody, controller)[0]

    def _overstepped(self, sdk: str, data_type: str, refusal: Refusal) -> None:
        from consentkit.registry.share import add_overstep

        with self._guard:
            add_overstep(self._oversteps, sdk, data_type, refusal)

    @property
    def oversteps(self) -> tuple[Overstep, ...]:
        """
        What SDKs were to be given and is not declared for them, with how
        often and when; the first ones first.
        """
        with self._guard:
            return tuple(self._oversteps.values())

    # Levels

    @property
    def level(self) -> Level:
        """
        How SDKs are held to it: ``declare``, ``observe`` or ``enforce``.
        """
        return "declare" if self._watch is None else self._watch.terms.level

    def observe(
        self,
        *,
        hosts: Mapping[str, Iterable[str]] | None = None,
        record: str | Path | None = None,
    ) -> None:
        """
        See from now on whom SDKs reach, and stop nothing.

        Args:
            hosts: Hosts that the app itself names for an SDK, such as a
                server of its own, by the SDK's id; ``*.`` in front stands
                for every name below. A host that the SDK's entry places in
                another country than the policy says is none.

            record: File that what was seen is written to when the kit
                closes and when the process ends, for ``consentkit sdk audit
                --against``.

        Raises:
            ValueError: If *hosts* names no host, or an SDK that no function
                names.
        """
        self._set_level("observe", "load", hosts, record)

    def enforce(
        self,
        *,
        imports: Imports = "stand-in",
        hosts: Mapping[str, Iterable[str]] | None = None,
        record: str | Path | None = None,
    ) -> None:
        """
        Hold SDKs to the policy from now on, as far as Python can.

        Call it before the app imports them. What cannot be held is in
        `gaps`.

        Args:
            imports: What the app's ``import`` of an SDK gives before its
                permit: a ``stand-in`` that keeps the set-up, does nothing,
                and becomes the SDK with the permit; or an ``error``; or
                ``load`` it all the same.

            hosts: As in `observe`.

            record: As in `observe`.

        Raises:
            ValueError: As `observe`, and for another word for *imports*.
        """
        self._set_level("enforce", imports, hosts, record)

    def release(self) -> None:
        """
        Let SDKs do as they like again, as before `observe` and `enforce`.
        """
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.take_off()

    def _set_level(
        self,
        level: Level,
        imports: Imports,
        hosts: Mapping[str, Iterable[str]] | None,
        record: str | Path | None,
    ) -> None:
        from consentkit.registry.hosts import check_hosts
        from consentkit.registry.watch import IMPORTS, Terms, Watch

        if imports not in IMPORTS:
            msg = f"imports is one of {', '.join(IMPORTS)}, not {imports!r}"
            raise ValueError(msg)
        terms = Terms(
            level=level,
            imports=imports,
            hosts=check_hosts(hosts or {}, self._functions),
            record=None if record is None else Path(record).absolute(),
        )
        before = self._watch
        watch = Watch(
            terms,
            policy=self._policy,
            functions=self._functions,
            entries=self._known(),
            refused=self._refused,
        )
        # The new one is on before the old one is off.
        watch.put_on(before)
        self._watch = watch
        if before is not None:
            before.take_off()

    def _refused(self, sdk: str) -> Refusal | None:
        """
        Say why *sdk* may not run now, whatever its start would need more.
        """
        answer = self._ask(self._functions[sdk])
        if not isinstance(answer, Refusal):
            return None
        # That the kit was closed takes back nothing.
        stands = answer.reason is Reason.CLOSED and sdk in (self._last or ())
        return None if stands else answer

    @property
    def gaps(self) -> Mapping[str, str]:
        """
        What of which SDK cannot be held, by its id; empty below `observe`.

        It grows: a program that an SDK starts under its permit, and a library
        of C that it loads, are named here from then on.
        """
        return {} if self._watch is None else self._watch.gaps

    @property
    def dropped(self) -> Mapping[str, int]:
        """
        How many calls were let fall by stand-ins, by SDK.
        """
        return {} if self._watch is None else self._watch.dropped

    @property
    def observed(self) -> Observed | None:
        """
        What SDKs were seen to do, or ``None`` below `observe`.
        """
        return None if self._watch is None else self._watch.observed

    # What follows from a choice

    def withdrawn(self, function: str) -> tuple[str, ...]:
        """
        Stop the SDKs that rest on *function*; call it after a withdrawal.

        Returns:
            Ids of the SDKs that may still run, because they have no *stop*
            or it raised: they are gone with the next start of the app. Also
            of those that have started a program that still runs, as far as
            that was seen; it may outlive the app.
        """
        ended = [
            s for s, needed in self._functions.items() if needed == function
        ]
        with self._guard:
            if self._last is not None:
                self._last -= {*ended}
        # First: what a stop sends must not get out.
        if self._watch is not None:
            self._watch.settle()
        running = {sdk for sdk in ended if not self._stop(sdk)}
        # After the stops, which may end their programs.
        return tuple(
            sdk for sdk in ended if sdk in running or self._has_programs(sdk)
        )

    def _has_programs(self, sdk: str) -> bool:
        found = () if self._watch is None else self._watch.programs(sdk)
        if found:
            logger.warning(
                "%s has started programs that still run (process %s)",
                *(sdk, ", ".join(map(str, found))),
            )
        return bool(found)

    def settle(self) -> None:
        """
        Stop the SDKs that the person's choices do not permit any more: call
        it when something has changed, be it by a pause, a signal, time or
        another process.
        """
        with self._guard:
            if self._last is not None:
                # A closed kit does not tell of which: in doubt of all.
                self._last = frozenset()
        if self._watch is not None:
            self._watch.settle()
        for sdk in self.running:
            answer = self._ask(self._functions[sdk])
            if isinstance(answer, Refusal) and answer.reason not in MOMENTARY:
                self._stop(sdk)

    def close(self) -> None:
        """
        Go on with the choices as they are, until the process ends or the
        person says no: SDKs send at exit too.
        """
        if self._watch is not None:
            self._last = frozenset(
                sdk for sdk in self._functions if self._refused(sdk) is None
            )
            self._watch.close()

    def _inside_of(self, sdk: str, without: Collection[str]) -> Refusal | None:
        """
        Say what the SDKs that come inside of *sdk* lack, or ``None``.
        """
        from consentkit.registry.index import inside_of

        for inner in inside_of(self._known(), sdk):
            if inner in without:
                continue
            function = self._functions.get(inner)
            if function is None:
                return _undeclared(
                    self._functions[sdk],
                    f"{inner} comes inside of {sdk}, and no function names it",
                )
            answer = self._ask(function)
            if isinstance(answer, Refusal):
                detail = f"{inner} comes inside of {sdk}"
                more = f"; {answer.detail}" * bool(answer.detail)
                return attrs.evolve(answer, detail=detail + more)
        return None

    def _known(self) -> Mapping[str, SDKEntry]:
        if self._entries is None:
            from consentkit.registry.load import load_registry

            self._entries = load_registry()
        return self._entries

    def _undo(self, sdk: str, refusal: Refusal) -> Refusal:
        if self._stop(sdk):
            return refusal
        detail = f"{sdk} may still run, until the app is restarted"
        return attrs.evolve(refusal, detail=detail)

    def _stop(self, sdk: str) -> bool:
        """
        Forget *sdk*, and tell whether it does not run any more.
        """
        mine = _Stopping()
        with self._guard:
            running = self._running.pop(sdk, None)
            if running is not None:
                self._left.add(sdk)
                self._stopping[sdk] = mine
            other = self._stopping.get(sdk, mine)
        if running is None:
            other.wait()
            return sdk not in self._left
        try:
            return self._is_stopped(sdk, running.stop)
        finally:
            with self._guard:
                if self._stopping.get(sdk) is mine:
                    del self._stopping[sdk]
            mine.end()

    def _is_stopped(self, sdk: str, stop: Callable[[], object] | None) -> bool:
        if stop is None:
            return False
        try:
            stop()
        except Exception as error:  # noqa: BLE001 - a withdrawal goes on
            problem = type(error).__name__
        else:
            self._left.discard(sdk)
            return True
        logger.debug(
            "stopping an SDK failed",
            extra={"consentkit_sdk": sdk, "consentkit_error": problem},
        )
        return False


def _undeclared(function: str, detail: str) -> Refusal:
    return Refusal(
        reason=Reason.UNDECLARED_SDK, function=function, detail=detail
    )
