# SPDX-License-Identifier: MIT

"""
Tests for the off switches that are thrown from outside.
"""

from __future__ import annotations

import os
import subprocess
import sys

from collections.abc import Mapping
from types import ModuleType

import pytest

from consentkit.registry import (
    SDKEntry,
    SDKPackage,
    SDKSwitch,
    load_registry,
)
from consentkit.registry.switches import calls_off, set_switches


def make_entry(*switches: SDKSwitch, imports: str = "acme") -> SDKEntry:
    """
    Give an entry with these switches.
    """
    return SDKEntry(
        id="acme",
        name="Acme",
        operator="Acme Ltd",
        category="analytics",
        purposes=("usage_statistics",),
        method="embedded_sdk",
        transmits=True,
        platforms=("any",),
        package=SDKPackage(
            distributions=("acme",), imports=(imports,), version="1"
        ),
        switches=switches,
    )


def variable(name: str, value: str) -> SDKSwitch:
    """
    Give a switch of the environment.
    """
    return SDKSwitch(kind="environment", name=name, value=value)


def call(name: str, value: str = "") -> SDKSwitch:
    """
    Give a switch that is a call.
    """
    return SDKSwitch(kind="call", name=name, value=value)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACME_OFF", "ACME_SENDS", "ACME_DSN", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


class TestSetSwitches:
    """
    Tests for `set_switches()`.
    """

    def test_sets_and_puts_back(self) -> None:
        """
        A variable that was not there is set, and is gone with the permit.
        """
        restore = set_switches(make_entry(variable("ACME_OFF", "1")))

        assert os.environ["ACME_OFF"] == "1"
        assert restore.names == ("ACME_OFF",)
        restore()
        assert "ACME_OFF" not in os.environ
        assert not restore.names

    def test_puts_the_apps_value_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        What the app had turned on is off without a permit, and on with it;
        the address that it had set is gone and comes back.
        """
        monkeypatch.setenv("ACME_OFF", "0")
        monkeypatch.setenv("ACME_DSN", "https://acme.example/1")
        entry = make_entry(variable("ACME_OFF", "1"), variable("ACME_DSN", ""))

        restore = set_switches(entry)

        assert os.environ["ACME_OFF"] == "1"
        assert os.environ["ACME_DSN"] == ""
        restore()
        assert os.environ["ACME_OFF"] == "0"
        assert os.environ["ACME_DSN"] == "https://acme.example/1"

    @pytest.mark.parametrize(
        ("name", "value", "users"),
        [
            ("DO_NOT_TRACK", "1", "true"),
            ("DO_NOT_TRACK", "true", "1"),
            ("ACME_OFF", "True", " YES "),
            ("ACME_SENDS", "false", "0"),
            ("ACME_SENDS", "False", "off"),
        ],
    )
    def test_leaves_a_users_own_no(
        self,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        value: str,
        users: str,
    ) -> None:
        """
        What the user has turned off in other words stays, before and after.
        """
        monkeypatch.setenv(name, users)

        restore = set_switches(make_entry(variable(name, value)))

        assert os.environ[name] == users
        restore()
        assert os.environ[name] == users

    def test_restores_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A second call does not touch what the app has set after the first.
        """
        restore = set_switches(make_entry(variable("ACME_OFF", "1")))
        restore()
        monkeypatch.setenv("ACME_OFF", "1")

        restore()

        assert os.environ["ACME_OFF"] == "1"

    def test_leaves_what_the_app_sets_meanwhile(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A value that the app sets while ours holds is not taken away.
        """
        restore = set_switches(make_entry(variable("ACME_OFF", "1")))
        monkeypatch.setenv("ACME_OFF", "2")

        restore()

        assert os.environ["ACME_OFF"] == "2"

    def test_two_kits_hold_it_together(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A switch is thrown until the last who holds it lets it go.
        """
        monkeypatch.setenv("ACME_OFF", "0")
        entry = make_entry(variable("ACME_OFF", "1"))
        first, second = set_switches(entry), set_switches(entry)

        first()
        assert os.environ["ACME_OFF"] == "1"
        first()
        assert os.environ["ACME_OFF"] == "1"
        second()
        assert os.environ["ACME_OFF"] == "0"

    def test_second_kit_throws_it_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Where the app has turned it on meanwhile, another kit turns it off,
        and what the app had set last comes back.
        """
        entry = make_entry(variable("ACME_OFF", "1"))
        first = set_switches(entry)
        monkeypatch.setenv("ACME_OFF", "0")

        second = set_switches(entry)

        assert os.environ["ACME_OFF"] == "1"
        first()
        second()
        assert os.environ["ACME_OFF"] == "0"

    def test_programs_inherit_it(self) -> None:
        """
        A program that is started while it holds finds it.
        """
        restore = set_switches(make_entry(variable("ACME_OFF", "1")))
        try:
            program = "import os; print(os.environ.get('ACME_OFF'))"
            done = subprocess.run(
                [sys.executable, "-c", program],
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            restore()

        assert done.stdout.strip() == "1"

    def test_sets_nothing_else(self) -> None:
        """
        Options, files, calls, callbacks and what is no variable are left.
        """
        before = dict(os.environ)
        entry = make_entry(
            SDKSwitch(kind="option", name="acme.init(send=...)", value="0"),
            SDKSwitch(kind="file", name="acme.toml: send", value="false"),
            SDKSwitch(kind="callback", name="acme.init(before=...)"),
            call("acme.off"),
            variable("acme.toml: send", "false"),
        )

        restore = set_switches(entry)

        assert not restore.names
        assert dict(os.environ) == before

    @pytest.mark.parametrize("sdk", sorted(load_registry()))
    def test_takes_every_shipped_entry(self, sdk: str) -> None:
        """
        The switches of each entry can be thrown, and leave nothing behind.
        """
        entry = load_registry()[sdk]
        before = dict(os.environ)

        restore = set_switches(entry)

        meant = {s.name for s in entry.switches if s.kind == "environment"}
        assert {*restore.names} == meant
        restore()
        assert dict(os.environ) == before


class Client:
    """
    A client with a switch; one of its kind is in the fake module.
    """

    def __init__(self) -> None:
        self.said: list[object] = []

    def off(self, *args: object, **options: object) -> None:
        """
        Turn it off.
        """
        self.said.append((args, options))

    def fail(self) -> None:
        """
        Raise.
        """
        raise OSError

    @staticmethod
    def silence() -> None:
        """
        Turn all off.
        """


def make_modules() -> tuple[Client, Mapping[str, ModuleType]]:
    """
    Give loaded modules ``acme`` and ``acme.sub``, and a client in both.
    """
    top, below = ModuleType("acme"), ModuleType("acme.sub")
    client = Client()
    vars(top).update(client=client, Client=Client, off=client.off, number=1)
    vars(below).update(off=client.off)
    return client, {"acme": top, "acme.sub": below, "other": top}


class TestCallsOff:
    """
    Tests for `calls_off()`.
    """

    @pytest.mark.parametrize(
        ("switch", "said"),
        [
            (call("acme.off"), ((), {})),
            (call("acme.client.off"), ((), {})),
            (call("acme.sub.off"), ((), {})),
            (call("acme.off", "False"), ((False,), {})),
            (call("acme.off", "'a', send=False"), (("a",), {"send": False})),
        ],
    )
    def test_calls_what_is_loaded(
        self, switch: SDKSwitch, said: object
    ) -> None:
        """
        Functions, methods of objects and functions of submodules are called
        with the arguments that the entry names.
        """
        client, modules = make_modules()

        assert calls_off(make_entry(switch), modules) == (switch.name,)
        assert client.said == [said]

    @pytest.mark.parametrize(
        "switch",
        [
            call("client.off"),  # whose client?
            call("other.off"),  # not of this SDK
            call("acme"),
            call("acme.nothing"),
            call("acme.nothing.off"),
            call("acme.number"),
            call("acme.Client.off"),  # of which instance?
            call("acme.get().off"),
            call("acme.off()"),
            call("acme.off", "client"),
            call("acme.off", "a b"),
            call("acme.off", ")("),
            call("acme.off", "**{'a': 1}"),
            call("acme.client.fail"),
            SDKSwitch(kind="option", name="acme.off", value=""),
        ],
    )
    def test_guesses_nothing(self, switch: SDKSwitch) -> None:
        """
        What is not there, needs an object or a value, or raises, is not
        among what was called, and disturbs nothing.
        """
        client, modules = make_modules()

        assert calls_off(make_entry(switch), modules) == ()
        assert client.said == []

    def test_calls_static_methods(self) -> None:
        """
        A static method of a class needs no object.
        """
        _, modules = make_modules()

        called = calls_off(make_entry(call("acme.Client.silence")), modules)

        assert called == ("acme.Client.silence",)

    def test_imports_nothing(self) -> None:
        """
        What is not loaded stays so.
        """
        entry = make_entry(call("wave.open"), imports="wave")
        sys.modules.pop("wave", None)

        assert calls_off(entry) == ()
        assert "wave" not in sys.modules
