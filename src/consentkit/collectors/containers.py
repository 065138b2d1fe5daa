# SPDX-License-Identifier: MIT
"""
Whether this is a container: a machine that is an image, or a part of one.

An identifier that is read in a container stands for the container or for the
image that it was made from, and so for none or for thousands of devices.
Nothing here is sure: a container can hide that it is one. What is found is
right; what is not found may be there.

Virtual machines are devices of their own here: their identifiers differ
until somebody copies their disk, and nothing inside tells a copy.

Source: systemd, "The Container Interface" (systemd.io/CONTAINER_INTERFACE)
and ``systemd-detect-virt(1)``; the files that Docker, Podman, LXC, LXD,
Incus, Kubernetes and WSL leave.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from consentkit.collectors._files import (
    read_bytes,
    read_line,
    read_mounts,
    read_text,
)


__all__ = ["Container", "find_container"]


@frozen(kw_only=True)
class Container:
    """
    A container, and what shows it.

    Attributes:
        kind: ``docker``, ``podman``, ``kubernetes``, ``lxc``, ``openvz``,
            ``systemd-nspawn``, ``wsl``, or ``container`` for another one.

        sign: The file that shows it.

    .. versionadded:: 26.1.0
    """

    kind: str
    sign: str


#: What managers call themselves; flatpak's sandboxes have the host's names
#: and ids, and so are none.
_KINDS: Final = {
    "docker": "docker",
    "flatpak": "",
    "kubernetes": "kubernetes",
    "libpod": "podman",
    "lxc": "lxc",
    "lxc-libvirt": "lxc",
    "oci": "container",
    "podman": "podman",
    "snap": "",
    "systemd-nspawn": "systemd-nspawn",
    "wsl": "wsl",
}

#: Left by a manager where it makes a container.
_LEFT: Final = (
    ("run/.containerenv", "podman"),
    (".dockerenv", "docker"),
    ("var/run/secrets/kubernetes.io", "kubernetes"),
    ("run/secrets/kubernetes.io", "kubernetes"),
    ("dev/lxd", "lxc"),
    ("dev/incus", "lxc"),
    ("dev/.lxc", "lxc"),
    ("dev/.lxc-boot-id", "lxc"),
)

#: In the names of control groups, where they are not hidden.
_GROUPS: Final = re.compile(
    r"[/:-](?P<kind>docker|kubepods|libpod|lxc)(?:[/.:-]|$)", re.MULTILINE
)

#: Managers put their own files in the place of these.
_MOUNTED: Final = frozenset({"/etc/hostname", "/etc/hosts"})

_MOUNTS: Final = (
    ("/docker/containers/", "docker"),
    ("/overlay-containers/", "podman"),
    ("/pods/", "kubernetes"),
    ("/io.containerd", "container"),
)

_GROUP_KINDS: Final = {"kubepods": "kubernetes", "libpod": "podman"}


def find_container(root: Path = Path("/")) -> Container | None:
    """
    Find out whether this is a container, by the files below *root*.

    Only files are looked at: no program starts, nothing is connected to.
    Of other systems than Linux nothing is known, and ``None`` is given.

    Returns:
        The container, or ``None`` where nothing shows one.

    .. versionadded:: 26.1.0
    """
    return next(_found(root), None)


def _found(root: Path) -> Iterator[Container]:
    yield from _named(root)
    for name, kind in _LEFT:
        if _exists(root / name):
            yield Container(kind=kind, sign=f"/{name}")
    # The kernel of the host; a container on it would have been found above.
    release = read_line(root / "proc/sys/kernel/osrelease").lower()
    if "microsoft" in release or "wsl" in release:
        yield Container(kind="wsl", sign="/proc/sys/kernel/osrelease")
    yield from _grouped(root)
    yield from _mounted(root)
    if _exists(root / "proc/vz") and not _exists(root / "proc/bc"):
        yield Container(kind="openvz", sign="/proc/vz")


def _named(root: Path) -> Iterator[Container]:
    """
    Find what the manager itself says.
    """
    for name in ("run/host/container-manager", "run/systemd/container"):
        if said := read_line(root / name):
            yield from _kind(said, f"/{name}")
    # The variables of another process: no more of them is kept than this.
    for variable in read_bytes(root / "proc/1/environ").split(b"\0"):
        key, _, said_bytes = variable.partition(b"=")
        if key == b"container" and said_bytes:
            yield from _kind(said_bytes.decode("ascii", "replace"), "pid 1")


def _kind(said: str, sign: str) -> Iterator[Container]:
    # A text that is not known is not repeated: it could hold anything.
    if kind := _KINDS.get(said.strip().lower(), "container"):
        yield Container(kind=kind, sign=sign)


def _grouped(root: Path) -> Iterator[Container]:
    for name in ("proc/self/cgroup", "proc/1/cgroup"):
        if match := _GROUPS.search(read_text(root / name)):
            kind = _GROUP_KINDS.get(match["kind"], match["kind"])
            yield Container(kind=kind, sign=f"/{name}")


def _mounted(root: Path) -> Iterator[Container]:
    for line in read_mounts(root):
        parts = line.split(" ")
        if len(parts) < 5 or parts[4] not in _MOUNTED:
            continue
        for mark, kind in _MOUNTS:
            if mark in parts[3]:
                yield Container(kind=kind, sign="/proc/self/mountinfo")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # no permission: nothing is known
