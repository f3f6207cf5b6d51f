"""Replaces inline media by what is worth recording of it: its type, its size and a digest.

The mark stands where the base64 stood, so that a `blob` part keeps its shape: `[media: 12345 bytes, sha256:9f86...]`.
The digest is that of the file, so it finds the file where somebody has it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any, Final

from otel_llm.content import Rewriter
from otel_llm.record import CallRecord

MIN_LENGTH: Final = 1024
"""Base64 of this many characters that nobody labelled as media is taken for media."""
_WINDOW: Final = MIN_LENGTH // 2

_MARK: Final = "[media: "
_RUN: Final = re.compile(r"[A-Za-z0-9+/\r\n]*")
_URL_RUN: Final = re.compile(r"[A-Za-z0-9_\r\n-]*")
_DATA_URL: Final = re.compile(
    r"data:([\w.+/-]{0,128}(?:;[\w.=+-]{1,64}){0,4}?);base64,([A-Za-z0-9+/=_\r\n-]*)"
)
_MIXED: Final = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"[0-9+/]"))
_MAGIC: Final = (
    (0, b"\x89PNG", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (4, b"ftyp", "video/mp4"),
    (0, b"%PDF", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
)
"""What files have at a place near their beginning."""


def without_media(record: CallRecord) -> CallRecord:
    """The record with all inline media replaced by marks; the same record when there is none."""
    return _REWRITE(record)


def mark(data: str, mime_type: str | None = "") -> str:
    """What stands in the place of some base64; of the text itself when that cannot be decoded.

    mime_type: told in the mark; None looks for it in the data.
    """
    try:
        content = _decoded(data)
        unit = "bytes"
        if mime_type is None:
            mime_type = next((kind for at, magic, kind in _MAGIC if content.startswith(magic, at)), "")
    except (binascii.Error, ValueError):
        content = data.encode("utf-8", "surrogatepass")
        unit = "bytes as text"
    kind = f"{mime_type}, " if mime_type else ""
    return f"{_MARK}{kind}{len(content)} {unit}, sha256:{hashlib.sha256(content).hexdigest()}]"


def in_text(text: str, key: str = "") -> str:  # noqa: ARG001 - the shape of a change; media needs no key
    """The text without `data:` URLs and long base64; the same object when there is none."""
    if len(text) < 32:
        return text
    if ";base64," in text:
        text = _DATA_URL.sub(lambda found: mark(found[2], found[1].partition(";")[0]), text)
    return _without_runs(text) if len(text) >= MIN_LENGTH else text


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") != "blob":
        return part
    content = part.get("content")
    if not isinstance(content, str) or content.startswith(_MARK):
        return part
    return {**part, "content": mark(content)}


def _decoded(data: str) -> bytes:
    if "-" in data or "_" in data:
        data = data.translate(_PLAIN)
    data = data.rstrip("=\r\n \t")
    return base64.b64decode(data + "=" * (-len(data) % 4), validate="\n" not in data and " " not in data)


_PLAIN: Final = str.maketrans("-_", "+/")


def _without_runs(text: str) -> str:
    """Long base64 that stands anywhere: a run of `MIN_LENGTH` covers a window that has no blank in it."""
    pieces: list[str] = []
    done = at = 0
    size = len(text)
    while at + _WINDOW <= size:
        blank = text.find(" ", at, at + _WINDOW)
        if blank >= 0:
            at = at + _WINDOW
            continue
        start, end, is_media = _run_at(text, at, done)
        if is_media:
            pieces += (text[done:start], mark(text[start:end], None))
            done = end
        at = max(end, at + _WINDOW)
    return "".join((*pieces, text[done:])) if pieces else text


def _run_at(text: str, at: int, done: int) -> tuple[int, int, bool]:
    """The run of base64 around the window at this place, and whether it is media and not some long word."""
    end = at
    for run in (_RUN, _URL_RUN):
        match = run.match(text, at)
        if match is None or match.end() - at < _WINDOW:
            continue
        before = run.match(text[max(done, at - _WINDOW) : at][::-1])
        start = at - (before.end() if before is not None else 0)
        end = match.end()
        while text[end : end + 1] == "=" and end < match.end() + 2:
            end += 1
        if end - start >= MIN_LENGTH and all(one.search(text, start, end) for one in _MIXED):
            return start, end, True
    return at, end, False


_REWRITE: Final = Rewriter(in_text, part=_part)
