# SPDX-License-Identifier: MIT
"""
The camera app: what an app looks like that lives by its policy.

It never asks whether it may; it says which function is in use, and takes a
refusal for an answer.
"""

from __future__ import annotations

import logging

from collections.abc import Callable
from typing import Any

from attrs import frozen

import consentkit

from consentkit.collectors.location import TrackSource
from consentkit.gate import Permit
from consentkit.registry.registry import Started


NAME = "Xiaoying Kankan"
VERSION = "6.2.1"
PACKAGE = "example.kankan"

SDKS = ("alipay", "umeng", "getui", "qiniu", "pangle")


@frozen
class BindingFinished:
    """
    A camera is bound; the policy's event ``binding_finished``.
    """

    seconds: float
    outcome: str
    attempts: int


@frozen
class FeatureUsed:
    """
    A feature was used; the policy's event ``feature_used``.
    """

    feature: str
    count: int


class AppFacts(consentkit.Source[str]):
    """
    What the app knows of itself: a source of the app's own.
    """

    name = "the app itself"
    data_types = frozenset(
        {"app_name", "app_version", "app_package_name", "client_type"}
    )

    def _read(self, permit: Permit, **_: Any) -> str:
        facts = {
            "app_name": NAME,
            "app_version": VERSION,
            "app_package_name": PACKAGE,
            "client_type": "desktop",
        }
        return facts[permit.clause.type]


class CameraApp:
    """
    The app's functions, each as its user would meet it.

    Every method gives what consentkit answered, so that the story can show
    it; a real app would look only at what it needs.
    """

    def __init__(self, kit: consentkit.Kit) -> None:
        self.kit = kit
        self.log = logging.getLogger("kankan")
        self.log.setLevel(logging.DEBUG)
        self.log.propagate = False
        self.handler = kit.log_handler("logs")
        self.log.handlers[:] = [self.handler]

    def bind_camera(self, fixes: int) -> list[Any]:
        """
        Bind a camera: facts of this device, the place, the outcome.
        """
        answers: list[Any] = []
        with self.kit.use("bind_device") as use:
            found = use.device("device_name", "os_name", "os_version")
            answers += [found, use.capture(found)]
        with self.kit.use("bind_device", purpose="wifi_connection") as use:
            for _ in range(fixes):
                place = use.location()
                answers += [place, use.capture(place)] if place else [place]
        with self.kit.use("bind_device") as use:
            event = BindingFinished(seconds=4.2, outcome="ok", attempts=1)
            answers.append(use.capture(event))
        return answers

    def place_for_statistics(self) -> object:
        """
        Ask for the place with another purpose than the policy's.
        """
        with self.kit.use("bind_device", purpose="usage_statistics") as use:
            return use.location()

    def improve(self) -> list[Any]:
        """
        Collect what product improvement is promised.
        """
        with self.kit.use("product_improvement") as use:
            device = use.device()
            imei = use.device("imei")
            used = FeatureUsed(feature="live_view", count=7)
            return [device, use.capture(device), imei, use.capture(used)]

    def open_share(self) -> list[Any]:
        """
        Look for a share code, because the person tapped "open share".
        """
        with self.kit.use("clipboard", act="tapped_open_share") as use:
            taken = use.clipboard("receive_share")
            return [taken, use.capture(taken)] if taken else [taken]

    def write_log(self, line: object) -> None:
        """
        Log as any app does.
        """
        self.log.info("%s", line)

    def start_sdk(self, sdk: str) -> Started[str] | consentkit.Refusal:
        """
        Start a third-party SDK the only way there is.
        """
        initialise: Callable[[], str] = lambda: f"{sdk} is up"  # noqa: E731
        return self.kit.registry.start(sdk, initialise, stop=lambda: None)


__all__ = [
    "SDKS",
    "AppFacts",
    "BindingFinished",
    "CameraApp",
    "FeatureUsed",
    "TrackSource",
]
