# SPDX-License-Identifier: MIT

"""
Every call form of the public API, for type checkers; never run.
"""

from __future__ import annotations

import logging

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, assert_type

import attrs

import consentkit

from consentkit.anonymise.budget import Budget
from consentkit.anonymise.response import Spent
from consentkit.anonymise.rulefile import read_rules
from consentkit.anonymise.scrub import Scrubbed, Scrubber, Span
from consentkit.collectors.crash import CrashCapture, CrashCounts
from consentkit.collectors.journal import JournalCapture, JournalCounts
from consentkit.collectors.log_adapters import LoguruSink, StructlogProcessor
from consentkit.collectors.logs import LogCounts, LogHandler
from consentkit.consent import AgeBand, Choice, State
from consentkit.consent.signals import SignalRow, Signals, gpc_from_header
from consentkit.exceptions import (
    ConsentKitError,
    DamagedError,
    ForgedPermitError,
    MissingExtraError,
    NewerFormatError,
    PolicyError,
    StoreError,
    UnprotectedError,
    UnwritableError,
)
from consentkit.gate import Gate, Moment
from consentkit.ledger import (
    Entry,
    Ledger,
    PostgreSQLLedger,
    SignedCheckpoint,
    SigningKey,
    SQLiteLedger,
    Verdict,
    make_signing_key,
)
from consentkit.outbox import OutboxStatus, Protection
from consentkit.policy import (
    Fault,
    Function,
    Period,
    Vocabulary,
    load_vocabulary,
    parse_policy,
)
from consentkit.policy.diff import Difference, compare
from consentkit.policy.lint import Finding, Findings, Severity, lint
from consentkit.registry import Started
from consentkit.transports import Transport, route
from consentkit.typing import JSON
from consentkit.why import Condition, Explanation


# Opening

kit = consentkit.open("policy.toml")
assert_type(kit, consentkit.Kit)
assert_type(consentkit.__version__, str)

policy = consentkit.load_policy(Path("policy.toml"))
assert_type(policy, consentkit.Policy)
assert_type(parse_policy("schema = 1"), consentkit.Policy)
assert_type(policy.functions, Mapping[str, Function])
assert_type(policy.elements, tuple[str, ...])


@attrs.frozen
class Reading:
    """
    What the app's own source gives.
    """

    celsius: float


class Thermometer(consentkit.Source[Reading]):
    """
    A source of the app's own.
    """

    name = "thermometer"
    data_types = frozenset({"smart_device_status"})

    def _read(
        self, permit: consentkit.Permit, **options: object
    ) -> Reading | consentkit.Unavailable:
        if options:
            return consentkit.Unavailable("smart_device_status", "none")
        return Reading(21.5)


def ask_system(permission: str) -> consentkit.OSPermission:
    """
    Answer for the operating system.
    """
    if permission == "location":
        return consentkit.OSPermission.GRANTED
    return consentkit.OSPermission.UNKNOWN


def open_in_each_way(transport: Transport) -> None:
    """
    Show every argument of `consentkit.open`.
    """
    consentkit.open("policy.toml", transport="https://collect.example.com/v1")
    consentkit.open(Path("policy.toml"), transport=transport)
    consentkit.open(
        policy,
        transport={"maker": "https://a.example", "helper": transport},
        data_dir=Path("data"),
        sources=[Thermometer()],
        os_permission=ask_system,
        conditions=lambda condition: condition == "indoors",
        platform="iot",
        clock=lambda: datetime.now(UTC),
        limits=consentkit.Limits(records=1_000, flush_seconds=5.0),
    )
    consentkit.open(
        policy,
        transport={
            "maker": route("https://a.example", region="CN"),
            "helper": route(transport, capabilities={"no-address"}),
        },
    )
    with consentkit.open("policy.toml", data_dir="data") as opened:
        assert_type(opened, consentkit.Kit)


# Choosing

assert_type(kit.consent.grant("wifi_binding"), Entry)
assert_type(
    kit.consent.grant("wifi_binding", method="settings", language="de"), Entry
)
assert_type(kit.consent.deny("wifi_binding"), consentkit.Withdrawal)
withdrawal = kit.consent.withdraw("wifi_binding", method="settings")
assert_type(withdrawal, consentkit.Withdrawal)
assert_type(withdrawal.entries, tuple[Entry, ...])
assert_type(withdrawal.destroyed.records, int)
assert_type(withdrawal.still_running, tuple[str, ...])
notice = kit.consent.show("wifi_binding/location_precise", method="dialog")
assert_type(notice, consentkit.Notice)
assert_type((notice.text, notice.digest), tuple[str, str])
assert_type(
    kit.consent.grant("wifi_binding/location_precise", method="tick"), Entry
)
kit.consent.grant("wifi_binding", by=consentkit.Actor.GUARDIAN)


def ask_once() -> None:
    """
    Ask the person while nobody else does, and with the notice before.
    """
    with kit.asking() as is_first:
        assert_type(is_first, bool)
        try:
            kit.consent.grant("wifi_binding/location_precise")
        except consentkit.NoticeNeededError as error:
            assert_type(error.element, str)


kit.consent.defer("wifi_binding", method="terminal")
assert_type(kit.consent.accept(method="confirm"), tuple[Entry, ...])
assert_type(kit.consent.accept_all(method="confirm"), tuple[Entry, ...])
assert_type(kit.consent.refuse_all(), consentkit.Withdrawal)
assert_type(kit.consent.decline("wifi_binding"), Entry)
assert_type(kit.consent.pause(), Entry)
assert_type(kit.consent.resume("wifi_binding"), Entry)
assert_type(kit.consent.declare_age(born=date(2009, 5, 31)), AgeBand)
assert_type(kit.consent.declare_age(adult=True), AgeBand)
kit.consent.import_legacy({"wifi_binding": True}, origin="old flag")
assert_type(kit.consent.history(), tuple[Entry, ...])
assert_type(kit.consent.history("wifi_binding"), tuple[Entry, ...])
state = kit.consent.state()
assert_type(state, State)
assert_type(state.choices["wifi_binding"], Choice)
assert_type(state.choices["wifi_binding"].status, consentkit.Status)


# Signals, and one of many people

assert_type(kit.signals(), Signals)
assert_type(kit.signals().may_prompt(), bool)
assert_type(kit.signals().may_record(policy), bool)
for row in kit.signals().rows(policy, "wifi_binding"):
    assert_type(row, SignalRow)
person = kit.subject("user 4711", gpc=gpc_from_header("1"))
assert_type(person, consentkit.Kit)
assert_type(kit.forget("user 4711"), consentkit.Withdrawal)


# Using


@attrs.frozen(kw_only=True)
class BindingFinished:
    """
    The app's own typed event.
    """

    seconds: float


def use_each_reader() -> None:
    """
    Show every read, and what the type checker knows of its answer.
    """
    with kit.use("wifi_binding") as use:
        assert_type(use, consentkit.Use)
        match use.location():
            case consentkit.Refusal(reason=reason):
                assert_type(reason, consentkit.Reason)
            case consentkit.Unavailable() as nothing:
                assert_type(nothing.reason, str)
            case place:
                assert_type(place, consentkit.Location)
                assert_type(place.latitude, float)
                assert_type(place.cell_km, float | None)
                assert_type(place.accuracy_m, float | None)
                assert_type(place.time, datetime | None)
                assert_type(place.privacy_class, consentkit.PrivacyClass)

        device = use.device()
        assert_type(device, consentkit.Device | consentkit.Refusal)
        if isinstance(device, consentkit.Device):
            assert_type(device["mac_address"], JSON)
            for value in device:
                assert_type(value, consentkit.DeviceValue)
            assert_type(device.refused, tuple[consentkit.Refusal, ...])
        use.device("mac_address", "os_version", recipient="maker")

        taken = use.clipboard("receive_share")
        if isinstance(taken, consentkit.ClipboardText):
            assert_type(taken.intent, str)
            assert_type(taken.value, str)

        kept = use.capture(BindingFinished(seconds=4.2))
        assert_type(kept, consentkit.Kept | consentkit.Refusal)
        if isinstance(kept, consentkit.Kept):
            assert_type(kept.ids, tuple[str, ...])
        line = use.log_line_if_permitted(None, lambda: "call 13905550148")
        assert_type(line, consentkit.LogLine | consentkit.Refusal)
        if isinstance(line, consentkit.LogLine):
            assert_type(line.text, str)

        use.capture(device)
        use.capture(BindingFinished(seconds=1.0), recipient="maker")

        handler = use.logs(level=logging.INFO)
        if isinstance(handler, LogHandler):
            logging.getLogger("app").addHandler(handler)
            assert_type(handler.counts, LogCounts)

    with kit.use("wifi_binding", purpose="wifi_connection") as use:
        assert_type(
            use.permit("location_coarse", recipient="maker"),
            consentkit.Permit | consentkit.Refusal,
        )
        use.location("location_coarse", recipient="maker")
        use.clipboard("receive_share", recipient="maker")


def use_on_another_basis() -> None:
    """
    Show what a use may need beside consent, and instead of it.
    """
    stable = consentkit.Basis(
        id="stable_operation",
        person="Ann Operator",
        reason="a crash loop on start",
        reference="incident 12",
        until=datetime(2026, 12, 1, tzinfo=UTC),
    )
    with kit.use("logs", basis=stable) as use:
        assert_type(use, consentkit.Use)
    with kit.use("photos", act="pressed_save", attested="ticked") as use:
        use.device("os_version")


assert_type(kit.log_handler("logs"), LogHandler)
kit.log_handler("logs", level="INFO", reasons=True, data_type="crash_log")


def capture_by_itself() -> None:
    """
    Show the doors to logs, crashes and the journal.
    """
    processor = kit.structlog_processor("logs", fields=["screen"])
    assert_type(processor, StructlogProcessor)
    assert_type(processor.counts, LogCounts)
    sink = kit.loguru_sink("logs", data_type="service_log")
    assert_type(sink, LoguruSink)
    crashes = kit.crash_capture("crash_reports", faults=False)
    assert_type(crashes.start(), CrashCapture)
    assert_type(crashes.counts, CrashCounts)
    crashes.close()
    journal = kit.journal("logs", purpose="service_logging")
    assert_type(journal, JournalCapture)
    assert_type(journal.capture(), JournalCounts)


# Scrubbing


def scrub_text(own: str) -> None:
    """
    Scrub with chosen packs, and with rules of the app's own.
    """
    scrubber = Scrubber(packs=["secrets", "eu"], rules=read_rules(own))
    scrubbed = scrubber.scrub("call 13905550148")
    assert_type(scrubbed, Scrubbed)
    assert_type(scrubbed.text, str)
    assert_type(scrubbed.spans, tuple[Span, ...])
    Scrubber(engine="re2")


# Reading: from what, how often, and what it told

assert_type(kit.source("mac_address"), consentkit.Source[Any] | None)
kit.source("location_coarse", "geoclue")
assert_type(kit.budget, Budget)
assert_type(kit.budget.spent("survey"), tuple[Spent, ...])


# Deciding, and why

assert_type(kit.gate(), Gate)
assert_type(kit.now(), datetime)
assert_type(
    kit.decide("wifi_binding", "location_coarse", in_use=True, act=True),
    consentkit.Permit | consentkit.Refusal,
)
still: Callable[[consentkit.Permit], bool] = kit.still_granted
assert_type(kit.moment("wifi_binding", "location_coarse", in_use=True), Moment)
assert_type(
    kit.gate().decide("wifi_binding", "location_coarse"),
    consentkit.Permit | consentkit.Refusal,
)
assert_type(kit.decide_function("umeng"), Function | consentkit.Refusal)
explanation = kit.why("wifi_binding", "location_coarse")
assert_type(explanation, Explanation)
assert_type(explanation.conditions, tuple[Condition, ...])
assert_type(explanation.permitted, bool)
kit.why("wifi_binding")
kit.why("wifi_binding", "location_coarse", "maker")
kit.why("wifi_binding", data_type="location_coarse", recipient="maker")


# Third parties


def umeng_init() -> int:
    """
    Start an SDK.
    """
    return 3


started = kit.registry.start("umeng", umeng_init)
assert_type(started, Started[int] | consentkit.Refusal)
if not isinstance(started, consentkit.Refusal):
    assert_type(started.value, int)
kit.registry.start("umeng", umeng_init, stop=lambda: None)


# Delivering

report = kit.flush()
assert_type(report, consentkit.FlushReport)
assert_type(report.delivered, int)
kit.flush(timeout_seconds=2.5)


def show(told: consentkit.FlushProgress) -> None:
    """
    Show how far a flush is.
    """
    assert_type(told.delivered, int)
    assert_type(told.waiting_at_start, int)
    assert_type(told.waiting, int)


kit.flush(progress=show)
assert_type(kit.status(), OutboxStatus)
assert_type(kit.status().kek, Protection | None)
kit.close()


# Ledgers


def serve_many(url: str, folder: Path, anchor: SignedCheckpoint) -> None:
    """
    Keep the ledger of a server elsewhere than in a file.
    """
    ledger = PostgreSQLLedger(url, keys=folder, schema="choices")
    shared = PostgreSQLLedger(url, keys=make_signing_key())
    ledger.migrate()
    assert_type(ledger.verify([anchor]), Verdict)
    assert_type(ledger.subject("user 4711"), str | None)
    assert_type(ledger.subject("user 4711", make=True), str)
    assert_type(SigningKey.parse("PRIVATE+KEY+..."), SigningKey)
    kept: list[Ledger] = [ledger, shared, SQLiteLedger(folder / "ledger")]
    consentkit.open("policy.toml", ledger=url)
    for one in kept:
        with consentkit.open("policy.toml", ledger=one) as kit:
            assert_type(kit.subject("user 4711"), consentkit.Kit)
            assert_type(kit.ledger, Ledger)


# Words and periods

assert_type(load_vocabulary(), Vocabulary)
assert_type(Period.parse("P1M").after(datetime.now(UTC)), datetime)


# Checking and comparing policies


def check_policies(old: consentkit.Policy) -> None:
    """
    Lint a document, and compare two of its versions.
    """
    findings = lint(policy)
    assert_type(findings, Findings)
    for finding in findings.blocking(strict=True):
        assert_type(finding, Finding)
        assert_type(finding.severity, Severity)
    difference = compare(old, policy)
    assert_type(difference, Difference)
    assert_type(difference.accept_due, bool)
    for fall in difference.falls:
        assert_type(fall.element, str)
    consentkit.open(policy, strict=True)


# Errors


def handle_each() -> None:
    """
    Show what each error tells.
    """
    try:
        consentkit.load_policy("policy.toml")
    except PolicyError as error:
        assert_type(error.faults, tuple[Fault, ...])
        assert_type(error.path, Path | None)
    except MissingExtraError as error:
        assert_type(error.extra, str)
    except (DamagedError, NewerFormatError, UnwritableError) as error:
        assert_type(error.cure, str)
    except StoreError as error:
        assert_type(error.problem, str)
        assert_type(error.path, Path | str)
    except (ForgedPermitError, UnprotectedError):
        raise
    except ConsentKitError as error:
        print(error)
