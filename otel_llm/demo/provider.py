"""All providers of the demo in one local server, which replays recorded answers.

Clients reach it as an HTTP proxy, so that they may call each provider by its own name: the request line holds the
whole address, and nothing leaves this machine. What is not recorded is answered with 404.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

ADDRESSES: Final = {
    "OPENAI_BASE_URL": "http://api.openai.com/v1",
    "ANTHROPIC_BASE_URL": "http://api.anthropic.com",
    "GROQ_BASE_URL": "http://api.groq.com/openai/v1",
    "XAI_BASE_URL": "http://api.x.ai/v1",
    "MISTRAL_BASE_URL": "http://api.mistral.ai/v1",
    "DEEPSEEK_BASE_URL": "http://api.deepseek.com",
    "GEMINI_BASE_URL": "http://generativelanguage.googleapis.com/v1beta/openai",
}
"""Where the app finds them: real names, plain HTTP, so that the proxy can answer."""

THINKING_SECONDS: Final = 0.25
STREAMING_SECONDS: Final = 0.5
_EVENT: Final = re.compile(rb".+?(?:\r?\n\r?\n|\Z)", re.DOTALL)


class Key(NamedTuple):
    """What tells the recorded calls apart."""

    host: str
    path: str
    model: str
    stream: bool


class Answer(NamedTuple):
    """One recorded answer, in the pieces that it is sent in."""

    status: int
    content_type: str
    pieces: list[bytes]


def recorded() -> dict[Key, Answer]:
    """Everything in the folder `recorded`."""
    found: dict[Key, Answer] = {}
    for entry in files("otel_llm.demo").joinpath("recorded").iterdir():
        if not entry.name.endswith(".json"):
            continue
        data = json.loads(entry.read_text(encoding="utf-8"))
        asked, came = data["request"], data["response"]
        body = came["body_text"].encode()
        streams = "event-stream" in came["headers"]["content-type"]
        pieces = _EVENT.findall(body) if streams else [body]
        found[_key(asked["url"], asked["body"])] = Answer(
            came["status"], came["headers"]["content-type"], pieces
        )
    return found


def _key(url: str, body: dict[str, Any]) -> Key:
    parts = urlsplit(url)
    return Key(parts.hostname or "", parts.path, str(body.get("model")), bool(body.get("stream")))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serve(speed: float = 1.0) -> Iterator[str]:
    """Run the server; gives the address to use as a proxy. `speed` shortens all pauses."""
    server = _Server(("127.0.0.1", 0), _handler(recorded(), speed))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answers: dict[Key, Answer], speed: float) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                asked = json.loads(body)
            except ValueError:
                asked = None
            key = _key(self.path, asked) if isinstance(asked, dict) else None
            answer = answers.get(key) if key is not None else None
            if answer is None:
                missing = json.dumps({"error": {"message": f"nothing is recorded for {self.path}"}})
                answer = Answer(404, "application/json", [missing.encode()])
            time.sleep(THINKING_SECONDS / speed)
            with contextlib.suppress(ConnectionError):
                self._send(answer)

        def _send(self, answer: Answer) -> None:
            streams = len(answer.pieces) > 1
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            if not streams:
                self.send_header("content-length", str(len(answer.pieces[0])))
                self.end_headers()
                self.wfile.write(answer.pieces[0])
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            pause = STREAMING_SECONDS / len(answer.pieces) / speed
            for piece in answer.pieces:
                time.sleep(pause)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            """The demo prints spans, not requests."""

    return Handler
