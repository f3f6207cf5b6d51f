"""Events of a streamed response, joined into the response.

The last event brings the whole response, so deltas count only where the stream was cut before it, or where a server
leaves the output out of it.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from typing import Final

from otel_llm.record import Json
from otel_llm.wire import take
from otel_llm.wire.protocol import MAX_TEXT

_LAST: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"}
)
_PIECES: Final = {
    "response.output_text.delta": ("content", "content_index", "output_text", "text"),
    "response.refusal.delta": ("content", "content_index", "refusal", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "reasoning_text", "text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "summary_text", "text"),
    "response.function_call_arguments.delta": ("arguments", "", "", ""),
    "response.mcp_call_arguments.delta": ("arguments", "", "", ""),
    "response.custom_tool_call_input.delta": ("input", "", "", ""),
    "response.code_interpreter_call_code.delta": ("code", "", "", ""),
}
"""Deltas: the field of the item that grows, the index in it, and the part and its field that hold the text there."""
_BONES: Final = ("type", "status", "execution", "call_id", "role")
"""What of an item matters without its content."""
_MAX_ITEMS: Final = 1024

_Place = tuple[str, int, str, str]


class Fold:
    """Events to a response; `cut` is set in it when its last event never came."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._response: dict[str, Json] = {}
        self._whole = False
        self._failed: Json = None
        self._items: dict[int, dict[str, Json]] = {}
        self._pieces: dict[int, dict[_Place, list[str]]] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        if type(event) is not dict:
            return
        kind = event.get("type") or name
        if type(kind) is not str:
            return
        if kind.endswith(".delta"):
            if self._content and kind in _PIECES:
                self._piece(kind, event)
        elif type(response := event.get("response")) is dict:
            self._response = response
            self._whole = self._whole or kind in _LAST
        elif kind in {"response.output_item.added", "response.output_item.done"}:
            self._item(kind, event)
        elif kind == "error":
            self._failed = event["error"] if type(event.get("error")) is dict else event

    def body(self) -> Json:
        """The response so far."""
        made = dict(self._response)
        if not take.items(made, "output"):
            made["output"] = [self._finished(index) for index in sorted(self._items)]
        if not self._whole:
            made["cut"] = True
        if self._failed is not None:
            made["stream_error"] = self._failed
        return made

    def _item(self, kind: str, event: dict[str, Json]) -> None:
        index, item = event.get("output_index"), event.get("item")
        if type(item) is not dict:
            return
        at = index if type(index) is int else len(self._items)
        if at not in self._items and len(self._items) >= _MAX_ITEMS:
            return
        size = take.weight(item) if self._content else 0
        if self._content and self._room >= size:
            self._room -= size
            self._items[at] = item
        else:
            self._items[at] = {name: item[name] for name in _BONES if name in item}
        if kind.endswith("done"):
            self._pieces.pop(at, None)

    def _piece(self, kind: str, event: dict[str, Json]) -> None:
        delta, index = event.get("delta"), event.get("output_index")
        if type(delta) is not str or self._room <= 0:
            return
        self._room -= len(delta)
        field, name, part, inner = _PIECES[kind]
        inside = event.get(name) if name else 0
        place = (field, inside if type(inside) is int else 0, part, inner)
        at = index if type(index) is int else 0
        self._pieces.setdefault(at, {}).setdefault(place, []).append(delta)
        if (
            at not in self._items and len(self._items) < _MAX_ITEMS
        ):  # a stream that was taken up in its middle
            made = (
                "message" if part in {"output_text", "refusal"} else "reasoning" if part else "function_call"
            )
            self._items[at] = {"type": made, "role": "assistant"}

    def _finished(self, index: int) -> Json:
        """An item, with the pieces that came for it where its end did not come."""
        item = self._items[index]
        pieces = self._pieces.get(index)
        if not pieces:
            return item
        made = dict(item)
        parts: dict[str, list[Json]] = {}
        for (field, _, part, inner), texts in sorted(pieces.items()):
            if part:
                parts.setdefault(field, []).append({"type": part, inner: "".join(texts)})
            else:
                made[field] = "".join(texts)
        return {**made, **parts}
