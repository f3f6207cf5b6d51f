"""Bedrock's older text models, each with a dialect of its own: Titan, Llama, Cohere, Mistral, AI21, DeepSeek and kin.

All of them take a prompt and give texts with a reason why each ended, so one reader serves them, by the names of the
fields. Streams say the same in pieces.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from otel_llm.record import Json, Message, Request, Usage, message, text, tool_call
from otel_llm.wire import take
from otel_llm.wire.protocol import MAX_TEXT

FINISH: Final = {
    "finish": "stop",
    "complete": "stop",
    "stop": "stop",
    "stop_sequence": "stop",
    "stop_criteria_met": "stop",
    "end_turn": "stop",
    "endoftext": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_call": "tool_call",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "content_filtered": "content_filter",
    "content_filter": "content_filter",
    "error_toxic": "content_filter",
    "error": "error",
    "error_limit": "length",
}
"""Each family's words, in lower case, in the conventions' words."""

_MAX_CHOICES = 128


class Choice(NamedTuple):
    """One text, and why it ended; None where nothing was said about it."""

    text: str | None
    finish: str | None
    calls: list[Json]


def read_request(body: Json) -> Request:
    """The request for texts; the path, which is not read here, has the model."""
    titan = take.mapping(body, "textGenerationConfig")
    return Request(
        operation="text_completion",
        max_tokens=_integer(body, "max_gen_len", "max_tokens", "maxTokens", "max_new_tokens")
        or take.integer(titan, "maxTokenCount"),
        temperature=_number(body, "temperature") or take.number(titan, "temperature"),
        top_p=_number(body, "top_p", "topP", "p") or take.number(titan, "topP"),
        top_k=_integer(body, "top_k", "topK", "k"),
        frequency_penalty=take.number(body, "frequency_penalty"),
        presence_penalty=take.number(body, "presence_penalty"),
        stop_sequences=take.strings(body, "stop")
        or take.strings(body, "stop_sequences")
        or take.strings(body, "stopSequences")
        or take.strings(titan, "stopSequences"),
        seed=take.integer(body, "seed"),
        choice_count=_several(_integer(body, "num_generations", "numResults")),
    )


def read_messages(body: Json) -> list[Message]:
    """What was asked: one prompt."""
    asked = take.string(body, "prompt") or take.string(body, "inputText") or take.string(body, "inputPrompt")
    return [message("user", [text(asked)])] if asked else []


def read_choices(body: Json) -> Iterator[Choice]:
    """The texts of an answer, or of one event of a stream."""
    if not isinstance(body, dict):
        return
    for name in ("results", "generations", "outputs", "choices", "completions"):
        if isinstance(listed := body.get(name), list):
            for one in listed:
                if isinstance(one, dict):
                    yield _choice(one)
            return
    yield _choice(body)


def read_usage(body: Json) -> Usage:
    """Counts that a model says itself; most leave it to Bedrock."""
    usage = take.mapping(body, "usage")
    billed = take.mapping(take.mapping(body, "meta"), "billed_units")
    output = _integer(body, "generation_token_count", "totalOutputTextTokenCount")
    if output is None:
        output = take.total(*(take.integer(one, "tokenCount") for one in take.items(body, "results")))
    if output is None:
        output = take.integer(usage, "completion_tokens")
    prompt = _integer(body, "prompt_token_count", "inputTextTokenCount")
    if prompt is None:
        prompt = take.integer(usage, "prompt_tokens")
    return Usage(
        input=prompt if prompt is not None else take.integer(billed, "input_tokens"),
        output=output if output is not None else take.integer(billed, "output_tokens"),
    )


class Fold:
    """Events of such a stream to one answer with `choices`, and the counts that came on the way."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._whole: Json = None
        self._top: dict[str, Json] = {}
        self._choices: dict[int, tuple[list[str], list[Json], list[str]]] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict:
            return
        if event.get("event_type") == "stream-end" and isinstance(event.get("response"), dict):
            self._whole = event["response"]  # Cohere ends with the whole answer
        for key in (
            "prompt_token_count",
            "generation_token_count",
            "inputTextTokenCount",
            "totalOutputTextTokenCount",
            "usage",
            "id",
            "generation_id",
        ):
            if (value := event.get(key)) is not None:
                self._top[key] = value
        listed = next(
            (event[key] for key in ("outputs", "choices", "generations") if isinstance(event.get(key), list)),
            [event],
        )
        for place, one in enumerate(listed):
            if isinstance(one, dict):
                index = take.integer(one, "index")
                self._grow(place if index is None else index, _choice(one))

    def body(self) -> Json:
        """The answer so far."""
        if self._whole is not None:
            return {**self._top, **self._whole}
        choices = [
            {"text": "".join(pieces), "stop_reason": reasons[-1] if reasons else "error", "tool_calls": calls}
            for _, (pieces, calls, reasons) in sorted(self._choices.items())
        ]
        return {**self._top, "choices": choices}

    def _grow(self, index: int, said: Choice) -> None:
        if said.text is None and said.finish is None and not said.calls:
            return
        if index not in self._choices:
            if len(self._choices) >= _MAX_CHOICES:
                return
            self._choices[index] = ([], [], [])
        pieces, calls, reasons = self._choices[index]
        if said.finish:
            reasons[:] = [said.finish]
        if self._content and self._room > 0:
            if said.text:
                self._room -= len(said.text)
                pieces.append(said.text)
            if said.calls:
                self._room -= len(str(said.calls))
                calls += said.calls


def finish_reason(choice: Choice) -> str | None:
    """None where a whole answer says nothing; the fold says `error` for a stream that was cut."""
    return FINISH.get(choice.finish.lower(), choice.finish) if choice.finish else None


def read_message(choice: Choice) -> Message:
    """One text, with the calls that came beside it, as one output message."""
    parts = [text(choice.text)] if choice.text else []
    for call in choice.calls:
        given = call.get("parameters") if isinstance(call, dict) else None
        parts.append(tool_call(None, take.string(call, "name") or "", take.arguments(given)))
    return message("assistant", parts, finish_reason(choice))


def _choice(source: dict[str, Json]) -> Choice:
    said: str | None = None
    for name in ("text", "outputText", "generation", "completion", "message"):
        if isinstance(value := source.get(name), str):
            said = value
            break
    else:
        said = take.string(take.mapping(source, "data"), "text")  # AI21
    finish: str | None = None
    for name in ("stop_reason", "finish_reason", "completionReason", "finishReason"):
        finish = finish or take.string(source, name) or take.string(take.mapping(source, name), "reason")
    return Choice(said, finish, take.items(source, "tool_calls"))


def _integer(source: Json, *names: str) -> int | None:
    return next((count for name in names if (count := take.integer(source, name)) is not None), None)


def _number(source: Json, *names: str) -> float | None:
    return next((found for name in names if (found := take.number(source, name)) is not None), None)


def _several(count: int | None) -> int | None:
    return count if count != 1 else None
