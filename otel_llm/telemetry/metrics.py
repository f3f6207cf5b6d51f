"""The GenAI client metrics, by their old names, their new ones, or both.

The conventions renamed them in September and October 2026; most dashboards still read the old names.
https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.metrics import (
    Counter,
    Histogram,
    Meter,
    MeterProvider,
    NoOpMeterProvider,
    get_meter_provider,
)

from otel_llm import semconv
from otel_llm.record import CallRecord, Usage

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS: Final = tuple(4**power for power in range(14))

_OPERATION: Final = "gen_ai.client.operation."
_INFERENCE: Final = "gen_ai.client.inference."
_NEW_COUNTS: Final = (
    ("usage.input_tokens", "input", "input"),
    ("usage.output_tokens", "output", "output"),
    ("usage.cache_read.input_tokens", "cache_read", "cache_read"),
    ("usage.cache_write.input_tokens", "cache_write", ""),
    ("usage.reasoning.output_tokens", "reasoning", ""),
)


class Metrics:
    """Records a finished call. `generation` is `old`, `new`, `both` or `none`."""

    def __init__(self, provider: MeterProvider | None, version: str, generation: str) -> None:
        self._provider = provider
        self._seen: MeterProvider | None = None
        self._heard = False
        self._old = generation in {"old", "both"}
        self._new = generation in {"new", "both"}
        meter = (provider or get_meter_provider()).get_meter("otel_llm", version, semconv.SCHEMA_URL)
        self._meter: Meter = meter
        self._duration = self._seconds(_OPERATION + "duration", "Duration of a GenAI operation.")
        if self._old:
            self._tokens = self._token_sizes("gen_ai.client.token.usage", "Tokens of a GenAI operation.")
            self._first = self._seconds(_OPERATION + "time_to_first_chunk", "Time until a stream began.")
            self._chunk = self._seconds(
                _OPERATION + "time_per_output_chunk", "Time between chunks of a stream."
            )
        if self._new:
            self._inference = self._seconds(_INFERENCE + "duration", "Duration of an inference.")
            self._new_first = self._seconds(_INFERENCE + "time_to_first_chunk", "Time until a stream began.")
            self._new_chunk = self._seconds(
                _INFERENCE + "time_per_output_chunk", "Time between chunks of a stream."
            )
            self._input_size = self._token_sizes(
                _INFERENCE + "operation.input_tokens", "Input of an inference."
            )
            self._output_size = self._token_sizes(
                _INFERENCE + "operation.output_tokens", "Output of an inference."
            )
            self._counts: dict[str, Counter] = {
                name: meter.create_counter(
                    _INFERENCE + name, "{token}", f"Tokens: {name.removeprefix('usage.')}."
                )
                for name, _, _ in _NEW_COUNTS
            }

    @property
    def enabled(self) -> bool:
        """Whether anybody listens; a program without a meter provider pays nothing."""
        if not (self._old or self._new):
            return False
        if self._provider is not None:
            return True
        provider = get_meter_provider()
        if provider is not self._seen:
            proxy = type(provider).__name__ == "_ProxyMeterProvider"
            self._seen, self._heard = provider, not (proxy or isinstance(provider, NoOpMeterProvider))
        return self._heard

    def record(self, record: CallRecord, chunk_gaps: Sequence[float]) -> None:
        """One finished call; `chunk_gaps` are the seconds between the chunks of its stream."""
        common = _common(record)
        with_error = dict(common)
        if record.response.failure is not None:
            with_error[semconv.ERROR_TYPE] = record.response.failure.type
        seconds = (record.end_ns - record.start_ns) / 1e9
        if record.request.operation not in semconv.INFERENCE:
            self._duration.record(seconds, with_error)
            if self._old and record.response.usage.input is not None:
                self._tokens.record(record.response.usage.input, {**common, semconv.TOKEN_TYPE: "input"})
            return
        if self._old:
            self._record_old(record, seconds, common, with_error, chunk_gaps)
        if self._new:
            self._record_new(record, seconds, common, with_error, chunk_gaps)

    def _record_old(
        self,
        record: CallRecord,
        seconds: float,
        common: dict[str, Any],
        with_error: dict[str, Any],
        chunk_gaps: Sequence[float],
    ) -> None:
        usage = record.response.usage
        self._duration.record(seconds, with_error)
        for kind, count in (("input", usage.input), ("output", usage.output)):
            if count is not None:
                self._tokens.record(count, {**common, semconv.TOKEN_TYPE: kind})
        if record.time_to_first_chunk is not None:
            self._first.record(record.time_to_first_chunk, common)
        for gap in chunk_gaps:
            self._chunk.record(gap, common)

    def _record_new(
        self,
        record: CallRecord,
        seconds: float,
        common: dict[str, Any],
        with_error: dict[str, Any],
        chunk_gaps: Sequence[float],
    ) -> None:
        usage = record.response.usage
        self._inference.record(seconds, with_error)
        if usage.input is not None:
            self._input_size.record(usage.input, with_error)
        if usage.output is not None:
            self._output_size.record(usage.output, with_error)
        for name, field, split in _NEW_COUNTS:
            for modality, count in _by_modality(usage, field, split):
                self._counts[name].add(count, {**common, semconv.TOKEN_MODALITY: modality})
        if record.time_to_first_chunk is not None:
            self._new_first.record(record.time_to_first_chunk, common)
        for gap in chunk_gaps:
            self._new_chunk.record(gap, common)

    def _seconds(self, name: str, meaning: str) -> Histogram:
        return self._meter.create_histogram(
            name, "s", meaning, explicit_bucket_boundaries_advisory=list(SECONDS)
        )

    def _token_sizes(self, name: str, meaning: str) -> Histogram:
        return self._meter.create_histogram(
            name, "{token}", meaning, explicit_bucket_boundaries_advisory=list(TOKENS)
        )


def _common(record: CallRecord) -> dict[str, Any]:
    found: dict[str, Any] = {
        semconv.OPERATION: record.request.operation,
        semconv.PROVIDER: record.provider,
        semconv.REQUEST_MODEL: record.request.model,
        semconv.RESPONSE_MODEL: record.response.model,
        semconv.SERVER_ADDRESS: record.server_address,
        semconv.SERVER_PORT: record.server_port,
    }
    return {name: value for name, value in found.items() if value is not None}


def _by_modality(usage: Usage, field: str, split: str) -> list[tuple[str, int]]:
    """The count by modality where the provider splits it, the rest as `unknown`; 0 where usage never came.

    The subsets (cache, reasoning) have no such zero: most providers never report them.
    """
    whole: int | None = getattr(usage, field)
    if whole is None:
        return [("unknown", 0)] if field in {"input", "output"} else []
    if not split:
        return [("unknown", whole)]
    suffix = f"_{split}"
    parts = [(kind, getattr(usage, kind + suffix)) for kind in ("text", "image", "audio")]
    said = [(kind, count) for kind, count in parts if count]
    rest = whole - sum(count for _, count in said)
    if rest < 0:  # the parts overlap, so no split can be trusted
        return [("unknown", whole)]
    return said + ([("unknown", rest)] if rest or not said else [])
