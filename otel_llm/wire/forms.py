"""Numbers and switches in a body that may be JSON or a form, where everything is text."""

from __future__ import annotations

from otel_llm.record import Json
from otel_llm.wire import take

_MAX_DIGITS = 18


def integer(body: Json, name: str) -> int | None:
    """A whole number, or its digits."""
    if said := take.string(body, name):
        digits = said.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS else None
    return take.integer(body, name)


def number(body: Json, name: str) -> float | None:
    """A number, or its text."""
    if said := take.string(body, name):
        try:
            return float(said[:64])
        except ValueError:
            return None
    return take.number(body, name)


def flag(body: Json, name: str) -> bool:
    """A `true`, or its text."""
    return take.flag(body, name) or (take.string(body, name) or "").lower() == "true"


def is_form(headers_type: str) -> bool:
    """Whether a content type is that of a form with files, which may be too large or too lazy to be read."""
    return headers_type.lower().startswith("multipart/form-data")


def upload(modality: str, given: Json) -> list[dict[str, Json]]:
    """The files of one form field, as parts that say what was sent without holding it."""
    files = given if isinstance(given, list) else [given]
    return [
        {
            "type": "blob",
            "modality": modality,
            "mime_type": take.string(one, "mime_type"),
            "content": "",
            **_size(one),
        }
        for one in files
        if isinstance(one, dict) and "size" in one
    ]


def _size(given: dict[str, Json]) -> dict[str, Json]:
    return {name: given[name] for name in ("size", "filename", "sha256") if given.get(name) is not None}
