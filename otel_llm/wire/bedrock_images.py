"""Images by Bedrock's models: Titan and Nova Canvas, and Stability's.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-image.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html
"""

from __future__ import annotations

from otel_llm.record import Json, Message, Part, Request, Response, blob, message, text
from otel_llm.wire import take


def fits(body: dict[str, Json]) -> bool:
    """A task with images, or the fields that only Stability's models take."""
    return (
        "taskType" in body
        or "text_prompts" in body
        or ("prompt" in body and ("aspect_ratio" in body or "output_format" in body))
    )


def read_request(body: dict[str, Json], content: bool) -> Request:
    """The request for images; the path, which is not read here, has the model."""
    config = take.mapping(body, "imageGenerationConfig")
    count = take.integer(config, "numberOfImages") or take.integer(body, "samples")
    seed = take.integer(config, "seed")
    return Request(
        operation="generate_content",
        output_type="image",
        choice_count=count if count != 1 else None,
        seed=seed if seed is not None else take.integer(body, "seed"),
        input_messages=_prompt(body) if content else None,
    )


def _prompt(body: dict[str, Json]) -> list[Message]:
    asked = [take.string(body, "prompt")]
    asked += [take.string(one, "text") for one in take.items(body, "text_prompts")]
    asked += [take.string(take.mapping(body, name), "text") for name in body if name.endswith("Params")]
    parts: list[Part] = [text(one) for one in asked if one]
    if data := take.string(body, "image"):
        parts.append(blob("image", None, data))
    return [message("user", parts)]


def read_response(body: dict[str, Json], content: bool) -> Response:
    """Images, each one choice; Stability says of each whether it was filtered."""
    artifacts = take.items(body, "artifacts")
    images = [one for one in take.items(body, "images") if isinstance(one, str)]
    images += [data for one in artifacts if (data := take.string(one, "base64"))]
    said = [take.string(one, "finishReason") for one in artifacts] or take.items(body, "finish_reasons")
    reasons = [_reason(said[place] if place < len(said) else None) for place in range(len(images))]
    messages = None
    if content:
        messages = [
            message("assistant", [blob("image", None, data)], reason)
            for data, reason in zip(images, reasons, strict=True)
        ]
    return Response(finish_reasons=reasons or None, output_messages=messages)


def _reason(said: Json) -> str:
    if not isinstance(said, str) or not said or said.upper() == "SUCCESS":
        return "stop"
    return "content_filter" if "filter" in said.lower() else "error"
