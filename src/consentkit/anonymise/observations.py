# SPDX-License-Identifier: MIT
"""
Protected observations: what a caller gets from a read, typed.

What is in them is what the policy lets be known; the raw value has stayed
behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NoReturn, final

from attrs import field, frozen

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.protect import Protected
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import UnprotectedError
from consentkit.gate import Refusal
from consentkit.policy.model import ProtectionName
from consentkit.typing import JSON


__all__ = ["ClipboardText", "Device", "DeviceValue", "Location", "LogLine"]


@frozen(kw_only=True)
class _Single:
    """
    An observation of one data type.
    """

    _protected: Protected = field(repr=False, eq=False)

    @property
    def data_type(self) -> str:
        """
        Id of the data type.
        """
        return self._protected.permit.clause.type

    @property
    def protection(self) -> ProtectionName:
        """
        What was done to the value on this device.
        """
        return self._protected.protection

    @property
    def privacy_class(self) -> PrivacyClass:
        """
        What the value may honestly be called.
        """
        return self._protected.privacy_class

    def protected_values(self) -> tuple[Protected, ...]:
        """
        Give what the outbox takes.
        """
        return (self._protected,)


@final
@frozen(kw_only=True)
class Location(_Single):
    """
    A place, as the policy lets it be known.

    Attributes:
        latitude, longitude: Degrees, WGS-84; the centre of a cell where the
            policy promises one.

        cell_km: Side of the cell in kilometres, or ``None`` for a place as
            it was measured.

        noise_km: By how many kilometres it was moved in the mean, or
            ``None`` for a place that was not moved.

        accuracy_m: Radius in metres that the source believes in, of the
            place as it was measured; ``None`` where it says nothing. For a
            cell it is rounded up to two digits.

        time: When the device was there, by the source's own clock and in
            the steps that the policy promises; ``None`` where it says
            nothing.

    The last two are for the app to judge by. They are no part of what is
    captured.

    .. versionchanged:: 26.1.0 *accuracy_m*, *time*
    """

    latitude: float = field(repr=False)
    longitude: float = field(repr=False)
    cell_km: float | None = None
    noise_km: float | None = None
    accuracy_m: float | None = field(default=None, repr=False)
    time: datetime | None = field(default=None, repr=False)


@final
@frozen(kw_only=True)
class ClipboardText(_Single):
    """
    What was taken from the clipboard: the declared part and nothing else.

    Attributes:
        intent: Which of the declared things it is.

        value: The thing itself.
    """

    intent: str
    value: str = field(repr=False)


@final
@frozen(kw_only=True)
class LogLine(_Single):
    """
    A line of the app's log, scrubbed.
    """

    text: str = field(repr=False)


@final
@frozen(kw_only=True)
class DeviceValue(_Single):
    """
    One property or identifier of the device.
    """

    value: JSON = field(repr=False)


@frozen(kw_only=True)
class Device:
    """
    What was learnt of the device, by data type.

    Attributes:
        values: What there is, in the order of the policy.

        unavailable: What was permitted and has no value here.

        refused: What was not permitted, and so not read.
    """

    values: tuple[DeviceValue, ...] = ()
    unavailable: tuple[Unavailable, ...] = ()
    refused: tuple[Refusal, ...] = ()

    def __getitem__(self, data_type: str) -> JSON:
        """
        Give the protected value of *data_type*.

        Raises:
            KeyError: If there is none.
        """
        for value in self.values:
            if value.data_type == data_type:
                return value.value
        raise KeyError(data_type)

    def __iter__(self) -> Iterator[DeviceValue]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def protected_values(self) -> tuple[Protected, ...]:
        """
        Give what the outbox takes.
        """
        return tuple(
            protected
            for value in self.values
            for protected in value.protected_values()
        )


def _closed(cls: type) -> NoReturn:
    msg = f"an observation cannot be subclassed: {cls.__name__}"
    raise UnprotectedError(msg)


# All kinds are there. Another one could call its value what it likes.
_Single.__init_subclass__ = classmethod(_closed)  # type: ignore[assignment]
