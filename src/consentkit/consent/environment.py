# SPDX-License-Identifier: MIT
"""
Reads the signals of a process and its device: variables, terminals, and what
an administrator forbids.

What they mean is said by `consentkit.consent.signals`.
"""

from __future__ import annotations

import os
import sys
import tomllib

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any, Final, TextIO

from consentkit.consent.signals import DevicePolicy, Signals, is_set


__all__ = [
    "CI_VARIABLES",
    "SignalReader",
    "device_policy_places",
    "parse_device_policy",
    "read_environment",
]

#: Set by the machines that build and test software, where nobody sits.
CI_VARIABLES: Final = (
    "CI",
    "BITBUCKET_BUILD_NUMBER",
    "BUILDKITE",
    "CIRCLECI",
    "CODEBUILD_BUILD_ID",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
)

_OWN: Final = "CONSENTKIT_CONSENT"
_CI_FOR: Final = "CONSENTKIT_CI"
_PLACE: Final = "CONSENTKIT_DEVICE_POLICY"
_NAME: Final = "device-policy.toml"

# How long what is there is not looked at again: less than the 50 ms within
# which a change is to be seen.
_LOOK_SECONDS: Final = 0.02

_EVERY_APP: Final = ""
_SCHEMA: Final = 1
_MOST_BYTES: Final = 64 * 1024
_FORBID: Final = frozenset({"forbid"})
_TOP: Final = _FORBID | {"apps", "schema"}


def device_policy_places(
    environ: Mapping[str, str], *, platform: str = sys.platform
) -> tuple[Path, ...]:
    """
    Say where an administrator's file may lie.

    The first is the platform's own and cannot be moved by a variable: who
    could move it could get rid of it. ``CONSENTKIT_DEVICE_POLICY`` adds one.
    """
    match platform:
        case "win32":
            folder = r"C:\ProgramData\consentkit"
        case "darwin":
            folder = "/Library/Application Support/consentkit"
        case _:
            folder = "/etc/consentkit"
    added = environ.get(_PLACE, "")
    return (Path(folder, _NAME), *([Path(added)] if added.strip() else []))


def parse_device_policy(text: str, place: str = "") -> DevicePolicy:
    """
    Read what an administrator forbids.

    Nothing is raised: what cannot be understood forbids everything, and says
    why.
    """
    try:
        tree = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        problem = f"not TOML ({error})"
    else:
        try:
            return DevicePolicy(place=place, forbidden=_forbidden(tree))
        except ValueError as error:
            problem = str(error)
    return _broken(place, problem)


def _forbidden(tree: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
    if type(tree.get("schema")) is not int or tree["schema"] != _SCHEMA:
        msg = f"$.schema: write schema = {_SCHEMA}"
        raise ValueError(msg)
    apps = tree.get("apps", {})
    if not isinstance(apps, dict):
        msg = "$.apps: not a table; write [apps.ID], with the id of a policy"
        raise ValueError(msg)  # noqa: TRY004 - the file is wrong
    made = {_EVERY_APP: _names("$", tree, _TOP)}
    for name, table in apps.items():
        at = f"$.apps.{name}"
        if not isinstance(table, dict):
            msg = f'{at}: not a table; write forbid = ["..."] below [apps.ID]'
            raise ValueError(msg)  # noqa: TRY004 - the file is wrong
        made[name] = _names(at, table, _FORBID)
    return MappingProxyType(made)


def _names(
    at: str, table: Mapping[str, Any], keys: frozenset[str]
) -> frozenset[str]:
    for key in table:
        if key not in keys:
            known = ", ".join(sorted(keys))
            msg = f"{at}.{key}: unknown key; one of {known}"
            raise ValueError(msg)
    names = table.get("forbid", [])
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name for name in names
    ):
        msg = f"{at}.forbid: not a list of functions and elements"
        raise ValueError(msg)
    return frozenset(names)


def _broken(place: str, problem: str) -> DevicePolicy:
    return DevicePolicy(
        place=place, problem=f"the device policy cannot be used: {problem}"
    )


def _read_device_policy(path: Path) -> DevicePolicy:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            return _broken(str(path), "larger than 64 KiB")
        return parse_device_policy(raw.decode(), str(path))
    except OSError as error:
        problem = f"the file cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 from byte {error.start} on"
    return _broken(str(path), problem)


class SignalReader:
    """
    Reads the signals of this process and its device, again and again.

    The variables and the terminals of a process stay what they were at its
    start, so they are read once. The administrator's file may change while an
    app runs, so `read` looks whether it did, at most every 20 milliseconds: a
    look of microseconds that opens no file where there is none.

    Args:
        environ: Variables; this process's by default.

        streams: Input, output and errors; this process's by default.

        places: Where an administrator's file may lie. The first need not be
            there; one that was added must.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        streams: Sequence[TextIO | None] | None = None,
        places: Sequence[Path] | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        if streams is None:
            streams = (sys.stdin, sys.stdout, sys.stderr)
        if places is None:
            places = device_policy_places(environ)
        self._places = tuple(places)
        self._do_not_track = environ.get("DO_NOT_TRACK")
        self._own = environ.get(_OWN)
        self._ci = any(is_set(environ.get(name)) for name in CI_VARIABLES)
        self._ci_for = environ.get(_CI_FOR, "")
        self._terminals = all(_is_terminal(stream) for stream in streams)
        self._last: tuple[tuple[object, ...], Signals] | None = None
        self._looked = 0.0

    def read(self) -> Signals:
        """
        Give the signals of now; the very same value while nothing changed.
        """
        last, now = self._last, monotonic()
        if last is not None and now - self._looked < _LOOK_SECONDS:
            return last[1]
        # Before the files are read: what changes in between is seen next.
        stamps = tuple(_stamp(path) for path in self._places)
        if last is None or last[0] != stamps:
            self._last = last = (stamps, self._signals(stamps))
        self._looked = now
        return last[1]

    def _signals(self, stamps: tuple[object, ...]) -> Signals:
        device = tuple(
            _read_device_policy(path)
            for i, (path, stamp) in enumerate(
                zip(self._places, stamps, strict=True)
            )
            if stamp is not None or i > 0
        )
        return Signals(
            do_not_track=self._do_not_track,
            own=self._own,
            device=device,
            ci=self._ci,
            ci_for=self._ci_for,
            terminals=self._terminals,
        )


def read_environment(
    environ: Mapping[str, str] | None = None,
    streams: Sequence[TextIO | None] | None = None,
    *,
    places: Sequence[Path] | None = None,
) -> Signals:
    """
    Read the signals once; see `SignalReader` for the arguments.
    """
    return SignalReader(environ=environ, streams=streams, places=places).read()


def _stamp(path: Path) -> object:
    """
    Give something that changes with the file; ``None`` if there is none.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return str(error)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
