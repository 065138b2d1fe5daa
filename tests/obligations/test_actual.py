# SPDX-License-Identifier: MIT

"""
What was really collected, beside what the camera app's document lists: "the
actual use shall prevail".
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.collectors import USUAL
from consentkit.disclose import Collected, collected
from consentkit.gate import OSPermission, Reason, Refusal
from consentkit.outbox.tally import Obtained
from consentkit.policy import Policy
from tests.obligations.checks import (
    Watched,
    changed,
    clause,
    document,
    table,
)
from tests.support import Clock


NAME = "camera_app"
WP = document(NAME)
PLACE = "product_improvement"

# What Android has and Apple's systems have not.
ANDROID = ("imei", "oaid")


def _by_platform(tree: dict[str, Any]) -> None:
    """
    List identifiers of Android for Android alone, and no SDK's fields.
    """
    for function in tree["functions"]:
        if "sdk" in function:
            function.pop("collects", None)
    clause(tree, PLACE, "imei")["platforms"] = ["android"]
    table(tree, PLACE)["collects"].append(
        {"type": "oaid", "protect": "keyed", "platforms": ["android"]}
    )


def _open(policy: Policy, folder: Path, **options: Any) -> Watched:
    """
    Open a kit of an adult on whom nothing is in the way.
    """
    made = Watched(
        policy,
        folder,
        conditions=lambda _: True,
        os_permission=lambda _: OSPermission.GRANTED,
        **options,
    )
    made.kit.consent.declare_age(adult=True)
    return made


def _actual(seen: Watched, platform: str = "") -> Collected:
    tally = seen.kit.store.tally.of()
    return collected(seen.kit.policy, tally, platform=platform)


def _by_type(obtained: tuple[Obtained, ...]) -> Counter[str]:
    times: Counter[str] = Counter()
    for one in obtained:
        times[one.data_type] += one.times
    return times


def _reads(*sessions: Watched) -> Counter[str]:
    """
    Count as the spies do.
    """
    return Counter(
        type_
        for seen in sessions
        for type_, spy in seen.spies.items()
        for _ in range(spy.reads)
    )


@pytest.mark.obligation("WP-CONS-4")
class TestActual:
    """
    Tests for the list of what was really collected.
    """

    def test_equals_the_reads(self, tmp_path: Path) -> None:
        """
        Of all that the document lists each clause is read so and so often,
        some of it refused and some failing; the list has each type, by
        function, as often as its source was read, and nothing else.
        """
        with _open(WP, tmp_path) as seen:
            functions = ["logs", "basic_operation", "control_device", PLACE]
            seen.agree(*functions, method="confirm")
            seen.spies["carrier"].value = OSError("no modem")
            expected: Counter[tuple[str, str]] = Counter()
            for number, function in enumerate(WP.functions):
                for type_ in WP.functions[function].clauses:
                    before = seen.spies[type_].reads
                    for _ in range(1 + number % 3):
                        seen.take(function, type_)
                    if seen.spies[type_].reads > before:
                        expected[function, type_] += 1 + number % 3
            actual = _actual(seen)

            assert {f for f, _ in expected} == {*functions}
            assert _by_type(actual.obtained) == _reads(seen)
            assert {
                (one.function, one.data_type): one.times
                for one in actual.obtained
            } == expected
            assert seen.spies["carrier"].reads > 1
            read = {f"{f}/{t}" for f, t in expected}
            assert not read & {*actual.never}
            listed = {
                f"{f.id}/{t}" for f in WP.functions.values() for t in f.clauses
            }
            assert read | {*actual.never} == listed

    @pytest.mark.parametrize("platform", ["ios", "android"])
    def test_differs_by_system(self, platform: str, tmp_path: Path) -> None:
        """
        On iOS, IMEI and OAID are asked of no source and are on the list as
        of other systems; on Android they are read and listed.
        """
        policy = changed(NAME, _by_platform)
        there = platform == "android"
        with _open(policy, tmp_path, platform=platform) as seen:
            seen.agree(PLACE, method="confirm")
            with seen.kit.use(PLACE) as use:
                use.device()
            for type_ in ANDROID:
                answer = seen.take(PLACE, type_)
                refused = isinstance(answer, Refusal)
                assert refused is not there
                assert there or answer.reason is Reason.PLATFORM
                assert bool(seen.spies[type_].reads) is there
            assert seen.spies["device_model"].reads == 1
            actual = _actual(seen, platform)

            assert _by_type(actual.obtained) == _reads(seen)
            assert {*actual.elsewhere} == (
                set() if there else {f"{PLACE}/{t}" for t in ANDROID}
            )
            assert ("not here" in actual.text) is not there
        # Nor has the library a source of its own for them there.
        with consentkit.open(
            policy, data_dir=tmp_path / "own", platform="ios"
        ) as kit:
            assert not any(map(kit.source, ANDROID))
        assert USUAL["ios"] != USUAL["android"]

    def test_stays_when_the_data_goes(self, tmp_path: Path) -> None:
        """
        It goes on over restarts, and stays when the records have left and
        when the consent is withdrawn; no value is in it.
        """
        clock = Clock()
        with _open(WP, tmp_path, clock=clock) as first:
            first.agree(PLACE, method="confirm")
            first.take(PLACE, "device_model")
            first.kit.flush()
        clock.tick(days=2)
        with _open(WP, tmp_path, clock=clock, wire=first.wire) as second:
            second.take(PLACE, "device_model")
            second.take(PLACE, "os_version")
            second.kit.consent.withdraw(PLACE)
            assert not second.take(PLACE, "device_model")
            second.kit.flush()
            assert second.wire.records == []
            actual = _actual(second)

            assert _by_type(actual.obtained) == _reads(first, second)
            model, version = actual.obtained
            assert (model.data_type, model.times) == ("device_model", 2)
            assert (model.last - model.first).days == 2
            assert version.first == version.last == model.last
            assert f"{model.first} to {model.last}" in actual.text
            planted = second.plants["device_model"]
            assert planted not in actual.text
        tally = (tmp_path / "tally.sqlite3").read_bytes()
        assert b"device_model" in tally
        assert planted.encode() not in tally

    def test_refused_is_not_on_it(self, tmp_path: Path) -> None:
        """
        Where nothing was read nothing is counted, and no file is made.
        """
        with _open(WP, tmp_path) as seen:
            for function in WP.functions.values():
                for type_ in function.clauses:
                    assert not seen.take(function.id, type_)
            actual = _actual(seen)

            assert actual.obtained == ()
            assert "Nothing so far." in actual.text
            assert not list(tmp_path.glob("tally*"))

    def test_people_are_apart(self, tmp_path: Path) -> None:
        """
        Where an app serves many, each has a list of their own.
        """
        with _open(WP, tmp_path) as seen:
            for name, times in (("ann", 2), ("bob", 1)):
                kit = seen.kit.subject(name)
                kit.consent.declare_age(adult=True)
                kit.consent.show(PLACE, method="dialog")
                kit.consent.grant(PLACE, method="confirm")
                with kit.use(PLACE) as use:
                    for _ in range(times):
                        use.device("device_model")
            found = {
                name: seen.kit.store.tally.of(
                    seen.kit.ledger.subject(name) or ""
                )
                for name in ("ann", "bob")
            }

        assert [one.times for one in found["ann"]] == [2]
        assert [one.times for one in found["bob"]] == [1]

    def test_tells_what_is_listed_no_more(self, tmp_path: Path) -> None:
        """
        What was read under an older version is on the list, and said to be
        listed no more.
        """

        def less(tree: dict[str, Any]) -> None:
            rows = table(tree, PLACE)["collects"]
            rows.remove(clause(tree, PLACE, "device_model"))

        with _open(WP, tmp_path) as seen:
            seen.agree(PLACE, method="confirm")
            seen.take(PLACE, "device_model")
            tally = seen.kit.store.tally.of()
        made = collected(changed(NAME, less), tally)

        assert made.unlisted == (f"{PLACE}/device_model",)
        assert "no longer listed" in made.text
        assert collected(WP, tally).unlisted == ()
        assert all(len(line) <= 78 for line in made.text.splitlines())
