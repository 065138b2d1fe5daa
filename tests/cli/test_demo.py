# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit demo``: what it shows, what it leaves, and that its
figures come from outside the library.
"""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time

from pathlib import Path
from typing import Any

import pytest

from consentkit.cli._common import Style
from consentkit.ledger.sqlite import SQLiteLedger
from tests.cli.shell import COMMAND, Terminal, environment, run
from tests.needs import need_tool


pytestmark = pytest.mark.need_extra("demo")

# No window system: what is on the clipboard of whoever runs the tests is
# nobody's business.
NO_DISPLAY: dict[str, str | None] = {"DISPLAY": None, "WAYLAND_DISPLAY": None}


def figures(
    *, sabotage: str = "", env: dict[str, str | None] | None = None
) -> dict[str, Any]:
    """
    Run the demo with --json, after *sabotage*, and give its figures.

    The exit code has to agree with them.
    """
    code = (
        f"{sabotage}\n"
        "from consentkit.cli import main\n"
        "raise SystemExit(main(['demo', '--json']))"
    )
    ran = run(
        command=(COMMAND[0], "-c", code), env={**NO_DISPLAY, **(env or {})}
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    assert ran.returncode == (0 if found["kept_promise"] else 1), ran.stderr
    assert found["kept_promise"] is not bool(found["broken"])
    return found


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """
    Give the figures of a run that nobody disturbs.
    """
    return figures()


class TestFigures:
    """
    Tests for what ``--json`` tells.
    """

    @pytest.mark.obligation("WP-CONS-1", "WP-ADD-2", "WP-ADD-3", "WP-HASH-1")
    def test_as_promised(self, good: dict[str, Any]) -> None:
        """
        On this machine every figure is as the policy promises.
        """
        found = good

        assert found["kept_promise"] is True
        assert found["refused_before_choice"] == found["tried_before_choice"]
        assert found["refused_before_choice"] > 100
        zero = {
            "reads_before_choice",
            "files_before_choice",
            "duplicates",
            "after_withdrawal",
            "raw_identifiers_seen_by_backend",
        }
        assert {name: found[name] for name in zero} == dict.fromkeys(zero, 0)
        more = {
            "captured",
            "delivered",
            "destroyed_on_withdrawal",
            "raw_identifiers_looked_for",
            "refused_after_withdrawal",
        }
        assert all(found[name] > 0 for name in more)
        assert found["arrivals"] > found["delivered"]
        assert "clipboard.txt (there is no clipboard" in found["clipboard"]
        assert found["seconds"] < 20

    def test_counts_the_sources_own_reads(self, good: dict[str, Any]) -> None:
        """
        The sources' own counters are in it, and some were really read.
        """
        sources = good["sources"]

        assert sources["the app's log"] > 0
        assert any("track.gpx" in s and n for s, n in sources.items())
        assert any("clipboard.txt" in s and n == 1 for s, n in sources.items())


# In a container neither is the device's own, and no source gives it; here it
# is given all the same, so that there is something to see.
AS_ITS_OWN = """
import psutil
import consentkit.collectors.machine_id as m
import consentkit.collectors.network as net
m.find_container = lambda root: None
net._mac = lambda _: next(
    a.address for found in psutil.net_if_addrs().values() for a in found
    if a.family == psutil.AF_LINK and a.address.strip('0:')
)
"""


class TestSabotage:
    """
    Each figure is taken from outside: it sees what the library hides.
    """

    @pytest.mark.obligation("WP-CONS-2")
    def test_consent_by_default(self) -> None:
        """
        Were everything granted at the start, it would show.
        """
        found = figures(
            sabotage="""
import consentkit.kit as k
original = k.Kit.__init__
def begin(self, *a, **o):
    original(self, *a, **o)
    self.consent.declare_age(adult=True)
    for element in self.policy.elements:
        self.consent.show(element)
        self.consent.grant(element, method="confirm")
k.Kit.__init__ = begin
"""
        )

        assert found["refused_before_choice"] < found["tried_before_choice"]
        assert found["reads_before_choice"] > 0
        assert found["files_before_choice"] > 0

    @pytest.mark.obligation("WP-ADD-2")
    def test_peeking_source(self) -> None:
        """
        Were a source read although the answer is a refusal, it would show.
        """
        found = figures(
            sabotage="""
import consentkit.use as u
original = u.Use.device
def peek(self, *a, **o):
    source = self._kit.source('os_version')
    source._reads += 1
    return original(self, *a, **o)
u.Use.device = peek
"""
        )

        assert found["refused_before_choice"] == found["tried_before_choice"]
        assert found["reads_before_choice"] > 0

    @pytest.mark.obligation("WP-HASH-1")
    @pytest.mark.parametrize("name", ["MD5", "KEYED"])
    def test_protection_that_does_nothing(self, name: str) -> None:
        """
        Were a protection to hand on what was read, it would show.
        """
        found = figures(
            sabotage=f"""
import consentkit.anonymise.protect as p
from consentkit.policy.model import ProtectionName as n
p.STEPS = {{**p.STEPS, n.{name}: p.STEPS[n.NONE]}}
{AS_ITS_OWN}"""
        )
        has_it = {
            "MD5": bool(own_identifiers()["macs"]),
            "KEYED": bool(own_identifiers()["ids"]),
        }

        assert bool(found["raw_identifiers_seen_by_backend"]) is has_it[name]

    def test_scrub_rule_removed(self) -> None:
        """
        Were one rule of the scrubber to go, it would show.
        """
        found = figures(
            sabotage="""
import consentkit.anonymise.scrub as s
kept = tuple(r for r in s.RULES if r.type != 'EMAIL')
assert len(kept) < len(s.RULES)
lesser = s._of(kept)
s.default_scrubber = lambda: lesser
"""
        )

        assert found["raw_identifiers_seen_by_backend"] == 1
        assert "a raw value has left" in found["broken"]

    def test_leaking_header(self) -> None:
        """
        Were a transport to tell more beside the batch, it would show.
        """
        found = figures(
            sabotage="""
import httpx
try:
    import httpx2
except ImportError:
    httpx2 = httpx
for library in {httpx, httpx2}:
    def leak(self, request, _original=library.Client.send, **o):
        request.headers['X-User'] = 'mei.lin@example.com'
        return _original(self, request, **o)
    library.Client.send = leak
"""
        )

        assert found["raw_identifiers_seen_by_backend"] == 1

    def test_receiver_that_stores_twice(self) -> None:
        """
        Were the backend to store what comes again, it would show.
        """
        found = figures(
            sabotage="""
import attrs, uuid
import consentkit.receiver.store as s
original = s._put_one
def twice(rows, batch, record, at):
    verdict = original(rows, batch, record, at)
    if verdict.outcome == 'duplicate':
        again = attrs.evolve(record, id=str(uuid.uuid4()))
        return original(rows, batch, again, at)
    return verdict
s._put_one = twice
"""
        )

        assert found["duplicates"] > 0
        assert "a record is stored twice" in found["broken"]

    def test_receiver_that_stores_nothing(self) -> None:
        """
        Were the backend to say "stored" and store nothing, it would show.
        """
        found = figures(
            sabotage="""
import consentkit.receiver.store as s
s._put_one = lambda *_: s.Verdict(outcome='stored')
"""
        )

        assert found["delivered"] == 0
        assert "nothing was delivered" in found["broken"]

    @pytest.mark.obligation("WP-ADD-3")
    def test_withdrawal_that_destroys_nothing(self) -> None:
        """
        Were a withdrawal to leave the waiting records, it would show.
        """
        found = figures(
            sabotage="""
import consentkit.outbox.store as s
from consentkit.consent.results import Destroyed
s.OutboxStore.destroy = lambda *a, **o: Destroyed(records=8)
"""
        )

        assert found["destroyed_on_withdrawal"] == 0
        assert "the withdrawal destroyed nothing" in found["broken"]

    def test_backend_that_does_not_erase(self) -> None:
        """
        Were the backend to keep what was withdrawn, it would show.
        """
        found = figures(
            sabotage="""
import consentkit.receiver.store as s
s.Store.erase = lambda *a, **o: s.Erased(outcome='erased', records=8)
"""
        )

        assert found["after_withdrawal"] > 0

    @pytest.mark.obligation("WP-ADD-3")
    def test_withdrawal_that_does_not_hold(self) -> None:
        """
        Were a withdrawal not to stop the function, it would show.
        """
        found = figures(
            sabotage="""
import consentkit.consent.choices as c
c.Consent.withdraw = lambda *a, **o: c.Withdrawal(entries=())
"""
        )

        assert found["refused_after_withdrawal"] < 4
        assert found["kept_promise"] is False


@functools.cache
def own_identifiers() -> dict[str, list[str]]:
    """
    Give what the demo can find of this machine's own identifiers.
    """
    code = (
        "import json, sys\n"
        "from consentkit.cli.demo import example_folder, _import_story\n"
        "s = _import_story(example_folder())\n"
        "print(json.dumps({'macs': s._macs(), 'ids': s._machine_ids()}))"
    )
    ran = run(command=(COMMAND[0], "-c", code))
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


class TestStory:
    """
    Tests for the story that a person reads.
    """

    def test_on_a_screen(self) -> None:
        """
        It is told in order, in colour, on less than 100 lines of 80
        columns, without a raw identifier.
        """
        with Terminal("demo", env=NO_DISPLAY) as terminal:
            assert terminal.end() == 0

        lines = terminal.plain.splitlines()
        story = lines[: lines.index("Where to look next")]
        assert len(lines) < 100
        assert max(map(len, story)) <= 80
        chapters = [x for x in story if re.match(r"\d\. ", x)]
        assert [x[0] for x in chapters] == list("1234567")
        assert "\x1b[32m" in terminal.screen
        assert "Every figure is as the policy promises." in terminal.plain
        for raw in own_identifiers().values():
            for value in raw:
                assert value.lower() not in terminal.plain.lower()

    def test_without_colours(self) -> None:
        """
        A dumb terminal gets no colours.
        """
        with Terminal("demo", env={**NO_DISPLAY, "TERM": "dumb"}) as terminal:
            assert terminal.end() == 0

        assert "\x1b" not in terminal.screen

    @pytest.mark.parametrize(
        ("value", "is_coloured"), [("1", False), ("", True), (None, True)]
    )
    def test_no_color(
        self,
        *,
        value: str | None,
        is_coloured: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """
        Who sets NO_COLOR to anything gets none.
        """
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        if value is not None:
            monkeypatch.setenv("NO_COLOR", value)

        assert Style().on is is_coloured

    def test_says_what_is_wrong(self) -> None:
        """
        When a promise is broken it says which, and does not say that all is
        well.
        """
        code = (
            "import consentkit.receiver.store as s\n"
            "done = s.Erased(outcome='erased', records=8)\n"
            "s.Store.erase = lambda *a, **o: done\n"
            "from consentkit.cli import main\n"
            "raise SystemExit(main(['demo']))"
        )
        ran = run(command=(COMMAND[0], "-c", code), env=NO_DISPLAY)

        assert ran.returncode == 1
        assert "Not every figure is as the policy promises:" in ran.stdout
        assert "- something of the withdrawn function is at" in ran.stdout
        assert "Every figure is as" not in ran.stdout

    def test_in_an_ascii_locale(self) -> None:
        """
        It runs where the locale knows ASCII only.
        """
        ran = run(
            "demo",
            env={
                **NO_DISPLAY,
                "LC_ALL": "C",
                "PYTHONUTF8": "0",
                "PYTHONCOERCECLOCALE": "0",
            },
        )

        assert (ran.returncode, ran.stderr) == (0, "")


class TestTraces:
    """
    Tests for what it leaves, and where it runs.
    """

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """
        Give a folder with a home and a place for temporary files.
        """
        for name in ("home", "tmp"):
            (tmp_path / name).mkdir(mode=0o777)
        return tmp_path

    def env(self, home: Path) -> dict[str, str | None]:
        """
        Give the environment of a person who lives there.
        """
        return {
            **NO_DISPLAY,
            "HOME": str(home / "home"),
            "TMPDIR": str(home / "tmp"),
            "XDG_DATA_HOME": None,
        }

    def test_leaves_nothing_behind(self, home: Path) -> None:
        """
        After it, home, temporary files and current folder are as before.
        """
        ran = run("demo", env=self.env(home), cwd=home)

        assert (ran.returncode, ran.stderr) == (0, "")
        assert {p.name for p in home.rglob("*")} == {"home", "tmp"}

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_leaves_nothing_when_it_is_ended(
        self, number: signal.Signals, home: Path
    ) -> None:
        """
        Told to end in the middle of it, it goes quietly and leaves nothing.
        """
        with subprocess.Popen(
            [*COMMAND, "demo"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment(**self.env(home)), "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            while not process.stdout.readline().startswith("3. "):
                time.sleep(0)
            process.send_signal(number)
            _, err = process.communicate(timeout=30)

        assert process.returncode == 128 + number
        assert err == ""
        assert not list((home / "tmp").iterdir())

    def test_reader_that_goes_away(self, home: Path) -> None:
        """
        Nobody reading to the end is no error, and leaves nothing.
        """
        reader, writer = os.pipe()
        os.close(reader)
        ran = run(
            "demo",
            env={**self.env(home), "PYTHONUNBUFFERED": "1"},
            stdout=writer,
            stderr=subprocess.PIPE,
            capture_output=False,
        )
        os.close(writer)

        assert ran.stderr == ""
        assert not list((home / "tmp").iterdir())

    def test_dead_proxies(self, home: Path) -> None:
        """
        Proxies of the environment are none of its business.
        """
        dead = "http://127.0.0.1:9"
        found = figures(
            env={
                **self.env(home),
                "http_proxy": dead,
                "HTTPS_PROXY": dead,
                "all_proxy": "socks5://127.0.0.1:9",
            }
        )

        assert found["kept_promise"] is True

    def test_without_network(self, home: Path) -> None:
        """
        It runs where there is no network but this machine's own.
        """
        need_tool("unshare", "ip")
        alone = ("unshare", "-rn", "sh", "-c", 'ip link set lo up; exec "$@"')
        if run(command=(*alone, "sh", "true")).returncode:
            pytest.skip("this user may not make a network of its own")
        ran = run("demo", env=self.env(home), command=(*alone, "sh", *COMMAND))

        assert (ran.returncode, ran.stderr) == (0, "")

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0,
        reason="only root can become somebody else",
    )
    def test_as_nobody(self, home: Path) -> None:
        """
        A user without name, home and rights can run it.
        """
        need_tool("setpriv")
        nobody = (
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        )
        command = (*nobody, *COMMAND)
        if run("--version", command=command).returncode:
            pytest.skip("nobody may not read this checkout")
        for folder in [home, *home.parents]:
            if folder.stat().st_mode & 0o005 != 0o005:
                if folder.owner() != "root" or "pytest" not in str(folder):
                    break
                folder.chmod(0o755)
        (home / "tmp").chmod(0o777)
        env = {**self.env(home), "HOME": None}
        ran = run("demo", env=env, command=command, cwd="/")

        assert (ran.returncode, ran.stderr) == (0, "")
        assert not list((home / "tmp").iterdir())

    def test_no_place_for_temporary_files(self, home: Path) -> None:
        """
        Where nothing takes temporary files, one line says what to do.
        """
        code = (
            "import tempfile\n"
            "def none(**_): raise FileNotFoundError(2, 'No usable folder')\n"
            "tempfile.TemporaryDirectory = none\n"
            "from consentkit.cli import main\n"
            "raise SystemExit(main(['demo']))"
        )
        ran = run(command=(COMMAND[0], "-c", code), env=self.env(home))

        assert ran.returncode == 2
        assert ran.stderr.count("\n") == 1
        assert "TMPDIR" in ran.stderr
        assert "--keep" in ran.stderr


class TestKeep:
    """
    Tests for ``--keep``.
    """

    def test_new_folder(self, tmp_path: Path) -> None:
        """
        A new folder gets data and backend, and the commands that it prints
        work on them.
        """
        folder = tmp_path / "a b" / "c"
        ran = run("demo", "--keep", folder, env=NO_DISPLAY)

        assert ran.returncode == 0
        assert {p.name for p in folder.iterdir()} == {
            "backend-keys.json",
            "backend.sqlite3",
            "data",
        }
        ledger = SQLiteLedger(folder / "data" / "ledger.sqlite3")
        acts = [entry.act for entry in ledger.entries()]
        # The age, seven notices with their answers, a withdrawal, and a look
        # at the clipboard with what came of it.
        assert len(acts) == 1 + 2 * 7 + 1 + 2
        ledger.close()
        said = ran.stdout.partition("Where to look next\n")[2]
        lines = [x.strip() for x in said.splitlines()]
        shown = [x for x in lines if x.startswith(("export", "consentkit"))]
        assert len(shown) == 5
        script = "\n".join(shown).replace(
            "\nconsentkit ", f"\n{sys.executable} -m consentkit "
        )
        done = run(command=("/bin/sh", "-ec", script))
        assert (done.returncode, done.stderr) == (0, "")
        assert "withdrawn" in done.stdout

    def test_empty_folder(self, tmp_path: Path) -> None:
        """
        An empty folder is as good as a new one.
        """
        ran = run("demo", "--json", "--keep", tmp_path, env=NO_DISPLAY)

        assert json.loads(ran.stdout)["kept_promise"] is True
        assert (tmp_path / "backend.sqlite3").exists()

    def test_folder_in_use(self, tmp_path: Path) -> None:
        """
        A folder with something in it is refused and left alone.
        """
        (tmp_path / "mine").write_text("mine")
        ran = run("demo", "--keep", tmp_path)

        assert ran.returncode == 2
        assert f"{tmp_path}: it is not empty" in ran.stderr
        assert [p.name for p in tmp_path.iterdir()] == ["mine"]

    @pytest.mark.parametrize("name", ["file", "file/below"])
    def test_file(self, name: str, tmp_path: Path) -> None:
        """
        A file in its place is named, with what to do.
        """
        (tmp_path / "file").write_text("mine")
        ran = run("demo", "--keep", tmp_path / name)

        assert ran.returncode == 2
        assert ran.stderr.startswith(f"consentkit: {tmp_path / name}: it ")
        assert "name a new folder" in ran.stderr
        assert ran.stderr.count("\n") == 1

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
    def test_unwritable(self) -> None:
        """
        A place that takes no folder is named.
        """
        ran = run("demo", "--keep", "/proc/consentkit")

        assert ran.returncode == 2
        assert ran.stderr.startswith("consentkit: /proc/consentkit: it cannot")


@pytest.mark.need_tool("Xvfb", "xclip")
class TestClipboard:
    """
    Tests on a real X11 clipboard.
    """

    @pytest.fixture
    def display(self, tmp_path: Path) -> Any:
        """
        Give the environment of a new X server.
        """
        reader, writer = os.pipe()
        with subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", "640x480x24"],
            pass_fds=(writer,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server:
            os.close(writer)
            with os.fdopen(reader) as told:
                number = told.readline().strip()
            yield {"DISPLAY": f":{number}", "WAYLAND_DISPLAY": None}
            server.terminate()

    def copy(self, text: str, display: dict[str, str | None]) -> None:
        """
        Put *text* on the clipboard, where xclip keeps it.
        """
        subprocess.run(
            ["xclip", "-selection", "clipboard", "-i"],
            input=text,
            text=True,
            env=environment(**display),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=True,
        )

    def paste(self, display: dict[str, str | None]) -> str:
        """
        Give what is on the clipboard.
        """
        return subprocess.run(
            ["xclip", "-selection", "clipboard", "-o"],
            capture_output=True,
            text=True,
            env=environment(**display),
            timeout=30,
            check=True,
        ).stdout

    def test_share_code(self, display: dict[str, str | None]) -> None:
        """
        A share code on the real clipboard is taken from there; it says so,
        and leaves the clipboard as it was.
        """
        self.copy("kankan-share:Zz9yTest1234", display)
        ran = run("demo", env=display)

        assert (ran.returncode, ran.stderr) == (0, "")
        assert re.search(r"read from +the clipboard, by xclip\n", ran.stdout)
        assert "kankan-share:Zz9yTest1234" in ran.stdout
        assert self.paste(display) == "kankan-share:Zz9yTest1234"

    def test_something_else(self, display: dict[str, str | None]) -> None:
        """
        Anything else on it is not taken and shown nowhere: the demo says
        that it takes its file instead.
        """
        self.copy("my unrelated words", display)
        ran = run("demo", env=display)

        assert (ran.returncode, ran.stderr) == (0, "")
        shown = " ".join(ran.stdout.split())
        assert "the file clipboard.txt (the clipboard, by xclip: " in shown
        assert "unrelated" not in shown
        assert self.paste(display) == "my unrelated words"
