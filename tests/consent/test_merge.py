# SPDX-License-Identifier: MIT

"""
Tests for merging one person's choices from several devices.

A world of devices keeps, beside each ledger, what every choice knew: the
reference that the merge has to agree with, and which never looks at a hash.
"""

from __future__ import annotations

import itertools

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from consentkit.consent.merge import (
    Step,
    head_of,
    intersect,
    merge,
    outcomes,
)
from consentkit.consent.state import OPEN, Status, fold
from consentkit.ledger.entries import GENESIS, Act, Actor, Entry
from consentkit.policy import Policy
from tests.support import START, small


POLICY = small()
ELEMENTS = ("improve", "logs")
NOES = (Act.REFUSED, Act.WITHDRAWN, Act.OBJECTED, Act.INVALIDATED)
CHOICES = (Act.GRANTED, *NOES)
PAUSES = (Act.PAUSED, Act.RESUMED)
NAMES = ("phone", "watch", "web")


@frozen(kw_only=True)
class Said:
    """
    A choice, and the numbers of all choices that were known at that time.
    """

    number: int
    element: str
    act: Act
    knew: frozenset[int]


@define
class Device:
    """
    A device of the person: its ledger, and what it knows.
    """

    name: str
    policy: Policy = POLICY
    entries: list[Entry] = field(factory=list)
    knows: set[int] = field(factory=set)

    def append(self, act: Act, element: str, **more: Any) -> Entry:
        """
        Put one entry on the ledger.
        """
        seq = len(self.entries) + 1
        before = head_of(self.entries)
        like = more.pop("like", None)
        policy = self.policy
        entry = Entry(
            seq=seq,
            at=START + timedelta(minutes=seq),
            act=act,
            element=element,
            terms=like.terms
            if like
            else policy.functions[element].terms
            if element
            else "",
            policy=policy.id,
            version=like.version if like else policy.version,
            text=like.text if like else policy.digest,
            language="en",
            # Ledgers of different devices never hold the same entry.
            method=self.name,
            prev=before,
            prior=before,
            **more,
        )
        self.entries.append(entry)
        return entry

    def take(self, steps: Iterable[Step]) -> None:
        """
        Append what a merge asks for.
        """
        for step in steps:
            self.append(
                step.act,
                step.element,
                by=step.by,
                facts=step.facts,
                like=step.like,
            )

    def learn(self, *others: Device) -> tuple[Step, ...]:
        """
        Merge the choices of *others* into this device.
        """
        steps = merge(self.entries, *(o.entries for o in others))
        for other in others:
            head = head_of(other.entries)
            self.append(Act.LINKED, "", facts={"head": head})
            self.knows |= other.knows
        self.take(steps)
        return steps

    def status(self, element: str = "improve") -> Status:
        """
        Fold the ledger as the app would.
        """
        return fold(self.entries, self.policy).choices[element].status

    def open(self) -> dict[str, bool]:
        """
        Say what the fold permits.
        """
        return {e: self.status(e) in OPEN for e in ELEMENTS}


@define
class World:
    """
    Three devices of one person, and everything that was ever chosen.
    """

    devices: tuple[Device, ...] = field(
        factory=lambda: tuple(Device(name) for name in NAMES)
    )
    said: list[Said] = field(factory=list)

    def choose(self, device: Device, element: str, act: Act) -> None:
        """
        Let the person decide on one of the devices.
        """
        number = len(self.said)
        knew = frozenset(device.knows)
        self.said.append(
            Said(number=number, element=element, act=act, knew=knew)
        )
        device.knows.add(number)
        device.append(act, element)

    def should_be_open(self, known: set[int]) -> dict[str, bool]:
        """
        Say it by the rule: a yes, and no no that every yes knew nothing of.
        """
        return dict(self._rule(known))

    def _rule(self, known: set[int]) -> Iterator[tuple[str, bool]]:
        for element in ELEMENTS:
            said = [
                s
                for s in self.said
                if s.element == element and s.number in known
            ]
            yes = [s for s in said if s.act is Act.GRANTED]
            on = [s for s in said if s.act in (Act.GRANTED, Act.RESUMED)]
            refused = _unknown_to(yes, [s for s in said if s.act in NOES])
            paused = _unknown_to(on, [s for s in said if s.act is Act.PAUSED])
            yield element, bool(yes) and not refused and not paused

    def play(self, script: Sequence[tuple[Any, ...]]) -> None:
        """
        Let happen what a script says.
        """
        for kind, where, what in script:
            device = self.devices[where]
            if kind == "choose":
                self.choose(device, *what)
            else:
                device.learn(self.devices[(where + what) % 3])


def _unknown_to(yes: Iterable[Said], noes: Iterable[Said]) -> list[Said]:
    known = set().union(*(s.knew for s in yes))
    return [s for s in noes if s.number not in known]


SCRIPTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("choose"),
            st.integers(0, 2),
            st.tuples(
                st.sampled_from(ELEMENTS), st.sampled_from(CHOICES + PAUSES)
            ),
        ),
        st.tuples(st.just("learn"), st.integers(0, 2), st.integers(1, 2)),
    ),
    max_size=14,
)


class TestMerge:
    """
    Tests for `merge`: properties over all lives of three devices.
    """

    @given(SCRIPTS)
    def test_order_of_arrival_does_not_matter(
        self, script: list[tuple[Any, ...]]
    ) -> None:
        """
        The outcome of all ledgers is one, whatever their order.
        """
        world = World()
        world.play(script)
        ledgers = [device.entries for device in world.devices]
        first = outcomes(*ledgers)

        for order in itertools.permutations(ledgers):
            assert outcomes(*order) == first
        assert outcomes(*ledgers, *ledgers) == first

    @given(SCRIPTS)
    def test_outcome_is_by_causal_order(
        self, script: list[tuple[Any, ...]]
    ) -> None:
        """
        The later choice holds; of those that knew nothing of each other,
        the no.
        """
        world = World()
        world.play(script)
        found = outcomes(*(device.entries for device in world.devices))
        said = {e: o.open for (_, e), o in found.items()}
        everything = set(range(len(world.said)))

        for element, is_open in world.should_be_open(everything).items():
            # Whether it is paused is no part of the answer.
            assert said.get(element, False) or not is_open
            if not any(s.act in PAUSES for s in world.said):
                assert said.get(element, False) is is_open

    @given(SCRIPTS, st.permutations(range(3)))
    def test_all_agree_in_the_end(
        self, script: list[tuple[Any, ...]], order: list[int]
    ) -> None:
        """
        Devices that all met, in any order, permit the same; meeting once
        more changes nothing.
        """
        world = World()
        world.play(script)
        devices = [world.devices[i] for i in order]
        for device in devices:
            device.learn(*(d for d in devices if d is not device))
        everything = set(range(len(world.said)))
        expected = world.should_be_open(everything)

        for device in devices:
            assert device.open() == expected
            others = [d.entries for d in devices if d is not device]
            assert merge(device.entries, *others) == ()

    @given(SCRIPTS)
    def test_in_pairs_is_never_wider(
        self, script: list[tuple[Any, ...]]
    ) -> None:
        """
        One ledger after another permits no more than all at once, and the
        same when all are there.
        """
        one, all_ = World(), World()
        one.play(script)
        all_.play(script)

        first, second, third = one.devices
        first.learn(second)
        first.learn(third)
        here, *others = all_.devices
        here.learn(*others)
        in_pairs, at_once = first.open(), here.open()
        first.learn(second, third)

        assert all(at_once[e] or not in_pairs[e] for e in ELEMENTS)
        assert first.open() == at_once

    @given(SCRIPTS)
    def test_never_opens_what_was_closed(
        self, script: list[tuple[Any, ...]]
    ) -> None:
        """
        After every step each device permits no more than all the choices
        that it has heard of do.
        """
        world = World()
        for step in script:
            world.play([step])
            for device in world.devices:
                allowed = world.should_be_open(device.knows)
                for element, is_open in device.open().items():
                    assert allowed[element] or not is_open

    def test_a_later_yes_goes_before_a_known_no(self) -> None:
        """
        Who heard of the withdrawal and says yes again is believed.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.GRANTED, "improve")
        phone.append(Act.WITHDRAWN, "improve")
        watch.learn(phone)
        watch.append(Act.GRANTED, "improve")

        phone.learn(watch)

        assert phone.status() is Status.GRANTED

    def test_a_yes_that_knew_nothing_of_the_no_is_none(self) -> None:
        """
        Grant in one, withdrawal in the other: withdrawn in both.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.GRANTED, "improve")
        watch.append(Act.WITHDRAWN, "improve")

        phone.learn(watch)
        watch.learn(phone)

        assert phone.status() is Status.WITHDRAWN
        assert watch.status() is Status.WITHDRAWN

    def test_a_link_alone_tells_what_was_known(self) -> None:
        """
        Who linked a ledger knows what stood there, copied or not.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.WITHDRAWN, "improve")
        head = head_of(phone.entries)
        watch.append(Act.LINKED, "", facts={"head": head})
        watch.append(Act.GRANTED, "improve")
        unlinked = Device("unlinked")
        unlinked.append(Act.GRANTED, "improve")

        key = POLICY.id, "improve"
        assert outcomes(phone.entries, watch.entries)[key].open
        assert not outcomes(phone.entries, unlinked.entries)[key].open

    def test_a_copy_alone_tells_what_was_known(self) -> None:
        """
        Who has the copy of a no knows that no, and what it is a copy of.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.WITHDRAWN, "improve")
        watch.take(merge(watch.entries, phone.entries))
        watch.append(Act.GRANTED, "improve")

        found = outcomes(phone.entries, watch.entries)

        assert found[POLICY.id, "improve"].open

    def test_a_no_that_was_heard_of_but_not_needed(self) -> None:
        """
        A no is carried on by a device that had one of its own: a yes that
        knew of that one alone does not go before both.
        """
        phone, watch, web = (Device(name) for name in NAMES)
        watch.append(Act.REFUSED, "improve")
        web.append(Act.REFUSED, "improve")
        phone.learn(watch)
        watch.learn(web)
        phone.append(Act.GRANTED, "improve")

        phone.learn(watch)

        assert phone.status() is Status.REFUSED

    def test_clocks_do_not_count(self) -> None:
        """
        A clock that is years ahead makes no choice a later one.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.WITHDRAWN, "improve")
        ahead = watch.append(Act.GRANTED, "improve")
        watch.entries[-1] = evolve(ahead, at=START.replace(year=2099))

        watch.learn(phone)

        assert watch.status() is Status.WITHDRAWN

    def test_the_yes_that_runs_out_first(self) -> None:
        """
        Of two that say yes and know nothing of each other, the older counts.
        """
        phone, watch = Device("phone"), Device("watch")
        watch.append(Act.NOTICE_SHOWN, "improve")
        later = watch.append(Act.GRANTED, "improve")
        older = phone.append(Act.GRANTED, "improve")
        ledgers = phone.entries, watch.entries
        assert older.at < later.at

        for order in itertools.permutations(ledgers):
            (outcome,) = outcomes(*order).values()
            assert outcome.entry is older

    def test_copies_name_the_first(self) -> None:
        """
        A copy says which choice it is, and when that was made.
        """
        phone, watch, web = (Device(name) for name in NAMES)
        first = phone.append(Act.GRANTED, "improve")
        watch.learn(phone)
        web.append(Act.NOTICE_SHOWN, "improve")

        (step,) = merge(web.entries, watch.entries)

        assert step.facts == {
            "from": first.hash,
            "given": first.at.isoformat(timespec="milliseconds"),
        }
        assert step.like.text == first.text

    def test_a_copy_does_not_live_longer(self) -> None:
        """
        A consent that was carried over runs out when the first one does.
        """

        def lasting(tree: dict[str, Any]) -> None:
            tree["functions"][1]["valid_for"] = "P1D"

        policy = small(change=lasting)
        phone, watch = Device("phone", policy), Device("watch", policy)
        phone.append(Act.GRANTED, "improve")
        for _ in range(600):
            watch.append(Act.NOTICE_SHOWN, "improve")
        watch.learn(phone)
        end = phone.entries[0].at + timedelta(days=1)

        def status(**more: float) -> Status:
            at = end + timedelta(**more)
            return fold(watch.entries, policy, at=at).choices["improve"].status

        assert status(minutes=-1) is Status.GRANTED
        assert status() is Status.EXPIRED
        assert fold(watch.entries, policy).until == end

    @pytest.mark.parametrize("by", [Actor.ACCOUNT, Actor.ORGANISATION])
    def test_what_others_said_stays_there(self, by: Actor) -> None:
        """
        A choice of an account or an organisation is not carried over.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.GRANTED, "improve", by=by)
        phone.append(Act.REFUSED, "logs", by=by)

        assert merge(watch.entries, phone.entries) == ()

    def test_erased(self) -> None:
        """
        Who was erased on one device said no to all, until the next yes.
        """
        phone, watch = Device("phone"), Device("watch")
        watch.append(Act.GRANTED, "improve")
        phone.append(Act.GRANTED, "improve")
        phone.append(Act.ERASED, "")

        watch.learn(phone)
        closed = watch.status()
        watch.append(Act.GRANTED, "improve")
        phone.learn(watch)

        assert closed is Status.WITHDRAWN
        assert phone.status() is Status.GRANTED

    def test_old_flags(self) -> None:
        """
        An imported no is a no elsewhere, unless there was an answer before.
        """
        phone, watch, web = (Device(name) for name in NAMES)
        no = {"value": "no"}
        phone.append(Act.IMPORTED, "improve", facts=no)
        phone.append(Act.IMPORTED, "logs", facts={"value": "yes"})
        watch.append(Act.GRANTED, "improve")
        web.append(Act.GRANTED, "logs")
        web.append(Act.IMPORTED, "logs", facts=no)

        watch.learn(phone, web)

        assert watch.status("improve") is Status.REFUSED
        assert watch.status("logs") is Status.GRANTED

    def test_the_stronger_no(self) -> None:
        """
        Of two noes the one holds after which nobody is asked.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.REFUSED, "improve")
        watch.append(Act.WITHDRAWN, "improve")

        phone.learn(watch)
        watch.learn(phone)

        for one, other in ((phone, watch), (watch, phone)):
            assert one.status() is Status.WITHDRAWN
            assert merge(one.entries, other.entries) == ()

    def test_head(self) -> None:
        """
        A ledger without entries has the head that all begin with.
        """
        phone = Device("phone")
        empty = head_of(phone.entries)
        entry = phone.append(Act.GRANTED, "improve")

        assert empty == GENESIS
        assert head_of(phone.entries) == entry.hash


class TestPauses:
    """
    Tests for pauses on several devices.
    """

    def _pair(self) -> tuple[Device, Device]:
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.GRANTED, "improve")
        watch.learn(phone)
        return phone, watch

    def test_pause_reaches_the_other(self) -> None:
        """
        What is paused on one device is paused on the other.
        """
        phone, watch = self._pair()
        watch.append(Act.PAUSED, "improve")

        phone.learn(watch)

        assert phone.status() is Status.PAUSED
        assert merge(phone.entries, watch.entries) == ()

    def test_resumed_in_the_knowledge_of_it(self) -> None:
        """
        Resuming ends a pause that was known, and no other.
        """
        phone, watch = self._pair()
        watch.append(Act.PAUSED, "improve")
        phone.learn(watch)
        phone.append(Act.RESUMED, "improve")
        watch.append(Act.PAUSED, "improve")
        watch.learn(phone)
        still = watch.status()
        phone.learn(watch)
        phone.append(Act.RESUMED, "improve")
        watch.learn(phone)

        assert still is Status.PAUSED
        assert watch.status() is Status.GRANTED

    def test_the_copy_of_a_yes_ends_no_pause(self) -> None:
        """
        What was carried over together stays so when others are met.
        """
        phone, watch, web = (Device(name) for name in NAMES)
        phone.append(Act.GRANTED, "improve")
        phone.append(Act.PAUSED, "improve")
        watch.append(Act.RESUMED, "improve")
        watch.learn(phone)
        web.append(Act.GRANTED, "logs")

        watch.learn(web)

        assert watch.status() is Status.PAUSED

    def test_a_yes_elsewhere_ends_no_pause(self) -> None:
        """
        A yes that knew nothing of the pause leaves it standing.
        """
        phone, watch = self._pair()
        phone.append(Act.PAUSED, "improve")
        watch.append(Act.GRANTED, "improve")

        phone.learn(watch)

        assert phone.status() is Status.PAUSED


class TestWidening:
    """
    Tests for devices with two versions of a policy.
    """

    WIDER = small(
        change=lambda tree: tree["functions"][3]["collects"].append(
            {"type": "os_name", "protect": "none"}
        )
    )

    def test_what_one_declined_the_other_did_not_agree_to(self) -> None:
        """
        Of a widening that one device declines and one takes, the no holds.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.GRANTED, "logs")
        watch.learn(phone)
        phone.policy = watch.policy = self.WIDER
        phone.append(Act.REFUSED, "logs", facts={"of": "widening"})
        watch.append(Act.GRANTED, "logs")

        for one, other in ((phone, watch), (watch, phone), (phone, watch)):
            one.learn(other)

        archive = {POLICY.digest: POLICY}
        for device in (phone, watch):
            state = fold(device.entries, self.WIDER, archive=archive)
            choice = state.choices["logs"]
            covered = {atom.data_type for atom in choice.covered or ()}

            assert choice.status is Status.WIDENED
            assert covered == {"service_log", "crash_log"}
            assert choice.ask_from is None

    def test_an_older_yes_again_ends_no_no(self) -> None:
        """
        A yes to the old terms, given elsewhere, leaves a declined widening
        declined.
        """
        phone, watch, web = (Device(name) for name in NAMES)
        phone.append(Act.GRANTED, "logs")
        watch.learn(phone)
        watch.append(Act.GRANTED, "logs")
        phone.policy = web.policy = self.WIDER
        phone.append(Act.REFUSED, "logs", facts={"of": "widening"})
        web.learn(phone)

        web.learn(watch)

        archive = {POLICY.digest: POLICY}
        state = fold(web.entries, self.WIDER, archive=archive)
        assert state.choices["logs"].status is Status.WIDENED
        assert state.choices["logs"].ask_from is None

    def test_taken_in_the_knowledge_of_it(self) -> None:
        """
        Who declined and agrees later is believed.
        """
        phone, watch = Device("phone"), Device("watch")
        phone.append(Act.GRANTED, "logs")
        phone.policy = watch.policy = self.WIDER
        phone.append(Act.REFUSED, "logs", facts={"of": "widening"})
        watch.learn(phone)
        watch.append(Act.GRANTED, "logs")

        phone.learn(watch)

        assert phone.status("logs") in (Status.GRANTED, Status.RENEWED)


# What each account says of one element, and what both together do.
YES, NO, NOTHING = Act.GRANTED, Act.REFUSED, None
MEET = {
    (YES, YES): Status.GRANTED,
    (YES, NO): Status.REFUSED,
    (YES, NOTHING): Status.INVALIDATED,
    (NO, NO): Status.REFUSED,
    (NO, YES): Status.REFUSED,
    (NO, NOTHING): Status.REFUSED,
    (NOTHING, NO): Status.REFUSED,
    (NOTHING, YES): Status.UNKNOWN,
    (NOTHING, NOTHING): Status.UNKNOWN,
}


class TestIntersect:
    """
    Tests for accounts that become one.
    """

    @pytest.mark.parametrize(("one", "other"), MEET)
    def test_only_what_both_agreed_to(
        self, one: Act | None, other: Act | None
    ) -> None:
        """
        A yes needs both; a no of one is a no; nothing is opened.
        """
        mine, theirs = Device("mine"), Device("theirs")
        for device, act in ((mine, one), (theirs, other)):
            if act is not None:
                device.append(act, "improve")

        mine.take(intersect(mine.entries, theirs.entries))

        assert mine.status() is MEET[one, other]
        assert intersect(mine.entries, theirs.entries) == ()

    def test_other_terms(self) -> None:
        """
        A yes to other terms is not the same yes.
        """
        mine = Device("mine")
        theirs = Device("theirs", TestWidening.WIDER)
        mine.append(Act.GRANTED, "logs")
        theirs.append(Act.GRANTED, "logs")

        mine.take(intersect(mine.entries, theirs.entries))

        assert mine.status("logs") is Status.INVALIDATED

    @given(
        st.lists(
            st.lists(
                st.tuples(st.sampled_from(ELEMENTS), st.sampled_from(CHOICES)),
                max_size=5,
            ),
            min_size=2,
            max_size=3,
        )
    )
    def test_any_order(self, accounts: list[list[tuple[str, Act]]]) -> None:
        """
        Whichever account goes on permits the same, at once or in turn.
        """
        devices = [Device(f"account {i}") for i in range(len(accounts))]
        for device, acts in zip(devices, accounts, strict=True):
            for element, act in acts:
                device.append(act, element)
        before = [device.open() for device in devices]
        expected = {e: all(b[e] for b in before) for e in ELEMENTS}
        ledgers = [tuple(device.entries) for device in devices]

        for order in itertools.permutations(ledgers):
            at_once = Device("at once", entries=list(order[0]))
            at_once.take(intersect(order[0], *order[1:]))
            in_turn = Device("in turn", entries=list(order[0]))
            for other in order[1:]:
                in_turn.take(intersect(in_turn.entries, other))

            assert at_once.open() == expected
            assert in_turn.open() == expected
