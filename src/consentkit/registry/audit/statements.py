# SPDX-License-Identifier: MIT
"""
Which modules does a piece of code import, and under which condition?
"""

from __future__ import annotations

import ast

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from attrs import evolve, frozen

from consentkit.registry.audit.model import Scope


__all__ = ["CALLS", "Import", "imports_in"]

#: Functions that import what they are given the name of.
CALLS: Final = frozenset({"__import__", "import_module"})

_CAUGHT: Final = frozenset(
    {"BaseException", "Exception", "ImportError", "ModuleNotFoundError"}
)
# What takes an import that fails for no error, as a context manager: of the
# distribution lazy-imports, and of Optuna and Haystack, which have it too.
_PUTS_OFF: Final = frozenset({"LazyImport", "try_import"})

# Under which condition an import runs.
_INSTALLED: Final = "only if it is installed"
_INSTEAD: Final = "only if something else is not installed"
_THEN: Final = "only if something else is installed"
_FAILED: Final = "only after an error"


@frozen
class Import:
    """
    An import in code.

    Attributes:
        module: Its full name, or ``None`` if that is computed.

        line: Line of the code, counted from 1.

        scope: Whether it is certain to run, with the module that it is in.

        note: Words for that, or empty.
    """

    module: str | None
    line: int
    scope: Scope
    note: str


def imports_in(
    module: ast.Module, *, calls: bool, known: Callable[[str], str]
) -> Iterator[Import]:
    """
    Give the imports of *module*, wherever they stand in it.

    Those for type checkers only are none: no code runs them. What is taken out of a module may be a module itself: it comes after it.

    Args:
        module: The parsed code.

        calls: Whether to look for calls that import too, which takes longer.

        known: Gives what a module is a part of, or nothing: whoever tries
            two parts of the same imports that in any case.

    Raises:
        RecursionError: If it is nested too deeply.
    """
    return _Visitor(calls, known).visit(module.body, Scope.RUN, "")


@frozen
class _Visitor:
    """
    Goes through statements with the condition that they stand under.
    """

    calls: bool
    known: Callable[[str], str]

    def visit(
        self, body: list[ast.stmt], scope: Scope, note: str
    ) -> Iterator[Import]:
        for statement in body:
            match statement:
                case ast.Import(names=names, lineno=line):
                    for alias in names:
                        yield Import(alias.name, line, scope, note)
                case ast.ImportFrom(level=0, module=str(name), lineno=line):
                    yield Import(name, line, scope, note)
                    for alias in statement.names:
                        inner = f"{name}.{alias.name}"
                        yield Import(inner, line, scope, note)
                case ast.Try() | ast.TryStar():
                    yield from self._try(statement, scope, note)
                case ast.With() if any(map(_suppresses, statement.items)):
                    found = self.visit(statement.body, scope, note)
                    yield from self._perhaps(found, _INSTALLED)
                case ast.If(test=test) if _is_checking(test):
                    yield from self.visit(statement.orelse, scope, note)
                case ast.If(test=ast.UnaryOp(op=ast.Not(), operand=test)) if (
                    _is_checking(test)
                ):
                    yield from self.visit(statement.body, scope, note)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield from self._function(statement, scope, note)
                case _:
                    yield from self._inside(statement, scope, note)

    def _try(
        self, statement: ast.Try | ast.TryStar, scope: Scope, note: str
    ) -> Iterator[Import]:
        tried = [*self.visit(statement.body, scope, note)]
        then = [*self.visit(statement.orelse, scope, note)]
        handled = [
            (handler, [*self.visit(handler.body, scope, note)])
            for handler in statement.handlers
        ]
        # Of several handlers the first one that fits is run.
        instead = next((found for h, found in handled if _catches(h)), None)
        # What both import is imported in any case.
        either = self._sure(tried) & self._sure(instead or ())
        if instead is None:
            yield from (*tried, *then)
        else:
            yield from self._perhaps(tried, _INSTALLED, either)
            yield from self._perhaps(then, _THEN) if tried else then
        for _, found in handled:
            if tried and found is instead:
                yield from self._perhaps(found, _INSTEAD, either)
            else:
                yield from self._perhaps(found, _FAILED)
        yield from self.visit(statement.finalbody, scope, note)

    def _sure(self, found: Iterable[Import]) -> frozenset[str]:
        """
        Name what of *found* is certain to be imported.
        """
        names = (i.module for i in found if i.scope is Scope.RUN and i.module)
        return frozenset(filter(None, map(self.known, names)))

    def _perhaps(
        self, found: Iterable[Import], note: str, sure: Collection[str] = ()
    ) -> Iterator[Import]:
        """
        Give what is *found* as not certain, but for parts of what is *sure*.
        """
        for one in found:
            if (
                one.scope is Scope.RUN
                and self.known(one.module or "") not in sure
            ):
                yield evolve(one, scope=Scope.REACHABLE, note=note)
            else:
                yield one

    def _function(
        self,
        function: ast.FunctionDef | ast.AsyncFunctionDef,
        scope: Scope,
        note: str,
    ) -> Iterator[Import]:
        if self.calls:
            # Decorators and defaults run with the module.
            for outside in (*function.decorator_list, function.args):
                yield from self._expression(outside, scope, note)
        yield from self.visit(function.body, *_later(scope, note))

    def _inside(
        self, node: ast.AST, scope: Scope, note: str
    ) -> Iterator[Import]:
        for _, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            statements = [c for c in children if isinstance(c, ast.stmt)]
            if statements:
                yield from self.visit(statements, scope, note)
                continue
            for child in children:
                # Of all else only a case holds statements.
                if isinstance(child, ast.match_case) or (
                    self.calls and isinstance(child, ast.AST)
                ):
                    yield from self._expression(child, scope, note)

    def _expression(
        self, node: ast.AST, scope: Scope, note: str
    ) -> Iterator[Import]:
        if isinstance(node, ast.Call):
            yield from _called(node, scope, note)
        if isinstance(node, ast.Lambda):
            scope, note = _later(scope, note)
        yield from self._inside(node, scope, note)


def _later(scope: Scope, note: str) -> tuple[Scope, str]:
    """
    Give the condition of what a function does that may never be called.
    """
    if scope is Scope.RUN:
        return Scope.REACHABLE, "only in a function"
    return scope, note


def _is_checking(test: ast.expr) -> bool:
    return _last(test) == "TYPE_CHECKING"


def _suppresses(item: ast.withitem) -> bool:
    match item.context_expr:
        case ast.Call(func=func, args=names):
            return _last(func) in _PUTS_OFF or (
                _last(func) == "suppress"
                and any(_last(name) in _CAUGHT for name in names)
            )
    return False


def _catches(handler: ast.ExceptHandler) -> bool:
    match handler.type:
        case None:
            return True
        case ast.Tuple(elts=names):
            return any(_last(name) in _CAUGHT for name in names)
        case name:
            return _last(name) in _CAUGHT


def _last(name: ast.expr) -> str:
    """
    Give the last part of a name with or without dots.
    """
    return str(getattr(name, "id", getattr(name, "attr", "")))


def _called(call: ast.Call, scope: Scope, note: str) -> Iterator[Import]:
    if _last(call.func) not in CALLS:
        return
    by_name = [word.value for word in call.keywords if word.arg == "name"]
    match (*call.args, *by_name):
        case (ast.Constant(value=str(name)), *_) if not name.startswith("."):
            yield Import(name, call.lineno, scope, note)
        case () | (ast.Constant(), *_):
            pass
        case _:
            yield Import(None, call.lineno, scope, note)
