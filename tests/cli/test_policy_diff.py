# SPDX-License-Identifier: MIT

"""
Tests for ``consentkit policy diff``, ``show`` and ``schema``.
"""

from __future__ import annotations

import json
import re

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consentkit.cli import main
from consentkit.ledger.sqlite import SQLiteLedger
from consentkit.policy import load_policy
from consentkit.policy.schema import json_schema
from tests.cli.shell import Terminal
from tests.ledger.support import draft
from tests.support import SMALL, tables, to_toml


EXAMPLES = (
    "business_mail",
    "camera_app",
    "design_platform",
    "general_platform",
    "principles_app",
)
FOLDER = Path(__file__).parents[2] / "examples"

# By table of a document, keys whose words are sentences of its own.
_SAID = {
    "scope": ("covers", "excludes"),
    "consent": ("also_claimed", "covers", "accept", "refuse", "lasts_until"),
    "definitions": ("deidentified", "anonymised", "deleted", "terms"),
    "storage": ("regions", "protection"),
    "requests": ("fee", "refused_on"),
    "minors": ("rule", "found_out"),
    "changes": ("notice",),
    "cookies": ("purposes", "functions"),
    "indirect": ("rule",),
    "security": ("measures",),
    "incident": ("contents", "channels"),
    "cessation": ("notify", "at_end"),
}


def write(path: Path, **changes: Any) -> Path:
    """
    Write the small policy, with other tables at the top.
    """
    path.write_text(to_toml({**tables(), **changes}), "utf-8")
    return path


@pytest.fixture
def longer(tmp_path: Path) -> Path:
    """
    Give a version that keeps the data of one function for longer.
    """
    tree = tables()
    tree["policy"]["version"] = "2"
    tree["functions"][1]["retention"] = "P2M"
    tree["changes"] = {"no_reduction": True, "major": ["service_model"]}
    return write(tmp_path / "longer.toml", **tree)


@pytest.fixture
def reworded(tmp_path: Path) -> Path:
    """
    Give a version that says the same in other words.
    """
    tree = tables()
    tree["policy"]["version"] = "2"
    tree["functions"][1]["text"] = "We count users."
    return write(tmp_path / "reworded.toml", **tree)


class TestDiff:
    """
    Tests for ``policy diff``.
    """

    def test_what_is_due(
        self, longer: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What people have to be told and asked comes first, with code 1.
        """
        assert main(["policy", "diff", str(SMALL), str(longer)]) == 1
        out, err = capsys.readouterr()

        head, _, rest = out.partition("Consents\n")
        assert "A small policy: 1 to 2" in head
        assert "People have to be told: service model." in head
        assert "People stay under the old version" in head
        assert "1 decision to be asked for." in head
        assert "  improve: not covered\n" in rest
        assert "retention of function improve: P1M -> P2M" in rest
        assert "$.functions[improve].retention" in rest
        assert err == ""

    def test_nothing_is_due(
        self, reworded: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Other words for the same are listed, and ask for nothing.
        """
        assert main(["policy", "diff", str(SMALL), str(reworded)]) == 0
        out = capsys.readouterr().out

        assert "People need not be told or asked anything." in out
        assert "text of function improve: To count users" in out
        assert "Consents" not in out

    def test_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        A version compared with itself has no differences.
        """
        assert main(["policy", "diff", str(SMALL), str(SMALL)]) == 0
        assert "Nothing has changed." in capsys.readouterr().out

    def test_same_label(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Other content under the same version is said to be so.
        """
        tree = tables()
        tree["functions"][1]["text"] = "We count users."
        other = write(tmp_path / "p.toml", **tree)

        main(["policy", "diff", str(SMALL), str(other)])

        assert "both are called version 1" in capsys.readouterr().out

    def test_other_document(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Two documents are compared, and said to be two.
        """
        tree = tables()
        tree["policy"]["id"] = "other"
        other = write(tmp_path / "p.toml", **tree)

        main(["policy", "diff", str(SMALL), str(other)])

        assert "two documents: small and other" in capsys.readouterr().out

    def test_json(
        self, longer: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json everything is there as one value.
        """
        assert main(["policy", "diff", "--json", str(SMALL), str(longer)]) == 1
        told = json.loads(capsys.readouterr().out)

        assert told["old"]["digest"] == load_policy(SMALL).digest
        assert (told["notice_due"], told["accept_due"]) == (True, True)
        assert told["asks"] == ["improve"]
        (fall,) = told["falls"]
        assert (fall["element"], fall["kind"]) == ("improve", "wholly")
        assert fall["losses"][0]["reasons"] == ["retention"]
        (kept,) = (c for c in told["changes"] if c["asks"])
        assert kept == {
            "path": "$.functions[improve].retention",
            "kind": "changed",
            "what": "retention of function improve",
            "before": "P1M",
            "after": "P2M",
            "major": True,
            "major_kind": "service_model",
            "reduces_rights": True,
            "asks": ["improve"],
        }

    def test_json_of_every_kind_of_value(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Whole tables, lists, dates and numbers come out as JSON, and in one
        line each for people.
        """
        tree = tables()
        deadline = {"value": 15, "unit": "working_day"}
        right = {"id": "access", "channel": "app", "deadline": deadline}
        tree["rights"] = [right]
        tree["functions"].pop()
        tree["functions"][0]["collects"][0]["protect"]["cell_km"] = 9.5
        tree["functions"][0]["events"][0]["fields"]["outcome"] = "text"
        tree["policy"]["updated"] = tree["policy"]["effective"]
        other = write(tmp_path / "other.toml", **tree)

        for option in ("--json", None):
            words = ["policy", "diff", option, str(SMALL), str(other)]
            assert main([w for w in words if w]) == 1
        out = capsys.readouterr().out

        told, end = json.JSONDecoder().raw_decode(out)
        by_path = {c["path"]: c for c in told["changes"]}
        assert by_path["$.rights[access]"]["after"] == {
            "id": "access",
            "channel": "app",
            "deadline": {**deadline, "starts_at": "request received"},
        }
        assert by_path["$.policy.updated"]["after"] == "2026-04-10"
        assert "right access: added" in out[end:]
        assert "name grid, cell_km 2.0 -> name grid, cell_km 9.5" in out[end:]
        assert "ok, timeout -> text" in out[end:]

    @pytest.mark.parametrize("place", [0, 1])
    def test_no_policy(
        self,
        place: int,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A file that is no policy, on either side, is named in one line.
        """
        bad = tmp_path / "bad.toml"
        bad.write_text("schema = 1\n[policy\n")
        files = [str(SMALL), str(SMALL)]
        files[place] = str(bad)

        assert main(["policy", "diff", *files]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"consentkit: {bad}: not TOML")
        assert err.count("\n") == 1

    def test_long_text_is_cut_around_the_difference(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Of long texts that begin alike one sees in what they differ.
        """
        start = "To count users, " + "again and again, " * 10
        files = []
        for name, end in (("old", "by day."), ("new", "by month.")):
            tree = tables()
            tree["functions"][1]["text"] = f"{start}we look at them {end}"
            files.append(str(write(tmp_path / f"{name}.toml", **tree)))

        main(["policy", "diff", *files])
        assert (
            "text of function improve: ...we look at them by day. -> "
            "...we look at them by month.\n"
        ) in capsys.readouterr().out

    def test_rows_are_named_in_words(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A row without an id is named by its words.
        """
        row = {"mode": "shared", "recipients": ["helper"]}
        old = write(
            tmp_path / "old.toml",
            sharing=[{**row, "basis": ["consent", "contract"]}],
        )
        new = write(
            tmp_path / "new.toml",
            sharing=[
                {**row, "basis": ["consent", "contract"], "mode": "entrusted"}
            ],
        )

        main(["policy", "diff", str(old), str(new)])
        out = capsys.readouterr().out
        assert "mode of sharing consent, contract: shared -> entrusted" in out
        assert "$.sharing[consent, contract].mode\n" in out

    @pytest.mark.parametrize("version", ["unspecified", ""])
    def test_version_that_is_left_open(
        self,
        version: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        A version that a document leaves open is said to be none.
        """
        tree = tables()
        tree["policy"] |= {"version": version, "template": True}
        old = write(tmp_path / "old.toml", **tree)
        tree["policy"]["title"] = "Another title"
        new = write(tmp_path / "new.toml", **tree)

        main(["policy", "diff", str(old), str(SMALL)])
        out = capsys.readouterr().out
        assert out.startswith("A small policy: no version to 1\n")
        main(["policy", "diff", str(old), str(new)])
        out = capsys.readouterr().out
        assert "They differ, and neither says its version: " in out

    def test_fits_a_terminal(self) -> None:
        """
        In a terminal, lines are broken at its width; only a path may be
        longer, in a line of its own.
        """
        folder = FOLDER / "principles_app"
        files = (folder / "template.toml", folder / "policy.toml")

        with Terminal("policy", "diff", *files) as terminal:
            assert terminal.end() == 1

        long = [x for x in terminal.plain.splitlines() if len(x) > 80]
        assert all(re.fullmatch(r" +\$\.\S+", line) for line in long)

    def test_no_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        So is a file that is not there.
        """
        gone = tmp_path / "gone.toml"

        assert main(["policy", "diff", str(gone), str(SMALL)]) == 2
        assert str(gone) in capsys.readouterr().err


class TestShow:
    """
    Tests for ``policy show``.
    """

    def test_for_people(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        Each function says what it collects, why, for whom and how long.
        """
        assert main(["policy", "show", str(SMALL)]) == 0
        out = capsys.readouterr().out

        assert out.startswith("A small policy 1\nIn force from 2026-04-10.\n")
        assert load_policy(SMALL).digest in out
        part = out[out.index("Improve the product (improve") :]
        said = " ".join(part[: part.index("Open shares")].split())
        assert "To count users, we use pseudonyms of this device." in said
        assert (
            "MAC address of the phone (mac_address); for: Count users and "
            "analyse use; to: Maker Ltd., Helper GmbH (DE); kept: 1 month; "
            "protected by: md5"
        ) in said
        assert max(map(len, out.splitlines())) <= 80

    def test_what_stays(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        Of what never leaves, nobody is named as getting it.
        """
        main(["policy", "show", str(SMALL)])
        said = " ".join(capsys.readouterr().out.split())

        assert "Wi-Fi password (wifi_password); stays on the device" in said
        assert "Device name (as the user set it) (device_name); is not" in said

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        With --json it is one value, every clause with what holds for it.
        """
        assert main(["policy", "show", "--json", str(SMALL)]) == 0
        told = json.loads(capsys.readouterr().out)

        assert [f["id"] for f in told["functions"]] == list(
            load_policy(SMALL).functions
        )
        (clause, *_) = told["functions"][0]["collects"]
        assert clause == {
            "type": "location_precise",
            "purposes": ["wifi_connection"],
            "recipients": ["maker"],
            "retention": "P1D",
            "retention_stated": True,
            "protection": {
                "name": "grid",
                "cell_km": 2.0,
                "on_change": True,
                "time_step": "PT3600S",
            },
            "separate": True,
            "permission": "location",
            "scenes": [],
            "platforms": [],
            "required": True,
            "frequency": "",
            "read_from": "",
        }

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_json_says_all(
        self, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        With --json, nothing that the document has is left out.
        """
        file = FOLDER / name / "policy.toml"
        main(["policy", "show", "--json", str(file)])
        told = json.loads(capsys.readouterr().out)
        written = json.loads(load_policy(file).canonical)

        assert written.keys() - told.keys() == {"policy"}
        assert written["policy"].keys() <= told.keys()
        for now, then in zip(
            told["functions"], written["functions"], strict=True
        ):
            assert then.keys() <= now.keys()
            for row, was in zip(
                now["collects"], then.get("collects", []), strict=True
            ):
                assert was.keys() - row.keys() <= {"protect"}

    def test_all_of_a_clause(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Scenes, platforms, frequency and what is optional are said; types
        with the same terms are one line.
        """
        tree = tables()
        row = {"protect": "present", "required": False, "frequency": "PT6H"}
        clipboard = {
            "type": "clipboard_content",
            "protect": {"name": "take", "intents": ["link", "invite"]},
            "scenes": ["pasted_share_code", "opened_by_link"],
        }
        tree["functions"][1]["collects"] = [
            {"type": "imei", "platforms": ["android", "iot"], **row},
            clipboard,
            {"type": "oaid", "platforms": ["android", "iot"], **row},
        ]
        tree["functions"][1].pop("events", None)
        file = write(tmp_path / "p.toml", **tree)

        assert main(["policy", "show", str(file)]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert re.search(
            r"\(imei\), [^;]*\(oaid\); for: [^-]*; protected by: present; "
            r"only on: android, iot; at most once in 6 hours; the function "
            r"works without it",
            said,
        )
        assert (
            "protected by: take of link, invite; only when: pasted share "
            "code, opened by link"
        ) in said

    def test_ways(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What purposes need of their ways is said in words, and with --json in
        those of the document.
        """
        needs = ["encrypted", "sealed", "no-address", "region"]
        tree = tables()
        tree["storage"] = {"regions": ["CN"]}
        tree["purposes"] = {"usage_statistics": {"needs": needs}}
        file = write(tmp_path / "p.toml", **tree)

        assert main(["policy", "show", str(file)]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert (
            "How data travels - Count users and analyse use: encrypted, or "
            "over no network; sealed, so that the recipient alone can open "
            "it; without the address that it is sent from; within"
        ) in said

        assert main(["policy", "show", "--json", str(file)]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["purposes"] == {"usage_statistics": {"needs": needs}}

    def test_ways_that_need_less(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A need that is dropped is told with what has to be asked for.
        """
        files = []
        for name, needs in (("a", ["encrypted", "sealed"]), ("b", ["sealed"])):
            tree = tables()
            tree["purposes"] = {"usage_statistics": {"needs": needs}}
            files.append(str(write(tmp_path / f"{name}.toml", **tree)))

        assert main(["policy", "diff", *files]) == 1
        said = " ".join(capsys.readouterr().out.split())
        assert (
            "needs of purpose usage_statistics: encrypted, sealed ->" in said
        )
        assert "route (for usage_statistics to maker;" in said
        assert main(["policy", "diff", *reversed(files)]) == 0

    def test_all_of_the_rest(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What a document says beside what it collects is said, each in its
        own words.
        """
        tree = tables()
        tree["policy"] |= {
            "product": "The Small App",
            "updated": date(2026, 4, 9),
            "jurisdiction": "CN",
            "dates": [{"updated": date(2020, 1, 2), "source": "L4"}],
        }
        tree["consent"] = {"bundled": True, "preselected": True}
        tree["recipients"][0] |= {
            "purposes": ["usage_statistics", "crash_analysis"],
            "agreement": {
                "reference": "A-7",
                "signed": date(2026, 1, 3),
                "audited": date(2026, 2, 4),
            },
            "assessment": {"reference": "B-8", "risk": "low"},
        }
        tree["functions"][1] |= {
            "ask_at": "first_open",
            "account": False,
            "inherits": True,
            "minors": "alone",
        }
        tree["cookies"] = {"used": True, "kept_as": "cookie_id"}
        tree["sdks"] = {
            "announced": True,
            "printed": True,
            "disclosures": [
                {"name": "the table", "functions": [], "types": ["imei"]}
            ],
        }
        tree["sections"] = [{"label": "IX", "id": "contact"}]
        tree["references"] = [{"says": "X", "means": "contact"}]
        tree["rights"] = [{"id": "copy", "channel": "app", "section": "IX"}]
        file = write(tmp_path / "p.toml", **tree)

        assert main(["policy", "show", str(file)]) == 0
        said = " ".join(capsys.readouterr().out.split())
        for words in (
            "product: The Small App",
            "last changed: 2026-04-09",
            "under the law of: CN",
            "the text prints: updated: 2020-01-02",
            "the text lets one act agree to several things",
            "the text ticks the box before you come",
            "only for: Count users and analyse use, ",
            "agreement: A-7, signed 2026-01-03, audited 2026-02-04",
            "impact assessment: B-8, low risk",
            "You are asked when the app is first opened.",
            "Needs no account.",
            "A choice of your account or organisation counts until your own.",
            "Minors decide on it alone.",
            "what they yield is kept as: Cookie identifier",
            "the text's list 'the table'; types: IMEI",
            "IX: contact",
            "the text says 'X', and means contact",
            "copy: app; see section: IX",
        ):
            assert words in said, words

    def test_event(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        An app's own event is told with its fields and what they may be.
        """
        main(["policy", "show", str(SMALL)])
        said = " ".join(capsys.readouterr().out.split())
        (event, *_) = (
            e
            for f in load_policy(SMALL).functions.values()
            for e in f.events.values()
        )

        assert f"The app notes {event.name}, as " in said
        for name, spec in event.fields.items():
            assert f"{name} ({', '.join(spec.values) or spec.kind})" in said

    def test_open_period(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A period that the text leaves open is not shown as its promise.
        """
        tree = tables()
        tree["functions"][1]["retention"] = "unspecified"
        file = write(tmp_path / "p.toml", **tree)

        main(["policy", "show", str(file)])

        said = " ".join(capsys.readouterr().out.split())
        assert "1 day at most, since the text says no period" in said

    def test_chinese(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Data types have their Chinese names in a Chinese document.
        """
        tree = tables()
        tree["policy"]["language"] = "zh-CN"
        file = write(tmp_path / "p.toml", **tree)

        main(["policy", "show", str(file)])

        assert "(imei)" in (out := capsys.readouterr().out)
        assert "MAC address of the phone" not in out

    def test_rest_of_the_document(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Exceptions, rights, places and what is left open follow.
        """
        deadline = {"value": 15, "unit": "working_day"}
        file = write(
            tmp_path / "p.toml",
            exceptions=[{"basis": "national_security", "acts": ["sharing"]}],
            rights=[
                {"id": "access", "channel": "the app", "deadline": deadline}
            ],
            storage={"regions": ["CN", "DE"]},
            unspecified=["who the officer is"],
        )

        main(["policy", "show", str(file)])

        rest = capsys.readouterr().out.partition("Without consent\n")[2]
        assert "(sharing)\n" in rest
        assert (
            "access: the app, within 15 working days from request received"
        ) in rest
        assert "  - CN\n  - DE\n" in rest
        assert "  - who the officer is\n" in rest

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_every_sentence(
        self, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        No sentence, contact, measure, right or gap of a document is left
        out, and each name is of the vocabulary or the document.
        """
        file = FOLDER / name / "policy.toml"
        document = load_policy(file).document
        assert main(["policy", "show", str(file)]) == 0
        lines = capsys.readouterr().out.splitlines()
        told = " ".join(" ".join(lines).split())

        def words(value: object) -> Iterator[str]:
            match value:
                case str():
                    yield " ".join(value.split())
                case tuple():
                    for item in value:
                        yield from words(item)

        owner = document.controller
        assert owner is not None
        expected = [
            *words((owner.name, owner.address, owner.postal_code)),
            *words(owner.officer),
            *words(tuple(c.value for c in owner.contacts)),
            *words(tuple(c.hours for c in owner.contacts)),
            *words(tuple(t.text for t in document.texts)),
            *words(tuple(e.text for e in document.exceptions)),
            *words(tuple(r.effect for r in document.rights)),
            *words(tuple(r.grounds for r in document.rights)),
            *words(tuple(s.conditions for s in document.sharing)),
            *words(tuple(p.on_refusal for p in document.permissions)),
            *words(tuple(r.name for r in document.recipients)),
            *words(document.unspecified),
        ]
        for table, keys in _SAID.items():
            held = getattr(document, table)
            for key in keys if held is not None else ():
                expected += words(getattr(held, key))

        assert [text for text in expected if text not in told] == []

    def test_remarks_of_a_function(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        What holds for each use of a function, and what it never does, is
        said below it; a text that has it on grants nothing.
        """
        tree = tables()
        tree["functions"][1] |= {
            "user_act": True,
            "requires": ["on_wifi"],
            "turn_off": "Settings, Statistics",
            "default_on": True,
            "never_collects": ["id_card_number"],
            "never_shares": ["birthday"],
            "ask_again": "P30D",
            "minors": "barred",
        }
        file = write(tmp_path / "p.toml", **tree)

        assert main(["policy", "show", str(file)]) == 0
        out = capsys.readouterr().out
        part = out[out.index("Improve the product (improve") :]
        said = part[: part.index("\n\n")].splitlines()
        assert {
            "  Each use takes an act of yours.",
            "  Only while: on wifi",
            "  You turn it off at: Settings, Statistics",
            ("  The text has it on before you choose; it is off until then."),
            "  Never collects: Identity card number",
            "  Never goes to third parties: Date of birth",
            "  A no rests for: 30 days",
            "  Not for minors.",
        } <= set(said)

    def test_unknown_sdk(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        An SDK that the registry does not know stands in the list as such.
        """
        tree = tables()
        for function in tree["functions"]:
            if function.get("sdk"):
                function["sdk"] = "acme"
        file = write(tmp_path / "p.toml", **tree)

        assert main(["policy", "show", str(file)]) == 0
        assert (
            "  - acme: the registry does not know it\n"
        ) in capsys.readouterr().out
        assert main(["policy", "show", "--json", str(file)]) == 0
        assert json.loads(capsys.readouterr().out)["sdks"] == [
            {"id": "acme", "known": False}
        ]

    def test_what_is_left_open(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A value that the author left open reads so, in each place.
        """
        file = write(
            tmp_path / "p.toml",
            rights=[{"id": "copy", "channel": "unspecified"}],
            storage={"cross_border": "unspecified"},
            permissions=[{"id": "location", "functions": ["connect"]}],
        )

        assert main(["policy", "show", str(file)]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert "- copy: the text does not say" in out
        assert "- across borders: the text does not say" in out
        assert "whether you can turn it off, the text does not say" in out
        assert "unspecified;" not in out

    def test_no_policy(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        A file that is no policy is named in one line.
        """
        assert main(["policy", "show", str(tmp_path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"consentkit: {tmp_path}: ")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """
    Give a data folder whose ledger has an older version of the policy.
    """
    folder = tmp_path / "data"
    folder.mkdir()
    policy = load_policy(SMALL)
    with closing(SQLiteLedger(folder / "ledger.sqlite3")) as ledger:
        ledger.append_after(
            lambda _: [draft(text=policy.digest)],
            policies={policy.digest: policy.canonical},
        )
    return folder


class TestArchive:
    """
    Tests for ``policy show --digest``.
    """

    @pytest.mark.obligation("KS-VER-4", "GP-VER-3")
    def test_old_version(
        self, archive: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        The version that an entry names is shown as its own file would be.
        """
        digest = load_policy(SMALL).digest
        place = ["--data-dir", str(archive)]

        assert main(["policy", "show", "--digest", digest, *place]) == 0
        shown = capsys.readouterr().out
        main(["policy", "show", str(SMALL)])
        assert shown == capsys.readouterr().out

    def test_named_by_the_environment(
        self,
        archive: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        The folder may be named once for all commands.
        """
        monkeypatch.setenv("CONSENTKIT_DATA_DIR", str(archive))
        digest = load_policy(SMALL).digest

        assert main(["policy", "show", "--json", "--digest", digest]) == 0
        assert json.loads(capsys.readouterr().out)["digest"] == digest

    @pytest.mark.parametrize(
        ("digest", "with_folder", "told"),
        [
            ("0" * 64, True, "no version 0000"),
            ("abc", True, "'abc' is no SHA-256"),
            ("0" * 64, False, "name it with --data-dir"),
        ],
    )
    def test_not_there(
        self,
        digest: str,
        with_folder: bool,  # noqa: FBT001
        told: str,
        archive: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """
        What is not archived is told in one line, with what to do.
        """
        place = ["--data-dir", str(archive)] * with_folder

        assert main(["policy", "show", "--digest", digest, *place]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert told in err
        assert err.count("\n") == 1

    def test_no_ledger(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """
        Looking for a version makes no ledger where there is none.
        """
        folder = tmp_path / "empty"
        words = ["--digest", "0" * 64, "--data-dir", str(folder)]

        assert main(["policy", "show", *words]) == 2
        assert "there is no ledger" in capsys.readouterr().err
        assert not folder.exists()

    def test_file_or_digest(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        A version is named by a file or by a digest, not by both or neither.
        """
        for words in ([], [str(SMALL), "--digest", "0" * 64]):
            with pytest.raises(SystemExit, match="2"):
                main(["policy", "show", *words])
        assert "--digest" in capsys.readouterr().err


class TestSchema:
    """
    Tests for ``policy schema``.
    """

    def test_prints_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        It is the schema that the package makes.
        """
        assert main(["policy", "schema"]) == 0
        assert json.loads(capsys.readouterr().out) == json_schema()
