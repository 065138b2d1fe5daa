# SPDX-License-Identifier: MIT

"""
Tests for the adapter of Amplitude, with the real SDK.
"""

from __future__ import annotations

from typing import Any

from tests.adapters.conformance import (
    EMAIL,
    IMEI,
    USER,
    AdapterConformance,
    App,
    Backend,
    Sent,
)


class TestAmplitude(AdapterConformance):
    """
    Tests for `consentkit.adapters.amplitude.Amplitude`.
    """

    extra = "amplitude"
    sdk = "amplitude"
    module = "amplitude"
    # The app makes its events by the SDK's classes.
    is_loaded_by_app = True
    prepare = """\
from amplitude import BaseEvent, Config, EventOptions, Identify, Revenue
configuration = Config(
    server_url=url + "/2/httpapi", flush_interval_millis=100,
    flush_queue_size=10,
)
"""
    setup = """\
from consentkit.adapters import amplitude
client = amplitude.Amplitude(
    kit, "key", configuration,
    properties={"plan": "usage_record", "note": "product_interaction"},
)
"""
    send = """\
def send(name, user, properties):
    client.track(BaseEvent(name, user_id=user, event_properties=properties))
"""
    arguments = "'key', configuration"
    answer = (200, {"code": 200})
    fields = frozenset(
        {
            *("api_key", "events", "event_type", "user_id", "device_id"),
            *("time", "insert_id", "event_properties", "plan", "note"),
        }
    )

    def events(self, sent: Sent) -> list[dict[str, Any]]:
        """
        Read a batch.
        """
        return [
            {
                "name": one["event_type"],
                "user": one.get("user_id") or one.get("device_id"),
                "properties": one.get("event_properties", {}),
                "all": one,
            }
            for one in sent.json()["events"]
        ]

    def test_all_fields_of_an_event_are_decided_on(
        self, app: App, backend: Backend
    ) -> None:
        """
        Fields, persons, groups and revenues pass as properties do: with ids
        in their protected form, and what is declared of the rest.
        """
        self.grant(app)
        app.do(
            f"client.track(BaseEvent('one', user_id={USER!r}, ip='203.0.113.77',"
            f" device_id={IMEI!r}, city={EMAIL!r}, os_name='Linux',"
            " location_lat=48.1, location_lng=2.2, price=7.0, quantity=2,"
            f" groups={{'company': [{USER!r}, {USER + '2'!r}]}},"
            f" user_properties={{'plan': 'pro', 'email': {EMAIL!r}}}))"
        )
        app.do(f"options = EventOptions(user_id={USER!r})")
        app.do(
            "act = Identify().set('plan', 'pro').unset('note')"
            f".set('email', {EMAIL!r})"
        )
        app.do("client.identify(act, options)")
        app.do("client.identify(act, EventOptions())")
        app.do(f"client.group_identify('company', {USER!r}, act)")
        app.do(f"client.set_group('company', {USER!r}, options)")
        app.do(
            f"client.revenue(Revenue(price=3.5, product_id={EMAIL!r}), options)"
        )
        app.do(self.flush)
        app.end()

        found = [e["all"] for e in self.all_events(backend)]
        by_name = {one["event_type"]: one for one in found}
        one = by_name["one"]
        plain = {"event_type", "user_id", "time", "insert_id"}
        assert one.keys() - plain == {"groups", "user_properties"}
        assert one["user_properties"] == {"plan": "pro"}
        assert one["groups"]["company"][0] == one["user_id"]
        sets = [o for o in found if o["event_type"] == "$identify"]
        assert sets[0]["user_properties"] == {
            "$set": {"plan": "pro"},
            "$unset": {"note": "-"},
        }
        assert len(sets) == 2
        group = by_name["$groupidentify"]
        assert group["groups"] == {"company": one["user_id"]}
        assert group["group_properties"]["$set"] == {"plan": "pro"}
        assert by_name["revenue_amount"].keys() == plain
        for sent in backend.sent:
            text = sent.body.decode()
            assert not [
                o for o in (EMAIL, USER, IMEI, "203.0", "Linux") if o in text
            ]
