# SPDX-License-Identifier: MIT
"""
Records and receipts of consent for other systems: JSON-LD with terms of DPV.

A record holds every field that ISO/IEC TS 27560 asks for. What the policy
does not say, or what is not known because the document was not kept, stands
there as `UNSPECIFIED`; nothing is made up. Our own words (ids of purposes,
data types and functions) stand beside the closest terms of DPV.

Source: ISO/IEC TS 27560:2023, 6.3 and 6.4; W3C Data Privacy Vocabulary 2.3
and its guide for 27560 (Community Group Final Report, 15 February 2026);
RFC 6920 for names made of hashes.
"""

from __future__ import annotations

import base64

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from consentkit.ledger.entries import Act, Actor, Entry
from consentkit.ledger.receipt import Receipt
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["STATES", "UNSPECIFIED", "consent_receipt", "consent_record"]

#: Stands where the policy says nothing.
UNSPECIFIED: Final = "unspecified"

_GUIDE: Final = "https://w3id.org/dpv/schema/dpv-27560"

_CONTEXT: Final = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    **{
        f"dpv:{name}": {"@type": "@id"}
        for name in ("hasLegalBasis", "hasNecessity", "isIndicatedBy")
    },
    "dct:conformsTo": {"@type": "@id"},
}

#: What each status of a choice is called there; empty where there is no term.
STATES: Final = MappingProxyType(
    {
        "unknown": ("ConsentUnknown",),
        "asked": ("ConsentRequested",),
        "deferred": ("ConsentRequestDeferred",),
        "granted": ("ConsentGiven",),
        "renewed": ("RenewedConsentGiven",),
        "refused": ("ConsentRefused",),
        "withdrawn": ("ConsentWithdrawn",),
        "expired": ("ConsentExpired",),
        # The old part stands, the new one was not asked for.
        "widened": ("ConsentGiven", "ConsentUnknown"),
        "narrowed": ("ConsentGiven",),
        # Stopped for a time, or by somebody else: the consent stands.
        "paused": ("ConsentGiven",),
        "masked": ("ConsentGiven",),
        "inherited": ("ConsentGiven",),
        "guardian_needed": ("ConsentRequested",),
        "age_unknown": ("ConsentUnknown",),
        "other_basis": (),
        "objected": (),
        "invalidated": ("ConsentInvalidated",),
        "unreadable": ("ConsentUnknown",),
    }
)

_EVENTS: Final = {
    Act.NOTICE_SHOWN: "ConsentRequested",
    Act.DEFERRED: "ConsentRequestDeferred",
    Act.GRANTED: "ConsentGiven",
    Act.REFUSED: "ConsentRefused",
    Act.WITHDRAWN: "ConsentWithdrawn",
    Act.EXPIRED: "ConsentExpired",
    Act.INVALIDATED: "ConsentInvalidated",
}

_WHO: Final = {
    Actor.PERSON: "DataSubject",
    Actor.GUARDIAN: "GuardianOfDataSubject",
    Actor.ACCOUNT: "DataSubject",
    Actor.ORGANISATION: "Organisation",
    Actor.CONTROLLER: "DataController",
    Actor.SYSTEM: "DataController",
}

_ENDS: Final = frozenset({Act.REFUSED, Act.WITHDRAWN, Act.INVALIDATED})

_Json = dict[str, Any]


def consent_record(
    entries: Sequence[Entry],
    *,
    status: str,
    policy: Mapping[str, Any] | None = None,
) -> _Json:
    """
    Make the consent record of one person on one element.

    Args:
        entries: All of them, oldest first; at least one.

        status: Where the person stands now, a key of `STATES`.

        policy: The document that the last entry names, parsed from its
            canonical JSON; ``None`` where it was not kept.

    Raises:
        ValueError: If there are no entries, they are not of one person and
            element, or there is no such status.
    """
    if len({(e.subject, e.element) for e in entries}) != 1:
        msg = "a record is of one person and one element"
        raise ValueError(msg)
    if status not in STATES:
        msg = f"there is no status {status!r}; there are {', '.join(STATES)}"
        raise ValueError(msg)
    said = _Said(policy or {}, entries[-1].element)
    first, last = entries[0], entries[-1]
    name = _name_of(first.hash)
    return {
        "@context": _CONTEXT,
        "@id": name,
        "@type": "dpv:ConsentRecord",
        "dct:identifier": name,
        "dct:conformsTo": f"{_GUIDE}#record",
        "dct:title": last.element,
        "dpv:hasDataSubject": {
            "@type": "dpv:DataSubject",
            "dct:identifier": last.subject,
        },
        "dpv:hasNotice": said.notice(last),
        "dpv:hasDataController": said.controller(),
        "dpv:hasJurisdiction": said.jurisdiction(),
        "dpv:hasLegalBasis": said.bases(),
        "dpv:hasProcess": said.processes(),
        "dpv:hasConsentControl": said.control(),
        "dpv:hasRight": said.rights(),
        "dpv:hasConsentStatus": [
            *_events(entries, said.validity()),
            *_computed(entries, status),
        ],
    }


def consent_receipt(
    record: Mapping[str, Any], *, proof: Receipt, created: datetime
) -> _Json:
    """
    Make the consent receipt that a person is given of a record.

    Args:
        record: What `consent_record` made.

        proof: The receipt of its last entry, which is put into it whole.

        created: When it is given.
    """
    inner = {key: value for key, value in record.items() if key != "@context"}
    name = _name_of(sha256(proof.text.encode()).hexdigest())
    return {
        "@context": _CONTEXT,
        "@id": name,
        "@type": "dpv:ConsentReceipt",
        "dct:identifier": name,
        "dct:conformsTo": f"{_GUIDE}#receipt",
        "dct:created": _time(created),
        "dct:publisher": record["dpv:hasDataController"],
        "schema:recipient": record["dpv:hasDataSubject"],
        "dpv:hasRecordOfActivity": inner,
        "schema:encoding": {
            "@type": "schema:MediaObject",
            "schema:encodingFormat": "application/json",
            "schema:text": proof.text,
        },
    }


def _name_of(digest: str) -> str:
    raw = base64.urlsafe_b64encode(bytes.fromhex(digest))
    return f"ni:///sha-256;{raw.decode().rstrip('=')}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _events(entries: Sequence[Entry], validity: _Json) -> Iterator[_Json]:
    has_consent = False
    for entry in entries:
        state = _EVENTS.get(entry.act)
        if entry.act is Act.GRANTED and has_consent:
            state = "RenewedConsentGiven"
        has_consent = entry.act not in _ENDS and (
            has_consent or entry.act is Act.GRANTED
        )
        event: _Json = {
            "dct:identifier": _name_of(entry.hash),
            "dct:title": entry.act.value,
            "dpv:isIndicatedAtTime": _time(entry.at),
            "dpv:isIndicatedBy": f"dpv:{_WHO[entry.by]}",
            "dpv:hasIndicationMethod": entry.method,
            "dpv:hasDuration": _until("the next event"),
        }
        if entry.act is Act.GRANTED:
            event["@type"] = [f"dpv:{state}", "dpv:ExpressedConsent"]
            event["dpv:hasDuration"] = validity
        elif state is not None:
            event["@type"] = f"dpv:{state}"
        else:
            event["skos:note"] = "no term of DPV for this event"
        yield event


def _computed(entries: Sequence[Entry], status: str) -> Iterator[_Json]:
    """
    Say where the person stands, if that is not what the last event says.
    """
    terms = STATES[status]
    last = _EVENTS.get(entries[-1].act)
    if last is not None and terms in ((last,), (f"Renewed{last}",)):
        return
    event: _Json = {
        "dct:title": status,
        "skos:note": "computed now from the events, the policy and the time",
    }
    if terms:
        event["@type"] = [f"dpv:{term}" for term in terms]
    yield event


def _until(event: str) -> _Json:
    return {"@type": "dpv:UntilEventDuration", "rdf:value": event}


def _for(period: str) -> _Json:
    return {"@type": "dpv:TemporalDuration", "rdf:value": period}


class _Said:
    """
    What a policy document says of one element.
    """

    def __init__(self, policy: Mapping[str, Any], element: str) -> None:
        self._policy = policy
        self._words = load_vocabulary()
        function, _, self._part = element.partition("/")
        self._function: Mapping[str, Any] = next(
            (f for f in policy.get("functions", ()) if f["id"] == function),
            {},
        )
        self._controller: Mapping[str, Any] = policy.get("controller", {})
        self._parties = {
            party["id"]: party for party in policy.get("recipients", ())
        }

    def notice(self, entry: Entry) -> _Json:
        head = self._policy.get("policy", {})
        shown = entry.notice or entry.text
        return {
            "@type": "dpv:ConsentNotice",
            "dct:identifier": _name_of(shown) if shown else UNSPECIFIED,
            "dct:title": head.get("title", entry.policy),
            "dct:hasVersion": entry.version,
            "dct:language": entry.language or UNSPECIFIED,
            "dct:date": head.get("effective", UNSPECIFIED),
            "schema:url": head.get("url", UNSPECIFIED),
        }

    def controller(self) -> _Json:
        return self._party("DataController", self._controller)

    def jurisdiction(self) -> str:
        head = self._policy.get("policy", {})
        return str(head.get("jurisdiction", UNSPECIFIED))

    def bases(self) -> list[str] | str:
        words = self._words.bases
        found = [
            f"dpv:{words[basis].dpv}"
            for basis in self._function.get("basis", ())
            if basis in words and words[basis].dpv
        ]
        return found or UNSPECIFIED

    def validity(self) -> _Json:
        period = self._function.get("valid_for", "")
        period = period or self._policy.get("consent", {}).get("valid_for", "")
        return _for(period) if period else _until("withdrawal")

    def control(self) -> _Json:
        return {
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": self._function.get("turn_off", UNSPECIFIED),
        }

    def rights(self) -> list[_Json] | str:
        return [
            {
                "@type": "dpv:DataSubjectRight",
                "dct:identifier": right["id"],
                "dpv:isExercisedAt": right.get("channel", UNSPECIFIED),
            }
            for right in self._policy.get("rights", ())
        ] or UNSPECIFIED

    def processes(self) -> list[_Json]:
        """
        Give a process for each data type: what, why, for whom, how long.
        """
        clauses = [
            clause
            for clause in self._function.get("collects", ())
            if self._is_meant(clause)
        ]
        return [self._process(c) for c in clauses] or [self._process({})]

    def _is_meant(self, clause: Mapping[str, Any]) -> bool:
        types = [c["type"] for c in self._function["collects"]]
        if self._part in types:
            return bool(clause["type"] == self._part)
        word = self._words.data_types.get(clause["type"])
        by_itself = word is not None and word.sensitive
        return bool(self._part) or not clause.get("separate", by_itself)

    def _process(self, clause: Mapping[str, Any]) -> _Json:
        purposes = clause.get("purposes") or self._function.get("purposes", ())
        return {
            "@type": "dpv:Process",
            "dpv:hasService": self._function.get("name", UNSPECIFIED),
            "dpv:hasPurpose": [self._purpose(p) for p in purposes]
            or UNSPECIFIED,
            "dpv:hasPersonalData": self._data(clause),
            "dpv:hasRecipient": self._recipients(clause),
            "dpv:hasStorageCondition": [
                {
                    "@type": "dpv:StorageLocation",
                    "dpv:hasLocation": self._regions(),
                },
                {
                    "@type": "dpv:StorageDuration",
                    "dpv:hasDuration": self._retention(clause),
                },
            ],
        }

    def _purpose(self, id_: str) -> _Json:
        word = self._words.purposes.get(id_)
        term = word.dpv if word is not None and word.dpv else "Purpose"
        return {
            "@type": f"dpv:{term}",
            "dct:identifier": id_,
            "dct:title": word.name if word is not None else id_,
        }

    def _data(self, clause: Mapping[str, Any]) -> _Json | str:
        if not clause:
            return UNSPECIFIED
        word = self._words.data_types.get(clause["type"])
        kinds = ["dpv:PersonalData"]
        if word is not None and word.dpv_pd:
            kinds = [f"pd:{word.dpv_pd}"]
        if word is not None and word.sensitive:
            kinds.append("dpv:SensitivePersonalData")
        is_required = clause.get("required", True)
        return {
            "@type": kinds,
            "dct:identifier": clause["type"],
            "dct:title": word.name if word is not None else clause["type"],
            "dpv:hasNecessity": (
                "dpv:Required" if is_required else "dpv:Optional"
            ),
        }

    def _recipients(self, clause: Mapping[str, Any]) -> list[_Json] | str:
        ids = clause.get("recipients") or self._function.get("recipients", ())
        if not ids and self._controller:
            ids = (self._controller["id"],)
        return [self._recipient(id_) for id_ in ids] or UNSPECIFIED

    def _recipient(self, id_: str) -> _Json:
        if id_ == self._controller.get("id"):
            return self.controller()
        party = self._parties.get(id_, {"id": id_})
        is_processor = party.get("mode") == "entrusted"
        kind = "DataProcessor" if is_processor else "ThirdParty"
        return self._party(kind, party)

    def _party(self, kind: str, party: Mapping[str, Any]) -> _Json:
        contacts = [c["value"] for c in party.get("contacts", ())]
        contact = party.get("contact") or contacts or UNSPECIFIED
        return {
            "@type": f"dpv:{kind}",
            "dpv:hasIdentifier": party.get("id", UNSPECIFIED),
            "dpv:hasName": party.get("name", UNSPECIFIED),
            "dpv:hasAddress": party.get("address")
            or party.get("country", UNSPECIFIED),
            "dpv:hasContact": contact,
        }

    def _regions(self) -> list[str] | str:
        storage = self._policy.get("storage", {})
        return list(storage.get("regions", ())) or UNSPECIFIED

    def _retention(self, clause: Mapping[str, Any]) -> _Json | str:
        own = clause.get("retention") or self._function.get("retention")
        if own:
            return _for(own)
        rules = self._policy.get("retention", ())
        for type_ in (clause.get("type"), "*"):
            for rule in rules:
                if type_ in rule["types"] and rule.get("period"):
                    return _for(rule["period"])
                if type_ in rule["types"] and rule.get("until"):
                    return _until(rule["until"])
        return UNSPECIFIED
