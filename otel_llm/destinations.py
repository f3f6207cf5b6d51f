"""Where telemetry goes: the exporters that an environment asks for, and what stands in their way.

What the user set counts. Where nothing is said, an OTLP endpoint gets everything over HTTP, and without one traces go
to the embedded store.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from opentelemetry.util._importlib_metadata import entry_points

from otel_llm.errors import ConfigError
from otel_llm.settings import Settings

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
CONFIG_FILE: Final = "OTEL_CONFIG_FILE"
SIGNALS: Final = ("traces", "metrics", "logs")
_OTLP: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_GRPC_PORT: Final = 4317


class Route(NamedTuple):
    """What happens to one signal: the exporters in `OTEL_<SIGNAL>_EXPORTER`, and who decided that."""

    signal: str
    exporters: tuple[str, ...]
    reason: str

    @property
    def variable(self) -> str:
        """The variable that rules it."""
        return exporter_variable(self.signal)


def exporter_variable(signal: str) -> str:
    """`OTEL_TRACES_EXPORTER` and its kind."""
    return f"OTEL_{signal.upper()}_EXPORTER"


def endpoint_of(signal: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that names this signal's OTLP endpoint, and the full address over HTTP."""
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
    if address := env.get(own, "").strip():
        return own, address
    if address := env.get(ENDPOINT, "").strip():
        return ENDPOINT, f"{address.rstrip('/')}/v1/{signal}"
    return None


def protocol_of(signal: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The variable that rules this signal's OTLP protocol, and the protocol; ours is HTTP where the SDK has gRPC."""
    for name in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", PROTOCOL):
        if value := env.get(name, "").strip():
            return name, value
    return PROTOCOL, "http/protobuf"


def routes(env: Mapping[str, str], settings: Settings) -> list[Route]:
    """Where each signal goes, with our defaults for what nobody said."""
    return [_route(signal, env, settings) for signal in SIGNALS]


def _route(signal: str, env: Mapping[str, str], settings: Settings) -> Route:
    variable = exporter_variable(signal)
    if said := env.get(variable, "").strip():
        names = tuple(one.strip() for one in said.split(",") if one.strip())
        return Route(signal, () if names == ("none",) else names, f"{variable} is set")
    endpoint = endpoint_of(signal, env)
    if endpoint is not None and (signal != "logs" or _wants_logs(env, settings, endpoint[0])):
        return Route(signal, ("otlp",), f"{endpoint[0]} is set")
    if signal == "traces":
        return Route(signal, ("sqlite",), "nothing else is set")
    return Route(signal, (), "nobody asked for them" if endpoint is not None else "nothing is set")


def _wants_logs(env: Mapping[str, str], settings: Settings, endpoint: str) -> bool:
    """Log records are ours only with the details event; others come when the user turned them on."""
    handled = env.get("OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED", "").strip().lower() == "true"
    return settings.events or handled or endpoint != ENDPOINT


def defaults(env: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """Variables of the SDK that make it so; none where a configuration file rules."""
    if env.get(CONFIG_FILE):
        return {}
    made = {
        route.variable: ",".join(route.exporters)
        for route in routes(env, settings)
        if route.exporters and not env.get(route.variable, "").strip()
    }
    if not env.get(PROTOCOL, "").strip():
        made[PROTOCOL] = "http/protobuf"
    return made


def checked(env: Mapping[str, str]) -> tuple[dict[str, str], list[ConfigError]]:
    """What must be left out of the exporter variables for the rest to work, and one error for each.

    The SDK gives up its whole set-up, all signals, on the first name that it does not know.
    """
    corrected: dict[str, str] = {}
    errors: list[ConfigError] = []
    for signal in SIGNALS:
        variable = exporter_variable(signal)
        names = [one.strip() for one in env.get(variable, "").split(",") if one.strip()]
        if not names or [one.lower() for one in names] == ["none"]:
            continue
        kept = []
        for name in names:
            problem = _problem(signal, name, variable, env)
            if problem is None:
                kept.append(name)
            else:
                errors.append(problem)
        if kept != names:
            corrected[variable] = ",".join(kept) or "none"
    once = {str(error): error for error in errors}
    return corrected, list(once.values())


def _problem(signal: str, name: str, variable: str, env: Mapping[str, str]) -> ConfigError | None:
    if name.lower() == "none":
        return ConfigError(variable, "has none beside other exporters", "Write none alone, or leave it out.")
    entry = name
    if name == "otlp":
        ruled_by, protocol = protocol_of(signal, env)
        if protocol not in _OTLP:
            return ConfigError(
                ruled_by,
                f"is {protocol!r}, which no exporter here speaks",
                "Set it to http/protobuf or grpc.",
            )
        entry = _OTLP[protocol]
        if entry not in exporter_names(signal):
            return ConfigError(
                ruled_by,
                "is 'grpc', but the gRPC exporter is not installed",
                "Set it to http/protobuf, or pip install opentelemetry-exporter-otlp-proto-grpc.",
            )
        endpoint = endpoint_of(signal, env)
        if protocol == "http/protobuf" and endpoint is not None:
            return bad_address(endpoint[0], env[endpoint[0]])
    known = exporter_names(signal)
    if entry in known:
        return None
    near = difflib.get_close_matches(entry, known, 1)
    there = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
    return ConfigError(variable, f"names {name!r}, which nothing installed provides", there)


def exporter_names(signal: str) -> list[str]:
    """The exporters that the installed packages provide."""
    names: Iterable[str] = entry_points(group=f"opentelemetry_{signal}_exporter").names
    return sorted({*names, "otlp"})


def bad_address(variable: str, address: str) -> ConfigError | None:
    """What is wrong with an OTLP address over HTTP."""
    try:
        parts = urlsplit(address)
        well = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        well = False
    if well:
        return None
    remedy = "Write it like http://localhost:4318."
    shown = re.sub(r"//[^/?#]*@", "//***@", address)  # a password may stand there
    return ConfigError(variable, f"is {shown!r}, which is no http:// or https:// address", remedy)


def advice(env: Mapping[str, str]) -> list[str]:
    """Sentences about what will probably not work as it is set."""
    said = []
    for signal in SIGNALS:
        endpoint = endpoint_of(signal, env)
        if endpoint is None or protocol_of(signal, env)[1] != "http/protobuf":
            continue
        variable = endpoint[0]
        if bad_address(variable, env[variable]) is None and urlsplit(env[variable]).port == _GRPC_PORT:
            said.append(
                f"{variable} names port {_GRPC_PORT}, which usually speaks gRPC, while http/protobuf is sent. "
                f"Use port 4318, or install the gRPC exporter and set {PROTOCOL}=grpc."
            )
    return list(dict.fromkeys(said))


def config_file_error(env: Mapping[str, str]) -> ConfigError | None:
    """Why the configuration file cannot be used, as far as that is seen from outside of it."""
    name = env.get(CONFIG_FILE, "")
    if not name:
        return None
    if any(find_spec(module) is None for module in ("opentelemetry.configuration", "yaml", "jsonschema")):
        remedy = "pip install 'otel-llm[config]', or unset it."
        return ConfigError(CONFIG_FILE, "is set, but the package that reads such files is missing", remedy)
    if not Path(name).is_file():
        return ConfigError(CONFIG_FILE, f"is {name!r}, which is no file", "Set it to a YAML or JSON file.")
    return None
