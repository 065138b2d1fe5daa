# SPDX-License-Identifier: MIT

"""
Facts of the device, read from this machine.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zoneinfo

from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from consentkit.collectors import USUAL, Sources
from consentkit.collectors._interfaces import primary_mac
from consentkit.collectors.device import (
    DeviceSource,
    make_firmware_source,
    make_locale_source,
    make_machine_id_source,
    make_psutil_source,
    make_system_source,
)
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import ForgedPermitError, MissingExtraError
from tests.faults.support import run


#: The usual ones that keep nothing, and ask no daemon and no helper.
COMPUTER = [
    id_
    for id_ in USUAL["desktop"]
    if id_ not in {"clipboard", "gpsd", "installation"}
]


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="files of Linux"
)
@pytest.mark.parametrize(
    "data_type", ["system_id", "device_name", "guid", "os_version"]
)
def test_variables_of_another_process(tmp_path, data_type):
    """
    A source that reads the variables of process 1 says so; it reads them
    for what a container would change, and for nothing else.
    """
    program = """
    import sys
    from pathlib import Path
    from consentkit.collectors import Sources
    from consentkit.testing import permit_for

    source = Sources(folder=Path(sys.argv[1])).of(sys.argv[2])
    seen = set()
    sys.addaudithook(lambda event, args: event == "open" and seen.add(args[0]))
    with permit_for(sys.argv[2]) as permit:
        source.read(permit)
    named = "/proc/1/environ"
    print(named in {str(one) for one in seen}, named in source.touches)
    """
    opened, told = run(program, tmp_path, data_type).stdout.split()

    assert opened == str(data_type != "os_version")
    assert told == "True"


def has_hardware(*names: str):
    """
    Make the question whether one of *names* is asked about.
    """
    return lambda name: name in names


class TestDeviceSource:
    """
    The class that all facts share.
    """

    def test_own_fact(self, make_permit):
        """
        An app adds a fact by naming a function.
        """
        source = DeviceSource("my library", {"oaid": lambda: "abc"})

        assert source.read(make_permit("oaid")) == "abc"
        assert source.reads == 1

    def test_own_reason(self, make_permit):
        """
        A function that knows why there is nothing says so.
        """
        why = Unavailable("oaid", "the person switched it off")
        source = DeviceSource("my library", {"oaid": lambda: why})

        assert source.read(make_permit("oaid")) == why

    def test_description(self):
        """
        What a source touches, what remains visible and where it works are
        told as they were given, without a read.
        """
        source = DeviceSource(
            "my library",
            {"oaid": lambda: "abc"},
            id="mine",
            touches="a service",
            visible="a line in its log",
            platforms=frozenset({"android"}),
        )

        assert (source.id, source.touches, source.visible) == (
            "mine",
            "a service",
            "a line in its log",
        )
        assert source.platforms == {"android"}
        assert source.reads == 0

    def test_hangs(self, make_permit):
        """
        A function that hangs costs the deadline, once; what it would give
        in the end is dropped, and other sources go on.
        """
        over = threading.Event()
        calls = []

        def hang():
            calls.append(1)
            over.wait(60)
            return "wolfsbane-4711"

        source = DeviceSource(
            "a vendor's SDK",
            {"oaid": hang, "vaid": lambda: "abc"},
            timeout_seconds=0.2,
        )
        permits = [make_permit(t) for t in ("oaid", "oaid", "vaid")]
        begun = time.monotonic()
        answers = [source.read(permit) for permit in permits]
        taken = time.monotonic() - begun
        over.set()
        end = time.monotonic() + 30
        while source.read(permits[2]) != "abc":
            assert time.monotonic() < end

        assert {one.reason for one in answers} == {
            "a vendor's SDK did not answer within the deadline"
        }
        assert calls == [1]
        assert taken < 30

    def test_usual_deadline(self):
        """
        Without being told, a function has a deadline, too.
        """
        source = DeviceSource("my library", {"oaid": lambda: "abc"})

        assert source.timeout_seconds == 5.0

    def test_context(self, make_permit):
        """
        A function sees the context of whoever reads.
        """
        account = ContextVar("account", default="")
        account.set("of this request")
        source = DeviceSource("the app", {"account_id": account.get})

        assert source.read(make_permit("account_id")) == "of this request"

    def test_thread_of_the_caller(self, make_permit):
        """
        Without a deadline it is called where it is read, and what ends the
        app ends it.
        """
        here = DeviceSource(
            "the app",
            {"oaid": lambda: str(threading.get_ident())},
            timeout_seconds=None,
        )
        leaving = DeviceSource(
            "the app", {"oaid": sys.exit}, timeout_seconds=None
        )
        permit = make_permit("oaid")

        assert here.read(permit) == str(threading.get_ident())
        with pytest.raises(SystemExit):
            leaving.read(permit)

    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
    def test_no_deadline(self, seconds):
        """
        A deadline is a positive, finite number, or none.
        """
        with pytest.raises(ValueError, match="timeout_seconds"):
            DeviceSource("x", {"oaid": str}, timeout_seconds=seconds)

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_no_fact(self, make_permit, nothing):
        """
        Where there is nothing, nothing is made up.
        """
        source = DeviceSource("my library", {"oaid": lambda: nothing})

        assert source.read(make_permit("oaid")) == Unavailable(
            "oaid", "my library does not tell it"
        )

    def test_zero_is_a_fact(self, make_permit):
        """
        Zero bytes free is an answer, not the lack of one.
        """
        source = DeviceSource("a disk", {"storage_available": lambda: 0})

        assert source.read(make_permit("storage_available")) == 0

    def test_failing_library(self, make_permit, caplog):
        """
        What a library raises does not come out, and is told nowhere.
        """

        def fail() -> str:
            msg = "planted-860123"
            raise RuntimeError(msg)

        caplog.set_level("DEBUG")
        source = DeviceSource("my library", {"oaid": fail})
        answer = source.read(make_permit("oaid"))

        assert isinstance(answer, Unavailable)
        assert "planted" not in str(answer) + caplog.text + repr(source)

    def test_permit_of_another_type(self, make_permit):
        """
        A permit for one fact does not open another source.
        """
        called = []
        source = DeviceSource("x", {"oaid": lambda: called.append(1)})

        with pytest.raises(ForgedPermitError):
            source.read(make_permit("os_name"))
        assert (called, source.reads) == ([], 0)


class TestUsual:
    """
    The sources of this machine together.
    """

    def test_types_are_told_once(self):
        """
        No data type has two sources.
        """
        made = Sources()
        listed = [t for i in COMPUTER for t in made.of_id(i).data_types]

        assert len(listed) == len(set(listed))
        assert {"system_id", "mac_address", "timezone"} <= set(listed)

    def test_making_them_reads_nothing(self):
        """
        Making the sources opens no file and imports neither library.
        """
        code = """
import sys
from consentkit.collectors import USUAL, Sources
Sources()  # their modules are imported by this
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
made = Sources()
sources = [made.of_id(id_) for id_ in USUAL["desktop"]]
bad = ("open", "socket", "subprocess", "os.", "import", "ctypes")
assert not [e for e in seen if e.startswith(bad)], seen
assert not {"psutil", "machineid"} & set(sys.modules)
assert sum(s.reads for s in sources) == 0
"""
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_no_program_is_started(self, make_permit):
        """
        Reading every fact but the load starts no process and connects to
        nobody, where there is no X server.
        """
        code = f"""
import os, runpy, sys
from consentkit.collectors import Sources
os.environ.pop("DISPLAY", None)
permit = runpy.run_path({str(Path(__file__).parent / "conftest.py")!r})
build = permit["build_permit"]
sources = [Sources().of_id(id_) for id_ in {COMPUTER!r} if id_ != "psutil"]
permits = [(s, build(t)) for s in sources for t in sorted(s.data_types)]
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
for source, permit in permits:
    source.read(permit)
bad = ("subprocess", "os.system", "os.fork", "os.posix_spawn", "os.exec",
       "socket.connect")
assert not [e for e in seen if e.startswith(bad)], seen
"""
        subprocess.run([sys.executable, "-c", code], check=True)


class TestLibraries:
    """
    The extra *device*: real values of this machine.
    """

    @pytest.fixture(autouse=True)
    def _extra(self, need_extra):
        need_extra("device")

    def test_memory_and_boot(self, make_permit):
        """
        Memory is in bytes, the start in seconds since 1970.
        """
        source = make_psutil_source()
        memory = source.read(make_permit("memory_total"))
        boot = source.read(make_permit("boot_time"))

        assert isinstance(memory, int)
        assert memory > 64 * 1024**2
        assert isinstance(boot, int)
        assert 0 < boot < time.time() + 1

    def test_load(self, make_permit):
        """
        The load of the processors is whole percents.
        """
        load = make_psutil_source().read(make_permit("cpu_usage"))

        assert isinstance(load, int)
        assert 0 <= load <= 100

    def test_id_where_linux_is_not(self, make_permit, monkeypatch):
        """
        On other systems the id is the one that the library gives, or none.
        """
        machineid = importlib.import_module("machineid")
        monkeypatch.setattr("consentkit.collectors.device._IS_LINUX", False)
        answer = make_machine_id_source().read(make_permit("system_id"))
        try:
            expected = machineid.id()
        except machineid.MachineIdNotFound:
            expected = None

        assert (answer or None) == expected


@pytest.mark.parametrize(
    ("data_type", "package"),
    [("memory_total", "psutil"), ("system_id", "py-machineid")],
)
def test_missing_extra(make_permit, monkeypatch, data_type, package):
    """
    A library that is not there is named, with the extra that brings it.
    """
    monkeypatch.setattr("consentkit.collectors.device._IS_LINUX", False)
    for module in ("psutil", "machineid"):
        monkeypatch.setitem(sys.modules, module, None)
    source = Sources().of(data_type)

    with pytest.raises(MissingExtraError) as caught:
        source.read(make_permit(data_type))
    assert (caught.value.extra, caught.value.package) == ("device", package)
    assert caught.value.__context__ is None


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="files of Linux"
)
def test_no_library_on_linux(make_permit, monkeypatch):
    """
    On Linux identifiers, network, battery and screen need no library.
    """
    for module in ("psutil", "machineid"):
        monkeypatch.setitem(sys.modules, module, None)

    for source in map(Sources().of_id, COMPUTER):
        for data_type in source.data_types - {
            "boot_time",
            "cpu_usage",
            "memory_total",
        }:
            if (
                data_type == "battery_state"
                and not Path("/sys/class/power_supply").is_dir()
            ):
                continue
            source.read(make_permit(data_type))


class TestPrimaryMAC:
    """
    Which interface stands for the machine.
    """

    def test_hardware_first(self):
        """
        A real device wins over one without, whatever their names.
        """
        addresses = {
            "eth0": ["3c:5a:b4:00:00:01"],
            "wlp3s0": ["3c:5a:b4:00:00:02"],
        }

        assert (
            primary_mac(addresses, has_hardware=has_hardware("wlp3s0"))
            == "3c:5a:b4:00:00:02"
        )

    def test_makers_address_before_a_made_one(self):
        """
        An address that software chose comes after a maker's.
        """
        addresses = {
            "eno1": ["0a:5a:b4:00:00:01"],
            "wlp3s0": ["3c:5a:b4:00:00:02"],
        }

        assert (
            primary_mac(addresses, has_hardware=lambda _: True)
            == "3c:5a:b4:00:00:02"
        )

    def test_order_of_the_listing(self):
        """
        The order in which interfaces are listed changes nothing.
        """
        addresses = {
            f"eth{n}": [f"3c:5a:b4:00:00:0{n}"] for n in range(5, -1, -1)
        }

        assert (
            primary_mac(addresses, has_hardware=has_hardware())
            == primary_mac(
                dict(reversed(addresses.items())), has_hardware=has_hardware()
            )
            == "3c:5a:b4:00:00:00"
        )

    @pytest.mark.parametrize(
        "name",
        [
            "br-12ab34cd56ef",
            "docker0",
            "ifb0",
            "lo",
            "tap0",
            "tun0",
            "utun3",
            "vEthernet (WSL)",
            "veth12ab",
            "virbr0",
            "wg0",
        ],
    )
    def test_virtual_interfaces(self, name):
        """
        An interface that software made does not stand for the machine.
        """
        addresses = {name: ["3c:5a:b4:00:00:01"]}

        assert primary_mac(addresses, has_hardware=has_hardware()) is None

    @pytest.mark.parametrize("name", ["eth0", "en0", "wlan0", "Wi-Fi"])
    def test_without_knowledge_of_hardware(self, name):
        """
        Where the system does not tell what is hardware, the name decides.
        """
        addresses = {"lo": ["00:00:00:00:00:00"], name: ["3C-5A-B4-00-00-01"]}

        assert (
            primary_mac(addresses, has_hardware=has_hardware())
            == "3C-5A-B4-00-00-01"
        )

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        "address",
        [
            "",
            "00:00:00:00:00:00",
            "02:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:a1:b2:c3",
        ],
    )
    def test_no_device(self, address):
        """
        A constant, a group or another link is no device.
        """
        addresses = {"eth0": [address]}

        assert primary_mac(addresses, has_hardware=lambda _: True) is None


class TestSystem:
    """
    What the operating system says.
    """

    def test_real_values(self, make_permit):
        """
        Each fact of the running system is a text or a whole number.
        """
        source = make_system_source()
        facts: dict[str, Any] = {
            name: source.read(make_permit(name)) for name in source.data_types
        }
        total, _, _ = shutil.disk_usage(os.sep)

        assert facts["cpu_count"] == os.cpu_count()
        assert facts["disk_total"] == total
        assert 0 < facts["disk_usage"] <= total
        assert 0 <= facts["storage_available"] <= total
        assert facts["device_platform"] == sys.platform
        for name in ("cpu_info", "os_name", "os_version", "os_build_number"):
            assert isinstance(facts[name], str), name

    def test_processor_of_a_board(self, make_permit, tmp_path):
        """
        A board's processor is named by its last lines.
        """
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text("processor\t: 0\n\nHardware\t: BCM2835\n")
        source = make_system_source(cpuinfo=cpuinfo)

        assert source.read(make_permit("cpu_info")) == "BCM2835"

    def test_no_cpuinfo(self, make_permit, tmp_path):
        """
        Without the list of processors, the machine's architecture is told.
        """
        source = make_system_source(cpuinfo=tmp_path / "none")

        assert source.read(make_permit("cpu_info")) == os.uname().machine


class TestFirmware:
    """
    Model and maker.
    """

    def read(self, make_permit, folder, data_type="device_model"):
        """
        Read with *folder* in the place of the system's.
        """
        source = make_firmware_source(dmi=folder, tree=folder / "tree")
        return source.read(make_permit(data_type))

    def test_table(self, make_permit, tmp_path):
        """
        Model and maker are the table's texts.
        """
        (tmp_path / "product_name").write_text("ThinkPad T480\n")
        (tmp_path / "sys_vendor").write_text("LENOVO\n")

        assert self.read(make_permit, tmp_path) == "ThinkPad T480"
        maker = self.read(make_permit, tmp_path, "device_manufacturer")
        assert maker == "LENOVO"

    def test_device_tree(self, make_permit, tmp_path):
        """
        A board names its model in its tree, ended by a NUL.
        """
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree/model").write_bytes(b"Raspberry Pi 4 Model B\0")

        assert self.read(make_permit, tmp_path) == "Raspberry Pi 4 Model B"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "To Be Filled By O.E.M.\n",
            "None",
            "(null)",
            "System Product Name",
        ],
    )
    def test_not_filled_in(self, make_permit, tmp_path, text):
        """
        What the maker left blank is unavailable.
        """
        (tmp_path / "product_name").write_text(text)

        assert isinstance(self.read(make_permit, tmp_path), Unavailable)

    def test_none(self, make_permit, tmp_path):
        """
        A machine without either is unavailable.
        """
        assert isinstance(self.read(make_permit, tmp_path), Unavailable)


class TestLocale:
    """
    Language, country and time zone.
    """

    def read(self, make_permit, data_type, environ, etc=Path("/nowhere")):
        """
        Read one fact out of *environ* and *etc*.
        """
        source = make_locale_source(environ=environ, etc=etc)
        return source.read(make_permit(data_type))

    @pytest.mark.parametrize(
        ("text", "language", "country"),
        [
            ("zh_CN.UTF-8", "zh", "CN"),
            ("en-GB", "en", "GB"),
            ("de_AT@euro", "de", "AT"),
            ("fil", "fil", None),
            ("C.UTF-8", None, None),
            ("POSIX", None, None),
        ],
    )
    def test_parts(self, make_permit, text, language, country):
        """
        Language and country are told only where the locale names them.
        """
        environ = {"LANG": text}
        for part, expected in (("language", language), ("country", country)):
            value = self.read(make_permit, f"device_{part}", environ)
            assert (value or None) == expected
        assert self.read(make_permit, "locale", environ) == text

    def test_order(self, make_permit):
        """
        The stronger variable counts; an empty one does not.
        """
        environ = {"LC_ALL": "", "LC_MESSAGES": "fr_FR", "LANG": "en_US"}

        assert self.read(make_permit, "locale", environ) == "fr_FR"

    @pytest.mark.parametrize(
        ("setting", "expected"),
        [
            ("Asia/Shanghai", "Asia/Shanghai"),
            (":Europe/Berlin", "Europe/Berlin"),
            ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
            ("", "UTC"),
        ],
    )
    def test_zone_of_the_environment(self, make_permit, setting, expected):
        """
        The variable TZ comes first, in any of its spellings.
        """
        zone = self.read(make_permit, "timezone", {"TZ": setting})

        assert zone == expected

    def test_zone_of_the_link(self, make_permit, tmp_path):
        """
        The link that the system's clock uses beats the note beside it.
        """
        (tmp_path / "localtime").symlink_to(
            "/usr/share/zoneinfo/posix/Asia/Shanghai"
        )
        (tmp_path / "timezone").write_text("Europe/Berlin\n")

        zone = self.read(make_permit, "timezone", {}, tmp_path)
        assert zone == "Asia/Shanghai"

    def test_zone_of_the_note(self, make_permit, tmp_path):
        """
        Where the file is a copy, the note beside it tells its name.
        """
        (tmp_path / "localtime").write_bytes(b"TZif2")
        (tmp_path / "timezone").write_text("Europe/Berlin\n")

        zone = self.read(make_permit, "timezone", {}, tmp_path)
        assert zone == "Europe/Berlin"

    @pytest.mark.parametrize("setting", ["XYZ-5:30", "Atlantis/Poseidonis"])
    def test_offset(self, make_permit, setting):
        """
        A zone without a name in the data base is told by its offset.
        """
        zone = self.read(make_permit, "timezone", {"TZ": setting})

        assert re.fullmatch(r"UTC[+-]\d\d:\d\d", zone)

    def test_this_machine(self, make_permit):
        """
        This machine's zone has a name or an offset.
        """
        zone = str(make_locale_source().read(make_permit("timezone")))

        assert zone.startswith("UTC") or zone in zoneinfo.available_timezones()
