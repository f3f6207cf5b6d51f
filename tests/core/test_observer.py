"""The door for hooks and proxy: one call, one span, whatever happens to it."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from otel_llm.context import context
from otel_llm.observer import Call, Observer
from otel_llm.record import Caller, CallRecord
from otel_llm.settings import Settings
from otel_llm.telemetry.events import Events
from otel_llm.telemetry.metrics import Metrics

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "say hi"}]}
ANSWER = {
    "id": "c1",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
CHUNK = {"id": "c1", "choices": [{"index": 0, "delta": {"content": "hi"}}]}
LAST = {"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


class Bench:
    """An observer over in-memory providers."""

    def __init__(self, settings: Settings | None = None, pipeline: Callable[[CallRecord], CallRecord] | None = None,
                 sampler: Any = None) -> None:  # fmt: skip
        settings = settings or Settings(cost=False)
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(sampler=sampler)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK's own gap
        loggers = LoggerProvider()
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.reader = InMemoryMetricReader()
        self.observer = Observer(
            settings,
            pipeline or (lambda record: record),
            Metrics(MeterProvider([self.reader]), "1", settings.metrics),
            Events(loggers, "1") if settings.events else None,
            self.tracers,
            "1",
        )

    def begin(self, body: Any = None, **changes: Any) -> Call | None:
        """A call to OpenAI, with changes."""
        asked: dict[str, Any] = {
            "method": "POST",
            "host": "api.openai.com",
            "path": "/v1/chat/completions",
            "headers": JSON,
            "port": 443,
            **changes,
        }
        data = json.dumps(ASK if body is None else body).encode()
        sent = asked.pop("body_bytes", data)
        url = f"https://{asked['host']}{asked['path']}"
        return self.observer.begin(asked.pop("method"), url, asked.pop("host"), asked.pop("path"),
                                   asked.pop("headers"), lambda: sent, **asked)  # fmt: skip

    def call(self, answer: Any = None, status: int = 200, **changes: Any) -> None:
        """A whole call."""
        call = self.begin(**changes)
        assert call is not None
        with call:
            pass
        call.answered(status, JSON, encoded=False)
        call.feed(json.dumps(ANSWER if answer is None else answer).encode())
        call.end()

    def open_stream(self, headers: Mapping[str, str] = EVENTS) -> Call:
        """A streamed call of which one chunk has come."""
        call = self.begin({**ASK, "stream": True})
        assert call is not None
        call.answered(200, headers, streams=True)
        call.feed(b"data: " + json.dumps(CHUNK).encode() + b"\n\n")
        return call

    @property
    def spans(self) -> list[ReadableSpan]:
        """What was exported."""
        return list(self.exporter.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        """The only span."""
        [one] = self.spans
        return one

    @property
    def metrics(self) -> set[str]:
        """Names of the metrics so far."""
        data = self.reader.get_metrics_data()
        found = [
            scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics
        ]
        return {metric.name for scope in found for metric in scope.metrics}


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """The span's attributes."""
    return dict(span.attributes or {})


def test_a_call_is_one_client_span_with_what_both_sides_said() -> None:
    bench = Bench()
    bench.call()
    span = bench.span
    assert (span.name, span.kind) == ("chat gpt-4o-mini", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    found = attributes(span)
    assert found.pop("otel_llm.call.id")
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "server.address": "api.openai.com",
        "server.port": 443,
        "openai.api.type": "chat_completions",
        "gen_ai.response.id": "c1",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 1,
    }


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"method": "GET"}, id="another method"),
        pytest.param({"path": "/v1/models"}, id="another path"),
        pytest.param({"body": {"text": "hi"}}, id="another body"),
        pytest.param({"body_bytes": b"not JSON"}, id="no JSON"),
        pytest.param({"body_bytes": None}, id="a body that cannot be had"),
    ],
)
def test_what_is_no_llm_call_is_left_alone(changes: dict[str, Any]) -> None:
    bench = Bench()
    assert bench.begin(**changes) is None
    assert bench.spans == []


def test_the_body_is_not_touched_where_the_path_is_no_llm_call() -> None:
    def touched() -> bytes:
        raise AssertionError("the body was asked for")

    assert Bench().observer.begin("POST", "u", "h", "/api/orders", {}, touched) is None


def test_suppressed_nested_and_excluded_calls_are_not_observed() -> None:
    bench = Bench(Settings(cost=False, excluded_hosts=("a.example", ".b.example")))
    with suppress_instrumentation():
        assert bench.begin() is None
    call = bench.begin()
    assert call is not None
    with call:
        assert bench.begin() is None
    call.end()
    assert bench.begin(host="a.example") is None
    assert bench.begin(host="c.b.example") is None
    assert bench.begin(host="xa.example") is not None


def test_the_span_is_current_during_the_sending_and_never_after() -> None:
    bench = Bench()
    with bench.tracers.get_tracer("app").start_as_current_span("app") as outer:
        call = bench.begin()
        assert call is not None
        with call:
            assert trace.get_current_span() is call.span
        assert trace.get_current_span() is outer
        call.end()
    inner, app = bench.spans
    assert inner.parent is not None
    assert app.context is not None
    assert inner.parent.span_id == app.context.span_id


@pytest.mark.parametrize(
    ("finish", "outcome", "status", "error"),
    [
        pytest.param(lambda call: call.end("completed"), "completed", StatusCode.UNSET, None, id="drained"),
        pytest.param(lambda call: call.end("closed_early"), "closed_early", StatusCode.UNSET, None, id="closed"),
        pytest.param(
            lambda call: call.end(error=ConnectionResetError("peer")),
            "failed", StatusCode.ERROR, "ConnectionResetError", id="broken",
        ),
        pytest.param(
            lambda call: call.end("closed_early", error=asyncio.CancelledError()),
            "cancelled", StatusCode.ERROR, "asyncio.exceptions.CancelledError", id="cancelled",
        ),
        pytest.param(lambda call: call.abandon(), "abandoned", StatusCode.UNSET, None, id="collected"),
    ],
)  # fmt: skip
def test_each_end_of_a_stream_ends_the_span_once_with_what_came(
    finish: Callable[[Call], None], outcome: str, status: StatusCode, error: str | None
) -> None:
    bench = Bench(Settings(cost=False, content="SPAN_ONLY", content_format="json"))
    call = bench.open_stream()
    finish(call)
    bench.observer.reaper.settle()
    call.end("completed")
    call.abandon()
    bench.observer.reaper.settle()
    found = attributes(bench.span)
    assert found["otel_llm.stream.outcome"] == outcome
    assert found.get("error.type") == error
    assert bench.span.status.status_code is status
    assert found["gen_ai.response.time_to_first_chunk"] >= 0
    assert json.loads(found["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "hi"}]
    assert not bench.observer.live


@pytest.mark.parametrize("tail", [b"data: [DONE]\n\n", b"data: " + json.dumps(LAST).encode() + b"\n\n"])
def test_a_stream_closed_after_its_last_event_is_completed(tail: bytes) -> None:
    bench = Bench()
    call = bench.open_stream()
    call.feed(tail)
    call.end("closed_early")
    assert attributes(bench.span)["otel_llm.stream.outcome"] == "completed"


def test_a_plain_answer_that_is_read_in_pieces_is_no_stream() -> None:
    bench = Bench()
    call = bench.begin()
    assert call is not None
    call.answered(200, JSON, streams=True)
    data = json.dumps(ANSWER).encode()
    call.feed(data[:20])
    call.feed(data[20:])
    call.end("completed")
    found = attributes(bench.span)
    assert found["gen_ai.usage.output_tokens"] == 1
    assert "otel_llm.stream.outcome" not in found
    assert "gen_ai.response.time_to_first_chunk" not in found


def test_a_process_that_leaves_mid_stream_loses_no_span() -> None:
    bench = Bench()
    call = bench.open_stream()
    bench.observer.shutdown()
    assert attributes(bench.span)["otel_llm.stream.outcome"] == "abandoned"
    call.end("completed")
    assert len(bench.spans) == 1


def test_failed_attempts_are_linked_and_numbered() -> None:
    bench = Bench()
    client = type("Client", (), {})()
    error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    for number in range(3):
        headers = {**JSON, "x-stainless-retry-count": str(number)}
        bench.call(
            error if number < 2 else ANSWER, 429 if number < 2 else 200, client=client, headers=headers
        )
    first, second, third = bench.spans
    assert [attributes(one).get("otel_llm.attempt") for one in bench.spans] == [None, 2, 3]
    assert [len(one.links) for one in bench.spans] == [0, 1, 1]
    assert second.links[0].context == first.context
    assert third.links[0].context == second.context
    assert ["gen_ai.usage.input_tokens" in attributes(one) for one in bench.spans] == [False, False, True]
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(first)["error.type"] == "rate_limit_exceeded"


def test_the_same_body_sent_again_after_a_failure_is_an_attempt_without_any_header() -> None:
    bench = Bench()
    client = type("Client", (), {})()
    bench.call({}, 503, client=client)
    bench.call(client=client)
    bench.call(client=client)
    assert [attributes(one).get("otel_llm.attempt") for one in bench.spans] == [None, 2, None]


def test_another_client_or_another_failure_is_no_retry() -> None:
    bench = Bench()
    client, other = type("Client", (), {})(), type("Client", (), {})()
    bench.call({}, 503, client=client)
    bench.call(client=other)
    bench.call({}, 400, client=other)
    bench.call(client=other)
    assert [attributes(one).get("otel_llm.attempt") for one in bench.spans] == [None] * 4


def test_the_memory_of_attempts_is_bounded() -> None:
    bench = Bench()
    client = type("Client", (), {})()
    for number in range(400):
        bench.call({}, 500, client=client, body={**ASK, "n": number})
    assert len(bench.observer.attempts._failed) == 256


def test_a_sampled_out_call_still_counts_in_metrics() -> None:
    bench = Bench(sampler=ALWAYS_OFF)
    bench.call()
    assert bench.spans == []
    assert "gen_ai.client.inference.usage.input_tokens" in bench.metrics


@pytest.mark.parametrize(
    ("mode", "on_span", "in_event"),
    [
        ("NO_CONTENT", False, None),
        ("SPAN_ONLY", True, None),
        ("EVENT_ONLY", False, True),
        ("SPAN_AND_EVENT", True, True),
    ],
)
def test_content_goes_where_the_mode_says_and_nowhere_else(
    mode: str, on_span: bool, in_event: bool | None
) -> None:
    bench = Bench(Settings(cost=False, content=mode))
    bench.call()
    assert ("gen_ai.input.messages" in attributes(bench.span)) is on_span
    assert ("gen_ai.output.messages" in attributes(bench.span)) is on_span
    logs = bench.logs.get_finished_logs()
    assert len(logs) == (0 if in_event is None else 1)
    for log in logs:
        assert "gen_ai.input.messages" in dict(log.log_record.attributes or {})
        assert log.log_record.severity_number is SeverityNumber.DEBUG
        assert bench.span.context is not None
        assert log.log_record.span_id == bench.span.context.span_id


def test_an_event_without_content_has_none() -> None:
    bench = Bench(Settings(cost=False, emit_event=True))
    bench.call()
    [log] = bench.logs.get_finished_logs()
    assert not [name for name in dict(log.log_record.attributes or {}) if name.endswith("messages")]


@pytest.mark.parametrize("structured", [True, False])
def test_content_is_structured_or_json_as_asked(structured: bool) -> None:
    bench = Bench(
        Settings(cost=False, content="SPAN_ONLY", content_format="structured" if structured else "json")
    )
    bench.call()
    messages = attributes(bench.span)["gen_ai.input.messages"]
    if structured:
        assert messages[0]["parts"][0]["content"] == "say hi"
    else:
        assert json.loads(messages) == [{"role": "user", "parts": [{"type": "text", "content": "say hi"}]}]


def test_the_caller_of_the_context_is_on_the_span() -> None:
    bench = Bench()
    with context(user="ada", session="s", team="t", tags=["x"], metadata={"k": 1}, prompt="greet"):
        bench.call()
    found = attributes(bench.span)
    assert (found["user.id"], found["session.id"], found["otel_llm.team.id"]) == ("ada", "s", "t")
    assert (found["otel_llm.tags"], found["otel_llm.metadata.k"], found["gen_ai.prompt.name"]) == (
        ("x",),
        1,
        "greet",
    )


def test_the_end_user_that_the_request_names_counts_when_nobody_else_is_named() -> None:
    bench = Bench()
    bench.call(body={**ASK, "user": "carl"})
    with context(user="ada"):
        bench.call(body={**ASK, "user": "carl"})
    assert [attributes(one)["user.id"] for one in bench.spans] == ["carl", "ada"]


def test_a_caller_handed_in_wins_over_the_context() -> None:
    bench = Bench()
    with context(user="ada"):
        bench.call(caller=Caller(user="bob", key_alias="ci"))
    assert attributes(bench.span)["user.id"] == "bob"
    assert attributes(bench.span)["otel_llm.key.alias"] == "ci"


def test_the_raw_request_is_kept_only_on_demand_and_without_credentials() -> None:
    bench = Bench()
    headers = {**JSON, "authorization": "Bearer sk-secret", "x-api-key": "sk-secret", "x-trace": "1"}
    bench.call(headers=headers)
    with context(raw_request=True):
        bench.call(headers=headers)
    quiet, asked = bench.spans
    assert "otel_llm.request.raw" not in attributes(quiet)
    raw = attributes(asked)["otel_llm.request.raw"]
    assert raw.startswith("curl -X POST https://api.openai.com/v1/chat/completions")
    assert "sk-secret" not in raw
    assert "x-trace: 1" in raw
    assert "say hi" in raw


def test_trace_context_goes_only_to_hosts_that_were_named() -> None:
    sent: dict[str, str] = {}
    for propagate_to, expected in (
        ((), False),
        (("other.example",), False),
        (("api.openai.com",), True),
        (("*",), True),
    ):
        bench = Bench(Settings(cost=False, propagate_to=propagate_to))
        call = bench.begin()
        assert call is not None
        sent.clear()
        bench.observer.inject(call, sent.__setitem__)
        assert ("traceparent" in sent) is expected
        call.end()


def test_a_pipeline_that_fails_lets_no_content_out_and_keeps_the_span(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(record: CallRecord) -> CallRecord:
        raise RuntimeError("redaction is broken")

    bench = Bench(Settings(cost=False, content="SPAN_AND_EVENT"), pipeline=broken)
    with caplog.at_level(logging.WARNING, "otel_llm"), context(metadata={"secret": "x"}):
        bench.call()
    found = attributes(bench.span)
    assert found["gen_ai.usage.input_tokens"] == 3
    assert not {"gen_ai.input.messages", "gen_ai.output.messages", "otel_llm.metadata.secret"} & found.keys()
    [log] = bench.logs.get_finished_logs()
    assert "gen_ai.input.messages" not in dict(log.log_record.attributes or {})


def test_the_pipeline_decides_what_is_on_the_span() -> None:
    def masked(record: CallRecord) -> CallRecord:
        request = msgspec.structs.replace(record.request, input_messages=[{"role": "user", "parts": []}])
        return msgspec.structs.replace(record, request=request)

    bench = Bench(Settings(cost=False, content="SPAN_ONLY", content_format="json"), pipeline=masked)
    bench.call()
    assert json.loads(attributes(bench.span)["gen_ai.input.messages"]) == [{"role": "user", "parts": []}]


def test_no_call_is_kept_alive_after_its_end() -> None:
    bench = Bench()
    for _ in range(50):
        bench.call()
        call = bench.open_stream()
        call.end("completed")
    del call
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one) is Call]
