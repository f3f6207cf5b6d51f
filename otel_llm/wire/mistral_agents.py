"""Mistral's conversations, which the provider keeps, and the completions of its agents.

https://docs.mistral.ai/api/endpoint/beta/conversations
https://docs.mistral.ai/api/endpoint/agents
"""

from __future__ import annotations

from typing import Final

import msgspec

from otel_llm.record import (
    Json,
    Message,
    Part,
    Request,
    Response,
    Usage,
    message,
    server_tool_call,
    text,
    tool_call,
    tool_result,
)
from otel_llm.wire import openai_chat, openai_chat_fold, take
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire

_MAX_OUTPUTS: Final = 1024


def fits_conversation(ask: Ask) -> bool:
    """Inputs for a model or an agent, or for a conversation of Mistral's; OpenAI's conversations have items."""
    body = ask.body
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), (str, list)):
        return False
    last = ask.path.rstrip("/").rpartition("/")[2]
    return (
        "model" in body or "agent_id" in body or last.startswith("conv_") or ask.host.endswith("mistral.ai")
    )


def fits_restart(ask: Ask) -> bool:
    """A conversation that starts again at one of its entries."""
    body = ask.body
    return take.string(body, "from_entry_id") is not None and isinstance(body.get("inputs"), (str, list))


def fits_agent(ask: Ask) -> bool:
    """Messages for an agent."""
    return take.string(ask.body, "agent_id") is not None and bool(take.items(ask.body, "messages"))


def read_agent_request(ask: Ask, content: bool) -> Request:
    """The request of an agent's completion; all but the agent is a chat completion."""
    made = openai_chat.read_request(ask, content)
    return msgspec.structs.replace(
        made, operation="invoke_agent", agent_id=take.string(ask.body, "agent_id"), api_type=None
    )


def read_request(ask: Ask, content: bool) -> Request:
    """The request of a conversation, new or continued: then its id is in the path."""
    body = ask.body
    settings = take.mapping(body, "completion_args")
    agent = take.string(body, "agent_id")
    head, _, last = ask.path.rstrip("/").removesuffix("/restart").rpartition("/")
    instructions = take.string(body, "instructions")
    shape = take.string(take.mapping(settings, "response_format"), "type") or ""
    seed = take.integer(settings, "random_seed")
    return Request(
        operation="invoke_agent" if agent else "chat",
        model=take.string(body, "model"),
        stream=take.flag(body, "stream"),
        agent_id=agent,
        conversation_id=last if head.endswith("/conversations") else None,
        max_tokens=take.integer(settings, "max_tokens"),
        temperature=take.number(settings, "temperature"),
        top_p=take.number(settings, "top_p"),
        frequency_penalty=take.number(settings, "frequency_penalty"),
        presence_penalty=take.number(settings, "presence_penalty"),
        stop_sequences=take.strings(settings, "stop"),
        seed=seed,
        output_type="json" if shape.startswith("json") else None,
        input_messages=_inputs(body.get("inputs")) if content else None,
        system_instructions=[text(instructions)] if content and instructions else None,
        tool_definitions=openai_chat.read_tools(body) if content else None,
    )


def _inputs(given: Json) -> list[Message]:
    if isinstance(given, str):
        return [message("user", [text(given)])]
    made: list[Message] = []
    for one in given if isinstance(given, list) else []:
        kind = take.string(one, "type")
        if kind == "function.result":
            made.append(message("tool", [tool_result(take.string(one, "tool_call_id"), one.get("result"))]))
        elif isinstance(one, dict):
            role = take.string(one, "role") or ("assistant" if kind == "message.output" else "user")
            made.append(message(role, _output(one)))
    return made


def _output(entry: Json) -> list[Part]:
    """One entry of a conversation in parts."""
    kind = take.string(entry, "type")
    if kind == "function.call":
        call_id = take.string(entry, "tool_call_id")
        return [tool_call(call_id, take.string(entry, "name") or "", take.arguments(entry.get("arguments")))]
    if kind in {"tool.execution", "agent.handoff"}:
        name = take.string(entry, "name") or take.string(entry, "next_agent_name") or kind
        skipped = {"type", "object", "id", "created_at", "completed_at"}
        kept = {key: value for key, value in entry.items() if key not in skipped}
        return [server_tool_call(take.string(entry, "id"), name, {**kept, "type": kind})]
    return openai_chat.read_parts(entry.get("content")) if isinstance(entry, dict) else []


def read_response(answer: Answer, request: Request, content: bool) -> Response:
    """The turn that a conversation made, or its folded stream. It says no reason for its end but a call."""
    body = answer.body
    outputs = [one for one in take.items(body, "outputs") if isinstance(one, dict)]
    calls = any(take.string(one, "type") == "function.call" for one in outputs)
    done = bool(outputs) and not take.flag(body, "open")
    reason = "error" if not done else "tool_call" if calls else "stop"
    models = [said for one in outputs if (said := take.string(one, "model"))]
    return Response(
        model=models[-1] if models else None,
        conversation_id=take.string(body, "conversation_id"),
        finish_reasons=[reason],
        usage=read_usage(take.mapping(body, "usage")),
        output_messages=[message("assistant", [part for one in outputs for part in _output(one)], reason)]
        if content
        else None,
    )


def read_usage(usage: Json) -> Usage:
    """Connectors feed tokens to the model beside the prompt; Mistral's total is the sum of all three."""
    return Usage(
        input=take.total(take.integer(usage, "prompt_tokens"), take.integer(usage, "connector_tokens")),
        output=take.integer(usage, "completion_tokens"),
    )


class Fold:
    """Events to the turn that they make up; entries join by id."""

    def __init__(self, content: bool) -> None:
        self._content = content
        self._top: dict[str, Json] = {"open": True}
        self._outputs: dict[str, dict[str, Json]] = {}
        self._pieces: dict[str, list[str]] = {}
        self._room = MAX_TEXT

    def add(self, name: str, event: Json) -> None:
        """Take one event."""
        kind = take.string(event, "type") or name
        if kind.startswith("conversation.response."):
            for key in ("conversation_id", "usage"):
                if value := event.get(key) if isinstance(event, dict) else None:
                    self._top[key] = value
            if kind.endswith(".done"):
                self._top["open"] = False
            elif kind.endswith(".error") and isinstance(event, dict):
                self._top["error"] = {"code": event.get("code"), "message": event.get("message")}
            return
        entry_id = take.string(event, "id") or kind
        if entry_id not in self._outputs and len(self._outputs) >= _MAX_OUTPUTS:
            return
        entry = self._outputs.setdefault(entry_id, {"type": kind.rpartition(".")[0]})
        for key in ("id", "model", "role", "name", "tool_call_id", "next_agent_name"):
            if value := take.string(event, key):
                entry[key] = value
        if self._content:
            piece = event.get("content", event.get("arguments"))
            if isinstance(piece, dict):
                piece = take.string(piece, "text")
            if isinstance(piece, str) and self._room > 0:
                self._room -= len(piece) + 1
                self._pieces.setdefault(entry_id, []).append(piece)

    def body(self) -> Json:
        """The turn so far."""
        outputs: list[Json] = []
        for entry_id, entry in self._outputs.items():
            joined = "".join(self._pieces.get(entry_id, ()))
            outputs.append({**entry, "content" if entry["type"] == "message.output" else "arguments": joined})
        return {**self._top, "outputs": outputs}


CONVERSATION: Final = Wire("mistral_conversations", "mistral_ai", read_request, read_response, Fold)
AGENT: Final = Wire(
    "mistral_agents", "mistral_ai", read_agent_request, openai_chat.read_response, openai_chat_fold.Fold
)
