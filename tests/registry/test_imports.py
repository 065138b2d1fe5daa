# SPDX-License-Identifier: MIT

"""
Tests for the import gate: what loads, when, and what the import system sees.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import pkgutil
import subprocess
import sys
import threading
import time

from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import attrs
import pytest

from consentkit.exceptions import ConsentKitError, SDKNotPermittedError
from consentkit.gate import Reason, Refusal
from consentkit.registry import load_registry
from consentkit.registry.imports import ImportGate
from tests import needs
from tests.registry.acme import Shop
from tests.support import tables, to_toml


class TestStandIns:
    """
    Tests for imports that give stand-ins.
    """

    @pytest.mark.parametrize(
        ("line", "name"),
        [
            ("import acme", "acme"),
            ("import acme.ai.deep", "acme"),
            ("import acme.ai.deep as deep", "deep"),
            ("from acme import ai", "ai"),
            ("from acme import init", "init"),
            ("from acme.ai import deep", "deep"),
            ("from acme.ai.deep import depth", "depth"),
            ("from acme import *", "capture"),
            ("from acme.client import *", "Client"),
            ("import importlib as i; m = i.import_module('acme.ai')", "m"),
            ("m = __import__('acme.ai.deep')", "m"),
        ],
    )
    def test_each_form_of_import_loads_nothing(
        self, shop: Shop, line: str, name: str
    ) -> None:
        """
        Every form of import works, binds its name and runs no code.
        """
        shop.gate()

        app = shop.app(line)

        assert hasattr(app, name)
        assert shop.seen == []

    @pytest.mark.parametrize("is_permitted", [False, True])
    def test_submodules_are_real_with_the_permit(
        self, shop: Shop, *, is_permitted: bool
    ) -> None:
        """
        Whether they were imported before or after it, submodules load with
        their parents, once, with relative imports and circles within.
        """
        shop.gate()
        shop.is_permitted = is_permitted
        app = shop.app(
            """
            import acme.ai.deep as deep
            from acme import ai
            from acme.ai import Agent
            from acme.client import Client
            import acme
            """
        )
        shop.is_permitted = True

        assert app.deep.depth == 2
        assert app.ai.Agent("k").send("abc") == 3
        assert isinstance(app.Agent("k"), app.Client)
        assert app.acme.ai.deep.depth == 2
        assert app.acme.late() == "3.1"
        loaded = [one for one in shop.seen if one.startswith("load")]
        assert sorted(loaded) == [
            "load acme",
            "load acme.ai",
            "load acme.ai.deep",
            "load acme.client",
            "load acme.late",
        ]
        assert loaded.index("load acme.ai") < loaded.index("load acme.ai.deep")

    def test_parents_load_before_what_is_in_them(self, shop: Shop) -> None:
        """
        A parent that was imported before the permit loads before what is
        imported with it.
        """
        shop.write("acme/ai/plain.py", "import journal; journal.seen += 'p'")
        shop.gate()
        shop.app("import acme.ai")
        shop.is_permitted = True

        shop.app("import acme.ai.plain")

        assert shop.seen[-2:] == ["load acme.ai", "p"]

    def test_what_registers_itself_does_so(self, shop: Shop) -> None:
        """
        With the permit, each module that the app has imported loads, in the
        order in which the SDK itself imports them; one that fails does not
        hold up the others.
        """
        shop.write(
            "acme/__init__.py",
            """
            import journal
            import acme.second
            journal.seen.append("load acme")
            VERSION = "3.1"
            """,
        )
        for name in ("first", "second"):
            text = f"import journal\njournal.seen.append('load {name}')"
            shop.write(f"acme/{name}.py", text)
        shop.write("acme/broken.py", "import nowhere_to_be_found")
        gate = shop.gate()
        app = shop.app("import acme.broken, acme.first, acme.second")
        shop.is_permitted = True

        assert app.acme.VERSION == "3.1"

        assert shop.seen == ["load second", "load acme", "load first"]
        assert not app.acme.broken.use()
        shop.write("acme/broken.py", "import journal; journal.seen += 'b'")
        gate.permitted("acme")
        assert app.acme.VERSION == "3.1"
        assert shop.seen[-1] == "b"

    def test_submodule_by_attribute_is_found(self, shop: Shop) -> None:
        """
        ``from acme import ai`` before the permit gives the module with it.
        """
        shop.gate()
        app = shop.app("from acme import ai, missing")
        shop.is_permitted = True

        assert app.ai.Agent("k").send("abc") == 3
        assert not app.missing()

    def test_star_import_takes_what_is_said(self, shop: Shop) -> None:
        """
        Names come from ``__all__``, or from what the text binds; they work
        with the permit.
        """
        shop.write(
            "acme/listed.py",
            """
            __all__ = ["one"]
            def one(): return 1
            def two(): return 2
            """,
        )
        shop.write(
            "acme/unlisted.py",
            """
            import os.path, json as js
            from json import *
            def one(): return 1
            async def two(): return 2
            class Three: pass
            four: int = 4
            five = six[0] = 5
            _seven = 7
            __all__: list = [*"no literal"]
            """,
        )
        shop.gate()
        app = shop.app(
            "from acme.listed import *\nimport acme.unlisted as unlisted"
        )

        assert not hasattr(app, "two")
        assert unlisted_names(app) == [
            *("Three", "five", "four", "js", "one", "os", "two")
        ]
        assert shop.seen == []
        shop.is_permitted = True
        assert app.one() == 1

    def test_missing_module_is_missing(self, shop: Shop) -> None:
        """
        What is not installed raises as it does without a gate.
        """
        shop.gate(imports=("acme", "not_installed"))

        with pytest.raises(ModuleNotFoundError, match="not_installed"):
            shop.app("import not_installed")
        with pytest.raises(ModuleNotFoundError, match=r"acme\.none"):
            shop.app("import acme.none")

    def test_module_that_fails_fails_with_the_permit(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        An error at import is the import line's with the permit; imported
        before, it is logged and the SDK stays quiet. It may work later.
        """
        shop.write("acme/broken.py", "x = 1\nraise OSError('secret')")
        shop.gate()
        app = shop.app("import acme.broken as broken; from acme import bad")
        shop.is_permitted = True

        assert not app.broken.x
        assert not app.broken.use()
        assert "x" not in vars(app.broken)
        assert caplog.text.count("import acme.broken raised OSError") == 1
        assert "secret" not in caplog.text
        del sys.modules["acme.broken"]
        with pytest.raises(OSError, match="secret"):
            shop.app("import acme.broken")
        shop.write("acme/broken.py", "x = 1 + 1")
        assert shop.app("import acme.broken as b; x = b.x").x == 2

    def test_root_that_fails_is_quiet(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        Where the SDK cannot load at all, uses are dropped and the app lives;
        the gate may be told to try again.
        """
        good = (shop.folder / "acme" / "__init__.py").read_text()
        shop.write("acme/__init__.py", "import nowhere_to_be_found")
        gate = shop.gate()
        app = shop.app("import acme; acme.init('k'); acme.capture('a')")
        shop.is_permitted = True

        gate.permitted("acme")
        assert not app.acme.capture("b")
        assert not app.acme.VERSION
        assert caplog.text.count("import acme raised ModuleNotFound") == 1
        assert gate.dropped == {"acme": 2}

        shop.write("acme/__init__.py", good)
        assert not app.acme.VERSION
        gate.permitted("acme")
        assert app.acme.VERSION == "3.1"
        assert "init k" in shop.seen

    def test_thread_of_the_import_starts_with_the_permit(
        self, shop: Shop
    ) -> None:
        """
        A thread that a module starts when it is imported does not run before
        the permit.
        """
        shop.write(
            "acme/threaded.py",
            """
            import threading
            thread = threading.Thread(target=lambda: None, name="of acme")
            thread.start()
            thread.join()
            """,
        )
        shop.gate()
        before = threading.active_count()
        app = shop.app("import acme.threaded as t; thread = t.thread")
        assert threading.active_count() == before
        assert not app.thread.name
        shop.is_permitted = True

        assert app.t.thread.name == "of acme"

    def test_module_that_replaces_itself_is_gated(self, shop: Shop) -> None:
        """
        An SDK that puts an object, or a class, into the place of its module
        is no less gated.
        """
        shop.write(
            "acme/lazy.py",
            """
            import sys
            from types import ModuleType
            class Lazy(ModuleType):
                @property
                def word(self):
                    return "lazy"
            sys.modules[__name__] = Lazy(__name__)
            """,
        )
        shop.write(
            "acme/changed.py",
            """
            import sys
            from types import ModuleType
            class Changed(ModuleType):
                @property
                def word(self):
                    return "changed"
            sys.modules[__name__].__class__ = Changed
            """,
        )
        gate = shop.gate()
        shop.is_permitted = True
        app = shop.app("import acme.lazy as a, acme.changed as b")

        assert (app.a.word, app.b.word) == ("lazy", "changed")
        app.a.own = app.b.own = 1
        assert (app.a.own, app.b.own) == (1, 1)
        shop.is_permitted = False
        assert not app.a.word
        assert not app.b.word
        assert not app.a.use()
        assert gate.dropped == {"acme": 1}

    def test_namespace_parents_are_left_alone(self, shop: Shop) -> None:
        """
        Of a namespace package only the named part is gated; its neighbours
        load as ever.
        """
        shop.write("ns/cloud/storage/__init__.py", "import journal\nx = 1")
        shop.write("ns/cloud/storage/deep.py", "x = 2")
        shop.write("ns/cloud/other.py", "x = 3")
        shop.write("ns/plain/inner/mod.py", "x = 4")
        shop.gate(imports=("ns.cloud.storage", "ns.plain"))
        app = shop.app(
            """
            from ns.cloud import storage, other
            import ns.cloud.storage.deep as deep
            import ns.plain.inner.mod as mod
            """
        )

        assert app.other.x == 3
        assert app.storage.x != 1
        assert app.deep.x != 2
        assert app.mod.x != 4
        shop.is_permitted = True
        assert (app.storage.x, app.deep.x, app.mod.x) == (1, 2, 4)

    def test_names_alike_are_not_its_own(self, shop: Shop) -> None:
        """
        A package whose name begins alike is another's.
        """
        shop.write("acmeter.py", "x = 1")
        shop.gate()

        app = shop.app("import acmeter; x = acmeter.x")
        del sys.modules["acmeter"]

        assert app.x == 1

    def test_imports_of_many_threads_meet(self, shop: Shop) -> None:
        """
        Threads that import and use at once, some by modules that the SDK
        imports itself, all come to an end and get the real thing.
        """
        shop.write(
            "acme/__init__.py",
            """
            import time
            import journal
            journal.seen.append("load acme")
            VERSION = "1"
            time.sleep(0.05)
            import plugin
            from acme.client import Client
            def init(key):
                import plugin
                journal.seen.append("init")
            def word():
                return "word"
            """,
        )
        shop.write(
            "plugin.py",
            """
            import time
            import acme
            time.sleep(0.05)
            said = acme.word
            """,
        )
        shop.gate()
        app = shop.app("import acme; acme.init('k')")
        shop.is_permitted = True
        lines = (
            "import plugin",
            "import acme; acme.word()",
            "from acme.ai import deep; deep.depth",
            "import acme.late",
        )
        errors: list[BaseException] = []
        start = threading.Barrier(8)

        def run(line: str) -> None:
            start.wait(10)
            try:
                shop.app(line)
            except BaseException as error:
                errors.append(error)

        threads = [
            threading.Thread(target=run, args=(line,), daemon=True)
            for line in lines * 2
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        sys.modules.pop("plugin", None)

        assert not any(thread.is_alive() for thread in threads)
        assert errors == []
        assert app.acme.word() == "word"
        assert shop.seen.count("load acme") == 1
        assert shop.seen.count("init") == 1

    def test_threads_that_wait_for_each_other_end(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        One thread loads the SDK, which imports a module of the app; another
        imports that module, which uses the SDK: both come to an end, and all
        works afterwards.
        """
        shop.write(
            "acme/__init__.py",
            """
            import journal
            journal.in_sdk.set()
            journal.in_plugin.wait(10)
            import plugin
            def word():
                return "word"
            """,
        )
        shop.write(
            "plugin.py",
            """
            import time
            import journal
            journal.in_plugin.set()
            journal.in_sdk.wait(10)
            time.sleep(0.3)  # the SDK waits for this module by now
            import acme
            said = acme.word()
            """,
        )
        shop.write(
            "journal.py",
            """
            import threading
            seen = []
            in_sdk, in_plugin = threading.Event(), threading.Event()
            """,
        )
        shop.gate()
        app = shop.app("import acme")
        shop.is_permitted = True
        errors: list[BaseException] = []

        def run(work: Callable[[], object]) -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)

        threads = [
            threading.Thread(target=run, args=(work,), daemon=True)
            for work in (
                lambda: app.acme.word(),
                lambda: shop.app("import plugin"),
            )
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        sys.modules.pop("plugin", None)

        assert not any(thread.is_alive() for thread in threads)
        assert errors == []
        assert app.acme.word() == "word"
        assert caplog.text == ""

    def test_part_that_is_waited_for_does_not_wait(
        self,
        shop: Shop,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        One thread loads the SDK, which imports a part of it; the app imports
        that part in another: Python may give up one of the imports, and
        afterwards all works.
        """
        in_sdk, in_late = threading.Event(), threading.Event()

        class Pausing:
            def find_spec(self, name: str, *_: object) -> None:
                if name == "acme.late" and not in_late.is_set():
                    in_late.set()
                    time.sleep(0.3)  # the SDK waits for this part by now

        monkeypatch.setattr(sys, "meta_path", [Pausing(), *sys.meta_path])
        shop.write(
            "acme/__init__.py",
            """
            import journal
            VERSION = "1"
            journal.in_sdk.set()
            journal.in_late.wait(10)
            from acme import late
            def word():
                return late.word
            """,
        )
        shop.gate()
        journal = shop.app("import journal").journal
        journal.in_sdk, journal.in_late = in_sdk, in_late
        app = shop.app("import acme")
        shop.is_permitted = True
        thread = threading.Thread(target=lambda: app.acme.VERSION)
        thread.start()

        in_sdk.wait(10)
        with suppress(ImportError):
            shop.app("import acme.late")
        thread.join(30)

        assert not thread.is_alive()
        late = shop.app("import acme.late as late").late
        assert app.acme.word() == late.word == "1"
        assert caplog.text == ""

    def test_child_of_a_fork_goes_on(self, shop: Shop) -> None:
        """
        A forked child asks for itself, be it forked before the permit, or
        while another thread loads or sets up the SDK.
        """
        shop.write(
            "acme/__init__.py",
            """
            import threading
            import time
            import journal
            inside, go = journal.inside, journal.go
            inside.set()
            go.wait(10)
            def capture(event): return "real"
            def init(key):
                inside.set()
                if key == "a":
                    go.wait(10)
                    time.sleep(1)
                journal.seen.append(key)
            """,
        )
        shop.write(
            "journal.py",
            """
            import threading
            seen = []
            inside, go = threading.Event(), threading.Event()
            """,
        )
        program = f"""
import os, sys, threading
sys.path[:0] = [{str(shop.folder)!r}, {str(Path.cwd())!r}]
from pathlib import Path
import shop_of
shop = shop_of.shop
shop.gate()
import acme, journal

def child(work):
    pid = os.fork()
    if not pid:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def permitted():
    shop.is_permitted = True
    journal.go.set()
    return acme.capture("a") == "real"

print(child(lambda: not acme.capture("a")))
print(child(permitted))
shop.is_permitted = True
thread = threading.Thread(target=lambda: acme.capture("a"))
thread.start()
journal.inside.wait(10)
print(child(lambda: not acme.capture("a")))
journal.go.set()
thread.join()
print(acme.capture("a"))
print(child(lambda: acme.capture("a") == "real"))
journal.inside.clear()
journal.go.clear()
shop.is_permitted = False
acme.init("a")
acme.init("b")
shop.is_permitted = True
thread = threading.Thread(target=lambda: acme.capture("a"))
thread.start()
journal.inside.wait(10)
journal.go.set()
print(child(lambda: acme.capture("a") == "real" and journal.seen == ["b"]))
thread.join()
"""
        shop.write(
            "shop_of.py",
            """
            from pathlib import Path
            from tests.registry.acme import Shop
            shop = Shop.__new__(Shop)
            shop.folder, shop.is_permitted, shop.gates = None, False, []
            """,
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

        assert done.stdout.split() == [*"000", "real", *"00"], done


def unlisted_names(app: Any) -> list[str]:
    """
    Give what a star import of ``acme.unlisted`` takes.
    """
    names: list[str] = app.unlisted.__all__
    return names


class TestTools:
    """
    Tests that what looks at modules goes on to work.
    """

    def test_find_spec_and_walk(self, shop: Shop) -> None:
        """
        `find_spec`, `pkgutil` and resources see the real package, before and
        after it is imported, and run none of it.
        """
        shop.write("acme/data.txt", "of acme")
        shop.gate()
        for _ in range(2):
            spec = importlib.util.find_spec("acme")
            assert spec is not None
            assert spec.origin == str(shop.folder / "acme" / "__init__.py")
            shop.app("import acme")
        deep = importlib.util.find_spec("acme.ai.deep")
        acme = sys.modules["acme"]

        assert deep is not None
        assert deep.loader is not None
        assert "class Agent" in inspect.getsource(sys.modules["acme.ai"])
        names = [m.name for m in pkgutil.iter_modules(acme.__path__)]
        assert names == ["ai", "client", "late"]
        text = resources.files("acme").joinpath("data.txt").read_text()
        assert text == "of acme"
        assert pkgutil.get_data("acme", "data.txt") == b"of acme"
        assert "def init" in inspect.getsource(acme)
        assert importlib.util.find_spec("acme.none") is None
        assert importlib.metadata.version("attrs") == attrs.__version__
        assert shop.seen == []

    def test_reload_is_sane(self, shop: Shop) -> None:
        """
        A reload does nothing without a permit, and runs the module again
        with it.
        """
        shop.gate()
        app = shop.app("import acme")

        assert importlib.reload(app.acme) is app.acme
        assert shop.seen == []
        shop.is_permitted = True
        app.acme.capture("a")
        assert importlib.reload(app.acme) is app.acme
        assert shop.seen.count("load acme") == 2
        assert app.acme.VERSION == "3.1"

    def test_other_finders_may_ask_back(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A finder that finds by `find_spec`, as hooks for patches do, works
        together with the gate.
        """

        class Asking:
            busy = False

            def find_spec(self, name: str, *_: object) -> Any:
                if self.busy:
                    return None
                self.busy = True
                try:
                    return importlib.util.find_spec(name)
                finally:
                    self.busy = False

        monkeypatch.setattr(sys, "meta_path", [Asking(), *sys.meta_path])
        shop.gate()
        app = shop.app("import acme.ai as ai; from acme import init")
        assert shop.seen == []
        assert type(app.ai.__spec__.loader._real) is SourceFileLoader
        shop.is_permitted = True

        assert app.ai.Agent("k").send("abc") == 3

    def test_lazy_loader_is_one_more(self, shop: Shop) -> None:
        """
        A module that is to load when it is used does so with the permit.
        """
        shop.gate()
        spec = importlib.util.find_spec("acme")
        assert spec is not None
        assert spec.loader is not None
        loader = spec.loader = importlib.util.LazyLoader(spec.loader)
        module: Any = importlib.util.module_from_spec(spec)
        sys.modules["acme"] = module
        loader.exec_module(module)

        assert not module.capture("before")
        assert shop.app("import acme").acme is module
        assert shop.seen == []
        shop.is_permitted = True
        assert module.VERSION == "3.1"
        module.capture("after")
        assert shop.seen[-1] == "capture after None"

    def test_others_are_passed_by(self, shop: Shop) -> None:
        """
        The finder says nothing of modules that no entry names.
        """
        shop.gate(imports=("acme", "ns.cloud.storage"))
        finder: Any = sys.meta_path[0]

        assert finder.find_spec("json", None) is None
        assert finder.find_spec("acmeter", None) is None
        assert finder.find_spec("ns", None) is None
        assert finder.find_spec("ns.cloud", None) is None
        assert "acme" in repr(finder)

    def test_native_modules_load_with_the_permit(self, shop: Shop) -> None:
        """
        A module in C is bare before the permit, and works with it.
        """
        import _heapq

        origin = Path(getattr(_heapq, "__file__", "") or "")
        if not origin.is_file():
            pytest.skip("this Python has its modules in C built in")
        suffix = "".join(origin.suffixes)
        target = shop.folder / "acme" / f"_heapq{suffix}"
        target.write_bytes(origin.read_bytes())
        importlib.invalidate_caches()
        shop.gate()
        app = shop.app("import acme._heapq as h")
        assert not app.h.heappop([1])
        shop.is_permitted = True

        assert app.h.heappop([1]) == 1


#: What each SDK needs of an app, as its users write it: setting it up, and
#: using it. It sends to PORT of this machine.
APPS = {
    "posthog": (
        """
        import posthog
        from posthog import Posthog
        posthog.api_key = "phc_module"
        posthog.host = "http://127.0.0.1:PORT"
        client = Posthog("phc_client", host="http://127.0.0.1:PORT")
        """,
        """
        posthog.capture("of the module", distinct_id="me")
        client.capture("of a client", distinct_id="me")
        with posthog.new_context():
            posthog.tag("a", "b")
        posthog.flush()
        client.flush()
        """,
    ),
    "sentry": (
        """
        import logging
        import sentry_sdk
        from sentry_sdk import capture_message
        from sentry_sdk.integrations.logging import LoggingIntegration
        sentry_sdk.init(
            dsn="http://public@127.0.0.1:PORT/1",
            integrations=[LoggingIntegration(event_level=logging.ERROR)],
            traces_sample_rate=1.0,
        )

        @sentry_sdk.trace
        def divide(a, b):
            return a / b
        """,
        """
        with sentry_sdk.start_transaction(name="x") as transaction:
            transaction.set_tag("a", "b")
        try:
            divide(1, 0)
        except ZeroDivisionError as error:
            sentry_sdk.capture_exception(error)
        capture_message("hello")
        sentry_sdk.flush()
        """,
    ),
    "mixpanel": (
        """
        from mixpanel import Consumer, Mixpanel, MixpanelException
        consumer = Consumer(
            events_url="http://127.0.0.1:PORT/track", retry_limit=0
        )
        client = Mixpanel("token", consumer=consumer)
        """,
        """
        try:
            client.track("me", "event")
        except MixpanelException:
            pass
        """,
    ),
}

# Reports what the SDK touched in each stage, as JSON; the first answer of the
# test's server tells the last stage from the end of the process.
PROGRAM = """
import json, os, sys
sdk, packages, port, data_dir = sys.argv[1:]
sys.dont_write_bytecode = True
sys.path.insert(0, packages)
import consentkit
from consentkit.policy import parse_policy
from consentkit.registry import load_registry
from consentkit.registry.imports import ImportGate
from tests.registry.test_imports import APPS, policy_for

kit = consentkit.open(parse_policy(policy_for(sdk)), data_dir=data_dir)
entry = load_registry()[sdk]

def refused(_):
    answer = kit.decide_function("uses")
    return answer if isinstance(answer, consentkit.Refusal) else None

gate = ImportGate(entries={sdk: entry}, refused=refused)
gate.install()
stage, report = "before", {}

def watch(event, args):
    if event == "open" and str(args[0]).startswith(packages):
        report.setdefault(stage, []).append(str(args[0]))
    elif event.startswith("socket.") and event != "socket.__new__":
        report.setdefault(stage, []).append(event)

sys.addaudithook(watch)
import textwrap
setup, use = (
    textwrap.dedent(one).replace("PORT", port) for one in APPS[sdk]
)
app = {"__name__": "__main__"}
exec(setup, app)
exec(use, app)
outside = {m for m in sys.modules if m.startswith(("requests", "urllib3"))}
dropped = dict(gate.dropped)

stage = "granted"
kit.consent.show("uses")
kit.consent.grant("uses")
gate.permitted(sdk)
exec(use, app)

stage = "withdrawn"
kit.consent.withdraw("uses")
print(json.dumps("withdrawn"), flush=True)
input()
exec(use, app)
exec("import " + entry.package.imports[0] + " as again", app)
print(json.dumps({"report": report, "outside": sorted(outside),
                  "dropped": dropped}), flush=True)
input()
"""


def policy_for(sdk: str) -> str:
    """
    Give a policy with one function, which uses this SDK.
    """
    tree = tables()
    tree["functions"] = [
        {
            "id": "uses",
            "category": "third_party",
            "name": "With an SDK",
            "text": "May we?",
            "basis": ["consent"],
            "on_refusal": "degraded",
            "sdk": sdk,
        }
    ]
    return to_toml(tree)


class Server(ThreadingHTTPServer):
    """
    Counts what arrives.
    """

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.connections = 0
        super().__init__(("127.0.0.1", 0), Answer)

    def process_request(self, *args: Any) -> None:
        self.connections += 1
        super().process_request(*args)


class Answer(BaseHTTPRequestHandler):
    """
    Says that all is well.
    """

    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.paths.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": 1}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    """
    A server on this machine, for one test.
    """
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The real SDKs, in the versions that their entries were read from.
    """
    folder = tmp_path_factory.mktemp("packages")
    found = [load_registry()[sdk].package for sdk in APPS]
    names = [f"{p.distributions[0]}=={p.version}" for p in found if p]
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    only = ["--only-binary", ":all:", "--no-compile", "--target", str(folder)]
    done = subprocess.run(
        [*pip, *only, *names], check=False, capture_output=True, text=True
    )
    if done.returncode:
        needs._absent(
            "needs the real SDKs, which pip cannot install here",
            strict=needs._STRICT,
        )
    return folder


@pytest.mark.usefixtures("unmeasured")
class TestRealSDKs:
    """
    Tests with the SDKs themselves, each in a process of its own.
    """

    @pytest.mark.parametrize("sdk", APPS)
    def test_sends_with_consent_alone(
        self, sdk: str, packages: Path, server: Server, tmp_path: Path
    ) -> None:
        """
        Before the yes no file of the SDK is opened and no network used; with
        it events arrive; after the withdrawal, and at the end of the
        process, not one more.
        """
        port = server.server_address[1]
        child = subprocess.Popen(
            [
                *(sys.executable, "-c", PROGRAM),
                *(sdk, str(packages), str(port), str(tmp_path / "data")),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == '"withdrawn"\n'
            arrived, connected = len(server.paths), server.connections
            child.stdin.write("\n")
            child.stdin.flush()
            said = json.loads(child.stdout.readline())
            child.stdin.write("\n")

        assert child.returncode == 0
        assert "before" not in said["report"]
        assert said["outside"] == []
        assert said["dropped"][sdk] >= 1
        assert any(str(packages) in one for one in said["report"]["granted"])
        assert arrived >= 1
        assert "withdrawn" not in said["report"]
        assert len(server.paths) == arrived
        assert server.connections == connected


class TestErrors:
    """
    Tests for imports that raise.
    """

    def test_import_says_what_to_do(self, shop: Shop) -> None:
        """
        The error is an `ImportError` that names module, SDK, function and
        reason; nothing is left behind, and after the grant it works.
        """
        shop.gate(mode="error")

        with pytest.raises(SDKNotPermittedError) as caught:
            shop.app("import acme.ai")

        error = caught.value
        assert isinstance(error, ImportError)
        assert isinstance(error, ConsentKitError)
        assert (error.name, error.sdk) == ("acme", "acme")
        assert error.refusal.reason is Reason.NOT_ASKED
        assert str(error) == (
            "acme is not loaded: the SDK 'acme' needs a permit (uses_acme: "
            "refused, the person has not been asked yet); import it once the "
            "person has granted 'uses_acme'"
        )
        assert not [name for name in sys.modules if name.startswith("acme")]
        assert shop.seen == []
        shop.is_permitted = True
        app = shop.app("import acme.ai; from acme import Client")
        assert type(app.acme) is type(sys)
        assert app.Client("k").send("abc") == 3

    def test_find_spec_raises_nothing(self, shop: Shop) -> None:
        """
        Whoever only looks whether it is installed is told that it is.
        """
        shop.gate(mode="error")

        assert importlib.util.find_spec("acme") is not None
        with pytest.raises(ImportError):
            importlib.util.find_spec("acme.ai")

    def test_sdk_goes_on_to_load_its_parts(self, shop: Shop) -> None:
        """
        After a withdrawal, what is loaded finds its own modules; the app
        gets no new ones.
        """
        shop.gate(mode="error")
        shop.is_permitted = True
        app = shop.app("import acme")
        shop.is_permitted = False

        assert app.acme.late() == "3.1"
        with pytest.raises(SDKNotPermittedError):
            shop.app("import acme.ai")

    def test_apps_that_can_do_without_do_without(self, shop: Shop) -> None:
        """
        The usual ``except ImportError`` catches it.
        """
        shop.gate(mode="error")

        app = shop.app(
            """
            try:
                import acme
            except ImportError:
                acme = None
            """
        )

        assert app.acme is None


class TestGate:
    """
    Tests for the gate as a whole.
    """

    def test_remove_gives_the_imports_free(self, shop: Shop) -> None:
        """
        Without the gate, new imports are the real ones; what was handed out
        under it stays quiet. Twice is as once.
        """
        gate = shop.gate()
        app = shop.app("import acme; c = acme.Client('k')")
        assert repr(gate) == "<ImportGate: 1 SDKs, on>"
        shop.is_permitted = True

        gate.remove()
        gate.remove()

        assert repr(gate) == "<ImportGate: 1 SDKs, off>"
        assert not app.c.send("abc")
        assert not app.acme.VERSION
        assert shop.seen == []
        assert shop.app("import acme; v = acme.VERSION").v == "3.1"
        gate.permitted("acme")

    def test_remove_lets_go_of_nothing_that_is_loaded(
        self, shop: Shop
    ) -> None:
        """
        Modules that were loaded under it are quiet after its end, until
        another gate permits them.
        """
        gate = shop.gate()
        shop.is_permitted = True
        app = shop.app("import acme; acme.init('k'); c = acme.get_client()")
        gate.remove()

        assert not app.c.send("abc")
        assert not shop.app("import acme; v = acme.VERSION").v
        again = shop.gate()
        assert again.already_loaded == ("acme",)
        assert app.c.send("abc") == 3

    def test_install_twice_is_as_once(self, shop: Shop) -> None:
        """
        A gate is installed once.
        """
        before = len(sys.meta_path)
        gate = shop.gate()

        gate.install()

        assert len(sys.meta_path) == before + 1

    def test_each_gate_must_permit(self, shop: Shop) -> None:
        """
        A module that two kits name needs both permits; each counts what is
        dropped.
        """
        other = Refusal(reason=Reason.WITHDRAWN, function="other")
        answers: list[Refusal | None] = [other]
        first = shop.gate()
        second = shop.gate(refused=lambda _: answers[0])
        app = shop.app("import acme; acme.init('b')")

        shop.is_permitted = True
        assert not app.acme.VERSION
        app.acme.capture("a")
        assert shop.seen == []
        answers[0] = None
        assert app.acme.VERSION == "3.1"
        shop.is_permitted = False
        app.acme.capture("a")
        assert first.dropped == second.dropped == {"acme": 2}
        first.remove()
        assert app.acme.VERSION == "3.1"

    def test_an_error_of_one_is_an_error(self, shop: Shop) -> None:
        """
        Where one of two gates wants errors, the import raises, whoever of
        them refuses.
        """
        shop.gate()
        shop.gate(mode="error")

        with pytest.raises(SDKNotPermittedError):
            shop.app("import acme")
        shop.is_permitted = True
        app = shop.app("import acme")
        shop.is_permitted = False
        assert not app.acme.VERSION

    def test_names_what_is_loaded_already(
        self, shop: Shop, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        An SDK that was imported before is named, in the log too; what the
        app asks its module for is gated all the same.
        """
        app = shop.app("import acme; from acme import capture; acme.init(1)")

        gate = shop.gate()

        assert gate.already_loaded == ("acme",)
        assert "acme was imported before it was gated" in caplog.text
        assert not app.acme.get_client().send("a")
        app.capture("out of reach")
        assert shop.seen[-1] == "capture out of reach None"
        shop.is_permitted = True
        assert app.acme.get_client().send("abc") == 3

    def test_doubt_is_a_no(self, shop: Shop) -> None:
        """
        Where the question itself fails, nothing loads.
        """

        def refused(_: str) -> None:
            raise OSError

        shop.gate(refused=refused)
        app = shop.app("import acme; acme.capture('a')")

        assert not app.acme.VERSION
        assert shop.seen == []

    def test_entry_without_a_package_is_passed_over(self) -> None:
        """
        SDKs of phones have no modules to gate.
        """
        entries = {"umeng": load_registry()["umeng"]}
        gate = ImportGate(entries=entries, refused=lambda _: None)

        gate.install()
        gate.permitted("umeng")
        gate.ended("umeng")
        gate.remove()

        assert gate.already_loaded == ()
        assert not gate.dropped
