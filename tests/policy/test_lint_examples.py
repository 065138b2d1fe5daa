# SPDX-License-Identifier: MIT

"""
What the linter finds in the policies of the examples.

Each of them restates a published policy as it stands, with its gaps and
contradictions; ``principles_app/policy.toml`` alone is settled, and clean.
`ERRORS` and `OTHERS` fix what is found. `TRAPS` tells in words what is behind
the most telling findings, for readers who know none of the texts.

Who mends an example, or a rule, changes the figures here, on purpose.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from consentkit.policy.lint import Finding, Findings, Severity, check_file
from tests.policy.lint_support import TODAY


EXAMPLES = Path(__file__).parents[2] / "examples"

#: How many errors of each rule, by document.
ERRORS: dict[str, dict[str, int]] = {
    "business_mail/policy.toml": {
        "cookies-on-by-default": 1,
        "exception-unlawful": 1,
        "implied-consent": 2,
        "on-refusal-missing": 11,
        "section-label-twice": 2,
    },
    "camera_app/policy.toml": {
        "cookies-denied": 4,
        "dates-conflict": 2,
        "default-on": 1,
        "digest-called-anonymous": 1,
        "effective-before-updated": 1,
        "implied-consent": 1,
        "indirect-denied": 1,
        "link-broken": 1,
        "partner-breaks-protection": 23,
        "permission-beyond-table": 18,
        "permission-undeclared": 6,
        "permission-undeclared-sdk": 3,
        "reference-wrong": 2,
        "sdk-link-missing": 1,
        "sdk-list-missing": 1,
        "self-start-forced": 1,
        "sensitive-permission-denied": 1,
    },
    "design_platform/policy.toml": {
        "sdk-list-missing": 1,
    },
    "general_platform/policy.toml": {
        "controller-missing": 1,
        "cookies-on-by-default": 1,
        "permission-unused": 3,
        "placeholder": 2,
    },
    "principles_app/policy.toml": {},
    "principles_app/template.toml": {
        "controller-missing": 1,
        "cookies-on-by-default": 1,
        "on-refusal-missing": 3,
    },
}

#: The rules that warn or note, by document.
OTHERS: dict[str, set[str]] = {
    "business_mail/policy.toml": {
        "act-missing",
        "archive-missing",
        "catch-all",
        "cessation-missing",
        "changes-missing",
        "controller-incomplete",
        "deidentified-not-sharing",
        "entity-missing",
        "exception-beyond-law",
        "incident-missing",
        "major-changes-undefined",
        "minors-missing",
        "period-missing",
        "permission-table-missing",
        "permission-unneeded",
        "purpose-catch-all",
        "recipient-incomplete",
        "recipient-unnamed",
        "right-without-deadline",
        "rights-missing",
        "scope-excludes-personal",
        "sharing-denied",
        "storage-region-missing",
        "type-beyond-purpose",
        "type-loose",
        "undated",
        "unspecified",
        "withdrawal-undescribed",
    },
    "camera_app/policy.toml": {
        "anonymise-as-way-out",
        "anonymised-then-deleted",
        "archive-missing",
        "ban-without-rights",
        "can-disable-blank",
        "catch-all",
        "claim-contradicted",
        "claim-without-evidence",
        "controller-incomplete",
        "defined-never-collected",
        "deidentified-not-sharing",
        "digest-unkeyed",
        "entity-missing",
        "exception-beyond-law",
        "exception-open",
        "function-empty",
        "identifier-called-harmless",
        "identifier-scrubbed",
        "link-http",
        "link-shared",
        "no-time-to-read",
        "other-purpose-training",
        "own-cipher",
        "period-clash",
        "period-missing",
        "permission-unneeded",
        "permission-unneeded-sdk",
        "purpose-catch-all",
        "recipient-incomplete",
        "recipient-unnamed",
        "refusal-text-overreaches",
        "right-without-deadline",
        "rights-missing",
        "scope-excludes-sdks",
        "sdk-anomaly",
        "sdk-fields-copied",
        "sdk-fields-missing",
        "sdk-list-short",
        "sdk-terms-loose",
        "sensitive-unnamed",
        "term-unused",
        "type-beyond-purpose",
        "type-loose",
        "unspecified",
        "warning-explained-away",
    },
    "design_platform/policy.toml": {
        "anonymise-as-way-out",
        "catch-all",
        "cessation-missing",
        "consent-without-end",
        "contact-unusable",
        "controller-incomplete",
        "entity-missing",
        "exception-open",
        "identifier-scrubbed",
        "no-time-to-read",
        "other-product",
        "period-missing",
        "recipient-incomplete",
        "recipient-unnamed",
        "right-without-deadline",
        "threat",
        "type-loose",
        "unspecified",
        "withdrawal-undescribed",
    },
    "general_platform/policy.toml": {
        "anonymise-as-way-out",
        "asked-at-first-open",
        "catch-all",
        "child-age-differs",
        "controller-incomplete",
        "cross-border-open",
        "defined-never-collected",
        "entity-missing",
        "exception-beyond-law",
        "exception-open",
        "function-empty",
        "period-missing",
        "presumed-adult",
        "purpose-catch-all",
        "recipient-incomplete",
        "recipient-unnamed",
        "refusal-text-overreaches",
        "right-without-channel",
        "right-without-deadline",
        "rights-missing",
        "scope-excludes-personal",
        "third-parties-disowned",
        "type-loose",
        "undated",
        "unspecified",
        "withdrawal-undescribed",
    },
    "principles_app/policy.toml": set(),
    "principles_app/template.toml": {
        "act-missing",
        "archive-missing",
        "catch-all",
        "cessation-missing",
        "changes-missing",
        "cookies-not-refusable",
        "entity-missing",
        "exception-open",
        "function-empty",
        "incident-missing",
        "local-promise-broken",
        "minors-missing",
        "period-missing",
        "purpose-catch-all",
        "recipient-incomplete",
        "right-without-deadline",
        "rights-missing",
        "storage-region-missing",
        "template",
        "undated",
        "unspecified",
        "withdrawal-undescribed",
    },
}

_CAMERA = "camera_app/policy.toml"
_DESIGN = "design_platform/policy.toml"
_GENERAL = "general_platform/policy.toml"
_MAIL = "business_mail/policy.toml"
_TEMPLATE = "principles_app/template.toml"

#: Document, rule, words of a finding, and what is behind it.
TRAPS = [
    (
        _CAMERA,
        "effective-before-updated",
        "from 2021-11-15, and changed after that, on 2026-04-10",
        "T-04: the last lines say that it took effect before it was written",
    ),
    (
        _CAMERA,
        "dates-conflict",
        "2020-12-15, 2021-11-15",
        "T-04: and another line names a third day",
    ),
    (
        _CAMERA,
        "reference-wrong",
        "which is section 'X'",
        "T-05: three sentences send people to IX for the contact",
    ),
    (
        _CAMERA,
        "period-clash",
        "message_centre_video",
        "T-06: a video lasts 7 days, a month, or as long as the package",
    ),
    (
        _CAMERA,
        "anonymised-then-deleted",
        "use_stopped_or_unbound",
        "T-07: what is anonymous need not be deleted three years later",
    ),
    (
        _CAMERA,
        "other-purpose-training",
        "serve no other purpose",
        "T-08: recordings serve no other purpose; alarm footage trains AI",
    ),
    (
        _CAMERA,
        "sensitive-permission-denied",
        "by umeng",
        "T-09: no sensitive permission, says the line above those of Umeng",
    ),
    (
        _CAMERA,
        "sdk-anomaly",
        "Described twice with different fields",
        "T-10: Umeng has two lists, in the body and in the appendix",
    ),
    (
        _CAMERA,
        "cookies-denied",
        "openudid",
        "T-11: no cookies or the like, and SDKs with identifiers of theirs",
    ),
    (
        _CAMERA,
        "scope-excludes-sdks",
        "integrated into it",
        "T-12: advertising that is integrated is put outside the document",
    ),
    (
        _CAMERA,
        "warning-explained-away",
        "may be false",
        "T-17: the system's warning on the clipboard may be false, it says",
    ),
    (
        _CAMERA,
        "ban-without-rights",
        "restricted for ever",
        "T-52: a banned account is banned for ever, and its rights with it",
    ),
    (
        _CAMERA,
        "partner-breaks-protection",
        "'pangle' takes raw",
        "T-13: the app hashes IMEI and MAC; its advertising SDKs do not",
    ),
    (
        _CAMERA,
        "can-disable-blank",
        "'location'",
        "T-14: the cell on turning off location is empty",
    ),
    (
        _CAMERA,
        "permission-unneeded",
        "security_risk_control can do without 'phone'",
        "T-15: the phone permission is core, for risk control",
    ),
    (
        _CAMERA,
        "self-start-forced",
        "must use the self-start",
        "T-16: self-start is a must, and there is none without consent",
    ),
    (
        _CAMERA,
        "permission-unneeded-sdk",
        "'getui' wants storage_write, storage_read, phone_state",
        "T-20: push 'also needs' storage and phone",
    ),
    (
        _CAMERA,
        "link-shared",
        "'pangle' is that of Tencent Youlianghui",
        "T-22: one SDK has the link of another operator",
    ),
    (
        _CAMERA,
        "link-broken",
        "Link",
        "T-22: where Meishu's link belongs, the form's own word stands",
    ),
    (
        _CAMERA,
        "claim-contradicted",
        "neither collected nor stored",
        "T-23: not collected, they claim, beside the list of fields",
    ),
    (
        _CAMERA,
        "sdk-fields-missing",
        "'wechat_open_platform' serves a login",
        "T-24: a login that yields nothing is no login",
    ),
    (
        _CAMERA,
        "digest-called-anonymous",
        "MD5",
        "T-01: the MD5 of an IMEI is called anonymised",
    ),
    (
        _CAMERA,
        "identifier-called-harmless",
        "android_id",
        "T-02: IMEI and the like are said not to involve identity",
    ),
    (
        _CAMERA,
        "implied-consent",
        "beginning to use",
        "T-03: beginning to use the app is taken for agreement",
    ),
    (
        _CAMERA,
        "default-on",
        "device_upgrade",
        "T-56: automatic upgrades are on before a choice",
    ),
    (
        _CAMERA,
        "term-unused",
        "'children'",
        "T-57: children are defined, and no rule is for them",
    ),
    (
        _CAMERA,
        "own-cipher",
        "own encryption",
        "T-60: a cipher of its own inside HTTPS",
    ),
    (
        _CAMERA,
        "claim-without-evidence",
        "ISO 27001",
        "T-61: certificates are held, and nothing shows them",
    ),
    (
        _CAMERA,
        "indirect-denied",
        "mobile_carriers",
        "T-68: nothing comes from others, but one-tap login's number does",
    ),
    (
        _CAMERA,
        "defined-never-collected",
        "voiceprint",
        "T-70: voiceprints are named, and no function says what for",
    ),
    (
        _DESIGN,
        "sdk-list-missing",
        "it is not printed",
        "T-43: a list of SDKs is announced, and the page ends there",
    ),
    (
        _DESIGN,
        "no-time-to-read",
        "2022-08-30",
        "T-42: updated and in force on the same day",
    ),
    (
        _DESIGN,
        "other-product",
        "'Xiaomi platform'",
        "T-43: the name of another platform, one letter away",
    ),
    (
        _DESIGN,
        "contact-unusable",
        "contact@kanshan.in",
        "T-43: the host of the mail address looks cut off",
    ),
    (
        _DESIGN,
        "withdrawal-undescribed",
        "targeted_push",
        "T-43: the path to switch off push is garbled",
    ),
    (
        _DESIGN,
        "threat",
        "cannot guarantee",
        "T-44: without the identifier, safe operation is not guaranteed",
    ),
    (
        _DESIGN,
        "catch-all",
        "and other information",
        "T-19: identity 'and other information' is shown to other users",
    ),
    (
        _GENERAL,
        "placeholder",
        "Modify according to actual situation",
        "T-32: a template, published with its instructions",
    ),
    (
        _GENERAL,
        "asked-at-first-open",
        "'location'",
        "T-31: all permissions are asked for when the app is first opened",
    ),
    (
        _GENERAL,
        "refusal-text-overreaches",
        "not be able to use the service",
        "T-30: refusing one thing costs the whole service, it says",
    ),
    (
        _GENERAL,
        "presumed-adult",
        "capable adults",
        "T-29: everybody is presumed to be of age",
    ),
    (
        _GENERAL,
        "cross-border-open",
        "around the world",
        "T-35: kept in China, on servers around the world",
    ),
    (
        _GENERAL,
        "anonymise-as-way-out",
        "deleted or anonymised",
        "T-54: delete or anonymise, as the operator likes",
    ),
    (
        _GENERAL,
        "third-parties-disowned",
        "not responsible",
        "T-34: not responsible for third parties, which are strictly bound",
    ),
    (
        _GENERAL,
        "function-empty",
        "'health'",
        "T-70: health information is named, and nothing needs it",
    ),
    (
        _MAIL,
        "exception-unlawful",
        "own discretion",
        "T-36: other disclosures that the operator considers appropriate",
    ),
    (
        _MAIL,
        "sharing-denied",
        "marketing_partners",
        "T-37: no sharing for business; partners send offers all the same",
    ),
    (
        _MAIL,
        "cookies-on-by-default",
        "unless they are refused",
        "T-38: cookies are set unless they are refused",
    ),
    (
        _MAIL,
        "section-label-twice",
        "'1.1'",
        "T-40: two sections 1.1 and two 1.2",
    ),
    (
        _MAIL,
        "scope-excludes-personal",
        "credit ratings",
        "T-41: ratings and violations are put outside the policy",
    ),
    (
        _MAIL,
        "deidentified-not-sharing",
        "de-identified",
        "T-50: sharing what is de-identified is no sharing, it says",
    ),
    (
        _TEMPLATE,
        "controller-missing",
        "names no controller",
        "T-48: a consent to nobody",
    ),
    (
        _TEMPLATE,
        "purpose-catch-all",
        "personalised_experience",
        "T-47: what one service learns serves all others",
    ),
]


@cache
def _found(name: str) -> Findings:
    return check_file(EXAMPLES / name, today=TODAY).findings


class TestExamples:
    """
    Tests for the documents of the examples.
    """

    def test_all_are_here(self) -> None:
        """
        Each policy of an example has its expected findings.
        """
        names = {
            path.relative_to(EXAMPLES).as_posix()
            for path in EXAMPLES.glob("*/*.toml")
        }

        assert ERRORS.keys() == OTHERS.keys() == names

    @pytest.mark.parametrize("name", sorted(ERRORS))
    def test_errors(self, name: str) -> None:
        """
        The errors are these, and so many of each rule.
        """
        errors = _found(name).blocking()

        assert Counter(f.rule for f in errors) == ERRORS[name]

    @pytest.mark.parametrize("name", sorted(OTHERS))
    def test_others(self, name: str) -> None:
        """
        These rules, and no others, warn or note something.
        """
        others = {
            f.rule for f in _found(name) if f.severity is not Severity.ERROR
        }

        assert others == OTHERS[name]

    @pytest.mark.parametrize(
        ("name", "rule", "words", "story"),
        [pytest.param(*trap, id=trap[3]) for trap in TRAPS],
    )
    def test_trap(self, name: str, rule: str, words: str, story: str) -> None:
        """
        The trap is found, with its source, and at its line.
        """
        found = _by_words(_found(name), rule, words)

        assert found, story
        assert story.split(":", maxsplit=1)[0] in found[0].source
        assert all(f.line for f in found if f.path != "$.controller")

    @pytest.mark.obligation(
        "KS-SDK-1",
        "WP-VER-5",
        "WP-PERM-11",
        "KS-PERM-2",
    )
    def test_as_they_stand(self) -> None:
        """
        The published texts, as they stand, break what they promise.
        """
        for name, rule in (
            (_DESIGN, "sdk-list-missing"),
            (_CAMERA, "effective-before-updated"),
            (_CAMERA, "permission-undeclared"),
            (_GENERAL, "permission-unused"),
        ):
            assert rule in [f.rule for f in _found(name).blocking()]

    def test_settled(self) -> None:
        """
        The one document that its author has settled is ready for
        production.
        """
        assert _found("principles_app/policy.toml").blocking(strict=True) == ()


def _by_words(findings: Findings, rule: str, words: str) -> list[Finding]:
    return [
        f
        for f in findings
        if f.rule == rule and words in f"{f.path} {f.message}"
    ]
