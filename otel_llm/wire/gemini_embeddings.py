"""Google's embeddings, and the `:predict` calls of Vertex AI that are embeddings or images.

`:predict` serves any model that anybody deploys, so that only Google's own models with the fields of a text, a
multimodal input or an image prompt count here.

https://ai.google.dev/api/embeddings
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api
"""

from __future__ import annotations

from typing import Final

import msgspec

from otel_llm.record import Json, Message, Request, Response, Usage, blob, message, modality_of, text
from otel_llm.wire import take
from otel_llm.wire.gemini import model_of, provider_of_path, read_usage
from otel_llm.wire.gemini_content import camel
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits_one(ask: Ask) -> bool:
    """`:embedContent` with its content."""
    return isinstance(ask.body, dict) and "content" in ask.body


def fits_batch(ask: Ask) -> bool:
    """`:batchEmbedContents` with its requests."""
    return bool(take.items(ask.body, "requests"))


def fits_predict(ask: Ask) -> bool:
    """`:predict` on an embedding model of Google's."""
    return _googles(ask) and all(
        isinstance(one, dict) and not one.keys().isdisjoint({"content", "text", "image", "video"})
        for one in take.items(ask.body, "instances")
    )


def fits_imagen(ask: Ask) -> bool:
    """`:predict` on an image model of Google's."""
    return _googles(ask) and all(take.string(one, "prompt") for one in take.items(ask.body, "instances"))


def _googles(ask: Ask) -> bool:
    """A model that Google publishes, not one that a user deployed; with something to predict."""
    return (
        "/models/" in ask.path and "/endpoints/" not in ask.path and bool(take.items(ask.body, "instances"))
    )


def read_request(ask: Ask, content: bool) -> Request:
    """The request of embeddings, one or many. The conventions keep no content of them."""
    body = camel(ask.body)
    asked = [camel(one) for one in take.items(body, "requests")] or [body]
    return Request(
        operation="embeddings",
        model=model_of(ask.path),
        provider=provider_of_path(ask.path),
        dimension_count=take.integer(asked[0], "outputDimensionality"),
    )


def read_predict_request(ask: Ask, content: bool) -> Request:
    """The request of an embedding by `:predict`."""
    parameters = camel(take.mapping(ask.body, "parameters"))
    size = take.integer(parameters, "outputDimensionality")
    return Request(
        operation="embeddings",
        model=model_of(ask.path),
        provider=provider_of_path(ask.path),
        dimension_count=size if size is not None else take.integer(parameters, "dimension"),
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of an embedding; its vectors are not wanted."""
    usage = take.raw(answer.body, "usageMetadata")
    return Response(usage=read_usage(usage) if isinstance(usage, dict) else Usage())


class _Statistics(msgspec.Struct):
    token_count: float | None = None


class _Embeddings(msgspec.Struct):
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Embeddings | None = None


_PREDICTIONS: Final = msgspec.json.Decoder(list[_Prediction])


def read_predict_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of an embedding by `:predict`, which counts the tokens beside each vector."""
    predictions = answer.body.get("predictions") if isinstance(answer.body, dict) else None
    if not isinstance(predictions, msgspec.Raw):
        return Response()
    try:
        found = _PREDICTIONS.decode(predictions)
    except msgspec.DecodeError:
        return Response()
    counts = [
        one.embeddings.statistics.token_count for one in found if one.embeddings and one.embeddings.statistics
    ]
    said = [int(count) for count in counts if count is not None and 0 <= count <= take.MAX_INT / 2]
    return Response(usage=Usage(input=sum(said) if said and len(said) == len(found) else None))


def read_imagen_request(ask: Ask, content: bool) -> Request:
    """The request of an image."""
    parameters = camel(take.mapping(ask.body, "parameters"))
    count = take.integer(parameters, "sampleCount")
    prompts = [take.string(one, "prompt") or "" for one in take.items(ask.body, "instances")]
    return Request(
        operation="generate_content",
        model=model_of(ask.path),
        provider=provider_of_path(ask.path),
        output_type="image",
        choice_count=count if count != 1 else None,
        seed=take.integer(parameters, "seed"),
        input_messages=[message("user", [text(one)]) for one in prompts] if content else None,
    )


def read_imagen_response(answer: Answer, request: Request, content: bool) -> Response:
    """The images of an answer. One that was filtered says why in place of its bytes."""
    predictions = take.raw(answer.body, "predictions")
    found = [one for one in predictions if isinstance(one, dict)] if isinstance(predictions, list) else []
    reasons = ["content_filter" if "raiFilteredReason" in one else "stop" for one in found]
    images = [_image(one, reason) for one, reason in zip(found, reasons, strict=True)]
    return Response(finish_reasons=reasons or None, output_messages=images if content else None)


def _image(prediction: Json, reason: str) -> Message:
    mime_type = take.string(prediction, "mimeType")
    data = take.string(prediction, "bytesBase64Encoded")
    return message("assistant", [blob(modality_of(mime_type), mime_type, data)] if data else [], reason)


WIRE: Final = Wire("gemini_embeddings", "gcp.gemini", read_request, read_response, sparse=True)
PREDICT: Final = Wire(
    "gemini_predict", "gcp.vertex_ai", read_predict_request, read_predict_response, sparse=True
)
IMAGEN: Final = Wire("imagen", "gcp.vertex_ai", read_imagen_request, read_imagen_response, sparse=True)
