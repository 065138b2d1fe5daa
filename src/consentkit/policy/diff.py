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

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

import attrs

from attrs import frozen

from consentkit.policy._judge import ADDED, REMOVED, Rule, rule_of
from consentkit.policy.model import (
    ABROAD,
    Function,
    Policy,
    split_element,
)
from consentkit.policy.scope import Atom, Beyond, atoms_of, beyond
from consentkit.policy.tables import (
    DeadlineTable,
    FieldSpec,
    FunctionTable,
    ProtectSpec,
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
    falls = tuple(_falls(old, new))
    causes = tuple(_causes(old, new, falls))
    judge = _Judge(old, new, causes)
    changes = tuple(
        judge.change(found)
        for found in _differences(
            old.document.one_by_one(), new.document.one_by_one(), _Place()
        )
    )
    promised = old.document.changes
    may_reduce = promised is not None and promised.no_reduction is False
    return Difference(
        changes=changes,
        falls=falls,
        accept_due=not may_reduce and any(c.reduces_rights for c in changes),
    )


# Which consents fall


def _falls(old: Policy, new: Policy) -> Iterator[Fall]:
    before, after = frozenset(old.elements), frozenset(new.elements)
    for element in new.elements:
        if element not in before:
            yield Fall(element=element, kind=FallKind.NEW)
            continue
        function = new.function_of(element)
        atoms = tuple(atoms_of(function, element))
        losses = tuple(_losses(old, new, function.id, atoms))
        if losses:
            whole = len(losses) == len(atoms)
            kind = FallKind.WHOLLY if whole else FallKind.PARTLY
            yield Fall(element=element, kind=kind, losses=losses)
    for element in old.elements:
        if element not in after:
            yield Fall(element=element, kind=FallKind.GONE)


def _losses(
    old: Policy, new: Policy, function: str, atoms: Iterable[Atom]
) -> Iterator[Loss]:
    for atom in atoms:
        reasons = beyond(old, new, function, atom)
        if reasons:
            yield Loss(
                data_type=atom.data_type,
                purpose=atom.purpose,
                recipient=atom.recipient,
                reasons=tuple(dict.fromkeys(reasons)),
            )


@frozen(kw_only=True)
class _Cause:
    """
    One reason why one element falls, to be matched with a change.

    Attributes:
        data_type, purpose, recipient: ``None`` for any.

        kind: What becomes of the element.
    """

    element: str
    kind: FallKind
    function: str
    reason: Beyond
    data_type: str | None = None
    purpose: str | None = None
    recipient: str | None = None


def _causes(
    old: Policy, new: Policy, falls: Iterable[Fall]
) -> Iterator[_Cause]:
    for fall in falls:
        function, _ = split_element(fall.element)
        for loss in fall.losses:
            for reason in loss.reasons:
                yield _Cause(
                    element=fall.element,
                    kind=fall.kind,
                    function=function,
                    reason=reason,
                    data_type=loss.data_type,
                    purpose=loss.purpose,
                    recipient=loss.recipient,
                )
        if fall.kind is FallKind.NEW:
            yield from _causes_of_new(old, fall.element)
        elif fall.kind is FallKind.GONE and _was_merged(new, fall.element):
            yield _cause_of(fall, Beyond.DECISION)


def _cause_of(fall: Fall, reason: Beyond) -> _Cause:
    function, data_type, recipient = _parts_of(fall.element)
    return _Cause(
        element=fall.element,
        kind=fall.kind,
        function=function,
        reason=reason,
        data_type=data_type or None,
        recipient=recipient or None,
    )


def _causes_of_new(old: Policy, element: str) -> Iterator[_Cause]:
    fall = Fall(element=element, kind=FallKind.NEW)
    function, data_type, recipient = _parts_of(element)
    before = old.functions.get(function)
    if before is None:
        reasons = [Beyond.FUNCTION]
    elif data_type and data_type not in before.clauses:
        reasons = [Beyond.DATA_TYPE]
    elif recipient and recipient not in before.recipients:
        reasons = [Beyond.RECIPIENT]
    else:
        # It was there before, as a part of another decision.
        reasons = [Beyond.DECISION]
    for reason in reasons:
        yield _cause_of(fall, reason)


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


# What differs


@frozen(kw_only=True)
class _Place:
    """
    A place of the document.

    Attributes:
        nouns: What it is in, in words, the outermost first.

        function, data_type, recipient: What it belongs to, if to one.
    """

    path: str = "$"
    nouns: tuple[str, ...] = ()
    function: str | None = None
    data_type: str | None = None
    recipient: str | None = None


@frozen(kw_only=True)
class _Found:
    """
    A difference that nobody has judged yet.

    Attributes:
        table: Class of the table that the key is in, or of the whole row.

        key: The key, or empty where a whole row came or went.
    """

    place: _Place
    table: type
    key: str
    before: Any
    after: Any
    name: str = ""


# Tables that are one value to who reads them.
_WHOLE: Final = (DeadlineTable, FieldSpec, ProtectSpec)


def _differences(old: Any, new: Any, place: _Place) -> Iterator[_Found]:
    """
    Walk through two tables of one class.
    """
    for a in attrs.fields(type(old)):
        before, after = getattr(old, a.name), getattr(new, a.name)
        if before == after:
            continue
        rows = (
            *(before if isinstance(before, tuple) else (before,)),
            *(after if isinstance(after, tuple) else (after,)),
        )
        tables = [r for r in rows if attrs.has(type(r))]
        if not tables or isinstance(tables[0], _WHOLE):
            yield from _values(old, a.name, before, after, place)
        elif isinstance(before, tuple):
            yield from _rows(a.name, before, after, place)
        else:
            yield from _one(a.name, before, after, place)


def _values(
    table: object, key: str, before: Any, after: Any, place: _Place
) -> Iterator[_Found]:
    if not isinstance(before, Mapping):
        yield _Found(
            place=place,
            table=type(table),
            key=key,
            before=before,
            after=after,
        )
        return
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield _Found(
                place=place,
                table=type(table),
                key=key,
                before=before.get(name),
                after=after.get(name),
                name=name,
            )


def _one(key: str, old: Any, new: Any, place: _Place) -> Iterator[_Found]:
    """
    Compare tables of which there is one at most.
    """
    inner = attrs.evolve(
        place,
        path=f"{place.path}.{key}",
        nouns=(*place.nouns, _in_words(key)),
    )
    if old is not None and new is not None:
        yield from _differences(old, new, inner)
        return
    yield _Found(
        place=inner,
        table=type(new if old is None else old),
        key="",
        before=old,
        after=new,
    )


def _rows(
    key: str, old: tuple[Any, ...], new: tuple[Any, ...], place: _Place
) -> Iterator[_Found]:
    """
    Compare rows, each with the one of its name.
    """
    was, now = _named(old, new), _named(new, old)
    for name in [*now, *(n for n in was if n not in now)]:
        before, after = was.get(name), now.get(name)
        row = before if after is None else after
        inner = _row_place(place, key, name, row)
        if before is None or after is None:
            yield _Found(
                place=inner,
                table=type(row),
                key="",
                before=before,
                after=after,
            )
        else:
            yield from _differences(before, after, inner)


def _named(rows: tuple[Any, ...], others: tuple[Any, ...]) -> dict[str, Any]:
    """
    Give each row a name that is its own.

    Rows without one that stand in both versions are left out, so that one
    that goes does not make the next look changed.
    """
    made: dict[str, Any] = {}
    for row in rows:
        name = _name_of(row)
        if not _has_id(row) and row in others:
            continue
        number = 1
        while (key := f"{name}#{number}" if number > 1 else name) in made:
            number += 1
        made[key] = row
    return made


_ID_KEYS: Final = (
    "id",
    "name",
    "type",
    "label",
    "version",
    "basis",
    "mode",
    "kind",
    "says",
    "source",
)
_SURE_KEYS: Final = frozenset({"id", "type", "name"})


def _id_key(row: object) -> str:
    kind: Any = type(row)
    known = [a.name for a in attrs.fields(kind)]
    return next((key for key in _ID_KEYS if key in known), known[0])


def _name_of(row: object) -> str:
    return str(getattr(row, _id_key(row)))


def _has_id(row: object) -> bool:
    return _id_key(row) in _SURE_KEYS


_NOUNS: Final = {"collects": "data type", "texts": "text", "rights": "right"}


def _row_place(place: _Place, key: str, name: str, row: object) -> _Place:
    noun = _NOUNS.get(key, _in_words(key).removesuffix("s"))
    made = attrs.evolve(
        place,
        path=f"{place.path}.{key}[{name}]",
        nouns=(*place.nouns, f"{noun} {name}"),
    )
    if isinstance(row, FunctionTable):
        return attrs.evolve(made, function=row.id)
    if isinstance(row, RecipientTable):
        return attrs.evolve(made, recipient=row.id)
    if place.function is not None and key in {"collects", "events"}:
        return attrs.evolve(made, data_type=getattr(row, "type", None))
    return made


def _in_words(key: str) -> str:
    return key.replace("_", " ")


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
        Beyond.TREATMENT,
    }
)


class _Judge:
    """
    Says what differences between two versions mean.
    """

    def __init__(
        self, old: Policy, new: Policy, causes: tuple[_Cause, ...]
    ) -> None:
        self._old = old
        self._new = new
        self._causes = causes
        self._major = {*_major_of(old), *_major_of(new)}

    def change(self, found: _Found) -> Change:
        before, after = found.before, found.after
        kind, rule = _kind_of(found), _rule_for(found)
        if kind is ChangeKind.CHANGED and self.is_renamed(found):
            kind, rule = ChangeKind.RENAMED, Rule()
        matching = [c for c in self._causes if self.is_due_to(c, found, rule)]
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

    def effective(self, found: _Found) -> tuple[Any, Any]:
        if found.table is FunctionTable and found.key in _EFFECTIVE:
            name = found.place.function or ""
            return (
                getattr(self._old.functions[name], found.key),
                getattr(self._new.functions[name], found.key),
            )
        return found.before, found.after

    def is_renamed(self, found: _Found) -> bool:
        """
        Tell whether the same party has another name.
        """
        if found.table is not RecipientTable or found.key != "name":
            return False
        party = self._new.recipients[found.place.recipient or ""]
        return found.before in party.formerly

    def is_due_to(self, cause: _Cause, found: _Found, rule: Rule) -> bool:
        """
        Tell whether *cause* comes from this difference.
        """
        place = found.place
        return (
            cause.reason in rule.touches
            and _fits(place.function, cause.function)
            and _fits(place.data_type, cause.data_type)
            and _fits(place.recipient, cause.recipient)
            and _is_news(cause, found)
            and self.is_inherited(cause, found)
        )

    def is_inherited(self, cause: _Cause, found: _Found) -> bool:
        """
        Tell whether a clause has what its function, or a rule, says.
        """
        if not cause.data_type or found.place.data_type is not None:
            return True
        row = self._row(cause)
        if found.table is FunctionTable and found.key in _DEFAULTS:
            return row is None or not getattr(row, found.key)
        function = self._new.functions[cause.function]
        if cause.reason is Beyond.RETENTION:
            return row is None or not (row.retention or self._own(function))
        return True

    def _row(self, cause: _Cause) -> Any:
        for table in self._new.document.functions:
            if table.id == cause.function:
                for row in table.collects:
                    if cause.data_type in row.each:
                        return row
        return None

    def _own(self, function: Function) -> str:
        for table in self._new.document.functions:
            if table.id == function.id:
                return table.retention
        return ""


def _major_of(policy: Policy) -> tuple[str, ...]:
    changes = policy.document.changes
    return () if changes is None else changes.major


def _kind_of(found: _Found) -> ChangeKind:
    if found.before is None and not found.key:
        return ChangeKind.ADDED
    if found.after is None and not found.key:
        return ChangeKind.REMOVED
    return ChangeKind.CHANGED


def _rule_for(found: _Found) -> Rule:
    if found.key:
        return rule_of(found.table, found.key)
    rows = ADDED if found.before is None else REMOVED
    return rows.get(found.table, Rule())


def _spelt(found: _Found) -> tuple[str, str]:
    """
    Name the place, as a path and in words.
    """
    path, nouns = found.place.path, list(found.place.nouns)
    if found.key:
        path += f".{found.key}"
        nouns.append(_in_words(found.key))
    if found.name:
        path += f"[{found.name}]"
        nouns.append(found.name)
    return path, " of ".join(reversed(nouns))


def _fits(place: str | None, cause: str | None) -> bool:
    return place is None or cause is None or place == cause


def _is_news(cause: _Cause, found: _Found) -> bool:
    """
    Tell whether a list that has grown has what *cause* is about.
    """
    about = {"recipients": cause.recipient, "purposes": cause.purpose}
    name = about.get(found.key)
    if name is None or not found.after:
        return True
    return name in set(found.after) - set(found.before)


def _takes(cause: _Cause) -> bool:
    """
    Tell whether *cause* takes something from people.
    """
    if cause.kind is FallKind.GONE:
        # A decision of its own has become part of another.
        return True
    return cause.kind is not FallKind.NEW and cause.reason in _REDUCING
