"""Adopt or create, case by case, with spans as other libraries open them."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import timeit
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, Sampler, SamplingResult
from opentelemetry.trace import Span, Tracer

from otel_llm import bootstrap
from otel_llm.hooks import tracer as hook
from otel_llm.settings import Settings
from otel_llm.telemetry import adoption
from tests.conftest import Instrument, Seen

ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "say hi"}]}
ANSWER = {
    "id": "c1",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
CHUNK = b'data: {"id":"c1","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
LAST = (
    b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
)
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
TOKENS = "gen_ai.usage.input_tokens"
CALL = "otel_llm.call.id"
URL = "https://api.openai.com/v1/chat/completions"


class _Events(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield from (CHUNK, LAST)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def answer(request: httpx2.Request) -> httpx2.Response:
    """A whole answer, a stream, or a failure that is worth a retry."""
    asked = json.loads(request.content)
    if asked.get("user") == "fails":
        return httpx2.Response(503, json={"error": {"message": "busy"}})
    if asked.get("stream"):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=_Events())
    return httpx2.Response(200, json=ANSWER)


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(transport=httpx2.MockTransport(answer)) as made:
        yield made


@pytest.fixture
def seen(instrumented: Instrument) -> Seen:
    return instrumented(Settings(cost=False))


def theirs(seen: Seen, scope: str = "their.library") -> Tracer:
    return seen.provider.get_tracer(scope)


def call(client: httpx2.Client, **changes: Any) -> None:
    client.post(URL, json={**ASK, **changes})


def names(seen: Seen) -> list[str]:
    return sorted(span.name for span in seen.get_finished_spans())


def named(seen: Seen, name: str) -> ReadableSpan:
    [one] = [span for span in seen.get_finished_spans() if span.name == name]
    return one


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.mark.parametrize(
    "marks",
    [
        pytest.param(CHAT, id="conventions"),
        pytest.param({"gen_ai.operation.name": "generate_content"}, id="another word for a chat"),
        pytest.param({"openinference.span.kind": "LLM"}, id="OpenInference"),
        pytest.param({"llm.request.type": "chat"}, id="OpenLLMetry's old mark"),
        pytest.param({"langfuse.observation.type": "generation"}, id="Langfuse"),
    ],
)
def test_a_current_llm_span_is_completed(seen: Seen, client: httpx2.Client, marks: dict[str, str]) -> None:
    with theirs(seen).start_as_current_span("theirs", attributes=marks):
        call(client)
    assert names(seen) == ["theirs"]
    assert said(named(seen, "theirs"))[TOKENS] == 3


@pytest.mark.parametrize(
    "marks",
    [
        pytest.param({}, id="any span"),
        pytest.param({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o-mini"}, id="agent"),
        pytest.param({"gen_ai.operation.name": "execute_tool"}, id="tool"),
        pytest.param({"gen_ai.operation.name": "invoke_workflow"}, id="workflow"),
        pytest.param({"gen_ai.operation.name": "embeddings"}, id="another operation"),
        pytest.param({**CHAT, "gen_ai.request.model": "gpt-4o"}, id="another model"),
        pytest.param({"openinference.span.kind": "AGENT"}, id="OpenInference agent"),
        pytest.param({"openinference.span.kind": "CHAIN"}, id="OpenInference chain"),
        pytest.param({"langfuse.observation.type": "span"}, id="Langfuse span"),
        pytest.param({"request_data": "{}"}, id="an attribute of an application"),
        pytest.param({"http.request.method": "POST", "url.full": URL}, id="HTTP"),
    ],
)  # fmt: skip
def test_any_other_span_is_a_parent(seen: Seen, client: httpx2.Client, marks: dict[str, str]) -> None:
    with theirs(seen).start_as_current_span("theirs", attributes=marks) as span:
        call(client)
    [ours] = seen.llm(1)
    assert ours.parent == span.get_span_context()
    assert CALL not in said(named(seen, "theirs"))


def test_a_model_may_be_named_with_its_provider(seen: Seen, client: httpx2.Client) -> None:
    marks = {**CHAT, "gen_ai.request.model": "openai/gpt-4o-mini"}
    with theirs(seen).start_as_current_span("theirs", attributes=marks):
        call(client)
    assert names(seen) == ["theirs"]


def test_an_llm_span_that_is_not_current_is_found(seen: Seen, client: httpx2.Client) -> None:
    with theirs(seen).start_as_current_span("app"):
        stray = theirs(seen).start_span("stray", attributes=CHAT)
        call(client)
        stray.end()
    assert names(seen) == ["app", "stray"]
    assert said(named(seen, "stray"))[TOKENS] == 3


def test_a_stray_serves_only_calls_beside_it(seen: Seen, client: httpx2.Client) -> None:
    stray = theirs(seen).start_span("stray", attributes=CHAT)
    with theirs(seen).start_as_current_span("tool"):
        call(client)
    stray.end()
    assert CALL not in said(named(seen, "stray"))
    seen.llm(1)


def test_strays_of_tasks_do_not_mix(seen: Seen) -> None:
    async def one(http: httpx2.AsyncClient, name: str) -> None:
        stray = theirs(seen).start_span(name, attributes=CHAT)
        await asyncio.sleep(0)
        await http.post(URL, json={**ASK, "user": name})
        stray.end()

    async def both() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
            await asyncio.gather(one(http, "ada"), one(http, "bob"))

    asyncio.run(both())
    assert {span.name: said(span)["user.id"] for span in seen.get_finished_spans()} == {
        "ada": "ada",
        "bob": "bob",
    }


def test_a_second_call_under_one_span_has_its_own(seen: Seen, client: httpx2.Client) -> None:
    with theirs(seen).start_as_current_span("theirs", attributes=CHAT) as span:
        call(client)
        call(client)
    [ours] = seen.llm(1)
    assert ours.parent == span.get_span_context()
    assert said(named(seen, "theirs"))[CALL] != said(ours)[CALL]


def test_the_next_attempt_after_a_failure_is_the_same_call(seen: Seen, client: httpx2.Client) -> None:
    with theirs(seen).start_as_current_span("theirs", attributes=CHAT):
        call(client, user="fails")
        call(client)
    assert names(seen) == ["theirs"]
    attributes = said(named(seen, "theirs"))
    assert attributes[TOKENS] == 3


def test_what_they_say_stays(seen: Seen, client: httpx2.Client) -> None:
    with theirs(seen).start_as_current_span("theirs", attributes=CHAT) as span:
        span.set_attribute("gen_ai.provider.name", "their word")
        call(client)
        span.set_attribute(TOKENS, 4)
    attributes = said(named(seen, "theirs"))
    assert attributes["gen_ai.provider.name"] == "their word"
    assert attributes[TOKENS] == 4
    assert named(seen, "theirs").status.is_unset


class _Drops(Sampler):
    """Leaves out the spans of one name, whatever their parent."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        *args: Any,
        **kwargs: Any,
    ) -> SamplingResult:
        if name == "unsampled":
            return SamplingResult(Decision.DROP)
        return ALWAYS_ON.should_sample(parent_context, trace_id, name, *args, **kwargs)

    def get_description(self) -> str:
        return "drops"


@pytest.mark.parametrize("current", [True, False])
def test_a_call_whose_span_was_not_sampled_gets_none(
    instrumented: Instrument, client: httpx2.Client, current: bool
) -> None:
    seen = instrumented(Settings(cost=False))
    seen.provider.sampler = _Drops()
    span = theirs(seen).start_span("unsampled", attributes=CHAT)
    if current:
        with trace.use_span(span):
            call(client)
    else:
        call(client)
    assert seen.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("scope", "counts"),
    [("com.anthropic.sdk.python", True), ("opentelemetry.instrumentation.genai.openai", False)],
)
def test_a_call_whose_span_was_not_sampled_is_counted_all_the_same(
    instrumented: Instrument, client: httpx2.Client, scope: str, counts: bool
) -> None:
    reader = InMemoryMetricReader()
    seen = instrumented(Settings(cost=False), meter_provider=MeterProvider([reader]))
    seen.provider.sampler = _Drops()
    with theirs(seen, scope).start_as_current_span("unsampled", attributes=CHAT):
        call(client)
    data = reader.get_metrics_data()
    assert bool(data and data.resource_metrics) is counts


@pytest.mark.parametrize(
    ("mode", "there"), [("NO_CONTENT", False), ("SPAN_ONLY", True), ("EVENT_ONLY", False)]
)
def test_content_comes_by_our_mode(
    instrumented: Instrument, client: httpx2.Client, mode: str, there: bool
) -> None:
    seen = instrumented(Settings(cost=False, content=mode))
    with theirs(seen).start_as_current_span("theirs", attributes=CHAT):
        call(client)
    attributes = said(named(seen, "theirs"))
    assert ("gen_ai.input.messages" in attributes) is there
    assert ("gen_ai.output.messages" in attributes) is there


def test_nothing_is_kept_of_spans_that_are_gone(seen: Seen, client: httpx2.Client) -> None:
    for _ in range(50):
        stray = theirs(seen).start_span("stray", attributes=CHAT)
        call(client, stream=True)
        stray.end()
        with theirs(seen).start_as_current_span("current", attributes=CHAT):
            call(client)
        seen.clear()
    del stray
    gc.collect()
    found = seen.observer.adoption
    assert found is not None
    assert (len(found._pipelines), len(found._serving), len(found._watched), found._waiting) == (0, 0, 0, [])


def test_a_span_that_ends_before_the_stream_began_leaves_it_to_ours(
    seen: Seen, client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with theirs(seen).start_as_current_span("theirs", attributes=CHAT) as span:
        response = client.send(client.build_request("POST", URL, json={**ASK, "stream": True}), stream=True)
    response.read()
    [ours] = seen.llm(1)
    assert ours.parent == span.get_span_context()
    assert said(ours)[TOKENS] == 3
    assert TOKENS not in said(named(seen, "theirs"))
    assert not caplog.records


def test_a_span_that_ends_while_the_stream_runs_has_what_came_till_then(
    seen: Seen, client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    span = theirs(seen).start_span("theirs", attributes=CHAT)
    with trace.use_span(span):
        response = client.send(client.build_request("POST", URL, json={**ASK, "stream": True}), stream=True)
    pieces = response.iter_raw()
    next(pieces)
    span.end()
    list(pieces)
    attributes = said(named(seen, "theirs"))
    assert attributes["otel_llm.stream.outcome"] == "closed_early"
    assert attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert names(seen) == ["theirs"]
    assert not caplog.records


def test_a_span_that_its_library_drops_is_exported_as_it_is(seen: Seen, client: httpx2.Client) -> None:
    def forget() -> tuple[int, int]:
        stray: Span | None = theirs(seen).start_span("dropped", attributes=CHAT)
        assert stray is not None
        context = stray.get_span_context()
        client.post(URL, json={**ASK, "stream": True})
        stray = None
        return context.trace_id, context.span_id

    ids = forget()
    gc.collect()
    seen.observer.reaper.settle()
    dropped = named(seen, "dropped")
    assert dropped.context is not None
    assert (dropped.context.trace_id, dropped.context.span_id) == ids
    assert said(dropped)[TOKENS] == 3
    assert dropped.end_time is not None
    assert names(seen) == ["dropped"]


def test_a_span_that_is_still_open_at_the_end_of_the_program_is_ended(
    seen: Seen, client: httpx2.Client
) -> None:
    stray = theirs(seen).start_span("open", attributes=CHAT)
    client.post(URL, json={**ASK, "stream": True})
    seen.observer.shutdown()
    assert names(seen) == ["open"]
    assert not stray.is_recording()


def test_a_span_that_ended_properly_appears_once(seen: Seen, client: httpx2.Client) -> None:
    stray: Span | None = theirs(seen).start_span("theirs", attributes=CHAT)
    assert stray is not None
    client.post(URL, json={**ASK, "stream": True})
    stray.end()
    stray = None
    gc.collect()
    seen.observer.shutdown()
    assert names(seen) == ["theirs"]


def test_a_second_part_that_never_comes_leaves_the_call_to_ours(seen: Seen, client: httpx2.Client) -> None:
    with theirs(seen, "logfire.openai").start_as_current_span("first part", attributes=CHAT) as first:
        response = client.send(client.build_request("POST", URL, json={**ASK, "stream": True}), stream=True)
    response.read()
    assert names(seen) == ["first part"]
    seen.observer.shutdown()
    [ours] = seen.llm(1)
    assert ours.parent == first.get_span_context()
    assert said(ours)[TOKENS] == 3


def test_a_first_part_of_the_next_call_is_no_second_part(seen: Seen, client: httpx2.Client) -> None:
    logfire = theirs(seen, "logfire.openai")
    with logfire.start_as_current_span("first part", attributes=CHAT):
        response = client.send(client.build_request("POST", URL, json={**ASK, "stream": True}), stream=True)
    response.read()
    with logfire.start_as_current_span("next", attributes=CHAT):
        call(client)
    logfire.start_span("second part", attributes={**CHAT, "logfire.span_type": "log"}).end()
    assert said(named(seen, "second part"))["otel_llm.stream.outcome"] == "completed"
    assert "otel_llm.stream.outcome" not in said(named(seen, "next"))


# Two libraries, one call.


def test_an_llm_span_inside_that_of_another_library_is_its_guest(seen: Seen, client: httpx2.Client) -> None:
    with theirs(seen, "outer").start_as_current_span("outer", attributes=CHAT) as outer:
        with theirs(seen, "inner").start_as_current_span(
            "inner", attributes={**CHAT, "inner.fact": 1}
        ) as inner:
            call(client)
            inner.set_attribute("gen_ai.operation.name", "text_completion")
            inner.set_attribute("inner.more", 2)
            inner.set_status(trace.StatusCode.ERROR)
            inner.update_name("renamed")
        assert inner.get_span_context() == outer.get_span_context()
        assert outer.is_recording()
    assert names(seen) == ["outer"]
    one = named(seen, "outer")
    attributes = said(one)
    assert (attributes["inner.fact"], attributes["inner.more"], attributes[TOKENS]) == (1, 2, 3)
    assert attributes["gen_ai.operation.name"] == "chat"
    assert one.status.is_unset


def test_a_guest_that_fails_leaves_its_host_alone(seen: Seen) -> None:
    with theirs(seen, "outer").start_as_current_span("outer", attributes=CHAT):
        with (
            pytest.raises(ValueError, match="inner"),
            theirs(seen, "inner").start_as_current_span("inner", attributes=CHAT),
        ):
            raise ValueError("inner")
        with theirs(seen, "inner").start_span("inner", attributes=CHAT) as guest:
            assert isinstance(guest, Span)
    assert names(seen) == ["outer"]
    assert not named(seen, "outer").events


def test_a_guest_does_not_crowd_its_host_out(seen: Seen) -> None:
    with theirs(seen, "outer").start_as_current_span("outer", attributes=CHAT):
        with theirs(seen, "inner").start_as_current_span("inner", attributes=CHAT) as guest:
            for number in range(300):
                guest.set_attribute(f"inner.{number}", number)
        guest.set_attribute("inner.late", 1)
    attributes = said(named(seen, "outer"))
    assert attributes["gen_ai.operation.name"] == "chat"
    assert len(attributes) <= 100


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        pytest.param({"gen_ai.operation.name": "invoke_agent"}, CHAT, id="agent and chat"),
        pytest.param(CHAT, {"gen_ai.operation.name": "execute_tool"}, id="chat and tool"),
        pytest.param(CHAT, {**CHAT, "gen_ai.request.model": "gpt-5"}, id="two models"),
        pytest.param(CHAT, {"gen_ai.operation.name": "embeddings"}, id="chat and embeddings"),
    ],
)
def test_spans_of_different_things_stay_two(seen: Seen, outer: dict[str, str], inner: dict[str, str]) -> None:
    with (
        theirs(seen, "outer").start_as_current_span("outer", attributes=outer),
        theirs(seen, "inner").start_as_current_span("inner", attributes=inner),
    ):
        pass
    assert names(seen) == ["inner", "outer"]


def test_spans_of_one_library_stay_as_they_are(seen: Seen) -> None:
    with (
        theirs(seen).start_as_current_span("outer", attributes=CHAT),
        theirs(seen).start_as_current_span("inner", attributes=CHAT),
    ):
        pass
    assert names(seen) == ["inner", "outer"]


def test_after_a_call_the_host_takes_no_other_guest(seen: Seen, client: httpx2.Client) -> None:
    with theirs(seen, "outer").start_as_current_span("outer", attributes=CHAT):
        call(client)
        with theirs(seen, "inner").start_as_current_span("inner", attributes=CHAT):
            call(client)
    assert names(seen) == ["inner", "outer"]
    assert said(named(seen, "inner"))[CALL] != said(named(seen, "outer"))[CALL]


# Where spans end.


@pytest.fixture
def elsewhere() -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


@pytest.mark.parametrize("current", [True, False])
def test_a_span_that_ends_in_another_pipeline_is_no_substitute_for_ours(
    seen: Seen,
    client: httpx2.Client,
    elsewhere: tuple[TracerProvider, InMemorySpanExporter],
    current: bool,
) -> None:
    provider, exporter = elsewhere
    with theirs(seen).start_as_current_span("app") as app:
        foreign = provider.get_tracer("vendor").start_span("foreign", attributes=CHAT)
        if current:
            with trace.use_span(foreign):
                call(client)
        else:
            call(client)
        foreign.end()
    [ours] = seen.llm(1)
    assert ours.parent == app.get_span_context()
    assert [CALL in said(span) for span in exporter.get_finished_spans()] == [False]


def test_two_pipelines_keep_a_span_each(
    seen: Seen, elsewhere: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    provider, exporter = elsewhere
    with (
        provider.get_tracer("vendor").start_as_current_span("foreign", attributes=CHAT),
        theirs(seen).start_as_current_span("theirs", attributes=CHAT),
    ):
        pass
    assert names(seen) == ["theirs"]
    assert [span.name for span in exporter.get_finished_spans()] == ["foreign"]


# Switches.


def test_without_adoption_there_are_two(instrumented: Instrument, client: httpx2.Client) -> None:
    seen = instrumented(Settings(cost=False, adopt=False))
    with theirs(seen).start_as_current_span("theirs", attributes=CHAT):
        call(client)
    assert len(seen.get_finished_spans()) == 2
    assert CALL not in said(named(seen, "theirs"))


def test_a_library_that_switches_all_others_off_is_completed_all_the_same(
    seen: Seen, client: httpx2.Client
) -> None:
    with theirs(seen).start_as_current_span("theirs", attributes=CHAT), suppress_instrumentation():
        call(client)
    assert said(named(seen, "theirs"))[TOKENS] == 3


def test_switched_off_without_an_llm_span_means_off(seen: Seen, client: httpx2.Client) -> None:
    with theirs(seen).start_as_current_span("app"), suppress_instrumentation():
        call(client)
    assert names(seen) == ["app"]


@pytest.mark.parametrize(
    ("scope", "counts"),
    [
        ("com.anthropic.sdk.python", True),
        ("com.anthropic.sdk.python.bedrock", True),
        ("mistralai_sdk_tracer", True),
        ("openinference.instrumentation.openai", True),
        ("langfuse-sdk", True),
        ("opentelemetry.instrumentation.genai.openai", False),
        ("opentelemetry.instrumentation.openai.v1", False),
        ("pydantic-ai", False),
        ("unknown", False),
    ],
)
def test_metrics_are_ours_where_the_library_records_none(
    instrumented: Instrument, client: httpx2.Client, scope: str, counts: bool
) -> None:
    reader = InMemoryMetricReader()
    seen = instrumented(Settings(cost=False), meter_provider=MeterProvider([reader]))
    with theirs(seen, scope).start_as_current_span("theirs", attributes=CHAT):
        call(client)
    data = reader.get_metrics_data()
    assert bool(data and data.resource_metrics) is counts


def test_a_fault_of_ours_costs_others_no_span(
    seen: Seen, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("ours")

    for name in ("host", "note", "find", "covers"):
        monkeypatch.setattr(adoption.Adoption, name, broken)
    with (
        caplog.at_level(logging.CRITICAL, "otel_llm"),
        theirs(seen).start_as_current_span("theirs", attributes=CHAT),
    ):
        call(client)
    assert names(seen) == ["theirs"]


def test_detached_the_tracer_is_as_it_was(instrumented: Instrument) -> None:
    from opentelemetry.sdk.trace import Tracer as SdkTracer

    before = SdkTracer.start_span
    instrumented(Settings(cost=False))
    assert SdkTracer.start_span is not before
    bootstrap.OtelLlmInstrumentor().uninstrument()
    assert SdkTracer.start_span is before


# What it costs.


def _microseconds(work: Any) -> float:
    return float(min(timeit.repeat(work, number=2000, repeat=7)) / 2000 * 1e6)


def test_without_a_current_span_the_look_costs_less_than_a_microsecond(seen: Seen) -> None:
    found = seen.observer.adoption
    assert found is not None
    context = Context()
    assert asyncio.run(_apart(lambda: _microseconds(lambda: found.find(context, "chat", "m")))) < 1.0


def test_a_span_that_is_no_llm_call_costs_less_than_two_microseconds_more(seen: Seen) -> None:
    class Scope:
        name = "web"

    class FakeTracer:
        _instrumentation_scope = Scope()

        def start_span(
            self, name: str, context: Any = None, kind: Any = None, attributes: Any = None
        ) -> None:
            return None

    module: Any = types.ModuleType("sdk")
    module.Tracer = FakeTracer
    tracer = FakeTracer()
    attributes = {"http.request.method": "GET", "url.full": "http://x", "server.port": 80}
    without = _microseconds(lambda: tracer.start_span("GET", attributes=attributes))
    assert hook.patch(module, bootstrap.door) is not None
    assert seen.observer.adoption is not None
    assert _microseconds(lambda: tracer.start_span("GET", attributes=attributes)) - without < 2.0


async def _apart(work: Any) -> float:
    """In a context of its own, in which no span was ever started."""
    import contextvars

    return float(contextvars.Context().run(work))
