# SPDX-License-Identifier: MIT
"""
Third-party SDKs: what is known of them, and the door that starts them.
"""

from __future__ import annotations

from consentkit.registry.load import load_entries, load_registry
from consentkit.registry.model import (
    SDKEntry,
    SDKField,
    SDKHost,
    SDKMobile,
    SDKPackage,
    SDKPermission,
    SDKSwitch,
    SDKUnknown,
)
from consentkit.registry.registry import Registry, Started


__all__ = [
    "Registry",
    "SDKEntry",
    "SDKField",
    "SDKHost",
    "SDKMobile",
    "SDKPackage",
    "SDKPermission",
    "SDKSwitch",
    "SDKUnknown",
    "Started",
    "load_entries",
    "load_registry",
]
