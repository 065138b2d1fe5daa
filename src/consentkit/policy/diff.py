# SPDX-License-Identifier: MIT
"""
Two versions of a policy: what has changed, what is major, what is asked anew.

Every key that differs is one change. A document says itself which kinds of
change are major; those of the old version and of the new one both count,
since one was promised and the other is. What a consent to the old version
covers of the new one is decided by `consentkit.policy.scope`; here each
change is told which consents fall because of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from itertools import chain
from typing import Any, Final

from attrs import frozen

from consentkit.policy._differences import (
    Found,
    Place,
    differences,
    in_words,
)
from consentkit.policy._judge import ADDED, REMOVED, Rule, rule_of
from consentkit.policy.model import (
    ABROAD,
    Policy,
)
from consentkit.policy.scope import Beyond, Compared, Use
from consentkit.policy.tables import (
    CollectsTable,
    FunctionTable,
    RecipientTable,
)


__all__ = [
    "Change",
    "ChangeKind",
    "Difference",
    "Fall",
    "FallKind",
    "Loss",
    "compare",
]


class ChangeKind(Enum):
    """
    What happened at one place of the document.
    """

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RENAMED = "renamed"


@frozen(kw_only=True)
class Change:
    """
    One place at which two versions differ.

    Attributes:
        path: Where, such as ``$.functions[track].collects[imei].retention``;
            in brackets stands the row's own name.

        what: The same in words.

        before: What stood there; ``None`` where nothing did.

        after: What stands there; ``None`` where nothing does.

        major_kind: The kind of major change, in a word of
            ``changes.major``; empty for a minor one.

        reduces_rights: Whether it takes something from people.

        asks: Elements that have to be asked for because of it.
    """

    path: str
    kind: ChangeKind
    what: str
    before: object
    after: object
    major_kind: str = ""
    reduces_rights: bool = False
    asks: tuple[str, ...] = ()

    @property
    def major(self) -> bool:
        """
        Tell whether one of the versions calls a change of its kind major.
        """
        return bool(self.major_kind)


@frozen(kw_only=True)
class Loss:
    """
    What a consent does not cover any more.

    Attributes:
        data_type: Empty for what a function does by its SDK alone.

        reasons: In what the new version goes beyond the old one.
    """

    data_type: str
    purpose: str
    recipient: str
    reasons: tuple[Beyond, ...]


class FallKind(Enum):
    """
    What becomes of a consent.
    """

    #: Nobody can have been asked for it: it is a new decision.
    NEW = "new"
    #: It covers a part of what the new version asks for.
    PARTLY = "partly"
    #: It covers nothing of it.
    WHOLLY = "wholly"
    #: The new version has no such decision.
    GONE = "gone"


@frozen(kw_only=True)
class Fall:
    """
    An element whose consent loses something, or that is a new one.

    Attributes:
        losses: What is not covered; empty where the element is new or gone.
    """

    element: str
    kind: FallKind
    losses: tuple[Loss, ...] = ()


@frozen(kw_only=True)
class Difference:
    """
    Everything in which a new version differs from an old one.

    Attributes:
        changes: Each place, in the order of the document.

        falls: What becomes of consents, in the order of the elements; those
            that stand as they are are left out.

        accept_due: Whether people are under the old version until they
            accept the new one: it reduces what they had, and the old one
            does not say that it may.
    """

    changes: tuple[Change, ...]
    falls: tuple[Fall, ...]
    accept_due: bool

    @property
    def asks(self) -> tuple[str, ...]:
        """
        The elements that have to be asked for before they are used in full.
        """
        return tuple(
            f.element for f in self.falls if f.kind is not FallKind.GONE
        )

    @property
    def notice_due(self) -> bool:
        """
        Tell whether a change is major, so that people have to be told.
        """
        return any(change.major for change in self.changes)

    @property
    def major_kinds(self) -> tuple[str, ...]:
        """
        The kinds of major change that there are, each once.
        """
        kinds = dict.fromkeys(c.major_kind for c in self.changes if c.major)
        return tuple(kinds)

    @property
    def needs_something(self) -> bool:
        """
        Tell whether people have to be told, asked, or to accept.
        """
        return bool(self.asks) or self.notice_due or self.accept_due


def compare(old: Policy, new: Policy) -> Difference:
    """
    Say in what *new* differs from *old*, and what that asks for.
    """
    found = _Falls(old, new)
    judge = _Judge(old, new, found.causes)
    changes = tuple(
        judge.change(found)
        for found in differences(
            old.document.one_by_one(), new.document.one_by_one(), Place()
        )
    )
    promised = old.document.changes
    may_reduce = promised is not None and promised.no_reduction is False
    return Difference(
        changes=changes,
        falls=tuple(found.falls),
        accept_due=not may_reduce and any(c.reduces_rights for c in changes),
    )


# Which consents fall


@frozen(kw_only=True)
class _Cause:
    """
    One reason why one element falls, to be matched with changes.

    Attributes:
        kind: What becomes of the element.

        data_types, purposes, recipients: Of which this is the reason; each
            is ``None`` for any.
    """

    element: str
    kind: FallKind
    function: str
    reason: Beyond
    data_types: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
    recipients: frozenset[str] | None = None


class _Falls:
    """
    Which consents fall, and because of what.

    Attributes:
        falls: In the order of the elements.

        causes: In the order of the falls.
    """

    def __init__(self, old: Policy, new: Policy) -> None:
        self.falls: list[Fall] = []
        self.causes: list[_Cause] = []
        self._old = old
        self._new = new
        # Functions of one kind lose the same.
        self._losses: dict[tuple[str, tuple[Use, ...]], tuple[Loss, ...]] = {}
        before = frozenset(old.elements)
        for function in new.functions.values():
            compared = Compared(old, new, function.id)
            for element in function.elements:
                if element in before:
                    self._held(compared, function.id, element)
                else:
                    self._new_one(element)
        after = frozenset(new.elements)
        for element in old.elements:
            if element not in after:
                self._gone(element)

    def _held(self, compared: Compared, function: str, element: str) -> None:
        """
        Hold a consent to *element* against the new version.
        """
        alike: dict[int, tuple[tuple[Use, ...], list[str]]] = {}
        order: list[tuple[str, int]] = []
        number = 0
        for data_type, uses in compared.uses(element):
            number += len(uses)
            _, types = alike.setdefault(id(uses), (uses, []))
            types.append(data_type)
            order.append((data_type, id(uses)))
        lost = {
            key: tuple(use for use in uses if use[2])
            for key, (uses, _) in alike.items()
        }
        losses = tuple(
            loss
            for data_type, key in order
            if lost[key]
            for loss in self._lost(data_type, lost[key])
        )
        if not losses:
            return
        whole = len(losses) == number
        kind = FallKind.WHOLLY if whole else FallKind.PARTLY
        self.falls.append(Fall(element=element, kind=kind, losses=losses))
        for key, (_, types) in alike.items():
            for reason in dict.fromkeys(r for u in lost[key] for r in u[2]):
                due = [use for use in lost[key] if reason in use[2]]
                self.causes.append(
                    _Cause(
                        element=element,
                        kind=kind,
                        function=function,
                        reason=reason,
                        data_types=frozenset(types),
                        purposes=frozenset(purpose for purpose, _, _ in due),
                        recipients=frozenset(party for _, party, _ in due),
                    )
                )

    def _lost(self, data_type: str, uses: tuple[Use, ...]) -> tuple[Loss, ...]:
        key = (data_type, uses)
        if key not in self._losses:
            self._losses[key] = tuple(
                Loss(
                    data_type=data_type,
                    purpose=purpose,
                    recipient=recipient,
                    reasons=reasons,
                )
                for purpose, recipient, reasons in uses
            )
        return self._losses[key]

    def _new_one(self, element: str) -> None:
        self.falls.append(Fall(element=element, kind=FallKind.NEW))
        function, data_type, recipient = _parts_of(element)
        before = self._old.functions.get(function)
        if before is None:
            reason = Beyond.FUNCTION
        elif data_type and data_type not in before.clauses:
            reason = Beyond.DATA_TYPE
        elif recipient and recipient not in before.recipients:
            reason = Beyond.RECIPIENT
        else:
            # It was there before, as a part of another decision.
            reason = Beyond.DECISION
        self.causes.append(_cause_of(self.falls[-1], reason))

    def _gone(self, element: str) -> None:
        self.falls.append(Fall(element=element, kind=FallKind.GONE))
        if _was_merged(self._new, element):
            self.causes.append(_cause_of(self.falls[-1], Beyond.DECISION))


def _cause_of(fall: Fall, reason: Beyond) -> _Cause:
    function, data_type, recipient = _parts_of(fall.element)
    return _Cause(
        element=fall.element,
        kind=fall.kind,
        function=function,
        reason=reason,
        data_types=frozenset({data_type}) if data_type else None,
        recipients=frozenset({recipient}) if recipient else None,
    )


def _was_merged(new: Policy, element: str) -> bool:
    """
    Tell whether what *element* was about goes on without it.
    """
    name, data_type, recipient = _parts_of(element)
    function = new.functions.get(name)
    if function is None or element.endswith(ABROAD):
        return False
    return data_type in function.clauses or recipient in function.recipients


def _parts_of(element: str) -> tuple[str, str, str]:
    """
    Split an element into function, data type and recipient.
    """
    whole = element.removesuffix(ABROAD)
    function, _, recipient = whole.partition("@")
    function, _, data_type = function.partition("/")
    return function, data_type, recipient


# What a difference means

# Keys whose meaning hangs on others; the function knows what holds.
_EFFECTIVE: Final = frozenset({"ask_again", "pending", "valid_for"})
# Keys of a function that its clauses have by default.
_DEFAULTS: Final = frozenset({"purposes", "recipients", "retention"})
# In which of what a consent may fall short something is taken from people:
# more data for more purposes is asked for, but takes nothing.
_REDUCING: Final = frozenset(
    {
        Beyond.BASIS,
        Beyond.FREQUENCY,
        Beyond.RECIPIENT,
        Beyond.REGION,
        Beyond.RETENTION,
        Beyond.ROUTE,
        Beyond.TREATMENT,
    }
)


class _Judge:
    """
    Says what differences between two versions mean.
    """

    def __init__(
        self, old: Policy, new: Policy, causes: Iterable[_Cause]
    ) -> None:
        self._old = old
        self._new = new
        self._causes: dict[str, list[_Cause]] = {}
        for cause in causes:
            self._causes.setdefault(cause.function, []).append(cause)
        self._tables = {table.id: table for table in new.document.functions}
        self._rows: dict[str, dict[str, CollectsTable]] = {}
        self._major = {*_major_of(old), *_major_of(new)}

    def change(self, found: Found) -> Change:
        before, after = found.before, found.after
        kind, rule = _kind_of(found), _rule_for(found)
        if kind is ChangeKind.CHANGED and self.is_renamed(found):
            kind, rule = ChangeKind.RENAMED, Rule()
        matching = self.causes_of(found, rule)
        path, what = _spelt(found)
        return Change(
            path=path,
            kind=kind,
            what=what,
            before=before,
            after=after,
            major_kind=self.major_kind(rule, before, after),
            reduces_rights=rule.worse(*self.effective(found))
            or any(_takes(cause) for cause in matching),
            asks=tuple(
                dict.fromkeys(
                    c.element for c in matching if c.kind is not FallKind.GONE
                )
            ),
        )

    def major_kind(self, rule: Rule, before: Any, after: Any) -> str:
        if not rule.when(before, after):
            return ""
        return next((k for k in rule.kinds if k in self._major), "")

    def effective(self, found: Found) -> tuple[Any, Any]:
        if found.table is FunctionTable and found.key in _EFFECTIVE:
            name = found.place.function or ""
            return (
                getattr(self._old.functions[name], found.key),
                getattr(self._new.functions[name], found.key),
            )
        return found.before, found.after

    def is_renamed(self, found: Found) -> bool:
        """
        Tell whether the same party has another name.
        """
        if found.table is not RecipientTable or found.key != "name":
            return False
        party = self._new.recipients[found.place.recipient or ""]
        return found.before in party.formerly

    def causes_of(self, found: Found, rule: Rule) -> list[_Cause]:
        """
        List the causes that come from this difference.
        """
        if not rule.touches:
            return []
        name = found.place.function
        causes: Iterable[_Cause] = (
            chain.from_iterable(self._causes.values())
            if name is None
            else self._causes.get(name, ())
        )
        news = _news(found)
        return [
            cause
            for cause in causes
            if cause.reason in rule.touches
            and _fits(found.place.data_type, cause.data_types)
            and _fits(found.place.recipient, cause.recipients)
            and _fits(found.place.purpose, cause.purposes)
            and _is_among(news, found.key, cause)
            and self.is_inherited(cause, found)
        ]

    def is_inherited(self, cause: _Cause, found: Found) -> bool:
        """
        Tell whether a clause has what its function, or a rule, says.
        """
        types = cause.data_types
        if types is None or found.place.data_type is not None:
            return True
        return any(self._inherits(cause, t, found) for t in types)

    def _inherits(self, cause: _Cause, data_type: str, found: Found) -> bool:
        row = self._row(cause.function, data_type)
        if row is None:
            return True
        if found.table is FunctionTable and found.key in _DEFAULTS:
            return not getattr(row, found.key)
        if cause.reason is Beyond.RETENTION:
            return not (
                row.retention or self._tables[cause.function].retention
            )
        return True

    def _row(self, function: str, data_type: str) -> CollectsTable | None:
        rows = self._rows.get(function)
        if rows is None:
            collects = self._tables[function].collects
            rows = {type_: row for row in collects for type_ in row.each}
            self._rows[function] = rows
        return rows.get(data_type)


def _major_of(policy: Policy) -> tuple[str, ...]:
    changes = policy.document.changes
    return () if changes is None else changes.major


def _kind_of(found: Found) -> ChangeKind:
    if found.before is None and not found.key:
        return ChangeKind.ADDED
    if found.after is None and not found.key:
        return ChangeKind.REMOVED
    return ChangeKind.CHANGED


def _rule_for(found: Found) -> Rule:
    if found.key:
        return rule_of(found.table, found.key)
    rows = ADDED if found.before is None else REMOVED
    return rows.get(found.table, Rule())


def _spelt(found: Found) -> tuple[str, str]:
    """
    Name the place, as a path and in words.
    """
    path, nouns = found.place.path, list(found.place.nouns)
    if found.key:
        path += f".{found.key}"
        nouns.append(in_words(found.key))
    if found.name:
        path += f"[{found.name}]"
        nouns.append(found.name)
    return path, " of ".join(reversed(nouns))


def _fits(place: str | None, cause: frozenset[str] | None) -> bool:
    return place is None or cause is None or place in cause


def _news(found: Found) -> frozenset[str] | None:
    """
    Give what a list has that it had not; ``None`` if it is no such list.
    """
    if found.key not in {"recipients", "purposes"} or not found.after:
        return None
    return frozenset(found.after) - frozenset(found.before)


def _is_among(news: frozenset[str] | None, key: str, cause: _Cause) -> bool:
    """
    Tell whether a list that has grown has what *cause* is about.
    """
    about = cause.recipients if key == "recipients" else cause.purposes
    return news is None or about is None or not news.isdisjoint(about)


def _takes(cause: _Cause) -> bool:
    """
    Tell whether *cause* takes something from people.
    """
    if cause.kind is FallKind.GONE:
        # A decision of its own has become part of another.
        return True
    return cause.kind is not FallKind.NEW and cause.reason in _REDUCING
