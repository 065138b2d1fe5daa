# SPDX-License-Identifier: MIT

"""
Tests for the adapter of Snowplow, with the real SDK.
"""

from __future__ import annotations

import base64
import json

from typing import Any

from tests.adapters.conformance import (
    EMAIL,
    SECRET,
    USER,
    AdapterConformance,
    App,
    Backend,
    Sent,
)


class TestSnowplow(AdapterConformance):
    """
    Tests for `consentkit.adapters.snowplow`.
    """

    extra = "snowplow"
    sdk = "snowplow"
    module = "snowplow_tracker"
    free = "usage_record"
    # The app makes its events by the SDK's classes.
    is_loaded_by_app = True
    prepare = """\
from snowplow_tracker import (
    PageView, SelfDescribing, SelfDescribingJson, StructuredEvent, Subject,
    Tracker,
)
"""
    setup = """\
from consentkit.adapters import snowplow
client = snowplow.AsyncEmitter(
    kit, url, batch_size=10,
    properties={"plan": "usage_record", "note": "usage_record"},
)
"""
    send = """\
tracker = Tracker("ns", client, encode_base64=False)
def send(name, user, properties):
    subject = Subject().set_user_id(user)
    schema = f"iglu:example/{name}/jsonschema/1-0-0"
    made = SelfDescribingJson(schema, properties)
    Tracker("ns", client, encode_base64=False).track(
        SelfDescribing(made, event_subject=subject)
    )
"""
    flush = "client.sync_flush()"
    arguments = "url"
    answer = (200, b"ok")
    fields = frozenset(
        {
            *("schema", "data", "e", "eid", "dtm", "stm", "tv", "tna", "p"),
            *("uid", "ue_pr", "plan", "note"),
        }
    )

    # What is no JSON, the SDK itself refuses before its emitter has it.
    odd = ("{'plan': {1: 2}, 2: 3}", "{'plan': float('nan')}", "[]", "{}")

    def body_of(self, sent: Sent) -> Any:
        """
        Read a batch, with the texts of JSON in it.
        """
        body = sent.json()
        for one in body["data"]:
            for name in ("ue_pr", "co"):
                if name in one:
                    one[name] = json.loads(one[name])
        return body

    def events(self, sent: Sent) -> list[dict[str, Any]]:
        """
        Read a batch.
        """
        made = []
        for one in self.body_of(sent)["data"]:
            inner = one.get("ue_pr", {}).get("data", {})
            schema = inner.get("schema", "//")
            made.append(
                {
                    "name": schema.split("/")[1],
                    "user": one.get("uid"),
                    "properties": inner.get("data"),
                    "all": one,
                }
            )
        return made

    def is_nobody(self, user: Any) -> bool:
        """
        An event of Snowplow needs no id.
        """
        return user is None

    def complaints(self, stderr: str) -> list[str]:
        """
        The SDK sets up the log of the whole process, and tells there what it
        does, without any value.
        """
        told = super().complaints(stderr)
        ours = ("INFO:snowplow_tracker", "WARNING:snowplow_tracker")
        return [line for line in told if not line.startswith(ours)]

    def test_all_kinds_of_events_are_decided_on(
        self, app: App, backend: Backend
    ) -> None:
        """
        Pages, structured events, subjects and contexts pass as events do.
        """
        self.grant(app)
        app.do(
            "tracker = snowplow.create_tracker(kit, 'ns', url, app_id='app',"
            " properties={'plan': 'usage_record', 'se_la': 'usage_record'})"
        )
        app.do(
            f"subject = Subject().set_user_id({USER!r})"
            ".set_ip_address('203.0.113.77').set_domain_user_id('duid-1')"
            f".set_useragent('{SECRET}').set_platform('mob')"
        )
        app.do(
            "context = [SelfDescribingJson('iglu:example/c/jsonschema/1-0-0',"
            f" {{'plan': 'pro', 'email': {EMAIL!r}}}),"
            " SelfDescribingJson('iglu:example/d/jsonschema/1-0-0',"
            f" {{'email': {EMAIL!r}}})]"
        )
        app.do(
            f"tracker.track(PageView('https://a.example/?t={SECRET}',"
            f" page_title={EMAIL!r}, event_subject=subject, context=context))"
        )
        app.do(
            "tracker.track(StructuredEvent('shop', 'add', "
            f"label='to {EMAIL}', property_={EMAIL!r}, value=2,"
            " event_subject=subject))"
        )
        app.do("tracker.emitters[0].sync_flush()")
        app.end()

        page, structured = (e["all"] for e in self.all_events(backend))
        own = {"e", "eid", "dtm", "stm", "tv", "tna", "p", "uid"}
        assert page.keys() == own | {"cx"}
        assert json.loads(base64.urlsafe_b64decode(page["cx"]))["data"] == [
            {
                "schema": "iglu:example/c/jsonschema/1-0-0",
                "data": {"plan": "pro"},
            }
        ]
        assert structured.keys() == own | {"se_ca", "se_ac", "se_la"}
        assert structured["se_la"] == "to <EMAIL>"
        assert page["p"] == structured["p"] == "pc"
        for sent in backend.sent:
            text = sent.body.decode()
            assert not [
                o for o in (EMAIL, USER, SECRET, "203.0", "duid") if o in text
            ]
