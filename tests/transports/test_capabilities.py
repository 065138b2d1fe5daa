# SPDX-License-Identifier: MIT

"""
Tests for what the ways of records are capable of, and for what purposes
demand of them: `consentkit.transports.route` and
`consentkit.transports.demands`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.exceptions import TransportError
from consentkit.gate import OSPermission
from consentkit.outbox.records import Batch, Erasure
from consentkit.policy import Policy
from consentkit.seal import make_open_key
from consentkit.testing import TransportConformance
from consentkit.transports import (
    Answer,
    Outcome,
    Transport,
    route,
    transport_from_url,
)
from consentkit.transports.amqp import AMQPTransport
from consentkit.transports.demands import demands_on
from consentkit.transports.guarded import GuardedTransport
from consentkit.transports.kafka import KafkaTransport
from consentkit.transports.memory import MemoryTransport
from consentkit.transports.nats import NATSTransport
from consentkit.transports.postgresql import PostgreSQLTransport
from tests.needs import need_extra
from tests.support import Clock, make_kit, small
from tests.transports.conformance import make_batch, make_erasure
from tests.transports.test_memory import TestMemoryTransport as OfMemory


KEY = make_open_key(1).seal_key.text

Change = Callable[[dict[str, Any]], object]


class Spool(Transport):
    """
    A transport of somebody else's, that states nothing of its way.
    """

    name = "spool://here"
    seals = True

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.erasures: list[Erasure] = []
        self.is_cancelled = self.is_closed = False

    def _send(self, batch: Batch) -> Answer:
        self.batches.append(batch)
        return Answer(every=Outcome.DELIVERED)

    def _erase(self, erasure: Erasure) -> Answer:
        self.erasures.append(erasure)
        return Answer(outcomes={erasure.id: Outcome.DELIVERED})

    def cancel(self) -> None:
        """
        Note it.
        """
        self.is_cancelled = True

    def close(self) -> None:
        """
        Note it.
        """
        self.is_closed = True


class Open(Spool):
    """
    One that sends no envelopes.
    """

    seals = False


def demanding(
    *needs: str, regions: tuple[str, ...] = ("CN", "DE"), **more: Change
) -> Policy:
    """
    Give the small policy, whose statistics need *needs*.
    """

    def change(tree: dict[str, Any]) -> None:
        tree["storage"] = {"regions": list(regions)}
        tree["purposes"] = {"usage_statistics": {"needs": list(needs)}}

    return small(needs=change, **more)


def opened(
    policy: Policy,
    folder: Path,
    transport: Transport | str | Mapping[str, Transport | str],
    **options: Any,
) -> consentkit.Kit:
    """
    Open a kit on *policy*.
    """
    return consentkit.open(
        policy, data_dir=folder, transport=transport, **options
    )


def problem_of(
    policy: Policy, folder: Path, transport: Any, **options: Any
) -> str:
    """
    Give why no kit is opened.
    """
    with pytest.raises(TransportError) as caught:
        opened(policy, folder, transport, **options)
    assert not folder.exists() or not [*folder.iterdir()]
    return str(caught.value)


WAYS = [
    "https://collect.example.com/v1",
    "http://127.0.0.1:8080/v1",
    "otlp+https://collect.example.com",
    "otlp+http://localhost:4318",
    "nats://broker.example.com/RECORDS",
    "nats://127.0.0.1/RECORDS",
    "mqtts://broker.example.com/records",
    "mqtt://localhost/records",
    "amqps://broker.example.com/%2F/records",
    "amqp://[::1]/%2F/records",
    "rediss://broker.example.com/0/records",
    "redis://127.0.0.1/0/records",
    "kafka://broker.example.com/records",
    "kafka://127.0.0.1/records",
    "postgresql://db.example.com/records/batches",
    "postgresql://localhost/records/batches",
    "postgresql://%2Fvar%2Frun%2Fpostgresql/records/batches",
]


#: By the beginning of a scheme, the extra that its library comes with.
EXTRAS = ("nats", "mqtt", "amqp", "redis", "kafka", "postgresql")


def need_library_of(url: str) -> None:
    """
    Skip the test, unless the library for *url* is there.
    """
    need_extra(*(one for one in EXTRAS if url.startswith(one)))


class TestStated:
    """
    Tests for what our transports state by themselves.
    """

    @pytest.mark.parametrize("url", WAYS)
    def test_network(self, url: str) -> None:
        """
        A server is reached by TLS, or on this machine alone, and learns the
        address; where it stands nobody knows.
        """
        need_library_of(url)
        with transport_from_url(url) as transport:
            assert transport.capabilities == {"encrypted"}
            assert transport.region == ""

    def test_tls_here(self, tmp_path: Path) -> None:
        """
        TLS on this machine is encrypted as well.
        """
        need_extra("nats", "kafka", "postgresql")
        authority = tmp_path / "ca.pem"
        authority.touch()
        for transport in (
            NATSTransport("nats://localhost/A", tls=True),
            KafkaTransport("kafka://localhost/A", verify=authority),
            PostgreSQLTransport(
                "postgresql://localhost/a/b", verify=authority
            ),
        ):
            assert transport.capabilities == {"encrypted"}

    @pytest.mark.parametrize(
        "url",
        [
            "http://collect.example.com",
            "otlp+http://collect.example.com",
            "mqtt://broker.example.com/a",
            "amqp://broker.example.com/a/b",
            "redis://broker.example.com/0/a",
        ],
    )
    def test_in_the_clear_there_is_none(self, url: str) -> None:
        """
        A way over a network without TLS is not even made.
        """
        with pytest.raises(TransportError, match="is not encrypted"):
            transport_from_url(url)

    def test_no_network(self, tmp_path: Path) -> None:
        """
        What stays on this machine is read by nobody on the way, shows no
        address and crosses no border.
        """
        for url in ("memory://here", f"file://{tmp_path}/out"):
            transport = transport_from_url(url)

            assert transport.capabilities == {
                "encrypted",
                "no-address",
                "region",
            }

    def test_others_state_nothing(self) -> None:
        """
        One that says nothing of its way is capable of nothing.
        """
        assert Spool().capabilities == frozenset()
        assert Spool().region == ""

    def test_guarded(self) -> None:
        """
        One that asks the system first is as the one behind it.
        """
        far = route("https://collect.example.com", region="CN")
        guarded = GuardedTransport(
            far, ("wlan",), lambda _: OSPermission.GRANTED
        )

        assert guarded.capabilities == {"encrypted"}
        assert guarded.region == "CN"
        assert guarded.seals
        assert not GuardedTransport(
            Open(), ("a",), lambda _: OSPermission.GRANTED
        ).seals


class TestRouteKeepsThePromises(OfMemory):
    """
    A transport of which something was said is a transport like any.
    """

    def make_transport(self) -> Any:
        """
        Say something of the memory.
        """
        return route(self.made, region="CN")

    def test_keeps_the_promise_of_the_base(self) -> None:
        """
        Whether it seals is for the one behind it to say.
        """
        assert issubclass(type(self), TransportConformance)
        assert self.make_transport().seals
        assert not route(Open()).seals


class TestRoute:
    """
    Tests for `route()`.
    """

    def test_says(self) -> None:
        """
        What is said is added to what the transport states.
        """
        said = route(
            "https://relay.example.com",
            region="CN",
            capabilities={"no-address"},
        )

        assert said.capabilities == {"encrypted", "no-address"}
        assert said.region == "CN"
        assert said.name == "https://relay.example.com"
        assert "CN, no-address" in repr(said)

    def test_says_more(self) -> None:
        """
        Said twice, both hold; the later region counts.
        """
        inner = route(Spool(), region="CN", capabilities=["encrypted"])

        assert route(inner).region == "CN"
        outer = route(inner, region="DE", capabilities="no-address")
        assert outer.region == "DE"
        assert outer.capabilities == {"encrypted", "no-address"}

    def test_passes_all_on(self) -> None:
        """
        What is done to it is done to the transport.
        """
        spool = Spool()
        batch, erasure = make_batch(), make_erasure()
        with route(spool, region="CN") as said:
            assert set(said.send(batch).outcomes.values()) == {
                Outcome.DELIVERED
            }
            said.erase(erasure)
            said.cancel()
            assert spool.batches == [batch]
            assert spool.erasures == [erasure]
            assert spool.is_cancelled
            assert not spool.is_closed
        assert spool.is_closed

    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            ({"region": "China"}, "'China' is no country; give two capital"),
            ({"region": "cn"}, "'cn' is no country"),
            ({"capabilities": {"safe"}}, "'safe' is nothing to state of a"),
            ({"capabilities": {"safe"}}, "known are encrypted, no-address"),
            ({"capabilities": ["sealed"]}, "where seal_for names a key"),
            ({"capabilities": ["region"]}, 'say where it ends: region="CN"'),
        ],
    )
    def test_nothing_to_say(self, said: Any, problem: str) -> None:
        """
        What cannot be said of a way is refused, with what can.
        """
        with pytest.raises(TransportError, match=problem):
            route(Spool(), **said)

    def test_no_transport(self) -> None:
        """
        What is neither a URL nor a transport is refused.
        """
        nothing: Any = Spool
        with pytest.raises(TypeError, match="the URL of a transport, or a"):
            route(nothing)

    def test_wrong_url(self) -> None:
        """
        A transport that is named wrongly is refused as ever.
        """
        with pytest.raises(TransportError, match="no transport for gopher:"):
            route("gopher://example.com")


class Careless(Spool):
    """
    One whose way may get worse.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stated = {"encrypted"}

    @property
    def capabilities(self) -> set[str]:  # type: ignore[override]
        """
        What it is capable of now.
        """
        return self.stated


class TestOpen:
    """
    Tests for what is held against each other when a kit is opened.
    """

    @pytest.mark.parametrize(
        ("need", "transport", "missing"),
        [
            ("encrypted", Spool, "it does not state that it is; take https:"),
            ("sealed", Open, "this transport cannot send envelopes"),
            ("sealed", Spool, "no key to seal for; pass seal_for={'maker':"),
            ("no-address", Spool, "learns the sender's address; send by a"),
            (
                "no-address",
                lambda: "https://collect.example.com",
                "the backend learns the sender's address",
            ),
            ("region", Spool, "nobody says where it ends; pass route("),
            (
                "region",
                lambda: route(Spool(), region="US"),
                "it ends in US, and may end in CN, DE alone",
            ),
            (
                "region",
                lambda: route(MemoryTransport(), region="US"),
                "it ends in US, and may end in CN, DE alone",
            ),
        ],
        ids=range(8),
    )
    def test_falls_short(
        self,
        need: str,
        transport: Callable[[], Any],
        missing: str,
        tmp_path: Path,
    ) -> None:
        """
        A way that is not as it is needed is told with purpose, recipient,
        place, what is missing and what would be right; no file is made.
        """
        way = transport()
        name = way if isinstance(way, str) else way.name

        problem = problem_of(demanding(need), tmp_path / "data", way)

        assert problem.startswith(f"the way to maker ({name}) is not as ")
        assert f"usage_statistics needs it, {need!r}: " in problem
        assert missing in problem

    @pytest.mark.parametrize(
        ("need", "transport", "options"),
        [
            ("encrypted", lambda: "https://collect.example.com", {}),
            ("encrypted", lambda: "http://127.0.0.1:8080", {}),
            ("encrypted", MemoryTransport, {}),
            (
                "encrypted",
                lambda: route(Spool(), capabilities={"encrypted"}),
                {},
            ),
            ("sealed", Spool, {"seal_for": KEY}),
            ("sealed", lambda: "https://a.example", {"seal_for": [KEY]}),
            ("no-address", MemoryTransport, {}),
            (
                "no-address",
                lambda: route(
                    "https://relay.example", capabilities={"no-address"}
                ),
                {},
            ),
            ("region", MemoryTransport, {}),
            ("region", lambda: route(Spool(), region="DE"), {}),
        ],
        ids=range(10),
    )
    def test_is_as_it_should(
        self,
        need: str,
        transport: Callable[[], Any],
        options: dict[str, Any],
        tmp_path: Path,
    ) -> None:
        """
        A way that is as it is needed will do.
        """
        with opened(demanding(need), tmp_path, transport(), **options) as kit:
            assert kit.policy.demands == {"usage_statistics": (need,)}

    def test_key_of_somebody_else(self, tmp_path: Path) -> None:
        """
        What is sealed for another recipient is not sealed for this one.
        """
        problem = problem_of(
            demanding("sealed"), tmp_path, Spool(), seal_for={"helper": KEY}
        )

        assert "there is no key to seal for" in problem

    def test_tells_all(self, tmp_path: Path) -> None:
        """
        Everything that is missing is told at once, of each recipient.
        """
        problem = problem_of(
            demanding("encrypted", "no-address", "region"),
            tmp_path,
            {"maker": Spool(), "helper": "https://collect.example.com"},
        )

        told = problem.splitlines()
        assert len(told) == 5
        assert sum("the way to maker" in line for line in told) == 3
        assert sum("the way to helper" in line for line in told) == 2

    def test_shows_no_secret(self, tmp_path: Path) -> None:
        """
        A message names the place, and no credentials.
        """
        need_extra("amqp")
        way = AMQPTransport(
            "amqps://broker.example.com/%2F/a",
            user="somebody",
            password="planted-4711",
        )

        problem = problem_of(demanding("no-address"), tmp_path, way)

        assert "amqps://broker.example.com" in problem
        assert "somebody" not in problem
        assert "4711" not in problem

    def test_of_whom_nothing_is_demanded(self, tmp_path: Path) -> None:
        """
        Ways to recipients that get nothing for the purpose, and recipients
        without a way, are not held against it.
        """
        policy = demanding("encrypted", "sealed", "no-address")
        assert demands_on(policy, "umeng").needs == {}
        assert demands_on(policy, "maker").needs.keys() == {
            "encrypted",
            "sealed",
            "no-address",
        }

        with opened(policy, tmp_path, {"umeng": Spool()}) as kit:
            assert kit.flush().problems == ()
        with opened(policy, tmp_path, {}) as kit:
            assert kit.flush().problems == ()

    def test_what_stays_here(self, tmp_path: Path) -> None:
        """
        What never leaves the device demands nothing of a way.
        """

        def stay(tree: dict[str, Any]) -> None:
            for table in tree["functions"]:
                for row in table.get("collects", ()):
                    row["protect"] = "local_only"
                table.pop("events", None)

        with opened(demanding("sealed", stay=stay), tmp_path, Spool()):
            pass
        problem_of(demanding("sealed"), tmp_path / "other", Spool())


class TestRegions:
    """
    Tests for ways that end somewhere.
    """

    def _problem(
        self, region: str, country: str, folder: Path, *needs: str
    ) -> str:
        def abroad(tree: dict[str, Any]) -> None:
            tree["recipients"][0]["country"] = country

        policy = demanding(*needs, regions=("CN",), abroad=abroad)
        return problem_of(
            policy, folder, {"helper": route(Spool(), region=region)}
        )

    @pytest.mark.parametrize("needs", [(), ("region",)])
    def test_leaves_the_regions(
        self, needs: tuple[str, ...], tmp_path: Path
    ) -> None:
        """
        A stated region outside is refused, whether a purpose asks or not.
        """
        problem = self._problem("US", "CN", tmp_path, *needs)

        assert "it ends in US, and may end in CN alone" in problem
        assert "choose another host, or declare in the policy" in problem

    def test_another_country_than_declared(self, tmp_path: Path) -> None:
        """
        What goes abroad goes to the country that is declared.
        """
        problem = self._problem("US", "DE", tmp_path, "region")

        assert "it ends in US, and may end in CN, DE alone" in problem

    def test_country_that_is_declared(self, tmp_path: Path) -> None:
        """
        A recipient abroad may be reached where the policy says it is.
        """

        def abroad(tree: dict[str, Any]) -> None:
            tree["recipients"][0]["country"] = "DE"

        policy = demanding("region", regions=("CN",), abroad=abroad)
        way = route(Spool(), region="DE")

        with opened(policy, tmp_path, {"helper": way}) as kit:
            assert kit.policy.recipients["helper"].abroad

    def test_policy_without_regions(self, tmp_path: Path) -> None:
        """
        Where the policy names no region, a way may end anywhere.
        """
        way = route(Spool(), region="US")

        with opened(small(), tmp_path, way) as kit:
            assert kit.policy.demands == {}


def _captured(folder: Path, way: Transport, **options: Any) -> consentkit.Kit:
    """
    Open a kit in which something waits for *way*.
    """
    kit = make_kit(
        folder,
        "improve",
        policy=demanding("encrypted"),
        transport=way,
        clock=Clock(),
        **options,
    )
    with kit.use("improve") as use:
        assert use.capture(use.device("imei"))
    return kit


class TestSending:
    """
    Tests for a way that falls short later.
    """

    def test_that_gets_worse(self, tmp_path: Path) -> None:
        """
        Nothing is sent over a way that has lost what is needed; what was
        captured waits, and goes out when the way is as it was.
        """
        way = Careless()
        with _captured(tmp_path, way) as kit:
            way.stated = set()
            report = kit.flush()
            assert way.batches == []
            assert report.waiting == 1
            (problem,) = report.problems
            assert "needs it, 'encrypted': it does not state" in problem

            way.stated = {"encrypted"}
            assert kit.flush().delivered == 1
            assert len(way.batches) == 1

    def test_behind_others(self, tmp_path: Path) -> None:
        """
        So it is where it stands behind others.
        """
        way = Careless()
        with _captured(tmp_path, route(way, region="CN")) as kit:
            way.stated = set()
            assert kit.flush().waiting == 1
            assert way.batches == []

    def test_erasures_wait_too(self, tmp_path: Path) -> None:
        """
        A request to erase takes no worse way, and is not lost.
        """
        way = Careless()
        with _captured(tmp_path, way) as kit:
            assert kit.flush().delivered == 1
            kit.consent.withdraw("improve", method="app")
            way.stated = set()
            assert kit.flush().erased == 0
            assert way.erasures == []

            way.stated = {"encrypted"}
            assert kit.flush().erased == 1
