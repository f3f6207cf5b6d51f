"""Rerank: documents put into the order of a query, as Cohere, Voyage, Jina, OpenRouter, vLLM and others do it.

https://docs.cohere.com/reference/rerank
https://docs.voyageai.com/reference/reranker-api
https://huggingface.github.io/text-embeddings-inference/
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Request, Response, Usage
from otel_llm.wire import take
from otel_llm.wire.cohere_chat import read_usage as read_cohere_usage
from otel_llm.wire.protocol import Answer, Ask, Wire


def fits(ask: Ask) -> bool:
    """A query, and what to rank; `texts` with the Hugging Face server."""
    body = ask.body
    ranked = take.items(body, "documents") or take.items(body, "texts")
    return bool(ranked) and isinstance(body.get("query"), (str, dict))


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a ranking."""
    body = ask.body
    top = take.integer(body, "top_n")
    return Request(
        operation="rerank",
        model=take.string(body, "model"),
        retrieval_top_k=top if top is not None else take.integer(body, "top_k"),
        retrieval_query=_text(body, "query") if content else None,
    )


def _text(source: Json, name: str) -> str | None:
    """A text, or the text of an object."""
    said = take.string(source, name)
    return said if said is not None else take.string(take.mapping(source, name), "text")


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a ranking: places in the list that was sent, the best first."""
    body = answer.body
    listed = body if isinstance(body, list) else take.items(body, "results") or take.items(body, "data")
    usage = take.mapping(body, "usage")
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        usage=_usage(body, usage),
        cost=take.number(usage, "cost"),
        documents=[_document(one) for one in listed if isinstance(one, dict)] if content else None,
    )


def _document(source: dict[str, Json]) -> Json:
    score = take.number(source, "relevance_score")
    index = take.integer(source, "index")
    said = {
        "id": str(index) if index is not None else None,
        "score": score if score is not None else take.number(source, "score"),
        "content": _text(source, "document") or take.string(source, "text"),
    }
    return {name: value for name, value in said.items() if value is not None}


def _usage(body: Json, usage: Json) -> Usage:
    """Cohere bills searches, and tells tokens seldom; the others tell their total, which is all input."""
    told = read_cohere_usage(take.mapping(body, "meta"))
    if told.input is not None:
        return Usage(input=told.input)
    given = take.integer(usage, "prompt_tokens")
    return Usage(input=given if given is not None else take.integer(usage, "total_tokens"))


WIRE: Final = Wire("rerank", "cohere", read_request, read_response)
