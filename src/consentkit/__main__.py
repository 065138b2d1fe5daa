# SPDX-License-Identifier: MIT
"""
``python -m consentkit``.
"""

from __future__ import annotations

import sys

from consentkit.cli import main


__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
