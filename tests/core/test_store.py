"""The embedded store and its span exporter."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from otel_llm import semconv
from otel_llm.errors import ConfigError
from otel_llm.record import Caller, CallRecord, Cost, Failure, Request, Response, Usage, message, text
from otel_llm.store import SCHEMA_VERSION, Store, StoredSpan
from otel_llm_exporters.sqlite import SqliteSpanExporter

RECORD = CallRecord(
    id="018f-call",
    provider="openai",
    request=Request(
        operation="chat",
        model="gpt-5",
        stream=True,
        temperature=0.5,
        input_messages=[message("user", [text("Grüße, 世界")])],
    ),
    response=Response(
        id="resp_1",
        model="gpt-5-2025",
        finish_reasons=["stop"],
        usage=Usage(input=12, output=3, cache_read=8),
        output_messages=[message("assistant", [text("Hallo")], "stop")],
    ),
    start_ns=1_700_000_000_000_000_000,
    end_ns=1_700_000_001_000_000_000,
    server_address="api.openai.com",
    server_port=443,
    cost=Cost(total=0.002, input=0.001, output=0.001),
    caller=Caller(user="ada", session="s1", team="search", tags=("a", "b"), metadata={"k": 1}),
    time_to_first_chunk=0.25,
    stream_outcome="completed",
)


def span_of(record: CallRecord, span_id: str = "b" * 16, **more: Any) -> StoredSpan:
    return StoredSpan(
        trace_id="a" * 32,
        span_id=span_id,
        name=semconv.span_name(record.request),
        kind="CLIENT",
        start_ns=record.start_ns,
        end_ns=record.end_ns,
        attributes=semconv.to_attributes(record),
        **more,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spans.db"


def rows(path: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute("SELECT * FROM spans ORDER BY id")]
    finally:
        connection.close()


def test_a_call_comes_back_as_the_record_that_went_in(path: Path) -> None:
    assert Store(path).add([span_of(RECORD)]) == 1
    assert Store(path).calls() == [RECORD]


def test_content_that_is_json_text_comes_back_as_messages(path: Path) -> None:
    attributes = semconv.to_attributes(RECORD, structured=False)
    span = StoredSpan(
        trace_id="a" * 32,
        span_id="b" * 16,
        start_ns=RECORD.start_ns,
        end_ns=RECORD.end_ns,
        attributes=attributes,
    )
    Store(path).add([span])
    assert Store(path).calls() == [RECORD]


def test_what_is_looked_for_often_has_a_column(path: Path) -> None:
    failed = CallRecord(
        id="c2",
        provider="anthropic",
        request=Request(operation="chat", model="claude"),
        response=Response(failure=Failure("overloaded_error")),
        start_ns=1,
        end_ns=2,
    )
    Store(path).add([span_of(RECORD), span_of(failed, "c" * 16)])
    first, second = rows(path)
    wanted = {
        "call_id": "018f-call",
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-5-2025",
        "input_tokens": 12,
        "output_tokens": 3,
        "cached_tokens": 8,
        "cost_usd": 0.002,
        "first_chunk_seconds": 0.25,
        "outcome": "completed",
        "error": None,
        "user": "ada",
        "session": "s1",
        "team": "search",
    }
    assert {name: first[name] for name in wanted} == wanted
    assert second["error"] == "overloaded_error"
    assert second["model"] == "claude"
    assert second["input_tokens"] is None
    assert second["cost_usd"] is None


def test_a_span_that_comes_twice_is_kept_once(path: Path) -> None:
    store = Store(path)
    assert store.add([span_of(RECORD)]) == 1
    assert store.add([span_of(RECORD)]) == 0
    assert store.add([span_of(RECORD, "d" * 16)]) == 0, "another span with the same call id is the same call"
    assert store.count() == 1


def test_a_span_that_is_no_llm_call_is_kept_and_is_no_call(path: Path) -> None:
    other = StoredSpan(trace_id="a" * 32, span_id="c" * 16, name="GET /", start_ns=5, end_ns=6)
    store = Store(path)
    assert store.add([other]) == 1
    assert store.spans() == [other]
    assert store.spans(calls_only=True) == []
    assert store.calls() == []


def test_spans_come_newest_first_and_by_trace(path: Path) -> None:
    made = [
        StoredSpan(trace_id=f"{number % 2:032x}", span_id=f"{number:016x}", start_ns=number, end_ns=number)
        for number in range(10)
    ]
    store = Store(path)
    store.add(made)
    assert [span.start_ns for span in store.spans(3)] == [9, 8, 7]
    assert [span.start_ns for span in store.spans(trace_id=f"{1:032x}")] == [9, 7, 5, 3, 1]


def test_there_is_nothing_to_read_before_the_first_span(path: Path) -> None:
    store = Store(path)
    assert (store.spans(), store.calls(), store.count()) == ([], [], 0)
    assert not path.exists(), "reading makes no file"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_may_read_the_file(path: Path) -> None:
    before = os.umask(0)
    try:
        store = Store(path)
        store.add([span_of(RECORD)])
        held = sqlite3.connect(path)  # keeps the side files there
        held.execute("SELECT count(*) FROM spans").fetchone()
        try:
            assert [stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()] == [0o600] * 3
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        finally:
            held.close()
    finally:
        os.umask(before)


def test_the_file_is_ready_for_retention(path: Path) -> None:
    Store(path).add([span_of(RECORD)])
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,), "incremental"
    finally:
        connection.close()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("half a pair \ud83d", id="lone surrogate"),
        pytest.param(b"\x00\xff", id="bytes"),
        pytest.param(float("nan"), id="no number"),
        pytest.param(2**80, id="too big for a column"),
        pytest.param({"a": [None, {"b": b"c"}]}, id="nested"),
        pytest.param("\x00 zero", id="NUL"),
    ],
)
def test_no_value_keeps_a_span_out(path: Path, value: Any) -> None:
    attributes = {
        semconv.OPERATION: "chat",
        semconv.REQUEST_MODEL: value,
        "gen_ai.usage.input_tokens": value,
        "otel_llm.tags": 7,
        "other": value,
    }
    span = StoredSpan(
        trace_id="a" * 32, span_id="b" * 16, name=str(value), start_ns=1, end_ns=2, attributes=attributes
    )
    assert Store(path).add([span]) == 1
    assert len(Store(path).spans()) == 1


def _newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(
            lambda path: path.write_bytes(b"no database " * 500), "is no SQLite file", id="no database"
        ),
        pytest.param(lambda path: path.mkdir(), "cannot be written", id="a folder"),
        pytest.param(_newer, "a newer otel-llm has written", id="newer schema"),
    ],
)
def test_a_file_that_cannot_serve_is_named_with_what_to_do(
    tmp_path: Path, spoil: Callable[[Path], Any], words: str
) -> None:
    path = tmp_path / "spans.db"
    spoil(path)
    with pytest.raises(ConfigError, match=words) as caught:
        Store(path).add([span_of(RECORD)])
    assert str(path) in str(caught.value)
    assert caught.value.setting == "OTEL_LLM_SQLITE_PATH"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        Store(tmp_path / "file" / "spans.db").add([span_of(RECORD)])


def _write(path: Path, writer: int, batches: int) -> None:
    store = Store(path)
    for batch in range(batches):
        store.add(
            StoredSpan(
                trace_id=f"{writer:032x}", span_id=f"{batch * 10 + one:016x}", start_ns=batch, end_ns=batch
            )
            for one in range(10)
        )


def test_threads_and_processes_write_to_one_file(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_write, args=(path, number, 20)) for number in range(3)]
    threads = [threading.Thread(target=_write, args=(path, 100 + number, 20)) for number in range(4)]
    workers: list[Any] = [*processes, *threads]
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert Store(path).count() == 7 * 200


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    made = TracerProvider(resource=Resource({"service.name": "shop"}))
    yield made
    made.shutdown()


def test_the_exporter_keeps_whole_traces(path: Path, provider: TracerProvider) -> None:
    provider.add_span_processor(SimpleSpanProcessor(SqliteSpanExporter(path)))
    tracer = provider.get_tracer("app")
    with tracer.start_as_current_span("request", kind=SpanKind.SERVER) as outer:
        inner = tracer.start_span(
            "chat gpt-5",
            kind=SpanKind.CLIENT,
            attributes=semconv.to_attributes(RECORD),
            links=[Link(outer.get_span_context(), {"why": "test"})],
        )
        inner.add_event("note", {"n": 1}, timestamp=7)
        inner.set_status(Status(StatusCode.ERROR, "it broke"))
        inner.end()
    outside, call = sorted(Store(path).spans(), key=lambda span: span.name, reverse=True)
    assert (outside.name, outside.kind, outside.parent_id) == ("request", "SERVER", None)
    assert call.parent_id == outside.span_id
    assert (call.status, call.status_message) == ("ERROR", "it broke")
    assert (call.service, call.scope) == ("shop", "app")
    assert call.events == [{"name": "note", "time_ns": 7, "attributes": {"n": 1}}]
    assert [link["span_id"] for link in call.links] == [outside.span_id]
    record = call.record()
    assert record is not None
    assert record.request == RECORD.request
    assert record.response == RECORD.response


def test_a_failure_comes_back_with_its_message(path: Path) -> None:
    failed = CallRecord(
        id="c2",
        provider="openai",
        request=Request(operation="chat"),
        response=Response(failure=Failure("429", "slow down")),
        start_ns=1,
        end_ns=2,
    )
    Store(path).add([span_of(failed, status="ERROR", status_message="slow down")])
    assert Store(path).calls() == [failed]


def test_the_exporter_never_raises_and_says_once_what_is_wrong(
    tmp_path: Path, provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "spans.db"
    path.write_bytes(b"no database " * 500)
    exporter = SqliteSpanExporter(path)
    span = provider.get_tracer("app").start_span("one")
    span.end()
    with caplog.at_level(logging.WARNING):
        assert exporter.export([span]) is SpanExportResult.FAILURE  # type: ignore[list-item]  # the SDK's span is readable
        assert exporter.export([span]) is SpanExportResult.FAILURE  # type: ignore[list-item]  # likewise
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None
    assert "is no SQLite file" in caplog.text
    path.unlink()
    assert exporter.export([span]) is SpanExportResult.SUCCESS  # type: ignore[list-item]  # likewise


def test_the_exporter_finds_its_file_in_the_settings(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTEL_LLM_SQLITE_PATH", str(path))
    assert SqliteSpanExporter().path == path
    monkeypatch.delenv("OTEL_LLM_SQLITE_PATH")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert SqliteSpanExporter().path == tmp_path / "otel-llm" / "spans.db"
    assert SqliteSpanExporter(path=str(path)).path == path


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # Python 3.12 on
def test_a_forked_child_writes_its_own_spans(path: Path) -> None:
    store = Store(path)
    store.add([StoredSpan(trace_id="1", span_id="1", start_ns=1, end_ns=1)])
    child = os.fork()
    if child == 0:
        try:
            _write(path, 7, 5)
        finally:
            os._exit(0)
    _write(path, 8, 5)
    assert os.waitpid(child, 0)[1] == 0
    assert store.count() == 101
