# SPDX-License-Identifier: MIT
"""
How much of what is personal in log lines goes, and how much else goes too.
"""

from __future__ import annotations

from collections import Counter

from consentkit.anonymise.scrub import TYPES, scrub
from tests.vectors.scrub.lines import labelled_lines


class Tally:
    """
    Counts over lines; a value is found if nothing of it is left.
    """

    def __init__(self):
        self.values, self.found = Counter(), Counter()
        self.spans = self.wrong_spans = 0
        self.free = self.free_replaced = 0
        self.faults = []
        self.faulty = set()

    def add(self, text, spans, template):
        under = {at for it in spans for at in range(it["start"], it["end"])}
        made = scrub(text).spans
        replaced = {at for it in made for at in range(it.start, it.end)}
        faults = []
        for it in spans:
            self.values[it["type"]] += 1
            if replaced.issuperset(range(it["start"], it["end"])):
                self.found[it["type"]] += 1
            else:
                faults.append(("missed", it["type"], text))
        for it in made:
            self.spans += 1
            if under.isdisjoint(range(it.start, it.end)):
                self.wrong_spans += 1
                faults.append(("wrong", it.type, text))
        self.free += len(text) - len(under)
        self.free_replaced += len(replaced - under)
        self.faults += faults
        self.faulty.update([template] if faults else [])


class TestLabelledLines:
    def test_personal_values_go_and_the_rest_stays(self):
        """
        99 in 100 values of each type go, 98 in 100 of what
        goes is personal, and 99 in 100 other characters stay.
        """
        tally = Tally()
        for row in labelled_lines():
            tally.add(**row)
        recalls = {it: tally.found[it] / n for it, n in tally.values.items()}
        assert recalls.keys() == TYPES
        assert min(recalls.values()) >= 0.99, (recalls, tally.faults)
        assert tally.wrong_spans <= 0.02 * tally.spans, tally.faults
        assert tally.free_replaced <= 0.01 * tally.free, tally.faults
