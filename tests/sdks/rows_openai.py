"""The openai SDK, and what is built upon it."""

from __future__ import annotations

import importlib
from typing import Any, Final

from tests.corpus import Recording
from tests.sdks import said
from tests.sdks.calls import Place, Row, Sdk, known


def stainless(
    module: str, names: tuple[str, str], flavour: str = "openai", url: str = "base_url", **options: Any
) -> Sdk:
    """An SDK of the make of openai's: class names, and what its classes take besides a URL and an HTTP client.

    The HTTP clients are the SDK's own; they only skip the certificates, whose loading takes longer than a call.
    """

    def client(place: Place) -> Any:
        sdk: Any = importlib.import_module(module)
        return getattr(sdk, names[0])(
            **{url: place.base, "http_client": sdk.DefaultHttpxClient(verify=False)}, **options
        )

    def async_client(place: Place) -> Any:
        sdk: Any = importlib.import_module(module)
        return getattr(sdk, names[1])(
            **{url: place.base, "http_client": sdk.DefaultAsyncHttpxClient(verify=False)}, **options
        )

    return Sdk(module, client, async_client, flavour)


def _over_aiohttp(place: Place) -> Any:
    sdk: Any = importlib.import_module("openai")
    return sdk.AsyncOpenAI(base_url=place.base, http_client=sdk.DefaultAioHttpClient(), **KEY)


KEY: Final[dict[str, Any]] = {"api_key": "test", "max_retries": 0}
OPENAI: Final = stainless("openai", ("OpenAI", "AsyncOpenAI"), **KEY)
OVER_AIOHTTP: Final = Sdk("openai", None, _over_aiohttp, by="/aiohttp")
AZURE: Final = stainless(
    "openai", ("AzureOpenAI", "AsyncAzureOpenAI"), url="azure_endpoint", api_version="2024-10-21", **KEY
)


def by_openai(recording: Recording) -> bool:
    """One provider is enough for the rarer ways to call."""
    return recording.provider == "openai"


def _no_deployment(recording: Recording) -> bool:
    """Azure's older paths name the deployment."""
    return "/deployments/" not in recording.url


def _streamed_by_openai(recording: Recording) -> bool:
    return by_openai(recording) and recording.stream


def _whole_by_openai(recording: Recording) -> bool:
    return by_openai(recording) and not recording.stream


def _without_tools(recording: Recording) -> bool:
    """The parsing helpers want tools to be strict."""
    return _whole_by_openai(recording) and b'"tools"' not in recording.request_body


def _deployment(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return known(method, {**body, "model": place.names["deployment"]}, place, recording)


def unstreamed(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    """Helpers stream by themselves."""
    return known(method, {name: one for name, one in body.items() if name != "stream"}, place, recording)


def _low_level(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"path": "/chat/completions", "body": body, "cast_to": object}


def _speech(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello"}


def _transcription(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    file = ("hello.wav", b"RIFF" * 100, "audio/wav")
    return {"model": "whisper-1", "file": file, "stream": recording.stream}


def _edit(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"model": "gpt-image-1.5", "prompt": "greener", "image": ("logo.png", b"\x89PNG" * 9, "image/png")}


def _fetch(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    return {"response_id": place.names["response"], "stream": recording.stream}


CHAT: Final = ("/chat/completions", "chat", said.chat)
_RESPONSES: Final = ("/responses", "chat", said.responses)
_DEPLOYED: Final = "/openai/deployments/(?P<deployment>[^/]+)"
_MAKES: Final = ("generate_content", said.nothing)

ROWS: Final = (
    Row(OPENAI, "chat.completions.create", *CHAT, where=_no_deployment),
    Row(OPENAI, "chat.completions.with_raw_response.create", *CHAT, where=by_openai),
    Row(OPENAI, "chat.completions.with_streaming_response.create", *CHAT, where=by_openai),
    Row(OPENAI, "chat.completions.stream", *CHAT, unstreamed, _streamed_by_openai),
    Row(OPENAI, "chat.completions.parse", *CHAT, unstreamed, _without_tools),
    Row(OPENAI, "post", *CHAT, _low_level, _whole_by_openai),
    Row(OVER_AIOHTTP, "chat.completions.create", *CHAT, where=by_openai),
    Row(AZURE, "chat.completions.create", _DEPLOYED + CHAT[0], *CHAT[1:], _deployment),
    Row(AZURE, "embeddings.create", f"{_DEPLOYED}/embeddings", "embeddings", said.embeddings, _deployment),
    Row(OPENAI, "responses.create", *_RESPONSES),
    Row(OPENAI, "responses.with_raw_response.create", *_RESPONSES, where=by_openai),
    Row(OPENAI, "responses.parse", *_RESPONSES, unstreamed, _without_tools),
    Row(OPENAI, "responses.stream", *_RESPONSES, unstreamed, _streamed_by_openai),
    Row(OVER_AIOHTTP, "responses.create", *_RESPONSES, where=by_openai),
    Row(
        OPENAI,
        "responses.retrieve",
        "/responses/(?P<response>resp_\\w+)",
        "fetch_response",
        said.fetched,
        _fetch,
    ),
    Row(OPENAI, "responses.input_tokens.count", "/responses/input_tokens", "", said.nothing, spans=0),
    Row(OPENAI, "completions.create", "/completions(?<!chat/completions)", "text_completion", said.chat),
    Row(OPENAI, "embeddings.create", "/embeddings", "embeddings", said.embeddings, where=_no_deployment),
    Row(OPENAI, "images.generate", "/images/generations", *_MAKES),
    Row(OPENAI, "images.edit", "/images/edits", *_MAKES, _edit),
    Row(OPENAI, "audio.speech.create", "/audio/speech", *_MAKES, _speech),
    Row(OPENAI, "audio.speech.with_streaming_response.create", "/audio/speech", *_MAKES, _speech),
    Row(
        OPENAI,
        "audio.transcriptions.create",
        "/audio/transcriptions",
        "generate_content",
        said.transcription,
        _transcription,
    ),
    Row(OPENAI, "moderations.create", "/moderations", "moderation", said.moderation),
)
