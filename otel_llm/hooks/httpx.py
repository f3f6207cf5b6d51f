"""`Client.send` and `AsyncClient.send` of httpx and httpx2.

`send` sees every transport, also those that go round httpx's own (aiohttp ones, mocks), has the request's bytes, and
runs once for each attempt of an SDK. The answer is watched as its stream passes by: nothing is read ahead, and each
chunk is handed on as it came.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

from otel_llm.hooks import Door, replace
from otel_llm.observer import Call, Observer
from otel_llm.record import Json
from otel_llm.shield import report


def patch(module: ModuleType, door: Door) -> Callable[[], None] | None:
    """Wrap both clients of `httpx` or `httpx2`; None when they are wrapped already (`alias_httpx()`)."""
    sync_stream, async_stream = _tees(module)

    def wrap(original: Any) -> Any:
        @functools.wraps(original)
        def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            call = _begin(door.observer, self, request)
            if call is None:
                return original(self, request, *args, **kwargs)
            try:
                with call:
                    response = original(self, request, *args, **kwargs)
            except BaseException as error:
                call.end(error=error)
                raise
            _watch(call, response, sync_stream)
            return response

        return send

    def wrap_async(original: Any) -> Any:
        @functools.wraps(original)
        async def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            call = _begin(door.observer, self, request)
            if call is None:
                return await original(self, request, *args, **kwargs)
            try:
                with call:
                    response = await original(self, request, *args, **kwargs)
            except BaseException as error:
                call.end(error=error)
                raise
            _watch(call, response, async_stream)
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


def _begin(observer: Observer | None, client: Any, request: Any) -> Call | None:
    if observer is None:
        return None
    try:
        url = request.url
        path, _, query = url.raw_path.decode("ascii", "replace").partition("?")
        port = url.port or (443 if url.scheme == "https" else 80)
        call = observer.begin(
            request.method,
            url,
            url.host,
            path,
            request.headers,
            functools.partial(_body, request),
            port=port,
            query=query,
            client=client,
        )
        if call is not None:
            observer.inject(call, request.headers.__setitem__)
    except Exception as error:  # noqa: BLE001  (the shield's rule, without its cost on every request)
        report("httpx", error)
        return None
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
            size = field.get_length() if hasattr(field, "get_length") else None
            form[field.name] = {"filename": field.filename, "mime_type": field.content_type, "size": size}
        else:
            value = field.value
            form[field.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return form


def _watch(call: Call, response: Any, tee: type[Any]) -> None:
    """End the call where the answer is whole, else follow its stream."""
    try:
        if "_content" in response.__dict__:
            call.answered(response.status_code, response.headers, encoded=False)
            call.feed(response.content)
            call.end()
        else:
            call.answered(response.status_code, response.headers, streams=True)
            response.stream = tee(response.stream, call)
    except Exception as error:  # noqa: BLE001  (as above)
        report("httpx", error)
        call.end()


def _tees(module: ModuleType) -> tuple[type[Any], type[Any]]:
    """Stream classes for this module, whose own base classes its responses insist on."""

    class Tee(module.SyncByteStream):  # type: ignore[misc, name-defined]  # the base is known at run time only
        """A response body that is watched while it passes."""

        def __init__(self, stream: Any, call: Call) -> None:
            self._stream = stream
            self._call = call

        def __iter__(self) -> Iterator[bytes]:
            call = self._call
            try:
                for chunk in self._stream:
                    call.feed(chunk)
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
                _left(self._call, leaving)

        def __del__(self) -> None:
            self._call.abandon()

    class AsyncTee(module.AsyncByteStream):  # type: ignore[misc, name-defined]  # as above
        """The same for async bodies."""

        def __init__(self, stream: Any, call: Call) -> None:
            self._stream = stream
            self._call = call

        async def __aiter__(self) -> AsyncIterator[bytes]:
            call = self._call
            try:
                async for chunk in self._stream:
                    call.feed(chunk)
                    yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:
                call.end(error=error)
                raise
            call.end("completed")

        async def aclose(self) -> None:
            leaving = sys.exc_info()[1]
            try:
                await self._stream.aclose()
            finally:
                _left(self._call, leaving)

        def __del__(self) -> None:
            self._call.abandon()

    return Tee, AsyncTee


def _left(call: Call, leaving: BaseException | None) -> None:
    """The stream was closed before its end, perhaps because its task is being cancelled."""
    cancelled = leaving is not None and type(leaving).__name__ in {"CancelledError", "Cancelled"}
    call.end("closed_early", error=leaving if cancelled else None)
