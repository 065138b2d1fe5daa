# SPDX-License-Identifier: MIT
"""
Quiet Page, which lends books to read on the phone, and keeps its principles.

The policy that it began with names no controller and no period: a template,
which nothing opens. The app lives by the one that was made of it.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import textwrap
import time

from pathlib import Path
from typing import Any

from attrs import frozen

import consentkit

from consentkit.collectors.location import TrackSource
from consentkit.transports.memory import MemoryTransport


HERE = Path(__file__).parent
BOOK = "It was a quiet page, and it stayed one. " * 200


@frozen
class BookRead:
    """
    Somebody read in a book; the policy's event ``book_read``.
    """

    pages: int
    finished: bool


@frozen
class PageDrawn:
    """
    A page was drawn; the policy's event ``page_drawn``.
    """

    milliseconds: float


class Reader(consentkit.Source[Any]):
    """
    What the app knows of its reader: a form, and a count of pages.
    """

    name = "the app itself"
    data_types = frozenset(
        {"app_usage_frequency", "app_usage_overall", "phone_number"}
    )
    pages = 0

    def _read(self, permit: consentkit.Permit, **_: Any) -> int | str:
        if permit.clause.type == "phone_number":
            return "+8613905550123"
        return self.pages


class QuietPage:
    """
    The app's functions, each as its reader would meet it.
    """

    def __init__(self, folder: Path) -> None:
        self.backend = MemoryTransport()
        self.reader = Reader()
        self.kit = consentkit.open(
            HERE / "policy.toml",
            transport=self.backend,
            data_dir=folder,
            sources=[self.reader, TrackSource(HERE / "walk.nmea")],
        )
        self.log = logging.getLogger("quietpage")
        self.log.propagate = False
        self.log.handlers[:] = [self.kit.log_handler("analytics")]

    def ask(self, element: str, *, yes: bool = True) -> None:
        """
        Show the notice of *element* and record the answer, fixed here.
        """
        notice = self.kit.consent.show(element, method="dialog")
        (title, *_) = notice.text.splitlines()
        print(f"  ? {title}: {'allow' if yes else 'do not allow'}")
        decide = self.kit.consent.grant if yes else self.kit.consent.deny
        decide(element, method="confirm")

    def read_a_book(self) -> list[Any]:
        """
        Draw the pages of a book, and say how that went.
        """
        began = time.perf_counter()
        drawn = textwrap.wrap(BOOK, 1000)
        took = (time.perf_counter() - began) * 1000
        self.reader.pages += len(drawn)
        self.log.error("no such font, asked for by ann@quietpage.example")
        with self.kit.use("analytics") as use:
            read = use.capture(BookRead(pages=len(drawn), finished=True))
            return [read, use.capture(PageDrawn(milliseconds=took))]

    def read(self, function: str, data_type: str, **how: Any) -> Any:
        """
        Read and keep one value, as any function does.
        """
        with self.kit.use(function, **how) as use:
            found = use.device(data_type)
            return use.capture(found) if found else found

    def libraries_nearby(self) -> Any:
        """
        Show libraries around the reader, in a square of ten kilometres.
        """
        with self.kit.use("nearby_libraries") as use:
            place = use.location()
            return use.capture(place) if place else place


def tell(text: str, *answers: Any) -> None:
    """
    Print what was done, and what came of it.
    """
    print(text)
    for answer in answers:
        print("  + kept" if answer else f"  - {answer}")


def read_on(app: QuietPage) -> None:
    """
    Go through an evening with a book.
    """
    consent = app.kit.consent
    consent.declare_age(adult=True)
    tell("Before anything is allowed:", *app.read_a_book())
    for function in ("analytics", "nearby_libraries", "shared_statistics"):
        app.ask(function)
    app.ask("cross_service_use", yes=False)
    tell("A book is read, and a log line with an address:", *app.read_a_book())

    tell(
        "The same count for our audiobooks, for publishers, by any name:",
        app.read("cross_service_use", "app_usage_overall"),
        app.read(
            "analytics", "app_usage_overall", purpose="personalised_experience"
        ),
        app.read("shared_statistics", "app_usage_frequency"),
    )
    tell(
        "Analytics never learns who it is:", app.read("analytics", "nickname")
    )
    app.ask("account")
    tell(
        "The number, with no act of the reader, and by one:",
        app.read("account", "phone_number"),
        app.read("account", "phone_number", act="pressed_save"),
    )
    letter = app.read("correspondence", "communication_content")
    tell("What is in letters belongs to no function:", letter)
    tell("Libraries nearby:", app.libraries_nearby())
    app.ask("nearby_libraries/location_coarse")
    tell("and after that:", app.libraries_nearby())

    app.kit.flush()
    for record in app.backend.records:
        print(f"  > {record.data_type}, {record.protection}: {record.value}")
    consent.withdraw("analytics")
    tell("Analytics is switched off in the list:", *app.read_a_book())
    app.kit.flush()
    left = ", ".join(r.data_type for r in app.backend.records)
    print(f"What it had is asked back; what is left there: {left}.")


def main(arguments: list[str] | None = None) -> int:
    """
    Tell the story in a temporary folder, or in one that is kept.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", metavar="DIR", help="keep the files here")
    keep = parser.parse_args(arguments).keep
    with tempfile.TemporaryDirectory() as folder:
        try:
            consentkit.open(HERE / "template.toml", data_dir=folder)
        except consentkit.PolicyError as error:
            print(str(error).replace(str(HERE), "."))
        app = QuietPage(Path(keep or folder) / "data")
        with app.kit:
            read_on(app)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
