# SPDX-License-Identifier: MIT
"""
A person's choices: the acts that write the ledger, and what they add up to.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from itertools import takewhile
from typing import Final

from consentkit.consent import merge as merging
from consentkit.consent._noes import grants_of, is_part, to_record
from consentkit.consent._recorder import NO_FACTS, NewAct, Recorder
from consentkit.consent._unrecorded import Unrecorded
from consentkit.consent._view import View
from consentkit.consent.age import AgeBand, age_facts, age_of_facts
from consentkit.consent.results import (
    CarryOut,
    Destroyed,
    Notice,
    Withdrawal,
)
from consentkit.consent.signals import Signals
from consentkit.consent.state import OPEN, State, Status
from consentkit.exceptions import (
    ClosedError,
    NoticeNeededError,
    StoreError,
    TooOftenError,
    TooYoungError,
)
from consentkit.ledger.base import Ledger
from consentkit.ledger.entries import (
    LOCAL,
    Act,
    Actor,
    Entry,
    text_digest,
)
from consentkit.policy.model import Category, Function, Policy
from consentkit.policy.tables import UNSPECIFIED


__all__ = ["Consent", "Destroyed", "Notice", "Withdrawal"]

_METHOD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

# Ways of not saying anything; none of them is a choice.
# Source: GDPR Recital 32 (silence, pre-ticked boxes, inactivity).
_NO_ACT: Final = frozenset(
    {"default", "implied", "install", "launch", "scroll", "silence", "use"}
)

# Typing the answer out says at least as much as any control does.
_TYPED: Final = frozenset({"command_line", "terminal"})

_SILENT: Final = Signals()

# More than a person says, and few enough for any disk.
_HOUR: Final = timedelta(hours=1)
_MOST_AN_HOUR: Final = 1000


def _no_matter(_: str) -> None:
    pass


def _no_change() -> None:
    pass


def _never() -> bool:
    return False


def _no_signals() -> Signals:
    return _SILENT


#: Gives the tag of a person, made if need be and asked for.
Subject = Callable[[bool], str | None]


def _local(_: bool) -> str | None:  # noqa: FBT001
    return LOCAL


def _nothing(
    _elements: frozenset[str], _grants: frozenset[str]
) -> tuple[Destroyed, tuple[str, ...]]:
    return Destroyed(), ()


class Consent:
    """
    The choices of one person under one policy.

    Once the kit is closed, what says no still works: `deny`, `withdraw`,
    `object_to`, `refuse_all`, `invalidate`, `erase`, `decline` and `pause`.
    All else that would be recorded raises `ClosedError
    <consentkit.exceptions.ClosedError>`, and is not.

    Args:
        carry_out: Called with what a withdrawal ended, after the ledger has
            it; destroys what rested on it.

        granted: Called with an element that was granted, after the ledger
            has it.

        signals: Gives the signals from outside, as they are now.

        subject: Gives the tag of the ledger that stands for the person;
            ``None`` where there is none yet and none is to be made.

        person: How the app names the person.

        unrecorded: Where noes are noted that the ledger does not take.

        changed: Called after an act that may have closed something, when
            `carry_out` is not.

        is_closed: Tells whether only a no is taken any more.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        ledger: Ledger,
        clock: Callable[[], datetime],
        carry_out: CarryOut = _nothing,
        granted: Callable[[str], object] = _no_matter,
        signals: Callable[[], Signals] = _no_signals,
        subject: Subject = _local,
        person: str = LOCAL,
        unrecorded: Unrecorded | None = None,
        changed: Callable[[], object] = _no_change,
        is_closed: Callable[[], bool] = _never,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._carry_out = carry_out
        self._granted = granted
        self._signals = signals
        self._changed = changed
        self._is_closed = is_closed
        self._view = View(
            policy,
            ledger=ledger,
            clock=clock,
            signals=signals,
            subject=subject,
            person=person,
            unrecorded=unrecorded or Unrecorded(),
        )
        self._recorder = Recorder(
            policy,
            ledger=ledger,
            clock=clock,
            subject=subject,
            view=self._view,
        )
        self._ended = 0

    def __repr__(self) -> str:
        return f"<Consent under {self._policy.id} {self._policy.version}>"

    @property
    def generation(self) -> int:
        """
        Number that grows with each act of this process.
        """
        return self._recorder.generation + self._ended

    # What they add up to

    def state(self) -> State:
        """
        Give the choices as they are now, over all processes of the app.

        A ledger that cannot be read gives a state that permits nothing and
        says why; nothing is raised.
        """
        state = self._view.state()
        if state.over:
            self._record_over(state)
        return state

    def _record_over(self, state: State) -> None:
        """
        Put on record what time has ended, so that no clock brings it back.
        """
        acts = [
            NewAct(
                Act.EXPIRED,
                entry.element,
                "clock",
                by=Actor.SYSTEM,
                facts={"of": entry.hash},
            )
            for entry in self._view.fresh_over(state)
        ]
        if acts:
            # It has ended, whether or not this can be recorded.
            with suppress(StoreError):
                self._recorder.append(lambda _: acts)

    def history(self, element: str | None = None) -> tuple[Entry, ...]:
        """
        Give the entries of the ledger, oldest first.

        Args:
            element: Only those of this function or separate decision.

        Raises:
            StoreError: If the ledger cannot be read.
        """
        entries = self._view.entries()
        if element is None:
            return entries
        return tuple(e for e in entries if e.element == element)

    def may_ask(self) -> tuple[str, ...]:
        """
        List the elements that the app may ask about now, in order.

        What was refused rests for as long as the policy says, and for ever
        where it says nothing; what was withdrawn is the person's to bring
        up. A decision beside a function waits until that is granted.
        """
        state = self.state()
        at = self._clock().astimezone(UTC)
        return tuple(
            e
            for e, choice in state.choices.items()
            if choice.may_ask(at)
            and (
                e == self._function(e).id
                or state.permits(self._function(e).id)
            )
        )

    # Asking

    def show(
        self,
        element: str,
        *,
        method: str = "app",
        text: str | None = None,
        language: str = "",
    ) -> Notice:
        """
        Give the text that the person has to see before deciding, and record
        that it is shown.

        Args:
            element: What is to be decided on.

            method: Where it is shown, a word of the app's own.

            text: The app's own words instead of those made from the policy,
                such as a translation.

            language: Language of *text*; the policy's own if empty.

        Raises:
            ValueError: If the policy has no such element, or *text* says
                nothing.

            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded.
        """
        self._check_open()
        self._check(element, method)
        if text is not None and not text.strip():
            msg = "a notice that says nothing shows nothing"
            raise ValueError(msg)
        if text is None:
            from consentkit.consent.notice import notice

            text = notice(self._policy, element)
        made = Notice(
            element=element,
            text=text,
            language=language or self._policy.language,
            digest=text_digest(text),
        )
        act = NewAct(
            Act.NOTICE_SHOWN,
            element,
            method,
            language=made.language,
            notice=made.digest,
        )
        self._append(
            lambda before: (
                []
                if self._is_shown(before, made, method)
                or self._is_too_often(Act.NOTICE_SHOWN, element)
                else [act]
            )
        )
        return made

    def _is_shown(self, state: State, made: Notice, method: str) -> bool:
        """
        Tell whether the very same was shown last, and not answered since.
        """
        last = state.shown.get(made.element)
        since = state.choices[made.element].entry
        return (
            last is not None
            and (last.notice, last.language) == (made.digest, made.language)
            and (last.text, last.method) == (self._policy.digest, method)
            and (since is None or since.seq <= last.seq)
        )

    def defer(self, element: str, *, method: str = "app") -> None:
        """
        Record that the question was closed without an answer.

        Raises:
            ValueError: As `show`.

            ClosedError: As `show`.

            StoreError: As `show`.
        """
        self._check_open()
        self._check(element, method)
        if not self._is_too_often(Act.DEFERRED, element):
            self._append(lambda _: [NewAct(Act.DEFERRED, element, method)])

    # Choosing

    def grant(
        self,
        element: str,
        *,
        method: str = "app",
        language: str = "",
        by: Actor = Actor.PERSON,
        preselected: bool = False,
        renew: bool = False,
    ) -> Entry:
        """
        Record that the person said yes to *element*.

        Call it from the person's own act and nowhere else. A yes to a
        function is none to the decisions beside it.

        Args:
            element: A function's id, ``function/data_type`` for a separate
                type, ``function@recipient`` for a recipient, or
                ``function@recipient+abroad``.

            method: How the person acted: a word of the app's own, such as
                ``app``, ``settings``, ``terminal``. Where the policy names
                the act that agrees, only that.

            language: Language of the text that was shown; the policy's
                own if empty.

            by: Who says it: the person, a guardian who was verified, or an
                account or organisation whose choice the person inherits.

            preselected: Whether the control was on before the person came;
                such a yes is none (GDPR Recital 32).

            renew: Whether to record it although it stands already.

        Returns:
            The new entry, or the one that already says so.

        Raises:
            ValueError: If the policy has no such element, or *method* is
                no act that agrees.

            TooYoungError: If the policy bars somebody of the declared age.

            TooOftenError: If it was granted 1,000 times within the last
                hour: a loop, and no person.

            NoticeNeededError: If *element* is a decision of its own or a
                third party's function, and its notice of this version was
                not shown.

            ClosedError: If the kit is closed; then nothing is granted.

            StoreError: If it cannot be recorded; then nothing is granted.
        """
        self._check_open()
        self._check(element, method)
        self._check_act(element, method, by, preselected=preselected)
        if self._view.barred:
            raise TooYoungError
        self.settle()
        state = self.state()
        standing = None if renew else self._standing(state, element, by)
        if standing is not None:
            return standing
        self._check_notice(state, element, by)
        self._check_rate(Act.GRANTED, element)

        def plan(before: State) -> list[NewAct]:
            known = None if renew else self._standing(before, element, by)
            if known is not None:
                return []
            return [
                NewAct(
                    Act.GRANTED,
                    element,
                    method,
                    language=language,
                    by=by,
                    notice=self._shown(before, element),
                )
            ]

        before, made = self._append(plan)
        self._record_conflicts()
        self._granted(element)
        if made:
            return made[0]
        # Another process was quicker, with the same.
        return next(
            e
            for e in reversed(before)
            if e.element == element and e.act is Act.GRANTED
        )

    def _record_conflicts(self) -> None:
        """
        Record where a signal and a yes say different things.
        """
        found = self._signals().conflicts(
            self._policy, self._view.entries(), self.state()
        )
        acts = [
            NewAct(
                Act.SIGNAL_CONFLICT,
                conflict.element,
                "signal",
                by=Actor.SYSTEM,
                facts=conflict.facts,
            )
            for conflict in found
        ]
        if acts:
            # What was granted is, whether or not this can be recorded.
            with suppress(StoreError):
                self._append(lambda _: acts)

    @staticmethod
    def _standing(state: State, element: str, by: Actor) -> Entry | None:
        choice = state.choices[element]
        entry = choice.entry
        whole = choice.status in OPEN - {Status.WIDENED}
        if whole and entry is not None and entry.by is by:
            return entry
        return None

    def accept(self, *, method: str = "app") -> tuple[Entry, ...]:
        """
        Record that the person accepted the policy itself.

        It opens the core functions, without which there is no product, and
        nothing else: no additional function, no third party, no decision of
        its own.

        Raises:
            ValueError: If *method* is no act that agrees.

            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded.
        """
        return self._accept({Category.CORE}, method)

    def accept_all(self, *, method: str = "app") -> tuple[Entry, ...]:
        """
        Record a yes to everything that one act can say yes to.

        Decisions of their own are never among it, nor are third parties'
        functions, nor what the person has said no to.

        Raises:
            ValueError: As `accept`.

            ClosedError: As `accept`.

            StoreError: As `accept`.
        """
        own = set(Category) - {Category.THIRD_PARTY}
        return self._accept(own, method)

    def _accept(
        self, categories: set[Category], method: str
    ) -> tuple[Entry, ...]:
        self._check_open()
        if self._view.barred:
            raise TooYoungError
        self.settle()
        wanted = [
            f
            for f in self._policy.functions.values()
            if f.category in categories
        ]
        for function in wanted:
            self._check(function.id, method)
            self._check_act(function.id, method, Actor.PERSON)

        def plan(before: State) -> list[NewAct]:
            at = before.at or datetime.max.replace(tzinfo=UTC)
            told = self._policy.digest in before.adopted
            return [
                *([] if told else [NewAct(Act.POLICY_ADOPTED, "", method)]),
                *(
                    NewAct(
                        Act.GRANTED,
                        f.id,
                        method,
                        notice=self._shown(before, f.id),
                    )
                    for f in wanted
                    if before.choices[f.id].may_ask(at)
                ),
            ]

        made = self._append(plan)[1]
        for entry in made:
            if entry.act is Act.GRANTED:
                self._granted(entry.element)
        return made

    def adopt(self, *, method: str = "app") -> Entry:
        """
        Record that the person was told of this version of the policy.

        Raises:
            ValueError: If *method* is no such word.

            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded.
        """
        self._check_open()
        self._check_method(method)
        plan = [NewAct(Act.POLICY_ADOPTED, "", method)]
        return self._append(lambda _: plan)[1][0]

    def acknowledge(self, function: str, *, method: str = "app") -> Entry:
        """
        Record that the person acknowledged what *function* says first.

        Raises:
            ValueError: If the policy has no such function, or it has
                nothing to acknowledge.

            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded.
        """
        self._check_open()
        self._check(function, method)
        text = self._function(function).acknowledge
        if not text:
            msg = f"{function!r} has no text to acknowledge"
            raise ValueError(msg)
        act = NewAct(
            Act.ACKNOWLEDGED, function, method, notice=text_digest(text)
        )
        return self._append(lambda _: [act])[1][0]

    # Saying no

    def deny(
        self,
        element: str,
        *,
        method: str = "app",
        language: str = "",
        by: Actor = Actor.PERSON,
    ) -> Withdrawal:
        """
        Record that the person said no to *element*.

        A no to what was granted is a withdrawal. To stay under the terms of
        before, `decline` what a new version adds.

        Raises:
            ValueError: As `grant`.

            StoreError: As `withdraw`.
        """
        return self._end(element, Act.REFUSED, method, language, by=by)

    def withdraw(
        self,
        element: str,
        *,
        method: str = "app",
        language: str = "",
        by: Actor = Actor.PERSON,
    ) -> Withdrawal:
        """
        Take a consent back, at once and in every process of the app.

        When it returns, nothing more is read for *element*, its waiting
        records are destroyed, a batch of it under way is cut short, and an
        erasure request is queued for whoever got something. Withdrawing a
        function withdraws the decisions beside it too.

        Raises:
            ValueError: As `grant`.

            StoreError: If it cannot be recorded. Nothing more is read in
                this process all the same; call it again once the cure that
                the error names is done.
        """
        return self._end(element, Act.WITHDRAWN, method, language, by=by)

    def object_to(self, function: str, *, method: str = "app") -> Withdrawal:
        """
        Record an objection: *function* is not opened by any lawful basis.

        Source: GDPR Article 21.

        Raises:
            ValueError: As `grant`.

            StoreError: As `withdraw`.
        """
        return self._end(function, Act.OBJECTED, method, "")

    def invalidate(self, element: str, *, reason: str) -> Withdrawal:
        """
        Annul a consent, as the controller or an authority found it void.

        Raises:
            ValueError: As `grant`.

            StoreError: As `withdraw`.
        """
        return self._end(
            element,
            Act.INVALIDATED,
            "annulment",
            "",
            by=Actor.CONTROLLER,
            facts={"reason": reason},
        )

    def erase(self) -> Withdrawal:
        """
        Record that the person's data is erased; whoever comes next is
        somebody else.

        Raises:
            StoreError: As `withdraw`.
        """
        if not self._view.entries():
            # Nobody is on record, and erasing must not put anybody there.
            everything = frozenset(self._policy.elements)
            destroyed, running = self._carry_out(everything, frozenset())
            return Withdrawal(
                entries=(), destroyed=destroyed, still_running=running
            )
        done = self._end_all(
            tuple(self._policy.functions), Act.WITHDRAWN, "erasure"
        )
        erased = NewAct(Act.ERASED, "", "erasure", by=Actor.SYSTEM)
        self._append(lambda _: [erased])
        return done

    def settle(self) -> None:
        """
        Record the noes that the ledger did not take when they were said.

        Opening a kit, and saying yes, do so by themselves.

        Raises:
            StoreError: If it does not take them yet; they hold all the same.
        """
        noes = self._view.unrecorded()
        for act in sorted(set(noes.values())):
            elements = tuple(e for e, said in noes.items() if said == act)
            self._end_all(elements, Act(act), "recovered")

    def refuse_all(self, *, method: str = "app") -> Withdrawal:
        """
        Record a no to everything, other lawful bases included.

        Raises:
            ValueError: If *method* is no act of a person.

            StoreError: As `withdraw`.
        """
        self._check_method(method)
        functions = tuple(self._policy.functions)
        return self._end_all(functions, Act.REFUSED, method)

    def decline(self, element: str, *, method: str = "app") -> Entry:
        """
        Record a no to what a new version adds to *element*.

        What was agreed to before stays, on the terms of then.

        Raises:
            ValueError: If the policy has no such element, or it does not
                ask for more than was granted.

            StoreError: If it cannot be recorded.
        """
        self._check(element, method)
        if self.state().choices[element].status is not Status.WIDENED:
            msg = f"nothing new is asked for {element!r}; use deny()"
            raise ValueError(msg)
        act = NewAct(Act.REFUSED, element, method, facts={"of": "widening"})
        return self._append(lambda _: [act])[1][0]

    def pause(self, element: str = "", *, method: str = "app") -> Entry:
        """
        Stop *element* for a time; all of it, if empty. What was kept waits.

        Returns:
            The new entry, or the one that already says so.

        Raises:
            ValueError: If the policy has no such element.

            StoreError: If it cannot be recorded.
        """
        standing: list[Entry] = []

        def plan(before: State) -> list[NewAct]:
            known = before.paused.get(element)
            if known is None:
                return [NewAct(Act.PAUSED, element, method)]
            standing.append(known)
            return []

        self._check_pause(element, method)
        return (*self._append(plan)[1], *standing)[0]

    def resume(self, element: str = "", *, method: str = "app") -> Entry:
        """
        Take a pause back.

        Raises:
            ValueError: As `pause`.

            TooOftenError: As `grant`.

            ClosedError: As `grant`.

            StoreError: As `pause`.
        """
        self._check_open()
        self._check_pause(element, method)
        self._check_rate(Act.RESUMED, element)
        act = NewAct(Act.RESUMED, element, method)
        return self._append(lambda _: [act])[1][0]

    def _check_pause(self, element: str, method: str) -> None:
        if element:
            self._check(element, method)
        else:
            self._check_method(method)

    # Several devices and accounts

    def merge(self, *others: Sequence[Entry]) -> tuple[Entry, ...]:
        """
        Let what the person chose on other devices hold here too.

        Of each element the later choice holds, of those that knew nothing
        of each other the no. What a no ends here is destroyed, as by
        `withdraw`. Doing it twice changes nothing.

        Args:
            others: The entries of each other device, oldest first: such as
                `history` gives there. Check where they come from, and that
                they are whole; this ledger cannot.

        Returns:
            What was recorded here.

        Raises:
            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded; then nothing is.
        """
        return self._meet(others, merging.merge, link=True)

    def intersect(self, *others: Sequence[Entry]) -> tuple[Entry, ...]:
        """
        Let several accounts become this one: only what all agreed to stays.

        Args:
            others: The entries of the accounts that end in this one; as for
                `merge`.

        Returns:
            What was recorded here.

        Raises:
            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded; then nothing is.
        """
        return self._meet(others, merging.intersect, link=False)

    def _meet(
        self,
        others: Sequence[Sequence[Entry]],
        steps: Callable[..., tuple[merging.Step, ...]],
        *,
        link: bool,
    ) -> tuple[Entry, ...]:
        self._check_open()
        before = self.state()
        heads = [merging.head_of(other) for other in others if link]

        def plan(here: tuple[Entry, ...]) -> list[NewAct]:
            known = {e.facts.get("head") for e in here if e.act is Act.LINKED}
            linked = [
                NewAct(
                    Act.LINKED,
                    "",
                    "merge",
                    by=Actor.SYSTEM,
                    facts={"head": head},
                )
                for head in heads
                if head not in known
            ]
            return linked + [
                NewAct(
                    step.act,
                    step.element,
                    "merge",
                    by=step.by,
                    facts=step.facts,
                    like=step.like,
                )
                for step in steps(here, *others)
            ]

        made = self._recorder.append_after(plan)[1]
        self._changed()
        self._carry_out_lost(before)
        for entry in made:
            if self.state().permits(entry.element):
                self._granted(entry.element)
        return made

    # Whose choice it is

    def declare_age(
        self,
        *,
        born: date | None = None,
        adult: bool = False,
        method: str = "app",
    ) -> AgeBand:
        """
        Record what the person said of their age.

        The birthday itself is not kept. Where the policy bars children, a
        child's answer is not kept either: whatever there was is annulled,
        and everything is refused.

        Args:
            born: The birthday.

            adult: Said to be of age, with no birthday given.

            method: How it was said.

        Raises:
            ValueError: If neither or both are given, or *born* lies ahead.

            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded.
        """
        self._check_open()
        self._check_method(method)
        if (born is None) is not adult:
            msg = "give either the birthday or adult=True"
            raise ValueError(msg)
        minors = self._policy.minors
        now = self._clock().astimezone(UTC)
        facts = age_facts(minors, born=born, today=now.date())
        band = age_of_facts(facts).band(now)
        if band is AgeBand.CHILD and minors and minors.child_barred:
            self._bar()
            return band
        before = self.state()
        act = NewAct(Act.AGE_DECLARED, "", method, facts=facts)
        self._append(lambda _: [act])
        self._view.barred = False
        self._carry_out_lost(before)
        return band

    def _bar(self) -> None:
        """
        Turn somebody away who is too young, and keep nothing of it.
        """
        self._view.barred = True
        self._ended += 1
        if not self._view.entries():
            # What waits for an answer goes all the same.
            self._carry_out(frozenset(self._policy.elements), frozenset())
            return
        self._end_all(
            tuple(self._policy.functions),
            Act.INVALIDATED,
            "age",
            by=Actor.SYSTEM,
            facts={"reason": "too young"},
        )
        forgotten = NewAct(
            Act.AGE_DECLARED, "", "age", facts={"age": "unknown"}
        )
        self._append(lambda _: [forgotten])

    def _carry_out_lost(self, before: State) -> None:
        """
        Destroy what rested on grants that count no more.
        """
        after = self.state()
        lost = {
            e: set(choice.grants) - set(after.choices[e].grants)
            for e, choice in before.choices.items()
        }
        still = {e.hash for e in (*after.bases, *after.stopped_bases)}
        for entry in (*before.bases, *before.stopped_bases):
            if entry.hash not in still:
                lost[entry.element].add(entry.hash)
        elements = frozenset(e for e, grants in lost.items() if grants)
        if elements:
            self._carry_out(elements, frozenset().union(*lost.values()))

    def guardian_verified(self, *, method: str, reference: str) -> Entry:
        """
        Record that the app has verified who the person's guardian is.

        Args:
            method: How it was verified.

            reference: Where the proof is filed; never the proof itself.

        Raises:
            ValueError: If one of them is empty.

            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded.
        """
        self._check_open()
        self._check_method(method)
        if not reference.strip():
            msg = "reference must say where the proof is filed"
            raise ValueError(msg)
        act = NewAct(
            Act.GUARDIAN_VERIFIED,
            "",
            method,
            by=Actor.CONTROLLER,
            facts={"reference": reference},
        )
        return self._append(lambda _: [act])[1][0]

    def import_legacy(
        self, answers: Mapping[str, bool], *, origin: str
    ) -> tuple[Entry, ...]:
        """
        Take over what an earlier way of asking had stored.

        An old no stays a no. An old yes was given to another question: it
        is on record, and opens nothing. Doing it twice changes nothing.

        Args:
            answers: By element.

            origin: Where they come from.

        Raises:
            ValueError: If the policy has no such element.

            ClosedError: If the kit is closed.

            StoreError: If it cannot be recorded.
        """
        self._check_open()
        for element in answers:
            self._check(element, "import")
        known = {
            (e.element, e.facts.get("value"), e.facts.get("origin"))
            for e in self.history()
            if e.act is Act.IMPORTED
        }
        acts = [
            NewAct(
                Act.IMPORTED,
                element,
                "import",
                by=Actor.SYSTEM,
                facts={"value": value, "origin": origin},
            )
            for element, yes in answers.items()
            for value in ("yes" if yes else "no",)
            if (element, value, origin) not in known
        ]
        return self._append(lambda _: acts)[1] if acts else ()

    def record_basis(self, function: str, facts: Mapping[str, str]) -> Entry:
        """
        Record that *function* is used on another lawful basis than consent.

        Args:
            function: Its id.

            facts: The basis, and who vouches for it.

        Raises:
            ValueError: If the policy has no such function, or ``until`` is
                no time with its zone.

            StoreError: If it cannot be recorded; then it is not used.
        """
        self._check(function, "basis")
        _check_time(facts.get("until", ""))
        act = NewAct(
            Act.BASIS_USED,
            function,
            "basis",
            by=Actor.CONTROLLER,
            facts=facts,
        )
        return self._append(lambda _: [act])[1][0]

    def record_attestation(
        self, function: str, text: str, *, of: Entry
    ) -> Entry:
        """
        Record what the person vouched for when using *function*.

        Args:
            function: Id of the function.

            text: What the person said.

            of: The decision that the use rests on; it is recorded for that
                person only.

        Raises:
            ValueError: If the policy has no such function.

            DeadPermitError: If the person was forgotten since; then it is
                not used.

            StoreError: If it cannot be recorded; then it is not used.
        """
        self._check(function, "attestation")
        act = NewAct(
            Act.ATTESTED, function, "attestation", facts={"said": text}
        )
        return self._append_to(of, act)

    def record_read(
        self, function: str, data_type: str, scene: str, *, of: Entry
    ) -> Entry:
        """
        Record that something is now read in one of the scenes that the
        policy limits it to: how often is a promise of its own.

        Args:
            function: Id of the function.

            data_type: What is read.

            scene: The situation, as the policy names it.

            of: The decision that the read rests on; it is recorded for that
                person only.

        Raises:
            ValueError: If the policy has no such function.

            DeadPermitError: If the person was forgotten since; then it is
                not read.

            StoreError: If it cannot be recorded; then it is not read.
        """
        self._check(function, "read")
        act = NewAct(
            Act.READ,
            function,
            "read",
            by=Actor.SYSTEM,
            facts={"type": data_type, "scene": scene},
        )
        return self._append_to(of, act)

    def record_read_end(self, read: Entry, *, found: bool | None) -> Entry:
        """
        Record what came of a read.

        Args:
            read: The entry that says that it was begun.

            found: Whether there was anything; None if it was not read after
                all.

        Raises:
            DeadPermitError: If the person was forgotten since; the end of a
                read that nobody has any more is nobody's.

            StoreError: If it cannot be recorded; then it is not given out.
        """
        said = {True: "yes", False: "no", None: "not_read"}[found]
        act = NewAct(
            Act.READ_ENDED,
            read.element,
            "read",
            by=Actor.SYSTEM,
            facts={"of": read.hash, "found": said},
        )
        return self._append_to(read, act)

    def record_mask(self, element: str, cause: str) -> None:
        """
        Record that something outside took a consent's effect away.

        Args:
            element: What it concerns.

            cause: What it was, such as ``os_permission:camera``.

        Raises:
            StoreError: If it cannot be recorded.
        """
        act = NewAct(
            Act.SIGNAL_CONFLICT,
            element,
            "signal",
            by=Actor.SYSTEM,
            facts={"cause": cause},
        )
        self._append(lambda _: [act])

    # Writing

    def _end(
        self,
        element: str,
        act: Act,
        method: str,
        language: str,
        *,
        by: Actor = Actor.PERSON,
        facts: Mapping[str, str] = NO_FACTS,
    ) -> Withdrawal:
        self._check(element, method)
        return self._end_all(
            (element,), act, method, language=language, by=by, facts=facts
        )

    def _end_all(
        self,
        elements: tuple[str, ...],
        act: Act,
        method: str,
        *,
        language: str = "",
        by: Actor = Actor.PERSON,
        facts: Mapping[str, str] = NO_FACTS,
    ) -> Withdrawal:
        ended = frozenset(
            e for e in self._policy.elements if is_part(e, elements)
        )
        self._view.hold(ended, act.value)
        self._ended += 1

        def plan(before: State) -> list[NewAct]:
            # As recorded: a withdrawal that could not be is recorded now.
            at = self._clock().astimezone(UTC)
            return [
                NewAct(act, e, method, language=language, by=by, facts=facts)
                for e in to_record(elements, act, ended, before.choices, at)
            ]

        grants = self._grants_known(ended, by)
        entries: tuple[Entry, ...] = ()
        try:
            before, entries = self._recorder.append(plan)
            # Only those before it: a later yes is none of its concern.
            grants = grants_of(ended, before, by)
        except StoreError:
            self._view.keep(ended, act.value)
            raise
        finally:
            # Even where the ledger takes no entry, what waits is destroyed.
            destroyed, running = self._carry_out(ended, grants)
        self._view.drop(ended)
        return Withdrawal(
            entries=entries, destroyed=destroyed, still_running=running
        )

    def _grants_known(
        self, elements: frozenset[str], by: Actor
    ) -> frozenset[str]:
        with suppress(StoreError):
            return grants_of(elements, self._view.entries(), by)
        return frozenset()

    def _append(
        self, plan: Callable[[State], Iterable[NewAct]]
    ) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
        done = self._recorder.append(plan)
        self._changed()
        return done

    def _append_to(self, known: Entry, act: NewAct) -> Entry:
        made = self._recorder.append_to(known, act)
        self._changed()
        return made

    # Checking

    def _check_open(self) -> None:
        """
        Refuse what could come to nothing any more.
        """
        if self._is_closed():
            raise ClosedError

    def _function(self, element: str) -> Function:
        return self._policy.function_of(element)

    def _check(self, element: str, method: str) -> None:
        if element not in self._policy.elements:
            near = get_close_matches(element, self._policy.elements, n=3)
            hint = "try " + " or ".join(near)
            if not near:
                hint = "'consentkit consent list' shows what there is"
            msg = f"the policy has nothing named {element!r}; {hint}"
            raise ValueError(msg)
        self._check_method(method)

    def _check_method(self, method: str) -> None:
        if not _METHOD.fullmatch(method) or method in _NO_ACT:
            msg = (
                "method must name the person's act, such as 'app', "
                f"'settings' or 'terminal'; {method!r} is none"
            )
            raise ValueError(msg)

    def _check_act(
        self,
        element: str,
        method: str,
        by: Actor,
        *,
        preselected: bool = False,
    ) -> None:
        """
        Hold a yes against the act that the policy names.
        """
        if by in (Actor.CONTROLLER, Actor.SYSTEM):
            msg = f"by={by} says yes for nobody; a person or guardian does"
            raise ValueError(msg)
        if preselected:
            msg = "a control that was on before the person came is no yes"
            raise ValueError(msg)
        act = self._function(element).method
        own = by in (Actor.PERSON, Actor.GUARDIAN)
        named = act not in ("", UNSPECIFIED)
        if own and named and method != act and method not in _TYPED:
            msg = (
                f"the policy says that {act!r} agrees, and {method!r} does "
                f"not; pass method={act!r} from that act"
            )
            raise ValueError(msg)

    def _check_rate(self, act: Act, element: str) -> None:
        if self._is_too_often(act, element):
            raise TooOftenError(element, _MOST_AN_HOUR)

    def _is_too_often(self, act: Act, element: str) -> bool:
        """
        Tell whether a ledger would grow without a person behind it.
        """
        now = self._clock().astimezone(UTC)
        recent = takewhile(
            lambda e: now - _HOUR < e.at, reversed(self._view.entries())
        )
        same = (e for e in recent if e.act is act and e.element == element)
        return sum(1 for _ in same) >= _MOST_AN_HOUR

    def _check_notice(self, state: State, element: str, by: Actor) -> None:
        function = self._function(element)
        apart = function.is_separate(element) or (
            function.category is Category.THIRD_PARTY
        )
        if not apart or by not in (Actor.PERSON, Actor.GUARDIAN):
            return
        if not self._shown(state, element):
            raise NoticeNeededError(element)

    def _shown(self, state: State, element: str) -> str:
        """
        Give the digest of the notice of this version that was shown last.
        """
        shown = state.shown.get(element)
        if shown is None or shown.text != self._policy.digest:
            return ""
        return shown.notice


def _check_time(until: str) -> None:
    with suppress(ValueError):
        if not until or datetime.fromisoformat(until).tzinfo is not None:
            return
    msg = f"until must be a time of ISO 8601 with its zone, not {until!r}"
    raise ValueError(msg)
