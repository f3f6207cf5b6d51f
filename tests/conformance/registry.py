"""The attributes that a span of ours may bear, with their types, written down apart from the code that emits them.

`CONVENTIONS` are facts of the registry of github.com/open-telemetry/semantic-conventions-genai, main branch of
October 2026, and of the core conventions 1.44; `OURS` is the list that the design of this project allows.
"""

from __future__ import annotations

from typing import Any

CONVENTIONS = {
    "aws.bedrock.guardrail.id": "string",
    "aws.bedrock.knowledge_base.id": "string",
    "azure.resource_provider.namespace": "string",
    "error.type": "string",
    "gen_ai.agent.id": "string",
    "gen_ai.conversation.compacted": "boolean",
    "gen_ai.conversation.id": "string",
    "gen_ai.embeddings.dimension.count": "int",
    "gen_ai.input.messages": "any",
    "gen_ai.operation.name": "string",
    "gen_ai.output.messages": "any",
    "gen_ai.output.type": "string",
    "gen_ai.prompt.name": "string",
    "gen_ai.prompt.version": "string",
    "gen_ai.provider.name": "string",
    "gen_ai.request.choice.count": "int",
    "gen_ai.request.encoding_formats": "string[]",
    "gen_ai.request.frequency_penalty": "double",
    "gen_ai.request.max_tokens": "int",
    "gen_ai.request.model": "string",
    "gen_ai.request.presence_penalty": "double",
    "gen_ai.request.previous_response.id": "string",
    "gen_ai.request.reasoning.level": "string",
    "gen_ai.request.seed": "int",
    "gen_ai.request.stop_sequences": "string[]",
    "gen_ai.request.stream": "boolean",
    "gen_ai.request.temperature": "double",
    "gen_ai.request.top_k": "int",
    "gen_ai.request.top_p": "double",
    "gen_ai.response.finish_reasons": "string[]",
    "gen_ai.response.id": "string",
    "gen_ai.response.model": "string",
    "gen_ai.response.status": "string",
    "gen_ai.response.time_to_first_chunk": "double",
    "gen_ai.retrieval.documents": "any",
    "gen_ai.retrieval.query.text": "string",
    "gen_ai.retrieval.top_k": "int",
    "gen_ai.system_instructions": "any",
    "gen_ai.tool.definitions": "any",
    "gen_ai.usage.audio.cache_read.input_tokens": "int",
    "gen_ai.usage.audio.input_tokens": "int",
    "gen_ai.usage.audio.output_tokens": "int",
    "gen_ai.usage.cache_read.input_tokens": "int",
    "gen_ai.usage.cache_write.input_tokens": "int",
    "gen_ai.usage.image.cache_read.input_tokens": "int",
    "gen_ai.usage.image.input_tokens": "int",
    "gen_ai.usage.image.output_tokens": "int",
    "gen_ai.usage.input_tokens": "int",
    "gen_ai.usage.output_tokens": "int",
    "gen_ai.usage.reasoning.output_tokens": "int",
    "gen_ai.usage.text.cache_read.input_tokens": "int",
    "gen_ai.usage.text.input_tokens": "int",
    "gen_ai.usage.text.output_tokens": "int",
    "openai.api.type": "string",
    "openai.request.service_tier": "string",
    "openai.response.service_tier": "string",
    "openai.response.system_fingerprint": "string",
    "server.address": "string",
    "server.port": "int",
    "session.id": "string",
    "user.id": "string",
}

OURS = {
    "otel_llm.attempt": "int",
    "otel_llm.call.id": "string",
    "otel_llm.cost.cache_read": "double",
    "otel_llm.cost.cache_write": "double",
    "otel_llm.cost.input": "double",
    "otel_llm.cost.output": "double",
    "otel_llm.cost.total": "double",
    "otel_llm.key.alias": "string",
    "otel_llm.key.hash": "string",
    "otel_llm.request.raw": "string",
    "otel_llm.stream.outcome": "string",
    "otel_llm.tags": "string[]",
    "otel_llm.team.id": "string",
    "otel_llm.usage.estimated": "boolean",
}

TEMPLATES = {"gen_ai.prompt.variable.": "string", "otel_llm.metadata.": "any"}

ENUMS: dict[str, frozenset[str]] = {
    "gen_ai.operation.name": frozenset(
        {
            "chat",
            "generate_content",
            "text_completion",
            "embeddings",
            "retrieval",
            "fetch_response",
            "invoke_agent",
        }
        # Custom values, which the conventions allow where none of theirs fits:
        | {"rerank", "moderation", "ocr"}
    ),
    "gen_ai.output.type": frozenset({"text", "json", "image", "speech"}),
    "gen_ai.response.status": frozenset(
        {"queued", "in_progress", "completed", "incomplete", "failed", "cancelled"}
    ),
    "openai.api.type": frozenset({"chat_completions", "responses"}),
    "otel_llm.stream.outcome": frozenset({"completed", "closed_early", "cancelled", "abandoned", "failed"}),
}

PART_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "text": {"content": (str,)},
    "reasoning": {"content": (str,)},
    "tool_call": {"name": (str,)},
    "tool_call_response": {"response": (object,)},
    "server_tool_call": {"name": (str,), "server_tool_call": (dict,)},
    "server_tool_call_response": {"server_tool_call_response": (dict,)},
    "blob": {"modality": (str,), "content": (str,)},
    "file": {"modality": (str,), "file_id": (str,)},
    "uri": {"modality": (str,), "uri": (str,)},
    "compaction": {},
}
"""The required fields of each part that the conventions define; any other type is allowed as a generic part."""


def problems(attributes: dict[str, Any]) -> list[str]:
    """What is wrong with the attributes of one span; empty when they conform."""
    found = []
    for name, value in attributes.items():
        kind = CONVENTIONS.get(name) or OURS.get(name)
        if kind is None:
            kind = next((kind for prefix, kind in TEMPLATES.items() if name.startswith(prefix)), None)
        if kind is None:
            found.append(f"{name} is in no registry")
        elif not _is(kind, value):
            found.append(f"{name} is no {kind}: {value!r:.80}")
        elif name in ENUMS and value not in ENUMS[name]:
            found.append(f"{name} has no value {value!r}")
    for name in ("gen_ai.operation.name", "gen_ai.provider.name"):
        if name not in attributes:
            found.append(f"{name} is required")
    for name in ("gen_ai.input.messages", "gen_ai.output.messages"):
        for message in attributes.get(name) or ():
            found += [f"{name}: {problem}" for problem in _message_problems(message)]
    for part in attributes.get("gen_ai.system_instructions") or ():
        found += [f"gen_ai.system_instructions: {problem}" for problem in _part_problems(part)]
    for tool in attributes.get("gen_ai.tool.definitions") or ():
        if not (
            isinstance(tool, dict) and isinstance(tool.get("type"), str) and isinstance(tool.get("name"), str)
        ):
            found.append(f"gen_ai.tool.definitions: a tool needs type and name: {tool!r:.120}")
    found += _subset_problems(attributes)
    return found


def _is(kind: str, value: Any) -> bool:
    if kind == "any":
        return True
    if kind == "string[]":
        return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    exact = {"string": str, "int": int, "double": float, "boolean": bool}[kind]
    return type(value) is exact


def _message_problems(message: Any) -> list[str]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        return [f"a message needs a role: {message!r:.120}"]
    if not isinstance(message.get("parts"), list):
        return [f"a message needs parts: {message!r:.120}"]
    return [problem for part in message["parts"] for problem in _part_problems(part)]


def _part_problems(part: Any) -> list[str]:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return [f"a part needs a type: {part!r:.120}"]
    wanted = PART_FIELDS.get(part["type"], {})
    return [
        f"a {part['type']} part needs {name}: {part!r:.120}"
        for name, kinds in wanted.items()
        if name not in part or not isinstance(part[name], kinds)
    ]


def _subset_problems(attributes: dict[str, Any]) -> list[str]:
    """The parts of a count may not be larger than the whole."""
    usage = "gen_ai.usage."
    pairs = [
        (f"{usage}cache_read.input_tokens", f"{usage}input_tokens"),
        (f"{usage}cache_write.input_tokens", f"{usage}input_tokens"),
        (f"{usage}reasoning.output_tokens", f"{usage}output_tokens"),
    ]
    pairs += [(f"{usage}{kind}.input_tokens", f"{usage}input_tokens") for kind in ("text", "image", "audio")]
    pairs += [
        (f"{usage}{kind}.output_tokens", f"{usage}output_tokens") for kind in ("text", "image", "audio")
    ]
    return [
        f"{part} = {attributes[part]} is more than {whole} = {attributes[whole]}"
        for part, whole in pairs
        if part in attributes and whole in attributes and attributes[part] > attributes[whole]
    ]
