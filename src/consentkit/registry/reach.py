# SPDX-License-Identifier: MIT
"""
The guard on whom SDKs reach: it listens to the interpreter's audit events.

Before Python looks a name up, connects, sends a datagram or starts a program,
it raises an audit event (Source: PEP 578). The guard finds out whose act it
is, and in ``enforce`` stops it with an error where it happens: inside of the
SDK, which takes it for trouble with the network.

What raises no such event passes unseen: code in C that speaks to the system
by itself, programs that were started, and what is written to a connection
that is open. So the connections that an SDK opens under its permit are
remembered, and are shut when it loses that.

The hook is the process's: it cannot be taken out again, and asks the guards
that are on.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
import sys
import threading

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Final, final
from urllib.parse import urlsplit
from weakref import ref

from attrs import evolve, frozen

from consentkit._fork import Mutex
from consentkit.exceptions import SDKStoppedError
from consentkit.gate import Refusal
from consentkit.registry.attribution import Attribution, Owner
from consentkit.registry.handed import carry
from consentkit.registry.hosts import Hosts, is_loopback
from consentkit.registry.names import names_of, remember_names
from consentkit.registry.observed import How, Kind, Observed, Sighting
from consentkit.registry.underway import Underway
from consentkit.registry.unseen import Unseen


__all__ = ["ReachGuard", "is_judging"]

logger: logging.Logger = logging.getLogger("consentkit")

_FAMILIES: Final = frozenset(
    {socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_UNIX", None)}
)
_MOST_CONNECTIONS: Final = 256
_MOST_TOLD: Final = 1_000
_BY_STACK: Final[How] = "stack"
_BY_HOST: Final[How] = "host"


# What callers of each are ready for.


class _ConnectionStoppedError(SDKStoppedError, ConnectionRefusedError):
    """
    A connection or a datagram was stopped.
    """


class _LookupStoppedError(SDKStoppedError, socket.gaierror):
    """
    A look-up was stopped.
    """


class _CodeStoppedError(SDKStoppedError, PermissionError):
    """
    A program, or a library that is not Python's, was stopped.
    """


_ERRORS: Final[Mapping[Kind, type[SDKStoppedError]]] = {
    "connect": _ConnectionStoppedError,
    "datagram": _ConnectionStoppedError,
    "lookup": _LookupStoppedError,
    "native": _CodeStoppedError,
    "process": _CodeStoppedError,
}


@frozen
class _Connection:
    """
    A connection that was opened under a permit.

    Attributes:
        opened: The socket, while its first object lives.

        number: File descriptor; TLS goes on with it in another object.

        node: What tells this socket from a later one of the same number; 0
            where the system does not say.
    """

    opened: Callable[[], socket.socket | None]
    number: int
    node: int

    def is_there(self) -> bool:
        """
        Tell whether it is still open.
        """
        if self.node:
            with suppress(OSError):
                return os.fstat(self.number).st_ino == self.node
            return False
        opened = self.opened()
        return opened is not None and opened.fileno() != -1

    def shut(self) -> None:
        """
        End it, for every object and process that holds it.
        """
        with suppress(OSError):
            if not self.node:
                opened = self.opened()
                if opened is not None:
                    opened.shutdown(socket.SHUT_RDWR)
            elif self.is_there():
                with socket.socket(fileno=os.dup(self.number)) as same:
                    self._shut(same)

    def _shut(self, same: socket.socket) -> None:
        try:
            same.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            # It is about to connect: it must not be able to.
            nothing = os.open(os.devnull, os.O_RDWR)
            try:
                os.dup2(nothing, self.number)
            finally:
                os.close(nothing)


def _descriptors() -> dict[int, list[int]]:
    """
    Give the numbers of this process's open files by their nodes.
    """
    found: dict[int, list[int]] = {}
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            for name in os.listdir(folder):  # noqa: PTH208 - only names
                with suppress(OSError, ValueError):
                    node = os.fstat(int(name)).st_ino
                    found.setdefault(node, []).append(int(name))
            break
    return found


def _nobody() -> None:
    return None


@final
class ReachGuard:
    """
    Judges what the SDKs of one registry reach for.

    Args:
        attribution: Names whose act it is; it knows every SDK of the
            catalogue, not only the declared ones.

        declared: Ids of the SDKs that the policy names.

        hosts: Of all SDKs of *attribution*.

        refused: Says why an SDK may not reach anybody now, or ``None`` if it
            may. It is asked at each event.

        enforces: Whether what may not be is stopped, or only seen.

        observed: Counts what was seen.

        opened: Called when a connection was opened under a permit.
    """

    def __init__(
        self,
        *,
        attribution: Attribution,
        declared: Iterable[str],
        hosts: Hosts,
        refused: Callable[[str], Refusal | None],
        enforces: bool,
        observed: Observed,
        opened: Callable[[], None],
    ) -> None:
        self.opened = opened
        self.enforces = enforces
        self.observed = observed
        self.attribution = attribution
        self.declared: frozenset[str] = frozenset(declared)
        self._hosts = hosts
        self._refused = refused
        self._guard = Mutex()
        self._open: dict[str, list[_Connection]] = {}
        #: What was going on when a permit was lost.
        self.underway: Underway = Underway(attribution)
        #: What was run and is not seen into.
        self.unseen: Unseen = Unseen()
        self._prune_at = _MOST_CONNECTIONS
        self._told: set[tuple[str, str]] = set()
        #: Whether its kit is closed: then those of open ones decide.
        self.is_closed = False

    def __repr__(self) -> str:
        does = "enforces" if self.enforces else "observes"
        return f"<ReachGuard: {does}, {len(self.declared)} SDKs>"

    def put_on(self) -> None:
        """
        Judge from now on.
        """
        remember_names()
        carry(_owners)
        _add(self)

    def take_off(self) -> None:
        """
        Judge no more.
        """
        _remove(self)

    def cut(self, sdk: str) -> int:
        """
        Shut the connections that *sdk* opened under a permit.

        Returns:
            How many were open.
        """
        with self._guard:
            found = self._open.pop(sdk, [])
        others = _descriptors() if found else {}
        there = 0
        for one in found:
            # It may go on under other numbers, or in another object.
            same = {*others.get(one.node, ())} if one.node else {one.number}
            if one.is_there():
                same.add(one.number)
            for number in same:
                evolve(one, number=number).shut()
            there += bool(same)
        return there

    def connected(self) -> frozenset[str]:
        """
        Name the SDKs that have opened connections under a permit.
        """
        with self._guard:
            return frozenset(self._open)

    def adopt(self, other: ReachGuard) -> None:
        """
        Look after the connections and calls that *other* remembers.
        """
        with other._guard:
            found = {sdk: [*mine] for sdk, mine in other._open.items()}
        with self._guard:
            for sdk, mine in found.items():
                self._open.setdefault(sdk, []).extend(mine)
        self.underway.adopt(other.underway)
        self.unseen.adopt(other.unseen)

    def has_open(self) -> bool:
        """
        Tell whether any connection that was opened under a permit is.
        """
        with self._guard:
            found = [one for mine in self._open.values() for one in mine]
        return any(one.is_there() for one in found)

    def refuses(self, sdk: str) -> str:
        """
        Say why *sdk* may reach nobody, or nothing.
        """
        if sdk not in self.declared:
            return "no function of the policy names it"
        refusal = self._refusal(sdk)
        if refusal is True:
            return "it had no permit, or nobody can tell"
        return "" if refusal is None else str(refusal)

    def _refusal(self, sdk: str) -> Refusal | bool | None:
        try:
            return self._refused(sdk)
        except Exception:  # noqa: BLE001 - in doubt it is a no
            return True

    def whose(self, names: tuple[str, ...]) -> str:
        """
        Name the SDK by *names* of the other end, where no code names one.

        Only a declared one: others may share its host, and the app may go
        there itself.
        """
        found = {s for n in names for s in self._hosts.whose(n)}
        mine = sorted(found & self.declared)
        # Of several, it may be the one that is permitted.
        allowed = (sdk for sdk in mine if self._refusal(sdk) is None)
        return next(allowed, mine[0] if mine else "")

    def declares(self, sdk: str, names: tuple[str, ...]) -> bool:
        """
        Tell whether one of *names* is a host of *sdk*, or nobody outside.
        """
        return (
            is_loopback(names[-1])
            or any(sdk in self._hosts.whose(name) for name in names)
            or any(name in _proxies() for name in names)
        )

    def undeclared(self, sdk: str, names: tuple[str, ...], host: str) -> str:
        """
        Say why *host*, of these *names*, is none that *sdk* may reach.
        """
        for name in names:
            region, allowed = self._hosts.elsewhere(sdk, name)
            if region:
                return (
                    f"{name} stands in {region}, and by the policy its data "
                    f"goes to {allowed}; use a host there, or mend the "
                    "country of the policy's recipient if that is wrong"
                )
        return _undeclared(sdk, host)

    def remember(self, sdk: str, opened: socket.socket) -> None:
        """
        Remember a connection that *sdk* opens under its permit.
        """
        node = 0
        if os.name == "posix":
            with suppress(OSError):
                node = os.fstat(opened.fileno()).st_ino
        try:
            seen: Callable[[], socket.socket | None] = ref(opened)
        except TypeError:  # one of C, without Python's own around it
            seen = _nobody
        one = _Connection(seen, opened.fileno(), node)
        with self._guard:
            mine = self._open.setdefault(sdk, [])
            if mine and mine[-1].node == node != 0:
                return  # one more datagram of the same socket
            if len(mine) >= self._prune_at:
                mine[:] = [c for c in mine if c.is_there()]
                self._prune_at = max(_MOST_CONNECTIONS, 2 * len(mine))
            mine.append(one)

    def tell(self, sdk: str, host: str, why: str) -> None:
        """
        Say once in the log what was stopped, and why.
        """
        key = (sdk, why)
        if key in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(key)
        logger.warning(
            "%s was stopped from reaching %s: %s", sdk, host or "a host", why
        )


# The hook, of the whole process

_guards: tuple[ReachGuard, ...] = ()
_change = Mutex()
_is_installed = False


class _Inside(threading.local):
    """
    Whether this thread is judging: what that itself reads is not judged.
    """

    judges = False


_inside = _Inside()


def _owners(frame: FrameType) -> Mapping[int, Owner]:
    """
    Tell for which SDK *frame* acts, for each guard's attribution.
    """
    if not _guards or _inside.judges:
        return {}
    found = {}
    with suppress(Exception):
        for guard in _guards:
            owner = guard.attribution.owner(frame)
            if owner.sdk:
                found[id(guard.attribution)] = owner
    return found


def is_judging() -> bool:
    """
    Tell whether this thread is in the middle of a judgement.
    """
    return _inside.judges


def _add(guard: ReachGuard) -> None:
    global _guards, _is_installed  # noqa: PLW0603 - a hook is the process's
    with _change:
        if guard not in _guards:
            _guards = (*_guards, guard)
        if not _is_installed:
            _is_installed = True
            sys.addaudithook(_hook)
            if sys.version_info < (3, 12):
                _raise_thread_starts()


def _raise_thread_starts() -> None:
    """
    Raise the event of a thread's start, which Python 3.11 lacks.
    """
    start: Callable[..., Any] = threading._start_new_thread  # type: ignore[attr-defined]  # noqa: SLF001

    def start_new_thread(*args: Any) -> Any:
        sys.audit("_thread.start_new_thread", *args)
        return start(*args)

    threading._start_new_thread = start_new_thread  # type: ignore[attr-defined]  # noqa: SLF001


def _remove(guard: ReachGuard) -> None:
    global _guards  # noqa: PLW0603 - as above
    with _change:
        _guards = tuple(g for g in _guards if g is not guard)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    # All of Python's events pass here: most end at this look-up. At the end
    # of the process its names are gone.
    if not _guards or _EVENTS is None:
        return
    read = _EVENTS.get(event)
    if read is None or _inside.judges:
        return
    stopped: tuple[ReachGuard, SDKStoppedError] | None = None
    _inside.judges = True
    frame = sys._getframe(1)  # noqa: SLF001 - PEP 578 gives no other way
    try:
        stopped = read(args, frame)
    except Exception:  # noqa: BLE001 - the host goes on
        # What cannot be read is judged as a connection to nobody declared.
        with suppress(Exception):
            stopped = _judge("connect", ("unreadable",), 0, frame)
    finally:
        _inside.judges = False
    for guard in _guards:
        guard.unseen.tell()
    if stopped is not None:
        guard, error = stopped
        guard.tell(error.sdk, error.host, error.why)
        raise error


_Answer = tuple[ReachGuard, SDKStoppedError] | None


def _on_lookup(args: tuple[Any, ...], frame: FrameType) -> _Answer:
    host = _text(args[0])
    if not host or is_loopback(host):
        # An empty one, or None, is this machine.
        return None
    port = args[1] if len(args) > 1 and isinstance(args[1], int) else 0
    return _judge("lookup", (host,), port, frame)


def _on_nameinfo(args: tuple[Any, ...], frame: FrameType) -> _Answer:
    address = args[0]
    host = _text(address[0] if isinstance(address, tuple) else address)
    if not host or is_loopback(host):
        return None
    names = (*names_of(host), host)
    return _judge("lookup", names, 0, frame)


def _on_connect(args: tuple[Any, ...], frame: FrameType) -> _Answer:
    return _on_address("connect", args, frame)


def _on_datagram(args: tuple[Any, ...], frame: FrameType) -> _Answer:
    return _on_address("datagram", args, frame)


def _on_address(
    kind: Kind, args: tuple[Any, ...], frame: FrameType
) -> _Answer:
    opened, address = args
    if address is None or opened.family not in _FAMILIES:
        # Of a socket that is connected: that was judged.
        return None
    if not isinstance(address, tuple):
        # A path on this machine; who listens there may pass it on.
        return _judge(kind, ("localhost",), 0, frame, opened=opened)
    host = _text(address[0])
    names = (*names_of(host), host)
    port = address[1] if isinstance(address[1], int) else 0
    return _judge(kind, names, port, frame, opened=opened)


def _on_program(args: tuple[Any, ...], frame: FrameType) -> _Answer:
    what = args[0]
    if isinstance(what, bytes):
        what = what.decode("utf-8", "replace")
    if not what and len(args) > 1:
        # Popen names no executable where the first argument does.
        what = args[1] if isinstance(args[1], str) else (*args[1], "")[0]
    return _judge("process", (str(what),), 0, frame)


def _on_library(args: tuple[Any, ...], frame: FrameType) -> _Answer:
    back = frame.f_back
    if (
        back is not None
        and back.f_globals.get("__name__") == "ctypes"
        and back.f_code.co_name == "<module>"
    ):
        return None  # whoever imports `ctypes` has used nothing of it yet
    # Without a name it is the program itself, which has all of C in it.
    return _judge("native", (str(args[0] or "C"),), 0, frame)


def _on_thread(args: tuple[Any, ...], frame: FrameType) -> _Answer:
    for guard in _guards:
        guard.attribution.thread_starts(args[0], frame)
    return None


_EVENTS: Final[
    Mapping[str, Callable[[tuple[Any, ...], FrameType], _Answer]]
] = {
    "socket.getaddrinfo": _on_lookup,
    "socket.gethostbyname": _on_lookup,
    "socket.gethostbyaddr": _on_nameinfo,
    "socket.getnameinfo": _on_nameinfo,
    "socket.connect": _on_connect,
    "socket.sendto": _on_datagram,
    "socket.sendmsg": _on_datagram,
    "subprocess.Popen": _on_program,
    "os.system": _on_program,
    "os.posix_spawn": _on_program,
    "os.exec": _on_program,
    "os.spawn": lambda args, frame: _on_program(args[1:], frame),
    "os.startfile": _on_program,
    "ctypes.dlopen": _on_library,
    "_thread.start_new_thread": _on_thread,
    "_thread.start_joinable_thread": _on_thread,
}


def _judge(
    kind: Kind,
    names: tuple[str, ...],
    port: int,
    frame: FrameType,
    *,
    opened: socket.socket | None = None,
) -> _Answer:
    """
    Ask every guard that is on; the first no counts.
    """
    answer: _Answer = None
    is_code = kind in {"native", "process"}
    for guard in _guards:
        owner = guard.attribution.owner(frame)
        sdk, how = owner.sdk, _BY_STACK
        # Of code that is somebody's, a name tells; an address may be shared.
        asks = kind == "lookup" or not owner.is_known
        if not sdk and not is_code and asks and not _is_own(owner):
            sdk, how = guard.whose(names), _BY_HOST
        if not sdk or guard not in _deciding(sdk):
            continue
        why = guard.refuses(sdk)
        # By means of an SDK that has a permit, one without gets no further.
        behalf = owner.behalf if owner.behalf in guard.declared else ""
        if not why and behalf:
            why = guard.refuses(behalf)
        if not why and guard.underway.holds(sdk, frame):
            why = "it had begun this before its consent ended"
        declared = is_code or guard.declares(sdk, names)
        stops = guard.enforces and (bool(why) or not declared)
        sighting = Sighting(
            sdk=sdk,
            module=owner.module,
            how=how,
            kind=kind,
            host=names[-1] if len(names) == 1 else names[-2],
            port=port,
            permitted=not why,
            declared=declared,
            stopped=stops,
        )
        guard.observed.add(sighting, at=datetime.now(UTC))
        if stops and answer is None:
            reason = why or guard.undeclared(sdk, names, sighting.host)
            answer = guard, _ERRORS[kind](sdk, sighting.host, reason)
        elif is_code and not stops:
            for acting in {sdk, behalf} - {""}:
                guard.unseen.note(acting, kind, names[0], frame)
        elif opened is not None and not stops and not why:
            guard.remember(sdk, opened)
            if behalf:
                guard.remember(behalf, opened)
            guard.opened()
            # It may have been lost since, and the others shut before.
            why = guard.refuses(sdk)
            if why and guard.enforces and answer is None:
                answer = guard, _ERRORS[kind](sdk, sighting.host, why)
    return answer


def _undeclared(sdk: str, host: str) -> str:
    """
    Say that *host* is none of the SDK's, and what there is to do.
    """
    said = f"{host} is no host of its entry"
    if host == socket.gethostname().rstrip(".").lower():
        return f"{said}, but this machine's own name; it goes on without"
    with suppress(ValueError):
        if ipaddress.ip_address(host.partition("%")[0]).is_link_local:
            return (
                f"{said}, but near this machine, where a cloud tells about "
                "it; it goes on without"
            )
    return (
        f"{said}; one that the app names itself is said in "
        f"enforce(hosts={{{sdk!r}: [...]}})"
    )


def _deciding(sdk: str) -> tuple[ReachGuard, ...]:
    """
    Name the guards that decide on *sdk*: those that declare it, of kits that
    are open; else the last one that did; else all.
    """
    declaring = [guard for guard in _guards if sdk in guard.declared]
    opened = [guard for guard in declaring if not guard.is_closed]
    return tuple(opened or declaring[-1:] or _guards)


def _is_own(owner: Owner) -> bool:
    return owner.module.partition(".")[0] == "consentkit"


def _text(host: object) -> str:
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii", "replace")
    return host.rstrip(".").lower() if isinstance(host, str) else ""


def _proxies() -> frozenset[str]:
    """
    Name the proxies of the environment: what is behind is not seen.
    """
    found = set()
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy") and name.lower() != "no_proxy":
            with suppress(ValueError):
                link = value if "://" in value else f"http://{value}"
                found.add(urlsplit(link).hostname or "")
    return frozenset(_text(host) for host in found if host)
