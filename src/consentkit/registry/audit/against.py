# SPDX-License-Identifier: MIT
"""
What SDKs were seen to do against what is declared and what is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from consentkit.policy.lint.model import Severity
from consentkit.registry.audit.judge import Declaration, finding
from consentkit.registry.audit.model import AuditFinding
from consentkit.registry.model import SDKEntry
from consentkit.registry.observed import Observation, Seen


__all__ = ["judge_observed"]

_DID = {
    "lookup": "looked up",
    "connect": "connected to",
    "datagram": "sent to",
    "process": "started the program",
    "native": "loaded the library",
}
_CODE = frozenset({"native", "process"})


def judge_observed(
    observation: Observation,
    file: str,
    declaration: Declaration,
    entries: Mapping[str, SDKEntry],
) -> Iterator[AuditFinding]:
    """
    Compare *observation* with the declaration and with what is known.

    What was seen and belongs to no SDK is not judged: it may be the app's
    own.

    Args:
        observation: What was seen.

        file: Its file, as findings name it.

        declaration: What the policy says.

        entries: What is known of each SDK, by id.
    """
    by_sdk: dict[str, list[Seen]] = defaultdict(list)
    for seen in observation.sightings:
        if seen.sdk:
            by_sdk[seen.sdk].append(seen)
    functions = declaration.functions
    for sdk, all_seen in sorted(by_sdk.items()):
        if sdk not in functions:
            yield finding(
                "sdk-observed-undeclared",
                sdk=sdk,
                file=file,
                path=sdk,
                message=f"{sdk!r}: {_told(all_seen)}",
                cure=f"a function with sdk = {sdk!r} in "
                f"{declaration.file or 'a policy'}, or do without it",
            )
        else:
            yield from _before(sdk, all_seen, file)
            yield from _unseen(sdk, all_seen, file)
        yield from _hosts(sdk, all_seen, file, entries.get(sdk))


def _before(
    sdk: str, all_seen: Iterable[Seen], file: str
) -> Iterator[AuditFinding]:
    early = [seen for seen in all_seen if not seen.permitted]
    went = [seen for seen in early if not seen.stopped]
    held = [seen for seen in early if seen.stopped]
    for some, severity, word in (
        (went, Severity.ERROR, "without a permit it"),
        (held, Severity.WARNING, "it was stopped when, without a permit, it"),
    ):
        if some:
            yield finding(
                "sdk-observed-before-consent",
                severity=severity,
                sdk=sdk,
                file=file,
                path=sdk,
                message=f"{sdk!r}: {word} {_told(some)}",
                cure="start it under its permit only, with its own off "
                "switches set until then",
            )


def _unseen(
    sdk: str, all_seen: Iterable[Seen], file: str
) -> Iterator[AuditFinding]:
    ran = [
        seen
        for seen in all_seen
        if seen.kind in _CODE and seen.permitted and not seen.stopped
    ]
    if ran:
        yield finding(
            "sdk-observed-unseen",
            sdk=sdk,
            file=file,
            path=sdk,
            message=f"{sdk!r}: {_told(ran)}",
            cure="see what it is for, and do without it where that can be; "
            "only the operating system holds what it sends",
        )


def _hosts(
    sdk: str,
    all_seen: Iterable[Seen],
    file: str,
    entry: SDKEntry | None,
) -> Iterator[AuditFinding]:
    strange = [
        seen
        for seen in all_seen
        if seen.host and seen.kind not in _CODE and not _is_known(seen, entry)
    ]
    if strange:
        own = entry is not None and entry.own_host
        yield finding(
            "sdk-observed-undeclared-host",
            severity=Severity.NOTE if own else None,
            sdk=sdk,
            file=file,
            path=sdk,
            message=f"{sdk!r}: its entry names no such host; it "
            f"{_told(strange)}",
            cure="name the host in an entry of your own, and who gets it in "
            "the policy"
            if not own
            else "the app names the host: see that the policy tells of it",
        )


def _is_known(seen: Seen, entry: SDKEntry | None) -> bool:
    # Whoever saw it knew which name an address was looked up for, and which
    # hosts the app itself names.
    return seen.declared or (
        entry is not None
        and any(_is_named(seen.host, host.name) for host in entry.hosts)
    )


def _is_named(host: str, name: str) -> bool:
    if name.startswith("*."):
        return host.endswith(name[1:])
    return host == name


def _told(all_seen: Iterable[Seen]) -> str:
    """
    Say what was seen, the most frequent first.
    """
    counts: dict[str, int] = defaultdict(int)
    for seen in all_seen:
        port = f":{seen.port}" if seen.port else ""
        where = f"{seen.host}{port}" if seen.host else "something unknown"
        counts[f"{_DID[seen.kind]} {where}"] += seen.count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [
        f"{what} ({number} times)" if number > 1 else what
        for what, number in ordered
    ]
    more = len(parts) - 5
    told = ", ".join(parts[:5])
    return f"{told} and {more} more" if more > 0 else told
