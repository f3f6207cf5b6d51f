"""The steps between a decoded call and what leaves the process, in their order.

price -> replace media -> redact -> cut to size. Content leaves this module redacted; nothing behind it looks at the
raw exchange. Without content there is little to do, and little is done.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import msgspec

from otel_llm import content, cost, limits, redaction
from otel_llm.errors import ConfigError
from otel_llm.record import CallRecord
from otel_llm.settings import Settings
from otel_llm.shield import report

Step = Callable[[CallRecord], CallRecord]


def build(settings: Settings) -> Step:
    """The pipeline that these settings ask for. Raises ConfigError where a function of the user cannot be loaded."""
    steps: list[Step] = [limits.without_media]
    function = load_function(settings.redact_function) if settings.redact_function else None
    if settings.redact or function is not None:
        steps.append(redaction.Redactor(settings.redact, function))
    steps.append(limits.Limits(settings.max_attribute_chars, settings.max_span_chars))

    def run(record: CallRecord) -> CallRecord:
        if settings.cost:
            record = _priced(record)
        if not content.silent(record):
            for step in steps:
                record = step(record)
        return record

    return run


def _priced(record: CallRecord) -> CallRecord:
    price = cost.price(record)
    if price is not None:
        return msgspec.structs.replace(record, cost=price)
    if (problem := cost.problem()) is not None:
        report("cost", RuntimeError(problem))
    return record


def load_function(name: str) -> Callable[[str], str]:
    """The user's redaction function, named as module:function."""
    module, _, attribute = name.partition(":")
    remedy = "Set it to module:function, importable from where the program runs."
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            "OTEL_LLM_REDACT_FUNCTION", f"names {name!r}, which cannot be loaded: {error}", remedy
        ) from error
    if not callable(function):
        raise ConfigError("OTEL_LLM_REDACT_FUNCTION", f"names {name!r}, which is no function", remedy)
    found: Callable[[str], str] = function
    return found
