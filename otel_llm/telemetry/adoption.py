"""Find the LLM span that somebody has already opened for the call that is about to go out.

That is the current span when it is an LLM span of the same kind of operation, is recording, and has not been adopted
by a call that succeeded. A span of an agent, a workflow or a tool is a parent, never the call itself.
"""

from __future__ import annotations

import weakref
from typing import Any

from opentelemetry.trace import Span

from otel_llm import semconv

_GENERATION = frozenset({"chat", "text_completion", "generate_content", "completion"})


class Adoption:
    """Which spans have served for which call. Spans are held weakly."""

    def __init__(self) -> None:
        self._done: weakref.WeakSet[Any] = weakref.WeakSet()

    def find(self, current: Span, operation: str) -> Span | None:
        """The span to adopt for a call of this operation, if there is one."""
        attributes = getattr(current, "attributes", None)
        if (
            not attributes
            or not current.is_recording()
            or semconv.CALL_ID in attributes
            and current in self._done
        ):
            return None
        theirs = semconv.foreign_operation(attributes)
        if theirs is None or current in self._done:
            return None
        same = theirs == operation or (theirs in _GENERATION and operation in _GENERATION)
        return current if same else None

    def succeeded(self, span: Span) -> None:
        """A later call under this span is another call."""
        self._done.add(span)
