"""Wire it all up: settings, pipeline, telemetry, observer, hooks."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Collection
from importlib.metadata import version as distribution_version
from typing import Any

import msgspec
from opentelemetry._logs import get_logger_provider
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # the module turns typing off
    BaseInstrumentor,
)
from opentelemetry.metrics import get_meter_provider
from opentelemetry.trace import get_tracer_provider

from otel_llm import pipeline
from otel_llm import settings as settings_module
from otel_llm.context import use_baggage
from otel_llm.errors import ConfigError
from otel_llm.farewell import farewell
from otel_llm.hooks import Door
from otel_llm.observer import Observer, end_all
from otel_llm.settings import Settings
from otel_llm.telemetry.events import Events
from otel_llm.telemetry.metrics import Metrics

_logger = logging.getLogger("otel_llm")

door = Door()
"""The hooks of this process."""


def version() -> str:
    """Of the installed distribution."""
    return distribution_version("otel-llm")


def observer(
    settings: Settings, tracer_provider: Any = None, meter_provider: Any = None, logger_provider: Any = None
) -> Observer:
    """An observer over these providers; None means the global ones. Raises ConfigError."""
    use_baggage(settings.baggage)
    made = version()
    return Observer(
        settings,
        pipeline.build(settings),
        Metrics(meter_provider, made, settings.metrics),
        Events(logger_provider, made) if settings.events else None,
        tracer_provider,
        made,
    )


class OtelLlmInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # as above
    """Attaches all hooks; the entry point `otel_llm` of `opentelemetry_instrumentor`.

    `instrument(tracer_provider=, meter_provider=, logger_provider=, settings=)`; all of them may be left out.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: hooks wait for their clients, whichever are installed."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        ready: Observer | None = kwargs.get("observer")
        if ready is not None:
            self._observe(ready, kwargs.get("tracer_provider"))
            return
        settings = kwargs.get("settings")
        if settings is None:
            settings, errors = settings_module.read()
            for error in errors:
                _logger.error("otel-llm: %s", error)
        providers = {
            name: kwargs.get(name) for name in ("tracer_provider", "meter_provider", "logger_provider")
        }
        try:
            made = observer(settings, **providers)
        except ConfigError as error:
            # A redaction function that cannot be loaded must not let content through unredacted.
            _logger.error("otel-llm: %s Until then no content is recorded.", error)  # noqa: TRY400  (one clear line)
            made = observer(_private(settings), **providers)
        self._observe(made, providers["tracer_provider"])

    def observe(self, made: Observer, tracer_provider: Any) -> None:
        """Let this observer take over, for `init()`; what an earlier one has under way, that one ends."""
        if self.is_instrumented_by_opentelemetry:
            door.close()
            self._observe(made, tracer_provider)
        else:
            self.instrument(observer=made, tracer_provider=tracer_provider)

    def _observe(self, made: Observer, tracer_provider: Any) -> None:
        door.open(made, made.settings.hooks)
        atexit.unregister(end_all)
        atexit.register(end_all)  # before the exit of providers that were there already
        farewell.attend(lambda: leave(made, tracer_provider))

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002  (the base class's signature)
        if door.observer is not None:
            door.observer.shutdown()
        farewell.forget()
        door.close()


def leave(made: Observer, tracer_provider: Any) -> None:
    """End what is open and send what waits."""
    made.shutdown()
    flush(tracer_provider)


def flush(tracer_provider: Any = None) -> None:
    """Send what waits in the providers; those of the API alone hold nothing."""
    for provider in (tracer_provider or get_tracer_provider(), get_meter_provider(), get_logger_provider()):
        if hasattr(provider, "force_flush"):
            provider.force_flush()


def _private(settings: Settings) -> Settings:
    """No content; and what is text all the same, such as tags, errors and raw requests asked for by a block, is masked."""
    return msgspec.structs.replace(
        settings, content="NO_CONTENT", redact_function="otel_llm.redaction:unknown", raw_request=False
    )
