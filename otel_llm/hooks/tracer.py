"""`Tracer.start_span` of the OpenTelemetry SDK: where the LLM spans of other libraries come from.

What is no LLM span passes after one look at its attributes. An LLM span that would repeat a live one becomes its
guest; every other is noted, so that the call that it was opened for finds it, current or not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from opentelemetry.trace import SpanKind

from otel_llm import semconv
from otel_llm.hooks import Door, replace
from otel_llm.shield import report
from otel_llm.telemetry.guest import Guest

_OURS: Final = "otel_llm"
_NATIVE: Final = "mistralai_sdk_tracer"
_SAY_LATER: Final = frozenset({"langfuse-sdk", _NATIVE})
"""Scopes that open their spans bare, and say what they are by attributes that they set at once."""


def patch(module: ModuleType, door: Door) -> Callable[[], None] | None:
    """Wrap the tracer of `opentelemetry.sdk.trace`."""

    def wrap(original: Any) -> Any:
        @functools.wraps(original)
        def start_span(
            self: Any,
            name: str,
            context: Any = None,
            kind: Any = SpanKind.INTERNAL,
            attributes: Any = None,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            observer = door.observer
            adoption = observer.adoption if observer is not None else None
            if adoption is None:
                return original(self, name, context, kind, attributes, *args, **kwargs)
            try:
                scope = self._instrumentation_scope.name
                said = attributes or {}
                relevant = scope != _OURS and (
                    scope in _SAY_LATER or bool(said and semconv.foreign_operation(said))
                )
                if relevant and (said or scope == _NATIVE) and not semconv.is_second_part(said):
                    host = adoption.host(context, scope, said, self.span_processor)
                    if host is not None:
                        guest = Guest(host)
                        guest.set_attributes(said)
                        return guest
            except Exception as error:  # noqa: BLE001  (the shield's rule, without its cost on every span)
                report("tracer", error)
                relevant = False
            span = original(self, name, context, kind, attributes, *args, **kwargs)
            if relevant:
                try:
                    adoption.note(span, context, scope, said, self.span_processor)
                except Exception as error:  # noqa: BLE001  (as above)
                    report("tracer", error)
            return span

        return start_span

    return replace(module.Tracer, "start_span", wrap)
