# SPDX-License-Identifier: MIT

"""
The fold against a reference that is written from the rules alone.

The rules, in words: facts are stored and statuses are computed; silence is no
answer; a no wins, in the order of withdrawal, guardian, signals and
organisation, expiry, pause, yes; time only closes; an imported yes is none; a
new yes begins anew. `reference` says them once more, by looking back over a
life; every short life is folded and has to come out the same.
"""

from __future__ import annotations

import functools

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import pytest

from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from consentkit.consent.age import AgeBand
from consentkit.consent.state import OPEN, Choice, State, Status, fold
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.policy import Policy
from tests.support import START, acts, small


PLAIN, SEPARATE, OTHER = "sights", "sights/location_precise", "service"

# Days: a yes lasts 30, a no rests 7, and time passes in steps of 31.
VALID, REST, STEP = timedelta(30), timedelta(7), timedelta(31)
OF_AGE: Final = date(2027, 1, 10)  # between the first and the second step


def _policy(function: str, *, wide: bool, minors: bool) -> Policy:
    """
    Make version 1, or version 2, which asks more of either element.
    """

    def change(tree: dict[str, Any]) -> None:
        place: dict[str, Any] = {"type": "location_precise"}
        place["protect"] = "grid"
        place["purposes"] = ["location_service"]
        collects = [place, {"type": "os_name", "protect": "none"}]
        if wide:
            place["purposes"] += ["usage_statistics"]
            collects.append({"type": "app_usage_time", "protect": "bucket"})
        made = {
            "id": function,
            "basis": ["contract" if function == OTHER else "consent"],
            "name": "Sights",
            "category": "additional",
            "text": "We show what there is to see.",
            "on_refusal": "degraded",
            "purposes": ["usage_statistics"],
            "retention": "P1D",
            "valid_for": "P30D",
            "ask_again": "P7D",
            "inherits": True,
            "collects": collects,
        }
        tree["functions"] = [made]
        tree["policy"]["version"] = "2" if wide else "1"
        if minors:
            tree["minors"] = {"minor_below": 18}

    return small(change=change)


@functools.cache
def _versions(element: str, minors: bool) -> tuple[Policy, Policy]:  # noqa: FBT001
    function = element.partition("/")[0]
    return (
        _policy(function, wide=False, minors=minors),
        _policy(function, wide=True, minors=minors),
    )


# What may happen, and the entry that it leaves, if any.
LETTERS: dict[str, tuple[Act, Actor, dict[str, str]] | None] = {
    "notice": (Act.NOTICE_SHOWN, Actor.SYSTEM, {}),
    "defer": (Act.DEFERRED, Actor.PERSON, {}),
    "grant": (Act.GRANTED, Actor.PERSON, {}),
    "refuse": (Act.REFUSED, Actor.PERSON, {}),
    "decline": (Act.REFUSED, Actor.PERSON, {"of": "widening"}),
    "withdraw": (Act.WITHDRAWN, Actor.PERSON, {}),
    "pause": (Act.PAUSED, Actor.PERSON, {}),
    "resume": (Act.RESUMED, Actor.PERSON, {}),
    "object": (Act.OBJECTED, Actor.PERSON, {}),
    "invalidate": (Act.INVALIDATED, Actor.CONTROLLER, {}),
    "erase": (Act.ERASED, Actor.SYSTEM, {}),
    "import_yes": (Act.IMPORTED, Actor.SYSTEM, {"value": "yes"}),
    "import_no": (Act.IMPORTED, Actor.SYSTEM, {"value": "no"}),
    "account_grant": (Act.GRANTED, Actor.ACCOUNT, {}),
    "account_refuse": (Act.REFUSED, Actor.ACCOUNT, {}),
    "org_grant": (Act.GRANTED, Actor.ORGANISATION, {}),
    "org_refuse": (Act.REFUSED, Actor.ORGANISATION, {}),
    "guardian_grant": (Act.GRANTED, Actor.GUARDIAN, {}),
    "guardian": (Act.GUARDIAN_VERIFIED, Actor.GUARDIAN, {}),
    "minor": (
        Act.AGE_DECLARED,
        Actor.PERSON,
        {"age": "declared", "minor_until": OF_AGE.isoformat()},
    ),
    "adult": (Act.AGE_DECLARED, Actor.PERSON, {"age": "declared"}),
    "time": None,
    "widen": None,  # or back again
    "signal": None,  # or off again
}


@frozen(kw_only=True)
class Event:
    """
    Something that happened: what, when, and under which version.
    """

    what: str
    at: datetime
    version: int


@frozen(kw_only=True)
class Life:
    """
    What happened so far, and how the world is now.
    """

    element: str
    minors: bool = False
    events: tuple[Event, ...] = ()
    entries: tuple[Entry, ...] = ()
    now: datetime = START
    version: int = 0
    signal: bool = False

    def then(self, what: str) -> Life:
        """
        Let one more thing happen.
        """
        match what:
            case "time":
                return evolve(self, now=self.now + STEP)
            case "widen":
                return evolve(self, version=1 - self.version)
            case "signal":
                return evolve(self, signal=not self.signal)
        now = self.now + timedelta(minutes=1)
        event = Event(what=what, at=now, version=self.version)
        entry = _entry(self.element, event, self.minors)
        return evolve(
            self,
            events=(*self.events, event),
            entries=(*self.entries, entry),
            now=now,
        )

    def state(self, at: datetime | None = None) -> State:
        """
        Fold it, now or at another time.
        """
        versions = _versions(self.element, self.minors)
        return fold(
            self.entries,
            versions[self.version],
            at=at or self.now,
            archive={policy.digest: policy for policy in versions},
            masks={self.element: ("gpc",)} if self.signal else {},
        )

    def choice(self, at: datetime | None = None) -> Choice:
        """
        Give the choice on the one element.
        """
        return self.state(at).choices[self.element]


@functools.cache
def _entry(element: str, event: Event, minors: bool) -> Entry:  # noqa: FBT001
    policy = _versions(element, minors)[event.version]
    found = LETTERS[event.what]
    assert found is not None
    act, by, facts = found
    return Entry(
        seq=int((event.at - START).total_seconds()),
        at=event.at,
        act=act,
        by=by,
        facts=facts,
        method="app",
        element=element,
        terms=policy.function_of(element).terms,
        policy=policy.id,
        version=policy.version,
        text=policy.digest,
        language=policy.language,
        prev="0" * 64,
    )


# The reference

YES = {"grant", "guardian_grant"}
NO = {"refuse": Status.REFUSED, "withdraw": Status.WITHDRAWN}
NO |= {"import_no": Status.REFUSED, "object": Status.OBJECTED}


def _last(events: Sequence[Event], *names: str) -> Event | None:
    return next((e for e in reversed(events) if e.what in names), None)


def _after(events: Sequence[Event], event: Event | None) -> Sequence[Event]:
    return events[events.index(event) + 1 :] if event else events


def reference(life: Life) -> tuple[Status, bool]:
    """
    Say status and whether the app may ask, from the words of the rules.
    """
    mine = _after(life.events, _last(life.events, "erase"))
    answers: list[Event] = []
    for e in mine:
        stands = bool(answers) and answers[-1].what in NO
        if e.what in YES or e.what in {"refuse", "withdraw", "object"}:
            answers.append(e)
        elif e.what == "import_no" and not answers:
            answers.append(e)  # an old flag speaks only where nobody did
        elif e.what == "invalidate" and not stands:
            answers.append(e)  # it voids a yes, and no no
    status, source = _standing(life, mine, answers)
    status = _stopped(life, mine, status, source)
    return status, _may_ask(life, mine, answers, status)


def _standing(
    life: Life, mine: Sequence[Event], answers: Sequence[Event]
) -> tuple[Status, Event | None]:
    others = ("account_grant", "account_refuse", "org_grant", "org_refuse")
    answer = answers[-1] if answers else None
    asked = _last(mine, "notice", "defer")
    theirs = _last(mine, *others)
    if answer is not None and answer.what in YES:
        no = _last(answers, *NO, "invalidate")
        again = len(_after(answers, no)) > 1
        old, new = answer.version, life.version
        if old != new:
            return (Status.WIDENED if old < new else Status.NARROWED), answer
        return (Status.RENEWED if again else Status.GRANTED), answer
    if answer is not None:
        return NO.get(answer.what, Status.INVALIDATED), answer
    if theirs and theirs.what.endswith("_grant") and life.element != SEPARATE:
        return Status.INHERITED, theirs
    if asked is not None:
        deferred = asked.what == "defer"
        return (Status.DEFERRED if deferred else Status.ASKED), asked
    if life.element == OTHER:
        return Status.OTHER_BASIS, None
    return Status.UNKNOWN, None


def _stopped(
    life: Life, mine: Sequence[Event], status: Status, source: Event | None
) -> Status:
    if status in (*NO.values(), Status.INVALIDATED):
        return status
    age = _last(mine, "minor", "adult")
    by_guardian = source is not None and source.what == "guardian_grant"
    until_then = mine[: mine.index(source)] if source else ()
    consented = by_guardian and bool(_last(until_then, "guardian"))
    if life.minors and age is None and life.element == SEPARATE:
        if not consented:
            return Status.AGE_UNKNOWN
    elif life.minors and age is not None:
        if _is_minor(age, life.now):
            if not consented:
                return Status.GUARDIAN_NEEDED
        elif by_guardian or (status in OPEN and _was_minor(mine, source)):
            return Status.UNKNOWN  # their own choice now
    if status not in OPEN and status is not Status.OTHER_BASIS:
        return status
    organisation = _last(mine, "org_grant", "org_refuse")
    if life.signal or (organisation and organisation.what == "org_refuse"):
        return Status.MASKED
    if status in OPEN and source and life.now >= source.at + VALID:
        return Status.EXPIRED
    paused = _last(mine, "pause", "resume", *YES, "refuse", "withdraw")
    return Status.PAUSED if paused and paused.what == "pause" else status


def _is_minor(age: Event | None, at: datetime) -> bool:
    return age is not None and age.what == "minor" and at.date() < OF_AGE


def _was_minor(mine: Sequence[Event], yes: Event | None) -> bool:
    """
    Say whether a yes was one of a minor, then or by what became known.
    """
    if yes is None:
        return False
    before = mine[: mine.index(yes)]
    ages = [e for e in _after(mine, yes) if e.what in {"minor", "adult"}]
    return _is_minor(_last(before, "minor", "adult"), yes.at) or any(
        _is_minor(age, age.at) for age in ages
    )


MAY_ASK = {
    Status.UNKNOWN,
    Status.ASKED,
    Status.DEFERRED,
    Status.EXPIRED,
    Status.INHERITED,
    Status.INVALIDATED,
    Status.OTHER_BASIS,
    Status.AGE_UNKNOWN,
    Status.GUARDIAN_NEEDED,
    Status.WIDENED,
    Status.REFUSED,
}


def _may_ask(
    life: Life,
    mine: Sequence[Event],
    answers: Sequence[Event],
    status: Status,
) -> bool:
    answer = answers[-1] if answers else None
    ended = _last(mine, *YES, "refuse", "withdraw")
    objected = _last(_after(mine, _last(mine, *YES)), "object")
    resting = [_last(_after(mine, ended), "notice", "defer")]
    if resting[0] is not None and resting[0].what == "notice":
        resting = []
    if status is Status.REFUSED:
        resting.append(answer)
    if status is Status.WIDENED:
        resting.append(_last(_after(mine, answer), "decline"))
    rests = any(e and life.now < e.at + REST for e in resting)
    return status in MAY_ASK and not objected and not rests


# All short lives


def _lives(
    life: Life, letters: Sequence[str], length: int
) -> Iterator[tuple[tuple[str, ...], Life]]:
    yield (), life
    if length:
        for letter in letters:
            for word, after in _lives(life.then(letter), letters, length - 1):
                yield (letter, *word), after


def _check(life: Life, word: Sequence[str]) -> None:
    choice = life.choice()
    status, may_ask = reference(life)

    assert choice.status is status, word
    assert choice.may_ask(life.now) is may_ask, word
    assert (choice.epoch > 0) is (status in OPEN), word
    # Every yes that still counts is named, and nothing else is.
    assert bool(choice.grants) >= (status in OPEN), word


# What most lives are made of, and everything.
COMMON = ("defer", "grant", "refuse", "withdraw", "pause", "time", "widen")
ANSWERS = ("defer", "grant", "refuse", "withdraw", "time", "widen")
ALL = tuple(LETTERS)
LIVES = st.builds(
    lambda element, minors, words: _life(
        *words, element=element, minors=minors
    ),
    st.sampled_from([PLAIN, SEPARATE, OTHER]),
    st.booleans(),
    st.lists(st.sampled_from(ALL), max_size=12),
)


class TestEveryLife:
    """
    Every sequence of what may happen folds as the reference says.
    """

    @pytest.mark.parametrize("first", COMMON)
    def test_common(self, first: str) -> None:
        """
        All lives of up to six common events, on a function.
        """
        start = Life(element=PLAIN).then(first)
        for word, life in _lives(start, COMMON, 5):
            _check(life, (first, *word))

    def test_common_of_a_separate_element(self) -> None:
        """
        All lives of up to six answers, on a separate data type.
        """
        start = Life(element=SEPARATE)
        for word, life in _lives(start, ANSWERS, 6):
            _check(life, word)

    @pytest.mark.parametrize("minors", [False, True])
    @pytest.mark.parametrize("element", [PLAIN, SEPARATE, OTHER])
    def test_everything(self, element: str, *, minors: bool) -> None:
        """
        All lives of up to three events of any kind, with minors and without.
        """
        start = Life(element=element, minors=minors)
        for word, life in _lives(start, ALL, 3):
            _check(life, word)

    @given(LIVES)
    def test_long(self, life: Life) -> None:
        """
        Long lives of events of any kind.
        """
        _check(life, [event.what for event in life.events])


def _statuses(life: Life, at: datetime | None = None) -> Any:
    choice = life.choice(at)
    return choice.status, choice.covered, choice.epoch


class TestProperties:
    """
    What holds for every life.
    """

    @given(LIVES, st.sampled_from(["refuse", "withdraw", "object"]))
    def test_deny_wins(self, life: Life, no: str) -> None:
        """
        After a no nothing opens until the person's or guardian's next yes.
        """
        closed = life.then(no)

        assert closed.choice().status not in OPEN
        for letter in set(LETTERS) - YES:
            assert closed.then(letter).choice().status not in OPEN

    @given(LIVES, st.lists(st.sampled_from(sorted(set(LETTERS) - YES))))
    def test_only_a_yes_opens(self, life: Life, words: list[str]) -> None:
        """
        Without any yes, of whomever, nothing is ever open.
        """
        start = Life(element=life.element, minors=life.minors)
        quiet = [w for w in words if not w.endswith("_grant")]
        end = functools.reduce(Life.then, quiet, start)

        assert end.choice().status not in OPEN

    @given(
        LIVES,
        st.timedeltas(min_value=timedelta(0), max_value=timedelta(200)),
        st.timedeltas(min_value=timedelta(0), max_value=timedelta(200)),
    )
    def test_time_only_closes(
        self, life: Life, soon: timedelta, later: timedelta
    ) -> None:
        """
        What is closed at one time is closed at every later one.
        """
        first, second = life.now + soon, life.now + soon + later
        if life.choice(second).status in OPEN:
            assert life.choice(first).status in OPEN

    @given(
        LIVES, st.timedeltas(min_value=timedelta(0), max_value=timedelta(200))
    )
    def test_nothing_changes_before_it_is_said_to(
        self, life: Life, later: timedelta
    ) -> None:
        """
        Until the time that the state names, time alone changes nothing.
        """
        until, at = life.state().until, life.now + later
        if until is None or at < until:
            assert _statuses(life, at) == _statuses(life)

    @given(
        LIVES, st.timedeltas(min_value=timedelta(0), max_value=timedelta(9999))
    )
    def test_a_clock_that_is_set_back(
        self, life: Life, back: timedelta
    ) -> None:
        """
        What was seen to run out, and is on record so, no clock brings back;
        and what stands is the same at any time.
        """
        state = life.state()
        noted = tuple(
            evolve(
                yes,
                act=Act.EXPIRED,
                by=Actor.SYSTEM,
                facts={"of": yes.hash},
                seq=life.entries[-1].seq + number,
            )
            for number, yes in enumerate(state.over, start=1)
        )
        later = evolve(life, entries=life.entries + noted)
        then = later.state(life.now - back)

        assert later.state().over == ()
        assert then.standing == state.standing
        if state.choices[life.element].status is Status.EXPIRED:
            assert then.choices[life.element].status not in OPEN

    @given(LIVES, LIVES, st.randoms(use_true_random=False))
    def test_elements_do_not_touch_each_other(
        self, one: Life, other: Life, chance: Any
    ) -> None:
        """
        However two lives are interleaved, each comes out as if alone.
        """
        whole = {"guardian", "minor", "adult", "erase"}
        other = evolve(
            other,
            entries=tuple(
                _about(entry, "nothing_else", seq=entry.seq)
                for entry, event in zip(
                    other.entries, other.events, strict=True
                )
                if event.what not in whole and entry.at <= one.now
            ),
        )
        mixed = list(one.entries)
        place = 0
        for entry in other.entries:
            place = chance.randint(place, len(mixed))
            mixed.insert(place, entry)

        assert _statuses(evolve(one, entries=tuple(mixed))) == _statuses(one)

    @given(LIVES, st.permutations(range(12)))
    def test_other_policies_do_not_count(
        self, life: Life, order: list[int]
    ) -> None:
        """
        What was said under another document means nothing here.
        """
        strange = [
            evolve(entry, policy="another")
            for entry, event in zip(life.entries, life.events, strict=True)
            if event.what != "erase"
        ]
        mixed = list(life.entries)
        for entry, place in zip(strange, order, strict=False):
            mixed.insert(place, entry)

        assert _statuses(evolve(life, entries=tuple(mixed))) == _statuses(life)

    @given(LIVES)
    @pytest.mark.parametrize(
        "act",
        [
            Act.ACKNOWLEDGED,
            Act.BASIS_USED,
            Act.READ,
            Act.READ_ENDED,
            Act.LINKED,
            Act.UNLINKED,
            Act.SIGNAL_CONFLICT,
        ],
    )
    def test_what_is_no_choice(self, act: Act, life: Life) -> None:
        """
        What only became known changes no status.
        """
        entry = evolve(
            _entry(
                life.element,
                Event(what="grant", at=life.now, version=0),
                life.minors,
            ),
            act=act,
            facts={},
        )
        longer = evolve(life, entries=(*life.entries, entry))

        assert _statuses(longer) == _statuses(life)


def _about(entry: Entry, element: str, *, seq: int) -> Entry:
    return evolve(entry, element=element, seq=seq)


def _life(*words: str, element: str = PLAIN, minors: bool = False) -> Life:
    return functools.reduce(
        Life.then, words, Life(element=element, minors=minors)
    )


# Lives in words, and what becomes of them.
EDGES: dict[str, tuple[str, str, Status]] = {
    "withdrawn while the prompt for a widening is open": (
        PLAIN,
        "grant widen notice withdraw",
        Status.WITHDRAWN,
    ),
    "the widening's prompt is closed": (
        PLAIN,
        "grant widen notice defer",
        Status.WIDENED,
    ),
    "rolled back to an older version": (
        PLAIN,
        "widen grant widen",
        Status.NARROWED,
    ),
    "rolled back, and on again": (
        PLAIN,
        "grant widen widen",
        Status.GRANTED,
    ),
    "granted again after it ran out": (
        PLAIN,
        "grant time grant",
        Status.RENEWED,
    ),
    "a new yes after a no is new": (
        PLAIN,
        "grant withdraw grant",
        Status.GRANTED,
    ),
    "a pause over the end of a consent": (
        PLAIN,
        "grant pause time resume",
        Status.EXPIRED,
    ),
    "consent on the web, use on the device": (
        PLAIN,
        "account_grant",
        Status.INHERITED,
    ),
    "the same, of a sensitive type": (
        SEPARATE,
        "account_grant",
        Status.UNKNOWN,
    ),
    "the signal in one browser, the account's yes from another": (
        PLAIN,
        "account_grant signal",
        Status.MASKED,
    ),
    "a signal that went away": (
        PLAIN,
        "grant signal signal",
        Status.GRANTED,
    ),
    "organisation forbids, person grants": (
        PLAIN,
        "org_refuse grant",
        Status.MASKED,
    ),
    "person grants, organisation forbids": (
        PLAIN,
        "grant org_refuse",
        Status.MASKED,
    ),
    "organisation grants, person unknown": (
        PLAIN,
        "org_grant",
        Status.INHERITED,
    ),
    "the same, of a sensitive type again": (
        SEPARATE,
        "org_grant",
        Status.UNKNOWN,
    ),
    "organisation grants, person refused": (
        PLAIN,
        "org_grant refuse",
        Status.REFUSED,
    ),
    "an old yes is none": (PLAIN, "import_yes", Status.UNKNOWN),
    "an old no is a no": (PLAIN, "import_no", Status.REFUSED),
    "an old no, imported twice": (
        PLAIN,
        "import_no import_no",
        Status.REFUSED,
    ),
    "an old no, imported again after a yes": (
        PLAIN,
        "import_no grant import_no",
        Status.GRANTED,
    ),
    "erased within a chain": (PLAIN, "grant erase", Status.UNKNOWN),
    "a no that the controller voids": (
        PLAIN,
        "withdraw invalidate",
        Status.WITHDRAWN,
    ),
    "a yes that the controller voids": (
        PLAIN,
        "grant invalidate",
        Status.INVALIDATED,
    ),
    "another basis that the device's owner forbids": (
        OTHER,
        "org_refuse",
        Status.MASKED,
    ),
    "another basis that the person paused": (
        OTHER,
        "pause",
        Status.PAUSED,
    ),
    "another basis that the person objected to": (
        OTHER,
        "object",
        Status.OBJECTED,
    ),
}
MINORS: dict[str, tuple[str, str, Status]] = {
    "a minor's own yes": (PLAIN, "minor grant", Status.GUARDIAN_NEEDED),
    "the guardian's": (
        PLAIN,
        "minor guardian guardian_grant",
        Status.GRANTED,
    ),
    "of a guardian whom nobody verified": (
        PLAIN,
        "minor guardian_grant",
        Status.GUARDIAN_NEEDED,
    ),
    "the same where the age is not known": (
        SEPARATE,
        "guardian_grant",
        Status.AGE_UNKNOWN,
    ),
    "age corrected downwards": (
        PLAIN,
        "adult grant minor",
        Status.GUARDIAN_NEEDED,
    ),
    "a sensitive type of somebody of unknown age": (
        SEPARATE,
        "grant",
        Status.AGE_UNKNOWN,
    ),
    "the birthday ends the guardian's yes": (
        PLAIN,
        "minor guardian time guardian_grant time",
        Status.UNKNOWN,
    ),
    "the birthday does not make a minor's yes count": (
        PLAIN,
        "minor time grant time",
        Status.UNKNOWN,
    ),
    "a guardian's no stays a no": (
        PLAIN,
        "minor guardian refuse time time",
        Status.REFUSED,
    ),
}


class TestEdges:
    """
    The edge cases, by name.
    """

    @pytest.mark.parametrize("name", EDGES)
    def test_life(self, name: str) -> None:
        """
        Each comes out as it has to.
        """
        element, words, status = EDGES[name]

        assert _life(*words.split(), element=element).choice().status is status

    @pytest.mark.parametrize("name", MINORS)
    def test_minors(self, name: str) -> None:
        """
        Each comes out as it has to, where there are minors.
        """
        element, words, status = MINORS[name]
        life = _life(*words.split(), element=element, minors=True)

        assert life.choice().status is status

    def test_birthday_during_a_session(self) -> None:
        """
        The state names the birthday, and is another from then on.
        """
        life = _life(
            "minor", "guardian", "time", "guardian_grant", minors=True
        )
        birthday = datetime(2027, 1, 10, tzinfo=START.tzinfo)
        before = birthday - timedelta(milliseconds=1)

        assert life.state().until == birthday
        assert life.state().age is AgeBand.MINOR
        assert life.choice(before).status is Status.GRANTED
        assert life.choice(birthday).status is Status.UNKNOWN

    def test_declined_widening(self) -> None:
        """
        What a new version adds is asked once, and not again while the no
        to it rests; the old part goes on.
        """
        life = _life("grant", "widen")
        asked = life.choice().may_ask(life.now)
        declined = life.then("decline")

        assert asked
        assert declined.choice().status is Status.WIDENED
        assert not declined.choice().may_ask(declined.now)
        assert declined.choice().may_ask(declined.now + REST)

    def test_a_closed_prompt_rests_too(self) -> None:
        """
        Who closes the prompt for what ran out is left alone for a while.
        """
        life = _life("grant", "time", "notice", "defer")

        assert life.choice().status is Status.EXPIRED
        assert not life.choice().may_ask(life.now)
        assert life.choice().may_ask(life.now + REST)

    def test_grant_and_withdrawal_in_one_millisecond(self) -> None:
        """
        The order of the ledger counts, not the clock.
        """
        life = _life("grant", "withdraw")
        at = life.entries[0].at
        same = evolve(
            life, entries=tuple(evolve(e, at=at) for e in life.entries)
        )

        assert same.choice().status is Status.WITHDRAWN

    @pytest.mark.parametrize(
        ("clock", "status"),
        [
            (datetime(1970, 1, 1), Status.GRANTED),
            (START + VALID, Status.GRANTED),
            (START + VALID + timedelta(minutes=1), Status.EXPIRED),
            (START.replace(year=START.year + 10), Status.EXPIRED),
            (datetime(2038, 1, 19, 3, 14, 8), Status.EXPIRED),
            (datetime(2106, 2, 7, 6, 28, 16), Status.EXPIRED),
            (datetime(9999, 12, 31), Status.EXPIRED),
        ],
    )
    def test_clocks(self, clock: datetime, status: Status) -> None:
        """
        A clock may jump to any time: nothing revives, nothing breaks.
        """
        life = _life("grant")
        at = clock.replace(tzinfo=START.tzinfo)

        assert life.choice(at).status is status

    def test_inherited_runs_out(self) -> None:
        """
        A choice of the account's runs out too, and the state says when.
        """
        life = _life("account_grant")
        end = life.entries[0].at + VALID

        assert life.state().until == end
        assert life.choice(end).status is Status.EXPIRED

    def test_a_base_is_stopped_by_what_stops_a_yes(self) -> None:
        """
        A use of another lawful basis ends where a signal forbids it.
        """
        life = _life("notice", element=OTHER)
        used = evolve(
            life.entries[0],
            act=Act.BASIS_USED,
            facts={"basis": "contract"},
        )
        life = evolve(life, entries=(*life.entries, used))

        assert life.state().bases == (used,)
        assert life.then("signal").state().bases == ()


def _changed(change: Any) -> tuple[Policy, Policy]:
    """
    Give a policy with a partner, and what *change* makes of it.
    """

    def base(tree: dict[str, Any]) -> None:
        tree["storage"] = {"regions": ["DE"]}
        tree["recipients"].append(
            {"id": "p", "name": "P", "mode": "shared", "country": "US"}
        )
        tree["functions"][1]["recipients"] = ["maker", "p"]

    return small(base=base), small(base=base, change=change)


def _partner(tree: dict[str, Any]) -> dict[str, Any]:
    return next(r for r in tree["recipients"] if r["id"] == "p")


# What may become of a document, and of a yes to its function, its partner,
# and the partner's being abroad.
CHANGES: dict[str, tuple[Any, str, Status]] = {
    "put in other words": (
        lambda t: t["functions"][1].update(text="Wir z\u00e4hlen."),
        "improve",
        Status.GRANTED,
    ),
    "language switched": (
        lambda t: t["policy"].update(language="de"),
        "improve",
        Status.GRANTED,
    ),
    "recipient replaced": (
        lambda t: _partner(t).update(name="Q"),
        "improve@p",
        Status.WIDENED,
    ),
    "region changed": (
        lambda t: _partner(t).update(country="BR"),
        "improve@p+abroad",
        Status.WIDENED,
    ),
    "retention shortened": (
        lambda t: t["functions"][1].update(retention="P7D"),
        "improve",
        Status.NARROWED,
    ),
    "retention lengthened": (
        lambda t: t["functions"][1].update(retention="P1Y"),
        "improve",
        Status.WIDENED,
    ),
    "the same name for another thing": (
        lambda t: t["functions"][1].update(
            collects=[{"type": "os_name", "protect": "none"}], events=[]
        ),
        "improve",
        Status.WIDENED,
    ),
}


class TestDocuments:
    """
    What a new document makes of a yes to the old one.
    """

    @pytest.mark.parametrize("name", CHANGES)
    def test_change(self, name: str) -> None:
        """
        Each change lapses what it has to, and no more.
        """
        change, element, status = CHANGES[name]
        old, new = _changed(change)
        entries = acts(old, *((e, Act.GRANTED) for e in old.elements))
        state = fold(entries, new, archive={old.digest: old})
        silent = {"logs", "paste", "umeng", "connect"}

        assert state.choices[element].status is status
        assert {state.choices[e].status for e in silent} == {Status.GRANTED}

    def test_recipient_renamed(self) -> None:
        """
        A recipient under a new name is the same: nothing lapses.
        """
        old, new = _changed(
            lambda tree: _partner(tree).update(name="Q", formerly=["P"])
        )
        entries = acts(old, *((e, Act.GRANTED) for e in old.elements))
        state = fold(entries, new, archive={old.digest: old})

        for choice in state.choices.values():
            assert choice.status in OPEN
            assert choice.covered is None
            assert choice.ask_from is None

    def test_a_longer_retention_goes_on_as_promised(self) -> None:
        """
        Until it is asked, the shorter one is kept, and nothing is lost.
        """
        change, element, _ = CHANGES["retention lengthened"]
        old, new = _changed(change)
        entries = acts(old, (element, Act.GRANTED))
        choice = fold(entries, new, archive={old.digest: old}).choices[element]

        assert choice.covered
        assert choice.agreed == old.functions["improve"]

    def test_another_thing_covers_nothing(self) -> None:
        """
        A yes to a function is none to another one of the same name.
        """
        change, element, _ = CHANGES["the same name for another thing"]
        old, new = _changed(change)
        entries = acts(old, (element, Act.GRANTED))
        choice = fold(entries, new, archive={old.digest: old}).choices[element]

        assert choice.covered == frozenset()
