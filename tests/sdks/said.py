"""What a provider said in a recorded answer, read the plain way and by nothing of ours: models, counts, reasons."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.corpus import Recording

REASONS = {
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "tool_use": "tool_call",
    "TOOL_CALL": "tool_call",
    "end_turn": "stop",
    "STOP_SEQUENCE": "stop",
    "stop_sequence": "stop",
    "STOP": "stop",
    "COMPLETE": "stop",
    "eos_token": "stop",
    "eos": "stop",
    "MODEL_ARMOR": "content_filter",
    "UNEXPECTED_TOOL_CALL": "unexpected_tool_call",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "max_output_tokens": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "CONTENT_FILTERED": "content_filter",
    "refusal": "content_filter",
    "SAFETY": "content_filter",
    "FINISH": "stop",
    "LENGTH": "length",
    "model_length": "length",
}
"""Words of providers in the words of the conventions; words that are not here are those already."""


class Said(NamedTuple):
    """None is what nobody said."""

    model: str | None = None
    input: int | None = None
    output: int | None = None
    reasons: tuple[str, ...] | None = None


Reader = Callable[[Recording], Said]
"""How one protocol says it."""


def events(recording: Recording) -> list[Any]:
    """The JSON values of an answer, one where it did not stream."""
    body = recording.response_body
    if body[:1] == b"\0":
        return list(_frames(body))
    text = body.decode()
    lines = text.splitlines()
    if data := [line[5:].strip() for line in lines if line.startswith("data:")]:
        return [json.loads(one) for one in data if one[:1] == "{"]
    try:
        whole = json.loads(text)
        return list(whole) if isinstance(whole, list) else [whole]
    except ValueError:
        return [json.loads(line) for line in lines if line[:1] == "{"]


def _frames(body: bytes) -> Iterator[Any]:
    from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]  # it has no stubs

    buffer = EventStreamBuffer()
    buffer.add_data(body)
    for message in buffer:
        event = json.loads(message.payload)
        yield json.loads(base64.b64decode(event["bytes"])) if "bytes" in event else event


def failures(recording: Recording) -> set[str]:
    """What an `error.type` may be: any code or type that the answer gives, or its status. Empty: it did not fail."""
    try:
        errors = [event["error"] for event in events(recording) if event.get("error")]
    except (ValueError, AttributeError):
        errors = []
    if not errors and recording.status < 400:
        return set()
    given = [str(recording.status)] if recording.status >= 400 else []
    given.append(recording.response_headers.get("x-amzn-errortype", "").partition(":")[0])
    for error in [*errors, *(events(recording) if recording.response_body[:1] in b"{[" else ())]:
        if isinstance(error, dict):
            given += [str(error[name]) for name in ("code", "type", "status", "__type") if error.get(name)]
    return set(given) - {""}


def _reasons(said: list[Any]) -> tuple[str, ...] | None:
    return tuple(REASONS.get(one, one) for one in said if one) or None


def _last(values: Iterator[Any]) -> Any:
    found = None
    for value in values:
        if value:
            found = value
    return found


def _sum(usage: dict[str, Any], *names: str) -> int | None:
    """Of those that are said."""
    said = [usage[name] for name in names if usage.get(name) is not None]
    return sum(said) if said else None


def nothing(_: Recording) -> Said:
    """No word of models or tokens."""
    return Said()


def chat(recording: Recording) -> Said:
    """OpenAI's chat and completions, and all who follow them."""
    found = events(recording)
    choices: dict[int, Any] = {}
    for event in found:
        for choice in event.get("choices") or ():
            index = choice.get("index", 0)
            choices[index] = choice.get("finish_reason") or choices.get(index, "error")  # no reason: no end
    usage: dict[str, Any] = (
        _last(event.get("usage") or (event.get("x_groq") or {}).get("usage") for event in found) or {}
    )
    asked: Any
    made: Any
    asked, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    thoughts = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    rest = usage.get("total_tokens", 0) - (asked or 0) - (made or 0)
    if rest > 0 and rest == (usage.get("prompt_tokens_details") or {}).get("audio_tokens"):  # Mistral
        asked += rest
    elif made is not None and rest > 0:  # xAI, Google: thoughts come on top
        made += rest
    elif "market_cost" in usage and thoughts > made:  # Vercel: its cost proves the same
        made += thoughts
    return Said(
        _last(event.get("model") for event in found),
        asked,
        made,
        _reasons([choices[index] for index in sorted(choices)]),
    )


def embeddings(recording: Recording) -> Said:
    """OpenAI's embeddings; some providers say nothing but the total."""
    answer = events(recording)[0]
    usage = answer["usage"]
    return Said(
        answer.get("model"),
        usage.get("prompt_tokens", usage.get("total_tokens")),
        usage.get("completion_tokens"),
    )


def responses(recording: Recording) -> Said:
    """OpenAI's responses."""
    last = events(recording)[-1]
    answer = last.get("response", last)
    usage = answer.get("usage") or {}
    kinds = {item["type"] for item in answer.get("output", ())}
    if "tool_search_output" not in kinds and "tool_search_call" in kinds:
        kinds.add("function_call")
    asks = kinds & {"function_call", "custom_tool_call", "local_shell_call", "computer_call", "shell_call"}
    reason = {
        "completed": "tool_call" if asks else "stop",
        "incomplete": (answer.get("incomplete_details") or {}).get("reason"),
        "failed": "error",
    }.get(answer.get("status"))
    return Said(
        answer.get("model"), usage.get("input_tokens"), usage.get("output_tokens"), _reasons([reason])
    )


def fetched(recording: Recording) -> Said:
    """A response that was made before: its tokens were spent before, too."""
    return responses(recording)._replace(input=None, output=None)


def transcription(recording: Recording) -> Said:
    """Newer models count tokens, older ones seconds."""
    last = events(recording)[-1]
    usage = last.get("usage") or {}
    asked, made = usage.get("input_tokens"), usage.get("output_tokens")
    if asked is None and "prompt_tokens" in usage:
        asked = usage["total_tokens"] - usage["completion_tokens"]
        made = usage["completion_tokens"]
    return Said(last.get("model"), asked, made)


def moderation(recording: Recording) -> Said:
    """A model and nothing else."""
    return Said(events(recording)[0].get("model"))


def messages(recording: Recording) -> Said:
    """Anthropic's messages: what is read from or written to a cache comes on top of the input."""
    usage: dict[str, Any] = {}
    model = reason = None
    for event in events(recording):
        answer = event.get("message", event)
        model = answer.get("model", model)
        reason = answer.get("stop_reason") or (event.get("delta") or {}).get("stop_reason") or reason
        usage.update(answer.get("usage") or {})
    for one in usage.get("iterations") or ():  # a compaction is billed, and not part of the counts beside it
        if one["type"] == "compaction":
            usage = {
                name: value + one.get(name, 0) for name, value in usage.items() if isinstance(value, int)
            }
    return Said(
        model,
        _sum(usage, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
        usage.get("output_tokens"),
        _reasons([reason]),
    )


def complete(recording: Recording) -> Said:
    """Anthropic's completions, which count nothing."""
    last = [event for event in events(recording) if "completion" in event][-1]
    return Said(last["model"], reasons=_reasons([last["stop_reason"]]))


def converse(recording: Recording) -> Said:
    """Bedrock's Converse, which names no model in its answer; caches come on top as at Anthropic."""
    usage: dict[str, Any] = {}
    reason = None
    for event in events(recording):
        usage.update(event.get("usage") or {})
        reason = event.get("stopReason", reason)
    return Said(
        None,
        _sum(usage, "inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
        usage.get("outputTokens"),
        _reasons([reason]),
    )


def invoke(recording: Recording) -> Said:
    """Bedrock's InvokeModel: the model's own answer, else the counts of the headers."""
    headers = recording.response_headers
    said = messages(recording)
    if said.input is None:
        said = said._replace(
            input=int(headers["x-amzn-bedrock-input-token-count"]),
            output=int(headers["x-amzn-bedrock-output-token-count"]),
        )
    return said


def generate_content(recording: Recording) -> Said:
    """Google's generateContent: thoughts come on top of the answer, what its tools read on top of the prompt."""
    usage: dict[str, Any] = {}
    model = None
    reasons: dict[int, Any] = {}
    for event in events(recording):
        usage = event.get("usageMetadata") or usage
        model = event.get("modelVersion") or model
        for candidate in event.get("candidates") or ():
            index = candidate.get("index", 0)
            reasons[index] = candidate.get("finishReason") or reasons.get(index)
    return Said(
        model,
        _sum(usage, "promptTokenCount", "toolUsePromptTokenCount"),
        _sum(usage, "candidatesTokenCount", "thoughtsTokenCount"),
        _reasons([reasons[index] for index in sorted(reasons)]),
    )


def google_embeddings(recording: Recording) -> Said:
    """Google's embeddings count on Vertex alone."""
    answer = events(recording)[0]
    counted = [one["embeddings"]["statistics"]["token_count"] for one in answer.get("predictions", ())]
    return Said(
        None, sum(counted) if counted else (answer.get("usageMetadata") or {}).get("promptTokenCount")
    )


def interaction(recording: Recording) -> Said:
    """Google's interactions, which count as its generateContent does."""
    last = [
        event for event in events(recording) if "usage" in event.get("interaction", event) or "id" in event
    ][-1]
    answer = last.get("interaction", last)
    usage = answer.get("usage") or {}
    reason = {"completed": "stop", "incomplete": "length", "requires_action": "tool_call"}.get(
        answer["status"]
    )
    return Said(
        answer.get("model"),
        _sum(usage, "total_input_tokens", "total_tool_use_tokens"),
        _sum(usage, "total_output_tokens", "total_thought_tokens"),
        _reasons([reason]),
    )


def cohere(recording: Recording) -> Said:
    """Cohere's chat, both versions: the tokens of the bill."""
    usage: dict[str, Any] = {}
    reason = None
    for event in events(recording):
        delta = event.get("delta") or event.get("response") or event
        for made in event.get("generations") or ():
            reason = made.get("finish_reason") or reason
        usage = delta.get("usage") or delta.get("meta") or usage
        reason = delta.get("finish_reason") or reason
    counts = usage.get("billed_units") or usage.get("tokens") or {}
    return Said(None, counts.get("input_tokens"), counts.get("output_tokens"), _reasons([reason]))


def cohere_embed(recording: Recording) -> Said:
    """Cohere counts the bill of an embedding."""
    return Said(None, events(recording)[0]["meta"]["billed_units"]["input_tokens"])


def rerank(recording: Recording) -> Said:
    """Tokens at Voyage; Cohere counts searches, which are none."""
    answer = events(recording)[0]
    return Said(answer.get("model"), (answer.get("usage") or {}).get("total_tokens"))


def ollama(recording: Recording) -> Said:
    """Ollama's own API."""
    found = events(recording)
    last = found[-1]
    return Said(
        last["model"],
        last.get("prompt_eval_count"),
        last.get("eval_count"),
        _reasons([last.get("done_reason")]),
    )


def text_generation(recording: Recording) -> Said:
    """Hugging Face's text generation, which counts what it makes."""
    details = events(recording)[0]["details"]
    return Said(None, None, details["generated_tokens"], _reasons([details["finish_reason"]]))


def ocr(recording: Recording) -> Said:
    """Pages, neither tokens nor reasons."""
    return Said(events(recording)[0]["model"])
