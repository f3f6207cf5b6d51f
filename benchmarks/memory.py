"""Whether memory stays flat over many calls, with content on: python benchmarks/memory.py [CALLS].

Calls go through a real httpx2 client over a transport without a network, two in ten of them streamed, one in fifty
left open for the garbage collector. Resident memory is read at ten points; the last half should not grow.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator, Sequence

import httpx2
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from otel_llm.bootstrap import OtelLlmInstrumentor, door
from otel_llm.settings import Settings

MESSAGE = {"role": "assistant", "content": "well " * 200}
WHOLE = {"id": "c", "model": "gpt-4o-mini", "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 9, "completion_tokens": 9}}  # fmt: skip
CHUNK = b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "well"}}]}\n\n'


class Drop(SpanExporter):
    """Counts and forgets."""

    spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Count."""
        Drop.spans += len(spans)
        return SpanExportResult.SUCCESS


class Chunks(httpx2.SyncByteStream):
    """A streamed body."""

    def __iter__(self) -> Iterator[bytes]:
        yield from [CHUNK] * 50
        yield b"data: [DONE]\n\n"


def respond(request: httpx2.Request) -> httpx2.Response:
    """Plain or streamed, as asked."""
    if b'"stream"' in request.content:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Chunks())
    return httpx2.Response(200, json=WHOLE)


def resident_mb() -> float:
    """Memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  (read often; pathlib adds nothing)
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Run and print."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    provider = TracerProvider()
    processor = BatchSpanProcessor(Drop(), max_queue_size=65536, schedule_delay_millis=200)
    provider.add_span_processor(processor)
    OtelLlmInstrumentor().instrument(tracer_provider=provider, settings=Settings(content="SPAN_ONLY"))
    client = httpx2.Client(transport=httpx2.MockTransport(respond))
    readings = []
    for number in range(calls):
        if number % (calls // 10) == 0:
            processor.force_flush()
            gc.collect()
            readings.append(resident_mb())
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"{number} " + "x" * 1000}]}
        if number % 5:
            client.post("https://api.openai.com/v1/chat/completions", json=body)
            continue
        content = json.dumps({**body, "stream": True}).encode()
        request = client.build_request("POST", "https://api.openai.com/v1/chat/completions", content=content)
        response = client.send(request, stream=True)
        if number % 50:
            response.read()
        else:
            next(iter(response.iter_raw()))
    del response
    gc.collect()
    assert door.observer is not None
    door.observer.reaper.settle()
    processor.force_flush()
    readings.append(resident_mb())
    print(f"{calls:,} calls, {Drop.spans:,} spans, {len(door.observer.live)} still open")
    print("resident MB:", " ".join(f"{one:.1f}" for one in readings))
    print(f"growth over the last half: {readings[-1] - readings[len(readings) // 2]:+.1f} MB")


if __name__ == "__main__":
    main()
