"""Bedrock's Converse: one shape for all models, plain or as a binary event stream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Final, Literal

from otel_llm.record import Json, Request, Response, Usage, message
from otel_llm.wire import take
from otel_llm.wire.bedrock_content import read_message, read_parts, read_system, read_tools
from otel_llm.wire.bedrock_path import is_bedrock, model_of, plain_model
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_call",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""Converse's words in the conventions' words; `malformed_model_output` and `malformed_tool_use` stay as they are."""

_MAX_BLOCKS = 1024


def fits(ask: Ask) -> bool:
    """A model in the path, and messages in the body; AWS's own host is enough, for a prompt has its messages itself."""
    if model_of(ask.path) is None:
        return False
    return bool(take.items(ask.body, "messages")) or is_bedrock(ask)


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a conversation."""
    body = ask.body
    config = take.mapping(body, "inferenceConfig")
    extra = take.mapping(body, "additionalModelRequestFields")
    own = take.mapping(extra, "inferenceConfig")
    tier = take.string(take.mapping(body, "serviceTier"), "type")
    top_k = take.integer(extra, "top_k")
    return Request(
        operation="chat",
        model=model_of(ask.path),
        provider="aws.bedrock",
        stream=ask.path.rstrip("/").endswith("-stream"),
        max_tokens=take.integer(config, "maxTokens"),
        temperature=take.number(config, "temperature"),
        top_p=take.number(config, "topP"),
        top_k=top_k if top_k is not None else take.integer(own, "topK"),
        stop_sequences=take.strings(config, "stopSequences"),
        reasoning_level=reasoning_level(extra),
        output_type=_output_type(body),
        service_tier=tier,
        guardrail_id=take.string(take.mapping(body, "guardrailConfig"), "guardrailIdentifier"),
        input_messages=[read_message(one) for one in take.items(body, "messages")] if content else None,
        system_instructions=read_system(body) if content else None,
        tool_definitions=read_tools(body) if content else None,
    )


def reasoning_level(fields: Json) -> str | None:
    """The level as each family of models spells it, in the words that were sent; else whether thinking is on."""
    amazon = take.mapping(fields, "reasoningConfig")
    thinking = take.mapping(fields, "thinking") or take.mapping(fields, "reasoning_config")
    return (
        take.string(fields, "reasoning_effort")
        or take.string(amazon, "maxReasoningEffort")
        or take.string(take.mapping(fields, "output_config"), "effort")
        or take.string(take.mapping(fields, "reasoning"), "effort")
        or take.string(thinking, "type")
        or take.string(amazon, "type")
        or take.string(fields, "reasoning_config")
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a conversation, or its folded stream. No model and no id come back, but for a router's choice."""
    body = answer.body
    said = take.mapping(take.mapping(body, "output"), "message")
    finish = finish_reason(body)
    chosen = take.string(take.mapping(take.mapping(body, "trace"), "promptRouter"), "invokedModelId")
    messages = None
    if content:
        parts = read_parts(said.get("content"))
        messages = (
            [message(take.string(said, "role") or "assistant", parts, finish)] if parts or finish else []
        )
    return Response(
        model=plain_model(chosen) if chosen else None,
        finish_reasons=[finish] if finish else None,
        usage=read_usage(take.mapping(body, "usage")),
        service_tier=take.string(take.mapping(body, "serviceTier"), "type"),
        output_messages=messages,
    )


def finish_reason(body: Json) -> str | None:
    """`error` where there is a message whose reason never came."""
    if said := take.string(body, "stopReason"):
        return FINISH.get(said, said)
    return "error" if take.mapping(take.mapping(body, "output"), "message") else None


def read_usage(usage: Json) -> Usage:
    """Bedrock's input leaves out what was cached: its total is the sum of all four."""
    read = _count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    write = _count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    fresh = _count(usage, "inputTokens", "inputTokenCount")
    hourly = [one for one in take.items(usage, "cacheDetails") if take.string(one, "ttl") == "1h"]
    return Usage(
        input=take.total(fresh, read, write) if fresh is not None else None,
        output=_count(usage, "outputTokens", "outputTokenCount"),
        cache_read=read,
        cache_write=write,
        cache_write_1h=take.total(*(take.integer(one, "inputTokens") for one in hourly)),
    )


def _count(usage: Json, *names: str) -> int | None:
    return next((count for name in names if (count := take.integer(usage, name)) is not None), None)


def _output_type(body: Json) -> Literal["json"] | None:
    kind = take.string(take.mapping(take.mapping(body, "outputConfig"), "textFormat"), "type") or ""
    return "json" if kind.startswith("json") else None


class Fold:
    """Events to the answer that they make up; each says its kind by its name, and its block by an index."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._role: Json = None
        self._blocks: dict[int, _Block] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict:
            return
        if name == "contentBlockDelta":
            if self._content:
                self._grow(event)
        elif name == "contentBlockStart":
            if self._content and type(start := event.get("start")) is dict:
                self._room -= len(str(start))
                block = self._block(event)
                if block is not None and self._room > 0:
                    block.start = start
        elif name == "messageStart":
            self._role = event.get("role") or "assistant"
        elif name == "messageStop":
            self._take(event, "stopReason")
        elif name == "metadata":
            self._take(event, "usage", "trace", "serviceTier")

    def body(self) -> Json:
        """The answer so far."""
        made = dict(self._top)
        if self._role is not None or self._blocks:
            content = [part for index in sorted(self._blocks) for part in self._blocks[index].body()]
            made["output"] = {"message": {"role": self._role or "assistant", "content": content}}
        return made

    def _take(self, event: dict[str, Json], *names: str) -> None:
        for name in names:
            if value := event.get(name):
                self._top[name] = value

    def _block(self, event: dict[str, Json]) -> _Block | None:
        index = event.get("contentBlockIndex")
        key = index if type(index) is int else 0
        block = self._blocks.get(key)
        if block is None and len(self._blocks) < _MAX_BLOCKS:
            block = self._blocks[key] = _Block()
        return block

    def _grow(self, event: dict[str, Json]) -> None:
        delta = event.get("delta")
        if type(delta) is not dict or self._room <= 0:
            return
        block = self._block(event)
        if block is None:
            return
        for kind, value in delta.items():
            if type(value) is str:
                self._room -= len(value)
                block.say(kind, value)
            elif kind in {"toolUse", "reasoningContent"} and type(value) is dict:
                for name, piece in value.items():
                    if type(piece) is str:
                        self._room -= len(piece)
                        block.say(name if kind == "toolUse" else f"reasoning.{name}", piece)
            elif value:
                self._room -= len(str(value)) + 64
                block.rest.setdefault(kind, []).append(value)


class _Block:
    """One block: how it began, its texts by kind, and what else belongs to it."""

    __slots__ = ("_texts", "rest", "start")

    def __init__(self) -> None:
        self.start: dict[str, Json] = {}
        self.rest: dict[str, list[Json]] = {}
        self._texts: dict[str, list[str]] = {}

    def say(self, kind: str, piece: str) -> None:
        if kind in {"text", "input", "reasoning.text", "reasoning.redactedContent"}:
            self._texts.setdefault(kind, []).append(piece)

    def body(self) -> list[Json]:
        texts = {kind: "".join(pieces) for kind, pieces in self._texts.items()}
        if type(call := self.start.get("toolUse")) is dict:
            return [{"toolUse": {**call, "input": texts.get("input") or {}}}]
        if type(result := self.start.get("toolResult")) is dict:
            content = [
                one
                for came in self.rest.get("toolResult", ())
                for one in (came if type(came) is list else [came])
            ]
            return [{"toolResult": {**result, "content": content}}]
        if "reasoning.text" in texts:
            return [{"reasoningContent": {"reasoningText": {"text": texts["reasoning.text"]}}}]
        if "reasoning.redactedContent" in texts:
            return [{"reasoningContent": {"redactedContent": ""}}]
        made: list[Json] = []
        if "citation" in self.rest:
            content = [{"text": texts.get("text", "")}]
            made.append({"citationsContent": {"content": content, "citations": self.rest["citation"]}})
        elif "text" in texts:
            made.append({"text": texts["text"]})
        for kind in ("image", "video", "audio"):
            began = self.start.get(kind)
            made += [
                {kind: {**began, **source} if type(began) is dict and type(source) is dict else source}
                for source in self.rest.get(kind, ())
            ]
        return made


WIRE: Final = Wire("bedrock_converse", "aws.bedrock", read_request, read_response, Fold)
