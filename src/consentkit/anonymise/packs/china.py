# SPDX-License-Identifier: MIT
"""
Number plates and identity numbers of China.
"""

from __future__ import annotations

from consentkit.anonymise._looks import Look
from consentkit.anonymise._rule import PackRule

from ._names import IS


__all__ = ["RULES"]


_PROVINCES = "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"

RULES: tuple[PackRule, ...] = (
    PackRule(
        name="number plate of China",
        type="PLATE_CN",
        looks=(Look(("W",), f"{_PROVINCES}[a-z]"),),
        quick=_PROVINCES + r"[a-hj-np-z][·•. -]?[a-hj-np-z0-9]{4}",
        pattern=_PROVINCES + r"[A-HJ-NP-Z][·•. -]?[A-HJ-NP-Z0-9]{4,5}"
        r"[A-HJ-NP-Z0-9挂学警港澳领](?![A-Za-z0-9])",
    ),
    PackRule(
        name="identity number by its name",
        type="RESIDENT_ID_CN",
        words=(
            "idcard",
            "id_card",
            "id-card",
            "identity",
            "idno",
            "id_no",
            "id-no",
            "身份证",
        ),
        quick=r"(?:id[_-]?card|identity|id[_-]?no|身份证)[^0-9]{0,24}[0-9]{15}",
        pattern=r"(?:id[_-]?card|identity|id[_-]?no|身份证)"
        rf"(?:[_-]?(?:no|num(?:ber)?)|号码?)?(?:{IS}|(?<=[证号码]))"
        r"([0-9]{15}(?:[0-9]{2}[0-9x])?)(?![0-9a-z])",
        group=1,
        folded=True,
        late=True,
    ),
)
