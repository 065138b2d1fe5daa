# SPDX-License-Identifier: MIT
"""
All errors of consentkit, split by what the caller can do about them.

::

    ConsentKitError
    ├── PolicyError             mend the policy file (carries every fault)
    ├── MissingExtraError       install the extra that it names
    ├── StoreError              a file of ours cannot be used; names the cure
    │   ├── UnwritableError     the folder or disk does not take writes
    │   ├── DamagedError        the file is not what was written
    │   └── NewerFormatError    the file is of a newer consentkit
    ├── ForgedPermitError       a permit that the gate did not make
    ├── DeadPermitError         a permit that holds no more
    ├── UnprotectedError        a value that was not protected
    ├── RegistryError           a third-party SDK entry cannot be used
    └── TransportError          a transport was set up wrongly

The gate's *no* is not an error: it is a `consentkit.Refusal`.
No message, field or cause of these errors holds a collected value.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentkit.policy import Fault


__all__ = [
    "ConsentKitError",
    "DamagedError",
    "DeadPermitError",
    "ForgedPermitError",
    "MissingExtraError",
    "NewerFormatError",
    "PolicyError",
    "RegistryError",
    "StoreError",
    "TransportError",
    "UnprotectedError",
    "UnwritableError",
]


class ConsentKitError(Exception):
    """
    Root of all errors that consentkit raises on purpose.
    """


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
    A file or folder of ours cannot be used.

    Attributes:
        path: The file or folder.

        problem: What is wrong with it.

        cure: What to do about it.
    """

    def __init__(self, path: Path, *, problem: str, cure: str) -> None:
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


class TransportError(ConsentKitError):
    """
    A transport was named or set up wrongly.
    """
