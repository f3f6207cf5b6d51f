"""SDKs that trace themselves, and a framework: their LLM spans are completed, their agents' spans are parents.

Anthropic's own spans are in `test_peers.py`, as `native`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm.settings import Settings
from tests import replay
from tests.conftest import OURS, Instrument, Seen
from tests.replay import Provider

CHAT = "mistral-chat-completions-1724ce6d97"
CHAT_STREAM = "mistral-chat-completions-stream-9376d3648f"
OPENAI_CHAT = "openai-chat-completions-3db40dd716"
OPENAI_STREAM = "openai-chat-completions-stream-553420615f"
CALL = "otel_llm.call.id"
TOKENS = "gen_ai.usage.input_tokens"
ASK = [{"role": "user", "content": "say hi"}]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with replay.serve() as served:
        yield served


@pytest.fixture
def seen(instrumented: Instrument) -> Seen:
    return instrumented(Settings())


def mistral(provider: Provider, recording: str, tracers: TracerProvider | None) -> Any:
    pytest.importorskip("mistralai")
    made = importlib.import_module("mistralai.client").Mistral(
        api_key="k", server_url=f"{provider.base}/{recording}"
    )
    if tracers is not None:
        importlib.import_module("mistralai.extra.observability").configure_telemetry(
            made, provider=tracers, redaction=False
        )
    return made


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def bearers(spans: Any) -> list[ReadableSpan]:
    return [span for span in spans if TOKENS in said(span)]


@pytest.mark.parametrize("stream", [False, True])
def test_mistrals_own_span_is_completed(seen: Seen, provider: Provider, stream: bool) -> None:
    with mistral(provider, CHAT_STREAM if stream else CHAT, seen.provider) as client:
        if stream:
            with client.chat.stream(model="mistral-small-latest", messages=ASK) as events:
                list(events)
        else:
            client.chat.complete(model="mistral-small-latest", messages=ASK)
    [theirs] = seen.get_finished_spans()
    assert theirs.instrumentation_scope is not None
    assert theirs.instrumentation_scope.name == "mistralai_sdk_tracer"
    attributes = said(theirs)
    assert attributes[TOKENS] == (291 if stream else 24)
    assert attributes[CALL]
    assert attributes.get("otel_llm.stream.outcome") == ("completed" if stream else None)
    assert ("gen_ai.response.time_to_first_chunk" in attributes) is stream


async def test_mistrals_own_span_is_completed_when_awaited(seen: Seen, provider: Provider) -> None:
    async with mistral(provider, CHAT, seen.provider) as client:
        await client.chat.complete_async(model="mistral-small-latest", messages=ASK)
    [theirs] = seen.get_finished_spans()
    assert CALL in said(theirs)


def test_a_span_that_goes_to_mistral_alone_leaves_ours_to_the_user(seen: Seen, provider: Provider) -> None:
    exporter = InMemorySpanExporter()
    vendors = TracerProvider()
    vendors.add_span_processor(SimpleSpanProcessor(exporter))
    with (
        mistral(provider, CHAT, vendors) as client,
        seen.provider.get_tracer("app").start_as_current_span("app") as app,
    ):
        client.chat.complete(model="mistral-small-latest", messages=ASK)
    [ours] = seen.llm(1)
    assert ours.parent == app.get_span_context()
    assert [CALL in said(span) for span in exporter.get_finished_spans()] == [False]
    vendors.shutdown()


def test_mistral_untraced_has_our_span(seen: Seen, provider: Provider) -> None:
    with mistral(provider, CHAT, None) as client:
        client.chat.complete(model="mistral-small-latest", messages=ASK)
    seen.llm(1)


def test_anthropics_other_spans_are_left_alone(seen: Seen, provider: Provider) -> None:
    anthropic = pytest.importorskip("anthropic")
    client = anthropic.Anthropic(
        api_key="k",
        base_url=f"{provider.base}/anthropic-messages-401-79ce2cc3d7",
        max_retries=0,
        open_telemetry={"tracer_provider": seen.provider},
    )
    with client, pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=ASK)
    [theirs] = seen.get_finished_spans()
    attributes = said(theirs)
    assert attributes["error.type"] == "authentication_error"
    assert theirs.status.status_code is trace.StatusCode.ERROR
    assert attributes[CALL]
    assert TOKENS not in attributes


@pytest.mark.parametrize("stream", [False, True])
async def test_the_chat_span_of_a_framework_is_completed_and_its_agent_is_a_parent(
    seen: Seen, provider: Provider, stream: bool
) -> None:
    pytest.importorskip("pydantic_ai")
    agents: Any = importlib.import_module("pydantic_ai")
    models: Any = importlib.import_module("pydantic_ai.models.openai")
    providers: Any = importlib.import_module("pydantic_ai.providers.openai")
    instrumented: Any = importlib.import_module("pydantic_ai.models.instrumented")
    recording = OPENAI_STREAM if stream else OPENAI_CHAT
    client = importlib.import_module("openai").AsyncOpenAI(
        api_key="k", base_url=f"{provider.base}/{recording}/v1"
    )
    model = models.OpenAIChatModel("gpt-5", provider=providers.OpenAIProvider(openai_client=client))
    settings = instrumented.InstrumentationSettings(tracer_provider=seen.provider)
    agent = agents.Agent(instrumented.InstrumentedModel(model, settings))
    agent.instrument = settings
    async with client:
        if stream:
            async with agent.run_stream("say hi") as result:
                await result.get_output()
        else:
            await agent.run("say hi")
    spans = seen.get_finished_spans()
    completed = [span for span in spans if CALL in said(span)]
    [chat] = completed
    assert said(chat)["gen_ai.operation.name"] == "chat"
    assert chat.instrumentation_scope is not None
    assert chat.instrumentation_scope.name == "pydantic-ai"
    assert said(chat)["otel_llm.cost.total"] > 0
    assert not [
        span for span in spans if span.instrumentation_scope and span.instrumentation_scope.name == OURS
    ]
    assert [span for span in bearers(spans) if said(span).get("gen_ai.operation.name") == "chat"] == [chat]


@pytest.mark.parametrize("instrument", [True, False])
def test_a_framework_around_an_instrumented_sdk_still_gives_one(
    seen: Seen, provider: Provider, instrument: bool
) -> None:
    """Two LLM spans for one call, the framework's and Anthropic's own: the inner one is the guest of the outer."""
    anthropic = pytest.importorskip("anthropic")
    client = anthropic.Anthropic(
        api_key="k",
        base_url=f"{provider.base}/anthropic-messages-25197da886",
        open_telemetry={"tracer_provider": seen.provider, "traces": instrument},
    )
    marks = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "claude-opus-4-6"}
    with client, seen.provider.get_tracer("framework").start_as_current_span("chat", attributes=marks):
        client.messages.create(model="claude-opus-4-6", max_tokens=9, messages=ASK)
    [chat] = seen.get_finished_spans()
    assert said(chat)[TOKENS] == 12
    assert ("http.route" in said(chat)) is instrument
