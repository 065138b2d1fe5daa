# SPDX-License-Identifier: MIT
"""
Numbers over many people: the only thing here that is called anonymous.

They may be called so because all of this holds together:

- What is asked is said beforehand, of data types that identify nobody, and
  is answered from all records that were given for that function and purpose.
  Nobody chooses whose.
- Windows are fixed: of one length, and the same for everybody. A record
  counts in the one in which it came, so none comes into a window that is
  over.
- A window is told of once. Who asks again gets the same numbers, whatever
  was erased in between; whoever asks something else of the same time gets
  none. So there are no two numbers whose difference is a person.
- One person counts once in each question, however many records there are.
- Each number has noise (`consentkit.anonymise.laplace`) before it is looked
  at; the questions of a window share epsilon.
- A number that is not above *least* by a margin is left out, and nothing
  tells that it was. The margin is so wide that a group of fewer than *least*
  people passes it less than once in 10 ** 9 times.

What remains: each window tells by epsilon of who is in it, and that adds up
for who is in many. Records that share an identifier count as one person, and
one person with two devices that nothing links counts as two; so does who
agrees anew within a window, unless the first grant was withdrawn and so
erased. Of several recipients of a store, the one that the policy names first
is counted.

Who has the records can count them by themselves, and Python can be made to
say anything by who reaches for private names: this is about what is handed
on.

Source:
    WP29 Opinion 05/2014, sections 2.2 and 3.1; PIPL Article 73; Korolova,
    Kenthapadi, Mishra and Ntoulas, "Releasing Search Queries and Clicks
    Privately" (WWW 2009), for noise before the threshold where the labels
    come from the people too.

Units: epsilon in nats; aware UTC instants.
"""

from __future__ import annotations

import hmac
import json
import math
import os

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from attrs import field, frozen

from consentkit._mac import hmac_sha256
from consentkit._sqlite import Database
from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.laplace import discrete_laplace
from consentkit.anonymise.naming import class_of
from consentkit.anonymise.together import together
from consentkit.exceptions import DamagedError, UnprotectedError
from consentkit.gate import Refusal
from consentkit.policy.model import ProtectionName


if TYPE_CHECKING:
    from consentkit.outbox.records import Record
    from consentkit.receiver.lookup import Lookup
    from consentkit.typing import JSON


__all__ = ["FEWEST", "Aggregate", "Question", "Releases", "is_exempt"]

#: *least* may not be less.
FEWEST: Final = 10

#: How far above *least* a number has to be, in nats: e ** -21 < 10 ** -9.
_MARGIN_NATS: Final = 21

_LEAST_EPSILON: Final = 0.01

_START: Final = datetime.fromtimestamp(0, UTC)

# Of this process: what another one has sealed, or nobody, is not genuine.
_KEY: Final = os.urandom(32)

_SCHEMA = """\
CREATE TABLE told (
    begins INTEGER PRIMARY KEY,
    ends INTEGER NOT NULL,
    answers TEXT NOT NULL
) WITHOUT ROWID;
"""


def _as_tuple(types: Iterable[str]) -> tuple[str, ...]:
    return tuple(types)


def _are_nobodys(_: object, __: object, types: tuple[str, ...]) -> None:
    if not types or len({*types}) < len(types):
        msg = "a question is of one data type or several, each once"
        raise ValueError(msg)
    for type_ in types:
        if class_of(type_, ProtectionName.NONE) is PrivacyClass.PERSONAL:
            msg = f"{type_} may identify somebody, and cannot be counted by"
            raise ValueError(msg)


@frozen(kw_only=True)
class Question:
    """
    How many people there are, by what is known of them.

    Attributes:
        function: Id of the function that their records are of.

        purpose: Id of the purpose that they were given for.

        types: Ids of data types. People are counted by the values of all of
            them together, such as region and age band; who lacks one is not
            counted. Types whose values are personal as they stand are none
            of them, whatever their protection.
    """

    function: str
    purpose: str
    types: tuple[str, ...] = field(converter=_as_tuple, validator=_are_nobodys)


@final
class Aggregate:
    """
    What a window tells to a question; only `Releases` makes one.

    It is one text under a seal, and is read anew each time: nothing of it
    can be written over.

    Raises:
        UnprotectedError: If it is anything else; so do all attributes.
    """

    __slots__ = ("_seal", "_text")

    _seal: bytes
    _text: str

    def __init__(self, *, text: str = "", seal: bytes = b"") -> None:
        object.__setattr__(self, "_text", text)
        object.__setattr__(self, "_seal", seal)
        self._told()

    def __init_subclass__(cls) -> NoReturn:
        msg = "an aggregate cannot be subclassed"
        raise UnprotectedError(msg)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = "an aggregate cannot be changed"
        raise UnprotectedError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        msg = "an aggregate cannot be changed"
        raise UnprotectedError(msg)

    def __reduce__(self) -> NoReturn:
        msg = "an aggregate cannot be copied or stored: take its `as_json()`"
        raise UnprotectedError(msg)

    def __repr__(self) -> str:
        return f"<Aggregate: {len(self.counts)} groups>"

    def _told(self) -> dict[str, Any]:
        if not is_exempt(self):
            msg = "only a release makes what is anonymous"
            raise UnprotectedError(msg)
        found: dict[str, Any] = json.loads(self._text)
        return found

    def as_json(self) -> dict[str, JSON]:
        """
        Give all of it, to hand on.
        """
        return self._told()

    @property
    def privacy_class(self) -> PrivacyClass:
        """
        ``anonymous``.
        """
        self._told()
        return PrivacyClass.ANONYMOUS

    @property
    def counts(self) -> Mapping[tuple[str, ...], int]:
        """
        People, with noise, by the values of the question's types.

        Labels are sorted. One that is missing says nothing: there may be
        nobody of it, or too few.
        """
        found = self._told()["counts"]
        return MappingProxyType({tuple(label): n for label, n in found})

    @property
    def question(self) -> Question:
        """
        What was asked.
        """
        return Question(**self._told()["question"])

    @property
    def begins(self) -> datetime:
        """
        When the window began.
        """
        return datetime.fromisoformat(self._told()["begins"])

    @property
    def ends(self) -> datetime:
        """
        When it was over, and no more belonged to it.
        """
        return datetime.fromisoformat(self._told()["ends"])


def _seal_of(text: str) -> bytes:
    return hmac_sha256(_KEY, text.encode())


def is_exempt(what: object) -> bool:
    """
    Tell whether the rules on personal information leave *what* alone.

    An `Aggregate` is exempt and nothing else: a record is of one device,
    whatever was done to it.
    """
    if type(what) is not Aggregate:
        return False
    text, seal = getattr(what, "_text", 0), getattr(what, "_seal", 0)
    # Of a type of somebody's own, the text that is read may be another one.
    if type(text) is not str or type(seal) is not bytes:
        return False
    return hmac.compare_digest(seal, _seal_of(text))


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Releases:
    """
    Numbers over the people of one store, told once for each window.

    What was told is kept in a file of its own beside the store, named after
    it. Keep the two together: without that file a window could be told of
    again, and again, and the noise be averaged away.

    Args:
        lookup: The way to the stored records.

        questions: All that is asked, one or more; of a window that was told
            of, nothing else can be asked.

        days: Length of a window. They are counted from the start of 1970.

        least: The least number of people that is told of, `FEWEST` or more.

        epsilon: What a window may tell of one person, in all of its
            questions together; from 0.01 to 1.

        clock: Gives the time, as an aware datetime.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        lookup: Lookup,
        *questions: Question,
        days: int = 7,
        least: int = 50,
        epsilon: float = 1.0,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        _check(
            {
                "questions": (len(questions), 1, 100),
                "days": (days, 1, 366),
                "least": (least, FEWEST, 1e9),
                "epsilon": (epsilon, _LEAST_EPSILON, 1),
            }
        )
        self._lookup = lookup
        self._questions = questions
        self._length = timedelta(days=days)
        self._least = least
        self._epsilon = Fraction(epsilon) / len(questions)
        self._clock = clock
        path = lookup.path
        self._book = Database(
            path.with_name(f"{path.stem}.told{path.suffix}"),
            schema=_SCHEMA,
            version=1,
        )

    def __repr__(self) -> str:
        return f"<Releases in {self._book.path}>"

    def close(self) -> None:
        """
        Close the file; it opens again at the next use.
        """
        self._book.close()

    def release(
        self, at: datetime | None = None
    ) -> tuple[Aggregate, ...] | Refusal:
        """
        Tell the numbers of a window.

        Args:
            at: An instant in the window; by default the last one that is
                over.

        Returns:
            One for each question, in their order; or why a question may not
            be asked, and then nothing is told.

        Raises:
            ValueError: If the window is not over.

            UnprotectedError: If something else was told of this time
                already.

            StoreError: If the store or the file beside it cannot be used.
        """
        now = self._clock()
        since = self._begin(now - self._length if at is None else at)
        until = since + self._length
        if now < until:
            msg = f"the window is not over before {until.isoformat()}"
            raise ValueError(msg)
        begins, ends = int(since.timestamp()), int(until.timestamp())
        # In one transaction: of two processes one counts, the other reads.
        with self._book.writing() as rows:
            told = rows.execute(
                "SELECT answers FROM told WHERE begins < ? AND ends > ?",
                (ends, begins),
            ).fetchall()
            if told:
                return self._again(told, since)
            texts = self._told_by(since, until)
            if isinstance(texts, Refusal):
                return texts
            rows.execute(
                "INSERT INTO told VALUES (?, ?, ?)",
                (begins, ends, json.dumps(texts)),
            )
        return _sealed(texts)

    def _told_by(
        self, since: datetime, until: datetime
    ) -> list[str] | Refusal:
        """
        Answer all questions from what came in a window.
        """
        texts = []
        for question in self._questions:
            found = self._lookup.records(question.function, question.purpose)
            if isinstance(found, Refusal):
                return found
            # What two recipients got of somebody nothing links: of both
            # together each person would count twice.
            party = self._lookup.recipient(question.function, question.types)
            mine = (
                s
                for s in found
                if since <= s.received_at < until
                and s.record.recipient == party
            )
            counts = self._count(question, (s.linked for s in mine))
            texts.append(self._text(question, since, counts))
        return texts

    def _begin(self, at: datetime) -> datetime:
        return _START + (at - _START) // self._length * self._length

    @property
    def _bar(self) -> int:
        return self._least + math.ceil(_MARGIN_NATS / self._epsilon)

    def _count(
        self, question: Question, records: Iterable[Record]
    ) -> list[tuple[tuple[str, ...], int]]:
        """
        Count people, with noise, and leave out what is not many.
        """
        people: Counter[tuple[str, ...]] = Counter()
        for group in together(records):
            # What came last is what somebody counts as.
            known = {r.data_type: _label(r.value) for r in group.records}
            if known.keys() >= {*question.types}:
                people[tuple(known[t] for t in question.types)] += 1
        noisy = {
            label: n + discrete_laplace(self._epsilon)
            for label, n in people.items()
        }
        return sorted((k, n) for k, n in noisy.items() if n >= self._bar)

    def _text(
        self, question: Question, since: datetime, counts: object
    ) -> str:
        return json.dumps(
            {
                "class": PrivacyClass.ANONYMOUS.value,
                "question": {
                    "function": question.function,
                    "purpose": question.purpose,
                    "types": question.types,
                },
                "begins": since.isoformat(),
                "ends": (since + self._length).isoformat(),
                "least": self._least,
                "epsilon": float(self._epsilon),
                "counts": counts,
            }
        )

    def _again(
        self, told: list[tuple[str]], since: datetime
    ) -> tuple[Aggregate, ...]:
        """
        Give what was told, if it was this.
        """
        try:
            texts = [t for (answers,) in told for t in json.loads(answers)]
            counts = [json.loads(text)["counts"] for text in texts]
        except (ValueError, TypeError, LookupError):
            counts = None
        if counts is None:
            raise DamagedError(
                self._book.path,
                problem="what was told is not as it was written",
                cure="restore the file from a backup",
            )
        if len(counts) != len(self._questions) or texts != [
            self._text(question, since, each)
            for question, each in zip(self._questions, counts, strict=True)
        ]:
            msg = (
                "something else was told of this time already; put all "
                "questions at once, and change them for a later window"
            )
            raise UnprotectedError(msg)
        return _sealed(texts)


def _sealed(texts: Iterable[str]) -> tuple[Aggregate, ...]:
    return tuple(Aggregate(text=t, seal=_seal_of(t)) for t in texts)


def _label(value: JSON) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _check(given: Mapping[str, tuple[float, float, float]]) -> None:
    for name, (value, low, high) in given.items():
        if not low <= value <= high:
            msg = f"`{name}` must be from {low:g} to {high:g}"
            raise ValueError(msg)
