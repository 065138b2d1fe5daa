# SPDX-License-Identifier: MIT

"""
Tests for the journal, with real journal files and the real ``journalctl``.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import time

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.collectors.journal import (
    JournalCounts,
    JournalLines,
    JournalSource,
)
from consentkit.collectors.source import Unavailable
from consentkit.exceptions import ForgedPermitError
from consentkit.gate import OSPermission, Permit
from consentkit.testing import BadSourceConformance, SourceConformance
from tests.collectors.test_logs import (
    LINES,
    PLANTED,
    SECRETS,
    find_planted,
    kept,
    on_disk,
)
from tests.docs.blocks import DOCS, blocks_of
from tests.needs import need_tool
from tests.support import START, Clock, make_kit, say_yes, small


UNIT = "notes.service"
NOW = int(START.timestamp())
BOOT = "f446871715504074bf7049ef0718fa93"


class Journal:
    """
    Journal files that the test writes, one for each call of `write`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir()
        self._count = 0

    @property
    def files(self) -> list[Path]:
        """
        All files so far.
        """
        return sorted(self._folder.glob("*.journal"))

    def write(
        self, *messages: str | bytes, at: int = NOW + 1, **fields: str
    ) -> None:
        """
        Write messages, a second apart.

        Args:
            messages: In bytes they may be anything.

            at: Of the first, in seconds since 1970.

            fields: Others than those that each entry has.
        """
        entries = [
            {
                "__REALTIME_TIMESTAMP": str((at + n) * 1_000_000),
                "__MONOTONIC_TIMESTAMP": str((at + n) * 1_000_000),
                "_BOOT_ID": BOOT,
                "_SYSTEMD_UNIT": UNIT,
                "SYSLOG_IDENTIFIER": "notes",
                "PRIORITY": "4",
                "MESSAGE": message,
                **fields,
            }
            for n, message in enumerate(messages)
        ]
        self.write_entries(*entries)

    def write_entries(self, *entries: Any) -> None:
        """
        Write entries, given as mappings or pairs of fields and values.
        """
        self._count += 1
        name = f"{self._count:03}"
        export = self._folder / f"{name}.export"
        export.write_bytes(b"".join(map(_exported, entries)))
        subprocess.run(
            [
                "systemd-journal-remote",
                f"--output={self._folder / name}.journal",
                str(export),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )

    def source(self, **options: Any) -> JournalSource:
        """
        Give a source of all that was written so far.
        """
        return JournalSource(
            **{
                "unit": UNIT,
                "files": self.files,
                "deadline_seconds": 60,
                **options,
            }
        )


def _exported(entry: Any) -> bytes:
    pairs = entry.items() if isinstance(entry, dict) else entry
    parts = []
    for name, value in pairs:
        if name.startswith("__"):
            parts.append(f"{name}={value}\n".encode())
            continue
        data = value if isinstance(value, bytes) else value.encode()
        size = struct.pack("<Q", len(data))
        parts.append(name.encode() + b"\n" + size + data + b"\n")
    return b"".join(parts) + b"\n"


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """
    Give an empty journal.
    """
    path = os.environ.get("PATH", "")
    folders = f"{path}:/usr/lib/systemd:/lib/systemd"
    monkeypatch.setenv("PATH", folders)
    need_tool("journalctl", "systemd-journal-remote")
    return Journal(tmp_path / "journal")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """
    Give the folder of the app's data.
    """
    return tmp_path / "data"


@pytest.fixture
def kit(data: Path) -> Iterator[consentkit.Kit]:
    """
    Give a kit whose logs are granted at `START`.
    """
    with make_kit(data, "logs", clock=Clock()) as made:
        yield made


@pytest.fixture
def permit(make_permit: Callable[..., Permit]) -> Permit:
    """
    Give a permit for the log.
    """
    return make_permit("service_log")


def fake_journalctl(
    folder: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """
    Put a program of that name before the real one.
    """
    folder.mkdir()
    program = folder / "journalctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def messages(kit: consentkit.Kit) -> list[str]:
    """
    Give the messages that were kept.
    """
    return [value["message"] for value in kept(kit)]


class TestCapture:
    """
    Tests for what is kept of the journal.
    """

    def test_keeps_lines_scrubbed(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        Message, level and program are kept; what is personal is not.
        """
        journal.write("code sent to 13800138000", "ready")
        counts = kit.journal("logs", source=journal.source()).capture()

        assert kept(kit) == [
            {
                "message": "code sent to <MOBILE_CN>",
                "level": "WARNING",
                "logger": "notes",
            },
            {"message": "ready", "level": "WARNING", "logger": "notes"},
        ]
        (record, _) = kit.store.inspect()
        assert record.data_type == "service_log"
        assert counts == JournalCounts(captured=2)

    @pytest.mark.obligation("WP-LOG-1")
    def test_nothing_personal_is_kept(
        self, kit: consentkit.Kit, journal: Journal, data: Path
    ) -> None:
        """
        Phone, mail, IMEI, MAC, identity number and token, in English and
        Chinese lines, are in no record and not on disk.
        """
        journal.write(*LINES.values())
        counts = kit.journal("logs", source=journal.source()).capture()

        assert counts == JournalCounts(captured=len(LINES))
        for secret in SECRETS.values():
            assert secret.removeprefix("Bearer ") not in str(kept(kit))
            assert secret.encode() not in on_disk(data)

    @pytest.mark.obligation("WP-LOG-1")
    def test_planted_values_are_nowhere_on_disk(
        self, kit: consentkit.Kit, journal: Journal, data: Path
    ) -> None:
        """
        A planted IMEI and address, in several encodings, are in no file.
        """
        imei, mail = PLANTED
        text = f"imei {imei} of {mail}"
        journal.write(
            text,
            text.encode("utf-16"),
            text.encode("gbk") + "中文".encode("gbk"),
            f"\x1b[31m{text}\x1b[0m",
            SYSLOG_IDENTIFIER=mail,
        )
        kit.journal("logs", source=journal.source()).capture()

        assert not any(value in str(kept(kit)) for value in PLANTED)
        assert find_planted(data) == []
        kit.close()
        assert find_planted(data) == []

    def test_reads_on_where_it_ended(
        self, kit: consentkit.Kit, journal: Journal, data: Path
    ) -> None:
        """
        Each line is captured once, over restarts of the app.
        """
        journal.write("one", "two")
        first = kit.journal("logs", source=journal.source())
        assert first.capture() == JournalCounts(captured=2)
        assert first.capture() == JournalCounts()
        journal.write("three", at=NOW + 10)
        kit.close()
        with make_kit(data, clock=Clock()) as again:
            source = journal.source()
            counts = again.journal("logs", source=source).capture()
            assert counts == JournalCounts(captured=1)
            assert messages(again) == ["one", "two", "three"]

    def test_many_lines_in_several_reads(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        One read gives a bounded number of lines, and says that there may be
        more.
        """
        journal.write(*(f"line {n}" for n in range(25)))
        capture = kit.journal("logs", source=journal.source(most_lines=10))
        found = [capture.capture() for _ in range(3)]

        assert [c.captured for c in found] == [10, 10, 5]
        assert [c.is_cut for c in found] == [True, True, False]
        assert messages(kit) == [f"line {n}" for n in range(25)]

    def test_other_services_are_not_read(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        Only the lines of the named service are captured.
        """
        journal.write("ours")
        journal.write("theirs", at=NOW + 5, _SYSTEMD_UNIT="other.service")
        kit.journal("logs", source=journal.source()).capture()

        assert messages(kit) == ["ours"]

    @pytest.mark.parametrize(
        ("options", "fields"),
        [
            ({"user_unit": "n.service"}, {"_SYSTEMD_USER_UNIT": "n.service"}),
            (
                {"identifier": "pad"},
                {"SYSLOG_IDENTIFIER": "pad", "_UID": str(os.getuid())},
            ),
        ],
        ids=["user unit", "identifier"],
    )
    def test_other_ways_to_name_a_service(
        self,
        kit: consentkit.Kit,
        journal: Journal,
        options: dict,
        fields: dict,
    ) -> None:
        """
        A service of the user's own manager, or a program of this user.
        """
        journal.write("ours", **fields)
        journal.write("theirs", at=NOW + 5, SYSLOG_IDENTIFIER="pad", _UID="1")
        source = journal.source(unit="", **options)
        kit.journal("logs", source=source).capture()

        assert messages(kit) == ["ours"]

    def test_by_default_what_systemd_started(
        self,
        permit: Permit,
        journal: Journal,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """
        Without a name, the lines of this very start of the service are read;
        and none, where systemd did not start it.
        """
        journal.write("ours", _SYSTEMD_INVOCATION_ID=BOOT)
        journal.write("earlier", at=NOW + 5, _SYSTEMD_INVOCATION_ID="0" * 32)
        source = journal.source(unit="")
        monkeypatch.delenv("INVOCATION_ID", raising=False)
        assert isinstance(source.read(permit), Unavailable)
        monkeypatch.setenv("INVOCATION_ID", BOOT)
        got = source.read(permit)

        assert isinstance(got, JournalLines)
        assert [line.message for line in got.lines] == ["ours"]

    @pytest.mark.parametrize("number", range(8))
    def test_levels(
        self, permit: Permit, journal: Journal, number: int
    ) -> None:
        """
        Priorities of syslog become levels of logging.
        """
        journal.write("x", PRIORITY=str(number))
        got = journal.source().read(permit)

        assert isinstance(got, JournalLines)
        assert (
            got.lines[0].level
            == [
                *["CRITICAL"] * 3,
                *["ERROR", "WARNING", "INFO", "INFO", "DEBUG"],
            ][number]
        )


class TestConsent:
    """
    Tests for what is not read.
    """

    @pytest.mark.obligation("WP-ADD-2")
    def test_nothing_runs_without_a_permit(
        self,
        data: Path,
        tmp_path: Path,
        journal: Journal,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """
        While it is refused no program is started; when it is granted, it
        is.
        """
        started = tmp_path / "started"
        fake_journalctl(tmp_path / "bin", monkeypatch, f"touch {started}")
        with make_kit(data, clock=Clock()) as kit:
            source = journal.source()
            capture = kit.journal("logs", source=source)
            assert capture.capture().reason == "refused: not_asked"
            assert source.reads == 0
            assert not started.exists()
            say_yes(kit.consent, "logs")
            capture.capture()
            assert source.reads == 1
            assert started.exists()

    @pytest.mark.obligation("WP-ADD-2")
    def test_nothing_from_before_the_consent(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        Lines that were written before the person said yes are not read.
        """
        journal.write("before", at=NOW - 3600)
        journal.write("after", at=NOW + 1)
        kit.journal("logs", source=journal.source()).capture()

        assert messages(kit) == ["after"]

    @pytest.mark.obligation("WP-ADD-3")
    def test_nothing_from_between_two_consents(
        self, data: Path, journal: Journal
    ) -> None:
        """
        After a withdrawal and a new consent, reading begins at the new one.
        """
        clock = Clock()
        with make_kit(data, "logs", clock=clock) as kit:
            journal.write("first", at=NOW + 1)
            capture = kit.journal("logs", source=journal.source())
            assert capture.capture().captured == 1
            clock.tick(seconds=10)
            kit.consent.withdraw("logs")
            assert capture.capture().reason == "refused: withdrawn"
            assert list((data / "journal").iterdir()) == []
            clock.tick(seconds=90)
            say_yes(kit.consent, "logs")
            journal.write("between", at=NOW + 50)
            journal.write("after", at=NOW + 150)
            kit.journal("logs", source=journal.source()).capture()

            assert messages(kit) == ["after"]

    @pytest.mark.obligation("WP-PERM-8")
    def test_a_permission_lost_in_the_middle(
        self, data: Path, journal: Journal
    ) -> None:
        """
        A permission that is taken away stops at the very next line; when it
        comes back, reading goes on with what is newer than that.
        """

        def change(tree: dict) -> None:
            tree["functions"][3]["permission"] = "storage"

        journal.write("one", "two", "three")
        seen = {"lost": False, "kept": 0}

        def answer(_: str) -> OSPermission:
            if opened.status().waiting and not seen["kept"]:
                seen.update(lost=True, kept=1)
            return (
                OSPermission.DENIED if seen["lost"] else OSPermission.GRANTED
            )

        with make_kit(
            data,
            clock=Clock(),
            policy=small(change=change),
            os_permission=answer,
        ) as opened:
            say_yes(opened.consent, "logs")
            capture = opened.journal("logs", source=journal.source())
            counts = capture.capture()
            assert counts.refused == 1
            assert counts.captured < 3
            assert capture.capture().reason == "refused: os_permission"
            seen["lost"] = False
            assert capture.capture().captured == 3 - counts.captured

    @pytest.mark.obligation("WP-ADD-2")
    @pytest.mark.parametrize("element", ["logs", ""], ids=["one", "all"])
    @pytest.mark.parametrize("is_asked", [False, True])
    def test_nothing_from_a_pause(
        self, data: Path, journal: Journal, element: str, *, is_asked: bool
    ) -> None:
        """
        Lines of a pause are never kept, and no other line comes twice,
        whether or not somebody tried to read meanwhile.
        """
        clock = Clock()
        with make_kit(data, "logs", clock=clock) as kit:
            journal.write("before", at=NOW + 1)
            kit.journal("logs", source=journal.source()).capture()
            journal.write("not read yet", at=NOW + 5)
            clock.tick(seconds=10)
            kit.consent.pause(element)
            clock.tick(seconds=10)
            journal.write("paused", at=NOW + 15)
            capture = kit.journal("logs", source=journal.source())
            if is_asked:
                assert capture.capture().reason == "refused: paused"
            kit.consent.resume(element)
            journal.write("after", at=NOW + 25)
            capture = kit.journal("logs", source=journal.source())
            assert capture.capture() == JournalCounts(captured=2, refused=1)
            assert capture.capture() == JournalCounts()

            assert messages(kit) == ["before", "not read yet", "after"]

    @pytest.mark.obligation("WP-PERM-8")
    @pytest.mark.parametrize("noticed", ["by a read", "elsewhere"])
    def test_nothing_from_before_a_permission_came_back(
        self, data: Path, journal: Journal, noticed: str
    ) -> None:
        """
        As nobody knows for how long the system denied it, what is older
        than the first look at which it allowed it again is not kept.
        """

        def change(tree: dict) -> None:
            tree["functions"][3]["permission"] = "storage"

        answers = {"storage": OSPermission.GRANTED}
        clock = Clock()
        with make_kit(
            data,
            "logs",
            clock=clock,
            policy=small(change=change),
            os_permission=answers.__getitem__,
        ) as kit:
            journal.write("before", at=NOW + 1)
            capture = kit.journal("logs", source=journal.source())
            assert capture.capture() == JournalCounts(captured=1)
            clock.tick(seconds=10)
            answers["storage"] = OSPermission.DENIED
            if noticed == "by a read":
                assert capture.capture().reason == "refused: os_permission"
            else:
                kit.flush()
            journal.write("denied", at=NOW + 15)
            clock.tick(seconds=10)
            answers["storage"] = OSPermission.GRANTED
            capture = kit.journal("logs", source=journal.source())
            assert capture.capture() == JournalCounts(refused=1)
            journal.write("after", at=NOW + 25)
            capture = kit.journal("logs", source=journal.source())
            assert capture.capture() == JournalCounts(captured=1)

            # What waited went with the permission.
            assert messages(kit) == ["after"]

    def test_a_clock_that_was_set_back_in_a_pause(
        self, data: Path, journal: Journal
    ) -> None:
        """
        Where the ledger's times cannot tell what a pause was, only what is
        newer than the first look after it is kept.
        """
        clock = Clock()
        with make_kit(data, "logs", clock=clock) as kit:
            clock.tick(hours=1)
            kit.consent.pause("logs")
            journal.write("paused", at=NOW + 3700)
            clock.tick(minutes=-10)
            kit.consent.resume("logs")
            journal.write("after", at=NOW + 3100)
            clock.tick(minutes=20)
            capture = kit.journal("logs", source=journal.source())
            assert capture.capture() == JournalCounts()
            journal.write("newer", at=NOW + 4300)
            capture = kit.journal("logs", source=journal.source())
            assert capture.capture() == JournalCounts(captured=1)
            assert messages(kit) == ["newer"]

    def test_two_services_of_one_function(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        Each service is read on from its own place.
        """
        journal.write("of b", at=NOW + 1, _SYSTEMD_UNIT="b.service")
        journal.write("of a", at=NOW + 2, _SYSTEMD_UNIT="a.service")
        for unit in ("a.service", "b.service"):
            source = journal.source(unit=unit)
            counts = kit.journal("logs", source=source).capture()
            assert counts == JournalCounts(captured=1)

        assert messages(kit) == ["of a", "of b"]

    def test_is_not_for_one_subject(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        The service's lines are nobody's in particular.
        """
        with pytest.raises(ValueError, match="app's own kit"):
            kit.subject("ann").journal("logs", source=journal.source())

    def test_is_for_its_types_only(
        self, make_permit: Callable[..., Permit], journal: Journal
    ) -> None:
        """
        A permit for something else opens no journal.
        """
        source = journal.source()
        with pytest.raises(ForgedPermitError):
            source.read(make_permit("mac_address"))
        assert source.reads == 0


class TestBadInput:
    """
    Tests for lines and programs that are not as they should be.
    """

    @pytest.mark.parametrize(
        "message",
        [
            b"x" * 1_000_000,
            b"\xff\xfe\x00broken",
            "电话 13800138000".encode("gbk"),
            "call 13800138000".encode("utf-16-le") + b"\xff",
            b"\x80" * 3000,
        ],
        ids=["1 MB", "binary", "GBK", "UTF-16", "bytes"],
    )
    def test_lines_that_cannot_be_read_are_counted(
        self, kit: consentkit.Kit, journal: Journal, message: bytes
    ) -> None:
        """
        A huge line, or one in another encoding, is dropped and counted, and
        the lines around it are kept.
        """
        journal.write("before", message, "after")
        capture = kit.journal("logs", source=journal.source())
        counts = capture.capture()

        assert counts == JournalCounts(captured=2, dropped=1)
        assert messages(kit) == ["before", "after"]
        assert capture.capture() == JournalCounts()

    def test_a_dropped_line_at_the_end_is_counted_once(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        Reading goes on behind a line that was dropped.
        """
        journal.write(b"\xff", b"\xff")
        capture = kit.journal("logs", source=journal.source())

        assert capture.capture() == JournalCounts(dropped=2)
        assert capture.capture() == JournalCounts()

    def test_colours_and_lines(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        Colours are taken out; a message of several lines stays one.
        """
        journal.write("\x1b[31mcall 13800138000\x1b[0m", "one\ntwo", "中文")
        kit.journal("logs", source=journal.source()).capture()

        assert messages(kit) == ["call <MOBILE_CN>", "one\ntwo", "中文"]

    def test_a_message_that_was_written_twice(
        self, kit: consentkit.Kit, journal: Journal
    ) -> None:
        """
        An entry may have a field several times; both are scrubbed.
        """
        journal.write_entries(
            [
                ("__REALTIME_TIMESTAMP", str((NOW + 1) * 1_000_000)),
                ("__MONOTONIC_TIMESTAMP", "1"),
                ("_BOOT_ID", BOOT),
                ("_SYSTEMD_UNIT", UNIT),
                ("MESSAGE", "call 13800138000"),
                ("MESSAGE", "and 13900139000"),
            ]
        )
        kit.journal("logs", source=journal.source()).capture()

        (text,) = messages(kit)
        assert sorted(text.splitlines()) == [
            "and <MOBILE_CN>",
            "call <MOBILE_CN>",
        ]

    @pytest.mark.parametrize(
        "output",
        [
            "not json",
            "{}",
            "[" * 5000,
            '{"MESSAGE":"x"}',
            '{"MESSAGE":"x","__CURSOR":"s=1 --all","__REALTIME_TIMESTAMP":"1"}',
            '{"MESSAGE":"x","__CURSOR":"s=1","__REALTIME_TIMESTAMP":"-1"}',
            '{"MESSAGE":null,"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1"}',
            '{"MESSAGE":[[[]]],"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1"}',
            "x" * 300_000,
        ],
        ids=[
            "text",
            "empty",
            "deep",
            "bare",
            "cursor",
            "time",
            "null",
            "nested",
            "long",
        ],
    )
    def test_a_program_that_says_anything(
        self,
        permit: Permit,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        output: str,
    ) -> None:
        """
        Output that is none of journalctl's is dropped and counted.
        """
        (tmp_path / "output").write_text(output + "\n")
        script = f"cat {tmp_path}/output"
        fake_journalctl(tmp_path / "bin", monkeypatch, script)
        got = JournalSource(unit=UNIT, deadline_seconds=60).read(permit)

        assert isinstance(got, JournalLines)
        assert (got.lines, got.dropped) == ((), 1)

    @pytest.mark.parametrize(
        ("script", "reason"),
        [
            ("exec sleep 600", "journalctl was late"),
            ("sleep 600 & sleep 600", "journalctl was late"),
            ("exec >&-; sleep 600", "journalctl was late"),
            ("exit 3", "journalctl failed (status 3)"),
            ("kill -9 $$", "journalctl failed (status -9)"),
            ("echo 13800138000 >&2; exit 1", "journalctl failed (status 1)"),
        ],
        ids=["sleeps", "children", "closes", "fails", "dies", "complains"],
    )
    def test_a_program_that_hangs_or_fails(
        self,
        permit: Permit,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
        script: str,
        reason: str,
    ) -> None:
        """
        A program that hangs is ended, and its children with it; the reason
        says nothing of what it wrote.
        """
        fake_journalctl(tmp_path / "bin", monkeypatch, script)
        start = time.monotonic()
        slow = "late" in reason
        source = JournalSource(unit=UNIT, deadline_seconds=1 if slow else 60)
        got = source.read(permit)

        assert isinstance(got, Unavailable)
        assert got.reason == reason
        assert time.monotonic() - start < 60
        assert capfd.readouterr() == ("", "")

    def test_no_process_is_left(
        self, permit: Permit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        What the program started ends with it.
        """
        file = tmp_path / "child"
        script = f"sleep 600 & echo $! >{file}; sleep 600"
        fake_journalctl(tmp_path / "bin", monkeypatch, script)
        JournalSource(unit=UNIT, deadline_seconds=3).read(permit)
        stat = Path(f"/proc/{int(file.read_text())}/stat")
        deadline = time.monotonic() + 30
        while _is_running(stat) and time.monotonic() < deadline:
            time.sleep(0.05)

        assert not _is_running(stat)

    def test_what_came_in_time_is_kept(
        self, permit: Permit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Lines that came before the deadline are given, and the read says
        that there may be more.
        """
        line = {
            "MESSAGE": "x",
            "__CURSOR": "s=1",
            "__REALTIME_TIMESTAMP": str(NOW * 1_000_000),
        }
        script = f"echo '{json.dumps(line)}'; exec sleep 600"
        fake_journalctl(tmp_path / "bin", monkeypatch, script)
        got = JournalSource(unit=UNIT, deadline_seconds=5).read(permit)

        assert isinstance(got, JournalLines)
        assert [one.message for one in got.lines] == ["x"]
        assert got.is_cut

    def test_a_program_without_end(
        self, permit: Permit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Endless output ends at a bound.
        """
        fake_journalctl(tmp_path / "bin", monkeypatch, "exec yes 13800138000")
        got = JournalSource(unit=UNIT, deadline_seconds=60).read(permit)

        assert isinstance(got, JournalLines)
        assert got.is_cut
        assert got.lines == ()

    def test_no_program(
        self, permit: Permit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Where there is no journalctl, that is the reason.
        """
        monkeypatch.setenv("PATH", str(tmp_path))
        got = JournalSource(unit=UNIT).read(permit)

        assert got == Unavailable("service_log", "journalctl is not installed")

    def test_an_unknown_cursor(
        self, kit: consentkit.Kit, journal: Journal, data: Path
    ) -> None:
        """
        Where the journal does not know the cursor, reading goes on by the
        time of the last line.
        """
        journal.write("one", "two")
        capture = kit.journal("logs", source=journal.source())
        capture.capture()
        (file,) = (data / "journal").iterdir()
        known = json.loads(file.read_text())
        known["cursor"] = "s=0;i=zz"
        file.write_text(json.dumps(known))
        journal.write("three", at=NOW + 10)
        counts = kit.journal("logs", source=journal.source()).capture()

        assert counts.captured == 1
        assert messages(kit) == ["one", "two", "three"]

    @pytest.mark.parametrize(
        "content", ["", "[]", "[" * 5000, '{"grant": 1}', "\0"]
    )
    def test_a_damaged_cursor_file(
        self,
        kit: consentkit.Kit,
        journal: Journal,
        data: Path,
        content: str,
    ) -> None:
        """
        Where the place is lost, reading begins at the consent anew.
        """
        journal.write("one")
        capture = kit.journal("logs", source=journal.source())
        capture.capture()
        (file,) = (data / "journal").iterdir()
        file.write_text(content)

        assert capture.capture() == JournalCounts(captured=1)

    def test_the_cursor_file_is_private(
        self, kit: consentkit.Kit, journal: Journal, data: Path
    ) -> None:
        """
        Only this user can read where reading ended, and no line is there.
        """
        journal.write("call 13800138000")
        kit.journal("logs", source=journal.source()).capture()
        (file,) = (data / "journal").iterdir()

        assert file.stat().st_mode & 0o777 == 0o600
        assert json.loads(file.read_text()).keys() == {
            "grant",
            "cursor",
            "at_seconds",
            "floor_seconds",
            "seq",
            "is_doubtful",
        }

    def test_an_unusable_outbox(self, data: Path, journal: Journal) -> None:
        """
        Where nothing can be kept, that is counted.
        """
        journal.write("one")
        with make_kit(data, "logs", clock=Clock()) as kit:
            (data / "outbox.sqlite3").mkdir()
            counts = kit.journal("logs", source=journal.source()).capture()

        assert (counts.captured, counts.failed) == (0, 1)

    @pytest.mark.parametrize(
        "options",
        [
            {"unit": "a.service", "identifier": "b"},
            {"unit": "--file=/etc/passwd"},
            {"unit": "a b"},
            {"identifier": "a\nb"},
            {"unit": "a", "most_lines": 0},
            {"unit": "a", "deadline_seconds": 0},
            {"unit": "a", "deadline_seconds": float("inf")},
            {"unit": "a", "deadline_seconds": float("nan")},
        ],
    )
    def test_odd_arguments(self, options: dict) -> None:
        """
        What is no name, or no bound, is refused at once.
        """
        with pytest.raises(ValueError, match=r"name|must be"):
            JournalSource(**options)


class TestConformance(SourceConformance):
    """
    The journal does what every source must.
    """

    within_seconds = 60.0

    @pytest.fixture(autouse=True)
    def _journal(self, journal: Journal) -> None:
        # The consent of these tests is given now.
        at = int(time.time()) + 3600
        journal.write("call 13800138000", "wolfsbane", at=at)
        self.files = journal.files

    def make_source(self) -> JournalSource:
        """
        Make one of a journal with lines from after the consent.
        """
        return JournalSource(unit=UNIT, files=self.files, deadline_seconds=60)

    def test_there_are_lines(self) -> None:
        """
        What the other tests read has lines in it.
        """
        told = self._read(self.make_source(), "service_log")
        assert isinstance(told.answer, JournalLines)
        assert len(told.answer.lines) == 2


class TestBadConformance(BadSourceConformance):
    """
    A journalctl that is bad shows nothing of what it has.
    """

    within_seconds = 60.0
    planted = ("wolfsbane", "13800138000")

    @pytest.fixture(
        autouse=True,
        params=[
            "echo wolfsbane 13800138000 >&2; exit 1",
            "echo wolfsbane 13800138000; exit 1",
            "echo wolfsbane 13800138000; exec sleep 600",
        ],
        ids=["complains", "fails", "hangs"],
    )
    def _journalctl(
        self,
        request: pytest.FixtureRequest,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        fake_journalctl(tmp_path / "bin", monkeypatch, request.param)

    def make_source(self) -> JournalSource:
        """
        Make one that asks the fake.
        """
        return JournalSource(unit=UNIT, deadline_seconds=1)


class TestNames:
    """
    Tests for what the app names.
    """

    @pytest.mark.parametrize(
        ("function", "options", "problem"),
        [
            ("log", {}, "no function 'log'; try logs"),
            ("improve", {}, "improve does not collect 'service_log'"),
            ("logs", {"data_type": "failure_info"}, "logs does not collect"),
        ],
    )
    def test_the_policy_does_not_have(
        self,
        kit: consentkit.Kit,
        function: str,
        options: dict[str, Any],
        problem: str,
    ) -> None:
        """
        A name that would capture nothing for ever is an error, at once.
        """
        with pytest.raises(ValueError, match=problem):
            kit.journal(function, **options)

    def test_of_another_file(self, kit: consentkit.Kit, data: Path) -> None:
        """
        A path in the place of a function deletes no file.
        """
        diary = data.parent / "diary.json"
        diary.write_text("mine")
        for name in (str(diary.with_suffix("")), "../../diary"):
            with pytest.raises(ValueError, match="no function"):
                kit.journal(name)

        assert diary.read_text() == "mine"


class TestPage:
    """
    Tests for the page of the documentation.
    """

    def test_testing(
        self,
        journal: Journal,
        data: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """
        The file that the page shows how to write has a line that is
        captured under a consent of now.
        """
        *_, shown = (
            block
            for block in blocks_of(DOCS / "collectors" / "journal.md")
            if block.language == "console"
        )
        tool = shutil.which("systemd-journal-remote")
        assert tool is not None
        monkeypatch.chdir(tmp_path)
        with make_kit(data, "logs") as kit:
            for line in shown.text.splitlines():
                command = line.removeprefix("$ ").replace(
                    "/lib/systemd/systemd-journal-remote", tool
                )
                subprocess.run(
                    ["sh", "-c", command],
                    check=True,
                    capture_output=True,
                    timeout=60,
                )
            source = JournalSource(
                unit=UNIT, files=["notes.journal"], deadline_seconds=60
            )
            counts = kit.journal("logs", source=source).capture()

            assert counts == JournalCounts(captured=1)
            assert messages(kit) == ["hello"]


class TestRepr:
    """
    Tests that nothing is shown.
    """

    def test_values_are_not_shown(
        self, permit: Permit, journal: Journal
    ) -> None:
        """
        No repr shows a text of the journal.
        """
        journal.write("call 13800138000", SYSLOG_IDENTIFIER="olga")
        source = journal.source()
        got = source.read(permit)

        assert isinstance(got, JournalLines)
        assert got.lines[0].message == "call 13800138000"
        for one in (got, got.lines[0], source):
            assert "13800138000" not in repr(one)
            assert "olga" not in repr(one)

    def test_names_the_function(self, kit: consentkit.Kit) -> None:
        """
        The repr names the function.
        """
        assert repr(kit.journal("logs")) == "<JournalCapture for logs>"


def _is_running(stat: Path) -> bool:
    """
    Tell whether the process of a file in ``/proc`` runs; one that ended and
    that nobody waited for does not.
    """
    try:
        return stat.read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
