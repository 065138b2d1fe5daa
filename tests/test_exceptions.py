# SPDX-License-Identifier: MIT

"""
Tests for what all errors of consentkit have in common.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import pkgutil

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from attrs import frozen

import consentkit

from consentkit.exceptions import (
    ConsentKitError,
    MissingExtraError,
    NoticeNeededError,
    PolicyError,
    SDKNotPermittedError,
    SDKStoppedError,
    StoreError,
    TooOftenError,
)
from consentkit.gate import Reason, Refusal
from consentkit.policy import Fault


# Of those that take more than a text: the nearest class on the way up says.
ARGUMENTS: dict[type[ConsentKitError], tuple[tuple[Any, ...], Any]] = {
    MissingExtraError: ((), {"extra": "amqp", "package": "pika"}),
    NoticeNeededError: (("location",), {}),
    PolicyError: ((Path("p.toml"), [Fault(path="a", problem="b")]), {}),
    SDKNotPermittedError: (
        ("acme", "acme", Refusal(reason=Reason.NOT_ASKED, function="ads")),
        {},
    ),
    SDKStoppedError: (("acme", "in.acme.example", "it has no permit"), {}),
    StoreError: ((Path("d.db"),), {"problem": "is no file", "cure": "move"}),
    TooOftenError: (("location", 1_000), {}),
}


def _classes() -> list[type[ConsentKitError]]:
    for module in pkgutil.walk_packages(consentkit.__path__, "consentkit."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # an extra that is not installed
                import_module(module.name)
    found: set[type[ConsentKitError]] = {ConsentKitError}
    found |= {*_below(ConsentKitError)}
    return sorted(
        (c for c in found if c.__module__.startswith("consentkit.")),
        key=lambda c: f"{c.__module__}.{c.__qualname__}",
    )


def _below(kind: type[ConsentKitError]) -> Iterator[type[ConsentKitError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _made(kind: type[ConsentKitError]) -> ConsentKitError:
    for one in kind.__mro__:
        if one in ARGUMENTS:
            args, more = ARGUMENTS[one]
            return kind(*args, **more)
    own = kind.__init__ if inspect.isfunction(kind.__init__) else None
    count = len(inspect.signature(own).parameters) - 1 if own else 1
    return kind(*["what it says"][:count])


def _told(error: ConsentKitError) -> tuple[object, ...]:
    names = ("errno", "strerror", "filename", "msg", "name", "path")
    return (
        type(error),
        str(error),
        repr(error),
        error.args,
        vars(error),
        [getattr(error, name, None) for name in names],
    )


@frozen
class _Pickled:
    """
    Pickles an error by one of the protocols, and unpickles it.
    """

    protocol: int

    def __call__(self, error: ConsentKitError) -> ConsentKitError:
        found: ConsentKitError = pickle.loads(
            pickle.dumps(error, self.protocol)
        )
        return found


class TestEveryError:
    """
    Tests for each class of errors, public or not.
    """

    @pytest.mark.parametrize(
        "again",
        [copy.copy, copy.deepcopy, *map(_Pickled, range(6))],
        ids=["copy", "deepcopy", *(f"pickle-{n}" for n in range(6))],
    )
    def test_the_same_again(
        self, again: Callable[[ConsentKitError], ConsentKitError]
    ) -> None:
        """
        Copied, or pickled as on the way out of a worker process, an error is
        of its class still, and says and holds the same.
        """
        classes = _classes()
        assert {c.__name__ for c in classes} >= {
            "ClosedError",
            "TooYoungError",
            "_CodeStoppedError",
            "_ConnectionStoppedError",
            "_LookupStoppedError",
        }

        for kind in classes:
            error = _made(kind)
            error.add_note("while it was tested")
            assert _told(again(error)) == _told(error), kind
