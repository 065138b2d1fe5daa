# SPDX-License-Identifier: MIT

"""
Tests for records and receipts of consent after ISO/IEC TS 27560.
"""

from __future__ import annotations

import json

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from consentkit.ledger.dpv import (
    STATES,
    UNSPECIFIED,
    consent_receipt,
    consent_record,
)
from consentkit.ledger.drafts import put_in_place
from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.ledger.receipt import verify_receipt
from consentkit.ledger.verify import Trail
from tests.ledger.support import START, Book, draft


POLICY: dict[str, Any] = {
    "schema": 1,
    "policy": {
        "id": "small",
        "title": "A small policy",
        "language": "en",
        "effective": "2026-04-10",
        "jurisdiction": "CN",
        "url": "https://maker.example/privacy",
    },
    "controller": {
        "id": "maker",
        "name": "Maker Ltd.",
        "contact": "privacy@maker.example",
        "address": "1 Long Road",
    },
    "recipients": [
        {
            "id": "helper",
            "name": "Helper GmbH",
            "mode": "entrusted",
            "country": "DE",
            "contact": "help@helper.example",
        },
        {"id": "ads", "name": "Ads Inc.", "mode": "shared"},
    ],
    "functions": [
        {
            "id": "improve",
            "name": "Improve the product",
            "basis": ["consent"],
            "purposes": ["usage_statistics"],
            "recipients": ["maker", "helper", "ads"],
            "turn_off": "Settings > Privacy",
            "valid_for": "P1Y",
            "collects": [
                {"type": "app_usage_time", "retention": "P30D"},
                {"type": "mac_address", "required": False},
                {"type": "location_precise", "separate": True},
            ],
        }
    ],
    "retention": [
        {"id": "closed", "types": ["mac_address"], "until": "account closed"},
    ],
    "storage": {"regions": ["CN"]},
    "rights": [{"id": "withdraw", "channel": "Settings > Privacy"}],
}

# ISO/IEC TS 27560:2023, 6.3.3 to 6.3.7: each mandatory field, and where it
# stands in the record.
MANDATORY = {
    "schema_version": ("dct:conformsTo",),
    "record_id": ("dct:identifier",),
    "pii_principal_id": ("dpv:hasDataSubject", "dct:identifier"),
    "privacy_notice": ("dpv:hasNotice", "dct:identifier"),
    "language": ("dpv:hasNotice", "dct:language"),
    "purpose": ("dpv:hasProcess", "dpv:hasPurpose"),
    "pii_information": ("dpv:hasProcess", "dpv:hasPersonalData"),
    "pii_controllers": ("dpv:hasDataController",),
    "storage_locations": (
        "dpv:hasProcess",
        "dpv:hasStorageCondition",
        "dpv:hasLocation",
    ),
    "retention_period": (
        "dpv:hasProcess",
        "dpv:hasStorageCondition",
        "dpv:hasDuration",
    ),
    "jurisdiction": ("dpv:hasJurisdiction",),
    "recipient_third_parties": ("dpv:hasProcess", "dpv:hasRecipient"),
    "withdrawal_method": ("dpv:hasConsentControl", "dpv:isExercisedAt"),
    "party_id": ("dpv:hasDataController", "dpv:hasIdentifier"),
    "party_address": ("dpv:hasDataController", "dpv:hasAddress"),
    "party_name": ("dpv:hasDataController", "dpv:hasName"),
    "party_contact": ("dpv:hasDataController", "dpv:hasContact"),
    "party_type": ("dpv:hasDataController", "@type"),
    "event_time": ("dpv:hasConsentStatus", "dpv:isIndicatedAtTime"),
    "validity_duration": ("dpv:hasConsentStatus", "dpv:hasDuration"),
    "entity_id": ("dpv:hasConsentStatus", "dpv:isIndicatedBy"),
    "event_type": ("dpv:hasConsentStatus", "@type"),
    "event_state": ("dpv:hasConsentStatus", "@type"),
}

# The members of the states' two kinds in DPV 2.3.
DPV_STATES = {
    "ConsentExpired",
    "ConsentGiven",
    "ConsentInvalidated",
    "ConsentRefused",
    "ConsentRequestDeferred",
    "ConsentRequested",
    "ConsentRevoked",
    "ConsentUnknown",
    "ConsentWithdrawn",
    "RenewedConsentGiven",
}


def history(
    *acts: Act, element: str = "improve", **fields: Any
) -> tuple[Entry, ...]:
    """
    Give the entries of a person who acted so.
    """
    drafts = [draft(element, act, **fields) for act in acts]
    return put_in_place(drafts, Trail(), subject="a" * 64)


def at(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """
    Give what stands at a path; lists are gone through.
    """
    if isinstance(value, list):
        for item in value:
            yield from at(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from at(value[path[0]], path[1:])


def states(record: Mapping[str, Any]) -> list[Any]:
    """
    Give the types of all events.
    """
    return [event.get("@type") for event in record["dpv:hasConsentStatus"]]


GRANTED = history(Act.NOTICE_SHOWN, Act.GRANTED)


class TestFields:
    """
    Tests that each field is there.
    """

    @pytest.mark.parametrize("policy", [POLICY, None], ids=["known", "lost"])
    @pytest.mark.parametrize("field", MANDATORY)
    def test_mandatory(
        self, field: str, policy: Mapping[str, Any] | None
    ) -> None:
        """
        Every mandatory field has a value, be it that none was specified.
        """
        record = consent_record(GRANTED, status="granted", policy=policy)
        found = list(at(record, MANDATORY[field]))

        assert found
        assert all(found)

    def test_says_what_the_policy_says(self) -> None:
        """
        A policy that says everything leaves nothing unspecified.
        """
        record = consent_record(GRANTED, status="granted", policy=POLICY)
        others = [p for p in POLICY["recipients"] if p["id"] != "ads"]
        full = {**POLICY, "recipients": others}
        full["functions"] = [
            {**POLICY["functions"][0], "recipients": ["maker", "helper"]}
        ]

        assert UNSPECIFIED not in json.dumps(
            consent_record(GRANTED, status="granted", policy=full)
        )
        # What the advertiser's row does not say is not made up.
        assert json.dumps(record).count(UNSPECIFIED) == 2 * 2

    def test_invents_nothing(self) -> None:
        """
        Of a policy that was not kept nothing is said but what the entry
        says.
        """
        record = consent_record(GRANTED, status="granted")
        (process,) = record["dpv:hasProcess"]

        assert process["dpv:hasPurpose"] == UNSPECIFIED
        assert process["dpv:hasPersonalData"] == UNSPECIFIED
        assert record["dpv:hasJurisdiction"] == UNSPECIFIED
        assert record["dpv:hasLegalBasis"] == UNSPECIFIED
        assert record["dpv:hasNotice"]["dct:language"] == "en"

    def test_terms(self) -> None:
        """
        Purposes, data and parties have DPV's terms beside our own words.
        """
        record = consent_record(GRANTED, status="granted", policy=POLICY)
        used, mac = record["dpv:hasProcess"]

        assert used["dpv:hasPurpose"][0]["@type"].startswith("dpv:")
        assert used["dpv:hasPersonalData"]["dct:identifier"] == (
            "app_usage_time"
        )
        assert mac["dpv:hasPersonalData"]["@type"] == ["pd:MACAddress"]
        assert mac["dpv:hasPersonalData"]["dpv:hasNecessity"] == (
            "dpv:Optional"
        )
        assert [party["@type"] for party in mac["dpv:hasRecipient"]] == [
            "dpv:DataController",
            "dpv:DataProcessor",
            "dpv:ThirdParty",
        ]

    def test_durations(self) -> None:
        """
        Periods and events are told apart.
        """
        record = consent_record(GRANTED, status="granted", policy=POLICY)
        durations = list(
            at(record, MANDATORY["retention_period"] + ("rdf:value",))
        )
        event = record["dpv:hasConsentStatus"][-1]

        assert durations == ["P30D", "account closed"]
        assert event["dpv:hasDuration"] == {
            "@type": "dpv:TemporalDuration",
            "rdf:value": "P1Y",
        }

    def test_separate_type(self) -> None:
        """
        A type with a decision of its own is in its own record only.
        """
        element = "improve/location_precise"
        own = history(Act.GRANTED, element=element)
        (process,) = consent_record(own, status="granted", policy=POLICY)[
            "dpv:hasProcess"
        ]
        data = process["dpv:hasPersonalData"]

        assert data["dct:identifier"] == "location_precise"
        assert "dpv:SensitivePersonalData" in data["@type"]

    def test_names_nobody(self) -> None:
        """
        A person is there by the tag alone.
        """
        record = consent_record(GRANTED, status="granted", policy=POLICY)

        assert record["dpv:hasDataSubject"] == {
            "@type": "dpv:DataSubject",
            "dct:identifier": "a" * 64,
        }


class TestEvents:
    """
    Tests for the events and the present state.
    """

    def test_events(self) -> None:
        """
        Each entry is an event, with its time in UTC and who acted.
        """
        record = consent_record(GRANTED, status="granted", policy=POLICY)
        asked, granted = record["dpv:hasConsentStatus"]

        assert asked["@type"] == "dpv:ConsentRequested"
        assert granted["@type"] == [
            "dpv:ConsentGiven",
            "dpv:ExpressedConsent",
        ]
        assert granted["dpv:isIndicatedBy"] == "dpv:DataSubject"
        assert granted["dpv:isIndicatedAtTime"] == (
            "2026-11-20T12:02:00.000+00:00"
        )

    def test_renewed(self) -> None:
        """
        A second yes renews the first, unless a no came between.
        """
        again = history(Act.GRANTED, Act.GRANTED)
        anew = history(Act.GRANTED, Act.WITHDRAWN, Act.GRANTED)

        assert states(consent_record(again, status="renewed"))[-1][0] == (
            "dpv:RenewedConsentGiven"
        )
        assert states(consent_record(anew, status="granted"))[-1][0] == (
            "dpv:ConsentGiven"
        )

    def test_guardian(self) -> None:
        """
        A guardian's yes is a guardian's.
        """
        own = history(Act.GRANTED, by=Actor.GUARDIAN)
        (event,) = consent_record(own, status="granted")[
            "dpv:hasConsentStatus"
        ]

        assert event["dpv:isIndicatedBy"] == "dpv:GuardianOfDataSubject"

    def test_no_term(self) -> None:
        """
        What DPV has no term for is there in our own words, without a type.
        """
        own = history(Act.GRANTED, Act.PAUSED)
        paused = consent_record(own, status="paused")["dpv:hasConsentStatus"]

        assert "@type" not in paused[1]
        assert paused[1]["dct:title"] == "paused"
        assert paused[2]["@type"] == ["dpv:ConsentGiven"]

    def test_computed(self) -> None:
        """
        A state that no entry says is added, and said to be computed.
        """
        assert states(consent_record(GRANTED, status="expired"))[-1] == [
            "dpv:ConsentExpired"
        ]
        widened = consent_record(GRANTED, status="widened")
        assert states(widened)[-1] == [
            "dpv:ConsentGiven",
            "dpv:ConsentUnknown",
        ]
        assert "computed" in widened["dpv:hasConsentStatus"][-1]["skos:note"]
        assert len(states(consent_record(GRANTED, status="granted"))) == 2

    def test_states(self) -> None:
        """
        Every status has terms of DPV 2.3, or none because there is none.
        """
        assert {term for terms in STATES.values() for term in terms} <= (
            DPV_STATES
        )
        assert [s for s, terms in STATES.items() if not terms] == [
            "other_basis",
            "objected",
        ]

    def test_every_status_of_a_choice(self) -> None:
        """
        Whatever a choice can stand at can be exported.
        """
        from consentkit.consent.state import Status

        assert {status.value for status in Status} <= STATES.keys()

    def test_not_a_record(self) -> None:
        """
        Entries of two elements, none at all, or a made-up status make no
        record.
        """
        for entries in ((), GRANTED + history(Act.GRANTED, element="logs")):
            with pytest.raises(ValueError, match="one person"):
                consent_record(entries, status="granted")
        with pytest.raises(ValueError, match="no status 'sold'"):
            consent_record(GRANTED, status="sold")


class TestReceipt:
    """
    Tests for the receipt that a person is given.
    """

    def test_holds_record_and_proof(self) -> None:
        """
        It holds the whole record, and the proof that verifies by itself.
        """
        book = Book(0)
        book.add(draft("improve"))
        proof = book.receipt(1)
        record = consent_record([proof.entry], status="granted", policy=POLICY)
        made = consent_receipt(
            record, proof=proof, created=START + timedelta(days=1)
        )

        assert made["@type"] == "dpv:ConsentReceipt"
        assert made["dct:conformsTo"].endswith("dpv-27560#receipt")
        assert made["dct:created"] == "2026-11-21T12:00:00.000+00:00"
        assert (
            made["dpv:hasRecordOfActivity"]["dct:identifier"]
            == (record["dct:identifier"])
        )
        text = made["schema:encoding"]["schema:text"]
        assert verify_receipt(text).entry == proof.entry
        assert json.loads(json.dumps(made)) == made
