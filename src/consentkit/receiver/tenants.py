# SPDX-License-Identifier: MIT
"""
Who may send what: tokens, each good for the recipients of its tenant.

A file of TOML has a table for each tenant. It holds digests, so whoever reads
it cannot send; and it is looked at again while the receiver runs, so a token
that is taken out is refused within a second or so::

    [camera_maker]
    sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
    recipients = ["camera_maker"]
"""

from __future__ import annotations

import re
import threading
import time
import tomllib

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from consentkit.exceptions import StoreError


__all__ = ["Tenant", "Tenants"]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LOOK_SECONDS: Final = 1.0
_CURE: Final = "mend the file, as docs/receiver.md describes it"


@frozen(kw_only=True)
class Tenant:
    """
    Who shows a token, and whose records they may bring.

    Attributes:
        recipients: Ids of recipients; empty for any.

    .. versionadded:: 26.1.0
    """

    name: str
    recipients: frozenset[str] = frozenset()

    def may_bring(self, recipient: str) -> bool:
        """
        Tell whether records for *recipient* are this tenant's to bring.
        """
        return not self.recipients or recipient in self.recipients


class Tenants:
    """
    Tenants by their tokens, out of a file.

    Args:
        path: The file.

    Raises:
        StoreError: If it cannot be read, or is not of this form.

    .. versionadded:: 26.1.0
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._by_digest = self._read()
        self._until = time.monotonic() + _LOOK_SECONDS

    def __repr__(self) -> str:
        return f"<Tenants in {self._path}, {len(self._by_digest)} tokens>"

    def of(self, token: str) -> Tenant | None:
        """
        Give the tenant whose token this is, or ``None``.
        """
        self._look_again()
        # Of a digest, the time that finding it takes tells nothing.
        return self._by_digest.get(sha256(token.encode()).hexdigest())

    def _look_again(self) -> None:
        with self._lock:
            if time.monotonic() < self._until:
                return
            self._until = time.monotonic() + _LOOK_SECONDS
            try:
                stamp = self._look()
                if stamp != self._stamp:
                    self._by_digest = self._read()
                    self._stamp = stamp
            except StoreError:
                # Half written, or gone: what was read before goes on.
                pass

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            problem = f"the file cannot be read ({error.strerror})"
        else:
            return found.st_mtime_ns, found.st_size, found.st_ino
        raise self._error(problem)

    def _read(self) -> Mapping[str, Tenant]:
        problem = ""
        tree: Mapping[str, Any] = {}
        try:
            tree = tomllib.loads(self._path.read_text(encoding="utf-8"))
        except OSError as error:
            problem = f"the file cannot be read ({error.strerror})"
        except ValueError:
            problem = "the file is not TOML"
        if problem:
            raise self._error(problem)
        found: dict[str, Tenant] = {}
        for name, table in tree.items():
            digests, recipients = self._checked(name, table)
            tenant = Tenant(name=name, recipients=frozenset(recipients))
            for digest in digests:
                if digest in found:
                    problem = f"{name}: a token comes twice"
                    raise self._error(problem)
                found[digest] = tenant
        if not found:
            problem = "no tenant has a token"
            raise self._error(problem)
        return found

    def _checked(self, name: str, table: object) -> tuple[Any, Any]:
        keys, problem = {"sha256", "recipients"}, ""
        is_table = isinstance(table, dict) and table.keys() <= keys
        found: Mapping[str, Any] = table if isinstance(table, dict) else {}
        digests = found.get("sha256", [])
        recipients = found.get("recipients", [])
        if not is_table:
            problem = f"{name}: must have sha256 and recipients alone"
        elif not _is_texts(digests) or not all(
            map(_DIGEST.fullmatch, digests)
        ):
            problem = f"{name}.sha256: must be a list of SHA-256 in small hex"
        elif not _is_texts(recipients):
            problem = f"{name}.recipients: must be a list of ids"
        if problem:
            raise self._error(problem)
        return digests, recipients

    def _error(self, problem: str) -> StoreError:
        return StoreError(self._path, problem=problem, cure=_CURE)


def _is_texts(found: object) -> bool:
    return isinstance(found, list) and all(
        isinstance(one, str) for one in found
    )
