"""What holds for all hooks: how calls begin, end, nest, repeat and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import json
import logging
import subprocess
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import httpx2
import openai
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider

from otel_llm import observer as observer_module
from otel_llm.bootstrap import OtelLlmInstrumentor
from otel_llm.context import context
from otel_llm.observer import Call
from otel_llm.settings import Settings
from tests.conftest import Instrument
from tests.hooks.clients import ASYNC, PLAIN, TLS, AsyncClient, Client
from tests.hooks.server import ANSWER, ASK, ASK_STREAM, CHAT, EVENTS, Provider

pytestmark = pytest.mark.usefixtures("untroubled")

plain_clients = pytest.mark.parametrize("client", PLAIN, ids=lambda client: str(client.name))
async_clients = pytest.mark.parametrize("client", ASYNC, ids=lambda client: str(client.name))
_left_open = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


class Mistake(Exception):
    """Of the program, in its own loop."""


async def _drained(pieces: AsyncIterator[Any], tick: Callable[[], None]) -> None:
    async for _ in pieces:
        tick()


async def _mistaken(close: Callable[[], Any]) -> None:
    try:
        raise Mistake
    finally:
        await close()


# How a stream ends


@plain_clients
def test_a_stream_that_is_drained_is_completed(
    client: Client, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    opened = client.open(provider.url("sse", ""))
    assert list(opened.pieces)
    seen.llm(1)
    opened.close()
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "completed"
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes["gen_ai.response.time_to_first_chunk"] > 0


@plain_clients
@pytest.mark.parametrize("leave", ["close", "exception"])
def test_a_stream_that_is_left_tells_what_had_come(
    client: Client, leave: str, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented(Settings(content="SPAN_ONLY", content_format="json"))
    opened = client.open(provider.url("sse+lockstep", ""))
    for _ in range(2):
        next(opened.pieces)
        provider.turns.release()
    seen.llm(0, 0)
    if leave == "close":
        opened.close()
    else:
        with pytest.raises(Mistake), contextlib.closing(opened):
            raise Mistake
    provider.let_all_go()
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "closed_early"
    assert "gen_ai.usage.output_tokens" not in attributes
    assert "Hel" in attributes["gen_ai.output.messages"]
    assert "error.type" not in attributes


@plain_clients
def test_a_stream_that_is_closed_after_its_last_event_is_completed(
    client: Client, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    opened = client.open(provider.url("sse+lockstep", ""))
    for number, _ in enumerate(opened.pieces, start=1):
        if number == len(EVENTS):
            break
        provider.turns.release()
    opened.close()
    provider.let_all_go()
    assert seen.one()["otel_llm.stream.outcome"] == "completed"


@plain_clients
@pytest.mark.parametrize("way", ["reset", "cut"])
def test_a_stream_that_the_network_breaks_is_failed(
    client: Client, way: str, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    opened = client.open(provider.url(f"sse+{way}", ""))
    next(opened.pieces)
    provider.turns.release()
    with pytest.raises(Exception, match=r"^"):
        list(opened.pieces)
    opened.close()
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "failed"
    assert attributes["error.type"]


@plain_clients
@_left_open
def test_a_stream_that_is_forgotten_is_ended_by_the_collector(
    client: Client, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    opened = client.open(provider.url("sse+lockstep", ""))
    next(opened.pieces)
    del opened
    gc.collect()
    provider.let_all_go()
    # httpx2 closes a response whose iterator is collected.
    assert seen.one()["otel_llm.stream.outcome"] in {"abandoned", "closed_early"}


@plain_clients
@_left_open
def test_an_answer_that_nobody_ever_reads_is_abandoned(
    client: Client, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    opened = client.open(provider.url("sse+lockstep", ""))
    del opened
    gc.collect()
    provider.let_all_go()
    assert seen.one()["otel_llm.stream.outcome"] == "abandoned"


@plain_clients
def test_a_server_that_is_not_there_is_a_failure(client: Client, instrumented: Instrument) -> None:
    seen = instrumented()
    with pytest.raises(Exception, match=r"^"):
        client.post("http://127.0.0.1:9")
    attributes = seen.one()
    assert attributes["error.type"]
    assert attributes["server.port"] == 9


@async_clients
async def test_an_async_stream_that_is_drained_is_completed(
    client: AsyncClient, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    opened = await client.open(provider.url("sse", ""))
    assert [piece async for piece in opened.pieces]
    seen.llm(1)
    await opened.close()
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "completed"
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes["gen_ai.response.time_to_first_chunk"] > 0


@async_clients
@pytest.mark.parametrize("leave", ["close", "exception"])
async def test_an_async_stream_that_is_left_tells_what_had_come(
    client: AsyncClient, leave: str, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented(Settings(content="SPAN_ONLY", content_format="json"))
    opened = await client.open(provider.url("sse+lockstep", ""))
    for _ in range(2):
        await opened.pieces.__anext__()
        provider.turns.release()
    seen.llm(0, 0)
    if leave == "close":
        await opened.close()
    else:
        with pytest.raises(Mistake):
            await _mistaken(opened.close)
    provider.let_all_go()
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "closed_early"
    assert "gen_ai.usage.output_tokens" not in attributes
    assert "Hel" in attributes["gen_ai.output.messages"]


@async_clients
@pytest.mark.parametrize("way", ["reset", "cut"])
async def test_an_async_stream_that_the_network_breaks_is_failed(
    client: AsyncClient, way: str, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    opened = await client.open(provider.url(f"sse+{way}", ""))
    with pytest.raises(Exception, match=r"^"):
        await _drained(opened.pieces, provider.turns.release)
    await opened.close()
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "failed"
    assert attributes["error.type"]


@async_clients
@pytest.mark.parametrize("where", ["reading", "working"])
async def test_a_stream_whose_task_is_cancelled_is_cancelled(
    client: AsyncClient, where: str, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    reached = asyncio.Event()

    async def program() -> None:
        opened = await client.open(provider.url("sse+lockstep", ""))
        try:
            async for _ in opened.pieces:
                reached.set()
                if where == "working":
                    await asyncio.sleep(10)
        finally:
            await opened.close()

    task = asyncio.create_task(program())
    await reached.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    provider.let_all_go()
    assert seen.one()["otel_llm.stream.outcome"] == "cancelled"


@async_clients
async def test_a_call_that_is_cancelled_before_its_answer_is_a_failure(
    client: AsyncClient, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    task = asyncio.create_task(client.post(provider.url("json+late", "")))
    while not provider.sent:  # noqa: ASYNC110  (it is filled by another thread)
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    provider.let_all_go()
    assert "CancelledError" in seen.one()["error.type"]


@async_clients
@_left_open
def test_an_async_stream_that_is_forgotten_is_ended_by_the_collector(
    client: AsyncClient, provider: Provider, instrumented: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    seen = instrumented()

    async def program() -> None:
        opened = await client.open(provider.url("sse+lockstep", ""))
        await opened.pieces.__anext__()

    asyncio.run(program())
    gc.collect()
    provider.let_all_go()
    assert seen.one()["otel_llm.stream.outcome"] in {"abandoned", "closed_early", "cancelled"}
    assert "detach" not in caplog.text


@async_clients
async def test_an_answer_that_does_not_stream_ends_with_its_body(
    client: AsyncClient, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    assert json.loads(await client.post(provider.url("json", ""))) == ANSWER
    attributes = seen.one()
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert "otel_llm.stream.outcome" not in attributes


_PROGRAM = """
import asyncio, json, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

class Print(SpanExporter):
    def export(self, spans):
        for span in spans:
            print(json.dumps(dict(span.attributes)), flush=True)

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Print()))
from otel_llm.bootstrap import OtelLlmInstrumentor
from otel_llm.context import context
OtelLlmInstrumentor().instrument(tracer_provider=provider)
from tests.hooks import clients
name, url = sys.argv[1:]
for client in clients.PLAIN:
    if client.name == name:
        kept = client.open(url)
        next(kept.pieces)
for client in clients.ASYNC:
    if client.name == name:
        async def program():
            global kept
            kept = await client.open(url)
            await kept.pieces.__anext__()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(program())
"""


@pytest.mark.parametrize("name", ["httpx", "async httpx2", "aiohttp", "requests", "botocore"])
def test_a_stream_is_ended_when_the_program_ends(name: str, provider: Provider) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, name, provider.url("sse+lockstep", "")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    provider.let_all_go()
    spans = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [span["otel_llm.stream.outcome"] for span in spans] == ["abandoned"], ran.stderr
    assert "otel-llm failed" not in ran.stderr


# Whose child, and for how long


@plain_clients
def test_the_span_is_current_while_a_request_is_sent_and_never_after(
    client: Client, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    tracer = seen.provider.get_tracer("program")
    with tracer.start_as_current_span("program") as mine:
        client.post(provider.url("json", ""))
        assert trace.get_current_span() is mine
        opened = client.open(provider.url("sse", ""))
        assert trace.get_current_span() is mine
        for _ in opened.pieces:
            assert trace.get_current_span() is mine
        opened.close()
        assert trace.get_current_span() is mine
    for span in seen.llm(2):
        assert span.parent is not None
        assert span.parent.span_id == mine.get_span_context().span_id


@async_clients
async def test_the_span_is_current_while_an_async_request_is_sent_and_never_after(
    client: AsyncClient, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    tracer = seen.provider.get_tracer("program")
    with tracer.start_as_current_span("program") as mine:
        await client.post(provider.url("json", ""))
        assert trace.get_current_span() is mine
        opened = await client.open(provider.url("sse", ""))
        assert trace.get_current_span() is mine
        async for _ in opened.pieces:
            assert trace.get_current_span() is mine
        await opened.close()
        assert trace.get_current_span() is mine
    for span in seen.llm(2):
        assert span.parent is not None
        assert span.parent.span_id == mine.get_span_context().span_id


@pytest.mark.parametrize("ours_first", [True, False])
def test_the_http_span_of_the_httpx_instrumentation_is_the_child(
    ours_first: bool, provider: Provider, instrumented: Instrument
) -> None:
    shared = TracerProvider()
    theirs = HTTPXClientInstrumentor()
    current = []
    try:
        if ours_first:
            seen = instrumented(tracer_provider=shared)
            theirs.instrument(tracer_provider=shared)
        else:
            theirs.instrument(tracer_provider=shared)
            seen = instrumented(tracer_provider=shared)
        hooks = {"request": [lambda request: current.append(trace.get_current_span())]}
        with httpx.Client(verify=TLS, event_hooks=hooks) as client:
            client.post(provider.url("json"), json=ASK)
            with client.stream("POST", provider.url("sse"), json=ASK_STREAM) as response:
                response.read()
    finally:
        theirs.uninstrument()
    ours = [span.context.span_id for span in seen.llm(2)]
    assert [span.get_span_context().span_id for span in current] == ours
    http = [span for span in seen.get_finished_spans() if span.name == "POST"]
    assert [span.parent.span_id for span in http if span.parent] == ours


async def test_two_hundred_tasks_have_the_right_parents(
    provider: Provider, instrumented: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    seen = instrumented()
    tracer = seen.provider.get_tracer("program")
    wanted = {}

    def answer(request: httpx2.Request) -> httpx2.Response:
        async def pieces() -> AsyncIterator[bytes]:
            for event in EVENTS:
                await asyncio.sleep(0)
                yield event

        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=pieces())

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), verify=TLS) as client:

        async def program(number: int) -> None:
            with tracer.start_as_current_span(f"program {number}") as mine:
                wanted[number] = mine.get_span_context().span_id
                body = {**ASK_STREAM, "model": f"gpt-{number}"}
                async with client.stream("POST", "http://llm.test" + CHAT, json=body) as response:
                    async for _ in response.aiter_raw():
                        assert trace.get_current_span() is mine

        await asyncio.gather(*(program(number) for number in range(200)))
    found = {}
    for span in seen.llm(200):
        assert span.parent is not None
        found[int(str((span.attributes or {})["gen_ai.request.model"])[4:])] = span.parent.span_id
    assert found == wanted
    assert "detach" not in caplog.text


def test_threads_have_the_right_parents(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    tracer = seen.provider.get_tracer("program")
    wanted = {}
    url = provider.url("sse")

    def program(number: int) -> None:
        with tracer.start_as_current_span(f"program {number}") as mine:
            wanted[number] = mine.get_span_context().span_id
            with (
                httpx.Client(verify=TLS) as client,
                client.stream("POST", url, json={**ASK_STREAM, "model": f"gpt-{number}"}) as response,
            ):
                assert list(response.iter_raw()) == list(EVENTS)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(program, range(24)))
    found = {}
    for span in seen.llm(24):
        assert span.parent is not None
        found[int(str((span.attributes or {})["gen_ai.request.model"])[4:])] = span.parent.span_id
    assert found == wanted


@_left_open
async def test_async_generators_that_are_left_leave_no_context_behind(
    provider: Provider, instrumented: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    seen = instrumented()

    async def words() -> AsyncIterator[bytes]:
        async with (
            httpx2.AsyncClient(verify=TLS) as client,
            client.stream("POST", provider.url("sse+lockstep"), json=ASK_STREAM) as response,
        ):
            async for piece in response.aiter_raw():
                yield piece

    async def program() -> None:
        async for _ in words():
            break

    for _ in range(5):
        await asyncio.create_task(program())
        provider.let_all_go()
    gc.collect()
    await asyncio.sleep(0.1)
    for span in seen.llm(5):
        assert (span.attributes or {})["otel_llm.stream.outcome"] == "closed_early"
    assert "detach" not in caplog.text


@_left_open
async def test_a_coroutine_that_is_destroyed_while_it_sends_leaves_no_context_behind(
    provider: Provider, instrumented: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    seen = instrumented()

    async def forever(request: httpx2.Request) -> httpx2.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(forever), verify=TLS)
    sending = client.post("http://llm.test" + CHAT, json=ASK)

    contextvars.copy_context().run(sending.send, None)
    sending.close()
    assert seen.one()["error.type"] == "GeneratorExit"
    assert not trace.get_current_span().get_span_context().is_valid
    assert "detach" not in caplog.text


# Whether at all


@plain_clients
def test_a_suppressed_call_is_not_observed(
    client: Client, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with suppress_instrumentation():
        client.post(provider.url("json", ""))
    seen.llm(0, 0)


@plain_clients
def test_an_excluded_host_is_not_observed(
    client: Client, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented(Settings(excluded_hosts=("127.0.0.1",)))
    client.post(provider.url("json", ""))
    seen.llm(0, 0)


@async_clients
async def test_a_suppressed_async_call_is_not_observed(
    client: AsyncClient, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with suppress_instrumentation():
        await client.post(provider.url("json", ""))
    seen.llm(0, 0)


def test_a_call_inside_of_a_call_is_part_of_it(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()

    def relay(request: httpx.Request) -> httpx.Response:
        with httpx2.Client(verify=TLS) as inner:
            answer = inner.post(provider.url("json"), content=request.content)
            return httpx.Response(answer.status_code, content=answer.content)

    with httpx.Client(transport=httpx.MockTransport(relay), verify=TLS) as client:
        assert client.post("http://gateway.test" + CHAT, json=ASK).json() == ANSWER
    assert seen.one()["server.address"] == "gateway.test"


@pytest.mark.parametrize(
    ("hosts", "sent"),
    [
        pytest.param((), False, id="not by itself"),
        pytest.param(("api.openai.com",), False, id="not to others"),
        pytest.param(("127.0.0.1",), True, id="to those that are named"),
        pytest.param(("*",), True, id="to all"),
    ],
)
@plain_clients
def test_the_trace_context_is_sent_only_where_it_was_asked_for(
    client: Client, hosts: tuple[str, ...], sent: bool, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented(Settings(propagate_to=hosts))
    client.post(provider.url("json", ""))
    headers = provider.sent[0].headers
    assert ("traceparent" in headers) is sent
    if sent:
        assert format(seen.llm(1)[0].context.span_id, "016x") in headers["traceparent"]


def test_uninstrumenting_restores_every_client(instrumented: Instrument) -> None:
    import aiohttp
    import botocore.httpsession  # type: ignore[import-untyped]  # it has no stubs
    import requests

    def methods() -> list[Any]:
        return [
            httpx.Client.send,
            httpx.AsyncClient.send,
            httpx2.Client.send,
            httpx2.AsyncClient.send,
            aiohttp.ClientSession._request,
            requests.Session.send,
            botocore.httpsession.URLLib3Session.send,
        ]

    before = methods()
    instrumented()
    during = methods()
    assert all(one is not other for one, other in zip(before, during, strict=True))
    assert [one.__name__ for one in before] == [one.__name__ for one in during]
    OtelLlmInstrumentor().uninstrument()
    assert methods() == before


def test_a_wrapper_that_somebody_put_round_ours_survives_and_ours_sleeps(
    monkeypatch: pytest.MonkeyPatch, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    ours = httpx.Client.send
    counted = []

    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        counted.append(1)
        return ours(self, *args, **kwargs)

    monkeypatch.setattr(httpx.Client, "send", theirs)
    OtelLlmInstrumentor().uninstrument()
    with httpx.Client(verify=TLS) as client:
        client.post(provider.url("json"), json=ASK)
        seen.llm(0, 0)
        again = instrumented()
        client.post(provider.url("json"), json=ASK)
    again.llm(1)
    assert len(counted) == 2
    OtelLlmInstrumentor().uninstrument()
    monkeypatch.undo()
    httpx.Client.send = ours.__wrapped__  # type: ignore[method-assign, attr-defined]  # what we had wrapped at first


_ALIASED = """
import httpx2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otel_llm.bootstrap import OtelLlmInstrumentor, door

def attach():
    OtelLlmInstrumentor().instrument(tracer_provider=provider)

seen = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(seen))
{steps}
import httpx
assert httpx is httpx2
answer = lambda request: httpx.Response(200, json={{"id": "x", "choices": []}})
with httpx.Client(transport=httpx.MockTransport(answer)) as client:
    client.post("http://llm.test/v1/chat/completions", json={{"model": "m", "messages": []}})
assert len(seen.get_finished_spans()) == 1, seen.get_finished_spans()
OtelLlmInstrumentor().uninstrument()
assert not hasattr(httpx2.Client.send, "__wrapped__")
"""


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param("httpx2.alias_httpx(); attach()", id="alias first"),
        pytest.param("attach(); httpx2.alias_httpx()", id="hooks first"),
    ],
)
def test_httpx2_under_the_name_of_httpx_is_observed_once(steps: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _ALIASED.format(steps=steps)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "otel-llm failed" not in ran.stderr


# Again


def test_the_retries_of_an_sdk_are_linked_attempts(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    client = openai.OpenAI(base_url=provider.url("429-429-200+json", "/v1"), api_key="x", max_retries=2)
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])
    client.close()
    first, second, third = seen.llm(3)
    attributes = [dict(span.attributes or {}) for span in (first, second, third)]
    assert [one.get("otel_llm.attempt") for one in attributes] == [None, 2, 3]
    assert [one.get("gen_ai.usage.output_tokens") for one in attributes] == [None, None, 7]
    assert [one.get("error.type") for one in attributes] == ["too_busy", "too_busy", None]
    assert not first.links
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert [link.context.span_id for link in third.links] == [second.context.span_id]


def test_a_body_that_a_program_sends_again_after_a_failure_is_an_attempt(
    provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    url = provider.url("500-200+json")
    with httpx.Client(verify=TLS) as client:
        client.post(url, json=ASK)
        client.post(url, json={**ASK, "seed": 1})
        client.post(url, json=ASK)
        client.post(url, json=ASK)
    attempts = [(span.attributes or {}).get("otel_llm.attempt") for span in seen.llm(4)]
    assert attempts == [None, None, 2, None]


def test_another_client_is_no_retry(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    url = provider.url("500-200+json")
    for _ in range(2):
        with httpx.Client(verify=TLS) as client:
            client.post(url, json=ASK)
    assert [(span.attributes or {}).get("otel_llm.attempt") for span in seen.llm(2)] == [None, None]


# Nothing is left behind


def _pieces() -> Iterator[bytes]:
    yield from EVENTS


def _canned(request: httpx.Request) -> httpx.Response:
    if b'"stream"' in request.content:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=_pieces())
    if b'"seed"' in request.content:
        return httpx.Response(500, json={"error": {"message": "no"}})
    return httpx.Response(200, json=ANSWER)


def test_thousands_of_calls_leave_no_call_behind(instrumented: Instrument) -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)
    seen = instrumented(Settings(metrics="both"))
    url = "http://llm.test" + CHAT
    kept: weakref.WeakSet[Call] = weakref.WeakSet()
    begin = observer_module.Observer.begin

    with httpx.Client(transport=httpx.MockTransport(_canned), verify=TLS) as client:

        def rounds(calls: int, streams: int) -> None:
            for _ in range(calls):
                client.post(url, json=ASK)
            for number in range(streams):
                with client.stream("POST", url, json=ASK_STREAM) as response:
                    if number % 2:
                        next(response.iter_raw())
                    else:
                        response.read()
            seen.clear()

        def remember(*args: Any, **kwargs: Any) -> Any:
            call = begin(*args, **kwargs)
            if call is not None:
                kept.add(call)
            return call

        rounds(50, 10)
        observer_module.Observer.begin = remember  # type: ignore[method-assign]  # to see each call
        try:
            gc.collect()
            before = len(gc.get_objects())
            rounds(5000, 500)
            gc.collect()
            after = len(gc.get_objects())
        finally:
            observer_module.Observer.begin = begin  # type: ignore[method-assign]  # as it was
    assert not kept
    assert not seen.observer.live
    assert after - before < 2500  # not half an object a call


def test_a_redaction_function_that_is_missing_lets_no_text_through(instrumented: Instrument) -> None:
    seen = instrumented(Settings(content="SPAN_ONLY", redact_function="nowhere:mask"))
    with (
        context(raw_request=True, tags=["secret"], metadata={"note": "secret"}),
        httpx.Client(transport=httpx.MockTransport(_canned), verify=TLS) as client,
    ):
        client.post("http://llm.test" + CHAT, json={**ASK, "seed": 1})
    said = seen.one()
    assert said["otel_llm.request.raw"] == "[REDACTED:error]"
    assert said["otel_llm.tags"] == ("[REDACTED:error]",)
    assert said["otel_llm.metadata.note"] == "[REDACTED:error]"
    assert "gen_ai.input.messages" not in said


def test_a_call_that_several_threads_end_has_one_span(instrumented: Instrument) -> None:
    seen = instrumented()
    body = json.dumps(ASK).encode()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(100):
                call = seen.observer.begin(
                    "POST", "http://llm.test" + CHAT, "llm.test", CHAT, {}, lambda: body
                )
                assert call is not None
                list(pool.map(lambda call: call.end(), [call] * 4))
    finally:
        sys.setswitchinterval(before)
    seen.llm(100)


def test_the_table_of_failed_attempts_is_bounded(instrumented: Instrument) -> None:
    seen = instrumented()
    with httpx.Client(transport=httpx.MockTransport(_canned), verify=TLS) as client:
        for seed in range(400):
            client.post("http://llm.test" + CHAT, json={**ASK, "seed": seed})
    assert len(seen.observer.attempts._failed) == 256
    client_alive = weakref.ref(client)
    del client
    gc.collect()
    assert client_alive() is None
