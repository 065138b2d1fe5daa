# SPDX-License-Identifier: MIT
"""
A published list as one JSON value, with ids for programs and labels for
people.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from consentkit.anonymise.classes import PrivacyClass
from consentkit.disclose._words import Words
from consentkit.disclose.lists import (
    CollectedType,
    CollectionList,
    ListedPermission,
    Scene,
    SelfCollected,
    SharedType,
    SharingList,
    ThirdParty,
)
from consentkit.policy.model import Policy, Protection


__all__ = ["collection_json", "sharing_json"]


def sharing_json(made: SharingList, words: Words) -> dict[str, Any]:
    """
    Tell the list of what goes to third parties.
    """
    functions = {
        f: made.policy.functions[f] for r in made.rows for f in r.functions
    }
    return {
        **_about("sharing", made.policy, made.platform, words),
        "functions": [
            {
                "id": f.id,
                "name": f.name,
                "text": f.text,
                "requires": list(f.requires),
            }
            for f in functions.values()
        ],
        "third_parties": [_party(row, words) for row in made.rows],
    }


def collection_json(made: CollectionList, words: Words) -> dict[str, Any]:
    """
    Tell the list of what is collected.
    """
    return {
        **_about("collection", made.policy, made.platform, words),
        "scenes": [_scene(scene, words) for scene in made.scenes],
    }


def _about(
    which: str, policy: Policy, platform: str, words: Words
) -> dict[str, Any]:
    owner = policy.controller
    return {
        "list": which,
        "language": words.language,
        "platform": platform,
        "policy": {
            "id": policy.id,
            "title": policy.title,
            "version": policy.version,
            "effective": policy.effective.isoformat(),
            "language": policy.language,
            "url": policy.url,
            "digest": policy.digest,
        },
        "controller": {
            "id": owner.id,
            "name": owner.name,
            "contact": owner.contact,
            "address": owner.address,
        },
    }


def _term(label: str, id_: str) -> dict[str, str]:
    return {"id": id_, "label": label}


def _purposes(ids: Iterable[str], words: Words) -> list[dict[str, str]]:
    return [_term(words.of("purposes", p), p) for p in ids]


def _permission(id_: str, words: Words) -> dict[str, str] | None:
    return _term(words.of("permissions", id_), id_) if id_ else None


def _class(
    privacy_class: PrivacyClass | None, words: Words
) -> dict[str, str] | None:
    if privacy_class is None:
        return None
    return _term(words.classes[privacy_class], privacy_class.value)


def _protection(protection: Protection, words: Words) -> dict[str, str]:
    return _term(words.form(protection, None), protection.name.value)


def _party(row: ThirdParty, words: Words) -> dict[str, Any]:
    return {
        "id": row.id,
        "sdk": row.sdk,
        "recipient": row.recipient,
        "name": row.name,
        "operator": row.operator,
        "operator_is_legal_entity": row.operator_is_legal_entity,
        "mode": _term(words.of("modes", row.mode), row.mode),
        "category": _term(
            words.sdk_categories.get(row.category, row.category), row.category
        )
        if row.category
        else None,
        "contact": row.contact,
        "country": row.country,
        "abroad": row.abroad,
        "barred": row.barred,
        "functions": list(row.functions),
        "purposes": _purposes(row.purposes, words),
        "start_condition": row.start_condition,
        "starts": row.starts,
        "known": row.known,
        "inside": list(row.inside),
        "given": [_shared(one, words) for one in row.given],
        "not_allowed": [_said(one, words) for one in row.not_allowed],
        "permissions": [_used(one, words) for one in row.permissions],
        "site": row.site,
        "privacy_policy": row.privacy_policy,
        "claims": list(row.claims),
    }


def _shared(one: SharedType, words: Words) -> dict[str, Any]:
    return {
        **_term(words.of("data_types", one.type), one.type),
        "function": one.function,
        "purposes": _purposes(one.purposes, words),
        "platforms": list(one.platforms),
        "requirement": _term(words.needs[one.requirement], one.requirement),
        "sensitive": one.sensitive,
        "separate": one.separate,
        "permission": _permission(one.permission, words),
        "protection": _protection(one.protection, words),
        "class": _class(one.privacy_class, words),
        "handed": one.handed,
    }


def _said(one: SelfCollected, words: Words) -> dict[str, Any]:
    return {
        **_term(words.of("data_types", one.type), one.type),
        "platforms": list(one.platforms),
        "requirement": _term(words.needs[one.requirement], one.requirement),
        "local_only": one.local_only,
        "ambiguous": one.ambiguous,
        "terms": list(one.terms),
    }


def _used(one: ListedPermission, words: Words) -> dict[str, Any]:
    return {
        **_term(words.of("permissions", one.permission), one.permission),
        "platforms": list(one.platforms),
        "requirement": _term(words.needs[one.requirement], one.requirement),
        "sensitive": one.sensitive,
    }


def _scene(scene: Scene, words: Words) -> dict[str, Any]:
    function = scene.function
    return {
        "function": function.id,
        "name": function.name,
        "text": function.text,
        "category": _term(
            words.categories[function.category.value], function.category.value
        ),
        "basis": [_term(words.of("bases", b), b) for b in function.basis],
        "purposes": _purposes(function.purposes, words),
        "sdk": scene.sdk,
        "sdk_name": scene.sdk_name,
        "types": [_collected(one, words) for one in scene.types],
    }


def _collected(one: CollectedType, words: Words) -> dict[str, Any]:
    need = "required" if one.required else "optional"
    return {
        **_term(words.of("data_types", one.type), one.type),
        "purposes": _purposes(one.purposes, words),
        "recipients": list(one.recipients),
        "platforms": list(one.platforms),
        "requirement": _term(words.needs[need], need),
        "sensitive": one.sensitive,
        "separate": one.separate,
        "permission": _permission(one.permission, words),
        "protection": _protection(one.protection, words),
        "class": _class(one.privacy_class, words),
        "is_read": one.is_read,
        "leaves": one.leaves,
        "retention": str(one.retention),
        "frequency": "" if one.frequency is None else str(one.frequency),
        "situations": list(one.situations),
    }
