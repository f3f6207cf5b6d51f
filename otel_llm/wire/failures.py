"""What a provider says went wrong, in the many shapes that providers say it.

The type of a failure is, in this order: the provider's code, its type or status word, the HTTP status, and `_OTHER`
where a good status brings a failure without a code. All have low cardinality. The message is the provider's text,
cut; it may quote what the caller sent, so it counts as content.
"""

from __future__ import annotations

from collections.abc import Mapping

from otel_llm.record import Failure, Json
from otel_llm.wire import take

_MAX_MESSAGE = 1024
_MAX_TYPE = 128


def read_failure(status: int, headers: Mapping[str, str], body: Json) -> Failure | None:
    """The failure that a response reports, by status or inside a body with status 200; None when it reports none."""
    stated = _stated(body, status)
    if stated is None and status < 400:
        return None
    code, text = stated or (None, None)
    fallback = str(status) if status >= 400 else "_OTHER"
    kind = code or headers.get("x-amzn-errortype", "").partition(":")[0] or fallback
    return Failure(kind[:_MAX_TYPE], text[:_MAX_MESSAGE] if text else None)


def _stated(body: Json, status: int) -> tuple[str | None, str | None] | None:
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, dict):
        return (None, body if isinstance(body, str) else None) if status >= 400 else None
    error = body.get("error")
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict) and error:
        return _code(error), take.string(error, "message") or take.string(error, "detail")
    if isinstance(error, str) and error:
        return _code(body) if status >= 400 else None, take.string(body, "message") or error
    if status >= 400:
        # Cohere, Bedrock, Mistral and vLLM put the message at the top; FastAPI servers have `detail`.
        message = take.string(body, "message") or take.string(body, "Message") or take.string(body, "detail")
        return _code(body), message
    return None


def _code(error: dict[str, Json]) -> str | None:
    """The most telling word: a code in words, Google's status, a type; a bare number comes last."""
    for name in ("code", "status", "type", "__type", "error_type"):
        value = error.get(name)
        if isinstance(value, str) and value and not value.isdigit() and value != "error":
            return value.rpartition("#")[2]
    for name in ("code", "status"):
        value = error.get(name)
        if type(value) is int or (isinstance(value, str) and value.isdigit()):
            return str(value)
    return None
