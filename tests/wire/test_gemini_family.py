"""Google's protocols, field by field: generateContent, embeddings, predictions and interactions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_llm.record import NO_USAGE, Failure, Request, Response, Usage
from otel_llm.wire import catalog, exchange
from otel_llm.wire.gemini import Fold
from otel_llm.wire.gemini_interactions import Fold as InteractionFold
from otel_llm.wire.protocol import Ask, Wire

GEMINI = "/v1beta/models/gemini-2.5-pro:generateContent"
VERTEX = "/v1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro:generateContent"
USER = [{"role": "user", "parts": [{"text": "hi"}]}]


def ask(path: str, body: Any, method: str = "POST", host: str = "generativelanguage.googleapis.com") -> Ask:
    return Ask(method=method, host=host, path=path, body=body)


def recognised(asked: Ask) -> Wire:
    wire = catalog.recognise(asked, catalog.candidates(asked.method, asked.path))
    assert wire is not None
    return wire


def read(path: str, body: Any, content: bool = True, method: str = "POST") -> Request:
    asked = ask(path, body, method)
    return recognised(asked).read_request(asked, content)


def answered(
    path: str, asked: Any, answer: bytes | Any, status: int = 200, kind: str = "application/json"
) -> Response:
    """The response that these bytes, or this JSON, are read as."""
    made = ask(path, asked, "GET" if asked is None else "POST")
    wire = recognised(made)
    request = wire.read_request(made, True)
    reader = exchange.Reader(wire, request, status, {"content-type": kind}, True)
    reader.feed(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    return reader.finish()


@pytest.mark.parametrize(
    ("path", "model", "provider", "stream"),
    [
        (GEMINI, "gemini-2.5-pro", None, False),
        (VERTEX, "gemini-2.5-pro", "gcp.vertex_ai", False),
        ("/v1beta1/publishers/google/models/g:streamGenerateContent", "g", "gcp.vertex_ai", True),
        ("/v1/projects/p/locations/l/endpoints/123:generateContent", "endpoints/123", "gcp.vertex_ai", False),
        ("/v1beta/tunedModels/mine-1:generateContent", "tunedModels/mine-1", None, False),
        ("/v1/models/gemini-2.5-pro:streamGenerateContent", "gemini-2.5-pro", None, True),
        ("/router/v2/google/v1beta/models/gemini-x:generateContent", "gemini-x", None, False),
        ("/v1beta/models/gemini%2Dx:generateContent/", "gemini-x", None, False),
    ],
)
def test_the_path_tells_model_service_and_stream(
    path: str, model: str, provider: str | None, stream: bool
) -> None:
    request = read(path, {"contents": USER})
    assert (request.model, request.provider, request.stream) == (model, provider, stream)
    assert request.operation == "generate_content"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {}),
        (
            {"temperature": 0, "topP": 0.5, "topK": 40.0, "maxOutputTokens": 9, "seed": 0},
            {"temperature": 0.0, "top_p": 0.5, "top_k": 40, "max_tokens": 9, "seed": 0},
        ),
        (
            {"top_p": 0.5, "top_k": 4, "max_output_tokens": 9, "stop_sequences": ["x"]},
            {"top_p": 0.5, "top_k": 4, "max_tokens": 9, "stop_sequences": ["x"]},
        ),
        (
            {"presencePenalty": -1.5, "frequencyPenalty": 1, "candidateCount": 2},
            {"presence_penalty": -1.5, "frequency_penalty": 1.0, "choice_count": 2},
        ),
        ({"candidateCount": 1}, {}),
        ({"responseMimeType": "application/json"}, {"output_type": "json"}),
        ({"response_mime_type": "text/plain"}, {"output_type": "text"}),
        ({"responseJsonSchema": {"type": "object"}, "responseModalities": ["TEXT"]}, {"output_type": "json"}),
        ({"responseModalities": ["TEXT", "IMAGE"]}, {"output_type": "image"}),
        ({"responseModalities": ["audio"]}, {"output_type": "speech"}),
        ({"responseModalities": []}, {}),
        ({"thinkingConfig": {"thinkingLevel": "HIGH"}}, {"reasoning_level": "HIGH"}),
        ({"thinking_config": {"thinking_level": "low"}}, {"reasoning_level": "low"}),
        ({"thinkingConfig": {"thinkingBudget": 1024}}, {}),
    ],
)
@pytest.mark.parametrize("name", ["generationConfig", "generation_config"])
def test_settings_are_read_in_both_spellings(config: Any, expected: dict[str, Any], name: str) -> None:
    request = read(GEMINI, {"contents": USER, name: config}, content=False)
    assert request == Request(operation="generate_content", model="gemini-2.5-pro", **expected)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"text": "hi"}, [{"type": "text", "content": "hi"}]),
        ({"text": ""}, []),
        ({"text": "hm", "thought": True}, [{"type": "reasoning", "content": "hm"}]),
        ({"thoughtSignature": "AAAA"}, []),
        (
            {"functionCall": {"id": "1", "name": "f", "args": {"snake_case": 1}}, "thoughtSignature": "A"},
            [{"type": "tool_call", "id": "1", "name": "f", "arguments": {"snake_case": 1}}],
        ),
        (
            {"function_call": {"name": "f", "args": {}}},
            [{"type": "tool_call", "id": None, "name": "f", "arguments": {}}],
        ),
        (
            {"inline_data": {"mime_type": "image/png", "data": "iVBO"}},
            [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"}],
        ),
        (
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/x.pdf"}},
            [{"type": "uri", "modality": "document", "uri": "gs://b/x.pdf", "mime_type": "application/pdf"}],
        ),
        (
            {"executableCode": {"language": "PYTHON", "code": "1+1", "id": "c"}},
            [
                {
                    "type": "server_tool_call",
                    "id": "c",
                    "name": "code_execution",
                    "server_tool_call": {"language": "PYTHON", "code": "1+1", "type": "code_execution"},
                }
            ],
        ),
        (
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
            [
                {
                    "type": "server_tool_call_response",
                    "id": None,
                    "server_tool_call_response": {
                        "outcome": "OUTCOME_OK",
                        "output": "2",
                        "type": "code_execution",
                    },
                }
            ],
        ),
        (
            {"toolCall": {"toolType": "FILE_SEARCH", "id": "t", "args": {"q": 1}}},
            [
                {
                    "type": "server_tool_call",
                    "id": "t",
                    "name": "file_search",
                    "server_tool_call": {"args": {"q": 1}, "type": "file_search"},
                }
            ],
        ),
        (7, []),
    ],
)
def test_each_part_becomes_a_part_of_the_conventions(part: Any, expected: list[Any]) -> None:
    request = read(GEMINI, {"contents": [{"role": "model", "parts": [part]}]})
    assert request.input_messages == [{"role": "assistant", "parts": expected}]


def test_a_turn_of_tool_results_is_the_tools() -> None:
    result = {"functionResponse": {"id": "1", "name": "f", "response": {"ok": True}}}
    media = {
        "function_response": {"name": "f", "response": {}, "parts": [{"file_data": {"file_uri": "gs://x"}}]}
    }
    request = read(
        GEMINI,
        {
            "contents": [
                {"role": "user", "parts": [result]},
                {"role": "user", "parts": [media, {"text": "so?"}]},
            ]
        },
    )
    assert request.input_messages == [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": {"ok": True}}]},
        {
            "role": "user",
            "parts": [
                {
                    "type": "tool_call_response",
                    "id": None,
                    "response": [{"type": "uri", "modality": "document", "uri": "gs://x"}],
                },
                {"type": "text", "content": "so?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    "instruction", ["Be brief.", {"parts": [{"text": "Be brief."}]}, {"parts": {"text": "Be brief."}}]
)
@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
def test_the_system_instruction_stands_apart(instruction: Any, name: str) -> None:
    request = read(GEMINI, {"contents": "hi", name: instruction})
    assert request.system_instructions == [{"type": "text", "content": "Be brief."}]
    assert request.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]


def test_tools_are_flat_and_googles_own_keep_their_settings() -> None:
    tools = [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parameters": {"type": "object"}},
                {"name": "g"},
            ]
        },
        {"googleSearch": {}},
        {"fileSearch": {"top_k": 2}},
    ]
    assert read(GEMINI, {"contents": USER, "tools": tools}).tool_definitions == [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}},
        {"type": "function", "name": "g"},
        {"type": "google_search", "name": "google_search"},
        {"top_k": 2, "type": "file_search", "name": "file_search"},
    ]


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        pytest.param({}, NO_USAGE, id="silence is not zero"),
        pytest.param({"promptTokenCount": 0}, Usage(input=0), id="zero is kept"),
        pytest.param(
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 7,
                "totalTokenCount": 22,
            },
            Usage(input=10, output=12, reasoning=7),
            id="thinking is output",
        ),
        pytest.param(
            {"promptTokenCount": 10, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 1},
            Usage(input=13, output=1),
            id="what tools feed in is input",
        ),
        pytest.param(
            {"promptTokenCount": 10, "thoughtsTokenCount": 4},
            Usage(input=10, output=4, reasoning=4),
            id="thinking alone",
        ),
        pytest.param(
            {
                "promptTokenCount": 300,
                "cachedContentTokenCount": 40,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 100},
                    {"modality": "IMAGE", "tokenCount": 200},
                ],
                "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
                "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 40}],
                "candidatesTokensDetails": [
                    {"modality": 4, "tokenCount": 8},
                    {"modality": "VIDEO", "tokenCount": 1},
                ],
            },
            Usage(
                input=300,
                cache_read=40,
                text_input=105,
                image_input=200,
                text_cache_read=40,
                audio_output=8,
            ),
            id="modalities by word and by number",
        ),
    ],
)
def test_usage_has_one_meaning(said: Any, usage: Usage) -> None:
    assert answered(GEMINI, {"contents": USER}, {"usageMetadata": said}).usage == usage


@pytest.mark.parametrize(
    ("path", "said", "expected"),
    [
        (GEMINI, "STOP", "stop"),
        (GEMINI, "MAX_TOKENS", "length"),
        (GEMINI, "SAFETY", "content_filter"),
        (VERTEX, "MODEL_ARMOR", "content_filter"),
        (GEMINI, "MALFORMED_FUNCTION_CALL", "malformed_function_call"),
        (GEMINI, None, "error"),
        (GEMINI, 1, "stop"),
        (VERTEX, 2, "length"),
        (GEMINI, 6, "content_filter"),  # LANGUAGE
        (GEMINI, 10, "malformed_function_call"),
        (VERTEX, 10, "content_filter"),  # MODEL_ARMOR
        (VERTEX, 9, "malformed_function_call"),
        (GEMINI, 99, "other"),
        (GEMINI, -1, "other"),
    ],
)
def test_reasons_are_the_conventions_words(path: str, said: Any, expected: str) -> None:
    candidate = {"content": {"role": "model", "parts": [{"text": "x"}]}}
    if said is not None:
        candidate["finishReason"] = said
    response = answered(path, {"contents": USER}, {"candidates": [candidate]})
    assert response.finish_reasons == [expected]
    assert response.output_messages is not None
    assert response.output_messages[0]["finish_reason"] == expected


def test_several_candidates_stay_several() -> None:
    answer = {
        "candidates": [
            {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
            {"finishReason": "SAFETY"},
        ],
        "modelVersion": "gemini-2.5-pro-001",
        "responseId": "r1",
    }
    response = answered(GEMINI, {"contents": USER}, answer)
    assert (response.id, response.model) == ("r1", "gemini-2.5-pro-001")
    assert response.finish_reasons == ["stop", "content_filter"]
    assert response.output_messages == [
        {"role": "assistant", "parts": [{"type": "text", "content": "a"}], "finish_reason": "stop"},
        {"role": "assistant", "parts": [], "finish_reason": "content_filter"},
    ]


def test_a_blocked_prompt_is_filtered_and_no_failure() -> None:
    response = answered(GEMINI, {"contents": USER}, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    assert response.finish_reasons == ["content_filter"]
    assert response.failure is None


def test_grounding_shows_searches_and_sources() -> None:
    chunk = {"web": {"uri": "https://a.example", "title": "a"}}
    candidate = {
        "content": {"parts": [{"text": "x"}]},
        "finishReason": "STOP",
        "groundingMetadata": {"webSearchQueries": ["q"], "groundingChunks": [chunk]},
    }
    response = answered(GEMINI, {"contents": USER}, {"candidates": [candidate]})
    assert response.output_messages is not None
    assert response.output_messages[0]["parts"][1:] == [
        {
            "type": "server_tool_call",
            "id": None,
            "name": "google_search",
            "server_tool_call": {"type": "google_search", "queries": ["q"]},
        },
        {
            "type": "server_tool_call_response",
            "id": None,
            "server_tool_call_response": {"type": "google_search", "sources": [chunk]},
        },
    ]


ERROR = {"error": {"code": 429, "message": "Resource exhausted.", "status": "RESOURCE_EXHAUSTED"}}


@pytest.mark.parametrize("body", [ERROR, [ERROR]])
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("status", [429, 200])
@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent"])
def test_an_error_is_read_in_each_of_its_wrappings(body: Any, kind: str, status: int, verb: str) -> None:
    response = answered(f"/v1/models/g:{verb}", {"contents": USER}, body, status, kind)
    assert response.failure == Failure("RESOURCE_EXHAUSTED", "Resource exhausted.")


CHUNKS: list[Any] = [
    {
        "candidates": [{"index": 0, "content": {"parts": [{"text": "hm ", "thought": True}]}}],
        "usageMetadata": {"promptTokenCount": 9, "toolUsePromptTokenCount": 2},
        "responseId": "r",
        "modelVersion": "g-1",
    },
    {"candidates": [{"content": {"parts": [{"text": "yes", "thought": True}, {"text": "He"}]}}]},
    {
        "candidates": [
            {"content": {"parts": [{"text": "llo"}]}},
            {"index": 1, "content": {"parts": [{"text": "Hi"}]}},
        ]
    },
    {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}}]},
    {
        "candidates": [
            {"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"},
            {"index": 1, "finishReason": "MAX_TOKENS"},
        ],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 3, "thoughtsTokenCount": 2},
    },
    {
        "usageMetadata": {"trafficType": "ON_DEMAND"},
    },
]


@pytest.mark.parametrize(
    ("framed", "kind"),
    [
        (b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in CHUNKS), "text/event-stream"),
        (json.dumps(CHUNKS, indent=2).encode(), "application/json; charset=UTF-8"),
    ],
)
def test_a_stream_folds_in_both_framings(framed: bytes, kind: str) -> None:
    response = answered("/v1/models/g:streamGenerateContent", {"contents": USER}, framed, kind=kind)
    assert response == Response(
        id="r",
        model="g-1",
        finish_reasons=["stop", "length"],
        usage=Usage(input=4, output=5, reasoning=2),
        output_messages=[
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm yes"},
                    {"type": "text", "content": "Hello"},
                    {"type": "tool_call", "id": None, "name": "f", "arguments": {}},
                ],
                "finish_reason": "stop",
            },
            {"role": "assistant", "parts": [{"type": "text", "content": "Hi"}], "finish_reason": "length"},
        ],
    )


def test_arguments_that_stream_join_by_their_place() -> None:
    fold = Fold(True)
    pieces: list[Any] = [
        {"name": "f", "id": "1", "willContinue": True},
        {
            "partialArgs": [{"jsonPath": "$.city", "stringValue": "Par", "willContinue": True}],
            "willContinue": True,
        },
        {"partialArgs": [{"jsonPath": "$.city", "stringValue": "is"}, {"jsonPath": "$.n", "numberValue": 2}]},
    ]
    for piece in pieces:
        fold.add("", {"candidates": [{"content": {"parts": [{"functionCall": piece}]}}]})
    [candidate] = fold.body()["candidates"]
    calls = [part["functionCall"] for part in candidate["content"]["parts"]]
    assert {"id": "1", "name": "f", "args": {"city": "Paris", "n": 2}} in calls
    assert len(calls) == 1


def test_an_endless_stream_is_held_in_bounded_memory() -> None:
    fold = Fold(True)
    for _ in range(300):
        parts = [
            {"text": "x" * 10_000},
            {"inlineData": {"data": "y" * 100_000}},
            {"functionCall": {"name": "z" * 5000}},
        ]
        fold.add("", {"candidates": [{"index": 0, "content": {"parts": parts}}]})
    for index in range(1000):
        fold.add("", {"candidates": [{"index": index}]})
    body = fold.body()
    assert len(body["candidates"]) <= 128
    assert len(json.dumps(body)) < 20 << 20


@pytest.mark.parametrize(
    ("path", "body", "request_", "answer", "usage"),
    [
        (
            "/v1beta/models/e:embedContent",
            {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8},
            Request(operation="embeddings", model="e", dimension_count=8),
            {"embedding": {"values": [0.5]}},
            NO_USAGE,
        ),
        (
            "/v1beta/models/e:batchEmbedContents",
            {"requests": [{"content": {"parts": []}, "output_dimensionality": 8}, {}]},
            Request(operation="embeddings", model="e", dimension_count=8),
            {"embeddings": [], "usageMetadata": {"promptTokenCount": 3}},
            Usage(input=3),
        ),
        (
            "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict",
            {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 8}},
            Request(
                operation="embeddings",
                model="text-embedding-005",
                provider="gcp.vertex_ai",
                dimension_count=8,
            ),
            {
                "predictions": [
                    {"embeddings": {"values": [0.1], "statistics": {"token_count": 2}}},
                    {"embeddings": {"values": [0.1], "statistics": {"token_count": 3.0}}},
                ]
            },
            Usage(input=5),
        ),
        (
            "/v1/projects/p/locations/l/publishers/google/models/multimodalembedding@001:predict",
            {"instances": [{"text": "a", "image": {"gcsUri": "gs://x"}}]},
            Request(operation="embeddings", model="multimodalembedding@001", provider="gcp.vertex_ai"),
            {"predictions": [{"textEmbedding": [0.1]}]},
            NO_USAGE,
        ),
        (
            "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict",
            {"instances": [{"content": "a"}]},
            Request(operation="embeddings", model="text-embedding-005", provider="gcp.vertex_ai"),
            {"predictions": [{"embeddings": "?"}]},
            NO_USAGE,
        ),
    ],
)
def test_embeddings_keep_counts_and_no_vectors(
    path: str, body: Any, request_: Request, answer: Any, usage: Usage
) -> None:
    assert read(path, body) == request_
    assert answered(path, body, answer) == Response(usage=usage)


def test_imagen_makes_images() -> None:
    path = "/v1beta/models/imagen-4.0-generate-001:predict"
    body = {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 2}}
    answer = {
        "predictions": [
            {"mimeType": "image/png", "bytesBase64Encoded": "iVBO"},
            {"raiFilteredReason": "Unable to show."},
        ]
    }
    request = read(path, body)
    assert (request.output_type, request.choice_count, request.model) == (
        "image",
        2,
        "imagen-4.0-generate-001",
    )
    assert request.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "a cat"}]}]
    response = answered(path, body, answer)
    assert response.finish_reasons == ["stop", "content_filter"]
    assert response.output_messages is not None
    assert response.output_messages[0]["parts"][0]["type"] == "blob"


def test_an_interaction_goes_on_from_an_earlier_one() -> None:
    body = {
        "model": "gemini-3-flash",
        "input": [
            {"type": "text", "text": "what is this?"},
            {"type": "image", "uri": "https://a.example/x.png", "mime_type": "image/png"},
            {"type": "function_result", "call_id": "c", "result": {"ok": 1}},
        ],
        "previous_interaction_id": "v1_before",
        "system_instruction": "Be brief.",
        "response_format": {"type": "object"},
        "tools": [{"type": "google_search"}, {"type": "function", "name": "f"}],
        "generation_config": {"thinking_level": "low", "max_output_tokens": 5},
    }
    assert read("/v1beta/interactions", body) == Request(
        operation="generate_content",
        model="gemini-3-flash",
        max_tokens=5,
        reasoning_level="low",
        output_type="json",
        previous_response_id="v1_before",
        input_messages=[
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "what is this?"},
                    {
                        "type": "uri",
                        "modality": "image",
                        "uri": "https://a.example/x.png",
                        "mime_type": "image/png",
                    },
                ],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": {"ok": 1}}]},
        ],
        system_instructions=[{"type": "text", "content": "Be brief."}],
        tool_definitions=[
            {"type": "google_search", "name": "google_search"},
            {"type": "function", "name": "f"},
        ],
    )


@pytest.mark.parametrize(
    ("status", "reasons", "shown"),
    [
        ("completed", ["stop"], None),
        ("requires_action", ["tool_call"], None),
        ("incomplete", ["length"], None),
        ("failed", ["error"], None),
        ("in_progress", None, "in_progress"),
    ],
)
def test_the_status_of_an_interaction_is_its_reason(status: str, reasons: Any, shown: str | None) -> None:
    body = {"model": "g", "input": "hi"}
    response = answered("/v1/interactions", body, {"id": "v1_a", "status": status, "model": "g"})
    assert (response.finish_reasons, response.status) == (reasons, shown)


def test_a_fetched_interaction_tells_its_status_and_no_usage() -> None:
    path = "/v1beta/interactions/v1_abc"
    request = read(path, None, method="GET")
    assert request == Request(operation="fetch_response", response_id="v1_abc")
    answer = {
        "id": "v1_abc",
        "status": "failed",
        "usage": {"total_input_tokens": 5},
        "steps": [
            {"type": "user_input", "content": "hi"},
            {"type": "thought", "summary": [{"type": "text", "text": "hm"}]},
        ],
    }
    assert answered(path, None, answer) == Response(
        id="v1_abc",
        status="failed",
        finish_reasons=["error"],
        output_messages=[
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}], "finish_reason": "error"}
        ],
    )


def test_steps_of_an_interaction_fold() -> None:
    fold = InteractionFold(True)
    events: list[Any] = [
        {
            "event_type": "interaction.created",
            "interaction": {"id": "v1_a", "model": "g"},
            "metadata": {"usage": {"a": 1}},
        },
        {"event_type": "step.start", "index": 0, "step": {"type": "thought"}},
        {
            "event_type": "step.delta",
            "index": 0,
            "delta": {"type": "thought_summary", "content": {"text": "hm"}},
        },
        {"event_type": "step.start", "index": 1, "step": {"type": "function_call", "id": "c", "name": "f"}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "arguments_delta", "arguments": '{"a":'}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "arguments_delta", "arguments": "1}"}},
        {"event_type": "step.delta", "index": 2, "delta": {"type": "text", "text": "ok"}},
        {
            "event_type": "step.delta",
            "index": 2,
            "delta": {"type": "image", "data": "iVBO", "mime_type": "image/png"},
        },
        {
            "event_type": "step.delta",
            "index": 3,
            "delta": {"type": "google_search_call", "id": "s", "arguments": {"queries": ["q"]}},
        },
        {"event_type": "interaction.status_update", "status": "in_progress"},
    ]
    for event in events:
        fold.add("", event)
    body = fold.body()
    assert body["usage"] == {"a": 1}
    assert body["status"] == "in_progress"
    answer = answered("/v1/interactions", {"model": "g", "input": "hi"}, body)
    assert answer.output_messages is not None
    assert answer.output_messages[0]["parts"] == [
        {"type": "reasoning", "content": "hm"},
        {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}},
        {"type": "text", "content": "ok"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBO"},
        {
            "type": "server_tool_call",
            "id": "s",
            "name": "google_search",
            "server_tool_call": {"type": "google_search_call", "arguments": {"queries": ["q"]}},
        },
    ]


def test_an_agent_of_googles_is_invoked() -> None:
    request = read("/v1beta/interactions", {"agent": "deep-research", "input": "TPUs", "background": True})
    assert (request.operation, request.agent_id, request.model) == ("invoke_agent", "deep-research", None)
