"""An OTLP/HTTP receiver on the loopback interface that keeps what it gets."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Received(NamedTuple):
    """A span as it came over the wire."""

    name: str
    span_id: str
    parent_id: str
    scope: str
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Collector:
    """What has come so far."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.headers: list[dict[str, str]] = []
        self.spans: list[Received] = []
        self.metrics: list[str] = []
        self.logs: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    @property
    def calls(self) -> list[Received]:
        """The LLM spans."""
        return [span for span in self.spans if "gen_ai.operation.name" in span.attributes]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        with self._lock:
            self.headers.append(headers)
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    about = _plain(resource.resource.attributes)
                    for scope in resource.scope_spans:
                        self.spans += [
                            Received(
                                span.name,
                                span.span_id.hex(),
                                span.parent_span_id.hex(),
                                scope.scope.name,
                                _plain(span.attributes),
                                about,
                            )
                            for span in scope.spans
                        ]
            elif path == "/v1/metrics":
                for of_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    for of_scope in of_resource.scope_metrics:
                        self.metrics += [metric.name for metric in of_scope.metrics]
            elif path == "/v1/logs":
                for log_resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                    for log_scope in log_resource.scope_logs:
                        self.logs += [
                            (record.event_name, _plain(record.attributes)) for record in log_scope.log_records
                        ]


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return _plain(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


@contextlib.contextmanager
def receive() -> Iterator[Collector]:
    """Run a receiver."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    collector.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
