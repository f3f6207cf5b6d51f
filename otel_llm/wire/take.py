"""Read a field of JSON that may be anything: the value when it has the type that the protocol promises, else None.

So a provider that changes its mind costs us one attribute and never an exception. A bool is not a number here.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from otel_llm.record import Json

MAX_INT = (1 << 63) - 1
"""What an OTLP integer can hold."""


def mapping(source: Json, name: str) -> dict[str, Json]:
    """The object under `name`, else an empty one, so that reads can be chained."""
    if isinstance(source, dict):
        value = source.get(name)
        if isinstance(value, dict):
            return value
    return {}


def items(source: Json, name: str) -> list[Json]:
    """The array under `name`, else an empty one."""
    if isinstance(source, dict):
        value = source.get(name)
        if isinstance(value, list):
            return value
    return []


def string(source: Json, name: str) -> str | None:
    """The text under `name`; an empty one is no answer."""
    if isinstance(source, dict):
        value = source.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def integer(source: Json, name: str) -> int | None:
    """The whole number under `name`; `12.0` counts."""
    if isinstance(source, dict):
        value = source.get(name)
        if type(value) is int:
            return value if -MAX_INT <= value <= MAX_INT else None
        if type(value) is float and value.is_integer() and abs(value) < MAX_INT:
            return int(value)
    return None


def number(source: Json, name: str) -> float | None:
    """The number under `name` as a float."""
    if isinstance(source, dict):
        value = source.get(name)
        if type(value) is float or (type(value) is int and abs(value) <= MAX_INT):
            return float(value)
    return None


def flag(source: Json, name: str) -> bool:
    """True only for a real `true`."""
    return isinstance(source, dict) and source.get(name) is True


def strings(source: Json, name: str) -> list[str] | None:
    """A list of texts under `name`; one text alone is a list of one."""
    if isinstance(source, dict):
        value = source.get(name)
        if isinstance(value, str):
            return [value]
        if isinstance(value, list):
            found = [one for one in value if isinstance(one, str)]
            return found or None
    return None


def loaded(data: bytes | str) -> Json:
    """Parse JSON; what the fast parser refuses (NaN, lone surrogates) the standard one may take.

    Raises ValueError when it is no JSON, RecursionError when it is nested too deep.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return json.loads(data)


def arguments(value: Json) -> Json:
    """Tool arguments as an object where the text is JSON, else as they came."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return loaded(value)
        except (ValueError, RecursionError):
            return value
    return value


def total(*counts: int | None) -> int | None:
    """The sum of what was said; None when nothing was."""
    said = [count for count in counts if count is not None]
    return sum(said) if said else None


def weight(value: Json) -> int:
    """About how many characters a value takes; more than anyone keeps when it is nested too deep to tell."""
    try:
        return len(str(value))
    except RecursionError:
        return MAX_INT


def raw(source: Json, name: str) -> Any:
    """The parsed value under `name` of a sparse answer, whose values are `msgspec.Raw`."""
    value = source.get(name) if isinstance(source, dict) else None
    if isinstance(value, msgspec.Raw):
        try:
            return loaded(bytes(value))
        except (ValueError, RecursionError):
            return None
    return value
