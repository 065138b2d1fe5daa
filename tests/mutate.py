# SPDX-License-Identifier: MIT

"""
Breaks the deciding modules one condition at a time, and sees the tests fail.

``python -m tests.mutate`` takes the sources of this folder, changes one place
at a time in a copy, and runs the tests that guard it; what survives is
printed. It is long, and so it is no test itself: ``tox -e mutation``.

The tests of a change run with ``-p tests.mutate``, which asks less of
Hypothesis: always the same examples, and nothing made small that failed.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import copy
import os
import shutil
import subprocess
import sys
import tempfile

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

import hypothesis


__all__ = ["main", "pytest_configure"]

ROOT = Path(__file__).parent.parent

#: The modules that decide, and the tests that guard them.
GUARDS = {
    "src/consentkit/gate.py": (
        "tests/test_gate.py",
        "tests/test_bases.py",
        "tests/test_permit_life.py",
        "tests/test_core_edges.py",
        "tests/obligations/test_gp.py",
        "tests/obligations/test_ks.py",
    ),
    "src/consentkit/consent/state.py": (
        "tests/consent/test_state.py",
        "tests/test_mutants.py",
        "tests/consent/test_age.py",
        "tests/test_gate.py",
        "tests/consent/test_fold_model.py",
        "tests/consent/test_choices.py",
        "tests/test_bases.py",
        "tests/test_core_edges.py",
        "tests/obligations/test_ks.py",
    ),
    "src/consentkit/consent/_said.py": (
        "tests/consent/test_state.py",
        "tests/test_mutants.py",
        "tests/consent/test_age.py",
        "tests/test_gate.py",
        "tests/consent/test_fold_model.py",
        "tests/consent/test_choices.py",
        "tests/test_bases.py",
        "tests/test_core_edges.py",
        "tests/obligations/test_ks.py",
    ),
    "src/consentkit/consent/age.py": (
        "tests/consent/test_age.py",
        "tests/consent/test_choices.py",
        "tests/obligations/test_ks.py",
        "tests/obligations/test_gp.py",
    ),
    "src/consentkit/policy/scope.py": (
        "tests/policy/test_scope.py",
        "tests/policy/test_diff.py",
        "tests/test_gate.py",
        "tests/consent/test_choices.py",
    ),
}

#: How a class is put down, on which no decision hangs.
_FORM = frozenset({"cache_hash", "eq", "kw_only"})

#: What changes no decision, by module, in words and as it is shown, and why.
_SAME = {
    (
        "src/consentkit/consent/_said.py",
        "its comparison is another",
        "entry.at > self.latest",
    ): "of two equal times either is the latest",
    (
        "src/consentkit/consent/state.py",
        "its comparison is another",
        "entry.seq < yes.seq",
    ): "no two entries have one number",
    (
        "src/consentkit/consent/state.py",
        "its comparison is another",
        "verified.seq < yes.seq",
    ): "no two entries have one number",
    (
        "src/consentkit/policy/scope.py",
        "its comparison is another",
        "longer.months > shorter.months",
    ): "equal months were compared before",
    (
        "src/consentkit/policy/scope.py",
        "its condition always holds",
        "if not at or parties:",
    ): "without parties there is no atom either",
    (
        "src/consentkit/policy/scope.py",
        "its condition always holds",
        "if found is None:",
    ): "what is found again is computed again",
    (
        "src/consentkit/policy/scope.py",
        "its condition always holds",
        "if number is None:",
    ): "what is numbered again gets the same number",
}

_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


def places(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """
    List what can be changed: number of the node, how, and in words.
    """
    form = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg in _FORM
    }
    for number, node in enumerate(ast.walk(tree)):
        match node:
            case ast.If():
                yield number, "true", "its condition always holds"
                yield number, "false", "its condition never holds"
            case ast.Compare() if type(node.ops[0]) in _SWAPS:
                yield number, "swap", "its comparison is another"
            case ast.BoolOp():
                yield number, "andor", "and for or, or for and"
            case ast.UnaryOp(op=ast.Not()):
                yield number, "not", "not is left out"
            case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
                yield number, "silent", "it yields nothing"
            case ast.Set() if len(node.elts) > 1:
                for i in range(len(node.elts)):
                    yield number, f"drop {i}", f"without element {i}"
            case ast.Constant(value=bool()) if node not in form:
                yield number, "flip", "true for false, or false for true"


def mutated(tree: ast.Module, number: int, how: str) -> str:
    """
    Change one place, and give the source.
    """
    changed = copy.deepcopy(tree)
    node = next(n for i, n in enumerate(ast.walk(changed)) if i == number)
    match node:
        case ast.If():
            node.test = ast.Constant(value=how == "true")
        case ast.Compare():
            node.ops[0] = _SWAPS[type(node.ops[0])]()
        case ast.BoolOp():
            is_and = isinstance(node.op, ast.And)
            node.op = ast.Or() if is_and else ast.And()
        case ast.UnaryOp():
            # ``not x`` becomes a double one, which is x as a boolean.
            node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
        case ast.Expr():
            node.value = ast.YieldFrom(
                value=ast.Tuple(elts=[], ctx=ast.Load())
            )
        case ast.Set():
            del node.elts[int(how.split()[1])]
        case ast.Constant():
            node.value = not node.value
    return ast.unparse(ast.fix_missing_locations(changed))


class Bench:
    """
    A copy of the package, for one change after another.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            ROOT / "src",
            folder / "src",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        compileall.compile_dir(folder / "src", quiet=1)

    def prepare(self, module: str) -> None:
        """
        See the tests of *module* pass without a change, and fail with one.

        Raises:
            RuntimeError: If they do not, so that a run would say nothing.
        """
        if not self._pass(GUARDS[module]):
            msg = f"the tests of {module} fail as it is"
            raise RuntimeError(msg)
        if self.survives(module, "raise ImportError"):
            msg = f"the tests of {module} do not see the copy"
            raise RuntimeError(msg)

    def survives(self, module: str, source: str) -> bool:
        """
        Run the tests over the copy with another source of *module*.
        """
        copied = self.folder / module
        copied.write_text(source, encoding="utf-8")
        try:
            # No byte code is left that a later change could be taken for.
            return self._pass(GUARDS[module], PYTHONDONTWRITEBYTECODE="1")
        finally:
            shutil.copy2(ROOT / module, copied)

    def _pass(self, tests: tuple[str, ...], **environment: str) -> bool:
        # One file after the other: most changes fail the first.
        return all(self._passes(test, environment) for test in tests)

    def _passes(self, test: str, environment: dict[str, str]) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q"]
        command += ["-p", "_hypothesis_pytestplugin", "-p", "tests.mutate"]
        # What found the change before may find this one.
        command += ["--ff", "-o", f"cache_dir={self.folder / 'cache'}"]
        command += [f"--basetemp={self.folder / 'tmp'}", test]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                    "PYTHONPATH": str(self.folder / "src"),
                    **environment,
                },
                capture_output=True,
                timeout=300,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def pytest_configure() -> None:
    """
    Ask less of Hypothesis; pytest calls this where this is its plugin.
    """
    hypothesis.settings.register_profile(
        "mutation",
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=50,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("mutation")


def main() -> int:
    """
    Run the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=sorted(GUARDS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--start", type=int, default=0, help="skip so many")
    parser.add_argument("--step", type=int, default=1, help="every n-th")
    options = parser.parse_args()
    with ExitStack() as stack:
        benches: SimpleQueue[Bench] = SimpleQueue()
        for _ in range(options.jobs):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            benches.put(Bench(Path(folder)))
        pool = stack.enter_context(ThreadPoolExecutor(options.jobs))
        left = sum(
            _run(module, options.start, options.step, benches, pool)
            for module in options.modules
        )
    return 1 if left else 0


def _run(
    module: str,
    start: int,
    step: int,
    benches: SimpleQueue[Bench],
    pool: ThreadPoolExecutor,
) -> int:
    """
    Make each change of *module*, print what survives, and count it.
    """
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    chosen = [
        (number, how, words)
        for number, how, words in places(tree)
        if (module, words, _shown(nodes[number])) not in _SAME
    ][start::step]

    def one(place: tuple[int, str, str] | None) -> bool:
        bench = benches.get()
        try:
            if place is None:
                bench.prepare(module)
                return False
            return bench.survives(module, mutated(tree, *place[:2]))
        finally:
            benches.put(bench)

    left = 0
    one(None)
    for place, alive in zip(chosen, pool.map(one, chosen), strict=True):
        if alive:
            left += 1
            node = nodes[place[0]]
            line = getattr(node, "lineno", 0)
            print(f"{module}:{line}: {place[2]}: {_shown(node)}", flush=True)
    print(f"{module}: {len(chosen)} changes, {left} survived", flush=True)
    return left


def _shown(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
