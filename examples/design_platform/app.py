# SPDX-License-Identifier: MIT
"""
A design platform that lives by its privacy policy, told in one run.

It asks for nothing in advance: each function says what it needs when it is
used, and takes a refusal for an answer. Run it with::

    python examples/design_platform/app.py
"""

from __future__ import annotations

import argparse
import logging
import tempfile

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

import consentkit

from consentkit.collectors.device import DeviceSource
from consentkit.transports.memory import MemoryTransport


HERE = Path(__file__).parent

# What the visitor ticks; the identity card, QQ and cookies are not in it.
TICKED = """
    search design_tools real_name others_information
    favourite_follow_share favourite_follow_share@weibo basic_security
"""


@frozen
class ProjectSaved:
    """
    A project was saved; the policy's event ``project_saved``.
    """

    rooms: int
    style: str
    seconds: float
    note: str


def form() -> DeviceSource:
    """
    Give what the visitor fills in, and what the page knows of itself.
    """
    now = datetime.now().astimezone()
    facts: dict[str, str | int] = {
        "access_time": now.hour * 60 + now.minute,
        "cookie_id": "c-58f0a94e",
        "id_card_number": "11010519491231002X",
        "real_name": "Lin Mei",
        "search_history": "sofa for Mr. Wang, 13905550148",
        "share_record": "living room, version 3",
        "third_person_info": "client Wang, wang@example.com",
    }
    known = {t: (lambda fact=fact: fact) for t, fact in facts.items()}
    return DeviceSource("the page", known)


class Platform:
    """
    The platform's functions, each as a visitor meets it.
    """

    def __init__(self, kit: consentkit.Kit) -> None:
        self.kit = kit
        self.log = logging.getLogger("xiamo")
        self.log.setLevel(logging.INFO)
        self.log.propagate = False
        self.log.handlers[:] = [kit.log_handler("basic_security")]

    def take(self, function: str, data_type: str, **how: Any) -> Any:
        """
        Use a function for one value, and keep that for the backend.
        """
        recipient = how.pop("recipient", None)
        with self.kit.use(function, **how) as use:
            got = use.device(data_type, recipient=recipient)
            if isinstance(got, consentkit.Refusal):
                return got
            kept = use.capture(got)
            return got.values[0] if kept else kept

    def save_project(self) -> Any:
        """
        Save what was drawn: an event of the app's own.
        """
        with self.kit.use("design_tools") as use:
            note = "call Wang on 13905550148 about the lamp"
            return use.capture(ProjectSaved(3, "modern", 412.0, note))

    def visit(self) -> list[Any]:
        """
        Do all that this visitor does, and give what came of it.
        """
        self.log.info("search from 203.0.113.77")
        others = ("others_information", "third_person_info")
        share = ("favourite_follow_share", "share_record")
        return [
            self.take("search", "search_history"),
            self.save_project(),
            self.take("real_name", "real_name"),
            self.take("real_name", "id_card_number"),
            self.take(*others),
            self.take(*others, attested="Mr. Wang signed the order form"),
            self.take(*share),
            self.take(*share, recipient="weibo"),
            self.take(*share, recipient="qq"),
            self.take("targeted_push", "cookie_id"),
            self.take("basic_security", "access_time"),
            self.take("search", "search_history", purpose="targeted_push"),
        ]


def tell(answers: list[Any]) -> None:
    """
    Print each answer in a line.
    """
    for answer in answers:
        match answer:
            case consentkit.Refusal():
                text = f"no   {answer}"
            case consentkit.DeviceValue():
                how = answer.protection.value
                text = f"yes  {answer.data_type}, {how}: {answer.value!s:.48}"
            case _:
                text = f"yes  {type(answer).__name__.lower()}"
        print(f"  {text.partition(';')[0]}")


def story(folder: Path) -> None:
    """
    Tell the run, in *folder*.
    """
    backend = MemoryTransport()
    with consentkit.open(
        HERE / "policy.toml",
        transport={"kanshan": backend},
        data_dir=folder,
        sources=[form()],
    ) as kit:
        platform, consent = Platform(kit), kit.consent

        print("1. Before any choice")
        tell(platform.visit())

        print("\n2. The visitor is of age, and ticks seven boxes")
        consent.declare_age(born=date(1990, 2, 28))
        for element in TICKED.split():
            notice = consent.show(element, method="dialog")
            consent.grant(element, method="tick")
            print(f"  [x] {notice.text.partition(chr(10))[0]}")
        try:
            consent.grant("targeted_push", method="tick", preselected=True)
        except ValueError as error:
            print(f"  [ ] {error}")

        print("\n3. The same visit")
        tell(platform.visit())
        print(f"  no   {kit.registry.start('umeng', print)}")

        print("\n4. The visitor takes one box back before anything is sent")
        ended = consent.withdraw("design_tools")
        print(f"  {ended.destroyed.records} record destroyed")
        tell([platform.save_project()])

        print("\n5. What the operator gets")
        kit.flush()
        for record in backend.records:
            print(f"  {record.data_type} for {record.purpose}: {record.value}")
        waiting = kit.status().waiting
        print(f"  {waiting} waits for Weibo; nothing goes to QQ")

        print("\n6. A child comes by")
        consent.declare_age(born=kit.now().date() - timedelta(days=4000))
        tell(platform.visit()[:1])


def main() -> None:
    """
    Run the story, in a folder that is gone afterwards.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, help="keep the files here")
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as gone:
        story(keep or Path(gone))


if __name__ == "__main__":
    main()
