# SPDX-License-Identifier: MIT

"""
Tests for what the adapters share: connections, leases, and several clients.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consentkit.adapters._base import Parcel, scrubbed
from consentkit.adapters._wire import gate_session, make_opener, rebound
from tests.adapters.conformance import IDENTITY, POLICY, App, Backend
from tests.needs import need_extra


class Switch:
    """
    A gate that is open until it is shut.
    """

    def __init__(self) -> None:
        self.is_open = True
        self.held: list[Any] = []

    def check(self) -> None:
        """
        Raise if it is shut.
        """
        if not self.is_open:
            raise ConnectionAbortedError

    def hold(self, opened: Any) -> None:
        """
        Remember a socket.
        """
        self.held.append(opened)


@pytest.fixture
def backend() -> Iterator[Backend]:
    """
    A server that counts.
    """
    made = Backend((200, {}))
    yield made
    made.close()


class TestWire:
    """
    Tests for `consentkit.adapters._wire`.
    """

    def test_no_connection_of_a_session_is_opened_behind_a_shut_gate(
        self, backend: Backend
    ) -> None:
        """
        Nothing of a session leaves once the gate is shut, on a connection
        that is open neither.
        """
        need_extra("posthog")
        import requests

        gate = Switch()
        session = gate_session(requests.Session(), gate)
        session.trust_env = False
        assert session.post(backend.url, data=b"one").status_code == 200
        gate.is_open = False
        with pytest.raises(requests.ConnectionError):
            session.post(backend.url, data=b"two")
        with pytest.raises(requests.ConnectionError):
            session.post(f"{backend.url}/", data=b"three", stream=True)

        assert [s.raw for s in backend.sent] == [b"one"]
        assert len(gate.held) == 1
        session.close()

    def test_a_try_of_the_session_itself_asks_again(
        self, backend: Backend
    ) -> None:
        """
        What the network's library tries again by itself asks each time.
        """
        need_extra("posthog")
        import requests

        from requests.adapters import HTTPAdapter
        from urllib3.util.retry import Retry

        class Shutting(Switch):
            def check(self) -> None:
                self.is_open = len(backend.sent) < 2
                super().check()

        backend.answer = (503, {})
        tries = Retry(total=4, status_forcelist=[503], allowed_methods=None)
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", HTTPAdapter(max_retries=tries))
        gate_session(session, Shutting())
        with pytest.raises(requests.RequestException):
            session.post(backend.url, data=b"one")

        assert len(backend.sent) == 2
        session.close()

    def test_an_opener_asks(self, backend: Backend) -> None:
        """
        The standard library's opener asks as well.
        """
        gate = Switch()
        opener = make_opener(gate)
        with opener.open(backend.url, data=b"one") as answer:
            assert answer.status == 200
        gate.is_open = False
        with pytest.raises(OSError):
            opener.open(backend.url, data=b"two")

        assert [s.raw for s in backend.sent] == [b"one"]

    def test_another_version_of_an_sdk_is_no_guess(self) -> None:
        """
        A function whose module has no such name is not used at all.
        """
        with pytest.raises(LookupError, match="no_such_name"):
            rebound(gate_session, no_such_name=1)

        made = rebound(gate_session, gate_pools=len)
        assert made.__globals__["gate_pools"] is len
        assert gate_session.__globals__["gate_pools"] is not len


class TestParcel:
    """
    Tests for `consentkit.adapters._base.Parcel`.
    """

    def test_names_tell_types_at_every_level(self) -> None:
        """
        The longest name that is declared says the type; a value that none
        declares has none.
        """
        parcel = Parcel()
        types = {"a": "usage_record", "a.b": "user_id", "c.d": "os_name"}
        parcel.add_tree(
            "s", {"a": {"b": 1, "x": {"y": 2}}, "c": {"d": 3, "e": 4}}, types
        )

        assert [*parcel.types.values()] == [
            *("user_id", "usage_record", "os_name", "")
        ]
        assert [*parcel.values.values()] == [1, 2, 3, 4]

    def test_a_mapping_without_end_is_no_trouble(self) -> None:
        """
        What holds itself ends at some level, and what is below is left out.
        """
        endless: dict[str, Any] = {"plan": 1}
        endless["again"] = endless
        parcel = Parcel()
        parcel.add_tree("s", endless, {"plan": "usage_record"})

        assert [*parcel.types.values()].count("usage_record") == 1

    def test_a_name_that_tells_hides_its_value(self) -> None:
        """
        A value under the name of a secret goes whole, whatever it is.
        """
        assert scrubbed("password", "plain words") == "<SECRET_VALUE>"
        assert scrubbed("note", "call\u200b 138\u200b0013\u200b8000") != (
            "call 13800138000"
        )


class TestTwoClients:
    """
    Tests for two adapters of one SDK in one app.
    """

    def test_each_has_a_client_and_both_end(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        Two adapters of one SDK send to their own servers, and a withdrawal
        ends both.
        """
        need_extra("segment")
        policy = tmp_path / "policy.toml"
        policy.write_text(
            POLICY.format(sdk="segment", more=IDENTITY), encoding="utf-8"
        )
        app = App(policy, tmp_path / "data", backend.url)
        try:
            app.do("from consentkit.adapters import segment")
            for name in ("one", "two"):
                app.do(f"{name} = segment.Client(kit, {name!r}, host=url)")
            app.do("kit.consent.show('stats', method='settings')")
            app.do("kit.consent.grant('stats', method='settings')")
            for name in ("one", "two"):
                app.do(f"{name}.track('u1', 'opened')")
                app.do(f"{name}.flush()")
            keys = [s.json()["writeKey"] for s in backend.sent]
            assert keys == ["one", "two"]
            app.do("kit.consent.withdraw('stats', method='settings')")
            for name in ("one", "two"):
                assert app.do(f"{name}.track('u1', 'late')") == [False, {}]
            assert app.do("list(kit.registry.running)") == []
            app.end()
        finally:
            app.kill()
        assert len(backend.sent) == 2

    def test_a_part_that_is_withdrawn_takes_all_that_waits(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        Where one data type of several is withdrawn, nothing of what waits
        leaves, and later events go without it.
        """
        need_extra("segment")
        policy = tmp_path / "policy.toml"
        part = IDENTITY.replace("protect", "separate = true\nprotect")
        policy.write_text(
            POLICY.format(sdk="segment", more=part), encoding="utf-8"
        )
        app = App(policy, tmp_path / "data", backend.url)
        try:
            app.do("from consentkit.adapters import segment")
            app.do("client = segment.Client(kit, 'k', host=url)")
            for element in ("stats", "stats/user_id"):
                app.do(f"kit.consent.show({element!r}, method='settings')")
                app.do(f"kit.consent.grant({element!r}, method='settings')")
            app.do("client.track('u1', 'one')")
            app.do("client.flush()")
            backend.go.clear()
            app.do("client.track('u1', 'two')")
            backend.wait_for(2)
            app.do("client.track('u1', 'three')")
            app.do("kit.consent.withdraw('stats/user_id', method='settings')")
            backend.go.set()
            app.do("client.track('u1', 'four')")
            app.do("client.flush()")
            app.end()
        finally:
            app.kill()
        found = [one for s in backend.sent for one in s.json()["batch"]]
        assert [one["event"] for one in found] == ["one", "two", "four"]
        assert found[0]["userId"] is not None
        assert found[2]["userId"] is None

    def test_what_comes_after_a_withdrawal_is_not_swept_away(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        However long it takes to drop what waited, an event that comes
        after it stays.
        """
        need_extra("segment")
        policy = tmp_path / "policy.toml"
        part = IDENTITY.replace("protect", "separate = true\nprotect")
        policy.write_text(
            POLICY.format(sdk="segment", more=part), encoding="utf-8"
        )
        app = App(policy, tmp_path / "data", backend.url)
        try:
            app.do("from consentkit.adapters import segment")
            app.do(
                "swept = threading.Event()\n"
                "class Slow(segment.Client):\n"
                "    def _make(self, lease):\n"
                "        made = super()._make(lease)\n"
                "        made.send = True  # and nobody takes it\n"
                "        return made\n"
                "    def _empty(self, client):\n"
                "        threading.Event().wait(0.2)\n"
                "        super()._empty(client)\n"
                "        swept.set()\n"
            )
            app.do("client = Slow(kit, 'k', host=url, send=False)")
            for element in ("stats", "stats/user_id"):
                app.do(f"kit.consent.show({element!r}, method='settings')")
                app.do(f"kit.consent.grant({element!r}, method='settings')")
            app.do("client.track('u1', 'one')")
            app.do("kit.consent.withdraw('stats/user_id', method='settings')")
            app.do("client.track('u1', 'two')")
            assert app.do("swept.wait(10)")
            real = "client._lease_now().client_of(client)"
            assert app.do(f"{real}.queue.qsize()") == 1
        finally:
            app.kill()
