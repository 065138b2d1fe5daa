# SPDX-License-Identifier: MIT
"""
Walking over a project, and reading its files with bounds.

Nothing in a project can make this wait, loop or fail: links to folders are
not followed, only plain files are opened, and each is read up to a limit.
What is left out is said in a note.
"""

from __future__ import annotations

import os
import stat

from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from attrs import define, field

from consentkit.registry.audit.model import Note, Scope


__all__ = ["Tree", "scope_of"]

# A pipe would wait for its writer, and Windows would change line ends.
_READ: Final = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
_CODE_BYTES: Final = 4 * 1024 * 1024
_MOST_NOTES: Final = 200
_MOST_DEPTH: Final = 64
_SKIPPED: Final = frozenset(
    {
        ".bzr",
        ".eggs",
        ".git",
        ".gradle",
        ".hg",
        ".idea",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        "DerivedData",
        "Pods",
        "__pycache__",
        "__pypackages__",
        "build",
        "dist",
        "env",
        "node_modules",
        "site-packages",
        "venv",
    }
)
# A package may have one of these names.
_MAYBE_CODE: Final = frozenset({"build", "dist", "env", "venv"})
_DEVELOPMENT: Final = frozenset(
    {
        ".ci",
        ".github",
        "bench",
        "benchmark",
        "benchmarks",
        "ci",
        "demo",
        "demos",
        "doc",
        "docs",
        "example",
        "examples",
        "sample",
        "samples",
        "test",
        "testing",
        "tests",
    }
)
_TOOLS: Final = frozenset(
    {"conftest.py", "fabfile.py", "noxfile.py", "setup.py", "tasks.py"}
)


@define
class Tree:
    """
    The files of a project.

    Attributes:
        root: Its folder.

        include: Folders to walk into though they are skipped by default: a
            name, or a path within the project.

        notes: What was left out so far.

        skipped: Names of the folders that were skipped by default.

        files: How many files were read.
    """

    root: Path
    include: Collection[str] = ()
    notes: list[Note] = field(factory=list)
    skipped: set[str] = field(factory=set)
    files: int = 0

    def walk(self) -> Iterator[str]:
        """
        Give the paths of all files within the project, in their order.
        """
        yield from self._walk("", _MOST_DEPTH)

    def _walk(self, folder: str, depth: int) -> Iterator[str]:
        try:
            with os.scandir(self.root / folder) as scan:
                found = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            self.note(folder or ".", _problem(error))
            return
        names = {entry.name for entry in found}
        if "pyvenv.cfg" in names and folder:
            self.skipped.add(PurePosixPath(folder).name)
            return
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not _is_folder(entry):
                yield path
            elif entry.is_symlink():
                self._note_link(path)
            elif self._is_skipped(path, entry.name):
                self.skipped.add(entry.name)
            elif depth:
                yield from self._walk(path, depth - 1)
            else:
                self.note(path, "is nested too deeply")

    def _note_link(self, path: str) -> None:
        # What is inside of the project is read in its own place.
        try:
            target = (self.root / path).resolve()
        except (OSError, RuntimeError):
            target = None
        if target is None or not target.is_relative_to(self.root.resolve()):
            self.note(path, "is a link out of the project: not followed")

    def _is_skipped(self, path: str, name: str) -> bool:
        if name in self.include or path in self.include:
            return False
        if name.endswith((".egg-info", ".dist-info")):
            return True
        if name in _MAYBE_CODE:
            return not (self.root / path / "__init__.py").exists()
        return name in _SKIPPED

    def read(self, path: str, most: int = _CODE_BYTES) -> bytes | None:
        """
        Give what a file holds, or ``None`` with a note why not.

        Args:
            path: Within the project, or a whole path.

            most: Bytes; a larger file is not read at all.
        """
        try:
            number = os.open(self.root / path, _READ)
            with os.fdopen(number, "rb") as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    self.note(path, "is no plain file")
                    return None
                raw = stream.read(most + 1)
        except OSError as error:
            self.note(path, _problem(error))
            return None
        if len(raw) > most:
            self.note(path, f"is larger than {most} bytes")
            return None
        self.files += 1
        return raw

    def text(self, path: str, most: int = _CODE_BYTES) -> str | None:
        """
        Give the text of a file, or ``None`` with a note why not.
        """
        raw = self.read(path, most)
        if raw is None:
            return None
        if b"\0" in raw:
            self.note(path, "holds a NUL, as no text does")
            return None
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            self.note(path, "is not UTF-8 text; read as far as it is")
            return raw.decode("utf-8", errors="replace")

    def note(self, path: str, text: str) -> None:
        """
        Say that something was not read, or only in part.
        """
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(Note(file=path, text=text))
        elif len(self.notes) == _MOST_NOTES:
            self.notes.append(Note(file=".", text="more was not read"))

    def guard(
        self,
        path: str,
        read: Callable[[str], None],
        most: int = _CODE_BYTES,
    ) -> None:
        """
        Call *read* with the text of a file; what it cannot take is noted.
        """
        text = self.text(path, most)
        if text is None:
            return
        try:
            read(text)
        except RecursionError:
            self.note(path, "is nested too deeply")
        except (
            AttributeError,
            LookupError,
            SyntaxError,
            TypeError,
            ValueError,
        ) as error:
            # Of the file itself nothing is repeated but a line's number.
            line = getattr(error, "lineno", None)
            at = f" at line {line}" if line else ""
            self.note(path, f"is not what its name says{at}: not read")


def scope_of(path: str) -> tuple[Scope, str]:
    """
    Tell by its path who needs a file, and give the words for that.
    """
    pure = PurePosixPath(path)
    for part in pure.parts[:-1]:
        if part.lower() in _DEVELOPMENT:
            return Scope.DEVELOPMENT, f"in {part}"
    name = pure.name
    if name.startswith("test_") or name.endswith("_test.py"):
        return Scope.DEVELOPMENT, "in a test"
    if name in _TOOLS:
        return Scope.DEVELOPMENT, "in a tool of its makers"
    return Scope.RUN, ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _problem(error: OSError) -> str:
    return f"cannot be read ({error.strerror or type(error).__name__})"
