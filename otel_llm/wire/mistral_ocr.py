"""Mistral's OCR: a document in, its pages as markdown out. It is billed by page, and tells no tokens.

https://docs.mistral.ai/api/endpoint/ocr
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Part, Request, Response, file, message, text, uri
from otel_llm.wire import take
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits(ask: Ask) -> bool:
    """A document for a model."""
    return take.string(ask.body, "model") is not None and bool(take.mapping(ask.body, "document"))


def read_request(ask: Ask, content: bool) -> Request:
    """The request of an OCR."""
    body = ask.body
    return Request(
        operation="ocr",
        model=take.string(body, "model"),
        output_type="json" if body.get("document_annotation_format") else None,
        input_messages=[message("user", _document(take.mapping(body, "document")))] if content else None,
    )


def _document(source: dict[str, Json]) -> list[Part]:
    if file_id := take.string(source, "file_id"):
        return [file("document", file_id)]
    for kind in ("document", "image"):
        given = source.get(f"{kind}_url")
        if address := given if isinstance(given, str) else take.string(given, "url"):
            return [uri(kind, address)]
    return []


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of an OCR, a part for each page."""
    body = answer.body
    pages = [text(said) for page in take.items(body, "pages") if (said := take.string(page, "markdown"))]
    if noted := take.string(body, "document_annotation"):
        pages.append(text(noted))
    return Response(
        model=take.string(body, "model"),
        output_messages=[message("assistant", pages)] if content and pages else None,
    )


WIRE: Final = Wire("mistral_ocr", "mistral_ai", read_request, read_response)
