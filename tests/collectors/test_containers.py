# SPDX-License-Identifier: MIT

"""
Whether this is a container, and what its identifiers stand for.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from consentkit.collectors.containers import Container, find_container
from consentkit.collectors.device import (
    make_machine_id_source,
    make_system_source,
)
from consentkit.collectors.source import Unavailable
from tests.collectors.trees import grow
from tests.needs import need_extra, need_tool


ID = "6f1d3c58b0a94e7786d2f0a1c3e5b7d9"

WSL_KERNEL = "5.15.153.1-microsoft-standard-WSL2\n"

DOCKER_MOUNT = (
    "731 709 254:1 /var/lib/docker/containers/{id}/hostname /etc/hostname "
    "rw,relatime - ext4 /dev/vda1 rw\n"
).format(id="ab" * 32)

KUBERNETES_MOUNT = (
    "801 700 8:1 /var/lib/kubelet/pods/0d1c/etc-hosts /etc/hosts rw - "
    "ext4 /dev/sda1 rw\n"
)

#: What a system has that runs containers and is none.
HOST: dict[str, str | bytes] = {
    "etc/machine-id": f"{ID}\n",
    "proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
    "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-2.scope\n",
    "proc/1/cgroup": "0::/init.scope\n",
    "proc/1/environ": b"HOME=/\0TERM=linux\0init=/sbin/init\0",
    "proc/self/mountinfo": (
        "28 1 8:2 / / rw,relatime - ext4 /dev/sda2 rw\n"
        "412 28 0:55 / /var/lib/docker/overlay2/ab/merged rw - overlay "
        "overlay rw,lowerdir=/var/lib/docker/overlay2/l/A\n"
        "413 28 0:4 net:[4026532281] /run/docker/netns/ab rw - nsfs nsfs rw\n"
    ),
    "var/lib/docker/containers/": "",
    "run/docker.sock": "",
}


class TestFindContainer:
    """
    The signs that the managers of containers leave.
    """

    @pytest.mark.parametrize(
        ("files", "kind"),
        [
            ({".dockerenv": ""}, "docker"),
            ({"run/.containerenv": 'engine="podman-4.9"\n'}, "podman"),
            ({"run/systemd/container": "systemd-nspawn\n"}, "systemd-nspawn"),
            ({"run/systemd/container": "lxc\n"}, "lxc"),
            ({"run/host/container-manager": "podman\n"}, "podman"),
            ({"proc/1/environ": b"A=b\0container=lxc\0"}, "lxc"),
            ({"proc/1/environ": b"container=oci\0"}, "container"),
            ({"var/run/secrets/kubernetes.io/": ""}, "kubernetes"),
            ({"dev/lxd/": ""}, "lxc"),
            ({"proc/self/cgroup": "4:cpu:/docker/ab12\n"}, "docker"),
            ({"proc/self/cgroup": "0::/kubepods/burstable/x\n"}, "kubernetes"),
            ({"proc/1/cgroup": "0::/lxc/web/init.scope\n"}, "lxc"),
            (
                {"proc/self/cgroup": "0::/machine.slice/libpod-ab.scope\n"},
                "podman",
            ),
            ({"proc/self/mountinfo": DOCKER_MOUNT}, "docker"),
            ({"proc/self/mountinfo": KUBERNETES_MOUNT}, "kubernetes"),
            ({"proc/sys/kernel/osrelease": WSL_KERNEL}, "wsl"),
            ({"proc/vz/": ""}, "openvz"),
        ],
    )
    def test_signs(self, tmp_path, files, kind):
        """
        Each of the signs is enough, on top of what an ordinary host has.
        """
        found = find_container(grow(tmp_path, {**HOST, **files}))

        assert found is not None
        assert found.kind == kind

    def test_host(self, tmp_path):
        """
        A machine that runs containers itself is none.
        """
        assert find_container(grow(tmp_path, HOST)) is None

    def test_empty_system(self, tmp_path):
        """
        Where there is nothing to look at, nothing is claimed.
        """
        assert find_container(tmp_path) is None

    @pytest.mark.parametrize("manager", ["flatpak", "snap"])
    def test_sandboxes_of_apps(self, tmp_path, manager):
        """
        A sandbox that shares the ids of its host is no container here.
        """
        files = {**HOST, "run/host/container-manager": f"{manager}\n"}

        assert find_container(grow(tmp_path, files)) is None

    def test_container_in_wsl(self, tmp_path):
        """
        The kernel is that of WSL in a container on it, too: the container
        comes first.
        """
        files = {"proc/sys/kernel/osrelease": WSL_KERNEL, ".dockerenv": ""}

        assert find_container(grow(tmp_path, files)) == Container(
            kind="docker", sign="/.dockerenv"
        )

    def test_unknown_manager(self, tmp_path):
        """
        A name that is not known is told as a container, and not repeated.
        """
        files = {"run/systemd/container": "planted-860123\n"}
        found = find_container(grow(tmp_path, files))

        assert found is not None
        assert found.kind == "container"
        assert "planted" not in repr(found)

    def test_hostile_files(self, tmp_path):
        """
        A pipe, a folder, bytes that are no text and lines that are cut off
        keep nobody waiting and are no signs.
        """
        root = grow(
            tmp_path,
            {
                "proc/1/cgroup": b"\xff\xfe\x00docker",
                "proc/1/environ": b"\0\0=\0container=\0",
                "proc/self/mountinfo": "1 2\n\n- - -\n" + "x" * 100_000,
                "run/systemd/container/": "",
            },
        )
        os.mkfifo(root / "proc/self/cgroup")

        assert find_container(root) is None

    def test_this_machine(self):
        """
        On this machine it says what systemd's own detector says.
        """
        need_tool("systemd-detect-virt")
        done = subprocess.run(
            ["systemd-detect-virt", "--container"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        told = done.stdout.strip()
        found = find_container()

        if told == "none":
            # Ours knows signs that it does not; none of a plain machine.
            assert found is None or found.kind in {"kubernetes", "container"}
        else:
            assert found is not None
            assert told in {found.kind, "docker", "container-other"}


class TestMachineId:
    """
    The machine's id: only where it stands for a machine.
    """

    def read(self, make_permit, root, **options):
        """
        Read with *root* in the place of the system's.
        """
        source = make_machine_id_source(root=root, **options)
        return source.read(make_permit("system_id"))

    def test_host(self, make_permit, tmp_path):
        """
        On a plain machine it is the text of the file.
        """
        assert self.read(make_permit, grow(tmp_path, HOST)) == ID

    def test_one_spelling(self, make_permit, tmp_path):
        """
        Upper case and hyphens make no other device of it.
        """
        text = "6F1D3C58-B0A9-4E77-86D2-F0A1C3E5B7D9\r\n"
        root = grow(tmp_path, {**HOST, "etc/machine-id": text})

        assert self.read(make_permit, root) == ID

    def test_older_place(self, make_permit, tmp_path):
        """
        A system without systemd keeps it with D-Bus.
        """
        files = {"var/lib/dbus/machine-id": f"{ID}\n"}

        assert self.read(make_permit, grow(tmp_path, files)) == ID

    def test_container(self, make_permit, tmp_path):
        """
        In a container it is unavailable, and the reason says what it stands
        for, without a part of it.
        """
        root = grow(tmp_path, {**HOST, ".dockerenv": ""})
        answer = self.read(make_permit, root)

        assert isinstance(answer, Unavailable)
        assert "container (docker)" in answer.reason
        assert ID[:6] not in str(answer)

    def test_asked_for_in_a_container(self, make_permit, tmp_path):
        """
        An app that means the container says so, and gets the id.
        """
        root = grow(tmp_path, {**HOST, ".dockerenv": ""})

        assert self.read(make_permit, root, in_container=True) == ID

    @pytest.mark.obligation("WP-HASH-3")
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "not made an id yet"),
            ("\n", "not made an id yet"),
            ("uninitialized\n", "not made an id yet"),
            ("0" * 32, "many machines"),
            ("f" * 32, "many machines"),
            ("b08dfa6083e7567a1921a715000001fb\n", "many machines"),
            ("03000200-0400-0500-0006-000700080009", "many machines"),
            ("4c4c4544-0000-2010-8020-80c04f202020", "many machines"),
            ("6f1d3c58\n", "is none"),
            ("<html>", "is none"),
            (b"\xff" * 32, "is none"),
        ],
    )
    def test_images(self, make_permit, tmp_path, text, reason):
        """
        The blank id of an image that was never started, and ids that many
        machines share, are unavailable.
        """
        root = grow(tmp_path, {**HOST, "etc/machine-id": text})
        answer = self.read(make_permit, root)

        assert isinstance(answer, Unavailable)
        assert reason in answer.reason

    def test_live_system(self, make_permit, tmp_path):
        """
        An id that lives in memory is gone at the next start, and unavailable.
        """
        mount = (
            "90 28 0:24 /machine-id /etc/machine-id ro,nosuid - tmpfs "
            "tmpfs rw,mode=755\n"
        )
        root = grow(tmp_path, {**HOST, "proc/self/mountinfo": mount})
        answer = self.read(make_permit, root)

        assert isinstance(answer, Unavailable)
        assert "started again" in answer.reason

    def test_bound_from_a_disk(self, make_permit, tmp_path):
        """
        An id that is mounted from a disk stays, and is given.
        """
        mount = (
            "90 28 8:2 /persist/machine-id /etc/machine-id rw - ext4 "
            "/dev/sda2 rw\n"
        )
        root = grow(tmp_path, {**HOST, "proc/self/mountinfo": mount})

        assert self.read(make_permit, root) == ID

    @pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="a file of Linux"
    )
    def test_this_machine(self, make_permit):
        """
        This machine's own id is the one that another library reads, and in
        a container it is given only to who asks for that.
        """
        need_extra("device")
        import machineid

        answer = make_machine_id_source().read(make_permit("system_id"))
        asked = make_machine_id_source(in_container=True).read(
            make_permit("system_id")
        )
        try:
            expected = machineid.id().lower()
        except machineid.MachineIdNotFound:
            expected = None

        if isinstance(asked, Unavailable):
            assert expected is None or expected not in str(asked)
        else:
            assert asked == expected
        if find_container() is None:
            assert answer == asked
        else:
            assert isinstance(answer, Unavailable)


class TestHostName:
    """
    The device's name.
    """

    def test_container(self, make_permit, tmp_path):
        """
        A container's host name is no name that a person gave a device.
        """
        root = grow(tmp_path, {".dockerenv": ""})
        source = make_system_source(root=root)
        answer = source.read(make_permit("device_name"))

        assert isinstance(answer, Unavailable)
        assert "container (docker)" in answer.reason

    @pytest.mark.parametrize(
        "files", [{}, {"proc/sys/kernel/osrelease": WSL_KERNEL}]
    )
    def test_machine(self, make_permit, tmp_path, files):
        """
        Elsewhere, and in a guest of Windows, it is the machine's.
        """
        source = make_system_source(root=grow(tmp_path, files))
        answer = source.read(make_permit("device_name"))
        name = os.uname().nodename

        if name.partition(".")[0] == "localhost":
            assert isinstance(answer, Unavailable)
        else:
            assert answer == name
