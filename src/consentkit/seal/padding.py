# SPDX-License-Identifier: MIT
"""
Padding, so that the size of an envelope tells little of what is in it.

Source: Nikitin et al., Reducing Metadata Leakage from Encrypted Files and
Communication with PURBs, PoPETS 2019, algorithm 1 (Padmé).
"""

from __future__ import annotations


__all__ = ["padded_length"]


def padded_length(length: int) -> int:
    """
    Give the length that *length* bytes are padded to.

    It is at most 12 % more, and less the longer they are; of a length of L
    bits no more than about log log L bits are told.

    Args:
        length: In bytes, zero or more.
    """
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    kept = exponent.bit_length()
    mask = (1 << max(exponent - kept, 0)) - 1
    return (length + mask) & ~mask
