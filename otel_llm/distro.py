"""The OpenTelemetry distribution and configurator: what `opentelemetry-instrument` starts with.

Where another distribution is installed beside ours, that one is in charge, whichever the loader meets first; ours
then only hands over, and the instrumentor works with the other's providers. `OTEL_PYTHON_DISTRO=otel_llm` (and
`OTEL_PYTHON_CONFIGURATOR=otel_llm`) puts ours in charge.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # not typed
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.util._importlib_metadata import EntryPoint, entry_points

from otel_llm import destinations, outage, settings
from otel_llm.errors import ConfigError

_logger = logging.getLogger("otel_llm")

NAME: Final = "otel_llm"
CHOICES: Final = {
    "opentelemetry_distro": "OTEL_PYTHON_DISTRO",
    "opentelemetry_configurator": "OTEL_PYTHON_CONFIGURATOR",
}
"""Entry point group, and the variable that chooses from it."""


def others(group: str) -> list[EntryPoint]:
    """What else is installed in this group."""
    return [one for one in entry_points(group=group) if one.name != NAME]


def in_charge(group: str) -> EntryPoint | None:
    """The other that we hand over to; None when it is us."""
    if settings.environment().get(CHOICES[group]):
        return None
    found = others(group)
    return found[0] if found else None


class OtelLlmDistro(BaseDistro):  # type: ignore[misc]  # the base is not typed
    """Sets the SDK's defaults, by its own variables; what the user has set stays."""

    def __init__(self) -> None:
        other = in_charge("opentelemetry_distro")
        self._other: BaseDistro | None = None if other is None else other.load()()

    def _configure(self, **kwargs: Any) -> None:
        if self._other is None:
            set_defaults()
            return
        said = destinations.PROTOCOL in settings.environment()
        self._other.configure(**kwargs)
        chosen = settings.environment().get(destinations.PROTOCOL)
        # OpenTelemetry's own distribution asks for gRPC whether its exporter is installed or not.
        if chosen == "grpc" and not said and "otlp_proto_grpc" not in destinations.exporter_names("traces"):
            settings.change(destinations.PROTOCOL, "http/protobuf")

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """As the distribution in charge does it."""
        if self._other is not None:
            self._other.load_instrumentor(entry_point, **kwargs)
        else:
            super().load_instrumentor(entry_point, **kwargs)


def set_defaults() -> None:
    """Say to the SDK what the user left open."""
    env = settings.environment()
    for name, value in destinations.defaults(env, settings.read(env)[0]).items():
        settings.set_default(name, value)


class OtelLlmConfigurator(_OTelSDKConfigurator):
    """The SDK's own set-up; one bad name in a list costs that name, not everything."""

    def _configure(self, **kwargs: Any) -> None:
        other = in_charge("opentelemetry_configurator")
        if other is not None:
            other.load()().configure(**kwargs)
            return
        for error in self.set_up(**kwargs):
            _logger.error("otel-llm: %s", error)

    def set_up(self, **kwargs: Any) -> list[ConfigError]:
        """Make the SDK's providers from the environment; gives what could not be used of it."""
        outage.watch()
        env = settings.environment()
        if env.get(destinations.CONFIG_FILE):
            return self._from_file()
        corrected, errors = destinations.checked(env)
        for sentence in destinations.advice(env):
            _logger.warning("otel-llm: %s", sentence)
        with settings.replaced(corrected):
            super()._configure(**kwargs)  # type: ignore[no-untyped-call]  # the base is not typed
        return errors

    def _from_file(self) -> list[ConfigError]:
        env = settings.environment()
        error = destinations.config_file_error(env)
        if error is not None:
            return [error]
        from opentelemetry.configuration._exceptions import ConfigurationError

        try:
            super()._configure()  # type: ignore[no-untyped-call]  # the base is not typed
        except ConfigurationError as wrong:
            problem = (
                f"is {env[destinations.CONFIG_FILE]!r}, which cannot be used: {' '.join(str(wrong).split())}"
            )
            return [ConfigError(destinations.CONFIG_FILE, problem, "Mend the file, or unset it.")]
        return []
