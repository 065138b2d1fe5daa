# SPDX-License-Identifier: MIT
"""
The machine's id, where it stands for a machine.

Linux has it in ``/etc/machine-id``. It is made at the first start of an
installation; in a container it is the image's, in an image that was never
started it is blank, on a read-only system it lasts until the next start, and
some distributions give all their users the same. None of these is an
identifier of the device, and so none is given.

A copy of a disk that was started before keeps the id, and nothing inside
tells: two copies look alike.

Source: ``machine-id(5)``, ``systemd-machine-id-setup(1)``.
"""

from __future__ import annotations

import re

from contextlib import suppress
from pathlib import Path
from typing import Final

from consentkit.anonymise import _shared
from consentkit.collectors._files import read_line, read_mounts
from consentkit.collectors.containers import find_container
from consentkit.collectors.source import Unavailable


__all__ = ["SHARED_UUIDS", "read_machine_id"]

#: Ids that many machines have, without hyphens: one that an anonymity
#: distribution gives everybody, and what makers leave in the firmware,
#: which virtual machines and some installers take the id from.
SHARED_UUIDS: Final = _shared.SHARED_UUIDS

_ID: Final = re.compile(r"[0-9a-f]{32}")

_TYPE: Final = "system_id"


def read_machine_id(
    root: Path = Path("/"), *, in_container: bool = False
) -> str | Unavailable:
    """
    Read the id of this installation of Linux.

    Args:
        root: Folder of the system's files.

        in_container: Give it in a container, too, where it stands for the
            container or its image.

    Returns:
        32 hexadecimal digits, lower case; or why there is no id.
    """
    container = None if in_container else find_container(root)
    if container is not None:
        return Unavailable(
            _TYPE,
            f"this is a container ({container.kind}): its id stands for the "
            "container or its image, not for a device",
        )
    if _is_until_next_start(root):
        return Unavailable(
            _TYPE, "this id lasts only until the system is started again"
        )
    text = read_line(root / "etc/machine-id")
    if not text:
        # Older systems, without systemd.
        text = read_line(root / "var/lib/dbus/machine-id")
    text = text.lower().replace("-", "")
    if text in {"", "uninitialized"}:
        return Unavailable(_TYPE, "this system has not made an id yet")
    if not _ID.fullmatch(text):
        return Unavailable(_TYPE, "what stands for the id is none")
    if text in SHARED_UUIDS or len(set(text)) == 1:
        return Unavailable(_TYPE, "many machines have this same id")
    return text


def _is_until_next_start(root: Path) -> bool:
    """
    Tell whether the id lives in memory: a live or read-only system.
    """
    for line in read_mounts(root):
        before, _, after = line.partition(" - ")
        with suppress(IndexError):
            place, kind = before.split(" ")[4], after.split(" ")[0]
            if place == "/etc/machine-id" and kind in {"tmpfs", "ramfs"}:
                return True
    return False
