# SPDX-License-Identifier: MIT

"""
Makes ``envelope.json``: envelopes with the keys that open them.

Run ``python -m tests.seal.vectors`` where the format changed. Each sealing is
random, so that the file is another one each time; what it says is the same.
"""

from __future__ import annotations

import json

from pathlib import Path
from typing import Any

from consentkit.seal import AEAD, KEM, Head, make_open_key, seal


VECTORS = Path(__file__).parent / "envelope.json"

_BATCH = Head(
    kind="batch",
    id="01936b2e-6a10-7b11-8e00-a1b2c3d4e5f6",
    recipient="camera_maker",
    count=2,
    erase="02d449a31fbb267c8f352e9968a79e3e5fc95c1bbeaa502fd6454ebde5a4bedc",
)
_ERASURE = Head(
    kind="erasure",
    id="01936b2e-7b00-7c3a-9f00-0c1d2e3f4a5b",
    recipient="camera_maker",
)
_CASES = (
    ("batch", _BATCH, b'{"lines":2}\n[1]\n[2]\n'),
    ("erasure", _ERASURE, b'{"token":"00"}'),
    ("empty body", _ERASURE, b""),
    ("large body", _BATCH, bytes(range(256)) * 4),
)


def make() -> list[dict[str, Any]]:
    """
    Make them anew.
    """
    made = []
    for kem in KEM:
        for aead in AEAD:
            key = make_open_key(len(made) % 256, kem, aead)
            for name, head, body in _CASES:
                envelope = seal(body, head, key.seal_key)
                made.append(
                    {
                        "case": f"{name}, {kem.name}, {aead.name}",
                        "kem": kem.name,
                        "aead": aead.name,
                        "id": key.seal_key.id,
                        "private": key.private.hex(),
                        "public": key.seal_key.public.hex(),
                        "config": key.seal_key.encode().hex(),
                        "body": body.hex(),
                        "envelope": envelope.hex(),
                    }
                )
    return made


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(make(), indent=1) + "\n", encoding="ascii")
