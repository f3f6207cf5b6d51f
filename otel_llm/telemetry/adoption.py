"""Adopt or create: find the LLM span that somebody else has opened for the call that is about to go out.

Two kinds of such a span exist: the one that is current while the request is sent, and the one that its library opened
but did not make current (a stray). Either must be an LLM call's span of the same kind of operation, must not name
another model, must end where our spans end, and must not have served a call already. A span of an agent, a workflow
or a tool is a parent, never the call itself.

docs/decisions/0007-adopt-or-create.md tells why it is done this way.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, Tracer
from opentelemetry.trace.propagation import _SPAN_KEY

from otel_llm import semconv
from otel_llm.telemetry.adopted import Adopted, scope_of

_GENERATION: Final = frozenset({"chat", "text_completion", "generate_content", "completion"})
_MAX_STRAYS: Final = 4
_MAX_WAITING: Final = 64


class _Started(NamedTuple):
    """An LLM span of somebody else, as it started."""

    span: weakref.ref[Any]
    around: int | None
    """Id of the span that was current then; 0: there was none, None: it could be any."""


class _Left(NamedTuple):
    """What is left of a span that was not sampled."""

    scope: str
    attributes: Mapping[str, Any]


_started: ContextVar[tuple[_Started, ...]] = ContextVar("otel_llm_started", default=())
"""The last LLM spans that started here, newest first."""


def bare(span: Any) -> Any:
    """The SDK's span below the wrappers that libraries put around it; below a `Guest`, its host."""
    for _ in range(4):
        inner = getattr(span, "__wrapped__", None)
        if inner is None:
            inner = getattr(span, "span", None)
        if not isinstance(inner, Span):
            break
        span = inner
    return span


class Adoption:
    """Which spans serve, or have served, for which call. Spans are held weakly.

    Args:
        tracer: of our own spans; a span that ends in another pipeline is nothing that we could add to.
        later: does a thing in another thread; asked from within destructors.
    """

    def __init__(self, tracer: Tracer, later: Callable[..., None]) -> None:
        self._tracer: Any = tracer
        self._later = later
        self._lock = threading.Lock()
        self._serving: weakref.WeakSet[Any] = weakref.WeakSet()
        self._pipelines: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._sampled_out: weakref.WeakKeyDictionary[Any, _Left] = weakref.WeakKeyDictionary()
        self._waiting: list[Adopted] = []
        self._watched: dict[int, tuple[weakref.ref[Any], int]] = {}

    def find(self, context: Context, operation: str, model: str | None) -> Adopted | None:
        """The span to adopt for this call, if there is one; it then serves until the call has failed."""
        started = _started.get()
        if not started and _SPAN_KEY not in context:
            return None
        current: Any = trace.get_current_span(context)
        if current is INVALID_SPAN and not started:
            return None
        current = bare(current)
        if self._take(current, operation, model):
            return self._adopted(current, context)
        around = current.get_span_context().span_id
        for one in started:
            if one.around in {around, None}:
                span = one.span()
                if span is not None and self._take(span, operation, model):
                    return self._adopted(span, context)
        return None

    def _adopted(self, span: Any, context: Context) -> Adopted:
        left = self._sampled_out.get(span)
        scope = scope_of(span) if left is None else left.scope
        return Adopted(self, span, trace.set_span_in_context(span, context), scope)

    def covers(self, context: Context) -> bool:
        """Whether an LLM span is current: its library may have switched all others off, but it is there to adopt."""
        current = bare(trace.get_current_span(context))
        return current is not INVALID_SPAN and self._fits(current, "", None)

    def parent(self, context: Context) -> Context:
        """Where a span of ours belongs: not below a span that ends in another pipeline than ours."""
        if _SPAN_KEY not in context:
            return context
        current = bare(trace.get_current_span(context))
        if current is INVALID_SPAN or not self._abroad(current):
            return context
        around = getattr(current, "parent", None)
        return trace.set_span_in_context(
            NonRecordingSpan(around) if around is not None else INVALID_SPAN, context
        )

    def host(
        self, context: Context | None, scope: str, attributes: Mapping[str, Any], pipeline: Any
    ) -> Any | None:
        """The live LLM span that a span about to start would repeat: the same call, told by another library."""
        operation = semconv.foreign_operation(attributes) or ""
        model = semconv.foreign_model(attributes)
        current = bare(trace.get_current_span(context))
        around = current.get_span_context().span_id
        for span in (current, *(one.span() for one in _started.get() if one.around in {around, None})):
            if (
                span is not None
                and span.is_recording()
                and scope_of(span) != scope
                and self._pipelines.get(span, pipeline) is pipeline
                and self._fits(span, operation, model)
            ):
                return span
        return None

    def note(
        self, span: Any, context: Context | None, scope: str, attributes: Mapping[str, Any], pipeline: Any
    ) -> None:
        """An LLM span of somebody else has started."""
        if semconv.is_second_part(attributes):
            self._second_part(span, attributes)
            return
        if not span.is_recording():
            self._sampled_out[span] = _Left(scope, attributes)
        self._pipelines[span] = pipeline
        current: Any = trace.get_current_span(context)
        # A parent that does not record was made up for this span, or stands for one that was not sampled.
        made_up = current is not INVALID_SPAN and not current.is_recording()
        around = None if made_up else current.get_span_context().span_id
        _started.set((_Started(weakref.ref(span), around), *_started.get()[: _MAX_STRAYS - 1]))

    def _take(self, span: Any, operation: str, model: str | None) -> bool:
        if not self._fits(span, operation, model) or self._abroad(span):
            return False
        with self._lock:
            if span in self._serving:
                return False
            self._serving.add(span)
            return True

    def release(self, span: Any) -> None:
        """The call has failed: the next one under this span is its next attempt."""
        with self._lock:
            self._serving.discard(span)

    def _fits(self, span: Any, operation: str, model: str | None) -> bool:
        """Whether a span is that of a call like this one, and has not found its call yet. "" is any operation."""
        if span.is_recording():
            attributes = getattr(span, "attributes", None)
        else:
            left = self._sampled_out.get(span)
            attributes = left.attributes if left is not None else None
        theirs = semconv.foreign_operation(attributes) if attributes else None
        if attributes is None or theirs is None or span in self._serving:
            return False
        if operation and theirs != operation and not (theirs in _GENERATION and operation in _GENERATION):
            return False
        named = semconv.foreign_model(attributes)
        return named is None or model is None or _last_part(named) == _last_part(model)

    def _abroad(self, span: Any) -> bool:
        theirs = self._pipelines.get(span)
        if theirs is None:
            return False
        tracer = self._tracer
        for _ in range(4):  # the API's proxy, Logfire's, the SDK's own
            ours = getattr(tracer, "span_processor", None)
            if ours is not None:
                return ours is not theirs
            tracer = getattr(tracer, "_tracer", None) or getattr(tracer, "tracer", None)
        return False

    # What outlives its span.

    def wait(self, adopted: Adopted) -> None:
        """The library has ended its span, and will open a second one for the rest of the call."""
        with self._lock:
            self._waiting.append(adopted)
            pushed = self._waiting[:-_MAX_WAITING]
            del self._waiting[:-_MAX_WAITING]
        for one in pushed:
            one.orphaned()

    def _second_part(self, span: Any, attributes: Mapping[str, Any]) -> None:
        """Hand over what the first part could not take: it follows at once on the call that finished last."""
        scope, model = scope_of(span), semconv.foreign_model(attributes)
        if not span.is_recording():
            return
        with self._lock:
            fits = [one for one in self._waiting if one.scope == scope and one.model == model]
            if not fits:
                return
            adopted = max(fits, key=lambda one: one.over_at)
            self._waiting.remove(adopted)
        adopted.continued(span)

    def watch_over(self, span: Any, end_ns: int) -> None:
        """Its call has ended at `end_ns`. Should the span be dropped without having ended, it is exported all the same.

        What its library has said so far, under its own id, so that its children have their parent.
        """
        pipeline = self._pipelines.get(span)
        if pipeline is None:
            return
        self._watched[id(span)] = weakref.ref(span), end_ns
        weakref.finalize(span, self._dropped, id(span), pipeline, _as_it_is(span, end_ns)).atexit = False

    def _dropped(self, key: int, pipeline: Any, left: ReadableSpan) -> None:
        if self._watched.pop(key, None) is not None:
            self._later(pipeline.on_end, left)

    def ended(self, span: Any) -> None:
        """A span that served has ended."""
        self._watched.pop(id(span), None)

    def forked(self) -> None:
        """This process is a new child: what waits is the parent's."""
        self._lock = threading.Lock()
        self._waiting = []
        self._watched = {}

    def settle(self) -> None:
        """The program ends: what libraries have left lying gets a span of ours."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for adopted in waiting:
            adopted.orphaned()
        while self._watched:
            _, (dropped, end_ns) = self._watched.popitem()
            span = dropped()
            if span is not None and span.is_recording():
                span.end(end_ns)


def _as_it_is(span: Any, end_ns: int) -> ReadableSpan:
    """What can be exported of a span that has not ended; its attributes are those of the span, later ones included."""
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=end_ns,
        instrumentation_scope=span.instrumentation_scope,
    )


def _last_part(model: str) -> str:
    """`gpt-4o` of `openai/gpt-4o` and of `models/gpt-4o`."""
    return model.rpartition("/")[2].lower()
