"""The content blocks of Bedrock's Converse, which Amazon's own models speak as well, as the conventions' parts.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import (
    Json,
    Message,
    Part,
    blob,
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
_DOCUMENTS: Final = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
_SILENT = {"cachePoint"}


def read_message(source: Json) -> Message:
    """One message of the history; the role stays as it was sent, so tool results stand in a `user` message."""
    content = source.get("content") if isinstance(source, dict) else None
    return message(take.string(source, "role") or "user", read_parts(content))


def read_parts(content: Json) -> list[Part]:
    """A list of blocks; a text alone counts as one."""
    if isinstance(content, str):
        return [text(content)] if content else []
    found: list[Part] = []
    for block in content if isinstance(content, list) else ():
        for part in _parts(block, 0):
            if part.get("content") == "" and "citations" in part and found and found[-1]["type"] == "text":
                # Amazon's models cite in a block of its own, after the text that it is about.
                found[-1]["citations"] = [*found[-1].get("citations", ()), *part["citations"]]
            else:
                found.append(part)
    return found


def read_system(body: Json) -> list[Part] | None:
    """The instructions that stand apart from the history; text only."""
    system = body.get("system") if isinstance(body, dict) else None
    return [part for part in read_parts(system) if part["type"] == "text"] or None


def read_tools(body: Json) -> list[Json] | None:
    """Tool definitions, flat as the conventions have them."""
    found: list[Json] = []
    for tool in take.items(take.mapping(body, "toolConfig"), "tools"):
        spec = take.mapping(tool, "toolSpec")
        if spec:
            made = {"type": "function", "name": take.string(spec, "name") or ""}
            if described := take.string(spec, "description"):
                made["description"] = described
            schema = take.mapping(spec, "inputSchema").get("json")
            found.append(made if schema is None else {**made, "parameters": take.arguments(schema)})
        elif name := take.string(take.mapping(tool, "systemTool"), "name"):
            found.append({"type": "systemTool", "name": name})
    return found or None


def _parts(block: Json, depth: int) -> list[Part]:
    if not isinstance(block, dict) or depth > _DEPTH:
        return []
    if "text" in block and isinstance(block["text"], str):
        return [text(block["text"])] if block["text"] else []
    for kind, value in block.items():
        if kind in _SILENT:
            return []
        if kind in {"image", "video", "audio", "document"}:
            return _media(kind, value, depth)
        if kind == "text" or not isinstance(value, dict):
            continue
        if kind == "toolUse":
            return [_tool_use(value)]
        if kind == "toolResult":
            return [_tool_result(value, depth)]
        if kind == "reasoningContent":
            return _reasoning(value)
        if kind == "guardContent":
            guarded = value.get("text")
            return _parts({"text": guarded.get("text")} if isinstance(guarded, dict) else value, depth + 1)
        if kind == "citationsContent":
            return _cited(value)
        return [{"type": kind, **{key: one for key, one in value.items() if key != "type"}}]
    return []


def _tool_use(source: dict[str, Json]) -> Part:
    call_id = take.string(source, "toolUseId")
    name = take.string(source, "name") or ""
    given = take.arguments(source.get("input"))
    if take.string(source, "type") == "server_tool_use":
        return server_tool_call(call_id, name, {"type": name or "server_tool_use", "input": given})
    return tool_call(call_id, name, given)


def _tool_result(source: dict[str, Json], depth: int) -> Part:
    call_id = take.string(source, "toolUseId")
    content: list[Json] = []
    for one in take.items(source, "content"):
        if isinstance(one, dict) and "json" in one:
            content.append(one["json"])
        else:
            content += _parts(one, depth + 1)
    if kind := take.string(source, "type"):  # only a tool that the provider ran has one
        return server_tool_result(call_id, {"type": kind, "content": content})
    made = tool_result(call_id, content[0] if len(content) == 1 and not _is_part(content[0]) else content)
    if take.string(source, "status") == "error":
        made["is_error"] = True
    return made


def _is_part(value: Json) -> bool:
    return isinstance(value, dict) and "type" in value


def _reasoning(source: dict[str, Json]) -> list[Part]:
    said = take.mapping(source, "reasoningText")
    if said:
        return [reasoning(take.string(said, "text") or "")]
    return [{**reasoning(""), "redacted": True}]


def _cited(source: dict[str, Json]) -> list[Part]:
    said = "".join(part["content"] for part in read_parts(source.get("content")) if part["type"] == "text")
    cited = take.items(source, "citations")
    return [{**text(said), "citations": cited}] if cited else [text(said)] if said else []


def _media(modality: str, source: Json, depth: int) -> list[Part]:
    given = take.mapping(source, "source")
    kind = take.string(source, "format")
    mime_type = (_DOCUMENTS.get(kind) if modality == "document" else f"{modality}/{kind}") if kind else None
    if data := take.string(given, "bytes"):
        return [blob(modality, mime_type, data)]
    if address := take.string(take.mapping(given, "s3Location"), "uri"):
        return [uri(modality, address, mime_type)]
    if said := take.string(given, "text"):
        return [text(said)]
    return [part for one in take.items(given, "content") for part in _parts(one, depth + 1)]
