"""Legacy text completions and fill-in-the-middle: OpenAI, vLLM, DeepSeek, Mistral.

The answers of Mistral's `/fim/completions` have messages where the others have text.

https://platform.openai.com/docs/api-reference/completions, https://docs.mistral.ai/api/#tag/fim
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Message, Part, Request, Response, message, text
from otel_llm.wire import take
from otel_llm.wire.openai_chat import finish_reason, read_model, read_parts, read_seed
from otel_llm.wire.openai_chat_fold import MAX_CHOICES
from otel_llm.wire.openai_usage import read_cost, read_usage
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Fold, Wire


def fits(ask: Ask) -> bool:
    """A prompt: a text, or texts or tokens in a list."""
    body = ask.body
    return isinstance(body, dict) and isinstance(body.get("prompt"), str | list) and "messages" not in body


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a completion."""
    body = ask.body
    choices = take.integer(body, "n")
    tier = take.string(body, "service_tier")
    return Request(
        operation="text_completion",
        model=read_model(ask),
        stream=take.flag(body, "stream"),
        max_tokens=take.integer(body, "max_tokens"),
        temperature=take.number(body, "temperature"),
        top_p=take.number(body, "top_p"),
        top_k=take.integer(body, "top_k"),
        frequency_penalty=take.number(body, "frequency_penalty"),
        presence_penalty=take.number(body, "presence_penalty"),
        stop_sequences=take.strings(body, "stop"),
        seed=read_seed(body),
        choice_count=choices if choices != 1 else None,
        service_tier=tier if tier != "auto" else None,
        user=take.string(body, "user"),
        input_messages=_prompts(body) if content else None,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer of a completion, or of its folded stream."""
    body = answer.body
    choices = [one for one in take.items(body, "choices") if isinstance(one, dict)]
    usage = take.mapping(body, "usage")
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        finish_reasons=[finish_reason(one) for one in choices] or None,
        usage=read_usage(usage, request.model),
        service_tier=take.string(body, "service_tier"),
        system_fingerprint=take.string(body, "system_fingerprint"),
        cost=read_cost(usage),
        output_messages=[_choice(one) for one in choices] if content else None,
    )


class _Fold:
    """Chunks to a completion: texts join by choice index, in bounded memory."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._choices: dict[int, dict[str, Json]] = {}
        self._texts: dict[int, list[str]] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one chunk."""
        if type(event) is not dict:
            return
        for key in ("id", "model", "system_fingerprint", "service_tier", "usage"):
            if value := event.get(key):
                self._top[key] = value
        choices = event.get("choices")
        for one in choices if type(choices) is list else ():
            if type(one) is dict:
                self._choice(one)

    def _choice(self, chunk: dict[str, Json]) -> None:
        index = chunk.get("index")
        key = index if type(index) is int else 0
        choice = self._choices.get(key)
        if choice is None:
            if len(self._choices) >= MAX_CHOICES:
                return
            choice = self._choices[key] = {"index": key, "finish_reason": None}
            self._texts[key] = []
        if finish := chunk.get("finish_reason"):
            choice["finish_reason"] = finish
        if not self._content:
            return
        if chunk.get("logprobs"):
            choice["logprobs"] = True
        said = take.string(chunk, "text") or take.string(take.mapping(chunk, "delta"), "content")
        if said and self._room > 0:
            self._room -= len(said)
            self._texts[key].append(said)

    def body(self) -> Json:
        """The completion so far."""
        choices = [{**self._choices[key], "text": "".join(self._texts[key])} for key in sorted(self._choices)]
        return {**self._top, "choices": choices}


def _fold(content: bool) -> Fold:
    return _Fold(content)


def _prompts(body: Json) -> list[Message]:
    """One message a prompt; a list of numbers is one prompt in tokens, which nobody can read."""
    prompt = body.get("prompt") if isinstance(body, dict) else None
    many = isinstance(prompt, list) and any(isinstance(one, str | list) for one in prompt)
    made = [
        message("user", _prompt(one)) for one in (prompt if isinstance(prompt, list) and many else [prompt])
    ]
    if made and (suffix := take.string(body, "suffix")):
        made[-1]["parts"].append({"type": "suffix", "content": suffix})
    return made


def _prompt(prompt: Json) -> list[Part]:
    if isinstance(prompt, str):
        return [text(prompt)] if prompt else []
    return [{"type": "tokens", "count": len(prompt)}] if isinstance(prompt, list) and prompt else []


def _choice(choice: dict[str, Json]) -> Message:
    said = take.string(choice, "text")
    parts = [text(said)] if said else read_parts(take.mapping(choice, "message").get("content"))
    made = message("assistant", parts, finish_reason(choice))
    if choice.get("logprobs"):
        made["logprobs"] = True
    return made


WIRE: Final = Wire("openai_completions", "openai", read_request, read_response, _fold)
