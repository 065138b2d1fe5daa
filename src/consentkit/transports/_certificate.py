# SPDX-License-Identifier: MIT
"""
Why a backend's certificate is not trusted, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


__all__ = ["explain_certificate"]

#: By OpenSSL's code, which is the same in all its versions.
#: Source: OpenSSL, X509_STORE_CTX_get_error(3).
_REASONS: Final[Mapping[object, str]] = {
    9: "it is not valid yet, by this machine's clock; set that if it is slow, "
    "or else the clock of where the certificate was made",
    10: "it, or one that it rests on, has expired, by this machine's clock; "
    "set that if it is fast, or else have the certificate renewed",
    62: "it is for another name; check the host in the URL",
    64: "it is for another address; check the host in the URL",
}
_UNKNOWN: Final = (
    "its certificate is not trusted; if its CA is one of your own, pass that "
    "as verify"
)


def explain_certificate(error: BaseException) -> str:
    """
    Say why a certificate is not trusted, by the code of *error*.

    Args:
        error: An ``ssl.SSLCertVerificationError``.
    """
    reason = _REASONS.get(getattr(error, "verify_code", None))
    return f"its certificate is not trusted: {reason}" if reason else _UNKNOWN
