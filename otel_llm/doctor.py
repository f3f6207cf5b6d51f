"""The command `otel-llm doctor`: what is observed, how it is configured, where telemetry goes.

It looks at the environment as `opentelemetry-instrument` would, asks each OTLP endpoint once, and makes one call through
each installed client. The exit code is 0 when an LLM call would be recorded, else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from opentelemetry.util._importlib_metadata import entry_points
from opentelemetry.util.re import parse_env_headers

from otel_llm import destinations, distro, settings
from otel_llm.errors import ConfigError
from otel_llm.store import Store

State = Literal["ok", "note", "problem", "stops"]
"""`stops`: with this, nothing is recorded."""

PROBE_SECONDS: Final = 3.0
CHILD_SECONDS: Final = 60.0
_MARKS: Final[dict[str, str]] = {"ok": "ok     ", "note": "-      ", "problem": "PROBLEM", "stops": "STOPS  "}


class Finding(NamedTuple):
    """One line of the report."""

    section: str
    state: State
    text: str


def main(arguments: Sequence[str]) -> int:
    """Print the report; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="otel-llm doctor", description="Tell what is observed, how, and where it goes."
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--all", action="store_true", help="show settings that have their defaults too")
    asked = parser.parse_args(arguments)
    env = settings.environment()
    findings = list(examine(env))
    recorded = all(finding.state != "stops" for finding in findings)
    if asked.json:
        report = {
            "recorded": recorded,
            "findings": [finding._asdict() for finding in findings],
            "settings": list(_settings(env)),
        }
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write(_text(env, findings, recorded, everything=asked.all))
    return 0 if recorded else 1


def examine(env: Mapping[str, str]) -> Iterator[Finding]:
    """All findings, in the order in which a start would meet them."""
    yield from _start(env)
    yield from (Finding("settings", "problem", str(error)) for error in settings.read(env)[1])
    yield from _destinations(env)
    yield from _clients(env)


def _start(env: Mapping[str, str]) -> Iterator[Finding]:
    versions = [
        f"{name.removeprefix('opentelemetry-')} {_version(name)}"
        for name in ("otel-llm", "opentelemetry-sdk", "opentelemetry-instrumentation", "genai-prices")
    ]
    yield Finding("start", "ok", f"{', '.join(versions)}; Python {sys.version.split()[0]}")
    for group, variable in distro.CHOICES.items():
        what = group.removeprefix("opentelemetry_")
        chosen = env.get(variable, "")
        names = [one.name for one in entry_points(group=group)]
        if chosen and chosen not in names:
            there = f"There are {', '.join(names)}."
            yield Finding("start", "stops", f"{variable} is {chosen!r}, which is not installed. {there}")
            continue
        other = distro.in_charge(group)
        used = chosen or (other.name if other is not None else distro.NAME)
        hint = "" if used == distro.NAME else f" ({variable}={distro.NAME} would put ours in its place)"
        yield Finding("start", "ok" if used == distro.NAME else "note", f"{what}: {used}{hint}")
    disabled = {one.strip() for one in env.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    if disabled & {"otel_llm", "*"}:
        yield Finding(
            "start", "stops", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS turns otel_llm off. Take it out."
        )
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield Finding("start", "stops", "OTEL_SDK_DISABLED is true, so no span is made. Unset it.")
    if env.get("OTEL_TRACES_SAMPLER", "") in {"always_off", "parentbased_always_off"}:
        yield Finding(
            "start", "stops", f"OTEL_TRACES_SAMPLER is {env['OTEL_TRACES_SAMPLER']}: no span is kept."
        )
    beside = sorted(
        one.name for one in entry_points(group="opentelemetry_instrumentor") if one.name in _LLM_INSTRUMENTORS
    )
    if beside:
        listed = ", ".join(beside)
        yield Finding(
            "start", "note", f"other LLM instrumentations are installed ({listed}); their spans are adopted"
        )


_LLM_INSTRUMENTORS: Final = frozenset(
    {"openai", "anthropic", "mistralai", "cohere", "google_genai", "google_generativeai", "vertexai", "bedrock",
     "groq", "ollama", "together", "langchain", "litellm", "openai_agents", "botocore"}
)  # fmt: skip


def _version(name: str) -> str:
    try:
        return distribution_version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _settings(env: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Each setting: its variable, what counts now, and whether the environment said so."""
    now = settings.read(env)[0]
    for row in settings.SETTINGS:
        value = getattr(now, row.field)
        said = bool(env.get(row.variable, "").strip())
        if row.field == "sqlite_path":
            value = str(now.store_path)
        yield {
            "variable": row.variable,
            "value": list(value) if isinstance(value, tuple) else value,
            "source": "environment" if said else "default",
        }


def _destinations(env: Mapping[str, str]) -> Iterator[Finding]:
    """Where each signal goes, and whether it would arrive."""
    if env.get(destinations.CONFIG_FILE):
        yield from _config_file(env)
        return
    now = settings.read(env)[0]
    made = {**env, **_defaults(env, now)}
    _, errors = destinations.checked(made)
    for error in errors:
        yield Finding("destinations", "problem", str(error))
    bad = {error.setting for error in errors}
    probed: dict[str, Finding] = {}
    for route in destinations.routes(made, now):
        reason = destinations.routes(env, now)[destinations.SIGNALS.index(route.signal)].reason
        arrives = []
        for name in route.exporters:
            finding = _exporter(route.signal, name, reason, made, bad, probed)
            arrives.append(finding.state == "ok")
            yield finding
        if route.signal == "traces" and not any(arrives):
            said = "would arrive" if route.exporters else f"are sent, because {reason}"
            yield Finding("destinations", "stops", f"no traces {said}")
        elif not route.exporters:
            yield Finding("destinations", "note", f"{route.signal}: none, because {reason}")
    if now.content_in_event and not destinations.routes(made, now)[2].exporters:
        yield Finding(
            "destinations",
            "problem",
            f"{settings.CONTENT} is {now.content}, but no logs exporter is set for events",
        )
    for sentence in destinations.advice(made):
        yield Finding("destinations", "problem", sentence)


def _defaults(env: Mapping[str, str], now: settings.Settings) -> dict[str, str]:
    """What the distribution in charge adds to the environment; another one than ours is asked by running it."""
    other = distro.in_charge("opentelemetry_distro")
    if other is None and env.get("OTEL_PYTHON_DISTRO", distro.NAME) == distro.NAME:
        return destinations.defaults(env, now)
    plain_sdk = {destinations.exporter_variable(signal): "none" for signal in destinations.SIGNALS}
    added = _child([sys.executable, "-c", _ASK_DISTRO], env)
    return {**plain_sdk, destinations.PROTOCOL: "grpc", **(added or {})}


_ASK_DISTRO: Final = """
import json, os
from opentelemetry.instrumentation.auto_instrumentation._load import _load_distro
_load_distro().configure()
print(json.dumps({name: value for name, value in os.environ.items() if name.startswith("OTEL_") and value}))
"""


def _exporter(
    signal: str, name: str, reason: str, env: Mapping[str, str], bad: set[str], probed: dict[str, Finding]
) -> Finding:
    start = f"{signal} -> {name}"
    if destinations.exporter_variable(signal) in bad and name not in destinations.exporter_names(signal):
        return Finding("destinations", "problem", f"{start}: not installed")
    if name == "sqlite":
        return _store(start, reason, env)
    if not name.startswith("otlp"):
        return Finding("destinations", "ok", f"{start} ({reason})")
    variable, protocol = destinations.protocol_of(signal, env)
    endpoint = destinations.endpoint_of(signal, env)
    address = endpoint[1] if endpoint is not None else f"http://localhost:4318/v1/{signal}"
    if variable in bad or (endpoint is not None and endpoint[0] in bad):
        return Finding("destinations", "problem", f"{start}: see above")
    if address not in probed:
        probed[address] = (
            probe_grpc(endpoint[1] if endpoint else "http://localhost:4317")
            if protocol == "grpc"
            else probe(address, _headers(signal, env))
        )
    found = probed[address]
    return Finding("destinations", found.state, f"{start} ({protocol}, {reason}): {found.text}")


def _store(start: str, reason: str, env: Mapping[str, str]) -> Finding:
    path = settings.read(env)[0].store_path
    store = Store(path)
    try:
        store.add(())
        held = store.count()
    except (ConfigError, OSError) as error:
        return Finding("destinations", "problem", f"{start}: {error}")
    return Finding("destinations", "ok", f"{start} ({reason}): {path} holds {held:,} spans")


def _headers(signal: str, env: Mapping[str, str]) -> dict[str, str]:
    own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_HEADERS") or env.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    return dict(parse_env_headers(own, liberal=True))


def probe(address: str, headers: Mapping[str, str]) -> Finding:
    """One empty OTLP request, which every receiver takes and none keeps."""
    where = _plain_address(address)
    request = urllib.request.Request(  # noqa: S310  (http and https alone; checked before)
        address, data=b"", headers={**headers, "content-type": "application/x-protobuf"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as response:  # noqa: S310  (as above)
            return Finding("destinations", "ok", f"{where} answers {response.status}")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in {401, 403}:
            return Finding(
                "destinations", "problem", f"{where} answers {error.code}: check OTEL_EXPORTER_OTLP_HEADERS"
            )
        if error.code == 404:
            return Finding(
                "destinations", "problem", f"{where} answers 404: that is no OTLP endpoint over HTTP"
            )
        return Finding("destinations", "ok", f"{where} answers {error.code} to an empty request")
    except (OSError, ValueError) as error:
        return Finding(
            "destinations", "problem", f"{where} is not reached: {getattr(error, 'reason', error)}"
        )


def probe_grpc(address: str) -> Finding:
    """Whether the port is open; more would take a gRPC client."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    where = (parts.hostname or "localhost", parts.port or 4317)
    try:
        socket.create_connection(where, PROBE_SECONDS).close()
    except OSError as error:
        return Finding("destinations", "problem", f"{where[0]}:{where[1]} is not reached: {error}")
    return Finding("destinations", "ok", f"{where[0]}:{where[1]} is open")


def _plain_address(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _config_file(env: Mapping[str, str]) -> Iterator[Finding]:
    name = env[destinations.CONFIG_FILE]
    error = destinations.config_file_error(env)
    if error is not None:
        yield Finding("destinations", "stops", str(error))
        return
    from opentelemetry.configuration import load_config_file
    from opentelemetry.configuration._exceptions import ConfigurationError

    try:
        config = load_config_file(name)
    except ConfigurationError as wrong:
        yield Finding(
            "destinations", "stops", f"{destinations.CONFIG_FILE} {name}: {' '.join(str(wrong).split())}"
        )
        return
    if config.disabled:
        yield Finding("destinations", "stops", f"{name} has `disabled: true`")
    elif config.tracer_provider is None:
        yield Finding("destinations", "stops", f"{name} has no tracer_provider")
    else:
        count = len(config.tracer_provider.processors)
        yield Finding(
            "destinations", "ok", f"{name} rules alone: traces go through {count} span processors of it"
        )


def _clients(env: Mapping[str, str]) -> Iterator[Finding]:
    """The hooks, and one call through each, in a process of its own."""
    report = _child([sys.executable, "-m", "otel_llm.selftest"], env)
    if report is None:
        yield Finding("clients", "stops", "the self-test did not run: python -m otel_llm.selftest tells why")
        return
    findings = [_client(row) for row in report["hooks"]]
    yield from findings
    if not any(finding.state == "ok" for finding in findings):
        yield Finding("clients", "stops", "no installed HTTP client is observed")
    for place, count in report["troubles"].items():
        yield Finding("clients", "problem", f"trouble inside otel-llm: {place}, {count} times")


def _client(row: Mapping[str, Any]) -> Finding:
    name = f"{row['hook']} {row['version'] or ''}".strip()
    if row["version"] is None:
        return Finding("clients", "note", f"{name}: not installed")
    if not row["wanted"]:
        return Finding("clients", "note", f"{name}: left out by OTEL_LLM_HOOKS")
    if not row["attached"]:
        return Finding("clients", "problem", f"{name}: the hook does not fit this version")
    if "call" not in row:
        return Finding("clients", "ok", f"{name}: observed")
    call = row["call"]
    if call is not None and call["right"]:
        return Finding("clients", "ok", f"{name}: observed; a test call gave one span with its tokens")
    said = "it failed" if call is None else f"status {call['status']}, {call['spans']} spans"
    return Finding("clients", "problem", f"{name}: a test call did not give its span ({said})")


def _child(command: list[str], env: Mapping[str, str]) -> Any:
    """The JSON that a process of ours prints, started without auto-instrumentation; None when there is none."""
    kept = {name: value for name, value in env.items() if name not in _NOT_FOR_CHILDREN}
    paths = [one for one in env.get("PYTHONPATH", "").split(os.pathsep) if "auto_instrumentation" not in one]
    kept["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        done = subprocess.run(  # noqa: S603  (ourselves)
            command, capture_output=True, text=True, timeout=CHILD_SECONDS, check=False, env=kept
        )
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return None


_NOT_FOR_CHILDREN: Final = frozenset({"OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"})
"""These stop spans on purpose, and are reported by themselves."""


def _text(env: Mapping[str, str], findings: Sequence[Finding], recorded: bool, *, everything: bool) -> str:
    lines = []
    for section in ("start", "settings", "destinations", "clients"):
        lines += ["", section]
        if section == "settings":
            lines += [
                f"  {row['variable']} = {_shown(row['value'])}{'' if row['source'] == 'environment' else ' (default)'}"
                for row in _settings(env)
                if everything or row["source"] == "environment" or row["variable"] == settings.CONTENT
            ]
        lines += [f"  {_MARKS[one.state]} {one.text}" for one in findings if one.section == section]
    stops = [finding.text for finding in findings if finding.state == "stops"]
    if recorded:
        lines += ["", "LLM calls of a program started by `opentelemetry-instrument` are recorded."]
    else:
        lines += ["", "Nothing would be recorded:", *(f"  {text}" for text in stops)]
    return "\n".join([*lines[1:], ""])


def _shown(value: Any) -> str:
    return ",".join(value) or "(none)" if isinstance(value, list) else str(value)
