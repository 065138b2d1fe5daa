# SPDX-License-Identifier: MIT
"""
What has the same form everywhere: addresses, places, devices, phones.
"""

from __future__ import annotations

import functools
import re

from collections.abc import Callable, Iterator

from attrs import frozen

from consentkit.anonymise import _validators as v
from consentkit.anonymise._looks import AFTER_DIGIT, START, Look
from consentkit.anonymise._rule import Found, PackRule

from ._names import IS, NUMBER, QUICK_IS


__all__ = ["RULES"]

_DEGREES = r"-?[0-9]{1,3}\.[0-9]{4,15}"
_POSITIVE = ("[0-9]", "[0-9]{2}", "[0-9]{3}")
_NEGATIVE = tuple(f"-{it}" for it in _POSITIVE)

_DEVICE_NAMES = (
    r"(?:android[_-]?id|ssaid|aaid|oaid|gaid|vaid|idf[av]|udid"
    r"|advertising[ _-]?id|device[_-]?(?:uu|u)?id|machine[_-]?id"
    r"|install(?:ation)?[_-]?id|serial(?:[_-]?(?:no|num(?:ber)?))?"
    r"|meid|imsi|iccid|设备号|序列号)"
)

_DEVICE_WORDS = (
    *("ssaid", "aaid", "oaid", "gaid", "vaid", "idfa", "idfv", "udid"),
    *("serial", "meid", "imsi", "iccid"),
    *("advertising id", "设备号", "序列号"),
    *(
        f"{name}{between}{tail}"
        for name, tail in (
            ("android", "id"),
            ("advertising", "id"),
            ("device", "id"),
            ("device", "u"),
            ("machine", "id"),
            ("install", "id"),
            ("installation", "id"),
        )
        for between in ("", "_", "-")
    ),
)

#: What is an identifier by its form, so that a blank before it will do: a
#: UUID, 16 or 32 digits in base 16, an IMSI, an ICCID.
_DEVICE_FORM = (
    r"(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16}"
    r"|[0-9a-f]{32}|[0-9]{15}|[0-9]{19,20})(?![0-9a-z_-])"
)

_HEX2 = "[0-9A-Fa-f]{2}"

#: Up to 255, and all the digits that are there.
_OCTET = "(?!25[6-9]|2[6-9][0-9]|[3-9][0-9]{2})[0-9]{1,3}+"

#: The first octet of a host: neither 0 nor 127.
_FIRST_OCTETS = (
    "[1-9]",
    "(?!00)[0-9]{2}",
    "(?!000|127|25[6-9]|2[6-9]|[3-9])[0-9]{3}",
)


def _after(sign: str, *heads: str, before: str = "") -> str:
    """
    Say that one of *heads*, each of a fixed width, stands before *sign*.
    """
    return "|".join(f"(?<={before}({head}){sign})" for head in heads)


def _quad(sign: str, before: str) -> str:
    """
    Find an IPv4 address by the first *sign* between its octets.
    """
    return (
        rf"{sign}(?=[0-9]{{1,3}}{sign}[0-9]{{1,3}}{sign}[0-9])"
        rf"(?!0{{1,3}}{sign}0{{1,3}}{sign}0{{1,3}}(?![0-9]))"
        rf"(?:{_after(sign, *_FIRST_OCTETS, before=before)})"
        rf"{_OCTET}{sign}{_OCTET}{sign}{_OCTET}"
    )


@frozen(kw_only=True)
class _Inside(PackRule):
    """
    A rule whose pattern begins inside the value: at a sign that is rarer
    than what the value begins with.

    The group that matched is what stands before the sign.
    """

    def apply(
        self, line: str, lower: str, rank: int, found: list[Found]
    ) -> None:
        """
        Add what is in *line* to *found*.
        """
        view = lower if self.folded else line
        validator = self.validator
        for match in self.find(view):
            start, end = match.start(match.lastindex or 0), match.end()
            if validator:
                end = start + validator(view[start:end])
            if end > start:
                found.append((start, end, rank, self.type, self.mark))


@frozen(kw_only=True)
class _MailRule(PackRule):
    """
    A rule whose matches hold an at sign and no blank.
    """

    @functools.cached_property
    def find(self) -> Callable[[str], Iterator[re.Match[str]]]:
        """
        Find the matches of *pattern*, in no more words than needed.
        """
        find = re.compile(self.pattern).finditer

        def find_in_words(line: str) -> Iterator[re.Match[str]]:
            if "%40" in line:
                return find(line)
            start = line.rfind(" ", 0, line.find("@")) + 1
            end = line.find(" ", line.rfind("@"))
            return find(line, start, end if end > 0 else len(line))

        return find_in_words


#: After these, also a blank, if a number with an area code follows.
_SPOKEN_PHONES = "|".join(
    rf"(?<=\b{name})" for name in ("tel", "telefon", "phone", "mobile", "fax")
)

_HAS_QUAD = Look((".",), r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_HAS_DASHED = Look(("-",), "-[0-9]{1,3}-[0-9]{1,3}-[0-9]")

RULES: tuple[PackRule, ...] = (
    _MailRule(
        name="mail address",
        type="EMAIL",
        words=("@", "%40"),
        quick=r"(?:@|%40)[0-9a-z.-]+\.[a-z]{2}",
        # The host of a URL with a user part looks like one: passed over.
        pattern=r"://[^\s/?#@]{0,256}@"
        r"|(?<![A-Za-z0-9._%+-])"
        r"((?:[A-Za-z0-9._+-]|%(?!40)|(?<=[DOdo])'(?=[A-Za-z])){1,256}(?:@|%40)"
        r"(?:[A-Za-z0-9-]{1,63}+\.){1,8}"
        # Units of systemd and names of pictures have that form, too.
        r"(?!(?:service|socket|timer|scope|slice|mount|target|png|jpe?g|gif"
        r"|svg|webp)(?![A-Za-z]))[A-Za-z]{2,24})",
        group=1,
    ),
    _Inside(
        name="MAC address",
        type="MAC",
        looks=(
            Look((":",), ":[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:"),
            Look(("-",), "-[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2}-"),
        ),
        quick=r"(?::[0-9a-f]{2}){4}:|(?:-[0-9a-f]{2}){4}-",
        # Neither longer than an address nor a part of a fingerprint.
        pattern=rf"([:-])(?<=(?<![0-9A-Za-z])({_HEX2})[:-])"
        rf"(?<!(?<![0-9A-Za-z]){_HEX2}[:-]{_HEX2}[:-])"
        rf"{_HEX2}(?:\1{_HEX2}){{4}}(?:(?:\1{_HEX2}){{2}})?"
        rf"(?![0-9A-Za-z]|[:-]{_HEX2}(?![0-9A-Za-z]))",
        validator=v.mac_length,
    ),
    _Inside(
        name="MAC address in three groups",
        type="MAC",
        looks=(Look((".",), r"\.[0-9a-f]{4}\.[0-9a-f]{4}"),),
        quick=r"\.[0-9a-f]{4}\.[0-9a-f]{4}",
        pattern=r"\.(?<=(?<![0-9A-Za-z.])([0-9A-Fa-f]{4})\.)"
        r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z]|\.[0-9A-Za-z])",
        validator=v.mac_length,
    ),
    PackRule(
        name="MAC address by its name",
        type="MAC",
        words=("mac", "bssid", "bdaddr", "bluetooth"),
        quick=r"(?:mac|bssid|bdaddr|bluetooth)(?:[_-]?addr(?:ess)?|地址)?"
        rf"(?:{QUICK_IS}|为)[0-9a-f]{{12}}",
        pattern=r"(?:mac|bssid|bdaddr|bluetooth)(?:[_-]?addr(?:ess)?|地址)?"
        rf"(?:{IS}|为)([0-9a-f]{{12}})(?![0-9a-z])",
        group=1,
        validator=v.mac_length,
        folded=True,
    ),
    _Inside(
        name="address in a host name, dots",
        type="HOST_IP",
        looks=(Look((".",), r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[a-z]"),),
        quick=r"[0-9](?:\.[0-9]{1,3}){3}\.[a-z][a-z0-9-]*\.[a-z0-9]",
        pattern=_quad(r"\.", r"(?<![0-9])(?<![0-9]\.)")
        + r"(?=\.[a-z][a-z0-9-]{0,62}\.[a-z0-9])",
        folded=True,
    ),
    _Inside(
        name="address in a host name, hyphens",
        type="HOST_IP",
        looks=(_HAS_DASHED,),
        quick=r"[0-9](?:-[0-9]{1,3}){3}[a-z0-9-]*\.[a-z][a-z0-9-]*\.[a-z]",
        pattern=_quad("-", "(?<![0-9])(?:(?<![0-9]-)|(?<=ec2-))(?<!ec)")
        + r"(?=[a-z0-9-]{0,30}\.[a-z][a-z0-9-]{0,62}\.[a-z])",
        folded=True,
    ),
    _Inside(
        name="address in a short host name",
        type="HOST_IP",
        looks=(_HAS_DASHED,),
        quick=r"[a-z]-?[0-9]{1,3}(?:-[0-9]{1,3}){3}",
        pattern=_quad("-", "(?:(?<=[a-z])|(?<=[a-z]-))")
        + "(?![0-9a-z]|-[0-9])",
        validator=v.dashed_length,
        folded=True,
    ),
    _Inside(
        name="IPv4 address",
        type="IPV4",
        looks=(_HAS_QUAD,),
        quick=r"[0-9](?:\.[0-9]{1,3}){3}",
        pattern=_quad(
            r"\.",
            r"(?<![0-9a-z~_])(?<![0-9]\.)(?<!version[ =])(?<!version: )"
            "(?<!release )(?<!ver )",
        )
        + r"(?![0-9a-z_]|\.[0-9])",
        folded=True,
    ),
    PackRule(
        name="IPv6 address",
        type="IPV6",
        looks=(Look((":",), ":(?::|(?:[0-9a-f]{1,4}:){4})"),),
        quick=r"::|(?::[0-9a-f]{1,4}){6}:",
        pattern=r"(?:(?<![0-9A-Za-z:.])|(?<=[G-Zg-z]:))"
        r"(?:[0-9A-Fa-f]{1,4}|:(?=:))(?::[0-9A-Fa-f]{0,4}){2,8}"
        r"(?![0-9A-Za-z:]|\.[0-9])",
        validator=v.ipv6_length,
    ),
    PackRule(
        name="home directory",
        type="USERNAME_PATH",
        words=("/home/", "/users/"),
        pattern=r"/(?<![A-Za-z0-9.]/)(?:(?:export|mnt(?:/[a-z])?|usr|var)/)?"
        r"(?:home|Users)/{1,2}([^\s/\\\"'<>|:;,?*()\[\]{}]{1,64})",
        group=1,
        validator=v.home_length,
    ),
    PackRule(
        name="home directory on Windows",
        type="USERNAME_PATH",
        words=("\\users\\", "\\documents and settings\\"),
        # Names may hold blanks; then a backslash must follow.
        pattern=r"\\(?:users|documents and settings)\\{1,2}([^\\/:*?\"'<>|\r\n]{1,64}+(?=\\)"
        r"|[^\\/:*?\"'<>|\s]{1,64})",
        group=1,
        validator=v.home_length,
        folded=True,
    ),
    _Inside(
        name="points",
        type="GEO_POINT",
        looks=(Look((".0000",), r"\.[0-9]{4,15}(?:,|;|%2c)"),),
        quick=r"\.[0-9]{4,15}(?:,|;|%2c)",
        pattern=r"\.(?=[0-9]{4})(?:"
        + _after(r"\.", *_NEGATIVE, before="(?<![0-9A-Za-z.])")
        + "|"
        + _after(r"\.", *_POSITIVE, before="(?<![0-9A-Za-z.])(?<![0-9]-)")
        + rf")[0-9]{{4,15}}(?:(?:[,;] ?|%2[Cc]){_DEGREES}){{1,64}}",
        validator=v.points_length,
    ),
    PackRule(
        name="latitude or longitude by its name",
        type="GEO_POINT",
        words=("lat", "lng", "lon", "经度", "纬度"),
        quick=r"(?:lat(?:itude)?|lng|lon(?:g(?:itude)?)?|[经纬]度)"
        rf"(?:{QUICK_IS}|-)?[0-9]{{1,3}}\.[0-9]{{3}}",
        pattern=r"(?:lat(?:itude)?|lng|lon(?:g(?:itude)?)?|经度|纬度)"
        rf"(?:{IS}|(?<=度))(-?[0-9]{{1,3}}\.[0-9]{{3,15}})",
        group=1,
        folded=True,
    ),
    PackRule(
        name="degrees, minutes and seconds",
        type="GEO_POINT",
        words=("°",),
        quick="°",
        pattern=r"[0-9]{1,3}° ?[0-9]{1,2}(?:\.[0-9]{1,8})?['′] ?"
        r"(?:[0-9]{1,2}(?:\.[0-9]{1,6})?(?:[\"″]|'') ?)?[NS][ ,;]{0,3}"
        r"[0-9]{1,3}° ?[0-9]{1,2}(?:\.[0-9]{1,8})?['′] ?"
        r"(?:[0-9]{1,2}(?:\.[0-9]{1,6})?(?:[\"″]|'') ?)?[EW]",
    ),
    PackRule(
        name="point as of ISO 6709",
        type="GEO_POINT",
        looks=(Look((".000",), r"\.[0-9]{3,8}[+-][0-9]{3}\.[0-9]{3}"),),
        quick=r"[+-][0-9]{2}\.[0-9]{3,8}[+-][0-9]{3}\.[0-9]{3}",
        pattern=r"[+-](?<![0-9A-Za-z][+-])[0-9]{2}\.[0-9]{3,8}"
        r"[+-][0-9]{3}\.[0-9]{3,8}/?(?![0-9])",
    ),
    PackRule(
        name="card in three groups",
        type="BANK_CARD",
        forms=("000 000000 0000", "000-000000-0000"),
        quick=r"3[0689][0-9]{2}(?: [0-9]{6} |-[0-9]{6}-)[0-9]{4}",
        pattern=r"3[0689](?<![0-9A-Za-z]3[0689])[0-9]{2}([ -])[0-9]{6}\1"
        r"[0-9]{4}(?![0-9A-Za-z])",
        validator=v.card_length,
    ),
    PackRule(
        name="point in well-known text",
        type="GEO_POINT",
        words=("point",),
        quick=r"point(?: z)? ?\(-?[0-9]",
        pattern=r"point(?: z)? ?\((-?[0-9]{1,3}\.[0-9]{3,15}"
        r" -?[0-9]{1,3}\.[0-9]{3,15})",
        group=1,
        folded=True,
    ),
    PackRule(
        name="position of a satellite receiver",
        type="GEO_POINT",
        looks=(Look((".",), r"\.[0-9]{2,8},[ns],"),),
        quick=r"\.[0-9]{2,8},[ns],",
        pattern=r"[0-9]{3,4}\.[0-9]{2,8},[NS],[0-9]{4,5}\.[0-9]{2,8},[EW]",
    ),
    PackRule(
        name="IMEI by its name",
        type="IMEI",
        words=("imei",),
        quick=rf"imei(?:sv)?[0-9]?{QUICK_IS}[0-9]",
        pattern=rf"imei(?:sv)?[0-9]?{IS}"
        r"([0-9](?:[ ./-]?[0-9]){13,15})(?![0-9])",
        group=1,
        folded=True,
        late=True,
    ),
    PackRule(
        name="identifier of a device by its name",
        type="DEVICE_ID",
        words=_DEVICE_WORDS,
        quick=rf"{_DEVICE_NAMES}(?:{QUICK_IS}| (?:is )?)[0-9a-z][0-9a-z:_-]{{6}}",
        pattern=rf"{_DEVICE_NAMES}"
        rf"(?:{IS}|(?<=g id) | (?:is )?(?={_DEVICE_FORM}))"
        r"([0-9a-z](?:[0-9a-z:_-]{6,70})[0-9a-z])",
        group=1,
        validator=v.device_id_length,
        folded=True,
        late=True,
    ),
    PackRule(
        name="international phone number",
        type="PHONE_INTL",
        words=("+",),
        quick=r"\+[1-9][0-9 ().-]{5}",
        pattern=r"\+(?<![0-9A-Za-z+]\+)[1-9][0-9 ().-]{5,24}[0-9]",
        validator=v.phone_length,
        late=True,
    ),
    PackRule(
        name="international phone number in a query",
        type="PHONE_INTL",
        words=("%2b",),
        quick="%2b[1-9][0-9]{6}",
        pattern="%2b([1-9][0-9]{6,14})(?![0-9])",
        group=1,
        validator=v.phone_length,
        folded=True,
        late=True,
    ),
    PackRule(
        name="international phone number with 00",
        type="PHONE_INTL",
        looks=(
            Look(("0" * 11,), "00(?<![0-9a-z]00)[1-9][0-9]{9}"),
            Look(
                ("000 0", "000 (0", "00 00 0", "00-000"),
                r"00(?<![0-9a-z]00)(?:[1-9][0-9]{0,8}(?: \(?|-)"
                "| [1-9][0-9] )[0-9]",
            ),
        ),
        quick=rf"{START}00(?:[1-9][0-9]{{9}}"
        r"|[1-9][0-9]{0,8}(?: \(?|-)[0-9]| [1-9][0-9] [0-9])",
        # Without anything between, it must not be a part of a name,
        # nor stand beside `id`, `no`, `seq`, `order` or `number`.
        pattern=r"00(?<![0-9A-Za-z+]00)(?<![0-9][.:,-]00)(?:"
        r"(?<![._#/-]00)(?<!(?:[Ii][Dd]|[Nn]o|eq|er)[ =:]00)[1-9][0-9]{9,13}(?![0-9A-Za-z_]|[.-][0-9A-Za-z])"
        # Bytes and words of bytes before it make it one of them.
        r"|(?<! [0-9]{2} 00)(?<! [0-9]{4} 00)(?:[1-9][0-9]{0,8}"
        # After a hyphen, what no date has: one is in most lines.
        r"(?= |-(?:[0-9]{2}-)?[0-9]{3})|(?= [1-9][0-9] ) [1-9][0-9])"
        r"(?:(?: \(?|\) ?|[.-])[0-9]{1,12}){1,7}(?![0-9A-Za-z_]))",
        validator=v.dialled_phone_length,
        late=True,
    ),
    PackRule(
        name="phone number by its name",
        type="PHONE",
        words=(
            "phone",
            "tel",
            "mobile",
            "msisdn",
            "fax",
            "cell",
            "手机",
            "电话",
            "座机",
            "传真",
        ),
        quick=r"(?:phone|tel(?:efon)?|mobile|msisdn|fax|cell|手机|电话|座机|传真)"
        r"(?:[_-]?(?:no|num(?:ber)?)|号码?)?"
        rf"(?:{QUICK_IS}|\.|[^0-9a-z])[^0-9a-z]{{0,18}}[0-9]",
        pattern=r"(?:phone|tel(?:efon)?|mobile|msisdn|fax|cell|手机|电话|座机|传真)"
        r"(?:[_-]?(?:no|num(?:ber)?)|号码?)?"
        rf"(?:{IS}|(?<=tel)\. ?|(?<=[机话真])\s"
        rf"|(?:{_SPOKEN_PHONES}) (?=\(?0[1-9]))"
        rf"({NUMBER}|\(?[+0-9][0-9()+.-]{{5,18}}[0-9])(?![0-9])",
        group=1,
        validator=v.local_phone_length,
        folded=True,
        late=True,
    ),
    PackRule(
        name="phone number after a verb",
        type="PHONE",
        words=("call", "reach", "answering", "dial", "ring", "hotline"),
        quick=r"(?:caller id|call|reach|answering|dial|ring|hotline)"
        r"(?: [a-z]{2,4})?(?: (?:at|on|to))?:? [(+]{0,2}[0-9]",
        pattern=r"(?:c(?<![a-z]c)all(?:er id)?|r(?<![a-z]r)(?:each|ing)"
        r"|a(?<![a-z]a)nswering|d(?<![a-z]d)ial|h(?<![a-z]h)otline)"
        r"(?: (?:me|us|him|her|them|you|back))?(?: (?:at|on|to))?:? "
        rf"({NUMBER})(?![0-9])",
        group=1,
        validator=v.spoken_phone_length,
        folded=True,
        late=True,
    ),
    PackRule(
        name="phone number before its kind",
        type="PHONE",
        words=("office", "mobile", "fax", "cell", "home", "work"),
        quick=rf"{AFTER_DIGIT}(?:office|mobile|fax|cell|home|work)(?:[^0-9a-z]|$)",
        pattern=rf"(?<![0-9a-z.+(-])({NUMBER})"
        r"[ -]{1,2}(?:office|mobile|fax|cell|home|work)(?![0-9a-z])",
        group=1,
        validator=v.spoken_phone_length,
        folded=True,
        late=True,
    ),
)
