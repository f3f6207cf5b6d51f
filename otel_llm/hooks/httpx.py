"""`Client.send` and `AsyncClient.send` of httpx and httpx2.

`send` sees every transport, also those that go round httpx's own (aiohttp ones, mocks), has the request's bytes, and
runs once for each attempt of an SDK. The answer is watched as its stream passes by: nothing is read ahead, and each
chunk is handed on as it came.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from otel_llm.hooks import Door, follow, leave, replace
from otel_llm.observer import Call, Observer
from otel_llm.record import Json
from otel_llm.shield import shielded


def patch(module: ModuleType, door: Door) -> Callable[[], None] | None:
    """Wrap both clients of `httpx` or `httpx2`; None when they are wrapped already (`alias_httpx()`)."""
    # Responses insist on the base classes of their own module.
    tee = type("Tee", (_Tee, _Sync, module.SyncByteStream), {})
    async_tee = type("AsyncTee", (_Tee, _Async, module.AsyncByteStream), {})

    def wrap(original: Any) -> Any:
        @functools.wraps(original)
        def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            observer = door.observer
            call = None if observer is None else shielded("httpx", _begin, observer, self, request)
            if call is None:
                return original(self, request, *args, **kwargs)
            try:
                with call:
                    response = original(self, request, *args, **kwargs)
            except BaseException as error:
                call.end(error=error)
                raise
            follow("httpx", _watch, call, response, tee)
            return response

        return send

    def wrap_async(original: Any) -> Any:
        @functools.wraps(original)
        async def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            observer = door.observer
            call = None if observer is None else shielded("httpx", _begin, observer, self, request)
            if call is None:
                return await original(self, request, *args, **kwargs)
            try:
                with call:
                    response = await original(self, request, *args, **kwargs)
            except BaseException as error:
                call.end(error=error)
                raise
            follow("httpx", _watch, call, response, async_tee)
            return response

        return send

    undo = [replace(module.Client, "send", wrap), replace(module.AsyncClient, "send", wrap_async)]
    done = [one for one in undo if one is not None]
    if not done:
        return None

    def restore() -> None:
        for one in done:
            one()

    return restore


def _begin(observer: Observer, client: Any, request: Any) -> Call | None:
    url = request.url
    path, _, query = url.raw_path.decode("ascii", "replace").partition("?")
    call = observer.begin(
        request.method,
        url,
        url.host,
        path,
        request.headers,
        functools.partial(_body, request),
        port=url.port or (443 if url.scheme == "https" else 80),
        query=query,
        client=client,
    )
    if call is not None:
        observer.inject(call, request.headers.__setitem__)
    return call


def _body(request: Any) -> bytes | Json:
    """The request's bytes where they are in memory; of a form its fields, with files as name, type and size."""
    content = request.__dict__.get("_content")
    if content is not None:
        return content
    fields = getattr(request.stream, "fields", None)
    if not isinstance(fields, list):
        return None
    form: dict[str, Json] = {}
    for field in fields:
        if hasattr(field, "file"):
            size = len(field.file) if isinstance(field.file, (bytes, str)) else None
            kind = field.headers.get("Content-Type")
            value: Json = {"filename": field.filename, "mime_type": kind, "size": size}
        else:
            value = field.value
            if isinstance(value, bytes):
                value = value.decode("utf-8", "replace")
        if field.name in form:
            earlier = form[field.name]
            value = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        form[field.name] = value
    return form


def _watch(call: Call, response: Any, tee: type[Any]) -> None:
    """End the call where the answer is whole, else follow its stream."""
    if "_content" in response.__dict__:
        call.answered(response.status_code, response.headers, encoded=False)
        call.feed(response.content)
        call.end()
        return
    call.answered(response.status_code, response.headers, streams=True)
    response.stream = tee(response.stream, call)


class _Tee:
    """A response body that is watched while it passes; in all else it is the stream that it wraps."""

    def __init__(self, stream: Any, call: Call) -> None:
        self._stream = stream
        self._call = call

    def __getattr__(self, name: str) -> Any:
        if name in {"_stream", "_call"}:  # a tee whose __init__ did not run
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __del__(self) -> None:
        if (call := self.__dict__.get("_call")) is not None:
            call.abandon()


class _Sync:
    _stream: Any
    _call: Call

    def __iter__(self) -> Iterator[bytes]:
        call = self._call
        feed = call.feed
        try:
            for chunk in self._stream:
                feed(chunk)
                yield chunk
        except GeneratorExit:  # the reader went away; close() or the garbage collector tells how
            raise
        except BaseException as error:
            call.end(error=error)
            raise
        call.end("completed")

    def close(self) -> None:
        leaving = sys.exc_info()[1]
        try:
            self._stream.close()
        finally:
            shielded("close", leave, self._call, leaving)


class _Async:
    _stream: Any
    _call: Call

    def __aiter__(self) -> _Chunks:
        return _Chunks(self._stream.__aiter__(), self._call)

    async def aclose(self) -> None:
        leaving = sys.exc_info()[1]
        try:
            await self._stream.aclose()
        finally:
            shielded("close", leave, self._call, leaving)


class _Chunks:
    """An async iterator that is no generator: one more generator would be one more to be finalized by the loop.

    To httpx2 it is a generator all the same, so that what httpx2 closes is the stream's own.
    """

    __slots__ = ("_call", "_inner")

    def __init__(self, inner: Any, call: Call) -> None:
        self._inner = inner
        self._call = call

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk: bytes = await self._inner.__anext__()
        except StopAsyncIteration:
            self._call.end("completed")
            raise
        except GeneratorExit:
            raise
        except BaseException as error:
            self._call.end(error=error)
            raise
        self._call.feed(chunk)
        return chunk

    async def asend(self, value: Any) -> Any:
        return await self._inner.asend(value)

    async def athrow(self, *error: Any) -> Any:
        return await self._inner.athrow(*error)

    async def aclose(self) -> None:
        if (aclose := getattr(self._inner, "aclose", None)) is not None:
            await aclose()
