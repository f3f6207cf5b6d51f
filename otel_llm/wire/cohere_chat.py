"""Cohere's chat, version 2: messages in, server-sent events out.

https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Message, Request, Response, Usage, message
from otel_llm.wire import take
from otel_llm.wire.openai_chat import read_message, read_tools
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

FINISH: Final = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_call",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
    "TIMEOUT": "error",
}
"""Cohere's words in the conventions'; others stay, in lower case."""

_MAX_BLOCKS: Final = 1024


def fits(ask: Ask) -> bool:
    """A model and messages with roles."""
    messages = take.items(ask.body, "messages")
    return (
        bool(messages)
        and take.string(ask.body, "model") is not None
        and all(isinstance(one, dict) and "role" in one for one in messages)
    )


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a chat."""
    body = ask.body
    return Request(
        operation="chat",
        model=take.string(body, "model"),
        stream=take.flag(body, "stream"),
        max_tokens=take.integer(body, "max_tokens"),
        temperature=take.number(body, "temperature"),
        top_p=take.number(body, "p"),
        top_k=take.integer(body, "k"),
        frequency_penalty=take.number(body, "frequency_penalty"),
        presence_penalty=take.number(body, "presence_penalty"),
        stop_sequences=take.strings(body, "stop_sequences"),
        seed=take.integer(body, "seed"),
        output_type="json" if asks_json(body) else None,
        input_messages=[_message(one) for one in take.items(body, "messages")] if content else None,
        tool_definitions=read_tools(body) if content else None,
    )


def asks_json(body: Json) -> bool:
    """Whether the answer shall be an object."""
    return take.string(take.mapping(body, "response_format"), "type") == "json_object"


def _message(source: Json) -> Message:
    """A message as OpenAI has it, but for the plan that the model makes before it calls tools."""
    plan = take.string(source, "tool_plan")
    return read_message({**source, "reasoning": plan} if plan else source)


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a chat, or of its folded stream."""
    body = answer.body
    reason = finish_reason(body)
    said = take.mapping(body, "message")
    return Response(
        id=take.string(body, "id"),
        finish_reasons=[reason],
        usage=read_usage(take.mapping(body, "usage")),
        output_messages=[_output(said, reason)] if content else None,
    )


def _output(said: dict[str, Json], reason: str) -> Message:
    made = _message({**said, "role": "assistant"})
    return message("assistant", made["parts"], reason)


def finish_reason(source: Json) -> str:
    """`error` where a reason was expected but never came."""
    said = take.string(source, "finish_reason")
    return FINISH.get(said.upper()) or said.lower() if said else "error"


def read_usage(usage: Json) -> Usage:
    """The tokens that are billed; where Cohere does not say, the tokens that went through the model.

    Billed are the caller's own tokens and not Cohere's preamble, images with them. The cached tokens count the
    preamble too, so that they are no part of the billed ones, and are left out beside them.
    """
    billed = take.mapping(usage, "billed_units")
    tokens = take.mapping(usage, "tokens")
    images = take.integer(tokens, "image_tokens")
    given = take.integer(billed, "input_tokens")
    made = take.integer(billed, "output_tokens")
    cached = None
    if given is None:
        given = take.total(take.integer(tokens, "input_tokens"), images)
        cached = take.integer(usage, "cached_tokens")
    if made is None:
        made = take.integer(tokens, "output_tokens")
    return Usage(
        input=given,
        output=made,
        cache_read=cached,
        reasoning=take.integer(tokens, "reasoning_tokens"),
        image_input=images,
    )


class Fold:
    """Events to the message that they make up. Content blocks and tool calls join by their index."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._plan: list[str] = []
        self._blocks: dict[int, dict[str, list[str]]] = {}
        self._calls: dict[int, dict[str, Json]] = {}
        self._arguments: dict[int, list[str]] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        kind = take.string(event, "type")
        delta = take.mapping(event, "delta")
        if kind == "message-start":
            self._top["id"] = event.get("id")
        elif kind == "message-end":
            for key in ("finish_reason", "usage", "error"):
                if key in delta:
                    self._top[key] = delta[key]
        elif self._content and kind is not None:
            index = event.get("index")
            self._delta(kind, index if type(index) is int else 0, take.mapping(delta, "message"))

    def _delta(self, kind: str, index: int, said: dict[str, Json]) -> None:
        if kind in {"content-start", "content-delta"}:
            content = take.mapping(said, "content")
            if len(self._blocks) < _MAX_BLOCKS or index in self._blocks:
                block = self._blocks.setdefault(index, {})
                for key in ("thinking", "text"):
                    self._keep(block.setdefault(key, []), content.get(key))
        elif kind == "tool-plan-delta":
            self._keep(self._plan, said.get("tool_plan"))
        elif kind in {"tool-call-start", "tool-call-delta"}:
            call = take.mapping(said, "tool_calls")
            if len(self._calls) < _MAX_BLOCKS or index in self._calls:
                kept = self._calls.setdefault(index, {})
                function = take.mapping(call, "function")
                if call_id := take.string(call, "id"):
                    kept["id"] = call_id
                if called := take.string(function, "name"):
                    kept["name"] = called
                self._keep(self._arguments.setdefault(index, []), function.get("arguments"))

    def _keep(self, pieces: list[str], piece: Json) -> None:
        if isinstance(piece, str) and piece and self._room > 0:
            self._room -= len(piece)
            pieces.append(piece)

    def body(self) -> Json:
        """The message so far."""
        content: list[Json] = []
        for index in sorted(self._blocks):
            for kind, pieces in self._blocks[index].items():
                if pieces:
                    content.append({"type": kind, kind: "".join(pieces)})
        calls = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": "".join(self._arguments.get(index, ()))},
            }
            for index, call in sorted(self._calls.items())
        ]
        said: dict[str, Json] = {"role": "assistant", "content": content, "tool_calls": calls}
        if self._plan:
            said["tool_plan"] = "".join(self._plan)
        return {**self._top, "message": said}


WIRE: Final = Wire("cohere_chat", "cohere", read_request, read_response, Fold)
