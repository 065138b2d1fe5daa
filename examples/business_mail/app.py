# SPDX-License-Identifier: MIT
"""
A business mail whose privacy policy leaves most things open.

What the policy leaves open opens nothing: the story shows which doors stay
shut, and why, beside those that a yes opens. Run it with::

    python examples/business_mail/app.py
"""

from __future__ import annotations

import argparse
import logging
import tempfile

from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

import consentkit

from consentkit.collectors.device import DeviceSource
from consentkit.policy import ProtectionName
from consentkit.transports.memory import MemoryTransport


HERE = Path(__file__).parent

# What this user says yes to; partners are not among it.
YES = """
    register automatic_access_data device_information logs google_ads
    marketing marketing/corporate_email transactions
"""

# Somebody in sales holds it appropriate to give out the address.
DISCRETION = consentkit.Basis(id="controller_discretion", person="Sales")


@frozen
class MailboxOpened:
    """
    A mailbox was opened; the policy's event ``mailbox_opened``.
    """

    folder: str
    messages: int
    seconds: float
    note: str


def session() -> DeviceSource:
    """
    Give what the mail client knows of this session.
    """
    now = datetime.now().astimezone()
    facts: dict[str, str | int] = {
        "access_time": now.hour * 60 + now.minute,
        "account_password": "correct horse battery",
        "browser_type": "desktop client",
        "contact_details": "linmei@trade.example",
        "corporate_email": "linmei@trade.example",
        "google_ads_data": "campaign 7: 12 clicks",
        "ip_address": "203.0.113.77",
        "phone_number": "13905550148",
    }
    known = {t: (lambda fact=fact: fact) for t, fact in facts.items()}
    return DeviceSource("the mail client", known)


class Mail:
    """
    The client's functions, each as its user meets it.
    """

    def __init__(self, kit: consentkit.Kit) -> None:
        self.kit = kit
        self.log = logging.getLogger("xiaoman")
        self.log.setLevel(logging.INFO)
        self.log.propagate = False
        self.log.handlers[:] = [kit.log_handler("logs")]

    def take(self, function: str, *data_types: str, **how: Any) -> list[Any]:
        """
        Use a function for some values, and keep them for the backend.
        """
        recipient = how.pop("recipient", None)
        with self.kit.use(function, **how) as use:
            got = use.device(*data_types, recipient=recipient)
            if isinstance(got, consentkit.Refusal):
                return [got]
            use.capture(got)
            return [*got.values, *got.unavailable, *got.refused]

    def open_mailbox(self) -> Any:
        """
        Open the mailbox: a line of the log, and an event of the app's own.
        """
        self.log.info("connected from 203.0.113.77 as linmei@trade.example")
        with self.kit.use("logs") as use:
            return use.capture(MailboxOpened("customers", 12, 3.5, "ok?"))

    def work(self) -> list[Any]:
        """
        Do all that this user does, and give what came of it.
        """
        ads = ("google_ads", "google_ads_data")
        mail = ("marketing", "corporate_email")
        trade = ("transactions", "contact_details")
        return [
            *self.take("register", "phone_number", "account_password"),
            *self.take("automatic_access_data"),
            *self.take("device_information"),
            self.open_mailbox(),
            *self.take(*ads),
            *self.take(*ads, purpose="usage_statistics"),
            *self.take(*mail),
            *self.take(*mail, recipient="marketing_partners"),
            *self.take(*trade),
            *self.take(*trade, recipient="counterparty"),
            *self.take(*trade, basis=DISCRETION),
        ]


def tell(answers: list[Any]) -> None:
    """
    Print each answer in a line.
    """
    for answer in answers:
        match answer:
            case consentkit.Refusal() | consentkit.Unavailable():
                text = f"no   {answer}"
            case consentkit.DeviceValue(data_type=what, protection=how):
                value = str(answer.value)
                if how is ProtectionName.LOCAL_ONLY:
                    value = "used here, and not shown"
                text = f"yes  {what}, {how.value}: {value:.40}"
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
        transport={"xiaoman": backend},
        data_dir=folder,
        sources=[session()],
    ) as kit:
        mail, consent = Mail(kit), kit.consent
        print("1. What the policy leaves open, among other things")
        print(f"  {', '.join(kit.policy.document.unspecified[:5])}")

        print("\n2. Nothing is taken before a choice, cookies included")
        tell(mail.work())

        print("\n3. The user says yes, one function at a time")
        for element in YES.split():
            notice = consent.show(element, method="dialog")
            consent.grant(element, method="button")
            print(f"  {notice.text.partition(chr(10))[0]}")
        tell(mail.work())

        print("\n4. The notice on transactions comes before the first one")
        print(f"  {kit.policy.functions['transactions'].acknowledge}")
        consent.acknowledge("transactions")
        tell(mail.take("transactions", "contact_details"))

        print("\n5. The authorisation of Google Ads is taken back")
        done = consent.withdraw("google_ads").destroyed
        print(f"  {done.records} record destroyed")
        tell(mail.take("google_ads", "google_ads_data"))

        print("\n6. What the operator gets, and how long it could wait")
        kit.flush()
        for record in backend.records:
            longest = record.expires_at - record.captured_at
            print(f"  {record.data_type}, {longest}: {record.value}")


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
