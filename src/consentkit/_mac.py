# SPDX-License-Identifier: MIT
"""
HMAC-SHA-256 that a fork cannot be hurt by.

`hmac.digest` gives the interpreter's lock up inside OpenSSL, where that has
looked up its algorithm under a lock of its own. A fork by another thread in
this moment leaves OpenSSL's lock held in the child for ever, and whatever
asks for an algorithm there hangs.
"""

from __future__ import annotations

import hmac


__all__ = ["hmac_sha256"]


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """
    Give the 32 bytes of HMAC-SHA-256 (RFC 2104).
    """
    # It keeps the interpreter's lock while anything is looked up.
    return hmac.new(key, message, "sha256").digest()
