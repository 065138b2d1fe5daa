# SPDX-License-Identifier: MIT
"""
What has the same form everywhere: addresses, places, devices, phones.
"""

from __future__ import annotations

import re

from consentkit.anonymise import _validators as v
from consentkit.anonymise._rule import PackRule

from ._names import IS, NUMBER, QUICK_IS


__all__ = ["RULES"]

_HEX2 = "[0-9A-Fa-f]{2}"

# A digit is looked for much faster than what is not before it.
_FIRST = r"[0-9](?=[0-9]{0,2}\.)(?<![0-9][0-9])(?<![0-9]\.[0-9])"

_QUAD_REST = r"[0-9]{0,2}(?:\.[0-9]{1,3}){3}"

_DASHED = r"[0-9]{1,3}(?:-[0-9]{1,3}){3}"

_DEGREES = r"-?[0-9]{1,3}\.[0-9]{4,15}"

_DEVICE_NAMES = (
    r"(?:android[_-]?id|ssaid|[aogv]aid|idf[av]|udid"
    r"|advertising[_-]?id|device[_-]?(?:uu|u)?id|machine[_-]?id"
    r"|install(?:ation)?[_-]?id|serial(?:[_-]?(?:no|num(?:ber)?))?"
    r"|meid|imsi|iccid)"
)

_DEVICE_WORDS = (
    *("ssaid", "aaid", "oaid", "gaid", "vaid", "idfa", "idfv", "udid"),
    *("serial", "meid", "imsi", "iccid"),
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

# `re` looks for one fixed character much faster than for a set of them.
_has_colons = re.compile(r":[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:").search
_has_hyphens = re.compile(r"-[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2}-").search
_has_quad = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]").search
_has_dashed = re.compile(r"-[0-9]{1,3}-[0-9]{1,3}-[0-9]").search
_has_groups = re.compile(r":[0-9a-f]{1,4}" * 4 + ":").search


RULES: tuple[PackRule, ...] = (
    PackRule(
        name="mail address",
        type="EMAIL",
        words=("@", "%40"),
        quick=r"(?:@|%40)[0-9a-z.-]+\.[a-z]{2}",
        # The host of a URL with a user part looks like one: passed over.
        pattern=r"://[^\s/?#@]{0,256}@"
        r"|(?<![A-Za-z0-9._%+-])"
        r"((?:[A-Za-z0-9._+-]|%(?!40)){1,256}+(?:@|%40)"
        r"(?:[A-Za-z0-9-]{1,63}+\.){1,8}[A-Za-z]{2,24})",
        group=1,
    ),
    PackRule(
        name="MAC address",
        type="MAC",
        looks=(_has_colons, _has_hyphens),
        quick=r"(?::[0-9a-f]{2}){4}:|(?:-[0-9a-f]{2}){4}-",
        # Neither longer than an address nor a part of a fingerprint.
        pattern=rf"{_HEX2}([:-])(?<![0-9A-Za-z]{_HEX2}[:-])"
        rf"(?<!(?<![0-9A-Za-z]){_HEX2}[:-]{_HEX2}[:-])"
        rf"{_HEX2}(?:\1{_HEX2}){{4}}(?:(?:\1{_HEX2}){{2}})?"
        rf"(?![0-9A-Za-z]|[:-]{_HEX2}(?![0-9A-Za-z]))",
        validator=v.mac_length,
    ),
    PackRule(
        name="MAC address in three groups",
        type="MAC",
        quick=r"\.[0-9a-f]{4}\.[0-9a-f]{4}",
        pattern=r"(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"
        r"(?![0-9A-Za-z]|\.[0-9A-Za-z])",
        validator=v.mac_length,
    ),
    PackRule(
        name="MAC address by its name",
        type="MAC",
        words=("mac", "bssid", "bdaddr", "bluetooth"),
        quick=r"(?:mac|bssid|bdaddr|bluetooth)(?:[_-]?addr(?:ess)?)?"
        rf"{QUICK_IS}[0-9a-f]{{12}}",
        pattern=r"(?:mac|bssid|bdaddr|bluetooth)(?:[_-]?addr(?:ess)?)?"
        rf"{IS}([0-9a-f]{{12}})(?![0-9a-z])",
        group=1,
        validator=v.mac_length,
        folded=True,
    ),
    PackRule(
        name="address in a host name, dots",
        type="HOST_IP",
        looks=(_has_quad,),
        quick=r"[0-9](?:\.[0-9]{1,3}){3}\.[a-z][a-z0-9-]*\.[a-z0-9]",
        pattern=rf"({_FIRST}{_QUAD_REST})"
        r"(?=\.[a-z][a-z0-9-]{0,62}\.[a-z0-9])",
        group=1,
        validator=v.ipv4_length,
        folded=True,
    ),
    PackRule(
        name="address in a host name, hyphens",
        type="HOST_IP",
        looks=(_has_dashed,),
        quick=r"[0-9](?:-[0-9]{1,3}){3}[a-z0-9-]*\.[a-z][a-z0-9-]*\.[a-z]",
        pattern=rf"(?<![0-9])(?<![0-9]-)({_DASHED})"
        r"(?=[a-z0-9-]{0,30}\.[a-z][a-z0-9-]{0,62}\.[a-z])",
        group=1,
        validator=v.ipv4_length,
        folded=True,
    ),
    PackRule(
        name="address in a short host name",
        type="HOST_IP",
        looks=(_has_dashed,),
        quick=r"[a-z]-?[0-9]{1,3}(?:-[0-9]{1,3}){3}",
        pattern=rf"(?:(?<=[a-z])|(?<=[a-z]-))({_DASHED})(?![0-9a-z]|-[0-9])",
        group=1,
        validator=v.dashed_length,
        folded=True,
    ),
    PackRule(
        name="IPv4 address",
        type="IPV4",
        looks=(_has_quad,),
        quick=r"[0-9](?:\.[0-9]{1,3}){3}",
        pattern=rf"({_FIRST}(?<![a-z~_][0-9])(?<!version[ =][0-9])"
        r"(?<!version: [0-9])(?<!release [0-9])(?<!ver [0-9])"
        rf"{_QUAD_REST})(?![0-9a-z_]|\.[0-9])",
        group=1,
        validator=v.ipv4_length,
        folded=True,
    ),
    PackRule(
        name="IPv6 address",
        type="IPV6",
        words=("::",),
        looks=(_has_groups,),
        quick=r"::|(?::[0-9a-f]{1,4}){6}:",
        pattern=r"(?<![0-9A-Za-z:.])"
        r"(?:[0-9A-Fa-f]{1,4}|:(?=:))(?::[0-9A-Fa-f]{0,4}){2,8}+"
        r"(?![0-9A-Za-z:]|\.[0-9])",
        validator=v.ipv6_length,
    ),
    PackRule(
        name="home directory",
        type="USERNAME_PATH",
        words=("/home/", "/users/"),
        pattern=r"(?<![A-Za-z0-9.])(?:/(?:export|mnt|usr|var))?"
        r"/(?:home|Users)/{1,2}([^\s/\\\"'<>|:;,?*()\[\]{}]{1,64})",
        group=1,
        validator=v.home_length,
    ),
    PackRule(
        name="home directory on Windows",
        type="USERNAME_PATH",
        words=("\\users\\",),
        # Names may hold blanks; then a backslash must follow.
        pattern=r"\\users\\{1,2}([^\\/:*?\"'<>|\r\n]{1,64}+(?=\\)"
        r"|[^\\/:*?\"'<>|\s]{1,64})",
        group=1,
        validator=v.home_length,
        folded=True,
    ),
    PackRule(
        name="points",
        type="GEO_POINT",
        quick=r"\.[0-9]{4,15}(?:,|;|%2c)",
        pattern=rf"(?<![0-9A-Za-z.])-?(?<![0-9]-){_DEGREES[2:]}"
        rf"(?:(?:[,;] ?|%2[Cc]){_DEGREES}){{1,64}}+",
        validator=v.points_length,
    ),
    PackRule(
        name="latitude or longitude by its name",
        type="GEO_POINT",
        words=("lat", "lng", "lon", "经度", "纬度"),
        quick=r"(?:lat(?:itude)?|lng|lon(?:g(?:itude)?)?|[经纬]度)"
        rf"{QUICK_IS}[0-9]{{1,3}}\.[0-9]{{3}}",
        pattern=r"(?:lat(?:itude)?|lng|lon(?:g(?:itude)?)?|[经纬]度)"
        rf"{IS}(-?[0-9]{{1,3}}\.[0-9]{{3,15}})",
        group=1,
        folded=True,
    ),
    PackRule(
        name="position of a satellite receiver",
        type="GEO_POINT",
        words=(",n,", ",s,"),
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
        quick=rf"{_DEVICE_NAMES}{QUICK_IS}[0-9a-z][0-9a-z:_-]{{6}}",
        pattern=rf"{_DEVICE_NAMES}{IS}"
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
        quick=r"(?:phone|tel|mobile|msisdn|fax|cell|手机|电话|座机|传真)"
        rf"(?:[_-]?(?:no|num(?:ber)?)|号码?)?{QUICK_IS}[0-9]",
        pattern=r"(?:phone|tel|mobile|msisdn|fax|cell|手机|电话|座机|传真)"
        rf"(?:[_-]?(?:no|num(?:ber)?)|号码?)?{IS}"
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
        quick=r"(?:call|reach|answering|dial|ring|hotline)"
        r"(?: [a-z]{2,4})?(?: (?:at|on|to))?:? [(+]?[0-9]",
        pattern=r"(?<![a-z])(?:call|reach|answering|dial|ring|hotline)"
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
        quick=r"[0-9][ -]{1,2}(?:office|mobile|fax|cell|home|work)",
        pattern=rf"(?<![0-9a-z.+(-])({NUMBER})"
        r"[ -]{1,2}(?:office|mobile|fax|cell|home|work)(?![0-9a-z])",
        group=1,
        validator=v.spoken_phone_length,
        folded=True,
        late=True,
    ),
)
