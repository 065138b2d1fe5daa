# SPDX-License-Identifier: MIT
"""
From a TOML file to a `Policy`, or to all that is wrong with it at once.
"""

from __future__ import annotations

import json
import tomllib

from codecs import BOM_UTF8
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from consentkit.exceptions import PolicyError
from consentkit.policy._check import check
from consentkit.policy._toml import parse_toml
from consentkit.policy.document import structure
from consentkit.policy.fault import BYTE_ORDER_MARK, Fault
from consentkit.policy.model import Policy
from consentkit.policy.tables import Document
from consentkit.policy.vocabulary import load_vocabulary


__all__ = ["MOST_BYTES", "load_policy", "parse_canonical", "parse_policy"]

SCHEMA: Final = 1

#: How large a file may be.
MOST_BYTES: Final = 8 * 1024 * 1024


def load_policy(path: Path | str) -> Policy:
    """
    Read and check the policy document at *path*.

    Raises:
        PolicyError: If the file cannot be read, is no TOML, or has faults;
            it lists all of them.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror})"
    except ValueError:
        problem = "no path of a file can hold a NUL"
    else:
        return _parse(raw, file)
    raise PolicyError(
        file,
        [Fault(path="$", problem=problem, cure="name a policy document")],
    )


def parse_policy(text: str) -> Policy:
    """
    Check a policy document that is already in memory.

    Raises:
        PolicyError: As `load_policy`.
    """
    # What no UTF-8 file can hold is found as what it is in one.
    return _parse(text.encode(errors="surrogatepass"), None)


def parse_canonical(text: str) -> Policy:
    """
    Read a policy back from its canonical form, as `Policy.canonical` is.

    Raises:
        PolicyError: If *text* is not JSON, or as `load_policy`.
    """
    try:
        tables = json.loads(text)
    except (ValueError, RecursionError):
        tables = None
    if not isinstance(tables, dict):
        fault = Fault(path="$", problem="not the JSON of a policy")
        raise PolicyError(None, [fault])
    return _checked(tables, None)


def _parse(raw: bytes, path: Path | None) -> Policy:
    faults: tuple[Fault, ...]
    if len(raw) > MOST_BYTES:
        faults = (Fault(path="$", problem="larger than 8 MiB"),)
        raise PolicyError(path, faults)
    try:
        tables = parse_toml(raw.decode())
    except (ValueError, RecursionError) as error:
        faults = (_not_toml(error, raw),)
    else:
        return _checked(tables, path)
    raise PolicyError(path, faults)


def _checked(tables: Mapping[str, Any], path: Path | None) -> Policy:
    found = _of_schema(tables)
    if isinstance(found, Document):
        made = check(found, load_vocabulary())
        if isinstance(made, Policy):
            return made
        found = made
    raise PolicyError(path, found)


def _not_toml(error: ValueError | RecursionError, raw: bytes) -> Fault:
    if raw.startswith(BOM_UTF8):
        return Fault(path="$", problem=BYTE_ORDER_MARK)
    match error:
        case UnicodeDecodeError():
            problem = f"not UTF-8 from byte {error.start} on"
        case tomllib.TOMLDecodeError():
            problem = f"not TOML: {error}"
        case RecursionError():
            problem = "nested too deeply"
        case _:
            problem = "not TOML: a number with too many digits"
    return Fault(path="$", problem=problem)


def _of_schema(tables: Mapping[str, Any]) -> Document | tuple[Fault, ...]:
    schema = tables.get("schema")
    if type(schema) is int and schema > SCHEMA:
        return (
            Fault(
                path="$.schema",
                problem=f"format {schema} is newer than this consentkit",
                cure=f"upgrade consentkit, or write format {SCHEMA}",
            ),
        )
    if type(schema) is int and schema < SCHEMA:
        return (
            Fault(
                path="$.schema",
                problem=f"there is no format {schema}",
                cure=f"write schema = {SCHEMA}",
            ),
        )
    return structure(tables)
