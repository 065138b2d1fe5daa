# SPDX-License-Identifier: MIT
"""
Write the table of strengths into ``anonymisation.md``, between its two marks.

A test says so when the page is not current. Run it with the Python of an
environment that has consentkit::

    python docs/strength.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from consentkit.anonymise.strength import DOMAINS, strength_of
from consentkit.policy.model import Protection, ProtectionName
from consentkit.policy.period import Period


PAGE = Path(__file__).parent / "anonymisation.md"
BEGIN = "<!-- strength: written by docs/strength.py -->\n"
END = "<!-- end of strength -->\n"

_P = ProtectionName

#: One data type stands for each protection that has no list of values.
OTHERS = (
    ("os_version", "none", Protection(name=_P.NONE)),
    ("public_user_identity", "none", Protection(name=_P.NONE)),
    ("device_name", "drop", Protection(name=_P.DROP)),
    ("wifi_password", "local_only", Protection(name=_P.LOCAL_ONLY)),
    ("device_name", "present", Protection(name=_P.PRESENT)),
    ("imei", "keyed", Protection(name=_P.KEYED)),
    (
        "imei",
        "keyed, epoch P30D",
        Protection(name=_P.KEYED, epoch=Period(seconds=30 * 86_400)),
    ),
    ("location_coarse", "grid", Protection(name=_P.GRID)),
    (
        "location_coarse",
        "grid, noise of 2 km",
        Protection(name=_P.GRID, noise_km=2.0),
    ),
    ("app_usage_time", "bucket", Protection(name=_P.BUCKET)),
    ("ip_address", "truncate", Protection(name=_P.TRUNCATE)),
    ("os_version", "generalise", Protection(name=_P.GENERALISE)),
    ("service_log", "scrub", Protection(name=_P.SCRUB)),
    ("clipboard_share_code", "take", Protection(name=_P.TAKE)),
    (
        "network_type",
        "krr, epsilon 1",
        Protection(name=_P.KRR, values=("wifi", "mobile", "wired")),
    ),
)


def current(text: str) -> str:
    """
    Give the page's *text* with the present tables in it.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        msg = f"{PAGE.name}: the marks around the tables are missing"
        raise ValueError(msg)
    tables = "\n".join([*listed(), "", *others()])
    return f"{before}{begin}\n{tables}\n\n{end}{after}"


def listed() -> Iterator[str]:
    """
    Give a row for each space of values that can be counted.
    """
    yield "| MD5 of | values | that many | one core | one GPU | source |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for domain in dict.fromkeys(DOMAINS.values()):
        types = [t for t, of in DOMAINS.items() if of is domain]
        strength = strength_of(types[0], Protection(name=_P.MD5))
        core, _, gpu = strength.cost.partition(" on one core, ")
        yield _row(
            ", ".join(f"`{t}`" for t in types),
            domain.values,
            f"{domain.size:.1e}".replace("e+", "e"),
            core,
            gpu.removesuffix(" on one GPU"),
            domain.source,
        )


def others() -> Iterator[str]:
    """
    Give a row for each protection.
    """
    yield "| protection | of | class | undone by | by trying | joins |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for data_type, name, protection in OTHERS:
        strength = strength_of(data_type, protection)
        class_ = strength.privacy_class
        yield _row(
            name,
            f"`{data_type}`",
            "no value" if class_ is None else f"`{class_.value}`",
            strength.undone_by,
            strength.cost,
            strength.joins,
        )


def _row(*cells: str) -> str:
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text("utf-8")), "utf-8")
