# SPDX-License-Identifier: MIT

"""
Tests for the vocabulary: every word that the data files hold.
"""

from __future__ import annotations

import re
import tomllib

from importlib import resources

import attrs
import pytest

from consentkit.policy import vocabulary
from consentkit.policy.model import ProtectionName
from consentkit.policy.vocabulary import (
    PROTECTIONS_FOR,
    DataType,
    load_vocabulary,
)


WORDS = load_vocabulary()
KINDS = ("data_types", "purposes", "permissions", "bases", "modes")
TYPES = tuple(WORDS.data_types.values())
ALWAYS = {
    ProtectionName.DROP,
    ProtectionName.LOCAL_ONLY,
    ProtectionName.PRESENT,
}


def _make_type(*treatments: str) -> DataType:
    """
    Return a data type with these treatments, and nothing else of note.
    """
    return attrs.evolve(WORDS.data_types["os_name"], treatments=treatments)


class TestDataFiles:
    """
    Tests for what every word keeps.
    """

    @pytest.mark.parametrize("kind", KINDS)
    def test_words_are_named(self, kind: str) -> None:
        """
        Each word has an id in snake_case and a name for people.
        """
        terms = getattr(WORDS, kind)

        assert terms
        for id_, term in terms.items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", id_), id_
            assert term.id == id_
            assert term.name.strip() == term.name != "", id_

    @pytest.mark.parametrize("name", ["data_types.toml", "vocabulary.toml"])
    def test_no_id_is_there_twice(self, name: str) -> None:
        """
        No table of a file is lost behind another one with its id.
        """
        file = resources.files("consentkit.policy") / "data" / name
        raw = tomllib.loads(file.read_text(encoding="utf-8"))

        for kind in set(KINDS) & set(raw):
            ids = [table["id"] for table in raw[kind]]
            assert ids == list(getattr(WORDS, kind))

    def test_sensitive_types_give_their_ground(self) -> None:
        """
        A type is sensitive if and only if a ground makes it so (WP-SENS-1).
        """
        known = {"PIPL-28", "GB35273-B", "PRACTICE"}

        for type_ in TYPES:
            assert type_.sensitive == bool(type_.sensitive_under), type_.id
            assert known.issuperset(type_.sensitive_under), type_.id

    def test_types_can_be_treated(self) -> None:
        """
        Each type names at least one treatment, and only known ones.
        """
        for type_ in TYPES:
            assert type_.treatments, type_.id
            assert PROTECTIONS_FOR.keys() >= set(type_.treatments), type_.id

    def test_types_exist_somewhere(self) -> None:
        """
        Each type names the platforms where it exists.
        """
        known = {"android", "ios", "web", "iot", "any"}

        for type_ in TYPES:
            assert type_.platforms, type_.id
            assert known.issuperset(type_.platforms), type_.id

    @pytest.mark.parametrize("id_", ["imei", "imei_md5", "mac_address"])
    def test_digests_of_identifiers_are_called_reversible(
        self, id_: str
    ) -> None:
        """
        A digest of what can be enumerated is undone by guessing
        (WP-HASH-4).
        """
        assert WORDS.data_types[id_].hash_reversible

    def test_bases_that_need_a_person_are_not_automatic(self) -> None:
        """
        Software applies consent and contract, and no finding of a person.
        """
        automatic = {b.id for b in WORDS.bases.values() if b.automatic}

        assert {"consent", "separate_consent", "contract"} <= automatic
        assert not automatic & {
            "controller_discretion",
            "national_security",
            "vital_interest",
        }


class TestProtections:
    """
    Tests for the protections that a policy may name for a type.
    """

    def test_less_is_always_allowed(self) -> None:
        """
        Dropping, keeping on the device and a mere yes or no always are.
        """
        assert not [t.id for t in TYPES if not t.protections >= ALWAYS]

    @pytest.mark.parametrize(
        "row",
        [
            ("none", ProtectionName.NONE, ProtectionName.KRR),
            ("encrypt", ProtectionName.NONE),
            ("keyed_hash", ProtectionName.KEYED),
            ("tokenise", ProtectionName.KEYED),
            ("md5_legacy", ProtectionName.MD5),
            ("truncate", ProtectionName.TRUNCATE),
            ("coarsen", ProtectionName.GRID),
            ("bucket", ProtectionName.BUCKET),
            ("generalise", ProtectionName.GENERALISE, ProtectionName.KRR),
            ("redact", ProtectionName.SCRUB),
            ("extract", ProtectionName.TAKE),
            ("k_aggregate", ProtectionName.KRR, ProtectionName.SCRUB),
        ],
        ids=lambda row: row[0],
    )
    def test_a_treatment_brings_its_protections(
        self, row: tuple[str, ProtectionName]
    ) -> None:
        """
        A treatment adds the protections that carry it out, and no others.
        """
        treatment, *protections = row

        assert _make_type(treatment).protections == ALWAYS.union(protections)

    @pytest.mark.parametrize("treatment", ["allowlist_match"])
    def test_what_is_not_built_yet_is_not_offered(
        self, treatment: str
    ) -> None:
        """
        A treatment that nothing carries out allows no protection.
        """
        assert _make_type(treatment).protections == ALWAYS

    def test_treatments_add_up(self) -> None:
        """
        A type with several treatments has the protections of each.
        """
        assert WORDS.data_types["imei"].protections == ALWAYS | {
            ProtectionName.KEYED,
            ProtectionName.MD5,
        }

    def test_identifiers_never_leave_raw(self) -> None:
        """
        No identifier of a device may be declared unprotected (WP-HASH-1).
        """
        ids = [t for t in TYPES if t.category == "device_identifier"]

        assert len(ids) > 20
        assert not [t.id for t in ids if ProtectionName.NONE in t.protections]

    def test_only_places_have_a_grid(self) -> None:
        """
        A grid cell is promised of what has coordinates, and of nothing else.
        """
        gridded = {t.id for t in TYPES if ProtectionName.GRID in t.protections}

        assert gridded == {"location_coarse", "location_precise"}

    def test_every_protection_is_offered_for_some_type(self) -> None:
        """
        No protection exists that no type may have.
        """
        offered = {p for t in TYPES for p in t.protections}

        assert offered == set(ProtectionName)


class TestLoadVocabulary:
    """
    Tests for `load_vocabulary()`.
    """

    def test_reads_once(self) -> None:
        """
        A second call gives the same object.
        """
        assert load_vocabulary() is WORDS

    def test_cannot_be_changed(self) -> None:
        """
        Nobody in the process changes the words for the others.
        """
        with pytest.raises(TypeError):
            WORDS.data_types["mine"] = TYPES[0]  # type: ignore[index]

    def test_repr_is_short(self) -> None:
        """
        The repr counts, and lists nothing.
        """
        assert repr(WORDS) == (
            f"<Vocabulary: {len(WORDS.data_types)} data types, "
            f"{len(WORDS.purposes)} purposes>"
        )

    def test_names_are_public(self) -> None:
        """
        All that the module promises is there.
        """
        assert all(hasattr(vocabulary, name) for name in vocabulary.__all__)
