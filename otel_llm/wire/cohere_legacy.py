"""Cohere's version 1: chat with one message and a history, and generate, both streamed as JSON lines.

Others have a `/chat` with a `message` of their own, so that the host, a gateway's path or the model must tell Cohere.

https://docs.cohere.com/v1/reference/chat
https://docs.cohere.com/v1/reference/generate
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Message, Part, Request, Response, message, text, tool_call, tool_result
from otel_llm.wire import take
from otel_llm.wire.cohere_chat import asks_json, finish_reason, read_usage
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_ROLES: Final = {"CHATBOT": "assistant", "USER": "user", "SYSTEM": "system", "TOOL": "tool"}


def fits_chat(ask: Ask) -> bool:
    """A message for Cohere."""
    return take.string(ask.body, "message") is not None and _coheres(ask)


def fits_generate(ask: Ask) -> bool:
    """A prompt for Cohere."""
    return take.string(ask.body, "prompt") is not None and _coheres(ask)


def _coheres(ask: Ask) -> bool:
    model = take.string(ask.body, "model") or ""
    return "cohere" in ask.host or "/cohere/" in ask.path or model.startswith(("command", "c4ai-"))


def read_chat_request(ask: Ask, content: bool) -> Request:
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
        conversation_id=take.string(body, "conversation_id"),
        input_messages=_history(body) if content else None,
        system_instructions=_preamble(body) if content else None,
        tool_definitions=_tools(body) if content else None,
    )


def _preamble(body: Json) -> list[Part] | None:
    said = take.string(body, "preamble")
    return [text(said)] if said else None


def _history(body: Json) -> list[Message]:
    made = [_turn(one) for one in take.items(body, "chat_history")]
    if results := _results(body):
        made.append(message("tool", results))
    if said := take.string(body, "message"):
        made.append(message("user", [text(said)]))
    return made


def _turn(source: Json) -> Message:
    role = (take.string(source, "role") or "user").upper()
    said = take.string(source, "message")
    parts = [text(said)] if said else []
    return message(_ROLES.get(role, role.lower()), parts + _calls(source) + _results(source))


def _calls(source: Json) -> list[Part]:
    return [
        tool_call(None, take.string(call, "name") or "", call.get("parameters"))
        for call in take.items(source, "tool_calls")
        if isinstance(call, dict)
    ]


def _results(source: Json) -> list[Part]:
    return [
        tool_result(None, one.get("outputs"))
        for one in take.items(source, "tool_results")
        if isinstance(one, dict)
    ]


def _tools(body: Json) -> list[Json] | None:
    """Definitions with the parameters as Cohere describes them."""
    found: list[Json] = []
    for tool in take.items(body, "tools"):
        if isinstance(tool, dict):
            rest = {key: value for key, value in tool.items() if key != "parameter_definitions"}
            made = {"type": "function", **rest, "name": take.string(tool, "name") or ""}
            if "parameter_definitions" in tool:
                made["parameters"] = tool["parameter_definitions"]
            found.append(made)
    return found or None


def read_chat_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a chat, or of its folded stream."""
    body = answer.body
    reason = finish_reason(body)
    said = take.string(body, "text")
    parts = ([text(said)] if said else []) + _calls(body)
    return Response(
        id=take.string(body, "response_id") or take.string(body, "generation_id"),
        finish_reasons=[reason],
        usage=read_usage(take.mapping(body, "meta")),
        output_messages=[message("assistant", parts, reason)] if content else None,
    )


def read_generate_request(ask: Ask, content: bool) -> Request:
    """The request of a generation."""
    body = ask.body
    count = take.integer(body, "num_generations")
    prompt = take.string(body, "prompt")
    return Request(
        operation="text_completion",
        model=take.string(body, "model"),
        stream=take.flag(body, "stream"),
        max_tokens=take.integer(body, "max_tokens"),
        temperature=take.number(body, "temperature"),
        top_p=take.number(body, "p"),
        top_k=take.integer(body, "k"),
        frequency_penalty=take.number(body, "frequency_penalty"),
        presence_penalty=take.number(body, "presence_penalty"),
        stop_sequences=take.strings(body, "stop_sequences") or take.strings(body, "end_sequences"),
        seed=take.integer(body, "seed"),
        choice_count=count if count != 1 else None,
        input_messages=[message("user", [text(prompt)])] if content and prompt else None,
    )


def read_generate_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a generation, or of its folded stream."""
    body = answer.body
    found = [one for one in take.items(body, "generations") if isinstance(one, dict)]
    reasons = [finish_reason(one) for one in found]
    return Response(
        id=take.string(body, "id"),
        finish_reasons=reasons or None,
        usage=read_usage(take.mapping(body, "meta")),
        output_messages=[
            message("assistant", [text(take.string(one, "text") or "")], reason)
            for one, reason in zip(found, reasons, strict=True)
        ]
        if content
        else None,
    )


class Fold:
    """Lines to the answer: the last one brings it whole; until then there are texts and tool calls."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._texts: dict[int, list[str]] = {}
        self._calls: Json = None
        self._end: dict[str, Json] | None = None
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one line."""
        if type(event) is not dict:
            return
        if take.flag(event, "is_finished"):
            self._end = take.mapping(event, "response")
            self._top["finish_reason"] = event.get("finish_reason")
            return
        for key in ("response_id", "generation_id", "id"):
            if value := take.string(event, key):
                self._top.setdefault(key, value)
        if not self._content:
            return
        piece = event.get("text")
        index = event.get("index")
        key_index = index if type(index) is int else 0
        if isinstance(piece, str) and self._room > 0 and (key_index in self._texts or len(self._texts) < 128):
            self._room -= len(piece) + 1
            self._texts.setdefault(key_index, []).append(piece)
        if event.get("event_type") == "tool-calls-generation":
            self._calls = event.get("tool_calls")

    def body(self) -> Json:
        """The answer so far, for both kinds of call."""
        texts = ["".join(pieces) for _, pieces in sorted(self._texts.items())]
        reason = self._top.get("finish_reason")
        body: dict[str, Json] = {
            **self._top,
            "text": texts[0] if texts else "",
            "tool_calls": self._calls,
            "generations": [{"text": one, "finish_reason": reason} for one in texts or [""]],
        }
        return {**body, **self._end} if self._end else body


CHAT: Final = Wire("cohere_chat_v1", "cohere", read_chat_request, read_chat_response, Fold)
GENERATE: Final = Wire("cohere_generate", "cohere", read_generate_request, read_generate_response, Fold)
