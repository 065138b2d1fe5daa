# SPDX-License-Identifier: MIT
"""
Write the shape of an SDK entry, for editors.

It is made from the classes that read an entry::

    python docs/sdk_schema.py
"""

from __future__ import annotations

import json

from pathlib import Path

from consentkit.registry.schema import json_schema


FILE = Path(__file__).parent / "_static" / "sdk.schema.json"


def schema() -> str:
    """
    Give the JSON Schema's text.
    """
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema(), encoding="utf-8")
