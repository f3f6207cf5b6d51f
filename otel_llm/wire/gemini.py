"""Google's generateContent, on the Gemini API and on Vertex AI.

The path names the model, the verb and with it whether the answer streams: as server-sent events with `alt=sse`, as
one JSON array without.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal
from urllib.parse import unquote

from otel_llm.record import Json, Message, Request, Response, Usage, message
from otel_llm.wire import take
from otel_llm.wire.gemini_content import (
    camel,
    read_content,
    read_contents,
    read_grounding,
    read_parts,
    read_tools,
)
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_MAX_CANDIDATES: Final = 128
_MAX_PARTS: Final = 4096
_MAX_MEDIA: Final = 16 << 20
"""Characters of inline media that the fold of a stream keeps."""

_FINISH: Final = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "LANGUAGE": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "FINISH_REASON_UNSPECIFIED": "error",
}
"""Google's words in the conventions'. Others stay, in lower case: `malformed_function_call`."""

_SHARED_START: Final = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
_SHARED_END: Final = ("BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL")
_GEMINI_FINISH: Final = (*_SHARED_START, "LANGUAGE", *_SHARED_END, "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL")
_VERTEX_FINISH: Final = (
    *_SHARED_START,
    *_SHARED_END,
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "UNEXPECTED_TOOL_CALL",
    "NO_IMAGE",
)
"""Enums may come as numbers (`$alt=json;enum-encoding=int`), and the two services number these words differently."""

_MODALITIES: Final = {"TEXT": "text", "IMAGE": "image", "AUDIO": "audio", 1: "text", 2: "image", 4: "audio"}

OutputType = Literal["text", "json", "image", "speech"]


def fits(ask: Ask) -> bool:
    """Contents, or a body that was too large to read: the verb of the path is Google's alone."""
    return ask.body is None or (isinstance(ask.body, dict) and "contents" in ask.body)


def model_of(path: str) -> str | None:
    """The model in a path: `gemini-2.5-pro`, `tunedModels/my-model`, `endpoints/123`."""
    head, _, last = unquote(path).rstrip("/").rpartition("/")
    name = last.rpartition(":")[0]
    if not name:
        return None
    kind = head.rpartition("/")[2]
    return f"{kind}/{name}" if kind in {"tunedModels", "endpoints"} else name


def provider_of_path(path: str) -> str | None:
    """Vertex AI, where the path has its resource names, whatever the host."""
    return "gcp.vertex_ai" if "/publishers/" in path or "/locations/" in path else None


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a generateContent call."""
    body = camel(ask.body)
    config = camel(body.get("generationConfig"))
    choices = take.integer(config, "candidateCount")
    return Request(
        operation="generate_content",
        model=model_of(ask.path),
        provider=provider_of_path(ask.path),
        stream=":stream" in ask.path,
        max_tokens=take.integer(config, "maxOutputTokens"),
        temperature=take.number(config, "temperature"),
        top_p=take.number(config, "topP"),
        top_k=take.integer(config, "topK"),
        frequency_penalty=take.number(config, "frequencyPenalty"),
        presence_penalty=take.number(config, "presencePenalty"),
        stop_sequences=take.strings(config, "stopSequences"),
        seed=take.integer(config, "seed"),
        choice_count=choices if choices != 1 else None,
        reasoning_level=take.string(camel(config.get("thinkingConfig")), "thinkingLevel"),
        output_type=_output_type(config),
        input_messages=read_contents(body.get("contents")) if content else None,
        system_instructions=(read_parts(body.get("systemInstruction")) or None) if content else None,
        tool_definitions=read_tools(body) if content else None,
    )


def _output_type(config: dict[str, Json]) -> OutputType | None:
    """What the request asks for by name: a schema or type, else a modality."""
    mime_type = take.string(config, "responseMimeType")
    if mime_type == "application/json" or config.get("responseSchema") or config.get("responseJsonSchema"):
        return "json"
    return modality_asked(take.strings(config, "responseModalities")) or ("text" if mime_type else None)


def modality_asked(modalities: Iterable[str] | None) -> OutputType | None:
    """The output type that a list of modalities means; media count more than the text beside them."""
    asked = {one.upper() for one in modalities or ()}
    if "AUDIO" in asked:
        return "speech"
    if "IMAGE" in asked:
        return "image"
    return "text" if "TEXT" in asked else None


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a generateContent call, or of its folded stream."""
    body = camel(answer.body)
    candidates = [camel(one) for one in take.items(body, "candidates") if isinstance(one, dict)]
    on_vertex = request.provider == "gcp.vertex_ai"
    reasons = [_finish_reason(one, on_vertex) for one in candidates]
    messages = (
        [_choice(one, reason) for one, reason in zip(candidates, reasons, strict=True)] if content else None
    )
    if not candidates and camel(body.get("promptFeedback")).get("blockReason"):
        reasons = ["content_filter"]
        messages = [message("assistant", [], "content_filter")] if content else None
    return Response(
        id=take.string(body, "responseId"),
        model=take.string(body, "modelVersion"),
        finish_reasons=reasons or None,
        usage=read_usage(body.get("usageMetadata")),
        output_messages=messages,
    )


def _finish_reason(candidate: dict[str, Json], on_vertex: bool) -> str:
    """`error` where a reason was expected but never came."""
    said = candidate.get("finishReason")
    if type(said) is int:
        words = _VERTEX_FINISH if on_vertex else _GEMINI_FINISH
        said = words[said] if 0 <= said < len(words) else "OTHER"
    if not isinstance(said, str) or not said:
        return "error"
    return _FINISH.get(said) or said.lower()


def _choice(candidate: dict[str, Json], reason: str) -> Message:
    made = read_content(candidate.get("content"))
    made["role"] = "assistant"
    made["parts"] += read_grounding(candidate)
    made["finish_reason"] = reason
    if candidate.get("logprobsResult"):
        made["logprobs"] = True
    return made


def read_usage(source: Json) -> Usage:
    """Input is the prompt and what Google's own tools fed in beside it; output is the answer and the thinking.

    The total that Google states is the sum of these four. Cached tokens are counted in the prompt.
    """
    usage = camel(source)
    thoughts = take.integer(usage, "thoughtsTokenCount")
    given = _by_modality(usage, "promptTokensDetails", "toolUsePromptTokensDetails")
    made = _by_modality(usage, "candidatesTokensDetails")
    cached = _by_modality(usage, "cacheTokensDetails")
    return Usage(
        input=take.total(
            take.integer(usage, "promptTokenCount"), take.integer(usage, "toolUsePromptTokenCount")
        ),
        output=take.total(take.integer(usage, "candidatesTokenCount"), thoughts),
        cache_read=take.integer(usage, "cachedContentTokenCount"),
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


def _by_modality(usage: dict[str, Json], *names: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        for one in take.items(usage, name):
            detail = camel(one)
            word = detail.get("modality")
            kind = _MODALITIES.get(word) if isinstance(word, (str, int)) else None
            count = take.integer(detail, "tokenCount")
            if kind is not None and count is not None:
                found[kind] = found.get(kind, 0) + count
    return found


class Fold:
    """Chunks to the answer that they make up: texts of one kind join, all other parts follow each other."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._usage: dict[str, Json] = {}
        self._candidates: dict[int, _Candidate] = {}

    def add(self, name: str, event: Json) -> None:
        """Take one chunk."""
        chunk = camel(event)
        candidates = chunk.get("candidates")
        for one in candidates if type(candidates) is list else ():
            if type(one) is not dict:
                continue
            index = one.get("index")
            key = index if type(index) is int else 0
            candidate = self._candidates.get(key)
            if candidate is None:
                if len(self._candidates) >= _MAX_CANDIDATES:
                    continue
                candidate = self._candidates[key] = _Candidate(self._content)
            candidate.add(camel(one))
        usage = camel(chunk.get("usageMetadata"))
        if any(key.endswith("Count") for key in usage):  # the last word counts, whole: it has its own total
            self._usage = usage
        for key_name in ("modelVersion", "responseId", "promptFeedback"):
            if value := chunk.get(key_name):
                self._top[key_name] = value

    def body(self) -> Json:
        """The answer so far."""
        candidates = [self._candidates[index].body(index) for index in sorted(self._candidates)]
        return {**self._top, "candidates": candidates, "usageMetadata": dict(self._usage)}


class _Candidate:
    """One candidate of a stream."""

    __slots__ = ("_content", "_media_room", "_partial", "_parts", "_rest", "_room", "_run", "_thought")

    def __init__(self, content: bool) -> None:
        self._content = content
        self._parts: list[Json] = []
        self._rest: dict[str, Json] = {}
        self._run: list[str] = []
        self._thought = False
        self._partial: dict[str, Json] | None = None
        self._room = MAX_TEXT
        self._media_room = _MAX_MEDIA

    def add(self, candidate: dict[str, Json]) -> None:
        if finish := candidate.get("finishReason"):
            self._rest["finishReason"] = finish
        if not self._content:
            return
        for key in ("groundingMetadata", "logprobsResult"):
            if value := candidate.get(key):
                self._rest[key] = value if key == "groundingMetadata" else True
        for one in take.items(candidate.get("content"), "parts"):
            if type(one) is dict:
                self._part(camel(one))

    def _part(self, part: dict[str, Json]) -> None:
        said = part.get("text")
        if type(said) is str:
            thought = part.get("thought") is True
            if thought is not self._thought:
                self._close_run()
                self._thought = thought
            if self._room > 0 and said:
                self._room -= len(said)
                self._run.append(said)
            return
        call = camel(part.get("functionCall"))
        unnamed = self._partial is not None and bool(call) and not call.get("name")
        if "partialArgs" in call or call.get("willContinue") or unnamed:
            self._partial_call(call)
        elif len(self._parts) < _MAX_PARTS and self._has_room(part):
            self._close_run()
            self._parts.append(part)

    def _has_room(self, part: dict[str, Json]) -> bool:
        inline = part.get("inlineData")
        if type(inline) is dict and type(data := inline.get("data")) is str:
            self._media_room -= len(data)
            return self._media_room > 0
        if self._room > 0:
            self._room -= len(str(part))
            return True
        return False

    def _partial_call(self, call: dict[str, Json]) -> None:
        """Arguments that stream (Vertex AI): each piece names its place, `$.city`, and texts there join."""
        if self._partial is None or call.get("name"):
            self._close_run()
            if len(self._parts) >= _MAX_PARTS:
                return
            self._partial = {}
            kept = {key: call[key] for key in ("id", "name") if key in call}
            self._parts.append({"functionCall": {**kept, "args": self._partial}})
        for one in take.items(call, "partialArgs"):
            piece = camel(one)
            place = (take.string(piece, "jsonPath") or "").removeprefix("$.")
            for key in ("stringValue", "numberValue", "boolValue", "nullValue"):
                if key not in piece or not place or self._room <= 0:
                    continue
                value = piece[key] if key != "nullValue" else None
                before = self._partial.get(place)
                joined = before + value if isinstance(before, str) and isinstance(value, str) else value
                self._room -= len(str(value)) + len(place)
                self._partial[place] = joined
        if not call.get("willContinue"):
            self._partial = None

    def _close_run(self) -> None:
        if self._run:
            part: dict[str, Json] = {"text": "".join(self._run)}
            if self._thought:
                part["thought"] = True
            self._parts.append(part)
            self._run = []

    def body(self, index: int) -> Json:
        self._close_run()
        return {**self._rest, "index": index, "content": {"role": "model", "parts": self._parts}}


WIRE: Final = Wire("gemini", "gcp.gemini", read_request, read_response, Fold)
