"""Replicate's predictions: any model, made in the background and fetched until it is done.

https://replicate.com/docs/reference/http
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Part, Request, Response, Usage, message, text, uri
from otel_llm.wire import take
from otel_llm.wire.protocol import Answer, Ask, Wire

_STATUS: Final = {
    "starting": "queued",
    "processing": "in_progress",
    "succeeded": "completed",
    "successful": "completed",
    "failed": "failed",
    "canceled": "cancelled",
    "aborted": "cancelled",
}
_REASONS: Final = {"completed": "stop", "failed": "error", "cancelled": "error"}


def fits(ask: Ask) -> bool:
    """An input with a prompt or messages, for a model or version. A model that runs at home has the path alone."""
    given = take.mapping(ask.body, "input")
    named = "version" in ask.body if isinstance(ask.body, dict) else False
    return ("prompt" in given or "messages" in given) and (
        named or "/models/" in ask.path or _at_replicate(ask)
    )


def fits_fetch(ask: Ask) -> bool:
    """`GET .../predictions/{id}` at Replicate; elsewhere it could be anything."""
    return _at_replicate(ask)


def _at_replicate(ask: Ask) -> bool:
    return ask.host.endswith("replicate.com")


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a prediction; each model names its settings as it likes, most of them like this."""
    given = take.mapping(ask.body, "input")
    limit = take.integer(given, "max_tokens")
    owner_and_name = ask.path.partition("/models/")[2].removesuffix("/predictions")
    version = take.string(ask.body, "version") or ""
    said = take.string(given, "prompt")
    system = take.string(given, "system_prompt")
    return Request(
        operation="generate_content",
        model=owner_and_name or version.partition(":")[0] or None,
        max_tokens=limit if limit is not None else take.integer(given, "max_new_tokens"),
        temperature=take.number(given, "temperature"),
        top_p=take.number(given, "top_p"),
        top_k=take.integer(given, "top_k"),
        frequency_penalty=take.number(given, "frequency_penalty"),
        presence_penalty=take.number(given, "presence_penalty"),
        seed=take.integer(given, "seed"),
        input_messages=[message("user", [text(said)])] if content and said else None,
        system_instructions=[text(system)] if content and system else None,
    )


def read_fetch(ask: Ask, content: bool) -> Request:
    """The request for a prediction that was made before."""
    return Request(operation="fetch_response", response_id=ask.path.rstrip("/").rpartition("/")[2])


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """A prediction, done or not. A fetched one tells no usage of its own."""
    body = answer.body
    said = take.string(body, "status")
    status = _STATUS.get(said, said) if said else None
    reason = _REASONS.get(status or "")
    fetched = request.operation == "fetch_response"
    metrics = take.mapping(body, "metrics")
    parts = _output(body.get("output")) if isinstance(body, dict) else []
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        finish_reasons=[reason] if reason else None,
        status=status if fetched or reason is None else None,
        usage=Usage()
        if fetched
        else Usage(
            input=take.integer(metrics, "input_token_count"),
            output=take.integer(metrics, "output_token_count"),
        ),
        output_messages=[message("assistant", parts, reason)] if content and parts else None,
    )


def _output(output: Json) -> list[Part]:
    """A text, pieces of one, or addresses of what was made."""
    listed = output if isinstance(output, list) else [output]
    words = [one for one in listed if isinstance(one, str) and one]
    if words and all(one.startswith("https://") for one in words):
        return [uri(_modality(one), one) for one in words]
    return [text("".join(words))] if words else []


def _modality(address: str) -> str:
    kind = address.rpartition(".")[2].lower()
    if kind in {"png", "jpg", "jpeg", "webp", "gif", "svg"}:
        return "image"
    if kind in {"mp3", "wav", "flac", "ogg"}:
        return "audio"
    return "video" if kind in {"mp4", "webm", "mov"} else "document"


WIRE: Final = Wire("replicate", "replicate", read_request, read_response)
FETCH: Final = Wire("replicate_fetch", "replicate", read_fetch, read_response)
