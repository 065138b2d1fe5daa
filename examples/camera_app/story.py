# SPDX-License-Identifier: MIT
"""
The story of the demo: the camera app obeys its policy on this machine.

Every figure is taken from outside the library: from the sources' own
counters, from the outbox's and the backend's files, and from the bytes that
went over the wire.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sqlite3
import textwrap
import time

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import define, field

import consentkit

from camera_app.app import SDKS, AppFacts, CameraApp
from consentkit.cli._common import Style
from consentkit.collectors import USUAL, Sources
from consentkit.collectors.clipboard import (
    FileClipboard,
    best_clipboard_source,
)
from consentkit.collectors.location import TrackSource
from consentkit.receiver import Store, make_app, read_body, serve
from consentkit.seal import KeyRing, open_envelope
from consentkit.transports import route


HERE = Path(__file__).parent
WIDTH = 80
WITHDRAWN = "product_improvement"
# The act that agrees, by this policy: the button under the notice.
CONFIRM = "confirm"
CLIPBOARD = "the file clipboard.txt"
# The story has a place and a clipboard of its own.
OWN = frozenset({"clipboard", "gpsd"})


class LogLines:
    """
    The app's log as a source with a counter: how often a line was read.
    """

    def __init__(self, path: Path) -> None:
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.reads = 0

    def __iter__(self) -> Any:
        """
        Give the lines, each of which counts when it is read.
        """
        for line in self.lines:
            yield _Line(self, line)


class _Line:
    def __init__(self, owner: LogLines, text: str) -> None:
        self._owner = owner
        self._text = text

    def __str__(self) -> str:
        self._owner.reads += 1
        return self._text


class Wire:
    """
    Listens in front of the backend, and loses its first answer.
    """

    def __init__(self, app: Any, keys: KeyRing) -> None:
        self.app = app
        self.keys = keys
        self.heads: list[bytes] = []
        self.bodies: list[tuple[float, bytes]] = []
        self.lose = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """
        Serve one request, and keep all that came with it.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        parts: list[bytes] = []
        self.heads += [
            scope["raw_path"],
            scope["query_string"],
            *(name + b": " + value for name, value in scope["headers"]),
        ]

        async def listen() -> Any:
            message = await receive()
            parts.append(message.get("body", b""))
            return message

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                # Noted before the sender can know of the answer.
                self.bodies.append((began, b"".join(parts)))
                if self._loses(scope):
                    message = {**message, "status": 503}
            await send(message)

        await self.app(scope, listen, answer)

    def _loses(self, scope: Any) -> bool:
        lost = self.lose and scope["path"].endswith("/batches")
        self.lose = self.lose and not lost
        return lost

    def records(self, since: float = 0.0) -> list[dict[str, Any]]:
        """
        List every record that came over the wire, repeats included.
        """
        opened = [self.opened(b) for at, b in self.bodies if at >= since]
        bodies = [b for b in opened if b'"batch"' in b]
        return [r.as_json() for b in bodies for r in read_body(b).records]

    def opened(self, body: bytes) -> bytes:
        """
        Open what is sealed, as the backend alone can.
        """
        if body.startswith(b"{"):
            return body
        return open_envelope(body, self.keys.keys)[1]


@define
class Figures:
    """
    What the run showed; the object that ``--json`` prints.
    """

    refused_before_choice: int = 0
    tried_before_choice: int = 0
    reads_before_choice: int = 0
    files_before_choice: int = 0
    captured: int = 0
    delivered: int = 0
    arrivals: int = 0
    duplicates: int = 0
    destroyed_on_withdrawal: int = 0
    delivered_before_withdrawal: int = 0
    after_withdrawal: int = 0
    refused_after_withdrawal: int = 0
    md5_of_a_mac_arrived: bool = False
    raw_identifiers_looked_for: int = 0
    raw_identifiers_seen_by_backend: int = 0
    clipboard: str = ""
    sources: dict[str, int] = field(factory=dict)
    by_class: dict[str, int] = field(factory=dict)
    seconds: float = 0.0

    @property
    def broken(self) -> tuple[str, ...]:
        """
        Name what is not as the policy promises; a run in which nothing
        happens keeps no promise.
        """
        kept = {
            "something was not refused before the choice": (
                self.refused_before_choice == self.tried_before_choice > 0
            ),
            "a source was read before the choice": (
                not self.reads_before_choice
            ),
            "a file was made before the choice": not self.files_before_choice,
            "nothing was delivered": self.delivered > 0,
            "a record is stored twice": not self.duplicates,
            "the withdrawal destroyed nothing": (
                self.destroyed_on_withdrawal > 0
            ),
            "there was nothing to erase": (
                self.delivered_before_withdrawal > 0
            ),
            "something of the withdrawn function is at the backend": (
                not self.after_withdrawal
            ),
            "nothing was refused after the withdrawal": (
                self.refused_after_withdrawal > 0
            ),
            "no raw value was looked for": (
                self.raw_identifiers_looked_for > 0
            ),
            "a raw value has left": not self.raw_identifiers_seen_by_backend,
            "a captured record is not accounted for": (
                self.captured
                == self.delivered
                + self.destroyed_on_withdrawal
                + self.delivered_before_withdrawal
            ),
        }
        return tuple(fault for fault, is_kept in kept.items() if not is_kept)

    @property
    def kept_promise(self) -> bool:
        """
        Whether every figure is what the policy promises.
        """
        return not self.broken


class Story:
    """
    One run of the app, told while it happens.
    """

    def __init__(self, folder: Path, tell: Callable[[str], object]) -> None:
        self.folder = folder
        self.style = Style() if tell is print else Style(on=False)
        self._tell = tell
        self._chapter = 0
        self.figures = Figures()
        self.data = folder / "data"
        #: What the app is told to seal for, once the backend has made it.
        self.key = ""
        self.track = TrackSource(HERE / "track.gpx")
        self.real_clipboard = best_clipboard_source()
        self.file_clipboard = FileClipboard(HERE / "clipboard.txt")
        self.logs = LogLines(HERE / "app.log.txt")
        usual = Sources(folder=self.data)
        self.own: tuple[consentkit.Source[Any], ...] = (
            AppFacts(),
            self.track,
            *(usual.of_id(id_) for id_ in USUAL["desktop"] if id_ not in OWN),
        )

    # Telling

    def chapter(self, title: str) -> None:
        """
        Begin a chapter.
        """
        self._chapter += 1
        self._tell("")
        self._tell(self.style.bold(f"{self._chapter}. {title}"))

    def say(self, text: str) -> None:
        """
        Tell a sentence or two.
        """
        self._tell(textwrap.indent(textwrap.fill(text, WIDTH - 3), "   "))

    def row(self, left: str, right: str, *, good: bool | None = None) -> None:
        """
        Tell one line of a list.
        """
        paint: dict[bool | None, Callable[[str], str]] = {
            True: self.style.good,
            False: self.style.bad,
            None: str,
        }
        self.lines(f"{left:<32}", right, paint[good])

    def lines(
        self, left: str, right: str, paint: Callable[[str], str]
    ) -> None:
        """
        Tell *left*, and *right* beside it on as many lines as it takes.
        """
        for text in textwrap.wrap(right, WIDTH - 5 - len(left)) or [""]:
            self._tell(f"     {left}{paint(text)}".rstrip())
            left = " " * len(left)

    # The run

    def run(self) -> Figures:
        """
        Run it from the first start to the last look at the backend.
        """
        start = time.monotonic()
        with closing(Store(self.folder / "backend.sqlite3")) as store:
            keys = KeyRing.new(self.folder / "backend-keys.json")
            wire = Wire(make_app(store, keys=keys), keys)
            self.key = keys.current.seal_key.text
            with (
                serve(wire) as server,
                self.open(server.url, self.file_clipboard) as kit,
            ):
                app = CameraApp(kit)
                self.promise(kit)
                self.before(kit, app)
                self.choose(kit)
                self.collect(kit, app, server.url)
                self.deliver(kit, wire)
                self.withdraw(kit, app, wire)
        self.look(wire)
        self.figures.seconds = round(time.monotonic() - start, 2)
        self.end()
        return self.figures

    def open(self, url: str, clipboard: Any) -> consentkit.Kit:
        """
        Open the kit as the app would, with sources that can be counted.

        The policy has the way end in China, and seals what takes it.
        """
        return consentkit.open(
            HERE / "policy.toml",
            transport=route(url, region="CN"),
            seal_for=self.key,
            data_dir=self.data,
            sources=(*self.own, clipboard),
        )

    def reads(self) -> int:
        """
        Add up the sources' own counters.
        """
        return sum(self.counters().values())

    def counters(self) -> dict[str, int]:
        """
        Give each source's own counter.
        """
        sources = [*self.own, self.file_clipboard]
        if self.real_clipboard is not None:
            sources.append(self.real_clipboard)
        counted = Counter({"the app's log": self.logs.reads})
        for source in sources:
            counted[source.name] += source.reads
        return dict(counted)

    def promise(self, kit: consentkit.Kit) -> None:
        """
        Say what the app promises.
        """
        policy = kit.policy
        kinds = Counter(f.category.value for f in policy.functions.values())
        self.chapter("The promise")
        self.say(
            f"{policy.title}, version {policy.version}: "
            f"{kinds['core']} core functions, {kinds['additional']} "
            f"additional and {kinds['cross_cutting']} cross-cutting ones, "
            f"{kinds['third_party']} third-party SDKs. Everything is off "
            "until somebody turns it on."
        )

    def before(self, kit: consentkit.Kit, app: CameraApp) -> None:
        """
        Try everything before any choice.
        """
        self.chapter("Before any choice, the app tries everything")
        answers = [
            try_to_read(kit, function.id, data_type)
            for function in kit.policy.functions.values()
            for data_type in function.clauses
        ]
        answers += app.bind_camera(1) + app.improve() + app.open_share()
        for line in self.logs:
            app.write_log(line)
        answers += [app.start_sdk(sdk) for sdk in SDKS]
        refused = [a for a in answers if isinstance(a, consentkit.Refusal)]
        figures = self.figures
        figures.tried_before_choice = len(answers) + len(self.logs.lines)
        figures.refused_before_choice = (
            len(refused) + app.handler.counts.refused
        )
        figures.reads_before_choice = self.reads()
        figures.files_before_choice = (
            sum(1 for _ in self.data.rglob("*")) if self.data.exists() else 0
        )
        self.say(
            f"Every data type of every function, its own events, {len(SDKS)} "
            f"SDK starts, and {len(self.logs.lines)} lines of its log."
        )
        by_reason = Counter(_no(refusal) for refusal in refused)
        for reason, number in by_reason.most_common():
            self.row(f"{number} of {len(answers)} refused", reason)
        self.row(
            f"{app.handler.counts.refused} of {len(self.logs.lines)} "
            "log lines refused",
            "dropped unread",
        )
        self.row(
            "sources read, files made",
            f"{figures.reads_before_choice}, {figures.files_before_choice}",
            good=not (
                figures.reads_before_choice or figures.files_before_choice
            ),
        )

    def choose(self, kit: consentkit.Kit) -> None:
        """
        Make some choices, one at a time, each after its notice.
        """
        consent = kit.consent
        self.chapter("The person chooses, one function at a time")
        consent.declare_age(adult=True, method="demo")
        self.row("of age", "said so; asked because of minors")
        for element in (
            "bind_device",
            "bind_device/location_precise",
            "logs",
            "clipboard",
            WITHDRAWN,
            "umeng",
        ):
            consent.show(element, method="demo")
            entry = consent.grant(element, method=CONFIRM)
            self.row(element, f"yes, entry {entry.seq}", good=True)
        consent.show("pangle", method="demo")
        entries = consent.deny("pangle", method="demo").entries
        self.row("pangle", f"no, entry {entries[0].seq}", good=False)
        self.row("everything else", "not asked, so off")

    def collect(self, kit: consentkit.Kit, app: CameraApp, url: str) -> None:
        """
        Use the app.
        """
        self.chapter("The app is used, on this machine")
        bound = app.bind_camera(1)
        improved = app.improve()
        for line in self.logs:
            app.write_log(line)
        taken = self.share(app, url)
        elsewhere = app.place_for_statistics()
        sdks = [app.start_sdk(sdk) for sdk in SDKS]
        self.show("bind_device", bound)
        self.show(WITHDRAWN, improved)
        self.show("clipboard", taken)
        self.group("logs", "service_log, scrubbed")
        # The outbox is opened here to show what will leave.
        for record in kit.store.inspect():
            text = str(_message(record.value))
            if record.function == "logs" and "<" in text:
                self._tell("     " + _short(text[24:], 72))
        self.group("elsewhere")
        self.row("place, for statistics", _no(elsewhere), good=False)
        for sdk, answer in zip(SDKS, sdks, strict=True):
            refused = isinstance(answer, consentkit.Refusal)
            said = _no(answer) if refused else "started"
            self.row(f"SDK {sdk}", said, good=not refused)
        self.figures.captured = self.outbox_rows()

    def share(self, app: CameraApp, url: str) -> list[Any]:
        """
        Take the share code, from the real clipboard where there is one.
        """
        if self.real_clipboard is not None:
            with self.open(url, self.real_clipboard) as real:
                taken = CameraApp(real).open_share()
            if taken[0]:
                self.figures.clipboard = self.real_clipboard.name
                return taken
            why = f"{self.real_clipboard.name}: {_why_not(taken[0])}"
        else:
            why = "there is no clipboard here"
        self.figures.clipboard = f"{CLIPBOARD} ({why})"
        return app.open_share()

    def group(self, name: str, more: str = "") -> None:
        """
        Begin the lines of one function.
        """
        said = f"  {self.style.dim(more)}" if more else ""
        self._tell(f"   {self.style.bold(name)}{said}")

    def show(self, function: str, answers: Iterable[Any]) -> None:
        """
        Show each protected value once, and what there was not.
        """
        self.group(function)
        if function == "clipboard":
            self.row("read from", self.figures.clipboard)
        singles: list[Any] = []
        for answer in answers:
            if isinstance(answer, consentkit.Device):
                singles += [*answer, *answer.unavailable, *answer.refused]
            else:
                singles.append(answer)
        described = [_describe(single) for single in singles]
        for data_type, value, how in dict.fromkeys(filter(None, described)):
            left = f"{data_type:<21} "
            if how is None:
                self.lines(left, value, self.style.bad)
            elif how:
                room = min(33, WIDTH - 5 - len(left) - len(how))
                self._tell(f"     {left}{value:<{room}}{self.style.dim(how)}")
            else:
                self.lines(left, value, self.style.dim)

    def deliver(self, kit: consentkit.Kit, wire: Wire) -> None:
        """
        Deliver, with an answer lost on the way.
        """
        self.chapter("Delivery, over HTTP, with the first answer lost")
        first = kit.flush()
        second = kit.flush()
        self.row(
            "first try, answer lost",
            f"{first.delivered} known to be delivered, {first.waiting} kept",
            good=False,
        )
        self.row(
            "second try",
            f"{second.delivered} delivered, {second.duplicates} were there "
            "already",
            good=not second.waiting,
        )
        for problem in second.problems:
            self.row("", problem, good=False)
        arrived = Counter(r["id"] for r in wire.records())
        stored = [
            json.loads(r)["id"]
            for r in self.backend("SELECT body FROM records")
        ]
        self.figures.arrivals = sum(arrived.values())
        # Each record that came may be there once, and nothing else at all.
        self.figures.duplicates = len(stored) - len(
            set(stored) & arrived.keys()
        )
        self.row(
            f"{sum(arrived.values())} arrivals of {len(arrived)} records",
            f"{len(stored)} stored, {self.figures.duplicates} of them twice",
            good=not self.figures.duplicates,
        )

    def withdraw(
        self, kit: consentkit.Kit, app: CameraApp, wire: Wire
    ) -> None:
        """
        Withdraw one function while records of it wait.
        """
        self.chapter(f"The person withdraws {WITHDRAWN}")
        app.improve()
        waiting = self.outbox_rows()
        figures = self.figures
        figures.captured += waiting
        at_backend = self.stored_of(WITHDRAWN)
        figures.delivered_before_withdrawal = at_backend
        self.row("records of it that wait", str(waiting))
        self.row("records of it at the backend", str(at_backend))
        moment = time.monotonic()
        kit.consent.withdraw(WITHDRAWN, method="demo")
        figures.destroyed_on_withdrawal = waiting - self.outbox_rows()
        self.row(
            "destroyed here, key and records",
            str(figures.destroyed_on_withdrawal),
            good=figures.destroyed_on_withdrawal == waiting,
        )
        reads = self.reads()
        after = app.improve()
        refused = [a for a in after if isinstance(a, consentkit.Refusal)]
        figures.refused_after_withdrawal = len(refused)
        self.row(
            "tried again",
            f"{len(refused)} of {len(after)} refused, "
            f"{self.reads() - reads} sources read",
            good=len(refused) == len(after) and self.reads() == reads,
        )
        kit.flush()
        late = [r for r in wire.records(moment) if r["function"] == WITHDRAWN]
        left = self.stored_of(WITHDRAWN)
        figures.after_withdrawal = len(late) + left
        self.row(
            "sent since, left at the backend",
            f"{len(late)}, {left} (an erasure request went first)",
            good=not figures.after_withdrawal,
        )

    def look(self, wire: Wire) -> None:
        """
        Look at what the backend holds, and search it for raw values.
        """
        self.chapter("What the backend holds")
        rows = [
            json.loads(r) for r in self.backend("SELECT body FROM records")
        ]
        figures = self.figures
        figures.delivered = len(rows)
        figures.by_class = dict(Counter(r["class"] for r in rows))
        figures.sources = self.counters()
        table = Counter(
            (r["function"], r["data_type"], r["protection"], r["class"])
            for r in rows
        )
        for (function, type_, protection, class_), number in table.items():
            how = self.style.dim(f"{protection}, {class_}")
            self._tell(f"     {number:>3}  {function:<20}{type_:<29}{how}")
        # What was sealed is looked for in it as well: the backend has it.
        sealed = {body for _, body in wire.bodies}
        seen = sealed | {wire.opened(body) for body in sealed}
        files = [p.read_bytes() for p in self.folder.glob("backend*")]
        haystack = b"\0".join([*wire.heads, *seen, *files]).lower()
        promised = [
            hashlib.md5(m.encode(), usedforsecurity=False).hexdigest()
            for m in _macs()
        ]
        figures.md5_of_a_mac_arrived = any(
            digest.encode() in haystack for digest in promised
        )
        needles = self.needles()
        found = [n for n in needles if n.lower().encode() in haystack]
        figures.raw_identifiers_looked_for = len(needles)
        figures.raw_identifiers_seen_by_backend = len(found)
        self.row(
            f"{len(needles)} raw values looked for",
            f"{len(found)} found, on the wire or in the backend's files",
            good=not found,
        )
        if figures.md5_of_a_mac_arrived:
            self.row(
                "MD5 of this machine's MAC",
                "sent as promised, and erased there since",
            )

    def end(self) -> None:
        """
        Sum up, and say where to look next.
        """
        figures = self.figures
        self._tell("")
        verdict = (
            self.style.good("Every figure is as the policy promises.")
            if figures.kept_promise
            else self.style.bad("Not every figure is as the policy promises:")
        )
        self._tell(f"   {verdict}")
        for fault in figures.broken:
            self._tell(f"   - {fault}")
        self._tell(
            f"   {figures.captured} captured = "
            f"{figures.delivered} at the backend + "
            f"{figures.destroyed_on_withdrawal} destroyed here + "
            f"{figures.delivered_before_withdrawal} erased there. "
            f"{figures.seconds:g} s."
        )
        self._tell("")

    # Looking from outside

    def outbox_rows(self) -> int:
        """
        Count the rows of the outbox's file, past the library.
        """
        path = self.data / "outbox.sqlite3"
        return int(_query(path, "SELECT TOTAL(records) FROM chunks")[0])

    def backend(self, query: str) -> list[Any]:
        """
        Ask the backend's file, past the library.
        """
        return _query(self.folder / "backend.sqlite3", query)

    def stored_of(self, function: str) -> int:
        """
        Count what the backend holds of *function*.
        """
        bodies = self.backend("SELECT body FROM records")
        return sum(json.loads(b)["function"] == function for b in bodies)

    def needles(self) -> list[str]:
        """
        List raw values, in their spellings, that must not have left.
        """
        raw = [*_machine_ids(), *_macs()]
        track = (HERE / "track.gpx").read_text(encoding="utf-8")
        raw += re.findall(r'l(?:at|on)="([-\d.]+)"', track)
        raw += re.findall(r"\d{12,}", self.file_clipboard_text())
        # A host name may be a common word; as a value it stands in quotes.
        raw.append(json.dumps(platform.node()))
        for line in self.logs.lines:
            raw += _PERSONAL.findall(line)
        return sorted({value for value in raw if len(value) > 5})

    def file_clipboard_text(self) -> str:
        """
        Read what else was on the clipboard that the demo ships.
        """
        return (HERE / "clipboard.txt").read_text(encoding="utf-8")


def _describe(single: Any) -> tuple[str, str, str | None] | None:
    """
    Give type, value and protection of one observation.

    In place of a protection, what is unavailable has an empty text, and
    what is refused ``None``.
    """
    match single:
        case consentkit.Location():
            value = (
                f"{single.cell_km:g} km cell at "
                f"{single.latitude:.3f}, {single.longitude:.3f}"
            )
        case consentkit.ClipboardText() | consentkit.DeviceValue():
            value = _short(str(single.value), 32)
        case consentkit.Unavailable():
            return single.data_type, f"unavailable: {single.reason}", ""
        case consentkit.Refusal():
            return single.data_type, _no(single), None
        case _:
            return None
    how = f"{single.protection.value}, {single.privacy_class.value}"
    return single.data_type, value, how


def try_to_read(kit: consentkit.Kit, function: str, data_type: str) -> Any:
    """
    Read one data type of one function, by the method that it has.
    """
    with kit.use(function) as use:
        if data_type in ("location_precise", "location_coarse"):
            return use.location(data_type)
        if data_type.startswith("clipboard_"):
            return use.clipboard("receive_share")
        return use.device(data_type)


# What is personal in the shipped log, spelled out apart from the scrubber.
_PERSONAL = re.compile(
    r"\b867514032718944\b|\b192\.168\.31\.24\b|3C:28:6D:5A:91:E4"
    r"|\b13905550148\b|mei\.lin@example\.com|eyJhbGci[\w.-]+|45\.452636"
    r"|14\.017964|linmei|203\.0\.113\.77"
)


def _macs() -> list[str]:
    import psutil

    spelled = []
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family == psutil.AF_LINK:
                plain = re.sub(r"[^0-9a-fA-F]", "", address.address)
                if plain.strip("0"):
                    spelled += [plain.upper(), address.address]
                    spelled.append(address.address.replace(":", "-"))
    return spelled


def _machine_ids() -> list[str]:
    import machineid

    try:
        return [machineid.id().strip()]
    except Exception:  # noqa: BLE001 - some containers have none
        return []


def _query(path: Path, query: str) -> list[Any]:
    if not path.exists():
        return [0]
    with sqlite3.connect(path) as connection:
        rows = [row[0] for row in connection.execute(query)]
    connection.close()
    return rows


def _no(refusal: object) -> str:
    """
    Give the first reason of a refusal in short.
    """
    text = str(refusal).partition(": refused, ")[2]
    return text.partition("; also, ")[0].partition(" (")[0]


def _why_not(answer: object) -> str:
    """
    Say why there is no value.
    """
    if isinstance(answer, consentkit.Unavailable):
        return answer.reason
    return _no(answer)


def _message(value: Any) -> object:
    return value.get("message", "") if isinstance(value, dict) else value


def _short(text: str, most: int = 76) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
