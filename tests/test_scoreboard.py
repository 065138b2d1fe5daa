# SPDX-License-Identifier: MIT
"""
The scoreboard runs, counts what arrives, and judges as it says.
"""

from __future__ import annotations

import json
import subprocess
import sys

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest


ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks").is_dir(),
    reason="the source distribution has no benchmarks",
)


def found(**of_figures: Mapping[str, Mapping[str, float]]) -> Any:
    """
    Make what the board would have found, in one run of each peer.
    """
    return {
        figure: {
            peer: {value: [number] for value, number in values.items()}
            for peer, values in peers.items()
        }
        for figure, peers in of_figures.items()
    }


class TestJudge:
    """
    Against whom, and when a target is met.
    """

    def test_half_of_the_best(self) -> None:
        """
        A target that names the best peer is held against the best of the
        same run; the floor is no peer.
        """
        from benchmarks.scoreboard.targets import judge

        def is_met(mean: float) -> bool | None:
            return judge(
                found(
                    burst={
                        "consentkit": {"mean_us": mean},
                        "floor": {"mean_us": 5.0},
                        "snowplow": {"mean_us": 30.0},
                        "segment": {"mean_us": 40.0},
                    }
                )
            )[0].is_met

        assert is_met(15.0)
        assert not is_met(15.1)

    def test_more_is_better(self) -> None:
        """
        Of a throughput, twice the best is at least asked for.
        """
        from benchmarks.scoreboard.targets import judge

        def line(ours: float) -> Any:
            (made,) = judge(
                found(
                    delivery={
                        "consentkit": {"per_second": ours},
                        "snowplow": {"per_second": 100.0, "lost": 0},
                        "segment": {"per_second": 900.0, "lost": 1},
                    }
                )
            )
            return made

        assert line(200.0).is_met
        assert line(200.0).best_name == "snowplow"
        assert line(400.0).share == pytest.approx(0.5)
        assert not line(199.0).is_met

    def test_who_was_held_up_is_not_best(self) -> None:
        """
        A peer whose caller waited for the slow backend is not the best.
        """
        from benchmarks.scoreboard.targets import judge

        (line,) = judge(
            found(
                slow={
                    "consentkit": {"p50_us": 20.0, "slowest_ms": 1.0},
                    "mixpanel": {"p50_us": 10.0, "slowest_ms": 204.0},
                    "sentry": {"p50_us": 30.0, "slowest_ms": 2.0},
                }
            )
        )
        assert line.best_name == "sentry"
        assert line.is_met

    def test_to_capture_less_meets_nothing(self) -> None:
        """
        Whoever captured less than others has not met a target on losing.
        """
        from benchmarks.scoreboard.targets import judge

        def is_met(captured: int) -> bool | None:
            return judge(
                found(
                    kill={
                        "consentkit": {"captured": captured, "lost": 0},
                        "sentry": {"captured": 1_000, "lost": 1_000},
                    }
                )
            )[0].is_met

        assert is_met(1_000)
        assert not is_met(999)

    def test_no_peer_no_verdict(self) -> None:
        """
        Where there is no peer, a target that names one is neither met nor
        missed.
        """
        from benchmarks.scoreboard.targets import judge

        (line,) = judge(found(refused={"consentkit": {"ns": 1.0}}))
        assert line.is_met is None


class TestPublish:
    """
    The page and its pictures.
    """

    def test_between_the_marks(self, tmp_path: Path) -> None:
        """
        Tables are written between the marks and nothing else is changed,
        and a second time replaces the first.
        """
        from benchmarks.scoreboard.publish import publish

        page = tmp_path / "scoreboard.md"
        page.write_text((ROOT / "docs" / page.name).read_text("utf-8"))
        before, _, rest = page.read_text("utf-8").partition("% what was found")
        after = rest.rpartition("% what was found ends")[2]
        (tmp_path / "_static").mkdir()
        for captured in (123, 456):
            peers = {"consentkit": {"captured": captured, "lost": 0.0}}
            publish(
                {
                    "machine": {"day": "2026-01-01"},
                    "versions": {"consentkit": "consentkit 1"},
                    "scale": 1.0,
                    "other_work": {"kill": [0.0]},
                    "found": found(kill=peers),
                },
                tmp_path,
            )
        text = page.read_text("utf-8")
        assert text.startswith(before)
        assert text.endswith(after)
        assert "| consentkit | 456 | 0 | - |" in text
        assert "123" not in text[len(before) : -len(after)]
        drawn = list((tmp_path / "_static").glob("*.svg"))
        assert drawn
        for picture in drawn:
            assert ET.parse(picture).getroot().tag.endswith("svg")

    def test_the_page_is_what_its_runs_gave(self, tmp_path: Path) -> None:
        """
        The published page and pictures are those of the published runs.
        """
        from benchmarks.scoreboard.publish import publish

        docs = ROOT / "docs"
        results = json.loads(
            (docs / "_static" / "scoreboard.json").read_text()
        )
        page = (docs / "scoreboard.md").read_text("utf-8")
        (tmp_path / "_static").mkdir()
        (tmp_path / "scoreboard.md").write_text(page, "utf-8")
        publish(results, tmp_path)
        assert (tmp_path / "scoreboard.md").read_text("utf-8") == page
        for picture in (tmp_path / "_static").glob("*.svg"):
            published = docs / "_static" / picture.name
            assert picture.read_text() == published.read_text()


class TestRun:
    """
    The command, with what is always installed.
    """

    def test_it_measures(self, tmp_path: Path) -> None:
        """
        A small run counts what it sent: killed or not, nothing is lost and
        nothing comes twice.
        """
        results = tmp_path / "results.json"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.scoreboard"),
                *("--figures", "delivery,kill", "--peers", "consentkit"),
                *("--scale", "0.05", "--runs", "1", "--quiet-wait", "0"),
                *("--json", str(results)),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(results.read_text())["found"]
        delivery = told["delivery"]["consentkit"]
        assert (delivery["lost"], delivery["doubled"]) == ([0], [0])
        assert told["kill"]["consentkit"] == {
            "captured": [50],
            "lost": [0],
            "doubled": [0],
        }
        assert "| consentkit | 50 | 0 | 0 |" in done.stdout
        assert "| kill -9: lost of 1,000 | 0 events |" in done.stdout

    def test_a_figure_that_is_none(self) -> None:
        """
        A misspelt figure is named, and nothing is measured.
        """
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scoreboard", "--figures", "x"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 2
        assert "'x' is no figure" in done.stderr
