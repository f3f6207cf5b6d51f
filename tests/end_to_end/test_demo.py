"""`otel-llm demo`: every call of the unchanged app is seen, with the right numbers."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from otel_llm.demo import provider
from otel_llm.store import Store
from tests.end_to_end.otlp import Collector

RECORDED = sorted(
    (
        entry
        for entry in files("otel_llm.demo").joinpath("recorded").iterdir()
        if entry.name.endswith(".json")
    ),
    key=lambda entry: entry.name,
)
NEEDS_EXTRA = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("openai", "anthropic", "rich")),
    reason="needs [demo]",
)
CALLS: list[tuple[Any, ...]] = [
    ("openai", "chat", "gpt-5", True, 19, 75, 0),
    ("openai", "chat", "gpt-4o-mini", False, 75, 51, 0),
    ("openai", "chat", "gpt-5-mini", False, 14, 48, 0),
    ("openai", "chat", "gpt-5", True, 32, 839, 0),
    ("openai", "chat", "this-model-does-not-exist", False, None, None, None),
    ("anthropic", "chat", "claude-haiku-4-5-20251001", False, 45, 39, 0),
    ("anthropic", "chat", "claude-haiku-4-5-20251001", True, 46, 133, 0),
    ("groq", "chat", "llama3-8b-8192", True, 12, 26, None),
    ("x_ai", "chat", "grok-4-fast", True, 165, 131, 164),
    ("mistral_ai", "chat", "mistral-small-latest", True, 31, 66, 0),
    ("deepseek", "chat", "deepseek-v4-flash", False, 97, 17, 0),
    ("gcp.gemini", "chat", "gemini-2.5-pro-preview-05-06", False, 35, 74, None),
    ("openai", "embeddings", "text-embedding-3-small", False, 9, None, None),
]


def demo(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otel_llm.cli", "demo", "--speed", "20", *arguments],
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@NEEDS_EXTRA
def test_every_call_of_the_app_is_one_span_with_what_the_provider_said(
    tmp_path: Path, collector: Collector
) -> None:
    env = {
        "HOME": str(tmp_path),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_LLM_HOOKS": "none",
        "OTEL_SDK_DISABLED": "true",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    done = demo("--db", str(tmp_path / "demo.db"), "--svg", str(tmp_path / "demo.svg"), env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    seen = [
        (
            record.provider,
            record.request.operation,
            record.request.model,
            record.request.stream,
            record.response.usage.input,
            record.response.usage.output,
            record.response.usage.cache_read,
        )
        for record in Store(tmp_path / "demo.db").calls()[::-1]
    ]
    assert seen == CALLS
    for record in Store(tmp_path / "demo.db").calls():
        assert (record.time_to_first_chunk is not None) == record.request.stream
        assert (record.response.failure is not None) == (record.request.model == "this-model-does-not-exist")
        assert (record.cost is None) == (record.response.failure is not None)
        if record.request.operation == "chat":
            assert record.request.input_messages
            assert record.response.output_messages or record.response.failure
    assert "13 calls" in done.stdout
    assert "164" in done.stdout, "cached tokens"
    assert "otel_llm.cost.total" in done.stdout, "a span in full"
    assert "opentelemetry-instrument python your_app.py" in done.stdout
    assert ET.parse(tmp_path / "demo.svg").getroot().tag.endswith("svg")
    assert len(collector.calls) == 13, "an endpoint that is set gets them too"


@NEEDS_EXTRA
def test_the_demo_leaves_nothing_behind_and_needs_nothing(tmp_path: Path) -> None:
    done = demo(env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "13 calls" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: entry.name)
def test_every_recorded_answer_names_its_source_and_licence(entry: Any) -> None:
    data = json.loads(entry.read_text(encoding="utf-8"))
    notes = files("otel_llm.demo").joinpath("recorded/README.md").read_text(encoding="utf-8")
    (line,) = [line for line in notes.splitlines() if line.startswith(f"| `{entry.name}` ")]
    assert data["source_repo"] in line
    assert data["license"] in line
    if data["license"] == "MIT":
        name = f"{data['source_repo'].replace('/', '--')}.txt"
        assert files("otel_llm.demo").joinpath(f"recorded/LICENSES/{name}").is_file()


def test_no_two_recorded_answers_are_for_the_same_call() -> None:
    assert len(provider.recorded()) == len(RECORDED)


def test_streams_take_their_time() -> None:
    with provider.serve(speed=4) as proxy, httpx.Client(proxy=proxy) as client:
        body = {"model": "gpt-5", "stream": True}
        with client.stream("POST", "http://api.openai.com/v1/chat/completions", json=body) as response:
            first, *rest = response.iter_raw()
            assert first.startswith(b"data:")
            assert len(rest) > 3
            assert response.elapsed.total_seconds() > provider.STREAMING_SECONDS / 4 * 0.8


def test_what_is_not_recorded_is_not_found() -> None:
    with provider.serve(speed=50) as proxy, httpx.Client(proxy=proxy) as client:
        answer = client.post("http://api.openai.com/v1/chat/completions", json={"model": "unheard-of"})
        assert (answer.status_code, answer.json()["error"]["message"][:7]) == (404, "nothing")
        assert client.post("http://api.openai.com/v1/chat/completions", content=b"{").status_code == 404
        assert client.post("http://api.openai.com/v1/chat/completions", content=b"[]").status_code == 404
