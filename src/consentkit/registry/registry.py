# SPDX-License-Identifier: MIT
"""
The only door through which a third-party SDK starts.

What it holds: an SDK's initialiser is not called before the function that
names it is granted, each SDK is decided on by itself, and a withdrawal calls
the SDK's own way to stop.

What it cannot hold: Python has no power over native code. An SDK that was
started may read the device by itself, and one without a *stop* runs until
the app is restarted; `Registry.withdrawn` names those, so that the app can
say so.
"""

from __future__ import annotations

import logging
import threading

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar, final

import attrs

from attrs import field, frozen

from consentkit.gate import MOMENTARY, Reason, Refusal
from consentkit.policy.model import Function, Policy
from consentkit.registry.model import SDKEntry


__all__ = ["Registry", "Started"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger("consentkit")


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


@final
class Registry:
    """
    Starts third-party SDKs, each under the consent to its own function.

    It may be used from several threads. An initialiser runs at most once at
    a time for each SDK, and never holds up another SDK or a withdrawal.

    Args:
        policy: Its functions name the SDKs.

        function: The gate's answer for a function, asked at each start.

        entries: What is known of each SDK, by id; the shipped entries when
            not given. They are looked at when an SDK is started.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        function: Callable[[str], Function | Refusal],
        entries: Mapping[str, SDKEntry] | None = None,
    ) -> None:
        self._ask = function
        self._entries = entries
        self._functions: Mapping[str, str] = MappingProxyType(
            {f.sdk: f.id for f in policy.functions.values() if f.sdk}
        )
        self._starting = {sdk: threading.RLock() for sdk in self._functions}
        self._guard = threading.Lock()
        self._running: dict[str, _Running] = {}
        #: Those that ended and may run all the same.
        self._left: set[str] = set()

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
    ) -> Started[T] | Refusal:
        """
        Call *initialise* if the policy and the person let this SDK start.

        An SDK that runs already is not started again: the first result is
        returned, and *initialise* and *stop* are not used.

        Args:
            sdk: Id of the SDK in the registry.

            initialise: The app's own code. Its exceptions are not caught,
                and leave the SDK not started.

            stop: Called when the consent is withdrawn. Without it the SDK
                runs until the app is restarted.

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
        with self._starting[sdk]:
            answer = self._ask(function)
            with self._guard:
                running = self._running.get(sdk)
            if not isinstance(answer, Refusal):
                if running is not None:
                    return running.started
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

    def withdrawn(self, function: str) -> tuple[str, ...]:
        """
        Stop the SDKs that rest on *function*; call it after a withdrawal.

        Returns:
            Ids of the SDKs that may still run, because they have no *stop*
            or it raised: they are gone with the next start of the app.
        """
        return tuple(
            sdk
            for sdk, needed in self._functions.items()
            if needed == function and not self._stop(sdk)
        )

    def settle(self) -> None:
        """
        Stop the SDKs that the person's choices do not permit any more: call
        it when something has changed, be it by a pause, a signal, time or
        another process.
        """
        for sdk in self.running:
            answer = self._ask(self._functions[sdk])
            if isinstance(answer, Refusal) and answer.reason not in MOMENTARY:
                self._stop(sdk)

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
        with self._guard:
            running = self._running.pop(sdk, None)
            if running is None:
                return sdk not in self._left
            self._left.add(sdk)
        if running.stop is None:
            return False
        try:
            running.stop()
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
