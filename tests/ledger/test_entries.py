# SPDX-License-Identifier: MIT

"""
Tests for the entries of the ledger and their canonical text.
"""

from __future__ import annotations

import hashlib
import json

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.ledger.canonical import canonical_json
from consentkit.ledger.entries import (
    GENESIS,
    LOCAL,
    Act,
    Actor,
    Entry,
    Links,
    entry_from_body,
    links_of,
)
from tests.ledger.support import an_entry


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)

ENTRIES = st.builds(
    Entry,
    seq=st.integers(1, 2**53 - 1),
    at=st.datetimes(timezones=st.just(UTC)).map(
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
    ),
    act=st.sampled_from(Act),
    method=TEXTS,
    element=TEXTS,
    terms=TEXTS,
    policy=TEXTS,
    version=TEXTS,
    text=TEXTS,
    language=TEXTS,
    prev=HASHES,
    prior=HASHES,
    by=st.sampled_from(Actor),
    notice=TEXTS,
    facts=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
        TEXTS,
        max_size=4,
    ),
    mono=st.integers(0, 2**53 - 1),
    subject=st.just(LOCAL) | HASHES,
)


class TestEntry:
    """
    Tests for `Entry`.
    """

    def test_text_is_canonical_json(self) -> None:
        """
        The body has sorted keys, no blanks, and the time to a millisecond.
        """
        body = an_entry().body

        assert body.startswith(
            '{"act":"granted","at":"2026-11-20T12:01:00.000+00:00",'
            '"by":"person","element":"improve","facts":{},"language":"en",'
        )
        assert list(json.loads(body)) == sorted(json.loads(body))
        assert f'"prev":"{GENESIS}"' in body

    def test_hash_is_that_of_the_text(self) -> None:
        """
        Anybody can compute the hash from the stored text.
        """
        entry = an_entry()

        assert entry.hash == hashlib.sha256(entry.body.encode()).hexdigest()

    @pytest.mark.parametrize(
        "change",
        [
            {"seq": 2},
            {"at": datetime(2026, 11, 20, tzinfo=UTC)},
            {"act": Act.REFUSED},
            {"method": "terminal"},
            {"element": "logs"},
            {"terms": "0"},
            {"policy": "large"},
            {"version": "2"},
            {"text": "0"},
            {"language": "de"},
            {"prev": "1" * 64},
            {"prior": "1" * 64},
            {"by": Actor.GUARDIAN},
            {"notice": "0"},
            {"facts": {"cause": "x"}},
            {"mono": 7},
            {"subject": "1" * 64},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_hash_covers_every_field(self, change: dict) -> None:
        """
        No field of an entry changes without its hash.
        """
        entry = an_entry()

        assert attrs.evolve(entry, **change).hash != entry.hash

    @given(ENTRIES)
    def test_reads_back_as_it_was(self, entry: Entry) -> None:
        """
        An entry comes back from its text, equal and with the same hash.
        """
        again = entry_from_body(entry.body)

        assert again == entry
        assert again.hash == entry.hash
        assert again.at.tzinfo is UTC

    @given(ENTRIES)
    def test_has_the_one_spelling_of_its_facts(self, entry: Entry) -> None:
        """
        The body is what the checking constructor makes of its value.
        """
        assert canonical_json(json.loads(entry.body)) == entry.body

    @given(ENTRIES)
    def test_links_are_those_of_the_entry(self, entry: Entry) -> None:
        """
        What is read quickly is what the entry says.
        """
        assert links_of(entry.body) == Links(
            entry.seq, entry.prev, entry.prior, entry.subject
        )

    def test_facts_cannot_be_changed(self) -> None:
        """
        The facts are the entry's own, and frozen as it is.
        """
        facts = {"cause": "x"}
        entry = an_entry(facts=facts)
        facts["cause"] = "y"

        assert entry.facts == {"cause": "x"}
        with pytest.raises(TypeError):
            entry.facts["cause"] = "y"  # type: ignore[index]


class TestBadText:
    """
    Tests for texts that no entry wrote.
    """

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "null",
            "[]",
            "{}",
            "{",
            '{"act":"granted"}',
            "[" * 100_000,
            "1" * 5_000,
        ],
        ids=["empty", "null", "list", "bare", "cut", "few", "deep", "digits"],
    )
    def test_is_refused(self, body: str) -> None:
        """
        Any other text is a ValueError and nothing else.
        """
        with pytest.raises(ValueError):
            entry_from_body(body)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("act", "sold"),
            ("act", ["granted"]),
            ("at", 12),
            ("at", "yesterday"),
            ("at", "0001-01-01T00:00:00.000+10:00"),
            ("at", "2026-11-20T12:01:00+00:00"),
            ("at", "2026-11-20T13:01:00.000+01:00"),
            ("seq", "1"),
            ("seq", True),
            ("seq", 1.0),
            ("element", ["improve"]),
            ("element", None),
            ("terms", 7),
            ("at", "2026-13-20T12:01:00.000+00:00"),
            ("at", "2026-02-30T12:01:00.000+00:00"),
            ("mono", -1),
            ("mono", 2**53),
            ("seq", 2**53),
            ("seq", 10**30),
            ("by", "nobody"),
            ("subject", "ann"),
            ("subject", "A" * 64),
            ("prev", ""),
            ("prior", "0" * 63),
            ("element", "a\ud800"),
            ("facts", None),
            ("facts", []),
            ("facts", {"cause": 1}),
            ("facts", {"cause": {}}),
            ("facts", {"Cause": "x"}),
            ("facts", {"c" * 33: "x"}),
            ("facts", {"cause": "x" * 1001}),
            ("facts", {"prev": ["x"]}),
            ("v", 2),
            ("v", "1"),
            ("more", "than there is"),
        ],
    )
    def test_field_of_another_kind_is_refused(
        self, name: str, value: object
    ) -> None:
        """
        A field that no entry would write so makes the text invalid.
        """
        raw = {**json.loads(an_entry().body), name: value}
        body = json.dumps(
            raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )

        with pytest.raises(ValueError):
            entry_from_body(body)
        with pytest.raises(ValueError):
            links_of(body)

    @pytest.mark.parametrize(
        "facts",
        [
            '{"b":"1","a":"2"}',
            '{"a":"1","a":"2"}',
            '{"a":"1",}',
            '{"a":"\\u0041"}',
            '{"a":"\\/"}',
            '{"a":"\\ud83d\\ude02"}',
            '{"a":"\\u000A"}',
            '{"a":"\\u007f"}',
            '{"a":"\n"}',
        ],
    )
    def test_facts_in_another_spelling(self, facts: str) -> None:
        """
        Facts in another order or with other escapes are no entry's.
        """
        body = an_entry().body.replace('"facts":{}', f'"facts":{facts}')

        with pytest.raises(ValueError):
            entry_from_body(body)

    def test_links_cannot_be_planted(self) -> None:
        """
        Names of links among the facts are facts and nothing else.
        """
        entry = an_entry(
            facts={
                "prev": "f" * 64,
                "seq": "9",
                "note": '","prev":"' + "f" * 64,
            }
        )

        assert links_of(entry.body).prev == GENESIS
        assert links_of(entry.body).seq == 1

    @pytest.mark.parametrize("name", json.loads(an_entry().body))
    def test_missing_field_is_refused(self, name: str) -> None:
        """
        No field may be left out, not even one with a default.
        """
        raw = json.loads(an_entry().body)
        del raw[name]

        with pytest.raises(ValueError):
            entry_from_body(
                json.dumps(raw, sort_keys=True, separators=(",", ":"))
            )

    @given(st.data())
    def test_other_spelling_is_refused(self, data: st.DataObject) -> None:
        """
        The same facts in other bytes are not the entry.
        """
        body = an_entry().body
        place = data.draw(st.integers(0, len(body)))
        blank = data.draw(st.sampled_from(" \n\t"))
        spelt = body[:place] + blank + body[place:]

        try:
            entry = entry_from_body(spelt)
        except ValueError:
            return
        # A blank inside a text is another text, and so another hash.
        assert blank == " "
        assert entry.body == spelt
        assert entry.hash != an_entry().hash

    def test_time_is_kept_in_utc(self) -> None:
        """
        The instant is aware and in UTC.
        """
        assert an_entry().at.utcoffset() == timedelta(0)
