"""Whatever fails in us, the program gets its bytes and its exceptions, and the log says it once.

Every function of ours that takes part in a call is made to raise, one after the other: they are found by watching a
call, not listed by hand. What stays untouched is named in `EDGES`, with the reason.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import logging
import re
import sys
import types
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import SpanProcessor

import otel_llm
from otel_llm import bootstrap, shield
from otel_llm.context import context
from otel_llm.settings import REDACTIONS, Settings
from tests.conftest import Instrument, Seen
from tests.hooks.clients import ASYNC, PLAIN, TLS, AsyncClient, Client
from tests.hooks.server import ANSWER, ASK, ASK_STREAM, CHAT, EVENTS, FAILED, Provider

EDGES = re.compile(
    r"shield\..*"  # what swallows the exceptions
    r"|wrapped .*|hooks\.follow"  # the wrapped methods, which call the rest through the shield
    r"|observer\.Call\.(__enter__|__exit__|feed|end|abandon)"  # each is one try around what is made to raise here
    r"|hooks\.httpx\._(Sync|Async|Chunks|Tee)\..*"  # the program's own bytes pass through these
    r"|hooks\.(urllib3|aiohttp)\._(watched\.<locals>|Catcher|Blocks)\..*"  # likewise
    r"|reaper\.Reaper\._run"  # the thread's loop, which does nothing but call `end`
)
EVERYTHING = Settings(
    content="SPAN_AND_EVENT",
    content_format="json",
    redact=REDACTIONS,
    raw_request=True,
    propagate_to=("*",),
    excluded_hosts=("elsewhere.test",),
    baggage="both",
)
_HERE = str(Path(otel_llm.__file__).parent)


_injected: Any = types.ModuleType("injected_faults")
"""Counts how often the part that is broken was called; all globals that the raising code has are its victim's."""


class InjectedError(Exception):
    """What parts of others are made to raise."""


@functools.cache
def _raising(free: int, generator: bool) -> types.CodeType:
    """The code of a function that raises, as like the one it stands in for as Python asks."""
    names = [f"free_{number}" for number in range(free)]
    lines = [
        "def outer():",
        *(f"    {name} = None" for name in names),
        "    def inner(*args, **kwargs):",
        *(f"        {name}" for name in names),
        "        import injected_faults",
        "        injected_faults.hits += 1",
        "        raise RuntimeError('injected')",
        *(["        yield"] if generator else []),
        "    return inner",
    ]
    made: dict[str, Any] = {}
    exec("\n".join(lines), made)  # a closure of a given size cannot be made otherwise
    code: types.CodeType = made["outer"]().__code__
    return code


def named(function: types.FunctionType) -> str:
    """Module and name; a method that wraps another library's bears that one's name."""
    if not function.__module__.startswith("otel_llm"):
        return f"wrapped {function.__qualname__}"
    return f"{function.__module__.removeprefix('otel_llm.')}.{function.__qualname__}"


def taking_part(run: Callable[[], Any]) -> dict[str, list[types.FunctionType]]:
    """The functions of ours that `run` calls, however they are reached; of a closure all there are."""
    codes = set()

    def watch(frame: types.FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_HERE):
            codes.add(frame.f_code)

    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(None)
    found: dict[str, list[types.FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, types.FunctionType) and one.__code__ in codes:
            found.setdefault(named(one), []).append(one)
    return dict(sorted(found.items()))


@contextmanager
def broken(functions: list[types.FunctionType]) -> Iterator[None]:
    """Make functions raise, for whoever holds them."""
    codes = [one.__code__ for one in functions]
    for one in functions:
        one.__code__ = _raising(len(one.__code__.co_freevars), inspect.isgeneratorfunction(one))
    try:
        yield
    finally:
        for one, code in zip(functions, codes, strict=True):
            one.__code__ = code


def check(run: Callable[[], Any], caplog: pytest.LogCaptureFixture, known: Container[str] = ()) -> set[str]:
    """Run with each part broken in turn; gives the names of those that were tried."""
    assert bootstrap.door.observer is not None
    settle = bootstrap.door.observer.reaper.settle  # another thread may have a part as well
    expected = run()
    settle()
    tried = set()
    for name, part in taking_part(run).items():
        settle()
        if EDGES.fullmatch(name) or name in known:
            continue
        shield.troubles.clear()
        caplog.clear()
        _injected.hits = 0
        with broken(part):
            found = run()
            settle()
        assert found == expected, name
        if _injected.hits:  # what looks at random ids is not called each time
            tried.add(name)
            lines = [record.getMessage() for record in caplog.records if record.name == "otel_llm"]
            assert lines, f"nobody would know that {name} fails"
            assert len(set(lines)) == len(lines), name
    shield.troubles.clear()
    return tried


@pytest.fixture
def everything(
    instrumented: Instrument, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Seen]:
    monkeypatch.setitem(sys.modules, "injected_faults", _injected)
    caplog.set_level(logging.WARNING, "otel_llm")
    logs = LoggerProvider()
    seen = instrumented(EVERYTHING, logger_provider=logs)
    with context(user="ada", tags=["a"], metadata={"k": 1}, prompt={"name": "p", "variables": {"v": "x"}}):
        yield seen
    shield.troubles.clear()
    logs.shutdown()


def _pieces() -> Iterator[bytes]:
    yield from EVENTS


def _broken_pieces() -> Iterator[bytes]:
    yield EVENTS[0]
    raise ConnectionResetError("reset")


def _canned(module: Any) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        headers = {"content-type": "text/event-stream"}
        if request.url.path.startswith("/reset"):
            return module.Response(200, headers=headers, content=_broken_pieces())
        if request.url.path.startswith("/down"):
            raise module.ConnectError("down")
        if request.url.path.startswith("/500"):
            return module.Response(500, json=FAILED)
        if b'"stream"' in request.content:
            return module.Response(200, headers=headers, content=_pieces())
        return module.Response(200, json=ANSWER)

    return answer


_SECRET = "My card is 4111 1111 1111 1111, my key sk-abcdefghijklmnopqrstuvwxyz0123456789."
_TALK: dict[str, Any] = {
    **ASK,
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": _SECRET}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
}


def program(module: Any) -> list[Any]:
    """All that can happen to a call, and what the program sees of it."""
    found: list[Any] = []
    url = "http://llm.test"
    with module.Client(transport=module.MockTransport(_canned(module)), verify=TLS) as client:
        found.append(client.post(url + CHAT, json=_TALK).content)
        for _ in range(2):
            failed = client.post(url + "/500" + CHAT, json=ASK)
            found.append((failed.status_code, failed.content))
        for path in ("/down", "/reset"):
            try:
                client.post(url + path + CHAT, json=ASK_STREAM)
            except Exception as error:  # whatever it is, it has to be the same
                found.append(repr(error))
        with client.stream("POST", url + CHAT, json={**_TALK, "stream": True}) as response:
            found.append(list(response.iter_raw()))
        with client.stream("POST", url + CHAT, json=ASK_STREAM) as response:
            found.append(next(response.iter_raw()))
        found.append(client.post("http://elsewhere.test" + CHAT, json=ASK).content)
        found.append(client.post(url + "/other", json=ASK).content)
        form = {"model": "whisper-1", "file": "x"}
        files = {"file": ("hello.mp3", b"ID3")}
        found.append(client.post(url + "/v1/audio/transcriptions", data=form, files=files).content)
    return found


async def async_program(module: Any) -> list[Any]:
    """The same for async clients, in short."""
    found: list[Any] = []

    async def answer(request: Any) -> Any:
        async def pieces() -> Any:
            for event in EVENTS:
                yield event

        if b'"stream"' in request.content:
            return module.Response(200, headers={"content-type": "text/event-stream"}, content=pieces())
        return module.Response(200, json=ANSWER)

    async with module.AsyncClient(transport=module.MockTransport(answer), verify=TLS) as client:
        found.append((await client.post("http://llm.test" + CHAT, json=ASK)).content)
        async with client.stream("POST", "http://llm.test" + CHAT, json=ASK_STREAM) as response:
            found.append([piece async for piece in response.aiter_raw()])
    return found


def _nothing_is_left(seen: Seen) -> None:
    """A call whose end was lost ends with the program."""
    seen.observer.shutdown()
    assert not seen.observer.live


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: str(module.__name__))
def test_no_fault_of_ours_reaches_the_program(
    module: Any, everything: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    tried = check(lambda: program(module), caplog)
    for part in (
        "observer.Observer.begin",
        "attempts.Attempts.note",
        "attempts.Attempts.find",
        "wire.catalog.recognise",
        "wire.openai_chat.read_request",
        "wire.openai_chat.read_response",
        "wire.exchange.Reader.feed",
        "wire.framing.ServerSentEvents.feed",
        "redaction.Redactor.__call__",
        "cost.price",
        "semconv.start_attributes",
        "telemetry.spans.start",
        "telemetry.spans.finish",
        "telemetry.metrics.Metrics.record",
        "telemetry.events.Events.emit",
        "hooks.httpx._begin",
        "hooks.httpx._body",
        "hooks.httpx._watch",
        "hooks.leave",
    ):
        assert part in tried
    assert len(tried) > 80
    _nothing_is_left(everything)


@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: str(module.__name__))
def test_no_fault_of_ours_reaches_an_async_program(
    module: Any, everything: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    assert check(lambda: asyncio.run(async_program(module)), caplog)
    _nothing_is_left(everything)


@pytest.mark.parametrize("client", PLAIN[2:], ids=lambda client: str(client.name))
def test_no_fault_of_a_hook_reaches_the_program(
    client: Client, provider: Provider, everything: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    def run() -> list[Any]:
        opened = client.open(provider.url("sse", ""))
        found = [client.post(provider.url("json", "")), list(opened.pieces)]
        opened.close()
        opened = client.open(provider.url("sse", ""))
        found.append(next(opened.pieces))
        opened.close()
        return found

    known = taking_part(lambda: program(httpx))
    assert f"hooks.{client.name}._watch" in check(run, caplog, known)
    _nothing_is_left(everything)


@pytest.mark.parametrize("client", ASYNC[2:], ids=lambda client: str(client.name))
def test_no_fault_of_an_async_hook_reaches_the_program(
    client: AsyncClient, provider: Provider, everything: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> list[Any]:
        opened = await client.open(provider.url("sse", ""))
        found = [await client.post(provider.url("json", "")), b"".join([one async for one in opened.pieces])]
        await opened.close()
        return found

    known = taking_part(lambda: program(httpx))
    assert f"hooks.{client.name}._watch" in check(lambda: asyncio.run(work()), caplog, known)
    _nothing_is_left(everything)


def test_a_span_processor_that_raises_reaches_no_program(
    everything: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    class Bad(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            raise InjectedError

        def on_end(self, span: Any) -> None:
            raise InjectedError

    expected = program(httpx)
    everything.provider.add_span_processor(Bad())
    assert program(httpx) == expected
    assert "otel-llm failed" in caplog.text


def test_a_broken_logging_set_up_reaches_no_program(everything: Seen) -> None:
    class Bad(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise InjectedError

    bad = Bad()
    logger = logging.getLogger("otel_llm")
    expected = program(httpx)
    logger.addFilter(bad)
    try:
        with broken(taking_part(lambda: program(httpx))["cost.price"]):
            assert program(httpx) == expected
    finally:
        logger.removeFilter(bad)
