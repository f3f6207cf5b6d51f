"""Cuts content to size, with a visible mark, and never to something that is no JSON.

A size is the number of characters of the JSON text without white space, as an attribute has it. What is too large
shares the room evenly: what is small stays whole, what is large is cut to the same length. Where that would leave
crumbs, the oldest messages go; system messages and the last message stay. Tools lose their schemas first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from otel_llm.content import Rewriter
from otel_llm.media import without_media
from otel_llm.record import Caller, CallRecord, Json, Message, Request, Response, message, text

__all__ = ["MIN_LIMIT", "Limits", "cut", "size", "without_media"]

MIN_LIMIT: Final = 2_000
"""The smallest limit: below it little would be left but marks. A smaller one counts as this one."""
CRUMB: Final = 400
"""Characters that are worth keeping of a message; with less room than that for each, messages are dropped."""
FIRST: Final = 4
"""System messages at the beginning of a history that are always kept."""

_MARK: Final = 60
"""Room for a mark, as JSON."""
_MARK_MESSAGE: Final = 120
"""Room for a message or a tool that is a mark."""
_PART: Final = 250
"""Room for a part of a message or a tool with all that makes it one, and little more."""
_MAX_KEY: Final = 100
"""Characters of a key of an object that is cut."""
_SHAPE: Final = ("type", "role", "name", "id", "modality", "mime_type", "finish_reason")
_BODY: Final = (
    "content",
    "response",
    "arguments",
    "uri",
    "file_id",
    "server_tool_call",
    "server_tool_call_response",
)
_RANK: Final = {key: rank for rank, key in enumerate((*_SHAPE, *_BODY))}
"""Fields without which a message or a part is none; they go last."""
_ENCODE: Final = msgspec.json.Encoder(enc_hook=lambda value: type(value).__name__).encode


def size(value: Json) -> int:
    """Characters of the value as JSON."""
    return len(_ENCODE(value).decode())


def cut(said: str, room: int) -> str:
    """The text, if its JSON has more than `room` characters only its beginning and a mark."""
    if len(said) <= room // 6 - 2 or size(said) <= room:
        return said
    keep = max(room - _MARK, 0)
    kept = said[:keep]
    # A quote or a line feed is two characters of JSON, a control character six.
    while (length := size(kept) - 2) > keep:
        kept = kept[: min(len(kept) * keep // length, len(kept) - 1)]
    mark = f"…[cut: {len(said) - len(kept):,} of {len(said):,} characters]"
    return kept + mark if kept else mark[: max(room - 2, 0)]


class _Content(NamedTuple):
    """One content attribute of a record."""

    owner: str
    field: str
    value: Json
    shrink: Callable[[Any, int], Any]


class Limits:
    """A step of the pipeline.

    Args:
        max_attribute_chars: characters of one content attribute; 0 is no limit.
        max_span_chars: characters of all content of one span; 0 is no limit.
    """

    def __init__(self, max_attribute_chars: int = 65_536, max_span_chars: int = 262_144) -> None:
        self._attribute = _limit(max_attribute_chars)
        self._span = _limit(max_span_chars)

    def __call__(self, record: CallRecord) -> CallRecord:
        """The record with content that fits; the same record when it fitted."""
        contents = _contents(record)
        if not contents:
            return record
        try:
            lengths = [len(_ENCODE(one.value)) for one in contents]
        except (UnicodeEncodeError, RecursionError):
            # Halves of surrogate pairs, which no exporter can send, or nesting without end.
            record = _REPAIR(record)
            contents = _contents(record)
            lengths = [len(_ENCODE(one.value)) for one in contents]
        if max(lengths) <= self._attribute and sum(lengths) <= self._span:
            return record
        return self._cut(record, contents)

    def _cut(self, record: CallRecord, contents: list[_Content]) -> CallRecord:
        sizes = [size(one.value) for one in contents]
        rooms = [min(length, self._attribute) for length in sizes]
        slim = sum(rooms) > self._span
        if slim:
            for index, one in enumerate(contents):
                if one.shrink is _tools:
                    contents[index] = one._replace(value=[_slim(tool) for tool in one.value])
                    sizes[index] = size(contents[index].value)
                    rooms[index] = min(sizes[index], self._attribute)
            share = _share(rooms, self._span)
            rooms = [min(room, share) for room in rooms]
        if all(length <= room for length, room in zip(sizes, rooms, strict=True)) and not slim:
            return record
        changes: dict[str, dict[str, Any]] = {}
        for one, length, room in zip(contents, sizes, rooms, strict=True):
            value = one.shrink(one.value, room) if length > room else one.value
            changes.setdefault(one.owner, {})[one.field] = value
        return _changed(record, changes)


def _limit(chars: int) -> int:
    return max(chars, MIN_LIMIT) if chars > 0 else 1 << 62


def _contents(record: CallRecord) -> list[_Content]:
    """Every content attribute that there is; mostly none, so that is quick."""
    request, response, caller = record.request, record.response, record.caller
    found: list[_Content] = []
    if response.output_messages:
        found.append(_Content("response", "output_messages", response.output_messages, _messages))
    if request.input_messages:
        found.append(_Content("request", "input_messages", request.input_messages, _messages))
    if request.system_instructions:
        found.append(_Content("request", "system_instructions", request.system_instructions, _parts))
    if response.system_instructions:
        found.append(_Content("response", "system_instructions", response.system_instructions, _parts))
    if request.tool_definitions:
        found.append(_Content("request", "tool_definitions", request.tool_definitions, _tools))
    if response.tool_definitions:
        found.append(_Content("response", "tool_definitions", response.tool_definitions, _tools))
    if response.documents:
        found.append(_Content("response", "documents", response.documents, _documents))
    if request.retrieval_query:
        found.append(_Content("request", "retrieval_query", request.retrieval_query, cut))
    if response.failure is not None and response.failure.message:
        found.append(_Content("failure", "message", response.failure.message, cut))
    if record.raw_request:
        found.append(_Content("record", "raw_request", record.raw_request, cut))
    if caller.metadata:
        found.append(_Content("caller", "metadata", caller.metadata, _fields))
    if caller.prompt_variables:
        found.append(_Content("caller", "prompt_variables", caller.prompt_variables, _fields))
    if caller.tags:
        found.append(_Content("caller", "tags", caller.tags, _tags))
    return found


def _changed(record: CallRecord, changes: Mapping[str, Mapping[str, Any]]) -> CallRecord:
    replace = msgspec.structs.replace
    request: Request = replace(record.request, **changes.get("request", {}))
    response: Response = replace(record.response, **changes.get("response", {}))
    if "failure" in changes and response.failure is not None:
        response = replace(response, failure=replace(response.failure, **changes["failure"]))
    caller: Caller = replace(record.caller, **changes.get("caller", {}))
    return replace(record, request=request, response=response, caller=caller, **changes.get("record", {}))


def _share(sizes: Sequence[int], room: int) -> int:
    """The largest share such that all fit when each takes its own size, and no more than the share."""
    ordered = sorted(sizes)
    for index, one in enumerate(ordered):
        left = len(ordered) - index
        if one * left > room:
            return max(room // left, 0)
        room -= one
    return ordered[-1] if ordered else 0


def _squeeze(value: Json, room: int) -> Json:
    """Any JSON in the room that there is; objects stay objects and lists lists."""
    if isinstance(value, str):
        return cut(value, room)
    if isinstance(value, Mapping):
        return _fields(value, room)
    if isinstance(value, (list, tuple)):
        return _items(value, room)
    return value if size(value) <= room else cut(str(value), room)


def _items(
    items: Sequence[Json],
    room: int,
    shrink: Callable[[Any, int], Json] = _squeeze,
    mark: Callable[[str], Json] = str,
    kind: str = "items",
    least: int = _MARK,
) -> list[Json]:
    """A list; where the room is too small for at least so much of each, its end is dropped."""
    room -= 2
    sizes = [size(one) + 1 for one in items]
    share = _share(sizes, room)
    if share >= min(least, max(sizes, default=0)):
        return [
            one if length <= share else shrink(one, share - 1)
            for one, length in zip(items, sizes, strict=True)
        ]
    kept: list[Json] = []
    reserved = size(mark(f"…[cut: {len(items):,} of {len(items):,} {kind}]")) + 1
    for one, length in zip(items, sizes, strict=True):
        taken = one if length <= least else shrink(one, least - 1)
        needed = size(taken) + 1
        if needed > room - reserved:
            break
        kept.append(taken)
        room -= needed
    if reserved <= room:
        kept.append(mark(f"…[cut: {len(items) - len(kept):,} of {len(items):,} {kind}]"))
    return kept


def _tags(tags: Sequence[str], room: int) -> tuple[Json, ...]:
    return tuple(_items(tags, room))


def _documents(documents: Sequence[Json], room: int) -> list[Json]:
    return _items(documents, room, kind="documents", mark=lambda said: {"text": said}, least=_PART)


def _fields(source: Mapping[str, Json], room: int) -> dict[str, Json]:
    """An object; what gives it its shape is kept first, and a dropped end is marked."""
    room -= 2
    ordered = sorted(source, key=lambda key: _RANK.get(key, len(_RANK)))
    names = {key: cut(str(key), _MAX_KEY) for key in ordered}
    rows = [(key, names[key], size(names[key]) + 2, size(source[key])) for key in ordered]
    share = _share([name + length for _, _, name, length in rows], room)
    made: dict[str, Json] = {}
    if share >= max((name + min(_MARK, length) for _, _, name, length in rows), default=0):
        for key, label, name, length in rows:
            value = source[key]
            made[label] = value if name + length <= share else _squeeze(value, share - name)
        return made
    reserved = _MARK
    for key, label, name, length in rows:
        value = source[key]
        taken = value if length <= _MARK else _squeeze(value, _MARK)
        needed = name + size(taken)
        if needed > (room if key in _RANK else room - reserved):
            continue
        made[label] = taken
        room -= needed
    if reserved <= room and len(made) < len(source):
        made["…"] = f"[cut: {len(source) - len(made):,} of {len(source):,} fields]"
    return made


def _parts(parts: Sequence[Json], room: int) -> list[Json]:
    return _items(parts, room, mark=text, kind="parts", least=_PART)


def _message(one: Json, room: int) -> Json:
    if not isinstance(one, Mapping) or not isinstance(one.get("parts"), list):
        return _squeeze(one, room)
    rest: dict[str, Json] = {key: value for key, value in one.items() if key != "parts"}
    if size(rest) > room // 3:
        rest = _fields(rest, room // 3)
    parts = _parts(one["parts"], room - size(rest) - len(',"parts":'))
    return {**rest, "parts": parts}


def _messages(messages: Sequence[Json], room: int) -> list[Json]:
    """A history: the system messages at its beginning, a mark, as much of its end as there is room for."""
    sizes = [size(one) + 1 for one in messages]
    share = _share(sizes, room - 2)
    if share >= min(CRUMB, max(sizes)):
        return [
            one if length <= share else _message(one, share - 1)
            for one, length in zip(messages, sizes, strict=True)
        ]
    if room < _MARK_MESSAGE + 2 * CRUMB:
        return [_lost(len(messages), len(messages))]
    first = 0
    while first < min(FIRST, len(messages) - 1) and _is_system(messages[first]):
        first += 1
    room -= 2 + _MARK_MESSAGE
    always = [*messages[:first], messages[-1]]
    share = _share([size(one) + 1 for one in always], room * 2 // 3)
    always = [one if size(one) < share else _message(one, share - 1) for one in always]
    room -= sum(size(one) + 1 for one in always)
    kept: list[Message] = []
    for one, length in zip(messages[first:-1][::-1], sizes[first:-1][::-1], strict=True):
        if room < min(length, CRUMB):
            break
        taken = one if length <= room else _message(one, room - 1)
        room -= size(taken) + 1
        kept.append(taken)
    dropped = len(messages) - len(always) - len(kept)
    return [*always[:-1], _lost(dropped, len(messages)), *reversed(kept), always[-1]]


def _lost(dropped: int, total: int) -> Message:
    """Stands for messages that were dropped."""
    return message("system", [text(f"…[cut: {dropped:,} of {total:,} messages]")])


def _is_system(one: Json) -> bool:
    return isinstance(one, Mapping) and one.get("role") in {"system", "developer"}


def _tools(tools: Sequence[Json], room: int) -> list[Json]:
    slim = [_slim(tool) for tool in tools]
    if size(slim) <= room:
        return slim
    return _items(slim, room, mark=lambda said: {"type": "function", "name": said}, kind="tools", least=_PART)


def _slim(tool: Json) -> Json:
    """A tool without its schema, and with the beginning of its description."""
    if not isinstance(tool, Mapping):
        return tool
    kept: dict[str, Json] = {key: tool[key] for key in ("type", "name") if key in tool}
    lost = size(tool) - size(kept)
    if lost < CRUMB:
        return tool
    said = tool.get("description")
    start = said[: CRUMB // 2] if isinstance(said, str) else ""
    return {**kept, "description": f"{start}…[cut: {lost - len(start):,} characters]"}


def _whole(said: str, _key: str = "") -> str:
    """Text that can be encoded: pairs of surrogates are joined, halves are replaced."""
    if said.isascii():
        return said
    try:
        said.encode()
    except UnicodeEncodeError:
        return said.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return said


_REPAIR: Final = Rewriter(_whole, _whole)
