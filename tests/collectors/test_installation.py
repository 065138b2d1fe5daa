# SPDX-License-Identifier: MIT

"""
The installation's id: random, one for all who race for it, and resettable.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import uuid

from pathlib import Path

import pytest

import consentkit

from consentkit.collectors.installation import InstallationSource, Scope
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import UnwritableError
from consentkit.policy.load import load_policy
from consentkit.testing import Sentinels
from tests.collectors.trees import grow


ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)

POLICY = """
schema = 1

[policy]
id = "installs"
title = "A policy about installations"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "maker"
name = "Maker Ltd."
contact = "privacy@maker.example"

[[recipients]]
id = "partner"
name = "Partner GmbH"
mode = "entrusted"
country = "DE"

[[functions]]
id = "stats"
name = "Statistics"
category = "additional"
text = "We count installations."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P30D"

[[functions.collects]]
type = "guid"
protect = "local_only"
recipients = ["maker", "partner"]

[[functions]]
id = "health"
name = "Health"
category = "additional"
text = "We see whether the app works."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P30D"

[[functions.collects]]
type = "guid"
protect = "local_only"
"""


class TestFile:
    """
    What is on disk, and when.
    """

    def test_random(self, make_permit, tmp_path):
        """
        It is a random UUID (version 4), another one in each folder, and the
        same at each read.
        """
        permit = make_permit("guid")
        sources = [InstallationSource(tmp_path / n) for n in "abc"]
        ids = [source.read(permit) for source in sources]

        assert len(set(ids)) == 3
        assert all(ID.fullmatch(str(one)) for one in ids)
        assert all(uuid.UUID(str(one)).version == 4 for one in ids)
        assert [source.read(permit) for source in sources] == ids
        again = InstallationSource(tmp_path / "a")
        assert again.read(permit) == ids[0]

    def test_nothing_before_a_read(self, make_permit, tmp_path):
        """
        Making the source and resetting it make no folder; the read does.
        """
        source = InstallationSource(tmp_path / "ids")
        source.reset()
        assert not (tmp_path / "ids").exists()

        assert source.read(make_permit("guid"))
        assert (tmp_path / "ids").is_dir()

    @pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
    def test_private(self, make_permit, tmp_path):
        """
        Only this user can read it, whatever the mask says.
        """
        before = os.umask(0)
        try:
            InstallationSource(tmp_path / "ids").read(make_permit("guid"))
        finally:
            os.umask(before)

        modes = {
            one.name.rpartition(".")[2]: one.stat().st_mode & 0o777
            for one in (tmp_path / "ids").iterdir()
        }
        assert modes == {"id": 0o600, "lock": 0o600}
        assert (tmp_path / "ids").stat().st_mode & 0o777 == 0o700

    def test_reset(self, make_permit, tmp_path):
        """
        After a reset the old id is on disk no more, and the next read draws
        another one.
        """
        source = InstallationSource(tmp_path)
        permit = make_permit("guid")
        old = str(source.read(permit))
        source.reset()
        kept = b"".join(p.read_bytes() for p in tmp_path.iterdir())
        new = source.read(permit)

        assert old.encode() not in kept
        assert isinstance(new, str)
        assert new != old

    @pytest.mark.parametrize(
        "text", [b"", b"nonsense", b"\xff" * 50, b"0" * 36, b"x" * 2_000_000]
    )
    def test_damaged(self, make_permit, tmp_path, text):
        """
        A file that is not ours is replaced by a new id, which then stays.
        """
        source = InstallationSource(tmp_path)
        permit = make_permit("guid")
        old = source.read(permit)
        (file,) = tmp_path.glob("*.id")
        file.write_bytes(text)
        new = source.read(permit)

        assert ID.fullmatch(str(new))
        assert new != old
        assert source.read(permit) == new

    @pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
    def test_read_by_others(self, make_permit, tmp_path):
        """
        An id that other users could read is not used any longer.
        """
        source = InstallationSource(tmp_path)
        permit = make_permit("guid")
        old = source.read(permit)
        (file,) = tmp_path.glob("*.id")
        file.chmod(0o644)

        assert source.read(permit) != old
        assert file.stat().st_mode & 0o777 == 0o600

    def test_no_folder(self, make_permit, tmp_path):
        """
        Where nothing can be written there is no id, and no path in the
        reason.
        """
        (tmp_path / "file").touch()
        source = InstallationSource(tmp_path / "file" / "ids")
        answer = source.read(make_permit("guid"))

        assert isinstance(answer, Unavailable)
        assert "cannot be written" in answer.reason
        assert str(tmp_path) not in str(answer)

    def test_lock_kept(self, make_permit, tmp_path):
        """
        A process that never gives the lock up costs a read the deadline.
        """
        from consentkit._filelock import FileLock

        lock = FileLock(tmp_path / "lock")
        assert lock.acquire(timeout_seconds=60)
        source = InstallationSource(tmp_path, timeout_seconds=0.1)
        try:
            answer = source.read(make_permit("guid"))
            with pytest.raises(UnwritableError):
                source.reset()
        finally:
            lock.release()

        assert isinstance(answer, Unavailable)
        assert isinstance(source.read(make_permit("guid")), str)


ELSEWHERE = "5d1b7a90c3e24f86b7d0e1f2a3b4c5d6"

OF_A_MACHINE = {
    "etc/machine-id": "0123456789abcdef0123456789abcdee\n",
    "proc/self/mountinfo": "",
}


class TestCopy:
    """
    What is not the installation that the id was drawn for.
    """

    @pytest.fixture
    def read(self, make_permit, tmp_path):
        """
        Read the id in a folder, on a machine of that id.
        """
        permit = make_permit("guid")

        def read(folder: Path, machine: str = "", files: dict = {}) -> object:  # noqa: B006
            number = len(list(tmp_path.glob("root*")))
            root = tmp_path / f"root{number}"
            tree = {**OF_A_MACHINE, **files}
            if machine:
                tree["etc/machine-id"] = machine
            return InstallationSource(folder, root=grow(root, tree)).read(
                permit
            )

        return read

    @pytest.mark.parametrize("tool", ["cp", "python"])
    def test_copied_folder(self, read, tmp_path, tool):
        """
        A copy of the data folder is another installation; the first one
        stays what it was, and each keeps its own.
        """
        first, copy = tmp_path / "data/ids", tmp_path / "copy/ids"
        old = read(first)
        if tool == "cp":
            subprocess.run(
                ["cp", "-a", first.parent, copy.parent], check=True, timeout=60
            )
        else:
            shutil.copytree(first.parent, copy.parent)
        new = read(copy)
        kept = b"".join(p.read_bytes() for p in copy.iterdir())

        assert ID.fullmatch(str(new))
        assert new != old
        assert str(old).encode() not in kept
        assert (read(first), read(copy)) == (old, new)

    @pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="machine ids of Linux"
    )
    def test_cloned_machine(self, read, tmp_path):
        """
        An image of a whole disk is another installation where its machine
        id was made anew, as it should be.
        """
        folder = tmp_path / "ids"
        old = read(folder)
        new = read(folder, ELSEWHERE)

        assert new != old
        # Two machines may share a folder, too.
        assert (read(folder), read(folder, ELSEWHERE)) == (old, new)

    def test_moved_folder(self, read, tmp_path):
        """
        A folder that was moved is the same one.
        """
        old = read(tmp_path / "data/ids")
        (tmp_path / "data").rename(tmp_path / "moved")

        assert read(tmp_path / "moved/ids") == old

    def test_restored_backup(self, read, tmp_path):
        """
        A folder that a backup has put back in its place is the same one.
        """
        folder = tmp_path / "data/ids"
        old = read(folder)
        shutil.copytree(folder, tmp_path / "backup")
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "backup", folder)

        assert read(folder) == old

    @pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
    def test_other_way_there(self, read, tmp_path):
        """
        Two ways into one folder lead to one installation.
        """
        old = read(tmp_path / "data/ids")
        (tmp_path / "link").symlink_to(tmp_path / "data")

        assert read(tmp_path / "link/ids") == old

    def test_container(self, read, tmp_path):
        """
        A container that is made anew, over the same volume, from a newer
        image with another machine id, is the same installation.
        """
        files = {".dockerenv": ""}
        old = read(tmp_path / "volume", files=files)

        assert read(tmp_path / "volume", ELSEWHERE, files) == old

    def test_nothing_of_the_machine_is_kept(self, read, tmp_path):
        """
        What is kept to know a copy tells neither the machine nor the
        folder; of the folder it is another one for each id.
        """
        read(tmp_path / "ids", ELSEWHERE)
        (file,) = (tmp_path / "ids").glob("*.id")
        first = [file.name, *file.read_text().split()]
        InstallationSource(tmp_path / "ids").reset()
        read(tmp_path / "ids", ELSEWHERE)
        second = [file.name, *file.read_text().split()]

        planted = Sentinels([ELSEWHERE, str(tmp_path)])
        assert planted.found_in(" ".join(first)) == []
        # The machine and the consent are the same, the id and its place not.
        assert [a == b for a, b in zip(first, second, strict=True)] == [
            True,
            False,
            True,
            False,
            False,
        ]


class TestRace:
    """
    Many ask first, at the same time.
    """

    def test_threads(self, make_permit, tmp_path):
        """
        All threads get one id, each with a source of its own.
        """
        permit = make_permit("guid")
        together = threading.Barrier(8)
        got = []

        def read():
            source = InstallationSource(tmp_path, timeout_seconds=60)
            together.wait(60)
            got.append(source.read(permit))

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert len(got) == 8
        assert len(set(got)) == 1
        assert isinstance(got[0], str)

    def test_processes(self, tmp_path):
        """
        All processes get one id, those that were forked, too.
        """
        code = f"""
import os, runpy, sys
from pathlib import Path
build = runpy.run_path({str(Path(__file__).parent / "conftest.py")!r})
from consentkit.collectors.installation import InstallationSource
permit = build["build_permit"]("guid")
source = InstallationSource(
    Path({str(tmp_path / "ids")!r}), timeout_seconds=60
)
print("ready", flush=True)
sys.stdin.read(1)
child = os.fork() if hasattr(os, "fork") else None
os.write(1, (str(source.read(permit)) + "\\n").encode())
if child == 0:
    os._exit(0)
if child:
    os.waitpid(child, 0)
"""
        children = [
            subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        try:
            for child in children:
                assert child.stdout.readline() == "ready\n"
            for child in children:
                child.stdin.write("x")
                child.stdin.flush()
            lines = [
                line
                for child in children
                for line in child.communicate(timeout=120)[0].split()
            ]
        finally:
            for child in children:
                child.kill()
                child.wait(60)

        assert len(lines) == (8 if hasattr(os, "fork") else 4)
        assert len(set(lines)) == 1
        assert ID.fullmatch(lines[0])


class TestScope:
    """
    How far an id reaches, through a real kit.
    """

    @pytest.fixture
    def policy(self, tmp_path):
        """
        Load the policy of these tests.
        """
        file = tmp_path / "policy.toml"
        file.write_text(POLICY)
        return load_policy(file)

    def ids(self, kit):
        """
        Read the id for each function and recipient.
        """
        found = {}
        for function, recipients in (
            ("stats", ("maker", "partner")),
            ("health", ("maker",)),
        ):
            with kit.use(function) as use:
                for recipient in recipients:
                    device = use.device("guid", recipient=recipient)
                    found[function, recipient] = device["guid"]
        return found

    def open(self, policy, tmp_path, **options):
        """
        Open a kit whose data folder holds the ids.
        """
        kit = consentkit.open(
            policy,
            data_dir=tmp_path / "data",
            sources=[
                InstallationSource(
                    tmp_path / "data" / "installation", **options
                )
            ],
        )
        self.grant(kit)
        return kit

    def grant(self, kit):
        """
        Say yes to everything.
        """
        for element in kit.policy.elements:
            kit.consent.show(element)
            kit.consent.grant(element)

    def test_consent(self, policy, tmp_path):
        """
        By default each function and recipient has its own, and an id does
        not outlive its consent: after a withdrawal and a new yes it is
        another one, and the old one is on disk no more.
        """
        with self.open(policy, tmp_path) as kit:
            before = self.ids(kit)
            again = self.ids(kit)
            kit.consent.withdraw("stats")
            with kit.use("stats") as use:
                refused = use.device("guid")
            self.grant(kit)
            after = self.ids(kit)
        kept = b"".join(
            p.read_bytes() for p in (tmp_path / "data/installation").iterdir()
        )

        assert len(set(before.values())) == 3
        assert again == before
        assert isinstance(refused, consentkit.Refusal)
        assert after["health", "maker"] == before["health", "maker"]
        for recipient in ("maker", "partner"):
            old = before["stats", recipient]
            assert after["stats", recipient] != old
            assert old.encode() not in kept

    def test_recipient(self, policy, tmp_path):
        """
        An app may ask for one id a recipient, which stays.
        """
        options = {"scope": Scope.RECIPIENT}
        with self.open(policy, tmp_path, **options) as kit:
            before = self.ids(kit)
            kit.consent.withdraw("stats")
            self.grant(kit)
            after = self.ids(kit)

        assert before["stats", "maker"] == before["health", "maker"]
        assert before["stats", "maker"] != before["stats", "partner"]
        assert after == before

    def test_app(self, policy, tmp_path):
        """
        An app may ask for one id for all.
        """
        with self.open(policy, tmp_path, scope=Scope.APP) as kit:
            assert len(set(self.ids(kit).values())) == 1
