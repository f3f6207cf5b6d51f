"""`ClientSession._request` of aiohttp, where all its requests go through; one call, redirects included.

The body is watched where it arrives: each block that the parser hands to the response's `StreamReader`, whichever of
its many reading methods the program uses, and whether or not it reads. So a span tells what came, and ends with the
last byte; a program that leaves when all has come has left nothing early.
"""

from __future__ import annotations

import asyncio
import functools
import io
import sys
from collections import deque
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import msgspec

from otel_llm.hooks import Door, follow, leave, replace
from otel_llm.observer import Call, Observer
from otel_llm.record import Json
from otel_llm.shield import shielded
from otel_llm.wire import catalog


def patch(module: ModuleType, door: Door) -> Callable[[], None] | None:
    """Wrap `ClientSession._request` of `aiohttp.client`; None when it is wrapped already."""

    def wrap(original: Any) -> Any:
        @functools.wraps(original)
        async def _request(self: Any, method: str, str_or_url: Any, **kwargs: Any) -> Any:
            observer = door.observer
            call = (
                None
                if observer is None
                else shielded("aiohttp", _begin, observer, self, method, str_or_url, kwargs)
            )
            if call is None:
                return await original(self, method, str_or_url, **kwargs)
            try:
                with call:
                    response = await original(self, method, str_or_url, **kwargs)
            except BaseException as error:
                shielded("aiohttp", _refused, call, error)
                call.end(error=error)
                raise
            follow("aiohttp", _watch, call, response, self, kwargs)
            return response

        return _request

    return replace(module.ClientSession, "_request", wrap)


def _begin(
    observer: Observer, session: Any, method: str, str_or_url: Any, kwargs: dict[str, Any]
) -> Call | None:
    method = method.upper()
    url = session._build_url(str_or_url)  # noqa: SLF001  (joins the session's base; there is no public way)
    if not catalog.candidates(method, url.raw_path):  # what follows is for few requests
        return None
    if params := kwargs.get("params"):
        url = url.update_query(params)
    headers = session.headers.copy()
    headers.update(kwargs.get("headers") or {})
    if kwargs.get("json") is not None:
        headers.setdefault("Content-Type", "application/json")
    call = observer.begin(
        method,
        url,
        url.host or "",
        url.raw_path,
        headers,
        functools.partial(_body, session, kwargs),
        port=url.port,
        query=url.raw_query_string,
        client=session,
    )
    if call is not None:
        ours: dict[str, str] = {}
        observer.inject(call, ours.__setitem__)
        if ours:
            sent = session.headers.__class__(kwargs.get("headers") or {})
            sent.update(ours)
            kwargs["headers"] = sent
    return call


def _body(session: Any, kwargs: dict[str, Any]) -> bytes | Json:
    """What will be sent, as far as it is in memory: bytes, or the fields of a form."""
    data = kwargs.get("data")
    if data is None:
        json = kwargs.get("json")
        return None if json is None else _encoded(session, json)
    if isinstance(data, io.BytesIO):
        return data.getvalue()[data.tell() :]
    data = getattr(data, "_value", data)  # of aiohttp's payloads
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, dict):
        return _form(({"name": name}, value) for name, value in data.items())
    fields = getattr(data, "_fields", None)  # of aiohttp's FormData
    if isinstance(fields, list) and fields:
        return _form((options, value) for options, _, value in fields)
    return None


def _encoded(session: Any, json: Any) -> bytes:
    """JSON that aiohttp has yet to encode; in its own way only where ours, which is fast, does not know a type."""
    try:
        return msgspec.json.encode(json)
    except Exception:  # noqa: BLE001  (the session's encoder may take any type; it decides)
        made = session.json_serialize(json)
        return made if isinstance(made, bytes) else str(made).encode()


def _form(fields: Iterable[tuple[Any, Any]]) -> Json:
    form: dict[str, Json] = {}
    for options, value in fields:
        name = options["name"]
        if isinstance(value, str) and "filename" not in options:
            shown: Json = value
        else:
            size = len(value) if isinstance(value, (bytes, bytearray, str)) else None
            shown = {"filename": options.get("filename") or name, "mime_type": None, "size": size}
        if name in form:
            earlier = form[name]
            shown = [*earlier, shown] if isinstance(earlier, list) else [earlier, shown]
        form[name] = shown
    return form


def _refused(call: Call, error: BaseException) -> None:
    """Where the session raises for an error status itself, the answer is closed unread, and this is all of it."""
    status = getattr(error, "status", None)
    # With a cause it is an answer that was no HTTP.
    if isinstance(status, int) and status >= 400 and error.__cause__ is None:
        call.answered(status, getattr(error, "headers", None) or {})
        call.end()


def _watch(call: Call, response: Any, session: Any, kwargs: dict[str, Any]) -> None:
    decoded = kwargs.get("auto_decompress")
    if decoded is None:
        decoded = session.auto_decompress
    call.answered(response.status, response.headers, encoded=not decoded, streams=True)
    content: Any = response.content
    kind: Any = type(content)
    read = response._body  # noqa: SLF001  (`read()` would read; a `raise_for_status` of the user may have)
    for block in (read,) if read is not None else getattr(content, "_buffer", ()):
        call.feed(block)
    if (broken := content.exception()) is not None and not content.is_eof():
        call.end(error=broken)
    elif content.is_eof() or read is not None:
        call.end("completed")
    else:
        content._buffer = _Blocks(content._buffer, call)  # noqa: SLF001  (a reader has slots: this one can hold more)
        content.__class__ = _watched(kind)


class _Blocks(deque[bytes]):
    """The blocks that a `StreamReader` holds, and the call that they belong to."""

    __slots__ = ("call",)

    def __init__(self, blocks: Iterable[bytes], call: Call) -> None:
        super().__init__(blocks)
        self.call = call

    def __del__(self) -> None:
        if (call := getattr(self, "call", None)) is not None:
            call.abandon()


@functools.lru_cache(maxsize=32)
def _watched(kind: Any) -> Any:
    """A reader's class that tells the call what arrives. Its base must be its only one, or its layout would differ."""

    class Watched(kind):  # type: ignore[misc]  # known at run time only
        __slots__ = ()
        __module__ = kind.__module__
        _buffer: _Blocks

        def feed_data(self, data: bytes, *args: Any, **kwargs: Any) -> Any:
            result = super().feed_data(data, *args, **kwargs)
            if data:
                self._buffer.call.feed(data)
            return result

        def feed_eof(self) -> None:
            super().feed_eof()
            self._buffer.call.end("completed")

        def set_exception(self, exc: BaseException, *args: Any, **kwargs: Any) -> None:
            """The network broke, or the program closed or released the response."""
            leaving = sys.exc_info()[1]
            super().set_exception(exc, *args, **kwargs)
            if type(exc).__name__ == "ClientConnectionError" and exc.args == ("Connection closed",):
                shielded("close", leave, self._buffer.call, leaving)
            else:
                self._buffer.call.end(error=exc)

        async def _wait(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return await super()._wait(*args, **kwargs)
            except asyncio.TimeoutError as error:  # the time for the whole call, which no reader outlives
                self._buffer.call.end(error=error)
                raise

    Watched.__name__ = Watched.__qualname__ = kind.__name__
    return Watched
