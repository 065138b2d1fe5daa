# SPDX-License-Identifier: MIT

"""
An SDK that tests own, and an app that uses it behind an import gate.

It writes down in `Shop.seen` what of it is loaded and called.
"""

from __future__ import annotations

import sys

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from consentkit.gate import Reason, Refusal
from consentkit.registry import SDKEntry, SDKPackage, imports
from consentkit.registry.imports import ImportGate


__all__ = ["Shop", "open_shop"]

FILES = {
    "acme/__init__.py": """
        import functools
        import journal
        journal.seen.append("load acme")
        from acme.client import AcmeError, Client, Level
        from . import client

        __version__ = "3.1"
        VERSION = "3.1"
        api_key = None
        default = None

        class Acme(Client):
            pass

        def init(key, **options):
            global default
            journal.seen.append(f"init {key}")
            default = Client(key, **options)
            return default

        def capture(event, sink=None, **props):
            journal.seen.append(f"capture {event} {api_key}")
            return sink

        def get_client():
            return default

        def trace(function):
            @functools.wraps(function)
            def traced(*args):
                journal.seen.append("traced")
                return function(*args)
            return traced

        def on_error(function):
            return lambda: journal.seen.append("taken off")

        class Middleware:
            def __init__(self, app, option=0):
                self.app = app
            def me(self):
                return self
            def __call__(self, *args):
                journal.seen.append("passed")
                return self.app(*args)

        async def wait_for_client():
            return default

        def late():
            from acme.late import word
            return word
        """,
    "acme/client.py": """
        import contextlib
        import enum
        import journal
        journal.seen.append("load acme.client")

        class AcmeError(Exception):
            pass

        class Level(enum.Enum):
            LOW = 1

        class Client:
            kind = "client"

            def __init__(self, key, **options):
                journal.seen.append(f"client {key}")
                self.key = key
                self.options = options
                self.sink = None

            def send(self, event):
                journal.seen.append(f"send {event} {self.key}")
                return len(event)

            def fail(self):
                raise AcmeError("no")

            def rename(self):
                self.key = "own"

            def child(self):
                return Client(f"{self.key}.child")

            @classmethod
            def make(cls, key):
                return cls(key)

            async def send_later(self, event):
                return self.send(event)

            @contextlib.contextmanager
            def span(self):
                journal.seen.append("enter")
                yield self
                journal.seen.append("leave")

            def __enter__(self):
                journal.seen.append("enter client")
                return self

            def __exit__(self, *exc):
                journal.seen.append("leave client")

            async def __aenter__(self):
                return self

            async def __aexit__(self, *exc):
                journal.seen.append("leave client")

            def __len__(self):
                return 7

            def __iter__(self):
                return iter([self.child(), 2])

            def __getitem__(self, name):
                return self.options[name]
        """,
    "acme/late.py": """
        import journal
        journal.seen.append("load acme.late")
        import acme
        word = acme.VERSION
        """,
    "acme/ai/__init__.py": """
        import journal
        journal.seen.append("load acme.ai")
        from ..client import Client

        class Agent(Client):
            pass
        """,
    "acme/ai/deep.py": """
        import journal
        journal.seen.append("load acme.ai.deep")
        from . import Agent
        from ..client import Client
        import acme.client as the_client
        assert the_client.Client is Client
        depth = 2
        """,
}


class Shop:
    """
    A folder of modules on the path, a gate, and the person's answer.

    Attributes:
        is_permitted: Whether the person has said yes.

        seen: What the SDK has written down.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_permitted = False
        self.gates: list[ImportGate] = []
        self.write("journal.py", "seen = []")
        for path, text in FILES.items():
            self.write(path, text)

    @property
    def seen(self) -> list[str]:
        """
        The journal of the SDK.
        """
        found: list[str] = self.app("import journal").journal.seen
        return found

    def write(self, path: str, text: str) -> None:
        """
        Write a module.
        """
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
        invalidate_caches()

    def refused(self, sdk: str) -> Refusal | None:
        """
        Answer as the registry does.
        """
        if self.is_permitted:
            return None
        return Refusal(reason=Reason.NOT_ASKED, function=f"uses_{sdk}")

    def entry(
        self, *setup: str, imports: tuple[str, ...], **more: Any
    ) -> SDKEntry:
        """
        Give the entry of an SDK with these modules, and *more* of a package.
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
                distributions=("acme",),
                imports=imports,
                version="1",
                setup=setup,
                **more,
            ),
        )

    def gate(
        self,
        *setup: str,
        imports: tuple[str, ...] = ("acme",),
        package: Mapping[str, tuple[str, ...]] | None = None,
        **options: Any,
    ) -> ImportGate:
        """
        Install a gate.
        """
        setup = setup or ("acme.init", "acme.Acme")
        entry = self.entry(*setup, imports=imports, **(package or {}))
        entries = {"acme": entry}
        gate = ImportGate(
            entries=entries, **{"refused": self.refused, **options}
        )
        gate.install()
        self.gates.append(gate)
        return gate

    def app(self, code: str, **names: object) -> Any:
        """
        Run code of the app, and give its module.
        """
        module = ModuleType("app")
        vars(module).update(names, shop=self)
        exec(dedent(code), vars(module))
        return module

    def close(self) -> None:
        """
        Take the gates away.
        """
        for gate in self.gates:
            gate.remove()


@contextmanager
def open_shop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """
    Give a shop whose modules are gone after the test.
    """
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(imports, "_trees", {})
    before = {*sys.modules}
    shop = Shop(folder)
    try:
        yield shop
    finally:
        shop.close()
        for name in {*sys.modules} - before:
            if name.partition(".")[0] in {"acme", "journal", "app", "ns"}:
                del sys.modules[name]
