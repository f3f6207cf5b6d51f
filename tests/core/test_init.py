"""`otel_llm.init()` and `otel_llm.shutdown()`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm import bootstrap
from otel_llm.demo import provider as demo
from otel_llm.errors import ConfigError
from tests.end_to_end import otlp
from tests.end_to_end.programs import CALL, Bench, bench

__all__ = ["bench"]

QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture
def proxy() -> Iterator[str]:
    with demo.serve(speed=50) as address:
        yield address


@pytest.fixture
def tracers() -> Iterator[TracerProvider]:
    made = TracerProvider()
    yield made
    otel_llm.shutdown()
    made.shutdown()


@pytest.fixture
def collector() -> Iterator[otlp.Collector]:
    with otlp.receive() as made:
        yield made


def call(proxy: str) -> None:
    with httpx.Client(proxy=proxy) as client:
        client.post("http://api.openai.com/v1/chat/completions", json=QUESTION).raise_for_status()


def names(memory: InMemorySpanExporter) -> list[str]:
    return [span.name for span in memory.get_finished_spans()]


def test_an_exporter_gets_the_calls_until_shutdown(proxy: str, tracers: TracerProvider) -> None:
    memory = InMemorySpanExporter()
    otel_llm.init(tracer_provider=tracers, exporter=memory)
    call(proxy)
    assert otel_llm.shutdown()
    assert names(memory) == ["chat gpt-4o-mini"]
    call(proxy)
    tracers.force_flush()
    assert names(memory) == ["chat gpt-4o-mini"]
    assert bootstrap.door.observer is None


def test_init_twice_observes_once(proxy: str, tracers: TracerProvider) -> None:
    memory = InMemorySpanExporter()
    for _ in range(3):
        otel_llm.init(tracer_provider=tracers, exporter=memory)
    call(proxy)
    otel_llm.shutdown()
    assert names(memory) == ["chat gpt-4o-mini"]


def test_later_arguments_take_the_place_of_earlier_ones(proxy: str, tracers: TracerProvider) -> None:
    first, second = InMemorySpanExporter(), InMemorySpanExporter()
    otel_llm.init(tracer_provider=tracers, exporter=first)
    call(proxy)
    otel_llm.init(tracer_provider=tracers, exporter=second, content=True)
    call(proxy)
    otel_llm.shutdown()
    assert (names(first), names(second)) == (["chat gpt-4o-mini"], ["chat gpt-4o-mini"])
    (plain,), (full,) = first.get_finished_spans(), second.get_finished_spans()
    assert "gen_ai.input.messages" not in (plain.attributes or {})
    assert "gen_ai.input.messages" in (full.attributes or {})


def test_init_after_shutdown_observes_again(proxy: str, tracers: TracerProvider) -> None:
    memory = InMemorySpanExporter()
    tracers.add_span_processor(SimpleSpanProcessor(memory))
    otel_llm.init(tracer_provider=tracers)
    otel_llm.shutdown()
    otel_llm.init(tracer_provider=tracers)
    call(proxy)
    assert names(memory) == ["chat gpt-4o-mini"]


def test_an_endpoint_is_a_base_address(
    proxy: str, tracers: TracerProvider, collector: otlp.Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    otel_llm.init(tracer_provider=tracers, endpoint=collector.endpoint, headers={"x-key": "k"})
    call(proxy)
    otel_llm.init(tracer_provider=tracers, endpoint=f"{collector.endpoint}/v1/traces")
    call(proxy)
    otel_llm.shutdown()
    assert [span.name for span in collector.calls] == ["chat gpt-4o-mini"] * 2
    assert [headers.get("x-key") for headers in collector.headers] == ["k", None]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(
            {"content": "MAYBE"}, "content is 'MAYBE', which is not one of NO_CONTENT", id="content"
        ),
        pytest.param({"endpoint": "localhost:4318"}, "endpoint is 'localhost:4318'", id="endpoint"),
        pytest.param({"endpoint": "http://h:port"}, "endpoint is 'http://h:port'", id="port"),
        pytest.param({"headers": {"a": "b"}}, "headers are given without an endpoint", id="headers alone"),
        pytest.param({"exporter": "otlp"}, "no SpanExporter", id="exporter by name"),
        pytest.param({"exporter": [object()]}, "no SpanExporter", id="no exporter"),
        pytest.param(
            {"redcat": ("jwt",)}, "redcat is no setting of otel-llm. Did you mean redact?", id="unknown"
        ),
        pytest.param(
            {"redact": ("emails",)}, "redact is \\('emails',\\), which is not a comma list", id="list"
        ),
        pytest.param({"hooks": ("htpx",)}, "hooks is \\('htpx',\\)", id="hook"),
        pytest.param(
            {"max_span_chars": 0}, "max_span_chars is 0, which is not a whole number above 0", id="count"
        ),
        pytest.param({"cost": None}, "cost is None", id="None"),
        pytest.param(
            {"redact_function": "nowhere:f"}, "OTEL_LLM_REDACT_FUNCTION names 'nowhere:f'", id="function"
        ),
    ],
)
def test_a_wrong_argument_is_named_in_one_line_and_nothing_is_observed(
    tracers: TracerProvider, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        otel_llm.init(tracer_provider=tracers, **arguments)
    assert "\n" not in str(caught.value)
    assert bootstrap.door.observer is None


def test_a_wrong_variable_is_an_error_for_a_program(
    tracers: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_LLM_METRICS", "some")
    with pytest.raises(ConfigError, match="OTEL_LLM_METRICS is 'some'"):
        otel_llm.init(tracer_provider=tracers)


def test_arguments_win_over_variables(
    proxy: str, tracers: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_LLM_COST", "false")
    memory = InMemorySpanExporter()
    otel_llm.init(tracer_provider=tracers, exporter=memory, cost=True, redact=())
    call(proxy)
    otel_llm.shutdown()
    (span,) = memory.get_finished_spans()
    assert "otel_llm.cost.total" in (span.attributes or {})


def test_importing_the_package_imports_no_sdk_and_no_client() -> None:
    code = (
        "import sys, otel_llm; otel_llm.context(user='ada');"
        "heavy = {'httpx', 'httpx2', 'openai', 'anthropic', 'requests', 'aiohttp', 'botocore', 'rich', 'sqlite3'};"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}),"
        "'opentelemetry.sdk' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"


def test_a_program_without_any_set_up_gets_the_embedded_store(bench: Bench) -> None:
    done = bench.run("import otel_llm\notel_llm.init()\n" + CALL, instrument=False)
    assert (done.stdout, done.stderr) == ("126\n", "")
    (span,) = bench.store.spans(calls_only=True)
    assert span.name == "chat gpt-4o-mini"


def test_a_program_is_named_and_sends_to_its_endpoint(bench: Bench, collector: otlp.Collector) -> None:
    start = f"import otel_llm\notel_llm.init(endpoint='{collector.endpoint}', service_name='shop')\n"
    done = bench.run(start + CALL, instrument=False)
    assert (done.stdout, done.stderr) == ("126\n", "")
    (span,) = collector.calls
    assert span.resource["service.name"] == "shop"
    assert "gen_ai.client.operation.duration" in collector.metrics
    assert not bench.store.path.exists()


def test_a_provider_that_the_program_has_set_is_used(bench: Bench) -> None:
    code = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    import otel_llm
    memory = InMemorySpanExporter()
    own = TracerProvider()
    own.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(own)
    otel_llm.init()
    """
    import textwrap

    code = textwrap.dedent(code) + CALL
    done = bench.run(
        code + "assert trace.get_tracer_provider() is own\nprint(len(memory.get_finished_spans()))",
        instrument=False,
    )
    assert (done.stdout, done.stderr) == ("126\n1\n", "")
    assert not bench.store.path.exists()


def test_init_under_auto_instrumentation_changes_settings_and_doubles_nothing(
    bench: Bench, collector: otlp.Collector
) -> None:
    code = "import otel_llm\notel_llm.init(content='SPAN_ONLY')\notel_llm.init(content='SPAN_ONLY')\n" + CALL
    done = bench.run(code, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint})
    assert (done.stdout, done.stderr) == ("126\n", "")
    (span,) = collector.calls
    assert "gen_ai.input.messages" in span.attributes


def test_context_is_a_word_of_the_package(proxy: str, tracers: TracerProvider) -> None:
    memory = InMemorySpanExporter()
    otel_llm.init(tracer_provider=tracers, exporter=memory)
    with otel_llm.context(user="ada", team="search"):
        call(proxy)
    otel_llm.shutdown()
    (span,) = memory.get_finished_spans()
    assert (span.attributes or {})["user.id"] == "ada"
    assert (span.attributes or {})["otel_llm.team.id"] == "search"
