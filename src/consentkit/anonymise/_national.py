# SPDX-License-Identifier: MIT
"""
Check digits of accounts and of national identity numbers.

As in `_validators`: given what a pattern found, each answers how many of its
characters, from the start, belong to the value; 0 if it is none.
"""

from __future__ import annotations

import re

from datetime import date
from typing import Final

from ._validators import is_luhn


__all__ = [
    "IBAN_LENGTHS",
    "codice_fiscale_length",
    "dni_length",
    "hetu_length",
    "iban_length",
    "named_id_length",
    "nhs_length",
    "nir_length",
    "personnummer_length",
    "pps_length",
    "rijksregister_length",
    "ssn_length",
    "steuer_id_length",
]

#: Characters of an account number by country.
#:
#: Source: SWIFT, IBAN Registry (ISO 13616-1).
IBAN_LENGTHS: Final[dict[str, int]] = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE BI",
        18: "DK FI FO GL NL SD FK",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK MN",
        21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BY DJ FR GR IT MC MR SM",
        28: "AL AZ CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}

#: What the letters and digits in odd places count.
_ODD: Final[tuple[int, ...]] = (
    *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8),
    *(12, 14, 16, 10, 22, 25, 24, 23),
)


def _compact(text: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", text).upper()


def _all_if(right: bool, text: str) -> int:  # noqa: FBT001 - says it all
    return len(text) if right else 0


def iban_length(text: str) -> int:
    """
    Accept an international account number; what follows it is left.

    Source:
        ISO 13616-1: length by country; ISO 7064 MOD 97-10.
    """
    size = IBAN_LENGTHS.get(text[:2].upper(), 0)
    places = [at for at, it in enumerate(text, 1) if it != " "]
    if not size or len(places) < size:
        return 0
    end = places[size - 1]
    number = _compact(text[:end])
    turned = number[4:] + number[:4]
    value = int("".join(str(int(it, 36)) for it in turned))
    following = text[end : end + 1]
    return end if value % 97 == 1 and following in {"", " "} else 0


def ssn_length(text: str) -> int:
    """
    Accept a social security number, or a taxpayer number of that form.

    Source:
        SSA, POMS RM 10201.035 (no area 000, 666 or 9xx, no group 00, no
        serial 0000); IRS Publication 1915 (9xx with groups 50-65, 70-88,
        90-92 and 94-99).
    """
    area, group, serial = int(text[:3]), int(text[4:6]), int(text[7:])
    taxpayer = 50 <= group <= 99 and group not in {66, 67, 68, 69, 89, 93}
    right = taxpayer if area >= 900 else area not in {0, 666} and group > 0
    return _all_if(right and serial > 0, text)


def named_id_length(text: str) -> int:
    """
    Accept a value of five digits or more.
    """
    return _all_if(sum(it in "0123456789" for it in text) >= 5, text)


def nhs_length(text: str) -> int:
    """
    Accept ten digits with their check digit.

    Source:
        NHS Data Dictionary, "NHS number": modulus 11.
    """
    digits = [int(it) for it in _compact(text)]
    total = sum(
        weight * digit
        for weight, digit in zip(range(10, 1, -1), digits, strict=False)
    )
    return _all_if((11 - total % 11) % 11 == digits[9], text)


def dni_length(text: str) -> int:
    """
    Accept eight places, of which the first may be X, Y or Z, and a letter.

    Source:
        Real Decreto 1553/2005 and Orden INT/2058/2008: remainder of 23.
    """
    number = _compact(text)
    head = {"X": "0", "Y": "1", "Z": "2"}.get(number[0], number[0])
    at = int(head + number[1:8]) % 23
    return _all_if("TRWAGMYFPDXBNJZSQVHLCKE"[at] == number[8], text)


def codice_fiscale_length(text: str) -> int:
    """
    Accept sixteen places of which the last is the check letter.

    Source:
        Decreto ministeriale 23 dicembre 1976, articoli 2-6.
    """
    number = text.upper()
    total = 0
    for at, character in enumerate(number[:15]):
        value = int(character, 36) - (0 if character.isdecimal() else 10)
        total += value if at % 2 else _ODD[value]
    return _all_if(chr(65 + total % 26) == number[15], text)


def nir_length(text: str) -> int:
    """
    Accept fifteen places of which the last two are the key.

    Source:
        INSEE, numéro d'inscription au répertoire: 97 less the remainder of
        97; departments 2A and 2B count as 19 and 18.
    """
    number = _compact(text)
    body = number[:13].replace("2A", "19").replace("2B", "18")
    month = int(number[3:5])
    dated = 1 <= month <= 12 or 20 <= month <= 42 or month >= 50
    keyed = body.isdecimal() and 97 - int(body) % 97 == int(number[13:])
    return _all_if(number[0] in "12378" and dated and keyed, text)


def hetu_length(text: str) -> int:
    """
    Accept a date, a century sign, a number and its check character.

    Source:
        Finland, Valtioneuvoston asetus 128/2010: remainder of 31.
    """
    value = int(text[:6] + text[7:10])
    right = "0123456789ABCDEFHJKLMNPRSTUVWXY"[value % 31] == text[10]
    return _all_if(right and _is_day(text[4:6], text[2:4], text[:2]), text)


def personnummer_length(text: str) -> int:
    """
    Accept a date and four digits with their check digit.

    Source:
        Sweden, Folkbokföringslagen (1991:481) 18 §: Luhn; 60 is added to the
        day in a co-ordination number.
    """
    digits = _compact(text)[-10:]
    day = int(digits[4:6]) % 60
    dated = _is_day(digits[:2], digits[2:4], f"{day:02}")
    return _all_if(dated and is_luhn(digits), text)


def rijksregister_length(text: str) -> int:
    """
    Accept a date and three digits with their two check digits.

    Source:
        Belgium, Arrêté royal du 3 avril 1984: 97 less the remainder of 97,
        with a 2 before the number for those born from 2000 on.
    """
    number = _compact(text)
    check = int(number[9:])
    keys = {97 - int(head + number[:9]) % 97 for head in ("", "2")}
    return _all_if(check in keys, text)


def steuer_id_length(text: str) -> int:
    """
    Accept eleven digits with their check digit.

    Source:
        Germany, § 139b AO; ISO 7064 MOD 11,10.
    """
    digits = [int(it) for it in _compact(text)]
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = total * 2 % 11
    return _all_if((11 - product) % 10 == digits[10], text)


def pps_length(text: str) -> int:
    """
    Accept seven digits with their check letter.

    Source:
        Ireland, Department of Social Protection: remainder of 23; a second
        letter counts nine times.
    """
    total = sum(
        weight * int(digit)
        for weight, digit in zip(range(8, 1, -1), text, strict=False)
    )
    if len(text) == 9:
        total += 9 * (ord(text[8]) - 64)
    return _all_if("WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == text[7], text)


def _is_day(year: str, month: str, day: str) -> bool:
    """
    Tell whether two digits each can be a day; leap years pass.
    """
    try:
        date(2000 if int(year) % 4 == 0 else 1999, int(month), int(day))
    except ValueError:
        return False
    return True
