# SPDX-License-Identifier: MIT
"""
Passwords, keys and tokens.
"""

from __future__ import annotations

from consentkit.anonymise import _validators as v
from consentkit.anonymise._rule import PackRule

from ._names import IS


__all__ = ["RULES"]

_TELLING_NAME = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?"
    r"|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key"
    r"|auth[_-]?key|session[_-]?(?:id|key)|sessid"
    r"|密码|口令|令牌|密钥|验证码|校验码)"
)

RULES: tuple[PackRule, ...] = (
    PackRule(
        name="private key",
        type="SECRET_VALUE",
        words=("private key-----",),
        pattern=r"-----begin [a-z0-9 ]{0,30}private key-----"
        r"(?s:.*?)(?:-----end [a-z0-9 ]{0,30}-----|\Z)",
        folded=True,
    ),
    PackRule(
        name="JSON web token",
        type="JWT",
        words=("eyj",),
        quick=r"eyj[0-9a-z_-]{8}",
        pattern=r"eyJ(?<![A-Za-z0-9]eyJ)[A-Za-z0-9_-]{8,1000}+"
        r"\.[A-Za-z0-9_-]{2,8192}+(?:\.[A-Za-z0-9_-]{0,8192}+){0,3}+",
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
            "k_live_",
            "k_test_",
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
            ":aa",
        ),
        quick=r"(?:^|[^0-9a-z])(?:a(?:kia|sia)[0-9a-z]{16}|ltai[0-9a-z]{12}"
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
        r"|hf_[0-9A-Za-z]{30,40}|SG\.[\w-]{16,32}\.[\w-]{16,64}"
        r"|shpat_[0-9a-f]{32}|dop_v1_[0-9a-f]{64}|ya29\.[\w-]{20,300}"
        r"|hvs\.[\w-]{20,200}|pypi-[\w-]{50,250}|sq0[a-z]{3}-[\w-]{22,60}"
        r"|AGE-SECRET-KEY-1[0-9A-Z]{58}|lin_api_[0-9A-Za-z]{40}"
        r"|NRAK-[0-9A-Z]{27}|PMAK-[0-9a-f]{24}-[0-9a-f]{34}"
        r"|dapi[0-9a-f]{32}|[0-9]{8,10}:AA[\w-]{33}"
        r"|hooks\.slack\.com/(?:services|workflows)/[\w/+]{20,120}"
        r"|discord(?:app)?\.com/api/webhooks/[0-9]{15,22}/[\w-]{30,100}"
        r")",
    ),
    PackRule(
        name="authorization header",
        type="SECRET_VALUE",
        words=("authorization", "bearer "),
        pattern=rf"(?:authorization{IS}"
        r"(?:(?:bearer|basic|digest|token|negotiate)\s{1,3})?"
        r"|(?<![a-z])bearer\s{1,3})([^\s\"',;]{8,8192})",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    PackRule(
        name="cookie header",
        type="SECRET_VALUE",
        words=("cookie",),
        pattern=r"(?<![a-z])cookie2?\\?[\"']?\s{0,3}:\s{0,3}"
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
            "密",
            "口令",
            "令牌",
            "验证码",
            "校验码",
        ),
        quick=r"(?:passw(?:or)?d|passphrase|pwd|secret|token|credential"
        r"|(?:api|access|private|auth)[_-]?key|sess(?:ion)?[_-]?(?:id|key)"
        r"|密码|口令|令牌|密钥|验证码|校验码)[a-z_-]{0,8}[^0-9a-z]{0,5}[:=是为]",
        pattern=rf"{_TELLING_NAME}"
        r"(?:[_-]?(?:hash|value|text|string|answer|hint|base|id|key)|s)?"
        rf"(?:{IS}|\s?[是为]\s?)"
        # After a quote up to the next quote, else up to a separator.
        r"((?<=[\"'])[^\"'\\\r\n]{1,512}+"
        r"|(?<![\"'])[^\s\"'&,;<>|(){}\[\]\\]{3,512}+(?![({]))",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    PackRule(
        name="secret among arguments",
        type="SECRET_VALUE",
        words=("--",),
        quick=r"--[a-z-]{0,24}(?:password|passwd|pwd|token|secret|key)[^0-9a-z]",
        pattern=r"--[a-z-]{0,24}(?:password|passwd|pwd|token|secret|key)"
        r"\s{1,3}([^\s\"'-][^\s\"']{1,512})",
        group=1,
        validator=v.secret_length,
        folded=True,
    ),
    PackRule(
        name="user part of a URL",
        type="URL_CREDENTIALS",
        words=("://",),
        quick=r"://[^/]*:[^/]*@",
        pattern=r"://([^\s/?#@:\"'<>]{0,128}+:[^\s/\"'<>]{1,256})@",
        group=1,
    ),
)
