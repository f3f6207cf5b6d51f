"""Token counts and costs as OpenAI says them, and as its many followers do.

`prompt_tokens` (chat, completions, embeddings) and `input_tokens` (responses, images, audio) are the same thing, each
with its details. All of these include the cached ones. Where a provider leaves something out of its two main counts,
`total_tokens` gives it away: xAI counts reasoning beside the completion, Google its hidden thoughts, Mistral the
tokens of audio beside the prompt.

https://platform.openai.com/docs/api-reference/chat/object, https://docs.x.ai/docs/api-reference
"""

from __future__ import annotations

from typing import Any, Final

from otel_llm.record import NO_USAGE, Json, Usage
from otel_llm.wire import take

_TICKS_PER_USD: Final = 1e10
"""xAI says costs in ticks."""
_ASKED: Final = {
    "cached_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_creation_tokens": "cache_write",
    "cache_creation_input_tokens": "cache_write",
    "text_tokens": "text_input",
    "image_tokens": "image_input",
    "audio_tokens": "audio_input",
}
_MADE: Final = {
    "reasoning_tokens": "reasoning",
    "text_tokens": "text_output",
    "image_tokens": "image_output",
    "audio_tokens": "audio_output",
}
_CACHED: Final = {
    "text_tokens": "text_cache_read",
    "image_tokens": "image_cache_read",
    "audio_tokens": "audio_cache_read",
}
"""The names of details, and the fields of `Usage` that they are."""


def read_usage(usage: Json, model: str | None = None) -> Usage:
    """The counts in `usage`; `model` is the one asked for, which tells whose habits a gateway passes on."""
    if not isinstance(usage, dict) or not usage:
        return NO_USAGE
    asked = _details(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    made = _details(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
    split: dict[str, Any] = {**_counts(asked, _ASKED), **_counts(made, _MADE)}
    if "cached_tokens_details" in asked:
        split.update(_counts(take.mapping(asked, "cached_tokens_details"), _CACHED))
    cache_read = split.pop("cache_read", None)
    if cache_read is None:
        cache_read = _first(
            usage, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens", "num_cached_tokens"
        )
    cache_write = split.pop("cache_write", None)
    if cache_write is None:
        cache_write = _first(usage, "cache_creation_input_tokens")
    reasoning = split.pop("reasoning", None)
    if reasoning is None:
        reasoning = _first(usage, "reasoning_tokens")
    input_count, output_count = _main_counts(
        usage, model, reasoning, split.get("audio_input"), bool(cache_read or cache_write)
    )
    return Usage(
        input=input_count,
        output=output_count,
        cache_read=cache_read,
        cache_write=cache_write,
        reasoning=reasoning,
        **split,
    )


def read_cost(usage: Json) -> float | None:
    """What the provider charges, in US dollars: OpenRouter and Vercel, Perplexity, xAI.

    With a key of one's own at OpenRouter, `cost` is its fee alone and the provider's price stands beside it. xAI's
    zero, as it comes through Azure, is no price.
    """
    if not isinstance(usage, dict) or not ("cost" in usage or "cost_in_usd_ticks" in usage):
        return None
    cost = take.number(usage, "cost")
    if cost is None:
        cost = take.number(take.mapping(usage, "cost"), "total_cost")
    if cost is None:
        ticks = take.number(usage, "cost_in_usd_ticks")
        return ticks / _TICKS_PER_USD if ticks else None
    if take.flag(usage, "is_byok"):
        cost += take.number(take.mapping(usage, "cost_details"), "upstream_inference_cost") or 0.0
    return cost


def _main_counts(
    usage: dict[str, Json], model: str | None, reasoning: int | None, audio: int | None, cached: bool
) -> tuple[int | None, int | None]:
    """All input and all output."""
    asked = _first(usage, "prompt_tokens", "input_tokens")
    made = _first(usage, "completion_tokens", "output_tokens")
    total = _first(usage, "total_tokens")
    if asked is None or made is None:
        if asked is None and made is None:
            asked = total  # Voyage and other embedders say nothing else
        return asked, made
    if reasoning and "market_cost" in usage and (reasoning > made or (model or "").startswith("google/")):
        return asked, made + reasoning  # Vercel's gateway counts Google's thoughts apart, but bills them
    rest = total - asked - made if total is not None else 0
    if rest > 0:
        if rest == audio:
            asked += rest
        elif rest == reasoning or not (reasoning or cached):
            made += rest
    return asked, made


def _details(usage: dict[str, Json], *names: str) -> dict[str, Json]:
    for name in names:
        if found := take.mapping(usage, name):
            return found
    return {}


def _first(source: dict[str, Json], *names: str) -> int | None:
    """The first count that is said; none is below zero."""
    for name in names:
        value = source.get(name)
        if value is not None:
            if type(value) is not int:
                value = take.integer(source, name)
            if value is not None and 0 <= value <= take.MAX_INT:
                return int(value)
    return None


def _counts(details: dict[str, Json], fields: dict[str, str]) -> dict[str, int]:
    """The counts of the details by the names of our fields; where two mean one, the first that is said counts."""
    found: dict[str, int] = {}
    for name, value in details.items():
        field = fields.get(name)
        if field is not None and field not in found:
            count = value if type(value) is int else take.integer(details, name)
            if count is not None and 0 <= count <= take.MAX_INT:
                found[field] = count
    return found
