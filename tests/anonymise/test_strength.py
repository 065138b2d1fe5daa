# SPDX-License-Identifier: MIT

"""
Tests for what undoing a protection takes, and that nobody calls a value
better than it is.
"""

from __future__ import annotations

import importlib.util
import math
import types

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from consentkit.anonymise.aggregate import is_exempt
from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.naming import class_of, is_honest
from consentkit.anonymise.observations import (
    ClipboardText,
    DeviceValue,
    Location,
    LogLine,
)
from consentkit.anonymise.protect import (
    Protected,
    check_protected,
    protect,
)
from consentkit.anonymise.strength import (
    CORE_RATE,
    DOMAINS,
    GPU_RATE,
    domain_of,
    strength_of,
)
from consentkit.anonymise.together import check_class
from consentkit.exceptions import UnprotectedError
from consentkit.outbox.records import Record
from consentkit.policy import (
    EventField,
    EventSpec,
    Period,
    Protection,
    ProtectionName,
    load_vocabulary,
)
from tests.anonymise.test_protect import permit, secret
from tests.support import MAC


P = ProtectionName
DOCS = Path(__file__).parent.parent.parent / "docs"
TYPES = load_vocabulary().data_types
MAY_NAME = (
    "avatar",
    "bssid",
    "common_app_info",
    "device_name",
    "education_info",
    "follow_record",
    "industry_info",
    "installed_apps",
    "nickname",
    "place_of_origin",
    "running_processes",
    "search_history",
    "share_record",
    "smart_device_name",
    "ssid",
    "work_info",
)


def page_of(name: str) -> types.ModuleType:
    """
    Load one of the scripts that write pages.
    """
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestStrengthOf:
    """
    Tests for `strength_of()`.
    """

    @pytest.mark.parametrize("technique", ProtectionName)
    def test_of_every_type(self, technique: ProtectionName) -> None:
        """
        Each type and technique has a strength in words, of the class that
        the value has, and none is anonymous.
        """
        for data_type in TYPES:
            strength = strength_of(data_type, Protection(name=technique))

            assert str(strength)
            assert strength.privacy_class is not PrivacyClass.ANONYMOUS
            if technique is P.DROP:
                assert strength.privacy_class is None
            else:
                assert strength.privacy_class is class_of(data_type, technique)

    @pytest.mark.obligation("WP-HASH-4")
    def test_md5_of_an_imei_falls(self) -> None:
        """
        All listed IMEIs are tried within a day on a core and a second on a
        card; the keyed form is not undone by trying.
        """
        md5 = strength_of("imei", Protection(name=P.MD5))
        keyed = strength_of("imei", Protection(name=P.KEYED))

        assert md5.core_seconds == pytest.approx(24_391e6 / CORE_RATE)
        assert md5.gpu_seconds == pytest.approx(24_391e6 / GPU_RATE)
        assert md5.cost == "2.8 min on one core, 149 ms on one GPU"
        for strength in (md5, keyed):
            assert "of 24,391,000,000 values" in str(strength)
        assert f"{md5.cost}, in compiled code" in str(md5)
        assert "everybody" in md5.joins
        assert keyed.core_seconds == keyed.gpu_seconds == math.inf
        assert "one recipient" in keyed.joins
        assert md5.privacy_class is keyed.privacy_class

    def test_random_identifiers_are_not_undone_but_join(self) -> None:
        """
        122 random bits cannot be tried, and still join everything.
        """
        md5 = strength_of("oaid", Protection(name=P.MD5))

        assert md5.cost.count("more than 1,000 years") == 2
        assert "everybody" in md5.joins

    def test_epoch_ends_joining(self) -> None:
        """
        An epoch is named where it ends what can be joined; and that all
        records of a grant name the same consent, which has no epoch.
        """
        month = Protection(name=P.KEYED, epoch=Period(months=1))

        joins = strength_of("imei", month).joins
        assert "by the pseudonym alone those within 1 month" in joins
        assert "of a grant, by the consent that they name" in joins

    def test_times_join(self) -> None:
        """
        How finely times are told, by which two recipients join theirs, is
        said.
        """
        exact = Protection(name=P.KEYED)
        hours = Protection(name=P.KEYED, time_step=Period(seconds=3600))

        for protection, cut in ((exact, "the millisecond"), (hours, "1 hour")):
            joins = strength_of("imei", protection).joins
            assert f"by their times, which are told to {cut}" in joins

    def test_odds_of_an_answer(self) -> None:
        """
        An answer at random says how likely it is true.
        """
        protection = Protection(name=P.KRR, values=("a", "b"), epsilon=1.0)

        assert "probability of 0.73" in str(
            strength_of("network_type", protection)
        )

    def test_odds_of_an_event(self) -> None:
        """
        The fields of an event share epsilon, so each is told how likely it
        is true, by how many values it has.
        """
        fields = {
            "dark": EventField(kind="bool"),
            "big": EventField(kind="bool"),
            "lang": EventField(kind="enum", values=("a", "b", "c", "d")),
        }
        event = EventSpec(name="set", type="network_status", fields=fields)

        text = str(
            strength_of(
                "network_status",
                Protection(name=P.KRR, epsilon=1.0),
                events=[event],
            )
        )

        assert (
            "0.58 (set.dark, one of 2), 0.58 (set.big, one of 2), "
            "0.32 (set.lang, one of 4)" in text
        )
        assert "0.73" not in text

    def test_noise_is_named(self) -> None:
        """
        A place says its cell and its noise.
        """
        text = str(
            strength_of(
                "location_coarse", Protection(name=P.GRID, noise_km=3.0)
            )
        )

        assert "about 4 km2, moved by 3 km" in text

    def test_unknown_size(self) -> None:
        """
        Where nobody can say how many values there are, no cost is made up.
        """
        strength = strength_of("email_address", Protection(name=P.MD5))

        assert strength.core_seconds is None
        assert "of nobody knows how many values" in str(strength)
        assert "trying all of them takes is not known" in str(strength)

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (1e-6, "less than 1 ms"),
            (0.1, "100 ms"),
            (2.5, "2.5 s"),
            (1.2e3, "20 min"),
            (7.2e3, "2.0 h"),
            (4.32e5, "5.0 days"),
            (1e8, "3.2 years"),
        ],
    )
    def test_cost_in_words(self, seconds: float, words: str) -> None:
        """
        A time is said with the unit that fits.
        """
        made = attrs.evolve(
            strength_of("imei", Protection(name=P.MD5)),
            core_seconds=seconds,
            gpu_seconds=0.01,
        )

        assert made.cost == f"{words} on one core, 10 ms on one GPU"


class TestDomains:
    """
    Tests for the sizes of value spaces.
    """

    def test_are_of_the_vocabulary(self) -> None:
        """
        Each is of a known type, and says what is counted and by whom.
        """
        assert DOMAINS.keys() <= TYPES.keys()
        for domain in DOMAINS.values():
            assert domain.size is not None
            assert domain.size > 1
            assert domain.values
            assert domain.source

    def test_what_may_be_md5_is_known(self) -> None:
        """
        Every type for which a policy may promise MD5 has a size.
        """
        for type_ in TYPES.values():
            if P.MD5 in type_.protections:
                assert domain_of(type_.id).size is not None


class TestPage:
    """
    Tests for the table in the documentation.
    """

    def test_is_current(self) -> None:
        """
        The tables are those that the package gives now.
        """
        script = page_of("strength")
        text = script.PAGE.read_text("utf-8")

        assert script.current(text) == text, "run python docs/strength.py"

    def test_has_every_protection(self) -> None:
        """
        No protection is left out of the tables.
        """
        script = page_of("strength")
        shown = {protection.name for _, _, protection in script.OTHERS}

        assert shown | {P.MD5} == set(ProtectionName)


AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(technique: str = "md5", class_: str = "anonymous") -> Record:
    """
    Make a record by hand, called as one likes.
    """
    return Record(
        id="1",
        function="f",
        data_type="mac_address",
        purpose="p",
        recipient="r",
        protection=technique,
        privacy_class=class_,
        value="x",
        captured_at=AT,
        expires_at=AT + timedelta(days=1),
        consent="c",
        policy_version="1",
    )


class TestAnonymous:
    """
    Attempts to have a value called anonymous that is not.
    """

    def genuine(self) -> Protected:
        """
        Give a protected value.
        """
        got = protect(permit("mac_address", P.MD5), MAC, secret=secret)
        assert isinstance(got, Protected)
        return got

    def test_no_value_is(self) -> None:
        """
        Of no type and technique is a value anonymous.
        """
        for data_type in (*TYPES, "made up"):
            for technique in ProtectionName:
                assert not is_honest(
                    PrivacyClass.ANONYMOUS, data_type, technique
                )

    @pytest.mark.parametrize("data_type", MAY_NAME)
    def test_what_may_name_somebody_is_personal(self, data_type: str) -> None:
        """
        A type whose values may name a person or a place is personal as it
        stands, though the vocabulary says that it takes others beside it.
        """
        assert TYPES[data_type].identifiability == "quasi"
        assert not TYPES[data_type].sensitive
        for technique in (P.NONE, P.LOCAL_ONLY, P.SCRUB):
            assert class_of(data_type, technique) is PrivacyClass.PERSONAL
            assert not is_honest(PrivacyClass.LINKABLE, data_type, technique)
        assert class_of(data_type, P.PRESENT) is PrivacyClass.LINKABLE

    @pytest.mark.parametrize("technique", ProtectionName)
    def test_what_is_not_allowed_is_worth_nothing(
        self, technique: ProtectionName
    ) -> None:
        """
        Done to a type that the vocabulary does not allow it for, a
        protection leaves the class that the value has as it stands.
        """
        for data_type in (*TYPES, "made up"):
            term = TYPES.get(data_type)
            if term is not None and technique in term.protections:
                continue
            plain = class_of(data_type, P.NONE)

            assert class_of(data_type, technique) is plain
            for claimed in PrivacyClass:
                assert is_honest(claimed, data_type, technique) is is_honest(
                    claimed, data_type, P.NONE
                )

    @pytest.mark.parametrize(
        ("data_type", "technique"),
        [
            ("imei", P.BUCKET),
            ("imei", P.GRID),
            ("id_card_number", P.GENERALISE),
            ("location_precise", P.TRUNCATE),
            ("phone_number", P.KRR),
        ],
    )
    def test_a_range_of_an_identifier_is_none(
        self, data_type: str, technique: ProtectionName
    ) -> None:
        """
        What coarsens another type is no excuse to call this one
        de-identified, neither of a value nor of a record.
        """
        claimed = PrivacyClass.DE_IDENTIFIED

        assert technique not in TYPES[data_type].protections
        assert not is_honest(claimed, data_type, technique)
        forged = attrs.evolve(
            record(technique.value, claimed.value), data_type=data_type
        )
        with pytest.raises(UnprotectedError, match="may not be called"):
            check_class(forged)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("privacy_class", PrivacyClass.ANONYMOUS),
            ("privacy_class", PrivacyClass.DE_IDENTIFIED),
            ("protection", P.DROP),
            ("protection", P.GRID),
        ],
    )
    def test_an_assertion_is_found(self, name: str, value: object) -> None:
        """
        Who writes another class or technique over a value has one that
        nothing takes.
        """
        forged = self.genuine()
        object.__setattr__(forged, name, value)

        with pytest.raises(UnprotectedError, match="may not be called"):
            check_protected(forged)

    def test_another_value_is_found(self) -> None:
        """
        Who writes another value over a protected one, or has it stand for
        another clause, has one that nothing takes.
        """

        class Text(str):
            __slots__ = ()

        other = permit("imei", P.MD5)
        for name, value in (
            ("_text", f'"{MAC}"'),
            ("_text", Text(self.genuine().value)),
            ("_text", MAC.encode()),
            ("_seal", b""),
            ("_seal", None),
            ("news", "x"),
            ("permit", other),
            ("permit", types.SimpleNamespace(clause=other.clause)),
        ):
            forged = self.genuine()
            object.__setattr__(forged, name, value)
            with pytest.raises(UnprotectedError):
                check_protected(forged)

        genuine = self.genuine()
        with pytest.raises(AttributeError):
            object.__setattr__(genuine, "value", MAC)
        assert check_protected(genuine).value != MAC

    def test_one_that_nobody_made(self) -> None:
        """
        An object of the type that was never filled is none.
        """
        with pytest.raises(UnprotectedError):
            check_protected(object.__new__(Protected))

    def test_a_value_is_given_anew(self) -> None:
        """
        What is done to a value that was given changes nothing of it.
        """
        got = protect(
            permit("service_log", P.SCRUB), {"message": "x"}, secret=secret
        )
        assert isinstance(got, Protected)
        seen: Any = got.value
        seen["message"] = "13800138000"

        assert check_protected(got).value == {"message": "x"}

    @pytest.mark.parametrize(
        "kind", [Location, DeviceValue, ClipboardText, LogLine]
    )
    def test_no_other_observation(self, kind: type) -> None:
        """
        An app's own kind of observation could call itself anything; there
        is none.
        """
        with pytest.raises(UnprotectedError, match="cannot be subclassed"):
            types.new_class("Anonymous", (kind,))

    def test_an_annotation_says_nothing(self) -> None:
        """
        An annotated type is the type: a name for it changes no class.
        """
        annotated: Any = type("Anonymous", (), {"__origin__": Protected})

        with pytest.raises(UnprotectedError):
            check_protected(annotated())
        assert self.genuine().privacy_class is PrivacyClass.PSEUDONYMISED

    @pytest.mark.parametrize(
        "base", [Protected, PrivacyClass], ids=lambda c: c.__name__
    )
    def test_a_subclass_cannot_be(self, base: type) -> None:
        """
        There is no other kind of protected value or class.
        """
        with pytest.raises((UnprotectedError, TypeError)):
            types.new_class("Anonymous", (base,))

    def test_a_value_is_not_exempt(self) -> None:
        """
        No value is exempt from the rules, whatever was done to it.
        """
        assert not is_exempt(self.genuine())

    def test_a_class_of_ones_own(self) -> None:
        """
        What only says that it equals a class is none: a value that has it
        is refused, and no clause may be called so.
        """

        class Claimed:
            value = "anonymous"

            def __eq__(self, other: object) -> bool:
                return True

            def __hash__(self) -> int:
                return hash(PrivacyClass.PERSONAL)

        claimed: Any = Claimed()
        forged = self.genuine()
        object.__setattr__(forged, "privacy_class", claimed)

        with pytest.raises(UnprotectedError, match="may not be called"):
            check_protected(forged)
        assert not is_honest(claimed, "mac_address", P.MD5)
        assert is_honest(PrivacyClass.PERSONAL, "mac_address", P.MD5)

    @pytest.mark.parametrize(
        "technique", [*(p.value for p in ProtectionName), "", "magic"]
    )
    def test_a_record_cannot_claim_it(self, technique: str) -> None:
        """
        A record that is called anonymous is refused, whatever it says was
        done to it.
        """
        with pytest.raises(UnprotectedError):
            check_class(record(technique))

    def test_a_record_may_be_called_worse(self) -> None:
        """
        Calling it less than it is does no harm.
        """
        assert check_class(record("md5", "personal"))
