# SPDX-License-Identifier: MIT
"""
What people have to be told of a new version, until they were told.

Using the app, or agreeing to something else, is not being told: the notice
stays due until the app has recorded that it was shown.

Source: PIPL Article 17; EDPB Guidelines on transparency (WP260), 29-31.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from consentkit.consent._layout import columns, entry, wrap
from consentkit.exceptions import PolicyError
from consentkit.ledger.entries import Act, Entry
from consentkit.policy.diff import Change, Difference, compare
from consentkit.policy.load import parse_canonical
from consentkit.policy.model import Policy, split_element
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["ChangeNotice", "change_notice"]

_WIDTH = 78
_INDENT = 15

_KINDS = {
    "service_model": "what it does",
    "purpose": "what for",
    "control": "who answers",
    "recipients": "who gets it",
    "rights": "your rights",
    "contact_or_department": "whom to ask",
    "high_risk_assessment": "risk",
}


@frozen(kw_only=True)
class ChangeNotice:
    """
    What a person has to be told of the version in force.

    Attributes:
        told: The version that they were last told of.

        version: The one in force.

        difference: In what the two differ; ``None`` where the older one is
            in no archive any more, so that nothing can be compared.

        text: The notice, in lines of at most 78 columns.
    """

    told: str
    version: str
    difference: Difference | None
    text: str


def change_notice(
    policy: Policy,
    history: Iterable[Entry],
    archive: Callable[[str], str | None],
) -> ChangeNotice | None:
    """
    Give the notice that is due to a person, or ``None``.

    It is due where a change since the version that they were last told of is
    major, in the words of either version, or reduces what they had. Ask at
    each start and login; once it was shown, record it with
    `consentkit.consent.Consent.adopt`, and it is due no more.

    Args:
        policy: The document in force.

        history: The person's entries, oldest first, as
            `consentkit.consent.Consent.history` gives them. Somebody without
            any has nothing to be told.

        archive: Gives an older document by its digest, as
            `consentkit.ledger.Ledger.policy` does.
    """
    own = [e for e in history if e.policy == policy.id and e.text]
    told = [e for e in own if e.act is Act.POLICY_ADOPTED]
    if not own:
        return None
    # Whoever was never told of a change knows the version they began with.
    last = told[-1] if told else own[0]
    if last.text == policy.digest:
        return None
    difference = None
    older = _archived(archive, last.text)
    if older is not None:
        difference = compare(older, policy)
        if not (difference.notice_due or difference.accept_due):
            return None
    return ChangeNotice(
        told=last.version,
        version=policy.version,
        difference=difference,
        text="\n".join(_lines(policy, last.version, difference)),
    )


def _archived(
    archive: Callable[[str], str | None], digest: str
) -> Policy | None:
    text = archive(digest)
    if text is None:
        return None
    try:
        return parse_canonical(text)
    except PolicyError:
        return None


def _lines(
    policy: Policy, told: str, difference: Difference | None
) -> Iterator[str]:
    head = wrap(f"What is new: {policy.title}", _WIDTH)
    yield from head
    yield "-" * max(map(columns, head))
    yield from wrap(
        f"Version {policy.version}, in force from {policy.effective}. You "
        f"were last told of version {told}.",
        _WIDTH,
    )
    yield ""
    for label, text in _facts(policy, difference):
        yield from entry(label, text, indent=_INDENT, width=_WIDTH)


def _facts(
    policy: Policy, difference: Difference | None
) -> Iterator[tuple[str, str]]:
    if difference is None:
        yield "changed", "please read it anew: the older text is not here"
    else:
        yield from _changes(difference)
        asked = dict.fromkeys(
            policy.functions[split_element(e)[0]].name for e in difference.asks
        )
        if asked:
            yield "asked anew", "; ".join(asked)
        if difference.accept_due:
            yield (
                "until a yes",
                "what takes something from you does not hold",
            )
    if policy.url:
        yield "in full", policy.url


def _changes(difference: Difference) -> Iterator[tuple[str, str]]:
    label = ""
    weighty = [c for c in difference.changes if c.major or c.reduces_rights]
    for change in sorted(weighty, key=lambda c: c.major_kind):
        kind = _KINDS.get(change.major_kind, "less for you")
        yield ("" if kind == label else kind), _words(change)
        label = kind
    rest = len(difference.changes) - len(weighty)
    if rest:
        yield "besides", f"{rest} smaller change{'s' * (rest != 1)}"


def _words(change: Change) -> str:
    text = change.what
    before, after = _plain(change.before), _plain(change.after)
    if before and after:
        text += f': "{after}" instead of "{before}"'
    elif after:
        text += f': "{after}"'
    elif change.before is None or change.after is None:
        text += ": new" if change.before is None else ": no more"
    return f"{text}; less than you had" if change.reduces_rights else text


def _plain(value: object) -> str:
    """
    Say a text, a number or a list of them; nothing for what is a table.
    """
    match value:
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case tuple() if all(isinstance(item, str) for item in value):
            words = load_vocabulary().purposes
            names = (words[i].name if i in words else i for i in value)
            return ", ".join(names)
        case _:
            return ""
