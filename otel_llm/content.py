"""Every text of a record's content, changed in one walk; what does not change is not copied, and nothing is in place.

Names and identifiers (roles, types, ids, names of tools, keys of objects) are told apart from texts, because a change
that is right for a text may break the shape of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from otel_llm.record import Caller, CallRecord, Json, Request, Response

MAX_DEPTH: Final = 64
"""Levels of JSON below a part; what is deeper is replaced by `TOO_DEEP`. It keeps all walks off the recursion limit."""
TOO_DEEP: Final = f"…[cut: nested deeper than {MAX_DEPTH} levels]"

MESSAGE_NAMES: Final = frozenset({"role", "finish_reason"})
PART_NAMES: Final = frozenset({"type", "id", "name", "modality", "mime_type"})
DOCUMENT_NAMES: Final = frozenset({"id"})
SCHEMA_NAMES: Final = frozenset({"type", "name", "required", "$ref", "format"})
NO_NAMES: Final[frozenset[str]] = frozenset()


def silent(record: CallRecord) -> bool:
    """Whether the record has no text that could be changed: so it is for most calls while content is off."""
    request, response, caller = record.request, record.response, record.caller
    return (
        request.input_messages is None
        and response.output_messages is None
        and request.system_instructions is None
        and request.tool_definitions is None
        and request.retrieval_query is None
        and response.documents is None
        and response.failure is None
        and record.raw_request is None
        and response.system_instructions is None
        and response.tool_definitions is None
        and not (caller.tags or caller.metadata or caller.prompt_variables)
    )


def _same(name: str) -> str:
    return name


class Rewriter:
    """One way to change texts.

    Args:
        text: gets a text and the key that it stands under, `""` when it has none; gives the text that replaces it.
        name: the same for names and identifiers, without a key.
        part: gets a part of a message first; what it gives back is walked.
    """

    def __init__(
        self,
        text: Callable[[str, str], str],
        name: Callable[[str], str] = _same,
        part: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        self._text = text
        self._name = name
        self._part = part

    def __call__(self, record: CallRecord) -> CallRecord:
        """The record with all its texts changed; the same record when nothing changed."""
        changes: dict[str, Any] = {}
        if (request := self._request(record.request)) is not record.request:
            changes["request"] = request
        if (response := self._response(record.response)) is not record.response:
            changes["response"] = response
        if (caller := self._caller(record.caller)) is not record.caller:
            changes["caller"] = caller
        if record.raw_request is not None:
            raw = self._text(record.raw_request, "")
            if raw != record.raw_request:
                changes["raw_request"] = raw
        return msgspec.structs.replace(record, **changes) if changes else record

    def _request(self, request: Request) -> Request:
        changes: dict[str, Any] = {}
        self._take(changes, request, "input_messages", self._messages)
        self._take(changes, request, "system_instructions", self._parts)
        self._take(changes, request, "tool_definitions", self._schemas)
        if request.retrieval_query is not None:
            query = self._text(request.retrieval_query, "")
            if query != request.retrieval_query:
                changes["retrieval_query"] = query
        return msgspec.structs.replace(request, **changes) if changes else request

    def _response(self, response: Response) -> Response:
        changes: dict[str, Any] = {}
        self._take(changes, response, "output_messages", self._messages)
        self._take(changes, response, "documents", self._documents)
        self._take(changes, response, "system_instructions", self._parts)
        self._take(changes, response, "tool_definitions", self._schemas)
        failure = response.failure
        if failure is not None and failure.message:
            message = self._text(failure.message, "")
            if message != failure.message:
                changes["failure"] = msgspec.structs.replace(failure, message=message)
        return msgspec.structs.replace(response, **changes) if changes else response

    def _caller(self, caller: Caller) -> Caller:
        changes: dict[str, Any] = {}
        if caller.tags:
            tags = tuple([self._text(tag, "") for tag in caller.tags])
            if tags != caller.tags:
                changes["tags"] = tags
        if caller.metadata:
            metadata = self.json(caller.metadata)
            if metadata is not caller.metadata:
                changes["metadata"] = metadata
        if caller.prompt_variables:
            variables = self.json(caller.prompt_variables)
            if variables is not caller.prompt_variables:
                changes["prompt_variables"] = variables
        return msgspec.structs.replace(caller, **changes) if changes else caller

    @staticmethod
    def _take(
        changes: dict[str, Any],
        source: Request | Response,
        field: str,
        walk: Callable[[list[Json]], list[Json]],
    ) -> None:
        value = getattr(source, field)
        if value:
            changed = walk(value)
            if changed is not value:
                changes[field] = changed

    def _messages(self, messages: list[Json]) -> list[Json]:
        return _each(messages, self._message)

    def _message(self, message: Json) -> Json:
        if type(message) is not dict:
            return self.json(message)
        made = self._fields(message, MESSAGE_NAMES, but="parts")
        parts = message.get("parts")
        if type(parts) is list:
            changed = self._parts(parts)
            if changed is not parts:
                made = {**made, "parts": changed}
        elif parts is not None:
            made = {**made, "parts": self.json(parts)}
        return made

    def _parts(self, parts: list[Json]) -> list[Json]:
        return _each(parts, self._one_part)

    def _one_part(self, part: Json) -> Json:
        if type(part) is not dict:
            return self.json(part)
        if self._part is not None:
            part = self._part(part)
        return self._fields(part, PART_NAMES)

    def _documents(self, documents: list[Json]) -> list[Json]:
        return _each(
            documents, lambda one: self._fields(one, DOCUMENT_NAMES) if type(one) is dict else self.json(one)
        )

    def _schemas(self, tools: list[Json]) -> list[Json]:
        return _each(tools, lambda tool: self.json(tool, names=SCHEMA_NAMES, labels=False))

    def _fields(self, source: dict[str, Json], names: frozenset[str], but: str = "") -> dict[str, Json]:
        """An object whose own keys are of a known shape, and whose values are free JSON."""
        made = source
        for key, value in source.items():
            if key == but:
                continue
            if key in names and type(value) is str:
                changed: Json = self._name(value)
            elif type(value) is str:
                changed = self._text(value, key)
            else:
                changed = self.json(value, key)
            if changed is not value and changed != value:
                if made is source:
                    made = dict(source)
                made[key] = changed
        return made

    def json(
        self,
        value: Json,
        key: str = "",
        names: frozenset[str] = NO_NAMES,
        labels: bool = True,
        depth: int = 0,
    ) -> Json:
        """Free JSON: all texts and all keys of objects. A text in a list stands under the key of the list."""
        if isinstance(value, str):
            if key in names:
                return self._name(value)
            return self._text(value, key if labels else "")
        if isinstance(value, Mapping):
            return self._mapping(value, names, labels, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            if depth >= MAX_DEPTH:
                return TOO_DEEP
            items = [self.json(one, key, names, labels, depth + 1) for one in value]
            same = all(map(_is, items, value))
            return value if same else items
        if isinstance(value, (bytes, bytearray)):
            said = value.decode("utf-8", "replace")
            changed = self._text(said, key)
            return value if changed == said else changed
        return value

    def _mapping(self, source: Mapping[Any, Json], names: frozenset[str], labels: bool, depth: int) -> Json:
        if depth >= MAX_DEPTH:
            return TOO_DEEP
        made: dict[str, Json] = {}
        same = True
        for key, value in source.items():
            name = self._name(key) if isinstance(key, str) else key
            changed = self.json(value, key if isinstance(key, str) else "", names, labels, depth + 1)
            if name in made:
                name = _unused(name, made)
            if changed is not value or name is not key:
                same = False
            made[name] = changed
        return source if same else made


def _each(items: list[Json], change: Callable[[Json], Json]) -> list[Json]:
    made = [change(one) for one in items]
    return items if all(map(_is, made, items)) else made


def _is(one: object, other: object) -> bool:
    return one is other


def _unused(name: str, taken: Mapping[str, object]) -> str:
    """Two keys that became the same are told apart by a number."""
    count = len(taken) + 1
    while f"{name} ({count})" in taken:
        count += 1
    return f"{name} ({count})"
