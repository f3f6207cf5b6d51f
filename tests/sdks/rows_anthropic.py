"""The anthropic SDK, also in front of Bedrock and of Vertex."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from tests.corpus import Recording
from tests.sdks import said
from tests.sdks.calls import Place, Row, known
from tests.sdks.rows_openai import KEY, stainless, unstreamed

ANTHROPIC: Final = stainless("anthropic", ("Anthropic", "AsyncAnthropic"), "anthropic", **KEY)
BEDROCK: Final = stainless(
    "anthropic",
    ("AnthropicBedrock", "AsyncAnthropicBedrock"),
    "aws.bedrock",
    aws_access_key="AKIATEST",
    aws_secret_key="secret",
    aws_region="us-east-1",
    max_retries=0,
)
VERTEX: Final = stainless(
    "anthropic",
    ("AnthropicVertex", "AsyncAnthropicVertex"),
    "gcp.vertex_ai",
    access_token="test",
    project_id="example-project",
    region="us-east5",
    max_retries=0,
)


def _streamed(recording: Recording) -> bool:
    """The helper wants a type where the recorded call sends a schema."""
    return recording.stream and b"output_format" not in recording.request_body


def _plain(recording: Recording) -> bool:
    return not recording.stream and recording.provider == "anthropic"


def _patient(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    """Without a timeout of the caller's own, the SDK refuses long answers that do not stream."""
    return {**known(method, body, place, recording), "timeout": 10}


def _named_by_path(method: Any, body: dict[str, Any], place: Place, recording: Recording) -> dict[str, Any]:
    """Bedrock and Vertex have the model in the path; the SDK has it among the arguments."""
    asked = {name: one for name, one in body.items() if name != "anthropic_version"}
    return known(method, {**asked, "model": unquote(place.names["model"])}, place, recording)


def _of_claude(recording: Recording) -> bool:
    return b"anthropic_version" in recording.request_body


_MESSAGES: Final = ("/v1/messages", "chat", said.messages)
_INVOKE: Final = r"/model/(?P<model>[^/]+)/invoke(-with-response-stream)?"
_PREDICT: Final = (
    r"/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/(?P<model>[^/]+):\w*[rR]awPredict"
)

ROWS: Final = (
    Row(ANTHROPIC, "messages.create", *_MESSAGES, _patient),
    Row(ANTHROPIC, "messages.stream", *_MESSAGES, unstreamed, _streamed),
    Row(ANTHROPIC, "messages.with_raw_response.create", *_MESSAGES, _patient, _plain),
    Row(ANTHROPIC, "messages.with_streaming_response.create", *_MESSAGES, _patient, _plain),
    Row(ANTHROPIC, "beta.messages.create", *_MESSAGES, _patient),
    Row(ANTHROPIC, "beta.messages.stream", *_MESSAGES, unstreamed, _streamed),
    Row(ANTHROPIC, "messages.count_tokens", "/v1/messages/count_tokens", "", said.nothing, spans=0),
    Row(BEDROCK, "messages.create", _INVOKE, "chat", said.messages, _named_by_path, _of_claude),
    Row(VERTEX, "messages.create", _PREDICT, "chat", said.messages, _named_by_path),
)
