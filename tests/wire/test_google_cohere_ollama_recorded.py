"""All recorded calls of Google, Cohere, Mistral, Ollama and the smaller ones: what they used, cut and broken anywhere."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.record import NO_USAGE, Response
from otel_llm.wire import catalog, exchange
from otel_llm.wire.protocol import Ask, Wire
from tests import corpus
from tests.corpus import Recording

OURS = {
    "gemini",
    "vertex_ai",
    "cohere",
    "mistral",
    "ollama",
    "voyage",
    "huggingface",
    "dashscope",
    "replicate",
    "deepgram",
    "heroku",
}
NO_CALL = {"other", "count_tokens", "api_pull"}
CALLS = [
    one
    for one in corpus.recordings()
    if (one.provider in OURS and one.operation not in {*NO_CALL, "raw_predict_messages"})
    or one.operation in {"rerank", "generate_content"}
]
STREAMS = [one for one in CALLS if one.stream and one.status == 200]
SMALL = [
    one
    for one in CALLS
    if one.status == 200 and len(one.response_body) < 60_000 and len(one.request_body) < 40_000
]
REASONS = {"stop", "length", "tool_call", "content_filter", "error", "unexpected_tool_call"}


BY_ID = {one.id: one for one in CALLS}


def ids(recordings: list[Recording]) -> list[str]:
    """Tests are told the id alone, so that a failure does not print megabytes."""
    return [one.id for one in recordings]


def events(recording: Recording) -> list[Any]:
    """The JSON values that an answer is made of, the plain way."""
    body = recording.response_body.decode("utf-8", "replace")
    if recording.response_headers.get("content-type", "").startswith("audio/"):
        return []
    if any(line.startswith("data:") for line in body.splitlines()[:4]):
        data = [line[5:].strip() for line in body.splitlines() if line.startswith("data:")]
        return [json.loads(one) for one in data if one != "[DONE]"]
    try:
        whole = json.loads(body)
    except ValueError:
        return [json.loads(line) for line in body.splitlines()] if body.startswith("{") else []
    return whole if isinstance(whole, list) else [whole]


def last(found: list[Any], *path: str) -> Any:
    """What the last event that has this path says there."""
    for event in reversed(found):
        for name in path:
            event = event.get(name) if isinstance(event, dict) else None  # noqa: PLW2901  (a walk down the event)
        if event is not None:
            return event
    return None


def naive(recording: Recording) -> tuple[int | None, int | None]:
    """Input and output tokens as the provider said them, by other means than the decoders'."""
    found = events(recording)
    if (google := last(found, "usageMetadata")) is not None:
        if recording.operation == "embed_content":
            return google["totalTokenCount"], None
        made = [google[name] for name in ("candidatesTokenCount", "thoughtsTokenCount") if name in google]
        output = sum(made) if made else None
        total = google.get("totalTokenCount")
        return (None if total is None else total - (output or 0)), output
    if (
        steps := last(found, "interaction", "usage") or last(found, "usage")
    ) and "total_input_tokens" in steps:
        return steps["total_input_tokens"], steps["total_tokens"] - steps["total_input_tokens"]
    cohere = last(found, "response", "meta") or last(found, "meta") or last(found, "delta", "usage")
    cohere = cohere or last(found, "usage")
    if cohere and "billed_units" in cohere:
        return cohere["billed_units"].get("input_tokens"), cohere["billed_units"].get("output_tokens")
    if last(found, "eval_count") is not None or last(found, "prompt_eval_count") is not None:
        return last(found, "prompt_eval_count"), last(found, "eval_count")
    if (counts := last(found, "predictions")) is not None:
        return sum(one["embeddings"]["statistics"]["token_count"] for one in counts), None
    if (usage := last(found, "usage")) is not None:
        output = usage.get("completion_tokens", usage.get("output_tokens"))
        if recording.operation in {"rerank", "embeddings"}:
            return usage["total_tokens"], output
        if recording.provider == "gemini":  # its thoughts are in the total alone
            return usage["prompt_tokens"], usage["total_tokens"] - usage["prompt_tokens"]
        if "total_tokens" in usage and output is not None:
            return usage["total_tokens"] - output, output
    if found and isinstance(found[0], dict) and "details" in found[0]:
        return None, found[0]["details"]["generated_tokens"]
    return None, None


@pytest.mark.parametrize("name", ids(CALLS))
def test_usage_is_what_the_provider_said(name: str) -> None:
    recording = BY_ID[name]
    decoded = corpus.decode(recording)
    assert decoded is not None
    usage = decoded.response.usage
    if recording.status >= 400:
        assert usage == NO_USAGE
        return
    if decoded.request.operation == "fetch_response":
        assert usage == NO_USAGE
        return
    assert (usage.input, usage.output) == naive(recording)
    if usage.input is not None:
        assert all(
            (part or 0) <= usage.input for part in (usage.cache_read, usage.text_input, usage.image_input)
        )
    if usage.output is not None:
        assert all(
            (part or 0) <= usage.output for part in (usage.reasoning, usage.text_output, usage.audio_output)
        )


@pytest.mark.parametrize("name", ids(CALLS))
def test_a_recorded_call_makes_sense(name: str) -> None:
    recording = BY_ID[name]
    decoded = corpus.decode(recording)
    assert decoded is not None
    request, response = decoded.request, decoded.response
    endpoint = decoded.wire.name in {"text_generation", "openai_transcription"}
    unnamed = request.agent_id or endpoint or recording.id == "cohere-chat-v1-d7386f71fb"
    assert request.model or unnamed or (decoded.ask.body or {}).get("model") == ""
    if recording.status >= 400:
        assert response.failure is not None
        assert response.failure.message
        return
    assert response.failure is None
    assert set(response.finish_reasons or ()) <= REASONS
    features = set(recording.features)
    sent = request.input_messages or []
    came = response.output_messages or []
    parts = [part["type"] for one in came for part in one["parts"]]
    if request.operation in {"chat", "generate_content", "text_completion"} and "filtered" not in features:
        assert (
            parts
            or recording.operation == "predictions"
            or response.finish_reasons in (["content_filter"], ["length"])
        )
    if "tool_calls" in features:
        assert "tool_call" in parts
    if "tool_result_in_request" in features:
        assert any(part["type"] == "tool_call_response" for one in sent for part in one["parts"])
    if "tools_declared" in features:
        assert request.tool_definitions
    if "system_instructions" in features and recording.operation != "api_generate":
        assert request.system_instructions or any(one["role"] == "system" for one in sent)
    if "structured_output" in features and recording.provider != "vertex_ai":
        assert request.output_type == "json"
    if "truncated" in features:
        assert "length" in (response.finish_reasons or ())
    if "multimodal_input" in features and request.operation != "embeddings":
        assert any(part["type"] in {"blob", "uri", "file"} for one in sent for part in one["parts"]) or any(
            isinstance(part.get("response"), list) for one in sent for part in one["parts"]
        )
    assert request.stream == recording.stream or recording.operation == "predictions"


@pytest.mark.parametrize("name", ids(STREAMS))
def test_a_stream_fed_byte_by_byte_gives_the_same_record(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = BY_ID[name]
    whole = corpus.decode(recording)
    monkeypatch.setattr(exchange, "_BATCH", 1)
    body = recording.response_body
    assert corpus.decode(recording, cuts=[body[at : at + 1] for at in range(len(body))]) == whole


@pytest.mark.parametrize("name", ids(STREAMS))
def test_a_stream_that_is_cut_gives_what_had_come(name: str) -> None:
    recording = BY_ID[name]
    whole = corpus.decode(recording)
    assert whole is not None
    body = recording.response_body
    for at in range(0, len(body), max(1, len(body) // 25)):
        cut = corpus.decode(recording, cuts=[body[:at]])
        assert cut is not None
        assert cut.response.model in {None, whole.response.model}
        assert set(cut.response.finish_reasons or ()) <= REASONS


@pytest.mark.parametrize("name", ids(CALLS))
def test_without_content_only_content_is_missing(name: str) -> None:
    recording = BY_ID[name]
    full, bare = corpus.decode(recording), corpus.decode(recording, content=False)
    assert full is not None
    assert bare is not None
    content = {
        "input_messages",
        "output_messages",
        "system_instructions",
        "tool_definitions",
        "documents",
        "retrieval_query",
    }
    for whole, part in ((full.request, bare.request), (full.response, bare.response)):
        for field in part.__struct_fields__:
            assert getattr(part, field) == (None if field in content else getattr(whole, field)), field


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        10**30,
        math.inf,
        "",
        "x",
        "{",
        [],
        [None],
        [[]],
        ["x"],
        [{}],
        {},
        {"type": []},
        {"x": None},
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value can be replaced: everywhere."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for place in range(min(len(value), 3)):
            yield from places(value[place], (*path, place))


def spoiled(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """A copy with `junk` at `path`."""
    if not path:
        return junk
    made = copy.deepcopy(value)
    at = made
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = junk
    return made


def checked(response: Response) -> None:
    """What comes out can be sent: its JSON is JSON, its counts are counts."""
    msgspec.json.encode(response)
    for name in response.usage.__struct_fields__:
        assert type(getattr(response.usage, name)) in {int, bool, type(None)}
    assert all(type(one) is str for one in response.finish_reasons or ())
    assert type(response.id) in {str, type(None)}
    assert type(response.model) in {str, type(None)}


def answer(wire: Wire, asked: Ask, found: list[Any], recording: Recording) -> None:
    """Read an answer of these events, framed as the recording is."""
    kind = recording.response_headers.get("content-type", "")
    if b"data:" in recording.response_body[:80]:
        body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in found)
    elif len(found) == 1:
        body = json.dumps(found[0]).encode()
    elif recording.response_body.lstrip()[:1] == b"[":
        body = json.dumps(found).encode()
    else:
        body = b"".join(json.dumps(one).encode() + b"\n" for one in found)
    for content in (True, False):
        request = wire.read_request(asked, content)
        msgspec.json.encode(request)
        reader = exchange.Reader(wire, request, 200, {"content-type": kind}, content)
        reader.feed(body)
        checked(reader.finish())


@pytest.mark.parametrize("name", ids(SMALL))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_type_in_any_field_is_read_without_an_exception(name: str, data: st.DataObject) -> None:
    recording = BY_ID[name]
    decoded = corpus.decode(recording)
    assert decoded is not None
    asked = decoded.ask
    junk = data.draw(JUNK)
    body = spoiled(asked.body, data.draw(st.sampled_from(list(places(asked.body)))), junk)
    other = msgspec.structs.replace(asked, body=body)
    for row in catalog.candidates(other.method, other.path):
        assert row.fits(other) in {True, False}
    if catalog.recognise(other, catalog.candidates(other.method, other.path)) is decoded.wire:
        msgspec.json.encode(decoded.wire.read_request(other, True))
        msgspec.json.encode(decoded.wire.read_request(other, False))
    found = events(recording)
    if found:
        place = data.draw(st.integers(0, len(found) - 1))
        found[place] = spoiled(found[place], data.draw(st.sampled_from(list(places(found[place])))), junk)
        answer(decoded.wire, asked, found, recording)
