# SPDX-License-Identifier: MIT

"""
Which source a value is read from: named by the policy, by the app, or usual.
"""

from __future__ import annotations

import subprocess
import sys
import threading

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit import Permit, Source, Unavailable
from consentkit.collectors import BUILT_IN, USUAL, Sources
from consentkit.collectors.device import DeviceSource
from consentkit.policy.vocabulary import load_vocabulary
from tests.faults.support import run
from tests.support import MAC, Spy, small


DOCS = Path(__file__).parents[2] / "docs"
FIRST = "5f0c1a9b3d7e42688a1b0c9d2e3f4a51"
SECOND = "a2b7e1960c4d4f3f9b58d7c6e5f40312"


def named(id_: str, data_type: str, value: object) -> Spy:
    """
    Make a spy that a policy can name.
    """
    spy = Spy(data_type, value)
    spy.id = id_
    return spy


def read(folder: Path, *sources: Source[Any] | str, read_from: str) -> Any:
    """
    Read one value under a policy that may name its source.
    """

    def name_it(tree: dict[str, Any]) -> None:
        (row,) = [
            row
            for row in tree["functions"][1]["collects"]
            if row["type"] == "system_id"
        ]
        row["read_from"] = read_from

    policy = small(named=name_it)
    with consentkit.open(policy, data_dir=folder, sources=sources) as kit:
        kit.consent.grant("improve")
        with kit.use("improve") as use:
            return use.device("system_id")


class TestChoice:
    """
    Tests of who says where a value is read from.
    """

    def test_policy_names_one(self, tmp_path):
        """
        The source that the policy names is read, and the first one is not.
        """
        first = named("first", "system_id", FIRST)
        second = named("second", "system_id", SECOND)

        device = read(tmp_path, first, second, read_from="second")

        assert len(device) == 1
        assert (first.reads, second.reads) == (0, 1)

    def test_app_goes_before_usual(self, tmp_path):
        """
        Where the policy names none, the app's first one is read.
        """
        first = named("first", "system_id", FIRST)
        second = named("second", "system_id", SECOND)

        read(tmp_path, first, second, read_from="")

        assert (first.reads, second.reads) == (1, 0)

    @pytest.mark.parametrize("wanted", ["nowhere", "clipboard"])
    def test_nothing_in_its_place(self, tmp_path, wanted):
        """
        A source that is not here, or does not give it, is not replaced.
        """
        spy = named("first", "system_id", FIRST)

        device = read(tmp_path, spy, read_from=wanted)

        (missing,) = device.unavailable
        assert isinstance(missing, Unavailable)
        assert missing.reason == f"no source {wanted!r} gives it here"
        assert spy.reads == 0

    def test_app_names_built_in(self):
        """
        A built-in source that the app names goes before the usual ones.
        """
        spy = Spy("os_name", "Plan 9")

        sources = Sources([spy, "system"])

        assert sources.of("os_name") is spy
        assert sources.of("os_version") is sources.of("os_version", "system")

    def test_wrong_name(self, tmp_path):
        """
        A built-in source that there is not is said as the kit is opened.
        """
        with pytest.raises(ValueError, match="no source is called 'gps'; one"):
            consentkit.open(small(), data_dir=tmp_path, sources=["gps"])


class Whole(Source[str]):
    """
    A source that says all that has to be known of it.
    """

    name = "a whole source"
    data_types = frozenset({"system_id"})

    def _read(self, permit: Permit, **_: Any) -> str:
        return FIRST


def whole(**wrong: object) -> Source[str]:
    """
    Make a whole source with something wrong of it; ``None`` leaves it out.
    """
    left = {name: value for name, value in wrong.items() if value is not None}
    bases = (Whole,)
    if len(left) < len(wrong):
        bases = (Source,)  # type: ignore[assignment]
        kept = {"name": Whole.name, "data_types": Whole.data_types}
        left |= {n: v for n, v in kept.items() if n not in wrong}
        left["_read"] = Whole._read
    kind: Any = type("Wrong", bases, left)
    made: Source[str] = kind()
    return made


class TestOwn:
    """
    Tests of what an app may give as a source of its own.
    """

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"name": None}, "Wrong.name is missing"),
            ({"name": " "}, "Wrong.name is missing"),
            ({"data_types": None}, "Wrong.data_types is missing"),
            ({"data_types": frozenset()}, "Wrong.data_types is missing"),
            ({"data_types": "system_id"}, "Wrong.data_types is missing"),
            (
                {"data_types": frozenset({"system_idd"})},
                "'system_idd' is no data type; try system_id",
            ),
            ({"timeout_seconds": 0}, "Wrong.timeout_seconds must be"),
            ({"timeout_seconds": "5"}, "Wrong.timeout_seconds must be"),
            ({"timeout_seconds": float("nan")}, "Wrong.timeout_seconds must"),
        ],
    )
    def test_says_what_it_is(self, tmp_path, wrong, problem):
        """
        What a source leaves out is told by its name before anything is read,
        and not by values that never come.
        """
        source = whole(**wrong)
        with pytest.raises(ValueError, match=problem):
            consentkit.open(small(), data_dir=tmp_path, sources=[source])
        assert source.reads == 0

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (Whole, r"not Whole; give an object of it: Whole\(\.\.\.\)"),
            (int, "derives from consentkit.Source, not int$"),
            (lambda: FIRST, "derives from consentkit.Source, not function"),
        ],
    )
    def test_is_a_source(self, tmp_path, given, problem):
        """
        A class in place of its object, and anything else, is told.
        """
        with pytest.raises(TypeError, match=problem):
            consentkit.open(small(), data_dir=tmp_path, sources=[given])

    def test_is_read_in_a_thread(self):
        """
        A coroutine function, which a thread cannot call, is told where it
        is written, and not by a value that nobody awaits.
        """

        async def answer(*_: object, **__: object) -> str:
            return FIRST

        with pytest.raises(TypeError, match=r"Late\._read must be a plain"):
            type("Late", (Whole,), {"_read": answer})
        with pytest.raises(
            TypeError, match=r"\['system_id'\] must be a plain"
        ):
            DeviceSource("late", {"system_id": answer})  # type: ignore[dict-item]

    def test_first_of_a_name(self, tmp_path):
        """
        Of two with one id the first one counts, whoever names it.
        """
        for read_from in ("", "same"):
            first = named("same", "system_id", FIRST)
            second = named("same", "system_id", SECOND)

            read(
                tmp_path / (read_from or "usual"),
                first,
                second,
                read_from=read_from,
            )

            assert (first.reads, second.reads) == (1, 0)


class Camera(Source[str]):
    """
    A source of two data types that bears a question an hour.
    """

    name = "a camera"
    data_types = frozenset({"mac_address", "system_id"})
    min_interval_seconds = 3600.0

    def _read(self, permit: Permit, **_: Any) -> str:
        return MAC if permit.clause.type == "mac_address" else FIRST


class TestInterval:
    """
    Tests of how often a source is asked.
    """

    def test_each_data_type_has_its_own(self, tmp_path):
        """
        Of a function's data types none holds up the others; asked again for
        each, the source is not read, and says why.
        """
        source = Camera()
        with (
            consentkit.open(
                small(), data_dir=tmp_path, sources=[source]
            ) as kit,
            kit.use("improve") as use,
        ):
            kit.consent.grant("improve")
            first = use.device("mac_address", "system_id")
            again = use.device("mac_address", "system_id")

        assert isinstance(first, consentkit.Device)
        assert isinstance(again, consentkit.Device)
        assert len(first) == 2
        assert [str(one) for one in again.unavailable] == [
            "mac_address: unavailable, a camera was just asked",
            "system_id: unavailable, a camera was just asked",
        ]
        assert source.reads == 2

    def test_kits_together(self):
        """
        What kits make by its id is one place, and is asked no more often by
        all of them than by one; what an app makes is its own.
        """
        done = run(
            """
            from consentkit.collectors.installed import ProcessesSource
            from consentkit.testing.permits import FUNCTION, kit_for

            def ask(source):
                with (
                    kit_for("running_processes", sources=[source]) as kit,
                    kit.use(FUNCTION) as use,
                ):
                    for missing in use.device().unavailable:
                        print(missing.reason)
                    print(kit.source("running_processes").reads, "reads")

            for source in ("processes", "processes", ProcessesSource()):
                ask(source)
            """
        )

        assert done.stdout.splitlines() == [
            "1 reads",
            "the list of processes was just asked",
            "0 reads",
            "1 reads",
        ]

    def test_threads(self, make_permit):
        """
        Of many threads that ask at once, one reads.
        """
        permit = make_permit("mac_address")
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for _ in range(200):
                source = Camera()
                with ThreadPoolExecutor(8) as pool:
                    ready = threading.Barrier(8)

                    def ask(_, source=source, ready=ready):
                        ready.wait(60)
                        return source.read(permit)

                    answers = list(pool.map(ask, range(8)))
                assert answers.count(MAC) == source.reads == 1
        finally:
            sys.setswitchinterval(before)


class TestBuiltIn:
    """
    Tests of the table of built-in sources.
    """

    @pytest.mark.parametrize("id_", BUILT_IN)
    def test_says_what_it_is(self, id_):
        """
        Each can be made, goes by its id, and says what it touches.
        """
        source = Sources([id_], platform="none").of_id(id_)

        assert source.id == id_
        assert source.name
        assert source.touches
        assert source.data_types
        assert source.data_types <= load_vocabulary().data_types.keys()
        assert source.reads == 0

    @pytest.mark.parametrize("platform", USUAL)
    def test_usual_ones_work_there(self, platform):
        """
        What is usual on a platform says that it works there.
        """
        for id_ in USUAL[platform]:
            source = Sources([id_], platform="none").of_id(id_)
            assert not source.platforms or platform in source.platforms, id_

    def test_page_is_current(self):
        """
        The page has the tables as they are; docs/sources.py writes them.
        """
        code = (
            "import sources\n"
            "text = sources.PAGE.read_text('utf-8')\n"
            "print(sources.current(text) == text)"
        )

        ran = subprocess.run(
            [sys.executable, "-c", code],
            cwd=DOCS,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        assert ran.stdout == "True\n", "run: python docs/sources.py"
