"""Google's Interactions: turns that the provider keeps, made of steps, by a model or by an agent of Google's.

https://ai.google.dev/api/interactions-api
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
    server_tool_call,
    server_tool_result,
    text,
    tool_call,
    tool_result,
    uri,
)
from otel_llm.wire import take
from otel_llm.wire.gemini import modality_asked, provider_of_path
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_FINISH: Final = {
    "completed": "stop",
    "requires_action": "tool_call",
    "incomplete": "length",
    "budget_exceeded": "length",
    "failed": "error",
    "cancelled": "error",
}
"""The status of an interaction as the reason why it ended; one that goes on has none."""

_MEDIA: Final = frozenset({"image", "audio", "video", "document", "file"})
_MAX_STEPS: Final = 1024


def fits(ask: Ask) -> bool:
    """An input for a model or an agent."""
    body = ask.body
    return isinstance(body, dict) and "input" in body and ("model" in body or "agent" in body)


def fits_fetch(ask: Ask) -> bool:
    """`GET .../interactions/{id}`, with an id as Google makes them, or at Google's."""
    head, _, last = ask.path.rstrip("/").rpartition("/")
    return head.endswith("/interactions") and (last.startswith("v1_") or ask.host.endswith("googleapis.com"))


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a new interaction. An agent brings its own model."""
    body = ask.body
    config = take.mapping(body, "generation_config")
    agent = take.string(body, "agent")
    instruction = take.string(body, "system_instruction")
    return Request(
        operation="invoke_agent" if agent else "generate_content",
        model=take.string(body, "model"),
        provider=provider_of_path(ask.path),
        stream=take.flag(body, "stream"),
        agent_id=agent,
        max_tokens=take.integer(config, "max_output_tokens"),
        temperature=take.number(config, "temperature"),
        top_p=take.number(config, "top_p"),
        stop_sequences=take.strings(config, "stop_sequences"),
        seed=take.integer(config, "seed"),
        reasoning_level=take.string(config, "thinking_level"),
        output_type="json" if _asks_json(body) else modality_asked(take.strings(body, "response_modalities")),
        previous_response_id=take.string(body, "previous_interaction_id"),
        input_messages=_input(body.get("input")) if content and isinstance(body, dict) else None,
        system_instructions=[text(instruction)] if content and instruction else None,
        tool_definitions=_tools(body) if content else None,
    )


def _asks_json(body: Json) -> bool:
    shape = body.get("response_format") if isinstance(body, dict) else None
    return bool(shape) or take.string(body, "response_mime_type") == "application/json"


def _tools(body: Json) -> list[Json] | None:
    """Definitions are flat already; a tool of Google's has no name but its type."""
    found: list[Json] = []
    for one in take.items(body, "tools"):
        kind = take.string(one, "type") or "function"
        if isinstance(one, dict):
            found.append({**one, "type": kind, "name": take.string(one, "name") or kind})
    return found or None


def read_fetch(ask: Ask, content: bool) -> Request:
    """The request for an interaction that was made before."""
    return Request(
        operation="fetch_response",
        provider=provider_of_path(ask.path),
        stream="stream=true" in ask.query.lower(),
        response_id=ask.path.rstrip("/").rpartition("/")[2],
    )


def _input(given: Json) -> list[Message]:
    """A text, a list of contents, of steps, or of turns with a role."""
    if isinstance(given, str):
        return [message("user", [text(given)])] if given else []
    listed = given if isinstance(given, list) else [given]
    made: list[Message] = []
    for one in listed:
        if not isinstance(one, dict):
            continue
        role, parts = _step(one)
        role = take.string(one, "role") or role
        role = "assistant" if role == "model" else role
        if made and made[-1]["role"] == role and "role" not in one:
            made[-1]["parts"] += parts
        else:
            made.append(message(role, parts))
    return made


def _step(source: Json) -> tuple[str, list[Part]]:
    """One step or one content, and who said it."""
    kind = take.string(source, "type")
    if kind is None or kind in {"user_input", "model_output"}:
        given = source.get("content") if isinstance(source, dict) else None
        return "assistant" if kind == "model_output" else "user", _contents(given)
    if kind == "thought":
        said = "".join(part["content"] for part in _contents(source.get("summary")) if part["type"] == "text")
        return "assistant", [reasoning(said)] if said else []
    if kind == "function_call":
        name = take.string(source, "name") or ""
        return "assistant", [
            tool_call(take.string(source, "id"), name, take.arguments(source.get("arguments")))
        ]
    if kind == "function_result":
        return "tool", [tool_result(take.string(source, "call_id"), source.get("result"))]
    kept = {name: value for name, value in source.items() if name not in {"id", "call_id", "signature"}}
    if kind.endswith("_call"):
        name = take.string(source, "name") or kind.removesuffix("_call")
        return "assistant", [server_tool_call(take.string(source, "id"), name, kept)]
    if kind.endswith("_result"):
        return "assistant", [server_tool_result(take.string(source, "call_id"), kept)]
    return "user", _contents([source])


def _contents(given: Json) -> list[Part]:
    if isinstance(given, str):
        return [text(given)] if given else []
    found: list[Part] = []
    for one in given if isinstance(given, list) else [given]:
        kind = take.string(one, "type")
        if kind == "text" or kind is None:
            if said := take.string(one, "text"):
                found.append(text(said))
        elif kind in _MEDIA:
            mime_type = take.string(one, "mime_type")
            modality = "document" if kind == "file" else kind
            if data := take.string(one, "data"):
                found.append(blob(modality, mime_type, data))
            elif address := take.string(one, "uri"):
                found.append(uri(modality, address, mime_type))
        else:
            found += _step(one)[1] if kind.endswith(("_call", "_result")) or kind == "thought" else []
    return found


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """An interaction, or the one that its folded stream gives. A fetched one tells no usage of its own."""
    body = answer.body
    status = take.string(body, "status")
    fetched = request.operation == "fetch_response"
    reason = _FINISH.get(status or "")
    steps = take.items(body, "steps") or take.items(body, "outputs")
    parts = [part for one in steps if take.string(one, "type") != "user_input" for part in _step(one)[1]]
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        finish_reasons=[reason] if reason else None,
        usage=Usage() if fetched else read_usage(take.mapping(body, "usage")),
        status=status if fetched or status in {"queued", "in_progress"} else None,
        output_messages=[message("assistant", parts, reason)] if content and (parts or reason) else None,
    )


def read_usage(usage: Json) -> Usage:
    """Input is the prompt and what tools fed in; output is the answer and the thinking. Google's total is their sum."""
    thoughts = take.integer(usage, "total_thought_tokens")
    given = _by_modality(usage, "input_tokens_by_modality", "tool_use_tokens_by_modality")
    made = _by_modality(usage, "output_tokens_by_modality")
    cached = _by_modality(usage, "cached_tokens_by_modality")
    return Usage(
        input=take.total(
            take.integer(usage, "total_input_tokens"), take.integer(usage, "total_tool_use_tokens")
        ),
        output=take.total(take.integer(usage, "total_output_tokens"), thoughts),
        cache_read=take.integer(usage, "total_cached_tokens"),
        reasoning=thoughts,
        text_input=given.get("text"),
        image_input=given.get("image"),
        audio_input=given.get("audio"),
        text_output=made.get("text"),
        image_output=made.get("image"),
        audio_output=made.get("audio"),
        text_cache_read=cached.get("text"),
        image_cache_read=cached.get("image"),
        audio_cache_read=cached.get("audio"),
    )


def _by_modality(usage: Json, *names: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        for one in take.items(usage, name):
            kind = take.string(one, "modality")
            count = take.integer(one, "tokens")
            if kind is not None and count is not None:
                found[kind] = found.get(kind, 0) + count
    return found


class Fold:
    """Events to the interaction that they make up; steps join by index."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._interaction: dict[str, Json] = {}
        self._usage: Json = None
        self._steps: dict[int, dict[str, Json]] = {}
        self._texts: dict[int, list[str]] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict:
            return
        if told := take.mapping(event, "interaction"):
            self._interaction.update(told)
        if status := take.string(event, "status"):
            self._interaction["status"] = status
        if usage := take.mapping(take.mapping(event, "metadata"), "usage"):
            self._usage = usage
        if not self._content:
            return
        index = event.get("index")
        if type(index) is not int or (index not in self._steps and len(self._steps) >= _MAX_STEPS):
            return
        step = self._steps.setdefault(index, {})
        if started := take.mapping(event, "step"):
            step.update(started)
        if delta := take.mapping(event, "delta"):
            self._delta(index, step, delta)

    def _delta(self, index: int, step: dict[str, Json], delta: dict[str, Json]) -> None:
        kind = take.string(delta, "type") or ""
        piece: Json = delta.get("text") if kind == "text" else delta.get("arguments")
        if kind == "thought_summary":
            piece = take.string(take.mapping(delta, "content"), "text")
        if self._room <= 0:
            return
        if isinstance(piece, str):
            self._room -= len(piece)
            self._texts.setdefault(index, []).append(piece)
            step.setdefault(
                "type", {"text": "model_output", "thought_summary": "thought"}.get(kind, "function_call")
            )
        elif kind in _MEDIA:
            self._room -= 1024
            contents = step.setdefault("content", [])
            if isinstance(contents, list):
                contents.append(delta)
        elif kind.endswith(("_call", "_result", "_delta")):
            kept = {key: value for key, value in delta.items() if key not in {"type", "signature"}}
            self._room -= len(str(kept))
            step.setdefault("type", kind)
            step.update(kept)

    def body(self) -> Json:
        """The interaction so far."""
        steps = [self._step(index) for index in sorted(self._steps)]
        body = {**self._interaction, "steps": steps or take.items(self._interaction, "steps")}
        if not body.get("usage") and self._usage is not None:
            body["usage"] = self._usage
        return body

    def _step(self, index: int) -> dict[str, Json]:
        step = dict(self._steps[index])
        joined = "".join(self._texts.get(index, ()))
        if not joined:
            return step
        if step.get("type") == "thought":
            step["summary"] = joined
        elif step.get("type") == "model_output":
            media = step.get("content")
            step["content"] = [{"type": "text", "text": joined}, *(media if isinstance(media, list) else ())]
        else:
            step["arguments"] = joined
        return step


WIRE: Final = Wire("gemini_interactions", "gcp.gemini", read_request, read_response, Fold)
FETCH: Final = Wire("gemini_interactions_fetch", "gcp.gemini", read_fetch, read_response, Fold)
