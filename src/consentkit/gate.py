# SPDX-License-Identifier: MIT
"""
The gate: may this be read, kept or sent, now?

A gate is compiled from one policy and one state, and answers with a value:
a `Permit`, which names the clause and the entry that it rests on, or a
`Refusal`, which names the condition that failed. It does no I/O; time and
the operating system's answer come in from outside.

Rules, in the order in which they are asked; the first that fails is the
reason:

1.  the ledger can be read;
2.  the function is declared in the policy;
3.  the data type is declared for the function;
4.  the purpose is declared for that data type;
5.  the recipient is declared for that data type;
6.  the person has granted the function, on its present terms;
7.  and the separate type, where the clause asks for it;
8.  the operating system does not forbid it;
9.  the function is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, NoReturn, final

from attrs import frozen

from consentkit.consent.entries import Entry
from consentkit.consent.state import Choice, State, Status
from consentkit.exceptions import DeadPermitError, ForgedPermitError
from consentkit.policy.model import Clause, Function, Policy


__all__ = [
    "Gate",
    "OSPermission",
    "Permit",
    "Reason",
    "Refusal",
    "check_permit",
]


class OSPermission(Enum):
    """
    What the operating system lets the app do; never a boolean.
    """

    GRANTED = "granted"
    DENIED = "denied"
    RESTRICTED = "restricted"
    PROMPT_NEEDED = "prompt_needed"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


class Reason(Enum):
    """
    Why not: a closed list.
    """

    LEDGER_UNREADABLE = "ledger_unreadable"
    UNDECLARED_FUNCTION = "undeclared_function"
    UNDECLARED_DATA_TYPE = "undeclared_data_type"
    UNDECLARED_PURPOSE = "undeclared_purpose"
    UNDECLARED_RECIPIENT = "undeclared_recipient"
    UNDECLARED_SCENE = "undeclared_scene"
    UNDECLARED_SDK = "undeclared_sdk"
    UNDECLARED_EVENT = "undeclared_event"
    NOT_ASKED = "not_asked"
    NOT_ANSWERED = "not_answered"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    TERMS_CHANGED = "terms_changed"
    SEPARATE_CONSENT_NEEDED = "separate_consent_needed"
    OS_PERMISSION = "os_permission"
    NOT_IN_USE = "not_in_use"
    CONSENT_CHANGED = "consent_changed"
    STAYS_ON_DEVICE = "stays_on_device"
    NO_VALUE = "no_value"
    OUTBOX_FULL = "outbox_full"
    OUTBOX_UNUSABLE = "outbox_unusable"
    CLOSED = "closed"


_MEANING: Final[Mapping[Reason, str]] = {
    Reason.LEDGER_UNREADABLE: "the ledger of choices cannot be read",
    Reason.UNDECLARED_FUNCTION: "the policy has no such function",
    Reason.UNDECLARED_DATA_TYPE: "the policy does not list this data type "
    "for the function",
    Reason.UNDECLARED_PURPOSE: "the policy does not list this purpose for "
    "the data type",
    Reason.UNDECLARED_RECIPIENT: "the policy does not list this recipient "
    "for the data type",
    Reason.UNDECLARED_SCENE: "the policy does not list this scene",
    Reason.UNDECLARED_SDK: "the policy does not list this SDK for any "
    "function, or the registry has no entry for it",
    Reason.UNDECLARED_EVENT: "the policy does not declare this event, or "
    "not with these fields",
    Reason.NOT_ASKED: "the person has not been asked yet",
    Reason.NOT_ANSWERED: "the person was asked and has not answered",
    Reason.REFUSED: "the person said no",
    Reason.WITHDRAWN: "the person has withdrawn the consent",
    Reason.TERMS_CHANGED: "the policy's terms are not those that the person "
    "agreed to",
    Reason.SEPARATE_CONSENT_NEEDED: "this data type needs a decision of its "
    "own",
    Reason.OS_PERMISSION: "the operating system does not allow it",
    Reason.NOT_IN_USE: "the function is not in use here",
    Reason.CONSENT_CHANGED: "the consent that the value was read under no "
    "longer holds",
    Reason.STAYS_ON_DEVICE: "the policy lets this value leave the device in "
    "no form",
    Reason.NO_VALUE: "there is no value to keep",
    Reason.OUTBOX_FULL: "the outbox is full",
    Reason.OUTBOX_UNUSABLE: "the outbox cannot be used",
    Reason.CLOSED: "the kit is closed",
}


@frozen(kw_only=True)
class Refusal:
    """
    The gate's *no*. It is false in a condition.

    Attributes:
        reason: The first condition that failed.

        function: The function that was asked for.

        data_type, purpose, recipient: What was asked for, or empty.

        detail: More on the reason, for people; never a collected value.
    """

    reason: Reason
    function: str
    data_type: str = ""
    purpose: str = ""
    recipient: str = ""
    detail: str = ""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        what = self.function + (f"/{self.data_type}" * bool(self.data_type))
        more = f" ({self.detail})" if self.detail else ""
        return f"{what}: refused, {_MEANING[self.reason]}{more}"


_SEAL: Final = object()


@final
class Permit:
    """
    The gate's *yes*, for one data type, purpose and recipient.

    Only the gate makes one. It cannot be built, copied, pickled or
    subclassed elsewhere, and every other room checks it.

    Attributes:
        function: The function that is permitted, with its clauses.

        clause: The clause of the policy that it rests on.

        entry: The entry of the ledger that it rests on; for a separate
            type the entry of that decision.

        epoch: Number of the grant: a new one makes older permits void.
    """

    __slots__ = (
        "_holds",
        "_seal",
        "clause",
        "controller",
        "element",
        "entry",
        "epoch",
        "function",
        "policy_version",
        "purpose",
        "recipient",
    )

    _holds: Callable[[Permit], bool]
    clause: Clause
    controller: str
    element: str
    entry: Entry
    epoch: int
    function: Function
    policy_version: str
    purpose: str
    recipient: str

    def __init__(self, *, seal: object = None, **fields: Any) -> None:
        if seal is not _SEAL:
            msg = "only the gate makes permits; ask Kit.use() for one"
            raise ForgedPermitError(msg)
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_seal", seal)

    def __init_subclass__(cls) -> NoReturn:
        msg = "a permit cannot be subclassed"
        raise ForgedPermitError(msg)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        msg = "a permit cannot be changed"
        raise ForgedPermitError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        msg = "a permit cannot be changed"
        raise ForgedPermitError(msg)

    def __reduce__(self) -> NoReturn:
        msg = "a permit cannot be copied or stored"
        raise ForgedPermitError(msg)

    def __repr__(self) -> str:
        return (
            f"<Permit {self.function.id}/{self.clause.type} "
            f"for {self.purpose}, entry {self.entry.seq}>"
        )

    def __str__(self) -> str:
        return (
            f"{self.function.id}/{self.clause.type}: permitted for "
            f"{self.purpose}, to {self.recipient}, by entry "
            f"{self.entry.seq} of {self.entry.at:%Y-%m-%d %H:%M} "
            f"on policy version {self.entry.version}"
        )


def check_permit(permit: object, *, data_type: str | None = None) -> Permit:
    """
    Return *permit* if the gate made it, for *data_type* if that is given.

    Raises:
        ForgedPermitError: If it is anything else.

        DeadPermitError: If it was one: its function is no longer in use
            here, or its consent has ended.
    """
    genuine = type(permit) is Permit and (
        getattr(permit, "_seal", None) is _SEAL
    )
    if not genuine:
        msg = "not a permit of the gate"
        raise ForgedPermitError(msg)
    assert isinstance(permit, Permit)  # noqa: S101 - for the type checker
    if data_type is not None and permit.clause.type != data_type:
        msg = f"a permit for {permit.clause.type}, not for {data_type}"
        raise ForgedPermitError(msg)
    if not permit._holds(permit):  # noqa: SLF001 - the permit's own gate
        msg = f"the permit for {permit.clause.type} holds no more"
        raise DeadPermitError(msg)
    return permit


def _always(_: Permit) -> bool:
    return True


_REASON_OF: Final[Mapping[Status, Reason]] = {
    Status.UNKNOWN: Reason.NOT_ASKED,
    Status.ASKED: Reason.NOT_ANSWERED,
    Status.DEFERRED: Reason.NOT_ANSWERED,
    Status.REFUSED: Reason.REFUSED,
    Status.WITHDRAWN: Reason.WITHDRAWN,
    Status.WIDENED: Reason.TERMS_CHANGED,
    Status.UNREADABLE: Reason.LEDGER_UNREADABLE,
}

_OS_LETS: Final = frozenset(
    {OSPermission.GRANTED, OSPermission.NOT_APPLICABLE}
)


@frozen(kw_only=True)
class Gate:
    """
    The decision, compiled for one policy and one state.
    """

    policy: Policy
    state: State

    def function(self, function: str) -> Function | Refusal:
        """
        Decide whether *function* as a whole is declared and granted.
        """
        found = self.policy.functions.get(function)
        if self.state.problem:
            return Refusal(
                reason=Reason.LEDGER_UNREADABLE,
                function=function,
                detail=self.state.problem,
            )
        if found is None:
            return Refusal(
                reason=Reason.UNDECLARED_FUNCTION, function=function
            )
        choice = self.state.choices[function]
        if choice.status is not Status.GRANTED:
            return Refusal(reason=_REASON_OF[choice.status], function=function)
        return found

    def decide(
        self,
        function: str,
        data_type: str,
        *,
        purpose: str | None = None,
        recipient: str | None = None,
        os_permission: OSPermission = OSPermission.NOT_APPLICABLE,
        in_use: bool = True,
        holds: Callable[[Permit], bool] = _always,
    ) -> Permit | Refusal:
        """
        Decide on one data type of one function.

        Args:
            function: Id of the function.

            data_type: Id of the data type.

            purpose: Why; the clause's first purpose when not given.

            recipient: For whom; the clause's first recipient when not
                given.

            os_permission: The operating system's answer for the permission
                that the clause names.

            in_use: Whether the function is in use by the caller.

            holds: Tells, whenever the permit is used, whether it still
                holds.
        """

        def no(reason: Reason, detail: str = "") -> Refusal:
            return Refusal(
                reason=reason,
                function=function,
                data_type=data_type,
                purpose=purpose or "",
                recipient=recipient or "",
                detail=detail,
            )

        if self.state.problem:
            return no(Reason.LEDGER_UNREADABLE, self.state.problem)
        found = self.policy.functions.get(function)
        if found is None:
            return no(Reason.UNDECLARED_FUNCTION)
        clause = found.clauses.get(data_type)
        if clause is None:
            return no(Reason.UNDECLARED_DATA_TYPE)
        if purpose is not None and purpose not in clause.purposes:
            return no(Reason.UNDECLARED_PURPOSE, purpose)
        if recipient is not None and recipient not in clause.recipients:
            return no(Reason.UNDECLARED_RECIPIENT, recipient)
        choice = self.state.choices[function]
        if choice.status is not Status.GRANTED:
            return no(_REASON_OF[choice.status])
        if clause.separate:
            choice = self.state.choices[found.element_of(data_type)]
            if choice.status is not Status.GRANTED:
                return no(_separate_reason(choice), choice.status.value)
        if os_permission not in _OS_LETS:
            detail = f"{clause.permission}: {os_permission.value}"
            return no(Reason.OS_PERMISSION, detail)
        if not in_use:
            return no(Reason.NOT_IN_USE)
        return Permit(
            seal=_SEAL,
            _holds=holds,
            function=found,
            clause=clause,
            element=choice.element,
            entry=choice.entry,
            epoch=choice.epoch,
            controller=self.policy.controller.id,
            policy_version=self.policy.version,
            purpose=purpose or clause.purposes[0],
            recipient=recipient or clause.recipients[0],
        )


def _separate_reason(choice: Choice) -> Reason:
    """
    Tell a missing separate decision from a no of the person.
    """
    if choice.status in (Status.REFUSED, Status.WITHDRAWN, Status.WIDENED):
        return _REASON_OF[choice.status]
    return Reason.SEPARATE_CONSENT_NEEDED
