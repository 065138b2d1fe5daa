# SPDX-License-Identifier: MIT
"""
Rules on dates and versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from consentkit.policy.lint.model import Context, Severity, Spot, rule


Story = tuple[date | None, date | None]


def _stories(c: Context) -> Iterator[tuple[str, Story]]:
    """
    Give each pair of updated and effective that the document tells.
    """
    about = c.document.policy
    seen: set[Story] = set()
    told = [("$.policy", (about.updated, about.effective))]
    told += [
        (f"$.policy.dates[{i}]", (d.updated, d.effective))
        for i, d in enumerate(about.dates)
    ]
    for path, story in told:
        if story not in seen:
            seen.add(story)
            yield path, story


@rule(
    "dates-conflict",
    Severity.ERROR,
    title="several dates for one document",
    reason="Nobody can tell which text holds from when, and a consent to it "
    "cannot be dated.",
    source="T-04; PIPL Article 17",
)
def dates_conflict(c: Context) -> Iterator[Spot]:
    about = c.document.policy
    for name in ("updated", "effective"):
        told = {getattr(about, name), *(getattr(d, name) for d in about.dates)}
        told.discard(None)
        if len(told) > 1:
            listed = ", ".join(sorted(map(str, told)))
            yield Spot(
                path="$.policy.dates" if about.dates else "$.policy",
                message=f"{len(told)} different dates are called {name!r}: "
                f"{listed}",
                cure="decide on one and print it once",
            )


@rule(
    "effective-before-updated",
    Severity.ERROR,
    title="in force before it was written",
    reason="A text cannot have been agreed to on a day on which it was not "
    "there yet.",
    source="T-04; PIPL Article 17",
)
def effective_before_updated(c: Context) -> Iterator[Spot]:
    for path, (updated, effective) in _stories(c):
        if updated and effective and effective < updated:
            yield Spot(
                path=f"{path}.effective",
                message=f"in force from {effective}, and changed after that, "
                f"on {updated}",
                cure="a day after the last change",
            )


@rule(
    "no-time-to-read",
    Severity.WARNING,
    title="in force on the day it was changed",
    reason="People have to be told of a change before it holds.",
    source="T-42; PIPL Article 17; GB/T 42574-2023",
)
def no_time_to_read(c: Context) -> Iterator[Spot]:
    for path, (updated, effective) in _stories(c):
        if updated and updated == effective:
            yield Spot(
                path=f"{path}.effective",
                message=f"updated and in force on the same day, {updated}",
                cure="leave people days to read it",
            )


@rule(
    "not-yet-in-force",
    Severity.NOTE,
    title="in force from a day to come",
    reason="Until then everything is refused under it.",
    source="practice",
)
def not_yet_in_force(c: Context) -> Iterator[Spot]:
    effective = c.document.policy.effective
    if effective and effective > c.today:
        yield Spot(
            path="$.policy.effective",
            message=f"it is in force from {effective}, and today is {c.today}",
        )


@rule(
    "updated-in-future",
    Severity.WARNING,
    title="changed on a day to come",
    reason="The day of the last change has passed; a later one is a slip.",
    source="practice",
)
def updated_in_future(c: Context) -> Iterator[Spot]:
    updated = c.document.policy.updated
    if updated and updated > c.today:
        yield Spot(
            path="$.policy.updated",
            message=f"the last change is dated {updated}, and today is "
            f"{c.today}",
            cure="the day on which it was changed",
        )


@rule(
    "undated",
    Severity.WARNING,
    title="no version, or no date",
    reason="People who come back cannot see whether the text has changed.",
    source="T-39; PIPL Article 17",
)
def undated(c: Context) -> Iterator[Spot]:
    about = c.document.policy
    missing = [
        word
        for word, value in (
            ("its version", about.version),
            ("when it was last changed", about.updated),
            ("from when it holds", about.effective),
        )
        if not value
    ]
    if missing:
        yield Spot(
            path="$.policy",
            message=f"the document does not say {', '.join(missing)}",
            cure="version, updated and effective; nothing is guessed",
        )


@rule(
    "claim-expired",
    Severity.WARNING,
    title="a certificate that has lapsed",
    reason="What has lapsed is not held any more, and saying so misleads.",
    source="T-61; practice",
)
def claim_expired(c: Context) -> Iterator[Spot]:
    claims = c.document.security.claims if c.document.security else ()
    for i, claim in enumerate(claims):
        if claim.expires and claim.expires < c.today:
            yield Spot(
                path=f"$.security.claims[{i}].expires",
                message=f"{claim.name!r} has lapsed on {claim.expires}",
                cure="renew it, or take it out",
            )


@rule(
    "claim-without-evidence",
    Severity.WARNING,
    title="a claim that nothing shows",
    reason="Code cannot check a certificate, so a person must be able to.",
    source="T-61; practice",
)
def claim_without_evidence(c: Context) -> Iterator[Spot]:
    claims = c.document.security.claims if c.document.security else ()
    for i, claim in enumerate(claims):
        missing = [
            word
            for word, held in (
                ("evidence", claim.evidence),
                ("day of expiry", claim.expires),
            )
            if not held
        ]
        if missing:
            yield Spot(
                path=f"$.security.claims[{i}]",
                message=f"{claim.name!r} without {' or '.join(missing)}",
                cure="say where the evidence is and when it lapses",
            )
