"""Bedrock: Converse, the models' own protocols behind invoke, agents and knowledge bases, field by field."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

import msgspec
import pytest

from otel_llm.record import Failure, Request, Response, Usage
from otel_llm.wire import (
    bedrock_agents,
    bedrock_converse,
    bedrock_invoke,
    bedrock_path,
    catalog,
    exchange,
    providers,
)
from otel_llm.wire.protocol import Answer, Ask, Wire
from tests import hostile

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
CHAT = Request(operation="chat")
TEXT = {"type": "text", "content": "a"}


def ask(path: str, body: Any = None, host: str = HOST, **headers: str) -> Ask:
    return Ask(method="POST", host=host, path=path, headers=headers, body={} if body is None else body)


def invoke(model: str, body: Any, **headers: str) -> Request:
    return bedrock_invoke.read_request(ask(f"/model/{model}/invoke", body, **headers), True)


def read(wire: Wire, body: Any, **headers: str) -> Response:
    return exchange.read_response(wire, CHAT, Answer(status=200, headers=headers, body=body), content=True)


def frame(payload: Any, event: str = "chunk", kind: str = "event") -> bytes:
    """One AWS event-stream message."""
    named = {":message-type": kind, ":exception-type" if kind == "exception" else ":event-type": event}
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in named.items()
    )
    data = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(block) + len(data), len(block))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + data
    return message + struct.pack(">I", zlib.crc32(message))


def chunk(event: Any) -> bytes:
    """An event of a model's own, as invoke streams it."""
    return frame({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"})


def streamed(wire: Wire, *parts: bytes, content: bool = True, **headers: str) -> Response:
    headers = {"content-type": "application/vnd.amazon.eventstream", **headers}
    reader = exchange.Reader(wire, CHAT, 200, headers, content)
    for part in parts:
        reader.feed(part)
    return reader.finish()


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/model/amazon.nova-lite-v1%3A0/converse", "amazon.nova-lite-v1:0"),
        ("/model/amazon.nova-lite-v1:0/converse-stream", "amazon.nova-lite-v1:0"),
        ("/bedrock/model/m/invoke/", "m"),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude/invoke",
            "us.anthropic.claude",
        ),
        ("/model/arn:aws:bedrock:us-east-1::foundation-model/meta.llama/invoke", "meta.llama"),
        (
            "/model/arn:aws:bedrock:us-east-1:1:application-inference-profile/x1/invoke",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/x1",
        ),
        ("/model/arn%3Aaws%3Asagemaker%3Ar%3A1%3Aendpoint%2Fe/invoke", "arn:aws:sagemaker:r:1:endpoint/e"),
        ("/converse", None),
        ("/supermodel/x/invoke", None),
    ],
)
def test_the_path_has_the_model(path: str, model: str | None) -> None:
    assert bedrock_path.model_of(path) == model


MESSAGES = {"messages": [{"role": "user", "content": [{"text": "a"}]}]}


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (ask("/model/m/converse", MESSAGES), "bedrock_converse"),
        (ask("/model/m/converse-stream", MESSAGES, "localhost"), "bedrock_converse"),
        (ask("/model/arn%3Aprompt/converse", {"promptVariables": {}}), "bedrock_converse"),
        (ask("/model/m/converse", {"x": 1}, "example.com"), None),
        (ask("/model/m/invoke", {"anything": 1}), "bedrock_invoke"),
        (
            ask("/model/m/invoke", {"anything": 1}, "vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"),
            "bedrock_invoke",
        ),
        (ask("/model/m/invoke-with-response-stream", {"prompt": "p"}, "localhost"), "bedrock_invoke"),
        (ask("/model/m/invoke", {"anything": 1}, "example.com"), None),
        (ask("/functions/f/invoke", {"prompt": "p"}, "example.com"), None),
        (ask("/model/m/count-tokens", {"input": {}}), None),
        (ask("/model/m/async-invoke", {}), None),
        (ask("/guardrail/g/version/1/apply", {"content": []}), None),
        (ask("/agents/A/agentAliases/B/sessions/S/text", {"inputText": "a"}), "bedrock_invoke_agent"),
        (ask("/v1/text", {"inputText": "a"}), None),
        (ask("/knowledgebases/K/retrieve", {"retrievalQuery": {"text": "q"}}), "bedrock_retrieve"),
        (ask("/shop/retrieve", {"retrievalQuery": {"text": "q"}}), None),
        (ask("/retrieveAndGenerate", {"input": {"text": "q"}}), "bedrock_retrieve_and_generate"),
        (ask("/retrieveAndGenerateStream", {"input": {"text": "q"}}), "bedrock_retrieve_and_generate"),
        (ask("/retrieveAndGenerate", {"input": "q"}), None),
    ],
)
def test_a_call_is_recognised_by_its_path_and_body(asked: Ask, name: str | None) -> None:
    wire = catalog.recognise(asked, catalog.candidates("POST", asked.path))
    assert (wire.name if wire else None) == name
    if wire is not None:
        request = wire.read_request(asked, False)
        assert (request.provider or providers.provider_of(asked, wire)) == "aws.bedrock"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"inferenceConfig": {"maxTokens": 5, "temperature": 0, "topP": 0.5, "stopSequences": ["|"]}},
            {"max_tokens": 5, "temperature": 0.0, "top_p": 0.5, "stop_sequences": ["|"]},
        ),
        ({"guardrailConfig": {"guardrailIdentifier": "g1", "guardrailVersion": "1"}}, {"guardrail_id": "g1"}),
        ({"additionalModelRequestFields": {"top_k": 0}}, {"top_k": 0}),
        ({"additionalModelRequestFields": {"inferenceConfig": {"topK": 10}}}, {"top_k": 10}),
        ({"additionalModelRequestFields": {"reasoning_effort": "low"}}, {"reasoning_level": "low"}),
        (
            {
                "additionalModelRequestFields": {
                    "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}
                }
            },
            {"reasoning_level": "high"},
        ),
        (
            {
                "additionalModelRequestFields": {
                    "thinking": {"type": "adaptive"},
                    "output_config": {"effort": "max"},
                }
            },
            {"reasoning_level": "max"},
        ),
        (
            {"additionalModelRequestFields": {"reasoning_config": {"type": "enabled"}}},
            {"reasoning_level": "enabled"},
        ),
        ({"outputConfig": {"textFormat": {"type": "json_schema"}}}, {"output_type": "json"}),
        ({"serviceTier": {"type": "priority"}}, {"service_tier": "priority"}),
        ({"system": [{"text": "a"}, {"cachePoint": {"type": "default"}}]}, {"system_instructions": [TEXT]}),
        (
            {
                "toolConfig": {
                    "tools": [
                        {"toolSpec": {"name": "f", "inputSchema": {"json": {"x": 1}}}},
                        {"cachePoint": {}},
                    ]
                }
            },
            {"tool_definitions": [{"type": "function", "name": "f", "parameters": {"x": 1}}]},
        ),
        (
            {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}},
            {"tool_definitions": [{"type": "systemTool", "name": "nova_grounding"}]},
        ),
    ],
)
def test_converse_asks_what_was_sent(body: dict[str, Any], expected: dict[str, Any]) -> None:
    request = bedrock_converse.read_request(ask("/model/m/converse-stream", {**MESSAGES, **body}), True)
    assert (request.operation, request.model, request.stream) == ("chat", "m", True)
    assert {name: getattr(request, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ({"text": "a"}, [TEXT]),
        ({"cachePoint": {"type": "default"}}, []),
        (
            {"image": {"format": "png", "source": {"bytes": "QQ=="}}},
            [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": "QQ=="}],
        ),
        (
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v.mp4"}}}},
            [{"type": "uri", "modality": "video", "uri": "s3://b/v.mp4", "mime_type": "video/mp4"}],
        ),
        (
            {"document": {"format": "pdf", "name": "n", "source": {"bytes": "QQ=="}}},
            [{"type": "blob", "modality": "document", "mime_type": "application/pdf", "content": "QQ=="}],
        ),
        ({"document": {"format": "txt", "source": {"text": "a"}}}, [TEXT]),
        ({"document": {"format": "txt", "source": {"content": [{"text": "a"}]}}}, [TEXT]),
        (
            {"toolUse": {"toolUseId": "t", "name": "f", "input": {"x": 1}}},
            [{"type": "tool_call", "id": "t", "name": "f", "arguments": {"x": 1}}],
        ),
        (
            {"toolUse": {"toolUseId": "t", "name": "g", "input": {}, "type": "server_tool_use"}},
            [
                {
                    "type": "server_tool_call",
                    "id": "t",
                    "name": "g",
                    "server_tool_call": {"type": "g", "input": {}},
                }
            ],
        ),
        (
            {"toolResult": {"toolUseId": "t", "content": [{"text": "a"}], "status": "error"}},
            [{"type": "tool_call_response", "id": "t", "response": [TEXT], "is_error": True}],
        ),
        (
            {"toolResult": {"toolUseId": "t", "content": [{"json": {"x": 1}}]}},
            [{"type": "tool_call_response", "id": "t", "response": {"x": 1}}],
        ),
        (
            {"toolResult": {"toolUseId": "t", "type": "g_result", "content": [{"json": {"x": 1}}]}},
            [
                {
                    "type": "server_tool_call_response",
                    "id": "t",
                    "server_tool_call_response": {"type": "g_result", "content": [{"x": 1}]},
                }
            ],
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            [{"type": "reasoning", "content": "hm"}],
        ),
        (
            {"reasoningContent": {"redactedContent": "zzz"}},
            [{"type": "reasoning", "content": "", "redacted": True}],
        ),
        ({"guardContent": {"text": {"text": "a", "qualifiers": ["query"]}}}, [TEXT]),
        (
            {"guardContent": {"image": {"format": "png", "source": {"bytes": "QQ=="}}}},
            [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": "QQ=="}],
        ),
        (
            {"citationsContent": {"content": [{"text": "a"}], "citations": [{"title": "t"}]}},
            [{**TEXT, "citations": [{"title": "t"}]}],
        ),
        (
            {"searchResult": {"source": "u", "title": "t"}},
            [{"type": "searchResult", "source": "u", "title": "t"}],
        ),
        ({}, []),
        (None, []),
    ],
)
def test_a_block_becomes_parts(block: Any, parts: list[dict[str, Any]]) -> None:
    body = {"messages": [{"role": "user", "content": [block]}]}
    request = bedrock_converse.read_request(ask("/model/m/converse", body), True)
    assert request.input_messages == [{"role": "user", "parts": parts}]


def test_a_citation_without_text_belongs_to_the_text_before_it() -> None:
    content = [{"text": "a"}, {"citationsContent": {"citations": [{"title": "t"}]}}]
    answer = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn"}
    assert read(bedrock_converse.WIRE, answer).output_messages == [
        {"role": "assistant", "parts": [{**TEXT, "citations": [{"title": "t"}]}], "finish_reason": "stop"}
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_call"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "malformed_tool_use"),
        (None, "error"),
    ],
)
def test_a_finish_reason_has_the_conventions_word(word: str | None, reason: str) -> None:
    body = {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": word}
    assert read(bedrock_converse.WIRE, body).finish_reasons == [reason]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({}, Usage(), id="silence is not zero"),
        pytest.param({"outputTokens": 50}, Usage(output=50), id="half of it"),
        pytest.param(
            {
                "inputTokens": 2,
                "outputTokens": 5,
                "totalTokens": 1337,
                "cacheReadInputTokens": 8,
                "cacheWriteInputTokens": 1322,
            },
            Usage(input=1332, output=5, cache_read=8, cache_write=1322),
            id="input has what was cached, as the total says",
        ),
        pytest.param(
            {
                "inputTokens": 2,
                "cacheWriteInputTokens": 9,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 7}, {"ttl": "5m"}],
            },
            Usage(input=11, cache_write=9, cache_write_1h=7),
            id="an hour costs more",
        ),
    ],
)
def test_usage_is_what_converse_said(usage: dict[str, Any], expected: Usage) -> None:
    assert read(bedrock_converse.WIRE, {"usage": usage}).usage == expected


def test_a_router_says_which_model_it_chose() -> None:
    chosen = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3"
    body = {
        "output": {"message": {"role": "assistant", "content": []}},
        "trace": {"promptRouter": {"invokedModelId": chosen}},
    }
    assert read(bedrock_converse.WIRE, body).model == "anthropic.claude-3"


CONVERSE = [
    frame({"role": "assistant", "p": "ab"}, "messageStart"),
    frame({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "h"}}}, "contentBlockDelta"),
    frame({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "m"}}}, "contentBlockDelta"),
    frame({"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "z"}}}, "contentBlockDelta"),
    frame({"contentBlockIndex": 1, "delta": {"text": "he"}}, "contentBlockDelta"),
    frame({"contentBlockIndex": 1, "delta": {"text": "y"}}, "contentBlockDelta"),
    frame({"contentBlockIndex": 1, "delta": {"citation": {"title": "t"}}}, "contentBlockDelta"),
    frame({"contentBlockIndex": 1}, "contentBlockStop"),
    frame(
        {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}, "contentBlockStart"
    ),
    frame({"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"a"'}}}, "contentBlockDelta"),
    frame({"contentBlockIndex": 2, "delta": {"toolUse": {"input": ": 1}"}}}, "contentBlockDelta"),
    frame(
        {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "u", "name": "g"}}}, "contentBlockStart"
    ),
    frame({"stopReason": "tool_use"}, "messageStop"),
    frame({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}, "metadata"),
]


def test_a_stream_is_the_answer_that_it_makes_up() -> None:
    response = streamed(bedrock_converse.WIRE, *CONVERSE)
    assert response.finish_reasons == ["tool_call"]
    assert response.usage == Usage(input=3, output=4)
    assert response.output_messages == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "hey", "citations": [{"title": "t"}]},
                {"type": "tool_call", "id": "t", "name": "f", "arguments": {"a": 1}},
                {"type": "tool_call", "id": "u", "name": "g", "arguments": {}},
            ],
            "finish_reason": "tool_call",
        }
    ]
    bare = streamed(bedrock_converse.WIRE, *CONVERSE, content=False)
    assert (bare.finish_reasons, bare.usage, bare.output_messages) == (
        ["tool_call"],
        Usage(input=3, output=4),
        None,
    )


def test_a_stream_cut_at_every_byte_says_what_came() -> None:
    body = b"".join(CONVERSE)
    whole = streamed(bedrock_converse.WIRE, body)
    for at in range(len(body)):
        assert streamed(bedrock_converse.WIRE, body[:at], body[at:]) == whole
        cut = streamed(bedrock_converse.WIRE, body[:at])
        assert cut.finish_reasons in (None, ["error"], ["tool_call"])
        assert cut.usage in (Usage(), Usage(input=3, output=4))


@pytest.mark.parametrize("wire", [bedrock_converse.WIRE, bedrock_invoke.WIRE])
def test_an_exception_inside_a_stream_is_the_calls_failure(wire: Wire) -> None:
    said = frame({"message": "Too many tokens"}, "throttlingException", "exception")
    assert streamed(wire, said).failure == Failure("throttlingException", "Too many tokens")


@pytest.mark.parametrize(
    ("status", "body", "headers", "failure"),
    [
        (
            400,
            {"message": "no"},
            {"x-amzn-errortype": "ValidationException:http://x/"},
            Failure("ValidationException", "no"),
        ),
        (
            403,
            {"Message": "no"},
            {"x-amzn-errortype": "AccessDeniedException"},
            Failure("AccessDeniedException", "no"),
        ),
        (
            429,
            {"__type": "com.amazon#ThrottlingException", "message": "slow"},
            {},
            Failure("ThrottlingException", "slow"),
        ),
        (500, None, {}, Failure("500")),
        (400, {"message": "no"}, {}, Failure("400", "no")),
    ],
)
def test_a_refusal_is_named_as_aws_names_it(
    status: int, body: Any, headers: dict[str, str], failure: Failure
) -> None:
    answer = Answer(status=status, headers=headers, body=body)
    assert exchange.read_response(bedrock_converse.WIRE, CHAT, answer, True) == Response(failure=failure)


FAMILIES = [
    pytest.param(
        "us.anthropic.claude-3",
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": "q"}],
        },
        {
            "id": "m1",
            "model": "claude-3",
            "content": [{"type": "text", "text": "a"}],
            "role": "assistant",
            "stop_reason": "max_tokens",
            "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2},
        },
        ("chat", 5, Usage(input=5, output=4, cache_read=2)),
        id="Anthropic messages",
    ),
    pytest.param(
        "anthropic.claude-v2",
        {"prompt": "q", "max_tokens_to_sample": 5},
        {"completion": "a", "stop_reason": "max_tokens"},
        ("text_completion", 5, Usage(input=3, output=4)),
        id="Anthropic completion",
    ),
    pytest.param(
        "amazon.nova-micro-v1:0",
        {
            "messages": [{"role": "user", "content": [{"text": "q"}]}],
            "inferenceConfig": {"max_new_tokens": 5},
        },
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "a"}]}},
            "stopReason": "max_tokens",
            "usage": {"inputTokens": 3, "outputTokens": 4, "cacheReadInputTokenCount": 1},
        },
        ("chat", 5, Usage(input=4, output=4, cache_read=1)),
        id="Nova",
    ),
    pytest.param(
        "amazon.titan-text-express-v1",
        {"inputText": "q", "textGenerationConfig": {"maxTokenCount": 5}},
        {
            "inputTextTokenCount": 3,
            "results": [{"outputText": "a", "tokenCount": 4, "completionReason": "LENGTH"}],
        },
        ("text_completion", 5, Usage(input=3, output=4)),
        id="Titan",
    ),
    pytest.param(
        "meta.llama3-1-70b-instruct-v1:0",
        {"prompt": "q", "max_gen_len": 5},
        {"generation": "a", "prompt_token_count": 3, "generation_token_count": 4, "stop_reason": "length"},
        ("text_completion", 5, Usage(input=3, output=4)),
        id="Llama",
    ),
    pytest.param(
        "mistral.mistral-7b-instruct-v0:2",
        {"prompt": "q", "max_tokens": 5},
        {"outputs": [{"text": "a", "stop_reason": "length"}]},
        ("text_completion", 5, Usage(input=3, output=4)),
        id="Mistral",
    ),
    pytest.param(
        "mistral.mistral-large-2407-v1:0",
        {"messages": [{"role": "user", "content": "q"}], "max_tokens": 5},
        {
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "a"}, "stop_reason": "length"}
            ]
        },
        ("chat", 5, Usage(input=3, output=4)),
        id="Mistral Large",
    ),
    pytest.param(
        "openai.gpt-oss-120b-1:0",
        {"messages": [{"role": "user", "content": "q"}], "max_completion_tokens": 5},
        {
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "length"}
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        },
        ("chat", 5, Usage(input=3, output=4)),
        id="gpt-oss",
    ),
    pytest.param(
        "deepseek.r1-v1:0",
        {"prompt": "q", "max_tokens": 5},
        {"choices": [{"text": "a", "stop_reason": "length"}]},
        ("text_completion", 5, Usage(input=3, output=4)),
        id="DeepSeek",
    ),
    pytest.param(
        "cohere.command-light-text-v14",
        {"prompt": "q", "max_tokens": 5, "num_generations": 1},
        {"generations": [{"text": "a", "finish_reason": "MAX_TOKENS", "id": "g"}], "prompt": "q"},
        ("text_completion", 5, Usage(input=3, output=4)),
        id="Cohere Command",
    ),
    pytest.param(
        "cohere.command-r-v1:0",
        {"message": "q", "max_tokens": 5},
        {"text": "a", "generation_id": "g", "response_id": "r", "finish_reason": "MAX_TOKENS"},
        ("chat", 5, Usage(input=3, output=4)),
        id="Cohere Command R",
    ),
    pytest.param(
        "ai21.j2-mid-v1",
        {"prompt": "q", "maxTokens": 5},
        {
            "id": 1,
            "prompt": {"text": "q"},
            "completions": [{"data": {"text": "a"}, "finishReason": {"reason": "length"}}],
        },
        ("text_completion", 5, Usage(input=3, output=4)),
        id="Jurassic",
    ),
    pytest.param(
        "arn:aws:sagemaker:r:1:endpoint/e",
        {"prompt": "q", "max_tokens": 5},
        {
            "choices": [{"text": "a", "finish_reason": "length"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        },
        ("text_completion", 5, Usage(input=3, output=4)),
        id="an endpoint with a name of its own",
    ),
]
COUNTS = {"x-amzn-bedrock-input-token-count": "3", "x-amzn-bedrock-output-token-count": "4"}


@pytest.mark.parametrize(("model", "asked", "answered", "expected"), FAMILIES)
def test_invoke_reads_each_familys_own_protocol(
    model: str, asked: Any, answered: Any, expected: tuple[str, int, Usage]
) -> None:
    operation, limit, usage = expected
    request = invoke(model, asked)
    assert (request.operation, request.model, request.max_tokens) == (operation, model, limit)
    assert request.provider == "aws.bedrock"
    assert request.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "q"}]}]
    response = read(bedrock_invoke.WIRE, answered, **COUNTS)
    assert response.finish_reasons == ["length"]
    assert response.output_messages == [{"role": "assistant", "parts": [TEXT], "finish_reason": "length"}]
    assert response.usage == usage


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 4}}


STREAMS = [
    pytest.param(
        [
            {
                "type": "message_start",
                "message": {"role": "assistant", "usage": {"input_tokens": 3, "output_tokens": 1}},
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "he"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "y"}},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "max_tokens"},
                "usage": {"output_tokens": 4},
            },
            {
                "type": "message_stop",
                "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 9},
            },
        ],
        id="Anthropic messages, whose own count stands",
    ),
    pytest.param(
        [
            {"completion": "he", "stop_reason": None},
            {"completion": "y", "stop_reason": "max_tokens", **METRICS},
        ],
        id="Anthropic completion",
    ),
    pytest.param(
        [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "he"}, "contentBlockIndex": 0}},
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"contentBlockDelta": {"delta": {"text": "y"}, "contentBlockIndex": 1}},
            {"messageStop": {"stopReason": "max_tokens"}},
            {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4}}, **METRICS},
        ],
        id="Nova, whose pieces are one text",
    ),
    pytest.param(
        [
            {"outputText": "he", "index": 0.0, "inputTextTokenCount": 3.0},
            {
                "outputText": "y",
                "index": 0.0,
                "totalOutputTextTokenCount": 4.0,
                "completionReason": "LENGTH",
            },
        ],
        id="Titan",
    ),
    pytest.param(
        [
            {
                "generation": "he",
                "prompt_token_count": 3,
                "generation_token_count": 1,
                "stop_reason": None,
            },
            {
                "generation": "y",
                "prompt_token_count": None,
                "generation_token_count": 4,
                "stop_reason": "length",
            },
        ],
        id="Llama",
    ),
    pytest.param(
        [
            {"outputs": [{"text": "he", "stop_reason": None}]},
            {"outputs": [{"text": "y", "stop_reason": "length"}], **METRICS},
        ],
        id="Mistral",
    ),
    pytest.param(
        [
            {
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "he"}, "stop_reason": None}
                ]
            },
            {"choices": [{"index": 0, "message": {"content": "y"}, "stop_reason": "length"}], **METRICS},
        ],
        id="Mistral Large",
    ),
    pytest.param(
        [
            {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "he"}}]},
            {"choices": [{"index": 0, "delta": {"content": "y"}, "finish_reason": "length"}], **METRICS},
        ],
        id="gpt-oss",
    ),
    pytest.param(
        [
            {"choices": [{"text": "he", "stop_reason": None}]},
            {"choices": [{"text": "y", "stop_reason": "length"}], **METRICS},
        ],
        id="DeepSeek",
    ),
    pytest.param(
        [
            {"is_finished": False, "text": "he"},
            {"is_finished": False, "text": "y"},
            {"is_finished": True, "finish_reason": "MAX_TOKENS", **METRICS},
        ],
        id="Cohere Command",
    ),
    pytest.param(
        [
            {"event_type": "stream-start", "generation_id": "g", "is_finished": False},
            {"event_type": "text-generation", "text": "he", "is_finished": False},
            {
                "event_type": "stream-end",
                "is_finished": True,
                "finish_reason": "MAX_TOKENS",
                "response": {"text": "hey", "generation_id": "g", "finish_reason": "MAX_TOKENS"},
                **METRICS,
            },
        ],
        id="Cohere Command R",
    ),
]


@pytest.mark.parametrize("events", STREAMS)
def test_invoke_folds_each_familys_own_stream(events: list[Any]) -> None:
    frames = [chunk(one) for one in events]
    response = streamed(bedrock_invoke.WIRE, *frames)
    assert response.finish_reasons == ["length"]
    assert response.usage == Usage(input=3, output=4)
    assert response.output_messages == [
        {"role": "assistant", "parts": [{"type": "text", "content": "hey"}], "finish_reason": "length"}
    ]
    bare = streamed(bedrock_invoke.WIRE, *frames, content=False)
    assert (bare.finish_reasons, bare.usage, bare.output_messages) == (
        ["length"],
        Usage(input=3, output=4),
        None,
    )
    cut = streamed(bedrock_invoke.WIRE, *frames[:-2])
    assert cut.finish_reasons in (None, ["error"])
    assert cut.failure is None


@pytest.mark.parametrize(("model", "asked", "answered", "expected"), FAMILIES)
def test_any_type_in_any_field_of_a_family_is_read_without_an_exception(
    model: str, asked: Any, answered: Any, expected: tuple[str, int, Usage]
) -> None:
    for body in hostile.variants(asked):
        msgspec.json.encode(bedrock_invoke.read_request(ask(f"/model/{model}/invoke", body), True))
    for body in hostile.variants(answered):
        response = read(bedrock_invoke.WIRE, body, **COUNTS)
        msgspec.json.encode(response)
        assert all(type(one) is str for one in response.finish_reasons or ())


@pytest.mark.parametrize("events", STREAMS)
def test_any_type_in_any_event_of_a_family_is_folded_without_an_exception(events: list[Any]) -> None:
    for place in range(len(events)):
        for event in hostile.variants(events[place]):
            fold = bedrock_invoke.WIRE.fold(True) if bedrock_invoke.WIRE.fold else None
            assert fold is not None
            for one in [*events[:place], event, *events[place + 1 :]]:
                fold.add("chunk", one)
            msgspec.json.encode(read(bedrock_invoke.WIRE, fold.body()))


@pytest.mark.parametrize(
    ("wire", "path", "body", "answered", "events"),
    [
        (
            bedrock_agents.AGENT,
            "/agents/A/agentAliases/B/sessions/S/text",
            {"inputText": "a", "streamingConfigurations": {"streamFinalResponse": True}},
            {"text": "a"},
            [
                ("chunk", {"bytes": "QQ=="}),
                (
                    "trace",
                    {"trace": {"orchestrationTrace": {"modelInvocationInput": {"foundationModel": "m"}}}},
                ),
                (
                    "trace",
                    {"trace": {"x": {"modelInvocationOutput": {"metadata": {"usage": {"inputTokens": 1}}}}}},
                ),
                (
                    "returnControl",
                    {"invocationInputs": [{"apiInvocationInput": {"parameters": [{"name": "x"}]}}]},
                ),
            ],
        ),
        (
            bedrock_agents.RETRIEVE,
            "/knowledgebases/K/retrieve",
            {"retrievalQuery": {"text": "q"}, "retrievalConfiguration": {"vectorSearchConfiguration": {}}},
            {
                "retrievalResults": [
                    {"content": {"text": "a"}, "location": {"s3Location": {"uri": "u"}}, "score": 1}
                ]
            },
            [],
        ),
        (
            bedrock_agents.GENERATE,
            "/retrieveAndGenerate",
            {
                "input": {"text": "q"},
                "retrieveAndGenerateConfiguration": {"knowledgeBaseConfiguration": {"modelArn": "m"}},
            },
            {"output": {"text": "a"}, "sessionId": "s"},
            [("output", {"text": "a"}), ("guardrail", {"action": "NONE"}), ("citation", {"citation": {}})],
        ),
    ],
)
def test_any_type_in_any_field_of_agents_is_read_without_an_exception(
    wire: Wire, path: str, body: Any, answered: Any, events: list[tuple[str, Any]]
) -> None:
    for one in hostile.variants(body):
        asked = ask(path, one)
        for row in catalog.candidates("POST", path):
            assert row.fits(asked) in {True, False}
        msgspec.json.encode(wire.read_request(asked, True))
    for one in hostile.variants(answered):
        msgspec.json.encode(read(wire, one))
    for place, (name, event) in enumerate(events):
        for one in hostile.variants(event):
            assert wire.fold is not None
            fold = wire.fold(True)
            for said, came in [*events[:place], (name, one), *events[place + 1 :]]:
                fold.add(said, came)
            msgspec.json.encode(read(wire, fold.body()))


def test_an_error_of_the_models_own_inside_a_chunk_is_the_calls_failure() -> None:
    said = chunk({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert streamed(bedrock_invoke.WIRE, said).failure == Failure("overloaded_error", "Overloaded")


def test_what_is_cached_is_told_in_headers_too() -> None:
    headers = {
        **COUNTS,
        "x-amzn-bedrock-cache-read-input-token-count": "10",
        "x-amzn-bedrock-cache-write-input-token-count": "x",
    }
    response = read(bedrock_invoke.WIRE, {"outputs": [{"text": "a"}]}, **headers)
    assert response.usage == Usage(input=13, output=4, cache_read=10)
    assert response.finish_reasons is None, "no reason was said, and the answer is whole"


def test_a_guardrail_that_intervened_is_a_filter() -> None:
    body = {
        "results": [{"outputText": "a", "completionReason": "FINISH"}],
        "amazon-bedrock-guardrailAction": "INTERVENED",
    }
    response = read(bedrock_invoke.WIRE, body)
    assert response.finish_reasons == ["content_filter"]
    assert (response.output_messages or [{}])[0]["finish_reason"] == "content_filter"
    headers = {"x-amzn-bedrock-guardrailidentifier": "g1"}
    assert invoke("amazon.titan-text", {"inputText": "q"}, **headers).guardrail_id == "g1"


@pytest.mark.parametrize(
    ("model", "body", "expected"),
    [
        ("amazon.titan-embed-text-v1", {"inputText": "q"}, {"dimension_count": None}),
        ("amazon.titan-embed-text-v2:0", {"inputText": "q", "dimensions": 256}, {"dimension_count": 256}),
        (
            "x",
            {"inputText": "q", "embeddingConfig": {"outputEmbeddingLength": 384}},
            {"dimension_count": 384},
        ),
        (
            "x",
            {
                "texts": ["q"],
                "input_type": "search_query",
                "embedding_types": ["int8"],
                "output_dimension": 512,
            },
            {"dimension_count": 512, "encoding_formats": ["int8"]},
        ),
        (
            "x",
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {"embeddingDimension": 3, "text": {"value": "q"}},
            },
            {"dimension_count": 3},
        ),
    ],
)
def test_an_embedding_is_one(model: str, body: Any, expected: dict[str, Any]) -> None:
    request = invoke(model, body)
    assert request.operation == "embeddings"
    assert {name: getattr(request, name) for name in expected} == expected
    response = read(bedrock_invoke.WIRE, {"embedding": [0.1], "inputTextTokenCount": 7})
    assert response == Response(usage=Usage(input=7))
    assert read(bedrock_invoke.WIRE, {"embeddings": [[0.1]]}, **COUNTS).usage == Usage(input=3, output=4)


@pytest.mark.parametrize(
    ("body", "answered", "reason"),
    [
        (
            {
                "taskType": "TEXT_IMAGE",
                "textToImageParams": {"text": "q"},
                "imageGenerationConfig": {"seed": 7},
            },
            {"images": ["QQ=="]},
            "stop",
        ),
        (
            {"text_prompts": [{"text": "q"}], "seed": 7},
            {"artifacts": [{"base64": "QQ==", "finishReason": "SUCCESS"}]},
            "stop",
        ),
        (
            {"prompt": "q", "aspect_ratio": "1:1", "seed": 7},
            {"images": ["QQ=="], "finish_reasons": ["Filter reason: prompt"]},
            "content_filter",
        ),
    ],
)
def test_an_image_is_one(body: Any, answered: Any, reason: str) -> None:
    request = invoke("stability.or-canvas", body)
    assert (request.operation, request.output_type, request.seed) == ("generate_content", "image", 7)
    assert request.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "q"}]}]
    response = read(bedrock_invoke.WIRE, answered)
    assert response.finish_reasons == [reason]
    [said] = response.output_messages or [{}]
    assert said["parts"] == [{"type": "blob", "modality": "image", "mime_type": None, "content": "QQ=="}]


def test_a_rerank_is_one() -> None:
    request = invoke("cohere.rerank-v3-5:0", {"query": "q", "documents": ["d"], "top_n": 1, "api_version": 2})
    assert (request.operation, request.retrieval_top_k, request.retrieval_query) == ("rerank", 1, "q")
    documents = read(bedrock_invoke.WIRE, {"results": [{"index": 0, "relevance_score": 0.5}]}).documents
    assert documents is not None
    assert documents[0]["score"] == 0.5


AGENT = "/agents/AG1/agentAliases/AL1/sessions/s%201/text"


def test_an_agent_is_called_by_its_path() -> None:
    request = bedrock_agents.read_agent_request(ask(AGENT, {"inputText": "a"}), True)
    assert (request.operation, request.agent_id, request.conversation_id) == ("invoke_agent", "AG1", "s 1")
    assert request.input_messages == [{"role": "user", "parts": [TEXT]}]


def test_an_agents_trace_says_what_its_models_used() -> None:
    def trace(**said: Any) -> bytes:
        return frame({"agentId": "AG1", "trace": {"orchestrationTrace": said}}, "trace")

    def used(count: int) -> bytes:
        usage = {"inputTokens": count, "outputTokens": 1}
        return trace(modelInvocationOutput={"metadata": {"usage": usage}})

    piece = base64.b64encode(b"a").decode()
    response = streamed(
        bedrock_agents.AGENT,
        trace(modelInvocationInput={"foundationModel": "anthropic.claude-3", "text": "x"}),
        used(3),
        used(4),
        frame({"bytes": piece}),
    )
    assert response.model == "anthropic.claude-3"
    assert response.usage == Usage(input=7, output=2)
    assert response.output_messages == [{"role": "assistant", "parts": [TEXT]}]
    assert response.finish_reasons is None, "an agent says no reason"
    assert streamed(bedrock_agents.AGENT, frame({"bytes": piece})).usage == Usage()


def test_control_that_an_agent_hands_back_is_a_tool_call() -> None:
    wanted = {
        "functionInvocationInput": {
            "function": "f",
            "parameters": [{"name": "x", "type": "string", "value": "1"}],
        }
    }
    control = frame({"invocationId": "i", "invocationInputs": [wanted]}, "returnControl")
    response = streamed(bedrock_agents.AGENT, control)
    assert response.finish_reasons == ["tool_call"]
    [said] = response.output_messages or [{}]
    assert said["parts"] == [{"type": "tool_call", "id": "i", "name": "f", "arguments": {"x": "1"}}]
    assert streamed(bedrock_agents.AGENT, control, content=False).finish_reasons == ["tool_call"]


def test_a_knowledge_base_is_asked_and_answers() -> None:
    body = {
        "retrievalQuery": {"text": "q"},
        "retrievalConfiguration": {"vectorSearchConfiguration": {"numberOfResults": 3}},
    }
    request = bedrock_agents.read_retrieve_request(ask("/knowledgebases/KB1/retrieve", body), True)
    assert (request.operation, request.knowledge_base_id, request.retrieval_top_k) == ("retrieval", "KB1", 3)
    assert request.retrieval_query == "q"
    found = {
        "content": {"text": "a"},
        "location": {"type": "S3", "s3Location": {"uri": "s3://b/d"}},
        "score": 0.5,
    }
    answer = read(bedrock_agents.RETRIEVE, {"retrievalResults": [found]})
    assert answer.documents == [{"id": "s3://b/d", "score": 0.5, "content": "a"}]


def test_a_model_answers_from_a_knowledge_base() -> None:
    body = {
        "input": {"text": "a"},
        "sessionId": "s",
        "retrieveAndGenerateConfiguration": {
            "type": "KNOWLEDGE_BASE",
            "knowledgeBaseConfiguration": {
                "knowledgeBaseId": "KB1",
                "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3",
                "generationConfiguration": {
                    "guardrailConfiguration": {"guardrailId": "g1"},
                    "inferenceConfig": {"textInferenceConfig": {"maxTokens": 5, "topP": 0.5}},
                },
            },
        },
    }
    request = bedrock_agents.read_generate_request(ask("/retrieveAndGenerateStream", body), True)
    assert (request.operation, request.model, request.stream) == ("chat", "anthropic.claude-3", True)
    assert (request.knowledge_base_id, request.guardrail_id, request.conversation_id) == ("KB1", "g1", "s")
    assert (request.max_tokens, request.top_p) == (5, 0.5)
    answer = {"output": {"text": "a"}, "sessionId": "s2", "guardrailAction": "INTERVENED"}
    whole = read(bedrock_agents.GENERATE, answer)
    assert (whole.conversation_id, whole.finish_reasons) == ("s2", ["content_filter"])
    frames = [
        frame({"text": "a"}, "output"),
        frame({"action": "INTERVENED"}, "guardrail"),
        frame({"sessionId": "s2"}, "initial-response"),
    ]
    assert streamed(bedrock_agents.GENERATE, *frames) == whole
