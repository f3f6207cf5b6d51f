"""Items of OpenAI responses, input and output, as messages.

One turn of the model is several items (thoughts, calls, texts) and becomes one message; a call that the caller must
run is a `tool_call`, a tool that the provider ran itself a `server_tool_call`.

https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from otel_llm.record import (
    Json,
    Message,
    Part,
    blob,
    file,
    message,
    reasoning,
    server_tool_call,
    server_tool_result,
    text,
    tool_call,
    tool_result,
    uri,
)
from otel_llm.wire import take
from otel_llm.wire.openai_chat import read_parts

_CLIENT_CALLS: Final = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "computer_call": "action",
    "local_shell_call": "action",
    "shell_call": "action",
    "apply_patch_call": "operation",
}
"""Calls that the caller runs, and where each has its arguments."""
_SERVER_RESULTS: Final = ("outputs", "results", "output", "error", "result")
"""Where the calls of the provider's own tools have what they gave."""


def read_input(given: Json) -> list[Message]:
    """The input of a request: a text, or items in their order."""
    if isinstance(given, str):
        return [message("user", [text(given)])]
    made: list[Message] = []
    after_text = False
    for item in given if isinstance(given, list) else ():
        role, parts = read_item(item)
        said = _kind(item) == "message"
        if not parts and not said:
            continue
        if role == "assistant" and made and made[-1]["role"] == role and not (said and after_text):
            made[-1]["parts"] += parts
            after_text = after_text or said
        else:
            made.append(message(role, parts))
            after_text = said
    return made


def read_output(items: list[Json], finish_reason: str | None) -> Message:
    """All output items as the one message that they are."""
    parts: list[Part] = []
    made = message("assistant", parts, finish_reason)
    for item in items:
        parts += read_item(item)[1]
        if _kind(item) == "message" and any(
            isinstance(one, dict) and one.get("logprobs") for one in take.items(item, "content")
        ):
            made["logprobs"] = True
    return made


def awaits_tools(items: list[Json]) -> bool:
    """Whether the model waits for a tool that the caller runs."""
    answered = {
        take.string(one, "call_id")
        for one in items
        if isinstance(one, dict) and _kind(one).endswith("_output")
    }
    return any(_is_client_call(one) and take.string(one, "call_id") not in answered for one in items)


def read_item(item: Json) -> tuple[str, list[Part]]:
    """The role and the parts of one item."""
    if not isinstance(item, dict):
        return "user", []
    kind = _kind(item)
    if kind == "message":
        return take.string(item, "role") or "user", read_content(item.get("content"))
    if reader := _READERS.get(kind):
        return "assistant", reader(item)
    if _is_client_call(item):
        return "assistant", [_client_call(item, kind)]
    if kind == "tool_search_output" and item.get("execution") != "client":
        return "assistant", [server_tool_result(_id(item), _without(item, "id", "call_id"))]
    if kind.endswith("_output"):
        return "tool", [tool_result(_id(item), _result(item))]
    if kind.endswith("_call"):
        return "assistant", _server_call(item, kind)
    return take.string(item, "role") or "assistant", [{**_without(item, "role"), "type": kind}]


def read_content(content: Json) -> list[Part]:
    """The content of a message item: a text, or typed parts."""
    if not isinstance(content, list):
        return read_parts(content)
    return [part for one in content for part in _content(one)]


def _content(source: Json) -> list[Part]:
    kind = take.string(source, "type")
    if kind == "output_text":
        said = take.string(source, "text")
        if not said:
            return []
        made = text(said)
        if sources := take.items(source, "annotations"):
            made["annotations"] = sources
        return [made]
    if kind == "input_image":
        return _media("image", source, "image_url")
    if kind == "input_file":
        return _media("document", source, "file_url", "file_data")
    if kind in {"reasoning_text", "summary_text"}:
        return [reasoning(take.string(source, "text") or "")]
    return read_parts([source])


def _media(modality: str, source: dict[str, Json], *names: str) -> list[Part]:
    """An image or a file: by address, inline, or uploaded before."""
    for name in names:
        if found := take.string(source, name):
            return [uri(modality, found) if ":" in found[:16] else blob(modality, None, found)]
    file_id = take.string(source, "file_id")
    return [file(modality, file_id)] if file_id else []


def _kind(item: Json) -> str:
    """A message needs no type."""
    kind = take.string(item, "type")
    return kind or ("message" if take.string(item, "role") else "unknown")


def _id(item: dict[str, Json]) -> str | None:
    return take.string(item, "call_id") or take.string(item, "id")


def _without(item: dict[str, Json], *names: str) -> dict[str, Json]:
    return {key: value for key, value in item.items() if key not in names and value is not None}


def _is_client_call(item: Json) -> bool:
    kind = _kind(item)
    return kind in _CLIENT_CALLS or (kind == "tool_search_call" and item.get("execution") == "client")


def _client_call(item: dict[str, Json], kind: str) -> Part:
    given = item.get(_CLIENT_CALLS.get(kind, "arguments"))
    if given is None:
        given = item.get("actions")  # a computer call may have several
    made = tool_call(
        _id(item), take.string(item, "name") or kind.removesuffix("_call"), take.arguments(given)
    )
    if namespace := take.string(item, "namespace"):
        made["namespace"] = namespace
    return made


def _result(item: dict[str, Json]) -> Json:
    given = item.get("output")
    if isinstance(given, list):
        return read_content(given)
    if given is None:
        return _without(item, "type", "id", "call_id")
    if isinstance(given, dict) and take.string(given, "type") == "computer_screenshot":
        return _media("image", given, "image_url")
    return given


def _server_call(item: dict[str, Json], kind: str) -> list[Part]:
    call_id = _id(item)
    name = take.string(item, "name") or kind.removesuffix("_call")
    call = _without(item, "id", "call_id", *_SERVER_RESULTS)
    if "arguments" in call:
        call["arguments"] = take.arguments(call["arguments"])
    parts: list[Part] = [server_tool_call(call_id, name, call)]
    if kind == "image_generation_call" and (image := take.string(item, "result")):
        given = take.string(item, "output_format") or "png"
        return [*parts, blob("image", f"image/{given}", image)]
    results = {name: item[name] for name in _SERVER_RESULTS if item.get(name) is not None}
    if results:
        parts.append(server_tool_result(call_id, {"type": kind, **results}))
    return parts


def _thoughts(item: dict[str, Json]) -> list[Part]:
    """The thoughts themselves and their summary, once where both are the same; encrypted ones are not readable."""
    found: list[Part] = []
    for part in read_content(take.items(item, "content")) + read_content(take.items(item, "summary")):
        if part.get("content") and part not in found:
            found.append(part)
    return found


def _compaction(item: dict[str, Json]) -> list[Part]:
    return [{"type": "compaction", **_without(item, "type", "encrypted_content", "created_by")}]


def _listed_tools(item: dict[str, Json]) -> list[Part]:
    return [server_tool_result(_id(item), _without(item, "id"))]


_READERS: Final[dict[str, Callable[[dict[str, Json]], list[Part]]]] = {
    "reasoning": _thoughts,
    "compaction": _compaction,
    "compaction_summary": _compaction,
    "mcp_list_tools": _listed_tools,
}
