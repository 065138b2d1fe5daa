# SPDX-License-Identifier: MIT
"""
Talk with one service on the system bus, within a deadline.

A conversation is one connection: it is opened by a read and closed with it,
so nothing listens between reads. The service is addressed by the unique name
of whoever owns its well-known name, so no other program on the bus can answer
or signal in its place.

``jeepney`` (extra ``dbus``) writes and reads the messages. The socket is ours:
jeepney's own connection says hello to the bus without a deadline.

Times are seconds.

Source: D-Bus Specification 0.43.
"""

from __future__ import annotations

import re
import socket
import time

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from consentkit._fork import load
from consentkit.exceptions import MissingExtraError


__all__ = ["BusError", "Fault", "Properties", "Service", "by_number", "value"]

T = TypeVar("T")

#: Properties of an object: for each name its signature and its value.
Properties = Mapping[str, tuple[str, Any]]

_BUS: Final = "org.freedesktop.DBus"
_BUS_PATH: Final = "/org/freedesktop/DBus"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"

#: What one conversation may bring in; the longest honest one, a list of
#: some hundred access points, is a quarter of it.
_MOST_BYTES: Final = 1_048_576

#: For the last words to a service, after the deadline of a read.
_GRACE_SECONDS: Final = 0.2


class Fault(Enum):
    """
    Why there is no answer; the value is for people, ``{}`` the service.
    """

    NO_BUS = "the system bus does not answer"
    NO_SERVICE = "{} is not running"
    LATE = "{} did not answer within the deadline"
    GONE = "{} went away before it answered"
    DENIED = "the system does not let this app ask {}"
    UNKNOWN = "{} does not know it"
    FAILED = "{} answered with an error"
    ODD = "{} said what it never says"


#: By the end of the error's name, which may come from the service too.
_FAULTS: Final = {
    "AccessDenied": Fault.DENIED,
    "AuthFailed": Fault.DENIED,
    "InteractiveAuthorizationRequired": Fault.DENIED,
    "NameHasNoOwner": Fault.NO_SERVICE,
    "NoReply": Fault.GONE,
    "ServiceUnknown": Fault.NO_SERVICE,
    "TimedOut": Fault.LATE,
    "Timeout": Fault.LATE,
    "UnknownInterface": Fault.UNKNOWN,
    "UnknownMethod": Fault.UNKNOWN,
    "UnknownObject": Fault.UNKNOWN,
    "UnknownProperty": Fault.UNKNOWN,
}


#: Faults of one object; another one may be asked all the same.
_OF_ONE: Final = frozenset({Fault.FAILED, Fault.ODD, Fault.UNKNOWN})


class BusError(Exception):
    """
    A conversation failed.

    Attributes:
        fault: Why; nothing that the service said is in it.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault

    @property
    def is_of_one(self) -> bool:
        """
        Whether it says nothing of the service's other objects.
        """
        return self.fault in _OF_ONE

    def reason(self, name: str) -> str:
        """
        Say it for people, with the service's *name*.
        """
        return self.fault.value.format(name)


class Service:
    """
    A conversation with the owner of one name on the system bus.

    A context manager: connects on entry, hangs up on exit. The bus is the
    one that ``DBUS_SYSTEM_BUS_ADDRESS`` names, or the usual one.

    Args:
        name: The well-known name.

        deadline: When all of it must be over, by `time.monotonic`.

        start: Whether the bus may start the service.

    Raises:
        BusError: On entry, and by every method, as its fault says.

        MissingExtraError: On entry, if ``jeepney`` is missing.
    """

    def __init__(
        self, name: str, *, deadline: float, start: bool = False
    ) -> None:
        self._name = name
        self._deadline = deadline
        self._start = start
        self._owner = _BUS
        self._serial = 0
        self._received = 0
        self._listened: set[tuple[str, str]] = set()
        self._heard: deque[tuple[Any, ...]] = deque(maxlen=64)

    def __enter__(self) -> Self:
        self._jeepney = _jeepney()
        self._parser = self._jeepney.Parser()
        self._socket = _or(Fault.NO_BUS, _make_socket)
        try:
            self._greet()
            self._find()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def call(
        self,
        path: str,
        member: str,
        *arguments: Any,
        takes: str = "",
        gives: str = "",
    ) -> Any:
        """
        Call a method and wait for the answer.

        Args:
            path: The object.

            member: Interface and method, with a dot between.

            arguments: What it is called with.

            takes: Signature of *arguments*.

            gives: Signature of the answer; another one is `Fault.ODD`.

        Returns:
            The answer's only value, or all of them as a tuple.
        """
        return self._call(self._owner, path, member, takes, arguments, gives)

    def _call(
        self,
        to: str,
        path: str,
        member: str,
        takes: str,
        arguments: tuple[Any, ...],
        gives: str,
    ) -> Any:
        serial = self._send(to, path, member, takes, arguments)
        while True:
            header, body = self._next()
            if self._is_answer(header, to, serial):
                break
        if header.message_type is self._jeepney.MessageType.error:
            raise BusError(_fault_of(self._field(header, "error_name")))
        if self._field(header, "signature") != gives:
            raise BusError(Fault.ODD)
        return body[0] if len(body) == 1 else body

    def tell(
        self,
        path: str,
        member: str,
        *arguments: Any,
        takes: str = "",
    ) -> None:
        """
        Call a method and wait for nothing; also after the deadline.

        What cannot be said any more is left out: hanging up says it too.
        """
        with suppress(BusError):
            self._send(
                self._owner, path, member, takes, arguments, is_last=True
            )

    def get(self, path: str, member: str, gives: str) -> Any:
        """
        Read one property.

        Args:
            path: The object.

            member: Interface and property, with a dot between.

            gives: Signature of the value.
        """
        interface, _, name = member.rpartition(".")
        found = self.call(
            path,
            f"{_PROPERTIES}.Get",
            interface,
            name,
            takes="ss",
            gives="v",
        )
        return value({name: found}, name, gives)

    def get_all(self, path: str, interface: str) -> Properties:
        """
        Read all properties that *interface* of an object has.
        """
        found: Properties = self.call(
            path,
            f"{_PROPERTIES}.GetAll",
            interface,
            takes="s",
            gives="a{sv}",
        )
        return found

    def set(self, path: str, member: str, kind: str, new: Any) -> None:
        """
        Write one property, whose signature is *kind*.
        """
        interface, _, name = member.rpartition(".")
        self.call(
            path,
            f"{_PROPERTIES}.Set",
            interface,
            name,
            (kind, new),
            takes="ssv",
        )

    def listen(self, path: str, member: str) -> None:
        """
        Begin to listen to a signal of the service.
        """
        interface, _, name = member.rpartition(".")
        self._listened.add((path, member))
        self._match(
            f"type='signal',sender='{self._owner}',path='{path}',"
            f"interface='{interface}',member='{name}'"
        )

    def wait(self) -> tuple[Any, ...]:
        """
        Wait for the next signal that is listened to; give its values.
        """
        while not self._heard:
            self._next()
        return self._heard.popleft()

    def _greet(self) -> None:
        """
        Connect to the bus and get a name on it.
        """
        _or(Fault.NO_BUS, self._connect)
        _or(Fault.NO_BUS, self._authenticate)
        self._ask_bus("Hello", gives="s")

    def _connect(self) -> None:
        self._socket.settimeout(_left(self._deadline))
        self._socket.connect(self._jeepney.bus.find_system_bus())

    def _authenticate(self) -> None:
        words = self._jeepney.auth.Authenticator()
        for said in words:
            self._socket.settimeout(_left(self._deadline))
            self._socket.sendall(said)
            words.feed(self._receive(1024))
        # The last word gets no answer; what follows it are messages.
        self._socket.sendall(self._jeepney.auth.BEGIN)

    def _find(self) -> None:
        """
        Learn who owns the name, and want to know when that changes.
        """
        self._match(
            f"type='signal',sender='{_BUS}',path='{_BUS_PATH}',"
            f"interface='{_BUS}',member='NameOwnerChanged',"
            f"arg0='{self._name}'"
        )
        try:
            owner = self._who()
        except BusError as error:
            if error.fault is not Fault.NO_SERVICE or not self._start:
                raise
            owner = ""
        if not owner:
            self._ask_bus(
                "StartServiceByName", self._name, 0, takes="su", gives="u"
            )
            owner = self._who()
        self._owner = owner

    def _who(self) -> str:
        return str(
            self._ask_bus("GetNameOwner", self._name, takes="s", gives="s")
        )

    def _match(self, rule: str) -> None:
        self._ask_bus("AddMatch", rule, takes="s")

    def _ask_bus(
        self, method: str, *arguments: Any, takes: str = "", gives: str = ""
    ) -> Any:
        return self._call(
            _BUS, _BUS_PATH, f"{_BUS}.{method}", takes, arguments, gives
        )

    def _send(
        self,
        to: str,
        path: str,
        member: str,
        takes: str,
        arguments: tuple[Any, ...],
        *,
        is_last: bool = False,
    ) -> int:
        self._serial += 1
        # A path that the service gave may be none.
        data = _or(
            Fault.ODD,
            lambda: self._written(
                to, path, member, takes, arguments, is_last=is_last
            ),
        )
        limit = _GRACE_SECONDS if is_last else _left(self._deadline)
        self._socket.settimeout(limit)
        _or(Fault.NO_BUS, lambda: self._socket.sendall(data))
        return self._serial

    def _written(
        self,
        to: str,
        path: str,
        member: str,
        takes: str,
        arguments: tuple[Any, ...],
        *,
        is_last: bool,
    ) -> bytes:
        interface, _, method = member.rpartition(".")
        message = self._jeepney.new_method_call(
            self._jeepney.DBusAddress(path, to, interface),
            method,
            takes or None,
            arguments,
        )
        if is_last:
            flags = self._jeepney.MessageFlag
            message.header.flags = flags.no_reply_expected
        data: bytes = message.serialise(serial=self._serial)
        return data

    def _next(self) -> tuple[Any, tuple[Any, ...]]:
        """
        Give header and body of the next message, signals noticed.
        """
        while True:
            message = _or(Fault.ODD, self._parser.get_next_message)
            if message is not None:
                break
            data = self._receive(16_384)
            self._received += len(data)
            if self._received > _MOST_BYTES:
                raise BusError(Fault.ODD)
            self._parser.add_data(data)
        self._notice(message.header, message.body)
        return message.header, message.body

    def _receive(self, most: int) -> bytes:
        self._socket.settimeout(_left(self._deadline))
        data = _or(Fault.NO_BUS, lambda: self._socket.recv(most))
        if not data:
            raise BusError(Fault.NO_BUS)
        return data

    def _notice(self, header: Any, body: tuple[Any, ...]) -> None:
        if header.message_type is not self._jeepney.MessageType.signal:
            return
        sender = self._field(header, "sender")
        interface = self._field(header, "interface")
        member = f"{interface}.{self._field(header, 'member')}"
        if sender == self._owner:
            if (self._field(header, "path"), member) in self._listened:
                self._heard.append(body)
        elif (
            (sender, member) == (_BUS, f"{_BUS}.NameOwnerChanged")
            # Name, old owner, new owner.
            and body[:2] == (self._name, self._owner)
        ):
            raise BusError(Fault.GONE)

    def _is_answer(self, header: Any, to: str, serial: int) -> bool:
        # The bus itself answers for whoever is not there.
        return self._field(header, "reply_serial") == serial and self._field(
            header, "sender"
        ) in {to, _BUS}

    def _field(self, header: Any, name: str) -> Any:
        key = self._jeepney.HeaderFields[name]
        return header.fields.get(key, "")


def _or(fault: Fault, act: Callable[[], T]) -> T:
    """
    Do *act*; let nothing out but its result or a `BusError`.

    What came too late is late, whatever it would have been else.
    """
    try:
        return act()
    except BusError as error:
        found = error.fault
    except TimeoutError:
        found = Fault.LATE
    except Exception:  # noqa: BLE001 - jeepney's hold what the service said
        found = fault
    # Past the except block: what the service said is in no __context__.
    raise BusError(found)


def _make_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def value(properties: Properties, name: str, kind: str) -> Any:
    """
    Take the value of the property *name*, of signature *kind*.

    Raises:
        BusError: If there is none (`Fault.UNKNOWN`), or it is of another
            signature (`Fault.ODD`).
    """
    found = properties.get(name)
    if found is None:
        raise BusError(Fault.UNKNOWN)
    if found[0] != kind:
        raise BusError(Fault.ODD)
    return found[1]


_NUMBER = re.compile(r"[0-9]{1,18}$")


def by_number(path: str) -> tuple[int, str]:
    """
    Give what to sort object paths by that end in a number.

    The bus lists them in any order, and the first must stay the first.
    """
    match = _NUMBER.search(path)
    return (int(match[0]) if match else -1, path)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise BusError(Fault.LATE)
    return left


def _fault_of(name: object) -> Fault:
    """
    Sort an error by its name; the name itself is let go.
    """
    last = str(name).rpartition(".")[2]
    if str(name).startswith(f"{_BUS}.Error.Spawn."):
        return Fault.NO_SERVICE
    return _FAULTS.get(last, Fault.FAILED)


def _jeepney() -> Any:
    """
    Import the library of the extra ``dbus``.
    """
    try:
        return load("jeepney")
    except ImportError:
        pass
    raise MissingExtraError(extra="dbus", package="jeepney")
