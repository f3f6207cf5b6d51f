"""The body of a urllib3 response, watched where its bytes leave the socket; for the hooks of requests and botocore.

The response changes its class to a subclass of its own class, in which the two methods that all reading goes through
hand on what they read. Callers keep the very object that they have, with the same chunks, errors and life time.
"""

from __future__ import annotations

import functools
import sys
from types import TracebackType
from typing import Any

from otel_llm.hooks import leave
from otel_llm.observer import Call
from otel_llm.shield import shielded

_CALL = "_otel_llm_call"


def watch(raw: Any, call: Call) -> bool:
    """Follow the body that `raw` has yet to read. False when `raw` is no urllib3 response, so that nobody can."""
    kind: Any = type(raw)
    if not (hasattr(kind, "_error_catcher") and hasattr(kind, "_fp_read")):
        return False
    if raw.closed:  # there is no body, or it was read already
        call.end("completed")
        return True
    raw.__dict__[_CALL] = call
    raw.__class__ = _watched(kind)
    return True


@functools.lru_cache(maxsize=32)
def _watched(kind: Any) -> Any:
    class Watched(kind):  # type: ignore[misc]  # urllib3's class, which is known at run time only
        __slots__ = ()
        __module__ = kind.__module__

        def _fp_read(self, *args: Any, **kwargs: Any) -> bytes:
            """What `read`, `read1` and all that stands on them get."""
            data: bytes = super()._fp_read(*args, **kwargs)
            if data:
                self.__dict__[_CALL].feed(data)
            return data

        def _handle_chunk(self, amt: int | None) -> bytes:
            """What `read_chunked` and `stream` get of a chunked body."""
            data: bytes = super()._handle_chunk(amt)
            if data:
                self.__dict__[_CALL].feed(data)
            return data

        def _update_chunk_length(self) -> Any:
            """Closes before it raises on a body that was cut; it is the error that ends the call then."""
            call = self.__dict__.pop(_CALL, None)
            try:
                return super()._update_chunk_length()
            finally:
                self.__dict__[_CALL] = call

        def _error_catcher(self) -> Any:
            """Around each read of a plain body, around the whole of a chunked one."""
            return _Catcher(super()._error_catcher(), self)

        def close(self) -> None:
            leaving = sys.exc_info()[1]
            try:
                super().close()
            finally:
                if (call := self.__dict__.get(_CALL)) is not None:
                    shielded("close", leave, call, leaving)

        def __del__(self) -> None:
            # The finalizer of io.IOBase closes; that must find nobody who would end a span in a collection.
            if (call := self.__dict__.pop(_CALL, None)) is not None:
                call.abandon()
            super().__del__()

    Watched.__name__ = Watched.__qualname__ = kind.__name__
    return Watched


class _Catcher:
    """urllib3's own catcher of errors, and then a look at how the read went."""

    __slots__ = ("_inner", "_raw")

    def __init__(self, inner: Any, raw: Any) -> None:
        self._inner = inner
        self._raw = raw

    def __enter__(self) -> Any:
        return self._inner.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        try:
            suppressed = self._inner.__exit__(kind, error, trace)
        except BaseException as translated:
            shielded("read", _broken, self._raw, translated)
            raise
        shielded("read", _read, self._raw, error)
        return suppressed


def _read(raw: Any, error: BaseException | None) -> None:
    if error is not None:
        _broken(raw, error)
    elif raw.closed:
        raw.__dict__[_CALL].end("completed")


def _broken(raw: Any, error: BaseException) -> None:
    """`GeneratorExit` is no error: the reader went away, and close() or the garbage collector tells how."""
    if not isinstance(error, GeneratorExit) and (call := raw.__dict__.get(_CALL)) is not None:
        call.end(error=error)
