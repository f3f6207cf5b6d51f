"""Real calls of real SDKs under one other instrumentation and ours; prints what was exported, as JSON.

    python -m tests.interplay.play genai theirs_first

Runs in the environment of that instrumentation, as a program of its own: instrumentations patch classes for good.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm import bootstrap
from otel_llm.context import context
from otel_llm.settings import Settings
from tests import replay

PEERS: Final = {
    "genai": "opentelemetry.instrumentation.genai.{sdk}",
    "openllmetry": "opentelemetry.instrumentation.{sdk}",
    "openinference": "openinference.instrumentation.{sdk}",
    "logfire": "",
    "langfuse": "",
    "native": "",
    "native_off": "",
}
CHAT: Final = "openai-chat-completions-3db40dd716"
CHAT_STREAM: Final = "openai-chat-completions-stream-8ea6c9ff33"
CHAT_STREAM_USAGE: Final = "openai-chat-completions-stream-553420615f"
MESSAGE: Final = "anthropic-messages-25197da886"
MESSAGE_STREAM: Final = "anthropic-messages-stream-d92d864dc0"
ASK: Final = [{"role": "user", "content": "say hi"}]


class World(NamedTuple):
    """What a scenario works with."""

    base: str
    openai: Any
    """The module, or what stands in for it."""
    anthropic: Any

    def gpt(self, recording: str, kind: str = "OpenAI") -> Any:
        """A client that gets this answer."""
        return getattr(self.openai, kind)(api_key="k", base_url=f"{self.base}/{recording}/v1", max_retries=0)

    def claude(self, recording: str, kind: str = "Anthropic") -> Any:
        """The same."""
        return getattr(self.anthropic, kind)(api_key="k", base_url=f"{self.base}/{recording}", max_retries=0)


def chat(world: World) -> None:
    world.gpt(CHAT).chat.completions.create(model="gpt-5", messages=ASK)


def chat_raw(world: World) -> None:
    world.gpt(CHAT).chat.completions.with_raw_response.create(model="gpt-5", messages=ASK).parse()


def chat_stream(world: World) -> None:
    list(world.gpt(CHAT_STREAM).chat.completions.create(model="gpt-3.5-turbo", messages=ASK, stream=True))


def _usage_stream(world: World) -> Any:
    return world.gpt(CHAT_STREAM_USAGE).chat.completions.create(
        model="gpt-5", messages=ASK, stream=True, stream_options={"include_usage": True}
    )


def chat_stream_usage(world: World) -> None:
    list(_usage_stream(world))


def chat_closed_early(world: World) -> None:
    stream = _usage_stream(world)
    next(iter(stream))
    stream.close()


def chat_left_by_break(world: World) -> None:
    with _usage_stream(world) as stream:
        for _ in stream:
            break


def chat_dropped(world: World) -> None:
    next(iter(_usage_stream(world)))


async def chat_async(world: World) -> None:
    client = world.gpt(CHAT, "AsyncOpenAI")
    await client.chat.completions.create(model="gpt-5", messages=ASK)


async def chat_stream_async(world: World) -> None:
    client = world.gpt(CHAT_STREAM_USAGE, "AsyncOpenAI")
    stream = await client.chat.completions.create(
        model="gpt-5", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    async for _ in stream:
        pass


def chat_twice(world: World) -> None:
    chat(world)
    chat_stream_usage(world)


def message(world: World) -> None:
    world.claude(MESSAGE).messages.create(model="claude-3-5-haiku-20241022", max_tokens=9, messages=ASK)


def message_raw(world: World) -> None:
    client = world.claude(MESSAGE)
    client.messages.with_raw_response.create(
        model="claude-3-5-haiku-20241022", max_tokens=9, messages=ASK
    ).parse()


_CLAUDE: Final = {"model": "claude-opus-4-6", "max_tokens": 9, "messages": ASK}


def message_stream(world: World) -> None:
    list(world.claude(MESSAGE_STREAM).messages.create(**_CLAUDE, stream=True))


def message_helper(world: World) -> None:
    with world.claude(MESSAGE_STREAM).messages.stream(**_CLAUDE) as stream:
        stream.get_final_message()


def message_closed_early(world: World) -> None:
    stream = world.claude(MESSAGE_STREAM).messages.create(**_CLAUDE, stream=True)
    next(iter(stream))
    stream.close()


def message_helper_left_by_break(world: World) -> None:
    with world.claude(MESSAGE_STREAM).messages.stream(**_CLAUDE) as stream:
        for _ in stream:
            break


async def message_async(world: World) -> None:
    client = world.claude(MESSAGE, "AsyncAnthropic")
    await client.messages.create(model="claude-3-5-haiku-20241022", max_tokens=9, messages=ASK)


async def message_stream_async(world: World) -> None:
    client = world.claude(MESSAGE_STREAM, "AsyncAnthropic")
    async for _ in await client.messages.create(**_CLAUDE, stream=True):
        pass


async def messages_at_once(world: World) -> None:
    await asyncio.gather(message_async(world), message_stream_async(world))


SCENARIOS: Final[tuple[Callable[[World], Any], ...]] = (
    chat, chat_raw, chat_stream, chat_stream_usage, chat_closed_early, chat_left_by_break, chat_dropped, chat_async,
    chat_stream_async, chat_twice, message, message_raw, message_stream, message_helper, message_closed_early,
    message_helper_left_by_break, message_async, message_stream_async, messages_at_once,
)  # fmt: skip


def _ours() -> None:
    bootstrap.OtelLlmInstrumentor().instrument(settings=Settings())


def _theirs(peer: str, provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    if peer == "native_off":
        os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "false"
    elif peer == "langfuse":
        from langfuse import Langfuse  # type: ignore[import-not-found, unused-ignore]  # in its own environment

        Langfuse(public_key="p", secret_key="s", host="http://127.0.0.1:9", tracer_provider=provider)
    elif peer == "logfire":
        import logfire  # type: ignore[import-not-found, unused-ignore]  # in its own environment

        logfire.configure(
            send_to_logfire=False,
            console=False,
            additional_span_processors=[SimpleSpanProcessor(exporter)],
            metrics=False,
        )
        logfire.instrument_openai()
        logfire.instrument_anthropic()
    else:
        for sdk, name in (("openai", "OpenAIInstrumentor"), ("anthropic", "AnthropicInstrumentor")):
            if PEERS[peer]:
                getattr(importlib.import_module(PEERS[peer].format(sdk=sdk)), name)().instrument()


class _Heard(logging.Handler):
    """What OpenTelemetry, we and the other instrumentation complain about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("opentelemetry.exporter"):  # Langfuse's host is not there
            return
        if record.name.startswith(("opentelemetry", "otel_llm", "openinference", "logfire", "langfuse")):
            self.lines.append(f"{record.name}: {record.getMessage()}"[:500])


def _shown(span: ReadableSpan) -> dict[str, Any]:
    attributes = {
        name: value if isinstance(value, (int, float, str)) and len(str(value)) < 200 else str(value)[:200]
        for name, value in (span.attributes or {}).items()
    }
    return {
        "name": span.name,
        "scope": span.instrumentation_scope.name if span.instrumentation_scope else "",
        "id": f"{span.context.span_id:x}" if span.context else "",
        "parent": f"{span.parent.span_id:x}" if span.parent else "",
        "status": span.status.status_code.name,
        "attributes": attributes,
    }


def _metric_scopes(reader: InMemoryMetricReader) -> list[str]:
    """Scopes that have recorded a GenAI duration or token metric so far."""
    data = reader.get_metrics_data()
    return sorted(
        {
            scope.scope.name
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name.startswith("gen_ai.client.")
        }
    )


def main(peer: str, order: str) -> dict[str, Any]:
    """Play all scenarios; their results by name."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    reader = InMemoryMetricReader()
    heard = _Heard()
    logging.getLogger().addHandler(heard)
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDKs' own, about the models of the recordings
    if peer != "logfire":
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        from opentelemetry import metrics

        metrics.set_meter_provider(MeterProvider([reader]))
    if order == "ours_first":
        _ours()
        _theirs(peer, provider, exporter)
    else:
        _theirs(peer, provider, exporter)
        _ours()
    if "http" in sys.argv:
        from opentelemetry.instrumentation.httpx import (  # type: ignore[import-not-found, unused-ignore]  # likewise
            HTTPX2ClientInstrumentor,
        )

        HTTPX2ClientInstrumentor().instrument()
    openai: Any = importlib.import_module("langfuse.openai" if peer == "langfuse" else "openai")
    anthropic: Any = importlib.import_module("anthropic")
    tracer = trace.get_tracer("app")
    found: dict[str, Any] = {}
    with replay.serve() as server:
        world = World(server.base, openai, anthropic)
        for scenario in SCENARIOS:
            exporter.clear()
            heard.lines.clear()
            before = len(server.served)
            with context(user="ada"), tracer.start_as_current_span("app"):
                done = scenario(world)
                if asyncio.iscoroutine(done):
                    asyncio.run(done)
            gc.collect()
            assert bootstrap.door.observer is not None
            bootstrap.door.observer.reaper.settle()
            time.sleep(0.02)
            found[scenario.__name__] = {
                "spans": [_shown(span) for span in exporter.get_finished_spans() if not _pending(span)],
                "heard": list(heard.lines),
                "requests": len(server.served) - before,
            }
    found["metric_scopes"] = _metric_scopes(reader) if peer != "logfire" else []
    return found


def _pending(span: ReadableSpan) -> bool:
    """Logfire's mark of a span that has started."""
    return (span.attributes or {}).get("logfire.span_type") == "pending_span"


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(sys.argv[1], sys.argv[2])), flush=True)
    os._exit(0)  # Langfuse would go on trying to reach its host
