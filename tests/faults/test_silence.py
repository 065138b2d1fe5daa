# SPDX-License-Identifier: MIT
"""
Silence before choice, seen from outside: what a fresh process really does.

The child reports every audit event that touches the world; no part of
consentkit is asked for its own word.
"""

from __future__ import annotations

import json
import shutil

from pathlib import Path

import pytest

from tests.faults.support import POLICY, ROOT, open_kit, run


pytestmark = pytest.mark.usefixtures("unmeasured")

CAMERA = ROOT / "examples" / "camera_app"

# Watches first and imports then; prints what it saw as JSON.
WATCHER = r"""
import json, os, sys, sysconfig

seen = []
stage = "import"

# Whatever starts something or talks to somebody.
LOUD = (
    "socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.exec",
    "os.spawn", "os.system", "os.startfile", "pty.", "_thread.", "ctypes.",
    "http.client.", "urllib.", "ftplib.", "smtplib.", "webbrowser.",
    "syslog.", "sqlite3.", "os.mkdir", "os.rename", "os.remove",
    "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod",
    "os.chown", "os.utime", "os.putenv", "os.unsetenv", "shutil.",
    "tempfile.", "signal.", "mmap.", "os.setxattr", "os.kill",
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC

def watch(event, args):
    if event == "open":
        path, _, flags = args
        if isinstance(path, int):
            return  # by its number: seen when the file itself was opened
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        kind = "write" if flags & WRITES else "read"
        seen.append((stage, kind, str(path)))
    elif event in ("os.listdir", "os.scandir"):
        seen.append((stage, "read", str(args[0])))
    elif event.startswith(LOUD) and event != "sqlite3.connect/handle":
        seen.append((stage, event, str(args[0]) if args else ""))

# What the interpreter itself needs to import is no news.
import re, threading, types  # noqa: E401
before = set(threading.enumerate())
sys.addaudithook(watch)

def done(**more):
    global stage
    stage = "over"
    tasks = "/proc/self/task"
    more["threads"] = len(os.listdir(tasks)) if os.path.isdir(tasks) else 1
    more["python_threads"] = len(set(threading.enumerate()) - before)
    more["modules"] = sorted(m for m in sys.modules if "." not in m)
    more["seen"] = [one for one in seen if one[0] != "over"]
    roots = {os.path.realpath(p) for p in (
        sys.prefix, sys.base_prefix, sys.exec_prefix,
        *sysconfig.get_paths().values(),
        os.path.dirname(sys.modules["consentkit"].__file__),
    )}
    more["roots"] = sorted(roots)
    print(json.dumps(more))
"""

TRY_EVERYTHING = (
    WATCHER
    + r"""
policy, data_dir, track, clipboard = sys.argv[1:]

import consentkit
import logging
from attrs import frozen
from consentkit.collectors.clipboard import FileClipboard
from consentkit.collectors.location import TrackSource

@frozen
class Ticked:
    n: int
    note: str

stage = "open"
kit = consentkit.open(
    policy,
    data_dir=data_dir,
    transport="https://backend.invalid/v1",
    sources=[TrackSource(track), FileClipboard(clipboard)],
)

stage = "refused"
answers = []
for function in ("stats", "finder", "paste", "logs", "nonsense"):
    with kit.use(function) as use:
        answers += [
            use.device(),
            use.device("mac_address", "imei", "system_id"),
            use.device("undeclared"),
            use.location(),
            use.location("location_precise"),
            use.clipboard("receive_share"),
            use.clipboard("undeclared"),
            use.logs(),
            use.permit("mac_address"),
            use.permit("mac_address", recipient="nobody"),
            use.capture(Ticked(1, "note")),
        ]
    with kit.use(function, purpose="undeclared") as use:
        answers.append(use.device())
    answers.append(kit.use(function).device())
    kit.why(function, "mac_address")
handler = kit.log_handler("logs")
logger = logging.getLogger("app")
logger.addHandler(handler)
logger.setLevel("DEBUG")
logger.info("call 13905550148")
started = []
answers.append(kit.registry.start("umeng", lambda: started.append(1)))
answers.append(kit.registry.start("nonsense", lambda: started.append(1)))
report = kit.flush()
status = kit.status()

stage = "close"
kit.close()
done(
    refused=[isinstance(a, consentkit.Refusal) for a in answers],
    captured=handler.counts.captured,
    refused_lines=handler.counts.refused,
    reads=sum(s.reads for s in kit._own_sources),
    started=started,
    waiting=status.waiting,
    problems=report.problems,
)
"""
)


def _try_everything(policy: Path, data_dir: Path, tmp_path: Path) -> dict:
    track, clipboard = tmp_path / "track.gpx", tmp_path / "clip.txt"
    shutil.copy(CAMERA / "track.gpx", track)
    shutil.copy(CAMERA / "clipboard.txt", clipboard)
    done = run(TRY_EVERYTHING, policy, data_dir, track, clipboard)
    return json.loads(done.stdout)


def _beside(report: dict, *allowed: Path) -> list[list[str]]:
    """
    List what was done but for reading Python, consentkit and *allowed*.
    """
    roots = (*report["roots"], *(str(one) for one in allowed))

    def is_fine(kind: str, path: str) -> bool:
        real = str(Path(path).resolve())
        return kind == "read" and any(
            real == root or real.startswith(f"{root}/") for root in roots
        )

    return [one for one in report["seen"] if not is_fine(*one[1:])]


class TestBeforeAnyChoice:
    """
    A fresh install, with the whole public API called.
    """

    @pytest.mark.obligation("WP-CONS-1", "WP-ADD-2")
    def test_nothing_is_touched(self, tmp_path):
        """
        Import, open, each kind of refused call and close open no file of a
        function, connect nowhere, start nothing and write nothing.
        """
        data_dir = tmp_path / "data"
        report = _try_everything(POLICY, data_dir, tmp_path)

        assert all(report["refused"])
        assert _beside(report, POLICY) == []
        assert not data_dir.exists()
        assert report["threads"] == 1
        assert report["python_threads"] == 0

    @pytest.mark.obligation("WP-CONS-1")
    def test_nothing_is_read_kept_or_started(self, tmp_path):
        """
        No source is read, no line is captured, no SDK is initialised and
        nothing waits.
        """
        report = _try_everything(POLICY, tmp_path / "data", tmp_path)

        assert report["reads"] == 0
        assert (report["captured"], report["refused_lines"]) == (0, 1)
        assert report["started"] == []
        assert report["waiting"] == 0
        assert report["problems"] == []

    def test_no_network_library_is_imported(self, tmp_path):
        """
        Off is off: no HTTP library, no TLS, not even sockets.
        """
        report = _try_everything(POLICY, tmp_path / "data", tmp_path)

        heavy = {"httpx", "httpx2", "ssl", "_ssl", "psutil", "uvicorn"}
        assert heavy & set(report["modules"]) == set()

    def test_import_alone_does_nothing(self):
        """
        Importing consentkit only reads the files of Python and its own.
        """
        program = WATCHER + "\nimport consentkit\ndone()"
        report = json.loads(run(program).stdout)

        assert _beside(report) == []
        assert report["threads"] == 1


@pytest.mark.obligation("WP-ADD-2")
@pytest.mark.parametrize("choice", ["deny", "withdraw", "damaged", "closed"])
def test_a_no_is_as_silent_as_none(tmp_path, choice):
    """
    After a refusal, after a withdrawal and with a ledger that cannot be read,
    no file of a function is opened either, and of ours only the ledger and the
    outbox.
    """
    data_dir = tmp_path / "data"
    with open_kit(data_dir, "stats", "finder", "paste", "logs") as kit:
        for element in ("stats", "finder", "paste", "logs"):
            if choice == "withdraw":
                kit.consent.withdraw(element)
            else:
                kit.consent.deny(element)
    if choice == "damaged":
        (data_dir / "ledger.sqlite3").write_bytes(b"nonsense" * 999)
    if choice == "closed":
        (data_dir / "ledger.sqlite3").unlink()
        (data_dir / "ledger.sqlite3").mkdir()

    report = _try_everything(POLICY, data_dir, tmp_path)

    ours = (
        *("ledger.sqlite3", "ledger.pulse"),
        *("outbox.sqlite3", "captured"),
        *("delivery.lock", "keys"),
    )
    beside = [
        (kind, path)
        for _, kind, path in _beside(report, POLICY)
        if not any(
            Path(path).name.startswith(name) or name in Path(path).parts
            for name in ours
        )
    ]
    assert beside in ([], [("read", str(data_dir))])
    assert report["reads"] == 0
    assert all(report["refused"])
    assert report["threads"] == 1


PERMITTED = (
    WATCHER
    + r"""
policy, data_dir, track, clipboard = sys.argv[1:]

import consentkit
from consentkit.collectors.clipboard import FileClipboard
from consentkit.collectors.location import TrackSource

kit = consentkit.open(
    policy,
    data_dir=data_dir,
    sources=[TrackSource(track), FileClipboard(clipboard)],
)
kit.consent.grant("finder")
kit.consent.show("finder/location_precise")
kit.consent.grant("finder/location_precise")

stage = "permitted"
with kit.use("finder") as use:
    place = use.location()
    kept = use.capture(place)
stage = "other"
with kit.use("paste") as use:
    refused = use.clipboard("receive_share")
kit.close()
done(
    latitude=place.latitude, kept=len(kept.ids), refused=bool(refused)
)
"""
)


@pytest.mark.obligation("WP-CONS-1", "WP-ADD-2")
def test_a_yes_opens_exactly_the_one_source(tmp_path):
    """
    The positive twin: after the grant the source's file is opened once, the
    other function's not at all, and only the data folder is written to.
    """
    track, clipboard = tmp_path / "track.gpx", tmp_path / "clip.txt"
    shutil.copy(CAMERA / "track.gpx", track)
    shutil.copy(CAMERA / "clipboard.txt", clipboard)
    data_dir = tmp_path / "data"

    done = run(PERMITTED, POLICY, data_dir, track, clipboard)
    report = json.loads(done.stdout)

    assert report["kept"] == 1
    assert not report["refused"]
    opened = [one[2] for one in report["seen"] if one[1] == "read"]
    assert opened.count(str(track)) == 1
    assert str(clipboard) not in opened
    beside = [
        one
        for one in _beside(report, POLICY, track)
        if not one[2].startswith(str(data_dir))
    ]
    assert beside == []
    assert report["threads"] == 1
