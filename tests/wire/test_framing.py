"""Streams are cut into the same events wherever their chunks end."""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm.wire import framing
from otel_llm.wire.event_stream import EventStream
from otel_llm.wire.framing import Event, Framer, JsonArray, JsonLines, ServerSentEvents


def events(framer: Framer, pieces: Iterable[bytes]) -> list[Event]:
    """All events of a stream that arrives in these pieces."""
    found: list[Event] = []
    for piece in pieces:
        found += framer.feed(piece)
    return found + list(framer.flush())


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One AWS event-stream message, written from its specification."""
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return message + struct.pack(">I", zlib.crc32(message))


SSE_CASES = [
    pytest.param(b"data: a\n\ndata: b\n\n", [("", b"a"), ("", b"b")], id="plain"),
    pytest.param(
        b"data: a\r\n\r\ndata: b\r\n\r\n", [("", b"a"), ("", b"b")], id="carriage returns and line feeds"
    ),
    pytest.param(b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")], id="carriage returns alone"),
    pytest.param(
        b"event: x\ndata: a\n\ndata: b\n\n", [("x", b"a"), ("", b"b")], id="a name serves one event"
    ),
    pytest.param(b": ping\n\ndata: a\n\n", [("", b"a")], id="comments are no events"),
    pytest.param(b"data: a\ndata: b\n\n", [("", b"a\nb")], id="lines of one event join"),
    pytest.param(b"data:a\n\n", [("", b"a")], id="the blank after the colon may be missing"),
    pytest.param(b"data:  a\n\n", [("", b" a")], id="one blank is dropped, not two"),
    pytest.param(b"\xef\xbb\xbfdata: a\n\n", [("", b"a")], id="a byte order mark is no content"),
    pytest.param(b"id: 7\nretry: 1\ndata: a\n\n", [("", b"a")], id="ids and retries are passed over"),
    pytest.param(b"data: a", [("", b"a")], id="the last event counts without its blank line"),
    pytest.param(b"event: x\n\ndata: a\n\n", [("", b"a")], id="an event without data is none"),
    pytest.param("data: größe\n\n".encode(), [("", "größe".encode())], id="bytes stay as they are"),
    pytest.param(b"", [], id="nothing"),
]


@pytest.mark.parametrize(("body", "expected"), SSE_CASES)
def test_an_event_stream_has_these_events(body: bytes, expected: list[Event]) -> None:
    assert events(ServerSentEvents(), [body]) == expected
    assert events(ServerSentEvents(), (body[i : i + 1] for i in range(len(body)))) == expected


@pytest.mark.parametrize(("body", "expected"), SSE_CASES)
def test_an_event_stream_is_the_same_cut_anywhere(body: bytes, expected: list[Event]) -> None:
    for cut in range(len(body) + 1):
        assert events(ServerSentEvents(), [body[:cut], body[cut:]]) == expected


ARRAY_CASES = [
    pytest.param(b'[{"a": 1},\n{"b": [1, {"c": 2}]}]', [b'{"a": 1}', b'{"b": [1, {"c": 2}]}'], id="nested"),
    pytest.param(b'[{"a": "}]{["}]', [b'{"a": "}]{["}'], id="brackets in texts are no structure"),
    pytest.param(b'[{"a": "\\"}"}, {}]', [b'{"a": "\\"}"}', b"{}"], id="escaped quotes"),
    pytest.param(b'[{"a": "\\\\"}, {}]', [b'{"a": "\\\\"}', b"{}"], id="escaped backslashes"),
    pytest.param(b"[]", [], id="empty"),
    pytest.param(b'[{"a": 1}, {"b": ', [b'{"a": 1}'], id="what was cut off is no event"),
]


@pytest.mark.parametrize(("body", "expected"), ARRAY_CASES)
def test_an_array_gives_its_elements_cut_anywhere(body: bytes, expected: list[bytes]) -> None:
    for cut in range(len(body) + 1):
        assert events(JsonArray(), [body[:cut], body[cut:]]) == [("", one) for one in expected]
    assert events(JsonArray(), (body[i : i + 1] for i in range(len(body)))) == [("", one) for one in expected]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def pieces_of(body: bytes, cuts: list[int]) -> list[bytes]:
    """The body, cut at these places."""
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    return [body[a:b] for a, b in itertools.pairwise(places)]


def written(kind: str, values: list[object]) -> tuple[Framer, bytes]:
    """The values in this framing, and what reads it."""
    texts = [json.dumps(value, ensure_ascii=False).encode() for value in values]
    if kind == "sse":
        return ServerSentEvents(), b"".join(b"data: " + text + b"\n\n" for text in texts)
    if kind == "lines":
        return JsonLines(), b"\n".join(texts)
    if kind == "aws":
        return EventStream(), b"".join(
            frame({":message-type": "event", ":event-type": "e"}, text) for text in texts
        )
    return JsonArray(), b"[" + b", ".join(texts) + b"]"


@pytest.mark.parametrize("kind", ["sse", "lines", "array", "aws"])
@given(
    values=st.lists(st.dictionaries(st.text(), json_values, max_size=4), max_size=6),
    cuts=st.lists(st.integers(0)),
)
def test_every_framing_gives_back_what_was_sent(kind: str, values: list[object], cuts: list[int]) -> None:
    framer, body = written(kind, values)
    assert [json.loads(data) for _, data in events(framer, pieces_of(body, cuts))] == values


@pytest.mark.parametrize(
    ("make", "head", "tail"),
    [
        pytest.param(ServerSentEvents, b"data: ", b"\n\ndata: {}\n\n", id="server-sent events"),
        pytest.param(JsonLines, b'{"a": "', b'"}\n{}\n', id="JSON lines"),
        pytest.param(JsonArray, b'[{"a": "', b'"}, {}]', id="JSON array"),
    ],
)
def test_an_event_over_the_limit_is_skipped_and_holds_no_memory(
    make: Callable[[], Framer], head: bytes, tail: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "MAX_EVENT", 1000)
    framer = make()
    found = list(framer.feed(head))
    for _ in range(100):
        found += framer.feed(b"x" * 100)
        held = vars(vars(framer).get("_lines", framer))["_held"]
        assert sum(map(len, held)) <= 1000
    found += framer.feed(tail)
    assert [data for _, data in [*found, *framer.flush()]] == [b"{}"]


def test_a_broken_checksum_ends_the_reading_quietly() -> None:
    good = frame({":event-type": "chunk", ":message-type": "event"}, b'{"a": 1}')
    bad = bytearray(good)
    bad[-6] ^= 1
    assert events(EventStream(), [good + bytes(bad) + good]) == [("chunk", b'{"a": 1}')]


def test_a_frame_that_claims_to_be_huge_is_not_waited_for() -> None:
    framer = EventStream()
    prelude = struct.pack(">II", 1 << 31, 0)
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + b"x" * 100_000
    assert events(framer, [body]) == []
    assert not framer._held


def test_an_exception_frame_is_an_error_event() -> None:
    body = frame(
        {":message-type": "exception", ":exception-type": "throttlingException"}, b'{"message": "slow"}'
    )
    [(name, data)] = events(EventStream(), [body])
    assert (name, json.loads(data)) == (
        "throttlingException",
        {"error": {"type": "throttlingException", "message": "slow"}},
    )
