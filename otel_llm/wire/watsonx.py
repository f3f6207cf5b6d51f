"""IBM watsonx.ai: chat, which answers as OpenAI does, text generation, and embeddings.

https://cloud.ibm.com/apidocs/watsonx-ai
"""

from __future__ import annotations

from typing import Final

import msgspec

from otel_llm.record import Json, Message, Request, Response, Usage, message, text
from otel_llm.wire import openai_chat, openai_chat_fold, take
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_FINISH: Final = {
    "eos_token": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "token_limit": "length",
    "cancelled": "error",
    "time_limit": "error",
    "error": "error",
    "not_finished": "error",
}


def fits_chat(ask: Ask) -> bool:
    """Messages, below the path of the service."""
    messages = take.items(ask.body, "messages")
    return (
        _watsonx(ask) and bool(messages) and all(isinstance(one, dict) and "role" in one for one in messages)
    )


def fits_generation(ask: Ask) -> bool:
    """An input to go on from, or the variables of a stored prompt."""
    given = take.mapping(take.mapping(ask.body, "parameters"), "prompt_variables")
    return _watsonx(ask) and (take.string(ask.body, "input") is not None or bool(given))


def fits_embedding(ask: Ask) -> bool:
    """Inputs for a model."""
    return _watsonx(ask) and bool(take.items(ask.body, "inputs"))


def _watsonx(ask: Ask) -> bool:
    return "/ml/v" in ask.path and isinstance(ask.body, dict)


def _model(ask: Ask) -> str | None:
    """The model of the body; a deployment stands in the path."""
    said = take.string(ask.body, "model_id")
    return said or ask.path.partition("/deployments/")[2].partition("/")[0] or None


def read_chat_request(ask: Ask, content: bool) -> Request:
    """The request of a chat."""
    made = openai_chat.read_request(ask, content)
    return msgspec.structs.replace(
        made, model=_model(ask), stream=ask.path.rstrip("/").endswith("chat_stream"), api_type=None
    )


def read_generation_request(ask: Ask, content: bool) -> Request:
    """The request of a generation."""
    parameters = take.mapping(ask.body, "parameters")
    said = take.string(ask.body, "input")
    return Request(
        operation="text_completion",
        model=_model(ask),
        stream=ask.path.rstrip("/").endswith("generation_stream"),
        max_tokens=take.integer(parameters, "max_new_tokens"),
        temperature=take.number(parameters, "temperature"),
        top_p=take.number(parameters, "top_p"),
        top_k=take.integer(parameters, "top_k"),
        stop_sequences=take.strings(parameters, "stop_sequences"),
        seed=take.integer(parameters, "random_seed"),
        input_messages=[message("user", [text(said)])] if content and said else None,
    )


def read_generation_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a generation, or of its folded stream."""
    results = [one for one in take.items(answer.body, "results") if isinstance(one, dict)]
    return Response(
        model=take.string(answer.body, "model_id"),
        finish_reasons=[_reason(one) for one in results] or None,
        usage=Usage(
            input=take.total(*(take.integer(one, "input_token_count") for one in results)),
            output=take.total(*(take.integer(one, "generated_token_count") for one in results)),
        ),
        output_messages=[_message(one) for one in results] if content else None,
    )


def _reason(result: Json) -> str:
    said = (take.string(result, "stop_reason") or "error").lower()
    return _FINISH.get(said, said)


def _message(result: Json) -> Message:
    said = take.string(result, "generated_text")
    return message("assistant", [text(said)] if said else [], _reason(result))


def read_embedding_request(ask: Ask, content: bool) -> Request:
    """The request of embeddings. The conventions keep no content of them."""
    return Request(operation="embeddings", model=_model(ask))


def read_embedding_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of an embedding; its vectors are not wanted."""
    model = take.raw(answer.body, "model_id")
    count = take.raw(answer.body, "input_token_count")
    return Response(
        model=model if isinstance(model, str) and model else None,
        usage=Usage(input=take.integer({"count": count}, "count")),
    )


class Fold:
    """Events of a generation to its one result; the counts of the last event are those of all."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._model: Json = None
        self._result: dict[str, Json] = {}
        self._pieces: list[str] = []
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        self._model = take.string(event, "model_id") or self._model
        for one in take.items(event, "results"):
            for key in ("stop_reason", "input_token_count", "generated_token_count"):
                if value := one.get(key) if isinstance(one, dict) else None:
                    self._result[key] = value
            piece = take.string(one, "generated_text")
            if self._content and piece and self._room > 0:
                self._room -= len(piece)
                self._pieces.append(piece)

    def body(self) -> Json:
        """The answer so far."""
        return {
            "model_id": self._model,
            "results": [{**self._result, "generated_text": "".join(self._pieces)}],
        }


CHAT: Final = Wire(
    "watsonx_chat", "ibm.watsonx.ai", read_chat_request, openai_chat.read_response, openai_chat_fold.Fold
)
GENERATION: Final = Wire(
    "watsonx_generation", "ibm.watsonx.ai", read_generation_request, read_generation_response, Fold
)
EMBEDDING: Final = Wire(
    "watsonx_embedding", "ibm.watsonx.ai", read_embedding_request, read_embedding_response, sparse=True
)
