"""Every recording gives a span that the conventions know, the same one as before."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from otel_llm import semconv
from otel_llm.record import Usage
from tests import corpus, spans
from tests.conformance import registry

SNAPSHOTS = Path(__file__).parent.parent / "wire" / "snapshots"
RECORDINGS = list(corpus.recordings())
CONTRADICTS_ITSELF = frozenset(
    {
        # Grok on Azure counts cached tokens that are not in its input tokens.
        "azure-ai-inference-chat-completions-26fdb00c83",
        "azure-ai-inference-chat-completions-3931a40c41",
        "azure-ai-inference-chat-completions-82f33beecb",
        "azure-ai-inference-chat-completions-d584e63f92",
        "azure-ai-inference-chat-completions-f766230bbe",
        "azure-ai-inference-chat-completions-stream-3967f7e4c8",
        "azure-ai-inference-chat-completions-stream-fb20f8c9ca",
        # A model behind OpenRouter that reasons longer than it writes.
        "openrouter-chat-completions-stream-6cb5a19f23",
    }
)
"""Recordings in which the provider's own counts do not add up; we say what it said."""


@functools.cache
def _kept(provider: str, operation: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SNAPSHOTS / provider / f"{operation}.json").read_text())
    return found


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one.id)
def test_a_recording_gives_the_span_that_was_read_for_sense(recording: corpus.Recording) -> None:
    made = json.loads(json.dumps(spans.snapshot(recording)))
    assert made == _kept(recording.provider, recording.operation)[recording.id]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one.id)
def test_a_recording_gives_attributes_of_the_registry(recording: corpus.Recording) -> None:
    record = spans.record_of(recording)
    if record is not None:
        found = registry.problems(semconv.to_attributes(record))
        assert [
            problem
            for problem in found
            if recording.id not in CONTRADICTS_ITSELF or "more than" not in problem
        ] == []


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one.id)
def test_without_content_a_span_says_the_same_but_for_content(recording: corpus.Recording) -> None:
    full, private = spans.record_of(recording, content=True), spans.record_of(recording, content=False)
    assert (full is None) == (private is None)
    if full is None or private is None:
        return
    without = semconv.to_attributes(private)
    content = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"}
    content |= {"gen_ai.tool.definitions", "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents"}
    assert not content & without.keys()
    assert {
        name: value for name, value in semconv.to_attributes(full).items() if name not in content
    } == without


@pytest.mark.parametrize("structured", [True, False], ids=["structured", "JSON text"])
@pytest.mark.parametrize("recording", RECORDINGS[::7], ids=lambda one: one.id)
def test_a_record_comes_back_from_its_attributes(recording: corpus.Recording, structured: bool) -> None:
    record = spans.record_of(recording)
    if record is None:
        return
    attributes = semconv.to_attributes(record, structured)
    back = semconv.from_attributes(attributes, record.start_ns, record.end_ns)
    assert semconv.to_attributes(back, structured) == attributes


def test_each_documented_attribute_is_in_the_registry_with_its_type() -> None:
    for row in semconv.table():
        name = row.name.partition("<")[0]
        assert {**registry.CONVENTIONS, **registry.OURS, **registry.TEMPLATES}[name] == row.type


def test_a_zero_that_was_said_is_kept_and_silence_is_not_zero() -> None:
    record = spans.record_of(next(one for one in RECORDINGS if one.operation == "chat_completions"))
    assert record is not None
    usage = Usage(input=0, cache_read=0)
    record = msgspec.structs.replace(record, response=msgspec.structs.replace(record.response, usage=usage))
    attributes = semconv.to_attributes(record)
    assert attributes["gen_ai.usage.input_tokens"] == 0
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 0
    assert "gen_ai.usage.output_tokens" not in attributes
