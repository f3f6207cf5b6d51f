"""Somebody else's span in the service of one call.

It stays theirs: they name it, set its status and end it. They may end it before the call is over, or drop it without
ending it at all; what the call has to say then goes to the second span that they open for it, or to one of ours.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from otel_llm import semconv
from otel_llm.shield import report

if TYPE_CHECKING:
    from otel_llm.telemetry.adoption import Adoption

_WITHOUT_METRICS: Final = (
    "com.anthropic.sdk.python",
    "mistralai_sdk_tracer",
    "openinference.instrumentation.",
    "langfuse-sdk",
    "logfire.",
)
"""Scopes of libraries that record no GenAI metrics and no details event; with them ours count nothing twice."""
_IN_TWO_PARTS: Final = "logfire."
"""Scopes that end the span of a stream once it has begun, and open a second one for it when it is over."""

Write = Callable[[Any], None]
"""Adds what a finished call has to say to a span that is not ours."""
Own = Callable[[Context], None]
"""Makes a span of ours, in this context, for a finished call."""


class Served(Protocol):
    """The call that a span serves."""

    def overtaken(self) -> None:
        """The span is about to end."""

    def end(self, outcome: Any = None) -> None:
        """The call is over."""


def scope_of(span: Any) -> str:
    """The name of the library that opened a span; "" where it does not say."""
    return getattr(getattr(span, "instrumentation_scope", None), "name", None) or ""


class Adopted:
    """One span, one call. `context` is the one to send in: there the span is current."""

    __slots__ = (
        "__weakref__",
        "_adoption",
        "_call",
        "_own",
        "_span",
        "_write",
        "context",
        "counts",
        "in_two_parts",
        "model",
        "over_at",
        "scope",
        "span_context",
    )

    def __init__(self, adoption: Adoption, span: Any, context: Context, scope: str) -> None:
        self._adoption = adoption
        self._span: Any = span
        self._call: weakref.ref[Served] | None = None
        self._write: Write | None = None
        self._own: Own | None = None
        self.context = context
        self.scope = scope
        self.model = semconv.foreign_model(getattr(span, "attributes", None) or {})
        self.span_context: SpanContext = span.get_span_context()
        self.counts = not self.scope.startswith(_WITHOUT_METRICS)
        self.in_two_parts = self.scope.startswith(_IN_TWO_PARTS)
        self.over_at = 0.0

    @property
    def span(self) -> Any:
        """The span; once the call is over a mere reference to it, so that we keep nothing alive."""
        return self._span

    def serve(self, call: Served) -> None:
        """From now on the call hears of the end of the span."""
        self._call = weakref.ref(call)
        if self._span.is_recording():
            _EndWatch.put_on(self._span, self, self._adoption)

    def about_to_end(self) -> None:
        """What `_EndWatch` calls."""
        call = self._call() if self._call is not None else None
        if call is not None:
            call.overtaken()

    def wait(self) -> None:
        """The span ends while its call goes on, and its library will open another one for the rest."""
        self._adoption.wait(self)

    def finish(self, write: Write, own: Own, end_ns: int, *, failed: bool, streamed: bool) -> None:
        """The call is over. `write` enriches a span of theirs, `own` makes one of ours where theirs is gone."""
        span = self._span
        self.over_at = time.monotonic()
        self._write, self._own = write, own
        if failed:
            self._adoption.release(span)
        if span.is_recording():
            write(span)
            if streamed:
                self._adoption.watch_over(span, end_ns)
        self._span = NonRecordingSpan(self.span_context)
        self.context = Context()

    def continued(self, span: Any) -> None:
        """The library's second span is there."""
        call = self._call() if self._call is not None else None
        if call is not None:
            call.end("closed_early")
        if self._write is not None:
            self._write(span)

    def orphaned(self) -> None:
        """No second span has come."""
        call = self._call() if self._call is not None else None
        if call is not None:
            call.end("abandoned")
        if self._own is not None:
            self._own(trace.set_span_in_context(NonRecordingSpan(self.span_context), Context()))


class _EndWatch:
    """Stands before the `end` of one span, so that there is time to write.

    The SDK tells processors of the ending only once attributes are closed. It sits on the span itself, holds it
    weakly, and goes away when it is used.
    """

    __slots__ = ("_adopted", "_adoption", "_span")

    def __init__(self, span: Any, adopted: Adopted, adoption: Adoption) -> None:
        self._span = weakref.ref(span)
        self._adopted = weakref.ref(adopted)
        self._adoption = adoption

    @classmethod
    def put_on(cls, span: Any, adopted: Adopted, adoption: Adoption) -> None:
        """On a span of the SDK; one of another make that takes no attribute does without."""
        try:
            span.__dict__["end"] = cls(span, adopted, adoption)
        except (AttributeError, TypeError):
            return

    def __call__(self, end_time: int | None = None) -> None:
        span = self._span()
        if span is None:
            return
        span.__dict__.pop("end", None)
        try:
            adopted = self._adopted()
            if adopted is not None:
                adopted.about_to_end()
            self._adoption.ended(span)
        except Exception as error:  # noqa: BLE001  (as shield does; the span must end whatever we do)
            report("adopted end", error)
        span.end(end_time)
