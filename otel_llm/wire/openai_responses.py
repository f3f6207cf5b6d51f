"""OpenAI responses: made, fetched and compacted, by OpenAI and all who speak them.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Final, Literal

from otel_llm.record import NO_USAGE, Failure, Json, Message, Part, Request, Response, text
from otel_llm.wire import take
from otel_llm.wire.failures import read_failure
from otel_llm.wire.openai_chat import FINISH, read_model, read_tools
from otel_llm.wire.openai_items import awaits_tools, read_input, read_item, read_output
from otel_llm.wire.openai_responses_fold import Fold
from otel_llm.wire.openai_usage import read_cost, read_usage
from otel_llm.wire.protocol import Answer, Ask, Wire
from otel_llm.wire.providers import provider_of

_ASKED: Final = ("input", "instructions", "prompt", "previous_response_id", "conversation")


def fits(ask: Ask) -> bool:
    """A model or a stored prompt, and something to answer."""
    body = ask.body
    if not isinstance(body, dict) or not any(name in body for name in _ASKED):
        return False
    return read_model(ask) is not None or isinstance(body.get("prompt"), dict)


def fits_fetch(ask: Ask) -> bool:
    """An id as OpenAI makes them, or a host that is known for models: other sites have `/responses/7` too."""
    if _fetched_id(ask).startswith(("resp_", "resp-")):
        return True
    return provider_of(ask, FETCH) != FETCH.provider or ask.host.lower().endswith(".openai.com")


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a response."""
    body = ask.body
    tier = take.string(body, "service_tier")
    return Request(
        operation="chat",
        model=read_model(ask),
        stream=take.flag(body, "stream"),
        max_tokens=take.integer(body, "max_output_tokens"),
        temperature=take.number(body, "temperature"),
        top_p=take.number(body, "top_p"),
        frequency_penalty=take.number(body, "frequency_penalty"),
        presence_penalty=take.number(body, "presence_penalty"),
        seed=take.integer(body, "seed"),
        reasoning_level=take.string(take.mapping(body, "reasoning"), "effort"),
        output_type=_output_type(body),
        previous_response_id=take.string(body, "previous_response_id"),
        conversation_id=_conversation(body),
        service_tier=tier if tier != "auto" else None,
        api_type="responses",
        user=take.string(body, "user") or take.string(body, "safety_identifier"),
        input_messages=_input(body) if content else None,
        system_instructions=_instructions(body) if content else None,
        tool_definitions=read_tools(body) if content else None,
    )


def read_fetch(ask: Ask, content: bool) -> Request:
    """The request for a response that was made before."""
    return Request(
        operation="fetch_response",
        api_type="responses",
        response_id=_fetched_id(ask),
        stream="stream=true" in ask.query,
    )


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """A response, or one folded from its stream."""
    body = answer.body
    output = take.items(body, "output")
    usage = take.mapping(body, "usage")
    fetched = request.operation == "fetch_response"
    finish = _finish_reason(body, output)
    status = take.string(body, "status")
    shown = (
        fetched or take.flag(body, "background") or (status in {"queued", "in_progress"} and finish is None)
    )
    return Response(
        id=take.string(body, "id"),
        model=take.string(body, "model"),
        finish_reasons=[finish] if finish else None,
        usage=NO_USAGE if fetched else read_usage(usage, request.model),
        failure=_failure(body, fetched),
        status=status if shown else None,
        service_tier=take.string(body, "service_tier"),
        system_fingerprint=take.string(body, "system_fingerprint"),
        conversation_id=_conversation(body),
        conversation_compacted=any(take.string(one, "type") == "compaction" for one in output),
        cost=None if fetched else read_cost(usage),
        output_messages=[read_output(output, finish)] if content and output else None,
        system_instructions=_instructions(body) if content and not request.system_instructions else None,
        tool_definitions=read_tools(body) if content and fetched else None,
    )


def _input(body: Json) -> list[Message] | None:
    return (read_input(body.get("input")) or None) if isinstance(body, dict) else None


def _finish_reason(body: Json, output: list[Json]) -> str | None:
    """None while the model may still be at work; `error` where it will not come to an end."""
    status = take.string(body, "status")
    if status == "incomplete":
        reason = take.string(take.mapping(body, "incomplete_details"), "reason") or "incomplete"
        return FINISH.get(reason, reason)
    if status in {"failed", "cancelled"} or (
        isinstance(body, dict) and (body.get("cut") or "stream_error" in body)
    ):
        return "error"
    if status in {"queued", "in_progress"}:
        return None
    if take.string(body, "object") == "response.compaction":
        return "compaction"
    if awaits_tools(output):
        return "tool_call"
    return "stop" if output or status == "completed" else None


def _failure(body: Json, fetched: bool) -> Failure | None:
    """An error event, or a failed response. A fetch did not fail because it brought a response that did."""
    if event := take.mapping(body, "stream_error"):
        return read_failure(200, {}, {"error": event}) or Failure("error")
    if fetched or take.string(body, "status") != "failed":
        return None
    return read_failure(200, {}, body) or Failure("failed")


def _conversation(body: Json) -> str | None:
    return take.string(body, "conversation") or take.string(take.mapping(body, "conversation"), "id")


def _instructions(body: Json) -> list[Part] | None:
    """A text; in the answer to a stored prompt, the items that it came to."""
    if given := take.string(body, "instructions"):
        return [text(given)]
    return [part for item in take.items(body, "instructions") for part in read_item(item)[1]] or None


def _output_type(body: Json) -> Literal["text", "json"] | None:
    kind = take.string(take.mapping(take.mapping(body, "text"), "format"), "type")
    if kind is None:
        return None
    return "json" if kind.startswith("json") else "text"


def _fetched_id(ask: Ask) -> str:
    return ask.path.rstrip("/").rpartition("/")[2]


WIRE: Final = Wire("openai_responses", "openai", read_request, read_response, Fold)
FETCH: Final = Wire("openai_responses_fetch", "openai", read_fetch, read_response, Fold)
