"""Cohere's embeddings, versions 1 and 2.

https://docs.cohere.com/reference/embed
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Request, Response, Usage
from otel_llm.wire import take
from otel_llm.wire.cohere_chat import read_usage
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits(ask: Ask) -> bool:
    """Texts, images or mixed inputs, for a model or for a purpose."""
    body = ask.body
    return (
        isinstance(body, dict)
        and ("model" in body or "input_type" in body)
        and any(take.items(body, name) for name in ("texts", "images", "inputs"))
    )


def read_request(ask: Ask, content: bool) -> Request:
    """The request of embeddings. The conventions keep no content of them."""
    body = ask.body
    return Request(
        operation="embeddings",
        model=take.string(body, "model"),
        dimension_count=take.integer(body, "output_dimension"),
        encoding_formats=take.strings(body, "embedding_types"),
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of an embedding; its vectors are not wanted."""
    given = take.raw(answer.body, "id")
    meta = take.raw(answer.body, "meta")
    usage = read_usage(meta)
    images = take.integer(take.mapping(meta, "billed_units"), "image_tokens")
    if images:
        usage = Usage(input=take.total(usage.input, images), image_input=images)
    return Response(id=given if isinstance(given, str) and given else None, usage=usage)


WIRE: Final = Wire("cohere_embed", "cohere", read_request, read_response, sparse=True)
