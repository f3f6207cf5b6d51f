"""What Gemini says in contents, parts and tools, as messages and parts.

Google's JSON has two spellings, `functionCall` and `function_call`; both are valid and both are on the wire. `camel`
brings an object to the first, one level deep, so that what a user puts into tool arguments keeps its own names.

https://ai.google.dev/api/caching#Content
"""

from __future__ import annotations

import functools
from typing import Final

from otel_llm.record import (
    Json,
    Message,
    Part,
    blob,
    message,
    modality_of,
    reasoning,
    server_tool_call,
    server_tool_result,
    text,
    tool_call,
    tool_result,
    uri,
)
from otel_llm.wire import take

_ROLES: Final = {"model": "assistant", "function": "tool"}


@functools.lru_cache(maxsize=512)
def _camel_name(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


@functools.lru_cache(maxsize=512)
def snake_name(name: str) -> str:
    """`googleSearch` as `google_search`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def camel(source: Json) -> dict[str, Json]:
    """The object with camel-case names at its top; an empty one for all that is no object."""
    if not isinstance(source, dict):
        return {}
    if not any("_" in name for name in source):
        return source
    return {_camel_name(name): value for name, value in source.items()}


def read_contents(contents: Json) -> list[Message]:
    """The history: a list of contents, one alone, or a bare text."""
    if isinstance(contents, str):
        return [message("user", [text(contents)])]
    listed = contents if isinstance(contents, list) else [contents]
    return [read_content(one) for one in listed if isinstance(one, dict)]


def read_content(content: Json) -> Message:
    """One turn. A user's turn that only brings tool results is the tool's."""
    parts = read_parts(content)
    role = take.string(content, "role") or "user"
    role = _ROLES.get(role, role)
    if role == "user" and parts and all(part["type"] == "tool_call_response" for part in parts):
        role = "tool"
    return message(role, parts)


def read_parts(content: Json) -> list[Part]:
    """The parts of a content; a text stands for a content with one part."""
    if isinstance(content, str):
        return [text(content)] if content else []
    given = content.get("parts") if isinstance(content, dict) else None
    if isinstance(given, dict):
        given = [given]
    if not isinstance(given, list):
        return []
    return [part for one in given for part in _part(one)]


def _part(source: Json) -> list[Part]:
    if isinstance(source, str):
        return [text(source)] if source else []
    part = camel(source)
    found: list[Part] = []
    if said := take.string(part, "text"):
        found.append(reasoning(said) if take.flag(part, "thought") else text(said))
    if call := camel(part.get("functionCall")):
        given = call.get("args")
        found.append(tool_call(take.string(call, "id"), take.string(call, "name") or "", given))
    if result := camel(part.get("functionResponse")):
        found.append(tool_result(take.string(result, "id"), _result(result)))
    if inline := camel(part.get("inlineData")):
        mime_type = take.string(inline, "mimeType")
        found.append(blob(modality_of(mime_type), mime_type, take.string(inline, "data") or ""))
    if stored := camel(part.get("fileData")):
        mime_type = take.string(stored, "mimeType")
        if address := take.string(stored, "fileUri"):
            found.append(uri(modality_of(mime_type), address, mime_type))
    return found + _own_tools(part)


def _result(result: dict[str, Json]) -> Json:
    """A tool's answer; with media beside it, the list of both."""
    media = read_parts(result)
    response = result.get("response")
    if not media:
        return response
    return [response, *media] if response else media


def _own_tools(part: dict[str, Json]) -> list[Part]:
    """Tools that Google runs: code execution, and since Gemini 3 any of its tools as `toolCall`."""
    found: list[Part] = []
    if code := camel(part.get("executableCode")):
        found.append(
            server_tool_call(take.string(code, "id"), "code_execution", _typed(code, "code_execution"))
        )
    if outcome := camel(part.get("codeExecutionResult")):
        found.append(server_tool_result(take.string(outcome, "id"), _typed(outcome, "code_execution")))
    if call := camel(part.get("toolCall")):
        kind = (take.string(call, "toolType") or "tool").lower()
        found.append(server_tool_call(take.string(call, "id"), kind, _typed(call, kind)))
    if answer := camel(part.get("toolResponse")):
        kind = (take.string(answer, "toolType") or "tool").lower()
        found.append(server_tool_result(take.string(answer, "id"), _typed(answer, kind)))
    return found


def _typed(source: dict[str, Json], kind: str) -> dict[str, Json]:
    kept = {snake_name(name): value for name, value in source.items() if name not in {"id", "toolType"}}
    return {**kept, "type": kind}


def read_grounding(candidate: Json) -> list[Part]:
    """What the answer was grounded on: the searches that Google made, and their sources."""
    grounding = camel(camel(candidate).get("groundingMetadata"))
    queries = take.strings(grounding, "webSearchQueries") or take.strings(grounding, "retrievalQueries")
    chunks = [one for one in take.items(grounding, "groundingChunks") if isinstance(one, dict) and one]
    kind = "google_search"
    if chunks and not queries:
        kind = (
            "file_search"
            if "retrievedContext" in chunks[0]
            else "google_maps"
            if "maps" in chunks[0]
            else kind
        )
    found: list[Part] = []
    if queries:
        found.append(server_tool_call(None, kind, {"type": kind, "queries": queries}))
    if chunks:
        found.append(server_tool_result(None, {"type": kind, "sources": chunks}))
    return found


def read_tools(body: dict[str, Json]) -> list[Json] | None:
    """Tool definitions, flat as the conventions have them; one of Google's own keeps its settings."""
    tools = body.get("tools")
    found: list[Json] = []
    for one in tools if isinstance(tools, list) else [tools]:
        for kind, settings in camel(one).items():
            if kind == "functionDeclarations":
                found += (
                    [_function(declared) for declared in settings if isinstance(declared, dict)]
                    if isinstance(settings, list)
                    else []
                )
            else:
                name = snake_name(kind)
                kept = settings if isinstance(settings, dict) else {}
                found.append({**kept, "type": name, "name": name})
    return found or None


def _function(declared: dict[str, Json]) -> dict[str, Json]:
    source = camel(declared)
    made: dict[str, Json] = {"type": "function", "name": take.string(source, "name") or ""}
    if description := take.string(source, "description"):
        made["description"] = description
    parameters = source.get("parametersJsonSchema", source.get("parameters"))
    if parameters is not None:
        made["parameters"] = parameters
    return made
