"""Chunks of a streamed chat completion, joined into the completion that they make up.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

import json
from typing import Final

from otel_llm.record import Json
from otel_llm.wire import take
from otel_llm.wire.protocol import MAX_TEXT

MAX_CHOICES: Final = 128
_MAX_TOOLS: Final = 1024
_TEXTS: Final = frozenset({"content", "reasoning", "reasoning_content", "thinking", "refusal", "text"})
_LISTS: Final = frozenset({"images", "annotations", "executed_tools", "reasoning_details"})
_TOP: Final = ("model", "system_fingerprint", "service_tier", "usage", "citations")


class Fold:
    """Chunks to a completion. Deltas join by choice index and tool-call index; all text together is bounded."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, name: str, event: Json) -> None:
        """Take one chunk."""
        if type(event) is not dict:
            return
        top = self._top
        choices = event.get("choices")
        if type(choices) is list:
            for one in choices:
                if type(one) is dict:
                    index = one.get("index")
                    at = index if type(index) is int else 0
                    choice = self._choices.get(at)
                    if choice is None:
                        if len(self._choices) >= MAX_CHOICES:
                            continue
                        choice = self._choices[at] = _Choice(self._content)
                    choice.add(one)
        if "id" not in top and event.get("id"):
            top["id"] = event["id"]
        for key in _TOP:
            if value := event.get(key):
                top[key] = value
        if type(groq := event.get("x_groq")) is dict and groq.get("usage"):
            top["usage"] = groq["usage"]

    def body(self) -> Json:
        """The completion so far."""
        choices = [self._choices[index].body(index) for index in sorted(self._choices)]
        return {**self._top, "choices": choices}


class _Choice:
    """One choice of a streamed completion."""

    __slots__ = (
        "_audio",
        "_content",
        "_error",
        "_finish",
        "_legacy",
        "_lists",
        "_logprobs",
        "_parts",
        "_role",
        "_room",
        "_texts",
        "_tools",
    )

    def __init__(self, content: bool) -> None:
        self._content = content
        self._role: Json = None
        self._finish: Json = None
        self._error: Json = None
        self._logprobs = False
        self._texts: dict[str, list[str]] = {}
        self._parts: list[Json] = []
        self._tools: dict[int, _Call] = {}
        self._legacy: _Call | None = None
        self._lists: dict[str, list[Json]] = {}
        self._audio: dict[str, Json] = {}
        self._room = MAX_TEXT

    def add(self, choice: dict[str, Json]) -> None:
        if finish := choice.get("finish_reason"):
            self._finish = finish
        if "error" in choice:
            self._error = choice["error"]
        if not self._content:
            return
        if choice.get("logprobs"):
            self._logprobs = True
        delta = choice.get("delta")
        if type(delta) is not dict:
            return
        for key, value in delta.items():
            if type(value) is str:
                if key in _TEXTS:
                    if value:
                        self._text(key, value)
                elif key == "role":
                    self._role = value
            elif type(value) is list:
                self._list(key, value)
            elif type(value) is dict:
                if key == "audio":
                    self._sound(value)
                elif key == "function_call":
                    if self._legacy is None:
                        self._legacy = _Call()
                    self._room -= self._legacy.add(value, self._room)

    def _text(self, key: str, value: str) -> None:
        if self._room <= 0:
            return
        self._room -= len(value)
        if self._parts and key == "content":
            self._part({"type": "text", "text": value})
        else:
            self._texts.setdefault(key, []).append(value)

    def _list(self, key: str, value: list[Json]) -> None:
        if key == "tool_calls":
            for call in value:
                if type(call) is dict:
                    self._tool(call)
        elif key == "content":  # Mistral sends thinking as typed parts, and the answer as text or as parts
            if not self._parts and (earlier := self._texts.pop("content", None)):
                self._part({"type": "text", "text": "".join(earlier)})
            for part in value:
                self._part(part)
        elif key in _LISTS and self._room > 0:
            self._room -= take.weight(value)
            self._lists.setdefault(key, []).extend(value)

    def _part(self, part: Json) -> None:
        """Adjacent pieces of a text, or of a thought, are one; pieces are joined at the end."""
        if self._room <= 0 or type(part) is not dict:
            return
        self._room -= take.weight(part)
        kind = take.string(part, "type")
        field = "thinking" if kind == "thinking" else "text"
        piece = part.get(field)
        if kind in {"text", "thinking"} and isinstance(piece, str | list):
            pieces = piece if isinstance(piece, list) else [{"type": "text", "text": piece}]
            last = self._parts[-1] if self._parts else {}
            if last.get("type") == kind and type(before := last.get(field)) is list:
                before.extend(pieces)
            else:
                self._parts.append({"type": kind, field: list(pieces)})
        else:
            self._parts.append(part)

    def _sound(self, delta: dict[str, Json]) -> None:
        audio = self._audio
        for key, value in delta.items():
            if key in {"data", "transcript"} and type(value) is str:
                if self._room > 0:
                    self._room -= len(value)
                    audio.setdefault(key, []).append(value)
            elif key == "id":
                audio[key] = value

    def _tool(self, delta: dict[str, Json]) -> None:
        index = delta.get("index")
        key = index if type(index) is int else len(self._tools)
        call = self._tools.get(key)
        if call is None:
            if len(self._tools) >= _MAX_TOOLS:
                return
            call = self._tools[key] = _Call()
        if delta.get("id"):
            call.id = delta["id"]
        if delta.get("type"):
            call.type = delta["type"]
        for name in ("function", "custom"):
            if type(made := delta.get(name)) is dict:
                self._room -= call.add(made, self._room)

    def body(self, index: int) -> Json:
        made: dict[str, Json] = {"role": self._role or "assistant", **self._lists}
        for key, pieces in self._texts.items():
            made[key] = "".join(pieces)
        if self._parts:
            made["content"] = [_joined(part) for part in self._parts]
        if self._audio:
            made["audio"] = {k: "".join(v) if type(v) is list else v for k, v in self._audio.items()}
        if self._tools:
            made["tool_calls"] = [
                {"id": call.id, "type": call.type, "function": call.body()} for call in self._tools.values()
            ]
        if self._legacy is not None:
            made["function_call"] = self._legacy.body()
        choice = {"index": index, "finish_reason": self._finish, "message": made}
        if self._logprobs:
            choice["logprobs"] = True
        if self._error is not None:
            choice["error"] = self._error
        return choice


def _joined(part: dict[str, Json]) -> Json:
    """A text as one string; a thought stays a list of parts, as Mistral has it in a whole answer."""
    if part.get("type") == "text" and type(part.get("text")) is list:
        return {"type": "text", "text": "".join(take.string(one, "text") or "" for one in part["text"])}
    return part


class _Call:
    """One tool call, as its pieces come."""

    __slots__ = ("arguments", "id", "name", "type")

    def __init__(self) -> None:
        self.id: Json = None
        self.type: Json = None
        self.name: Json = None
        self.arguments: list[str] = []

    def add(self, function: dict[str, Json], room: int) -> int:
        """Take a piece; gives the characters that were kept."""
        if function.get("name"):
            self.name = function["name"]
        arguments = function.get("arguments") or function.get("input")
        if type(arguments) is dict and arguments and room > 0:  # a few servers send the object itself
            self.arguments = [json.dumps(arguments)]
            return len(self.arguments[0])
        if type(arguments) is str and room > 0:
            self.arguments.append(arguments)
            return len(arguments)
        return 0

    def body(self) -> Json:
        return {"name": self.name, "arguments": "".join(self.arguments)}
