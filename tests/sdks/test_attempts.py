"""What an SDK tries again is a span an attempt, linked; what it gives up on is a failure that says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from tests import corpus
from tests.conftest import Instrument
from tests.replay import Provider
from tests.sdks import MARKS
from tests.sdks.calls import Case, Place, at_once, cases, settled
from tests.sdks.streams import begun
from tests.sdks.table import ROWS
from tests.sdks.telling import expected, told

pytestmark = MARKS


class Way(NamedTuple):
    """How an SDK is told to do something: by its client, or by arguments of the call."""

    client: Callable[[Any], Any] = lambda client: client
    arguments: Callable[[], dict[str, Any]] = dict


def _first(module: str, api: str, *, stream: bool = False) -> Case:
    """The first recording of a method that went well."""
    return next(
        case
        for case in cases(ROWS, corpus.shipped())
        if (case.row.sdk.module, case.row.api) == (module, api)
        and case.recording.stream == stream
        and case.recording.status == 200
    )


def _mistral_retries() -> dict[str, Any]:
    from mistralai.client.utils import BackoffStrategy, RetryConfig

    return {"retries": RetryConfig("backoff", BackoffStrategy(1, 10, 1.0, 1000), True)}


_TWICE = Way(lambda client: client.with_options(max_retries=2))
RETRIES = [
    pytest.param(_first(module, api), way, id=f"{module} {api}")
    for module, api, way in (
        ("openai", "chat.completions.create", _TWICE),
        ("openai", "responses.create", _TWICE),
        ("anthropic", "messages.create", _TWICE),
        ("groq", "chat.completions.create", _TWICE),
        ("together", "chat.completions.create", _TWICE),
        ("mistralai", "chat.complete", Way(arguments=_mistral_retries)),
        ("cohere", "v2.chat", Way(arguments=lambda: {"request_options": {"max_retries": 2}})),
    )
]


def check_attempts(case: Case, provider: Provider, spans: Sequence[ReadableSpan]) -> None:
    """Three linked attempts, of which the last says what the provider said."""
    assert len(provider.served) == 3
    for span in spans[:2]:
        assert span.attributes is not None
        assert span.attributes["error.type"] in {"rate_limited", "429"}
        assert "gen_ai.usage.input_tokens" not in span.attributes
    assert [(span.attributes or {}).get("otel_llm.attempt") for span in spans] == [None, 2, 3]
    assert [[link.context for link in span.links] for span in spans] == [
        [],
        [spans[0].context],
        [spans[1].context],
    ]
    assert told(spans[2]) == expected(case, provider.served[-1])


@pytest.mark.parametrize(("case", "way"), RETRIES)
def test_attempts_of_an_sdk_are_linked(
    case: Case, way: Way, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.client is not None
    seen = instrumented()
    place = case.place(port, "refuse-2/")
    client = case.row.sdk.client(place)
    at_once(settled(_call(case, way, client, place, ""), asynchronous=False))
    case.row.sdk.close(client, False)
    check_attempts(case, provider, seen.llm(3))


@pytest.mark.parametrize(("case", "way"), RETRIES)
async def test_attempts_of_an_async_sdk_are_linked(
    case: Case, way: Way, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.async_client is not None
    seen = instrumented()
    place = case.place(port, "refuse-2/")
    client = case.row.sdk.async_client(place)
    await settled(_call(case, way, client, place, case.row.sdk.async_suffix), asynchronous=True)
    await settled(case.row.sdk.close(client, True), asynchronous=True)
    check_attempts(case, provider, seen.llm(3))


def _call(case: Case, way: Way, client: Any, place: Place, suffix: str) -> Any:
    return case.call(way.client(client), place, suffix, **way.arguments())


_SECONDS = 0.1


def _ollama(client: Any) -> Any:
    client._client.timeout = _SECONDS
    return client


def _hugging_face(client: Any) -> Any:
    client.timeout = _SECONDS
    return client


def _voyage(client: Any) -> Any:
    client._params["request_timeout"] = _SECONDS
    return client


_SOON = Way(lambda client: client.with_options(timeout=_SECONDS))
TIME_LIMITS = [
    pytest.param(_first(module, api), way, id=f"{module} {api}")
    for module, api, way in (
        ("openai", "chat.completions.create", _SOON),
        ("openai", "responses.create", _SOON),
        ("anthropic", "messages.with_raw_response.create", Way(arguments=lambda: {"timeout": _SECONDS})),
        ("groq", "chat.completions.create", _SOON),
        ("together", "chat.completions.create", _SOON),
        ("mistralai", "chat.complete", Way(arguments=lambda: {"timeout_ms": int(_SECONDS * 1000)})),
        ("cohere", "v2.chat", Way(arguments=lambda: {"request_options": {"timeout_in_seconds": _SECONDS}})),
        ("ollama", "chat", Way(_ollama)),
        ("huggingface_hub", "chat_completion", Way(_hugging_face)),
        ("voyageai", "embed", Way(_voyage)),
    )
]


@pytest.mark.parametrize(("case", "way"), TIME_LIMITS)
def test_an_sdk_that_waits_no_longer_leaves_a_failure(
    case: Case, way: Way, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.client is not None
    seen = instrumented()
    place = case.place(port, "hold-0/")
    client = case.row.sdk.client(place)
    with pytest.raises(Exception, match=r"(?i)time|connect"):
        at_once(settled(_call(case, way, client, place, ""), asynchronous=False))
    case.row.sdk.close(client, False)
    assert "Timeout" in seen.one()["error.type"]


@pytest.mark.parametrize(("case", "way"), TIME_LIMITS)
async def test_an_async_sdk_that_waits_no_longer_leaves_a_failure(
    case: Case, way: Way, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.async_client is not None
    seen = instrumented()
    place = case.place(port, "hold-0/")
    client = case.row.sdk.async_client(place)
    with pytest.raises(Exception, match=r"(?i)time|connect|^$"):
        await settled(_call(case, way, client, place, case.row.sdk.async_suffix), asynchronous=True)
    await settled(case.row.sdk.close(client, True), asynchronous=True)
    assert "Timeout" in seen.one()["error.type"]


_LATER = Way(lambda client: client.with_options(timeout=3 * _SECONDS))
"""The beginning has to come in time, on a busy machine as well."""
STREAMS = [
    pytest.param(_first(module, api, stream=True), id=f"{module} {api}")
    for module, api in (
        ("openai", "chat.completions.create"),
        ("openai", "responses.create"),
        ("anthropic", "messages.stream"),
        ("groq", "chat.completions.create"),
    )
]


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_that_stalls_is_failed(
    case: Case, provider: Provider, port: int, instrumented: Instrument
) -> None:
    pytest.importorskip(case.row.sdk.module)
    assert case.row.sdk.client is not None
    seen = instrumented()
    place = case.place(port, "hold-3/")
    client = case.row.sdk.client(place)

    def read() -> None:
        stream = at_once(begun(_call(case, _LATER, client, place, ""), asynchronous=False))
        list(stream)

    with pytest.raises(Exception, match=r"(?i)time"):
        read()
    case.row.sdk.close(client, False)
    attributes = seen.one()
    assert attributes["otel_llm.stream.outcome"] == "failed"
    assert "Timeout" in attributes["error.type"]
