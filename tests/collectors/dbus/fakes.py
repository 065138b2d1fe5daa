# SPDX-License-Identifier: MIT

"""
A service on the bus that is made of what a test tells; run as a program.

Written with ``dbus-fast``, another implementation than the one that is
tested. Its argument is JSON: ``name``, ``journal`` (a file that gets a line
for each call), ``objects`` (properties as ``[signature, value]`` by path and
interface), ``rules`` and, for GeoClue, ``geoclue``.

A rule says what happens in place of an answer, by ``Method``, ``Get Property``
or ``Method /path``: ``silent``, ``die``, ``odd`` (an answer of other types),
``huge``, ``error NAME``; ``once RULE`` holds for one call, and ``then RULE``
from the second one on.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from contextlib import suppress
from pathlib import Path
from typing import Any

from dbus_fast import BusType, Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus


PROPERTIES = "org.freedesktop.DBus.Properties"
GEOCLUE = "org.freedesktop.GeoClue2"
CLIENT = "/org/freedesktop/GeoClue2/Client/1"


def variant(pair: Any) -> Variant:
    """
    Make a variant; bytes come as a list of numbers, a variant as a pair.
    """
    kind, value = pair
    if kind == "ay":
        value = bytes(value)
    if kind == "v":
        value = variant(value)
    return Variant(kind, value)


class Fake:
    """
    Answers calls out of a table of objects.
    """

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.objects = {
            path: {
                interface: {n: variant(p) for n, p in properties.items()}
                for interface, properties in interfaces.items()
            }
            for path, interfaces in told.get("objects", {}).items()
        }
        self.rules = dict(told.get("rules", {}))

    async def run(self) -> None:
        """
        Answer until the bus hangs up.
        """
        self.bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        self.bus.add_message_handler(self.handle)
        for name in self.told["name"].split():
            await self.bus.request_name(name)
        await self.begin()
        self.note("ready")
        with suppress(EOFError, OSError):
            await self.bus.wait_for_disconnect()

    async def begin(self) -> None:
        """
        Do what comes before the first call.
        """

    def note(self, *what: Any) -> None:
        """
        Write a line into the journal.
        """
        with Path(self.told["journal"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(what, default=str) + "\n")

    def handle(self, message: Message) -> Any:
        """
        Answer one message, as the rules say.
        """
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        self.note(message.member, message.path, *message.body)
        try:
            ruled = self.ruled(message)
            answer = self.answer(message) if ruled is None else ruled
        except KeyError:
            answer = self.error(message, "UnknownMethod")
        is_awaited = not message.flags & MessageFlag.NO_REPLY_EXPECTED
        return answer if is_awaited else True

    def ruled(self, message: Message) -> Any:
        """
        Obey the rule for *message*, if there is one.
        """
        keys = [message.member, f"{message.member} {message.path}"]
        if message.interface == PROPERTIES:
            keys.append(f"{message.member} {message.body[-1]}")
        key = next((k for k in keys if k in self.rules), None)
        rule = self.rules.get(key, "")
        if rule.startswith("then "):
            self.rules[key] = rule.removeprefix("then ")
            return None
        if rule.startswith("once "):
            del self.rules[key]
            rule = rule.removeprefix("once ")
        match rule.split():
            case []:
                return None
            case ["silent"]:
                return True
            case ["die"]:
                os._exit(3)
            case ["odd"]:
                return Message.new_method_return(message, "nn", [1, 2])
            case ["huge"]:
                big = ["x" * 1_000_000] * 3
                return Message.new_method_return(message, "as", [big])
            case ["error", name]:
                return self.error(message, name)
        raise AssertionError(rule)

    def error(self, message: Message, name: str) -> Message:
        """
        Make an error; of D-Bus's own unless the name has dots.
        """
        full = name if "." in name else f"org.freedesktop.DBus.Error.{name}"
        return Message.new_error(message, full, f"{self.told.get('secret')}")

    def answer(self, message: Message) -> Any:
        """
        Answer a call that all services know.
        """
        match message.member, message.body:
            case "Get", [interface, name]:
                found = self.objects[message.path][interface][name]
                return Message.new_method_return(message, "v", [found])
            case "GetAll", [interface]:
                every = self.objects[message.path][interface]
                return Message.new_method_return(message, "a{sv}", [every])
            case "Set", [interface, name, new]:
                self.objects[message.path][interface][name] = new
                return Message.new_method_return(message)
            case "GetManagedObjects", []:
                return Message.new_method_return(
                    message, "a{oa{sa{sv}}}", [self.objects]
                )
        raise KeyError(message.member)


class FakeGeoClue(Fake):
    """
    As much of GeoClue2 as clients use.

    ``geoclue`` has ``places`` (properties of locations, by the level that is
    asked for), ``most`` (the level that the person allows), and ``replaced``:
    the first place is gone when its client comes for it.
    """

    async def begin(self) -> None:
        """
        Have a manager.
        """
        self.geoclue = self.told.get("geoclue", {})
        self.objects["/org/freedesktop/GeoClue2/Manager"] = {
            f"{GEOCLUE}.Manager": {
                "InUse": Variant("b", value=False),
                "AvailableAccuracyLevel": Variant("u", 8),
            }
        }

    def answer(self, message: Message) -> Any:
        """
        Answer what GeoClue knows more.
        """
        match message.member:
            case "GetClient" | "CreateClient":
                self.objects[CLIENT] = {
                    f"{GEOCLUE}.Client": {
                        "Active": Variant("b", value=False),
                        "DesktopId": Variant("s", ""),
                        "DistanceThreshold": Variant("u", 0),
                        "Location": Variant("o", "/"),
                        "RequestedAccuracyLevel": Variant("u", 0),
                        "TimeThreshold": Variant("u", 0),
                    }
                }
                return Message.new_method_return(message, "o", [CLIENT])
            case "Start":
                return self.start(message)
            case "Stop":
                self.client()["Active"] = Variant("b", value=False)
                return Message.new_method_return(message)
            case "DeleteClient":
                del self.objects[message.body[0]]
                return Message.new_method_return(message)
        return super().answer(message)

    def client(self) -> dict[str, Variant]:
        """
        Give the properties of the client.
        """
        return self.objects[CLIENT][f"{GEOCLUE}.Client"]

    def start(self, message: Message) -> Any:
        """
        Start, and tell of a place soon.
        """
        client = self.client()
        if not client["DesktopId"].value:
            return self.error(message, "AccessDenied")
        client["Active"] = Variant("b", value=True)
        level = client["RequestedAccuracyLevel"].value
        level = min(level, self.geoclue.get("most", 8))
        place = self.geoclue.get("places", {}).get(str(level))
        loop = asyncio.get_running_loop()
        if "after" in self.geoclue:
            loop.call_later(self.geoclue["after"], os._exit, 3)
        if place:
            loop.call_later(0.05, self.found, place)
        return Message.new_method_return(message)

    def found(self, place: dict[str, Any]) -> None:
        """
        Have a place, and say so.
        """
        if CLIENT not in self.objects:
            return  # it was let go meanwhile
        properties = {name: variant(pair) for name, pair in place.items()}
        here = f"{CLIENT}/Location/1"
        self.objects[here] = {f"{GEOCLUE}.Location": properties}
        if self.geoclue.get("replaced"):
            self.tell("/", f"{CLIENT}/Location/0")
        self.client()["Location"] = Variant("o", here)
        self.tell("/", here)

    def tell(self, old: str, new: str, to: str | None = None) -> None:
        """
        Tell of a new place: everybody, or one of them.
        """
        signal = Message.new_signal(
            CLIENT, f"{GEOCLUE}.Client", "LocationUpdated", "oo", [old, new]
        )
        signal.destination = to
        self.bus.send(signal)


class Impostor(FakeGeoClue):
    """
    Another program that tells of places all the time, under its own name.
    """

    async def begin(self) -> None:
        """
        Begin to tell.
        """
        await super().begin()
        self.objects[CLIENT] = {f"{GEOCLUE}.Client": {}}
        (self.place,) = self.geoclue["places"].values()
        self.again()

    def again(self) -> None:
        """
        Tell, and again soon.
        """
        self.found(self.place)
        # Also past what somebody listens to, straight to each client.
        for number in range(20):
            self.tell("/", f"{CLIENT}/Location/1", f":1.{number}")
        asyncio.get_running_loop().call_later(0.02, self.again)


KINDS = {"plain": Fake, "geoclue": FakeGeoClue, "impostor": Impostor}


if __name__ == "__main__":
    TOLD = json.loads(sys.argv[1])
    asyncio.run(KINDS[TOLD["kind"]](TOLD).run())
