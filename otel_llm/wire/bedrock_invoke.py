"""Bedrock's invoke: the model's own protocol behind AWS's path, plain or as chunks in a binary event stream.

Which protocol it is shows in the shape of the body, and where shapes are alike in the name of the model: a profile,
an imported model or an endpoint may have any name. What the model does not count itself, Bedrock counts: in headers,
or in the last chunk of a stream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import msgspec

from otel_llm.record import Json, Request, Response, Usage
from otel_llm.wire import (
    anthropic_complete,
    anthropic_messages,
    bedrock_content,
    bedrock_converse,
    bedrock_images,
    bedrock_texts,
    cohere_embed,
    cohere_legacy,
    openai_chat,
    openai_chat_fold,
    rerank,
    take,
)
from otel_llm.wire.bedrock_path import is_bedrock, model_of
from otel_llm.wire.protocol import Answer, Ask, Fold, Wire

_METRICS: Final = "amazon-bedrock-invocationMetrics"
_GUARDRAIL: Final = "amazon-bedrock-guardrailAction"
_PROMPTS = (
    "prompt",
    "inputText",
    "message",
    "inputPrompt",
    "texts",
    "text_prompts",
    "taskType",
    "inputImage",
    "inputs",
)


def fits(ask: Ask) -> bool:
    """A model in the path, and a body as models take it; AWS's own host is enough."""
    if model_of(ask.path) is None:
        return False
    body = ask.body
    if is_bedrock(ask):
        return True
    return isinstance(body, dict) and ("messages" in body or any(name in body for name in _PROMPTS))


def read_request(ask: Ask, content: bool) -> Request:
    """The request in whichever protocol the model has."""
    body = ask.body if isinstance(ask.body, dict) else {}
    model = model_of(ask.path)
    known: dict[str, Any] = {
        "model": model,
        "provider": "aws.bedrock",
        "stream": ask.path.rstrip("/").endswith("-stream"),
        "guardrail_id": ask.headers.get("x-amzn-bedrock-guardrailidentifier"),
    }
    tier = ask.headers.get("x-amzn-bedrock-service-tier")
    if tier:
        known["service_tier"] = tier
    name = (model or "").lower()
    if isinstance(body.get("messages"), list):
        if "anthropic_version" in body or "anthropic." in name or "claude" in name:
            made = anthropic_messages.read_request(ask, content)
        elif _is_nova(body, name):
            made = _nova(ask, content)
        else:
            made = msgspec.structs.replace(openai_chat.read_request(ask, content), api_type=None)
    elif isinstance(body.get("message"), str):
        made = cohere_legacy.read_chat_request(ask, content)
    elif "query" in body and "documents" in body:
        made = rerank.read_request(ask, content)
    elif "max_tokens_to_sample" in body:
        made = anthropic_complete.read_request(ask, content)
    elif _is_embedding(body, name):
        made = cohere_embed.read_request(ask, content) if "input_type" in body else _embedding(body)
    elif bedrock_images.fits(body):
        made = bedrock_images.read_request(body, content)
    else:
        made = bedrock_texts.read_request(body)
        known["input_messages"] = bedrock_texts.read_messages(body) if content else None
    return msgspec.structs.replace(made, **known)


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer by its shape, with Bedrock's counts where the model has none."""
    body = answer.body
    made = _answer(answer, request, content)
    usage = _with_counts(made.usage, take.mapping(body, _METRICS), answer)
    finish = made.finish_reasons
    if finish and take.string(body, _GUARDRAIL) == "INTERVENED":
        finish = ["content_filter"] * len(finish)
        for one in made.output_messages or ():
            one["finish_reason"] = "content_filter"
    return msgspec.structs.replace(made, usage=usage, finish_reasons=finish)


def _answer(answer: Answer, request: Request, content: bool) -> Response:
    body = answer.body
    if not isinstance(body, dict):
        return Response()
    if "embedding" in body or "embeddings" in body or "embeddingsByType" in body:
        return Response(id=take.string(body, "id"), usage=bedrock_texts.read_usage(body))
    if isinstance(body.get("content"), list):
        return anthropic_messages.read_response(answer, request, content)
    if "output" in body or "stopReason" in body:
        return bedrock_converse.read_response(answer, request, content)
    if isinstance(body.get("images"), list) or isinstance(body.get("artifacts"), list):
        return bedrock_images.read_response(body, content)
    if "text" in body and ("generation_id" in body or "response_id" in body):
        return cohere_legacy.read_chat_response(answer, request, content)
    if any(isinstance(one, dict) and "relevance_score" in one for one in take.items(body, "results")):
        return rerank.read_response(answer, request, content)
    choices = take.items(body, "choices")
    if choices and all(isinstance(one, dict) and "message" in one for one in choices):
        answer = msgspec.structs.replace(
            answer, body={**body, "choices": [_as_openai(one) for one in choices]}
        )
        return openai_chat.read_response(answer, request, content)
    found = [one for one in bedrock_texts.read_choices(body) if one != (None, None, [])]
    reasons = [reason for one in found if (reason := bedrock_texts.finish_reason(one))]
    return Response(
        id=take.string(body, "id") or take.string(body, "generation_id"),
        model=take.string(body, "model"),
        finish_reasons=reasons if reasons and len(reasons) == len(found) else None,
        usage=bedrock_texts.read_usage(body),
        output_messages=[bedrock_texts.read_message(one) for one in found] if content else None,
    )


def _with_counts(usage: Usage, metrics: Json, answer: Answer) -> Usage:
    """The model's own counts, else those of the last chunk, else those of the headers; all leave out what was cached."""
    if usage.input is not None and usage.output is not None:
        return usage
    counted = bedrock_converse.read_usage(metrics)
    if counted == Usage():
        heads = {
            "inputTokens": "x-amzn-bedrock-input-token-count",
            "outputTokens": "x-amzn-bedrock-output-token-count",
            "cacheReadInputTokens": "x-amzn-bedrock-cache-read-input-token-count",
            "cacheWriteInputTokens": "x-amzn-bedrock-cache-write-input-token-count",
        }
        said = {name: answer.headers.get(head, "") for name, head in heads.items()}
        counted = bedrock_converse.read_usage(
            {
                name: int(value)
                for name, value in said.items()
                if value.isascii() and value.isdigit() and len(value) < 16
            }
        )
    return msgspec.structs.replace(
        counted if usage.input is None else usage,
        output=usage.output if usage.output is not None else counted.output,
    )


class _Fold:
    """Chunks to the answer that they make up: each has an event of the model's own stream, which its own fold takes."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._kind = ""
        self._fold: Fold | None = None
        self._last: dict[str, Json] = {}

    def add(self, name: str, event: Json) -> None:
        """Take one frame; one that is not a chunk is taken as the event itself."""
        if type(event) is not dict:
            return
        data = event.get("bytes")
        if type(data) is str:
            try:
                event = take.loaded(base64.b64decode(data))
            except (ValueError, RecursionError):
                return
            if type(event) is not dict:
                return
        for key in (_METRICS, _GUARDRAIL, "error"):
            if value := event.get(key):
                if key == _GUARDRAIL and self._last.get(key) == "INTERVENED":
                    continue
                self._last[key] = value
        if self._fold is None:
            if "error" in event and len(event) == 1:
                return
            self._kind = _kind_of(event)
            self._fold = _FOLDS[self._kind](self._content)
        if self._kind == "converse":
            for kind, inner in event.items():
                self._fold.add(kind, inner)
        elif self._kind == "chat":
            self._fold.add(
                "", {**event, "choices": [_as_openai(one) for one in take.items(event, "choices")]}
            )
        else:
            self._fold.add(name, event)

    def body(self) -> Json:
        """The answer so far, with what Bedrock added."""
        made = self._fold.body() if self._fold is not None else {}
        if self._kind == "converse":
            _join_texts(take.mapping(take.mapping(made, "output"), "message"))
        return {**made, **self._last}


_FOLDS: Final[dict[str, Callable[[bool], Fold]]] = {
    "messages": anthropic_messages.Fold,
    "converse": bedrock_converse.Fold,
    "complete": anthropic_complete.Fold,
    "chat": openai_chat_fold.Fold,
    "texts": bedrock_texts.Fold,
}


def _kind_of(event: dict[str, Json]) -> str:
    """The protocol of the stream that begins with this event."""
    kind = take.string(event, "type") or ""
    if kind.startswith(("message_", "content_block")) or kind in {"ping", "error"}:
        return "messages"
    if any(
        name in event for name in ("messageStart", "contentBlockStart", "contentBlockDelta", "messageStop")
    ):
        return "converse"
    if "completion" in event:
        return "complete"
    if any(
        isinstance(one, dict) and ("delta" in one or "message" in one) for one in take.items(event, "choices")
    ):
        return "chat"
    return "chat" if take.string(event, "object") == "chat.completion.chunk" else "texts"


def _join_texts(said: dict[str, Json]) -> None:
    """Amazon's models number each piece of a text as a block of its own; a call that does not stream has one block."""
    joined: list[Json] = []
    for block in take.items(said, "content"):
        last = joined[-1] if joined else None
        if isinstance(last, dict) and isinstance(block, dict) and set(last) == {"text"} == set(block):
            joined[-1] = {"text": last["text"] + block["text"]}
        else:
            joined.append(block)
    said["content"] = joined


def _as_openai(choice: Json) -> Json:
    """Mistral's choices here say `stop_reason`, and stream messages where others stream deltas."""
    if not isinstance(choice, dict) or "finish_reason" in choice:
        return choice
    made = {**choice, "finish_reason": choice.get("stop_reason")}
    return made if "delta" in choice or "message" not in choice else {**made, "delta": choice["message"]}


def _is_nova(body: dict[str, Json], name: str) -> bool:
    if "schemaVersion" in body or "inferenceConfig" in body or "toolConfig" in body or ".nova" in name:
        return True
    blocks = [one for turn in take.items(body, "messages") for one in take.items(turn, "content")]
    return bool(blocks) and all(isinstance(one, dict) and "type" not in one for one in blocks)


def _nova(ask: Ask, content: bool) -> Request:
    body = ask.body
    config = take.mapping(body, "inferenceConfig")
    limit = take.integer(config, "maxTokens")
    top_p = take.number(config, "topP")
    top_k = take.integer(config, "topK")
    return Request(
        operation="chat",
        max_tokens=limit if limit is not None else take.integer(config, "max_new_tokens"),
        temperature=take.number(config, "temperature"),
        top_p=top_p if top_p is not None else take.number(config, "top_p"),
        top_k=top_k if top_k is not None else take.integer(config, "top_k"),
        stop_sequences=take.strings(config, "stopSequences"),
        reasoning_level=bedrock_converse.reasoning_level({"reasoningConfig": body.get("reasoningConfig")}),
        input_messages=[bedrock_content.read_message(one) for one in take.items(body, "messages")]
        if content
        else None,
        system_instructions=bedrock_content.read_system(body) if content else None,
        tool_definitions=bedrock_content.read_tools(body) if content else None,
    )


def _is_embedding(body: dict[str, Json], name: str) -> bool:
    if (take.string(body, "taskType") or "").endswith("_EMBEDDING"):
        return True
    if "embed" in name:
        return True
    return "embeddingConfig" in body or ("texts" in body and "input_type" in body)


def _embedding(body: dict[str, Json]) -> Request:
    sizes = (
        take.integer(body, "dimensions"),
        take.integer(body, "output_dimension"),
        take.integer(take.mapping(body, "embeddingConfig"), "outputEmbeddingLength"),
        take.integer(take.mapping(body, "singleEmbeddingParams"), "embeddingDimension"),
        take.integer(take.mapping(body, "segmentedEmbeddingParams"), "embeddingDimension"),
    )
    return Request(
        operation="embeddings",
        dimension_count=next((size for size in sizes if size is not None), None),
        encoding_formats=take.strings(body, "embedding_types") or take.strings(body, "embeddingTypes"),
    )


WIRE: Final = Wire("bedrock_invoke", "aws.bedrock", read_request, read_response, _Fold)
