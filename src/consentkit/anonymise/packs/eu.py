# SPDX-License-Identifier: MIT
"""
IBAN, and national identity numbers of member states of the European Union.

What is tested by a check digit is found by its form; what is a mere run of
digits is found by the name beside it.
"""

from __future__ import annotations

from consentkit.anonymise import _national as v
from consentkit.anonymise._looks import START
from consentkit.anonymise._rule import PackRule


__all__ = ["RULES"]

# A set of first characters is looked for faster than what is before them.
_DIGIT = r"[0-9](?<![0-9A-Za-z][0-9])"
_LETTER = r"[A-Za-z](?<![0-9A-Za-z][A-Za-z])"
_END = r"(?![0-9A-Za-z])"

_NAMES = (
    r"(?:national insurance|nino|nhs|passport|bsn|burgerservicenummer|pesel"
    r"|personnummer|steuer[_-]?id(?:nr|entifikationsnummer)?|idnr"
    r"|codice fiscale|cpr[ -]n(?:umber|ummer|r)|henkilötunnus|rijksregisternummer|national[ _-]?id"
    r"|identity card|cnp|cpr|nif|oib|svnr|sozialversicherungsnummer|isikukood"
    r"|national)"
)

RULES: tuple[PackRule, ...] = (
    PackRule(
        name="IBAN",
        type="IBAN",
        forms=(
            "aa00(?<![a0]aa00) ?(?:0000|a000|aa00|aaaa) ?[a0]{4} ?[a0]{3}",
        ),
        quick=f"{START}(?:"
        + "|".join(code.lower() for code in sorted(v.IBAN_LENGTHS))
        + ")[0-9]{2} ?[0-9a-z]{4} ?[0-9a-z]{4} ?[0-9a-z]{3}",
        # What follows the check digits names the bank.
        pattern=rf"{_LETTER}[A-Za-z][0-9]{{2}} ?(?:[0-9]{{4}}"
        r"|[A-Za-z](?:[0-9]{3}|[A-Za-z](?:[0-9]{2}|[A-Za-z]{2})))"
        r"(?: ?[0-9A-Za-z]{4}){1,6}(?: ?[0-9A-Za-z]{1,3})?",
        validator=v.iban_length,
    ),
    PackRule(
        name="identity number of Spain",
        type="NATIONAL_ID",
        forms=("0000000(?<=[a0]0000000)-?a(?![a0])",),
        quick=rf"{START}[0-9xyz][0-9]{{7}}-?[a-z](?:[^0-9a-z]|\z)",
        pattern=rf"[0-9XYZ](?<![0-9A-Za-z][0-9XYZ])[0-9]{{7}}-?[A-Z]{_END}",
        validator=v.dni_length,
    ),
    PackRule(
        name="codice fiscale of Italy",
        type="NATIONAL_ID",
        forms=("aa00(?<=aaaaaa00)a00a000a",),
        quick=rf"{START}[a-z]{{6}}[0-9]{{2}}[a-z][0-9]{{2}}[a-z][0-9]{{3}}",
        pattern=rf"{_LETTER}[A-Za-z]{{5}}[0-9]{{2}}[A-EHLMPRSTa-ehlmprst]"
        rf"[0-9]{{2}}[A-Za-z][0-9]{{3}}[A-Za-z]{_END}",
        validator=v.codice_fiscale_length,
    ),
    PackRule(
        name="social security number of France",
        type="NATIONAL_ID",
        forms=("000000a00000000", "000 000 00(?<=00 0[0a] 000 000 00)"),
        quick=rf"{START}[12378](?:[0-9]{{4}}2[ab][0-9]{{8}}"
        r"| [0-9]{2} [0-9]{2} [0-9][0-9ab] [0-9]{3} )",
        # In one run of digits, the pass over numbers finds it.
        pattern=r"[12378](?<![0-9A-Za-z][0-9])(?:[0-9]{4}2[AB][0-9]{8}"
        r"| [0-9]{2} [0-9]{2} (?:[0-9]{2}|2[AB]) [0-9]{3} [0-9]{3} [0-9]{2})"
        rf"{_END}",
        validator=v.nir_length,
        late=True,
    ),
    PackRule(
        name="identity code of Finland",
        type="NATIONAL_ID",
        forms=("000000(?<![a0]000000)[-+a]000[a0](?![a0])",),
        quick=rf"{START}[0-3][0-9][01][0-9]{{3}}[-+a-fu-y][0-9]{{3}}[0-9a-y]",
        pattern=rf"[0-3](?<![0-9A-Za-z][0-9])[0-9][01][0-9]{{3}}[-+A-FU-Y]"
        rf"[0-9]{{3}}[0-9A-FHJ-NPR-Y]{_END}",
        validator=v.hetu_length,
    ),
    PackRule(
        name="personal number of Sweden",
        type="NATIONAL_ID",
        forms=("000000[-+]0000(?![-a0])",),
        quick=rf"{START}(?:19|20)?[0-9]{{6}}[-+][0-9]{{4}}(?:[^0-9a-z]|\z)",
        pattern=rf"{_DIGIT}(?:(?:(?<=1)9|(?<=2)0)[0-9])?[0-9]{{5}}[-+][0-9]{{4}}"
        r"(?![0-9A-Za-z-])",
        validator=v.personnummer_length,
    ),
    PackRule(
        name="national register number of Belgium",
        type="NATIONAL_ID",
        forms=(r"00-000\.00(?<=00\.00\.00-000\.00)",),
        quick=r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}",
        pattern=r"[0-9](?<![0-9A-Za-z.][0-9])[0-9]\.[0-9]{2}\.[0-9]{2}-[0-9]{3}"
        rf"\.[0-9]{{2}}{_END}",
        validator=v.rijksregister_length,
    ),
    PackRule(
        name="tax identity number of Germany",
        type="NATIONAL_ID",
        forms=("000 000 000(?<=00 000 000 000)",),
        quick=rf"{START}[1-9][0-9] [0-9]{{3}} [0-9]{{3}} [0-9]{{3}}",
        pattern=rf"[1-9](?<![0-9A-Za-z][0-9])[0-9] [0-9]{{3}} [0-9]{{3}} [0-9]{{3}}{_END}",
        validator=v.steuer_id_length,
        late=True,
    ),
    PackRule(
        name="public service number of Ireland",
        type="NATIONAL_ID",
        forms=("0000000(?<![a0]0000000)aa?(?![a0])",),
        quick=rf"{START}[0-9]{{7}}[a-w][a-i]?(?:[^0-9a-z]|\z)",
        pattern=rf"{_DIGIT}[0-9]{{6}}[A-W][A-I]?{_END}",
        validator=v.pps_length,
    ),
    PackRule(
        name="national identity number by its name",
        type="NATIONAL_ID",
        words=(
            "national",
            "nino",
            "nhs",
            "passport",
            "bsn",
            "burgerservice",
            "pesel",
            "personnummer",
            "steuer",
            "idnr",
            "codice",
            "cpr",
            "henkil",
            "rijksregister",
            "identity card",
            *("cnp", "nif", "oib", "svnr", "sozialversicherung", "isikukood"),
        ),
        quick=rf"{START}{_NAMES}[^0-9]",
        pattern=rf"(?<![0-9a-z]){_NAMES}"
        r"(?:[ _-]?(?:number|no\.?|num|nr|#))?"
        r"(?: is(?![0-9a-z])|\\?[\"']?\s{0,2}[:=#]|(?<!national) (?=[0-9]{3}))"
        r"[\s\"'\\]{0,4}((?=[a-z]{0,5}[0-9])[0-9a-z]"
        # A word after a blank is no part of it.
        r"(?:[./-]?[0-9a-z]| (?=[0-9]|[a-z](?![a-z]))[0-9a-z]){5,20})"
        r"(?![0-9a-z])",
        group=1,
        validator=v.named_id_length,
        folded=True,
        late=True,
    ),
)
