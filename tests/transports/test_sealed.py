# SPDX-License-Identifier: MIT

"""
Sealed delivery: from an app's kit to a receiver that has the key.
"""

from __future__ import annotations

import json

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from attrs import evolve, frozen

import consentkit

from consentkit import OSPermission
from consentkit.outbox.records import Batch
from consentkit.policy import parse_policy
from consentkit.receiver import read_body
from consentkit.seal import (
    MEDIA_TYPE,
    KeyRing,
    SealKey,
    make_open_key,
    open_envelope,
    read_head,
    seal,
)
from consentkit.transports import Answer, Outcome, Transport, pack
from consentkit.transports.file import FileTransport
from consentkit.transports.guarded import GuardedTransport
from consentkit.transports.memory import MemoryTransport
from tests.needs import need_extra
from tests.transports.conformance import (
    PLANTED,
    ErasingConformance,
    make_batch,
    make_erasure,
)


POLICY = """\
schema = 1

[policy]
id = "notes"
title = "Notes privacy policy"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "notes_ltd"
name = "Notes Ltd."
contact = "privacy@notes.example"

[[functions]]
id = "stats"
name = "Statistics"
category = "additional"
text = "We count what is used."
basis = ["consent"]
on_refusal = "degraded"
purposes = ["usage_statistics"]
retention = "P1D"

[[functions.collects]]
type = "usage_record"
protect = "scrub"

[[functions.events]]
name = "opened"
type = "usage_record"
fields = { page = "text" }
"""


@frozen
class Opened:
    """
    The event of the policy.
    """

    page: str


class _Wire(Transport):
    """
    Keeps the bytes that would leave, and knows some keys.
    """

    seals = True

    def __init__(self, *known: str) -> None:
        self.name = "wire://"
        self.bodies: list[bytes] = []
        self.known = set(known)

    def _answer(self, what: Any, ids: list[str]) -> Answer:
        parcel = pack(what)
        self.bodies.append(parcel.body)
        if parcel.is_sealed and read_head(parcel.body).key not in self.known:
            return Answer(
                outcomes=dict.fromkeys(ids, Outcome.RETRY),
                problem="no such key",
                unknown_key=True,
            )
        return Answer(outcomes=dict.fromkeys(ids, Outcome.DELIVERED))

    def _send(self, batch: Batch) -> Answer:
        return self._answer(batch, [record.id for record in batch.records])

    def _erase(self, erasure: Any) -> Answer:
        return self._answer(erasure, [erasure.id])


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    """
    Give the recipient's keys.
    """
    return KeyRing.new(tmp_path / "keys.json")


@pytest.fixture
def open_kit(tmp_path: Path) -> Iterator[Callable[..., consentkit.Kit]]:
    """
    Open a kit with one event waiting, under a yes.
    """
    kits: list[consentkit.Kit] = []
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)

    def make(transport: Transport | str, **options: Any) -> consentkit.Kit:
        kit = consentkit.open(
            policy, data_dir=tmp_path / "data", transport=transport, **options
        )
        kits.append(kit)
        kit.consent.show("stats", method="settings")
        kit.consent.grant("stats", method="settings")
        with kit.use("stats") as use:
            assert use.capture(Opened(page=f"the page {PLANTED}"))
        return kit

    yield make
    for kit in kits:
        kit.close()


class TestWire:
    """
    What whoever carries it can see.
    """

    @pytest.mark.obligation("WP-DENC-1")
    @pytest.mark.obligation("GP-SHR-2")
    def test_nothing_readable_leaves(
        self, open_kit: Callable[..., consentkit.Kit], ring: KeyRing
    ) -> None:
        """
        With a key, envelopes leave and nothing else: records, and requests
        to erase; only that key opens them.
        """
        public = ring.current.seal_key
        wire = _Wire(public.fingerprint)
        kit = open_kit(wire, seal_for=public.text)
        assert kit.flush().delivered == 1
        kit.consent.withdraw("stats", method="settings")
        assert kit.flush().erased == 1
        assert len(wire.bodies) == 2
        for body in wire.bodies:
            assert PLANTED.encode() not in body
            assert b"usage_record" not in body
        head, batch = open_envelope(wire.bodies[0], ring.keys)
        value: Any = read_body(batch).records[0].value
        assert value["event"] == "opened"
        assert head.count == 1
        _, erasure = open_envelope(wire.bodies[1], ring.keys)
        token = json.loads(erasure)["token"]
        assert token.encode() not in wire.bodies[1]

    def test_without_a_key_it_is_json(
        self, open_kit: Callable[..., consentkit.Kit]
    ) -> None:
        """
        Without a key what leaves can be read where TLS ends.
        """
        wire = _Wire()
        assert open_kit(wire).flush().delivered == 1
        (body,) = wire.bodies
        assert json.loads(body)["format"] == 2
        assert PLANTED.encode() in body

    @pytest.mark.parametrize("is_guarded", [False, True])
    def test_a_transport_that_cannot_seal(
        self, open_kit: Callable[..., consentkit.Kit], *, is_guarded: bool
    ) -> None:
        """
        A transport that does not send envelopes is given nothing that is to
        be sealed.
        """

        class Clear(_Wire):
            seals = False

        wire = Clear()
        transport = (
            GuardedTransport(wire, ("wlan",), lambda _: OSPermission.GRANTED)
            if is_guarded
            else wire
        )
        key = make_open_key(1).seal_key.text
        kit = open_kit(transport, seal_for=key)
        report = kit.flush()
        assert (report.delivered, report.waiting) == (0, 1)
        assert "cannot send envelopes" in report.problems[0]
        kit.consent.withdraw("stats", method="settings")
        assert kit.flush().erased == 0
        assert wire.bodies == []

    def test_the_next_key(
        self, open_kit: Callable[..., consentkit.Kit], ring: KeyRing
    ) -> None:
        """
        Where the recipient does not have the first key any more, the second
        is used, and is from then on.
        """
        gone = make_open_key(9).seal_key
        public = ring.current.seal_key
        wire = _Wire(public.fingerprint)
        kit = open_kit(wire, seal_for=[gone.text, public.text])
        report = kit.flush()
        assert (report.delivered, report.problems) == (1, ())
        keys = [read_head(body).key for body in wire.bodies]
        assert keys == [gone.fingerprint, public.fingerprint]
        with kit.use("stats") as use:
            use.capture(Opened(page="two"))
        assert kit.flush().delivered == 1
        assert read_head(wire.bodies[-1]).key == public.fingerprint

    def test_no_key_that_it_has(
        self, open_kit: Callable[..., consentkit.Kit]
    ) -> None:
        """
        Where it has none of them, what waits goes on waiting, sealed each
        time it is tried; nothing is sent in the clear for that.
        """
        gone = [make_open_key(n).seal_key.text for n in (1, 2)]
        wire = _Wire()
        kit = open_kit(wire, seal_for=gone)
        for _ in range(2):
            report = kit.flush()
            assert (report.delivered, report.waiting) == (0, 1)
            assert report.problems == ("no such key",)
        assert all(PLANTED.encode() not in body for body in wire.bodies)


class TestOpening:
    """
    What `consentkit.open` takes.
    """

    @pytest.mark.parametrize("wrong", ["x", ["AQAg"], {"notes_ltd": "x"}])
    def test_no_key(self, tmp_path: Path, wrong: Any) -> None:
        """
        What is no key is an error at once, which says where one comes from.
        """
        policy = tmp_path / "policy.toml"
        policy.write_text(POLICY)
        with pytest.raises(ValueError, match="consentkit keys new"):
            consentkit.open(policy, data_dir=tmp_path, seal_for=wrong)

    @pytest.mark.parametrize(
        "empty", ["", [], [""], {"notes_ltd": ""}, {"notes_ltd": []}], ids=repr
    )
    def test_an_empty_one_is_no_none(self, tmp_path: Path, empty: Any) -> None:
        """
        Where a key should be and a setting was empty, nothing goes out in
        the clear for that: it is an error at opening.
        """
        policy = parse_policy(POLICY)
        with pytest.raises(ValueError, match="is empty; leave it out"):
            consentkit.open(policy, data_dir=tmp_path, seal_for=empty)

    @pytest.mark.parametrize("wrong", [5, b"x", {"notes_ltd": 5}], ids=repr)
    def test_another_type(self, tmp_path: Path, wrong: Any) -> None:
        """
        What is no text at all is told by its type.
        """
        policy = parse_policy(POLICY)
        with pytest.raises(TypeError, match="seal_for is"):
            consentkit.open(policy, data_dir=tmp_path, seal_for=wrong)

    @pytest.mark.parametrize(
        "wrong", [5, Path("/tmp/sent"), ["memory:"], MemoryTransport]
    )
    def test_no_transport(self, tmp_path: Path, wrong: Any) -> None:
        """
        What is neither a URL nor a transport is told at opening, and of a
        folder how it is named.
        """
        policy = parse_policy(POLICY)
        with pytest.raises(TypeError, match="a URL or a Transport") as caught:
            consentkit.open(policy, data_dir=tmp_path, transport=wrong)
        assert ("as_uri" in str(caught.value)) is isinstance(wrong, Path)

    def test_no_recipient(self, tmp_path: Path) -> None:
        """
        A recipient that the policy does not have is named.
        """
        policy = tmp_path / "policy.toml"
        policy.write_text(POLICY)
        key = make_open_key(1).seal_key.text
        with pytest.raises(ValueError, match="no recipient vendor"):
            consentkit.open(
                policy, data_dir=tmp_path, seal_for={"vendor": key}
            )


class TestReceiver:
    """
    The reference receiver behind it, over HTTP.
    """

    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        need_extra("receiver")

    @pytest.fixture
    def serve(self, tmp_path: Path) -> Iterator[Callable[..., Any]]:
        """
        Start a receiver, and give its URL and its store.
        """
        from contextlib import ExitStack

        from consentkit.receiver import Store, make_app
        from consentkit.receiver import serve as serve_app

        with ExitStack() as stack:

            def start(**options: Any) -> tuple[str, Any]:
                store = Store(tmp_path / "store.db")
                stack.callback(store.close)
                server = stack.enter_context(
                    serve_app(make_app(store, **options))
                )
                return server.url, store

            yield start

    @pytest.mark.obligation("WP-DENC-1")
    def test_end_to_end(
        self,
        open_kit: Callable[..., consentkit.Kit],
        serve: Callable[..., Any],
        ring: KeyRing,
    ) -> None:
        """
        Records arrive once, and an erasure is carried out.
        """
        url, store = serve(keys=ring, sealed_only=True)
        kit = open_kit(url, seal_for=ring.current.seal_key.text)
        report = kit.flush()
        assert (report.delivered, report.problems) == (1, ())
        assert store.counts().records == 1
        kit.consent.withdraw("stats", method="settings")
        assert kit.flush().erased == 1
        assert store.counts().records == 0

    def test_rotated_while_it_runs(
        self,
        open_kit: Callable[..., consentkit.Kit],
        serve: Callable[..., Any],
        ring: KeyRing,
    ) -> None:
        """
        A key that came to the file meanwhile opens; no restart is needed.
        """
        url, _ = serve(keys=ring)
        newer = ring.rotate().current.seal_key
        kit = open_kit(url, seal_for=newer.text)
        assert kit.flush().delivered == 1

    def test_unknown_key(
        self,
        open_kit: Callable[..., consentkit.Kit],
        serve: Callable[..., Any],
        ring: KeyRing,
    ) -> None:
        """
        It says that it lacks a key; the sender takes the next one, or tells
        the cure.
        """
        url, _ = serve(keys=ring)
        gone = make_open_key(7).seal_key.text
        kit = open_kit(url, seal_for=gone)
        report = kit.flush()
        assert (report.delivered, report.waiting) == (0, 1)
        (problem,) = report.problems
        assert "seal_for=" in problem
        kit.close()
        both = [gone, ring.current.seal_key.text]
        kit = open_kit(url, seal_for=both)
        assert kit.flush().delivered == 2

    def test_sealed_only(
        self,
        open_kit: Callable[..., consentkit.Kit],
        serve: Callable[..., Any],
        ring: KeyRing,
    ) -> None:
        """
        Where it takes nothing else, what is not sealed waits on.
        """
        url, store = serve(keys=ring, sealed_only=True)
        report = open_kit(url).flush()
        assert (report.delivered, report.waiting) == (0, 1)
        assert store.counts().records == 0

    @pytest.mark.parametrize(
        "change",
        [
            {"id": "01936b2e-6a10-7b11-8e00-a1b2c3d4e5f7"},
            {"recipient": "somebody_else"},
            {"count": 3},
            {"erase": "ab" * 32},
        ],
        ids=str,
    )
    @pytest.mark.obligation("WP-DENC-2")
    def test_head_of_another_batch(
        self,
        serve: Callable[..., Any],
        ring: KeyRing,
        change: Mapping[str, Any],
    ) -> None:
        """
        What stands outside has to be what is inside.
        """
        url, store = serve(keys=ring)
        key = ring.current.seal_key
        batch = evolve(make_batch(), seal_for=key)
        head, body = open_envelope(pack(batch).body, ring.keys)
        status, told = _post(url, seal(body, evolve(head, **change), key))
        assert status == 400
        assert "head of the envelope" in told["error"]["problem"]
        assert store.counts().records == 0
        status, told = _post(url, seal(body, head, key))
        assert status == 200
        status, told = _post(url, pack(batch).body)
        assert {one["outcome"] for one in told["outcomes"]} == {"duplicate"}

    @pytest.mark.parametrize("at", [0, 1, 8, 20, 200, -1])
    def test_damaged(
        self, serve: Callable[..., Any], ring: KeyRing, at: int
    ) -> None:
        """
        An envelope that was changed is refused as a whole.
        """
        url, store = serve(keys=ring)
        batch = evolve(make_batch(), seal_for=ring.current.seal_key)
        body = bytearray(pack(batch).body)
        body[at] ^= 1
        status, told = _post(url, bytes(body))
        assert status in {400, 422}
        assert PLANTED not in json.dumps(told)
        assert store.counts().records == 0

    def test_without_keys_envelopes_are_refused(
        self, serve: Callable[..., Any], ring: KeyRing
    ) -> None:
        """
        A receiver without keys says what it takes.
        """
        url, _ = serve()
        batch = evolve(make_batch(), seal_for=ring.current.seal_key)
        status, told = _post(url, pack(batch).body)
        assert status == 415
        assert "application/json" in told["error"]["problem"]


def _post(url: str, body: bytes) -> tuple[int, Any]:
    import httpx

    reply = httpx.post(
        f"{url}/batches",
        content=body,
        headers={"Content-Type": MEDIA_TYPE},
        trust_env=False,
    )
    return reply.status_code, reply.json()


class TestFiles(ErasingConformance):
    """
    The file transport with a recipient's key: it erases as without one.
    """

    KEY = make_open_key(1)

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "out"

    def make_transport(self) -> Transport:
        """
        Make a transport that seals all that it is given.
        """

        class Sealing(FileTransport):
            def _send(self, batch: Batch) -> Answer:
                return super()._send(_sealed(batch, TestFiles.KEY.seal_key))

            def _erase(self, erasure: Any) -> Answer:
                return super()._erase(_sealed(erasure, TestFiles.KEY.seal_key))

        return Sealing(self.folder.as_uri())

    def held(self) -> set[str]:
        """
        Open what lies in the folder.
        """
        found: set[str] = set()
        for path in self.folder.glob("*.envelope"):
            raw = path.read_bytes()
            assert PLANTED.encode() not in raw
            _, body = open_envelope(raw, {1: self.KEY})
            rows = json.loads(body).get("records", ())
            found |= {row["id"] for row in rows}
        return found

    def test_an_erasure_is_sealed_too(self) -> None:
        """
        The request holds a token that nobody on the way may have.
        """
        with self.make_transport() as transport:
            transport.erase(make_erasure("77" * 32))
        texts = [path.read_bytes() for path in self.folder.iterdir()]
        assert len(texts) == 2
        assert all(b"77" * 32 not in text for text in texts)


def _sealed(what: Any, key: SealKey) -> Any:
    return evolve(what, seal_for=key)
