# SPDX-License-Identifier: MIT
"""
Serving the reference backend: inside a program, or as one.

Durations are float seconds.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from consentkit.exceptions import MissingExtraError


if TYPE_CHECKING:
    import uvicorn

    from starlette.types import ASGIApp


__all__ = ["Server", "run", "serve"]

_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 5.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
