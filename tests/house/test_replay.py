"""The replaying provider hands out the bytes that were recorded."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from tests import corpus, replay
from tests.corpus import Recording

STREAMS = [one for one in corpus.shipped() if one.stream and one.status < 400]


@pytest.mark.parametrize("size", [0, 7])
def test_pieces_of_a_stream_join_to_its_bytes(size: int) -> None:
    assert STREAMS
    for one in STREAMS:
        assert b"".join(replay.pieces(one.response_body, size)) == one.response_body, one.id


def test_events_are_pieces_of_their_own() -> None:
    cut = replay.pieces(b"data: 1\n\ndata: 2\r\n\r\ndata: 3", 0)
    assert cut == [b"data: 1\n\n", b"data: 2\r\n\r\n", b"data: 3"]


@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(next(one for one in corpus.shipped() if one.id.startswith(prefix)), id=prefix)
        for prefix in (
            "openai-chat",
            "anthropic-messages-stream",
            "aws-bedrock-converse-stream",
            "ollama-api-chat",
        )
    ],
)
def test_an_answer_has_the_bytes_that_were_recorded(recording: Recording) -> None:
    with replay.serve() as provider:
        url = urlsplit(provider.base)
        connection = http.client.HTTPConnection(url.netloc, timeout=5)
        path = urlsplit(recording.url).path
        connection.request(recording.method, f"/{recording.id}{path}", recording.request_body)
        response = connection.getresponse()
        assert (response.status, response.read()) == (recording.status, recording.response_body)
        connection.close()
    assert provider.served[0].recording is not None
    assert provider.served[0].recording.id == recording.id


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_finds_the_recording_that_is_most_like_it(stream: bool) -> None:
    asked = {"model": "gpt-4o", "messages": [], "stream": stream}
    found = replay.find("POST", "/openai/v1/chat/completions", json.dumps(asked).encode())
    assert found is not None
    assert (found.provider, found.operation, found.stream) == ("openai", "chat_completions", stream)


def test_a_request_that_was_never_recorded_finds_nothing() -> None:
    assert replay.find("POST", "/openai/v1/nonsense", b"{}") is None


def test_the_first_requests_of_a_path_may_be_refused() -> None:
    one = next(one for one in corpus.shipped() if one.status == 200 and not one.stream)
    with replay.serve() as provider:
        connection = http.client.HTTPConnection(urlsplit(provider.base).netloc, timeout=5)
        statuses = []
        for path in ("a", "a", "b", "a"):
            connection.request("POST", f"/refuse-1/{one.id}/{path}", b"{}")
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
    assert statuses == [429, 200, 429, 200]


def test_an_answer_may_be_held_until_it_is_let_go() -> None:
    one = STREAMS[0]
    first, *rest = replay.pieces(one.response_body, 0)
    with replay.serve() as provider:
        connection = http.client.HTTPConnection(urlsplit(provider.base).netloc, timeout=5)
        connection.request("POST", f"/hold-1/{one.id}/x", b"{}")
        response = connection.getresponse()
        assert response.read(len(first)) == first
        provider.go.set()
        assert response.read() == b"".join(rest)
        connection.close()
