# SPDX-License-Identifier: MIT
"""
Phones, social security numbers and driver's licences of the United States.
"""

from __future__ import annotations

from consentkit.anonymise import _national as v
from consentkit.anonymise._looks import BRACKET, START
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
        forms=("00-0000(?<=000-00-0000)",),
        quick=rf"{START}[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}}",
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
        r"(?: is(?![0-9a-z])|\\?[\"']?\s{0,2}[:=#])?[\s\"'\\]{0,4}"
        # A zero at the beginning is lost where it was a number.
        r"([0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4}|[0-9]{8})(?![0-9])",
        group=1,
        folded=True,
    ),
    PackRule(
        name="driver's licence by its name",
        type="DRIVER_LICENSE",
        words=("driver", "driving", "dl#"),
        quick=r"driv(?:er|ing).{0,3}licen[cs]e|dl#",
        pattern=r"(?:driv(?:er'?s?|er’s|ing)[ _-]?licen[cs]e|(?<![a-z])dl(?=#))"
        r"(?:[ _-]?(?:number|no\.?|num|nr|#))?"
        r"(?: is(?![0-9a-z])|\\?[\"']?\s{0,2}[:=#])?[\s\"'\\]{0,4}"
        r"((?=[a-z]{0,5}[0-9])[0-9a-z](?:[ -]?[0-9a-z]){4,19})(?![0-9a-z])",
        group=1,
        validator=v.named_id_length,
        folded=True,
    ),
    PackRule(
        name="phone number of North America",
        type="PHONE",
        forms=(
            "00-000-0000(?<=000-000-0000)",
            r"\.0000(?<=000\.000\.0000)",
        ),
        looks=(BRACKET,),
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
