"""AWS event streams: binary frames of headers and a payload, as Bedrock streams them.

A frame is total length, header length, a CRC of these, headers, payload, and a CRC of all before it.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator

from otel_llm.wire.framing import MAX_EVENT, Event

_PRELUDE = struct.Struct(">III")
_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class EventStream:
    """Frames in, `(event type, payload)` out. A broken checksum ends the reading: nothing after it can be trusted."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._broken = False
        self._known: dict[bytes, dict[str, str]] = {}

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes."""
        if self._broken:
            return
        self._held += data
        while len(self._held) >= _PRELUDE.size + 4:
            total, header_size, check = _PRELUDE.unpack_from(self._held)
            sane = _PRELUDE.size + 4 + header_size <= total <= MAX_EVENT
            if not sane or zlib.crc32(self._held[:8]) != check:
                self._broken = True
                self._held.clear()
                return
            if len(self._held) < total:
                return
            frame = bytes(self._held[:total])
            del self._held[:total]
            if zlib.crc32(frame[:-4]) != int.from_bytes(frame[-4:], "big"):
                self._broken = True
                self._held.clear()
                return
            headers = self._read_headers(frame[_PRELUDE.size : _PRELUDE.size + header_size])
            payload = frame[_PRELUDE.size + header_size : -4]
            kind = headers.get(":message-type")
            if kind == "exception":
                yield _failed(headers.get(":exception-type", "exception"), payload)
            elif kind == "error":
                yield _failed(headers.get(":error-code", "error"), headers.get(":error-message", "").encode())
            else:
                yield headers.get(":event-type", ""), payload

    def flush(self) -> Iterator[Event]:
        """A frame that was cut off is no event."""
        return iter(())

    def _read_headers(self, block: bytes) -> dict[str, str]:
        """Headers, read once for each kind of frame: those of all deltas are the same bytes."""
        headers = self._known.get(block)
        if headers is None:
            headers = _headers(block)
            if len(block) < 512 and len(self._known) < 32:
                self._known[block] = headers
        return headers


def _failed(kind: str, payload: bytes) -> Event:
    """An exception frame as an event with `error`, the shape that every other provider uses."""
    try:
        said = json.loads(payload)
        message = said.get("message") or said.get("Message") or "" if isinstance(said, dict) else str(said)
    except (ValueError, RecursionError):
        message = payload.decode("utf-8", "replace")
    return kind, json.dumps({"error": {"type": kind, "message": message}}).encode()


def _headers(block: bytes) -> dict[str, str]:
    """The text headers of a frame; the others are passed over."""
    found: dict[str, str] = {}
    at = 0
    while at < len(block):
        name_size = block[at]
        name = block[at + 1 : at + 1 + name_size].decode("utf-8", "replace")
        at += 1 + name_size
        if at >= len(block):
            break
        kind = block[at]
        at += 1
        if kind in {6, 7}:
            size = int.from_bytes(block[at : at + 2], "big")
            if kind == 7:
                found[name] = block[at + 2 : at + 2 + size].decode("utf-8", "replace")
            at += 2 + size
        elif kind in _FIXED_SIZES:
            at += _FIXED_SIZES[kind]
        else:
            break
    return found
