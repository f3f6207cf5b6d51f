"""What a span tells of its call, and what it has to tell by the request that was sent and the answer that was recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from tests.replay import Served
from tests.sdks import said
from tests.sdks.calls import Case, asked_model
from tests.sdks.table import provider_of

_VOLATILE = {
    "authorization",
    "x-amz-date",
    "amz-sdk-invocation-id",
    "content-type",
    "idempotency-key",
    "x-amzn-trace-id",
}
"""Headers that differ from one call to the next without us; a form's boundary is in its content type."""


def check(case: Case, before: list[Served], after: list[Served], spans: Sequence[ReadableSpan]) -> None:
    """The provider was asked the same as without us, and said what the span says."""
    assert [request(one) for one in after] == [request(one) for one in before]
    assert [one.recording and one.recording.id for one in after] == [case.recording.id]
    for span in spans:
        assert told(span) == expected(case, after[-1])
        assert span.kind is SpanKind.CLIENT
        failures = set() if case.row.operation == "fetch_response" else said.failures(case.recording)
        code = (span.attributes or {}).get("error.type")
        assert code in failures if failures else code is None


def request(served: Served) -> tuple[Any, ...]:
    """What a request is, but for what is random in it."""
    boundary = re.search("boundary=([^;]+)", served.headers.get("content-type", ""))
    body = served.body.replace(boundary[1].strip('"').encode(), b"boundary") if boundary else served.body
    headers = {name: value for name, value in served.headers.items() if name not in _VOLATILE}
    return served.method, served.path, body, headers


def told(span: ReadableSpan) -> dict[str, Any]:
    """What a span says of its call."""
    attributes = dict(span.attributes or {})
    return {
        "name": span.name,
        "operation": attributes.get("gen_ai.operation.name"),
        "provider": attributes.get("gen_ai.provider.name"),
        "asked": attributes.get("gen_ai.request.model"),
        "model": attributes.get("gen_ai.response.model"),
        "input": attributes.get("gen_ai.usage.input_tokens"),
        "output": attributes.get("gen_ai.usage.output_tokens"),
        "reasons": attributes.get("gen_ai.response.finish_reasons"),
        "outcome": attributes.get("otel_llm.stream.outcome"),
        "failed": span.status.status_code is StatusCode.ERROR,
    }


def expected(case: Case, served: Served) -> dict[str, Any]:
    """What it has to say, by the request that was sent and the answer that was recorded."""
    row, recording = case.row, case.recording
    fetches = row.operation == "fetch_response"
    model = None if fetches else asked_model(served.path, served.body)
    failed = bool(said.failures(recording)) and not (fetches and recording.status == 200)
    stated = row.said(recording)._asdict() if recording.status < 400 else {}
    outcome = None
    if recording.stream and recording.status < 400:
        outcome = "failed" if failed else "completed"
    return {
        "name": f"{row.operation} {model}" if model else row.operation,
        "operation": row.operation,
        "provider": provider_of(recording, row.sdk.flavour),
        "asked": model,
        "model": stated.get("model"),
        "input": stated.get("input"),
        "output": stated.get("output"),
        "reasons": stated.get("reasons"),
        "outcome": outcome,
        "failed": failed,
    }
