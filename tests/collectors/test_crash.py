# SPDX-License-Identifier: MIT

"""
Tests for crash capture, with processes that really crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import consentkit

from consentkit.collectors.crash import (
    CrashCapture,
    CrashCounts,
    read_fault,
)
from consentkit.gate import OSPermission
from consentkit.policy import Policy, parse_policy
from tests.collectors.test_logs import (
    PLANTED,
    Hostile,
    find_planted,
    kept,
    on_disk,
)
from tests.support import make_kit, say_yes, tables, to_toml


ROOT = Path(__file__).parents[2]
IMEI, MAIL = PLANTED

#: What each child begins with; ``crashes`` captures what comes after.
START = """
import sys
import consentkit
kit = consentkit.open(sys.argv[1] + "/policy.toml", data_dir=sys.argv[1])
crashes = kit.crash_capture("crashes").start()
def fail(secret):
    local = [secret, "olga.wolfsbane@privat.example"]
    raise LookupError(f"no {secret} in /home/wolfsbane/x", local)
"""


#: The child's own report of its last crash is not looked at.
QUIET = "import sys\nsys.excepthook = lambda *_: None\n" + START


def the_policy(**changes: Callable[[dict], object]) -> Policy:
    """
    Give the small policy with a function for crashes.
    """
    return parse_policy(policy_text(**changes))


def policy_text(**changes: Callable[[dict], object]) -> str:
    """
    Write that policy.
    """
    tree = tables()
    tree["functions"].append(
        {
            "id": "crashes",
            "name": "Crash reports",
            "category": "additional",
            "text": "Crash reports help us to repair the app.",
            "basis": ["consent"],
            "on_refusal": "degraded",
            "purposes": ["crash_analysis"],
            "retention": "P30D",
            "collects": [{"type": "crash_log", "protect": "scrub"}],
        }
    )
    for change in changes.values():
        change(tree)
    return to_toml(tree)


def open_kit(folder: Path, *grants: str, **options: Any) -> consentkit.Kit:
    """
    Open the kit of the app that crashes.
    """
    return make_kit(folder, *grants, **{"policy": the_policy(), **options})


def run(
    folder: Path, program: str, *, begin: str = START
) -> subprocess.CompletedProcess[str]:
    """
    Run an app in a process of its own, to its end.
    """
    write_policy(folder)
    return subprocess.run(
        [sys.executable, "-c", begin + textwrap.dedent(program), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write_policy(folder: Path) -> None:
    """
    Put the policy where a child looks for it.
    """
    folder.mkdir(exist_ok=True)
    (folder / "policy.toml").write_text(policy_text(), encoding="utf-8")


def left_files(folder: Path) -> list[str]:
    """
    Name the files that faults are written into.
    """
    return [
        path.name for path in (folder / "crashes").rglob("*") if path.is_file()
    ]


@pytest.fixture
def granted(tmp_path: Path) -> Path:
    """
    Give a data folder in which crash reports are granted.
    """
    open_kit(tmp_path, "crashes").close()
    return tmp_path


@pytest.fixture
def kit(granted: Path) -> Iterator[consentkit.Kit]:
    """
    Give a kit whose crash reports are granted.
    """
    with open_kit(granted) as made:
        yield made


@pytest.fixture
def hooks() -> Iterator[None]:
    """
    Give the test runner its hooks back, whatever a test does.
    """
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = before


class TestProcesses:
    """
    Tests with a process that ends by its crash.
    """

    @pytest.mark.obligation("WP-LOG-2")
    @pytest.mark.parametrize(
        ("program", "message", "status"),
        [
            ("fail('356938035643809')", "uncaught exception", 1),
            (
                """
                import threading
                thread = threading.Thread(
                    target=fail, args=('356938035643809',)
                )
                thread.start()
                thread.join()
                """,
                "uncaught exception in a thread",
                0,
            ),
            (
                """
                class Odd:
                    def __del__(self):
                        fail('356938035643809')
                odd = Odd()
                del odd
                """,
                "exception that nobody could catch",
                0,
            ),
            (
                """
                import asyncio, gc
                async def task():
                    fail('356938035643809')
                async def main():
                    crashes.watch_loop()
                    running = asyncio.ensure_future(task())
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                    del running
                    gc.collect()
                asyncio.run(main())
                """,
                "uncaught exception in a task",
                0,
            ),
            (
                """
                import asyncio
                async def main():
                    crashes.watch_loop()
                    loop = asyncio.get_running_loop()
                    loop.call_soon(fail, '356938035643809')
                    await asyncio.sleep(0)
                asyncio.run(main())
                """,
                "uncaught exception in a task",
                0,
            ),
        ],
        ids=["main", "thread", "unraisable", "task", "callback"],
    )
    def test_what_nobody_catches_is_kept(
        self, granted: Path, program: str, message: str, status: int
    ) -> None:
        """
        The record outlives the process: class and frames, without a planted
        value in any form; the app's own report is as before.
        """
        done = run(granted, program)

        assert done.returncode == status, done.stderr
        assert "LookupError" in done.stderr  # the hook before was called
        with open_kit(granted) as kit:
            (record,) = kit.store.inspect()
            value: Any = record.value
        assert (record.function, record.data_type) == ("crashes", "crash_log")
        assert value["message"] == message
        assert value["level"] == "CRITICAL"
        assert value["exception"] == "LookupError"
        assert value["trace"].startswith("<string>:")
        assert " fail < <string>:" in value["trace"] or (
            value["trace"].split(" < ")[0].endswith(" fail")
        )
        assert value.keys() == {"message", "level", "exception", "trace"}
        assert IMEI not in str(value)
        assert MAIL not in str(value)
        assert "wolfsbane" not in str(value)
        assert find_planted(granted) == []

    @pytest.mark.obligation("WP-LOG-2")
    @pytest.mark.parametrize(
        "program",
        [
            "with crashes: fail('356938035643809')",
            "with kit: fail('356938035643809')",
            "with kit, crashes: fail('356938035643809')",
        ],
        ids=["capture", "kit", "both"],
    )
    def test_what_leaves_a_block_is_kept(
        self, granted: Path, program: str
    ) -> None:
        """
        An exception that ends the app on its way out of a ``with`` block, of
        the capture or of the kit, is kept once; the hooks, which would see
        it when all is closed, are as before.
        """
        done = run(
            granted,
            f"""
            before = sys.__excepthook__
            def told(*arguments):
                print(sys.excepthook is told, crashes.counts)
                before(*arguments)
            crashes.close()
            sys.excepthook = told
            crashes.start()
            {program}
            """,
        )

        assert done.returncode == 1
        assert done.stderr.rstrip().splitlines()[-1].startswith("LookupError")
        assert done.stdout == f"True {CrashCounts(captured=1)}\n"
        with open_kit(granted) as kit:
            (value,) = kept(kit)
        assert value["message"] == "exception that left its block"
        assert value["exception"] == "LookupError"
        assert value["trace"].split(" < ")[0].endswith(" fail")
        assert find_planted(granted) == []

    @pytest.mark.parametrize(
        ("program", "status"),
        [
            ("raise SystemExit(3)", 3),
            ("sys.exit('bye')", 1),
            ("raise KeyboardInterrupt", -signal.SIGINT),
            (
                """
                import asyncio
                async def main():
                    crashes.watch_loop()
                    task = asyncio.ensure_future(asyncio.sleep(60))
                    await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    raise asyncio.CancelledError
                try:
                    asyncio.run(main())
                except asyncio.CancelledError:
                    raise
                """,
                1,
            ),
            ("raise BaseExceptionGroup('x', [KeyboardInterrupt()])", 1),
            ("with kit, crashes: sys.exit(4)", 4),
            ("with kit, crashes: pass", 0),
            ("pass", 0),
        ],
        ids=[
            "exit",
            "message",
            "interrupt",
            "cancelled",
            "group",
            "exit in a block",
            "block",
            "end",
        ],
    )
    def test_an_ending_is_no_crash(
        self, granted: Path, program: str, status: int
    ) -> None:
        """
        What ends the app on purpose is not kept.
        """
        done = run(granted, program)

        assert done.returncode in {status, 130}, done.stderr
        with open_kit(granted) as kit:
            assert kept(kit) == []

    def test_group_with_a_crash_inside(self, granted: Path) -> None:
        """
        A group in which one exception is a crash is a crash; of each member
        the class and the frames are kept, those of groups inside, too.
        """
        run(
            granted,
            """
            import asyncio
            async def first():
                fail("356938035643809")
            async def second():
                raise ValueError("356938035643809")
            async def inner():
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(second())
            async def main():
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(first())
                    tasks.create_task(inner())
            try:
                asyncio.run(main())
            except ExceptionGroup as error:
                members = [KeyboardInterrupt(), *error.exceptions]
                raise BaseExceptionGroup("356938035643809", members)
            """,
        )
        with open_kit(granted) as kit:
            (value,) = kept(kit)
        assert value["exception"] == "BaseExceptionGroup"
        none, first, second = value["members"].split(" | ")
        assert none == "KeyboardInterrupt at ?"
        assert re.fullmatch(
            r"LookupError at <string>:\d+ fail < <string>:\d+ first", first
        )
        assert re.fullmatch(r"ValueError at <string>:\d+ second", second)
        assert IMEI not in str(value)

    @pytest.mark.obligation("WP-ADD-2", "WP-ADD-3")
    @pytest.mark.parametrize("choice", ["nothing", "deny", "withdraw"])
    def test_nothing_is_kept_while_refused(
        self, tmp_path: Path, choice: str
    ) -> None:
        """
        Without a consent a crash leaves nothing: no record, no file, and
        nobody asks the exception for its text.
        """
        with open_kit(tmp_path) as kit:
            if choice == "deny":
                kit.consent.deny("crashes")
            if choice == "withdraw":
                open_kit(tmp_path, "crashes").close()
                kit.consent.withdraw("crashes")
        done = run(
            tmp_path,
            """
            class Told(Exception):
                def __str__(self):
                    print("asked", flush=True)
                    return "x"
            sys.excepthook(Told, Told(), None)
            print(crashes.is_armed, crashes.counts.refused, flush=True)
            import ctypes
            ctypes.string_at(0)
            """,
            begin=QUIET,
        )

        assert done.returncode == -signal.SIGSEGV, done.stderr
        assert done.stdout == "False 1\n"
        assert not (tmp_path / "crashes").exists()
        with open_kit(tmp_path) as kit, kit.crash_capture("crashes") as next_:
            assert kept(kit) == []
            assert next_.counts == CrashCounts()


class TestFaults:
    """
    Tests for what kills the interpreter.
    """

    @pytest.mark.obligation("WP-LOG-2")
    @pytest.mark.parametrize(
        ("program", "fault", "died_of"),
        [
            (
                "def dies():\n    faulthandler._sigsegv()\ndies()",
                "Segmentation fault",
                signal.SIGSEGV,
            ),
            (
                "def dies():\n    os.abort()\ndies()",
                "Aborted",
                signal.SIGABRT,
            ),
            (
                "def dies():\n    ctypes.string_at(0)\ndies()",
                "Segmentation fault",
                signal.SIGSEGV,
            ),
        ],
        ids=["sigsegv", "abort", "ctypes"],
    )
    def test_is_taken_up_at_the_next_start(
        self, granted: Path, program: str, fault: str, died_of: int
    ) -> None:
        """
        The next start reads what faulthandler wrote, and deletes it.
        """
        done = run(granted, "import ctypes, faulthandler, os\n" + program)
        assert done.returncode == -died_of, done.stderr
        (name,) = left_files(granted)
        found = next((granted / "crashes").rglob(name))
        assert found.stat().st_mode & 0o777 == 0o600
        assert found.stat().st_size > 0

        with open_kit(granted) as kit, kit.crash_capture("crashes") as next_:
            (value,) = kept(kit)
            (record,) = kit.store.inspect()
        assert record.data_type == "crash_log"
        assert value["message"] == "the process died"
        assert value["exception"] == fault
        assert " dies < <string>:" in value["trace"]
        assert str(granted) not in str(value)
        assert next_.counts == CrashCounts(captured=1)
        assert left_files(granted) == []

        with open_kit(granted) as kit, kit.crash_capture("crashes") as again:
            assert again.counts == CrashCounts()

    def test_kill_leaves_nothing_broken(self, granted: Path) -> None:
        """
        After ``kill -9`` the next start finds nothing, and goes on.
        """
        done = run(granted, "import os\nos.kill(os.getpid(), 9)")

        assert done.returncode == -signal.SIGKILL, done.stderr
        assert len(left_files(granted)) == 1
        with open_kit(granted) as kit, kit.crash_capture("crashes") as next_:
            assert next_.counts == CrashCounts()
            assert kept(kit) == []
            assert left_files(granted) == []

    @pytest.mark.obligation("WP-ADD-3")
    @pytest.mark.parametrize("then", ["withdrawn", "granted anew"])
    def test_is_deleted_unread_when_the_consent_has_ended(
        self, granted: Path, then: str
    ) -> None:
        """
        What was written under a consent that ended meanwhile is deleted
        unread, even if there is a new one.
        """
        run(granted, "import ctypes\nctypes.string_at(0)")
        (name,) = left_files(granted)
        with open_kit(granted) as kit:
            kit.consent.withdraw("crashes")
            if then == "granted anew":
                say_yes(kit.consent, "crashes")
        done = run(
            granted,
            "print(crashes.counts, len(opened) > 0)\n"
            f"print([path for path in opened if {name!r} in path])",
            begin="""
import sys
opened = []
sys.addaudithook(lambda event, arguments: (
    opened.append(str(arguments[0])) if event == "open" else None
))
"""
            + START,
        )
        assert done.stdout.splitlines() == [
            f"{CrashCounts(discarded=1)} True",
            "[]",
        ], done.stderr
        with open_kit(granted) as kit:
            assert kept(kit) == []

    @pytest.mark.obligation("WP-ADD-3")
    @pytest.mark.parametrize("died", ["after a pause", "in it", "denied"])
    def test_is_deleted_unread_when_it_was_stopped(
        self, granted: Path, died: str
    ) -> None:
        """
        What another process wrote in a pause, or after the system was seen
        to deny its permission, is deleted unread; what it wrote after the
        end of a pause is kept.
        """
        write_policy(granted)
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                START + "import ctypes\nprint(crashes.is_armed, flush=True)\n"
                "input()\nctypes.string_at(0)",
                str(granted),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with child, open_kit(granted) as kit:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "True\n"
            if died == "denied":
                cause = "os_permission storage: denied"
                kit.consent.record_mask("crashes", cause)
            else:
                kit.consent.pause("crashes")
            if died == "after a pause":
                kit.consent.resume("crashes")
                # A file's stamp may be a tick of the system late.
                time.sleep(0.1)
            child.stdin.write("\n")
            child.stdin.flush()
            child.wait(60)
            if died == "in it":
                kit.consent.resume("crashes")

            with kit.crash_capture("crashes") as next_:
                is_kept = died == "after a pause"
                assert next_.counts == CrashCounts(
                    captured=is_kept, discarded=not is_kept
                )
                assert len(kept(kit)) == is_kept
            assert left_files(granted) == []

    def test_is_deleted_unread_when_too_old(self, granted: Path) -> None:
        """
        What happened longer ago than the policy keeps it is not kept anew.
        """
        run(granted, "import ctypes\nctypes.string_at(0)")
        (name,) = left_files(granted)
        path = next((granted / "crashes").rglob(name))
        old = time.time() - 31 * 86_400
        os.utime(path, (old, old))
        with open_kit(granted) as kit, kit.crash_capture("crashes") as next_:
            assert next_.counts == CrashCounts(discarded=1)
            assert kept(kit) == []

    def test_files_of_living_processes_stay(self, granted: Path) -> None:
        """
        A second process takes nothing from one that runs, and takes up what
        it leaves when it has died.
        """
        write_policy(granted)
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                START + "print(crashes.is_armed, flush=True)\n"
                "sys.stdin.read()\nimport ctypes\nctypes.string_at(0)",
                str(granted),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            assert other.stdout.readline() == b"True\n"
            before = left_files(granted)
            assert len(before) == 1
            with open_kit(granted) as kit:
                with kit.crash_capture("crashes") as mine:
                    assert mine.counts == CrashCounts()
                    assert set(before) <= set(left_files(granted))
                other.stdin.close()
                assert other.wait(60) == -signal.SIGSEGV
                with kit.crash_capture("crashes") as mine:
                    assert mine.counts == CrashCounts(captured=1)

    def test_a_child_that_dies_is_taken_up(self, granted: Path) -> None:
        """
        A forked child writes into its parent's file, which stays.
        """
        done = run(
            granted,
            """
            import ctypes, os
            child = os.fork()
            if not child:
                ctypes.string_at(0)
            os.waitpid(child, 0)
            crashes.close()
            """,
        )
        assert done.returncode == 0, done.stderr
        with open_kit(granted) as kit, kit.crash_capture("crashes") as next_:
            assert next_.counts == CrashCounts(captured=1)

    def test_a_child_that_closes_takes_nothing_from_its_parent(
        self, granted: Path
    ) -> None:
        """
        The parent stays armed when a forked child closes its capture.
        """
        done = run(
            granted,
            """
            import os
            child = os.fork()
            if not child:
                crashes.close()
                kit.close()
                os._exit(0)
            os.waitpid(child, 0)
            print(crashes.is_armed)
            """,
        )
        assert done.stdout == "True\n", done.stderr

    def test_follows_the_choices(self, granted: Path) -> None:
        """
        A withdrawal disarms and deletes the file; a new consent arms again.
        """
        done = run(
            granted,
            """
            from pathlib import Path
            import faulthandler
            def files():
                return len(list(Path(sys.argv[1], "crashes").rglob("*.txt")))
            told = [(crashes.is_armed, files())]
            kit.consent.withdraw("crashes")
            told.append((crashes.is_armed, files()))
            told.append(faulthandler.is_enabled())
            kit.consent.show("crashes")
            kit.consent.grant("crashes")
            told.append((crashes.is_armed, files()))
            crashes.close()
            told.append((crashes.is_armed, files()))
            print(told)
            """,
        )
        assert done.stdout == (
            "[(True, 1), (False, 0), False, (True, 1), (False, 0)]\n"
        ), done.stderr

    def test_another_process_withdraws(self, granted: Path) -> None:
        """
        The file of a process that does not notice is deleted by the one
        that does; what it writes then is nowhere.
        """
        write_policy(granted)
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                START + "print(crashes.is_armed, flush=True)\n"
                "sys.stdin.read()\nimport ctypes\nctypes.string_at(0)",
                str(granted),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            assert other.stdout.readline() == b"True\n"
            with open_kit(granted) as kit:
                kit.consent.withdraw("crashes")
                with kit.crash_capture("crashes"):
                    assert left_files(granted) == []
                other.stdin.close()
                assert other.wait(60) == -signal.SIGSEGV
                assert left_files(granted) == []

    def test_the_apps_own_faulthandler_is_left_alone(
        self, granted: Path
    ) -> None:
        """
        Where the app uses faulthandler itself, it goes on as before.
        """
        done = run(
            granted,
            """
            assert not crashes.is_armed
            crashes.close()
            import ctypes
            ctypes.string_at(0)
            """,
            begin="import faulthandler\nfaulthandler.enable()\n" + START,
        )
        assert done.returncode == -signal.SIGSEGV
        assert "Fatal Python error" in done.stderr
        assert left_files(granted) == []

    def test_handles_that_the_app_closed(self, granted: Path) -> None:
        """
        A daemon closes all handles; ours is then not taken for another's.
        """
        done = run(
            granted,
            """
            import os
            from pathlib import Path
            os.closerange(3, 64)
            other = os.open(Path(sys.argv[1], "other"), os.O_CREAT | os.O_RDWR)
            more = [os.dup(other) for _ in range(40)]
            print(crashes.is_armed, flush=True)
            crashes.close()
            os.write(other, b"x")
            os.write(more[-1], b"y")
            os._exit(0)
            """,
        )
        assert done.stdout == "False\n", done.stderr
        assert (granted / "other").read_bytes() == b"xy"

    @pytest.mark.parametrize(
        "content",
        [
            b"\xff\xfe" * 50_000,
            b"356938035643809\n",
            b'  File "x", line 1 in y\n',
            b"Fatal Python error: 356938035643809\n",
        ],
        ids=["bytes", "text", "frame", "number"],
    )
    def test_a_file_that_is_something_else(
        self, granted: Path, content: bytes
    ) -> None:
        """
        What faulthandler did not write is deleted and counted.
        """
        run(granted, "import os\nos.kill(os.getpid(), 9)")
        (name,) = left_files(granted)
        next((granted / "crashes").rglob(name)).write_bytes(content)
        with open_kit(granted) as kit, kit.crash_capture("crashes") as next_:
            assert next_.counts == CrashCounts(failed=1)
            assert kept(kit) == []
        assert left_files(granted) == []

    @pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
    def test_a_thing_in_the_place_of_a_file(
        self, granted: Path, kind: str
    ) -> None:
        """
        A link, a pipe or a folder there is not read, and keeps nobody
        waiting.
        """
        run(granted, "import os\nos.kill(os.getpid(), 9)")
        (name,) = left_files(granted)
        path = next((granted / "crashes").rglob(name))
        path.unlink()
        secret = granted / "secret"
        secret.write_text("Fatal Python error: Stolen\n")
        if kind == "link":
            path.symlink_to(secret)
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()
        with open_kit(granted) as kit, kit.crash_capture("crashes") as next_:
            assert next_.counts.captured == 0
            assert kept(kit) == []
        assert secret.exists()


class TestReadFault:
    """
    Tests for reading what faulthandler writes.
    """

    def test_keeps_names_only(self) -> None:
        """
        Folders, thread ids and names, addresses and modules are left out.
        """
        text = textwrap.dedent("""\
            Fatal Python error: Segmentation fault

            Current thread 0x00007f3 [olga] (most recent call first):
              File "/home/olga/app/deep.py", line 3 in inner
              File "C:\\x", line 17 in <module>

            Thread 0x00007f4 (most recent call first):
              File "/home/olga/other.py", line 1 in other

            Current thread's C stack trace (most recent call first):
              Binary file "/home/olga/lib.so", at +0x1 [0x2]

            Extension modules: olga.secret (total: 1)
            """)
        assert read_fault(text) == {
            "message": "the process died",
            "level": "CRITICAL",
            "exception": "Segmentation fault",
            "trace": "deep.py:3 inner < x:17 <module>",
        }

    def test_names_that_code_cannot_have(self) -> None:
        """
        A function or file that is named in words is left out.
        """
        found = read_fault(
            "Fatal Python error: Aborted\n\n"
            '  File "/home/olga/my diary.py", line 3 in dear diary\n'
            '  File "/home/olga/app.py", line 4 in <module>\n'
        )
        assert found is not None
        assert found["trace"] == "?:3 ? < app.py:4 <module>"

    def test_without_frames(self) -> None:
        """
        A fault outside of any Python code has no trace.
        """
        found = read_fault(
            "Fatal Python error: Bus error\n\n<no Python frame>"
        )
        assert found is not None
        assert (found["exception"], found["trace"]) == ("Bus error", "")


@attrs.define
class Chosen:
    """
    A value of the app's own that is checked.
    """

    text: str = attrs.field(validator=attrs.validators.in_(["a"]))


class TestHooks:
    """
    Tests for hooks, inside this process.
    """

    def test_hooks_come_and_go(self, kit: consentkit.Kit, hooks: None) -> None:
        """
        Nothing is set before the start, and all is as it was after.
        """
        before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        crashes = kit.crash_capture("crashes")
        assert isinstance(crashes, CrashCapture)
        assert before == (
            sys.excepthook,
            threading.excepthook,
            sys.unraisablehook,
        )
        with crashes.start() as same:
            assert same is crashes
            assert sys.excepthook is not before[0]
            assert threading.excepthook is not before[1]
            assert sys.unraisablehook is not before[2]
        assert before == (
            sys.excepthook,
            threading.excepthook,
            sys.unraisablehook,
        )

    def test_a_later_hook_stays(
        self, kit: consentkit.Kit, hooks: None
    ) -> None:
        """
        What the app set on top of ours is not thrown away; ours then only
        calls on.
        """
        told: list[str] = []
        sys.excepthook = lambda *_: told.append("first")
        crashes = kit.crash_capture("crashes").start()
        ours = sys.excepthook

        def later(*arguments: Any) -> None:
            told.append("later")
            ours(*arguments)

        sys.excepthook = later
        crashes.close()
        sys.excepthook(ValueError, ValueError("x"), None)

        assert sys.excepthook is later
        assert told == ["later", "first"]
        assert crashes.counts == CrashCounts()

    def test_two_kits_both_capture(self, tmp_path: Path, hooks: None) -> None:
        """
        Two kits of one process each keep the crash.
        """
        sys.excepthook = lambda *_: None
        with (
            open_kit(tmp_path / "one", "crashes") as one,
            open_kit(tmp_path / "two", "crashes") as two,
            one.crash_capture("crashes"),
            two.crash_capture("crashes"),
        ):
            sys.excepthook(ValueError, ValueError("x"), None)
            assert len(kept(one)) == len(kept(two)) == 1

    @pytest.mark.parametrize(
        "error", [ValueError(Hostile()), KeyError("\udcff"), OSError()]
    )
    def test_odd_errors_reach_the_hook_before(
        self, kit: consentkit.Kit, hooks: None, error: BaseException
    ) -> None:
        """
        Whatever the exception does, the app's own hook is called with it.
        """
        told: list[Any] = []
        sys.excepthook = lambda *arguments: told.append(arguments)
        with kit.crash_capture("crashes", reasons=True) as crashes:
            sys.excepthook(type(error), error, None)

        assert told == [(type(error), error, None)]
        counts = crashes.counts
        assert counts.captured + counts.failed == 1

    @pytest.mark.obligation("WP-LOG-2")
    @pytest.mark.parametrize(
        "fail",
        [
            int,
            {}.__getitem__,
            lambda text: subprocess.run(["false", text], check=True),
            lambda text: Path("/srv", text).read_bytes(),
            lambda text: time.strptime(text, "%Y"),
            Chosen,
            lambda text: _fail(ExceptionGroup(text, [ValueError(text)])),
            lambda text: _fail(_noted(text)),
            lambda text: _fail(LookupError(text), KeyError(text)),
            lambda text: _fail(type(text, (Exception,), {})(text)),
            lambda text: exec(compile("1 / 0", f"/home/{text}.py", "exec")),
            lambda text: compile(text, "a.py", "exec"),
            lambda text: compile(f"  {text}\n 1", "a.py", "exec"),
        ],
        ids=[
            "int",
            "key",
            "command",
            "path",
            "time",
            "attrs",
            "group",
            "note",
            "cause",
            "class",
            "file",
            "syntax",
            "indentation",
        ],
    )
    def test_what_was_typed_is_nowhere(
        self, kit: consentkit.Kit, hooks: None, fail: Callable[[str], object]
    ) -> None:
        """
        Text that the app worked on, which no rule knows, is in the texts of
        many exceptions, and not in what is kept of them.
        """
        diary = "Dear diary, today I told Ann Miller"
        sys.excepthook = lambda *_: None
        with kit.crash_capture("crashes") as crashes:
            try:
                fail(diary)
            except Exception as error:
                sys.excepthook(type(error), error, error.__traceback__)

        assert crashes.counts == CrashCounts(captured=1)
        assert "diary" not in str(kept(kit))
        assert b"diary" not in on_disk(kit.data_dir)

    def test_reasons_have_to_be_asked_for(
        self, kit: consentkit.Kit, hooks: None
    ) -> None:
        """
        The text of an exception is kept, scrubbed, if the app asks for it;
        else nobody asks the exception for it.
        """
        hostile = Hostile()
        sys.excepthook = lambda *_: None
        with kit.crash_capture("crashes"):
            sys.excepthook(KeyError, KeyError(hostile), None)
        with kit.crash_capture("crashes", reasons=True):
            error = KeyError("no 13800138000")
            sys.excepthook(KeyError, error, None)

        first, second = kept(kit)
        assert first == {
            "message": "uncaught exception",
            "level": "CRITICAL",
            "exception": "KeyError",
            "trace": "",
        }
        assert hostile.tries == 0
        assert second == {**first, "reason": "'no <MOBILE_CN>'"}

    @pytest.mark.obligation("WP-LOG-2")
    def test_reason_of_a_syntax_error(
        self, kit: consentkit.Kit, hooks: None
    ) -> None:
        """
        Its reason is what is wrong and where, as a name without folders; the
        line that it has with it is nowhere.
        """
        sys.excepthook = lambda *_: None
        with kit.crash_capture("crashes", reasons=True):
            try:
                compile(
                    "Dear diary, today 13800138000", "/home/x/a.py", "exec"
                )
            except SyntaxError as error:
                sys.excepthook(SyntaxError, error, error.__traceback__)

        [found] = kept(kit)
        assert found["exception"] == "SyntaxError"
        assert found["reason"] == "invalid syntax (a.py, line 1)"
        assert "iary" not in str(found)
        assert b"iary" not in on_disk(kit.data_dir)

    def test_groups_of_any_size(
        self, kit: consentkit.Kit, hooks: None
    ) -> None:
        """
        Of a group that is wide, deep, or gives itself for its members, some
        are told, and the hook before is called.
        """

        class Odd(ExceptionGroup):
            @property
            def exceptions(self) -> Any:
                return (self,)

        deep: Exception = ValueError()
        for _ in range(3000):
            deep = ExceptionGroup("x", [deep])
        wide = ExceptionGroup("x", [ValueError() for _ in range(3000)])
        told: list[object] = []
        sys.excepthook = lambda *arguments: told.append(arguments[1])
        errors = [deep, wide, Odd("x", [ValueError()])]
        with kit.crash_capture("crashes") as crashes:
            for error in errors:
                sys.excepthook(type(error), error, None)

        assert told == errors
        assert crashes.counts == CrashCounts(captured=3)
        assert [value["members"] for value in kept(kit)] == [
            "ValueError at ?",
            " | ".join(["ValueError at ?"] * 16 + ["..."]),
            "ValueError at ?",
        ]

    def test_block_whose_exception_is_caught_further_out(
        self, kit: consentkit.Kit, hooks: None
    ) -> None:
        """
        What leaves the block of a capture is kept, and goes on as it was.
        """
        error = LookupError()
        with (
            pytest.raises(LookupError) as caught,
            kit.crash_capture("crashes") as crashes,
        ):
            raise error

        assert caught.value is error
        assert crashes.counts == CrashCounts(captured=1)

    def test_block_of_one_subject(
        self, kit: consentkit.Kit, hooks: None
    ) -> None:
        """
        The block of a subject's kit ends nothing of the process.
        """
        sys.excepthook = lambda *_: None
        with kit.crash_capture("crashes") as crashes:
            with contextlib.suppress(LookupError), kit.subject("ann"):
                raise LookupError
            assert crashes.counts == CrashCounts()
            sys.excepthook(ValueError, ValueError(), None)
            assert crashes.counts == CrashCounts(captured=1)

    @pytest.mark.obligation("WP-PERM-8")
    def test_asks_the_permission_for_each_crash(
        self, tmp_path: Path, hooks: None
    ) -> None:
        """
        A permission that is taken away stops the very next crash.
        """

        def change(tree: dict) -> None:
            tree["functions"][-1]["permission"] = "storage"

        sys.excepthook = lambda *_: None
        answers = {"storage": OSPermission.GRANTED}
        with (
            open_kit(
                tmp_path,
                "crashes",
                policy=the_policy(change=change),
                os_permission=answers.__getitem__,
            ) as kit,
            kit.crash_capture("crashes") as crashes,
        ):
            sys.excepthook(ValueError, ValueError("x"), None)
            answers["storage"] = OSPermission.DENIED
            sys.excepthook(ValueError, ValueError("x"), None)

        assert crashes.counts == CrashCounts(captured=1, refused=1)

    def test_loops_get_their_handler_back(
        self, kit: consentkit.Kit, hooks: None
    ) -> None:
        """
        The handler of a loop is called, and comes back at the end; what is
        no exception is only handed on.
        """
        told: list[dict[str, Any]] = []

        def handler(_: object, context: dict[str, Any]) -> None:
            told.append(context)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(handler)
            with kit.crash_capture("crashes") as crashes:
                crashes.watch_loop()
                crashes.watch_loop(loop)
                loop.call_exception_handler({"message": "13800138000"})
                loop.call_exception_handler(
                    {"message": "x", "exception": ValueError("y")}
                )
                assert crashes.counts == CrashCounts(captured=1)
            assert loop.get_exception_handler() is handler

        asyncio.run(main())
        assert len(told) == 2
        assert b"13800138000" not in on_disk(kit.data_dir)

    def test_needs_a_loop(self, kit: consentkit.Kit, hooks: None) -> None:
        """
        Outside of a loop one has to be named.
        """
        with (
            kit.crash_capture("crashes") as crashes,
            pytest.raises(RuntimeError),
        ):
            crashes.watch_loop()

    def test_loop_before_the_start(self, kit: consentkit.Kit) -> None:
        """
        A loop that would not be watched is an error that says so.
        """

        async def main() -> None:
            kit.crash_capture("crashes").watch_loop()

        with pytest.raises(RuntimeError, match=r"start\(\) it before"):
            asyncio.run(main())

    @pytest.mark.parametrize(
        ("function", "options", "problem"),
        [
            ("crash", {}, "no function 'crash'; try crashes"),
            ("", {}, "no function ''; 'consentkit policy show'"),
            ("crashes/../crashes", {}, "no function"),
            ("logs", {"data_type": "clipboard"}, "logs does not collect"),
            ("improve", {}, "improve does not collect 'crash_log'"),
        ],
    )
    def test_names_that_the_policy_does_not_have(
        self,
        kit: consentkit.Kit,
        function: str,
        options: dict[str, Any],
        problem: str,
    ) -> None:
        """
        A name that would capture nothing for ever is an error.
        """
        with pytest.raises(ValueError, match=problem):
            kit.crash_capture(function, **options)

    def test_names_of_folders(
        self, kit: consentkit.Kit, tmp_path: Path
    ) -> None:
        """
        A path in the place of a function leads nowhere.
        """
        diary = tmp_path / "notes" / "diary.txt"
        diary.parent.mkdir()
        diary.write_text("mine")
        for name in (str(diary.parent), "../notes", "../../notes"):
            with pytest.raises(ValueError, match="no function"):
                kit.crash_capture(name)

        assert diary.read_text() == "mine"

    def test_is_not_for_one_subject(self, kit: consentkit.Kit) -> None:
        """
        A crash is nobody's in particular.
        """
        with pytest.raises(ValueError, match="app's own kit"):
            kit.subject("ann").crash_capture("crashes")

    def test_unusable_folder(self, granted: Path, hooks: None) -> None:
        """
        Where no file can be made, exceptions are captured all the same.
        """
        (granted / "crashes").write_text("in the way")
        sys.excepthook = lambda *_: None
        with open_kit(granted) as kit:
            with kit.crash_capture("crashes") as crashes:
                assert not crashes.is_armed
                sys.excepthook(ValueError, ValueError("x"), None)
            assert crashes.counts == CrashCounts(captured=1)

    def test_closed_kit(self, granted: Path, hooks: None) -> None:
        """
        A closed kit refuses, and the hook before is called all the same.
        """
        told: list[object] = []
        sys.excepthook = lambda *_: told.append(1)
        kit = open_kit(granted)
        crashes = kit.crash_capture("crashes").start()
        kit.close()
        with contextlib.closing(crashes):
            sys.excepthook(ValueError, ValueError("x"), None)

        assert told == [1]
        assert crashes.counts == CrashCounts(refused=1)

    def test_repr_counts(self, kit: consentkit.Kit) -> None:
        """
        The repr names the function and the counts.
        """
        assert repr(kit.crash_capture("crashes")) == (
            "<CrashCapture for crashes: CrashCounts(captured=0, refused=0, "
            "failed=0, discarded=0)>"
        )


def _fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


def _noted(text: str) -> Exception:
    error = ValueError()
    error.add_note(text)
    return error
