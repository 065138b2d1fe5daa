# SPDX-License-Identifier: MIT

"""
Tests for signals from outside: what each stops, and in which order.
"""

from __future__ import annotations

import io
import itertools
import sys
import time

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from consentkit.consent.environment import (
    CI_VARIABLES,
    SignalReader,
    device_policy_places,
    parse_device_policy,
    read_environment,
)
from consentkit.consent.signals import (
    Conflict,
    DevicePolicy,
    Signal,
    Signals,
    gpc_from_header,
    gpc_from_headers,
)
from consentkit.consent.state import OPEN, Status, fold
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.policy import Policy
from tests.support import START, acts, small


def _wide(tree: dict[str, Any]) -> None:
    """
    Add a partner that uses data for itself, and a function that advertises.
    """
    tree["recipients"].append(
        {"id": "partner", "name": "P", "mode": "shared", "country": "US"}
    )
    tree["storage"] = {"regions": ["DE", "CN"]}
    improve = tree["functions"][1]
    improve["recipients"] = ["maker", "helper", "partner"]
    tree["functions"].append(
        {
            "id": "adverts",
            "name": "Advertising",
            "category": "additional",
            "text": "We show advertising.",
            "basis": ["consent"],
            "on_refusal": "degraded",
            "purposes": ["advertising_targeting"],
            "retention": "P1D",
            "collects": [{"type": "os_name", "protect": "none"}],
        }
    )


def _listed(**signals: object) -> Policy:
    def change(tree: dict[str, Any]) -> None:
        _wide(tree)
        tree["signals"] = signals

    return small(change=change)


WIDE = small(change=_wide)
# A little longer than for how long a file is not looked at again.
_LOOK_SECONDS = 0.03
PARTNER = ("improve@partner", "improve@partner+abroad")


def _grants(policy: Policy) -> tuple[Entry, ...]:
    return acts(policy, *((e, Act.GRANTED) for e in policy.elements))


def _stopped(signals: Signals, policy: Policy = WIDE) -> set[str]:
    return set(signals.masks(policy))


def _row(signals: Signals, name: Signal, element: str) -> Any:
    rows = signals.rows(WIDE, element)
    return next(row for row in rows if row.name == name.value)


# Values of DO_NOT_TRACK, and whether they ask for no tracking. Only unset and
# 1 are defined; other tools read the rest in different ways, so all that is
# not plainly a no is a stop.
DO_NOT_TRACK = [
    (None, False),
    ("", False),
    ("   ", False),
    ("1", True),
    ("0", False),
    ("true", True),
    ("TRUE", True),
    ("True", True),
    ("false", False),
    ("no", False),
    ("n", False),
    ("F", False),
    ("yes", True),
    ("on", True),
    ("t", True),
    ("2", True),
    (" 1 ", True),
    ("off", False),
    ("maybe", True),
]

# Headers of a request, and whether they hold the signal.
# Source: W3C Global Privacy Control, "The Sec-GPC header field"; RFC 9110.
GPC = [
    ([], False),
    ([("Sec-GPC", "1")], True),
    ([("sec-gpc", "1")], True),
    ([("Sec-GPC", " 1 ")], True),
    ([("Sec-GPC", "0")], False),
    ([("Sec-GPC", "")], False),
    ([("Sec-GPC", "true")], False),
    ([("Sec-GPC", "?1")], False),
    ([("Sec-GPC", "01")], False),
    ([("Sec-GPC", "1.0")], False),
    ([("Sec-GPC", "1;scope=all")], False),
    ([("Sec-GPC", "11")], False),
    ([("Sec-GPC", "\uff11")], False),
    ([("Sec-GPC", "0"), ("Sec-GPC", "1")], True),
    ([("Sec-GPC", "1"), ("Sec-GPC", "1")], True),
    ([("Sec-GPC", "0"), ("Sec-GPC", "yes")], False),
    ([("DNT", "1")], False),
    # What a gateway makes of two headers.
    ([("Sec-GPC", "0, 1")], True),
]


class TestDoNotTrack:
    """
    Tests for the variables.
    """

    @pytest.mark.parametrize(("value", "stops"), DO_NOT_TRACK)
    def test_values(self, value: str | None, stops) -> None:
        """
        Unset, blank and an explicit no are no signal; all else stops.
        """
        assert bool(_stopped(Signals(do_not_track=value))) is stops

    def test_stops_all_but_core(self) -> None:
        """
        Where the document is silent, only core functions go on.
        """
        expected = {e for e in WIDE.elements if not e.startswith("connect")}

        assert _stopped(Signals(do_not_track="1")) == expected

    @pytest.mark.parametrize(
        ("value", "stops"),
        [
            (None, False),
            ("", False),
            ("on", False),
            ("1", False),
            ("off", True),
            ("OFF ", True),
            ("0", True),
            ("no", True),
            ("nonsense", True),
        ],
    )
    def test_own_variable(self, value: str | None, stops) -> None:
        """
        The kit's own variable stops unless it is plainly no no.
        """
        masks = Signals(own=value).masks(WIDE)

        assert bool(masks) is stops
        assert set(masks.values()) <= {(Signal.OWN_VARIABLE.value,)}

    def test_document_says_what_it_stops(self) -> None:
        """
        The document may name the functions, core ones too, or none.
        """
        some = _listed(do_not_track=["connect", "logs"])
        none = _listed(do_not_track=[])
        signals = Signals(do_not_track="1", own="off")

        assert _stopped(signals, some) == {
            "connect",
            "connect/location_precise",
            "logs",
        }
        assert _stopped(signals, none) == set()


class TestGPC:
    """
    Tests for Global Privacy Control.
    """

    @pytest.mark.parametrize(("headers", "signal"), GPC)
    def test_headers(self, headers: list[tuple[str, str]], signal) -> None:
        """
        Only the character 1 is the signal, in one header at least.
        """
        assert gpc_from_headers(headers) is signal

    def test_no_header(self) -> None:
        """
        A header that was not sent is no signal.
        """
        assert gpc_from_header(None) is False

    def test_stops_sale_and_sharing(self) -> None:
        """
        It stops third-party functions, partners and advertising.
        """
        assert _stopped(Signals(gpc=True)) == {"umeng", "adverts", *PARTNER}

    def test_a_processor_abroad_is_no_sale(self) -> None:
        """
        Whoever works for the controller only is not stopped by it.
        """

        def abroad(tree: dict[str, Any]) -> None:
            _wide(tree)
            tree["storage"] = {"regions": ["CN"]}

        policy = small(change=abroad)

        assert "improve@helper+abroad" in policy.elements
        assert "improve@helper+abroad" not in _stopped(
            Signals(gpc=True), policy
        )

    @pytest.mark.parametrize("gpc", [None, False])
    def test_absent_opens_nothing(self, gpc) -> None:
        """
        No signal stops nothing, and grants nothing.
        """
        masks = Signals(gpc=gpc).masks(WIDE)
        state = fold((), WIDE, masks=masks)

        assert not masks
        assert not any(c.status in OPEN for c in state.choices.values())

    def test_document_says_what_it_stops(self) -> None:
        """
        The document may name the functions.
        """
        policy = _listed(gpc=["logs"])

        assert _stopped(Signals(gpc=True), policy) == {"logs"}


def _life(policy: Policy, *steps: tuple[str, Act, dict[str, Any]]) -> Any:
    """
    Make entries with what else they say.
    """
    made = acts(policy, *((element, act) for element, act, _ in steps))
    return tuple(
        evolve(entry, **more)
        for entry, (_, _, more) in zip(made, steps, strict=True)
    )


NOTED = {"facts": {"signal": "gpc", "held": "signal"}}


class TestConflict:
    """
    Tests for a choice that conflicts with Global Privacy Control.
    """

    LAWFUL = _listed(choice_over_gpc=True)
    SIGNALS = Signals(gpc=True)

    @pytest.mark.parametrize(
        ("steps", "over"),
        [
            # The yes came first: the signal is the later word.
            ([("umeng", Act.GRANTED, {})], False),
            # Nobody had told the person of the conflict.
            (
                [("umeng", Act.GRANTED, {}), ("umeng", Act.GRANTED, {})],
                False,
            ),
            (
                [
                    ("umeng", Act.GRANTED, {}),
                    ("umeng", Act.SIGNAL_CONFLICT, NOTED),
                    ("umeng", Act.GRANTED, {}),
                ],
                True,
            ),
            (
                [
                    ("umeng", Act.SIGNAL_CONFLICT, NOTED),
                    ("umeng", Act.GRANTED, {"by": Actor.GUARDIAN}),
                    ("umeng", Act.GRANTED, {}),
                ],
                True,
            ),
            # An account's yes is not the person's.
            (
                [
                    ("umeng", Act.SIGNAL_CONFLICT, NOTED),
                    ("umeng", Act.GRANTED, {"by": Actor.ACCOUNT}),
                ],
                False,
            ),
            # A no ends it, and the next yes is a new one.
            (
                [
                    ("umeng", Act.SIGNAL_CONFLICT, NOTED),
                    ("umeng", Act.GRANTED, {}),
                    ("umeng", Act.WITHDRAWN, {}),
                    ("umeng", Act.GRANTED, {}),
                ],
                False,
            ),
            (
                [
                    ("umeng", Act.SIGNAL_CONFLICT, NOTED),
                    ("umeng", Act.ERASED, {}),
                    ("umeng", Act.GRANTED, {}),
                ],
                False,
            ),
            # A conflict about something else.
            (
                [
                    ("adverts", Act.SIGNAL_CONFLICT, NOTED),
                    ("umeng", Act.GRANTED, {}),
                ],
                False,
            ),
        ],
    )
    def test_later_choice(
        self, steps: list[tuple[str, Act, dict[str, Any]]], over
    ) -> None:
        """
        Only a yes of the person after a noted conflict goes before it.
        """
        entries = _life(self.LAWFUL, *steps)

        masks = self.SIGNALS.masks(self.LAWFUL, entries)

        assert ("umeng" not in masks) is over

    def test_only_where_the_law_lets_it(self) -> None:
        """
        Without the document's word the signal holds, whatever was chosen.
        """
        entries = _life(
            WIDE,
            ("umeng", Act.SIGNAL_CONFLICT, NOTED),
            ("umeng", Act.GRANTED, {}),
        )

        assert "umeng" in self.SIGNALS.masks(WIDE, entries)

    @pytest.mark.parametrize(("minutes", "over"), [(0, True), (1, False)])
    def test_signal_with_a_time(self, minutes: int, over) -> None:
        """
        A signal that is newer than the choice holds.
        """
        entries = _life(
            self.LAWFUL,
            ("umeng", Act.GRANTED, {}),
        )
        since = START + timedelta(minutes=minutes)
        signals = Signals(gpc=True, gpc_since=since)

        masks = signals.masks(self.LAWFUL, entries)

        assert ("umeng" not in masks) is over

    def test_recorded_once(self) -> None:
        """
        Each conflict is to be recorded once, and again when it turns.
        """
        policy, told = self.LAWFUL, []
        steps: list[tuple[str, Act, dict[str, Any]]] = [
            ("umeng", Act.GRANTED, {})
        ]
        for _ in range(4):
            entries = _life(policy, *steps)
            masks = self.SIGNALS.masks(policy, entries)
            state = fold(entries, policy, masks=masks)
            found = self.SIGNALS.conflicts(policy, entries, state)
            told.append([conflict.held for conflict in found])
            steps += [
                (c.element, Act.SIGNAL_CONFLICT, {"facts": dict(c.facts)})
                for c in found
            ]
            if len(told) == 2:
                steps.append(("umeng", Act.GRANTED, {}))

        assert told == [["signal"], [], ["choice"], []]

    def test_names_the_element(self) -> None:
        """
        A conflict names what it is about; what is not open has none.
        """
        entries = _life(
            WIDE, ("umeng", Act.GRANTED, {}), ("adverts", Act.REFUSED, {})
        )
        state = fold(entries, WIDE, masks=self.SIGNALS.masks(WIDE))

        assert self.SIGNALS.conflicts(WIDE, entries, state) == (
            Conflict(element="umeng", signal="gpc", held="signal"),
        )
        assert Signals().conflicts(WIDE, entries, state) == ()


class TestDevicePolicy:
    """
    Tests for what an administrator forbids.
    """

    @pytest.mark.parametrize(
        ("text", "stopped"),
        [
            ("schema = 1", set()),
            ("schema = 1\nforbid = ['umeng']", {"umeng"}),
            ("schema = 1\nforbid = ['*']", set(WIDE.elements)),
            (
                "schema = 1\nforbid = ['improve']",
                {"improve", *PARTNER},
            ),
            (
                "schema = 1\nforbid = ['connect/location_precise']",
                {"connect/location_precise"},
            ),
            ("schema = 1\n[apps.small]\nforbid = ['logs']", {"logs"}),
            ("schema = 1\n[apps.other]\nforbid = ['logs']", set()),
            (
                "schema = 1\nforbid = ['umeng']\napps.small.forbid = ['logs']",
                {"umeng", "logs"},
            ),
        ],
    )
    def test_forbids(self, text: str, stopped: set[str]) -> None:
        """
        It forbids what it names, for every app or for one.
        """
        device = parse_device_policy(text)

        assert not device.problem
        assert _stopped(Signals(device=(device,))) == stopped

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "$.schema: write schema = 1"),
            ("schema = 2", "$.schema: write schema = 1"),
            ("schema = true", "$.schema: write schema = 1"),
            ("forbid = [", "not TOML"),
            ("schema = 1\nforbids = ['x']", "$.forbids: unknown key"),
            ("schema = 1\nforbid = 'x'", "$.forbid: not a list"),
            ("schema = 1\nforbid = [1]", "$.forbid: not a list"),
            ("schema = 1\nforbid = ['']", "$.forbid: not a list"),
            ("schema = 1\napps = 1", "$.apps: not a table"),
            ("schema = 1\napps.small = 1", "$.apps.small: not a table"),
            (
                "schema = 1\n[apps.small]\nallow = ['x']",
                "$.apps.small.allow: unknown key",
            ),
        ],
    )
    def test_malformed_forbids_everything(
        self, text: str, problem: str
    ) -> None:
        """
        What cannot be understood forbids everything, and says why.
        """
        device = parse_device_policy(text)
        signals = Signals(device=(device,))

        assert problem in device.problem
        assert _stopped(signals) == set(WIDE.elements)
        effect = _row(signals, Signal.DEVICE_POLICY, "logs").effect
        assert problem in effect

    def test_a_name_that_is_not_there_is_told(self) -> None:
        """
        A misspelt function is told, as it forbids nothing.
        """
        device = parse_device_policy(
            "schema = 1\n[apps.small]\nforbid = ['umenng']"
        )
        signals = Signals(device=(device,))

        assert _stopped(signals) == set()
        effect = _row(signals, Signal.DEVICE_POLICY, "umeng").effect
        assert "'umenng'" in effect

    def test_forbids_what_a_person_grants(self) -> None:
        """
        The organisation forbids, the person grants: masked.
        """
        device = parse_device_policy("schema = 1\nforbid = ['*']")
        masks = Signals(device=(device,)).masks(WIDE)
        state = fold(_grants(WIDE), WIDE, masks=masks)

        assert {c.status for c in state.choices.values()} == {Status.MASKED}


def _terminal() -> Any:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    return stream


class TestReader:
    """
    Tests for reading the environment.
    """

    def _read(self, environ: dict[str, str], *paths: Path) -> Signals:
        streams = [_terminal() for _ in range(3)]
        return read_environment(environ, streams, places=paths)

    def test_nothing_there(self, tmp_path: Path) -> None:
        """
        A plain desktop says nothing.
        """
        signals = self._read({}, tmp_path / "none.toml")

        assert signals == Signals()
        assert signals.may_prompt()

    def test_variables(self) -> None:
        """
        The variables are taken as they are written.
        """
        signals = self._read(
            {"DO_NOT_TRACK": " 1", "CONSENTKIT_CONSENT": "off"}
        )

        assert signals.do_not_track == " 1"
        assert signals.own == "off"

    @pytest.mark.parametrize("name", CI_VARIABLES)
    def test_ci(self, name: str) -> None:
        """
        On a machine that builds software nobody is asked.
        """
        signals = self._read({name: "true"})

        assert signals.ci
        assert not signals.may_prompt()
        assert self._read({name: "false"}).may_prompt()

    def test_ci_may_record_for_one_version(self) -> None:
        """
        A variable that names policy and version lets a command record.
        """
        named = self._read({"CI": "1", "CONSENTKIT_CI": "small@1"})
        other = self._read({"CI": "1", "CONSENTKIT_CI": "small@2"})

        assert named.may_record(WIDE)
        assert not named.may_prompt()
        assert not other.may_record(WIDE)
        assert not self._read({"CI": "1"}).may_record(WIDE)
        assert self._read({}).may_record(WIDE)

    def test_three_terminals(self) -> None:
        """
        Each of the three streams has to be a terminal.
        """
        closed = io.StringIO()
        closed.close()
        for stream, place in itertools.product(
            [None, io.StringIO(), closed], range(3)
        ):
            streams = [_terminal() for _ in range(3)]
            streams[place] = stream
            signals = read_environment({}, streams, places=())

            assert not signals.may_prompt()

    def test_no_terminal_stops_no_window(self) -> None:
        """
        Nobody is asked in a terminal; what was granted goes on.
        """
        signals = Signals(ci=True, terminals=False)

        assert not signals.masks(WIDE)

    def test_administrator_file(self, tmp_path: Path) -> None:
        """
        A file is read, and read again when it changed, came or went.
        """
        path = tmp_path / "device-policy.toml"
        reader = SignalReader(environ={}, streams=(), places=[path])
        stopped = []
        for text in (None, "schema = 1\nforbid = ['logs']", "no TOML", None):
            if text is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(text)
            time.sleep(_LOOK_SECONDS)
            stopped.append(len(_stopped(reader.read())))

        assert stopped == [0, 1, len(WIDE.elements), 0]

    def test_same_value_while_nothing_changed(self, tmp_path: Path) -> None:
        """
        What was made of the signals may be kept by identity.
        """
        path = tmp_path / "device-policy.toml"
        path.write_text("schema = 1")
        reader = SignalReader(environ={}, streams=(), places=[path])

        first = reader.read()
        second = reader.read()
        path.write_text("schema = 1 ")
        time.sleep(_LOOK_SECONDS)

        assert first is second
        assert reader.read() is not first

    @pytest.mark.parametrize(
        ("make", "problem"),
        [
            (lambda path: path.mkdir(), "cannot be read"),
            (lambda path: path.write_bytes(b"\xff"), "not UTF-8"),
            (lambda path: path.write_text("#" * 70_000), "larger than"),
        ],
    )
    def test_unreadable_forbids_everything(
        self, make: Any, problem: str, tmp_path: Path
    ) -> None:
        """
        A file that cannot be read forbids everything, and says why.
        """
        path = tmp_path / "device-policy.toml"
        make(path)
        signals = self._read({}, path)

        assert problem in signals.device[0].problem
        assert str(path) in signals.device[0].place
        assert _stopped(signals) == set(WIDE.elements)

    def test_added_file_must_be_there(self, tmp_path: Path) -> None:
        """
        A file that a variable names forbids everything if it is missing.
        """
        missing = tmp_path / "missing.toml"
        signals = self._read({}, tmp_path / "none.toml", missing)

        assert _stopped(signals) == set(WIDE.elements)

    @pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
    def test_a_variable_adds_and_moves_nothing(self, platform: str) -> None:
        """
        The platform's own place stays, whatever the variables say.
        """
        environ = {"CONSENTKIT_DEVICE_POLICY": "mine.toml"}
        own = device_policy_places({}, platform=platform)
        both = device_policy_places(environ, platform=platform)

        assert both == (*own, Path("mine.toml"))

    def test_opens_no_file_where_there_is_none(self, tmp_path: Path) -> None:
        """
        Looking for a file that is not there opens nothing.
        """
        opened: list[object] = []
        watching = True

        def watch(event: str, args: tuple[object, ...]) -> None:
            if watching and event == "open":
                opened.append(args[0])

        sys.addaudithook(watch)
        SignalReader(
            environ={}, streams=(), places=[tmp_path / "none.toml"]
        ).read()
        (tmp_path / "twin").write_text("seen")
        watching = False

        assert opened == [str(tmp_path / "twin")]


# One value of each signal that stops something.
STOPPING: dict[Signal, dict[str, Any]] = {
    Signal.DEVICE_POLICY: {
        "device": (DevicePolicy(forbidden={"": frozenset({"*"})}),)
    },
    Signal.OWN_VARIABLE: {"own": "off"},
    Signal.DO_NOT_TRACK: {"do_not_track": "1"},
    Signal.GPC: {"gpc": True},
    Signal.OS_PERMISSION: {"permissions": {"location": "denied"}},
    Signal.CI: {"ci": True},
    Signal.TERMINALS: {"terminals": False},
}


class TestResolver:
    """
    Tests for the one order of all signals.
    """

    def test_truth_table(self) -> None:
        """
        Every set of signals: the masks are what the rows say, in order.
        """
        order = [signal.value for signal in Signal]
        for chosen in itertools.product([False, True], repeat=len(Signal)):
            given_: dict[str, Any] = {}
            for signal, on in zip(Signal, chosen, strict=True):
                given_ |= STOPPING[signal] if on else {}
            signals = Signals(**given_)
            masks = signals.masks(WIDE)
            for element in WIDE.elements:
                rows = signals.rows(WIDE, element)
                stops = tuple(row.name for row in rows if row.stops)

                assert [row.name for row in rows] == order
                assert all(row.value and row.effect for row in rows)
                assert masks.get(element, ()) == stops

    def test_operating_system(self) -> None:
        """
        A permission that was taken away stops what needs it, no more.
        """
        element = "connect/location_precise"
        signals = Signals(permissions={"location": "denied"})
        entries = _grants(WIDE)
        masked = fold(entries, WIDE, masks=signals.masks(WIDE))
        back = Signals(permissions={"location": "granted"})
        open_ = fold(entries, WIDE, masks=back.masks(WIDE))

        assert _stopped(signals) == {element}
        assert masked.choices[element].status is Status.MASKED
        assert open_.choices[element].status is Status.GRANTED

    def test_unknown_element(self) -> None:
        """
        What the policy does not have cannot be explained.
        """
        with pytest.raises(KeyError):
            Signals().rows(WIDE, "nothing")

    def test_is_asked_anew_for_other_entries(self) -> None:
        """
        One value of signals answers for each policy and each history.
        """
        policy, signals = TestConflict.LAWFUL, Signals(gpc=True)
        yes: tuple[str, Act, dict[str, Any]] = ("umeng", Act.GRANTED, {})
        noted = _life(policy, ("umeng", Act.SIGNAL_CONFLICT, NOTED), yes)
        before = _life(policy, yes)
        told = [
            "umeng" in signals.masks(which, entries)
            for which, entries in (
                (policy, before),
                (policy, noted),
                (WIDE, noted),
                (policy, noted),
                (policy, before),
            )
        ]

        assert told == [True, False, True, False, True]
        assert signals.masks(policy, noted) is signals.masks(policy, noted)

    def test_long_values_are_cut(self) -> None:
        """
        A variable may hold anything; only its beginning is shown.
        """
        row = _row(Signals(own="x" * 900), Signal.OWN_VARIABLE, "logs")

        assert len(row.value) < 60

    @given(
        entries=st.lists(
            st.tuples(
                st.sampled_from(WIDE.elements),
                st.sampled_from([a for a in Act if a is not Act.AGE_DECLARED]),
            ),
            max_size=12,
        ),
        signals=st.builds(
            Signals,
            do_not_track=st.sampled_from([None, "1", "0"]),
            own=st.sampled_from([None, "off", "on"]),
            gpc=st.sampled_from([None, False, True]),
            permissions=st.sampled_from(
                [{}, {"location": "denied"}, {"location": "granted"}]
            ),
            device=st.lists(
                st.builds(
                    DevicePolicy,
                    forbidden=st.dictionaries(
                        st.sampled_from(["", "small"]),
                        st.frozensets(st.sampled_from([*WIDE.elements, "*"])),
                    ),
                ),
                max_size=2,
            ).map(tuple),
            ci=st.booleans(),
            terminals=st.booleans(),
        ),
        lawful=st.booleans(),
    )
    def test_only_narrows(
        self,
        entries: list[tuple[str, Act]],
        signals: Signals,
        lawful,
    ) -> None:
        """
        No signals open what was not open without them.
        """
        policy = TestConflict.LAWFUL if lawful else WIDE
        made = acts(policy, *entries)
        without = fold(made, policy).choices
        masked = fold(made, policy, masks=signals.masks(policy, made)).choices

        for element, choice in masked.items():
            if choice.status in OPEN:
                assert choice == without[element]
