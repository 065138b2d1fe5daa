# SPDX-License-Identifier: MIT
"""
Rules on sections and the references between them.
"""

from __future__ import annotations

from collections.abc import Iterator

from consentkit.policy.lint.model import Context, Severity, Spot, rule


@rule(
    "reference-dangling",
    Severity.ERROR,
    title="a reference to a section that there is not",
    reason="Who follows it, to find the contact or a right, finds nothing.",
    source="T-05; PIPL Article 17",
)
def reference_dangling(c: Context) -> Iterator[Spot]:
    ids = {s.id for s in c.document.sections}
    labels = {s.label for s in c.document.sections}
    for i, reference in enumerate(c.document.references):
        if reference.means not in ids:
            yield Spot(
                path=f"$.references[{i}].means",
                message=f"no section has the id {reference.means!r}",
                cure="the id of one of sections",
            )
    for i, right in enumerate(c.document.rights):
        if right.section and right.section not in labels:
            yield Spot(
                path=f"$.rights[{i}].section",
                message=f"no section has the label {right.section!r}",
                cure="the label of one of sections",
            )


@rule(
    "reference-wrong",
    Severity.ERROR,
    title="a reference to another section than is meant",
    reason="Who follows it, to find the contact or a right, finds something "
    "else.",
    source="T-05; PIPL Article 17",
)
def reference_wrong(c: Context) -> Iterator[Spot]:
    labels = {s.id: s.label for s in c.document.sections}
    for i, reference in enumerate(c.document.references):
        right = labels.get(reference.means)
        if right is not None and right != reference.says:
            yield Spot(
                path=f"$.references[{i}].says",
                message=f"it says section {reference.says!r} and means "
                f"{reference.means!r}, which is section {right!r}",
                cure=f"{right!r}",
            )


@rule(
    "section-label-twice",
    Severity.ERROR,
    title="two sections with one label",
    reason="A reference to the label leads to either.",
    source="T-40; practice",
)
def section_label_twice(c: Context) -> Iterator[Spot]:
    for name in ("label", "id"):
        first: dict[str, int] = {}
        for i, section in enumerate(c.document.sections):
            value = getattr(section, name)
            if value in first:
                yield Spot(
                    path=f"$.sections[{i}].{name}",
                    message=f"{name} {value!r} is that of "
                    f"$.sections[{first[value]}] too",
                    cure=f"one {name} for each section",
                )
            first.setdefault(value, i)
