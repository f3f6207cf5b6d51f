"""What a program says about its calls: user, session, team, tags, metadata, prompt.

It travels in the OpenTelemetry context, so it follows tasks, `asyncio.to_thread` and whatever else carries that
context; with `OTEL_LLM_BAGGAGE` also across processes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from opentelemetry import baggage
from opentelemetry import context as otel_context

from otel_llm import semconv
from otel_llm.record import NOBODY, Caller

_KEY = otel_context.create_key("otel_llm.caller")
_BAGGAGE = {semconv.USER: "user", semconv.SESSION: "session", semconv.TEAM: "team"}
MAX_METADATA = 32
"""Metadata keys of one call, so that they cannot push a span's own attributes over the SDK's limit."""

Function = TypeVar("Function", bound=Callable[..., Any])


class context:  # noqa: N801  (used as a statement: `with otel_llm.context(user="ada"):`)
    """Say something about all LLM calls made inside: a `with` block, or a decorator of a function, async or not.

    Blocks nest: what an inner one does not say, the outer one has said; tags and metadata add up.

    Args:
        user: the end user's id.
        session: the session's or thread's id.
        team: the team whose destinations shall get the spans.
        tags: words to find the calls by.
        metadata: further facts; values are texts, numbers, booleans or lists of these.
        prompt: the template in use: its name, or `{"name": ..., "version": ..., "variables": {...}}`.
        raw_request: whether the request shall be kept as a curl command.
    """

    def __init__(
        self,
        *,
        user: str | None = None,
        session: str | None = None,
        team: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        prompt: str | Mapping[str, Any] | None = None,
        raw_request: bool = False,
    ) -> None:
        if isinstance(tags, str):
            tags = (tags,)
        template: dict[str, Any] = {"name": prompt} if isinstance(prompt, str) else dict(prompt or {})
        if unknown := template.keys() - {"name", "version", "variables"}:
            raise TypeError(
                f"prompt has no {', '.join(sorted(unknown))}; it takes name, version and variables"
            )
        said: dict[str, Any] = {
            "user": user,
            "session": session,
            "team": team,
            "prompt_name": template.get("name"),
            "prompt_version": _text(template.get("version")),
        }
        self._said = {name: _text(value) for name, value in said.items() if value is not None}
        self._tags = tuple(str(tag) for tag in tags)
        self._metadata = {str(key): _plain(value) for key, value in (metadata or {}).items()}
        self._variables = {str(k): str(v) for k, v in (template.get("variables") or {}).items()}
        self._raw_request = raw_request

    def __enter__(self) -> context:
        token = otel_context.attach(self._joined(otel_context.get_current()))
        _open.set((*_open.get(), (self, token)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        blocks = _open.get()
        if blocks and blocks[-1][0] is self:  # else a generator left in another task than it entered in
            _open.set(blocks[:-1])
            otel_context.detach(blocks[-1][1])

    def __call__(self, function: Function) -> Function:
        """Wrap a function or coroutine function."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function.__name__} is a generator; use `with otel_llm.context(...)` inside of it"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapped_async(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

            return wrapped_async  # type: ignore[return-value]  # same signature, by functools.wraps

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]  # same signature, by functools.wraps

    def _joined(self, current: otel_context.Context) -> otel_context.Context:
        outer = _said_in(current)
        caller = msgspec.structs.replace(
            outer,
            **self._said,
            tags=tuple(dict.fromkeys((*outer.tags, *self._tags))),
            metadata=dict(list({**outer.metadata, **self._metadata}.items())[:MAX_METADATA]),
            prompt_variables={**outer.prompt_variables, **self._variables},
            raw_request=self._raw_request or outer.raw_request,
        )
        joined = otel_context.set_value(_KEY, caller, current)
        if _writes_baggage:
            for name, field in _BAGGAGE.items():
                if (value := getattr(caller, field)) is not None:
                    joined = baggage.set_baggage(name, value, joined)
        return joined


_open: ContextVar[tuple[tuple[context, Any], ...]] = ContextVar("otel_llm_open_blocks", default=())
"""The blocks that are open in this thread or task, so that many may share one; the innermost is the last."""

_reads_baggage = False
_writes_baggage = False


def use_baggage(mode: str) -> None:
    """Set by the bootstrap from `OTEL_LLM_BAGGAGE`: none, in, out or both."""
    global _reads_baggage, _writes_baggage
    _reads_baggage, _writes_baggage = mode in {"in", "both"}, mode in {"out", "both"}


def caller(current: otel_context.Context | None = None) -> Caller:
    """Who calls now."""
    current = otel_context.get_current() if current is None else current
    said = _said_in(current)
    if not _reads_baggage:
        return said
    carried = baggage.get_all(current)
    found = {
        field: str(carried[name])
        for name, field in _BAGGAGE.items()
        if name in carried and getattr(said, field) is None
    }
    return msgspec.structs.replace(said, **found) if found else said


def with_caller(who: Caller, current: otel_context.Context | None = None) -> otel_context.Context:
    """A context in which `who` calls; for the proxy, which knows its callers already."""
    return otel_context.set_value(_KEY, who, current)


def _said_in(current: otel_context.Context) -> Caller:
    found = otel_context.get_value(_KEY, current)
    return found if isinstance(found, Caller) else NOBODY


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _plain(value: Any) -> Any:
    """A value that a span takes."""
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        kinds = {type(one) for one in value}
        return (
            list(value)
            if len(kinds) == 1 and kinds <= {str, bool, int, float}
            else [str(one) for one in value]
        )
    return str(value)
