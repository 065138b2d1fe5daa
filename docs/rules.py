# SPDX-License-Identifier: MIT
"""
Write the list of rules into ``policy-check.md``, between its two marks.

A test says so when the page is not current. Run it with the Python of an
environment that has consentkit::

    python docs/rules.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from consentkit.policy.lint import SCHEMA, SUBJECTS, Rule


PAGE = Path(__file__).parent / "policy-check.md"
BEGIN = "<!-- rules: written by docs/rules.py -->\n"
END = "<!-- end of rules -->\n"


def current(text: str) -> str:
    """
    Give the page's *text* with the present list in it.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        msg = f"{PAGE.name}: the marks around the list are missing"
        raise ValueError(msg)
    return f"{before}{begin}\n{listed()}\n\n{end}{after}"


def listed() -> str:
    """
    Give the list, a section for each subject.
    """
    return "\n\n".join(
        "\n".join(_section(subject, rules))
        for subject, rules in {"The format": (SCHEMA,), **SUBJECTS}.items()
    )


def _section(subject: str, rules: tuple[Rule, ...]) -> Iterator[str]:
    yield f"### {subject}\n"
    yield "| rule | severity | finds | because | source |"
    yield "| --- | --- | --- | --- | --- |"
    for rule in rules:
        cells = (
            f"`{rule.id}`",
            rule.severity.value,
            rule.title,
            rule.reason,
            "; ".join(rule.source),
        )
        yield "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"
    if subject != list(SUBJECTS)[-1]:
        yield ""


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text("utf-8")), "utf-8")
