# SPDX-License-Identifier: MIT

"""
Tests for bad and for many entries of an app's own.
"""

from __future__ import annotations

import os

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import consentkit

from consentkit.exceptions import RegistryError
from consentkit.registry import SDKEntry, SDKHost, load_entries
from consentkit.registry.load import load_registry, read_entries
from tests.support import SMALL


GOOD = """\
schema = 1
id = "{id}"
name = "Acme SDK"
operator = "Acme Ltd."
category = "analytics"
purposes = ["usage_statistics"]
method = "embedded_sdk"
transmits = true
platforms = ["android"]
privacy_policy = "https://acme.example/privacy"
"""

MANY = 10_000


def write(
    folder: Path, id_: str, *, top: str = "", more: str = "", **swap: str
) -> None:
    """
    Write the entry *id_*, with some keys more or another value.
    """
    text = top + GOOD.format(id=id_)
    for right, wrong in swap.items():
        assert right in text
        text = text.replace(right, wrong)
    (folder / f"{id_}.toml").write_text(f"{text}{more}", encoding="utf-8")


def told(folder: Path) -> list[str]:
    """
    Give the faults that the loader tells of, a line each.
    """
    with pytest.raises(RegistryError) as caught:
        load_entries(folder)
    head, *faults = str(caught.value).splitlines()
    number = len(faults)
    assert head == f"{folder}: {number} fault{'' if number == 1 else 's'}"
    return [fault.strip() for fault in faults]


class TestFaults:
    """
    Tests for what is said of files with faults.
    """

    def test_all_at_once(self, tmp_path: Path) -> None:
        """
        One file may lack a key, have a wrong type, an unknown key, unknown
        words and names that are none: all of it is told, each with its key.
        """
        write(
            tmp_path,
            "acme",
            more='colour = 1\n[[hosts]]\nname = "localhost"\n'
            '[[fields]]\nterm = "x"\ntypes = ["imie"]\nplatforms = ["ios"]\n'
            'requirement = "listed"\n'
            '[package]\ndistributions = ["a_b"]\nimports = ["a-b"]\n'
            'version = "1"\nsetup = ["other.init()"]\n',
            analytics="analytical",
            **{'operator = "Acme Ltd."\n': "", "true": '"true"'},
        )

        places = [fault.split(": ")[1] for fault in told(tmp_path)]

        assert sorted(places) == [
            "$",
            "$.category",
            "$.fields[0].types[0]",
            "$.hosts[0].name",
            "$.operator",
            "$.package.distributions[0]",
            "$.package.imports[0]",
            "$.package.setup[0]",
            "$.transmits",
        ]

    def test_values_are_read_after_all(self, tmp_path: Path) -> None:
        """
        Faults are values too: file, place and problem.
        """
        write(tmp_path, "acme", analytics="analytical")
        write(tmp_path, "better")

        entries, (fault,) = read_entries(tmp_path)

        assert list(entries) == ["better"]
        assert fault.file == tmp_path / "acme.toml"
        assert fault.path == "$.category"
        assert fault.problem.startswith("no category 'analytical'; did")

    def test_an_id_of_the_registry(self, tmp_path: Path) -> None:
        """
        An entry with the id of a shipped one has to say that it replaces it.
        """
        write(tmp_path, "umeng")

        (fault,) = told(tmp_path)

        assert fault.startswith("umeng.toml: $.id: the registry has an entry")
        assert fault.endswith("say replaces = true")
        write(tmp_path, "umeng", top="replaces = true\n")
        assert load_entries(tmp_path)["umeng"].name == "Acme SDK"
        # It stands in for one if there is one.
        write(tmp_path, "acme", top="replaces = true\n")
        assert load_entries(tmp_path)["acme"].replaces

    def test_an_id_in_the_wrong_case(self, tmp_path: Path) -> None:
        """
        A file is named after an id, and an id is in snake case.
        """
        write(tmp_path, "acme-ads")

        (fault,) = told(tmp_path)

        assert fault.startswith(
            "acme-ads.toml: $.id: expected a name in snake"
        )
        write(tmp_path, "acme-ads", **{'"acme-ads"': '"acme_ads"'})
        (fault,) = told(tmp_path)
        assert fault == (
            "acme-ads.toml: $.id: expected 'acme-ads', the file's name"
        )

    @pytest.mark.parametrize("schema", ["true", "1.0", '"1"', "2"])
    def test_another_schema(self, schema: str, tmp_path: Path) -> None:
        """
        Of another format nothing else is said.
        """
        write(
            tmp_path,
            "acme",
            more="colour = 1\n",
            **{"schema = 1": f"schema = {schema}"},
        )

        (fault,) = told(tmp_path)

        assert fault.startswith("acme.toml: $.schema: expected 1")

    def test_no_schema(self, tmp_path: Path) -> None:
        """
        Who forgot the format's number is told the rest as well.
        """
        write(tmp_path, "acme", analytics="analytical", **{"schema = 1\n": ""})

        first, second = told(tmp_path)

        assert first == "acme.toml: $.schema: is missing; expected 1"
        assert second.startswith("acme.toml: $.category: ")

    def test_two_regions(self, tmp_path: Path) -> None:
        """
        A host cannot stand in two countries.
        """
        for id_, region in (("one", "DE"), ("two", "US"), ("three", "DE")):
            host = f'[[hosts]]\nname = "a.example"\nregion = "{region}"\n'
            write(tmp_path, id_, more=host)
        write(tmp_path, "four", more='[[hosts]]\nname = "a.example"\n')

        (fault,) = told(tmp_path)

        assert fault == (
            "two.toml: $.hosts[0].region: a.example is in US here, and in DE "
            "in one.toml"
        )

    def test_a_host_twice(self, tmp_path: Path) -> None:
        """
        One entry names a host once.
        """
        host = '[[hosts]]\nname = "a.example"\n'
        write(tmp_path, "acme", more=host * 2)

        assert told(tmp_path) == [
            "acme.toml: $.hosts[1].name: a.example is named twice"
        ]

    def test_package_fits_together(self, tmp_path: Path) -> None:
        """
        What sets it up is in its modules, and what was read beside it is one
        of its distributions.
        """
        write(
            tmp_path,
            "acme",
            more='[package]\ndistributions = ["acme"]\nimports = ["acme"]\n'
            'version = "1"\nsetup = ["acme.init", "acmes.init"]\n'
            'queues = ["acme.Client.queue", "queue.Queue.queue"]\n'
            'also_read = ["acme-core==1"]\n',
        )

        queues, setup, read = told(tmp_path)

        assert queues == (
            "acme.toml: $.package.queues[1]: expected an attribute below its imports"
        )
        assert setup == (
            "acme.toml: $.package.setup[1]: expected a call of one of its "
            "imports"
        )
        assert read == (
            "acme.toml: $.package.also_read[0]: expected one of its "
            "distributions after the first"
        )

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        """
        A pipe is not waited for, and a file without end not read to its end.
        """
        os.mkfifo(tmp_path / "acme.toml")
        (tmp_path / "large.toml").write_bytes(b"#" * 2**20)

        assert told(tmp_path) == [
            "acme.toml: cannot be read (it is no file)",
            "large.toml: is larger than 256 KiB",
        ]


class TestCircles:
    """
    Tests for SDKs that come inside of themselves.
    """

    @pytest.mark.parametrize("key", ["parent", "host"])
    def test_inside_of_itself(self, key: str, tmp_path: Path) -> None:
        """
        An SDK is not inside of itself.
        """
        write(tmp_path, "acme", top=f'{key} = "acme"\n')

        assert told(tmp_path) == [
            f"acme.toml: $.{key}: a circle: acme in acme"
        ]

    def test_over_others(self, tmp_path: Path) -> None:
        """
        A circle is told once, and what leads to it is none.
        """
        write(tmp_path, "a", top='parent = "b"\n')
        write(tmp_path, "b", top='host = "c"\nparent = "getui"\n')
        write(tmp_path, "c", top='parent = "d"\n')
        write(tmp_path, "d", top='parent = "b"\n')

        assert told(tmp_path) == [
            "d.toml: $.parent: a circle: b in c in d in b"
        ]

    def test_over_the_shipped(self, tmp_path: Path) -> None:
        """
        One that replaces a shipped SDK is inside of what is inside of it.
        """
        assert load_registry()["zhuoxin_id"].parent == "getui"
        top = 'replaces = true\nparent = "zhuoxin_id"\n'
        write(tmp_path, "getui", top=top)

        (fault,) = told(tmp_path)

        assert fault == (
            "getui.toml: $.parent: a circle: getui in zhuoxin_id in getui"
        )

    def test_two_ways_are_no_circle(self, tmp_path: Path) -> None:
        """
        Two SDKs inside of a third one are fine.
        """
        write(tmp_path, "a", top='parent = "b"\nhost = "c"\n')
        write(tmp_path, "b", top='parent = "c"\n')
        write(tmp_path, "c", top='parent = "getui"\n')

        assert list(load_entries(tmp_path)) == ["a", "b", "c"]


class Untouched(Mapping[str, SDKEntry]):
    """
    Many entries that count how many of them are looked at.
    """

    def __init__(self, entries: Mapping[str, SDKEntry]) -> None:
        self._entries = entries
        self.looks = 0

    def __getitem__(self, sdk: str) -> SDKEntry:
        self.looks += 1
        return self._entries[sdk]

    def __iter__(self) -> Iterator[str]:
        self.looks += len(self)
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class TestMany:
    """
    Tests for apps with very many entries.
    """

    def test_a_folder(self, tmp_path: Path) -> None:
        """
        Ten thousand files are read, each inside of the one before, and of a
        circle through all of them the fault is told.
        """
        for i in range(MANY):
            top = f'parent = "acme_{i - 1}"\n' if i else ""
            write(tmp_path, f"acme_{i}", top=top)

        assert len(load_entries(tmp_path)) == MANY
        write(tmp_path, "acme_0", top=f'parent = "acme_{MANY - 1}"\n')
        (fault,) = told(tmp_path)
        assert "a circle: acme_0 in acme_9999 in acme_9998 in ..." in fault

    def test_opening_a_kit(self, tmp_path: Path) -> None:
        """
        However many entries a kit is given, opening it looks at those few
        that its policy names.
        """
        some = load_registry()["umeng"]
        entries = Untouched({f"acme_{i}": some for i in range(MANY)})

        with consentkit.open(
            SMALL, data_dir=tmp_path, sdk_entries=entries
        ) as kit:
            assert kit.registry.running == ()

        named = sum(bool(f.sdk) for f in kit.policy.functions.values())
        assert entries.looks <= named


class TestRegion:
    """
    Tests for `SDKHost.may_stand_in()`.
    """

    @pytest.mark.parametrize(
        ("region", "countries", "may"),
        [
            ("US", {"US", "CN"}, True),
            ("US", {"CN"}, False),
            ("EU", {"CN", "FR"}, True),
            ("EU", {"CH", "GB"}, False),
            ("", {"CN"}, True),
        ],
    )
    def test_answers(
        self, region: str, countries: set[str], *, may: bool
    ) -> None:
        """
        The union is each of its members, and what is not known may be.
        """
        host = SDKHost(name="a.example", region=region)

        assert host.may_stand_in(countries) is may


class TestUngated:
    """
    Tests for libraries that load without a permit.
    """

    def test_can_be_kept_from_sending(self) -> None:
        """
        Each has a variable of the environment that keeps it from sending,
        or sends nothing by itself. One is known that has neither.
        """
        without = {
            entry.id
            for entry in load_registry().values()
            if entry.package is not None
            and not entry.package.gated
            and all(s.kind != "environment" for s in entry.switches)
            and not any(
                "no telemetry of its own" in a for a in entry.anomalies
            )
        }

        # It heeds one before the app runs, and the visitors' browsers send.
        assert without == {"streamlit"}

    def test_what_sends_natively_is_gated(self) -> None:
        """
        What no guard in Python sees is not loaded, unless a variable of the
        environment keeps it from sending.
        """
        assert [
            entry.id
            for entry in load_registry().values()
            if entry.package is not None
            and entry.package.native
            and not entry.package.gated
            and all(s.kind != "environment" for s in entry.switches)
        ] == []
