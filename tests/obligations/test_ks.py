# SPDX-License-Identifier: MIT

"""
What the design platform's document promises, shown on that document.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

import consentkit

from consentkit.cli import main
from consentkit.consent.age import AgeBand
from consentkit.consent.notice import notice
from consentkit.consent.state import Status
from consentkit.exceptions import (
    NoticeNeededError,
    PolicyError,
    TooYoungError,
)
from consentkit.gate import Moment, OSPermission, Permit, Reason
from consentkit.ledger.entries import Act, Actor
from consentkit.ledger.receipt import verify_receipt
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.policy import Category, Policy, ProtectionName, parse_canonical
from consentkit.policy.diff import compare
from consentkit.policy.lint import Finding, Severity, lint
from consentkit.policy.scope import Atom
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry.load import load_registry
from consentkit.transports.memory import MemoryTransport
from tests.faults.support import hits
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
    state_of,
    table,
    whole,
)
from tests.support import START


NAME = "design_platform"
FILE = EXAMPLES / NAME / "policy.toml"
KS = document(NAME)
ALL = whole(KS)
ADULT = ALL[0]

# What the published text lists for each function: the lists of the document
# are held against these.
LISTS = {
    "register_phone": "phone_number sms_verification_code",
    "register_third_party": "avatar nickname third_party_open_id",
    "register_business": "email_address real_name access_token "
    "account_password",
    "register_sub_account": "real_name email_address account_password "
    "phone_number",
    "account_security": "account_password phone_number "
    "sms_verification_code email_address",
    "profile": "industry_info",
    "real_name": "real_name id_card_number phone_number email_address",
    "student": "real_name id_card_number student_verification_code "
    "education_info",
    "bank_card": "bank_branch bank_account real_name",
    "search": "search_history",
    "design_tools": "project_info",
    "marketing_tools": "uploaded_material click_record usage_record photo "
    "video design_output",
    "payment": "order_info transaction_info real_name bank_card_type "
    "bank_account payment_account_id payment_status",
    "browse_comment_copy": "service_log browsing_history comment_record "
    "copy_record",
    "favourite_follow_share": "favorite_record follow_record share_record "
    "service_log",
    "infringement": "real_name id_document_copy phone_number "
    "telephone_number postal_address fax_number email_address "
    "power_of_attorney",
    "customer_service": "support_conversation username contact_details "
    "issue_description attachment",
    "others_information": "third_person_info",
    "targeted_push": "cookie_id web_beacon user_preferences usage_record",
    "basic_security": "device_unique_id ip_address access_time service_log",
}

# Types that the text calls sensitive, or the law does.
SENSITIVE = {
    "real_name": {"id_card_number"},
    "student": {"id_card_number", "student_verification_code"},
    "bank_card": {"bank_branch", "bank_account"},
    "payment": {
        "order_info",
        "transaction_info",
        "bank_card_type",
        "bank_account",
        "payment_account_id",
    },
    "browse_comment_copy": {"browsing_history"},
    "infringement": {"id_document_copy"},
    "customer_service": {"support_conversation"},
}
APART = sorted(f"{f}/{t}" for f, types in SENSITIVE.items() for t in types)


def _of(function: str) -> list[Question]:
    return [q for q in questions(KS) if q.function == function]


def _ledger(folder: Path) -> SQLiteLedger:
    return SQLiteLedger(folder / "ledger.sqlite3", keys=folder / "keys")


class TestFunctions:
    """
    Tests for each function by itself.
    """

    def test_are_all(self) -> None:
        """
        The document has the text's functions, and no others.
        """
        assert list(KS.functions) == list(LISTS)

    @pytest.mark.parametrize(
        "function",
        [
            pytest.param(
                "register_phone", marks=pytest.mark.obligation("KS-REG-1")
            ),
            "register_third_party",
            "register_business",
            pytest.param(
                "register_sub_account",
                marks=pytest.mark.obligation("KS-REG-4"),
            ),
            "account_security",
            "profile",
            pytest.param(
                "real_name", marks=pytest.mark.obligation("KS-AUTH-1")
            ),
            pytest.param("student", marks=pytest.mark.obligation("KS-AUTH-2")),
            pytest.param(
                "bank_card", marks=pytest.mark.obligation("KS-BANK-1")
            ),
            "search",
            "design_tools",
            pytest.param(
                "marketing_tools", marks=pytest.mark.obligation("KS-MKT-1")
            ),
            "payment",
            pytest.param(
                "browse_comment_copy",
                marks=pytest.mark.obligation("KS-BRWS-1"),
            ),
            pytest.param(
                "favourite_follow_share",
                marks=pytest.mark.obligation("KS-FAV-1"),
            ),
            "infringement",
            "customer_service",
            "others_information",
            "targeted_push",
            "basic_security",
        ],
    )
    def test_closed_list(self, function: str) -> None:
        """
        With everything granted, it may take what its list names, and no
        other type that there is.
        """
        gate = gate_of(KS, *ALL)
        listed = set(LISTS[function].split())

        permitted = {
            type_
            for type_ in load_vocabulary().data_types
            if isinstance(gate.decide(function, type_), Permit)
        }

        assert permitted == listed
        strange = gate.decide(function, "blood_type_of_the_cat")
        assert strange.reason is Reason.UNDECLARED_DATA_TYPE

    @pytest.mark.parametrize(
        "function",
        [
            pytest.param(
                "register_phone", marks=pytest.mark.obligation("KS-REG-1")
            ),
            pytest.param(
                "account_security", marks=pytest.mark.obligation("KS-BIND-1")
            ),
            pytest.param("profile", marks=pytest.mark.obligation("KS-PROF-1")),
            pytest.param(
                "real_name", marks=pytest.mark.obligation("KS-AUTH-1")
            ),
            pytest.param("student", marks=pytest.mark.obligation("KS-AUTH-2")),
            pytest.param(
                "bank_card", marks=pytest.mark.obligation("KS-BANK-1")
            ),
            pytest.param("search", marks=pytest.mark.obligation("KS-SRCH-1")),
            pytest.param(
                "design_tools", marks=pytest.mark.obligation("KS-DSGN-1")
            ),
            pytest.param(
                "marketing_tools", marks=pytest.mark.obligation("KS-MKT-1")
            ),
            pytest.param(
                "browse_comment_copy",
                marks=pytest.mark.obligation("KS-BRWS-1"),
            ),
            pytest.param(
                "favourite_follow_share",
                marks=pytest.mark.obligation("KS-FAV-1"),
            ),
            pytest.param(
                "basic_security", marks=pytest.mark.obligation("KS-NET-1")
            ),
        ],
    )
    def test_refusing_it_costs_it_alone(self, function: str) -> None:
        """
        Off, all of it is refused, and nothing of any other function.
        """
        refused, _ = silo(KS, function)

        assert refused == set(_of(function))
        assert KS.functions[function].on_refusal in {
            "function_unavailable",
            "degraded",
        }

    @pytest.mark.obligation("KS-SILO-1")
    @pytest.mark.parametrize("element", KS.elements)
    def test_each_switch_is_a_silo(self, element: str) -> None:
        """
        Each switch, turned off, ends what rests on it and nothing else.
        """
        refused, resting = silo(KS, element)

        assert refused == resting
        assert refused

    @pytest.mark.obligation("KS-REG-1")
    def test_visiting_needs_no_account(self) -> None:
        """
        With every way of registering refused, searching and browsing work.
        """
        ways = [f for f in KS.functions if f.startswith("register_")]
        noes = [Said(way, Act.REFUSED) for way in ways]
        made = answers(gate_of(KS, *ALL, *noes))

        assert len(ways) == 4
        assert not any(made[q] for way in ways for q in _of(way))
        assert all(
            made[q] for f in ("search", "browse_comment_copy") for q in _of(f)
        )

    @pytest.mark.obligation("KS-NET-1")
    def test_security_degrades(self) -> None:
        """
        Safe operation has no hold on anything: a no degrades it, its
        identifier is a pseudonym, and it serves security alone.
        """
        function = KS.functions["basic_security"]
        gate = gate_of(KS, *ALL)

        assert function.category is Category.CROSS_CUTTING
        assert function.on_refusal == "degraded"
        identifier = function.clauses["device_unique_id"]
        assert identifier.protection.name is ProtectionName.KEYED
        for type_ in function.clauses:
            permitted = {
                purpose
                for purpose in load_vocabulary().purposes
                if gate.decide("basic_security", type_, purpose)
            }
            assert permitted == {"security_risk_control"}

    @pytest.mark.obligation("KS-IPR-1", "KS-CS-1")
    @pytest.mark.parametrize("function", ["infringement", "customer_service"])
    def test_only_by_an_act(self, function: str) -> None:
        """
        What somebody hands in is taken at their act, and at no other time.
        """
        gate = gate_of(KS, *ALL)
        passive = answers(gate, _of(function), Moment(act=False))

        assert {a.reason for a in passive.values()} == {Reason.NO_ACT}
        assert all(answers(gate, _of(function)).values())

    @pytest.mark.obligation("KS-OTH-1")
    def test_others_only_with_an_assurance(self, tmp_path: Path) -> None:
        """
        Information on others is taken where the person assures each time
        that they agreed, and for that use alone; what they said is on
        record.
        """
        place = ("others_information", "third_person_info")
        with Watched(KS, tmp_path) as watched:
            watched.agree("others_information")
            with watched.nothing():
                refusal = watched.take(*place)
                assert refusal.reason is Reason.NOT_ATTESTED
            with watched.once():
                watched.take(*place, attested="they signed the form")
            (entry,) = [
                e
                for e in watched.kit.consent.history("others_information")
                if e.act is Act.ATTESTED
            ]
            assert entry.facts["said"] == "they signed the form"
            assert entry.at == watched.clock.now
            with watched.nothing():
                assert not watched.take(*place)

    @pytest.mark.obligation("KS-REG-3")
    def test_secrets_pass_through(self, tmp_path: Path) -> None:
        """
        A business account's token and first password reach the app, and no
        disk and no wire; its name and mail address go as pseudonyms.
        """
        with Watched(KS, tmp_path) as watched:
            watched.agree("register_business")
            for type_ in ("access_token", "account_password"):
                with watched.kit.use("register_business") as use:
                    (got,) = use.device(type_).values
                    assert got.value == watched.plants[type_]
                    kept = use.capture(got)
                    assert kept.reason is Reason.STAYS_ON_DEVICE
            for type_ in ("email_address", "real_name"):
                with watched.once():
                    watched.take("register_business", type_)
            sent = {r.value for r in watched.wire.records}
            assert not sent & set(watched.plants.values())
            assert hits(watched.needles, tmp_path) == []


class TestPurposes:
    """
    Tests for why something is collected.
    """

    @pytest.mark.obligation("KS-PURP-1")
    def test_function_type_and_purpose_all_count(self) -> None:
        """
        With everything granted, each of the three changed to what is not
        declared beside the two others is refused, and the refusal says
        which.
        """
        gate = gate_of(KS, *ALL)
        words = load_vocabulary()
        for q in questions(KS):
            declared = KS.functions[q.function].clauses
            assert gate.decide(q.function, q.data_type, q.purpose)
            for type_ in set(words.data_types) - set(declared):
                other = gate.decide(q.function, type_, q.purpose)
                assert other.reason is Reason.UNDECLARED_DATA_TYPE
            mine = declared[q.data_type].purposes
            for purpose in set(words.purposes) - set(mine):
                other = gate.decide(q.function, q.data_type, purpose)
                assert other.reason is Reason.UNDECLARED_PURPOSE
                assert other.detail == purpose
        nobody = gate.decide("no_such_function", "phone_number")
        assert nobody.reason is Reason.UNDECLARED_FUNCTION

    @pytest.mark.obligation("KS-PURP-1")
    def test_another_purpose_reads_nothing(self, tmp_path: Path) -> None:
        """
        What search may read for search, it may not read for advertising.
        """
        with Watched(KS, tmp_path) as watched:
            watched.agree("search")
            with watched.nothing():
                answer = watched.take(
                    "search", "search_history", purpose="advertising_targeting"
                )
                assert answer.reason is Reason.UNDECLARED_PURPOSE
            with watched.once():
                watched.take("search", "search_history", purpose="search")

    @pytest.mark.obligation("KS-COOK-3")
    @pytest.mark.parametrize("technology", ["cookie_id", "web_beacon"])
    def test_cookies_serve_five(self, technology: str) -> None:
        """
        Cookies and beacons serve the text's five purposes, and no sixth.
        """
        gate = gate_of(KS, *ALL)
        permitted = [
            purpose
            for purpose in load_vocabulary().purposes
            if gate.decide("targeted_push", technology, purpose)
        ]

        assert sorted(permitted) == [
            "advertising_targeting",
            "cookie_identification",
            "personalised_experience",
            "targeted_push",
            "usage_statistics",
        ]
        assert len(KS.document.cookies.purposes) == 5

    @pytest.mark.obligation("KS-DRFT-1")
    def test_a_new_purpose_is_asked_for(self) -> None:
        """
        A purpose that a later version adds is refused under the old yes,
        which goes on for the old one; a new yes opens it.
        """
        new = changed(
            NAME,
            lambda t: clause(t, "search", "search_history").update(
                purposes=["search", "usage_statistics"]
            ),
        )
        place = ("search", "search_history")
        before = gate_of(new, "search", under=KS)
        after = gate_of(new, "search")

        assert before.decide(*place, "search")
        refusal = before.decide(*place, "usage_statistics")
        assert refusal.reason is Reason.TERMS_CHANGED
        assert after.decide(*place, "usage_statistics")

    @pytest.mark.obligation("KS-DRFT-2")
    def test_a_new_purpose_of_a_sensitive_type(self) -> None:
        """
        For a sensitive type, the function's new yes is not enough.
        """
        new = changed(
            NAME,
            lambda t: clause(t, "real_name", "id_card_number").update(
                purposes=["identity_authentication", "usage_statistics"]
            ),
        )
        asked = ("real_name", "id_card_number", "usage_statistics")
        separate = "real_name/id_card_number"
        plain = gate_of(new, ADULT, "real_name")
        old = gate_of(new, ADULT, "real_name", separate, under=KS)
        both = gate_of(new, ADULT, "real_name", separate)

        assert plain.decide(*asked).reason is Reason.SEPARATE_CONSENT_NEEDED
        assert old.decide(*asked).reason is Reason.TERMS_CHANGED
        assert both.decide(*asked)


class TestSensitive:
    """
    Tests for what is decided on by itself.
    """

    @pytest.mark.obligation("KS-SENS-2", "KS-AUTH-1", "KS-AUTH-2", "KS-BANK-1")
    def test_each_is_a_decision(self) -> None:
        """
        With every function granted, and nothing more, each sensitive type
        is refused; granting one opens that one.
        """
        functions: tuple[Said | str, ...] = (ADULT, *KS.functions)
        shut = answers(gate_of(KS, *functions))
        closed: dict[str, set[str]] = {}
        for q, answer in shut.items():
            separate = f"{q.function}/{q.data_type}"
            if answer or answer.reason is Reason.RECIPIENT_CONSENT_NEEDED:
                continue
            assert answer.reason is Reason.SEPARATE_CONSENT_NEEDED, q
            closed.setdefault(q.function, set()).add(q.data_type)
            opened = answers(gate_of(KS, *functions, separate))
            assert {
                k.data_type for k in opened if opened[k] and not shut[k]
            } == {q.data_type}

        assert closed == SENSITIVE

    @pytest.mark.obligation("KS-SENS-2")
    def test_no_act_grants_them_all(self, tmp_path: Path) -> None:
        """
        Accepting everything in one act leaves them shut, unread.
        """
        with Watched(KS, tmp_path) as watched:
            watched.kit.consent.declare_age(adult=True)
            watched.kit.consent.accept_all(method="tick")
            with watched.nothing():
                answer = watched.take("real_name", "id_card_number")
                assert answer.reason is Reason.SEPARATE_CONSENT_NEEDED
            watched.agree("real_name/id_card_number")
            with watched.once():
                watched.take("real_name", "id_card_number")


class TestPermissions:
    """
    Tests for permissions of the device; the text names none, so one is
    declared here as its author would have to.
    """

    PHOTO = ("marketing_tools", "photo")

    @staticmethod
    def _declared() -> Any:
        return changed(
            NAME,
            lambda t: clause(t, "marketing_tools", "photo").update(
                permission="storage_read"
            ),
        )

    @pytest.mark.obligation("KS-PERM-1")
    def test_off_until_confirmed(self, tmp_path: Path) -> None:
        """
        Before the person confirms it, what takes a permission is not read.
        """
        said = [OSPermission.PROMPT_NEEDED]
        with Watched(
            self._declared(), tmp_path, os_permission=lambda _: said[0]
        ) as watched:
            watched.agree("marketing_tools")
            for state in OSPermission:
                said[0] = state
                if state in {
                    OSPermission.GRANTED,
                    OSPermission.NOT_APPLICABLE,
                }:
                    continue
                with watched.nothing():
                    answer = watched.take(*self.PHOTO)
                    assert answer.reason is Reason.OS_PERMISSION
            said[0] = OSPermission.GRANTED
            with watched.once():
                watched.take(*self.PHOTO)

    @pytest.mark.obligation("KS-PERM-1")
    def test_as_it_stands_it_uses_none(self) -> None:
        """
        The document, which names no permission, has no clause that takes
        one.
        """
        assert not KS.document.permissions
        assert "list of device permissions" in KS.document.unspecified
        for function in KS.functions.values():
            assert not function.permission
            assert not any(c.permission for c in function.clauses.values())

    @pytest.mark.obligation("KS-PERM-3")
    def test_turned_off_it_ends_there(self, tmp_path: Path) -> None:
        """
        Turned off in the device's settings, with no call to the library,
        the next read is refused, and that of another type is not.
        """
        said = [OSPermission.GRANTED]
        with Watched(
            self._declared(), tmp_path, os_permission=lambda _: said[0]
        ) as watched:
            watched.agree("marketing_tools")
            with watched.once():
                watched.take(*self.PHOTO)
            said[0] = OSPermission.DENIED
            with watched.nothing():
                answer = watched.take(*self.PHOTO)
                assert answer.reason is Reason.OS_PERMISSION
            why = watched.kit.consent.history()[-1]
            assert why.act is Act.SIGNAL_CONFLICT
            assert "storage_read" in why.facts["cause"]
            with watched.once():
                watched.take("marketing_tools", "design_output")

    @pytest.mark.obligation("KS-PERM-3")
    def test_turned_off_nothing_else_ends(self) -> None:
        """
        Every other decision is as it was.
        """
        policy = self._declared()
        gate = gate_of(policy, *ALL)
        denied = Moment(os_permission=OSPermission.DENIED)
        before, after = answers(gate), answers(gate, moment=denied)

        assert {
            (q.function, q.data_type)
            for q in before
            if bool(before[q]) != bool(after[q])
        } == {self.PHOTO}

    @pytest.mark.obligation("KS-PERM-4", "KS-PERM-3")
    def test_turned_off_what_waits_goes(self, tmp_path: Path) -> None:
        """
        What was read by the permission and waits is destroyed once the
        library learns that it is gone; what was delivered and what was read
        without it stay, and so does the proof of the consent.
        """
        said = [OSPermission.GRANTED]
        with Watched(
            self._declared(), tmp_path, os_permission=lambda _: said[0]
        ) as watched:
            watched.agree("marketing_tools")
            with watched.once():
                watched.take(*self.PHOTO)
            delivered = watched.seen.ids
            ledger = watched.kit.ledger
            granted = watched.kit.consent.history("marketing_tools")[-1]
            receipt = ledger.receipt(granted.seq).text
            assert watched.take(*self.PHOTO)
            assert watched.take("marketing_tools", "design_output")

            said[0] = OSPermission.DENIED
            assert not watched.take(*self.PHOTO)

            assert watched.kit.status().waiting == 1
            watched.kit.flush()
            (later,) = watched.seen.ids - delivered
            (record,) = [r for r in watched.wire.records if r.id == later]
            assert record.data_type == "design_output"
            assert delivered <= watched.seen.ids
            assert verify_receipt(receipt).entry == granted

    @pytest.mark.obligation("KS-PERM-4")
    def test_turned_off_while_not_running(self, tmp_path: Path) -> None:
        """
        Turned off while the app did not run, it is destroyed at the first
        flush; what was read without it goes on.
        """
        said = [OSPermission.GRANTED]
        wire = MemoryTransport()
        policy = self._declared()
        how = {"wire": wire, "os_permission": lambda _: said[0]}
        with Watched(policy, tmp_path, **how) as watched:
            watched.agree("marketing_tools")
            granted = watched.kit.consent.history("marketing_tools")[-1]
            receipt = watched.kit.ledger.receipt(granted.seq).text
            assert watched.take(*self.PHOTO)
            assert watched.take("marketing_tools", "design_output")
        said[0] = OSPermission.DENIED
        with Watched(policy, tmp_path, **how) as watched:
            watched.kit.flush()

            assert [r.data_type for r in wire.records] == ["design_output"]
            assert watched.kit.status().waiting == 0
            assert verify_receipt(receipt).entry == granted


class TestConsent:
    """
    Tests for how people agree.
    """

    @pytest.mark.obligation("KS-CONS-1")
    def test_nothing_before(self, tmp_path: Path) -> None:
        """
        On a fresh install everything is asked for, registering first, and
        nothing happens; then one thing is granted, and it works.
        """
        with Watched(KS, tmp_path) as watched:
            with watched.nothing():
                for q in questions(KS):
                    assert not watched.take(
                        q.function, q.data_type, recipient=q.recipient
                    )
            watched.agree("register_phone")
            with watched.once():
                watched.take("register_phone", "phone_number")

    @pytest.mark.obligation("KS-SCOPE-1")
    def test_bound_to_product_and_controller(self) -> None:
        """
        What was granted here is unknown to an affiliate's product, and
        granted to no other controller.
        """
        affiliate = changed(NAME, lambda t: t["policy"].update(id="other"))
        operator = changed(
            NAME,
            lambda t: (
                t["controller"].update(id="other"),
                clause(t, "favourite_follow_share", "share_record").update(
                    recipients=["other", "weibo", "wechat", "qq"]
                ),
            ),
        )
        there = state_of(affiliate, *ALL, under=KS)

        assert {c.status for c in there.choices.values()} <= {
            Status.UNKNOWN,
            Status.OTHER_BASIS,
            Status.AGE_UNKNOWN,
        }
        assert not any(answers(gate_of(affiliate, *ALL, under=KS)).values())
        assert not any(answers(gate_of(operator, *ALL, under=KS)).values())
        assert all(answers(gate_of(KS, *ALL)).values())

    @pytest.mark.obligation("KS-META-1")
    def test_in_force_from_its_day(self, tmp_path: Path) -> None:
        """
        The day before, it can be read and answered, and nothing is
        permitted; from its day on, it is, in a kit that was open before
        and in one that is opened then.
        """
        eve = datetime(2022, 8, 29, 23, tzinfo=UTC)
        about = KS.document.policy
        assert (about.version, str(about.updated), str(about.effective)) == (
            "1.0",
            "2022-08-30",
            "2022-08-30",
        )
        with Watched(KS, tmp_path) as watched:
            watched.clock.now = eve
            watched.agree("search")
            with watched.nothing():
                answer = watched.take("search", "search_history")
                assert answer.reason is Reason.NOT_IN_FORCE
            clock = watched.clock
            clock.tick(hours=1)
            with watched.once():
                watched.take("search", "search_history")
        with Watched(KS, tmp_path, clock=clock) as watched, watched.once():
            watched.take("search", "search_history")

    @pytest.mark.obligation("KS-CONS-2")
    def test_by_a_tick(self, tmp_path: Path) -> None:
        """
        A tick grants; another act, or a box that was ticked before, does
        not; the entry holds how and when.
        """
        with Watched(KS, tmp_path) as watched:
            consent = watched.kit.consent
            for method in ("app", "scroll"):
                with pytest.raises(ValueError, match="method"):
                    consent.grant("search", method=method)
            with pytest.raises(ValueError, match="before the person came"):
                consent.grant("search", method="tick", preselected=True)
            assert not consent.history()

            entry = consent.grant("search", method="tick")

            assert (entry.method, entry.at) == ("tick", watched.clock.now)
            assert entry.text == KS.digest
            receipt = _ledger(tmp_path).receipt(entry.seq)
            assert verify_receipt(receipt.text).entry == entry

    @pytest.mark.obligation("KS-DUR-1")
    def test_lasts(self, tmp_path: Path) -> None:
        """
        A grant lasts over restarts and years, and ends with the refusal.
        """
        place = ("search", "search_history")
        with Watched(KS, tmp_path) as watched:
            watched.agree("search")
            clock = watched.clock
        clock.tick(days=3650)
        with Watched(KS, tmp_path, clock=clock) as watched:
            with watched.once():
                watched.take(*place)
            watched.kit.consent.deny("search")
        with Watched(KS, tmp_path, clock=clock) as watched, watched.nothing():
            assert not watched.take(*place)

    @pytest.mark.obligation("KS-DUR-1")
    def test_ends_with_what_it_was_given_to(self) -> None:
        """
        A grant ends with the purpose that it was given to, and at its
        declared end; another title ends nothing.
        """
        other = changed(
            NAME,
            lambda t: table(t, "search").update(purposes=["usage_statistics"]),
        )
        titled = changed(NAME, lambda t: t["policy"].update(title="Other"))
        short = changed(
            NAME, lambda t: table(t, "search").update(valid_for="P1Y")
        )
        place = ("search", "search_history")
        later = datetime(2027, 12, 1, tzinfo=UTC)

        changed_terms = gate_of(other, "search", under=KS).decide(*place)
        assert changed_terms.reason is Reason.TERMS_CHANGED
        assert gate_of(titled, "search", under=KS).decide(*place)
        assert gate_of(short, "search").decide(*place)
        late = gate_of(short, "search", at=later).decide(*place)
        assert late.reason is Reason.EXPIRED

    @pytest.mark.obligation("KS-RGT-6")
    @pytest.mark.parametrize(
        "before", ["", "show", "grant", "deny", "withdraw", "pause"]
    )
    def test_withdrawn_at_any_time(self, before: str, tmp_path: Path) -> None:
        """
        Whatever went before, and with no network, one call withdraws, as
        one call grants.
        """
        with Watched(KS, tmp_path) as watched:
            consent = watched.kit.consent
            if before == "pause":
                consent.grant("search", method="tick")
            if before in {"grant", "deny", "withdraw", "show", "pause"}:
                method = "dialog" if before == "show" else "tick"
                getattr(consent, before)("search", method=method)
            consent.withdraw("search")
            with watched.nothing():
                assert not watched.take("search", "search_history")
            consent.grant("search", method="tick")
            with watched.once():
                watched.take("search", "search_history")

    @pytest.mark.obligation("KS-RGT-7")
    def test_withdrawal_ends_that_service(self, tmp_path: Path) -> None:
        """
        A withdrawal destroys what waits of it, asks back what was sent, and
        ends nothing else; what was recorded before stays provable.
        """
        with Watched(KS, tmp_path) as watched:
            watched.agree("search", "design_tools")
            entry = watched.kit.consent.history("search")[-1]
            receipt = _ledger(tmp_path).receipt(entry.seq).text
            watched.take("search", "search_history")
            watched.kit.flush()
            watched.take("search", "search_history")
            watched.take("design_tools", "project_info")
            done = watched.kit.consent.withdraw("search")

            assert (done.destroyed.records, done.destroyed.erasures) == (1, 1)
            assert watched.seen.waiting == 1
            watched.kit.flush()
            assert [r.function for r in watched.wire.records] == [
                "design_tools"
            ]
            with watched.nothing():
                assert not watched.take("search", "search_history")
            assert verify_receipt(receipt).entry == entry
            with watched.once():
                watched.take("design_tools", "project_info")


class TestCookies:
    """
    Tests for cookies, beacons and what is pushed with them.
    """

    @pytest.mark.obligation("KS-COOK-1")
    def test_refused(self, tmp_path: Path) -> None:
        """
        Refused, neither cookie nor beacon is read, and only what the
        document lists as depending on them is refused.
        """
        refused, _ = silo(KS, "targeted_push")
        depend = set(KS.document.cookies.functions)
        with Watched(KS, tmp_path) as watched:
            watched.kit.consent.declare_age(adult=True)
            watched.kit.consent.deny("targeted_push")
            with watched.nothing():
                for technology in KS.document.cookies.technologies:
                    assert not watched.take("targeted_push", technology)
            watched.agree("targeted_push")
            for technology in KS.document.cookies.technologies:
                assert watched.kit.gate().decide("targeted_push", technology)

        assert {q.function for q in refused} == depend == {"targeted_push"}
        assert {
            q.function
            for q in questions(KS)
            if q.data_type in KS.document.cookies.technologies
        } == depend

    @pytest.mark.obligation("KS-PUSH-1")
    def test_push_is_switched_off(self, tmp_path: Path) -> None:
        """
        Switched off, nothing is targeted any more; all else goes on.
        """
        with Watched(KS, tmp_path) as watched:
            watched.kit.consent.declare_age(adult=True)
            watched.agree("targeted_push", "search")
            with watched.once():
                watched.take("targeted_push", "user_preferences")
            watched.kit.consent.withdraw("targeted_push")
            with watched.nothing():
                for q in _of("targeted_push"):
                    assert not watched.take(
                        q.function, q.data_type, purpose=q.purpose
                    )
            with watched.once():
                watched.take("search", "search_history")


class TestWithoutConsent:
    """
    Tests for six cases that need no consent, of which the fifth is two.
    """

    LISTED = (
        "contract",
        "statutory_duty",
        "health_emergency",
        "news_supervision",
        "self_disclosed",
        "legally_disclosed",
        "other_law",
    )

    @staticmethod
    def _case(basis: str) -> Any:
        return consentkit.Basis(
            id=basis,
            person="Officer Zhou",
            reason="a case of the list",
            reference="Article 12, case 7",
            until=START + timedelta(days=1),
        )

    @pytest.mark.obligation("KS-EXC-1")
    def test_list_is_closed(self) -> None:
        """
        The seven are there, and none opens more than it is about.
        """
        gate = gate_of(KS)
        open_by: dict[str, set[str]] = {}
        for q in questions(KS):
            function = KS.functions[q.function]
            atom = Atom(q.data_type, q.purpose, q.recipient)
            for basis in load_vocabulary().bases:
                if gate.lists(basis, function, atom):
                    open_by.setdefault(basis, set()).add(q.function)

        assert tuple(c.basis for c in KS.document.exceptions) == self.LISTED
        assert open_by == {
            "contract": {
                "register_phone",
                "register_third_party",
                "register_business",
                "register_sub_account",
                "payment",
            },
            "statutory_duty": {"infringement", "basic_security"},
            # What needs a decision of its own is not among its types.
            "other_law": set(KS.functions),
        }

    @pytest.mark.obligation("KS-EXC-1")
    def test_outside_it_nothing(self, tmp_path: Path) -> None:
        """
        A basis that is not listed for a function is refused, whoever vouches
        for it; and so is one that needs a word and has none.
        """
        search = ("search", "search_history")
        with Watched(KS, tmp_path) as watched, watched.nothing():
            for basis in load_vocabulary().bases:
                if basis == "other_law":
                    continue
                answer = watched.take(*search, basis=self._case(basis))
                assert answer.reason is Reason.BASIS_NOT_LISTED
            bare = consentkit.Basis(id="other_law")
            answer = watched.take(*search, basis=bare)
            assert answer.reason is Reason.BASIS_NOT_ATTESTED
            assert not watched.kit.consent.history()

    @pytest.mark.obligation("KS-EXC-1")
    @pytest.mark.parametrize(
        ("basis", "function", "data_type"),
        [
            ("contract", "register_phone", "phone_number"),
            ("statutory_duty", "basic_security", "ip_address"),
            ("other_law", "search", "search_history"),
        ],
    )
    def test_one_use_on_record(
        self, basis: str, function: str, data_type: str, tmp_path: Path
    ) -> None:
        """
        Vouched for, it is good for one use, and the ledger names who.
        """
        with Watched(KS, tmp_path) as watched:
            with watched.once():
                watched.take(function, data_type, basis=self._case(basis))
            (entry,) = watched.kit.consent.history()
            assert entry.act is Act.BASIS_USED
            assert entry.facts["basis"] == basis
            assert entry.facts["person"] == "Officer Zhou"
            with watched.nothing():
                assert not watched.take(function, data_type)


class TestNotices:
    """
    Tests for what people are shown first.
    """

    @pytest.mark.obligation("KS-CONS-3", "KS-SENS-1")
    @pytest.mark.parametrize("element", APART)
    def test_sensitive_stands_out(self, element: str) -> None:
        """
        Each sensitive type has its line in the function's notice, and a
        notice of its own that says so, and what a leak may do.
        """
        function, _, type_ = element.partition("/")
        name = load_vocabulary().data_types[type_].name
        together = " ".join(notice(KS, function).split())
        apart = " ".join(notice(KS, element).split())

        assert name in together.partition("asked apart")[2]
        assert "because this is sensitive" in apart
        assert "if it leaks" in apart
        assert "because this is sensitive" not in together

    @pytest.mark.obligation("KS-CONS-3")
    @pytest.mark.parametrize("function", KS.functions)
    def test_a_no_is_explained(self, function: str) -> None:
        """
        Each notice says in words of the app what a no means, on a line of
        its own.
        """
        (line,) = [
            line
            for line in notice(KS, function).splitlines()
            if line.strip().startswith("if refused")
        ]

        assert KS.functions[function].text.partition("If you refuse")[1]
        assert "only this function" in line or "everything still" in line

    @pytest.mark.obligation("KS-DRFT-3")
    @pytest.mark.parametrize("channel", ["popup", "letter", "push"])
    def test_a_yes_needs_the_notice(
        self, channel: str, tmp_path: Path
    ) -> None:
        """
        A new purpose of a sensitive type is granted after its own notice,
        by one of the text's ways; that of the version before is none.
        """
        new = changed(
            NAME,
            lambda t: clause(t, "real_name", "id_card_number").update(
                purposes=["identity_authentication", "usage_statistics"]
            ),
        )
        element = "real_name/id_card_number"
        asked = ("real_name", "id_card_number")
        with Watched(KS, tmp_path) as watched:
            watched.kit.consent.declare_age(adult=True)
            watched.agree("real_name", element)
        with Watched(new, tmp_path) as watched:
            consent = watched.kit.consent
            with watched.nothing():
                with pytest.raises(NoticeNeededError):
                    consent.grant(element, method="tick")
                answer = watched.take(*asked, purpose="usage_statistics")
                assert answer.reason is Reason.TERMS_CHANGED
            shown = consent.show(element, method=channel)
            told = consent.history(element)[-1]
            assert (told.act, told.method) == (Act.NOTICE_SHOWN, channel)
            watched.agree("real_name")
            assert consent.grant(element, method="tick").notice == shown.digest
            with watched.once():
                watched.take(*asked, purpose="usage_statistics")


class TestMinors:
    """
    Tests for the young.
    """

    @pytest.mark.obligation("KS-MIN-1")
    @pytest.mark.parametrize(
        "born", [date(2012, 11, 21), date(2013, 6, 1), date(2026, 1, 1)]
    )
    def test_under_14(self, born: date, tmp_path: Path) -> None:
        """
        Under 14 everything is refused, nothing is collected, and not even
        the answer is kept: there is no file.
        """
        with Watched(KS, tmp_path) as watched:
            with watched.nothing():
                watched.kit.consent.declare_age(born=born)
                for q in questions(KS):
                    answer = watched.take(q.function, q.data_type)
                    assert answer.reason in {
                        Reason.GUARDIAN_NEEDED,
                        Reason.UNDECLARED_RECIPIENT,
                    }
            assert not any(p.is_file() for p in tmp_path.rglob("*"))

    @pytest.mark.obligation("KS-MIN-1")
    def test_under_14_nothing_is_recorded(self, tmp_path: Path) -> None:
        """
        What an app would record for the child all the same is refused, act
        by act, and leaves no file; so is registering. Of age, it is taken.
        """
        with Watched(KS, tmp_path) as watched:
            consent = watched.kit.consent
            consent.declare_age(born=date(2013, 6, 1))
            for function in KS.functions:
                with pytest.raises(TooYoungError):
                    consent.grant(function, method="tick")
            with pytest.raises(TooYoungError):
                consent.accept(method="tick")
            assert not any(p.is_file() for p in tmp_path.rglob("*"))

            consent.declare_age(adult=True)
            watched.agree("register_phone")
            with watched.once():
                watched.take("register_phone", "phone_number")

    @pytest.mark.obligation("KS-MIN-1", "KS-MIN-2")
    @pytest.mark.parametrize(
        ("born", "band"),
        [
            (date(2012, 11, 21), AgeBand.CHILD),  # 14 tomorrow
            (date(2012, 11, 20), AgeBand.MINOR),  # 14 today
            (date(2008, 11, 21), AgeBand.MINOR),  # 18 tomorrow
            (date(2008, 11, 20), AgeBand.ADULT),  # 18 today
        ],
    )
    def test_birthdays(
        self, born: date, band: AgeBand, tmp_path: Path
    ) -> None:
        """
        At 14 somebody is no child any more, at 18 of age, on the day.
        """
        with Watched(KS, tmp_path) as watched:
            assert watched.kit.consent.declare_age(born=born) is band

    @pytest.mark.obligation("KS-MIN-2")
    def test_from_14_to_18(self, tmp_path: Path) -> None:
        """
        A yes of their own opens nothing, a verified guardian's does; with
        the 18th birthday they are asked anew.
        """
        asked = ("search", "search_history")
        with Watched(KS, tmp_path) as watched:
            consent = watched.kit.consent
            consent.declare_age(born=date(2008, 12, 1))
            watched.agree("search")
            with watched.nothing():
                answer = watched.take(*asked)
                assert answer.reason is Reason.GUARDIAN_NEEDED
            consent.guardian_verified(method="call", reference="file 12")
            consent.grant("search", method="tick", by=Actor.GUARDIAN)
            with watched.once():
                watched.take(*asked)
            watched.clock.now = datetime(2026, 12, 1, tzinfo=UTC)
            with watched.nothing():
                assert watched.take(*asked).reason is Reason.NOT_ASKED
            watched.agree("search")
            with watched.once():
                watched.take(*asked)

    @pytest.mark.obligation("KS-MIN-3")
    def test_found_out(self, tmp_path: Path) -> None:
        """
        When somebody turns out to be 13, what waits is destroyed, what was
        sent is asked back, and nothing more is read.
        """
        with Watched(KS, tmp_path) as watched:
            consent = watched.kit.consent
            consent.declare_age(adult=True)
            watched.agree("search", "design_tools")
            with watched.once():
                watched.take("search", "search_history")
            watched.take("design_tools", "project_info")
            consent.declare_age(born=date(2013, 6, 1))

            assert watched.seen.waiting == 0
            with watched.nothing():
                for q in (*_of("search"), *_of("design_tools")):
                    assert not watched.take(q.function, q.data_type)
            assert watched.wire.records == []
            assert watched.wire.erasures


class TestVersions:
    """
    Tests for what becomes of a yes when the document changes.
    """

    @pytest.mark.obligation("KS-NEW-1")
    def test_a_new_function(self, tmp_path: Path) -> None:
        """
        A function that is not described is refused; described in a later
        version it is announced with content, scope and purpose, and works
        once it is granted; older grants are as they were.
        """

        def add(tree: dict[str, Any]) -> None:
            tree["functions"].append(
                {
                    **table(tree, "search"),
                    "id": "voice_search",
                    "name": "Search by voice",
                }
            )

        asked = ("voice_search", "search_history")
        with Watched(KS, tmp_path) as watched:
            watched.agree("search")
            with watched.nothing():
                answer = watched.take(*asked)
                assert answer.reason is Reason.UNDECLARED_FUNCTION
            before = watched.kit.consent.state().choices["search"].entry
        with Watched(changed(NAME, add), tmp_path) as watched:
            consent = watched.kit.consent
            with watched.nothing():
                assert watched.take(*asked).reason is Reason.NOT_ASKED
            text = consent.show("voice_search").text
            for label in ("uses", "for", "kept"):
                assert f"\n  {label} " in text
            consent.grant("voice_search", method="tick")
            with watched.once():
                watched.take(*asked)
            assert consent.state().choices["search"].entry == before
            with watched.once():
                watched.take("search", "search_history")

    @pytest.mark.obligation("KS-TRF-1")
    @pytest.mark.parametrize("keeps", [True, False])
    def test_successor(self, *, keeps: bool, tmp_path: Path) -> None:
        """
        A successor that keeps the promises goes on once people were told;
        any other has to ask again.
        """

        def succeed(tree: dict[str, Any]) -> None:
            tree["controller"].update(id="successor", name="Successor Ltd.")
            tree["controller"]["continues"] = ["kanshan"] if keeps else []
            row = clause(tree, "favourite_follow_share", "share_record")
            row["recipients"][0] = "successor"

        asked = ("search", "search_history")
        with Watched(KS, tmp_path) as watched:
            watched.agree("search")
        with Watched(changed(NAME, succeed), tmp_path) as watched:
            with watched.nothing():
                assert watched.take(*asked).reason is Reason.TERMS_CHANGED
            watched.kit.consent.adopt()
            if keeps:
                with watched.once():
                    watched.take(*asked)
            else:
                with watched.nothing():
                    answer = watched.take(*asked)
                    assert answer.reason is Reason.TERMS_CHANGED
            watched.agree("search")
            with watched.once():
                watched.take(*asked)

    @pytest.mark.obligation("KS-VER-2")
    def test_less_holds_for_nobody_who_did_not_agree(
        self, tmp_path: Path
    ) -> None:
        """
        A longer period and a weaker protection wait for a yes; until then,
        and after a no, the promise of before holds.
        """

        def worse(tree: dict[str, Any]) -> None:
            row = clause(tree, "register_third_party", "third_party_open_id")
            row["retention"] = "P5Y"
            row = clause(tree, "bank_card", "bank_account")
            row["protect"] = "none"

        new = changed(NAME, worse)
        asked = ("register_third_party", "third_party_open_id")
        with Watched(KS, tmp_path) as watched:
            watched.agree("register_third_party")
        with Watched(new, tmp_path) as watched:
            consent = watched.kit.consent
            assert self._kept(watched, *asked) == timedelta(days=30)
            consent.decline("register_third_party")
            assert self._kept(watched, *asked) == timedelta(days=30)
            watched.agree("register_third_party")
            assert self._kept(watched, *asked) > timedelta(days=1800)

        said = [*ALL]
        old = gate_of(new, *said, under=KS).decide("bank_card", "bank_account")
        agreed = gate_of(new, *said).decide("bank_card", "bank_account")
        assert not old or old.clause.protection.name is ProtectionName.KEYED
        assert agreed.clause.protection.name is ProtectionName.NONE

    def _kept(self, watched: Watched, *asked: str) -> timedelta:
        watched.take(*asked)
        *_, record = watched.kit.store.inspect()
        return record.expires_at - record.captured_at

    @pytest.mark.obligation("KS-VER-4")
    def test_old_versions_are_archived(self, tmp_path: Path) -> None:
        """
        Each receipt ever given leads to the exact document.
        """
        new = changed(NAME, lambda t: t["policy"].update(version="1.1"))
        receipts = []
        for policy, element in ((KS, "search"), (new, "design_tools")):
            with Watched(policy, tmp_path) as watched:
                watched.agree(element)
                receipts += _ledger(tmp_path).receipts()
        found = {}
        for receipt in receipts:
            digest = verify_receipt(receipt.text).entry.text
            text = _ledger(tmp_path).policy(digest)
            assert text is not None
            found[digest] = parse_canonical(text)

        assert set(found) == {KS.digest, new.digest}
        assert all(p.digest == digest for digest, p in found.items())
        assert {p.version for p in found.values()} == {"1.0", "1.1"}


def _with_an_sdk(tree: dict[str, Any]) -> None:
    """
    Print the list that is announced, with one SDK.
    """
    tree["sdks"]["printed"] = True
    tree["functions"].append(
        {
            **table(tree, "search"),
            "id": "statistics",
            "category": "third_party",
            "sdk": "umeng",
            "collects": [],
        }
    )


class TestSDKs:
    """
    Tests for the list of SDKs, which is announced and not there.
    """

    @pytest.mark.obligation("KS-SDK-1")
    def test_none_can_start(self, tmp_path: Path) -> None:
        """
        With everything granted, no SDK of the registry starts.
        """
        started: list[str] = []
        with Watched(KS, tmp_path) as watched:
            watched.kit.consent.declare_age(adult=True)
            watched.kit.consent.accept_all(method="tick")
            for sdk in load_registry():
                answer = watched.kit.registry.start(
                    sdk, lambda: started.append("x")
                )
                assert answer.reason is Reason.UNDECLARED_SDK

        assert not started
        assert len(load_registry()) > 20

    @pytest.mark.obligation("KS-SDK-1")
    def test_a_listed_one_can(self, tmp_path: Path) -> None:
        """
        An SDK that the list names starts once it is granted by itself.
        """
        started: list[str] = []
        with Watched(changed(NAME, _with_an_sdk), tmp_path) as watched:
            start = watched.kit.registry.start
            assert not start("umeng", lambda: started.append("umeng"))
            watched.agree("statistics")
            assert start("umeng", lambda: started.append("umeng"))

        assert started == ["umeng"]

    @pytest.mark.obligation("KS-SDK-1")
    def test_the_list_is_missing(self) -> None:
        """
        As it stands, the document has an error: a list that is announced
        and not there. Printed, it has none.
        """
        (found,) = _found(KS, "sdk-list-missing")
        assert found.severity is Severity.ERROR
        assert found.path == "$.sdks"
        assert not _found(changed(NAME, _with_an_sdk), "sdk-list-missing")


def _found(policy: Policy, rule: str) -> list[Finding]:
    return [f for f in lint(policy, today=START.date()) if f.rule == rule]


class TestCheck:
    """
    Tests for what `consentkit policy check` says of the document.
    """

    @pytest.mark.obligation("KS-PERM-2")
    def test_a_permission_for_nothing(self) -> None:
        """
        A permission that no function uses is an error, and one that a
        function uses is none.
        """

        def add(tree: dict[str, Any]) -> None:
            tree["permissions"] = [{"id": "camera"}]

        def use(tree: dict[str, Any]) -> None:
            clause(tree, "marketing_tools", "photo")["permission"] = "camera"

        unused = changed(NAME, add)

        (found,) = _found(unused, "permission-unused")
        assert found.severity is Severity.ERROR
        assert "camera" in found.message
        assert not _found(changed(NAME, add, use), "permission-unused")

    @pytest.mark.obligation("KS-CNT-1")
    def test_contact(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        Without a contact the document does not load; with one whose host
        looks cut, as it stands, it is warned of; it is printed.
        """
        with pytest.raises(PolicyError, match="reach the controller"):
            changed(NAME, lambda t: t["controller"].pop("contacts"))

        (found,) = _found(KS, "contact-unusable")
        assert found.severity is Severity.WARNING
        assert "contact@kanshan.in" in found.message
        whole_host = changed(
            NAME,
            lambda t: t["controller"]["contacts"][0].update(
                value="privacy@kanshan.com"
            ),
        )
        assert not _found(whole_host, "contact-unusable")
        assert main(["policy", "show", str(FILE)]) == 0
        assert "contact@kanshan.in" in capsys.readouterr().out
        (right,) = [r for r in KS.document.rights if r.id == "complain"]
        assert (right.deadline.value, right.deadline.unit) == (15, "day")
        assert "regulators" in right.channel

    @pytest.mark.obligation("KS-PROT-2")
    def test_no_absolute_security(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        That no system is absolutely secure is printed; a document without
        the sentence does not print it.
        """
        (text,) = [
            t for t in KS.document.texts if t.id == "no_absolute_security"
        ]
        assert "absolutely secure" in text.text

        assert main(["policy", "show", str(FILE)]) == 0
        assert text.text in " ".join(capsys.readouterr().out.split())

    @pytest.mark.obligation("KS-PROV-5")
    def test_agreements(self) -> None:
        """
        Each other party without an agreement is warned of, and none with.
        """

        def sign(tree: dict[str, Any]) -> None:
            for row in tree["recipients"]:
                row["agreement"] = {"reference": f"file {row['id']}"}

        def without(policy: Policy) -> int:
            found = _found(policy, "recipient-incomplete")
            return sum("no agreement" in f.message for f in found)

        promised = [s for s in KS.document.sharing if s.mode == "affiliate"]
        assert "agreement" in promised[0].conditions
        others = {r.id for r in KS.document.recipients} - {"other_users"}
        assert without(KS) == len(others) == 7
        assert without(changed(NAME, sign)) == 0


class TestDifferences:
    """
    Tests for what the next version of the document would be.
    """

    CHANGES: ClassVar[dict[str, Any]] = {
        "service_model": lambda t: table(t, "search")["purposes"].append(
            "usage_statistics"
        ),
        "control": lambda t: t["controller"].update(
            name="Another Owner Co., Ltd."
        ),
        "recipients": lambda t: t["recipients"][2].update(name="Other Blog"),
        "rights": lambda t: t["rights"][1]["deadline"].update(value=30),
        "contact_or_department": lambda t: t["controller"]["contacts"][
            0
        ].update(value="other@kanshan.in"),
        "high_risk_assessment": lambda t: t["recipients"][2].update(
            assessment={"reference": "file 3", "risk": "high"}
        ),
    }

    @pytest.mark.obligation("KS-VER-3", "KS-VER-1")
    @pytest.mark.parametrize("kind", CHANGES)
    def test_six_kinds_are_major(self, kind: str) -> None:
        """
        One change of each kind is major, of that kind, and people are told.
        """
        difference = compare(KS, changed(NAME, self.CHANGES[kind]))

        assert kind in difference.major_kinds
        assert difference.notice_due
        assert set(self.CHANGES) == set(KS.document.changes.major)

    @pytest.mark.obligation("KS-VER-3", "KS-VER-1")
    def test_a_spelling_is_minor(self) -> None:
        """
        A title or a text that is spelled otherwise is minor, and nobody is
        told or asked.
        """

        def spell(tree: dict[str, Any]) -> None:
            tree["policy"]["title"] = "Xiamo platform privacy policy"
            table(tree, "search")["text"] += " Really."

        difference = compare(KS, changed(NAME, spell))

        assert difference.changes
        assert not difference.notice_due
        assert difference.asks == ()

    @pytest.mark.obligation("KS-VER-2")
    @pytest.mark.parametrize(
        "less",
        [
            lambda t: t["rights"].pop(1),
            lambda t: t["rights"][1]["deadline"].update(value=30),
            lambda t: table(t, "search").update(retention="P5Y"),
            lambda t: t["cookies"].update(refusable=False),
            lambda t: t["minors"].update(child_barred=False),
        ],
        ids=["right", "deadline", "period", "refusal", "children"],
    )
    def test_a_reduction_is_found(self, less: Any) -> None:
        """
        A right, a deadline, a period, a way out or a bound that gets worse
        is found, and waits for people to accept it.
        """
        difference = compare(KS, changed(NAME, less))

        assert any(c.reduces_rights for c in difference.changes)
        assert difference.accept_due
        assert not compare(KS, KS).accept_due
