# SPDX-License-Identifier: MIT

"""
A refused read of the device reads nothing, counted where the reads arrive:
in the interpreter's audit events, and in the kernel.

Each count has its twin: the same program, with the consent, opens the files.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

from pathlib import Path

import pytest

from tests.needs import need_extra, need_tool


pytestmark = pytest.mark.usefixtures("unmeasured")

#: Reads every fact of the device under a policy that declares them all;
#: first refused, then permitted.
PROGRAM = r"""
import json, os, sys
from pathlib import Path

data_dir, watched = Path(sys.argv[1]), sys.argv[2] == "audit"

import consentkit
# Counts processors when it is loaded: its own business, and no fact of ours.
import cryptography.hazmat.bindings._rust
from consentkit.collectors import USUAL, Sources
from consentkit.collectors.installed import PackagesSource, ProcessesSource

usual = Sources(folder=data_dir)
own = [
    *map(usual.of_id, {*USUAL["desktop"]} - {"clipboard", "gpsd"}),
    PackagesSource(),
    ProcessesSource(),
]
types = sorted({t for source in own for t in source.data_types})
policy = data_dir / "policy.toml"
collects = "".join(
    f'[[functions.collects]]\ntype = "{t}"\nprotect = "local_only"\n'
    f'recipients = ["maker"]\nseparate = false\n'
    for t in types
)
policy.write_text(policy.read_text() + collects)
kit = consentkit.open(policy, data_dir=data_dir / "kit", sources=own)

seen, stage = [], "before"

def watch(event, args):
    if event == "open" and not isinstance(args[0], int):
        seen.append((stage, "open", os.fsdecode(args[0])))
    elif event in ("os.listdir", "os.scandir"):
        seen.append((stage, "list", str(args[0])))
    elif event.startswith(("socket.", "subprocess.", "os.posix_spawn",
                           "os.fork", "os.exec", "ctypes.", "os.mkdir")):
        seen.append((stage, event, str(args[0]) if args else ""))

def read():
    with kit.use("all") as use:
        return use.device(), [use.device(t) for t in types]

def mark(name):
    # Seen by who watches from the outside.
    global stage
    stage = name
    try:
        os.stat(f"/consentkit-{name}")
    except OSError:
        pass

if watched:
    sys.addaudithook(watch)
mark("refused")
whole, single = read()
refused = [isinstance(one, consentkit.Refusal) for one in (whole, *single)]
reads = sum(source.reads for source in own)
mark("granting")
kit.consent.deny("all")
mark("denied")
whole, single = read()
refused += [isinstance(one, consentkit.Refusal) for one in (whole, *single)]
reads += sum(source.reads for source in own)
mark("granting-again")
for element in kit.policy.elements:
    kit.consent.show(element)
    kit.consent.grant(element)
mark("granted")
with kit.use("all") as use:
    device = use.device()
mark("over")
known = {one.data_type for one in device}
missing = {one.data_type for one in device.unavailable}
kit.close()
print(json.dumps({
    "refused": all(refused), "count": len(refused), "types": types,
    "reads": reads, "granted": sum(s.reads for s in own),
    "known": sorted(known), "missing": sorted(missing), "seen": seen,
    "kit": str(data_dir / "kit"),
}))
"""

POLICY = """
schema = 1

[policy]
id = "everything"
title = "A policy that asks for all"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "maker"
name = "Maker Ltd."
contact = "privacy@maker.example"

[[functions]]
id = "all"
name = "All"
category = "additional"
text = "May we look at everything?"
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P30D"

"""

#: Where the facts are; ours and Python's own files are elsewhere.
_FACTS = re.compile(r"/(?:sys|proc|etc|run|var|dev|tmp/\.X11)(?:/|$|-)")

#: Looked at by every process, for its own memory or the time.
_OWN = re.compile(r"/proc/self/(?:maps|status|statm|fd)|/etc/ld\.so|/dev/null")


def facts(paths, kit: str) -> set[str]:
    """
    Keep the paths of facts, without those of the kit's own folder.
    """
    return {
        one
        for one in paths
        if _FACTS.match(one)
        and not _OWN.match(one)
        and not one.startswith(kit)
        and not one.startswith(sys.prefix)
    }


@pytest.fixture
def folder(tmp_path):
    """
    Make the folder of the program, with its policy.
    """
    need_extra("device")
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


def run(folder: Path, how: str, *before: str) -> dict:
    """
    Run the program, and give what it tells.
    """
    done = subprocess.run(
        [*before, sys.executable, "-c", PROGRAM, str(folder), how],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict = json.loads(done.stdout.splitlines()[-1])
    assert told["refused"]
    # All at once, then each by itself; never chosen, and refused.
    assert told["count"] == 2 * (1 + len(told["types"]))
    return told


def at_once(told: dict) -> None:
    """
    Check what the sources themselves counted.
    """
    assert told["reads"] == 0
    assert told["granted"] == len(told["types"])
    assert {"guid", "cpu_count", "memory_total"} <= set(told["known"])


@pytest.mark.obligation("WP-CONS-1", "WP-ADD-2")
def test_audit_events(folder):
    """
    Without consent, and after a no, no file of a fact is opened or listed,
    nothing is started and nothing is connected to; with it the facts'
    files are opened.
    """
    told = run(folder, "audit")
    stages: dict[str, list[tuple[str, str]]] = {}
    for stage, event, what in told["seen"]:
        stages.setdefault(stage, []).append((event, what))

    at_once(told)
    for stage in ("refused", "denied"):
        events = stages.get(stage, [])
        # The ledger is looked at, for the answer: no more than that.
        loud = [one for one in events if one[0] not in {"open", "list"}]
        assert loud == []
        assert facts((what for _, what in events), told["kit"]) == set()
    opened = facts((what for _, what in stages["granted"]), told["kit"])
    assert len(opened) > 10
    if sys.platform.startswith("linux"):
        assert "/proc/cpuinfo" in opened
        assert "/sys/class/net" in opened


@pytest.mark.obligation("WP-CONS-1")
def test_kernel(folder):
    """
    Seen from the kernel, with the calls of libraries in C: of the files that
    the permitted read opens, the refused ones open none.
    """
    need_tool("strace")
    trace = folder / "trace"
    told = run(
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
        "trace=open,openat,openat2,stat,newfstatat,statx,socket,connect,"
        "execve,fork,vfork",
    )
    stages: dict[str, list[str]] = {}
    stage = "before"
    for line in trace.read_text(errors="replace").splitlines():
        if match := re.search(r'"/consentkit-([a-z-]+)"', line):
            stage = match[1]
        elif "open" in line.split("(")[0] or not re.search(r"\bf?stat", line):
            stages.setdefault(stage, []).append(line)

    at_once(told)

    def opened(name: str) -> set[str]:
        found = (
            re.search(r'open(?:at2?)?\((?:\w+, )?"([^"]*)"', line)
            for line in stages.get(name, [])
        )
        return facts((one[1] for one in found if one), told["kit"])

    granted = opened("granted")
    assert len(granted) > 10
    assert "/proc/cpuinfo" in granted
    for name in ("refused", "denied"):
        assert opened(name) == set()
        assert not [
            line
            for line in stages.get(name, [])
            if re.search(r"\b(?:socket|connect|execve|v?fork)\(", line)
        ]
