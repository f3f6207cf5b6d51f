"""A provider on the loopback interface that answers real SDKs with recorded calls.

    with replay.serve() as provider:
        OpenAI(api_key="any", base_url=f"{provider.base}/openai/v1")              # the best match of that provider
        OpenAI(api_key="any", base_url=f"{provider.base}/{recording.id}/v1")      # this recording, whatever is asked

`/<provider>/<path>` takes the provider's own path, `/<id>/<path>` a recording by its name; where no path will do, the
header `x-replay-id` names it. Streams are sent chunked, one
event a piece or `piece` bytes; `cut_after` breaks them off after so many pieces.

A first segment in front of those says how: `/hold-2/...` sends two pieces of a stream, or with 0 not even a status, and
then waits for `provider.go`; `/refuse-2/...` answers the first two requests of a path with 429, to be tried again at once.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from tests import corpus
from tests.corpus import Recording

_HOP_BY_HOP: Final = {"content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive"}
_NAMED: Final = re.compile(
    r"/(deployments|models?|projects|locations|publishers|endpoints|responses|guardrail|version)/[^/:?]+(?::\d+)?"
)
_MANNER: Final = re.compile(r"/(hold|refuse)-(\d+)(?=/)")
_PATIENCE: Final = 10.0
"""Seconds that a held answer waits at most."""
_EVENT: Final = re.compile(rb".+?(?:\r\n\r\n|\n\n|\Z)", re.DOTALL)


class Served(NamedTuple):
    """One request that was answered; `recording` is None where none fits."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    recording: Recording | None


class Provider(NamedTuple):
    """The server that runs: where, and what it has served so far."""

    base: str
    served: list[Served]
    go: threading.Event
    """Set it to let held answers go on."""


class _Asked(NamedTuple):
    method: str
    path: str
    query: str
    body: Any


@contextlib.contextmanager
def serve(*, delay: float = 0.0, piece: int = 0, cut_after: int | None = None) -> Iterator[Provider]:
    """Serve all recordings at hand. `delay`: seconds between the pieces of a stream."""
    served: list[Served] = []
    go = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: Any, **kwargs: Any) -> None:
            pass

        def answer(self) -> None:
            sent = self._sent()
            manner = _MANNER.match(self.path)
            found = corpus.by_id().get(self.headers.get("x-replay-id", "")) or find(
                self.command, _MANNER.sub("", self.path, count=1), sent
            )
            headers = {name.lower(): value for name, value in self.headers.items()}
            earlier = sum(one.path == self.path for one in served)
            served.append(Served(self.command, self.path, headers, sent, found))
            held = int(manner[2]) if manner is not None and manner[1] == "hold" else None
            if held == 0:
                go.wait(_PATIENCE)
            if manner is not None and manner[1] == "refuse" and earlier < int(manner[2]):
                body = b'{"error": {"message": "too many requests", "type": "rate_limited", "code": "rate_limited"}}'
                again = {"retry-after-ms": "1", "retry-after": "0"}
                self._head(
                    429, {"content-type": "application/json", "content-length": str(len(body)), **again}
                )
                self.wfile.write(body)
            elif found is None:
                body = b'{"error": {"message": "no such recording", "code": "no_recording"}}'
                self._head(404, {"content-type": "application/json", "content-length": str(len(body))})
                self.wfile.write(body)
            elif found.stream and found.status < 400:
                self._stream(found, held)
            else:
                self._head(found.status, {**_kept(found), "content-length": str(len(found.response_body))})
                self.wfile.write(found.response_body)

        def _stream(self, found: Recording, held: int | None) -> None:
            self._head(found.status, {**_kept(found), "transfer-encoding": "chunked"})
            for number, part in enumerate(pieces(found.response_body, piece)):
                if number == held:
                    go.wait(_PATIENCE)
                if cut_after is not None and number >= cut_after:
                    self.close_connection = True
                    return
                if delay and number:
                    time.sleep(delay)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def _sent(self) -> bytes:
            if "chunked" not in self.headers.get("transfer-encoding", ""):
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        do_GET = do_POST = answer

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up in the middle of a stream is what many tests do."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Provider(f"http://127.0.0.1:{server.server_port}", served, go)
    finally:
        go.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _kept(found: Recording) -> dict[str, str]:
    return {name: value for name, value in found.response_headers.items() if name not in _HOP_BY_HOP}


def pieces(body: bytes, size: int) -> list[bytes]:
    """A streamed body cut into pieces of `size` bytes; 0: where its protocol ends an event."""
    if size:
        return [body[start : start + size] for start in range(0, len(body), size)]
    if body.lstrip()[:1] in {b"{", b"["}:
        return body.splitlines(keepends=True)
    if body[:1] == b"\0":  # binary frames begin with their length
        return _frames(body)
    return _EVENT.findall(body)


def _frames(body: bytes) -> list[bytes]:
    found = []
    while len(body) >= 16:
        size = int.from_bytes(body[:4], "big")
        found.append(body[:size])
        body = body[size:]
    return found


def find(method: str, target: str, sent: bytes) -> Recording | None:
    """The recording that answers this request."""
    parts = urlsplit(target)
    first, _, rest = parts.path.lstrip("/").partition("/")
    by_id = corpus.by_id()
    if first in by_id:
        return by_id[first]
    try:
        body = json.loads(sent) if sent else None
    except ValueError:
        body = None
    asked = _Asked(method, "/" + rest, parts.query, body)
    shape = _shape(asked.path)
    fits = [
        one
        for one in corpus.recordings(provider=first, method=method)
        if _shape(urlsplit(one.url).path) == shape
    ]
    return max(fits, key=lambda one: (_likeness(asked, one), one.id)) if fits else None


def _shape(path: str) -> str:
    """The path without the names of models, deployments, projects and the like."""
    return _NAMED.sub(r"/\1/*", re.sub(r"/+", "/", unquote(path)).rstrip("/"))


def _likeness(asked: _Asked, one: Recording) -> float:
    """How well a recording answers: its stream flag counts most, then framing, path, model, and the keys of the body."""
    url = urlsplit(one.url)
    try:
        theirs = json.loads(one.request_body) if one.request_body else None
    except ValueError:
        theirs = None
    if asked.body is not None and asked.body == theirs:
        return 1000.0
    streams = "stream" in asked.path.rpartition("/")[2].lower()
    points = 0.0
    if isinstance(asked.body, dict):
        # Ollama's own API streams unless it is told not to.
        streams = streams or bool(asked.body.get("stream", asked.path.startswith("/api/")))
        if isinstance(theirs, dict):
            points += 20.0 * (asked.body.get("model") == theirs.get("model"))
            points += (
                19.0 * len(asked.body.keys() & theirs.keys()) / max(1, len(asked.body.keys() | theirs.keys()))
            )
    points += 40.0 * (one.stream == streams)
    points += 30.0 * (("alt=sse" in url.query) == ("alt=sse" in asked.query))
    points += 20.0 * (url.path == asked.path)
    return points - 10.0 * (one.status >= 400)
