"""Who answers at a host, as a `gen_ai.provider.name`.

The host is only a hint: a call is recognised by its path and body, and a host that is not listed here has the
provider of its protocol's flavour. Names are the conventions' where they have one.
"""

from __future__ import annotations

import functools
from typing import Final

from otel_llm.wire.protocol import Ask, Wire

_SUFFIXES: Final = (
    ("api.openai.com", "openai"),
    (".openai.azure.com", "azure.ai.openai"),
    (".cognitiveservices.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.inference"),
    (".inference.ai.azure.com", "azure.ai.inference"),
    (".models.ai.azure.com", "azure.ai.inference"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("api.mistral.ai", "mistral_ai"),
    ("codestral.mistral.ai", "mistral_ai"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.moonshot.cn", "moonshot_ai"),
    (".ml.cloud.ibm.com", "ibm.watsonx.ai"),
    ("openrouter.ai", "openrouter"),
    ("api.together.xyz", "together_ai"),
    ("api.together.ai", "together_ai"),
    ("api.fireworks.ai", "fireworks_ai"),
    ("api.cerebras.ai", "cerebras"),
    ("router.huggingface.co", "huggingface"),
    ("api-inference.huggingface.co", "huggingface"),
    (".endpoints.huggingface.cloud", "huggingface"),
    ("api.voyageai.com", "voyage_ai"),
    ("api.jina.ai", "jina_ai"),
    ("api.z.ai", "z_ai"),
    ("open.bigmodel.cn", "z_ai"),
    ("ai-gateway.vercel.sh", "vercel_ai_gateway"),
    ("api.portkey.ai", "portkey"),
    ("dashscope.aliyuncs.com", "dashscope"),
    ("dashscope-intl.aliyuncs.com", "dashscope"),
    ("api.replicate.com", "replicate"),
    ("api.deepgram.com", "deepgram"),
    ("api.avian.io", "avian"),
    ("inference.heroku.com", "heroku"),
    ("api.inference.crusoecloud.com", "crusoe"),
    ("api.sambanova.ai", "sambanova"),
    ("api.deepinfra.com", "deepinfra"),
    ("integrate.api.nvidia.com", "nvidia"),
    ("models.github.ai", "github_models"),
    ("api.minimax.io", "minimax"),
    ("api.ai21.com", "ai21"),
    ("api.writer.com", "writer"),
    ("ollama.com", "ollama"),
)


def provider_of(ask: Ask, wire: Wire) -> str:
    """The provider at this host, else the flavour of the protocol."""
    name = _at(ask.host)
    if name == "azure.ai.inference" and "/openai/" in ask.path:
        return "azure.ai.openai"
    if name is None and ask.port == 11434:
        return "ollama"
    return name or wire.provider


@functools.lru_cache(maxsize=1024)
def _at(host: str) -> str | None:
    """The provider that the name of a host tells."""
    host = host.lower()
    for suffix, name in _SUFFIXES:
        if host.endswith(suffix) and (
            suffix[0] == "." or len(host) == len(suffix) or host[-len(suffix) - 1] in ".-"
        ):
            return name
    if host.startswith(("bedrock-", "bedrock.")) and host.endswith(
        (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
    ):
        return "aws.bedrock"
    return None
