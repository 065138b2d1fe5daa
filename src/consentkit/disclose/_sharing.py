# SPDX-License-Identifier: MIT
"""
Making the list of what goes to third parties.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from consentkit.anonymise.naming import class_of
from consentkit.disclose._allowed import (
    PLATFORMS,
    STAYS,
    Asked,
    Passes,
    check_platform,
    everywhere,
    is_sensitive,
    known,
)
from consentkit.disclose.lists import (
    SENSITIVE_PERMISSIONS,
    ListedPermission,
    Requirement,
    SelfCollected,
    SharedType,
    SharingList,
    ThirdParty,
)
from consentkit.policy.model import Function, Policy, Recipient
from consentkit.registry.model import SDKEntry, SDKField, SDKPermission


__all__ = ["sharing_list"]

# The three words of a catalogue, the strictest first.
_OF_FIELD: Final[Mapping[str, Requirement]] = {
    "listed": "required",
    "user_authorised": "user_authorised",
    "optional": "optional",
}


def sharing_list(
    policy: Policy,
    entries: Mapping[str, SDKEntry] | None = None,
    *,
    platform: str = "",
) -> SharingList:
    """
    Make the list of what goes to third parties.

    Args:
        policy: The document; it need not be in force.

        entries: What is known of each SDK, by id; the shipped entries when
            not given.

        platform: The only one to tell of: ``android``, ``ios``, ``web``,
            ``iot`` or ``desktop``; all by default.

    Raises:
        ValueError: If *platform* is none of these.

    .. versionadded:: 26.1.0
    """
    check_platform(platform)
    rows = _Rows(policy, known(entries), platform)
    return SharingList(
        policy=policy, platform=platform, rows=tuple(rows.make())
    )


class _Rows:
    """
    Makes the rows of a sharing list.
    """

    def __init__(
        self, policy: Policy, entries: Mapping[str, SDKEntry], platform: str
    ) -> None:
        self._policy = policy
        self._entries = entries
        self._platform = platform
        self._asked = Asked(policy, platform)
        #: By SDK, the function that starts it.
        self._starters = {f.sdk: f for f in policy.functions.values() if f.sdk}
        #: By SDK, those that come inside of it.
        self._inside: dict[str, set[str]] = {}
        for entry in entries.values():
            for outer in {entry.parent, entry.host} - {""}:
                self._inside.setdefault(outer, set()).add(entry.id)
        #: What passes to others, by (SDK or nothing, recipient).
        self._given: dict[tuple[str, str], list[tuple[Function, Passes]]] = {}
        for function in policy.functions.values():
            for one in self._asked.passes(function):
                if one.recipient == policy.controller.id:
                    continue
                if one.clause.protection.name in STAYS:
                    continue
                of_sdk = one.recipient == self._operator_of(function)
                key = (function.sdk if of_sdk else "", one.recipient)
                self._given.setdefault(key, []).append((function, one))

    def make(self) -> Iterator[ThirdParty]:
        """
        Give the rows in their order.
        """
        come_along = self._come_along()
        for sdk, function in self._starters.items():
            row = self._of_sdk(sdk, function)
            if self._is_here(row):
                yield row
            for other, inside in come_along.items():
                if inside[0] == sdk:
                    nested = self._of_nested(other, inside)
                    if self._is_here(nested):
                        yield nested
        operators = {self._operator_of(f) for f in self._starters.values()}
        for recipient in self._policy.recipients.values():
            given = self._given.get(("", recipient.id), [])
            # What only comes in is listed as it is given something as well.
            others = recipient.mode not in ("controller", "inbound")
            if given or (others and recipient.id not in operators):
                yield self._of_recipient(recipient, given)

    def _is_here(self, row: ThirdParty) -> bool:
        """
        Tell whether an SDK is on the platform that is told of.
        """
        entry = self._entries.get(row.sdk)
        return bool(row.given) or self._matches(
            entry.platforms if entry else ("any",)
        )

    def _matches(self, platforms: Iterable[str]) -> bool:
        return not self._platform or not {self._platform, "any"}.isdisjoint(
            platforms
        )

    def _operator_of(self, function: Function) -> str:
        """
        Name the recipient that the SDK of *function* sends to.
        """
        if not function.sdk:
            return ""
        others = [
            r
            for r in function.recipients.values()
            if r.id != self._policy.controller.id
        ]
        named = [r.id for r in others if r.id == function.sdk]
        embedded = [r.id for r in others if r.mode == "embedded"]
        return next(iter((*named, *embedded, *(r.id for r in others))), "")

    def _come_along(self) -> dict[str, tuple[str, ...]]:
        """
        Find the SDKs that no function names and that come with one that is
        named: inside of it, around it, or beside it in the same one.

        Returns:
            By id, the SDKs of the policy that each comes with; never empty.
        """
        near: dict[str, set[str]] = {}
        for outer, inner in self._inside.items():
            near.setdefault(outer, set()).update(inner)
            for one in inner:
                near.setdefault(one, set()).add(outer)
        found: dict[str, list[str]] = {}
        for sdk in self._starters:
            # A description may go round in a circle.
            reached, waiting = {sdk}, [sdk]
            while waiting:
                for other in sorted(near.get(waiting.pop(), ())):
                    if other not in reached and other not in self._starters:
                        reached.add(other)
                        waiting.append(other)
            for other in sorted(reached - {sdk}):
                found.setdefault(other, []).append(sdk)
        return {other: tuple(named) for other, named in found.items()}

    # Rows

    def _of_sdk(self, sdk: str, function: Function) -> ThirdParty:
        operator = self._operator_of(function)
        entry = self._entries.get(sdk)
        given = self._given.get((sdk, operator), [])
        return self._row(
            sdk,
            entry,
            self._policy.recipients.get(operator),
            given,
            functions=(function, *(f for f, _ in given)),
            starts=self._starts(sdk),
        )

    def _of_nested(self, sdk: str, inside: tuple[str, ...]) -> ThirdParty:
        return self._row(sdk, self._entries.get(sdk), None, [], inside=inside)

    def _of_recipient(
        self, recipient: Recipient, given: list[tuple[Function, Passes]]
    ) -> ThirdParty:
        named = [
            f
            for f in self._policy.functions.values()
            if recipient.id in f.recipients
            and recipient.id != self._operator_of(f)
        ]
        return self._row("", None, recipient, given, functions=named)

    def _row(
        self,
        sdk: str,
        entry: SDKEntry | None,
        recipient: Recipient | None,
        given: list[tuple[Function, Passes]],
        *,
        functions: Iterable[Function] = (),
        starts: bool = False,
        inside: tuple[str, ...] = (),
    ) -> ThirdParty:
        shared = tuple(
            row
            for function, passes in given
            for row in self._shared(function, passes, entry)
        )
        functions = {f.id: f for f in functions}.values()
        purposes = dict.fromkeys(p for f in functions for p in f.purposes)
        purposes |= dict.fromkeys(p for s in shared for p in s.purposes)
        if entry is not None and not purposes:
            purposes = dict.fromkeys(entry.purposes)
        operator = recipient.name if recipient else sdk
        is_entity = entry is not None and entry.operator_is_legal_entity
        if entry is not None and (is_entity or recipient is None):
            operator = entry.operator
        table = next(
            (
                r
                for r in self._policy.document.recipients
                if recipient is not None and r.id == recipient.id
            ),
            None,
        )
        return ThirdParty(
            id=sdk or (recipient.id if recipient else ""),
            sdk=sdk,
            recipient=recipient.id if recipient else "",
            name=entry.name if entry else operator,
            operator=operator,
            operator_is_legal_entity=is_entity,
            mode=recipient.mode if recipient else "embedded",
            category=entry.category if entry else "",
            contact=table.contact if table else "",
            country=recipient.country if recipient else "",
            abroad=recipient is not None and recipient.abroad,
            barred=recipient.barred if recipient else "",
            functions=tuple(f.id for f in functions),
            purposes=tuple(purposes),
            start_condition=entry.start_condition if entry else "",
            starts=starts,
            known=not sdk or entry is not None,
            inside=inside,
            given=shared,
            not_allowed=tuple(self._self_collected(entry, shared)),
            permissions=tuple(self._permissions(entry, shared)),
            site=entry.official_site if entry else "",
            privacy_policy=(recipient.url if recipient else "")
            or (entry.privacy_policy if entry else ""),
            claims=tuple(
                dict.fromkeys(
                    (
                        *(entry.claims if entry else ()),
                        *(table.claims if table else ()),
                    )
                )
            ),
        )

    def _shared(
        self, function: Function, passes: Passes, entry: SDKEntry | None
    ) -> Iterator[SharedType]:
        """
        Give one data type, in one piece for each word on whether it is
        needed: an SDK may ask for it on one platform and do without on
        another.
        """
        clause = passes.clause
        fields = (
            [f for f in entry.fields if clause.type in f.types]
            if entry
            else []
        )
        reached = entry is not None and self._is_reached(entry)
        pieces: dict[Requirement, list[str]] = {}
        handed: set[str] = set()
        for platform in passes.platforms:
            here = [f for f in fields if {platform, "any"} & set(f.platforms)]
            word = _requirement(here or fields, required=clause.required)
            pieces.setdefault(word, []).append(platform)
            if reached and not all(f.local_only for f in here):
                handed.add(platform)
        for word, platforms in pieces.items():
            yield SharedType(
                type=clause.type,
                function=function.id,
                purposes=passes.purposes,
                platforms=everywhere(tuple(platforms), self._platform),
                requirement=word,
                sensitive=is_sensitive(clause.type),
                separate=clause.separate,
                permission=clause.permission,
                protection=clause.protection,
                privacy_class=class_of(clause.type, clause.protection.name),
                handed=not handed.isdisjoint(platforms),
            )

    def _is_allowed(self, sdk: str) -> bool:
        """
        Tell whether a function names *sdk*, and may start it.
        """
        function = self._starters.get(sdk)
        return function is not None and self._asked.starts(function)

    def _is_reached(self, entry: SDKEntry) -> bool:
        """
        Tell whether what an SDK comes inside of is allowed too.
        """
        outer = {entry.parent, entry.host} - {""}
        return all(map(self._is_allowed, outer))

    def _starts(self, sdk: str) -> bool:
        """
        Tell whether *sdk* starts, with all that comes inside of it.
        """
        return sdk in self._entries and all(
            map(self._is_allowed, (sdk, *self._inside.get(sdk, ())))
        )

    def _self_collected(
        self, entry: SDKEntry | None, given: Iterable[SharedType]
    ) -> Iterator[SelfCollected]:
        if entry is None:
            return
        listed = {
            (one.type, platform)
            for one in given
            for platform in one.platforms or PLATFORMS
        }
        found: dict[tuple[str, str, bool], list[tuple[str, SDKField]]] = {}
        for field in entry.fields:
            for type_ in field.types:
                local = field.local_only or entry.local_only
                for platform in self._places(field.platforms):
                    if (type_, platform) not in listed:
                        key = (type_, field.requirement, local)
                        found.setdefault(key, []).append((platform, field))
        for (type_, word, local), places in found.items():
            platforms = {platform for platform, _ in places}
            ordered = tuple(p for p in PLATFORMS if p in platforms)
            yield SelfCollected(
                type=type_,
                platforms=everywhere(ordered, self._platform),
                requirement=_OF_FIELD[word],
                local_only=local,
                ambiguous=any(field.ambiguous for _, field in places),
                terms=tuple(dict.fromkeys(f.term for _, f in places)),
            )

    def _places(self, platforms: Iterable[str]) -> tuple[str, ...]:
        """
        Name the platforms that are told of, with none left implied.
        """
        named = set(platforms)
        return tuple(
            p
            for p in ([self._platform] if self._platform else PLATFORMS)
            if p in named or "any" in named
        )

    def _permissions(
        self, entry: SDKEntry | None, given: Iterable[SharedType]
    ) -> Iterator[ListedPermission]:
        used: dict[tuple[str, Requirement], set[str]] = {}
        for one in entry.permissions if entry else ():
            for platform in self._places((one.platform,)):
                key = (one.permission, _word_of(one))
                used.setdefault(key, set()).add(platform)
        for shared in given:
            if shared.permission:
                used.setdefault((shared.permission, shared.requirement), set())
        for (permission, word), platforms in used.items():
            ordered = tuple(p for p in PLATFORMS if p in platforms)
            yield ListedPermission(
                permission=permission,
                platforms=everywhere(ordered, self._platform),
                requirement=word,
                sensitive=permission in SENSITIVE_PERMISSIONS,
            )


def _word_of(used: SDKPermission) -> Requirement:
    return _OF_FIELD[used.requirement]


def _requirement(fields: Iterable[SDKField], *, required: bool) -> Requirement:
    """
    Say whether a data type is needed.

    What the function does without is optional, whatever its SDK says; and
    where the SDK says it twice, the stricter word holds.
    """
    if not required:
        return "optional"
    said = {field.requirement for field in fields}
    return next((_OF_FIELD[w] for w in _OF_FIELD if w in said), "required")
