# SPDX-License-Identifier: MIT
"""
The levels beyond declaring: what SDKs do is observed, or enforced.

``observe`` sees whom SDKs reach. ``enforce`` keeps their modules from loading
before their permit, sets their own off switches, stops what they reach for
without a permit or outside of what is declared, and shuts what they opened
when the permit is gone.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    TypeVar,
    final,
    get_args,
)

from attrs import frozen

from consentkit._fork import Mutex
from consentkit.gate import Reason, Refusal
from consentkit.policy.model import Policy
from consentkit.registry.attribution import Attribution, Code
from consentkit.registry.hosts import Hosts
from consentkit.registry.index import codes_of
from consentkit.registry.model import SDKEntry
from consentkit.registry.observed import Observed
from consentkit.registry.reach import ReachGuard, is_judging


if TYPE_CHECKING:
    from consentkit.registry.imports import ImportGate
    from consentkit.registry.switches import Restore


__all__ = ["IMPORTS", "Imports", "Level", "Terms", "Watch"]

logger: logging.Logger = logging.getLogger("consentkit")

_T = TypeVar("_T")

Level = Literal["declare", "observe", "enforce"]
#: How soon a no of another process shuts what an SDK has open.
_LOOKS_EVERY_SECONDS: Final = 0.25

Imports = Literal["stand-in", "error", "load"]
IMPORTS: Final = get_args(Imports)


@frozen(kw_only=True)
class Terms:
    """
    How a registry is to be watched.

    Attributes:
        level: ``observe`` or ``enforce``.

        imports: What stands in for a module before its permit: a
            ``stand-in`` that is quiet, an ``error``, or nothing: ``load``.

        hosts: Hosts that the app names for an SDK, by its id.

        record: Where to write what was seen, or ``None``.
    """

    level: Level
    imports: Imports
    hosts: Mapping[str, Iterable[str]]
    record: Path | None


@final
class Watch:
    """
    Holds the SDKs of one policy to it, for as long as it is on.

    Args:
        terms: How.

        policy: Names the SDKs.

        functions: Of each SDK, by its id.

        entries: What is known, by id.

        refused: Says why an SDK may not reach anybody now, or ``None``.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        policy: Policy,
        functions: Mapping[str, str],
        entries: Mapping[str, SDKEntry],
        refused: Callable[[str], Refusal | None],
    ) -> None:
        self.terms = terms
        self.observed: Observed = Observed()
        self._refused = refused
        self._functions = functions
        self._entries = entries
        self._declared: Final = {
            sdk: entries[sdk] for sdk in functions if sdk in entries
        }
        codes = _codes(entries, self._declared)
        self._guard = ReachGuard(
            attribution=Attribution(codes),
            declared=self._declared,
            hosts=_hosts(policy, functions, self._declared, terms.hosts),
            refused=self._asked,
            enforces=terms.level == "enforce",
            observed=self.observed,
            opened=self._look_after,
        )
        self._ended = threading.Event()
        self._looking: threading.Thread | None = None
        self._finder = _SwitchFinder(codes, self._declared, self._turn_off)
        self._gate: ImportGate | None = None
        self._off: dict[str, Restore] = {}
        self._permitted: frozenset[str] = frozenset()
        #: Those that lost their permit, and have not been given it anew.
        self._lost: frozenset[str] = frozenset()
        self._asks = count()
        self._latest = 0
        self._change = Mutex()

    def __repr__(self) -> str:
        return f"<Watch: {self.terms.level}, {len(self._declared)} SDKs>"

    def put_on(self, before: Watch | None = None) -> None:
        """
        Begin, in the place of another that is on.
        """
        if before is not None:
            self._guard.adopt(before._guard)  # noqa: SLF001 - of the same kind
            self._lost = before._lost  # noqa: SLF001 - as above
        if self.terms.level == "enforce":
            if self.terms.imports != "load":
                self._put_on_gate(self.terms.imports)
            sys.meta_path.insert(0, self._finder)
            for sdk in self._declared:
                if self._refused(sdk) is not None:
                    self._turn_off(sdk)
                    if self._is_loaded(sdk):
                        self._lost |= {sdk}
        self._guard.put_on()
        # Few apps close their kit, and SDKs send at exit too.
        atexit.register(self.write)
        self.settle()

    def _put_on_gate(self, mode: Literal["stand-in", "error"]) -> None:
        from consentkit.registry.imports import ImportGate

        gated = {
            sdk: entry
            for sdk, entry in self._declared.items()
            if entry.package is not None and entry.package.gated
        }
        self._gate = ImportGate(entries=gated, refused=self._asked, mode=mode)
        self._gate.install()

    @property
    def dropped(self) -> Mapping[str, int]:
        """
        How many calls stand-ins let fall, by SDK.
        """
        return {} if self._gate is None else self._gate.dropped

    @property
    def gaps(self) -> Mapping[str, str]:
        """
        What cannot be held of which SDK, by its id.
        """
        found: dict[str, str] = {}
        loaded = self._gate.already_loaded if self._gate else ()
        for sdk, entry in self._declared.items():
            package = entry.package
            if package is None:
                found[sdk] = "it is no Python code, and is not seen"
            elif package.native:
                found[sdk] = "it sends from code that is not Python's"
            elif sdk in loaded:
                found[sdk] = "it was imported before it was gated"
            ran = self._guard.unseen.told(sdk)
            if ran:
                found[sdk] = "; ".join(filter(None, (found.get(sdk), ran)))
        return found

    def programs(self, sdk: str) -> tuple[int, ...]:
        """
        Give the ids of the processes that *sdk* started and that still run,
        as far as they are known.
        """
        return self._guard.unseen.running(sdk)

    def _asked(self, sdk: str) -> Refusal | None:
        """
        Say why *sdk* may not be used or reach anybody now, or ``None``.

        What a choice of another process has changed is carried out soon; an
        SDK that lost its permit has to wait for that.
        """
        refusal = self._refused(sdk)
        if refusal is not None:
            if sdk in self._permitted:
                self._look_after()
            return refusal
        # Nor may its old clients send while they are ended.
        is_ending = self._gate is not None and self._gate.is_ending
        if sdk not in self._lost and not is_ending:
            return None
        self._look_after()
        return Refusal(
            reason=Reason.CONSENT_CHANGED,
            function=self._functions[sdk],
            detail="what it gathered meanwhile is dropped first",
        )

    def settle(self) -> None:
        """
        Carry out what has become of the permits.
        """
        if self.terms.level != "enforce":
            return
        asked = next(self._asks)
        # Asked before the lock is taken: what is asked has locks of its own.
        allowed = frozenset(
            sdk for sdk in self._declared if self._refused(sdk) is None
        )
        with self._change:
            if asked < self._latest:
                return  # another has asked later, and carries that out
            self._latest = asked
            before = self._permitted
            # Others' code is not run in the middle of an SDK's own: what was
            # gained waits for the next time.
            now = allowed & before if is_judging() else allowed
            self._permitted = now
            self._lost |= before - allowed
        for sdk in sorted(before - allowed):
            self._lose(sdk)
        # What was gained and lost while nobody looked has connections too.
        for sdk in sorted(self._guard.connected() - allowed - before):
            self._guard.cut(sdk)
        for sdk in sorted(now - before):
            self._gain(sdk)

    def _look_after(self) -> None:
        """
        See to it that a no of another process is heard while an SDK has a
        connection open: what is sent on it raises no event here.
        """
        looking = self._looking
        if self.terms.level != "enforce" or (looking and looking.is_alive()):
            return
        self._looking = threading.Thread(
            target=self._look, name="consentkit-sdks", daemon=True
        )
        with suppress(RuntimeError):  # the interpreter ends
            self._looking.start()

    def _look(self) -> None:
        is_needed = True
        while is_needed and not self._ended.wait(_LOOKS_EVERY_SECONDS):
            _quietly("", self.settle)
            is_needed = self._guard.has_open() or self._guard.underway.prune()

    def _lose(self, sdk: str) -> None:
        self._guard.cut(sdk)
        self._turn_off(sdk)
        if self._is_loaded(sdk):
            from consentkit.registry.switches import calls_off

            entry = self._declared[sdk]
            _quietly(sdk, lambda: calls_off(entry))
            # After that: a batch that is taken out later has nothing of it.
            done = self._empty(sdk)
            if _quietly(sdk, lambda: self._guard.underway.note(sdk, done)):
                self._look_after()
        gate = self._gate
        if gate is not None:
            _quietly(sdk, lambda: gate.ended(sdk))

    def _is_loaded(self, sdk: str) -> bool:
        return bool(sys.modules.keys() & set(_imports(self._declared[sdk])))

    def _empty(self, sdk: str) -> Sequence[Any]:
        """
        Empty its queues; give those of which nothing is in its hands.
        """
        from consentkit.registry.queues import empty_queues

        entry = self._declared[sdk]
        return _quietly(sdk, lambda: empty_queues(entry)) or ()

    def _gain(self, sdk: str) -> None:
        if sdk in self._lost:
            # SDKs gather data without a permit too.
            self._empty(sdk)
        with self._change:
            self._lost -= {sdk}
            restore = self._off.pop(sdk, None)
        if restore is not None:
            restore()
        gate = self._gate
        if gate is not None:
            _quietly(sdk, lambda: gate.permitted(sdk))

    def _turn_off(self, sdk: str) -> None:
        """
        Set the SDK's own switches.
        """
        entry = self._entries.get(sdk)
        if entry is None or entry.package is None:
            return
        from consentkit.registry.switches import set_switches

        made = set_switches(entry)
        with self._change:
            known = self._off.setdefault(sdk, made)
        if known is not made:
            made()

    def close(self) -> None:
        """
        Go on without a kit that changes; write down what was seen.
        """
        self._ended.set()
        self._guard.is_closed = True
        self.write()

    def write(self) -> None:
        """
        Write what was seen to the file that was named, if one was.
        """
        if self.terms.record is None:
            return
        try:
            self.observed.write(self.terms.record)
        except OSError as error:
            logger.warning(
                "%s: what SDKs did could not be written down (%s)",
                self.terms.record,
                error.strerror,
            )

    def take_off(self) -> None:
        """
        End: what the SDKs do is their own affair from now on.
        """
        self._ended.set()
        atexit.unregister(self.write)
        self._guard.take_off()
        with suppress(ValueError):
            sys.meta_path.remove(self._finder)
        if self._gate is not None:
            self._gate.remove()
        with self._change:
            restores = [*self._off.values()]
            self._off.clear()
        for restore in restores:
            restore()
        self.write()


@final
class _SwitchFinder:
    """
    Sets the off switches of an SDK that no function names, before it loads.

    It finds no module: it only hears what is to be imported.
    """

    def __init__(
        self,
        codes: Mapping[str, Code],
        declared: Iterable[str],
        turn_off: Callable[[str], None],
    ) -> None:
        declared = set(declared)
        self._sdks = {
            module: sdk
            for sdk, code in codes.items()
            if sdk not in declared
            for module in code.imports
        }
        self._turn_off = turn_off

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - as import calls it
        target: ModuleType | None = None,  # noqa: ARG002 - as above
    ) -> ModuleSpec | None:
        """
        Hear that *fullname* is to be imported.
        """
        sdk = self._sdks.get(fullname)
        if sdk is not None:
            _quietly(sdk, lambda: self._turn_off(sdk))
        return None


def _quietly(sdk: str, act: Callable[[], _T]) -> _T | None:
    """
    Run code of others, whose errors are not the app's.

    Returns:
        What it gave; ``None`` where it failed.
    """
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - it may be anything
        logger.warning(
            "%s: what it was told failed with %s", sdk, type(error).__name__
        )
        return None


def _imports(entry: SDKEntry) -> tuple[str, ...]:
    return () if entry.package is None else entry.package.imports


def _codes(
    entries: Mapping[str, SDKEntry], declared: Mapping[str, SDKEntry]
) -> Mapping[str, Code]:
    """
    Give the codes of every SDK of the catalogue, and of the app's own.
    """
    # What was read goes before what an index says.
    return {**codes_of(entries), **codes_of(declared)}


def _hosts(
    policy: Policy,
    functions: Mapping[str, str],
    entries: Mapping[str, SDKEntry],
    more: Mapping[str, Iterable[str]],
) -> Hosts:
    countries = {
        sdk: {
            party.country
            for id_, party in policy.functions[function].recipients.items()
            if id_ != policy.controller.id and party.country
        }
        for sdk, function in functions.items()
    }
    return Hosts(entries, countries=countries, more=more)
