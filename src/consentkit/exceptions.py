# SPDX-License-Identifier: MIT
"""
All errors of consentkit, split by what the caller can do about them.

::

    ConsentKitError
    ├── PolicyError             mend the policy file (carries every fault)
    ├── MissingExtraError       install the extra that it names
    ├── StoreError              a file or database of ours cannot be used;
    │   │                       names the cure
    │   ├── UnwritableError     the folder, disk or server takes no writes
    │   ├── DamagedError        it is not what was written
    │   └── NewerFormatError    it is of a newer consentkit
    ├── ProofError              believe neither this receipt nor checkpoint
    ├── NoticeNeededError       show the notice before the yes
    ├── TooYoungError           the policy bars people of this age
    ├── TooOftenError           look for a loop in the app
    ├── ClosedError             open the kit again before the yes
    ├── ForgedPermitError       a permit that the gate did not make
    ├── DeadPermitError         a permit that holds no more
    ├── UnprotectedError        a value that was not protected
    ├── RegistryError           a third-party SDK entry cannot be used
    ├── SDKStoppedError         an SDK reached for what it may not
    ├── SDKNotPermittedError    grant the function before the SDK's import
    ├── EnvelopeError           do not believe what is in this envelope
    │   └── UnknownKeyError     it is sealed for a key that is not here
    └── TransportError          a transport was set up wrongly

The gate's *no* is not an error: it is a `consentkit.Refusal`.
No message, field or cause of these errors holds a collected value.
"""

from __future__ import annotations

import errno

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final


if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentkit.gate import Refusal
    from consentkit.policy import Fault


__all__ = [
    "ClosedError",
    "ConsentKitError",
    "DamagedError",
    "DeadPermitError",
    "EnvelopeError",
    "ForgedPermitError",
    "MissingExtraError",
    "NewerFormatError",
    "NoticeNeededError",
    "PolicyError",
    "ProofError",
    "RegistryError",
    "SDKNotPermittedError",
    "SDKStoppedError",
    "StoreError",
    "TooOftenError",
    "TooYoungError",
    "TransportError",
    "UnknownKeyError",
    "UnprotectedError",
    "UnwritableError",
]


class ConsentKitError(Exception):
    """
    Root of all errors that consentkit raises on purpose.

    They can be copied and pickled, so that they pass between processes.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # Not by `__init__`: it has arguments of its own, which `args` lacks.
        held = {
            name: value
            for name in _HELD
            if (value := getattr(self, name, None)) is not None
        }
        return _blank, (type(self),), {**vars(self), **held}


#: What Python's own errors hold beside their attributes.
_HELD: Final = (
    *("args", "errno", "strerror", "filename", "filename2"),
    *("msg", "name", "path"),
)


def _blank(kind: type[ConsentKitError]) -> ConsentKitError:
    """
    Make an error that has nothing yet; its state is set after that.
    """
    return kind.__new__(kind)


class PolicyError(ConsentKitError):
    """
    A policy document has faults; all of them are reported at once.

    Attributes:
        path: The file, or ``None`` when the text came from memory.

        faults: Every fault, in the order of the document; never empty.
    """

    def __init__(self, path: Path | None, faults: Sequence[Fault]) -> None:
        super().__init__(path, faults)
        self.path = path
        self.faults: tuple[Fault, ...] = tuple(faults)

    def __str__(self) -> str:
        name = str(self.path) if self.path else "policy"
        count = len(self.faults)
        head = f"{name}: {count} fault{'' if count == 1 else 's'}"
        return "\n".join([head, *(f"  {fault}" for fault in self.faults)])


class MissingExtraError(ConsentKitError, ImportError):
    """
    An optional library is not installed.

    Attributes:
        extra: The extra of consentkit that brings it.

        package: The distribution that is missing.
    """

    def __init__(self, *, extra: str, package: str) -> None:
        super().__init__(extra, package)
        self.extra = extra
        self.package = package

    def __str__(self) -> str:
        return (
            f"{self.package} is not installed; "
            f"install it with: pip install 'consentkit[{self.extra}]'"
        )


class StoreError(ConsentKitError):
    """
    A file, folder or database of ours cannot be used.

    Attributes:
        path: The file or folder; of a database, its address as a text,
            without user and password.

        problem: What is wrong with it.

        cure: What to do about it.
    """

    def __init__(self, path: Path | str, *, problem: str, cure: str) -> None:
        super().__init__(path, problem, cure)
        self.path = path
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.cure}"


class UnwritableError(StoreError):
    """
    The folder or disk does not take writes.
    """


class DamagedError(StoreError):
    """
    The file is not what consentkit wrote.
    """


class NewerFormatError(StoreError):
    """
    The file was written by a newer version of consentkit.
    """


class ProofError(ConsentKitError):
    """
    A receipt, a checkpoint or a proof is malformed, or does not verify.

    Its text names the place and the rule, and no content.
    """


class NoticeNeededError(ConsentKitError, ValueError):
    """
    A yes without its notice: the person cannot have known what to.

    Attributes:
        element: What was to be granted.
    """

    def __init__(self, element: str) -> None:
        self.element = element
        super().__init__(
            f"{element!r} is a decision of its own, and its notice of this "
            f"version was not shown; call show({element!r}) before"
        )


class TooYoungError(ConsentKitError, ValueError):
    """
    A yes of somebody whom the policy bars by their age.
    """

    def __init__(self) -> None:
        super().__init__(
            "the policy bars people of the age that was declared; nothing "
            "is recorded of them"
        )


class TooOftenError(ConsentKitError, ValueError):
    """
    The same was chosen so often within an hour that nobody can have meant it.

    Attributes:
        element: What was to be granted or resumed.
    """

    def __init__(self, element: str, most: int) -> None:
        self.element = element
        super().__init__(
            f"{element or 'everything'!r} was granted or resumed {most} times "
            "within an hour, and is not once more; look for a loop in the app"
        )


class ClosedError(ConsentKitError, ValueError):
    """
    A choice that opens something, after the kit was closed; it is not
    recorded. A no is, also then.

    .. versionadded:: 26.1.0
    """

    def __init__(self) -> None:
        super().__init__(
            "the kit is closed, so that nothing would come of it, and it is "
            "not recorded; open one with consentkit.open() before"
        )


class ForgedPermitError(ConsentKitError):
    """
    Something that is not a permit of the gate was used as one.
    """


class DeadPermitError(ConsentKitError):
    """
    A permit was used after its use ended or its consent was taken back.
    """


class UnprotectedError(ConsentKitError):
    """
    A value was handed on without the protection that the policy names.
    """


class RegistryError(ConsentKitError):
    """
    An entry of the third-party SDK registry cannot be used.
    """


class SDKStoppedError(ConsentKitError, OSError):
    """
    An SDK was stopped from reaching somebody, or from starting a program.

    It is raised where the SDK did so, also as what callers there are ready
    for: a refused connection, a failed look-up, or a denied program.

    Attributes:
        sdk: Id of the SDK.

        host: Whom it was to reach; of a program its path.

        why: Why it may not.
    """

    def __init__(self, sdk: str, host: str, why: str) -> None:
        self.sdk = sdk
        self.host = host
        self.why = why
        number = errno.ECONNREFUSED
        super().__init__(number, f"{sdk} was stopped: {why}")


class SDKNotPermittedError(ConsentKitError, ImportError):
    """
    A module of an SDK is imported without a permit, and is not loaded.

    Nothing of it is left behind: after the grant, the import works.

    Attributes:
        sdk: Id of the SDK.

        refusal: Why it may not be used.
    """

    def __init__(self, module: str, sdk: str, refusal: Refusal) -> None:
        super().__init__(module, sdk, refusal)
        self.name: str | None = module
        self.sdk = sdk
        self.refusal = refusal

    def __str__(self) -> str:
        return (
            f"{self.name} is not loaded: the SDK {self.sdk!r} needs a permit "
            f"({self.refusal}); import it once the person has granted "
            f"{self.refusal.function!r}"
        )


class TransportError(ConsentKitError):
    """
    A transport was named or set up wrongly.
    """


class EnvelopeError(ConsentKitError):
    """
    An envelope or a key for one is not of its format, or was changed.

    .. versionadded:: 26.1.0
    """


class UnknownKeyError(EnvelopeError):
    """
    An envelope is sealed for a key that is not here.

    Attributes:
        fingerprint: Of the key: 16 hexadecimal digits.

    .. versionadded:: 26.1.0
    """

    def __init__(self, fingerprint: str) -> None:
        super().__init__(fingerprint)
        self.fingerprint = fingerprint

    def __str__(self) -> str:
        return f"it is sealed for the key {self.fingerprint}, not known here"
