# SPDX-License-Identifier: MIT
"""
Rules on third-party SDKs: what is known of them against what is promised.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from consentkit.policy.lint._prose import sentences
from consentkit.policy.lint.model import Context, Severity, Spot, rule
from consentkit.policy.model import ProtectionName, Recipient
from consentkit.policy.tables import FunctionTable


if TYPE_CHECKING:
    from consentkit.registry.model import SDKEntry


_PROTECTED: Final = frozenset(
    {
        ProtectionName.DROP,
        ProtectionName.KEYED,
        ProtectionName.LOCAL_ONLY,
        ProtectionName.MD5,
    }
)
# What stays on the device to know it again, like a cookie.
_LIKE_COOKIES: Final = frozenset(
    {
        "device_fingerprint",
        "guid",
        "odid",
        "openudid",
        "push_target_id",
        "uaid",
        "user_agent",
    }
)
_PLACEHOLDER: Final = re.compile(
    r"//(?:[\w.-]+\.)?example\.(?:com|net|org)\b|\b(?:todo|tbd|xxx+|link"
    r"|placeholder|localhost)\b|[\[\]<>{}#]\s*$|^#",
    re.IGNORECASE,
)
_LINK: Final = re.compile(r"https?://[\w-]+(?:\.[\w-]+)+(?:[/?#:]\S*)?")
_ADVERTISING: Final = frozenset(
    {
        "ad_anti_fraud",
        "advertising_attribution",
        "advertising_delivery",
        "advertising_statistics",
        "advertising_targeting",
        "google_ads_management",
    }
)
# What is read for nothing else.
_OF_ADVERTISING: Final = frozenset({"ad_interaction", "gaid", "idfa", "oaid"})
# Lists shorter than this are alike by chance.
_ALIKE: Final = 5


def _links(c: Context, function: str, entry: SDKEntry) -> Iterator[str]:
    """
    Give the links to an SDK's own policy, the document's first.
    """
    for party in c.policy.functions[function].recipients.values():
        if party.mode == "embedded" and party.url:
            yield party.url
            return
    if entry.privacy_policy:
        yield entry.privacy_policy


@rule(
    "sdk-list-missing",
    Severity.ERROR,
    title="a list of SDKs that is announced and not there",
    reason="People are sent to a list that they cannot find. No SDK can "
    "start before it is named.",
    source="KS-SDK-1; T-26; T-43; PIPL Articles 17, 23",
)
def sdk_list_missing(c: Context) -> Iterator[Spot]:
    said = c.document.sdks
    if said is None or not said.announced:
        return
    named = any(function.sdk for _, function in c.functions)
    if not said.printed or not named:
        why = "it is not printed" if not said.printed else "no SDK is named"
        yield Spot(
            path="$.sdks",
            message=f"a list of third-party SDKs is announced, and {why}",
            cure="name each SDK in a function of its own, and print the list",
        )


@rule(
    "sdk-unknown",
    Severity.WARNING,
    title="an SDK that nothing is known of",
    reason="What is not described cannot be told to people, and does not "
    "start.",
    source="WP-SDK-3; WP-LIST3P-1; PIPL Article 23",
)
def sdk_unknown(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        if function.sdk and function.sdk not in c.entries:
            yield Spot(
                path=f"{path}.sdk",
                message=f"no entry describes the SDK {function.sdk!r}",
                cure="write one, and name its folder with --sdks",
            )


@rule(
    "sdk-link-missing",
    Severity.ERROR,
    title="an SDK without a link to its own policy",
    reason="People are pointed to the third party's policy before they "
    "decide.",
    source="WP-TP-5; WP-SDK-3; T-22; PIPL Article 23",
)
def sdk_link_missing(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        if not any(_links(c, function.id, entry)):
            yield Spot(
                path=path,
                message=f"no link to the privacy policy of {function.sdk!r}",
                cure="recipients.url, or the entry's privacy_policy",
            )


@rule(
    "link-broken",
    Severity.ERROR,
    title="a link that is none, or a placeholder",
    reason="It was meant to be filled in.",
    source="WP-TP-5; WP-SDK-3; T-22; T-32",
)
def link_broken(c: Context) -> Iterator[Spot]:
    for path, link in _all_links(c):
        bad = _PLACEHOLDER.search(link.rstrip("/#"))
        if bad or not _LINK.fullmatch(link):
            yield Spot(
                path=path,
                message=f"{link!r} is no link that works",
                cure="a link such as https://maker.example/privacy",
            )


@rule(
    "link-http",
    Severity.WARNING,
    title="a link over plain HTTP",
    reason="Anybody on the way can change what is read there.",
    source="WP-SDK-3; T-22; practice",
)
def link_http(c: Context) -> Iterator[Spot]:
    for path, link in _all_links(c):
        if link.lower().startswith("http://"):
            yield Spot(
                path=path,
                message=f"{link!r} is not encrypted on its way",
                cure="https",
            )


def _all_links(c: Context) -> Iterator[tuple[str, str]]:
    if c.document.policy.url:
        yield "$.policy.url", c.document.policy.url
    for path, party in c.recipients:
        if party.url:
            yield f"{path}.url", party.url
    for path, function, entry in c.sdks:
        for link in _links(c, function.id, entry):
            if link == entry.privacy_policy:
                yield path, link


@rule(
    "link-shared",
    Severity.WARNING,
    title="one link for two operators",
    reason="At least one of them sends people to somebody else's policy.",
    source="WP-SDK-3; T-22",
)
def link_shared(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        for link in _links(c, function.id, entry):
            others = [
                other.name
                for other in c.entries.values()
                if other.privacy_policy == link
                and other.operator != entry.operator
            ]
            if others:
                yield Spot(
                    path=path,
                    message=f"the link of {function.sdk!r} is that of "
                    f"{', '.join(others)} too: {link}",
                    cure="its own link",
                )
    first: dict[str, str] = {}
    for path, party in c.recipients:
        other = first.setdefault(party.url, party.name)
        if party.url and other != party.name:
            yield Spot(
                path=f"{path}.url",
                message=f"{party.name!r} and {other!r} have one link: "
                f"{party.url}",
                cure="a link each",
            )


@rule(
    "sdk-fields-missing",
    Severity.WARNING,
    title="an SDK that sends, and does not say what",
    reason="Whoever decides on it has to know what it takes. A login yields "
    "an identifier at least.",
    source="WP-SDK-3; T-22; T-24; PIPL Article 23",
)
def sdk_fields_missing(c: Context) -> Iterator[Spot]:
    logins = {"social_login", "one_tap_login", "account_login"}
    for path, function, entry in c.sdks:
        login = logins.intersection(entry.purposes)
        if entry.fields or not (entry.transmits or login):
            continue
        what = "sends data" if entry.transmits else "serves a login"
        yield Spot(
            path=path,
            message=f"{function.sdk!r} {what}, and lists no field",
            cure="ask its operator",
        )


@rule(
    "sdk-fields-copied",
    Severity.WARNING,
    title="a field list that is another SDK's",
    reason="A list that was copied was not written from what the SDK does.",
    source="WP-SDK-3; T-22",
)
def sdk_fields_copied(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        types = set(entry.types)
        if len(types) < _ALIKE:
            continue
        others = [
            other.name
            for other in c.entries.values()
            if other.id != entry.id
            and other.operator != entry.operator
            and set(other.types) == types
        ]
        if others:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} lists exactly what "
                f"{', '.join(others)} {'lists' if len(others) == 1 else 'list'}",
                cure="ask its operator",
            )


@rule(
    "sdk-terms-loose",
    Severity.WARNING,
    title="fields of an SDK in words that may mean anything",
    reason="A term that is not clear is taken in its widest sense.",
    source="WP-SDK-3; T-22; T-36",
)
def sdk_terms_loose(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        loose = [f.term for f in entry.fields if f.ambiguous]
        if loose:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} lists what is not clear: "
                f"{', '.join(loose)}",
                cure="ask its operator for the exact fields",
            )


@rule(
    "sdk-anomaly",
    Severity.WARNING,
    title="a description of an SDK that does not hold together",
    reason="What is published about it has a gap or contradicts itself. The "
    "union is disclosed, and only what all readings share is permitted.",
    source="WP-SDK-UM; WP-SDK-3; T-10; T-22; T-23",
)
def sdk_anomaly(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        # What was read in a package is not what is published about it.
        for anomaly in entry.anomalies if entry.package is None else ():
            yield Spot(
                path=path,
                message=f"{function.sdk!r}: {anomaly.rstrip('.')}",
                cure="ask its operator",
            )


@rule(
    "sdk-surprising",
    Severity.NOTE,
    title="a library that does what an app may not expect",
    reason="It was read in its code, and no document can change it. What is "
    "said of it in the function has to be true all the same.",
    source="WP-SDK-3; practice",
)
def sdk_surprising(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        for anomaly in entry.anomalies if entry.package is not None else ():
            yield Spot(
                path=path,
                message=f"{function.sdk!r}: {anomaly.rstrip('.')}",
                cure="set it up accordingly",
            )


@rule(
    "sdk-nested-missing",
    Severity.WARNING,
    title="an SDK inside an SDK, not named",
    reason="What comes along inside starts with it, and is somebody else's.",
    source="WP-LIST3P-1; WP-SDK-3; GB/T 35273-2020, 9.7",
)
def sdk_nested_missing(c: Context) -> Iterator[Spot]:
    started = {function.sdk for _, function, _ in c.sdks}
    if not started:
        return
    for path, function, entry in c.sdks:
        inside = [
            other.id
            for other in c.entries.values()
            if entry.id in {other.parent, other.host}
            and other.id not in started
        ]
        if inside:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} brings {', '.join(inside)}, which "
                "the document does not name",
                cure="a function of its own for it",
            )
        if entry.host and entry.host not in started:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} is embedded in {entry.host!r}, "
                "which the document does not name",
                cure="a function of its own for it",
            )


@rule(
    "sdk-purpose-unsaid",
    Severity.WARNING,
    title="a purpose of an SDK that its function does not tell",
    reason="The person decides on what is told, and the SDK does more.",
    source="WP-TP-1; WP-SDK-3; PIPL Articles 14, 23",
)
def sdk_purpose_unsaid(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        unsaid = [p for p in entry.purposes if p not in function.purposes]
        if unsaid:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} serves {', '.join(unsaid)} too",
                cure=f"add to the purposes of {function.id!r}, or switch it "
                "off in the SDK",
            )


@rule(
    "sdk-list-short",
    Severity.WARNING,
    title="an SDK that takes more than its function lists",
    reason="The list that is meant to be quick to read is incomplete.",
    source="T-25; PIPL Article 23",
)
def sdk_list_short(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        listed = {t for row in function.collects for t in row.each}
        unsaid = [t for t in entry.types if t not in listed]
        if listed and unsaid:
            yield Spot(
                path=path,
                message=f"{function.id!r} lists {len(listed)} types, and "
                f"{function.sdk!r} takes {len(unsaid)} more: "
                f"{', '.join(unsaid)}",
                cure="print the list from the registry",
            )


@rule(
    "sdk-advertising-unsaid",
    Severity.ERROR,
    title="an SDK that advertises, and a function that does not say so",
    reason="What is read for advertising follows a person through other "
    "apps. Nobody agrees to it who was asked for something else.",
    source="WP-LIST-ADS; WP-TP-1; T-12; T-25; PIPL Articles 14, 24",
)
def sdk_advertising_unsaid(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        serves = [p for p in entry.purposes if p in _ADVERTISING]
        sells = entry.category in {"advertising", "advertising_aggregator"}
        if _ADVERTISING.intersection(function.purposes) or not (
            serves or sells
        ):
            continue
        takes = [t for t in entry.types if t in _OF_ADVERTISING]
        told = f", and takes {', '.join(takes)}" * bool(takes)
        yield Spot(
            path=path,
            message=f"{function.sdk!r} advertises{told}; the purposes of "
            f"{function.id!r} do not say so",
            cure=f"add {', '.join(serves) or 'advertising_delivery'} to its "
            "purposes, and say it in its text",
        )


@rule(
    "sdk-recipient-missing",
    Severity.WARNING,
    title="an SDK that sends, and nobody who gets it",
    reason="Who runs the SDK gets the data: people have to know the company, "
    "its country, what binds it and when its SDK was tested.",
    source="WP-TP-1; WP-SDK-3; GP-SDK-1; PIPL Article 23",
)
def sdk_recipient_missing(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        if entry.transmits and not any(_embedded(c, function.id)):
            yield Spot(
                path=path,
                message=f"{function.sdk!r} sends data to {entry.operator}, "
                f"and {function.id!r} names no recipient that is embedded",
                cure="a recipient with mode = 'embedded', its country, "
                "agreement and agreement.audited",
            )


def _embedded(c: Context, function: str) -> Iterator[Recipient]:
    for party in c.policy.functions[function].recipients.values():
        if party.mode == "embedded":
            yield party


@rule(
    "sdk-host-elsewhere",
    Severity.WARNING,
    title="an SDK that sends to another country than the document names",
    reason="The country is what people are told, and what the rules on going "
    "abroad hang on.",
    source="WP-LOC-3; WP-SDK-3; PIPL Articles 38, 39; GDPR Article 13(1)(f)",
)
def sdk_host_elsewhere(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        said = {p.country for p in _embedded(c, function.id) if p.country}
        for host in entry.hosts:
            if host.default and said and not host.may_stand_in(said):
                yield Spot(
                    path=path,
                    message=f"{function.sdk!r} sends to {host.name} in "
                    f"{host.region}, and the country of its recipient is "
                    f"{', '.join(sorted(said))}",
                    cure="name that country, or set the SDK to a host in the "
                    "other",
                )


@rule(
    "sdk-host-shared",
    Severity.WARNING,
    title="a host of two SDKs",
    reason="What goes there cannot be told apart by its host: a no to one of "
    "them may look like a yes to the other.",
    source="WP-SDK-1; WP-SDK-2; T-22",
)
def sdk_host_shared(c: Context) -> Iterator[Spot]:
    before: list[tuple[FunctionTable, SDKEntry]] = []
    for path, function, entry in c.sdks:
        for other, theirs in before:
            shared = [
                host.name
                for host in entry.hosts
                if any(_same_host(host.name, h.name) for h in theirs.hosts)
            ]
            if shared:
                yield Spot(
                    path=path,
                    message=f"{function.sdk!r} and {other.sdk!r} both send "
                    f"to {', '.join(shared)}",
                    cure="give each a host of its own, where the SDK takes "
                    "one",
                )
        before.append((function, entry))


def _same_host(one: str, other: str) -> bool:
    """
    Tell whether two names, or families of names, have a host in common.
    """
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return short.startswith("*.") and long.endswith(short[1:])


@rule(
    "sdk-twice",
    Severity.WARNING,
    title="an SDK that is described twice",
    reason="Two descriptions of one thing say different things sooner or "
    "later, and a no to one of them leaves the other.",
    source="WP-SDK-2; WP-SDK-3; T-10; T-22",
)
def sdk_twice(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        twins = {
            other.id: what
            for other in c.entries.values()
            if other.id != entry.id and (what := _in_common(entry, other))
        }
        for other_id, what in twins.items():
            yield Spot(
                path=path,
                message=f"{function.sdk!r} and the entry {other_id!r} both "
                f"describe {what}",
                cure="keep one of them",
            )


def _in_common(one: SDKEntry, other: SDKEntry) -> str:
    """
    Name what two entries both describe, or nothing.
    """
    if one.package and other.package:
        for mine, theirs in (
            (one.package.distributions, other.package.distributions),
            (one.package.imports, other.package.imports),
        ):
            for name in mine:
                if name in theirs:
                    return f"the package {name!r}"
    if (one.name, one.platforms) == (other.name, other.platforms):
        return f"{one.name!r}"
    return ""


@rule(
    "partner-breaks-protection",
    Severity.ERROR,
    title="a partner takes raw what the document promises to protect",
    reason="The app hashes the number, or keeps it, and the SDK beside it "
    "reads it in the clear: the promise is broken all the same.",
    source="T-13; WP-HASH-1; GDPR Article 5(1)(a)",
)
def partner_breaks_protection(c: Context) -> Iterator[Spot]:
    promised = {
        clause.type: clause.protection.name.value
        for _, _, _, clause in c.clauses
        if clause.protection.name in _PROTECTED
    }
    for path, function, entry in c.sdks:
        broken = _raw(entry, set(promised))
        if broken:
            told = ", ".join(f"{t} ({promised[t]})" for t in broken)
            yield Spot(
                path=path,
                message=f"{function.sdk!r} takes raw what is protected "
                f"elsewhere: {told}",
                cure="do without the SDK or the field, or limit the promise "
                "to the app itself",
            )


@rule(
    "partner-breaks-never",
    Severity.ERROR,
    title="a partner takes what is promised never to be collected",
    reason="It makes no difference to the person who breaks the promise.",
    source="T-13; WP-PAY-1; GDPR Article 5(1)(a)",
)
def partner_breaks_never(c: Context) -> Iterator[Spot]:
    never = {t for _, function in c.functions for t in function.never_collects}
    for path, function, entry in c.sdks:
        broken = _raw(entry, never)
        if broken:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} takes {', '.join(broken)}, which "
                "is promised never to be collected",
                cure="do without the SDK or the field",
            )


def _raw(entry: SDKEntry, types: set[str]) -> list[str]:
    """
    Give those of *types* that leave the device through the SDK.
    """
    return list(
        dict.fromkeys(
            type_
            for field in entry.fields
            if not (field.local_only or entry.local_only)
            for type_ in field.types
            if type_ in types
        )
    )


@rule(
    "cookies-denied",
    Severity.ERROR,
    title="no cookies, it says, and something like them is used",
    reason="An identifier that is kept to know a device again is a similar "
    "technology.",
    source="T-11; WP-COOK-1; ePrivacy Directive, Article 5(3)",
)
def cookies_denied(c: Context) -> Iterator[Spot]:
    cookies = c.document.cookies
    if cookies is None or cookies.used:
        return
    web = {t.id for t in c.words.data_types.values()}
    web = {t for t in web if c.words.data_types[t].category == "web_tracking"}
    for path, function, _, clause in c.clauses:
        if (
            clause.type in web
            and clause.protection.name is not ProtectionName.DROP
        ):
            yield Spot(
                path=path,
                message=f"{function.id!r} collects {clause.type!r}, and no "
                "cookies or similar technologies are said to be used",
                cure="change one of the two",
            )
    for path, function, entry in c.sdks:
        brought = [t for t in entry.types if t in web | _LIKE_COOKIES]
        if brought:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} brings {', '.join(brought)}, and "
                "no cookies or similar technologies are said to be used",
                cure="say so",
            )


@rule(
    "claim-contradicted",
    Severity.WARNING,
    title="not collected, it says, and here are the fields",
    reason="It is printed as a claim, and taken as collected.",
    source="T-23; GDPR Article 5(1)(a)",
)
def claim_contradicted(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"\b(?:neither|never|no|nor|not)\b[^.;]{0,30}\b(?:collect|stor"
        r"|retain|sav|keep|kept)\w*|不(?:会)?(?:收集|存储|保存|留存)",
        re.IGNORECASE,
    )
    for path, function, entry in c.sdks:
        told = list(entry.claims)
        for party in c.policy.functions[function.id].recipients.values():
            for _, table in c.recipients:
                if table.id == party.id:
                    told += table.claims
        for claim in dict.fromkeys(told):
            if entry.transmits and entry.fields and said.search(claim):
                yield Spot(
                    path=path,
                    message=f"{function.sdk!r} claims {claim!r}, and takes "
                    f"{len(entry.fields)} fields",
                    cure="ask its operator which holds",
                )


@rule(
    "third-parties-disowned",
    Severity.WARNING,
    title="no responsibility for third parties",
    reason="Who puts an SDK into an app answers for its being there.",
    source="T-34; PIPL Articles 20, 59; CJEU C-40/17 (Fashion ID)",
)
def third_parties_disowned(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"(?:not|no|nor)\b[^.;]{0,30}\b(?:responsib\w+|liab\w+)"
        r"|不承担(?:任何)?(?:法律)?责任|概不负责",
        re.IGNORECASE,
    )
    others = re.compile(
        r"third[- ]part|partner|sdk|advertis|第三方|合作", re.IGNORECASE
    )
    for prose in c.said:
        for sentence in sentences(prose.text):
            found = said.search(sentence)
            if found and others.search(sentence):
                yield Spot(
                    path=prose.path,
                    message=f"it says {found[0]!r}",
                    cure="say what is done: tests, agreements, records",
                )
                break


@rule(
    "scope-excludes-sdks",
    Severity.WARNING,
    title="what is built in is put outside the document",
    reason="An SDK runs as a part of the app, and reads what the app can "
    "read, by code that no gate of the app stops. Whoever puts it in decides "
    "on that with it, and has to tell people.",
    source="T-12; PIPL Articles 20, 23; CJEU C-40/17 (Fashion ID)",
)
def scope_excludes_sdks(c: Context) -> Iterator[Spot]:
    built_in = re.compile(
        r"integrated|built[- ]in|embedded in (?:it|this|the|our)\b|SDK"
        r"|接入|集成|嵌入",
        re.IGNORECASE,
    )
    scope = c.document.scope
    started = sum(bool(function.sdk) for _, function in c.functions)
    for i, text in enumerate(scope.excludes if scope and started else ()):
        if built_in.search(text):
            yield Spot(
                path=f"$.scope.excludes[{i}]",
                message=f"{text!r} is put outside the document, which starts "
                f"{started} of them",
                cure="say what they collect, and when they start",
            )
