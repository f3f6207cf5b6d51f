"""An answer is read by what it is, whatever it calls itself, and never at any price."""

from __future__ import annotations

import gzip
import hashlib
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm.record import Failure, Request, Response
from otel_llm.wire import exchange, openai_chat
from otel_llm.wire.protocol import Answer, Ask, Binary, Wire

CHAT = Request(operation="chat", model="m")
STREAMED = Request(operation="chat", model="m", stream=True)
WHOLE = {"id": "c1", "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "hi"}}]}
CHUNKS: list[dict[str, Any]] = [
    {"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "h"}}]},
    {"choices": [{"index": 0, "delta": {"content": "i"}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]
SSE = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in CHUNKS) + b"data: [DONE]\n\n"


def read(
    body: bytes,
    content_type: str = "application/json",
    *,
    request: Request = CHAT,
    status: int = 200,
    step: int = 0,
    encoding: str = "",
    wire: Wire = openai_chat.WIRE,
) -> Response:
    """The response of these bytes, fed in steps."""
    headers = {"content-type": content_type, "content-encoding": encoding}
    reader = exchange.Reader(wire, request, status, headers, content=True)
    for at in range(0, len(body), step or len(body) or 1):
        reader.feed(body[at : at + (step or len(body))])
    return reader.finish()


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(SSE, "text/event-stream; charset=utf-8", id="as it says"),
        pytest.param(SSE, "application/json", id="events that call themselves JSON"),
        pytest.param(SSE, "", id="events that call themselves nothing"),
        pytest.param(b": OPENROUTER PROCESSING\n\n" + SSE, "text/event-stream", id="comments first"),
        pytest.param(
            b"\n".join(json.dumps(c).encode() for c in CHUNKS), "application/x-ndjson", id="JSON lines"
        ),
        pytest.param(
            b"\n".join(json.dumps(c).encode() for c in CHUNKS), "application/json", id="lines as JSON"
        ),
        pytest.param(json.dumps(CHUNKS).encode(), "application/json", id="a JSON array"),
    ],
)
def test_a_stream_is_folded_whatever_its_framing(body: bytes, content_type: str, step: int) -> None:
    response = read(body, content_type, request=STREAMED, step=step)
    assert response.id == "c1"
    assert response.finish_reasons == ["stop"]
    assert (response.usage.input, response.usage.output) == (3, 2)
    assert response.output_messages == [
        {"role": "assistant", "parts": [{"type": "text", "content": "hi"}], "finish_reason": "stop"}
    ]


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(SSE)),
        ("gzip", gzip.compress(SSE[:100]) + gzip.compress(SSE[100:])),
        ("deflate", zlib.compress(SSE)),
        ("deflate", zlib.compress(SSE)[2:-4]),
        ("identity", SSE),
    ],
)
def test_a_content_encoding_is_undone_on_our_copy(encoding: str, packed: bytes, step: int) -> None:
    response = read(packed, "text/event-stream", request=STREAMED, encoding=encoding, step=step)
    assert response.usage.output == 2


def test_an_encoding_that_cannot_be_undone_leaves_the_answer_unread() -> None:
    assert read(SSE, "text/event-stream", request=STREAMED, encoding="rot13") == Response()


def test_a_bomb_stops_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_INFLATED", 1 << 20)
    bomb = gzip.compress(b"0" * (64 << 20))
    tracemalloc.start()
    try:
        assert read(bomb, "text/event-stream", request=STREAMED, encoding="gzip") == Response()
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_a_body_over_the_limit_is_not_held() -> None:
    headers = {"content-type": "application/json"}
    reader = exchange.Reader(openai_chat.WIRE, CHAT, 200, headers, content=True)
    piece = b" " * (1 << 20)
    tracemalloc.start()
    try:
        reader.feed(b"{")
        for _ in range(100):
            reader.feed(piece)
        assert reader.finish() == Response()
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_an_endless_stream_costs_bounded_memory() -> None:
    reader = exchange.Reader(
        openai_chat.WIRE, STREAMED, 200, {"content-type": "text/event-stream"}, content=True
    )
    event = b'data: {"choices": [{"index": 0, "delta": {"content": "' + b"x" * 4000 + b'"}}]}\n\n'
    tracemalloc.start()
    try:
        for _ in range(4000):
            reader.feed(event)
        response = reader.finish()
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()
    assert response.output_messages is not None
    assert 1 << 20 <= len(response.output_messages[0]["parts"][0]["content"]) < 1.1 * (1 << 20)


def test_a_stream_of_endless_choices_and_tools_is_bounded() -> None:
    assert openai_chat.WIRE.fold is not None
    fold = openai_chat.WIRE.fold(True)
    for index in range(5000):
        calls = [{"index": index, "id": str(index), "function": {"name": "f", "arguments": "{}"}}]
        fold.add("", {"choices": [{"index": index, "delta": {"content": "x"}}]})
        fold.add("", {"choices": [{"index": 0, "delta": {"tool_calls": calls}}]})
    body = fold.body()
    assert len(body["choices"]) == 128
    assert len(body["choices"][0]["message"]["tool_calls"]) == 1024


def test_deep_nesting_is_no_stack_overflow() -> None:
    deep = b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert read(deep) == Response()
    assert exchange.read_body("application/json", deep) is None


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (429, b'{"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}',
         Failure("rate_limit_exceeded", "slow down")),
        (400, b'{"error": {"message": "no", "type": "invalid_request_error", "code": null}}',
         Failure("invalid_request_error", "no")),
        (529, b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}',
         Failure("overloaded_error", "busy")),
        (404, b'[{"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}]', Failure("NOT_FOUND", "gone")),
        (401, b'{"message": "invalid api token"}', Failure("401", "invalid api token")),
        (404, b'{"error": "model \'x\' not found"}', Failure("404", "model 'x' not found")),
        (502, b"<html>Bad Gateway</html>", Failure("502", "<html>Bad Gateway</html>")),
        (500, b"", Failure("500", None)),
        (200, b'{"error": {"message": "upstream died", "code": 502}}', Failure("502", "upstream died")),
    ],
)  # fmt: skip
def test_a_failure_is_named_by_the_providers_code(status: int, body: bytes, failure: Failure) -> None:
    assert read(body, status=status).failure == failure


def test_an_error_inside_a_stream_is_the_calls_failure() -> None:
    body = b'data: {"choices": [{"index": 0, "delta": {"content": "h"}}]}\n\n'
    body += b'event: error\ndata: {"error": {"message": "died", "type": "server_error"}}\n\n'
    response = read(body, "text/event-stream", request=STREAMED)
    assert response.failure == Failure("server_error", "died")
    assert response.finish_reasons == ["error"]


def test_a_binary_answer_is_measured_and_not_held() -> None:
    taken: list[Answer] = []

    def keep(answer: Answer, request: Request, content: bool) -> Response:
        taken.append(answer)
        return Response()

    audio = bytes(range(256)) * 1000
    read(audio, "audio/mpeg", wire=openai_chat.WIRE._replace(read_response=keep), step=1000)
    assert taken[0].body == Binary(
        mime_type="audio/mpeg", size=256_000, sha256=hashlib.sha256(audio).hexdigest()
    )


def test_a_form_is_read_as_its_fields_and_files_by_size() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n2\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + b"\x00\xff" * 50 + b"\r\n--b--\r\n"
    )  # fmt: skip
    assert exchange.read_body("multipart/form-data; boundary=b", body) == {
        "model": "whisper-1",
        "x": ["1", "2"],
        "file": {"filename": "a.wav", "mime_type": "audio/wav", "size": 100},
    }


def test_what_a_fuzzer_found_stays_mended() -> None:
    read(b'data: {"type": {"a": 1}, "choices": []}\n\n', "text/event-stream", request=STREAMED)
    read(b'{"model\x8d": 1}', wire=openai_chat.WIRE._replace(sparse=True))


@given(
    st.binary(max_size=400),
    st.sampled_from(["application/json", "text/event-stream", "audio/x", "", "ndjson"]),
)
def test_any_bytes_are_read_without_an_exception(body: bytes, content_type: str) -> None:
    for request in (CHAT, STREAMED):
        for status in (200, 500):
            read(body, content_type, request=request, status=status)
    exchange.read_body("multipart/form-data; boundary=x", body)


def test_a_request_of_each_json_type_is_read_without_an_exception() -> None:
    for body in (
        None,
        True,
        1,
        1.5,
        "x",
        [],
        [1],
        {},
        {"messages": 1, "model": 2, "stop": {}, "tools": [1, {}]},
    ):
        openai_chat.read_request(Ask(method="POST", host="h", path="/", body=body), True)
