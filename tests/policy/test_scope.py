# SPDX-License-Identifier: MIT

"""
Tests for what a consent covers: the set difference of two policies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from consentkit.policy import Policy
from consentkit.policy.model import Clause, Protection, ProtectionName
from consentkit.policy.period import Period
from consentkit.policy.scope import (
    MENDABLE,
    Atom,
    Beyond,
    Compared,
    atoms_of,
    beyond,
    covers_longer,
    stricter,
)
from tests.support import small


Change = Callable[[dict[str, Any]], object]

CONNECT, IMPROVE, PASTE, UMENG = 0, 1, 2, 4


def function(number: int, **keys: Any) -> Change:
    """
    Change keys of a function of the small policy.
    """
    return lambda tree: tree["functions"][number].update(keys)


def collected(number: int, row: int, **keys: Any) -> Change:
    """
    Change keys of what a function of the small policy collects.
    """
    return lambda tree: tree["functions"][number]["collects"][row].update(keys)


def recipient(number: int, **keys: Any) -> Change:
    """
    Change keys of a recipient of the small policy.
    """
    return lambda tree: tree["recipients"][number].update(keys)


def event(**keys: Any) -> Change:
    """
    Change keys of the first event of ``connect``.
    """
    return lambda tree: tree["functions"][CONNECT]["events"][0].update(keys)


def needing(*needs: str, regions: Sequence[str] = ("DE",)) -> Change:
    """
    Say what the way of statistics has to be.
    """

    def change(tree: dict[str, Any]) -> None:
        tree["storage"] = {"regions": list(regions)}
        tree["purposes"] = {"usage_statistics": {"needs": list(needs)}}

    return change


def keeps_at_home(tree: dict[str, Any]) -> None:
    """
    Store in China alone, so that the helper is abroad.
    """
    tree["storage"] = {"regions": ["CN"]}


def more(old: Policy, new: Policy, name: str) -> dict[Atom, set[Beyond]]:
    """
    Say of each atom of a function in what it goes beyond *old*.
    """
    return {
        atom: found
        for element in new.functions[name].elements
        for atom in atoms_of(new.functions[name], element)
        if (found := set(beyond(old, new, name, atom)))
    }


def both(*changes: Change) -> Policy:
    """
    Give the small policy with several changes.
    """
    return small(**{f"change_{i}": c for i, c in enumerate(changes)})


TAKE_CODES = {"name": "take", "intents": ["share_code"]}
FIELDS = {
    "seconds": "float",
    "outcome": ["ok", "timeout"],
    "note": "text",
    "again": "bool",
    "tries": "int",
}


class TestBeyond:
    """
    Tests for each way of going beyond a consent.
    """

    def test_the_same_is_covered(self) -> None:
        """
        Nothing goes beyond itself.
        """
        policy = small()
        for name in policy.functions:
            assert more(policy, policy, name) == {}

    @pytest.mark.parametrize(
        ("name", "before", "after", "kind"),
        [
            (
                "improve",
                [],
                [function(IMPROVE, basis=["consent", "contract"])],
                Beyond.BASIS,
            ),
            (
                "improve",
                [],
                [collected(IMPROVE, 0, type="device_model", protect="none")],
                Beyond.DATA_TYPE,
            ),
            (
                "improve",
                [],
                [collected(IMPROVE, 0, purposes=["crash_analysis"])],
                Beyond.PURPOSE,
            ),
            (
                "umeng",
                [],
                [function(UMENG, purposes=["usage_statistics"])],
                Beyond.PURPOSE,
            ),
            (
                "improve",
                [collected(IMPROVE, 0, protect="present")],
                [],
                Beyond.TREATMENT,
            ),
            (
                "connect",
                [collected(0, 0, protect={"name": "grid", "cell_km": 5.0})],
                [collected(0, 0, protect={"name": "grid", "cell_km": 4.0})],
                Beyond.TREATMENT,
            ),
            (
                "paste",
                [collected(PASTE, 0, protect=TAKE_CODES)],
                [],
                Beyond.TREATMENT,
            ),
            (
                "improve",
                [collected(IMPROVE, 0, protect="drop")],
                [collected(IMPROVE, 0, protect="present")],
                Beyond.TREATMENT,
            ),
            (
                "improve",
                [collected(IMPROVE, 0, protect="local_only")],
                [collected(IMPROVE, 0, protect="present")],
                Beyond.TREATMENT,
            ),
            (
                "improve",
                [],
                [collected(IMPROVE, 0, recipients=["umeng"])],
                Beyond.RECIPIENT,
            ),
            (
                "improve",
                [collected(IMPROVE, 0, recipients=["maker"])],
                [],
                Beyond.RECIPIENT,
            ),
            ("improve", [], [recipient(0, name="Other")], Beyond.RECIPIENT),
            ("improve", [], [recipient(0, mode="shared")], Beyond.RECIPIENT),
            (
                "improve",
                [keeps_at_home],
                [keeps_at_home, recipient(0, country="US")],
                Beyond.REGION,
            ),
            (
                "improve",
                [needing("encrypted", "sealed")],
                [needing("sealed")],
                Beyond.ROUTE,
            ),
            ("improve", [needing("encrypted")], [], Beyond.ROUTE),
            (
                "improve",
                [needing("region", regions=["DE"])],
                [needing("region", regions=["DE", "SG"])],
                Beyond.REGION,
            ),
            (
                "improve",
                [],
                [function(IMPROVE, retention="P2M")],
                Beyond.RETENTION,
            ),
            (
                "improve",
                [collected(IMPROVE, 0, frequency="P1D")],
                [collected(IMPROVE, 0, frequency="PT12H")],
                Beyond.FREQUENCY,
            ),
            (
                "improve",
                [collected(IMPROVE, 0, frequency="P1D")],
                [],
                Beyond.FREQUENCY,
            ),
            (
                "paste",
                [],
                [collected(PASTE, 0, scenes=["receive_share", "launch"])],
                Beyond.FREQUENCY,
            ),
            (
                "connect",
                [],
                [event(fields={**FIELDS, "place": "text"})],
                Beyond.EVENT,
            ),
            (
                "connect",
                [],
                [event(fields={**FIELDS, "tries": "text"})],
                Beyond.EVENT,
            ),
            (
                "connect",
                [],
                [event(fields={**FIELDS, "outcome": ["ok", "no"]})],
                Beyond.EVENT,
            ),
            ("connect", [], [event(name="binding_begun")], Beyond.EVENT),
            ("umeng", [], [function(UMENG, sdk="getui")], Beyond.SDK),
            (
                "improve",
                [],
                [
                    lambda t: t["controller"].update(id="other"),
                    function(IMPROVE, recipients=["helper"]),
                ],
                Beyond.CONTROLLER,
            ),
            (
                "improve",
                [recipient(0, separate=True)],
                [],
                Beyond.DECISION,
            ),
        ],
    )
    def test_kind(
        self,
        name: str,
        before: list[Change],
        after: list[Change],
        kind: Beyond,
    ) -> None:
        """
        Each way is found; what can be mended is covered the other way.
        """
        old, new = both(*before), both(*after)
        found = more(old, new, name)

        assert kind in set().union(*found.values())
        if kind in MENDABLE:
            assert more(new, old, name) == {}

    def test_function_that_was_not_there(self) -> None:
        """
        A function that is new was agreed to by nobody.
        """
        new = both(function(IMPROVE, id="improve2"))

        found = more(small(), new, "improve2")
        assert set(found) == set(
            atoms_of(new.functions["improve2"], "improve2")
        )
        assert all(kinds == {Beyond.FUNCTION} for kinds in found.values())

    def test_only_what_changed_is_beyond(self) -> None:
        """
        A new type is beyond; what was agreed to beside it is not.
        """
        new = both(
            lambda t: t["functions"][IMPROVE]["collects"].append(
                {"type": "os_name", "protect": "none"}
            )
        )

        assert more(small(), new, "improve") == {
            Atom("os_name", "usage_statistics", who): {Beyond.DATA_TYPE}
            for who in ("maker", "helper")
        }

    @pytest.mark.parametrize(
        "change",
        [
            function(IMPROVE, retention="P1D"),
            function(IMPROVE, text="We count.", name="Counting"),
            function(IMPROVE, recipients=["maker"]),
            collected(IMPROVE, 0, protect="present"),
            collected(IMPROVE, 0, protect="drop"),
            collected(IMPROVE, 0, protect="local_only"),
            collected(IMPROVE, 0, frequency="P1D"),
            lambda t: t["functions"][IMPROVE]["collects"].pop(0),
            lambda t: t["functions"][IMPROVE]["events"].clear(),
            recipient(0, name="Better", formerly=["Helper GmbH"]),
            lambda t: t["controller"].update(id="new", continues=["maker"]),
            keeps_at_home,
            needing("sealed"),
        ],
        ids=[
            "shorter",
            "other words",
            "fewer recipients",
            "treatment",
            "never read",
            "never sent",
            "rarer",
            "type gone",
            "events gone",
            "other name",
            "taken over",
            "place of storage",
            "need",
        ],
    )
    def test_less_is_covered(self, change: Change) -> None:
        """
        Who asks for less, in other words or under a new name, asks for
        nothing.
        """

        def as_maker(tree: dict[str, Any]) -> None:
            # Whoever took over stands where the old controller stood.
            owner = tree["controller"]["id"]
            for table in tree["functions"]:
                who = table.get("recipients")
                if who:
                    table["recipients"] = [
                        owner if name == "maker" else name for name in who
                    ]

        assert more(small(), both(change, as_maker), "improve") == {}

    @pytest.mark.parametrize(
        ("name", "before", "after"),
        [
            ("grid", {}, {"cell_km": 5.0}),
            ("grid", {}, {"noise_km": 2.0}),
            ("grid", {}, {"noise_km": 2.0, "epoch": "P30D"}),
            ("grid", {"noise_km": 2.0}, {"noise_km": 3.0}),
            ("grid", {"on_change": False}, {}),
            ("grid", {"time_step": "PT1M"}, {}),
            ("grid", {"time_step": "PT1H"}, {"time_step": "PT6H"}),
            # Each epoch draws the noise anew.
            (
                "grid",
                {"noise_km": 2.0, "epoch": "P30D"},
                {"noise_km": 2.0, "epoch": "P60D"},
            ),
            (
                "grid",
                {"noise_km": 2.0, "epoch": "P30D"},
                {"noise_km": 2.0},
            ),
            # And parts the pseudonyms.
            ("keyed", {}, {"epoch": "P30D"}),
            ("keyed", {"epoch": "P60D"}, {"epoch": "P30D"}),
            ("krr", {"epsilon": 2.0}, {"epsilon": 1.0}),
            ("krr", {"values": ["a", "b", "c"]}, {}),
            ("krr", {"epoch": "P30D"}, {"epoch": "P60D"}),
            ("krr", {"epoch": "P30D"}, {}),
        ],
    )
    def test_treatment_that_tells_less(
        self, name: str, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        """
        What tells less is covered; the other way it is beyond.
        """
        usual: dict[str, Any] = {"values": ["a", "b"]} if name == "krr" else {}
        function, row = (
            ("connect", "location_coarse")
            if name == "grid"
            else ("improve", "mac_address" if name == "keyed" else "carrier")
        )
        number = {"connect": 0, "improve": IMPROVE}[function]

        def under(keys: dict[str, Any]) -> Policy:
            protect = {"name": name, **usual, **keys}
            return both(collected(number, 0, type=row, protect=protect))

        found = set().union(
            *more(under(after), under(before), function).values()
        )
        assert found == {Beyond.TREATMENT}
        assert more(under(before), under(after), function) == {}

    @pytest.mark.parametrize("treatment", ["grid", "keyed"])
    def test_same_epoch(self, treatment: str) -> None:
        """
        An epoch that stays is covered, though no month is as long as any
        other.
        """
        protect: dict[str, Any] = {"name": treatment, "epoch": "P1M"}
        number, name, row = IMPROVE, "improve", "mac_address"
        if treatment == "grid":
            protect["noise_km"] = 2.0
            number, name, row = 0, "connect", "location_coarse"
        policy = both(collected(number, 0, type=row, protect=protect))
        same = both(
            collected(number, 0, type=row, protect=protect),
            function(number, retention="PT1H"),
        )

        assert more(policy, same, name) == {}

    def test_decision_made_apart_is_no_widening(self) -> None:
        """
        What becomes a decision of its own is covered as to its content;
        the new decision itself was never made.
        """
        new = both(recipient(0, separate=True))

        assert more(small(), new, "improve") == {}
        assert "improve@helper" in new.functions["improve"].elements


class TestCompared:
    """
    Tests for `Compared`: all atoms of an element at once.
    """

    def test_terms_are_compared_once(self) -> None:
        """
        Data types with the same terms have one and the same answer.
        """
        alike = [collected(IMPROVE, row, protect="present") for row in (0, 1)]
        old = both(*alike)
        new = both(*alike, function(IMPROVE, retention="P2M"))

        uses = dict(Compared(old, new, "improve").uses("improve"))

        one, other = new.document.functions[IMPROVE].collects[:2]
        assert uses[one.type] is uses[other.type]
        assert uses[one.type][0][2] == (Beyond.RETENTION,)

    def test_function_that_is_new(self) -> None:
        """
        Of a function that was not there nothing is covered.
        """
        old = both(lambda tree: tree["functions"].pop(IMPROVE))

        told = {
            reasons
            for _, uses in Compared(old, small(), "improve").uses("improve")
            for _, _, reasons in uses
        }
        assert told == {(Beyond.FUNCTION,)}


class TestAtoms:
    """
    Tests for what an element has a say in.
    """

    def test_separate_type_is_its_own(self) -> None:
        """
        A separate type is no part of the function's own element.
        """
        connect = small().functions["connect"]

        assert {a.data_type for a in atoms_of(connect, "connect")} == {
            "network_status",
            "wifi_password",
            "device_name",
        }
        apart = atoms_of(connect, "connect/location_precise")
        assert list(apart) == [
            Atom("location_precise", "wifi_connection", "maker")
        ]

    @pytest.mark.parametrize("end", ["", "+abroad"])
    def test_recipient_has_its_share(self, end: str) -> None:
        """
        A recipient's element is about what that recipient gets.
        """
        improve = both(keeps_at_home).functions["improve"]

        atoms = list(atoms_of(improve, f"improve@helper{end}"))
        assert {a.recipient for a in atoms} == {"helper"}
        assert {a.data_type for a in atoms} == set(improve.clauses)

    def test_sdk_that_reads_by_itself(self) -> None:
        """
        A function without clauses has its purposes and recipients.
        """
        umeng = small().functions["umeng"]

        assert set(atoms_of(umeng, "umeng")) == {
            Atom("", "crash_analysis", who) for who in ("umeng", "maker")
        }


PERIODS = st.builds(
    Period,
    months=st.integers(0, 30),
    seconds=st.integers(0, 400).map(lambda days: days * 86_400),
)
STARTS = st.datetimes(
    min_value=datetime(1999, 1, 1),
    max_value=datetime(2105, 1, 1),
).map(lambda t: t.replace(tzinfo=UTC))


class TestCoversLonger:
    """
    Tests for comparing periods, of which a month is no fixed one.
    """

    @pytest.mark.parametrize(
        ("longer", "shorter", "expected"),
        [
            ("P1D", "P1D", True),
            ("P1M", "P1M", True),
            ("P1M", "P28D", True),
            ("P1M", "P29D", False),
            ("P31D", "P1M", True),
            ("P30D", "P1M", False),
            ("P1Y", "P365D", True),
            ("P1Y", "P366D", False),
            ("P366D", "P1Y", True),
            ("P365D", "P1Y", False),
            ("P1Y", "P12M", True),
            ("P2M", "P1M", True),
            ("P1M", "P2M", False),
            ("P23M", "P22M", True),
            ("P23M", "P22MT1H", False),
            ("PT1H", "P1D", False),
        ],
    )
    def test_table(self, longer: str, shorter: str, *, expected: bool) -> None:
        """
        Only what is never shorter covers.
        """
        pair = Period.parse(longer), Period.parse(shorter)

        assert covers_longer(*pair) is expected

    @given(PERIODS, PERIODS, STARTS)
    def test_is_true_on_every_day(
        self, one: Period, other: Period, start: datetime
    ) -> None:
        """
        Whenever it starts, what covers ends no earlier.
        """
        if covers_longer(one, other):
            assert one.after(start) >= other.after(start)


def clause(**changes: Any) -> Clause:
    """
    Give a clause of the small policy, changed.
    """
    improve = small().functions["improve"]
    return evolve(improve.clauses["mac_address"], **changes)


def named(name: str, **parameters: Any) -> Protection:
    """
    Give a protection by name.
    """
    return Protection(name=ProtectionName(name), **parameters)


class TestStricter:
    """
    Tests for keeping two promises at once.
    """

    @given(PERIODS, PERIODS, STARTS)
    def test_is_kept_for_the_shorter(
        self, agreed: Period, now: Period, start: datetime
    ) -> None:
        """
        Whenever it starts, neither promise is broken.
        """
        made = stricter(clause(retention=agreed), clause(retention=now))

        kept = made.retention.after(start)
        assert kept <= agreed.after(start)
        assert kept <= now.after(start)

    @pytest.mark.parametrize(
        ("agreed", "now", "expected"),
        [
            ("P1M", "P2M", "P1M"),
            ("P2M", "P1M", "P1M"),
            ("P1M", "P30D", "P28D"),
            ("P30D", "P1M", "P28D"),
            ("P1Y", "P365D", "P365D"),
        ],
    )
    def test_is_kept_as_long_as_both_allow(
        self, agreed: str, now: str, expected: str
    ) -> None:
        """
        The shorter promise holds as it was said; of two that end first by
        turns, what ends before both in any month.
        """
        before, after, wanted = map(Period.parse, (agreed, now, expected))

        made = stricter(clause(retention=before), clause(retention=after))
        assert made.retention == wanted

    @pytest.mark.parametrize(
        ("agreed", "now", "expected"),
        [
            ("P1D", "PT1H", "P1D"),
            ("PT1H", "P1D", "P1D"),
            (None, "P1D", "P1D"),
            ("P1D", None, "P1D"),
            (None, None, None),
        ],
    )
    def test_is_read_the_rarer(
        self, agreed: str | None, now: str | None, expected: str | None
    ) -> None:
        """
        The longer time between two reads holds.
        """
        before, after, wanted = (
            Period.parse(text) if text else None
            for text in (agreed, now, expected)
        )

        made = stricter(clause(frequency=before), clause(frequency=after))
        assert made.frequency == wanted

    @pytest.mark.parametrize(
        ("agreed", "now", "expected"),
        [
            (named("md5"), named("none"), named("md5")),
            (named("none"), named("md5"), named("md5")),
            (named("md5"), named("present"), named("present")),
            (named("local_only"), named("md5"), named("local_only")),
            (named("md5"), named("drop"), named("drop")),
            (
                named("grid", cell_km=5.0),
                named("grid", cell_km=2.0),
                named("grid", cell_km=5.0),
            ),
            (
                named("take", intents=("link", "share_code")),
                named("take", intents=("share_code", "phone")),
                named("take", intents=("share_code",)),
            ),
            (
                named("take", intents=("link",)),
                named("take", intents=("phone",)),
                named("drop"),
            ),
        ],
    )
    def test_tells_the_less(
        self, agreed: Protection, now: Protection, expected: Protection
    ) -> None:
        """
        What tells more than was agreed to, or than is promised now, is not
        told.
        """
        made = stricter(clause(protection=agreed), clause(protection=now))

        assert made.protection == expected

    def test_is_read_in_shared_scenes(self) -> None:
        """
        Only scenes of both promises count; where there are none, nothing
        is read, as no scenes would mean all.
        """
        agreed = clause(scenes=("receive_share", "search"))

        made = stricter(agreed, clause(scenes=("search", "launch")))
        assert made.scenes == ("search",)
        made = stricter(agreed, clause(scenes=("launch",)))
        assert made.protection == named("drop")
