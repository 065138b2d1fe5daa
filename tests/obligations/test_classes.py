# SPDX-License-Identifier: MIT

"""
What the five documents promise of personal, de-identified and anonymous
information, shown on what their functions deliver.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from consentkit.anonymise.aggregate import Aggregate, is_exempt
from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.protect import Protected
from consentkit.anonymise.together import check_class, together
from consentkit.exceptions import PolicyError, UnprotectedError
from consentkit.gate import Reason
from consentkit.outbox.records import Batch, Record, new_id
from consentkit.policy import Policy
from consentkit.transports import Outcome, transport_from_url
from tests.anonymise.crowd import MANY, Crowd, near
from tests.obligations.checks import Backend, Watched, changed, document, table
from tests.support import Clock


WP = "camera_app"
XM = "business_mail"
GP = "general_platform"

PERSONAL = PrivacyClass.PERSONAL
LINKABLE = PrivacyClass.LINKABLE


class Filled(Watched):
    """
    A kit of an adult whose records go to the backend's store.
    """

    def __init__(self, policy: Policy, folder: Path, **options: Any) -> None:
        self.backend = Backend(folder, Clock())
        super().__init__(
            policy,
            folder / "app",
            wire=self.backend,
            clock=self.backend.clock,
            **options,
        )
        self.kit.consent.declare_age(adult=True)

    def agree(self, *elements: str, method: str = "") -> None:
        """
        Say yes to each, in the one way in which its document takes it.
        """
        named = self.kit.policy.document.consent.act
        super().agree(*elements, method=method or named or "tick")

    def deliver(self, function: str, *data_types: str, **how: Any) -> None:
        """
        Have one value of each type delivered.
        """
        for data_type in data_types:
            assert self.take(function, data_type, act="pressed", **how)
        self.kit.flush()

    def classes(self) -> dict[str, set[PrivacyClass]]:
        """
        Class all that the backend has, by data type.
        """
        found: dict[str, set[PrivacyClass]] = {}
        for group in together(self.backend.records):
            for record in group.records:
                own = group.classes[record.id]
                found.setdefault(record.data_type, set()).add(own)
        return found


def _with_account(name: str, function: str) -> Policy:
    """
    Give the document of *name* whose *function* takes an account too.
    """
    return changed(
        name,
        lambda t: table(t, function)["collects"].append(
            {"type": "account_id", "protect": "keyed"}
        ),
    )


class TestTogether:
    """
    Tests for what is personal by what lies beside it.
    """

    @pytest.mark.parametrize(
        ("name", "function", "plain"),
        [
            pytest.param(
                WP,
                "logs",
                ("device_model", "app_version"),
                marks=pytest.mark.obligation("WP-COMB-1"),
            ),
            pytest.param(
                XM,
                "device_information",
                ("device_model", "os_version"),
                marks=pytest.mark.obligation("XM-DEV-3"),
            ),
            pytest.param(
                GP,
                "device_and_logs",
                ("device_model", "os_name"),
                marks=pytest.mark.obligation("GP-DEF-1"),
            ),
        ],
    )
    def test_an_account_makes_all_of_it_personal(
        self, name: str, function: str, plain: tuple[str, ...], tmp_path: Path
    ) -> None:
        """
        Model and version tell of nobody; with an account beside them each
        is personal, and a withdrawal erases all of it.
        """
        policy = _with_account(name, function)
        with Filled(policy, tmp_path) as seen:
            seen.agree(function)
            seen.deliver(function, *plain)
            (alone,) = together(seen.backend.records)
            assert not alone.is_personal
            assert seen.classes() == {t: {LINKABLE} for t in plain}

            seen.deliver(function, "account_id")
            (group,) = together(seen.backend.records)
            assert group.because == ("account_id",)
            assert {seen.classes()[t].pop() for t in plain} == {PERSONAL}
            assert len(group.records) == len(plain) + 1

            seen.kit.consent.withdraw(function)
            seen.kit.flush()
            assert seen.backend.records == []

    @pytest.mark.obligation("WP-COMB-2")
    def test_for_as_long_as_it_lasts(self, tmp_path: Path) -> None:
        """
        What came before somebody logs in becomes personal with it, and what
        comes until they log out; what comes afterwards, under another
        consent, is not. The interval is told, and when what links them has
        expired the rest is what it was.
        """

        def short(tree: dict[str, Any]) -> None:
            table(tree, "logs")["collects"].append(
                {"type": "account_id", "protect": "keyed", "retention": "P1D"}
            )

        with Filled(changed(WP, short), tmp_path) as seen:
            clock = seen.backend.clock
            seen.agree("logs")
            seen.deliver("logs", "device_model")
            assert seen.classes()["device_model"] == {LINKABLE}
            clock.tick(hours=1)
            login = clock.now
            seen.deliver("logs", "account_id")
            seen.deliver("logs", "app_version")
            (group,) = together(seen.backend.records)
            assert len(group.records) == 3
            assert group.is_personal
            assert group.since == login
            assert group.until is not None
            assert (group.until - login).days == 1

            # Logged out: what is asked for now is another consent.
            seen.agree("product_improvement")
            seen.deliver("product_improvement", "device_model")
            assert seen.classes()["device_model"] == {PERSONAL, LINKABLE}

            clock.tick(days=2)
            seen.backend.store.purge(clock.now)
            assert set(seen.classes()) == {"device_model", "app_version"}
            assert not any(
                g.is_personal for g in together(seen.backend.records)
            )

    @pytest.mark.obligation("WP-COMB-2")
    def test_one_identifier_links_two_consents(self, tmp_path: Path) -> None:
        """
        Records of two functions are apart; the same MD5 of one device in
        both links them, and with it all that lies beside it.
        """

        def both(tree: dict[str, Any]) -> None:
            table(tree, "logs")["collects"].append(
                {"type": "mac_address", "protect": "md5"}
            )

        with Filled(changed(WP, both), tmp_path) as seen:
            seen.spies["mac_address"].value = "3C:5A:B4:01:23:45"
            seen.agree("logs", "product_improvement")
            seen.deliver("logs", "app_version")
            seen.deliver("product_improvement", "device_model")
            assert len(together(seen.backend.records)) == 2
            seen.deliver("product_improvement", "mac_address")
            assert seen.classes()["app_version"] == {LINKABLE}

            seen.deliver("logs", "mac_address")

            (group,) = together(seen.backend.records)
            assert group.because == ("mac_address",)
            assert seen.classes()["app_version"] == {PERSONAL}

    @pytest.mark.obligation("GP-DEF-1", "XM-DEV-3", "WP-COMB-1")
    def test_little_by_little(self) -> None:
        """
        One thing that tells people apart a little is nobody; two are
        somebody, and so are eight that many share.
        """
        little = ("app_usage_time", "session_time")
        plain = (
            "device_model",
            "os_version",
            "carrier",
            "screen_resolution",
            "network_type",
            "device_language",
            "timezone",
            "app_version",
        )

        def is_personal(*types: str) -> bool:
            (group,) = together(map(_record, types))
            return group.is_personal

        assert not is_personal(little[0])
        assert is_personal(*little)
        assert not is_personal(*plain[:-1])
        assert is_personal(*plain)

    @pytest.mark.obligation("XM-COOK-2")
    def test_cookies_are_classed_as_other_data(self, tmp_path: Path) -> None:
        """
        The identifier of a cookie is read by a yes and not without, is
        personal as it stands, and leaves the device in no form: a document
        that sends it, as it is or as a pseudonym, is not loaded.
        """

        def cookies(protect: str) -> Policy:
            return changed(
                XM,
                lambda t: table(t, "automatic_access_data")["collects"].append(
                    {"type": "cookie_id", "protect": protect}
                ),
            )

        place = ("automatic_access_data", "cookie_id")
        with Filled(cookies("local_only"), tmp_path) as seen:
            with seen.nothing():
                assert seen.take(*place).reason is Reason.NOT_ASKED
            seen.agree(place[0])
            with seen.kit.use(place[0]) as use:
                (got,) = use.device(place[1]).values
                assert got.privacy_class is PERSONAL
                assert use.capture(got).reason is Reason.STAYS_ON_DEVICE
            seen.kit.flush()
            assert seen.backend.records == []
        for protect in ("none", "keyed", "md5"):
            with pytest.raises(PolicyError, match="cookie_id"):
                cookies(protect)

    @pytest.mark.obligation("GP-NPI-1")
    def test_paths_are_nobodys_while_unlinked(self, tmp_path: Path) -> None:
        """
        How long a visit stayed leaves as a range; where it came from and
        the order of its pages leave not at all. Alone these tell of nobody;
        with an account beside them they do.
        """

        def account(tree: dict[str, Any]) -> None:
            table(tree, "browse_search")["collects"].append(
                {
                    "type": "account_id",
                    "protect": "keyed",
                    "retention": "P30D",
                }
            )

        with Filled(changed(GP, account), tmp_path) as seen:
            seen.agree("browse_search")
            for data_type in ("source_path", "access_sequence"):
                answer = seen.take("browse_search", data_type)
                assert answer.reason is Reason.STAYS_ON_DEVICE
            seen.deliver("browse_search", "stay_time")
            seen.deliver("browse_search", "browser_type")
            (stay,) = [
                r for r in seen.backend.records if r.data_type == "stay_time"
            ]
            assert stay.value != seen.spies["stay_time"].value
            assert stay.privacy_class == "de_identified"
            (group,) = together(seen.backend.records)
            assert not group.is_personal

            seen.deliver("browse_search", "account_id")

            (group,) = together(seen.backend.records)
            assert group.because == ("account_id",)
            assert group.classes[stay.id] is PERSONAL


def _record(data_type: str, number: int = 1, **changes: Any) -> Record:
    """
    Make a record of a plain value, all under one consent.
    """
    at = Clock().now
    return Record(
        **{
            "id": f"{data_type}-{number}",
            "function": "f",
            "data_type": data_type,
            "purpose": "p",
            "recipient": "r",
            "protection": "none",
            "privacy_class": "linkable",
            "value": "x",
            "captured_at": at,
            "expires_at": at,
            "consent": str(number),
            "policy_version": "1",
            **changes,
        }
    )


def _batched(record: Record) -> tuple[Record, Batch]:
    return record, Batch(
        id=new_id(),
        recipient=record.recipient,
        erase="0" * 64,
        records=(record,),
    )


class TestAnonymous:
    """
    Tests for the one thing that may be called anonymous.
    """

    @pytest.fixture
    def sent(self, tmp_path: Path) -> Iterator[list[Record]]:
        """
        Give what the product's improvement delivers of one phone.
        """
        with Filled(document(WP), tmp_path) as seen:
            seen.spies["imei"].value = "490154203237518"
            seen.spies["mac_address"].value = "3C:5A:B4:01:23:45"
            seen.agree("product_improvement")
            seen.deliver(
                "product_improvement",
                "imei",
                "mac_address",
                "system_id",
                "device_model",
                "app_usage_time",
            )
            yield seen.backend.records

    @pytest.mark.obligation("WP-ANON-1", "WP-DEF-1")
    def test_no_record_is(self, sent: list[Record]) -> None:
        """
        No record is anonymous, and none may be called so, nor a digest
        de-identified; as they are, they pass.
        """
        for record in sent:
            assert check_class(record) is record
            assert record.privacy_class != "anonymous"
            with pytest.raises(UnprotectedError, match="may not be called"):
                check_class(attrs.evolve(record, privacy_class="anonymous"))
        imei = next(r for r in sent if r.data_type == "imei")
        assert imei.privacy_class == "pseudonymised"
        better = attrs.evolve(imei, privacy_class="de_identified")
        with pytest.raises(UnprotectedError):
            together([*sent, better])

    @pytest.mark.need_extra("receiver")
    @pytest.mark.obligation("WP-ANON-1")
    def test_the_backend_gives_none_that_claims_it(
        self, sent: list[Record], tmp_path: Path
    ) -> None:
        """
        A record that somebody else has called anonymous is not taken in by
        the backend, and so is given to nobody; as it was, it is.
        """
        from consentkit.receiver import make_app, serve

        imei = next(r for r in sent if r.data_type == "imei")
        asked = (document(WP), imei.function, imei.purpose)
        claims = attrs.evolve(imei, id=new_id(), privacy_class="anonymous")
        with Backend(tmp_path / "other", Clock()) as other:
            with (
                serve(make_app(other.store)) as server,
                closing(transport_from_url(server.url)) as wire,
            ):
                outcomes = [
                    wire.send(batch).outcomes[record.id]
                    for record, batch in map(_batched, (claims, imei))
                ]
            assert outcomes == [Outcome.REJECTED, Outcome.DELIVERED]
            assert other.asked(*asked) == ["imei"]
            assert other.store.counts().rejected == 1

    @pytest.mark.obligation("WP-ANON-1")
    def test_what_was_stored_so_is_given_to_nobody(
        self, sent: list[Record], tmp_path: Path
    ) -> None:
        """
        A record that is called better than it is and is stored already, by
        an older backend, is in no answer, and spoils none of the others.
        """
        imei = next(r for r in sent if r.data_type == "imei")
        claims = attrs.evolve(imei, id=new_id(), privacy_class="anonymous")
        with Backend(tmp_path / "other", Clock()) as other:
            for record in (claims, imei):
                _, batch = _batched(record)
                other.store.put(batch, now=other.clock())
            asked = (document(WP), imei.function, imei.purpose)
            assert other.asked(*asked) == ["imei"]
            assert len(other.records) == 2

    @pytest.fixture
    def crowd(self, tmp_path: Path) -> Iterator[Crowd]:
        """
        Give the backend of many people's product improvement.
        """
        with Crowd(
            tmp_path / "crowd",
            document(WP),
            "product_improvement",
            "usage_statistics",
        ) as made:
            yield made

    @pytest.mark.obligation("WP-ANON-1")
    def test_a_number_over_few_is_left_out(self, crowd: Crowd) -> None:
        """
        Many people with one model are counted, few are left out, and one is;
        fifty records of one person are one person.
        """
        crowd.give(MANY, ("device_model", "A1"))
        crowd.give(range(100, 109), ("device_model", "B2"))
        crowd.give(["busy"], *[("device_model", "C3")] * 50)

        made = crowd.count("device_model")

        assert [*made.counts] == [("A1",)]
        assert made.counts["A1",] in near(len(MANY))
        assert made.privacy_class is PrivacyClass.ANONYMOUS
        for text in ("B2", "C3"):
            assert text not in str(made.as_json())
        assert crowd.count("device_model").counts == {}
        for least in (0, 1, 2):
            with pytest.raises(ValueError, match="least"):
                crowd.releases(made.question, least=least)

    @pytest.mark.obligation("WP-ANON-1")
    def test_a_digest_counts_nobody(self, crowd: Crowd) -> None:
        """
        People are not counted by a digest, and everybody who has the same
        one is one person.
        """
        digest = ("imei", "0" * 32)
        crowd.give(MANY, digest, ("device_model", "A1"))

        with pytest.raises(ValueError, match="imei may identify"):
            crowd.ask("imei")
        assert crowd.count("device_model").counts == {}

    @pytest.mark.obligation("WP-DEF-1")
    def test_neither_stands_for_the_other(
        self, crowd: Crowd, tmp_path: Path
    ) -> None:
        """
        De-identified and anonymous are two classes; no value can be turned
        into the other, and no aggregate is made of a value.
        """
        one, other = PrivacyClass.DE_IDENTIFIED, PrivacyClass.ANONYMOUS
        assert one is not other
        with Watched(document(GP), tmp_path) as seen:
            seen.kit.consent.declare_age(adult=True)
            seen.agree("browse_search", method="agree")
            with seen.kit.use("browse_search") as use:
                (value,) = use.device("stay_time").protected_values()
                assert isinstance(value, Protected)
                assert value.privacy_class is one
                for change in (
                    lambda: setattr(value, "privacy_class", other),
                    lambda: attrs.evolve(value, privacy_class=other),  # type: ignore[misc]
                    lambda: Protected(privacy_class=other),
                    lambda: Aggregate(text='{"x": 1}'),
                ):
                    with pytest.raises(
                        (
                            UnprotectedError,
                            attrs.exceptions.NotAnAttrsClassError,
                        )
                    ):
                        change()
                assert value.privacy_class is one
                made = crowd.count("device_model")
                with pytest.raises(UnprotectedError):
                    made.privacy_class = one  # type: ignore[misc]
                with pytest.raises(TypeError):
                    use.capture(made)
                assert use.capture(use.device("stay_time"))

    @pytest.mark.obligation("WP-DISC-2")
    def test_a_digest_is_not_exempt(
        self, sent: list[Record], crowd: Crowd
    ) -> None:
        """
        The digest of an identifier that can be guessed is personal, and so
        is every record here; numbers over many people alone are exempt.
        """
        assert {r.data_type for r in sent} >= {"imei", "mac_address"}
        assert not any(map(is_exempt, sent))
        (group,) = together(sent)
        assert {"imei", "mac_address"} <= set(group.because)
        crowd.give(MANY, ("device_model", "A1"))
        made = crowd.count("device_model")
        assert made.counts
        assert is_exempt(made)
        assert not any(map(is_exempt, crowd.store.records()))
        assert not is_exempt("anonymous")

    @pytest.mark.parametrize(
        ("name", "function", "data_type", "how"),
        [
            pytest.param(
                XM,
                "automatic_access_data",
                "ip_address",
                {},
                marks=pytest.mark.obligation("XM-DEID-1"),
            ),
            pytest.param(
                GP,
                "affiliate_services",
                "account_id",
                {},
                marks=pytest.mark.obligation("GP-DEID-1"),
            ),
        ],
    )
    def test_deidentified_is_not_exempt(
        self,
        name: str,
        function: str,
        data_type: str,
        how: dict[str, Any],
        tmp_path: Path,
    ) -> None:
        """
        What is cut down or replaced is no exempt information, where it is
        made and where it is stored, however many have it; and what
        identifies is nothing to count people by.
        """
        with Filled(document(name), tmp_path) as seen:
            seen.agree(function)
            assert seen.take(function, data_type, **how)
            (waiting,) = seen.kit.store.inspect()
            assert waiting.privacy_class in ("de_identified", "pseudonymised")
            assert not is_exempt(waiting)
            seen.kit.flush()
            (stored,) = seen.backend.records
            assert not is_exempt(stored)
        with Crowd(
            tmp_path / "crowd", document(name), function, stored.purpose
        ) as crowd:
            crowd.give(MANY, (data_type, stored.value))
            assert not any(map(is_exempt, crowd.store.records()))
            with pytest.raises(ValueError, match=data_type):
                crowd.ask(data_type)

    @pytest.mark.obligation("XM-OUT-1")
    @pytest.mark.parametrize(
        "label", ["public_information", "legally_public_information"]
    )
    def test_public_is_stored_as_personal(
        self, label: str, tmp_path: Path
    ) -> None:
        """
        What is labelled public is personal where it is stored, makes
        personal what lies beside it, and may not be called better.
        """
        with Filled(document(XM), tmp_path) as seen:
            seen.agree("out_of_scope")
            seen.deliver("out_of_scope", label)
            (stored,) = seen.backend.records
        assert stored.privacy_class == PERSONAL.value
        (group,) = together([stored])
        assert group.because == (label,)
        assert not is_exempt(stored)
        for better in ("linkable", "de_identified", "anonymous"):
            with pytest.raises(UnprotectedError):
                check_class(attrs.evolve(stored, privacy_class=better))
