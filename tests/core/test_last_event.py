"""SDKs that stop at a stream's last event and leave its answer open: the span does not wait for them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm import semconv
from otel_llm.bootstrap import OtelLlmInstrumentor
from otel_llm.settings import Settings

DELTA = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
QUOTED = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"\\ndata: [DONE]"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class Chunks(httpx.SyncByteStream):
    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = OtelLlmInstrumentor()
    instrumentor.instrument(tracer_provider=tracers, settings=Settings(cost=False))
    yield exporter
    instrumentor.uninstrument()


@pytest.mark.parametrize(
    ("path", "chunks", "ended_at"),
    [
        pytest.param("/v1/chat/completions", [DELTA, DONE, b""], 2, id="done"),
        pytest.param("/v1/chat/completions", [DELTA + DONE, b""], 1, id="done in one chunk with the rest"),
        pytest.param(
            "/v1/chat/completions", [DELTA, b"data: [DONE]\r\n\r\n", b""], 2, id="with carriage returns"
        ),
        pytest.param("/v1/messages", [STOP, b""], 1, id="message_stop"),
        pytest.param(
            "/v1/messages", [STOP.replace(b'"}', b'"            }'), b""], 1, id="message_stop, padded"
        ),
        pytest.param(
            "/v1/chat/completions", [QUOTED, DELTA, DONE], 3, id="a text that says what the last event says"
        ),
        pytest.param("/v1/chat/completions", [DELTA, DELTA], None, id="no last event"),
        pytest.param(
            "/v1/chat/completions", [DELTA, DONE[:-4], DONE[-4:]], None, id="cut through its middle"
        ),
    ],
)
def test_a_span_ends_with_the_last_event_though_its_answer_stays_open(
    path: str, chunks: list[bytes], ended_at: int | None, exporter: InMemorySpanExporter
) -> None:
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Chunks(*chunks))
    asked = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }
    seen = []
    with (
        httpx.Client(transport=httpx.MockTransport(lambda _: answer)) as client,
        client.stream("POST", f"http://llm.example{path}", json=asked) as response,
    ):
        passing = response.iter_raw()
        for chunk in chunks:
            if chunk:
                assert next(passing) == chunk
                seen.append(len(exporter.get_finished_spans()))
    expected = [1 if ended_at is not None and number >= ended_at else 0 for number in range(1, len(seen) + 1)]
    assert seen == expected
    (span,) = exporter.get_finished_spans()
    record = semconv.from_attributes(span.attributes or {}, span.start_time or 0, span.end_time or 0)
    assert record.stream_outcome == "completed"
