# SPDX-License-Identifier: MIT
"""
The app of the sentinel scan: values planted in every source that it has, and
all that an app does with them.
"""

from __future__ import annotations

import io
import json
import logging
import threading
import time

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from hashlib import md5
from pathlib import Path
from types import GeneratorType
from typing import Any

import attrs

import consentkit

from consentkit import Kit
from consentkit.collectors.clipboard import FileClipboard
from consentkit.collectors.journal import JournalSource
from consentkit.collectors.location import Fix
from consentkit.collectors.source import Source
from consentkit.policy import Policy, parse_policy
from consentkit.testing import Sentinels, anatomy
from consentkit.transports.base import Transport
from tests.faults.support import POLICY, Ticked
from tests.needs import need_library


MAC = "3C:5A:B4:01:23:45"
IMEI = "490154203237518"
SYSTEM_ID = "6f1d3c58b0a94e7786d2f0a1c3e5b7d9"
ADDRESS = "203.0.113.177"
LATITUDE, LONGITUDE = 48.8583701, 12.2944813
CLIPBOARD = "my secret shopping list"
PHONE = "13905550148"
EMAIL = "ann.example@privat.example"
SSID, BSSID = "Quail-Nest-4F", "A4:91:B1:0C:2D:7E"
NEIGHBOUR = {"ssid": "Heron-Loft-9", "bssid": "F0:9F:C2:7A:11:B3"}

#: What leaves in the clear by the policy.
MARKER = "marker-5F2A-nightshade"
CODE = "kankan-share:Q7mB2xTf9LkD"

_RAW: tuple[str | float, ...] = (
    *(MAC, IMEI, SYSTEM_ID, ADDRESS, LATITUDE, LONGITUDE, CLIPBOARD),
    *(PHONE, EMAIL, SSID, BSSID, *NEIGHBOUR.values()),
)
_TOLD = (MARKER, CODE, md5(IMEI.encode()).hexdigest())

#: What must be nowhere.
RAW = Sentinels(_RAW)
#: With what may be told to the recipient, and to nobody else.
RAW_OR_TOLD = Sentinels([*_RAW, *_TOLD])

#: Beside the policy of the other fault tests.
_MORE = """
[[functions]]
id = "wifi"
name = "Bind the camera"
category = "core"
text = "To bind the camera, we look for its network."
basis = ["consent"]
on_refusal = "function_unavailable"
purposes = ["wifi_connection"]
retention = "P1D"

[[functions.collects]]
type = "ssid"
protect = "keyed"

[[functions.collects]]
type = "bssid"
protect = "keyed"

[[functions.collects]]
type = "ip_address"
protect = "truncate"

[[functions.collects]]
type = "wifi_list"
protect = "local_only"
"""

GRANTS = (
    *("stats", "finder", "finder/location_precise", "paste", "logs"),
    *("wifi", "wifi/wifi_list"),
)


@cache
def _policy() -> Policy:
    return parse_policy(POLICY.read_text() + _MORE)


class Plant(Source[Any]):
    """
    A source that gives a planted value.

    Args:
        data_type: Of what.

        value: The value.

        leak: Is called with the value before it is given. What it returns
            is given in its place, unless that is ``None``.
    """

    touches = "nothing"

    def __init__(
        self,
        data_type: str,
        value: object,
        leak: Callable[[Any], object] = lambda _: None,
    ) -> None:
        self.name = f"plant of {data_type}"
        self.data_types = frozenset({data_type})
        self._value = value
        self._leak = leak

    def _read(self, permit, **_):
        found = self._leak(self._value)
        return self._value if found is None else found


PLANTS: dict[str, object] = {
    "mac_address": MAC,
    "imei": IMEI,
    "system_id": SYSTEM_ID,
    "network_status": MARKER,
    "location_precise": Fix(latitude=LATITUDE, longitude=LONGITUDE),
    "ssid": SSID,
    "bssid": BSSID,
    "ip_address": ADDRESS,
    "wifi_list": [NEIGHBOUR],
}


def plant_far_side(folder: Path) -> None:
    """
    Plant what lies outside of the app: a clipboard, and a journal with the
    program that reads it.
    """
    folder.mkdir()
    (folder / "clipboard").write_text(f"{CLIPBOARD}, {CODE}")
    line = {
        "__CURSOR": "s=1;i=1",
        "__REALTIME_TIMESTAMP": f"{int(time.time()) + 86_400}000000",
        "MESSAGE": f"journal: {EMAIL} called {PHONE} from {MAC}",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "notes",
    }
    (folder / "journal").write_text(json.dumps(line) + "\n")
    program = folder / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec cat '{folder / 'journal'}'\n")
    program.chmod(0o755)


def open_planted(
    data_dir: Path,
    far_side: Path,
    transport: Transport,
    *instead: Plant,
    grants: Iterable[str] = GRANTS,
) -> Kit:
    """
    Open a kit in which everything is planted.

    Args:
        data_dir: The kit's folder.

        far_side: As for `plant_far_side`.

        transport: The way out.

        instead: Take the place of plants for the same types.

        grants: What is granted; by default everything.
    """
    plants = {type_: Plant(type_, value) for type_, value in PLANTS.items()}
    plants |= {min(one.data_types): one for one in instead}
    clipboard = FileClipboard(far_side / "clipboard", deadline_seconds=20.0)
    kit = consentkit.open(
        _policy(),
        data_dir=data_dir,
        sources=[*plants.values(), clipboard],
        transport=transport,
    )
    for element in grants:
        kit.consent.show(element)
        kit.consent.grant(element)
    return kit


# What the app does.


def device(kit: Kit) -> object:
    """
    Read and capture identifiers.
    """
    with kit.use("stats") as use:
        found = use.device("mac_address", "imei", "system_id")
        return found, use.capture(found)


def marked(kit: Kit) -> object:
    """
    Read and capture what may be known.
    """
    with kit.use("stats") as use:
        found = use.device("network_status")
        return found, use.capture(found)


def event(kit: Kit) -> object:
    """
    Capture an event of the app's own, with a free text.
    """
    with kit.use("stats") as use:
        return use.capture(Ticked(1, f"event: {EMAIL} called {PHONE}"))


def place(kit: Kit) -> object:
    """
    Read and capture the place.
    """
    with kit.use("finder") as use:
        found = use.location()
        return found, use.capture(found)


def wifi(kit: Kit) -> object:
    """
    Read and capture the networks around.
    """
    with kit.use("wifi") as use:
        found = use.device("ssid", "bssid", "ip_address")
        # The list is for the app itself, and for nobody else.
        around = use.device("wifi_list")
        return found, use.capture(found), use.capture(around)


def share(kit: Kit) -> object:
    """
    Look for a code on the clipboard.
    """
    with kit.use("paste") as use:
        found = use.clipboard("receive_share")
        return found, use.capture(found)


def log(kit: Kit) -> object:
    """
    Log by `logging`, with an exception.
    """
    handler = kit.log_handler("logs", reasons=True)
    logger = logging.getLogger("tests.sentinels.app")
    logger.propagate = False  # the app's own log may say what it likes
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        logger.info("log: %s called %s", EMAIL, PHONE)
        try:
            raise ValueError(PHONE)
        except ValueError:
            logger.exception("log: no answer from %s", MAC)
    finally:
        logger.removeHandler(handler)
    return handler


def log_by_structlog(kit: Kit) -> object:
    """
    Log by structlog, with fields.
    """
    need_library("structlog")
    import structlog

    processor = kit.structlog_processor("logs")
    logger = structlog.wrap_logger(
        structlog.PrintLogger(io.StringIO()),
        processors=[processor, structlog.processors.KeyValueRenderer()],
    )
    message = f"structlog: {EMAIL} called"
    logger.info(message, phone=PHONE, seen=[MAC])
    return processor


def log_by_loguru(kit: Kit) -> object:
    """
    Log by loguru, with fields.
    """
    need_library("loguru")
    from loguru import logger

    sink = kit.loguru_sink("logs")
    logger.remove()
    sink.add_to(logger)
    try:
        logger.bind(phone=PHONE).info(f"loguru: {EMAIL} called from {MAC}")
    finally:
        logger.remove()
    return sink


def journal(kit: Kit) -> object:
    """
    Capture what the app's service wrote into the journal.
    """
    source = JournalSource(unit="notes.service", deadline_seconds=20.0)
    return kit.journal("logs", source=source).capture()


def crash(kit: Kit) -> object:
    """
    Let a thread crash.
    """

    def work() -> None:
        msg = f"crash: {EMAIL} called {PHONE} from {MAC}"
        raise ValueError(msg)

    before = threading.excepthook
    # The app's own hook may do what it likes.
    threading.excepthook = lambda _: None
    try:
        with kit.crash_capture("logs", reasons=True) as capture:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    finally:
        threading.excepthook = before
    return capture


#: Takes the kit, and gives what the app was answered.
Step = Callable[[Kit], object]

STEPS: tuple[Step, ...] = (
    *(device, marked, event, place, wifi, share),
    *(log, log_by_structlog, log_by_loguru, journal, crash),
)


@attrs.frozen
class Run:
    """
    What a run of the app came to.

    Attributes:
        escaped: Classes of the errors that the app met.

        answers: All texts of what the app read and captured.

        reports: All texts of what it was told of its records.

        errors: All that could be sent of the errors.
    """

    escaped: list[str] = attrs.field(factory=list, repr=False)
    answers: list[str] = attrs.field(factory=list, repr=False)
    reports: list[str] = attrs.field(factory=list, repr=False)
    errors: list[str] = attrs.field(factory=list, repr=False)

    def read(self, work: Callable[[], object]) -> None:
        """
        Call what gives answers, as an app with an error reporter does.
        """
        self._do(work, "answers")

    def ask(self, work: Callable[[], object]) -> None:
        """
        Call what gives a report, in the same way.
        """
        self._do(work, "reports")

    def _do(self, work: Callable[[], object], into: str) -> None:
        # What was answered is in no frame here, or it would be found there.
        try:
            getattr(self, into).extend(_texts(work()))
        except Exception as error:
            self.escaped.append(type(error).__name__)
            self.errors.append(anatomy(error))


def _texts(answer: object) -> Iterator[str]:
    """
    Give all texts of *answer*, and of what it holds.
    """
    yield from (repr(answer), str(answer))
    held: Iterable[object] = ()
    kind: Any = type(answer)
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind)]
        public = [name for name in names if not name.startswith("_")]
        held = [getattr(answer, name) for name in public]
    elif isinstance(answer, Mapping):
        held = [*answer.keys(), *answer.values()]
    elif isinstance(answer, list | tuple | set | frozenset | GeneratorType):
        held = answer
    for one in held:
        yield from _texts(one)


def use_app(kit: Kit, run: Run, *steps: Step) -> None:
    """
    Read, capture and send, whatever fails.

    Args:
        kit: The kit.

        run: What comes of it.

        steps: What the app reads and captures; by default all.
    """
    for step in steps or STEPS:
        run.read(partial(step, kit))
    run.read(lambda: kit.store.inspect())
    run.ask(kit.flush)
    run.ask(kit.status)


def withdraw(kit: Kit, run: Run) -> None:
    """
    Withdraw, send that, and ask why.
    """
    run.ask(lambda: kit.consent.withdraw("finder"))
    run.ask(kit.flush)
    run.ask(lambda: kit.why("stats", "imei"))
