"""The last generation of SDKs, on httpx: sync and async, plain and streamed, one span each with the right numbers."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any

import httpx
import pytest
from anthropic import Anthropic, AsyncAnthropic
from google import genai
from google.genai.types import HttpOptions
from huggingface_hub import AsyncInferenceClient, InferenceClient
from mistralai.client import Mistral
from openai import AsyncOpenAI, OpenAI

from otel_llm.bootstrap import door
from tests import replay
from tests.matrix import expected
from tests.matrix.conftest import Observed
from tests.matrix.expected import Expected

pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")

MESSAGES: Any = [{"role": "user", "content": "Say something short."}]


def drained(answer: Iterable[Any], stream: bool) -> Any:
    return list(answer) if stream else answer


async def adrained(answer: Awaitable[Any] | AsyncIterable[Any], stream: bool) -> Any:
    found = await answer if isinstance(answer, Awaitable) else answer
    return [one async for one in found] if stream else found


def openai_chat(base: str, want: Expected) -> None:
    with OpenAI(api_key="any", base_url=f"{base}/v1", max_retries=0) as client:
        drained(
            client.chat.completions.create(model=want.asked, messages=MESSAGES, stream=want.stream),
            want.stream,
        )


async def openai_chat_async(base: str, want: Expected) -> None:
    async with AsyncOpenAI(api_key="any", base_url=f"{base}/v1", max_retries=0) as client:
        await adrained(
            client.chat.completions.create(model=want.asked, messages=MESSAGES, stream=want.stream),
            want.stream,
        )


def openai_responses(base: str, want: Expected) -> None:
    with OpenAI(api_key="any", base_url=f"{base}/v1", max_retries=0) as client:
        drained(client.responses.create(model=want.asked, input="Hello", stream=want.stream), want.stream)


async def openai_responses_async(base: str, want: Expected) -> None:
    async with AsyncOpenAI(api_key="any", base_url=f"{base}/v1", max_retries=0) as client:
        await adrained(
            client.responses.create(model=want.asked, input="Hello", stream=want.stream), want.stream
        )


def openai_embeddings(base: str, want: Expected) -> None:
    with OpenAI(api_key="any", base_url=f"{base}/v1", max_retries=0) as client:
        assert client.embeddings.create(model=want.asked, input="Hello").data


def anthropic(base: str, want: Expected) -> None:
    with Anthropic(api_key="any", base_url=base, max_retries=0) as client:
        drained(
            client.messages.create(model=want.asked, messages=MESSAGES, max_tokens=9, stream=want.stream),
            want.stream,
        )


async def anthropic_async(base: str, want: Expected) -> None:
    async with AsyncAnthropic(api_key="any", base_url=base, max_retries=0) as client:
        await adrained(
            client.messages.create(model=want.asked, messages=MESSAGES, max_tokens=9, stream=want.stream),
            want.stream,
        )


def anthropic_stream_helper(base: str, want: Expected) -> None:
    with (
        Anthropic(api_key="any", base_url=base, max_retries=0) as client,
        client.messages.stream(model=want.asked, messages=MESSAGES, max_tokens=9) as stream,
    ):
        assert stream.get_final_message().usage.output_tokens == want.output


def mistral(base: str, want: Expected) -> None:
    with Mistral(api_key="any", server_url=base) as client:
        call = client.chat.stream if want.stream else client.chat.complete
        drained(call(model=want.asked, messages=MESSAGES), want.stream)


async def mistral_async(base: str, want: Expected) -> None:
    async with Mistral(api_key="any", server_url=base) as client:
        if want.stream:
            answer = await client.chat.stream_async(model=want.asked, messages=MESSAGES)
            assert [one async for one in answer]
        else:
            await client.chat.complete_async(model=want.asked, messages=MESSAGES)


def gemini(base: str, want: Expected) -> None:
    with genai.Client(api_key="any", http_options=HttpOptions(base_url=base)) as client:
        call = client.models.generate_content_stream if want.stream else client.models.generate_content
        drained(call(model=want.asked, contents="Hello"), want.stream)


async def gemini_async(base: str, want: Expected) -> None:
    async with genai.Client(api_key="any", http_options=HttpOptions(base_url=base)).aio as client:
        call = client.models.generate_content_stream if want.stream else client.models.generate_content
        answer: Any = await call(model=want.asked, contents="Hello")
        if want.stream:
            assert [one async for one in answer]


def huggingface(base: str, want: Expected) -> None:
    # It reads no further than the last event; the answer is closed with the client.
    with InferenceClient(base_url=f"{base}/v1", api_key="any") as client:
        drained(
            client.chat.completions.create(model=want.asked, messages=MESSAGES, stream=want.stream),
            want.stream,
        )


async def huggingface_async(base: str, want: Expected) -> None:
    async with AsyncInferenceClient(base_url=f"{base}/v1", api_key="any") as client:
        await adrained(
            client.chat.completions.create(model=want.asked, messages=MESSAGES, stream=want.stream),
            want.stream,
        )


SYNC: list[tuple[Callable[[str, Expected], None], Expected]] = [
    (openai_chat, expected.OPENAI_CHAT),
    (openai_chat, expected.OPENAI_CHAT_STREAM),
    (openai_responses, expected.OPENAI_RESPONSES),
    (openai_responses, expected.OPENAI_RESPONSES_STREAM),
    (openai_embeddings, expected.OPENAI_EMBEDDINGS),
    (anthropic, expected.ANTHROPIC),
    (anthropic, expected.ANTHROPIC_STREAM),
    (anthropic_stream_helper, expected.ANTHROPIC_STREAM),
    (mistral, expected.MISTRAL),
    (mistral, expected.MISTRAL_STREAM),
    (gemini, expected.GEMINI),
    (gemini, expected.GEMINI_STREAM),
    (huggingface, expected.HUGGINGFACE),
    (huggingface, expected.HUGGINGFACE_STREAM),
]
ASYNC: list[tuple[Callable[[str, Expected], Awaitable[None]], Expected]] = [
    (openai_chat_async, expected.OPENAI_CHAT),
    (openai_chat_async, expected.OPENAI_CHAT_STREAM),
    (openai_responses_async, expected.OPENAI_RESPONSES),
    (openai_responses_async, expected.OPENAI_RESPONSES_STREAM),
    (anthropic_async, expected.ANTHROPIC),
    (anthropic_async, expected.ANTHROPIC_STREAM),
    (mistral_async, expected.MISTRAL),
    (mistral_async, expected.MISTRAL_STREAM),
    (gemini_async, expected.GEMINI),
    (gemini_async, expected.GEMINI_STREAM),
    (huggingface_async, expected.HUGGINGFACE),
    (huggingface_async, expected.HUGGINGFACE_STREAM),
]


def named(cases: list[tuple[Any, Expected]]) -> list[Any]:
    return [
        pytest.param(call, want, id=f"{call.__name__}-{'stream' if want.stream else 'plain'}")
        for call, want in cases
    ]


def test_these_sdks_stand_on_httpx() -> None:
    for client in (OpenAI, AsyncOpenAI, Anthropic, AsyncAnthropic):
        base = httpx.AsyncClient if client.__name__.startswith("Async") else httpx.Client
        assert isinstance(client(api_key="any")._client, base)


@pytest.mark.parametrize(("call", "want"), named(SYNC))
def test_a_call_is_one_span_with_the_provider_s_numbers(
    call: Callable[[str, Expected], None], want: Expected, observed: Observed, provider: replay.Provider
) -> None:
    call(f"{provider.base}/{want.recording}", want)
    want.assert_is(observed.calls)


@pytest.mark.parametrize(("call", "want"), named(ASYNC))
async def test_an_async_call_is_one_span_with_the_provider_s_numbers(
    call: Callable[[str, Expected], Awaitable[None]],
    want: Expected,
    observed: Observed,
    provider: replay.Provider,
) -> None:
    await call(f"{provider.base}/{want.recording}", want)
    want.assert_is(observed.calls)


def test_the_hook_is_on_httpx(observed: Observed) -> None:
    assert "httpx" in {one.hook for one in door.attached}
    assert observed.calls == []
