"""Ollama's own API: chat, generate and embeddings. It streams JSON lines, and does so unless told not to.

https://docs.ollama.com/api
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import (
    Json,
    Message,
    Part,
    Request,
    Response,
    Usage,
    blob,
    message,
    reasoning,
    text,
    tool_call,
    tool_result,
)
from otel_llm.wire import take
from otel_llm.wire.openai_chat import read_tools
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_MAX_CALLS: Final = 1024


def fits_chat(ask: Ask) -> bool:
    """A model and messages. Web apps have an `/api/chat` too: theirs bring ids, and messages in parts."""
    messages = take.items(ask.body, "messages")
    return (
        bool(messages)
        and take.string(ask.body, "model") is not None
        and "id" not in ask.body
        and all(
            isinstance(one, dict) and "role" in one and "parts" not in one and "id" not in one
            for one in messages
        )
    )


def fits_generate(ask: Ask) -> bool:
    """A model and something to complete; a model alone is only loaded."""
    body = ask.body
    if take.string(body, "model") is None:
        return False
    return bool(take.string(body, "prompt") or take.string(body, "suffix") or take.items(body, "images"))


def fits_embed(ask: Ask) -> bool:
    """A model and an input."""
    return take.string(ask.body, "model") is not None and "input" in ask.body


def fits_older_embed(ask: Ask) -> bool:
    """`/api/embeddings`: a model and a prompt, where all others of that name have an input."""
    body = ask.body
    return (
        ask.path.endswith("api/embeddings")
        and take.string(body, "model") is not None
        and take.string(body, "prompt") is not None
    )


def read_chat_request(ask: Ask, content: bool) -> Request:
    """The request of a chat."""
    messages = [_message(one) for one in take.items(ask.body, "messages")] if content else None
    return _request(ask, "chat", messages, None, read_tools(ask.body) if content else None)


def read_generate_request(ask: Ask, content: bool) -> Request:
    """The request of a completion."""
    body = ask.body
    messages: list[Message] | None = None
    system: list[Part] | None = None
    if content:
        messages = [message("user", _parts(body, "prompt"))]
        said = take.string(body, "system")
        system = [text(said)] if said else None
    return _request(ask, "text_completion", messages, system, None)


def _request(
    ask: Ask,
    operation: str,
    messages: list[Message] | None,
    system: list[Part] | None,
    tools: list[Json] | None,
) -> Request:
    body = ask.body
    options = take.mapping(body, "options")
    limit = take.integer(options, "num_predict")
    return Request(
        operation=operation,
        model=take.string(body, "model"),
        stream=body.get("stream") is not False,
        max_tokens=limit if limit is not None and limit > 0 else None,  # -1 and -2 mean no limit
        temperature=take.number(options, "temperature"),
        top_p=take.number(options, "top_p"),
        top_k=take.integer(options, "top_k"),
        frequency_penalty=take.number(options, "frequency_penalty"),
        presence_penalty=take.number(options, "presence_penalty"),
        stop_sequences=take.strings(options, "stop"),
        seed=take.integer(options, "seed"),
        reasoning_level=take.string(body, "think"),
        output_type="json" if body.get("format") else None,
        input_messages=messages,
        system_instructions=system,
        tool_definitions=tools,
    )


def read_embed_request(ask: Ask, content: bool) -> Request:
    """The request of embeddings. The conventions keep no content of them."""
    body = ask.body
    return Request(
        operation="embeddings",
        model=take.string(body, "model"),
        dimension_count=take.integer(body, "dimensions"),
    )


def _message(source: Json) -> Message:
    role = take.string(source, "role") or "user"
    if role == "tool":
        return message(role, [tool_result(take.string(source, "tool_call_id"), source.get("content"))])
    return message(role, _parts(source, "content"))


def _parts(source: Json, name: str) -> list[Part]:
    """Thinking, text, images and tool calls, which may stand beside each other in one message."""
    parts: list[Part] = []
    if thought := take.string(source, "thinking"):
        parts.append(reasoning(thought))
    if said := take.string(source, name):
        parts.append(text(said))
    parts += [blob("image", None, one) for one in take.strings(source, "images") or ()]
    for call in take.items(source, "tool_calls"):
        function = take.mapping(call, "function")
        given = take.arguments(function.get("arguments"))
        parts.append(tool_call(take.string(call, "id"), take.string(function, "name") or "", given))
    return parts


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a chat or a completion, or of its folded stream."""
    body = answer.body
    reason = take.string(body, "done_reason") or ("stop" if take.flag(body, "done") else "error")
    chat = request.operation == "chat"
    parts: list[Part] = []
    if content:
        parts = _parts(take.mapping(body, "message"), "content") if chat else _parts(body, "response")
    return Response(
        model=take.string(body, "model"),
        finish_reasons=[reason],
        usage=Usage(input=take.integer(body, "prompt_eval_count"), output=take.integer(body, "eval_count")),
        output_messages=[message("assistant", parts, reason)] if content else None,
    )


def read_embed_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of an embedding; its vectors are not wanted."""
    model = take.raw(answer.body, "model")
    count = take.raw(answer.body, "prompt_eval_count")
    return Response(
        model=model if isinstance(model, str) and model else None,
        usage=Usage(input=take.integer({"count": count}, "count")),
    )


class Fold:
    """Lines to the answer of a call that does not stream; the last line brings the counts."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._texts: dict[str, list[str]] = {}
        self._calls: list[Json] = []
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one line."""
        if type(event) is not dict:
            return
        if "done" in event:
            for key in ("model", "done", "done_reason", "prompt_eval_count", "eval_count"):
                if event.get(key) is not None:
                    self._top[key] = event[key]
        if not self._content:
            return
        for key in ("response", "thinking"):
            self._keep(key, event.get(key))
        said = take.mapping(event, "message")
        for key in ("content", "thinking"):
            self._keep(f"message.{key}", said.get(key))
        calls = take.items(said, "tool_calls")
        if calls and len(self._calls) < _MAX_CALLS and self._room > 0:
            self._room -= len(str(calls))
            self._calls += calls
        for image in take.strings(said, "images") or ():
            self._keep("image", image)

    def _keep(self, key: str, piece: Json) -> None:
        if isinstance(piece, str) and piece and self._room > 0:
            self._room -= len(piece)
            self._texts.setdefault(key, []).append(piece)

    def body(self) -> Json:
        """The answer so far, for both kinds of call."""
        joined = {key: "".join(pieces) for key, pieces in self._texts.items() if key != "image"}
        said: dict[str, Json] = {
            "role": "assistant",
            "content": joined.pop("message.content", ""),
            "thinking": joined.pop("message.thinking", ""),
            "tool_calls": self._calls,
            "images": self._texts.get("image", []),
        }
        return {**self._top, **joined, "message": said}


CHAT: Final = Wire("ollama_chat", "ollama", read_chat_request, read_response, Fold)
GENERATE: Final = Wire("ollama_generate", "ollama", read_generate_request, read_response, Fold)
EMBED: Final = Wire("ollama_embed", "ollama", read_embed_request, read_embed_response, sparse=True)
