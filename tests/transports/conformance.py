# SPDX-License-Identifier: MIT
"""
What tests of transports share, beside `consentkit.testing`.
"""

from __future__ import annotations

import pytest

from consentkit.testing import StoreConformance
from consentkit.testing.transport import (
    PLANTED,
    make_batch,
    make_erasure,
    make_record,
)
from consentkit.transports import Answer, Outcome


__all__ = [
    "PLANTED",
    "ErasingConformance",
    "make_batch",
    "make_erasure",
    "make_record",
    "outcomes",
]


# Whose asserts are to say what they saw; it is imported after this.
pytest.register_assert_rewrite("tests.transports.contract")


def outcomes(answer: Answer) -> list[Outcome]:
    """
    Give the outcomes of an answer in order.
    """
    return list(answer.outcomes.values())


class ErasingConformance(StoreConformance):
    """
    The suite for backends that erase, with what its tests are evidence of.
    """

    @pytest.mark.obligation("WP-BIND-4")
    def test_erases_what_was_delivered(self) -> None:
        """
        An erasure removes all batches of its grant, and no others.
        """
        super().test_erases_what_was_delivered()

    @pytest.mark.obligation("WP-BIND-4")
    def test_erasure_bars_what_comes_late(self) -> None:
        """
        Records of an erased grant are rejected for ever, old and new ones.

        A delayed event about it is rejected.
        """
        super().test_erasure_bars_what_comes_late()
