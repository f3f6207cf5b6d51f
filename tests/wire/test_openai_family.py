"""What OpenAI's protocols and their dialects say, case by case."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_llm.record import NO_USAGE, Failure, Request, Response, Usage
from otel_llm.wire import catalog, exchange, openai_chat, openai_responses
from otel_llm.wire.openai_chat_fold import Fold
from otel_llm.wire.openai_usage import read_cost, read_usage
from otel_llm.wire.protocol import MAX_TEXT, Answer, Ask, Wire
from otel_llm.wire.providers import provider_of


def asked(path: str, body: Any, host: str = "api.example.com", **more: Any) -> tuple[Wire | None, Ask]:
    """A POST, and the protocol that it is taken for."""
    ask = Ask(method="POST", host=host, path=path, body=body, **more)
    return catalog.recognise(ask, catalog.candidates("POST", path)), ask


def request_of(path: str, body: Any, **more: Any) -> Request:
    wire, ask = asked(path, body, **more)
    assert wire is not None
    return wire.read_request(ask, True)


def answer_to(path: str, body: Any, answer: Any, *, stream: bool = False, step: int = 0) -> Response:
    """The response to a request, from its bytes; a list of events is sent as a stream."""
    wire, ask = asked(path, body)
    assert wire is not None
    request = wire.read_request(ask, True)
    if stream:
        data = (
            b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in answer)
            + b"data: [DONE]\n\n"
        )
        headers = {"content-type": "text/event-stream"}
    else:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        headers = {"content-type": "application/json"}
    reader = exchange.Reader(wire, request, 200, headers, content=True)
    for at in range(0, len(data), step or len(data)):
        reader.feed(data[at : at + (step or len(data))])
    return reader.finish()


CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
RESPONSES: dict[str, Any] = {"model": "m", "input": "hi"}


def chatted(message: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The parts of a chat completion's one answer."""
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], **more}
    [made] = answer_to("/v1/chat/completions", CHAT, body).output_messages or []
    parts: list[dict[str, Any]] = made["parts"]
    return parts


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({}, NO_USAGE, id="silence is not zero"),
        pytest.param(
            {"prompt_tokens": 0, "completion_tokens": 0}, Usage(input=0, output=0), id="zero is kept"
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 7,
                "total_tokens": 17,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 2},
            },
            Usage(
                input=10, output=7, cache_read=4, cache_write=2, reasoning=5, audio_input=1, audio_output=2
            ),
            id="OpenAI's counts include cached and reasoning ones",
        ),
        pytest.param(
            {
                "prompt_tokens": 165,
                "completion_tokens": 2,
                "total_tokens": 292,
                "completion_tokens_details": {"reasoning_tokens": 125},
            },
            Usage(input=165, output=127, reasoning=125),
            id="xAI counts reasoning beside the completion",
        ),
        pytest.param(
            {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
            Usage(input=35, output=74),
            id="Google's thoughts are only in the total",
        ),
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 201,
                "total_tokens": 585,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375},
            },
            Usage(input=384, output=201, cache_read=0, audio_input=375),
            id="Mistral counts audio beside the prompt",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 40,
            },
            Usage(input=10, output=5, cache_read=60, cache_write=40),
            id="a total that holds cached tokens twice is not output",
        ),
        pytest.param(
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 13,
                "prompt_cache_hit_tokens": 8,
                "prompt_cache_miss_tokens": 1,
            },
            Usage(input=9, output=4, cache_read=8),
            id="DeepSeek's cache hits",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 3, "reasoning_tokens": 2},
            Usage(input=9, output=4, cache_read=3, reasoning=2),
            id="Moonshot and Perplexity count beside the details",
        ),
        pytest.param(
            {
                "input_tokens": 37,
                "output_tokens": 12,
                "total_tokens": 49,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 37},
            },
            Usage(input=37, output=12, text_input=0, audio_input=37),
            id="transcriptions have their details in the singular",
        ),
        pytest.param(
            {
                "input_tokens": 50,
                "output_tokens": 40,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens_details": {"image_tokens": 40},
            },
            Usage(input=50, output=40, text_input=10, image_input=40, image_output=40),
            id="images",
        ),
        pytest.param(
            {"input_tokens": 9, "input_tokens_details": {"cached_tokens_details": {"text_tokens": 5}}},
            Usage(input=9, text_cache_read=5),
            id="cached tokens by modality",
        ),
        pytest.param({"total_tokens": 12}, Usage(input=12), id="an embedder that says only the total"),
        pytest.param({"type": "duration", "seconds": 7}, NO_USAGE, id="seconds are no tokens"),
        pytest.param(
            {"prompt_tokens": "9", "completion_tokens": None, "prompt_tokens_details": [1]},
            NO_USAGE,
            id="what is no number is not said",
        ),
        pytest.param({"prompt_tokens": -1, "completion_tokens": True}, NO_USAGE, id="no count is negative"),
    ],
)
def test_usage_has_one_meaning_for_all(usage: Any, expected: Usage) -> None:
    assert read_usage(usage) == expected


def test_vercel_counts_the_thoughts_of_google_apart_and_those_of_openai_within() -> None:
    said = {
        "prompt_tokens": 9,
        "completion_tokens": 30,
        "total_tokens": 39,
        "completion_tokens_details": {"reasoning_tokens": 25},
        "market_cost": 0.1,
    }
    assert read_usage(said, "google/gemini-2.5-flash").output == 55
    assert read_usage(said, "openai/gpt-5").output == 30
    assert read_usage({**said, "completion_tokens": 2, "total_tokens": 11}, "my-alias").output == 27


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param({}, None, id="nothing said"),
        pytest.param({"cost": 0}, 0.0, id="free is said"),
        pytest.param({"cost": 0.5, "is_byok": False}, 0.5, id="OpenRouter"),
        pytest.param(
            {"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 2.0}},
            2.5,
            id="its fee and the provider's price",
        ),
        pytest.param({"cost": {"total_cost": 0.25, "input_tokens_cost": 0.1}}, 0.25, id="Perplexity"),
        pytest.param({"cost_in_usd_ticks": 731000}, 0.0000731, id="xAI"),
        pytest.param({"cost_in_usd_ticks": 0}, None, id="no price through Azure"),
        pytest.param({"cost": "0.5"}, None, id="a text is no price"),
    ],
)
def test_cost_is_what_the_provider_said(usage: Any, cost: float | None) -> None:
    assert read_cost(usage) == cost


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/chat/completions", CHAT, "openai_chat"),
        ("/a/gateway/with/prefix/chat/completions", CHAT, "openai_chat"),
        ("//openai/deployments/d/chat/completions", CHAT, "openai_chat"),
        ("/v1/completions", {"prompt": "p"}, "openai_completions"),
        ("/v1/completions", {"prompt": [1, 2]}, "openai_completions"),
        ("/beta/completions/", {"prompt": ["p"]}, "openai_completions"),
        ("/v1/fim/completions", {"model": "codestral", "prompt": "p"}, "openai_completions"),
        ("/v1/completions", {"query": "p"}, None),
        ("/v1/chat/completions", {"messages": ["hi"]}, None),
        ("/v1/responses", RESPONSES, "openai_responses"),
        ("/proxy/openai/responses", {"prompt": {"id": "pmpt_1"}}, "openai_responses"),
        ("/v1/responses/compact", RESPONSES, "openai_responses"),
        ("/v1/responses/input_tokens", RESPONSES, None),
        ("/survey/7/responses", {"answers": [1], "input": "x"}, None),
        ("/v1/embeddings", {"input": ["a"]}, "openai_embeddings"),
        ("/openai/deployments/d/embeddings", {"input": "a"}, "openai_embeddings"),
        ("/v1/embeddings", {"text": "a"}, None),
        ("/v1/images/generations", {"prompt": "a cat"}, "openai_images"),
        ("/v1/images/edits", {"image": {"size": 1}, "prompt": "p"}, "openai_images"),
        ("/v1/images/variations", {"image": {"size": 1}}, "openai_images"),
        ("/upload/images", {"name": "cat.png"}, None),
        ("/v1/audio/speech", {"input": "hi", "voice": "alloy"}, "openai_speech"),
        ("/v1/audio/transcriptions", {"file": {"size": 1}}, "openai_transcription"),
        ("/v1/audio/translations", {"file": {"size": 1}}, "openai_transcription"),
        ("/v1/audio/transcriptions", {"title": "song"}, None),
        ("/v1/moderations", {"input": "x"}, "openai_moderations"),
        ("/v1/moderations", {"post": 7}, None),
    ],
)
def test_a_call_is_known_by_its_path_and_its_body(path: str, body: Any, name: str | None) -> None:
    wire, _ = asked(path, body)
    assert (wire.name if wire else None) == name


def test_a_form_that_could_not_be_read_is_known_by_its_path() -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    for path, name in (("/audio/transcriptions", "openai_transcription"), ("/images/edits", "openai_images")):
        wire, ask = asked(path, None, headers=headers)
        assert wire is not None
        assert wire.name == name
        assert wire.read_request(ask, True).model is None
        assert asked(path, None)[0] is None


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        ("api.openai.com", "/v1/responses/resp_1", True),
        ("localhost", "/v1/responses/resp_1/", True),
        ("api.x.ai", "/v1/responses/0b4e9a5e-1c6f-4bbd-9d52-0d6f9ccd0a11", True),
        ("forms.example.com", "/surveys/7/responses/12", False),
        ("api.openai.com", "/v1/responses/resp_1/input_items", False),
    ],
)
def test_a_fetched_response_is_known_by_its_id_or_its_host(host: str, path: str, found: bool) -> None:
    ask = Ask(method="GET", host=host, path=path, query="stream=true&starting_after=3")
    wire = catalog.recognise(ask, catalog.candidates("GET", path))
    assert (wire is openai_responses.FETCH) is found
    if wire is not None:
        request = wire.read_request(ask, True)
        assert request.operation == "fetch_response"
        assert request.response_id == path.rstrip("/").rpartition("/")[2]
        assert request.stream


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("/openai/deployments/my%2Ddep/chat/completions", {"messages": []}, "my%2Ddep"),
        ("/openai/deployments/dep/chat/completions", {"messages": [], "model": "gpt-5"}, "gpt-5"),
        ("/openai/deployments/dep/images/generations", {"prompt": "p"}, "dep"),
        ("/openai/deployments/dep/embeddings", {"input": "p"}, "dep"),
        ("/v1/chat/completions", {"messages": []}, None),
    ],
)
def test_an_azure_deployment_stands_for_the_model(path: str, body: Any, model: str | None) -> None:
    assert request_of(path, body).model == model


@pytest.mark.parametrize(
    ("host", "path", "port", "provider"),
    [
        ("api.openai.com", "/v1/chat/completions", 443, "openai"),
        ("eu.api.openai.com", "/v1/chat/completions", 443, "openai"),
        ("r.openai.azure.com", "/openai/deployments/d/chat/completions", 443, "azure.ai.openai"),
        ("r.services.ai.azure.com", "/models/chat/completions", 443, "azure.ai.inference"),
        ("r.services.ai.azure.com", "/openai/v1/chat/completions", 443, "azure.ai.openai"),
        ("api.x.ai", "/v1/chat/completions", 443, "x_ai"),
        ("API.Groq.com", "/openai/v1/chat/completions", 443, "groq"),
        ("localhost", "/v1/chat/completions", 11434, "ollama"),
        ("localhost", "/v1/chat/completions", 8000, "openai"),
        ("notapi.x.ai.example.com", "/v1/chat/completions", 443, "openai"),
    ],
)
def test_the_host_names_the_provider(host: str, path: str, port: int, provider: str) -> None:
    assert provider_of(Ask(method="POST", host=host, path=path, port=port), openai_chat.WIRE) == provider


def test_everything_that_a_chat_request_says_is_read() -> None:
    body = {
        **CHAT,
        "stream": True,
        "max_completion_tokens": 5,
        "max_tokens": 9,
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 3,
        "frequency_penalty": 1,
        "presence_penalty": -1,
        "stop": "END",
        "seed": 7,
        "n": 2,
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": {}},
        "service_tier": "flex",
        "user": "u",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}, {"type": "web_search"}],
        "functions": [{"name": "old"}],
    }
    assert request_of("/chat/completions", body) == Request(
        operation="chat",
        model="m",
        stream=True,
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        frequency_penalty=1.0,
        presence_penalty=-1.0,
        stop_sequences=["END"],
        seed=7,
        choice_count=2,
        reasoning_level="low",
        output_type="json",
        service_tier="flex",
        api_type="chat_completions",
        user="u",
        input_messages=[{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        tool_definitions=[
            {"type": "function", "name": "f", "parameters": {}},
            {"type": "web_search", "name": "web_search"},
            {"type": "function", "name": "old"},
        ],
    )


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        pytest.param({"content": None}, [], id="nothing"),
        pytest.param(
            {"reasoning_content": "t"}, [{"type": "reasoning", "content": "t"}], id="DeepSeek thinks"
        ),
        pytest.param({"reasoning": "t"}, [{"type": "reasoning", "content": "t"}], id="OpenRouter thinks"),
        pytest.param(
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "a"}, {"text": "b"}, 3]},
            [{"type": "reasoning", "content": "ab"}],
            id="thinking in details alone",
        ),
        pytest.param(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "t"}]},
                    {"type": "text", "text": "x"},
                ]
            },
            [{"type": "reasoning", "content": "t"}, {"type": "text", "content": "x"}],
            id="Mistral thinks",
        ),
        pytest.param({"refusal": "no"}, [{"type": "refusal", "content": "no"}], id="a refusal"),
        pytest.param(
            {"content": "see", "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]},
            [
                {
                    "type": "text",
                    "content": "see",
                    "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
                }
            ],
            id="sources",
        ),
        pytest.param(
            {
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
                ]
            },
            [{"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}}],
            id="a tool call",
        ),
        pytest.param(
            {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "4 + 4"}}]},
            [{"type": "tool_call", "id": "c", "name": "f", "arguments": "4 + 4"}],
            id="a custom tool call",
        ),
        pytest.param(
            {"function_call": {"name": "f", "arguments": "{broken"}},
            [{"type": "tool_call", "id": None, "name": "f", "arguments": "{broken"}],
            id="a legacy call whose arguments broke off",
        ),
        pytest.param(
            {"audio": {"id": "a", "data": "UklG", "transcript": "hello"}},
            [
                {"type": "text", "content": "hello"},
                {"type": "blob", "modality": "audio", "mime_type": None, "content": "UklG"},
            ],
            id="sound",
        ),
        pytest.param(
            {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"}],
            id="an image",
        ),
    ],
)
def test_an_answer_is_read_in_all_dialects(message: dict[str, Any], parts: list[Any]) -> None:
    assert chatted({"role": "assistant", **message}) == parts


def test_links_beside_the_choices_go_with_the_text() -> None:
    [part] = chatted({"role": "assistant", "content": "x"}, citations=["https://a"])
    assert part["annotations"] == [{"type": "url_citation", "url": "https://a"}]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"),
        ("tool_calls", "tool_call"),
        ("function_call", "tool_call"),
        ("length", "length"),
        ("model_length", "length"),
        ("eos", "stop"),
        ("sensitive", "content_filter"),
        ("content_filter", "content_filter"),
        ("something new", "something new"),
        (None, "error"),
        (7, "error"),
    ],
)
def test_finish_words_are_those_of_the_conventions(said: Any, reason: str) -> None:
    body = {"choices": [{"finish_reason": said, "message": {"content": "x"}}]}
    response = answer_to("/chat/completions", CHAT, body)
    assert response.finish_reasons == [reason]


def test_several_choices_stay_apart_and_in_order() -> None:
    events = [
        {"id": "c", "choices": [{"index": 1, "delta": {"content": "b"}}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": []}}]},
        {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    ]
    response = answer_to("/chat/completions", {**CHAT, "stream": True}, events, stream=True)
    assert response.finish_reasons == ["stop", "length"]
    assert response.usage == Usage(input=1, output=2)
    assert response.output_messages == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "a"}],
            "finish_reason": "stop",
            "logprobs": True,
        },
        {"role": "assistant", "parts": [{"type": "text", "content": "b"}], "finish_reason": "length"},
    ]


@pytest.mark.parametrize(
    ("deltas", "parts"),
    [
        pytest.param(
            [
                {
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "f", "arguments": ""},
                        }
                    ]
                },
                {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
                {"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}}]},
                {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
            ],
            [
                {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}},
                {"type": "tool_call", "id": "c2", "name": "g", "arguments": {}},
            ],
            id="tool calls in pieces",
        ),
        pytest.param(
            [
                {"tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}]},
                {"tool_calls": [{"id": "c2", "function": {"name": "g", "arguments": "{}"}}]},
            ],
            [
                {"type": "tool_call", "id": "c1", "name": "f", "arguments": {"a": 1}},
                {"type": "tool_call", "id": "c2", "name": "g", "arguments": {}},
            ],
            id="whole tool calls without an index",
        ),
        pytest.param(
            [{"function_call": {"name": "f", "arguments": '{"a"'}}, {"function_call": {"arguments": ":1}"}}],
            [{"type": "tool_call", "id": None, "name": "f", "arguments": {"a": 1}}],
            id="a legacy call",
        ),
        pytest.param(
            [
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}]},
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": " then"}]}]},
                {"content": "an"},
                {"content": "swer"},
            ],
            [{"type": "reasoning", "content": "so then"}, {"type": "text", "content": "answer"}],
            id="Mistral's thinking, then text",
        ),
        pytest.param(
            [
                {"content": "a"},
                {"content": [{"type": "text", "text": "b"}, {"type": "reference", "reference_ids": [1]}]},
            ],
            [
                {"type": "text", "content": "ab"},
                {"type": "reference", "reference_ids": [1]},
            ],
            id="text, then parts",
        ),
        pytest.param(
            [{"reasoning": "t", "reasoning_details": [{"text": "t"}]}, {"channel": "final", "content": "x"}],
            [{"type": "reasoning", "content": "t"}, {"type": "text", "content": "x"}],
            id="a thought that is said twice",
        ),
        pytest.param(
            [{"audio": {"id": "a", "transcript": "he"}}, {"audio": {"data": "UklG", "transcript": "y"}}],
            [
                {"type": "text", "content": "hey"},
                {"type": "blob", "modality": "audio", "mime_type": None, "content": "UklG"},
            ],
            id="sound",
        ),
        pytest.param(
            [{"refusal": "n"}, {"refusal": "o"}], [{"type": "refusal", "content": "no"}], id="a refusal"
        ),
    ],
)
def test_deltas_join_to_what_a_whole_answer_says(deltas: list[Any], parts: list[Any]) -> None:
    events: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    [made] = answer_to("/chat/completions", CHAT, events, stream=True).output_messages or []
    assert made["parts"] == parts


def test_a_stream_that_breaks_off_says_error_and_keeps_what_came() -> None:
    events = [{"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "half"}}]}]
    response = answer_to("/chat/completions", CHAT, events, stream=True)
    assert response.finish_reasons == ["error"]
    assert response.usage == NO_USAGE
    assert response.output_messages == [
        {"role": "assistant", "parts": [{"type": "text", "content": "half"}], "finish_reason": "error"}
    ]


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        pytest.param(
            {"error": {"code": 502, "message": "m"}}, Failure("502", "m"), id="instead of an answer"
        ),
        pytest.param(
            {"choices": [{"finish_reason": "error", "error": {"code": "upstream", "message": "m"}}]},
            Failure("upstream", "m"),
            id="in a choice",
        ),
        pytest.param({"choices": [], "error": None}, None, id="null is no error"),
    ],
)
def test_an_error_in_an_answer_that_says_200_is_a_failure(body: Any, failure: Failure | None) -> None:
    assert answer_to("/chat/completions", CHAT, body).failure == failure


def test_a_stream_without_end_is_kept_within_bounds() -> None:
    fold = Fold(True)
    piece = "x" * 10_000
    for turn in range(1000):
        delta = {
            "content": piece,
            "reasoning": piece,
            "tool_calls": [{"index": turn, "function": {"arguments": piece}}],
        }
        fold.add("", {"choices": [{"index": turn, "delta": delta}, {"index": 0, "delta": delta}]})
    kept = fold.body()["choices"]
    assert len(kept) == 128
    assert all(len(json.dumps(one)) < 2 * MAX_TEXT for one in kept)


RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5-2025-08-07",
    "service_tier": "default",
    "conversation": {"id": "conv_1"},
    "output": [],
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5},
    },
}


def test_everything_that_a_responses_request_says_is_read() -> None:
    body = {
        "model": "gpt-5",
        "input": "hi",
        "instructions": "be kind",
        "max_output_tokens": 5,
        "temperature": 1,
        "top_p": 0.5,
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"format": {"type": "json_object"}},
        "previous_response_id": "resp_0",
        "conversation": {"id": "conv_1"},
        "service_tier": "auto",
        "safety_identifier": "u",
        "stream": True,
        "tools": [{"type": "function", "name": "f", "parameters": {}}, {"type": "web_search"}],
    }
    assert request_of("/v1/responses", body) == Request(
        operation="chat",
        model="gpt-5",
        stream=True,
        max_tokens=5,
        temperature=1.0,
        top_p=0.5,
        reasoning_level="high",
        output_type="json",
        previous_response_id="resp_0",
        conversation_id="conv_1",
        api_type="responses",
        user="u",
        input_messages=[{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        system_instructions=[{"type": "text", "content": "be kind"}],
        tool_definitions=[
            {"type": "function", "name": "f", "parameters": {}},
            {"type": "web_search", "name": "web_search"},
        ],
    )


def test_one_turn_of_the_model_is_one_message_of_the_history() -> None:
    items = [
        {"role": "developer", "content": "d"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "q"},
                {"type": "input_image", "image_url": "https://i"},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gA"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [{"type": "input_file", "file_id": "file_1"}],
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"type": "item_reference", "id": "msg_1"},
    ]
    messages = request_of("/v1/responses", {"model": "m", "input": items}).input_messages
    assert messages == [
        {"role": "developer", "parts": [{"type": "text", "content": "d"}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "q"},
                {"type": "uri", "modality": "image", "uri": "https://i"},
            ],
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "s"},
                {"type": "tool_call", "id": "c1", "name": "f", "arguments": {}},
                {"type": "tool_call", "id": "c2", "name": "f", "arguments": {}},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "one"}]},
        {
            "role": "tool",
            "parts": [
                {
                    "type": "tool_call_response",
                    "id": "c2",
                    "response": [{"type": "file", "modality": "document", "file_id": "file_1"}],
                }
            ],
        },
        {"role": "assistant", "parts": [{"type": "text", "content": "a"}]},
        {
            "role": "assistant",
            "parts": [{"type": "refusal", "content": "no"}, {"type": "item_reference", "id": "msg_1"}],
        },
    ]


@pytest.mark.parametrize(
    ("item", "parts", "finish"),
    [
        pytest.param(
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a", "annotations": []}],
            },
            [{"type": "text", "content": "a"}],
            "stop",
            id="text",
        ),
        pytest.param(
            {"type": "reasoning", "summary": [], "encrypted_content": "gA"}, [], "stop", id="a hidden thought"
        ),
        pytest.param(
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
            [{"type": "reasoning", "content": "t"}],
            "stop",
            id="a thought",
        ),
        pytest.param(
            {
                "type": "function_call",
                "id": "fc",
                "call_id": "c",
                "name": "f",
                "arguments": '{"a":1}',
                "namespace": "n",
            },
            [{"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}, "namespace": "n"}],
            "tool_call",
            id="a function",
        ),
        pytest.param(
            {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "4 + 4"},
            [{"type": "tool_call", "id": "c", "name": "f", "arguments": "4 + 4"}],
            "tool_call",
            id="a custom tool",
        ),
        pytest.param(
            {"type": "computer_call", "call_id": "c", "action": {"type": "click", "x": 1}},
            [{"type": "tool_call", "id": "c", "name": "computer", "arguments": {"type": "click", "x": 1}}],
            "tool_call",
            id="a computer",
        ),
        pytest.param(
            {"type": "local_shell_call", "call_id": "c", "action": {"command": ["ls"]}},
            [{"type": "tool_call", "id": "c", "name": "local_shell", "arguments": {"command": ["ls"]}}],
            "tool_call",
            id="a shell",
        ),
        pytest.param(
            {
                "type": "tool_search_call",
                "execution": "client",
                "call_id": "c",
                "arguments": {"queries": ["x"]},
            },
            [{"type": "tool_call", "id": "c", "name": "tool_search", "arguments": {"queries": ["x"]}}],
            "tool_call",
            id="a search for tools by the caller",
        ),
        pytest.param(
            {
                "type": "web_search_call",
                "id": "ws",
                "status": "completed",
                "action": {"type": "search", "query": "q"},
            },
            [
                {
                    "type": "server_tool_call",
                    "id": "ws",
                    "name": "web_search",
                    "server_tool_call": {
                        "type": "web_search_call",
                        "status": "completed",
                        "action": {"type": "search", "query": "q"},
                    },
                }
            ],
            "stop",
            id="a search of the web",
        ),
        pytest.param(
            {
                "type": "code_interpreter_call",
                "id": "ci",
                "code": "1+1",
                "outputs": [{"type": "logs", "logs": "2"}],
            },
            [
                {
                    "type": "server_tool_call",
                    "id": "ci",
                    "name": "code_interpreter",
                    "server_tool_call": {"type": "code_interpreter_call", "code": "1+1"},
                },
                {
                    "type": "server_tool_call_response",
                    "id": "ci",
                    "server_tool_call_response": {
                        "type": "code_interpreter_call",
                        "outputs": [{"type": "logs", "logs": "2"}],
                    },
                },
            ],
            "stop",
            id="code",
        ),
        pytest.param(
            {
                "type": "mcp_call",
                "id": "mcp",
                "name": "ask",
                "arguments": '{"q":1}',
                "server_label": "d",
                "output": "o",
            },
            [
                {
                    "type": "server_tool_call",
                    "id": "mcp",
                    "name": "ask",
                    "server_tool_call": {
                        "type": "mcp_call",
                        "name": "ask",
                        "arguments": {"q": 1},
                        "server_label": "d",
                    },
                },
                {
                    "type": "server_tool_call_response",
                    "id": "mcp",
                    "server_tool_call_response": {"type": "mcp_call", "output": "o"},
                },
            ],
            "stop",
            id="an MCP server",
        ),
        pytest.param(
            {"type": "image_generation_call", "id": "ig", "output_format": "webp", "result": "AAAA"},
            [
                {
                    "type": "server_tool_call",
                    "id": "ig",
                    "name": "image_generation",
                    "server_tool_call": {"type": "image_generation_call", "output_format": "webp"},
                },
                {"type": "blob", "modality": "image", "mime_type": "image/webp", "content": "AAAA"},
            ],
            "stop",
            id="an image",
        ),
        pytest.param(
            {"type": "compaction", "id": "cmp", "encrypted_content": "gA"},
            [{"type": "compaction", "id": "cmp"}],
            "stop",
            id="a compaction",
        ),
        pytest.param(
            {"type": "brand_new_thing", "x": 1},
            [{"type": "brand_new_thing", "x": 1}],
            "stop",
            id="a new kind",
        ),
    ],
)
def test_each_output_item_is_read(item: dict[str, Any], parts: list[Any], finish: str) -> None:
    response = answer_to("/v1/responses", RESPONSES, {**RESPONSE, "output": [item]})
    assert response.output_messages == [{"role": "assistant", "parts": parts, "finish_reason": finish}]
    assert response.finish_reasons == [finish]
    assert response.conversation_compacted is (item["type"] == "compaction")
    assert response.conversation_id == "conv_1"
    assert response.usage == Usage(input=10, output=7, cache_read=4, reasoning=5)


@pytest.mark.parametrize(
    ("change", "finish", "status", "failure"),
    [
        pytest.param({}, "stop", None, None, id="done"),
        pytest.param(
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
            None,
            None,
            id="cut",
        ),
        pytest.param(
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
            None,
            None,
            id="filtered",
        ),
        pytest.param(
            {"status": "failed", "error": {"code": "server_error", "message": "m"}},
            "error",
            None,
            Failure("server_error", "m"),
            id="failed",
        ),
        pytest.param(
            {"status": "failed", "error": None}, "error", None, Failure("failed"), id="failed, no word why"
        ),
        pytest.param({"status": "queued", "background": True}, None, "queued", None, id="in the background"),
        pytest.param({"status": "cancelled", "background": True}, "error", "cancelled", None, id="cancelled"),
        pytest.param(
            {"status": None, "object": "response.compaction"}, "compaction", None, None, id="compacted"
        ),
    ],
)
def test_the_state_of_a_response_is_its_finish_reason(
    change: dict[str, Any], finish: str | None, status: str | None, failure: Failure | None
) -> None:
    response = answer_to("/v1/responses", RESPONSES, {**RESPONSE, **change})
    assert response.finish_reasons == ([finish] if finish else None)
    assert response.status == status
    assert response.failure == failure


def test_a_call_that_the_provider_answered_itself_awaits_nobody() -> None:
    output = [
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "x"}]},
    ]
    assert answer_to("/v1/responses", RESPONSES, {**RESPONSE, "output": output}).finish_reasons == ["stop"]


def fetched(body: Any, **headers: str) -> Response:
    ask = Ask(method="GET", host="api.openai.com", path="/v1/responses/resp_1")
    request = openai_responses.FETCH.read_request(ask, True)
    answer = Answer(status=200, headers=headers, body=body)
    return exchange.read_response(openai_responses.FETCH, request, answer, True)


def test_a_fetched_failure_is_no_failed_fetch_and_has_no_usage() -> None:
    response = fetched(
        {
            **RESPONSE,
            "status": "failed",
            "error": {"code": "server_error"},
            "instructions": "be kind",
            "tools": [{"type": "x"}],
        }
    )
    assert response.failure is None
    assert response.status == "failed"
    assert response.finish_reasons == ["error"]
    assert response.usage == NO_USAGE
    assert response.system_instructions == [{"type": "text", "content": "be kind"}]
    assert response.tool_definitions == [{"type": "x", "name": "x"}]
    assert fetched({**RESPONSE, "stream_error": {"code": "gone"}}).failure == Failure("gone")


STARTED: dict[str, Any] = {
    "type": "response.created",
    "response": {**RESPONSE, "status": "in_progress", "usage": None},
}
DELTAS: list[dict[str, Any]] = [
    STARTED,
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "so"},
    {"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]}},
    {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "role": "assistant", "content": []}},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "hel"},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "lo"},
    {"type": "response.output_item.added", "output_index": 2, "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a":'},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "1}"},
]  # fmt: skip


@pytest.mark.parametrize("step", [0, 1, 7])
def test_a_response_stream_that_breaks_off_keeps_what_came(step: int) -> None:
    response = answer_to("/v1/responses", {**RESPONSES, "stream": True}, DELTAS, stream=True, step=step)
    assert response.id == "resp_1"
    assert response.finish_reasons == ["error"]
    assert response.usage == NO_USAGE
    assert response.output_messages == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "so"},
                {"type": "text", "content": "hello"},
                {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}},
            ],
            "finish_reason": "error",
        }
    ]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "m", "param": None},
        {"type": "error", "error": {"type": "x", "code": "rate_limit_exceeded", "message": "m"}},
        {
            "type": "response.failed",
            "response": {
                **RESPONSE,
                "status": "failed",
                "error": {"code": "rate_limit_exceeded", "message": "m"},
            },
        },
    ],
)
def test_an_error_event_fails_the_call(event: Any) -> None:
    response = answer_to("/v1/responses", RESPONSES, [STARTED, event], stream=True)
    assert response.failure == Failure("rate_limit_exceeded", "m")
    assert response.finish_reasons == ["error"]


def test_the_last_event_counts_even_where_it_brings_no_output() -> None:
    last = {"type": "response.completed", "response": {**RESPONSE, "output": []}}
    response = answer_to("/v1/responses", RESPONSES, [*DELTAS, last], stream=True)
    assert response.finish_reasons == ["tool_call"]
    assert response.usage == Usage(input=10, output=7, cache_read=4, reasoning=5)
    assert response.output_messages is not None
    assert len(response.output_messages[0]["parts"]) == 3


def test_completions_are_read_with_prompts_of_all_kinds() -> None:
    prompts = {"a": [["a"]], "ab": [["a"], ["b"]]}
    assert [len(request_of("/v1/completions", {"prompt": [*p]}).input_messages or []) for p in prompts] == [
        1,
        2,
    ]
    tokens = request_of("/v1/completions", {"prompt": [1, 2, 3], "suffix": "end", "n": 2, "model": "m"})
    assert tokens.input_messages == [
        {"role": "user", "parts": [{"type": "tokens", "count": 3}, {"type": "suffix", "content": "end"}]}
    ]
    assert (tokens.operation, tokens.choice_count) == ("text_completion", 2)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            [
                {"id": "c", "choices": [{"index": 0, "text": "a", "logprobs": {"tokens": ["a"]}}]},
                {"id": "c", "choices": [{"index": 1, "text": "b"}]},
                {"choices": [{"index": 0, "text": "c", "finish_reason": "stop"}]},
                {"choices": [{"index": 1, "text": "", "finish_reason": "length"}]},
                {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 3}},
            ],
            id="OpenAI",
        ),
        pytest.param(
            [
                {
                    "id": "c",
                    "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [1]}}],
                },
                {"id": "c", "choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}]},
                {
                    "choices": [{"index": 0, "delta": {"content": "c"}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 3},
                },
            ],
            id="Mistral",
        ),
    ],
)
def test_a_streamed_completion_is_folded(events: list[Any]) -> None:
    response = answer_to("/v1/fim/completions", {"prompt": "p", "stream": True}, events, stream=True)
    assert response == Response(
        id="c",
        finish_reasons=["stop", "length"],
        usage=Usage(input=1, output=3),
        output_messages=[
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "ac"}],
                "finish_reason": "stop",
                "logprobs": True,
            },
            {"role": "assistant", "parts": [{"type": "text", "content": "b"}], "finish_reason": "length"},
        ],
    )


def test_a_fill_in_the_middle_that_answers_with_messages_is_read() -> None:
    body = {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}]}
    [made] = answer_to("/v1/fim/completions", {"prompt": "p"}, body).output_messages or []
    assert made["parts"] == [{"type": "text", "content": "x"}]


def test_embeddings_are_read_and_their_vectors_are_not() -> None:
    request = request_of(
        "/v1/embeddings",
        {"model": "m", "input": ["a"], "dimensions": 256, "encoding_format": "base64", "user": "u"},
    )
    assert request == Request(
        operation="embeddings", model="m", dimension_count=256, encoding_formats=["base64"], user="u"
    )
    broken_vector = (
        b'{"data":[{"embedding":[1e999,0.1]}],"model":"m-2","usage":{"prompt_tokens":3,"total_tokens":3}}'
    )
    response = answer_to("/v1/embeddings", {"input": "a"}, broken_vector)
    assert (response.model, response.usage, response.output_messages) == ("m-2", Usage(input=3), None)
    assert answer_to(
        "/v1/embeddings", {"input": "a"}, {"error": {"code": "c", "message": "m"}}
    ).failure == Failure("c", "m")


IMAGE_USAGE = {"input_tokens": 5, "output_tokens": 9, "output_tokens_details": {"image_tokens": 9}}


def test_images_are_read_whole_and_streamed() -> None:
    body = {
        "data": [{"b64_json": "AAAA", "revised_prompt": "r"}, {"url": "https://i"}],
        "usage": IMAGE_USAGE,
        "output_format": "webp",
    }
    response = answer_to("/v1/images/generations", {"prompt": "p", "n": 2}, body)
    assert response == Response(
        usage=Usage(input=5, output=9, image_output=9),
        output_messages=[
            {
                "role": "assistant",
                "parts": [
                    {"type": "blob", "modality": "image", "mime_type": "image/webp", "content": "AAAA"}
                ],
                "revised_prompt": "r",
            },
            {"role": "assistant", "parts": [{"type": "uri", "modality": "image", "uri": "https://i"}]},
        ],
    )
    events = [
        {"type": "image_generation.partial_image", "b64_json": "BBBB", "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": "AAAA", "usage": IMAGE_USAGE},
    ]
    streamed = answer_to("/v1/images/generations", {"prompt": "p", "stream": True}, events, stream=True)
    assert streamed.usage == response.usage
    [made] = streamed.output_messages or []
    assert made["parts"] == [
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"}
    ]


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-image-1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\ngreen\r\n'
    b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n2\r\n'
    b'--b\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n'
    b'--b\r\nContent-Disposition: form-data; name="image[]"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--b--\r\n"
)


def test_a_form_says_what_was_sent_without_holding_it() -> None:
    body = exchange.read_body("multipart/form-data; boundary=b", FORM)
    request = request_of("/v1/images/edits", body)
    assert (request.model, request.choice_count, request.stream, request.output_type) == (
        "gpt-image-1",
        2,
        True,
        "image",
    )
    [made] = request.input_messages or []
    assert made["parts"] == [
        {"type": "text", "content": "green"},
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/png",
            "content": "",
            "size": 4,
            "filename": "a.png",
        },
    ]


def test_speech_is_sound_of_a_size_and_a_digest() -> None:
    body = {"model": "tts", "input": "hi", "voice": "v", "instructions": "softly"}
    wire, ask = asked("/v1/audio/speech", body)
    assert wire is not None
    request = wire.read_request(ask, True)
    assert (request.operation, request.output_type) == ("generate_content", "speech")
    assert request.system_instructions == [{"type": "text", "content": "softly"}]
    reader = exchange.Reader(wire, request, 200, {"content-type": "audio/mpeg"}, content=True)
    reader.feed(b"abc")
    [made] = reader.finish().output_messages or []
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    sound = {"type": "blob", "modality": "audio", "content": "", "size": 3, "sha256": digest}
    assert made["parts"] == [{**sound, "mime_type": "audio/mpeg"}]
    events = [
        {"type": "speech.audio.delta", "audio": "YWI="},
        {"type": "speech.audio.delta", "audio": "Yw=="},
        {"type": "speech.audio.done", "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}},
    ]
    streamed = answer_to("/v1/audio/speech", {**body, "stream_format": "sse"}, events, stream=True)
    assert streamed.usage == Usage(input=1, output=2)
    assert (streamed.output_messages or [])[0]["parts"] == [{**sound, "mime_type": None}]


@pytest.mark.parametrize(
    ("answer", "stream", "usage"),
    [
        pytest.param(
            {"text": "hello", "usage": {"input_tokens": 3, "output_tokens": 1}},
            False,
            Usage(input=3, output=1),
            id="JSON",
        ),
        pytest.param(
            {"text": "hello", "usage": {"type": "duration", "seconds": 3}}, False, NO_USAGE, id="by duration"
        ),
        pytest.param(b"hello", False, NO_USAGE, id="plain text"),
        pytest.param(
            [
                {"type": "transcript.text.delta", "delta": "hel"},
                {"type": "transcript.text.delta", "delta": "lo"},
                {
                    "type": "transcript.text.done",
                    "text": "hello",
                    "usage": {"input_tokens": 3, "output_tokens": 1},
                },
            ],
            True,
            Usage(input=3, output=1),
            id="a stream",
        ),
        pytest.param(
            [
                {"type": "transcript.text.delta", "delta": "hel"},
                {"type": "transcript.text.delta", "delta": "lo"},
            ],
            True,
            NO_USAGE,
            id="a stream that broke off",
        ),
        pytest.param(
            [
                {"type": "transcription.text.delta", "text": "hello"},
                {
                    "type": "transcription.done",
                    "text": "hello",
                    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
                },
            ],
            True,
            Usage(input=3, output=1),
            id="Mistral's stream",
        ),
    ],
)
def test_a_transcription_is_its_text(answer: Any, stream: bool, usage: Usage) -> None:
    body = {
        "model": "w",
        "file": {"mime_type": "audio/wav", "size": 9},
        "temperature": "0.5",
        "prompt": "names",
    }
    request = request_of("/v1/audio/transcriptions", body)
    assert (request.operation, request.output_type, request.temperature) == ("generate_content", "text", 0.5)
    response = answer_to("/v1/audio/transcriptions", body, answer, stream=stream)
    assert response.usage == usage
    assert response.output_messages == [
        {"role": "assistant", "parts": [{"type": "text", "content": "hello"}]}
    ]


@pytest.mark.parametrize(
    ("given", "count"),
    [
        pytest.param("x", 1, id="a text"),
        pytest.param(["x", "y"], 2, id="texts"),
        pytest.param(
            [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "u"}}], 1, id="parts"
        ),
        pytest.param(
            [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], 2, id="messages"
        ),
        pytest.param([[{"role": "user", "content": "x"}]], 1, id="a conversation"),
    ],
)
def test_a_moderation_is_read_with_its_verdicts(given: Any, count: int) -> None:
    body = {"model": "omni", "input": given}
    request = request_of("/v1/moderations", body)
    assert request.operation == "moderation"
    assert len(request.input_messages or ()) == count
    verdict = {"flagged": True, "categories": {"hate": True}}
    response = answer_to("/v1/moderations", body, {"id": "modr-1", "model": "omni-1", "results": [verdict]})
    assert response.output_messages == [{"role": "assistant", "parts": [{**verdict, "type": "moderation"}]}]


@pytest.mark.parametrize("status", [200, 400])
def test_json_that_calls_itself_octets_is_read(status: int) -> None:
    body = {"error": {"code": "c", "message": "m"}}
    wire, ask = asked("/v1/responses", RESPONSES)
    assert wire is not None
    headers = {"content-type": "application/octet-stream"}
    reader = exchange.Reader(wire, wire.read_request(ask, True), status, headers, content=True)
    reader.feed(json.dumps(body).encode())
    assert reader.finish().failure == Failure("c", "m")
