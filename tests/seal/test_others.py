# SPDX-License-Identifier: MIT

"""
Envelopes of the repository's vectors, opened by us and by others' programs.
"""

from __future__ import annotations

import json
import subprocess
import zlib

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consentkit.seal import AEAD, KEM, OpenKey, SealKey, open_envelope
from consentkit.seal.keys import open_key
from tests.needs import need_library, need_tool
from tests.seal.support import KEMS
from tests.seal.vectors import VECTORS


CASES: list[dict[str, Any]] = [
    case
    for case in json.loads(VECTORS.read_text("ascii"))
    if KEM[case["kem"]] in KEMS
]
# What the others do not have yet.
OLD = [case for case in CASES if case["kem"] != "MLKEM768_X25519"]


def _names(case: dict[str, Any]) -> str:
    return str(case["case"])


def _key(case: dict[str, Any]) -> OpenKey:
    return open_key(
        case["id"],
        KEM[case["kem"]],
        AEAD[case["aead"]],
        bytes.fromhex(case["private"]),
    )


class TestVectors:
    """
    The vectors, which stay as they are while the format does.
    """

    @pytest.mark.parametrize("case", CASES, ids=_names)
    def test_opens(self, case: dict[str, Any]) -> None:
        """
        Each opens to its body.
        """
        key = _key(case)
        envelope = bytes.fromhex(case["envelope"])
        _, body = open_envelope(envelope, {key.seal_key.id: key})
        assert body.hex() == case["body"]
        assert key.seal_key.public.hex() == case["public"]
        assert key.seal_key.encode().hex() == case["config"]
        assert SealKey.decode(bytes.fromhex(case["config"])) == key.seal_key


class TestNode:
    """
    A program of Node's own means.
    """

    @pytest.mark.obligation("WP-DENC-2")
    @pytest.mark.parametrize("case", OLD, ids=_names)
    def test_opens(self, case: dict[str, Any]) -> None:
        """
        It gets the same body, and the same head.
        """
        need_tool("node")
        done = subprocess.run(
            ["node", str(Path(__file__).parent / "open.mjs")],
            input=json.dumps(
                {n: case[n] for n in ("envelope", "private", "public")}
            ),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        told = json.loads(done.stdout)
        assert told["body"] == case["body"]
        assert told["head"]["recipient"] == "camera_maker"


class TestPyHPKE:
    """
    Another implementation of RFC 9180 in Python.
    """

    @pytest.mark.parametrize("case", OLD, ids=_names)
    def test_opens(self, case: dict[str, Any]) -> None:
        """
        It opens what is sealed here, by what is documented alone.
        """
        need_library("pyhpke")
        from pyhpke import AEADId, CipherSuite, KDFId, KEMId

        kem = {
            "X25519": KEMId.DHKEM_X25519_HKDF_SHA256,
            "P256": KEMId.DHKEM_P256_HKDF_SHA256,
        }[case["kem"]]
        aead = {
            "AES_256_GCM": AEADId.AES256_GCM,
            "CHACHA20_POLY1305": AEADId.CHACHA20_POLY1305,
        }[case["aead"]]
        suite = CipherSuite.new(kem, KDFId.HKDF_SHA256, aead)
        envelope = bytes.fromhex(case["envelope"])
        end = 9 + int.from_bytes(envelope[7:9], "big")
        sealed = end + (32 if case["kem"] == "X25519" else 65)
        info = b"consentkit envelope 1\0" + envelope[:9]
        info += sha256(envelope[9:end]).digest()
        private = suite.kem.deserialize_private_key(
            bytes.fromhex(case["private"])
        )
        recipient = suite.create_recipient_context(
            envelope[end:sealed], private, info=info
        )
        plain = recipient.open(envelope[sealed:])
        size = int.from_bytes(plain[:4], "big")
        body = zlib.decompress(plain[4 : 4 + size], -15)
        assert body.hex() == case["body"]
