# SPDX-License-Identifier: MIT

"""
Tests for stand-ins: what an app holds of an SDK before, with and after a
permit.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import subprocess
import sys
import threading

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args

import pytest

from consentkit.registry.standin import StandIn
from tests.registry.acme import Shop


class TestWithoutPermit:
    """
    Tests for what an app gets of an SDK before the yes.
    """

    def test_nothing_loads_and_nothing_runs(self, shop: Shop) -> None:
        """
        Imports, set-up, use, decorators and context managers of the app run
        through; no code of the SDK does.
        """
        gate = shop.gate()

        app = shop.app(
            """
            import acme
            import acme.ai.deep as deep
            from acme import Client, capture
            from acme.client import Level

            acme.api_key = "k"
            acme.init("k")
            client = Client("k")
            with client.span() as span:
                span.send("a")
            with acme.start() as started:
                started.send("b")
            result = capture("c")
            number = client.send("d")
            depth = deep.depth
            level = Level.LOW

            @acme.trace
            def five():
                return 5
            """
        )

        assert shop.seen == []
        assert app.five() == 5
        assert not app.result
        assert not app.number
        assert gate.dropped == {"acme": 4}

    def test_nothing_is_harmless_everywhere(self, shop: Shop) -> None:
        """
        A result that is not there goes into texts, numbers, conditions,
        loops and headers without an error.
        """
        shop.gate()
        nothing = shop.app("import acme; r = acme.get_client()").r

        assert json.dumps({"trace": nothing}) == '{"trace": ""}'
        assert f"<{nothing}>{nothing:>3}{nothing:.2f}" == "<>"
        assert format(nothing, ".1f") == ""
        assert (int(nothing), float(nothing), len(nothing)) == (0, 0.0, 0)
        assert "a" + nothing + "b" == "ab"
        assert sum([nothing, 1, 2]) == 3
        assert 3 - nothing == 3 + nothing == 3
        assert [*nothing] == []
        assert {**nothing} == {}
        assert 1 not in nothing
        assert nothing <= 3
        assert not nothing > 0
        assert not nothing > "a"
        assert not nothing < object()
        assert nothing["a"].b.c("d") is nothing
        assert nothing(print) is print
        assert nothing(print, 1) is nothing
        assert -nothing * 5 is nothing
        assert round(nothing) == 0
        assert not isinstance(1, nothing)
        assert not issubclass(int, nothing)
        nothing.field = 1
        nothing["a"] = 1
        del nothing.field, nothing["a"]
        assert nothing.field is nothing
        assert copy.deepcopy([nothing])[0] is nothing
        assert pickle.loads(pickle.dumps(nothing)) is nothing
        assert "permit" in repr(nothing)

    def test_nothing_can_be_awaited(self, shop: Shop) -> None:
        """
        It is waited for, gathered, made into a task and looped over.
        """
        shop.gate()
        app = shop.app("import acme; client = acme.Acme('k')")
        nothing = app.client.send("a")

        async def wait() -> int:
            assert await app.client.send_later("a") is nothing
            assert await asyncio.create_task(nothing) is nothing
            assert [*await asyncio.gather(nothing, nothing)] == ["", ""]
            assert await asyncio.wait_for(nothing, 5) is nothing
            async with nothing as inner:
                assert inner is nothing
            async with app.client as inner:
                assert inner is app.client
            return len(
                [1 async for _ in nothing] + [1 async for _ in app.client]
            )

        assert asyncio.run(wait()) == 0
        assert asyncio.run(nothing) is nothing

    def test_exceptions_can_be_named(self, shop: Shop) -> None:
        """
        An ``except`` with an exception of the SDK works, and lets others by;
        so do those of a module of exceptions, and warnings.
        """
        shop.write("acme/errors.py", "class Timeout(Exception): ...")
        shop.gate()
        app = shop.app(
            """
            import warnings
            import acme
            from acme.errors import Timeout

            warnings.simplefilter("ignore", acme.AcmeWarning)
            try:
                {}["a"]
            except (acme.AcmeError, acme.SomeException, Timeout):
                caught = "acme"
            except KeyError:
                caught = "own"
            try:
                raise acme.AcmeError("raised by the app")
            except acme.AcmeError as error:
                text = str(error)
            """
        )

        assert (app.caught, app.text) == ("own", "raised by the app")
        assert issubclass(app.acme.AcmeWarning, Warning)

    def test_class_can_be_a_base(self, shop: Shop) -> None:
        """
        A class of the app that derives from one of the SDK has a base that
        does nothing, and keeps its own methods.
        """
        shop.gate()
        app = shop.app(
            """
            import acme

            class Mine(acme.Client, keyword=1):
                def own(self):
                    return self.send("a"), 5

            class Other(acme.get_client()):
                pass

            mine = Mine("k")
            """
        )

        nothing, five = app.mine.own()
        assert five == 5
        assert not nothing
        assert not app.Other().anything
        with pytest.raises(AttributeError):
            app.mine.__wrapped__  # noqa: B018 - Python asks so
        assert shop.seen == []

    def test_middleware_lets_the_app_by(self, shop: Shop) -> None:
        """
        What wraps a function of the app passes on to it.
        """
        shop.gate()
        app = shop.app(
            """
            import acme

            def handler(request):
                return f"answer {request}"

            by_place = acme.Middleware(handler, option=1)
            by_name = acme.Middleware(app=handler)
            by_other_name = acme.Middleware(application=handler)
            """
        )

        assert app.by_place("a") == "answer a"
        assert app.by_name("b") == app.by_other_name("b") == "answer b"
        assert not app.by_name.flush()

    def test_app_reads_what_it_has_set(self, shop: Shop) -> None:
        """
        What the app assigns it reads back: in a module, in an instance, and
        further down; a deleted one is not there any more.
        """
        shop.gate()
        app = shop.app(
            """
            import acme
            client = acme.Client("k")
            acme.api_key = "a"
            client.debug = True
            client.options.level = 3
            """
        )

        assert app.acme.api_key == "a"
        assert app.client.debug is True
        assert app.client.options.level == 3
        del app.acme.api_key
        assert app.acme.api_key != "a"

    def test_log_handler_is_quiet(self, shop: Shop) -> None:
        """
        A log handler of the SDK takes records and does nothing.
        """
        shop.gate()
        handler = shop.app("import acme; h = acme.Handler('k')").h
        log = logging.getLogger("shop")
        log.addHandler(handler)
        try:
            log.error("a")
        finally:
            log.removeHandler(handler)

        assert shop.seen == []

    def test_isinstance_knows_what_is_to_come(self, shop: Shop) -> None:
        """
        An instance that is to be made is one of its class, and of no other.
        """
        shop.gate()
        app = shop.app(
            "import acme; c = acme.Client('k'); made = acme.Agent('k')"
        )

        assert isinstance(app.c, app.acme.Client)
        assert not isinstance(app.made, app.acme.Client)
        assert not isinstance(5, app.acme.Client)
        assert not issubclass(int, app.acme.Client)

    def test_can_be_in_annotations(self, shop: Shop) -> None:
        """
        Type hints with classes of the SDK can be evaluated.
        """
        shop.gate()
        shop.app(
            """
            from typing import Optional
            import acme

            def use(a: acme.Client, b: acme.Client | None,
                    c: Optional[acme.Client], d: list[acme.Client],
                    e: None | acme.Client, f: acme.Client["x"]) -> None: ...
            """
        )

        assert shop.seen == []

    def test_unions_can_be_read(self, shop: Shop) -> None:
        """
        A union of types with a class that is not there is any type, so that
        frameworks which read annotations go on; with the permit it is one
        with the class.
        """
        shop.gate()
        acme = shop.app("import acme").acme

        for union in (
            *(acme.Client | None, None | acme.Client, int | acme.Client),
            *(acme.Client | acme.Acme, acme.Client | str | None),
            *(acme.Client | list[int], acme.Client | Literal[1]),
        ):
            assert Any in (union, *get_args(union))
        # Flags are no types.
        assert acme.Level.LOW | acme.Level.HIGH is not Any
        assert acme.Level.LOW | None is None
        shop.is_permitted = True
        assert get_args(acme.Client | None)[1] is type(None)


class TestWithPermit:
    """
    Tests for what happens with the yes.
    """

    def test_set_up_is_done_and_use_is_not(self, shop: Shop) -> None:
        """
        Assignments and set-up calls of before are done in order, before the
        first use; uses of before are never done.
        """
        shop.gate()
        app = shop.app(
            """
            import acme
            acme.api_key = "first"
            acme.api_key = "a"
            acme.init("b", level=2)
            client = acme.Acme("c")
            acme.capture("before")
            client.send("before")
            """
        )
        assert shop.seen == []

        shop.is_permitted = True
        app.acme.capture("after")
        app.client.send("after")

        assert shop.seen == [
            "load acme",
            "load acme.client",
            "init b",
            "client b",
            "client c",
            "capture after a",
            "send after c",
        ]

    def test_gate_is_told_of_the_permit(self, shop: Shop) -> None:
        """
        `permitted()` does the set-up though the app uses nothing.
        """
        gate = shop.gate()
        shop.app("import acme; acme.init('b')")
        gate.permitted("acme")
        assert shop.seen == []

        shop.is_permitted = True
        gate.permitted("acme")
        gate.permitted("acme")
        gate.permitted("another")

        assert shop.seen[-2:] == ["init b", "client b"]
        assert shop.seen.count("init b") == 1

    def test_gate_loads_nothing_without_need(self, shop: Shop) -> None:
        """
        `permitted()` does not load an SDK that is not set up.
        """
        gate = shop.gate()
        shop.app("import acme; acme.capture('before')")
        shop.is_permitted = True

        gate.permitted("acme")

        assert shop.seen == []

    def test_everything_is_the_real_thing(self, shop: Shop) -> None:
        """
        Functions, instances, methods, values, operators, iteration, context
        managers and class methods work as without a gate.
        """
        shop.gate()
        app = shop.app("import acme; c = acme.Client('k', size=3)")
        shop.is_permitted = True
        client: Any = app.c

        assert app.acme.VERSION == app.acme.__version__ == "3.1"
        assert client.send("abc") == 3
        assert (client.key, len(client), client["size"]) == ("k", 7, 3)
        assert [getattr(one, "key", one) for one in client] == ["k.child", 2]
        assert app.acme.Client.make("x").child().key == "x.child"
        assert app.acme.Client.kind == "client"
        with client as entered:
            assert entered is client
        with client.span() as span:
            assert span is client
        assert shop.seen[-4:] == [
            *("enter client", "leave client"),
            *("enter", "leave"),
        ]
        assert "send" in dir(client)
        assert isinstance(client, app.acme.Client)
        assert not isinstance(client, app.acme.Acme)
        assert issubclass(app.acme.Acme, app.acme.Client)
        assert client.child() != client
        assert app.acme.Client("k") != "k"

    def test_coroutines_are_real(self, shop: Shop) -> None:
        """
        What a coroutine of the SDK gives arrives, in a stand-in.
        """
        shop.gate()
        app = shop.app("import acme; acme.init('b'); c = acme.Client('k')")
        shop.is_permitted = True

        async def wait() -> Any:
            async with app.c as entered:
                assert entered is app.c
            assert await app.c.send_later("abc") == 3
            return await app.acme.wait_for_client()

        got = asyncio.run(wait())

        assert type(got) is StandIn
        assert got.key == "b"

    def test_arguments_are_real(self, shop: Shop) -> None:
        """
        The SDK gets its own things, also out of collections; the app's own
        arguments arrive as they are.
        """
        shop.gate()
        own = {"list": [1, 2]}
        app = shop.app(
            """
            import acme
            child = acme.Client("child")
            result = acme.get_client()
            client = acme.Acme("k", parts=[child, {"a": (child,)}], own=own,
                               cls=acme.Client, nothing=result)
            """,
            own=own,
        )
        shop.is_permitted = True

        options = app.client.options

        child = options["parts"][0]
        assert type(child).__name__ == "Client"
        assert options["parts"][1]["a"][0] is child
        assert options["own"] is own
        assert isinstance(child, options["cls"])
        assert options["nothing"] is None
        app.client.sink = app.child
        assert app.client.sink == app.child

    def test_enumerations_and_exceptions_are_plain(self, shop: Shop) -> None:
        """
        Members of enumerations are themselves, and errors are caught by
        classes that were imported before the permit.
        """
        shop.gate()
        app = shop.app(
            "import acme; from acme import AcmeError; c = acme.Client('k')"
        )
        shop.is_permitted = True

        assert app.acme.Level.LOW is app.acme.client.Level.LOW
        assert isinstance(app.acme.Level, type)
        assert isinstance(app.acme.AcmeError, type)
        assert app.acme.AcmeError is not app.AcmeError
        with pytest.raises(app.AcmeError, match="no") as caught:
            app.c.fail()
        assert isinstance(caught.value, app.acme.AcmeError)
        assert type(caught.value).__name__ == "AcmeError"

    def test_lazy_things_are_left_asleep(self, shop: Shop) -> None:
        """
        An object that makes something when it is asked for its class is not
        asked.
        """
        shop.write(
            "acme/lazy.py",
            """
            import functools
            import journal
            class Lazy:
                def __getattribute__(self, name):
                    journal.seen.append(f"asked for {name}")
                    return 5
            class Handle:
                def __init__(self):
                    self.method = self.plain
                def plain(self):
                    return 6
            lazy = Lazy()
            handle = Handle()
            part = functools.partial(handle.plain)
            own = functools.partial(Handle)
            cached = functools.cache(handle.plain)
            cache = functools.cache(lambda: 7)
            """,
        )
        shop.gate()
        shop.is_permitted = True
        app = shop.app("import acme.lazy; from acme.lazy import *")

        assert type(app.lazy) is StandIn
        assert [one for one in shop.seen if one.startswith("asked")] == []
        assert app.lazy.any == 5
        methods = (app.handle.method, app.part, app.cached)
        assert [method() for method in methods] == [6, 6, 6]
        assert (app.cache(), app.own().plain()) == (7, 6)
        shop.is_permitted = False
        assert not any((app.handle.method(), app.cache(), app.own()))

    def test_names_of_before_stay_the_same(self, shop: Shop) -> None:
        """
        What was imported before the permit is what the module has with it.
        """
        shop.gate()
        app = shop.app("import acme; from acme import capture")
        before = app.acme.Client
        shop.is_permitted = True

        assert app.acme.capture is app.capture
        assert app.acme.Client is before
        assert before == app.acme.client.Client

    def test_assignments_reach_the_real_module(self, shop: Shop) -> None:
        """
        With the permit, the SDK's own code sees what the app assigns, and
        the app what the SDK does.
        """
        shop.gate()
        shop.is_permitted = True
        app = shop.app(
            """
            import acme
            acme.api_key = "a"
            acme.client.Client.kind = "other"
            client = acme.Acme("k")
            client.key = "changed"
            """
        )
        app.acme.capture("x")

        assert shop.seen[-1] == "capture x a"
        assert app.client.kind == "other"
        assert app.client.send("x") == 1
        assert shop.seen[-1] == "send x changed"
        app.client.rename()
        assert app.client.key == "own"
        del app.client.key
        with pytest.raises(AttributeError):
            app.client.key  # noqa: B018 - it is gone
        del app.acme.api_key
        with pytest.raises(AttributeError):
            app.acme.api_key  # noqa: B018 - likewise

    def test_assignments_to_an_instance_wait(self, shop: Shop) -> None:
        """
        What the app assigned to an instance before is there with the permit,
        also further down.
        """
        shop.gate()
        app = shop.app(
            """
            import acme
            client = acme.Client("k")
            client.key = "first"
            client.key = "last"
            client.send.level = 3
            acme.Client.kind = "other"
            """
        )
        app.client.wrong.deep.down = 1
        shop.is_permitted = True

        assert app.client.key == "last"
        assert app.client.kind == "other"

    def test_subclass_has_the_real_base(self, shop: Shop) -> None:
        """
        With the permit a class of the app derives from the real one.
        """
        shop.gate()
        shop.is_permitted = True
        app = shop.app(
            """
            import acme
            class Mine(acme.Client):
                pass
            mine = Mine("k")
            """
        )

        assert app.mine.send("abc") == 3
        assert isinstance(app.mine, app.acme.Client)

    def test_decorator_works(self, shop: Shop) -> None:
        """
        A function that is decorated with the permit is traced.
        """
        shop.gate()
        shop.is_permitted = True
        app = shop.app(
            """
            import acme
            @acme.trace
            def five():
                return 5
            """
        )

        assert app.five() == 5
        assert shop.seen[-1] == "traced"

    def test_errors_of_calls_are_the_apps(self, shop: Shop) -> None:
        """
        With the permit, an error of a call and a missing name reach the app
        as without a gate.
        """
        shop.gate()
        shop.is_permitted = True
        app = shop.app("import acme")

        with pytest.raises(TypeError):
            app.acme.init()
        with pytest.raises(TypeError):
            app.acme.Client("k", "too", "many")
        with pytest.raises(AttributeError):
            app.acme.nothing  # noqa: B018 - there is none
        with pytest.raises(AttributeError):
            app.acme.Client("k").nothing  # noqa: B018 - likewise
        with pytest.raises(TypeError):
            app.acme.Client("k") + 1

    def test_errors_of_set_up_are_logged(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        A set-up call that fails when it is done at last is named in the log,
        without its arguments; the rest is done.
        """
        gate = shop.gate("acme.init", "acme.Acme", "acme.nothing")
        app = shop.app(
            """
            import acme
            acme.init("secret", "wrong", "arguments")
            acme.nothing("secret")
            client = acme.Acme("k", "secret", "wrong")
            good = acme.Acme("good")
            acme.no.such.place = "secret"
            """
        )
        shop.is_permitted = True

        gate.permitted("acme")

        assert "acme.init raised TypeError" in caplog.text
        assert "acme.nothing" in caplog.text
        assert "acme.Acme raised TypeError" in caplog.text
        assert "secret" not in caplog.text
        assert not app.client.send("a")
        assert app.good.send("a") == 1
        assert gate.dropped == {"acme": 1}

    def test_app_uses_it_while_it_is_set_up(self, shop: Shop) -> None:
        """
        A callback of the app that is called during set-up may use the SDK.
        """
        shop.write(
            "acme/__init__.py",
            """
            import journal
            def init(callback):
                journal.seen.append("init")
                callback()
                journal.seen.append("done")
            def capture(event):
                journal.seen.append(event)
            class Client:
                def __init__(self, callback):
                    callback()
                def send(self, event):
                    return 1
            """,
        )
        shop.gate()
        app = shop.app(
            """
            import acme
            def back():
                acme.capture("inner")
                client.send("not yet")
            client = acme.Client(back)
            acme.init(back)
            acme.init(lambda: None)
            """
        )
        shop.is_permitted = True

        app.acme.capture("outer")

        assert shop.seen == [
            *("init", "inner", "inner", "done"),
            *("init", "done", "outer"),
        ]
        assert app.client.send("now") == 1

    def test_app_uses_it_while_it_is_loaded(self, shop: Shop) -> None:
        """
        Code of the app that the SDK imports may use what is there already;
        set-up waits until all is there.
        """
        shop.write(
            "acme/__init__.py",
            """
            import journal
            def capture(event):
                journal.seen.append(event)
            import app_plugin
            def init(key):
                journal.seen.append("init")
            """,
        )
        shop.write("app_plugin.py", "import acme; acme.capture('inner')")
        shop.gate()
        app = shop.app("import acme; acme.init('k')")
        shop.is_permitted = True

        app.acme.capture("outer")
        del sys.modules["app_plugin"]

        assert shop.seen == ["inner", "init", "outer"]

    def test_withdrawal_within_set_up_holds_up_the_rest(
        self, shop: Shop
    ) -> None:
        """
        What is left of the set-up when the person says no is done with the
        next yes.
        """
        gate = shop.gate()
        app = shop.app(
            """
            import acme
            class Key:
                def __str__(self):
                    shop.is_permitted = False
                    return "a"
            acme.init(Key())
            acme.init("b")
            """
        )
        shop.is_permitted = True
        gate.permitted("acme")
        assert shop.seen[-2:] == ["init a", "client a"]

        shop.is_permitted = True
        assert app.acme.VERSION == "3.1"
        assert shop.seen[-2:] == ["init b", "client b"]

    def test_assignments_stay_before_and_after_calls(self, shop: Shop) -> None:
        """
        However often a name is assigned to, calls are not lost, and find the
        value that was there when they were made.
        """
        gate = shop.gate("acme.capture")
        shop.app(
            """
            import acme
            acme.api_key = "a"
            acme.capture("x")
            for n in range(500):
                acme.api_key = n
            acme.capture("y")
            """
        )
        shop.is_permitted = True

        gate.permitted("acme")

        assert shop.seen[-2:] == ["capture x a", "capture y 499"]

    def test_clients_that_are_gone_are_not_made(self, shop: Shop) -> None:
        """
        Of many clients that were made before, only the first and those that
        the app still has become real.
        """
        gate = shop.gate()
        app = shop.app(
            """
            import acme
            for n in range(500):
                kept = acme.Acme(n)
            """
        )
        shop.is_permitted = True

        gate.permitted("acme")

        made = [one for one in shop.seen if one.startswith("client")]
        assert len(made) <= 64
        assert made[-1] == "client 499"
        assert app.kept.send("a") == 1
        assert len([n for n in made if n != "client 499"]) <= 1

    def test_many_clients_are_made_when_they_are_used(
        self, shop: Shop
    ) -> None:
        """
        Of very many that the app keeps, some are made at their first use.
        """
        gate = shop.gate()
        app = shop.app(
            "import acme; clients = [acme.Acme(n) for n in range(200)]"
        )
        shop.is_permitted = True

        gate.permitted("acme")

        made = [one for one in shop.seen if one.startswith("client")]
        assert len(made) <= 64
        assert app.clients[0].send("abc") == 3
        assert app.clients[199].send("abc") == 3


class TestAfterWithdrawal:
    """
    Tests for what is left after a no.
    """

    def test_everything_is_dead(self, shop: Shop) -> None:
        """
        Modules, functions, instances, results and bound methods that the app
        kept do nothing, and are counted.
        """
        gate = shop.gate()
        shop.is_permitted = True
        app = shop.app(
            """
            import acme
            acme.init("b")
            from acme import capture
            client = acme.Acme("k")
            send = client.send
            child = client.child()
            default = acme.get_client()
            """
        )
        shop.is_permitted = False
        before = [*shop.seen]

        app.acme.capture("a")
        app.capture("a")
        app.client.send("a")
        app.send("a")
        app.child.send("a")
        app.default.send("a")
        shop.app("import acme; acme.capture('a')")
        with app.client as inner:
            inner.send("a")
        app.client.key = "b"

        assert shop.seen == before
        assert gate.dropped == {"acme": 8}

    def test_what_wraps_the_app_lets_it_by(self, shop: Shop) -> None:
        """
        Decorated functions, methods, coroutines and middleware of the app
        work on without the SDK, whenever they were wrapped.
        """
        shop.gate()
        source = """
            import acme

            @acme.trace
            def five():
                return 5

            @acme.trace
            async def six():
                return 6

            class Mine:
                @acme.trace
                def seven(self):
                    return 7

            def handler(request):
                return f"answer {request}"

            wrapped = acme.Middleware(handler, option=1)
            off = acme.on_error(handler)
            """
        before = shop.app(source)
        shop.is_permitted = True
        with_permit = shop.app(source)
        assert before.wrapped("a") == with_permit.wrapped("a") == "answer a"
        assert with_permit.wrapped.me() is with_permit.wrapped
        assert with_permit.five() == 5
        assert shop.seen[-3:] == ["passed", "passed", "traced"]
        shop.is_permitted = False
        count = len(shop.seen)

        for app in (before, with_permit):
            assert app.five() == 5
            assert asyncio.run(app.six()) == 6
            assert app.Mine().seven() == 7
            assert app.wrapped("b") == "answer b"

        assert len(shop.seen) == count
        with_permit.off()
        assert shop.seen[-1] == "taken off"

    def test_works_again_with_a_new_yes(self, shop: Shop) -> None:
        """
        After a second yes the same objects work, what was assigned meanwhile
        is done, and set-up is not done twice.
        """
        shop.gate()
        app = shop.app("import acme; acme.init('b'); c = acme.Acme('k')")
        shop.is_permitted = True
        app.c.send("a")
        shop.is_permitted = False
        app.c.send("no")
        app.c.key = "new"
        app.acme.api_key = "n"
        app.acme.init("later")

        shop.is_permitted = True
        app.c.send("b")
        app.acme.capture("c")

        assert shop.seen[-5:] == [
            "send a k",
            "init later",
            "client later",
            "send b new",
            "capture c n",
        ]
        assert shop.seen.count("init b") == 1

    def test_is_set_up_anew_after_its_end(self, shop: Shop) -> None:
        """
        Where the SDK was shut down, set-up is done again with the next yes,
        and instances are made again, with what was assigned to them.
        """
        gate = shop.gate()
        app = shop.app("import acme; acme.init('b'); c = acme.Acme('k')")
        shop.is_permitted = True
        app.c.send("a")
        app.c.key = "new"
        shop.is_permitted = False
        gate.ended("acme")

        shop.is_permitted = True
        gate.permitted("acme")
        app.c.send("b")

        assert shop.seen.count("init b") == 2
        assert shop.seen.count("client k") == 2
        assert shop.seen[-1] == "send b new"

    def test_block_that_was_entered_is_left_alone(self, shop: Shop) -> None:
        """
        A withdrawal within a ``with`` block does not touch the SDK at its
        end; a yes within one does not leave what was not entered.
        """
        shop.gate()
        app = shop.app("import acme; c = acme.Client('k')")
        shop.is_permitted = True
        with app.c:
            shop.is_permitted = False
        with app.c:
            shop.is_permitted = True

        assert "enter client" in shop.seen
        assert "leave client" not in shop.seen

    def test_sdk_itself_is_not_cut_in_two(self, shop: Shop) -> None:
        """
        The SDK's own code, in its own thread, goes on to find its own names
        and modules: what it may send is for others to stop.
        """
        shop.write(
            "acme/worker.py",
            """
            import threading
            import journal
            go = threading.Event()
            def work():
                go.wait(10)
                import acme.late
                from acme import client, ai
                journal.seen.append(f"{acme.VERSION} {client.Client.kind}")
                journal.seen.append(ai.Agent.kind)
                acme.api_key = "own"
                journal.seen.append(acme.capture.__name__)
                del acme.api_key
            thread = threading.Thread(target=work)
            thread.start()
            """,
        )
        shop.gate()
        shop.is_permitted = True
        app = shop.app(
            """
            import acme.worker
            go, thread = acme.worker.go, acme.worker.thread
            """
        )
        shop.is_permitted = False
        shop.app("import acme.ai")  # which the SDK is the first to need

        app.go.set()
        app.thread.join(10)

        assert shop.seen[-4:] == [
            *("3.1 client", "load acme.ai", "client", "capture")
        ]

    def test_sdk_may_send_its_things_to_its_processes(
        self, shop: Shop
    ) -> None:
        """
        Python packs an object of the SDK for another process, though code of
        Python looks for its class then.
        """
        shop.write(
            "acme/packed.py",
            """
            import pickle
            from multiprocessing.reduction import ForkingPickler
            from acme.client import Client

            def there_and_back(key):
                return pickle.loads(ForkingPickler.dumps(Client(key))).key
            """,
        )
        shop.gate()
        shop.is_permitted = True
        app = shop.app("import acme.packed")

        assert app.acme.packed.there_and_back("k") == "k"

    def test_what_the_app_derived_is_its_own(self, shop: Shop) -> None:
        """
        An instance of the app's own class is real, and not cut off: this is
        a limit.
        """
        shop.gate()
        shop.is_permitted = True
        app = shop.app(
            """
            import acme
            class Mine(acme.Client):
                pass
            mine = Mine("k")
            """
        )
        shop.is_permitted = False

        assert app.mine.send("abc") == 3


class TestObjects:
    """
    Tests for stand-ins as objects of Python.
    """

    @pytest.mark.parametrize("make", [pickle.dumps, copy.copy, copy.deepcopy])
    @pytest.mark.parametrize("name", ["Client", "client", "made"])
    def test_cannot_be_copied(self, shop: Shop, make: Any, name: str) -> None:
        """
        A copy would be beside the gate; the error says what it is of.
        """
        shop.gate()
        app = shop.app(
            "import acme; import acme.client; made = acme.Client('k')"
        )
        one = app.made if name == "made" else getattr(app.acme, name)

        with pytest.raises(TypeError, match=r"(?i)acme\.client.* cannot be"):
            make(one)

    def test_shows_where_it_is_from(self, shop: Shop) -> None:
        """
        Its representation and its name say what it stands for, and none of
        what was given to it.
        """
        shop.gate()
        app = shop.app("import acme; c = acme.Client('secret')")

        assert repr(app.c) == "<stand-in of acme.Client>"
        assert app.acme.Client.__name__ == "Client"
        assert app.acme.Client.__qualname__ == "Client"
        assert not hasattr(app.acme.Client, "__wrapped__")
        assert len({app.c, app.acme.Client, app.c}) == 2
        assert app.c != "x"

    def test_does_not_keep_results_alive(self, shop: Shop) -> None:
        """
        A thing of the SDK has one stand-in while the app holds it.
        """
        shop.gate()
        shop.is_permitted = True
        app = shop.app("import acme; acme.init('b')")

        one, two = app.acme.get_client(), app.acme.get_client()

        assert one is two

    def test_clears_up_quietly(self, shop: Shop) -> None:
        """
        At the end of Python, destructors and exit functions that use a
        stand-in do nothing.
        """
        program = f"""
import sys, atexit
sys.path[:0] = [{str(shop.folder)!r}, {str(Path.cwd())!r}]
from tests.registry.acme import Shop
from pathlib import Path
import acme_gate
acme_gate.shop.gate()
import acme
client = acme.Client("k")
atexit.register(lambda: client.flush())
class Late:
    def __del__(self, client=client, acme=acme):
        client.flush(); acme.capture("x"); acme.init("y")
late = Late()
sys.modules["kept"] = Late()
"""
        shop.write(
            "acme_gate.py",
            """
            from pathlib import Path
            from tests.registry.acme import Shop
            shop = Shop(Path(__file__).parent)
            """,
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
        )

        assert (done.stdout, done.stderr) == ("", "")

    def test_first_use_may_come_from_many_threads(self, shop: Shop) -> None:
        """
        The SDK is loaded and set up once, and everybody waits for it.
        """
        shop.write("acme/client.py", _SLOW)
        shop.gate()
        app = shop.app(
            """
            import acme
            acme.init('b')
            c, d = acme.Acme('k'), acme.Client('d')
            """
        )
        shop.is_permitted = True
        results: list[object] = []
        start = threading.Barrier(8)

        def use() -> None:
            start.wait(10)
            results.append(app.c.send("abc") + app.d.send("d"))

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert results == [4] * 8
        assert shop.seen.count("init b") == 1
        assert shop.seen.count("made d") == 1
        assert shop.seen.count("made k") == 1

    def test_nobody_is_before_the_set_up(self, shop: Shop) -> None:
        """
        While one thread sets the SDK up, others wait for the end of it.
        """
        shop.write(
            "acme/__init__.py",
            """
            import time
            import journal
            def init(key):
                journal.begun.set()
                time.sleep(0.3)
                journal.seen.append("init")
            def capture(event):
                journal.seen.append(event)
            """,
        )
        shop.write(
            "journal.py",
            """
            import threading
            seen = []
            begun = threading.Event()
            """,
        )
        gate = shop.gate()
        app = shop.app("import acme, journal; acme.init('k')")
        shop.is_permitted = True
        thread = threading.Thread(target=gate.permitted, args=("acme",))
        thread.start()

        app.journal.begun.wait(10)
        app.acme.capture("a")
        thread.join(10)

        assert shop.seen == ["init", "a"]

    def test_space_of_a_module_is_plain(self, shop: Shop) -> None:
        """
        What looks into modules without using them finds modules.
        """
        shop.gate()
        app = shop.app("import acme")

        assert app.acme.__name__ == "acme"
        assert app.acme.__spec__.name == "acme"
        assert app.acme.__file__.endswith("__init__.py")
        assert isinstance(vars(app.acme), dict)
        assert not app.acme.__version__
        assert isinstance(SimpleNamespace(m=app.acme), SimpleNamespace)
        assert shop.seen == []


_SLOW = """
    import time
    import journal
    time.sleep(0.2)
    class AcmeError(Exception): ...
    Level = 1
    class Client:
        def __init__(self, key):
            journal.seen.append(f"made {key}")
            time.sleep(0.2)
        def send(self, event):
            return len(event)
    """
