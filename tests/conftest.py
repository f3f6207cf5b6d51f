"""What several rooms of the tests share: the hooks attached for one test, over an exporter in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_llm import bootstrap, shield
from otel_llm.bootstrap import OtelLlmInstrumentor
from otel_llm.observer import Observer
from otel_llm.settings import Settings

OURS = "otel_llm"


class Seen(InMemorySpanExporter):
    """Finished spans, and how to wait for those that another thread ends."""

    def __init__(self, provider: TracerProvider) -> None:
        super().__init__()
        self.provider = provider

    @property
    def observer(self) -> Observer:
        """Of the hooks that are attached."""
        assert bootstrap.door.observer is not None
        return bootstrap.door.observer

    def llm(self, count: int, seconds: float = 3.0) -> Sequence[ReadableSpan]:
        """Our spans, of which there must come `count`, no more and no fewer."""
        until = time.monotonic() + seconds
        while len(found := self._ours()) < count and time.monotonic() < until:
            time.sleep(0.005)
        assert len(found) == count, [(span.name, dict(span.attributes or {})) for span in found]
        return found

    def one(self) -> dict[str, Any]:
        """The attributes of the one span of ours."""
        return dict(self.llm(1)[0].attributes or {})

    def _ours(self) -> list[ReadableSpan]:
        return [
            span
            for span in self.get_finished_spans()
            if span.instrumentation_scope is not None and span.instrumentation_scope.name == OURS
        ]


Instrument = Callable[..., Seen]


@pytest.fixture
def instrumented() -> Iterator[Instrument]:
    """`instrumented(Settings(...), tracer_provider=..., meter_provider=...)` attaches the hooks and gives what will be seen."""
    providers = []

    def attach(settings: Settings | None = None, **kwargs: Any) -> Seen:
        provider = kwargs.pop("tracer_provider", None) or TracerProvider()
        providers.append(provider)
        seen = Seen(provider)
        provider.add_span_processor(SimpleSpanProcessor(seen))
        kwargs.setdefault("meter_provider", MeterProvider())
        OtelLlmInstrumentor().instrument(tracer_provider=provider, settings=settings or Settings(), **kwargs)
        return seen

    yield attach
    if bootstrap.door.observer is not None:
        OtelLlmInstrumentor().uninstrument()
    for provider in providers:
        provider.shutdown()


@pytest.fixture
def untroubled() -> Iterator[None]:
    """Nothing of ours may fail behind the shield while the test runs."""
    before = dict(shield.troubles)
    yield
    assert dict(shield.troubles) == before
