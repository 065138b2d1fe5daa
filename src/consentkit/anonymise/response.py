# SPDX-License-Identifier: MIT
"""
Answers at random: what one person says may be untrue, what many say counts.

Of a closed list of values, the true one is given with some probability, and
otherwise one of the others, each as likely. Whoever gets the answer cannot
be sure of it, at any time later, with any other knowledge: that is local
differential privacy, by the number *epsilon*. No answer is more than
``e ** epsilon`` times as likely for one true value as for another.

The answer is permanent: it is drawn once for each value and epoch, by a
keyed function, so asking often averages nothing away. A value that changes
is answered once more, and so is a new epoch; each such answer spends epsilon
again. `consentkit.anonymise.budget` keeps count, for the person to see.

What it does not hide: that an answer is another one than before, which shows
that the value has changed, though not from what to what.

From about 10,000 answers on, `estimate` gives the shares among the people to
a percent or two.

Source:
    Warner, "Randomized Response" (1965); Kairouz, Bonawitz and Ramage,
    "Discrete Distribution Estimation under Local Privacy" (2016), for more
    than two values; Erlingsson, Pihur and Korolova, "RAPPOR" (2014), section
    3, for the permanent answer.

Units: epsilon in nats; probabilities and shares from 0 to 1.
"""

from __future__ import annotations

import math

from collections.abc import Mapping, Sequence

from attrs import frozen

from consentkit.anonymise.noise import uniform
from consentkit.anonymise.series import epoch_in_words


__all__ = ["Spent", "answer", "estimate", "truth"]

_MOST_EPSILON = 4.0


def truth(epsilon: float, count: int) -> float:
    """
    Tell how likely an answer is true.

    Args:
        epsilon: What the answer may tell, above 0 and at most 4.

        count: How many values there are, 2 or more.

    Raises:
        ValueError: If an argument is out of range.
    """
    if not 0 < epsilon <= _MOST_EPSILON:
        msg = f"`epsilon` must be above 0 and at most {_MOST_EPSILON:g}"
        raise ValueError(msg)
    if count < 2:
        msg = "an answer at random needs two values or more"
        raise ValueError(msg)
    return math.exp(epsilon) / (math.exp(epsilon) + count - 1)


def answer(
    value: str, values: Sequence[str], *, key: bytes, epsilon: float
) -> str | None:
    """
    Answer *value* or another one of *values*, as the key decides.

    Args:
        value: The true one.

        values: All that there are, each once; the order matters to nobody.

        key: At least 16 bytes; who has it knows the true value. Take one for
            each recipient, data type and epoch:
            :func:`consentkit.anonymise.digests.derive_pseudonym_key`.

        epsilon: What the answer may tell, above 0 and at most 4.

    Returns:
        One of *values*; None if *value* is not one of them.

    Raises:
        ValueError: If an argument is out of range, or a value stands twice.
            The message tells none of them.
    """
    choice = sorted(values)
    likely = truth(epsilon, len(choice))
    if len(set(choice)) < len(choice):
        msg = "each of `values` must stand there once"
        raise ValueError(msg)
    if value not in choice:
        return None
    if uniform(key, f"answer is true {value}") < likely:
        return value
    others = [other for other in choice if other != value]
    place = uniform(key, f"answer is untrue {value}") * len(others)
    return others[min(int(place), len(others) - 1)]


def estimate(
    counts: Mapping[str, int], values: Sequence[str], *, epsilon: float
) -> dict[str, float]:
    """
    Estimate the true shares from the answers of many people.

    Without bias; a share of few people may come out below 0.

    Args:
        counts: How many people gave each answer, one answer a person.

        values: All that there are.

        epsilon: As the answers were given with.

    Returns:
        The share of each of *values*, in their order; they add up to 1.

    Raises:
        ValueError: If there are no answers, or *epsilon* is out of range.
    """
    total = sum(counts.get(value, 0) for value in values)
    if not total:
        msg = "there are no answers"
        raise ValueError(msg)
    true = truth(epsilon, len(values))
    untrue = (1 - true) / (len(values) - 1)
    return {
        value: (counts.get(value, 0) / total - untrue) / (true - untrue)
        for value in values
    }


@frozen(kw_only=True)
class Spent:
    """
    What answers at random have told of one data type so far.

    Attributes:
        function: Id of the function.

        data_type: Id of the data type.

        recipient: Who got the answers.

        epoch: Name of the epoch, or empty.

        answers: How many different values were answered.

        epsilon: What they tell of these values together, at most, in nats;
            that one answer follows another tells of a change beside it.
    """

    function: str
    data_type: str
    recipient: str
    epoch: str
    answers: int
    epsilon: float

    def __str__(self) -> str:
        times = "answer" if self.answers == 1 else "different answers"
        when = f" in {epoch_in_words(self.epoch)}" if self.epoch else ""
        return (
            f"{self.function}/{self.data_type} to {self.recipient}{when}: "
            f"{self.answers} {times} at random, "
            f"epsilon {self.epsilon:g} spent"
        )
