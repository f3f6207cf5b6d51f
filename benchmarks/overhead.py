"""What an instrumentation adds to an OpenAI SDK call and to a stream's chunk, all variants paired in one run.

    python benchmarks/overhead.py            # sets up an environment for each variant, then measures
    python benchmarks/overhead.py --only otel-llm,genai-openai --blocks 5

All variants stay alive and take turns, block by block in random order, so that a noisy machine hits all alike. A
figure is the median over the blocks of (variant - bare) inside one block.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "otel-llm" / "bench"


class Variant(NamedTuple):
    """What to install beside openai and the SDK, which instrumentor to start, and the environment for it."""

    packages: tuple[str, ...]
    target: str
    env: dict[str, str]


CONTENT = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}
EXPERIMENTAL = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
OURS = "otel_llm.bootstrap:OtelLlmInstrumentor"
OFFICIAL = ("opentelemetry-instrumentation-genai-openai==1.3b0",)
OFFICIAL_CLASS = "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor"
TRACELOOP = ("opentelemetry-instrumentation-openai==0.62.4",)
TRACELOOP_CLASS = "opentelemetry.instrumentation.openai:OpenAIInstrumentor"
VARIANTS = {
    "bare": Variant((), "", {}),
    "otel-llm": Variant((str(ROOT),), OURS, {}),
    "otel-llm content": Variant((str(ROOT),), OURS, CONTENT),
    "otel-llm content as JSON": Variant((str(ROOT),), OURS, {**CONTENT, "OTEL_LLM_CONTENT_FORMAT": "json"}),
    "genai-openai": Variant(OFFICIAL, OFFICIAL_CLASS, {}),
    "genai-openai content": Variant(OFFICIAL, OFFICIAL_CLASS, {**CONTENT, **EXPERIMENTAL}),
    "openllmetry": Variant(TRACELOOP, TRACELOOP_CLASS, {}),
    "openllmetry no content": Variant(TRACELOOP, TRACELOOP_CLASS, {"TRACELOOP_TRACE_CONTENT": "false"}),
    "openinference": Variant(
        ("openinference-instrumentation-openai",),
        "openinference.instrumentation.openai:OpenAIInstrumentor",
        {},
    ),
    "logfire": Variant(("logfire",), "logfire", {}),
}
BASE = ("openai==3.54.0", "opentelemetry-sdk==1.45.2")


def python_of(variant: Variant) -> Path:
    """The interpreter of a variant's environment, which is made when it is not there."""
    packages = (*BASE, *variant.packages)
    key = hashlib.sha256(" ".join((sys.version, *packages)).encode()).hexdigest()[:12]
    folder = CACHE / key
    python = folder / "bin" / "python"
    ours = str(ROOT) in variant.packages
    if not python.exists():
        print("installing", *packages, file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    elif ours:  # the tree may have changed
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", str(ROOT)],
            check=True,
        )
    return python


def footprint(python: Path) -> int:
    """Packages in the environment, pip and setuptools aside."""
    code = (
        "import importlib.metadata as m;"
        "print(len({d.metadata['Name'].lower() for d in m.distributions()} - {'pip', 'setuptools'}))"
    )
    return int(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)


class Worker:
    """A variant's process."""

    def __init__(self, python: Path, variant: Variant, base_url: str) -> None:
        env = {**os.environ, **variant.env}
        start = time.perf_counter()
        self._process = subprocess.Popen(
            [str(python), str(HERE / "worker.py"), variant.target, base_url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True,
        )  # fmt: skip
        self.memory_mb: float = self._answer()["memory_mb"]
        self.start_s = time.perf_counter() - start

    def run(self, **order: Any) -> dict[str, Any]:
        """One block."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a worker died; its error stands above")
        found: dict[str, Any] = json.loads(line)
        return found


def measure(
    options: argparse.Namespace, pythons: dict[str, Path], base_url: str, size: int
) -> dict[str, Any]:
    """All figures of all variants for one size of prompt."""
    starts: dict[str, list[float]] = {name: [] for name in pythons}
    for _ in range(options.starts):
        for name in random.sample(list(pythons), len(pythons)):
            worker = Worker(pythons[name], VARIANTS[name], base_url)
            starts[name].append(worker.start_s)
            worker.stop()
    workers = {name: Worker(python, VARIANTS[name], base_url) for name, python in pythons.items()}
    found: dict[str, Any] = {name: {"call": [], "stream": [], "start": starts[name]} for name in pythons}
    try:
        for worker in workers.values():
            worker.run(count=50, stream=False, chunks=10, size=size)
            worker.run(count=3, stream=True, chunks=options.chunks, size=size)
        for _ in range(options.blocks):
            for kind, count in (("call", options.calls), ("stream", options.streams)):
                for name in random.sample(list(workers), len(workers)):
                    order = {
                        "count": count,
                        "stream": kind == "stream",
                        "chunks": options.chunks,
                        "size": size,
                    }
                    found[name][kind].append(workers[name].run(**order))
        for name, worker in workers.items():
            found[name]["memory_mb"] = worker.memory_mb
    finally:
        for worker in workers.values():
            worker.stop()
    return found


def added(found: dict[str, Any], name: str, kind: str, figure: str) -> float:
    """Median over blocks of what the variant costs beyond bare."""
    pairs = zip(found[name][kind], found["bare"][kind], strict=True)
    return float(statistics.median(one[figure] - bare[figure] for one, bare in pairs))


def table(found: dict[str, Any], packages: dict[str, int], chunks: int) -> str:
    """The figures as Markdown."""
    lines = [
        "| variant | added µs a call, CPU | wall | added µs a chunk, CPU | start-up s | packages | MB | spans | attributes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    bare_start = statistics.median(found["bare"]["start"] or [0.0])
    for name, one in found.items():
        call_cpu, call_wall = added(found, name, "call", "cpu_us"), added(found, name, "call", "wall_us")
        chunk = (added(found, name, "stream", "cpu_us") - call_cpu) / chunks
        start = statistics.median(one["start"] or [0.0]) - bare_start
        last = one["call"][-1]
        lines.append(
            f"| {name} | {call_cpu:.0f} | {call_wall:.0f} | {chunk:.1f} | {start:+.2f} "
            f"| +{packages[name] - packages['bare']} | {one['memory_mb']:.0f} | {last['spans']} | {last['attributes']} |"
        )
    bare_call = statistics.median(block["cpu_us"] for block in found["bare"]["call"])
    lines.append(f"\nbare call: {bare_call:.0f} µs of CPU; bare: {packages['bare']} packages")
    return "\n".join(lines)


def main() -> None:
    """Set up, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="comma list of variants; bare is always there")
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument("--sizes", default="1000,8000", help="characters of the prompt")
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    names = [
        name for name in VARIANTS if name == "bare" or not options.only or name in options.only.split(",")
    ]
    pythons = {name: python_of(VARIANTS[name]) for name in names}
    packages = {name: footprint(python) for name, python in pythons.items()}
    upstream = subprocess.Popen(
        [sys.executable, str(HERE / "upstream.py"), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert upstream.stdout is not None
    base_url = upstream.stdout.readline().strip()
    try:
        if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(upstream.pid, {1})
            os.sched_setaffinity(0, {0})
        for size in (int(text) for text in options.sizes.split(",")):
            found = measure(options, pythons, base_url, size)
            print(f"\nprompt of {size:,} characters, {options.blocks} blocks of {options.calls} calls "
                  f"and {options.streams} streams of {options.chunks} chunks\n")  # fmt: skip
            print(table(found, packages, options.chunks), flush=True)
            options.starts = 0
    finally:
        upstream.terminate()
        upstream.wait(10)


if __name__ == "__main__":
    main()
