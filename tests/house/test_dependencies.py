"""How much a program gets with us: docs/decisions/0003-core-dependencies.md counts it, this holds it."""

from __future__ import annotations

import sys
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needs(*names: str) -> set[str]:
    """These distributions and all that they bring, as far as this Python wants it."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                waiting.append(wanted.name)
    return found


THERE = needs("openai", "opentelemetry-sdk")
"""What a program that calls a model and records spans has anyway."""
SENDING = needs("opentelemetry-exporter-otlp-proto-http")
"""What it has when it sends them."""


def test_to_instrument_takes_five_packages_more() -> None:
    ours = needs("otel-llm") - {"otel-llm"} - THERE - SENDING
    assert ours == {"genai-prices", "msgspec", "opentelemetry-instrumentation", "packaging", "wrapt"}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 needs back ports beside these")
def test_the_counts_of_the_decision_are_true() -> None:
    assert len(THERE) == 17
    assert len(SENDING - THERE) == 11
    assert len(needs("otel-llm") | THERE) == 17 + 5 + 11 + 1
