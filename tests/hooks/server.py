"""A provider on 127.0.0.1 whose behaviour the first segment of the path spells: `/sse+gzip+lockstep/v1/chat/...`.

json, sse       the answer as one document, or as events
gzip            compressed, each piece flushed by itself
by7             cut into pieces of 7 bytes, wherever that falls
lockstep        wait for the client's signal (`turns`) after each piece
length, close   framed by its length, or by the end of the connection; otherwise chunked
reset, cut      after the first piece the connection is reset, or closed as if that had been all
late            wait for `turns` before the answer begins
endless         without the last event
429-500-200     statuses, one for each request of the same path
redirect        307 to the same path without this word
"""

from __future__ import annotations

import binascii
import json
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello"}]}
ASK_STREAM: dict[str, Any] = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
_HEAD = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
}
ANSWER = {
    **_HEAD,
    "object": "chat.completion",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello, wörld"}, "finish_reason": "stop"}
    ],
    "usage": USAGE,
}
FAILED = {"error": {"message": "Try again later.", "type": "overloaded", "code": "too_busy"}}


def _event(**fields: Any) -> bytes:
    return b"data: " + json.dumps({**_HEAD, **fields}, ensure_ascii=False).encode() + b"\n\n"


def _delta(text: str) -> bytes:
    return _event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])


EVENTS: Sequence[bytes] = (
    _event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
    _delta("Hello, "),
    _delta("wörld"),
    _event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    _event(choices=[], usage=USAGE),
    b"data: [DONE]\n\n",
)

CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18},
    "metrics": {"latencyMs": 1},
}
CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-3-haiku-20240307",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 11, "output_tokens": 7},
}


def frame(kind: str, payload: Any) -> bytes:
    """One message of an AWS event stream."""
    headers = b""
    for name, value in (
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ):
        headers += struct.pack("!B", len(name)) + name.encode()
        headers += struct.pack("!BH", 7, len(value)) + value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    start = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return start + struct.pack("!I", binascii.crc32(start))


CONVERSE_EVENTS: Sequence[bytes] = (
    frame("messageStart", {"role": "assistant"}),
    frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}}),
    frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "lo"}}),
    frame("contentBlockStop", {"contentBlockIndex": 0}),
    frame("messageStop", {"stopReason": "end_turn"}),
    frame(
        "metadata",
        {"usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}, "metrics": {"latencyMs": 1}},
    ),
)


def _claude_events() -> Iterator[bytes]:
    usage = {"input_tokens": 11, "output_tokens": 1}
    start = {**CLAUDE, "content": [], "stop_reason": None, "usage": usage}
    for event in (
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ):
        yield frame("chunk", {"bytes": binascii.b2a_base64(json.dumps(event).encode()).decode().strip()})


class Sent(NamedTuple):
    """A request as it arrived; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Provider(ThreadingHTTPServer):
    """The server, what it has been sent, and the signal that lets it go on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.reset()

    def reset(self) -> None:
        self.troubles: list[BaseException] = []
        self.turns = threading.Semaphore(0)
        self.sent: list[Sent] = []
        self.tries: dict[str, int] = {}

    def let_all_go(self) -> None:
        for _ in range(1000):
            self.turns.release()

    def url(self, words: str, path: str = CHAT) -> str:
        """Where a provider of this behaviour is."""
        return f"{self.base}/{words}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.troubles.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Provider
    turns: threading.Semaphore

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.turns = self.server.turns  # of the test that asks, not of one that comes later
        body = self._received()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.sent.append(Sent(self.path, headers, body))
        first, _, rest = self.path.removeprefix("/").partition("/")
        words = first.split("+")
        if "redirect" in words:
            words.remove("redirect")
            return self._whole(307, b"", {"Location": f"/{'+'.join(words)}/{rest}"})
        if "late" in words:
            self.turns.acquire(timeout=5)
        status = self._status(words)
        if status >= 400:
            return self._whole(status, json.dumps(FAILED).encode(), {"retry-after-ms": "1"})
        kind, pieces = _answer(rest.partition("?")[0], "sse" in words)
        if "endless" in words:
            pieces = pieces[:-1]
        for word in words:
            if word.startswith("by") and word[2:].isdigit():
                whole, size = b"".join(pieces), int(word[2:])
                pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        headers = {"Content-Type": kind}
        if "gzip" in words:
            headers["Content-Encoding"] = "gzip"
            pieces = _compressed(pieces)
        return self._send(words, headers, pieces)

    do_GET = do_POST

    def _received(self) -> bytes:
        if self.headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _status(self, words: list[str]) -> int:
        for word in words:
            if word[:3].isdigit():
                statuses = [int(one) for one in word.split("-")]
                number = self.server.tries.get(self.path, 0)
                self.server.tries[self.path] = number + 1
                return statuses[min(number, len(statuses) - 1)]
        return 200

    def _whole(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(self, words: list[str], headers: dict[str, str], pieces: Sequence[bytes]) -> None:
        chunked = "length" not in words and "close" not in words
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        if "length" in words:
            self.send_header("Content-Length", str(sum(map(len, pieces))))
        elif chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        for number, piece in enumerate(pieces):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            if "lockstep" in words and not self.turns.acquire(timeout=5):
                raise AssertionError(f"nobody has read piece {number}")
            if number == 0 and ("reset" in words or "cut" in words):
                self.close_connection = True
                if "reset" in words:
                    self.turns.acquire(timeout=5)  # else the first piece may be lost with the rest
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                return
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = self.close_connection or "close" in words


def _answer(path: str, stream: bool) -> tuple[str, Sequence[bytes]]:
    if path.endswith("/converse"):
        return "application/json", [json.dumps(CONVERSE).encode()]
    if path.endswith("/converse-stream"):
        return "application/vnd.amazon.eventstream", CONVERSE_EVENTS
    if path.endswith("/invoke"):
        return "application/json", [json.dumps(CLAUDE).encode()]
    if path.endswith("/invoke-with-response-stream"):
        return "application/vnd.amazon.eventstream", list(_claude_events())
    if stream:
        return "text/event-stream; charset=utf-8", EVENTS
    return "application/json", [json.dumps(ANSWER, ensure_ascii=False).encode()]


def _compressed(pieces: Sequence[bytes]) -> list[bytes]:
    press = zlib.compressobj(wbits=31)
    made = [press.compress(piece) + press.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    made[-1] += press.flush()
    return made
