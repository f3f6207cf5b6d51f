"""Each of these modules needs its own environment, which `MATRIX` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm import semconv
from otel_llm.bootstrap import OtelLlmInstrumentor, door
from otel_llm.record import CallRecord
from otel_llm.settings import Settings
from tests import replay

_mine = f"test_{os.environ.get('MATRIX')}.py"
collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py") if path.name != _mine]


class Observed:
    """The LLM calls that were observed so far."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def calls(self) -> list[CallRecord]:
        """One for each span, those that were garbage collected included."""
        if door.observer is not None:
            door.observer.reaper.settle()
        return [
            semconv.from_attributes(span.attributes or {}, span.start_time or 0, span.end_time or 0)
            for span in self._exporter.get_finished_spans()
        ]


@pytest.fixture
def observed() -> Iterator[Observed]:
    """All hooks on, spans into memory."""
    exporter = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = OtelLlmInstrumentor()
    instrumentor.instrument(tracer_provider=tracers, settings=Settings())
    yield Observed(exporter)
    instrumentor.uninstrument()
    tracers.shutdown()


@pytest.fixture(scope="session")
def provider() -> Iterator[replay.Provider]:
    """A provider that answers with recorded calls."""
    with replay.serve() as running:
        yield running
