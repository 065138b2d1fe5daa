# SPDX-License-Identifier: MIT
"""
Rows: what is written of records is read again as the same records.
"""

from __future__ import annotations

import json

from datetime import UTC, datetime
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.outbox.records import Batch, new_id
from consentkit.outbox.rows import Row, Rows, encode, kind_of
from consentkit.receiver import read_body
from consentkit.transports import pack


DIGEST = "ab" * 32
KINDS: dict[int, Any] = {
    1: {
        **kind_of(
            function="stats",
            data_type="usage_record",
            purpose="usage_statistics",
            protection="scrub",
            privacy_class="linkable",
            policy_version="1",
            event="opened",
            fields=("page", "n"),
        ),
        "consent": DIGEST,
    },
    7: {
        **kind_of(
            function="stats",
            data_type="mac_address",
            purpose="usage_statistics",
            protection="md5",
            privacy_class="pseudonymised",
            policy_version="1",
        ),
        "consent": DIGEST,
    },
}


def batch_of(rows: list[Row]) -> Batch:
    """
    Make a batch as the outbox gives it.
    """
    return Batch(
        id=new_id(),
        recipient="maker",
        erase=DIGEST,
        records=Rows(rows, KINDS, "maker"),
    )


def row(time: int, mark: int, low: int, keep: int, plain: str) -> Row:
    """
    Make a row.
    """
    return Row(
        time << 16 | 0x7000 | mark,
        0b10 << 62 | low,
        time + keep,
        plain.encode(),
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
events = st.tuples(texts, st.integers(-(2**31), 2**31)).map(
    lambda pair: f"1,{encode(list(pair))}"
)
others = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
).map(lambda value: f"7,{encode(value)}")
rows = st.lists(
    st.builds(
        row,
        st.integers(1, 2**42),
        st.integers(0, 0xFFF),
        st.integers(0, 2**62 - 2),
        st.integers(1, 2**40),
        events | others,
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: (one.high & 0xFFF, one.low),
)


class TestFormat:
    """
    Bodies of format 2, from the outbox to the receiver.
    """

    @given(rows)
    def test_round_trip(self, made: list[Row]) -> None:
        """
        A receiver reads the very records that a transport would see, of
        whatever rows.
        """
        batch = batch_of(made)
        assert read_body(pack(batch).body).records == tuple(batch.records)

    def test_ids_that_follow_are_short(self) -> None:
        """
        Of records one after the other only the first has its id written out.
        """
        made = [row(1000 + n, 5, 100 + n, 60, f'1,["p",{n}]') for n in (0, 1)]
        document = json.loads(pack(batch_of(made)).body)
        assert [one[0] for one in document["rows"]] == [made[0].id, 1]
        assert list(document["kinds"]) == ["1"], "no others are told"

    def test_what_a_record_says(self) -> None:
        """
        The time is that of the id, and an event's values have their names.
        """
        made = [row(1_700_000_000_123, 5, 100, 60_000, '1,["p",2]')]
        (record,) = batch_of(made).records
        at = datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
        assert record.captured_at == at
        assert (record.expires_at - at).total_seconds() == 60
        assert record.value == {"event": "opened", "page": "p", "n": 2}
        assert record.id == made[0].id

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"rows": []}, "$.rows"),
            ({"rows": [[1, 2, 1, []]]}, "$.rows[0][0]"),
            ({"rows": [7]}, "$.rows[0]"),
            ({"rows": [["x", 1, 1, []]]}, "$.rows[0][0]"),
            ({"kinds": []}, "$.kinds"),
            ({"kinds": {"x": {}}}, "$.kinds[0]"),
            ({"kinds": {"1": {}}}, "$.kinds[0].class"),
            ({"more": 1}, "$"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, change: dict[str, Any], path: str
    ) -> None:
        """
        A faulty body is refused as a whole, with the place.
        """
        body = pack(batch_of([row(9, 5, 1, 60, '1,["p",1]')])).body
        document = {**json.loads(body), **change}
        with pytest.raises(ValueError) as caught:
            read_body(json.dumps(document).encode())
        assert str(caught.value).startswith(f"{path}:")

    @pytest.mark.parametrize(
        "spoilt",
        [
            [9, 60, ["p", 1]],
            [1, 60, ["p"]],
            ["1", 60, ["p", 1]],
        ],
    )
    def test_a_faulty_row_is_one_record(self, spoilt: list[Any]) -> None:
        """
        A row of no kind, or without a value for each field, is refused by
        itself.
        """
        made = [row(1000 + n, 5, 100 + n, 60, f'1,["p",{n}]') for n in (0, 1)]
        document = json.loads(pack(batch_of(made)).body)
        which, keep, value = spoilt
        document["rows"][1][1:] = [keep, which, value]
        found = read_body(json.dumps(document).encode())
        assert [record.id for record in found.records] == [made[0].id]
