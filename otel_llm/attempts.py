"""Failed calls that their SDK may try again: same client, same body, soon after.

docs/decisions/0004-attempts-are-linked-spans.md tells why an attempt is a span of its own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from opentelemetry.trace import SpanContext

MAX_ATTEMPTS: Final = 256
"""Failed calls that are remembered, of all clients together."""
SECONDS: Final = 120.0
"""How long after its failure a call may be tried again; SDKs wait a minute at most."""
_RETRY_HEADER: Final = "x-stainless-retry-count"
"""In which SDKs of OpenAI, Anthropic and many others count their attempts, from 0."""


class _Failed(NamedTuple):
    """A failed call."""

    find_client: Callable[[], object]
    span: SpanContext
    number: int
    at: float


class Attempts:
    """The table of calls that failed lately. It keeps neither clients nor bodies."""

    def __init__(self) -> None:
        self._failed: OrderedDict[tuple[int, int], _Failed] = OrderedDict()
        self._latest = 0.0
        self._lock = threading.Lock()

    def note(self, key: tuple[Callable[[], object], bytes | None], span: SpanContext, number: int) -> None:
        """The attempt of this number has failed. `key`: who finds the client, and the body."""
        find_client, body = key
        client = find_client()
        if body is None or client is None:
            return
        now = time.monotonic()
        with self._lock:
            self._latest = now
            self._failed[id(client), hash(body)] = _Failed(find_client, span, number, now)
            while len(self._failed) > MAX_ATTEMPTS:
                self._failed.popitem(last=False)

    def find(
        self, client: object, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int | None, SpanContext | None]:
        """The number of this attempt and the span of the one before; a first attempt has neither."""
        if not self._failed:  # nothing failed lately, so nothing is tried again
            return None, None
        now = time.monotonic()
        if now - self._latest > SECONDS:
            with self._lock:
                self._failed.clear()
        said = headers.get(_RETRY_HEADER)
        if said == "0":
            return None, None
        number = int(said) + 1 if said is not None and said.isdecimal() and len(said) < 5 else None
        if body is not None and client is not None:
            with self._lock:
                found = self._failed.pop((id(client), hash(body)), None)
            if found is not None and found.find_client() is client and now - found.at < SECONDS:
                return number or found.number + 1, found.span
        return number, None
