# SPDX-License-Identifier: MIT

"""
The clipboard: real X11 and Wayland ones, files, and hostile tools.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import runpy
import signal
import sqlite3
import subprocess
import sys
import time

from pathlib import Path

import pytest

import consentkit

from consentkit.anonymise.intents import Take
from consentkit.collectors import _clipboard_helper as helper
from consentkit.collectors.clipboard import (
    ClipboardSource,
    FileClipboard,
    best_clipboard_source,
    is_isolated,
)
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import ForgedPermitError
from consentkit.gate import Reason, Refusal
from consentkit.ledger.entries import Act
from consentkit.policy.model import Protection, ProtectionName
from tests.collectors.desktops import SYSTEMS, Desktop, wait_until
from tests.needs import need_tool
from tests.support import Spy, say_yes, small


HERE = Path(__file__).parent

CODE = "#AF3R09FQ#"
CARD = "6222024740954611130"
TEXT = f"转账到卡号 {CARD}【好友分享】口令 {CODE} 领红包"
TAKEN = Take("share_code", CODE)

NOTHING = Unavailable(
    "clipboard_share_code",
    "nothing on the clipboard matches what may be taken",
)
LATE = Unavailable(
    "clipboard_share_code", "the clipboard did not answer within the deadline"
)


def reason_of(answer: object) -> str:
    """
    Give the reason of an answer without a value.
    """
    assert isinstance(answer, Unavailable), "a value was given"
    return answer.reason


@pytest.fixture
def take_permit(make_permit):
    """
    Make a permit that lets some intents be taken.
    """

    def make(*intents: str):
        protection = Protection(name=ProtectionName.TAKE, intents=intents)
        return make_permit("clipboard_share_code", protection)

    return make


@pytest.fixture
def permit(take_permit):
    """
    Give a permit for share codes and links.
    """
    return take_permit("share_code", "link")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """
    Start without a display, in a home that marks what was started.
    """
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield tmp_path
    # What was killed may take a moment to be gone.
    wait_until(lambda: not started_from(tmp_path))


def started_from(home: Path) -> list[str]:
    """
    List the living processes, other than this, that were given *home*.
    """
    mark = f"HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text())
    return found


@pytest.fixture(params=["isolated", "in the app"])
def mode(request, monkeypatch):
    """
    Run a test in both modes.
    """
    if request.param == "in the app":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert is_isolated() == (request.param == "isolated")
    return request.param


# ---- files ---------------------------------------------------------------


class TestFileClipboard:
    """
    A file in the place of a clipboard.
    """

    def read(self, permit, folder: Path, content: str | bytes):
        """
        Read a file that holds *content*.
        """
        file = folder / "clipboard.txt"
        data = content.encode() if isinstance(content, str) else content
        file.write_bytes(data)
        return FileClipboard(file).read(permit)

    @pytest.mark.obligation("WP-CLIP-2")
    def test_only_the_code(self, permit, tmp_path, mode):
        """
        Of a text with a bank card and a code, the code is taken.
        """
        assert self.read(permit, tmp_path, TEXT) == TAKEN

    @pytest.mark.obligation("WP-CLIP-2")
    def test_secret_in_the_place_of_a_link(self, permit, tmp_path, mode):
        """
        A link in which the scrubber finds a key is not taken.
        """
        text = "https://e.com/?x=npm_abcdefghijklmnopqrstuvwxyz0123456789"

        assert self.read(permit, tmp_path, text) == NOTHING

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize(
        "text",
        ["", f"card {CARD}", "mum, see you at six", "\0\xff\xfe", "x" * 10**6],
    )
    def test_no_match(self, permit, tmp_path, mode, text):
        """
        Without a match the answer is always the same.
        """
        assert self.read(permit, tmp_path, text) == NOTHING

    def test_undeclared_intent(self, take_permit, tmp_path, mode):
        """
        What the policy does not declare is not taken.
        """
        assert self.read(take_permit("link"), tmp_path, TEXT) == NOTHING

    def test_not_utf8(self, permit, tmp_path, mode):
        """
        Bytes that are no text do not stop what stands beside them.
        """
        data = b"\xff\x80\xfe " + TEXT.encode()

        assert self.read(permit, tmp_path, data) == TAKEN

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf16(self, permit, tmp_path, mode, encoding):
        """
        A byte order mark tells UTF-16.
        """
        data = f"\ufeff{TEXT}".encode(encoding)

        assert self.read(permit, tmp_path, data) == TAKEN

    def test_nul(self, permit, tmp_path, mode):
        """
        A text does not end at a NUL.
        """
        assert self.read(permit, tmp_path, f"a\0b\0{TEXT}\0") == TAKEN

    def test_nothing_declared(self, take_permit, tmp_path):
        """
        With no intent declared, the file is not looked at.
        """
        answer = FileClipboard(tmp_path / "none").read(take_permit())

        assert reason_of(answer) == "the policy lets nothing be taken"

    def test_unknown_intent(self, take_permit, tmp_path, mode):
        """
        An intent that nobody knows takes nothing.
        """
        answer = self.read(take_permit("everything"), tmp_path, TEXT)

        assert reason_of(answer) == "the clipboard cannot be read"

    def test_missing(self, permit, tmp_path, mode):
        """
        A missing file is told.
        """
        answer = FileClipboard(tmp_path / "none").read(permit)

        assert reason_of(answer) == "the file cannot be read"

    def test_relative_path(self, permit, tmp_path, monkeypatch, mode):
        """
        A relative path means what it means to the app.
        """
        monkeypatch.chdir(tmp_path)
        Path("here.txt").write_text(TEXT, "utf-8")

        assert FileClipboard("here.txt").read(permit) == TAKEN

    @pytest.mark.parametrize("place", ["pipe", "/dev/zero", "."])
    def test_no_file(self, permit, tmp_path, mode, place):
        """
        What is no file is not read: it could block, or never end.
        """
        os.mkfifo(tmp_path / "pipe")
        answer = FileClipboard(tmp_path / place).read(permit)

        assert reason_of(answer) == "the file cannot be read"

    def test_content_is_never_served(self, make_permit, tmp_path):
        """
        There is no permit with which the whole content can be read.
        """
        source = FileClipboard(tmp_path / "none")

        with pytest.raises(ForgedPermitError):
            source.read(make_permit("clipboard_content"))
        assert source.reads == 0

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
    def test_deadline(self, seconds):
        """
        A read without a deadline cannot be set up.
        """
        with pytest.raises(ValueError, match="deadline_seconds"):
            FileClipboard("x", deadline_seconds=seconds)

    def test_repr(self, permit, tmp_path):
        """
        Neither source nor result shows what was taken.
        """
        file = tmp_path / "clipboard.txt"
        file.write_text(TEXT, "utf-8")
        source = FileClipboard(file)
        taken = source.read(permit)

        assert CODE not in f"{source!r} {taken!r} {taken}"

    def test_name_without_folders(self, tmp_path):
        """
        A file is named by its own name alone: folders name people.
        """
        source = FileClipboard(tmp_path / "olga" / "clipboard.txt")

        assert source.name == "the file clipboard.txt"
        assert "olga" not in repr(source)


APP = """
import runpy, sys
frozen, conftest, file = sys.argv[1:]
if frozen == "yes":
    sys.frozen = True
from consentkit.collectors.clipboard import FileClipboard
from consentkit.policy.model import Protection, ProtectionName
build = runpy.run_path(conftest)["build_permit"]
permit = build("clipboard_share_code", Protection(
    name=ProtectionName.TAKE, intents=("share_code",)))
taken = FileClipboard(file).read(permit)
print(taken.intent, flush=True)
sys.stdin.read()
"""


def count_in_memory(pid: int, text: str) -> int:
    """
    Count the copies of *text* in what a process can write to.
    """
    # Python keeps a text in one byte a character, or two.
    needles = text.encode(), text.encode("utf-16-le")
    maps = Path(f"/proc/{pid}/maps").read_text()
    count = 0
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for low, high in re.findall(r"(?m)^(\w+)-(\w+) rw", maps):
            start, end = int(low, 16), int(high, 16)
            with contextlib.suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                content = memory.read(end - start)
                count += sum(content.count(needle) for needle in needles)
    return count


@pytest.mark.obligation("WP-CLIP-2")
@pytest.mark.parametrize("frozen", ["no", "yes"])
def test_memory_of_the_app(tmp_path, frozen):
    """
    The rest of the text is nowhere in the app's memory.

    In the lesser mode it is, which shows that the search would find it.
    """
    secret = os.urandom(12).hex()
    file = tmp_path / "clipboard.txt"
    file.write_text(f"{secret} {TEXT} {secret} " * 20, "utf-8")
    command = [sys.executable, "-c", APP]
    arguments = [frozen, str(HERE / "conftest.py"), str(file)]
    with subprocess.Popen(
        command + arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as app:
        try:
            assert app.stdout is not None
            assert app.stdout.readline() == b"share_code\n"
            code = count_in_memory(app.pid, CODE)
            rest = count_in_memory(app.pid, secret)
        except PermissionError:
            pytest.skip("this system does not let memory be looked at")
        finally:
            app.kill()

    assert code > 0
    assert (rest == 0) == (frozen == "no")


# ---- real clipboards -----------------------------------------------------


@pytest.fixture(scope="module", params=SYSTEMS)
def running(request):
    """
    Run a window system for the tests of this module.
    """
    run, tools, copy, kind = SYSTEMS[request.param]
    need_tool(*tools)
    with run() as environ:
        yield request.param, environ, copy, kind


@pytest.fixture
def desktop(running, monkeypatch):
    """
    Give the running window system to one test.
    """
    name, environ, copy, kind = running
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    desktop = Desktop(name, copy, kind)
    yield desktop
    desktop.stop()


class TestRealClipboard:
    """
    X11 and Wayland, by their own tools.
    """

    @pytest.mark.obligation("WP-CLIP-2")
    def test_only_the_code(self, desktop, permit, mode):
        """
        Of a text with a bank card and a code, the code is taken.
        """
        desktop.copy(TEXT)
        source = best_clipboard_source()
        assert source is not None

        assert source.read(permit) == TAKEN
        assert source.reads == 1

    @pytest.mark.obligation("WP-CLIP-2")
    def test_no_match(self, desktop, permit, mode):
        """
        Without a match the answer is always the same.
        """
        desktop.copy(f"card {CARD}")

        assert ClipboardSource().read(permit) == NOTHING

    def test_nothing_copied(self, desktop, permit, mode):
        """
        An empty clipboard is as good as one without a match.
        """
        assert ClipboardSource().read(permit) == NOTHING

    def test_no_text(self, desktop, permit, mode):
        """
        A picture is not asked for.
        """
        desktop.copy(TEXT, "image/png")

        assert ClipboardSource().read(permit) == NOTHING

    def test_marked_as_secret(self, desktop, permit, mode):
        """
        What a password manager has marked is refused.
        """
        desktop.copy("secret", "x-kde-passwordManagerHint")

        assert "marked as a secret" in reason_of(
            ClipboardSource().read(permit)
        )

    def test_owner_that_hangs(self, desktop, permit, mode):
        """
        An owner that never answers holds nobody, and leaves nothing.
        """
        owner = desktop.copy(TEXT)
        owner.send_signal(signal.SIGSTOP)
        source = ClipboardSource(deadline_seconds=0.6)
        start = time.monotonic()
        answer = source.read(permit)
        taken = time.monotonic() - start

        # Wayland lists kinds without the owner; only the text hangs.
        assert answer == LATE
        assert 0.4 < taken < 20

    @pytest.mark.parametrize("at", ["beginning", "end"])
    def test_long_text(self, desktop, permit, mode, at):
        """
        Of 10 MB only the beginning is read.
        """
        rest = "x" * 10_000_000
        desktop.copy(TEXT + rest if at == "beginning" else rest + TEXT)
        start = time.monotonic()

        answer = ClipboardSource(deadline_seconds=30).read(permit)
        assert answer == (TAKEN if at == "beginning" else NOTHING)
        assert time.monotonic() - start < 20

    @pytest.mark.parametrize(
        "noise", [bytes(range(256)) * 20, b"\0" * 4_000, b"\xff\x80\xfe"]
    )
    def test_binary(self, desktop, permit, mode, noise):
        """
        Bytes that are no text do not stop what stands beside them.
        """
        # The tool would guess another kind.
        kind = "UTF8_STRING" if desktop.name == "x11" else "text/plain"
        desktop.copy(noise + TEXT.encode(), kind)

        assert ClipboardSource().read(permit) == TAKEN


# ---- hostile tools -------------------------------------------------------


@pytest.fixture
def fake_tool(monkeypatch, tmp_path):
    """
    Put a script in the place of xclip.
    """

    def make(script: str, name: str = "xclip") -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("DISPLAY", ":4242")
        return file

    return make


#: A tool that tells kinds when asked for them.
KINDS = 'case "$*" in *TARGETS*) echo UTF8_STRING; exit;; esac\n'


#: An app that reads from a clipboard whose tool hangs.
KILLED = """
import runpy, sys
from consentkit.collectors.clipboard import ClipboardSource
from consentkit.policy.model import Protection, ProtectionName
build = runpy.run_path(sys.argv[1])["build_permit"]
permit = build("clipboard_share_code", Protection(
    name=ProtectionName.TAKE, intents=("share_code",)))
ClipboardSource(deadline_seconds=3).read(permit)
"""


class TestTool:
    """
    Tools that misbehave, or are not there.
    """

    @pytest.mark.parametrize("before", ["", KINDS])
    @pytest.mark.parametrize(
        "script",
        [
            "sleep 60",
            "trap '' TERM HUP INT; sleep 60 & sleep 60",
            "exec >&-; sleep 0.1; exec sleep 60 >/dev/null",
            "while :; do echo complaint >&2; done",
            f"echo {CODE}; sleep 60",
        ],
    )
    def test_hanging(self, fake_tool, permit, mode, before, script):
        """
        A tool that hangs ends at the deadline, with all that it started.
        """
        fake_tool(before + script)
        start = time.monotonic()
        answer = ClipboardSource(deadline_seconds=0.5).read(permit)

        assert answer in (LATE, NOTHING)
        assert time.monotonic() - start < 20

    def test_what_a_tool_leaves_running(self, fake_tool, permit, mode):
        """
        A tool that answers, but leaves a process, leaves none.
        """
        fake_tool(
            "sleep 60 >/dev/null 2>&1 &\n" + KINDS + f"echo '口令 {CODE}'"
        )

        assert ClipboardSource().read(permit) == TAKEN

    def test_endless_text(self, fake_tool, permit, mode):
        """
        A tool that never stops printing is stopped.
        """
        fake_tool(KINDS + "exec yes")
        start = time.monotonic()

        assert ClipboardSource().read(permit) == NOTHING
        assert time.monotonic() - start < 20

    @pytest.mark.parametrize("before", ["", KINDS])
    def test_helper_that_is_killed(self, fake_tool, permit, before):
        """
        Where somebody kills the helper, its tool ends with it.
        """
        fake_tool(before + "sleep 60 & kill -9 $PPID; sleep 60")
        source = ClipboardSource(deadline_seconds=30)

        answer = source.read(permit)
        assert reason_of(answer) == "the clipboard cannot be read"

    def test_app_that_is_killed(self, fake_tool, home):
        """
        Where somebody kills the app, helper and tool end at the deadline,
        with what the tool left running.
        """
        fake_tool('sleep 60 & touch "$HOME/called"; sleep 60')
        command = [sys.executable, "-c", KILLED, str(HERE / "conftest.py")]
        with subprocess.Popen(command) as app:
            wait_until((home / "called").exists)
            app.kill()

        wait_until(lambda: not started_from(home))

    def test_secret_is_not_asked_for(self, fake_tool, permit, mode, home):
        """
        The text of what is marked as a secret is never asked for.
        """
        fake_tool(
            'echo "$@" >> "$HOME/calls"\n'
            "printf 'UTF8_STRING\\nx-kde-passwordManagerHint\\n'"
        )
        answer = ClipboardSource().read(permit)

        assert "marked as a secret" in reason_of(answer)
        assert (home / "calls").read_text().splitlines() == [
            "-selection clipboard -o -target TARGETS"
        ]

    @pytest.mark.parametrize(
        "hint",
        [
            "X-KDE-PasswordManagerHint",
            "ExcludeClipboardContentFromMonitorProcessing",
            "org.nspasteboard.ConcealedType",
        ],
    )
    def test_other_marks_of_a_secret(self, fake_tool, permit, mode, hint):
        """
        The marks of other systems, which remote desktops carry over, count.
        """
        fake_tool(f"printf 'UTF8_STRING\\n{hint}\\n'")

        answer = ClipboardSource().read(permit)
        assert "marked as a secret" in reason_of(answer)

    def test_secret_copied_meanwhile(self, fake_tool, permit, mode):
        """
        A secret that is copied between the look at the marks and the reading
        of the text is not given out.
        """
        fake_tool(
            'case "$*" in *TARGETS*) echo UTF8_STRING; '
            '[ -e "$HOME/read" ] && echo x-kde-passwordManagerHint; exit;; '
            f"esac\ntouch \"$HOME/read\"; echo '口令 {CODE}'"
        )

        answer = ClipboardSource().read(permit)
        assert "marked as a secret" in reason_of(answer)

    @pytest.mark.parametrize(
        "kind",
        ["text/plain;charset=UTF-8", "text/plain; charset=utf-8", "TEXT"],
    )
    def test_spelling_of_kinds(self, fake_tool, permit, mode, kind):
        """
        A kind is asked for as its owner spells it.
        """
        fake_tool(
            f"case \"$*\" in *TARGETS*) echo '{kind}';; "
            f"*'-target {kind}') echo '口令 {CODE}';; esac"
        )

        assert ClipboardSource().read(permit) == TAKEN

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
    def test_latin_text(self, fake_tool, permit, mode, home, encoding):
        """
        What X11 calls a STRING is Latin-1, unless it is UTF-8 after all.
        """
        (home / "text").write_bytes("é ¥abcdefgh¥ é".encode(encoding))
        fake_tool(
            'case "$*" in *TARGETS*) echo STRING;; *) cat "$HOME/text";; esac'
        )

        taken = ClipboardSource().read(permit)
        assert taken == Take("share_code", "¥abcdefgh¥")

    def test_greedy_tool(self, fake_tool, permit):
        """
        The helper's process, and what it starts, have bounded memory, and
        leave no core file of what they read.
        """
        fake_tool(
            '{ ulimit -v; ulimit -c; } >> "$HOME/limits"\n'
            + KINDS
            + f'exec {sys.executable} -c "bytearray(2**30); print(1)"'
        )

        answer = ClipboardSource(deadline_seconds=30).read(permit)
        assert reason_of(answer) == "the clipboard cannot be read"
        limits = Path(os.environ["HOME"], "limits").read_text().split()
        assert set(limits) == {"262144", "0"}

    def test_environment(self, fake_tool, permit, monkeypatch, home):
        """
        The tool is given what it needs of the environment, and no more.
        """
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
        fake_tool('env > "$HOME/environ"')
        ClipboardSource().read(permit)
        lines = (home / "environ").read_text().splitlines()
        names = {line.partition("=")[0] for line in lines}

        assert names - {"PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"} == {
            "DISPLAY",
            "HOME",
            "PATH",
        } | ({"XDG_RUNTIME_DIR"} & set(os.environ))

    @pytest.mark.parametrize(
        ("complaint", "reason"),
        [
            ("Error: Can't open display: :4242", "cannot be opened"),
            ("Failed to connect to a Wayland server", "cannot be opened"),
            ("Error: target TARGETS not available", "nothing on the"),
            ("No selection", "nothing on the clipboard"),
            (f"planted {CARD}", "the clipboard cannot be read"),
        ],
    )
    def test_complaints(self, fake_tool, permit, mode, complaint, reason):
        """
        A tool's complaint chooses a reason of ours; its text stays inside.
        """
        fake_tool(f'echo "{complaint}" >&2; exit 1')
        answer = ClipboardSource().read(permit)

        assert reason in reason_of(answer)
        assert CARD not in reason_of(answer)

    @pytest.mark.need_tool("xclip")
    def test_display_that_is_not_there(self, permit, monkeypatch, mode):
        """
        The real tool without its display is told as that.
        """
        monkeypatch.setenv("DISPLAY", ":4242")

        answer = ClipboardSource().read(permit)
        assert "display of the clipboard cannot be opened" in reason_of(answer)

    def test_no_display(self, permit):
        """
        Without a window system there is no clipboard, and it says why.
        """
        assert best_clipboard_source() is None
        assert "DISPLAY are not set" in reason_of(
            ClipboardSource().read(permit)
        )

    @pytest.mark.parametrize(
        ("variable", "cure"),
        [
            ("DISPLAY", "xclip is not installed; install xclip"),
            ("WAYLAND_DISPLAY", "is not installed; install wl-clipboard"),
        ],
    )
    def test_no_tool(self, permit, monkeypatch, variable, cure):
        """
        A tool that is missing is named, with its package.
        """
        monkeypatch.setenv(variable, "4242")
        monkeypatch.setenv("PATH", "/nowhere")

        assert best_clipboard_source() is None
        assert cure in reason_of(ClipboardSource().read(permit))

    def test_both_window_systems(self, fake_tool, monkeypatch):
        """
        Where both are, Wayland comes first if its tool is there.
        """
        fake_tool("exit 1")
        fake_tool("exit 1", "wl-paste")
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-9")

        source = best_clipboard_source()
        assert source is not None
        assert source.name == "the clipboard, by wl-paste"

    def test_choice_reads_nothing(self, fake_tool, home):
        """
        Looking for the best clipboard starts no tool.
        """
        fake_tool('touch "$HOME/called"')

        source = best_clipboard_source()
        assert source is not None
        assert source.reads == 0
        assert not (home / "called").exists()

    def test_unknown_tool(self):
        """
        Only tools that can tell a secret may be named.
        """
        with pytest.raises(ValueError, match="wl-paste, xclip"):
            ClipboardSource(tool="xsel")


#: A tool whose owner tells when it was copied, and that counts.
STAMPED = (
    'echo "$@" >> "$HOME/calls"\n'
    'case "$*" in\n'
    "*TARGETS*) printf 'TIMESTAMP\\nUTF8_STRING\\n';;\n"
    '*TIMESTAMP*) cat "$HOME/stamp";;\n'
    f"*) echo '口令 {CODE}';;\n"
    "esac"
)

AGAIN = "what is on the clipboard was already read in this scene"


class TestOnce:
    """
    The same content is not read again in the same scene.
    """

    @pytest.fixture
    def stamped(self, fake_tool, home):
        """
        Give a tool with a stamp, and what counts its readings of text.
        """
        fake_tool(STAMPED)

        def copy(stamp: str) -> None:
            (home / "stamp").write_text(stamp)

        def texts() -> int:
            calls = (home / "calls").read_text()
            return calls.count("-target UTF8_STRING")

        return copy, texts

    @pytest.mark.obligation("WP-CLIP-5")
    def test_unchanged(self, stamped, permit, mode):
        """
        On coming back twice with unchanged content the text is asked for
        once; after a new copy, or in another scene, again.
        """
        copy, texts = stamped
        source = ClipboardSource()
        copy("52001\n")

        assert source.read(permit, scene="share") == TAKEN
        for _ in range(2):
            answer = source.read(permit, scene="share")
            assert reason_of(answer) == AGAIN
        assert texts() == 1
        assert source.read(permit, scene="activity") == TAKEN
        copy("60007\n")
        assert source.read(permit, scene="share") == TAKEN
        assert texts() == 3

    @pytest.mark.parametrize(
        "stamp", ["0", "", "491096 is your code", "99999999999", "-1", "٤٢"]
    )
    def test_no_stamp(self, stamped, permit, mode, stamp):
        """
        What is no time of a copy is not kept in its place.
        """
        copy, texts = stamped
        source = ClipboardSource()
        copy(stamp)

        for _ in range(2):
            assert source.read(permit, scene="share") == TAKEN
        assert texts() == 2

    @pytest.mark.parametrize("how", ["no scene", "not wanted"])
    def test_not_asked(self, stamped, permit, home, how):
        """
        Without a scene, or where the app wants it so, nobody asks for a
        time, and each read is one.
        """
        _, texts = stamped
        source = ClipboardSource(reads_once=how == "no scene")
        scene = "" if how == "no scene" else "share"

        for _ in range(2):
            assert source.read(permit, scene=scene) == TAKEN
        assert texts() == 2
        assert "TIMESTAMP" not in (home / "calls").read_text()

    def test_owner_that_does_not_tell(self, fake_tool, permit, home, mode):
        """
        An owner that names no time is not asked for one: it could answer
        with its content.
        """
        fake_tool(f'echo "$@" >> "$HOME/calls"\n{KINDS}echo "口令 {CODE}"')
        source = ClipboardSource()

        for _ in range(2):
            assert source.read(permit, scene="share") == TAKEN
        assert "TIMESTAMP" not in (home / "calls").read_text()

    def test_late_is_not_read(self, fake_tool, permit, home):
        """
        A read that was late is none, so that the next one reads.
        """
        (home / "stamp").write_text("7")
        fake_tool(
            STAMPED.replace(
                "*) echo",
                '*) [ -e "$HOME/late" ] || { touch "$HOME/late"; sleep 60; }\n'
                "echo",
            )
        )
        source = ClipboardSource(deadline_seconds=3)

        assert source.read(permit, scene="share") == LATE
        assert source.read(permit, scene="share") == TAKEN

    def test_new_consent(self, stamped, take_permit, mode):
        """
        Many consents later nothing is kept of the old ones.
        """
        copy, texts = stamped
        source = ClipboardSource()
        copy("7")
        for number in range(70):
            answer = source.read(
                take_permit("share_code"), scene=f"scene {number}"
            )
            assert answer == TAKEN
            if number == 2 and mode == "isolated":
                return  # a process each, the same rule
        assert texts() == 70
        assert len(source._marks) < 70

    @pytest.mark.obligation("WP-CLIP-5")
    def test_file(self, permit, tmp_path, mode):
        """
        A file is read again once it was written again.
        """
        file = tmp_path / "clipboard.txt"
        file.write_text(f"card {CARD}", "utf-8")
        source = FileClipboard(file)

        assert source.read(permit, scene="share") == NOTHING
        assert reason_of(source.read(permit, scene="share")) == AGAIN
        file.write_text(TEXT, "utf-8")
        os.utime(file, ns=(1, 2))
        assert source.read(permit, scene="share") == TAKEN


# ---- the ledger of reads -------------------------------------------------


class TestLedger:
    """
    Every real read stands in the ledger, with nothing of the content.
    """

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.parametrize(
        ("given", "found"),
        [
            (TAKEN, "yes"),
            (Take("share_code", f"card {CARD}"), "no"),
            (Take("link", "https://a.b/?token=AKIAIOSFODNN7EXAMPLE"), "no"),
            (Take("link", "https://a.b/" + "a" * 1_000_000), "no"),
            (Take("link", None), "no"),  # type: ignore[arg-type]
            (CODE, "no"),
            (None, "no"),
        ],
        ids=["fit", "card", "secret", "1 MB", "no value", "text", "nothing"],
    )
    def test_own_source(self, tmp_path, given, found):
        """
        What an app's own source gives is held to what ours give: no secret,
        nothing long, nothing but a code or a link; the ledger says so too.
        """
        source = Spy("clipboard_share_code", given)
        with make_kit(tmp_path, "paste", sources=[source]) as kit:
            with kit.use("paste") as use:
                taken = use.clipboard("receive_share")
            ((_, said),) = reads_of(kit)

        assert said == found
        if found == "yes":
            assert (taken.intent, taken.value) == TAKEN
        else:
            assert taken == Unavailable(
                "clipboard_share_code",
                "spy of clipboard_share_code gave nothing that may be taken",
            )

    @pytest.mark.obligation("WP-CLIP-4", "WP-CLIP-2")
    def test_each_read(self, tmp_path):
        """
        A match, no match, no file and what is no file are one line each, and
        one of what came of it; a refused read is none. Neither length nor
        hash of a text is kept.
        """
        file = tmp_path / "clipboard.txt"
        source = FileClipboard(file, reads_once=False, deadline_seconds=30)
        texts = [TEXT, f"card {CARD}", "", None, "x" * 70_001]
        with make_kit(tmp_path / "app", sources=[source]) as kit:
            with kit.use("paste") as use:
                assert not use.clipboard("receive_share")
            say_yes(kit.consent, "paste")
            for text in texts:
                file.unlink(missing_ok=True)
                if text is not None:
                    file.write_text(text, "utf-8")
                with kit.use("paste") as use:
                    use.clipboard("receive_share")
                    assert not use.clipboard("elsewhere")
            reads = reads_of(kit)
            everything = " ".join(e.body for e in kit.consent.history())

        assert source.reads == len(reads) == len(texts)
        assert {frozenset(e.facts.items()) for e, _ in reads} == {
            frozenset(
                {("type", "clipboard_share_code"), ("scene", "receive_share")}
            )
        }
        assert [found for _, found in reads] == ["yes", "no", "no", "no", "no"]
        for text in filter(None, texts):
            assert text[:12] not in everything
            for algorithm in (hashlib.md5, hashlib.sha256):
                digest = algorithm(text.encode()).hexdigest()
                assert digest not in everything
        assert CODE not in everything

    @pytest.mark.obligation("WP-CLIP-4")
    def test_late_read(self, fake_tool, tmp_path):
        """
        A read that ends at its deadline, and one that no display answers,
        are one line each.
        """
        fake_tool(KINDS + "sleep 60")
        source = ClipboardSource(deadline_seconds=0.5)
        with make_kit(tmp_path / "app", "paste", sources=[source]) as kit:
            with kit.use("paste") as use:
                assert use.clipboard("receive_share") == LATE
            fake_tool('echo "Error: Can\'t open display" >&2; exit 1')
            with kit.use("paste") as use:
                answer = use.clipboard("receive_share")
                assert "cannot be opened" in reason_of(answer)
            reads = reads_of(kit)

        assert [found for _, found in reads] == ["no", "no"]
        assert source.reads == 2

    @pytest.mark.obligation("WP-CLIP-4")
    def test_killed_after_the_read(self, tmp_path):
        """
        What was read is on record, although the app dies before it can say
        what came of it.
        """
        (tmp_path / "clipboard.txt").write_text(TEXT, "utf-8")
        done = subprocess.run(
            [sys.executable, "-c", DYING, str(tmp_path)],
            cwd=HERE.parents[1],
            check=False,
        )
        with make_kit(tmp_path / "app", sources=[]) as kit:
            reads = reads_of(kit)

        assert done.returncode == -signal.SIGKILL
        assert [found for _, found in reads] == ["the app ended"]
        assert reads[0][0].facts["scene"] == "receive_share"

    @pytest.mark.obligation("WP-CLIP-4")
    def test_ledger_that_is_held(self, tmp_path, an_hour):
        """
        While another process holds the ledger nothing is read, and the
        refusal names the ledger; it comes long before anything else that is
        written would give up.
        """
        file = tmp_path / "clipboard.txt"
        file.write_text(TEXT, "utf-8")
        source = FileClipboard(file)
        folder = tmp_path / "app"
        with (
            make_kit(folder, "paste", sources=[source]) as kit,
            kit.use("paste") as use,
        ):
            with holding(folder):
                answer = use.clipboard("receive_share")
            reads = reads_of(kit)
            found = use.clipboard("receive_share")

        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.LEDGER_UNREADABLE
        assert "another process holds the file" in answer.detail
        assert len(reads) == 0
        assert found
        assert source.reads == 1

    @pytest.mark.obligation("WP-CLIP-4")
    def test_ledger_that_is_held_meanwhile(self, tmp_path, an_hour):
        """
        Where the ledger is held when it was read, the read is on record all
        the same, and nothing is given out; that is soon said as well.
        """
        file = tmp_path / "clipboard.txt"
        file.write_text(TEXT, "utf-8")
        folder = tmp_path / "app"
        with contextlib.ExitStack() as stack:

            class Holding(FileClipboard):
                def _read(self, permit, **options):
                    stack.enter_context(holding(folder))
                    return super()._read(permit, **options)

            source = Holding(file)
            kit = stack.enter_context(
                make_kit(folder, "paste", sources=[source])
            )
            use = stack.enter_context(kit.use("paste"))
            answer = use.clipboard("receive_share")
            reads = reads_of(kit)

        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.LEDGER_UNREADABLE
        assert CODE not in str(answer)
        assert [found for _, found in reads] == ["the app ended"]
        assert source.reads == 1

    @pytest.mark.obligation("WP-CLIP-4")
    def test_past_the_use(self, tmp_path):
        """
        A read by the source's own door, which nobody put on record, is an
        error and reads nothing, whatever scene it names.
        """
        file = tmp_path / "clipboard.txt"
        file.write_text(TEXT, "utf-8")
        source = FileClipboard(file)
        with (
            make_kit(tmp_path / "app", "paste", sources=[source]) as kit,
            kit.use("paste") as use,
        ):
            permit = use.permit("clipboard_share_code")
            assert isinstance(permit, consentkit.Permit)
            for how in ({}, {"scene": "receive_share"}):
                with pytest.raises(RuntimeError, match="on record first"):
                    source.read(permit, **how)
            assert source.reads == 0
            assert use.clipboard("receive_share")
            assert len(reads_of(kit)) == source.reads == 1

    @pytest.mark.obligation("WP-CLIP-4")
    def test_interrupted_read(self, tmp_path):
        """
        A read that Ctrl-C ends is on record, with its end.
        """

        class Interrupted(FileClipboard):
            def _read(self, permit, **options):
                raise KeyboardInterrupt

        source = Interrupted(tmp_path / "none")
        with make_kit(tmp_path / "app", "paste", sources=[source]) as kit:
            with kit.use("paste") as use, pytest.raises(KeyboardInterrupt):
                use.clipboard("receive_share")
            reads = reads_of(kit)

        assert [found for _, found in reads] == ["no"]

    @pytest.mark.obligation("WP-CLIP-4")
    def test_what_was_not_read_after_all(self, tmp_path):
        """
        A source that will not be asked again so soon was not read, and the
        ledger says so.
        """
        file = tmp_path / "clipboard.txt"
        file.write_text(TEXT, "utf-8")
        source = FileClipboard(file)
        source.min_interval_seconds = 3600
        with make_kit(tmp_path / "app", "paste", sources=[source]) as kit:
            with kit.use("paste") as use:
                assert use.clipboard("receive_share")
                answer = use.clipboard("receive_share")
            reads = reads_of(kit)

        assert "was just asked" in reason_of(answer)
        assert [found for _, found in reads] == ["yes", "not_read"]
        assert source.reads == 1


#: An app that dies when it has read.
DYING = """
import os, signal, sys
from pathlib import Path
from consentkit.collectors.clipboard import FileClipboard
from tests.collectors.test_clipboard import make_kit

class Dying(FileClipboard):
    def _read(self, permit, **options):
        super()._read(permit, **options)
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
source = Dying(folder / "clipboard.txt")
with make_kit(folder / "app", "paste", sources=[source]) as kit:
    with kit.use("paste") as use:
        use.clipboard("receive_share")
"""


@pytest.fixture
def an_hour(monkeypatch):
    """
    Let everything wait an hour for a file that another process holds, and
    so for ever, unless it has a bound of its own.
    """
    monkeypatch.setattr("consentkit._sqlite._BUSY_SECONDS", 3600.0)


@contextlib.contextmanager
def holding(folder):
    """
    Hold the ledger, as another process that writes to it does.
    """
    file = folder / "ledger.sqlite3"
    with contextlib.closing(
        sqlite3.connect(file, isolation_level=None)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def make_kit(folder, *grants, sources):
    """
    Open a kit under the small policy, and grant.
    """
    kit = consentkit.open(small(), data_dir=folder, sources=sources)
    for element in grants:
        say_yes(kit.consent, element)
    return kit


def reads_of(kit):
    """
    Give the reads that the ledger has, each with what came of it.
    """
    history = kit.consent.history("paste")
    ended = {
        e.facts["of"]: e.facts["found"]
        for e in history
        if e.act is Act.READ_ENDED
    }
    return [
        (e, ended.get(e.hash, "the app ended"))
        for e in history
        if e.act is Act.READ
    ]


# ---- the figures ---------------------------------------------------------


@pytest.fixture(scope="module")
def figures():
    """
    Give what `benchmarks/clipboard.py` defines.
    """
    script = HERE.parent.parent / "benchmarks" / "clipboard.py"
    return runpy.run_path(str(script))


class TestFigures:
    """
    The script that measures, with few rounds.
    """

    @pytest.mark.obligation("WP-CLIP-2")
    def test_takes(self, figures):
        """
        Through a kit, nothing is taken without an intent, and exactly the
        labelled part with one; each read is in the ledger.
        """
        rows = figures["rows_of"](figures["DATA"])[::25]
        takes = figures["count_takes"](rows)

        assert takes.plain > 0
        assert takes.plain_taken == 0
        assert takes.exact == takes.marked > 0
        assert takes.ledger_reads == len(rows) == takes.plain + takes.marked
        assert takes.leaked == 0

    @pytest.mark.obligation("WP-CLIP-2")
    @pytest.mark.skipif(
        not Path("/proc/self/mem").exists(), reason="memory is Linux' file"
    )
    @pytest.mark.parametrize("in_app", [False, True])
    def test_memory(self, figures, in_app):
        """
        What did not match is nowhere in the app's memory; in the lesser mode
        it is, which shows that the search finds it.
        """
        search = figures["is_found_after_read"]
        try:
            # What is freed may be written over at once, so the lesser mode
            # has some tries.
            tries = 8 if in_app else 2
            found = any(search(in_app=in_app) for _ in range(tries))
        except PermissionError:
            pytest.skip("this system does not let memory be looked at")

        assert found == in_app


class TestHelper:
    """
    The process that reads in the app's place.
    """

    @pytest.mark.parametrize(
        "code",
        [
            "print('nonsense')",
            "print('[1]')",
            'print(\'{"reason": "planted"}\')',
            'print(\'{"intent": 1, "value": 2}\')',
            "raise SystemExit(3)",
            "import os; os.close(0)",
            "print('x' * 10**6)",
        ],
    )
    def test_nonsense(self, permit, tmp_path, monkeypatch, code):
        """
        What is no answer of the helper is no value.
        """
        file = tmp_path / "helper.py"
        file.write_text(code)
        monkeypatch.setattr(helper, "__file__", str(file))
        answer = FileClipboard(tmp_path / "none").read(permit)

        assert reason_of(answer) == "the clipboard cannot be read"

    def test_helper_that_hangs(self, permit, tmp_path, monkeypatch):
        """
        A helper that hangs is ended with all of its session.
        """
        file = tmp_path / "helper.py"
        file.write_text("import os, time; os.fork(); time.sleep(60)")
        monkeypatch.setattr(helper, "__file__", str(file))
        source = FileClipboard(tmp_path / "none", deadline_seconds=0.5)

        assert source.read(permit) == LATE

    @pytest.mark.parametrize(
        "executable", ["", None, "/usr/bin/uwsgi", "/opt/app/camera"]
    )
    def test_no_python_to_start(
        self, permit, tmp_path, monkeypatch, executable
    ):
        """
        Where no Python can be started, the same rules run in the app.
        """
        file = tmp_path / "clipboard.txt"
        file.write_text(TEXT, "utf-8")
        monkeypatch.setattr(sys, "executable", executable)

        assert not is_isolated()
        assert FileClipboard(file).read(permit) == TAKEN

    def test_runs_alone(self):
        """
        The helper and its rules need neither packages nor the app, until
        something matched.
        """
        rules = sys.modules[Take.__module__].__file__
        code = (
            "import runpy, sys; "
            f"runpy.run_path({helper.__file__!r}); runpy.run_path({rules!r}); "
            "assert not {'attrs', 'attr', 'consentkit'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
