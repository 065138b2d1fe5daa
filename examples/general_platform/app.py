# SPDX-License-Identifier: MIT
"""
A visit to "this platform", which lives by the policy beside it.

The policy presumes adults, lists health and "other information as needed",
and has ten cases without consent. The app never asks whether it may: it says
which function is in use, and takes a refusal for an answer.
"""

from __future__ import annotations

import argparse
import tempfile
import time

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

import consentkit

from consentkit.collectors.location import TrackSource
from consentkit.transports.memory import MemoryTransport


HERE = Path(__file__).parent
AGREE = "agree"  # the act that agrees, by this policy


@frozen
class PageLeft:
    """
    A page was left; the policy's event ``page_left``.
    """

    seconds: float
    pages: int


class Visit(consentkit.Source[str]):
    """
    What the platform's own server and client know of a visit.
    """

    name = "this visit"
    data_types = frozenset({"account_id", "browser_type", "ip_address"})

    def _read(self, permit: consentkit.Permit, **_: Any) -> str:
        facts = {
            "account_id": "member-20881",
            "browser_type": "console",
            "ip_address": "198.51.100.23",
        }
        return facts[permit.clause.type]


class Platform:
    """
    The platform's functions, each as its user would meet it.
    """

    def __init__(self, folder: Path) -> None:
        self.backend = MemoryTransport()
        self.system = {"location": consentkit.OSPermission.DENIED}
        self.kit = consentkit.open(
            HERE / "policy.toml",
            transport=self.backend,
            data_dir=folder,
            sources=[Visit(), TrackSource(HERE / "walk.nmea")],
            os_permission=self.system.__getitem__,
        )

    def ask(self, element: str, *, yes: bool = True) -> None:
        """
        Show the notice of *element*, and record the answer.

        The answers are fixed here; a real dialog waits for them.
        """
        notice = self.kit.consent.show(element, method="dialog")
        (title, *_) = notice.text.splitlines()
        print(f"  ? {title}: {'yes' if yes else 'no'}")
        decide = self.kit.consent.grant if yes else self.kit.consent.deny
        decide(element, method=AGREE)

    def browse(self) -> list[Any]:
        """
        Show a page, to somebody without an account.
        """
        began = time.monotonic()
        with self.kit.use("browse_search", purpose="browsing") as use:
            seen = use.device("browser_type", "ip_address")
            history = use.device("browsing_history")
            event = PageLeft(seconds=time.monotonic() - began, pages=1)
            return [use.capture(seen), history, use.capture(event)]

    def nearby(self) -> Any:
        """
        Show what is around the visitor.
        """
        with self.kit.use("location_service") as use:
            place = use.location("location_precise")
            return use.capture(place) if place else place

    def read(
        self, function: str, data_type: str, party: str = "", **how: Any
    ) -> Any:
        """
        Read and keep one value, as any function does.
        """
        with self.kit.use(function, **how) as use:
            found = use.device(data_type, recipient=party or None)
            return use.capture(found) if found else found


def tell(text: str, *answers: Any) -> None:
    """
    Print what was done, and what came of it.
    """
    print(text, end="\n" * bool(text))
    for answer in answers:
        print("  + kept" if answer else f"  - {answer}")


def visit(platform: Platform) -> None:
    """
    Go through one visit.
    """
    kit, consent = platform.kit, platform.kit.consent
    tell("Before anything is agreed to:", *platform.browse())

    print("Browsing needs no account, and all else can be refused:")
    platform.ask("browse_search")
    platform.ask("register", yes=False)
    tell("so a page is shown:", *platform.browse())

    print("What is around? The text presumes an adult; nobody has said so:")
    platform.ask("location_service")
    platform.ask("location_service/location_precise")
    tell("before the visitor has said so:", platform.nearby())
    consent.declare_age(adult=True)
    tell("before the system allows it:", platform.nearby())
    platform.system["location"] = consentkit.OSPermission.GRANTED
    tell("and then, as a square:", platform.nearby())

    print("Another account is granted after its notice only:")
    try:
        consent.grant("third_party_login", method=AGREE)
    except consentkit.NoticeNeededError as error:
        print(f"  - {error}")
    platform.ask("third_party_login")

    platform.ask("affiliate_services")
    for party in ("this_platform", "gp_affiliates", "gp_ads_analytics"):
        told = platform.read("affiliate_services", "account_id", party)
        tell(f"The account, to {party}:", told)
    health = platform.read("health", "health_info")
    tell('"Other information, as needed", such as on health:', health)

    nobody = consentkit.Basis(id="public_interest")
    duty = evolve(
        nobody,
        person="duty officer of this platform",
        reason="a warning of the city",
        reference="warning 2026-31",
        until=datetime.now(UTC) + timedelta(hours=1),
    )
    print("Without consent: by nobody's word, by somebody's, by none again:")
    for basis in (nobody, duty, None):
        tell("", platform.read("device_and_logs", "os_name", basis=basis))

    kit.flush()
    print("Arrived:", *(r.data_type for r in platform.backend.records))
    consent.declare_age(born=datetime.now(UTC).date() - timedelta(days=5000))
    kit.flush()
    tell("The visitor turns out to be 13:", *platform.browse())
    left = len(platform.backend.records)
    print(f"All is asked back, the city's too; {left} records are left there.")
    blanks = kit.policy.document.unspecified
    print(f"The text leaves {len(blanks)} things open; none opened a gate.")


def main(arguments: list[str] | None = None) -> int:
    """
    Tell the story in a temporary folder, or in one that is kept.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", metavar="DIR", help="keep the files here")
    keep = parser.parse_args(arguments).keep
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Path(keep or folder) / "data")
        with platform.kit:
            visit(platform)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
