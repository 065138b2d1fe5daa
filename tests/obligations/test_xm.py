# SPDX-License-Identifier: MIT

"""
What the business mail's document promises, shown on that document.
"""

from __future__ import annotations

import logging

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.anonymise.classes import PrivacyClass
from consentkit.cli import main
from consentkit.exceptions import NoticeNeededError, PolicyError
from consentkit.gate import Moment, OSPermission, Permit, Reason
from consentkit.ledger.entries import Act, text_digest
from consentkit.policy import Policy
from consentkit.policy.diff import compare
from consentkit.policy.lint import Finding, Severity, lint
from consentkit.policy.scope import Atom
from consentkit.policy.vocabulary import load_vocabulary
from tests.faults.support import forms, hits
from tests.obligations.checks import (
    EXAMPLES,
    Question,
    Said,
    Watched,
    answers,
    changed,
    clause,
    document,
    gate_of,
    questions,
    silo,
    table,
    whole,
)
from tests.support import START


NAME = "business_mail"
FILE = EXAMPLES / NAME / "policy.toml"
XM = document(NAME)
ALL = whole(XM)

# What the published text lists for each function.
LISTS = {
    "register": "phone_number corporate_email username account_password "
    "registration_info",
    "profile": "nickname telephone_number",
    "automatic_access_data": "ip_address browser_type device_language "
    "access_time",
    "device_information": "device_model os_version device_settings "
    "hardware_info",
    "device_location": "location_precise location_coarse",
    "logs": "service_log usage_record app_usage_overall",
    "support": "call_history support_conversation contact_details",
    "security": "registration_info usage_record device_model service_log",
    "google_ads": "google_ads_data",
    "marketing": "corporate_email phone_number usage_record",
    "transactions": "contact_details postal_address transaction_info",
    "partner_supplied": "partner_supplied_info",
    "out_of_scope": "public_information legally_public_information "
    "credit_info rule_violation_record",
}


def _of(function: str) -> list[Question]:
    return [q for q in questions(XM) if q.function == function]


def _basis(basis: str, **more: Any) -> consentkit.Basis:
    return consentkit.Basis(
        id=basis,
        person="Ms. Luo, Operations Center",
        reason="the buyer asked, and has paid",
        reference="order 4711",
        until=START + timedelta(days=1),
        **more,
    )


def _found(policy: Policy, rule: str) -> list[Finding]:
    return [f for f in lint(policy, today=START.date()) if f.rule == rule]


class TestFunctions:
    """
    Tests for each function by itself.
    """

    @pytest.mark.parametrize(
        "function",
        [
            pytest.param("register", marks=pytest.mark.obligation("XM-REG-1")),
            "profile",
            pytest.param(
                "automatic_access_data",
                marks=pytest.mark.obligation("XM-AUTO-1"),
            ),
            "device_information",
            "device_location",
            pytest.param("logs", marks=pytest.mark.obligation("XM-LOG-1")),
            "support",
            "security",
            "google_ads",
            "marketing",
            "transactions",
            "partner_supplied",
            "out_of_scope",
        ],
    )
    def test_closed_list(self, function: str) -> None:
        """
        With everything granted, it may take what its list names, and no
        other type that there is.
        """
        gate = gate_of(XM, *ALL)
        permitted = {
            type_
            for type_ in load_vocabulary().data_types
            if isinstance(gate.decide(function, type_), Permit)
        }

        assert permitted == set(LISTS[function].split())
        assert list(XM.functions) == list(LISTS)

    @pytest.mark.parametrize("element", XM.elements)
    def test_each_switch_is_a_silo(self, element: str) -> None:
        """
        Each switch, turned off, ends what rests on it and nothing else.
        """
        refused, resting = silo(XM, element)

        assert refused == resting
        assert refused

    @pytest.mark.obligation("XM-REG-1")
    def test_password_passes_through(self, tmp_path: Path) -> None:
        """
        The password reaches the app, and neither disk nor wire; the phone
        number arrives as a pseudonym.
        """
        with Watched(XM, tmp_path) as watched:
            watched.agree("register")
            with watched.kit.use("register") as use:
                (got,) = use.device("account_password").values
                assert got.value == watched.plants["account_password"]
                kept = use.capture(got)
                assert kept.reason is Reason.STAYS_ON_DEVICE
            with watched.once():
                watched.take("register", "phone_number")
            (record,) = watched.wire.records
            assert record.value not in watched.plants.values()
            assert hits(watched.needles, tmp_path) == []

    @pytest.mark.obligation("XM-AUTO-1")
    def test_automatic_is_asked_too(self, tmp_path: Path) -> None:
        """
        What is received automatically is not, before a choice; afterwards
        it is the four that are named, and the address cut to its network.
        """
        function = "automatic_access_data"
        with Watched(XM, tmp_path) as watched:
            with watched.nothing():
                for q in questions(XM):
                    assert not watched.take(
                        q.function, q.data_type, recipient=q.recipient
                    )
            watched.agree(function)
            for type_ in LISTS[function].split():
                with watched.once():
                    watched.take(function, type_)
            with watched.nothing():
                watched.take(function, "device_model")
            (address,) = [
                r.value
                for r in watched.wire.records
                if r.data_type == "ip_address"
            ]
        assert address == "203.0.113.0/24"

    @pytest.mark.obligation("XM-DEV-2")
    @pytest.mark.parametrize("kind", ["location_precise", "location_coarse"])
    def test_location_by_its_own_yes(self, kind: str, tmp_path: Path) -> None:
        """
        The place takes the function's yes, its own, and the permission of
        the system; then it leaves as a square.
        """
        place = ("device_location", kind)
        system = [OSPermission.GRANTED]
        with Watched(
            XM, tmp_path, os_permission=lambda _: system[0]
        ) as watched:
            watched.agree("device_location")
            with watched.nothing():
                answer = watched.take(*place)
                assert answer.reason is Reason.SEPARATE_CONSENT_NEEDED
            watched.agree(f"device_location/{kind}")
            system[0] = OSPermission.DENIED
            with watched.nothing():
                assert watched.take(*place).reason is Reason.OS_PERMISSION
            system[0] = OSPermission.GRANTED
            with watched.once():
                watched.take(*place)
            (record,) = watched.wire.records
            square: Any = record.value
            assert square["cell_km"] >= 2

    @pytest.mark.obligation("XM-LOG-1")
    def test_logs_are_scrubbed(self, tmp_path: Path) -> None:
        """
        Log lines in English and Chinese leave no number, address or mail on
        the disk, and none arrives; they wait for a day at most.
        """
        personal = (
            "13905550148",
            "linmei@trade.example",
            "203.0.113.77",
            "3C:5A:B4:01:23:45",
            "490154203237518",
            "11010519491231002X",
        )
        log = logging.Logger("mail")  # noqa: LOG001 - this test's alone
        with Watched(XM, tmp_path) as watched:
            log.addHandler(watched.kit.log_handler("logs"))
            log.warning("before any choice %s", personal[0])
            assert watched.seen.waiting == 0
            watched.agree("logs")
            for text in personal:
                log.warning("sent to %s", text)
                log.warning("已发送至 %s", text)
            waiting = list(watched.kit.store.inspect())
            assert len(waiting) == 2 * len(personal)
            for record in waiting:
                kept = record.expires_at - record.captured_at
                assert kept == timedelta(days=1)
            watched.kit.flush()
            arrived = repr([r.value for r in watched.wire.records])
            needles = {form for text in personal for form in forms(text)}
            assert hits(needles, tmp_path) == []

        assert "sent to" in arrived
        assert not any(text in arrived for text in personal)

    @pytest.mark.obligation("XM-CS-1")
    def test_support_by_an_act(self) -> None:
        """
        What is kept of a support contact takes an act of the person, and
        serves answering and recording the result alone.
        """
        gate = gate_of(XM, *ALL)
        passive = answers(gate, _of("support"), Moment(act=False))

        assert {a.reason for a in passive.values()} == {Reason.NO_ACT}
        assert all(answers(gate, _of("support")).values())
        assert self._purposes("support", "contact_details") == {
            "customer_support",
            "dispute_resolution",
        }

    @staticmethod
    def _purposes(function: str, data_type: str) -> set[str]:
        gate = gate_of(XM, *ALL)
        return {
            purpose
            for purpose in load_vocabulary().purposes
            if gate.decide(function, data_type, purpose)
        }

    @pytest.mark.obligation("XM-CS-1", "XM-SEC-1", "XM-ADS-2")
    @pytest.mark.parametrize(
        ("function", "data_type", "strange"),
        [
            ("support", "contact_details", "marketing_messages"),
            ("security", "service_log", "usage_statistics"),
            ("security", "device_model", "advertising_targeting"),
            ("google_ads", "google_ads_data", "usage_statistics"),
        ],
    )
    def test_no_other_purpose(
        self, function: str, data_type: str, strange: str, tmp_path: Path
    ) -> None:
        """
        For a purpose of its own it is read once; for another not at all.
        """
        with Watched(XM, tmp_path) as watched:
            watched.agree(function)
            with watched.nothing():
                answer = watched.take(
                    function, data_type, purpose=strange, act="wrote_to_us"
                )
                assert answer.reason is Reason.UNDECLARED_PURPOSE
            with watched.once():
                watched.take(function, data_type, act="wrote_to_us")

    @pytest.mark.obligation("XM-SEC-1")
    def test_read_for_security_stays_there(self, tmp_path: Path) -> None:
        """
        What was read for security cannot be kept for anything else.
        """
        with Watched(XM, tmp_path) as watched:
            watched.agree("security", "logs")
            with watched.kit.use("security") as use:
                got = use.device("service_log")
            with watched.kit.use("logs") as use:
                refusal = use.capture(got)

            assert refusal.reason is Reason.UNDECLARED_FUNCTION
            assert watched.seen.waiting == 0


class TestPurposes:
    """
    Tests for why something is used.
    """

    @pytest.mark.obligation("XM-USE-1")
    def test_four_uses(self) -> None:
        """
        The document's purposes are what the text's uses and functions come
        to; every other there is, is refused for every type.
        """
        gate = gate_of(XM, *ALL)
        for function in XM.functions.values():
            for row in function.clauses.values():
                permitted = {
                    purpose
                    for purpose in load_vocabulary().purposes
                    if gate.decide(function.id, row.type, purpose)
                }
                assert permitted == set(row.purposes) <= set(function.purposes)
        declared = {q.purpose for q in questions(XM)}
        assert "advertising_targeting" not in declared
        assert "usage_statistics" not in declared

    @pytest.mark.obligation("XM-NEW-1")
    def test_another_use_is_asked_for(self, tmp_path: Path) -> None:
        """
        A use that a later version adds is refused under the old yes, which
        goes on for the old one; a new yes opens it.
        """
        new = changed(
            NAME,
            lambda t: table(t, "device_information")["purposes"].append(
                "user_research"
            ),
        )
        asked = ("device_information", "device_model")
        with Watched(XM, tmp_path) as watched:
            watched.agree("device_information")
        with Watched(new, tmp_path) as watched:
            with watched.nothing():
                answer = watched.take(*asked, purpose="user_research")
                assert answer.reason is Reason.TERMS_CHANGED
            with watched.once():
                watched.take(*asked, purpose="basic_operation")
            watched.agree("device_information")
            with watched.once():
                watched.take(*asked, purpose="user_research")


class TestGoogleAds:
    """
    Tests for data that is managed under the user's authorisation.
    """

    ASKED = ("google_ads", "google_ads_data")

    @pytest.mark.obligation("XM-ADS-1")
    def test_by_authorisation_only(self, tmp_path: Path) -> None:
        """
        Without its own yes, given after its notice, there is no access;
        taken back, what waits is gone and what was sent is asked back.
        """
        with Watched(XM, tmp_path) as watched:
            consent = watched.kit.consent
            with watched.nothing():
                consent.accept_all(method="button")
                assert watched.take(*self.ASKED).reason is Reason.NOT_ASKED
                with pytest.raises(NoticeNeededError):
                    consent.grant("google_ads")
            watched.agree("google_ads")
            with watched.once():
                watched.take(*self.ASKED)
            watched.take(*self.ASKED)
            done = consent.withdraw("google_ads").destroyed
            assert (done.records, done.erasures) == (1, 1)
            with watched.nothing():
                assert watched.take(*self.ASKED).reason is Reason.WITHDRAWN
            assert watched.wire.records == []

    @pytest.mark.obligation("XM-ADS-3")
    def test_goes_to_nobody(self) -> None:
        """
        Whatever else is granted, no other party gets it.
        """
        gate = gate_of(XM, *ALL)
        others = set(XM.recipients) - {"xiaoman"}

        assert gate.decide(*self.ASKED, recipient="xiaoman")
        assert len(others) == 5
        for other in others:
            answer = gate.decide(*self.ASKED, recipient=other)
            assert answer.reason is Reason.UNDECLARED_RECIPIENT
        about = next(f for f in XM.document.functions if f.id == "google_ads")
        assert about.never_shares == ("google_ads_data",)


class TestSharing:
    """
    Tests for what others get.
    """

    @pytest.mark.obligation("XM-MKT-1")
    def test_each_channel_by_itself(self, tmp_path: Path) -> None:
        """
        Mail and telephone are two decisions; one taken back, the other goes
        on.
        """
        mail, phone = "marketing/corporate_email", "marketing/phone_number"
        with Watched(XM, tmp_path) as watched:
            watched.agree("marketing")
            with watched.nothing():
                for type_ in ("corporate_email", "phone_number"):
                    assert not watched.take("marketing", type_)
            watched.agree(mail, phone)
            with watched.once():
                watched.take("marketing", "phone_number")
            watched.kit.consent.withdraw(phone)
            with watched.nothing():
                answer = watched.take("marketing", "phone_number")
                assert answer.reason is Reason.WITHDRAWN
            with watched.once():
                watched.take("marketing", "corporate_email")

    @pytest.mark.obligation("XM-MKT-2", "XM-SHR-1")
    @pytest.mark.parametrize(
        ("function", "data_type", "party", "other"),
        [
            (
                "marketing",
                "corporate_email",
                "marketing_partners",
                "counterparty",
            ),
            (
                "transactions",
                "contact_details",
                "counterparty",
                "marketing_partners",
            ),
        ],
    )
    def test_each_party_by_itself(
        self, function: str, data_type: str, party: str, other: str
    ) -> None:
        """
        A party gets something by a yes of its own, and by none to another
        party; who is not declared for it gets nothing.
        """
        said = [
            s for s in ALL if not s.element.endswith(("partners", "party"))
        ]
        elements = [e for e in XM.elements if e.endswith(f"@{other}")]
        shut = gate_of(XM, *said, *map(Said, elements))
        asked = (function, data_type)

        answer = shut.decide(*asked, recipient=party)
        assert answer.reason is Reason.RECIPIENT_CONSENT_NEEDED
        for strange in (other, "complainant", "nobody"):
            answer = shut.decide(*asked, recipient=strange)
            assert answer.reason is Reason.UNDECLARED_RECIPIENT
        opened = gate_of(XM, *said, f"{function}@{party}")
        assert opened.decide(*asked, recipient=party)

    @pytest.mark.obligation("XM-SHR-3")
    def test_where_the_service_needs_it(self) -> None:
        """
        The contract is a basis for what the transaction declares, to the
        party that it declares, and for nothing else.
        """
        gate = gate_of(XM)
        open_by_contract = {
            (q.function, q.data_type, q.recipient)
            for q in questions(XM)
            if q.recipient != "xiaoman"
            and gate.lists(
                "contract",
                XM.functions[q.function],
                Atom(q.data_type, q.purpose, q.recipient),
            )
        }

        assert open_by_contract == {
            ("transactions", "contact_details", "counterparty"),
            ("transactions", "postal_address", "counterparty"),
        }

    @pytest.mark.obligation("XM-EXC-2")
    def test_a_counterpartys_contact(self, tmp_path: Path) -> None:
        """
        On request, once a duty is performed, somebody answers by name for
        giving out contact details; no other type is among it.
        """
        basis = _basis("transaction_counterparty")
        to = {"recipient": "counterparty"}
        with Watched(XM, tmp_path) as watched:
            watched.kit.consent.acknowledge("transactions")
            with watched.nothing():
                for type_ in ("postal_address", "transaction_info"):
                    answer = watched.take(
                        "transactions", type_, basis=basis, **to
                    )
                    assert not answer
                bare = consentkit.Basis(id=basis.id)
                answer = watched.take(
                    "transactions", "contact_details", basis=bare, **to
                )
                assert answer.reason is Reason.BASIS_NOT_ATTESTED
            assert watched.take(
                "transactions", "contact_details", basis=basis, **to
            )
            used = watched.kit.consent.history("transactions")[-1]
            assert used.act is Act.BASIS_USED
            assert used.facts["person"] == basis.person

    @pytest.mark.obligation("XM-EXC-3")
    def test_discretion_opens_nothing(self, tmp_path: Path) -> None:
        """
        What is considered appropriate is on record as a sentence; nothing
        is given on it, whoever vouches, and the check says so.
        """
        basis = _basis("controller_discretion")
        gate = gate_of(XM, *ALL)
        assert "controller_discretion" in {
            e.basis for e in XM.document.exceptions
        }
        assert not any(
            gate.lists(
                basis.id,
                XM.functions[q.function],
                Atom(q.data_type, q.purpose, q.recipient),
            )
            for q in questions(XM)
        )
        (found,) = _found(XM, "exception-unlawful")
        assert found.severity is Severity.ERROR
        with Watched(XM, tmp_path) as watched:
            watched.kit.consent.acknowledge("transactions")
            with watched.nothing():
                for q in questions(XM):
                    answer = watched.take(
                        q.function,
                        q.data_type,
                        basis=basis,
                        recipient=q.recipient,
                    )
                    assert answer.reason is Reason.BASIS_NOT_LISTED
            watched.agree("logs")
            with watched.once():
                watched.take("logs", "service_log")

    @pytest.mark.obligation("XM-DEID-1")
    def test_deidentified_is_sharing(self) -> None:
        """
        What is cut or put into ranges is shared like anything else, by a
        yes for the party; who may get statistics only gets no value of one
        person, and the document is warned of.
        """

        def give(mode: str) -> Any:
            def change(tree: dict[str, Any]) -> None:
                tree["recipients"].append(
                    {"id": "institute", "name": "Institute", "mode": mode}
                )
                row = clause(tree, "automatic_access_data", "ip_address")
                row["recipients"] = ["xiaoman", "institute"]

            return change

        asked = ("automatic_access_data", "ip_address")
        policy = changed(NAME, give("shared"))
        shut = gate_of(policy, "automatic_access_data")
        opened = gate_of(policy, *whole(policy))

        answer = shut.decide(*asked, recipient="institute")
        assert answer.reason is Reason.RECIPIENT_CONSENT_NEEDED
        assert opened.decide(*asked, recipient="institute")
        with pytest.raises(PolicyError, match="statistics over many people"):
            changed(NAME, give("aggregate_only"))
        assert _found(XM, "deidentified-not-sharing")

    @pytest.mark.obligation("XM-OUT-1")
    @pytest.mark.parametrize(
        "label", ["public_information", "legally_public_information"]
    )
    def test_public_is_personal(self, label: str, tmp_path: Path) -> None:
        """
        What is called public is refused like anything else, and where it
        says no source it needs a yes; it arrives as personal.
        """
        asked = ("out_of_scope", label)
        with Watched(XM, tmp_path) as watched:
            with watched.nothing():
                assert watched.take(*asked).reason is Reason.NOT_ASKED
                for basis in ("self_disclosed", "legally_disclosed"):
                    answer = watched.take(
                        *asked, basis=consentkit.Basis(id=basis)
                    )
                    assert answer.reason is Reason.BASIS_NOT_ATTESTED
            with watched.once():
                named = consentkit.Basis(
                    id="self_disclosed", reference="profile page, 2026-11-01"
                )
                watched.take(*asked, basis=named)
            (record,) = watched.wire.records
            assert record.privacy_class == PrivacyClass.PERSONAL.value
            with watched.nothing():
                watched.kit.consent.object_to("out_of_scope")
                assert watched.take(*asked, basis=named).reason is (
                    Reason.OBJECTED
                )

    @pytest.mark.obligation("XM-OUT-1")
    def test_credit_is_asked_for_alone(self) -> None:
        """
        Credit is sensitive wherever the text puts it: no other basis opens
        it, and no yes to the function.
        """
        gate = gate_of(XM, "out_of_scope")
        function = XM.functions["out_of_scope"]
        atom = Atom("credit_info", "legal_request", "xiaoman")

        answer = gate.decide("out_of_scope", "credit_info")
        assert answer.reason is Reason.SEPARATE_CONSENT_NEEDED
        assert not any(
            gate.lists(basis, function, atom)
            for basis in load_vocabulary().bases
        )
        both = gate_of(XM, "out_of_scope", "out_of_scope/credit_info")
        assert both.decide("out_of_scope", "credit_info")


class TestNotices:
    """
    Tests for what people are shown first.
    """

    @pytest.mark.obligation("XM-PROT-2")
    def test_before_a_transaction(self, tmp_path: Path) -> None:
        """
        That contact details reach the other side is acknowledged before the
        first transaction, and which words were is on record.
        """
        asked = ("transactions", "contact_details")
        text = XM.functions["transactions"].acknowledge
        assert "reach the other side" in text
        with Watched(XM, tmp_path) as watched:
            watched.agree("transactions")
            with watched.nothing():
                assert watched.take(*asked).reason is Reason.NOT_ACKNOWLEDGED
            entry = watched.kit.consent.acknowledge("transactions")
            assert entry.notice == text_digest(text)
            with watched.once():
                watched.take(*asked)

    @pytest.mark.obligation("XM-PROT-2")
    def test_other_words_are_acknowledged_anew(self) -> None:
        """
        A notice that says more has to be acknowledged again.
        """
        new = changed(
            NAME,
            lambda t: table(t, "transactions").update(
                acknowledge="Your home address reaches the other side."
            ),
        )
        asked = ("transactions", "contact_details")

        assert gate_of(XM, *ALL).decide(*asked)
        answer = gate_of(new, *ALL, under=XM).decide(*asked)
        assert answer.reason is Reason.NOT_ACKNOWLEDGED


class TestCheck:
    """
    Tests for what is said of the document, and of its next version.
    """

    @pytest.mark.obligation("XM-PROT-3")
    def test_a_type_without_a_purpose(self) -> None:
        """
        A type without a purpose does not load; one that its purposes do not
        need is found, as it stands, and not where one does.
        """
        with pytest.raises(PolicyError, match="no purpose"):
            changed(NAME, lambda t: table(t, "logs").pop("purposes"))

        (found,) = _found(XM, "type-beyond-purpose")
        assert "location_precise" in found.message
        served = changed(
            NAME,
            lambda t: table(t, "device_location").update(
                purposes=["location_service"]
            ),
        )
        assert not _found(served, "type-beyond-purpose")

    @pytest.mark.obligation("XM-CNT-1")
    @pytest.mark.parametrize("missing", ["contacts", "name"])
    def test_contact(
        self, missing: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Phone, department and address are there and are printed; without a
        contact or a name the document does not load.
        """
        owner = XM.document.controller
        assert owner.contacts[0].kind == "telephone"
        assert owner.contacts[0].value == XM.controller.contact
        assert (owner.officer, owner.postal_code) == (
            "Operations Center",
            "518053",
        )
        assert owner.address.endswith("Shenzhen, Guangdong")
        assert main(["policy", "show", str(FILE)]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "telephone: 400-0666-517" in told
        assert f"address: {owner.address}, 518053" in told
        assert (
            "responsible for personal information: Operations Center"
        ) in told
        with pytest.raises(PolicyError, match=r"controller"):
            changed(NAME, lambda t: t["controller"].pop(missing))

    @pytest.mark.obligation("XM-PROT-1")
    def test_account_protection_is_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        That people keep name and password of their account safe is printed.
        """
        (text,) = [
            t for t in XM.document.texts if t.id == "account_protection"
        ]
        assert "password safe" in text.text
        assert main(["policy", "show", str(FILE)]) == 0
        assert text.text in " ".join(capsys.readouterr().out.split())

    @pytest.mark.obligation("XM-VER-1")
    @pytest.mark.parametrize(
        "less",
        [
            lambda t: t["rights"].pop(0),
            lambda t: table(t, "logs").update(retention="P5Y"),
            lambda t: t["cookies"].update(refusable=False),
            lambda t: clause(
                t, "device_information", "device_settings"
            ).update(protect="generalise"),
        ],
        ids=["right", "period", "refusal", "protection"],
    )
    def test_a_reduction_is_found(self, less: Any) -> None:
        """
        What gets worse for people is found, and waits for their yes.
        """
        assert compare(XM, changed(NAME, less)).accept_due
        assert not compare(XM, XM).accept_due

    @pytest.mark.obligation("XM-VER-1")
    def test_the_old_period_holds(self, tmp_path: Path) -> None:
        """
        A longer period holds for nobody who has not agreed to it.
        """
        new = changed(
            NAME, lambda t: table(t, "security").update(retention="P5Y")
        )

        def kept(watched: Watched) -> timedelta:
            assert watched.take("security", "device_model")
            *_, record = watched.kit.store.inspect()
            return record.expires_at - record.captured_at

        with Watched(XM, tmp_path) as watched:
            watched.agree("security")
            assert kept(watched) == timedelta(days=1)
        with Watched(new, tmp_path) as watched:
            assert kept(watched) == timedelta(days=1)
            watched.agree("security")
            assert kept(watched) > timedelta(days=1800)
