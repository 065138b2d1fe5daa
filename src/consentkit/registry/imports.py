# SPDX-License-Identifier: MIT
"""
The import gate: an app's ``import`` lines of SDKs stand, and load nothing.

While an SDK has no permit, its modules do not load: the import gives a
stand-in (see `consentkit.registry.standin`), or raises an error, as the app
chooses. With the permit, the real modules load.

What it cannot hold: modules that were loaded before it was installed, code
that runs a file of the SDK as a program, and what native code does by itself.
"""

from __future__ import annotations

import logging
import sys
import threading

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import Any, Final, Literal, final

from consentkit._fork import Mutex
from consentkit.exceptions import SDKNotPermittedError
from consentkit.gate import Refusal
from consentkit.registry._calls import calls_of
from consentkit.registry._guarded import Tree, Warden, ending, importer
from consentkit.registry.model import SDKEntry
from consentkit.registry.standin import UnusableError


__all__ = ["ImportGate"]

logger: logging.Logger = logging.getLogger("consentkit")

#: `sys.modules` is the process's, and so are these.
_trees: Final[dict[str, Tree]] = {}
_guard: Final = Mutex()
#: Names that a thread is looking for, as finders may ask each other.
_looking: Final = threading.local()


@final
class ImportGate:
    """
    Keeps the modules of SDKs from loading before their permit.

    Several gates live in one process: a module needs the permit of each that
    names it, and where one of them wants errors, errors are raised.

    Args:
        entries: The SDKs that are gated, by id. One without a package is
            passed over.

        refused: Why an SDK may not be used now, or ``None`` when it may.
            It is asked at every use.

        mode: What an import without a permit gives: a ``stand-in``, or an
            ``error``. With errors only imports are gated: what an app has
            imported under a permit, it has.
    """

    def __init__(
        self,
        *,
        entries: Mapping[str, SDKEntry],
        refused: Callable[[str], Refusal | None],
        mode: Literal["stand-in", "error"] = "stand-in",
    ) -> None:
        self._dropped: dict[str, int] = {}
        self._count = Mutex()
        self._wardens: dict[str, Warden] = {}
        self._roots: dict[str, tuple[str, ...]] = {}
        self._finder: _Finder | None = None
        self._already: tuple[str, ...] = ()
        for sdk, entry in entries.items():
            if entry.package is None:
                continue
            self._roots[sdk] = entry.package.imports
            self._wardens[sdk] = Warden(
                sdk=sdk,
                refused=partial(refused, sdk),
                drop=partial(self._drop, sdk),
                calls=calls_of(entry.package),
                family=tuple(f"{name}." for name in entry.package.imports),
                mode=mode,
            )

    def __repr__(self) -> str:
        state = "off" if self._finder is None else "on"
        return f"<ImportGate: {len(self._wardens)} SDKs, {state}>"

    @property
    def already_loaded(self) -> tuple[str, ...]:
        """
        Ids of SDKs that were loaded before `install`; they stay loaded.

        With stand-ins, what the app asks these modules for from then on
        needs the permit; what it has of them already does not.
        """
        return self._already

    @property
    def dropped(self) -> Mapping[str, int]:
        """
        How many uses were dropped, by id; an SDK without any is not there.
        """
        return MappingProxyType(self._dropped)

    @property
    def is_ending(self) -> bool:
        """
        Whether this thread ends what an SDK had set up before it lost its
        permit: it may not send, though there may be a new one by now.
        """
        return getattr(ending, "is_here", False)

    def install(self) -> None:
        """
        Put the gate before all other finders of modules.
        """
        if self._finder is not None:
            return
        with _guard:
            trees = {
                root: _trees.setdefault(root, Tree(root))
                for roots in self._roots.values()
                for root in roots
            }
        loaded = set()
        for sdk, roots in self._roots.items():
            for root in roots:
                trees[root].join(self._wardens[sdk])
                if trees[root].guard_loaded():
                    loaded.add(sdk)
        self._already = tuple(sdk for sdk in self._roots if sdk in loaded)
        self._finder = _Finder(trees)
        sys.meta_path.insert(0, self._finder)
        for sdk in self._already:
            logger.warning(
                "%s was imported before it was gated: it stays loaded; open "
                "the kit first",
                sdk,
                extra={"consentkit_sdk": sdk},
            )

    def remove(self) -> None:
        """
        Take the gate away. New imports are not held up by it any more; the
        stand-ins that were handed out stay quiet, unless other gates that
        name the SDK permit them.
        """
        if self._finder is None:
            return
        with suppress(ValueError):
            sys.meta_path.remove(self._finder)
        self._finder = None
        for sdk, roots in self._roots.items():
            for root in roots:
                _trees[root].leave(self._wardens[sdk])

    def permitted(self, sdk: str) -> None:
        """
        Do what the app has set up of an SDK before, now that it may.

        The same happens at the first use under a permit. Nothing is loaded
        where there is nothing to set up, and nothing is raised: what fails
        is logged.
        """
        for tree in self._of(sdk):
            tree.set_up()

    def ended(self, sdk: str) -> None:
        """
        Say that an SDK was shut down: with the next permit it is set up anew.
        """
        for tree in self._of(sdk):
            tree.end()

    def _of(self, sdk: str) -> list[Tree]:
        if self._finder is None:
            return []
        return [_trees[root] for root in self._roots.get(sdk, ())]

    def _drop(self, sdk: str) -> None:
        with self._count:
            self._dropped[sdk] = self._dropped.get(sdk, 0) + 1


@final
class _Finder(MetaPathFinder):
    """
    Finds the modules of gated SDKs, by the help of the other finders.
    """

    def __init__(self, trees: Mapping[str, Tree]) -> None:
        self._trees = trees
        self._tops = frozenset(root.partition(".")[0] for root in trees)

    def __repr__(self) -> str:
        return f"<finder of gated SDKs: {', '.join(self._trees)}>"

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """
        Give the real specification, with a loader that asks first.
        """
        if fullname.partition(".")[0] not in self._tops:
            return None
        tree = self._tree_of(fullname)
        if tree is None:
            return None
        spec = _real_spec(fullname, path, target)
        # What has no loader is a folder of modules, without code.
        if spec is None or spec.loader is None:
            return None
        spec.loader = _GatedLoader(spec.loader, tree)
        return spec

    def _tree_of(self, name: str) -> Tree | None:
        while name:
            if name in self._trees:
                return self._trees[name]
            name = name.rpartition(".")[0]
        return None


def _real_spec(
    name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    looking: set[str] = _looking.__dict__.setdefault("names", set())
    if name in looking:
        return None
    looking.add(name)
    try:
        for finder in [*sys.meta_path]:
            find = getattr(finder, "find_spec", None)
            if find is None or isinstance(finder, _Finder):
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                return spec
        return None
    finally:
        looking.discard(name)


@final
class _GatedLoader(Loader):
    """
    Loads a module of a gated SDK, or leaves it bare; all else it leaves to
    the real loader.
    """

    def __init__(self, real: Any, tree: Tree) -> None:
        self._real = real
        self._tree = tree
        self._is_real: bool | None = None
        self._native: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "_real":  # not there yet: a copy is being made
            raise AttributeError(name)
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """
        Give the one module of this name.

        Raises:
            SDKNotPermittedError: If an error is wanted, and it has no permit.
        """
        self._is_real = self._may_load(spec.name)
        if not self._tree.is_guarded:
            made: ModuleType | None = self._real.create_module(spec)
            return made
        if self._is_real:
            self._native = self._real.create_module(spec)
        return self._tree.node(spec.name).module

    def exec_module(self, module: ModuleType) -> None:
        """
        Run the module's code if it may load.
        """
        if not self._tree.is_guarded:
            self._real.exec_module(module)
            return
        node = self._tree.node(module.__name__)
        is_real, self._is_real = self._is_real, None
        if is_real is None:  # `importlib.reload` asks for no module
            is_real = self._may_load(module.__name__)
        if is_real:
            native, self._native = self._native, None
            node.execute(self._real, native)
        elif node.state == "bare" and node not in node.tree.bare:
            node.tree.bare.append(node)

    def _may_load(self, name: str) -> bool:
        tree = self._tree
        node = tree.nodes.get(name)
        if node is not None and node.state == "loading":
            return True
        if tree.owns(importer(sys._getframe(2))):  # noqa: SLF001 - whoever
            return _load_above(tree, name)
        for warden in tree.wardens:
            refusal = warden.ask()
            if refusal is not None:
                if any(w.mode == "error" for w in tree.wardens):
                    raise SDKNotPermittedError(name, warden.sdk, refusal)
                return False
        return bool(tree.wardens) and _load_above(tree, name)


def _load_above(tree: Tree, name: str) -> bool:
    """
    Load the parent, and tell whether what is in it may load now.

    Where another thread loads it, and waits for us, it may not: then it stays
    bare until it is used.
    """
    above = tree.nodes.get(name.rpartition(".")[0])
    if above is None:
        return True
    try:
        above.load()
    except UnusableError:
        if not above.has_failed:
            return False
    else:
        return True
    msg = f"{above.name} cannot be loaded"
    raise ImportError(msg, name=name)
