"""Anthropic messages: at Anthropic, on Vertex AI and Foundry, behind gateways, and inside Bedrock's invoke.

https://platform.claude.com/docs/en/api/messages
https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from otel_llm.record import Json, Request, Response, Usage, message
from otel_llm.wire import take
from otel_llm.wire.anthropic_content import read_message, read_parts, read_system, read_tools
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}
"""Anthropic's words in the conventions' words; `pause_turn` and `compaction` stay as they are."""

_VERTEX = re.compile(r"/publishers/[^/]+/models/([^/]+):(?:rawPredict|streamRawPredict)$")
_GROWS = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
    "compaction_delta": "content",
}
"""Where each kind of delta has its text."""
_MAX_BLOCKS = 1024
_MAX_COUNTS = 128


def fits(ask: Ask) -> bool:
    """A body that only this API takes: messages, a model, and the limit or version that it demands."""
    body = ask.body
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        return False
    return isinstance(body.get("model"), str) and ("max_tokens" in body or "anthropic-version" in ask.headers)


def fits_vertex(ask: Ask) -> bool:
    """A Claude model behind Vertex's raw predict; counting tokens has the same path and is no call of a model."""
    body = ask.body
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        return False
    if "/models/count-tokens" in ask.path:
        return False
    return "/publishers/anthropic/" in ask.path or "anthropic_version" in body


def read_request(ask: Ask, content: bool) -> Request:
    """The request for a message; on Vertex the path has the model."""
    body = ask.body
    on_vertex = _VERTEX.search(ask.path)
    config = take.mapping(body, "output_config")
    formatted = take.mapping(config, "format") or take.mapping(body, "output_format")
    tier = take.string(body, "service_tier")
    return Request(
        operation="chat",
        model=unquote(on_vertex[1]) if on_vertex else take.string(body, "model"),
        provider="gcp.vertex_ai" if on_vertex else None,
        stream=take.flag(body, "stream") or ask.path.endswith(":streamRawPredict"),
        max_tokens=take.integer(body, "max_tokens"),
        temperature=take.number(body, "temperature"),
        top_p=take.number(body, "top_p"),
        top_k=take.integer(body, "top_k"),
        stop_sequences=take.strings(body, "stop_sequences"),
        reasoning_level=take.string(config, "effort") or take.string(take.mapping(body, "thinking"), "type"),
        output_type="json" if (take.string(formatted, "type") or "").startswith("json") else None,
        service_tier=tier if tier != "auto" else None,
        user=take.string(take.mapping(body, "metadata"), "user_id"),
        input_messages=[read_message(one) for one in take.items(body, "messages")] if content else None,
        system_instructions=read_system(body) if content else None,
        tool_definitions=read_tools(body) if content else None,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer, or its folded stream."""
    body = answer.body
    usage = take.mapping(body, "usage")
    finish = finish_reason(body)
    messages = None
    if content:
        blocks = take.items(body, "content")
        messages = [message("assistant", read_parts(blocks), finish)] if blocks or finish else []
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        finish_reasons=[finish] if finish else None,
        usage=read_usage(usage),
        service_tier=take.string(usage, "service_tier"),
        conversation_compacted=any(
            take.string(one, "type") == "compaction" for one in take.items(body, "content")
        ),
        cost=take.number(usage, "cost"),
        output_messages=messages,
    )


def finish_reason(body: Json) -> str | None:
    """`error` where there is a message whose reason never came."""
    if said := take.string(body, "stop_reason"):
        return FINISH.get(said, said)
    return "error" if take.items(body, "content") or take.string(body, "role") else None


def read_usage(usage: Json) -> Usage:
    """Anthropic's input leaves out what was cached, and what a compaction read and wrote on the way: both are billed.

    An adviser's tokens are another model's, at another price, and are left out.
    """
    compactions = [one for one in take.items(usage, "iterations") if take.string(one, "type") == "compaction"]
    billed = [usage, *compactions]
    read = take.total(*(take.integer(one, "cache_read_input_tokens") for one in billed))
    write = take.total(*(take.integer(one, "cache_creation_input_tokens") for one in billed))
    fresh = take.total(*(take.integer(one, "input_tokens") for one in billed))
    return Usage(
        input=take.total(fresh, read, write) if fresh is not None else None,
        output=take.total(*(take.integer(one, "output_tokens") for one in billed)),
        cache_read=read,
        cache_write=write,
        cache_write_1h=take.total(
            *(
                take.integer(take.mapping(one, "cache_creation"), "ephemeral_1h_input_tokens")
                for one in billed
            )
        ),
        reasoning=take.integer(take.mapping(usage, "output_tokens_details"), "thinking_tokens"),
    )


class Fold:
    """Events to the message that they make up. Usage is cumulative: the last one said stands."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._usage: dict[str, Json] = {}
        self._blocks: dict[int, _Block] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict:
            return
        kind = event.get("type")
        if kind == "content_block_delta":
            if self._content:
                self._grow(event)
        elif kind == "content_block_start":
            self._start(event)
        elif kind == "message_start":
            made = event.get("message")
            if type(made) is dict:
                self._take(made)
                self._take_usage(made)
        elif kind == "message_delta":
            self._take_usage(event)
            delta = event.get("delta")
            if type(delta) is dict:
                self._take(delta)
        elif kind == "error":
            self._top["error"] = event.get("error")

    def body(self) -> Json:
        """The message so far; empty when not even its start came."""
        if not self._top and not self._blocks and not self._usage:
            return {}
        made = dict(self._top)
        made["content"] = [self._blocks[index].body() for index in sorted(self._blocks)]
        made["usage"] = self._usage
        return made

    def _take(self, said: dict[str, Json]) -> None:
        for key in ("id", "model", "role", "stop_reason"):
            if value := said.get(key):
                self._top[key] = value

    def _take_usage(self, event: dict[str, Json]) -> None:
        usage = event.get("usage")
        if type(usage) is dict and len(usage) + len(self._usage) < _MAX_COUNTS:
            self._usage.update((key, value) for key, value in usage.items() if value is not None)

    def _start(self, event: dict[str, Json]) -> None:
        block = event.get("content_block")
        index = event.get("index")
        if type(block) is not dict or len(self._blocks) >= _MAX_BLOCKS:
            return
        if self._content:
            self._room -= len(str(block))
        if not self._content or self._room < 0:
            kind = block.get("type")
            block = {"type": kind[:64] if type(kind) is str else None}
        self._blocks[index if type(index) is int else len(self._blocks)] = _Block(block)

    def _grow(self, event: dict[str, Json]) -> None:
        delta = event.get("delta")
        index = event.get("index")
        block = self._blocks.get(index) if type(index) is int else None
        if type(delta) is not dict or block is None or self._room <= 0:
            return
        kind = delta.get("type")
        where = _GROWS.get(kind) if type(kind) is str else None
        if where is not None:
            said = delta.get(where)
            if type(said) is str and said:
                self._room -= len(said)
                block.pieces.append(said)
        elif kind == "citations_delta" and (cited := delta.get("citation")):
            self._room -= len(str(cited)) + 64
            block.citations.append(cited)


class _Block:
    """One block as it began, and what has come since."""

    __slots__ = ("_start", "citations", "pieces")

    def __init__(self, start: dict[str, Json]) -> None:
        self._start = start
        self.pieces: list[str] = []
        self.citations: list[Json] = []

    def body(self) -> Json:
        made = dict(self._start)
        if self.citations:
            made["citations"] = self.citations
        if not self.pieces:
            return made
        joined = "".join(self.pieces)
        kind = made.get("type")
        if kind == "text":
            made["text"] = joined
        elif kind == "thinking":
            made["thinking"] = joined
        elif kind == "compaction":
            made["content"] = joined
        else:
            made["input"] = joined
        return made


WIRE: Final = Wire("anthropic_messages", "anthropic", read_request, read_response, Fold)
