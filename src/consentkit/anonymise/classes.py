# SPDX-License-Identifier: MIT
"""
What a protected value may honestly be called.
"""

from __future__ import annotations

from enum import Enum


__all__ = ["PrivacyClass"]


class PrivacyClass(Enum):
    """
    The class of a value, by what the technique gives and no more.

    A digest of an identifier is pseudonymised, whatever a policy calls it.

    Source: GDPR Article 4(5); WP29 Opinion 05/2014; PIPL Article 73.
    """

    #: Names a person or a device as it stands.
    PERSONAL = "personal"
    #: A property that tells nothing of a person by itself; personal as soon
    #: as something beside it does.
    LINKABLE = "linkable"
    #: Stands for one device or person and can be joined or undone.
    PSEUDONYMISED = "pseudonymised"
    #: Generalised; singles nobody out by itself.
    DE_IDENTIFIED = "de_identified"
    #: Tells of nobody, and cannot be made to.
    ANONYMOUS = "anonymous"
