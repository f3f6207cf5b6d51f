"""Wire it all up: settings, pipeline, telemetry, observer, hooks."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Collection
from importlib.metadata import version as distribution_version
from typing import Any

import msgspec
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # the module turns typing off
    BaseInstrumentor,
)

from otel_llm import context, pipeline
from otel_llm import settings as settings_module
from otel_llm.errors import ConfigError
from otel_llm.hooks import Door
from otel_llm.observer import Observer
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
    context.use_baggage(settings.baggage)
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
        door.open(made, settings.hooks)
        atexit.register(made.shutdown)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002  (the base class's signature)
        if door.observer is not None:
            atexit.unregister(door.observer.shutdown)
            door.observer.shutdown()
        door.close()


def _private(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, content="NO_CONTENT", redact_function="", raw_request=False)
