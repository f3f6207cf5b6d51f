"""The span that a recorded call gives, as attributes, for snapshots and conformance."""

from __future__ import annotations

import hashlib
from typing import Any

from otel_llm import limits, semconv
from otel_llm.record import CallRecord
from otel_llm.wire import providers
from tests import corpus

_SHOWN = 160
"""Characters of a text that a snapshot shows; the rest counts by its length and digest."""


def record_of(recording: corpus.Recording, content: bool = True) -> CallRecord | None:
    """The record of a recorded call; None when it is no LLM call."""
    found = corpus.decode(recording, content)
    if found is None:
        return None
    record = CallRecord(
        id="00000000-0000-7000-8000-000000000000",
        provider=found.request.provider or providers.provider_of(found.ask, found.wire),
        request=found.request,
        response=found.response,
        start_ns=1_700_000_000_000_000_000,
        end_ns=1_700_000_001_000_000_000,
        server_address=found.ask.host,
        server_port=found.ask.port or (443 if recording.url.startswith("https:") else 80),
    )
    return limits.without_media(record)


def snapshot(recording: corpus.Recording) -> dict[str, Any] | None:
    """What is kept of the span of a recording; None where it is no LLM call."""
    record = record_of(recording)
    if record is None:
        return None
    attributes = semconv.to_attributes(record)
    del attributes[semconv.CALL_ID]
    made: dict[str, Any] = {"name": semconv.span_name(record.request), "attributes": shortened(attributes)}
    if record.response.failure is not None and record.response.failure.message:
        made["status"] = shortened(record.response.failure.message)
    return made


def shortened(value: Any) -> Any:
    """Long texts cut, with their length and digest, so that a snapshot stays small and still notices a change."""
    if isinstance(value, str) and len(value) > _SHOWN:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{value[:_SHOWN]}… ({len(value)} characters, {digest})"
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shortened(one) for one in value]
    return value
