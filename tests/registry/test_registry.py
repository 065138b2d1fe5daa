# SPDX-License-Identifier: MIT

"""
Tests for the registry: its data files, and the door that starts an SDK.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import tomllib

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from textwrap import dedent

import pytest

from consentkit.consent.state import fold
from consentkit.exceptions import RegistryError
from consentkit.gate import Gate, Moment, Reason, Refusal
from consentkit.ledger.entries import GENESIS, Act, Entry
from consentkit.policy import Policy, parse_policy
from consentkit.policy.model import Function
from consentkit.registry import (
    Registry,
    SDKEntry,
    Started,
    load_entries,
    load_registry,
)
from consentkit.use import Use
from tests.support import START, tables, to_toml


ROOT = Path(__file__).parent.parent.parent
SHIPPED = load_registry()
FILES = sorted(
    file.name
    for file in (resources.files("consentkit.registry") / "data").iterdir()
)
IDS = [name.removesuffix(".toml") for name in FILES]

GOOD = """\
    schema = 1
    id = "acme"
    name = "Acme SDK"
    operator = "Acme Ltd"
    category = "analytics"
    purposes = ["usage_statistics"]
    method = "embedded_sdk"
    transmits = true
    platforms = ["android"]
    privacy_policy = "https://acme.example/privacy"

    [[fields]]
    term = "IMEI number"
    types = ["imei"]
    platforms = ["android"]
    requirement = "listed"
"""


@cache
def _make_policy(*sdks: str) -> Policy:
    """
    Return a policy with one function for each SDK: ``uses_ID``.
    """
    tree = tables()
    plain = {
        "category": "core",
        "name": "Without an SDK",
        "text": "May we?",
        "basis": ["consent"],
        "on_refusal": "degraded",
    }
    third = plain | {"category": "third_party", "name": "With an SDK"}
    tree["functions"] = [
        *(third | {"id": f"uses_{sdk}", "sdk": sdk} for sdk in sdks),
        plain | {"id": "plain"},
    ]
    return parse_policy(to_toml(tree))


class Person:
    """
    Somebody who makes choices under one policy, and the real gate for them.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.entries: list[Entry] = []
        self.asked: list[str] = []

    def _act(self, act: Act, sdk: str) -> None:
        function = self.policy.functions[f"uses_{sdk}"]
        entry = Entry(
            seq=len(self.entries) + 1,
            at=START,
            act=act,
            method="app",
            element=function.id,
            terms=function.terms,
            policy=self.policy.id,
            version=self.policy.version,
            text=self.policy.digest,
            language="en",
            prev=GENESIS,
        )
        self.entries.append(entry)

    def grant(self, *sdks: str) -> None:
        """
        Say yes to the function of each SDK.
        """
        for sdk in sdks:
            self._act(Act.GRANTED, sdk)

    def withdraw(self, sdk: str) -> None:
        """
        Take a yes back.
        """
        self._act(Act.WITHDRAWN, sdk)

    def decide(
        self,
        function: str,
        *,
        act: str | None = None,
        attested: str | None = None,
    ) -> Function | Refusal:
        """
        Answer as the gate does, for the choices made so far.
        """
        self.asked.append(function)
        state = fold(tuple(self.entries), self.policy, at=START)
        moment = Moment(act=act != "", attested=attested != "")
        return Gate(policy=self.policy, state=state).function(
            function, moment=moment
        )

    def registry(
        self, entries: Mapping[str, SDKEntry] | None = None
    ) -> Registry:
        """
        Make a registry that asks for this person.
        """

        def use(*_: object, **__: object) -> Use:
            raise NotImplementedError

        return Registry(
            policy=self.policy,
            function=self.decide,
            attest=lambda *_: None,
            use=use,
            platform="android",
            entries=entries,
        )


class Code:
    """
    The app's own code around an SDK; it counts how often it is called.
    """

    def __init__(self, during: Callable[[], object] = lambda: None) -> None:
        self.during = during
        self.started = 0
        self.stopped = 0

    def start(self) -> str:
        """
        Initialise the SDK.
        """
        self.started += 1
        self.during()
        return "handle-of-the-sdk"

    def stop(self) -> None:
        """
        Stop it again.
        """
        self.stopped += 1


@pytest.fixture
def person() -> Person:
    """
    Somebody whose policy names two SDKs.
    """
    return Person(_make_policy("umeng", "qiniu"))


@pytest.fixture
def registry(person: Person) -> Registry:
    """
    The registry for that person, with the shipped entries.
    """
    return person.registry()


@pytest.fixture
def code() -> Code:
    """
    Code that starts and stops without fault.
    """
    return Code()


class TestDataFiles:
    """
    Tests for each entry that is shipped.
    """

    @pytest.mark.parametrize("name", FILES)
    def test_is_an_entry(self, name: str) -> None:
        """
        The file holds the entry it is named after, in known words only.
        """
        entry = SHIPPED[name.removesuffix(".toml")]

        assert f"{entry.id}.toml" == name
        assert entry.purposes
        assert entry.platforms

    @pytest.mark.parametrize("name", FILES)
    def test_has_no_key_that_is_not_read(self, name: str) -> None:
        """
        Every key of the file ends up in the entry.
        """
        file = resources.files("consentkit.registry") / "data" / name
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
        entry = SHIPPED[raw["id"]]

        assert raw.pop("schema") == 1
        assert len(raw.pop("fields", [])) == len(entry.fields)
        assert len(raw.pop("permissions", [])) == len(entry.permissions)
        assert len(raw.pop("hosts", [])) == len(entry.hosts)
        assert len(raw.pop("switches", [])) == len(entry.switches)
        assert len(raw.pop("unknown", [])) == len(entry.unknown)
        assert bool(raw.pop("package", None)) == bool(entry.package)
        assert bool(raw.pop("mobile", None)) == bool(entry.mobile)
        for key, value in raw.items():
            read = getattr(entry, key)
            assert (list(read) if isinstance(read, tuple) else read) == value

    @pytest.mark.obligation("WP-TP-5")
    @pytest.mark.parametrize("sdk", IDS)
    def test_a_missing_link_is_named(self, sdk: str) -> None:
        """
        An SDK without a link to its own policy has a gap to be told of.
        """
        entry = SHIPPED[sdk]
        gaps = [gap for gap in entry.gaps if "privacy policy" in gap]

        assert bool(gaps) != entry.privacy_policy.startswith("https://")

    @pytest.mark.parametrize("sdk", IDS)
    def test_what_brings_it_is_there(self, sdk: str) -> None:
        """
        An SDK that comes inside another one names an SDK of the registry.
        """
        entry = SHIPPED[sdk]

        assert {entry.parent, entry.host} - {""} <= set(SHIPPED)

    @pytest.mark.parametrize("sdk", IDS)
    def test_local_means_no_transmission(self, sdk: str) -> None:
        """
        What is promised to work on the device only does not transmit.
        """
        entry = SHIPPED[sdk]

        assert not (entry.local_only and entry.transmits)


class TestLoadRegistry:
    """
    Tests for `load_registry()`.
    """

    def test_lists_every_file(self) -> None:
        """
        The mapping has the ids of the files, in order.
        """
        assert list(SHIPPED) == IDS
        assert len(SHIPPED) == len(FILES)
        assert repr(SHIPPED) == f"<shipped registry: {len(IDS)} SDKs>"

    def test_types_are_each_named_once(self) -> None:
        """
        An entry tells all data types that its fields stand for.
        """
        types = SHIPPED["qiniu"].types

        assert types == ("mac_address", "device_unique_id", "avatar")
        assert len(SHIPPED["umeng"].types) == len(set(SHIPPED["umeng"].types))

    @pytest.mark.parametrize(
        "sdk", ["", "nobody", "../data/umeng", "umeng.toml", "Umeng", 7]
    )
    def test_has_nothing_else(self, sdk) -> None:
        """
        What is no id is not there, and leads out of no folder.
        """
        assert sdk not in SHIPPED
        with pytest.raises(KeyError):
            SHIPPED[sdk]

    def test_a_refused_start_opens_no_file(self) -> None:
        """
        Import, and a start without a grant, open no data file at all.
        """
        script = """
            import sys

            opened = []
            sys.addaudithook(
                lambda event, args: opened.append(str(args[0]))
                if event == "open" and str(args[0]).endswith(".toml")
                else None
            )
            from consentkit.gate import Reason, Refusal
            from consentkit.registry import Registry
            from tests.support import small

            policy = small()
            no = Refusal(reason=Reason.NOT_ASKED, function="umeng")
            opened.clear()
            registry = Registry(
                policy=policy,
                function=lambda *_, **__: no,
                attest=None,
                use=None,
                platform="android",
            )
            assert registry.start("umeng", lambda: sys.exit(3)) is no
            sys.exit(len(opened))
        """
        ran = subprocess.run(
            [sys.executable, "-c", dedent(script)],
            cwd=ROOT,
            timeout=60,
            check=False,
        )

        assert ran.returncode == 0


class TestLoadEntries:
    """
    Tests for `load_entries()`: the app's own entries.
    """

    @staticmethod
    def _write(folder: Path, text: str, name: str = "acme.toml") -> None:
        (folder / name).write_text(dedent(text), encoding="utf-8")

    def test_reads_a_folder(self, tmp_path: Path) -> None:
        """
        A folder gives its entries by id, and other files are passed over.
        """
        self._write(tmp_path, GOOD)
        self._write(tmp_path, "notes", "README.md")

        entries = load_entries(tmp_path)

        assert list(entries) == ["acme"]
        assert isinstance(entries["acme"], SDKEntry)
        assert entries["acme"].gaps == ()

    def test_an_empty_folder_is_no_fault(self, tmp_path: Path) -> None:
        """
        An app may have no entries of its own.
        """
        assert load_entries(tmp_path) == {}

    def test_reports_all_faults_at_once(self, tmp_path: Path) -> None:
        """
        Every fault of every file is named with file, path and cure.
        """
        self._write(
            tmp_path, GOOD.replace('"imei"', '"imei", "imie"') + "colour = 1\n"
        )
        other = GOOD.replace("acme", "other").replace(
            "[[", "colour = 1\n[[", 1
        )
        self._write(tmp_path, other.replace("true", '"true"'), "other.toml")
        third = GOOD.replace("acme", "third").replace(
            "analytics", "analytical"
        )
        self._write(
            tmp_path, third.replace('["imei"]', '["imie"]'), "third.toml"
        )

        with pytest.raises(RegistryError) as caught:
            load_entries(tmp_path)

        lines = str(caught.value).splitlines()
        assert lines[0] == f"{tmp_path}: 6 faults"
        assert "  acme.toml: $.fields[0]: unknown key: colour" in lines
        assert any("acme.toml: $.fields[0].types[1]" in line for line in lines)
        assert "  other.toml: $.transmits: expected true or false" in lines
        assert "  other.toml: $: unknown key: colour" in lines
        assert any(
            line.startswith(
                "  third.toml: $.category: no category 'analytical'"
            )
            and "'analytics'" in line
            for line in lines
        )
        assert any(
            "third.toml: $.fields[0].types[0]" in line for line in lines
        )

    @pytest.mark.parametrize(
        ("right", "wrong", "place"),
        [
            ('id = "acme"', 'id = "acne"', "$.id"),
            ('name = "Acme SDK"', "name = 5", "$.name"),
            ('name = "Acme SDK"\n', "", "$.name: is missing"),
            ('["usage_statistics"]', '"usage_statistics"', "$.purposes"),
            ('["usage_statistics"]', '["use"]', "$.purposes[0]"),
            ('"embedded_sdk"', '"magic"', "$.method: expected one of"),
            ('["android"]\nprivacy', "[]\nprivacy", "$.platforms"),
            ('["android"]\nprivacy', '["atari"]\nprivacy', "$.platforms[0]"),
            ("[[fields]]", "[fields]", "$.fields: expected an array"),
            ("schema = 1", "schema = 2", "$.schema"),
            ("schema = 1", 'schema = 1\nparent = "nobody"', "$.parent"),
            ("schema = 1", "schema = ", "is not TOML"),
            (
                "schema = 1",
                f"{'.'.join(['a'] * 5_000)} = 1",
                "is nested too deeply",
            ),
            (
                'name = "Acme SDK"\n',
                'name = "Acme SDK"\n"\\u001b[2J" = 1\n',
                r"$: unknown key: '\x1b[2J'",
            ),
        ],
    )
    def test_names_the_place(
        self, tmp_path: Path, right: str, wrong: str, place: str
    ) -> None:
        """
        One fault gives one line, with the place in the file.
        """
        text = dedent(GOOD)
        assert right in text
        self._write(tmp_path, text.replace(right, wrong, 1))

        with pytest.raises(RegistryError) as caught:
            load_entries(tmp_path)

        head, *faults = str(caught.value).splitlines()
        assert head.endswith(": 1 fault")
        assert len(faults) == 1
        assert faults[0].startswith("  acme.toml: ")
        assert place in faults[0]

    @pytest.mark.parametrize(
        ("host", "said"),
        [
            ("*.co.uk", "such as '*.acme.co.uk'"),
            ("*.com.cn", "stands for the names of everybody below com.cn"),
            ("0x7f.1", "expected an address, such as '192.0.2.1'"),
            ("127.1", "is no name; expected an address"),
            ("acme.0x7f000001", "is no name; expected an address"),
            ("192.0.2.256", "is no name; expected an address"),
            ("*.192.0.2.1", "is no name; expected an address"),
        ],
    )
    def test_hosts_that_are_none_or_everybody(
        self, tmp_path: Path, host: str, said: str
    ) -> None:
        """
        A host that stands for an address in disguise, or for a whole
        registry of names, is a fault.
        """
        self._write(tmp_path, f'{GOOD}\n[[hosts]]\nname = "{host}"\n')

        with pytest.raises(RegistryError) as caught:
            load_entries(tmp_path)

        _, fault = str(caught.value).splitlines()
        assert fault.startswith("  acme.toml: $.hosts[0].name: ")
        assert said in fault

    @pytest.mark.parametrize(
        "host", ["*.acme.co.uk", "co.uk", "*.co.acme", "169.254.169.254"]
    )
    def test_hosts_of_one(self, tmp_path: Path, host: str) -> None:
        """
        One that somebody has is none.
        """
        self._write(tmp_path, f'{GOOD}\n[[hosts]]\nname = "{host}"\n')

        assert load_entries(tmp_path)["acme"].hosts[0].name == host

    def test_permissions_are_looked_up(self, tmp_path: Path) -> None:
        """
        A permission that the vocabulary does not have is a fault.
        """
        more = """
            [[permissions]]
            permission = "locations"
            platform = "android"
            requirement = "listed"
        """
        self._write(tmp_path, dedent(GOOD) + dedent(more))

        with pytest.raises(RegistryError, match=r"\$\.permissions\[0\]"):
            load_entries(tmp_path)

    def test_a_parent_may_be_a_shipped_one(self, tmp_path: Path) -> None:
        """
        An own entry may say that it comes inside a shipped SDK.
        """
        text = dedent(GOOD).replace("schema", 'parent = "qiniu"\nschema')
        self._write(tmp_path, text)

        assert load_entries(tmp_path)["acme"].parent == "qiniu"

    def test_a_file_that_is_no_text_is_named(self, tmp_path: Path) -> None:
        """
        Bytes that are no UTF-8 are a fault of that file.
        """
        (tmp_path / "acme.toml").write_bytes(b"\xff\xfe")

        with pytest.raises(RegistryError, match=r"acme\.toml: is not UTF-8"):
            load_entries(tmp_path)

    def test_a_file_that_is_a_folder_is_named(self, tmp_path: Path) -> None:
        """
        What cannot be opened is a fault of that file.
        """
        (tmp_path / "acme.toml").mkdir()

        with pytest.raises(RegistryError, match=r"acme\.toml: cannot be read"):
            load_entries(tmp_path)

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        """
        The message names the folder and what belongs there.
        """
        with pytest.raises(RegistryError, match="a file for each SDK"):
            load_entries(tmp_path / "none")


class TestStart:
    """
    Tests for `Registry.start()`.
    """

    @pytest.mark.obligation("WP-SDK-0")
    def test_an_unregistered_sdk_is_refused(self, code: Code) -> None:
        """
        The policy names it, the registry does not have it: it does not start,
        granted or not.
        """
        person = Person(_make_policy("nobody"))
        registry = person.registry()
        person.grant("nobody")

        answer = registry.start("nobody", code.start)

        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.UNDECLARED_SDK
        assert answer.function == "uses_nobody"
        assert "no registry entry" in str(answer)
        assert code.started == 0

    @pytest.mark.obligation("WP-SDK-0")
    def test_an_sdk_that_the_policy_leaves_out_is_refused(
        self, person: Person, registry: Registry, code: Code
    ) -> None:
        """
        The registry has it, the policy does not name it: it does not start.
        """
        person.grant("umeng", "qiniu")

        answer = registry.start("pangle", code.start)

        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.UNDECLARED_SDK
        assert "pangle" in str(answer)
        assert code.started == 0

    @pytest.mark.obligation("WP-TP-1")
    @pytest.mark.parametrize("sdk", IDS)
    def test_nothing_starts_without_a_grant(self, sdk: str) -> None:
        """
        Each SDK waits for its own yes, and starts with it.
        """
        person, code = Person(_make_policy(*IDS)), Code()
        registry = person.registry()

        before = registry.start(sdk, code.start, without=IDS)
        calls_before = code.started
        person.grant(sdk)
        after = registry.start(sdk, code.start, without=IDS)

        assert isinstance(before, Refusal)
        assert before.reason is Reason.NOT_ASKED
        assert calls_before == 0
        assert isinstance(after, Started)
        assert code.started == 1
        assert registry.running == (sdk,)

    @pytest.mark.obligation("WP-SDK-2")
    @pytest.mark.parametrize("refused", IDS)
    def test_refusing_one_blocks_no_other(self, refused: str) -> None:
        """
        With a no to one SDK all others start all the same.
        """
        others = [sdk for sdk in IDS if sdk != refused]
        person = Person(_make_policy(*IDS))
        registry = person.registry()
        person.grant(*others)
        code = Code()

        answers = {
            sdk: registry.start(sdk, code.start, without=[refused])
            for sdk in IDS
        }

        assert [sdk for sdk in IDS if not answers[sdk]] == [refused]
        assert code.started == len(others)
        assert sorted(registry.running) == others

    def test_gives_what_the_initialiser_gave(
        self, person: Person, registry: Registry, code: Code
    ) -> None:
        """
        The app gets its own value back, which no repr shows.
        """
        person.grant("umeng")

        started = registry.start("umeng", code.start)

        assert isinstance(started, Started)
        assert (started.sdk, started.function) == ("umeng", "uses_umeng")
        assert started.value == "handle-of-the-sdk"
        assert "handle" not in repr(started) + repr(registry)
        assert repr(registry) == "<Registry: 1 of 2 SDKs running>"

    def test_starts_once(
        self, person: Person, registry: Registry, code: Code
    ) -> None:
        """
        A second start gives the first result, and calls nothing.
        """
        person.grant("umeng")

        first = registry.start("umeng", code.start)
        second = registry.start("umeng", code.start)

        assert first is second
        assert code.started == 1

    def test_asks_the_gate_each_time(
        self, person: Person, registry: Registry, code: Code
    ) -> None:
        """
        A running SDK is not handed out once its permission is gone.
        """
        person.grant("umeng")
        registry.start("umeng", code.start)
        person.withdraw("umeng")

        answer = registry.start("umeng", code.start)

        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.WITHDRAWN

    def test_the_initialisers_fault_is_the_apps(
        self, person: Person, registry: Registry, code: Code
    ) -> None:
        """
        What the app's code raises reaches the app; a later start is free.
        """

        def fail() -> None:
            msg = "no licence key"
            raise LookupError(msg)

        person.grant("umeng")

        with pytest.raises(LookupError, match="no licence key"):
            registry.start("umeng", fail)

        assert registry.running == ()
        assert registry.start("umeng", code.start)

    def test_uses_the_entries_that_it_is_given(self, code: Code) -> None:
        """
        With own entries, those and no others are known.
        """
        person = Person(_make_policy("acme", "umeng"))
        person.grant("acme", "umeng")
        registry = person.registry({"acme": SHIPPED["qiniu"]})

        assert registry.start("acme", code.start)
        assert not registry.start("umeng", code.start)

    def test_threads_start_it_once(
        self, person: Person, registry: Registry
    ) -> None:
        """
        Of threads that start one SDK together, one calls its initialiser.
        """
        person.grant("umeng")
        entered, go_on = threading.Event(), threading.Event()

        def wait() -> None:
            entered.set()
            assert go_on.wait(30)

        code, answers = Code(wait), []
        threads = [
            threading.Thread(
                target=lambda: answers.append(
                    registry.start("umeng", code.start)
                )
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        assert entered.wait(30)
        go_on.set()
        for thread in threads:
            thread.join(30)

        assert code.started == 1
        assert len(answers) == 4
        assert len({id(answer) for answer in answers}) == 1

    def test_a_slow_start_holds_up_no_other(
        self, person: Person, registry: Registry
    ) -> None:
        """
        While one SDK starts, another one can.
        """
        person.grant("umeng", "qiniu")
        other = Code()
        slow = Code(lambda: registry.start("qiniu", other.start))

        registry.start("umeng", slow.start)

        assert other.started == 1
        assert sorted(registry.running) == ["qiniu", "umeng"]


class TestWithdrawn:
    """
    Tests for `Registry.withdrawn()`.
    """

    @pytest.mark.obligation("WP-SDK-4")
    def test_stops_the_sdk(
        self, person: Person, registry: Registry, code: Code
    ) -> None:
        """
        A withdrawal calls *stop*, and the SDK does not start again.
        """
        person.grant("umeng")
        registry.start("umeng", code.start, stop=code.stop)

        person.withdraw("umeng")
        left = registry.withdrawn("uses_umeng")
        again = registry.start("umeng", code.start, stop=code.stop)

        assert left == ()
        assert (code.started, code.stopped) == (1, 1)
        assert registry.running == ()
        assert isinstance(again, Refusal)

    @pytest.mark.obligation("WP-SDK-4")
    def test_names_what_cannot_be_stopped(
        self, person: Person, registry: Registry, code: Code
    ) -> None:
        """
        An SDK without *stop* is named, for it runs until a restart, and is
        named again at each later withdrawal.
        """
        person.grant("umeng")
        registry.start("umeng", code.start)

        assert registry.withdrawn("uses_umeng") == ("umeng",)
        assert registry.running == ()
        assert registry.withdrawn("uses_umeng") == ("umeng",)

    @pytest.mark.obligation("WP-SDK-2")
    def test_leaves_the_others_alone(
        self, person: Person, registry: Registry
    ) -> None:
        """
        Withdrawing one function stops no SDK of another.
        """
        person.grant("umeng", "qiniu")
        mine, other = Code(), Code()
        registry.start("umeng", mine.start, stop=mine.stop)
        registry.start("qiniu", other.start, stop=other.stop)

        registry.withdrawn("uses_umeng")
        registry.withdrawn("plain")
        registry.withdrawn("no such function")

        assert (mine.stopped, other.stopped) == (1, 0)
        assert registry.running == ("qiniu",)

    def test_a_stop_that_fails_is_named_and_quiet(
        self,
        person: Person,
        registry: Registry,
        code: Code,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        A *stop* that raises breaks nothing, may leave the SDK running, and
        its text is in no log.
        """

        def fail() -> None:
            msg = "secret 4711"
            raise OSError(msg)

        person.grant("umeng")
        registry.start("umeng", code.start, stop=fail)

        with caplog.at_level(logging.DEBUG, logger="consentkit"):
            left = registry.withdrawn("uses_umeng")

        assert left == ("umeng",)
        assert [vars(r)["consentkit_error"] for r in caplog.records] == [
            "OSError"
        ]
        assert "4711" not in caplog.text
        assert "4711" not in repr([vars(r) for r in caplog.records])

    def test_another_thread_stops_it(
        self, person: Person, registry: Registry
    ) -> None:
        """
        An SDK that another thread is stopping is waited for, and then is not
        named as one that still runs.
        """
        begun, goes_on = threading.Event(), threading.Event()

        def stop() -> None:
            begun.set()
            goes_on.wait(20)

        person.grant("umeng")
        registry.start("umeng", Code().start, stop=stop)
        left: list[tuple[str, ...]] = []
        threads = [
            threading.Thread(
                target=lambda: left.append(registry.withdrawn("uses_umeng"))
            )
            for _ in range(2)
        ]
        threads[0].start()
        assert begun.wait(20)
        threads[1].start()
        threads[1].join(0.2)
        goes_on.set()
        for thread in threads:
            thread.join(20)

        assert left == [(), ()]

    def test_a_stop_that_asks_again(
        self, person: Person, registry: Registry
    ) -> None:
        """
        A *stop* that withdraws once more does not wait for itself.
        """
        person.grant("umeng")
        registry.start(
            "umeng",
            Code().start,
            stop=lambda: registry.withdrawn("uses_umeng"),
        )

        assert registry.withdrawn("uses_umeng") == ()

    def test_a_withdrawal_during_the_start_wins(
        self, person: Person, registry: Registry
    ) -> None:
        """
        An SDK whose consent goes while it starts is stopped again.
        """

        def withdraw() -> None:
            person.withdraw("umeng")
            assert registry.withdrawn("uses_umeng") == ()

        person.grant("umeng")
        code = Code(withdraw)

        answer = registry.start("umeng", code.start, stop=code.stop)

        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.WITHDRAWN
        assert code.stopped == 1
        assert registry.running == ()

    def test_a_withdrawal_during_the_start_says_what_still_runs(
        self, person: Person, registry: Registry
    ) -> None:
        """
        Where such an SDK has no *stop*, the refusal says so.
        """
        person.grant("umeng")
        code = Code(lambda: person.withdraw("umeng"))

        answer = registry.start("umeng", code.start)

        assert isinstance(answer, Refusal)
        assert "until the app is restarted" in str(answer)
        assert registry.running == ()


class TestCameraApp:
    """
    Tests for the SDKs of the example's policy.
    """

    POLICY = ROOT / "examples" / "camera_app" / "policy.toml"

    @pytest.mark.obligation("WP-SDK-2")
    def test_each_sdk_is_a_decision_of_its_own(self) -> None:
        """
        Each of its SDKs has one function, with the registry's purposes.
        """
        text = self.POLICY.read_text(encoding="utf-8")
        functions = tomllib.loads(text)["functions"]
        used = {f["sdk"]: f for f in functions if "sdk" in f}

        assert len(used) == sum("sdk" in f for f in functions) == 27
        for sdk, function in used.items():
            assert tuple(function["purposes"]) == SHIPPED[sdk].purposes
            assert function["category"] == "third_party"
            assert function["recipients"] == [sdk]
