# SPDX-License-Identifier: MIT
"""
Made-up personal values in the forms that standards and vendors publish.

None is taken from a rule of the scrubber; README.md names the sources.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import string

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from random import Random


#: Makes one value.
Maker = Callable[[Random], str]

_SIGNS = {
    "#": string.digits,
    "@": string.ascii_uppercase,
    "^": string.ascii_lowercase,
    "~": "0123456789abcdef",
    "*": string.ascii_letters + string.digits,
    "_": string.ascii_letters + string.digits + "_-",
    "+": string.ascii_letters + string.digits + "+/",
    "2": string.ascii_uppercase + "234567",
}


def fill(rng: Random, shape: str) -> str:
    """
    Write *shape* with a random character for each sign, as in ``"ab-[#4]"``:
    a sign and how many of it, in brackets.
    """
    head, *parts = shape.split("[")
    made = [head]
    for part in parts:
        signs, _, rest = part.partition("]")
        made += rng.choices(_SIGNS[signs[0]], k=int(signs[1:] or 1))
        made.append(rest)
    return "".join(made)


def shaped(*shapes: str) -> Maker:
    """
    Make a maker of values of any of *shapes*.
    """
    return lambda rng: fill(rng, rng.choice(shapes))


def lay_out(shape: str, text: str) -> str:
    """
    Write *text* into *shape*, a character for each ``#``.
    """
    rest = iter(text)
    return "".join(next(rest) if it == "#" else it for it in shape)


def birthday(rng: Random) -> date:
    """
    Choose a day on which somebody alive may have been born.
    """
    return date(1940, 1, 1) + timedelta(days=rng.randrange(25_000))


def weighted(digits: Iterable[str], weights: Iterable[int]) -> int:
    """
    Sum up *digits*, each times its weight.
    """
    return sum(int(it) * by for it, by in zip(digits, weights, strict=False))


def with_luhn(digits: str) -> str:
    """
    Add the check digit of ISO/IEC 7812-1, annex B.
    """
    doubled = "".join(str(int(it) * 2) for it in digits[::-2])
    total = sum(map(int, doubled)) + sum(map(int, digits[-2::-2]))
    return f"{digits}{-total % 10}"


def with_mod_11_10(digits: str) -> str:
    """
    Add the check digit of ISO/IEC 7064, MOD 11,10.
    """
    rest = 10
    for it in digits:
        rest = ((int(it) + rest - 1) % 10 + 1) * 2 % 11
    return f"{digits}{(11 - rest) % 10}"


# Telephones.

_MOBILE_CN = (
    "130", "131", "132", "133", "134", "135", "136", "137", "138", "139",
    "147", "150", "151", "152", "153", "155", "156", "157", "158", "159",
    "166", "170", "171", "172", "173", "175", "176", "177", "178", "180",
    "181", "182", "183", "184", "185", "186", "187", "188", "189", "191",
    "193", "195", "198", "199",
)  # fmt: skip


def mobile_bare(rng: Random) -> str:
    """
    A mobile number of China, digits only.
    """
    return rng.choice(_MOBILE_CN) + fill(rng, "[#8]")


def mobile(rng: Random) -> str:
    """
    The same as people and apps write it.
    """
    shapes = (
        "###########",
        "### #### ####",
        "###-####-####",
        "+86###########",
        "+86 ###########",
        "+86-###########",
        "+86 ### #### ####",
        "+86-###-####-####",
        "0086###########",
    )
    return lay_out(rng.choice(shapes), mobile_bare(rng))


phone_intl = shaped(
    "+1 212 [#3] [#4]",
    "+1 (415) [#3]-[#4]",
    "+1-206-[#3]-[#4]",
    "+1647[#7]",
    "+44 20 7[#3] [#4]",
    "+44 7[#3] [#6]",
    "+447[#9]",
    "+49 30 [#8]",
    "+49 171 [#7]",
    "+4989[#8]",
    "+33 1 [#2] [#2] [#2] [#2]",
    "+336[#8]",
    "+34 6[#2] [#3] [#3]",
    "+39 06 [#4] [#4]",
    "+39 3[#2] [#7]",
    "+31 6 [#8]",
    "+32 4[#2] [#2] [#2] [#2]",
    "+41 44 [#3] [#2] [#2]",
    "+43 1 [#7]",
    "+46 8 [#3] [#3] [#2]",
    "+47 9[#2] [#2] [#3]",
    "+358 40 [#7]",
    "+353 1 [#3] [#4]",
    "+351 9[#2] [#3] [#3]",
    "+48 5[#2] [#3] [#3]",
    "+7 495 [#3]-[#2]-[#2]",
    "+81 3-[#4]-[#4]",
    "+81-90-[#4]-[#4]",
    "+82 10-[#4]-[#4]",
    "+852 9[#3] [#4]",
    "+853 6[#3] [#4]",
    "+886 9[#2] [#3] [#3]",
    "+65 9[#3] [#4]",
    "+60 12-[#3] [#4]",
    "+91 98[#3] [#5]",
    "+9198[#8]",
    "+61 4[#2] [#3] [#3]",
    "+64 21 [#3] [#4]",
    "+55 11 9[#4]-[#4]",
    "+52 55 [#4] [#4]",
    "+971 50 [#3] [#4]",
    "+27 82 [#3] [#4]",
    "+86 10 6[#3] [#4]",
    "+86-755-2[#7]",
)
phone_e164 = shaped("+4420[#8]", "+1415[#7]", "+8190[#8]", "+61412[#6]")
phone_trunk = shaped("+44 (0)161 [#3] [#4]", "+49 (0)30 [#8]")
phone_00 = shaped("0044 20 7[#3] [#4]", "004930[#8]", "0033 6 [#8]")


def _nanp(rng: Random, shape: str) -> str:
    area = rng.choice(["212", "310", "415", "512", "617", "702", "804", "973"])
    office = f"{rng.randrange(2, 10)}{rng.randrange(2, 10)}"
    return lay_out(shape, area + office + fill(rng, "[#5]"))


def phone_us(rng: Random) -> str:
    """
    A number of the United States as people write it.
    """
    shapes = ("(###) ###-####", "###-###-####", "###.###.####")
    return _nanp(rng, rng.choice(shapes))


def phone_us_blanks(rng: Random) -> str:
    """
    The same with blanks only.
    """
    return _nanp(rng, "### ### ####")


def phone_us_bare(rng: Random) -> str:
    """
    The same as ten digits.
    """
    return _nanp(rng, "##########")


phone_uk = shaped(
    "020 7[#3] [#4]",
    "020 8[#3] [#4]",
    "(020) 7[#3] [#4]",
    "0161 4[#2] [#4]",
    "0121 2[#2] [#4]",
    "01273 [#6]",
    "07700 9[#5]",
    "079[#2] [#6]",
    "077[#8]",
)
phone_cn = shaped(
    "010-6[#7]",
    "021-5[#7]",
    "0755-2[#7]",
    "0571-8[#7]",
    "(010)8[#7]",
    "028 8[#7]",
    "0106[#7]",
    "400-8[#2]-[#4]",
)
phone_eu = shaped(
    "030 [#8]",
    "0171 [#7]",
    "089/[#8]",
    "01 4[#1] [#2] [#2] [#2]",
    "06.[#2].[#2].[#2].[#2]",
    "6[#2] [#3] [#3]",
    "91 [#3] [#2] [#2]",
    "06 [#4] [#4]",
    "347 [#7]",
    "020 [#3] [#4]",
    "08-[#3] [#2] [#2]",
)


# Numbers of people.

_AREAS_CN = (
    "110101", "110105", "120101", "130102", "210102", "230103", "310104",
    "310115", "320102", "330106", "340104", "350203", "370102", "410105",
    "420106", "430104", "440106", "440305", "450103", "460105", "500103",
    "510104", "520102", "530102", "540102", "610113", "620102", "630102",
    "640104", "650102", "810000",
)  # fmt: skip


def resident_id(rng: Random) -> str:
    """
    A resident identity number of China, with its check digit.
    """
    digits = (
        f"{rng.choice(_AREAS_CN)}{birthday(rng):%Y%m%d}{fill(rng, '[#3]')}"
    )
    weights = [2**it % 11 for it in range(17, 0, -1)]
    check = "10X98765432"[weighted(digits, weights) % 11]
    return digits + rng.choice([check, check.lower()])


def resident_id_old(rng: Random) -> str:
    """
    One of the 15 digits that were given out until 1999.
    """
    day = date(1940, 1, 1) + timedelta(days=rng.randrange(20_000))
    return f"{rng.choice(_AREAS_CN)}{day:%y%m%d}{fill(rng, '[#3]')}"


def _ssn_digits(rng: Random) -> str:
    area = rng.choice([*range(1, 666), *range(667, 900)])
    return f"{area:03}{rng.randrange(1, 100):02}{rng.randrange(1, 10_000):04}"


def ssn(rng: Random) -> str:
    """
    A social security number of the United States, with its hyphens.
    """
    return lay_out("###-##-####", _ssn_digits(rng))


def ssn_loose(rng: Random) -> str:
    """
    The same with blanks or without anything.
    """
    return lay_out(rng.choice(["### ## ####", "#########"]), _ssn_digits(rng))


def itin(rng: Random) -> str:
    """
    An individual taxpayer number of the United States.
    """
    return f"9{fill(rng, '[#2]')}-{rng.randrange(70, 89)}-{fill(rng, '[#4]')}"


def nino(rng: Random) -> str:
    """
    A National Insurance number.
    """
    pair = rng.choice("ABCEHJLMPRSWXY") + rng.choice("ABCEHJLMPRSWX")
    shape = rng.choice(["#########", "## ## ## ## #"])
    return lay_out(shape, pair + fill(rng, "[#6]") + rng.choice("ABCD"))


def nhs(rng: Random) -> str:
    """
    A number of the National Health Service.
    """
    return lay_out("### ### ####", nhs_bare(rng))


def nhs_bare(rng: Random) -> str:
    """
    The same as ten digits.
    """
    while True:
        digits = rng.choice(["4", "60", "65"])
        digits += fill(rng, f"[#{9 - len(digits)}]")
        check = -weighted(digits, range(10, 1, -1)) % 11
        if check < 10:
            return f"{digits}{check}"


_LETTERS_ES = "TRWAGMYFPDXBNJZSQVHLCKE"


def dni(rng: Random) -> str:
    """
    An identity number of Spain.
    """
    digits = fill(rng, "[#8]")
    letter = _LETTERS_ES[int(digits) % 23]
    return digits + rng.choice(["", "-"]) + letter


def nie(rng: Random) -> str:
    """
    A number of a foreigner in Spain.
    """
    first, digits = rng.randrange(3), fill(rng, "[#7]")
    return f"{'XYZ'[first]}{digits}{_LETTERS_ES[int(f'{first}{digits}') % 23]}"


_ODD_IT = (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
    10, 22, 25, 24, 23,
)  # fmt: skip


def codice_fiscale(rng: Random) -> str:
    """
    A tax code of Italy.
    """
    day = birthday(rng)
    name = "".join(rng.choices("BCDFGLMNPRSTVZ", k=6))
    number = day.day + rng.choice([0, 40])
    place = rng.choice(["H501", "F205", "L219", "F839", "A662", "Z112"])
    code = f"{name}{day:%y}{'ABCDEHLMPRST'[day.month - 1]}{number:02}{place}"
    values = [int(it) if it.isdigit() else ord(it) - 65 for it in code]
    total = sum(_ODD_IT[it] for it in values[::2]) + sum(values[1::2])
    return code + chr(65 + total % 26)


def nir(rng: Random) -> str:
    """
    A social security number of France.
    """
    day = birthday(rng)
    department = rng.choice(["13", "31", "33", "59", "69", "75", "92"])
    digits = f"{rng.choice('12')}{day:%y%m}{department}{fill(rng, '[#6]')}"
    shape = rng.choice(["###############", "# ## ## ## ### ### ##"])
    return lay_out(shape, f"{digits}{97 - int(digits) % 97:02}")


def hetu(rng: Random) -> str:
    """
    A personal identity code of Finland.
    """
    day, number = birthday(rng), rng.randrange(2, 900)
    digits = f"{day:%d%m%y}{number:03}"
    check = "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31]
    sign = "-" if day.year < 2000 else "A"
    return f"{day:%d%m%y}{sign}{number:03}{check}"


def personnummer(rng: Random) -> str:
    """
    A personal identity number of Sweden.
    """
    day = birthday(rng)
    digits = with_luhn(f"{day:%y%m%d}{fill(rng, '[#3]')}")
    century = rng.choice(["", f"{day.year // 100}"])
    return f"{century}{digits[:6]}-{digits[6:]}"


def rijksregister(rng: Random) -> str:
    """
    A national number of Belgium.
    """
    return lay_out("##.##.##-###.##", rijksregister_bare(rng))


def rijksregister_bare(rng: Random) -> str:
    """
    The same as eleven digits.
    """
    day = birthday(rng)
    digits = f"{day:%y%m%d}{rng.randrange(1, 998):03}"
    long = digits if day.year < 2000 else f"2{digits}"
    return f"{digits}{97 - int(long) % 97:02}"


def steuer_id(rng: Random) -> str:
    """
    A tax number of a person in Germany.
    """
    return lay_out("## ### ### ###", steuer_id_bare(rng))


def steuer_id_bare(rng: Random) -> str:
    """
    The same as eleven digits: of the first ten one is there twice.
    """
    digits = rng.sample("123456789", 9)
    digits.insert(rng.randrange(1, 10), rng.choice(digits))
    return with_mod_11_10("".join(digits))


def pps(rng: Random) -> str:
    """
    A public service number of Ireland.
    """
    digits = fill(rng, "[#7]")
    second = rng.choice(["", "A", "B"])
    total = weighted(digits, range(8, 1, -1)) + 9 * " ABCDEFGHI".index(
        second or " "
    )
    return f"{digits}{'WABCDEFGHIJKLMNOPQRSTUV'[total % 23]}{second}"


def bsn(rng: Random) -> str:
    """
    A citizen service number of the Netherlands.
    """
    while True:
        digits = rng.choice("123456789") + fill(rng, "[#7]")
        check = weighted(digits, range(9, 1, -1)) % 11
        if check < 10:
            return f"{digits}{check}"


def pesel(rng: Random) -> str:
    """
    A number of the population register of Poland.
    """
    day = birthday(rng)
    month = day.month + (20 if day.year >= 2000 else 0)
    digits = f"{day:%y}{month:02}{day:%d}{fill(rng, '[#4]')}"
    total = weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))
    return f"{digits}{-total % 10}"


def nif_pt(rng: Random) -> str:
    """
    A tax number of Portugal.
    """
    digits = rng.choice("12") + fill(rng, "[#7]")
    check = -weighted(digits, range(9, 1, -1)) % 11
    return f"{digits}{check if check < 10 else 0}"


def cpr(rng: Random) -> str:
    """
    A number of the civil register of Denmark; it has no check any more.
    """
    return f"{birthday(rng):%d%m%y}-{fill(rng, '[#4]')}"


def oib(rng: Random) -> str:
    """
    A personal number of Croatia.
    """
    return with_mod_11_10(fill(rng, "[#10]"))


def svnr(rng: Random) -> str:
    """
    A social security number of Austria.
    """
    while True:
        first, day = str(rng.randrange(100, 1000)), f"{birthday(rng):%d%m%y}"
        check = weighted(first + day, (3, 7, 9, 5, 8, 4, 2, 1, 6)) % 11
        if check < 10:
            return f"{first}{check} {day}"


def cnp(rng: Random) -> str:
    """
    A personal number of Romania.
    """
    day = birthday(rng)
    first = rng.choice("12" if day.year < 2000 else "56")
    digits = f"{first}{day:%y%m%d}{rng.randrange(1, 47):02}{fill(rng, '[#3]')}"
    check = weighted(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return f"{digits}{check % 10 if check < 10 else 1}"


def isikukood(rng: Random) -> str:
    """
    A personal code of Estonia.
    """
    day = birthday(rng)
    first = rng.choice("34" if day.year < 2000 else "56")
    digits = f"{first}{day:%y%m%d}{fill(rng, '[#3]')}"
    check = weighted(digits, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(digits, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return f"{digits}{check}"


license_us = shaped(
    "[@1][#7]",
    "[#8]",
    "[#9]",
    "[@1][#12]",
    "[@1][#3]-[#4]-[#4]",
    "[@2][#6]",
)
license_uk = shaped("[@5][#1]01157[@2]9[@2]", "[@5][#1]12310[@2]9[@2]")


def plate(rng: Random) -> str:
    """
    A number plate of China (GA 36-2018), without the letters I and O.
    """
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    signs = letters + string.digits * 4
    place = rng.choice(
        "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
    )
    office = rng.choice(letters[:12])
    forms = (
        "".join(rng.choices(signs, k=4)) + fill(rng, "[#1]"),
        fill(rng, "[#5]"),
        rng.choice("DF") + fill(rng, "[#5]"),
        fill(rng, "[#5]") + rng.choice("DF"),
        fill(rng, "[#4]") + rng.choice("学警挂"),
    )
    return (
        f"{place}{office}{rng.choice(['', '', '·', ' '])}{rng.choice(forms)}"
    )


def plate_border(rng: Random) -> str:
    """
    A plate of a car from Hong Kong or Macao.
    """
    return f"粤Z{fill(rng, '[#4]')}{rng.choice('港澳')}"


# Money.

_ISSUERS = (
    ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16),
    ("34", 15), ("37", 15), ("3530", 16), ("3589", 16), ("6011", 16),
    ("65", 16), ("622202", 19), ("622848", 19), ("621700", 19),
    ("625965", 16), ("6214", 16), ("6759", 16),
)  # fmt: skip

_CARD_SHAPES = {
    15: "#### ###### #####",
    16: "#### #### #### ####",
    19: "#### #### #### #### ###",
}


def card(rng: Random) -> str:
    """
    A number of a payment card, by issuer and length.
    """
    prefix, length = rng.choice(_ISSUERS)
    digits = with_luhn(prefix + fill(rng, f"[#{length - 1 - len(prefix)}]"))
    shape = rng.choice(["#" * length, _CARD_SHAPES[length]])
    return lay_out(shape.replace(" ", rng.choice(" -")), digits)


def card_diners(rng: Random) -> str:
    """
    A number of Diners Club, as it stands on the card.
    """
    return lay_out("#### ###### ####", with_luhn("36" + fill(rng, "[#11]")))


_IBANS = {
    "GB": "[@4][#14]",
    "DE": "[#18]",
    "FR": "[#10][@1][#12]",
    "IT": "[@1][#22]",
    "NL": "[@4][#10]",
    "DK": "[#14]",
    "AT": "[#16]",
    "CH": "[#17]",
    "SE": "[#20]",
    "FI": "[#14]",
    "LU": "[#16]",
    "IE": "[@4][#14]",
    "PL": "[#24]",
    "PT": "[#21]",
    "GR": "[#23]",
    "MT": "[@4][#5][@2][#16]",
    "AE": "[#19]",
}


def iban(rng: Random) -> str:
    """
    An account number of ISO 13616, bare or in groups of four.
    """
    country = rng.choice(list(_IBANS))
    account = fill(rng, _IBANS[country])
    spelled = "".join(str(int(it, 36)) for it in account + country)
    code = f"{country}{98 - int(spelled + '00') % 97:02}{account}"
    if rng.random() < 0.5:
        return code
    return " ".join(code[it : it + 4] for it in range(0, len(code), 4))


# Devices and networks.


def imei(rng: Random) -> str:
    """
    An identity of a mobile device (TS 23.003), with its check digit.
    """
    body = rng.choice(["01", "35", "86", "45", "52"])
    return with_luhn(body + fill(rng, "[#12]"))


def imei_parted(rng: Random) -> str:
    """
    The same as it stands on a label.
    """
    shape = rng.choice(["##-######-######-#", "## ###### ###### #"])
    return lay_out(shape, imei(rng))


def iccid(rng: Random) -> str:
    """
    The number of a SIM card (ITU-T E.118), 19 or 20 digits.
    """
    prefix = rng.choice(["898600", "898601", "8944110", "8901260", "8949020"])
    length = rng.choice([18, 18, 19])
    return with_luhn(prefix + fill(rng, f"[#{length - len(prefix)}]"))


imsi = shaped("460[#12]", "310260[#9]", "23430[#10]", "26201[#10]")
android_id = shaped("[~16]")
uuid = shaped("[~8]-[~4]-4[~3]-a[~3]-[~12]")


def idfa(rng: Random) -> str:
    """
    An advertising identifier as iOS writes it.
    """
    return uuid(rng).upper()


oaid = shaped("[~64]", "[~8]-[~4]-4[~3]-b[~3]-[~12]", "[~16]")
udid = shaped("[~40]", "00008030-00[~14]", "00008110-00[~14]")
serial = shaped("[@1][#2][@4][#2][@3]", "R[#1]CN[#1]0[@4]", "[~16]")


def _octets(rng: Random) -> list[int]:
    first = rng.choice([2, 3 * 2, 1 * 0, 0x10 + 2 * rng.randrange(110)])
    return [first, *(rng.randrange(256) for _ in range(5))]


def mac(rng: Random) -> str:
    """
    A hardware address, universal or random, in the forms of IEEE 802.
    """
    octets = [f"{it:02x}" for it in _octets(rng)]
    text = rng.choice([":", ":", "-"]).join(octets)
    return rng.choice([text, text.upper()])


def mac_dotted(rng: Random) -> str:
    """
    The same as switches of Cisco write it.
    """
    return lay_out("####.####.####", bytes(_octets(rng)).hex())


def mac_bare(rng: Random) -> str:
    """
    The same without separators.
    """
    text = bytes(_octets(rng)).hex()
    return rng.choice([text, text.upper()])


def ipv4(rng: Random) -> str:
    """
    An address that belongs to one machine.
    """
    first = rng.choice([10, 172, 192, *range(11, 127), *range(128, 224)])
    return f"{first}." + ".".join(
        str(it) for it in rng.choices(range(1, 255), k=3)
    )


def ipv6(rng: Random) -> str:
    """
    An address, short (RFC 5952), long, or in capitals.
    """
    head = rng.choice(
        ["2001:db8", "2408:8207", "240e:3a1", "2a02:8108", "fd12:3456"]
    )
    groups = [f"{rng.randrange(1, 65536):x}" for _ in range(6)]
    for at in range(rng.randrange(5)):
        groups[at] = "0"
    address = ipaddress.IPv6Address(":".join([head, *groups]))
    return rng.choice(
        [
            address.compressed,
            address.compressed,
            address.exploded,
            address.compressed.upper(),
        ]
    )


def ipv6_local(rng: Random) -> str:
    """
    An address made of the hardware address, for one link.
    """
    return fill(rng, "fe80::[~3]1:[~2]ff:fe[~2]:[~3]1").replace(":0", ":")


def ip_dashes(rng: Random) -> str:
    """
    An address as part of a host name.
    """
    return ipv4(rng).replace(".", "-")


def ip_padded(rng: Random) -> str:
    """
    The same with three digits each.
    """
    return "-".join(f"{int(it):03}" for it in ipv4(rng).split("."))


# Names.

_NAMES = (
    "alice", "bob", "chenjie", "maria", "oneill", "zhangwei",
    "jsmith", "wangfang", "anna", "k.mueller", "peter_h", "lihua",
    "sofia", "diego", "yuki", "tanaka", "olga", "marcel",
    "ines", "r.patel",
)  # fmt: skip

_HOSTS = (
    "gmail.com", "qq.com", "163.com", "outlook.com",
    "mail.example.org", "example.co.uk", "corp.example-inc.com", "web.de",
    "orange.fr", "yahoo.co.jp", "proton.me", "sina.com.cn",
    "xn--fiqs8s.example", "alumni.stanford.edu", "icloud.com", "tele2.se",
)  # fmt: skip


def word_name(rng: Random) -> str:
    """
    A name of a user of a machine.
    """
    return rng.choice(_NAMES)


def email(rng: Random) -> str:
    """
    An address of mail (RFC 5321) as people have them.
    """
    name, number = rng.choice(_NAMES), fill(rng, "[#3]")
    forms = (
        name,
        f"{name}{number}",
        f"{name}+news",
        f"{name}.{rng.choice(_NAMES)}",
        f"{name}-{number}",
        f"_{name}",
        fill(rng, "[#9]"),
        name.title(),
    )
    text = f"{rng.choice(forms)}@{rng.choice(_HOSTS)}"
    return rng.choice([text, text, text, text.upper()])


def email_apostrophe(rng: Random) -> str:
    """
    An address of one of the many whose name has an apostrophe.
    """
    return (
        f"{rng.choice(['o', 'd'])}'{rng.choice(_NAMES)}@{rng.choice(_HOSTS)}"
    )


def email_encoded(rng: Random) -> str:
    """
    An address as it stands in a query.
    """
    return email(rng).replace("+", "%2B").replace("@", "%40")


def geo(rng: Random) -> str:
    """
    A place, latitude first.
    """
    places = rng.choice([4, 5, 6, 7, 15])
    return rng.choice([",", ", "]).join(
        f"{it:.{places}f}" for it in _place(rng)
    )


def latitude(rng: Random) -> str:
    """
    A latitude alone.
    """
    return f"{_place(rng)[0]:.{rng.choice([4, 5, 6, 7])}f}"


def longitude(rng: Random) -> str:
    """
    A longitude alone.
    """
    return f"{_place(rng)[1]:.{rng.choice([4, 5, 6, 7])}f}"


def geo_east_first(rng: Random) -> str:
    """
    A place in well-known text, longitude first.
    """
    north, east = _place(rng)
    return f"{east:.6f} {north:.6f}"


def geo_iso6709(rng: Random) -> str:
    """
    A place as ISO 6709 and photographs have it.
    """
    north, east = _place(rng)
    return f"{north:+08.4f}{east:+09.4f}/"


def geo_degrees(rng: Random) -> str:
    """
    A place in degrees, minutes and seconds.
    """
    a, b, c, d = (rng.randrange(10, 60) for _ in range(4))
    seconds = rng.choice(["", f".{rng.randrange(10)}"])
    return (
        f"{rng.randrange(10, 60)}°{a}'{b}{seconds}\"N"
        f"{rng.choice([' ', ', '])}"
        f"{rng.randrange(10, 170)}°{c}'{d}{seconds}\"E"
    )


def geo_nmea(rng: Random) -> str:
    """
    A place as receivers say it (NMEA 0183).
    """
    return (
        f"{rng.randrange(10, 60)}{fill(rng, '3[#1].[#4]')},N,"
        f"{rng.randrange(100, 170)}{fill(rng, '2[#1].[#4]')},E"
    )


def _place(rng: Random) -> tuple[float, float]:
    north, east = rng.choice(
        [(31.2, 121.4), (39.9, 116.4), (51.5, -0.12), (40.7, -74.0),
         (-33.8, 151.2), (48.8, 2.35), (-23.5, -46.6), (22.3, 114.1)]
    )  # fmt: skip
    return north + rng.uniform(-0.3, 0.3), east + rng.uniform(-0.1, 0.1)


# Secrets.


def _part(value: object) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def jwt(rng: Random) -> str:
    """
    A signed token of RFC 7519, one without signature, or a sealed one.
    """
    name, length = rng.choice(
        [("HS256", 43), ("ES256", 86), ("RS256", 342), ("EdDSA", 86)]
    )
    claims = {"sub": fill(rng, "[#10]"), "exp": rng.randrange(10**9)}
    form = rng.random()
    if form < 0.1:
        return f"{_part({'alg': 'none'})}.{_part(claims)}."
    if form < 0.2:
        head = _part({"alg": "RSA-OAEP", "enc": "A256GCM"})
        return head + fill(rng, ".[_342].[_16].[_70].[_22]")
    head = _part({"alg": name, "typ": "JWT"})
    return f"{head}.{_part(claims)}.{fill(rng, f'[_{length - 1}]')}A"


#: Keys of providers, in the form that each publishes.
API_KEYS = {
    "key_aws": shaped("AKIA[216]"),
    "key_aws_temporary": shaped("ASIA[216]"),
    "key_github": shaped("ghp_[*36]"),
    "key_github_app": shaped("ghs_[*36]"),
    "key_github_fine": shaped("github_pat_[*22]_[*59]"),
    "key_gitlab": shaped("glpat-[*20]"),
    "key_slack_bot": shaped("xoxb-[#12]-[#13]-[*24]"),
    "key_slack_user": shaped("xoxp-[#12]-[#12]-[#13]-[~32]"),
    "key_stripe": shaped("sk_live_[*24]"),
    "key_stripe_new": shaped("sk_live_51[*97]"),
    "key_stripe_restricted": shaped("rk_live_[*24]"),
    "key_stripe_test": shaped("sk_test_[*24]"),
    "key_google": shaped("AIza[*35]"),
    "key_google_client": shaped("GOCSPX-[*28]"),
    "key_sendgrid": shaped("SG.[*22].[*43]"),
    "key_npm": shaped("npm_[*36]"),
    "key_pypi": shaped("pypi-AgEIcHlwaS5vcmc[*70]"),
    "key_openai": shaped("sk-proj-[*74]T3BlbkFJ[*74]"),
    "key_openai_old": shaped("sk-[*20]T3BlbkFJ[*20]"),
    "key_anthropic": shaped("sk-ant-api03-[*93]AA"),
    "key_hugging_face": shaped("hf_[*34]"),
    "key_digitalocean": shaped("dop_v1_[~64]"),
    "key_shopify": shaped("shpat_[~32]"),
    "key_alibaba": shaped("LTAI5t[*18]"),
    "key_tencent": shaped("AKID[*32]"),
    "key_telegram": shaped("[#10]:AA[*33]"),
    "key_databricks": shaped("dapi[~32]"),
    "key_mailgun": shaped("key-[~32]"),
    "key_twilio": shaped("SK[~32]"),
    "key_linear": shaped("lin_api_[*40]"),
    "key_postman": shaped("PMAK-[~24]-[~34]"),
    "key_grafana": shaped("glsa_[*32]_[~8]"),
    "key_vault": shaped("hvs.[*95]"),
    "key_docker": shaped("dckr_pat_[*27]"),
    "key_square": shaped("sq0csp-[*43]"),
    "key_terraform": shaped("[*14].atlasv1.[*67]"),
    "key_heroku": shaped("HRKU-AA[*58]"),
    "key_atlassian": shaped("ATATT3xFfGF0[*180]"),
    "key_new_relic": shaped("NRAK-[@1][#26]"),
    "key_doppler": shaped("dp.pt.[*43]"),
    "key_figma": shaped("figd_[*40]"),
    "key_planetscale": shaped("pscale_tkn_[*43]"),
    "key_supabase": shaped("sbp_[~40]"),
    "key_notion": shaped("ntn_[#11][*35]"),
    "key_replicate": shaped("r8_[*37]"),
    "key_groq": shaped("gsk_[*52]"),
}

private_key = shaped(
    "-----BEGIN RSA PRIVATE KEY-----\\nMII[+61]\\n[+64]\\n[+20]==\\n"
    "-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY----- MII[+61] [+40] -----END PRIVATE KEY-----",
)
slack_hook = shaped("T0[@9]/B0[@9]/[*24]")

password = shaped(
    "[*12]",
    "[@1][^7][#2]!",
    "[^6]$[#3][@2]",
    "P@[^5][#2]#[@1]",
    "[*4]-[*4]-[*4]",
    "[^8][#1]",
)
password_plain = shaped("[*12]", "[@1][^7][#2]", "[*16]", "[^8][#3]")
token = shaped("[~32]", "[~40]", "[*32]", "[_43]", "[+42]==")
basic = shaped("[*22]==", "[*27]=", "[*32]")
session = shaped("[~32]", "[*26]", "s%3A[*32].[*43]")
passcode = shaped("[#6]", "[#4]")
