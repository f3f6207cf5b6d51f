"""Metrics by their old names, their new ones, or both, with the conventions' units and buckets."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_llm.record import CallRecord, Failure, Request, Response, Usage
from otel_llm.telemetry.metrics import SECONDS, TOKENS, Metrics

RECORD = CallRecord(
    id="1",
    provider="openai",
    request=Request(operation="chat", model="gpt-5", stream=True),
    response=Response(
        model="gpt-5-2025",
        usage=Usage(input=300, output=50, cache_read=40, reasoning=20, text_input=100, image_input=200),
    ),
    start_ns=0,
    end_ns=2_000_000_000,
    server_address="api.openai.com",
    server_port=443,
    time_to_first_chunk=0.5,
)
COMMON = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2025",
    "server.address": "api.openai.com",
    "server.port": 443,
}


def recorded(generation: str, record: CallRecord = RECORD, gaps: tuple[float, ...] = ()) -> dict[str, Any]:
    """All metrics after one call, by name."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    metrics = Metrics(provider, "1", generation)
    assert metrics.enabled is (generation != "none")
    if metrics.enabled:
        metrics.record(record, gaps)
    data = reader.get_metrics_data()
    found = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            found.update({metric.name: metric for metric in scope.metrics})
    provider.shutdown()
    return found


OLD = {"duration", "time_to_first_chunk", "time_per_output_chunk"}
NEW = {
    "duration", "time_to_first_chunk", "time_per_output_chunk", "operation.input_tokens", "operation.output_tokens",
    "usage.input_tokens", "usage.output_tokens", "usage.cache_read.input_tokens", "usage.reasoning.output_tokens",
}  # fmt: skip


@pytest.mark.parametrize(
    ("generation", "names"),
    [
        ("old", {f"gen_ai.client.operation.{name}" for name in OLD} | {"gen_ai.client.token.usage"}),
        ("new", {f"gen_ai.client.inference.{name}" for name in NEW}),
        (
            "both",
            {f"gen_ai.client.operation.{name}" for name in OLD}
            | {"gen_ai.client.token.usage"}
            | {f"gen_ai.client.inference.{name}" for name in NEW},
        ),
        ("none", set()),
    ],
)
def test_a_generation_has_these_metrics(generation: str, names: set[str]) -> None:
    assert set(recorded(generation, gaps=(0.01, 0.02))) == names


def test_units_and_buckets_are_those_of_the_conventions() -> None:
    for name, metric in recorded("both", gaps=(0.01,)).items():
        point = metric.data.data_points[0]
        if "tokens" in name or "token.usage" in name:
            assert metric.unit == "{token}"
            if "inference.usage" not in name:
                assert point.explicit_bounds == TOKENS
        else:
            assert metric.unit == "s"
            assert point.explicit_bounds == SECONDS
    assert TOKENS[:4] == (1, 4, 16, 64)
    assert TOKENS[-1] == 67108864


def test_durations_are_those_of_the_span() -> None:
    found = recorded("both")
    for name in ("gen_ai.client.operation.duration", "gen_ai.client.inference.duration"):
        [point] = found[name].data.data_points
        assert (point.sum, point.count) == (2.0, 1)
        assert dict(point.attributes) == COMMON


def test_each_gap_between_chunks_counts() -> None:
    [point] = recorded("new", gaps=(0.25, 0.5))[
        "gen_ai.client.inference.time_per_output_chunk"
    ].data.data_points
    assert (point.count, point.sum) == (2, 0.75)


def test_old_token_usage_is_split_by_type() -> None:
    points = recorded("old")["gen_ai.client.token.usage"].data.data_points
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in points} == {
        "input": 300,
        "output": 50,
    }


def counts(record: CallRecord, name: str) -> dict[str, int]:
    """The values of a counter by modality."""
    points = recorded("new", record)[f"gen_ai.client.inference.usage.{name}"].data.data_points
    return {point.attributes["gen_ai.token.modality"]: point.value for point in points}


def with_usage(usage: Usage, failure: Failure | None = None) -> CallRecord:
    """The call with other counts."""
    return CallRecord(
        id="1",
        provider="openai",
        request=RECORD.request,
        response=Response(usage=usage, failure=failure),
        start_ns=0,
        end_ns=1,
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(
            Usage(input=300, text_input=100, image_input=200), {"text": 100, "image": 200}, id="split"
        ),
        pytest.param(
            Usage(input=300, text_input=100), {"text": 100, "unknown": 200}, id="the rest is unknown"
        ),
        pytest.param(Usage(input=300), {"unknown": 300}, id="not split"),
        pytest.param(Usage(input=0), {"unknown": 0}, id="zero was said"),
        pytest.param(Usage(), {"unknown": 0}, id="nothing was said"),
        pytest.param(Usage(input=5, text_input=9), {"unknown": 5}, id="parts that overlap are no split"),
    ],
)
def test_new_counters_split_by_modality(usage: Usage, expected: dict[str, int]) -> None:
    assert counts(with_usage(usage), "input_tokens") == expected


def test_a_failed_call_counts_too_with_its_error_type() -> None:
    found = recorded("both", with_usage(Usage(), Failure("rate_limit_exceeded")))
    [point] = found["gen_ai.client.inference.duration"].data.data_points
    assert point.attributes["error.type"] == "rate_limit_exceeded"
    assert "gen_ai.client.inference.operation.input_tokens" not in found
    assert counts(with_usage(Usage(), Failure("x")), "output_tokens") == {"unknown": 0}


def test_what_is_no_inference_keeps_the_operation_metric() -> None:
    record = CallRecord(
        id="1",
        provider="openai",
        request=Request(operation="embeddings", model="e"),
        response=Response(usage=Usage(input=8)),
        start_ns=0,
        end_ns=1_000_000_000,
    )
    assert set(recorded("new", record)) == {"gen_ai.client.operation.duration"}
    assert set(recorded("both", record)) == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}


def test_without_a_provider_nobody_listens() -> None:
    assert not Metrics(None, "1", "both").enabled
