# SPDX-License-Identifier: MIT

"""
What the five documents promise of what was delivered, shown on the store of
the reference backend: what it may be used for, and what it loses.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consentkit.gate import OSPermission, Reason
from consentkit.ledger.receipt import verify_receipt
from consentkit.policy import Policy, load_vocabulary, parse_canonical
from tests.obligations.checks import (
    Backend,
    Watched,
    changed,
    clause,
    document,
    table,
)
from tests.support import Clock


Change = Callable[[dict[str, Any]], object]

WP = "camera_app"
KS = "design_platform"
XM = "business_mail"
PR = "principles_app"
GP = "general_platform"


class Served(Watched):
    """
    A kit whose records go to the backend's store; nothing is in its way.
    """

    wire: Backend

    def __init__(
        self, policy: Policy, folder: Path, wire: Backend, **options: Any
    ) -> None:
        super().__init__(
            policy,
            folder / "app",
            wire=wire,
            clock=wire.clock,
            os_permission=lambda _: OSPermission.GRANTED,
            conditions=lambda _: True,
            **options,
        )

    def agree(self, *elements: str, method: str = "") -> None:
        """
        Say yes to each, in the one way in which its document takes it.
        """
        named = self.kit.policy.document.consent.act
        super().agree(*elements, method=method or named or "tick")

    def deliver(self, function: str, data_type: str, **how: Any) -> None:
        """
        Read one value, capture it and have it delivered.
        """
        assert self.take(function, data_type, act="pressed", **how)
        self.kit.flush()

    def asked(self, function: str, purpose: str) -> Any:
        """
        Ask the backend what may be used so, by data type.
        """
        return self.wire.asked(self.kit.policy, function, purpose)


@pytest.fixture
def backend(tmp_path: Path) -> Any:
    """
    Give a backend that nobody has sent anything to.
    """
    with Backend(tmp_path, Clock()) as made:
        yield made


def _served(
    policy: Policy, folder: Path, backend: Backend, *elements: str
) -> Served:
    """
    Open a kit for an adult, who agrees to *elements*.
    """
    made = Served(policy, folder, backend)
    made.kit.consent.declare_age(adult=True)
    made.agree(*elements)
    return made


class TestPurpose:
    """
    Tests for what is stored being used.
    """

    @pytest.mark.parametrize(
        ("name", "function", "data_type", "elements", "reuse"),
        [
            pytest.param(
                WP,
                "security",
                "account_id",
                (),
                ("advertising_delivery", "usage_statistics"),
                marks=pytest.mark.obligation("WP-SEC-1"),
            ),
            pytest.param(
                GP,
                "security",
                "account_id",
                (),
                ("advertising_delivery", "usage_statistics"),
                marks=pytest.mark.obligation("GP-SEC-2"),
            ),
            pytest.param(
                XM,
                "security",
                "device_model",
                (),
                ("advertising_targeting", "usage_statistics"),
                marks=pytest.mark.obligation("XM-SEC-1"),
            ),
            pytest.param(
                XM,
                "support",
                "contact_details",
                (),
                ("marketing_messages", "product_improvement"),
                marks=pytest.mark.obligation("XM-CS-1"),
            ),
            pytest.param(
                XM,
                "google_ads",
                "google_ads_data",
                (),
                ("usage_statistics", "advertising_targeting"),
                marks=pytest.mark.obligation("XM-ADS-2"),
            ),
            pytest.param(
                PR,
                "analytics",
                "performance_data",
                (),
                ("personalised_experience", "advertising_delivery"),
                marks=pytest.mark.obligation("PR-USE-1"),
            ),
        ],
    )
    def test_stored_for_one(
        self,
        name: str,
        function: str,
        data_type: str,
        elements: tuple[str, ...],
        reuse: tuple[str, ...],
        backend: Backend,
        tmp_path: Path,
    ) -> None:
        """
        What was delivered for one purpose is given for that, to its
        function; for every other purpose that there is, and to every other
        function, nothing is.
        """
        policy = document(name)
        own = policy.functions[function].clauses[data_type].purposes
        with _served(policy, tmp_path, backend, function, *elements) as seen:
            seen.deliver(function, data_type, purpose=own[0])

            assert seen.asked(function, own[0]) == [data_type]
            assert set(reuse) <= set(load_vocabulary().purposes) - set(own)
            for purpose in set(load_vocabulary().purposes) - {own[0]}:
                assert not seen.asked(function, purpose), purpose
            for purpose in reuse:
                refusal = seen.asked(function, purpose)
                assert refusal.reason is Reason.UNDECLARED_PURPOSE
            for other in set(policy.functions) - {function}:
                for purpose in load_vocabulary().purposes:
                    assert not seen.asked(other, purpose), (other, purpose)
            nobody = seen.asked("no_such_function", own[0])
            assert nobody.reason is Reason.UNDECLARED_FUNCTION

    @pytest.mark.parametrize(
        ("name", "function", "data_type", "new"),
        [
            pytest.param(
                KS,
                "search",
                "search_history",
                "usage_statistics",
                marks=pytest.mark.obligation("KS-DRFT-1"),
            ),
            pytest.param(
                KS,
                "real_name",
                "id_card_number",
                "usage_statistics",
                marks=pytest.mark.obligation("KS-DRFT-2"),
            ),
            pytest.param(
                XM,
                "device_information",
                "device_model",
                "user_research",
                marks=pytest.mark.obligation("XM-NEW-1"),
            ),
            pytest.param(
                GP,
                "device_and_logs",
                "os_name",
                "user_research",
                marks=pytest.mark.obligation("GP-USE-1"),
            ),
        ],
    )
    def test_a_new_one_begins_with_nothing(
        self,
        name: str,
        function: str,
        data_type: str,
        new: str,
        backend: Backend,
        tmp_path: Path,
    ) -> None:
        """
        What is stored when a later version adds a purpose is not given for
        it, before the person agreed or after; what they then give for it
        is. For a sensitive type the function's yes is not enough.
        """
        policy = document(name)
        old = policy.functions[function].clauses[data_type].purposes
        wider = changed(
            name,
            lambda t: clause(t, function, data_type).update(
                purposes=[*old, new]
            ),
        )
        apart = f"{function}/{data_type}"
        elements = [e for e in (function, apart) if e in policy.elements]
        with _served(policy, tmp_path, backend, *elements) as seen:
            seen.deliver(function, data_type)
            refusal = seen.asked(function, new)
            assert refusal.reason is Reason.UNDECLARED_PURPOSE
        with Served(wider, tmp_path, backend) as seen:
            for element in elements:
                how = {"purpose": new, "act": "pressed"}
                refusal = seen.take(function, data_type, **how)
                assert refusal.reason is Reason.TERMS_CHANGED
                assert seen.asked(function, new) == []
                seen.agree(element)
            assert seen.asked(function, new) == []
            seen.deliver(function, data_type, purpose=new)

            assert seen.asked(function, new) == [data_type]
            assert seen.asked(function, old[0]) == [data_type]

    @pytest.mark.obligation("WP-LIST-AI")
    def test_training_takes_who_agreed_to_it(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        """
        Of two people who have their events described, one agrees to
        training: what may train is that one's footage, from then on.
        """
        asked = ("ai_training", "ai_model_training")
        with Served(document(WP), tmp_path, backend) as seen:
            people = [seen.kit.subject(name) for name in ("ann", "bob")]
            for kit in people:
                kit.consent.declare_age(adult=True)
                _yes(kit, "ai_events", "ai_events/alarm_video")
                assert _keep(kit, "ai_events", "alarm_video")
            _yes(people[1], "ai_training", "ai_training/alarm_video")
            seen.kit.flush()
            assert seen.asked(*asked) == []
            described = seen.asked("ai_events", "ai_event_description")
            assert described == ["alarm_video"] * 2

            assert not _keep(people[0], "ai_training", "alarm_video")
            assert _keep(people[1], "ai_training", "alarm_video")
            seen.kit.flush()
            assert seen.asked(*asked) == ["alarm_video"]
            people[1].consent.withdraw("ai_training")
            seen.kit.flush()
            assert seen.asked(*asked) == []


def _yes(kit: Any, *elements: str) -> None:
    for element in elements:
        kit.consent.show(element, method="dialog")
        kit.consent.grant(element, method="confirm")


def _keep(kit: Any, function: str, data_type: str) -> Any:
    with kit.use(function, act="pressed") as use:
        got = use.device(data_type)
        return use.capture(got) if got else got


class TestWithdrawal:
    """
    Tests for what the backend loses with a consent.
    """

    @pytest.mark.parametrize(
        ("name", "off", "on"),
        [
            pytest.param(
                WP,
                ("product_improvement", "device_model"),
                ("logs", "app_version"),
                marks=pytest.mark.obligation("WP-WDR-3"),
            ),
            pytest.param(
                WP,
                ("surveys_sms", "phone_number"),
                ("surveys_email", "email_address"),
                marks=pytest.mark.obligation("WP-MKT-1"),
            ),
            pytest.param(
                KS,
                ("search", "search_history"),
                ("design_tools", "project_info"),
                marks=pytest.mark.obligation("KS-RGT-7"),
            ),
            pytest.param(
                KS,
                ("targeted_push", "user_preferences"),
                ("design_tools", "project_info"),
                marks=pytest.mark.obligation("KS-PUSH-1"),
            ),
            pytest.param(
                XM,
                ("google_ads", "google_ads_data"),
                ("security", "device_model"),
                marks=pytest.mark.obligation("XM-ADS-1"),
            ),
            pytest.param(
                XM,
                ("marketing/phone_number", "phone_number"),
                ("marketing/corporate_email", "corporate_email"),
                marks=pytest.mark.obligation("XM-MKT-1"),
            ),
            pytest.param(
                GP,
                ("affiliate_services", "account_id"),
                ("browse_search", "browser_type"),
                marks=pytest.mark.obligation("GP-IND-3"),
            ),
        ],
    )
    def test_ends_the_use(
        self,
        name: str,
        off: tuple[str, str],
        on: tuple[str, str],
        backend: Backend,
        tmp_path: Path,
    ) -> None:
        """
        After a withdrawal the backend gives nothing for that purpose, takes
        nothing late, and gives all else as before.
        """
        policy = document(name)
        (element, data_type), (other, stays) = off, on
        function, second = element.partition("/")[0], other.partition("/")[0]
        elements = dict.fromkeys([function, element, second, other])
        purposes = {
            (f, t): policy.functions[f].clauses[t].purposes[0]
            for f, t in ((function, data_type), (second, stays))
        }
        with _served(policy, tmp_path, backend, *elements) as seen:
            for place, purpose in purposes.items():
                seen.deliver(*place, purpose=purpose)
            gone = purposes[function, data_type]
            left = purposes[second, stays]
            assert data_type in seen.asked(function, gone)
            assert stays in seen.asked(second, left)
            late = backend.batches[0]

            seen.kit.consent.withdraw(element)
            seen.kit.flush()

            assert data_type not in seen.asked(function, gone)
            assert seen.asked(second, left) == [stays]
            said = backend.store.put(late, now=backend.clock())
            assert {one.reason for one in said.values()} == {"erased"}
            seen.deliver(second, stays, purpose=left)
            assert seen.asked(second, left) == [stays, stays]

    @pytest.mark.parametrize(
        ("name", "places"),
        [
            pytest.param(
                KS,
                {"search": "search_history", "design_tools": "project_info"},
                marks=pytest.mark.obligation("KS-MIN-3"),
            ),
            pytest.param(
                GP,
                {
                    "browse_search": "browser_type",
                    "notifications": "payment_status",
                },
                marks=pytest.mark.obligation("GP-MIN-3"),
            ),
        ],
    )
    def test_found_to_be_a_child(
        self,
        name: str,
        places: dict[str, str],
        backend: Backend,
        tmp_path: Path,
    ) -> None:
        """
        When somebody turns out to be 13, all that the backend has of them
        is erased, and what comes late is not taken.
        """
        with _served(document(name), tmp_path, backend, *places) as seen:
            for place in places.items():
                seen.deliver(*place)
            assert len(backend.records) == len(places)

            seen.kit.consent.declare_age(born=date(2013, 6, 1))
            seen.kit.flush()

            assert backend.records == []
            counts = backend.store.counts()
            assert (counts.erased, counts.erasures) == (2, 2)
            for late in backend.batches:
                said = backend.store.put(late, now=backend.clock())
                assert {one.reason for one in said.values()} == {"erased"}
            assert backend.records == []

    @pytest.mark.obligation("KS-MIN-3")
    def test_an_adult_keeps_it(self, backend: Backend, tmp_path: Path) -> None:
        """
        Somebody who turns out to be of age loses nothing.
        """
        with _served(document(KS), tmp_path, backend, "search") as seen:
            seen.deliver("search", "search_history")
            seen.kit.consent.declare_age(born=date(2000, 6, 1))
            seen.kit.flush()

            assert len(backend.records) == 1


def _successor(name: str, *, continues: bool) -> Policy:
    """
    Give the document of *name* after another company has taken over.
    """
    old = document(name).controller.id

    def take_over(tree: dict[str, Any]) -> None:
        tree["controller"]["id"] = "successor"
        tree["controller"]["continues"] = [old] if continues else []
        for function in tree["functions"]:
            for row in (function, *function.get("collects", [])):
                if "recipients" in row:
                    row["recipients"] = [
                        "successor" if r == old else r
                        for r in row["recipients"]
                    ]

    return changed(name, take_over)


class TestSuccessor:
    """
    Tests for a company that takes over what is stored.
    """

    @pytest.mark.parametrize("continues", [False, True])
    @pytest.mark.parametrize(
        ("name", "function", "data_type"),
        [
            pytest.param(
                WP,
                "product_improvement",
                "device_model",
                marks=pytest.mark.obligation("WP-TRF-1"),
            ),
            pytest.param(
                KS,
                "search",
                "search_history",
                marks=pytest.mark.obligation("KS-TRF-1"),
            ),
            pytest.param(
                PR,
                "analytics",
                "performance_data",
                marks=pytest.mark.obligation("PR-TRF-1"),
            ),
            pytest.param(
                GP,
                "browse_search",
                "browser_type",
                marks=pytest.mark.obligation("GP-TRF-2"),
            ),
        ],
    )
    def test_has_none_of_it(
        self,
        name: str,
        function: str,
        data_type: str,
        continues: bool,  # noqa: FBT001 - a parameter of the test
        backend: Backend,
        tmp_path: Path,
    ) -> None:
        """
        What is stored is of no use to a successor, until it has taken over
        all promises and people were told; what they give to it anew is.
        """
        old = document(name)
        purpose = old.functions[function].clauses[data_type].purposes[0]
        asked = (function, purpose)
        with _served(old, tmp_path, backend, function) as seen:
            seen.deliver(function, data_type)
            assert seen.asked(*asked) == [data_type]
        new = _successor(name, continues=continues)

        assert backend.asked(new, *asked) == []
        told = backend.asked(new, *asked, told=True)
        assert told == ([data_type] if continues else [])

        with Served(new, tmp_path, backend) as seen:
            assert not seen.take(function, data_type)
            seen.agree(function)
            seen.deliver(function, data_type)
            assert seen.asked(*asked) == [data_type]


class TestArchive:
    """
    Tests for older versions where many people are served.
    """

    @pytest.mark.parametrize(
        ("name", "function"),
        [
            pytest.param(
                KS, "search", marks=pytest.mark.obligation("KS-VER-4")
            ),
            pytest.param(
                GP, "browse_search", marks=pytest.mark.obligation("GP-VER-3")
            ),
        ],
    )
    def test_each_receipt_leads_to_its_text(
        self, name: str, function: str, backend: Backend, tmp_path: Path
    ) -> None:
        """
        On a server with several people and versions, each receipt leads to
        the exact document, by its digest and in the receipt itself.
        """
        versions = [
            changed(name, lambda t, v=v: t["policy"].update(version=v))  # type: ignore[misc]
            for v in ("1", "2", "3")
        ]
        given = {}
        for number, policy in enumerate(versions):
            with Served(policy, tmp_path, backend) as seen:
                kit = seen.kit.subject(f"person {number}")
                act = policy.document.consent.act or "tick"
                entry = kit.consent.grant(function, method=act)
                given[policy.digest] = seen.kit.ledger.receipt(entry.seq).text
        with Served(versions[-1], tmp_path, backend) as seen:
            for digest, text in given.items():
                shown = verify_receipt(text)
                assert shown.entry.text == digest
                archived = seen.kit.ledger.policy(digest)
                assert archived == shown.policy
                assert parse_canonical(archived).digest == digest
            assert seen.kit.ledger.policy("0" * 64) is None
        assert len(given) == 3


class TestLookup:
    """
    Tests for the edges of the backend's answer.
    """

    def test_expired(self, backend: Backend, tmp_path: Path) -> None:
        """
        What has expired is in no answer, before it is purged.
        """
        place = ("product_improvement", "device_model")
        policy = document(WP)
        purpose = policy.functions[place[0]].clauses[place[1]].purposes[0]
        with _served(policy, tmp_path, backend, place[0]) as seen:
            seen.deliver(*place)
            assert seen.asked(place[0], purpose) == [place[1]]
            backend.clock.tick(days=91)
            assert seen.asked(place[0], purpose) == []
            assert len(backend.records) == 1

    def test_policy_that_promises_less(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        """
        A purpose that the document has no more ends the use of what was
        stored for it.
        """
        policy = document(KS)
        less = changed(
            KS,
            lambda t: table(t, "search").update(purposes=["targeted_push"]),
        )
        with _served(policy, tmp_path, backend, "search") as seen:
            seen.deliver("search", "search_history")
            assert seen.asked("search", "search") == ["search_history"]
        refusal = backend.asked(less, "search", "search")
        assert refusal.reason is Reason.UNDECLARED_PURPOSE
