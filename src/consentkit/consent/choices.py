# SPDX-License-Identifier: MIT
"""
A person's choices: the acts that write the ledger, and what they add up to.
"""

from __future__ import annotations

import re
import threading
import time

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from attrs import evolve, field, frozen

from consentkit.consent.age import AgeBand, age_facts, age_of_facts
from consentkit.consent.signals import Signals
from consentkit.consent.state import (
    OPEN,
    Choice,
    State,
    Status,
    fold,
    unreadable,
    used_for,
)
from consentkit.exceptions import (
    NoticeNeededError,
    PolicyError,
    StoreError,
    TooYoungError,
)
from consentkit.ledger.base import Ledger
from consentkit.ledger.drafts import Draft, Place
from consentkit.ledger.entries import (
    LOCAL,
    Act,
    Actor,
    Entry,
    text_digest,
)
from consentkit.policy.load import parse_canonical
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

# As much as an entry takes.
_FACT_CHARACTERS: Final = 1000

_NO_FACTS: Final[Mapping[str, str]] = MappingProxyType({})


@frozen(kw_only=True)
class Notice:
    """
    What a person was shown before deciding.

    Attributes:
        digest: SHA-256 of the text, in hex; the ledger holds it.
    """

    element: str
    text: str
    language: str
    digest: str


@frozen(kw_only=True)
class Destroyed:
    """
    What a withdrawal took out of the outbox.

    Attributes:
        records: How many waiting records were destroyed.

        in_flight: How many of these were on their way; they were perhaps
            delivered, are never tried again, and an erasure request
            follows them.

        erasures: How many erasure requests were queued, one for each
            recipient that may have got something.
    """

    records: int = 0
    in_flight: int = 0
    erasures: int = 0


@frozen(kw_only=True)
class Withdrawal:
    """
    What a withdrawal did.

    Attributes:
        entries: What was recorded; empty if it was withdrawn before.

        destroyed: What it took out of the outbox.

        still_running: Third-party SDKs that run and have no way to be
            stopped; they end with the process.
    """

    entries: tuple[Entry, ...]
    destroyed: Destroyed = field(factory=Destroyed)
    still_running: tuple[str, ...] = ()


#: Takes the elements that ended and the hashes of their grants; gives what
#: was destroyed and which SDKs still run.
CarryOut = Callable[
    [frozenset[str], frozenset[str]], tuple[Destroyed, tuple[str, ...]]
]


def _no_matter(_: str) -> None:
    pass


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

    Args:
        carry_out: Called with what a withdrawal ended, after the ledger has
            it; destroys what rested on it.

        granted: Called with an element that was granted, after the ledger
            has it.

        signals: Gives the signals from outside, as they are now.

        subject: Gives the tag of the ledger that stands for the person;
            ``None`` where there is none yet and none is to be made.
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
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._clock = clock
        self._carry_out = carry_out
        self._granted = granted
        self._signals = signals
        self._subject = subject
        self._archive = _Archive(policy, ledger)
        self._folded: _Folded | None = None
        self._broken: State | None = None
        #: A state, what is stopped in it all the same, and what is left.
        self._narrowed: tuple[State, frozenset[str] | None, State] | None
        self._narrowed = None
        #: Withdrawals that could not be recorded; they hold all the same
        #: for as long as this process lives.
        self._stopped: frozenset[str] = frozenset()
        #: Somebody said to be too young, which is not written down.
        self._barred = False
        #: Grows with each act of this process.
        self.generation: int = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Consent under {self._policy.id} {self._policy.version}>"

    # What they add up to

    def state(self) -> State:
        """
        Give the choices as they are now, over all processes of the app.

        A ledger that cannot be read gives a state that permits nothing and
        says why; nothing is raised.
        """
        return self._without_stopped(self._recorded())

    def _recorded(self) -> State:
        try:
            entries = self._entries()
            masks = self._signals().masks(self._policy, entries)
            now = self._clock().astimezone(UTC)
            folded = self._folded
            if folded is None or not folded.holds(entries, masks, now):
                folded = self._fold_anew(entries, masks, now)
        except StoreError as error:
            return self._unreadable(str(error))
        return folded.state

    def _unreadable(self, problem: str) -> State:
        # The same again while nothing changes: a refusal is to be cheap.
        known = self._broken
        if known is None or known.problem != problem:
            self._broken = known = unreadable(self._policy, problem)
        return known

    def _fold_anew(
        self,
        entries: tuple[Entry, ...],
        masks: Mapping[str, tuple[str, ...]],
        now: datetime,
    ) -> _Folded:
        known = self._folded
        if known is not None and known.state.at is not None:
            # A clock that is set back brings nothing back to life.
            now = max(now, known.state.at)
        state = self._fold(entries, now, masks)
        self._folded = made = _Folded(
            entries=entries, masks=masks, state=state
        )
        return made

    def _fold(
        self,
        entries: Iterable[Entry],
        now: datetime,
        masks: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> State:
        return fold(
            entries, self._policy, at=now, archive=self._archive, masks=masks
        )

    def _without_stopped(self, state: State) -> State:
        stopped = None if self._barred else self._stopped
        if stopped is not None and not stopped:
            return state
        known = self._narrowed
        if known is None or known[0] is not state or known[1] != stopped:
            known = (state, stopped, self._narrow(state, stopped))
            self._narrowed = known
        return known[2]

    @staticmethod
    def _narrow(state: State, stopped: frozenset[str] | None) -> State:
        if stopped is None:
            return _all(state, Status.GUARDIAN_NEEDED, ("barred",))
        choices = {
            e: Choice(element=e, status=Status.WITHDRAWN, entry=c.entry)
            if e in stopped
            else c
            for e, c in state.choices.items()
        }
        return evolve(
            state,
            choices=choices,
            bases=tuple(
                b for b in state.bases if stopped.isdisjoint(used_for(b))
            ),
        )

    def _entries(self) -> tuple[Entry, ...]:
        tag = self._subject(False)
        return () if tag is None else self._ledger.entries(tag)

    def history(self, element: str | None = None) -> tuple[Entry, ...]:
        """
        Give the entries of the ledger, oldest first.

        Args:
            element: Only those of this function or separate decision.

        Raises:
            StoreError: If the ledger cannot be read.
        """
        entries = self._entries()
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
        if state.at is not None:
            # The state may be of a while ago, and a clock may be set back.
            at = max(at, state.at)
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

            StoreError: If it cannot be recorded.
        """
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
        self._append(
            lambda _: [
                _Act(
                    Act.NOTICE_SHOWN,
                    element,
                    method,
                    language=made.language,
                    notice=made.digest,
                )
            ]
        )
        return made

    def defer(self, element: str, *, method: str = "app") -> None:
        """
        Record that the question was closed without an answer.

        Raises:
            ValueError: As `show`.

            StoreError: As `show`.
        """
        self._check(element, method)
        self._append(lambda _: [_Act(Act.DEFERRED, element, method)])

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

            NoticeNeededError: If *element* is a decision of its own or a
                third party's function, and its notice of this version was
                not shown.

            StoreError: If it cannot be recorded; then nothing is granted.
        """
        self._check(element, method)
        self._check_act(element, method, by, preselected=preselected)
        if self._barred:
            raise TooYoungError
        state = self.state()
        standing = None if renew else self._standing(state, element, by)
        if standing is not None:
            return standing
        self._check_notice(state, element, by)
        stopped = element in self._stopped

        def plan(before: State) -> list[_Act]:
            known = None if renew else self._standing(before, element, by)
            if known is not None and not stopped:
                return []
            return [
                _Act(
                    Act.GRANTED,
                    element,
                    method,
                    language=language,
                    by=by,
                    notice=self._shown(before, element),
                )
            ]

        before, made = self._append(plan)
        with self._lock:
            self._stopped -= {element}
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
            self._policy, self._entries(), self.state()
        )
        acts = [
            _Act(
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

            StoreError: As `accept`.
        """
        own = set(Category) - {Category.THIRD_PARTY}
        return self._accept(own, method)

    def _accept(
        self, categories: set[Category], method: str
    ) -> tuple[Entry, ...]:
        if self._barred:
            raise TooYoungError
        wanted = [
            f
            for f in self._policy.functions.values()
            if f.category in categories
        ]
        for function in wanted:
            self._check(function.id, method)
            self._check_act(function.id, method, Actor.PERSON)

        def plan(before: State) -> list[_Act]:
            at = before.at or datetime.max.replace(tzinfo=UTC)
            return [
                _Act(Act.POLICY_ADOPTED, "", method),
                *(
                    _Act(
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

            StoreError: If it cannot be recorded.
        """
        self._check_method(method)
        plan = [_Act(Act.POLICY_ADOPTED, "", method)]
        return self._append(lambda _: plan)[1][0]

    def acknowledge(self, function: str, *, method: str = "app") -> Entry:
        """
        Record that the person acknowledged what *function* says first.

        Raises:
            ValueError: If the policy has no such function, or it has
                nothing to acknowledge.

            StoreError: If it cannot be recorded.
        """
        self._check(function, method)
        text = self._function(function).acknowledge
        if not text:
            msg = f"{function!r} has no text to acknowledge"
            raise ValueError(msg)
        act = _Act(
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
        if not self._entries():
            # Nobody is on record, and erasing must not put anybody there.
            everything = frozenset(self._policy.elements)
            destroyed, running = self._carry_out(everything, frozenset())
            return Withdrawal(
                entries=(), destroyed=destroyed, still_running=running
            )
        done = self._end_all(
            tuple(self._policy.functions), Act.WITHDRAWN, "erasure"
        )
        erased = _Act(Act.ERASED, "", "erasure", by=Actor.SYSTEM)
        self._append(lambda _: [erased])
        return done

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
        act = _Act(Act.REFUSED, element, method, facts={"of": "widening"})
        return self._append(lambda _: [act])[1][0]

    def pause(self, element: str = "", *, method: str = "app") -> Entry:
        """
        Stop *element* for a time; all of it, if empty. What was kept waits.

        Raises:
            ValueError: If the policy has no such element.

            StoreError: If it cannot be recorded.
        """
        return self._note(Act.PAUSED, element, method)

    def resume(self, element: str = "", *, method: str = "app") -> Entry:
        """
        Take a pause back.

        Raises:
            ValueError: As `pause`.

            StoreError: As `pause`.
        """
        return self._note(Act.RESUMED, element, method)

    def _note(self, act: Act, element: str, method: str) -> Entry:
        if element:
            self._check(element, method)
        else:
            self._check_method(method)
        return self._append(lambda _: [_Act(act, element, method)])[1][0]

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

            StoreError: If it cannot be recorded.
        """
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
        act = _Act(Act.AGE_DECLARED, "", method, facts=facts)
        self._append(lambda _: [act])
        self._barred = False
        self._carry_out_lost(before)
        return band

    def _bar(self) -> None:
        """
        Turn somebody away who is too young, and keep nothing of it.
        """
        self._barred = True
        self.generation += 1
        if not self._entries():
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
        forgotten = _Act(Act.AGE_DECLARED, "", "age", facts={"age": "unknown"})
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

            StoreError: If it cannot be recorded.
        """
        self._check_method(method)
        if not reference.strip():
            msg = "reference must say where the proof is filed"
            raise ValueError(msg)
        act = _Act(
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

            StoreError: If it cannot be recorded.
        """
        for element in answers:
            self._check(element, "import")
        known = {
            (e.element, e.facts.get("value"), e.facts.get("origin"))
            for e in self.history()
            if e.act is Act.IMPORTED
        }
        acts = [
            _Act(
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
        act = _Act(
            Act.BASIS_USED,
            function,
            "basis",
            by=Actor.CONTROLLER,
            facts=facts,
        )
        return self._append(lambda _: [act])[1][0]

    def record_attestation(self, function: str, text: str) -> Entry:
        """
        Record what the person vouched for when using *function*.

        Raises:
            ValueError: If the policy has no such function.

            StoreError: If it cannot be recorded; then it is not used.
        """
        self._check(function, "attestation")
        act = _Act(Act.ATTESTED, function, "attestation", facts={"said": text})
        return self._append(lambda _: [act])[1][0]

    def record_mask(self, element: str, cause: str) -> None:
        """
        Record that something outside took a consent's effect away.

        Args:
            element: What it concerns.

            cause: What it was, such as ``os_permission:camera``.

        Raises:
            StoreError: If it cannot be recorded.
        """
        act = _Act(
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
        facts: Mapping[str, str] = _NO_FACTS,
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
        facts: Mapping[str, str] = _NO_FACTS,
    ) -> Withdrawal:
        ended = frozenset(
            e for e in self._policy.elements if _is_part(e, elements)
        )
        with self._lock:
            self._stopped |= ended
            self.generation += 1

        def plan(before: State) -> list[_Act]:
            # As recorded: a withdrawal that could not be is recorded now.
            return [
                _Act(act, e, method, language=language, by=by, facts=facts)
                for e in _to_record(elements, act, ended, before.choices)
            ]

        grants = self._grants_known(ended, by)
        entries: tuple[Entry, ...] = ()
        try:
            before, entries = self._append(plan)
            # Only those before it: a later yes is none of its concern.
            grants = _grants_of(ended, before, by)
        finally:
            # Even where the ledger takes no entry, what waits is destroyed.
            destroyed, running = self._carry_out(ended, grants)
        with self._lock:
            self._stopped -= ended
        return Withdrawal(
            entries=entries, destroyed=destroyed, still_running=running
        )

    def _grants_known(
        self, elements: frozenset[str], by: Actor
    ) -> frozenset[str]:
        with suppress(StoreError):
            return _grants_of(elements, self._entries(), by)
        return frozenset()

    def _append(
        self, plan: Callable[[State], Iterable[_Act]]
    ) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
        """
        Record what *plan* decides on, from the state right before it.

        Returns:
            The entries that were there, and the new ones.
        """
        now = self._clock().astimezone(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)

        def drafts(before: tuple[Entry, ...]) -> list[Draft]:
            # A clock that is set back brings nothing back to life here, too.
            seen = self._folded.state.at if self._folded else None
            state = self._fold(before, now if seen is None else max(now, seen))
            # Never before an entry that is already there.
            at = max(now, max((e.at for e in before), default=now))
            return [self._draft(act, at) for act in plan(state)]

        done = self._ledger.append_after(
            drafts,
            subject=self._subject(True) or LOCAL,
            policies={self._policy.digest: self._policy.canonical},
        )
        self.generation += 1
        return done.before, done.made

    def _draft(self, act: _Act, at: datetime) -> Draft:
        terms = self._function(act.element).terms if act.element else ""
        policy = self._policy

        def draft(place: Place) -> Entry:
            return Entry(
                seq=place.seq,
                at=at,
                mono=time.monotonic_ns() // 1_000_000,
                act=act.act,
                by=act.by,
                method=act.method,
                subject=place.subject,
                element=act.element,
                terms=terms,
                policy=policy.id,
                version=policy.version,
                text=policy.digest,
                language=act.language or policy.language,
                notice=act.notice,
                facts={n: _fact(text) for n, text in act.facts.items()},
                prior=place.prior,
                prev=place.prev,
            )

        return draft

    # Checking

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


@frozen
class _Act:
    """
    An entry to be: what does not depend on its place.
    """

    act: Act
    element: str
    method: str
    language: str = field(default="", kw_only=True)
    by: Actor = field(default=Actor.PERSON, kw_only=True)
    notice: str = field(default="", kw_only=True)
    facts: Mapping[str, str] = field(default=_NO_FACTS, kw_only=True)


@frozen(kw_only=True)
class _Folded:
    """
    A state, and what it was folded from.
    """

    entries: tuple[Entry, ...]
    masks: Mapping[str, tuple[str, ...]]
    state: State

    def holds(
        self,
        entries: tuple[Entry, ...],
        masks: Mapping[str, tuple[str, ...]],
        now: datetime,
    ) -> bool:
        """
        Tell whether it is still the state.
        """
        until = self.state.until
        return (
            self.entries is entries
            and (until is None or now < until)
            and self.masks == masks
        )


class _Archive(Mapping[str, Policy]):
    """
    The policies that people agreed to, read from the ledger when needed.
    """

    def __init__(self, policy: Policy, ledger: Ledger) -> None:
        self._policy = policy
        self._ledger = ledger
        self._known: dict[str, Policy | None] = {}

    def __getitem__(self, digest: str) -> Policy:
        if digest == self._policy.digest:
            return self._policy
        if digest not in self._known:
            self._known[digest] = self._read(digest)
        found = self._known[digest]
        if found is None:
            raise KeyError(digest)
        return found

    def _read(self, digest: str) -> Policy | None:
        text = self._ledger.policy(digest)
        if text is None:
            return None
        # A document that this version cannot read covers nothing.
        with suppress(PolicyError):
            return parse_canonical(text)
        return None

    def __iter__(self) -> Iterator[str]:
        return iter([self._policy.digest, *self._known])

    def __len__(self) -> int:
        return 1 + len(self._known)


def _check_time(until: str) -> None:
    with suppress(ValueError):
        if not until or datetime.fromisoformat(until).tzinfo is not None:
            return
    msg = f"until must be a time of ISO 8601 with its zone, not {until!r}"
    raise ValueError(msg)


def _fact(text: str) -> str:
    """
    Give *text* as the ledger takes it: short, and without half characters.
    """
    return text[:_FACT_CHARACTERS].encode(errors="replace").decode()


def _all(state: State, status: Status, cause: tuple[str, ...]) -> State:
    choices = {
        e: Choice(element=e, status=status, cause=cause) for e in state.choices
    }
    return evolve(state, choices=choices, bases=(), stopped_bases=())


def _is_part(element: str, of: tuple[str, ...]) -> bool:
    """
    Tell whether *element* is one of these, or a decision beside one.
    """
    return element in of or any(
        element.startswith((f"{whole}/", f"{whole}@", f"{whole}+"))
        for whole in of
    )


def _grants_of(
    elements: frozenset[str], entries: Iterable[Entry], by: Actor
) -> frozenset[str]:
    """
    Name all that opened *elements* so far and ends with a no of *by*.

    An account and an organisation take back their own yes only: the
    person's stands, if it may be stopped as long as the other says no.
    """
    own = by in (Actor.ACCOUNT, Actor.ORGANISATION)
    return frozenset(
        entry.hash
        for entry in entries
        if (
            entry.act is Act.GRANTED
            and entry.element in elements
            and (not own or entry.by is by)
        )
        or (
            entry.act is Act.BASIS_USED
            and not own
            and not elements.isdisjoint(used_for(entry))
        )
    )


_THERE: Final = {
    Act.REFUSED: Status.REFUSED,
    Act.WITHDRAWN: Status.WITHDRAWN,
    Act.OBJECTED: Status.OBJECTED,
    Act.INVALIDATED: Status.INVALIDATED,
}


def _to_record(
    elements: tuple[str, ...],
    act: Act,
    ended: frozenset[str],
    before: Mapping[str, Choice],
) -> tuple[str, ...]:
    """
    Choose what a no is recorded for: the elements, and what they had open.
    """
    there = _THERE[act]
    return tuple(
        e
        for e, choice in before.items()
        if e in ended
        and (
            (e in elements and choice.status is not there)
            or choice.grants
            or choice.status in OPEN
        )
    )
