# SPDX-License-Identifier: MIT

"""
Folders that look like a system's own, for sources that take them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


__all__ = ["grow"]


def grow(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """
    Make *files* below *root*; a name that ends in ``/`` is a folder.
    """
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content.encode() if isinstance(content, str) else content
        path.write_bytes(raw)
    return root
