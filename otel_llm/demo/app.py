"""A small app that asks several language models. It knows nothing of telemetry, and need not.

Where the providers are comes from the environment, as `OPENAI_BASE_URL` and `ANTHROPIC_BASE_URL` do for the SDKs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from itertools import chain
from typing import Any

from anthropic import Anthropic
from openai import AsyncOpenAI, NotFoundError, OpenAI

KEY = os.environ.get("DEMO_API_KEY", "no-key-needed")
WEATHER: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "Get the current weather in a given location",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "The city and state, e.g. Boston, MA"}
                },
                "required": ["location"],
                "additionalProperties": False,
            },
        },
    }
]
CLOCK: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_current_time",
            "description": "Get the current time.",
            "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
        },
    }
]


def main() -> None:
    """Ask them all."""
    openai = OpenAI(api_key=KEY)
    for name, answer in chain(openai_calls(openai), anthropic_calls(), compatible_calls()):
        print(f"{name}: {' '.join(answer.split())[:88]}", flush=True)  # noqa: T201  (that is what this app does)
    asyncio.run(embed())


def openai_calls(client: OpenAI) -> Iterator[tuple[str, str]]:
    """Chat, streamed and with tools; responses with reasoning, whole and streamed; a mistake."""
    yield "OpenAI, streamed", streamed(client, "gpt-5", "Say hi in Portuguese", max_completion_tokens=4000)

    chat = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "system", "content": "You're a helpful assistant."},
            {"role": "user", "content": "What's the weather in Seattle and San Francisco today?"},
        ],
        tools=WEATHER,
    )
    calls: list[Any] = list(chat.choices[0].message.tool_calls or ())
    yield "OpenAI, tools", ", ".join(f"{one.function.name}({one.function.arguments})" for one in calls)

    thought = client.responses.create(
        model="gpt-5-mini", input="What is 2 + 2?", reasoning={"summary": "auto"}
    )
    yield "OpenAI, reasoning", thought.output_text

    text = ""
    question = "How many primes below 400 contain 79 as a substring? Answer ONLY with the number."
    for event in client.responses.create(
        model="gpt-5", input=question, reasoning={"effort": "medium"}, stream=True
    ):
        if event.type == "response.output_text.delta":
            text += event.delta
    yield "OpenAI, responses streamed", text

    try:
        client.chat.completions.create(
            model="this-model-does-not-exist", messages=[{"role": "user", "content": "Say this is a test"}]
        )
    except NotFoundError as error:
        yield "OpenAI, a mistake", str(error)


def anthropic_calls() -> Iterator[tuple[str, str]]:
    """Messages with thinking, whole and streamed."""
    client = Anthropic(api_key=KEY)
    whole = client.messages.create(
        model="claude-haiku-4-5-20251001",
        max_tokens=16000,
        messages=[{"role": "user", "content": "What is 5 + 3?"}],
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    yield "Anthropic, thinking", "".join(one.text for one in whole.content if one.type == "text")

    with client.messages.stream(
        model="claude-haiku-4-5-20251001",
        max_tokens=8192,
        messages=[{"role": "user", "content": "Two names for a pet pelican, be brief"}],
        thinking={"type": "enabled", "budget_tokens": 1024},
    ) as stream:
        yield "Anthropic, streamed", "".join(stream.text_stream)


def compatible_calls() -> Iterator[tuple[str, str]]:
    """Providers that speak OpenAI's protocol."""
    yield "Groq", streamed(at("GROQ"), "llama3-8b-8192", "Hello!")
    yield "xAI", streamed(at("XAI"), "grok-4-fast", "Say hi in Portuguese", max_tokens=4000)
    yield (
        "Mistral",
        streamed(at("MISTRAL"), "mistral-small-latest", "What is 12 * 12? Answer with just the number."),
    )
    answer = at("DEEPSEEK").chat.completions.create(
        model="deepseek-v4-flash",
        messages=[{"role": "user", "content": "What is 2 + 2? Answer with just the number."}],
        reasoning_effort="high",
    )
    yield "DeepSeek", answer.choices[0].message.content or ""
    answer = at("GEMINI").chat.completions.create(
        model="gemini-2.5-pro-preview-05-06",
        messages=[{"role": "user", "content": "What is the current time?"}],
        tools=CLOCK,
    )
    calls: list[Any] = list(answer.choices[0].message.tool_calls or ())
    yield "Gemini", ", ".join(one.function.name for one in calls)


def at(provider: str) -> OpenAI:
    """OpenAI's client at another provider."""
    return OpenAI(api_key=KEY, base_url=os.environ[f"{provider}_BASE_URL"])


def streamed(client: OpenAI, model: str, question: str, **more: Any) -> str:
    """The text of a streamed chat."""
    text = ""
    for chunk in client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
        **more,
    ):
        said: Any = chunk.choices[0].delta.content if chunk.choices else None
        parts = [{"type": "text", "text": said}] if isinstance(said, str) else said or ()
        text += "".join(
            part["text"] for part in parts if part["type"] == "text"
        )  # Mistral sends thinking too
    return text


async def embed() -> None:
    """An embedding, with the asynchronous client."""
    client = AsyncOpenAI(api_key=KEY)
    made = await client.embeddings.create(
        model="text-embedding-3-small", input="This is a test for embeddings with encoding format"
    )
    print(f"OpenAI, embedding: {len(made.data[0].embedding)} numbers", flush=True)  # noqa: T201  (as above)


if __name__ == "__main__":
    main()
