# SPDX-License-Identifier: MIT

"""
Projects for the tests of the audit, written file by file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consentkit.policy import load_policy
from consentkit.registry.audit import Audit, Declaration, Evidence, audit
from tests.support import tables, to_toml


__all__ = ["declare", "found", "shown", "write"]


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """
    Write *files* below *folder*, and give the folder.
    """
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = text.encode() if isinstance(text, str) else text
        path.write_bytes(raw)
    return folder


def declare(folder: Path, *sdks: str, **changes: Any) -> Declaration:
    """
    Write a policy with a function for each of *sdks*, and give it.

    Args:
        folder: Where.

        sdks: Their ids.

        changes: Keys of each of these functions.
    """
    tree = tables()
    model = next(f for f in tree["functions"] if f.get("sdk"))
    others = [f for f in tree["functions"] if not f.get("sdk")]
    tree["functions"] = others + [
        {**model, "id": f"uses_{sdk}", "sdk": sdk, **changes} for sdk in sdks
    ]
    path = folder / "policy.toml"
    path.write_text(to_toml(tree), "utf-8")
    return Declaration(
        policy=load_policy(path),
        file="policy.toml",
        text=path.read_text("utf-8"),
    )


def shown(folder: Path, **options: Any) -> dict[str, tuple[Evidence, ...]]:
    """
    Give what shows each SDK in the project.
    """
    return dict(audit(folder, **options).found)


def found(made: Audit) -> list[tuple[str, str, str]]:
    """
    Give rule, severity and SDK of each finding.
    """
    findings: Any = made.checked.findings
    return [(f.rule, f.severity.value, f.sdk) for f in findings]
