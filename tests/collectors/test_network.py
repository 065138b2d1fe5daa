# SPDX-License-Identifier: MIT

"""
The address that stands for the device, and how it is connected.
"""

from __future__ import annotations

import sys

from pathlib import Path

import pytest

from consentkit.collectors.network import make_interfaces_source
from consentkit.collectors.source import Unavailable
from tests.collectors.trees import grow
from tests.needs import need_extra


HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n"


def route(name, *, metric=0, flags=3, destination=0, mask=0):
    """
    Write a line of ``/proc/net/route``.
    """
    return (
        f"{name}\t{destination:08X}\t0100A8C0\t{flags:04X}\t0\t0\t"
        f"{metric}\t{mask:08X}\t0\t0\t0\n"
    )


def card(name, address="3c:5a:b4:00:00:01", *, assigned="0", **more):
    """
    List the files of one interface.
    """
    files = {
        "address": f"{address}\n",
        "addr_assign_type": f"{assigned}\n",
        "operstate": "up\n",
        "type": "1\n",
        "uevent": f"INTERFACE={name}\n",
        **more,
    }
    return {f"net/{name}/{k}": v for k, v in files.items()}


@pytest.fixture
def read(make_permit, tmp_path):
    """
    Read one fact of a system with these files.
    """

    def read(data_type, files):
        grow(tmp_path, {"net/": "", "proc/": "", **files})
        source = make_interfaces_source(
            net=tmp_path / "net", routes=tmp_path / "proc"
        )
        return source.read(make_permit(data_type))

    return read


class TestAddress:
    """
    The MAC address.
    """

    def test_makers(self, read):
        """
        The address that a maker gave is told as the kernel spells it.
        """
        files = {
            **card("lo", "00:00:00:00:00:00"),
            **card("eno1", "3c:5a:b4:00:00:07"),
        }

        assert read("mac_address", files) == "3c:5a:b4:00:00:07"

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        ("name", "address", "assigned"),
        [
            ("eth0", "02:42:ac:11:00:02", "0"),  # Docker
            ("eth0", "52:54:00:12:34:56", "0"),  # QEMU
            ("wlan0", "da:a1:19:00:00:01", "3"),  # changed for privacy
            ("wlan0", "3c:5a:b4:00:00:01", "3"),  # set by hand
            ("eth0", "3c:5a:b4:00:00:01", "1"),  # drawn by the driver
        ],
    )
    def test_chosen_by_software(self, read, name, address, assigned):
        """
        An address that software chose is unavailable, with that reason and
        without a part of it.
        """
        answer = read("mac_address", card(name, address, assigned=assigned))

        assert isinstance(answer, Unavailable)
        assert "software chose" in answer.reason
        assert address[:8] not in str(answer)

    def test_chosen_beside_makers(self, read):
        """
        Real hardware with a chosen address does not stand before a maker's.
        """
        files = {
            **card("wlp3s0", "da:a1:19:00:00:01", assigned="3"),
            "net/wlp3s0/device/": "",
            **card("eth1", "3c:5a:b4:00:00:09"),
        }

        assert read("mac_address", files) == "3c:5a:b4:00:00:09"

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        "name", ["docker0", "veth12ab", "br-12ab", "virbr0", "wg0", "tun0"]
    )
    def test_virtual(self, read, name):
        """
        A device that software made has no address that stands for anything.
        """
        assert isinstance(read("mac_address", card(name)), Unavailable)

    def test_none(self, read):
        """
        Without an interface there is no address.
        """
        assert isinstance(read("mac_address", {}), Unavailable)

    def test_nonsense(self, read):
        """
        What is no address is none.
        """
        files = {
            **card("eth0", "zz:zz:zz:zz:zz:zz"),
            **card("eth1", ""),
            "net/bonding_masters": "eth0\n",
        }

        assert isinstance(read("mac_address", files), Unavailable)

    @pytest.mark.skipif(
        not Path("/sys/class/net").is_dir(), reason="a folder of Linux"
    )
    def test_this_machine(self, make_permit):
        """
        This machine's address is one that another library lists, and no
        software chose it; or the reason holds none of them.
        """
        need_extra("device")
        import psutil

        listed = {
            one.address
            for found in psutil.net_if_addrs().values()
            for one in found
            if one.family == psutil.AF_LINK
        }
        answer = make_interfaces_source().read(make_permit("mac_address"))

        if isinstance(answer, Unavailable):
            assert not any(one in str(answer) for one in listed)
        else:
            assert answer in listed
            assert not int(str(answer)[:2], 16) & 2

    def test_elsewhere(self, make_permit, tmp_path):
        """
        Where the kernel shows no folder, the library tells the address.
        """
        need_extra("device")
        import psutil

        source = make_interfaces_source(net=tmp_path / "none")
        answer = source.read(make_permit("mac_address"))
        known = {
            one.address
            for found in psutil.net_if_addrs().values()
            for one in found
        }

        assert isinstance(answer, Unavailable) or answer in known
        assert source.read(make_permit("network_type")) == Unavailable(
            "network_type", f"{source.name} does not tell it"
        )


class TestConnection:
    """
    The way outside.
    """

    @pytest.mark.parametrize(
        ("name", "files", "expected"),
        [
            ("enp3s0", {}, "ethernet"),
            ("wlp3s0", {"wireless/": ""}, "wifi"),
            ("wlp3s0", {"phy80211/": ""}, "wifi"),
            ("mlan0", {"uevent": "DEVTYPE=wlan\n"}, "wifi"),
            ("wwan0", {"uevent": "DEVTYPE=wwan\n"}, "cellular"),
            ("rmnet0", {"type": "519\n"}, "cellular"),
            ("bnep0", {"uevent": "DEVTYPE=bluetooth\n"}, "bluetooth"),
            ("wg0", {"uevent": "DEVTYPE=wireguard\n"}, "vpn"),
            ("tun0", {"type": "65534\n", "operstate": "unknown"}, "vpn"),
            ("ib0", {"type": "32\n"}, "other"),
            ("gone0", {"type": ""}, "other"),
        ],
    )
    def test_types(self, read, name, files, expected):
        """
        The interface that leads outside says how the device is connected.
        """
        tree = {**card(name, **files), "proc/route": HEAD + route(name)}

        assert read("network_type", tree) == expected
        assert read("network_status", tree) == "connected"

    def test_best_route(self, read):
        """
        Of several ways the one with the lowest metric counts.
        """
        files = {
            **card("wlan0", **{"wireless/": ""}),
            **card("eth0"),
            "proc/route": HEAD
            + route("wlan0", metric=600)
            + route("eth0", metric=100),
        }

        assert read("network_type", files) == "ethernet"

    def test_cable_pulled(self, read):
        """
        A route over an interface that is down is no way outside.
        """
        files = {
            **card("eth0", operstate="down"),
            "proc/route": HEAD + route("eth0"),
        }

        assert read("network_type", files) == "none"
        assert read("network_status", files) == "disconnected"

    @pytest.mark.parametrize(
        "line",
        [
            route("eth0", destination=0x00A8C0, mask=0x00FFFFFF),
            route("eth0", flags=2),
            route("eth0", flags=0x203),
            "eth0\n",
            "eth0 x y z\n",
            "\n",
        ],
    )
    def test_no_default(self, read, line):
        """
        A neighbour, a route that is off or refuses, and a broken line do
        not lead outside.
        """
        files = {**card("eth0"), "proc/route": HEAD + line}

        assert read("network_status", files) == "disconnected"

    def test_only_ipv6(self, read):
        """
        A default route of IPv6 is a way, too; that of the loopback is none.
        """
        zero = "0" * 32
        line = (
            f"{zero} 00 {zero} 00 fe800000000000000000000000000001 "
            "00000400 00000001 00000000 00000003 {name}\n"
        )
        files = {**card("eth0"), **card("lo", type="772")}

        loop = {**files, "proc/ipv6_route": line.format(name="lo")}
        assert read("network_status", loop) == "disconnected"
        real = {**files, "proc/ipv6_route": line.format(name="eth0")}
        assert read("network_type", real) == "ethernet"

    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"proc/route": ""},
            {"proc/route/": "", "proc/ipv6_route/": ""},
            {"proc/route": HEAD + route("eth1")},
        ],
        ids=["no tables", "empty", "folders", "no state of an interface"],
    )
    def test_hidden(self, read, files):
        """
        Where the system shows no routes, or not how the interface of one is,
        nobody says that the device is not connected.
        """
        tree = {**card("eth0"), **files}

        for data_type in ("network_status", "network_type"):
            assert isinstance(read(data_type, tree), Unavailable)

    @pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="files of Linux"
    )
    def test_this_machine(self, make_permit):
        """
        This machine is connected only where another library, too, sees an
        interface that is up.
        """
        need_extra("device")
        import psutil

        stats = psutil.net_if_stats()
        source = make_interfaces_source()
        status = source.read(make_permit("network_status"))
        kind = source.read(make_permit("network_type"))

        assert (status == "disconnected") == (kind == "none")
        assert status == "disconnected" or any(
            stats[name].isup for name in stats if name != "lo"
        )
