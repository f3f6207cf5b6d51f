"""Where an SDK traces itself, its span is the one: we complete it, and open none beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from tests.conftest import Instrument
from tests.replay import Provider
from tests.sdks import MARKS, rows_anthropic
from tests.sdks.calls import Case, at_once, cases, settled
from tests.sdks.table import RECORDINGS
from tests.sdks.telling import expected, told

CASES = [
    pytest.param(case, id=case.name)
    for case in cases(rows_anthropic.ROWS, RECORDINGS)
    # The SDK counts a compaction apart, we with the rest; what it says stays.
    if case.row.spans and b'"compaction"' not in case.recording.response_body
]

pytestmark = MARKS


@pytest.mark.parametrize("case", CASES)
def test_the_span_of_anthropics_sdk_is_the_one(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    anthropic: Any = pytest.importorskip("anthropic", "2.0")
    assert case.row.sdk.client is not None
    place = case.place(port)
    seen = instrumented()
    client = case.row.sdk.client(place).with_options(open_telemetry={"tracer_provider": seen.provider})
    with contextlib.suppress(anthropic.APIStatusError):
        at_once(settled(case.call(client, place), asynchronous=False))
    client.close()
    check(case, provider, seen.get_finished_spans())


@pytest.mark.parametrize("case", CASES)
async def test_the_span_of_anthropics_async_sdk_is_the_one(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    anthropic: Any = pytest.importorskip("anthropic", "2.0")
    assert case.row.sdk.async_client is not None
    place = case.place(port)
    seen = instrumented()
    client = case.row.sdk.async_client(place).with_options(open_telemetry={"tracer_provider": seen.provider})
    with contextlib.suppress(anthropic.APIStatusError):
        await settled(case.call(client, place), asynchronous=True)
    await client.close()
    check(case, provider, seen.get_finished_spans())


def check(case: Case, provider: Provider, spans: Sequence[ReadableSpan]) -> None:
    """One span, theirs, which says all that ours would; its name and its word for the reason are the SDK's."""
    (span,) = spans
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name.startswith("com.anthropic.sdk.python")
    assert span.attributes is not None
    assert "otel_llm.call.id" in span.attributes
    theirs: dict[str, Any] = {
        "name": span.name,
        "reasons": span.attributes.get("gen_ai.response.finish_reasons"),
    }
    assert {**told(span), **theirs} == {**expected(case, provider.served[-1]), **theirs}
