# SPDX-License-Identifier: MIT

"""
Breaks the deciding modules one condition at a time, and sees the tests fail.

``python -m tests.mutate`` takes the sources of this folder, changes one place
at a time in a copy, and runs the tests that guard it; what survives is
printed. It is long, and so it is no test itself: ``tox -e mutation``.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


__all__ = ["main"]

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
        "tests/consent/test_choices.py",
        "tests/consent/test_fold_model.py",
        "tests/test_core_edges.py",
        "tests/obligations/test_ks.py",
    ),
    "src/consentkit/consent/age.py": (
        "tests/consent/test_choices.py",
        "tests/obligations/test_ks.py",
        "tests/obligations/test_gp.py",
    ),
    "src/consentkit/policy/scope.py": (
        "tests/policy/test_scope.py",
        "tests/policy/test_diff.py",
        "tests/consent/test_choices.py",
    ),
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
            case ast.Constant(value=bool()):
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
            node.op = ast.UAdd()
            # ``not x`` becomes a double one, which is x as a boolean.
            node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)
            node.op = ast.Not()
        case ast.Expr():
            node.value = ast.YieldFrom(
                value=ast.Tuple(elts=[], ctx=ast.Load())
            )
        case ast.Set():
            del node.elts[int(how.split()[1])]
        case ast.Constant():
            node.value = not node.value
    return ast.unparse(ast.fix_missing_locations(changed))


def survives(module: str, source: str, tests: tuple[str, ...]) -> bool:
    """
    Run the tests over a copy with another source of *module*.
    """
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder, "src")
        shutil.copytree(
            ROOT / "src",
            copied,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        # The demo's files lie in the wheel beside the package.
        Path(folder, module).write_text(source, encoding="utf-8")
        there = [t for t in tests if (ROOT / t).exists()]
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "-q",
                "-p",
                "no:randomly",
                "-p",
                "no:cacheprovider",
                *there,
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(copied),
                "PYTHONDONTWRITEBYTECODE": "1",
                "HYPOTHESIS_DATABASE_FILE": "",
            },
            capture_output=True,
            timeout=900,
            check=False,
        )
    return done.returncode == 0


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
    left, run = [], 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for module in options.modules:
            text = (ROOT / module).read_text(encoding="utf-8")
            tree = ast.parse(text)
            nodes = list(ast.walk(tree))
            chosen = list(places(tree))[options.start :: options.step]

            def one(
                place: tuple[int, str, str],
                module: str = module,
                tree: ast.Module = tree,
            ) -> bool:
                source = mutated(tree, place[0], place[1])
                return survives(module, source, GUARDS[module])

            for place, alive in zip(
                chosen, pool.map(one, chosen), strict=True
            ):
                run += 1
                if alive:
                    node = nodes[place[0]]
                    line = getattr(node, "lineno", 0)
                    shown = ast.unparse(node).splitlines()[0]
                    left.append(f"{module}:{line}: {place[2]}: {shown}")
                    print(left[-1], flush=True)
    print(f"{run} changes, {len(left)} survived")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
