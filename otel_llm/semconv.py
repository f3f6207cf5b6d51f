"""Records to attributes and back: the only module that spells attribute names.

Names are those of the GenAI conventions' main branch of October 2026; the constants package of OpenTelemetry lacks
the newer ones and marks the rest as moved. Ours, under `otel_llm.`, stand only where the conventions have none.

https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from otel_llm.record import NOBODY, Caller, CallRecord, Cost, Failure, Request, Response, Usage

Attributes = dict[str, Any]

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
OUR_PREFIX: Final = "otel_llm."
CALL_ID: Final = "otel_llm.call.id"
USER: Final = "user.id"
SESSION: Final = "session.id"
TEAM: Final = "otel_llm.team.id"
STREAM_OUTCOME: Final = "otel_llm.stream.outcome"
RAW_REQUEST: Final = "otel_llm.request.raw"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  (the type of a token count)
TOKEN_MODALITY: Final = "gen_ai.token.modality"  # noqa: S105  (likewise)
DETAILS_EVENT: Final = "gen_ai.client.inference.operation.details"
METADATA: Final = "otel_llm.metadata."
PROMPT_VARIABLE: Final = "gen_ai.prompt.variable."
INFERENCE: Final = frozenset({"chat", "text_completion", "generate_content"})
"""The operations whose metrics are `gen_ai.client.inference.*`."""

FOREIGN_LLM_SPANS: Final = {
    OPERATION: frozenset({*INFERENCE, "embeddings", "rerank", "retrieval"}),
    "openinference.span.kind": frozenset({"LLM", "EMBEDDING", "RERANKER"}),
    "llm.request.type": frozenset({"chat", "completion", "embedding", "rerank"}),
    "langfuse.observation.type": frozenset({"generation", "embedding"}),
}
"""What marks an LLM span that somebody else has opened: attribute, and the values that count. The first one there decides."""
_FOREIGN_MODELS: Final = (REQUEST_MODEL, "llm.model_name", "langfuse.observation.model.name")

_KINDS: Final = {"LLM": "chat", "EMBEDDING": "embeddings", "embedding": "embeddings", "RERANKER": "rerank"}


class Row(NamedTuple):
    """One attribute: its name, the field of the record that it holds, its type in the registry, what it means."""

    name: str
    field: str
    type: str
    meaning: str


_REQUEST: Final = (
    Row(
        OPERATION,
        "operation",
        "string",
        "What the call does: chat, embeddings, generate_content, rerank, ...",
    ),
    Row(REQUEST_MODEL, "model", "string", "The model that was asked for."),
    Row("gen_ai.request.stream", "stream", "boolean", "Set, to true, only when a stream was asked for."),
    Row("gen_ai.request.max_tokens", "max_tokens", "int", "The limit of output tokens."),
    Row("gen_ai.request.temperature", "temperature", "double", "Sampling temperature."),
    Row("gen_ai.request.top_p", "top_p", "double", "Nucleus sampling."),
    Row("gen_ai.request.top_k", "top_k", "int", "Sampling among the k most likely tokens."),
    Row("gen_ai.request.frequency_penalty", "frequency_penalty", "double", "Frequency penalty."),
    Row("gen_ai.request.presence_penalty", "presence_penalty", "double", "Presence penalty."),
    Row("gen_ai.request.stop_sequences", "stop_sequences", "string[]", "Texts at which the model stops."),
    Row("gen_ai.request.seed", "seed", "int", "Seed for sampling."),
    Row(
        "gen_ai.request.choice.count", "choice_count", "int", "How many answers were asked for, when not one."
    ),
    Row(
        "gen_ai.request.reasoning.level",
        "reasoning_level",
        "string",
        "How hard the model shall think, as sent.",
    ),
    Row("gen_ai.output.type", "output_type", "string", "What kind of output was asked for."),
    Row(
        "gen_ai.request.previous_response.id",
        "previous_response_id",
        "string",
        "The response that is continued.",
    ),
    Row("gen_ai.conversation.id", "conversation_id", "string", "The provider's conversation or thread."),
    Row("gen_ai.response.id", "response_id", "string", "The provider's id of the response."),
    Row("aws.bedrock.guardrail.id", "guardrail_id", "string", "The Bedrock guardrail in use."),
    Row("aws.bedrock.knowledge_base.id", "knowledge_base_id", "string", "The Bedrock knowledge base in use."),
    Row("gen_ai.embeddings.dimension.count", "dimension_count", "int", "Dimensions of the vectors."),
    Row("gen_ai.request.encoding_formats", "encoding_formats", "string[]", "Encodings of the vectors."),
    Row("gen_ai.retrieval.top_k", "retrieval_top_k", "int", "How many documents were asked for."),
    Row("gen_ai.agent.id", "agent_id", "string", "The hosted agent that is invoked."),
)
_OPENAI_REQUEST: Final = (
    Row("openai.api.type", "api_type", "string", "Which of OpenAI's APIs was called."),
    Row("openai.request.service_tier", "service_tier", "string", "The service tier that was asked for."),
)
_RESPONSE: Final = (
    Row("gen_ai.response.id", "id", "string", "The provider's id of the response."),
    Row(RESPONSE_MODEL, "model", "string", "The exact model that answered."),
    Row("gen_ai.response.finish_reasons", "finish_reasons", "string[]", "Why each choice ended."),
    Row("gen_ai.response.status", "status", "string", "State of a background or fetched response."),
    Row("gen_ai.conversation.id", "conversation_id", "string", "The provider's conversation or thread."),
    Row(
        "gen_ai.conversation.compacted",
        "conversation_compacted",
        "boolean",
        "Set when history was compacted.",
    ),
)
_OPENAI_RESPONSE: Final = (
    Row("openai.response.service_tier", "service_tier", "string", "The service tier that was used."),
    Row(
        "openai.response.system_fingerprint",
        "system_fingerprint",
        "string",
        "OpenAI's backend configuration.",
    ),
)
_USAGE: Final = (
    Row("gen_ai.usage.input_tokens", "input", "int", "All input tokens, cached ones included."),
    Row("gen_ai.usage.output_tokens", "output", "int", "All output tokens, reasoning included."),
    Row("gen_ai.usage.cache_read.input_tokens", "cache_read", "int", "Input tokens read from a cache."),
    Row("gen_ai.usage.cache_write.input_tokens", "cache_write", "int", "Input tokens written to a cache."),
    Row("gen_ai.usage.reasoning.output_tokens", "reasoning", "int", "Output tokens spent on reasoning."),
    Row("gen_ai.usage.text.input_tokens", "text_input", "int", "Input tokens of text."),
    Row("gen_ai.usage.image.input_tokens", "image_input", "int", "Input tokens of images."),
    Row("gen_ai.usage.audio.input_tokens", "audio_input", "int", "Input tokens of audio."),
    Row("gen_ai.usage.text.output_tokens", "text_output", "int", "Output tokens of text."),
    Row("gen_ai.usage.image.output_tokens", "image_output", "int", "Output tokens of images."),
    Row("gen_ai.usage.audio.output_tokens", "audio_output", "int", "Output tokens of audio."),
    Row(
        "gen_ai.usage.text.cache_read.input_tokens", "text_cache_read", "int", "Cached input tokens of text."
    ),
    Row(
        "gen_ai.usage.image.cache_read.input_tokens",
        "image_cache_read",
        "int",
        "Cached input tokens of images.",
    ),
    Row(
        "gen_ai.usage.audio.cache_read.input_tokens",
        "audio_cache_read",
        "int",
        "Cached input tokens of audio.",
    ),
    Row("otel_llm.usage.estimated", "estimated", "boolean", "Set when the provider did not say the counts."),
)
_COST: Final = (
    Row("otel_llm.cost.total", "total", "double", "US dollars for the call."),
    Row("otel_llm.cost.input", "input", "double", "US dollars for uncached input."),
    Row("otel_llm.cost.output", "output", "double", "US dollars for output."),
    Row("otel_llm.cost.cache_read", "cache_read", "double", "US dollars for input read from a cache."),
    Row("otel_llm.cost.cache_write", "cache_write", "double", "US dollars for input written to a cache."),
)
_CALLER: Final = (
    Row(USER, "user", "string", "The end user."),
    Row(SESSION, "session", "string", "The session."),
    Row(TEAM, "team", "string", "The team whose destinations get the span."),
    Row("gen_ai.prompt.name", "prompt_name", "string", "The prompt template in use."),
    Row("gen_ai.prompt.version", "prompt_version", "string", "Its version."),
    Row("otel_llm.key.hash", "key_hash", "string", "Hash of the key that made the call."),
    Row("otel_llm.key.alias", "key_alias", "string", "Name of the key that made the call."),
)
_RECORD: Final = (
    Row(CALL_ID, "id", "string", "Stable id of the call; the dedupe key of every destination."),
    Row(PROVIDER, "provider", "string", "Who answers, as the conventions name them."),
    Row(SERVER_ADDRESS, "server_address", "string", "The host that was called."),
    Row(SERVER_PORT, "server_port", "int", "Its port."),
    Row(
        "gen_ai.response.time_to_first_chunk",
        "time_to_first_chunk",
        "double",
        "Seconds until a stream began.",
    ),
    Row(STREAM_OUTCOME, "stream_outcome", "string", "How the stream ended."),
    Row("otel_llm.attempt", "attempt", "int", "Number of the attempt, from 1, where a call was retried."),
    Row(RAW_REQUEST, "raw_request", "string", "The request as a curl command; only on demand."),
)
_CONTENT_REQUEST: Final = (
    Row("gen_ai.input.messages", "input_messages", "any", "The messages that were sent."),
    Row("gen_ai.system_instructions", "system_instructions", "any", "Instructions sent beside the history."),
    Row("gen_ai.tool.definitions", "tool_definitions", "any", "The tools that were offered."),
    Row("gen_ai.retrieval.query.text", "retrieval_query", "string", "The query of a retrieval or rerank."),
)
_CONTENT_RESPONSE: Final = (
    Row("gen_ai.output.messages", "output_messages", "any", "The answers, one message a choice."),
    Row("gen_ai.retrieval.documents", "documents", "any", "Ids and scores of what was found."),
    Row("gen_ai.system_instructions", "system_instructions", "any", "Instructions of a fetched response."),
    Row("gen_ai.tool.definitions", "tool_definitions", "any", "Tools of a fetched response."),
)
_SPECIAL: Final = (
    Row(ERROR_TYPE, "", "string", "The provider's error code, else the HTTP status or the exception."),
    Row("otel_llm.tags", "", "string[]", "What the caller tagged the call with."),
    Row(METADATA + "<key>", "", "any", "What the caller said about the call."),
    Row(PROMPT_VARIABLE + "<name>", "", "string", "Variables of the prompt template; content."),
    Row("azure.resource_provider.namespace", "", "string", "Microsoft.CognitiveServices on Azure."),
)

_OPENAI_FLAVOURS: Final = frozenset({"openai", "azure.ai.openai"})


def table() -> list[Row]:
    """Every attribute that we can emit, once, in the order of the conventions; the documentation prints it."""
    rows = (
        *_RECORD, *_REQUEST, *_RESPONSE, *_USAGE, *_COST, *_OPENAI_REQUEST, *_OPENAI_RESPONSE, *_CALLER, *_SPECIAL,
        *_CONTENT_REQUEST, *_CONTENT_RESPONSE,
    )  # fmt: skip
    return list({row.name: row for row in reversed(rows)}.values())[::-1]


_Reading = Callable[[Any, Attributes], None]


def _reading(rows: tuple[Row, ...]) -> _Reading:
    """What puts the fields of these rows into attributes; it runs on every call, so the fields are got in one step."""
    names = tuple(row.name for row in rows)
    fields = attrgetter(*(row.field for row in rows))

    def read(source: Any, into: Attributes) -> None:
        for name, value in zip(names, fields(source), strict=True):
            if value is not None and value is not False:
                into[name] = value

    return read


_read_request = _reading(_REQUEST)
_read_openai_request = _reading(_OPENAI_REQUEST)
_read_response = _reading(_RESPONSE)
_read_openai_response = _reading(_OPENAI_RESPONSE)
_read_usage = _reading(_USAGE)
_read_cost = _reading(_COST)
_read_caller = _reading(_CALLER)
_read_content_request = _reading(_CONTENT_REQUEST)
_read_content_response = _reading(_CONTENT_RESPONSE)


def start_attributes(record: CallRecord) -> Attributes:
    """What is known before the call: the attributes that a sampler may want to see, and who makes the call."""
    request = record.request
    made: Attributes = {}
    _read_request(request, made)
    made[CALL_ID] = record.id
    made[PROVIDER] = record.provider
    if record.server_address:
        made[SERVER_ADDRESS] = record.server_address
        if record.server_port is not None:
            made[SERVER_PORT] = record.server_port
    if record.provider in _OPENAI_FLAVOURS:
        _read_openai_request(request, made)
    if record.provider.startswith("azure."):
        made["azure.resource_provider.namespace"] = "Microsoft.CognitiveServices"
    if record.attempt is not None:
        made["otel_llm.attempt"] = record.attempt
    return made


def caller_attributes(caller: Caller) -> Attributes:
    """What the caller said about the call."""
    made: Attributes = {}
    if caller is NOBODY:
        return made
    _read_caller(caller, made)
    if caller.tags:
        made["otel_llm.tags"] = list(caller.tags)
    for key, value in caller.metadata.items():
        made[METADATA + key] = value
    return made


def end_attributes(record: CallRecord) -> Attributes:
    """What the answer said, without content."""
    response = record.response
    made: Attributes = {}
    _read_response(response, made)
    if record.request.operation != "fetch_response":
        _read_usage(response.usage, made)
    if record.provider in _OPENAI_FLAVOURS:
        _read_openai_response(response, made)
    if record.cost is not None:
        _read_cost(record.cost, made)
    if record.time_to_first_chunk is not None:
        made["gen_ai.response.time_to_first_chunk"] = record.time_to_first_chunk
    if record.stream_outcome is not None:
        made[STREAM_OUTCOME] = record.stream_outcome
    if response.failure is not None:
        made[ERROR_TYPE] = response.failure.type
    return made


def content_attributes(record: CallRecord, structured: bool) -> Attributes:
    """Messages, instructions, tools: as they are, or as JSON text."""
    made: Attributes = {}
    _read_content_response(record.response, made)
    _read_content_request(record.request, made)
    if not structured:
        for name, value in made.items():
            if not isinstance(value, str):
                made[name] = msgspec.json.encode(value).decode()
    for name, value in record.caller.prompt_variables.items():
        made[PROMPT_VARIABLE + name] = value
    if record.raw_request is not None:
        made[RAW_REQUEST] = record.raw_request
    return made


def to_attributes(record: CallRecord, structured: bool = True) -> Attributes:
    """All attributes of a record; what nobody said is left out."""
    return {
        **start_attributes(record),
        **caller_attributes(record.caller),
        **content_attributes(record, structured),
        **end_attributes(record),
    }


def from_attributes(attributes: Mapping[str, Any], start_ns: int, end_ns: int) -> CallRecord:
    """The record that a span of ours was made from; content that is JSON text is parsed again."""
    failure = attributes.get(ERROR_TYPE)
    asked = {"operation": "", **_write((*_REQUEST, *_OPENAI_REQUEST, *_CONTENT_REQUEST), attributes)}
    if asked["operation"] != "fetch_response":
        asked.pop("response_id", None)  # the name is also that of the response's own id
    return CallRecord(
        id=str(attributes.get(CALL_ID, "")),
        provider=str(attributes.get(PROVIDER, "")),
        request=Request(**asked),
        response=Response(
            usage=Usage(**_write(_USAGE, attributes)),
            failure=Failure(str(failure)) if failure is not None else None,
            **_write((*_RESPONSE, *_OPENAI_RESPONSE, *_CONTENT_RESPONSE[:2]), attributes),
        ),
        start_ns=start_ns,
        end_ns=end_ns,
        cost=Cost(**_write(_COST, attributes)) if "otel_llm.cost.total" in attributes else None,
        caller=Caller(
            tags=tuple(attributes.get("otel_llm.tags", ())),
            metadata=_prefixed(METADATA, attributes),
            prompt_variables=_prefixed(PROMPT_VARIABLE, attributes),
            **_write(_CALLER, attributes),
        ),
        **_write(_RECORD[2:], attributes),
    )


def _write(rows: tuple[Row, ...], attributes: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, field, kind, _ in rows:
        value = attributes.get(name)
        if value is None:
            continue
        if kind == "string[]" or (kind == "any" and isinstance(value, tuple)):
            value = list(value)
        elif kind == "any" and isinstance(value, str):
            try:
                value = msgspec.json.decode(value)
            except msgspec.DecodeError:
                continue
        made[field] = value
    return made


def _prefixed(prefix: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name[len(prefix) :]: value for name, value in attributes.items() if name.startswith(prefix)}


def span_name(request: Request) -> str:
    """`{operation} {model}`; the conventions leave ids out of it."""
    if request.model and request.operation != "fetch_response":
        return f"{request.operation} {request.model}"
    return request.operation


def foreign_operation(attributes: Mapping[str, Any]) -> str | None:
    """The operation of an LLM span that somebody else has opened; None when it is no such span."""
    for name, counted in FOREIGN_LLM_SPANS.items():
        value = attributes.get(name)
        if isinstance(value, str):
            if value not in counted:
                return None
            return value if name == OPERATION else _KINDS.get(value, "chat")
    return None


def foreign_model(attributes: Mapping[str, Any]) -> str | None:
    """The model that such a span names, if it does."""
    for name in _FOREIGN_MODELS:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def is_second_part(attributes: Mapping[str, Any]) -> bool:
    """Whether an LLM span tells the rest of a stream whose first span has ended: Logfire's log at its end."""
    return attributes.get("logfire.span_type") == "log"
