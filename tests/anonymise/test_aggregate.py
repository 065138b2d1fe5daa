# SPDX-License-Identifier: MIT

"""
Tests for numbers over many people: what makes them anonymous, that they tell
of nobody, and that nothing else is taken for them.
"""

from __future__ import annotations

import copy
import json
import math
import pickle
import sqlite3
import types

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from consentkit.anonymise.aggregate import (
    FEWEST,
    Aggregate,
    Releases,
    is_exempt,
)
from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.laplace import discrete_laplace
from consentkit.anonymise.response import answer, estimate
from consentkit.anonymise.strength import strength_of
from consentkit.anonymise.together import check_class, together
from consentkit.exceptions import (
    DamagedError,
    PolicyError,
    UnprotectedError,
)
from consentkit.gate import Reason, Refusal
from consentkit.policy import (
    Policy,
    Protection,
    ProtectionName,
    load_vocabulary,
)
from tests.anonymise.crowd import MANY, Crowd, near
from tests.obligations.checks import changed, document, table
from tests.support import small


A1 = ("device_model", "A1")
B2 = ("device_model", "B2")
WEEK = timedelta(days=7)


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    """
    The backend of the camera app, and who helps to improve it.
    """
    with Crowd(
        tmp_path,
        document("camera_app"),
        "product_improvement",
        "usage_statistics",
    ) as made:
        yield made


def only(made: tuple[Aggregate, ...] | Refusal) -> Aggregate:
    """
    Give the one answer that there is.
    """
    assert not isinstance(made, Refusal)
    (one,) = made
    return one


class TestDiscreteLaplace:
    """
    Tests for `discrete_laplace()`.
    """

    @pytest.mark.parametrize("epsilon", [Fraction(1), Fraction(1, 3)])
    def test_is_as_likely_as_it_should_be(self, epsilon: Fraction) -> None:
        """
        Each number comes as often as the two-sided geometric distribution
        has it.
        """
        draws = 20_000
        drawn = Counter(discrete_laplace(epsilon) for _ in range(draws))

        alpha = math.exp(-epsilon)
        for n in range(-6, 7):
            likely = (1 - alpha) / (1 + alpha) * alpha ** abs(n)
            # Seven standard deviations: once in 10 ** 11 runs it is more.
            most = 7 * math.sqrt(likely * (1 - likely) / draws)
            assert drawn[n] / draws == pytest.approx(likely, abs=most)

    def test_hides_one_person(self) -> None:
        """
        A number is at most e to the epsilon times as likely with one person
        more, and about so much: the noise is no wider than it has to be.
        """
        draws = 40_000
        drawn = Counter(discrete_laplace(Fraction(1)) for _ in range(draws))

        for n in range(-2, 3):
            ratio = drawn[n] / drawn[n + 1]
            expected = math.exp(1 if n >= 0 else -1)
            assert ratio == pytest.approx(expected, rel=0.35)

    @pytest.mark.parametrize("epsilon", [0, -1, 2])
    def test_out_of_range(self, epsilon: int) -> None:
        """
        Noise that is none, or that never ends, is not drawn.
        """
        with pytest.raises(ValueError, match="epsilon"):
            discrete_laplace(Fraction(epsilon))


class TestRelease:
    """
    Tests for what a window tells.
    """

    @pytest.mark.obligation("WP-SHR-7", "GP-ADS-2")
    def test_many_are_told_of(self, crowd: Crowd) -> None:
        """
        A large group is told with noise, for its window, and is anonymous.
        """
        crowd.give(MANY, A1)

        made = crowd.count("device_model")

        assert [*made.counts] == [("A1",)]
        assert made.counts["A1",] in near(len(MANY))
        assert made.privacy_class is PrivacyClass.ANONYMOUS
        assert is_exempt(made)
        assert made.question == crowd.ask("device_model")
        assert made.ends - made.begins == WEEK
        assert made.ends == crowd.clock()
        assert repr(made) == "<Aggregate: 1 groups>"

    @pytest.mark.obligation("WP-SHR-7", "GP-ADS-2")
    def test_few_are_left_out(self, crowd: Crowd) -> None:
        """
        A small group is left out, and nothing tells that there is one:
        neither a flag nor a number of all.
        """
        crowd.give(MANY, A1)
        before = crowd.count("device_model")
        crowd.give(MANY, A1)
        crowd.give(["ann", "bob"], B2)

        made = crowd.count("device_model")

        assert [*made.counts] == [("A1",)]
        assert "B2" not in json.dumps(made.as_json())
        assert made.as_json().keys() == before.as_json().keys()
        shapes = [
            {k: type(v) for k, v in one.as_json().items()}
            for one in (made, before)
        ]
        assert shapes[0] == shapes[1]

    def test_nearly_enough_is_too_few(self, crowd: Crowd) -> None:
        """
        A group just below the least number is not told of, whatever its
        noise.
        """
        crowd.give(range(FEWEST - 1), A1)
        question = crowd.ask("device_model")
        crowd.clock.tick(days=7)

        for _ in range(40):
            releases = crowd.releases(question, least=FEWEST)
            assert only(releases.release()).counts == {}
            _forget(releases)

    @pytest.mark.obligation("GP-ADS-3")
    def test_whole_combination(self, tmp_path: Path) -> None:
        """
        People are counted by all attributes together: a city and an age
        that many have each, and few have both, are not told of.
        """

        def city(tree: dict[str, Any]) -> None:
            collects = table(tree, "profile")["collects"]
            collects.append({"type": "location_city", "protect": "none"})

        policy = changed("general_platform", city)
        with Crowd(tmp_path, policy, "profile", "profile") as crowd:
            for people, age, place in (
                (MANY, "16-32", "Beijing"),
                (range(70, 140), "32-64", "Hangzhou"),
                (["the one"], "16-32", "Hangzhou"),
                (["nowhere"], "16-32", None),
            ):
                values = (("age", age), ("location_city", place))
                crowd.give(people, *values[: 1 + bool(place)])

            told = crowd.count("age", "location_city").counts

        assert [*told] == [("16-32", "Beijing"), ("32-64", "Hangzhou")]
        assert all(n in near(len(MANY)) for n in told.values())

    def test_one_person_counts_once(self, crowd: Crowd) -> None:
        """
        However much somebody sends, they count once, as what they sent
        last.
        """
        crowd.give(MANY, B2, *[A1] * 3)
        crowd.give(["busy"], *[B2] * 200)

        made = crowd.count("device_model")

        assert [*made.counts] == [("A1",)]
        assert made.counts["A1",] in near(len(MANY))

    @pytest.mark.parametrize("by", ["identifier", "grant"])
    def test_one_person_who_comes_again(self, crowd: Crowd, by: str) -> None:
        """
        Somebody who agrees anew each time is one person still, by an
        identifier or by the grant that their batches carry.
        """
        for n in MANY:
            if by == "identifier":
                crowd.give([n], ("mac_address", "0" * 32), A1)
            else:
                crowd.give(["ann"], A1, consent=f"{n:064x}")

        assert crowd.count("device_model").counts == {}

    def test_one_person_of_two_recipients(self, tmp_path: Path) -> None:
        """
        What two recipients got of somebody is under another consent and
        another grant for each, and counts once where one store has both.
        """

        def share(tree: dict[str, Any]) -> None:
            (improve,) = (f for f in tree["functions"] if f["id"] == "improve")
            improve["collects"] = [
                {
                    "type": "network_type",
                    "protect": "none",
                    "recipients": ["maker", "helper"],
                }
            ]
            improve["events"] = []

        wifi = ("network_type", "wifi")
        policy = small(share=share)
        with Crowd(tmp_path, policy, "improve", "usage_statistics") as crowd:
            for party in ("maker", "helper"):
                people = [f"{n} at {party}" for n in MANY]
                crowd.give(people, wifi, recipient=party)

            made = crowd.count("network_type")

        assert made.counts["wifi",] in near(len(MANY))

    def test_two_grants_in_a_window(self, crowd: Crowd) -> None:
        """
        Who withdraws and agrees anew counts once: what came under the first
        grant was erased.
        """
        crowd.give((f"{n}, first" for n in MANY), A1)
        for n in MANY:
            crowd.erase(f"{n}, first")
        crowd.give((f"{n}, again" for n in MANY), A1)

        assert crowd.count("device_model").counts["A1",] in near(len(MANY))

    def test_own_series(self, crowd: Crowd) -> None:
        """
        One person's values over many windows are told in none.
        """
        for _ in range(3):
            crowd.give(["ann"], *[A1] * 100)
            assert crowd.count("device_model").counts == {}

    def test_window_of_a_record(self, crowd: Crowd) -> None:
        """
        A record counts in the one window in which it came, up to its last
        millisecond.
        """
        crowd.clock.tick(days=7, milliseconds=-1)
        crowd.give(MANY, A1)
        crowd.clock.tick(milliseconds=1)
        crowd.give(MANY, B2)
        crowd.clock.tick(days=7)
        releases = crowd.releases(crowd.ask("device_model"), least=10)

        first = only(releases.release(crowd.clock() - 2 * WEEK))
        second = only(releases.release())

        assert [*first.counts] == [("A1",)]
        assert [*second.counts] == [("B2",)]
        assert first.ends == second.begins

    def test_window_that_is_not_over(self, crowd: Crowd) -> None:
        """
        Nothing is told while more may come; a moment later it is.
        """
        crowd.give(MANY, A1)
        releases = crowd.releases(crowd.ask("device_model"), least=10)
        at = crowd.clock()
        crowd.clock.tick(days=7, milliseconds=-1)

        with pytest.raises(ValueError, match="not over before 2026-11-26"):
            releases.release(at)
        crowd.clock.tick(milliseconds=1)
        assert only(releases.release(at)).counts

    @pytest.mark.parametrize("why", ["erased", "expired", "other purpose"])
    def test_who_is_not_counted(self, crowd: Crowd, why: str) -> None:
        """
        Who has withdrawn, whose record has expired, and who gave it for
        something else is not counted.
        """
        other = {"purpose": "crash_analysis"} if "other" in why else {}
        crowd.give(MANY, A1, **other)
        if why == "erased":
            for person in MANY:
                crowd.erase(person)
        if why == "expired":
            crowd.clock.tick(days=28)
            assert len(crowd.store.records()) == len(MANY)
        at = crowd.clock() - timedelta(days=28 * (why == "expired"))
        crowd.clock.tick(days=7)

        releases = crowd.releases(crowd.ask("device_model"), least=10)
        assert only(releases.release(at)).counts == {}

    def test_what_may_not_be_asked(self, crowd: Crowd) -> None:
        """
        What the policy does not say may not be counted either, and the
        window can be told of still.
        """
        crowd.give(MANY, A1)
        crowd.clock.tick(days=7)
        good = crowd.ask("device_model")
        bad = crowd.ask("device_model", purpose="advertising_delivery")

        refused = crowd.releases(good, bad).release()

        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.UNDECLARED_PURPOSE
        assert only(crowd.releases(good, least=10).release()).counts

    def test_questions_share_epsilon(self, crowd: Crowd) -> None:
        """
        Two questions tell half as much each, and need larger groups.
        """
        crowd.give(MANY, A1, ("os_version", "14"))
        crowd.clock.tick(days=7)
        questions = crowd.ask("device_model"), crowd.ask("os_version")

        made = crowd.releases(*questions, epsilon=0.5, least=10).release()

        assert not isinstance(made, Refusal)
        assert [one.as_json()["epsilon"] for one in made] == [0.25, 0.25]
        assert [one.question for one in made] == [*questions]
        # 10 and a margin of 21 / 0.25.
        assert [dict(one.counts) for one in made] == [{}, {}]

    def test_answers_at_random_are_counted(self, tmp_path: Path) -> None:
        """
        Answers of many people give anonymous counts, and those the shares.
        """
        colours = ("blue", "green", "red")

        def asked(tree: dict[str, Any]) -> None:
            table(tree, "product_improvement")["collects"].append(
                {
                    "type": "user_preferences",
                    "protect": {
                        "name": "krr",
                        "values": [*colours],
                        "epsilon": 3.0,
                    },
                }
            )

        policy = changed("camera_app", asked)
        with Crowd(
            tmp_path, policy, "product_improvement", "usage_statistics"
        ) as crowd:
            for n in range(180):
                told = answer(
                    "red" if n % 3 else "blue",
                    colours,
                    key=n.to_bytes(32),
                    epsilon=3.0,
                )
                crowd.give([n], ("user_preferences", told))
            counts = crowd.count("user_preferences").counts

        shares = estimate(
            {label: n for (label,), n in counts.items()},
            colours,
            epsilon=3.0,
        )
        assert max(shares, key=shares.__getitem__) == "red"

    @pytest.mark.parametrize(
        "type_",
        sorted(
            {"made_up", "device_name", "ssid", "search_history"}
            | {"installed_apps", "purchase_history", "location_coarse"}
            | {
                t.id
                for t in load_vocabulary().data_types.values()
                if t.identifiability in {"direct", "device", "content"}
            }
        ),
    )
    def test_nothing_that_identifies(self, crowd: Crowd, type_: str) -> None:
        """
        Nobody is counted by what identifies or may do so as it stands, alone
        or beside another type.
        """
        for types_ in ((type_,), ("device_model", type_)):
            with pytest.raises(ValueError, match=type_):
                crowd.ask(*types_)

    @pytest.mark.parametrize(
        "more",
        [
            {"least": FEWEST - 1},
            {"least": 1},
            {"epsilon": 1.01},
            {"epsilon": 0},
            {"epsilon": math.inf},
            {"epsilon": math.nan},
            {"days": 0},
            {"days": 367},
        ],
        ids=str,
    )
    def test_out_of_range(self, crowd: Crowd, more: dict[str, Any]) -> None:
        """
        Groups too small, noise too little and windows too short are
        refused.
        """
        with pytest.raises(ValueError, match=next(iter(more))):
            crowd.releases(crowd.ask("device_model"), **more)

    def test_no_question(self, crowd: Crowd) -> None:
        """
        Questions are of something, and of each type once.
        """
        with pytest.raises(ValueError, match="questions"):
            crowd.releases()
        for types_ in ((), ("device_model", "device_model")):
            with pytest.raises(ValueError, match="each once"):
                crowd.ask(*types_)


def _forget(releases: Releases) -> None:
    """
    Lose the file of what was told, as nobody should.
    """
    releases.close()
    with sqlite3.connect(_file_of(releases)) as rows:
        rows.execute("DELETE FROM told")


def _file_of(releases: Releases) -> Path:
    return Path(repr(releases).removesuffix(">").split(" in ")[1])


class TestDifference:
    """
    Tests that no two numbers differ by one person.
    """

    @pytest.mark.obligation("WP-SHR-7", "GP-ADS-2")
    def test_somebody_goes(self, crowd: Crowd) -> None:
        """
        Who counts by hand before and after Ann has gone learns what she
        had; who asks for the window again gets the same numbers, from this
        process or another, however long after.
        """

        def by_hand() -> Counter[object]:
            records = [s.record for s in crowd.store.records()]
            return Counter(g.records[-1].value for g in together(records))

        crowd.give([*MANY, "ann"], A1)
        crowd.clock.tick(days=7)
        at = crowd.clock() - WEEK
        question = crowd.ask("device_model")
        exact = by_hand()
        told = only(crowd.releases(question, least=10).release(at))

        crowd.erase("ann")

        assert exact - by_hand() == {"A1": 1}
        for _ in range(3):
            again = only(crowd.releases(question, least=10).release(at))
            assert again.as_json() == told.as_json()
            crowd.clock.tick(days=5)

    def test_somebody_comes(self, crowd: Crowd) -> None:
        """
        What comes when the window is over is of the next one, which is told
        of with noise of its own.
        """
        crowd.give(MANY, A1)
        told = crowd.count("device_model")
        crowd.give([*MANY, "ann"], A1)
        again = crowd.releases(crowd.ask("device_model"), least=10).release()

        assert only(again).as_json() == told.as_json()
        assert crowd.count("device_model").counts["A1",] in near(71)

    @pytest.mark.obligation("WP-SHR-7", "GP-ADS-2")
    @pytest.mark.parametrize(
        "change",
        [
            {"types": ("os_version",)},
            {"types": ("device_model", "os_version")},
            {"purpose": "crash_analysis"},
            {"least": 11},
            {"epsilon": 0.5},
            {"days": 1},
            {"days": 14},
            {"twice": True},
        ],
        ids=str,
    )
    def test_something_else_of_the_same_time(
        self, crowd: Crowd, change: dict[str, Any]
    ) -> None:
        """
        A time that was told of answers no other question and no other
        window, even one that only overlaps; a later time does.
        """
        crowd.give(MANY, A1, ("os_version", "14"))
        told = crowd.count("device_model")
        options = {"least": 10, **change}
        names = options.pop("types", ("device_model",))
        purpose = options.pop("purpose", crowd.purpose)
        questions = [crowd.ask(*names, purpose=purpose)]
        questions *= 1 + options.pop("twice", False)
        other = crowd.releases(*questions, **options)
        # Of fourteen days, the ones that this week lies in.
        crowd.clock.tick(days=14)

        with pytest.raises(UnprotectedError, match="told of this time"):
            other.release(told.begins)
        crowd.clock.tick(days=28)
        assert not isinstance(other.release(), Refusal)

    def test_more_than_one_at_once(self, crowd: Crowd) -> None:
        """
        Of several that tell of a window at once one counts, and the others
        say what it said.
        """
        crowd.give(MANY, A1)
        crowd.clock.tick(days=7)
        question = crowd.ask("device_model")

        def tell(_: int) -> str:
            releases = crowd.releases(question, least=10)
            return json.dumps(only(releases.release()).as_json())

        with ThreadPoolExecutor(8) as threads:
            assert len({*threads.map(tell, range(16))}) == 1

    def test_noise_is_drawn_anew(self, crowd: Crowd) -> None:
        """
        Were the file lost the same people would get other numbers, and
        their mean be the truth: so one window is told of once.
        """
        crowd.give(MANY, A1)
        crowd.clock.tick(days=7)
        releases = crowd.releases(crowd.ask("device_model"), least=10)
        told = []
        for _ in range(40):
            told.append(only(releases.release()).counts["A1",])
            _forget(releases)

        assert len({*told}) > 1
        assert sum(told) / len(told) == pytest.approx(len(MANY), abs=2)

    def test_file_is_for_its_owner(self, crowd: Crowd) -> None:
        """
        What was told lies beside the store, for its owner alone, and holds
        no more than was told.
        """
        crowd.give(MANY, A1)
        crowd.give(["ann"], B2)
        made = crowd.count("device_model")
        releases = crowd.releases(made.question)
        path = _file_of(releases)

        assert path == crowd.store.path.with_name("backend.told.sqlite3")
        assert path.stat().st_mode & 0o777 == 0o600
        with sqlite3.connect(path) as rows:
            ((answers,),) = rows.execute("SELECT answers FROM told")
        (text,) = json.loads(answers)
        assert json.loads(text) == made.as_json()

    @pytest.mark.parametrize("answers", ["[", "7", '["{}"]', "[7]", "null"])
    def test_damaged_file(self, crowd: Crowd, answers: str) -> None:
        """
        What was told and cannot be read is not told anew.
        """
        made = crowd.count("device_model")
        releases = crowd.releases(made.question, least=10)
        with sqlite3.connect(_file_of(releases)) as rows:
            rows.execute("UPDATE told SET answers = ?", (answers,))

        with pytest.raises(DamagedError, match="not as it was written"):
            releases.release()


class _Text(str):
    """
    A text that is what it is compared with.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("linkable")


class _Class:
    """
    A class of somebody's own, which equals all others.
    """

    privacy_class = PrivacyClass.ANONYMOUS
    value = "anonymous"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(PrivacyClass.PERSONAL)


def _with(text: object, seal: object) -> Aggregate:
    """
    Make an aggregate past its constructor.
    """
    made = object.__new__(Aggregate)
    object.__setattr__(made, "_text", text)
    object.__setattr__(made, "_seal", seal)
    return made


def _of(made: Aggregate) -> dict[str, Any]:
    return {"text": made._text, "seal": made._seal}


def _of_class(made: object) -> object:
    other: Any = types.SimpleNamespace()
    other.__class__ = type(made)
    return other


def _look_alike(made: Aggregate) -> object:
    other = _Class()
    other.__dict__.update(_text=made._text, _seal=made._seal)
    return other


CLAIM = '{"class": "anonymous", "counts": [[["Ann"], 1]]}'

#: Ways to what only looks like an aggregate, out of a genuine one.
FORGED: dict[str, Callable[[Aggregate], object]] = {
    "by hand": lambda _: Aggregate(),
    "with a text": lambda _: Aggregate(text=CLAIM, seal=b""),
    "with another's seal": lambda made: Aggregate(
        **_of(made) | {"text": CLAIM}
    ),
    "with a seal of one's own": lambda _: Aggregate(
        text=CLAIM, seal=cast("bytes", bytearray(32))
    ),
    "past the constructor": lambda _: object.__new__(Aggregate),
    "written over": lambda made: _with(CLAIM, made._seal),
    "with a text of one's own": lambda made: _with(
        _Text(made._text), made._seal
    ),
    "cast": lambda _: cast("Aggregate", {"Ann": 1}),
    "of a class of one's own": lambda _: _Class(),
    "of such a class, with its seal": _look_alike,
    "given the class": _of_class,
    "subclass": lambda _: types.new_class("Anonymous", (Aggregate,)),
    "assignment": lambda made: setattr(made, "counts", {"Ann": 1}),
    "deletion": lambda made: delattr(made, "_seal"),
    "evolve": lambda made: attrs.evolve(
        cast("Any", made), privacy_class="anonymous"
    ),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
    "what it says": lambda made: made.as_json(),
    "its counts": lambda made: made.counts,
}


class TestForged:
    """
    Attempts to have something called anonymous that is not.
    """

    @pytest.fixture
    def genuine(self, crowd: Crowd) -> Aggregate:
        """
        Give what a release made.
        """
        return crowd.count("device_model")

    @pytest.mark.parametrize("way", FORGED)
    def test_is_not_exempt(self, genuine: Aggregate, way: str) -> None:
        """
        It is not made, or is not exempt and says nothing of itself; the
        genuine one is and does.
        """
        refusals = (UnprotectedError, TypeError, ValueError)
        try:
            forged = FORGED[way](genuine)
        except refusals:
            forged = None

        assert not is_exempt(forged)
        if type(forged) is Aggregate:
            for name in ("privacy_class", "counts", "as_json"):
                with pytest.raises(UnprotectedError, match="only a release"):
                    getattr(forged, name)()
        assert is_exempt(genuine)
        assert genuine.privacy_class is PrivacyClass.ANONYMOUS

    def test_there_is_no_other_kind(self, genuine: Aggregate) -> None:
        """
        There is no class below it, and no copy; the message says what to
        take instead.
        """
        with pytest.raises(UnprotectedError, match="subclassed"):
            types.new_class("Anonymous", (Aggregate,))
        for away in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UnprotectedError, match="as_json"):
                away(genuine)

        assert json.dumps(genuine.as_json())

    def test_its_counts_are_copies(self, crowd: Crowd) -> None:
        """
        Whoever changes what it gave has changed that and nothing more.
        """
        crowd.give(MANY, A1)
        made = crowd.count("device_model")
        text = json.dumps(made.as_json())
        made.as_json()["counts"] = [[["Ann"], 1]]
        with pytest.raises(TypeError):
            made.counts["Ann",] = 1  # type: ignore[index]

        assert [*made.counts] == [("A1",)]
        assert json.dumps(made.as_json()) == text

    def test_annotations_say_nothing(self, genuine: Aggregate) -> None:
        """
        What is annotated as an aggregate is what it is.
        """

        class Row:
            told: Aggregate
            privacy_class: PrivacyClass = PrivacyClass.ANONYMOUS

        row = Row()
        row.told = cast("Aggregate", _Class())

        assert not is_exempt(row)
        assert not is_exempt(row.told)
        assert is_exempt(genuine)

    def test_nested(self, crowd: Crowd, genuine: Aggregate) -> None:
        """
        A record of what an aggregate says is a record, of one device.
        """
        crowd.give(["ann"], A1)
        ((record,),) = (g.records for g in together(_records(crowd)))
        nested = attrs.evolve(
            record,
            data_type="aggregate_statistics",
            value=genuine.as_json(),
            privacy_class="linkable",
        )

        assert check_class(nested) is nested
        assert not is_exempt(nested)
        with pytest.raises(UnprotectedError, match="may not be called"):
            check_class(attrs.evolve(nested, privacy_class="anonymous"))

    @pytest.mark.parametrize("name", ["protection", "privacy_class"])
    def test_texts_of_ones_own(self, crowd: Crowd, name: str) -> None:
        """
        A record whose words only claim to be equal to what is right is
        refused; with plain words it passes.
        """
        crowd.give(["ann"], A1)
        ((record,),) = (g.records for g in together(_records(crowd)))
        claim: dict[str, Any] = {
            name: _Text("none" if name == "protection" else "anonymous")
        }

        assert check_class(record) is record
        with pytest.raises((UnprotectedError, ValueError)):
            check_class(attrs.evolve(record, **claim))

    def test_strength_is_of_a_value(self) -> None:
        """
        A strength that is called anonymous is none.
        """
        strength = strength_of(
            "device_model", Protection(name=ProtectionName.PRESENT)
        )

        assert strength.privacy_class is PrivacyClass.LINKABLE
        with pytest.raises(UnprotectedError, match="one value"):
            attrs.evolve(strength, privacy_class=PrivacyClass.ANONYMOUS)

    @pytest.mark.parametrize(
        "protect", ["anonymous", "anonymise", "aggregate", "k_aggregate"]
    )
    def test_a_policy_cannot_say_it(self, protect: str) -> None:
        """
        No protection has such a name; and what the policy's texts say of a
        function changes no class.
        """

        def named(tree: dict[str, Any]) -> None:
            function = table(tree, "product_improvement")
            function["collects"][0]["protect"] = protect

        def told(tree: dict[str, Any]) -> None:
            function = table(tree, "product_improvement")
            function["text"] = "All of it is anonymous."

        with pytest.raises(PolicyError, match="protect"):
            changed("camera_app", named)
        policy: Policy = changed("camera_app", told)
        for clause in policy.functions["product_improvement"].clauses.values():
            made = strength_of(clause.type, clause.protection)
            assert made.privacy_class is not PrivacyClass.ANONYMOUS


def _records(crowd: Crowd) -> list[Any]:
    return [stored.record for stored in crowd.store.records()]
