# SPDX-License-Identifier: MIT
"""
A permit for a test, by the way that apps get theirs.

A tiny policy is written, a kit is opened on it in a temporary folder, its
person says yes to everything, and the function is in use: there is no other
door, not even here.
"""

from __future__ import annotations

import json
import tempfile

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import consentkit

from consentkit.anonymise.intents import INTENTS
from consentkit.collectors._record import on_record
from consentkit.consent.signals import Signals
from consentkit.gate import Permit
from consentkit.policy.load import parse_policy
from consentkit.policy.model import Policy, ProtectionName
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["FUNCTION", "Protect", "kit_for", "permit_for", "tiny_policy"]

#: A protection as a policy document has it: its name, or its parameters.
Protect: TypeAlias = str | Mapping[str, object]

#: Id of the one function of `tiny_policy`.
FUNCTION: Final = "tested"

_SCENE: Final = "testing"

_HEAD: Final = """\
schema = 1

[policy]
id = "tiny"
title = "A policy for one test"
version = "1"
effective = 2020-01-01
language = "en"

[controller]
id = "maker"
name = "Maker"
contact = "privacy@maker.example"

[[functions]]
id = "tested"
name = "Tested"
category = "additional"
text = "May it be tested?"
basis = ["consent"]
on_refusal = "function_unavailable"
purposes = ["usage_statistics"]
retention = "P1D"
"""


def tiny_policy(data_type: str, *, protect: Protect | None = None) -> Policy:
    """
    Write a policy that promises one data type and nothing else.

    Args:
        data_type: Id of the vocabulary.

        protect: What is done to the value, as in a policy document; by
            default ``take`` with every intent where the type has that, and
            ``local_only`` otherwise.

    Raises:
        PolicyError: If no policy may say so.
    """
    row: dict[str, object] = {
        "type": data_type,
        "protect": protect or _usual(data_type),
    }
    known = load_vocabulary().data_types.get(data_type)
    if known is not None and known.category == "clipboard":
        row["scenes"] = [_SCENE]
    lines = (f"{key} = {_inline(value)}" for key, value in row.items())
    return parse_policy(
        f"{_HEAD}\n[[functions.collects]]\n" + "\n".join(lines)
    )


def _usual(data_type: str) -> Protect:
    known = load_vocabulary().data_types.get(data_type)
    if known is None or ProtectionName.TAKE not in known.protections:
        return "local_only"
    return {"name": "take", "intents": sorted(INTENTS)}


def _inline(value: object) -> str:
    match value:
        case Mapping():
            pairs = (f"{k} = {_inline(v)}" for k, v in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case str() | int() | float():
            return json.dumps(value)
        case Sequence():
            return f"[{', '.join(map(_inline, value))}]"
        case _:
            msg = f"no policy document has a {type(value).__name__}"
            raise TypeError(msg)


@contextmanager
def kit_for(
    data_type: str,
    *,
    protect: Protect | None = None,
    granted: bool = True,
    **options: Any,
) -> Iterator[consentkit.Kit]:
    """
    Open a kit on `tiny_policy`, in a folder that goes with the block.

    Args:
        data_type: Id of the vocabulary.

        protect: As for `tiny_policy`.

        granted: Whether the person has said yes to everything.

        options: What `consentkit.open` takes besides.
    """
    policy = tiny_policy(data_type, protect=protect)
    # The machine that runs the tests is nobody's device: no signals.
    options = {"signals": Signals, **options}
    with (
        tempfile.TemporaryDirectory(prefix="consentkit-testing-") as folder,
        consentkit.open(policy, data_dir=folder, **options) as kit,
    ):
        for element in policy.elements if granted else ():
            kit.consent.show(element)
            kit.consent.grant(element, method="testing")
        yield kit


@contextmanager
def permit_for(
    data_type: str, *, protect: Protect | None = None
) -> Iterator[Permit]:
    """
    Give a genuine permit to read *data_type*, for the time of the block.

    It holds in the thread that entered the block, and is dead afterwards.
    There a clipboard may be read with no line in a ledger, too.

    Args:
        data_type: Id of the vocabulary.

        protect: As for `tiny_policy`.

    Raises:
        PolicyError: If no policy may say so.

    .. versionadded:: 26.1.0
    """
    with kit_for(data_type, protect=protect) as kit, kit.use(FUNCTION) as use:
        answer = use.permit(data_type)
        assert isinstance(answer, Permit), str(answer)
        with on_record(answer):
            yield answer
