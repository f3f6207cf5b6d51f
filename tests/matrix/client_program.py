"""A program that makes four raw calls with one HTTP client: sync and async, plain and streamed.

    python -m tests.matrix.client_program CLIENT WHEN PLAIN-ADDRESS STREAM-ADDRESS

CLIENT: `httpx`, `httpx2`, or `alias` (httpx2 under the name of httpx). WHEN: whether the hooks come `before` or `after` the
client's import. Prints one JSON object: which of the modules are loaded, and model, tokens and outcome of each span.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm import semconv
from otel_llm.bootstrap import OtelLlmInstrumentor
from otel_llm.settings import Settings


def load(client: str) -> Any:
    """The client's module."""
    if client == "alias":
        importlib.import_module("httpx2").alias_httpx()
        return importlib.import_module("httpx")
    return importlib.import_module(client)


def call(http: Any, plain: str, streamed: str) -> None:
    """Two calls, one after the other."""
    with http.Client() as client:
        assert client.post(plain, json=body(False)).json()["usage"]
        with client.stream("POST", streamed, json=body(True)) as answer:
            assert b"".join(answer.iter_bytes())


async def call_async(http: Any, plain: str, streamed: str) -> None:
    """The same two, async."""
    async with http.AsyncClient() as client:
        assert (await client.post(plain, json=body(False))).json()["usage"]
        async with client.stream("POST", streamed, json=body(True)) as answer:
            assert [one async for one in answer.aiter_raw()]


def body(stream: bool) -> dict[str, Any]:
    """A small request."""
    return {"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}


def main() -> None:
    """Make the calls and print what was observed."""
    client, when, plain, streamed = sys.argv[1:]
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    http = load(client) if when == "after" else None
    OtelLlmInstrumentor().instrument(tracer_provider=tracers, settings=Settings(cost=False))
    http = http or load(client)
    call(http, plain, streamed)
    asyncio.run(call_async(http, plain, streamed))
    calls = [
        semconv.from_attributes(span.attributes or {}, span.start_time or 0, span.end_time or 0)
        for span in exporter.get_finished_spans()
    ]
    found = {
        "loaded": sorted({"httpx", "httpx2"} & sys.modules.keys()),
        "calls": [
            [one.response.model, one.response.usage.input, one.response.usage.output, one.stream_outcome]
            for one in calls
        ],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
