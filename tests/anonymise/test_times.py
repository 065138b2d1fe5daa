# SPDX-License-Identifier: MIT

"""
Tests for how finely the time of a record is told, through a kit.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import pytest

import consentkit

from consentkit.outbox.records import Record
from consentkit.policy import Pending, Policy
from consentkit.transports.memory import MemoryTransport
from tests.anonymise.test_in_use import policy
from tests.support import START, Clock, Spies, make_kit


DEVICES = 12


@attrs.frozen
class PanelOpened:
    """
    An event with nothing in it.
    """


def pseudonyms(**more: Any) -> Policy:
    """
    Make a policy of pseudonyms for two recipients.
    """
    return policy(
        {
            "type": "mac_address",
            "protect": {"name": "keyed", "epoch": "P30D", **more},
            "recipients": ["maker", "helper"],
        }
    )


def delivered(folder: Path, promised: Policy) -> dict[str, list[Record]]:
    """
    Read devices one after the other within a day, each for two recipients;
    give what these got, in the order of the devices.
    """
    found: dict[str, list[Record]] = {"maker": [], "helper": []}
    for number in range(DEVICES):
        transport = MemoryTransport()
        spies = Spies()
        spies["mac_address"].value = f"3C:5A:B4:01:23:{number:02X}"
        clock = Clock(START.replace(hour=0) + number * timedelta(minutes=9))
        with make_kit(
            folder / str(number),
            "improve",
            policy=promised,
            spies=spies,
            transport=dict.fromkeys(found, transport),
            clock=clock,
        ) as kit:
            with kit.use("improve") as use:
                for party in found:
                    kept = use.capture(
                        use.device("mac_address", recipient=party)
                    )
                    assert kept
            kit.flush()
        for record in transport.records:
            found[record.recipient].append(record)
    return found


class TestTimeStep:
    """
    Tests for `time_step` of what is no place.
    """

    @pytest.mark.parametrize("more", [{}, {"time_step": "P1D"}])
    def test_joining_two_recipients(
        self, tmp_path: Path, more: dict[str, str]
    ) -> None:
        """
        By the nearest times two recipients join all records of a day, and
        none where the time is cut to the day: nothing tells them apart.
        """
        found = delivered(tmp_path, pseudonyms(**more))

        times = [[r.captured_at for r in found[p]] for p in found]
        ids = [[UUID(r.id).int >> 80 for r in found[p]] for p in found]
        ends = [[r.expires_at for r in found[p]] for p in found]
        joined = 0
        for number, at in enumerate(times[0]):
            gaps = [abs(at - other) for other in times[1]]
            near = [n for n, gap in enumerate(gaps) if gap == min(gaps)]
            joined += near == [number]
        assert joined == (0 if more else DEVICES)
        if more:
            for told in (times, ids, ends):
                assert len({*told[0], *told[1]}) == 1
        assert not (
            {str(r.value) for r in found["maker"]}
            & {str(r.value) for r in found["helper"]}
        )

    def test_of_an_event_that_was_held(self, tmp_path: Path) -> None:
        """
        The id of an event that waited for an answer tells no more than its
        time does.
        """
        promised = policy(
            {
                "type": "network_status",
                "protect": {"name": "none", "time_step": "PT1H"},
            },
            name="panel_opened",
            type="network_status",
            fields={},
        )
        promised = attrs.evolve(
            promised,
            functions={
                **promised.functions,
                "improve": attrs.evolve(
                    promised.functions["improve"],
                    pending=Pending.MEMORY,
                ),
            },
        )
        with make_kit(tmp_path, policy=promised) as kit:
            with kit.use("improve") as use:
                refused = use.capture(PanelOpened())
                assert isinstance(refused, consentkit.Refusal)
                assert refused.held
            kit.consent.grant("improve", method="settings")
            (record,) = kit.store.inspect()

        at = record.captured_at
        assert (at.minute, at.second, at.microsecond) == (0, 0, 0)
        assert UUID(record.id).int >> 80 == at.timestamp() * 1000
