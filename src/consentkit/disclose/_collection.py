# SPDX-License-Identifier: MIT
"""
Making the list of what is collected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from consentkit.anonymise.naming import class_of
from consentkit.disclose._allowed import (
    STAYS,
    Asked,
    Passes,
    check_platform,
    everywhere,
    is_sensitive,
    known,
)
from consentkit.disclose.lists import CollectedType, CollectionList, Scene
from consentkit.policy.model import Policy, ProtectionName
from consentkit.registry.model import SDKEntry


__all__ = ["collection_list"]


def collection_list(
    policy: Policy,
    entries: Mapping[str, SDKEntry] | None = None,
    *,
    platform: str = "",
) -> CollectionList:
    """
    Make the list of what is collected.

    Args:
        policy: The document; it need not be in force.

        entries: As of `sharing_list`; here they only give SDKs their names.

        platform: As of `sharing_list`.

    Raises:
        ValueError: If *platform* is no platform.

    .. versionadded:: 26.1.0
    """
    check_platform(platform)
    shipped = known(entries)
    asked = Asked(policy, platform)
    scenes = []
    for function in policy.functions.values():
        entry = shipped.get(function.sdk) if function.sdk else None
        scenes.append(
            Scene(
                function=function,
                sdk=function.sdk,
                sdk_name=entry.name if entry else function.sdk,
                types=tuple(_collected(asked.passes(function), platform)),
            )
        )
    return CollectionList(
        policy=policy, platform=platform, scenes=tuple(scenes)
    )


def _collected(
    passes: Iterable[Passes], platform: str
) -> Iterator[CollectedType]:
    by_type: dict[str, list[Passes]] = {}
    for one in passes:
        by_type.setdefault(one.clause.type, []).append(one)
    for type_, found in by_type.items():
        clause = found[0].clause
        stays = clause.protection.name in STAYS
        is_read = clause.protection.name is not ProtectionName.DROP
        yield CollectedType(
            type=type_,
            purposes=tuple(
                dict.fromkeys(p for f in found for p in f.purposes)
            ),
            recipients=() if stays else tuple(f.recipient for f in found),
            platforms=everywhere(found[0].platforms, platform),
            required=clause.required,
            sensitive=is_sensitive(type_),
            separate=clause.separate,
            permission=clause.permission,
            protection=clause.protection,
            privacy_class=class_of(type_, clause.protection.name)
            if is_read
            else None,
            retention=clause.retention,
            frequency=clause.frequency,
            situations=clause.scenes,
        )
