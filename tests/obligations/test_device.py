# SPDX-License-Identifier: MIT

"""
What the documents promise of cookies, and of the network that the system
opens; shown on a real HTTP client, and on deliveries.
"""

from __future__ import annotations

import json
import threading

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from consentkit.cookies import ConsentJar
from consentkit.gate import OSPermission, Reason
from consentkit.policy import Policy
from consentkit.policy.lint import lint
from consentkit.receiver import read_body
from consentkit.transports import route
from consentkit.transports.guarded import GuardedTransport
from consentkit.transports.memory import MemoryTransport
from tests.faults.support import forms, hits
from tests.obligations.checks import (
    Watched,
    changed,
    document,
    opened,
    table,
)


WP = "camera_app"
KS = "design_platform"
XM = "business_mail"
GP = "general_platform"

# What a backend would like to know its visitors by.
SECRET = "planted-cookie-4711"

# What the site sets: one that it cannot do without, two that it can, and one
# that nobody has declared.
SETS = ("session=1", "_ga_X1=2", "_ga_X2=3", "stranger=4")


class Site:
    """
    A web site that sets its cookies at each visit.

    Attributes:
        visits: The cookies that came with each visit, by name.
    """

    def __init__(self) -> None:
        self.visits: list[set[str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = self.headers.get("Cookie", "")
                names = (pair.partition("=")[0] for pair in sent.split(";"))
                site.visits.append({n.strip() for n in names if n.strip()})
                self.send_response(200)
                for cookie in SETS:
                    self.send_header("Set-Cookie", cookie)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                batch = read_body(opened(self.rfile.read(length)))
                outcomes = [
                    {"id": record.id, "outcome": "stored"}
                    for record in batch.records
                ]
                answer = {"batch": batch.id, "outcomes": outcomes}
                site.visits.append({self.headers.get("Cookie", "")})
                self.send_response(200)
                self.send_header("Set-Cookie", f"id={SECRET}; Path=/")
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        """
        Stop serving.
        """
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def visit(self, jar: ConsentJar) -> set[str]:
        """
        Visit twice with *jar*; give what was sent at the second visit.
        """
        with httpx.Client(cookies=jar, trust_env=False) as client:
            client.get(self.url)
            client.get(self.url)
        return self.visits[-1]


@pytest.fixture
def site() -> Iterator[Site]:
    """
    Give a site that is served.
    """
    made = Site()
    yield made
    made.close()


def _with_cookies(tree: dict[str, Any]) -> None:
    """
    Declare the mail's cookies, as its author would have to: the text has
    them set unless refused, and names no function.
    """
    row = {"type": "cookie_id", "protect": "local_only", "retention": "P30D"}
    table(tree, "register")["collects"].append(row)
    tree["functions"].append(
        {
            "id": "cookies",
            "name": "Cookies",
            "category": "additional",
            "text": "We count visits with cookies. If you refuse, we do not.",
            "basis": ["consent"],
            "on_refusal": "degraded",
            "purposes": ["cookie_identification"],
            "collects": [row],
        }
    )
    tree["cookies"]["functions"] = ["register", "cookies"]


class TestCookies:
    """
    Tests for a jar that asks.
    """

    FUNCTIONS = {"session": "register", "_ga_*": "cookies"}  # noqa: RUF012

    @pytest.mark.obligation("XM-COOK-1")
    def test_two_ways_that_last(self, site: Site, tmp_path: Path) -> None:
        """
        Before a choice no cookie is set; with the account only what it
        cannot do without; declined, none of the others, after a restart
        too; accepted, the others as well; what nobody declared, never.
        """
        policy = changed(XM, _with_cookies)
        session, others = {"session"}, {"_ga_X1", "_ga_X2"}
        with Watched(policy, tmp_path) as seen:
            assert site.visit(ConsentJar(seen.kit, self.FUNCTIONS)) == set()
            assert not any(p.is_file() for p in tmp_path.rglob("*"))
            seen.agree("register")
            jar = ConsentJar(seen.kit, self.FUNCTIONS)
            assert site.visit(jar) == session
            seen.kit.consent.deny("cookies")
            assert site.visit(jar) == session
        for expected in (session, session | others, session):
            with Watched(policy, tmp_path) as seen:
                jar = ConsentJar(seen.kit, self.FUNCTIONS)
                assert site.visit(jar) == expected
                if expected == session:
                    seen.agree("cookies")
                else:
                    seen.kit.consent.withdraw("cookies")
        assert jar.decide("stranger").reason is Reason.UNDECLARED_FUNCTION

    @pytest.mark.obligation("WP-COOK-1")
    def test_none_at_all(self, site: Site, tmp_path: Path) -> None:
        """
        A document that promises no cookies has no jar; what the backend
        sets neither comes back nor is on the disk; and an SDK that brings
        something like it is an error, where one that brings none is not.
        """
        policy = document(WP)
        with Watched(
            policy, tmp_path, wire=route(site.url, region="CN")
        ) as seen:
            for function in policy.functions:
                with pytest.raises(ValueError, match="cookie_id"):
                    ConsentJar(seen.kit, {"*": function})
            seen.agree("product_improvement", method="confirm")
            for _ in range(2):
                assert seen.take("product_improvement", "device_model")
                assert seen.kit.flush().delivered == 1
            assert site.visits == [{""}, {""}]
            assert not hits(forms(SECRET), tmp_path)
        denied = [f for f in lint(policy) if f.rule == "cookies-denied"]
        assert any("'umeng'" in f.message for f in denied)
        assert not any("'alipay'" in f.message for f in denied)

    @pytest.mark.obligation("KS-COOK-1")
    def test_refused_none_is_set(self, site: Site, tmp_path: Path) -> None:
        """
        Refused, no cookie is set, sent or kept, and what depends on it is
        refused, all else not; allowed, it is set.
        """
        functions = {"*": "targeted_push"}
        with Watched(document(KS), tmp_path) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.kit.consent.deny("targeted_push")
            jar = ConsentJar(seen.kit, functions)
            assert site.visit(jar) == set()
            assert len(jar) == 0
            assert not seen.take("targeted_push", "user_preferences")
            seen.agree("search")
            with seen.once():
                seen.take("search", "search_history")

            seen.agree("targeted_push")
            assert len(site.visit(jar)) == len(SETS)

    @pytest.mark.obligation("GP-COOK-1")
    def test_looked_at_deleted_and_blocked(
        self, site: Site, tmp_path: Path
    ) -> None:
        """
        Cookies can be listed, deleted one by one or all, and blocked by
        taking the consent back, which empties the jar at once and sends
        none, however the client goes about it.
        """
        with Watched(document(GP), tmp_path) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.agree("cookies", method="agree")
            jar = ConsentJar(
                seen.kit, {"session": "cookies", "_ga_*": "cookies"}
            )
            site.visit(jar)
            listed = {cookie.name: cookie for cookie in jar}
            assert set(listed) == {"session", "_ga_X1", "_ga_X2"}
            one = listed["_ga_X1"]
            jar.clear(one.domain, one.path, one.name)
            assert {c.name for c in jar} == {"session", "_ga_X2"}
            jar.clear()
            assert len(jar) == 0

            site.visit(jar)
            assert len(jar) == 3
            kept = httpx.Client(cookies=jar, trust_env=False)
            seen.kit.consent.withdraw("cookies")
            kept.get(site.url)
            kept.close()
            assert site.visits[-1] == set()
            assert len(jar) == 0
            jar.set_cookie(one)
            assert len(jar) == 0

    def test_swept_at_once(self, site: Site, tmp_path: Path) -> None:
        """
        A sweep tells how many went, and the standard library's client sends
        none of them.
        """
        from urllib.request import HTTPCookieProcessor, build_opener

        with Watched(document(GP), tmp_path) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.agree("cookies", method="agree")
            jar = ConsentJar(seen.kit, {"*": "cookies"})
            opener = build_opener(HTTPCookieProcessor(jar))
            opener.open(site.url).close()
            opener.open(site.url).close()
            assert len(site.visits[-1]) == len(SETS)
            seen.kit.consent.withdraw("cookies")
            assert jar.sweep() == len(SETS)
            assert jar.sweep() == 0
            opener.open(site.url).close()
            assert site.visits[-1] == set()

    @pytest.mark.parametrize("function", ["no_such_function", "browse_search"])
    def test_function_without_cookies(
        self, function: str, tmp_path: Path
    ) -> None:
        """
        A function that declares no cookie has none.
        """
        with (
            Watched(document(GP), tmp_path) as seen,
            pytest.raises(ValueError, match=function),
        ):
            ConsentJar(seen.kit, {"*": function})


class TestNetwork:
    """
    Tests for permissions that open the network.
    """

    @pytest.mark.parametrize(
        ("permissions", "open_by"),
        [
            pytest.param(
                ("wireless_data",),
                "wireless_data",
                marks=pytest.mark.obligation("GP-PERM-3"),
            ),
            pytest.param(
                ("wlan",), "wlan", marks=pytest.mark.obligation("GP-PERM-4")
            ),
            pytest.param(
                ("wireless_data", "wlan"),
                "wlan",
                marks=pytest.mark.obligation("GP-PERM-3", "GP-PERM-4"),
            ),
        ],
    )
    @pytest.mark.parametrize(
        "said",
        [
            one
            for one in OSPermission
            if one not in (OSPermission.GRANTED, OSPermission.NOT_APPLICABLE)
        ],
    )
    def test_closed_it_waits(
        self,
        said: OSPermission,
        permissions: tuple[str, ...],
        open_by: str,
        tmp_path: Path,
    ) -> None:
        """
        While the system does not let the app out nothing is sent, what was
        captured is kept, and the report says what is missing; once it does,
        everything arrives, what was withdrawn meanwhile excepted.
        """
        policy: Policy = document(GP)
        rows = {p.id: p for p in policy.document.permissions}
        system = dict.fromkeys(rows, said)
        backend = MemoryTransport()
        wire = GuardedTransport(backend, permissions, system.__getitem__)
        with Watched(policy, tmp_path, wire=wire) as seen:
            kit = seen.kit
            kit.consent.declare_age(adult=True)
            seen.agree("device_and_logs", "browse_search", method="agree")
            assert seen.take("device_and_logs", "os_name")
            assert seen.take("browse_search", "browser_type")
            report = kit.flush()

            assert report.delivered == 0
            assert report.waiting == 2
            assert backend.records == []
            (problem,) = report.problems
            for permission in permissions:
                assert f"{permission} is {said.value}" in problem
                assert rows[permission].on_refusal == "the client may not work"
            kit.consent.withdraw("browse_search")

            system[open_by] = OSPermission.GRANTED
            report = kit.flush()
            assert (report.delivered, report.waiting) == (1, 0)
            assert report.problems == ()
            assert [r.data_type for r in backend.records] == ["os_name"]

    def test_erasures_wait_too(self, tmp_path: Path) -> None:
        """
        What is asked back is asked for once the network is open.
        """
        system = {"wlan": OSPermission.GRANTED}
        backend = MemoryTransport()
        wire = GuardedTransport(backend, ("wlan",), system.__getitem__)
        with Watched(document(GP), tmp_path, wire=wire) as seen:
            seen.agree("device_and_logs", method="agree")
            assert seen.take("device_and_logs", "os_name")
            seen.kit.flush()
            system["wlan"] = OSPermission.DENIED
            seen.kit.consent.withdraw("device_and_logs")
            assert seen.kit.flush().problems
            assert len(backend.records) == 1
            system["wlan"] = OSPermission.GRANTED
            seen.kit.flush()
            assert backend.records == []

    @pytest.mark.parametrize("strange", [True, None, "granted"])
    def test_system_that_is_strange(
        self, strange: Any, tmp_path: Path
    ) -> None:
        """
        What is no answer of a system has not said yes.
        """
        backend = MemoryTransport()
        wire = GuardedTransport(backend, ("wlan",), lambda _: strange)
        with Watched(document(GP), tmp_path, wire=wire) as seen:
            seen.agree("device_and_logs", method="agree")
            assert seen.take("device_and_logs", "os_name")
            assert seen.kit.flush().waiting == 1
        assert backend.records == []

    def test_no_permission_named(self) -> None:
        """
        A guard that asks for nothing is no guard.
        """
        with pytest.raises(ValueError, match="at least one"):
            GuardedTransport(
                MemoryTransport(), (), lambda _: OSPermission.GRANTED
            )
