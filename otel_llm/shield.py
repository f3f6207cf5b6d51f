"""The one place that swallows an exception: what goes wrong in us never reaches the program that we watch.

Each kind of trouble is logged once with its traceback, then only counted, so that a fault in a hot path cannot flood
a log. `KeyboardInterrupt` and `SystemExit` pass: they are not ours to stop.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

_logger = logging.getLogger("otel_llm")
_MAX_KINDS = 256

Result = TypeVar("Result")

troubles: Counter[str] = Counter()
"""How often each shielded place has failed, by `place: exception type`; `otel-llm doctor` shows it."""


class shield:  # noqa: N801  (used as a statement: `with shield("begin"):`)
    """A block that may fail without anybody noticing but the log."""

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        if not isinstance(error, Exception):
            return False
        report(self._place, error)
        return True


def shielded(place: str, work: Callable[..., Result], *args: Any) -> Result | None:
    """The result of `work(*args)`, or None when it failed."""
    try:
        return work(*args)
    except Exception as error:  # noqa: BLE001  (the shield is where they end)
        report(place, error)
        return None


def report(place: str, error: Exception) -> None:
    """Count a trouble and log the first of its kind."""
    try:
        kind = f"{place}: {type(error).__name__}"
        if kind not in troubles and len(troubles) >= _MAX_KINDS:
            kind = "others"
        troubles[kind] += 1
        if troubles[kind] == 1:
            _logger.warning(
                "otel-llm failed while it observed a call (%s); the call itself is not affected",
                kind,
                exc_info=error,
            )
    except Exception:  # noqa: BLE001, S110  (a broken logging set-up is no reason to break the program)
        pass
