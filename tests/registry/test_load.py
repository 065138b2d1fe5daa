# SPDX-License-Identifier: MIT

"""
Tests for bad and for many entries of an app's own.
"""

from __future__ import annotations

import os

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import consentkit

from consentkit.exceptions import RegistryError
from consentkit.registry import SDKEntry, SDKHost, load_entries
from consentkit.registry.index import codes_of, inside_of
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

    def test_one_module(self, tmp_path: Path) -> None:
        """
        A module is of one SDK; one below it may be another's.
        """
        for id_, imports in (
            ("one", ["acme", "acme_more"]),
            ("two", ["acme.ads", "acme"]),
            ("three", ["acme.ads"]),
        ):
            more = (
                f'[package]\ndistributions = ["{id_}"]\n'
                f'imports = {imports}\nversion = "1"\n'
            )
            write(tmp_path, id_, more=more)

        place = "two.toml: $.package.imports"
        assert told(tmp_path) == [
            f"{place}[0]: acme.ads is a module of three.toml already",
            f"{place}[1]: acme is a module of one.toml already",
        ]

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


def old(folder: Path) -> None:
    """
    Make the files of a folder as old as files mostly are.
    """
    for path in folder.iterdir():
        os.utime(path, ns=(10**18, 10**18))


def spoil(path: Path) -> None:
    """
    Swap a file for rubbish that looks the same from outside.
    """
    stat = path.stat()
    path.write_bytes(b"[" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """
    A folder of a hundred entries, some inside of others, with an index.
    """
    folder = tmp_path / "sdks"
    folder.mkdir()
    for i in range(100):
        top = f'parent = "acme_{i - 1}"\n' if i % 2 else ""
        package = (
            f'[package]\ndistributions = ["acme-{i}"]\n'
            f'imports = ["acme_{i}"]\nversion = "1"\n'
        )
        write(folder, f"acme_{i}", top=top, more=package * (i % 3 > 0))
    write(folder, "sentry", top='replaces = true\nhost = "getui"\n')
    old(folder)
    load_entries(folder, index=tmp_path / "index")
    assert (tmp_path / "index").is_file()
    return folder


class TestIndex:
    """
    Tests for the index of a folder.
    """

    def test_says_the_same(self, many: Path, tmp_path: Path) -> None:
        """
        With an index the entries, what their code is known by, and what is
        inside of what, are as they are without; beside the shipped ones too.
        """
        plain = load_entries(many)
        lazy = load_entries(many, index=tmp_path / "index")

        assert type(lazy) is not type(plain)
        assert list(lazy) == list(plain)
        assert dict(codes_of(lazy)) == dict(codes_of(plain))
        both = {**load_registry(), **plain}
        beside = load_registry(lazy)
        assert set(beside) == set(both)
        assert len(beside) == len(both)
        assert dict(codes_of(beside)) == dict(codes_of(both))
        for sdk in both:
            assert inside_of(lazy, sdk) == inside_of(plain, sdk)
            assert set(inside_of(beside, sdk)) == set(inside_of(both, sdk))
        assert dict(lazy) == dict(plain)
        assert beside["sentry"] == plain["sentry"]
        assert beside["umeng"] == both["umeng"]
        assert "acme_200" not in beside
        assert lazy.get("../sdks/acme_1") is None

    def test_reads_what_is_asked_for(self, many: Path, tmp_path: Path) -> None:
        """
        A start reads the entries that the policy names, and no other file.
        """
        (tmp_path / "policy.toml").write_text(
            SMALL.read_text(encoding="utf-8")
            + '[[functions]]\nid = "acme"\nname = "Acme"\n'
            'category = "third_party"\ntext = "Acme counts."\n'
            'basis = ["consent"]\non_refusal = "degraded"\n'
            'purposes = ["usage_statistics"]\nretention = "P1D"\n'
            'sdk = "acme_4"\n',
            encoding="utf-8",
        )
        for path in many.iterdir():
            if path.stem != "acme_4":
                spoil(path)
        own = load_entries(many, index=tmp_path / "index")

        with consentkit.open(
            tmp_path / "policy.toml",
            data_dir=tmp_path / "data",
            sdk_entries=load_registry(own),
        ) as kit:
            kit.registry.enforce()
            answer = kit.registry.start("acme_4", lambda: None)
            kit.registry.release()

        # What is inside of it is known without its file.
        assert isinstance(answer, consentkit.Refusal)
        assert answer.detail.startswith("acme_5 comes inside of acme_4")

    def test_is_never_trusted_over_a_file(
        self, many: Path, tmp_path: Path
    ) -> None:
        """
        A file that was changed behind its size and time is read as it is.
        """
        spoil(many / "acme_7.toml")
        lazy = load_entries(many, index=tmp_path / "index")

        assert lazy["acme_6"].id == "acme_6"
        with pytest.raises(RegistryError, match=r"acme_7\.toml: is not TOML"):
            lazy["acme_7"]
        path = many / "sentry.toml"
        stat = path.stat()
        text = path.read_text(encoding="utf-8")
        text = text.replace("replaces = true\n", "# replaces  = 1\n")
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert path.stat().st_size == stat.st_size
        lazy = load_entries(many, index=tmp_path / "index")
        with pytest.raises(RegistryError, match="say replaces = true"):
            lazy["sentry"]

    @pytest.mark.parametrize("how", ["later", "longer", "more", "fewer"])
    def test_a_change_ends_it(
        self, how: str, many: Path, tmp_path: Path
    ) -> None:
        """
        Of a folder that has changed all faults are told, as without.
        """
        match how:
            case "later":
                spoil(many / "acme_3.toml")
                os.utime(many / "acme_3.toml", ns=(10**18, 10**18 + 1))
            case "longer":
                with (many / "acme_3.toml").open("a") as stream:
                    stream.write("[")
                old(many)
            case "more":
                (many / "acme_3b.toml").write_text("[")
                old(many)
            case "fewer":
                (many / "acme_2.toml").unlink()

        with pytest.raises(RegistryError, match=": 1 fault\n"):
            load_entries(many, index=tmp_path / "index")

    @pytest.mark.parametrize(
        "change",
        [
            lambda raw: b"",
            lambda raw: b"\0" * 100,
            lambda raw: raw[:-1],
            lambda raw: raw.replace(b'"acme_1"', b'"acme_2"'),
            lambda raw: raw.replace(b'"schema": 1', b'"schema": 2'),
            lambda raw: raw.replace(b'"rules": "', b'"rules": "0'),
        ],
        ids=["empty", "rubbish", "cut", "changed", "format", "rules"],
    )
    def test_another_is_none(
        self, change: Callable[[bytes], bytes], many: Path, tmp_path: Path
    ) -> None:
        """
        An index that is not of this folder, whole, and of this version is
        as good as none, and is made anew.
        """
        index = tmp_path / "index"
        right = index.read_bytes()
        assert change(right) != right
        index.write_bytes(change(right))

        assert dict(load_entries(many, index=index)) == load_entries(many)
        assert index.read_bytes() == right

    def test_is_not_waited_for(self, many: Path, tmp_path: Path) -> None:
        """
        A pipe is no index.
        """
        (tmp_path / "index").unlink()
        os.mkfifo(tmp_path / "index")

        assert len(load_entries(many, index=tmp_path / "index")) == 101

    def test_of_what_may_still_change(self, tmp_path: Path) -> None:
        """
        No index is made of a file so young that another change of it might
        not show, nor of a folder with faults.
        """
        folder = tmp_path / "sdks"
        folder.mkdir()
        write(folder, "acme")
        os.utime(folder / "acme.toml", (2**32, 2**32))
        load_entries(folder, index=tmp_path / "index")
        assert not (tmp_path / "index").exists()

        write(folder, "acme", analytics="analytical")
        old(folder)
        with pytest.raises(RegistryError):
            load_entries(folder, index=tmp_path / "index")
        assert not (tmp_path / "index").exists()

        write(folder, "acme")
        old(folder)
        load_entries(folder, index=tmp_path / "index")
        assert (tmp_path / "index").exists()

    def test_cannot_be_written(self, many: Path, tmp_path: Path) -> None:
        """
        Where an index cannot be written, the entries are there all the same.
        """
        index = tmp_path / "nowhere" / "index"

        assert len(load_entries(many, index=index)) == 101
        assert not index.exists()

    def test_of_no_folder(self, tmp_path: Path) -> None:
        """
        A folder that is not there is told of, as without an index.
        """
        with pytest.raises(RegistryError, match="No such file"):
            load_entries(tmp_path / "sdks", index=tmp_path / "index")


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


class TestUnknown:
    """
    Tests for what is not known of an SDK.
    """

    @pytest.mark.parametrize("sdk", load_registry())
    def test_is_said(self, sdk: str) -> None:
        """
        Of each shipped entry its privacy policy, hosts and switches are
        there, or it says why not; and each host says where it is from.
        """
        entry = load_registry()[sdk]
        said = [unknown.key for unknown in entry.unknown]
        empty = {
            "privacy_policy": not entry.privacy_policy,
            "hosts": not entry.hosts and not entry.own_host,
            "switches": not entry.switches,
        }

        assert said == [key for key, is_empty in empty.items() if is_empty]
        assert all(unknown.reason for unknown in entry.unknown)
        assert all(host.source for host in entry.hosts)


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
