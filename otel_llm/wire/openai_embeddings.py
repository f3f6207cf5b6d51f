"""Embeddings as OpenAI asks for them, and Azure, Mistral, vLLM, OpenRouter and most others.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Request, Response
from otel_llm.wire import take
from otel_llm.wire.failures import read_failure
from otel_llm.wire.openai_chat import read_model
from otel_llm.wire.openai_usage import read_cost, read_usage
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits(ask: Ask) -> bool:
    """Something to embed; a server of one model needs no more."""
    given = ask.body.get("input") if isinstance(ask.body, dict) else None
    return isinstance(given, str | list)


def read_request(ask: Ask, content: bool) -> Request:
    """The request of embeddings. The conventions keep no content of them."""
    body = ask.body
    dimensions = take.integer(body, "dimensions")
    formats = [take.string(body, name) for name in ("encoding_format", "output_dtype")]
    return Request(
        operation="embeddings",
        model=read_model(ask),
        dimension_count=dimensions if dimensions is not None else take.integer(body, "output_dimension"),
        encoding_formats=[one for one in formats if one] or None,
        user=take.string(body, "user"),
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer, of which the vectors are never parsed."""
    body = answer.body
    usage: Json = take.raw(body, "usage")
    return Response(
        id=_text(body, "id"),
        model=_text(body, "model"),
        usage=read_usage(usage, request.model),
        failure=read_failure(200, {}, {"error": take.raw(body, "error")}),
        cost=read_cost(usage),
    )


def _text(body: Json, name: str) -> str | None:
    return take.string({name: take.raw(body, name)}, name)


WIRE: Final = Wire("openai_embeddings", "openai", read_request, read_response, sparse=True)
