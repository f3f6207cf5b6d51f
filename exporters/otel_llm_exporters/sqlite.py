"""Spans into one SQLite file, the place where they go when nothing else is set up.

Traces are kept whole: LLM calls and every other span. `OTEL_TRACES_EXPORTER=sqlite`, or in a configuration file
`exporter: {sqlite: {path: /var/lib/otel-llm/spans.db}}`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_llm import settings
from otel_llm.errors import ConfigError
from otel_llm.shield import shielded
from otel_llm.store import Store, StoredSpan

_logger = logging.getLogger("otel_llm")


class SqliteSpanExporter(SpanExporter):
    """Keeps spans in the file `path`; without it in the one of `OTEL_LLM_SQLITE_PATH` or its default.

    Nothing is opened before there is a span. A span of a forked child is written by the child.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._store = Store(Path(path).expanduser() if path else settings.read()[0].store_path)
        self._complaint = ""

    @property
    def path(self) -> Path:
        """The file."""
        return self._store.path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write a batch in one transaction; on failure say so once, until it works again."""
        kept = shielded("sqlite", self._keep, spans)
        return SpanExportResult.SUCCESS if kept else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002  (the base class's signature)
        """Nothing waits in here."""
        return True

    def shutdown(self) -> None:
        """Nothing is open."""

    def _keep(self, spans: Sequence[ReadableSpan]) -> bool:
        try:
            self._store.add(stored(span) for span in spans)
        except (ConfigError, OSError, sqlite3.Error) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _logger.error("otel-llm: %d spans were not stored in %s: %s", len(spans), self.path, error)  # noqa: TRY400  (one clear line)
            return False
        self._complaint = ""
        return True


def stored(span: ReadableSpan) -> StoredSpan:
    """A span of the SDK as the store keeps it."""
    context = span.get_span_context()
    resource = _plain(span.resource.attributes)
    service = resource.get("service.name")
    scope = span.instrumentation_scope
    return StoredSpan(
        trace_id=f"{context.trace_id:032x}" if context else "",
        span_id=f"{context.span_id:016x}" if context else "",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else None,
        name=span.name,
        kind=span.kind.name,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        status=span.status.status_code.name,
        status_message=span.status.description,
        service=service if isinstance(service, str) else None,
        scope=scope.name if scope else None,
        attributes=_plain(span.attributes),
        events=[
            {"name": event.name, "time_ns": event.timestamp, "attributes": _plain(event.attributes)}
            for event in span.events
        ],
        links=[
            {
                "trace_id": f"{link.context.trace_id:032x}",
                "span_id": f"{link.context.span_id:016x}",
                "attributes": _plain(link.attributes),
            }
            for link in span.links
        ],
        resource=resource,
    )


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: _unwrapped(value) for name, value in (attributes or {}).items()}


def _unwrapped(value: Any) -> Any:
    """The SDK keeps structures as mappings and tuples of its own."""
    if isinstance(value, Mapping):
        return {str(name): _unwrapped(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_unwrapped(one) for one in value]
    return value
