"""Every client that has a hook, behind two faces: one for plain programs, one for async ones.

`open` starts a streamed call and gives what has to be closed and an iterator of the body's pieces; `post` makes a
call that does not stream and gives its body.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, NamedTuple

import aiohttp
import boto3  # type: ignore[import-untyped]  # it has no stubs
import httpx
import httpx2
import requests
from botocore.config import Config  # type: ignore[import-untyped]  # nor has this

from tests.hooks.server import ASK, ASK_STREAM, CHAT

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Given to each client of httpx, which would load the system's certificates for each otherwise."""


class Opened(NamedTuple):
    """A streamed answer."""

    response: Any
    pieces: Iterator[Any]
    close: Callable[[], None]


class AsyncOpened(NamedTuple):
    """The same, async."""

    response: Any
    pieces: AsyncIterator[Any]
    close: Callable[[], Coroutine[Any, Any, None]]


class Client(NamedTuple):
    """A client of plain programs."""

    name: str
    open: Callable[[str], Opened]
    post: Callable[[str], bytes]


class AsyncClient(NamedTuple):
    """A client of async programs."""

    name: str
    open: Callable[[str], Coroutine[Any, Any, AsyncOpened]]
    post: Callable[[str], Coroutine[Any, Any, bytes]]


def _httpx(module: Any) -> Client:
    def opened(url: str) -> Opened:
        client = module.Client(verify=TLS)
        response = client.send(client.build_request("POST", url + CHAT, json=ASK_STREAM), stream=True)

        def close() -> None:
            response.close()
            client.close()

        return Opened(response, response.iter_raw(), close)

    def post(url: str) -> bytes:
        with module.Client(verify=TLS) as client:
            content: bytes = client.post(url + CHAT, json=ASK).content
            return content

    return Client(module.__name__, opened, post)


def _async_httpx(module: Any) -> AsyncClient:
    async def opened(url: str) -> AsyncOpened:
        client = module.AsyncClient(verify=TLS)
        response = await client.send(client.build_request("POST", url + CHAT, json=ASK_STREAM), stream=True)

        async def close() -> None:
            await response.aclose()
            await client.aclose()

        return AsyncOpened(response, response.aiter_raw(), close)

    async def post(url: str) -> bytes:
        async with module.AsyncClient(verify=TLS) as client:
            content: bytes = (await client.post(url + CHAT, json=ASK)).content
            return content

    return AsyncClient(f"async {module.__name__}", opened, post)


async def _open_aiohttp(url: str) -> AsyncOpened:
    session = aiohttp.ClientSession()
    response = await session.post(url + CHAT, json=ASK_STREAM)

    async def close() -> None:
        response.release()
        await session.close()

    return AsyncOpened(response, response.content.iter_any(), close)


async def _post_aiohttp(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.post(url + CHAT, json=ASK) as response:
        return await response.read()


def _open_requests(url: str) -> Opened:
    session = requests.Session()
    response = session.post(url + CHAT, json=ASK_STREAM, stream=True)

    def close() -> None:
        response.close()
        session.close()

    return Opened(response, response.iter_content(None), close)


def _post_requests(url: str) -> bytes:
    with requests.Session() as session:
        content: bytes = session.post(url + CHAT, json=ASK).content
        return content


def bedrock(url: str, attempts: int = 1) -> Any:
    """A Bedrock client of the local provider."""
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=5),
    )


MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
MESSAGES = [{"role": "user", "content": [{"text": "Say hello"}]}]


def _open_bedrock(url: str) -> Opened:
    client = bedrock(url)
    answer = client.converse_stream(modelId=MODEL, messages=MESSAGES)
    stream = answer["stream"]
    del answer

    def close() -> None:
        stream.close()
        client.close()

    return Opened(stream, iter(stream), close)


def _post_bedrock(url: str) -> bytes:
    client = bedrock(url)
    answer = client.converse(modelId=MODEL, messages=MESSAGES)
    client.close()
    return json.dumps(answer["output"]).encode()


PLAIN = (
    _httpx(httpx),
    _httpx(httpx2),
    Client("requests", _open_requests, _post_requests),
    Client("botocore", _open_bedrock, _post_bedrock),
)
ASYNC = (
    _async_httpx(httpx),
    _async_httpx(httpx2),
    AsyncClient("aiohttp", _open_aiohttp, _post_aiohttp),
)
