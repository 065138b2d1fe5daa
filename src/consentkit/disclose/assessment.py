# SPDX-License-Identifier: MIT
"""
A draft of the impact assessment that a policy asks for.

The document knows every flow of data, who gets it and what is sensitive; the
draft lists them, with the risks that follow from these facts. Whether a flow
is needed, and whether what is done about a risk is enough, people have to
judge: the draft leaves these lines open.

Source: PIPL Articles 55 and 56; GDPR Article 35(7).
"""

from __future__ import annotations

from collections.abc import Iterator

from consentkit.policy.lint import lint
from consentkit.policy.model import (
    Clause,
    Function,
    Policy,
    ProtectionName,
    Recipient,
)
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["assessment"]

_OPEN = "*to be judged*"

_FORM = {
    ProtectionName.NONE: "as it is",
    ProtectionName.DROP: "never read",
    ProtectionName.LOCAL_ONLY: "stays on the device",
    ProtectionName.PRESENT: "only whether there is one",
    ProtectionName.MD5: "unkeyed digest",
    ProtectionName.KEYED: "keyed pseudonym",
    ProtectionName.GRID: "square of a grid",
    ProtectionName.BUCKET: "range",
    ProtectionName.TRUNCATE: "network of the address",
    ProtectionName.GENERALISE: "main version",
    ProtectionName.SCRUB: "text with personal details cut out",
    ProtectionName.TAKE: "declared parts of a text",
    ProtectionName.KRR: "answer at random",
}

_STAYS = frozenset({ProtectionName.DROP, ProtectionName.LOCAL_ONLY})


def assessment(policy: Policy) -> str:
    """
    Write the draft for *policy*, in Markdown.

    Args:
        policy: The document; it need not be in force.
    """
    return "\n".join(_lines(policy)) + "\n"


def _lines(policy: Policy) -> Iterator[str]:
    yield f"# Impact assessment (draft): {policy.title}"
    yield ""
    yield f"- Document: `{policy.id}`, version {policy.version}"
    yield f"- Digest: `{policy.digest}`"
    yield f"- Answers for it: {policy.controller.name}"
    yield ""
    yield "## Flows"
    for function in policy.functions.values():
        yield ""
        yield from _flows(policy, function)
    yield ""
    yield "## Sensitive types"
    yield ""
    yield from _listed(_sensitive(policy))
    yield ""
    yield "## Recipients"
    yield ""
    yield from _listed(_recipients(policy))
    yield ""
    yield "## Risks"
    yield ""
    yield from _listed(_risks(policy))
    yield ""
    yield "## Findings of the check"
    yield ""
    found = (
        f"{f.severity.value}: {f.message} (`{f.rule}`, `{f.path}`)"
        for f in lint(policy)
    )
    yield from _listed(found)


def _listed(rows: Iterator[str]) -> Iterator[str]:
    empty = True
    for row in rows:
        empty = False
        yield f"- {row}"
    if empty:
        yield "None."


# Flows


def _flows(policy: Policy, function: Function) -> Iterator[str]:
    yield f"### {function.name} (`{function.id}`)"
    yield ""
    yield f"Necessity and proportion: {_OPEN}"
    yield ""
    if not function.clauses and not function.sdk:
        yield "None."
        return
    if function.sdk:
        parties = ", ".join(r.name for r in function.recipients.values())
        yield (
            f"- what the SDK `{function.sdk}` reads by itself -> {parties}; "
            f"for: {_purposes(function.purposes)}"
        )
    if function.clauses:
        yield "| data | form | for | to | kept |"
        yield "| --- | --- | --- | --- | --- |"
    for clause in function.clauses.values():
        if clause.protection.name in _STAYS:
            yield _flow(clause, "nobody")
            continue
        for recipient in clause.recipients:
            yield _flow(clause, _party(policy.recipients[recipient]))


def _flow(clause: Clause, party: str) -> str:
    cells = (
        f"{_type(clause.type)} (`{clause.type}`)",
        _FORM[clause.protection.name],
        _purposes(clause.purposes),
        party,
        str(clause.retention),
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _purposes(ids: tuple[str, ...]) -> str:
    words = load_vocabulary().purposes
    return ", ".join(f"{words[i].name} (`{i}`)" for i in ids)


def _type(id_: str) -> str:
    return load_vocabulary().data_types[id_].name


def _party(recipient: Recipient) -> str:
    where = f", {recipient.country}" if recipient.country else ""
    return f"{recipient.name} (`{recipient.id}`{where})"


# What follows from them


def _sensitive(policy: Policy) -> Iterator[str]:
    for type_, functions in _sensitive_types(policy).items():
        grounds = load_vocabulary().data_types[type_].sensitive_under
        why = ", ".join(grounds) or "the document's own definition"
        yield f"{_type(type_)} (`{type_}`): {', '.join(functions)}; by: {why}"


def _sensitive_types(policy: Policy) -> dict[str, list[str]]:
    words = load_vocabulary().data_types
    defined = policy.document.definitions.sensitive
    found: dict[str, list[str]] = {}
    for function in policy.functions.values():
        for type_ in function.clauses:
            if words[type_].sensitive or type_ in defined:
                found.setdefault(type_, []).append(function.id)
    return found


def _recipients(policy: Policy) -> Iterator[str]:
    tables = {table.id: table for table in policy.document.recipients}
    for recipient in policy.recipients.values():
        facts = [recipient.mode]
        table = tables.get(recipient.id)
        if table is not None:
            signed = table.agreement
            facts.append(
                f"agreement: {signed.reference if signed else 'none named'}"
            )
            made = table.assessment
            facts.append(
                f"assessed as {made.risk}: {made.reference}"
                if made
                else "not assessed"
            )
        if recipient.barred:
            facts.append(f"gets nothing: {recipient.barred}")
        yield f"{_party(recipient)}: {'; '.join(facts)}"


def _risks(policy: Policy) -> Iterator[str]:
    """
    Name what the document itself shows to be a risk, each by its place.
    """
    for text in (*_risks_of_flows(policy), *_risks_of_functions(policy)):
        yield f"{text}. Measures, and what remains: {_OPEN}"


def _risks_of_functions(policy: Policy) -> Iterator[str]:
    for function in policy.functions.values():
        if function.profiling:
            yield f"`{function.id}` builds a picture of the person"
        if function.sdk:
            yield (
                f"`{function.id}` runs code of another party, which may read "
                "the device by itself"
            )


def _risks_of_flows(policy: Policy) -> Iterator[str]:
    sensitive = _sensitive_types(policy)
    for function in policy.functions.values():
        for clause in function.clauses.values():
            place = f"`{function.id}/{clause.type}`"
            if clause.protection.name is ProtectionName.MD5:
                yield f"{place} leaves as a digest that guessing undoes"
            if clause.protection.name in _STAYS:
                continue
            if clause.type in sensitive:
                yield f"{place} is sensitive and leaves the device"
            for recipient in map(policy.recipients.get, clause.recipients):
                if recipient is None:
                    continue
                if recipient.abroad:
                    yield f"{place} leaves the country, to `{recipient.id}`"
                elif recipient.separate:
                    yield f"{place} goes to another party, `{recipient.id}`"
