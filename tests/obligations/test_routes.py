# SPDX-License-Identifier: MIT

"""
What the five documents promise of the way that data takes, and of where it
ends, shown on servers of this machine that count what comes.
"""

from __future__ import annotations

import json
import socket

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.exceptions import TransportError
from consentkit.gate import OSPermission, Reason, Refusal
from consentkit.policy import Policy
from consentkit.policy.model import ABROAD
from consentkit.receiver import read_body
from consentkit.transports import route
from consentkit.transports.file import FileTransport
from consentkit.transports.memory import MemoryTransport
from tests.faults.support import forms
from tests.obligations.checks import (
    Watched,
    changed,
    clause,
    document,
    hits,
    opened,
    table,
)
from tests.transports.servers import (
    RawServer,
    Request,
    answer,
    good_document,
)


WP = "camera_app"
KS = "design_platform"
GP = "general_platform"

Change = Callable[[dict[str, Any]], object]

#: By document, its controller, and what it collects from whoever uses it.
DAILY = {
    WP: ("weipai", "logs", "app_version"),
    KS: ("kanshan", "search", "search_history"),
    GP: ("this_platform", "device_and_logs", "os_name"),
}


def _take(conn: socket.socket, request: Request) -> None:
    """
    Be a backend that opens what is sealed, and takes everything.
    """
    sent = json.loads(opened(request.body))
    conn.sendall(answer(good_document(sent)))


@pytest.fixture
def server() -> Iterator[RawServer]:
    """
    Give a backend.
    """
    made = RawServer(_take)
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[RawServer]:
    """
    Give somebody else's.
    """
    made = RawServer(_take)
    yield made
    made.close()


class Sent(Watched):
    """
    A kit of an adult, on whom nothing is in the way.
    """

    def __init__(self, policy: Policy, folder: Path, **options: Any) -> None:
        super().__init__(
            policy,
            folder,
            os_permission=lambda _: OSPermission.GRANTED,
            conditions=lambda _: True,
            **options,
        )
        self.kit.consent.declare_age(adult=True)

    def agree(self, *elements: str, method: str = "") -> None:
        """
        Say yes to each, in the one way in which its document takes it.
        """
        named = self.kit.policy.document.consent.act
        super().agree(*elements, method=method or named or "tick")
        for element in elements:
            found = self.kit.policy.functions.get(element)
            if found is not None and found.acknowledge:
                self.kit.consent.acknowledge(element)


def _records(server: RawServer) -> list[tuple[str, str]]:
    """
    List the function and data type of what came there.
    """
    bodies = [opened(request.body) for request in server.requests]
    return [
        (record.function, record.data_type)
        for body in bodies
        if b'"batch"' in body
        for record in read_body(body).records
    ]


class TestHome:
    """
    Tests for what stays in the country.
    """

    @pytest.mark.obligation("WP-LOC-1", "KS-LOC-1", "GP-LOC-1")
    @pytest.mark.parametrize("name", [WP, KS, GP])
    def test_another_region(
        self, name: str, server: RawServer, tmp_path: Path
    ) -> None:
        """
        A way that ends abroad, or of which nobody says where it ends, is
        refused before it is ever used, and what waits is kept; it arrives
        by one that ends at home.
        """
        policy = document(name)
        owner, function, type_ = DAILY[name]
        with Sent(policy, tmp_path) as seen:
            seen.agree(function)
            assert seen.take(function, type_)

        for region, told in (("US", "it ends in US"), ("", "nobody says")):
            with pytest.raises(TransportError, match=told) as caught:
                Sent(policy, tmp_path, wire=route(server.url, region=region))
            assert f"the way to {owner} ({server.url[:-3]})" in str(
                caught.value
            )
        assert server.connections == 0

        home = route(server.url, region="CN")
        with Sent(policy, tmp_path, wire=home) as seen:
            assert seen.kit.status().waiting == 1
            assert seen.kit.flush().delivered == 1
        assert _records(server) == [(function, type_)]

    @pytest.mark.obligation("WP-LOC-1", "KS-LOC-1", "GP-LOC-1")
    @pytest.mark.parametrize("name", [WP, KS, GP])
    def test_no_word_on_the_way(
        self, name: str, server: RawServer, tmp_path: Path
    ) -> None:
        """
        So it is with a recipient of which no purpose asks for a region: a
        region that is stated has to be one of the document's.
        """

        def ask_nothing(tree: dict[str, Any]) -> None:
            del tree["purposes"]

        policy = changed(name, ask_nothing)

        with pytest.raises(TransportError, match="it ends in US, and may"):
            Sent(policy, tmp_path, wire=route(server.url, region="US"))
        with Sent(policy, tmp_path, wire=route(server.url)) as seen:
            seen.agree(DAILY[name][1])
            assert seen.take(*DAILY[name][1:])
            assert seen.kit.flush().delivered == 1

    @pytest.mark.obligation("WP-LOC-1", "KS-LOC-1", "GP-LOC-1")
    @pytest.mark.parametrize("name", [WP, KS, GP])
    def test_redirect(
        self, name: str, other: RawServer, tmp_path: Path
    ) -> None:
        """
        A backend at home that leads on to somewhere else is not followed:
        nothing reaches the other place, and what waits is kept.
        """
        _, function, type_ = DAILY[name]

        def lead_on(conn: socket.socket, _: Request) -> None:
            headers = f"Location: {other.url}/batches\r\n"
            status = "307 Temporary Redirect"
            conn.sendall(answer(status=status, headers=headers))

        home = RawServer(lead_on)
        try:
            with Sent(
                document(name),
                tmp_path,
                wire=route(home.url, region="CN"),
            ) as seen:
                seen.agree(function)
                assert seen.take(function, type_)
                report = seen.kit.flush()
                assert (report.delivered, report.waiting) == (0, 1)
                assert home.connections == 1
                assert other.connections == 0

                home.script = _take
                assert seen.kit.flush().delivered == 1
        finally:
            home.close()

    @pytest.mark.obligation("GP-LOC-1")
    def test_explicit_authorisation(
        self, server: RawServer, other: RawServer, tmp_path: Path
    ) -> None:
        """
        To a recipient abroad nothing goes, until the person has agreed to
        that transfer by itself; then it goes to the country that was named,
        and by a way that ends elsewhere it cannot.
        """
        policy = changed(GP, _overseas("SG"))
        row = ("device_and_logs", "os_name")

        def ways(region: str) -> dict[str, Any]:
            return {
                "this_platform": route(server.url, region="CN"),
                "overseas": route(other.url, region=region),
            }

        def give(kit: consentkit.Kit) -> Any:
            with kit.use(row[0]) as use:
                got = use.device(row[1], recipient="overseas")
                return use.capture(got) if got else got

        with pytest.raises(TransportError, match="ends in US, and may end in"):
            consentkit.open(policy, data_dir=tmp_path, transport=ways("US"))
        with consentkit.open(
            policy,
            data_dir=tmp_path,
            transport=ways("SG"),
            sources=Watched(policy, tmp_path / "other").spies.values(),
        ) as kit:
            kit.consent.declare_age(adult=True)
            kit.consent.show(row[0], method="dialog")
            kit.consent.grant(row[0], method="agree")
            refused = give(kit)
            assert isinstance(refused, Refusal)
            assert refused.reason is Reason.ABROAD_CONSENT_NEEDED
            kit.flush()
            assert other.connections == 0

            apart = f"{row[0]}@overseas{ABROAD}"
            kit.consent.show(apart, method="dialog")
            kit.consent.grant(apart, method="agree")
            assert give(kit)
            assert kit.flush().delivered == 1
        assert _records(other) == [row]
        assert _records(server) == []

    @pytest.mark.obligation("GP-LOC-3")
    def test_recipient_that_cannot_protect_it(
        self, other: RawServer, tmp_path: Path
    ) -> None:
        """
        A recipient abroad whose assessment is missing, or found a high risk,
        gets nothing, whatever the person agreed to; one that was assessed
        does.
        """
        row = ("device_and_logs", "os_name")
        apart = f"{row[0]}@overseas{ABROAD}"
        filed = {"reference": "file 7", "made": "2026-03-01"}
        for assessment, arrives in (
            (None, 0),
            ({**filed, "risk": "high"}, 0),
            ({**filed, "risk": "low"}, 1),
        ):
            more: dict[str, Any] = {"on_file": ["assessment"]}
            if assessment is not None:
                more["assessment"] = assessment
            policy = changed(GP, _overseas("SG", **more))
            folder = tmp_path / f"{len(more)}{arrives}"
            with consentkit.open(
                policy,
                data_dir=folder,
                transport={"overseas": route(other.url, region="SG")},
                sources=Watched(policy, folder / "other").spies.values(),
            ) as kit:
                kit.consent.declare_age(adult=True)
                for element in (row[0], apart):
                    kit.consent.show(element, method="dialog")
                    kit.consent.grant(element, method="agree")
                with kit.use(row[0]) as use:
                    got = use.device(row[1], recipient="overseas")
                    if got:
                        use.capture(got)
                    else:
                        assert got.reason is Reason.RECIPIENT_BARRED
                assert kit.flush().delivered == arrives
            assert len(_records(other)) == arrives


def _overseas(country: str, **more: Any) -> Change:
    """
    Have ``device_and_logs`` give one type to a recipient abroad.
    """

    def change(tree: dict[str, Any]) -> None:
        tree["recipients"].append(
            {
                "id": "overseas",
                "name": "Overseas Data Centre Ltd.",
                "mode": "entrusted",
                "country": country,
                **more,
            }
        )
        row = clause(tree, "device_and_logs", "os_name")
        row["recipients"] = ["this_platform", "overseas"]

    return change


class TestAbroad:
    """
    Tests for what would leave the country; today nothing does.
    """

    @pytest.mark.obligation("WP-LOC-4")
    def test_tokens_by_tls(self, tmp_path: Path) -> None:
        """
        To a recipient abroad the way has to be encrypted, and what it gets
        of an identifier is a token that is none at home; the identifier is
        on neither wire and on no disk.
        """
        row = ("device_information", "smart_device_uid")

        def give(tree: dict[str, Any]) -> None:
            tree["recipients"].append(
                {
                    "id": "lab",
                    "name": "Lab Inc.",
                    "mode": "entrusted",
                    "country": "US",
                }
            )
            clause(tree, *row)["recipients"] = ["weipai", "lab"]
            tree["purposes"]["device_info_view"] = {
                "needs": ["encrypted", "region"]
            }

        policy = changed(WP, give)
        needed = "is not as device_info_view needs it, 'encrypted'"
        with pytest.raises(TransportError, match=needed):
            consentkit.open(
                policy, data_dir=tmp_path, transport={"lab": Bare()}
            )

        home, abroad = MemoryTransport(), MemoryTransport()
        watched = Sent(policy, tmp_path / "other")
        with (
            watched,
            consentkit.open(
                policy,
                data_dir=tmp_path / "data",
                transport={
                    "weipai": home,
                    "lab": route(abroad, region="US"),
                },
                seal_for=_seal_for(),
                sources=watched.spies.values(),
                conditions=lambda _: True,
            ) as kit,
        ):
            kit.consent.declare_age(adult=True)
            for element in (row[0], f"{row[0]}@lab{ABROAD}"):
                kit.consent.show(element, method="dialog")
                kit.consent.grant(element, method="confirm")
            with kit.use(row[0]) as use:
                for party in ("weipai", "lab"):
                    got = use.device(row[1], recipient=party)
                    assert use.capture(got)
            assert kit.flush().delivered == 2
        (here,), (there,) = home.records, abroad.records
        assert here.privacy_class == there.privacy_class == "pseudonymised"
        assert here.value != there.value
        raw = watched.plants[row[1]]
        assert raw not in repr((here.value, there.value))
        assert hits(forms(raw), tmp_path) == []


class Bare(MemoryTransport):
    """
    A way of which nobody says that it is encrypted.
    """

    capabilities = frozenset({"region"})


def _seal_for() -> str:
    from tests.obligations.checks import key_for

    key = key_for(document(WP))
    assert key is not None
    return key


class TestBinding:
    """
    Tests for what binding a camera yields.
    """

    @pytest.mark.obligation("WP-BIND-3")
    def test_goes_to_the_company_alone(
        self, server: RawServer, other: RawServer, tmp_path: Path
    ) -> None:
        """
        With ways to others as well, all of it goes to the company's own
        server: nobody else may be named for it, and their wires stay empty.
        Were the document to name one, that one's wire would not.
        """
        policy = document(WP)
        others = ("affiliates", "partners", "umeng")
        types = ("device_model", "os_name", "ssid", "network_status")

        def bind(policy: Policy, folder: Path) -> list[Any]:
            far = {party: route(other.url, region="CN") for party in others}
            watched = Sent(policy, folder / "other")
            with (
                watched,
                consentkit.open(
                    policy,
                    data_dir=folder / "data",
                    transport={
                        "weipai": route(server.url, region="CN"),
                        **far,
                    },
                    seal_for=_seal_for(),
                    sources=watched.spies.values(),
                    os_permission=lambda _: OSPermission.GRANTED,
                ) as kit,
            ):
                kit.consent.declare_age(adult=True)
                elements = policy.functions["bind_device"].elements
                for element in elements:
                    kit.consent.show(element, method="dialog")
                    kit.consent.grant(element, method="confirm")
                refused = []
                with kit.use("bind_device") as use:
                    for type_ in types:
                        got = use.device(type_)
                        assert use.capture(got)
                    for party in others:
                        more = use.device("os_name", recipient=party)
                        if more:
                            use.capture(more)
                        else:
                            refused.append(more)
                assert kit.flush().waiting == 0
                return refused

        refused = bind(policy, tmp_path / "as it is")
        assert [r.reason for r in refused] == [
            Reason.UNDECLARED_RECIPIENT
        ] * len(others)
        assert {t for _, t in _records(server)} == set(types)
        assert other.connections == 0

        def tell(tree: dict[str, Any]) -> None:
            rows = table(tree, "bind_device")["collects"]
            for row in rows:
                if "os_name" in (row.get("type"), *row.get("types", ())):
                    row["recipients"] = ["weipai", "umeng"]

        bind(changed(WP, tell), tmp_path / "changed")
        assert _records(other) == [("bind_device", "os_name")]


class TestValidators:
    """
    Tests for what a backend would know a visitor by.
    """

    TAG = "planted-etag-4711"

    @pytest.mark.obligation("GP-ETAG-1")
    def test_none_comes_back(self, tmp_path: Path) -> None:
        """
        A validator that the backend gives with its answer does not come
        back with the next request, nor is it kept; refused, there is no
        request at all.
        """

        def mark(conn: socket.socket, request: Request) -> None:
            sent = json.loads(opened(request.body))
            headers = (
                "Content-Type: application/json\r\n"
                f'ETag: "{self.TAG}"\r\n'
                "Last-Modified: Fri, 01 May 2026 04:07:11 GMT\r\n"
                "Cache-Control: private, max-age=31536000\r\n"
            )
            conn.sendall(answer(good_document(sent), headers=headers))

        _, function, type_ = DAILY[GP]
        backend = RawServer(mark)
        try:
            way = route(backend.url, region="CN")
            with Sent(document(GP), tmp_path, wire=way) as seen:
                assert isinstance(seen.take(function, type_), Refusal)
                seen.kit.flush()
                assert backend.connections == 0

                seen.agree(function)
                for _ in range(2):
                    assert seen.take(function, type_)
                    assert seen.kit.flush().delivered == 1
        finally:
            backend.close()
        for request in backend.requests:
            names = {name.lower() for name in request.headers}
            assert not [n for n in names if n.startswith("if-")]
            assert "cookie" not in names
            assert self.TAG not in repr(request.headers)
        assert len(backend.requests) == 2
        assert hits(forms(self.TAG), tmp_path) == []


class TestVideo:
    """
    Tests for what is kept in the cloud.
    """

    ROW = ("cloud_storage", "recorded_video")

    def _upload(self, folder: Path, way: Any) -> set[bytes]:
        """
        Upload a recording, and give what it would be known by.
        """
        with Sent(document(WP), folder, wire=way) as seen:
            seen.agree(self.ROW[0], "/".join(self.ROW))
            assert seen.take(*self.ROW, act="pressed")
            assert seen.kit.flush().delivered == 1
            return set(forms(seen.plants[self.ROW[1]]))

    @pytest.mark.obligation("WP-VID-3")
    def test_is_sealed_before_it_leaves(
        self, server: RawServer, tmp_path: Path
    ) -> None:
        """
        Nothing of a recording is readable in what goes over the wire; who
        has the key reads it.
        """
        way = route(server.url, region="CN")

        needles = self._upload(tmp_path, way)

        (request,) = server.requests
        assert not [n for n in needles if n in request.body]
        assert [n for n in needles if n in opened(request.body)]

    @pytest.mark.obligation("WP-VID-3")
    def test_is_kept_sealed(self, tmp_path: Path) -> None:
        """
        Where it is kept as it came, nothing of it is readable there either.
        """
        store = tmp_path / "store"

        needles = self._upload(
            tmp_path / "app", FileTransport(f"file://{store}")
        )

        assert hits(needles, store) == []
        (envelope,) = store.glob("*.envelope")
        assert [n for n in needles if n in opened(envelope.read_bytes())]

    @pytest.mark.obligation("WP-VID-3")
    def test_without_a_key(self, server: RawServer, tmp_path: Path) -> None:
        """
        Without a key of the company's nothing is uploaded, as nothing is
        opened.
        """
        with pytest.raises(TransportError, match="cloud_storage needs it"):
            Sent(
                document(WP),
                tmp_path,
                wire=route(server.url, region="CN"),
                seal_for=None,
            )
        assert server.connections == 0
