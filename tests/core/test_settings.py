"""A setting is read as documented, and a wrong one costs one clear line."""

from __future__ import annotations

import pytest

from otel_llm import settings
from otel_llm.settings import SETTINGS, Settings


def test_nothing_set_is_private_and_quiet() -> None:
    found, errors = settings.read({})
    assert errors == []
    assert found == Settings()
    assert found.content == "NO_CONTENT"
    assert found.propagate_to == ()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        (settings.CONTENT, "span_only", "content", "SPAN_ONLY"),
        (settings.CONTENT, "true", "content", "SPAN_ONLY"),
        (settings.CONTENT, "False", "content", "NO_CONTENT"),
        (settings.CONTENT, "SPAN_AND_EVENT", "content", "SPAN_AND_EVENT"),
        ("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", "true", "emit_event", True),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental", "metrics", "new"),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental/dup", "metrics", "both"),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup", "metrics", "both"),
        ("OTEL_LLM_METRICS", "old", "metrics", "old"),
        ("OTEL_LLM_HOOKS", "httpx, botocore", "hooks", ("httpx", "botocore")),
        ("OTEL_LLM_HOOKS", "all", "hooks", settings.HOOKS),
        ("OTEL_LLM_HOOKS", "none", "hooks", ()),
        ("OTEL_LLM_EXCLUDED_HOSTS", "a.example, .b.example", "excluded_hosts", ("a.example", ".b.example")),
        ("OTEL_LLM_ADOPT", "0", "adopt", False),
        ("OTEL_LLM_COST", "off", "cost", False),
        ("OTEL_LLM_REDACT", "all", "redact", settings.REDACTIONS),
        ("OTEL_LLM_MAX_SPAN_CHARS", "1000", "max_span_chars", 1000),
        ("OTEL_LLM_BAGGAGE", "Both", "baggage", "both"),
        ("OTEL_LLM_PROPAGATE_TO", "*", "propagate_to", ("*",)),
    ],
)
def test_a_setting_is_read(variable: str, text: str, field: str, value: object) -> None:
    found, errors = settings.read({variable: text})
    assert errors == []
    assert getattr(found, field) == value


def test_our_own_variable_wins_over_the_shared_one() -> None:
    found, _ = settings.read(
        {"OTEL_LLM_METRICS": "old", "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
    )
    assert found.metrics == "old"


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        (settings.CONTENT, "yes please", "NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT"),
        ("OTEL_LLM_METRICS", "newest", "old, new, both, none"),
        ("OTEL_LLM_HOOKS", "httpx,urllib", "botocore"),
        ("OTEL_LLM_REDACT", "names", "email"),
        ("OTEL_LLM_MAX_SPAN_CHARS", "-5", "above 0"),
        ("OTEL_LLM_MAX_ATTRIBUTE_CHARS", "many", "above 0"),
        ("OTEL_LLM_COST", "maybe", "true or false"),
    ],
)
def test_a_wrong_value_is_one_line_that_says_what_to_do(variable: str, text: str, says: str) -> None:
    found, [error] = settings.read({variable: text})
    assert found == Settings()
    message = str(error)
    assert message.startswith(f"{variable} is {text!r}")
    assert says in message
    assert "\n" not in message


def test_an_unknown_setting_is_named_with_the_nearest_known() -> None:
    _, [error] = settings.read({"OTEL_LLM_REDCAT": "email"})
    assert str(error).startswith("OTEL_LLM_REDCAT is no setting of otel-llm. Did you mean OTEL_LLM_REDACT?")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.variable)
def test_each_setting_is_a_field_with_a_meaning(setting: settings.Setting) -> None:
    assert hasattr(Settings(), setting.field)
    assert setting.meaning.endswith(".")


@pytest.mark.parametrize(
    ("content", "emit", "events", "span"),
    [
        ("NO_CONTENT", None, False, False),
        ("SPAN_ONLY", None, False, True),
        ("EVENT_ONLY", None, True, False),
        ("SPAN_AND_EVENT", None, True, True),
        ("NO_CONTENT", True, True, False),
        ("SPAN_AND_EVENT", False, False, True),
    ],
)
def test_events_follow_the_content_mode_unless_told(
    content: str, emit: bool | None, events: bool, span: bool
) -> None:
    found = Settings(content=content, emit_event=emit)
    assert (found.events, found.content_on_span) == (events, span)
