# SPDX-License-Identifier: MIT
"""
Stand-ins: what an app holds of an SDK, instead of the SDK.

A module of an SDK is a `GuardedModule` from its first import on: empty until
the permit comes, and then filled with its own code. It is one object all the
time, so that ``import`` lines of app and SDK go on to mean the same. Whoever
asks it for a name gets

- the SDK's own code: the real thing, always;
- everybody else: a `StandIn` for it, which asks for the permit at each use.

Without a permit a use does nothing and gives nothing. It is dropped and
counted, and never done later: that would send what was done before consent.
What sets the SDK up is kept and done when the permit comes: assignments, and
the calls that its entry names (``package.setup``). What is made of a class, or
by a call that only gives a handle, is made at its first use under a permit.
What is given a function of the app, as middleware is, passes on to it, and a
call that is given a default gives that. After a withdrawal every stand-in does
nothing again, those of instances too.

Limits:

- ``type()`` of a stand-in is a `StandIn`, also of a class: ``match``, single
  dispatch and abstract classes do not take it for one. It can neither be
  pickled nor copied, and goes into JSON only as the result of a call.
- Texts, numbers, collections, exceptions, enumerations and things of other
  packages that an SDK gives are real; so is what it hands to functions of
  the app, and what is made of a class that the app derived from one of it.
- A class that was derived from a stand-in without a permit has an empty base
  for good, and a function that was decorated without one stays as it was.
- A function that was decorated with a permit is without decoration when it
  has none, if the SDK marks it as Python's `functools.wraps` does; what it
  gives for another function of the app is real.
- ``except sdk.Name`` needs a name that ends in Error, Exception or Warning,
  or a module called ``errors``, ``exceptions`` or ``exc``.
- What an SDK wraps of another library, such as a client that it traces, does
  nothing without a permit either.
- Stand-ins within objects of the app, or in collections of more than 64, are
  not replaced where they are handed to the SDK.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import logging
import operator
import os
import sys

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
)
from inspect import isawaitable, iscoroutinefunction, signature
from traceback import walk_tb
from types import (
    BuiltinFunctionType,
    CoroutineType,
    FrameType,
    FunctionType,
    GenericAlias,
    MethodType,
    ModuleType,
    UnionType,
)
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final
from weakref import ref

from attrs import frozen

from consentkit.registry._quiet import (
    QUIET,
    Quiet,
    is_dunder,
    placeholder,
    unpacked,
)


if TYPE_CHECKING:
    from consentkit.registry._guarded import Tree


__all__ = ["StandIn"]

logger: logging.Logger = logging.getLogger("consentkit")

#: Python's own code that imports modules.
IMPORTING: Final = frozenset({"importlib", "_frozen_importlib"})

_WAIT_SECONDS: Final = 5.0

_MOST_ITEMS: Final = 64
_DEEPEST: Final = 3
_PLAIN: Final = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray),
    *(tuple, list, dict, set, frozenset, BaseException, enum.Enum),
)
_PASSING: Final = (
    CoroutineType,
    contextlib._GeneratorContextManager,  # noqa: SLF001 - no other name
    contextlib._AsyncGeneratorContextManager,  # noqa: SLF001
)
_FUNCTIONS: Final = (
    FunctionType,
    BuiltinFunctionType,
    type(functools.cache(lambda: None)),
)
_OF_ERRORS: Final = frozenset({"errors", "exceptions", "exc"})
#: What Django asks the class of a middleware. Both kinds of apps call one
#: that is not asynchronous.
_OF_MIDDLEWARE: Final = {"sync_capable": True, "async_capable": False}
#: What it asks a middleware for once, at its start.
_HOOKS: Final = frozenset(
    {"process_view", "process_exception", "process_template_response"}
)
#: What the argument for an app is called.
_OF_APPS: Final = ("app", "application", "wsgi_app", "get_response")
#: How many arguments an app of ASGI takes.
_OF_ASGI: Final = 3
#: Set-up of a log handler, as `logging.config` does it.
_OF_HANDLERS: Final = frozenset(
    {"setLevel", "setFormatter", "addFilter", "set_name"}
)
#: Of an error's text, and how far in what was given it is looked for there.
_MOST_LETTERS: Final = 200
_MOST_WITHIN: Final = 8

Path: TypeAlias = tuple[str, ...]


class UnusableError(ImportError):
    """
    What was to be loaded or made fails, and that is logged.

    An import line of the SDK's own code may meet it.
    """


def unusable(
    tree: Tree, what: str, error: BaseException, *, text: str = ""
) -> UnusableError:
    """
    Log that *what* fails, and give the error for it.

    Args:
        tree: The SDK's modules.

        what: What was to be done.

        error: Its own text stays out: it may hold what the app has given.

        text: As much of it as may be told.
    """
    problem = type(error).__name__
    logger.warning(
        "an SDK cannot be used: %s raised %s%s%s",
        what,
        problem,
        f": {text}" * bool(text),
        _where(tree, error),
        extra={"consentkit_call": what, "consentkit_error": problem},
    )
    return UnusableError(what)


def _where(tree: Tree, error: BaseException) -> str:
    """
    Name the last line of the SDK that *error* came by.
    """
    lines = [
        f" ({module}, line {number})"
        for frame, number in walk_tb(error.__traceback__)
        if tree.owns(module := frame.f_globals.get("__name__"))
    ]
    return lines[-1] if lines else ""


def text_of(error: BaseException, *given: object) -> str:
    """
    Give the text of an error of set-up, without the texts that were *given*.

    That of an `OSError` may name files of the person's, so it has none.
    """
    if isinstance(error, OSError):
        return ""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - it is the SDK's
        return ""
    for one in sorted(_texts(given), key=len, reverse=True):
        text = text.replace(one, "...")
    return text[:_MOST_LETTERS]


def _texts(given: object, depth: int = 0) -> set[str]:
    if isinstance(given, str):
        return {given} - {""}
    if isinstance(given, int | float | bytes) and not isinstance(given, bool):
        return {str(given)}
    if isinstance(given, Mapping):
        given = [*given.values()]
    if isinstance(given, list | tuple | set) and depth < _MOST_WITHIN:
        return set().union(*(_texts(one, depth + 1) for one in given))
    return set()


def patience_seconds() -> float:
    """
    Tell how long this thread may wait for another that sets the SDK up.

    Then its use is dropped. One that imports a module does not wait: the
    other may be waiting for that module.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - our callers
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if isinstance(name, str) and name.partition(".")[0] in IMPORTING:
            return 0.0
        frame = frame.f_back
    return _WAIT_SECONDS


class Owner(Protocol):
    """
    What has names to be found and assigned to: a module, or a thing in it.
    """

    @property
    def tree(self) -> Tree:
        """
        The SDK's modules.
        """

    def find(self, name: str) -> Any:
        """
        Give the real thing of this name.
        """

    def assign(self, path: Path, value: object, *, is_done: bool) -> None:
        """
        Remember an assignment, to be done unless *is_done*.
        """

    def assigned(self, path: Path) -> object:
        """
        Give what was assigned last, or `QUIET`.
        """


def put(owner: Any, path: Path, value: object) -> None:
    """
    Assign *value* to what *path* leads to from the real thing *owner*.
    """
    *above, name = path
    for one in above:
        owner = getattr(owner, one)
    setattr(owner, name, unwrap(value))


class Core:
    """
    What is behind a stand-in; a class beside it, so that no name of it is
    in the way of a name of the SDK.

    Attributes:
        tree: The SDK's modules, with their wardens.

        path: Where it was found: ``acme.Client.send``.

        inner: The function of the app that it wraps, as a middleware does.
    """

    inner: Callable[..., Any] | None = None

    def __init__(self, tree: Tree, path: str) -> None:
        self.tree = tree
        self.path = path
        #: What was entered by ``with``, to be left likewise.
        self.entered: list[Any] = []

    @property
    def is_setup(self) -> bool:
        """
        Whether a call of it sets the SDK up.
        """
        return False

    @property
    def is_class(self) -> bool:
        """
        Whether it is to be a class, as far as can be told.
        """
        return False

    @property
    def gives_handle(self) -> bool:
        """
        Whether a call of it gives something to use later.
        """
        return False

    @property
    def is_renewed(self) -> bool:
        """
        Whether it is, or is found in, what is made anew after the SDK's end.
        """
        return False

    def real(self) -> Any:
        """
        Give the real thing, under a permit.

        Raises:
            UnusableError: If there is none.
        """
        raise NotImplementedError

    def find(self, name: str) -> Any:
        """
        Give the real thing of this name in it.
        """
        real = self.real()
        try:
            if issubclass(type(real), ModuleType):
                return self.tree.find_in(real, name)
            return getattr(real, name)
        except AttributeError as error:
            what = f"{self.path}.{name}"
            raise unusable(self.tree, what, error) from None

    def assign(self, path: Path, value: object, *, is_done: bool) -> None:
        """
        Forget the assignment: a result of before is not there any more.
        """

    def assigned(self, path: Path) -> object:  # noqa: ARG002 - as above
        """
        Give nothing.
        """
        return QUIET

    def call(self, args: Path, options: Mapping[str, Any]) -> Any:
        """
        Call the real thing.
        """
        try:
            real, given = self.real(), _Given(args, options)
        except UnusableError:
            return self._nothing(args, options)
        if self.is_setup or self.gives_handle:
            return self._set_up(args, options)
        try:
            result = given.hand_to(real)
        except Exception as error:
            self.tree.adopt(error)
            raise
        inner = _inner(args, options)
        if inner is not None:
            return _around(self.tree, result, self.path, inner)
        return wrap(self.tree, result, self.path)

    def _set_up(self, args: Path, options: Mapping[str, Any]) -> Any:
        made = Deferred(self, args, options)
        face = _face_of(made, made.inner)
        try:
            value = made.make()
        except Exception as error:
            self.tree.adopt(error)
            raise
        if self.is_setup:
            self.tree.remember(self._step(made))
        given = wrap(self.tree, value, self.path)
        return face if isinstance(given, StandIn) else given

    def withhold(self, args: Any, options: Mapping[str, Any]) -> Any:
        """
        Do nothing, but keep what sets the SDK up, and pass on to a function
        of the app that is wrapped.
        """
        if self.inner is None and (
            self.is_setup or self.is_class or self.gives_handle
        ):
            made = Deferred(self, args, options)
            if self.is_setup:
                self.tree.remember(self._step(made))
            return _face_of(made, made.inner)
        return self._nothing(args, options)

    def _nothing(self, args: Any, options: Mapping[str, Any]) -> Any:
        if self.inner is not None:
            return self.inner(*args, **options)
        if len(args) == 1 and isinstance(args[0], logging.LogRecord):
            self.tree.drop()
            return _of_record(self.path, args[0])
        default = self.tree.calls.default(self.path)
        if default is not None:
            self.tree.drop()
            return default.of(args, options)
        if self.tree.calls.leads_to_default(self.path):
            self.tree.drop()
            return StandIn(Missing(self.tree, self.path))
        result = QUIET(*args, **options)
        if result is QUIET:  # and not a function that is left as it is
            self.tree.drop()
        return result

    def _step(self, made: Deferred) -> Call:
        # The first of a class is kept for its effect. Of more, those that the
        # app still has: a client for each request must not become as many.
        is_held = self.is_class and self.tree.has_call(self.path)
        return Call(self.path, ref(made) if is_held else lambda: made)


@final
class Attribute(Core):
    """
    A name in a module or in a thing.
    """

    def __init__(self, tree: Tree, path: str, parent: Owner) -> None:
        super().__init__(tree, path)
        self._parent = parent
        self._name = path.rpartition(".")[2]

    @property
    def is_setup(self) -> bool:
        """
        Whether the entry says so, or `logging`.
        """
        return self.path in self.tree.calls.setup or (
            self._name in _OF_HANDLERS and isinstance(self._parent, Deferred)
        )

    @property
    def gives_handle(self) -> bool:
        """
        Whether the entry says so.
        """
        return self.tree.calls.gives_handle(self.path)

    @property
    def is_class(self) -> bool:
        """
        Whether its name is written as one of a class.
        """
        return self._name.lstrip("_")[:1].isupper()

    @property
    def is_renewed(self) -> bool:
        """
        Whether that is so of what it is in.
        """
        return isinstance(self._parent, Core) and self._parent.is_renewed

    def real(self) -> Any:
        """
        Find it in what it is a name of.
        """
        return self._parent.find(self._name)

    def assign(self, path: Path, value: object, *, is_done: bool) -> None:
        """
        Have what it is in remember it.
        """
        self._parent.assign((self._name, *path), value, is_done=is_done)

    def assigned(self, path: Path) -> object:
        """
        Ask what it is in.
        """
        return self._parent.assigned((self._name, *path))


@final
class Result(Core):
    """
    A thing that the SDK gave.
    """

    def __init__(
        self,
        tree: Tree,
        path: str,
        value: object,
        inner: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(tree, path)
        self.inner = inner
        self._value = value

    @property
    def is_class(self) -> bool:
        """
        Whether it is one.
        """
        return isinstance(self._value, type)

    def real(self) -> Any:
        """
        Give it.
        """
        return self._value


@final
class Missing(Core):
    """
    What a call was to give that was dropped, and that is asked for more.
    """

    def real(self) -> Any:
        """
        Raise that it is not there.
        """
        raise UnusableError(self.path)


@final
class Deferred(Core):
    """
    What a call is to give, which is made once under a permit.

    Where the call sets the SDK up, or gives a handle, it is made anew after
    the SDK's end.

    Attributes:
        is_kept: Whether it is made anew.

        is_within: Whether something else has it, and ends it.
    """

    def __init__(
        self, maker: Core, args: Any, options: Mapping[str, Any]
    ) -> None:
        super().__init__(maker.tree, maker.path)
        self.maker = maker
        self.inner: Callable[..., Any] | None = _inner(args, options)
        self._given: tuple[Any, Mapping[str, Any]] = (args, options)
        self.is_kept: bool = maker.is_setup or maker.gives_handle
        self._assigned: dict[Path, object] = {}
        self._waiting: dict[Path, object] = {}
        self._generation = -1
        self._is_being_made = False
        self.is_within: bool = False
        self._problem: UnusableError | None = None
        self._value: Any = None
        #: Gives its stand-in while anybody has it.
        self.face: Callable[[], StandIn | None] = lambda: None

    @property
    def is_renewed(self) -> bool:
        """
        Whether it is kept.
        """
        return self.is_kept

    def make(self) -> Any:
        """
        Make it now, with the errors that making it has.
        """
        args, options = self._given
        self._generation = self.tree.generation
        value = _Given(args, options).hand_to(self.maker.real())
        face = self.face()
        if self.tree.faces.get(id(self._value)) is face:
            # What is made next may have the place of what was made before.
            self.tree.faces.pop(id(self._value), None)
        self._value, self._waiting = value, {**self._assigned}
        if self.is_kept:
            self._holds_parts()
        else:
            self._given = ((), {})
        if face is not None and is_own(self.tree, value):
            self.tree.faces[id(value)] = face
        return value

    def real(self) -> Any:
        """
        Give it, made if it is not.
        """
        if not self._is_made:
            self._make_once()
        if self._problem is not None:
            raise self._problem
        while self._waiting:
            path = next(iter(self._waiting))
            self._put(path, self._waiting.pop(path))
        return self._value

    @property
    def _is_made(self) -> bool:
        if self._is_being_made:
            return False
        known = self._generation
        return known >= 0 and (
            not self.is_kept or known == self.tree.generation
        )

    def _make_once(self) -> None:
        lock = self.tree.lock
        if not lock.acquire(timeout=patience_seconds()):
            raise UnusableError(self.path)
        try:
            if self._is_made:
                return
            if self._is_being_made:  # it calls the app, which calls it
                raise UnusableError(self.path)
            self._is_being_made = True
            self._problem = None
            try:
                self.make()
            except UnusableError as error:
                self._problem = error
            except Exception as error:  # noqa: BLE001 - the call is long over
                text = text_of(error, *self._given) * self.maker.is_setup
                self._problem = unusable(
                    self.tree, self.path, error, text=text
                )
            finally:
                self._is_being_made = False
        finally:
            lock.release()

    def _put(self, path: Path, value: object) -> None:
        try:
            put(self._value, path, value)
        except Exception as error:  # noqa: BLE001 - as above
            unusable(self.tree, ".".join((self.path, *path)), error)

    def ends(self) -> list[Callable[[], object]]:
        """
        Give what ends for good what was made, if the entry says how.
        """
        ends: list[Callable[[], object]] = []
        if self._generation >= 0 and not self.is_within:
            for name in self.tree.calls.ends:
                with contextlib.suppress(AttributeError):
                    ends.append(operator.attrgetter(name)(self._value))
        return [end for end in ends if not iscoroutinefunction(end)]

    def _holds_parts(self) -> None:
        # Who is given a thing of the SDK, and has an end, ends that too; so
        # does whom a method hands it to.
        if self.maker.is_class and not self.ends():
            return
        args, options = self._given
        for one in (*args, *options.values()):
            several = one if type(one) in {list, tuple, set} else (one,)
            for part in several:
                core = _core(part)
                if isinstance(core, Deferred):
                    core.is_within = True

    def assign(self, path: Path, value: object, *, is_done: bool) -> None:
        """
        Keep it for what is to be made.
        """
        self._assigned[path] = value
        if not is_done:
            self._waiting.pop(path, None)
            self._waiting[path] = value

    def assigned(self, path: Path) -> object:
        """
        Give what was assigned last.
        """
        return self._assigned.get(path, QUIET)


@frozen
class Assignment:
    """
    An assignment that waits for the permit.

    Attributes:
        owner: Where the path begins.

        do_it: Does it, under a permit.
    """

    owner: Owner
    path: Path
    do_it: Callable[[], None]

    def do(self) -> None:
        """
        Do it; log what it raises.
        """
        try:
            self.do_it()
        except UnusableError:
            raise
        except Exception as error:  # noqa: BLE001 - the app is elsewhere
            what = ".".join(self.path)
            raise unusable(self.owner.tree, what, error) from None


@frozen
class Call:
    """
    A call that waits for the permit.

    Attributes:
        path: What is called.

        made: Gives what it is to make, unless nobody has that any more.
    """

    path: str
    made: Callable[[], Deferred | None]

    def do(self) -> None:
        """
        Do it, once; what it raises is logged.
        """
        made = self.made()
        if made is not None:
            made.real()


def _core(value: object) -> Core | None:
    return value._consentkit if isinstance(value, StandIn) else None  # noqa: SLF001


class _Given:
    """
    Arguments for the SDK, without stand-ins.
    """

    def __init__(self, args: Any, options: Mapping[str, Any]) -> None:
        self._args = [unwrap(one) for one in args]
        self._options = {name: unwrap(v) for name, v in options.items()}

    def hand_to(self, function: Callable[..., Any]) -> Any:
        return function(*self._args, **self._options)


def unwrap(value: Any, depth: int = 0) -> Any:
    """
    Give the real thing behind a stand-in, also within small collections.

    Raises:
        UnusableError: If there is none.
    """
    kind = type(value)
    if issubclass(kind, StandIn):
        core: Core = value._consentkit  # noqa: SLF001 - ours
        if core.tree.is_open():
            return core.real()
        # A middleware of another SDK passes by, which the app needs.
        return None if core.inner is None else value
    if kind is Quiet:
        return None
    if kind not in {list, tuple, set, dict} or depth == _DEEPEST:
        return value
    if not value or len(value) > _MOST_ITEMS:
        return value
    old = [*value.values()] if kind is dict else [*value]
    new = [unwrap(item, depth + 1) for item in old]
    if all(a is b for a, b in zip(old, new, strict=True)):
        return value  # the very same, which the SDK may change
    return kind(zip(value, new, strict=True) if kind is dict else new)


def wrap(tree: Tree, value: Any, path: str) -> Any:
    """
    Give a stand-in for a thing of the SDK, or *value* itself.
    """
    # By the type: a lazy object of the SDK would wake up to say its class.
    if issubclass(type(value), _PLAIN) or not is_own(tree, value):
        return value
    if type(value) is CoroutineType:
        return _awaited(tree, value, path)
    face = tree.faces.get(id(value))
    if face is None:
        face = tree.faces[id(value)] = StandIn(Result(tree, path, value))
    return face


def is_own(tree: Tree, value: Any) -> bool:
    """
    Tell whether *value* is a thing of the SDK that needs a stand-in.
    """
    kind = type(value)
    if issubclass(kind, StandIn | ModuleType):
        return False
    if issubclass(kind, type):
        is_plain = issubclass(value, BaseException | enum.Enum)
        return not is_plain and tree.owns(value.__module__)
    if issubclass(kind, _PASSING) or tree.owns(kind.__module__):
        return True
    if issubclass(kind, MethodType):
        return tree.owns(type(value.__self__).__module__)
    if issubclass(kind, functools.partial):
        return tree.owns(getattr(value.func, "__module__", None))
    return issubclass(kind, _FUNCTIONS) and tree.owns(value.__module__)


def _inner(args: Any, options: Mapping[str, Any]) -> Any:
    """
    Give the function of the app that a call is to wrap, or ``None``.
    """
    named = [options[name] for name in _OF_APPS if name in options]
    first = [*args, *named, None][0]
    core = _core(first)
    if core is not None:
        return None if core.inner is None else first
    if not callable(first) or isinstance(first, Quiet | type):
        return None
    return first


def _face_of(core: Core, called: object) -> StandIn:
    """
    Give a stand-in that is an app of ASGI where *called* is one.
    """
    # Of an object, its `__call__` tells that.
    call = getattr(called, "__call__", None)  # noqa: B004
    for one in (called, call):
        if iscoroutinefunction(one) and _asks_for(one) == _OF_ASGI:
            return AppStandIn(core)
    return StandIn(core)


def _asks_for(function: Callable[..., Any]) -> int:
    """
    Count the arguments without which *function* cannot be called.
    """
    return sum(
        one.default is one.empty
        and one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}
        for one in signature(function).parameters.values()
    )


def _around(tree: Tree, result: Any, path: str, inner: Any) -> Any:
    """
    Give what the SDK made around a function of the app: without a permit it
    is that function alone.
    """
    if not isinstance(result, FunctionType):
        if result is inner or not callable(result):
            return wrap(tree, result, path)
        face = _face_of(Result(tree, path, result, inner), result)
        tree.faces[id(result)] = face
        return face
    # A function of whatever use: cut off, it might be one that the app needs.
    if not _wraps(result, inner):
        return result
    if iscoroutinefunction(inner):

        @functools.wraps(inner)
        async def waiting(*args: Any, **options: Any) -> Any:
            chosen = result if tree.is_open() else inner
            return await chosen(*args, **options)

        return waiting

    @functools.wraps(inner)
    def choosing(*args: Any, **options: Any) -> Any:
        return (result if tree.is_open() else inner)(*args, **options)

    return choosing


def _of_record(path: str, record: logging.LogRecord) -> Any:
    """
    Give what the app's own handlers need of a filter or formatter of an SDK:
    the record goes on as it is.
    """
    match path.rpartition(".")[2]:
        case "filter":
            return True
        case "format":
            return logging.Formatter().format(record)
    return QUIET


def _wraps(result: Any, inner: Any) -> bool:
    return getattr(result, "__wrapped__", None) is inner


async def _awaited(tree: Tree, value: Awaitable[Any], path: str) -> Any:
    return wrap(tree, await value, path)


def quiet_name(tree: Tree, path: str, parent: Owner) -> Any:
    """
    Give what stands for the name at the end of *path*, without a permit.
    """
    above, _, name = path.rpartition(".")
    assigned = parent.assigned((name,))
    if assigned is not QUIET:
        return assigned
    if name in _OF_MIDDLEWARE:
        return _OF_MIDDLEWARE[name]
    is_error = name.endswith(("Error", "Exception", "Warning")) or (
        above.rpartition(".")[2] in _OF_ERRORS
    )
    if is_error and name[:1].isupper():
        return tree.placeholder(path)
    return StandIn(Attribute(tree, path, parent))


class StandIn:
    """
    A thing of an SDK, which asks for the permit at each use.

    It is made by imports of a gated SDK, and by what is done with them.
    """

    __slots__ = ("__weakref__", "_consentkit")

    if TYPE_CHECKING:  # what has annotations is taken for a function
        _consentkit: Core

    def __init__(self, core: Core) -> None:
        object.__setattr__(self, "_consentkit", core)
        if isinstance(core, Deferred):
            core.face = ref(self)

    def __repr__(self) -> str:
        return f"<stand-in of {self._consentkit.path}>"

    def __dir__(self) -> list[str]:
        return [*dir(_target(self))]

    def __reduce_ex__(self, protocol: object) -> Any:
        msg = (
            f"a stand-in of {self._consentkit.path} cannot be pickled or "
            "copied; make one where it is needed"
        )
        raise TypeError(msg)

    def __getattr__(self, name: str) -> Any:
        core = self._consentkit
        if is_dunder(name):
            return _of_class(self, name)
        path = f"{core.path}.{name}"
        target = _target(self)
        if core.inner is not None and name in _HOOKS:
            return _hook(self, name, target)
        if target is QUIET:
            return quiet_name(core.tree, path, core)
        if issubclass(type(target), ModuleType):
            return getattr(target, name)
        found = wrap(core.tree, getattr(target, name), path)
        # What is in a thing that is made anew is looked up anew.
        if core.is_renewed and isinstance(_core(found), Result):
            return StandIn(Attribute(core.tree, path, core))
        return found

    def __setattr__(self, name: str, value: object) -> None:
        core, target = self._consentkit, _target(self)
        if target is not QUIET:
            setattr(target, name, unwrap(value))
        core.assign((name,), value, is_done=target is not QUIET)

    def __delattr__(self, name: str) -> None:
        delattr(_target(self), name)

    def __call__(self, /, *args: Any, **options: Any) -> Any:
        """
        Call the real thing, or do nothing.
        """
        core = self._consentkit
        if core.tree.is_open():
            return core.call(args, options)
        return core.withhold(args, options)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        target = _target(self)
        return target is not QUIET and bool(target == _bare(other))

    def __hash__(self) -> int:
        return object.__hash__(self)

    # As a class.

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        target = _target(self)
        return (target if isinstance(target, type) else placeholder(),)

    def __instancecheck__(self, instance: object) -> bool:
        target = _target(self)
        if target is not QUIET:
            return isinstance(_bare(instance), target)
        core = getattr(instance, "_consentkit", None)
        return isinstance(core, Deferred) and core.path == self._path

    def __subclasscheck__(self, subclass: type) -> bool:
        target = _target(self)
        return target is not QUIET and issubclass(_bare(subclass), target)

    @property
    def _path(self) -> str:
        return self._consentkit.path

    # As a container and a context manager.

    def __iter__(self) -> Iterator[Any]:
        core, target = self._consentkit, _target(self)
        if target is QUIET:
            return iter([QUIET] * unpacked(sys._getframe(1)))  # noqa: SLF001
        return (wrap(core.tree, i, core.path) for i in iter(target))

    async def __aiter__(self) -> AsyncIterator[Any]:
        core = self._consentkit
        async for item in _target(self):
            yield wrap(core.tree, item, core.path)

    def __await__(self) -> Generator[Any, Any, Any]:
        core = self._consentkit
        given = yield from _target(self).__await__()
        return wrap(core.tree, given, core.path)

    def __enter__(self) -> Any:
        core, target = self._consentkit, _target(self)
        core.entered.append(target)
        if target is QUIET:
            return self
        return wrap(core.tree, target.__enter__(), core.path)

    def __exit__(self, *exc: object) -> Any:
        target = _left(self)
        return None if target is QUIET else target.__exit__(*exc)

    async def __aenter__(self) -> Any:
        core, target = self._consentkit, _target(self)
        core.entered.append(target)
        if target is QUIET:
            return self
        return wrap(core.tree, await target.__aenter__(), core.path)

    async def __aexit__(self, *exc: object) -> Any:
        target = _left(self)
        return None if target is QUIET else await target.__aexit__(*exc)


@final
class AppStandIn(StandIn):
    """
    A stand-in for an app of ASGI.

    Servers ask whether its ``__call__`` is a coroutine function, and call it
    without arguments to see that this fails.
    """

    __slots__ = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """
        Have the real thing answer, or the app that it is around.
        """
        result = super().__call__(scope, receive, send)
        return await result if isawaitable(result) else result


def _target(face: StandIn) -> Any:
    """
    Give the real thing, or `QUIET`.
    """
    core = face._consentkit  # noqa: SLF001 - ours
    if core.tree.is_open():
        with contextlib.suppress(UnusableError):
            return core.real()
    return QUIET


def _of_class(face: StandIn, name: str) -> Any:
    """
    Give what Python and `issubclass` look up on a class.
    """
    core = face._consentkit  # noqa: SLF001 - ours
    if name in {"__name__", "__qualname__"}:
        return core.path.rpartition(".")[2]
    if name == "__bases__" and core.is_class:
        target = _target(face)
        return (target,) if isinstance(target, type) else ()
    raise AttributeError(name)


def _hook(face: StandIn, name: str, target: Any) -> Callable[..., Any]:
    """
    Give what a framework asks a middleware for, once, at its start.

    Without a permit nobody knows whether it is there: so it may be asked for,
    and passes by where it is not.
    """
    if target is not QUIET:
        getattr(target, name)

    def hook(face: StandIn, *args: Any) -> Any:
        real = getattr(_target(face), name, QUIET)
        if real is not QUIET:
            return real(*args)
        return args[-1] if name == "process_template_response" else None

    return MethodType(hook, face)


def _left(face: StandIn) -> Any:
    """
    Give what was entered last and may still be left.
    """
    core = face._consentkit  # noqa: SLF001 - ours
    target = core.entered.pop() if core.entered else QUIET
    return target if core.tree.is_open() else QUIET


def _bare(value: Any) -> Any:
    try:
        return unwrap(value)
    except UnusableError:
        return None


def _special(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: StandIn, *args: Any) -> Any:
        core = self._consentkit
        given = (_bare(one) for one in args)
        return wrap(core.tree, function(_target(self), *given), core.path)

    return method


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return _special(lambda target, other: function(other, target))


def _union(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: StandIn, other: Any) -> Any:
        # Frameworks read annotations, and nobody knows the class yet.
        if _target(self) is QUIET and _is_type(self) and _is_type(other):
            return Any
        return function(self, other)

    return method


def _is_type(value: object) -> bool:
    """
    Tell whether *value* may stand in a union of types.
    """
    core = _core(value)
    if core is not None:  # flags, which are joined too, are in capitals
        return core.is_class and not core.path.rpartition(".")[2].isupper()
    of_typing = type(value).__module__ == "typing"
    types = type | UnionType | GenericAlias
    return value is None or of_typing or isinstance(value, types)


def _fill() -> None:
    """
    Give stand-ins what Python looks up on classes, not on objects.
    """
    of_one: tuple[tuple[str, Callable[..., Any]], ...] = (
        *(("len", len), ("bool", bool), ("str", str), ("format", format)),
        *(("int", int), ("float", float), ("complex", complex)),
        *(("round", round), ("abs", abs), ("bytes", bytes), ("next", next)),
        *(("fspath", os.fspath), ("contains", operator.contains)),
    )
    for name, function in of_one:
        setattr(StandIn, f"__{name}__", _special(function))
    for name in (
        *("getitem", "setitem", "delitem", "index", "neg", "pos", "invert"),
        *("lt", "le", "gt", "ge"),
    ):
        setattr(StandIn, f"__{name}__", _special(getattr(operator, name)))
    for name in (
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"),
        *("and", "xor", "lshift", "rshift", "matmul"),
    ):
        function = getattr(operator, f"__{name}__")
        setattr(StandIn, f"__{name}__", _special(function))
        setattr(StandIn, f"__r{name}__", _reflected(function))
    setattr(StandIn, "__or__", _union(_special(operator.or_)))  # noqa: B010
    setattr(StandIn, "__ror__", _union(_reflected(operator.or_)))  # noqa: B010


_fill()
