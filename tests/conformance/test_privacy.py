"""While content is off, nothing that was said stands anywhere on the span, and no credential ever does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from otel_llm import raw_request, semconv
from tests import corpus, spans

SHORTEST = 16
"""Characters of a text that cannot stand on a span by chance."""
IDENTIFIERS = frozenset(
    {"id", "agent", "name", "model", "type", "role", "object", "status", "previous_response_id", "system_fingerprint", "user",
     "service_tier", "conversation", "tool_call_id", "call_id", "toolUseId", "responseId", "modelVersion", "user_id",
     "guardrailIdentifier", "knowledgeBaseId", "modelArn", "generation_id", "response_id", "session_id", "stop",
     "stop_sequences", "stopSequences", "code", "sessionId", "conversation_id", "prediction_id", "version"}
)  # fmt: skip
"""Fields whose values are no content: a span may bear them."""


def texts(value: Any, key: str = "") -> Iterator[str]:
    """Every text of a JSON value that is content."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, key)
    elif isinstance(value, str) and len(value) >= SHORTEST and key not in IDENTIFIERS:
        yield value


@pytest.mark.parametrize("recording", list(corpus.recordings()), ids=lambda one: one.id)
def test_without_content_no_text_of_the_request_is_on_the_span(recording: corpus.Recording) -> None:
    record = spans.record_of(recording, content=False)
    if record is None:
        return
    said = json.dumps([semconv.span_name(record.request), semconv.to_attributes(record)], ensure_ascii=False)
    leaked = [
        text for text in texts(recording.ask().body) if json.dumps(text, ensure_ascii=False)[1:-1] in said
    ]
    assert leaked == []


@pytest.mark.parametrize(
    "name",
    ["Authorization", "api-key", "X-Api-Key", "x-goog-api-key", "Cookie", "X-Amz-Security-Token", "Proxy-Authorization",
     "anthropic-auth-token", "X-Custom-Secret", "OpenAI-Organization-Key", "Set-Cookie", "x-session"],
)  # fmt: skip
def test_no_credential_of_a_header_is_in_a_raw_request(name: str) -> None:
    shown = raw_request.as_curl(
        "POST", "https://h/p", [(name, "canary-value"), ("accept", "text/plain")], b"{}"
    )
    assert "canary-value" not in shown
    assert "accept: text/plain" in shown


@pytest.mark.parametrize(
    "url",
    [
        "https://h/p?key=canary-value",
        "https://h/p?alt=sse&api_key=canary-value",
        "https://h/p?X-Amz-Signature=canary-value&x=1",
        "https://user:canary-value@h/p",
        "https://user:a@canary-value@h/p",
        "https://h/p?access_token=canary-value#x",
    ],
)
def test_no_credential_of_an_address_is_in_a_raw_request(url: str) -> None:
    assert "canary-value" not in raw_request.as_curl("POST", url, [], None)


def test_a_raw_request_holds_no_media_of_a_form() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nID3\xff\xfbcanary\r\n--x--\r\n'
    shown = raw_request.as_curl("POST", "https://h/p", [], body)
    assert shown == f"curl -X POST https://h/p -d '[{len(body)} bytes that are no text]'"


def test_a_raw_request_runs_in_a_shell_as_it_stands() -> None:
    shown = raw_request.as_curl("POST", "https://h/p?x=1&y=2", [("x-a", "it's")], b'{"a": "$(rm)"}')
    assert shown == """curl -X POST 'https://h/p?x=1&y=2' -H 'x-a: it'"'"'s' -d '{"a": "$(rm)"}'"""
