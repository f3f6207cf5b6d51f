"""`opentelemetry-instrument python app.py` with unchanged programs: one span for each call, where it belongs."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.otlp import Collector
from tests.end_to_end.programs import CALL, Bench

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("openai", "anthropic", "httpx")),
    reason="needs the SDKs",
)

CHAT = """
from openai import OpenAI
question = [{"role": "user", "content": "Say hi in Portuguese"}]
"""
WHOLE = CHAT + 'OpenAI().chat.completions.create(model="gpt-4o-mini", messages=question)'
STREAM = (
    CHAT
    + """
for chunk in OpenAI().chat.completions.create(
    model="gpt-5", messages=question, stream=True, stream_options={"include_usage": True}
):
    pass
"""
)
ASYNC = """
import asyncio
from openai import AsyncOpenAI
question = [{"role": "user", "content": "Say hi in Portuguese"}]

async def main():
    client = AsyncOpenAI()
    await client.chat.completions.create(model="gpt-4o-mini", messages=question)
    stream = await client.chat.completions.create(model="gpt-5", messages=question, stream=True)
    async for chunk in stream:
        pass

asyncio.run(main())
"""
OTHER = (
    CALL
    + """
httpx.post("http://api.openai.com/v1/other", json={"hello": "world"})
httpx.get("http://api.openai.com/v1/chat/completions")
"""
)
ANTHROPIC = """
from anthropic import Anthropic
client = Anthropic()
question = [{"role": "user", "content": "Two names"}]
client.messages.create(model="claude-haiku-4-5-20251001", max_tokens=2000, messages=question)
with client.messages.stream(model="claude-haiku-4-5-20251001", max_tokens=2000, messages=question) as stream:
    for text in stream.text_stream:
        pass
"""
FAILS = (
    CHAT
    + """
try:
    OpenAI().chat.completions.create(model="this-model-does-not-exist", messages=question)
except Exception as error:
    print(type(error).__name__)
"""
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(WHOLE, [("chat gpt-4o-mini", 75, 51)], id="openai"),
        pytest.param(STREAM, [("chat gpt-5", 19, 75)], id="openai streamed"),
        pytest.param(ASYNC, [("chat gpt-4o-mini", 75, 51), ("chat gpt-5", 19, 75)], id="openai async"),
        pytest.param(OTHER, [("chat gpt-4o-mini", 75, 51)], id="raw httpx, and calls that are no LLM calls"),
        pytest.param(ANTHROPIC, [(None, 45, 39), (None, 46, 133)], id="anthropic"),
        pytest.param(FAILS, [("chat this-model-does-not-exist", None, None)], id="a failing call"),
    ],
)
def test_an_unchanged_program_gives_one_span_a_call(
    bench: Bench,
    collector: Collector,
    code: str,
    expected: list[tuple[str | None, int | None, int | None]],
) -> None:
    done = bench.run(code, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint})
    assert done.returncode == 0, done.stderr
    assert "otel" not in done.stderr, done.stderr
    seen = [
        (
            span.name if name is not None else None,
            span.attributes.get("gen_ai.usage.input_tokens"),
            span.attributes.get("gen_ai.usage.output_tokens"),
        )
        for span, (name, _, _) in zip(collector.calls, expected, strict=True)
    ]
    assert seen == expected
    assert {span.scope for span in collector.calls} <= {"otel_llm", "com.anthropic.sdk.python"}
    assert not bench.store.path.exists(), "an endpoint is instead of the embedded store"


def test_an_endpoint_alone_gets_traces_and_metrics_without_content(
    bench: Bench, collector: Collector
) -> None:
    done = bench.run(CALL, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_SERVICE_NAME": "shop"})
    assert done.stdout == "126\n", done.stderr
    (span,) = collector.calls
    assert span.resource["service.name"] == "shop"
    assert "gen_ai.client.operation.duration" in collector.metrics
    assert collector.logs == []
    assert not [name for name in span.attributes if "messages" in name]
    assert span.attributes["gen_ai.provider.name"] == "openai"
    assert span.attributes["otel_llm.cost.total"] > 0


def test_events_bring_logs(bench: Bench, collector: Collector) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY",
    }
    bench.run(CALL, env)
    ((name, attributes),) = collector.logs
    assert name == "gen_ai.client.inference.operation.details"
    assert attributes["gen_ai.input.messages"][0]["role"] == "user"


def test_with_nothing_configured_spans_go_to_the_embedded_store(bench: Bench) -> None:
    done = bench.run(CALL)
    assert (done.returncode, done.stderr) == (0, "")
    (record,) = bench.store.calls()
    assert (record.provider, record.response.usage.input, record.response.usage.output) == ("openai", 75, 51)
    assert record.cost is not None


@pytest.mark.parametrize(
    ("env", "to_otlp", "to_store"),
    [
        pytest.param({"OTEL_TRACES_EXPORTER": "none"}, 0, 0, id="none is kept"),
        pytest.param({"OTEL_TRACES_EXPORTER": "sqlite"}, 0, 1, id="the store in spite of an endpoint"),
        pytest.param({"OTEL_TRACES_EXPORTER": "sqlite,otlp"}, 1, 1, id="both"),
        pytest.param({"OTEL_TRACES_EXPORTER": ""}, 1, 0, id="empty counts as unset"),
        pytest.param({"OTEL_SDK_DISABLED": "true"}, 0, 0, id="the SDK is off"),
        pytest.param(
            {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_llm"}, 0, 0, id="the instrumentor is off"
        ),
    ],
)
def test_what_the_user_has_set_counts(
    bench: Bench, collector: Collector, env: Mapping[str, str], to_otlp: int, to_store: int
) -> None:
    done = bench.run(CALL, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, **env})
    assert done.stdout == "126\n", done.stderr
    assert (len(collector.calls), len(bench.store.calls())) == (to_otlp, to_store)


def test_a_setting_can_be_a_flag(bench: Bench, tmp_path: Path) -> None:
    done = bench.run(CALL, flags=("--llm_sqlite_path", str(tmp_path / "flag.db"), "--service_name", "x"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "flag.db").exists()


def test_the_sdk_own_flag_for_content_still_parses(bench: Bench) -> None:
    """Two packages that name one variable break `opentelemetry-instrument` altogether."""
    done = bench.run("print('ran')", flags=("--semconv_stability_opt_in", "gen_ai_latest_experimental"))
    assert done.stdout == "ran\n", done.stderr


FILE = """
file_format: "1.0"
resource:
  attributes: [{name: service.name, value: from-the-file}]
tracer_provider:
  processors: [{batch: {exporter: {sqlite: {path: "%s"}}}}]
"""


@pytest.mark.skipif(
    importlib.util.find_spec("opentelemetry.configuration") is None, reason="needs the extra config"
)
def test_a_configuration_file_rules_alone(bench: Bench, collector: Collector, tmp_path: Path) -> None:
    (tmp_path / "otel.yaml").write_text(FILE % (tmp_path / "file.db"))
    env = {
        "OTEL_CONFIG_FILE": str(tmp_path / "otel.yaml"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    }
    done = bench.run(CALL, env)
    assert (done.stdout, done.stderr) == ("126\n", "")
    from otel_llm.store import Store

    (span,) = Store(tmp_path / "file.db").spans(calls_only=True)
    assert span.service == "from-the-file"
    assert span.attributes["gen_ai.input.messages"][0]["parts"][0]["content"] == "Say hi in Portuguese"
    assert collector.spans == []
    assert not bench.store.path.exists()


BAD: list[Any] = [
    pytest.param(
        {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPANS"},
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is 'SPANS', which is not one of NO_CONTENT",
        1,
        id="wrong content mode",
    ),
    pytest.param({"OTEL_LLM_HOOKS": "htpx"}, "OTEL_LLM_HOOKS is 'htpx'", 1, id="wrong hook"),
    pytest.param({"OTEL_LLM_REDACTT": "jwt"}, "Did you mean OTEL_LLM_REDACT?", 1, id="unknown setting"),
    pytest.param({"OTEL_LLM_MAX_SPAN_CHARS": "0"}, "a whole number above 0", 1, id="wrong number"),
    pytest.param(
        {"OTEL_LLM_REDACT_FUNCTION": "nowhere:mask"},
        "OTEL_LLM_REDACT_FUNCTION names",
        1,
        id="no such function",
    ),
    pytest.param(
        {"OTEL_TRACES_EXPORTER": "sqlit"},
        "OTEL_TRACES_EXPORTER names 'sqlit', which nothing installed provides. Did you mean sqlite?",
        0,
        id="unknown exporter",
    ),
    pytest.param(
        {"OTEL_TRACES_EXPORTER": "sqlite,langfus"}, "names 'langfus'", 1, id="one unknown exporter of two"
    ),
    pytest.param(
        {"OTEL_TRACES_EXPORTER": "none,sqlite"}, "has none beside other exporters", 1, id="none and one"
    ),
    pytest.param(
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        "OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json'",
        0,
        id="unknown protocol",
    ),
    pytest.param(
        {"OTEL_TRACES_EXPORTER": "otlp,sqlite", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        "the gRPC exporter is not installed",
        1,
        id="gRPC without its package",
    ),
    pytest.param(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"},
        "OTEL_EXPORTER_OTLP_ENDPOINT is 'localhost:4318', which is no http:// or https:// address",
        0,
        id="an endpoint that is no address",
    ),
    pytest.param(
        {"OTEL_CONFIG_FILE": "/nowhere.yaml"}, "OTEL_CONFIG_FILE is '/nowhere.yaml'", 0, id="no such file"
    ),
    pytest.param(
        {"OTEL_LLM_SQLITE_PATH": "/proc/nowhere/spans.db"}, "cannot be made", 0, id="a store that cannot be"
    ),
]


@pytest.mark.parametrize(("env", "line", "spans"), BAD)
def test_bad_input_costs_one_clear_line_and_the_program_nothing(
    bench: Bench, env: Mapping[str, str], line: str, spans: int
) -> None:
    if "gRPC" in line and importlib.util.find_spec("grpc") is not None:
        pytest.skip("gRPC is installed")
    done = bench.run(CALL, env)
    assert (done.returncode, done.stdout) == (0, "126\n")
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert len(bench.store.calls()) == spans


def test_an_endpoint_that_does_not_answer_costs_one_line_and_the_program_nothing(bench: Bench) -> None:
    start = time.monotonic()
    done = bench.run(CALL, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert (done.returncode, done.stdout) == (0, "126\n")
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("otel-llm: http://127.0.0.1:9 is not reached (")
    assert "refused" in line
    assert time.monotonic() - start < 45
