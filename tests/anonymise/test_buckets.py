# SPDX-License-Identifier: MIT
"""
Ranges in place of figures.
"""

from __future__ import annotations

import ipaddress
import math

import pytest

from hypothesis import given
from hypothesis import strategies as st

from consentkit.anonymise.buckets import (
    bucket,
    bucket_range,
    generalise_version,
    truncate_ip,
)


figures = st.one_of(
    st.integers(0, 10**30),
    st.floats(0, allow_nan=False, allow_infinity=False),
)


class TestBuckets:
    """
    `bucket_range()` and `bucket()`
    """

    @given(figures, st.integers(2, 10))
    def test_the_figure_is_in_its_range(self, value, base):
        """
        The range holds the figure, and its ends are powers of the base.
        """
        low, high = bucket_range(value, base=base)

        assert low <= value < high
        assert (low, high) == (0, 1) or high == low * base

    @given(figures)
    def test_ranges_do_not_overlap(self, value):
        """
        All figures of one range get the same answer.
        """
        low, high = bucket_range(value)

        assert bucket_range(low) == (low, high)
        assert bucket_range(high)[0] == high

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0, "0-1"), (0.7, "0-1"), (1, "1-2"), (8, "8-16"), (15.9, "8-16")],
    )
    def test_the_text_names_both_ends(self, value, text):
        """
        A bucket reads as its range.
        """
        assert bucket(value) == text

    @pytest.mark.parametrize("value", [-1.2345, math.nan, math.inf])
    def test_what_has_no_range_is_refused(self, value):
        """
        The message does not repeat the figure.
        """
        with pytest.raises(ValueError, match="`value`") as caught:
            bucket(value)

        assert "1.2345" not in str(caught.value)

    @pytest.mark.parametrize("value", [True, False])
    def test_a_yes_or_no_is_no_figure(self, value):
        """
        What Python counts as 1 or 0 has no range.
        """
        for ranged in (bucket, bucket_range):
            with pytest.raises(TypeError, match="not True or False"):
                ranged(value)

    def test_a_base_of_one_is_refused(self):
        """
        Powers of one go nowhere.
        """
        with pytest.raises(ValueError, match="`base`"):
            bucket_range(5, base=1)


class TestAddresses:
    """
    `truncate_ip()`
    """

    @pytest.mark.parametrize(
        ("text", "network"),
        [
            ("203.0.113.77", "203.0.113.0/24"),
            (" 203.0.113.77\n", "203.0.113.0/24"),
            ("2001:db8:1:2::3", "2001:db8::/32"),
            ("fe80::1%eth0", "fe80::/32"),
            ("::1", "::/32"),
            ("::", "::/32"),
            ("203.0.113.777", None),
            ("unknown", None),
            ("", None),
        ],
    )
    def test_the_network_is_left(self, text, network):
        """
        The last octet, or the last 96 bits, are gone.
        """
        assert truncate_ip(text) == network

    @pytest.mark.parametrize(
        "text",
        [
            "::203.0.113.77",
            "::ffff:203.0.113.77",
            "::ffff:0:203.0.113.77",
            "64:ff9b::203.0.113.77",
            "2002:cb00:714d::1",
            "2002:cb00:714d:1:2:3:4:5",
            "2001:0:4136:e378:8000:63bf:34ff:8eb2",
        ],
    )
    def test_an_address_inside_is_truncated(self, text):
        """
        An IPv6 address that is made of an IPv4 one tells no more of it than
        the network: compatible, mapped, translated, NAT64, 6to4, Teredo.
        """
        assert truncate_ip(text) == "203.0.113.0/24"

    def test_one_customer_is_not_told_from_another(self):
        """
        Two networks that a provider gives to two customers are one here.
        """
        one, other = "2001:db8:1::1", "2001:db8:2::1"

        assert truncate_ip(one) == truncate_ip(other)

    @given(st.ip_addresses())
    def test_the_address_is_in_the_network(self, address):
        """
        Nothing is moved into another network.
        """
        network = ipaddress.ip_network(truncate_ip(str(address)) or "")

        assert network.prefixlen == {4: 24, 6: 32}[network.version]
        if network.version == address.version:
            assert address in network

    @given(st.text())
    def test_any_text_is_answered(self, text):
        """
        What is no address gives none, and no exception.
        """
        result = truncate_ip(text)

        assert result is None or "/" in result


class TestVersions:
    """
    `generalise_version()`
    """

    @pytest.mark.parametrize(
        ("text", "major"),
        [
            ("14.2.1", "14"),
            ("v3", "3"),
            ("Android 14", "14"),
            ("6.1.0-25-amd64 built by wangfang", "6"),
            ("20240115.3", "2024"),
            ("rolling", ""),
            ("", ""),
        ],
    )
    def test_only_the_first_number_is_left(self, text, major):
        """
        Builds, dates and names in a version do not single anyone out.
        """
        assert generalise_version(text) == major
