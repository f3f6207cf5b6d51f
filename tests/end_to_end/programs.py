"""Unchanged programs, run as a user runs them, against the demo's recorded providers."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from otel_llm.demo import provider
from otel_llm.store import Store

INSTRUMENT = str(Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument")
CALL = """
import httpx
question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hi in Portuguese"}]}
answer = httpx.post("http://api.openai.com/v1/chat/completions", json=question)
print(answer.json()["usage"]["total_tokens"])
"""
"""One call: 75 input tokens, 51 output tokens. It prints 126."""


class Bench:
    """A folder to run programs in, with a clean environment."""

    def __init__(self, folder: Path, proxy: str) -> None:
        self.folder = folder
        self.env = {
            **provider.ADDRESSES,
            "HTTP_PROXY": proxy,
            "http_proxy": proxy,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "OPENAI_API_KEY": "sk-none",
            "ANTHROPIC_API_KEY": "none",
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONPATH": "",
        }

    @property
    def store(self) -> Store:
        """Where spans go when nothing is configured."""
        return Store(self.folder / "state" / "otel-llm" / "spans.db")

    def run(
        self,
        code: str,
        env: Mapping[str, str] | None = None,
        *,
        instrument: bool = True,
        flags: tuple[str, ...] = (),
        python: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        program = self.folder / "program.py"
        program.write_text(textwrap.dedent(code))
        command = [sys.executable, *python, str(program)]
        if instrument:
            command = [INSTRUMENT, *flags, *command]
        return subprocess.run(
            command,
            env={**self.env, **(env or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with provider.serve(speed=20) as proxy:
        yield Bench(tmp_path, proxy)
