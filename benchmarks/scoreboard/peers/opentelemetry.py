# SPDX-License-Identifier: MIT
"""
OpenTelemetry's SDK: events as log records, by OTLP over HTTP.
"""

from __future__ import annotations

import os

from typing import Any

from benchmarks.scoreboard.events import Event
from benchmarks.scoreboard.peers.base import Options, Peer, silence


class OpenTelemetry(Peer):
    """
    A ring of 2,048 records by default; a thread sends.
    """

    distributions = (
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
    )
    statement = (
        "from opentelemetry.sdk._logs import LoggerProvider; "
        "from opentelemetry.sdk._logs.export import BatchLogRecordProcessor; "
        "from opentelemetry.exporter.otlp.proto.http._log_exporter "
        "import OTLPLogExporter"
    )
    can_be_off = True

    def start(self, options: Options) -> None:
        """
        Make the provider.
        """
        if not options.enabled:
            os.environ["OTEL_SDK_DISABLED"] = "true"
        from opentelemetry._logs import SeverityNumber
        from opentelemetry.exporter.otlp.proto.http._log_exporter import (
            OTLPLogExporter,
        )
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        silence("opentelemetry", "urllib3")
        self._severity = SeverityNumber.INFO
        asked = {
            "max_queue_size": options.queue_size,
            "max_export_batch_size": options.batch_size,
        }
        settings: dict[str, Any] = {k: v for k, v in asked.items() if v}
        exporter = OTLPLogExporter(endpoint=f"{options.url}/v1/logs")
        self._provider: Any = LoggerProvider()
        self._provider.add_log_record_processor(
            BatchLogRecordProcessor(exporter, **settings)
        )
        self._logger: Any = self._provider.get_logger("shop")

    def capture(self, event: Event) -> None:
        """
        Emit a record.
        """
        name, user, properties = event
        self._logger.emit(
            event_name=name,
            severity_number=self._severity,
            body=user,
            attributes=properties,
        )

    def flush(self) -> None:
        """
        Have it export.
        """
        self._provider.force_flush()

    def close(self) -> None:
        """
        Shut it down.
        """
        self._provider.shutdown()


PEER = OpenTelemetry
