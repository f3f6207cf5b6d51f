"""Speech made of text, and text made of speech: OpenAI, Azure, Groq, Mistral, Cohere, OpenRouter.

https://platform.openai.com/docs/api-reference/audio
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Final

from otel_llm.record import Json, Message, Part, Request, Response, blob, file, message, text, uri
from otel_llm.wire import forms, take
from otel_llm.wire.openai_chat import read_model, read_parts
from otel_llm.wire.openai_usage import read_cost, read_usage
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Binary, Fold, Wire

_SOURCES: Final = ("file", "file_id", "file_url", "input_audio", "url")


def fits_speech(ask: Ask) -> bool:
    """A text, and a voice or a model to say it."""
    return take.string(ask.body, "input") is not None and (
        take.string(ask.body, "voice") is not None or read_model(ask) is not None
    )


def fits_transcription(ask: Ask) -> bool:
    """A recording, or a form that was too large to be read."""
    body = ask.body
    if isinstance(body, dict) and any(name in body for name in _SOURCES):
        return True
    return not body and forms.is_form(ask.headers.get("content-type", ""))


def read_speech_request(ask: Ask, content: bool) -> Request:
    """The request of speech."""
    body = ask.body
    said, manner = take.string(body, "input"), take.string(body, "instructions")
    return Request(
        operation="generate_content",
        model=read_model(ask),
        stream=take.string(body, "stream_format") == "sse" or take.flag(body, "stream"),
        output_type="speech",
        user=take.string(body, "user"),
        input_messages=[message("user", [text(said)])] if content and said else None,
        system_instructions=[text(manner)] if content and manner else None,
    )


def read_speech_response(answer: Answer, request: Request, content: bool) -> Response:
    """Sound as it is, or folded from a stream, by its size and digest; no more is kept of it."""
    body = answer.body
    usage = take.mapping(body, "usage")
    return Response(
        id=answer.headers.get("x-generation-id"),
        usage=read_usage(usage, request.model),
        cost=read_cost(usage),
        output_messages=_sound(body) if content else None,
    )


def read_transcription_request(ask: Ask, content: bool) -> Request:
    """The request of a transcription or a translation."""
    body = ask.body
    return Request(
        operation="generate_content",
        model=read_model(ask),
        stream=forms.flag(body, "stream"),
        temperature=forms.number(body, "temperature"),
        output_type="text",
        input_messages=_recording(body) if content else None,
    )


def read_transcription_response(answer: Answer, request: Request, content: bool) -> Response:
    """The text: alone, in JSON with more or less beside it, as subtitles, or folded from a stream."""
    body = answer.body
    usage = take.mapping(body, "usage")
    said = body if isinstance(body, str) else take.string(body, "text")
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        usage=read_usage(usage, request.model),
        cost=read_cost(usage),
        output_messages=[message("assistant", [text(said)])] if content and said else None,
    )


class _SpeechFold:
    """Events to a size and a digest."""

    def __init__(self, content: bool) -> None:
        self._digest = hashlib.sha256() if content else None
        self._size = 0
        self._usage: Json = None

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict:
            return
        if usage := event.get("usage"):
            self._usage = usage
        piece = event.get("audio")
        if self._digest is not None and type(piece) is str:
            try:
                sound = binascii.a2b_base64(piece)
            except (binascii.Error, ValueError):
                return
            self._size += len(sound)
            self._digest.update(sound)

    def body(self) -> Json:
        """The answer so far."""
        made: dict[str, Json] = {"usage": self._usage}
        if self._digest is not None:
            made["audio"] = {"size": self._size, "sha256": self._digest.hexdigest()}
        return made


class _TextFold:
    """Events to a text; the last one brings it whole. Mistral's events say `text` where OpenAI's say `delta`."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._pieces: list[str] = []
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict:
            return
        kind = take.string(event, "type") or name
        for key in ("usage", "model"):
            if value := event.get(key):
                self._top[key] = value
        if not self._content:
            return
        said = take.string(event, "delta") or take.string(event, "text")
        if kind.endswith(".done"):
            if said:
                self._top["text"] = said[:MAX_TEXT]
        elif kind.endswith(".delta") and said and self._room > 0:
            self._room -= len(said)
            self._pieces.append(said)

    def body(self) -> Json:
        """The answer so far."""
        return {"text": "".join(self._pieces), **self._top}


def _speech_fold(content: bool) -> Fold:
    return _SpeechFold(content)


def _text_fold(content: bool) -> Fold:
    return _TextFold(content)


def _sound(body: Json) -> list[Message] | None:
    if isinstance(body, Binary):
        made = blob("audio", body.mime_type, "")
        made["size"], made["sha256"] = body.size, body.sha256
        return [message("assistant", [made])]
    folded = take.mapping(body, "audio")
    return [message("assistant", [{**blob("audio", None, ""), **folded}])] if folded else None


def _recording(body: Json) -> list[Message]:
    parts: list[Part] = []
    if prompt := take.string(body, "prompt"):
        parts.append(text(prompt))
    parts += forms.upload("audio", take.mapping(body, "file") or take.items(body, "file"))
    if file_id := take.string(body, "file_id"):
        parts.append(file("audio", file_id))
    for name in ("file_url", "url", "file"):
        if address := take.string(body, name):
            parts.append(uri("audio", address))
    if inline := take.mapping(body, "input_audio"):
        parts += read_parts([{"type": "input_audio", "input_audio": inline}])
    return [message("user", parts)]


SPEECH: Final = Wire("openai_speech", "openai", read_speech_request, read_speech_response, _speech_fold)
TRANSCRIPTION: Final = Wire(
    "openai_transcription", "openai", read_transcription_request, read_transcription_response, _text_fold
)
