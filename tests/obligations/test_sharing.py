# SPDX-License-Identifier: MIT

"""
What other parties get, by the five documents: the client's half.

Each party has a backend of its own here, so that one sees what reached it.
Where a text shares with nobody whom it names for a function, the document
is changed to give one row to such a party.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.naming import class_of
from consentkit.exceptions import NoticeNeededError, PolicyError
from consentkit.gate import Permit, Reason, Refusal
from consentkit.ledger.entries import Act
from consentkit.policy import Policy, load_vocabulary
from consentkit.policy.lint import lint
from consentkit.policy.model import ABROAD, ProtectionName
from consentkit.policy.scope import Atom
from consentkit.transports.memory import MemoryTransport
from tests.obligations.checks import (
    Question,
    Seen,
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


WORDS = load_vocabulary()

#: What tells a person, or a device, from all others.
IDENTIFIERS = sorted(
    t.id
    for t in WORDS.data_types.values()
    if t.identifiability in ("direct", "device")
)

Change = Callable[[dict[str, Any]], None]


class Parties(Watched):
    """
    A kit on a document, with a backend for each party that it names.

    Attributes:
        act: How people agree, by the document; ticking where it is silent.

        wires: The backends, by party.
    """

    def __init__(self, policy: Policy, folder: Path, **options: Any) -> None:
        self.wires = {
            party: MemoryTransport(f"memory://{party}")
            for party in policy.recipients
        }
        self.act = policy.document.consent.act or "tick"
        super().__init__(policy, folder, wire=self.wires, **options)
        if policy.minors is not None:
            self.kit.consent.declare_age(adult=True)

    @property
    def seen(self) -> Seen:
        """
        What an outsider sees of all backends together.
        """
        arrived = [r.id for w in self.wires.values() for r in w.records]
        return Seen(
            reads=sum(spy.reads for spy in self.spies.values()),
            waiting=self.kit.status().waiting,
            sent=len(arrived),
            ids=frozenset(arrived),
        )

    def agree(self, *elements: str, method: str = "") -> None:
        """
        Grant as the document says that people do.
        """
        super().agree(*elements, method=method or self.act)

    def got(self, party: str) -> list[str]:
        """
        Name the data types of what reached a party.
        """
        return [record.data_type for record in self.wires[party].records]


# Changes to a document


def _party(tree: dict[str, Any], id_: str) -> dict[str, Any]:
    return next(p for p in tree["recipients"] if p["id"] == id_)


def _named(id_: str, **more: Any) -> Change:
    """
    Add a party; an affiliate in the country, if nothing else is said.
    """
    row = {"id": id_, "name": "Other Ltd.", "mode": "affiliate"}

    def change(tree: dict[str, Any]) -> None:
        tree["recipients"].append({**row, "country": "CN", **more})

    return change


def _told(id_: str, **more: Any) -> Change:
    """
    Say something else of a party.
    """
    return lambda tree: _party(tree, id_).update(more)


def _gives(
    function: str, data_type: str, *parties: str, **more: Any
) -> Change:
    """
    Give a row to the controller and to *parties*.
    """

    def change(tree: dict[str, Any]) -> None:
        row = clause(tree, function, data_type)
        row["recipients"] = [tree["controller"]["id"], *parties]
        row.update(more)

    return change


def _case(basis: str, *acts: str, **more: Any) -> Change:
    """
    List a case in which the document does without consent.
    """
    row = {"basis": basis, "acts": [*acts], **more}
    return lambda tree: tree["exceptions"].append(row)


#: What has to be there before a party gets anything.
FILED: dict[str, dict[str, Any]] = {
    "assessment": {
        "reference": "file 3",
        "made": START.date(),
        "risk": "low",
    },
    "agreement": {"reference": "contract 3"},
}


def _signed(tree: dict[str, Any]) -> None:
    party = _party(tree, "shelf_count")
    party["accepted"] = party["requires"]


def _incomplete(policy: Policy, party: str, lack: str) -> bool:
    """
    Tell whether the check says that *party* has no *lack*.
    """
    return any(
        f"no {lack}" in finding.message
        for finding in lint(policy, today=START.date())
        if finding.rule == "recipient-incomplete"
        and finding.message.startswith(f"{party!r} ")
    )


def _basis(basis: str, **more: Any) -> consentkit.Basis:
    return consentkit.Basis(
        id=basis,
        person="Ms. Luo, Operations Center",
        reason="a court has asked for it",
        until=START + timedelta(days=1),
        **more,
    )


WP_ROW = ("product_improvement", "device_model")
KS_ROW = ("favourite_follow_share", "share_record")
GP_ROW = ("affiliate_services", "account_id")
PR_ROW = ("shared_statistics", "app_usage_frequency")

ONE_STOP: dict[str, Any] = {"purposes": ["affiliate_one_stop"]}

#: The camera app names its affiliates, and no row that they get.
WP_SHARES = (
    _named("other"),
    _gives(*WP_ROW, "affiliates", "other", **ONE_STOP),
)
GP_SHARES = (_named("other"), _gives(*GP_ROW, "gp_affiliates", "other"))
PR_SHARES = (
    _signed,
    _named("other", mode="shared"),
    _gives(*PR_ROW, "shelf_count", "other"),
)


class TestListed:
    """
    Tests for who may get anything at all.
    """

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param(
                "camera_app", marks=pytest.mark.obligation("WP-SHR-1")
            ),
            pytest.param(
                "general_platform", marks=pytest.mark.obligation("GP-SHR-1")
            ),
        ],
    )
    def test_nobody_who_is_not_listed(self, name: str) -> None:
        """
        With everything granted, of all parties those get a type that are
        listed for it, and nobody else; a permit names who gets it.
        """
        policy = document(name)
        gate = gate_of(policy, *whole(policy))
        asked = [
            Question(function.id, row.type, row.purposes[0], party)
            for function in policy.functions.values()
            for row in function.clauses.values()
            for party in (*policy.recipients, "nobody")
        ]

        made = answers(gate, asked)

        listed = set(questions(policy)) & set(asked)
        got = {q for q, a in made.items() if isinstance(a, Permit)}
        assert got == listed
        assert all(made[q].recipient == q.recipient for q in got)
        outside = {q.recipient for q in got} - {policy.controller.id}
        assert len(outside) > 1
        assert {made[q].reason for q in made if q.recipient == "nobody"} == {
            Reason.UNDECLARED_RECIPIENT
        }

    @pytest.mark.parametrize(
        ("name", "changes", "row", "party", "basis", "strange"),
        [
            pytest.param(
                "camera_app",
                WP_SHARES,
                WP_ROW,
                "affiliates",
                "legal_process",
                "public_interest",
                marks=pytest.mark.obligation("WP-SHR-1"),
            ),
            pytest.param(
                "general_platform",
                GP_SHARES,
                GP_ROW,
                "gp_affiliates",
                "criminal_justice",
                "legal_process",
                marks=pytest.mark.obligation("GP-SHR-1"),
            ),
        ],
    )
    def test_no_basis_that_is_not_listed(
        self,
        name: str,
        changes: tuple[Change, ...],
        row: tuple[str, str],
        party: str,
        basis: str,
        strange: str,
        tmp_path: Path,
    ) -> None:
        """
        Without consent a party gets something in a case that the text
        lists for sharing, with a reference, and in no other; who answers
        for it is on record.
        """
        policy = changed(name, *changes)
        function = policy.functions[row[0]]
        gate = gate_of(policy)
        atom = Atom(row[1], function.clauses[row[1]].purposes[0], party)
        cases = {
            case.basis
            for case in policy.document.exceptions
            if "sharing" in case.acts and not case.types
        }
        assert {b for b in WORDS.bases if gate.lists(b, function, atom)} == (
            cases
        )
        with Parties(policy, tmp_path) as seen:
            named = {"recipient": party}
            with seen.nothing():
                other = _basis(strange, reference="file 7")
                answer = seen.take(*row, basis=other, **named)
                assert answer.reason is Reason.BASIS_NOT_LISTED
                answer = seen.take(*row, basis=_basis(basis), **named)
                assert answer.reason is Reason.BASIS_NOT_ATTESTED
            with seen.once():
                right = _basis(basis, reference="file 7")
                seen.take(*row, basis=right, **named)
            assert seen.got(party) == [row[1]]
            used = seen.kit.consent.history(row[0])[-1]
        assert used.act is Act.BASIS_USED
        assert used.facts["basis"] == basis
        assert used.facts["reference"] == "file 7"


class TestEachParty:
    """
    Tests for the decision on each party.
    """

    @pytest.mark.parametrize(
        ("name", "changes", "row", "party", "other"),
        [
            pytest.param(
                "camera_app",
                WP_SHARES,
                WP_ROW,
                "affiliates",
                "other",
                marks=pytest.mark.obligation("WP-SHR-2"),
            ),
            pytest.param(
                "design_platform",
                (),
                KS_ROW,
                "weibo",
                "wechat",
                marks=pytest.mark.obligation("KS-PROV-2"),
            ),
            pytest.param(
                "principles_app",
                PR_SHARES,
                PR_ROW,
                "shelf_count",
                "other",
                marks=pytest.mark.obligation("PR-SHR-1"),
            ),
            pytest.param(
                "general_platform",
                GP_SHARES,
                GP_ROW,
                "gp_affiliates",
                "other",
                marks=pytest.mark.obligation("GP-SHR-4"),
            ),
        ],
    )
    def test_by_its_own_yes(
        self,
        name: str,
        changes: tuple[Change, ...],
        row: tuple[str, str],
        party: str,
        other: str,
        tmp_path: Path,
    ) -> None:
        """
        A party gets something by a yes to it, after its notice; a yes to
        the function or to another party opens nothing, and one that is
        taken back shuts that party alone.
        """
        policy = changed(name, *changes)
        needed = Reason.RECIPIENT_CONSENT_NEEDED
        with Parties(policy, tmp_path) as seen:
            consent = seen.kit.consent
            seen.agree(row[0])
            consent.accept_all(method=seen.act)
            with seen.nothing():
                for one in (party, other):
                    assert seen.take(*row, recipient=one).reason is needed
                with pytest.raises(NoticeNeededError):
                    consent.grant(f"{row[0]}@{party}", method=seen.act)
            told = consent.show(f"{row[0]}@{party}", method="dialog")
            assert policy.recipients[party].name in str(told)
            seen.agree(f"{row[0]}@{party}")
            with seen.once():
                seen.take(*row, recipient=party)
            with seen.nothing():
                assert seen.take(*row, recipient=other).reason is needed
            assert (seen.got(party), seen.got(other)) == ([row[1]], [])
            seen.agree(f"{row[0]}@{other}")
            consent.withdraw(f"{row[0]}@{party}")
            with seen.nothing():
                answer = seen.take(*row, recipient=party)
                assert answer.reason is Reason.WITHDRAWN
            with seen.once():
                seen.take(*row, recipient=other)
            assert (seen.got(party), seen.got(other)) == ([], [row[1]])

    @pytest.mark.obligation("KS-PROV-1")
    def test_affiliates_are_domestic(self, tmp_path: Path) -> None:
        """
        An affiliate in the country gets something by a yes to it, or by the
        need of a contract where the document lists that, and by no other
        basis. One abroad, or of which nobody knows where it is, gets
        nothing, whatever is agreed to.
        """
        gives = _gives(*KS_ROW, "affiliates")
        filed = _told("affiliates", **FILED)
        own = f"{KS_ROW[0]}@affiliates"
        to = {"recipient": "affiliates"}
        basis = _basis("contract", reference="file 7")
        with Parties(
            changed("design_platform", gives, filed), tmp_path / "here"
        ) as seen:
            seen.agree(KS_ROW[0])
            with seen.nothing():
                answer = seen.take(*KS_ROW, **to)
                assert answer.reason is Reason.RECIPIENT_CONSENT_NEEDED
                answer = seen.take(*KS_ROW, basis=basis, **to)
                assert answer.reason is Reason.BASIS_NOT_LISTED
            seen.agree(own)
            with seen.once():
                seen.take(*KS_ROW, **to)
            assert seen.got("affiliates") == [KS_ROW[1]]
        contract = _case("contract", "sharing", functions=[KS_ROW[0]])
        for country in ("CN", "SG", ""):
            policy = changed(
                "design_platform",
                gives,
                filed,
                contract,
                _told("affiliates", country=country),
            )
            there = f"{own}{ABROAD}"
            with Parties(policy, tmp_path / f"in-{country}") as seen:
                if country == "CN":
                    with seen.once():
                        seen.take(*KS_ROW, basis=basis, **to)
                    assert seen.got("affiliates") == [KS_ROW[1]]
                    continue
                assert (there in policy.elements) is (country == "SG")
                seen.agree(KS_ROW[0], own, *[there] * (country == "SG"))
                with seen.nothing():
                    for asked in (to, {**to, "basis": basis}):
                        answer = seen.take(*KS_ROW, **asked)
                        assert answer.reason is Reason.RECIPIENT_BARRED
                assert "may be in CN" in answer.detail

    @pytest.mark.obligation("GP-SHR-6")
    def test_what_is_sensitive_is_asked_for_by_itself(
        self, tmp_path: Path
    ) -> None:
        """
        Affiliates get what is listed for them and no other type; a
        sensitive one takes a decision of its own beside that on them.
        """
        with pytest.raises(PolicyError, match="may not get 'bank_account'"):
            changed("general_platform", self._account)
        policy = changed(
            "general_platform",
            self._account,
            _told("gp_affiliates", types=["account_id", "bank_account"]),
        )
        asked = ("affiliate_services", "bank_account")
        to = {"recipient": "gp_affiliates"}
        with Parties(policy, tmp_path) as seen:
            seen.agree(asked[0], f"{asked[0]}@gp_affiliates")
            with seen.nothing():
                answer = seen.take(*asked, **to)
                assert answer.reason is Reason.SEPARATE_CONSENT_NEEDED
                answer = seen.take(asked[0], "partner_supplied_info", **to)
                assert answer.reason is Reason.UNDECLARED_RECIPIENT
            with seen.once():
                seen.take(*GP_ROW, **to)
            seen.agree("/".join(asked))
            with seen.once():
                seen.take(*asked, **to)
            assert seen.got("gp_affiliates") == [GP_ROW[1], asked[1]]

    @staticmethod
    def _account(tree: dict[str, Any]) -> None:
        table(tree, "affiliate_services")["collects"].append(
            {
                "type": "bank_account",
                "protect": "keyed",
                "recipients": ["this_platform", "gp_affiliates"],
            }
        )

    @pytest.mark.obligation("GP-SHR-7")
    def test_a_refusal_takes_that_service_only(self, tmp_path: Path) -> None:
        """
        A partner gets its list and nothing else; refusing one takes what
        rests on it, and nothing of the controller's or of another's.
        """
        policy = document("general_platform")
        made = answers(gate_of(policy, *whole(policy)))
        lists = {
            (q.recipient, q.data_type)
            for q, answer in made.items()
            if answer and q.recipient != "this_platform"
        }
        assert lists == {
            ("gp_logistics", "postal_address"),
            ("gp_affiliates", "account_id"),
        }
        for switch, parties in (
            ("affiliate_services@gp_affiliates", {"gp_affiliates"}),
            ("transactions", {"this_platform", "gp_logistics"}),
        ):
            refused, resting = silo(policy, switch)
            assert refused == resting
            assert {q.recipient for q in refused} == parties
            assert {q.function for q in refused} == {switch.split("@")[0]}
        with Parties(policy, tmp_path) as seen:
            seen.agree(GP_ROW[0], "transactions")
            seen.kit.consent.deny(f"{GP_ROW[0]}@gp_affiliates")
            with seen.nothing():
                answer = seen.take(*GP_ROW, recipient="gp_affiliates")
                assert answer.reason is Reason.REFUSED
            with seen.once():
                seen.take(*GP_ROW)
            with seen.once():
                seen.take(
                    "transactions", "postal_address", recipient="gp_logistics"
                )
            assert seen.got("gp_logistics") == ["postal_address"]


class TestChanged:
    """
    Tests for a party of whom the next version says something else.
    """

    @pytest.mark.parametrize(
        ("name", "before", "after", "row", "party"),
        [
            pytest.param(
                "camera_app",
                WP_SHARES,
                (
                    _told("affiliates", purposes=["usage_statistics"]),
                    _told("other", purposes=["usage_statistics"]),
                    _gives(
                        *WP_ROW,
                        "affiliates",
                        "other",
                        purposes=["usage_statistics"],
                    ),
                ),
                WP_ROW,
                "affiliates",
                id="camera-purpose",
                marks=pytest.mark.obligation("WP-SHR-5"),
            ),
            pytest.param(
                "design_platform",
                (),
                (
                    _told("weibo", purposes=["marketing_messages"]),
                    _gives(*KS_ROW, "weibo", purposes=["marketing_messages"]),
                ),
                KS_ROW,
                "weibo",
                id="design-purpose",
                marks=pytest.mark.obligation("KS-PROV-3"),
            ),
            pytest.param(
                "design_platform",
                (),
                (_told("weibo", mode="affiliate"),),
                KS_ROW,
                "weibo",
                id="design-manner",
                marks=pytest.mark.obligation("KS-PROV-3"),
            ),
            pytest.param(
                "general_platform",
                (),
                (
                    _told("gp_affiliates", purposes=["marketing_messages"]),
                    _gives(
                        *GP_ROW,
                        "gp_affiliates",
                        purposes=["marketing_messages"],
                    ),
                ),
                GP_ROW,
                "gp_affiliates",
                id="general-purpose",
                marks=pytest.mark.obligation("GP-SHR-6"),
            ),
        ],
    )
    def test_is_asked_for_anew(
        self,
        name: str,
        before: tuple[Change, ...],
        after: tuple[Change, ...],
        row: tuple[str, str],
        party: str,
        tmp_path: Path,
    ) -> None:
        """
        For another purpose, or in another manner, a party gets nothing
        under the old yes; a new one opens it.
        """
        elements = (row[0], f"{row[0]}@{party}")
        with Parties(changed(name, *before), tmp_path) as seen:
            seen.agree(*elements)
            with seen.once():
                seen.take(*row, recipient=party)
        with Parties(changed(name, *before, *after), tmp_path) as seen:
            with seen.nothing():
                answer = seen.take(*row, recipient=party)
                assert answer.reason is Reason.TERMS_CHANGED
            seen.agree(*elements)
            with seen.once():
                seen.take(*row, recipient=party)
            assert seen.got(party) == [row[1]]

    @pytest.mark.parametrize(
        ("name", "changes", "row", "party", "other"),
        [
            pytest.param(
                "design_platform",
                (),
                KS_ROW,
                "weibo",
                "wechat",
                marks=pytest.mark.obligation("KS-PROV-4"),
            ),
            pytest.param(
                "general_platform",
                GP_SHARES,
                GP_ROW,
                "gp_affiliates",
                "other",
                marks=pytest.mark.obligation("GP-SHR-3"),
            ),
        ],
    )
    def test_a_high_risk_bars_it(
        self,
        name: str,
        changes: tuple[Change, ...],
        row: tuple[str, str],
        party: str,
        other: str,
        tmp_path: Path,
    ) -> None:
        """
        Whom the assessment found to be of high risk gets nothing, of what
        waited neither, whatever was granted; another does. With a low risk
        it gets it.
        """

        def found(risk: str) -> Policy:
            assessed = {"reference": "file 3", "risk": risk}
            told = _told(party, assessment=assessed)
            return changed(name, *changes, told)

        with Parties(changed(name, *changes), tmp_path) as seen:
            parties = (f"{row[0]}@{party}", f"{row[0]}@{other}")
            seen.agree(row[0], *parties)
            for one in (party, other):
                assert seen.take(*row, recipient=one)
        with Parties(found("high"), tmp_path) as seen:
            seen.kit.flush()
            assert (seen.got(party), seen.got(other)) == ([], [row[1]])
            with seen.nothing():
                answer = seen.take(*row, recipient=party)
                assert answer.reason is Reason.RECIPIENT_BARRED
            with seen.once():
                seen.take(*row, recipient=other)
        with Parties(found("low"), tmp_path) as seen:
            assert seen.take(*row, recipient=party)
            seen.kit.flush()
            assert seen.got(party)

    @pytest.mark.parametrize(
        ("name", "party"),
        [
            pytest.param(
                "design_platform",
                "affiliates",
                marks=pytest.mark.obligation("KS-PROV-4"),
            ),
            pytest.param(
                "general_platform",
                "gp_affiliates",
                marks=pytest.mark.obligation("GP-SHR-3"),
            ),
        ],
    )
    def test_what_is_missing_bars_it(self, name: str, party: str) -> None:
        """
        Where the document asks for an assessment and an agreement first, a
        party gets nothing before both can be looked up, whatever was
        granted; the check says the same of a document that does not ask.
        """
        row = KS_ROW if party == "affiliates" else GP_ROW
        first = _told(party, on_file=["assessment", "agreement"])
        assessed = FILED["assessment"]
        undated = {k: v for k, v in assessed.items() if k != "made"}

        def answer(**filed: Any) -> Permit | Refusal:
            gives = _gives(*row, party)
            policy = changed(name, gives, first, _told(party, **filed))
            purpose = policy.functions[row[0]].clauses[row[1]].purposes[0]
            asked = [Question(*row, purpose, party)]
            gate = gate_of(policy, *whole(policy))
            return answers(gate, asked)[asked[0]]

        assert isinstance(answer(**FILED), Permit)
        for filed, lack in (
            ({}, "no assessment, no agreement on file"),
            ({"agreement": FILED["agreement"]}, "no assessment on file"),
            ({"assessment": assessed}, "no agreement on file"),
            ({**FILED, "assessment": undated}, "no assessment on file"),
            (
                {**FILED, "assessment": {**assessed, "reference": ""}},
                "no assessment on file",
            ),
            (
                {**FILED, "agreement": {"reference": ""}},
                "no agreement on file",
            ),
            (
                {**FILED, "assessment": {**assessed, "risk": "high"}},
                "a high risk",
            ),
        ):
            no = answer(**filed)
            assert isinstance(no, Refusal)
            assert no.reason is Reason.RECIPIENT_BARRED
            assert no.detail.startswith(f"{party}: ")
            assert no.detail.endswith(lack)

    @pytest.mark.parametrize(
        ("name", "party"),
        [
            pytest.param(
                "design_platform",
                "affiliates",
                marks=pytest.mark.obligation("KS-PROV-4"),
            ),
            pytest.param(
                "general_platform",
                "gp_affiliates",
                marks=pytest.mark.obligation("GP-SHR-3"),
            ),
        ],
    )
    def test_what_is_missing_is_found(self, name: str, party: str) -> None:
        """
        A party without assessment and agreement is found to lack them, and
        one that has both is not.
        """
        both = _told(
            party,
            assessment={"reference": "file 3", "risk": "low"},
            agreement={"reference": "contract 3"},
        )

        for lack in ("impact assessment", "agreement"):
            assert _incomplete(document(name), party, lack)
            assert not _incomplete(changed(name, both), party, lack)

    @pytest.mark.obligation("GP-TRF-1")
    def test_a_successor_asks(self, tmp_path: Path) -> None:
        """
        A company that takes the product over gets nothing that was
        collected for the old one, nor anything new, until it is agreed to.
        """

        def taken_over(tree: dict[str, Any]) -> None:
            tree["controller"].update(id="successor", name="Successor Ltd.")
            for function in tree["functions"]:
                for row in function.get("collects", []):
                    if "this_platform" in row.get("recipients", []):
                        row["recipients"][0] = "successor"

        row = ("browse_search", "browser_type")
        with Parties(document("general_platform"), tmp_path) as seen:
            seen.agree(row[0])
            assert seen.take(*row)
            assert seen.seen.waiting == 1
        with Parties(
            changed("general_platform", taken_over), tmp_path
        ) as seen:
            with seen.nothing():
                assert seen.take(*row).reason is Reason.TERMS_CHANGED
                seen.kit.consent.adopt()  # being told is no yes
                assert seen.take(*row).reason is Reason.TERMS_CHANGED
            assert seen.got("successor") == []
            seen.agree(row[0])
            with seen.once():
                seen.take(*row)
            assert seen.got("successor") == [row[1]]


class TestStatisticsOnly:
    """
    Tests for partners that may get numbers over many people, and no row.
    """

    @pytest.mark.obligation("WP-SHR-6")
    @pytest.mark.parametrize("protect", ["keyed", "present"])
    def test_no_row_about_one_person(self, protect: str) -> None:
        """
        A document that gives such a partner a value of one person does not
        load, hashed or not; to a party that may get it, the same row goes
        by a yes for that party.
        """
        types = ["device_unique_id", "aggregate_statistics"]
        row = ("product_improvement", "device_unique_id")

        def collects(tree: dict[str, Any]) -> None:
            collected = table(tree, row[0])["collects"]
            collected.append({"type": row[1], "protect": protect})

        with pytest.raises(PolicyError, match="statistics over many people"):
            changed(
                "camera_app",
                collects,
                _told("partners", types=types),
                _gives(*row, "partners"),
            )
        gate = gate_of(document("camera_app"), *whole(document("camera_app")))
        answer = gate.decide(*WP_ROW, recipient="partners")
        assert answer.reason is Reason.UNDECLARED_RECIPIENT
        shared = changed(
            "camera_app", collects, _named("other"), _gives(*row, "other")
        )
        permit = gate_of(shared, *whole(shared)).decide(
            *row, recipient="other"
        )
        assert isinstance(permit, Permit)
        assert permit.entry.element == f"{row[0]}@other"

    @pytest.mark.obligation("WP-SHR-6", "GP-ADS-1")
    def test_no_protection_makes_one_anonymous(self) -> None:
        """
        Whatever is done to an identifier, it is personal or a pseudonym,
        and so nothing that such a partner may get.
        """
        assert len(IDENTIFIERS) > 20
        assert not any(
            class_of(type_, protection) is PrivacyClass.ANONYMOUS
            for type_ in IDENTIFIERS
            for protection in ProtectionName
        )

    @pytest.mark.obligation("GP-ADS-1")
    def test_no_document_gives_an_identifier(self) -> None:
        """
        For each identifier there is, a row that gives it to advertising and
        analysis is a fault, also where they would be listed for it; to an
        affiliate it is none.
        """

        def gives(party: str) -> Policy:
            def change(tree: dict[str, Any]) -> None:
                _party(tree, party)["types"] = IDENTIFIERS
                both = {"recipients": ["this_platform", party]}
                table(tree, GP_ROW[0])["collects"] = [
                    {"type": type_, "protect": "present", **both}
                    for type_ in IDENTIFIERS
                ]

            return changed("general_platform", change)

        with pytest.raises(PolicyError) as caught:
            gives("gp_ads_analytics")
        refused = [
            fault.path
            for fault in caught.value.faults
            if "statistics over many people" in fault.problem
        ]
        assert len(set(refused)) == len(IDENTIFIERS)
        assert set(gives("gp_affiliates").functions[GP_ROW[0]].clauses) == (
            set(IDENTIFIERS)
        )

    @pytest.mark.obligation("GP-ADS-1")
    def test_nothing_for_advertising(self) -> None:
        """
        With everything granted, and the guidelines accepted, advertising
        and analysis get none of what the document collects; an affiliate
        that it lists gets its row.
        """
        policy = changed(
            "general_platform",
            _told("gp_ads_analytics", accepted=["advertising guidelines"]),
        )
        before = document("general_platform").recipients["gp_ads_analytics"]
        assert before.barred
        assert not policy.recipients["gp_ads_analytics"].barred
        gate = gate_of(policy, *whole(policy))
        for q in questions(policy):
            answer = gate.decide(
                q.function, q.data_type, q.purpose, "gp_ads_analytics"
            )
            assert isinstance(answer, Refusal)
            assert Reason.UNDECLARED_RECIPIENT in (
                answer.reason,
                *answer.also,
            )
        assert gate.decide(*GP_ROW, recipient="gp_affiliates")


class TestEntrusted:
    """
    Tests for who works for the controller.
    """

    @pytest.mark.parametrize(
        ("name", "changes", "row", "party", "strange"),
        [
            pytest.param(
                "design_platform",
                (
                    _gives(
                        "design_tools",
                        "project_info",
                        "processors",
                        purposes=["data_processing_for_user"],
                    ),
                ),
                ("design_tools", "project_info"),
                "processors",
                "usage_statistics",
                marks=pytest.mark.obligation("KS-ENT-1"),
            ),
            pytest.param(
                "principles_app",
                (),
                ("support_and_activities", "support_conversation"),
                "post_room",
                "usage_statistics",
                marks=pytest.mark.obligation("PR-ENT-1"),
            ),
            pytest.param(
                "general_platform",
                (),
                ("transactions", "postal_address"),
                "gp_logistics",
                "marketing_messages",
                marks=pytest.mark.obligation("GP-SUP-1"),
            ),
        ],
    )
    def test_for_the_stated_purpose_only(
        self,
        name: str,
        changes: tuple[Change, ...],
        row: tuple[str, str],
        party: str,
        strange: str,
        tmp_path: Path,
    ) -> None:
        """
        For its purpose it gets what it works on, and nothing for another;
        a document that gives it something for another does not load.
        """
        policy = changed(name, *changes)
        given = policy.functions[row[0]].clauses[row[1]]
        needed = given.purposes
        to = {"recipient": party, "act": "asked"}
        with Parties(policy, tmp_path) as seen:
            seen.agree(row[0], *[f"{row[0]}/{row[1]}"] * given.separate)
            with seen.nothing():
                answer = seen.take(*row, purpose=strange, **to)
                assert answer.reason is Reason.UNDECLARED_PURPOSE
            with seen.once():
                seen.take(*row, purpose=needed[0], **to)
            assert seen.got(party) == [row[1]]
        with pytest.raises(PolicyError, match=rf"'{party}' may not get it"):
            changed(
                name,
                *changes,
                _told(party, purposes=list(needed)),
                _gives(*row, party, purposes=[strange]),
            )

    @pytest.mark.parametrize(
        ("name", "party"),
        [
            pytest.param(
                "design_platform",
                "processors",
                marks=pytest.mark.obligation("KS-ENT-1"),
            ),
            pytest.param(
                "principles_app",
                "post_room",
                marks=pytest.mark.obligation("PR-ENT-1"),
            ),
            pytest.param(
                "general_platform",
                "gp_suppliers",
                marks=pytest.mark.obligation("GP-SUP-1"),
            ),
        ],
    )
    def test_is_bound(self, name: str, party: str) -> None:
        """
        Without an agreement it is found to lack one, and with one not; who
        has not accepted what is asked of it is barred.
        """
        bare = changed(name, lambda t: _party(t, party).pop("agreement", None))
        bound = _told(party, agreement={"reference": "contract 3"})
        asked = _told(party, requires=["confidentiality"], accepted=[])

        assert _incomplete(bare, party, "agreement")
        assert not _incomplete(changed(name, bound), party, "agreement")
        barred = changed(name, asked).recipients[party].barred
        assert barred == "it has not accepted confidentiality"
        assert not document(name).recipients[party].barred


class TestPublic:
    """
    Tests for what everybody may see.
    """

    @pytest.mark.parametrize(
        ("name", "row"),
        [
            pytest.param(
                "camera_app", WP_ROW, marks=pytest.mark.obligation("WP-DISC-1")
            ),
            pytest.param(
                "design_platform",
                KS_ROW,
                marks=pytest.mark.obligation("KS-DISC-2"),
            ),
            pytest.param(
                "business_mail",
                ("device_information", "device_model"),
                marks=pytest.mark.obligation("XM-DISC-1"),
            ),
            pytest.param(
                "general_platform",
                ("device_and_logs", "os_name"),
                marks=pytest.mark.obligation("GP-DISC-1"),
            ),
        ],
    )
    def test_by_a_decision_of_its_own(
        self, name: str, row: tuple[str, str], tmp_path: Path
    ) -> None:
        """
        Nothing is public until that was agreed to by itself, after its
        notice; taken back, it is asked to be erased.
        """
        policy = changed(
            name,
            _named("public", name="Everybody", mode="public"),
            _gives(*row, "public"),
        )
        element = f"{row[0]}@public"
        with Parties(policy, tmp_path) as seen:
            seen.agree(row[0])
            seen.kit.consent.accept_all(method=seen.act)
            with seen.nothing():
                answer = seen.take(*row, recipient="public")
                assert answer.reason is Reason.RECIPIENT_CONSENT_NEEDED
                bare = consentkit.Basis(id="legal_process")
                assert not seen.take(*row, basis=bare, recipient="public")
                with pytest.raises(NoticeNeededError):
                    seen.kit.consent.grant(element, method=seen.act)
            with seen.once():
                seen.take(*row)
            seen.agree(element)
            with seen.once():
                seen.take(*row, recipient="public")
            assert seen.got("public") == [row[1]]
            seen.kit.consent.withdraw(element)
            with seen.nothing():
                assert not seen.take(*row, recipient="public")
            assert seen.got("public") == []
            assert len(seen.wires["public"].erasures) == 1

    @pytest.mark.obligation("WP-DISC-1")
    def test_by_a_case_that_somebody_answers_for(self, tmp_path: Path) -> None:
        """
        In a case that the text lists, it takes a reference to what asks
        for it, and is on record.
        """
        policy = changed(
            "camera_app",
            _named("public", name="Everybody", mode="public"),
            _gives(*WP_ROW, "public"),
        )
        to = {"recipient": "public"}
        with Parties(policy, tmp_path) as seen:
            with seen.nothing():
                basis = _basis("legal_process")
                answer = seen.take(*WP_ROW, basis=basis, **to)
                assert answer.reason is Reason.BASIS_NOT_ATTESTED
            with seen.once():
                basis = _basis("legal_process", reference="file 7")
                seen.take(*WP_ROW, basis=basis, **to)
            assert seen.got("public") == [WP_ROW[1]]
            used = seen.kit.consent.history(WP_ROW[0])[-1]
        assert (used.act, used.facts["reference"]) == (
            Act.BASIS_USED,
            "file 7",
        )

    @pytest.mark.obligation("WP-DISC-1")
    def test_by_a_case_for_disclosure(self, tmp_path: Path) -> None:
        """
        A case that the text lists for disclosure alone makes something
        public, with a reference, and gives nothing to a party; a case for
        sharing alone makes nothing public.
        """
        policy = changed(
            "camera_app",
            _named("public", name="Everybody", mode="public"),
            *WP_SHARES,
            _gives(*WP_ROW, "affiliates", "public", **ONE_STOP),
            _told("affiliates", purposes=ONE_STOP["purposes"]),
            _case("statutory_duty", "sharing"),
        )
        function = policy.functions[WP_ROW[0]]
        gate = gate_of(policy)
        for party, act in (
            ("public", "disclosure"),
            ("affiliates", "sharing"),
        ):
            atom = Atom(WP_ROW[1], ONE_STOP["purposes"][0], party)
            assert {
                b for b in WORDS.bases if gate.lists(b, function, atom)
            } == {
                case.basis
                for case in policy.document.exceptions
                if act in case.acts and not case.types
            }
        public, shared = (
            _basis(basis, reference="file 7")
            for basis in ("other_law", "statutory_duty")
        )
        with Parties(policy, tmp_path) as seen:
            with seen.nothing():
                for basis, party in (
                    (public, "affiliates"),
                    (shared, "public"),
                ):
                    answer = seen.take(*WP_ROW, basis=basis, recipient=party)
                    assert answer.reason is Reason.BASIS_NOT_LISTED
            with seen.once():
                seen.take(*WP_ROW, basis=public, recipient="public")
            with seen.once():
                seen.take(*WP_ROW, basis=shared, recipient="affiliates")
            assert seen.got("public") == seen.got("affiliates") == [WP_ROW[1]]

    @pytest.mark.obligation("KS-DISC-1")
    def test_other_users_see_the_identity_alone(self, tmp_path: Path) -> None:
        """
        Other users see the identity that a person has agreed to show, and
        no field beside it.
        """
        asked = ("profile", "public_user_identity")
        to = {"recipient": "other_users"}

        def shows(tree: dict[str, Any]) -> None:
            table(tree, asked[0])["collects"].append(
                {
                    "type": asked[1],
                    "protect": "none",
                    "recipients": ["kanshan", "other_users"],
                }
            )

        with pytest.raises(PolicyError, match="may not get 'industry_info'"):
            changed(
                "design_platform",
                _gives("profile", "industry_info", "other_users"),
            )
        with Parties(changed("design_platform", shows), tmp_path) as seen:
            seen.agree(asked[0])
            with seen.nothing():
                answer = seen.take(*asked, **to)
                assert answer.reason is Reason.RECIPIENT_CONSENT_NEEDED
            seen.agree("profile@other_users")
            with seen.nothing():
                answer = seen.take("profile", "industry_info", **to)
                assert answer.reason is Reason.UNDECLARED_RECIPIENT
            with seen.once():
                seen.take(*asked, **to)
            assert seen.got("other_users") == [asked[1]]
