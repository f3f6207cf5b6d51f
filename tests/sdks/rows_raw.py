"""HTTP clients without any SDK, and frameworks above one."""

from __future__ import annotations

import importlib
import json
from typing import Any, Final

from tests.corpus import Recording
from tests.sdks.calls import Place, Row, Sdk
from tests.sdks.rows_openai import CHAT, by_openai


def _http(module: str, name: str) -> Any:
    def client(place: Place) -> Any:
        return getattr(importlib.import_module(module), name)(verify=False)

    return client


def _session(place: Place) -> Any:
    sdk: Any = importlib.import_module("requests")
    return sdk.Session()


def _aiohttp_session(place: Place) -> Any:
    sdk: Any = importlib.import_module("aiohttp")
    return sdk.ClientSession()


HTTPX: Final = Sdk("httpx", _http("httpx", "Client"), _http("httpx", "AsyncClient"))
HTTPX2: Final = Sdk("httpx2", _http("httpx2", "Client"), _http("httpx2", "AsyncClient"))
REQUESTS: Final = Sdk("requests", _session, None)
AIOHTTP: Final = Sdk("aiohttp", None, _aiohttp_session)


def _post(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"url": place.url, "json": body}


def _stream(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"method": "POST", "url": place.url, "json": body}


def _post_stream(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"url": place.url, "json": body, "stream": True}


def _langchain(place: Place) -> Any:
    openai: Any = importlib.import_module("openai")
    sdk: Any = importlib.import_module("langchain_openai")
    return sdk.ChatOpenAI(
        model="gpt-4o-mini",
        base_url=place.base,
        api_key="test",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(verify=False),
        http_async_client=openai.DefaultAsyncHttpxClient(verify=False),
    )


def _close_langchain(client: Any, asynchronous: bool) -> Any:
    return client.http_async_client.aclose() if asynchronous else client.http_client.close()


def _agent(place: Place) -> Any:
    openai: Any = importlib.import_module("openai")
    sdk: Any = importlib.import_module("pydantic_ai")
    models: Any = importlib.import_module("pydantic_ai.models.openai")
    providers: Any = importlib.import_module("pydantic_ai.providers.openai")
    client = openai.AsyncOpenAI(
        base_url=place.base,
        api_key="test",
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(verify=False),
    )
    return sdk.Agent(
        models.OpenAIChatModel("gpt-4o-mini", provider=providers.OpenAIProvider(openai_client=client))
    )


LANGCHAIN: Final = Sdk("langchain_openai", _langchain, None, close=_close_langchain)
ASYNC_LANGCHAIN: Final = Sdk("langchain_openai", None, _langchain, close=_close_langchain)
AGENT: Final = Sdk(
    "pydantic_ai", None, _agent, close=lambda client, asynchronous: client.model.client.close()
)


def _hello(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"input": "Hello"}


def _prompt(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"user_prompt": "Hello"}


def _text(recording: Recording) -> bool:
    """A plain answer in words, which ends an agent's run."""
    return (
        by_openai(recording)
        and recording.status == 200
        and not recording.stream
        and bool(json.loads(recording.response_body)["choices"][0]["message"]["content"])
    )


def _streamed(recording: Recording) -> bool:
    return by_openai(recording) and recording.stream


def _streamed_text(recording: Recording) -> bool:
    return _streamed(recording) and b"tool_calls" not in recording.response_body


def _whole(recording: Recording) -> bool:
    return by_openai(recording) and not recording.stream


_POST: Final = (
    Row(HTTPX, "post", *CHAT, _post, _whole),
    Row(HTTPX2, "post", *CHAT, _post, _whole),
    Row(REQUESTS, "post", *CHAT, _post, _whole),
    Row(AIOHTTP, "post", *CHAT, _post, by_openai),
)
_STREAM: Final = (
    Row(HTTPX, "stream", *CHAT, _stream, _streamed),
    Row(HTTPX2, "stream", *CHAT, _stream, _streamed),
    Row(REQUESTS, "post", *CHAT, _post_stream, _streamed),
)
_ABOVE: Final = (
    Row(LANGCHAIN, "invoke", *CHAT, _hello, _whole),
    Row(LANGCHAIN, "stream", *CHAT, _hello, _streamed),
    Row(ASYNC_LANGCHAIN, "ainvoke", *CHAT, _hello, _whole),
    Row(ASYNC_LANGCHAIN, "astream", *CHAT, _hello, _streamed),
    Row(AGENT, "run", *CHAT, _prompt, _text),
    Row(AGENT, "run_stream", *CHAT, _prompt, _streamed_text),
)
ROWS: Final = (*_POST, *_STREAM, *_ABOVE)
