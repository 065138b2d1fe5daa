# SPDX-License-Identifier: MIT

"""
What the documents promise of data that others hand over.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

import consentkit

from consentkit.collectors.received import Provenance, ReceivedSource
from consentkit.collectors.source import Unavailable
from consentkit.gate import Reason, Refusal
from consentkit.ledger.entries import Act
from consentkit.policy import Policy
from consentkit.transports.memory import MemoryTransport
from consentkit.use import Basis
from tests.faults.support import forms, hits
from tests.obligations.checks import changed, document, key_for
from tests.support import Clock


WP = "camera_app"
XM = "business_mail"
GP = "general_platform"

LOGIN = "account_login"
ADS = "advertising_targeting"
SENT = "planted-supplied-4711"
EXTRA = "planted-extra-0815"


def _function(id_: str, purposes: list[str], **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "name": id_,
        "category": "additional",
        "text": "We use what your carrier tells us. If you refuse, we do not.",
        "basis": ["consent"],
        "on_refusal": "function_unavailable",
        "purposes": purposes,
        "retention": "P30D",
        "collects": [{"type": "partner_supplied_info", "protect": "keyed"}],
        **more,
    }


def _supplied(tree: dict[str, Any]) -> None:
    """
    Declare what the carriers may supply, as the author would have to once
    it becomes necessary: where it comes from is vouched for each time.
    """
    tree["indirect"]["allowed"] = True
    vouched = "Where it comes from, and what it may be used for."
    tree["functions"] += [
        _function("carrier_login", [LOGIN], attest=vouched),
        _function("carrier_ads", [ADS], attest=vouched),
    ]


def provenance(party: str, *purposes: str) -> Provenance:
    """
    Say where it comes from.
    """
    return Provenance(
        party=party,
        purposes=purposes or (LOGIN,),
        obtained=date(2026, 3, 1),
        reference="contract 2026/17, annex 2",
    )


class Door:
    """
    A kit with a door for one party, and nothing else to read from.
    """

    def __init__(self, policy: Policy, folder: Path, party: str) -> None:
        self.folder = folder
        self.wire = MemoryTransport()
        self.source = ReceivedSource(policy, party, ["partner_supplied_info"])
        self.kit = consentkit.open(
            policy,
            data_dir=folder,
            transport=self.wire,
            seal_for=key_for(policy),
            sources=[self.source],
            clock=Clock(),
        )
        self.kit.consent.declare_age(adult=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kit.close()

    def agree(self, function: str) -> None:
        """
        Say yes, in the document's own way.
        """
        act = self.kit.policy.document.consent.act or "tick"
        self.kit.consent.show(function, method="dialog")
        self.kit.consent.grant(function, method=act)

    def take_in(self, function: str, came: Provenance, **how: Any) -> Any:
        """
        Have something handed over, read it, keep it and deliver it.
        """
        handed = {"partner_supplied_info": SENT, "religion": EXTRA}
        assert self.source.put(handed, came) == ("partner_supplied_info",)
        with self.kit.use(function, attested=str(came), **how) as use:
            got = use.device("partner_supplied_info")
            kept = use.capture(got) if got else got
        self.kit.flush()
        return kept


class TestReceived:
    """
    Tests for what comes from others.
    """

    @pytest.mark.obligation("WP-IND-1")
    def test_no_way_in(self) -> None:
        """
        As the document stands, nothing is taken from anybody; where it
        names a party, from that one.
        """
        with pytest.raises(ValueError, match="takes no data from others"):
            ReceivedSource(document(WP), "mobile_carriers", ["carrier"])
        policy = changed(WP, _supplied)
        with pytest.raises(ValueError, match="'umeng'"):
            ReceivedSource(policy, "umeng", ["carrier"])
        assert ReceivedSource(policy, "mobile_carriers", ["carrier"])

    @pytest.mark.obligation("WP-SDK-WX")
    def test_login_with_wechat(self, tmp_path: Path) -> None:
        """
        As the document stands, nothing comes in from WeChat, so that nobody
        logs in by it; where a field is declared, that one comes in after
        the yes, and what came beside it is nowhere.
        """
        wechat, login = "wechat_open_platform", "social_login"
        with pytest.raises(ValueError, match="takes no data from others"):
            ReceivedSource(document(WP), wechat, ["partner_supplied_info"])
        with pytest.raises(ValueError, match=f"'{wechat}'"):
            ReceivedSource(changed(WP, _supplied), wechat, ["user_id"])

        def declared(tree: dict[str, Any]) -> None:
            tree["indirect"] |= {"allowed": True, "recipients": [wechat]}
            tree["functions"].append(
                _function("wechat_login", [login], attest="Where it is from.")
            )

        came = provenance(wechat, login)
        with Door(changed(WP, declared), tmp_path, wechat) as door:
            refused = door.take_in("wechat_login", came)
            assert refused.reason is Reason.NOT_ASKED
            door.agree("wechat_login")

            assert door.take_in("wechat_login", came)

            (record,) = door.wire.records
            assert record.data_type == "partner_supplied_info"
            assert not hits(forms(SENT) | forms(EXTRA), tmp_path)

    @pytest.mark.obligation("WP-IND-2")
    def test_the_listed_field_after_consent(self, tmp_path: Path) -> None:
        """
        Before consent nothing is read or stored; after it the listed type
        arrives as a pseudonym, and what came beside it is nowhere.
        """
        came = provenance("mobile_carriers")
        with Door(changed(WP, _supplied), tmp_path, came.party) as door:
            refused = door.take_in("carrier_login", came)
            assert refused.reason is Reason.NOT_ASKED
            assert door.source.reads == 0
            assert door.wire.records == []
            assert not (tmp_path / "outbox.sqlite3").exists()
            assert not hits(forms(SENT) | forms(EXTRA), tmp_path)
            door.agree("carrier_login")

            assert door.take_in("carrier_login", came)

            (record,) = door.wire.records
            assert record.data_type == "partner_supplied_info"
            assert SENT not in str(record.value)
            assert EXTRA not in repr(door.kit.consent.history())
            assert not hits(forms(SENT) | forms(EXTRA), tmp_path)
            door.source.clear()
            with door.kit.use("carrier_login", attested="again") as use:
                got = use.device("partner_supplied_info")
            assert isinstance(got.unavailable[0], Unavailable)

    @pytest.mark.obligation("WP-IND-3")
    def test_beyond_the_scope_by_an_own_yes(self, tmp_path: Path) -> None:
        """
        What was authorised for logging in serves advertising after the
        person's own yes to that, and neither before nor on another basis;
        what it came with is on record.
        """

        def excused(tree: dict[str, Any]) -> None:
            tree["exceptions"].append(
                {
                    "basis": "statutory_duty",
                    "functions": ["carrier_login", "carrier_ads"],
                }
            )

        came = provenance("mobile_carriers")
        policy = changed(WP, _supplied, excused)
        with Door(policy, tmp_path, came.party) as door:
            door.agree("carrier_login")
            assert door.take_in("carrier_login", came)
            refused = door.take_in("carrier_ads", came)
            assert refused.reason is Reason.NOT_ASKED
            duty = Basis(
                id="statutory_duty",
                person="Officer Zhou",
                reason="a duty",
                reference="Article 12",
                until=door.kit.now() + timedelta(days=1),
            )
            beyond = door.take_in("carrier_ads", came, basis=duty)
            (nothing,) = beyond.unavailable
            assert f"not given to {came.party} for" in nothing.reason
            assert len(door.wire.records) == 1

            door.agree("carrier_ads")

            assert door.take_in("carrier_ads", came)
            purposes = [r.purpose for r in door.wire.records]
            assert purposes == [LOGIN, ADS]
            said = {
                e.facts["said"]
                for e in door.kit.consent.history()
                if e.act is Act.ATTESTED
            }
            assert said == {str(came)}
            (text,) = said
            for part in ("mobile_carriers", "2026-03-01", LOGIN, "annex 2"):
                assert part in text

    @pytest.mark.obligation("WP-IND-3", "XM-IND-1")
    @pytest.mark.parametrize(
        "missing",
        [
            {"party": ""},
            {"purposes": ()},
            {"purposes": ("anything",)},
            {"reference": " "},
        ],
    )
    def test_no_provenance_no_data(self, missing: dict[str, Any]) -> None:
        """
        Who hands it over, for what it may be used and where the proof is
        have to be said; nothing is taken that does not say so.
        """
        told: dict[str, Any] = {
            "party": "business_partners",
            "purposes": (LOGIN,),
            "obtained": date(2026, 3, 1),
            "reference": "file 7",
        }
        assert Provenance(**told)
        with pytest.raises(ValueError, match="must"):
            Provenance(**{**told, **missing})

    @pytest.mark.obligation("WP-IND-3")
    def test_nobody_vouches(self, tmp_path: Path) -> None:
        """
        Where nobody says where it comes from, it is not read.
        """
        came = provenance("mobile_carriers")
        with Door(changed(WP, _supplied), tmp_path, came.party) as door:
            door.agree("carrier_login")
            door.source.put({"partner_supplied_info": SENT}, came)
            with door.kit.use("carrier_login") as use:
                refused = use.device("partner_supplied_info")
            assert isinstance(refused, Refusal)
            assert refused.reason is Reason.NOT_ATTESTED
            assert door.source.reads == 0

    @pytest.mark.obligation("XM-IND-1")
    def test_partners_of_the_mail(self, tmp_path: Path) -> None:
        """
        Of a partner whom the document names, with its provenance, data is
        taken after the yes; with that of another partner it is not.
        """
        came = provenance("business_partners", "product_improvement")
        with Door(document(XM), tmp_path, came.party) as door:
            door.agree("partner_supplied")
            other = provenance("google", "product_improvement")
            with pytest.raises(ValueError, match="'business_partners' alone"):
                door.source.put({"partner_supplied_info": SENT}, other)
            with door.kit.use("partner_supplied") as use:
                got = use.device("partner_supplied_info")
                assert got.unavailable
                assert not use.capture(got)

            assert door.take_in("partner_supplied", came)
            (record,) = door.wire.records
            assert SENT not in str(record.value)
            assert not hits(forms(SENT), tmp_path)

    @pytest.mark.obligation("GP-IND-2")
    @pytest.mark.parametrize(
        "party", ["gp_transaction_sources", "gp_affiliates"]
    )
    def test_chosen_parties_alone(self, party: str) -> None:
        """
        The parties that the text names may supply data, and no other.
        """
        policy = document(GP)

        assert ReceivedSource(policy, party, ["payment_status"])
        with pytest.raises(ValueError, match="gp_suppliers"):
            ReceivedSource(policy, "gp_suppliers", ["payment_status"])
