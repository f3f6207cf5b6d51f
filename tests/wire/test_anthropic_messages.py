"""Anthropic's messages and completions, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_llm.record import Failure, Request, Response, Usage
from otel_llm.wire import anthropic_complete, anthropic_messages, catalog, exchange, providers
from otel_llm.wire.protocol import Answer, Ask, Wire

HELLO = {"model": "claude-sonnet-5", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
VERTEX = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-5@20260101"
CHAT = Request(operation="chat")


def ask(body: Any, path: str = "/v1/messages", host: str = "api.anthropic.com", **headers: str) -> Ask:
    return Ask(method="POST", host=host, path=path, headers=headers, body=body)


def recognised(asked: Ask) -> tuple[str, str] | None:
    wire = catalog.recognise(asked, catalog.candidates("POST", asked.path))
    if wire is None:
        return None
    return wire.name, wire.read_request(asked, False).provider or providers.provider_of(asked, wire)


def read(body: Any, wire: Wire = anthropic_messages.WIRE) -> Response:
    return exchange.read_response(wire, CHAT, Answer(status=200, body=body), content=True)


def streamed(*events: dict[str, Any], content: bool = True, wire: Wire = anthropic_messages.WIRE) -> Response:
    """The response of these server-sent events."""
    body = b"".join(f"event: {one.get('type')}\ndata: {json.dumps(one)}\n\n".encode() for one in events)
    reader = exchange.Reader(wire, CHAT, 200, {"content-type": "text/event-stream"}, content)
    reader.feed(body)
    return reader.finish()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param(ask(HELLO), ("anthropic_messages", "anthropic"), id="Anthropic"),
        pytest.param(
            ask(HELLO, "/anthropic/v1/messages", "example.services.ai.azure.com"),
            ("anthropic_messages", "azure.ai.inference"),
            id="Foundry",
        ),
        pytest.param(
            ask(HELLO, "/router/v2/anthropic/v1/messages", "gateway.example"),
            ("anthropic_messages", "anthropic"),
            id="a gateway puts a prefix before it",
        ),
        pytest.param(
            ask(
                {**HELLO, "anthropic_version": "vertex-2023-10-16"},
                f"{VERTEX}:rawPredict",
                "aiplatform.googleapis.com",
            ),
            ("anthropic_messages", "gcp.vertex_ai"),
            id="Vertex",
        ),
        pytest.param(
            ask(
                {"messages": [], "anthropic_version": "vertex-2023-10-16"},
                f"{VERTEX}:streamRawPredict",
                "localhost",
            ),
            ("anthropic_messages", "gcp.vertex_ai"),
            id="Vertex, streaming, behind a proxy",
        ),
        pytest.param(
            ask(
                {"model": "mistral-large", "messages": [{"role": "user", "content": "hi"}]},
                "/v1/projects/p/locations/l/publishers/mistralai/models/mistral-large:rawPredict",
                "us-central1-aiplatform.googleapis.com",
            ),
            ("openai_chat", "gcp.vertex_ai"),
            id="Mistral has the same path on Vertex",
        ),
        pytest.param(
            ask({"model": "m", "messages": ["broken"], "max_tokens": 1}),
            ("anthropic_messages", "anthropic"),
            id="a call that will be refused is a call",
        ),
        pytest.param(
            ask({"model": "m", "messages": []}, **{"anthropic-version": "2023-06-01"}),
            ("anthropic_messages", "anthropic"),
            id="without the limit, but with the version",
        ),
        pytest.param(
            ask({"model": "claude-2.1", "prompt": "x", "max_tokens_to_sample": 5}, "/v1/complete"),
            ("anthropic_complete", "anthropic"),
            id="completions",
        ),
        pytest.param(
            ask({"role": "user", "content": "x"}, "/v1/threads/t/messages"), None, id="a thread's message"
        ),
        pytest.param(ask({"messages": [{"to": "x", "text": "sms"}]}), None, id="somebody else's messages"),
        pytest.param(ask({"model": "m", "messages": []}), None, id="nothing that says Anthropic"),
        pytest.param(ask(None), None, id="no body"),
        pytest.param(ask(HELLO, "/v1/messages/count_tokens"), None, id="counting is no call"),
        pytest.param(
            ask(HELLO, VERTEX.rpartition("/")[0] + "/count-tokens:rawPredict"),
            None,
            id="nor is counting on Vertex",
        ),
        pytest.param(ask({"requests": []}, "/v1/messages/batches"), None, id="nor a batch"),
        pytest.param(ask({"prompt": "x"}, "/v1/complete"), None, id="somebody else's completion"),
    ],
)
def test_a_call_is_recognised_by_its_path_and_body(asked: Ask, expected: tuple[str, str] | None) -> None:
    assert recognised(asked) == expected


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"temperature": 0, "top_p": 0.5, "top_k": 3}, {"temperature": 0.0, "top_p": 0.5, "top_k": 3}),
        ({"stop_sequences": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"stop_sequences": []}, {"stop_sequences": None}),
        ({"stream": True}, {"stream": True}),
        ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}),
        ({"service_tier": "auto"}, {"service_tier": None}),
        (
            {"output_config": {"effort": "xhigh"}, "thinking": {"type": "adaptive"}},
            {"reasoning_level": "xhigh"},
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning_level": "enabled"}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_level": "disabled"}),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, {"output_type": "json"}),
        ({"output_format": {"type": "json_schema", "schema": {}}}, {"output_type": "json"}),
        ({"system": "be brief"}, {"system_instructions": [{"type": "text", "content": "be brief"}]}),
        (
            {
                "system": [
                    {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
                    {"type": "image"},
                ]
            },
            {"system_instructions": [{"type": "text", "content": "a"}]},
        ),
        (
            {
                "tools": [
                    {"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": {}}
                ]
            },
            {
                "tool_definitions": [
                    {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
                ]
            },
        ),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]},
            {"tool_definitions": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]},
        ),
        (
            {
                "mcp_servers": [{"name": "s", "url": "https://x", "authorization_token": "secret"}],
                "tools": [],
            },
            {"tool_definitions": None},
        ),
    ],
)
def test_a_request_says_what_was_sent(extra: dict[str, Any], expected: dict[str, Any]) -> None:
    request = anthropic_messages.read_request(ask({**HELLO, **extra}), True)
    assert (request.operation, request.model, request.max_tokens) == ("chat", "claude-sonnet-5", 16)
    assert {name: getattr(request, name) for name in expected} == expected


def test_on_vertex_the_path_has_the_model_and_says_whether_it_streams() -> None:
    body = {"anthropic_version": "vertex-2023-10-16", "messages": []}
    request = anthropic_messages.read_request(ask(body, f"{VERTEX}:streamRawPredict"), False)
    assert (request.model, request.stream) == ("claude-sonnet-5@20260101", True)


TEXT = {"type": "text", "content": "a"}


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ({"type": "text", "text": "a"}, [TEXT]),
        ({"type": "text", "text": ""}, []),
        (
            {"type": "text", "text": "a", "citations": [{"type": "x", "url": "u", "encrypted_index": "zzz"}]},
            [{**TEXT, "citations": [{"type": "x", "url": "u"}]}],
        ),
        ({"type": "thinking", "thinking": "hm", "signature": "s"}, [{"type": "reasoning", "content": "hm"}]),
        (
            {"type": "redacted_thinking", "data": "zzz"},
            [{"type": "reasoning", "content": "", "redacted": True}],
        ),
        (
            {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
            [{"type": "tool_call", "id": "t", "name": "f", "arguments": {"x": 1}}],
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": "42"},
            [{"type": "tool_call_response", "id": "t", "response": "42"}],
        ),
        (
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "is_error": True,
                "content": [{"type": "text", "text": "a"}],
            },
            [{"type": "tool_call_response", "id": "t", "response": [TEXT], "is_error": True}],
        ),
        (
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
            [
                {
                    "type": "server_tool_call",
                    "id": "s",
                    "name": "web_search",
                    "server_tool_call": {"type": "web_search", "input": {"query": "q"}},
                }
            ],
        ),
        (
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s",
                "content": [{"type": "web_search_result", "url": "u", "encrypted_content": "zzz"}],
            },
            [
                {
                    "type": "server_tool_call_response",
                    "id": "s",
                    "server_tool_call_response": {
                        "type": "web_search_tool_result",
                        "content": [{"type": "web_search_result", "url": "u"}],
                    },
                }
            ],
        ),
        (
            {
                "type": "web_fetch_tool_result",
                "tool_use_id": "s",
                "content": {
                    "type": "web_fetch_result",
                    "content": {
                        "type": "document",
                        "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
                    },
                },
            },
            [
                {
                    "type": "server_tool_call_response",
                    "id": "s",
                    "server_tool_call_response": {
                        "type": "web_fetch_tool_result",
                        "content": {
                            "type": "web_fetch_result",
                            "content": [
                                {
                                    "type": "blob",
                                    "modality": "document",
                                    "mime_type": "application/pdf",
                                    "content": "QQ==",
                                }
                            ],
                        },
                    },
                }
            ],
        ),
        (
            {"type": "mcp_tool_use", "id": "m", "name": "f", "server_name": "srv", "input": {}},
            [
                {
                    "type": "server_tool_call",
                    "id": "m",
                    "name": "f",
                    "server_tool_call": {"type": "mcp_tool_use", "server_name": "srv", "input": {}},
                }
            ],
        ),
        (
            {"type": "mcp_tool_result", "tool_use_id": "m", "is_error": True, "content": "no"},
            [
                {
                    "type": "server_tool_call_response",
                    "id": "m",
                    "server_tool_call_response": {
                        "type": "mcp_tool_result",
                        "content": "no",
                        "is_error": True,
                    },
                }
            ],
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}},
            [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": "QQ=="}],
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}},
            [{"type": "uri", "modality": "image", "uri": "https://x/a.png"}],
        ),
        (
            {"type": "document", "source": {"type": "file", "file_id": "f1"}},
            [{"type": "file", "modality": "document", "file_id": "f1"}],
        ),
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}, [TEXT]),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
            [TEXT],
        ),
        (
            {"type": "container_upload", "file_id": "f1"},
            [{"type": "file", "modality": "document", "file_id": "f1"}],
        ),
        ({"type": "compaction", "content": "before"}, [{"type": "compaction", "content": "before"}]),
        (
            {"type": "search_result", "source": "u", "title": "t", "content": [], "cache_control": {}},
            [{"type": "search_result", "source": "u", "title": "t", "content": []}],
        ),
        ({"no": "type"}, []),
        (None, []),
    ],
)
def test_a_block_becomes_parts(block: Any, parts: list[dict[str, Any]]) -> None:
    request = anthropic_messages.read_request(
        ask({**HELLO, "messages": [{"role": "user", "content": [block]}]}), True
    )
    assert request.input_messages == [{"role": "user", "parts": parts}]
    assert read({"role": "assistant", "content": [block], "stop_reason": "end_turn"}).output_messages == [
        {"role": "assistant", "parts": parts, "finish_reason": "stop"}
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_call"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
        ("compaction", "compaction"),
        ("a_new_one", "a_new_one"),
        (None, "error"),
    ],
)
def test_a_finish_reason_has_the_conventions_word(word: str | None, reason: str) -> None:
    assert read({"role": "assistant", "content": [], "stop_reason": word}).finish_reasons == [reason]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({}, Usage(), id="silence is not zero"),
        pytest.param({"input_tokens": 0, "output_tokens": 0}, Usage(input=0, output=0), id="zero is kept"),
        pytest.param(
            {
                "input_tokens": 3,
                "cache_read_input_tokens": 20,
                "cache_creation_input_tokens": 100,
                "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
                "output_tokens": 7,
                "output_tokens_details": {"thinking_tokens": 5},
            },
            Usage(input=123, output=7, cache_read=20, cache_write=100, cache_write_1h=40, reasoning=5),
            id="input has what was cached",
        ),
        pytest.param(
            {
                "input_tokens": 220,
                "output_tokens": 8,
                "iterations": [
                    {"type": "compaction", "input_tokens": 55196, "output_tokens": 125},
                    {"type": "message", "input_tokens": 220, "output_tokens": 8},
                    {"type": "advisor_message", "model": "other", "input_tokens": 9, "output_tokens": 9},
                ],
            },
            Usage(input=55416, output=133),
            id="a compaction is billed beside the message, an adviser is another model",
        ),
        pytest.param(
            {"input_tokens": None, "output_tokens": "7"}, Usage(), id="what is no count is not said"
        ),
    ],
)
def test_usage_is_what_the_provider_said(usage: dict[str, Any], expected: Usage) -> None:
    assert read({"role": "assistant", "content": [], "usage": usage}).usage == expected


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "model": "claude-sonnet-5-20260101",
        "role": "assistant",
        "content": [],
        "usage": {
            "input_tokens": 10,
            "output_tokens": 1,
            "cache_read_input_tokens": 5,
            "service_tier": "standard",
        },
    },
}
END = {
    "type": "message_delta",
    "delta": {"stop_reason": "tool_use"},
    "usage": {"input_tokens": 30, "output_tokens": 9},
}


def began(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **said: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": said}


EVENTS: list[dict[str, Any]] = [
    START,
    {"type": "ping"},
    began(0, {"type": "thinking", "thinking": ""}),
    delta(0, type="thinking_delta", thinking="h"),
    delta(0, type="thinking_delta", thinking="m"),
    delta(0, type="signature_delta", signature="zzz"),
    {"type": "content_block_stop", "index": 0},
    began(1, {"type": "text", "text": ""}),
    delta(1, type="text_delta", text="he"),
    began(2, {"type": "tool_use", "id": "t", "name": "f", "input": {}}),
    delta(2, type="input_json_delta", partial_json='{"a": '),
    delta(1, type="text_delta", text="y"),
    delta(1, type="citations_delta", citation={"url": "u"}),
    delta(2, type="input_json_delta", partial_json="1}"),
    began(3, {"type": "tool_use", "id": "t2", "name": "g", "input": {}}),
    began(4, {"type": "compaction"}),
    delta(4, type="compaction_delta", content="before"),
    END,
    {"type": "message_stop"},
]


def test_a_stream_is_the_message_that_it_makes_up() -> None:
    response = streamed(*EVENTS)
    assert (response.id, response.model) == ("msg_1", "claude-sonnet-5-20260101")
    assert response.finish_reasons == ["tool_call"]
    assert response.service_tier == "standard"
    assert response.conversation_compacted
    assert response.usage == Usage(input=35, output=9, cache_read=5), "the last count is the whole count"
    assert response.output_messages == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "hey", "citations": [{"url": "u"}]},
                {"type": "tool_call", "id": "t", "name": "f", "arguments": {"a": 1}},
                {"type": "tool_call", "id": "t2", "name": "g", "arguments": {}},
                {"type": "compaction", "content": "before"},
            ],
            "finish_reason": "tool_call",
        }
    ]


def test_a_stream_without_content_says_all_but_content() -> None:
    response = streamed(*EVENTS, content=False)
    assert response.output_messages is None
    assert response.conversation_compacted
    assert response.finish_reasons == ["tool_call"]
    assert response.usage == Usage(input=35, output=9, cache_read=5)


def test_a_stream_that_is_cut_says_what_came() -> None:
    response = streamed(START, began(0, {"type": "text", "text": ""}), delta(0, type="text_delta", text="he"))
    assert response.finish_reasons == ["error"]
    assert response.usage == Usage(input=15, output=1, cache_read=5)
    assert response.output_messages == [
        {"role": "assistant", "parts": [{"type": "text", "content": "he"}], "finish_reason": "error"}
    ]


def test_an_error_inside_a_stream_is_the_calls_failure() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    response = streamed(START, error)
    assert response.failure == Failure("overloaded_error", "Overloaded")
    assert response.finish_reasons == ["error"]
    assert streamed(error).finish_reasons is None


def test_a_stream_of_endless_blocks_is_bounded() -> None:
    fold = anthropic_messages.Fold(True)
    for index in range(5000):
        fold.add("", began(index, {"type": "text", "text": "x" * 1000}))
        fold.add("", delta(index, type="text_delta", text="y" * 1000))
    kept = fold.body()["content"]
    assert len(kept) == 1024
    assert sum(len(str(one)) for one in kept) < 1_300_000


def test_a_completion_is_read_plain_and_streamed() -> None:
    wire = anthropic_complete.WIRE
    request = wire.read_request(
        ask({"model": "claude-2.1", "prompt": "p", "max_tokens_to_sample": 5, "stream": True}), True
    )
    assert (request.operation, request.model, request.max_tokens) == ("text_completion", "claude-2.1", 5)
    assert request.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "p"}]}]
    whole = read(
        {"id": "c", "model": "claude-2.1", "completion": " hey", "stop_reason": "stop_sequence"}, wire
    )
    assert whole.finish_reasons == ["stop"]
    pieces: list[dict[str, Any]] = [
        {"type": "completion", "id": "c", "model": "claude-2.1", "completion": " h", "stop_reason": None},
        {"type": "ping"},
        {
            "type": "completion",
            "id": "c",
            "model": "claude-2.1",
            "completion": "ey",
            "stop_reason": "stop_sequence",
        },
    ]
    assert streamed(*pieces, wire=wire) == whole
    assert streamed(*pieces[:1], wire=wire).finish_reasons == ["error"]
