"""LiteLLM as a library: its own httpx clients, its aiohttp transport, and the SDKs that it calls; one span each."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from importlib import import_module
from typing import Any

import pytest

from tests import replay
from tests.matrix import expected
from tests.matrix.conftest import Observed
from tests.matrix.expected import Expected

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning"
)

# Else it asks the network for prices when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
litellm: Any = import_module("litellm")

MESSAGES: Any = [{"role": "user", "content": "Say something short."}]
CALLS = [
    pytest.param("openai", "/v1", expected.OPENAI_CHAT, id="openai"),
    pytest.param("openai", "/v1", expected.OPENAI_CHAT_STREAM, id="openai-stream"),
    pytest.param("anthropic", "", expected.ANTHROPIC, id="anthropic"),
    pytest.param("anthropic", "", expected.ANTHROPIC_STREAM, id="anthropic-stream"),
    pytest.param("mistral", "/v1", expected.MISTRAL, id="mistral"),
    pytest.param("mistral", "/v1", expected.MISTRAL_STREAM, id="mistral-stream"),
]


async def collected(observed: Observed) -> None:
    """Some of its streams are left open a little before their end: to the event loop, and to its logging threads."""
    deadline = time.monotonic() + 10
    while not observed.calls and time.monotonic() < deadline:
        gc.collect()
        await asyncio.sleep(0.05)


def asked(provider: replay.Provider, name: str, path: str, want: Expected) -> dict[str, Any]:
    return {
        "model": f"{name}/{want.asked}",
        "api_base": f"{provider.base}/{want.recording}{path}",
        "api_key": "any",
        "messages": MESSAGES,
        "stream": want.stream,
        "max_retries": 0,
    }


@pytest.mark.parametrize(("name", "path", "want"), CALLS)
def test_a_completion_is_one_span(
    name: str, path: str, want: Expected, observed: Observed, provider: replay.Provider
) -> None:
    def call() -> None:
        answer: Any = litellm.completion(**asked(provider, name, path, want))
        assert not want.stream or list(answer)

    call()
    asyncio.run(collected(observed))
    want.assert_is(observed.calls)


@pytest.mark.parametrize(("name", "path", "want"), CALLS)
async def test_an_async_completion_is_one_span(
    name: str, path: str, want: Expected, observed: Observed, provider: replay.Provider
) -> None:
    async def call() -> None:
        answer: Any = await litellm.acompletion(**asked(provider, name, path, want))
        assert not want.stream or [one async for one in answer]

    await call()
    await collected(observed)
    want.assert_is(observed.calls)


def test_an_embedding_is_one_span(observed: Observed, provider: replay.Provider) -> None:
    want = expected.OPENAI_EMBEDDINGS
    litellm.embedding(
        model=f"openai/{want.asked}",
        input=["Hello"],
        api_base=f"{provider.base}/{want.recording}/v1",
        api_key="any",
    )
    want.assert_is(observed.calls)
