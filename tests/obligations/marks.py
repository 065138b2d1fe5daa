# SPDX-License-Identifier: MIT

"""
Which test shows which obligation: the marker *obligation*.

A test shows the obligations that its own marker names, its class's, or that
of one of its parameters::

    @pytest.mark.obligation("WP-ADD-2", "WP-CONS-1")
    def test_refused(): ...

    @pytest.mark.parametrize(
        "sdk",
        [pytest.param("umeng", marks=pytest.mark.obligation("WP-SDK-UM"))],
    )
    def test_fields(sdk): ...

`marks` reads them out of the files, without running or importing any, so ids
are written out where the marker stands. A test has one place, where it is
written: that of an inherited one is in the class that has it.
"""

from __future__ import annotations

import ast

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from tests.obligations.promises import promises


__all__ = ["marks", "marks_in", "note"]

ROOT = Path(__file__).parents[2]


def marks() -> dict[str, list[str]]:
    """
    Find the tests that show obligations.

    Returns:
        By id the places of its tests, sorted.
    """
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        for promise, place in marks_in(path.read_text("utf-8"), name):
            found.setdefault(promise, set()).add(place)
    return {promise: sorted(places) for promise, places in found.items()}


def marks_in(text: str, name: str) -> Iterator[tuple[str, str]]:
    """
    Give each id that the file's *text* marks, with the place of the test.

    Args:
        text: Of a Python file.

        name: Of the file, relative to the checkout.

    Raises:
        ValueError: A marker stands on no test, or its ids cannot be read.
    """
    if "mark.obligation" not in text:
        return
    tree = ast.parse(text)
    seen: set[ast.AST] = set()
    for place, calls in _decorated(tree, name):
        for call in calls:
            seen.add(call)
            for argument in call.args:
                yield _id(argument, name), place
    for node in ast.walk(tree):
        if _is_mark(node) and node not in seen:
            msg = f"{name}:{node.lineno}: marks no test"
            raise ValueError(msg)


def _decorated(
    tree: ast.Module, name: str
) -> Iterator[tuple[str, list[ast.Call]]]:
    """
    Give the place of each test with the markers that hold for it.
    """
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            above = _calls(node.decorator_list)
            for inner in node.body:
                if _is_test(inner):
                    calls = above + _calls(inner.decorator_list)
                    yield f"{name}::{node.name}::{inner.name}", calls
        elif _is_test(node):
            yield f"{name}::{node.name}", _calls(node.decorator_list)


def _calls(nodes: Iterable[ast.AST]) -> list[ast.Call]:
    return [c for node in nodes for c in ast.walk(node) if _is_mark(c)]


def _is_mark(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
        "mark.obligation"
    )


def _is_test(node: ast.AST) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test_")


def _id(argument: ast.expr, name: str) -> str:
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    msg = f"{name}:{argument.lineno}: an obligation's id must be written out"
    raise ValueError(msg)


def note(item: pytest.Function) -> None:
    """
    Note for the report of a run what *item* shows, and where it is written.

    The test fails if it names no obligation, or one that there is not. Not
    while pytest collects: with processes of xdist that would be an error of
    pytest's own, without the reason.
    """
    for mark in item.iter_markers("obligation"):
        if not mark.args:
            pytest.fail("the marker obligation names none", pytrace=False)
        for promise in mark.args:
            if promise not in promises():
                msg = f"there is no obligation {promise!r}"
                pytest.fail(msg, pytrace=False)
            item.user_properties.append(
                ("obligation", f"{promise} {_place(item)}")
            )


def _place(item: pytest.Function) -> str:
    # Not out of the function: what Hypothesis wraps, it gives another name.
    name = item.originalname
    for cls in item.cls.__mro__ if item.cls else ():
        if name in vars(cls):
            return f"{_path(cls.__module__)}::{cls.__qualname__}::{name}"
    return f"{_path(item.module.__name__)}::{name}"


def _path(module: str) -> str:
    return f"{module.replace('.', '/')}.py"
