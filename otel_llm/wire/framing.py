"""Cut a stream of bytes into events, wherever its chunks happen to end, in bounded memory.

Each framer has `feed(data)` and `flush()`; both give `(name, data)` pairs. An event over `MAX_EVENT` is skipped,
and what follows it is read on.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

MAX_EVENT = 8 << 20
"""Bytes of one event that we are willing to hold."""

Event = tuple[str, bytes]


class Framer(Protocol):
    """Bytes in, events out."""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes."""

    def flush(self) -> Iterator[Event]:
        """What the end of the stream completes."""


class _Lines:
    """Whole lines of a stream, without their ends; a line over the limit arrives as None."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes | None]:
        if self._after_cr:  # a line that ended with \r may still have its \n coming
            self._after_cr = False
            if data[:1] == b"\n":
                data = data[1:]
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        lines = data.splitlines()
        open_end = data[-1] not in b"\r\n"
        if open_end and len(lines) == 1:
            self._hold(lines[0])
            return []
        whole: list[bytes | None] = list(lines[:-1] if open_end else lines)
        if self._held or self._size:
            whole[0] = self._release(lines[0])
        if open_end:
            self._hold(lines[-1])
        return whole

    def flush(self) -> list[bytes | None]:
        return [self._release(b"")] if self._size else []

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > MAX_EVENT:
            self._held.clear()
        else:
            self._held.append(piece)

    def _release(self, last: bytes) -> bytes | None:
        self._hold(last)
        line = b"".join(self._held) if self._size <= MAX_EVENT else None
        self._held.clear()
        self._size = 0
        return line


class ServerSentEvents:
    """`event:` and `data:` lines; comments and ids are passed over, `[DONE]` is left to the reader."""

    def __init__(self) -> None:
        self._lines = _Lines()
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._first = True

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes."""
        return self._read(self._lines.feed(data))

    def flush(self) -> Iterator[Event]:
        """The last event, even where the provider forgot the blank line after it."""
        yield from self._read(self._lines.flush())
        yield from self._read([b""])

    def _read(self, lines: list[bytes | None]) -> Iterator[Event]:
        for line in lines:
            if line is None:
                continue
            if self._first:
                self._first = False
                line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901  (a byte order mark is no content)
            if not line:
                if self._data:
                    if self._size <= MAX_EVENT:
                        yield self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                    self._data = []
                    self._size = 0
                self._name = ""
            elif line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._size += len(value)
                if self._size <= MAX_EVENT:
                    self._data.append(value)
            elif line.startswith(b"event:"):
                self._name = line[6:].strip().decode("utf-8", "replace")


class JsonLines:
    """One JSON value a line."""

    def __init__(self) -> None:
        self._lines = _Lines()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The lines that `data` completes."""
        return (("", line) for line in self._lines.feed(data) if line)

    def flush(self) -> Iterator[Event]:
        """A last line without its end."""
        return (("", line) for line in self._lines.flush() if line)


class JsonArray:
    """The elements of one array at the top, each as soon as its last brace is there."""

    _structural = re.compile(rb'["\\{}\[\]]')

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The elements that `data` completes."""
        start = 0 if self._depth > 1 else len(data)
        at = 0
        if self._escaped and data:
            self._escaped = False
            at = 1
        while found := self._structural.search(data, at):
            at = found.end()
            byte = found.group()
            if self._in_string:
                if byte == b'"':
                    self._in_string = False
                elif byte == b"\\":
                    if at == len(data):
                        self._escaped = True
                    at += 1
            elif byte == b'"':
                self._in_string = True
            elif byte in b"{[":
                self._depth += 1
                if self._depth == 2:
                    start = at - 1
            elif byte in b"}]":
                self._depth -= 1
                if self._depth == 1:
                    self._hold(data[start:at])
                    start = len(data)
                    if (element := self._release()) is not None:
                        yield "", element
        if self._depth > 1:
            self._hold(data[start:])

    def flush(self) -> Iterator[Event]:
        """An element that was cut off is no event."""
        return iter(())

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > MAX_EVENT:
            self._held.clear()
        else:
            self._held.append(piece)

    def _release(self) -> bytes | None:
        whole = b"".join(self._held) if self._size <= MAX_EVENT else None
        self._held.clear()
        self._size = 0
        return whole
