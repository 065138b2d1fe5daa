# SPDX-License-Identifier: MIT

"""
Permits for tests of collectors, made by the real gate.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from consentkit.consent.state import fold
from consentkit.gate import Gate, Permit
from consentkit.ledger.entries import GENESIS, Act, Entry
from consentkit.policy.model import (
    Category,
    Clause,
    Controller,
    Function,
    Policy,
    Protection,
    ProtectionName,
    Recipient,
)
from consentkit.policy.period import Period
from tests.support import small


def build_permit(
    data_type: str,
    protection: Protection | ProtectionName = ProtectionName.NONE,
    **clause: Any,
) -> Permit:
    """
    Promise one data type, grant it, and ask the gate for it.

    Args:
        data_type: What is promised.

        protection: With its parameters, or by name.

        clause: Other fields of the clause.
    """
    if isinstance(protection, ProtectionName):
        protection = Protection(name=protection)
    policy = _policy(
        Clause(
            type=data_type,
            protection=protection,
            **{
                "purposes": ("testing",),
                "recipients": ("maker",),
                "retention": Period.parse("P1D"),
                **clause,
            },
        )
    )
    gate = Gate(policy=policy, state=fold(_grants(policy), policy))
    permit = gate.decide("tested", data_type)
    assert isinstance(permit, Permit), permit
    return permit


def _policy(clause: Clause) -> Policy:
    function = Function(
        id="tested",
        name="Tested",
        category=Category.ADDITIONAL,
        text="May it be tested?",
        basis=("consent",),
        on_refusal="function_unavailable",
        clauses={clause.type: clause},
    )
    return Policy(
        id="test-policy",
        title="A policy for tests",
        version="1",
        effective=date(2026, 1, 1),
        language="en",
        controller=Controller(
            id="maker", name="Maker", contact="privacy@example.com"
        ),
        recipients={
            "maker": Recipient(id="maker", name="Maker", mode="controller")
        },
        functions={function.id: function},
        # What it is made of says nothing that a test looks at.
        document=small().document,
    )


def _grants(policy: Policy) -> list[Entry]:
    return [
        Entry(
            seq=number,
            at=datetime(2026, 1, 2, tzinfo=UTC),
            act=Act.GRANTED,
            method="app",
            element=element,
            terms=policy.functions["tested"].terms,
            policy=policy.id,
            version=policy.version,
            text=policy.digest,
            language=policy.language,
            prev=GENESIS,
        )
        for number, element in enumerate(policy.elements, start=1)
    ]


@pytest.fixture
def make_permit() -> Callable[..., Permit]:
    """
    Give `build_permit`.
    """
    return build_permit
