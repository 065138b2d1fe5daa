# SPDX-License-Identifier: MIT
"""
Delivery into a folder: one file for each batch.

For looking at what would leave, and for hand-overs without a network. The
formats are in ``docs/wire-format.md``. Files appear whole or not at all, and
outlive a power cut once a record counts as delivered.
"""

from __future__ import annotations

import json
import os
import re

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from consentkit.exceptions import MissingExtraError, TransportError
from consentkit.transports.base import Answer, Outcome, Transport
from consentkit.transports.parcel import pack


if TYPE_CHECKING:
    from consentkit.outbox.drops import DropReport
    from consentkit.outbox.records import Batch, Erasure
    from consentkit.typing import JSON


__all__ = ["FileTransport"]

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
#: By what the URL asks for.
_SUFFIXES: Final[Mapping[str, str]] = {
    "": "jsonl",
    "format=jsonl": "jsonl",
    "format=parquet": "parquet",
}


class FileTransport(Transport):
    """
    Write each batch as ``ID.jsonl`` or ``ID.parquet`` into a folder; as
    ``ID.envelope`` where it is sealed.

    An erasure leaves two files: ``erasure-ID.json``, for whoever has taken
    batches away from the folder already, and ``erased-DIGEST.json``, by which
    batches that come too late are rejected. A drop report is a file
    ``drops-ID.json``.

    Args:
        url: ``file:///FOLDER``, or ``file:///FOLDER?format=parquet``. The
            folder is made at the first delivery, for this user alone; one
            that exists is taken as it is, unless every user may write to it.

    Raises:
        TransportError: If *url* is not of that form.

        MissingExtraError: If Parquet is asked for and its library is not
            installed.

    What leaks:
        The files are for this user alone (mode 0600), and not encrypted but
        where the recipient has a key: then they are envelopes. They stay
        until somebody takes them away or an erasure removes them;
        backups and snapshots of the disk may keep them longer.
    """

    seals = True
    capabilities: AbstractSet[str] = frozenset(
        {"encrypted", "no-address", "region"}
    )

    def __init__(self, url: str) -> None:
        self._folder, self._suffix = _read_url(url)
        if self._suffix == "parquet":
            from consentkit.transports._parquet import check_library

            check_library()
        self.name: str = f"file://{self._folder.as_posix()}"
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<FileTransport {self.name}>"

    def _send(self, batch: Batch) -> Answer:
        ids = batch.ids
        if self._is_closed:
            return self._closed(ids)
        try:
            outcome = self._deliver(batch)
        except (OSError, MissingExtraError) as error:
            return self._failed(ids, error)
        problem = ""
        if outcome is Outcome.REJECTED:
            problem = f"{self.name}: these records were erased"
        return Answer(outcomes=dict.fromkeys(ids, outcome), problem=problem)

    def _erase(self, erasure: Erasure) -> Answer:
        if self._is_closed:
            return self._closed([erasure.id])
        try:
            outcome = self._carry_out(erasure)
        except (OSError, MissingExtraError) as error:
            return self._failed([erasure.id], error)
        return Answer(outcomes={erasure.id: outcome})

    def _report(self, report: DropReport) -> Answer:
        if self._is_closed:
            return self._closed([report.id])
        try:
            outcome = self._put_down(report)
        except OSError as error:
            return self._failed([report.id], error)
        return Answer(outcomes={report.id: outcome})

    def _put_down(self, report: DropReport) -> Outcome:
        self._make_folder()
        name = f"drops-{_safe(report.id)}"
        if any(
            (self._folder / f"{name}.{one}").exists()
            for one in ("json", "envelope")
        ):
            return Outcome.DUPLICATE
        if report.seal_for is None:
            path, body = f"{name}.json", _lines([report.as_json()])
        else:
            path, body = f"{name}.envelope", pack(report).body
        self._write(self._folder / path, body)
        return Outcome.DELIVERED

    def close(self) -> None:
        """
        Write nothing from now on.
        """
        self._is_closed = True

    def _deliver(self, batch: Batch) -> Outcome:
        self._make_folder()
        suffix = self._suffix if batch.seal_for is None else "envelope"
        name = _safe(batch.id)
        path = self._folder / f"{name}.{suffix}"
        tombstone = self._tombstone(batch.erase)
        if tombstone.exists():
            return Outcome.REJECTED
        # In whatever form it came the first time.
        if any((self._folder / f"{name}{one}").exists() for one in _ERASE_OF):
            return Outcome.DUPLICATE
        self._write(path, _file_of(batch, suffix))
        # An erasure puts its tombstone before it looks for files: one of the
        # two always sees the other.
        if tombstone.exists():
            self._remove([path])
            return Outcome.REJECTED
        return Outcome.DELIVERED

    def _carry_out(self, erasure: Erasure) -> Outcome:
        digest = sha256(bytes.fromhex(erasure.token)).hexdigest()
        self._make_folder()
        suffix = "json" if erasure.seal_for is None else "envelope"
        request = self._folder / f"erasure-{_safe(erasure.id)}.{suffix}"
        is_known = request.exists()
        tombstone = self._tombstone(digest)
        if not tombstone.exists():
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            grave: dict[str, JSON] = {"format": 1, "erase": digest}
            self._write(tombstone, _lines([{**grave, "erased_at": at}]))
        gone = [
            path
            for path in self._folder.iterdir()
            if path.suffix in _ERASE_OF
            and _ERASE_OF[path.suffix](path) == digest
        ]
        # What a crash left half-written may be of this grant too. A writer
        # that loses its file this way tries again.
        self._remove([*gone, *self._folder.glob(".*.part")])
        if is_known:
            return Outcome.DUPLICATE
        # Last, so that what stops half-way is done again.
        line = _lines([erasure.as_json()])
        self._write(
            request, line if erasure.seal_for is None else pack(erasure).body
        )
        return Outcome.DELIVERED

    def _tombstone(self, digest: str) -> Path:
        name = digest if _DIGEST.fullmatch(digest) else _safe(digest)
        return self._folder / f"erased-{name}.json"

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and self._folder.stat().st_mode & 0o002:
            raise PermissionError(0, "every user may write to it")

    def _write(self, path: Path, content: bytes) -> None:
        """
        Write a file, durably and all at once.
        """
        temporary = self._folder / f".{os.urandom(8).hex()}.part"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        try:
            handle = os.open(temporary, flags, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        self._sync()

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        self._sync()

    def _sync(self) -> None:
        if os.name != "posix":
            return
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _failed(
        self, ids: list[str], error: OSError | MissingExtraError
    ) -> Answer:
        if isinstance(error, MissingExtraError):
            problem = f"there are Parquet files, and {error}"
        else:
            why = error.strerror or type(error).__name__
            problem = (
                f"cannot be written ({why}); name a folder with free space "
                "that this user alone may write to"
            )
        return Answer(
            outcomes=dict.fromkeys(ids, Outcome.RETRY),
            problem=f"{self.name}: {problem}",
        )

    def _closed(self, ids: list[str]) -> Answer:
        return Answer(
            outcomes=dict.fromkeys(ids, Outcome.RETRY),
            problem=f"{self.name}: the transport is closed",
        )


def _read_url(url: str) -> tuple[Path, str]:
    """
    Give the folder, and the suffix of batches in it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    path = unquote(parts.path)
    if os.name == "nt":
        path = path.lstrip("/")
    folder = Path(path)
    if (
        parts.scheme != "file"
        or parts.netloc not in ("", "localhost")
        or parts.query not in _SUFFIXES
        or parts.fragment
        or "\0" in path
        or not folder.is_absolute()
    ):
        msg = (
            "the URL of a FileTransport is file:///FOLDER, from the root on, "
            "with nothing after it or ?format=parquet"
        )
        raise TransportError(msg)
    return folder, _SUFFIXES[parts.query]


def _safe(name: str) -> str:
    """
    Give *name* if it can be a file's, else its digest.
    """
    if _ID.fullmatch(name):
        return name
    return sha256(name.encode(errors="backslashreplace")).hexdigest()


def _file_of(batch: Batch, suffix: str) -> bytes:
    """
    Give the content of a batch's file.
    """
    if suffix == "envelope":
        return pack(batch).body
    if suffix == "parquet":
        from consentkit.transports._parquet import write_batch

        return write_batch(batch)
    document = dict(batch.as_json())
    document["records"] = len(batch.records)
    rows = (record.as_json() for record in batch.records)
    return _lines([document, *rows])


def _lines(rows: Iterable[Mapping[str, JSON]]) -> bytes:
    """
    Write *rows* as lines of JSON.
    """
    return "".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
        for row in rows
    ).encode(errors="backslashreplace")


def _erase_of_envelope(path: Path) -> str:
    """
    Read whose batch an envelope holds, or nothing if it is none of ours.
    """
    from consentkit.seal import EnvelopeError, read_head

    with suppress(FileNotFoundError, EnvelopeError):
        return read_head(path.read_bytes()).erase
    return ""


def _erase_of(path: Path) -> str:
    """
    Read whose batch a file holds, or nothing if it is none of ours.
    """
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline(64 * 1024))
    except FileNotFoundError:
        return ""
    except (ValueError, RecursionError):
        return ""
    return str(head.get("erase", "")) if isinstance(head, dict) else ""


def _erase_of_parquet(path: Path) -> str:
    """
    Read whose batch a Parquet file holds, or nothing if it is none of ours.
    """
    from consentkit.transports._parquet import erase_of

    return erase_of(path)


#: By suffix: what reads whose batch a file holds.
_ERASE_OF: Final[Mapping[str, Callable[[Path], str]]] = {
    ".jsonl": _erase_of,
    ".envelope": _erase_of_envelope,
    ".parquet": _erase_of_parquet,
}
