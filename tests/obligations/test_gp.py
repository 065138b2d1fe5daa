# SPDX-License-Identifier: MIT

"""
What the general platform promises (GP), shown on its document.
"""

from __future__ import annotations

import re
import subprocess
import sys

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit.cli import main
from consentkit.collectors.device import DeviceSource
from consentkit.collectors.location import Fix
from consentkit.consent.age import AgeBand, age_facts, age_of_facts
from consentkit.consent.state import Status
from consentkit.exceptions import NoticeNeededError, PolicyError
from consentkit.gate import (
    FAVOURABLE,
    Moment,
    OSPermission,
    Permit,
    Reason,
    Refusal,
)
from consentkit.ledger.entries import Act, Actor
from consentkit.ledger.receipt import verify_receipt
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.policy import Category, Policy, load_vocabulary
from consentkit.policy.diff import compare
from consentkit.policy.lint import lint
from consentkit.policy.model import ABROAD, ProtectionName
from consentkit.transports.memory import MemoryTransport
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
from tests.support import IMEI, MAC, START


NAME = "general_platform"
PATH = EXAMPLES / NAME / "policy.toml"
POLICY = document(NAME)
ALL = questions(POLICY)
ADULT = Said("", Act.AGE_DECLARED, facts={"age": "declared"})

BASIC = [
    f.id for f in POLICY.functions.values() if f.category is Category.CORE
]
EXTENDED = [
    f.id
    for f in POLICY.functions.values()
    if f.category in (Category.ADDITIONAL, Category.THIRD_PARTY)
]
SEPARATE = [e for e in POLICY.elements if "/" in e]
# What the text lists and has no function for.
LISTED_ONLY = sorted(
    set(POLICY.document.definitions.personal)
    - {c for f in POLICY.functions.values() for c in f.clauses}
)


def _protection(question: Question) -> ProtectionName:
    clauses = POLICY.functions[question.function].clauses
    return clauses[question.data_type].protection.name


STAYS = (ProtectionName.LOCAL_ONLY, ProtectionName.DROP)
LEAVES = [q for q in ALL if _protection(q) not in STAYS]


def reason(answer: object) -> Reason:
    """
    Give the reason of what must be a refusal.
    """
    assert isinstance(answer, Refusal), answer
    return answer.reason


def only(function: str) -> list[Question]:
    """
    List what the document lets *function* ask for.
    """
    return [q for q in ALL if q.function == function]


def permitted(gate: Any, asked: list[Question] | None = None) -> set[Question]:
    """
    Name what *gate* permits.
    """
    made = answers(gate, asked)
    return {q for q, answer in made.items() if isinstance(answer, Permit)}


class TestConsent:
    """
    Tests for reading, understanding and agreeing first.
    """

    @pytest.mark.obligation("GP-CONS-1")
    def test_nothing_is_open_before(self) -> None:
        """
        Whoever has decided nothing has allowed nothing; whoever has allowed
        everything gets what the document lists.
        """
        assert not permitted(gate_of(POLICY))
        assert permitted(gate_of(POLICY, *whole(POLICY))) == set(ALL)

    @pytest.mark.obligation("GP-PI-1")
    @pytest.mark.parametrize("element", SEPARATE)
    def test_sensitive_types_are_decided_on_alone(self, element: str) -> None:
        """
        A yes to the function is none to a sensitive type of it; a yes to
        that opens that, and no other.
        """
        function, _, data_type = element.partition("/")
        before = gate_of(POLICY, ADULT, function, *_acknowledged())
        after = gate_of(POLICY, ADULT, function, element, *_acknowledged())
        (asked, *_) = [q for q in only(function) if q.data_type == data_type]

        answer = answers(before, [asked])[asked]
        assert reason(answer) is Reason.SEPARATE_CONSENT_NEEDED
        opened = permitted(after) - permitted(before)
        assert {q.data_type for q in opened} == {data_type}
        assert {q.function for q in opened} == {function}

    @pytest.mark.obligation("GP-PI-1")
    @pytest.mark.parametrize("data_type", LISTED_ONLY)
    def test_listed_without_a_function(self, data_type: str) -> None:
        """
        What the text lists and no function needs, such as health, is open to
        none, whatever is granted.
        """
        gate = gate_of(POLICY, *whole(POLICY))

        for function in POLICY.functions:
            answer = gate.decide(function, data_type)
            assert reason(answer) is Reason.UNDECLARED_DATA_TYPE

    @pytest.mark.obligation("GP-PI-2", "GP-BAS-1")
    @pytest.mark.parametrize("function", POLICY.functions)
    def test_closed_list(self, function: str) -> None:
        """
        Of all types that there are, a function may ask for those of its own
        list; "other information" is none.
        """
        gate = gate_of(POLICY, *whole(POLICY))
        listed = POLICY.functions[function].clauses

        for data_type in load_vocabulary().data_types:
            answer = gate.decide(function, data_type)
            assert isinstance(answer, Permit) is (data_type in listed)

    @pytest.mark.obligation("GP-USE-1", "GP-COOK-2", "GP-IND-2", "GP-SEC-2")
    @pytest.mark.parametrize("function", POLICY.functions)
    def test_purpose_lock(self, function: str) -> None:
        """
        Each type is open for its own purposes, and for no other that there
        is.
        """
        gate = gate_of(POLICY, *whole(POLICY))

        for made in POLICY.functions[function].clauses.values():
            for purpose in load_vocabulary().purposes:
                answer = gate.decide(function, made.type, purpose)
                assert isinstance(answer, Permit) is (
                    purpose in made.purposes
                ), (made.type, purpose)

    @pytest.mark.obligation("GP-USE-1")
    def test_new_purpose_is_asked_for(self) -> None:
        """
        A purpose that a later document adds is refused until it is agreed
        to; what was agreed to before goes on.
        """

        def add(tree: dict[str, Any]) -> None:
            table(tree, "device_and_logs")["purposes"].append("user_research")

        new = changed(NAME, add)
        element = "device_and_logs"
        before = gate_of(new, ADULT, element, under=POLICY)
        after = gate_of(new, ADULT, element)

        refused = before.decide(element, "os_name", "user_research")
        assert reason(refused) is Reason.TERMS_CHANGED
        assert before.decide(element, "os_name", "basic_operation")
        assert after.decide(element, "os_name", "user_research")


def _acknowledged() -> list[Said]:
    return [s for s in whole(POLICY) if s.act is Act.ACKNOWLEDGED]


class TestSilos:
    """
    Tests for what refusing one thing leaves alone.
    """

    @pytest.mark.obligation(
        "GP-BAS-3", "GP-SEC-1", "GP-IND-3", "GP-EXT-2", "GP-BAS-1"
    )
    @pytest.mark.parametrize("element", POLICY.elements)
    def test_each_switch(self, element: str) -> None:
        """
        One switch that is off takes what rests on it, and nothing else.
        """
        refused, resting = silo(POLICY, element)

        assert refused == resting

    @pytest.mark.obligation("GP-EXT-2", "GP-SEC-1", "GP-IND-3", "GP-BAS-3")
    def test_basic_functions_alone(self) -> None:
        """
        Whoever refuses all extended functions has all basic ones.
        """
        noes = [Said(f, Act.REFUSED) for f in EXTENDED]
        yeses = [e for e in POLICY.elements if e.split("/")[0] in BASIC]
        gate = gate_of(POLICY, ADULT, *noes, *yeses)

        assert permitted(gate) == {q for q in ALL if q.function in BASIC}

    @pytest.mark.obligation("GP-BAS-2")
    def test_browsing_needs_no_account(self) -> None:
        """
        With everything else refused, browsing and searching go on, and none
        of what an account takes is open.
        """
        noes = [
            Said(f, Act.REFUSED)
            for f in POLICY.functions
            if f != "browse_search"
        ]
        gate = gate_of(POLICY, ADULT, *noes, "browse_search")
        account = POLICY.functions["register"].clauses.keys()

        opened = permitted(gate)
        assert {q.function for q in opened} == {"browse_search"}
        assert not account & {q.data_type for q in opened}
        assert {p for q in opened for p in [q.purpose]} == {
            "browsing",
            "search",
        }
        assert not POLICY.document.functions[0].account


#: Reads, keeps, delivers and withdraws all that the document lists, on a
#: system that denies the permission to store and nothing else; prints how
#: much was delivered.
EVERYTHING = r"""
import logging, sys
from pathlib import Path
from consentkit.gate import OSPermission
from tests.obligations.checks import Watched, document, questions

def said(permission):
    stores = permission.startswith("storage")
    return OSPermission.DENIED if stores else OSPermission.GRANTED

policy = document("general_platform")
with Watched(policy, Path(sys.argv[1]), os_permission=said) as seen:
    seen.kit.consent.declare_age(adult=True)
    for function in policy.functions.values():
        if function.acknowledge:
            seen.kit.consent.acknowledge(function.id)
    seen.agree(*policy.elements, method="agree")
    for q in questions(policy):
        seen.take(q.function, q.data_type, act="told", attested="so")
    log = logging.getLogger("app")
    log.addHandler(seen.kit.log_handler("device_and_logs"))
    log.error("failed")
    seen.kit.flush()
    sent = len(seen.wire.records)
    seen.kit.consent.withdraw("device_and_logs")
    seen.kit.flush()
print(sent)
"""


class TestPermissions:
    """
    Tests for the operating system's permissions.
    """

    @pytest.mark.obligation("GP-PERM-1", "GP-PERM-2", "GP-PERM-6")
    @pytest.mark.parametrize("permission", ["location", "notification"])
    @pytest.mark.parametrize("answer", list(OSPermission))
    def test_takes_only_its_function(
        self, tmp_path: Path, permission: str, answer: OSPermission
    ) -> None:
        """
        What the system forbids is refused, and nothing beside it.
        """
        gate = gate_of(POLICY, *whole(POLICY))
        (rule,) = [
            p for p in POLICY.document.permissions if p.id == permission
        ]

        def asked(question: Question) -> object:
            made = POLICY.functions[question.function].clauses
            guarded = made[question.data_type].permission == permission
            moment = Moment(os_permission=answer) if guarded else FAVOURABLE
            return answers(gate, [question], moment)[question]

        refused = {q for q in ALL if isinstance(asked(q), Refusal)}

        allowed = answer in (
            OSPermission.GRANTED,
            OSPermission.NOT_APPLICABLE,
        )
        theirs = {q for q in ALL if q.function in rule.functions}
        assert theirs
        assert refused == (set() if allowed else theirs)
        assert all(reason(asked(q)) is Reason.OS_PERMISSION for q in refused)

    @pytest.mark.need_tool("strace")
    @pytest.mark.usefixtures("unmeasured")
    @pytest.mark.obligation("GP-PERM-5")
    def test_storage_is_the_apps_own(self, tmp_path: Path) -> None:
        """
        With the permission to store denied, an app that uses everything
        writes, as the kernel sees it, no file outside of its own folder,
        whose name it was given; inside of that it does.
        """
        trace, data = tmp_path / "trace", tmp_path / "data"
        done = subprocess.run(
            [
                "strace",
                "-f",
                "-qq",
                "-y",
                "-o",
                str(trace),
                "-e",
                "trace=open,openat,creat,mkdir,mkdirat,rename,renameat2",
                sys.executable,
                "-B",
                "-c",
                EVERYTHING,
                str(data),
            ],
            cwd=EXAMPLES.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert int(done.stdout) > 10
        written = set()
        for line in trace.read_text(errors="replace").splitlines():
            opened = re.search(r'open(?:at)?\(.*?"([^"]*)", (\S+)', line)
            read_only = opened and re.match(
                r"O_RDONLY(?!.*O_CREAT)", opened[2]
            )
            if opened and not read_only:
                written.add(opened[1])
            elif not opened and (made := re.search(r'"([^"]*)"', line)):
                written.add(made[1])
        outside = {w for w in written if not w.startswith(str(data))}
        assert outside <= {"/dev/null", "/dev/tty"}
        assert f"{data}/ledger.sqlite3" in written
        assert f"{data}/outbox.sqlite3" in written


class TestMinors:
    """
    Tests for the young, and for who does not say.
    """

    @pytest.mark.obligation("GP-DEF-2")
    def test_the_fourteenth_year_counts(self) -> None:
        """
        Somebody of 14 is still a child here, and none of 15; where a
        document says "below 14" it is the other way round.
        """
        from attrs import evolve

        assert POLICY.minors is not None
        elsewhere = evolve(POLICY.minors, child_until=14)
        born = date(2012, 3, 1)

        def band(minors: Any, today: date) -> AgeBand:
            facts = age_facts(minors, born=born, today=today)
            noon = START.replace(
                year=today.year, month=today.month, day=today.day
            )
            return age_of_facts(facts).band(noon)

        at_14, last, at_15 = (
            date(2026, 3, 1),
            date(2027, 2, 28),
            date(2027, 3, 1),
        )
        assert band(POLICY.minors, at_14) is AgeBand.CHILD
        assert band(POLICY.minors, last) is AgeBand.CHILD
        assert band(POLICY.minors, at_15) is AgeBand.MINOR
        assert band(elsewhere, at_14) is AgeBand.MINOR

    @pytest.mark.obligation("GP-DEF-2")
    def test_sensitive_types_are_decided_on_alone(self) -> None:
        """
        What the text calls sensitive and a function collects is a decision
        of its own wherever it may leave the device.
        """
        named = set(POLICY.document.definitions.sensitive)
        found = {
            c.type: c.separate
            for f in POLICY.functions.values()
            for c in f.clauses.values()
            if c.type in named
        }

        assert found
        assert all(found.values())

    @pytest.mark.obligation("GP-MIN-1")
    def test_unknown_age_is_not_adult(self) -> None:
        """
        While nobody has said how old they are, all that is sensitive, builds
        a picture of them or goes to others is shut, although the text
        presumes adults; an adult has it.
        """
        granted = [s for s in whole(POLICY) if s.act is not Act.AGE_DECLARED]
        unknown = answers(gate_of(POLICY, *granted))

        weighty = {
            q
            for q in ALL
            if POLICY.functions[q.function].profiling
            or len(
                POLICY.functions[q.function].needs(q.data_type, q.recipient)
            )
            > 1
        }
        shut = {q for q, a in unknown.items() if isinstance(a, Refusal)}
        assert POLICY.document.minors
        assert POLICY.document.minors.presumed_adult
        assert shut == weighty
        assert {reason(unknown[q]) for q in shut} == {Reason.AGE_UNKNOWN}
        assert not shut & permitted(gate_of(POLICY, *granted))
        assert shut <= permitted(gate_of(POLICY, ADULT, *granted))

    @pytest.mark.obligation("GP-MIN-1")
    def test_minor_needs_a_guardian(self) -> None:
        """
        A minor's own yes opens nothing; that of a verified guardian does,
        and the ledger's entry names who said it.
        """
        alone = gate_of(POLICY, _minor(), *_acknowledged(), *POLICY.elements)
        guarded = gate_of(
            POLICY, _minor(), VERIFIED, *_acknowledged(), *_by_guardian()
        )

        made = answers(alone)
        assert {reason(a) for a in made.values()} == {Reason.GUARDIAN_NEEDED}
        assert permitted(guarded) == set(ALL)
        permit = guarded.decide("register", "phone_number")
        assert isinstance(permit, Permit)
        assert permit.entry.by is Actor.GUARDIAN

    @pytest.mark.obligation("GP-MIN-1")
    def test_unverified_guardian(self) -> None:
        """
        A guardian whom nobody has verified opens nothing.
        """
        gate = gate_of(POLICY, _minor(), *_acknowledged(), *_by_guardian())

        assert not permitted(gate)

    @pytest.mark.obligation("GP-MIN-1")
    def test_guardian_takes_it_back(self) -> None:
        """
        What a guardian withdraws is shut again.
        """
        back = Said("register", Act.WITHDRAWN, by=Actor.GUARDIAN)
        gate = gate_of(
            POLICY, _minor(), VERIFIED, *_acknowledged(), *_by_guardian(), back
        )

        assert permitted(gate) == {q for q in ALL if q.function != "register"}

    @pytest.mark.obligation("GP-MIN-2")
    @pytest.mark.parametrize(
        ("mode", "country", "suffix"),
        [
            ("shared", "CN", ""),
            ("entrusted", "SG", ABROAD),
            ("public", "CN", ""),
        ],
        ids=["sharing", "transfer", "disclosure"],
    )
    def test_each_act_asks_the_guardian(
        self, mode: str, country: str, suffix: str
    ) -> None:
        """
        A guardian's yes to the account and to its use is none to sharing,
        transfer or disclosure: each is shut until the guardian grants it.
        """

        def add(tree: dict[str, Any]) -> None:
            tree["recipients"].append(
                {
                    "id": "other",
                    "name": "Other Ltd.",
                    "mode": mode,
                    "country": country,
                }
            )
            rows = clause(tree, "register", "phone_number")
            rows["recipients"] = ["this_platform", "other"]

        policy = changed(NAME, add)
        said = [
            _minor(),
            VERIFIED,
            Said("register", by=Actor.GUARDIAN),
        ]
        apart = f"register@other{suffix}"
        asked = ("register", "phone_number", "account_login", "other")

        assert gate_of(policy, *said).decide("register", "phone_number")
        assert not gate_of(policy, *said).decide(*asked)
        own = gate_of(policy, *said, apart).decide(*asked)
        assert reason(own) is Reason.GUARDIAN_NEEDED
        guarded = Said(apart, by=Actor.GUARDIAN)
        assert gate_of(policy, *said, guarded).decide(*asked)

    @pytest.mark.obligation("GP-MIN-2")
    def test_affiliates_are_a_guardians_decision(self) -> None:
        """
        On the document as it stands: the affiliates of the platform get
        nothing of a minor by the guardian's yes to the function alone.
        """
        said = [
            _minor(),
            VERIFIED,
            Said("affiliate_services", by=Actor.GUARDIAN),
        ]
        asked = (
            "affiliate_services",
            "account_id",
            "affiliate_one_stop",
            "gp_affiliates",
        )
        apart = Said("affiliate_services@gp_affiliates", by=Actor.GUARDIAN)

        assert gate_of(POLICY, *said).decide(*asked[:3])
        assert not gate_of(POLICY, *said).decide(*asked)
        assert gate_of(POLICY, *said, apart).decide(*asked)


VERIFIED = Said(
    "",
    Act.GUARDIAN_VERIFIED,
    by=Actor.CONTROLLER,
    facts={"reference": "file 7"},
)


def _minor() -> Said:
    assert POLICY.minors is not None
    facts = age_facts(POLICY.minors, born=date(2010, 1, 1), today=START.date())
    return Said("", Act.AGE_DECLARED, facts=facts)


def _by_guardian() -> list[Said]:
    return [Said(e, by=Actor.GUARDIAN) for e in POLICY.elements]


class TestAbroad:
    """
    Tests for what leaves the country.
    """

    @pytest.mark.obligation("GP-LOC-2")
    def test_a_transfer_is_its_own_decision(self) -> None:
        """
        A yes to the function sends nothing abroad; a yes to that transfer
        does, and its notice names recipient, place and purpose.
        """
        from consentkit.consent.notice import notice

        policy = _with_recipient_abroad()
        asked = ("device_and_logs", "os_name", "basic_operation", "overseas")
        apart = f"device_and_logs@overseas{ABROAD}"

        before = gate_of(policy, ADULT, "device_and_logs").decide(*asked)
        after = gate_of(policy, ADULT, "device_and_logs", apart)

        assert reason(before) is Reason.ABROAD_CONSENT_NEEDED
        permit = after.decide(*asked)
        assert isinstance(permit, Permit)
        assert permit.entry.element == apart
        text = " ".join(notice(policy, apart).split())
        assert "your data leaves the country" in text
        assert "Overseas Data Centre Ltd. (SG)" in text
        assert "Keep the basic functions running" in text

    @pytest.mark.obligation("GP-LOC-2")
    def test_accepting_everything_sends_nothing_abroad(
        self, tmp_path: Path
    ) -> None:
        """
        One act that agrees to all does not agree to a transfer.
        """
        policy = _with_recipient_abroad()
        with Watched(policy, tmp_path) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.kit.consent.accept_all(method="agree")
            state = seen.kit.consent.state()
            apart = f"device_and_logs@overseas{ABROAD}"
            with pytest.raises(NoticeNeededError):
                seen.kit.consent.grant(apart, method="agree")
            seen.agree(apart, method="agree")
            assert seen.kit.consent.state().permits(apart)

        assert state.permits("device_and_logs")
        assert not any(
            state.permits(e) for e in policy.elements if e.endswith(ABROAD)
        )

    @pytest.mark.obligation("GP-LOC-5")
    def test_only_tokens_leave(self, tmp_path: Path) -> None:
        """
        Without the consent to that transfer nothing leaves the country, not
        even de-identified; with it, what leaves of an identifier is a token
        that is no token at home, and the identifier itself is on no wire
        and no disk.
        """

        def add(tree: dict[str, Any]) -> None:
            for type_ in ("imei", "mac_address"):
                row = clause(tree, "device_and_logs", type_)
                row["recipients"] = ["this_platform", "overseas"]

        policy = _with_recipient_abroad(add)
        home, overseas = MemoryTransport(), MemoryTransport()
        raw = {"imei": IMEI, "mac_address": MAC, "os_name": "Linux"}
        facts = {t: partial(str, value) for t, value in raw.items()}
        with consentkit.open(
            policy,
            data_dir=tmp_path,
            transport={"this_platform": home, "overseas": overseas},
            sources=[DeviceSource("a phone", facts)],
        ) as kit:
            kit.consent.declare_age(adult=True)
            kit.consent.grant("device_and_logs", method="agree")

            def send(*parties: str) -> list[Any]:
                made = []
                with kit.use("device_and_logs") as use:
                    for party in parties:
                        got = use.device(*raw, recipient=party)
                        made.append(use.capture(got) if got else got)
                kit.flush()
                return made

            at_home, refused = send("this_platform", "overseas")
            assert at_home
            assert reason(refused) is Reason.ABROAD_CONSENT_NEEDED
            assert overseas.records == []

            apart = f"device_and_logs@overseas{ABROAD}"
            kit.consent.show(apart, method="dialog")
            kit.consent.grant(apart, method="agree")
            (kept,) = send("overseas")
            assert kept

        abroad = {r.data_type: r for r in overseas.records}
        known = {r.data_type: r for r in home.records}
        assert abroad.keys() == known.keys() == raw.keys()
        for type_ in ("imei", "mac_address"):
            assert abroad[type_].privacy_class == "pseudonymised"
            assert abroad[type_].value != known[type_].value
            assert not hits(forms(raw[type_]), tmp_path)
            assert raw[type_] not in repr([r.value for r in overseas.records])
        assert abroad["os_name"].value == "Linux"

    @pytest.mark.obligation("GP-LOC-5")
    @pytest.mark.parametrize("type_", ["imei", "mac_address", "android_id"])
    def test_no_document_sends_it_as_it_is(self, type_: str) -> None:
        """
        A document that gives an identifier abroad as it is, is not loaded.
        """

        def add(tree: dict[str, Any]) -> None:
            row = clause(tree, "device_and_logs", type_)
            row["recipients"] = ["this_platform", "overseas"]
            row["protect"] = "none"

        with pytest.raises(PolicyError, match=type_):
            _with_recipient_abroad(add)


def _with_recipient_abroad(
    more: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Policy:
    def add(tree: dict[str, Any]) -> None:
        tree["recipients"].append(
            {
                "id": "overseas",
                "name": "Overseas Data Centre Ltd.",
                "mode": "entrusted",
                "country": "SG",
            }
        )
        row = clause(tree, "device_and_logs", "os_name")
        row["recipients"] = ["this_platform", "overseas"]

    return changed(NAME, add, more)


class TestDeIdentified:
    """
    Tests for what is said to be no sharing, because nobody is named.
    """

    @pytest.mark.obligation("GP-DEID-1")
    def test_a_pseudonym_is_not_exempt(self) -> None:
        """
        A keyed digest of an account is given to affiliates by a decision of
        its own and not without, like any other data.
        """
        asked = ("account_id", "affiliate_one_stop", "gp_affiliates")
        function, apart = "affiliate_services", "@gp_affiliates"

        without = gate_of(POLICY, ADULT, function)
        refused = without.decide(function, *asked)
        assert reason(refused) is Reason.RECIPIENT_CONSENT_NEEDED
        granted = gate_of(POLICY, ADULT, function, function + apart)
        permit = granted.decide(function, *asked)
        assert isinstance(permit, Permit)
        assert permit.clause.protection.name is ProtectionName.KEYED

    @pytest.mark.obligation("GP-DEID-1")
    def test_no_data_set_goes_out(self) -> None:
        """
        A data set that is called de-identified is given to nobody whom the
        document does not list for it, and a document that lists partners
        for advertising is not loaded.
        """

        def give(tree: dict[str, Any]) -> None:
            row = clause(tree, "research", "deidentified_dataset")
            row["recipients"] = ["this_platform", "gp_ads_analytics"]

        gate = gate_of(POLICY, *whole(POLICY))
        for party in POLICY.recipients:
            answer = gate.decide(
                "research", "deidentified_dataset", "user_research", party
            )
            assert isinstance(answer, Permit) is (party == "this_platform")
        with pytest.raises(PolicyError, match="gp_ads_analytics"):
            changed(NAME, give)


class TestDocument:
    """
    Tests for what the document has to say.
    """

    @pytest.mark.obligation("GP-PRIN-1")
    @pytest.mark.parametrize(
        ("key", "value", "place"),
        [
            ("on_refusal", None, "$.functions[0].on_refusal"),
            ("purposes", [], "$.functions[0].collects[0].purposes"),
            ("basis", [], "$.functions[0].basis"),
        ],
    )
    def test_each_function_has_a_purpose_and_a_choice(
        self, key: str, value: object, place: str
    ) -> None:
        """
        A function without a purpose, or which does not say what refusing it
        costs, is a fault; the document as it stands has none, and a switch
        for each.
        """

        def take_out(tree: dict[str, Any]) -> None:
            table(tree, "browse_search").pop(key)
            if value is not None:
                table(tree, "browse_search")[key] = value

        with pytest.raises(PolicyError) as caught:
            changed(NAME, take_out)

        assert place in {fault.path for fault in caught.value.faults}
        assert set(POLICY.functions) <= set(POLICY.elements)

    @pytest.mark.obligation("GP-CNT-1")
    def test_has_a_contact(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        Two telephone numbers reach the platform, and are printed; a document
        without any is not loaded.
        """

        def take_out(tree: dict[str, Any]) -> None:
            del tree["controller"]["contacts"]

        assert main(["policy", "show", str(PATH)]) == 0
        told = capsys.readouterr().out
        assert "(+86) 15328151424, (+86) 18380435262" in told
        with pytest.raises(PolicyError) as caught:
            changed(NAME, take_out)
        paths = {fault.path for fault in caught.value.faults}
        assert paths == {"$.controller.contact"}

    @pytest.mark.obligation("GP-PROT-3", "GP-LIAB-1")
    def test_measures_and_liability_are_printed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Each measure is printed, and the sentence on liability.
        """
        measures = POLICY.document.security.measures
        assert {
            "firewalls",
            "intranet database",
            "training",
            "management system by data life cycle",
        } <= set(measures)
        (text,) = [t for t in POLICY.document.texts if t.id == "liability"]

        assert main(["policy", "show", str(PATH)]) == 0
        told = capsys.readouterr().out
        part = told.partition("\nHow data is protected\n")[2]
        lines = part.partition("\n\n")[0].splitlines()
        assert lines == [f"  - {measure}" for measure in measures]
        assert text.text in " ".join(told.split())

    @pytest.mark.obligation("GP-SDK-2")
    def test_partners_of_sdks_are_bound(self) -> None:
        """
        Partners whose SDKs are embedded, with no agreement named, are a
        finding; with one they are none.
        """

        def bind(tree: dict[str, Any]) -> None:
            (party,) = [r for r in tree["recipients"] if r["id"] == "gp_sdks"]
            party["agreement"] = {"reference": "agreement 3"}

        def bare(policy: Policy) -> bool:
            return any(
                finding.rule == "recipient-incomplete"
                and "'gp_sdks' has no agreement" in finding.message
                for finding in lint(policy)
            )

        assert bare(POLICY)
        assert not bare(changed(NAME, bind))


def agree_to_all(seen: Watched, *elements: str) -> None:
    """
    Be an adult who has read everything and agrees, to *elements* or to all.
    """
    seen.kit.consent.declare_age(adult=True)
    seen.kit.consent.acknowledge("communication", method="agree")
    seen.agree(*elements or seen.kit.policy.elements, method="agree")


def take(seen: Watched, question: Question) -> Any:
    """
    Ask for one value as an app does, by the person's own act.
    """
    return seen.take(
        question.function,
        question.data_type,
        purpose=question.purpose,
        recipient=question.recipient,
        act="pressed",
    )


#: What all places have behind the point.
MOVED = b"2944813"


def _move(seen: Watched, number: int) -> None:
    """
    Go on by more than a hundred kilometres: a place that was told need not
    be told again before there is another.
    """
    for type_ in ("location_precise", "location_coarse"):
        latitude = float(f"{number % 60}.{MOVED.decode()}")
        seen.spies[type_].value = Fix(latitude=latitude, longitude=latitude)


class TestFromOutside:
    """
    Tests for the whole way of a value, seen by its source, its backend and
    the files on disk.
    """

    @pytest.mark.obligation("GP-CONS-1")
    def test_silence_before_agreement(self, tmp_path: Path) -> None:
        """
        On a fresh install nothing is read, kept or sent, and using the app
        agrees to nothing.
        """
        with Watched(POLICY, tmp_path) as seen:
            with seen.nothing():
                refused = [take(seen, q) for q in ALL]
                refused += [seen.take(q.function, q.data_type) for q in ALL]
            assert {reason(r) for r in refused} == {
                Reason.NOT_ASKED,
                Reason.AGE_UNKNOWN,
            }
            assert seen.kit.consent.history() == ()

    @pytest.mark.obligation(
        "GP-CONS-1", "GP-PI-1", "GP-DEF-4", "GP-BIZ-1", "GP-DEID-1"
    )
    def test_each_clause_after_agreement(self, tmp_path: Path) -> None:
        """
        Once agreed to, each value that may leave is read once and arrives
        once; what stays on the device is read and goes nowhere; business
        data is not even read.
        """
        with Watched(POLICY, tmp_path) as seen:
            agree_to_all(seen)
            before = seen.seen
            answers_ = {}
            for number, q in enumerate(ALL):
                _move(seen, number)
                answers_[q] = take(seen, q)
            seen.kit.flush()
            after = seen.seen
            dropped = [q for q in ALL if _protection(q) is ProtectionName.DROP]
            stayed = {q for q, a in answers_.items() if isinstance(a, Refusal)}
            assert stayed == set(ALL) - set(LEAVES)
            assert {reason(answers_[q]) for q in stayed} == {
                Reason.STAYS_ON_DEVICE
            }
            assert after.reads - before.reads == len(ALL) - len(dropped)
            # The two other recipients have no backend here.
            ours = [q for q in LEAVES if q.recipient == "this_platform"]
            assert after.waiting == len(LEAVES) - len(ours) == 2
            assert sorted(
                (r.function, r.data_type, r.purpose) for r in seen.wire.records
            ) == sorted((q.function, q.data_type, q.purpose) for q in ours)
            raw = [MOVED, *(text.encode() for text in seen.plants.values())]
            assert not hits([*raw, *(r.hex().encode() for r in raw)], tmp_path)
            assert seen.spies["business_data"].reads == 0
            assert seen.spies["account_password"].reads > 0
            classes = {r.privacy_class for r in seen.wire.records}
            assert "pseudonymised" in classes
            assert "anonymous" not in classes

    @pytest.mark.obligation("GP-CONS-1")
    @pytest.mark.parametrize(
        "method", ["launch", "scroll", "use", "tick", "app"]
    )
    def test_the_act_that_agrees(self, tmp_path: Path, method: str) -> None:
        """
        The text names one act, to agree; no other grants.
        """
        with Watched(POLICY, tmp_path) as seen:
            consent = seen.kit.consent
            with pytest.raises(ValueError, match="method"):
                consent.grant("register", method=method)
            with pytest.raises(ValueError, match="on before"):
                consent.grant("register", method="agree", preselected=True)
            assert consent.history() == ()

            entry = consent.grant("register", method="agree")
            assert (entry.act, entry.method) == (Act.GRANTED, "agree")

    @pytest.mark.obligation("GP-PERM-7")
    def test_idle_function(self, tmp_path: Path) -> None:
        """
        Over a day on which everything is allowed and nothing is in use, no
        source is read; in use, it is.
        """
        allow = {"location": OSPermission.GRANTED}
        with Watched(
            POLICY,
            tmp_path,
            os_permission=lambda p: allow.get(p, OSPermission.GRANTED),
        ) as seen:
            agree_to_all(seen)
            with seen.nothing():
                for _ in range(24):
                    seen.clock.tick(hours=1)
                    refused = [
                        seen.kit.decide(q.function, q.data_type) for q in ALL
                    ]
                    assert {
                        Reason.NOT_IN_USE in (reason(r), *r.also)
                        for r in refused
                        if isinstance(r, Refusal)
                    } == {True}
                    assert not any(isinstance(r, Permit) for r in refused)
                    seen.kit.flush()
            with seen.once():
                assert seen.take("location_service", "location_precise")

    @pytest.mark.obligation("GP-PERM-6", "GP-PERM-1")
    def test_permission_closed_in_the_settings(self, tmp_path: Path) -> None:
        """
        A permission that is taken away in the system's settings, with no
        call to the library, stops the next read, and only of its function.
        """
        system = {
            "location": OSPermission.GRANTED,
            "notification": OSPermission.GRANTED,
        }
        with Watched(POLICY, tmp_path, os_permission=system.get) as seen:
            agree_to_all(seen)
            with seen.once():
                assert seen.take("location_service", "location_coarse")

            system["location"] = OSPermission.DENIED
            with seen.nothing():
                refused = seen.take("location_service", "location_coarse")
            assert reason(refused) is Reason.OS_PERMISSION
            noted = [
                (e.element, e.facts["cause"])
                for e in seen.kit.consent.history()
                if e.act is Act.SIGNAL_CONFLICT
            ]
            assert noted == [
                ("location_service", "os_permission location: denied")
            ]
            with seen.once():
                assert seen.take("notifications", "payment_status")

    @pytest.mark.obligation("GP-SEC-2")
    def test_read_for_security_only(self, tmp_path: Path) -> None:
        """
        What was read for security is kept for no other function, and read
        for no other purpose; for security it is kept.
        """
        with Watched(POLICY, tmp_path) as seen:
            agree_to_all(seen)
            with seen.kit.use("security") as use:
                found = use.device("service_log")
                with seen.kit.use("device_and_logs") as other:
                    kept = other.capture(found)
                assert reason(kept) is Reason.UNDECLARED_FUNCTION
                assert use.capture(found)
            seen.kit.flush()
            assert len(seen.wire.records) == 1
            with seen.nothing():
                for purpose in ("product_improvement", "advertising_delivery"):
                    refused = seen.take(
                        "security", "account_id", purpose=purpose
                    )
                    assert reason(refused) is Reason.UNDECLARED_PURPOSE

    @pytest.mark.obligation("GP-BIZ-1", "GP-DEF-4")
    def test_business_data_is_closed(self, tmp_path: Path) -> None:
        """
        What users process with the platform is no other function's, and not
        read even where its own is in use by the user's own act.
        """
        with Watched(POLICY, tmp_path) as seen:
            agree_to_all(seen)
            with seen.nothing():
                for function in POLICY.functions:
                    answer = seen.take(function, "business_data", act="told")
                    own = function == "business_data"
                    assert reason(answer) is (
                        Reason.STAYS_ON_DEVICE
                        if own
                        else Reason.UNDECLARED_DATA_TYPE
                    )
                idle = seen.take("business_data", "business_data")
                assert reason(idle) is Reason.NO_ACT

    @pytest.mark.obligation("GP-MIN-3")
    def test_found_to_be_a_minor(self, tmp_path: Path) -> None:
        """
        When a user turns out to be a minor without a guardian's consent,
        what waits is destroyed, what was sent is asked back, and nothing
        more is read.
        """
        with Watched(POLICY, tmp_path) as seen:
            seen.agree("browse_search", "notifications", method="agree")
            assert seen.take("browse_search", "browser_type")
            assert seen.take("notifications", "payment_status")
            seen.kit.flush()
            assert len(seen.wire.records) == 2
            assert seen.take("browse_search", "stay_time")
            assert seen.kit.status().waiting == 1

            seen.kit.consent.declare_age(born=date(2013, 5, 1))
            assert seen.kit.status().waiting == 0
            seen.kit.flush()
            assert seen.wire.records == []
            assert len(seen.wire.erasures) == 2
            with seen.nothing():
                refused = seen.take("browse_search", "browser_type")
            assert reason(refused) is Reason.GUARDIAN_NEEDED


class TestNotices:
    """
    Tests for what people are shown first.
    """

    @pytest.mark.obligation("GP-EXT-1")
    @pytest.mark.parametrize("function", EXTENDED)
    def test_notice_then_consent_then_read(
        self, tmp_path: Path, function: str
    ) -> None:
        """
        Before an extended function is first used, it is said what it is and
        what it needs, then asked; nothing is read in between, nothing is
        asked a second time, and after a no the app does not ask.
        """
        types = POLICY.functions[function].clauses
        words = load_vocabulary().data_types
        with Watched(POLICY, tmp_path) as seen:
            consent = seen.kit.consent
            consent.declare_age(adult=True)
            assert function in consent.may_ask()
            with seen.nothing():
                notice = consent.show(function, method="dialog")
                for data_type in types:
                    assert not seen.take(function, data_type, act="pressed")
            text = " ".join(notice.text.split())
            assert POLICY.functions[function].name in text
            assert all(words[t].name in text for t in types)

            consent.grant(function, method="agree")
            acts = [e.act for e in consent.history(function)]
            assert acts == [Act.NOTICE_SHOWN, Act.GRANTED]
            (_, granted) = consent.history(function)
            assert granted.notice == notice.digest
            assert function not in consent.may_ask()

            consent.deny(function)
            seen.clock.tick(days=400)
            assert function not in consent.may_ask()

    @pytest.mark.obligation("GP-TP-2")
    def test_third_partys_policy_first(self, tmp_path: Path) -> None:
        """
        Logging in with a third party's account is granted only after its
        notice, which points to that party's own policy.
        """
        with Watched(POLICY, tmp_path) as seen:
            consent = seen.kit.consent
            with pytest.raises(NoticeNeededError):
                consent.grant("third_party_login", method="agree")
            text = consent.show("third_party_login").text
            assert "that platform's own policy" in " ".join(text.split())
            assert consent.grant("third_party_login", method="agree")

    @pytest.mark.obligation("GP-PUB-1")
    def test_before_publishing(self, tmp_path: Path) -> None:
        """
        That anybody can see what is published has to be acknowledged first.
        """
        with Watched(POLICY, tmp_path) as seen:
            seen.agree("communication", method="agree")
            asked = ("communication", "comment_record")
            with seen.nothing():
                refused = seen.take(*asked, act="publish")
            assert reason(refused) is Reason.NOT_ACKNOWLEDGED
            said = POLICY.functions["communication"].acknowledge
            assert "Anybody can see what you publish" in said

            seen.kit.consent.acknowledge("communication")
            with seen.once():
                assert seen.take(*asked, act="publish")

    @pytest.mark.obligation("GP-CONS-2")
    @pytest.mark.parametrize("element", SEPARATE)
    def test_sensitive_types_stand_out(self, element: str) -> None:
        """
        Each sensitive type has a line of its own in its function's notice,
        and a notice of its own, which says that it is sensitive and what a
        leak may do.
        """
        from consentkit.consent.notice import notice

        function, _, data_type = element.partition("/")
        name = load_vocabulary().data_types[data_type].name

        whole_ = " ".join(notice(POLICY, function).split())
        apart = " ".join(notice(POLICY, element).split())
        assert name in whole_.partition("asked apart")[2]
        assert "because this is sensitive" in apart
        assert "if it leaks" in apart
        assert name in apart


class TestExceptions:
    """
    Tests for ten cases of collection without consent.
    """

    @pytest.mark.obligation("GP-EXC-1")
    def test_are_ten(self) -> None:
        """
        The list is closed: ten bases, six of them for sharing too.
        """
        cases = POLICY.document.exceptions

        assert len({c.basis for c in cases}) == len(cases) == 10
        assert all("collection" in c.acts for c in cases)
        assert sum("sharing" in c.acts for c in cases) == 6

    @pytest.mark.obligation("GP-EXC-1")
    @pytest.mark.parametrize("basis", load_vocabulary().bases)
    def test_each_basis(self, tmp_path: Path, basis: str) -> None:
        """
        A basis that is not listed for it is refused; one that needs
        judgement is refused without somebody's word, and with it is good
        for one use, which the ledger names.
        """
        function, data_type = _case(basis)
        listed = {
            c.basis: c
            for c in POLICY.exemptions
            if c.covers(function, data_type, _purpose(function, data_type))
            and "collection" in c.acts
        }
        full = consentkit.Basis(
            id=basis,
            person="Duty officer Li",
            reason="a case of the list",
            reference="file 12",
            until=START + timedelta(days=1),
        )
        with Watched(POLICY, tmp_path) as seen:
            if basis not in listed:
                with seen.nothing():
                    refused = seen.take(function, data_type, basis=full)
                assert reason(refused) is Reason.BASIS_NOT_LISTED
                return
            if listed[basis].attested:
                with seen.nothing():
                    bare = consentkit.Basis(id=basis)
                    refused = seen.take(function, data_type, basis=bare)
                assert reason(refused) is Reason.BASIS_NOT_ATTESTED
            assert seen.kit.consent.history() == ()
            with seen.once():
                assert seen.take(function, data_type, basis=full)
            (entry,) = seen.kit.consent.history()
            assert entry.act is Act.BASIS_USED
            assert entry.facts["basis"] == basis
            assert entry.facts["person"] == "Duty officer Li"
            with seen.nothing():
                again = seen.take(function, data_type)
            assert reason(again) is Reason.NOT_ASKED


def _case(basis: str) -> tuple[str, str]:
    """
    Choose a function and a type that a case with *basis* may be about.
    """
    cases = {
        "contract": ("register", "phone_number"),
        "stable_operation": ("device_and_logs", "service_log"),
        "statutory_duty": ("security", "account_id"),
    }
    return cases.get(basis, ("device_and_logs", "device_model"))


def _purpose(function: str, data_type: str) -> str:
    return POLICY.functions[function].clauses[data_type].purposes[0]


def _new_service(tree: dict[str, Any]) -> None:
    table(tree, "profile")["purposes"].append("marketing_messages")


def _new_owner(tree: dict[str, Any]) -> None:
    tree["controller"]["name"] = "Another Platform Ltd."


def _new_recipient(tree: dict[str, Any]) -> None:
    row = clause(tree, "register", "phone_number")
    row["recipients"] = ["this_platform", "gp_suppliers"]


def _fewer_rights(tree: dict[str, Any]) -> None:
    del tree["rights"][1]


def _new_contact(tree: dict[str, Any]) -> None:
    tree["controller"]["contacts"][0]["value"] = "(+86) 13900000000"


def _high_risk(tree: dict[str, Any]) -> None:
    tree["recipients"][3]["assessment"] = {
        "reference": "assessment 7",
        "risk": "high",
    }


MAJOR = {
    "service_model": _new_service,
    "control": _new_owner,
    "recipients": _new_recipient,
    "rights": _fewer_rights,
    "contact_or_department": _new_contact,
    "high_risk_assessment": _high_risk,
}


class TestVersions:
    """
    Tests for what a changed document does to what was agreed to.
    """

    @pytest.mark.obligation("GP-VER-1")
    def test_reduction_waits_for_consent(self, tmp_path: Path) -> None:
        """
        A longer period holds for nobody who has not agreed to it: until
        then the shorter one of before rules, and afterwards the longer.
        """

        def longer(tree: dict[str, Any]) -> None:
            (rule,) = [
                r for r in tree["retention"] if r["id"] == "browsing_month"
            ]
            rule["period"] = "P1Y"

        new = changed(NAME, longer)
        with Watched(POLICY, tmp_path) as seen:
            agree_to_all(seen, "browse_search")
        with Watched(new, tmp_path) as seen:
            asked = ("browse_search", "stay_time")
            before = _kept_for(seen, *asked)
            choice = seen.kit.consent.state().choices["browse_search"]
            assert choice.status is Status.WIDENED
            assert "browse_search" in seen.kit.consent.may_ask()
            seen.agree("browse_search", method="agree")
            after = _kept_for(seen, *asked)

        assert before <= timedelta(days=31)
        assert after >= timedelta(days=365)

    @pytest.mark.obligation("GP-VER-1")
    def test_no_to_the_new_terms(self, tmp_path: Path) -> None:
        """
        Whoever declines what a new version adds stays under the old one.
        """

        def add(tree: dict[str, Any]) -> None:
            table(tree, "device_and_logs")["purposes"].append("user_research")

        asked = ("device_and_logs", "os_name")
        with Watched(POLICY, tmp_path) as seen:
            agree_to_all(seen, "device_and_logs")
        with Watched(changed(NAME, add), tmp_path) as seen:
            seen.kit.consent.decline("device_and_logs")
            with seen.once():
                assert seen.take(*asked)
            with seen.nothing():
                refused = seen.take(*asked, purpose="user_research")
            assert reason(refused) is Reason.TERMS_CHANGED
            assert "device_and_logs" not in seen.kit.consent.may_ask()

    @pytest.mark.obligation("GP-VER-1")
    @pytest.mark.parametrize("what", ["deadline", "right", "opt-out"])
    def test_reductions_are_found(self, what: str) -> None:
        """
        A later reply, a right that is gone and a way out that is gone are
        each found, and hold nobody who has not accepted them.
        """

        def reduce(tree: dict[str, Any]) -> None:
            if what == "deadline":
                tree["rights"][0]["deadline"]["value"] = 60
            elif what == "right":
                del tree["rights"][1]
            else:
                del table(tree, "email_tracking")["turn_off"]

        found = compare(POLICY, changed(NAME, reduce))

        assert found.accept_due
        assert any(change.reduces_rights for change in found.changes)

    @pytest.mark.obligation("GP-VER-2")
    @pytest.mark.parametrize("kind", MAJOR)
    def test_major_changes(self, kind: str) -> None:
        """
        One change of each of the six kinds is major and named, and asks for
        a notice.
        """
        found = compare(POLICY, changed(NAME, MAJOR[kind]))

        assert set(MAJOR) == set(POLICY.document.changes.major)
        assert kind in found.major_kinds
        assert found.notice_due

    @pytest.mark.obligation("GP-VER-2")
    def test_minor_changes(self) -> None:
        """
        A text that is put better is minor, and asks for nothing.
        """

        def reword(tree: dict[str, Any]) -> None:
            table(tree, "browse_search")["text"] += " Come in."

        found = compare(POLICY, changed(NAME, reword))

        assert [c.path for c in found.changes] == [
            "$.functions[browse_search].text"
        ]
        assert not found.needs_something

    @pytest.mark.obligation("GP-VER-3")
    def test_old_versions_are_archived(self, tmp_path: Path) -> None:
        """
        Each entry ever made leads to the exact document that it was made
        under, also after that has changed.
        """
        from consentkit.policy import parse_canonical

        def change(tree: dict[str, Any]) -> None:
            tree["policy"]["version"] = "2"

        new = changed(NAME, change)
        with Watched(POLICY, tmp_path) as seen:
            agree_to_all(seen, "browse_search")
        with Watched(new, tmp_path) as seen:
            seen.agree("notifications", method="agree")
        ledger = SQLiteLedger(
            tmp_path / "ledger.sqlite3", keys=tmp_path / "keys"
        )
        receipts = [verify_receipt(r.text) for r in ledger.receipts()]
        ledger.close()

        assert {r.entry.text for r in receipts} == {POLICY.digest, new.digest}
        for receipt in receipts:
            assert parse_canonical(receipt.policy).digest == receipt.entry.text

    @pytest.mark.obligation("GP-TRF-2")
    def test_successor(self, tmp_path: Path) -> None:
        """
        After a merger or a bankruptcy the new company asks again; one that
        is bound by the statement goes on once people were told.
        """

        def take_over(tree: dict[str, Any]) -> None:
            tree["controller"]["id"] = "successor"
            tree["controller"]["name"] = "Successor Ltd."
            for function in tree["functions"]:
                for row in function.get("collects", []):
                    row["recipients"] = [
                        "successor" if r == "this_platform" else r
                        for r in row.get("recipients", ["this_platform"])
                    ]

        def bound(tree: dict[str, Any]) -> None:
            tree["controller"]["continues"] = ["this_platform"]

        alone, heir = changed(NAME, take_over), changed(NAME, take_over, bound)
        asked = ("browse_search", "browser_type")
        with Watched(POLICY, tmp_path) as seen:
            agree_to_all(seen, "browse_search")
            assert seen.take(*asked)
        with Watched(alone, tmp_path) as seen:
            seen.kit.consent.adopt()
            with seen.nothing():
                assert reason(seen.take(*asked)) is Reason.TERMS_CHANGED
        with Watched(heir, tmp_path) as seen:
            with seen.nothing():
                assert reason(seen.take(*asked)) is Reason.TERMS_CHANGED
            seen.kit.consent.adopt()
            with seen.once():
                assert seen.take(*asked)


def _kept_for(seen: Watched, function: str, data_type: str) -> timedelta:
    """
    Capture one value, and tell for how long it is to be kept.
    """
    seen.kit.flush()
    assert seen.take(function, data_type)
    (record,) = seen.kit.store.inspect()
    return record.expires_at - record.captured_at
