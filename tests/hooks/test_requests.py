"""The hook of requests: the same bytes in the same pieces, streamed or not, and one span a call."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import voyageai
from requests.adapters import BaseAdapter

from otel_llm.settings import Settings
from tests.conftest import Instrument
from tests.hooks.server import ANSWER, ASK, ASK_STREAM, CHAT, EVENTS, Provider

pytestmark = pytest.mark.usefixtures("untroubled")

Tick = Callable[[], None]


def _each(pieces: Iterator[Any], tick: Tick) -> list[Any]:
    found = []
    for piece in pieces:
        found.append(piece)
        tick()
    return found


def _until_empty(read: Callable[[], Any], tick: Tick) -> list[Any]:
    found = []
    while piece := read():
        found.append(piece)
        tick()
    return found


def _into(raw: Any) -> list[bytes]:
    found = []
    buffer = bytearray(50)
    while count := raw.readinto(buffer):
        found.append(bytes(buffer[:count]))
    return found


READS: dict[str, Callable[[Any, Tick], Any]] = {
    "iter_content(None)": lambda response, tick: _each(response.iter_content(None), tick),
    "iter_content(7)": lambda response, tick: _each(response.iter_content(7), tick),
    "iter_lines": lambda response, tick: _each(response.iter_lines(), tick),
    "iterate": lambda response, tick: _each(iter(response), tick),
    "content": lambda response, tick: [response.content, response.content],
    "json or text": lambda response, tick: [response.text],
    "raw.read": lambda response, tick: [response.raw.read(), response.raw.read()],
    "raw.read(10)": lambda response, tick: _until_empty(lambda: response.raw.read(10), tick),
    "raw.read, decoded": lambda response, tick: [response.raw.read(decode_content=True)],
    "raw.readinto": lambda response, tick: _into(response.raw),
    "raw.stream": lambda response, tick: _each(response.raw.stream(), tick),
    "raw.stream, decoded": lambda response, tick: _each(response.raw.stream(decode_content=True), tick),
    "raw.data": lambda response, tick: [response.raw.data],
    "lines of raw": lambda response, tick: _each(iter(response.raw), tick),
}
LOCKSTEP = {
    "iter_content(None)": READS["iter_content(None)"],
    "raw.stream": READS["raw.stream"],
    "raw.read1": lambda response, tick: _until_empty(response.raw.read1, tick),
    "raw.read_chunked": lambda response, tick: _each(response.raw.read_chunked(), tick),
}


def read(url: str, how: Callable[[Any, Tick], Any], tick: Tick = lambda: None, stream: bool = True) -> Any:
    body = {**ASK, "stream": "/sse" in url}
    with requests.Session() as session, session.post(url, json=body, stream=stream) as response:
        return how(response, tick)


@pytest.mark.parametrize("words", ["sse", "sse+by7", "sse+gzip", "sse+length", "sse+close", "json+length"])
@pytest.mark.parametrize("how", READS)
def test_a_caller_reads_the_same_with_and_without_the_hook(
    words: str, how: str, provider: Provider, instrumented: Instrument
) -> None:
    url = provider.url(words)
    before = read(url, READS[how])
    seen = instrumented()
    after = read(url, READS[how])
    if "close" in words and "stream" in how:  # pieces as large as the network gave them
        before, after = [b"".join(before)], [b"".join(after)]
    assert after == before
    attributes = seen.one()
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes.get("otel_llm.stream.outcome") == ("completed" if "sse" in words else None)


@pytest.mark.parametrize("how", LOCKSTEP)
def test_nothing_is_read_ahead(how: str, provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    assert read(provider.url("sse+lockstep"), LOCKSTEP[how], provider.turns.release) == list(EVENTS)
    assert seen.one()["otel_llm.stream.outcome"] == "completed"


def test_nothing_is_read_ahead_of_a_compressed_stream(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    url = provider.url("sse+gzip+lockstep")
    assert read(url, READS["iter_content(None)"], provider.turns.release) == list(EVENTS)
    assert seen.one()["otel_llm.stream.outcome"] == "completed"


@pytest.mark.parametrize("words", ["json", "json+gzip"])
def test_a_call_that_does_not_stream_is_one_span(
    words: str, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    assert requests.post(provider.url(words), json=ASK, timeout=5).json() == ANSWER
    attributes = seen.one()
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes["server.port"] == provider.server_port
    assert "otel_llm.stream.outcome" not in attributes


def test_the_answer_keeps_its_class_its_name_and_its_life_time(
    provider: Provider, instrumented: Instrument
) -> None:
    """An answer that goes out of sight gives its connection back at once, not when the collector comes."""
    instrumented()
    with requests.Session() as session:
        before = requests.post(provider.url("json"), json={"order": 1}, stream=True, timeout=5)
        answer = session.post(provider.url("sse"), json=ASK_STREAM, stream=True)
        raw = answer.raw
        assert isinstance(raw, type(before.raw))
        assert type(raw).__name__ == type(before.raw).__name__
        before.close()
        gc.disable()
        try:
            connection: Any = raw._connection
            assert connection.sock is not None
            del raw, answer
            assert connection.sock is None
        finally:
            gc.enable()


@pytest.mark.parametrize("body", ["bytes", "text"])
def test_a_prepared_body_is_read_as_it_is(body: str, provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    text = json.dumps(ASK)
    data: Any = text.encode() if body == "bytes" else text
    assert requests.post(provider.url("json"), data=data, timeout=5).json() == ANSWER
    assert seen.one()["gen_ai.request.model"] == "gpt-4o-mini"


def test_a_body_from_a_generator_or_a_file_is_sent_and_not_consumed(
    provider: Provider, instrumented: Instrument
) -> None:
    body = json.dumps(ASK).encode()

    def parts() -> Iterator[bytes]:
        yield body[:9]
        yield body[9:]

    instrumented()
    for data in (parts(), io.BytesIO(body)):
        assert requests.post(provider.url("json"), data=data, timeout=5).json() == ANSWER
    assert [sent.body for sent in provider.sent] == [body, body]


def test_a_form_with_a_file_is_understood(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    requests.post(
        provider.url("json", "/v1/audio/transcriptions"),
        data={"model": "whisper-1"},
        files={"file": ("hello.mp3", b"ID3" * 100)},
        timeout=5,
    )
    assert seen.one()["gen_ai.request.model"] == "whisper-1"


def test_what_is_no_llm_call_is_left_alone(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    requests.get(provider.url("json", "/v1/models"), timeout=5)
    requests.post(provider.url("json"), json={"order": 1}, timeout=5)
    requests.post(provider.url("json"), data=b"", timeout=5)
    requests.post(provider.url("json", "/orders"), json=ASK, timeout=5)
    seen.llm(0)


def test_a_redirect_is_part_of_the_call(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    assert requests.post(provider.url("redirect+json"), json=ASK, timeout=5).json() == ANSWER
    assert len(provider.sent) == 2
    seen.llm(1)


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_body_is_read_when_the_program_reads_it(
    stream: bool, provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with requests.post(provider.url("500"), json=ASK, stream=stream, timeout=5) as response:
        with pytest.raises(requests.HTTPError):
            response.raise_for_status()
        assert "too_busy" in response.text
    assert seen.one()["error.type"] == "too_busy"


def test_an_error_body_that_nobody_reads_leaves_the_status(
    provider: Provider, instrumented: Instrument
) -> None:
    seen = instrumented()
    with requests.post(provider.url("500"), json=ASK, stream=True, timeout=5):
        pass
    assert seen.one()["error.type"] == "500"


def test_a_response_hook_may_read_the_answer_first(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    with requests.Session() as session:
        session.hooks["response"].append(lambda response, **kwargs: response.content and None)
        with session.post(provider.url("sse"), json=ASK_STREAM, stream=True) as response:
            assert b"".join(response.iter_content(10)) == b"".join(EVENTS)
    assert seen.one()["gen_ai.usage.output_tokens"] == 7


def test_an_adapter_without_urllib3_is_left_as_it_is(instrumented: Instrument) -> None:
    class Canned(BaseAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
            response = requests.Response()
            response.status_code = 200
            response.request = request
            response.url = request.url
            response.raw = io.BytesIO(json.dumps(ANSWER).encode())
            return response

        def close(self) -> None:
            pass

    seen = instrumented()
    with requests.Session() as session:
        session.mount("canned://", Canned())
        with session.post("canned://llm" + CHAT, json=ASK, stream=True) as response:
            assert response.json() == ANSWER
        assert session.post("canned://llm" + CHAT, json=ASK).json() == ANSWER
    unseen, seen_whole = (dict(span.attributes or {}) for span in seen.llm(2))
    assert "gen_ai.usage.output_tokens" not in unseen
    assert seen_whole["gen_ai.usage.output_tokens"] == 7


def test_voyage_is_seen_once(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    client = voyageai.Client(api_key="x", base_url=provider.url("json", "/v1"))  # type: ignore[attr-defined]  # lazily
    with pytest.raises(Exception, match=r".*"):  # the canned answer is no embedding
        client.embed(["x"], model="voyage-3")
    assert seen.llm(1)[0].name == "embeddings voyage-3"


def test_a_trace_context_goes_only_where_it_was_asked_for(
    provider: Provider, instrumented: Instrument
) -> None:
    instrumented(Settings(propagate_to=("127.0.0.1",)))
    requests.post(provider.url("json"), json=ASK, timeout=5)
    assert "traceparent" in provider.sent[0].headers
