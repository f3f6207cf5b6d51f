"""Each call of a real SDK is one span with the numbers of its provider, and the SDK's user notices nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from tests import corpus
from tests.conftest import Instrument
from tests.replay import Provider, Served
from tests.sdks import said
from tests.sdks.calls import Case, asked_model, at_once, cases, settled
from tests.sdks.table import ROWS, provider_of

CASES = cases(ROWS, corpus.shipped())

pytestmark = [
    pytest.mark.usefixtures("untroubled"),
    pytest.mark.filterwarnings(
        "ignore:.*deprecated.*:DeprecationWarning"
    ),  # models that the SDKs know as old
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),  # google-genai's own
]

_VOLATILE = {
    "authorization",
    "x-amz-date",
    "amz-sdk-invocation-id",
    "content-type",
    "idempotency-key",
    "x-amzn-trace-id",
}
"""Headers that differ from one call to the next without us; a form's boundary is in its content type."""


def _plain() -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES if case.row.sdk.client is not None]


def _async() -> list[Any]:
    return [pytest.param(case, id=case.name) for case in CASES if case.row.sdk.async_client is not None]


def test_every_row_has_a_recording() -> None:
    assert {(row.sdk.module, row.api, row.path) for row in ROWS} == {
        (case.row.sdk.module, case.row.api, case.row.path) for case in CASES
    }


@pytest.mark.parametrize("case", _plain())
def test_a_call_is_one_span(case: Case, provider: Provider, port: int, instrumented: Instrument) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.client is not None
    place = case.place(port)
    client = case.row.sdk.client(place)

    def call() -> Any:
        try:
            return at_once(settled(case.call(client, place), asynchronous=False))
        except Exception as error:
            return type(error).__name__, str(error)

    before, sent = call(), list(provider.served)
    assert sent, before
    provider.served.clear()
    seen = instrumented()
    assert call() == before
    case.row.sdk.close(client, False)
    check(case, sent, provider.served, seen.llm(case.row.spans))


@pytest.mark.parametrize("case", _async())
async def test_an_async_call_is_one_span(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.async_client is not None
    place = case.place(port)
    client = case.row.sdk.async_client(place)

    async def call() -> Any:
        try:
            return await settled(case.call(client, place, case.row.sdk.async_suffix), asynchronous=True)
        except Exception as error:
            return type(error).__name__, str(error)

    before, sent = await call(), list(provider.served)
    assert sent, before
    provider.served.clear()
    seen = instrumented()
    assert await call() == before
    await settled(case.row.sdk.close(client, True), asynchronous=True)
    check(case, sent, provider.served, seen.llm(case.row.spans))


def check(case: Case, before: list[Served], after: list[Served], spans: Any) -> None:
    """The provider was asked the same as without us, and said what the span says."""
    assert [request(one) for one in after] == [request(one) for one in before]
    assert [one.recording and one.recording.id for one in after] == [case.recording.id]
    for span in spans:
        assert told(span) == expected(case, after[-1])
        assert span.kind is SpanKind.CLIENT
        failures = said.failures(case.recording)
        assert (
            (span.attributes["error.type"] in failures) if failures else "error.type" not in span.attributes
        )


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
    failed = bool(said.failures(recording))
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
