"""Distribution, configurator and destinations: what the environment comes to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from otel_llm import destinations, environment, settings
from otel_llm.settings import Settings
from tests.end_to_end.programs import CALL, Bench, bench

__all__ = ["bench"]

HTTP = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
QUIET = Settings()
EVENTS = Settings(content="EVENT_ONLY")


@pytest.mark.parametrize(
    ("env", "chosen", "expected"),
    [
        pytest.param({}, QUIET, {"OTEL_TRACES_EXPORTER": "sqlite"}, id="nothing is set"),
        pytest.param(
            {BASE: "http://c:4318"},
            QUIET,
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp"},
            id="an endpoint",
        ),
        pytest.param(
            {BASE: "http://c:4318"},
            EVENTS,
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"},
            id="an endpoint, and events",
        ),
        pytest.param({}, EVENTS, {"OTEL_TRACES_EXPORTER": "sqlite"}, id="events without an endpoint"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"},
            QUIET,
            {"OTEL_TRACES_EXPORTER": "otlp"},
            id="an endpoint for traces",
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"},
            QUIET,
            {"OTEL_TRACES_EXPORTER": "sqlite", "OTEL_METRICS_EXPORTER": "otlp"},
            id="an endpoint for metrics",
        ),
        pytest.param(
            {BASE: "http://c:4318", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "console"},
            QUIET,
            {},
            id="what is set stays",
        ),
        pytest.param(
            {BASE: "  ", "OTEL_TRACES_EXPORTER": ""},
            QUIET,
            {"OTEL_TRACES_EXPORTER": "sqlite"},
            id="blank is unset",
        ),
    ],
)
def test_defaults_say_what_nobody_said(
    env: Mapping[str, str], chosen: Settings, expected: Mapping[str, str]
) -> None:
    assert destinations.defaults(env, chosen) == {**expected, **HTTP}


def test_a_protocol_that_is_set_stays() -> None:
    assert destinations.defaults({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, QUIET) == {
        "OTEL_TRACES_EXPORTER": "sqlite"
    }


def test_a_configuration_file_leaves_nothing_to_say() -> None:
    assert destinations.defaults({"OTEL_CONFIG_FILE": "x.yaml", BASE: "http://c:4318"}, QUIET) == {}


@pytest.mark.parametrize(
    ("env", "corrected", "words"),
    [
        pytest.param({"OTEL_TRACES_EXPORTER": "sqlite,otlp", **HTTP}, {}, [], id="good"),
        pytest.param({"OTEL_TRACES_EXPORTER": "None"}, {}, [], id="none alone"),
        pytest.param(
            {"OTEL_METRICS_EXPORTER": "promethius"},
            {"OTEL_METRICS_EXPORTER": "none"},
            ["OTEL_METRICS_EXPORTER names 'promethius'"],
            id="unknown",
        ),
        pytest.param(
            {BASE: "c:4318", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp", **HTTP},
            {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
            ["OTEL_EXPORTER_OTLP_ENDPOINT is 'c:4318'"],
            id="one bad address is one error",
        ),
        pytest.param(
            {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "udp",
                **HTTP,
            },
            {"OTEL_TRACES_EXPORTER": "none"},
            ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is 'udp'"],
            id="the signal's own protocol rules",
        ),
    ],
)
def test_a_bad_name_costs_that_name_alone(
    env: Mapping[str, str], corrected: Mapping[str, str], words: list[str]
) -> None:
    found, errors = destinations.checked(env)
    assert found == corrected
    assert len(errors) == len(words)
    assert all(str(error).startswith(word) for error, word in zip(errors, words, strict=True))


@pytest.mark.parametrize(
    ("env", "said"),
    [
        pytest.param({BASE: "http://c:4317"}, 1, id="gRPC's port"),
        pytest.param({BASE: "http://c:4318"}, 0, id="HTTP's port"),
        pytest.param(
            {BASE: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, 0, id="gRPC on its port"
        ),
    ],
)
def test_http_to_the_port_of_grpc_is_pointed_out(env: Mapping[str, str], said: int) -> None:
    assert len(destinations.advice(env)) == said


def test_flags_are_ours_alone() -> None:
    """`opentelemetry-instrument` breaks for everybody when two packages name one variable."""
    names = [name for name in dir(environment) if name.startswith("OTEL_")]
    assert names == sorted(
        {one.variable for one in settings.SETTINGS if one.variable.startswith("OTEL_LLM_")}
    )
    assert "OTEL_LLM_HOOKS" in names


VENDOR = """
import os
from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

class Distro(BaseDistro):
    def _configure(self, **kwargs):
        os.environ.setdefault("OTEL_TRACES_EXPORTER", "sqlite")
        os.environ.setdefault("OTEL_SERVICE_NAME", "set-by-vendor")

        os.environ.setdefault("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")

class Configurator(_OTelSDKConfigurator):
    pass
"""
ENTRY_POINTS = """
[opentelemetry_distro]
vendor = vendor_distro:Distro
[opentelemetry_configurator]
vendor = vendor_distro:Configurator
"""


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    """Another distribution, as an installed package."""
    folder = tmp_path / "vendor"
    about = folder / "vendor_distro-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "vendor_distro.py").write_text(VENDOR)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: vendor-distro\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.mark.parametrize("place", ["insert(0, ", "append("], ids=["theirs first", "ours first"])
@pytest.mark.parametrize(
    ("env", "service"),
    [
        pytest.param({}, "set-by-vendor", id="the other one is in charge"),
        pytest.param({"OTEL_PYTHON_DISTRO": "vendor"}, "set-by-vendor", id="chosen: theirs"),
        pytest.param({"OTEL_PYTHON_DISTRO": "otel_llm"}, "unknown_service:python", id="chosen: ours"),
        pytest.param(
            {"OTEL_PYTHON_DISTRO": "otel_llm", "OTEL_PYTHON_CONFIGURATOR": "otel_llm"},
            "unknown_service:python",
            id="chosen: ours, both",
        ),
    ],
)
def test_with_another_distribution_the_instrumentor_works_in_either_order(
    bench: Bench, vendor: Path, place: str, env: Mapping[str, str], service: str
) -> None:
    code = (
        f"import sys\nsys.path.{place}{str(vendor)!r})\n"
        "from opentelemetry.instrumentation.auto_instrumentation import initialize\ninitialize()\n" + CALL
    )
    done = bench.run(code, env, instrument=False)
    assert (done.returncode, done.stdout) == (0, "126\n")
    assert "Traceback" not in done.stderr
    (span,) = bench.store.spans(calls_only=True)
    assert span.service == service
