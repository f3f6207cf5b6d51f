"""One exchange, request and answer, read into a `Request` and a `Response` whatever its framing.

`read_body` parses what goes out. `Reader` takes what comes in, chunk by chunk, and holds back up to `_BATCH` bytes,
so that a stream costs its caller one list append a chunk and the parsing comes in few, larger steps.
"""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from otel_llm.errors import WireError
from otel_llm.record import Json, Request, Response
from otel_llm.wire import take
from otel_llm.wire.event_stream import EventStream
from otel_llm.wire.failures import read_failure
from otel_llm.wire.framing import Framer, JsonArray, JsonLines, ServerSentEvents
from otel_llm.wire.inflate import Inflate, inflater
from otel_llm.wire.protocol import Answer, Binary, Fold, Wire

MAX_BODY: Final = 16 << 20
"""Bytes of one body that we parse; a larger one passes by unread."""
MAX_INFLATED: Final = 64 << 20
"""Bytes of one stream that we read after decompression."""
_BATCH: Final = 32 << 10

_SPARSE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_LAST_EVENTS = frozenset(
    {
        "message_stop",
        "message-end",
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "image_generation.completed",
        "image_edit.completed",
        "speech.audio.done",
        "transcript.text.done",
        "transcription.done",
    }
)
_LINES_TYPES = ("ndjson", "jsonl", "json-lines", "jsonlines", "stream+json", "json-seq")


def read_body(content_type: str, data: bytes) -> Json:
    """A request body as JSON; a form becomes an object of its fields, with files as name, type and size.

    None for a body that is neither, too large or broken.
    """
    if not data or len(data) > MAX_BODY:
        return None
    if content_type.startswith("multipart/form-data"):
        return _form(content_type, data)
    if content_type.startswith("application/x-www-form-urlencoded"):
        return _fields(data)
    try:
        return take.loaded(data)
    except (ValueError, RecursionError):
        return None


def read_response(wire: Wire, request: Request, answer: Answer, content: bool) -> Response:
    """The answer by its protocol, with the failure that it reports, if any."""
    body = answer.body
    if answer.status < 400 and type(body) is dict and not body.get("error"):  # most calls are well
        return wire.read_response(answer, request, content)
    failure = read_failure(answer.status, answer.headers, body)
    if answer.status >= 400 or body is None:
        return Response(failure=failure)
    response = wire.read_response(answer, request, content)
    if failure is None or response.failure is not None:
        return response
    if request.operation == "fetch_response":  # the error belongs to what was fetched
        return response
    return msgspec.structs.replace(response, failure=failure)


class Reader:
    """The bytes of one answer, folded as they come."""

    # What most answers never need is set when it is needed.
    _begun = False
    _type = ""
    _whole: list[bytes] | None = None
    _size = 0
    _binary = False
    _digest: Any = None
    _framer: Framer | None = None
    _fold: Fold | None = None
    _error: Json = None
    _events = 0
    _last_event = False
    _lost = False
    _inflate: Inflate | None = None

    def __init__(
        self,
        wire: Wire,
        request: Request,
        status: int,
        headers: Mapping[str, str],
        content: bool,
        *,
        encoded: bool = True,
    ) -> None:
        """`headers` in lower case; `encoded` says that the bytes still have the content encoding that they name."""
        self._wire = wire
        self._request = request
        self._status = status
        self._headers = headers
        self._content = content
        self._encoded = encoded
        self._held: list[bytes] = []
        self._held_size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes, cut anywhere."""
        self._held.append(chunk)
        self._held_size += len(chunk)
        if self._held_size >= _BATCH:
            self._drain()

    def finish(self) -> Response:
        """The response as far as its bytes came."""
        body = self._at_once()
        if body is None:
            self._drain()
            body = self._body()
        return read_response(
            self._wire,
            self._request,
            Answer(status=self._status, headers=self._headers, body=body),
            self._content,
        )

    @property
    def streamed(self) -> bool:
        """Whether the answer is a stream of events."""
        return self._framer is not None

    def finished(self, response: Response) -> bool:
        """Whether the stream's last event has come, though its bytes may not be read to the end."""
        reasons = response.finish_reasons
        return self._last_event or (bool(reasons) and "error" not in (reasons or ()))

    def _at_once(self) -> Json:
        """The most common answer of all: one JSON object, whole and plain; None for every other."""
        held = self._held
        if self._begun or self._encoded or len(held) != 1 or self._request.stream or self._wire.sparse:
            return None
        data = held[0]
        if data[:1] != b"{" or len(data) > MAX_BODY:
            return None
        try:
            return take.loaded(data)
        except (ValueError, RecursionError):
            return None

    def _begin(self) -> None:
        """Look at the headers."""
        self._begun = True
        self._type = self._headers.get("content-type", "").lower()
        self._binary = self._status < 400 and _is_binary(self._type)
        self._digest = hashlib.sha256() if self._content and self._binary else None
        if self._encoded:
            try:
                self._inflate = inflater(self._headers.get("content-encoding", ""))
            except WireError:
                self._lost = True

    def _drain(self) -> None:
        if not self._begun:
            self._begin()
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held = []
        self._held_size = 0
        if self._lost or not data:
            return
        if self._inflate is not None:
            try:
                data = self._inflate(data, MAX_INFLATED - self._size)
            except WireError:
                self._lost = True
                return
        if self._binary and not self._size and _is_text_after_all(self._type, data):
            self._binary = False
        self._size += len(data)
        if self._binary:
            if self._digest is not None:
                self._digest.update(data)
            return
        if self._framer is None and self._whole is None:
            data = self._choose(data)
        if self._framer is not None:
            for name, event in self._framer.feed(data):
                self._take(name, event)
        elif self._whole is not None:
            if self._size > MAX_BODY:
                self._whole = []
                self._lost = True
            else:
                self._whole.append(data)

    def _choose(self, data: bytes) -> bytes:
        """How the body is framed: by its type, and where that lies, by how it begins."""
        start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:8]
        if not start:
            return b""
        fold = self._wire.fold
        if self._status >= 400 or fold is None:
            self._whole = []
        elif "amazon.eventstream" in self._type:
            self._framer = EventStream()
        elif start.startswith(b"["):
            if self._request.stream:
                self._framer = JsonArray()
            else:
                self._whole = []
        elif start.startswith(b"{"):
            if any(kind in self._type for kind in _LINES_TYPES):
                self._framer = JsonLines()
            else:
                self._whole = []
        elif "event-stream" in self._type or start.startswith(_TEXT_STARTS):
            self._framer = ServerSentEvents()
        else:
            self._whole = []
        if self._framer is not None and fold is not None:
            self._fold = fold(self._content)
        return data

    def _take(self, name: str, data: bytes) -> None:
        if data == b"[DONE]":
            self._last_event = True
            return
        try:
            event = take.loaded(data)
        except (ValueError, RecursionError):
            return
        self._events += 1
        if type(event) is dict:
            if event.get("error"):
                self._error = event["error"]
            kind = event.get("type")
            if (type(kind) is str and kind in _LAST_EVENTS) or event.get("done") is True:
                self._last_event = True
        if self._fold is not None:
            self._fold.add(name, event)

    def _body(self) -> Json:
        if self._binary:
            sha256 = self._digest.hexdigest() if self._digest is not None else None
            return Binary(mime_type=self._type.partition(";")[0], size=self._size, sha256=sha256)
        if self._framer is not None:
            for name, event in self._framer.flush():
                self._take(name, event)
        if self._fold is not None:
            body = self._fold.body()
            if self._error is not None and isinstance(body, dict):
                body["error"] = self._error
            return body
        return self._parse(b"".join(self._whole)) if self._whole else None

    def _parse(self, data: bytes) -> Json:
        if self._wire.sparse and self._status < 400:
            try:
                return _SPARSE.decode(data)
            except (msgspec.DecodeError, ValueError, RecursionError):
                pass  # it is read in full below, or found to be no JSON
        try:
            return take.loaded(data)
        except RecursionError:
            return None
        except ValueError:
            return self._lines_or_text(data)

    def _lines_or_text(self, data: bytes) -> Json:
        """JSON lines that call themselves JSON, else text."""
        if self._wire.fold is None or self._status >= 400 or not data.lstrip().startswith(b"{"):
            return data.decode("utf-8", "replace")
        self._fold = self._wire.fold(self._content)
        framer = JsonLines()
        for framed in (framer.feed(data), framer.flush()):
            for name, event in framed:
                self._take(name, event)
        if not self._events:
            return data.decode("utf-8", "replace")
        body = self._fold.body()
        if self._error is not None and isinstance(body, dict):
            body["error"] = self._error
        return body


def _is_binary(content_type: str) -> bool:
    if content_type.startswith(("audio/", "image/", "video/")):
        return True
    return content_type.startswith("application/octet-stream")


def _is_text_after_all(content_type: str, data: bytes) -> bool:
    """Servers that do not know what they send call JSON and events octets, too."""
    return content_type.startswith("application/octet-stream") and data.lstrip().startswith(
        (b"{", *_TEXT_STARTS)
    )


def _fields(data: bytes) -> Json:
    """A form without files; what is no text or no form is None."""
    try:
        return dict(parse_qsl(data.decode(), max_num_fields=256))
    except ValueError:
        return None


def _form(content_type: str, data: bytes) -> Json:
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    try:
        parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + data)
        fields: dict[str, Json] = {}
        for part in parsed.iter_parts():
            name = str(part.get_param("name", "", header="content-disposition"))
            payload = part.get_payload(decode=True)
            value: Json = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
            if (filename := part.get_filename()) is not None:
                size = len(payload) if isinstance(payload, bytes) else 0
                value = {"filename": filename, "mime_type": part.get_content_type(), "size": size}
            if name in fields:
                earlier = fields[name]
                fields[name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
            elif name:
                fields[name] = value
    except Exception:  # noqa: BLE001  (the email package raises many kinds on a broken form)
        return None
    return fields
