# SPDX-License-Identifier: MIT

"""
Every public name of `consentkit.testing` as the author of a source uses it,
for type checkers; never run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_type

import consentkit

from consentkit.testing import (
    Arrived,
    BadSourceConformance,
    BadTransportConformance,
    Sentinels,
    SourceConformance,
    StoreConformance,
    TransportConformance,
    anatomy,
    logged,
    permit_for,
    touched,
)
from consentkit.testing.permits import (
    FUNCTION,
    Protect,
    kit_for,
    tiny_policy,
)
from consentkit.testing.source import PLATFORMS
from consentkit.testing.transport import (
    make_batch,
    make_drop_report,
    make_erasure,
    make_record,
)
from consentkit.transports import Transport
from consentkit.transports.memory import MemoryTransport


class Thermometer(consentkit.Source[float]):
    """
    A source of the author's own.
    """

    id = "thermometer"
    name = "thermometer"
    touches = "the serial port"
    platforms = PLATFORMS
    data_types = frozenset({"smart_device_status"})
    min_interval_seconds = 5.0

    def __init__(self, port: str = "/dev/ttyS0") -> None:
        self.port = port

    def _read(
        self, permit: consentkit.Permit, **options: object
    ) -> float | consentkit.Unavailable:
        if options:
            return consentkit.Unavailable(permit.clause.type, "none")
        return 21.5


class TestThermometer(SourceConformance):
    """
    All duties of a source.
    """

    within_seconds = 5.0
    protect: Mapping[str, Protect] = {"smart_device_status": "bucket"}

    def make_source(self) -> Thermometer:
        """
        Make one whose far side works.
        """
        return Thermometer()


class TestBadThermometer(BadSourceConformance):
    """
    What a source owes where its far side is bad.
    """

    planted: Sequence[str | float] = ("TL-0042-7781",)

    def make_source(self) -> Thermometer:
        """
        Make one whose far side is gone.
        """
        return Thermometer("/dev/null")


class TestSpool(TransportConformance):
    """
    All duties of a transport.
    """

    within_seconds = 5.0

    def make_transport(self) -> Transport:
        """
        Make one whose backend works.
        """
        return MemoryTransport()

    def received(self) -> Sequence[Arrived]:
        """
        Give what came.
        """
        return [Arrived.of(b"{}"), Arrived(id="1", body=b"{}")]


class TestStore(StoreConformance):
    """
    What a backend owes that keeps records.
    """

    def make_transport(self) -> Transport:
        """
        Make one whose backend works.
        """
        return MemoryTransport()

    def held(self) -> set[str]:
        """
        Give what is there.
        """
        return {record.id for record in make_batch(make_record()).records}


class TestGone(BadTransportConformance):
    """
    What a transport owes where its backend is bad.
    """

    def make_transport(self) -> Transport:
        """
        Make one whose backend is gone.
        """
        made = MemoryTransport()
        made.erase(make_erasure())
        made.report(make_drop_report())
        return made


def read_in_a_test() -> None:
    """
    Read under a genuine permit, and see what it touches and says.
    """
    protect: Protect = {"name": "krr", "values": ["cold", "warm"]}
    with permit_for("smart_device_status", protect=protect) as permit:
        assert_type(permit, consentkit.Permit)
        with touched() as seen, logged() as said:
            value = Thermometer().read(permit)
        assert_type(value, float | consentkit.Unavailable)
        assert_type(seen, list[str])
        assert_type(said, list[str])


def look_for_values(folder: Path, error: Exception) -> None:
    """
    Look for a planted value in all that came out.
    """
    planted = Sentinels(["13905550148", 48.85837])
    assert_type(planted.found_in(b"..."), list[str])
    assert_type(planted.found_in(anatomy(error)), list[str])
    assert_type(planted.found_in_error(error), list[str])
    assert_type(planted.found_below(folder), list[str])


def go_through_a_kit() -> None:
    """
    Go the way of an app, on the smallest policy.
    """
    assert_type(tiny_policy("smart_device_status"), consentkit.Policy)
    with (
        kit_for(
            "smart_device_status", protect="bucket", sources=[Thermometer()]
        ) as kit,
        kit.use(FUNCTION) as use,
    ):
        assert_type(kit, consentkit.Kit)
        assert_type(use.device(), consentkit.Device | consentkit.Refusal)
