# SPDX-License-Identifier: MIT

"""
What the policy of principles promises (PR), shown on its documents.

The published text is a template; what an app can open is the document that a
developer made of it.
"""

from __future__ import annotations

import logging
import sys
import tomllib

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from attrs import frozen

import consentkit

from consentkit.consent.notice import notice
from consentkit.gate import Permit, Reason, Refusal
from consentkit.ledger.entries import Act
from consentkit.policy import Policy, load_policy, load_vocabulary
from consentkit.policy.diff import compare
from consentkit.policy.lint import lint
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
from tests.support import START, Clock


NAME = "principles_app"
POLICY = document(NAME)
TEMPLATE = load_policy(EXAMPLES / NAME / "template.toml")
ALL = questions(POLICY)
ADULT = Said("", Act.AGE_DECLARED, facts={"age": "declared"})
STAY = ("local_only", "drop")

# The partner that has not signed its letter of commitment.
BARRED = {q for q in ALL if q.recipient == "shelf_count"}


def reason(answer: object) -> Reason:
    """
    Give the reason of what must be a refusal.
    """
    assert isinstance(answer, Refusal), answer
    return answer.reason


def permitted(gate: Any) -> set[Question]:
    """
    Name what *gate* permits.
    """
    made = answers(gate)
    return {q for q, answer in made.items() if isinstance(answer, Permit)}


class TestTemplate:
    """
    Tests for the published text, which names no one who answers for it.
    """

    @pytest.mark.obligation("PR-NEC-1")
    def test_cannot_be_opened(self, tmp_path: Path) -> None:
        """
        It loads, and says what it leaves open; no app can open it, and
        nothing is made on disk. What a developer made of it opens.
        """
        with pytest.raises(consentkit.PolicyError, match="template"):
            consentkit.open(
                EXAMPLES / NAME / "template.toml", data_dir=tmp_path / "data"
            )

        assert TEMPLATE.template
        assert "controller" in TEMPLATE.document.unspecified
        assert not (tmp_path / "data").exists()
        path = EXAMPLES / NAME / "policy.toml"
        with consentkit.open(path, data_dir=tmp_path / "data") as kit:
            assert kit.policy == POLICY

    @pytest.mark.obligation("PR-NEC-1")
    def test_names_nothing_it_does_not_need(self) -> None:
        """
        "Specific information for specific services" is no type; the app's
        one such service names its own.
        """
        named = TEMPLATE.functions["specific_services"]
        service = POLICY.functions["nearby_libraries"]

        assert not named.clauses
        assert list(service.clauses) == ["location_coarse"]
        for policy in (TEMPLATE, POLICY):
            types = {t for f in policy.functions.values() for t in f.clauses}
            assert "function_specific_info" not in types


class TestNecessity:
    """
    Tests for the closed lists of the document.
    """

    @pytest.mark.obligation("PR-NEC-1")
    @pytest.mark.parametrize("function", POLICY.functions)
    def test_closed_list(self, function: str) -> None:
        """
        Of all types that there are, a function may ask for those of its own
        list, and for each of their purposes and no other.
        """
        gate = gate_of(_signed(), *whole(_signed()))
        listed = POLICY.functions[function].clauses

        for data_type in load_vocabulary().data_types:
            answer = gate.decide(function, data_type)
            assert isinstance(answer, Permit) is (data_type in listed)
        for made in listed.values():
            for purpose in load_vocabulary().purposes:
                answer = gate.decide(function, made.type, purpose)
                assert isinstance(answer, Permit) is (purpose in made.purposes)

    @pytest.mark.obligation("PR-NEC-1")
    def test_type_without_a_purpose(self) -> None:
        """
        A type that no purpose needs is a fault of the document.
        """

        def take_out(tree: dict[str, Any]) -> None:
            table(tree, "nearby_libraries")["purposes"] = []

        with pytest.raises(consentkit.PolicyError) as caught:
            changed(NAME, take_out)

        (fault,) = caught.value.faults
        assert fault.path == "$.functions[2].collects[0].purposes"

    @pytest.mark.obligation("PR-USE-1")
    def test_other_services(self) -> None:
        """
        What one service learns serves another only for the purpose that is
        declared for it and granted by itself.
        """
        asked = ("app_usage_overall", "personalised_experience")
        rest = [e for e in POLICY.elements if e != "cross_service_use"]
        without = gate_of(POLICY, ADULT, *rest)
        granted = gate_of(POLICY, ADULT, *rest, "cross_service_use")

        assert without.decide("analytics", "app_usage_overall")
        refused = without.decide("analytics", *asked)
        assert reason(refused) is Reason.UNDECLARED_PURPOSE
        refused = without.decide("cross_service_use", *asked)
        assert reason(refused) is Reason.NOT_ASKED
        assert granted.decide("cross_service_use", *asked)
        refused = granted.decide("cross_service_use", "phone_number")
        assert reason(refused) is Reason.UNDECLARED_DATA_TYPE


def _sign(tree: dict[str, Any]) -> None:
    """
    Have the partner's letter of commitment signed.
    """
    (party,) = [r for r in tree["recipients"] if r["id"] == "shelf_count"]
    party["accepted"] = party["requires"]


def _signed() -> Policy:
    return changed(NAME, _sign)


def _with_cases_of_the_text(tree: dict[str, Any]) -> None:
    """
    Take the exceptions of the published text as they stand.
    """
    text = (EXAMPLES / NAME / "template.toml").read_text("utf-8")
    tree["exceptions"] = tomllib.loads(text)["exceptions"]


class TestChoice:
    """
    Tests for options by which people manage their information.
    """

    @pytest.mark.obligation("PR-COL-3", "PR-CHO-1")
    @pytest.mark.parametrize("element", POLICY.elements)
    def test_each_switch(self, element: str) -> None:
        """
        One switch that is off takes what rests on it, and nothing else.
        """
        refused, resting = silo(_signed(), element)

        assert refused == resting

    @pytest.mark.obligation("PR-COL-3")
    def test_specific_service_refused(self) -> None:
        """
        Whoever keeps the place to themselves uses all else as before.
        """
        off = Said("nearby_libraries", Act.REFUSED)
        before = permitted(gate_of(POLICY, *whole(POLICY)))
        after = permitted(gate_of(POLICY, *whole(POLICY), off))

        assert {q.function for q in before - after} == {"nearby_libraries"}
        assert after == {q for q in before if q.function != "nearby_libraries"}


class TestExceptions:
    """
    Tests for sharing and disclosure without consent.
    """

    @pytest.mark.obligation("PR-EXC-1")
    @pytest.mark.parametrize("basis", load_vocabulary().bases)
    def test_each_basis(self, tmp_path: Path, basis: str) -> None:
        """
        A basis that the text does not list shares nothing; one that needs
        judgement shares nothing without somebody's word; with it one value
        is shared and the ledger names who said so. None collects.
        """
        policy = changed(NAME, _sign, _with_cases_of_the_text)
        cases = {c.basis: c for c in policy.exemptions if "sharing" in c.acts}
        asked = ("shared_statistics", "app_usage_frequency")
        full = consentkit.Basis(
            id=basis,
            person="Duty officer Li",
            reason="a case of the list",
            reference="file 12",
            until=START + timedelta(days=1),
        )
        with Watched(policy, tmp_path) as seen:
            with seen.nothing():
                collected = seen.take(
                    "analytics", "performance_data", basis=full
                )
            assert reason(collected) is Reason.BASIS_NOT_LISTED
            case = cases.get(basis)
            if case is None or case.types:
                with seen.nothing():
                    refused = seen.take(*asked, basis=full)
                assert reason(refused) is Reason.BASIS_NOT_LISTED
                return
            if case.attested:
                with seen.nothing():
                    bare = consentkit.Basis(id=basis)
                    refused = seen.take(*asked, basis=bare)
                assert reason(refused) is Reason.BASIS_NOT_ATTESTED
            assert seen.kit.consent.history() == ()
            assert seen.take(*asked, basis=full)
            assert seen.seen.reads == seen.seen.waiting == 1
            (entry,) = seen.kit.consent.history()
            assert entry.act is Act.BASIS_USED
            assert entry.facts["person"] == "Duty officer Li"
            assert not seen.take(*asked)

    @pytest.mark.obligation("PR-EXC-1")
    def test_none_is_for_collection(self) -> None:
        """
        The text excuses sharing and disclosure in its cases, and no
        collection at all.
        """
        for policy in (TEMPLATE, POLICY):
            cases = policy.document.exceptions
            assert cases
            assert {act for case in cases for act in case.acts} == {
                "sharing",
                "disclosure",
            }


class TestVersions:
    """
    Tests for what a changed document asks for.
    """

    @pytest.mark.obligation("PR-USE-4")
    @pytest.mark.parametrize("function", ["analytics", "nearby_libraries"])
    def test_changed_purpose(self, function: str) -> None:
        """
        Where a purpose is changed, what depends on it is asked for again;
        everything else stays as it was.
        """
        old = table({"functions": _tables()}, function)["purposes"][0]

        def change(tree: dict[str, Any]) -> None:
            rows = [table(tree, function), *table(tree, function)["collects"]]
            for row in rows:
                row["purposes"] = [
                    "product_improvement" if p == old else p
                    for p in row.get("purposes", [])
                ]
                if not row["purposes"]:
                    del row["purposes"]

        new = changed(NAME, change)
        gate = gate_of(new, *whole(POLICY), under=POLICY)
        made = answers(gate)

        fallen = {q for q, a in made.items() if isinstance(a, Refusal)}
        asked_anew = {
            q
            for q in questions(new)
            if q.function == function and q.purpose == "product_improvement"
        }
        assert asked_anew
        asks = compare(POLICY, new).asks
        assert {e.partition("/")[0] for e in asks} == {function}
        assert fallen - BARRED == asked_anew
        assert {reason(made[q]) for q in asked_anew} == {Reason.TERMS_CHANGED}
        assert permitted(gate_of(new, *whole(new))) >= asked_anew

    @pytest.mark.obligation("PR-TRF-1")
    def test_successor_asks_again(self, tmp_path: Path) -> None:
        """
        Another controller has no consent; one that takes the promises over
        whole has them once people were told.
        """

        def take_over(tree: dict[str, Any]) -> None:
            tree["controller"]["id"] = "loud_page"
            tree["controller"]["name"] = "Loud Page Ltd. (made up)"
            row = clause(
                tree, "support_and_activities", "support_conversation"
            )
            row["recipients"] = ["loud_page", "post_room"]

        def continue_(tree: dict[str, Any]) -> None:
            tree["controller"]["continues"] = ["quiet_page"]

        alone = changed(NAME, take_over)
        heir = changed(NAME, take_over, continue_)
        asked = ("analytics", "performance_data")
        with Watched(POLICY, tmp_path) as seen:
            seen.agree("analytics", method="confirm")
            with seen.once():
                assert seen.take(*asked)
        with Watched(alone, tmp_path) as seen:
            seen.kit.consent.adopt()
            with seen.nothing():
                assert reason(seen.take(*asked)) is Reason.TERMS_CHANGED
        with Watched(heir, tmp_path) as seen:
            with seen.nothing():
                assert reason(seen.take(*asked)) is Reason.TERMS_CHANGED
            seen.kit.consent.adopt(method="push")
            with seen.once():
                assert seen.take(*asked)

    @pytest.mark.obligation("PR-TRF-1")
    def test_successor_with_weaker_terms(self, tmp_path: Path) -> None:
        """
        A successor that is bound by the policy and keeps data longer than it
        says keeps what was agreed to before as short as before.
        """

        def take_over(tree: dict[str, Any]) -> None:
            tree["controller"]["id"] = "loud_page"
            tree["controller"]["continues"] = ["quiet_page"]
            row = clause(
                tree, "support_and_activities", "support_conversation"
            )
            row["recipients"] = ["loud_page", "post_room"]
            table(tree, "analytics")["retention"] = "P10Y"

        heir = changed(NAME, take_over)
        found = compare(POLICY, heir)
        assert found.accept_due
        assert {c.path for c in found.changes if c.reduces_rights} >= {
            "$.functions[analytics].retention"
        }
        asked = ("analytics", "performance_data")
        with Watched(POLICY, tmp_path) as seen:
            seen.agree("analytics", method="confirm")
        with Watched(heir, tmp_path) as seen:
            seen.kit.consent.adopt()
            assert seen.take(*asked)
            (before,) = seen.kit.store.inspect()
            seen.kit.flush()
            seen.agree("analytics", method="confirm")
            assert seen.take(*asked)
            (after,) = seen.kit.store.inspect()

        assert (before.expires_at - before.captured_at).days == 30
        assert (after.expires_at - after.captured_at).days > 3000


def _tables() -> Any:
    path = EXAMPLES / NAME / "policy.toml"
    return tomllib.loads(path.read_text("utf-8"))["functions"]


@frozen
class BookRead:
    """
    The document's event ``book_read``.
    """

    pages: int
    finished: bool


@frozen
class PageDrawn:
    """
    The document's event ``page_drawn``, with something added.
    """

    milliseconds: float
    nickname: str


class TestFromOutside:
    """
    Tests for the whole way of a value, seen by its source, its backend and
    the files on disk.
    """

    @pytest.mark.obligation("PR-CHO-1", "PR-COL-3")
    def test_one_list_of_all_decisions(self, tmp_path: Path) -> None:
        """
        All decisions are in one list, each with its state and its date, and
        changing one there changes what the gate lets through, that and
        nothing else.
        """
        policy = _signed()
        with Watched(policy, tmp_path) as seen:
            consent = seen.kit.consent
            consent.declare_age(adult=True)
            assert tuple(consent.state().choices) == policy.elements
            seen.agree(*policy.elements, method="confirm")
            before = permitted(seen.kit.gate())
            assert before == set(questions(policy))

            for element in policy.elements:
                seen.clock.tick(minutes=1)
                consent.withdraw(element)
                choice = consent.state().choices[element]
                assert choice.entry is not None
                assert choice.entry.at == seen.clock.now
                after = permitted(seen.kit.gate())
                resting = {
                    q
                    for q in before
                    if element
                    in policy.functions[q.function].needs(
                        q.data_type, q.recipient
                    )
                }
                assert before - after == resting
                both = [
                    e
                    for e in policy.elements
                    if e == element
                    or e.startswith((f"{element}/", f"{element}@"))
                ]
                seen.agree(*both, method="confirm")
                assert permitted(seen.kit.gate()) == before

    @pytest.mark.obligation("PR-NEC-1", "PR-USE-1")
    def test_each_clause(self, tmp_path: Path) -> None:
        """
        Before a choice nothing is read, kept or sent; after it each value
        that may leave is read once and arrives once.
        """
        asked = [q for q in ALL if q.recipient == "quiet_page"]
        with Watched(POLICY, tmp_path) as seen:
            with seen.nothing():
                for q in ALL:
                    assert not _take(seen, q)
            assert seen.kit.consent.history() == ()

            seen.kit.consent.declare_age(adult=True)
            seen.agree(*POLICY.elements, method="confirm")
            for q in asked:
                before = seen.seen
                answer = _take(seen, q)
                seen.kit.flush()
                after = seen.seen
                made = POLICY.functions[q.function].clauses[q.data_type]
                leaves = made.protection.name.value not in STAY
                assert after.reads == before.reads + 1
                assert after.sent == before.sent + leaves
                assert bool(answer) is leaves
            with seen.nothing():
                for q in BARRED:
                    assert reason(_take(seen, q)) is Reason.RECIPIENT_BARRED

    @pytest.mark.obligation("PR-COR-1")
    def test_correspondence_is_no_data(self, tmp_path: Path) -> None:
        """
        What is in letters is no type of any function, no field of an event,
        and no variable of a crash is kept; what a log line or an error's
        text has of it by way of addresses and numbers is cut out.
        """
        letter = "ann@letters.example"
        words = "planted words of a letter"

        def fail(body: str) -> None:
            msg = f"{len(body)} characters to {letter}"
            raise ValueError(msg)

        with Watched(POLICY, tmp_path) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.agree(*POLICY.elements, method="confirm")
            with seen.nothing():
                for function in POLICY.functions:
                    refused = seen.take(
                        function, "communication_content", act="sent"
                    )
                    assert reason(refused) is Reason.UNDECLARED_DATA_TYPE
            with seen.kit.use("analytics") as use:
                refused = use.capture(PageDrawn(4.0, letter))
                assert reason(refused) is Reason.UNDECLARED_EVENT
                refused = use.capture(BookRead(letter, finished=True))  # type: ignore[arg-type]
                assert reason(refused) is Reason.UNDECLARED_EVENT
                assert use.capture(BookRead(4, finished=True))
            record = logging.LogRecord(
                "app", logging.ERROR, "app.py", 1, "to %s", (letter,), None
            )
            handler = seen.kit.log_handler("analytics")
            handler.emit(record)
            try:
                fail(words)
            except ValueError:
                record = logging.LogRecord(
                    "app", logging.ERROR, "app.py", 1, "no", (), sys.exc_info()
                )
                handler.emit(record)
            seen.kit.flush()

            assert [r.data_type for r in seen.wire.records] == [
                "app_usage_frequency",
                "failure_info",
                "failure_info",
            ]
            sent = str([r.value for r in seen.wire.records])
            assert "ValueError" in sent
            for text in (letter, words):
                assert text not in sent
                assert not hits(forms(text), tmp_path)

    @pytest.mark.obligation("PR-USE-3")
    def test_analytics_is_apart(self, tmp_path: Path) -> None:
        """
        Analytics takes no type that says who somebody is, shares no batch
        and no pseudonym with what does, and cannot keep what was read for
        another function.
        """
        vocabulary = load_vocabulary().data_types
        own = POLICY.functions["analytics"]
        who = {
            t
            for t, type_ in vocabulary.items()
            if type_.identifiability in ("direct", "device")
        }
        assert not who & own.clauses.keys()
        with Watched(POLICY, tmp_path) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.agree(*POLICY.elements, method="confirm")
            with seen.nothing():
                for data_type in who:
                    refused = seen.take("analytics", data_type)
                    assert reason(refused) is Reason.UNDECLARED_DATA_TYPE
            with seen.kit.use("account", act="saved") as account:
                number = account.device("phone_number")
                with seen.kit.use("analytics") as use:
                    refused = use.capture(number)
                    assert reason(refused) is Reason.UNDECLARED_FUNCTION
                    assert use.capture(BookRead(4, finished=False))
                assert account.capture(number)
            seen.kit.flush()

            batches = [
                {r.function for r in batch.records}
                for batch in seen.wire.batches
            ]
            assert sorted(map(sorted, batches)) == [["account"], ["analytics"]]
            (first, second) = seen.wire.batches
            assert first.erase != second.erase


def _take(seen: Watched, question: Question) -> Any:
    return seen.take(
        question.function,
        question.data_type,
        purpose=question.purpose,
        recipient=question.recipient,
        act="pressed",
    )


class TestDesign:
    """
    Tests for what happens where something is broken: nothing.
    """

    @pytest.mark.obligation("PR-DSGN-1")
    def test_system_that_fails(self, tmp_path: Path) -> None:
        """
        An operating system that gives no answer, or a strange one, has not
        said yes.
        """
        answers_: list[Any] = [consentkit.OSPermission.GRANTED]

        def answer(_: str) -> Any:
            if isinstance(answers_[0], Exception):
                raise answers_[0]
            return answers_[0]

        asked = ("nearby_libraries", "location_coarse")
        with Watched(POLICY, tmp_path, os_permission=answer) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.agree(asked[0], "/".join(asked), method="confirm")
            with seen.once():
                assert seen.take(*asked)
            for strange in (RuntimeError("no service"), True, None, "granted"):
                answers_[0] = strange
                with seen.nothing():
                    refused = seen.take(*asked)
                assert reason(refused) is Reason.OS_PERMISSION

    @pytest.mark.obligation("PR-DSGN-1")
    def test_ledger_that_is_damaged(self, tmp_path: Path) -> None:
        """
        A ledger that cannot be read has no consent in it.
        """
        asked = ("analytics", "performance_data")
        with Watched(POLICY, tmp_path) as seen:
            seen.agree("analytics", method="confirm")
            with seen.once():
                assert seen.take(*asked)
        (tmp_path / "ledger.sqlite3").write_bytes(b"no ledger" * 1000)
        with Watched(POLICY, tmp_path) as seen, seen.nothing():
            refused = seen.take(*asked)
            assert reason(refused) is Reason.LEDGER_UNREADABLE

    @pytest.mark.obligation("PR-DSGN-1")
    def test_outbox_that_is_damaged(self, tmp_path: Path) -> None:
        """
        Where nothing can be kept safely, nothing is kept, and the app goes
        on.
        """
        asked = ("analytics", "performance_data")
        with Watched(POLICY, tmp_path) as seen:
            seen.agree("analytics", method="confirm")
            (tmp_path / "outbox.sqlite3").mkdir()
            refused = seen.take(*asked)
            assert reason(refused) is Reason.OUTBOX_UNUSABLE
            (tmp_path / "outbox.sqlite3").rmdir()
            with seen.once():
                assert seen.take(*asked)

    @pytest.mark.obligation("PR-DSGN-1")
    def test_clock_that_is_set_back(self, tmp_path: Path) -> None:
        """
        A clock before the day from which the policy holds opens nothing.
        """
        clock = Clock(START.replace(year=2025))
        with Watched(POLICY, tmp_path, clock=clock) as seen:
            seen.agree("analytics", method="confirm")
            with seen.nothing():
                refused = seen.take("analytics", "performance_data")
            assert reason(refused) is Reason.NOT_IN_FORCE
        with Watched(POLICY, tmp_path) as seen, seen.once():
            assert seen.take("analytics", "performance_data")

    @pytest.mark.obligation("PR-DSGN-1")
    def test_policy_that_is_damaged(self, tmp_path: Path) -> None:
        """
        A policy that is cut short at any line opens no kit, or opens one
        that knows what it has read and nothing more.
        """
        lines = (EXAMPLES / NAME / "policy.toml").read_text().splitlines()
        opened = 0
        for end in range(0, len(lines), 16):
            path = tmp_path / "policy.toml"
            path.write_text("\n".join(lines[:end]))
            try:
                policy = load_policy(path)
            except consentkit.PolicyError:
                continue
            opened += 1
            assert set(policy.functions) <= set(POLICY.functions)
            assert not permitted(gate_of(policy))
        assert opened


class TestNotices:
    """
    Tests for a policy in short and plain words.
    """

    @pytest.mark.obligation("PR-OPEN-1")
    @pytest.mark.parametrize("function", POLICY.functions)
    def test_short_form(self, function: str) -> None:
        """
        Each function has a short text that says what a refusal costs, and a
        notice behind it with its types, who gets them, and their purposes,
        also of what stays on the device.
        """
        made = POLICY.functions[function]
        words = load_vocabulary()
        text = " ".join(notice(POLICY, function).split())

        assert len(made.text) <= 300
        assert "If you refuse" in made.text
        assert made.text in text
        assert "if refused" in text
        for clause_ in made.clauses.values():
            assert words.data_types[clause_.type].name in text
            if clause_.separate or clause_.protection.name.value == "drop":
                continue
            for purpose in clause_.purposes:
                assert words.purposes[purpose].name in text

    @pytest.mark.obligation("PR-COOK-2", "PR-TP-2")
    def test_third_parties_are_bound(self) -> None:
        """
        A partner without an agreement is a finding, as in the published
        text; with agreement, letter of commitment and assessment it is none,
        and without its letter it gets nothing.
        """

        def unbind(tree: dict[str, Any]) -> None:
            for party in tree["recipients"]:
                party.pop("agreement")

        def bare(policy: Policy) -> set[str]:
            return {
                finding.path
                for finding in lint(policy)
                if finding.rule == "recipient-incomplete"
                and "agreement" in finding.message
            }

        both = {"$.recipients[0]", "$.recipients[1]"}
        assert bare(TEMPLATE) == bare(changed(NAME, unbind)) == both
        assert bare(POLICY) == set()
        assert POLICY.recipients["shelf_count"].barred
        assert not _signed().recipients["shelf_count"].barred
