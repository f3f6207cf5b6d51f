"""OpenAI chat completions, and everyone who speaks them.

https://platform.openai.com/docs/api-reference/chat
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
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

FINISH: Final = {"tool_calls": "tool_call", "function_call": "tool_call", "max_tokens": "length", "eos": "stop"}
"""Words of OpenAI and its followers, in the conventions' words."""


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a chat completion."""
    body = ask.body
    choices = take.integer(body, "n")
    tier = take.string(body, "service_tier")
    return Request(
        operation="chat",
        model=take.string(body, "model"),
        stream=take.flag(body, "stream"),
        max_tokens=take.integer(body, "max_completion_tokens") or take.integer(body, "max_tokens"),
        temperature=take.number(body, "temperature"),
        top_p=take.number(body, "top_p"),
        top_k=take.integer(body, "top_k"),
        frequency_penalty=take.number(body, "frequency_penalty"),
        presence_penalty=take.number(body, "presence_penalty"),
        stop_sequences=take.strings(body, "stop"),
        seed=take.integer(body, "seed"),
        choice_count=choices if choices != 1 else None,
        reasoning_level=take.string(body, "reasoning_effort")
        or take.string(take.mapping(body, "reasoning"), "effort"),
        output_type=_output_type(body),
        service_tier=tier if tier != "auto" else None,
        api_type="chat_completions",
        user=take.string(body, "user") or take.string(body, "safety_identifier"),
        input_messages=[read_message(one) for one in take.items(body, "messages")] if content else None,
        tool_definitions=read_tools(body) if content else None,
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
        usage=read_usage(usage),
        service_tier=take.string(body, "service_tier"),
        system_fingerprint=take.string(body, "system_fingerprint"),
        cost=take.number(usage, "cost"),
        output_messages=[_choice(one) for one in choices] if content else None,
    )


def read_usage(usage: Json) -> Usage:
    """OpenAI's counts include the cached ones. DeepSeek and Moonshot tell the cached ones beside the details."""
    prompt = take.mapping(usage, "prompt_tokens_details")
    completion = take.mapping(usage, "completion_tokens_details")
    cached = take.integer(prompt, "cached_tokens")
    if cached is None:
        cached = take.integer(usage, "prompt_cache_hit_tokens")
    if cached is None:
        cached = take.integer(usage, "cached_tokens")
    reasoned = take.integer(completion, "reasoning_tokens")
    if reasoned is None:
        reasoned = take.integer(usage, "reasoning_tokens")
    return Usage(
        input=take.integer(usage, "prompt_tokens"),
        output=take.integer(usage, "completion_tokens"),
        cache_read=cached,
        cache_write=take.integer(prompt, "cache_write_tokens"),
        reasoning=reasoned,
        text_input=take.integer(prompt, "text_tokens"),
        image_input=take.integer(prompt, "image_tokens"),
        audio_input=take.integer(prompt, "audio_tokens"),
        text_output=take.integer(completion, "text_tokens"),
        image_output=take.integer(completion, "image_tokens"),
        audio_output=take.integer(completion, "audio_tokens"),
    )


def finish_reason(choice: Json) -> str:
    """`error` where a reason was expected but never came."""
    said = take.string(choice, "finish_reason")
    return FINISH.get(said, said) if said else "error"


class Fold:
    """Chunks to the completion that they make up. Deltas join by choice index and tool-call index."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, name: str, event: Json) -> None:
        """Take one chunk."""
        if type(event) is not dict:
            return
        top = self._top
        choices = event.get("choices")
        if type(choices) is list:
            for one in choices:
                if type(one) is dict:
                    index = one.get("index")
                    key = index if type(index) is int else 0
                    choice = self._choices.get(key)
                    if choice is None:
                        if len(self._choices) >= 128:
                            continue
                        choice = self._choices[key] = _Choice(self._content)
                    choice.add(one)
        if event.get("id") and not top.get("id"):
            top["id"] = event["id"]
        for key in ("model", "system_fingerprint", "service_tier", "usage"):
            if value := event.get(key):
                top[key] = value
        if type(groq := event.get("x_groq")) is dict and groq.get("usage"):
            top["usage"] = groq["usage"]

    def body(self) -> Json:
        """The completion so far."""
        choices = [self._choices[index].body(index) for index in sorted(self._choices)]
        return {**self._top, "choices": choices}


class _Choice:
    """One choice of a streamed completion."""

    __slots__ = ("_content", "_finish", "_logprobs", "_rest", "_room", "_texts", "_tools")

    def __init__(self, content: bool) -> None:
        self._content = content
        self._finish: Json = None
        self._logprobs = False
        self._texts: dict[str, list[str]] = {}
        self._tools: dict[int, dict[str, Json]] = {}
        self._rest: dict[str, Json] = {}
        self._room = MAX_TEXT

    def add(self, choice: dict[str, Json]) -> None:
        if finish := choice.get("finish_reason"):
            self._finish = finish
        if not self._content:
            return
        if choice.get("logprobs"):
            self._logprobs = True
        delta = choice.get("delta")
        if type(delta) is not dict:
            return
        for key, value in delta.items():
            if type(value) is str:
                if self._room > 0 and value:
                    self._room -= len(value)
                    self._texts.setdefault(key, []).append(value)
            elif key == "tool_calls":
                for call in value if type(value) is list else ():
                    self._tool(call)
            elif type(value) is list and key in {"content", "images", "annotations"}:
                if self._room > 0:
                    self._room -= len(str(value))
                    self._rest.setdefault(key, []).extend(value)
            elif key == "audio" and type(value) is dict:
                self._audio(value)

    def _audio(self, delta: dict[str, Json]) -> None:
        audio = self._rest.setdefault("audio", {})
        for key, value in delta.items():
            if key in {"data", "transcript"} and type(value) is str:
                if self._room > 0:
                    self._room -= len(value)
                    audio[key] = audio.get(key, "") + value
            else:
                audio[key] = value

    def _tool(self, delta: Json) -> None:
        if type(delta) is not dict:
            return
        index = delta.get("index")
        key = index if type(index) is int else len(self._tools)
        call = self._tools.get(key)
        if call is None:
            if len(self._tools) >= 1024:
                return
            call = self._tools[key] = {"id": None, "type": None, "name": None, "arguments": []}
        if delta.get("id"):
            call["id"] = delta["id"]
        if delta.get("type"):
            call["type"] = delta["type"]
        function = delta.get("function")
        if type(function) is dict:
            if function.get("name"):
                call["name"] = function["name"]
            arguments = function.get("arguments")
            if type(arguments) is str and self._room > 0:
                self._room -= len(arguments)
                call["arguments"].append(arguments)

    def body(self, index: int) -> Json:
        made: dict[str, Json] = {"role": "assistant", **self._rest}
        for key, pieces in self._texts.items():
            made[key] = pieces[0] if key in {"role", "id"} else "".join(pieces)
        if self._tools:
            made["tool_calls"] = [
                {
                    "id": call["id"],
                    "type": call["type"],
                    "function": {"name": call["name"], "arguments": "".join(call["arguments"])},
                }
                for call in self._tools.values()
            ]
        choice = {"index": index, "finish_reason": self._finish, "message": made}
        if self._logprobs:
            choice["logprobs"] = True
        return choice


def _output_type(body: Json) -> str | None:
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
    thought = take.string(source, "reasoning_content") or take.string(source, "reasoning")
    if thought:
        parts.append(reasoning(thought))
    parts += read_parts(source.get("content") if isinstance(source, dict) else None)
    if declined := take.string(source, "refusal"):
        parts.append(refusal(declined))
    parts += _tool_calls(source)
    made = message(role, parts)
    if name := take.string(source, "name"):
        made["name"] = name
    return made


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
        parts.append(tool_call(None, take.string(legacy, "name") or "", take.arguments(legacy.get("arguments"))))
    for run in take.items(source, "executed_tools"):  # Groq's own tools
        name = take.string(run, "type") or "tool"
        parts.append(server_tool_call(None, name, {**run, "type": name} if isinstance(run, dict) else {"type": name}))
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
        audio = take.mapping(source, "input_audio")
        given = take.string(audio, "format")
        return [blob("audio", f"audio/{given}" if given else None, take.string(audio, "data") or "")]
    if kind in {"audio_url", "video_url"}:
        address = take.string(take.mapping(source, kind), "url")
        return [uri(kind.partition("_")[0], address)] if address else []
    if kind == "file":
        return _file(take.mapping(source, "file"))
    if kind == "refusal":
        return [refusal(take.string(source, "refusal") or "")]
    if kind == "thinking":  # Mistral
        thought = source.get("thinking")
        joined = thought if isinstance(thought, str) else "".join(p["content"] for p in read_parts(thought) if "content" in p)
        return [reasoning(joined)]
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
    for function in take.items(body, "functions"):
        if isinstance(function, dict):
            found.append({"type": "function", **function})
    return found or None


WIRE: Final = Wire("openai_chat", "openai", read_request, read_response, Fold)
