# SPDX-License-Identifier: MIT
"""
The scoreboard: consentkit beside the telemetry SDKs that pip can install, and
beside a floor, the thinnest durable and encrypted pipeline.

``python -m benchmarks.scoreboard`` runs it, `publish` puts what it found on
the page of the docs.
"""
