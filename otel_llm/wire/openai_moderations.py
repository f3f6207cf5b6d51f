"""Moderations: is a text or an image harmful? OpenAI and Mistral.

The conventions have no operation for this; ours is `moderation`.

https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Message, Request, Response, message, text
from otel_llm.wire import take
from otel_llm.wire.openai_chat import read_message, read_model, read_parts
from otel_llm.wire.openai_usage import read_usage
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits(ask: Ask) -> bool:
    """Something to judge: a text, texts, parts or messages."""
    given = ask.body.get("input") if isinstance(ask.body, dict) else None
    return isinstance(given, str | list)


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a moderation."""
    body = ask.body
    return Request(
        operation="moderation",
        model=read_model(ask),
        input_messages=_judged(body.get("input") if isinstance(body, dict) else None) if content else None,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The verdicts, one message each."""
    body = answer.body
    results = [one for one in take.items(body, "results") if isinstance(one, dict)]
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        usage=read_usage(take.mapping(body, "usage"), request.model),
        output_messages=[message("assistant", [{**one, "type": "moderation"}]) for one in results]
        if content
        else None,
    )


def _judged(given: Json) -> list[Message]:
    """Each text is judged by itself; parts are judged together."""
    if isinstance(given, str):
        return [message("user", [text(given)])]
    made: list[Message] = []
    parts: list[Json] = []
    for one in given if isinstance(given, list) else ():
        if isinstance(one, dict) and "type" in one:
            parts.append(one)
        elif isinstance(one, list):  # Mistral judges conversations
            made += [read_message(turn) for turn in one if isinstance(turn, dict)]
        elif isinstance(one, dict):
            made.append(read_message(one))
        elif isinstance(one, str):
            made.append(message("user", [text(one)]))
    return [*made, message("user", read_parts(parts))] if parts else made


WIRE: Final = Wire("openai_moderations", "openai", read_request, read_response)
