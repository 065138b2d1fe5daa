# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Undo the MD5 of an IMEI when the model of the phone is known.

Usage: ``python benchmarks/undo_md5.py [--tac TAC]``

Policies call an IMEI "anonymised" once it is hashed. This script makes up
an IMEI of one model (its first eight digits, the type code, are public; six
digits of serial number follow, and a check digit), forgets it, and finds it
again from its MD5 by trying all million serial numbers: one core, plain
Python, no table made beforehand. A salt known to the recipient or a newer
hash function would change nothing but the seconds.

Then it tries the same on an HMAC with a key that it does not have.
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
import time

from collections.abc import Callable, Iterator

from consentkit.anonymise.digests import keyed_hex, md5_hex


#: One type code is as good as another.
DEFAULT_TAC = "00440102"

SERIALS = 1_000_000


def doubled(digit: int) -> int:
    """
    Double a digit as the check digit's rule says (ISO/IEC 7812-1).
    """
    return 2 * digit - 9 * (digit > 4)


def imeis(tac: str) -> Iterator[str]:
    """
    List all IMEIs of a model.
    """
    head = sum(
        doubled(int(digit)) if place % 2 else int(digit)
        for place, digit in enumerate(tac)
    )
    for number in range(SERIALS):
        serial = f"{number:06}"
        a, b, c, d, e, f = map(int, serial)
        total = head + a + c + e + doubled(b) + doubled(d) + doubled(f)
        yield f"{tac}{serial}{-total % 10}"


def undo(
    digest: str, tac: str, digest_of: Callable[[str], str]
) -> tuple[str | None, int]:
    """
    Find the IMEI of a digest, if it is of the model, and count the tries.
    """
    for tries, imei in enumerate(imeis(tac), 1):
        if digest_of(imei) == digest:
            return imei, tries
    return None, SERIALS


def plain_md5(imei: str) -> str:
    """
    Digest as an attacker would, without our function's call.
    """
    return hashlib.md5(imei.encode(), usedforsecurity=False).hexdigest()


def main() -> None:
    """
    Make up an IMEI, digest it both ways, try to undo both.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tac", default=DEFAULT_TAC, help="8 digits")
    tac = parser.parse_args().tac
    if len(tac) != 8 or not tac.isdecimal():
        parser.error("a type code has 8 digits")
    serial = secrets.randbelow(SERIALS)
    imei = next(it for n, it in enumerate(imeis(tac)) if n == serial)

    attack("MD5", md5_hex(imei), imei, plain_md5)
    guess = secrets.token_bytes(32)
    attack(
        "HMAC, key guessed (one of 2**256)",
        keyed_hex(secrets.token_bytes(32), imei),
        imei,
        lambda it: keyed_hex(guess, it),
    )


def attack(
    name: str, digest: str, imei: str, digest_of: Callable[[str], str]
) -> None:
    """
    Try to undo one digest, and print what came of it.
    """
    began = time.perf_counter()
    found, tries = undo(digest, imei[:8], digest_of)
    seconds = time.perf_counter() - began
    outcome = "undone" if found == imei else "not undone"
    print(f"{name}: {digest}")
    print(f"  {outcome} after {tries:,} tries in {seconds:.2f} s")
    print(
        f"  whole model: {seconds / tries * SERIALS:.1f} s, "
        f"at {tries / seconds / 1e6:.2f} million tries a second"
    )


if __name__ == "__main__":
    main()
