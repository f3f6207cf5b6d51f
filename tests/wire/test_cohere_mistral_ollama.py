"""The protocols of Cohere, Mistral, Ollama, Voyage, Hugging Face, DashScope, Replicate, watsonx and Deepgram."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_llm.record import NO_USAGE, Failure, Request, Response, Usage
from otel_llm.wire import catalog, dashscope, exchange, providers
from otel_llm.wire.protocol import Ask, Wire


def ask(address: str, body: Any, method: str = "POST", headers: dict[str, str] | None = None) -> Ask:
    host, _, rest = address.partition("/")
    path, _, query = rest.partition("?")
    return Ask(method=method, host=host, path=f"/{path}", query=query, headers=headers or {}, body=body)


def recognised(asked: Ask) -> Wire:
    wire = catalog.recognise(asked, catalog.candidates(asked.method, asked.path))
    assert wire is not None
    return wire


def read(address: str, body: Any, headers: dict[str, str] | None = None) -> Request:
    asked = ask(address, body, "GET" if body is None else "POST", headers)
    return recognised(asked).read_request(asked, True)


def answered(
    address: str, asked: Any, answer: bytes | Any, status: int = 200, kind: str = "application/json"
) -> Response:
    """The response that these bytes, or this JSON, are read as."""
    made = ask(address, asked, "GET" if asked is None else "POST")
    wire = recognised(made)
    reader = exchange.Reader(wire, wire.read_request(made, True), status, {"content-type": kind}, True)
    reader.feed(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    return reader.finish()


def lines(*events: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def sse(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events) + b"data: [DONE]\n\n"


def said(*parts: Any, reason: str = "stop") -> list[Any]:
    """One answer of these parts; a text stands for a text part."""
    made = [{"type": "text", "content": one} if isinstance(one, str) else one for one in parts]
    return [{"role": "assistant", "parts": made, "finish_reason": reason}]


USER = [{"role": "user", "content": "hi"}]
HI = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
COHERE = "api.cohere.com/v2/chat"
CHAT = {"model": "command-a", "messages": USER}


REQUESTS = [
    pytest.param(
        COHERE,
        {
            **CHAT,
            "p": 0.5,
            "k": 3,
            "temperature": 0,
            "stop_sequences": ["x"],
            "seed": 1,
            "response_format": {"type": "json_object"},
        },
        Request(
            operation="chat",
            model="command-a",
            top_p=0.5,
            top_k=3,
            temperature=0.0,
            stop_sequences=["x"],
            seed=1,
            output_type="json",
            input_messages=HI,
        ),
        id="cohere chat",
    ),
    pytest.param(
        "api.cohere.com/v1/chat",
        {
            "message": "hi",
            "preamble": "Be brief.",
            "chat_history": [
                {"role": "CHATBOT", "message": "Hello", "tool_calls": [{"name": "f", "parameters": {"a": 1}}]}
            ],
            "tool_results": [{"call": {"name": "f"}, "outputs": [{"b": 2}]}],
            "tools": [{"name": "f", "description": "d", "parameter_definitions": {"a": {"type": "int"}}}],
            "conversation_id": "c",
            "stream": True,
        },
        Request(
            operation="chat",
            stream=True,
            conversation_id="c",
            input_messages=[
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "text", "content": "Hello"},
                        {"type": "tool_call", "id": None, "name": "f", "arguments": {"a": 1}},
                    ],
                },
                {
                    "role": "tool",
                    "parts": [{"type": "tool_call_response", "id": None, "response": [{"b": 2}]}],
                },
                *HI,
            ],
            system_instructions=[{"type": "text", "content": "Be brief."}],
            tool_definitions=[
                {"type": "function", "name": "f", "description": "d", "parameters": {"a": {"type": "int"}}}
            ],
        ),
        id="cohere chat 1",
    ),
    pytest.param(
        "api.cohere.com/v1/generate",
        {"prompt": "hi", "model": "", "num_generations": 2, "end_sequences": ["."]},
        Request(operation="text_completion", choice_count=2, stop_sequences=["."], input_messages=HI),
        id="cohere generate",
    ),
    pytest.param(
        "api.cohere.com/v2/embed",
        {"model": "embed-v4.0", "texts": ["a"], "embedding_types": ["int8"], "output_dimension": 256},
        Request(operation="embeddings", model="embed-v4.0", encoding_formats=["int8"], dimension_count=256),
        id="cohere embed",
    ),
    pytest.param(
        "openrouter.ai/api/v1/rerank",
        {"model": "r", "query": "q", "documents": ["a"], "top_n": 1},
        Request(operation="rerank", model="r", retrieval_top_k=1, retrieval_query="q"),
        id="rerank",
    ),
    pytest.param(
        "127.0.0.1/rerank",
        {"query": {"text": "q"}, "texts": ["a"], "top_k": 2},
        Request(operation="rerank", retrieval_top_k=2, retrieval_query="q"),
        id="rerank of a server of one model",
    ),
    pytest.param(
        "localhost/api/chat",
        {
            "model": "qwen3",
            "messages": [
                {"role": "user", "content": "hi", "images": ["iVBO"]},
                {
                    "role": "assistant",
                    "thinking": "hm",
                    "content": "",
                    "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
                },
                {"role": "tool", "content": "42", "tool_name": "f"},
            ],
            "options": {"num_predict": -1, "stop": ["x"], "top_k": 4, "seed": 0},
            "think": "high",
            "format": {"type": "object"},
        },
        Request(
            operation="chat",
            model="qwen3",
            stream=True,
            top_k=4,
            seed=0,
            stop_sequences=["x"],
            reasoning_level="high",
            output_type="json",
            input_messages=[
                {
                    "role": "user",
                    "parts": [
                        {"type": "text", "content": "hi"},
                        {"type": "blob", "modality": "image", "mime_type": None, "content": "iVBO"},
                    ],
                },
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "reasoning", "content": "hm"},
                        {"type": "tool_call", "id": None, "name": "f", "arguments": {}},
                    ],
                },
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": None, "response": "42"}]},
            ],
        ),
        id="ollama chat",
    ),
    pytest.param(
        "localhost/api/generate",
        {"model": "m", "prompt": "hi", "system": "Be brief.", "stream": False, "format": "", "think": True},
        Request(
            operation="text_completion",
            model="m",
            input_messages=HI,
            system_instructions=[{"type": "text", "content": "Be brief."}],
        ),
        id="ollama generate",
    ),
    pytest.param(
        "localhost/api/embed",
        {"model": "m", "input": ["a", "b"], "dimensions": 8},
        Request(operation="embeddings", model="m", dimension_count=8),
        id="ollama embed",
    ),
    pytest.param(
        "localhost/api/embeddings",
        {"model": "m", "prompt": "a"},
        Request(operation="embeddings", model="m"),
        id="ollama embeddings",
    ),
    pytest.param(
        "api.mistral.ai/v1/ocr",
        {
            "model": "mistral-ocr-latest",
            "document": {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}},
        },
        Request(
            operation="ocr",
            model="mistral-ocr-latest",
            input_messages=[
                {
                    "role": "user",
                    "parts": [{"type": "uri", "modality": "image", "uri": "https://a.example/x.png"}],
                }
            ],
        ),
        id="ocr",
    ),
    pytest.param(
        "api.mistral.ai/v1/conversations/conv_1",
        {
            "inputs": [
                {"type": "function.result", "tool_call_id": "t", "result": "42"},
                {"role": "user", "content": "hi"},
            ],
            "completion_args": {
                "temperature": 0.5,
                "random_seed": 3,
                "response_format": {"type": "json_schema"},
            },
            "stream": True,
        },
        Request(
            operation="chat",
            stream=True,
            conversation_id="conv_1",
            temperature=0.5,
            seed=3,
            output_type="json",
            input_messages=[
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t", "response": "42"}]},
                *HI,
            ],
        ),
        id="conversation",
    ),
    pytest.param(
        "api.mistral.ai/v1/conversations",
        {"inputs": "hi", "agent_id": "ag_1", "instructions": "Be brief."},
        Request(
            operation="invoke_agent",
            agent_id="ag_1",
            input_messages=HI,
            system_instructions=[{"type": "text", "content": "Be brief."}],
        ),
        id="conversation with an agent",
    ),
    pytest.param(
        "api.mistral.ai/v1/conversations/conv_1/restart",
        {"inputs": "hi", "from_entry_id": "e"},
        Request(operation="chat", conversation_id="conv_1", input_messages=HI),
        id="conversation starts again",
    ),
    pytest.param(
        "api.mistral.ai/v1/classifications",
        {"model": "mine", "input": "hi"},
        Request(operation="classification", model="mine", input_messages=HI),
        id="classification",
    ),
    pytest.param(
        "x.endpoints.huggingface.cloud/",
        {"inputs": "hi", "parameters": {}, "stream": True},
        Request(operation="text_completion", stream=True, input_messages=HI),
        id="inference endpoint streams",
    ),
    pytest.param(
        "api.mistral.ai/v1/agents/completions",
        {"agent_id": "ag_1", "messages": USER, "random_seed": 7},
        Request(operation="invoke_agent", agent_id="ag_1", seed=7, input_messages=HI),
        id="agent",
    ),
    pytest.param(
        "api.voyageai.com/v1/multimodalembeddings",
        {
            "model": "voyage-multimodal-3",
            "inputs": [{"content": [{"type": "text", "text": "a"}]}],
            "output_encoding": "base64",
        },
        Request(operation="embeddings", model="voyage-multimodal-3", encoding_formats=["base64"]),
        id="voyage multimodal",
    ),
    pytest.param(
        "x.endpoints.huggingface.cloud/",
        {"inputs": "hi", "parameters": {"max_new_tokens": 5, "top_k": None, "stop": ["x"]}},
        Request(operation="text_completion", max_tokens=5, stop_sequences=["x"], input_messages=HI),
        id="inference endpoint",
    ),
    pytest.param(
        "api-inference.huggingface.co/models/org/name",
        {"inputs": "hi", "parameters": {"temperature": 0.5}},
        Request(operation="text_completion", model="org/name", temperature=0.5, input_messages=HI),
        id="inference api",
    ),
    pytest.param(
        "localhost/generate_stream",
        {"inputs": "hi"},
        Request(operation="text_completion", stream=True, input_messages=HI),
        id="text generation server",
    ),
    pytest.param(
        "dashscope.aliyuncs.com/api/v1/services/aigc/multimodal-generation/generation",
        {
            "model": "qwen-vl",
            "input": {
                "messages": [
                    {"role": "user", "content": [{"image": "https://a.example/x.png"}, {"text": "hi"}]}
                ]
            },
            "parameters": {"max_tokens": 5, "n": 2},
        },
        Request(
            operation="chat",
            model="qwen-vl",
            max_tokens=5,
            choice_count=2,
            input_messages=[
                {
                    "role": "user",
                    "parts": [
                        {"type": "uri", "modality": "image", "uri": "https://a.example/x.png"},
                        {"type": "text", "content": "hi"},
                    ],
                }
            ],
        ),
        id="dashscope",
    ),
    pytest.param(
        "api.replicate.com/v1/models/meta/llama/predictions",
        {"input": {"prompt": "hi", "system_prompt": "Be brief.", "max_new_tokens": 5}, "stream": True},
        Request(
            operation="generate_content",
            model="meta/llama",
            max_tokens=5,
            input_messages=HI,
            system_instructions=[{"type": "text", "content": "Be brief."}],
        ),
        id="replicate",
    ),
    pytest.param(
        "us-south.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=2024-05-31",
        {"model_id": "ibm/granite", "messages": USER, "max_tokens": 5},
        Request(operation="chat", model="ibm/granite", stream=True, max_tokens=5, input_messages=HI),
        id="watsonx chat",
    ),
    pytest.param(
        "us-south.ml.cloud.ibm.com/ml/v1/deployments/d1/text/generation",
        {"input": "hi", "parameters": {"max_new_tokens": 5, "random_seed": 2}},
        Request(operation="text_completion", model="d1", max_tokens=5, seed=2, input_messages=HI),
        id="watsonx generation",
    ),
    pytest.param(
        "us-south.ml.cloud.ibm.com/ml/v1/text/embeddings",
        {"model_id": "ibm/slate", "inputs": ["a"]},
        Request(operation="embeddings", model="ibm/slate"),
        id="watsonx embeddings",
    ),
    pytest.param(
        "api.deepgram.com/v1/speak?model=aura-2-thalia-en&encoding=mp3",
        {"text": "hi"},
        Request(
            operation="generate_content", model="aura-2-thalia-en", output_type="speech", input_messages=HI
        ),
        id="deepgram speak",
    ),
]


@pytest.mark.parametrize(("address", "body", "expected"), REQUESTS)
def test_a_request_is_read(address: str, body: Any, expected: Request) -> None:
    assert read(address, body) == expected


@pytest.mark.parametrize(("address", "body", "expected"), REQUESTS)
def test_without_content_none_is_read(address: str, body: Any, expected: Request) -> None:
    asked = ask(address, body)
    request = recognised(asked).read_request(asked, False)
    assert (request.model, request.operation) == (expected.model, expected.operation)
    assert request.input_messages is None
    assert request.system_instructions is None
    assert request.tool_definitions is None
    assert request.retrieval_query is None


COHERE_CALL = {"type": "tool_call", "id": "1", "name": "f", "arguments": {"a": 1}}
CONVERSE = "api.mistral.ai/v1/conversations"
QWEN = "dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/generation"
GRANITE = "us-south.ml.cloud.ibm.com/ml/v1/text/generation_stream"

ANSWERS = [
    pytest.param(
        COHERE,
        CHAT,
        {
            "id": "i",
            "finish_reason": "TOOL_CALL",
            "message": {
                "tool_plan": "I will",
                "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "ok"}],
                "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
        },
        "application/json",
        Response(
            id="i",
            finish_reasons=["tool_call"],
            output_messages=said(
                {"type": "reasoning", "content": "I will"},
                {"type": "reasoning", "content": "hm"},
                "ok",
                COHERE_CALL,
                reason="tool_call",
            ),
        ),
        id="cohere chat",
    ),
    pytest.param(
        COHERE,
        {**CHAT, "stream": True},
        sse(
            {"type": "message-start", "id": "i"},
            {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I "}}},
            {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "will"}}},
            {
                "type": "content-start",
                "index": 0,
                "delta": {"message": {"content": {"type": "text", "text": ""}}},
            },
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "o"}}}},
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "k"}}}},
            {
                "type": "tool-call-start",
                "index": 0,
                "delta": {"message": {"tool_calls": {"id": "1", "function": {"name": "f", "arguments": ""}}}},
            },
            {
                "type": "tool-call-delta",
                "index": 0,
                "delta": {"message": {"tool_calls": {"function": {"arguments": '{"a":'}}}},
            },
            {
                "type": "tool-call-delta",
                "index": 0,
                "delta": {"message": {"tool_calls": {"function": {"arguments": "1}"}}}},
            },
            {
                "type": "message-end",
                "delta": {"finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 5}}},
            },
        ),
        "text/event-stream",
        Response(
            id="i",
            finish_reasons=["tool_call"],
            usage=Usage(input=5),
            output_messages=said(
                {"type": "reasoning", "content": "I will"}, "ok", COHERE_CALL, reason="tool_call"
            ),
        ),
        id="cohere chat streams",
    ),
    pytest.param(
        "api.cohere.com/v1/chat",
        {"message": "hi", "stream": True},
        lines(
            {"event_type": "stream-start", "generation_id": "g"},
            {"event_type": "text-generation", "text": "Hel"},
        ),
        "application/stream+json",
        Response(id="g", finish_reasons=["error"], output_messages=said("Hel", reason="error")),
        id="cohere chat 1 is cut",
    ),
    pytest.param(
        "api.cohere.com/v1/generate",
        {"prompt": "hi", "stream": True},
        lines(
            {"text": "Hel", "is_finished": False},
            {"text": "lo", "is_finished": False},
            {
                "is_finished": True,
                "finish_reason": "MAX_TOKENS",
                "response": {"id": "g", "generations": [{"text": "Hello", "finish_reason": "MAX_TOKENS"}]},
            },
        ),
        "application/stream+json",
        Response(id="g", finish_reasons=["length"], output_messages=said("Hello", reason="length")),
        id="cohere generate streams",
    ),
    pytest.param(
        "api.cohere.com/v1/embed",
        {"model": "embed-v4.0", "images": ["data:image/png;base64,iVBO"]},
        {"id": "e", "embeddings": [[0.1]], "meta": {"billed_units": {"input_tokens": 2, "image_tokens": 50}}},
        "application/json",
        Response(id="e", usage=Usage(input=52, image_input=50)),
        id="cohere embeds images",
    ),
    pytest.param(
        "api.jina.ai/v1/rerank",
        {"model": "m", "query": "q", "documents": ["a", {"text": "b"}]},
        {
            "model": "m",
            "usage": {"total_tokens": 9, "cost": 0.5},
            "results": [
                {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
                {"index": 0, "relevance_score": 0},
            ],
        },
        "application/json",
        Response(
            model="m",
            usage=Usage(input=9),
            cost=0.5,
            documents=[{"id": "1", "score": 0.9, "content": "b"}, {"id": "0", "score": 0.0}],
        ),
        id="rerank",
    ),
    pytest.param(
        "localhost/rerank",
        {"query": "q", "texts": ["a"]},
        [{"index": 0, "score": 0.9, "text": "a"}],
        "application/json",
        Response(documents=[{"id": "0", "score": 0.9, "content": "a"}]),
        id="rerank of a server of one model",
    ),
    pytest.param(
        "localhost/api/chat",
        {"model": "m", "messages": USER},
        lines(
            {"model": "m", "message": {"thinking": "h"}, "done": False},
            {"model": "m", "message": {"thinking": "m", "content": "o"}, "done": False},
            {
                "model": "m",
                "message": {
                    "content": "k",
                    "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}],
                },
            },
            {"model": "m", "done": True, "done_reason": "length", "prompt_eval_count": 0, "eval_count": 3},
        ),
        "application/x-ndjson",
        Response(
            model="m",
            finish_reasons=["length"],
            usage=Usage(input=0, output=3),
            output_messages=said({"type": "reasoning", "content": "hm"}, "ok", COHERE_CALL, reason="length"),
        ),
        id="ollama chat streams",
    ),
    pytest.param(
        "localhost/api/generate",
        {"model": "m", "prompt": "hi"},
        lines({"model": "m", "response": "o", "done": False}, {"error": "an unexpected error"}),
        "application/x-ndjson",
        Response(
            model="m",
            finish_reasons=["error"],
            failure=Failure("_OTHER", "an unexpected error"),
            output_messages=said("o", reason="error"),
        ),
        id="ollama fails while it streams",
    ),
    pytest.param(
        "localhost/api/embed",
        {"model": "m", "input": "a"},
        {"model": "m", "embeddings": [[0.1]], "prompt_eval_count": 4},
        "application/json",
        Response(model="m", usage=Usage(input=4)),
        id="ollama embed",
    ),
    pytest.param(
        "api.mistral.ai/v1/ocr",
        {"model": "o", "document": {"document_url": "https://a.example/x.pdf"}},
        {
            "model": "o",
            "pages": [{"index": 0, "markdown": "# A"}, {"index": 1, "markdown": "B"}],
            "usage_info": {"pages_processed": 2},
        },
        "application/json",
        Response(
            model="o",
            output_messages=[
                {
                    "role": "assistant",
                    "parts": [{"type": "text", "content": "# A"}, {"type": "text", "content": "B"}],
                }
            ],
        ),
        id="ocr",
    ),
    pytest.param(
        CONVERSE,
        {"inputs": "hi", "model": "m"},
        {
            "conversation_id": "conv_1",
            "outputs": [
                {"type": "tool.execution", "id": "x", "name": "web_search", "arguments": "{}"},
                {"type": "message.output", "model": "m-2", "content": [{"type": "text", "text": "ok"}]},
            ],
            "usage": {"prompt_tokens": 5, "completion_tokens": 6, "connector_tokens": 7, "total_tokens": 18},
        },
        "application/json",
        Response(
            model="m-2",
            conversation_id="conv_1",
            finish_reasons=["stop"],
            usage=Usage(input=12, output=6),
            output_messages=said(
                {
                    "type": "server_tool_call",
                    "id": "x",
                    "name": "web_search",
                    "server_tool_call": {"name": "web_search", "arguments": "{}", "type": "tool.execution"},
                },
                "ok",
            ),
        ),
        id="conversation",
    ),
    pytest.param(
        CONVERSE,
        {"inputs": "hi", "model": "m", "stream": True},
        sse(
            {"type": "conversation.response.started", "conversation_id": "conv_1"},
            {"type": "message.output.delta", "id": "a", "model": "m", "content": "o"},
            {"type": "message.output.delta", "id": "a", "content": {"type": "text", "text": "k"}},
            {
                "type": "function.call.delta",
                "id": "b",
                "name": "f",
                "tool_call_id": "1",
                "arguments": '{"a":',
            },
            {"type": "function.call.delta", "id": "b", "arguments": "1}"},
            {"type": "conversation.response.done", "usage": {"prompt_tokens": 5, "completion_tokens": 6}},
        ),
        "text/event-stream",
        Response(
            model="m",
            conversation_id="conv_1",
            finish_reasons=["tool_call"],
            usage=Usage(input=5, output=6),
            output_messages=said("ok", COHERE_CALL, reason="tool_call"),
        ),
        id="conversation streams",
    ),
    pytest.param(
        CONVERSE,
        {"inputs": "hi", "model": "m", "stream": True},
        sse({"type": "conversation.response.error", "code": 3000, "message": "no"}),
        "text/event-stream",
        Response(
            finish_reasons=["error"], failure=Failure("3000", "no"), output_messages=said(reason="error")
        ),
        id="conversation fails while it streams",
    ),
    pytest.param(
        CONVERSE,
        {"inputs": "hi", "model": "m", "stream": True},
        sse(
            {
                "type": "function.call.delta",
                "id": "b",
                "name": "f",
                "tool_call_id": "1",
                "arguments": '{"a":1}',
            }
        ),
        "text/event-stream",
        Response(finish_reasons=["error"], output_messages=said(COHERE_CALL, reason="error")),
        id="conversation is cut",
    ),
    pytest.param(
        "api.mistral.ai/v1/classifications",
        {"model": "mine", "input": ["a"]},
        {
            "id": "c",
            "model": "mine",
            "results": [{"mood": {"scores": {"good": 0.9}}}],
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        },
        "application/json",
        Response(
            id="c",
            model="mine",
            usage=Usage(input=3),
            output_messages=[
                {
                    "role": "assistant",
                    "parts": [{"type": "classification", "targets": {"mood": {"scores": {"good": 0.9}}}}],
                }
            ],
        ),
        id="classification",
    ),
    pytest.param(
        "api.voyageai.com/v1/contextualizedembeddings",
        {"model": "voyage-context-3", "inputs": [["a", "b"]]},
        {"model": "voyage-context-3", "usage": {"total_tokens": 8}, "data": []},
        "application/json",
        Response(model="voyage-context-3", usage=Usage(input=8)),
        id="voyage",
    ),
    pytest.param(
        "localhost/generate",
        {"inputs": "hi"},
        {
            "generated_text": "ok",
            "details": {
                "finish_reason": "stop_sequence",
                "generated_tokens": 2,
                "prefill": [{"id": 1}, {"id": 2}, {"id": 3}],
            },
        },
        "application/json",
        Response(finish_reasons=["stop"], usage=Usage(input=3, output=2), output_messages=said("ok")),
        id="text generation",
    ),
    pytest.param(
        "localhost/generate_stream",
        {"inputs": "hi"},
        sse(
            {"token": {"text": "o", "special": False}, "generated_text": None, "details": None},
            {"token": {"text": "k", "special": False}, "generated_text": None},
            {
                "token": {"text": "</s>", "special": True},
                "generated_text": "ok",
                "details": {"finish_reason": "eos_token", "generated_tokens": 3, "input_length": 4},
            },
        ),
        "text/event-stream",
        Response(finish_reasons=["stop"], usage=Usage(input=4, output=3), output_messages=said("ok")),
        id="text generation streams",
    ),
    pytest.param(
        QWEN,
        {"model": "qwen", "input": {"prompt": "hi"}},
        {
            "output": {"text": "ok", "finish_reason": "stop"},
            "usage": {"input_tokens": 1, "output_tokens": 2},
            "request_id": "r",
        },
        "application/json",
        Response(id="r", finish_reasons=["stop"], usage=Usage(input=1, output=2), output_messages=said("ok")),
        id="dashscope text",
    ),
    pytest.param(
        QWEN,
        {"model": "qwen", "input": {"messages": USER}, "stream": True},
        sse(
            {
                "output": {
                    "choices": [
                        {"message": {"content": "o", "reasoning_content": "h"}, "finish_reason": "null"}
                    ]
                }
            },
            {
                "output": {
                    "choices": [
                        {"message": {"content": "ok", "reasoning_content": "hm"}, "finish_reason": "stop"}
                    ]
                }
            },
        ),
        "text/event-stream",
        Response(finish_reasons=["stop"], output_messages=said({"type": "reasoning", "content": "hm"}, "ok")),
        id="dashscope tells all anew",
    ),
    pytest.param(
        "api.replicate.com/v1/predictions",
        {"version": "meta/llama:abc", "input": {"prompt": "hi"}},
        {
            "id": "p",
            "model": "meta/llama",
            "status": "succeeded",
            "output": ["o", "k"],
            "error": None,
            "metrics": {"input_token_count": 3, "output_token_count": 2},
        },
        "application/json",
        Response(
            id="p",
            model="meta/llama",
            finish_reasons=["stop"],
            usage=Usage(input=3, output=2),
            output_messages=said("ok"),
        ),
        id="replicate",
    ),
    pytest.param(
        "api.replicate.com/v1/predictions/p",
        None,
        {"id": "p", "status": "processing", "metrics": {"input_token_count": 3}},
        "application/json",
        Response(id="p", status="in_progress"),
        id="replicate fetched",
    ),
    pytest.param(
        GRANITE,
        {"model_id": "g", "input": "hi"},
        sse(
            {
                "model_id": "g",
                "results": [
                    {
                        "generated_text": "o",
                        "input_token_count": 4,
                        "generated_token_count": 1,
                        "stop_reason": "not_finished",
                    }
                ],
            },
            {
                "model_id": "g",
                "results": [
                    {
                        "generated_text": "k",
                        "input_token_count": 0,
                        "generated_token_count": 2,
                        "stop_reason": "eos_token",
                    }
                ],
            },
        ),
        "text/event-stream",
        Response(
            model="g", finish_reasons=["stop"], usage=Usage(input=4, output=2), output_messages=said("ok")
        ),
        id="watsonx streams",
    ),
    pytest.param(
        "us-south.ml.cloud.ibm.com/ml/v1/text/chat",
        {"model_id": "g", "messages": USER},
        {
            "id": "c",
            "model": "g",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        },
        "application/json",
        Response(
            id="c",
            model="g",
            finish_reasons=["stop"],
            usage=Usage(input=1, output=2),
            output_messages=said("ok"),
        ),
        id="watsonx chat",
    ),
]


@pytest.mark.parametrize(("address", "body", "answer", "kind", "expected"), ANSWERS)
def test_an_answer_is_read(address: str, body: Any, answer: Any, kind: str, expected: Response) -> None:
    assert answered(address, body, answer, kind=kind) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({}, NO_USAGE, id="silence is not zero"),
        pytest.param(
            {
                "billed_units": {"input_tokens": 8, "output_tokens": 0},
                "tokens": {"input_tokens": 503, "output_tokens": 11},
            },
            Usage(input=8, output=0),
            id="billed tokens count",
        ),
        pytest.param(
            {
                "billed_units": {"input_tokens": 8, "output_tokens": 8},
                "tokens": {"input_tokens": 503, "output_tokens": 11, "reasoning_tokens": 5},
                "cached_tokens": 448,
            },
            Usage(input=8, output=8, reasoning=5),
            id="cached tokens are no part of the billed ones",
        ),
        pytest.param(
            {"tokens": {"input_tokens": 34, "output_tokens": 5, "image_tokens": 259}, "cached_tokens": 20},
            Usage(input=293, output=5, cache_read=20, image_input=259),
            id="all tokens where none are billed",
        ),
        pytest.param({"billed_units": {"search_units": 1}}, NO_USAGE, id="searches are no tokens"),
    ],
)
def test_cohere_counts_what_it_bills(usage: Any, expected: Usage) -> None:
    answer = {"finish_reason": "COMPLETE", "message": {"content": []}, "usage": usage}
    assert answered(COHERE, CHAT, answer).usage == expected


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["I", "I am", "I am here"], "I am here"),
        (["I", " am", " here"], "I am here"),
        (["ha", "ha", "!"], "haha!"),
        (["a", "", "b"], "ab"),
        ([str(n) * n for n in range(1, 9)], "".join(str(n) * n for n in range(1, 9))),
    ],
)
def test_pieces_join_and_what_is_told_anew_does_not(pieces: list[str], whole: str) -> None:
    fold = dashscope.Fold(True)
    for piece in pieces:
        fold.add("", {"output": {"choices": [{"message": {"content": piece}}]}})
    assert fold.body()["output"]["choices"][0]["message"]["content"] == whole


@pytest.mark.parametrize(
    ("address", "body", "provider"),
    [
        (COHERE, CHAT, "cohere"),
        ("gateway.example/v2/chat", CHAT, "cohere"),
        ("ollama.com/api/chat", CHAT, "ollama"),
        ("my.example/api/chat", CHAT, "ollama"),
        ("api.voyageai.com/v1/rerank", {"query": "q", "documents": ["a"]}, "voyage_ai"),
        ("openrouter.ai/api/v1/rerank", {"query": "q", "documents": ["a"]}, "openrouter"),
        ("api.mistral.ai/v1/ocr", {"model": "o", "document": {"file_id": "f"}}, "mistral_ai"),
        ("eu-de.ml.cloud.ibm.com/ml/v1/text/chat", {"messages": USER}, "ibm.watsonx.ai"),
    ],
)
def test_the_host_names_the_provider_and_else_the_protocol_does(
    address: str, body: Any, provider: str
) -> None:
    asked = ask(address, body)
    assert providers.provider_of(asked, recognised(asked)) == provider


def test_a_header_asks_dashscope_for_a_stream() -> None:
    body = {"model": "qwen", "input": {"prompt": "hi"}}
    assert read(QWEN, body, {"x-dashscope-sse": "enable"}).stream
    assert read(QWEN, body, {"accept": "text/event-stream"}).stream
    assert not read(QWEN, body).stream


def test_a_recording_may_be_sent_to_deepgram_as_it_is() -> None:
    request = read("api.deepgram.com/v1/listen?model=nova-3", b"", {"content-type": "audio/wav"})
    assert (request.operation, request.model, request.input_messages) == ("generate_content", "nova-3", None)


def test_a_form_without_files_is_read() -> None:
    kind = "application/x-www-form-urlencoded"
    body = exchange.read_body(kind, b"model=voxtral&file_url=https%3A%2F%2Fa.example%2Fx.mp3")
    assert body == {"model": "voxtral", "file_url": "https://a.example/x.mp3"}
    assert read("api.mistral.ai/v1/audio/transcriptions", body).model == "voxtral"
    assert exchange.read_body(kind, b"\xff") is None
    assert exchange.read_body(kind, b"&a=b" * 1000) is None
