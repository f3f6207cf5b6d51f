"""The one door for hooks and proxy: `begin` a request, `feed` it chunks, `end` it.

`begin` gives a `Call` for an LLM call and None for everything else. Nothing here raises: a fault of ours is logged,
and the call goes on as if nobody watched.
"""

from __future__ import annotations

import functools
import os
import re
import threading
import time
import weakref
from array import array
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final

import msgspec
from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace import Link, Span, TracerProvider
from opentelemetry.trace.propagation import _SPAN_KEY

from otel_llm import cost, raw_request, semconv
from otel_llm.attempts import Attempts
from otel_llm.context import caller as current_caller
from otel_llm.ids import new_id
from otel_llm.reaper import reaper
from otel_llm.record import NOBODY, Caller, CallRecord, Failure, Json, Outcome, Request, Response
from otel_llm.settings import Settings
from otel_llm.shield import report, shield, shielded
from otel_llm.telemetry import spans
from otel_llm.telemetry.adopted import Adopted
from otel_llm.telemetry.adoption import Adoption
from otel_llm.telemetry.events import Events
from otel_llm.telemetry.metrics import Metrics
from otel_llm.wire import catalog, exchange, providers
from otel_llm.wire.protocol import Ask, Wire

_IN_CALL: Final = otel_context.create_key("otel_llm.in_call")
_SUPPRESS: Final = _SUPPRESS_INSTRUMENTATION_KEY
_RETRYABLE: Final = frozenset({408, 409, 425, 429})
CANCELLED: Final = frozenset({"CancelledError", "Cancelled"})
"""What asyncio and trio raise into a task that is cancelled."""
_LAST_EVENT: Final = re.compile(rb'(?:\A|\n)data: ?(?:\[DONE\]|\{ *"type": *"message_stop" *\})\s*\Z')
"""With this a stream has said all: some SDKs read no further, and leave the answer open as long as their client lives."""
_LAST_EVENT_BYTES: Final = 96
_MAX_GAPS: Final = 10_000
_NO_RESPONSE: Final = Response()

Pipeline = Callable[[CallRecord], CallRecord]


class Observer:
    """Turns exchanges into spans, metrics and events.

    Args:
        settings: what the user asked for.
        pipeline: the steps of `pipeline.build`.
        tracer_provider: whose spans; None: the global one.
        metrics: the instruments.
        events: the details event; None: none.
        version: of this distribution, for the scope.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        metrics: Metrics,
        events: Events | None,
        tracer_provider: TracerProvider | None = None,
        version: str = "",
    ) -> None:
        self.settings = settings
        self.pipeline = pipeline
        self.metrics = metrics
        self.events = events
        self.tracer = trace.get_tracer("otel_llm", version, tracer_provider, semconv.SCHEMA_URL)
        self.structured = settings.content_format == "structured" or (
            settings.content_format == "auto" and spans.takes_structures()
        )
        self.content = settings.content_on_span or (settings.events and settings.content_in_event)
        self.attempts = Attempts()
        self.live: set[Call] = set()
        self.reaper = reaper
        self._cold = settings.cost
        self.adoption = Adoption(self.tracer, self.reaper.later) if settings.adopt else None
        _observers.add(self)

    def begin(
        self,
        method: str,
        url: object,
        host: str,
        path: str,
        headers: Mapping[str, str],
        body: Callable[[], bytes | Json],
        *,
        port: int | None = None,
        query: str = "",
        client: object = None,
        caller: Caller | None = None,
    ) -> Call | None:
        """Start to observe a request, if it is an LLM call.

        `headers` answers lower-case names. `body` is asked for its bytes only when the path could be an LLM call; it
        may give the fields of a form instead, or None when nothing can be had without consuming it. `caller` is for
        those who know better than the context.
        """
        rows = catalog.candidates(method, path)
        if not rows:
            return None
        try:
            current = otel_context.get_current()
            if _IN_CALL in current:
                return None
            # A library may switch all others off for its call; its span is there to be adopted all the same.
            silent = bool(current.get(_SUPPRESS) or current.get("suppress_instrumentation"))
            if silent and (self.adoption is None or not self.adoption.covers(current)):
                return None
            if self.settings.excluded_hosts and _excluded(host, self.settings.excluded_hosts):
                return None
            sent = body()
            data = sent if isinstance(sent, bytes) else None
            ask = Ask(
                method=method,
                host=host,
                port=port,
                path=path,
                query=query,
                headers=headers,
                body=sent if data is None else exchange.read_body(_type_of(headers, data), data),
            )
            wire = catalog.recognise(ask, rows)
            if wire is None:
                return None
            who = current_caller(current) if caller is None else caller
            return self._open(ask, wire, data, url, current, client, who, silent)
        except Exception as error:  # noqa: BLE001  (as shield does, without its cost on every call)
            report("begin", error)
            return None

    def _open(
        self,
        ask: Ask,
        wire: Wire,
        data: bytes | None,
        url: object,
        current: otel_context.Context,
        client: object,
        who: Caller,
        silent: bool,
    ) -> Call | None:
        if self._cold:
            self._cold = False
            cost.warm()
        request = wire.read_request(ask, self.content)
        attempt, earlier = self.attempts.find(client, data, ask.headers)
        if who.user is None and request.user is not None:
            who = msgspec.structs.replace(who, user=request.user)
        wants_raw = self.settings.raw_request or who.raw_request
        start_ns = time.time_ns()
        record = CallRecord(
            id=new_id(start_ns),
            provider=request.provider or providers.provider_of(ask, wire),
            request=request,
            response=_NO_RESPONSE,
            start_ns=start_ns,
            end_ns=start_ns,
            server_address=ask.host or None,
            server_port=ask.port,
            caller=who,
            attempt=attempt,
            raw_request=raw_request.as_curl(ask.method, str(url), _pairs(ask.headers), data)
            if wants_raw
            else None,
        )
        adopted = None
        if self.adoption is not None:
            adopted = self.adoption.find(current, request.operation, request.model)
            if adopted is None:
                current = self.adoption.parent(current)
        if adopted is not None:
            span, current = adopted.span, adopted.context
        elif silent:
            return None
        else:
            links = [Link(earlier)] if earlier is not None else []
            span = spans.start(self.tracer, record, current, links)
            current = otel_context.Context({**current, _SPAN_KEY: span, _IN_CALL: True})
        call = Call(
            self,
            wire,
            record,
            span,
            current if adopted is None else otel_context.set_value(_IN_CALL, True, current),
            adopted=adopted,
            retry_key=(_weak(client), data),  # a call that lives must not keep its client alive
        )
        if adopted is not None:
            adopted.serve(call)
        return call

    def own_span(self, record: CallRecord, parent: otel_context.Context) -> None:
        """A span of ours for a finished call whose adopted span was lost."""
        with shield("own span"):
            span = spans.start(self.tracer, record, parent, ())
            spans.finish(span, record, self.settings.content_on_span, self.structured)

    def inject(self, call: Call, set_header: Callable[[str, str], None]) -> None:
        """Hand the trace context to the host, if the user asked for that."""
        hosts = self.settings.propagate_to
        if hosts and ("*" in hosts or _excluded(call.record.server_address or "", hosts)):
            with shield("inject"):
                carrier: dict[str, str] = {}
                propagate.inject(carrier, call.context)
                for name, value in carrier.items():
                    set_header(name, value)

    def shutdown(self) -> None:
        """End what is still open, so that a program that leaves mid-stream loses no span."""
        if self.adoption is not None:
            self.adoption.settle()
        self.reaper.settle()
        for call in list(self.live):
            call.end("abandoned")

    def forked(self) -> None:
        """This process is a new child: what was open at the fork is the parent's to end."""
        for call in self.live:
            call.disown()
        self.live = set()
        self.attempts = Attempts()
        if self.adoption is not None:
            self.adoption.forked()


_observers: weakref.WeakSet[Observer] = weakref.WeakSet()
"""All that are alive; one that was replaced lives as long as its calls."""


def end_all() -> None:
    """The program ends: end what is open, whichever observer began it."""
    for one in list(_observers):
        shielded("exit", one.shutdown)


def _forked() -> None:
    for one in list(_observers):
        shielded("fork", one.forked)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Call:
    """One LLM call under way. `with call:` makes its span current; keep that to the sending itself."""

    __slots__ = (
        "__weakref__",
        "_adopted",
        "_fed",
        "_gaps",
        "_last",
        "_observer",
        "_once",
        "_reader",
        "_retry_key",
        "_start",
        "_status",
        "_streams",
        "_token",
        "_wire",
        "context",
        "record",
        "span",
    )

    def __init__(
        self,
        observer: Observer,
        wire: Wire,
        record: CallRecord,
        span: Span,
        context: otel_context.Context,
        *,
        adopted: Adopted | None,
        retry_key: tuple[Callable[[], object], bytes | None],
    ) -> None:
        self._observer = observer
        self._wire = wire
        self.record = record
        self.span = span
        self.context = context
        self._adopted = adopted
        self._retry_key = retry_key
        self._start = time.perf_counter()
        self._reader: exchange.Reader | None = None
        self._status = 0
        self._streams = False
        self._fed = False
        self._last = 0.0
        self._gaps: array[float] | None = None
        self._once = threading.Lock()  # taken by the first who ends the call; nobody ever waits for it
        self._token: Any = None

    def __enter__(self) -> Call:
        try:
            self._token = otel_context.attach(self.context)
        except Exception as error:  # noqa: BLE001  (as shield does, without its cost on every call)
            report("attach", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if kind is GeneratorExit and otel_context.get_current() is not self.context:
            return  # a coroutine that is destroyed elsewhere: its own context is gone, and so is what we put there
        if token is not None:
            otel_context.detach(token)

    def answered(
        self, status: int, headers: Mapping[str, str], *, encoded: bool = True, streams: bool = False
    ) -> None:
        """The status and headers are there.

        `encoded`: the bytes to come still have their content encoding. `streams`: they are yet to come.
        """
        try:
            self._status = status
            self._streams = streams
            observer = self._observer
            # A span that no sampler wanted, without metrics, needs no decoding.
            if self.span.is_recording() or self._adopted or observer.metrics.enabled:
                self._reader = exchange.Reader(
                    self._wire, self.record.request, status, headers, observer.content, encoded=encoded
                )
            if streams:
                observer.live.add(self)
                if observer.metrics.enabled:
                    self._gaps = array("d")
            if streams or self._adopted is not None:
                observer.reaper.start()
        except Exception as error:  # noqa: BLE001  (as shield does, without its cost on every call)
            report("answered", error)

    def feed(self, chunk: bytes) -> None:
        """Bytes of the answer, as they pass by."""
        try:
            if self._streams:
                if not self._fed or self._gaps is not None:
                    self._clock(time.perf_counter())
                if (reader := self._reader) is not None:
                    reader.feed(chunk)
                    tail = chunk[-_LAST_EVENT_BYTES:]
                    if (b"[DONE]" in tail or b"message_stop" in tail) and _LAST_EVENT.search(tail):
                        self.end("completed")
            elif (reader := self._reader) is not None:
                reader.feed(chunk)
        except Exception as error:  # noqa: BLE001  (as shield does, without its cost on every chunk)
            self._reader = None
            report("feed", error)

    def _clock(self, now: float) -> None:
        """The first chunk, and for metrics the time between the others."""
        if not self._fed:
            self._fed = True
            self.record = msgspec.structs.replace(self.record, time_to_first_chunk=now - self._start)
        elif self._gaps is not None and len(self._gaps) < _MAX_GAPS:
            self._gaps.append(now - self._last)
        self._last = now

    def abandon(self, outcome: Outcome = "abandoned") -> None:
        """The stream was garbage collected: note the time, and let another thread end the span."""
        if not self._once.locked():
            shielded("abandon", self._observer.reaper.later, self.end, outcome, None, time.perf_counter())

    def disown(self) -> None:
        """The span is another process's."""
        self._once.acquire(blocking=False)

    def overtaken(self) -> None:
        """The adopted span is about to end, though the call goes on: say now what there is to say.

        A stream of which nothing has come yet is yet to be told, by the second span that some libraries open for it,
        else by one of ours.
        """
        adopted = self._adopted
        if self._once.locked() or adopted is None:
            return
        if self._fed:
            self.end("closed_early")
        elif adopted.in_two_parts and self.record.request.stream:
            adopted.wait()
        else:
            self._adopted = None
            self.span = spans.start(self._observer.tracer, self.record, adopted.context, ())

    def end(
        self, outcome: Outcome | None = None, error: BaseException | None = None, at: float | None = None
    ) -> None:
        """The call is over: once, whatever ends it first. `outcome` is for streams; `error` is what broke it.

        A stream that is closed after its last event counts as completed: few SDKs read on to the end of the body.
        """
        if not self._once.acquire(blocking=False):
            return
        try:
            self._observer.live.discard(self)
            self._close(outcome, error, time.perf_counter() if at is None else at)
        except Exception as fault:  # noqa: BLE001  (as shield does, without its cost on every call)
            report("end", fault)
        self._reader = None  # the program may keep the answer, and with it this call, for long

    def _close(self, outcome: Outcome | None, error: BaseException | None, at: float) -> None:
        record = self._read(outcome, error, at)
        observer = self._observer
        failed = record.response.failure is not None
        if failed and (error is not None or self._status in _RETRYABLE or self._status >= 500):
            observer.attempts.note(self._retry_key, self.span.get_span_context(), record.attempt or 1)
        try:
            record = observer.pipeline(record)
        except Exception as fault:  # noqa: BLE001  (what could not be redacted must not leave)
            report("pipeline", fault)
            record = _bare(record)
        self.record = record
        self._tell(record, failed)

    def _read(self, outcome: Outcome | None, error: BaseException | None, at: float) -> CallRecord:
        """The whole call as far as it came, and how it went."""
        record, reader = self.record, self._reader
        try:
            response = reader.finish() if reader is not None else _NO_RESPONSE
        except Exception as fault:  # noqa: BLE001  (an answer that breaks a decoder must not cost the span)
            report(f"decode {self._wire.name}", fault)
            response = _NO_RESPONSE
        # As a stream of events, whatever was asked for, and however the program reads it.
        folded = reader is not None and reader.streamed
        streamed = 0 < self._status < 400 and (record.request.stream or folded)
        if error is not None:
            response = msgspec.structs.replace(response, failure=_failure(error))
            outcome = "cancelled" if type(error).__name__ in CANCELLED else "failed"
        elif response.failure is not None:
            outcome = "failed"
        elif outcome in {"closed_early", "abandoned"} and reader is not None and reader.finished(response):
            outcome = "completed"
        return msgspec.structs.replace(
            record,
            response=response,
            end_ns=record.start_ns + int((at - self._start) * 1e9),
            stream_outcome=(outcome or "completed") if streamed else None,
            time_to_first_chunk=record.time_to_first_chunk if streamed else None,
        )

    def _tell(self, record: CallRecord, failed: bool) -> None:
        """The span, the metrics, the event."""
        observer, settings, adopted = self._observer, self._observer.settings, self._adopted
        if adopted is None:
            spans.finish(self.span, record, settings.content_on_span, observer.structured)
        else:
            adopted.finish(
                functools.partial(
                    spans.enrich,
                    record=record,
                    content=settings.content_on_span,
                    structured=observer.structured,
                ),
                functools.partial(observer.own_span, record),
                record.end_ns,
                failed=failed,
                streamed=bool(self._streams or record.request.stream),
            )
        # What the library of an adopted span counts itself would be counted twice.
        counts = adopted is None or not adopted.counts
        if counts and observer.metrics.enabled:
            with shield("metrics"):
                observer.metrics.record(record, self._gaps or ())
        if counts and observer.events is not None and settings.events:
            with shield("event"):
                observer.events.emit(record, self.context, settings.content_in_event)
        if adopted is not None:
            self.span, self.context = adopted.span, adopted.context


def _type_of(headers: Mapping[str, str], data: bytes) -> str:
    """The content type, where the body does not speak for itself; some clients' headers are slow to ask."""
    return "" if data[:1] == b"{" else headers.get("content-type", "")


def _bare(record: CallRecord) -> CallRecord:
    """A record without anything that a redaction might have masked."""
    failure = record.response.failure
    return CallRecord(
        id=record.id,
        provider=record.provider,
        request=Request(
            operation=record.request.operation, model=record.request.model, stream=record.request.stream
        ),
        response=Response(
            id=record.response.id,
            model=record.response.model,
            usage=record.response.usage,
            finish_reasons=record.response.finish_reasons,
            failure=Failure(failure.type) if failure is not None else None,
        ),
        start_ns=record.start_ns,
        end_ns=record.end_ns,
        server_address=record.server_address,
        server_port=record.server_port,
        caller=NOBODY,
        stream_outcome=record.stream_outcome,
        attempt=record.attempt,
    )


def _failure(error: BaseException) -> Failure:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Failure(name, str(error)[:1024] or None)


def _excluded(host: str, patterns: Iterable[str]) -> bool:
    return any(host == one or (one.startswith(".") and host.endswith(one)) for one in patterns)


def _weak(client: object) -> Callable[[], object]:
    try:
        return weakref.ref(client)
    except TypeError:
        return lambda: client


def _pairs(headers: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    return ((str(name), str(value)) for name, value in headers.items())
