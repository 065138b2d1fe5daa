# SPDX-License-Identifier: MIT

"""
Each rule of the linter finds what it is for, and nothing else sets it off.

A case spoils the clean document in a few places; the rule then reports the
place that is named. The clean document itself is the twin of all of them.
"""

from __future__ import annotations

import re

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import attrs
import pytest

from consentkit.anonymise.classes import PrivacyClass
from consentkit.anonymise.naming import class_of
from consentkit.policy import ProtectionName, load_vocabulary
from consentkit.policy.lint import RULES
from consentkit.registry import SDKEntry, SDKHost, load_registry
from tests.policy.lint_support import GONE, changed, found


_TEXT = {"id": "more", "kind": "quotation"}


def _said(text: str) -> dict[str, object]:
    """
    Have the document say *text*, as its second text.
    """
    return {"texts[+]": {**_TEXT, "text": text}}


def _function(**keys: object) -> dict[str, object]:
    """
    Add a function, the sixth.
    """
    return {
        "functions[+]": {
            "id": "extra",
            "name": "Something more",
            "category": "additional",
            "text": "May we do something more?",
            "basis": ["consent"],
            "on_refusal": "degraded",
            "purposes": ["profile"],
            "retention": "P1D",
            "never_collects": ["imei"],
            **keys,
        }
    }


def _collects(type_: str, protect: str = "none", **keys: object) -> Any:
    return [{"type": type_, "protect": protect, **keys}]


def _sdk(name: str, **keys: object) -> dict[str, object]:
    """
    Let the fifth function start another SDK.
    """
    more = {f"functions[4].{key}": value for key, value in keys.items()}
    return {"functions[4].sdk": name, **more}


_SHIPPED = load_registry()
_SENTRY = _SHIPPED["sentry"]


def _entry(id_: str, **changes: Any) -> SDKEntry:
    plain = SDKEntry(
        id=id_,
        name=id_,
        operator="Acme Ltd.",
        category="analytics",
        purposes=("profile",),
        method="embedded_sdk",
        transmits=False,
        platforms=("any",),
        privacy_policy="https://acme.example/privacy",
    )
    return attrs.evolve(plain, **changes)


#: The shipped entries, and some that do not go together with others.
ENTRIES = {
    **_SHIPPED,
    **{
        entry.id: entry
        for entry in (
            _entry("above", hosts=(SDKHost(name="*.acme.example"),)),
            _entry("below", hosts=(SDKHost(name="eu.acme.example"),)),
            _entry("named_alike", name="Acme"),
            _entry("named_alike_too", name="Acme"),
            attrs.evolve(_SENTRY, id="sentry_again"),
        )
    },
}

_AFTER = "$.texts[1].text"
_NEW = "$.functions[5]"
_SDK = "$.functions[4].sdk"
_ABROAD = {"recipients[0].country": "US"}

#: Changes and the place that is then reported, by rule.
CASES: dict[str, list[tuple[Mapping[str, object], str]]] = {
    "dates-conflict": [
        (
            {"policy.dates[+]": {"effective": date(2026, 4, 1)}},
            "$.policy.dates",
        ),
        (
            {"policy.dates[0].updated": date(2025, 12, 24)},
            "$.policy.dates",
        ),
    ],
    "effective-before-updated": [
        (
            {"policy.effective": date(2026, 2, 1)},
            "$.policy.effective",
        ),
        (
            {
                "policy.dates[+]": {
                    "updated": date(2026, 4, 10),
                    "effective": date(2021, 11, 15),
                }
            },
            "$.policy.dates[1].effective",
        ),
    ],
    "no-time-to-read": [
        ({"policy.effective": date(2026, 3, 1)}, "$.policy.effective")
    ],
    "not-yet-in-force": [
        ({"policy.effective": date(2027, 1, 1)}, "$.policy.effective")
    ],
    "updated-in-future": [
        ({"policy.updated": date(2026, 12, 1)}, "$.policy.updated")
    ],
    "undated": [({"policy.updated": GONE}, "$.policy")],
    "claim-expired": [
        (
            {"security.claims[0].expires": date(2025, 1, 1)},
            "$.security.claims[0].expires",
        )
    ],
    "claim-without-evidence": [
        ({"security.claims[0].evidence": ""}, "$.security.claims[0]"),
        ({"security.claims[0].expires": GONE}, "$.security.claims[0]"),
    ],
    "reference-dangling": [
        ({"references[0].means": "contact"}, "$.references[0].means"),
        ({"rights[3].section": "9"}, "$.rights[3].section"),
    ],
    "reference-wrong": [({"references[0].says": "1"}, "$.references[0].says")],
    "section-label-twice": [
        (
            {"sections[+]": {"label": "1", "id": "more"}},
            "$.sections[2].label",
        ),
        ({"sections[1].id": "what"}, "$.sections[1].id"),
    ],
    "template": [({"policy.template": True}, "$.policy.template")],
    "controller-missing": [
        (
            {
                "controller": GONE,
                "policy.template": True,
                "functions[0].recipients": ["map_house"],
            },
            "$.controller",
        ),
        ({"controller.name": "This platform"}, "$.controller.name"),
        ({"controller.name": "unspecified"}, "$.controller.name"),
        ({"controller.name": "本平台"}, "$.controller.name"),
    ],
    "controller-incomplete": [
        ({"controller.address": GONE}, "$.controller"),
        ({"controller.officer": "unspecified"}, "$.controller"),
        (
            {
                "controller.contacts": [
                    {"kind": "telephone", "value": "0571 8812 0000"}
                ]
            },
            "$.controller",
        ),
    ],
    "contact-unusable": [
        (
            {"controller.contacts[0].value": "privacy"},
            "$.controller.contacts[0].value",
        ),
        (
            {"controller.contacts[0].value": "privacy@meadowlark"},
            "$.controller.contacts[0].value",
        ),
        (
            {"controller.contacts[0].value": "contact@kanshan.in"},
            "$.controller.contacts[0].value",
        ),
        (
            {"controller.contacts[1].value": "call us"},
            "$.controller.contacts[1].value",
        ),
        (
            {"controller.contacts[2].value": "our site"},
            "$.controller.contacts[2].value",
        ),
        (
            {"controller.contacts[+]": {"kind": "letter", "value": "none"}},
            "$.controller.contacts[3].value",
        ),
        ({"controller.contact": "write to us"}, "$.controller.contact"),
        ({"controller.contact": "me@my.or"}, "$.controller.contact"),
    ],
    "rights-missing": [({"rights[1]": GONE}, "$.rights")],
    "right-without-channel": [
        ({"rights[0].channel": "unspecified"}, "$.rights[0].channel")
    ],
    "right-without-deadline": [({"rights[0].deadline": GONE}, "$.rights[0]")],
    "deadline-long": [
        (
            {"rights[0].deadline": {"value": 60, "unit": "day"}},
            "$.rights[0].deadline",
        )
    ],
    "minors-missing": [({"minors": GONE}, "$.minors")],
    "minors-half-defined": [
        ({"minors.minor_below": GONE}, "$.minors"),
        ({"minors.child_below": GONE}, "$.minors"),
        (
            {"minors.rule": "", "minors.guardian_for": []},
            "$.minors",
        ),
    ],
    "minors-ages-crossed": [
        ({"minors.child_below": 20}, "$.minors.child_below"),
        (
            {"minors.child_below": 18, "minors.child_inclusive": True},
            "$.minors.child_below",
        ),
    ],
    "child-age-differs": [
        ({"minors.child_inclusive": True}, "$.minors.child_below")
    ],
    "presumed-adult": [
        ({"minors.presumed_adult": True}, "$.minors.presumed_adult")
    ],
    "changes-missing": [
        ({"changes": GONE}, "$.changes"),
        ({"changes.notice": []}, "$.changes"),
        ({"changes.no_reduction": False}, "$.changes"),
    ],
    "major-changes-undefined": [({"changes.major": []}, "$.changes")],
    "archive-missing": [({"changes.archive": GONE}, "$.changes")],
    "incident-missing": [({"incident": GONE}, "$.incident")],
    "cessation-missing": [({"cessation": GONE}, "$.cessation")],
    "unspecified": [
        ({"unspecified": ["the periods"]}, "$.unspecified[0]"),
        ({"policy.product": "unspecified"}, "$.policy.product"),
    ],
    "implied-consent": [
        (
            {"consent.also_claimed": ["beginning to use"]},
            "$.consent.also_claimed[0]",
        ),
        ({"consent.act": "continuing"}, "$.consent.act"),
        (
            _said("By using the app you agree to all of this."),
            _AFTER,
        ),
        (
            _said("When you begin to use the product, you have consented."),
            _AFTER,
        ),
        (_said("您使用本产品即视为同意本政策。"), _AFTER),
    ],
    "act-missing": [({"consent.act": GONE}, "$.consent")],
    "preselected": [({"consent.preselected": True}, "$.consent.preselected")],
    "bundled-consent": [({"consent.bundled": True}, "$.consent.bundled")],
    "asked-at-first-open": [
        ({"functions[2].ask_at": "first_open"}, "$.functions[2].ask_at"),
        (
            {"permissions[0].ask_at": "first_open"},
            "$.permissions[0].ask_at",
        ),
    ],
    "permission-bundled": [
        (
            {
                "permissions[0].ask_at": "first_open",
                "permissions[0].functions": ["local_forecast", "counting"],
                "functions[3].collects[1].permission": "location",
            },
            "$.permissions[0]",
        )
    ],
    "default-on": [
        ({"functions[2].default_on": True}, "$.functions[2].default_on")
    ],
    "default-on-without-switch": [
        (
            {
                "functions[1].default_on": True,
                "functions[1].turn_off": GONE,
            },
            "$.functions[1].default_on",
        )
    ],
    "cookies-on-by-default": [
        (
            {"cookies": {"used": True, "default": "on", "refusable": True}},
            "$.cookies.default",
        )
    ],
    "cookies-not-refusable": [
        ({"cookies": {"used": True}}, "$.cookies"),
        ({"cookies": {"used": True, "refusable": False}}, "$.cookies"),
    ],
    "withdrawal-undescribed": [
        (
            {"functions[2].turn_off": "unspecified"},
            "$.functions[2].turn_off",
        ),
        (
            {"functions[2].turn_off": GONE, "rights[4]": GONE},
            "$.rights",
        ),
    ],
    "consent-without-end": [
        ({"consent.valid_for": GONE}, "$.consent.lasts_until")
    ],
    "nagging": [
        ({"consent.ask_again": "P1D"}, "$.consent.ask_again"),
        ({"functions[2].ask_again": "PT1H"}, "$.functions[2].ask_again"),
        (_said("We ask each time, until you agree."), _AFTER),
        (_said("每次启动时询问您。"), _AFTER),
    ],
    "refuse-missing": [({"consent.refuse": GONE}, "$.consent.accept")],
    "refuse-is-later": [
        ({"consent.refuse": "Maybe later"}, "$.consent.refuse"),
        ({"consent.refuse": "暂不"}, "$.consent.refuse"),
    ],
    "refusing-is-harder": [
        ({"consent.refuse": "Manage options"}, "$.consent.refuse"),
        (
            {"consent.refuse": "No, I don't care about my safety"},
            "$.consent.refuse",
        ),
        (
            {"consent.refuse": "Refuse and go on with fewer functions"},
            "$.consent.refuse",
        ),
        ({"consent.accept": "Agree (recommended)"}, "$.consent.refuse"),
    ],
    "guilt": [
        (
            {"functions[2].text": "Don't you care about us? Send crashes."},
            "$.functions[2].text",
        ),
        (
            {"functions[2].text": "您忍心拒绝吗? crash"},
            "$.functions[2].text",
        ),
    ],
    "threat": [
        (
            {"functions[2].text": "Without it we cannot guarantee safety."},
            "$.functions[2].text",
        ),
        (
            {"permissions[0].on_refusal": "后果自负"},
            "$.permissions[0].on_refusal",
        ),
    ],
    "urgency": [
        (
            {"functions[2].text": "Hurry, your last chance to help us."},
            "$.functions[2].text",
        ),
        (_said("限时开启。"), _AFTER),
    ],
    "double-negative": [
        (
            {"functions[2].text": "Untick this if you do not wish it off."},
            "$.functions[2].text",
        ),
        (_said("取消勾选则不会停止。"), _AFTER),
    ],
    "refusal-costs-service": [
        (
            {"functions[2].on_refusal": "service_unavailable"},
            "$.functions[2].on_refusal",
        )
    ],
    "refusal-text-overreaches": [
        (
            {"functions[2].text": "If you refuse, you cannot use the app."},
            "$.functions[2].text",
        ),
        (_said("否则您将无法使用本产品。"), _AFTER),
    ],
    "text-long": [
        ({"functions[2].text": "We read this. " * 60}, "$.functions[2].text")
    ],
    "language": [
        ({"policy.language": "machine English"}, "$.policy.language"),
        ({"functions[2].name": "崩溃报告"}, "$.functions[2].name"),
        ({"policy.language": "zh"}, "$.functions[0].name"),
    ],
    "on-refusal-missing": [
        (
            {"functions[2].on_refusal": "unspecified"},
            "$.functions[2].on_refusal",
        )
    ],
    "function-empty": [(_function(never_collects=[]), _NEW)],
    "type-loose": [
        (
            _function(collects=_collects("device_settings", "generalise")),
            f"{_NEW}.collects[0].type",
        )
    ],
    "type-beyond-purpose": [
        (
            _function(collects=_collects("address_book", "present")),
            f"{_NEW}.collects[0]",
        ),
        (
            _function(collects=_collects("health_info")),
            f"{_NEW}.collects[0]",
        ),
    ],
    "core-secondary": [
        (
            _function(category="core", purposes=["security_risk_control"]),
            _NEW,
        )
    ],
    "core-identifier": [
        (
            _function(category="core", collects=_collects("oaid", "keyed")),
            f"{_NEW}.collects[0]",
        )
    ],
    "purpose-catch-all": [
        (
            _function(
                category="cross_cutting", purposes=["personalised_experience"]
            ),
            f"{_NEW}.purposes",
        )
    ],
    "sensitive-unnamed": [
        (
            _function(purposes=["payment"], collects=_collects("order_info")),
            f"{_NEW}.collects[0]",
        )
    ],
    "defined-never-collected": [
        (
            {"definitions.sensitive[+]": "voiceprint"},
            "$.definitions.sensitive",
        ),
        ({"definitions.personal[+]": "gender"}, "$.definitions.personal"),
    ],
    "term-unused": [
        ({"definitions.terms[+]": "affiliate"}, "$.definitions.terms[1]")
    ],
    "never-collects-broken": [
        (
            {"functions[3].never_collects": ["system_id"]},
            "$.functions[3].collects[0]",
        )
    ],
    "never-with-joinable": [
        (
            {"functions[3].never_with": ["extra"]}
            | _function(purposes=["usage_statistics"]),
            "$.functions[3].never_with[0]",
        )
    ],
    "self-start-undeclared": [
        (
            _function(permission="self_start", purposes=["self_start_push"]),
            _NEW,
        ),
        (
            _function(self_start={"purpose": "self_start_push", "per_day": 0}),
            f"{_NEW}.self_start.per_day",
        ),
    ],
    "self-start-forced": [
        (
            _function(
                category="core",
                self_start={"purpose": "self_start_push", "per_day": 1},
            ),
            f"{_NEW}.self_start",
        ),
        (_said("The app must use self-start."), _AFTER),
        (_said("本应用必须开启自启动。"), _AFTER),
    ],
    "profiling-without-choice": [
        (
            _function(profiling=True, basis=["contract"]),
            f"{_NEW}.profiling",
        )
    ],
    "local-promise-broken": [
        (
            {"functions[2].text": "It never leaves this phone."},
            "$.functions[2].text",
        ),
        (
            _function(
                collects=_collects("nickname", "local_only"),
                recipients=["wechat"],
            ),
            f"{_NEW}.recipients",
        ),
    ],
    "other-purpose-training": [
        (
            _said("Recordings serve no other purpose.")
            | _function(
                text="May we train with your videos?",
                purposes=["ai_model_training"],
                collects=_collects("recorded_video"),
            ),
            _AFTER,
        )
    ],
    "digest-called-anonymous": [
        (_said("IMEI is anonymised by MD5."), _AFTER),
        (_said("The OAID is an anonymous identifier."), _AFTER),
        (_said("对设备标识进行匿名化处理。"), _AFTER),
        (
            {"definitions.anonymised": "Turned into a hash."},
            "$.definitions.anonymised",
        ),
    ],
    "digest-unkeyed": [
        (
            _function(collects=_collects("mac_address", "md5")),
            f"{_NEW}.collects[0].protect",
        )
    ],
    "identifier-scrubbed": [
        (
            _function(collects=_collects(type_, "scrub")),
            f"{_NEW}.collects[0].protect",
        )
        for type_ in ("real_name", "email_address", "device_name")
    ],
    "identifier-called-harmless": [
        (_said("These do not involve your identity."), _AFTER),
        (_said("该信息不涉及个人身份。"), _AFTER),
    ],
    "own-cipher": [
        (
            {"security.measures[+]": "our own encryption scheme"},
            "$.security.measures[3]",
        ),
        (_said("我们使用自研加密算法。"), _AFTER),
    ],
    "permission-undeclared": [
        (
            _function(
                permission="camera",
                purposes=["qr_scan"],
            ),
            _NEW,
        )
    ],
    "permission-undeclared-sdk": [(_sdk("umeng"), _SDK)],
    "permission-table-missing": [({"permissions": GONE}, "$.permissions")],
    "permission-unused": [
        (
            {
                "permissions[+]": {
                    "id": "camera",
                    "purposes": ["qr_scan"],
                    "can_disable": True,
                }
            },
            "$.permissions[1]",
        )
    ],
    "permission-beyond-table": [
        (
            {"permissions[0].functions": ["counting"]},
            "$.permissions[0].functions",
        )
    ],
    "permission-idle": [
        (
            {"permissions[0].functions[+]": "counting"},
            "$.permissions[0].functions[1]",
        )
    ],
    "permission-unneeded": [
        (
            {"functions[3].collects[1].permission": "phone"},
            "$.functions[3]",
        ),
        (
            {"permissions[0].purposes": ["usage_statistics"]},
            "$.permissions[0].purposes",
        ),
    ],
    "permission-unneeded-sdk": [(_sdk("getui"), _SDK)],
    "can-disable-blank": [
        ({"permissions[0].can_disable": GONE}, "$.permissions[0]")
    ],
    "can-disable-denied": [
        (
            {"permissions[0].can_disable": False},
            "$.permissions[0].can_disable",
        )
    ],
    "permission-purpose-missing": [
        ({"permissions[0].purposes": []}, "$.permissions[0]")
    ],
    "sensitive-permission-denied": [
        (_said("No sensitive permission is used."), _AFTER),
        (_said("本产品不涉及敏感权限。"), _AFTER),
    ],
    "period-missing": [
        (
            {
                "retention[+]": {
                    "id": "rest",
                    "types": ["email_address"],
                }
            },
            "$.retention[2]",
        ),
        (
            {"functions[2].retention": "unspecified"},
            "$.functions[2].retention",
        ),
        (
            {"functions[2].collects[0].retention": "unspecified"},
            "$.functions[2].collects[0].retention",
        ),
    ],
    "period-clash": [
        (
            {
                "retention": [
                    {
                        "id": "everything",
                        "types": ["crash_log"],
                        "period": "P7D",
                    },
                    {
                        "id": "messages",
                        "types": ["crash_log", "system_id"],
                        "period": "P1M",
                    },
                ],
            },
            "$.retention[1]",
        )
    ],
    "period-over-ceiling": [
        (
            {"functions[2].retention": "P4Y"},
            "$.functions[2].collects[0].retention",
        ),
        (
            {
                "retention[+]": {
                    "id": "long",
                    "types": ["gender"],
                    "period": "P2Y",
                }
            },
            "$.retention[2].period",
        ),
    ],
    "anonymise-as-way-out": [
        (
            {"retention[0].at_expiry": "delete or anonymise"},
            "$.retention[0].at_expiry",
        ),
        ({"cessation.at_end": "删除或者匿名化"}, "$.cessation.at_end"),
    ],
    "anonymised-then-deleted": [
        (
            {"retention[0].at_start": "anonymise"},
            "$.retention[0].at_start",
        )
    ],
    "storage-region-missing": [({"storage.regions": []}, "$.storage")],
    "abroad-without-words": [
        (
            _ABROAD | {"storage.cross_border": GONE},
            "$.recipients[0].country",
        ),
        (_ABROAD, "$.recipients[0].country"),
    ],
    "cross-border-open": [
        (
            {"storage.cross_border": "Servers stand around the world."},
            "$.storage.cross_border",
        )
    ],
    "entity-missing": [
        ({"controller.name": "Meadowlark"}, "$.controller.name"),
        ({"recipients[0].name": "Map House"}, "$.recipients[0].name"),
    ],
    "recipient-incomplete": [
        ({"recipients[0].agreement": GONE}, "$.recipients[0]"),
        ({"recipients[0].assessment": GONE}, "$.recipients[0]"),
        ({"recipients[0].country": GONE}, "$.recipients[0]"),
        (
            {"recipients[1].agreement": {"reference": "WX"}},
            "$.recipients[1]",
        ),
    ],
    "recipient-unnamed": [
        (
            {"sharing[+]": {"mode": "shared", "recipients": ["partners"]}},
            "$.sharing[0].recipients[0]",
        )
    ],
    "sharing-denied": [
        (_said("We do not share it with third parties."), _AFTER),
        (_said("我们不会向第三方提供信息。"), _AFTER),
    ],
    "never-shares-broken": [
        (
            {
                "recipients[0].mode": "shared",
                "functions[0].never_shares": ["location_precise"],
            },
            "$.functions[0].collects[0]",
        )
    ],
    "deidentified-not-sharing": [
        (
            _said("Giving out de-identified data is not sharing."),
            _AFTER,
        ),
        (
            {
                "sharing[+]": {
                    "mode": "aggregate_only",
                    "recipients": ["map_house"],
                    "types": ["deidentified_dataset"],
                }
            },
            "$.sharing[0].types",
        ),
        (
            {"exceptions[0].types": ["deidentified_dataset"]},
            "$.exceptions[0].types",
        ),
    ],
    "exception-unlawful": [
        (
            {"exceptions[0].basis": "controller_discretion"},
            "$.exceptions[0].basis",
        ),
        (
            {
                "sharing[+]": {
                    "mode": "shared",
                    "recipients": ["map_house"],
                    "basis": ["controller_discretion"],
                }
            },
            "$.sharing[0].basis[0]",
        ),
    ],
    "exception-open": [
        (
            {
                "exceptions[0].basis": "other_law",
                "exceptions[0].text": "as laws say",
            },
            "$.exceptions[0]",
        )
    ],
    "exception-beyond-law": [
        (
            {"exceptions[0].basis": "stable_operation"},
            "$.exceptions[0].basis",
        )
    ],
    "scope-excludes-personal": [
        (
            {"scope.excludes[+]": "information that you make public"},
            "$.scope.excludes[1]",
        )
    ],
    "scope-excludes-sdks": [
        (
            _sdk("umeng") | {"scope.excludes[+]": "parties built in to it"},
            "$.scope.excludes[1]",
        ),
        (
            _sdk("umeng") | {"scope.excludes[+]": "接入的第三方服务"},
            "$.scope.excludes[1]",
        ),
    ],
    "warning-explained-away": [
        (_said(text), _AFTER)
        for text in (
            "A warning of the system that the clipboard is read may be false.",
            "Some phones show misleading alerts.",
            "系统的剪贴板读取提示可能存在误报。",
        )
    ],
    "ban-without-rights": [
        (_said(text), _AFTER)
        for text in (
            "Fraud ends in an account that is restricted for ever.",
            "A banned account cannot be unbanned.",
            "违规账号将被永久封禁。",
        )
    ],
    "indirect-denied": [
        ({"recipients[0].mode": "inbound"}, "$.recipients[0]"),
        (
            {"sharing[+]": {"mode": "inbound", "recipients": ["map_house"]}},
            "$.sharing[0]",
        ),
        (
            _function(collects=_collects("partner_supplied_info", "keyed")),
            f"{_NEW}.collects[0]",
        ),
    ],
    "indirect-unnamed": [
        ({"indirect.allowed": True}, "$.indirect"),
        (
            _function(
                purposes=["one_tap_login"],
                collects=_collects("phone_number", "keyed"),
            ),
            _NEW,
        ),
    ],
    "sdk-list-missing": [
        ({"sdks.printed": False}, "$.sdks"),
        (_sdk(""), "$.sdks"),
    ],
    "sdk-unknown": [(_sdk("nobody_knows"), _SDK)],
    "sdk-link-missing": [(_sdk("meishu"), _SDK)],
    "link-broken": [
        ({"policy.url": "https://www.example.com/privacy"}, "$.policy.url"),
        ({"recipients[0].url": "[[ Link ]]"}, "$.recipients[0].url"),
        ({"recipients[0].url": "maphouse"}, "$.recipients[0].url"),
    ],
    "link-http": [
        (_sdk("youtui"), _SDK),
        ({"policy.url": "http://meadowlark.example"}, "$.policy.url"),
    ],
    "link-shared": [
        (_sdk("pangle"), _SDK),
        (
            {"recipients[1].url": "https://maphouse.example/privacy"},
            "$.recipients[1].url",
        ),
    ],
    "sdk-fields-missing": [
        (_sdk("alibaba_number_auth"), _SDK),
        (_sdk("wechat_open_platform"), _SDK),
    ],
    "sdk-fields-copied": [(_sdk("jd"), _SDK)],
    "sdk-terms-loose": [(_sdk("kuaishou"), _SDK)],
    "sdk-anomaly": [(_sdk("umeng"), _SDK)],
    "sdk-surprising": [(_sdk("sentry"), _SDK)],
    "sdk-nested-missing": [
        (_sdk("getui"), _SDK),
        (_sdk("cmi_one_tap"), _SDK),
    ],
    "sdk-purpose-unsaid": [(_sdk("umeng"), _SDK)],
    "sdk-list-short": [
        (
            _sdk("umeng", collects=_collects("android_id", "keyed")),
            _SDK,
        )
    ],
    "sdk-advertising-unsaid": [(_sdk("pangle"), _SDK)],
    "sdk-recipient-missing": [(_sdk("umeng", recipients=[]), _SDK)],
    "sdk-host-elsewhere": [(_sdk("posthog"), _SDK)],
    "sdk-host-shared": [
        (_sdk("posthog") | _function(sdk="mem0"), f"{_NEW}.sdk"),
        (_sdk("above") | _function(sdk="below"), f"{_NEW}.sdk"),
    ],
    "sdk-twice": [(_sdk("sentry"), _SDK), (_sdk("named_alike"), _SDK)],
    "partner-breaks-protection": [
        (
            _sdk("umeng") | _function(collects=_collects("imei", "keyed")),
            _SDK,
        )
    ],
    "partner-breaks-never": [(_sdk("umeng"), _SDK)],
    "cookies-denied": [
        (_sdk("umeng"), _SDK),
        (
            _function(collects=_collects("cookie_id", "local_only")),
            f"{_NEW}.collects[0]",
        ),
    ],
    "claim-contradicted": [(_sdk("beizi"), _SDK)],
    "third-parties-disowned": [
        (_said("We are not responsible for third parties."), _AFTER),
        (_said("对于第三方的行为，我们不承担责任。"), _AFTER),
    ],
    "placeholder": [
        (_said("[Modify according to actual situation]"), _AFTER),
        (_said("TODO: ask the lawyers"), _AFTER),
        (_said("Lorem ipsum dolor"), _AFTER),
        (_said("根据实际情况修改"), _AFTER),
        ({"policy.title": "Privacy policy of XXX"}, "$.policy.title"),
        (
            {"controller.contacts[0].value": "me@example.com"},
            "$.controller.contacts[0].value",
        ),
    ],
    "catch-all": [
        (_said("Your name and other information is shown."), _AFTER),
        (_said("Data, including but not limited to names."), _AFTER),
        (_said("We give it out as appropriate."), _AFTER),
        (_said("收集姓名等信息。"), _AFTER),
        ({"rights[0].effect": "as needed"}, "$.rights[0].effect"),
    ],
    "other-product": [
        (
            _said("You can use the Meadowlerk platform without it."),
            _AFTER,
        ),
        (_said("详见《小米隐私政策》。"), _AFTER),
    ],
}

#: Sentences that are near to what a rule looks for, and are fine.
FINE = [
    "We use it for no other purpose.",
    "Nothing and no other information is read.",
    "It does not go to third parties without your consent.",
    "The MD5 of a number is not anonymous.",
    "A digest of a number is a pseudonym, never anonymous.",
    "OAID stands for Open Anonymous Device Identifier.",
    "You can refuse; everything but this function works as before.",
    "If you turn this off, the list is not shown.",
    "When you press Agree, you consent to this function.",
    "It is deleted within 15 days.",
    "[Other] - [Report] at the foot of the page",
    "The app works without it.",
    "Android asks you for the permission itself.",
    "The false number is marked with a warning.",
    "The list is closed, for good reasons.",
    "An account that is banned for good: write to us without your account.",
    "拒绝不影响其他功能。",
    "MD5 摘要不是匿名信息。",
    "未经您的同意，我们不会向第三方提供。",
]


def _cases() -> Iterator[Any]:
    for rule, cases in CASES.items():
        for number, (changes, path) in enumerate(cases):
            yield pytest.param(rule, changes, path, id=f"{rule}-{number}")


class TestRules:
    """
    Tests for each rule by itself.
    """

    def test_all_rules_have_a_case(self) -> None:
        """
        No rule is without a document that it finds fault with.
        """
        assert CASES.keys() == RULES.keys()

    @pytest.mark.parametrize(("rule", "changes", "path"), [*_cases()])
    def test_finds(
        self, rule: str, changes: Mapping[str, object], path: str
    ) -> None:
        """
        The rule reports the spoilt place, with its severity and reasons.
        """
        every = found(changes, entries=ENTRIES)
        findings = [f for f in every if f.rule == rule]

        assert path in [f.path for f in findings], findings
        assert {f.severity for f in findings} == {RULES[rule].severity}
        assert {f.reason for f in findings} == {RULES[rule].reason}
        assert all(f.message and f.source for f in findings)

    @pytest.mark.parametrize("text", FINE)
    def test_leaves_alone(self, text: str) -> None:
        """
        A sentence that says what is right sets off no rule.
        """
        assert found(_said(text)) == ()


def _rules_of(changes: Mapping[str, object]) -> set[str]:
    return {f.rule for f in found(changes)}


def _errors_of(changes: Mapping[str, object]) -> set[str]:
    return {f.rule for f in found(changes).blocking()}


TYPES = load_vocabulary().data_types
SCRUBBED = sorted(
    type_
    for type_, term in TYPES.items()
    if ProtectionName.SCRUB in term.protections
)


class TestObligations:
    """
    Tests for what published policies promise and a linter can hold them to.
    """

    @pytest.mark.obligation("WP-PERM-11")
    def test_only_listed_permissions(self) -> None:
        """
        A function or an SDK with a permission that the table does not list
        is an error; with a table that lists it, it is none.
        """
        uses = _function(permission="camera", purposes=["qr_scan"])
        listed = {
            "permissions[+]": {
                "id": "camera",
                "functions": ["extra"],
                "purposes": ["qr_scan"],
                "can_disable": True,
            }
        }

        assert _errors_of(uses) == {"permission-undeclared"}
        assert "permission-undeclared-sdk" in _errors_of(_sdk("umeng"))
        assert _rules_of(uses | listed) == set()

    @pytest.mark.obligation("KS-PERM-2")
    def test_unused_permission(self) -> None:
        """
        A permission that no function needs is an error.
        """
        table = {
            "id": "microphone",
            "purposes": ["live_intercom"],
            "can_disable": True,
        }

        assert _errors_of({"permissions[+]": table}) == {"permission-unused"}

    @pytest.mark.obligation("WP-LOC-3")
    def test_abroad(self) -> None:
        """
        A recipient abroad is an error where the text does not tell of it,
        and none where it tells.
        """
        told = {"storage.cross_border": "Maps are drawn in the United States."}

        assert _errors_of(_ABROAD) == {"abroad-without-words"}
        assert _errors_of(_ABROAD | told) == set()

    @pytest.mark.obligation("WP-VER-5")
    def test_dates(self) -> None:
        """
        Dates that conflict, or cannot be, are errors.
        """
        told_twice = {
            "policy.dates[+]": {
                "updated": date(2026, 4, 10),
                "effective": date(2021, 11, 15),
            }
        }

        assert _errors_of(told_twice) == {
            "dates-conflict",
            "effective-before-updated",
        }

    @pytest.mark.obligation("WP-SDK-3")
    @pytest.mark.parametrize(
        ("sdk", "rule"),
        [
            ("pangle", "link-shared"),
            ("meishu", "sdk-link-missing"),
            ("youtui", "link-http"),
            ("umeng", "sdk-terms-loose"),
            ("jd", "sdk-fields-copied"),
        ],
    )
    def test_gaps_of_an_sdk(self, sdk: str, rule: str) -> None:
        """
        Each gap in what is known of an SDK is reported.
        """
        assert rule in _rules_of(_sdk(sdk))

    @pytest.mark.obligation("WP-SDK-3")
    def test_brand_for_an_entity(self) -> None:
        """
        An SDK whose operator is a brand only is reported, and one whose
        operator is known by its full name is not.
        """
        brand = {"recipients[1].name": "Partner"}

        assert "entity-missing" in _rules_of(_sdk("umeng") | brand)
        assert "entity-missing" not in _rules_of(_sdk("youtui") | brand)

    @pytest.mark.obligation("KS-SDK-1")
    def test_announced_list(self) -> None:
        """
        A list of SDKs that is announced and missing is an error.
        """
        announced = {"sdks.printed": False}

        assert _errors_of(announced) == {"sdk-list-missing"}

    @pytest.mark.obligation("GP-PRIN-1")
    def test_function_without_choice(self) -> None:
        """
        A function that does not say what refusing it costs is an error.
        """
        silent = {"functions[2].on_refusal": "unspecified"}

        assert _errors_of(silent) == {"on-refusal-missing"}

    @pytest.mark.parametrize("type_", SCRUBBED)
    def test_scrubbed_identifier(self, type_: str) -> None:
        """
        Whatever type scrubbing leaves naming somebody by itself is found,
        as is the name of a device, which often holds its owner's; each with
        protections that it may have and that do better. No other is.
        """
        term = TYPES[type_]
        direct = term.identifiability in ("direct", "device")
        naming = direct or type_ == "device_name"
        made = found(_function(collects=_collects(type_, "scrub")))
        told = [f for f in made if f.rule == "identifier-scrubbed"]

        assert bool(told) is naming
        for one in told:
            better = [
                ProtectionName(name)
                for name in re.findall(r"'(\w+)'", one.cure)
            ]
            assert better
            for name in better:
                policy = changed(
                    _function(collects=_collects(type_, name.value))
                )
                assert policy.functions["extra"].clauses[type_]
            leaving = [
                class_of(type_, name)
                for name in better
                if name not in (ProtectionName.DROP, ProtectionName.LOCAL_ONLY)
            ]
            assert PrivacyClass.PERSONAL not in leaving

    @pytest.mark.obligation("XM-PROT-3", "PR-NEC-1")
    def test_type_without_need(self) -> None:
        """
        A type that no purpose needs is found, and one that its purpose
        needs is not.
        """
        card = {
            "text": "May we see your identity card?",
            "collects": _collects("id_card_number", "keyed"),
        }
        needless = _function(**card)
        needed = _function(**card, purposes=["identity_authentication"])

        assert _rules_of(needless) == {"type-beyond-purpose"}
        assert _rules_of(needed) == set()
