# SPDX-License-Identifier: MIT
"""
What many devices say in the place of a value: it stands for none of them.

What reads identifiers and what digests them go by these same lists.
"""

from __future__ import annotations

import re

from typing import Final


__all__ = [
    "PLACEHOLDERS",
    "SHARED_IMEIS",
    "SHARED_MACS",
    "SHARED_NUMBERS",
    "SHARED_SERIALS",
    "SHARED_UUIDS",
    "is_shared_serial",
]

#: What sources and firmware say for "there is none", lower case.
PLACEHOLDERS: Final = frozenset(
    {
        "(null)",
        "(none)",
        "default string",
        "localhost",
        "localhost.localdomain",
        "n/a",
        "na",
        "nil",
        "none",
        "not applicable",
        "not available",
        "not specified",
        "null",
        "o.e.m.",
        "permission denied",
        "product name",
        "system manufacturer",
        "system product name",
        "system serial number",
        "to be filled by o.e.m.",
        "unavailable",
        "undefined",
        "uninitialized",  # /etc/machine-id of an image not yet started
        "unknown",
    }
)

#: Pass their check digit, but are shared by emulators and test kits.
SHARED_IMEIS: Final = frozenset(
    {
        "004999010640000",
        "012345678901237",
        "123456789012347",
        "358240051111110",
    }
)

#: Twelve hexadecimal digits, upper case.
SHARED_MACS: Final = frozenset(
    {
        "000000000000",
        "000000000001",
        "001122334455",  # of drivers, firmware and examples
        "020000000000",  # what Android gives apps since version 6
        "123456789ABC",
    }
)

#: Of no one form, at least 16 hexadecimal digits, lower case.
SHARED_NUMBERS: Final = frozenset(
    {
        "0123456789abcdef",
        "8986000000000000000",  # the ICCID of a SIM card without one
        "9774d56d682e549c",  # one ANDROID_ID on millions of old phones
    }
)

#: What makers and hypervisors leave in the place of a serial number, lower
#: case, without what is neither letter nor digit.
SHARED_SERIALS: Final = frozenset(
    {
        "00000000",
        "0123456789",
        "0123456789abcdef",
        "012345678",
        "01234567",
        "1234567890",
        "123456789",
        "12345678",
        "1234567",
        "123456",
        "sn1234567890",
        "sn12345",
        "sys1234567890",
        "sys9876543210",
    }
)

#: Ids of machines, 32 hexadecimal digits, lower case: one that an anonymity
#: distribution gives everybody, and what makers leave in the firmware.
SHARED_UUIDS: Final = frozenset(
    {
        "00020003000400050006000700080009",
        "000102030405060708090a0b0c0d0e0f",
        "03000200040005000006000700080009",
        "0123456789abcdef0123456789abcdef",
        "12345678123456781234567812345678",
        "123456781234567890abcddeefaabbcc",
        "4c4c454400002010802080c04f202020",  # Dell, without a service tag
        "b08dfa6083e7567a1921a715000001fb",  # Whonix and Kicksecure
        "deadbeefdeadbeefdeadbeefdeadbeef",
        "fefefefefefefefefefefefefefefefe",
    }
)


def is_shared_serial(text: str) -> bool:
    """
    Tell whether *text* stands for no serial number, in any spelling.

    A character that is repeated does so, too.
    """
    low = re.sub(r"[\W_]", "", text.lower())
    return low in SHARED_SERIALS or len(set(low)) == 1
