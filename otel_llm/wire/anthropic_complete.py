"""Anthropic's text completions, the API before messages. Bedrock still speaks it with old models.

https://platform.claude.com/docs/en/api/completions
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Request, Response, message, text
from otel_llm.wire import take
from otel_llm.wire.anthropic_messages import FINISH
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire


def fits(ask: Ask) -> bool:
    """A prompt and the limit that only this API names so."""
    body = ask.body
    return isinstance(body, dict) and isinstance(body.get("prompt"), str) and "max_tokens_to_sample" in body


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a text completion."""
    body = ask.body
    prompt = take.string(body, "prompt")
    return Request(
        operation="text_completion",
        model=take.string(body, "model"),
        stream=take.flag(body, "stream"),
        max_tokens=take.integer(body, "max_tokens_to_sample"),
        temperature=take.number(body, "temperature"),
        top_p=take.number(body, "top_p"),
        top_k=take.integer(body, "top_k"),
        stop_sequences=take.strings(body, "stop_sequences"),
        user=take.string(take.mapping(body, "metadata"), "user_id"),
        input_messages=[message("user", [text(prompt)] if prompt else [])] if content else None,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The completion, or its folded stream. This API never says what it used."""
    body = answer.body
    said = take.string(body, "stop_reason")
    finish = FINISH.get(said, said) if said else "error"
    completion = take.string(body, "completion")
    came = isinstance(body, dict) and "completion" in body
    messages = None
    if content:
        messages = [message("assistant", [text(completion)] if completion else [], finish)] if came else []
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        finish_reasons=[finish] if came else None,
        output_messages=messages,
    )


class Fold:
    """Events to the completion: their texts follow one another, the last reason stands."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._pieces: list[str] = []
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict or event.get("type") == "ping":
            return
        piece = event.get("completion")
        if type(piece) is str and self._content and self._room > 0:
            self._room -= len(piece)
            self._pieces.append(piece)
        for key in ("id", "model", "stop_reason", "stop", "error"):
            if (value := event.get(key)) is not None:
                self._top[key] = value
        if "completion" in event:
            self._top["completion"] = ""

    def body(self) -> Json:
        """The completion so far."""
        return {**self._top, "completion": "".join(self._pieces)} if "completion" in self._top else self._top


WIRE: Final = Wire("anthropic_complete", "anthropic", read_request, read_response, Fold)
