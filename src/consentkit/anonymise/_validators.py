# SPDX-License-Identifier: MIT
"""
Second looks at what a pattern found: check digits, ranges, dates.

A validator is given the matched text and answers how many of its characters,
from the start, belong to the value; 0 if it is no value at all. Patterns say
what something looks like, validators whether it can be it.
"""

from __future__ import annotations

import operator
import re

from datetime import date


#: Reporting bodies that begin the type code of an IMEI (GSMA TS.06).
_REPORTING_BODIES = frozenset(
    f"{body:02}" for body in (1, 10, 30, 33, 35, 44, 45, *range(49, 55), 86)
) | {"91", "98", "99"}

_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

#: Digits after the country code, least and most, of fixed and mobile numbers;
#: ITU-T E.164 allows 15 in all. Other codes: 6 to 12. What Germany and Italy
#: have beyond 11 are extensions, which look like figures after the number.
#: Source: the metadata of libphonenumber 9.0.43.
_NATIONAL_DIGITS = {
    "1": (10, 10),
    "7": (10, 10),
    "31": (9, 9),
    "33": (9, 9),
    "34": (9, 9),
    "39": (6, 11),
    "44": (9, 10),
    "49": (6, 11),
    "60": (8, 10),
    "61": (9, 9),
    "65": (8, 8),
    "66": (8, 9),
    "81": (9, 10),
    "82": (8, 10),
    "84": (9, 10),
    "86": (10, 11),
    "91": (10, 10),
    "852": (8, 8),
    "853": (8, 8),
    "886": (8, 9),
}

#: The same for numbers that begin with 00: no country is left out, since
#: figures that are padded begin so, too. For that reason the least is higher
#: where short numbers are rare, and those of 4 or 5 digits, which some islands
#: have, are none. Other codes, of three digits: 7 to 9.
_DIALLED_DIGITS = _NATIONAL_DIGITS | {
    "20": (8, 10),
    "27": (9, 9),
    "30": (10, 10),
    "32": (8, 9),
    "36": (8, 9),
    "39": (8, 11),
    "40": (9, 9),
    "41": (9, 9),
    "43": (8, 11),
    "45": (8, 8),
    "46": (7, 9),
    "47": (8, 8),
    "48": (9, 9),
    "49": (8, 11),
    "51": (8, 9),
    "52": (10, 10),
    "53": (8, 10),
    "54": (10, 11),
    "55": (10, 11),
    "56": (9, 9),
    "57": (8, 10),
    "58": (10, 10),
    "62": (8, 12),
    "63": (8, 10),
    "64": (8, 10),
    "90": (10, 10),
    "92": (9, 10),
    "93": (9, 9),
    "94": (9, 9),
    "95": (7, 10),
    "98": (10, 10),
    "225": (10, 10),
    "229": (10, 10),
    "234": (10, 10),
    "243": (7, 10),
    "298": (6, 6),
    "299": (6, 6),
    "352": (6, 11),
    "353": (7, 10),
    "358": (6, 10),
    "376": (6, 9),
    "378": (8, 10),
    "381": (7, 10),
    "508": (6, 9),
    "597": (6, 7),
    "672": (6, 6),
    "681": (6, 6),
    "685": (7, 10),
    "687": (6, 6),
    "688": (6, 7),
    "850": (8, 10),
    "856": (8, 10),
    "870": (9, 12),
    "878": (12, 12),
    "880": (8, 10),
    "881": (9, 10),
    "882": (7, 12),
    "883": (8, 12),
    "964": (8, 10),
    "976": (8, 10),
    "977": (8, 10),
}

#: Assigned codes of countries, and of satellites and networks without one; not
#: those of free and paid services. Source: libphonenumber 9.0.43, which has all
#: but 379, as that is assigned by ITU-T E.164 and not in use.
_CODE = re.compile(
    "[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    "|21[12368]|2[2346][0-9]|25[0-8]|29[01789]|35[0-9]|37[0-9]"
    "|38[0-35-79]|42[013]|50[0-9]|59[0-9]|67[02-9]|68[0-35-9]|69[0-2]"
    "|85[02356]|87[08]|88[01236]|96[0-8]|97[0-79]|99[2-68]"
)

#: National numbers of these countries may begin with a zero.
_ZERO_STAYS = frozenset(
    {"39", "225", "226", "227", "229"}
    | {"241", "242", "250", "378", "881", "992"}
)

#: What national numbers begin with, where that tells many figures apart.
_FIRST_DIGITS = {
    "1": re.compile("[2-9][0-9]{2}[2-9]"),
    "7": re.compile("[347-9]"),
    "44": re.compile("[1-3578]"),
}

_NO_SECRETS = frozenset(
    {"false", "none", "null", "true", "nil", "undefined", "empty", "unset"}
)

_OBJECT = re.compile(r"(?:[a-z]\w{0,60}\.){2,20}\w{1,80}@[0-9a-f]{1,16}")

_SHARED_HOMES = frozenset(
    {"all users", "default", "public", "shared", ".", ".."}
)


def digits_of(text: str) -> str:
    """
    Keep the ASCII digits of *text*.
    """
    return _NO_DIGITS.sub("", text)


_NO_DIGITS = re.compile("[^0-9]+")


#: Each digit as the sum of the digits of its double.
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")


def is_luhn(digits: str) -> bool:
    """
    Tell whether the last of ASCII *digits* is their check digit.

    Source:
        ISO/IEC 7812-1, annex B.
    """
    # Sums of bytes: this runs for each long number of a log.
    codes = digits.encode()
    doubled = codes[-2::-2].translate(_DOUBLED)
    return (sum(codes[-1::-2]) + sum(doubled) - 48 * len(digits)) % 10 == 0


def is_imei(digits: str) -> bool:
    """
    Tell whether 15 digits have a reporting body and a right check digit.
    """
    return digits[:2] in _REPORTING_BODIES and is_luhn(digits)


def is_card(digits: str) -> bool:
    """
    Tell whether 14 to 19 digits are a payment card's.

    Source:
        ISO/IEC 7812-1: issuer ranges and check digit.
    """
    return _is_issuer(digits) and is_luhn(digits)


def _is_issuer(digits: str) -> bool:
    size, four = len(digits), int(digits[:4])
    if size == 14:
        return 3000 <= four <= 3059 or digits[:2] in {"36", "38", "39"}
    if size == 15:
        return digits[:2] in {"34", "37"}
    return (
        digits[0] == "4"
        or 5100 <= four <= 5599
        or 2221 <= four <= 2720
        or 3528 <= four <= 3589
        or digits[:2] in {"50", "60", "62", "64", "65", "67", "68", "69"}
        or four in {5610, 5893, 9558, 9559, 9843}
    )


def card_length(text: str) -> int:
    """
    Accept a payment card's number in groups.
    """
    return len(text) if is_card(digits_of(text)) else 0


def is_iccid(digits: str) -> bool:
    """
    Tell whether 19 or 20 digits are a SIM card's number (ITU-T E.118).
    """
    return digits.startswith("89") and is_luhn(digits)


def is_resident_id(text: str) -> bool:
    """
    Tell whether 18 characters are a resident identity number of China.

    Source:
        GB 11643-1999: area, date of birth, and ISO 7064 MOD 11-2.
    """
    if not "11" <= text[:2] <= "83":
        return False
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    codes = text[:17].encode()
    total = sum(map(operator.mul, _RESIDENT_WEIGHTS, codes))
    # 48, the code of 0, counts as often as all weights together.
    right = "10X98765432"[(total - 48 * 100) % 11]
    return 1900 <= born.year <= 2099 and right == text[17].upper()


def is_mobile(digits: str) -> bool:
    """
    Tell whether 11 digits are a mobile number of China.
    """
    return digits[0] == "1" and digits[1] in "3456789"


def mac_length(text: str) -> int:
    """
    Accept an address unless it is a constant that stands for none.
    """
    if len({*text.lower()}) > 3:  # with the sign between
        return len(text)
    digits = re.sub(r"[^0-9a-f]", "", text.lower())
    none = {"0", "f"} >= set(digits) or digits == "020000000000"
    return 0 if none else len(text)


def ipv4_length(text: str) -> int:
    """
    Accept four octets that name a host, not loopback and not ``x.0.0.0``.
    """
    octets = [*map(int, text.replace("-", ".").split("."))]
    named = max(octets) < 256 and octets[0] not in {0, 127}
    return len(text) if named and any(octets[1:]) else 0


def dashed_length(text: str) -> int:
    """
    Accept four octets with hyphens, unless they can be a date and an hour.
    """
    octets = [int(octet) for octet in text.split("-")]
    is_date = max(octets) < 60 and octets[0] != 10
    return 0 if is_date else ipv4_length(text)


def ipv6_length(text: str) -> int:
    """
    Accept an address of a host: not ``::``, ``::1``, one of a group, or a
    short one of a reserved block.

    Source:
        RFC 4291: spelling (2.2), kinds of addresses (2.4).
    """
    left, short, right = text.partition("::")
    groups = [*left.split(":")] * bool(left) + [*right.split(":")] * bool(
        right
    )
    if "" in groups or (len(groups) > 7 if short else len(groups) != 8):
        return 0
    first = int(groups[0], 16) if left else 0
    if first >= 0xFF00 or not (first or groups[-1:]):
        return 0
    if not short:
        return len(text) if any(int(it, 16) for it in groups[:7]) else 0
    # `::add` in a message is more likely a name than a reserved address.
    is_mapped = not left and len(groups) == 3 and groups[0].lower() == "ffff"
    is_used = 0x2000 <= first < 0x4000 or 0xFC00 <= first < 0xFE00
    return len(text) if is_mapped or is_used or first >= 0xFE80 else 0


def phone_length(text: str) -> int:
    """
    Find where an international number ends, group by group.

    Figures after a number look like more of it; the numbering plan of its
    country says how many digits it has.
    """
    digits = digits_of(text)
    for size in (3, 2, 1):
        code = digits[:size]
        if code in _NATIONAL_DIGITS:
            break
    else:
        code = digits[:2]
    return _national_end(text, code, *_NATIONAL_DIGITS.get(code, (6, 12)))


def _national_end(text: str, code: str, least: int, most: int) -> int:
    count, end = -len(code), 0
    for group in _GROUPS(text):
        first, last = group.span()
        if text[first - 1 : last + 1] == "(0)":
            continue  # dialled within the country only
        count += last - first
        if count > most:
            break
        if count >= least:
            end = last
    return end


_GROUPS = re.compile("[0-9]+").finditer


def dialled_phone_length(text: str) -> int:
    """
    Find where a number with 00 and a country code ends, as `phone_length`.

    Identifiers and dumps of bytes begin with 00, too: without anything
    between, the number must be whole; in groups, the first must hold the
    whole code, and the groups must be no bytes and no words of bytes.
    """
    rest = text[2:].lstrip(" ")
    head = _CODE.match(rest)
    if not head:
        return 0
    code = head[0]
    digits = digits_of(rest.replace("(0)", ""))[len(code) :]
    first = _FIRST_DIGITS.get(code)
    if (digits[:1] == "0" and code not in _ZERO_STAYS) or (
        first and not first.match(digits)
    ):
        return 0
    least, most = _DIALLED_DIGITS.get(code, (7, 9))
    if text.isdecimal():
        size = len(digits)
        return len(text) if max(least, 8) <= size <= most else 0
    sizes = [len(it[0]) for it in _GROUPS(text)]
    if {*sizes} == {2} or sizes[:4] == [4] * 4:
        return 0
    end = _national_end(rest, code, least, most)
    return len(text) - len(rest) + end if end else 0


def local_phone_length(text: str) -> int:
    """
    Accept 7 to 15 digits; of figures with blanks between, those that can be
    one number.
    """
    end = _number_end(text)
    return end if len(digits_of(text[:end])) >= 7 else 0


def spoken_phone_length(text: str) -> int:
    """
    Accept 6 to 15 digits that are no date and, if few, stand in groups.
    """
    end = _number_end(text)
    number = text[:end]
    size = len(digits_of(number))
    is_grouped = re.search(r"[0-9][^0-9x]+[0-9]", number) is not None
    if size < (6 if is_grouped else 8) or _DATE.match(number):
        return 0
    return end


_DATE = re.compile(
    r"(?:19|20)[0-9]{2}([./-])[0-9]{1,2}\1[0-9]{1,2}(?![0-9])"
    r"|[0-9]{1,2}([./-])[0-9]{1,2}\2(?:19|20)?[0-9]{2}(?![0-9])"
)

_EXTENSION = re.compile(r" ?(?:x|ext\.?) ?[0-9]{1,6}\Z")


def _number_end(text: str) -> int:
    """
    Find where a number in groups ends: past ten digits no group follows a
    blank, and never more than fifteen digits count.
    """
    tail = _EXTENSION.search(text)
    whole = len(text)
    stop = tail.start() if tail else whole
    # `00` and the code of a country come before the ten.
    is_abroad = text.startswith("00")
    few = 13 if is_abroad else 10
    count = end = 0
    for group in re.finditer(r"[0-9]+", text[:stop]):
        size = len(group[0])
        after_blank = text[end : group.start()].endswith(" ")
        if count and (
            count + size > 15
            or (
                after_blank and (count >= few or (size == 1 and not is_abroad))
            )
        ):
            return end
        count, end = count + size, group.end()
    return whole if count <= 15 else 0


def secret_length(text: str) -> int:
    """
    Accept anything but words for "nothing", masks and names of objects.
    """
    empty = text in _NO_SECRETS or not text.strip("*x.-•")
    return 0 if empty or _OBJECT.fullmatch(text) else len(text)


def random_length(text: str) -> int:
    """
    Accept a secret of six characters, of which some are letters and some not.
    """
    is_mixed = any(map(str.isalpha, text)) and not text.isalpha()
    return secret_length(text) if is_mixed and len(text) >= 6 else 0


def told_secret_length(text: str) -> int:
    """
    Accept what a sentence says is a secret: letters with figures among them,
    no name of a method, a version or a file.
    """
    word = text.rstrip(".!?")
    if _NO_TOLD_SECRET.match(word):
        return 0
    has_digit = any(it in "0123456789" for it in word)
    return random_length(word) if has_digit else 0


_NO_TOLD_SECRET = re.compile(
    r"(?:0x|/|\\|v[0-9]|sha-?[0-9]|md5|base[0-9]|utf-?[0-9]|oauth|[hb]mac"
    r"|rs[0-9]|hs[0-9]|es[0-9]|pbkdf|argon|aes|rsa-?[0-9]|sm[0-9]|des3"
    r"|[0-9]+(?:st|nd|rd|th|ms|us|ns|min|s|m|h|d|b|kb|mb|bytes?)\Z"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}|\S*\.[a-z]{1,5}\Z)"
)


def told_token_length(text: str) -> int:
    """
    Accept what a sentence says is a token: more than that, as parsers speak
    of tokens, too.
    """
    size = told_secret_length(text)
    digits = sum(it in "0123456789" for it in text)
    return size if size >= 12 and digits >= 3 else 0


def random_key_length(text: str) -> int:
    """
    Accept what holds small letters, capitals and three digits.
    """
    digits = sum(it in "0123456789" for it in text)
    is_mixed = text != text.lower() and text != text.upper()
    return len(text) if digits >= 3 and is_mixed else 0


def device_id_length(text: str) -> int:
    """
    Accept a value that holds a digit and is not one character repeated.
    """
    has_digit = any(character in "0123456789" for character in text)
    return len(text) if has_digit and len(set(text) - {"-"}) > 1 else 0


def home_length(text: str) -> int:
    """
    Accept the name of one person's home directory.
    """
    lower = text.lower()
    is_page = lower.endswith((".html", ".htm", ".php", ".jsp"))
    return 0 if is_page or lower in _SHARED_HOMES else len(text)


def points_length(text: str) -> int:
    """
    Accept pairs of degrees; three figures are a vector.
    """
    figures = [float(it) for it in re.split(r"[,;] ?|%2[Cc]", text)]
    if len(figures) % 2:
        return 0
    pairs = zip(figures[::2], figures[1::2], strict=True)
    right = all(
        abs(a) <= 180 and abs(b) <= 180 and min(abs(a), abs(b)) <= 90
        for a, b in pairs
    )
    return len(text) if right else 0
