"""The hook of botocore: what boto3 gives for Bedrock stays as it was, and each call is seen once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # it has no stubs

from otel_llm.settings import Settings
from tests.conftest import Instrument
from tests.hooks.clients import MESSAGES, MODEL, bedrock
from tests.hooks.server import CLAUDE, Provider

pytestmark = pytest.mark.usefixtures("untroubled")

Tick = Callable[[], None]
ASK = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "x"}],
    }
)


def _converse(client: Any, tick: Tick) -> Any:
    answer = client.converse(modelId=MODEL, messages=MESSAGES)
    return answer["output"], answer["usage"]


def _converse_stream(client: Any, tick: Tick) -> Any:
    found = []
    for event in client.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]:
        found.append(event)
        tick()
    return found


def _invoke(read: Callable[[Any], Any]) -> Callable[[Any, Tick], Any]:
    return lambda client, tick: read(client.invoke_model(modelId=MODEL, body=ASK)["body"])


def _invoke_stream(client: Any, tick: Tick) -> Any:
    found = []
    for event in client.invoke_model_with_response_stream(modelId=MODEL, body=ASK)["body"]:
        found.append(event)
        tick()
    return found


PLAIN: dict[str, Callable[[Any, Tick], Any]] = {
    "Converse": _converse,
    "InvokeModel, read": _invoke(lambda body: [body.read(), body.read()]),
    "InvokeModel, read(10)": _invoke(lambda body: [body.read(10), body.read(10), body.read()]),
    "InvokeModel, iter_chunks": _invoke(lambda body: list(body.iter_chunks(16))),
    "InvokeModel, iter_lines": _invoke(lambda body: list(body.iter_lines(16))),
}
STREAMS: dict[str, Callable[[Any, Tick], Any]] = {
    "ConverseStream": _converse_stream,
    "InvokeModelWithResponseStream": _invoke_stream,
}
ALL = PLAIN | STREAMS


@pytest.mark.parametrize("words", ["json", "json+length", "json+close", "json+by7"])
@pytest.mark.parametrize("operation", ALL)
def test_a_caller_gets_the_same_with_and_without_the_hook(
    words: str, operation: str, provider: Provider, instrumented: Instrument
) -> None:
    client = bedrock(provider.url(words, ""))
    before = ALL[operation](client, lambda: None)
    seen = instrumented()
    assert ALL[operation](client, lambda: None) == before
    attributes = seen.one()
    assert attributes["gen_ai.usage.input_tokens"] == 11
    assert attributes["gen_ai.usage.output_tokens"] == 7
    assert attributes["gen_ai.provider.name"] == "aws.bedrock"
    assert attributes.get("otel_llm.stream.outcome") == ("completed" if operation in STREAMS else None)
    client.close()


@pytest.mark.parametrize("operation", STREAMS)
def test_nothing_is_read_ahead(operation: str, provider: Provider, instrumented: Instrument) -> None:
    client = bedrock(provider.url("lockstep", ""))
    seen = instrumented()
    assert len(STREAMS[operation](client, provider.turns.release)) == 6
    assert seen.one()["otel_llm.stream.outcome"] == "completed"
    client.close()


def test_the_body_of_an_invocation_reads_like_a_file(provider: Provider, instrumented: Instrument) -> None:
    instrumented()
    client = bedrock(provider.url("json+length", ""))
    body = client.invoke_model(modelId=MODEL, body=ASK)["body"]
    body.set_socket_timeout(5)
    assert body.readable()
    assert body.tell() == 0
    assert json.load(body) == CLAUDE
    client.close()


def test_the_signed_bytes_are_sent_unchanged(provider: Provider, instrumented: Instrument) -> None:
    client = bedrock(provider.url("json", ""))
    client.converse(modelId=MODEL, messages=MESSAGES)
    instrumented()
    client.converse(modelId=MODEL, messages=MESSAGES)
    without, with_hook = provider.sent
    assert with_hook.body == without.body
    assert with_hook.headers.keys() == without.headers.keys()
    client.close()


def test_a_failure_tells_the_code_of_the_provider(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    client = bedrock(provider.url("500", ""))
    with pytest.raises(ClientError):
        client.converse_stream(modelId=MODEL, messages=MESSAGES)
    assert seen.one()["error.type"] == "too_busy"
    client.close()


def test_attempts_of_botocore_are_linked(provider: Provider, instrumented: Instrument) -> None:
    seen = instrumented()
    client = bedrock(provider.url("500-500-200", ""), attempts=3)
    client.converse(modelId=MODEL, messages=MESSAGES)
    first, second, third = seen.llm(3)
    assert [(span.attributes or {}).get("otel_llm.attempt") for span in (first, second, third)] == [
        None,
        2,
        3,
    ]
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert [link.context.span_id for link in third.links] == [second.context.span_id]
    assert "gen_ai.usage.output_tokens" not in (second.attributes or {})
    assert (third.attributes or {})["gen_ai.usage.output_tokens"] == 7
    client.close()


def test_a_trace_context_goes_only_where_it_was_asked_for(
    provider: Provider, instrumented: Instrument
) -> None:
    instrumented(Settings(propagate_to=("127.0.0.1",)))
    client = bedrock(provider.url("json", ""))
    client.converse(modelId=MODEL, messages=MESSAGES)
    assert "traceparent" in provider.sent[0].headers
    client.close()
