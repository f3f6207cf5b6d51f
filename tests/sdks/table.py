"""All rows: which method of which SDK, how it is called, what its span must say."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from tests import corpus
from tests.corpus import Recording
from tests.sdks import rows_anthropic, rows_google, rows_openai, rows_others, rows_raw

RECORDINGS = tuple(corpus.recordings()) if os.environ.get("OTEL_LLM_ALL_RECORDINGS") else corpus.shipped()
"""Those that ship are enough to show each thing once; set the variable to play all that are at hand."""

ROWS = (*rows_openai.ROWS, *rows_anthropic.ROWS, *rows_google.ROWS, *rows_others.ROWS, *rows_raw.ROWS)

_PROVIDERS = {
    "anthropic": "anthropic",
    "avian": "avian",
    "aws_bedrock": "aws.bedrock",
    "aws_bedrock_agent": "aws.bedrock",
    "aws_bedrock_mantle": "aws.bedrock",
    "azure_ai_inference": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "cohere": "cohere",
    "crusoe": "crusoe",
    "deepseek": "deepseek",
    "gemini": "gcp.gemini",
    "groq": "groq",
    "heroku": "heroku",
    "huggingface": "huggingface",
    "mistral": "mistral_ai",
    "openai": "openai",
    "openrouter": "openrouter",
    "portkey": "portkey",
    "together": "together_ai",
    "vercel_gateway": "vercel_ai_gateway",
    "vertex_ai": "gcp.vertex_ai",
    "voyage": "voyage_ai",
    "xai": "x_ai",
}
"""What recordings call a provider, and what its span does."""


def provider_of(recording: Recording, flavour: str) -> str:
    """The provider that the span names; `flavour` is for hosts that nobody knows."""
    host = urlsplit(recording.url).hostname
    return "ollama" if host == "ollama.com" else _PROVIDERS.get(recording.provider, flavour)
