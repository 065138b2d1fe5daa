# SPDX-License-Identifier: MIT
"""
Who but its recipient can read what is on its way? Nobody.

A batch is sealed for its recipient's key before it goes to a transport, so
that brokers, proxies and whoever keeps their logs carry what they cannot
read. `consentkit.seal.envelope` is the format.
"""

from __future__ import annotations

from consentkit.exceptions import EnvelopeError, UnknownKeyError
from consentkit.seal.envelope import (
    MEDIA_TYPE,
    Head,
    open_envelope,
    read_head,
    seal,
)
from consentkit.seal.keyring import KeyRing
from consentkit.seal.keys import (
    AEAD,
    KEM,
    OpenKey,
    SealKey,
    format_key_list,
    make_open_key,
    parse_key_list,
)


__all__ = [
    "AEAD",
    "KEM",
    "MEDIA_TYPE",
    "EnvelopeError",
    "Head",
    "KeyRing",
    "OpenKey",
    "SealKey",
    "UnknownKeyError",
    "format_key_list",
    "make_open_key",
    "open_envelope",
    "parse_key_list",
    "read_head",
    "seal",
]
