# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.file`.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import subprocess
import sys

from hashlib import sha256

import pytest

from consentkit.exceptions import TransportError
from consentkit.outbox.records import Batch
from consentkit.seal import read_head
from consentkit.testing import (
    Arrived,
    BadTransportConformance,
    TransportConformance,
)
from consentkit.transports import Outcome, transport_from_url
from consentkit.transports.file import FileTransport
from tests.transports.conformance import (
    PLANTED,
    ErasingConformance,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)


@pytest.fixture
def folder(tmp_path):
    """
    Give a folder that is not there yet.
    """
    return tmp_path / "out box"


@pytest.fixture
def transport(folder):
    """
    Give a transport into *folder*.
    """
    with FileTransport(folder.as_uri()) as transport:
        yield transport


def document_in(path):
    """
    Read the batch in a file as it would go over the wire, and check its head.
    """
    head, *rows = map(json.loads, path.read_text("utf-8")[:-1].split("\n"))
    assert head["batch"] == path.stem
    assert head["records"] == len(rows)
    return {**head, "records": rows}


def records_in(folder):
    """
    Read all records of all batches.
    """
    paths = sorted(folder.glob("*.jsonl"))
    return [row for path in paths for row in document_in(path)["records"]]


class TestFileTransport(TransportConformance, ErasingConformance):
    """
    `FileTransport` keeps what every transport has to keep.
    """

    keeps_order = False

    @pytest.fixture(autouse=True)
    def _place(self, folder):
        self.folder = folder

    def make_transport(self):
        """
        Make a transport into the folder.
        """
        return FileTransport(self.folder.as_uri())

    def received(self):
        """
        Read the files.
        """
        batches = [
            Arrived.of(json.dumps(document_in(path)).encode())
            for path in self.folder.glob("*.jsonl")
        ]
        envelopes = [
            Arrived(id=read_head(body).id, body=body)
            for path in self.folder.glob("*.envelope")
            for body in [path.read_bytes()]
        ]
        requests = [
            Arrived.of(path.read_bytes())
            for kind in ("erasure", "drops")
            for path in self.folder.glob(f"{kind}-*.json")
        ]
        return [*batches, *envelopes, *requests]

    def held(self):
        """
        Look into the files.
        """
        ids = [row["id"] for row in records_in(self.folder)]
        assert len(ids) == len(set(ids))
        return set(ids)


class TestBadFolder(BadTransportConformance):
    """
    And where its folder cannot be one.
    """

    @pytest.fixture(autouse=True, params=["file", "open", "nowhere"])
    def _place(self, request, folder):
        self.url = folder.as_uri()
        if request.param == "file":
            folder.write_text("")
        if request.param == "open":
            folder.mkdir()
            folder.chmod(0o777)
        if request.param == "nowhere":
            self.url = "file:///proc/consentkit"

    def make_transport(self):
        """
        Make a transport into what is no folder for it.
        """
        return FileTransport(self.url)


class TestURL:
    """
    Tests for the URL of a `FileTransport`.
    """

    def test_nothing_is_made_before_the_first_delivery(self, folder):
        """
        Making a transport makes no folder.
        """
        made = transport_from_url(folder.as_uri())

        assert isinstance(made, FileTransport)
        assert made.name == f"file://{folder}"
        assert not folder.exists()

    @pytest.mark.parametrize(
        "url",
        [
            "file:relative",
            "file://relative/folder",
            "file://",
            "file:///a?b",
            "file:///a?format=csv",
            "file:///a?format=parquet&x=y",
            "file:///a%00b",
            "file://[/a",
            "https:///a",
        ],
    )
    def test_other_forms_are_refused(self, url):
        """
        A URL that names no folder from the root on is refused, with the form
        that would be right.
        """
        with pytest.raises(TransportError, match="file:///FOLDER"):
            FileTransport(url)

    def test_localhost_is_here(self, folder):
        """
        The form with this machine's name is taken.
        """
        made = FileTransport(folder.as_uri().replace("://", "://localhost"))

        assert outcomes(made.send(make_batch())) == [Outcome.DELIVERED] * 2
        assert folder.is_dir()


class TestFiles:
    """
    Tests for the files that a `FileTransport` writes.
    """

    @pytest.mark.obligation("WP-ENC-1")
    def test_only_this_user_may_look(self, transport, folder):
        """
        The folder is made with mode 0700, each file with mode 0600.
        """
        transport.send(make_batch())
        transport.erase(make_erasure("22" * 32))

        modes = {
            stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()
        }
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert modes == {0o600}

    def test_format(self, transport, folder):
        """
        A batch is a line of its own, then a line for each record.
        """
        batch = make_batch()
        transport.send(batch)

        path = folder / f"{batch.id}.jsonl"
        head, *rows = map(json.loads, path.read_text("utf-8").splitlines())

        assert head == {
            "format": 1,
            "batch": batch.id,
            "recipient": "controller",
            "erase": batch.erase,
            "records": 2,
        }
        assert rows == [dict(one.as_json()) for one in batch.records]

    def test_an_erasure_leaves_request_and_tombstone(self, transport, folder):
        """
        What is left tells others of the erasure, and nothing of the records.
        """
        transport.send(make_batch())
        erasure = make_erasure()
        transport.erase(erasure)

        digest = sha256(bytes.fromhex(erasure.token)).hexdigest()
        names = {path.name for path in folder.iterdir()}
        request = folder / f"erasure-{erasure.id}.json"
        assert names == {request.name, f"erased-{digest}.json"}
        assert json.loads(request.read_text()) == dict(erasure.as_json())
        everything = b"".join(one.read_bytes() for one in folder.iterdir())
        assert PLANTED.encode() not in everything

    def test_what_a_crash_left_half_written_is_erased_too(
        self, transport, folder
    ):
        """
        An erasure removes temporary files of writers that died.
        """
        transport.send(make_batch(token="22" * 32))
        (folder / ".0011.part").write_text(PLANTED)

        transport.erase(make_erasure())

        assert not list(folder.glob(".*.part"))

    def test_files_of_others_stay(self, transport, folder):
        """
        An erasure leaves files alone that no transport wrote.
        """
        transport.send(make_batch())
        strange = folder / "notes.jsonl"
        deep = folder / "deep.jsonl"
        strange.write_text("not json\n")
        deep.write_text("[" * 60_000)

        answer = transport.erase(make_erasure())

        assert outcomes(answer) == [Outcome.DELIVERED]
        assert strange.exists()
        assert deep.exists()

    def test_an_id_never_leads_out_of_the_folder(self, transport, folder):
        """
        Ids that are no file names are stored under their digest.
        """
        batch = make_batch()
        bad = Batch(
            id="../../escaped",
            recipient=batch.recipient,
            erase="../../escaped",
            records=batch.records,
        )

        assert outcomes(transport.send(bad)) == [Outcome.DELIVERED] * 2
        assert outcomes(transport.send(bad)) == [Outcome.DUPLICATE] * 2
        assert len(list(folder.iterdir())) == 1
        assert {one.name for one in folder.parent.iterdir()} == {folder.name}

    def test_two_processes_share_a_folder(self, transport, folder):
        """
        Another process sees what was erased here.
        """
        transport.erase(make_erasure())
        batch = make_batch()
        code = (
            "from consentkit.outbox.records import Batch\n"
            "from consentkit.transports import transport_from_url\n"
            f"transport = transport_from_url({folder.as_uri()!r})\n"
            "batch = Batch(id='b', recipient='r', records=(), "
            f"erase={batch.erase!r})\n"
            "print(transport._deliver(batch).value)\n"
        )

        ran = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        assert ran.stdout.strip() == "rejected"

    def test_an_erasure_during_a_delivery_wins(
        self, transport, folder, monkeypatch
    ):
        """
        A batch that is written while its grant is erased does not stay.
        """
        other = FileTransport(folder.as_uri())
        write = transport._write

        def slow(path, rows):
            # The erasure happens after the look at the tombstones, and
            # before the file is there.
            other.erase(make_erasure())
            write(path, rows)

        monkeypatch.setattr(transport, "_write", slow)

        answer = transport.send(make_batch())

        assert outcomes(answer) == [Outcome.REJECTED] * 2
        assert not list(folder.glob("*.jsonl"))


class TestTrouble:
    """
    Tests for folders that do not take files.
    """

    def test_a_file_in_place_of_the_folder(self, transport, folder):
        """
        The answer is to try again, and names path and cure.
        """
        folder.write_text("")

        answers = [
            transport.send(make_batch()),
            transport.erase(make_erasure()),
        ]

        for answer in answers:
            assert set(outcomes(answer)) == {Outcome.RETRY}
            assert str(folder) in answer.problem
            assert "name a folder" in answer.problem

    def test_a_place_that_takes_no_folder(self):
        """
        Where not even root may make a folder, the answer is to try again.
        """
        transport = FileTransport("file:///proc/consentkit")

        answer = transport.send(make_batch())

        assert outcomes(answer) == [Outcome.RETRY] * 2
        assert "/proc/consentkit: cannot be written" in answer.problem

    def test_nothing_is_lost_once_it_is_mended(self, transport, folder):
        """
        The same batch is delivered when the folder can be made.
        """
        folder.write_text("")
        batch = make_batch()
        assert outcomes(transport.send(batch)) == [Outcome.RETRY] * 2

        folder.unlink()

        assert outcomes(transport.send(batch)) == [Outcome.DELIVERED] * 2

    def test_a_folder_that_everybody_may_write_to(self, transport, folder):
        """
        A folder in which others could plant files is not used.
        """
        folder.mkdir()
        folder.chmod(0o777)

        answer = transport.send(make_batch())

        assert outcomes(answer) == [Outcome.RETRY] * 2
        assert "every user may write" in answer.problem
        assert not list(folder.iterdir())

    def test_a_full_disk_leaves_nothing_behind(self, transport, folder):
        """
        A batch that does not fit leaves no part of itself; a later try works.
        """
        folder.mkdir(mode=0o700)
        batch = make_batch(make_record(value="x" * 100_000))
        # Stands for a full disk: no file may be longer.
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            answer = transport.send(batch)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

        assert outcomes(answer) == [Outcome.RETRY]
        assert os.strerror(errno.EFBIG) in answer.problem
        assert not list(folder.iterdir())
        assert outcomes(transport.send(batch)) == [Outcome.DELIVERED]
