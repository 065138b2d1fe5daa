# SPDX-License-Identifier: MIT

"""
What the documents promise to tell: changes, until people were told of them,
and the assessment of what is done with their data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consentkit.disclose import ChangeNotice, assessment, change_notice
from consentkit.policy import Policy, ProtectionName, load_vocabulary
from tests.obligations.checks import (
    Watched,
    changed,
    clause,
    document,
    questions,
    table,
)


WP = "camera_app"
KS = "design_platform"
GP = "general_platform"

# A change of each kind that the three documents call major.
MAJOR = {
    "service_model": lambda t: t["functions"][0]["purposes"].append(
        "user_research"
    ),
    "control": lambda t: t["controller"].update(name="Other Ltd."),
    "recipients": lambda t: t["recipients"][0].update(name="Other Party"),
    "rights": lambda t: t["rights"].pop(1),
    "contact_or_department": lambda t: t["controller"]["contacts"][0].update(
        value="+86 755 0000 0000"
    ),
    "high_risk_assessment": lambda t: t["recipients"][-1].update(
        assessment={"reference": "file 3", "risk": "high"}
    ),
}
KINDS = {
    "service_model": "what it does",
    "control": "who answers",
    "recipients": "who gets it",
    "rights": "your rights",
    "contact_or_department": "whom to ask",
    "high_risk_assessment": "risk",
}


def due(watched: Watched) -> ChangeNotice | None:
    """
    Ask as an app does at its start.
    """
    kit = watched.kit
    return change_notice(kit.policy, kit.consent.history(), kit.ledger.policy)


def act(policy: Policy) -> str:
    """
    Name the act that agrees, by the document.
    """
    return policy.document.consent.act or "tick"


class TestChanges:
    """
    Tests for the notice of a new version.
    """

    @pytest.mark.parametrize("kind", MAJOR)
    @pytest.mark.parametrize(
        ("name", "function"),
        [
            pytest.param(
                WP, "control_device", marks=pytest.mark.obligation("WP-VER-2")
            ),
            pytest.param(
                KS, "search", marks=pytest.mark.obligation("KS-VER-1")
            ),
            pytest.param(
                GP,
                "device_and_logs",
                marks=pytest.mark.obligation("GP-VER-2"),
            ),
        ],
    )
    def test_is_due_until_told(
        self, name: str, function: str, kind: str, tmp_path: Path
    ) -> None:
        """
        A change of each of the six kinds is told at the next start and
        login, and again at the one after: using the app and agreeing to
        something do not put it away. Once told, it is due no more, over
        restarts.
        """
        old = document(name)
        new = changed(
            name,
            MAJOR[kind],
            lambda t: t["policy"].update(version="the next one"),
        )
        with Watched(old, tmp_path) as seen:
            assert due(seen) is None
            seen.agree(function, method=act(old))
            assert due(seen) is None
        for start in ("first", "second"):
            with Watched(new, tmp_path) as seen:
                notice = due(seen)
                assert notice is not None, start
                for type_ in new.functions[function].clauses:
                    seen.take(function, type_)
                seen.kit.consent.show(function, method="dialog")
                seen.kit.consent.grant(function, method=act(new))
                seen.kit.flush()
                assert due(seen) is not None, start
        assert (notice.told, notice.version) == (old.version, new.version)
        assert notice.difference is not None
        assert kind in notice.difference.major_kinds
        assert f"\n  {KINDS[kind]} " in notice.text
        assert all(len(line) <= 78 for line in notice.text.splitlines())
        with Watched(new, tmp_path) as seen:
            seen.kit.consent.adopt(method="notice_at_login")
            assert due(seen) is None
        with Watched(new, tmp_path) as seen:
            assert due(seen) is None

    @pytest.mark.parametrize(
        ("name", "function"),
        [
            pytest.param(
                WP, "control_device", marks=pytest.mark.obligation("WP-VER-2")
            ),
            pytest.param(
                KS, "search", marks=pytest.mark.obligation("KS-VER-1")
            ),
            pytest.param(
                GP,
                "device_and_logs",
                marks=pytest.mark.obligation("GP-VER-2"),
            ),
        ],
    )
    def test_is_not_due_for_little(
        self, name: str, function: str, tmp_path: Path
    ) -> None:
        """
        A text that is put better is told to nobody, and nobody who begins
        with the new version is told what it was before.
        """

        def reword(tree: dict[str, Any]) -> None:
            table(tree, function)["text"] += " Come in."
            tree["policy"]["version"] = "the next one"

        old, new = document(name), changed(name, reword)
        with Watched(old, tmp_path / "a") as seen:
            seen.agree(function, method=act(old))
        with Watched(new, tmp_path / "a") as seen:
            assert due(seen) is None
        bigger = changed(name, MAJOR["control"])
        with Watched(bigger, tmp_path / "b") as seen:
            assert due(seen) is None
            seen.agree(function, method=act(bigger))
            assert due(seen) is None

    @pytest.mark.obligation("WP-VER-2")
    def test_says_what_changed(self, tmp_path: Path) -> None:
        """
        The notice says from when it holds, what stood there and stands
        there now, what is less, what is asked anew, and how many smaller
        changes there are.
        """

        def change(tree: dict[str, Any]) -> None:
            tree["policy"]["version"] = "2027-01"
            tree["controller"]["name"] = "Other Ltd."
            tree["rights"].pop(4)
            clause(tree, "product_improvement", "device_model")["purposes"] = [
                "usage_statistics",
                "user_research",
            ]
            table(tree, "profile")["name"] = "Your profile"

        old, new = document(WP), changed(WP, change)
        with Watched(old, tmp_path) as seen:
            seen.agree("product_improvement", method="confirm")
        with Watched(new, tmp_path) as seen:
            notice = due(seen)
        assert notice is not None
        text = " ".join(notice.text.split())

        assert f"Version 2027-01, in force from {new.effective}" in text
        assert f"last told of version {old.version}" in text
        assert f'"Other Ltd." instead of "{old.controller.name}"' in text
        assert "no more; less than you had" in text
        assert 'function product_improvement: "Count users and' in text
        assert "asked anew Improve the product" in text
        assert "besides 2 smaller changes" in text
        assert "until a yes what takes something from you does not" in text

    @pytest.mark.obligation("WP-VER-2")
    def test_in_doubt_it_is_due(self, tmp_path: Path) -> None:
        """
        Where the older text cannot be found or read, people are told.
        """
        new = changed(WP, lambda t: t["policy"].update(version="next"))
        with Watched(document(WP), tmp_path) as seen:
            seen.agree("profile", method="confirm")
            history = seen.kit.consent.history()
        for archived in (None, "no policy"):
            notice = change_notice(new, history, lambda _, a=archived: a)  # type: ignore[misc]
            assert notice is not None
            assert notice.difference is None
            assert "please read it anew" in notice.text


class TestAssessment:
    """
    Tests for the draft of an impact assessment.
    """

    @pytest.mark.obligation("GP-PIA-1")
    def test_names_every_flow(self) -> None:
        """
        Each flow of the document is in it, with its form, purposes and
        period, to whom it goes, or that it stays; and nothing else is.
        """
        policy = document(GP)
        rows = [
            line
            for line in assessment(policy).splitlines()
            if line.startswith("| ") and "`" in line
        ]
        flows = {
            (q.function, q.data_type, q.recipient) for q in questions(policy)
        }

        assert len(rows) == len(flows)
        text = assessment(policy)
        for function in policy.functions.values():
            part = text.partition(f"(`{function.id}`)\n")[2]
            part = part.partition("\n#")[0]
            for made in function.clauses.values():
                own = [r for r in part.splitlines() if f"`{made.type}`)" in r]
                stays = made.protection.name in (
                    ProtectionName.LOCAL_ONLY,
                    ProtectionName.DROP,
                )
                assert len(own) == (1 if stays else len(made.recipients))
                for purpose in made.purposes:
                    assert all(f"(`{purpose}`)" in row for row in own)
                for recipient in made.recipients:
                    there = any(f"(`{recipient}`" in row for row in own)
                    assert there is not stays
                assert all(str(made.retention) in row for row in own)

    @pytest.mark.obligation("GP-PIA-1")
    def test_names_what_is_at_risk(self) -> None:
        """
        Sensitive types, recipients, what leaves the country or goes to
        others, and who is profiled are in it; what a document does not do,
        its draft does not name.
        """
        policy = document(GP)
        text = assessment(policy)
        words = load_vocabulary().data_types
        sensitive = text.partition("## Sensitive types")[2]
        sensitive = sensitive.partition("\n## ")[0]
        for function in policy.functions.values():
            for type_ in function.clauses:
                named = f"(`{type_}`)" in sensitive
                defined = type_ in policy.document.definitions.sensitive
                assert named is (words[type_].sensitive or defined), type_
        recipients = text.partition("## Recipients")[2].partition("\n## ")[0]
        for recipient in policy.recipients.values():
            assert recipient.name in recipients
        assert "agreement: none named" in recipients
        risks = text.partition("## Risks")[2].partition("\n## ")[0]
        assert "`affiliate_services/account_id` goes to another party" in risks
        assert "`cookies` builds a picture of the person" in risks
        assert "leaves the country" not in risks

        def abroad(tree: dict[str, Any]) -> None:
            tree["recipients"].append(
                {
                    "id": "overseas",
                    "name": "Overseas Ltd.",
                    "mode": "entrusted",
                    "country": "SG",
                    "agreement": {"reference": "file 8"},
                    "assessment": {"reference": "file 9", "risk": "low"},
                }
            )
            row = clause(tree, "device_and_logs", "os_name")
            row["recipients"] = ["this_platform", "overseas"]

        more = assessment(changed(GP, abroad))
        assert "`device_and_logs/os_name` leaves the country" in more
        assert "agreement: file 8; assessed as low: file 9" in more

    @pytest.mark.parametrize(
        "name", [WP, KS, GP, "business_mail", "principles_app"]
    )
    def test_of_each_document(self, name: str) -> None:
        """
        A draft can be made of each document, and leaves to people what
        only people can judge.
        """
        policy = document(name)
        text = assessment(policy)

        assert text.count("Necessity and proportion: *to be judged*") == len(
            policy.functions
        )
        assert policy.digest in text
        for function in policy.functions.values():
            runs = f"`{function.id}` runs code of another party"
            assert (runs in text) is bool(function.sdk)
