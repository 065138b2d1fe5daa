# SPDX-License-Identifier: MIT

"""
Tests for what it costs to find out whose act something is.
"""

from __future__ import annotations

import subprocess
import sys

from pathlib import Path
from textwrap import dedent


class TestCost:
    """
    Tests for the walk along a stack of an app's own.
    """

    def test_no_events_of_its_own(self, tmp_path: Path) -> None:
        """
        A stack of many functions is walked without an audit event for each:
        every one of them costs as much as an event that is judged.
        """
        for number in range(20):
            (tmp_path / f"app_{number}.py").write_text(
                "def call(rest, act):\n"
                "    return rest[0](rest[1:], act) if rest else act()\n"
            )
        script = """
            import importlib, sys
            from consentkit.registry.attribution import Attribution, Code

            events = []
            sys.addaudithook(lambda event, args: events.append(event))
            attribution = Attribution({"acme": Code(imports=("acme",))})

            def whose():
                frame = sys._getframe()
                events.clear()
                owner = attribution.owner(frame)
                return owner, len(events)

            sys.path.insert(0, sys.argv[1])
            first, *rest = [
                importlib.import_module(f"app_{i % 20}").call
                for i in range(100)
            ]
            owner, count = first(rest, whose)
            assert count >= 20, count
            assert not owner.sdk and owner.is_known
            again, count = first(rest, whose)
            assert again == owner
            # That of `-c` has no file, and is looked at each time.
            assert count <= 2, count
        """
        subprocess.run(
            [sys.executable, "-c", dedent(script), tmp_path], check=True
        )
