# SPDX-License-Identifier: MIT
"""
The reference backend: what the other end owes the person.

It stores each record once, forgets it when it expires, and erases on demand
what was delivered under a grant, for good. Members:
`consentkit.receiver.store`, `consentkit.receiver.app` and
`consentkit.receiver.server`; the last two need the extra ``receiver``, at
the first call.
"""

from __future__ import annotations

from consentkit.receiver.app import make_app
from consentkit.receiver.server import Server, run, serve
from consentkit.receiver.store import Store


__all__ = ["Server", "Store", "make_app", "run", "serve"]
