# SPDX-License-Identifier: MIT
"""
What `consentkit.open` finds out before there is a kit.
"""

from __future__ import annotations

import math
import os
import sys

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentkit.exceptions import PolicyError, UnwritableError
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.policy.fault import Fault
from consentkit.policy.load import load_policy
from consentkit.policy.model import Policy


if TYPE_CHECKING:
    from consentkit.ledger.base import Ledger
    from consentkit.limits import Limits
    from consentkit.seal import SealKey
    from consentkit.transports import Transport


__all__ = [
    "check_keystore",
    "check_limits",
    "check_seconds",
    "check_sources",
    "default_data_dir",
    "ledger_of",
    "policy_of",
    "seal_keys_of",
    "this_platform",
    "transports_of",
]

_PLATFORMS: Final = {
    "android": "android",
    "ios": "ios",
    "emscripten": "web",
}


def default_data_dir(policy: Policy) -> Path:
    """
    Name the folder for the files of *policy*, by the platform's custom.

    Raises:
        UnwritableError: If this user has no home folder to put it into.
    """
    from platformdirs import user_data_path

    folder = Path("~")
    with suppress(RuntimeError):
        folder = user_data_path("consentkit", appauthor=False)
    if folder.is_absolute():
        return folder / policy.id
    raise UnwritableError(
        folder,
        problem="this user has no home folder",
        cure="name a data folder: data_dir=..., --data-dir DIR or "
        "CONSENTKIT_DATA_DIR",
    )


def this_platform() -> str:
    """
    Name the platform that this runs on, in the words of a policy.
    """
    return _PLATFORMS.get(sys.platform, "desktop")


def policy_of(named: str | Path | Policy, *, strict: bool) -> Policy:
    """
    Load the policy of an app, unless it is one already.

    Args:
        named: Path of the document, or the policy.

        strict: Whether to refuse what the linter would mend.

    Raises:
        PolicyError: If it cannot be read, has faults, or is a template.
    """
    if isinstance(named, Policy):
        policy, file = named, None
    else:
        policy, file = load_policy(named), Path(named)
    if policy.template:
        fault = Fault(
            path="$.policy.template",
            problem="a template is nobody's policy",
            cure="fill in what it leaves open, and take this key out",
        )
        raise PolicyError(file, [fault])
    faults = _lint(policy) if strict else []
    if faults:
        raise PolicyError(file, faults)
    return policy


def _lint(policy: Policy) -> list[Fault]:
    from consentkit.policy.lint import lint

    return [
        Fault(
            path=finding.path,
            problem=f"{finding.message} ({finding.rule})",
            cure=finding.cure,
        )
        for finding in lint(policy)
    ]


def check_seconds(name: str, seconds: float | None) -> None:
    """
    Check a length of time.

    Raises:
        ValueError: If it is none.
    """
    if seconds is not None and not 0 < seconds < math.inf:
        msg = f"{name} is a positive number of seconds, or None"
        raise ValueError(msg)


def check_keystore() -> None:
    """
    Check what the environment says of where the outbox's key goes.

    Raises:
        ValueError: If it is no such place.
    """
    said = os.environ.get("CONSENTKIT_KEYSTORE", "")
    if said not in {"", "file"}:
        msg = (
            f"CONSENTKIT_KEYSTORE is {said!r}; it can be 'file', or be left "
            "unset for the key store of the system, where there is one"
        )
        raise ValueError(msg)


def check_limits(policy: Policy, limits: Limits) -> None:
    """
    Check the purposes that have a bound of their own.

    Raises:
        ValueError: If the policy collects nothing for one of them: it would
            bound nothing.
    """
    if not limits.purposes:
        return  # most clauses are made when they are first asked for
    known = {
        purpose
        for function in policy.functions.values()
        for clause in function.clauses.values()
        for purpose in clause.purposes
    }
    unknown = limits.purposes.keys() - known
    if unknown:
        names = ", ".join(repr(one) for one in sorted(unknown, key=str))
        msg = f"Limits.purposes: the policy collects nothing for {names}; "
        msg += f"it does for {', '.join(sorted(known))}"
        raise ValueError(msg)


def check_sources(sources: Sequence[object]) -> None:
    """
    Check the names of built-in sources, and what the app's own say.

    Raises:
        TypeError: If one is no source, but its class, for example.

        ValueError: If there is none of a name, or one of the app's own does
            not say what has to be known of it.
    """
    own = [source for source in sources if not isinstance(source, str)]
    if own:
        from consentkit.collectors._own import check_source

        for source in own:
            check_source(source)
    names = [source for source in sources if isinstance(source, str)]
    if not names:
        return
    from consentkit.collectors import BUILT_IN

    for name in names:
        if name not in BUILT_IN:
            known = ", ".join(sorted(BUILT_IN))
            msg = f"no source is called {name!r}; one of {known}"
            raise ValueError(msg)


def ledger_of(named: str | Ledger | None, folder: Path) -> Ledger:
    """
    Give the ledger that is named, or the one of the data folder.
    """
    if named is None:
        return SQLiteLedger(folder / "ledger.sqlite3", keys=folder / "keys")
    if isinstance(named, str):
        from consentkit.ledger.base import ledger_from_url

        return ledger_from_url(named, keys=folder / "keys")
    return named


def seal_keys_of(
    policy: Policy,
    seal_for: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None,
) -> Mapping[str, tuple[SealKey, ...]]:
    """
    Give the keys by recipient, in the order in which they are tried.

    Raises:
        ValueError: If the policy has no such recipient, a line is no key, or
            there is none: nothing is to go out in the clear for a setting
            that is missing.
    """
    if seal_for is None:
        return {}
    from consentkit.seal import EnvelopeError, SealKey

    named: Mapping[str, str | Sequence[str]]
    if isinstance(seal_for, Mapping):
        named = seal_for
    else:
        named = {policy.controller.id: seal_for}
    _check_recipients(policy, named)
    made: dict[str, tuple[SealKey, ...]] = {}
    for recipient, lines in named.items():
        given: Any = [lines] if isinstance(lines, str) else lines
        if not isinstance(given, Sequence) or isinstance(given, bytes):
            msg = f"seal_for is {type(lines).__name__}, and should be a text"
            raise TypeError(msg)
        if not given or not all(given):
            msg = (
                f"seal_for of {recipient!r} is empty; leave it out to send "
                "what TLS alone protects"
            )
            raise ValueError(msg)
        try:
            made[recipient] = tuple(SealKey.parse(line) for line in given)
        except EnvelopeError as error:
            problem = str(error)
        else:
            continue
        msg = (
            f"seal_for of {recipient!r}: {problem}; a key is a line that "
            "'consentkit keys new FILE' prints"
        )
        raise ValueError(msg)
    return made


def transports_of(
    policy: Policy,
    transport: str | Transport | Mapping[str, str | Transport] | None,
    seal_for: Mapping[str, Sequence[SealKey]],
) -> Mapping[str, Transport]:
    """
    Give the transports by recipient, each as its purposes need it.

    Raises:
        ValueError: If the policy has no such recipient.

        TransportError: If a transport is named wrongly, or is not what the
            policy demands of the way to its recipient.

        TypeError: If it is neither a URL nor a transport.
    """
    if transport is None:
        return {}
    from consentkit.transports import Transport, transport_from_url
    from consentkit.transports.demands import held_to

    named: Mapping[str, str | Transport]
    if isinstance(transport, Mapping):
        named = transport
    else:
        named = {policy.controller.id: transport}
    _check_recipients(policy, named)
    made = {
        recipient: transport_from_url(t) if isinstance(t, str) else t
        for recipient, t in named.items()
    }
    others: Mapping[str, Any] = made
    for recipient, one in others.items():
        if not isinstance(one, Transport):
            kind = type(one).__name__
            msg = f"the transport of {recipient!r} is {kind}, and should be "
            msg += "a URL or a Transport"
            if isinstance(one, Path):
                msg += "; a folder is named by its as_uri()"
            raise TypeError(msg)
    return held_to(policy, made, seal_for)


def _check_recipients(policy: Policy, named: Mapping[str, object]) -> None:
    unknown = named.keys() - policy.recipients.keys()
    if unknown:
        msg = (
            f"the policy has no recipient {', '.join(sorted(unknown))}; "
            f"it has {', '.join(policy.recipients)}"
        )
        raise ValueError(msg)
