"""The command `otel-llm demo`: run the app, then show what was recorded of it."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from otel_llm import destinations, settings
from otel_llm.demo import provider
from otel_llm.errors import ConfigError
from otel_llm.store import SETTING, Store

APP: Final = Path(__file__).with_name("app.py")
TIMEOUT_SECONDS: Final = 120.0
_NEEDED: Final = ("openai", "anthropic", "rich")
_INSTRUMENT: Final = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
"""What the script `opentelemetry-instrument` holds; the script itself need not be on the path."""


def main(arguments: Sequence[str]) -> int:
    """Run the demo; 0 when every call of the app was seen."""
    asked = _parser().parse_args(arguments)
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError("demo", f"needs {', '.join(missing)}", "pip install 'otel-llm[demo]'")
    from otel_llm.demo import table

    with _database(asked.db) as path, provider.serve(asked.speed) as proxy:
        before = Store(path).count()
        screen = table.screen(record=asked.svg is not None)
        table.introduce(screen, path if asked.db else None)
        status = run_app(_environment(settings.environment(), proxy, path))
        store = Store(path)
        spans = store.spans(store.count() - before, calls_only=True)[::-1]
        if not spans:
            sys.stderr.write("otel-llm demo: no call was seen. Run `otel-llm doctor` to find out why.\n")
            return 1
        table.show(screen, spans, path if asked.db else None)
        if asked.svg is not None:
            table.picture(screen, spans, Path(asked.svg))
    return status


def run_app(env: Mapping[str, str]) -> int:
    """Start the app as a user would; its exit code."""
    command = [sys.executable, "-c", _INSTRUMENT, sys.executable, str(APP)]
    try:
        return subprocess.run(command, env=dict(env), check=False, timeout=TIMEOUT_SECONDS).returncode  # noqa: S603  (our own app)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"otel-llm demo: the app did not end within {TIMEOUT_SECONDS:.0f} seconds.\n")
        return 1


def _environment(env: Mapping[str, str], proxy: str, path: Path) -> dict[str, str]:
    """The app's environment: the user's, with the demo's own telemetry and no way to the outside."""
    kept = {name: value for name, value in env.items() if not name.startswith("OTEL_") or name in _KEPT}
    made = {name: value for name, value in kept.items() if name.lower() not in _PROXIES}
    endpoint = urlsplit(made.get(destinations.ENDPOINT, "")).hostname
    return {
        **made,
        **provider.ADDRESSES,
        **dict.fromkeys(("HTTP_PROXY", "http_proxy"), proxy),
        **({"NO_PROXY": endpoint, "no_proxy": endpoint} if endpoint else {}),
        "OTEL_SERVICE_NAME": "otel-llm-demo",
        "OTEL_PYTHON_DISTRO": "otel_llm",
        "OTEL_TRACES_EXPORTER": "sqlite,otlp" if endpoint else "sqlite",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(_other_instrumentations()),
        SETTING: str(path),
        settings.CONTENT: "SPAN_ONLY",
    }


_KEPT: Final = frozenset({destinations.ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS", destinations.PROTOCOL})
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


def _other_instrumentations() -> list[str]:
    """The demo shows what one instrumentation does alone."""
    from opentelemetry.util._importlib_metadata import entry_points

    names = entry_points(group="opentelemetry_instrumentor").names
    return sorted(name for name in names if name != "otel_llm")


@contextlib.contextmanager
def _database(name: str | None) -> Iterator[Path]:
    if name is not None:
        yield Path(name).expanduser().resolve()
        return
    with tempfile.TemporaryDirectory(prefix="otel-llm-demo-") as folder:
        yield Path(folder) / "spans.db"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="otel-llm demo",
        description="Run an unchanged app against recorded providers and show its LLM calls as spans. "
        "It needs no key and no network. With OTEL_EXPORTER_OTLP_ENDPOINT set, the spans go there too.",
    )
    parser.add_argument("--db", metavar="FILE", help="keep the spans in this SQLite file")
    parser.add_argument("--svg", metavar="FILE", help="also write the table as a picture")
    parser.add_argument("--speed", metavar="N", type=_positive, default=1.0, help="answer N times as fast")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value
