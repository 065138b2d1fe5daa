# SPDX-License-Identifier: MIT
"""
The modules of gated SDKs: one object each, empty until the permit comes.

No lock of ours is held while a module is loaded, only those of Python's
import system, which finds out when two threads wait for each other.
"""

from __future__ import annotations

import ast
import sys
import threading

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.abc import Loader
from types import FrameType, ModuleType
from typing import Any, Final, Literal, TypeAlias, cast, final
from weakref import WeakValueDictionary

from attrs import frozen

from consentkit._fork import Mutex, watch_forks
from consentkit.gate import Reason, Refusal
from consentkit.registry._calls import Calls, join
from consentkit.registry._quiet import QUIET, is_dunder
from consentkit.registry.standin import (
    IMPORTING,
    Assignment,
    Attribute,
    Call,
    Path,
    StandIn,
    UnusableError,
    patience_seconds,
    put,
    quiet_name,
    text_of,
    unusable,
    unwrap,
    wrap,
)


__all__ = ["GuardedModule", "Node", "Tree", "Warden", "ending", "importer"]

_MARK: Final = "__consentkit__"
#: Python's own code that looks for the class of an object that it packs.
_PACKING: Final = frozenset({"concurrent", "multiprocessing", "pickle"})
_MOST_STEPS: Final = 64
#: Threads that end what was set up before.
ending: Final = threading.local()
_NOBODY: Final = Refusal(reason=Reason.CLOSED, function="")

Step: TypeAlias = Assignment | Call


@frozen(eq=False)
class Warden:
    """
    One gate's say on one SDK.

    Attributes:
        sdk: Its id.

        refused: Why it may not be used now, or ``None``.

        drop: Called for each use that is dropped.

        calls: What its calls are for.

        family: Names of its modules, each with a ``.`` at the end.

        mode: What an import without a permit gives.
    """

    sdk: str
    refused: Callable[[], Refusal | None]
    drop: Callable[[], None]
    calls: Calls
    family: tuple[str, ...]
    mode: Literal["stand-in", "error"]

    def ask(self) -> Refusal | None:
        """
        Tell why it may not be used now; when in doubt, it may not.
        """
        try:
            return self.refused()
        except Exception:  # noqa: BLE001 - such as at the end of Python
            return _NOBODY


@final
class Tree:
    """
    A top module of an SDK and all below it, for the whole process.

    It is open while all of its wardens permit it, and closed without any.

    Attributes:
        root: Name of the top module.

        nodes: Its modules by name, as far as they were imported.

        bare: Those that were imported, and that wait for the permit.

        calls: What its calls are for.

        generation: How often what was set up has ended.

        lock: Held while something is made or set up; never by an import.

        faces: The one stand-in of each thing, by the thing's identity.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.wardens: tuple[Warden, ...] = ()
        self.nodes: dict[str, Node] = {}
        self.bare: list[Node] = []
        self.calls: Calls = Calls()
        self.generation: int = 0
        self.lock: Any = threading.RLock()
        self.faces: WeakValueDictionary[int, StandIn] = WeakValueDictionary()
        self.quick: Mutex = Mutex()
        self._family: tuple[str, ...] = (f"{root}.",)
        self._steps: list[Step] = []
        self._done = 0
        self._is_setting_up = False
        self._is_broken = False
        self._loader = 0
        self._placeholders: dict[str, type[BaseException]] = {}
        watch_forks(self)

    def __repr__(self) -> str:
        return f"<Tree {self.root}: {len(self.nodes)} modules>"

    # Who has a say.

    def join(self, warden: Warden) -> None:
        """
        Add a warden.
        """
        self._take(*self.wardens, warden)

    def leave(self, warden: Warden) -> None:
        """
        Take a warden away. Without any, what is not loaded is forgotten, and
        what was handed out stays quiet.
        """
        self._take(*(w for w in self.wardens if w is not warden))
        if self.wardens:
            return
        self.bare.clear()
        for node in self.nodes.values():
            if node.state == "bare":
                node.hide()

    def _take(self, *wardens: Warden) -> None:
        names = {name for w in wardens for name in w.family}
        self._family = tuple({f"{self.root}.", *names})
        self.calls = join(w.calls for w in wardens)
        self.wardens = wardens

    def refusal(self) -> Refusal | None:
        """
        Tell why it may not be used now.
        """
        for warden in self.wardens:
            refusal = warden.ask()
            if refusal is not None:
                return refusal
        return None if self.wardens else _NOBODY

    @property
    def is_guarded(self) -> bool:
        """
        Whether anybody wants stand-ins.
        """
        return any(w.mode == "stand-in" for w in self.wardens)

    def owns(self, module: object) -> bool:
        """
        Tell whether code of the module of this name is the SDK's own.
        """
        return isinstance(module, str) and f"{module}.".startswith(
            self._family
        )

    def drop(self) -> None:
        """
        Count a use that is dropped.
        """
        for warden in self.wardens:
            warden.drop()

    # Open and closed.

    def is_open(self) -> bool:
        """
        Tell whether it may be used now; then it is loaded and set up.
        """
        if self.refusal() is not None:
            return False
        is_set_up = self._done == len(self._steps)
        if is_set_up and not self.bare and not self._is_setting_up:
            return not self._is_broken
        return not self._is_broken and self._open()

    def _open(self) -> bool:
        if any(node.is_loading_here for node in [*self.nodes.values()]):
            return True  # what the SDK calls while it is loaded
        try:
            self._load()
        except UnusableError:
            root = self.nodes[self.root]
            self._is_broken = root.has_failed
            return False
        if not self.lock.acquire(timeout=patience_seconds()):
            return False
        try:
            # What sets it up may call the app, which may use it.
            return self._is_setting_up or self._set_up()
        finally:
            self.lock.release()

    def _load(self) -> None:
        """
        Load the top module, and all that the app has imported so far.
        """
        with self.quick:
            bare = [*self.bare]
            is_first = self._loader in {0, threading.get_ident()}
            if is_first and bare:
                self._loader = threading.get_ident()
                for node in bare:  # so that the SDK's own imports load them
                    if node.state == "bare":
                        node.hide()
        try:
            root = self.nodes.get(self.root)
            if root is not None:
                root.load()
            for node in bare:
                with suppress(UnusableError):
                    node.load()
        finally:
            for node in bare:
                node.show()
            with self.quick:
                if is_first:
                    self._loader = 0
                self.bare = [n for n in self.bare if n.is_waiting]

    def _set_up(self) -> bool:
        self._is_setting_up = True
        try:
            while (step := self._next()) is not None:
                if self.refusal() is not None:
                    self._done -= 1
                    return False
                with suppress(UnusableError):
                    step.do()
        finally:
            self._is_setting_up = False
        return True

    def _next(self) -> Step | None:
        with self.quick:
            if self._done >= len(self._steps):
                return None
            self._done += 1
            return self._steps[self._done - 1]

    def set_up(self) -> None:
        """
        Do what waits for the permit, if it is there now.
        """
        self._is_broken = False
        for node in [*self.nodes.values()]:
            if node.has_failed:
                node.forgive()
                self.bare.append(node)
        if self._done < len(self._steps):
            self.is_open()

    def end(self) -> None:
        """
        Have it set up anew at the next use under a permit.

        What was set up before is ended on the side: that may take long, and
        what it sends is refused.
        """
        with self.quick:
            self.generation += 1
            self._done = 0
            steps = [*self._steps]
        made = [step.made() for step in steps if isinstance(step, Call)]
        ends = [end for one in made if one is not None for end in one.ends()]
        if ends:
            threading.Thread(
                target=_do_all,
                args=(ends,),
                name="consentkit-end",
                daemon=True,
            ).start()

    def remember(self, step: Step) -> None:
        """
        Keep what sets it up, in order; of too much, the oldest goes.
        """
        with self.quick:
            if self._takes_place(step):
                return
            if len(self._steps) >= _MOST_STEPS:
                del self._steps[0]
                self._done = max(0, self._done - 1)
            self._steps.append(step)

    def _takes_place(self, step: Step) -> bool:
        # An assignment replaces an earlier one if no call came between.
        for i in range(len(self._steps) - 1, self._done - 1, -1):
            earlier = self._steps[i]
            if isinstance(earlier, Call) or isinstance(step, Call):
                return False
            if earlier.owner is step.owner and earlier.path == step.path:
                self._steps[i] = step
                return True
        return False

    def has_call(self, path: str) -> bool:
        """
        Tell whether a call of *path* is kept.
        """
        calls = (s for s in [*self._steps] if isinstance(s, Call))
        return any(call.path == path for call in calls)

    # Forks.

    def before_fork(self) -> None:
        """
        Wait for nothing: an SDK may take long to load.
        """

    def after_fork(self, *, in_child: bool) -> None:
        """
        In a child, whose other threads are gone, make the lock anew.
        """
        if not in_child:
            return
        if any(node.is_loading_elsewhere for node in self.nodes.values()):
            self._is_broken = True  # that never ends here
        self._loader = 0
        if self.lock.acquire(blocking=False):
            self.lock.release()
            return
        self.lock = threading.RLock()
        self._is_setting_up = False

    # Modules.

    def node(self, name: str) -> Node:
        """
        Give the node of a module; it is made when it is asked for first.
        """
        node = self.nodes.get(name)
        return node or self.nodes.setdefault(name, Node(self, name))

    def find_in(self, module: ModuleType, name: str) -> Any:
        """
        Give the real thing of a module, be it of this SDK or not.
        """
        node = self.nodes.get(module.__name__)
        if node is None or node.module is not module:
            return getattr(module, name)
        return node.find(name)

    def guard_loaded(self) -> bool:
        """
        Tell whether modules are loaded already, and guard them.
        """
        found = False
        for name, module in [*sys.modules.items()]:
            if not f"{name}.".startswith(f"{self.root}."):
                continue
            if isinstance(module, GuardedModule):
                found |= self.node(name).is_loaded
                continue
            found = True
            if self.is_guarded and type(module) is ModuleType:
                self.nodes[name] = Node(self, name, module)
        return found

    # Exceptions, which must be classes before they are there.

    def placeholder(self, path: str) -> type[BaseException]:
        """
        Give a class that stands for the exception of this *path*.
        """
        found = self._placeholders.get(path)
        if found is None:
            base = Warning if path.endswith("Warning") else Exception
            module, _, name = path.rpartition(".")
            made = type(name, (base,), {"__module__": module})
            found = self._placeholders.setdefault(path, made)
        return found

    def adopt(self, error: BaseException) -> None:
        """
        Make *error* one of the placeholders that stand for its class.

        So an ``except`` with a class that was imported before the permit
        catches it.
        """
        fakes = tuple(
            fake
            for path, fake in [*self._placeholders.items()]
            if isinstance(error, self._known(path))
            and not isinstance(error, fake)
        )
        if fakes:
            kind = type(error)
            space = {"__module__": kind.__module__}
            with suppress(TypeError):  # where C lays it out in another way
                error.__class__ = type(kind.__name__, (kind, *fakes), space)

    def _known(self, path: str) -> type:
        module, _, name = path.rpartition(".")
        node = self.nodes.get(module)
        found = node.module.__dict__.get(name) if node is not None else None
        return found if isinstance(found, type) else _Unknown


class _Unknown:
    """
    A class of nothing.
    """


@final
class Node:
    """
    One module of a tree, and what is known of it.

    Attributes:
        state: ``bare`` before its code has run.

        module: What is in `sys.modules`.
    """

    def __init__(
        self, tree: Tree, name: str, loaded: ModuleType | None = None
    ) -> None:
        self.tree = tree
        self.name = name
        self.state: Literal["bare", "loading", "loaded"] = "bare"
        self._thread = 0
        self._problem: UnusableError | None = None
        self._made: dict[str, Any] = {}
        self._assigned: dict[Path, object] = {}
        #: The object that an SDK puts into its own place, if it does.
        self._instead: Any = None
        self.module: GuardedModule
        if loaded is None:
            self.module = GuardedModule(name)
        else:
            loaded.__class__ = GuardedModule
            self.module = cast("GuardedModule", loaded)
            self.state = "loaded"
        self.module.__dict__[_MARK] = self

    def __repr__(self) -> str:
        return f"<Node {self.name}: {self.state}>"

    @property
    def is_loaded(self) -> bool:
        """
        Whether its code has run.
        """
        return self.state == "loaded"

    @property
    def has_failed(self) -> bool:
        """
        Whether its code raised when it was to be used.
        """
        return self._problem is not None

    @property
    def is_waiting(self) -> bool:
        """
        Whether its code has not run yet, and may.
        """
        return self.state == "bare" and not self.has_failed

    @property
    def is_loading_here(self) -> bool:
        """
        Whether this thread is about to load it.
        """
        me = threading.get_ident()
        return self.state == "loading" and self._thread == me

    @property
    def is_loading_elsewhere(self) -> bool:
        """
        Whether another thread is.
        """
        return self.state == "loading" and not self.is_loading_here

    def load(self) -> None:
        """
        Have its code run, once; wait for another thread that does so.

        Raises:
            UnusableError: If it fails.
        """
        if self.is_loaded:
            return
        if self._problem is not None:
            raise self._problem
        parent = self.tree.nodes.get(self.name.rpartition(".")[0])
        if parent is not None:
            parent.load()
        with self.tree.quick:
            is_mine = self.state == "bare"
            if is_mine:
                self.state, self._thread = "loading", threading.get_ident()
        if not is_mine and self.is_loading_here:
            return
        try:
            if is_mine:
                self.hide()
            found = import_module(self.name)
        except Exception as error:  # noqa: BLE001 - the import line is past
            if self.is_loading_elsewhere or _is_deadlock(error):
                raise UnusableError(self.name) from None  # till next time
            self._problem = self._unusable(f"import {self.name}", error)
        else:
            if is_mine and found is not self.module:
                self._instead = found  # our finder was taken away meanwhile
                self.state = "loaded"
            return
        finally:
            if is_mine and self.is_loading_here:
                self.state = "bare"
            self.show()
        raise self._problem

    def _unusable(self, what: str, error: BaseException) -> UnusableError:
        # What names a module names nothing else.
        is_plain = isinstance(error, ModuleNotFoundError)
        text = text_of(error) if is_plain else ""
        return unusable(self.tree, what, error, text=text)

    def hide(self) -> None:
        """
        Have the next import of it load it.
        """
        if sys.modules.get(self.name) is self.module:
            del sys.modules[self.name]

    def show(self) -> None:
        """
        Have it imported as it is.
        """
        sys.modules.setdefault(self.name, self.module)

    def forgive(self) -> None:
        """
        Let it load again, though it failed.
        """
        self._problem = None

    def execute(self, loader: Loader, native: ModuleType | None) -> None:
        """
        Run its code; Python's lock for this module is held.

        Args:
            loader: The real one.

            native: What the loader has made, if it makes modules itself.
        """
        self.state, self._thread = "loading", threading.get_ident()
        space = self.module.__dict__
        before = {*space}
        try:
            loader.exec_module(native or self.module)
        except BaseException:
            for name in {*space} - before:
                del space[name]
            self.state = "bare"
            raise
        if native is not None:
            space.update(
                {k: v for k, v in vars(native).items() if not is_dunder(k)}
            )
        found = sys.modules.get(self.name)
        if found is not None and found is not self.module:
            self._instead = found
            sys.modules[self.name] = self.module
        self.state, self._problem = "loaded", None

    # Names.

    def plain(self, name: str) -> Any:
        """
        Give the real thing of this name.
        """
        if self._instead is not None:
            return getattr(self._instead, name)
        return super(GuardedModule, self.module).__getattribute__(name)

    def get(self, name: str, asker: str) -> Any:
        """
        Give what code of the module *asker* gets for a name.
        """
        if self.tree.owns(asker):
            self.load()
            return self.plain(name)
        if self.is_loaded and asker.partition(".")[0] in _PACKING:
            return self.plain(name)
        if not self.tree.is_open():
            below = self.module.__dict__.get(name)
            return (
                below if _is_below(below, self.name, name) else self.stub(name)
            )
        try:
            self.load()
        except UnusableError:
            return self.stub(name)
        try:
            found = self.plain(name)
        except AttributeError:
            # It was said to be there before: a module, as like as not.
            if name not in self._made:
                raise
            found = import_module(f"{self.name}.{name}")
        found = wrap(self.tree, found, f"{self.name}.{name}")
        if not isinstance(found, StandIn):
            return found
        return self._named(name)

    def stub(self, name: str) -> Any:
        """
        Give what stands for a name.
        """
        made = self._made.get(name)
        if made is not None and not self._assigned:
            return made
        found = quiet_name(self.tree, f"{self.name}.{name}", self)
        if isinstance(found, StandIn):
            return self._named(name)
        return found

    def _named(self, name: str) -> Any:
        # The same before the permit, with it and after it.
        made = self._made.get(name)
        if made is None:
            path = f"{self.name}.{name}"
            face = StandIn(Attribute(self.tree, path, self))
            made = self._made.setdefault(name, face)
        return made

    def set(self, name: str, value: object, asker: object) -> None:
        """
        Assign, for code of the module *asker*.
        """
        if self.tree.owns(asker):
            self._set_plain(name, value)
            return
        is_open = self.tree.is_open()
        if is_open:
            self.load()
            self._set_plain(name, unwrap(value))
        self.assign((name,), value, is_done=is_open)

    def delete(self, name: str, asker: object) -> None:
        """
        Delete a name, for code of the module *asker*.
        """
        is_own = self.tree.owns(asker)
        if not is_own:
            self._assigned.pop((name,), None)
        if is_own or self.tree.is_open():
            self.load()
            super(GuardedModule, self.module).__delattr__(name)

    def _set_plain(self, name: str, value: object) -> None:
        if self._instead is not None:
            setattr(self._instead, name, value)
        else:
            super(GuardedModule, self.module).__setattr__(name, value)

    def find(self, name: str) -> Any:
        """
        Give the real thing of this name, be it a module that is not loaded.

        Raises:
            UnusableError: If there is none.
        """
        self.load()
        with suppress(AttributeError):
            return self.plain(name)
        try:
            return import_module(f"{self.name}.{name}")
        except Exception as error:  # noqa: BLE001 - the import line is past
            what = f"{self.name}.{name}"
            raise self._unusable(what, error) from None

    def assign(self, path: Path, value: object, *, is_done: bool) -> None:
        """
        Remember an assignment.
        """
        self._assigned[path] = value
        if not is_done:
            step = Assignment(self, path, lambda: self._put(path, value))
            self.tree.remember(step)

    def _put(self, path: Path, value: object) -> None:
        if len(path) > 1:
            put(self.find(path[0]), path[1:], value)
        else:
            self.load()
            self._set_plain(path[0], unwrap(value))

    def assigned(self, path: Path) -> object:
        """
        Give what was assigned last.
        """
        return self._assigned.get(path, QUIET)

    def special(self, name: str, asker: object) -> Any:
        """
        Give ``__all__`` or ``__version__``.
        """
        if self.state == "bare" and not self.tree.owns(asker):
            if self.tree.is_open():
                with suppress(UnusableError):
                    self.load()
            if self.state == "bare":
                return self._names() if name == "__all__" else QUIET
        return self.plain(name)

    def _names(self) -> list[str]:
        # A star import binds names, so it needs to know them: they are read
        # off the text, which does not run.
        spec = self.module.__spec__
        read = getattr(spec and spec.loader, "get_source", lambda _: None)
        return sorted(_bound(ast.parse(read(self.name) or "")))


def _do_all(acts: list[Callable[[], object]]) -> None:
    ending.is_here = True
    for act in acts:
        with suppress(Exception):  # it is the SDK's
            act()


def _is_deadlock(error: BaseException) -> bool:
    # Python's own error for threads that wait for each other has no name.
    return type(error).__name__ == "_DeadlockError"


def _is_below(found: object, module: str, name: str) -> bool:
    return (
        isinstance(found, GuardedModule)
        and found.__name__ == f"{module}.{name}"
    )


def _bound(text: ast.Module) -> set[str]:
    """
    List what a star import takes of a module with this *text*.
    """
    names = set()
    for node in text.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Import(names=found) | ast.ImportFrom(names=found):
                names |= {(a.asname or a.name).split(".")[0] for a in found}
            case ast.Assign() | ast.AnnAssign():
                targets = (
                    node.targets
                    if isinstance(node, ast.Assign)
                    else [node.target]
                )
                for target in targets:
                    if isinstance(target, ast.Name):
                        names.add(target.id)
                    if getattr(target, "id", "") == "__all__":
                        with suppress(ValueError, TypeError):
                            return {*ast.literal_eval(node.value or target)}
    return {name for name in names if name[:1] not in {"_", "*"}}


class GuardedModule(ModuleType):
    """
    A module of an SDK that asks for the permit when it is used.
    """

    def __getattribute__(self, name: str) -> Any:
        own = super().__getattribute__
        if is_dunder(name) and name not in {"__all__", "__version__"}:
            return own(name)
        node: Node | None = own("__dict__").get(_MARK)
        if node is None:
            return own(name)
        asker = importer(sys._getframe(1))  # noqa: SLF001 - whoever asks
        if is_dunder(name):
            return node.special(name, asker)
        return node.get(name, asker)

    def __setattr__(self, name: str, value: Any) -> None:
        node: Node | None = self.__dict__.get(_MARK)
        if name == "__class__" and value.__module__ == "importlib.util":
            return  # `LazyLoader`, for a module that is lazy already
        if name == "__class__" and not issubclass(value, GuardedModule):
            value = type(value.__name__, (GuardedModule, value), {})
        if (
            node is None
            or is_dunder(name)
            or _is_below(value, node.name, name)
        ):
            super().__setattr__(name, value)
            return
        asker = importer(sys._getframe(1))  # noqa: SLF001 - as above
        node.set(name, value, asker)

    def __delattr__(self, name: str) -> None:
        node: Node | None = self.__dict__.get(_MARK)
        if node is None or is_dunder(name):
            super().__delattr__(name)
            return
        asker = importer(sys._getframe(1))  # noqa: SLF001 - as above
        node.delete(name, asker)

    def __reduce_ex__(self, protocol: object) -> Any:
        msg = f"the module {self.__name__} cannot be pickled or copied"
        raise TypeError(msg)


def importer(frame: FrameType | None) -> str:
    """
    Name the module that *frame* belongs to, or that has it import.
    """
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if not isinstance(name, str):
            return ""
        if name.partition(".")[0] not in IMPORTING:
            return name
        frame = frame.f_back
    return ""
