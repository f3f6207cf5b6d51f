"""One real call through each installed client, against a server in the same process, and the spans that come of it.

`otel-llm doctor` runs it in a process of its own: `python -m otel_llm.selftest` prints a JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from typing import Any, Final

import msgspec
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm import bootstrap, hooks, semconv, shield
from otel_llm import settings as settings_module

PATH: Final = "/v1/chat/completions"
QUESTION: Final = {"model": "self-test", "messages": [{"role": "user", "content": "Are you there?"}]}
ANSWER: Final = {
    "id": "chatcmpl-self-test",
    "object": "chat.completion",
    "created": 0,
    "model": "self-test",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}},
    ],
    "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
}
TIMEOUT_SECONDS: Final = 10.0


def run() -> dict[str, Any]:
    """What every hook of `OTEL_LLM_HOOKS` is attached to, and what became of a call through it."""
    chosen = msgspec.structs.replace(
        settings_module.read()[0], excluded_hosts=(), redact_function="", metrics="none", cost=False
    )
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    bootstrap.door.close()
    bootstrap.door.open(bootstrap.observer(chosen, provider), chosen.hooks)
    found = []
    with _server() as url:
        for hook in settings_module.HOOKS:
            row: dict[str, Any] = {"hook": hook, "wanted": hook in chosen.hooks, "version": _import(hook)}
            attached = [one for one in bootstrap.door.attached if one.hook == hook]
            row["attached"] = bool(attached)
            if row["version"] is not None and hook in _CALLS:
                memory.clear()
                row["call"] = shield.shielded(f"self-test {hook}", _called, _CALLS[hook], url, memory)
            found.append(row)
    return {"hooks": found, "troubles": dict(shield.troubles)}


def _import(hook: str) -> str | None:
    """The version of the client, imported; None where it is not installed."""
    module, _ = hooks.TARGETS[hook]
    try:
        importlib.import_module(module)
    except ImportError:
        return None
    root = module.partition(".")[0]
    try:
        return distribution_version(root)
    except PackageNotFoundError:
        return str(getattr(sys.modules[root], "__version__", "?"))


def _called(call: Callable[[str], int], url: str, memory: InMemorySpanExporter) -> dict[str, Any]:
    status = call(url)
    spans = [span for span in memory.get_finished_spans() if semconv.OPERATION in (span.attributes or {})]
    record = semconv.from_attributes(spans[0].attributes or {}, 0, 0) if spans else None
    usage = record.response.usage if record is not None else None
    return {
        "status": status,
        "spans": len(spans),
        "right": len(spans) == 1 and usage is not None and (usage.input, usage.output) == (4, 2),
    }


def _httpx(name: str) -> Callable[[str], int]:
    def call(url: str) -> int:
        with importlib.import_module(name).Client(trust_env=False, timeout=TIMEOUT_SECONDS) as client:
            status: int = client.post(url, json=QUESTION).status_code
            return status

    return call


def _requests(url: str) -> int:
    with importlib.import_module("requests").Session() as session:
        session.trust_env = False
        status: int = session.post(url, json=QUESTION, timeout=TIMEOUT_SECONDS).status_code
        return status


def _aiohttp(url: str) -> int:
    async def call() -> int:
        session = importlib.import_module("aiohttp").ClientSession()
        async with session, session.post(url, json=QUESTION) as response:
            await response.read()
            status: int = response.status
            return status

    return asyncio.run(call())


_CALLS: Final[dict[str, Callable[[str], int]]] = {
    "httpx": _httpx("httpx"),
    "httpx2": _httpx("httpx2"),
    "requests": _requests,
    "aiohttp": _aiohttp,
}


@contextlib.contextmanager
def _server() -> Iterator[str]:
    body = json.dumps(ANSWER).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{PATH}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run()) + "\n")
