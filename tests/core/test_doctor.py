"""`otel-llm doctor`: what it finds, and its exit code."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from otel_llm import doctor
from tests.end_to_end import otlp


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@functools.cache
def report_of_a_test() -> Any:
    """The self-test's report, made once: most tests are about something else."""
    return selftest_of([sys.executable, "-m", "otel_llm.selftest"], {})


selftest_of = doctor._child


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "_child", lambda _, env: None if "OTEL_PYTHON_DISTRO" in env else report_of_a_test()
    )


@pytest.fixture
def collector() -> Iterator[otlp.Collector]:
    with otlp.receive() as made:
        yield made


def examined(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = doctor.main(["--json"])
    return code, json.loads(capsys.readouterr().out)


def texts(report: Mapping[str, Any], state: str) -> list[str]:
    return [finding["text"] for finding in report["findings"] if finding["state"] == state]


def test_with_nothing_set_all_is_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, report = examined(capsys)
    assert (code, report["recorded"]) == (0, True), report
    assert texts(report, "problem") == []
    fine = texts(report, "ok")
    assert any(f"traces -> sqlite (nothing else is set): {tmp_path}" in text for text in fine)
    assert any(text.startswith("httpx ") and "one span with its tokens" in text for text in fine)
    sources = {row["variable"]: row["source"] for row in report["settings"]}
    assert set(sources.values()) == {"default"}


@pytest.mark.usefixtures("quick")
def test_the_text_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main([]) == 0
    shown = capsys.readouterr().out
    assert "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT = NO_CONTENT (default)" in shown
    assert "are recorded" in shown


@pytest.mark.usefixtures("quick")
def test_an_endpoint_is_asked_once_for_each_signal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, collector: otlp.Collector
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=very-secret")
    code, report = examined(capsys)
    assert code == 0
    assert [headers["x-key"] for headers in collector.headers] == ["very-secret"] * 2
    assert (collector.spans, collector.metrics) == ([], [])
    assert any(f"{collector.endpoint}/v1/traces answers 200" in text for text in texts(report, "ok"))
    assert "very-secret" not in json.dumps(report)


def test_without_a_hook_nothing_is_recorded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_LLM_HOOKS", "none")
    code, report = examined(capsys)
    assert code == 1
    assert texts(report, "stops") == ["no installed HTTP client is observed"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("env", "words"),
    [
        pytest.param({"OTEL_TRACES_EXPORTER": "none"}, "OTEL_TRACES_EXPORTER is set", id="no exporter"),
        pytest.param({"OTEL_TRACES_EXPORTER": "nowhere"}, "no traces would arrive", id="unknown exporter"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "no traces would arrive", id="unreachable"
        ),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, "no traces would arrive", id="no address"),
        pytest.param({"OTEL_LLM_SQLITE_PATH": "/proc/x/spans.db"}, "no traces would arrive", id="no store"),
        pytest.param({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED", id="SDK off"),
        pytest.param({"OTEL_TRACES_SAMPLER": "always_off"}, "OTEL_TRACES_SAMPLER", id="sampler off"),
        pytest.param(
            {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "flask, otel_llm"},
            "turns otel_llm off",
            id="instrumentor off",
        ),
        pytest.param(
            {"OTEL_PYTHON_DISTRO": "vendor"}, "OTEL_PYTHON_DISTRO is 'vendor'", id="no such distribution"
        ),
        pytest.param(
            {"OTEL_CONFIG_FILE": "/nowhere.yaml"}, "OTEL_CONFIG_FILE is", id="no configuration file"
        ),
    ],
)
def test_what_keeps_everything_from_being_recorded_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str], words: str
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    code, report = examined(capsys)
    assert (code, report["recorded"]) == (1, False)
    assert any(words in text for text in texts(report, "stops")), report["findings"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("env", "words"),
    [
        pytest.param({"OTEL_LLM_REDACTT": "jwt"}, "Did you mean OTEL_LLM_REDACT?", id="unknown setting"),
        pytest.param({"OTEL_LLM_METRICS": "some"}, "OTEL_LLM_METRICS is 'some'", id="wrong value"),
        pytest.param(
            {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY"},
            "no logs exporter",
            id="events without logs",
        ),
        pytest.param({"OTEL_TRACES_EXPORTER": "sqlite,nowhere"}, "names 'nowhere'", id="one exporter of two"),
    ],
)
def test_what_is_merely_wrong_is_told_and_does_not_fail(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str], words: str
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    code, report = examined(capsys)
    assert code == 0
    assert any(words in text for text in texts(report, "problem")), report["findings"]


def test_a_hook_that_does_not_fit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"hook": "httpx", "version": "9.0", "wanted": True, "attached": False}
    assert doctor._client(row).state == "problem"
    row = {"hook": "httpx", "version": "9.0", "wanted": True, "attached": True}
    failed = {**row, "call": {"status": 200, "spans": 2, "right": False}}
    assert "2 spans" in doctor._client(failed).text
    assert doctor._client({**row, "call": None}).state == "problem"
