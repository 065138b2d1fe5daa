# SPDX-License-Identifier: MIT

"""
A network and a backend that fail in every way that we could think of: what
was captured waits, arrives once when they are well again, and nothing is
raised.
"""

from __future__ import annotations

import random
import socket
import ssl
import threading

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.receiver import Server, Store, make_app, serve
from consentkit.transports.https import HTTPSTransport
from tests.faults.proxy import (
    FAULTS,
    Fault,
    FaultProxy,
    answered,
    asking,
    redirecting,
    refusing_more_than,
)
from tests.faults.support import number, open_kit, tick
from tests.needs import need_extra
from tests.transports.servers import make_certificates


#: For one transfer; what hangs is given up after that.
TIMEOUT_SECONDS = 0.5


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """
    What the real receiver keeps.
    """
    need_extra("receiver")
    store = Store(tmp_path / "received.sqlite3")
    yield store
    store.close()


@pytest.fixture
def receiver(store: Store) -> Iterator[Server]:
    """
    The real receiver, over HTTP.
    """
    with serve(make_app(store)) as server:
        yield server


@pytest.fixture
def put_between(receiver: Server) -> Iterator[Callable[..., FaultProxy]]:
    """
    Give what puts a proxy before the receiver.
    """
    made: list[FaultProxy] = []

    def put(fault: Fault | None = None, **options: Any) -> FaultProxy:
        made.append(FaultProxy(receiver.port, fault, **options))
        return made[-1]

    yield put
    for one in made:
        one.close()


def _open(data_dir: Path, proxy: FaultProxy, **options: Any) -> consentkit.Kit:
    options = {"timeout_seconds": TIMEOUT_SECONDS, **options}
    transport = HTTPSTransport(proxy.url, **options)
    return open_kit(data_dir, "stats", transport=transport)


def _ids(store: Store) -> list[str]:
    return [one.record.id for one in store.records()]


# What the receiver has after the first flush, and what the report says.
FAILING = [
    ("cut", 0, "the connection broke"),
    ("reset_in_body", 0, "the connection broke"),
    ("reset_before_answer", 5, "the connection broke"),
    ("reset_in_answer", 5, "the connection broke"),
    ("hang", 0, "within 0.5 seconds"),
    ("drip", 5, "within 0.5 seconds"),
    ("garbage", 0, "does not speak HTTP"),
    ("half_close", 5, "the connection broke"),
    ("half_close_at_once", None, "does not speak HTTP"),
    ("empty", 0, "for another batch"),
    ("failing", 0, "500"),
    ("bad_gateway", 0, "502"),
]


def test_none_is_left_out() -> None:
    """
    Every fault of the proxy that needs nothing to be said is tried here.
    """
    tried = {name for name, *_ in FAILING} | {"no_fault", "slow"}
    assert tried == set(FAULTS)


@pytest.mark.parametrize(("name", "there", "says"), FAILING)
def test_it_arrives_when_all_is_well(
    tmp_path: Path,
    store: Store,
    put_between: Callable[..., FaultProxy],
    name: str,
    there: int | None,
    says: str,
) -> None:
    """
    A flush through the fault delivers nothing, says why in one line, and
    drops nothing; the next start delivers all, each once.
    """
    proxy = put_between(FAULTS[name])
    kit = _open(tmp_path / "data", proxy)
    ids = tick(kit, *range(5))

    report = kit.flush()

    (problem,) = report.problems
    assert says in problem
    assert "\n" not in problem
    assert (report.delivered, report.rejected, report.waiting) == (0, 0, 5)
    assert there is None or len(_ids(store)) == there
    kit.close()

    proxy.heal()
    # What a backend refused may wait by itself for a second.
    kit = open_kit(
        tmp_path / "data", transport=proxy.url, clock=_a_minute_later
    )
    report = kit.flush()
    assert (report.problems, report.waiting) == ((), 0)
    assert report.delivered + report.duplicates == 5
    assert there is None or report.duplicates == there
    assert sorted(_ids(store)) == sorted(ids)
    assert sorted(number(one.record) for one in store.records()) == [
        0, 1, 2, 3, 4,
    ]  # fmt: skip
    assert kit.ledger.verify().kind.value == "intact"


def _a_minute_later() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


@pytest.mark.parametrize("name", ["no_fault", "slow"])
def test_it_arrives(
    tmp_path: Path,
    store: Store,
    put_between: Callable[..., FaultProxy],
    name: str,
) -> None:
    """
    Without a fault all of it arrives at once, and so it does where the
    answer is late.
    """
    kit = _open(tmp_path / "data", put_between(FAULTS[name]))
    ids = tick(kit, *range(5))

    report = kit.flush()

    assert (report.problems, report.delivered) == ((), 5)
    assert _ids(store) == ids


def test_nobody_listens(
    tmp_path: Path, store: Store, put_between: Callable[..., FaultProxy]
) -> None:
    """
    A port where nobody listens is told of, and the same kit delivers when
    somebody does again.
    """
    proxy = put_between(FAULTS["no_fault"])
    kit = _open(tmp_path / "data", proxy)
    ids = tick(kit, *range(5))
    with proxy.refusing():
        report = kit.flush()
        assert "refuses the connection" in report.problems[0]
        assert (report.delivered, report.waiting) == (0, 5)

    assert kit.flush().delivered == 5
    assert _ids(store) == ids


@pytest.mark.parametrize("status", ["302 Found", "307 Again", "308 Moved"])
def test_a_redirect_is_not_followed(
    tmp_path: Path,
    receiver: Server,
    store: Store,
    put_between: Callable[..., FaultProxy],
    status: str,
) -> None:
    """
    What points elsewhere, even to a good receiver, gets nothing there.
    """
    proxy = put_between(redirecting(f"{receiver.url}/batches", status))
    kit = _open(tmp_path / "data", proxy)
    ids = tick(kit, *range(5))

    report = kit.flush()

    assert "redirect" in report.problems[0]
    assert (report.delivered, report.waiting) == (0, 5)
    assert _ids(store) == []
    proxy.heal()
    assert kit.flush().delivered == 5
    assert _ids(store) == ids


@pytest.mark.parametrize(
    "asked",
    [
        *("-1", "soon", "", "1e400", "0x10"),
        "Thu, 01 Jan 1970 00:00:00 GMT",
    ],
)
def test_a_pause_that_is_none(
    tmp_path: Path,
    store: Store,
    put_between: Callable[..., FaultProxy],
    asked: str,
) -> None:
    """
    A pause that is over already, or cannot be read, does not hold up the
    next flush.
    """
    proxy = put_between(asking(asked))
    kit = _open(tmp_path / "data", proxy)
    ids = tick(kit, *range(5))
    assert kit.flush().waiting == 5

    proxy.heal()

    assert kit.flush().delivered == 5
    assert _ids(store) == ids


@pytest.mark.parametrize(
    "asked", ["99999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_a_pause_for_ever(
    tmp_path: Path,
    store: Store,
    put_between: Callable[..., FaultProxy],
    asked: str,
) -> None:
    """
    A pause of years is a day at most, and none for the next start.
    """
    proxy = put_between(asking(asked))
    kit = _open(tmp_path / "data", proxy)
    ids = tick(kit, *range(5))
    kit.flush()
    proxy.heal()

    (problem,) = kit.flush().problems

    assert "asked for a pause" in problem
    left = int(problem.partition("pause, ")[2].partition(" s")[0])
    assert 0 < left <= 86_400
    assert _ids(store) == []
    kit.close()
    assert _open(tmp_path / "data", proxy).flush().delivered == 5
    assert _ids(store) == ids


def test_too_large(
    tmp_path: Path, store: Store, put_between: Callable[..., FaultProxy]
) -> None:
    """
    A gateway that takes small bodies only gets small ones, in one flush.
    """
    proxy = put_between(refusing_more_than(2_000))
    kit = _open(tmp_path / "data", proxy)
    pick = random.Random(1)
    ids = [
        i
        for n in range(20)
        # Nothing makes these much shorter.
        for i in tick(kit, n, note=pick.randbytes(150).hex())
    ]

    report = kit.flush()

    assert (report.delivered, report.rejected, report.waiting) == (20, 0, 0)
    assert sorted(_ids(store)) == sorted(ids)
    assert len({one.batch for one in store.records()}) > 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"batch": "another", "outcomes": []}',
        b'{"batch": null, "outcomes": {"a": "stored"}}',
        b"[" * 100_000,
        b'{"outcomes": ' + b"9" * 5000 + b"}",
        b"\xff\xfe\x00",
        b"null",
    ],
    ids=["another", "shapes", "depth", "digits", "bytes", "null"],
)
def test_a_hostile_answer(
    tmp_path: Path,
    store: Store,
    put_between: Callable[..., FaultProxy],
    body: bytes,
) -> None:
    """
    An answer that says nothing of these records delivers and drops none.
    """

    def hostile(exchange: Any) -> bool:
        exchange.body()
        exchange.answer(answered("200 OK", body=body))
        return True

    proxy = put_between(hostile)
    kit = _open(tmp_path / "data", proxy)
    ids = tick(kit, *range(5))

    report = kit.flush()

    assert len(report.problems) == 1
    assert (report.delivered, report.rejected, report.waiting) == (0, 0, 5)
    proxy.heal()
    assert kit.flush().delivered == 5
    assert _ids(store) == ids


class TestTLS:
    """
    Tests for what goes wrong before the first byte of HTTP.
    """

    @pytest.mark.parametrize(
        ("certificate", "trusted", "says"),
        [
            ("expired", True, "is not trusted"),
            ("other host", True, "certificate"),
            ("self-signed", False, "is not trusted"),
            ("unknown authority", False, "is not trusted"),
        ],
    )
    def test_a_certificate_that_does_not_hold(
        self,
        tmp_path: Path,
        store: Store,
        put_between: Callable[..., FaultProxy],
        certificate: str,
        trusted: bool,  # noqa: FBT001 - a row of the table
        says: str,
    ) -> None:
        """
        No byte of a batch goes to whom the certificate does not name now;
        to the right one all goes.
        """
        make_certificates(tmp_path)
        bad, good = tmp_path / "bad", tmp_path
        bad.mkdir()
        name = "backend.example" if certificate == "other host" else None
        make_certificates(bad, name or "127.0.0.1")
        if certificate in {"expired", "self-signed"}:
            _make_self_signed(bad, has_expired=certificate == "expired")
        proxy = put_between(FAULTS["no_fault"], tls=_speaks(bad))
        verify = bad / "ca.pem" if trusted else good / "ca.pem"
        kit = _open(tmp_path / "data", proxy, verify=verify)
        ids = tick(kit, *range(5))

        report = kit.flush()

        (problem,) = report.problems
        assert says in problem
        assert (report.delivered, report.waiting) == (0, 5)
        assert proxy.counts.total() == 0
        kit.close()
        proxy = put_between(FAULTS["no_fault"], tls=_speaks(good))
        kit = _open(tmp_path / "data", proxy, verify=good / "ca.pem")
        assert kit.flush().delivered == 5
        assert _ids(store) == ids

    def test_a_port_without_tls(
        self,
        tmp_path: Path,
        store: Store,
        put_between: Callable[..., FaultProxy],
    ) -> None:
        """
        A port that speaks plain HTTP gets no byte of a batch.
        """
        proxy = put_between(FAULTS["no_fault"])
        url = proxy.url.replace("http:", "https:")
        transport = HTTPSTransport(url, timeout_seconds=TIMEOUT_SECONDS)
        kit = open_kit(tmp_path / "data", "stats", transport=transport)
        tick(kit, *range(5))

        report = kit.flush()

        assert len(report.problems) == 1
        assert (report.delivered, report.waiting) == (0, 5)
        assert proxy.counts.total() == 0
        assert _ids(store) == []

    @pytest.mark.parametrize(
        "said", [b"", b"\x15\x03\x03\x00\x02\x02\x28", b"\x16\x03\x03\xff\xff"]
    )
    def test_a_handshake_that_breaks_off(
        self, tmp_path: Path, said: bytes
    ) -> None:
        """
        An end, an alert and a length that never comes in place of a
        handshake deliver nothing.
        """
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

            def speak() -> None:
                conn, _ = listener.accept()
                with conn:
                    conn.recv(65536)
                    conn.sendall(said)

            thread = threading.Thread(target=speak)
            thread.start()
            transport = HTTPSTransport(
                f"https://127.0.0.1:{port}", timeout_seconds=TIMEOUT_SECONDS
            )
            kit = open_kit(tmp_path, "stats", transport=transport)
            tick(kit, 1)
            report = kit.flush()
            thread.join()

        assert len(report.problems) == 1
        assert (report.delivered, report.waiting) == (0, 1)


@pytest.mark.parametrize("seed", range(3))
def test_one_after_the_other(
    tmp_path: Path,
    store: Store,
    put_between: Callable[..., FaultProxy],
    seed: int,
) -> None:
    """
    Through faults by chance, captures and flushes raise nothing, and all
    that was captured is there once in the end.
    """
    proxy = put_between(seed=seed)
    ids: list[str] = []
    for turn in range(12):
        kit = _open(tmp_path / "data", proxy, timeout_seconds=0.1)
        for n in range(4):
            ids += tick(kit, turn * 10 + n)
            kit.flush(timeout_seconds=1)
        kit.close()
    proxy.heal()

    kit = open_kit(tmp_path / "data", transport=proxy.url, clock=_a_day_later)
    report = kit.flush()

    assert (report.waiting, report.problems) == (0, ())
    assert len(ids) == 48
    assert sorted(_ids(store)) == sorted(ids)
    assert len({number(one.record) for one in store.records()}) == 48
    assert len(proxy.counts) > 5


def _a_day_later() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def _speaks(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def _make_self_signed(folder: Path, *, has_expired: bool) -> None:
    """
    Make a certificate by itself (``server.pem``), which is its own authority
    (``ca.pem``).
    """
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    end = now - timedelta(days=1) if has_expired else now + timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(end)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "ca.pem").write_bytes(made)
    (folder / "server.pem").write_bytes(made + private)
