# SPDX-License-Identifier: MIT

"""
Tests for the adapter of Segment, with the real SDK.
"""

from __future__ import annotations

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


class TestSegment(AdapterConformance):
    """
    Tests for `consentkit.adapters.segment.Client`.
    """

    extra = "segment"
    sdk = "segment"
    module = "segment.analytics"
    free = "usage_record"
    setup = """\
from consentkit.adapters import segment
client = segment.Client(
    kit, "key", host=url, upload_interval=0.1, upload_size=10,
    properties={
        "plan": "usage_record", "note": "usage_record",
        "context.app": "usage_record",
    },
)
"""
    send = """\
def send(name, user, properties):
    return client.track(user, name, properties)
"""
    arguments = "'key', host=url, upload_interval=0.1"
    fields = frozenset(
        {
            *("batch", "sentAt", "writeKey"),
            *("anonymousId", "context", "event", "integrations", "messageId"),
            *("properties", "timestamp", "type", "userId", "plan", "note"),
        }
    )

    def events(self, sent: Sent) -> list[dict[str, Any]]:
        """
        Read a batch.
        """
        return [
            {
                "name": one.get("event"),
                "user": one["userId"] or one["anonymousId"],
                "properties": one.get("properties"),
                "all": one,
            }
            for one in sent.json()["batch"]
        ]

    def test_all_kinds_of_messages_are_decided_on(
        self, app: App, backend: Backend
    ) -> None:
        """
        Persons, groups, pages, screens and aliases pass as events do: with
        ids in their protected form, and what is declared of the rest.
        """
        self.grant(app)
        told = f"{{'plan': 'pro', 'email': {EMAIL!r}}}"
        context = f"{{'ip': '203.0.113.77', 'app': {{'name': {SECRET!r}}}}}"
        app.do(f"client.identify({USER!r}, {told}, {context})")
        app.do(f"client.group({USER!r}, {USER + 'g'!r}, {told}, {context})")
        app.do(f"client.page({USER!r}, 'c', {EMAIL!r}, {told}, {context})")
        app.do(f"client.screen({USER!r}, 'c', 'name', {told}, {context})")
        app.do(f"client.alias({USER!r}, {USER + '2'!r}, {context})")
        app.do("client.identify(None, {'plan': 'pro'})")
        app.do(self.flush)
        backend.wait_for(1)
        app.end()

        found = [e["all"] for e in self.all_events(backend)]
        kinds = [one["type"] for one in found]
        assert kinds == ["identify", "group", "page", "screen", "alias"]
        assert found[0]["traits"] == found[1]["traits"] == {"plan": "pro"}
        assert found[2]["properties"] == found[3]["properties"]
        assert found[2]["name"] == "<EMAIL>"
        assert found[3]["name"] == "name"
        assert {one["userId"] for one in found[:4]} == {found[4]["previousId"]}
        assert len({found[4]["userId"], found[1]["groupId"], *found[0]}) > 2
        for sent in backend.sent:
            told = sent.body.decode()
            assert not [o for o in (EMAIL, USER, SECRET) if o in told]
            assert "203.0.113.77" not in told
            assert "library" not in told
