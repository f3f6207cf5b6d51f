"""What the demo prints: the calls as a table, one span in full, and what to do next."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otel_llm import semconv
from otel_llm.record import CallRecord, Usage
from otel_llm.store import StoredSpan

WIDTH: Final = 134
_MAX_VALUE: Final = 400


def screen(record: bool) -> Console:
    """The terminal; where there is none, wide enough for the table."""
    found = Console()
    return Console(width=max(found.width, WIDTH) if record or not found.is_terminal else None)


def introduce(console: Console, path: Path | None) -> None:
    """Say what is about to run."""
    kept = f"kept in {path}" if path else "kept in a temporary SQLite file"
    console.print("[bold]opentelemetry-instrument python app.py[/]  [dim](unchanged; recorded providers)[/]")
    console.print(f"[dim]Spans are {kept}. The app prints:[/]\n")


def show(console: Console, spans: Sequence[StoredSpan], path: Path | None) -> None:
    """Everything that comes after the app."""
    console.print()
    console.print(calls(spans))
    chosen = _telling(spans)
    console.print(f"\n[bold]One of them in full:[/] [cyan]{chosen.name}[/]")
    console.print(whole(chosen))
    console.print("\n[bold]Next[/]")
    for line in _next(path):
        console.print(f"  {line}", highlight=False)


def picture(console: Console, spans: Sequence[StoredSpan], target: Path) -> None:
    """The table as an SVG file."""
    canvas = Console(record=True, width=max(console.width, WIDTH), file=io.StringIO(), force_terminal=True)
    canvas.print("[bold]$ opentelemetry-instrument python app.py[/]")
    canvas.print(calls(spans))
    target.parent.mkdir(parents=True, exist_ok=True)
    picture = canvas.export_svg(title="otel-llm demo")
    # Fonts by the reader's machine: a picture in a README asks no other host for anything.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")


def calls(spans: Sequence[StoredSpan]) -> Table:
    """One row a call, oldest first."""
    made = Table(header_style="bold", expand=False, pad_edge=False)
    made.add_column("time", style="dim", no_wrap=True)
    made.add_column("provider / model", overflow="fold")
    made.add_column("operation", no_wrap=True)
    for name in ("in", "out", "cached", "cost $", "first", "total"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("status", no_wrap=True)
    total = 0.0
    for span in spans:
        record = span.record()
        if record is None:
            continue
        total += record.cost.total if record.cost is not None else 0.0
        made.add_row(*_cells(span, record))
    made.caption = (
        f"{len(spans)} calls, ${total:.4f} where the price is known; a blank was not said by the provider"
    )
    made.caption_justify = "left"
    return made


def _cells(span: StoredSpan, record: CallRecord) -> list[Text | str]:
    usage: Usage = record.response.usage
    first, failure = record.time_to_first_chunk, record.response.failure
    name = Text(record.provider, style="cyan")
    name.append(" / ").append(record.request.model or record.response.model or "", style="default")
    return [
        datetime.fromtimestamp(span.start_ns / 1e9).astimezone().strftime("%H:%M:%S"),
        name,
        f"{record.request.operation}{' ⇢' if record.request.stream else ''}",
        _count(usage.input),
        _count(usage.output),
        _count(usage.cache_read),
        "" if record.cost is None else _dollars(record.cost.total),
        "" if first is None else f"{first:.2f}s",
        f"{(span.end_ns - span.start_ns) / 1e9:.2f}s",
        Text(failure.type, style="red")
        if failure is not None
        else Text(record.stream_outcome or "ok", style="green"),
    ]


def _dollars(value: float) -> str:
    return f"{value:.6f}" if value == 0 or value >= 1e-6 else f"{value:.1e}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _telling(spans: Sequence[StoredSpan]) -> StoredSpan:
    """The span to show in full: a stream that says most, and one of ours rather than one that an SDK opened itself."""
    return max(
        spans,
        key=lambda span: (
            span.scope == "otel_llm",
            span.attributes.get(semconv.STREAM_OUTCOME) is not None,
            len(span.attributes),
        ),
    )


def whole(span: StoredSpan) -> Table:
    """A span, attribute by attribute."""
    made = Table(box=None, show_header=False, pad_edge=True)
    made.add_column(style="green", no_wrap=True)
    made.add_column(overflow="fold")
    made.add_row("trace / span", f"{span.trace_id} / {span.span_id}")
    made.add_row("kind, status", f"{span.kind}, {span.status}")
    made.add_row("duration", f"{(span.end_ns - span.start_ns) / 1e9:.3f} s")
    for name in sorted(span.attributes):
        made.add_row(name, Text(_shown(span.attributes[name])))
    return made


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…"


def _next(path: Path | None) -> list[str]:
    keep = "" if path else "   [dim](to keep this run: otel-llm demo --db spans.db)[/]"
    content = "export OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY   [dim](off by default)[/]"
    return [
        f"[bold]your app[/]      opentelemetry-instrument python your_app.py{keep}",
        "[bold]your backend[/]  export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318",
        f"[bold]content[/]       {content}",
    ]
