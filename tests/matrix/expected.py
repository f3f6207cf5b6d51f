"""Recorded calls that SDKs are sent to, and what the provider said of each."""

from __future__ import annotations

from typing import NamedTuple

from otel_llm.record import CallRecord


class Expected(NamedTuple):
    """A recording, and what the span of any call to it must say; numbers were read from its answer by hand."""

    recording: str
    asked: str
    """The model to ask for."""
    answered: str | None
    input: int | None
    output: int | None
    reasons: tuple[str, ...] | None = ("stop",)
    stream: bool = False
    operation: str = "chat"

    def assert_is(self, calls: list[CallRecord]) -> None:
        """Exactly one call, and that one."""
        assert len(calls) == 1, [call.request for call in calls]
        call = calls[0]
        assert call.request.operation == self.operation
        assert call.request.model == self.asked
        assert call.request.stream == self.stream
        assert call.response.model == self.answered
        assert call.response.failure is None
        assert (call.response.usage.input, call.response.usage.output) == (self.input, self.output)
        assert (tuple(call.response.finish_reasons) if call.response.finish_reasons else None) == self.reasons
        assert call.stream_outcome == ("completed" if self.stream else None)
        assert (call.time_to_first_chunk is not None) == self.stream
        assert call.end_ns > call.start_ns


OPENAI_CHAT = Expected("openai-chat-completions-3db40dd716", "gpt-5", "gpt-5-2025-08-07", 176, 230)
OPENAI_CHAT_STREAM = Expected(
    "openai-chat-completions-stream-553420615f", "gpt-5", "gpt-5-2025-08-07", 19, 75, stream=True
)
OPENAI_RESPONSES = Expected(
    "openai-responses-ed1c28dbae", "gpt-5", "gpt-5-2025-08-07", 63, 132, ("tool_call",)
)
OPENAI_RESPONSES_STREAM = Expected(
    "openai-responses-stream-8726a6af2a", "gpt-4o", "gpt-4o-2024-08-06", 1515, 8, stream=True
)
OPENAI_EMBEDDINGS = Expected(
    "openai-embeddings-de76c6d523",
    "text-embedding-3-small",
    "text-embedding-3-small",
    9,
    None,
    None,
    operation="embeddings",
)
ANTHROPIC = Expected(
    "anthropic-messages-510a37dd90", "claude-sonnet-4-20250514", "claude-sonnet-4-20250514", 120, 44
)
ANTHROPIC_STREAM = Expected(
    "anthropic-messages-stream-d92d864dc0", "claude-opus-4-6", "claude-opus-4-6", 1921, 65, stream=True
)
MISTRAL = Expected(
    "mistral-chat-completions-1724ce6d97", "mistral-small-latest", "mistral-small-latest", 24, 7
)
MISTRAL_STREAM = Expected(
    "mistral-chat-completions-stream-9376d3648f",
    "mistral-small-latest",
    "mistral-small-latest",
    291,
    27,
    ("tool_call",),
    stream=True,
)
GEMINI = Expected(
    "gemini-generate-content-aa25d15751",
    "gemini-2.5-flash",
    "gemini-2.5-flash",
    62,
    94,
    operation="generate_content",
)
GEMINI_STREAM = Expected(
    "gemini-generate-content-stream-51be800453",
    "gemini-2.5-flash",
    "gemini-2.5-flash",
    48,
    75,
    stream=True,
    operation="generate_content",
)
HUGGINGFACE = Expected(
    "huggingface-chat-completions-e8969f994b",
    "Qwen/Qwen2.5-VL-72B-Instruct",
    "Qwen/Qwen2.5-VL-72B-Instruct",
    269,
    27,
)
HUGGINGFACE_STREAM = Expected(
    "huggingface-chat-completions-stream-c6f3ac121d",
    "moonshotai/Kimi-K2-Instruct-0905:groq",
    "moonshotai/kimi-k2-instruct-0905",
    93,
    21,
    ("tool_call",),
    stream=True,
)
