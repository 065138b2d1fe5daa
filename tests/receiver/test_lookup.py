# SPDX-License-Identifier: MIT

"""
Tests for the class of what is looked up, beside all that is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from consentkit.anonymise.classes import PrivacyClass
from consentkit.gate import Refusal
from consentkit.outbox.records import Batch, new_id
from consentkit.receiver.lookup import Lookup
from consentkit.receiver.store import StoredRecord
from tests.anonymise.crowd import Crowd
from tests.obligations.checks import changed, table


MAC = ("mac_address", "0" * 32)
MODEL = ("device_model", "A1")
VERSION = ("app_version", "7")


def digests(tree: dict[str, Any]) -> None:
    """
    Have the logs of the camera app tell the digest of an address too.
    """
    table(tree, "logs")["collects"].append(
        {"type": "mac_address", "protect": "md5"}
    )


@pytest.fixture
def improve(tmp_path: Path) -> Iterator[Crowd]:
    """
    The backend of the camera app, and who helps to improve it.
    """
    policy = changed("camera_app", digests)
    with Crowd(
        tmp_path, policy, "product_improvement", "usage_statistics"
    ) as made:
        yield made


def looked_up(
    crowd: Crowd, function: str = "", purpose: str = ""
) -> tuple[StoredRecord, ...]:
    """
    Look up what the function may use.
    """
    lookup = Lookup(crowd.store, crowd.policy, clock=crowd.clock)
    found = lookup.records(
        function or crowd.function.id, purpose or crowd.purpose
    )
    assert not isinstance(found, Refusal)
    return found


def classes(found: tuple[StoredRecord, ...]) -> dict[str, PrivacyClass | None]:
    """
    Give the class of each type, beside all that is stored.
    """
    return {one.record.data_type: one.together for one in found}


class TestTogether:
    """
    Tests for `StoredRecord.together`.
    """

    @pytest.mark.obligation("WP-COMB-1", "WP-COMB-2")
    def test_an_identifier_makes_it_personal(self, improve: Crowd) -> None:
        """
        A model is nobody's by itself; with an identifier of the same grant
        it is personal, what came before too. Another person's stays as it
        was, and so does what the record itself says.
        """
        improve.give(["ann", "bob"], MODEL)
        before = {s.together for s in looked_up(improve)}
        improve.give(["ann"], MAC)

        by_person = {s.erase: classes((s,)) for s in looked_up(improve)[:2]}

        assert before == {PrivacyClass.LINKABLE}
        assert [*by_person.values()] == [
            {"device_model": PrivacyClass.PERSONAL},
            {"device_model": PrivacyClass.LINKABLE},
        ]
        assert {s.record.privacy_class for s in looked_up(improve)[:2]} == {
            "linkable"
        }

    @pytest.mark.obligation("WP-COMB-2")
    def test_of_another_function(self, improve: Crowd, tmp_path: Path) -> None:
        """
        What was given for something else links too, though it is in no
        answer: the holder has it.
        """
        logs = Crowd(tmp_path, improve.policy, "logs", "troubleshooting")
        improve.give(["ann"], MAC, MODEL)
        clause = logs.function.clauses["mac_address"]
        purpose = clause.purposes[0]
        logs.purpose = purpose
        logs.give(["ann in the logs"], VERSION)

        alone = classes(looked_up(improve, "logs", purpose))
        logs.give(["ann in the logs"], MAC)
        linked = classes(looked_up(improve, "logs", purpose))
        improve.erase("ann in the logs")
        gone = looked_up(improve, "logs", purpose)
        logs.store.close()

        assert alone == {"app_version": PrivacyClass.LINKABLE}
        assert linked["app_version"] is PrivacyClass.PERSONAL
        assert gone == ()

    def test_by_the_batch(self, improve: Crowd) -> None:
        """
        Two batches of one grant are linked by what entitles to erase them,
        whatever consent their records name.
        """
        improve.give(["ann"], MODEL, consent="a" * 64)
        improve.give(["ann"], MAC, consent="b" * 64)

        assert classes(looked_up(improve)) == {
            "device_model": PrivacyClass.PERSONAL,
            "mac_address": PrivacyClass.PSEUDONYMISED,
        }

    def test_what_is_called_too_well_links_nothing(
        self, improve: Crowd
    ) -> None:
        """
        A record that is called better than it is is in no answer, and takes
        no other one out of it.
        """
        improve.give(["ann"], MODEL)
        (model,) = improve.store.records()
        claims = attrs.evolve(
            model.record, id=new_id(), privacy_class="anonymous"
        )
        improve.store.put(
            Batch(
                id=new_id(),
                recipient="r",
                erase=model.erase,
                records=(claims,),
            ),
            now=improve.clock(),
        )

        (found,) = looked_up(improve)

        assert found.record.id == model.record.id
        assert found.together is PrivacyClass.LINKABLE

    def test_nobody_has_looked(self, improve: Crowd) -> None:
        """
        What the store itself gives has no such class: none is stored.
        """
        improve.give(["ann"], MODEL)

        (stored,) = improve.store.records()

        assert stored.together is None
