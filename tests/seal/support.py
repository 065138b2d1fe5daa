# SPDX-License-Identifier: MIT

"""
Which key encapsulations the installed library has.
"""

from __future__ import annotations

from consentkit.seal import KEM, EnvelopeError, make_open_key


__all__ = ["HAS_MLKEM", "KEMS"]


def _has_mlkem() -> bool:
    try:
        make_open_key(0, KEM.MLKEM768_X25519)
    except EnvelopeError:
        return False
    return True


#: From cryptography 48 on.
HAS_MLKEM = _has_mlkem()
KEMS = [kem for kem in KEM if HAS_MLKEM or kem is not KEM.MLKEM768_X25519]
