# SPDX-License-Identifier: MIT
"""
What a stand-in gives instead of a result: nothing, in every form.

An SDK's result goes into conditions, texts, headers, loops, ``with`` blocks
and ``await``, and none of these may fail because it is not there. So it is
an empty text that is also a function, a context manager, an awaitable and
the number 0.
"""

from __future__ import annotations

import operator
import sys

from collections.abc import Callable, Generator, Iterator
from opcode import opmap
from types import FrameType
from typing import Any, Final, final


__all__ = [
    "QUIET",
    "Placeholder",
    "Quiet",
    "is_dunder",
    "placeholder",
    "unpacked",
]

_UNPACKS: Final = opmap["UNPACK_SEQUENCE"]
_UNPACKS_STARRED: Final = opmap["UNPACK_EX"]
_MORE: Final = opmap["EXTENDED_ARG"]


def is_dunder(name: str) -> bool:
    """
    Tell whether *name* is one of Python's own, such as ``__path__``.
    """
    return name[:2] == "__" and name[-2:] == "__"


def unpacked(frame: FrameType) -> int:
    """
    Tell how many things the line in *frame* is about to unpack.

    ``a, b = nothing`` must not fail, and only the line knows that it wants
    two; all else that goes through nothing finds nothing in it.
    """
    code, at = frame.f_code.co_code, frame.f_lasti
    if code[at] == _UNPACKS:
        return code[at + 1]
    if code[at] == _UNPACKS_STARRED:
        after = code[at - 1] if code[at - 2] == _MORE else 0
        return code[at + 1] + after
    return 0


class Placeholder:
    """
    A base for classes of the app whose real base may not be loaded.
    """

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __init_subclass__(cls, **_: object) -> None:
        super().__init_subclass__()

    def __getattr__(self, name: str) -> Quiet:
        if is_dunder(name):
            raise AttributeError(name)
        return QUIET


def placeholder() -> type[Placeholder]:
    """
    Give one of its own for each base, as a class cannot have one twice.
    """
    return type("Placeholder", (Placeholder,), {})


@final
class Quiet(str):
    """
    Nothing, in every form; there is one, `QUIET`.
    """

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        # What a text has by these names is not what the caller means.
        if is_dunder(name):
            return super().__getattribute__(name)
        if name == "encode":  # into headers and files
            return _encode
        return self

    def __setattr__(self, name: str, value: object) -> None:
        pass

    def __delattr__(self, name: str) -> None:
        pass

    def __repr__(self) -> str:
        return "<nothing: an SDK has no permit>"

    def __reduce__(self) -> str:
        return "QUIET"

    def __call__(self, *args: object, **options: object) -> object:
        # A decorator leaves the function as it is.
        if len(args) == 1 and not options and callable(args[0]):
            return args[0]
        return self

    # As a value.

    def __int__(self) -> int:
        return 0

    def __index__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __complex__(self) -> complex:
        return 0j

    def __round__(self, digits: int | None = None) -> int:
        return 0

    def __format__(self, form: str) -> str:
        return ""

    # As a container. It is a text to type checkers, and more here.

    def __contains__(self, item: object) -> bool:
        return False

    def __getitem__(self, key: object) -> Any:
        return self

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __delitem__(self, key: object) -> None:
        pass

    def __iter__(self) -> Iterator[str]:
        return iter([self] * unpacked(sys._getframe(1)))  # noqa: SLF001

    def __next__(self) -> str:
        raise StopIteration(self)

    # As a context manager.

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    async def __aenter__(self) -> Quiet:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    # As something to wait for. With the next three, event loops take it for
    # a coroutine, which ends at its first step.

    send = throw = close = __call__

    def __await__(self) -> Generator[None, None, Quiet]:
        yield from ()
        return self

    def __aiter__(self) -> Quiet:
        return self

    async def __anext__(self) -> object:
        raise StopAsyncIteration

    # As a class.

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (placeholder(),)

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, subclass: type) -> bool:
        return False


def _encode(*_: object, **__: object) -> bytes:
    return b""


def _other(_: Quiet, other: object) -> object:
    return other


def _self(self: Quiet, *_: object) -> Quiet:
    return self


def _ordered(name: str) -> Callable[[Quiet, Any], bool]:
    compare = getattr(operator, name.strip("_"))

    def method(_: Quiet, other: Any) -> bool:
        try:
            return bool(compare("" if isinstance(other, str) else 0, other))
        except TypeError:
            return False

    return method


def _fill() -> None:
    """
    Make it neutral in sums, nothing in products, and zero in comparisons.
    """
    sums = ("add", "radd", "rsub", "or", "ror", "xor", "rxor")
    rest = (
        *("sub", "mul", "rmul", "truediv", "rtruediv", "floordiv"),
        *("rfloordiv", "mod", "rmod", "pow", "rpow", "and", "rand", "matmul"),
        *("rmatmul", "lshift", "rlshift", "rshift", "rrshift"),
        *("neg", "pos", "abs", "invert"),
    )
    for name in sums:
        setattr(Quiet, f"__{name}__", _other)
    for name in rest:
        setattr(Quiet, f"__{name}__", _self)
    for name in ("__lt__", "__le__", "__gt__", "__ge__"):
        setattr(Quiet, name, _ordered(name))


_fill()

#: The one and only.
QUIET: Final = Quiet()
