# SPDX-License-Identifier: MIT
"""
One spelling for each identifier, none for what is no identifier.
"""

from __future__ import annotations

import json
import re

from pathlib import Path
from uuid import UUID

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.digests import md5_hex
from consentkit.anonymise.identifiers import (
    canonical,
    canonical_generic,
    canonical_imei,
    canonical_mac,
    canonical_phone,
    is_locally_administered,
)
from consentkit.collectors.machine_id import SHARED_UUIDS


VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "identifiers.json").read_text(
        encoding="utf-8"
    )
)

octets = st.binary(min_size=6, max_size=6)


def _check_digit(fourteen: str) -> str:
    return next(
        digit
        for digit in "0123456789"
        if sum(
            sum(divmod(int(it) * (1 + place % 2), 10))
            for place, it in enumerate(reversed(fourteen + digit))
        )
        % 10
        == 0
    )


class TestVectors:
    """
    Spellings met in the wild.
    """

    @pytest.mark.obligation("WP-HASH-2")
    @pytest.mark.parametrize(
        "vector", VECTORS["vectors"], ids=lambda it: it["canonical"]
    )
    def test_one_device_has_one_spelling(self, vector):
        """
        All spellings of a device give one form and one digest.
        """
        forms = {
            canonical(vector["data_type"], form) for form in vector["forms"]
        }

        assert forms == {vector["canonical"]}
        assert {md5_hex(form or "") for form in forms} == {vector["md5_hex"]}

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        "vector",
        VECTORS["rejected"],
        ids=lambda it: f"{it['data_type']}: {it['why']}",
    )
    def test_what_is_no_device_is_unavailable(self, vector):
        """
        Blanks, constants and wrong check digits have no form.
        """
        assert canonical(vector["data_type"], vector["text"]) is None


class TestIMEI:
    """
    `canonical_imei()`
    """

    @pytest.mark.obligation("WP-HASH-3")
    @given(st.from_regex(r"[0-9]{14}", fullmatch=True))
    def test_of_ten_check_digits_one_is_right(self, fourteen):
        """
        Only the IMEI with its check digit is a device.
        """
        right = [
            digit
            for digit in "0123456789"
            if canonical_imei(fourteen + digit) is not None
        ]

        assert right in ([_check_digit(fourteen)], [])
        assert (
            right
            or len(set(fourteen)) == 1
            or fourteen.startswith(
                (
                    "00499901064000",
                    "01234567890123",
                    "12345678901234",
                    "35824005111111",
                )
            )
        )

    @given(st.text())
    def test_any_text_gives_15_digits_or_none(self, text):
        """
        Whatever the source says, the answer is an IMEI or nothing.
        """
        result = canonical_imei(text)

        assert result is None or re.fullmatch("[0-9]{15}", result)


class TestMAC:
    """
    `canonical_mac()` and `is_locally_administered()`
    """

    @pytest.mark.obligation("WP-HASH-2")
    @given(octets)
    def test_separators_and_case_do_not_matter(self, raw):
        """
        `AA:BB:..`, `aa-bb-..` and `aabb..` are one address.
        """
        spellings = (
            raw.hex(":"),
            raw.hex("-").upper(),
            raw.hex(".", 2),
            raw.hex(),
            ":".join(f"{octet:X}" for octet in raw),
        )

        results = {canonical_mac(spelling) for spelling in spellings}

        assert results in ({raw.hex().upper()}, {None})

    @pytest.mark.obligation("WP-HASH-3")
    @given(octets)
    def test_groups_are_no_devices(self, raw):
        """
        An address is refused if its multicast bit is set, or it is a constant,
        and only then.
        """
        constant = raw.hex() in {
            "000000000000",
            "000000000001",
            "001122334455",
            "020000000000",
            "123456789abc",
        }

        result = canonical_mac(raw.hex(":"))

        assert (result is None) == (bool(raw[0] & 1) or constant)

    @pytest.mark.parametrize(
        ("mac", "local"),
        [
            ("00:1b:21:3c:4d:5e", False),
            ("02:1b:21:3c:4d:5e", True),
            ("A6-0B-0C-01-02-03", True),
        ],
    )
    def test_random_addresses_are_told(self, mac, local):
        """
        The bit that says "chosen locally" is read, in any spelling.
        """
        assert is_locally_administered(mac) is local

    def test_the_error_does_not_tell_the_value(self):
        """
        A text that is no address is refused without being repeated.
        """
        with pytest.raises(ValueError, match="six octets") as caught:
            is_locally_administered("00:1b:21:3c:4d")

        assert "1b" not in str(caught.value)


class TestPhone:
    """
    `canonical_phone()`
    """

    @pytest.mark.parametrize(
        ("text", "spelled"),
        [
            ("+86 138-1234-5678", "+8613812345678"),
            ("0086 (138) 1234 5678", "+8613812345678"),
            ("138 1234 5678", "13812345678"),
            ("010/6552.9988", "01065529988"),
            ("12", None),
            ("+1234567890123456", None),
            ("call me", None),
        ],
    )
    def test_only_digits_are_left(self, text, spelled):
        """
        Separators go, `00` is `+`, a missing country stays missing.
        """
        assert canonical_phone(text) == spelled


class TestGeneric:
    """
    `canonical_generic()`
    """

    @pytest.mark.parametrize(
        ("text", "spelled"),
        [
            (
                "{4E388898-E3AA-42CA-9536-36534F322F6C}",
                "4e388898-e3aa-42ca-9536-36534f322f6c",
            ),
            ("F6A6EC3AD3501FAA", "f6a6ec3ad3501faa"),
            (" PF1A2B3C\0\n", "PF1A2B3C"),
            ("re\u0301sidence-7", "r\u00e9sidence-7"),
            ("two\nlines", None),
            ("x" * 513, None),
            ("00:00:00:00", None),
        ],
    )
    def test_spelling(self, text, spelled):
        """
        UUIDs and long hexadecimal numbers are in lower case, names are not.
        """
        assert canonical_generic(text) == spelled

    @pytest.mark.parametrize("data_type", ["user_id", "account_id", "coupon"])
    def test_a_count_may_be_an_account(self, data_type):
        """
        What is a blank in the place of a serial number is somebody's number
        at a service.
        """
        assert canonical(data_type, "123456789") == "123456789"

    @pytest.mark.parametrize("text", sorted(SHARED_UUIDS))
    def test_what_the_collector_refuses(self, text):
        """
        An id that is no machine's to its collector has no digest, in any
        spelling.
        """
        assert canonical("system_id", text) is None
        assert canonical("system_id", f"{{{UUID(text)}}}".upper()) is None

    @given(st.text(), st.sampled_from(["imei", "bssid", "oaid", "fax_number"]))
    def test_it_is_idempotent(self, text, data_type):
        """
        A canonical form is its own canonical form.
        """
        once = canonical(data_type, text)

        assert once is None or canonical(data_type, once) == once

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        "data_type", ["mac_address", "bluetooth_mac", "smart_device_mac"]
    )
    def test_every_kind_of_mac_goes_by_its_rules(self, data_type):
        """
        The constant of Android is no device of any kind.
        """
        assert canonical(data_type, "02:00:00:00:00:00") is None
