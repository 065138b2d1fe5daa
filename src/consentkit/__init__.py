# SPDX-License-Identifier: MIT
"""
The one door through which data leaves an app.

Nothing reads a source and nothing leaves the machine without a permit, and
only the gate makes one, out of a clause of the policy and an entry of the
ledger. Start with `open`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from consentkit.anonymise.classes import PrivacyClass
    from consentkit.anonymise.observations import (
        ClipboardText,
        Device,
        DeviceValue,
        Location,
        LogLine,
    )
    from consentkit.collectors.source import Source, Unavailable
    from consentkit.consent.results import Notice, Withdrawal
    from consentkit.consent.state import Status
    from consentkit.exceptions import (
        ConsentKitError,
        NoticeNeededError,
        PolicyError,
    )
    from consentkit.gate import OSPermission, Permit, Reason, Refusal
    from consentkit.kit import Kit, open
    from consentkit.ledger.entries import Actor
    from consentkit.limits import Limits
    from consentkit.policy.load import load_policy
    from consentkit.policy.model import Policy
    from consentkit.transports.delivery import FlushProgress, FlushReport
    from consentkit.use import Basis, Kept, Use

    __version__: str


__all__ = [
    "Actor",
    "Basis",
    "ClipboardText",
    "ConsentKitError",
    "Device",
    "DeviceValue",
    "FlushProgress",
    "FlushReport",
    "Kept",
    "Kit",
    "Limits",
    "Location",
    "LogLine",
    "Notice",
    "NoticeNeededError",
    "OSPermission",
    "Permit",
    "Policy",
    "PolicyError",
    "PrivacyClass",
    "Reason",
    "Refusal",
    "Source",
    "Status",
    "Unavailable",
    "Use",
    "Withdrawal",
    "__version__",
    "load_policy",
    "open",
]

# Loaded at first use: importing consentkit costs next to nothing.
_HOME = {
    "Actor": "ledger.entries",
    "Basis": "use",
    "ClipboardText": "anonymise.observations",
    "ConsentKitError": "exceptions",
    "Device": "anonymise.observations",
    "DeviceValue": "anonymise.observations",
    "FlushProgress": "transports.delivery",
    "FlushReport": "transports.delivery",
    "Kept": "use",
    "Kit": "kit",
    "Limits": "limits",
    "Location": "anonymise.observations",
    "LogLine": "anonymise.observations",
    "Notice": "consent.results",
    "NoticeNeededError": "exceptions",
    "OSPermission": "gate",
    "Permit": "gate",
    "Policy": "policy.model",
    "PolicyError": "exceptions",
    "PrivacyClass": "anonymise.classes",
    "Reason": "gate",
    "Refusal": "gate",
    "Source": "collectors.source",
    "Status": "consent.state",
    "Unavailable": "collectors.source",
    "Use": "use",
    "Withdrawal": "consent.results",
    "load_policy": "policy.load",
    "open": "kit",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("consentkit")
    if name not in _HOME:
        msg = f"module 'consentkit' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"consentkit.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
