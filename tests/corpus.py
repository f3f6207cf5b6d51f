"""Recorded provider calls, as tests use them: those that ship with the project, and more where they are at hand."""

from __future__ import annotations

import base64
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from otel_llm.record import Request, Response
from otel_llm.wire import catalog, exchange
from otel_llm.wire.protocol import Ask, Wire

HERE = Path(__file__).parent
SHIPPED = HERE / "wire" / "recorded"
SHARED = Path(os.environ.get("OTEL_LLM_RECORDINGS", HERE.parent.parent / "shared" / "recordings"))


class Recording(NamedTuple):
    """One recorded call."""

    id: str
    provider: str
    operation: str
    stream: bool
    features: tuple[str, ...]
    method: str
    url: str
    request_headers: dict[str, str]
    request_body: bytes
    status: int
    response_headers: dict[str, str]
    response_body: bytes
    replays: bool
    """Whether the body is as the provider sent it, so that its framing counts too."""

    def ask(self) -> Ask:
        """The request, as a hook or the proxy would hand it over."""
        parts = urlsplit(self.url)
        return Ask(
            method=self.method,
            host=parts.hostname or "",
            port=parts.port,
            path=parts.path,
            query=parts.query,
            headers=self.request_headers,
            body=exchange.read_body(self.request_headers.get("content-type", ""), self.request_body),
        )


class Decoded(NamedTuple):
    """What the decoders make of a recording."""

    wire: Wire
    ask: Ask
    request: Request
    response: Response


def decode(recording: Recording, content: bool = True, cuts: list[bytes] | None = None) -> Decoded | None:
    """Decode a recording; None when it is no LLM call. `cuts` is the response body in pieces."""
    rows = catalog.candidates(recording.method, urlsplit(recording.url).path)
    if not rows:
        return None
    ask = recording.ask()
    wire = catalog.recognise(ask, rows)
    if wire is None:
        return None
    request = wire.read_request(ask, content)
    reader = exchange.Reader(
        wire, request, recording.status, recording.response_headers, content, encoded=False
    )
    for piece in [recording.response_body] if cuts is None else cuts:
        reader.feed(piece)
    return Decoded(wire, ask, request, reader.finish())


def recordings(**wanted: Any) -> Iterator[Recording]:
    """All recordings at hand whose fields have the values `wanted`, in order of their ids."""
    for recording in _all():
        if all(getattr(recording, name) == value for name, value in wanted.items()):
            yield recording


def shipped() -> tuple[Recording, ...]:
    """Those that ship with the project, which every clone has."""
    return _below(SHIPPED)


@functools.cache
def by_id() -> dict[str, Recording]:
    """The same by their names."""
    return {recording.id: recording for recording in _all()}


def load(path: Path) -> Recording:
    """One recording from its file."""
    data = json.loads(path.read_text())
    asked, came = data["request"], data["response"]
    if "body_base64" in asked:
        body = base64.b64decode(asked["body_base64"])
    else:
        body = json.dumps(asked["body"]).encode() if asked.get("body") is not None else b""
    answer = (
        came["body_text"].encode() if "body_text" in came else base64.b64decode(came.get("body_base64", ""))
    )
    return Recording(
        id=data["id"],
        provider=data["provider"],
        operation=data["operation"],
        stream=data["stream"],
        features=tuple(data["features"]),
        method=asked["method"],
        url=asked["url"],
        request_headers=asked["headers"],
        request_body=body,
        status=came["status"],
        response_headers=came["headers"],
        response_body=answer,
        replays=data["fidelity"] == "raw",
    )


def _all() -> tuple[Recording, ...]:
    return _below(SHARED if SHARED.is_dir() else SHIPPED)


@functools.cache
def _below(root: Path) -> tuple[Recording, ...]:
    return tuple(sorted((load(path) for path in root.glob("*/*/*.json")), key=lambda one: one.id))
