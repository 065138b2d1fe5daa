# SPDX-License-Identifier: MIT
"""
What may be kept of an exception: names that code has, and lines.

Obligation: WP-LOG-2 (messages, paths and arguments of crashes are redacted).
"""

from __future__ import annotations

import re
import traceback

from collections import deque
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Final


__all__ = ["code_name", "exception_fields", "members_of"]

# The innermost frames are kept: a recursion has as many as it likes.
_MOST_FRAMES: Final = 100
# Longest chain of causes that is named.
_MOST_CAUSES: Final = 8
# Of a group so many members are told, with so many frames each.
_MOST_MEMBERS: Final = 16
_MOST_MEMBER_FRAMES: Final = 10

# Names of files, functions and classes, as code has them. Others may have
# been made of anything while the app ran.
_CODE_NAME: Final = re.compile(r"[\w.<>+-]{1,100}|<frozen [\w.]{1,100}>")


def exception_fields(
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
    *,
    reasons: bool = False,
) -> dict[str, Any]:
    """
    Give what may be kept of an exception, still to be scrubbed.

    For each frame, innermost first, that is the file's name, the line and
    the function: never a local, an argument, a source line or a folder.

    Args:
        kind: Its class.

        error: The exception itself.

        trace: Its traceback.

        reasons: Whether its text is wanted, too.

    Returns:
        The fields ``exception`` (its class), ``reason`` (its text, if
        wanted), ``trace``, ``members`` (classes and frames of the
        exceptions in a group) and ``causes`` (classes of the exceptions
        before it), these two if there are any.
    """
    fields = {"exception": code_name(kind.__name__)}
    if reasons:
        fields["reason"] = "" if error is None else str(error)
    fields["trace"] = _trace(trace, _MOST_FRAMES)
    if isinstance(error, BaseExceptionGroup):
        fields["members"] = _told_members(error)
    causes = list(islice(_causes(error), _MOST_CAUSES))
    return fields | ({"causes": " < ".join(causes)} if causes else {})


def _trace(trace: TracebackType | None, most: int) -> str:
    # Walked, not extracted: that would read the source files.
    frames = deque(traceback.walk_tb(trace), maxlen=most)
    return " < ".join(
        f"{code_name(frame.f_code.co_filename)}:{line} "
        f"{code_name(frame.f_code.co_name)}"
        for frame, line in reversed(frames)
    )


def _told_members(error: BaseExceptionGroup[BaseException]) -> str:
    members = list(islice(members_of(error), _MOST_MEMBERS + 1))
    told = [
        f"{code_name(type(one).__name__)} at "
        f"{_trace(one.__traceback__, _MOST_MEMBER_FRAMES) or '?'}"
        for one in members[:_MOST_MEMBERS]
    ]
    return " | ".join(told + ["..."] * (len(members) > _MOST_MEMBERS))


def members_of(
    error: BaseException,
) -> Iterator[BaseException]:
    """
    Give *error*; or of a group what is in it and in the groups inside.
    """
    todo = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseExceptionGroup):
            # A class of the app's own could give anything else.
            todo += reversed(BaseExceptionGroup.exceptions.__get__(one))
        else:
            yield one


def code_name(name: str) -> str:
    """
    Give a name that code has, without folders; or ``?`` if code cannot have
    it.

    Args:
        name: Of a class, a function, or a file with its path.
    """
    last = re.split(r"[/\\]", name)[-1]
    return last if _CODE_NAME.fullmatch(last) else "?"


def _causes(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        error = error.__cause__ or (
            None if error.__suppress_context__ else error.__context__
        )
        if error is not None:
            yield code_name(type(error).__name__)
