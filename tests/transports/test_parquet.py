# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.transports.file` with batches as Parquet.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import subprocess
import sys

from importlib import import_module

import pytest

from attrs import evolve

from consentkit.exceptions import MissingExtraError
from consentkit.seal import make_open_key, read_head
from consentkit.testing import Arrived, TransportConformance
from consentkit.transports import Outcome, transport_from_url
from consentkit.transports.file import FileTransport
from tests.needs import need_extra
from tests.transports.conformance import (
    PLANTED,
    ErasingConformance,
    make_batch,
    make_erasure,
    make_record,
    outcomes,
)


DELIVERED, DUPLICATE, RETRY = (
    Outcome.DELIVERED,
    Outcome.DUPLICATE,
    Outcome.RETRY,
)

need_extra("parquet")


def document_in(path):
    """
    Read the batch in a file as it would go over the wire.
    """
    pq = import_module("pyarrow.parquet")
    table = pq.read_table(path, use_threads=False)
    about = {
        key.decode().removeprefix("consentkit."): value.decode()
        for key, value in table.schema.metadata.items()
    }
    assert about["batch"] == path.stem
    records = table.to_pylist()
    for record in records:
        record["value"] = json.loads(record["value"])
        for name in ("captured_at", "expires_at"):
            record[name] = record[name].isoformat(timespec="milliseconds")
    return {**about, "format": int(about["format"]), "records": records}


@pytest.fixture
def folder(tmp_path):
    """
    Give a folder that is not there yet.
    """
    return tmp_path / "out"


@pytest.fixture
def transport(folder):
    """
    Give a transport into *folder*.
    """
    with transport_from_url(f"{folder.as_uri()}?format=parquet") as made:
        yield made


class TestConformance(TransportConformance, ErasingConformance):
    """
    It keeps what every transport has to keep.
    """

    keeps_order = False

    @pytest.fixture(autouse=True)
    def _place(self, folder):
        self.folder = folder

    def make_transport(self):
        """
        Make a transport into the folder.
        """
        return FileTransport(f"{self.folder.as_uri()}?format=parquet")

    def received(self):
        """
        Read the files.
        """
        batches = [
            Arrived.of(json.dumps(document_in(path)).encode())
            for path in self.folder.glob("*.parquet")
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
        ids = [
            row["id"]
            for path in self.folder.glob("*.parquet")
            for row in document_in(path)["records"]
        ]
        assert len(ids) == len(set(ids))
        return set(ids)


class TestFiles:
    """
    Tests for the files.
    """

    def test_columns(self, transport, folder):
        """
        There is a column for each field, with instants as such, and none
        else.
        """
        batch = make_batch()
        transport.send(batch)
        schema = import_module("pyarrow.parquet").read_schema(
            folder / f"{batch.id}.parquet"
        )
        assert schema.names == [
            "id",
            "function",
            "data_type",
            "purpose",
            "recipient",
            "protection",
            "class",
            "value",
            "captured_at",
            "expires_at",
            "consent",
            "policy_version",
        ]
        kinds = {field.name: str(field.type) for field in schema}
        assert set(schema.names) == set(batch.records[0].as_json())
        assert kinds.pop("captured_at") == "timestamp[ms, tz=UTC]"
        assert kinds.pop("expires_at") == "timestamp[ms, tz=UTC]"
        assert set(kinds.values()) == {"string"}

    @pytest.mark.obligation("WP-ENC-1")
    def test_only_this_user_may_look(self, transport, folder):
        """
        Each file has mode 0600.
        """
        transport.send(make_batch())
        [path] = folder.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_sealed(self, transport, folder):
        """
        What is sealed is an envelope, in which nobody sees columns.
        """
        key = make_open_key(1).seal_key
        transport.send(evolve(make_batch(), seal_for=key))
        [path] = folder.iterdir()
        assert path.suffix == ".envelope"

    @pytest.mark.obligation("WP-BIND-4")
    def test_an_erasure_goes_by_the_records(self, transport, folder):
        """
        Whatever form a batch of the grant has, it is erased, by a transport
        of either form.
        """
        for first, second in (
            ("", "?format=parquet"),
            ("?format=parquet", ""),
        ):
            with (
                FileTransport(folder.as_uri() + first) as one,
                FileTransport(folder.as_uri() + second) as other,
            ):
                token = os.urandom(32).hex()
                one.send(make_batch(token=token))
                other.send(make_batch(token=token))
                assert list(folder.glob("*.parquet"))
                assert list(folder.glob("*.jsonl"))
                answer = one.erase(make_erasure(token))
            assert outcomes(answer) == [DELIVERED]
            assert not list(folder.glob("*.parquet"))
            assert not list(folder.glob("*.jsonl"))

    def test_known_in_another_form(self, transport, folder):
        """
        A batch that comes again after the form was changed is known.
        """
        batch = make_batch()
        FileTransport(folder.as_uri()).send(batch)
        assert outcomes(transport.send(batch)) == [DUPLICATE] * 2
        assert [path.suffix for path in folder.iterdir()] == [".jsonl"]

    def test_files_of_others_stay(self, transport, folder):
        """
        An erasure leaves files alone that no transport wrote, damaged ones
        too.
        """
        pa, pq = import_module("pyarrow"), import_module("pyarrow.parquet")
        batch = make_batch(token="22" * 32)
        transport.send(batch)
        ours = (folder / f"{batch.id}.parquet").read_bytes()
        damaged = bytearray(ours)
        damaged[-300:-8] = b"\xff" * 292
        (folder / "noise.parquet").write_bytes(b"PAR1" + b"\x00" * 40)
        (folder / "damaged.parquet").write_bytes(damaged)
        (folder / "empty.parquet").write_bytes(b"")
        pq.write_table(pa.table({"a": [1]}), folder / "other.parquet")
        before = set(folder.iterdir())
        answer = transport.erase(make_erasure())
        assert outcomes(answer) == [DELIVERED]
        assert before < set(folder.iterdir())

    def test_a_full_disk_leaves_nothing_behind(self, transport, folder):
        """
        A batch that does not fit leaves no part of itself; a later try works.
        """
        folder.mkdir(mode=0o700)
        values = [os.urandom(50).hex() for _ in range(1000)]
        batch = make_batch(*(make_record(value=one) for one in values))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            answer = transport.send(batch)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert set(outcomes(answer)) == {RETRY}
        assert os.strerror(errno.EFBIG) in answer.problem
        assert not list(folder.iterdir())
        assert set(outcomes(transport.send(batch))) == {DELIVERED}


class TestLibrary:
    """
    Tests for pyarrow, which may be missing, and comes late.
    """

    def test_missing(self, folder, monkeypatch):
        """
        Without it, Parquet is refused when the transport is made.
        """
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingExtraError, match=r"consentkit\[parquet\]"):
            FileTransport(f"{folder.as_uri()}?format=parquet")

    def test_missing_for_an_erasure(self, transport, folder, monkeypatch):
        """
        Where there are Parquet files that nobody can read, no erasure is
        taken for carried out.
        """
        transport.send(make_batch())
        other = FileTransport(folder.as_uri())
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        answer = other.erase(make_erasure())
        assert outcomes(answer) == [RETRY]
        assert answer.problem.startswith(f"{other.name}: ")
        assert "consentkit[parquet]" in answer.problem
        assert PLANTED not in answer.problem

    def test_comes_late(self, folder):
        """
        It is imported at the first file; batches as lines need none of it.
        """
        code = (
            "import sys\n"
            "from consentkit.transports import transport_from_url\n"
            "from consentkit.testing.transport import make_batch\n"
            "url = sys.argv[1]\n"
            "made = transport_from_url(url + '?format=parquet')\n"
            "transport_from_url(url).send(make_batch())\n"
            "print('pyarrow' in sys.modules)\n"
            "made.send(make_batch())\n"
            "print('pyarrow' in sys.modules)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, folder.as_uri()],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert ran.stdout.split() == ["False", "True"]
