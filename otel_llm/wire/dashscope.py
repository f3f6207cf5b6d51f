"""Alibaba's DashScope in its own shape: text and multimodal generation, and text embeddings.

A header asks for server-sent events. Each event brings the text so far, or with `incremental_output` the new piece.

https://help.aliyun.com/zh/model-studio/qwen-api-via-dashscope
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Message, Part, Request, Response, Usage, message, reasoning, text, uri
from otel_llm.wire import take
from otel_llm.wire.openai_chat import read_message, read_tools
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_FINISH: Final = {"tool_calls": "tool_call"}
_MAX_CHOICES: Final = 128
_SURE: Final = 8
"""Pieces that each began with the one before, after which the next one does so too."""


def fits(ask: Ask) -> bool:
    """A model, and an input with messages or a prompt."""
    given = take.mapping(ask.body, "input")
    return take.string(ask.body, "model") is not None and ("messages" in given or "prompt" in given)


def fits_embedding(ask: Ask) -> bool:
    """A model, and an input with texts or contents."""
    given = take.mapping(ask.body, "input")
    return take.string(ask.body, "model") is not None and ("texts" in given or "contents" in given)


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a generation."""
    body = ask.body
    given = take.mapping(body, "input")
    settings = take.mapping(body, "parameters")
    count = take.integer(settings, "n")
    shape = take.string(take.mapping(settings, "response_format"), "type") or ""
    streams = ask.headers.get("x-dashscope-sse") == "enable" or "event-stream" in ask.headers.get(
        "accept", ""
    )
    return Request(
        operation="chat",
        model=take.string(body, "model"),
        stream=streams or take.flag(body, "stream"),
        max_tokens=take.integer(settings, "max_tokens"),
        temperature=take.number(settings, "temperature"),
        top_p=take.number(settings, "top_p"),
        top_k=take.integer(settings, "top_k"),
        presence_penalty=take.number(settings, "presence_penalty"),
        stop_sequences=take.strings(settings, "stop"),
        seed=take.integer(settings, "seed"),
        choice_count=count if count != 1 else None,
        output_type="json" if shape.startswith("json") else None,
        input_messages=_history(given) if content else None,
        tool_definitions=read_tools(settings) if content else None,
    )


def _history(given: dict[str, Json]) -> list[Message]:
    made = [_message(one) for one in take.items(given, "messages")]
    if prompt := take.string(given, "prompt"):
        made.append(message("user", [text(prompt)]))
    return made


def _message(source: Json) -> Message:
    """A message as OpenAI has it, but that parts have no type: their one name is their kind."""
    content = source.get("content") if isinstance(source, dict) else None
    if not isinstance(content, list):
        return read_message(source)
    made = read_message({**source, "content": None})
    made["parts"][:0] = [part for one in content for part in _part(one)]
    return made


def _part(source: Json) -> list[Part]:
    if said := take.string(source, "text"):
        return [text(said)]
    for kind in ("image", "audio", "video"):
        if address := take.string(source, kind):
            return [uri(kind, address)]
    return []


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a generation, or of its folded stream."""
    body = answer.body
    output = take.mapping(body, "output")
    choices = [one for one in take.items(output, "choices") if isinstance(one, dict)] or [output]
    reasons = [_reason(one) for one in choices]
    return Response(
        id=take.string(body, "request_id"),
        finish_reasons=reasons,
        usage=read_usage(take.mapping(body, "usage")),
        output_messages=[_choice(one, reason) for one, reason in zip(choices, reasons, strict=True)]
        if content
        else None,
    )


def _reason(choice: Json) -> str:
    """`error` where a reason was expected but never came; while it goes on, the text is `null`."""
    said = take.string(choice, "finish_reason")
    return "error" if said is None or said == "null" else _FINISH.get(said, said)


def _choice(choice: dict[str, Json], reason: str) -> Message:
    source = take.mapping(choice, "message")
    if source:
        made = _message({**source, "role": "assistant"})
        return message("assistant", made["parts"], reason)
    parts = [reasoning(thought)] if (thought := take.string(choice, "thoughts")) else []
    said = take.string(choice, "text")
    return message("assistant", [*parts, *([text(said)] if said else [])], reason)


def read_usage(usage: Json) -> Usage:
    """Input and output with their subsets."""
    made = take.mapping(usage, "output_tokens_details")
    given = take.mapping(usage, "input_tokens_details")
    return Usage(
        input=take.integer(usage, "input_tokens"),
        output=take.integer(usage, "output_tokens"),
        cache_read=take.integer(take.mapping(usage, "prompt_tokens_details"), "cached_tokens"),
        reasoning=take.integer(made, "reasoning_tokens"),
        text_input=take.integer(given, "text_tokens"),
        image_input=take.integer(usage, "image_tokens"),
        audio_input=take.integer(usage, "audio_tokens"),
        text_output=take.integer(made, "text_tokens"),
    )


def read_embedding_request(ask: Ask, content: bool) -> Request:
    """The request of embeddings. The conventions keep no content of them."""
    settings = take.mapping(ask.body, "parameters")
    return Request(
        operation="embeddings",
        model=take.string(ask.body, "model"),
        dimension_count=take.integer(settings, "dimension"),
        encoding_formats=take.strings(settings, "output_type"),
    )


def read_embedding_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of an embedding; its vectors are not wanted."""
    usage = take.raw(answer.body, "usage")
    given = take.integer(usage, "input_tokens")
    request_id = take.raw(answer.body, "request_id")
    return Response(
        id=request_id if isinstance(request_id, str) and request_id else None,
        usage=Usage(input=given if given is not None else take.integer(usage, "total_tokens")),
    )


class _Text:
    """A text that grows by pieces, or by being told anew: then each piece begins with all that was there."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._last = ""
        self._joined: list[str] | None = None

    def add(self, piece: str) -> int:
        """Take a piece; gives the characters that are held for it."""
        if self._joined is not None:
            self._joined.append(piece)
            return len(piece)
        if not piece.startswith(self._last) and len(self._ends) <= _SURE:
            self._joined = [*(self._last[:end] for end in self._ends), piece]
            return sum(map(len, self._joined))
        growth = max(0, len(piece) - len(self._last))
        self._last = piece
        self._ends.append(len(piece))
        return growth

    def whole(self) -> str:
        return self._last if self._joined is None else "".join(self._joined)


class Fold:
    """Events to the answer, whether they bring all the text or the next piece."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._choices: dict[int, dict[str, Json]] = {}
        self._texts: dict[tuple[int, str], _Text] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict:
            return
        for key in ("usage", "request_id"):
            if value := event.get(key):
                self._top[key] = value
        if take.string(event, "code") and take.string(event, "message"):
            self._top["error"] = {"code": event["code"], "message": event["message"]}
        output = take.mapping(event, "output")
        for one in take.items(output, "choices") or ([output] if output else []):
            index = one.get("index") if isinstance(one, dict) else None
            self._choice(index if type(index) is int else 0, one)

    def _choice(self, index: int, source: Json) -> None:
        if index not in self._choices and len(self._choices) >= _MAX_CHOICES:
            return
        kept = self._choices.setdefault(index, {})
        if reason := take.string(source, "finish_reason"):
            kept["finish_reason"] = reason
        if not self._content:
            return
        said = take.mapping(source, "message")
        if calls := take.items(said, "tool_calls"):
            self._calls(kept, calls)
        content = said.get("content", take.string(source, "text"))
        if isinstance(content, list):
            content = "".join(
                part["content"] for one in content for part in _part(one) if part["type"] == "text"
            )
        for key, piece in (("content", content), ("reasoning_content", said.get("reasoning_content"))):
            if isinstance(piece, str) and piece and self._room > 0:
                self._room -= 1 + self._texts.setdefault((index, key), _Text()).add(piece[:MAX_TEXT])

    def _calls(self, kept: dict[str, Json], calls: list[Json]) -> None:
        """Calls join by index: the arguments come in pieces, or anew."""
        joined = kept.setdefault("calls", {})
        for one in calls:
            function = take.mapping(one, "function")
            index = take.integer(one, "index") or 0
            if index not in joined and len(joined) >= _MAX_CHOICES:
                continue
            call = joined.setdefault(index, {"id": None, "name": "", "arguments": _Text()})
            call["id"] = take.string(one, "id") or call["id"]
            call["name"] = take.string(function, "name") or call["name"]
            piece = take.string(function, "arguments")
            if piece and self._room > 0:
                self._room -= 1 + call["arguments"].add(piece[:MAX_TEXT])

    def body(self) -> Json:
        """The answer so far."""
        choices: list[Json] = []
        for index, kept in sorted(self._choices.items()):
            said: dict[str, Json] = {"role": "assistant"}
            for key in ("content", "reasoning_content"):
                if (index, key) in self._texts:
                    said[key] = self._texts[index, key].whole()
            said["tool_calls"] = [
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": call["name"], "arguments": call["arguments"].whole()},
                }
                for _, call in sorted(kept.get("calls", {}).items())
            ]
            choices.append({"finish_reason": kept.get("finish_reason"), "message": said})
        return {**self._top, "output": {"choices": choices}}


WIRE: Final = Wire("dashscope", "dashscope", read_request, read_response, Fold)
EMBEDDING: Final = Wire(
    "dashscope_embedding", "dashscope", read_embedding_request, read_embedding_response, sparse=True
)
