"""OpenAI chat completions, and everyone who speaks them.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from otel_llm.record import (
    Failure,
    Json,
    Message,
    Part,
    Request,
    Response,
    blob,
    file,
    message,
    modality_of,
    reasoning,
    refusal,
    server_tool_call,
    text,
    tool_call,
    tool_result,
    uri,
)
from otel_llm.wire import take
from otel_llm.wire.failures import read_failure
from otel_llm.wire.openai_chat_fold import Fold
from otel_llm.wire.openai_usage import read_cost, read_usage
from otel_llm.wire.protocol import Answer, Ask, Wire

FINISH: Final = {
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "tool_use": "tool_call",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "sensitive": "content_filter",
    "network_error": "error",
}
"""Words of OpenAI and its followers (Mistral, Together, Z.ai, ...), in the conventions' words."""
_THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking")
"""Where thinking stands: DeepSeek and most, OpenRouter and Groq, a few."""


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a chat completion."""
    body = ask.body
    said: dict[str, Any] = {}
    for name in body if isinstance(body, dict) else ():
        if (field := _FIELDS.get(name)) is not None and field.name not in said:
            value = field.read(body, name)
            if value is not None and value != field.default:
                said[field.name] = value
    if "model" not in said:
        said["model"] = read_model(ask)
    return Request(
        operation="chat",
        api_type="chat_completions",
        input_messages=[read_message(one) for one in take.items(body, "messages")] if content else None,
        tool_definitions=read_tools(body) if content else None,
        **said,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a chat completion, or of its folded stream."""
    body = answer.body
    choices = [one for one in take.items(body, "choices") if isinstance(one, dict)]
    usage = take.mapping(body, "usage")
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        finish_reasons=[finish_reason(one) for one in choices] or None,
        usage=read_usage(usage, request.model),
        failure=_failed_choice(choices),
        service_tier=take.string(body, "service_tier"),
        system_fingerprint=take.string(body, "system_fingerprint"),
        cost=read_cost(usage),
        output_messages=_output(body, choices) if content else None,
    )


def read_model(ask: Ask) -> str | None:
    """The model, or the deployment that stands for it in Azure's older paths."""
    if model := take.string(ask.body, "model"):
        return model
    _, found, rest = ask.path.partition("/deployments/")
    return rest.partition("/")[0] or None if found else None


def finish_reason(choice: Json) -> str:
    """`error` where a reason was expected but never came."""
    said = take.string(choice, "finish_reason")
    return FINISH.get(said, said) if said else "error"


def read_seed(body: Json) -> int | None:
    """The seed; Mistral calls it random."""
    seed = take.integer(body, "seed")
    return seed if seed is not None else take.integer(body, "random_seed")


def _failed_choice(choices: list[Json]) -> Failure | None:
    """OpenRouter reports what broke upstream in the choice that it broke."""
    for choice in choices:
        if take.mapping(choice, "error"):
            return read_failure(200, {}, choice)
    return None


def _output(body: Json, choices: list[Json]) -> list[Message]:
    made = [_choice(one) for one in choices]
    if len(made) == 1 and (links := take.strings(body, "citations")):  # Perplexity and xAI
        _cite(made[0]["parts"], [{"type": "url_citation", "url": link} for link in links])
    return made


def _cite(parts: list[Part], sources: list[Json]) -> None:
    """Sources go with the text that rests on them."""
    for part in reversed(parts):
        if part["type"] == "text":
            part["annotations"] = [*part.get("annotations", ()), *sources]
            return


def _effort(body: Json, name: str) -> str | None:
    return take.string(take.mapping(body, name), "effort")


def _output_type(body: Json, _: str) -> Literal["text", "json", "image", "speech"] | None:
    kind = take.string(take.mapping(body, "response_format"), "type")
    if kind is not None:
        return "json" if kind.startswith("json") else "text"
    modalities = take.strings(body, "modalities") or []
    if "audio" in modalities:
        return "speech"
    return "image" if "image" in modalities else None


def read_message(source: Json) -> Message:
    """One message of the history."""
    role = take.string(source, "role") or "user"
    parts: list[Part] = []
    if role == "tool" or (role == "function" and isinstance(source, dict)):
        parts.append(tool_result(take.string(source, "tool_call_id"), _result(source)))
        return message("tool", parts)
    parts += _thoughts(source)
    parts += read_parts(source.get("content") if isinstance(source, dict) else None)
    if declined := take.string(source, "refusal"):
        parts.append(refusal(declined))
    parts += _tool_calls(source)
    spoken = take.mapping(source, "audio")
    if role == "assistant" and not spoken.get("data") and (earlier := take.string(spoken, "id")):
        parts.append(file("audio", earlier))
    if sources := take.items(source, "annotations"):
        _cite(parts, sources)
    made = message(role, parts)
    if name := take.string(source, "name"):
        made["name"] = name
    return made


def _thoughts(source: Json) -> list[Part]:
    """Thinking as one text; else OpenRouter's details, whose pieces belong together by their index."""
    for name in _THOUGHTS:
        if thought := take.string(source, name):
            return [reasoning(thought)]
    joined: dict[int | None, str] = {}
    for one in take.items(source, "reasoning_details"):
        if said := take.string(one, "text") or take.string(one, "summary"):
            index = take.integer(one, "index")
            joined[index] = joined.get(index, "") + said
    return [reasoning(thought) for thought in joined.values()]


def _result(source: Json) -> Json:
    content = source.get("content") if isinstance(source, dict) else None
    if isinstance(content, list):
        return read_parts(content)
    return content


def _choice(choice: Json) -> Message:
    """One choice as one output message, in parts: thinking, text, refusal, tool calls, media."""
    source = take.mapping(choice, "message")
    made = read_message({**source, "role": take.string(source, "role") or "assistant"})
    parts = made["parts"]
    audio = take.mapping(source, "audio")
    if audio:
        if transcript := take.string(audio, "transcript"):
            parts.append(text(transcript))
        if data := take.string(audio, "data"):
            parts.append(blob("audio", None, data))
    for image in take.items(source, "images"):
        if address := take.string(take.mapping(image, "image_url"), "url"):
            parts.append(uri("image", address))
    made["finish_reason"] = finish_reason(choice)
    if choice.get("logprobs"):
        made["logprobs"] = True
    return made


def _tool_calls(source: Json) -> list[Part]:
    parts: list[Part] = []
    for call in take.items(source, "tool_calls"):
        function = take.mapping(call, "function") or take.mapping(call, "custom")
        name = take.string(function, "name") or take.string(call, "name") or ""
        given = function.get("arguments", function.get("input"))
        parts.append(tool_call(take.string(call, "id"), name, take.arguments(given)))
    legacy = take.mapping(source, "function_call")
    if legacy:
        parts.append(
            tool_call(None, take.string(legacy, "name") or "", take.arguments(legacy.get("arguments")))
        )
    for run in take.items(source, "executed_tools"):  # Groq's own tools
        name = take.string(run, "type") or "tool"
        parts.append(
            server_tool_call(None, name, {**run, "type": name} if isinstance(run, dict) else {"type": name})
        )
    return parts


def read_parts(content: Json) -> list[Part]:
    """Message content: a text, or a list of typed parts."""
    if isinstance(content, str):
        return [text(content)] if content else []
    if not isinstance(content, list):
        return []
    return [part for one in content for part in _part(one)]


def _part(source: Json) -> list[Part]:
    if isinstance(source, str):
        return [text(source)]
    kind = take.string(source, "type")
    if kind in {"text", "input_text", "output_text"}:
        return [text(source["text"])] if isinstance(source.get("text"), str) else []
    if kind == "image_url":
        image = source.get("image_url")
        address = image if isinstance(image, str) else take.string(image, "url")
        return [uri("image", address)] if address else []
    if kind == "input_audio":
        if inline := take.string(source, kind):  # Mistral
            return [
                uri("audio", inline) if inline.startswith(("data:", "http")) else blob("audio", None, inline)
            ]
        audio = take.mapping(source, "input_audio")
        given = take.string(audio, "format")
        return [blob("audio", f"audio/{given}" if given else None, take.string(audio, "data") or "")]
    if kind in {"audio_url", "video_url"}:
        address = take.string(take.mapping(source, kind), "url")
        return [uri(kind.partition("_")[0], address)] if address else []
    if kind == "document_url":  # Mistral
        address = take.string(source, kind)
        return [uri("document", address)] if address else []
    if kind == "file":
        return _file(take.mapping(source, "file"))
    if kind == "refusal":
        return [refusal(take.string(source, "refusal") or "")]
    if kind == "thinking":  # Mistral
        thought = source.get("thinking")
        if not isinstance(thought, str):
            thought = "".join(take.string(one, "text") or "" for one in take.items(source, kind))
        return [reasoning(thought)]
    return [{**source, "type": kind}] if isinstance(source, dict) and kind else []


def _file(source: Json) -> list[Part]:
    if file_id := take.string(source, "file_id"):
        return [file("document", file_id)]
    if data := take.string(source, "file_data"):
        made = uri("document", data) if data.startswith(("data:", "http")) else blob("document", None, data)
        if made["type"] == "blob":
            made["modality"] = modality_of(made["mime_type"])
        return [made]
    return []


def read_tools(body: Json) -> list[Json] | None:
    """Tool definitions, flat as the conventions have them; a tool of the provider keeps its own shape."""
    found: list[Json] = []
    for tool in take.items(body, "tools"):
        kind = take.string(tool, "type") or "function"
        function = take.mapping(tool, "function") or take.mapping(tool, "custom")
        if function:
            found.append({"type": kind, **function})
        elif isinstance(tool, dict):
            found.append({**tool, "type": kind, "name": take.string(tool, "name") or kind})
    functions = take.items(body, "functions")
    found += [{"type": "function", **function} for function in functions if isinstance(function, dict)]
    return found or None


class _Field(NamedTuple):
    """Where a field of the request goes, how it is read, and the value that goes without saying."""

    name: str
    read: Callable[[Json, str], Any]
    default: Any = None


_FIELDS: Final = {
    "model": _Field("model", take.string),
    "stream": _Field("stream", take.flag, default=False),
    "max_completion_tokens": _Field("max_tokens", take.integer, default=0),
    "max_tokens": _Field("max_tokens", take.integer),
    "temperature": _Field("temperature", take.number),
    "top_p": _Field("top_p", take.number),
    "top_k": _Field("top_k", take.integer),
    "frequency_penalty": _Field("frequency_penalty", take.number),
    "presence_penalty": _Field("presence_penalty", take.number),
    "stop": _Field("stop_sequences", take.strings),
    "seed": _Field("seed", take.integer),
    "random_seed": _Field("seed", take.integer),  # Mistral
    "n": _Field("choice_count", take.integer, default=1),
    "reasoning_effort": _Field("reasoning_level", take.string),
    "reasoning": _Field("reasoning_level", _effort),
    "response_format": _Field("output_type", _output_type),
    "modalities": _Field("output_type", _output_type),
    "service_tier": _Field("service_tier", take.string, default="auto"),
    "user": _Field("user", take.string),
    "safety_identifier": _Field("user", take.string),
}
"""By the names of OpenAI and its followers. Only what a request says is looked at: most say four or five of them."""

WIRE: Final = Wire("openai_chat", "openai", read_request, read_response, Fold)
