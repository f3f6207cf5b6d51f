"""All recorded calls of OpenAI's protocols: what they used, fed byte by byte, with any type anywhere."""

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

from otel_llm.record import NO_USAGE
from otel_llm.wire import catalog, exchange
from otel_llm.wire.protocol import Answer, Ask, Wire
from otel_llm.wire.providers import provider_of
from tests import corpus
from tests.corpus import Recording

OPERATIONS = {
    "chat_completions",
    "responses",
    "completions",
    "embeddings",
    "images",
    "images_edits",
    "moderations",
}
AUDIO = ("/audio/speech", "/audio/transcriptions")
PROVIDERS = {
    "anthropic": "anthropic",
    "avian": "avian",
    "aws_bedrock_mantle": "aws.bedrock",
    "azure_ai_inference": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "cohere": "cohere",
    "crusoe": "crusoe",
    "deepseek": "deepseek",
    "gateway": "openai",
    "gemini": "gcp.gemini",
    "gpustack": "openai",
    "groq": "groq",
    "heroku": "heroku",
    "huggingface": "huggingface",
    "litellm_proxy": "openai",
    "llamacpp": "openai",
    "mistral": "mistral_ai",
    "ollama": "ollama",
    "openai": "openai",
    "openrouter": "openrouter",
    "portkey": "portkey",
    "together": "together_ai",
    "vercel_gateway": "vercel_ai_gateway",
    "vllm": "openai",
    "voyage": "voyage_ai",
    "xai": "x_ai",
}
"""What recordings call a provider, and what we call it: the host decides, and an unknown one is of its flavour."""


def ours(recording: Recording) -> bool:
    path = recording.url.partition("?")[0]
    if recording.method == "GET":
        return "/responses/resp_" in path
    return recording.operation in OPERATIONS or path.endswith(AUDIO)


CALLS = [one for one in corpus.recordings() if ours(one)]
STREAMS = [one for one in CALLS if one.status == 200 and one.response_body.lstrip()[:1] in {b"d", b"e", b":"}]


def called(recordings: list[Recording]) -> list[Any]:
    return [pytest.param(one, id=one.id) for one in recordings]


def events(recording: Recording) -> list[Any]:
    """All JSON values that an answer is made of, the plain way."""
    if recording in STREAMS:
        lines = recording.response_body.decode().splitlines()
        data = [line[5:].strip() for line in lines if line.startswith("data:")]
        return [json.loads(one) for one in data if one != "[DONE]"]
    try:
        return [json.loads(recording.response_body)]
    except ValueError:
        return []


def stated_usage(recording: Recording) -> dict[str, Any]:
    """The last usage that the provider said, wherever it said it."""
    said: dict[str, Any] = {}
    for event in events(recording):
        for holder in (event, event.get("response"), event.get("x_groq")):
            if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
                said = holder["usage"]
    return said


def test_recordings_are_at_hand() -> None:
    assert len(CALLS) > 10
    assert STREAMS


@pytest.mark.parametrize("recording", called(CALLS))
def test_usage_is_what_the_provider_said(recording: Recording) -> None:
    found = corpus.decode(recording)
    assert found is not None
    usage, said = found.response.usage, stated_usage(recording)
    if recording.method == "GET" or said.get("type") == "duration" or not said:
        assert usage == NO_USAGE
        return
    asked = said.get("prompt_tokens", said.get("input_tokens"))
    made = said.get("completion_tokens", said.get("output_tokens"))
    total = said.get("total_tokens")
    details_in = said.get("prompt_tokens_details") or said.get("input_tokens_details") or {}
    details_in = details_in or said.get("input_token_details") or {}
    details_out = said.get("completion_tokens_details") or said.get("output_tokens_details") or {}
    thoughts = details_out.get("reasoning_tokens")
    if made is None:  # embeddings
        assert usage.input == (asked if asked is not None else total)
        assert usage.output is None
    elif (
        "market_cost" in said and (thoughts or 0) > made
    ):  # Vercel: its cost proves that thoughts come on top
        assert (usage.input, usage.output) == (asked, made + thoughts)
    else:
        assert (usage.input or 0) + (usage.output or 0) == total, "input and output are all that was counted"
        if total == asked + made:
            assert (usage.input, usage.output) == (asked, made)
        elif recording.provider == "mistral":
            assert (usage.input, usage.output) == (asked + details_in["audio_tokens"], made)
        else:
            assert (usage.input, usage.output) == (asked, total - asked)
            assert recording.provider in {"xai", "gemini"}
    cached = [
        details_in.get("cached_tokens"),
        said.get("prompt_cache_hit_tokens"),
        said.get("cached_tokens"),
        said.get("num_cached_tokens"),
    ]
    assert usage.cache_read == next((one for one in cached if one is not None), None)
    assert usage.cache_write == details_in.get("cache_write_tokens", said.get("cache_creation_input_tokens"))
    assert usage.reasoning == thoughts
    assert (usage.text_input, usage.image_input) == (
        details_in.get("text_tokens"),
        details_in.get("image_tokens"),
    )
    assert usage.audio_input == details_in.get("audio_tokens")
    if "cost" in said:
        assert found.response.cost == said["cost"]


@pytest.mark.parametrize("recording", called(CALLS))
def test_a_recorded_call_is_read_for_sense(recording: Recording) -> None:
    found = corpus.decode(recording)
    assert found is not None
    request, response, body = found.request, found.response, found.ask.body or {}
    assert provider_of(found.ask, found.wire) == PROVIDERS[recording.provider]
    if "model" in body:
        assert request.model == body["model"]
    if "/deployments/" in recording.url:
        assert request.model
    if recording.status >= 400:
        assert response.failure is not None
        assert response.failure.type
        assert response.failure.message
        return
    in_body = any(isinstance(one, dict) and one.get("error") for one in events(recording))
    assert (response.failure is not None) == (in_body and recording.method == "POST")
    if recording.operation not in {"chat_completions", "responses", "completions"}:
        return
    last = events(recording)[-1]
    whole = last.get("response", last)
    if recording not in STREAMS or "response" in last:
        assert response.id == whole["id"]
        assert response.model == whole["model"]
    assert len(request.input_messages or ()) <= len(body.get("messages") or body.get("input") or "x")
    if "messages" in body:
        assert len(request.input_messages or ()) == len(body["messages"])
        assert [one["role"] for one in request.input_messages or ()] == [
            one["role"] for one in body["messages"]
        ]
    if body.get("instructions"):
        assert request.system_instructions
    if body.get("tools"):
        assert len(request.tool_definitions or ()) == len(body["tools"])
        assert all(one["name"] for one in request.tool_definitions or ())


@pytest.mark.parametrize(
    "recording", called([one for one in CALLS if one.status == 200 and one.operation == "chat_completions"])
)
def test_nothing_of_a_chat_answer_is_dropped(recording: Recording) -> None:
    """Texts, thoughts and calls of each choice, gathered without our decoders."""
    found = corpus.decode(recording)
    assert found is not None
    texts: dict[int, str] = {}
    thoughts: dict[int, str] = {}
    calls: dict[int, dict[int, list[str]]] = {}
    reasons: dict[int, Any] = {}
    for event in events(recording):
        for choice in event.get("choices") or []:
            index = choice.get("index", 0)
            said = choice.get("delta") or choice.get("message") or {}
            reasons[index] = choice.get("finish_reason") or reasons.get(index)
            content = said.get("content") or ""
            if isinstance(content, list):
                thoughts[index] = thoughts.get(index, "") + "".join(
                    piece["text"] for one in content for piece in one.get("thinking", ())
                )
                content = "".join(one.get("text", "") for one in content)
            texts[index] = texts.get(index, "") + content
            thought = said.get("reasoning_content") or said.get("reasoning") or ""
            if not thought:
                thought = "".join(one.get("summary") or "" for one in said.get("reasoning_details") or ())
            thoughts[index] = thoughts.get(index, "") + thought
            for place, call in enumerate(said.get("tool_calls") or []):
                made = call.get("function") or call["custom"]
                known = calls.setdefault(index, {}).setdefault(call.get("index", place), ["", ""])
                known[0] += made.get("name") or ""
                known[1] += (made.get("arguments") or made.get("input")) or ""
            if legacy := said.get("function_call"):
                known = calls.setdefault(index, {}).setdefault(0, ["", ""])
                known[0] += legacy.get("name") or ""
                known[1] += legacy.get("arguments") or ""
    answers = found.response.output_messages or []
    assert len(answers) == len(texts)
    for index, answer in zip(sorted(texts), answers, strict=True):
        parts = answer["parts"]
        assert "".join(one["content"] for one in parts if one["type"] == "text") == texts[index]
        assert "".join(one["content"] for one in parts if one["type"] == "reasoning") == thoughts[index]
        named = [(one["name"], one["arguments"]) for one in parts if one["type"] == "tool_call"]
        said_calls = calls.get(index, {}).values()
        assert [(name, given or {}) for name, given in named] == [
            (name, json.loads(arguments) if arguments[:1] == "{" else arguments or {})
            for name, arguments in said_calls
        ]
        words = {"tool_calls": "tool_call", "function_call": "tool_call", "eos": "stop", None: "error"}
        assert answer["finish_reason"] == words.get(reasons[index], reasons[index])


@pytest.mark.parametrize(
    "recording", called([one for one in CALLS if one.status == 200 and one.operation == "responses"])
)
def test_nothing_of_a_response_is_dropped(recording: Recording) -> None:
    found = corpus.decode(recording)
    assert found is not None
    last = events(recording)[-1]
    items = last.get("response", last)["output"]
    parts = [one for answer in found.response.output_messages or () for one in answer["parts"]]
    said = [one["text"] for item in items if item["type"] == "message" for one in item["content"]]
    assert [one["content"] for one in parts if one["type"] == "text"] == [one for one in said if one]
    thoughts = [
        one["text"]
        for item in items
        if item["type"] == "reasoning"
        for one in (item.get("content") or []) + item["summary"]
    ]
    assert [one["content"] for one in parts if one["type"] == "reasoning"] == thoughts
    kinds = [item["type"] for item in items]
    asked = [one for one in kinds if one in {"function_call", "custom_tool_call"}]
    searched = [one for one in items if one["type"] == "tool_search_call" and one["execution"] == "client"]
    assert sum(one["type"] == "tool_call" for one in parts) == len(asked) + len(searched)
    ran = [
        one
        for one in items
        if one["type"].endswith("_call") and one["type"] not in asked and one not in searched
    ]
    assert sum(one["type"] == "server_tool_call" for one in parts) == len(ran)
    assert sum(one["type"] == "compaction" for one in parts) == kinds.count("compaction")
    waits = bool(asked or searched)
    status = last.get("response", last)["status"]
    expected = {"completed": "tool_call" if waits else "stop", "incomplete": "length", "failed": "error"}
    assert found.response.finish_reasons == ([expected[status]] if status in expected else None)


@pytest.mark.parametrize("recording", called(CALLS))
def test_without_content_only_content_is_missing(recording: Recording) -> None:
    full, bare = corpus.decode(recording), corpus.decode(recording, content=False)
    assert full is not None
    assert bare is not None
    content = {"input_messages", "output_messages", "system_instructions", "tool_definitions"}
    for whole, part in ((full.request, bare.request), (full.response, bare.response)):
        for name in part.__struct_fields__:
            if name != "failure":
                assert getattr(part, name) == (None if name in content else getattr(whole, name)), name


@pytest.mark.parametrize("recording", called(STREAMS))
def test_a_stream_fed_byte_by_byte_gives_the_same_record(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = corpus.decode(recording)
    monkeypatch.setattr(exchange, "_BATCH", 8)
    body = recording.response_body
    assert corpus.decode(recording, cuts=[body[at : at + 1] for at in range(len(body))]) == whole


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1 << 70,
        math.inf,
        0.5,
        "",
        "x",
        "7",
        [],
        [[]],
        [None],
        ["x"],
        [{}],
        {},
        {"x": {}},
        {"type": 1},
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to each value inside a value, and to itself."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:8]):
            yield from places(inner, (*path, index))


def spoiled(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    made = copy.copy(value)
    made[path[0]] = spoiled(made[path[0]], path[1:], junk)
    return made


def read_all(wire: Wire, ask: Ask, answer: Any, folded: list[Any]) -> None:
    """Everything that happens to a call, with content and without; what comes out can be sent."""
    for content in (True, False):
        request = wire.read_request(ask, content)
        msgspec.json.encode(request)
        bodies = [answer]
        if wire.sparse and isinstance(answer, dict):
            bodies.append({key: msgspec.Raw(json.dumps(value).encode()) for key, value in answer.items()})
        if wire.fold is not None:
            fold = wire.fold(content)
            for event in folded:
                fold.add("", event)
            bodies.append(fold.body())
        for body in bodies:
            response = exchange.read_response(wire, request, Answer(status=200, body=body), content)
            msgspec.json.encode(response)
            usage = response.usage
            for name in ("input", "output", "cache_read", "cache_write", "reasoning"):
                count = getattr(usage, name)
                assert count is None or (type(count) is int and count >= 0)
            assert all(type(one) is str for one in response.finish_reasons or ())


@pytest.mark.parametrize("recording", called([one for one in CALLS if len(one.request_body) < 20_000]))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_type_in_any_field_is_read_without_an_exception(
    recording: Recording, data: st.DataObject
) -> None:
    decoded = corpus.decode(recording)
    assert decoded is not None
    asked = decoded.ask.body
    asked = spoiled(asked, data.draw(st.sampled_from(list(places(asked)))), data.draw(JUNK))
    ask = msgspec.structs.replace(decoded.ask, body=asked)
    for row in catalog.candidates(ask.method, ask.path):
        assert row.fits(ask) in {True, False}
    listed = events(recording) or [{}]
    at = data.draw(st.integers(0, len(listed) - 1))
    listed[at] = spoiled(listed[at], data.draw(st.sampled_from(list(places(listed[at])))), data.draw(JUNK))
    read_all(decoded.wire, ask, listed[0], listed)


KEYS = st.sampled_from(
    [
        "type",
        "role",
        "content",
        "text",
        "output",
        "input",
        "choices",
        "message",
        "delta",
        "tool_calls",
        "function",
        "arguments",
        "index",
        "usage",
        "id",
        "call_id",
        "output_index",
        "item",
        "response",
        "status",
        "error",
        "reasoning",
        "summary",
        "thinking",
        "annotations",
        "audio",
        "images",
        "prompt",
        "data",
        "prompt_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "cached_tokens",
        "action",
        "result",
        "name",
    ]
)
WORDS = st.sampled_from(
    [
        "message",
        "reasoning",
        "function_call",
        "web_search_call",
        "thinking",
        "text",
        "input_audio",
        "file",
        "image_url",
        "refusal",
        "response.created",
        "response.completed",
        "response.output_item.added",
        "response.output_text.delta",
        "error",
        "completed",
        "data:",
        "assistant",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
WIRES = sorted(
    {row.wire for rows in catalog.ROWS.values() for row in rows if row.wire.name.startswith("openai")}
    | {row.wire for row in catalog.FETCHES["responses"]},
    key=lambda wire: wire.name,
)


@pytest.mark.parametrize("wire", WIRES, ids=[wire.name for wire in WIRES])
@settings(max_examples=150, deadline=None)
@given(body=ANYTHING, folded=st.lists(ANYTHING, max_size=4))
def test_nonsense_is_read_without_an_exception(wire: Wire, body: Any, folded: list[Any]) -> None:
    ask = Ask(method="POST", host="h", path="/x", body=body)
    for rows in catalog.ROWS.values():
        for row in rows:
            if row.wire is wire:
                assert row.fits(ask) in {True, False}
    read_all(wire, ask, body, folded)
