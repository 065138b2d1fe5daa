# SPDX-License-Identifier: MIT
"""
Noise for numbers: whole, exact, and drawn from the system's randomness.

A number with this noise is at most ``e ** epsilon`` times as likely with one
person more or less: whoever knows all the others cannot be sure of the last.

No floating point takes part. Noise that is made with floats has gaps, and
the gaps tell the number that it was added to.

Source:
    Ghosh, Roughgarden and Sundararajan, "Universally Utility-Maximizing
    Privacy Mechanisms" (STOC 2009), for the two-sided geometric mechanism;
    Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential
    Privacy" (NeurIPS 2020), algorithm 1, for drawing it exactly; Mironov,
    "On Significance of the Least Significant Bits for Differential Privacy"
    (CCS 2012), for what floats tell.

Units: epsilon in nats.
"""

from __future__ import annotations

from fractions import Fraction
from secrets import randbelow


__all__ = ["discrete_laplace"]


def discrete_laplace(epsilon: Fraction) -> int:
    """
    Draw a whole number *n*, as likely as ``exp(-epsilon * abs(n))`` is large.

    Args:
        epsilon: What one draw may tell, above 0 and at most 1. The smaller,
            the wider the noise, and the longer a draw takes.

    Raises:
        ValueError: If *epsilon* is out of range.
    """
    if not 0 < epsilon <= 1:
        msg = "`epsilon` must be above 0 and at most 1"
        raise ValueError(msg)
    return _geometric(epsilon) - _geometric(epsilon)


def _geometric(epsilon: Fraction) -> int:
    drawn = 0
    while _happens(epsilon):
        drawn += 1
    return drawn


def _happens(gamma: Fraction) -> bool:
    """
    Tell yes with a probability of ``exp(-gamma)``.
    """
    count = 1
    while randbelow(gamma.denominator * count) < gamma.numerator:
        count += 1
    return count % 2 == 1
