# SPDX-License-Identifier: MIT
"""
Reading what a backend answers: strictly, and as *try again* when in doubt.

No text of the answer gets into a problem, but for short codes.
"""

from __future__ import annotations

import json
import math
import re

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from attrs import evolve, frozen

from consentkit.transports._http import Reply
from consentkit.transports.base import Answer, Outcome
from consentkit.transports.retry import RetryRules


if TYPE_CHECKING:
    from consentkit.outbox.records import Batch


__all__ = [
    "again",
    "not_taken",
    "read_document",
    "read_erased",
    "read_outcomes",
    "read_reported",
]

_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")

_OUTCOMES: Final[Mapping[object, Outcome]] = {
    "stored": Outcome.DELIVERED,
    "duplicate": Outcome.DUPLICATE,
    "rejected": Outcome.REJECTED,
}
_ERASED: Final[Mapping[object, Outcome]] = {
    "erased": Outcome.DELIVERED,
    "already": Outcome.DUPLICATE,
}
#: What a backend may answer because of one record.
_OF_THE_BATCH: Final = frozenset({400, 409, 422, 500})
#: What may say in ``Retry-After`` how long to wait.
_PAUSING: Final = frozenset({429, 502, 503, 504})
#: What a backend answers that knows nothing of drop reports.
_NO_SUCH_ROUTE: Final = frozenset({404, 405, 410, 501})
_WELL: Final = "check that the backend is well"
#: By status; 200 stands for each success that is none.
_CURES: Final[Mapping[int, str]] = {
    200: "an answer for each record is due, with status 200",
    400: "it does not take this format; check that it is a receiver for "
    "format 1",
    401: "check the token",
    403: "check the token",
    404: "check the URL",
    405: "check the URL",
    407: "the proxy wants credentials; check HTTPS_PROXY",
    410: "check the URL",
    413: "the batch is too large for it",
    415: "check that the URL is that of a receiver; if it is one, one side "
    "seals and the other does not: see seal_for",
    429: "it asks for a pause",
    503: "it asks for a pause",
}


def again(ids: Sequence[str], problem: str) -> Answer:
    """
    Say of each of *ids* that it is to be tried again.
    """
    return Answer(outcomes=dict.fromkeys(ids, Outcome.RETRY), problem=problem)


def not_taken(
    reply: Reply,
    ids: Sequence[str],
    origin: str,
    *,
    cures: Mapping[int, str] = _CURES,
) -> Answer:
    """
    Explain an answer that is no success; nothing is lost by any of them.

    Args:
        reply: The answer.

        ids: Ids of what was sent.

        origin: Where it was sent to.

        cures: By status, what to do; 200 stands for all of 2xx.
    """
    status = reply.status
    if 300 <= status < 400:
        target = _target(reply.headers.get("location", ""), origin)
        return again(
            ids,
            f"answered with a redirect to {target}, which is not followed; "
            "set the transport's URL to the final address",
        )
    if status == 422 and _lacks_key(reply):
        return Answer(
            outcomes=dict.fromkeys(ids, Outcome.RETRY),
            problem="it does not have the key that this is sealed for; give "
            "its current one as seal_for=...",
            unknown_key=True,
        )
    is_success = 200 <= status < 300
    cure = cures.get(200 if is_success else status)
    return Answer(
        outcomes=dict.fromkeys(ids, Outcome.RETRY),
        problem=f"answered {status}; {cure or _WELL}",
        retry_after_seconds=_pause(reply) if status in _PAUSING else None,
        too_large=status == 413,
        refused=status in _OF_THE_BATCH,
    )


def _lacks_key(reply: Reply) -> bool:
    """
    Tell whether it says that it does not have the key of an envelope.
    """
    found = read_document(reply)
    error = found.get("error") if isinstance(found, dict) else None
    return isinstance(error, dict) and error.get("code") == "unknown_key"


def _target(location: str, origin: str) -> str:
    try:
        parts = urlsplit(location)
        host = (parts.hostname or "") if parts.netloc else origin
    except ValueError:
        host = ""
    is_clean = host == origin or _HOST.fullmatch(host)
    return host if is_clean else "another address"


def _pause(reply: Reply) -> float | None:
    """
    Read ``Retry-After``, as seconds or as a date; nonsense is ignored.

    However much is asked for, it is a pause: the longest that there is.

    Source: RFC 9110, 10.2.3.
    """
    text = reply.headers.get("retry-after", "").strip()
    most = RetryRules().pause_seconds
    if re.fullmatch("[0-9]+", text):
        return min(float(text), most)
    then = _instant(text)
    if then is None:
        return None
    # The backend's own clock, if it tells it, cancels out.
    now = _instant(reply.headers.get("date", ""))
    if now is None or math.isinf(now):
        from time import time

        now = time()
    return min(max(then - now, 0.0), most)


def _instant(text: str) -> float | None:
    from email.utils import parsedate_to_datetime, parsedate_tz

    try:
        parts = parsedate_tz(text)
        if parts is not None and parts[0] > MAXYEAR:
            return math.inf  # a date, but of no calendar
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def read_document(reply: Reply) -> Mapping[str, Any] | str:
    """
    Read the JSON object of an answer, or say why it is none.
    """
    kind = reply.headers.get("content-type", "").partition(";")[0]
    kind = kind.strip().lower()
    if kind != "application/json":
        shown = kind if _MEDIA_TYPE.fullmatch(kind) else "something else"
        return f"answered with {shown}, not JSON; check the URL and proxies"
    if reply.headers.get("content-encoding", "identity") != "identity":
        return "answered in an encoding that was not asked for"
    if reply.is_too_long:
        return "answered with more than 1 MiB; check the URL"
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return "answered with no JSON object; check the URL"
    return found


def read_outcomes(reply: Reply, batch: Batch, origin: str) -> Answer:
    """
    Read what became of each record of a batch.

    Args:
        reply: The answer.

        batch: What was sent.

        origin: Where it was sent to.
    """
    if reply.status != 200:
        return not_taken(reply, batch.ids, origin)
    found = read_document(reply)
    if isinstance(found, str):
        return again(batch.ids, found)
    if found.get("batch") != batch.id:
        problem = "answered for another batch; check the backend"
        return again(batch.ids, problem)
    said_of_all = found.get("outcome")
    if "outcomes" not in found and said_of_all in ("stored", "duplicate"):
        return Answer(every=_OUTCOMES[said_of_all])
    ids = batch.ids
    outcomes: dict[str, Outcome] = {}
    reasons: Counter[str] = Counter()
    rows = found.get("outcomes")
    for row in rows if isinstance(rows, list) else [None]:
        said = _row(row)
        if said is None or said.id in outcomes or said.id not in ids:
            problem = "answered with outcomes that do not fit"
            return again(ids, f"{problem}; check the backend")
        outcomes[said.id] = said.outcome
        if said.outcome is Outcome.REJECTED:
            reasons[said.reason] += 1
    problem = _open_points(outcomes, reasons, ids)
    return Answer(outcomes=outcomes, problem=problem)


def read_erased(reply: Reply, erasure: str, origin: str) -> Answer:
    """
    Read what became of an erasure request.
    """
    if reply.status != 200:
        return not_taken(reply, [erasure], origin)
    found = read_document(reply)
    if isinstance(found, str):
        return again([erasure], found)
    said = found.get("outcome")
    if found.get("erasure") == erasure and said in ("erased", "already"):
        return Answer(outcomes={erasure: _ERASED[said]})
    problem = "answered with no clear word on the erasure"
    return again([erasure], f"{problem}; check the backend")


def read_reported(reply: Reply, report: str, origin: str) -> Answer:
    """
    Read whether a drop report was taken.
    """
    if reply.status != 200:
        answer = not_taken(reply, [report], origin)
        return evolve(answer, unable=reply.status in _NO_SUCH_ROUTE)
    found = read_document(reply)
    if isinstance(found, str):
        return again([report], found)
    said = found.get("outcome")
    if found.get("report") == report and said in ("stored", "duplicate"):
        return Answer(outcomes={report: _OUTCOMES[said]})
    problem = "answered with no clear word on the drop report"
    return again([report], f"{problem}; check the backend")


@frozen(kw_only=True)
class _Row:
    id: str
    outcome: Outcome
    reason: str


def _row(row: object) -> _Row | None:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        return None
    said, code = row.get("outcome"), row.get("reason")
    is_code = isinstance(code, str) and _CODE.fullmatch(code)
    is_known = isinstance(said, str) and said in _OUTCOMES
    return _Row(
        id=row["id"],
        outcome=_OUTCOMES[said] if is_known else Outcome.RETRY,
        reason=str(code) if is_code else "no reason",
    )


def _open_points(
    outcomes: Mapping[str, Outcome],
    reasons: Mapping[str, int],
    ids: Sequence[str],
) -> str:
    points = []
    if reasons:
        each = ", ".join(f"{k}: {n}" for k, n in sorted(reasons.items()))
        points.append(f"rejected {sum(reasons.values())} records ({each})")
    unclear = sum(outcomes.get(i, Outcome.RETRY) is Outcome.RETRY for i in ids)
    if unclear:
        points.append(f"said nothing clear of {unclear} of {len(ids)} records")
    return "; ".join(points)
