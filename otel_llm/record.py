"""The ground of the house: one finished LLM call as plain values.

Nothing here knows bytes, spans, clocks or settings. `None` always means "nobody said it"; a zero was said.
Content (messages, tools) is JSON in the shape of the GenAI conventions, built by the functions at the end of
this module, so that there is one definition of that shape.

https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct

Json: TypeAlias = Any
"""JSON that nobody has read yet: dict, list, str, int, float, bool or None."""

Part: TypeAlias = dict[str, Any]
"""One part of a message, with its `type`."""

Message: TypeAlias = dict[str, Any]
"""`{"role": ..., "parts": [Part, ...]}`, and for output `finish_reason`."""

Outcome: TypeAlias = Literal["completed", "closed_early", "cancelled", "abandoned", "failed"]
"""How a stream ended; `abandoned` means that it was garbage collected without being closed."""


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Token counts in one meaning for all providers.

    `input` holds all input, cached tokens included; `output` holds all output, reasoning included. The others are
    subsets: `cache_read`, `cache_write` and the `*_input` of `input`, `reasoning` and the `*_output` of `output`.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    """The part of `cache_write` that is kept for an hour, which costs more (Anthropic). It has no attribute."""
    reasoning: int | None = None
    text_input: int | None = None
    image_input: int | None = None
    audio_input: int | None = None
    text_output: int | None = None
    image_output: int | None = None
    audio_output: int | None = None
    text_cache_read: int | None = None
    image_cache_read: int | None = None
    audio_cache_read: int | None = None
    estimated: bool = False


NO_USAGE = Usage()


class Cost(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """US dollars. `input` is for uncached input alone; the four parts add up to `total`."""

    total: float
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


class Failure(Struct, frozen=True):
    """Why a call failed. `type` has low cardinality: the provider's code, else the status, else the exception."""

    type: str
    message: str | None = None


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked, as far as the request said it."""

    operation: str
    """A `gen_ai.operation.name`."""
    model: str | None = None
    provider: str | None = None
    """Set by a decoder only where the path tells it (Bedrock, Vertex); else the host decides."""
    stream: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    choice_count: int | None = None
    """Only when it is not 1."""
    reasoning_level: str | None = None
    output_type: Literal["text", "json", "image", "speech"] | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    response_id: str | None = None
    """The id of a response that is fetched, not made."""
    service_tier: str | None = None
    api_type: Literal["chat_completions", "responses"] | None = None
    guardrail_id: str | None = None
    knowledge_base_id: str | None = None
    dimension_count: int | None = None
    encoding_formats: list[str] | None = None
    retrieval_top_k: int | None = None
    agent_id: str | None = None
    user: str | None = None
    """The end user that the request names (OpenAI `user`, Anthropic `metadata.user_id`)."""
    # Content: None unless it was asked for.
    input_messages: list[Message] | None = None
    system_instructions: list[Part] | None = None
    tool_definitions: list[Json] | None = None
    retrieval_query: str | None = None


class Response(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came back, as far as it came."""

    id: str | None = None
    model: str | None = None
    finish_reasons: list[str] | None = None
    """One for each choice, in the conventions' words where they have one (`stop`, `length`, `tool_call`, ...)."""
    usage: Usage = NO_USAGE
    failure: Failure | None = None
    status: str | None = None
    """`gen_ai.response.status` of a fetched or background response."""
    service_tier: str | None = None
    system_fingerprint: str | None = None
    conversation_id: str | None = None
    conversation_compacted: bool = False
    cost: float | None = None
    """What the provider itself says the call cost, in US dollars (OpenRouter)."""
    # Content: None unless it was asked for.
    output_messages: list[Message] | None = None
    documents: list[Json] | None = None
    system_instructions: list[Part] | None = None
    tool_definitions: list[Json] | None = None


class Caller(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who makes the call and what they say about it; from `otel_llm.context`, baggage or the proxy."""

    user: str | None = None
    session: str | None = None
    team: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_variables: Mapping[str, str] = {}
    key_hash: str | None = None
    key_alias: str | None = None
    raw_request: bool = False
    """Whether the caller wants the request kept as a curl command."""


NOBODY = Caller()


class CallRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One LLM call, complete: the only thing that leaves the core.

    Times are nanoseconds since the epoch; `time_to_first_chunk` is seconds.
    """

    id: str
    provider: str
    request: Request
    response: Response
    start_ns: int
    end_ns: int
    server_address: str | None = None
    server_port: int | None = None
    cost: Cost | None = None
    caller: Caller = NOBODY
    time_to_first_chunk: float | None = None
    stream_outcome: Outcome | None = None
    attempt: int | None = None
    raw_request: str | None = None


def text(content: str) -> Part:
    """Plain text."""
    return {"type": "text", "content": content}


def reasoning(content: str) -> Part:
    """Thinking that the provider shows."""
    return {"type": "reasoning", "content": content}


def refusal(content: str) -> Part:
    """The model's own words when it declines; the conventions have no part of their own for it."""
    return {"type": "refusal", "content": content}


def tool_call(call_id: str | None, name: str, arguments: Json) -> Part:
    """The model asks for a tool; `arguments` is an object wherever the text was JSON."""
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def tool_result(call_id: str | None, response: Json) -> Part:
    """What the tool answered."""
    return {"type": "tool_call_response", "id": call_id, "response": response}


def server_tool_call(call_id: str | None, name: str, call: Json) -> Part:
    """A tool that the provider ran itself; `call` is an object with its own `type`."""
    return {"type": "server_tool_call", "id": call_id, "name": name, "server_tool_call": call}


def server_tool_result(call_id: str | None, response: Json) -> Part:
    """What the provider's own tool answered; an object with its own `type`."""
    return {"type": "server_tool_call_response", "id": call_id, "server_tool_call_response": response}


def blob(modality: str, mime_type: str | None, content: str) -> Part:
    """Inline media, base64. The pipeline replaces it by its size and digest before anything leaves."""
    return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": content}


def uri(modality: str, address: str, mime_type: str | None = None) -> Part:
    """Media by reference. A `data:` URL is a blob and becomes one."""
    if address.startswith("data:"):
        head, _, data = address[5:].partition(",")
        return blob(modality, head.partition(";")[0] or None, data)
    part = {"type": "uri", "modality": modality, "uri": address}
    if mime_type:
        part["mime_type"] = mime_type
    return part


def file(modality: str, file_id: str, mime_type: str | None = None) -> Part:
    """A file that was uploaded before."""
    part = {"type": "file", "modality": modality, "file_id": file_id}
    if mime_type:
        part["mime_type"] = mime_type
    return part


def message(role: str, parts: list[Part], finish_reason: str | None = None) -> Message:
    """One message of the history, or one choice of the answer."""
    made: Message = {"role": role, "parts": parts}
    if finish_reason is not None:
        made["finish_reason"] = finish_reason
    return made


def modality_of(mime_type: str | None) -> str:
    """`image/png` is an image; what is neither image, video nor audio is a document."""
    kind = (mime_type or "").partition("/")[0]
    return kind if kind in {"image", "video", "audio"} else "document"
