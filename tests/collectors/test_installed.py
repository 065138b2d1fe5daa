# SPDX-License-Identifier: MIT

"""
Names of what is installed and of what runs, and nothing else of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc

from pathlib import Path

import pytest

import consentkit

from consentkit.collectors import USUAL, Sources
from consentkit.collectors.device import DeviceSource
from consentkit.collectors.installed import PackagesSource, ProcessesSource
from consentkit.collectors.source import Unavailable
from consentkit.gate import OSPermission, Reason
from tests.collectors.trees import grow
from tests.needs import need_extra, need_tool


ROOT = Path(__file__).parents[2]

STATUS = """\
Package: bash
Essential: yes
Status: install ok installed
Description: shell
 Package: not-this-line

Package: g++
Status: hold ok installed

Package: removed
Status: deinstall ok config-files

Package: half
Status: install reinstreq half-installed

Status: install ok installed
"""


@pytest.fixture
def packages(make_permit, tmp_path):
    """
    List the packages of a system with these files.
    """

    def packages(files, **options):
        source = PackagesSource(root=grow(tmp_path, files), **options)
        return source.read(make_permit("installed_apps"))

    return packages


class TestPackages:
    """
    The data bases of package managers.
    """

    def test_dpkg(self, packages):
        """
        Installed packages are listed, also those that are held; those that
        were removed or are half there are not.
        """
        files = {"var/lib/dpkg/status": STATUS}

        assert packages(files) == ("bash", "g++")

    @pytest.mark.parametrize("folder", ["lib", "usr/lib"])
    def test_apk(self, packages, folder):
        """
        Alpine's are listed, in the old place and in the new one.
        """
        text = "C:Q1abc=\nP:musl\nV:1.2\nF:lib\n\nP:busybox\nV:1.36\n\n"

        assert packages({f"{folder}/apk/db/installed": text}) == (
            "busybox",
            "musl",
        )

    def test_pacman(self, packages):
        """
        Arch's are listed by their folders, without versions.
        """
        files = {
            "var/lib/pacman/local/gtk-doc-1.34.0-2/desc": "%NAME%\ngtk-doc\n",
            "var/lib/pacman/local/zlib-1:1.3.1-2/desc": "%NAME%\nzlib\n",
            "var/lib/pacman/local/ALPM_DB_VERSION": "9\n",
        }

        assert packages(files) == ("gtk-doc", "zlib")

    def test_rpm(self, packages):
        """
        Where the data base is no text, the program's answer is taken, each
        name once.
        """
        code = "print('kernel\\nbash\\nkernel\\n(none) x')"
        answer = packages(
            {"var/lib/rpm/": ""}, rpm=(sys.executable, "-c", code)
        )

        assert answer == ("bash", "kernel")

    @pytest.mark.parametrize(
        "code",
        ["import sys; sys.exit(1)", "print('a b c')", "import os; os.abort()"],
    )
    def test_rpm_fails(self, packages, code):
        """
        A program that fails, dies or talks nonsense gives no list.
        """
        answer = packages(
            {"usr/lib/sysimage/rpm/": ""}, rpm=(sys.executable, "-c", code)
        )

        assert isinstance(answer, Unavailable)

    def test_rpm_missing(self, packages):
        """
        A data base without its program is unavailable.
        """
        answer = packages({"var/lib/rpm/": ""}, rpm=("no-such-program-here",))

        assert isinstance(answer, Unavailable)

    def test_rpm_hangs(self, packages):
        """
        A program that hangs costs the deadline, and is ended.
        """
        begun = time.monotonic()
        answer = packages(
            {"var/lib/rpm/": ""},
            rpm=(sys.executable, "-c", "import time; time.sleep(300)"),
            timeout_seconds=0.5,
        )

        assert isinstance(answer, Unavailable)
        assert "in time" in answer.reason
        assert time.monotonic() - begun < 60

    def test_rpm_has_children(self, packages, tmp_path):
        """
        What a program that hangs has started is ended with it.
        """
        note = tmp_path / "child"
        code = (
            "import subprocess, sys; from pathlib import Path\n"
            "child = subprocess.Popen(['sleep', '300'])\n"
            f"Path({str(note)!r}).write_text(str(child.pid))\n"
            "child.wait()"
        )
        answer = packages(
            {"var/lib/rpm/": ""},
            rpm=(sys.executable, "-c", code),
            timeout_seconds=5.0,
        )

        assert isinstance(answer, Unavailable)
        stat = Path(f"/proc/{note.read_text()}/stat")
        end = time.monotonic() + 30
        while stat.exists() and stat.read_text().split()[2] != "Z":
            assert time.monotonic() < end, "the child lives on"
            time.sleep(0.05)

    def test_rpm_is_endless(self, packages):
        """
        A program that prints more than a list can be is ended, and gives
        none.
        """
        command = "yes pkgname | head -c 100000000"
        tracemalloc.start()
        try:
            answer = packages(
                {"var/lib/rpm/": ""},
                rpm=("sh", "-c", command),
                timeout_seconds=300.0,
            )
            kept = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert isinstance(answer, Unavailable)
        assert kept < 64_000_000

    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
    def test_deadline(self, seconds):
        """
        A program without a deadline cannot be set up.
        """
        with pytest.raises(ValueError, match="timeout_seconds"):
            PackagesSource(timeout_seconds=seconds)

    def test_no_program_without_need(self, packages):
        """
        Where no data base of RPM is, its program is not started.
        """
        answer = packages(
            {"etc/": ""}, rpm=(sys.executable, "-c", "print('planted')")
        )

        assert answer == Unavailable(
            "installed_apps", "no package manager is known here"
        )

    def test_hostile(self, packages, tmp_path):
        """
        Bytes that are no text, and names that are none, are left out.
        """
        raw = (
            b"Package: \xff\xfe\nStatus: install ok installed\n\n"
            b"Package: ../../etc/passwd\nStatus: install ok installed\n\n"
            b"Package: ok\nStatus: install ok installed\n\n"
            b"Package: "
            + b"x" * 1_000_000
            + b"\nStatus: install ok installed\n"
        )

        assert packages({"var/lib/dpkg/status": raw}) == ("ok",)

    def test_pipe(self, packages, tmp_path):
        """
        A pipe in the place of the data base keeps nobody waiting.
        """
        grow(tmp_path, {"var/lib/dpkg/": ""})
        os.mkfifo(tmp_path / "var/lib/dpkg/status")

        assert isinstance(packages({}), Unavailable)

    def test_this_machine(self, make_permit):
        """
        On this machine it lists what the package manager itself lists.
        """
        need_tool("dpkg-query")
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n"],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        expected = {
            line.split(" ")[1]
            for line in done.stdout.splitlines()
            if line.startswith("installed ")
        }
        answer = PackagesSource().read(make_permit("installed_apps"))

        assert isinstance(answer, tuple)
        assert set(answer) == expected

    def test_not_all_the_time(self, make_permit, tmp_path):
        """
        The list is not read twice within its interval.
        """
        root = grow(tmp_path, {"var/lib/dpkg/status": STATUS})
        source = PackagesSource(root=root)
        permit = make_permit("installed_apps")

        assert source.read(permit)
        assert isinstance(source.read(permit), Unavailable)
        assert source.reads == 1


def stat_line(pid, name, flags=0x400000):
    """
    Write the ``stat`` of a process.
    """
    return f"{pid} ({name}) S 1 {pid} {pid} 0 -1 {flags} 100 0 0 0 1 1\n"


class TestProcesses:
    """
    The processes that run.
    """

    def test_names(self, make_permit, tmp_path):
        """
        Each name is told once, whatever is in it; the kernel's own are not.
        """
        proc = grow(
            tmp_path,
            {
                "1/stat": stat_line(1, "systemd"),
                "2/stat": stat_line(2, "kthreadd", 0x208040),
                "77/stat": stat_line(77, "Web Content"),
                "78/stat": stat_line(78, "Web Content"),
                "79/stat": stat_line(79, "a) S (b"),
                "80/stat": "80 (cut",
                "81/stat": "",
                "82/": "",
                "self/stat": stat_line(99, "self"),
                "stat": "cpu  1 2 3\n",
            },
        )
        source = ProcessesSource(proc=proc)

        assert source.read(make_permit("running_processes")) == (
            "Web Content",
            "a) S (b",
            "systemd",
        )

    def test_arguments_are_not_read(self, make_permit, tmp_path):
        """
        What a process was given, which may be secrets, is not opened: a
        granted read of this machine opens no file beside the names.
        """
        code = f"""
import runpy, sys
build = runpy.run_path({str(Path(__file__).parent / "conftest.py")!r})
from consentkit.collectors.installed import ProcessesSource
permit, source = build["build_permit"]("running_processes"), ProcessesSource()
seen = []
sys.addaudithook(lambda e, a: e == "open" and seen.append(str(a[0])))
names = source.read(permit)
assert names, names
assert seen and all(one.endswith("/stat") for one in seen), seen[:5]
"""
        subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

    def test_this_machine(self, make_permit):
        """
        A process that was just started is among them, under its name.
        """
        name = "ck-planted-one"
        code = f"""
import pathlib, sys
pathlib.Path("/proc/self/comm").write_text({name!r})
print("ready", flush=True)
sys.stdin.read()
"""
        child = subprocess.Popen(
            [sys.executable, "-c", code, "--password=hunter2"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stdout.readline() == "ready\n"
            answer = ProcessesSource().read(make_permit("running_processes"))
        finally:
            child.communicate(timeout=60)

        assert isinstance(answer, tuple)
        assert name in answer
        assert not any("hunter2" in one for one in answer)

    def test_elsewhere(self, make_permit, tmp_path):
        """
        Where there is no such folder, the library lists them.
        """
        need_extra("device")
        source = ProcessesSource(proc=tmp_path / "none")
        answer = source.read(make_permit("running_processes"))

        assert isinstance(answer, tuple)
        assert answer

    def test_nothing_to_see(self, make_permit, tmp_path):
        """
        A system that hides them all is unavailable.
        """
        answer = ProcessesSource(proc=tmp_path).read(
            make_permit("running_processes")
        )

        assert isinstance(answer, Unavailable)


@pytest.mark.parametrize("platform", USUAL)
@pytest.mark.parametrize("data_type", ["installed_apps", "running_processes"])
def test_never_unasked(platform, data_type):
    """
    Neither list has a source where none is named.
    """
    sources = Sources(platform=platform)

    assert sources.of(data_type) is None
    assert sources.of("os_name") is not None


class TestPermission:
    """
    What the operating system does not allow, through a real kit.
    """

    @pytest.mark.obligation("WP-TERM-1")
    @pytest.mark.parametrize("answer", list(OSPermission))
    def test_each_field_has_its_own(self, tmp_path, answer):
        """
        Without leave to see installed applications that field is absent and
        nothing is read for it; the rest is read, and the event is kept.
        """
        asked = []

        def os_permission(name):
            asked.append(name)
            if name == "installed_apps_query":
                return answer
            return OSPermission.GRANTED

        packages = PackagesSource(
            root=grow(tmp_path / "root", {"var/lib/dpkg/status": STATUS})
        )
        processes = ProcessesSource()
        model = DeviceSource("a test", {"device_model": lambda: "T480"})
        with consentkit.open(
            ROOT / "examples" / "camera_app" / "policy.toml",
            data_dir=tmp_path / "data",
            sources=[packages, processes, model],
            os_permission=os_permission,
        ) as kit:
            kit.consent.grant("basic_operation", method="confirm")
            with kit.use("basic_operation") as use:
                device = use.device(
                    "installed_apps", "running_processes", "device_model"
                )
                kept = use.capture(device)

        lets = answer in {OSPermission.GRANTED, OSPermission.NOT_APPLICABLE}
        assert packages.reads == lets
        assert processes.reads == 1
        assert device["device_model"] == "T480"
        assert kept
        refused = {one.data_type: one.reason for one in device.refused}
        assert refused == (
            {} if lets else {"installed_apps": Reason.OS_PERMISSION}
        )
        assert {"installed_apps_query", "running_tasks"} <= set(asked)
