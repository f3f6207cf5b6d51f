"""The details event says what the span says, with content only where it was asked for."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otel_llm import semconv
from otel_llm.record import CallRecord, Request, Response, Usage, message, text
from otel_llm.telemetry.events import Events


def record(operation: str = "chat") -> CallRecord:
    """A call with content."""
    return CallRecord(
        id="1",
        provider="anthropic",
        request=Request(operation=operation, model="m", input_messages=[message("user", [text("hi")])]),
        response=Response(usage=Usage(input=1), output_messages=[message("assistant", [text("ho")], "stop")]),
        start_ns=1,
        end_ns=5_000_000_000,
    )


def emitted(one: CallRecord, content: bool) -> list[Any]:
    """The log records of one call."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK's own gap
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    span = NonRecordingSpan(SpanContext(7, 8, False, TraceFlags(1)))
    Events(provider, "1").emit(one, trace.set_span_in_context(span, Context()), content)
    return [entry.log_record for entry in exporter.get_finished_logs()]


@pytest.mark.parametrize("content", [True, False])
def test_the_event_has_the_spans_attributes_and_place(content: bool) -> None:
    [event] = emitted(record(), content)
    assert event.event_name == "gen_ai.client.inference.operation.details"
    assert event.severity_number is SeverityNumber.DEBUG
    assert (event.trace_id, event.span_id) == (7, 8)
    assert event.timestamp == 5_000_000_000
    expected = {**semconv.start_attributes(record()), **semconv.end_attributes(record())}
    if content:
        expected |= semconv.content_attributes(record(), structured=True)
    assert set(event.attributes) == set(expected)
    assert ("gen_ai.input.messages" in event.attributes) is content


def test_what_is_no_inference_has_no_such_event() -> None:
    assert emitted(record("embeddings"), True) == []
