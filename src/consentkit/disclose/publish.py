# SPDX-License-Identifier: MIT
"""
Writing the two lists out, for people and for programs.
"""

from __future__ import annotations

import json

from typing import Any, Literal

from consentkit.disclose._collection_page import collection_page
from consentkit.disclose._csv import collection_csv, sharing_csv
from consentkit.disclose._html import html
from consentkit.disclose._json import collection_json, sharing_json
from consentkit.disclose._markdown import markdown
from consentkit.disclose._sharing_page import sharing_page
from consentkit.disclose._words import LANGUAGES, words_in
from consentkit.disclose.lists import CollectionList, SharingList


__all__ = ["FORMATS", "LANGUAGES", "as_data", "publish"]

#: The formats that a list can be written in.
FORMATS = ("html", "markdown", "csv", "json")


def publish(
    made: SharingList | CollectionList,
    *,
    format: Literal["html", "markdown", "csv", "json"] = "html",  # noqa: A002 - as in str.format
    language: Literal["zh", "en"] = "zh",
) -> str:
    """
    Write a list out.

    Args:
        made: The list.

        format: ``html``, a page that needs nothing else; ``markdown``;
            ``csv``, which begins with a byte order mark, for spreadsheets;
            or ``json``.

        language: Of the headings and of the vocabulary's names. What the
            policy and the SDKs' entries say is not translated.

    Returns:
        The text, to be written as UTF-8 with its line ends as they are.

    Raises:
        ValueError: If *format* or *language* is another one.

    .. versionadded:: 26.1.0
    """
    words = words_in(language)
    if format not in FORMATS:
        msg = f"no format {format!r}; one of {', '.join(FORMATS)}"
        raise ValueError(msg)
    if format == "json":
        data = as_data(made, language=language)
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if isinstance(made, SharingList):
        if format == "csv":
            return sharing_csv(made, words)
        page = sharing_page(made, words)
    else:
        if format == "csv":
            return collection_csv(made, words)
        page = collection_page(made, words)
    return html(page) if format == "html" else markdown(page)


def as_data(
    made: SharingList | CollectionList, *, language: Literal["zh", "en"] = "zh"
) -> dict[str, Any]:
    """
    Give a list as what JSON knows, with ids and labels.

    Args:
        made: The list.

        language: Of the labels.

    Raises:
        ValueError: If *language* is another one.

    .. versionadded:: 26.1.0
    """
    words = words_in(language)
    if isinstance(made, SharingList):
        return sharing_json(made, words)
    return collection_json(made, words)
