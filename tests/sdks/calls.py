"""How to make one recorded call again with a real SDK, and how to compare what its user gets.

A row of the table names a method of an SDK and the end of the path that the SDK sends to. Every recording whose path
ends so can be played back to that method: its own request as arguments, its own host as the base URL.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Coroutine
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from tests.corpus import Recording
from tests.sdks.said import Reader


class Place(NamedTuple):
    """Where a call goes."""

    base: str
    """The SDK's base URL."""
    url: str
    """All of it."""
    names: dict[str, str]
    """The named groups of the row's path."""
    id: str
    """Of the recording; it is in the URL, too."""


def close_itself(client: Any, asynchronous: bool) -> Any:
    """For a client whose class has a way to close it; an awaitable where that is async."""
    for name in ("aclose", "close"):
        if hasattr(client, name):
            return getattr(client, name)()
    return None


class Sdk(NamedTuple):
    """A client library: the module that it needs, and its two faces. A maker gets the place of the call."""

    module: str
    client: Callable[[Place], Any] | None
    async_client: Callable[[Place], Any] | None
    flavour: str = "openai"
    """The provider of a host that nobody knows."""
    async_suffix: str = ""
    """What async methods have at the end of their names, where a client has both kinds."""
    close: Callable[[Any, bool], Any] = close_itself
    by: str = ""
    """What sets it apart from another entry of the same module."""


Arguments = Callable[[Any, dict[str, Any], Place, Recording], dict[str, Any]]
"""(method, recorded body, place, recording) -> the keyword arguments."""


def known(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    """The fields of the body that the method takes by name; the rest as `extra_body`, where it takes that."""
    parameters = inspect.signature(method).parameters
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    named = {name: value for name, value in body.items() if name in parameters or takes_all}
    rest = {name: value for name, value in body.items() if name not in parameters}
    if recording.stream and "stream" in parameters:
        named["stream"] = True
    if rest and "extra_body" in parameters:
        named["extra_body"] = rest
    return named


class Row(NamedTuple):
    """One method of one SDK."""

    sdk: Sdk
    api: str
    path: str
    operation: str
    said: Reader
    arguments: Arguments = known
    where: Callable[[Recording], bool] = lambda recording: True
    spans: int = 1
    """0: it is no LLM call."""


class Case(NamedTuple):
    """One row, one recording."""

    row: Row
    recording: Recording

    @property
    def name(self) -> str:
        """For the report."""
        sdk = self.row.sdk
        return f"{sdk.module}{sdk.by} {self.row.api} {self.recording.id}"

    def place(self, port: int, manner: str = "") -> Place:
        """The host that was called, at the port of the local provider."""
        recorded = urlsplit(self.recording.url)
        found = _ends(self.row.path, recorded.path)
        assert found is not None
        root = f"http://{recorded.hostname}:{port}/{manner}{self.recording.id}"
        return Place(
            root + recorded.path[: found.start()],
            root + recorded.path + (f"?{recorded.query}" if recorded.query else ""),
            found.groupdict(),
            self.recording.id,
        )

    def call(self, client: Any, place: Place, suffix: str = "", **more: Any) -> Any:
        """Call the method, with `more` arguments than the recorded ones."""
        method = attrgetter(self.row.api + suffix)(client)
        body = json.loads(self.recording.request_body or b"{}") if self._json() else {}
        return method(**{**self.row.arguments(method, body, place, self.recording), **more})

    def _json(self) -> bool:
        return self.recording.request_body[:1] in {b"", b"{"}


def _ends(path: str, recorded: str) -> re.Match[str] | None:
    return re.search(f"(?:{path})$", recorded)


def cases(rows: tuple[Row, ...], recordings: tuple[Recording, ...]) -> list[Case]:
    """All that fit together."""
    return [
        Case(row, recording)
        for row in rows
        for recording in recordings
        if _ends(row.path, urlsplit(recording.url).path) and row.where(recording)
    ]


def asked_model(path: str, body: bytes) -> str | None:
    """The model that a sent request names: in JSON, in a form, or in its path."""
    if body[:1] == b"{":
        model = json.loads(body).get("model")
        if model:
            return str(model)
    if form := re.search(rb'name="model"\r\n(?:[^\r]+\r\n)*\r\n([^\r]+)', body):
        return form[1].decode()
    if arn := re.search(rb'"modelArn": ?"([^"]+)"', body):
        return arn[1].decode().rpartition("/")[2]
    named = re.search(r"/models?/(.+?)(?::[a-zA-Z]+)?(?:/(?:converse|invoke)[a-z-]*)?(?:\?|$)", path)
    return re.sub("^arn:.*:inference-profile/", "", unquote(named[1])) if named else None


async def settled(value: Any, asynchronous: bool) -> Any:
    """What a user gets of a result, as plain values: awaited, iterated, entered, read.

    For a plain program it never waits, so that `at_once` can run it without an event loop.
    """
    if inspect.isawaitable(value):
        return await settled(await value, asynchronous)
    if value is None or isinstance(value, (str, bytes, int, float)):
        return value
    if hasattr(value, "model_dump"):
        dumped = value.model_dump(warnings=False)
        if hasattr(value, "lc_id"):  # LangChain makes up an id for each run
            dumped.pop("id")
        return dumped
    if isinstance(value, dict):
        return {key: await settled(one, asynchronous) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [await settled(one, asynchronous) for one in value]
    if hasattr(value, "stream_text"):  # pydantic-ai's results hold the time of each message
        return [
            [one async for one in value.stream_text(debounce_by=None)],
            await settled(value.usage, asynchronous),
        ]
    if hasattr(value, "new_messages"):
        return [value.output, await settled(value.usage, asynchronous)]
    if hasattr(value, "parse") and hasattr(value, "http_request"):
        return await settled(value.parse(), asynchronous)
    if hasattr(value, "aread"):
        return await value.aread() if asynchronous else value.read()
    if hasattr(value, "iter_content"):
        return value.content
    if hasattr(value, "read"):
        return await settled(value.read(), asynchronous)
    if hasattr(value, "__aiter__"):
        return [await settled(one, asynchronous) async for one in value]
    if hasattr(value, "__iter__"):
        return [await settled(one, asynchronous) for one in value]
    if hasattr(value, "__aenter__"):
        async with value as inner:
            return await settled(inner, asynchronous)
    if hasattr(value, "__enter__"):
        with value as inner:
            return await settled(inner, asynchronous)
    if dataclasses.is_dataclass(value) or hasattr(value, "__dict__"):
        return await settled(vars(value), asynchronous)
    return repr(value)


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a plain call waits for an event loop")
