# SPDX-License-Identifier: MIT
"""
Phones, social security numbers and driver's licences of the United States.
"""

from __future__ import annotations

from consentkit.anonymise import _national as v
from consentkit.anonymise._looks import BRACKET, DOTS, HYPHENS
from consentkit.anonymise._rule import PackRule

from ._names import EXTENSION


__all__ = ["RULES"]

_CORE = (
    r"\([0-9]{3}\) ?[0-9]{3}[.-][0-9]{4}"
    r"|[0-9]{3}(?:-[0-9]{3}-|\.[0-9]{3}\.)[0-9]{4}"
)

RULES: tuple[PackRule, ...] = (
    PackRule(
        name="social security number",
        type="US_SSN",
        looks=(HYPHENS,),
        quick=r"(?:^|[^0-9a-z])[0-9]{3}-[0-9]{2}-[0-9]{4}",
        pattern=r"[0-9](?<![0-9A-Za-z.-][0-9])[0-9]{2}-[0-9]{2}-[0-9]{4}"
        r"(?![0-9A-Za-z]|[.-][0-9A-Za-z])",
        validator=v.ssn_length,
    ),
    PackRule(
        name="social security number by its name",
        type="US_SSN",
        words=("ssn", "social"),
        quick=r"(?:ssn|social[ _-]?security)[^0-9]{0,20}[0-9]",
        pattern=r"(?:(?<![a-z])ssn|social[ _-]?security)"
        r"(?:[ _-]?(?:number|no\.?|num|nr|#))?"
        r"(?: is|\\?[\"']?\s{0,2}[:=#])?[\s\"'\\]{0,4}"
        r"([0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4})(?![0-9])",
        group=1,
        folded=True,
    ),
    PackRule(
        name="driver's licence by its name",
        type="DRIVER_LICENSE",
        words=("driver", "driving"),
        quick=r"driv(?:er|ing).{0,3}licen[cs]e",
        pattern=r"driv(?:er'?s?|er’s|ing)[ _-]?licen[cs]e"
        r"(?:[ _-]?(?:number|no\.?|num|nr|#))?"
        r"(?: is|\\?[\"']?\s{0,2}[:=#])?[\s\"'\\]{0,4}"
        r"((?=[a-z]{0,5}[0-9])[0-9a-z](?:[ -]?[0-9a-z]){4,19})(?![0-9a-z])",
        group=1,
        validator=v.named_id_length,
        folded=True,
    ),
    PackRule(
        name="phone number of North America",
        type="PHONE",
        looks=(HYPHENS, DOTS, BRACKET),
        quick=r"[0-9]{3}(?:[.-]|\) ?)[0-9]{3}[.-][0-9]{4}",
        # One fixed set of first characters is looked for fastest.
        pattern=r"[+(0-9](?<![0-9A-Za-z+][+(0-9])(?<![0-9][.-][0-9])"
        rf"(?:(?:(?<=\+)1[ .-]?|(?<=0)01[ .-]?|(?<=1)[ .-])(?:{_CORE})"
        r"|(?<=\()[0-9]{3}\) ?[0-9]{3}[.-][0-9]{4}"
        r"|(?<=[0-9])[0-9]{2}(?:-[0-9]{3}-|\.[0-9]{3}\.)[0-9]{4})"
        rf"{EXTENSION}(?![0-9A-Za-z_]|[.-][0-9])",
        late=True,
    ),
)
