"""One variant at work: runs in that variant's own environment, takes orders as JSON lines, answers with times.

Spans go through a BatchSpanProcessor to an exporter that drops them, the same for all.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any


class Counted:
    """What arrived at the exporter."""

    spans = 0
    last: Any = None


def instrument(target: str) -> Any:
    """Turn the instrumentation `module:Class` on; gives the processor that its spans pass."""
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Drop(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            Counted.spans += len(spans)
            Counted.last = spans[-1]
            return SpanExportResult.SUCCESS

    processor = BatchSpanProcessor(Drop(), max_queue_size=65536, schedule_delay_millis=500)
    if target == "logfire":
        logfire: Any = importlib.import_module("logfire")
        logfire.configure(
            send_to_logfire=False, console=False, additional_span_processors=[processor], metrics=False
        )
        logfire.instrument_openai()
    elif target:
        provider = TracerProvider()
        provider.add_span_processor(processor)
        module, name = target.split(":")
        getattr(importlib.import_module(module), name)().instrument(tracer_provider=provider)
    return processor


def memory_mb() -> float:
    """Resident memory."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  (read often; pathlib adds nothing)
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """`worker.py TARGET BASE_URL`, then orders on standard input."""
    target, base_url = sys.argv[1:3]
    processor = instrument(target)
    from openai import OpenAI

    client = OpenAI(base_url=base_url, api_key="sk-bench", max_retries=0)
    print(json.dumps({"memory_mb": memory_mb()}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        messages: Any = [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": f"[[chunks={order['chunks']}]] " + "x" * order["size"]},
        ]
        walls = []
        gc.collect()
        before = time.process_time()
        for _ in range(order["count"]):
            start = time.perf_counter()
            if order["stream"]:
                options: Any = {"include_usage": True}
                for _ in client.chat.completions.create(
                    model="gpt-4o-mini",
                    messages=messages,
                    temperature=0.2,
                    stream=True,
                    stream_options=options,
                ):
                    pass
            else:
                client.chat.completions.create(
                    model="gpt-4o-mini", messages=messages, temperature=0.2, max_tokens=1000
                )
            walls.append(time.perf_counter() - start)
        cpu = (time.process_time() - before) / order["count"]
        processor.force_flush()
        last = Counted.last
        print(
            json.dumps(
                {
                    "wall_us": statistics.median(walls) * 1e6,
                    "cpu_us": cpu * 1e6,
                    "spans": Counted.spans,
                    "attributes": len(last.attributes) if last is not None else 0,
                    "characters": len(str(dict(last.attributes))) if last is not None else 0,
                    "memory_mb": memory_mb(),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
