"""`otel_llm.init()` and `otel_llm.shutdown()`: the way in for programs that start themselves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from otel_llm import bootstrap, destinations, distro, outage
from otel_llm import settings as settings_module
from otel_llm.errors import ConfigError
from otel_llm.farewell import within
from otel_llm.settings import Settings

_logger = logging.getLogger("otel_llm")
_lock = threading.Lock()

FLUSH_SECONDS: Final = 10.0


class _Outlet(SpanProcessor):
    """The exporters that a program named; one for each provider, so that naming them anew replaces them."""

    def __init__(self) -> None:
        self._processors: tuple[BatchSpanProcessor, ...] = ()

    def replace(self, exporters: Iterable[SpanExporter]) -> None:
        """Send to these from now on; the earlier ones get what they are owed."""
        before, self._processors = self._processors, tuple(BatchSpanProcessor(one) for one in exporters)
        for processor in before:
            processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK's method is not typed

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing to do."""

    def on_end(self, span: ReadableSpan) -> None:
        """To each."""
        for processor in self._processors:
            processor.on_end(span)

    def shutdown(self) -> None:
        """Of each."""
        for processor in self._processors:
            processor.shutdown()  # type: ignore[no-untyped-call]  # the SDK's method is not typed

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Of each."""
        done = [processor.force_flush(timeout_millis) for processor in self._processors]
        return all(done)


class _Running:
    """What is on in this process."""

    def __init__(self) -> None:
        self.said: tuple[Any, ...] | None = None
        self.tracer_provider: Any = None
        self.outlets: dict[int, tuple[Any, _Outlet]] = {}

    def outlet(self, provider: Any) -> _Outlet:
        """The one of this provider, made at the first time. Raises ConfigError where it takes none."""
        if id(provider) not in self.outlets:
            add = getattr(provider, "add_span_processor", None)
            if add is None:
                raise ConfigError(
                    "exporter",
                    f"cannot be added to a {type(provider).__qualname__}",
                    "Leave exporter and endpoint out, or give a tracer_provider of the SDK.",
                )
            made = _Outlet()
            add(made)
            self.outlets[id(provider)] = (provider, made)
        return self.outlets[id(provider)][1]


_running = _Running()


def init(
    *,
    endpoint: str | None,
    headers: Mapping[str, str] | None,
    service_name: str | None,
    exporter: SpanExporter | Iterable[SpanExporter] | None,
    tracer_provider: Any,
    meter_provider: Any,
    values: Mapping[str, Any],
) -> None:
    """See `otel_llm.init`."""
    chosen, errors = settings_module.read()
    if errors:
        raise errors[0]
    chosen = settings_module.with_values(chosen, values)
    said = (endpoint, dict(headers or {}), service_name, exporter, tracer_provider, meter_provider, chosen)
    if headers is not None and endpoint is None:
        raise ConfigError("headers", "are given without an endpoint", "Give endpoint too.")
    if endpoint is not None and (error := destinations.bad_address("endpoint", endpoint)) is not None:
        raise error
    with _lock:
        if _running.said == said and bootstrap.door.observer is not None:
            return
        exporters = _exporters(endpoint, headers, exporter)
        if tracer_provider is None:
            tracer_provider = _provider(chosen, exporters is not None, endpoint, headers, service_name)
        elif service_name is not None:
            _ignored("service_name")
        if exporters is not None:
            _running.outlet(tracer_provider).replace(exporters)
        made = bootstrap.observer(chosen, tracer_provider, meter_provider)
        bootstrap.OtelLlmInstrumentor().observe(made, tracer_provider)
        _running.said, _running.tracer_provider = said, tracer_provider


def shutdown(timeout: float = FLUSH_SECONDS) -> bool:
    """See `otel_llm.shutdown`."""
    with _lock:
        instrumentor = bootstrap.OtelLlmInstrumentor()
        tracers = _running.tracer_provider
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
        _running.said = None

        def finish() -> None:
            bootstrap.flush(tracers)
            for _, outlet in _running.outlets.values():
                outlet.replace(())

        return within(timeout, finish)


def _exporters(
    endpoint: str | None,
    headers: Mapping[str, str] | None,
    exporter: SpanExporter | Iterable[SpanExporter] | None,
) -> list[SpanExporter] | None:
    """What the program named; None when it named nothing."""
    if endpoint is None and exporter is None:
        return None
    if exporter is None:
        named = []
    elif isinstance(exporter, Iterable):
        named = list(exporter)
    else:
        named = [exporter]
    for one in named:
        if not callable(getattr(one, "export", None)):
            raise ConfigError("exporter", f"is {one!r}, which is no SpanExporter", "Give an instance of one.")
    if endpoint is not None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        outage.watch()
        named.append(
            OTLPSpanExporter(endpoint=_signal_address(endpoint, "traces"), headers=_headers(headers))
        )
    return named


def _provider(
    chosen: Settings,
    named: bool,
    endpoint: str | None,
    headers: Mapping[str, str] | None,
    service_name: str | None,
) -> Any:
    """The tracer provider that is there, else one made and set for the whole process."""
    there = trace.get_tracer_provider()
    if not isinstance(there, trace.ProxyTracerProvider):
        if service_name is not None:
            _ignored("service_name")
        return there
    about = {"service.name": service_name} if service_name is not None else {}
    if named:
        resource = Resource.create(dict(about))
        provider = TracerProvider(resource=resource)
        trace.set_tracer_provider(provider)
        if endpoint is not None:
            _other_signals(chosen, resource, endpoint, headers)
        return provider
    env = settings_module.environment()
    if env.get(destinations.CONFIG_FILE):
        if service_name is not None:
            raise ConfigError(
                "service_name", "is given where OTEL_CONFIG_FILE rules", "Name the service in that file."
            )
        errors = [error] if (error := destinations.config_file_error(env)) is not None else []
    else:
        distro.set_defaults()
        errors = destinations.checked(env)[1]
    if not errors:
        configurator = distro.OtelLlmConfigurator()  # type: ignore[no-untyped-call]  # the base is not typed
        errors = configurator.set_up(**({"resource_attributes": dict(about)} if about else {}))
    if errors:
        raise errors[0]
    return trace.get_tracer_provider()


def _other_signals(
    chosen: Settings, resource: Resource, endpoint: str, headers: Mapping[str, str] | None
) -> None:
    """Metrics, and the details event where it is on, to the same endpoint; what the program has set up stays."""
    if chosen.metrics != "none" and type(metrics.get_meter_provider()).__name__ == "_ProxyMeterProvider":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        meters = OTLPMetricExporter(endpoint=_signal_address(endpoint, "metrics"), headers=_headers(headers))
        metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(meters)], resource=resource))
    if chosen.events and type(get_logger_provider()).__name__ == "ProxyLoggerProvider":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

        logs = LoggerProvider(resource=resource)
        sent = OTLPLogExporter(endpoint=_signal_address(endpoint, "logs"), headers=_headers(headers))
        logs.add_log_record_processor(BatchLogRecordProcessor(sent))
        set_logger_provider(logs)


def _signal_address(endpoint: str, signal: str) -> str:
    """`http://host:4318` and `http://host:4318/v1/traces` both mean what they look like."""
    path = urlsplit(endpoint).path.rstrip("/")
    for known in destinations.SIGNALS:
        if path.endswith(f"/v1/{known}"):
            return endpoint.rstrip("/")[: -len(known)] + signal
    return f"{endpoint.rstrip('/')}/v1/{signal}"


def _headers(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if headers is None else {str(name): str(value) for name, value in headers.items()}


def _ignored(name: str) -> None:
    _logger.warning("otel-llm: %s is left to the tracer provider that is there already", name)
