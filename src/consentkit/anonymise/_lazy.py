# SPDX-License-Identifier: MIT
"""
What is computed at its first use, and kept.

Before Python 3.12, `functools.cached_property` holds a lock while it
computes: in a child that is forked meanwhile nobody would ever give it up.
Here two threads may both compute, which gives the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload


__all__ = ["lazy"]

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801 - used as a decorator
    """
    A property that is computed once, without a lock.

    Args:
        make: Computes it; a method without arguments, of a class whose
            objects have a ``__dict__``.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> lazy[T] | T:
        if instance is None:
            return self
        # This has no `__set__`: from now on Python finds it there by itself.
        made = instance.__dict__[self._name] = self._make(instance)
        return made
