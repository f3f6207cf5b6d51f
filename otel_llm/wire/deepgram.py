"""Deepgram's speech: all settings are in the query, the body is the recording or the text.

https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded
https://developers.deepgram.com/reference/text-to-speech/speak-request
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from otel_llm.record import Json, Request, Response, message, text, uri
from otel_llm.wire import take
from otel_llm.wire.openai_audio import read_speech_response
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits_speak(ask: Ask) -> bool:
    """A text, at Deepgram or with the name of one of its voices."""
    return take.string(ask.body, "text") is not None and _deepgrams(ask, "aura-")


def fits_listen(ask: Ask) -> bool:
    """The address of a recording or the recording, at Deepgram or with the name of one of its models."""
    recorded = ask.headers.get("content-type", "").startswith(
        ("audio/", "video/", "application/octet-stream")
    )
    return (recorded or take.string(ask.body, "url") is not None) and _deepgrams(ask, "nova-")


def _deepgrams(ask: Ask, family: str) -> bool:
    return ask.host.endswith("deepgram.com") or (_model(ask) or "").startswith(family)


def _model(ask: Ask) -> str | None:
    """The first `model` of the query, if it can be read."""
    try:
        return parse_qs(ask.query, max_num_fields=256).get("model", [""])[0] or None
    except ValueError:
        return None


def read_speak_request(ask: Ask, content: bool) -> Request:
    """The request of speech."""
    said = take.string(ask.body, "text")
    return Request(
        operation="generate_content",
        model=_model(ask),
        output_type="speech",
        input_messages=[message("user", [text(said)])] if content and said else None,
    )


def read_listen_request(ask: Ask, content: bool) -> Request:
    """The request of a transcription."""
    address = take.string(ask.body, "url")
    return Request(
        operation="generate_content",
        model=_model(ask),
        output_type="text",
        input_messages=[message("user", [uri("audio", address)])] if content and address else None,
    )


def read_listen_response(answer: Answer, request: Request, content: bool) -> Response:
    """The transcript of each channel, at its best."""
    metadata = take.mapping(answer.body, "metadata")
    models = [take.string(one, "name") for one in take.mapping(metadata, "model_info").values()]
    channels = take.items(take.mapping(answer.body, "results"), "channels")
    return Response(
        id=take.string(metadata, "request_id"),
        model=models[0] if models else None,
        output_messages=[message("assistant", [text(said)]) for said in map(_transcript, channels) if said]
        if content
        else None,
    )


def _transcript(channel: Json) -> str | None:
    found = take.items(channel, "alternatives")
    return take.string(found[0], "transcript") if found else None


SPEAK: Final = Wire("deepgram_speak", "deepgram", read_speak_request, read_speech_response)
LISTEN: Final = Wire("deepgram_listen", "deepgram", read_listen_request, read_listen_response)
