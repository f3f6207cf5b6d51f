"""The hook of aiohttp: whatever way of reading a program takes, it reads the same, and the call is seen once."""

from __future__ import annotations

import asyncio
import io
import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from yarl import URL

from otel_llm.settings import Settings
from tests.conftest import Instrument
from tests.hooks.server import ANSWER, ASK, ASK_STREAM, CHAT, EVENTS, Provider

pytestmark = pytest.mark.usefixtures("untroubled")

Tick = Callable[[], None]


async def _each(pieces: AsyncIterator[Any], tick: Tick) -> list[Any]:
    found = []
    async for piece in pieces:
        found.append(piece)
        tick()
    return found


async def _until_empty(read: Callable[[], Any], tick: Tick) -> list[Any]:
    found = []
    while piece := await read():
        found.append(piece)
        tick()
    return found


async def _exactly(content: Any, tick: Tick) -> list[Any]:
    found = []
    try:
        while True:
            found.append(await content.readexactly(100))
            tick()
    except asyncio.IncompleteReadError as cut:
        return [*found, cut.partial]


async def _chunks(content: Any, tick: Tick) -> list[Any]:
    """Where HTTP chunks end; whether that is told at once or in an empty piece more is a matter of time."""
    return [piece for piece, _ in await _each(content.iter_chunks(), tick) if piece]


READS: dict[str, Callable[[Any, Tick], Any]] = {
    "iter_chunks": lambda response, tick: _chunks(response.content, tick),
    "lines": lambda response, tick: _each(response.content, tick),
    "readuntil": lambda response, tick: _until_empty(lambda: response.content.readuntil(b"\n\n"), tick),
    "readexactly": lambda response, tick: _exactly(response.content, tick),
    "read": lambda response, tick: response.read(),
    "content.read": lambda response, tick: response.content.read(),
    "text": lambda response, tick: response.text(),
}
LOCKSTEP: dict[str, Callable[[Any, Tick], Any]] = {
    "iter_any": lambda response, tick: _each(response.content.iter_any(), tick),
    "iter_chunked": lambda response, tick: _each(response.content.iter_chunked(4096), tick),
    "readany": lambda response, tick: _until_empty(response.content.readany, tick),
    "read(4096)": lambda response, tick: _until_empty(lambda: response.content.read(4096), tick),
}


async def read(url: str, how: Callable[[Any, Tick], Any], tick: Tick = lambda: None, **kwargs: Any) -> Any:
    body = {**ASK, "stream": "/sse" in url}
    async with aiohttp.ClientSession() as session, session.post(url, json=body, **kwargs) as response:
        return await how(response, tick)


@pytest.mark.parametrize("words", ["sse", "sse+by7", "sse+gzip", "sse+length", "json", "json+gzip"])
@pytest.mark.parametrize("how", READS)
async def test_a_caller_reads_the_same_with_and_without_the_hook(
    words: str, how: str, provider: Provider, instrumented: Instrument
) -> None:
    url = provider.url(words)
    if how == "iter_chunks" and ("gzip" in words or "length" in words):
        how = "read"  # only whole HTTP chunks have certain boundaries
    before = await read(url, READS[how])
    seen = instrumented()
    assert await read(url, READS[how]) == before
    attributes = seen.one()
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes.get("otel_llm.stream.outcome") == ("completed" if "sse" in words else None)


@pytest.mark.parametrize("how", LOCKSTEP)
@pytest.mark.parametrize("words", ["sse+lockstep", "sse+gzip+lockstep"])
async def test_nothing_is_read_ahead(
    words: str, how: str, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    assert await read(provider.url(words), LOCKSTEP[how], provider.turns.release) == list(EVENTS)
    assert seen.one()["otel_llm.stream.outcome"] == "completed"


async def test_a_caller_that_undoes_the_encoding_itself_is_understood(
    provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    packed = await read(provider.url("json+gzip"), READS["read"], auto_decompress=False)
    assert json.loads(zlib.decompress(packed, 31)) == ANSWER
    assert seen.one()["gen_ai.usage.output_tokens"] == 7


async def test_json_is_read_once_and_given_to_the_caller(
    provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    async with (
        aiohttp.ClientSession() as session,
        session.post(provider.url("json"), json=ASK) as response,
    ):
        assert await response.json() == ANSWER
        assert await response.json() == ANSWER
    attributes = seen.one()
    assert attributes["server.address"] == "127.0.0.1"
    assert attributes["server.port"] == provider.server_port
    assert "gen_ai.response.time_to_first_chunk" not in attributes


def _form() -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("model", "whisper-1")
    form.add_field("timestamp_granularities[]", "word")
    form.add_field("timestamp_granularities[]", "segment")
    form.add_field("file", io.BytesIO(b"ID3"), filename="hello.mp3")
    return form


@pytest.mark.parametrize(
    ("path", "arguments", "model"),
    [
        pytest.param(CHAT, lambda: {"json": ASK}, "gpt-4o-mini", id="json"),
        pytest.param(CHAT, lambda: {"data": json.dumps(ASK)}, "gpt-4o-mini", id="text"),
        pytest.param(CHAT, lambda: {"data": json.dumps(ASK).encode()}, "gpt-4o-mini", id="bytes"),
        pytest.param(
            CHAT, lambda: {"data": bytearray(json.dumps(ASK).encode())}, "gpt-4o-mini", id="bytearray"
        ),
        pytest.param(
            CHAT, lambda: {"data": io.BytesIO(json.dumps(ASK).encode())}, "gpt-4o-mini", id="BytesIO"
        ),
        pytest.param(
            CHAT,
            lambda: {"data": aiohttp.BytesPayload(json.dumps(ASK).encode(), content_type="application/json")},
            "gpt-4o-mini",
            id="payload",
        ),
        pytest.param("/v1/audio/transcriptions", lambda: {"data": _form()}, "whisper-1", id="form"),
        pytest.param(
            "/v1/audio/transcriptions",
            lambda: {"data": {"model": "whisper-1", "file": io.BytesIO(b"ID3")}},
            "whisper-1",
            id="dict",
        ),
    ],
)
async def test_a_request_in_memory_is_read_and_sent_as_it_is(
    path: str, arguments: Callable[[], Any], model: str, provider: Provider, instrumented: Instrument
) -> None:
    async def post() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(provider.url("json", path), **arguments()) as response,
        ):
            assert await response.json() == ANSWER

    await post()
    seen = instrumented()
    await post()
    assert seen.one()["gen_ai.request.model"] == model
    without, with_hook = provider.sent
    assert without.headers.keys() == with_hook.headers.keys()
    if "multipart" not in without.headers["content-type"]:
        assert with_hook == without
    else:
        assert len(with_hook.body) == len(without.body)


async def test_a_body_from_a_generator_or_a_file_is_sent_and_not_consumed(
    provider: Provider, instrumented: Instrument, tmp_path: Any
) -> None:
    body = json.dumps(ASK).encode()
    file = tmp_path / "ask.json"
    file.write_bytes(body)

    async def parts() -> AsyncIterator[bytes]:
        yield body[:9]
        yield body[9:]

    instrumented()
    async with aiohttp.ClientSession() as session:
        with file.open("rb") as opened:
            for data in (parts(), opened):
                async with session.post(provider.url("json"), data=data) as response:
                    assert await response.json() == ANSWER
    assert [sent.body for sent in provider.sent] == [body, body]


async def test_a_session_may_have_a_base_and_headers_and_encode_in_its_own_way(
    provider: Provider, instrumented: Instrument
) -> None:
    class Special:
        pass

    def dumps(value: Any) -> str:
        return json.dumps({**value, "user": "ada"})

    seen = instrumented(Settings(raw_request=True))
    async with (
        aiohttp.ClientSession(
            provider.base + "/json/", headers={"x-mine": "the session"}, json_serialize=dumps
        ) as session,
        session.post("v1/chat/completions", json={**ASK, "user": Special()}, params={"a": "b"}) as response,
    ):
        assert await response.json() == ANSWER
    assert provider.sent[0].path == "/json/v1/chat/completions?a=b"
    attributes = seen.one()
    assert attributes["user.id"] == "ada"
    assert "x-mine: the session" in attributes["otel_llm.request.raw"].lower()


async def test_what_is_no_llm_call_is_left_alone(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    async with aiohttp.ClientSession() as session:
        for method, url, arguments in (
            ("GET", provider.url("json", "/v1/models"), {}),
            ("POST", provider.url("json"), {"json": {"order": 1}}),
            ("POST", provider.url("json"), {"data": b"\xff"}),
            ("POST", provider.url("json", "/orders"), {"json": ASK}),
            ("HEAD", provider.url("json"), {}),
        ):
            arguments_any: Any = arguments
            try:
                async with session.request(method, url, **arguments_any) as response:
                    await response.read()
            except aiohttp.ClientError:
                assert method == "HEAD"
    seen.llm(0)


async def test_an_error_body_is_told_even_where_nobody_reads_it(
    provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    async with aiohttp.ClientSession() as session, session.post(provider.url("500"), json=ASK) as response:
        with pytest.raises(aiohttp.ClientResponseError):
            response.raise_for_status()
        assert "too_busy" in await response.text()
    assert seen.one()["error.type"] == "too_busy"


async def test_a_session_that_raises_for_errors_itself_still_tells_the_status(
    provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        with pytest.raises(aiohttp.ClientResponseError):
            await session.post(provider.url("429"), json=ASK)
        async with session.post(provider.url("json"), json=ASK) as response:
            assert await response.json() == ANSWER
    failed, fine = (dict(span.attributes or {}) for span in seen.llm(2))
    assert failed["error.type"] == "429"
    assert fine["otel_llm.attempt"] == 2


async def test_a_session_may_read_the_error_itself(provider: Provider, instrumented: Instrument) -> None:
    async def check(response: Any) -> None:
        await response.read()

    seen = instrumented()
    async with (
        aiohttp.ClientSession(raise_for_status=check) as session,
        session.post(provider.url("500"), json=ASK) as response,
    ):
        assert "too_busy" in await response.text()
    assert seen.one()["error.type"] == "too_busy"


async def test_a_redirect_is_part_of_the_call(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    assert json.loads(await read(provider.url("redirect+json"), READS["text"])) == ANSWER
    assert len(provider.sent) == 2
    seen.llm(1)


async def test_a_reader_that_gives_up_waiting_may_go_on_reading(
    provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    async with (
        aiohttp.ClientSession() as session,
        session.post(provider.url("sse+lockstep"), json=ASK_STREAM) as response,
    ):
        pieces = [await response.content.readany()]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(response.content.readany(), 0.05)
        provider.let_all_go()
        pieces.append(await response.content.read())
    assert b"".join(pieces) == b"".join(EVENTS)
    assert seen.one()["otel_llm.stream.outcome"] == "completed"


@pytest.mark.parametrize(
    "timeout",
    [
        pytest.param(aiohttp.ClientTimeout(total=0.2), id="total"),
        pytest.param(aiohttp.ClientTimeout(sock_read=0.2), id="between bytes"),
    ],
)
async def test_a_time_limit_of_the_client_is_a_failure(
    timeout: Any, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with pytest.raises(asyncio.TimeoutError):
        await read(provider.url("sse+lockstep"), READS["read"], timeout=timeout)
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "failed"
    assert "Timeout" in attributes["error.type"]


async def test_bedrock_paths_reach_the_server_as_they_were_encoded(
    provider: Provider, instrumented: Instrument
) -> None:
    """As aiobotocore sends them: the path encoded already, the body as bytes, nothing decompressed."""
    path = "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream"
    seen = instrumented()
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(
            "POST",
            url=URL(provider.url("sse", path), encoded=True),
            data=json.dumps({"messages": [{"role": "user", "content": [{"text": "x"}]}]}).encode(),
            headers={"Content-Type": "application/json"},
            chunked=None,
        ) as response,
    ):
        await response.read()
    assert provider.sent[0].path == "/sse" + path
    attributes = seen.one()
    assert attributes["gen_ai.request.model"] == "anthropic.claude-3-haiku-20240307-v1:0"
    assert attributes["gen_ai.usage.output_tokens"] == 7


@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
async def test_google_genai_async_is_seen_once(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    genai = pytest.importorskip("google.genai", reason="needs Python 3.11")
    client = genai.Client(api_key="x", http_options={"base_url": provider.url("json", "")})
    assert client._api_client._use_aiohttp()
    await client.aio.models.generate_content(model="gemini-2.5-flash", contents="x")
    await client.aio.aclose()
    assert seen.one()["gen_ai.request.model"] == "gemini-2.5-flash"


async def test_a_trace_context_goes_only_where_it_was_asked_for(
    provider: Provider, instrumented: Instrument
) -> None:
    instrumented(Settings(propagate_to=("127.0.0.1",)))
    headers = {"x-mine": "1"}
    await read(provider.url("json"), READS["read"], headers=headers)
    assert headers == {"x-mine": "1"}
    assert provider.sent[0].headers["x-mine"] == "1"
    assert "traceparent" in provider.sent[0].headers
