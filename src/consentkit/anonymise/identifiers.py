# SPDX-License-Identifier: MIT
"""
One spelling for each identifier, and none for what is no identifier.

A digest tells devices apart only if the same device is always spelled the
same. So everything that digests goes through here first. ``None`` means
*unavailable*: the text is a blank, a constant that many devices share, or
fails its check digit. Nothing is ever made up in its place.

Obligations: WP-HASH-2 (the same device gives the same digest), WP-HASH-3
(constants and blanks are not devices).
"""

from __future__ import annotations

import re
import unicodedata

from consentkit.anonymise._shared import (
    PLACEHOLDERS,
    SHARED_IMEIS,
    SHARED_MACS,
    SHARED_NUMBERS,
    SHARED_UUIDS,
    is_shared_serial,
)
from consentkit.anonymise._validators import is_luhn


__all__ = [
    "canonical",
    "canonical_generic",
    "canonical_imei",
    "canonical_mac",
    "canonical_phone",
    "is_locally_administered",
]

#: Longer texts are not identifiers; they are not looked at.
_LONGEST = 512

_IMEI = re.compile(r"[0-9](?:[ \u00a0./-]?[0-9]){14}")

_MAC = re.compile(
    r"[0-9A-F]{12}"
    r"|[0-9A-F]{4}(?:\.[0-9A-F]{4}){2}"
    r"|[0-9A-F]{2}(?:-[0-9A-F]{2}){5}"
    # Some systems print an octet below 16 as one digit.
    r"|[0-9A-F]{1,2}(?::[0-9A-F]{1,2}){5}"
)

_UUID = re.compile(
    r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?"
)

_HEX = re.compile(r"[0-9A-Fa-f]{16,64}")

_PHONE_SEPARATORS = re.compile(r"[\s\u00a0().\-/]")

_PHONE = re.compile(r"\+?[0-9]{5,15}")


def canonical_imei(text: str) -> str | None:
    """
    Spell an IMEI as 15 decimal digits.

    Args:
        text: The IMEI as met, with or without blanks, hyphens, dots or
            slashes between its digits.

    Returns:
        15 ASCII digits, or None where it is unavailable: not 15 digits, a
        wrong check digit, one digit repeated, or a constant of emulators
        and test kits.

    Source:
        3GPP TS 23.003, section 6.2 and annex B.
    """
    spelled = text[:_LONGEST].strip()
    if not _IMEI.fullmatch(spelled):
        return None
    digits = re.sub(r"[^0-9]", "", spelled)
    if len(set(digits)) == 1 or digits in SHARED_IMEIS:
        return None
    return digits if is_luhn(digits) else None


def canonical_mac(text: str) -> str | None:
    """
    Spell a MAC address as 12 upper-case hexadecimal digits.

    Args:
        text: The address as met: octets with colons or hyphens, three
            groups with dots, or no separators; either case.

    Returns:
        The address, or None where it is unavailable: not six octets, all
        zero, all ones, a group address (multicast bit set), or a constant
        such as ``02:00:00:00:00:00``. Random (locally administered) addresses are
        addresses; see :func:`is_locally_administered`.

    Source:
        IEEE 802-2014, section 8.2.
    """
    spelled = text[:_LONGEST].strip().upper()
    if not _MAC.fullmatch(spelled):
        return None
    if ":" in spelled:
        spelled = "".join(octet.zfill(2) for octet in spelled.split(":"))
    digits = spelled.replace("-", "").replace(".", "")
    if digits in SHARED_MACS or int(digits[1], 16) & 1:
        return None
    return digits


def is_locally_administered(mac: str) -> bool:
    """
    Tell whether *mac* is a random or otherwise locally chosen address.

    The digest of such an address identifies nothing lasting.

    Raises:
        ValueError: If *mac* is no address of a device.
    """
    digits = canonical_mac(mac)
    if digits is None:
        msg = "`mac` must be the address of a device: six octets"
        raise ValueError(msg)
    return bool(int(digits[1], 16) & 2)


def canonical_phone(text: str) -> str | None:
    """
    Spell a phone number as digits, with a leading ``+`` where it has one.

    A leading ``00`` is a ``+``. A missing country code stays missing: it
    would have to be made up.

    Returns:
        5 to 15 digits (ITU-T E.164 allows no more), or None where it is
        unavailable.
    """
    spelled = _PHONE_SEPARATORS.sub("", text[:_LONGEST])
    if spelled.startswith("00"):
        spelled = "+" + spelled[2:]
    if not _PHONE.fullmatch(spelled) or not spelled.strip("+0"):
        return None
    return spelled


def canonical_generic(text: str) -> str | None:
    """
    Spell an identifier that has no rules of its own.

    Blanks and NULs around it go; Unicode is composed (NFC); a UUID or a
    hexadecimal number of 16 to 64 digits is in lower case; all else is kept
    as it is, case too.

    Returns:
        The identifier, or None where it is unavailable: blank, all zeros or
        all ``f``, a constant that many devices share, a text that stands
        for "none", or not printable.
    """
    spelled = unicodedata.normalize("NFC", text.strip("\0 \t\r\n"))
    if not spelled or len(spelled) > _LONGEST or not spelled.isprintable():
        return None
    if match := _UUID.fullmatch(spelled):
        spelled = match[1].lower()
    elif _HEX.fullmatch(spelled):
        spelled = spelled.lower()
    low = spelled.lower()
    if low in PLACEHOLDERS or not low.strip("0-:. "):
        return None
    if len(low) >= 12 and not low.strip("f-"):
        return None
    if low in SHARED_NUMBERS or low.replace("-", "") in SHARED_UUIDS:
        return None
    return spelled


def _canonical_serial(text: str) -> str | None:
    """
    Spell the number of a device: its maker's, or one of software.

    What counts up, such as ``123456789``, is what makers leave there. As
    the number of an account it may be somebody.
    """
    spelled = canonical_generic(text)
    return None if spelled is None or is_shared_serial(spelled) else spelled


_BY_TYPE = {
    "imei": canonical_imei,
    "serial_number": _canonical_serial,
    "system_id": _canonical_serial,
    "device_unique_id": _canonical_serial,
    "smart_device_uid": _canonical_serial,
    "mac_address": canonical_mac,
    "bluetooth_mac": canonical_mac,
    "smart_device_mac": canonical_mac,
    "bssid": canonical_mac,
    "phone_number": canonical_phone,
    "sim_phone_number": canonical_phone,
    "telephone_number": canonical_phone,
    "fax_number": canonical_phone,
}


def canonical(data_type: str, text: str) -> str | None:
    """
    Spell *text* by the rules of its *data_type* (an id of the vocabulary).

    Data types without rules of their own go through
    :func:`canonical_generic`.

    Returns:
        The one spelling, or None where the identifier is unavailable.
    """
    return _BY_TYPE.get(data_type, canonical_generic)(text)
