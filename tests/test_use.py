# SPDX-License-Identifier: MIT

"""
Tests for a function in use: when it reads, what it gives, what it keeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import types

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

import consentkit

from consentkit.anonymise.protect import Protected
from consentkit.collectors.location import CallableLocation, Fix
from consentkit.exceptions import UnprotectedError
from consentkit.gate import OSPermission, Permit, Reason, Refusal
from consentkit.outbox.records import Record
from consentkit.testing.permits import FUNCTION, kit_for
from consentkit.use import Kept, Use
from tests.support import (
    MAC,
    MAC_MD5,
    PLACE,
    SHARE_CODE,
    START,
    Clock,
    Spies,
    make_kit,
    small,
)


SPOT = "connect/location_precise"
EVERYTHING = small().elements


@attrs.frozen(kw_only=True)
class BindingFinished:
    """
    The app's own event, as the small policy declares it.
    """

    seconds: Any = 4.2
    outcome: Any = "ok"
    note: Any = "fine"
    again: Any = False
    tries: Any = 1


@attrs.frozen
class SessionEnded:
    """
    An event whose numbers are bucketed.
    """

    seconds: Any


@attrs.frozen
class PasswordTyped:
    """
    An event of a type that stays on the device.
    """

    length: int


@pytest.fixture
def spies() -> Spies:
    """
    Give sources that count their reads.
    """
    return Spies()


@pytest.fixture
def kit(tmp_path: Path, spies: Spies) -> Iterator[consentkit.Kit]:
    """
    Give a kit with everything granted.
    """
    with make_kit(tmp_path, *EVERYTHING, spies=spies) as made:
        yield made


def waiting(kit: consentkit.Kit) -> list[Record]:
    """
    Open what waits in the outbox.
    """
    return list(kit.store.inspect())


def reason(answer: object) -> Reason:
    """
    Give the reason of what must be a refusal, and false.
    """
    assert isinstance(answer, Refusal), answer
    assert not answer
    return answer.reason


class TestReads:
    """
    Tests for what is read, under all conditions that hold.
    """

    @pytest.mark.obligation("WP-HASH-1")
    def test_device(self, kit: consentkit.Kit, spies: Spies) -> None:
        """
        What is declared is read once, each in its promised form.
        """
        with kit.use("improve") as use:
            device = use.device("mac_address", "imei", "app_usage_time")

        assert isinstance(device, consentkit.Device)
        assert device["mac_address"] == MAC_MD5
        assert device["imei"] is True
        assert device["app_usage_time"] == "512-1024"
        assert len(device) == 3
        assert spies.reads == 3
        with pytest.raises(KeyError):
            device["system_id"]

    def test_all_of_the_device(
        self, kit: consentkit.Kit, spies: Spies
    ) -> None:
        """
        Without names, all device types of the function are read, and those
        that the other methods read are not.
        """
        with kit.use("improve") as use:
            device = use.device()

        assert isinstance(device, consentkit.Device)
        assert {value.data_type for value in device} == {
            "mac_address",
            "system_id",
            "imei",
            "app_usage_time",
        }
        with kit.use("connect") as use:
            use.device()
        assert spies["location_precise"].reads == 0

    def test_location(self, kit: consentkit.Kit, spies: Spies) -> None:
        """
        A place comes as the cell that the policy promises.
        """
        with kit.use("connect") as use:
            place = use.location()

        assert isinstance(place, consentkit.Location)
        assert place.cell_km == 2.0
        assert place.latitude != PLACE.latitude
        assert place.latitude == pytest.approx(PLACE.latitude, abs=0.02)
        assert place.privacy_class is consentkit.PrivacyClass.DE_IDENTIFIED
        assert spies["location_precise"].reads == 1

    def test_what_is_known_of_a_place(self, tmp_path: Path) -> None:
        """
        How exact and of when a place is comes beside it, for a cell no finer
        than the policy promises; in what is captured there is neither.
        """
        at = START - timedelta(seconds=40)
        hour = at.replace(minute=0, second=0)
        fix = Fix(
            latitude=48.85837, longitude=2.29448, accuracy_m=123.4, time=at
        )
        with (
            make_kit(
                tmp_path, *EVERYTHING, spies=Spies(location_precise=fix)
            ) as kit,
            kit.use("connect") as use,
        ):
            place = use.location()
            kept = use.capture(place)
            (record,) = waiting(kit)

        assert isinstance(place, consentkit.Location)
        assert (place.accuracy_m, place.time) == (130.0, hour)
        assert "123" not in repr(place)
        assert "130" not in repr(place)
        assert isinstance(kept, Kept)
        value: Any = record.value
        assert set(value) == {"latitude", "longitude", "cell_km"}

    def test_what_is_known_of_an_exact_place(self) -> None:
        """
        Of a place that is told as it is, so are they.
        """
        fix = Fix(
            latitude=48.85837,
            longitude=2.29448,
            accuracy_m=123.4,
            time=datetime.now(UTC),
        )
        source = CallableLocation(lambda: fix, crs="wgs84")
        with (
            kit_for("location_precise", sources=[source]) as kit,
            kit.use(FUNCTION) as use,
        ):
            place = use.location()

        assert isinstance(place, consentkit.Location)
        assert (place.accuracy_m, place.time) == (123.4, fix.time)

    @pytest.mark.parametrize(
        "fix", [PLACE, types.SimpleNamespace(latitude=1.0, longitude=2.0)]
    )
    def test_nothing_is_known_of_a_place(self, tmp_path: Path, fix) -> None:
        """
        Where a source says nothing of accuracy and time, there is none.
        """
        with (
            make_kit(
                tmp_path, *EVERYTHING, spies=Spies(location_precise=fix)
            ) as kit,
            kit.use("connect") as use,
        ):
            place = use.location()

        assert isinstance(place, consentkit.Location)
        assert (place.accuracy_m, place.time) == (None, None)

    @pytest.mark.obligation("WP-CLIP-1")
    def test_clipboard(self, kit: consentkit.Kit, spies: Spies) -> None:
        """
        In its scene the clipboard is read once.
        """
        with kit.use("paste") as use:
            taken = use.clipboard("receive_share")

        assert isinstance(taken, consentkit.ClipboardText)
        assert (taken.intent, taken.value) == ("share_code", SHARE_CODE)
        assert spies.reads == 1

    def test_no_value_is_unavailable(self, tmp_path: Path) -> None:
        """
        Permitted without a value is a third outcome; nothing is made up.
        """
        spies = Spies(mac_address="00:00:00:00:00:00", imei=ValueError(MAC))
        with (
            make_kit(tmp_path, "improve", spies=spies) as kit,
            kit.use("improve") as use,
        ):
            device = use.device("mac_address", "imei")
            refused = use.capture(device)

        assert isinstance(device, consentkit.Device)
        assert [u.data_type for u in device.unavailable] == [
            "mac_address",
            "imei",
        ]
        assert len(device) == 0
        assert reason(refused) is Reason.NO_VALUE
        assert MAC not in repr(device)

    @pytest.mark.obligation("WP-HASH-1")
    def test_no_raw_value_is_shown(self, kit: consentkit.Kit) -> None:
        """
        No repr of what a read gives holds a value.
        """
        with kit.use("improve") as use:
            device = use.device()
        with kit.use("paste") as use:
            taken = use.clipboard("receive_share")
        with kit.use("connect") as use:
            place = use.location()
        shown = repr((device, taken, place))

        assert MAC not in shown
        assert MAC_MD5 not in shown
        assert SHARE_CODE not in shown
        assert "48." not in shown


def _other_thread(work: Callable[[], object]) -> object:
    """
    Do *work* in a thread, with a copy of this context.
    """
    found: list[object] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: found.append(context.run(work)))
    thread.start()
    thread.join()
    return found[0]


def _raising(_: str) -> OSPermission:
    raise OSError(MAC)


# Grants, options of the kit, function, how it reads; reason and read type.
REFUSED: dict[str, tuple[tuple[str, ...], dict, str, Callable, Reason]] = {
    "not asked": (
        (),
        {},
        "improve",
        lambda use: use.device("mac_address"),
        Reason.NOT_ASKED,
    ),
    "nothing named": (
        (),
        {},
        "improve",
        lambda use: use.device(),
        Reason.NOT_ASKED,
    ),
    "other function granted": (
        ("logs", "paste"),
        {},
        "improve",
        lambda use: use.device(),
        Reason.NOT_ASKED,
    ),
    "place not asked": (
        (),
        {},
        "connect",
        lambda use: use.location(),
        Reason.NOT_ASKED,
    ),
    "clipboard not asked": (
        (),
        {},
        "paste",
        lambda use: use.clipboard("receive_share"),
        Reason.NOT_ASKED,
    ),
    "separate type not asked": (
        ("connect",),
        {},
        "connect",
        lambda use: use.location(),
        Reason.SEPARATE_CONSENT_NEEDED,
    ),
    "undeclared function": (
        EVERYTHING,
        {},
        "nothing",
        lambda use: use.device(),
        Reason.UNDECLARED_FUNCTION,
    ),
    "undeclared type": (
        EVERYTHING,
        {},
        "paste",
        lambda use: use.device("mac_address"),
        Reason.UNDECLARED_DATA_TYPE,
    ),
    "place of another function": (
        EVERYTHING,
        {},
        "improve",
        lambda use: use.location(),
        Reason.UNDECLARED_DATA_TYPE,
    ),
    "undeclared recipient": (
        EVERYTHING,
        {},
        "improve",
        lambda use: use.device("mac_address", recipient="umeng"),
        Reason.UNDECLARED_RECIPIENT,
    ),
    "undeclared scene": (
        EVERYTHING,
        {},
        "paste",
        lambda use: use.clipboard("launch"),
        Reason.UNDECLARED_SCENE,
    ),
    "no scene": (
        EVERYTHING,
        {},
        "paste",
        lambda use: use.clipboard(""),
        Reason.UNDECLARED_SCENE,
    ),
    "clipboard by another way": (
        EVERYTHING,
        {},
        "paste",
        lambda use: use.device("clipboard_share_code"),
        Reason.UNDECLARED_SCENE,
    ),
    "permission denied": (
        EVERYTHING,
        {"os_permission": lambda _: OSPermission.DENIED},
        "connect",
        lambda use: use.location(),
        Reason.OS_PERMISSION,
    ),
    "permission unknown": (
        EVERYTHING,
        {"os_permission": lambda _: OSPermission.UNKNOWN},
        "connect",
        lambda use: use.location(),
        Reason.OS_PERMISSION,
    ),
    "permission not answered": (
        EVERYTHING,
        {"os_permission": _raising},
        "connect",
        lambda use: use.location(),
        Reason.OS_PERMISSION,
    ),
    "other thread": (
        EVERYTHING,
        {},
        "connect",
        lambda use: _other_thread(use.location),
        Reason.NOT_IN_USE,
    ),
    "dropped": (
        EVERYTHING,
        {},
        "connect",
        lambda use: use.device("device_name"),
        Reason.STAYS_ON_DEVICE,
    ),
}


class TestRefusals:
    """
    Tests that a refusal reads nothing, keeps nothing and raises nothing.
    """

    @pytest.mark.obligation("WP-ADD-2", "WP-CONS-1", "WP-CONS-3", "WP-PERM-2")
    @pytest.mark.parametrize("name", REFUSED)
    def test_reads_nothing(
        self, tmp_path: Path, spies: Spies, name: str
    ) -> None:
        """
        Whatever the reason, it is named, and no source is read.
        """
        grants, options, function, read, expected = REFUSED[name]
        with make_kit(tmp_path, *grants, spies=spies, **options) as kit:
            with kit.use(function) as use:
                got = read(use)
                kept = use.capture(got)

            assert reason(got) is expected
            assert kept is got
            assert spies.reads == 0
            assert kit.status().waiting == 0
            assert MAC not in str(got)

    def test_reads_once_where_all_holds(
        self, kit: consentkit.Kit, spies: Spies
    ) -> None:
        """
        The positive twin of the refusals: each read is one read.
        """
        with kit.use("improve") as use:
            assert use.device("mac_address")
        with kit.use("connect") as use:
            assert use.location()
        with kit.use("paste") as use:
            assert use.clipboard("receive_share")

        for data_type in (
            "mac_address",
            "location_precise",
            "clipboard_share_code",
        ):
            assert spies[data_type].reads == 1

    @pytest.mark.obligation("WP-BIND-2", "WP-CONS-3")
    def test_purpose_counts(self, kit: consentkit.Kit, spies: Spies) -> None:
        """
        A place granted for the Wi-Fi list is refused for another purpose in
        the same second, unread.
        """
        with kit.use("connect", purpose="device_binding") as use:
            # The purpose is the function's own, but not for this type.
            assert use.permit("network_status")
            refused = use.location()
        with kit.use("connect", purpose="advertising_targeting") as use:
            also = use.location()
        assert spies.reads == 0
        assert reason(refused) is Reason.UNDECLARED_PURPOSE
        assert reason(also) is Reason.UNDECLARED_PURPOSE

        with kit.use("connect", purpose="wifi_connection") as use:
            assert use.location()
        assert spies.reads == 1

    @pytest.mark.obligation("WP-CLIP-3")
    def test_purpose_of_the_clipboard(
        self, kit: consentkit.Kit, spies: Spies
    ) -> None:
        """
        The clipboard is locked to its purpose: another is refused with no
        read.
        """
        with kit.use("paste", purpose="usage_statistics") as use:
            refused = use.clipboard("receive_share")

        assert reason(refused) is Reason.UNDECLARED_PURPOSE
        assert spies.reads == 0

    @pytest.mark.obligation("WP-PERM-8")
    def test_permission_is_asked_at_every_read(
        self, tmp_path: Path, spies: Spies
    ) -> None:
        """
        A permission that is turned off in the system's settings closes the
        next read, with no call to the library.
        """
        answers = {"location": OSPermission.GRANTED}
        asked: list[str] = []

        def ask(permission: str) -> OSPermission:
            asked.append(permission)
            return answers[permission]

        with (
            make_kit(
                tmp_path, *EVERYTHING, spies=spies, os_permission=ask
            ) as kit,
            kit.use("connect") as use,
        ):
            assert use.location()
            answers["location"] = OSPermission.DENIED
            assert reason(use.location()) is Reason.OS_PERMISSION
            assert spies.reads == 1
            answers["location"] = OSPermission.GRANTED
            assert use.location()
            assert spies.reads == 2
            assert asked == ["location"] * 3

    @pytest.mark.obligation("WP-PERM-7")
    def test_permission_for_one_thing_opens_no_other(
        self, tmp_path: Path, spies: Spies
    ) -> None:
        """
        A granted system permission grants nothing by itself, and only what it
        is listed for; where something else is missing, it is not asked.
        """
        asked: list[str] = []

        def ask(permission: str) -> OSPermission:
            asked.append(permission)
            return OSPermission.GRANTED

        with make_kit(tmp_path, spies=spies, os_permission=ask) as kit:
            with kit.use("connect") as use:
                assert reason(use.location()) is Reason.NOT_ASKED
            kit.consent.grant("improve")
            with kit.use("improve") as use:
                assert use.device("mac_address")

                assert use.device("imei")

            assert asked == ["phone"]
            assert spies.reads == 2

    @pytest.mark.obligation("WP-PERM-1")
    def test_one_refusal_leaves_the_rest(
        self, tmp_path: Path, spies: Spies
    ) -> None:
        """
        Of several types, what is permitted is read, and the rest named.
        """
        with (
            make_kit(
                tmp_path,
                "improve",
                spies=spies,
                os_permission=lambda _: OSPermission.DENIED,
            ) as kit,
            kit.use("improve") as use,
        ):
            device = use.device("imei", "mac_address")

        assert isinstance(device, consentkit.Device)
        assert device["mac_address"] == MAC_MD5
        assert [r.reason for r in device.refused] == [Reason.OS_PERMISSION]
        assert spies["imei"].reads == 0

    @pytest.mark.obligation("WP-ADD-3")
    def test_withdrawal_closes_the_next_read(
        self, kit: consentkit.Kit, spies: Spies
    ) -> None:
        """
        In the middle of a use, the next read after a withdrawal is refused.
        """
        with kit.use("improve") as use:
            assert use.device("mac_address")
            kit.consent.withdraw("improve")
            assert reason(use.device("mac_address")) is Reason.WITHDRAWN
        assert spies.reads == 1

    def test_closed_kit_refuses(
        self, kit: consentkit.Kit, spies: Spies
    ) -> None:
        """
        After `close` everything is refused, and nothing raises.
        """
        with kit.use("improve") as use:
            kit.close()
            for got in (
                use.device(),
                use.device("mac_address"),
                use.location(),
                use.clipboard("receive_share"),
                use.logs(),
                use.capture(SessionEnded(4)),
            ):
                assert reason(got) is Reason.CLOSED
        assert spies.reads == 0

    @settings(deadline=None)
    @given(st.text(), st.text(), st.one_of(st.none(), st.text()), st.text())
    def test_no_question_raises(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        function: str,
        data_type: str,
        purpose: str | None,
        recipient: str,
    ) -> None:
        """
        Any text in place of any name is a refusal.
        """
        spies = Spies()
        with (
            make_kit(tmp_path_factory.mktemp("x"), spies=spies) as kit,
            kit.use(function, purpose=purpose) as use,
        ):
            for got in (
                use.device(data_type, recipient=recipient),
                use.device(),
                use.location(recipient=recipient),
                use.clipboard(data_type),
                use.permit(data_type),
                use.logs(),
            ):
                assert isinstance(got, Refusal)
                assert str(got)
        assert spies.reads == 0

    @pytest.mark.parametrize(
        "data_type", ["mac_address", "clipboard_share_code", "nothing"]
    )
    def test_location_reads_places_only(
        self, kit: consentkit.Kit, spies: Spies, data_type: str
    ) -> None:
        """
        Asking for another type as a place is a slip, told before a read.
        """
        with (
            kit.use("improve") as use,
            pytest.raises(ValueError, match="use device"),
        ):
            use.location(data_type)
        assert spies.reads == 0


class TestInUse:
    """
    Tests for when a function is in use.
    """

    def test_not_before(self, kit: consentkit.Kit, spies: Spies) -> None:
        """
        A use that was not entered reads nothing.
        """
        use = kit.use("improve")

        assert reason(use.device("mac_address")) is Reason.NOT_IN_USE
        assert reason(use.capture(SessionEnded(4))) is Reason.NOT_IN_USE
        assert spies.reads == 0

    def test_not_after(self, kit: consentkit.Kit, spies: Spies) -> None:
        """
        A use that was left reads and keeps nothing.
        """
        with kit.use("improve") as use:
            device = use.device("mac_address")
        assert spies.reads == 1

        assert reason(use.device("mac_address")) is Reason.NOT_IN_USE
        assert reason(use.capture(device)) is Reason.NOT_IN_USE
        assert reason(use.logs()) is not None
        assert spies.reads == 1
        assert waiting(kit) == []

    def test_not_in_another_thread(
        self, kit: consentkit.Kit, spies: Spies
    ) -> None:
        """
        Neither reading nor keeping crosses into a thread, not even with a
        copy of the context.
        """
        with kit.use("improve") as use:
            device = use.device("mac_address")
            got = _other_thread(lambda: use.device("mac_address"))
            kept = _other_thread(lambda: use.capture(device))
            assert reason(got) is Reason.NOT_IN_USE
            assert reason(kept) is Reason.NOT_IN_USE
            assert use.capture(device)
        assert spies.reads == 1
        assert len(waiting(kit)) == 1

    def test_own_use_in_another_thread(self, kit: consentkit.Kit) -> None:
        """
        A thread that enters its own use reads.
        """

        def work() -> object:
            with kit.use("improve") as use:
                return use.device("mac_address")

        assert _other_thread(work)

    def test_same_use_in_two_threads(
        self, kit: consentkit.Kit, spies: Spies
    ) -> None:
        """
        One use entered by a second thread is not in use in the first.
        """
        with kit.use("improve") as use:

            def enter() -> object:
                with use:
                    return use.device("mac_address")

            assert _other_thread(enter)
            assert reason(use.device("mac_address")) is Reason.NOT_IN_USE
        assert spies.reads == 1

    def test_tasks(self, kit: consentkit.Kit) -> None:
        """
        A task that was started inside is inside until the use ends; one
        that was started before, and a worker thread, are outside.
        """
        answers: dict[str, object] = {}

        async def read(name: str, use: Use, go: asyncio.Event) -> None:
            await go.wait()
            answers[name] = use.device("mac_address")

        async def main() -> None:
            go, late = asyncio.Event(), asyncio.Event()
            use = kit.use("improve")
            before = asyncio.create_task(read("before", use, go))
            with use:
                inside = asyncio.create_task(read("inside", use, go))
                stays = asyncio.create_task(read("stays", use, late))
                go.set()
                await asyncio.gather(before, inside)
                answers["thread"] = await asyncio.to_thread(
                    use.device, "mac_address"
                )
            late.set()
            await stays

        asyncio.run(main())

        assert answers["inside"]
        for name in ("before", "stays", "thread"):
            assert reason(answers[name]) is Reason.NOT_IN_USE, name

    def test_tasks_side_by_side(self, kit: consentkit.Kit) -> None:
        """
        Two tasks each in their own use do not see the other's.
        """
        answers: list[object] = []

        async def work(mine: Use, other: Use) -> None:
            with mine:
                await asyncio.sleep(0)
                answers.append(mine.permit("mac_address"))
                answers.append(other.permit("mac_address"))
                await asyncio.sleep(0)

        async def main() -> None:
            one, two = kit.use("improve"), kit.use("improve")
            await asyncio.gather(work(one, two), work(two, one))

        asyncio.run(main())

        assert sum(isinstance(a, Permit) for a in answers) == 2
        assert sum(isinstance(a, Refusal) for a in answers) == 2

    def test_nested(self, kit: consentkit.Kit) -> None:
        """
        Inside a use another may be entered and left.
        """
        with kit.use("improve") as outer:
            with kit.use("connect") as inner:
                assert inner.location()
                assert outer.device("mac_address")
            assert reason(inner.location()) is Reason.NOT_IN_USE
            assert outer.device("mac_address")

    def test_nested_across(self, kit: consentkit.Kit) -> None:
        """
        Uses may be left in another order than they were entered.
        """
        one, two = kit.use("improve"), kit.use("improve")
        with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
            first.enter_context(one)
            second.enter_context(two)
            first.close()
            assert reason(one.permit("mac_address")) is Reason.NOT_IN_USE
            assert two.permit("mac_address")

    def test_generator(self, kit: consentkit.Kit) -> None:
        """
        A generator holds its use open until it is closed.
        """

        def readings() -> Iterator[object]:
            with kit.use("improve") as use:
                uses.append(use)
                while True:
                    yield use.device("mac_address")

        uses: list[Use] = []
        running = readings()
        assert next(running)
        assert next(running)
        running.close()  # type: ignore[attr-defined]

        assert reason(uses[0].permit("mac_address")) is Reason.NOT_IN_USE

    def test_generator_closed_elsewhere(self, kit: consentkit.Kit) -> None:
        """
        A generator that another context closes is left cleanly.
        """

        def readings() -> Iterator[Use]:
            with kit.use("improve") as use:
                yield use

        running = readings()
        use = next(running)
        contextvars.copy_context().run(running.close)  # type: ignore[attr-defined]

        assert reason(use.permit("mac_address")) is Reason.NOT_IN_USE

    def test_exception(self, kit: consentkit.Kit) -> None:
        """
        The app's own error passes through, and ends the use.
        """
        with (
            pytest.raises(ZeroDivisionError),
            kit.use("improve") as use,
        ):
            1 / 0  # noqa: B018

        assert reason(use.permit("mac_address")) is Reason.NOT_IN_USE

    def test_again(self, kit: consentkit.Kit) -> None:
        """
        A use may be entered once more.
        """
        use = kit.use("improve")
        for _ in range(2):
            with use:
                assert use.permit("mac_address")

    def test_repr(self, kit: consentkit.Kit) -> None:
        """
        The repr tells whether it is open.
        """
        with kit.use("improve") as use:
            assert repr(use) == "<Use of improve: open>"
        assert repr(use) == "<Use of improve: closed>"


class TestCapture:
    """
    Tests for keeping observations.
    """

    @pytest.mark.obligation("WP-HASH-1")
    def test_keeps_what_explains_it(
        self, tmp_path: Path, spies: Spies
    ) -> None:
        """
        A record holds the protected value with clause, consent, recipient and
        expiry, and not the raw value.
        """
        clock = Clock()
        with make_kit(tmp_path, spies=spies, clock=clock) as kit:
            entry = kit.consent.grant("improve")
            with kit.use("improve") as use:
                device = use.device("mac_address", recipient="helper")
                kept = use.capture(device)
            (record,) = waiting(kit)

        assert isinstance(kept, Kept)
        assert kept
        assert kept.ids == (record.id,)
        assert record == Record(
            id=record.id,
            function="improve",
            data_type="mac_address",
            purpose="usage_statistics",
            recipient="helper",
            protection="md5",
            privacy_class="pseudonymised",
            value=MAC_MD5,
            captured_at=START,
            expires_at=START.replace(month=12),
            consent=entry.hash,
            policy_version="1",
        )

    def test_keeps_each_value_of_a_device(self, kit: consentkit.Kit) -> None:
        """
        A device is as many records as it has values.
        """
        with kit.use("improve") as use:
            device = use.device()
            kept = use.capture(device)

        assert isinstance(kept, Kept)
        assert isinstance(device, consentkit.Device)
        assert len(kept.ids) == len(set(kept.ids)) == len(device) == 4

    def test_of_another_function_is_refused(self, kit: consentkit.Kit) -> None:
        """
        What one function read is not kept by another.
        """
        with kit.use("improve") as use:
            device = use.device("mac_address")
        with kit.use("connect") as use:
            refused = use.capture(device)

        assert reason(refused) is Reason.UNDECLARED_FUNCTION
        assert "improve" in str(refused)
        assert waiting(kit) == []

    @pytest.mark.obligation("WP-ADD-3")
    def test_after_a_withdrawal_is_refused(self, kit: consentkit.Kit) -> None:
        """
        What was read before a withdrawal is not kept after it.
        """
        with kit.use("improve") as use:
            device = use.device("mac_address")
            kit.consent.withdraw("improve")
            refused = use.capture(device)

        assert reason(refused) is Reason.WITHDRAWN
        assert waiting(kit) == []

    def test_after_a_new_grant_is_refused(self, kit: consentkit.Kit) -> None:
        """
        A new yes does not cover what was read under the old one.
        """
        with kit.use("improve") as use:
            device = use.device("mac_address")
            kit.consent.withdraw("improve")
            kit.consent.grant("improve")
            refused = use.capture(device)
            assert reason(refused) is Reason.CONSENT_CHANGED
            assert waiting(kit) == []
            assert use.capture(use.device("mac_address"))

    def test_under_another_kit_is_refused(
        self, tmp_path: Path, kit: consentkit.Kit
    ) -> None:
        """
        A value belongs to the person whose consent it was read under.
        """
        with kit.use("improve") as use:
            device = use.device("mac_address")
        clock = Clock()
        clock.tick(days=3)
        with (
            make_kit(tmp_path / "b", *EVERYTHING, clock=clock) as other,
            other.use("improve") as use,
        ):
            assert reason(use.capture(device)) is Reason.CONSENT_CHANGED

    @pytest.mark.obligation("WP-PERM-8")
    def test_asks_the_permission_again(
        self, tmp_path: Path, spies: Spies
    ) -> None:
        """
        A permission taken away between reading and keeping keeps nothing.
        """
        answers = {"location": OSPermission.GRANTED}
        with (
            make_kit(
                tmp_path,
                *EVERYTHING,
                spies=spies,
                os_permission=answers.__getitem__,
            ) as kit,
            kit.use("connect") as use,
        ):
            place = use.location()
            answers["location"] = OSPermission.RESTRICTED
            assert reason(use.capture(place)) is Reason.OS_PERMISSION

    def test_local_value_never_reaches_the_outbox(
        self, kit: consentkit.Kit, tmp_path: Path
    ) -> None:
        """
        What stays on the device can be read there, and is never kept.
        """
        with kit.use("connect") as use:
            device = use.device("wifi_password")
            assert isinstance(device, consentkit.Device)
            assert device["wifi_password"] == "correct horse battery"
            assert reason(use.capture(device)) is Reason.STAYS_ON_DEVICE
            event = use.capture(PasswordTyped(21))
            assert reason(event) is Reason.STAYS_ON_DEVICE

        assert waiting(kit) == []
        for file in tmp_path.rglob("*"):
            assert file.is_dir() or b"correct horse" not in file.read_bytes()

    def test_part_is_kept_and_the_rest_named(
        self, kit: consentkit.Kit
    ) -> None:
        """
        Of a device, what may be kept is kept, and the rest is refused.
        """
        with kit.use("connect") as use:
            device = use.device("network_status", "wifi_password")
            kept = use.capture(device)

        assert isinstance(kept, Kept)
        assert len(kept.ids) == 1
        assert [r.reason for r in kept.refused] == [Reason.STAYS_ON_DEVICE]

    def test_of_a_refusal_is_that_refusal(self, kit: consentkit.Kit) -> None:
        """
        A refused read can be captured without a question: it is refused.
        """
        with kit.use("improve") as use:
            refused = use.device("bssid")
            assert use.capture(refused) is refused

    def test_of_no_value_is_refused(self, tmp_path: Path) -> None:
        """
        Where there was no value there is nothing to keep.
        """
        spies = Spies(location_precise="no place")
        with (
            make_kit(tmp_path, *EVERYTHING, spies=spies) as kit,
            kit.use("connect") as use,
        ):
            place = use.location()
            assert isinstance(place, consentkit.Unavailable)
            refused = use.capture(place)

        assert reason(refused) is Reason.NO_VALUE
        assert "there is no value" in str(refused)

    @pytest.mark.parametrize(
        "thing", [None, MAC, {"mac": MAC}, object(), SessionEnded]
    )
    def test_takes_nothing_else(
        self, kit: consentkit.Kit, thing: object
    ) -> None:
        """
        Anything that is neither read nor an event is a slip, told without
        its value.
        """
        with kit.use("improve") as use, pytest.raises(TypeError) as caught:
            use.capture(thing)

        assert MAC not in str(caught.value)
        assert waiting(kit) == []

    def test_takes_no_forged_value(self, kit: consentkit.Kit) -> None:
        """
        What was not protected is not kept, whatever it looks like.
        """

        class Forged:
            def __init__(self, value: object) -> None:
                self.value = value

            def protected_values(self) -> tuple:
                return (self.value,)

        for value in (MAC, None, object.__new__(Protected), self):
            with (
                kit.use("improve") as use,
                pytest.raises(UnprotectedError) as caught,
            ):
                use.capture(Forged(value))
            assert MAC not in str(caught.value)
        assert waiting(kit) == []

    def test_changed_observation_keeps_what_was_protected(
        self, kit: consentkit.Kit
    ) -> None:
        """
        Rewriting what a read returned does not change what is kept.
        """
        with kit.use("connect") as use:
            place = use.location()
            assert isinstance(place, consentkit.Location)
            moved = attrs.evolve(place, latitude=PLACE.latitude)
            use.capture(moved)
        (record,) = waiting(kit)

        assert isinstance(record.value, dict)
        assert record.value["latitude"] == place.latitude != PLACE.latitude

    def test_unusable_outbox_is_a_refusal(
        self, tmp_path: Path, spies: Spies
    ) -> None:
        """
        Where the outbox cannot be opened, neither reading nor keeping
        raises, and the place is named.
        """
        (tmp_path / "outbox.sqlite3").mkdir()
        with (
            make_kit(tmp_path, "improve", spies=spies) as kit,
            kit.use("improve") as use,
        ):
            device = use.device("mac_address")
            assert device
            for got in (use.capture(device), use.device("system_id")):
                assert reason(got) is Reason.OUTBOX_UNUSABLE
                assert "outbox.sqlite3" in str(got)

    def test_full_outbox_is_a_refusal(
        self, tmp_path: Path, spies: Spies
    ) -> None:
        """
        Beyond its bounds the outbox refuses, and counts it.
        """
        limits = consentkit.Limits(records=1)
        with (
            make_kit(tmp_path, "improve", spies=spies, limits=limits) as kit,
            kit.use("improve") as use,
        ):
            assert use.capture(SessionEnded(1))
            assert reason(use.capture(SessionEnded(2))) is Reason.OUTBOX_FULL
            assert kit.status().counts["outbox_full"] == 1


class TestEvents:
    """
    Tests for the app's own events.
    """

    def test_is_kept_under_its_type(self, kit: consentkit.Kit) -> None:
        """
        A declared event is a record of its data type, its text scrubbed.
        """
        with kit.use("connect") as use:
            kept = use.capture(
                BindingFinished(note="call 13800138000", seconds=4)
            )
        (record,) = waiting(kit)

        assert isinstance(kept, Kept)
        assert record.data_type == "network_status"
        assert record.value == {
            "event": "binding_finished",
            "seconds": 4.0,
            "outcome": "ok",
            "note": "call <MOBILE_CN>",
            "again": False,
            "tries": 1,
        }

    def test_is_for_the_named_recipient(self, kit: consentkit.Kit) -> None:
        """
        An event goes to the first recipient, or to the named one.
        """
        with kit.use("improve") as use:
            use.capture(SessionEnded(4))
            use.capture(SessionEnded(4), recipient="helper")
            refused = use.capture(SessionEnded(4), recipient="umeng")

        assert [r.recipient for r in waiting(kit)] == ["maker", "helper"]
        assert reason(refused) is Reason.UNDECLARED_RECIPIENT

    def test_has_the_purpose_of_the_use(self, kit: consentkit.Kit) -> None:
        """
        The purpose of the use is on the record, and must be declared.
        """
        with kit.use("connect", purpose="device_binding") as use:
            assert use.capture(BindingFinished())
        with kit.use("connect", purpose="payment") as use:
            refused = use.capture(BindingFinished())

        assert [r.purpose for r in waiting(kit)] == ["device_binding"]
        assert reason(refused) is Reason.UNDECLARED_PURPOSE

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"seconds": "13800138000"}, "field seconds takes a float"),
            ({"seconds": float("nan")}, "field seconds takes a float"),
            ({"outcome": "13800138000"}, "field outcome takes one of its"),
            ({"again": 13800138000}, "field again takes a bool"),
            ({"tries": "13800138000"}, "field tries takes an int"),
            ({"note": 13800138000}, "field note takes text"),
        ],
        ids=str,
    )
    def test_mistyped_field_is_refused(
        self, kit: consentkit.Kit, change: dict, says: str
    ) -> None:
        """
        A field that does not fit is named, and no value is shown.
        """
        with kit.use("connect") as use:
            refused = use.capture(BindingFinished(**change))

        assert reason(refused) is Reason.UNDECLARED_EVENT
        assert says in str(refused)
        assert "13800138000" not in str(refused) + repr(refused)
        assert waiting(kit) == []

    @pytest.mark.parametrize(
        "fields",
        [(), ("seconds", "phone_13800138000"), ("second",)],
        ids=["missing", "extra", "wrong"],
    )
    def test_other_fields_are_refused(
        self, kit: consentkit.Kit, fields: tuple[str, ...]
    ) -> None:
        """
        Missing, extra and wrong fields are told by what is declared.
        """
        made: Any = attrs.make_class("SessionEnded", fields)
        with kit.use("improve") as use:
            refused = use.capture(made(*["13900139000"] * len(fields)))

        assert reason(refused) is Reason.UNDECLARED_EVENT
        assert "session_ended: its fields are seconds" in str(refused)
        assert "13900139000" not in str(refused)
        assert waiting(kit) == []

    def test_undeclared_event_is_refused(self, kit: consentkit.Kit) -> None:
        """
        An event that the function does not declare is refused by name,
        also where another function declares it.
        """
        with kit.use("connect") as use:
            refused = use.capture(SessionEnded(4))

        assert reason(refused) is Reason.UNDECLARED_EVENT
        assert "session_ended" in str(refused)

    def test_ungranted_event_is_refused(self, tmp_path: Path) -> None:
        """
        Without the grant nothing is kept, and that is the reason.
        """
        with make_kit(tmp_path) as kit:
            for function in ("connect", "improve"):
                with kit.use(function) as use:
                    refused = use.capture(SessionEnded(4))
                assert reason(refused) is Reason.NOT_ASKED
            assert not (tmp_path / "outbox.sqlite3").exists()

    def test_numbers_are_bucketed_where_promised(
        self, kit: consentkit.Kit
    ) -> None:
        """
        Under a bucket no exact number is kept; a negative one is refused.
        """
        with kit.use("improve") as use:
            assert use.capture(SessionEnded(700.5))
            refused = use.capture(SessionEnded(-700.5))

        assert reason(refused) is Reason.UNDECLARED_EVENT
        assert [r.value for r in waiting(kit)] == [
            {"event": "session_ended", "seconds": "512-1024"}
        ]

    @pytest.mark.parametrize(
        ("class_", "event"),
        [
            ("SessionEnded", "session_ended"),
            ("HTTPError", "http_error"),
            ("UploadToS3Done", "upload_to_s3_done"),
            ("Started", "started"),
            ("already_snake", "already_snake"),
        ],
    )
    def test_is_named_as_its_class(
        self, tmp_path: Path, class_: str, event: str
    ) -> None:
        """
        The event's name is the class's, in snake case.
        """

        def change(tree: dict) -> None:
            tree["functions"][1]["events"][0]["name"] = event

        made: Any = attrs.make_class(class_, ["seconds"])
        with (
            make_kit(tmp_path, "improve", policy=small(change=change)) as kit,
            kit.use("improve") as use,
        ):
            assert use.capture(made(4))

    @settings(deadline=None)
    @given(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(st.characters()),
            st.sampled_from([10**400, 10**5000, "\udcff", b"", ()]),
        ),
        st.sampled_from(["seconds", "outcome", "note", "again", "tries"]),
    )
    def test_no_value_raises(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        value: object,
        field: str,
    ) -> None:
        """
        Whatever an event holds, it is kept or refused.
        """
        with (
            make_kit(tmp_path_factory.mktemp("x"), "connect") as kit,
            kit.use("connect") as use,
        ):
            got = use.capture(BindingFinished(**{field: value}))
            assert isinstance(got, Kept | Refusal)
            assert len(waiting(kit)) == bool(got)


class TestDictionaries:
    """
    Tests for events that an app has as dictionaries.
    """

    @given(
        # The second goes the short way, if the first was kept.
        events=st.lists(
            st.builds(
                BindingFinished,
                seconds=st.one_of(st.floats(), st.integers(), st.text()),
                outcome=st.sampled_from(["ok", "failed", "13800138000", 1]),
                note=st.one_of(st.text(), st.just("call 13800138000")),
                again=st.one_of(st.booleans(), st.integers()),
                tries=st.one_of(st.integers(), st.floats(), st.booleans()),
            ),
            min_size=1,
            max_size=4,
        ),
        wrap=st.sampled_from([dict, types.MappingProxyType]),
    )
    @settings(max_examples=40, deadline=None)
    def test_are_kept_as_instances_are(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        events: list[BindingFinished],
        wrap: Any,
    ) -> None:
        """
        A dictionary of the fields is kept, or refused, as an instance is,
        whichever mapping it is.
        """
        folders = (
            tmp_path_factory.mktemp("one"),
            tmp_path_factory.mktemp("two"),
        )
        told: list[list[object]] = []
        for folder, as_mapping in zip(folders, (True, False), strict=True):
            with (
                make_kit(folder, "connect") as kit,
                kit.use("connect") as use,
            ):
                answers = [
                    use.capture_event(
                        "binding_finished", wrap(attrs.asdict(event))
                    )
                    if as_mapping
                    else use.capture(event)
                    for event in events
                ]
                told.append(
                    [
                        [
                            a if isinstance(a, Refusal) else True
                            for a in answers
                        ],
                        [record.value for record in waiting(kit)],
                    ]
                )

        assert told[0] == told[1]

    @pytest.mark.parametrize(
        "fields",
        [{}, {"second": 4}, {"seconds": 4, "phone": "13900139000"}],
        ids=["missing", "wrong", "extra"],
    )
    def test_other_fields_are_refused(
        self, kit: consentkit.Kit, fields: dict[str, object]
    ) -> None:
        """
        Missing, wrong and extra fields are refused at the first event and
        behind one that was kept, and no value is shown.
        """
        with kit.use("improve") as use:
            first = use.capture_event("session_ended", fields)
            assert use.capture_event("session_ended", {"seconds": 4})
            assert use.capture_event("session_ended", {"seconds": 5})
            second = use.capture_event("session_ended", fields)
            assert use.capture_event("session_ended", {"seconds": 6})

        for refused in (first, second):
            assert reason(refused) is Reason.UNDECLARED_EVENT
            assert "session_ended: its fields are seconds" in str(refused)
            assert "13900139000" not in str(refused)
        assert len(waiting(kit)) == 3

    def test_has_the_name_that_is_declared(self, kit: consentkit.Kit) -> None:
        """
        The name is the event's own, not that of a class.
        """
        with kit.use("improve") as use:
            refused = use.capture_event("SessionEnded", {"seconds": 4})

        assert reason(refused) is Reason.UNDECLARED_EVENT
        assert "SessionEnded" in str(refused)

    def test_is_for_the_named_recipient(self, kit: consentkit.Kit) -> None:
        """
        Each recipient has records of its own, the short way too.
        """
        with kit.use("improve") as use:
            for recipient in ("helper", "maker", "helper", "maker"):
                assert use.capture_event(
                    "session_ended", {"seconds": 4}, recipient=recipient
                )

        assert sorted(r.recipient for r in waiting(kit)) == [
            "helper",
            "helper",
            "maker",
            "maker",
        ]

    def test_withdrawal_ends_the_short_way(self, kit: consentkit.Kit) -> None:
        """
        After a withdrawal nothing is kept, and nothing waits.
        """
        with kit.use("improve") as use:
            for seconds in (4, 5, 6):
                assert use.capture_event("session_ended", {"seconds": seconds})
            kit.consent.withdraw("improve")
            refused = [
                use.capture_event("session_ended", {"seconds": seconds})
                for seconds in (7, 8)
            ]

        assert [reason(one) for one in refused] == [Reason.WITHDRAWN] * 2
        assert waiting(kit) == []

    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            (SessionEnded(4), {"seconds": 4}),
            (["session_ended"], {"seconds": 4}),
            ("session_ended", [("seconds", 4)]),
            ("session_ended", SessionEnded(4)),
        ],
    )
    def test_anything_else_is_a_slip(
        self, kit: consentkit.Kit, name: Any, fields: Any
    ) -> None:
        """
        What is no name and no mapping is told at once, without its value.
        """
        with (
            kit.use("improve") as use,
            pytest.raises(
                TypeError, match=r"capture_event\(\) takes the name"
            ),
        ):
            use.capture_event(name, fields)


class TestOSAnswer:
    """
    What the app says of the operating system.
    """

    @pytest.mark.parametrize("answer", [True, False, None, "granted", 1])
    def test_that_is_no_answer_refuses(
        self, tmp_path: Path, answer: object
    ) -> None:
        """
        Anything but one of the six answers is a doubt, and refuses.
        """
        spies = Spies()
        kit = make_kit(
            tmp_path,
            "connect",
            "connect/location_precise",
            spies=spies,
            os_permission=lambda _: answer,
        )

        with kit.use("connect") as use:
            place = use.location()

        assert isinstance(place, Refusal)
        assert place.reason is Reason.OS_PERMISSION
        assert spies.reads == 0


class TestKitDecides:
    """
    Asking the kit outside of a use.
    """

    def test_no_permit_without_use(self, tmp_path: Path) -> None:
        """
        Without a function in use there is no permit to be had.
        """
        kit = make_kit(tmp_path, "improve")

        decided = kit.decide("improve", "mac_address")

        assert isinstance(decided, Refusal)
        assert decided.reason is Reason.NOT_IN_USE
