# SPDX-License-Identifier: MIT
"""
Passwords, keys and tokens.
"""

from __future__ import annotations

from consentkit.anonymise import _validators as v
from consentkit.anonymise._looks import START, Look
from consentkit.anonymise._rule import PackRule

from ._names import IS


__all__ = ["RULES"]

_TELLING_NAME = (
    r"(?:passw(?:or)?[dt]|passphrase|passcode|pwd|secret"
    # Not a count of them.
    r"|token(?!s[^0-9a-z]{1,6}[0-9]{1,9}(?![0-9a-z]))|credentials?"
    r"|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key"
    r"|auth[_-]?key|session[_-]?(?:id|key)|sessid|[cx]srf"
    r"|kennwort|mot de passe|contraseña"
    r"|密码|口令|令牌|密钥|验证码|校验码)"
)

# A separator inside a value: neither a name nor nothing follows it. A call
# and an object of a program are no values.
_VALUE = (
    r"(?:(?<=\\[\"'])(?:[^\"'\\\r\n]|\\\\(?:\\[\"'])?){1,4096}"
    r"|(?<=\")(?<!\\\")(?:[^\"\\\r\n]|\\.){1,4096}"
    r"|(?<=')(?<!\\')(?:[^'\\\r\n]|\\.|''){1,4096}"
    r"|(?<=\[)\s{0,2}\\?[\"'][^\]\r\n]{2,4096}+"
    r"|(?<![\"'\[])(?![a-z_.]{2,64}+(?:\([^()]{0,64}\)(?![^\s.,;:)\]}\"'])"
    r"|\{[0-9a-f]{4,16}(?:[ }]|\Z)))[^\s\"'&,;<>|(){}\[\]\\]"
    r"(?:[^\s\"'&,;<>|(){}\[\]\\]"
    r"|[&,;](?![a-z_][a-z0-9_.\[\]-]{0,40}[=:])"
    r"(?=[^\s\"'&,;<>|(){}\[\]\\\x80-\U0010ffff])"
    r"|[({\[](?=[^\s\"'])|[)\]}\"'](?=[0-9a-z])|\\(?![nrtu])(?=[0-9a-z])"
    r"){2,4096})"
)

#: After the name of a secret, also a list of them.
_IS_LIST = IS + r"(?:\[\s{0,2}(?=\\?[\"']))?"

_SHORT_NAMES = ("pass", "pw", "sid", "session", "auth", "signature", "sig")

_CODE_NAMES = (
    r"(?:pin|otp|(?:verification|security|one[ -]time)"
    r"(?: pass)?[ _-]?code)"
)

#: Names that a secret follows in a sentence, too.
_TOLD = "(?:passw(?:ord|ort|d)|passphrase|passcode|pwd|kennwort)"

#: One word, neither a name with a value nor a call.
_TOLD_VALUE = (
    r"[\"'`]?([^\s\"'`=:;,<>(){}\[\]|]{6,256}+)"
    r"(?=[\s\"'`,;)\]|]|\Z)"
)

_ARGUMENT = "--[a-z-]{0,24}(?:password|passwd|pwd|token|secret|key)"

RULES: tuple[PackRule, ...] = (
    PackRule(
        name="private key",
        type="SECRET_VALUE",
        words=("private key",),
        quick="private key(?: block)? ?----",
        # Up to its end, or what looks like its beginning and all after it.
        pattern=r"-----? ?begin [a-z0-9 ]{0,30}private key(?: block)? ?-----?"
        r"(?:[^-]{0,8192}+(?:-(?!---)[^-]{0,8192}+){0,8192}"
        r"-----? ?end [a-z0-9 ]{0,30}(?:-----?|\Z)"
        r"|[\s\\nr\"'+,]{0,12}(?:[0-9a-z+/=]{16}|[a-z-]{4,20}: |\Z)"
        r"[^-]{0,8192}+(?:-(?!---)[^-]{0,8192}+){0,8192})",
        folded=True,
    ),
    PackRule(
        name="JSON web token",
        type="JWT",
        words=("eyj",),
        quick=r"eyj[0-9a-z_-]{8}",
        pattern=r"eyJ(?<![A-Za-z0-9]eyJ)[A-Za-z0-9_-]{8,1000}+"
        r"\.[A-Za-z0-9_-]{2,8192}+(?:\.[A-Za-z0-9_-]{0,8192}+){0,3}",
    ),
    PackRule(
        name="key of a provider",
        type="API_KEY",
        words=(
            "akia",
            "asia",
            "ltai",
            "akid",
            "aiza",
            *(f"{a}k_{b}_" for a in "prs" for b in ("live", "test")),
            "sk-",
            "ghp_",
            "gho_",
            "ghr_",
            "ghs_",
            "ghu_",
            "github_pat_",
            "glpat-",
            "xox",
            "npm_",
            "hf_",
            "sg.",
            "shpat_",
            "dop_v1_",
            "ya29.",
            "hvs.",
            "pypi-",
            "sq0",
            "discord",
            "hooks.slack.com",
            "age-secret-key-1",
            "lin_api_",
            "nrak-",
            "pmak-",
            "dapi",
        ),
        looks=(Look((":",), ":aa(?<=[0-9]{8}:aa)"),),
        quick=rf"{START}(?:a(?:kia|sia)[0-9a-z]{{16}}|ltai[0-9a-z]{{12}}"
        r"|akid[0-9a-z]{32}|aiza[0-9a-z_-]{35}|[prs]k_(?:live|test)_"
        r"|sk-[0-9a-z_-]{20}|gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|npm_"
        r"|hf_[0-9a-z]{30}|sg\.|shpat_|dop_v1_|ya29\."
        r"|hvs\.|pypi-|sq0[a-z]{3}-|hooks\.slack\.com|discord"
        r"|age-secret-key-1|lin_api_|nrak-|pmak-|dapi[0-9a-f]{32}|[0-9]{8,10}:aa)",
        pattern=r"(?<![A-Za-z0-9])(?:"
        r"(?:AKIA|ASIA)[0-9A-Z]{16}|LTAI[0-9A-Za-z]{12,24}"
        r"|AKID[0-9A-Za-z]{32,36}|AIza[0-9A-Za-z_-]{35}"
        r"|[prs]k_(?:live|test)_[0-9A-Za-z]{10,120}"
        r"|sk-[0-9A-Za-z_-]{20,200}|gh[oprsu]_[0-9A-Za-z]{36,255}"
        r"|github_pat_[0-9A-Za-z_]{22,255}|glpat-[0-9A-Za-z_-]{20,64}"
        r"|xox[a-z]-[0-9A-Za-z-]{10,250}|npm_[0-9A-Za-z]{36}"
        r"|hf_[0-9A-Za-z]{30,40}|SG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{16,64}"
        r"|shpat_[0-9a-f]{32}|dop_v1_[0-9a-f]{64}|ya29\.[0-9A-Za-z_-]{20,300}"
        r"|hvs\.[0-9A-Za-z_-]{20,200}|pypi-[0-9A-Za-z_-]{50,250}|sq0[a-z]{3}-[0-9A-Za-z_-]{22,60}"
        r"|AGE-SECRET-KEY-1[0-9A-Z]{58}|lin_api_[0-9A-Za-z]{40}"
        r"|NRAK-[0-9A-Z]{27}|PMAK-[0-9a-f]{24}-[0-9a-f]{34}"
        r"|dapi[0-9a-f]{32}|[0-9]{8,10}:AA[0-9A-Za-z_-]{33}"
        r"|hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z_/+]{20,120}"
        r"|discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[0-9A-Za-z_-]{30,100}"
        r")",
    ),
    PackRule(
        name="key of another provider",
        type="API_KEY",
        words=(
            *("gocspx-", "key-", "sk", "glsa_", "dckr_pat_", "hrku-aa"),
            *("atatt3", "dp.pt.", "dp.st.", "figd_", "pscale_", "sbp_"),
            *("ntn_", "r8_", "gsk_", ".atlasv1."),
        ),
        quick=rf"{START}(?:gocspx-|key-[0-9a-f]{{32}}|sk[0-9a-f]{{32}}|glsa_"
        r"|dckr_pat_|hrku-aa|atatt3|dp\.[ps]t\.|figd_|pscale_|sbp_[0-9a-f]"
        r"|ntn_[0-9]|r8_[0-9a-z]|gsk_[0-9a-z])|\.atlasv1\.",
        pattern=r"(?<![A-Za-z0-9])(?:"
        r"GOCSPX-[0-9A-Za-z_-]{20,40}|key-[0-9a-f]{32}|SK[0-9a-f]{32}"
        r"|glsa_[0-9A-Za-z]{32}_[0-9A-Fa-f]{8}|dckr_pat_[0-9A-Za-z_-]{20,40}"
        r"|HRKU-AA[0-9A-Za-z_-]{50,70}|ATATT3[0-9A-Za-z_=-]{100,250}"
        r"|dp\.[ps]t\.[0-9A-Za-z.]{30,80}|figd_[0-9A-Za-z_-]{30,60}"
        r"|pscale_[a-z]{2,8}_[0-9A-Za-z_.-]{30,64}|sbp_[0-9a-f]{40}"
        r"|ntn_[0-9]{11}[0-9A-Za-z]{35}|r8_[0-9A-Za-z]{37}"
        r"|gsk_[0-9A-Za-z]{40,64}"
        r"|[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_=-]{60,80}"
        r")(?![A-Za-z0-9])",
    ),
    PackRule(
        name="authorization header",
        type="SECRET_VALUE",
        words=("authorization", "bearer"),
        quick=r"authorization[^0-9a-z]{0,5}[:=]|bearer[^0-9a-z]",
        pattern=rf"(?:authorization{IS}"
        r"(?:(?:bearer|basic|digest|token|negotiate)\s{1,3})?"
        r"|b(?<![a-z]b)earer\s{1,3})"
        # In `token_type=Bearer expires_in=3600` a name follows.
        r"(?![a-z_]{2,30}=[^\s=])([^\s\"',;]{8,8192})",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    PackRule(
        name="cookie header",
        type="SECRET_VALUE",
        words=("cookie",),
        quick="cookie2?[^0-9a-z]{0,5}:",
        pattern=r"cookie(?<![a-z]cookie)2?\\?[\"']?\s{0,3}:\s{0,3}"
        r"([^\s][^\r\n]{1,8192})",
        group=1,
        folded=True,
    ),
    PackRule(
        name="named secret",
        type="SECRET_VALUE",
        words=(
            "passw",
            "passphrase",
            "passcode",
            "pwd",
            "secret",
            "token",
            "credential",
            "api-key",
            "api_key",
            "apikey",
            "access-key",
            "access_key",
            "accesskey",
            "private-key",
            "private_key",
            "privatekey",
            "auth-key",
            "auth_key",
            "authkey",
            "session",
            "sessid",
            "csrf",
            "xsrf",
            "kennwort",
            "mot de passe",
            "contrase",
            "密",
            "口令",
            "令牌",
            "验证码",
            "校验码",
        ),
        quick=r"(?:passw(?:or)?[dt]|passphrase|passcode|pwd|secret|token"
        r"|credential|(?:api|access|private|auth)[_-]?key"
        r"|sess(?:ion)?[_-]?(?:id|key)|[cx]srf|kennwort|mot de passe"
        r"|contraseña|密码|口令|令牌|密钥|验证码|校验码)"
        r"[a-z_-]{0,12}[^0-9a-z]{0,5}[:=是为]",
        pattern=rf"{_TELLING_NAME}"
        r"(?:[_-]?(?:hash|value|text|string|answer|hint|base|id|key)|s)?"
        rf"(?:{_IS_LIST}|\s?[是为]\s?)({_VALUE})",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    PackRule(
        name="secret in a sentence",
        type="SECRET_VALUE",
        words=("passw", "passphrase", "passcode", "pwd", "kennwort"),
        quick=rf"{_TOLD} (?:(?:is|was|ist) )?[^ ]",
        pattern=rf"(?<![0-9a-z=]){_TOLD} (?:(?:is|was|ist) )?{_TOLD_VALUE}",
        group=1,
        validator=v.told_secret_length,
        folded=True,
    ),
    PackRule(
        name="token in a sentence",
        type="SECRET_VALUE",
        words=("token", "secret"),
        quick=r"(?:token|secret) (?:(?:is|was|ist) )?[^ ]",
        pattern=r"(?<![0-9a-z=])(?:[a-z]{1,12}[_-])?(?:token|secret)"
        rf" (?:(?:is|was|ist) )?{_TOLD_VALUE}",
        group=1,
        validator=v.told_token_length,
        folded=True,
    ),
    PackRule(
        name="secret by a short name",
        type="SECRET_VALUE",
        words=_SHORT_NAMES,
        # `Session: ` begins many lines of Windows.
        quick=rf"(?:{'|'.join(_SHORT_NAMES)})"
        r"(?:[^0-9a-z:]{0,5}=|[^0-9a-z:]{1,5}:|:[^ ])|pass: ",
        pattern=rf"(?<![a-z])(?:{'|'.join(_SHORT_NAMES)})"
        # A test that has passed is told so: `PASS: name`.
        rf"(?:(?<=_pass)|(?!: )){IS}({_VALUE})",
        group=1,
        validator=v.random_length,
        folded=True,
    ),
    PackRule(
        name="random key by its name",
        type="SECRET_VALUE",
        words=("key",),
        quick="key[^0-9a-z]{0,5}[=:]",
        pattern=rf"(?<![A-Za-z])(?:[Kk]ey|KEY){IS}"
        r"([A-Za-z0-9+/_-]{20,4096}+={0,2})(?![A-Za-z0-9.:])",
        group=1,
        validator=v.random_key_length,
    ),
    PackRule(
        name="code by its name",
        type="SECRET_VALUE",
        words=(
            *("pin", "otp"),
            *("verification", "security", "one-time", "one time"),
        ),
        quick=rf"{_CODE_NAMES}[^0-9a-z]",
        pattern=rf"(?<![a-z]){_CODE_NAMES}(?:[ _-]?code)?"
        rf"(?:{IS}|(?<=otp)\s|\sis\s)([0-9]{{4,8}})(?![0-9a-z])",
        group=1,
        folded=True,
    ),
    PackRule(
        name="code on a card",
        type="SECRET_VALUE",
        words=("cvv", "cvc"),
        quick="cv[cv]2?[^0-9a-z]",
        pattern=rf"(?<![a-z])cv[cv]2?{IS}([0-9]{{3,4}})(?![0-9a-z])",
        group=1,
        folded=True,
    ),
    PackRule(
        name="secret in a tag",
        type="SECRET_VALUE",
        words=("passw", "secret", "token", "pin>", "pwd", "pass>"),
        quick="(?:passw|secret|token|pin|pwd|pass)[a-z]{0,5}>[^<]",
        pattern=r"<(?:[a-z_-]{1,24}:)?(?:[a-z_-]{0,16}(?:passw(?:or)?[dt]"
        r"|secret|token|pwd)|pass|pin)>([^<\r\n]{1,4096})",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    PackRule(
        name="user of curl",
        type="URL_CREDENTIALS",
        words=("curl",),
        quick="curl(?: .*)? (?:-u|--user)",
        pattern=r"curl(?: [^\r\n]{0,200}?)? (?:-u|--user)[ =]{0,2}[\"']?"
        r"([^\s:\"']{1,128}:[^\s\"']{1,256})",
        group=1,
        folded=True,
    ),
    PackRule(
        name="password beside -p",
        type="SECRET_VALUE",
        words=("mysql", "mariadb", "sshpass"),
        quick="(?:mysql|mariadb|sshpass).* -p",
        # Of mysql, -P is a port, and -p with a blank asks for the password.
        pattern=r"(?:(?:mysql|mariadb)[a-z_-]{0,10}(?: [^\r\n]{0,120}?)? -p"
        r"|sshpass(?: -[a-oq-z]{1,2}){0,2} -p ?)[\"']?"
        r"((?<=')[^'\r\n]{1,256}|(?<=\")[^\"\r\n]{1,256}"
        r"|(?<![\"'])[^\s\"'-][^\s\"']{0,256})",
        group=1,
        validator=v.secret_length,
    ),
    PackRule(
        name="secret among arguments",
        type="SECRET_VALUE",
        looks=(Look(("-",), _ARGUMENT),),
        quick=f"{_ARGUMENT}[^0-9a-z]",
        pattern=rf"{_ARGUMENT}\s{{1,3}}"
        r"([^\s\"'-][^\s\"']{1,512})",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    PackRule(
        name="user part of a URL",
        type="URL_CREDENTIALS",
        words=("://",),
        quick="://[^/]*@",
        pattern=r"://([^\s/?#@:\"'<>]{0,128}+:[^\s/\"'<>]{1,256})@",
        group=1,
    ),
)
