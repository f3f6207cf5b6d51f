"""Every setting of the core: its variable, its type, its default and what it does. The only reader of os.environ.

`SETTINGS` is the table; the documentation is generated from it. Standard `OTEL_*` variables that the SDK itself reads
are not repeated here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from otel_llm.errors import ConfigError

CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CONTENT_MODES: Final = ("NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT")
HOOKS: Final = ("httpx", "httpx2", "aiohttp", "requests", "botocore")
REDACTIONS: Final = ("secrets", "email", "phone", "card", "iban", "jwt")


class Settings(Struct, frozen=True, kw_only=True):
    """What the core was told. Defaults keep content private and hosts out of traces."""

    content: str = "NO_CONTENT"
    emit_event: bool | None = None
    content_format: str = "auto"
    metrics: str = "both"
    hooks: tuple[str, ...] = HOOKS
    excluded_hosts: tuple[str, ...] = ()
    adopt: bool = True
    cost: bool = True
    redact: tuple[str, ...] = ("secrets", "jwt")
    redact_function: str = ""
    max_attribute_chars: int = 65_536
    max_span_chars: int = 262_144
    raw_request: bool = False
    propagate_to: tuple[str, ...] = ()
    baggage: str = "none"
    sqlite_path: str = ""

    @property
    def content_on_span(self) -> bool:
        """Whether messages go on the span."""
        return self.content in {"SPAN_ONLY", "SPAN_AND_EVENT"}

    @property
    def content_in_event(self) -> bool:
        """Whether messages go into the details event."""
        return self.content in {"EVENT_ONLY", "SPAN_AND_EVENT"}

    @property
    def events(self) -> bool:
        """Whether the details event is emitted; unset, it follows the content mode."""
        return self.content_in_event if self.emit_event is None else self.emit_event

    @property
    def store_path(self) -> Path:
        """The file of the embedded store."""
        return Path(self.sqlite_path).expanduser() if self.sqlite_path else default_store_path(os.environ)


def default_store_path(env: Mapping[str, str]) -> Path:
    """`spans.db` in the user's state folder."""
    state = env.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(state) / "otel-llm" / "spans.db"


def _choice(*values: str, fold: Callable[[str], str] = str.lower) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if (value := fold(text)) in values:
            return value
        raise ValueError(f"one of {', '.join(values)}")

    return parse


def _boolean(text: str) -> bool:
    value = text.lower()
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off"}:
        return False
    raise ValueError("true or false")


def _names(*values: str) -> Callable[[str], tuple[str, ...]]:
    """A comma list of hosts; with `values`, of these alone, where `all` and `none` stand for the ends."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(one.strip() for one in text.split(",") if one.strip())
        if not values:  # hosts, whose names have no case
            return tuple(one.lower() for one in found)
        if found == ("all",):
            return values
        if found == ("none",):
            return ()
        if any(one not in values for one in found):
            raise ValueError(f"a comma list of {', '.join(values)}, or all, or none")
        return found

    return parse


def _count(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise ValueError("a whole number above 0")


def _content(text: str) -> str:
    """The four modes, and the `true` and `false` of older instrumentations."""
    value = text.upper()
    if value in CONTENT_MODES:
        return value
    try:
        return "SPAN_ONLY" if _boolean(text) else "NO_CONTENT"
    except ValueError:
        raise ValueError(f"one of {', '.join(CONTENT_MODES)}") from None


def _stability(text: str) -> str | None:
    """The GenAI part of the variable that all instrumentations share; None when it says nothing of GenAI."""
    values = [one.strip() for one in text.split(",")]
    if "gen_ai_latest_experimental/dup" in values:
        return "both"
    return "new" if "gen_ai_latest_experimental" in values else None


class Setting(NamedTuple):
    """One row: `parse` turns the variable's text into the value, or raises ValueError with what it expects."""

    field: str
    variable: str
    parse: Callable[[str], Any]
    meaning: str


SETTINGS: Final = (
    Setting(
        "content",
        CONTENT,
        _content,
        "Where prompts, answers and tools are recorded: NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT. "
        "`true` means SPAN_ONLY, `false` NO_CONTENT.",
    ),
    Setting(
        "emit_event",
        "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT",
        _boolean,
        "Whether the event gen_ai.client.inference.operation.details is emitted. Unset: with the two EVENT modes.",
    ),
    Setting(
        "content_format",
        "OTEL_LLM_CONTENT_FORMAT",
        _choice("auto", "structured", "json"),
        "Content on spans as structured values or as JSON text. auto: structured where the SDK takes it (1.45 on).",
    ),
    Setting(
        "metrics",
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        _stability,
        "`gen_ai_latest_experimental`: metrics by their new names alone; `gen_ai_latest_experimental/dup`: both "
        "generations. Other values in the list are for other instrumentations.",
    ),
    Setting(
        "metrics",
        "OTEL_LLM_METRICS",
        _choice("old", "new", "both", "none"),
        "Which generation of metric names is recorded; wins over the variable above.",
    ),
    Setting("hooks", "OTEL_LLM_HOOKS", _names(*HOOKS), "Which HTTP clients are observed."),
    Setting(
        "excluded_hosts",
        "OTEL_LLM_EXCLUDED_HOSTS",
        _names(),
        "Hosts that are never observed; a leading dot means all below that name.",
    ),
    Setting(
        "adopt",
        "OTEL_LLM_ADOPT",
        _boolean,
        "Whether an LLM span that another library has open for the call is enriched, so that no second one is made.",
    ),
    Setting("cost", "OTEL_LLM_COST", _boolean, "Whether calls are priced."),
    Setting(
        "redact",
        "OTEL_LLM_REDACT",
        _names(*REDACTIONS),
        "What is masked in all that is recorded, before it leaves.",
    ),
    Setting(
        "redact_function",
        "OTEL_LLM_REDACT_FUNCTION",
        str,
        "A function of your own, as module:name, that takes each recorded text and returns it masked.",
    ),
    Setting(
        "max_attribute_chars",
        "OTEL_LLM_MAX_ATTRIBUTE_CHARS",
        _count,
        "Characters of one content attribute; longer content is cut with a visible mark.",
    ),
    Setting(
        "max_span_chars",
        "OTEL_LLM_MAX_SPAN_CHARS",
        _count,
        "Characters of all content of one span.",
    ),
    Setting(
        "raw_request",
        "OTEL_LLM_RAW_REQUEST",
        _boolean,
        "Whether each request is also kept as a curl command, its credentials masked.",
    ),
    Setting(
        "propagate_to",
        "OTEL_LLM_PROPAGATE_TO",
        _names(),
        "Hosts that get the W3C trace context with each LLM request; `*` means all. Unset: none.",
    ),
    Setting(
        "baggage",
        "OTEL_LLM_BAGGAGE",
        _choice("none", "in", "out", "both"),
        "Whether user, session and team are read from OpenTelemetry baggage (in) and written to it (out).",
    ),
    Setting(
        "sqlite_path",
        "OTEL_LLM_SQLITE_PATH",
        str,
        "The file of the embedded store. Unset: otel-llm/spans.db in the user's state folder.",
    ),
)


def read(env: Mapping[str, str] | None = None) -> tuple[Settings, list[ConfigError]]:
    """The settings of an environment, and one error for each that had to be left at its default.

    Auto-instrumentation reports the errors and goes on, so that a typing error never stops the program that it
    watches; `init()` raises the first.
    """
    env = os.environ if env is None else env
    found: dict[str, Any] = {}
    errors = []
    for setting in SETTINGS:
        text = env.get(setting.variable, "").strip()
        if not text:
            continue
        try:
            value = setting.parse(text)
        except ValueError as expected:
            kept = getattr(Settings(), setting.field)
            shown = ",".join(kept) if isinstance(kept, tuple) else kept
            errors.append(
                ConfigError(
                    setting.variable,
                    f"is {text!r}, which is not {expected}",
                    f"Set it to {expected}; until then it counts as {shown}.",
                )
            )
        else:
            if value is not None:
                found[setting.field] = value
    unknown = sorted(
        name
        for name in env
        if name.startswith("OTEL_LLM_") and name not in _KNOWN and not name.startswith(_OTHERS)
    )
    errors += [
        ConfigError(name, "is no setting of otel-llm", f"Did you mean {_nearest(name)}? Else remove it.")
        for name in unknown
    ]
    return Settings(**found), errors


_KNOWN: Final = {setting.variable for setting in SETTINGS}
_OTHERS: Final = ("OTEL_LLM_PROXY_", "OTEL_LLM_SINK_", "OTEL_LLM_SPOOL_", "OTEL_LLM_RECORDINGS")
"""Settings of the rooms above the core, which read them themselves."""


def _nearest(name: str) -> str:
    import difflib

    return (difflib.get_close_matches(name, _KNOWN, 1, 0.0) or sorted(_KNOWN))[0]


def environment() -> Mapping[str, str]:
    """The process environment, for the few that hand it on (`create(env)` of a destination)."""
    return os.environ


def set_default(name: str, value: str) -> None:
    """Set a variable of the SDK that nobody has set; an empty one counts as unset."""
    if not os.environ.get(name):
        os.environ[name] = value


def change(name: str, value: str) -> None:
    """Set a variable of the SDK, whoever has set it."""
    os.environ[name] = value


@contextlib.contextmanager
def replaced(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of the SDK with other values, for as long as the block runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """Settings with these fields changed; a text is read as its variable would be. Raises ConfigError."""
    rows = {setting.field: setting for setting in SETTINGS}
    changed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in rows:
            import difflib

            nearest = (difflib.get_close_matches(name, rows, 1, 0.0) or sorted(rows))[0]
            raise ConfigError(name, "is no setting of otel-llm", f"Did you mean {nearest}?")
        default = getattr(Settings(), name)
        text = str(value) if isinstance(value, (bool, int, Path)) else value
        if isinstance(value, (list, tuple, set, frozenset)) and isinstance(default, tuple):
            text = ",".join(str(one) for one in value) or "none"
        if not isinstance(text, str):
            raise ConfigError(
                name, f"is {value!r}, which is no value for it", "Give it as its variable is written."
            )
        if text == "none" and isinstance(default, tuple) and not default:
            changed[name] = ()
            continue
        try:
            changed[name] = rows[name].parse(text)
        except ValueError as expected:
            raise ConfigError(
                name, f"is {value!r}, which is not {expected}", f"Set it to {expected}."
            ) from None
    return msgspec.structs.replace(settings, **changed)
