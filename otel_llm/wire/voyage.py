"""Voyage's embeddings of images and of chunks in their context; its plain ones have OpenAI's shape.

https://docs.voyageai.com/reference/multimodal-embeddings-api
https://docs.voyageai.com/reference/contextualized-embeddings-api
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Request, Response, Usage
from otel_llm.wire import take
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits(ask: Ask) -> bool:
    """A model and its inputs."""
    return take.string(ask.body, "model") is not None and bool(take.items(ask.body, "inputs"))


def read_request(ask: Ask, content: bool) -> Request:
    """The request of embeddings. The conventions keep no content of them."""
    body = ask.body
    formats = [take.string(body, name) for name in ("encoding_format", "output_encoding", "output_dtype")]
    return Request(
        operation="embeddings",
        model=take.string(body, "model"),
        dimension_count=take.integer(body, "output_dimension"),
        encoding_formats=[one for one in formats if one] or None,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer, of which the vectors are never parsed. Images count as tokens in the total."""
    model = take.raw(answer.body, "model")
    usage = take.raw(answer.body, "usage")
    return Response(
        model=model if isinstance(model, str) and model else None,
        usage=Usage(input=take.integer(usage, "total_tokens"), text_input=take.integer(usage, "text_tokens")),
    )


WIRE: Final = Wire("voyage_embeddings", "voyage_ai", read_request, read_response, sparse=True)
