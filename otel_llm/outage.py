"""One line about an OTLP endpoint that does not answer, where the exporter writes one for each try of each signal."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Final
from urllib.parse import urlsplit

_LOGGERS: Final = ("trace_exporter", "metric_exporter", "_log_exporter")
_TRY_AGAIN: Final = "Transient error"
_GIVEN_UP: Final = "Failed to export %s batch due to timeout"
EVERY_SECONDS: Final = 60.0
_DEEPEST: Final = 8
"""Errors within errors that are looked into."""


class Outage(logging.Filter):
    """Keeps the tries to itself, and tells of a loss once in a while."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._reason: dict[str, tuple[str, str]] = {}
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; it may be another one than it was."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        message = str(record.msg)
        with self._lock:
            if message.startswith(_TRY_AGAIN) and len(arguments) > 1:
                self._reason[str(arguments[1])] = _described(arguments[0])
                return False
            if not message.startswith(_GIVEN_UP) or not arguments:
                return True
            kind = str(arguments[0])
            where, why = self._reason.get(kind, ("the OTLP endpoint", "no answer in time"))
            now = time.monotonic()
            if where in self._told and now - self._told[where] < EVERY_SECONDS:
                return False
            self._told[where] = now
        record.msg = (
            "otel-llm: %s is not reached (%s): a batch of %s was not sent. `otel-llm doctor` tells more."
        )
        record.args = (where, why, kind)
        return True


_outage: Final = Outage()


def watch() -> None:
    """Filter the loggers of the OTLP exporters over HTTP."""
    for name in _LOGGERS:
        logging.getLogger(f"opentelemetry.exporter.otlp.proto.http.{name}").addFilter(_outage)


def _described(error: Any) -> tuple[str, str]:
    """Where and why, in short. The libraries wrap the reason several times."""
    where = "the OTLP endpoint"
    address = getattr(getattr(error, "request", None), "url", None)
    if isinstance(address, str):
        parts = urlsplit(address)
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    for _ in range(_DEEPEST):
        if not isinstance(inner := _inner(error), BaseException):
            break
        error = inner
    return where, str(error).rpartition(": ")[2].strip() or type(error).__name__


def _inner(error: Any) -> Any:
    reason = getattr(error, "reason", None)
    if reason is None and isinstance(error, BaseException) and error.args:
        reason = error.args[0]
    return reason
