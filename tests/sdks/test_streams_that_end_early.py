"""A stream that its reader leaves, loses or forgets is one span all the same, with its outcome."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import Any

import pytest

from tests import corpus, replay
from tests.conftest import Instrument, Seen
from tests.replay import Provider
from tests.sdks import MARKS
from tests.sdks.calls import Case, Row, at_once, cases
from tests.sdks.streams import begun, closed
from tests.sdks.table import ROWS

pytestmark = MARKS


def _pieces(case: Case) -> int:
    return len(replay.pieces(case.recording.response_body, 0))


def _longest() -> list[Case]:
    """For each method that streams, its recording of the most events; bare responses are the hooks' business."""
    found: dict[Row, Case] = {}
    for case in cases(ROWS, corpus.shipped()):
        row, recording = case.row, case.recording
        if not recording.stream or recording.status >= 400 or "in_body_error" in recording.features:
            continue
        if "with_" in row.api or row.api in {"post", "stream", "run_stream"} or _pieces(case) < 4:
            continue
        if row not in found or _pieces(found[row]) < _pieces(case):
            found[row] = case
    return list(found.values())


CASES = _longest()
PLAIN = [pytest.param(case, id=case.name) for case in CASES if case.row.sdk.client is not None]
ASYNC = [pytest.param(case, id=case.name) for case in CASES if case.row.sdk.async_client is not None]


def held(case: Case) -> str:
    """The provider keeps the second half to itself."""
    return f"hold-{_pieces(case) // 2}/"


def outcome(case: Case, seen: Seen) -> Any:
    """That of the one span, which knows the model that was asked for."""
    attributes = seen.one()
    assert attributes["gen_ai.operation.name"] == case.row.operation
    assert "error.type" not in attributes
    return attributes["otel_llm.stream.outcome"]


@pytest.mark.parametrize("case", PLAIN)
def test_a_stream_that_is_closed_early_says_so(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.client is not None
    seen = instrumented()
    place = case.place(port, held(case))
    client = case.row.sdk.client(place)
    stream = at_once(begun(case.call(client, place), asynchronous=False))
    at_once(closed(stream, asynchronous=False))
    assert outcome(case, seen) == "closed_early"
    case.row.sdk.close(client, False)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("case", PLAIN)
def test_a_stream_that_is_forgotten_ends_with_its_garbage(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.client is not None
    seen = instrumented()
    place = case.place(port, held(case))
    client = case.row.sdk.client(place)
    at_once(begun(case.call(client, place), asynchronous=False))
    gc.collect()
    assert outcome(case, seen) in {"closed_early", "abandoned"}
    case.row.sdk.close(client, False)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_stream_that_its_sdk_gives_up_on_is_a_failure(
    provider: Provider, port: int, instrumented: Instrument
) -> None:
    """Groq's SDK raises for an error that comes in the middle, and leaves the response open."""
    groq: Any = pytest.importorskip("groq")
    recording = corpus.by_id()["groq-chat-completions-stream-d99a846eb3"]
    seen = instrumented()
    client = groq.Groq(
        api_key="test",
        base_url=f"http://api.groq.com:{port}/{recording.id}",
        http_client=groq.DefaultHttpxClient(verify=False),
    )

    def read() -> None:
        asked = [{"role": "user", "content": "hello"}]
        list(client.chat.completions.create(model="openai/gpt-oss-120b", messages=asked, stream=True))

    with pytest.raises(groq.APIError, match="Tool choice is required"):
        read()
    gc.collect()
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "failed"
    assert attributes["error.type"] == "tool_use_failed"
    client.close()


@pytest.mark.parametrize("case", ASYNC)
async def test_an_async_stream_that_is_closed_early_says_so(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.async_client is not None
    seen = instrumented()
    place = case.place(port, held(case))
    client = case.row.sdk.async_client(place)
    stream = await begun(case.call(client, place, case.row.sdk.async_suffix), asynchronous=True)
    await closed(stream, asynchronous=True)
    # An SDK's generator may leave its response to the collector.
    told = {"closed_early", "abandoned"} if inspect.isasyncgen(stream) else {"closed_early"}
    del stream
    await swept(seen)
    assert outcome(case, seen) in told
    await finish(case, client)


@pytest.mark.parametrize("case", ASYNC)
async def test_a_task_that_is_cancelled_in_the_middle_of_its_stream_says_so(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.async_client is not None
    seen = instrumented()
    place = case.place(port, held(case))
    client = case.row.sdk.async_client(place)
    started = asyncio.Event()

    async def read() -> None:
        stream = await begun(case.call(client, place, case.row.sdk.async_suffix), asynchronous=True)
        started.set()
        async for _ in stream:
            pass

    task = asyncio.create_task(read())
    await started.wait()
    await asyncio.sleep(0.02)  # the reader takes what is there, and waits
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await swept(seen)
    assert seen.one()["otel_llm.stream.outcome"] == "cancelled"
    await finish(case, client)


async def swept(seen: Seen) -> None:
    """Some SDKs leave generators in generators behind; the loop closes one at a time, once it is garbage."""
    for _ in range(100):
        gc.collect()
        await asyncio.sleep(0.001)
        if seen.get_finished_spans():
            break


async def finish(case: Case, client: Any) -> None:
    """Close the client."""
    made = case.row.sdk.close(client, True)
    if made is not None:
        await made
