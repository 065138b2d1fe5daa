# SPDX-License-Identifier: MIT
"""
``consentkit keys``: the keys that a recipient opens envelopes with.
"""

from __future__ import annotations

import argparse

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from consentkit.cli._common import (
    add_group,
    add_json,
    print_json,
    print_table,
)


__all__ = ["add_parser"]

# As in consentkit.seal.keys, which is not loaded for the help.
_KEMS: Final = {
    "x25519": "X25519",
    "p256": "P256",
    "mlkem768-x25519": "MLKEM768_X25519",
}
_AEADS: Final = {
    "aes-256-gcm": "AES_256_GCM",
    "chacha20-poly1305": "CHACHA20_POLY1305",
}

_AFTER: Final = """\
The public line goes into the apps that send, as seal_for of consentkit.open;
it is no secret. The file stays with the receiver: it is written for this user
alone, and who has it can read what was sealed for any of its keys.
"""


def add_parser(commands: Any) -> None:
    """
    Add the command.
    """
    actions = add_group(commands, "keys", "keep the keys of a receiver")
    new = actions.add_parser(
        "new",
        help="make a file with a new key",
        description="Make a file with one new key, and print its public line.",
        epilog=_AFTER,
    )
    _add_file(new)
    _add_kinds(new)
    add_json(new)
    new.set_defaults(run=_new)
    rotate = actions.add_parser(
        "rotate",
        help="put a new current key into a file",
        description="Put a new current key into a file, and print its public "
        "line. Older keys stay, for what is on its way, until they are "
        "forgotten.",
        epilog=_AFTER,
    )
    _add_file(rotate)
    _add_kinds(rotate)
    rotate.add_argument(
        "--forget-older-than",
        type=_days,
        metavar="DAYS",
        help="destroy keys that were retired so many days ago: nobody can "
        "open then what was sealed for them",
    )
    add_json(rotate)
    rotate.set_defaults(run=_rotate)
    show = actions.add_parser(
        "show",
        help="show the public lines of a file",
        description="Show the keys of a file, the current one last, without "
        "their private halves.",
    )
    _add_file(show)
    add_json(show)
    show.set_defaults(run=_show)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the file of keys"
    )


def _add_kinds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kem",
        choices=_KEMS,
        help="key encapsulation (default: as the last key, or x25519, which "
        "every HPKE library has; mlkem768-x25519 also holds against quantum "
        "computers)",
    )
    parser.add_argument(
        "--aead",
        choices=_AEADS,
        help="encryption (default: as the last key, or aes-256-gcm)",
    )


def _days(text: str) -> timedelta:
    if not text.isdecimal() or not 0 <= int(text) <= 100_000:
        msg = f"{text!r} is no number of days"
        raise argparse.ArgumentTypeError(msg)
    return timedelta(days=int(text))


def _new(arguments: argparse.Namespace) -> int:
    from consentkit.seal import AEAD, KEM, KeyRing

    ring = KeyRing.new(
        arguments.file,
        kem=KEM[_KEMS[arguments.kem or "x25519"]],
        aead=AEAD[_AEADS[arguments.aead or "aes-256-gcm"]],
    )
    _tell(ring.current, as_json=arguments.json)
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    from consentkit.seal import AEAD, KEM, KeyRing

    old = arguments.forget_older_than
    now = datetime.now(UTC)
    ring = KeyRing.load(arguments.file).rotate(
        kem=KEM[_KEMS[arguments.kem]] if arguments.kem else None,
        aead=AEAD[_AEADS[arguments.aead]] if arguments.aead else None,
        retired_before=None if old is None else now - old,
        now=now,
    )
    _tell(ring.current, as_json=arguments.json)
    return 0


def _tell(key: Any, *, as_json: bool) -> None:
    if as_json:
        public = key.seal_key
        print_json(
            {
                "id": public.id,
                "fingerprint": public.fingerprint,
                "public": public.text,
            }
        )
    else:
        print(key.seal_key.text)


def _show(arguments: argparse.Namespace) -> int:
    from consentkit.seal import KeyRing

    ring = KeyRing.load(arguments.file)
    rows = [
        {
            "id": one.key.seal_key.id,
            "fingerprint": one.key.seal_key.fingerprint,
            "kem": _name(_KEMS, one.key.seal_key.kem.name),
            "aead": _name(_AEADS, one.key.seal_key.aead.name),
            "made": one.made.isoformat(),
            "retired": one.retired and one.retired.isoformat(),
            "public": one.key.seal_key.text,
        }
        for one in ring.kept
    ]
    if arguments.json:
        print_json(rows)
        return 0
    print_table(
        ("key", "fingerprint", "kind", "made", "retired"),
        [
            (
                str(row["id"]),
                str(row["fingerprint"]),
                f"{row['kem']}, {row['aead']}",
                str(row["made"])[:10],
                str(row["retired"] or "current")[:10],
            )
            for row in rows
        ],
    )
    print(f"current: {rows[-1]['public']}")
    return 0


def _name(names: dict[str, str], value: str) -> str:
    return next(name for name, known in names.items() if known == value)
