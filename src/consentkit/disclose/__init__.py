# SPDX-License-Identifier: MIT
"""
How do people see all this?

What a policy and the choices under it come to, written out: for the person
by `consentkit.disclose.changes` and `consentkit.disclose.collected`, for
whoever answers for the processing by `consentkit.disclose.assessment`, and
for everybody by the two lists that an app publishes.
"""

from __future__ import annotations

from consentkit.disclose._collection import collection_list
from consentkit.disclose._sharing import sharing_list
from consentkit.disclose.assessment import assessment
from consentkit.disclose.changes import ChangeNotice, change_notice
from consentkit.disclose.collected import Collected, collected
from consentkit.disclose.lists import (
    CollectedType,
    CollectionList,
    ListedPermission,
    Scene,
    SelfCollected,
    SharedType,
    SharingList,
    ThirdParty,
)
from consentkit.disclose.publish import as_data, publish


__all__ = [
    "ChangeNotice",
    "Collected",
    "CollectedType",
    "CollectionList",
    "ListedPermission",
    "Scene",
    "SelfCollected",
    "SharedType",
    "SharingList",
    "ThirdParty",
    "as_data",
    "assessment",
    "change_notice",
    "collected",
    "collection_list",
    "publish",
    "sharing_list",
]
