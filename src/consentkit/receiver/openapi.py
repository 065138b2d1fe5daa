# SPDX-License-Identifier: MIT
"""
What the receiver takes and answers, as OpenAPI 3.1 has it.
"""

from __future__ import annotations

import json

from importlib.metadata import version
from importlib.resources import files
from typing import Any


__all__ = ["describe"]


def describe() -> dict[str, Any]:
    """
    Give the description, as one object of JSON.

    .. versionadded:: 26.1.0
    """
    text = files("consentkit.receiver").joinpath("openapi.json")
    document: dict[str, Any] = json.loads(text.read_text(encoding="utf-8"))
    document["info"]["version"] = version("consentkit")
    return document
