# SPDX-License-Identifier: MIT

"""
Tests for choices that are carried out while others are made.
"""

from __future__ import annotations

import os
import threading

import pytest

from consentkit.gate import Refusal
from consentkit.policy.model import Function
from tests.registry.test_registry import Person, _make_policy


class Slow(Person):
    """
    Somebody whose answer to one thread takes its time.
    """

    def __init__(self) -> None:
        super().__init__(_make_policy("huggingface_hub"))
        self.slow: threading.Thread | None = None
        self.asked_it = threading.Event()
        self.answer_it = threading.Event()

    def decide(
        self,
        function: str,
        *,
        act: str | None = None,
        attested: str | None = None,
    ) -> Function | Refusal:
        """
        Answer, to the one thread when the test says so.
        """
        answer = super().decide(function, act=act, attested=attested)
        if threading.current_thread() is self.slow:
            self.asked_it.set()
            self.answer_it.wait(20)
        return answer


def test_older_answer_does_not_undo_a_yes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Whoever asked before the yes, and hears of it after, ends nothing; a no
    that comes then does.
    """
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    person = Slow()
    registry = person.registry()
    registry.enforce(imports="load")
    try:
        assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
        person.slow = threading.Thread(target=registry.settle)
        person.slow.start()
        assert person.asked_it.wait(20)
        person.grant("huggingface_hub")
        registry.settle()
        person.answer_it.set()
        person.slow.join(20)
        assert "HF_HUB_DISABLE_TELEMETRY" not in os.environ

        person.withdraw("huggingface_hub")
        registry.settle()
        assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
    finally:
        registry.release()
