# SPDX-License-Identifier: MIT

"""
What the camera app's document promises of data when the purpose is over:
results of research are de-identified, and "delete or anonymise" is one of
these two, for real. Shown on the store of the reference backend.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from consentkit.anonymise.aggregate import Aggregate, Releases, is_exempt
from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.together import check_class
from consentkit.exceptions import UnprotectedError
from consentkit.gate import Reason, Refusal
from consentkit.outbox.records import Batch, Record, new_id
from consentkit.policy import Policy, ProtectionName, load_vocabulary
from consentkit.receiver.lookup import Lookup
from tests.anonymise.crowd import MANY, Crowd, near
from tests.faults.support import files
from tests.obligations.checks import changed, document


NAME = "camera_app"
RESEARCH = "academic_research"
IMPROVE = "product_improvement"

#: What whoever would like to keep a record may call what was done to it.
CLAIMS = [
    *((protection, PrivacyClass.ANONYMOUS) for protection in ProtectionName),
    *(
        (protection, PrivacyClass.DE_IDENTIFIED)
        for protection in (
            ProtectionName.KEYED,
            ProtectionName.MD5,
            ProtectionName.NONE,
        )
    ),
]


def _with_research() -> Policy:
    """
    Let facts on phones serve research in the public interest.
    """

    def add(tree: dict[str, Any]) -> None:
        tree["functions"].append(
            {
                "id": "study",
                "name": "A study of phones",
                "category": "additional",
                "text": "A university counts which phones there are.",
                "basis": ["consent"],
                "on_refusal": "degraded",
                "purposes": [RESEARCH],
                "retention": "P90D",
                "collects": [
                    {"type": "device_model", "protect": "none"},
                    {"type": "imei", "protect": "keyed"},
                ],
            }
        )

    return changed(NAME, add)


class TestResearch:
    """
    Tests for results that are given out.
    """

    @pytest.fixture
    def study(self, tmp_path: Path) -> Iterator[Crowd]:
        """
        Give the backend of a study, a week after many took part.
        """
        with Crowd(tmp_path, _with_research(), "study", RESEARCH) as made:
            made.give(MANY, ("device_model", "A1"), ("imei", "0" * 32))
            made.give(range(100, 180), ("device_model", "A1"))
            made.give(["ann"], ("device_model", "Z9"))
            made.clock.tick(days=7)
            yield made

    @pytest.mark.obligation("WP-EXC-3")
    @pytest.mark.parametrize(
        "type_",
        sorted(
            t.id
            for t in load_vocabulary().data_types.values()
            if t.identifiability == "direct"
        ),
    )
    def test_an_identifier_blocks_them(self, study: Crowd, type_: str) -> None:
        """
        Results with a column that names somebody are refused, with the name
        of the column, alone and beside another; so is that of a device.
        """
        for types in ((type_,), ("device_model", type_)):
            with pytest.raises(ValueError, match=rf"^{type_} may identify"):
                study.ask(*types)
        with pytest.raises(ValueError, match=r"^imei may identify"):
            study.ask("device_model", "imei")

    @pytest.mark.obligation("WP-EXC-3")
    def test_what_is_given_out(self, study: Crowd) -> None:
        """
        Without such a column results are given out: numbers over many, in
        which nobody is singled out and no pseudonym is left.
        """
        made = _only(study.releases(study.ask("device_model"), least=10))

        assert [*made.counts] == [("A1",)]
        assert made.counts["A1",] in near(len(range(100, 180)) + 1)
        assert made.privacy_class is PrivacyClass.ANONYMOUS
        assert is_exempt(made)
        told = repr(made.as_json())
        for stored in study.store.records():
            assert stored.record.id not in told
            assert stored.record.consent not in told
        assert "0" * 32 not in told
        assert "Z9" not in told

    @pytest.mark.obligation("WP-EXC-3")
    def test_what_was_given_for_something_else(self, study: Crowd) -> None:
        """
        What was given for another purpose is no result of research.
        """
        question = study.ask("device_model", function=IMPROVE)
        refused = study.releases(question).release()

        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.UNDECLARED_PURPOSE


class TestOver:
    """
    Tests for data whose time is over.
    """

    @pytest.fixture
    def crowd(self, tmp_path: Path) -> Iterator[Crowd]:
        """
        Give the backend of many people's product improvement.
        """
        with Crowd(
            tmp_path, document(NAME), IMPROVE, "usage_statistics"
        ) as made:
            yield made

    @pytest.mark.obligation("WP-RET-7")
    @pytest.mark.parametrize(("protection", "claimed"), CLAIMS)
    def test_hashing_is_no_anonymising(
        self,
        crowd: Crowd,
        protection: ProtectionName,
        claimed: PrivacyClass,
    ) -> None:
        """
        A record with an identifier of a device that is hashed and called
        de-identified, or done anything to and called anonymous, is refused;
        what somebody wrote into the store by force is given to nobody.
        """
        crowd.give(["ann"], ("imei", "0123456789abcdef" * 2))
        ((stored,),) = (crowd.store.records(),)
        assert check_class(stored.record) is stored.record
        kept = attrs.evolve(
            stored.record,
            id=new_id(),
            protection=protection.value,
            privacy_class=claimed.value,
            value="f" * 32,
        )

        with pytest.raises(UnprotectedError, match="imei"):
            check_class(kept)
        _force(crowd, kept)
        assert len(crowd.store.records()) == 2
        lookup = Lookup(crowd.store, crowd.policy, clock=crowd.clock)
        given = lookup.records(IMPROVE, "usage_statistics")
        assert not isinstance(given, Refusal)
        assert [one.record for one in given] == [stored.record]

    @pytest.mark.obligation("WP-RET-7")
    def test_deleted_is_gone(self, crowd: Crowd, tmp_path: Path) -> None:
        """
        When its time is over a record is deleted: no part of it is in any
        file. What stays is a number over many, which was told before.
        """
        digest = "0123456789abcdef" * 2
        crowd.give(["ann"], ("imei", digest))
        crowd.give(MANY, ("device_model", "planted-model-4711"))
        at = crowd.clock()
        told = crowd.count("device_model")
        assert told.counts["planted-model-4711",] in near(len(MANY))
        assert _found(tmp_path, digest) == {"backend.sqlite3"}

        crowd.clock.tick(days=30)
        gone = crowd.store.purge(crowd.clock())

        assert gone == len(MANY) + 1
        assert crowd.store.records() == []
        assert _found(tmp_path, digest) == set()
        left = _found(tmp_path, "planted-model-4711")
        assert left == {"backend.told.sqlite3"}
        releases = crowd.releases(told.question, least=10)
        again = _only(releases, at)
        assert again.as_json() == told.as_json()
        assert is_exempt(again)


def _only(releases: Releases, at: datetime | None = None) -> Aggregate:
    """
    Give the one answer of a window.
    """
    made = releases.release(at)
    assert not isinstance(made, Refusal)
    (one,) = made
    return one


def _force(crowd: Crowd, record: Record) -> None:
    """
    Write a record past the door.
    """
    crowd.store.put(
        Batch(id=new_id(), recipient="r", erase="0" * 64, records=(record,)),
        now=crowd.clock(),
    )


def _found(folder: Path, text: str) -> set[str]:
    """
    Name the files that hold *text*; a write-ahead log is its file's.
    """
    return {
        path.name.removesuffix("-wal")
        for path, content in files(folder)
        if text.encode() in content
    }
