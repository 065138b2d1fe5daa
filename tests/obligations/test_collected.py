# SPDX-License-Identifier: MIT

"""
What the documents promise to take, and nothing beside it: closed lists of
types, replies and forms full of more, and fields that hang on a permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from attrs import make_class

import consentkit

from consentkit.anonymise.observations import LogLine
from consentkit.anonymise.together import together
from consentkit.collectors.device import DeviceSource
from consentkit.exceptions import PolicyError
from consentkit.gate import OSPermission, Reason, Refusal
from consentkit.policy import Policy, load_vocabulary
from consentkit.policy.model import ProtectionName
from consentkit.transports.memory import MemoryTransport
from tests.faults.support import forms, hits
from tests.obligations.checks import (
    Watched,
    changed,
    clause,
    document,
    key_for,
    table,
)
from tests.support import IMEI, Clock


WP = "camera_app"
KS = "design_platform"
XM = "business_mail"
PR = "principles_app"
GP = "general_platform"

_STAYS = (ProtectionName.LOCAL_ONLY, ProtectionName.DROP)


class Reply:
    """
    What somebody else's reply, or a form, holds; a kit reads it field by
    field, and what was not promised is read by nobody.
    """

    def __init__(
        self, policy: Policy, folder: Path, values: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.values = values
        self.wire = MemoryTransport()
        self.asked: list[str] = []
        facts = {t: partial(self._give, t) for t in values}
        self.kit = consentkit.open(
            policy,
            data_dir=folder,
            transport=self.wire,
            seal_for=key_for(policy),
            sources=[DeviceSource("the reply", facts)],
            clock=Clock(),
        )
        self.kit.consent.declare_age(adult=True)

    def _give(self, data_type: str) -> str:
        self.asked.append(data_type)
        return self.values[data_type]

    def take(self, function: str) -> dict[str, Any]:
        """
        Read each field of the reply, keep it, and deliver what was kept.
        """
        made: dict[str, Any] = {}
        with self.kit.use(function, act="the person pressed it") as use:
            for data_type in self.values:
                got = use.device(data_type)
                made[data_type] = use.capture(got) if got else got
        self.kit.flush()
        return made


def agree(kit: consentkit.Kit, *functions: str) -> None:
    """
    Say yes to each function and to all of it that is asked for by itself,
    in the document's own way.
    """
    for element in kit.policy.elements:
        function = element.partition("@")[0].partition("/")[0]
        if function in functions:
            found = kit.policy.functions[function]
            if found.acknowledge and element == function:
                kit.consent.acknowledge(function)
            kit.consent.show(element, method="dialog")
            kit.consent.grant(element, method=found.method or "tick")


def planted(*data_types: str) -> dict[str, str]:
    """
    Make up a value for each type, and one for what nobody declared.
    """
    return {
        t: f"139055{number:05}"
        if t.endswith("phone_number")
        else f"planted-{t}-4711"
        for number, t in enumerate(data_types, 100)
    }


def only_declared(
    tmp_path: Path, name: str, function: str, extra: tuple[str, ...]
) -> None:
    """
    Check that of a reply with all that is declared and *extra*, only what is
    declared is read, stored or sent; and that without a yes nothing is.
    """
    policy = document(name)
    clauses = policy.functions[function].clauses
    assert not set(extra) & set(clauses)
    assert set(extra) <= set(load_vocabulary().data_types)
    values = planted(*clauses, *extra)
    reply = Reply(policy, tmp_path, values)

    before = reply.take(function)

    assert all(isinstance(one, Refusal) for one in before.values())
    assert reply.asked == []
    assert reply.wire.records == []

    agree(reply.kit, function)
    after = reply.take(function)
    reply.kit.close()

    leaves = {t for t in clauses if clauses[t].protection.name not in _STAYS}
    assert {r.data_type for r in reply.wire.records} == leaves
    assert not set(reply.asked) & set(extra)
    for data_type in extra:
        assert after[data_type].reason is Reason.UNDECLARED_DATA_TYPE
    assert not hits({f for t in extra for f in forms(values[t])}, tmp_path)
    sent = repr([r.value for r in reply.wire.records])
    assert not any(values[t] in sent for t in extra)


class TestReplies:
    """
    Tests for replies and forms that hold more than was promised.
    """

    @pytest.mark.obligation("WP-PAY-1")
    def test_of_a_purchase(self, tmp_path: Path) -> None:
        """
        Of a payment's callback the package, the camera and the outcome are
        stored; account, card and number are on no disk and no wire.
        """
        extra = ("payment_account_id", "bank_account", "phone_number")
        only_declared(tmp_path, WP, "cloud_purchase", extra)

    @pytest.mark.obligation("KS-PAY-1")
    def test_of_a_payment(self, tmp_path: Path) -> None:
        """
        Undeclared fields of the institution's reply are dropped, and each
        of the sensitive ones was asked for by itself.
        """
        policy = document(KS)
        clauses = policy.functions["payment"].clauses
        assert clauses["bank_account"].separate
        assert clauses["bank_card_type"].separate

        only_declared(
            tmp_path, KS, "payment", ("phone_number", "id_card_number")
        )

    @pytest.mark.obligation("KS-REG-2")
    def test_of_another_account(self, tmp_path: Path) -> None:
        """
        Avatar, nickname and open id are taken of a platform's reply.
        """
        extra = ("phone_number", "contact_details", "device_country")
        only_declared(tmp_path, KS, "register_third_party", extra)

    @pytest.mark.obligation("GP-IND-1")
    def test_of_another_account_of_a_platform(self, tmp_path: Path) -> None:
        """
        What the other platform gives beside avatar, nickname and contact is
        dropped.
        """
        extra = ("phone_number", "bank_account", "device_country")
        only_declared(tmp_path, GP, "third_party_login", extra)

    @pytest.mark.obligation("PR-COL-1")
    def test_of_a_form(self, tmp_path: Path) -> None:
        """
        What the person fills in is taken, from that act; what stands beside
        it is not.
        """
        only_declared(tmp_path, PR, "account", ("email_address", "real_name"))

    @pytest.mark.obligation("PR-COL-2")
    def test_of_a_letter(self, tmp_path: Path) -> None:
        """
        What is written to support is taken, and nothing beside it.
        """
        extra = ("email_address", "location_city")
        only_declared(tmp_path, PR, "support_and_activities", extra)

    @pytest.mark.obligation("WP-VID-1")
    def test_of_a_share(self, tmp_path: Path) -> None:
        """
        The share function takes nothing at all of the other app's callback.
        """
        policy = document(WP)
        assert not policy.functions["share_video"].clauses
        values = planted("third_party_open_id", "nickname", "avatar")
        reply = Reply(policy, tmp_path, values)
        agree(reply.kit, "share_video")

        made = reply.take("share_video")
        shared = make_class("VideoShared", list(values))(**values)
        with reply.kit.use("share_video", act="share") as use:
            event = use.capture(shared)
        reply.kit.flush()
        reply.kit.close()

        for answer in (*made.values(), event):
            assert isinstance(answer, Refusal)
        assert reply.asked == []
        assert reply.wire.records == []
        assert not hits(
            {f for one in values.values() for f in forms(one)}, tmp_path
        )


class TestClosedLists:
    """
    Tests for functions that may take what is listed, and nothing else.
    """

    @pytest.mark.obligation("WP-REG-1")
    def test_no_password_in_any_event(self, tmp_path: Path) -> None:
        """
        The list of registration is closed; a password or a code that is put
        into any event is refused, and nowhere on disk. What is listed
        arrives.
        """
        policy = document(WP)
        only_declared(
            tmp_path / "list", WP, "register_login", ("nickname", "avatar")
        )
        with Watched(policy, tmp_path / "events") as watched:
            watched.kit.consent.declare_age(adult=True)
            agree(watched.kit, *policy.functions)
            secret = "planted-password-4711"
            for function in policy.functions.values():
                names = {*function.events, "registered"}
                with watched.kit.use(function.id, act="press") as use:
                    for name in names:
                        title = "".join(p.title() for p in name.split("_"))
                        fields = getattr(
                            function.events.get(name), "fields", {}
                        )
                        made = make_class(title, [*fields, "password"])
                        event = made(
                            **dict.fromkeys(fields, 1), password=secret
                        )
                        assert isinstance(use.capture(event), Refusal)
            watched.kit.flush()
            assert watched.wire.records == []
        assert not hits(set(forms(secret)), tmp_path)

    @pytest.mark.obligation("WP-CTRL-1")
    def test_settings_for_control_alone(self, tmp_path: Path) -> None:
        """
        Settings go to the controller for commanding the camera; for another
        purpose, or with a type of the account, they are refused.
        """
        with Watched(document(WP), tmp_path) as watched:
            watched.kit.consent.declare_age(adult=True)
            agree(watched.kit, "control_device")
            with watched.once():
                assert watched.take("control_device", "smart_device_settings")
            with watched.nothing():
                other = watched.take(
                    "control_device",
                    "smart_device_settings",
                    purpose="product_improvement",
                )
                assert other.reason is Reason.UNDECLARED_PURPOSE
                for data_type in ("account_id", "nickname", "phone_number"):
                    refused = watched.take("control_device", data_type)
                    assert refused.reason is Reason.UNDECLARED_DATA_TYPE

    @pytest.mark.obligation("PR-USE-2")
    def test_a_sixth_type_of_analytics(self, tmp_path: Path) -> None:
        """
        The listed types arrive; any other is refused, and not read.
        """
        policy = document(PR)
        listed = policy.functions["analytics"].clauses
        others = set(load_vocabulary().data_types) - set(listed)
        with Watched(policy, tmp_path) as watched:
            watched.kit.consent.declare_age(adult=True)
            agree(watched.kit, "analytics")
            for data_type, clause in listed.items():
                if clause.protection.name in _STAYS:
                    continue
                with watched.once():
                    assert watched.take("analytics", data_type), data_type
            with watched.nothing():
                for data_type in sorted(others):
                    refused = watched.take("analytics", data_type)
                    assert refused.reason is Reason.UNDECLARED_DATA_TYPE

    @pytest.mark.obligation("WP-IMPR-3")
    def test_a_city_and_no_coordinates(self, tmp_path: Path) -> None:
        """
        The place of improvement is a city's name: precise sources are not
        read, even where they are there.
        """
        policy = document(WP)
        with Watched(policy, tmp_path) as watched:
            watched.kit.consent.declare_age(adult=True)
            agree(watched.kit, "product_improvement", "bind_device")
            city = watched.spies["location_city"]
            city.value = watched.spies["location_precise"].value
            # What is no name of a place is no value, and goes nowhere.
            with watched.kit.use("product_improvement") as use:
                device = use.device("location_city")
            assert device.values == ()
            assert len(device.unavailable) == 1
            city.value = "Hangzhou"
            with watched.once():
                assert watched.take("product_improvement", "location_city")
            (record,) = watched.wire.records
            assert record.value == "Hangzhou"
            with watched.nothing():
                for data_type in ("location_precise", "location_coarse"):
                    refused = watched.take("product_improvement", data_type)
                    assert refused.reason is Reason.UNDECLARED_DATA_TYPE
            assert watched.spies["location_precise"].reads == 0

    @pytest.mark.obligation("WP-GRAV-2")
    def test_samples_stay_in_memory(self, tmp_path: Path) -> None:
        """
        A thousand readings turn the video, and leave outbox and disk as
        they were; asked to keep one, the outbox refuses.
        """
        watching = {"watching"}.__contains__
        with Watched(document(WP), tmp_path, conditions=watching) as watched:
            watched.kit.consent.declare_age(adult=True)
            agree(watched.kit, "screen_rotation")
            before = {p: p.read_bytes() for p in tmp_path.rglob("outbox*")}
            with watched.kit.use("screen_rotation") as use:
                for _ in range(1_000):
                    seen = use.device("screen_orientation")
                    assert seen["screen_orientation"]
                kept = use.capture(seen)
            watched.kit.flush()

            assert kept.reason is Reason.STAYS_ON_DEVICE
            assert watched.spies["screen_orientation"].reads == 1_000
            assert watched.seen.waiting == watched.seen.sent == 0
            after = {p: p.read_bytes() for p in tmp_path.rglob("outbox*")}
            assert after == before
            assert hits(watched.needles, tmp_path) == []


class TestByPermission:
    """
    Tests for fields that hang on a permission of the operating system.
    """

    @pytest.mark.obligation("WP-TERM-1")
    def test_one_field_less(self, tmp_path: Path) -> None:
        """
        Where the list of apps is denied it is not read, and the rest of the
        terminal's facts are there; where it is granted, it is read.
        """
        answers = {"installed_apps_query": OSPermission.DENIED}

        def ask(permission: str) -> OSPermission:
            return answers.get(permission, OSPermission.GRANTED)

        with Watched(document(WP), tmp_path, os_permission=ask) as watched:
            watched.kit.consent.declare_age(adult=True)
            agree(watched.kit, "basic_operation")
            with watched.kit.use("basic_operation") as use:
                device = use.device("os_version", "installed_apps")
                kept = use.capture(device)

            (refused,) = device.refused
            assert refused.reason is Reason.OS_PERMISSION
            assert watched.spies["installed_apps"].reads == 0
            assert device["os_version"]
            assert kept
            answers["installed_apps_query"] = OSPermission.GRANTED
            with watched.kit.use("basic_operation") as use:
                assert use.device("installed_apps")["installed_apps"]
            assert watched.spies["installed_apps"].reads == 1

    @pytest.mark.obligation("XM-DEV-1")
    def test_as_each_permission_lets(self, tmp_path: Path) -> None:
        """
        Where the place is denied it is not read, and the model is; where it
        is granted, it arrives.
        """
        answers = {"location": OSPermission.DENIED}

        def ask(permission: str) -> OSPermission:
            return answers.get(permission, OSPermission.GRANTED)

        with Watched(document(XM), tmp_path, os_permission=ask) as watched:
            watched.kit.consent.declare_age(adult=True)
            agree(watched.kit, "device_location", "device_information")
            with watched.nothing():
                refused = watched.take("device_location", "location_precise")
                assert refused.reason is Reason.OS_PERMISSION
            with watched.once():
                assert watched.take("device_information", "device_model")
            answers["location"] = OSPermission.GRANTED
            with watched.once():
                assert watched.take("device_location", "location_precise")


class TestHelp:
    """
    Tests for logs that are sent with a call for help.
    """

    PLACE = "48.8583701, 2.2944813"
    LINE = (
        f"{{number}} 绑定失败 binding failed at {PLACE}, IMEI {IMEI}, "
        "call 13905550123"
    )
    PRIVATE = (*PLACE.split(", "), IMEI, "13905550123")

    @pytest.mark.obligation("WP-LIST-HELP")
    def test_only_by_the_persons_act(self, tmp_path: Path) -> None:
        """
        Without the person's act a log is not even looked at. With it there
        is a preview without numbers and places, and nothing is on disk or
        wire until it is sent; what arrives is the preview.
        """
        asked: list[int] = []

        def line() -> str:
            asked.append(1)
            return self.LINE.format(number=len(asked))

        with Watched(document(WP), tmp_path) as watched:
            kit = watched.kit
            kit.consent.declare_age(adult=True)
            agree(kit, "support")
            with watched.nothing(), kit.use("support") as use:
                refused = use.log_line_if_permitted("diagnostics_log", line)
                assert isinstance(refused, Refusal)
                assert refused.reason is Reason.NO_ACT
            assert asked == []

            with kit.use("support", act="pressed_help") as use:
                shown = use.log_line_if_permitted("diagnostics_log", line)
                assert isinstance(shown, LogLine)
                kit.flush()
                assert watched.seen.waiting == watched.seen.sent == 0
                # The person looks at it, and goes away.
            assert shown.text.startswith("1 绑定失败 binding failed")
            assert not any(text in shown.text for text in self.PRIVATE)
            kit.flush()
            assert watched.wire.records == []

            with kit.use("support", act="pressed_help") as use:
                shown = use.log_line_if_permitted("diagnostics_log", line)
                assert isinstance(shown, LogLine)
                assert use.capture(shown)
            kit.flush()
            (record,) = watched.wire.records
            assert record.data_type == "diagnostics_log"
            assert record.value == shown.text
            assert record.value.startswith("2 绑定失败 binding failed")
        for text in self.PRIVATE:
            assert not hits(forms(text), tmp_path)

    @pytest.mark.obligation("WP-LIST-HELP")
    def test_what_waits_can_be_seen(self, tmp_path: Path) -> None:
        """
        What the person's act has put into the outbox can be looked at there
        as it will leave, and is taken back by withdrawing.
        """
        with Watched(document(WP), tmp_path) as watched:
            kit = watched.kit
            kit.consent.declare_age(adult=True)
            agree(kit, "support")
            with kit.use("support", act="pressed_help") as use:
                shown = use.log_line_if_permitted(
                    "diagnostics_log", lambda: self.LINE
                )
                assert use.capture(shown)
            (waiting,) = kit.store.inspect()
            assert isinstance(shown, LogLine)
            assert waiting.value == shown.text
            assert not any(text in shown.text for text in self.PRIVATE)
            kit.consent.withdraw("support")
            kit.flush()
            assert watched.wire.records == []


class TestCombined:
    """
    Tests for logs and facts of the phone beside what identifies somebody.
    """

    PLAIN = ("device_model", "app_version")

    def _policy(self) -> Policy:
        """
        Let the logs take an account, by a decision of its own.
        """
        return changed(
            WP,
            lambda tree: table(tree, "logs")["collects"].append(
                {"type": "account_id", "protect": "keyed", "separate": True}
            ),
        )

    @pytest.mark.obligation("WP-COMB-3")
    def test_stripped_without_a_link(self, tmp_path: Path) -> None:
        """
        With the logs granted and the link not, the account is not read, and
        on no disk and no wire; the rest arrives and tells of nobody. With
        the link it arrives beside the rest, as a pseudonym.
        """
        with Watched(self._policy(), tmp_path) as watched:
            kit = watched.kit
            kit.consent.declare_age(adult=True)
            account = watched.plants["account_id"]
            kit.consent.show("logs", method="dialog")
            kit.consent.grant("logs", method="confirm")

            def combine() -> Any:
                with kit.use("logs") as use:
                    device = use.device(*self.PLAIN, "account_id")
                    assert use.capture(device)
                kit.flush()
                return device

            device = combine()
            (refused,) = device.refused
            assert refused.reason is Reason.SEPARATE_CONSENT_NEEDED
            assert watched.spies["account_id"].reads == 0
            sent = watched.wire.records
            assert [r.data_type for r in sent] == [*self.PLAIN]
            (group,) = together(sent)
            assert not group.is_personal
            assert not hits(forms(account), tmp_path)

            kit.consent.show("logs/account_id", method="dialog")
            kit.consent.grant("logs/account_id", method="confirm")
            combine()
            assert watched.spies["account_id"].reads == 1
            (linked,) = [
                r for r in watched.wire.records if r.data_type == "account_id"
            ]
            assert linked.privacy_class == "pseudonymised"
            assert account not in repr([r.value for r in watched.wire.records])
            assert not hits(forms(account), tmp_path)

            kit.consent.withdraw("logs/account_id")
            combine()
            assert watched.spies["account_id"].reads == 1
            kinds = [r.data_type for r in watched.wire.records]
            assert kinds == [*self.PLAIN] * 3

    @pytest.mark.obligation("WP-COMB-3")
    def test_never_as_it_is(self, tmp_path: Path) -> None:
        """
        As the document stands, the account of one function cannot be laid
        beside the logs: its pseudonym is that function's alone. A document
        that sends an account as it is, is not loaded.
        """
        with Watched(document(WP), tmp_path) as watched:
            kit = watched.kit
            kit.consent.declare_age(adult=True)
            agree(kit, "logs", "bind_device", "security")
            for function in ("bind_device", "security"):
                assert watched.take(function, "account_id")
            for type_ in self.PLAIN:
                assert watched.take("logs", type_)
            refused = watched.take("logs", "account_id")
            assert refused.reason is Reason.UNDECLARED_DATA_TYPE
            kit.flush()
            accounts = [
                r for r in watched.wire.records if r.data_type == "account_id"
            ]
            assert len({r.value for r in accounts}) == len(accounts) == 2
            (logs,) = [
                group
                for group in together(watched.wire.records)
                if group.records[0].function == "logs"
            ]
            assert not logs.is_personal
            assert len(logs.records) == len(self.PLAIN)

        def as_it_is(tree: dict[str, Any]) -> None:
            clause(tree, "security", "account_id")["protect"] = "none"

        with pytest.raises(PolicyError, match="account_id"):
            changed(WP, as_it_is)
