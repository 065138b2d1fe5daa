# SPDX-License-Identifier: MIT
"""
Which SDKs does code import? It is parsed, and never run.
"""

from __future__ import annotations

import ast
import json
import re
import warnings

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from attrs import define, field

from consentkit.registry.audit.catalogue import Catalogue
from consentkit.registry.audit.model import Evidence, Scope
from consentkit.registry.audit.statements import CALLS, Import, imports_in
from consentkit.registry.audit.tree import Tree, scope_of


__all__ = ["Code"]

_LINE: Final = re.compile(
    rb"[ \t]*(?:>>>[ \t]*)?(?:import|from)[ \t]+([\w.]+)"
)
_CALLED: Final = re.compile("|".join(sorted(CALLS)).encode())
# Of a notebook: what its kernel takes, and Python does not.
_MAGIC: Final = re.compile(r"^[ \t]*[%!?]")
_MOST_PLACES: Final = 1_000


@define
class Code:
    """
    Reads code, and gathers imports of SDKs.

    Attributes:
        tree: The project.

        catalogue: What is looked for.

        found: What was found so far.

        unseen: How many imports have a computed name.
    """

    tree: Tree
    catalogue: Catalogue
    found: list[Evidence] = field(factory=list)
    unseen: int = 0
    _wanted: re.Pattern[bytes] = field(init=False)
    _places: dict[str, int] = field(init=False, factory=dict)
    _own: set[str] = field(init=False, factory=set)
    _owned: dict[tuple[str, str], bool] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        # Most files name no SDK at all, and need not be parsed.
        tops = {name.partition(".")[0] for name in self.catalogue.imports}
        words = "|".join(re.escape(word) for word in sorted(tops | CALLS))
        self._wanted = re.compile(rf"\b(?:{words})\b".encode())

    def read(self, path: str) -> None:
        """
        Read a file of Python, or a notebook.
        """
        raw = self.tree.read(path)
        if raw is None or not self._wanted.search(raw):
            return
        if path.endswith(".ipynb"):
            for i, cell in enumerate(self._cells(path, raw), 1):
                # The lines of a notebook are not those of its code.
                self._gather(path, cell, f"cell {i}", has_lines=False)
        else:
            self._gather(path, raw, "", has_lines=True)

    def _cells(self, path: str, raw: bytes) -> list[bytes]:
        try:
            cells = json.loads(raw)["cells"]
            codes = [
                "".join(cell["source"])
                for cell in cells
                if cell["cell_type"] == "code"
            ]
        except (ValueError, LookupError, TypeError, RecursionError):
            self.tree.note(path, "is no notebook of version 4: not read")
            return []
        return [
            "\n".join(
                # In its place, so that a block does not become empty.
                _MAGIC.split(line)[0] + "pass" if _MAGIC.match(line) else line
                for line in code.splitlines()
            ).encode("utf-8", errors="replace")
            for code in codes
        ]

    def _gather(
        self, path: str, raw: bytes, where: str, *, has_lines: bool
    ) -> None:
        near, words = scope_of(path)
        told = set()
        for found in self._imports(path, raw):
            if found.module is None:
                self.unseen += 1
                continue
            module = self.catalogue.module_of(found.module)
            if not module or (module, found.line) in told:
                continue
            told.add((module, found.line))
            if self._is_own(path, module):
                self._note_own(module)
                continue
            self._places[module] = self._places.get(module, 0) + 1
            if self._places[module] > _MOST_PLACES:
                continue
            is_near = near is Scope.RUN
            notes = (where, words, found.note)
            self.found.append(
                Evidence(
                    kind="import",
                    name=found.module,
                    file=path,
                    line=found.line if has_lines else None,
                    scope=found.scope if is_near else near,
                    note=", ".join(filter(None, notes)),
                )
            )

    def _imports(self, path: str, raw: bytes) -> Iterator[Import]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = ast.parse(raw)
            # The depth of the tree is that of the code, which has no bound.
            yield from list(
                imports_in(
                    module,
                    calls=bool(_CALLED.search(raw)),
                    known=self.catalogue.module_of,
                )
            )
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            at = f" (line {line})" if line else ""
            self.tree.note(
                path, f"cannot be parsed{at}; only lines with imports count"
            )
            for number, text in enumerate(raw.splitlines(), 1):
                if match := _LINE.match(text):
                    name = match[1].decode("utf-8", errors="replace")
                    yield Import(name, number, Scope.RUN, "")

    def _note_own(self, module: str) -> None:
        if module not in self._own:
            self._own.add(module)
            text = f"has a module {module!r} of its own, as an SDK has"
            self.tree.note(".", text)

    def _is_own(self, path: str, module: str) -> bool:
        """
        Tell whether *module* is the project's own as seen from *path*.
        """
        pure = PurePosixPath(path)
        if pure.stem == module.rpartition(".")[2]:
            return self._has(path, module)
        key = (str(pure.parent), module)
        if key not in self._owned:
            self._owned[key] = self._has(path, module)
        return self._owned[key]

    def _has(self, path: str, module: str) -> bool:
        name = module.replace(".", "/")
        for folder in PurePosixPath(path).parents:
            base = self.tree.root / folder
            if (base / "__init__.py").exists() and str(folder) != ".":
                continue  # inside of a package, names are of the top
            for start in (base, base / "src", base / "lib"):
                own = start / f"{name}.py"
                if own != self.tree.root / path and own.is_file():
                    return True
                if (start / name / "__init__.py").is_file():
                    return True
        return False
