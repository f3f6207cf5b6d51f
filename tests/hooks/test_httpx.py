"""The hook of httpx and httpx2: what callers get is what they got before, and each call is seen once."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import httpx
import httpx2
import openai
import pytest
import trio

from otel_llm.settings import Settings
from tests.conftest import Instrument
from tests.hooks.clients import TLS
from tests.hooks.server import ANSWER, ASK, ASK_STREAM, CHAT, EVENTS, Provider

pytestmark = pytest.mark.usefixtures("untroubled")

both = pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: str(module.__name__))

Read = Callable[[Any], Any]

SYNC_READS: dict[str, Read] = {
    "iter_raw": lambda response: response.iter_raw(),
    "iter_bytes": lambda response: response.iter_bytes(),
    "iter_bytes of 10": lambda response: response.iter_bytes(10),
    "iter_text": lambda response: response.iter_text(),
    "iter_lines": lambda response: response.iter_lines(),
    "read": lambda response: iter([response.read(), response.read()]),
}
ASYNC_READS: dict[str, Read] = {
    "aiter_raw": lambda response: response.aiter_raw(),
    "aiter_bytes": lambda response: response.aiter_bytes(),
    "aiter_bytes of 10": lambda response: response.aiter_bytes(10),
    "aiter_text": lambda response: response.aiter_text(),
    "aiter_lines": lambda response: response.aiter_lines(),
}
BEHAVIOURS = ["sse", "sse+by7", "sse+gzip", "sse+length", "sse+close", "json", "json+gzip"]


def streamed(module: Any, url: str, read: Read, tick: Callable[[], None] = lambda: None) -> list[Any]:
    pieces = []
    with (
        module.Client(verify=TLS) as client,
        client.stream("POST", url, json={**ASK_STREAM, "stream": "/sse" in url}) as response,
    ):
        for piece in read(response):
            pieces.append(piece)
            tick()
    return pieces


async def streamed_async(
    module: Any, url: str, read: Read, tick: Callable[[], None] = lambda: None
) -> list[Any]:
    pieces = []
    async with (
        module.AsyncClient(verify=TLS) as client,
        client.stream("POST", url, json={**ASK_STREAM, "stream": "/sse" in url}) as response,
    ):
        async for piece in read(response):
            pieces.append(piece)
            tick()
    return pieces


@both
@pytest.mark.parametrize("words", BEHAVIOURS)
@pytest.mark.parametrize("read", SYNC_READS)
def test_a_caller_gets_the_same_pieces_with_and_without_the_hook(
    module: Any, words: str, read: str, provider: Provider, instrumented: Instrument
) -> None:
    url = provider.url(words)
    if "length" in words or "close" in words:  # pieces are as the network has them; only their sum is certain
        before: Any = b"".join(streamed(module, url, SYNC_READS["iter_raw"]))
        seen = instrumented()
        after: Any = b"".join(streamed(module, url, SYNC_READS["iter_raw"]))
    else:
        before = streamed(module, url, SYNC_READS[read])
        seen = instrumented()
        after = streamed(module, url, SYNC_READS[read])
    assert after == before
    attributes = seen.one()
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes.get("otel_llm.stream.outcome") == ("completed" if "sse" in words else None)


@both
@pytest.mark.parametrize("words", ["sse", "sse+by7", "sse+gzip", "json"])
@pytest.mark.parametrize("read", ASYNC_READS)
async def test_an_async_caller_gets_the_same_pieces_with_and_without_the_hook(
    module: Any, words: str, read: str, provider: Provider, instrumented: Instrument
) -> None:
    url = provider.url(words)
    before = await streamed_async(module, url, ASYNC_READS[read])
    seen = instrumented()
    assert await streamed_async(module, url, ASYNC_READS[read]) == before
    assert seen.one()["gen_ai.usage.output_tokens"] == 7


@both
@pytest.mark.parametrize("read", ["iter_raw", "iter_bytes", "iter_text"])
def test_nothing_is_read_ahead(module: Any, read: str, provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    pieces = streamed(module, provider.url("sse+lockstep"), SYNC_READS[read], provider.turns.release)
    expected = [event.decode() for event in EVENTS] if read == "iter_text" else list(EVENTS)
    assert [piece for piece in pieces if piece] == expected
    assert seen.one()["otel_llm.stream.outcome"] == "completed"


@both
async def test_nothing_is_read_ahead_of_an_async_caller(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    url = provider.url("sse+gzip+lockstep")
    pieces = await streamed_async(module, url, ASYNC_READS["aiter_bytes"], provider.turns.release)
    assert pieces == list(EVENTS)
    assert seen.one()["otel_llm.stream.outcome"] == "completed"


@both
def test_a_call_that_does_not_stream_is_one_span(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with module.Client(verify=TLS) as client:
        response = client.post(provider.url("json"), json=ASK)
    assert response.json() == ANSWER
    attributes = seen.one()
    assert attributes["gen_ai.request.model"] == ASK["model"]
    assert attributes["gen_ai.usage.input_tokens"] == 11
    assert attributes["server.port"] == provider.server_port
    assert "otel_llm.stream.outcome" not in attributes
    assert "gen_ai.response.time_to_first_chunk" not in attributes


@both
def test_what_is_no_llm_call_is_left_alone(module: Any, provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    with module.Client(verify=TLS) as client:
        client.get(provider.url("json", "/v1/models"))
        client.post(provider.url("json", "/orders"), json=ASK)
        client.post(provider.url("json"), json={"order": 1})
        client.post(provider.url("json"), content=b"not json")
        client.post(provider.url("json"), content=b"")
    seen.llm(0)


@both
def test_an_error_status_is_a_failed_span_with_the_code_of_the_provider(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with module.Client(verify=TLS) as client:
        response = client.post(provider.url("500"), json=ASK)
        with pytest.raises(module.HTTPStatusError):
            response.raise_for_status()
    assert seen.one()["error.type"] == "too_busy"


@both
def test_the_body_of_a_failed_stream_is_read_when_the_program_reads_it(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with (
        module.Client(verify=TLS) as client,
        client.stream("POST", provider.url("429"), json=ASK_STREAM) as response,
    ):
        assert response.read() == response.content
    assert seen.one()["error.type"] == "too_busy"


@both
def test_a_failed_stream_whose_body_nobody_reads_still_tells_its_status(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with (
        module.Client(verify=TLS) as client,
        pytest.raises(module.HTTPStatusError),
        client.stream("POST", provider.url("500"), json=ASK_STREAM) as response,
    ):
        response.raise_for_status()
    assert seen.one()["error.type"] == "500"


@both
def test_a_redirect_is_part_of_the_call(module: Any, provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    with module.Client(verify=TLS, follow_redirects=True) as client:
        assert client.post(provider.url("redirect+json"), json=ASK).json() == ANSWER
    assert len(provider.sent) == 2
    assert seen.one()["gen_ai.usage.output_tokens"] == 7


@both
def test_an_authentication_that_asks_twice_is_one_call(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    class Token(module.Auth):  # type: ignore[misc]  # the module is a parameter
        requires_response_body = True

        def auth_flow(self, request: Any) -> Iterator[Any]:
            yield module.Request("GET", provider.url("json", "/token"))
            request.headers["authorization"] = "Bearer token"
            yield request

    seen = instrumented()
    with module.Client(verify=TLS, auth=Token()) as client:
        assert client.post(provider.url("json"), json=ASK).json() == ANSWER
    assert [sent.headers.get("authorization") for sent in provider.sent] == [None, "Bearer token"]
    seen.llm(1)


@both
def test_an_event_hook_may_read_the_answer_first(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with (
        module.Client(verify=TLS, event_hooks={"response": [lambda response: response.read()]}) as client,
        client.stream("POST", provider.url("sse"), json=ASK_STREAM) as response,
    ):
        assert b"".join(response.iter_bytes()) == b"".join(EVENTS)
    assert seen.one()["gen_ai.usage.output_tokens"] == 7


@both
def test_an_event_hook_that_raises_ends_the_call(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    def refuse(response: Any) -> None:
        raise LookupError("no such luck")

    seen = instrumented()
    with module.Client(verify=TLS, event_hooks={"response": [refuse]}) as client, pytest.raises(LookupError):
        client.post(provider.url("json"), json=ASK)
    assert seen.one()["error.type"] == "LookupError"


@both
def test_elapsed_and_other_facts_of_the_stream_stay_readable(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    instrumented()
    with (
        module.Client(verify=TLS) as client,
        client.stream("POST", provider.url("sse"), json=ASK_STREAM) as response,
    ):
        response.read()
    assert response.elapsed.total_seconds() > 0
    assert response.num_bytes_downloaded == len(b"".join(EVENTS))


@both
async def test_closing_twice_and_reading_late_behave_as_before(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    async with module.AsyncClient(verify=TLS) as client:
        response = await client.send(
            client.build_request("POST", provider.url("sse"), json=ASK_STREAM), stream=True
        )
        await response.aclose()
        await response.aclose()
        with pytest.raises(module.StreamClosed):
            await response.aread()
        with pytest.raises(RuntimeError):
            response.read()
    assert seen.one()["otel_llm.stream.outcome"] == "closed_early"


@both
def test_a_mock_transport_is_seen_too(module: Any, instrumented: Instrument) -> None:
    def pieces() -> Iterator[bytes]:
        yield from EVENTS

    def answer(request: Any) -> Any:
        if json.loads(request.content).get("stream"):
            return module.Response(200, headers={"content-type": "text/event-stream"}, content=pieces())
        return module.Response(
            200, headers={"content-encoding": "gzip"}, content=gzip.compress(json.dumps(ANSWER).encode())
        )

    seen = instrumented()
    with module.Client(verify=TLS, transport=module.MockTransport(answer)) as client:
        assert client.post("https://llm.test/v1/chat/completions", json=ASK).json() == ANSWER
        with client.stream("POST", "https://llm.test/v1/chat/completions", json=ASK_STREAM) as response:
            assert list(response.iter_raw()) == list(EVENTS)
    plain, stream = (dict(span.attributes or {}) for span in seen.llm(2))
    assert plain["server.address"] == "llm.test"
    assert plain["server.port"] == 443
    assert plain["gen_ai.usage.output_tokens"] == stream["gen_ai.usage.output_tokens"] == 7


@both
def test_a_body_from_a_generator_is_sent_and_not_consumed(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    body = json.dumps(ASK).encode()

    def parts() -> Iterator[bytes]:
        yield body[:10]
        yield body[10:]

    instrumented()
    with module.Client(verify=TLS) as client:
        assert client.post(provider.url("json"), content=parts()).json() == ANSWER
    assert provider.sent[0].body == body


@both
async def test_a_body_from_an_async_generator_is_sent_and_not_consumed(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    body = json.dumps(ASK).encode()

    async def parts() -> AsyncIterator[bytes]:
        yield body

    instrumented()
    async with module.AsyncClient(verify=TLS) as client:
        assert (await client.post(provider.url("json"), content=parts())).json() == ANSWER
    assert provider.sent[0].body == body


@both
def test_a_form_with_a_file_is_read_without_touching_the_file(
    module: Any, provider: Provider, instrumented: Instrument, tmp_path: Any
) -> None:
    sound = tmp_path / "hello.mp3"
    sound.write_bytes(b"ID3" * 1000)
    seen = instrumented()
    with module.Client(verify=TLS) as client, sound.open("rb") as file:
        client.post(
            provider.url("json", "/v1/audio/transcriptions"),
            data={"model": "whisper-1", "timestamp_granularities[]": ["word", "segment"]},
            files={"file": file},
        )
    assert b"ID3" * 1000 in provider.sent[0].body
    assert seen.one()["gen_ai.request.model"] == "whisper-1"


@both
def test_an_alias_of_one_client_for_the_other_is_wrapped_once(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    from otel_llm.bootstrap import door
    from otel_llm.hooks import httpx as hook

    seen = instrumented()
    assert hook.patch(module, door) is None
    with module.Client(verify=TLS) as client:
        client.post(provider.url("json"), json=ASK)
    seen.llm(1)


@both
async def test_trio_is_observed_and_its_cancellation_told(
    module: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()

    async def program() -> None:
        with trio.move_on_after(0.3):
            await streamed_async(module, provider.url("sse+lockstep"), ASYNC_READS["aiter_raw"])
        provider.let_all_go()
        await streamed_async(module, provider.url("sse"), ASYNC_READS["aiter_raw"])

    await asyncio.to_thread(trio.run, program)
    outcomes = [(span.attributes or {})["otel_llm.stream.outcome"] for span in seen.llm(2)]
    assert outcomes == ["cancelled", "completed"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_transport_over_aiohttp_is_counted_once(
    stream: bool, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    client = openai.AsyncOpenAI(
        base_url=f"{provider.base}/{'sse' if stream else 'json'}/v1",
        api_key="x",
        http_client=openai.DefaultAioHttpClient(),
    )
    if stream:
        texts = [
            chunk.choices[0].delta.content
            async for chunk in await client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}], stream=True
            )
            if chunk.choices
        ]
        assert "".join(text or "" for text in texts) == "Hello, wörld"
    else:
        answer = await client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}]
        )
        assert answer.choices[0].message.content == "Hello, wörld"
    await client.close()
    assert aiohttp.ClientSession._request.__name__ == "_request"
    assert seen.one()["gen_ai.usage.output_tokens"] == 7


@both
def test_hosts_may_be_excluded(module: Any, provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented(Settings(excluded_hosts=("127.0.0.1",)))
    with module.Client(verify=TLS) as client:
        client.post(provider.base + "/json" + CHAT, json=ASK)
    seen.llm(0)
