"""Text generation by Hugging Face: its inference API, its endpoints, and its server, which SageMaker runs as well.

The path tells little (an endpoint answers at `/`), so that the parameters must be those of a text generation.

https://huggingface.github.io/text-generation-inference/
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Message, Request, Response, Usage, message, text
from otel_llm.wire import take
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_PARAMETERS: Final = frozenset(
    {
        "max_new_tokens",
        "max_length",
        "temperature",
        "top_p",
        "top_k",
        "do_sample",
        "return_full_text",
        "repetition_penalty",
        "typical_p",
    }
)
_FINISH: Final = {"eos_token": "stop", "stop_sequence": "stop", "length": "length"}


def fits(ask: Ask) -> bool:
    """A text to go on from, with a parameter of a generation, or with a say in whether it streams."""
    body = ask.body
    if take.string(body, "inputs") is None:
        return False
    return type(body.get("stream")) is bool or not _PARAMETERS.isdisjoint(take.mapping(body, "parameters"))


def fits_server(ask: Ask) -> bool:
    """The server's own paths, where parameters may be left out but nothing foreign is there."""
    body = ask.body
    return take.string(body, "inputs") is not None and body.keys() <= {"inputs", "parameters", "stream"}


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a generation; the model is in the path, if anywhere."""
    body = ask.body
    parameters = take.mapping(body, "parameters")
    count = take.integer(parameters, "num_return_sequences")
    prompt = take.string(body, "inputs")
    limit = take.integer(parameters, "max_new_tokens")
    model = take.string(body, "model") or ask.path.partition("/models/")[2]
    return Request(
        operation="text_completion",
        model=model or None,
        stream=take.flag(body, "stream") or ask.path.rstrip("/").endswith("generate_stream"),
        max_tokens=limit if limit is not None else take.integer(parameters, "max_length"),
        temperature=take.number(parameters, "temperature"),
        top_p=take.number(parameters, "top_p"),
        top_k=take.integer(parameters, "top_k"),
        frequency_penalty=take.number(parameters, "frequency_penalty"),
        stop_sequences=take.strings(parameters, "stop") or take.strings(parameters, "stop_sequences"),
        seed=take.integer(parameters, "seed"),
        choice_count=count if count != 1 else None,
        output_type="json" if parameters.get("grammar") else None,
        input_messages=[message("user", [text(prompt)])] if content and prompt else None,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a generation: one text or a list of them, with details where they were asked for."""
    body = answer.body
    listed = [one for one in (body if isinstance(body, list) else [body]) if isinstance(one, dict)]
    found = [one for one in listed if "generated_text" in one or "details" in one]
    details = [take.mapping(one, "details") for one in found]
    given = [_given(one) for one in details]
    return Response(
        finish_reasons=[reason for one in details if (reason := _reason(one))] or None,
        usage=Usage(
            input=given[0] if given else None,
            output=take.total(*(take.integer(one, "generated_tokens") for one in details)),
        ),
        output_messages=[_message(one) for one in found] if content else None,
    )


def _given(details: Json) -> int | None:
    """The length of the prompt: said as a number, or by its tokens, which are there on demand."""
    said = take.integer(details, "input_length")
    return said if said is not None else len(take.items(details, "prefill")) or None


def _reason(details: Json) -> str | None:
    said = take.string(details, "finish_reason")
    return _FINISH.get(said, said) if said else None


def _message(source: Json) -> Message:
    said = take.string(source, "generated_text")
    return message("assistant", [text(said)] if said else [], _reason(take.mapping(source, "details")))


class Fold:
    """Tokens to the text; the last event brings the text whole, with the details."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._pieces: list[str] = []
        self._last: dict[str, Json] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one token."""
        if type(event) is not dict:
            return
        for key in ("details", "generated_text"):
            if event.get(key) is not None:
                self._last[key] = event[key]
        token = take.mapping(event, "token")
        piece = take.string(token, "text")
        if self._content and piece and not take.flag(token, "special") and self._room > 0:
            self._room -= len(piece)
            self._pieces.append(piece)

    def body(self) -> Json:
        """The text so far."""
        return {"generated_text": "".join(self._pieces), **self._last}


WIRE: Final = Wire("text_generation", "huggingface", read_request, read_response, Fold)
