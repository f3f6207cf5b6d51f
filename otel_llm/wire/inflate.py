"""Undo a content encoding on our copy of the bytes, a piece at a time, never to more than a bound.

gzip and deflate come with Python; br and zstd are undone where the program has a package for them loaded, which
the HTTP client itself needs to offer them.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any

from otel_llm.errors import WireError

_STEP = 1 << 20

Inflate = Callable[[bytes, int], bytes]
"""(compressed, bound) -> plain. Raises WireError when it cannot, or when the bound is passed."""


def inflater(encoding: str) -> Inflate | None:
    """How to undo `encoding`; None when there is nothing to undo. Raises WireError for one that we cannot undo."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return None
    if encoding in {"gzip", "x-gzip"}:
        return _Zlib(zlib.MAX_WBITS | 16)
    if encoding == "deflate":
        return _Deflate()
    if encoding == "br" and (brotli := sys.modules.get("brotli") or sys.modules.get("brotlicffi")):
        return _Feeding(brotli.Decompressor().process)
    if encoding == "zstd":
        if module := sys.modules.get("zstandard"):
            return _Feeding(module.ZstdDecompressor().decompressobj().decompress)
        if module := sys.modules.get("compression.zstd") or sys.modules.get("backports.zstd"):
            return _Feeding(module.ZstdDecompressor().decompress)
    raise WireError(f"content-encoding {encoding!r} cannot be undone here")


class _Zlib:
    """gzip, possibly of several members; a bomb stops at the bound."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._stream: Any = zlib.decompressobj(window)

    def __call__(self, data: bytes, bound: int) -> bytes:
        plain: list[bytes] = []
        size = 0
        try:
            while data:
                piece = self._stream.decompress(data, min(_STEP, bound - size + 1))
                size += len(piece)
                if size > bound:
                    raise WireError("the body inflates beyond the bound")
                plain.append(piece)
                data = self._stream.unconsumed_tail
                if self._stream.eof:
                    data = self._stream.unused_data
                    self._stream = zlib.decompressobj(self._window)
        except zlib.error as error:
            raise WireError(f"the body does not inflate: {error}") from error
        return b"".join(plain)


class _Deflate:
    """deflate means zlib by the standard, and a raw stream with some servers."""

    def __init__(self) -> None:
        self._chosen: _Zlib | None = None

    def __call__(self, data: bytes, bound: int) -> bytes:
        if self._chosen is not None:
            return self._chosen(data, bound)
        try:
            self._chosen = _Zlib(zlib.MAX_WBITS)
            return self._chosen(data, bound)
        except WireError:
            self._chosen = _Zlib(-zlib.MAX_WBITS)
            return self._chosen(data, bound)


class _Feeding:
    """A decompressor without a bound of its own: feed it little, so that little can come out at once."""

    def __init__(self, feed: Callable[[bytes], bytes]) -> None:
        self._feed = feed

    def __call__(self, data: bytes, bound: int) -> bytes:
        plain: list[bytes] = []
        size = 0
        for at in range(0, len(data), 4096):
            try:
                piece = self._feed(data[at : at + 4096])
            except Exception as error:  # each library has an error class of its own
                raise WireError(f"the body does not inflate: {error}") from error
            size += len(piece)
            if size > bound:
                raise WireError("the body inflates beyond the bound")
            plain.append(piece)
        return b"".join(plain)
