# SPDX-License-Identifier: MIT
"""
The outbox's key in a real key store: gnome-keyring on a private bus.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from consentkit.cli import main
from consentkit.exceptions import DamagedError, StoreError
from consentkit.gate import Refusal
from tests.collectors.dbus.bus import PrivateBus, private_bus, until
from tests.faults.support import (
    POLICY,
    Scripted,
    Ticked,
    forms,
    hits,
    open_kit,
    run,
    tick,
    tock,
)
from tests.needs import need_extra


pytestmark = [
    pytest.mark.need_tool("dbus-daemon", "gnome-keyring-daemon"),
    pytest.mark.need_extra("keyring"),
    # The library leaves its connection open where the key store is locked.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

#: Under what name the keys stand there.
SERVICE = "consentkit outbox"


class RealStore:
    """
    A key store of a test's own, in front of its own bus.
    """

    def __init__(self, bus: PrivateBus) -> None:
        self.folder = bus.folder
        self._bus = bus
        self.daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Start it, unlocked; one that ran before is ended.
        """
        self.end()
        self.daemon = subprocess.Popen(
            [
                "gnome-keyring-daemon",
                "--unlock",
                "--components=secrets",
                "--foreground",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert self.daemon.stdin is not None
        self.daemon.stdin.write(b"of the test alone")
        self.daemon.stdin.close()
        until(self._is_open)

    def _is_open(self) -> bool:
        import secretstorage

        with closing(secretstorage.dbus_init()) as connection:
            if not secretstorage.check_service_availability(connection):
                return False
            return any(
                one.get_label() == "Login" and not one.is_locked()
                for one in secretstorage.get_all_collections(connection)
            )

    def end(self) -> None:
        """
        End it.
        """
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGCONT)
            self.daemon.terminate()
            self.daemon.wait(60)
            until(lambda: not self._is_owned())
        self.daemon = None

    def is_running(self) -> bool:
        """
        Tell whether it did not end by itself.
        """
        return self.daemon is not None and self.daemon.poll() is None

    def _is_owned(self) -> bool:
        import secretstorage

        with closing(secretstorage.dbus_init()) as connection:
            return secretstorage.check_service_availability(connection)

    def lock(self) -> None:
        """
        Lock it, as a desktop does; nobody answers its question to unlock.
        """
        import secretstorage

        with closing(secretstorage.dbus_init()) as connection:
            for one in secretstorage.get_all_collections(connection):
                one.lock()

    def kept(self) -> dict[str, str]:
        """
        Give the keys in it, by their ids.
        """
        import secretstorage

        with closing(secretstorage.dbus_init()) as connection:
            return {
                item.get_attributes()["username"]: item.get_secret().decode()
                for item in secretstorage.search_items(
                    connection, {"service": SERVICE}
                )
            }


@pytest.fixture
def store(monkeypatch) -> Iterator[RealStore]:
    """
    Give a running key store, which is the system's in this test.
    """
    import keyring

    from keyring.backends import SecretService

    before = keyring.get_keyring()
    # Not pytest's folder: paths of sockets are short.
    with private_bus() as bus, tempfile.TemporaryDirectory() as name:
        for folder in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            (bus.folder / folder).mkdir()
            monkeypatch.setenv(folder, str(bus.folder / folder))
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        monkeypatch.delenv("CONSENTKIT_KEYSTORE")
        running = RealStore(bus)
        try:
            running.start()
            # A process keeps what it found at first, maybe in another test.
            keyring.set_keyring(SecretService.Keyring())
            yield running
        finally:
            keyring.set_keyring(before)
            running.end()
            for thread in threading.enumerate():
                if thread.name == "consentkit-read":
                    thread.join(60)
            gc.collect()  # while their warning is not minded


def named(data_dir: Path) -> str:
    """
    Give the id of the key that counts.
    """
    with closing(sqlite3.connect(data_dir / "outbox.sqlite3")) as db:
        (found,) = db.execute(
            "SELECT value FROM meta WHERE name = 'kek'"
        ).fetchone()
    return str(found)


def in_files(data_dir: Path) -> list[str]:
    """
    Give the names of the files of keys, without the ledger's.
    """
    names = sorted(path.name for path in (data_dir / "keys").iterdir())
    return [n for n in names if not n.startswith("ledger.")]


def needles(key: bytes) -> set[bytes]:
    """
    Write a key in all forms in which it could lie somewhere.
    """
    texts = forms(key.hex()) | forms(base64.b64encode(key).decode())
    return {key, *texts}


def chain(*members: Any) -> Any:
    """
    Make a key store of the library that asks several in turn.
    """
    from keyring.backends import chainer

    class Chain(chainer.ChainerBackend):  # type: ignore[misc]
        backends = members

    return Chain()


def fill(data_dir: Path) -> Any:
    """
    Deliver one record of ``stats``, and let two functions have one waiting.
    """
    backend = Scripted()
    kit = open_kit(data_dir, "stats", "health", transport=backend)
    tick(kit, 1)
    assert kit.flush().delivered == 1
    tick(kit, 2)
    tock(kit, 3)
    return kit


def waiting(kit: Any) -> list[int]:
    """
    Open what waits, and give its numbers.
    """
    return sorted(record.value["n"] for record in kit.store.inspect())


class TestMake:
    """
    A new key.
    """

    def test_goes_into_the_key_store(self, tmp_path, store):
        """
        It is found by itself, holds 32 bytes in 44 characters, and another
        process loads it.
        """
        data_dir = tmp_path / "data"
        program = """
            import sys
            from tests.faults.support import *
            kit = open_kit(sys.argv[1], "stats")
            print(len(tick(kit, 7)), [
                r.value["n"] for r in kit.store.inspect()
            ])
        """
        assert run(program, data_dir).stdout == "1 [7]\n"

        ((kek_id, text),) = store.kept().items()
        assert len(text) == 44
        assert len(base64.b64decode(text)) == 32
        assert named(data_dir) == kek_id
        assert in_files(data_dir) == [f"{kek_id}.keystore"]
        assert run(program, data_dir).stdout == "1 [7, 7]\n"
        assert list(store.kept()) == [kek_id]

    def test_is_nowhere_on_disk(self, tmp_path, store, monkeypatch):
        """
        No file of the app or of the key store holds it in any form; that of
        an app that is told to use a file does.
        """
        fill(tmp_path / "data").close()
        monkeypatch.setenv("CONSENTKIT_KEYSTORE", "file")
        fill(tmp_path / "other").close()

        (text,) = store.kept().values()
        wanted = needles(base64.b64decode(text))
        assert hits(wanted, tmp_path, store.folder) == []
        (path,) = (tmp_path / "other" / "keys").glob("*.key")
        key = bytes.fromhex(path.read_text())
        assert hits(needles(key), tmp_path)

    @pytest.mark.parametrize("kind", ["fail", "null", "chain", "locked"])
    def test_where_none_protects(self, tmp_path, store, kind):
        """
        What keeps nothing, or is locked, is no place for a key: it goes into
        a file, and nothing is lost.
        """
        import keyring

        from keyring.backends import fail, null

        if kind == "locked":
            store.lock()
        else:
            nothing, failing = null.Keyring(), fail.Keyring()
            found = {"fail": failing, "null": nothing}
            found["chain"] = chain(nothing, failing)
            keyring.set_keyring(found[kind])

        kit = open_kit(tmp_path / "data", "stats")
        tick(kit, 1)

        assert waiting(kit) == [1]
        assert in_files(tmp_path / "data") == [f"{named(kit.data_dir)}.key"]
        assert store.kept() == {}

    def test_a_chain_with_one_that_protects(self, tmp_path, store):
        """
        Out of several that are asked in turn, the one that protects is used
        alone, though another stands before it.
        """
        import keyring

        from keyring.backends import SecretService, null

        keyring.set_keyring(chain(null.Keyring(), SecretService.Keyring()))
        kit = open_kit(tmp_path / "data", "stats")
        tick(kit, 1)

        assert list(store.kept()) == [named(kit.data_dir)]

    def test_opening_asks_nobody(self, tmp_path, store):
        """
        Neither the import nor opening loads the library, also where a key is
        in the key store already.
        """
        program = """
            import sys
            import consentkit
            from tests.faults.support import *
            kit = open_kit(sys.argv[1])
            print("keyring" in sys.modules, kit.status().waiting)
            print([r.value["n"] for r in kit.store.inspect()])
            print("keyring" in sys.modules)
        """
        fill(tmp_path / "data").close()

        said = run(program, tmp_path / "data").stdout.split("\n")
        assert said[:3] == ["False 2", "[2, 3]", "True"]


class TestRotate:
    """
    A withdrawal makes a new key, and destroys the old one.
    """

    def test_the_old_one_is_gone(self, tmp_path, store):
        """
        The key store has only the new one, which opens what is left.
        """
        kit = fill(tmp_path / "data")
        ((old, text),) = store.kept().items()

        destroyed = kit.consent.withdraw("stats").destroyed

        assert (destroyed.records, destroyed.erasures) == (1, 1)
        assert list(store.kept()) == [named(kit.data_dir)] != [old]
        assert text not in store.kept().values()
        assert in_files(kit.data_dir) == [f"{named(kit.data_dir)}.keystore"]
        assert waiting(kit) == [3]
        kit.close()
        assert waiting(open_kit(tmp_path / "data")) == [3]
        old_forms = needles(base64.b64decode(text))
        assert hits(old_forms, tmp_path, store.folder) == []

    def test_out_of_a_file(self, tmp_path, store, monkeypatch):
        """
        A file stays one until a withdrawal, which moves the key; and back
        where the environment says so.
        """
        monkeypatch.setenv("CONSENTKIT_KEYSTORE", "file")
        fill(tmp_path / "data").close()
        monkeypatch.delenv("CONSENTKIT_KEYSTORE")

        kit = open_kit(tmp_path / "data", "stats", "shared")
        tock(kit, 4, function="shared")
        assert waiting(kit) == [2, 3, 4]
        assert store.kept() == {}
        kit.consent.withdraw("stats")
        assert list(store.kept()) == [named(kit.data_dir)]
        assert in_files(kit.data_dir) == [f"{named(kit.data_dir)}.keystore"]

        monkeypatch.setenv("CONSENTKIT_KEYSTORE", "file")
        kit.consent.withdraw("shared")
        assert store.kept() == {}
        assert in_files(kit.data_dir) == [f"{named(kit.data_dir)}.key"]
        assert waiting(kit) == [3]

    def test_two_processes(self, tmp_path, store):
        """
        What another process withdraws ends here, and the new key is found.
        """
        kit = fill(tmp_path / "data")
        program = """
            import sys
            from tests.faults.support import *
            kit = open_kit(sys.argv[1])
            print(kit.consent.withdraw("stats").destroyed.records)
        """
        assert run(program, kit.data_dir).stdout == "1\n"

        assert tick(kit, 8) == []
        assert len(tock(kit, 9)) == 1
        assert waiting(kit) == [3, 9]
        assert list(store.kept()) == [named(kit.data_dir)]

    def test_killed_at_every_step(self, tmp_path, store):
        """
        Wherever it is cut, the next start completes it: one key is left in
        the key store, that which the outbox names, and all that may be read
        still can be.
        """
        for attempt in range(3):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            try:
                said = run(KILLED, folder, timeout_seconds=300).stdout.split()
                break
            except AssertionError:
                # Some hundred clients that are killed while they ask can
                # bring gnome-keyring down, which is another test's subject.
                if store.is_running() or attempt == 2:
                    raise
                store.start()

        assert said.count("untouched") > 1
        assert said.count("withdrawn") > 20
        # Also with the new key in the key store, and nowhere else.
        assert "two" in said


KILLED = r"""
import os, shutil, sqlite3, sys
from pathlib import Path
import keyring
from tests.faults.support import *
from consentkit.consent.state import Status

folder = Path(sys.argv[1])
start, service = folder / "start", "consentkit outbox"

def fill():
    kit = open_kit(start, "stats", "health", transport=Scripted())
    tick(kit, 1)
    assert kit.flush().delivered == 1
    tick(kit, 2)
    tock(kit, 3)
    kit.close()

assert in_child(fill) == 0
store = keyring.get_keyring()
assert type(store).__module__ == "keyring.backends.SecretService", store
(note,) = (start / "keys").glob("*.keystore")
first = note.stem
text = store.get_password(service, first)
assert len(text) == 44

def withdraw(data_dir, step):
    die = DieAt(step)
    for name in ("set_password", "delete_password"):
        def wrapped(*args, real=getattr(store, name)):
            die()
            real(*args)
            die()
        setattr(store, name, wrapped)
    open_kit(data_dir).consent.withdraw("stats")

def kept(data_dir):
    stems = {p.stem for p in (data_dir / "keys").glob("*.key*")}
    found = {s: store.get_password(service, s) for s in stems | {first}}
    return {s for s, key in found.items() if key is not None}

def look(data_dir):
    kit = open_kit(data_dir)
    status = kit.consent.state().choices["stats"].status
    numbers = sorted(r.value["n"] for r in kit.store.inspect())
    kit.close()
    with sqlite3.connect(data_dir / "outbox.sqlite3") as db:
        ((named,),) = db.execute(
            "SELECT value FROM meta WHERE name = 'kek'"
        )
    db.close()
    assert kept(data_dir) == {named}, (kept(data_dir), named)
    notes = [p.name for p in (data_dir / "keys").glob("*.key*")]
    assert notes == [f"{named}.keystore"], notes
    if status is Status.WITHDRAWN:
        assert (numbers, kit.status().erasures) == ([3], 1), numbers
        assert named != first
    else:
        assert (numbers, named) == ([2, 3], first), numbers
    os.write(1, b"withdrawn " if named != first else b"untouched ")

step, died = 0, -9
while died == -9:
    step += 1
    data_dir = folder / f"step{step}"
    shutil.copytree(start, data_dir)
    store.set_password(service, first, text)
    died = in_child(lambda: withdraw(data_dir, step))
    if len(kept(data_dir)) == 2:
        os.write(1, b"two ")
    assert in_child(lambda: look(data_dir)) == 0, step
assert died == 0
"""


class TestShut:
    """
    A key store that does not give the key.
    """

    def test_locked(self, tmp_path, store):
        """
        One clear error names it and the cure; a withdrawal works all the
        same, and what it could not do is done when it is unlocked.
        """
        data_dir = tmp_path / "data"
        fill(data_dir).close()
        (old,) = store.kept()
        store.lock()

        kit = open_kit(data_dir)
        with pytest.raises(StoreError, match=r"locked.*unlock") as caught:
            waiting(kit)
        assert caught.value.path == data_dir / "keys" / f"{old}.keystore"
        with kit.use("stats") as use:
            assert isinstance(use.capture(Ticked(4)), Refusal)
        destroyed = kit.consent.withdraw("stats").destroyed
        assert (destroyed.records, destroyed.erasures) == (1, 0)
        assert kit.status().counts["erasure_impossible"] == 1
        assert kit.status().waiting == 1
        kit.close()

        store.start()
        kit = open_kit(data_dir)
        assert waiting(kit) == [3]
        assert list(store.kept()) == [named(data_dir)] != [old]

    def test_locked_before_all_is_withdrawn(self, tmp_path, store):
        """
        Where nothing is left, a new key needs no old one, which goes when
        the key store is unlocked.
        """
        data_dir = tmp_path / "data"
        fill(data_dir).close()
        (old,) = store.kept()
        store.lock()
        kit = open_kit(data_dir)
        kit.consent.withdraw("stats")
        kit.consent.withdraw("health")
        assert kit.status().kek is None
        kit.consent.show("health")
        kit.consent.grant("health")
        assert len(tock(kit, 5)) == 1
        assert waiting(kit) == [5]
        kit.close()

        store.start()
        assert list(store.kept()) == [old]
        assert waiting(open_kit(data_dir)) == [5]
        assert store.kept() == {}

    def test_locked_and_nothing_new(self, tmp_path, store):
        """
        So it goes where nothing is kept any more.
        """
        data_dir = tmp_path / "data"
        fill(data_dir).close()
        store.lock()
        kit = open_kit(data_dir)
        kit.consent.withdraw("stats")
        kit.consent.withdraw("health")
        kit.close()

        store.start()
        assert len(store.kept()) == 1
        open_kit(data_dir).close()
        assert store.kept() == {}
        assert in_files(data_dir) == []

    def test_locked_while_in_use(self, tmp_path, store, caplog):
        """
        Who has the key already withdraws wholly: the erasure is queued, the
        new key is a file, and the old one goes when that can be done.
        """
        kit = fill(tmp_path / "data")
        (old,) = store.kept()
        store.lock()

        destroyed = kit.consent.withdraw("stats").destroyed

        assert (destroyed.records, destroyed.erasures) == (1, 1)
        assert waiting(kit) == [3]
        assert "waits to be destroyed" in caplog.text
        names = [f"{old}.keystore", f"{named(kit.data_dir)}.key"]
        assert in_files(kit.data_dir) == sorted(names)
        kit.close()

        store.start()
        assert list(store.kept()) == [old]
        assert waiting(open_kit(tmp_path / "data")) == [3]
        assert store.kept() == {}

    def test_no_answer(self, tmp_path, store):
        """
        One that never answers holds up nobody for ever: the read fails, and
        the withdrawal works.
        """
        fill(tmp_path / "data").close()
        store.daemon.send_signal(signal.SIGSTOP)

        kit = open_kit(tmp_path / "data")
        with pytest.raises(StoreError, match="does not answer"):
            waiting(kit)
        with pytest.raises(StoreError, match="a moment ago"):
            waiting(kit)
        assert kit.consent.withdraw("stats").destroyed.records == 1

    @pytest.mark.parametrize("now", ["none", "keyring.backends.kwallet"])
    def test_vanished_or_changed(self, tmp_path, store, now):
        """
        Where there is none any more, or another, the error names both, and
        the key stays where it is.
        """
        import keyring

        from keyring.backends import fail, kwallet

        fill(tmp_path / "data").close()
        (old,) = store.kept()
        changed = fail.Keyring if now == "none" else kwallet.DBusKeyring
        keyring.set_keyring(changed())

        kit = open_kit(tmp_path / "data")
        said = f"SecretService, and now there is {now}"
        with pytest.raises(StoreError, match=said):
            waiting(kit)
        assert kit.consent.withdraw("stats").destroyed.records == 1
        assert list(store.kept()) == [old]

    def test_without_the_library(self, tmp_path, store, monkeypatch):
        """
        The error says how to install it.
        """
        fill(tmp_path / "data").close()
        monkeypatch.setitem(sys.modules, "keyring", None)

        kit = open_kit(tmp_path / "data")
        with pytest.raises(StoreError, match=r"consentkit\[keyring\]"):
            waiting(kit)
        assert kit.consent.withdraw("stats").destroyed.records == 1
        fresh = open_kit(tmp_path / "fresh", "stats")
        assert len(tick(fresh, 1)) == 1

    @pytest.mark.parametrize("value", [None, "no key", "YWJj"])
    def test_deleted_or_changed_in_it(self, tmp_path, store, value):
        """
        A key that was deleted there, or is none any more, is damage.
        """
        import keyring

        fill(tmp_path / "data").close()
        (old,) = store.kept()
        keyring.delete_password(SERVICE, old)
        if value is not None:
            keyring.set_password(SERVICE, old, value)

        kit = open_kit(tmp_path / "data")
        with pytest.raises(DamagedError, match="not in the key store"):
            waiting(kit)
        assert kit.consent.withdraw("stats").destroyed.records == 1


class TestStatus:
    """
    ``consentkit outbox status`` says where the key is.
    """

    def test_in_the_key_store(self, tmp_path, store, capsys):
        """
        It names the place, what that is good for and what not, and asks the
        key store for nothing.
        """
        fill(tmp_path / "data").close()
        place = ["--policy", str(POLICY), "--data-dir", str(tmp_path / "data")]
        os.kill(store.daemon.pid, signal.SIGSTOP)

        assert main(["outbox", "status", "--json", *place]) == 0
        kek = json.loads(capsys.readouterr().out)["kek"]
        assert kek["place"] == "key store"
        assert "stolen disks" in kek["protects"]
        assert "while the key store is unlocked" in kek["leaves_open"][0]
        assert main(["outbox", "status", *place]) == 0
        said = capsys.readouterr().out
        assert "The key of what waits is in a key store." in said
        assert "stolen disks" in said


def test_the_demo_leaves_nothing(store, capsys):
    """
    The demo, whose folder is removed, puts no key into it.
    """
    need_extra("demo")

    assert main(["demo", "--json"]) == 0
    assert store.kept() == {}
    assert "CONSENTKIT_KEYSTORE" not in os.environ
