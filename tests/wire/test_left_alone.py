"""What is no LLM call is left alone, however much its path looks like one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from otel_llm.wire import catalog
from otel_llm.wire.protocol import Ask
from tests import corpus

TEXT = {"text": "hello"}
MESSAGE = {"message": "hello"}
ROWS: list[tuple[str, str, Any]] = [
    # Other services
    ("GET", "https://api.github.com/repos/a/b/issues", None),
    ("POST", "https://api.github.com/repos/a/b/issues/1/comments", {"body": "hi"}),
    ("POST", "https://api.github.com/graphql", {"query": "{ viewer { login } }", "variables": {}}),
    ("POST", "https://slack.com/api/chat.postMessage", {"channel": "C1", "text": "hi"}),
    ("POST", "https://api.twilio.com/2010-04-01/Accounts/A/Messages.json", "Body=hi"),
    ("POST", "https://api.stripe.com/v1/charges", "amount=1"),
    (
        "POST",
        "https://api.sendgrid.com/v3/mail/send",
        {"personalizations": [], "content": [{"type": "text/plain"}]},
    ),
    ("POST", "https://graph.microsoft.com/v1.0/chats/1/messages", {"body": {"content": "hi"}}),
    ("POST", "https://discord.com/api/v10/channels/1/messages", {"content": "hi"}),
    ("POST", "https://collector.example/v1/traces", {"resourceSpans": []}),
    ("POST", "https://search.example/products/_search", {"query": {"match_all": {}}}),
    ("POST", "https://db.example/collections/docs/points/query", {"query": [0.1], "limit": 3}),
    ("POST", "https://rpc.example/", {"jsonrpc": "2.0", "method": "eth_call", "params": [], "id": 1}),
    (
        "POST",
        "https://mcp.example/mcp",
        {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "f"}, "id": 1},
    ),
    ("POST", "https://hooks.example/", {"inputs": "x"}),
    # Somebody's own service with a name that is taken
    ("POST", "https://my.example/messages", {"to": "a", "text": "hi"}),
    ("POST", "https://my.example/messages", {"messages": ["a", "b"]}),
    ("POST", "https://my.example/v1/messages", {"topic": "t", "messages": [{"value": "a"}]}),
    ("POST", "https://my.example/generate", {"template": "invoice", "data": {}}),
    ("POST", "https://my.example/generate", {"prompt": "a cat", "size": 5}),
    ("POST", "https://my.example/generate", {"inputs": "a", "template": "t"}),
    ("POST", "https://my.example/v1/generate", {"prompt": "a cat"}),
    ("POST", "https://my.example/api/generate", {"type": "password", "length": 5}),
    ("POST", "https://my.example/api/generate", {"prompt": "a cat"}),
    ("POST", "https://my.example/chat", MESSAGE),
    ("POST", "https://my.example/v1/chat", MESSAGE),
    ("POST", "https://my.example/v2/chat", {"messages": [{"from": "a", "body": "hi"}]}),
    ("POST", "https://my.example/api/chat", {"messages": [{"role": "user", "content": "hi"}]}),
    (
        "POST",
        "https://my.example/api/chat",
        {"id": "c1", "model": "gpt-5", "messages": [{"role": "user", "id": "m1", "parts": []}]},
    ),
    ("POST", "https://my.example/embeddings", {"documents": ["a"]}),
    ("POST", "https://my.example/embeddings", {"model": "m", "prompt": "a"}),
    ("POST", "https://my.example/v1/embed", {"url": "https://video.example"}),
    ("POST", "https://my.example/v1/embed", {"texts": ["a"]}),
    ("POST", "https://my.example/api/embed", {"html": "<b>"}),
    ("POST", "https://my.example/rerank", {"items": [1, 2]}),
    ("POST", "https://my.example/rerank", {"query": "q", "documents": []}),
    ("POST", "https://my.example/complete", {"task": 5}),
    ("POST", "https://my.example/completions", {"course": 5, "user": 7}),
    ("POST", "https://my.example/chat/completions", {"lesson": 5}),
    ("POST", "https://my.example/responses", {"survey": 5, "answers": []}),
    ("POST", "https://my.example/predict", {"features": [1, 2]}),
    ("POST", "https://my.example/predictions", {"version": "v", "input": {"features": [1, 2]}}),
    ("POST", "https://my.example/predictions", {"input": {"prompt": "a"}}),
    ("POST", "https://my.example/invocations", {"dataframe_split": {"columns": [], "data": []}}),
    ("POST", "https://my.example/invocations", {"inputs": {"x": [1]}}),
    ("POST", "https://my.example/interactions", {"user": 5, "event": "click"}),
    ("POST", "https://my.example/conversations", {"participants": [1, 2]}),
    ("POST", "https://my.example/conversations/5", {"title": "t"}),
    ("POST", "https://my.example/conversations/5", {"inputs": "a"}),
    ("POST", "https://my.example/ocr", {"image": "iVBO"}),
    ("POST", "https://my.example/v1/speak", {"text": "hi"}),
    ("POST", "https://my.example/v1/listen", {"url": "https://a.example"}),
    ("POST", "https://my.example/text/chat", {"messages": [{"role": "user"}]}),
    ("POST", "https://my.example/text/generation", {"input": "a"}),
    ("POST", "https://my.example/images", {"url": "https://a.example/x.png"}),
    ("POST", "https://my.example/moderations", {"comment": 5}),
    ("POST", "https://my.example/models/car/colors", {"inputs": "red"}),
    ("POST", "https://my.example/things/1:predict", {"instances": [{"content": "a"}]}),
    ("GET", "https://my.example/interactions/5", None),
    ("GET", "https://my.example/predictions/5", None),
    ("GET", "https://my.example/chat/completions", None),
    ("PUT", "https://api.openai.com/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    ("POST", "", None),
    ("POST", "https://my.example", None),
    # What providers offer beside the calls of a model
    ("GET", "https://api.openai.com/v1/models", None),
    ("POST", "https://api.openai.com/v1/files", {"purpose": "batch"}),
    ("POST", "https://api.openai.com/v1/batches", {"input_file_id": "f", "endpoint": "/v1/chat/completions"}),
    ("POST", "https://api.openai.com/v1/conversations", {"items": [], "metadata": {}}),
    ("POST", "https://api.openai.com/v1/vector_stores", {"name": "v"}),
    ("POST", "https://api.openai.com/v1/fine_tuning/jobs", {"model": "gpt-5", "training_file": "f"}),
    (
        "POST",
        "https://api.anthropic.com/v1/messages/count_tokens",
        {"model": "c", "messages": [{"role": "user", "content": "a"}]},
    ),
    ("POST", "https://api.anthropic.com/v1/messages/batches", {"requests": []}),
    ("POST", "https://generativelanguage.googleapis.com/v1beta/models/g:countTokens", {"contents": []}),
    ("POST", "https://generativelanguage.googleapis.com/v1beta/models/g:batchGenerateContent", {"batch": {}}),
    (
        "POST",
        "https://generativelanguage.googleapis.com/v1beta/models/veo:predictLongRunning",
        {"instances": [{"prompt": "a"}]},
    ),
    (
        "POST",
        "https://generativelanguage.googleapis.com/v1beta/cachedContents",
        {"model": "models/g", "contents": []},
    ),
    ("GET", "https://generativelanguage.googleapis.com/v1beta/models/g/operations/o", None),
    ("POST", "https://generativelanguage.googleapis.com/v1beta/interactions/v1_a/cancel", {}),
    (
        "POST",
        "https://aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/7:predict",
        {"instances": [{"content": "a"}]},
    ),
    (
        "POST",
        "https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/g:predict",
        {"instances": [{"x": 1}]},
    ),
    (
        "POST",
        "https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/g:predict",
        {"instances": []},
    ),
    ("POST", "https://api.cohere.com/v1/tokenize", {"model": "m", "text": "a"}),
    ("POST", "https://api.cohere.com/v1/datasets", {}),
    ("POST", "http://localhost:11434/api/pull", {"model": "m", "stream": True}),
    ("POST", "http://localhost:11434/api/show", {"model": "m"}),
    ("POST", "http://localhost:11434/api/create", {"model": "m", "from": "n"}),
    ("POST", "http://localhost:11434/api/generate", {"model": "m", "keep_alive": 0}),
    ("POST", "http://localhost:11434/api/chat", {"model": "m", "messages": []}),
    ("GET", "http://localhost:11434/api/tags", None),
    ("POST", "https://api.mistral.ai/v1/batch/jobs", {"model": "m", "endpoint": "/v1/chat/completions"}),
    ("POST", "https://api.mistral.ai/v1/agents", {"model": "m", "name": "a"}),
    ("POST", "https://api.replicate.com/v1/trainings", {"input": {"prompt": "a"}}),
    ("POST", "https://api.replicate.com/v1/predictions/p/cancel", {}),
    ("POST", "https://router.huggingface.co/hf-inference/models/org/classifier", {"inputs": "I like it"}),
    ("POST", "https://x.endpoints.huggingface.cloud/", {"inputs": ["a"], "parameters": {"truncate": True}}),
    (
        "POST",
        "https://dashscope.aliyuncs.com/api/v1/services/aigc/text2image/image-synthesis",
        {"model": "w", "input": {"prompt": "a"}},
    ),
    ("POST", "https://us-south.ml.cloud.ibm.com/ml/v1/text/tokenization", {"model_id": "g", "input": "a"}),
    ("GET", "https://api.deepgram.com/v1/models", None),
]


def claimed(method: str, address: str, body: Any) -> str | None:
    """The name of the protocol that takes the request."""
    parts = urlsplit(address)
    asked = Ask(
        method=method,
        host=parts.hostname or "",
        port=parts.port,
        path=parts.path,
        query=parts.query,
        body=body,
    )
    wire = catalog.recognise(asked, catalog.candidates(method, parts.path))
    return wire.name if wire is not None else None


@pytest.mark.parametrize(("method", "address", "body"), ROWS)
def test_no_protocol_takes_it(method: str, address: str, body: Any) -> None:
    assert claimed(method, address, body) is None


@pytest.mark.parametrize("key", sorted(catalog.ROWS))
@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "text",
        7,
        [],
        ["a"],
        {},
        {"a": 1},
        {"text": 1},
        {"messages": "hi"},
        {"input": {}},
        {"inputs": 3},
        {"data": []},
    ],
)
def test_a_path_alone_is_not_enough(key: str, body: Any) -> None:
    path = f"/models/m{key}" if key.startswith(":") else "/" + key.lstrip("/").replace("*", "x")
    taken = claimed("POST", f"https://my.example{path}", body)
    # These name their verb so clearly, that a body too large to be read is taken on trust.
    assert taken is None or (body is None and key in {":generateContent", ":streamGenerateContent"})


@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(one, id=one.id)
        for one in corpus.recordings()
        if one.operation in {"api_pull", "count_tokens"}
        or (
            one.operation == "other"
            and one.provider in {"cohere", "deepgram", "gemini", "heroku", "mistral", "ollama", "vertex_ai"}
        )
    ],
)
def test_recorded_calls_of_no_model_are_left_alone(recording: corpus.Recording) -> None:
    assert corpus.decode(recording) is None
