# SPDX-License-Identifier: MIT
"""
Connections of an SDK that ask the permit before each byte.

A batch that was taken off an SDK's queue may wait for its next try, for a
name or for a connection, for longer than the consent lasts. So the permit is
asked by the connection itself: before it is opened, and before each write.
Connections are shut when the permit ends.

No module of consentkit's but this one stands between an SDK's own code and
the network's: see ``consentkit.registry.attribution``.
"""

from __future__ import annotations

import http.client
import importlib
import urllib.request

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, Protocol, TypeVar, cast


__all__ = [
    "Gate",
    "gate_pools",
    "gate_session",
    "gated",
    "make_opener",
    "members",
    "rebound",
]

C = TypeVar("C", bound=type)


class Gate(Protocol):
    """
    What a connection asks.
    """

    def check(self) -> None:
        """
        Raise if nothing may be sent any more.
        """

    def hold(self, opened: Any) -> None:
        """
        Remember a socket, to be shut when the permit ends.
        """


class _Gated:
    """
    Goes before a class of connections, as `http.client` has them.
    """

    _gate: Gate
    sock: Any

    def connect(self) -> None:
        """
        Open it, if that is permitted.
        """
        self._gate.check()
        super().connect()  # type: ignore[misc]
        self._gate.hold(self.sock)

    def send(self, data: Any) -> None:
        """
        Write, if that is permitted now.
        """
        if self.sock is None:
            # As the class itself would; that may take long.
            self.connect()
        self._gate.check()
        super().send(data)  # type: ignore[misc]


def gated(kind: C, gate: Gate) -> C:
    """
    Make a class of connections that asks *gate*.

    Args:
        kind: `http.client.HTTPConnection`, or a class below it.

        gate: Is asked in the thread that sends.
    """
    made = type(f"Gated{kind.__name__}", (_Gated, kind), {"_gate": gate})
    return cast("C", made)


def gate_session(session: Any, gate: Gate) -> Any:
    """
    Make each connection of a session of ``requests`` ask *gate*.

    Args:
        session: It is changed, and must be nobody else's.

        gate: Is asked in the thread that sends.

    Returns:
        The session.
    """
    for adapter in session.adapters.values():
        gate_pools(adapter.poolmanager, gate)
        adapter.proxy_manager_for = _proxies_of(adapter, gate)
    return session


def _proxies_of(adapter: Any, gate: Gate) -> Callable[..., Any]:
    found = adapter.proxy_manager_for

    def proxy_manager_for(proxy: str, **options: Any) -> Any:
        is_new = proxy not in adapter.proxy_manager
        manager = found(proxy, **options)
        if is_new:
            gate_pools(manager, gate)
        return manager

    return proxy_manager_for


def gate_pools(manager: Any, gate: Gate) -> None:
    pools: Mapping[str, Any] = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {
        scheme: type(
            f"Gated{pool.__name__}",
            (pool,),
            {"ConnectionCls": gated(pool.ConnectionCls, gate)},
        )
        for scheme, pool in pools.items()
    }


def make_opener(gate: Gate) -> urllib.request.OpenerDirector:
    """
    Make an opener of `urllib.request` whose connections ask *gate*.
    """

    class HTTPHandler(urllib.request.HTTPHandler):
        def http_open(
            self, req: urllib.request.Request
        ) -> http.client.HTTPResponse:
            return self.do_open(gated(http.client.HTTPConnection, gate), req)

    class HTTPSHandler(urllib.request.HTTPSHandler):
        def https_open(
            self, req: urllib.request.Request
        ) -> http.client.HTTPResponse:
            return self.do_open(gated(http.client.HTTPSConnection, gate), req)

    return urllib.request.build_opener(HTTPHandler, HTTPSHandler)


def members(module: str, *names: str) -> list[Any]:
    """
    Import *module* of an SDK, and give what is in it by *names*.

    Where the registry enforces, a module's attributes are stand-ins for
    whoever asks it for them; here they are the real ones.

    Args:
        module: Its full name; call it under a permit.

        names: Of its own functions, classes and constants.

    Raises:
        LookupError: If it has no such name: it is another version of the
            SDK than is known.
    """
    found = vars(importlib.import_module(module))
    return [found[name] for name in names]


def rebound(function: Any, **names: object) -> Any:
    """
    Give *function* again, with *names* in place of its module's own.

    So an SDK's own code is used with another session, and nothing of the
    SDK is changed for others in the process.

    Args:
        function: A plain function of a module or class.

        names: What it looks up in its module, by name.

    Raises:
        LookupError: If its module has no such name: it is another version
            of the SDK than is known.
    """
    if not isinstance(function, FunctionType):
        msg = "the SDK has no plain function here"
        raise LookupError(msg)  # noqa: TRY004 - as for a name
    missing = sorted(names.keys() - function.__globals__.keys())
    if missing:
        msg = f"{function.__module__} has no {', '.join(missing)}"
        raise LookupError(msg)
    made = FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made
