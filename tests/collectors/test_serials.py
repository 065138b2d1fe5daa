# SPDX-License-Identifier: MIT

"""
Serial numbers: given where they may be read, and said why not elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from pathlib import Path

import pytest

from consentkit.collectors import USUAL, Sources
from consentkit.collectors.power import make_battery_source
from consentkit.collectors.serials import (
    make_disk_serial_source,
    make_serial_source,
)
from consentkit.collectors.source import Unavailable
from tests.collectors.trees import grow
from tests.needs import need_extra


SERIAL = "PF0ABC12"


@pytest.fixture
def read(make_permit, tmp_path):
    """
    Read the number out of a system with these files.
    """

    def read(files):
        root = grow(tmp_path, files)
        source = make_serial_source(dmi=root / "dmi", tree=root / "tree")
        return source.read(make_permit("serial_number"))

    return read


class TestFirmware:
    """
    The serial number of the device.
    """

    def test_product(self, read):
        """
        The product's comes before the board's.
        """
        files = {
            "dmi/board_serial": "L1HF12345\n",
            "dmi/product_serial": f"{SERIAL}\n",
        }

        assert read(files) == SERIAL

    def test_board_of_a_kit(self, read):
        """
        Where the product's is a blank, the board's counts.
        """
        files = {
            "dmi/product_serial": "System Serial Number\n",
            "dmi/board_serial": "L1HF12345\n",
        }

        assert read(files) == "L1HF12345"

    def test_small_board(self, read):
        """
        A board without such a table has it in its tree, ended by a NUL.
        """
        assert read({"tree/serial-number": b"10000000abcdef01\0"}) == (
            "10000000abcdef01"
        )

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "0",
            "00000000",
            "0123456789",
            "123456789",
            "1111-1111",
            "Default string",
            "INVALID",
            "Not Specified",
            "SN-12345",
            "System Serial Number",
            "To Be Filled By O.E.M.",
            "\x01\x02\x033456",
            "7" * 500,
        ],
    )
    def test_blanks(self, read, text):
        """
        What a maker left blank stands for no device.
        """
        assert isinstance(read({"dmi/product_serial": text}), Unavailable)

    def test_nothing(self, read):
        """
        A machine without a table has none.
        """
        assert isinstance(read({}), Unavailable)

    @pytest.mark.skipif(
        not hasattr(os, "setuid") or os.geteuid() != 0,
        reason="gives up being root",
    )
    def test_for_root_alone(self, tmp_path):
        """
        To a user who is not root it is unavailable and says so, though a
        weaker number could be read: the device has one number, or none.
        """
        root = grow(
            tmp_path,
            {
                "dmi/product_serial": f"{SERIAL}\n",
                "dmi/chassis_serial": "CH4551S99\n",
            },
        )
        (root / "dmi/product_serial").chmod(0o400)
        for folder in (root, *root.parents):
            if folder.owner() == "root" and "pytest" in str(folder):
                folder.chmod(0o755)
        (root / "dmi").chmod(0o755)
        code = f"""
import json, os, runpy
from pathlib import Path
build = runpy.run_path({str(Path(__file__).parent / "conftest.py")!r})
from consentkit.collectors import _files, serials
permit = build["build_permit"]("serial_number")
dmi = Path({str(root / "dmi")!r})
source = serials.make_serial_source(dmi=dmi, tree=dmi / "none")
before = source.read(permit)
os.setgroups([]), os.setgid(65534), os.setuid(65534)
after = source.read(permit)
print(json.dumps([before, repr(after)]))
"""
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        before, after = json.loads(done.stdout)

        assert before == SERIAL
        assert "Unavailable" in after
        assert "root alone" in after
        assert SERIAL not in after

    def test_this_machine(self, make_permit):
        """
        This machine has a number, or a reason why not.
        """
        answer = make_serial_source().read(make_permit("serial_number"))

        if isinstance(answer, Unavailable):
            assert answer.reason
        else:
            assert any(c.isdigit() for c in str(answer))


class TestDisk:
    """
    The serial number of the first built-in disk.
    """

    @pytest.fixture
    def read(self, make_permit, tmp_path):
        """
        Read the number out of a system with these disks.
        """

        def read(files):
            block = grow(tmp_path / "block", files)
            source = make_disk_serial_source(block=block)
            return source.read(make_permit("serial_number"))

        return read

    @pytest.mark.parametrize(
        "files",
        [
            {"nvme0n1/device/serial": "S4EVNX0M123456      \n"},
            {"vda/serial": "S4EVNX0M123456"},
            {"sda/device/vpd_pg80": b"\0\x80\0\x14S4EVNX0M123456      "},
        ],
    )
    def test_kinds(self, read, files):
        """
        Each kind of disk tells it in a place of its own, padded or not.
        """
        assert read(files) == "S4EVNX0M123456"

    def test_order(self, read):
        """
        The first by name counts, whatever is plugged in beside it.
        """
        files = {
            "loop0/serial": "L0000001",
            "sdb/removable": "1\n",
            "sdb/serial": "USB00001",
            "nvme1n1/device/serial": "SECOND02",
            "nvme0n1/device/serial": "FIRST001",
            "zram0/serial": "Z0000001",
        }

        assert read(files) == "FIRST001"

    def test_stick(self, make_permit, tmp_path):
        """
        A disk at a USB port is not built in, though it calls itself so.
        """
        usb = grow(
            tmp_path / "devices/pci0000:00/usb1/1-2/block/sda",
            {"serial": "USB00001"},
        )
        (tmp_path / "block").mkdir()
        (tmp_path / "block/sda").symlink_to(usb)
        source = make_disk_serial_source(block=tmp_path / "block")

        assert isinstance(
            source.read(make_permit("serial_number")), Unavailable
        )

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"vda/serial": "overlayblk"},
            {"vda/serial": ""},
            {"sda/device/vpd_pg80": b"\0\x83\0\x08ABCD1234"},
            {"sda/device/vpd_pg80": b"\0\x80\xff\xff"},
            {"sda/device/vpd_pg80": b"\0"},
        ],
    )
    def test_none(self, read, files):
        """
        A name that a host gave, another page and a page cut off are no
        serial numbers.
        """
        assert isinstance(read(files), Unavailable)

    @pytest.mark.parametrize("platform", USUAL)
    def test_never_unasked(self, platform):
        """
        Unless it is named, the number of the disk is not taken.
        """
        usual = Sources(platform=platform)
        named = Sources(["disk_serial"], platform)

        assert named.of("serial_number") is named.of_id("disk_serial")
        assert usual.of("serial_number") is not usual.of_id("disk_serial")


class TestBattery:
    """
    The battery's charge.
    """

    def read(self, make_permit, tmp_path, files):
        """
        Read the charge of a system with these supplies.
        """
        source = make_battery_source(supplies=grow(tmp_path, files))
        return source.read(make_permit("battery_state"))

    def test_laptop(self, make_permit, tmp_path):
        """
        The charge is whole percents, of all batteries together.
        """
        files = {
            "AC/type": "Mains\n",
            "AC/online": "1\n",
            "BAT0/type": "Battery\n",
            "BAT0/capacity": "80\n",
            "BAT1/type": "Battery\n",
            "BAT1/scope": "System\n",
            "BAT1/capacity": "41\n",
            "hidpp_battery_0/type": "Battery\n",
            "hidpp_battery_0/scope": "Device\n",
            "hidpp_battery_0/capacity": "5\n",
        }

        assert self.read(make_permit, tmp_path, files) == 60

    def test_empty_is_a_value(self, make_permit, tmp_path):
        """
        Nothing left is a charge, not the lack of one.
        """
        files = {"BAT0/type": "Battery\n", "BAT0/capacity": "0\n"}

        assert self.read(make_permit, tmp_path, files) == 0

    @pytest.mark.parametrize("text", ["", "full", "-1", "101", "9" * 5000])
    def test_nonsense(self, make_permit, tmp_path, text):
        """
        What is no percentage is no charge.
        """
        files = {"BAT0/type": "Battery\n", "BAT0/capacity": text}

        assert isinstance(self.read(make_permit, tmp_path, files), Unavailable)

    def test_no_battery(self, make_permit, tmp_path):
        """
        A machine at the mains has none.
        """
        files = {"AC/type": "Mains\n"}

        assert isinstance(self.read(make_permit, tmp_path, files), Unavailable)

    def test_this_machine(self, make_permit):
        """
        On this machine it agrees with another library on there being one.
        """
        need_extra("device")
        import psutil

        answer = make_battery_source().read(make_permit("battery_state"))
        other = psutil.sensors_battery()

        assert isinstance(answer, Unavailable) == (other is None)
