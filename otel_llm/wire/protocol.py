"""The shapes that every wire protocol has in common.

A protocol is one module with a `Wire`: how to read its request, how to read its answer, and how to fold its
stream into the answer of a call that does not stream, so that one reader serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from msgspec import Struct

from otel_llm.record import Json, Request, Response

MAX_TEXT = 1 << 20
"""Characters that a fold keeps of one text; what comes after is counted by the provider, not kept by us."""


class Ask(Struct, frozen=True, kw_only=True):
    """A request as it goes out. `body` is parsed JSON, or the fields of a form; header names are lower case."""

    method: str
    host: str
    path: str
    port: int | None = None
    query: str = ""
    headers: Mapping[str, str] = {}
    body: Json = None


class Binary(Struct, frozen=True, kw_only=True):
    """A body that is neither JSON nor text. `sha256` is there only where content is wanted."""

    mime_type: str
    size: int
    sha256: str | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """A response as it came. `body` is parsed JSON, a str, a `Binary`, or None when there was none to read."""

    status: int
    headers: Mapping[str, str] = {}
    body: Json = None


class Fold(Protocol):
    """Joins the events of one stream, in bounded memory."""

    def add(self, name: str, event: Json) -> None:
        """Take the next event; `name` is the SSE or event-stream name, often empty."""

    def body(self) -> Json:
        """The answer so far, in the shape of a call that does not stream."""


class Wire(NamedTuple):
    """One protocol.

    `read_request` and `read_response` leave content out unless their flag `content` is set; `fold` takes the same
    flag and then keeps no text either. `provider` is the flavour where the host does not tell who it is.
    """

    name: str
    provider: str
    read_request: Callable[[Ask, bool], Request]
    read_response: Callable[[Answer, Request, bool], Response]
    fold: Callable[[bool], Fold] | None = None
    sparse: bool = False
    """True where an answer is large and little of it is wanted: its top-level values arrive as `msgspec.Raw`."""
