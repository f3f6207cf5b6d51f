"""The details event of an inference: a log record with everything that the span says, content in structured form."""

from __future__ import annotations

from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber, get_logger_provider
from opentelemetry.context import Context

from otel_llm import semconv
from otel_llm.record import CallRecord


class Events:
    """Emits `gen_ai.client.inference.operation.details`."""

    def __init__(self, provider: LoggerProvider | None, version: str) -> None:
        self._logger = (provider or get_logger_provider()).get_logger(
            "otel_llm", version, schema_url=semconv.SCHEMA_URL
        )

    def emit(self, record: CallRecord, context: Context, content: bool) -> None:
        """One event for the call, inside the context of its span."""
        if record.request.operation not in semconv.INFERENCE:
            return
        attributes = semconv.start_attributes(record)
        attributes.update(semconv.caller_attributes(record.caller))
        if content:
            attributes.update(semconv.content_attributes(record, structured=True))
        attributes.update(semconv.end_attributes(record))
        self._logger.emit(
            LogRecord(
                timestamp=record.end_ns,
                context=context,
                severity_number=SeverityNumber.DEBUG,
                event_name=semconv.DETAILS_EVENT,
                attributes=attributes,
            )
        )
