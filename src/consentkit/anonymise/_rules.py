# SPDX-License-Identifier: MIT
"""
The rules of the scrubber, one frozen record each.

A new rule is one more record. Patterns are bounded and use possessive
repeats where they can, so that none takes long on any line; a test feeds
each its worst.
"""

from __future__ import annotations

from . import _validators as v
from ._rule import Rule, any_of, matches


__all__ = ["RULES"]


def _has_ipv6(line: str) -> bool:
    return "::" in line or line.count(":") >= 7


def _is_chinese(line: str) -> bool:
    return not line.isascii()


#: Between a key and its value: `key=`, `"key": "`, `\"key\":\"`, `key => `.
_IS = r"\\?[\"']?\s{0,3}(?::=?|=[=>]?)\s{0,3}\\?[\"']?"

_TELLING_NAME = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?"
    r"|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key"
    r"|auth[_-]?key|session[_-]?(?:id|key)|sessid"
    r"|密码|口令|令牌|密钥|验证码|校验码)"
)

_HEX2 = "[0-9A-Fa-f]{2}"

_QUAD = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"

_DASHED = r"[0-9]{1,3}(?:-[0-9]{1,3}){3}"

_HAS_COLONS = matches(r":[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}:")

_HAS_HYPHENS = matches(r"-[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{2}-")

_HAS_QUAD = matches(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")

_HAS_DASHED = matches(r"-[0-9]{1,3}-[0-9]{1,3}-[0-9]")

_DEGREES = r"-?[0-9]{1,3}\.[0-9]{4,15}"

#: In this order: where two overlap, the span has the first one's type.
RULES: tuple[Rule, ...] = (
    Rule(
        name="private key",
        type="SECRET_VALUE",
        gate=any_of("private key-----"),
        pattern=r"-----begin [a-z0-9 ]{0,30}private key-----"
        r"(?s:.*?)(?:-----end [a-z0-9 ]{0,30}-----|\Z)",
        folded=True,
    ),
    Rule(
        name="JSON web token",
        type="JWT",
        gate=any_of("eyj"),
        pattern=r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,1000}+"
        r"\.[A-Za-z0-9_-]{2,8192}+(?:\.[A-Za-z0-9_-]{0,8192}+){0,3}+",
    ),
    Rule(
        name="key of a provider",
        type="API_KEY",
        gate=any_of(
            "akia",
            "asia",
            "ltai",
            "akid",
            "aiza",
            "k_live_",
            "k_test_",
            "sk-",
            "gh",
            "glpat-",
            "xox",
            "npm_",
            "hf_",
            "sg.",
            "shpat_",
            "dop_v1_",
            "ya29.",
        ),
        pattern=r"(?<![A-Za-z0-9])(?:"
        r"(?:AKIA|ASIA)[0-9A-Z]{16}|LTAI[0-9A-Za-z]{12,24}"
        r"|AKID[0-9A-Za-z]{32,36}|AIza[0-9A-Za-z_-]{35}"
        r"|[prs]k_(?:live|test)_[0-9A-Za-z]{10,120}"
        r"|sk-[0-9A-Za-z_-]{20,200}|gh[oprsu]_[0-9A-Za-z]{36,255}"
        r"|github_pat_[0-9A-Za-z_]{22,255}|glpat-[0-9A-Za-z_-]{20,64}"
        r"|xox[a-z]-[0-9A-Za-z-]{10,250}|npm_[0-9A-Za-z]{36}"
        r"|hf_[0-9A-Za-z]{30,40}|SG\.[\w-]{16,32}\.[\w-]{16,64}"
        r"|shpat_[0-9a-f]{32}|dop_v1_[0-9a-f]{64}|ya29\.[\w-]{20,300}"
        r")",
    ),
    Rule(
        name="authorization header",
        type="SECRET_VALUE",
        gate=any_of("authorization", "bearer "),
        pattern=rf"(?:authorization{_IS}"
        r"(?:(?:bearer|basic|digest|token|negotiate)\s{1,3})?"
        r"|(?<![a-z])bearer\s{1,3})([^\s\"',;]{8,8192})",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    Rule(
        name="cookie header",
        type="SECRET_VALUE",
        gate=any_of("cookie"),
        pattern=r"(?<![a-z])cookie2?\\?[\"']?\s{0,3}:\s{0,3}"
        r"([^\s][^\r\n]{1,8192})",
        group=1,
        folded=True,
    ),
    Rule(
        name="named secret",
        type="SECRET_VALUE",
        gate=any_of(
            "pass",
            "pwd",
            "secret",
            "token",
            "key",
            "credential",
            "sess",
            "密",
            "口令",
            "令牌",
            "验证码",
            "校验码",
        ),
        pattern=rf"{_TELLING_NAME}"
        r"(?:[_-]?(?:hash|value|text|string|answer|hint|base|id|key)|s)?"
        rf"(?:{_IS}|\s?[是为]\s?)"
        # After a quote up to the next quote, else up to a separator.
        r"((?<=[\"'])[^\"'\\\r\n]{1,512}+"
        r"|(?<![\"'])[^\s\"'&,;<>|(){}\[\]\\]{3,512}+(?![({]))",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    Rule(
        name="secret among arguments",
        type="SECRET_VALUE",
        gate=any_of("--"),
        pattern=r"--[a-z-]{0,24}(?:password|passwd|pwd|token|secret|key)"
        r"\s{1,3}([^\s\"'-][^\s\"']{1,512})",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    Rule(
        name="user part of a URL",
        type="URL_CREDENTIALS",
        gate=lambda line: "://" in line and "@" in line,
        pattern=r"://([^\s/?#@:\"'<>]{0,128}+:[^\s/\"'<>]{1,256})@",
        group=1,
    ),
    Rule(
        name="mail address",
        type="EMAIL",
        gate=any_of("@", "%40"),
        # The host of a URL with a user part looks like one: passed over.
        pattern=r"://[^\s/?#@]{0,256}@"
        r"|(?<![A-Za-z0-9._%+-])"
        r"((?:[A-Za-z0-9._+-]|%(?!40)){1,256}+(?:@|%40)"
        r"(?:[A-Za-z0-9-]{1,63}+\.){1,8}[A-Za-z]{2,24})",
        group=1,
    ),
    Rule(
        name="MAC address",
        type="MAC",
        gate=lambda line: _HAS_COLONS(line) or _HAS_HYPHENS(line),
        # Neither longer than an address nor a part of a fingerprint.
        pattern=rf"{_HEX2}([:-])(?<![0-9A-Za-z]{_HEX2}[:-])"
        rf"(?<!(?<![0-9A-Za-z]){_HEX2}[:-]{_HEX2}[:-])"
        rf"{_HEX2}(?:\1{_HEX2}){{4}}(?:(?:\1{_HEX2}){{2}})?"
        rf"(?![0-9A-Za-z]|[:-]{_HEX2}(?![0-9A-Za-z]))",
        validator=v.mac_length,
    ),
    Rule(
        name="MAC address in three groups",
        type="MAC",
        gate=matches(r"\.[0-9a-f]{4}\.[0-9a-f]{4}"),
        pattern=r"(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"
        r"(?![0-9A-Za-z]|\.[0-9A-Za-z])",
        validator=v.mac_length,
    ),
    Rule(
        name="MAC address by its name",
        type="MAC",
        gate=any_of("mac", "bssid", "bdaddr", "bluetooth"),
        pattern=r"(?:mac|bssid|bdaddr|bluetooth)(?:[_-]?addr(?:ess)?)?"
        rf"{_IS}([0-9a-f]{{12}})(?![0-9a-z])",
        group=1,
        validator=v.mac_length,
        folded=True,
    ),
    Rule(
        name="address in a host name, dots",
        type="HOST_IP",
        gate=_HAS_QUAD,
        pattern=rf"(?<![0-9])(?<![0-9]\.)({_QUAD})"
        r"(?=\.[a-z][a-z0-9-]{0,62}\.[a-z0-9])",
        group=1,
        validator=v.ipv4_length,
        folded=True,
    ),
    Rule(
        name="address in a host name, hyphens",
        type="HOST_IP",
        gate=_HAS_DASHED,
        pattern=rf"(?<![0-9])(?<![0-9]-)({_DASHED})"
        r"(?=[a-z0-9-]{0,30}\.[a-z][a-z0-9-]{0,62}\.[a-z])",
        group=1,
        validator=v.ipv4_length,
        folded=True,
    ),
    Rule(
        name="address in a short host name",
        type="HOST_IP",
        gate=_HAS_DASHED,
        pattern=rf"(?:(?<=[a-z])|(?<=[a-z]-))({_DASHED})(?![0-9a-z]|-[0-9])",
        group=1,
        validator=v.dashed_length,
        folded=True,
    ),
    Rule(
        name="IPv4 address",
        type="IPV4",
        gate=_HAS_QUAD,
        pattern=r"(?<![0-9a-z~_])(?<![0-9]\.)"
        r"(?<!version )(?<!version=)(?<!version: )(?<!release )(?<!ver )"
        rf"({_QUAD})(?![0-9a-z_]|\.[0-9])",
        group=1,
        validator=v.ipv4_length,
        folded=True,
    ),
    Rule(
        name="IPv6 address",
        type="IPV6",
        gate=_has_ipv6,
        pattern=r"(?<![0-9A-Za-z:.])"
        r"(?:[0-9A-Fa-f]{1,4}|:(?=:))(?::[0-9A-Fa-f]{0,4}){2,8}+"
        r"(?![0-9A-Za-z:]|\.[0-9])",
        validator=v.ipv6_length,
    ),
    Rule(
        name="home directory",
        type="USERNAME_PATH",
        gate=any_of("/home/", "/users/"),
        pattern=r"(?<![A-Za-z0-9.])(?:/(?:export|mnt|usr|var))?"
        r"/(?:home|Users)/{1,2}([^\s/\\\"'<>|:;,?*()\[\]{}]{1,64})",
        group=1,
        validator=v.home_length,
    ),
    Rule(
        name="home directory on Windows",
        type="USERNAME_PATH",
        gate=any_of("\\users\\"),
        # Names may hold blanks; then a backslash must follow.
        pattern=r"\\users\\{1,2}([^\\/:*?\"'<>|\r\n]{1,64}+(?=\\)"
        r"|[^\\/:*?\"'<>|\s]{1,64})",
        group=1,
        validator=v.home_length,
        folded=True,
    ),
    Rule(
        name="points",
        type="GEO_POINT",
        gate=matches(r"\.[0-9]{4,15}(?:,|;|%2c)"),
        pattern=rf"(?<![0-9A-Za-z.])-?(?<![0-9]-){_DEGREES[2:]}"
        rf"(?:(?:[,;] ?|%2[Cc]){_DEGREES}){{1,64}}+",
        validator=v.points_length,
    ),
    Rule(
        name="latitude or longitude by its name",
        type="GEO_POINT",
        gate=any_of("lat", "lng", "lon", "经度", "纬度"),
        pattern=r"(?:lat(?:itude)?|lng|lon(?:g(?:itude)?)?|[经纬]度)"
        rf"{_IS}(-?[0-9]{{1,3}}\.[0-9]{{3,15}})",
        group=1,
        folded=True,
    ),
    Rule(
        name="position of a satellite receiver",
        type="GEO_POINT",
        gate=any_of(",n,", ",s,"),
        pattern=r"[0-9]{3,4}\.[0-9]{2,8},[NS],[0-9]{4,5}\.[0-9]{2,8},[EW]",
    ),
    Rule(
        name="number plate of China",
        type="PLATE_CN",
        gate=_is_chinese,
        pattern=r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
        r"[A-HJ-NP-Z][·•. -]?[A-HJ-NP-Z0-9]{4,5}"
        r"[A-HJ-NP-Z0-9挂学警港澳领](?![A-Za-z0-9])",
    ),
    Rule(
        name="IMEI by its name",
        type="IMEI",
        gate=any_of("imei"),
        pattern=rf"imei(?:sv)?[0-9]?{_IS}"
        r"([0-9](?:[ ./-]?[0-9]){13,15})(?![0-9])",
        group=1,
        folded=True,
        late=True,
    ),
    Rule(
        name="identity number by its name",
        type="RESIDENT_ID_CN",
        gate=any_of("card", "identity", "idno", "id_no", "身份证"),
        pattern=r"(?:id[_-]?card|identity|id[_-]?no|身份证)"
        rf"(?:[_-]?(?:no|num(?:ber)?)|号码?)?{_IS}"
        r"([0-9]{15}(?:[0-9]{2}[0-9x])?)(?![0-9a-z])",
        group=1,
        folded=True,
        late=True,
    ),
    Rule(
        name="identifier of a device by its name",
        type="DEVICE_ID",
        gate=any_of("id", "serial", "idf", "imsi"),
        pattern=r"(?:android[_-]?id|ssaid|[aogv]aid|aaid|idf[av]|udid"
        r"|advertising[_-]?id|device[_-]?(?:uu|u)?id|machine[_-]?id"
        r"|install(?:ation)?[_-]?id|serial(?:[_-]?(?:no|num(?:ber)?))?"
        rf"|meid|imsi|iccid){_IS}"
        r"([0-9a-z](?:[0-9a-z:_-]{6,70})[0-9a-z])",
        group=1,
        validator=v.device_id_length,
        folded=True,
        late=True,
    ),
    Rule(
        name="international phone number",
        type="PHONE_INTL",
        gate=any_of("+"),
        pattern=r"(?<![0-9A-Za-z+])\+[1-9][0-9 ().-]{5,24}[0-9]",
        validator=v.phone_length,
        late=True,
    ),
    Rule(
        name="phone number by its name",
        type="PHONE",
        gate=any_of(
            "phone",
            "tel",
            "mobile",
            "msisdn",
            "fax",
            "手机",
            "电话",
            "座机",
            "传真",
        ),
        pattern=r"(?:phone|tel|mobile|msisdn|fax|手机|电话|座机|传真)"
        rf"(?:[_-]?(?:no|num(?:ber)?)|号码?)?{_IS}"
        r"(\(?[+0-9][0-9()+.-]{5,18}[0-9])(?![0-9])",
        group=1,
        validator=v.local_phone_length,
        folded=True,
        late=True,
    ),
)
