# SPDX-License-Identifier: MIT
"""
What a change of each key of a policy document means.

For each key: the kinds of major change that it is of, whether a change of it
reduces what a person had, and what of a consent it may go beyond. Whether a
kind *is* major, each document says for itself in ``changes.major``.

Words are compared as sets, periods and numbers by size. Sentences are not
judged: a list of them has lost one when it is shorter, and a sentence that is
gone is gone. In doubt a change is a reduction.

Source: GB/T 35273-2020, 5.5; ISO/IEC 29184:2020, 5.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Final, TypeAlias

from attrs import frozen

from consentkit.policy import tables as t
from consentkit.policy.period import Period
from consentkit.policy.scope import Beyond, covers_longer


__all__ = ["ADDED", "KEYS", "REMOVED", "Rule", "rule_of"]

#: Tells of what stood before and what stands now whether it is worse.
Worse: TypeAlias = Callable[[Any, Any], bool]


def _never(_before: Any, _after: Any) -> bool:
    return False


def _always(_before: Any, _after: Any) -> bool:
    return True


def _given_up(before: Any, after: Any) -> bool:
    return before is True and after is not True


def _taken_up(before: Any, after: Any) -> bool:
    return before is not True and after is True


def _emptied(before: Any, after: Any) -> bool:
    return bool(before) and not after


def _filled(before: Any, after: Any) -> bool:
    return bool(after) and not before


def _replaced(before: Any, _after: Any) -> bool:
    return bool(before)


def _named(_before: Any, after: Any) -> bool:
    return bool(after)


def _fewer(before: Any, after: Any) -> bool:
    return not set(before) <= set(after)


def _more(before: Any, after: Any) -> bool:
    return not set(after) <= set(before)


def _wider(before: Any, after: Any) -> bool:
    """
    Compare lists of which an empty one sets no limit.
    """
    return bool(before) and (not after or _more(before, after))


def _narrower(before: Any, after: Any) -> bool:
    return _wider(after, before)


def _shorter_list(before: Any, after: Any) -> bool:
    return len(after) < len(before)


def _longer_list(before: Any, after: Any) -> bool:
    return len(after) > len(before)


def _higher(before: Any, after: Any) -> bool:
    """
    Compare numbers of which none sets no limit.
    """
    return before is not None and (after is None or after > before)


def _longer(before: Any, after: Any) -> bool:
    """
    Compare periods of which none sets no limit.
    """
    old, new = _period(before), _period(after)
    return old is not None and (new is None or not covers_longer(old, new))


def _sooner(before: Any, after: Any) -> bool:
    """
    Compare periods of rest, of which none is for ever.
    """
    return _longer(after, before)


def _period(value: object) -> Period | None:
    if isinstance(value, Period):
        return value
    with suppress(ValueError):
        return Period.parse(str(value or ""))
    return None


def _up(*order: str) -> Worse:
    """
    Compare words, from the best to the worst; one that is not known is last.
    """

    def place(value: object) -> int:
        word = value.value if isinstance(value, Enum) else value
        return order.index(word) if word in order else len(order)

    def worse(before: Any, after: Any) -> bool:
        return place(before) < place(after)

    return worse


def _slower(before: Any, after: Any) -> bool:
    """
    Compare deadlines: so many days are over before as many working days.
    """
    if before is None or after is None:
        return after is None
    return bool(
        (before.unit == "day" and after.unit == "working_day")
        or after.value > before.value
        or after.starts_at != before.starts_at
    )


def _signal(before: Any, after: Any) -> bool:
    """
    Compare what a signal stops; without a list, the library's own holds.
    """
    return before is None or after is None or _fewer(before, after)


def _is_high(_before: Any, after: Any) -> bool:
    risk = after.risk if isinstance(after, t.AssessmentTable) else after
    return bool(risk == "high")


@frozen(kw_only=True)
class Rule:
    """
    What a change of one key, or of a whole row, means.

    Attributes:
        kinds: The kinds of major change that it is of, the closest first.

        worse: Whether it takes something from people.

        touches: In what a consent may not cover it.

        when: Whether it is of these kinds.
    """

    kinds: tuple[str, ...] = ()
    worse: Worse = _never
    touches: frozenset[Beyond] = frozenset()
    when: Worse = _always


def _rule(
    kinds: tuple[str, ...] = (),
    worse: Worse = _never,
    *touches: Beyond,
    when: Worse = _always,
) -> Rule:
    return Rule(
        kinds=kinds, worse=worse, touches=frozenset(touches), when=when
    )


_SERVICE: Final = ("service_model",)
_PURPOSE: Final = ("purpose", "service_model")
_CONTROL: Final = ("control",)
_WHO: Final = ("recipients",)
_RIGHTS: Final = ("rights",)
_CONTACT: Final = ("contact_or_department",)
_RISK: Final = ("high_risk_assessment",)

_WORDS: Final = Rule()
# What nobody has looked at yet, such as a key that is new.
_IN_DOUBT: Final = _rule((), _always)

#: By class and key.
KEYS: Final[Mapping[type, Mapping[str, Rule]]] = {
    t.Document: {
        "schema": _WORDS,
        "unspecified": _WORDS,
    },
    t.PolicyTable: {
        "id": _rule(_CONTROL),
        "title": _WORDS,
        "language": _WORDS,
        "version": _WORDS,
        "updated": _WORDS,
        "effective": _WORDS,
        "url": _WORDS,
        "product": _WORDS,
        "jurisdiction": _rule(_RIGHTS, _replaced),
        "template": _WORDS,
    },
    t.DatesTable: {"updated": _WORDS, "effective": _WORDS},
    t.ControllerTable: {
        "id": _rule(_CONTROL, _never, Beyond.CONTROLLER),
        "name": _rule(_CONTROL),
        "contact": _rule(_CONTACT),
        "address": _rule(_CONTACT),
        "postal_code": _rule(_CONTACT),
        "officer": _rule(_CONTACT),
        "continues": _rule(_CONTROL, _never, Beyond.CONTROLLER),
    },
    t.ContactTable: {
        "kind": _rule(_CONTACT),
        "value": _rule(_CONTACT),
        "audience": _rule(_CONTACT),
        "hours": _rule(_CONTACT),
    },
    t.ScopeTable: {
        "covers": _WORDS,
        "excludes": _rule(_SERVICE, _longer_list),
    },
    t.ConsentTable: {
        "act": _rule(_RIGHTS, _emptied),
        "also_claimed": _rule(_RIGHTS, _longer_list),
        "covers": _WORDS,
        "bundled": _rule(_RIGHTS, _taken_up),
        "preselected": _rule(_RIGHTS, _taken_up),
        "accept": _WORDS,
        "refuse": _rule(_RIGHTS, _emptied, when=_emptied),
        "ask_again": _rule(_RIGHTS, _sooner),
        "valid_for": _rule(_RIGHTS, _longer),
        "pending": _rule(_SERVICE, _up("drop", "memory", "quarantine")),
        "lasts_until": _WORDS,
    },
    t.DefinitionsTable: {
        "sensitive": _rule(_RIGHTS, _fewer, Beyond.DECISION),
        "personal": _rule(_RIGHTS, _fewer),
        "deidentified": _WORDS,
        "anonymised": _WORDS,
        "deleted": _WORDS,
        "terms": _WORDS,
    },
    t.RecipientTable: {
        "id": _WORDS,
        "name": _rule(_WHO, _always, Beyond.RECIPIENT),
        "mode": _rule(_WHO, _always, Beyond.RECIPIENT, Beyond.DECISION),
        "country": _rule(_WHO, _never, Beyond.REGION, Beyond.DECISION),
        "formerly": _WORDS,
        "contact": _WORDS,
        "url": _WORDS,
        "purposes": _rule(_WHO, _wider),
        "types": _rule(_WHO, _wider),
        "separate": _rule(_WHO, _never, Beyond.DECISION),
        "accepted": _rule(_WHO),
        "requires": _rule(_WHO, _fewer),
        "on_file": _rule(_WHO, _fewer),
        "only_in": _rule(_WHO, _wider),
        "claims": _WORDS,
    },
    t.PurposeTable: {
        "needs": _rule(_SERVICE, _fewer, Beyond.ROUTE, when=_fewer),
    },
    t.AgreementTable: {
        "reference": _WORDS,
        "signed": _WORDS,
        "audited": _WORDS,
    },
    t.AssessmentTable: {
        "reference": _WORDS,
        "made": _WORDS,
        "risk": _rule(_RISK, _up("low", "medium", "high"), when=_is_high),
    },
    t.FunctionTable: {
        "id": _WORDS,
        "name": _WORDS,
        "category": _rule(_SERVICE, lambda _, after: after == "core"),
        "text": _WORDS,
        "basis": _rule(_SERVICE, _never, Beyond.BASIS),
        "on_refusal": _rule(
            _RIGHTS,
            _up(
                "degraded",
                "function_unavailable",
                "service_unavailable",
                t.UNSPECIFIED,
            ),
        ),
        "purposes": _rule(_PURPOSE, _never, Beyond.PURPOSE),
        "recipients": _rule(_WHO, _never, Beyond.RECIPIENT),
        "retention": _rule(_SERVICE, _never, Beyond.RETENTION),
        "permission": _rule(_SERVICE),
        "sdk": _rule((*_WHO, *_SERVICE), _named, Beyond.SDK),
        "user_act": _rule(_SERVICE, _given_up),
        "requires": _rule(_SERVICE, _fewer),
        "acknowledge": _rule(_RIGHTS, _emptied, when=_emptied),
        "attest": _rule(_RIGHTS, _emptied, when=_emptied),
        "pending": _rule(_SERVICE, _up("drop", "memory", "quarantine")),
        "ask_at": _rule(_SERVICE),
        "ask_again": _rule(_RIGHTS, _sooner),
        "valid_for": _rule(_RIGHTS, _longer),
        "default_on": _rule(_RIGHTS, _taken_up),
        "turn_off": _rule(_RIGHTS, _emptied),
        "never_with": _rule(_SERVICE, _fewer),
        "never_collects": _rule(_SERVICE, _fewer),
        "never_shares": _rule(_WHO, _fewer),
        "account": _rule(_RIGHTS, _taken_up),
        "inherits": _rule(_RIGHTS, _taken_up),
        "minors": _rule(_RIGHTS, _up("barred", "guardian", "alone")),
        "profiling": _rule(_SERVICE, _taken_up),
    },
    t.SelfStartTable: {
        "purpose": _rule(_PURPOSE, _always),
        "per_day": _rule(_SERVICE, _higher),
    },
    t.CollectsTable: {
        "type": _WORDS,
        # Each of them is compared as a row of its own.
        "types": _WORDS,
        "protect": _rule(_SERVICE, _never, Beyond.TREATMENT, Beyond.DECISION),
        "purposes": _rule(_PURPOSE, _never, Beyond.PURPOSE),
        "recipients": _rule(_WHO, _never, Beyond.RECIPIENT),
        "retention": _rule(_SERVICE, _never, Beyond.RETENTION),
        "permission": _rule(_SERVICE),
        "separate": _rule(_RIGHTS, _never, Beyond.DECISION),
        "scenes": _rule(_SERVICE, _never, Beyond.FREQUENCY),
        "platforms": _rule(_SERVICE, _wider),
        "required": _rule(_RIGHTS, _taken_up),
        "frequency": _rule(_SERVICE, _never, Beyond.FREQUENCY),
        "read_from": _rule(_SERVICE),
    },
    t.EventTable: {
        "name": _WORDS,
        "type": _rule(_SERVICE, _never, Beyond.EVENT),
        "fields": _rule(_SERVICE, _never, Beyond.EVENT),
    },
    t.PermissionTable: {
        "id": _WORDS,
        "functions": _rule(_SERVICE, _more),
        "purposes": _rule(_PURPOSE, _more),
        "asked": _rule(_RIGHTS, _given_up),
        "ask_at": _rule(_SERVICE),
        "can_disable": _rule(_RIGHTS, lambda _, after: after is False),
        "on_refusal": _WORDS,
    },
    t.ExceptionTable: {
        "basis": _rule(_RIGHTS, _always),
        "acts": _rule(_RIGHTS, _more),
        "functions": _rule(_RIGHTS, _wider),
        "types": _rule(_RIGHTS, _wider),
        "purposes": _rule(_RIGHTS, _wider),
        "text": _WORDS,
    },
    t.RetentionTable: {
        "id": _WORDS,
        "types": _rule(_SERVICE, _fewer, Beyond.RETENTION),
        "period": _rule(_SERVICE, _longer, Beyond.RETENTION),
        "working_days": _rule(_SERVICE, _higher),
        "until": _rule(_SERVICE, _emptied),
        "starts_at": _rule(_SERVICE, _always),
        "at_start": _WORDS,
        "at_expiry": _rule(_SERVICE, _always),
        "exception": _rule(_SERVICE, _filled, when=_filled),
    },
    t.StorageTable: {
        "regions": _rule(_SERVICE, _wider, Beyond.REGION, Beyond.DECISION),
        "cross_border": _WORDS,
        "protection": _rule(_SERVICE, _shorter_list, when=_shorter_list),
    },
    t.RightTable: {
        "id": _WORDS,
        "channel": _rule((*_RIGHTS, *_CONTACT), _emptied),
        "deadline": _rule(_RIGHTS, _slower),
        "grounds": _rule(_RIGHTS, _narrower),
        "effect": _WORDS,
        "section": _WORDS,
    },
    t.RequestsTable: {
        "verification": _rule(_RIGHTS, _taken_up),
        "fee": _rule(_RIGHTS, _always),
        "refused_on": _rule(_RIGHTS, _longer_list),
    },
    t.MinorsTable: {
        # Whoever is between the old bound and the new one loses something.
        "child_below": _rule(_RIGHTS, _always),
        "child_inclusive": _rule(_RIGHTS, _always),
        "minor_below": _rule(_RIGHTS, _always),
        "child_barred": _rule(_RIGHTS, _always),
        "guardian_for": _rule(_RIGHTS, _fewer),
        "presumed_adult": _rule(_RIGHTS, _taken_up),
        "types": _rule(_RIGHTS, _more),
        "rule": _WORDS,
        "found_out": _WORDS,
    },
    t.SignalsTable: {
        "do_not_track": _rule(_RIGHTS, _signal),
        "gpc": _rule(_RIGHTS, _signal),
        "choice_over_gpc": _rule(_RIGHTS, _taken_up),
    },
    t.SharingTable: {
        "mode": _rule(_WHO, _always),
        "recipients": _rule(_WHO, _more),
        "types": _rule(_WHO, _wider),
        "basis": _rule(_WHO, _more),
        "conditions": _rule(_WHO, _shorter_list, when=_shorter_list),
    },
    t.ChangesTable: {
        "no_reduction": _rule(_RIGHTS, _given_up),
        "major": _rule(_RIGHTS, _fewer),
        "notice": _rule(_RIGHTS, _shorter_list, when=_shorter_list),
        "archive": _rule(_RIGHTS, _given_up),
    },
    t.CookiesTable: {
        "used": _rule(_SERVICE, _taken_up),
        "technologies": _rule(_SERVICE, _more),
        "default": _rule(_RIGHTS, _up("off", "on")),
        "refusable": _rule(_RIGHTS, _given_up),
        "purposes": _rule(_PURPOSE, _more),
        "functions": _rule(_SERVICE, _more),
        "third_parties": _rule(_WHO, _more),
        "kept_as": _WORDS,
    },
    t.IndirectTable: {
        "allowed": _rule(_SERVICE, _taken_up),
        "recipients": _rule(_WHO, _more),
        "rule": _WORDS,
    },
    t.SDKListTable: {
        "announced": _WORDS,
        "printed": _rule(_WHO, _given_up),
    },
    t.DisclosureTable: {
        "name": _WORDS,
        "functions": _WORDS,
        "types": _WORDS,
        "permissions": _WORDS,
    },
    t.SecurityTable: {
        "measures": _rule(_SERVICE, _shorter_list, when=_shorter_list),
    },
    t.ClaimTable: {"name": _WORDS, "evidence": _WORDS, "expires": _WORDS},
    t.IncidentTable: {
        "contents": _rule(_RIGHTS, _shorter_list, when=_shorter_list),
        "channels": _rule(_RIGHTS, _shorter_list, when=_shorter_list),
        "report_to_authorities": _rule(_RIGHTS, _given_up),
    },
    t.CessationTable: {
        "stop_collecting": _rule(_RIGHTS, _given_up),
        "notify": _rule(_RIGHTS, _shorter_list, when=_shorter_list),
        "at_end": _WORDS,
    },
    t.SectionTable: {"label": _WORDS, "id": _WORDS},
    t.ReferenceTable: {"says": _WORDS, "means": _WORDS},
    t.TextTable: {"id": _WORDS, "text": _WORDS, "kind": _WORDS},
    t.ArchiveTable: {
        "version": _WORDS,
        "digest": _WORDS,
        "effective": _WORDS,
    },
}

#: By class, what it means that a whole row or table is new.
ADDED: Final[Mapping[type, Rule]] = {
    t.ControllerTable: _rule(_CONTROL, _never, Beyond.CONTROLLER),
    t.ContactTable: _rule(_CONTACT),
    t.RecipientTable: _rule(_WHO, _always, Beyond.RECIPIENT),
    t.AssessmentTable: _rule(_RISK, _is_high, when=_is_high),
    t.FunctionTable: _rule(_SERVICE, _never, Beyond.FUNCTION),
    t.SelfStartTable: _rule(_SERVICE, _always),
    t.CollectsTable: _rule(_SERVICE, _never, Beyond.DATA_TYPE),
    t.EventTable: _rule(_SERVICE, _never, Beyond.EVENT),
    t.PermissionTable: _rule(_SERVICE),
    t.ExceptionTable: _rule(_RIGHTS, _always),
    # A rule for one type goes before the general one, which may be shorter.
    t.RetentionTable: _rule(_SERVICE, _never, Beyond.RETENTION),
    t.RightTable: _rule(_RIGHTS),
    t.MinorsTable: _rule(_RIGHTS),
    t.SharingTable: _rule(_WHO, _always),
    t.CookiesTable: _rule(_SERVICE, lambda _, after: after.used),
    t.IndirectTable: _rule(_SERVICE, lambda _, after: after.allowed),
}

#: By class, what it means that a whole row or table is gone.
REMOVED: Final[Mapping[type, Rule]] = {
    t.ControllerTable: _rule(_CONTROL, _always),
    t.ContactTable: _rule(_CONTACT),
    t.RecipientTable: _rule(_WHO),
    t.PurposeTable: _rule(_SERVICE, _always, Beyond.ROUTE),
    t.AgreementTable: _rule(_WHO, _always),
    t.AssessmentTable: _rule(_WHO, _always),
    t.FunctionTable: _rule(_SERVICE),
    t.SelfStartTable: _rule(_SERVICE),
    t.CollectsTable: _rule(_SERVICE),
    t.EventTable: _rule(_SERVICE),
    t.PermissionTable: _rule(_SERVICE),
    t.ExceptionTable: _rule(_RIGHTS),
    t.RetentionTable: _rule(_SERVICE, _always, Beyond.RETENTION),
    t.RightTable: _rule(_RIGHTS, _always),
    t.RequestsTable: _rule(_RIGHTS, _always),
    t.MinorsTable: _rule(_RIGHTS, _always),
    t.SharingTable: _rule(_WHO),
    t.ChangesTable: _rule(_RIGHTS, _always),
    t.CookiesTable: _rule(_SERVICE, lambda before, _: not before.used),
    t.IndirectTable: _rule(_SERVICE, lambda before, _: not before.allowed),
    t.SecurityTable: _rule(_SERVICE, _always),
    t.IncidentTable: _rule(_RIGHTS, _always),
    t.CessationTable: _rule(_RIGHTS, _always),
}


def rule_of(kind: type, key: str) -> Rule:
    """
    Find what a change of *key* in a table of *kind* means.

    A key that nobody has judged yet is a reduction, in doubt.
    """
    if key == "source":
        return _WORDS
    return KEYS.get(kind, {}).get(key, _IN_DOUBT)
