"""`URLLib3Session.send` of botocore: where Bedrock's requests go out signed, once for each attempt.

Event streams and streaming bodies are read by botocore from the raw response, which is watched there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from otel_llm.hooks import Door, follow, replace, urllib3
from otel_llm.observer import Call, Observer
from otel_llm.shield import shielded


def patch(module: ModuleType, door: Door) -> Callable[[], None] | None:
    """Wrap `URLLib3Session.send` of `botocore.httpsession`; None when it is wrapped already."""

    def wrap(original: Any) -> Any:
        @functools.wraps(original)
        def send(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            observer = door.observer
            call = None if observer is None else shielded("botocore", _begin, observer, self, request)
            if call is None:
                return original(self, request, *args, **kwargs)
            try:
                with call:
                    response = original(self, request, *args, **kwargs)
            except BaseException as error:
                call.end(error=error)
                raise
            follow("botocore", _watch, call, response)
            return response

        return send

    return replace(module.URLLib3Session, "send", wrap)


def _begin(observer: Observer, session: Any, request: Any) -> Call | None:
    url = urlsplit(request.url)
    call = observer.begin(
        request.method,
        request.url,
        url.hostname or "",
        url.path,
        _Headers(request.headers),
        functools.partial(_body, request),
        port=url.port or (443 if url.scheme == "https" else 80),
        query=url.query,
        client=session,
    )
    if call is not None:
        observer.inject(call, request.headers.__setitem__)
    return call


class _Headers(Mapping[str, str]):
    """botocore's headers, some of which are bytes once they are signed."""

    def __init__(self, headers: Any) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        value = self._headers[name]
        return value.decode("latin-1") if isinstance(value, bytes) else value

    def __iter__(self) -> Any:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


def _body(request: Any) -> bytes | None:
    """The signed bytes; a file is not touched."""
    body = request.body
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, (bytes, bytearray)) else None


def _watch(call: Call, response: Any) -> None:
    content = response._content  # noqa: SLF001  (`content` itself would read the body)
    if content is not None:
        call.answered(response.status_code, response.headers)
        call.feed(content)
        call.end()
        return
    call.answered(response.status_code, response.headers, streams=True)
    if not urllib3.watch(response.raw, call):
        call.end()
