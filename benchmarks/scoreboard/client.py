# SPDX-License-Identifier: MIT
"""
The process of one client: it does one act with one SDK, tells what it saw,
and is gone.

Nothing but the standard library is imported before the SDK, so that what an
SDK brings is on its own account. What it tells goes, as lines of JSON, to
what was standard output; an SDK that prints, prints to standard error.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import socket
import sys
import time

from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any, Final

from benchmarks.scoreboard.events import OTHER_RUN, make_event
from benchmarks.scoreboard.peers import Options, Peer, load_peer


_TOLD: Final = os.dup(1)


def tell(**facts: object) -> None:
    """
    Give facts to the board.
    """
    os.write(_TOLD, json.dumps(facts).encode() + b"\n")


def wait_for_word() -> None:
    """
    Wait until the board says to go on.
    """
    sys.stdin.readline()


def stay_here() -> None:
    """
    Let nothing connect, or look up a name, beyond this machine: some SDKs
    call home by themselves.
    """
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def is_here(host: object) -> bool:
        return str(host).startswith("127.") or host in {"localhost", "::1"}

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not is_here(address[0]):
            msg = "the board lets nobody out"
            raise ConnectionRefusedError(msg)
        connect(self, address)

    def look_up_here(host: Any, *rest: Any, **options: Any) -> Any:
        if not is_here(host):
            msg = "the board lets nobody out"
            raise socket.gaierror(msg)
        return look_up(host, *rest, **options)

    socket.socket.connect = connect_here  # type: ignore[assignment, method-assign]
    socket.getaddrinfo = look_up_here


def start_peer(told: dict[str, Any]) -> Peer:
    """
    Start the SDK.
    """
    peer = load_peer(told["peer"])()
    peer.start(
        Options(
            url=told["url"],
            data_dir=Path(told["data_dir"]),
            enabled=told["enabled"],
            queue_size=told["queue_size"],
            batch_size=told["batch_size"],
        )
    )
    return peer


def memory_mib(field: str) -> float:
    """
    Give a line of this process's status: ``VmRSS``, or ``VmHWM``, its peak.
    """
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_peak() -> None:
    """
    Let the peak of the memory begin anew.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def processor_seconds() -> float:
    """
    Give what this process and its children have taken of the processor.
    """
    own = resource.getrusage(resource.RUSAGE_SELF)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in (own, theirs))


def spread(nanoseconds: array[int]) -> dict[str, float]:
    """
    Give mean, median, the 99th of a hundred and the slowest, in us.
    """
    ordered = sorted(nanoseconds)
    count = len(ordered)
    return {
        "mean_us": sum(ordered) / count / 1e3,
        "p50_us": ordered[count // 2] / 1e3,
        "p99_us": ordered[min(count - 1, count * 99 // 100)] / 1e3,
        "slowest_ms": ordered[-1] / 1e6,
    }


def capture(told: dict[str, Any]) -> None:
    """
    Time each call, in a burst or so many in a second.
    """
    peer = start_peer(told)
    events = [make_event(n, told["run"]) for n in range(told["events"])]
    gc.collect()
    gc.freeze()  # the events are ours, and no SDK's to look through
    clock, hand_over = time.perf_counter_ns, peer.capture
    pace = 1e9 / told["per_second"] if told["per_second"] else 0.0
    took = array("q", bytes(8 * len(events)))
    begun = clock()
    for number, event in enumerate(events):
        if pace:
            ahead = begun + number * pace - clock()
            if ahead > 0:
                time.sleep(ahead / 1e9)
        before = clock()
        hand_over(event)
        took[number] = clock() - before
    tell(**spread(took))
    os._exit(0)


def deliver(told: dict[str, Any]) -> None:
    """
    Capture and flush; what it took of the processor is told once all came.
    """
    peer = start_peer(told)
    events = [make_event(n, told["run"]) for n in range(told["events"])]
    gc.collect()
    gc.freeze()
    processor = processor_seconds() + peer.processor_beside()
    begun = time.monotonic_ns()
    for event in events:
        peer.capture(event)
    captured = time.monotonic_ns()
    peer.flush()
    tell(begun=begun, captured=captured)
    wait_for_word()
    so_far = processor_seconds() + peer.processor_beside()
    tell(processor=so_far - processor)
    os._exit(0)


def _room(told: dict[str, Any]) -> array[int]:
    # Before the memory is looked at: the notes are ours, and no SDK's.
    return array("q", b"\1" * (8 * told["events"]))


def _fill(peer: Peer, told: dict[str, Any], took: array[int]) -> array[int]:
    clock = time.perf_counter_ns
    end = clock() + told["capture_seconds"] * 1_000_000_000
    for number in range(told["events"]):
        event = make_event(number, told["run"])
        before = clock()
        peer.capture(event)
        after = clock()
        took[number] = after - before
        if after > end:
            del took[number + 1 :]
            break
    return took


def kill(told: dict[str, Any]) -> None:
    """
    Die in the moment in which the last capture has returned.
    """
    peer = start_peer(told)
    took = _fill(peer, told, _room(told))
    tell(captured=len(took))
    os.kill(os.getpid(), signal.SIGKILL)


def again(told: dict[str, Any]) -> None:
    """
    Be the app after its restart, which goes on being used now and then: some
    SDKs send what they kept behind the next event alone.
    """
    peer = start_peer(told)
    is_over = Flag()

    def listen() -> None:
        wait_for_word()
        is_over.set()

    Thread(target=listen, daemon=True).start()
    tell(started=True)
    number = 0
    while not is_over.is_set():
        peer.capture(make_event(number, OTHER_RUN))
        peer.flush()
        number += 1
        is_over.wait(0.5)
    os._exit(0)


def outage(told: dict[str, Any]) -> None:
    """
    Capture while nobody answers, then end in an orderly way.
    """
    peer = start_peer(told)
    room = _room(told)
    gc.collect()
    forget_peak()
    before = memory_mib("VmRSS")
    took = _fill(peer, told, room)
    tell(
        captured=len(took),
        growth_mib=memory_mib("VmHWM") - before,
        seconds=sum(took) / 1e9,
        **spread(took),
    )
    wait_for_word()
    tell(ends_at=time.monotonic_ns())
    peer.close()


def wake(told: dict[str, Any]) -> None:
    """
    Open what holds a long backlog, send of it for a moment, and withdraw.

    It has worked on an empty folder before, so that all is imported.
    """
    other = Path(f"{told['data_dir']}-before")
    other.mkdir()
    peer = start_peer({**told, "data_dir": str(other)})
    peer.capture(make_event(1, OTHER_RUN))
    peer.flush()
    peer.close()
    gc.collect()
    forget_peak()
    before = memory_mib("VmRSS")
    begun = time.monotonic_ns()
    peer = start_peer(told)
    opened = time.monotonic_ns()
    time.sleep(told["send_seconds"])
    growth = memory_mib("VmHWM") - before
    facts = {"begun": begun, "opened": opened, "growth_mib": growth}
    asked = time.monotonic_ns()
    with suppress(NotImplementedError):
        peer.withdraw()
        facts["withdrawn"] = time.monotonic_ns() - asked
        facts["left"] = peer.waiting()
    tell(**facts)
    wait_for_word()
    os._exit(0)


def refuse(told: dict[str, Any]) -> None:
    """
    Time a bare loop of captures that are refused.
    """
    peer = start_peer(told)
    event = make_event(1, OTHER_RUN)
    hand_over = peer.capture

    def loop(calls: int) -> int:
        begun = time.perf_counter_ns()
        for _ in range(calls):
            hand_over(event)
        return time.perf_counter_ns() - begun

    gc.collect()
    calls = max(500, int(500 * 0.3e9 / loop(500)))  # some 0.3 seconds
    tell(ns=loop(calls) / calls)
    os._exit(0)


def ready(told: dict[str, Any]) -> None:
    """
    Time the way from a bare process to the first captured event.
    """
    begun = time.perf_counter_ns()
    peer = start_peer(told)
    peer.capture(make_event(1, OTHER_RUN))
    tell(ready_ms=(time.perf_counter_ns() - begun) / 1e6)
    os._exit(0)


ACTS: Final[dict[str, Callable[[dict[str, Any]], None]]] = {
    act.__name__: act
    for act in (
        capture,
        deliver,
        kill,
        again,
        outage,
        wake,
        refuse,
        ready,
    )
}


if __name__ == "__main__":
    os.dup2(2, 1)
    stay_here()
    asked_for = json.loads(sys.argv[1])
    ACTS[asked_for["act"]](asked_for)
