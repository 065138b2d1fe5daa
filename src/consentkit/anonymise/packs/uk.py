# SPDX-License-Identifier: MIT
"""
Phones, National Insurance and NHS numbers of the United Kingdom.
"""

from __future__ import annotations

from consentkit.anonymise import _national as v
from consentkit.anonymise._looks import BRACKET, START, Look
from consentkit.anonymise._rule import PackRule


__all__ = ["RULES"]

RULES: tuple[PackRule, ...] = (
    PackRule(
        name="National Insurance number",
        type="NATIONAL_ID",
        forms=("000000(?<=aa000000)a", "aa 00 00 00 a"),
        looks=(Look(("-",), "-(?<=[a-z]{2}-)[0-9]{2}-[0-9]{2}-[0-9]{2}-"),),
        quick=r"[a-z]{2}(?:[0-9]{6}| [0-9]{2} [0-9]{2} [0-9]{2} "
        r"|-[0-9]{2}-[0-9]{2}-[0-9]{2}-)[a-d]",
        # HMRC, NIM39110: these letters, and not these pairs.
        pattern=r"[A-CEGHJ-PR-TW-Z](?<![0-9A-Za-z][A-Z])"
        r"[A-CEGHJ-NPR-TW-Z](?<!BG|GB|KN|NK|NT|TN|ZZ)([ -]?)"
        r"[0-9]{2}\1[0-9]{2}\1[0-9]{2}\1[A-D](?![0-9A-Za-z])",
    ),
    PackRule(
        name="NHS number",
        type="NATIONAL_ID",
        forms=("000 000 0000",),
        quick=r"[0-9]{3} [0-9]{3} [0-9]{4}",
        pattern=r"[0-9](?<![0-9A-Za-z][0-9])[0-9]{2} [0-9]{3} [0-9]{4}"
        r"(?![0-9A-Za-z])",
        validator=v.nhs_length,
        # The end of a phone number with a code can have its check digit.
        late=True,
    ),
    PackRule(
        name="phone number of the United Kingdom",
        type="PHONE",
        forms=(
            "000 0000 0000",
            "000 000 000(?<=0000 000 000)",
            "000 000000(?<=00000 000000)",
        ),
        looks=(BRACKET,),
        quick=rf"{START}\(?0(?:2[0-9]\)? [0-9]{{4}} |[1389][0-9]{{2}}\)? [0-9]{{3}} "
        r"|[1-9][0-9]{3}\)? [0-9]{3})",
        # Ofcom, National Telephone Numbering Plan: how numbers are grouped.
        pattern=r"(?<![0-9A-Za-z.+])(?:\(0|0)(?:2[0-9]\)? [0-9]{4} [0-9]{4}"
        r"|[1389][0-9]{2}\)? [0-9]{3} [0-9]{4}"
        r"|[17][0-9]{3}\)? [0-9]{6}|7[0-9]{3} [0-9]{3} [0-9]{3})"
        r"(?![0-9A-Za-z])",
        late=True,
    ),
)
