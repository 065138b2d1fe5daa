# SPDX-License-Identifier: MIT

"""
Tests for the adapter of PostHog, with the real SDK.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.adapters.conformance import (
    EMAIL,
    USER,
    AdapterConformance,
    App,
    Backend,
    Sent,
)


class TestPosthog(AdapterConformance):
    """
    Tests for `consentkit.adapters.posthog.Posthog`.
    """

    extra = "posthog"
    sdk = "posthog"
    module = "posthog"
    setup = """\
from consentkit.adapters import posthog
client = posthog.Posthog(
    kit, "phc_key", host=url, flush_at=10, flush_interval=0.1,
    properties={"plan": "usage_record", "note": "product_interaction"},
)
"""
    send = """\
def send(name, user, properties):
    return client.capture(name, distinct_id=user, properties=properties)
"""
    arguments = "'phc_key', host=url, flush_at=10, flush_interval=0.1"
    answer = (200, {"status": 1})
    fields = frozenset(
        {
            *("api_key", "batch", "sent_at", "historical_migration"),
            *("event", "timestamp", "uuid", "distinct_id", "properties"),
            *("$geoip_disable", "$process_person_profile"),
            *("plan", "note"),
        }
    )

    def events(self, sent: Sent) -> list[dict[str, Any]]:
        """
        Read a batch.
        """
        own = {"$geoip_disable", "$process_person_profile"}
        return [
            {
                "name": one["event"],
                "user": one["distinct_id"],
                "properties": {
                    k: v for k, v in one["properties"].items() if k not in own
                },
            }
            for one in sent.json()["batch"]
        ]

    def complaints(self, stderr: str) -> list[str]:
        """
        At the end the SDK tells how many events it could not send.
        """
        told = super().complaints(stderr)
        return [line for line in told if "flush ran out of budget" not in line]

    def test_all_kinds_of_calls_are_decided_on(
        self, app: App, backend: Backend
    ) -> None:
        """
        Persons, groups and aliases pass as events do: with ids in their
        protected form, and what is declared of the rest.
        """
        self.grant(app)
        told = f"{{'plan': 'pro', 'email': {EMAIL!r}}}"
        app.do(f"client.set(distinct_id={USER!r}, properties={told})")
        app.do(f"client.set_once(distinct_id={USER!r}, properties={told})")
        app.do(f"client.group_identify('company', {USER!r}, {told})")
        app.do(f"client.alias({USER!r}, {USER + '2'!r})")
        app.do(
            f"client.capture('one', distinct_id={USER!r},"
            f" groups={{'company': {USER!r}, 'mail': {EMAIL!r}}})"
        )
        app.do(f"client.set(properties={told})")
        app.do(self.flush)
        app.end()

        sent = [one for s in backend.sent for one in s.json()["batch"]]
        names = [one["event"] for one in sent]
        assert names == [
            *("$set", "$set_once", "$groupidentify", "$create_alias", "one")
        ]
        person = sent[0]["distinct_id"]
        assert sent[0]["$set"] == sent[1]["$set_once"] == {"plan": "pro"}
        group = sent[2]["properties"]
        assert group["$group_key"] == person
        assert group["$group_set"] == {"plan": "pro"}
        assert sent[3]["properties"]["distinct_id"] == person
        assert sent[4]["properties"]["$groups"]["company"] == person
        for one in backend.sent:
            assert not [
                o for o in (EMAIL, USER, "$os", "$lib") if o in str(one.body)
            ]

    def test_what_the_sdk_adds_needs_its_own_yes(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        """
        The system's name leaves where the policy has a clause for it; what
        its context and the app's own callback add is decided on as well.
        """
        clause = """\
[[functions.collects]]
type = "os_name"
protect = "none"
"""
        app = self.start(tmp_path, backend, clause)
        try:
            self.grant(app)
            app.do(
                "def own(message):\n"
                f"    message['properties']['email'] = {EMAIL!r}\n"
                f"    message['properties']['note'] = 'to {EMAIL}'\n"
                "    return message"
            )
            app.do(
                f"client = posthog.Posthog(kit, {self.arguments},"
                " before_send=own, super_properties={'mail': 'x@y.example'},"
                " enable_exception_autocapture=True,"
                " properties={'plan': 'usage_record', 'note': 'usage_record',"
                " 'open': 'os_name'})"
            )
            app.do(
                "import posthog as real\n"
                "with real.new_context():\n"
                f"    real.tag('mail', {EMAIL!r})\n"
                f"    real.identify_context({USER!r})\n"
                "    client.capture('one', properties={'plan': 'pro',"
                f" 'open': 'Linux of {EMAIL}'}})"
            )
            app.do(self.flush)
            app.end()
        finally:
            app.kill()
        (event,) = self.all_events(backend)
        assert event["properties"] == {
            "plan": "pro",
            "note": "to <EMAIL>",
            # Scrubbed, though the clause says "none".
            "open": "Linux of <EMAIL>",
            "$os": "Linux",
        }
        assert EMAIL not in str(backend.sent[0].body)
        assert USER not in str(backend.sent[0].body)

    def test_other_ways_to_send_are_gated_too(
        self, app: App, backend: Backend
    ) -> None:
        """
        The newer protocol and sending at once ask the permit as well, and
        what no adapter carries answers nothing and sends nothing.
        """
        self.grant(app)
        for options in ("capture_mode='v1'", "sync_mode=True"):
            app.do(
                f"client = posthog.Posthog(kit, {self.arguments}, {options},"
                " properties={'plan': 'usage_record'})"
            )
            before = len(backend.sent)
            app.do("send('one', 'u1', {'plan': 'pro'})")
            app.do(self.flush)
            backend.wait_for(before + 1)
        sent = len(backend.sent)
        assert app.do("client.get_feature_flag('f', 'u1')") is None
        assert app.do("client.capture_exception(ValueError('x'))") is None
        assert app.do("client.counts.dropped") == 2
        self.withdraw(app)
        app.do("send('late', 'u1', {'plan': 'pro'})")
        app.end()
        assert len(backend.sent) == sent

    def test_it_is_held_to_the_policy_beside_enforce(
        self, app: App, backend: Backend
    ) -> None:
        """
        Where the registry enforces, the adapter's connections count as the
        SDK's own, and a withdrawal ends them.
        """
        app.do("kit.registry.enforce()")
        app.do("send('early', 'u1', {'plan': 'pro'})")
        self.grant(app)
        app.do("send('one', 'u1', {'plan': 'pro'})")
        app.do(self.flush)
        backend.wait_for(1)
        seen = app.do(
            "sorted({s['sdk'] for s in"
            " kit.registry.observed.as_json()['sightings']})"
        )
        assert seen == ["posthog"]
        self.withdraw(app)
        app.do("send('late', 'u1', {'plan': 'pro'})")
        app.do(self.flush)
        app.end()
        assert [e["name"] for e in self.all_events(backend)] == ["one"]
