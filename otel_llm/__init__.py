"""Every LLM call as one OpenTelemetry GenAI span.

`init()` and `shutdown()` are for programs that start themselves; under `opentelemetry-instrument` neither is needed.
`context()` says who makes a call and why. All else is loaded when it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from otel_llm.context import context

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import TracerProvider

__all__ = ["context", "init", "shutdown"]


def init(
    *,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    service_name: str | None = None,
    exporter: SpanExporter | Iterable[SpanExporter] | None = None,
    content: str | bool | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    **settings: Any,
) -> None:
    """Observe the LLM calls of this process.

    With no argument it does what `opentelemetry-instrument` does: the environment decides, and where that says nothing,
    spans go to the embedded SQLite file. A tracer provider that the program has set is used as it is. Calling it
    again with the same arguments does nothing; with others, they take the place of the earlier ones.

    Args:
        endpoint: an OTLP endpoint over HTTP, such as `http://localhost:4318`.
        headers: what the endpoint wants, such as a key.
        service_name: `service.name`, where the provider is made here.
        exporter: one or several span exporters, beside or instead of an endpoint; each gets a batch processor.
        content: `NO_CONTENT` (the default), `SPAN_ONLY`, `EVENT_ONLY` or `SPAN_AND_EVENT`; True means `SPAN_ONLY`.
        tracer_provider: whose spans, instead of the process's own provider.
        meter_provider: likewise for metrics.
        settings: any other setting by its field's name, such as `redact=("secrets", "email")`; wins over its variable.

    Raises:
        ConfigError: an argument or a variable is wrong; the message says which and what to do.
    """
    from otel_llm import start

    if content is not None:
        settings["content"] = content
    start.init(
        endpoint=endpoint,
        headers=headers,
        service_name=service_name,
        exporter=exporter,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        values=settings,
    )


def shutdown(timeout: float = 10.0) -> bool:
    """Take the hooks off and send what waits; whether that was done within `timeout` seconds.

    Open streams end as abandoned. Providers stay usable for the rest of the program; the SDK closes them at exit.
    """
    from otel_llm import start

    return start.shutdown(timeout)
