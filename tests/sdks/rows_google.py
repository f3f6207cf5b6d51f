"""The google-genai SDK, for Gemini and for Vertex; its async face sends by aiohttp, or by httpx2 where it is told to."""

from __future__ import annotations

import importlib
from typing import Any, Final

from tests.corpus import Recording
from tests.sdks import said
from tests.sdks.calls import Place, Row, Sdk


def _client(place: Place, **options: Any) -> Any:
    genai: Any = importlib.import_module("google.genai")
    httpx2: Any = importlib.import_module("httpx2")
    http_options = {
        "base_url": place.base,
        "api_version": place.names["version"],
        "httpx_client": httpx2.Client(verify=False),
        **options,
    }
    if "project" not in place.names:
        return genai.Client(api_key="test", http_options=http_options)
    credentials: Any = importlib.import_module("google.oauth2.credentials")
    return genai.Client(
        vertexai=True,
        project="example-project",
        location="us-central1",
        credentials=credentials.Credentials("test"),
        http_options=http_options,
    )


def _plain(place: Place) -> Any:
    httpx2: Any = importlib.import_module("httpx2")
    return _client(place, httpx_async_client=httpx2.AsyncClient(verify=False))  # else it makes one, slowly


def _async(place: Place) -> Any:
    return _client(place).aio


def _async_httpx2(place: Place) -> Any:
    return _plain(place).aio


async def _aclose(client: Any) -> None:
    await client._api_client._async_httpx_client.aclose()
    await client.aclose()


def _close(client: Any, asynchronous: bool) -> Any:
    """Its own way leaves HTTP clients open that it was given."""
    return _aclose(client) if asynchronous else client._api_client._httpx_client.close()


GEMINI: Final = Sdk("google.genai", _plain, _async, "gcp.gemini", close=_close)
GEMINI_BY_HTTPX2: Final = Sdk("google.genai", None, _async_httpx2, "gcp.gemini", close=_close, by="/httpx2")
VERTEX: Final = Sdk("google.genai", _plain, _async, "gcp.vertex_ai", close=_close)


def _generate(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    """The wire's one object is a list of contents and a configuration in the SDK."""
    types: Any = importlib.import_module("google.genai.types")
    config = {
        **body.get("generationConfig", {}),
        **{name: body[name] for name in _BESIDE if name in body},
        "automaticFunctionCalling": {"disable": True},
    }
    return {
        "model": place.names["model"],
        "contents": [types.Content.model_validate(one) for one in body["contents"]],
        "config": types.GenerateContentConfig.model_validate(config),
    }


_BESIDE: Final = ("systemInstruction", "tools", "toolConfig", "safetySettings", "cachedContent")


def _embed(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"model": place.names["model"], "contents": ["Hello"]}


def _readable(recording: Recording) -> bool:
    """This SDK reads neither enums as numbers nor a stream as an array."""
    return not {"google_enum_ints", "json_array_stream"} & set(recording.features)


def _small(recording: Recording) -> bool:
    return _readable(recording) and len(recording.request_body) < 600


_MODEL: Final = r"/(?P<version>v1\w*)/models/(?P<model>[^/:]+)"
_PUBLISHED: Final = r"/(?P<version>v1\w*)/(?P<project>(projects/[^/]+/locations/[^/]+/)?)publishers/google/models/(?P<model>[^/:]+)"
_GENERATE: Final = ("generate_content", said.generate_content)
_EMBED: Final = ("embeddings", said.google_embeddings)

ROWS: Final = (
    Row(GEMINI, "models.generate_content", f"{_MODEL}:generateContent", *_GENERATE, _generate, _readable),
    Row(
        GEMINI,
        "models.generate_content_stream",
        f"{_MODEL}:streamGenerateContent",
        *_GENERATE,
        _generate,
        _readable,
    ),
    Row(
        GEMINI_BY_HTTPX2,
        "models.generate_content",
        f"{_MODEL}:generateContent",
        *_GENERATE,
        _generate,
        _small,
    ),
    Row(
        GEMINI_BY_HTTPX2,
        "models.generate_content_stream",
        f"{_MODEL}:streamGenerateContent",
        *_GENERATE,
        _generate,
        _small,
    ),
    Row(VERTEX, "models.generate_content", f"{_PUBLISHED}:generateContent", *_GENERATE, _generate, _readable),
    Row(
        VERTEX,
        "models.generate_content_stream",
        f"{_PUBLISHED}:streamGenerateContent",
        *_GENERATE,
        _generate,
        _readable,
    ),
    Row(GEMINI, "models.embed_content", f"{_MODEL}:batchEmbedContents", *_EMBED, _embed),
    Row(VERTEX, "models.embed_content", f"{_PUBLISHED}:predict", *_EMBED, _embed),
    Row(VERTEX, "models.embed_content", f"{_PUBLISHED}:embedContent", *_EMBED, _embed),
    Row(GEMINI, "models.count_tokens", f"{_MODEL}:countTokens", "", said.nothing, _embed, spans=0),
    Row(
        GEMINI,
        "interactions.create",
        r"/(?P<version>v1\w*)/interactions",
        "generate_content",
        said.interaction,
        where=lambda r: b'"agent"' not in r.request_body,
    ),
    Row(
        GEMINI,
        "interactions.create",
        r"/(?P<version>v1\w*)/interactions",
        "invoke_agent",
        said.interaction,
        where=lambda r: b'"agent"' in r.request_body,
    ),
)
