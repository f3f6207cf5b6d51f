"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end import otlp
from tests.end_to_end.programs import bench

__all__ = ["bench", "collector"]


@pytest.fixture
def collector() -> Iterator[otlp.Collector]:
    with otlp.receive() as made:
        yield made
