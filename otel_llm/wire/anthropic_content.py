"""The content blocks of Anthropic messages, as the conventions' parts.

https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

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

_DEPTH = 6
"""Levels of a server tool's result that are looked into; the deepest real one has four."""


def read_message(source: Json) -> Message:
    """One message of the history; the role stays as it was sent, so tool results stand in a `user` message."""
    content = source.get("content") if isinstance(source, dict) else None
    return message(take.string(source, "role") or "user", read_parts(content))


def read_parts(content: Json) -> list[Part]:
    """Message content: a text, or a list of blocks."""
    if isinstance(content, str):
        return [text(content)] if content else []
    if not isinstance(content, list):
        return []
    return [part for block in content for part in _parts(block, 0)]


def read_system(body: Json) -> list[Part] | None:
    """The instructions that stand apart from the history; text only."""
    system = body.get("system") if isinstance(body, dict) else None
    return [part for part in read_parts(system) if part["type"] == "text"] or None


def read_tools(body: Json) -> list[Json] | None:
    """Tool definitions, flat as the conventions have them; a tool of the provider keeps its own shape."""
    found: list[Json] = []
    for tool in take.items(body, "tools"):
        if not isinstance(tool, dict):
            continue
        kind = take.string(tool, "type")
        name = take.string(tool, "name") or take.string(tool, "mcp_server_name") or kind or ""
        rest = {key: value for key, value in tool.items() if key != "cache_control"}
        if kind is None or kind == "custom":
            schema = rest.pop("input_schema", None)
            made = {**rest, "type": "function", "name": name}
            found.append(made if schema is None else {**made, "parameters": schema})
        else:
            found.append({**rest, "type": kind, "name": name})
    return found or None


def _parts(block: Json, depth: int) -> list[Part]:
    if isinstance(block, str):
        return [text(block)]
    kind = take.string(block, "type")
    if kind is None or depth > _DEPTH:
        return []
    if kind == "text":
        said = take.string(block, "text")
        if not said:
            return []
        made = text(said)
        if cited := take.items(block, "citations"):
            made["citations"] = _without_secrets(cited, depth + 1)
        return [made]
    if kind == "thinking":
        return [reasoning(take.string(block, "thinking") or "")]
    if kind == "redacted_thinking":
        return [{**reasoning(""), "redacted": True}]
    if kind == "tool_use":
        return [tool_call(take.string(block, "id"), take.string(block, "name") or "", _input(block))]
    if kind == "tool_result":
        return [_result(block, depth)]
    if kind == "server_tool_use":
        name = take.string(block, "name") or "server_tool"
        return [server_tool_call(take.string(block, "id"), name, {"type": name, "input": _input(block)})]
    if kind == "mcp_tool_use":
        call = {"type": kind, "server_name": take.string(block, "server_name"), "input": _input(block)}
        return [server_tool_call(take.string(block, "id"), take.string(block, "name") or "mcp", call)]
    if kind.endswith("_tool_result"):
        response = {"type": kind, "content": _without_secrets(block.get("content"), depth + 1)}
        if take.flag(block, "is_error"):
            response["is_error"] = True
        return [server_tool_result(take.string(block, "tool_use_id"), response)]
    if kind in {"image", "document"}:
        return _media(kind, block, depth)
    if kind == "container_upload":
        file_id = take.string(block, "file_id")
        return [file("document", file_id)] if file_id else []
    return [
        {
            "type": kind,
            **{
                key: _without_secrets(value, depth + 1)
                for key, value in block.items()
                if key not in {"type", "cache_control"}
            },
        }
    ]


def _input(block: Json) -> Json:
    return take.arguments(block.get("input"))


def _result(block: Json, depth: int) -> Part:
    content = block.get("content")
    if isinstance(content, list):
        content = [part for one in content for part in _parts(one, depth + 1)]
    made = tool_result(take.string(block, "tool_use_id"), content)
    if take.flag(block, "is_error"):
        made["is_error"] = True
    return made


def _media(modality: str, block: Json, depth: int) -> list[Part]:
    source = take.mapping(block, "source")
    kind = take.string(source, "type")
    mime_type = take.string(source, "media_type")
    if kind == "base64":
        return [blob(modality, mime_type, take.string(source, "data") or "")]
    if kind == "text":
        said = take.string(source, "data")
        return [text(said)] if said else []
    if kind == "content":
        content = source.get("content")
        blocks = content if isinstance(content, list) else [content]
        return [part for one in blocks for part in _parts(one, depth + 1)]
    if address := take.string(source, "url"):
        return [uri(modality, address, mime_type)]
    if file_id := take.string(source, "file_id"):
        return [file(modality, file_id, mime_type)]
    return []


def _without_secrets(value: Json, depth: int) -> Json:
    """What a server tool found: without what only the provider can decrypt, and with its media as parts."""
    if depth > _DEPTH:
        return value
    if isinstance(value, list):
        return [_without_secrets(one, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") in ("image", "document") and isinstance(value.get("source"), dict):
        return _media(value["type"], value, depth + 1)
    return {
        key: _without_secrets(one, depth + 1)
        for key, one in value.items()
        if not key.startswith("encrypted_")
    }
