# SPDX-License-Identifier: MIT
# ruff: noqa: INP001, T201 - a script that prints
"""
Measure the scrubber beside other Python scrubbers, on labelled lines.

Usage: ``python benchmarks/scrub_peers.py DATA... [--json]``, where DATA is as
for `scrub_quality.py`, which also says what recall, precision and
over-redaction are. Peers that are not installed are named with the line that
installs them.

Each runs as it comes, without a language model, in a process of its own on
one processor; Presidio's pattern and phone recognisers over a blank pipeline.
What a peer calls its spans is put beside our types by the table in this file.

- by type, recall: ``-`` where the peer has no name for the type; what it
  covers by chance counts in *all* only
- by type, precision: of the spans under names for this type
- all: all spans and all labels of our types
- known: only labels of types that the peer has names for, and only spans
  under these names; so dates or links that no label is for do not count
- memory: what the process has more after import and work, in MiB
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import warnings

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from attrs import frozen
from scrub_quality import Span, Tally, lines_per_second, read


#: Finds in a text, as users of the peer call it, and what makes spans of the
#: text and the result. The second is not timed.
Tool: TypeAlias = tuple[
    Callable[[str], Any], Callable[[str, Any], Iterable[Span]]
]

_PHONES = ("PHONE", "PHONE_INTL")
_IPS = ("IPV4", "IPV6")


@frozen
class Peer:
    """
    One scrubber.

    Attributes:
        package: What pip installs.

        make: Imports it and makes a tool.

        names: The types of ours that each of its names stands for. None
            for our own.

        module: What is imported.
    """

    package: str
    make: Callable[[], Tool]
    names: Mapping[str, tuple[str, ...]] | None
    module: str


def ours(engine: str) -> Callable[[], Tool]:
    """
    Make consentkit's maker for one engine.
    """

    def make() -> Tool:
        module = import_module("consentkit.anonymise.scrub")
        scrub = module.Scrubber(engine=engine).scrub
        return lambda text: scrub(text).spans, _spans("start", "end", "type")

    return make


def presidio(least_score: float) -> Callable[[], Tool]:
    """
    Make a maker of Presidio's analyzer that keeps spans from this score on.
    """

    def make() -> Tool:
        # Its mail recogniser would fetch a list of suffixes.
        extract: Any = import_module("tldextract")
        extract.extract = extract.TLDExtract(suffix_list_urls=())
        analyzer = import_module("presidio_analyzer")
        engines = import_module("presidio_analyzer.nlp_engine")
        engine = engines.SpacyNlpEngine()
        engine.nlp = {"en": import_module("spacy").blank("en")}
        analyze = analyzer.AnalyzerEngine(
            nlp_engine=engine, supported_languages=["en"]
        ).analyze
        return (
            lambda text: analyze(
                text, language="en", score_threshold=least_score
            ),
            _spans("start", "end", "entity_type"),
        )

    return make


def scrubadub() -> Tool:
    """
    Make scrubadub with the detectors that it has by default.
    """
    scrubber = import_module("scrubadub").Scrubber()
    return lambda text: list(scrubber.iter_filth(text)), _filth


def _filth(_: str, found: Any) -> Iterator[Span]:
    # Where some overlap, it makes one out of them.
    for whole in found:
        for it in getattr(whole, "filths", None) or [whole]:
            yield Span(it.beg, it.end, it.type)


def commonregex() -> Tool:
    """
    Make commonregex with all its patterns.
    """
    patterns = import_module("commonregex").regexes
    return (
        lambda text: [
            (*found.span(), name)
            for name, pattern in patterns.items()
            for found in pattern.finditer(text)
        ],
        lambda _, found: [Span(*it) for it in found],
    )


def datafog() -> Tool:
    """
    Make datafog's engine of regular expressions.
    """
    scan = import_module("datafog").scan
    return (
        lambda text: scan(text, engine="regex").entities,
        _spans("start", "end", "type"),
    )


def depii() -> Tool:
    """
    Make depii with the locales that it has by default.
    """
    return import_module("depii").Redactor().scan, _spans(
        "start", "end", "entity"
    )


def argus() -> Tool:
    """
    Make argus-redact's fast mode, in the languages of the data.
    """
    redact = import_module("argus_redact").redact
    languages = ["zh", "en", "uk", "de"]
    return (
        lambda text: redact(text, lang=languages, report=True).entities,
        lambda _, found: [
            Span(it["start"], it["end"], it["type"]) for it in found
        ],
    )


def logprivacy() -> Tool:
    """
    Make logprivacy with its default policy.
    """
    clean = import_module("logprivacy").Cleaner().clean_with_result
    return (
        lambda text: clean(text).findings,
        _spans("start", "end", "category"),
    )


def hushlog() -> Tool:
    """
    Make hushlog with its default patterns; it gives text, no spans.
    """
    module = import_module("hushlog")
    redact = module.PatternRegistry.from_config(module.Config()).redact
    return redact, _unmasked


def _spans(
    start: str, end: str, name: str
) -> Callable[[str, Any], list[Span]]:
    return lambda _, found: [
        Span(getattr(it, start), getattr(it, end), getattr(it, name))
        for it in found
    ]


def _unmasked(text: str, masked: str) -> Iterator[Span]:
    """
    Find what the masks in *masked* stand for in *text*.
    """
    parts = re.split(r"\[([A-Z0-9_]+) REDACTED\]", masked)
    pattern = "(.+?)".join(re.escape(it) for it in parts[::2])
    if found := re.fullmatch(pattern, text, re.DOTALL):
        for number, name in enumerate(parts[1::2], 1):
            yield Span(*found.span(number), name)


# Presidio and argus-redact know numbers of a country or two; that is too
# little to be held to those of Europe.
_PRESIDIO = {
    "CREDIT_CARD": ("BANK_CARD",),
    "DATE_TIME": ("DATE_TIME",),
    "EMAIL_ADDRESS": ("EMAIL",),
    "IBAN_CODE": ("IBAN",),
    "IP_ADDRESS": _IPS,
    "MAC_ADDRESS": ("MAC",),
    "PHONE_NUMBER": _PHONES,
    "URL": ("DOMAIN_NAME",),
    "US_DRIVER_LICENSE": ("DRIVER_LICENSE",),
    "US_ITIN": ("US_SSN",),
    "US_SSN": ("US_SSN",),
}
_NATIONAL = (
    "AT_SVNR",
    "BE_NATIONAL_NUMBER",
    "DE_TAX_ID",
    "DK_CPR",
    "ES_DNI",
    "ES_NIE",
    "FI_HETU",
    "FR_NIR",
    "GB_NHS_NUMBER",
    "GB_NINO",
    "IE_PPSN",
    "IT_FISCAL_CODE",
    "NATIONAL_ID",
    "NL_BSN",
    "PL_PESEL",
    "PT_NIF",
    "SE_PERSONNUMMER",
    "TAX_ID",
)

PEERS: dict[str, Peer] = {
    "consentkit": Peer("consentkit", ours("re"), None, "consentkit"),
    "consentkit+re2": Peer("consentkit[re2]", ours("re2"), None, "re2"),
    "presidio": Peer(
        "presidio-analyzer", presidio(0), _PRESIDIO, "presidio_analyzer"
    ),
    "presidio>=0.4": Peer(
        "presidio-analyzer", presidio(0.4), _PRESIDIO, "presidio_analyzer"
    ),
    "scrubadub": Peer(
        "scrubadub",
        scrubadub,
        {
            "credential": ("SECRET_VALUE",),
            "credit_card": ("BANK_CARD",),
            "email": ("EMAIL",),
            "phone": _PHONES,
            "social_security_number": ("US_SSN",),
            "url": ("DOMAIN_NAME",),
        },
        "scrubadub",
    ),
    "commonregex": Peer(
        "commonregex",
        commonregex,
        {
            "credit_cards": ("BANK_CARD",),
            "dates": ("DATE_TIME",),
            "emails": ("EMAIL",),
            "ips": ("IPV4",),
            "ipv6s": ("IPV6",),
            "links": ("DOMAIN_NAME",),
            "phones": _PHONES,
            "street_addresses": ("ADDRESS",),
        },
        "commonregex",
    ),
    "datafog": Peer(
        "datafog",
        datafog,
        {
            "CREDIT_CARD": ("BANK_CARD",),
            "DATE": ("DATE_TIME",),
            "EMAIL": ("EMAIL",),
            "IP_ADDRESS": ("IPV4",),
            "PHONE": _PHONES,
            "SSN": ("US_SSN",),
        },
        "datafog",
    ),
    "depii": Peer(
        "depii",
        depii,
        {
            "CN_RESIDENT_ID": ("RESIDENT_ID_CN",),
            "CREDIT_CARD": ("BANK_CARD",),
            "DRIVING_LICENCE": ("DRIVER_LICENSE",),
            "EMAIL": ("EMAIL",),
            "GB_DRIVING_LICENCE": ("DRIVER_LICENSE",),
            "GEO_COORDINATES": ("GEO_POINT",),
            "IBAN": ("IBAN",),
            "IMEI": ("IMEI",),
            "IP_ADDRESS": _IPS,
            "LOCATION": ("ADDRESS", "LOCATION"),
            "MAC_ADDRESS": ("MAC",),
            "PERSON": ("PERSON",),
            "PHONE": (*_PHONES, "MOBILE_CN"),
            "SECRET": ("API_KEY", "JWT", "SECRET_VALUE"),
            "URL": ("URL_CREDENTIALS", "DOMAIN_NAME"),
            "US_ITIN": ("US_SSN",),
            "US_SSN": ("US_SSN",),
            **dict.fromkeys(_NATIONAL, ("NATIONAL_ID",)),
        },
        "depii",
    ),
    "argus-redact": Peer(
        "argus-redact",
        argus,
        {
            "address": ("ADDRESS",),
            "anthropic_api_key": ("API_KEY",),
            "aws_access_key": ("API_KEY",),
            "bank_card": ("BANK_CARD",),
            "credit_card": ("BANK_CARD",),
            "email": ("EMAIL",),
            "github_token": ("API_KEY",),
            "iban": ("IBAN",),
            "id_number": ("RESIDENT_ID_CN",),
            "imei": ("IMEI",),
            "ip_address": _IPS,
            "itin": ("US_SSN",),
            "jwt": ("JWT",),
            "license_plate": ("PLATE_CN",),
            "location": ("LOCATION",),
            "mac_address": ("MAC",),
            "openai_api_key": ("API_KEY",),
            "organization": ("ORGANIZATION",),
            "person": ("PERSON",),
            "phone": (*_PHONES, "MOBILE_CN"),
            "phone_landline": ("PHONE",),
            "ssh_private_key": ("API_KEY",),
            "ssn": ("US_SSN",),
        },
        "argus_redact",
    ),
    "logprivacy": Peer(
        "logprivacy",
        logprivacy,
        {
            "credential": ("SECRET_VALUE",),
            "credit_card": ("BANK_CARD",),
            "email": ("EMAIL",),
            "secret": ("API_KEY",),
            "token": ("JWT",),
            "url": ("URL_CREDENTIALS", "DOMAIN_NAME"),
        },
        "logprivacy",
    ),
    "hushlog": Peer(
        "hushlog",
        hushlog,
        {
            "AWS_ACCESS_KEY": ("API_KEY",),
            "CREDIT_CARD": ("BANK_CARD",),
            "E164_PHONE": ("PHONE_INTL",),
            "EMAIL": ("EMAIL",),
            "GCP_KEY": ("API_KEY",),
            "GITHUB_TOKEN": ("API_KEY",),
            "IBAN": ("IBAN",),
            "IPV4": ("IPV4",),
            "IPV6": ("IPV6",),
            "JWT": ("JWT",),
            "PHONE": ("PHONE",),
            "SECRET": ("SECRET_VALUE",),
            "SSN": ("US_SSN",),
            "STRIPE_KEY": ("API_KEY",),
        },
        "hushlog",
    ),
}


def memory_mib() -> float | None:
    """
    Give the memory that this process has now, where Linux tells it.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return None
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def measure(name: str, paths: list[Path]) -> dict[str, Any]:
    """
    Measure one peer, in this process.
    """
    logging.disable()
    warnings.simplefilter("ignore")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    data = {path.name: read(path) for path in paths}
    peer, before = PEERS[name], memory_mib()
    find, spans = peer.make()
    found = {
        file: [list(spans(it["text"], find(it["text"]))) for it in rows]
        for file, rows in data.items()
    }
    after = memory_mib()
    return {
        "peer": name,
        "version": version(peer.package.partition("[")[0]),
        "memory_mib": after - before if after and before else None,
        "sets": {
            file: {
                **_figures(peer, rows, found[file]),
                "lines_per_second": lines_per_second(
                    [it["text"] for it in rows], find
                ),
            }
            for file, rows in data.items()
        },
    }


def _figures(
    peer: Peer, rows: list[dict[str, Any]], found: list[list[Span]]
) -> dict[str, Any]:
    # Not at the top, as a peer's memory is measured without it.
    from consentkit.anonymise.scrub import TYPES

    names = peer.names or {it: (it,) for it in TYPES}
    known_types = {it for kinds in names.values() for it in kinds}
    everything, known = Tally(), Tally()
    for row, spans in zip(rows, found, strict=True):
        text, labels = row["text"], row["spans"]
        everything.add(text, labels, spans)
        known.add(text, labels, [it for it in spans if it.type in names])
    return {
        "all": _summary(everything, TYPES),
        "known": _summary(known, known_types & TYPES),
        "types": {
            kind: {
                "labels": count,
                "recall": everything.recall([kind] * (kind in known_types)),
                "precision": everything.precision(
                    [it for it, kinds in names.items() if kind in kinds]
                ),
            }
            for kind, count in sorted(everything.labelled.items())
        },
    }


def _summary(tally: Tally, types: Iterable[str]) -> dict[str, float | None]:
    return {
        "recall": tally.recall(types),
        "precision": tally.precision(tally.found),
        "over_redaction": tally.over_redaction(),
    }


def run(name: str, paths: list[Path]) -> dict[str, Any]:
    """
    Measure one peer in a process of its own.
    """
    command = [sys.executable, __file__, "--peer", name, *map(str, paths)]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603 - this very file
        command,
        check=False,
        env={**os.environ, **one},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return {"peer": name, "failed": said[-1]}
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def tables(measured: list[dict[str, Any]], file: str) -> Iterator[str]:
    """
    Put the figures for one file into lines.
    """
    yield f"== {file}"
    yield (
        f"{'':16}{'recall':^15}{'precision':^15}{'over-redaction':^17}"
        f"{'lines':>9}{'memory':>8}"
    )
    yield (
        f"{'':16}{'all  known':^15}{'all  known':^15}{'all   known':^17}"
        f"{'a second':>9}{'MiB':>8}"
    )
    for it in measured:
        here = it["sets"][file]
        everything, known = here["all"], here["known"]
        yield (
            f"{it['peer']:16}"
            f"{_two(everything['recall']):>7}{_two(known['recall']):>7} "
            f"{_two(everything['precision']):>7}"
            f"{_two(known['precision']):>7} "
            f"{_percent(everything['over_redaction']):>8}"
            f"{_percent(known['over_redaction']):>8} "
            f"{here['lines_per_second']:9,.0f}"
            f"{_whole(it['memory_mib']):>8}"
        )
    for figure in ("recall", "precision"):
        yield f"\n{figure} by type"
        yield f"{'':17}{'of':>6}" + "".join(
            f"{it['peer'][:9]:>10}" for it in measured
        )
        for kind, first in measured[0]["sets"][file]["types"].items():
            yield f"{kind:17}{first['labels']:6}" + "".join(
                f"{_two(it['sets'][file]['types'][kind][figure]):>10}"
                for it in measured
            )
    yield ""


def _two(value: float | None) -> str:
    # Rounded down: 1.00 is all of them.
    return "-" if value is None else f"{int(value * 100) / 100:.2f}"


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def main() -> None:
    """
    Measure all that are installed, print.
    """
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--peer", choices=PEERS, help="print the figures of this one as JSON"
    )
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(measure(arguments.peer, arguments.data)))
        return
    there = [it for it, peer in PEERS.items() if find_spec(peer.module)]
    missing = sorted({PEERS[it].package for it in PEERS if it not in there})
    results = [run(name, arguments.data) for name in there]
    if arguments.json:
        print(json.dumps({"peers": results, "missing": missing}, indent=1))
        return
    measured = [it for it in results if "sets" in it]
    for path in arguments.data:
        print("\n".join(tables(measured, path.name)))
    print(", ".join(f"{it['peer']} {it['version']}" for it in measured))
    for it in results:
        if "failed" in it:
            print(f"{it['peer']} failed: {it['failed']}")
    if missing:
        print("not installed: pip install", *(f"'{it}'" for it in missing))


if __name__ == "__main__":
    main()
