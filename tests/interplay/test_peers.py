"""Beside each other instrumentation, in either order: one span bears the tokens of a call, and it has what we add.

`scripts/interplay` makes the environments; `play.py` runs in them.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
HERE: Final = ("native", "native_off")
"""What needs no environment of its own: the SDKs alone, with and without Anthropic's own spans."""
PEERS: Final = ("genai", "openllmetry", "openinference", "logfire", "langfuse")
ORDERS: Final = ("ours_first", "theirs_first")
BEARS: Final = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "llm.token_count.prompt",
    "llm.token_count.completion",
    "langfuse.observation.usage_details",
)


class Expected(NamedTuple):
    """What the recordings of a scenario say: (input, output) of each call whose tokens came, and its outcome."""

    tokens: tuple[tuple[int, int], ...]
    calls: int = 1
    outcome: str | None = None


CHAT: Final = (176, 230)
CHAT_STREAM: Final = (19, 75)
MESSAGE: Final = (12, 21)
MESSAGE_STREAM: Final = (1921, 65)
MESSAGE_BEGUN: Final = (1921, 1)
"""What the first event of the stream says; the rest was not read."""

SCENARIOS: Final = {
    "chat": Expected((CHAT,)),
    "chat_raw": Expected((CHAT,)),
    "chat_stream": Expected((), outcome="completed"),
    "chat_stream_usage": Expected((CHAT_STREAM,), outcome="completed"),
    "chat_closed_early": Expected((), outcome="closed_early"),
    "chat_left_by_break": Expected((), outcome="closed_early"),
    "chat_dropped": Expected((), outcome="closed_early"),
    "chat_async": Expected((CHAT,)),
    "chat_stream_async": Expected((CHAT_STREAM,), outcome="completed"),
    "chat_twice": Expected((CHAT, CHAT_STREAM), calls=2),
    "message": Expected((MESSAGE,)),
    "message_raw": Expected((MESSAGE,)),
    "message_stream": Expected((MESSAGE_STREAM,), outcome="completed"),
    "message_helper": Expected((MESSAGE_STREAM,), outcome="completed"),
    "message_closed_early": Expected((MESSAGE_BEGUN,), outcome="closed_early"),
    "message_helper_left_by_break": Expected((MESSAGE_BEGUN,), outcome="closed_early"),
    "message_async": Expected((MESSAGE,)),
    "message_stream_async": Expected((MESSAGE_STREAM,), outcome="completed"),
    "messages_at_once": Expected((MESSAGE, MESSAGE_STREAM), calls=2),
}

WRONG_OUTPUT: Final = {("openllmetry", 65): 66}
"""OpenLLMetry adds the output tokens of Anthropic's first event to those of its last; it writes after us, on its span."""
TWO_PARTS: Final = "logfire"
"""Logfire ends the span of a stream when it begins, and opens another when it is over; tokens and ours are on that one."""
SUPPRESSES: Final = "logfire"
"""Logfire switches all other instrumentation off inside its calls, that of the HTTP client too."""


def interpreter(peer: str) -> str:
    """The Python of a peer's environment; skips where that was not made."""
    if peer in HERE:
        for sdk in ("openai", "anthropic"):
            if importlib.util.find_spec(sdk) is None:
                pytest.skip(f"{sdk} is not installed")
        return sys.executable
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "otel-llm" / "interplay" / peer / "bin" / "python"
    if not found.exists():
        pytest.skip(f"no environment for {peer}: run scripts/interplay")
    return str(found)


@functools.cache
def played(peer: str, order: str) -> dict[str, Any]:
    """All scenarios under one peer, played once."""
    done = subprocess.run(
        [interpreter(peer), "-m", "tests.interplay.play", peer, order, *(() if peer in HERE else ("http",))],
        cwd=ROOT,
        env={
            **os.environ,
            "OTEL_LLM_RECORDINGS": str(ROOT / "tests" / "wire" / "recorded"),
            "OTEL_SDK_DISABLED": "false",
            "TRACELOOP_TELEMETRY": "false",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return found


PAIRS: Final = [
    *((peer, ORDERS[0]) for peer in HERE),  # nothing to instrument, so no order
    *((peer, order) for peer in PEERS for order in ORDERS),
]


@pytest.fixture(params=PAIRS, ids="-".join, scope="module")
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    interpreter(request.param[0])
    return str(request.param[0]), str(request.param[1])


@pytest.fixture
def peer(pair: tuple[str, str]) -> str:
    return pair[0]


@pytest.fixture
def order(pair: tuple[str, str]) -> str:
    return pair[1]


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def spans(peer: str, order: str, scenario: str) -> list[dict[str, Any]]:
    """What was exported, but for the application's own span."""
    return [span for span in played(peer, order)[scenario]["spans"] if span["scope"] != "app"]


def calls(peer: str, order: str, scenario: str) -> list[dict[str, Any]]:
    """The spans with our id of the call."""
    return [span for span in spans(peer, order, scenario) if "otel_llm.call.id" in span["attributes"]]


def bearers(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [span for span in found if any(name in span["attributes"] for name in BEARS)]


def test_each_call_has_one_span_that_bears_its_tokens(peer: str, order: str, scenario: str) -> None:
    bearing = bearers(spans(peer, order, scenario))
    found = sorted(
        (
            span["attributes"].get("gen_ai.usage.input_tokens"),
            span["attributes"].get("gen_ai.usage.output_tokens"),
        )
        for span in bearing
    )
    expected = SCENARIOS[scenario].tokens
    assert found == sorted((sent, WRONG_OUTPUT.get((peer, got), got)) for sent, got in expected)


def test_each_call_has_one_span_that_we_complete(peer: str, order: str, scenario: str) -> None:
    expected = SCENARIOS[scenario]
    found = calls(peer, order, scenario)
    assert len(found) == expected.calls
    assert all(span["attributes"]["user.id"] == "ada" for span in found)
    assert sum("otel_llm.cost.total" in span["attributes"] for span in found) == len(expected.tokens)
    streamed = [span["attributes"].get("otel_llm.stream.outcome") for span in found]
    if expected.outcome is not None and scenario != "chat_dropped":
        assert streamed == [expected.outcome]
        assert found[0]["attributes"]["gen_ai.response.time_to_first_chunk"] > 0
    elif scenario == "chat_dropped":  # whoever notices first: a library that closes, or the garbage collector
        assert streamed in ([expected.outcome], ["abandoned"])


def test_no_llm_span_appears_beside_those(peer: str, order: str, scenario: str) -> None:
    llm = [span for span in spans(peer, order, scenario) if "httpx" not in span["scope"]]
    first_parts = SCENARIOS[scenario].calls if peer == TWO_PARTS else 0
    others = [span for span in llm if "otel_llm.call.id" not in span["attributes"]]
    assert len(others) <= first_parts
    assert not bearers(others)


def test_every_span_has_its_parent(peer: str, order: str, scenario: str) -> None:
    every = played(peer, order)[scenario]["spans"]
    [app] = [span for span in every if span["scope"] == "app"]
    llm = {span["id"] for span in calls(peer, order, scenario)}
    http = [span for span in every if "httpx" in span["scope"]]
    assert all(span["parent"] == app["id"] for span in every if span not in http and span is not app)
    assert all(span["parent"] in llm for span in http)
    if peer not in HERE and peer != SUPPRESSES:
        assert len(http) == SCENARIOS[scenario].calls


def test_nobody_complains(peer: str, order: str, scenario: str) -> None:
    assert played(peer, order)[scenario]["heard"] == []
    assert played(peer, order)[scenario]["requests"] == SCENARIOS[scenario].calls


def test_calls_are_counted_by_one_library_only(peer: str, order: str) -> None:
    scopes = played(peer, order)["metric_scopes"]
    if peer in {"genai", "openllmetry"}:
        assert scopes
        assert "otel_llm" not in scopes
    elif peer != "logfire":  # its metrics go elsewhere
        assert scopes == ["otel_llm"]
