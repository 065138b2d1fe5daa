# SPDX-License-Identifier: MIT
"""
Rules on the operating system's permissions: the table against their use.
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Iterator
from typing import Final

from consentkit.policy.lint._needs import PERMISSIONS, family
from consentkit.policy.lint.model import Context, Severity, Spot, rule


# Families that an operating system asks the person for.
_ASKED: Final = frozenset(
    {"camera", "location", "microphone", "phone", "storage"}
)


def _covers(declared: Iterable[str], permission: str) -> bool:
    """
    Tell whether *permission*, or the family it is of, is declared.
    """
    return permission in declared or family(permission) in declared


def _of_function(c: Context, id_: str) -> tuple[str, ...]:
    """
    Give the permissions that a function uses by itself, in order.
    """
    function = c.policy.functions[id_]
    used = [function.permission]
    used += [clause.permission for clause in function.clauses.values()]
    return tuple(dict.fromkeys(p for p in used if p))


@rule(
    "permission-undeclared",
    Severity.ERROR,
    title="a permission that is used and not in the table",
    reason="The table promises that there are no others.",
    source="WP-PERM-11; PIPL Article 17; GB/T 35273-2020, 5.4",
)
def permission_undeclared(c: Context) -> Iterator[Spot]:
    declared = {table.id for table in c.document.permissions}
    if not declared:
        return
    for path, function in c.functions:
        for permission in _of_function(c, function.id):
            if not _covers(declared, permission):
                yield Spot(
                    path=path,
                    message=f"{function.id!r} uses the permission "
                    f"{permission!r}, which is not in the table",
                    cure="add it to permissions, or do without it",
                )


@rule(
    "permission-undeclared-sdk",
    Severity.ERROR,
    title="a permission of an SDK that is not in the table",
    reason="A permission of the app is one of every SDK in it. The table "
    "holds what all of them use, added up.",
    source="WP-PERM-11; T-09; GB/T 35273-2020, 9.7",
)
def permission_undeclared_sdk(c: Context) -> Iterator[Spot]:
    declared = {table.id for table in c.document.permissions}
    if not declared:
        return
    for path, function, entry in c.sdks:
        used = dict.fromkeys(p.permission for p in entry.permissions)
        missing = [p for p in used if not _covers(declared, p)]
        if missing:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} uses {', '.join(missing)}, which "
                f"{'is' if len(missing) == 1 else 'are'} not in the table",
                cure="add them to permissions, or configure the SDK to do "
                "without",
            )


@rule(
    "permission-table-missing",
    Severity.WARNING,
    title="permissions are used and there is no table of them",
    reason="People have to see which permissions are used and what for.",
    source="KS-PERM-2; PIPL Article 17; GB/T 35273-2020, 5.4",
)
def permission_table_missing(c: Context) -> Iterator[Spot]:
    used = dict.fromkeys(
        p for _, f in c.functions for p in _of_function(c, f.id)
    )
    used |= dict.fromkeys(
        p.permission for _, _, entry in c.sdks for p in entry.permissions
    )
    if used and not c.document.permissions:
        yield Spot(
            path="$.permissions",
            message=f"functions and SDKs use {', '.join(used)}",
            cure="a table with what each is for and how it is turned off",
        )


@rule(
    "permission-unused",
    Severity.ERROR,
    title="a permission in the table that nothing uses",
    reason="A permission that no function needs is asked for nothing.",
    source="KS-PERM-2; PIPL Article 6; Chinese rules on illegal collection "
    "by apps (2019)",
)
def permission_unused(c: Context) -> Iterator[Spot]:
    used = {p for _, f in c.functions for p in _of_function(c, f.id)}
    used |= {p.permission for _, _, e in c.sdks for p in e.permissions}
    families = {family(p) for p in used} | used
    for i, table in enumerate(c.document.permissions):
        if table.id not in families and family(table.id) not in used:
            yield Spot(
                path=f"$.permissions[{i}]",
                message=f"no function and no SDK uses {table.id!r}",
                cure="take it out, or name it at the clause that needs it",
            )


@rule(
    "permission-beyond-table",
    Severity.ERROR,
    title="a permission used by a function that the table does not name",
    reason="A permission is granted for what the table says, and for "
    "nothing else.",
    source="WP-PERM-7; WP-PERM-11; PIPL Article 6",
)
def permission_beyond_table(c: Context) -> Iterator[Spot]:
    for i, table in enumerate(c.document.permissions):
        if not table.functions:
            continue
        for _, function in c.functions:
            uses = any(
                table.id in {p, family(p)}
                for p in _of_function(c, function.id)
            )
            named = function.id in table.functions
            if uses and not named:
                yield Spot(
                    path=f"$.permissions[{i}].functions",
                    message=f"{function.id!r} uses {table.id!r}, and is not "
                    "named",
                    cure="name it, or do without",
                )


@rule(
    "permission-idle",
    Severity.WARNING,
    title="a function that the table names and that does not use it",
    reason="The table says more than is true, and a permission seems to be "
    "needed where it is not.",
    source="KS-PERM-2; practice",
)
def permission_idle(c: Context) -> Iterator[Spot]:
    for i, table in enumerate(c.document.permissions):
        for j, id_ in enumerate(table.functions):
            used = set(_of_function(c, id_))
            entry = c.entries.get(c.policy.functions[id_].sdk)
            if entry is not None:
                used |= {p.permission for p in entry.permissions}
            if table.id not in {family(p) for p in used} | used:
                yield Spot(
                    path=f"$.permissions[{i}].functions[{j}]",
                    message=f"{id_!r} does not use {table.id!r}",
                    cure="permission at the clause that needs it",
                )


@rule(
    "permission-unneeded",
    Severity.WARNING,
    title="a permission that its purposes do not need",
    reason="A permission is asked for what cannot work without it. Push "
    "works without the phone's identity, and so does risk control.",
    source="T-15; T-20; PIPL Articles 6, 16; GB/T 41391-2022",
)
def permission_unneeded(c: Context) -> Iterator[Spot]:
    for path, function in c.functions:
        made = c.policy.functions[function.id]
        purposes: dict[str, set[str]] = {}
        if made.permission:
            purposes.setdefault(made.permission, set()).update(made.purposes)
        for clause in made.clauses.values():
            if clause.permission:
                purposes.setdefault(clause.permission, set()).update(
                    clause.purposes
                )
        for permission, told in purposes.items():
            needed = PERMISSIONS.get(family(permission))
            if needed is not None and not needed & told:
                yield Spot(
                    path=path,
                    message=f"{function.id!r} takes {permission!r}, which "
                    f"{', '.join(sorted(told)) or 'no purpose'} can do "
                    "without",
                    cure="do without it, or a function of its own",
                )
    for i, table in enumerate(c.document.permissions):
        needed = PERMISSIONS.get(family(table.id))
        if needed is None or not table.purposes:
            continue
        if not needed.intersection(table.purposes):
            yield Spot(
                path=f"$.permissions[{i}].purposes",
                message=f"{', '.join(table.purposes)} can do without "
                f"{table.id!r}",
                cure="do without it",
            )


@rule(
    "permission-unneeded-sdk",
    Severity.WARNING,
    title="a permission of an SDK that its purposes do not need",
    reason="Bundled with what the person wanted, it is not asked for at all. "
    "The SDK works without.",
    source="T-20; PIPL Articles 6, 16",
)
def permission_unneeded_sdk(c: Context) -> Iterator[Spot]:
    for path, function, entry in c.sdks:
        bundled = dict.fromkeys(
            p.permission
            for p in entry.permissions
            if family(p.permission) in _ASKED
            and not PERMISSIONS[family(p.permission)].intersection(
                (*entry.purposes, *function.purposes)
            )
        )
        if bundled:
            yield Spot(
                path=path,
                message=f"{function.sdk!r} wants {', '.join(bundled)}, which "
                f"{', '.join(entry.purposes)} can do without",
                cure="do not ask for it on the SDK's behalf",
            )


@rule(
    "can-disable-blank",
    Severity.WARNING,
    title="whether a permission can be turned off is left blank",
    reason="A blank reads like a no. People can always turn a permission "
    "off, and here a blank is a yes.",
    source="T-14; PIPL Article 15",
)
def can_disable_blank(c: Context) -> Iterator[Spot]:
    for i, table in enumerate(c.document.permissions):
        if table.can_disable is None:
            yield Spot(
                path=f"$.permissions[{i}]",
                message=f"whether {table.id!r} can be turned off is not "
                "stated",
                cure="can_disable = true",
            )


@rule(
    "can-disable-denied",
    Severity.ERROR,
    title="a permission that is said to be a must",
    reason="The person can turn it off in the system's settings, whatever "
    "the text says.",
    source="T-14; PIPL Articles 15, 16",
)
def can_disable_denied(c: Context) -> Iterator[Spot]:
    for i, table in enumerate(c.document.permissions):
        if table.can_disable is False:
            yield Spot(
                path=f"$.permissions[{i}].can_disable",
                message=f"{table.id!r} is said not to be turned off",
                cure="can_disable = true, and what does not work then",
            )


@rule(
    "permission-purpose-missing",
    Severity.WARNING,
    title="a permission without a purpose",
    reason="People are asked for it and are not told why.",
    source="WP-PERM-6; PIPL Article 17",
)
def permission_purpose_missing(c: Context) -> Iterator[Spot]:
    for i, table in enumerate(c.document.permissions):
        if not table.purposes:
            yield Spot(
                path=f"$.permissions[{i}]",
                message=f"what {table.id!r} is for is not stated",
                cure="purposes",
            )


@rule(
    "sensitive-permission-denied",
    Severity.ERROR,
    title="no sensitive permission, it says, and some are used",
    reason="The neighbouring line says otherwise.",
    source="T-09; GDPR Article 5(1)(a)",
)
def sensitive_permission_denied(c: Context) -> Iterator[Spot]:
    said = re.compile(
        r"(?:no|not|never|without)\b[^.;]{0,40}sensitive permission"
        r"|不(?:会)?(?:涉及|使用|调用|申请)[^。；]{0,10}敏感权限",
        re.IGNORECASE,
    )
    used = sorted(
        {
            f"{p.permission} by {function.sdk}"
            for _, function, entry in c.sdks
            for p in entry.permissions
            if family(p.permission) in _ASKED
        }
    )
    own = sorted(
        {
            p
            for _, f in c.functions
            for p in _of_function(c, f.id)
            if family(p) in _ASKED
        }
    )
    for prose in c.said:
        found = said.search(prose.text)
        if found and used + own:
            yield Spot(
                path=prose.path,
                message=f"it says {found[0]!r}, and there are "
                f"{', '.join(own + used)}",
                cure="name them",
            )
