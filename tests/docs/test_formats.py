# SPDX-License-Identifier: MIT

"""
What the pages say of files is what the files are.
"""

from __future__ import annotations

import json
import re
import sqlite3

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

import consentkit

from consentkit.anonymise.aggregate import Question, Releases
from consentkit.gate import OSPermission
from consentkit.ledger import _tables
from consentkit.outbox.held import Held, Quarantine
from consentkit.receiver.lookup import Lookup
from consentkit.registry.observed import Observed, Sighting, load_observed
from consentkit.starts import Starts
from tests.anonymise.crowd import Crowd
from tests.docs.blocks import DOCS, blocks_of
from tests.faults.planted import Run, open_planted, plant_far_side, use_app
from tests.faults.support import Scripted
from tests.obligations.checks import EXAMPLES
from tests.support import make_kit, small


#: Columns by table: name, type, whether it is filled, place in the key.
Tables = Mapping[str, tuple[tuple[str, str, bool, int], ...]]

#: The files, and the page and section where each is described.
FILES = {
    "ledger.sqlite3": ("formats.md", "`ledger.sqlite3`"),
    "outbox.sqlite3": ("formats.md", "`outbox.sqlite3`"),
    "tally.sqlite3": ("formats.md", "`tally.sqlite3`"),
    "held.sqlite3": ("formats.md", "`held.sqlite3`"),
    "starts.sqlite3": ("formats.md", "`starts.sqlite3`"),
    "backend.sqlite3": ("receiver.md", "The store"),
    "backend.told.sqlite3": ("anonymisation.md", "Numbers over many people"),
}

#: Names that differ from file to file, as the page has them.
NAMES = (
    (r"[0-9a-f]{16}\.key", "ID.key"),
    (r"held-\w+\.secret", "held-FUNCTION.secret"),
    (r"(.*\.sqlite3)-(wal|shm)", r"\1"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Give a folder in which real rooms have made all of the files.
    """
    made: Path = tmp_path_factory.mktemp("files")
    with make_kit(made, "connect") as kit:
        with kit.use("connect") as use:
            assert use.capture(use.device("network_status"))
        assert kit.store.tally.of()
    now = datetime.now(UTC)
    held = Held(id="1", function="f", event="e", value={}, at=now, expires=now)
    Quarantine(made / "held.sqlite3", keys=made / "keys").put(held, most=0)
    with consentkit.open(
        EXAMPLES / "camera_app" / "policy.toml",
        data_dir=made / "camera",
        os_permission=lambda _: OSPermission.GRANTED,
    ) as kit:
        kit.consent.grant("self_start", method="confirm")
        starts = Starts(kit)
        assert starts.wake("self_start", lambda: 1)
        starts.close()
    (made / "camera" / "starts.sqlite3").rename(made / "starts.sqlite3")
    with Crowd(made, small(), "connect", "service_provision") as crowd:
        lookup = Lookup(crowd.store, crowd.policy, clock=crowd.clock)
        question = Question(
            function="connect",
            purpose="service_provision",
            types=("network_status",),
        )
        releases = Releases(lookup, question, clock=crowd.clock)
        releases.release()
        releases.close()
    return made


def tables_of(database: sqlite3.Connection) -> Tables:
    """
    Give the tables of a database.
    """
    rows = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {
        name: tuple(
            (column, kind, bool(filled or key), key)
            for _, column, kind, filled, _, key in database.execute(
                f"PRAGMA table_info({name})"
            )
        )
        for (name,) in rows
    }


def made_by(*statements: str) -> Tables:
    """
    Give the tables that statements make.
    """
    with closing(sqlite3.connect(":memory:")) as database:
        for text in statements:
            database.executescript(text)
        return tables_of(database)


def shown(page: str, section: str) -> Tables:
    """
    Give the tables that a section of a page shows, below any heading.
    """
    lines = (DOCS / page).read_text("utf-8").splitlines()
    level, begin = next(
        (len(line) - len(line.lstrip("#")), number)
        for number, line in enumerate(lines, start=1)
        if line.lstrip("#") == f" {section}"
    )
    end = next(
        (
            number
            for number, line in enumerate(lines[begin:], start=begin + 1)
            if re.match(f"#{{2,{level}}} ", line)
        ),
        len(lines) + 1,
    )
    own = [
        block.text
        for block in blocks_of(DOCS / page)
        if block.language == "sql" and begin < block.line < end
    ]
    # What a server has is another database.
    return made_by(*own[:1])


class TestTables:
    """
    Tests for the tables that pages show.
    """

    @pytest.mark.parametrize("name", FILES)
    def test_of_a_file(self, name: str, folder: Path) -> None:
        """
        The page has each table and each column of the real file, and no
        other.
        """
        with closing(sqlite3.connect(folder / name)) as database:
            real = tables_of(database)

        assert real
        assert shown(*FILES[name]) == real

    def test_of_a_server(self) -> None:
        """
        It has those of a ledger in PostgreSQL that differ from the file's.
        """
        text = _tables._MIGRATE.partition("INSERT INTO")[0]
        text = re.sub(r"WITH \(.*\)|CREATE SCHEMA.*|SELECT.*", "", text)
        real = made_by(text.replace("{s}.", ""))

        told = shown("formats.md", "In PostgreSQL")

        assert told.keys() == {"entries", "tails", "head"}
        assert told == {name: real[name] for name in told}
        alike = shown("formats.md", "`ledger.sqlite3`")
        for name in real.keys() - told.keys():
            assert [c for c, *_ in real[name]] == [c for c, *_ in alike[name]]


class TestFolder:
    """
    Tests for what lies in a data folder.
    """

    def test_every_file_is_on_the_page(self, tmp_path: Path) -> None:
        """
        Of an app that does all it can, each file and folder is described.
        """
        plant_far_side(tmp_path / "far")
        data, run = tmp_path / "data", Run()
        with open_planted(data, tmp_path / "far", Scripted()) as kit:
            use_app(kit, run)
            with kit.asking():
                pass
        page = (DOCS / "formats.md").read_text("utf-8")
        found = {path.name for path in data.iterdir()}
        found |= {path.name for path in (data / "keys").iterdir()}

        assert {"ledger.sqlite3", "outbox.sqlite3", "prompt.lock"} <= found
        for name in found:
            for pattern, spelled in NAMES:
                name = re.sub(f"^{pattern}$", spelled, name)  # noqa: PLW2901
            assert f"`{name}" in page, name


class TestObservedRecord:
    """
    Tests for the record of what SDKs were seen to do.
    """

    def test_the_page_shows_the_real_file(self, tmp_path: Path) -> None:
        """
        What the page shows can be read, is what is written of the same
        sightings, and each of its keys is explained.
        """
        (shown,) = (
            block.text
            for block in blocks_of(DOCS / "formats.md")
            if block.language == "json" and '"sightings"' in block.text
        )
        shown_file = tmp_path / "shown.json"
        shown_file.write_text(shown, "utf-8")
        (seen,) = load_observed(shown_file).sightings
        observed = Observed()
        names = [field.name for field in attrs.fields(Sighting)]
        sighting = Sighting(**{name: getattr(seen, name) for name in names})
        for at in (seen.first, seen.first, seen.last):
            observed.add(sighting, at=at)
        observed.write(tmp_path / "real.json")

        told = json.loads(shown)
        real = json.loads((tmp_path / "real.json").read_text("utf-8"))
        assert real == {**told, "python": real["python"]}
        page = (DOCS / "formats.md").read_text("utf-8")
        rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
        explained = {
            name for row in rows for name in re.findall(r"`(\w+)`", row)
        }
        assert explained >= told.keys() | told["sightings"][0].keys()
