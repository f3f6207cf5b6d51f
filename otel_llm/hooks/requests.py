"""`requests.Session.send`: one call, redirects included; a streamed body is watched as it is read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from otel_llm.hooks import Door, follow, replace, urllib3
from otel_llm.observer import Call, Observer
from otel_llm.shield import shielded


def patch(module: ModuleType, door: Door) -> Callable[[], None] | None:
    """Wrap `Session.send` of `requests.sessions`; None when it is wrapped already."""

    def wrap(original: Any) -> Any:
        @functools.wraps(original)
        def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            observer = door.observer
            call = None if observer is None else shielded("requests", _begin, observer, self, request)
            if call is None:
                return original(self, request, *args, **kwargs)
            try:
                with call:
                    response = original(self, request, *args, **kwargs)
            except BaseException as error:
                call.end(error=error)
                raise
            follow("requests", _watch, call, response)
            return response

        return send

    return replace(module.Session, "send", wrap)


def _begin(observer: Observer, session: Any, request: Any) -> Call | None:
    url = urlsplit(request.url)
    call = observer.begin(
        request.method,
        request.url,
        url.hostname or "",
        url.path,
        request.headers,
        functools.partial(_body, request),
        port=url.port or (443 if url.scheme == "https" else 80),
        query=url.query,
        client=session,
    )
    if call is not None:
        observer.inject(call, request.headers.__setitem__)
    return call


def _body(request: Any) -> bytes | None:
    """The prepared bytes; a file or a generator is not touched."""
    body = request.body
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, (bytes, bytearray)) else None


def _watch(call: Call, response: Any) -> None:
    content = response._content  # noqa: SLF001  (`content` itself would read the body)
    if content is not False:
        call.answered(response.status_code, response.headers, encoded=False)
        call.feed(content or b"")
        call.end()
        return
    call.answered(response.status_code, response.headers, streams=True)
    if not urllib3.watch(response.raw, call):
        call.end()
