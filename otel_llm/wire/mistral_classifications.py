"""Mistral's classifications, by models that a user has trained.

The conventions have no operation for this; ours is `classification`.

https://docs.mistral.ai/api/endpoint/classifiers
"""

from __future__ import annotations

from typing import Final

import msgspec

from otel_llm.record import Request, Response, message
from otel_llm.wire import openai_moderations, take
from otel_llm.wire.openai_usage import read_usage
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits(ask: Ask) -> bool:
    """A model, and what to sort: a text, texts or messages."""
    return take.string(ask.body, "model") is not None and openai_moderations.fits(ask)


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a classification; it has the shape of a moderation."""
    return msgspec.structs.replace(openai_moderations.read_request(ask, content), operation="classification")


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The scores of each target, one message for each input."""
    body = answer.body
    results = [one for one in take.items(body, "results") if isinstance(one, dict)]
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        usage=read_usage(take.mapping(body, "usage"), request.model),
        output_messages=[
            message("assistant", [{"type": "classification", "targets": one}]) for one in results
        ]
        if content
        else None,
    )


WIRE: Final = Wire("mistral_classifications", "mistral_ai", read_request, read_response)
