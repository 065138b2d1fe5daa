# SPDX-License-Identifier: MIT

"""
What the camera app's document promises of where values come from: public
interfaces of the system, each a source that says what it touches.

Each source is read for real, in a process of its own, and watched from two
sides: by the interpreter's audit events, with what it imports, and by the
kernel, which sees what libraries in C open too.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from attrs import frozen

import consentkit

from consentkit.collectors import BUILT_IN
from tests.collectors.dbus.bus import private_bus
from tests.collectors.desktops import SYSTEMS, Desktop
from tests.collectors.test_network_manager import NAME as NETWORK_MANAGER
from tests.collectors.test_network_manager import OBJECTS
from tests.needs import need_extra, need_tool
from tests.obligations.checks import EXAMPLES
from tests.support import SHARE_CODE


pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.skipif(
        not sys.platform.startswith("linux"),
        reason="the files of these sources are those of Linux",
    ),
]

PACKAGES = Path(str(consentkit.__file__)).parents[1]

#: Reads every source of a desktop, once to import what it needs and once
#: more to be watched; then what the document's function takes, by its own
#: sources; then a source that hides what it does.
PROGRAM = r"""
import json, os, socket, sys
from contextlib import suppress
from pathlib import Path

folder, document, watched = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

import consentkit
from consentkit.collectors import BUILT_IN, Source, Sources
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import MissingExtraError
from consentkit.gate import OSPermission
from consentkit.testing import permit_for

class Liar(Source):
    id, name, touches = "liar", "a liar", "/etc/os-release"
    data_types = frozenset({"os_name"})

    def _read(self, permit, **options):
        import pluggy  # which is of pytest, and of no source
        Path("/etc/passwd").read_bytes()
        with socket.socket() as line:
            line.settimeout(0.1)
            line.connect_ex(("127.0.0.1", 9))
        return "Linux"

seen, stage = [], ""

def watch(event, args):
    if not stage:
        return
    if event == "open" and not isinstance(args[0], int):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if not caller.startswith("importlib"):
            seen.append((stage, "open", os.fsdecode(args[0])))
    elif event in ("os.listdir", "os.scandir"):
        seen.append((stage, "open", str(args[0])))
    elif event == "socket.connect":
        seen.append((stage, "connect", str(args[1])))
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
        seen.append((stage, "start", str(args[0])))
    elif event.startswith(("os.fork", "ctypes.dlopen")):
        seen.append((stage, event, str(args[0]) if args else ""))

def mark(name):
    # Seen by who watches from the outside.
    global stage
    stage = name
    try:
        os.stat(f"/consentkit-{name or 'over'}")
    except OSError:
        pass

def read(source, name):
    answers = []
    for data_type in sorted(source.data_types):
        with permit_for(data_type) as permit:
            mark(name)
            with suppress(MissingExtraError):
                answers.append(source.read(permit))
            mark("")
    return [one for one in answers if not isinstance(one, Unavailable)]

if watched == "audit":
    sys.addaudithook(watch)
with permit_for("os_name"):
    pass  # what a kit itself imports is imported now
room = Sources(platform="none", folder=folder / "kept")
told = {}
for name in (*sorted(BUILT_IN), "liar"):
    source = Liar() if name == "liar" else room.of_id(name)
    if source.platforms and "desktop" not in source.platforms:
        continue
    source.min_interval_seconds = 0.0
    before = set(sys.modules)
    known = read(source, "")
    imported = sorted(set(sys.modules) - before)
    read(source, name)
    told[name] = {
        "touches": source.touches, "known": len(known), "imports": imported
    }

kit = consentkit.open(
    document, data_dir=folder / "kit",
    os_permission=lambda _: OSPermission.GRANTED,
)
function = "product_improvement"
kit.consent.declare_age(adult=True)
kit.consent.show(function, method="dialog")
kit.consent.grant(function, method="confirm")
types = kit.policy.functions[function].clauses
own = {t: kit.source(t) for t in types if kit.source(t) is not None}
with kit.use(function) as use:
    mark(function)
    device = use.device()
    mark("")
told[function] = {
    "touches": "; ".join(sorted({s.touches for s in own.values()})),
    "known": len(device.values), "imports": [],
}
named = {t: s.id for t, s in own.items()}
kit.close()
print(json.dumps({"told": told, "seen": seen, "named": named}))
"""

#: What some words of a source stand for: its own page has the whole list.
WORDS = {
    "container is known": (
        r"/proc/(?:1|self)/(?:environ|cgroup|mountinfo|mounts|status)",
        r"/proc/(?:sys|vz|bc|version|mounts)",
        r"/run/(?:host|systemd|secrets|\.containerenv)",
        r"/(?:\.dockerenv|var/run/secrets|dev/(?:lxd|incus|\.lxc))",
    ),
    "data base of time zones": ("/usr/share/zoneinfo",),
    "data base of dpkg": ("/var/lib/dpkg", "/lib/apk", "/var/lib/pacman"),
    "program rpm": ("/var/lib/rpm", "/usr/lib/sysimage/rpm"),
    "variables of the environment": (),
    # What is asked of the kernel by a call has a file where Linux is.
    "calls of the system": ("/sys/devices/system/cpu/online",),
    "the X server": (r"/tmp/\.X11-unix", r".*/\.Xauthority"),
    "wl-paste or xclip": ("/usr/share/X11/locale", r".*/\.Xauthority"),
}

#: Who may connect, and to what; who may start what. The tools of a window
#: system are started by a helper process, which strace follows.
CONNECTS = {
    "the system bus": r"/bus$|/system_bus_socket$",
    "a connection to gpsd": r"^\('127\.0\.0\.1', 2947\)$|^127\.0\.0\.1:2947$",
    "the X server": r"^/tmp/\.X11-unix/X\d+$",
    "wl-paste or xclip": r"^/tmp/\.X11-unix/X\d+$",
}
STARTS = {
    "a helper process": r"/python[\d.]*$|/(?:wl-paste|xclip)$",
    "the program journalctl": r"/journalctl$",
    "the program rpm": r"/rpm$",
}

#: Libraries of extras, each with the sources that are made of them.
LIBRARIES = {
    "psutil": {"psutil", "interfaces", "battery", "processes"},
    "machineid": {"machine_id"},
    "jeepney": {"network_manager", "modem_manager", "geoclue"},
    "dbus_fast": {"network_manager", "modem_manager", "geoclue"},
    "PySide6": {"qt_clipboard", "qt_location"},
    "shiboken6": {"qt_clipboard", "qt_location"},
    "shibokensupport": {"qt_clipboard", "qt_location"},
    "signature_bootstrap": {"qt_clipboard", "qt_location"},
}

#: What every process opens, for its own memory, the time or its libraries.
_OWN = re.compile(
    r"/proc/self/(?:maps|status|statm|fd|task|exe)|/etc/ld\.so|/dev/null"
    r"|/etc/localtime$|/(?:usr/)?lib(?:64|/x86_64|/aarch64)?\b"
    r"|/usr/share/locale|/dev/urandom"
)


_OWN_FOLDERS = (str(PACKAGES), sys.prefix, sys.base_prefix)


@frozen(kw_only=True)
class Told:
    """
    What the program told, and what was seen of it.

    Attributes:
        told: By source what it says it touches, how many values it gave,
            and what was imported for it.

        seen: Source, kind and name of each access.

        named: By data type of the document's function the id of its source.
    """

    told: dict[str, dict]
    seen: list[tuple[str, str, str]]
    named: dict[str, str]


def run(folder: Path, how: str, *before: str) -> Told:
    """
    Run the program, and give what it tells.
    """
    document = EXAMPLES / "camera_app" / "policy.toml"
    done = subprocess.run(
        [
            *before,
            sys.executable,
            "-c",
            PROGRAM,
            str(folder),
            str(document),
            how,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    return Told(
        told=told["told"],
        seen=[tuple(one) for one in told["seen"]],
        named=told["named"],
    )


def _is_declared(touches: str, kind: str, what: str, folder: Path) -> bool:
    """
    Tell whether a source that says *touches* has said this access.
    """
    if kind == "open":
        paths = re.findall(r"(?<![\w])/[\w./-]*\w", touches)
        patterns = [re.escape(p).replace("PID", r"\d+") for p in paths]
        patterns += [
            one for word in WORDS if word in touches for one in WORDS[word]
        ]
        # A listing of the folder that its files are in is part of it.
        patterns += [r"/proc$"] if "/proc/PID" in touches else []
        return what.startswith(str(folder)) or any(
            re.match(rf"{p}(?:$|[/\w.-])", what) for p in patterns
        )
    table = CONNECTS if kind == "connect" else STARTS
    return any(
        word in touches and re.search(pattern, what)
        for word, pattern in table.items()
    )


def hidden(told: Told, folder: Path) -> dict[str, set[str]]:
    """
    Name by source what it touched and did not say.
    """
    found: dict[str, set[str]] = {}
    for source, kind, what in told.seen:
        touches = told.told[source]["touches"]
        ours = kind == "open" and (
            _OWN.match(what) or what.startswith(_OWN_FOLDERS)
        )
        if not ours and not _is_declared(touches, kind, what, folder):
            found.setdefault(source, set()).add(f"{kind} {what}")
    return found


def _strangers(told: Told) -> dict[str, set[str]]:
    """
    Name by source what was imported for it and is not its own.
    """
    found: dict[str, set[str]] = {}
    for source, facts in told.told.items():
        for name in _tops(facts["imports"]):
            own = source in LIBRARIES.get(name, ())
            ours = name == "consentkit" or name in sys.stdlib_module_names
            if not own and not ours:
                found.setdefault(source, set()).add(name)
    return found


def _tops(modules: Iterable[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in modules}
    return {top for top in tops if not top.startswith("_")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """
    Give the folder of the program, on a desktop with a window system and a
    bus, where somebody has copied something.
    """
    need_extra("device", "dbus")
    need_tool("Xvfb", "xclip", "dbus-daemon")
    system, _, copy, kind = SYSTEMS["x11"]
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with private_bus() as bus, system() as display:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        for name, value in display.items():
            monkeypatch.setenv(name, value)
        bus.start(NETWORK_MANAGER, objects=OBJECTS)
        desktop = Desktop("x11", copy, kind)
        desktop.copy(f"see {SHARE_CODE} there")
        yield tmp_path
        desktop.stop()


def _check_whole(told: Told) -> None:
    """
    See that all were read, and that the document's own are built in.
    """
    desktop = set(told.told) - {"liar", "product_improvement"}
    assert {"system", "psutil", "gpsd", "clipboard", "screen"} <= desktop
    assert desktop < set(BUILT_IN)
    for name in ("clipboard", "network_manager", "screen", "system"):
        assert told.told[name]["known"] > 0, name
    assert told.told["product_improvement"]["known"] > 0
    assert set(told.named.values()) <= desktop
    assert told.named["os_version"] == "system"
    assert told.named["mac_address"] == "interfaces"


@pytest.mark.obligation("WP-IMPR-2")
def test_audit_events(folder: Path) -> None:
    """
    In the interpreter's audit events, each source opens, connects to and
    starts what it says it touches and nothing else, and imports itself, the
    standard library and the library of its extra; what the improvement of
    the product reads comes from these. A source that does more is found out.
    """
    told = run(folder, "audit")

    _check_whole(told)
    found = hidden(told, folder)
    assert found.pop("liar") == {
        "open /etc/passwd",
        "connect ('127.0.0.1', 9)",
    }
    assert found == {}
    assert _strangers(told) == {"liar": {"pluggy"}}
    opened = {what for _, kind, what in told.seen if kind == "open"}
    assert {"/proc/cpuinfo", "/proc/stat", "/sys/class/net"} <= opened


@pytest.mark.obligation("WP-IMPR-2")
def test_kernel(folder: Path) -> None:
    """
    So it is in the eyes of the kernel, which sees what is opened, connected
    to and started below Python.
    """
    need_tool("strace")
    trace = folder / "trace"
    quiet = run(
        folder,
        "quiet",
        "strace",
        "-f",
        "-qq",
        "-s",
        "4096",
        "-o",
        str(trace),
        "-e",
        "trace=open,openat,openat2,stat,newfstatat,statx,connect,execve",
    )
    seen: list[tuple[str, str, str]] = []
    stage = "over"
    for line in trace.read_text(errors="replace").splitlines():
        if match := re.search(r'"/consentkit-([a-z_]+)"', line):
            stage = match[1]
        elif stage != "over" and (access := _access(line)):
            seen.append((stage, *access))
    told = Told(told=quiet.told, seen=seen, named=quiet.named)

    _check_whole(told)
    found = hidden(told, folder)
    assert "open /etc/passwd" in found.pop("liar")
    assert found == {}
    assert ("system", "open", "/proc/cpuinfo") in seen
    started = {what for s, k, what in seen if (s, k) == ("clipboard", "start")}
    assert any(what.endswith("/xclip") for what in started)


def _access(line: str) -> tuple[str, str] | None:
    """
    Read one line of strace: what was opened, connected to or started.
    """
    if match := re.search(r'open(?:at2?)?\((?:[\w-]+, )?"([^"]*)"', line):
        return "open", match[1]
    if match := re.search(r'execve\("([^"]*)"', line):
        return "start", match[1]
    if match := re.search(r'connect\(.*sun_path=@?"([^"]*)"', line):
        return "connect", match[1]
    pattern = r'connect\(.*htons\((\d+)\).*?inet_addr\("([^"]*)"\)'
    if match := re.search(pattern, line):
        return "connect", f"{match[2]}:{match[1]}"
    return None
