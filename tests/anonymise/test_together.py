# SPDX-License-Identifier: MIT

"""
Tests for what records are together.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.naming import class_of
from consentkit.anonymise.together import check_class, expected, together
from consentkit.exceptions import UnprotectedError
from consentkit.outbox.records import Record
from consentkit.policy import ProtectionName, load_vocabulary


AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(
    number: int, data_type: str = "device_model", **more: Any
) -> Record:
    """
    Make a record of a value as it stands.
    """
    honest = class_of(data_type, ProtectionName.NONE).value
    fields = {
        "id": str(number),
        "function": "f",
        "data_type": data_type,
        "purpose": "p",
        "recipient": "r",
        "protection": "none",
        "privacy_class": honest,
        "value": "x",
        "captured_at": AT + timedelta(minutes=number),
        "expires_at": AT + timedelta(days=number),
        "consent": "c",
        "policy_version": "1",
    }
    return Record(**{**fields, **more})


records = st.builds(
    record,
    st.integers(0, 10_000),
    st.sampled_from(
        ["device_model", "account_id", "imei", "app_usage_time", "nickname"]
    ),
    consent=st.sampled_from(["a", "b", "a b", "c", "d e", ""]),
    value=st.sampled_from(["x", "y"]),
)


class TestExpected:
    """
    Tests for `expected()`.
    """

    @pytest.mark.parametrize(
        ("promised", "class_", "because"),
        [
            ([("device_model", "none")], None, ()),
            (
                [("device_model", "none"), ("mac_address", "keyed")],
                PrivacyClass.PERSONAL,
                ("mac_address",),
            ),
            (
                [("device_model", "none"), ("location_coarse", "grid")],
                PrivacyClass.PSEUDONYMISED,
                ("location_coarse",),
            ),
            (
                [("device_model", "none"), ("mac_address", "local_only")],
                None,
                (),
            ),
        ],
    )
    def test_is_what_comes(
        self,
        promised: list[tuple[str, str]],
        class_: PrivacyClass | None,
        because: tuple[str, ...],
    ) -> None:
        """
        What lies beside an identifier will be personal, beside a series of
        places pseudonymised; what stays on the device counts for nothing.
        """
        group = expected((t, ProtectionName(p)) for t, p in promised)

        assert group is not None
        assert group.privacy_class is class_
        assert group.because == because

    def test_of_nothing_that_leaves(self) -> None:
        """
        Where nothing leaves there is nothing to be together.
        """
        assert expected([("imei", ProtectionName.DROP)]) is None


class TestTogether:
    """
    Tests for `together()`.
    """

    def test_of_nothing(self) -> None:
        """
        No records are no group.
        """
        assert together([]) == ()

    def test_consent_in_parts(self) -> None:
        """
        Records of a function and of a separate type of it rest on the same
        entry, and so are linked.
        """
        made = [record(1, consent="f"), record(2, consent="f t")]

        (group,) = together(made)
        assert group.records == tuple(made)

    def test_without_a_consent(self) -> None:
        """
        A record that names no consent stands alone.
        """
        assert (
            len(together([record(1, consent=""), record(2, consent="")])) == 2
        )

    def test_interval(self) -> None:
        """
        It lasts from the first value that identifies to the end of the
        last.
        """
        made = [
            record(1),
            record(2, "account_id"),
            record(5, "imei"),
            record(9),
        ]

        (group,) = together(made)

        assert group.because == ("account_id", "imei")
        assert group.since == AT + timedelta(minutes=2)
        assert group.until == AT + timedelta(days=5)

    @pytest.mark.parametrize("data_type", sorted(load_vocabulary().data_types))
    @pytest.mark.parametrize(
        "protection", [ProtectionName.SCRUB, ProtectionName.TAKE]
    )
    def test_what_is_not_found_names_still(
        self, data_type: str, protection: ProtectionName
    ) -> None:
        """
        A value that names a person or a device names it after rules went
        over it as well; a sensitive one is no better by them either.
        """
        term = load_vocabulary().data_types[data_type]
        names = term.identifiability in ("direct", "device") or term.sensitive
        class_ = class_of(data_type, protection)
        made = record(
            1,
            data_type,
            protection=protection.value,
            privacy_class=class_.value,
        )

        (group,) = together([made])

        if names:
            assert class_ is PrivacyClass.PERSONAL
            assert group.is_personal
            with pytest.raises(UnprotectedError):
                check_class(attrs.evolve(made, privacy_class="linkable"))

    def test_logs_that_came_before(self) -> None:
        """
        Lines of a log and properties of a device are no better than
        linkable by themselves, and personal, the earlier ones too, once an
        account is beside them.
        """
        line = record(
            1, "service_log", protection="scrub", privacy_class="linkable"
        )
        made = [line, record(2), record(3, "account_id")]

        (before,) = together(made[:2])
        (after,) = together(made)

        assert {*before.classes.values()} == {PrivacyClass.LINKABLE}
        assert {*after.classes.values()} == {PrivacyClass.PERSONAL}

    @given(st.lists(records, max_size=12, unique_by=lambda r: r.id))
    def test_each_is_in_one_group(self, made: list[Record]) -> None:
        """
        Each record is in one group, groups are linked by nothing, and the
        order in which records come changes nothing of it.
        """
        groups = together(made)

        assert sorted(r.id for g in groups for r in g.records) == sorted(
            r.id for r in made
        )
        for group in groups:
            consents = {c for r in group.records for c in r.consent.split()}
            for other in groups:
                if other is not group:
                    assert not consents & {
                        c for r in other.records for c in r.consent.split()
                    }
        backwards = together(reversed(made))
        assert {frozenset(r.id for r in g.records) for g in groups} == {
            frozenset(r.id for r in g.records) for g in backwards
        }

    @given(st.lists(records, max_size=12, unique_by=lambda r: r.id), records)
    def test_more_is_never_less_personal(
        self, made: list[Record], more: Record
    ) -> None:
        """
        What is personal stays so, whatever is added.
        """
        others = [r for r in made if r.id != more.id]
        before = _personal(together(others))

        assert before <= _personal(together([*others, more]))


def _personal(groups: Any) -> set[str]:
    return {r.id for g in groups if g.is_personal for r in g.records}


class TestCheckClass:
    """
    Tests for `check_class()`.
    """

    @pytest.mark.parametrize("protection", ProtectionName)
    @pytest.mark.parametrize("claimed", PrivacyClass)
    def test_never_anonymous(
        self, protection: ProtectionName, claimed: PrivacyClass
    ) -> None:
        """
        Its own class passes, anonymous never does, and personal always.
        """
        honest = class_of("imei", protection)
        made = record(
            1,
            "imei",
            protection=protection.value,
            privacy_class=claimed.value,
        )
        if claimed in (honest, PrivacyClass.PERSONAL):
            assert check_class(made) is made
        if claimed is PrivacyClass.ANONYMOUS:
            with pytest.raises(UnprotectedError, match="imei"):
                check_class(made)

    def test_unknown_protection(self) -> None:
        """
        What was done by a technique that nobody knows is called nothing.
        """
        with pytest.raises(UnprotectedError, match="magic"):
            check_class(record(1, protection="magic"))

    def test_unknown_type(self) -> None:
        """
        A type that is in no vocabulary is personal.
        """
        strange = class_of("blood_type_of_the_cat", ProtectionName.NONE)
        assert strange is PrivacyClass.PERSONAL

    @pytest.mark.parametrize("protection", ProtectionName)
    def test_no_class_is_anonymous(self, protection: ProtectionName) -> None:
        """
        No technique on one value makes it anonymous.
        """
        for data_type in load_vocabulary().data_types:
            made = class_of(data_type, protection)
            assert made is not PrivacyClass.ANONYMOUS


class TestSeries:
    """
    Tests for places that are a track together.
    """

    def place(self, number: int, **more: Any) -> Record:
        """
        Make a record of a coarse place.
        """
        fields = {
            "protection": "grid",
            "privacy_class": "de_identified",
            "value": {"latitude": 1.0, "longitude": number, "cell_km": 2.0},
        }
        return record(number, "location_coarse", **{**fields, **more})

    def test_one_place_is_none(self) -> None:
        """
        One coarse place is what it is by itself.
        """
        (group,) = together([self.place(1), record(2)])

        assert not group.is_personal
        assert group.series == ()
        assert group.classes["1"] is PrivacyClass.DE_IDENTIFIED

    def test_two_places_are_a_track(self) -> None:
        """
        Two places of one consent are a series: pseudonymised, the earlier
        one too, and so is what lies beside them.
        """
        made = [self.place(1), self.place(2), record(3)]

        (group,) = together(made)

        assert group.series == group.because == ("location_coarse",)
        assert set(group.classes.values()) == {PrivacyClass.PSEUDONYMISED}
        assert group.since == AT + timedelta(minutes=1)
        assert group.until == AT + timedelta(days=2)

    def test_track_of_somebody(self) -> None:
        """
        A track beside an identifier is personal, as all else is.
        """
        made = [self.place(1), self.place(2), record(3, "account_id")]

        (group,) = together(made)

        assert group.because == ("account_id", "location_coarse")
        assert group.classes["1"] is PrivacyClass.PERSONAL

    @pytest.mark.parametrize(
        ("data_type", "protection"),
        [("ip_address", "truncate"), ("location_city", "none")],
    )
    def test_networks_and_cities(
        self, data_type: str, protection: str
    ) -> None:
        """
        Networks and the names of cities are places as cells are: one tells
        of nobody, two are a track.
        """
        class_ = class_of(data_type, ProtectionName(protection)).value
        made = [
            record(n, data_type, protection=protection, privacy_class=class_)
            for n in (1, 2)
        ]

        assert not together(made[:1])[0].is_personal
        (group,) = together(made)
        assert group.series == (data_type,)
        assert set(group.classes.values()) == {PrivacyClass.PSEUDONYMISED}

    @pytest.mark.parametrize(
        ("data_type", "protection"),
        [
            ("location_city", "krr"),
            ("location_city", "present"),
            ("registered_region", "none"),
        ],
    )
    def test_what_is_no_place(self, data_type: str, protection: str) -> None:
        """
        Answers at random, that there is a place, and where an account is
        from do not say where the device was.
        """
        class_ = class_of(data_type, ProtectionName(protection)).value
        made = [
            record(n, data_type, protection=protection, privacy_class=class_)
            for n in (1, 2)
        ]

        assert together(made)[0].series == ()

    def test_places_of_two_people(self) -> None:
        """
        Places that nothing links are no track.
        """
        made = [self.place(1, consent="a"), self.place(2, consent="b")]

        assert not any(group.is_personal for group in together(made))

    def test_ends_with_the_places(self) -> None:
        """
        Once all but one have gone, the one is no track any more.
        """
        (group,) = together([self.place(2)])

        assert group.classes["2"] is PrivacyClass.DE_IDENTIFIED
