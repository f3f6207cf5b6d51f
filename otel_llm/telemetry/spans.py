"""Open and close the span of a call, one of our own or one that was there already.

An adopted span belongs to the library that opened it: we add what it does not say, and leave its name, status, end and
every attribute that it has set to its owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk import version as sdk_version
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer

from otel_llm import semconv
from otel_llm.record import CallRecord


def takes_structures() -> bool:
    """Whether this SDK keeps nested values on spans; older ones drop the attribute."""
    major, minor = (int(part) for part in sdk_version.__version__.split(".")[:2])
    return (major, minor) >= (1, 45)


def start(tracer: Tracer, record: CallRecord, parent: Context, links: Sequence[Link]) -> Span:
    """A CLIENT span for the call, with all that a sampler may want to see."""
    attributes = semconv.start_attributes(record)
    if record.caller.team is not None:  # what else the caller said waits for its redaction
        attributes[semconv.TEAM] = record.caller.team
    return tracer.start_span(
        semconv.span_name(record.request),
        context=parent,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        links=links,
        start_time=record.start_ns,
    )


def finish(span: Span, record: CallRecord, content: bool, structured: bool) -> None:
    """Set what the answer said and end the span. The rows that routing needs come last, safe from eviction."""
    try:
        attributes = semconv.content_attributes(record, structured) if content else {}
        if record.raw_request is not None and not content:
            attributes[semconv.RAW_REQUEST] = record.raw_request
        attributes.update(semconv.caller_attributes(record.caller))
        attributes.update(semconv.end_attributes(record))
        span.set_attributes(attributes)
        failure = record.response.failure
        if failure is not None:
            span.set_status(Status(StatusCode.ERROR, failure.message or failure.type))
    finally:  # a fault of ours must not cost the span
        span.end(record.end_ns)


def enrich(span: Span, record: CallRecord, content: bool, structured: bool) -> None:
    """Add to somebody else's span what it lacks; what is ours alone says the last attempt."""
    if not span.is_recording():
        return
    there: Any = getattr(span, "attributes", None) or {}
    attributes = semconv.start_attributes(record)
    attributes.update(semconv.caller_attributes(record.caller))
    attributes.update(semconv.end_attributes(record))
    if content:
        attributes.update(semconv.content_attributes(record, structured))
    attributes.pop(semconv.ERROR_TYPE, None)
    span.set_attributes(
        {
            name: value
            for name, value in attributes.items()
            if name not in there or name.startswith(semconv.OUR_PREFIX)
        }
    )
