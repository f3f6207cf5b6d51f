"""All recorded calls of Anthropic and Bedrock: what they used, cut anywhere, broken anywhere, with any type anywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]  # botocore has no types
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.record import Usage
from otel_llm.wire import catalog, exchange
from otel_llm.wire.event_stream import EventStream
from otel_llm.wire.protocol import Answer, Ask, Wire
from tests import corpus, hostile
from tests.corpus import Recording

OURS = [
    one
    for one in corpus.recordings()
    if one.provider in {"anthropic", "aws_bedrock", "aws_bedrock_agent"} or one.operation.endswith("messages")
]
LEFT_ALONE = {"apply_guardrail", "chat_completions", "count_tokens", "other"}
"""Operations that are no call of a model, or another protocol."""
CALLS = [one for one in OURS if one.operation not in LEFT_ALONE]
STREAMS = [one for one in CALLS if one.stream and one.status == 200]
BINARY = [one for one in CALLS if "eventstream" in one.response_headers.get("content-type", "")]


def called(recordings: list[Recording]) -> list[Any]:
    return [pytest.param(one, id=one.id) for one in recordings]


def frames(body: bytes) -> list[tuple[str, bytes]]:
    """The events of a binary stream, as AWS's own SDK cuts them."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [(one.headers.get(":event-type", ""), one.payload) for one in buffer]


def events(recording: Recording) -> Iterator[dict[str, Any]]:
    """All JSON objects that an answer is made of, the plain way."""
    if recording in BINARY:
        for name, payload in frames(recording.response_body):
            event = json.loads(payload)
            wrapped = "bytes" in event and recording.operation == "invoke_model"
            yield json.loads(base64.b64decode(event["bytes"])) if wrapped else {name: event}
    elif recording in STREAMS:
        for line in recording.response_body.decode().splitlines():
            if line.startswith("data:"):
                yield json.loads(line[5:])
    else:
        yield json.loads(recording.response_body)


def naive_usage(recording: Recording) -> Usage:
    """What the provider said, read without our decoders: the last word on each count stands.

    Both providers leave cached tokens out of their input; a compaction is counted beside the answer that it made room
    for.
    """
    said: dict[str, int] = {}
    extra = [0, 0]
    for event in events(recording):
        for usage in (
            event.get("usage"),
            event.get("message", {}).get("usage") if isinstance(event.get("message"), dict) else None,
            event.get("metadata", {}).get("usage"),
        ):
            for key, value in (usage or {}).items():
                if isinstance(value, int):
                    said[key] = value
                if key == "cache_creation":
                    said["hourly"] = value["ephemeral_1h_input_tokens"]
                if key == "output_tokens_details":
                    said["thinking_tokens"] = value["thinking_tokens"]
                if key == "iterations":
                    compactions = [one for one in value if one["type"] == "compaction"]
                    extra = [sum(one[f"{way}_tokens"] for one in compactions) for way in ("input", "output")]
        for key in (
            "prompt_token_count",
            "generation_token_count",
            "inputTextTokenCount",
            "totalOutputTextTokenCount",
        ):
            if key in event:
                said[key] = int(event[key])
        if "inputTokenCount" in event.get("amazon-bedrock-invocationMetrics", {}):
            metrics = event["amazon-bedrock-invocationMetrics"]
            for key in ("inputTokenCount", "outputTokenCount"):
                said.setdefault(key, metrics[key])
    for key, value in recording.response_headers.items():
        if key.startswith("x-amzn-bedrock-") and key.endswith("-token-count"):
            said.setdefault(key.removeprefix("x-amzn-bedrock-"), int(value))

    def first(*names: str) -> int | None:
        return next((said[name] for name in names if name in said), None)

    fresh = first("input_tokens", "inputTokens", "prompt_tokens", "prompt_token_count", "inputTextTokenCount")
    fresh = first("inputTokenCount", "input-token-count") if fresh is None else fresh
    made = first("output_tokens", "outputTokens", "completion_tokens", "generation_token_count")
    made = (
        first("totalOutputTextTokenCount", "outputTokenCount", "output-token-count") if made is None else made
    )
    read = first("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount")
    write = first("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    return Usage(
        input=None if fresh is None else fresh + (read or 0) + (write or 0) + extra[0],
        output=None if made is None else made + extra[1],
        cache_read=read,
        cache_write=write,
        cache_write_1h=first("hourly"),
        reasoning=first("thinking_tokens"),
    )


@pytest.mark.parametrize("recording", called(CALLS))
def test_usage_is_what_the_provider_said(recording: Recording) -> None:
    found = corpus.decode(recording)
    assert found is not None
    expected = naive_usage(recording) if recording.status == 200 else Usage()
    assert found.response.usage == expected
    total = next(
        (e["usage"].get("totalTokens") for e in events(recording) if isinstance(e.get("usage"), dict)), None
    )
    if total is not None and recording.status == 200:
        assert (expected.input or 0) + (expected.output or 0) == total


@pytest.mark.parametrize("recording", called(CALLS))
def test_a_recorded_call_is_read_for_sense(recording: Recording) -> None:
    found = corpus.decode(recording)
    assert found is not None
    request, response = found.request, found.response
    path = urlsplit(recording.url).path
    body = found.ask.body if isinstance(found.ask.body, dict) else {}
    if request.operation not in {"invoke_agent", "retrieval"}:
        assert request.model
        assert request.model in path.replace("%3A", ":").replace("%2F", "/") or request.model in json.dumps(
            body
        )
    if recording.provider.startswith("aws"):
        assert request.provider == "aws.bedrock"
    if recording.operation != "invoke_agent":  # always answers with a stream, asked for or not
        assert request.stream == recording.stream
    if recording.status >= 400:
        assert response.failure is not None
        assert response.failure.message
        assert response.failure.type != "_OTHER"
        return
    assert response.failure is None
    for one in response.finish_reasons or ():
        assert one in {"stop", "length", "tool_call", "content_filter", "error"}
        if one == "error":
            assert "truncated" in recording.features, "a reason came, and was not read"
    if request.operation in {"chat", "text_completion", "invoke_agent"}:
        assert response.output_messages is not None
        assert len(response.output_messages) == 1
        assert isinstance(response.output_messages[0]["parts"], list)
    if body.get("messages") and request.operation == "chat":
        assert len(request.input_messages or ()) == len(body["messages"])
        if recording.status == 200:
            assert all(one["parts"] for one in request.input_messages or ())
    if body.get("tools") or body.get("toolConfig"):
        assert request.tool_definitions
    if body.get("system"):
        assert request.system_instructions
    if "tool_calls" in recording.features:
        [answered] = response.output_messages or [{"parts": []}]
        calls = [part for part in answered["parts"] if part["type"] in {"tool_call", "server_tool_call"}]
        assert calls
        assert all(part["name"] for part in calls)
        assert all(isinstance(part["arguments"], dict) for part in calls if part["type"] == "tool_call")
    if "tool_result_in_request" in recording.features:
        results = [
            part for one in request.input_messages or () for part in one["parts"] if "response" in part
        ]
        assert results
        assert all(part["type"] == "tool_call_response" and part["id"] for part in results)


@pytest.mark.parametrize(
    "recording", called([one for one in OURS if one.operation in LEFT_ALONE - {"chat_completions"}])
)
def test_what_is_no_call_of_a_model_is_left_alone(recording: Recording) -> None:
    assert corpus.decode(recording) is None


@pytest.mark.parametrize("recording", called(CALLS))
def test_without_content_only_content_is_missing(recording: Recording) -> None:
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
        for name in part.__struct_fields__:
            expected = None if name in content else getattr(whole, name)
            if name == "failure":
                continue
            assert getattr(part, name) == expected, name


@pytest.mark.parametrize("recording", called(STREAMS))
def test_a_stream_fed_byte_by_byte_gives_the_same_record(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = corpus.decode(recording)
    monkeypatch.setattr(exchange, "_BATCH", 1)
    body = recording.response_body
    assert corpus.decode(recording, cuts=[body[at : at + 1] for at in range(len(body))]) == whole


@pytest.mark.parametrize("recording", called(BINARY))
def test_frames_are_those_that_the_sdk_of_aws_sees(recording: Recording) -> None:
    framer = EventStream()
    assert [*framer.feed(recording.response_body), *framer.flush()] == frames(recording.response_body)


@pytest.mark.parametrize("recording", called(BINARY[::6]))
def test_a_binary_stream_that_breaks_or_ends_early_gives_what_came_before(recording: Recording) -> None:
    body = recording.response_body
    true = frames(body)
    step = max(1, len(body) // 60)
    for at in range(0, len(body), step):
        broken = bytearray(body)
        broken[at] ^= 0xA5
        for damaged in (bytes(broken), body[:at]):
            framer = EventStream()
            seen = [*framer.feed(damaged), *framer.flush()]
            assert seen == true[: len(seen)]
            decoded = corpus.decode(recording, cuts=[damaged])
            assert decoded is not None
            for reason in decoded.response.finish_reasons or ():
                assert reason in {"stop", "length", "tool_call", "content_filter", "error"}


def read_all(wire: Wire, ask: Ask, answer: Answer, folded: list[tuple[str, Any]]) -> None:
    """Everything that happens to a call, with content and without; what comes out can be sent."""
    for content in (True, False):
        request = wire.read_request(ask, content)
        msgspec.json.encode(request)
        responses = [exchange.read_response(wire, request, answer, content)]
        if wire.fold is not None:
            fold = wire.fold(content)
            for name, event in folded:
                fold.add(name, event)
            body = fold.body()
            responses.append(exchange.read_response(wire, request, Answer(status=200, body=body), content))
        for response in responses:
            msgspec.json.encode(response)
            counts = [
                getattr(response.usage, name) for name in ("input", "output", "cache_read", "cache_write")
            ]
            assert all(count is None or type(count) is int for count in counts)
            assert all(type(one) is str for one in response.finish_reasons or ())


@pytest.mark.parametrize("recording", called([one for one in CALLS if len(one.request_body) < 20_000]))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_type_in_any_field_is_read_without_an_exception(
    recording: Recording, data: st.DataObject
) -> None:
    decoded = corpus.decode(recording)
    assert decoded is not None
    junk = data.draw(st.sampled_from(hostile.JUNK))
    asked = decoded.ask.body
    asked = hostile.spoiled(asked, data.draw(st.sampled_from(list(hostile.places(asked)))), junk)
    ask = msgspec.structs.replace(decoded.ask, body=asked)
    for row in catalog.candidates("POST", ask.path):
        assert row.fits(ask) in {True, False}
    answered: Any = None
    folded: list[tuple[str, Any]] = []
    if recording in BINARY:
        seen = frames(recording.response_body)
        place = data.draw(st.integers(0, len(seen) - 1))
        for index, (name, payload) in enumerate(seen):
            event = json.loads(payload)
            if index == place:
                if "bytes" in event and recording.operation == "invoke_model":
                    inner = json.loads(base64.b64decode(event["bytes"]))
                    inner = hostile.spoiled(
                        inner, data.draw(st.sampled_from(list(hostile.places(inner)))), junk
                    )
                    event["bytes"] = base64.b64encode(json.dumps(inner).encode()).decode()
                else:
                    event = hostile.spoiled(
                        event, data.draw(st.sampled_from(list(hostile.places(event)))), junk
                    )
            folded.append((name, event))
    else:
        listed = list(events(recording))
        place = data.draw(st.integers(0, len(listed) - 1))
        listed[place] = hostile.spoiled(
            listed[place], data.draw(st.sampled_from(list(hostile.places(listed[place])))), junk
        )
        answered = listed[0]
        folded = [("", one) for one in listed]
    read_all(decoded.wire, ask, Answer(status=200, headers=recording.response_headers, body=answered), folded)
