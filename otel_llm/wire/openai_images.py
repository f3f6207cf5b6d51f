"""Images made, edited and varied, by OpenAI and those who follow it.

https://platform.openai.com/docs/api-reference/images
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json, Message, Part, Request, Response, blob, file, message, text, uri
from otel_llm.wire import forms, take
from otel_llm.wire.failures import read_failure
from otel_llm.wire.openai_chat import read_model, read_parts
from otel_llm.wire.openai_usage import read_cost, read_usage
from otel_llm.wire.protocol import Answer, Ask, Fold, Wire

_MAX_IMAGES: Final = 16
_LAST: Final = ("image_generation.completed", "image_edit.completed")
_UPLOADS: Final = ("image", "image[]", "mask")


def fits(ask: Ask) -> bool:
    """A prompt."""
    return take.string(ask.body, "prompt") is not None


def fits_given(ask: Ask) -> bool:
    """An image to start from, or a form that was too large to be read."""
    body = ask.body
    if isinstance(body, dict) and any(name in body for name in ("image", "image[]", "images", "prompt")):
        return True
    return not body and forms.is_form(ask.headers.get("content-type", ""))


def read_request(ask: Ask, content: bool) -> Request:
    """The request of images, in JSON or as a form."""
    body = ask.body
    choices = forms.integer(body, "n")
    return Request(
        operation="generate_content",
        model=read_model(ask),
        stream=forms.flag(body, "stream"),
        seed=forms.integer(body, "seed"),
        choice_count=choices if choices != 1 else None,
        output_type="image",
        user=take.string(body, "user"),
        input_messages=_input(body) if content else None,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The answer; nobody says why an image ended."""
    body = answer.body
    usage: Json = take.raw(body, "usage")
    return Response(
        id=_text(body, "id"),
        model=_text(body, "model"),
        usage=read_usage(usage, request.model),
        failure=read_failure(200, {}, {"error": take.raw(body, "error")}),
        cost=read_cost(usage),
        output_messages=_output(body) if content else None,
    )


class _Fold:
    """Events to an answer: images on the way are passed over."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._images: list[Json] = []

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        kind = take.string(event, "type") or name
        if kind not in _LAST or type(event) is not dict:
            return
        for key in ("usage", "model", "output_format"):
            if value := event.get(key):
                self._top[key] = value
        if self._content and len(self._images) < _MAX_IMAGES:
            self._images.append(event)

    def body(self) -> Json:
        """The answer so far."""
        return {**self._top, "data": self._images}


def _fold(content: bool) -> Fold:
    return _Fold(content)


def _input(body: Json) -> list[Message]:
    """What is wanted, and the images to start from: as files of a form, by address, or uploaded before."""
    parts: list[Part] = []
    if prompt := take.string(body, "prompt"):
        parts.append(text(prompt))
    for name in _UPLOADS:
        parts += forms.upload("image", take.mapping(body, name) or take.items(body, name))
        parts += [uri("image", one) for one in take.strings(body, name) or () if ":" in one[:8]]
    for one in take.items(body, "images"):
        if address := one if isinstance(one, str) else take.string(one, "image_url"):
            parts.append(uri("image", address))
        elif file_id := take.string(one, "file_id"):
            parts.append(file("image", file_id))
    return [
        message("user", parts + read_parts(take.items(body, "input_references")))
    ]  # the last are OpenRouter's


def _output(body: Json) -> list[Message]:
    """One message an image."""
    given = _text(body, "output_format") or "png"
    data = take.raw(body, "data")
    return [_image(one, given) for one in (data if isinstance(data, list) else ())]


def _image(source: Json, output_format: str) -> Message:
    parts: list[Part] = []
    if address := take.string(source, "url"):
        parts.append(uri("image", address))
    elif encoded := take.string(source, "b64_json"):
        mime_type = take.string(source, "media_type") or f"image/{output_format}"
        parts.append(blob("image", mime_type, encoded))
    made = message("assistant", parts)
    if revised := take.string(source, "revised_prompt"):
        made["revised_prompt"] = revised
    return made


def _text(body: Json, name: str) -> str | None:
    return take.string({name: take.raw(body, name)}, name)


WIRE: Final = Wire("openai_images", "openai", read_request, read_response, _fold, sparse=True)
