# SPDX-License-Identifier: MIT

"""
Tests for handing values to SDKs, and for what a start needs besides a yes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import consentkit

from consentkit import Kit, OSPermission, Reason, Refusal, Unavailable
from consentkit.policy import parse_policy
from consentkit.policy.vocabulary import load_vocabulary
from consentkit.registry import load_registry
from consentkit.registry.clauses import clauses_of
from consentkit.registry.index import _build, inside_of, shipped_codes
from tests.support import IMEI


POLICY = """
schema = 1

[policy]
id = "notes"
title = "Notes privacy policy"
version = "1"
effective = 2026-01-01
language = "en"

[controller]
id = "notes_ltd"
name = "Notes Ltd."
contact = "privacy@notes.example"

[[recipients]]
id = "helper"
name = "Somebody else"
mode = "entrusted"

[[recipients]]
id = "posthog"
name = "PostHog Inc."
mode = "embedded"
country = "US"

[[functions]]
id = "statistics"
name = "Statistics by PostHog"
category = "third_party"
text = "PostHog counts how the app is used."
basis = ["consent"]
on_refusal = "degraded"
sdk = "posthog"
purposes = ["usage_statistics"]
recipients = ["helper", "posthog"]
retention = "P30D"
MORE

[[functions.collects]]
types = ["usage_record"]
protect = "scrub"

[[functions.collects]]
types = ["user_id"]
protect = "keyed"

[[functions.collects]]
types = ["os_name"]
protect = "none"
recipients = ["helper"]

[[functions.collects]]
types = ["email_address"]
protect = "keyed"
separate = true

[[functions.collects]]
types = ["ip_address"]
protect = "truncate"

[[functions.collects]]
types = ["imei"]
protect = "md5"

[[functions.collects]]
types = ["product_interaction"]
protect = "local_only"
"""


class App:
    """
    An app, and what its SDK was handed.
    """

    def __init__(self, folder: Path, more: str = "", **options: Any) -> None:
        self.handed: list[dict[str, Any]] = []
        self.kit: Kit = consentkit.open(
            parse_policy(POLICY.replace("MORE", more)),
            data_dir=folder,
            **options,
        )

    def yes(self, *elements: str) -> None:
        """
        Grant, as people do.
        """
        for element in elements or ("statistics",):
            self.kit.consent.show(element, method="settings")
            self.kit.consent.grant(element, method="settings")

    def share(self, **options: Any) -> Any:
        """
        Hand over, and count.
        """
        return self.kit.registry.share("posthog", self._take, **options)

    def _take(self, values: Mapping[str, Any]) -> int:
        self.handed.append(dict(values))
        return len(values)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """
    An app whose policy lets PostHog have some things.
    """
    made = App(tmp_path)
    yield made
    made.kit.close()


class TestShare:
    """
    Tests for one call.
    """

    def test_each_value_by_itself(self, app: App) -> None:
        """
        Of several values each is declared, permitted and protected, or left
        out with its reason; the app's code is called once, with the rest.
        """
        values = {
            "plan": "pro, ask 13800138000",
            "who": "u-1",
            "mail": "a@b.example",
            "address": "203.0.113.77",
            "phone": IMEI,
            "odd": 1,
            "pages": "/a",
            "os": "Linux",
        }
        types = {
            "plan": "usage_record",
            "who": "user_id",
            "mail": "email_address",
            "address": "ip_address",
            "phone": "imei",
            "pages": "product_interaction",
            "os": "os_name",
        }
        app.yes()

        got = app.share(values=values, types=types)

        assert got.given == ("plan", "who", "address")
        assert got.value == 3
        (handed,) = app.handed
        assert handed["plan"] == "pro, ask <MOBILE_CN>"
        assert handed["address"] == "203.0.113.0/24"
        assert len(handed["who"]) == 32
        reasons = {name: no.reason for name, no in got.left_out.items()}
        assert reasons == {
            "mail": Reason.SEPARATE_CONSENT_NEEDED,
            "phone": Reason.UNDECLARED_DATA_TYPE,  # the entry has none
            "odd": Reason.UNDECLARED_DATA_TYPE,
            "pages": Reason.STAYS_ON_DEVICE,
            "os": Reason.UNDECLARED_RECIPIENT,
        }
        assert "13800138000" not in repr(got)
        assert "ask" not in repr(got).replace("asked", "")

    def test_nothing_to_give(self, app: App) -> None:
        """
        Where nothing may be given the app's code is not called, and the
        answer is the first reason.
        """
        assert app.share(values={"user_id": "u"}).reason is Reason.NOT_ASKED
        app.yes()
        assert app.share().reason is Reason.NO_VALUE
        bad = app.share(values={"ip_address": "no address"})
        assert bad.reason is Reason.NO_VALUE
        unread = app.share(read=["user_id"])
        assert unread.reason is Reason.NO_VALUE
        assert app.handed == []

    def test_what_has_no_value_is_left_out(self, app: App) -> None:
        """
        A value that is not in the form of its type is left out, and nothing
        is made up in its place.
        """
        app.yes()

        got = app.share(values={"ip_address": "no address", "user_id": "u"})

        assert got.given == ("user_id",)
        assert isinstance(got.left_out["ip_address"], Unavailable)

    def test_its_errors_are_the_apps(self, app: App) -> None:
        """
        What the app's code raises is not caught, and leaves no use open.
        """
        app.yes()

        def fails(_: Mapping[str, Any]) -> None:
            raise KeyError

        with pytest.raises(KeyError):
            app.kit.registry.share("posthog", fails, values={"user_id": "u"})
        assert app.share(values={"user_id": "u"})

    def test_who_is_not_declared(self, app: App) -> None:
        """
        An SDK that no function names is given nothing.
        """
        app.yes()

        for sdk in ("sentry", "nobody", ""):
            got = app.kit.registry.share(
                sdk, app._take, values={"user_id": "u"}
            )
            assert isinstance(got, Refusal)
            assert got.reason is Reason.UNDECLARED_SDK

    def test_another_purpose(self, app: App) -> None:
        """
        A purpose that the policy does not list is refused, and reported.
        """
        app.yes()

        got = app.share(
            values={"user_id": "u"}, purpose="advertising_delivery"
        )

        assert got.reason is Reason.UNDECLARED_PURPOSE
        (overstep,) = app.kit.registry.oversteps
        assert overstep.reason is Reason.UNDECLARED_PURPOSE

    def test_the_same_person_is_known_again(self, app: App) -> None:
        """
        A pseudonym stays while the grant does, and is another one after.
        """
        app.yes()
        for _ in range(2):
            app.share(values={"user_id": "u"})
        app.kit.consent.withdraw("statistics", method="settings")
        app.yes()
        app.share(values={"user_id": "u"})

        first, second, third = (handed["user_id"] for handed in app.handed)
        assert first == second != third

    def test_is_counted_as_collected(self, app: App) -> None:
        """
        What was handed over is told to the person.
        """
        app.yes()
        app.share(values={"user_id": "u"})

        (told,) = app.kit.store.tally.of()
        assert (told.function, told.data_type) == ("statistics", "user_id")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"read": "oaid"}, "read: expected a list of data types"),
            ({"read": [1]}, "read: expected a data type, .* not int"),
            (
                {"values": {"a": 1}, "types": {"a": ["oaid"]}},
                r"types\['a'\]: expected a data type, .* not list",
            ),
            ({"values": {1: 1}}, r"types\[1\]: expected a data type"),
        ],
    )
    def test_what_is_no_data_type(
        self, app: App, options: dict[str, Any], said: str
    ) -> None:
        """
        A call that names no data types is the app's fault, whatever the
        person chose.
        """
        with pytest.raises(TypeError, match=said):
            app.share(**options)
        app.yes()
        with pytest.raises(TypeError, match=said):
            app.share(**options)
        assert app.handed == []

    def test_what_was_overstepped_is_counted_once(self, app: App) -> None:
        """
        The report has a line for what was tried, with how often, and no more
        lines than is sane.
        """
        app.yes()
        for _ in range(3):
            app.share(values={"user_id": "u", "imsi": "1"})
        (overstep,) = app.kit.registry.oversteps
        assert (overstep.data_type, overstep.count) == ("imsi", 3)
        assert overstep.first <= overstep.last
        app.share(values={"mood": "good"}, types={"mood": ""})
        untyped = app.kit.registry.oversteps[-1]
        assert untyped.data_type == "undeclared"
        assert untyped.detail == "it was given no data type"
        app.share(values={f"type_{i}": i for i in range(2_000)})
        assert len(app.kit.registry.oversteps) == 1_000


class TestStart:
    """
    Tests for what a start needs besides the yes.
    """

    def test_an_act(self, tmp_path: Path) -> None:
        """
        A function that needs an act starts its SDK on one only.
        """
        app = App(tmp_path, "user_act = true")
        app.yes()
        start = app.kit.registry.start

        refused = start("posthog", lambda: 1)
        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.NO_ACT
        assert start("posthog", lambda: 1, act="pressed_start")
        app.kit.close()

    def test_an_attestation(self, tmp_path: Path) -> None:
        """
        What the person has to vouch for is asked for, and goes on record.
        """
        app = App(tmp_path, 'attest = "I am the owner."')
        app.yes()
        start = app.kit.registry.start

        refused = start("posthog", lambda: 1)
        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.NOT_ATTESTED
        assert start("posthog", lambda: 1, attested="ticked the box")
        texts = [str(e.facts) for e in app.kit.consent.history()]
        assert any("ticked the box" in text for text in texts)
        app.kit.close()

    def test_a_permission_of_the_system(self, tmp_path: Path) -> None:
        """
        A function that takes a permission of the system starts its SDK
        where the system grants it.
        """
        said = [OSPermission.DENIED]
        app = App(
            tmp_path,
            'permission = "notification"',
            os_permission=lambda _: said[0],
        )
        app.yes()
        start = app.kit.registry.start

        refused = start("posthog", lambda: 1)
        assert isinstance(refused, Refusal)
        assert refused.reason is Reason.OS_PERMISSION
        said[0] = OSPermission.GRANTED
        assert start("posthog", lambda: 1)
        app.kit.close()


class TestIndex:
    """
    Tests for the entries in short.
    """

    def test_is_as_the_entries_are(self) -> None:
        """
        The file that is shipped says what the entries say.
        """
        from importlib import resources

        file = resources.files("consentkit.registry") / "index.json"
        assert file.read_text(encoding="utf-8") == _build(), (
            "run python -m consentkit.registry.index"
        )

    def test_says_what_is_inside(self) -> None:
        """
        It knows SDKs by their modules, and those that come inside others;
        a mapping of the app's own is looked through.
        """
        shipped = load_registry()
        assert shipped_codes()["posthog"].imports == ("posthog",)
        assert inside_of(shipped, "getui") == ("zhuoxin_id",)
        own = {"zhuoxin_id": shipped["zhuoxin_id"]}
        assert inside_of(own, "getui") == ("zhuoxin_id",)
        assert inside_of(own, "posthog") == ()


class TestClauses:
    """
    Tests for an entry as clauses of a policy.
    """

    @pytest.mark.parametrize(
        "sdk", [s for s, e in load_registry().items() if e.fields]
    )
    def test_can_be_pasted(self, sdk: str) -> None:
        """
        The rows make a policy that loads and promises each type once; what
        is optional or sensitive is a decision of its own.
        """
        words, entry = load_vocabulary(), load_registry()[sdk]
        head = POLICY.partition("[[functions.collects]]")[0]
        text = head.replace("MORE", "").replace('"posthog"', f'"{sdk}"')

        policy = parse_policy(text + clauses_of(entry, words))

        clauses = policy.functions["statistics"].clauses
        assert sorted(clauses) == sorted(entry.types)
        for data_type in entry.types:
            listed = any(
                f.requirement == "listed"
                for f in entry.fields
                if data_type in f.types
            )
            free = words.data_types[data_type].sensitive or not listed
            assert clauses[data_type].separate is free
            assert clauses[data_type].required is listed
