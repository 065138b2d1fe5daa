# SPDX-License-Identifier: MIT

"""
Tests for the adapter of Mixpanel, with the real SDK.
"""

from __future__ import annotations

import json

from typing import Any
from urllib.parse import parse_qs

from tests.adapters.conformance import (
    EMAIL,
    USER,
    AdapterConformance,
    App,
    Backend,
    Sent,
)


class TestMixpanel(AdapterConformance):
    """
    Tests for `consentkit.adapters.mixpanel.Mixpanel`.
    """

    extra = "mixpanel"
    sdk = "mixpanel"
    module = "mixpanel"
    setup = """\
from consentkit.adapters import mixpanel
client = mixpanel.Mixpanel(
    kit, "token", events_url=url + "/track", people_url=url + "/engage",
    groups_url=url + "/groups", import_url=url + "/import",
    properties={"plan": "usage_record", "note": "product_interaction"},
)
"""
    send = """\
def send(name, user, properties):
    return client.track(user, name, properties)
"""
    arguments = "'token', events_url=url + '/track'"
    answer = (200, {"status": 1, "error": None})
    fields = frozenset(
        {
            *("data", "verbose", "ip", "event", "properties", "token"),
            *("distinct_id", "time", "$insert_id", "plan", "note"),
        }
    )

    def body_of(self, sent: Sent) -> Any:
        """
        Read a form, and the JSON in it.
        """
        form: dict[str, Any] = {
            name: value
            for name, (value,) in parse_qs(sent.body.decode()).items()
        }
        form["data"] = json.loads(form["data"])
        return form

    def events(self, sent: Sent) -> list[dict[str, Any]]:
        """
        Read one event.
        """
        one = self.body_of(sent)["data"]
        own = {"token", "distinct_id", "time", "$insert_id"}
        return [
            {
                "name": one.get("event"),
                "user": one.get("properties", {}).get("distinct_id"),
                "properties": {
                    k: v
                    for k, v in one.get("properties", {}).items()
                    if k not in own
                },
                "all": one,
                "path": sent.path,
            }
        ]

    def test_all_kinds_of_updates_are_decided_on(
        self, app: App, backend: Backend
    ) -> None:
        """
        Profiles, groups, charges, aliases and old events pass as events do:
        with ids in their protected form, and what is declared of the rest.
        """
        self.grant(app)
        told = f"{{'plan': 'pro', 'email': {EMAIL!r}}}"
        meta = "{'$ip': '203.0.113.77', '$ignore_time': True}"
        for call in (
            f"people_set({USER!r}, {told}, {meta})",
            f"people_set_once({USER!r}, {told})",
            f"people_append({USER!r}, {told})",
            f"people_union({USER!r}, {{'plan': ['a', {EMAIL!r}]}})",
            f"people_unset({USER!r}, ['plan', {EMAIL!r}])",
            f"people_track_charge({USER!r}, 7, {told})",
            f"people_delete({USER!r})",
            f"group_set('company', {USER!r}, {told})",
            f"group_update({{'$group_id': {USER!r}, '$set': {told}}})",
            f"alias({USER + '2'!r}, {USER!r})",
            f"merge('k', {USER!r}, {USER + '2'!r})",
            f"import_data('k', {USER!r}, 'old', 1, {told})",
        ):
            app.do(f"client.{call}")
        assert (
            app.do("client.local_flags.get_variant_value('f', 'fallback', {})")
            == "fallback"
        )
        app.do(self.flush)
        app.end()

        found = self.all_events(backend)
        bodies = [one["all"] for one in found]
        ((person,),) = ({b["$distinct_id"] for b in bodies[:7]},)
        assert [b.get("$set", b.get("$set_once")) for b in bodies[:2]] == [
            {"plan": "pro"},
            {"plan": "pro"},
        ]
        assert bodies[0]["$ignore_time"] is True
        assert bodies[2]["$append"] == {"plan": "pro"}
        assert bodies[3]["$union"] == {"plan": ["a", "<EMAIL>"]}
        assert bodies[4]["$unset"] == ["plan"]
        assert bodies[5]["$append"] == {}
        assert bodies[6]["$delete"] == ""
        assert bodies[7]["$group_id"] == bodies[8]["$group_id"] == person
        assert bodies[9]["properties"]["distinct_id"] == person
        assert bodies[10]["properties"]["$distinct_ids"][0] == person
        assert bodies[11]["properties"]["plan"] == "pro"
        for sent in backend.sent:
            text = sent.body.decode()
            assert not [one for one in (EMAIL, USER, "203.0") if one in text]
